/**
 * What the library promises of itself, against what was measured.
 */
import type { CallCost, Ratio } from "./calls.ts"
import { LARGE_PAGE, type Reading, SMALL_PAGE } from "./classify.ts"
import type { Weight } from "./memory.ts"
import type { Circuits, Size, Windows } from "./scaling.ts"
import {
  CONSECUTIVE,
  LAST_CALLS,
  LAST_DURATION,
  LISTENED,
  METERED,
  PROMISE_CONSECUTIVE,
  PROMISE_LAST_CALLS
} from "./subjects.ts"
import { ratio, whole } from "./table.ts"

export interface Budget {
  readonly what: string
  readonly budget: string
  readonly measured: string
  readonly met: boolean
}

export interface Results {
  readonly calls: ReadonlyArray<CallCost>
  readonly readings: ReadonlyArray<Reading>
  readonly windows: Windows
  readonly circuits: Circuits
  readonly weights: ReadonlyArray<Weight>
  readonly bundleBytes: number
}

/** What "flat within noise" allows: the same loop measured twice on a busy machine differs by as much. */
const FLAT = 1.25

export const budgets = (
  { bundleBytes, calls, circuits, readings, weights, windows }: Results
): ReadonlyArray<Budget> => {
  const costOf = (name: string) => calls.find((one) => one.name === name)!
  const atMost = (what: string, value: number, limit: number, peer: string): Budget => ({
    what,
    budget: `at most ${ratio(limit)} of ${peer}`,
    measured: ratio(value),
    met: value <= limit
  })
  const closed = (name: string, peer: "persistence" | "cockatiel", limit: number): Budget => {
    const found: Ratio = costOf(name).ratios![peer]!.closed
    return atMost(`closed call, added: ${name}`, found.added, limit, found.peer)
  }
  const refused = (name: string, peer: "persistence" | "cockatiel", limit: number): Budget => {
    const found: Ratio = costOf(name).ratios![peer]!.refused
    return atMost(`refusal, added: ${name}`, found.added, limit, found.peer)
  }
  const largest = (what: string, sizes: ReadonlyArray<Size>): Budget => {
    const worst = sizes.reduce((worst, one) => one.ratio > worst.ratio ? one : worst)
    return {
      what: `${what}: ${worst.name}`,
      budget: `at most ${ratio(FLAT)} of ${sizes[0]!.name}`,
      measured: ratio(worst.ratio),
      met: worst.ratio <= FLAT
    }
  }
  const reading = (name: string): number => readings.find((one) => one.name === name)!.fastest
  const page = reading(LARGE_PAGE) / reading(SMALL_PAGE)
  const garbage = (name: string): Budget => {
    const bytes = costOf(name).closed.addedBytes
    return {
      what: `garbage of a closed call: ${name}`,
      budget: "under 400 bytes",
      measured: whole(bytes),
      met: bytes < 400
    }
  }
  const idle = weights[0]!
  const bytes = idle.bytesEach + idle.keyBytesEach
  const gigabytes = bytes * 1_000_000 / 2 ** 30
  return [
    ...[CONSECUTIVE, LAST_CALLS].flatMap((name) => [
      closed(name, "persistence", 1 / 20),
      closed(name, "cockatiel", 1.25)
    ]),
    ...[LAST_DURATION, METERED, LISTENED].map((name) => closed(name, "persistence", 1 / 12)),
    ...[PROMISE_CONSECUTIVE, PROMISE_LAST_CALLS].flatMap((name) => [
      closed(name, "cockatiel", 1),
      refused(name, "cockatiel", 1)
    ]),
    ...[CONSECUTIVE, LAST_CALLS, LAST_DURATION].flatMap((name) => [
      refused(name, "persistence", 1 / 20),
      refused(name, "cockatiel", 1 / 5)
    ]),
    ...[CONSECUTIVE, LAST_CALLS, LAST_DURATION, METERED].map(garbage),
    largest("window size", windows.lastCalls),
    largest("window size", windows.lastDuration),
    largest("number of circuits", circuits.busy),
    {
      what: `reading an outcome: ${LARGE_PAGE}`,
      budget: `at most ${ratio(FLAT)} of ${SMALL_PAGE}`,
      measured: ratio(page),
      met: page <= FLAT
    },
    {
      what: "an idle circuit in a BreakerMap, its key included",
      budget: "under 1 KB",
      measured: `${whole(bytes)} bytes`,
      met: bytes < 1024
    },
    {
      what: `a million idle circuits${idle.circuits < 1_000_000 ? ` (from ${whole(idle.circuits)})` : ""}`,
      budget: "1 GB",
      measured: `${gigabytes.toFixed(2)} GB`,
      met: gigabytes <= 1
    },
    {
      what: "root bundle, minified and gzipped",
      budget: "under 8 KB",
      measured: `${whole(bundleBytes)} bytes`,
      met: bundleBytes < 8192
    }
  ]
}
