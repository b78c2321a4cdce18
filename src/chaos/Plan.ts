/**
 * What chaos is to do, and when: phases that follow each other, each with faults and the shares of calls that they hit.
 *
 * Time enters as a number and chance as a seed, so a plan has neither a clock nor a random source of its own.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Exact from "../internal/Exact.ts"
import * as Setting from "../internal/Setting.ts"
import * as Chance from "./Chance.ts"
import * as Fault from "./Fault.ts"

/**
 * A fault, and the share of calls that it hits.
 *
 * **Details**
 *
 * - `fault`: one made by this module, or the name of a trouble such as `"overloaded"`.
 * - `share`: from 0 to 1. What the shares leave over is left alone; the shares of all that may hit the same call add up to
 *   1 at most.
 * - `at`: the points it is meant for, all unless given. A name that ends in `*` stands for all that begin with it.
 * - `latency`: how long the fault takes to show, nothing unless given.
 *
 * @category models
 * @since 0.1.0
 */
export interface FaultShare {
  readonly fault: Fault.Fault | Fault.Name
  readonly share: number
  readonly at?: ReadonlyArray<string> | undefined
  readonly latency?: Duration.Input | undefined
}

/**
 * A stretch of a script: what happens to calls, and for how long. Without faults it is a calm one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Phase {
  readonly name?: string | undefined
  readonly for: Duration.Input
  readonly faults?: ReadonlyArray<FaultShare> | undefined
}

/**
 * What chaos is to do, as data: JSON can hold all of it.
 *
 * **Details**
 *
 * Either `faults`, which act until chaos is over, or a `script` of phases. When the script is over, so is chaos. It never
 * lasts longer than `for`, which is one hour unless given, also where the script does; `"Infinity"` is for a program that
 * has chaos as its purpose. `seed` is a whole number, 1 unless given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Plan {
  readonly faults?: ReadonlyArray<FaultShare> | undefined
  readonly script?: ReadonlyArray<Phase> | undefined
  readonly for?: Duration.Input | undefined
  readonly seed?: number | undefined
}

const Texts = /*#__PURE__*/ Setting.setting<ReadonlyArray<string>>(
  "a list of at least one name",
  (value) => Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === "string" && name !== "")
)

const Share = /*#__PURE__*/ Setting.setting(
  "a number from 0 to 1",
  (value) => typeof value === "number" && value >= 0 && value <= 1
)

const Stretch = /*#__PURE__*/ Setting.setting<Duration.Input>(
  "a duration above zero",
  (value) => Setting.toMillis(value) > 0
)

const Faults = /*#__PURE__*/ Schema.Array(
  /*#__PURE__*/ Schema.Struct({
    fault: Fault.FaultOrName,
    share: Share,
    at: /*#__PURE__*/ Schema.optional(Texts),
    latency: /*#__PURE__*/ Schema.optional(Setting.duration)
  })
).check(
  /*#__PURE__*/ Schema.makeFilter((faults) => {
    const worst = Math.max(0, ...points(faults).flatMap((point) => kinds.map((kind) => total(faults, point, kind))))
    return worst > 1 + rounding ? Setting.wrong("shares that add up to at most 1 for each call", worst) : undefined
  })
)

/**
 * A plan as data.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Plan: Schema.Codec<Plan, unknown> = /*#__PURE__*/ Schema.Struct({
  faults: /*#__PURE__*/ Schema.optional(Faults),
  script: /*#__PURE__*/ Schema.optional(
    /*#__PURE__*/ Schema.Array(
      /*#__PURE__*/ Schema.Struct({
        name: /*#__PURE__*/ Schema.optional(Setting.text),
        for: Stretch,
        faults: /*#__PURE__*/ Schema.optional(Faults)
      })
    )
  ),
  for: /*#__PURE__*/ Schema.optional(Stretch),
  seed: /*#__PURE__*/ Schema.optional(
    /*#__PURE__*/ Setting.setting("a whole number", (value) => Number.isSafeInteger(value))
  )
}).check(
  /*#__PURE__*/ Schema.makeFilter(({ faults, script }) =>
    faults !== undefined && script !== undefined
      ? { path: ["faults"], issue: Setting.wrong("left out where there is a script", faults) }
      : undefined
  )
)

