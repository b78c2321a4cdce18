/**
 * What the providers' codes, sentences and statuses mean, as tables: the first row that applies decides.
 */
import { type Rule, when } from "./Rule.ts"
import { failure, ignored, throttled, trip } from "./Verdict.ts"

/** Somebody else's breaker or balancer refused: says nothing about the provider behind it. */
export const gateways: ReadonlyArray<Rule> = [
  // this library's own refusal, Effect's, cockatiel's and opossum's
  when({ code: "circuitrejected circuitbreakererror brokencircuiterror eopenbreaker" }, throttled("gateway")),
  when({ code: "model_cooldown" }, throttled("gateway")), // CLIProxyAPI
  when({ code: "upstream_credentials_exhausted no_eligible_keys" }, throttled("gateway", "provider")), // Bifrost
  when({ status: 408, header: ["x-portkey-trace-id", "x-portkey-provider"] }, throttled("gateway")), // Portkey's own timeout
  when({ status: 408, text: /request exceeded the timeout sent in the request/i }, throttled("gateway")),
  when({ text: /\bno deployments? (?:is |are )?available\b/i }, throttled("gateway")) // LiteLLM
]

/** Codes that leave no doubt, whatever the status says. */
export const codes: ReadonlyArray<Rule> = [
  // Money and limits that waiting a minute does not bring back
  // Before the type that OpenAI gives them all
  when(
    { code: "credit_balance_exhausted billing_insufficient_balance billing_hard_limit_reached billing_not_active" },
    trip("billing")
  ),
  when({ code: "insufficient_quota usage_limit_reached" }, trip("quota")), // OpenAI
  when(
    { code: "organization_spend_limit_exceeded project_spend_limit_exceeded organization_usage_limit_exceeded" },
    trip("quota")
  ),
  when({ code: "enforced_spend_limit_reached" }, trip("quota", "key", { until: "next month" })), // Anthropic
  when({ code: "servicequotaexceededexception" }, trip("quota")), // Bedrock
  when({ code: "quota_perday_permodel" }, trip("quota", "model", { until: "midnight in California" })), // Gemini
  when({ code: "quota_perday" }, trip("quota", "key", { until: "midnight in California" })),
  when({ code: "quota_perminute quota_perminute_permodel" }, throttled("rate-limit")),
  when({ code: "openrouter_in_flight_budget in_flight_budget_exhausted" }, throttled("rate-limit", "key")), // OpenRouter

  // The key
  when({ code: "invalid_api_key api_key_invalid api_key_expired account_deactivated" }, trip("auth")),
  when({ code: "unrecognizedclientexception expiredtokenexception invalidsignatureexception" }, trip("auth")), // Bedrock
  when({ code: "unsupported_country_region_territory" }, trip("permission")),
  when({ code: "accessdeniedexception permission_denied" }, trip("permission", "key", { minutes: 5 })), // Bedrock, Gemini

  // The model
  when({ code: "model_not_found deploymentnotfound resourcenotfoundexception" }, trip("model-gone", "model")),

  // The request
  when({ code: "context_length_exceeded string_above_max_length" }, ignored("context-length")),
  when({
    code: "content_policy_violation content_filter responsibleaipolicyviolation bio_policy cyber_policy flagged_input"
  }, ignored("content-policy")),
  when({ code: "invalid_prompt previous_response_not_found" }, ignored("invalid-request")),
  when({ code: "request_too_large" }, ignored("too-large")),

  // Capacity
  when({ code: "slow_down", status: [500, 503] }, failure("overloaded")), // OpenAI, before the code meant a ramp
  when({ code: "slow_down" }, throttled("rate-limit")),
  when({ code: "server_is_overloaded overloaded_error modelnotreadyexception" }, failure("overloaded")),
  // Azure: the region has no room left, which is nobody's rate limit
  when({ code: "modelcapacityexceeded" }, failure("overloaded")),
  when({ code: "rate_limit_exceeded" }, throttled("rate-limit")),
  when({ code: "throttlingexception toomanyrequestsexception" }, throttled("rate-limit")), // Bedrock

  // Faults
  when({ code: "modelstreamerrorexception modelerrorexception internalserverexception" }, failure("server")), // Bedrock
  when({ code: "serviceunavailableexception" }, failure("overloaded")),
  when({ code: "modeltimeoutexception vector_store_timeout" }, failure("timeout")),
  when({ code: "unavailable service_unavailable_error" }, failure("overloaded")), // Gemini, OpenAI
  when({ code: "deadline_exceeded" }, failure("timeout")) // Gemini
]

