/**
 * Runs side by side, as commands show them: strips for the terminal, and the page of a report as a file.
 *
 * @since 0.1.0
 */
import { displayWidth } from "effect/cli/CliOutput"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Report from "../replay/Report.ts"
import * as Words from "../replay/Words.ts"
import * as Output from "./Output.ts"
import type { Screen } from "./Screen.ts"
import * as Strip from "./Strip.ts"
import * as Text from "./Text.ts"

/** The option that asks for a page. */
export const flag = Flag.String("report").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("Write a page of HTML that shows the runs side by side, and needs nothing else"),
  Flag.optional
)

/** Writes the page where one is asked for, and says so. Last of all: where it cannot be written, the rest is told. */
export const write = Effect.fnUntraced(function*(file: Option.Option<string>, page: () => Report.Options) {
  if (Option.isNone(file)) return
  yield* Output.write(file.value, Report.html(page()), "The report")
})

/** The states of all runs over the same time, a line for each, with an axis and a legend. */
export const strips = (
  all: ReadonlyArray<Report.Run>,
  clock: Words.Clock,
  { columns, paint }: Pick<Screen, "columns" | "paint">
): string => {
  const runs = all.map(({ name, timeline }) => ({ name: Text.plain(name), timeline }))
  const names = Math.max(...runs.map(({ name }) => displayWidth(name)))
  const width = Math.max(10, Math.min(100, columns - names - 3))
  const { from, until } = runs[0]!.timeline
  const lines = runs.map(({ name, timeline }) =>
    `${name}${" ".repeat(names - displayWidth(name))}  ${Strip.draw(timeline, width, paint)}`
  )
  const indent = " ".repeat(names + 2)
  return [...lines, indent + axis(from, until, width, clock), indent + paint("dim", Strip.legend)].join("\n")
}

// ---------------------------------------------------------------------------------------------------------------------

const axis = (from: number, until: number, width: number, clock: Words.Clock): string => {
  const moments = Words.ticks(from, until, Math.max(1, Math.floor(width / 14)), clock)
  let line = ""
  for (const at of moments) {
    const column = until === from ? 0 : Math.floor(((at - from) / (until - from)) * width)
    const label = `╵${Words.moment(at, from, clock, Words.apart(moments))}`
    if (column >= line.length && column + label.length <= width) line = line.padEnd(column) + label
  }
  return line
}
