/**
 * The errors of OpenAI, ready-made: each status with the type, the code and the hints that the real provider sends.
 *
 * They are faults like any other, so an Anthropic endpoint answers with them too, in its own shape.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import { type ErrorChunk, errorChunk, type JsonError, jsonError } from "./ErrorFault.ts"
import type * as Hint from "./Hint.ts"

/**
 * 400: the caller's mistake.
 *
 * @category known faults
 * @since 0.1.0
 */
export const invalidRequest: JsonError = jsonError({ status: 400, message: "Invalid value for 'temperature'." })

/**
 * 400 `context_length_exceeded`: the prompt is too long for the model.
 *
 * @category known faults
 * @since 0.1.0
 */
export const contextLengthExceeded: JsonError = jsonError({
  status: 400,
  code: "context_length_exceeded",
  message: "This model's maximum context length is 128000 tokens. However, your messages resulted in 140000 tokens."
})

/**
 * 400 `content_policy_violation`: the prompt was rejected by the safety system.
 *
 * @category known faults
 * @since 0.1.0
 */
export const contentPolicyViolation: JsonError = jsonError({
  status: 400,
  code: "content_policy_violation",
  message: "Your request was rejected as a result of our safety system."
})

/**
 * 400 `invalid_prompt`: the prompt was flagged.
 *
 * @category known faults
 * @since 0.1.0
 */
export const invalidPrompt: JsonError = jsonError({
  status: 400,
  code: "invalid_prompt",
  message: "Invalid prompt: your prompt was flagged as potentially violating our usage policy."
})

/**
 * 401 `invalid_api_key`: the key is wrong or revoked.
 *
 * @category known faults
 * @since 0.1.0
 */
export const invalidApiKey: JsonError = jsonError({
  status: 401,
  code: "invalid_api_key",
  message: "Incorrect API key provided."
})

/**
 * 403 `unsupported_country_region_territory`: the region is not served.
 *
 * @category known faults
 * @since 0.1.0
 */
export const unsupportedRegion: JsonError = jsonError({
  status: 403,
  type: "request_forbidden",
  code: "unsupported_country_region_territory",
  message: "Country, region, or territory not supported"
})

/**
 * 403: the key lacks a permission.
 *
 * @category known faults
 * @since 0.1.0
 */
export const permissionDenied: JsonError = jsonError({
  status: 403,
  message: "You have insufficient permissions for this operation. Missing scopes: model.request."
})

/**
 * 404 `model_not_found`: the model is unknown, retired or not granted.
 *
 * @category known faults
 * @since 0.1.0
 */
export const modelNotFound: JsonError = jsonError({
  status: 404,
  code: "model_not_found",
  message: "The model does not exist or you do not have access to it."
})

/**
 * 408: the provider waited too long.
 *
 * @category known faults
 * @since 0.1.0
 */
export const requestTimeout: JsonError = jsonError({ status: 408, code: "timeout", message: "Request timed out." })

/**
 * 409: a conflict with another request.
 *
 * @category known faults
 * @since 0.1.0
 */
export const conflict: JsonError = jsonError({
  status: 409,
  code: "conflict",
  message: "The resource was updated by another request."
})

/**
 * 422: the request was understood and cannot be processed.
 *
 * @category known faults
 * @since 0.1.0
 */
export const unprocessable: JsonError = jsonError({ status: 422, message: "The request could not be processed." })

/**
 * 429 `rate_limit_exceeded`: too many requests or tokens a minute.
 *
 * **Details**
 *
 * `per` is `"requests"` unless given. With `retryAfter` the answer says when to come back, as the header `retry-after`
 * unless `hint` names another way.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `retryAfter` is negative, infinite or no duration, or `hint` is no known one.
 *
 * @category known faults
 * @since 0.1.0
 */
export const rateLimited = (options?: {
  readonly per?: "requests" | "tokens" | undefined
  readonly retryAfter?: Duration.Input | undefined
  readonly hint?: Hint.Format | undefined
}): JsonError => {
  const per = options?.per ?? "requests"
  const after = options?.retryAfter
  return jsonError({
    status: 429,
    // Left to the format where it is the usual one, so that other formats find their own word.
    type: per === "requests" ? undefined : per,
    code: "rate_limit_exceeded",
    message: `Rate limit reached for ${per} per minute.`,
    hint: after === undefined ? undefined : { format: options?.hint ?? "retry-after", after }
  })
}

/**
 * 429 `slow_down`: the traffic grew too fast.
 *
 * @category known faults
 * @since 0.1.0
 */
export const slowDown: JsonError = jsonError({
  status: 429,
  type: "rate_limit_error",
  code: "slow_down",
  message: "Your request rate increased too quickly. Please slow down and ramp up gradually."
})

const moneyIsGone = (code: string, message: string): JsonError =>
  jsonError({ status: 429, type: "insufficient_quota", code, message })

/**
 * 429 `insufficient_quota`: the quota is used up, and asking again is pointless.
 *
 * @category known faults
 * @since 0.1.0
 */
export const insufficientQuota: JsonError = moneyIsGone(
  "insufficient_quota",
  "You exceeded your current quota, please check your plan and billing details."
)

/**
 * 429 `credit_balance_exhausted`: the prepaid credit is used up.
 *
 * @category known faults
 * @since 0.1.0
 */
export const creditBalanceExhausted: JsonError = moneyIsGone(
  "credit_balance_exhausted",
  "Your credit balance is exhausted."
)

/**
 * 429 `organization_spend_limit_exceeded`: the organisation has spent what it allows itself.
 *
 * @category known faults
 * @since 0.1.0
 */
export const organizationSpendLimitExceeded: JsonError = moneyIsGone(
  "organization_spend_limit_exceeded",
  "Your organization has reached its spend limit."
)

/**
 * 429 `project_spend_limit_exceeded`: the project has spent what it is allowed.
 *
 * @category known faults
 * @since 0.1.0
 */
export const projectSpendLimitExceeded: JsonError = moneyIsGone(
  "project_spend_limit_exceeded",
  "Your project has reached its spend limit."
)

/**
 * 429 `organization_usage_limit_exceeded`: the organisation has used what the provider allows it.
 *
 * @category known faults
 * @since 0.1.0
 */
export const organizationUsageLimitExceeded: JsonError = moneyIsGone(
  "organization_usage_limit_exceeded",
  "Your organization has reached its usage limit."
)

/**
 * 500: the provider itself failed.
 *
 * @category known faults
 * @since 0.1.0
 */
export const serverError: JsonError = jsonError({
  status: 500,
  message: "The server had an error while processing your request."
})

/**
 * 503 `server_is_overloaded`: the model has no capacity left.
 *
 * @category known faults
 * @since 0.1.0
 */
export const serverIsOverloaded: JsonError = jsonError({
  status: 503,
  type: "service_unavailable_error",
  code: "server_is_overloaded",
  message: "The server is currently overloaded with other requests."
})

/**
 * 503 `slow_down`: the same as it was said before.
 *
 * @category known faults
 * @since 0.1.0
 */
export const serverSaysSlowDown: JsonError = jsonError({
  status: 503,
  type: "service_unavailable_error",
  code: "slow_down",
  message: "The server is currently overloaded. Please slow down."
})

/**
 * Status 200 and a stream whose first event says `insufficient_quota`, as captured from the responses endpoint.
 *
 * @category known faults
 * @since 0.1.0
 */
export const quotaInsideStream: ErrorChunk = errorChunk({
  after: 0,
  type: "insufficient_quota",
  code: "insufficient_quota",
  message: "You exceeded your current quota, please check your plan and billing details."
})
