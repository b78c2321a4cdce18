/**
 * The settings of a circuit: checked, with the defaults filled in, ready to run.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
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
 * With a `tolerance` the ramp finds what a provider can take that comes back slowly: a step goes back to the one before, not
 * on, if in its time more calls failed, or were slow, than that share of those it admitted, and one. The first step does not go back:
 * what fails there fails however few calls there are, and the steps after it tolerate as much more. Each time that it went
 * back, a step lasts one `every` longer before it goes on, up to five. A call counts as succeeded from its first sign of life
 * on, so that long answers do not hold it up.
 *
 * @category models
 * @since 0.1.0
 */
export interface RampOptions {
  readonly shares: ReadonlyArray<number>
  readonly every: Duration.Input
  readonly minimumCalls?: number | undefined
  readonly tolerance?: number | undefined
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
    | {
      readonly shares: ReadonlyArray<number>
      readonly every: number
      readonly minimumCalls: number
      readonly tolerance: number
    }
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
  Setting.enforce(where, schema, options)
  const {
    halfOpen: { concurrency = 1, lease = 30_000, outOf, successes = 3 } = {},
    jitter = 0,
    maxRetryAfter = 15 * 60_000,
    openDuration = 60_000,
    ramp,
    throttleDuration = 10_000,
    tripDuration = 60 * 60_000,
    tripPolicy = TripPolicy.consecutive(5)
  } = options
  const openFor = typeof openDuration === "function" ? 0 : Setting.toMillis(openDuration)
  return {
    plan: Evidence.compile(tripPolicy),
    openDuration: typeof openDuration === "function" ? openDuration : () => openFor,
    concurrency,
    successes,
    outOf: outOf ?? successes,
    lease: Setting.toMillis(lease),
    ramp: ramp && {
      shares: ramp.shares,
      every: Setting.toMillis(ramp.every),
      minimumCalls: ramp.minimumCalls ?? 1,
      tolerance: ramp.tolerance ?? Infinity
    },
    jitter,
    maxRetryAfter: Setting.toMillis(maxRetryAfter),
    throttleDuration: Setting.toMillis(throttleDuration),
    tripDuration: Setting.toMillis(tripDuration)
  }
}

const maybe = Schema.optional

const schema: Schema.Codec<unknown, unknown> = /*#__PURE__*/ Schema.Struct({
  tripPolicy: /*#__PURE__*/ maybe(TripPolicy.TripPolicy),
  openDuration: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Schema.Union([
      Setting.duration,
      /*#__PURE__*/ Setting.setting("a function", (value) => typeof value === "function")
    ])
  ),
  halfOpen: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Schema.Struct({
      concurrency: /*#__PURE__*/ maybe(Setting.count),
      successes: /*#__PURE__*/ maybe(Setting.count),
      outOf: /*#__PURE__*/ maybe(Setting.count),
      lease: /*#__PURE__*/ maybe(Setting.positiveDuration)
    }).check(/*#__PURE__*/ Schema.makeFilter(({ outOf, successes = 3 }) =>
      outOf! < successes
        ? { path: ["outOf"], issue: Setting.wrong(`at least halfOpen.successes (${successes})`, outOf) }
        : undefined
    ))
  ),
  ramp: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Schema.Struct({
      shares: /*#__PURE__*/ Setting.setting<ReadonlyArray<number>>(
        "one or more rising numbers above 0 and below 1",
        (shares) =>
          Array.isArray(shares) && shares.length > 0 &&
          shares.every((share, i) => share > (shares[i - 1] ?? 0) && share < 1)
      ),
      every: Setting.duration,
      minimumCalls: /*#__PURE__*/ maybe(Setting.count),
      tolerance: /*#__PURE__*/ maybe(Setting.share)
    })
  ),
  jitter: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Setting.setting("a number from 0 to 1", (value) => Number.isFinite(value) && value >= 0 && value <= 1)
  ),
  maxRetryAfter: /*#__PURE__*/ maybe(Setting.duration),
  throttleDuration: /*#__PURE__*/ maybe(Setting.duration),
  tripDuration: /*#__PURE__*/ maybe(Setting.duration)
})
