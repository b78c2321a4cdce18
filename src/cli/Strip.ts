/**
 * The states of a run in one line of characters: the higher the block, the more of that time the circuit was open.
 *
 * @since 0.1.0
 */
import * as Columns from "../replay/Columns.ts"
import type * as Timeline from "../replay/Timeline.ts"
import type { Colour, Screen } from "./Screen.ts"

/** What the characters mean. */
export const legend = "▁ closed  ▂▄▆ open for a part of that time  █ open  ▒ half-open  X isolated"

/**
 * A timeline as a line that is so many characters wide. A moment in which the circuit was open shows, however short.
 */
export const draw = (timeline: Timeline.Timeline, width: number, paint: Screen["paint"]): string => {
  const columns = Columns.of(timeline, width)
  let line = ""
  for (let i = 0; i < width;) {
    const [colour, first] = blockOf(columns, i)
    let same = first
    for (i++; i < width; i++) {
      const [next, block] = blockOf(columns, i)
      if (next !== colour) break
      same += block
    }
    line += colour === undefined ? same : paint(colour, same)
  }
  return line
}

const blockOf = (
  { closed, halfOpen, isolated, open }: Columns.Columns,
  i: number
): readonly [colour: Colour | undefined, block: string] => {
  if (isolated[i]! > 0) return ["magenta", "X"]
  if (open[i]! > 0) return ["red", heights[Math.min(heights.length - 1, Math.floor(open[i]! * heights.length))]!]
  if (halfOpen[i]! > 0) return ["yellow", "▒"]
  return closed[i]! > 0 ? ["green", "▁"] : [undefined, " "]
}

// ---------------------------------------------------------------------------------------------------------------------

const heights = ["▂", "▃", "▄", "▅", "▆", "▇", "█"]
