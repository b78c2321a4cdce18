/** Says aloud, to whoever listens instead of looking, which circuits opened, closed or were isolated. Never a storm. */
import { useEffect, useState } from "preact/hooks"
import type { Change } from "./Board.tsx"
import type { Kind } from "./Words.tsx"
import { beyondSentence, brief, list, many } from "./Words.tsx"

const collectFor = 1000
const pause = 4000

const said: Partial<Record<Kind, string>> = { open: "opened", isolated: "isolated", closed: "closed" }

let pending = new Map<string, Kind>()
/** Circuits in trouble that the page does not show: how many there are, and how many there were when it was last said. */
let beyond = 0
let beyondSaid = 0
let timer: ReturnType<typeof setTimeout> | undefined
let last = -Infinity
let speak: (text: string) => void = () => {}

export const announce = (changes: ReadonlyArray<Change>, hiddenTrouble: number): void => {
  for (const { kind, name } of changes) pending.set(name, kind)
  beyond = hiddenTrouble
  if ((pending.size === 0 && !isNews()) || timer !== undefined) return
  timer = setTimeout(() => {
    const text = [sentences(pending), isNews() ? beyondSentence(beyond) : ""].filter(Boolean).join(" ")
    pending = new Map()
    beyondSaid = beyond
    timer = undefined
    if (text === "") return
    last = Date.now()
    speak(text)
  }, Math.max(collectFor, last + pause - Date.now()))
}

export const Announcer = () => {
  const [text, setText] = useState("")
  useEffect(() => {
    speak = setText
  }, [])
  return <div class="unseen" id="announcements" aria-live="polite">{text}</div>
}

// ---------------------------------------------------------------------------------------------------------------------

/** How many they are changes with every beat of an outage. That there are some is said, and that there are none any more. */
const isNews = (): boolean => (beyond > 0) !== (beyondSaid > 0)

const sentences = (changes: ReadonlyMap<string, Kind>): string =>
  (Object.keys(said) as Array<Kind>).flatMap((kind) => {
    const names = [...changes].filter(([, each]) => each === kind).map(([name]) => brief(name))
    return names.length === 0
      ? []
      : names.length <= 3
      ? [`${list(names, 3)} ${said[kind]}.`]
      : [`${many(names.length, "circuit")} ${said[kind]}: ${list(names, 3)}.`]
  }).join(" ")
