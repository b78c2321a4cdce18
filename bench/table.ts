/** What the reports of the benchmarks share: Markdown tables, and figures as people say them. */
import { markdown as table } from "../src/cli/Table.ts"
import { whole } from "../src/replay/Words.ts"
import type { Budget } from "./budgets.ts"

export { table, whole }

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
