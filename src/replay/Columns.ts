/**
 * A timeline cut anew, into so many columns of equal length: for pictures, which are as wide as they are.
 *
 * @since 0.1.0
 */
import type * as Timeline from "./Timeline.ts"

/** What is added up, what is the highest, and what is a mean over the time. */
export const sums = [
  "asked",
  "refusedSucceeded",
  "refusedFailed",
  "refusedUnknown",
  "succeeded",
  "failed",
  "ignored",
  "throttled",
  "probes"
] as const
export const maxima = ["running", "load"] as const
export const shares = ["closed", "open", "halfOpen", "isolated"] as const

type Series = (typeof sums)[number] | (typeof maxima)[number] | (typeof shares)[number]

/** Columns, one entry for each in every series. `length` is that of one column in milliseconds. */
export interface Columns extends Readonly<Record<Series, ReadonlyArray<number>>> {
  readonly from: number
  readonly length: number
  readonly count: number
}

/**
 * Cuts a timeline. A slice that lies in several columns is shared out in proportion; its highest values count in each of
 * them.
 */
export const of = (timeline: Timeline.Timeline, count: number): Columns => {
  const { every, from, until } = timeline
  const length = (until - from) / count
  const column = (start: number): Array<number> => Array.from({ length: count }, () => start)
  const all = Object.fromEntries([
    ...[...sums, ...shares].map((series) => [series, column(0)]),
    ...maxima.map((series) => [series, column(series === "load" ? -1 : 0)])
  ]) as Record<Series, Array<number>>
  const covered = column(0)
  timeline.asked.forEach((_, slice) => {
    const begins = slice * every
    const ends = Math.min(begins + every, until - from)
    const last = Math.min(count - 1, Math.ceil(ends / length) - 1)
    for (let i = Math.floor(begins / length); i <= last; i++) {
      const part = Math.min(ends, (i + 1) * length) - Math.max(begins, i * length)
      if (part <= 0) continue
      covered[i]! += part
      for (const series of sums) all[series][i]! += timeline[series][slice]! * (part / (ends - begins))
      for (const series of maxima) all[series][i] = Math.max(all[series][i]!, timeline[series][slice]!)
      for (const series of shares) all[series][i]! += timeline[series][slice]! * part
    }
  })
  for (const series of shares) covered.forEach((time, i) => time > 0 && (all[series][i]! /= time))
  return { ...all, from, length, count }
}
