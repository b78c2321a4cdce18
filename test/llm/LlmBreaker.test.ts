import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { LlmBreaker } from "effect-breaker/llm"

describe("LlmBreaker", () => {
  it.effect("keeps a bad key from darkening the model for other keys", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make()
      const bad = { provider: "openai", model: "gpt-5", key: "bad" }
      const good = { provider: "openai", model: "gpt-5", key: "good" }
      const permit = yield* llm.admit(bad)
      yield* permit.settle({ _tag: "Trip", kind: "auth", scope: "key" })

      const refused = yield* Effect.flip(llm.admit(bad))
      assert.strictEqual(refused.circuit, "openai#bad")
      assert.strictEqual(yield* llm.execute(Effect.succeed("answer"), good), "answer")
    }))
})
