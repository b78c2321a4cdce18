/**
 * Faults 1 and 21: every error of the catalogues of both providers, and every way to say when to come back, through every
 * client that speaks the provider's format.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import type { LlmOutcome } from "effect-breaker/llm"
import { AnthropicFault, FakeProvider, Fault, OpenAiFault } from "effect-breaker/testing"
import { TestClock } from "effect/testing"
import { type Name, named } from "./clients.ts"
import { plain, streamed } from "./driving.ts"

const now = Date.UTC(2026, 7, 14, 15)

const openAiClients: ReadonlyArray<Name> = ["openai chat", "openai responses", "ai openai chat", "ai openai responses"]
const anthropicClients: ReadonlyArray<Name> = ["anthropic", "ai anthropic"]

type Catalogue = ReadonlyArray<readonly [name: string, fault: Fault.JsonError, vote: string, seconds?: number]>

const openAi: Catalogue = [
  ["invalidRequest", OpenAiFault.invalidRequest, "Ignored invalid-request request"],
  ["contextLengthExceeded", OpenAiFault.contextLengthExceeded, "Ignored context-length request"],
  ["contentPolicyViolation", OpenAiFault.contentPolicyViolation, "Ignored content-policy request"],
  ["invalidPrompt", OpenAiFault.invalidPrompt, "Ignored invalid-request request"],
  ["invalidApiKey", OpenAiFault.invalidApiKey, "Trip auth key"],
  ["unsupportedRegion", OpenAiFault.unsupportedRegion, "Trip permission key"],
  ["permissionDenied", OpenAiFault.permissionDenied, "Trip permission key", 300],
  ["modelNotFound", OpenAiFault.modelNotFound, "Trip model-gone model"],
  ["requestTimeout", OpenAiFault.requestTimeout, "Failure timeout model"],
  ["conflict", OpenAiFault.conflict, "Ignored conflict request"],
  ["unprocessable", OpenAiFault.unprocessable, "Ignored invalid-request request"],
  ["rateLimited", OpenAiFault.rateLimited(), "Throttled rate-limit model"],
  ["rateLimited by tokens", OpenAiFault.rateLimited({ per: "tokens" }), "Throttled rate-limit model"],
  ["slowDown", OpenAiFault.slowDown, "Throttled rate-limit model"],
  ["insufficientQuota", OpenAiFault.insufficientQuota, "Trip quota key"],
  ["creditBalanceExhausted", OpenAiFault.creditBalanceExhausted, "Trip billing key"],
  ["organizationSpendLimitExceeded", OpenAiFault.organizationSpendLimitExceeded, "Trip quota key"],
  ["projectSpendLimitExceeded", OpenAiFault.projectSpendLimitExceeded, "Trip quota key"],
  ["organizationUsageLimitExceeded", OpenAiFault.organizationUsageLimitExceeded, "Trip quota key"],
  ["serverError", OpenAiFault.serverError, "Failure server model"],
  ["serverIsOverloaded", OpenAiFault.serverIsOverloaded, "Failure overloaded model"],
  ["serverSaysSlowDown", OpenAiFault.serverSaysSlowDown, "Failure overloaded model"]
]

/** From 15:00 on the 14th of August. */
const untilSeptember = 17 * 86_400 + 9 * 3600
const resumesAt = "2026-08-16T00:00:00Z"

const anthropic: Catalogue = [
  ["invalidRequest", AnthropicFault.invalidRequest, "Ignored invalid-request request"],
  ["promptTooLong", AnthropicFault.promptTooLong, "Ignored context-length request"],
  ["creditBalanceTooLow", AnthropicFault.creditBalanceTooLow, "Trip billing key"],
  ["usageLimitReached", AnthropicFault.usageLimitReached({ resumesAt }), "Trip quota key", 33 * 3600],
  ["authentication", AnthropicFault.authentication, "Trip auth key"],
  ["billing", AnthropicFault.billing, "Trip billing key"],
  ["permission", AnthropicFault.permission, "Trip permission key", 300],
  ["notFound", AnthropicFault.notFound, "Trip model-gone model"],
  ["conflict", AnthropicFault.conflict, "Ignored conflict request"],
  ["requestTooLarge", AnthropicFault.requestTooLarge, "Ignored too-large request"],
  ["rateLimited", AnthropicFault.rateLimited(), "Throttled rate-limit model", 30],
  ["spendLimitReached", AnthropicFault.spendLimitReached, "Trip quota key", untilSeptember],
  ["apiError", AnthropicFault.apiError, "Failure server model"],
  ["timeout", AnthropicFault.timeout, "Failure timeout model"],
  ["overloaded", AnthropicFault.overloaded, "Failure overloaded model"]
]

const secondsOf = (outcome: LlmOutcome.LlmOutcome): number | undefined => {
  const wait = outcome._tag === "Trip"
    ? outcome.openFor
    : outcome._tag === "Success" || outcome._tag === "Ignored"
    ? undefined
    : outcome.retryAfter
  return wait === undefined ? undefined : Duration.toSeconds(wait)
}

/** The same fault twice: plain and streamed. */
const both = (name: Name, fault: Fault.Fault) =>
  Effect.gen(function*() {
    yield* TestClock.setTime(now)
    const { url } = yield* FakeProvider.make({ allowHeader: true })
    const call = { url, headers: Fault.header(fault) }
    return [yield* plain(named(name), call), yield* streamed(named(name), call)]
  })

const suites = [
  ["OpenAI", openAiClients, openAi],
  ["Anthropic", anthropicClients, anthropic]
] as const

for (const [provider, clients, catalogue] of suites) {
  describe(`fault 1, the errors of ${provider}`, () => {
    for (const [title, fault, vote, seconds] of catalogue) {
      for (const name of clients) {
        it.effect(`${title} (${fault.status}) through ${name}: ${vote}`, () =>
          Effect.gen(function*() {
            for (const seen of yield* both(name, fault)) {
              assert.strictEqual(seen.vote, vote)
              assert.strictEqual(secondsOf(seen.outcome), seconds)
              assert.isString(seen.outcome.message)
            }
          }))
      }
    }
  })
}

describe("fault 21, a 429 that says when to come back", () => {
  const hints: ReadonlyArray<Fault.HintFormat> = [
    "retry-after",
    "retry-after-date",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-output-tokens-reset",
    "retry-info",
    "retry_after",
    "message",
    "message-date"
  ]

  for (const hint of hints) {
    for (const name of [...openAiClients, ...anthropicClients]) {
      it.effect(`${hint} through ${name}: a pause of so long`, () =>
        Effect.gen(function*() {
          for (const seen of yield* both(name, Fault.rateLimited({ hint, retryAfter: "20 seconds" }))) {
            assert.strictEqual(seen.vote, "Throttled rate-limit model")
            assert.strictEqual(secondsOf(seen.outcome), 20)
          }
        }))
    }
  }
})
