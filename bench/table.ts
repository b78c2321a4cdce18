/** Plain tables for a terminal and for Markdown: the first column to the left, figures to the right. */
import type { Budget } from "./budgets.ts"

export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: ReadonlyArray<string>): string =>
    `| ${cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join(" | ")} |`
  const rule = `| ${widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")} |`
  return [line(head), rule, ...rows.map(line)].join("\n")
}

export const whole = (value: number): string => Math.round(value).toLocaleString("en")

/** A ratio as people say it: "1/23.4" below a half, else "0.87". */
export const ratio = (value: number): string => {
  if (value <= 0) return "none"
  return value < 0.5 ? `1/${(1 / value).toFixed(1).replace(/\.0$/, "")}` : value.toFixed(2)
}

export const budgetTable = (all: ReadonlyArray<Budget>): string =>
  table(
    ["budget", "promised", "measured", ""],
    all.map(({ budget, measured, met, what }) => [what, budget, measured, met ? "PASS" : "MISS"])
  )
