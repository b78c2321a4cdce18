import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { LlmBreaker } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import OpenAI from "openai"
import { troubles } from "./circuits.ts"

/** Asks the provider through the real client, under the circuits of key and model. */
const asking = (options?: LlmBreaker.Options) =>
  Effect.gen(function*() {
    const provider = yield* FakeProvider.make()
    const llm = yield* LlmBreaker.make({ key: { jitter: 0 }, ...options })
    const ask = (key: string, model: string) =>
      Effect.tryPromise({
        try: () =>
          new OpenAI({ apiKey: `sk-${key}`, baseURL: provider.baseUrl, maxRetries: 0, logLevel: "off" })
            .chat.completions.create({ model, messages: [{ role: "user", content: "How are you?" }] }),
        catch: (error) => error
      }).pipe(
        llm.execute({ provider: "openai", model, key }),
        Effect.match({ onFailure: () => "failed", onSuccess: () => "answered" })
      )
    const requests = Effect.map(provider.journal, (journal) => journal.length)
    return { provider, llm, ask, requests }
  })

describe("LlmBreaker over HTTP", () => {
  it.effect("asks no more with a key that is revoked, and goes on with the other", () =>
    Effect.gen(function*() {
      const { ask, llm, provider, requests } = yield* asking()
      yield* provider.setHealth({ faults: [{ fault: Fault.invalidApiKey, share: 1, keys: ["sk-a"] }] })

      for (let i = 0; i < 10; i++) {
        assert.strictEqual(yield* ask("a", "gpt-5"), "failed")
        assert.strictEqual(yield* ask("b", "gpt-5"), "answered")
      }

      assert.strictEqual(yield* requests, 11)
      assert.deepStrictEqual(yield* troubles(llm), ["openai#a: Open"])
    }))

  it.effect("asks no more with a key whose money is gone, at any model", () =>
    Effect.gen(function*() {
      const { ask, llm, provider, requests } = yield* asking()
      assert.strictEqual(yield* ask("a", "gpt-5"), "answered")
      yield* provider.setHealth({ faults: [{ fault: Fault.insufficientQuota, share: 1, keys: ["sk-a"] }] })

      for (let i = 0; i < 10; i++) assert.strictEqual(yield* ask("a", i % 2 === 0 ? "gpt-5" : "gpt-5-mini"), "failed")

      assert.strictEqual(yield* requests, 2)
      assert.deepStrictEqual(yield* troubles(llm), ["openai#a: Open"])
    }))

  it.effect("pauses for as long as it is told, one key at one model", () =>
    Effect.gen(function*() {
      const { ask, llm, provider } = yield* asking()
      yield* provider.setHealth({
        faults: [{
          fault: Fault.rateLimited({ retryAfter: "20 seconds" }),
          share: 1,
          keys: ["sk-a"],
          models: ["gpt-5"]
        }]
      })

      assert.strictEqual(yield* ask("a", "gpt-5"), "failed")
      assert.strictEqual(yield* ask("b", "gpt-5"), "answered")
      assert.strictEqual(yield* ask("a", "gpt-5-mini"), "answered")
      const refused = yield* llm.refusal({ provider: "openai", model: "gpt-5", key: "a" })
      assert.deepStrictEqual([refused?.circuit, refused?.reason], ["openai/gpt-5#a", "Throttled"])
      assert.deepStrictEqual(refused?.retryAfter, Duration.seconds(20))
    }))

  it.effect("gives a provider up whose models are overloaded one after the other", () =>
    Effect.gen(function*() {
      const { ask, llm, provider, requests } = yield* asking()
      const models = ["gpt-5", "gpt-5-mini", "gpt-5-nano"]
      yield* provider.setHealth({ faults: [{ fault: Fault.serverIsOverloaded, share: 1 }] })

      for (const model of models) for (let i = 0; i < 5; i++) yield* ask("a", model)
      assert.strictEqual(yield* requests, 15)
      assert.strictEqual(yield* ask("b", "gpt-4"), "failed")

      assert.strictEqual(yield* requests, 15)
      assert.include(yield* troubles(llm), "openai: Open")
    }))

  it.effect("asks no more for answers that are empty, where quality counts", () =>
    Effect.gen(function*() {
      const { ask, llm, provider, requests } = yield* asking({ quality: { minimumCalls: 5 } })
      yield* provider.setHealth({ faults: [{ fault: Fault.emptyAnswer, share: 1 }] })

      for (let i = 0; i < 5; i++) assert.strictEqual(yield* ask("a", "gpt-5"), "answered")
      assert.strictEqual(yield* ask("a", "gpt-5"), "failed")

      assert.strictEqual(yield* requests, 5)
      assert.deepStrictEqual(yield* troubles(llm), ["openai/gpt-5?quality: Open"])
    }))
})
