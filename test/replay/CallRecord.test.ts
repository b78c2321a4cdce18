import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { Outcome } from "../../src/index.ts"
import * as LlmOutcome from "../../src/llm/LlmOutcome.ts"
import * as CallRecord from "../../src/replay/CallRecord.ts"

describe("a record", () => {
  it("has only what is known of its call", () => {
    assert.deepStrictEqual(CallRecord.make({ at: 5, took: 10, outcome: Outcome.ignored }), {
      at: 5,
      took: 10,
      outcome: Outcome.ignored,
      circuit: "default"
    })
  })

  it("comes back from JSON as it was", () => {
    const record = CallRecord.make({ at: 5, took: 10, circuit: "a", firstContent: 3, inputTokens: 1, outputTokens: 2 })
    assert.deepStrictEqual(JSON.parse(JSON.stringify(record)), record)
  })

  it("is checked, and the error names the option, the rule and the value", () => {
    assert.throws(() => CallRecord.make({ at: NaN }), "at must be a moment in milliseconds, got NaN")
    assert.throws(() => CallRecord.make({ at: 0, took: -1 }), "took must be a finite duration of zero or more, got -1")
    assert.throws(() => CallRecord.make({ at: 0, outcome: { _tag: "Fine" } as never }), "outcome must be an Outcome")
    assert.throws(() => CallRecord.make({ at: 0, took: 5, firstContent: 6 }), "firstContent must be at most 5, got 6")
  })
})

describe("what became of a call", () => {
  const tags = (says: Parameters<typeof CallRecord.outcomeOf>[0]) => {
    const outcome = CallRecord.outcomeOf(says)
    return [outcome._tag, (outcome as { readonly kind?: string }).kind]
  }

  it("is a success where nothing else is said", () => {
    for (const says of [{}, { status: 200 }, { error: "" }, { error: null }, { status: 200, error: "" }]) {
      assert.strictEqual(CallRecord.outcomeOf(says)._tag, "Success")
    }
  })

  it("is read as the classifier for models reads it", () => {
    for (let status = 400; status < 600; status++) {
      const { _tag, kind } = LlmOutcome.fromHttp({ status })
      assert.deepStrictEqual(tags({ status }), [_tag, kind])
    }
    assert.deepStrictEqual(tags({ status: 429, error: "insufficient_quota" }), ["Trip", "quota"])
    assert.deepStrictEqual(tags({ status: 400, error: { type: "overloaded_error", message: "Overloaded" } }), [
      "Failure",
      "overloaded"
    ])
    assert.deepStrictEqual(tags({ error: "timeout" }), ["Failure", "timeout"])
  })

  it("is told by the type or the code of an error alone, as an error with that type tells it", () => {
    const types = [
      ["rate_limit_error", "Throttled", "rate-limit"],
      ["rate_limit_exceeded", "Throttled", "rate-limit"],
      ["insufficient_quota", "Trip", "quota"],
      ["invalid_request_error", "Ignored", "invalid-request"],
      ["ECONNRESET", "Failure", "network"],
      ["openai.RateLimitError", "Throttled", "rate-limit"],
      ["overloaded_error", "Failure", "overloaded"],
      ["429", "Throttled", "rate-limit"]
    ] as const
    for (const [error, ...outcome] of types) {
      assert.deepStrictEqual(tags({ error }), [...outcome], error)
      assert.deepStrictEqual(tags({ error: ` ${error}` }), [...outcome], error)
    }
    assert.deepStrictEqual(tags({ error: "fetch failed" }), ["Failure", "network"])
    assert.deepStrictEqual(tags({ status: 0, error: "ETIMEDOUT" }), ["Failure", "timeout"])
  })

  it("is an error where a status of success comes with one", () => {
    assert.deepStrictEqual(tags({ status: 200, error: "overloaded_error" }), ["Failure", "overloaded"])
  })

  it("is a failure of the network where there was no status", () => {
    assert.deepStrictEqual(tags({ status: 0 }), ["Failure", "network"])
  })

  it("has the provider's hint", () => {
    const outcome = CallRecord.outcomeOf({ status: 429, retryAfter: 20_000 })
    assert.deepStrictEqual(outcome._tag === "Throttled" && outcome.retryAfter, Duration.seconds(20))
  })
})
