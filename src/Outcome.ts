/**
 * What one call said about the health of what it called.
 *
 * A breaker does not look at values and errors: it looks at an `Outcome`, which a classifier reads off the call's exit.
 * Five are enough. `Success` and `Failure` count. `Ignored` counts nowhere: the caller's own mistake, or a call that was
 * given up. `Throttled` says "not now" and shuts the gate for a while without a word about health. `Trip` says that
 * asking again is pointless (no credit, key revoked) and opens the circuit at once.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Setting from "./internal/Setting.ts"

/**
 * The call went well: it counts, and ends a failure streak.
 *
 * **Details**
 *
 * `slow` says whether it was a slow call, where its duration does not: an answer of two thousand tokens may take a minute
 * and be quick. Without it a call is slow if it took longer than a policy's `slowAfter`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Success {
  readonly _tag: "Success"
  readonly slow?: boolean | undefined
}

/**
 * The call failed in a way that speaks about the provider: it counts.
 *
 * **Details**
 *
 * `kind` is a short word for people and metrics ("overloaded", "timeout"). `message` replaces the text that the breaker
 * would otherwise take from the error itself. `retryAfter` is the provider's hint: the next opening of the circuit lasts
 * at least until then, capped at the breaker's `maxRetryAfter`. `slow` is as in `Success`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly _tag: "Failure"
  readonly kind?: string | undefined
  readonly message?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
  readonly slow?: boolean | undefined
}

/**
 * The call says nothing about the provider: it counts nowhere, ends no streak, and gives back a probe's place.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ignored {
  readonly _tag: "Ignored"
}

/**
 * The provider asked for a pause: it counts nowhere, and shuts the gate until now plus `retryAfter`.
 *
 * **Details**
 *
 * Without `retryAfter` the breaker's `throttleDuration` holds. Overlapping pauses end with the latest of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Throttled {
  readonly _tag: "Throttled"
  readonly kind?: string | undefined
  readonly message?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

/**
 * Asking again is pointless for a long while: the circuit opens at once, whatever its trip policy says.
 *
 * **Details**
 *
 * `openFor` is how long that opening lasts; without it the breaker's `tripDuration` holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Trip {
  readonly _tag: "Trip"
  readonly kind?: string | undefined
  readonly message?: string | undefined
  readonly openFor?: Duration.Duration | undefined
}

/**
 * What one call said about the health of what it called.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = Success | Failure | Ignored | Throttled | Trip

const word = /*#__PURE__*/ Schema.optional(Schema.String)
const flag = /*#__PURE__*/ Schema.optional(Schema.Boolean)
// Checked as the number it is in JSON: `Duration` takes `NaN` for zero.
const pause = /*#__PURE__*/ Schema.optional(
  /*#__PURE__*/ Setting.millis.pipe(/*#__PURE__*/ Schema.decodeTo(Schema.DurationFromMillis))
)
const text = { kind: word, message: word }

/**
 * The Schema of an `Outcome`: durations are encoded as milliseconds, so an outcome can live in JSON.
 *
 * **Example** (Reading an outcome from JSON)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Outcome } from "effect-breaker"
 *
 * const outcome = Schema.decodeUnknownSync(Outcome.Outcome)(JSON.parse(`{ "_tag": "Throttled", "retryAfter": 5000 }`))
 * console.log(outcome) // => Outcome.throttled({ retryAfter: "5 seconds" })
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Outcome: Schema.Codec<Outcome, unknown> = /*#__PURE__*/ Schema.Union([
  /*#__PURE__*/ Schema.TaggedStruct("Success", { slow: flag }),
  /*#__PURE__*/ Schema.TaggedStruct("Failure", { ...text, retryAfter: pause, slow: flag }),
  /*#__PURE__*/ Schema.TaggedStruct("Ignored", {}),
  /*#__PURE__*/ Schema.TaggedStruct("Throttled", { ...text, retryAfter: pause }),
  /*#__PURE__*/ Schema.TaggedStruct("Trip", { ...text, openFor: pause })
])

/**
 * The outcome of a call that went well.
 *
 * @category constructors
 * @since 0.1.0
 */
export const success: Outcome = { _tag: "Success" }

/**
 * The outcome of a call that says nothing about the provider.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ignored: Outcome = { _tag: "Ignored" }

/**
 * Makes the outcome of a call that failed and counts.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `retryAfter` is negative, infinite or no duration.
 *
 * **Example** (Passing on what the provider said)
 *
 * ```ts
 * import { Duration } from "effect"
 * import { Outcome } from "effect-breaker"
 *
 * const outcome = Outcome.failure({ kind: "overloaded", retryAfter: "5 seconds" })
 * console.log(outcome.kind) // => "overloaded"
 * console.log(outcome.retryAfter) // => Duration.seconds(5)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const failure = (options?: {
  readonly kind?: string | undefined
  readonly message?: string | undefined
  readonly retryAfter?: Duration.Input | undefined
  readonly slow?: boolean | undefined
}): Failure => make("Failure", "retryAfter", options)

/**
 * Makes the outcome of a call that was asked to come back later.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `retryAfter` is negative, infinite or no duration.
 *
 * @category constructors
 * @since 0.1.0
 */
export const throttled = (options?: {
  readonly kind?: string | undefined
  readonly message?: string | undefined
  readonly retryAfter?: Duration.Input | undefined
}): Throttled => make("Throttled", "retryAfter", options)

/**
 * Makes the outcome of a call after which the circuit opens at once.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `openFor` is negative, infinite or no duration.
 *
 * @category constructors
 * @since 0.1.0
 */
export const trip = (options?: {
  readonly kind?: string | undefined
  readonly message?: string | undefined
  readonly openFor?: Duration.Input | undefined
}): Trip => make("Trip", "openFor", options)

/**
 * Tells whether a value is an `Outcome`, its durations included.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOutcome = (value: unknown): value is Outcome => {
  const { _tag, openFor, retryAfter } = Object(value) as Record<string, unknown>
  return tags.includes(_tag) && isPause(openFor) && isPause(retryAfter)
}

// ---------------------------------------------------------------------------------------------------------------------

const tags: ReadonlyArray<unknown> = ["Success", "Failure", "Ignored", "Throttled", "Trip"]

const isPause = (value: unknown): boolean =>
  value === undefined ||
  (Duration.isDuration(value) && Duration.isFinite(value) && Duration.toMillis(value) >= 0)

const make = <T extends Outcome>(_tag: T["_tag"], pause: "retryAfter" | "openFor", options: object = {}): T => {
  const input = options[pause as never] as Duration.Input | undefined
  if (input === undefined) return { _tag, ...options } as T
  const where = `Outcome.${_tag.toLowerCase()}`
  const millis = Setting.toMillis(Setting.option(where, pause, Setting.duration, input))
  return { _tag, ...options, [pause]: Duration.millis(millis) } as never
}
