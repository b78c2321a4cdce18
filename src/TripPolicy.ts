/**
 * When a closed circuit opens.
 *
 * A policy is plain tagged data with a Schema, so it can live in JSON, in an environment variable or in a shared store.
 * It holds no counts: those are the `Evidence` of one period of a circuit.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as CallWindow from "./CallWindow.ts"
import * as Setting from "./internal/Setting.ts"

/**
 * Trips on the n-th failure in a row, in order of settling.
 *
 * @category models
 * @since 0.1.0
 */
export interface Consecutive {
  readonly _tag: "Consecutive"
  readonly failures: number
}

/**
 * Trips when the share of failed calls in the window is at or above the threshold.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailureRate {
  readonly _tag: "FailureRate"
  readonly threshold: number
  readonly minimumCalls: number
  readonly window: CallWindow.CallWindow
  readonly belowMinimum?: Consecutive | undefined
}

/**
 * Trips when the share of slow calls in the window is at or above the threshold.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlowRate {
  readonly _tag: "SlowRate"
  readonly slowAfter: number
  readonly threshold: number
  readonly minimumCalls: number
  readonly window: CallWindow.CallWindow
}

/**
 * Trips when the window holds that many failures.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailureCount {
  readonly _tag: "FailureCount"
  readonly count: number
  readonly window: CallWindow.CallWindow
}

/**
 * Trips when one of its policies does.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyOf {
  readonly _tag: "AnyOf"
  readonly policies: ReadonlyArray<TripPolicy>
}

/**
 * Never trips: the circuit opens by a `Trip` outcome or by hand only.
 *
 * @category models
 * @since 0.1.0
 */
export interface Never {
  readonly _tag: "Never"
}

/**
 * When a closed circuit opens. Plain data: durations are milliseconds, shares are fractions.
 *
 * @category models
 * @since 0.1.0
 */
export type TripPolicy = Consecutive | FailureRate | SlowRate | FailureCount | AnyOf | Never

/**
 * The Schema of a `TripPolicy`, with the same rules as its constructors.
 *
 * **Example** (A policy from an environment variable)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { TripPolicy } from "effect-breaker"
 *
 * const decode = Schema.decodeUnknownSync(Schema.fromJsonString(TripPolicy.TripPolicy))
 * console.log(decode(`{ "_tag": "Consecutive", "failures": 5 }`)) // => TripPolicy.consecutive(5)
 *
 * let issue = ""
 * try {
 *   decode(`{ "_tag": "Consecutive", "failures": 0 }`)
 * } catch (error) {
 *   issue = String(error)
 * }
 * console.log(issue.includes("must be a whole number of at least 1, got 0")) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const TripPolicy: Schema.Codec<TripPolicy, unknown> = /*#__PURE__*/ Schema.suspend(() => schema)