const FaultsAlone = /*#__PURE__*/ Schema.Struct({ faults: Faults })

/** What one call gets. */
export interface Draw {
  readonly fault: Fault.Fault
  readonly latency: number
  /** From 0 up to 1, for what the fault leaves open. */
  readonly chance: number
}

/** The phase in force. */
export interface Current {
  readonly name: string
  readonly faults: ReadonlyArray<FaultShare>
  /** The fate of the next call at a point, or of the call with this key. */
  readonly next: (point: string, kind: "effect" | "stream", key: string | undefined) => Draw | undefined
}

/** A plan being followed. */
export interface Played {
  /** How long it lasts, in milliseconds. */
  readonly length: number
  readonly at: (elapsed: number) => Current
  readonly setFaults: (faults: ReadonlyArray<FaultShare>) => void
}

/** Checks faults. Throws a `RangeError`. */
export const checkFaults = (where: string, faults: ReadonlyArray<FaultShare>): ReadonlyArray<FaultShare> =>
  Exact.enforce(where, FaultsAlone, { faults }).faults

/** Checks a plan. Throws a `RangeError`. */
export const check = (where: string, plan: Plan): Plan => Exact.enforce(where, Plan, plan)

/** Begins a plan, which was checked, at elapsed time zero. */
export const play = ({ faults = [], for: lasts = oneHour, script, seed = 1 }: Plan): Played => {
  let position = 0
  const enter = (faults: ReadonlyArray<FaultShare>, name: string): Current => current(faults, name, seed, position++)
  let end = 0
  const phases = (script ?? [{ for: "Infinity", faults, name: "chaos" }]).map((phase, index) => {
    end += Setting.toMillis(phase.for)
    return { end, current: enter(phase.faults ?? [], phase.name ?? `phase ${index + 1}`) }
  })
  const last = phases.at(-1)?.current ?? enter([], "calm")
  let byHand: Current | undefined
  return {
    length: Math.min(Setting.toMillis(lasts), end),
    at: (elapsed) => byHand ?? phases.find((phase) => elapsed < phase.end)?.current ?? last,
    setFaults: (faults) => {
      byHand = enter(faults, "by hand")
    }
  }
}

/** Whether a name, or one that ends in `*`, means a point. */
export const means = (name: string, point: string): boolean =>
  name.endsWith("*") ? point.startsWith(name.slice(0, -1)) : name === point

// ---------------------------------------------------------------------------------------------------------------------

const oneHour: Duration.Input = "1 hour"

const current = (faults: ReadonlyArray<FaultShare>, name: string, seed: number, position: number): Current => {
  const calls = new Map<string, number>()
  return {
    name,
    faults,
    next: (point, kind, key) => {
      const call = calls.get(point) ?? 0
      calls.set(point, call + 1)
      const at = Chance.ofText(point)
      const of = key === undefined ? [call] : [Chance.ofText(key), 1]
      const chance = Chance.uniform(seed, position, at, ...of)
      let sum = 0
      const hit = faults.find((one) => mayHit(one, point, kind) && chance < (sum += one.share))
      return hit && {
        fault: Fault.ofName(hit.fault),
        latency: Setting.toMillis(hit.latency ?? 0),
        chance: Chance.uniform(seed, position, at, ...of, 2)
      }
    }
  }
}

const kinds = ["effect", "stream"] as const

const mayHit = ({ at, fault }: FaultShare, point: string, kind: "effect" | "stream"): boolean =>
  Fault.fits(Fault.ofName(fault), kind) && (at === undefined || at.some((name) => means(name, point)))

const total = (faults: ReadonlyArray<FaultShare>, point: string, kind: "effect" | "stream"): number =>
  faults.reduce((sum, one) => mayHit(one, point, kind) ? sum + one.share : sum, 0)

/** One point for every set of points that some faults may mean together. */
const points = (faults: ReadonlyArray<FaultShare>): ReadonlyArray<string> => [
  "",
  ...faults.flatMap(({ at }) => (at ?? []).map((name) => name.replace(/\*$/, "")))
]

// 0.2 + 0.4 + 0.3 + 0.1 is more than 1 by a hair.
const rounding = 1e-9
