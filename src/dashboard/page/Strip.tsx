/** The last minutes of a circuit: calls, failures and refusals as steps over one another, and a band of states below. */
import { area, curveStepAfter } from "d3-shape"
import type { VNode } from "preact"
import { useRef, useState } from "preact/hooks"
import type { StripView } from "../View.ts"
import { board, type Entry } from "./Board.tsx"
import * as Clock from "./Clock.tsx"
import { compact, duration, letters, stripSentence, sum, time } from "./Words.tsx"

/** `near` where the card is about to be seen: only then is the picture drawn. Elsewhere the last one stays. */
export const Strip = ({ entry, near }: { readonly entry: Entry; readonly near: boolean }) => {
  const [pointed, point] = useState<number | undefined>(undefined)
  const picture = useRef<VNode | undefined>(undefined)
  const { strip } = entry
  if (near) picture.current = <Picture strip={strip} pointed={pointed} />
  return (
    <div class="strip">
      <div
        class="plot"
        role="img"
        aria-label={stripSentence(strip, board.every)}
        onPointerMove={(event) => {
          const { left, width } = event.currentTarget.getBoundingClientRect()
          const index = Math.floor((event.clientX - left) / width * board.points) - startOf(strip)
          point(index >= 0 && index < strip.states.length ? index : undefined)
        }}
        onPointerLeave={() => point(undefined)}
      >
        {picture.current}
      </div>
      <p class="legend" aria-hidden="true">{captionOf(strip, pointed)}</p>
    </div>
  )
}

// ---------------------------------------------------------------------------------------------------------------------

const height = 50
const base = 42
const top = 2
const bandTop = 44

/** One point is one unit wide, and the newest is at the right, however wide the card is. */
const Picture = ({ pointed, strip }: { readonly strip: StripView; readonly pointed: number | undefined }) => {
  const asked = strip.calls.map((calls, index) => calls + strip.refused[index]!)
  const most = Math.max(4, ...asked)
  const steps = (values: ReadonlyArray<number>) => stepsOf(values, startOf(strip), most)
  return (
    <svg viewBox={`0 0 ${board.points} ${height}`} preserveAspectRatio="none" shape-rendering="crispEdges">
      <path class="refused" d={steps(asked)} />
      <path class="calls" d={steps(strip.calls)} />
      <path class="failures" d={steps(strip.failures)} />
      {[...bandsOf(strip)].map(([letter, d]) => (
        <path key={letter} class={`band ${letters[letter] ?? "closed"}`} d={d} />
      ))}
      {pointed !== undefined && <path class="pointed" d={`M${startOf(strip) + pointed + 0.5} 0V${height}`} />}
    </svg>
  )
}

const startOf = ({ states }: StripView): number => board.points - states.length

/** Each value is as wide as its point. */
const stepsOf = (values: ReadonlyArray<number>, start: number, most: number): string => {
  const steps = area<number>((_, index) => start + index, base, (value) => base - (base - top) * value / most)
  return steps.curve(curveStepAfter).digits(1)([...values, ...values.slice(-1)]) ?? ""
}

/** One path for each state, with a rectangle for each run of it. */
const bandsOf = (strip: StripView): ReadonlyMap<string, string> => {
  const { states } = strip
  const bands = new Map<string, string>()
  let start = 0
  for (let end = 1; end <= states.length; end++) {
    const letter = states[start]!
    if (end < states.length && states[end] === letter) continue
    const rectangle = `M${startOf(strip) + start} ${bandTop}h${end - start}V${height}h${start - end}Z`
    bands.set(letter, (bands.get(letter) ?? "") + rectangle)
    start = end
  }
  return bands
}

const captionOf = (strip: StripView, pointed: number | undefined) => {
  const length = strip.states.length
  if (length === 0) return "Nothing yet"
  const at = (values: ReadonlyArray<number>) => pointed === undefined ? sum(values) : values[pointed] ?? 0
  const span = pointed === undefined
    ? duration(length * board.every)
    : time(Clock.now() - (length - 1 - pointed) * board.every)
  return (
    <>
      <span class="span">{span}</span>
      <span class="calls">{compact(at(strip.calls))} calls</span>
      <span class="failures">{compact(at(strip.failures))} failed</span>
      <span class="refused">{compact(at(strip.refused))} refused</span>
    </>
  )
}
