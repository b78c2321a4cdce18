/**
 * Tables for a terminal and for Markdown: the first column to the left, figures to the right.
 *
 * @since 0.1.0
 */
import { displayWidth } from "effect/cli/CliOutput"
import * as Text from "./Text.ts"

/** A table of lines with a rule under its head, for a terminal. */
export const plain = (titles: ReadonlyArray<string>, cells: ReadonlyArray<ReadonlyArray<string>>): string => {
  const [head = [], ...rows] = [titles, ...cells].map((row) => row.map(Text.plain))
  const widths = widthsOf(head, rows)
  const line = (cells: ReadonlyArray<string>): string => aligned(cells, widths).join("  ").trimEnd()
  const rule = "─".repeat(widths.reduce((sum, width) => sum + width, 2 * (widths.length - 1)))
  return [line(head), rule, ...rows.map(line)].join("\n")
}

/** The same as Markdown. */
export const markdown = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = widthsOf(head, rows)
  const line = (cells: ReadonlyArray<string>): string => `| ${aligned(cells, widths).join(" | ")} |`
  const rule = `| ${widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")} |`
  return [line(head), rule, ...rows.map(line)].join("\n")
}

// ---------------------------------------------------------------------------------------------------------------------

const widthsOf = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<number> =>
  head.map((title, i) => Math.max(displayWidth(title), ...rows.map((row) => displayWidth(row[i] ?? ""))))

const aligned = (cells: ReadonlyArray<string>, widths: ReadonlyArray<number>): ReadonlyArray<string> =>
  cells.map((cell, i) => {
    const space = " ".repeat(Math.max(0, widths[i]! - displayWidth(cell)))
    return i === 0 ? cell + space : space + cell
  })
