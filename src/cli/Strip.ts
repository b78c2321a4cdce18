/**
 * The states of a run in one line of characters: the higher the block, the more of that time the circuit was open.
 *
 * @since 0.1.0
 */
import * as Columns from "../replay/Columns.ts"
import type * as Timeline from "../replay/Timeline.ts"
import type { Screen } from "./Screen.ts"

/** What the characters mean. */
export const legend = "▁ closed  ▂▄▆ open for a part of that time  █ open  ▒ half-open  X isolated"

/**
 * A timeline as a line that is so many characters wide. A moment in which the circuit was open shows, however short.
 */
export const draw = (timeline: Timeline.Timeline, width: number, paint: Screen["paint"]): string =>
  of(Columns.of(timeline, width), paint)

const of = (columns: Columns.Columns, paint: Screen["paint"]): string =>
  columns.closed.map((closed, i) => {
    const [open, halfOpen, isolated] = [columns.open[i]!, columns.halfOpen[i]!, columns.isolated[i]!]
    if (isolated > 0) return paint("magenta", "X")
    if (open > 0) return paint("red", heights[Math.min(heights.length - 1, Math.floor(open * heights.length))]!)
    if (halfOpen > 0) return paint("yellow", "▒")
    return closed > 0 ? paint("green", "▁") : " "
  }).join("")

// ---------------------------------------------------------------------------------------------------------------------

const heights = ["▂", "▃", "▄", "▅", "▆", "▇", "█"]
