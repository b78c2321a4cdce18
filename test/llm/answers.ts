/**
 * What the providers really answer, row for row, and what is to be made of it.
 */
import type { LlmOutcome } from "effect-breaker/llm"

export interface Answer {
  readonly says: string
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly outcome: readonly [tag: string, kind: LlmOutcome.Kind, scope: LlmOutcome.Scope]
  /** Of a `retryAfter` or an `openFor`, in seconds. */
  readonly seconds?: number
}

/** 2026-08-14 15:00 in Greenwich, 08:00 in California. */
export const now = Date.UTC(2026, 7, 14, 15)

const hour = 3600

const ignoredRequest = ["Ignored", "invalid-request", "request"] as const
const contentPolicy = ["Ignored", "content-policy", "request"] as const
const contextLength = ["Ignored", "context-length", "request"] as const
const rateLimit = ["Throttled", "rate-limit", "model"] as const
const gateway = ["Throttled", "gateway", "model"] as const
const overloaded = ["Failure", "overloaded", "model"] as const
const fault = ["Failure", "server", "model"] as const
const edgeFault = ["Failure", "server", "provider"] as const
const timeout = ["Failure", "timeout", "model"] as const
const edgeTimeout = ["Failure", "timeout", "provider"] as const
const quota = ["Trip", "quota", "key"] as const
const billing = ["Trip", "billing", "key"] as const
const auth = ["Trip", "auth", "key"] as const
const permission = ["Trip", "permission", "key"] as const
const modelGone = ["Trip", "model-gone", "model"] as const

export const page = (title: string) =>
  `<!DOCTYPE html>\r\n<html><head><title>${title}</title></head><body><center><h1>${title}</h1></center><hr><center>cloudflare</center></body></html>`

const openAiError = (type: string | null, code: string | null, message: string, param: string | null = null) => ({
  error: { message, type, param, code }
})

