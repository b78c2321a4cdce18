/**
 * How long incidents last and how often they come, as providers of language models had them.
 *
 * @since 0.1.0
 */
import * as Distribution from "./Distribution.ts"
import type { Random } from "./Random.ts"
import type { Phase } from "./Scenario.ts"

/**
 * How long incidents last, and how long it is from the beginning of one to that of the next, in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outages {
  readonly length: Distribution.Distribution
  readonly gap: Distribution.Distribution
}

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/**
 * Fitted to what OpenAI and Anthropic wrote on their status pages up to August 2024.
 *
 * **Details**
 *
 * The middle incident of OpenAI lasted 77 minutes and that of Anthropic 55, and they came every 3.56 and 3.81 days in the mean.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fitted: { readonly openai: Outages; readonly anthropic: Outages } = /*#__PURE__*/ (() => ({
  openai: {
    length: { _tag: "LogNormal", median: 77 * MINUTE, sigma: 1.2 },
    gap: { _tag: "Exponential", mean: 3.56 * DAY }
  },
  anthropic: {
    length: { _tag: "LogNormal", median: 55 * MINUTE, sigma: 1.4 },
    gap: { _tag: "Exponential", mean: 3.81 * DAY }
  }
}))()

/**
 * Reads incidents from the text of a CSV file with the columns `provider`, `start`, and `minutes` or `end`, in any order.
 *
 * **Details**
 *
 * `provider` keeps those of one alone, `api` those with a 1 in the column `api_affected`. An incident of no length says nothing of how
 * long one lasts, and is left out of the lengths.
 *
 * **Gotchas**
 *
 * Gives `undefined` where fewer than two incidents are left: take a fitted one.
 *
 * **Example** (Two incidents, a day apart)
 *
 * ```ts
 * import { Distribution, Outages } from "effect-breaker/replay"
 *
 * const csv = `provider,start,minutes
 * openai,2024-05-01T10:00:00Z,30
 * openai,2024-05-02T10:00:00Z,90`
 * const outages = Outages.fromCsv(csv)!
 * console.log(Distribution.mean(outages.length) / 60_000) // => 60
 * console.log(Distribution.mean(outages.gap) / 3_600_000) // => 24
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCsv = (
  text: string,
  { api = false, provider }: { readonly provider?: string | undefined; readonly api?: boolean | undefined } = {}
): Outages | undefined => {
  const [head = "", ...lines] = text.trim().split(/\r?\n/)
  const columns = head.split(",").map((name) => name.trim())
  const incidents = lines.map((line) => {
    const cells = line.split(",")
    const cell = (name: string): string | undefined => cells[columns.indexOf(name)]?.trim()
    const start = Date.parse(cell("start") ?? "")
    const minutes = cell("minutes") ?? ""
    const length = minutes === "" ? Date.parse(cell("end") ?? "") - start : Number(minutes) * MINUTE
    return { provider: cell("provider"), api: cell("api_affected") === "1", start, length }
  }).filter((incident) =>
    Number.isFinite(incident.start) && (provider === undefined || incident.provider === provider) &&
    (!api || incident.api)
  )
  const starts = incidents.map(({ start }) => start).toSorted((a, b) => a - b)
  const lengths = incidents.map(({ length }) => length).filter((length) => length > 0)
  if (starts.length < 2 || lengths.length < 2) return undefined
  return {
    length: Distribution.empirical(lengths),
    gap: Distribution.empirical(starts.slice(1).map((start, i) => start - starts[i]!))
  }
}

/**
 * Draws the phases of a stretch of time: good ones, and incidents between them.
 *
 * **Details**
 *
 * It begins and ends well. An incident that would begin while another lasts begins when that is over.
 *
 * @category drawing
 * @since 0.1.0
 */
export const phases = (
  self: Outages,
  { healthy, incident, random, until }: {
    readonly until: number
    readonly healthy: Omit<Phase, "for">
    readonly incident: Omit<Phase, "for">
    readonly random: Random
  }
): ReadonlyArray<Phase> => {
  const drawn: Array<Phase> = []
  let now = 0
  let start = Distribution.draw(self.gap, random)
  while (start < until) {
    if (start > now) drawn.push({ ...healthy, for: start - now })
    const length = Math.max(Distribution.draw(self.length, random), 1)
    drawn.push({ ...incident, for: length })
    now = Math.max(start, now) + length
    start = Math.max(start + Distribution.draw(self.gap, random), now)
  }
  return [...drawn, { ...healthy, for: Math.max(until - now, 1) }]
}
