import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { Breaker, type CircuitRejected, TripPolicy } from "effect-breaker"
import { LlmOutcome, ModelError, StreamBroken } from "effect-breaker/llm"
import { AiError } from "effect/ai"

const where = { module: "LanguageModel", method: "generateText" }

/** A refusal of a circuit, as it comes from one. */
const refuse = (isolated = false) =>
  Effect.gen(function*() {
    const breaker = yield* Breaker.make({ name: "openai/gpt-5", tripPolicy: TripPolicy.consecutive(1) })
    if (isolated) yield* breaker.isolate("migration")
    else yield* Effect.ignore(breaker.execute(Effect.fail(new Error("529 Overloaded"))))
    return (yield* breaker.refusal)!
  })

const throughJson = (error: AiError.AiError): AiError.AiError => {
  const codec = Schema.toCodecJson(AiError.AiError)
  return Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeSync(codec)(error))))
}

const facts = ({ cause, circuit, generation, message, reason, retryAfter, since }: CircuitRejected) => ({
  circuit,
  generation,
  message,
  reason,
  since,
  cause: JSON.parse(JSON.stringify(cause)),
  retryAfter: Duration.toMillis(retryAfter)
})

describe("ModelError", () => {
  describe("a refusal", () => {
    it.effect("is retryable, with the wait of the circuit and its words", () =>
      Effect.gen(function*() {
        const rejected = yield* refuse()
        const error = ModelError.ofRejected(rejected, where)

        assert.strictEqual(error.reason._tag, "RateLimitError")
        assert.isTrue(error.isRetryable)
        assert.deepStrictEqual(error.retryAfter, rejected.retryAfter)
        assert.strictEqual(error.message, `LanguageModel.generateText: ${rejected.message}`)
        assert.strictEqual(ModelError.rejectedOf(error), rejected)
        assert.isUndefined(ModelError.brokenOf(error))
      }))

    it.effect("comes back whole after a way through JSON", () =>
      Effect.gen(function*() {
        for (const isolated of [false, true]) {
          const rejected = yield* refuse(isolated)
          const found = ModelError.rejectedOf(throughJson(ModelError.ofRejected(rejected, where)))

          assert.deepStrictEqual(found && facts(found), facts(rejected))
        }
      }))

    it.effect("has no wait where there is no end to wait for", () =>
      Effect.gen(function*() {
        const error = ModelError.ofRejected(yield* refuse(true), where)

        assert.isUndefined(error.retryAfter)
        assert.isTrue(error.isRetryable)
      }))

    it.effect("is a pause to a breaker around it, never a failure: as it was made, and after JSON", () =>
      Effect.gen(function*() {
        const rejected = yield* refuse()
        const error = ModelError.ofRejected(rejected, where)
        for (const told of [error, throughJson(error)]) {
          const outcome = LlmOutcome.fromError(told)

          assert.deepInclude(outcome, { _tag: "Throttled", kind: "gateway", scope: "model" })
          assert.deepStrictEqual(outcome._tag === "Throttled" && outcome.retryAfter, rejected.retryAfter)
        }
      }))
  })

  describe("rejectedOf and brokenOf", () => {
    it("find nothing in what carries nothing, whatever it is", () => {
      const plain = AiError.make({ ...where, reason: new AiError.RateLimitError({ retryAfter: Duration.seconds(1) }) })
      const garbled = AiError.make({
        ...where,
        reason: new AiError.RateLimitError({ metadata: { "effect-breaker": { code: "CircuitRejected", circuit: 7 } } })
      })
      const hostile = new Proxy({}, {
        get: () => {
          throw new Error("hands off")
        }
      })
      for (const error of [plain, garbled, hostile, undefined, null, "CircuitRejected", 7, new Error("no")]) {
        assert.isUndefined(ModelError.rejectedOf(error))
        assert.isUndefined(ModelError.brokenOf(error))
      }
    })

    it.effect("find what stands there bare", () =>
      Effect.gen(function*() {
        const rejected = yield* refuse()

        assert.strictEqual(ModelError.rejectedOf(rejected), rejected)
      }))
  })

  describe("a broken answer", () => {
    type Kind = NonNullable<LlmOutcome.LlmOutcome["kind"]>
    const broken = (outcome: LlmOutcome.LlmOutcome) =>
      new StreamBroken({ outcome, partial: false, message: "The answer broke off" })
    const failed = (kind: Kind) => broken({ _tag: "Failure", kind, scope: "model" })

    const reasons: Record<Kind, AiError.AiErrorReason["_tag"]> = {
      overloaded: "InternalProviderError",
      server: "InternalProviderError",
      network: "InternalProviderError",
      timeout: "InternalProviderError",
      truncated: "InternalProviderError",
      empty: "InternalProviderError",
      "bad-response": "InternalProviderError",
      cancelled: "InternalProviderError",
      unknown: "InternalProviderError",
      "rate-limit": "RateLimitError",
      gateway: "RateLimitError",
      quota: "QuotaExhaustedError",
      billing: "QuotaExhaustedError",
      auth: "AuthenticationError",
      permission: "AuthenticationError",
      "content-policy": "ContentPolicyError",
      "context-length": "InvalidRequestError",
      "invalid-request": "InvalidRequestError",
      "too-large": "InvalidRequestError",
      conflict: "InvalidRequestError",
      "model-gone": "InvalidRequestError",
      quality: "InvalidOutputError"
    }

    it("has the reason of its kind, its own words, and is found again", () => {
      for (const [kind, reason] of Object.entries(reasons)) {
        const it = failed(kind as Kind)
        const error = ModelError.ofBroken(it, where)

        assert.strictEqual(error.reason._tag, reason, kind)
        assert.strictEqual(error.message, "LanguageModel.generateText: The answer broke off")
        assert.strictEqual(ModelError.brokenOf(error), it)
        assert.isUndefined(ModelError.rejectedOf(error))
      }
    })

    it("passes the provider's wait on", () => {
      const paused = broken({ _tag: "Throttled", kind: "rate-limit", scope: "model", retryAfter: Duration.seconds(7) })

      assert.deepStrictEqual(ModelError.ofBroken(paused, where).retryAfter, Duration.seconds(7))
    })

    it("is what it was to a breaker around it, too", () => {
      const kinds = ["overloaded", "server", "network", "timeout", "truncated", "empty", "bad-response"] as const
      for (const kind of kinds) {
        const outcome = LlmOutcome.fromError(ModelError.ofBroken(failed(kind), where))

        assert.strictEqual(outcome._tag, "Failure", kind)
      }
    })
  })
})
