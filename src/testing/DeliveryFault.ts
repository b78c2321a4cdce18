/**
 * Faults of how an answer reaches the client: not at all, in part, slowly, late, twice, or broken on the way.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Require from "./Require.ts"

/**
 * The connection is reset before anything is sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reset {
  readonly _tag: "Reset"
}

/**
 * Nothing is ever sent, and the connection stays open.
 *
 * @category models
 * @since 0.1.0
 */
export interface HangBeforeHeaders {
  readonly _tag: "HangBeforeHeaders"
}

/**
 * Status 200 and headers are sent at once, then nothing more, and the connection stays open.
 *
 * @category models
 * @since 0.1.0
 */
export interface HangBeforeFirstToken {
  readonly _tag: "HangBeforeFirstToken"
}

/**
 * After `after` tokens, nothing but signs of life for ever, one every `every` milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface OnlyKeepAlive {
  readonly _tag: "OnlyKeepAlive"
  readonly after: number
  readonly every: number
}

/**
 * The answer stops after `tokens` tokens, and the connection stays open.
 *
 * @category models
 * @since 0.1.0
 */
export interface StallAfter {
  readonly _tag: "StallAfter"
  readonly tokens: number
}

/**
 * The answer is whole and very slow.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlowDrip {
  readonly _tag: "SlowDrip"
  readonly tokensPerSecond: number
}

/**
 * The body ends in good order after `tokens` tokens, but too early: no finish reason and no last event, or half a JSON
 * document.
 *
 * @category models
 * @since 0.1.0
 */
export interface CutAfter {
  readonly _tag: "CutAfter"
  readonly tokens: number
}

/**
 * The connection breaks off in the middle of the body, after `tokens` tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResetAfter {
  readonly _tag: "ResetAfter"
  readonly tokens: number
  readonly by: "close" | "reset"
}

/**
 * What comes after `after` tokens is no JSON; the rest is as it should be.
 *
 * @category models
 * @since 0.1.0
 */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly after: number
}

/**
 * The answer is delivered twice: each token of a stream, or the answer as a whole.
 *
 * @category models
 * @since 0.1.0
 */
export interface Duplicated {
  readonly _tag: "Duplicated"
  readonly unit: "token" | "answer"
}

/**
 * The answer comes `after` milliseconds late, and the provider works it out to its end even when the client has left.
 *
 * @category models
 * @since 0.1.0
 */
export interface LateAnswer {
  readonly _tag: "LateAnswer"
  readonly after: number
}

/**
 * Resets the connection once the request is read, before anything is sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reset: Reset = { _tag: "Reset" }

/**
 * Reads the request and never answers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hangBeforeHeaders: HangBeforeHeaders = { _tag: "HangBeforeHeaders" }

/**
 * Sends status 200 and the headers, and then nothing more.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hangBeforeFirstToken: HangBeforeFirstToken = { _tag: "HangBeforeFirstToken" }

/**
 * Makes an answer that goes silent after `after` tokens but for signs of life, for ever.
 *
 * **Details**
 *
 * Signs of life are what the format has for it: SSE comments for OpenAI, `ping` events for Anthropic, and blank lines
 * where no stream was asked for. They come every 15 seconds unless `every` says otherwise, the first at once. `after` is
 * zero unless given.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `after` is no whole number of at least zero, or `every` no finite duration above zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const onlyKeepAlive = (options?: {
  readonly after?: number | undefined
  readonly every?: Duration.Input | undefined
}): OnlyKeepAlive => ({
  _tag: "OnlyKeepAlive",
  after: Require.whole("Fault.onlyKeepAlive", "after", options?.after ?? 0, 0),
  every: Require.interval("Fault.onlyKeepAlive", "every", options?.every ?? "15 seconds")
})

/**
 * Makes an answer that stops after `tokens` tokens and leaves the connection open.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `tokens` is no whole number of at least zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stallAfter = (options: { readonly tokens: number }): StallAfter => ({
  _tag: "StallAfter",
  tokens: Require.whole("Fault.stallAfter", "tokens", options.tokens, 0)
})

/**
 * Makes an answer that drips: `tokensPerSecond` tokens a second, whatever the pace of the phase.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `tokensPerSecond` is no number above zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const slowDrip = (options: { readonly tokensPerSecond: number }): SlowDrip => ({
  _tag: "SlowDrip",
  tokensPerSecond: Require.positive("Fault.slowDrip", "tokensPerSecond", options.tokensPerSecond)
})

/**
 * Makes an answer whose body ends in good order, but after `tokens` tokens.
 *
 * **Gotchas**
 *
 * Many clients take a stream cut this way for a complete one. `tokens: 0` is an empty body. Throws a `RangeError` when
 * `tokens` is no whole number of at least zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const cutAfter = (options: { readonly tokens: number }): CutAfter => ({
  _tag: "CutAfter",
  tokens: Require.whole("Fault.cutAfter", "tokens", options.tokens, 0)
})

/**
 * Makes an answer whose connection breaks off after `tokens` tokens.
 *
 * **Details**
 *
 * Unless given, `by` is `"close"`: the connection is closed in the middle of the body, after all tokens have arrived.
 * `"reset"` is a TCP reset, which may overtake tokens that the client has not read yet.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `tokens` is no whole number of at least zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resetAfter = (options: {
  readonly tokens: number
  readonly by?: "close" | "reset" | undefined
}): ResetAfter => ({
  _tag: "ResetAfter",
  tokens: Require.whole("Fault.resetAfter", "tokens", options.tokens, 0),
  by: Require.oneOf("Fault.resetAfter", "by", options.by ?? "close", ["close", "reset"])
})

/**
 * Makes an answer with JSON that does not parse: the event after `after` tokens of a stream, or a plain body.
 *
 * **Details**
 *
 * `after` is zero unless given, which breaks the opening of a stream. What follows the broken event is as it should be.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `after` is no whole number of at least zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const malformed = (options?: { readonly after?: number | undefined }): Malformed => ({
  _tag: "Malformed",
  after: Require.whole("Fault.malformed", "after", options?.after ?? 0, 0)
})

/**
 * Makes an answer that is delivered twice.
 *
 * **Details**
 *
 * A stream sends each token twice in a row, or with `unit: "answer"` all of its events a second time after the last. A
 * plain answer is sent a second time on the same connection, to a client that has not asked again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const duplicated = (options?: { readonly unit?: "token" | "answer" | undefined }): Duplicated => ({
  _tag: "Duplicated",
  unit: Require.oneOf("Fault.duplicated", "unit", options?.unit ?? "token", ["token", "answer"])
})

/**
 * Makes a healthy answer that comes late, and that the provider finishes even when the client has left.
 *
 * **Details**
 *
 * `after` comes on top of the latency of the phase. Until it is over, the request counts as in flight, also for a limit
 * on concurrency; the journal then says `unheard` of an answer whose client was gone.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `after` is no finite duration.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lateAnswer = (options: { readonly after: Duration.Input }): LateAnswer => ({
  _tag: "LateAnswer",
  after: Require.wait("Fault.lateAnswer", "after", options.after)
})
