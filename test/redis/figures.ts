/**
 * What a history says in numbers: how long an opening takes to reach everybody, and how long calls waited.
 */
import type { Line } from "./journal.ts"

export interface Figures {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly most: number
}

export const figures = (values: ReadonlyArray<number>): Figures => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] ?? Number.NaN
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), most: sorted.at(-1) ?? Number.NaN }
}

export const shown = ({ count, most, p50, p99 }: Figures): string =>
  `${count}, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, most ${most.toFixed(1)} ms`

/**
 * Of each opening after so many failures in a row, the milliseconds from the call that tripped it until the last process
 * refused. The call that trips is the one that came home as the last of the first such row, wherever it was made.
 */
export const timesToAll = (history: ReadonlyArray<Line>, failures: number): ReadonlyArray<number> => {
  const generations = new Map<string, number>()
  for (const line of history) if (line.what === "admitted") generations.set(line.call, line.generation)
  const rows = new Map<number, number>()
  const tripped = new Map<number, number>()
  for (const line of history) {
    if (line.what !== "settled") continue
    const generation = generations.get(line.call)
    if (generation === undefined || tripped.has(generation)) continue
    const row = line.outcome === "Failure"
      ? (rows.get(generation) ?? 0) + 1
      : line.outcome === "Success"
      ? 0
      : undefined
    if (row !== undefined) rows.set(generation, row)
    if (row === failures) tripped.set(generation, line.at)
  }
  const processes = history.filter(({ what }) => what === "up").length
  const told = new Map<number, Map<string, number>>()
  const known = new Map<string, number>()
  for (const line of history) {
    if (line.what !== "transition") continue
    // Whoever learns of a later period has learnt of this one too.
    for (const generation of tripped.keys()) {
      if (line.generation <= generation || (known.get(line.by) ?? -1) > generation) continue
      const all = told.get(generation) ?? new Map<string, number>()
      all.set(line.by, line.at)
      told.set(generation, all)
    }
    known.set(line.by, line.generation)
  }
  return [...tripped].flatMap(([generation, at]) => {
    const all = told.get(generation)
    return all?.size === processes ? [Math.max(...all.values()) - at] : []
  })
}

/** The milliseconds from an ask until it is decided. */
export const waits = (history: ReadonlyArray<Line>): ReadonlyArray<number> => {
  const asked = new Map<string, number>()
  return history.flatMap((line) => {
    if (line.what === "asked") asked.set(line.call, line.at)
    if (line.what !== "admitted" && line.what !== "returned") return []
    const since = asked.get(line.call)
    asked.delete(line.call)
    return since === undefined ? [] : [line.at - since]
  })
}

/** How many lines are so. */
export const count = (history: ReadonlyArray<Line>, is: (line: Line) => boolean): number => history.filter(is).length
