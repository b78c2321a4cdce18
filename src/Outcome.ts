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
 * @category models
 * @since 0.1.0
 */
export interface Success {
  readonly _tag: "Success"
}

/**
 * The call failed in a way that speaks about the provider: it counts.
 *
 * **Details**
 *
 * `kind` is a short word for people and metrics ("overloaded", "timeout"). `message` replaces the text that the breaker
 * would otherwise take from the error itself. `retryAfter` is the provider's hint: the next opening of the circuit lasts
 * at least until then, capped at the breaker's `maxRetryAfter`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly _tag: "Failure"
  readonly kind?: string | undefined
  readonly message?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
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

const word = Schema.optional(Schema.String)
// Checked as the number it is in JSON: `Duration` takes `NaN` for zero.
const pause = Schema.optional(
  Schema.Number.check(Schema.makeFilter((value) => Setting.millis("Outcome", "a duration", value))).pipe(
    Schema.decodeTo(Schema.DurationFromMillis)
  )
)

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
  /*#__PURE__*/ Schema.TaggedStruct("Success", {}),
  /*#__PURE__*/ Schema.TaggedStruct("Failure", { kind: word, message: word, retryAfter: pause }),
  /*#__PURE__*/ Schema.TaggedStruct("Ignored", {}),
  /*#__PURE__*/ Schema.TaggedStruct("Throttled", { kind: word, message: word, retryAfter: pause }),
  /*#__PURE__*/ Schema.TaggedStruct("Trip", { kind: word, message: word, openFor: pause })
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
}): Failure => {
  const { retryAfter, ...told } = options ?? {}
  if (retryAfter === undefined) return { _tag: "Failure", ...told }
  return { _tag: "Failure", ...told, retryAfter: Setting.duration("Outcome.failure", "retryAfter", retryAfter) }
}

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
}): Throttled => {
  const { retryAfter, ...told } = options ?? {}
  if (retryAfter === undefined) return { _tag: "Throttled", ...told }
  return { _tag: "Throttled", ...told, retryAfter: Setting.duration("Outcome.throttled", "retryAfter", retryAfter) }
}

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
}): Trip => {
  const { openFor, ...told } = options ?? {}
  if (openFor === undefined) return { _tag: "Trip", ...told }
  return { _tag: "Trip", ...told, openFor: Setting.duration("Outcome.trip", "openFor", openFor) }
}

/**
 * Tells whether a value is an `Outcome`, its durations included.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOutcome = (value: unknown): value is Outcome => {
  const { _tag, openFor, retryAfter } = Object(value) as Record<string, unknown>
  return (_tag === "Success" || _tag === "Failure" || _tag === "Ignored" || _tag === "Throttled" || _tag === "Trip") &&
    isPause(openFor) && isPause(retryAfter)
}

const isPause = (value: unknown): boolean =>
  value === undefined ||
  (Duration.isDuration(value) && Duration.isFinite(value) && Duration.toMillis(value) >= 0)
