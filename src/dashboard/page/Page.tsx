/** The whole page. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"
import { Announcer } from "./Announcer.tsx"
import { board, type Entry, inNameOrder, sweep } from "./Board.tsx"
import { Cards } from "./Cards.tsx"
import { feed } from "./Feed.tsx"
import { Happenings } from "./Happenings.tsx"
import { countsOf, Header } from "./Header.tsx"
import { type Ask, OrderDialog } from "./OrderDialog.tsx"
import * as Paint from "./Paint.tsx"
import { arrange, type Arrangement, empty, type Filter, matcher } from "./Ranking.tsx"
import { beyondSentence, many, number } from "./Words.tsx"

export const Page = () => {
  const [, redraw] = useState(0)
  const [filter, setFilter] = useState(empty.filter)
  const [ask, setAsk] = useState<Ask | undefined>(undefined)
  const [result, setResult] = useState("")
  const circuits = useRef<HTMLUListElement>(null)
  const heading = useRef<HTMLHeadingElement>(null)
  const held = useHold(circuits, ask !== undefined)
  const { arrangement, sortNow } = useArrangement(filter, held)

  useEffect(() => {
    if (result === "") return
    const timer = setTimeout(() => setResult(""), resultStays)
    return () => clearTimeout(timer)
  }, [result])
  useEffect(() => Paint.onPage(() => redraw((count) => count + 1)), [])
  const askFor = useCallback((next: Omit<Ask, "instance">) => {
    setResult("")
    setAsk({ ...next, instance: board.instance })
  }, [])

  const counts = countsOf(board.entries.values())
  const troubled = counts.open + counts.isolated + board.hiddenTrouble
  useEffect(() => {
    document.title = troubled > 0 ? `(${troubled}) ${board.title}` : board.title
  }, [troubled, board.title])

  const { entry: matches } = matcher(filter)
  const matching = inNameOrder().filter((entry) => !entry.gone && matches(entry))
  const filtered = filter.text.trim() !== "" || filter.segments.size > 0
  const total = counts.open + counts.isolated + counts.halfOpen + counts.closed

  return (
    <>
      <a class="skip" href="#circuits">Skip to the circuits</a>
      <Header title={board.title} counts={counts} filter={filter} setFilter={setFilter} />
      <div class="body">
        <main id="circuits" tabIndex={-1}>
          <div class="bar">
            <h2 ref={heading} tabIndex={-1}>
              {filtered ? `${number(matching.length)} of ${many(total, "circuit")}` : many(total, "circuit")}
            </h2>
            {board.hiddenTrouble > 0 && (
              <p class="beyond">
                {beyondSentence(board.hiddenTrouble)}
                <small>This page follows no more than {many(total, "circuit")}.</small>
              </p>
            )}
            <a class="jump" href="#happenings">Recent events</a>
            {arrangement.waiting && (
              <p class="hold">
                <span>Order on hold</span>
                <button
                  type="button"
                  onClick={() => {
                    heading.current?.focus({ preventScroll: true })
                    sortNow()
                  }}
                >
                  Sort now
                </button>
              </p>
            )}
            {board.control && (
              <button
                type="button"
                class="bulk"
                aria-disabled={matching.length === 0}
                onClick={() => {
                  if (matching.length === 0) return
                  const targets = inOrder(matching, arrangement).map(({ id, view }) => ({ id, name: view.name }))
                  askFor({ order: "isolate", targets, bulk: true })
                }}
              >
                {filtered ? "Control these…" : "Control all…"}
              </button>
            )}
          </div>
          <p class={result === "" ? "result unseen" : "result"} role="status">
            {result}
          </p>
          <Nothing total={total} matching={arrangement.shown.size} />
          <Cards
            list={circuits}
            instance={board.instance}
            order={arrangement.order}
            shown={arrangement.shown}
            control={board.control}
            ask={askFor}
          />
          {board.hidden > 0 && (
            <p class="hidden">
              And {many(board.hidden, "circuit")} more than this page follows,{" "}
              {board.hiddenTrouble === 0 ? "all of them closed" : `${number(board.hiddenTrouble)} of them in trouble`}.
            </p>
          )}
        </main>
        <Happenings happenings={board.happenings} filter={filter} />
      </div>
      <Announcer />
      {ask !== undefined && <OrderDialog ask={ask} report={setResult} closed={() => setAsk(undefined)} />}
    </>
  )
}

// ---------------------------------------------------------------------------------------------------------------------

const resultStays = 15_000

const Nothing = ({ matching, total }: { readonly total: number; readonly matching: number }) => {
  if (matching > 0) return null
  return (
    <p class="nothing">
      {total > 0
        ? "No circuit matches the filter."
        : feed.connection.is === "live"
        ? "This program has no circuit yet. They appear here as soon as they are made."
        : "Waiting for the server…"}
    </p>
  )
}

const inOrder = (entries: ReadonlyArray<Entry>, { order }: Arrangement): ReadonlyArray<Entry> => {
  const places = new Map(order.map((id, index) => [id, index]))
  return entries.toSorted((a, b) => (places.get(a.id) ?? Infinity) - (places.get(b.id) ?? Infinity))
}

const scrollPause = 3000

/** Whether nothing may move: the viewer points at a card, is at work in one, was just scrolling, or is asked something. */
const useHold = (circuits: { readonly current: HTMLElement | null }, asked: boolean): () => boolean => {
  const pointing = useRef(false)
  const scrolled = useRef(-Infinity)
  const dialog = useRef(asked)
  dialog.current = asked
  useEffect(() => {
    const element = circuits.current!
    const enter = (event: PointerEvent) => {
      pointing.current = event.pointerType === "mouse"
    }
    const leave = () => {
      pointing.current = false
      Paint.request()
    }
    const scroll = () => {
      scrolled.current = Date.now()
    }
    const blur = () => Paint.request()
    element.addEventListener("pointerover", enter)
    element.addEventListener("pointerleave", leave)
    element.addEventListener("focusout", blur)
    addEventListener("scroll", scroll, { passive: true })
    return () => {
      element.removeEventListener("pointerover", enter)
      element.removeEventListener("pointerleave", leave)
      element.removeEventListener("focusout", blur)
      removeEventListener("scroll", scroll)
    }
  }, [])
  return useCallback(
    () =>
      pointing.current || dialog.current || circuits.current?.contains(document.activeElement) === true
      || Date.now() - scrolled.current < scrollPause,
    []
  )
}

/** What is shown in which order, kept from one drawing to the next. */
const useArrangement = (filter: Filter, held: () => boolean) => {
  const last = useRef(empty)
  const forced = useRef(false)
  const before = useRef(0)
  const [, redraw] = useState(0)
  const holding = held() && !forced.current
  if (!holding) sweep()
  const arrangement = arrange(last.current, inNameOrder(), filter, holding, Date.now())
  const moved = arrangement.order !== last.current.order
  if (moved) before.current = scrollY
  last.current = arrangement
  forced.current &&= arrangement.moving
  // A browser may follow a card that moved: the place on the page stays instead.
  useLayoutEffect(() => {
    if (moved && scrollY !== before.current) scrollTo({ top: before.current, behavior: "instant" })
  })
  useEffect(() => {
    if (!arrangement.moving) return
    const frame = requestAnimationFrame(() => redraw((count) => count + 1))
    return () => cancelAnimationFrame(frame)
  })
  const sortNow = () => {
    forced.current = true
    redraw((count) => count + 1)
  }
  return { arrangement, sortNow }
}