/** Sentences, where the code says too little. They are a matter of wording, so they can be switched off. */
export const sentences: ReadonlyArray<Rule> = [
  // Anthropic answers 400 where the money is gone, and 400 or 429 where a limit set by an administrator is reached
  when({ status: [400, 402, 403, 429], text: /\bcredit balance is too low\b/i }, trip("billing")),
  when(
    { status: [400, 429], text: /\breached your (?:specified )?(?:workspace )?(?:api )?usage limits?\b/i },
    trip("quota")
  ),
  when({ status: 429, text: /\benforced_spend_limit_reached\b/i }, trip("quota", "key", { until: "next month" })),
  // Gemini answers 400 for a bad key, a region it does not serve and a project without billing
  when({ status: 400, text: /\bapi key (?:not valid|expired|not found|is invalid)\b/i }, trip("auth")),
  when({ status: 400, code: "failed_precondition", text: /\bbilling\b/i }, trip("billing")),
  when({ status: 400, text: /\buser location is not supported\b/i }, trip("permission")),
  // Vertex and resellers wrap a 429 in a 400
  when({ status: 400, text: /\bresource[_ ]exhausted\b|\b429 too many requests\b/i }, throttled("rate-limit")),
  // Azure again, for those without a throttle reason
  when(
    { status: 429, text: /\b(?:system|service) is (?:currently )?experiencing high demand\b/i },
    failure("overloaded")
  ),
  when({
    status: [400, 413, 422],
    text:
      /\bprompt is too long\b|\bmaximum context length\b|\bcontext (?:window|limit)\b|\binput is too long\b|\binput token count\b/i
  }, ignored("context-length")),
  when({
    status: [400, 422],
    text: /\bcontent (?:management )?(?:policy|filter)|\bsafety system\b|\busage polic(?:y|ies)\b/i
  }, ignored("content-policy")),
  when({ status: 403, text: /\bmoderation\b|\bflagged\b|\bguardrail/i }, ignored("content-policy")),
  // A file or an earlier answer that is gone is not a model that is gone
  when({
    status: 404,
    text: /\b(?:file|batch|thread|assistant|vector store|conversation|container|previous response|item with id)\b/i
  }, ignored("invalid-request"))
]

/** Codes that name a family of problems, and so come after the sentences that tell the families' members apart. */
export const families: ReadonlyArray<Rule> = [
  when({ code: "authentication_error unauthenticated" }, trip("auth")),
  when({ code: "billing_error" }, trip("billing")),
  when({ code: "failed_precondition", status: 400 }, trip("permission")), // Gemini: region or billing
  when({ code: "permission_error" }, trip("permission", "key", { minutes: 5 })),
  when({ code: "not_found_error not_found" }, trip("model-gone", "model")),
  when({ code: "conflict_error aborted" }, ignored("conflict")),
  when({ code: "rate_limit_error resource_exhausted tokens requests" }, throttled("rate-limit")),
  when({ code: "timeout_error timeout" }, failure("timeout"))
]

/** Statuses, for those who say nothing else. */
export const statuses: ReadonlyArray<Rule> = [
  when({ status: 401 }, trip("auth")),
  when({ status: 402 }, trip("billing")),
  when({ status: 403 }, trip("permission", "key", { minutes: 5 })),
  when({ status: [404, 410] }, trip("model-gone", "model")),
  when({ status: 408 }, failure("timeout")),
  when({ status: 409 }, ignored("conflict")),
  when({ status: [413, 414, 431] }, ignored("too-large")),
  when({ status: 422 }, ignored("invalid-request")),
  when({ status: [424, 425] }, failure("server")),
  when({ status: 429 }, throttled("rate-limit")),
  when({ status: 499 }, ignored("cancelled")),
  when({ status: [503, 529] }, failure("overloaded")),
  // An application that answers names its model; a page from the edge speaks for everything behind it
  when({ status: 502, structured: true }, failure("server")),
  when({ status: 504, structured: true }, failure("timeout")),
  when({ status: 502 }, failure("server", "provider")),
  when({ status: [504, 522, 524] }, failure("timeout", "provider")),
  when({ status: [520, 521, 523, 525, 526, 527, 530] }, failure("server", "provider"))
]

/** Words that say hardly more than that something went wrong. */
export const weak: ReadonlyArray<Rule> = [
  when({ code: "server_error api_error internal internal_server_error internalservererror" }, failure("server")),
  when(
    { code: "invalid_request_error invalid_argument out_of_range validationexception bad_request" },
    ignored("invalid-request")
  )
]

/** Sentences of errors that carry nothing else. */
export const loose: ReadonlyArray<Rule> = [
  when({ noStatus: true, text: /\boverloaded\b|\bat capacity\b/i }, failure("overloaded")),
  when({ noStatus: true, text: /\brate limit|\btoo many requests\b/i }, throttled("rate-limit")),
  when({ noStatus: true, text: /\btimed out\b|\btimeout\b/i }, failure("timeout")),
  when(
    { noStatus: true, text: /\bsocket hang up\b|\bnetwork error\b|\bconnection (?:error|refused|reset|closed)\b/i },
    failure("network", "provider")
  )
]