export const openAi: ReadonlyArray<Answer> = [
  {
    says: "a bad request",
    status: 400,
    body: openAiError("invalid_request_error", null, "Missing required parameter: 'messages'.", "messages"),
    outcome: ignoredRequest
  },
  {
    says: "a prompt that is too long",
    status: 400,
    body: openAiError(
      "invalid_request_error",
      "context_length_exceeded",
      "This model's maximum context length is 128000 tokens. However, your messages resulted in 140012 tokens.",
      "messages"
    ),
    outcome: contextLength
  },
  {
    says: "a prompt against the rules",
    status: 400,
    body: openAiError("invalid_request_error", "content_policy_violation", "Your request was rejected."),
    outcome: contentPolicy
  },
  {
    says: "an invalid prompt",
    status: 400,
    body: openAiError("invalid_request_error", "invalid_prompt", "Invalid prompt."),
    outcome: ignoredRequest
  },
  {
    says: "a wrong key",
    status: 401,
    body: openAiError(
      "invalid_request_error",
      "invalid_api_key",
      "Incorrect API key provided: sk-proj-********************abcd. You can find your API key at https://platform.openai.com/account/api-keys."
    ),
    outcome: auth
  },
  {
    says: "no key at all",
    status: 401,
    body: openAiError("invalid_request_error", null, "You didn't provide an API key."),
    outcome: auth
  },
  {
    says: "a region that is not served",
    status: 403,
    body: openAiError(
      "request_forbidden",
      "unsupported_country_region_territory",
      "Country, region, or territory not supported"
    ),
    outcome: permission
  },
  {
    says: "a right that the project lacks",
    status: 403,
    body: openAiError("invalid_request_error", null, "You have insufficient permissions for this operation."),
    outcome: permission,
    seconds: 300
  },
  {
    says: "a model that is gone",
    status: 404,
    body: openAiError(
      "invalid_request_error",
      "model_not_found",
      "The model `gpt-9` does not exist or you do not have access to it."
    ),
    outcome: modelGone
  },
  { says: "a timeout", status: 408, body: openAiError("timeout", null, "Request timed out"), outcome: timeout },
  {
    says: "a conflict",
    status: 409,
    body: openAiError("invalid_request_error", null, "The resource was updated by another request."),
    outcome: ["Ignored", "conflict", "request"]
  },
  {
    says: "content it cannot process",
    status: 422,
    body: openAiError("invalid_request_error", null, "Unprocessable"),
    outcome: ignoredRequest
  },
  {
    says: "too many requests a minute",
    status: 429,
    headers: {
      "x-ratelimit-limit-requests": "500",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-requests": "8.64s",
      "x-ratelimit-remaining-tokens": "29000",
      "x-ratelimit-reset-tokens": "6m0s"
    },
    body: openAiError(
      "requests",
      "rate_limit_exceeded",
      "Rate limit reached for gpt-4o in organization org-abc on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms."
    ),
    outcome: rateLimit,
    seconds: 8.64
  },
  {
    says: "too many tokens a minute",
    status: 429,
    body: openAiError(
      "tokens",
      "rate_limit_exceeded",
      "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29200, Requested 4050. Please try again in 6.5s."
    ),
    outcome: rateLimit,
    seconds: 6.5
  },
  {
    says: "traffic that grew too fast",
    status: 429,
    body: openAiError("rate_limit_error", "slow_down", "Please slow down your request rate."),
    outcome: rateLimit
  },
  ...["insufficient_quota", "organization_spend_limit_exceeded", "project_spend_limit_exceeded"].map((code) => ({
    says: `a budget that is used up (${code})`,
    status: 429,
    body: openAiError("insufficient_quota", code, "You exceeded your current quota, please check your plan."),
    outcome: quota
  })),
  {
    says: "a usage limit that is reached",
    status: 429,
    body: openAiError("billing_error_of_some_kind", "organization_usage_limit_exceeded", "Usage limit exceeded."),
    outcome: quota
  },
  {
    says: "a balance that is used up",
    status: 429,
    body: openAiError("billing", "credit_balance_exhausted", "Your credit balance is exhausted."),
    outcome: billing
  },
  {
    says: "a fault",
    status: 500,
    body: openAiError("server_error", null, "The server had an error while processing your request."),
    outcome: fault
  },
  { says: "a page from the edge", status: 502, body: page("502 Bad Gateway"), outcome: edgeFault },
  { says: "a page from the edge after a wait", status: 504, body: page("504 Gateway Time-out"), outcome: edgeTimeout },
  {
    says: "no capacity",
    status: 503,
    headers: { "retry-after": "3" },
    body: openAiError("service_unavailable_error", "server_is_overloaded", "The server is currently overloaded."),
    outcome: overloaded,
    seconds: 3
  },
  {
    says: "no capacity, in the words of before",
    status: 503,
    body: openAiError("service_unavailable_error", "slow_down", "Slow down."),
    outcome: overloaded
  },
  ...[520, 521, 523].map((status) => ({
    says: `an origin that is down (${status})`,
    status,
    body: page("Web server is down"),
    outcome: edgeFault
  })),
  ...[522, 524].map((status) => ({
    says: `an origin that does not answer (${status})`,
    status,
    headers: { "retry-after": "120" },
    body: page("A timeout occurred"),
    outcome: edgeTimeout,
    seconds: 120
  }))
]

const anthropicError = (type: string, message: string, details?: unknown) => ({
  type: "error",
  error: details === undefined ? { type, message } : { type, message, details },
  request_id: "req_011CSHoEeqs5C35K2UUqR7Fy"
})

