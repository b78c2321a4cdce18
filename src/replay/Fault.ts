/**
 * What can go wrong with a call: how it ends, when, and what a breaker is told of it. Plain data.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Setting from "../internal/Setting.ts"
import * as Distribution from "./Distribution.ts"

/**
 * What goes wrong with a call.
 *
 * **Details**
 *
 * At the door, where no work is done: an answer comes `after` so many milliseconds.
 *
 * - `Reset`: the connection breaks. A failure.
 * - `Overloaded`: a 529 or 503. A failure.
 * - `RateLimited`: a 429 that asks to come back after `retryAfter`. A throttle.
 * - `QuotaSpent`: a 429 that no waiting of seconds cures, with `retryAfter` where the provider says when. A trip.
 *
 * At work, where a server is busy with it:
 *
 * - `Failed`: an error, `after` the share of the time that an answer would have taken. A failure.
 * - `Hang`: no answer at all, until the client gives up. A failure.
 * - `Stall`: the first `tokens` come, and then nothing. A failure.
 * - `Cut`: the answer ends after the share `after` of its tokens. A failure.
 * - `BadAnswer`: a whole answer of no use. Ignored: it says nothing about the provider's health.
 * - `Slow`: a good answer that takes `longer`, in milliseconds. A success.
 *
 * A `retryAfter` of `"phase"` means until the phase in force is over.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | { readonly _tag: "Reset"; readonly after?: Distribution.Distribution | undefined }
  | { readonly _tag: "Overloaded"; readonly after?: Distribution.Distribution | undefined }
  | {
    readonly _tag: "RateLimited" | "QuotaSpent"
    readonly retryAfter?: number | "phase" | undefined
    readonly after?: Distribution.Distribution | undefined
  }
  | { readonly _tag: "Failed"; readonly after: number }
  | { readonly _tag: "Hang" }
  | { readonly _tag: "Stall"; readonly tokens: number }
  | { readonly _tag: "Cut"; readonly after: number }
  | { readonly _tag: "BadAnswer" }
  | { readonly _tag: "Slow"; readonly longer: Distribution.Distribution }

const answer = { after: /*#__PURE__*/ Schema.optional(Distribution.Distribution) }
const said = {
  retryAfter: /*#__PURE__*/ Schema.optional(
    /*#__PURE__*/ Setting.setting<number | "phase">(
      "a finite number of milliseconds of zero or more, or \"phase\"",
      (value) => value === "phase" || (Number.isFinite(value) && value >= 0)
    )
  ),
  ...answer
}
const part = /*#__PURE__*/ Setting.setting(
  "a number from 0 to 1",
  (value) => Number.isFinite(value) && value >= 0 && value <= 1
)

/**
 * The Schema of a `Fault`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Fault: Schema.Codec<Fault, unknown> = /*#__PURE__*/ Schema.Union([
  /*#__PURE__*/ Schema.TaggedStruct("Reset", answer),
  /*#__PURE__*/ Schema.TaggedStruct("Overloaded", answer),
  /*#__PURE__*/ Schema.TaggedStruct("RateLimited", said),
  /*#__PURE__*/ Schema.TaggedStruct("QuotaSpent", said),
  /*#__PURE__*/ Schema.TaggedStruct("Failed", { after: part }),
  /*#__PURE__*/ Schema.TaggedStruct("Hang", {}),
  /*#__PURE__*/ Schema.TaggedStruct("Stall", { tokens: Setting.count }),
  /*#__PURE__*/ Schema.TaggedStruct("Cut", { after: part }),
  /*#__PURE__*/ Schema.TaggedStruct("BadAnswer", {}),
  /*#__PURE__*/ Schema.TaggedStruct("Slow", { longer: Distribution.Distribution })
]).annotate({ expected: "a fault" })

/**
 * Tells whether a call that meets it comes to a good answer all the same.
 *
 * @category reading
 * @since 0.1.0
 */
export const isHarmless = (fault: Fault | undefined): boolean => fault === undefined || fault._tag === "Slow"

/**
 * Tells whether it is met at the door, before any work is done.
 *
 * @category reading
 * @since 0.1.0
 */
export const isAtDoor = (
  fault: Fault
): fault is Extract<Fault, { readonly _tag: "Reset" | "Overloaded" | "RateLimited" | "QuotaSpent" }> =>
  fault._tag === "Reset" || fault._tag === "Overloaded" || fault._tag === "RateLimited" || fault._tag === "QuotaSpent"
