/**
 * Faults of what the model says: an answer in perfect order on the wire, and of no use.
 *
 * @since 0.1.0
 */
import * as Require from "./Require.ts"

/**
 * An answer without a word that claims to have stopped of itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface EmptyAnswer {
  readonly _tag: "EmptyAnswer"
}

/**
 * An answer that ends for another reason than being complete.
 *
 * @category models
 * @since 0.1.0
 */
export interface EndsBy {
  readonly _tag: "EndsBy"
  readonly reason: "length" | "content-filter" | "refusal" | "error"
  readonly after?: number
}

/**
 * An answer that begins as JSON and is none.
 *
 * @category models
 * @since 0.1.0
 */
export interface InvalidJson {
  readonly _tag: "InvalidJson"
}

/**
 * Says nothing and claims to have stopped of itself.
 *
 * @category constructors
 * @since 0.1.0
 */
export const emptyAnswer: EmptyAnswer = { _tag: "EmptyAnswer" }

/**
 * Makes an answer that ends for the given reason, in good order.
 *
 * **Details**
 *
 * | reason           | chat completions        | responses                               | messages     |
 * | ---------------- | ----------------------- | --------------------------------------- | ------------ |
 * | `length`         | `length`                | `response.incomplete` max_output_tokens | `max_tokens` |
 * | `content-filter` | `content_filter`        | `response.incomplete` content_filter    | `refusal`    |
 * | `refusal`        | `stop` with a `refusal` | completed, with a part of type refusal  | `refusal`    |
 * | `error`          | `error`, as gateways do | `response.failed` with a `server_error` | `error`      |
 *
 * With `after`, only so many tokens are said before.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `after` is no whole number of at least zero, or the reason is none of these.
 *
 * @category constructors
 * @since 0.1.0
 */
export const endsBy = (options: {
  readonly reason: EndsBy["reason"]
  readonly after?: number | undefined
}): EndsBy => ({
  _tag: "EndsBy",
  reason: Require.oneOf("Fault.endsBy", "reason", options.reason, ["length", "content-filter", "refusal", "error"]),
  ...(options.after === undefined ? {} : { after: Require.whole("Fault.endsBy", "after", options.after, 0) })
})

/**
 * Answers with text that begins as JSON and is none, whatever schema or tool the request insists on.
 *
 * @category constructors
 * @since 0.1.0
 */
export const invalidJson: InvalidJson = { _tag: "InvalidJson" }
