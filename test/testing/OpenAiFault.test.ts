import { assert, describe, it } from "@effect/vitest"
import { FakeProvider, type Fault, OpenAiFault } from "effect-breaker/testing"
import * as Effect from "effect/Effect"
import { ask, at } from "./asking.ts"

/** What OpenAI answers with: status, type and code. */
const table: ReadonlyArray<readonly [Fault.JsonError, number, string, string | null]> = [
  [OpenAiFault.invalidRequest, 400, "invalid_request_error", null],
  [OpenAiFault.contextLengthExceeded, 400, "invalid_request_error", "context_length_exceeded"],
  [OpenAiFault.contentPolicyViolation, 400, "invalid_request_error", "content_policy_violation"],
  [OpenAiFault.invalidPrompt, 400, "invalid_request_error", "invalid_prompt"],
  [OpenAiFault.invalidApiKey, 401, "invalid_request_error", "invalid_api_key"],
  [OpenAiFault.unsupportedRegion, 403, "request_forbidden", "unsupported_country_region_territory"],
  [OpenAiFault.permissionDenied, 403, "invalid_request_error", null],
  [OpenAiFault.modelNotFound, 404, "invalid_request_error", "model_not_found"],
  [OpenAiFault.requestTimeout, 408, "invalid_request_error", "timeout"],
  [OpenAiFault.conflict, 409, "invalid_request_error", "conflict"],
  [OpenAiFault.unprocessable, 422, "invalid_request_error", null],
  [OpenAiFault.rateLimited(), 429, "requests", "rate_limit_exceeded"],
  [OpenAiFault.rateLimited({ per: "tokens" }), 429, "tokens", "rate_limit_exceeded"],
  [OpenAiFault.slowDown, 429, "rate_limit_error", "slow_down"],
  [OpenAiFault.insufficientQuota, 429, "insufficient_quota", "insufficient_quota"],
  [OpenAiFault.creditBalanceExhausted, 429, "insufficient_quota", "credit_balance_exhausted"],
  [OpenAiFault.organizationSpendLimitExceeded, 429, "insufficient_quota", "organization_spend_limit_exceeded"],
  [OpenAiFault.projectSpendLimitExceeded, 429, "insufficient_quota", "project_spend_limit_exceeded"],
  [OpenAiFault.organizationUsageLimitExceeded, 429, "insufficient_quota", "organization_usage_limit_exceeded"],
  [OpenAiFault.serverError, 500, "server_error", null],
  [OpenAiFault.serverIsOverloaded, 503, "service_unavailable_error", "server_is_overloaded"],
  [OpenAiFault.serverSaysSlowDown, 503, "service_unavailable_error", "slow_down"]
]

describe("OpenAiFault", () => {
  it.effect("has the status, the type and the code of every row, in both formats", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make({ allowHeader: true })

      for (const [fault, ...row] of table) {
        for (const format of ["chat", "responses"] as const) {
          const { status, text } = yield* ask(provider, format, { fault })
          const error = at(JSON.parse(text), "error")

          assert.deepStrictEqual([status, at(error, "type"), at(error, "code")], row)
        }
      }
    }))

  it("lists them all", () => {
    const constants = Object.values(OpenAiFault).filter((value) =>
      typeof value === "object" && value._tag === "JsonError"
    )

    assert.sameMembers(table.map(([fault]) => fault).filter((fault) => fault.code !== "rate_limit_exceeded"), constants)
  })
})
