import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, References, Schema, Stream } from "effect"
import { GuardedEmbeddingModel, GuardedLanguageModel, LlmBreaker, ModelFallback } from "effect-breaker/llm"
import { EmbeddingModel, LanguageModel, Prompt, type Response, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { calls, overloaded } from "./circuits.ts"

// As in LlmBreaker.interruption.test.ts: a fiber may be interrupted wherever it gives way, so every such place is met.
const budgets = Array.from({ length: 30 }, (_, i) => 2 * i + 2)
const oneByOne = 3

const scopes = { provider: "openai", model: "gpt-5", key: "key-a" }
const prompt = "How are you?"
const usage = {
  inputTokens: { uncached: 10, total: 10, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 40, text: 40, reasoning: 0 }
}
const finish = (reason: Response.FinishReason) => ({ type: "finish", reason, usage, response: undefined }) as const
const call = { type: "tool-call", id: "b", name: "Look", params: {}, providerExecuted: false } as const

const Look = Tool.make("Look", { success: Schema.String })
const toolkit = Toolkit.make(Look)
const approved = Prompt.fromMessages([
  ...Prompt.make(prompt).content,
  Prompt.makeMessage("assistant", {
    content: [
      Prompt.makePart("tool-call", { id: "a", name: "Look", params: {}, providerExecuted: false }),
      Prompt.makePart("tool-approval-request", { approvalId: "1", toolCallId: "a" })
    ]
  }),
  Prompt.makeMessage("tool", {
    content: [Prompt.makePart("tool-approval-response", { approvalId: "1", approved: true })]
  })
])

const provider = LanguageModel.make({
  generateText: () => Effect.as(Effect.yieldNow, [call, finish("tool-calls")]),
  streamText: () =>
    Stream.concat(Stream.make(call), Stream.fromEffect(Effect.as(Effect.yieldNow, finish("tool-calls"))))
})

const embedding = EmbeddingModel.make({
  embedMany: ({ inputs }) =>
    Effect.as(Effect.yieldNow, { results: inputs.map(() => [1]), usage: { inputTokens: undefined } })
})

type Call = Effect.Effect<unknown, unknown>

const ways = (llm: LlmBreaker.LlmBreaker): Effect.Effect<Record<string, Call>> =>
  Effect.gen(function*() {
    const service = yield* provider
    const tools = toolkit.toLayer({ Look: () => Effect.as(Effect.yieldNow, "It is sunny") })
    const total = "1 minute"
    const model = yield* Effect.provideService(
      GuardedLanguageModel.make({ scopes, total }),
      LanguageModel.LanguageModel,
      service
    )
    const vectors = yield* Effect.provideServiceEffect(
      GuardedEmbeddingModel.make({ scopes, total }),
      EmbeddingModel.EmbeddingModel,
      embedding
    )
    const given = { model: Layer.succeed(LanguageModel.LanguageModel, service), scopes }
    const ladder = ModelFallback.layer([given, { ...given, scopes: { ...scopes, model: "gpt-4" } }])
    return {
      generateText: Effect.provide(model.generateText({ prompt, toolkit }), tools),
      streamText: Effect.provide(Stream.runDrain(model.streamText({ prompt, toolkit })), tools),
      "streamText with approved tools": Effect.provide(
        Stream.runDrain(model.streamText({ prompt: approved, toolkit })),
        tools
      ),
      embed: vectors.embed("Hello"),
      embedMany: vectors.embedMany(["Hello", "there"]),
      "a ladder": Effect.provide(
        Effect.andThen(
          LanguageModel.generateText({ prompt, toolkit }),
          Stream.runDrain(LanguageModel.streamText({ prompt, toolkit }))
        ),
        [ladder, tools]
      )
    }
  }).pipe(Effect.provideService(LlmBreaker.LlmBreaker, llm))

const sweep = (call: Call, look: (at: string) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    const interruptAfter = (step: number, budget?: number) =>
      Effect.gen(function*() {
        const limited = budget === undefined ? call : Effect.provideService(call, References.MaxOpsBeforeYield, budget)
        const fiber = yield* Effect.forkChild(limited, { startImmediately: step > 0 })
        for (let i = 1; i < step; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        yield* look(`step ${step}, budget ${budget}`)
      })
    for (let step = 0; step < 40; step++) yield* interruptAfter(step)
    for (const budget of budgets) for (const step of [1, 3, 8]) yield* interruptAfter(step, budget)
    for (let step = 0; step < 300; step++) yield* interruptAfter(step, oneByOne)
  })

// A request for texts is a fiber of its own, which goes on when those who wait for it have gone.
const inFlight = (llm: LlmBreaker.LlmBreaker) =>
  Effect.map(
    Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 60 }), llm.snapshots),
    (all) => all.filter(({ inFlight }) => inFlight !== 0).map(({ name }) => name)
  )

const names = [
  "generateText",
  "streamText",
  "streamText with approved tools",
  "embed",
  "embedMany",
  "a ladder"
]

describe("interruption", () => {
  for (const name of names) {
    it.effect(`of ${name} gives every circuit its permit back, and a probe's place, wherever it comes`, () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({
          model: { halfOpen: { concurrency: 1, successes: 1000 }, ramp: undefined }
        })
        const call = (yield* ways(llm))[name]!
        yield* calls(llm, scopes, overloaded, 5)
        yield* calls(llm, { ...scopes, model: "gpt-4" }, overloaded, 5)
        const before = (yield* llm.snapshots).map(({ failures }) => failures)
        yield* TestClock.adjust("5 seconds")
        yield* sweep(call, (at) => Effect.map(inFlight(llm), (names) => assert.deepStrictEqual(names, [], at)))

        assert.deepStrictEqual((yield* llm.snapshots).map(({ failures }) => failures), before)
        yield* call
      }))
  }
})