export const anthropic: ReadonlyArray<Answer> = [
  {
    says: "a bad request",
    status: 400,
    body: anthropicError("invalid_request_error", "messages: at least one message is required"),
    outcome: ignoredRequest
  },
  {
    says: "a prompt that is too long",
    status: 400,
    body: anthropicError("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    outcome: contextLength
  },
  {
    says: "a balance that is too low",
    status: 400,
    body: anthropicError(
      "invalid_request_error",
      "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
    ),
    outcome: billing
  },
  {
    says: "a limit that an administrator set",
    status: 400,
    body: anthropicError(
      "invalid_request_error",
      "You have reached your specified workspace API usage limits. You will regain access on 2026-09-01 at 00:00 UTC."
    ),
    outcome: quota,
    seconds: (17 * 24 + 9) * hour
  },
  {
    says: "a wrong key",
    status: 401,
    body: anthropicError("authentication_error", "invalid x-api-key"),
    outcome: auth
  },
  {
    says: "a payment that failed",
    status: 402,
    body: anthropicError("billing_error", "There was a problem with your payment."),
    outcome: billing
  },
  {
    says: "a right that the key lacks",
    status: 403,
    body: anthropicError("permission_error", "Your API key does not have permission to use the specified resource."),
    outcome: permission,
    seconds: 300
  },
  {
    says: "a model that is gone",
    status: 404,
    body: anthropicError("not_found_error", "model: claude-1"),
    outcome: modelGone
  },
  {
    says: "a conflict",
    status: 409,
    body: anthropicError("conflict_error", "The resource is being changed."),
    outcome: ["Ignored", "conflict", "request"]
  },
  {
    says: "a request that is too large",
    status: 413,
    body: anthropicError("request_too_large", "Request exceeds the maximum size"),
    outcome: ["Ignored", "too-large", "request"]
  },
  {
    says: "a rate limit",
    status: 429,
    headers: {
      "retry-after": "12",
      "anthropic-ratelimit-requests-remaining": "48",
      "anthropic-ratelimit-requests-reset": "2026-08-14T15:10:00Z",
      "anthropic-ratelimit-input-tokens-remaining": "0",
      "anthropic-ratelimit-input-tokens-reset": "2026-08-14T15:00:41Z"
    },
    body: anthropicError("rate_limit_error", "This request would exceed your organization's rate limit.", null),
    outcome: rateLimit,
    seconds: 41
  },
  {
    says: "a monthly threshold",
    status: 429,
    body: anthropicError(
      "rate_limit_error",
      "You have reached your API usage limits: your organization has crossed its monthly API usage threshold, set based on your organization's API tier.",
      { error_code: "enforced_spend_limit_reached" }
    ),
    outcome: quota,
    seconds: (17 * 24 + 9) * hour
  },
  { says: "a fault", status: 500, body: anthropicError("api_error", "Internal server error"), outcome: fault },
  { says: "a timeout", status: 504, body: anthropicError("timeout_error", "Request timed out"), outcome: timeout },
  {
    says: "no capacity",
    status: 529,
    body: anthropicError("overloaded_error", "Overloaded", null),
    outcome: overloaded
  }
]

const geminiError = (code: number, status: string, message: string, details: ReadonlyArray<unknown> = []) => ({
  error: { code, message, status, details }
})

const quotaFailure = (quotaId: string, retryDelay: string) => [
  { "@type": "type.googleapis.com/google.rpc.QuotaFailure", violations: [{ quotaMetric: "requests", quotaId }] },
  { "@type": "type.googleapis.com/google.rpc.Help", links: [] },
  { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay }
]

const exceeded = "You exceeded your current quota, please check your plan and billing details."

export const gemini: ReadonlyArray<Answer> = [
  {
    says: "a bad request",
    status: 400,
    body: geminiError(400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    outcome: ignoredRequest
  },
  {
    says: "a prompt that is too long",
    status: 400,
    body: geminiError(
      400,
      "INVALID_ARGUMENT",
      "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    ),
    outcome: contextLength
  },
  {
    says: "a wrong key",
    status: 400,
    body: geminiError(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [
      { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID", domain: "googleapis.com" }
    ]),
    outcome: auth
  },
  {
    says: "an expired key, without its reason",
    status: 400,
    body: geminiError(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."),
    outcome: auth
  },
  {
    says: "a region that is not served",
    status: 400,
    body: geminiError(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
    outcome: permission
  },
  {
    says: "a project without billing",
    status: 400,
    body: geminiError(400, "FAILED_PRECONDITION", "Please enable billing on your project in Google AI Studio."),
    outcome: billing
  },
  {
    says: "a right that the key lacks",
    status: 403,
    body: geminiError(403, "PERMISSION_DENIED", "Generative Language API has not been used in this project before."),
    outcome: permission,
    seconds: 300
  },
  {
    says: "a model that is gone",
    status: 404,
    body: geminiError(404, "NOT_FOUND", "models/gemini-0 is not found for API version v1beta."),
    outcome: modelGone
  },
  {
    says: "a limit per minute",
    status: 429,
    body: geminiError(
      429,
      "RESOURCE_EXHAUSTED",
      exceeded,
      quotaFailure("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "34.4s")
    ),
    outcome: rateLimit,
    seconds: 34.4
  },
  {
    says: "a limit per day and model, with a delay that is no use",
    status: 429,
    body: geminiError(
      429,
      "RESOURCE_EXHAUSTED",
      exceeded,
      quotaFailure("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "34.4s")
    ),
    outcome: ["Trip", "quota", "model"],
    seconds: 16 * hour
  },
  {
    says: "a limit per day",
    status: 429,
    body: geminiError(429, "RESOURCE_EXHAUSTED", exceeded, quotaFailure("RequestsPerDayPerProject", "1s")),
    outcome: quota,
    seconds: 16 * hour
  },
  {
    says: "a limit it does not name, in a list",
    status: 429,
    body: [geminiError(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")],
    outcome: rateLimit
  },
  { says: "a fault", status: 500, body: geminiError(500, "INTERNAL", "An internal error occurred."), outcome: fault },
  {
    says: "no capacity",
    status: 503,
    body: geminiError(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    outcome: overloaded
  },
  {
    says: "a prompt that took too long",
    status: 504,
    body: geminiError(504, "DEADLINE_EXCEEDED", "The request timed out."),
    outcome: timeout
  },
  {
    says: "a rate limit wrapped in a bad request (Vertex)",
    status: 400,
    body: geminiError(429, "RESOURCE_EXHAUSTED", "Resource exhausted, please try again later."),
    outcome: rateLimit
  },
  {
    says: "a rate limit wrapped in a sentence (resellers)",
    status: 400,
    body: openAiError("invalid_request_error", null, "Upstream error: 429 Too Many Requests"),
    outcome: rateLimit
  }
]

const bedrock = (exception: string, message: string) => ({
  headers: { "x-amzn-errortype": `${exception}:http://internal.amazon.com/coral/com.amazon.bedrock/` },
  body: { message }
})

export const amazon: ReadonlyArray<Answer> = [
  {
    says: "a bad request",
    status: 400,
    ...bedrock("ValidationException", "Malformed input request"),
    outcome: ignoredRequest
  },
  {
    says: "a prompt that is too long",
    status: 400,
    ...bedrock("ValidationException", "Input is too long for requested model."),
    outcome: contextLength
  },
  {
    says: "a right that the key lacks",
    status: 403,
    ...bedrock("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    outcome: permission,
    seconds: 300
  },
  {
    says: "a model that is gone",
    status: 404,
    ...bedrock("ResourceNotFoundException", "Could not resolve the foundation model"),
    outcome: modelGone
  },
  {
    says: "a quota that is used up",
    status: 400,
    ...bedrock("ServiceQuotaExceededException", "Your account's quota is exceeded"),
    outcome: quota
  },
  {
    says: "a model that took too long",
    status: 408,
    ...bedrock("ModelTimeoutException", "The model timed out"),
    outcome: timeout
  },
  { says: "a model that failed", status: 424, ...bedrock("ModelErrorException", "The model failed"), outcome: fault },
  {
    says: "a stream that failed",
    status: 424,
    body: { __type: "com.amazonaws.bedrock#ModelStreamErrorException", message: "The stream failed" },
    outcome: fault
  },
  { says: "a fault", status: 500, ...bedrock("InternalServerException", "An internal error"), outcome: fault },
  {
    says: "no capacity",
    status: 503,
    ...bedrock("ServiceUnavailableException", "The service is unavailable"),
    outcome: overloaded
  },
  {
    says: "too many requests",
    status: 429,
    ...bedrock("ThrottlingException", "Too many requests, please wait before trying again."),
    outcome: rateLimit
  },
  {
    says: "a model that is not loaded yet",
    status: 429,
    ...bedrock("ModelNotReadyException", "Model is not ready for inference."),
    outcome: overloaded
  }
]

export const azure: ReadonlyArray<Answer> = [
  {
    says: "a prompt against the rules",
    status: 400,
    body: {
      error: {
        message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        type: null,
        param: "prompt",
        code: "content_filter",
        status: 400,
        innererror: { code: "ResponsibleAIPolicyViolation", content_filter_result: {} }
      }
    },
    outcome: contentPolicy
  },
  {
    says: "a rate limit",
    status: 429,
    headers: { "retry-after": "26", "retry-after-ms": "26350" },
    body: { error: { code: "429", message: "Requests have exceeded call rate limit. Please retry after 26 seconds." } },
    outcome: rateLimit,
    seconds: 26.35
  },
  {
    says: "a region without room, in a sentence",
    status: 429,
    headers: { "retry-after": "8" },
    body: {
      error: {
        code: "429",
        message:
          "The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum usage size allowed during peak load."
      }
    },
    outcome: overloaded,
    seconds: 8
  },
  {
    says: "a region without room, in a header",
    status: 429,
    headers: { "x-ms-throttle-reason": "ModelCapacityExceeded", "x-ms-retry-after-ms": "1500" },
    body: { error: { code: "429", message: "Too many requests" } },
    outcome: overloaded,
    seconds: 1.5
  },
  {
    says: "a wrong key",
    status: 401,
    body: { error: { code: "401", message: "Access denied due to invalid subscription key or wrong API endpoint." } },
    outcome: auth
  },
  {
    says: "a network it does not let in",
    status: 403,
    body: { error: { code: "403", message: "Access denied due to Virtual Network/Firewall rules." } },
    outcome: permission,
    seconds: 300
  },
  {
    says: "a deployment that is gone",
    status: 404,
    body: { error: { code: "DeploymentNotFound", message: "The API deployment for this resource does not exist." } },
    outcome: modelGone
  },
  {
    says: "a timeout",
    status: 408,
    body: { error: { code: "Timeout", message: "The operation was timeout." } },
    outcome: timeout
  },
  {
    says: "no capacity",
    status: 503,
    body: { error: { code: "ServiceUnavailable", message: "Service is unavailable." } },
    outcome: overloaded
  }
]

const routerError = (code: number, message: string, metadata?: unknown) => ({
  error: metadata === undefined ? { code, message } : { code, message, metadata }
})

export const openRouter: ReadonlyArray<Answer> = [
  { says: "a bad request", status: 400, body: routerError(400, "No models provided"), outcome: ignoredRequest },
  {
    says: "a prompt that was flagged",
    status: 403,
    body: routerError(403, "Your chosen model requires moderation and your input was flagged", {
      reasons: ["violence"],
      flagged_input: "…",
      provider_name: "OpenAI"
    }),
    outcome: contentPolicy
  },
  { says: "a wrong key", status: 401, body: routerError(401, "No auth credentials found"), outcome: auth },
  { says: "no credits", status: 402, body: routerError(402, "Insufficient credits"), outcome: billing },
  {
    says: "credits that are in flight",
    status: 402,
    headers: { "retry-after": "5" },
    body: routerError(402, "This request would exceed your available credits given your in-flight requests.", {
      reason: "in_flight_budget_exhausted",
      limit_source: "openrouter_in_flight_budget"
    }),
    outcome: ["Throttled", "rate-limit", "key"],
    seconds: 5
  },
  { says: "a timeout", status: 408, body: routerError(408, "Request timed out"), outcome: timeout },
  {
    says: "a model that is down",
    status: 502,
    body: routerError(502, "Provider returned error", { provider_name: "Novita" }),
    outcome: fault
  },
  {
    says: "no provider",
    status: 503,
    headers: { "retry-after": "30" },
    body: routerError(503, "No instances available"),
    outcome: overloaded,
    seconds: 30
  },
  {
    says: "a rate limit",
    status: 429,
    headers: { "retry-after": "7" },
    body: routerError(429, "Rate limit exceeded"),
    outcome: rateLimit,
    seconds: 7
  },
  {
    says: "a limit of its own, told inside the body",
    status: 429,
    body: routerError(429, "Rate limit exceeded: free-models-per-day", {
      headers: { "X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": String(now + 60_000) }
    }),
    outcome: rateLimit,
    seconds: 60
  },
  { says: "an error inside a success", status: 200, body: routerError(502, "Upstream is down"), outcome: fault },
  { says: "a rate limit inside a success", status: 200, body: routerError(429, "Rate limited"), outcome: rateLimit }
]

export const gateways: ReadonlyArray<Answer> = [
  {
    says: "LiteLLM that no deployment is left",
    status: 429,
    body: {
      error: {
        message:
          "No deployments available for selected model, Try again in 60 seconds. Passed model=gpt-4o. pre-call-checks=False",
        type: "None",
        param: "None",
        code: "429"
      }
    },
    outcome: gateway,
    seconds: 60
  },
  {
    says: "Bifrost that no key is left",
    status: 502,
    body: {
      is_bifrost_error: true,
      status_code: 502,
      error: { type: "upstream_credentials_exhausted", message: "all keys failed" }
    },
    outcome: ["Throttled", "gateway", "provider"]
  },
  {
    says: "Portkey that its own time is over",
    status: 408,
    headers: { "x-portkey-trace-id": "1" },
    body: openAiError("timeout_error", null, "Request exceeded the timeout sent in the request: 1000ms"),
    outcome: gateway
  },
  {
    says: "CLIProxyAPI that all credentials are cooling",
    status: 429,
    headers: { "retry-after": "135734" },
    body: { error: { code: "model_cooldown", message: "All credentials for model gpt-5 are cooling down" } },
    outcome: gateway,
    seconds: 135_734
  },
  {
    says: "Scaleway that too many run at once",
    status: 429,
    body: { message: "INSUFFICIENT QUOTA: number of concurrent requests" },
    outcome: rateLimit
  },
  {
    says: "a proxy that the client hung up",
    status: 499,
    body: page("499"),
    outcome: ["Ignored", "cancelled", "request"]
  }
]

export const all = { openAi, anthropic, gemini, amazon, azure, openRouter, gateways }
