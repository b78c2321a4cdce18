/**
 * Runs as tables.
 */
import { table, whole } from "../table.ts"
import { type Kept, percent, seconds, times } from "./budgets.ts"
import type { Run } from "./run.ts"

const maybe = (value: number | undefined, show: (value: number) => string): string =>
  value === undefined ? "–" : show(value)

const columns: ReadonlyArray<readonly [string, (run: Run) => string]> = [
  ["reached it dead", ({ scores }) => maybe(scores.reachedDead, percent)],
  ["served", ({ scores }) => percent(scores.served)],
  ["in trouble", ({ scores }) => maybe(scores.servedInTrouble, percent)],
  ["could be", ({ scores }) => maybe(scores.servableInTrouble, percent)],
  ["after it", ({ scores }) => maybe(scores.servedAfter, percent)],
  ["opened after", ({ scores }) => maybe(scores.timeToOpen, seconds)],
  ["back after", ({ scores }) => maybe(scores.timeToRecover, seconds)],
  ["peak load", ({ scores }) => maybe(scores.peakLoad, times)],
  ["false openings", ({ scores }) => whole(scores.falseOpenings)],
  ["failures for users", ({ scores }) => whole(scores.userFailures)],
  ["waited in vain", ({ scores }) => `${whole(scores.waitedInVain / 1000)} s`]
]

const tokens: ReadonlyArray<readonly [string, (run: Run) => string]> = [
  ["wasted tokens", ({ scores }) => `${whole(scores.wastedTokens / 1000)} k`],
  ["wasted", ({ scores }) => `$ ${scores.wastedMoney.toFixed(2)}`]
]

/** One scenario, a row for each contender. A column that says nothing is left out. */
export const scenarioTable = (runs: ReadonlyArray<Run>): string => {
  const shown = [...columns, ...(runs.some(({ scores }) => scores.wastedTokens > 0) ? tokens : [])].filter(([, show]) =>
    runs.some((run) => show(run) !== "–")
  )
  return table(
    ["", ...shown.map(([name]) => name)],
    runs.map((run) => [run.contender, ...shown.map(([, show]) => show(run))])
  )
}

/** What was promised, a row for each promise and scenario, a column for each contender. */
export const promiseTable = (kept: ReadonlyMap<string, ReadonlyArray<Kept>>): string => {
  const names = [...kept.keys()]
  const rows = kept.get(names[0]!) ?? []
  return table(
    ["promise", "scenario", "limit", ...names],
    rows.map(({ limit, scenario, what }, i) =>
      [what, scenario, limit].concat(names.map((name) => {
        const { measured, met } = kept.get(name)![i]!
        return met ? measured : `${measured} MISS`
      }))
    )
  )
}
