import { assert, describe, it } from "@effect/vitest"
import { AnthropicFault, FakeProvider, type Fault } from "effect-breaker/testing"
import * as Effect from "effect/Effect"
import { ask, at } from "./asking.ts"

/** What Anthropic answers with: status, type, `retry-after`, and a word of the message or the details. */
const table: ReadonlyArray<readonly [Fault.JsonError, number, string, string | null, string]> = [
  [AnthropicFault.invalidRequest, 400, "invalid_request_error", null, "max_tokens"],
  [AnthropicFault.promptTooLong, 400, "invalid_request_error", null, "prompt is too long"],
  [AnthropicFault.creditBalanceTooLow, 400, "invalid_request_error", null, "credit balance is too low"],
  [
    AnthropicFault.usageLimitReached({ resumesAt: "2026-11-01" }),
    400,
    "invalid_request_error",
    null,
    "2026-11-01 at 00:00 UTC"
  ],
  [AnthropicFault.authentication, 401, "authentication_error", null, "x-api-key"],
  [AnthropicFault.billing, 402, "billing_error", null, "billing"],
  [AnthropicFault.permission, 403, "permission_error", null, "permission"],
  [AnthropicFault.notFound, 404, "not_found_error", null, "model"],
  [AnthropicFault.conflict, 409, "invalid_request_error", null, "modified"],
  [AnthropicFault.requestTooLarge, 413, "request_too_large", null, "bytes"],
  [AnthropicFault.rateLimited(), 429, "rate_limit_error", "30", "rate limit"],
  [AnthropicFault.rateLimited({ retryAfter: "1 hour" }), 429, "rate_limit_error", "3600", "rate limit"],
  [AnthropicFault.spendLimitReached, 429, "rate_limit_error", null, `"error_code":"enforced_spend_limit_reached"`],
  [AnthropicFault.apiError, 500, "api_error", null, "Internal server error"],
  [AnthropicFault.timeout, 504, "timeout_error", null, "timed out"],
  [AnthropicFault.overloaded, 529, "overloaded_error", null, "Overloaded"]
]

describe("AnthropicFault", () => {
  it.effect("has the status, the type, the hint and the words of every row", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make({ allowHeader: true })

      for (const [fault, status, type, retryAfter, words] of table) {
        const heard = yield* ask(provider, "messages", { fault })
        const body = JSON.parse(heard.text)

        assert.deepStrictEqual(
          [heard.status, body.type, at(body, "error", "type"), heard.headers.get("retry-after")],
          [status, "error", type, retryAfter]
        )
        assert.include(heard.text, words)
        assert.match(body.request_id, /^req_1_\d+$/)
      }
    }))

  it("lists them all", () => {
    const constants = Object.values(AnthropicFault).filter((value) =>
      typeof value === "object" && value._tag === "JsonError"
    )
    const made = [AnthropicFault.rateLimited(), AnthropicFault.usageLimitReached({ resumesAt: 0 })].map(({ message }) =>
      message.slice(0, 20)
    )

    assert.sameMembers(
      table.map(([fault]) => fault).filter((fault) => !made.includes(fault.message.slice(0, 20))),
      constants
    )
  })
})
