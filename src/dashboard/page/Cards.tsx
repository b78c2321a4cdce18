/** The circuits in their order. Those at the top are there at once, however many follow. */
import { useEffect, useRef, useState } from "preact/hooks"
import { board, type Entry } from "./Board.tsx"
import { Card } from "./Card.tsx"
import { memo } from "./Memo.tsx"
import type { Ask } from "./OrderDialog.tsx"

interface Asking {
  readonly control: boolean
  readonly ask: (ask: Omit<Ask, "instance">) => void
}

/** `instance` because ids mean other circuits after a restart. */
export const Cards = memo(({ ask, control, list, order, shown }: Asking & {
  readonly list: { current: HTMLUListElement | null }
  readonly instance: string | undefined
  readonly order: ReadonlyArray<string>
  readonly shown: ReadonlySet<string>
}) => {
  const { isMade, isShown } = useGrowth(order, shown)
  return (
    <ul role="list" class="cards" ref={list} aria-label="Circuits">
      {order.map((id) => {
        const entry = board.entries.get(id)
        return entry === undefined || !isMade(id)
          ? null
          : <Place key={id} entry={entry} hidden={!isShown(id)} control={control} ask={ask} />
      })}
    </ul>
  )
})

// ---------------------------------------------------------------------------------------------------------------------

const Place = memo((props: Asking & { readonly entry: Entry; readonly hidden: boolean }) => (
  <li hidden={props.hidden}>
    <Card entry={props.entry} control={props.control} ask={props.ask} />
  </li>
))

/** A frame has time for so many cards that are made, or for eight times as many that only come back. */
const newPerFrame = 6
const oldForNew = 8

/** Shows more cards with each frame. A card that was made stays, hidden where the filter leaves it out. */
const useGrowth = (order: ReadonlyArray<string>, shown: ReadonlySet<string>) => {
  const [, redraw] = useState(0)
  const made = useRef<ReadonlySet<string>>(new Set())
  const reach = useRef(0)
  const last = useRef<Partial<Record<"order" | "shown", unknown>>>({})
  const wanted = order.filter((id) => shown.has(id))
  const grow = () => {
    for (let left = newPerFrame * oldForNew; left > 0 && reach.current < wanted.length; reach.current++) {
      left -= made.current.has(wanted[reach.current]!) ? 1 : oldForNew
    }
  }
  // What another filter lets in is there at once, as far as there is time in one frame.
  if (last.current.order !== order || last.current.shown !== shown) {
    last.current = { order, shown }
    reach.current = Math.min(reach.current, wanted.length)
    grow()
  }
  const now = new Set(wanted.slice(0, reach.current))
  made.current = new Set(order.filter((id) => made.current.has(id) || now.has(id)))

  const isWhole = reach.current === wanted.length
  useEffect(() => {
    if (isWhole) return
    const frame = requestAnimationFrame(() => {
      grow()
      redraw((count) => count + 1)
    })
    return () => cancelAnimationFrame(frame)
  })
  return { isMade: (id: string) => made.current.has(id), isShown: (id: string) => now.has(id) }
}
