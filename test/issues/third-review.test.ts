/** Defects that a newcomer found with the features for language models. Each was red once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References, Stream } from "effect"
import { Breaker } from "effect-breaker"
import { LlmBreaker, LlmFallback, LlmOutcome, LlmStream, ModelFallback, PartReader } from "effect-breaker/llm"
import { LanguageModel, Model } from "effect/ai"
import { rangeErrorOf } from "../refusals.ts"

const text = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: () => Effect.succeed([{ type: "text", text: "Hello!" }]),
    streamText: () => Stream.empty
  })
)

describe("an option of the wrong type", () => {
  it("is told at once where it would leave every call uncounted", () => {
    assert.match(
      rangeErrorOf(() => LlmBreaker.make({ classify: "strict" as never })),
      /^LlmBreaker\.make: classify must be a function of a call's exit, got "strict"$/
    )
  })

  it("is told at once where it would make every error unknown", () => {
    const rules = (() => undefined) as never
    const words = /rules must be a list of functions, got /
    assert.match(rangeErrorOf(() => LlmBreaker.make({ rules })), words)
    assert.match(rangeErrorOf(() => LlmBreaker.make({ rules: [5 as never] })), words)
    assert.match(rangeErrorOf(() => LlmOutcome.classifyWith({ rules })), words)
    assert.match(
      rangeErrorOf(() => LlmStream.guard({ reader: PartReader.text, errors: { rules } })),
      /^LlmStream\.guard, errors: rules must be a list of functions, got /
    )
  })

  it("is told at once where it would kill every stream", () => {
    for (const reader of [5, {}, { read: "text" }]) {
      assert.match(
        rangeErrorOf(() => LlmStream.guard({ reader: reader as never })),
        /^LlmStream\.guard: reader must be a reader of parts, such as PartReader\.openAiChat, got /
      )
    }
  })

  it("is told at once where it would be a ladder without a model", () => {
    for (const models of [[], undefined, text]) {
      assert.match(
        rangeErrorOf(() => ModelFallback.layer(models as never)),
        /^ModelFallback\.layer: models must be a list of Layers, or of \{ model: Layer \}, with one at least, got /
      )
    }
    assert.match(
      rangeErrorOf(() => ModelFallback.layer([{ name: "x" } as never])),
      /^ModelFallback\.layer: models must be a list of Layers/
    )
  })
})

describe("words that people read", () => {
  it("have no tokens of GitHub and GitLab and no credentials of an address in them", () => {
    const messageOf = (said: string) => LlmOutcome.fromError(new Error(`request to ${said} failed`)).message
    assert.strictEqual(
      messageOf("https://ada:pa55word@proxy.example/v1"),
      "request to https://[redacted]@proxy.example/v1 failed"
    )
    assert.strictEqual(
      messageOf("https://api.example/v1?key=hunter2secret&alt=sse"),
      "request to https://api.example/v1?key=[redacted]&alt=sse failed"
    )
    for (const token of ["ghp_abcdefghijklmnopqrstuvwxyz0123456789", "github_pat_11ABC_defghi", "glpat-abcDEF123456"]) {
      assert.strictEqual(messageOf(token), "request to [redacted] failed")
    }
    assert.strictEqual(
      messageOf("https://api.example/@scope?page=2"),
      "request to https://api.example/@scope?page=2 failed"
    )
  })

  it.effect("name a circuit on one line", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai/x\nERROR forged\u001b[31m" })
      yield* breaker.isolate("drill")
      const { circuit, message } = yield* Effect.flip(breaker.admit)
      assert.strictEqual(circuit, "openai/x\nERROR forged\u001b[31m")
      assert.match(message, /^Circuit "openai\/x\\nERROR forged\\u001b\[31m" is isolated/)
    }))

  it.effect("say that a client failed, when a stream is opened and when it breaks", () =>
    Effect.gen(function*() {
      const broken = new Error("no route")
      const opened = LlmStream.fromClient(() => Promise.reject(broken))
      const begun = LlmStream.fromClient(async function*() {
        yield "Hello"
        throw broken
      })
      for (const stream of [opened, begun]) {
        const error = yield* Effect.flip(Stream.runDrain(stream))
        assert.strictEqual(error.message, "The client failed in LlmStream.fromClient")
        assert.strictEqual(error.cause, broken)
      }
    }))
})

describe("an observer", () => {
  it.effect("that dies takes no answer with it (onReport)", () =>
    Effect.gen(function*() {
      for (
        const onReport of [() => Effect.die("boom"), () => {
          throw new Error("boom")
        }]
      ) {
        const Models = ModelFallback.layer([Model.make("test", "one", text)], { onReport })
        const answer = yield* LanguageModel.generateText({ prompt: "Hello" }).pipe(Effect.provide(Models))
        assert.strictEqual(answer.text, "Hello!")
      }
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")))
})

describe("a permit", () => {
  it.effect("is given back by an outcome that is none", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make()
      for (const outcome of [undefined, { _tag: "Fine" }]) {
        const permit = yield* llm.admit({ provider: "openai", model: "gpt-5", key: "key-a" })
        yield* permit.settle(outcome as never)
      }
      for (const { ignored, inFlight, name } of yield* llm.snapshots) {
        assert.deepStrictEqual([name, inFlight, ignored], [name, 0, 2])
      }
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")))
})

describe("a question without a prompt", () => {
  it.effect("is nobody else's: its answer is not learnt", () =>
    Effect.gen(function*() {
      const lastGood = LlmFallback.lastGood<string>({ maxAge: "1 minute" })
      const ask = (call: Effect.Effect<string, string>, prompt: unknown) =>
        call.pipe(LlmFallback.withFallback([lastGood.for({ provider: "openai", model: "gpt-5", prompt })]))
      for (const prompt of [undefined, null]) {
        yield* ask(Effect.succeed("The balance of Ada is 12."), prompt)
        assert.strictEqual(yield* Effect.flip(ask(Effect.fail("529 Overloaded"), prompt)), "529 Overloaded")
      }
    }))
})

describe("a reason to stop", () => {
  it("that is no text is read as none", () => {
    assert.strictEqual(LlmOutcome.fromFinishReason(5 as never).kind, "truncated")
  })
})