/**
 * Trips on the n-th failure in a row.
 *
 * **Details**
 *
 * In a row means in order of settling. Only a `Success` ends the row: ignored and throttled calls leave it as it is.
 *
 * **Gotchas**
 *
 * In heavy traffic a row is mere chance: at 20 % errors and a thousand calls a second, five in a row come every few
 * seconds. Use `failureRate` there, with `belowMinimum` for the quiet hours.
 *
 * Throws a `RangeError` when `failures` is no whole number of at least one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const consecutive = (failures: number): Consecutive => make({ _tag: "Consecutive", failures })

/**
 * Trips when at least `threshold` of the calls in the window failed, once it holds `minimumCalls`.
 *
 * **Details**
 *
 * Judged at every call that counts, a success included. `belowMinimum` adds a streak that applies only while the window
 * holds fewer than `minimumCalls`. A share is fair to calls that still run: see `Evidence`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `threshold` is not above 0 and at most 1, or `minimumCalls` is more than the window can hold.
 *
 * **Example** (Half of the last hundred calls, five in a row in the quiet hours)
 *
 * ```ts
 * import { CallWindow, TripPolicy } from "effect-breaker"
 *
 * const policy = TripPolicy.failureRate({
 *   threshold: 0.5,
 *   minimumCalls: 10,
 *   window: CallWindow.lastCalls(100, { within: "1 minute" }),
 *   belowMinimum: TripPolicy.consecutive(5)
 * })
 * console.log(JSON.parse(JSON.stringify(policy))) // => policy
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const failureRate = (options: {
  readonly threshold: number
  readonly minimumCalls: number
  readonly window: CallWindow.CallWindow
  readonly belowMinimum?: Consecutive | undefined
}): FailureRate => make({ _tag: "FailureRate", ...options })

/**
 * Trips when at least `threshold` of the calls in the window took longer than `slowAfter`, once it holds `minimumCalls`.
 *
 * **Details**
 *
 * A call that takes exactly `slowAfter` is not slow. A call that still runs after `slowAfter` counts as slow from then on,
 * as seen when the next call asks or settles, so a provider that hangs opens the circuit before the first call is back.
 * A probe slower than `slowAfter` is a failed probe.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for a bad number, as `failureRate` does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const slowRate = (options: {
  readonly slowAfter: Duration.Input
  readonly threshold: number
  readonly minimumCalls: number
  readonly window: CallWindow.CallWindow
}): SlowRate =>
  make({
    _tag: "SlowRate",
    ...options,
    slowAfter: Setting.toMillis(options.slowAfter)
  })

/**
 * Trips when the window holds `count` failures.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `count` is no whole number of at least one, or more than the window can hold.
 *
 * @category constructors
 * @since 0.1.0
 */
export const failureCount = (options: {
  readonly count: number
  readonly window: CallWindow.CallWindow
}): FailureCount => make({ _tag: "FailureCount", ...options })

/**
 * Trips when one of the policies does.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when there is none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const anyOf = (...policies: ReadonlyArray<TripPolicy>): AnyOf => make({ _tag: "AnyOf", policies })

/**
 * Never trips: the circuit opens by a `Trip` outcome or by hand only.
 *
 * @category constructors
 * @since 0.1.0
 */
export const never: Never = { _tag: "Never" }

const make = <P extends TripPolicy>(policy: P): P =>
  Setting.enforce(`TripPolicy.${policy._tag.charAt(0).toLowerCase()}${policy._tag.slice(1)}`, TripPolicy, policy)

const Consecutive = /*#__PURE__*/ Schema.TaggedStruct("Consecutive", { failures: Setting.count })

const shareOf = {
  threshold: Setting.share,
  minimumCalls: Setting.count,
  window: CallWindow.CallWindow
}

// No rule may ask for more calls than its window holds.
const fits = (option: "minimumCalls" | "count") =>
  /*#__PURE__*/ Schema.makeFilter((policy: { readonly window: CallWindow.CallWindow }) => {
    const { calls } = policy.window as CallWindow.LastCalls
    const asked = policy[option as never] as number
    return asked > calls
      ? { path: [option], issue: Setting.wrong(`at most the window's ${calls} calls`, asked) }
      : undefined
  })

const schema: Schema.Codec<TripPolicy, unknown> = /*#__PURE__*/ Schema.Union([
  Consecutive,
  /*#__PURE__*/ Schema.TaggedStruct("FailureRate", {
    ...shareOf,
    belowMinimum: /*#__PURE__*/ Schema.optional(Consecutive)
  }).check(/*#__PURE__*/ fits("minimumCalls")),
  /*#__PURE__*/ Schema.TaggedStruct("SlowRate", { slowAfter: Setting.millis, ...shareOf }).check(
    /*#__PURE__*/ fits("minimumCalls")
  ),
  /*#__PURE__*/ Schema.TaggedStruct("FailureCount", { count: Setting.count, window: CallWindow.CallWindow }).check(
    /*#__PURE__*/ fits("count")
  ),
  /*#__PURE__*/ Schema.TaggedStruct("AnyOf", {
    policies: /*#__PURE__*/ Schema.Array(TripPolicy).check(
      /*#__PURE__*/ Schema.makeFilter((all) => all.length > 0 || "must be at least one policy, got none")
    )
  }),
  /*#__PURE__*/ Schema.TaggedStruct("Never", {})
]).annotate({ expected: "a policy made by TripPolicy" })
