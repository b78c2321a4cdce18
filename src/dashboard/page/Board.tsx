/**
 * What the page knows: circuits with their strips, and what happened. Plain data that frames change in place; whoever
 * draws it listens.
 */
import type { BeatView, CircuitView, HappeningView, PageView, StripView } from "../View.ts"
import { type Kind, kindOf } from "./Words.tsx"

/** One circuit on the page. `asOf` is the server's time at which `view` held. */
export interface Entry {
  readonly id: string
  view: CircuitView
  asOf: number
  readonly strip: StripView & {
    states: string
    calls: Array<number>
    failures: Array<number>
    slow: Array<number>
    refused: Array<number>
  }
  /** The name as the filter reads it. */
  readonly key: string
  /** Rises with every change of `view`. */
  version: number
  gone: boolean
}

export interface Seen extends HappeningView {
  readonly key: number
}

/** A circuit came into another state. */
export interface Change {
  readonly name: string
  readonly kind: Kind
}

const longestStrip = 240
const shortestStrip = 120
const mostHappenings = 200

export interface Board {
  readonly entries: Map<string, Entry>
  happenings: ReadonlyArray<Seen>
  instance: string | undefined
  title: string
  sequence: number
  every: number
  control: boolean
  hidden: number
  /** How many of these are in trouble. */
  hiddenTrouble: number
  /** How many points a strip holds. */
  points: number
}

const collator = new Intl.Collator("en", { numeric: true })
let byName: ReadonlyArray<Entry> | undefined

/** All circuits in the order of their names. A name does not change, so it is sorted again only where one comes or goes. */
export const inNameOrder = (): ReadonlyArray<Entry> =>
  byName ??= [...board.entries.values()].toSorted((a, b) =>
    collator.compare(a.view.name, b.view.name) || (a.id < b.id ? -1 : 1)
  )

export const board: Board = {
  entries: new Map(),
  happenings: [],
  instance: undefined,
  title: "Circuits",
  sequence: 0,
  every: 1000,
  control: false,
  hidden: 0,
  hiddenTrouble: 0,
  points: shortestStrip
}

/** Takes the whole. Gives the changes of state since what was known of the same server. */
export const takePage = (page: PageView): ReadonlyArray<Change> => {
  const same = page.instance === board.instance
  if (!same) {
    board.entries.clear()
    byName = undefined
  }
  const longest = page.circuits.reduce((most, { strip }) => Math.max(most, strip.states.length), shortestStrip)
  Object.assign(board, {
    instance: page.instance,
    title: page.title,
    sequence: page.sequence,
    every: page.every,
    control: page.control,
    hidden: page.hidden,
    hiddenTrouble: page.hiddenTrouble ?? 0,
    points: Math.min(longest, longestStrip)
  })
  const changes: Array<Change> = []
  const ids = new Set<string>()
  for (const { strip, ...view } of page.circuits) {
    ids.add(view.id)
    const entry = place(view, page.at, same ? changes : undefined)
    entry.strip.states = strip.states.slice(-board.points)
    for (const column of columns) entry.strip[column] = strip[column].slice(-board.points)
  }
  for (const entry of board.entries.values()) if (!ids.has(entry.id)) leave(entry)
  board.happenings = seen(page.happenings)
  return changes
}

/** Takes one beat, which has to follow on the last one. Gives the changes of state. */
export const takeBeat = (beat: BeatView): ReadonlyArray<Change> => {
  board.sequence = beat.sequence
  board.hidden = beat.hidden
  board.hiddenTrouble = beat.hiddenTrouble ?? 0
  const changes: Array<Change> = []
  const named = new Set<string>()
  for (const { point, ...view } of beat.circuits) {
    named.add(view.id)
    const { strip } = place(view, beat.at, changes)
    strip.states = (strip.states + point.state).slice(-board.points)
    for (const column of columns) append(strip[column], point[column])
  }
  for (const id of beat.gone) {
    const entry = board.entries.get(id)
    if (entry !== undefined) leave(entry)
  }
  for (const { gone, id, strip } of board.entries.values()) {
    if (gone || named.has(id)) continue
    strip.states = (strip.states + (strip.states.at(-1) ?? "c")).slice(-board.points)
    for (const column of columns) append(strip[column], 0)
  }
  if (beat.happenings.length > 0) {
    board.happenings = [...seen(beat.happenings), ...board.happenings].slice(0, mostHappenings)
  }
  return changes
}

/** Forgets the circuits that are gone. Until then they keep their place on the page. */
export const sweep = (): void => {
  for (const entry of board.entries.values()) {
    if (!entry.gone) continue
    board.entries.delete(entry.id)
    byName = undefined
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const columns = ["calls", "failures", "slow", "refused"] as const

const append = (values: Array<number>, value: number): void => {
  values.push(value)
  if (values.length > board.points) values.splice(0, values.length - board.points)
}

const place = (view: CircuitView, at: number, changes: Array<Change> | undefined): Entry => {
  const known = board.entries.get(view.id)
  if (known === undefined) {
    const strip = { states: "", calls: [], failures: [], slow: [], refused: [] }
    const key = view.name.toLowerCase()
    const entry: Entry = { id: view.id, view, asOf: at, strip, key, version: 0, gone: false }
    board.entries.set(view.id, entry)
    byName = undefined
    if (kindOf(view) !== "closed") changes?.push({ name: view.name, kind: kindOf(view) })
    return entry
  }
  if (kindOf(known.view) !== kindOf(view)) changes?.push({ name: view.name, kind: kindOf(view) })
  known.view = view
  known.asOf = at
  known.version++
  known.gone = false
  return known
}

const leave = (entry: Entry): void => {
  entry.gone = true
  entry.version++
}

let keys = 0

/** Newest first, whatever the order they came in. */
const seen = (happenings: ReadonlyArray<HappeningView>): ReadonlyArray<Seen> =>
  happenings.map((each) => ({ ...each, key: keys++ }))
    .toSorted((a, b) => b.at - a.at || b.key - a.key)
    .slice(0, mostHappenings)
