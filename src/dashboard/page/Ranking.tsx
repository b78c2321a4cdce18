/** In which order circuits are shown, and which of them: trouble first, and nothing moves under the viewer's hand. */
import type { Entry } from "./Board.tsx"
import { towards } from "./Moves.tsx"
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
  /** It is on its way to another one. */
  readonly moving: boolean
  /** When it was last sorted. */
  readonly sortedAt: number
}

/** Tells which names and circuits the filter keeps. */
export const matcher = (filter: Filter) => {
  const words = filter.text.toLowerCase().split(/\s+/)
  const name = (name: string): boolean => words.every((word) => name.includes(word))
  return {
    /** For a name in small letters. */
    name,
    entry: ({ key, view }: Entry): boolean =>
      name(key) && (filter.segments.size === 0 || filter.segments.has(segmentOf(kindOf(view))))
  }
}

export const empty: Arrangement = {
  order: [],
  shown: new Set(),
  filter: { text: "", segments: new Set() },
  waiting: false,
  moving: false,
  sortedAt: -Infinity
}

/**
 * The next arrangement of the circuits, which come in the order of their names. On hold nothing moves: what is new goes to
 * the end, what is gone stays, and what no longer matches stays too. Otherwise trouble moves at once, and circuits without
 * trouble now and then; in several steps where many move.
 */
export const arrange = (
  last: Arrangement,
  byName: ReadonlyArray<Entry>,
  filter: Filter,
  held: boolean,
  now: number
): Arrangement => {
  const { entry: matches } = matcher(filter)
  const here = new Set(byName.map(({ id }) => id))
  const kept = last.order.filter((id) => here.has(id))
  const known = new Set(kept)
  const present = [...kept, ...[...here].filter((id) => !known.has(id))]
  const { order: wanted, troubled } = ranked(byName)
  const matching = byName.filter(matches).map(({ id }) => id)

  if (held) {
    const shown = last.filter === filter ? [...last.shown].filter((id) => here.has(id)) : []
    return {
      order: same(last.order, present),
      shown: sameSet(last.shown, [...shown, ...matching]),
      filter,
      waiting: wanted.length !== present.length || wanted.some((id, index) => id !== present[index]),
      moving: false,
      sortedAt: last.sortedAt
    }
  }

  const due = kept.length === 0 || now - last.sortedAt >= calm || present.length !== wanted.length
  const moves = due || wanted.slice(0, troubled).some((id, index) => id !== present[index])
  const order = same(last.order, !moves ? present : kept.length === 0 ? wanted : towards(present, wanted, mostMoves))
  const arrived = order.every((id, index) => id === wanted[index])
  return {
    order,
    shown: sameSet(last.shown, matching),
    filter,
    waiting: false,
    moving: moves && !arrived,
    sortedAt: moves && arrived ? now : last.sortedAt
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const calm = 5000
const mostMoves = 24

/** The last order itself where the next one is equal. */
const same = (last: ReadonlyArray<string>, next: ReadonlyArray<string>): ReadonlyArray<string> =>
  last.length === next.length && last.every((id, index) => id === next[index]) ? last : next

/** The last set itself where it holds the same. */
const sameSet = (last: ReadonlySet<string>, next: ReadonlyArray<string>): ReadonlySet<string> => {
  const set = new Set(next)
  return last.size === set.size && next.every((id) => last.has(id)) ? last : set
}

const ranks: Readonly<Record<Kind, number>> = { open: 0, isolated: 1, probing: 2, ramping: 3, closed: 5 }
const lastOfTrouble = 3

const rankOf = ({ view }: Entry): number => {
  const kind = kindOf(view)
  const shaky = kind === "closed" && ((view.calls > 0 && view.failureRate > 0) || view.retryAfter !== 0)
  return shaky ? 4 : ranks[kind]
}

/** Those that are there by rank, and how many of them are in trouble: these are first. */
const ranked = (byName: ReadonlyArray<Entry>) => {
  const order: Array<string> = []
  let troubled = 0
  for (const rank of [0, 1, 2, 3, 4, 5]) {
    for (const entry of byName) if (!entry.gone && rankOf(entry) === rank) order.push(entry.id)
    if (rank === lastOfTrouble) troubled = order.length
  }
  return { order, troubled }
}
