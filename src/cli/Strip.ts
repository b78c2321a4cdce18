/**
 * The states of a run in one line of characters: the higher the block, the more of that time the circuit was open.
 *
 * @since 0.1.0
 */
import type * as Timeline from "../replay/Timeline.ts"
import type { Screen } from "./Screen.ts"

/** What the characters mean. */
export const legend = "▁ closed  ▂▄▆ open for a part of that time  █ open  ▒ half-open  X isolated"

/**
 * A timeline as a line that is so many characters wide. A moment in which the circuit was open shows, however short.
 */
export const draw = (timeline: Timeline.Timeline, width: number, paint: Screen["paint"]): string =>
  columns(timeline, width).map(({ closed, halfOpen, isolated, open }) => {
    if (isolated > 0) return paint("magenta", "X")
    if (open > 0) return paint("red", heights[Math.min(heights.length - 1, Math.floor(open * heights.length))]!)
    if (halfOpen > 0) return paint("yellow", "▒")
    return closed > 0 ? paint("green", "▁") : " "
  }).join("")

/** The shares of a stretch of time that circuits spent in each state. */
export interface Shares {
  readonly closed: number
  readonly open: number
  readonly halfOpen: number
  readonly isolated: number
}

/** A timeline cut into so many columns of equal length, each the mean of what it covers. */
export const columns = (timeline: Timeline.Timeline, count: number): ReadonlyArray<Shares> => {
  const { every, from, until } = timeline
  const length = (until - from) / count
  return Array.from({ length: count }, (_, column) => {
    const begins = column * length
    const ends = begins + length
    const sums = { closed: 0, open: 0, halfOpen: 0, isolated: 0 }
    let covered = 0
    for (let slice = Math.floor(begins / every); slice < timeline.asked.length && slice * every < ends; slice++) {
      const part = Math.min(ends, (slice + 1) * every) - Math.max(begins, slice * every)
      if (part <= 0) continue
      covered += part
      for (const state of states) sums[state] += part * timeline[state][slice]!
    }
    if (covered === 0) return sums
    for (const state of states) sums[state] /= covered
    return sums
  })
}

// ---------------------------------------------------------------------------------------------------------------------

const states = ["closed", "open", "halfOpen", "isolated"] as const

const heights = ["▂", "▃", "▄", "▅", "▆", "▇", "█"]
