/**
 * The errors of Anthropic, ready-made: each status with the type, the words and the hints that the real provider sends.
 *
 * They are faults like any other, so an OpenAI endpoint answers with them too, in its own shape.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import { type ErrorChunk, errorChunk, type JsonError, jsonError } from "./ErrorFault.ts"
import type * as Hint from "./Hint.ts"
import * as Require from "./Require.ts"

/**
 * 400 `invalid_request_error`: the caller's mistake.
 *
 * @category known faults
 * @since 0.1.0
 */
export const invalidRequest: JsonError = jsonError({
  status: 400,
  type: "invalid_request_error",
  message: "max_tokens: Input should be greater than or equal to 1"
})

/**
 * 400 `invalid_request_error`: the prompt is too long for the model.
 *
 * @category known faults
 * @since 0.1.0
 */
export const promptTooLong: JsonError = jsonError({
  status: 400,
  type: "invalid_request_error",
  message: "prompt is too long: 210000 tokens > 200000 maximum"
})

/**
 * 400 `invalid_request_error` whose words say that the credit is used up.
 *
 * @category known faults
 * @since 0.1.0
 */
export const creditBalanceTooLow: JsonError = jsonError({
  status: 400,
  type: "invalid_request_error",
  message: "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
    + "purchase credits."
})

/**
 * 400 `invalid_request_error` whose words say that the workspace has reached its limit, and until when.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `resumesAt` is no date.
 *
 * **Example** (A limit until the first of the month)
 *
 * ```ts
 * import { AnthropicFault } from "effect-breaker/testing"
 *
 * const fault = AnthropicFault.usageLimitReached({ resumesAt: "2026-11-01T00:00:00Z" })
 * console.log(fault.message.endsWith("You will regain access on 2026-11-01 at 00:00 UTC.")) // => true
 * ```
 *
 * @category known faults
 * @since 0.1.0
 */
export const usageLimitReached = (options: { readonly resumesAt: Date | string | number }): JsonError => {
  const at = new Date(Require.instant("AnthropicFault.usageLimitReached", "resumesAt", options.resumesAt)).toISOString()
  return jsonError({
    status: 400,
    type: "invalid_request_error",
    message: `You have reached your specified workspace API usage limits. You will regain access on ${
      at.slice(0, 10)
    } at ${at.slice(11, 16)} UTC.`
  })
}

/**
 * 401 `authentication_error`: the key is wrong or revoked.
 *
 * @category known faults
 * @since 0.1.0
 */
export const authentication: JsonError = jsonError({
  status: 401,
  type: "authentication_error",
  message: "invalid x-api-key"
})

/**
 * 402 `billing_error`: a payment failed.
 *
 * @category known faults
 * @since 0.1.0
 */
export const billing: JsonError = jsonError({
  status: 402,
  type: "billing_error",
  message: "There is a problem with your billing or payment information."
})

/**
 * 403 `permission_error`: the key lacks a permission.
 *
 * @category known faults
 * @since 0.1.0
 */
export const permission: JsonError = jsonError({
  status: 403,
  type: "permission_error",
  message: "Your API key does not have permission to use the specified resource."
})

/**
 * 404 `not_found_error`: the model is unknown, retired or not granted.
 *
 * @category known faults
 * @since 0.1.0
 */
export const notFound: JsonError = jsonError({ status: 404, type: "not_found_error", message: "model: not found" })

/**
 * 409: a conflict with another request.
 *
 * @category known faults
 * @since 0.1.0
 */
export const conflict: JsonError = jsonError({
  status: 409,
  type: "invalid_request_error",
  message: "The resource was modified by another request."
})

/**
 * 413 `request_too_large`: the edge refuses the body.
 *
 * @category known faults
 * @since 0.1.0
 */
export const requestTooLarge: JsonError = jsonError({
  status: 413,
  type: "request_too_large",
  message: "Request exceeds the maximum allowed number of bytes."
})

/**
 * 429 `rate_limit_error`: too many requests or tokens a minute, or traffic that grew too fast.
 *
 * **Details**
 *
 * `retryAfter` is 30 seconds unless given, and sent as the header `retry-after` unless `hint` names another way.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `retryAfter` is negative, infinite or no duration, or `hint` is no known one.
 *
 * @category known faults
 * @since 0.1.0
 */
export const rateLimited = (options?: {
  readonly retryAfter?: Duration.Input | undefined
  readonly hint?: Hint.Format | undefined
}): JsonError =>
  jsonError({
    status: 429,
    type: "rate_limit_error",
    message: "This request would exceed your organization's rate limit of 4,000 requests per minute.",
    hint: { format: options?.hint ?? "retry-after", after: options?.retryAfter ?? "30 seconds" }
  })

/**
 * 429 `rate_limit_error` with `enforced_spend_limit_reached` in its details and no hint: until the month is over.
 *
 * @category known faults
 * @since 0.1.0
 */
export const spendLimitReached: JsonError = jsonError({
  status: 429,
  type: "rate_limit_error",
  message: "Your organization has reached its monthly spend limit.",
  fields: { details: { error_code: "enforced_spend_limit_reached" } }
})

/**
 * 500 `api_error`: the provider itself failed.
 *
 * @category known faults
 * @since 0.1.0
 */
export const apiError: JsonError = jsonError({ status: 500, type: "api_error", message: "Internal server error" })

/**
 * 504 `timeout_error`: the provider took too long.
 *
 * @category known faults
 * @since 0.1.0
 */
export const timeout: JsonError = jsonError({ status: 504, type: "timeout_error", message: "Request timed out" })

/**
 * 529 `overloaded_error`: the model has no capacity left, for anybody.
 *
 * @category known faults
 * @since 0.1.0
 */
export const overloaded: JsonError = jsonError({ status: 529, type: "overloaded_error", message: "Overloaded" })

/**
 * Status 200 and a stream whose first event says `overloaded_error`.
 *
 * @category known faults
 * @since 0.1.0
 */
export const overloadedInsideStream: ErrorChunk = errorChunk({
  after: 0,
  type: "overloaded_error",
  message: "Overloaded"
})
