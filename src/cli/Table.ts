/**
 * Tables for a terminal and for Markdown: the first column to the left, figures to the right.
 *
 * @since 0.1.0
 */
import { displayWidth } from "effect/cli/CliOutput"

/** A table of lines with a rule under its head, for a terminal. */
export const plain = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
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

/** A whole number, by thousands. */
export const whole = (value: number): string => Math.round(value).toLocaleString("en")

/** A share as people say it. */
export const percent = (share: number): string => `${+(share * 100).toFixed(share > 0 && share < 0.01 ? 2 : 1)} %`

/** A stretch of time in milliseconds, as people say it. */
export const span = (millis: number): string => {
  if (millis === Infinity) return "for ever"
  if (millis < 1000) return `${Math.round(millis)} ms`
  const seconds = Math.round(millis / 1000)
  if (seconds < 60) return `${+(millis / 1000).toFixed(1)} s`
  const [days, hours, minutes] = [seconds / 86_400, (seconds % 86_400) / 3600, (seconds % 3600) / 60].map(Math.floor)
  const parts = [[days, "d"], [hours, "h"], [minutes, "min"], [seconds % 60, "s"]] as const
  const first = parts.findIndex(([count]) => count! > 0)
  return parts.slice(first, first + 2).filter(([count]) => count! > 0).map(([count, unit]) => `${count} ${unit}`).join(
    " "
  )
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
