/**
 * What the processes of a fleet, the provider that they call and Redis saw, line by line.
 *
 * Every line bears `at`, milliseconds of the monotonic clock, which all processes of a machine share. What Redis says of
 * times is of the wall's clock, which they share as well.
 */
import fs from "node:fs"
import type { Outcome } from "../../src/Outcome.ts"

/** A state of the circuit, as far as its history goes. */
export interface Period {
  readonly tag: "Closed" | "Open" | "HalfOpen" | "Isolated"
  readonly stage?: "Probing" | "Ramping" | undefined
  readonly generation: number
  /** By the clock of Redis; `until` where it ends by itself. */
  readonly since: number
  readonly until?: number | undefined
  readonly rule?: string | undefined
}

/** One process tells. `shared` says whether it counted on Redis then. */
export type Told =
  /** It is there, and makes calls from now on. */
  | {
    readonly what: "up"
    readonly member: string
    readonly pid: number
    readonly state: Period["tag"]
    readonly generation: number
  }
  /** It ended by itself, and nothing was under way. */
  | { readonly what: "down" }
  /** A call asks. */
  | { readonly what: "asked"; readonly call: string }
  /** It has leave: as the process decided, as a probe (`lease`, given at `from` by the clock of Redis), or on a ramp. */
  | {
    readonly what: "admitted"
    readonly call: string
    readonly generation: number
    readonly shared: boolean
    /** Whether it would have been refused, or nobody counts: no limit holds for it. */
    readonly isSpared: boolean
    readonly lease?: string | undefined
    readonly from?: number | undefined
    readonly step?: number | undefined
    /** The history that its generation is one of. */
    readonly epoch?: string | undefined
  }
  /** The circuit was told what came of it. */
  | { readonly what: "settled"; readonly call: string; readonly outcome: Outcome["_tag"] }
  /** What the caller was given. `broken` is anything that neither the provider nor the breaker had to say. */
  | {
    readonly what: "returned"
    readonly call: string
    readonly how: "value" | "error" | "rejected" | "interrupted" | "broken"
    readonly reason?: string | undefined
    readonly rule?: string | undefined
    readonly generation?: number | undefined
    readonly why?: string | undefined
    /** It was refused because its turn did not come in time. The fleet may have given it leave meanwhile. */
    readonly isLate?: boolean | undefined
  }
  /** The process learnt of another state. `epoch` and `period` are those of the fleet, where it is the fleet's. */
  | {
    readonly what: "transition"
    readonly from: Period["tag"]
    readonly to: Period["tag"]
    readonly stage: "Probing" | "Ramping" | undefined
    readonly generation: number
    readonly share: number | undefined
    readonly shared: boolean
    readonly epoch: string | undefined
    readonly period: Period | undefined
  }
  | { readonly what: "lost"; readonly why: string }
  | { readonly what: "found" }
  | { readonly what: "commanded"; readonly command: string }
  | { readonly what: "throttled"; readonly forMillis: number }

/** Where a process stands, when the test asks. */
export interface Stand {
  readonly state: Period["tag"]
  readonly stage: "Probing" | "Ramping" | undefined
  readonly generation: number
  readonly mode: "enforce" | "observe" | "off"
  readonly store: string
  readonly version: string
  readonly isThrottled: boolean
  readonly openings: number
  readonly inFlight: number
  readonly windowCalls: number
}

/** The provider tells: a call reached it; it was answered, or its caller gave it up, or went away. */
export type Served =
  | { readonly what: "began"; readonly call: string; readonly lease?: string | undefined; readonly wall: number }
  | {
    readonly what: "ended"
    readonly call: string
    readonly how: "answered" | "cancelled" | "cut"
    readonly wall: number
  }

/** Somebody wrote a new state to Redis, in this order. */
export interface News extends Period {
  readonly what: "news"
  readonly epoch: string
  readonly count: number
  readonly member: string
  readonly leases: ReadonlyArray<readonly [id: string, from: number]>
  readonly passed: number
  readonly failed: number
  readonly asked: number
  readonly admitted: number
  readonly step: number | undefined
}

/** The test did something to a process, or to Redis. */
export interface Deed {
  readonly what: "did"
  readonly deed: string
  readonly to: string
}

export type Line = (Told | Served | News | Deed) & { readonly by: string; readonly at: number }

/** Milliseconds of the clock that all processes of the machine share. */
export const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6

/** Lines that are in the file as soon as they are written, whatever happens to the process then. */
export const writer = (file: string, by: string): (line: Told) => void => {
  const journal = fs.openSync(file, "a")
  return (line) => {
    fs.writeSync(journal, `${JSON.stringify({ by, at: monotonic(), ...line })}\n`)
  }
}

/** What a process wrote; the last line may be cut short where it was killed. */
export const read = (file: string): ReadonlyArray<Line> =>
  fs.readFileSync(file, "utf8").split("\n").flatMap((line, i, all) => {
    if (line === "") return []
    try {
      return [JSON.parse(line) as Line]
    } catch (error) {
      if (i === all.length - 1) return []
      throw error
    }
  })
