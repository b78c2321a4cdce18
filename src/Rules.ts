/**
 * The settings of a circuit: checked, with the defaults filled in, ready to run.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Evidence from "./Evidence.ts"
import * as Setting from "./internal/Setting.ts"
import * as TripPolicy from "./TripPolicy.ts"

/**
 * How an open circuit finds out that it may close.
 *
 * **Details**
 *
 * At most `concurrency` probes run at once (default 1). The circuit passes when `successes` (default 3) of `outOf`
 * (default `successes`) probes succeeded, and fails as soon as that can no longer happen. A probe that has not settled
 * within its `lease` (default 30 seconds) is a failed probe.
 *
 * @category models
 * @since 0.1.0
 */
export interface HalfOpenOptions {
  readonly concurrency?: number | undefined
  readonly successes?: number | undefined
  readonly outOf?: number | undefined
  readonly lease?: Duration.Input | undefined
}

/**
 * How traffic comes back after the probes passed: each share in turn, evenly spread.
 *
 * **Details**
 *
 * A step ends when it has lasted `every` and `minimumCalls` (default 1) of its calls succeeded. `shares` rise, each
 * above 0 and below 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface RampOptions {
  readonly shares: ReadonlyArray<number>
  readonly every: Duration.Input
  readonly minimumCalls?: number | undefined
}

/**
 * The settings of a circuit, each with its default.
 *
 * **Details**
 *
 * `openDuration` is how long an opening lasts, or a function of how many there have been in a row (from 1) that gives
 * milliseconds. `jitter` lengthens each opening by up to that fraction.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly tripPolicy?: TripPolicy.TripPolicy | undefined
  readonly openDuration?: Duration.Input | ((opening: number) => number) | undefined
  readonly halfOpen?: HalfOpenOptions | undefined
  readonly ramp?: RampOptions | undefined
  readonly jitter?: number | undefined
  readonly maxRetryAfter?: Duration.Input | undefined
  readonly throttleDuration?: Duration.Input | undefined
  readonly tripDuration?: Duration.Input | undefined
}

/**
 * Checked settings, ready to run: made once and shared by every circuit under them. Durations are milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rules {
  readonly plan: Evidence.Plan
  readonly openDuration: (opening: number) => number
  readonly concurrency: number
  readonly successes: number
  readonly outOf: number
  readonly lease: number
  readonly ramp:
    | { readonly shares: ReadonlyArray<number>; readonly every: number; readonly minimumCalls: number }
    | undefined
  readonly jitter: number
  readonly maxRetryAfter: number
  readonly throttleDuration: number
  readonly tripDuration: number
}

/**
 * Checks settings and fills in the defaults.
 *
 * **Details**
 *
 * Five consecutive failures, open 60 seconds, one probe at a time, three successes to close, a lease of 30 seconds, no
 * ramp, no jitter, `maxRetryAfter` 15 minutes, `throttleDuration` 10 seconds, `tripDuration` one hour.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option, the rule and the value.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rules = (options: Options = {}, where = "Breaker.make"): Rules => {
  const successes = options.halfOpen?.successes ?? 3
  const outOf = options.halfOpen?.outOf ?? successes
  const concurrency = options.halfOpen?.concurrency ?? 1
  const jitter = options.jitter ?? 0
  const millis = (option: string, input: Duration.Input, positive = false) =>
    Setting.durationMillis(where, option, input, positive)
  Setting.enforce(
    Setting.count(where, "halfOpen.successes", successes),
    Setting.count(where, "halfOpen.outOf", outOf),
    Setting.rule(outOf >= successes, where, "halfOpen.outOf", `at least halfOpen.successes (${successes})`, outOf),
    Setting.count(where, "halfOpen.concurrency", concurrency),
    Setting.rule(
      typeof jitter === "number" && jitter >= 0 && jitter <= 1,
      where,
      "jitter",
      "a number from 0 to 1",
      jitter
    )
  )
  const open = options.openDuration ?? 60_000
  const openFor = typeof open === "function" ? undefined : millis("openDuration", open)
  return {
    plan: Evidence.compile(options.tripPolicy ?? TripPolicy.consecutive(5)),
    openDuration: openFor === undefined ? open as (opening: number) => number : () => openFor,
    concurrency,
    successes,
    outOf,
    lease: millis("halfOpen.lease", options.halfOpen?.lease ?? 30_000, true),
    ramp: options.ramp === undefined ? undefined : rampOf(options.ramp, where),
    jitter,
    maxRetryAfter: millis("maxRetryAfter", options.maxRetryAfter ?? 15 * 60_000),
    throttleDuration: millis("throttleDuration", options.throttleDuration ?? 10_000),
    tripDuration: millis("tripDuration", options.tripDuration ?? 60 * 60_000)
  }
}

const rampOf = (ramp: RampOptions, where: string): Rules["ramp"] => {
  const minimumCalls = ramp.minimumCalls ?? 1
  const every = Setting.durationMillis(where, "ramp.every", ramp.every)
  const shares = Array.isArray(ramp.shares) ? ramp.shares as ReadonlyArray<number> : []
  const rising = shares.every((share, i) => share > (i === 0 ? 0 : shares[i - 1]!) && share < 1)
  const rule = "one or more rising numbers above 0 and below 1"
  Setting.enforce(
    Setting.rule(shares.length > 0 && rising, where, "ramp.shares", rule, `[${shares.join(", ")}]`),
    Setting.count(where, "ramp.minimumCalls", minimumCalls)
  )
  return { shares, every, minimumCalls }
}
