/** In which order circuits are shown, and which of them: trouble first, and nothing moves under the viewer's hand. */
import type { Entry } from "./Board.tsx"
import { type Kind, kindOf } from "./Words.tsx"

export type Segment = "open" | "isolated" | "halfOpen" | "closed"

export const segmentOf = (kind: Kind): Segment => kind === "probing" || kind === "ramping" ? "halfOpen" : kind

export interface Filter {
  readonly text: string
  readonly segments: ReadonlySet<Segment>
}

export interface Arrangement {
  /** Ids in their order, those that the filter hides too. */
  readonly order: ReadonlyArray<string>
  readonly shown: ReadonlySet<string>
  readonly filter: Filter
  /** The order is on hold, and would be another one. */
  readonly waiting: boolean
  /** When it was last sorted. */
  readonly sortedAt: number
}

export const matches = (entry: Entry, filter: Filter): boolean =>
  matchesText(entry.view.name, filter)
  && (filter.segments.size === 0 || filter.segments.has(segmentOf(kindOf(entry.view))))

export const matchesText = (name: string, filter: Filter): boolean =>
  filter.text.toLowerCase().split(/\s+/).every((word) => name.toLowerCase().includes(word))

export const empty: Arrangement = {
  order: [],
  shown: new Set(),
  filter: { text: "", segments: new Set() },
  waiting: false,
  sortedAt: -Infinity
}

/**
 * The next arrangement. On hold nothing moves: what is new goes to the end, what is gone stays, and what no longer
 * matches stays too. Otherwise trouble moves at once, and circuits without trouble now and then.
 */
export const arrange = (
  last: Arrangement,
  entries: ReadonlyMap<string, Entry>,
  filter: Filter,
  held: boolean,
  now: number
): Arrangement => {
  const kept = last.order.filter((id) => entries.has(id))
  const known = new Set(kept)
  const present = [...kept, ...[...entries.keys()].filter((id) => !known.has(id))]
  const wanted = ranked([...entries.values()].filter(({ gone }) => !gone))
  const sameFilter = last.filter === filter
  const matching = [...entries.values()].filter((entry) => matches(entry, filter)).map(({ id }) => id)

  if (held) {
    const shown = sameFilter ? [...last.shown].filter((id) => entries.has(id)) : []
    return {
      order: same(last.order, present),
      shown: new Set([...shown, ...matching]),
      filter,
      waiting: wanted.length !== present.length || wanted.some((id, index) => id !== present[index]),
      sortedAt: last.sortedAt
    }
  }

  const due = kept.length === 0 || now - last.sortedAt >= calm || present.length !== wanted.length
  const moves = due || troubleOf(wanted, entries) !== troubleOf(present, entries)
  return {
    order: same(last.order, moves ? wanted : present),
    shown: new Set(matching),
    filter,
    waiting: false,
    sortedAt: moves ? now : last.sortedAt
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const calm = 5000

/** The last order itself where the next one is equal. */
const same = (last: ReadonlyArray<string>, next: ReadonlyArray<string>): ReadonlyArray<string> =>
  last.length === next.length && last.every((id, index) => id === next[index]) ? last : next

const ranks: Readonly<Record<Kind, number>> = { open: 0, isolated: 1, probing: 2, ramping: 3, closed: 5 }
const lastOfTrouble = 3

const rankOf = ({ view }: Entry): number => {
  const kind = kindOf(view)
  const shaky = kind === "closed" && ((view.calls > 0 && view.failureRate > 0) || view.retryAfter !== 0)
  return shaky ? 4 : ranks[kind]
}

const collator = new Intl.Collator("en", { numeric: true })

const ranked = (entries: ReadonlyArray<Entry>): ReadonlyArray<string> =>
  entries.map((entry) => ({ entry, rank: rankOf(entry) }))
    .toSorted((a, b) =>
      a.rank - b.rank || collator.compare(a.entry.view.name, b.entry.view.name) || (a.entry.id < b.entry.id ? -1 : 1)
    )
    .map(({ entry }) => entry.id)

/** The circuits in trouble, as far as they lead the order. */
const troubleOf = (order: ReadonlyArray<string>, entries: ReadonlyMap<string, Entry>): string => {
  const isCalm = (id: string) => rankOf(entries.get(id)!) > lastOfTrouble
  const lead = order.findIndex(isCalm)
  const rest = lead < 0 ? [] : order.slice(lead).filter((id) => !isCalm(id))
  return JSON.stringify([lead < 0 ? order : order.slice(0, lead), rest])
}
