/**
 * Policies for people: in a line of words, and what is different between two of them.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as CallWindow from "../CallWindow.ts"
import * as Setting from "../internal/Setting.ts"
import * as TripPolicy from "../TripPolicy.ts"
import * as Policy from "./Policy.ts"
import { percent, span } from "./Words.ts"

/** What a policy does, in a line. */
export const inWords = (policy: Policy.Policy): string => {
  const { concurrency, lease, outOf, ramp, successes } = Policy.rules(policy)
  const { openDuration, tripPolicy = TripPolicy.consecutive(5) } = policy.options
  return [
    `opens at ${tripInWords(tripPolicy)}`,
    `for ${openingInWords(openDuration)}`,
    `${successes === outOf ? successes : `${successes} of ${outOf}`} ${outOf === 1 ? "probe" : "probes"}${
      concurrency === 1 ? "" : `, ${concurrency} at once`
    }, lease ${span(lease)}`,
    ramp === undefined
      ? "no ramp"
      : `ramp ${ramp.shares.map(percent).join(", ")}, each ${span(ramp.every)}${
        ramp.tolerance === Infinity ? "" : `, tolerates ${percent(ramp.tolerance)}`
      }`
  ].join("; ")
}

/** An option in which a policy differs from another, with both values. What is not set is not there. */
export interface Change {
  readonly option: string
  readonly from?: unknown
  readonly to?: unknown
}

/** The options in which a policy differs from another. */
export const changes = (from: Policy.Policy, to: Policy.Policy): ReadonlyArray<Change> => {
  const [before, after] = [dataOf(from), dataOf(to)]
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((option) =>
    JSON.stringify(before[option]) !== JSON.stringify(after[option])
  ).map((option): Change =>
    Object.assign(
      { option },
      option in before && { from: before[option] },
      option in after && { to: after[option] }
    )
  )
}

/** In how many single values a policy differs from another. */
export const distance = (from: Policy.Policy, to: Policy.Policy): number => {
  const [before, after] = [leavesOf(from), leavesOf(to)]
  return [...new Set([...before.keys(), ...after.keys()])].filter((path) => before.get(path) !== after.get(path)).length
}

/** A duration as people write it in a setting: `2 seconds`. */
export const written = (millis: number): string => {
  const [size, unit] = units.find(([size]) => millis >= size && millis % size === 0) ?? [1, "milli"]
  const count = millis / size
  return `${count} ${unit}${count === 1 ? "" : "s"}`
}

// ---------------------------------------------------------------------------------------------------------------------

const units = [[3_600_000, "hour"], [60_000, "minute"], [1000, "second"]] as const

const tripInWords = (policy: TripPolicy.TripPolicy): string => {
  switch (policy._tag) {
    case "Consecutive":
      return `${policy.failures} failed in a row`
    case "FailureRate": {
      const { belowMinimum, minimumCalls, threshold, window } = policy
      return `${percent(threshold)} failed of ${windowInWords(window)}, at least ${minimumCalls}${
        belowMinimum === undefined ? "" : ` (below that ${belowMinimum.failures} in a row)`
      }`
    }
    case "SlowRate": {
      const { slowAfter, threshold, window } = policy
      return `${percent(threshold)} slower than ${span(slowAfter)} of ${windowInWords(window)}`
    }
    case "FailureCount":
      return `${policy.count} failed of ${windowInWords(policy.window)}`
    case "AnyOf":
      return policy.policies.map(tripInWords).join(", or at ")
    case "Never":
      return "nothing"
  }
}

const windowInWords = (window: CallWindow.CallWindow): string =>
  window._tag === "LastDuration"
    ? `the last ${span(window.duration)}`
    : `the last ${window.calls}${window.within === undefined ? "" : ` within ${span(window.within)}`}`

const openingInWords = (openDuration: Policy.Options["openDuration"]): string => {
  if (openDuration === undefined) return span(60_000)
  const { factor = 2, first, most } = Object(openDuration) as Partial<Policy.Growing>
  if (first === undefined) return span(Setting.toMillis(openDuration as Duration.Input))
  return `${span(Setting.toMillis(first))}, each time ${factor} times as long, at most ${span(Setting.toMillis(most!))}`
}

const dataOf = (policy: Policy.Policy): Readonly<Record<string, unknown>> => {
  const { name: _, ...options } = JSON.parse(Policy.toJson(policy))
  return options
}

const leavesOf = (policy: Policy.Policy): ReadonlyMap<string, unknown> => {
  const leaves = new Map<string, unknown>()
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== "object" || value === null) {
      leaves.set(path, value)
      return
    }
    for (const [name, one] of Object.entries(value)) walk(one, `${path}.${name}`)
  }
  walk(dataOf(policy), "")
  return leaves
}
