/**
 * What the library promises of outages, and how a contender keeps it.
 */
import type { Simulation } from "effect-breaker/replay"

export interface Promised {
  readonly what: string
  readonly limit: string
  readonly scenarios: ReadonlyArray<string>
  readonly measure: (run: Simulation.Result) => number | undefined
  readonly holds: (value: number) => boolean
  readonly show: (value: number) => string
  /** Where it is known to be missed, and why. */
  readonly known?: Readonly<Record<string, string>>
}

export interface Kept {
  readonly what: string
  readonly limit: string
  readonly scenario: string
  readonly measured: string
  readonly met: boolean
  readonly known: string | undefined
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
export const seconds = (millis: number): string =>
  millis === Infinity ? "never" : millis < 10_000 ? `${(millis / 1000).toFixed(1)} s` : `${Math.round(millis / 1000)} s`
export const times = (load: number): string => `${load.toFixed(2)} ×`

export const promised: ReadonlyArray<Promised> = [
  {
    what: "calls that reach a dead provider",
    limit: "at most 5 %",
    scenarios: ["total-outage", "long-outage", "shopify-100-percent", "llm-hard-down"],
    measure: ({ scores }) => scores.reachedDead,
    holds: (share) => share <= 0.05,
    show: percent
  },
  {
    what: "arrivals that succeed at 20 % errors (no breaker: 80 %)",
    limit: "at least 78 %",
    scenarios: ["20-percent", "shopify-sustained"],
    measure: ({ scores }) => scores.servedInTrouble,
    holds: (share) => share >= 0.78,
    show: percent
  },
  {
    what: "arrivals that succeed at 35 % fast errors, threshold 50 % (no breaker: 65 %)",
    limit: "at least 63 %",
    scenarios: ["35-percent"],
    measure: ({ scores }) => scores.servedInTrouble,
    holds: (share) => share >= 0.63,
    show: percent
  },
  {
    what: "time back to 90 % of the healthy rate",
    limit: "at most 20 s",
    scenarios: ["total-outage", "long-outage", "shopify-100-percent", "shopify-sustained", "llm-hard-down"],
    measure: ({ scores }) => scores.timeToRecover,
    holds: (millis) => millis <= 20_000,
    show: seconds
  },
  {
    what: "load offered while capacity grows back, of what can be taken",
    limit: "at most 1.2 ×",
    scenarios: ["slow-return", "llm-recovery-ramp"],
    measure: ({ scores }) => scores.peakLoad,
    holds: (load) => load <= 1.2,
    show: times,
    known: {
      "llm-recovery-ramp":
        "a twentieth of the servers answer 1.5 calls a second, probes included, and a queue of hundred calls hides for a minute that they are too many"
    }
  }
]

/** How the runs of one contender, by scenario, keep what is promised; scenarios that were not run are left out. */
export const keeping = (runs: ReadonlyMap<string, Simulation.Result>): ReadonlyArray<Kept> =>
  promised.flatMap(({ holds, known, limit, measure, scenarios, show, what }) =>
    scenarios.flatMap((scenario) => {
      const run = runs.get(scenario)
      if (run === undefined) return []
      const value = measure(run)
      return [{
        what,
        limit,
        scenario,
        measured: value === undefined ? "not measured" : show(value),
        met: value !== undefined && holds(value),
        known: known?.[scenario]
      }]
    })
  )
