import { assert, describe, it } from "@effect/vitest"
import { Effect, ExecutionPlan, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { GuardedLanguageModel, LlmBreaker, ModelError, ModelFallback } from "effect-breaker/llm"
import { FakeProvider, Fault, OpenAiFault } from "effect-breaker/testing"
import { AiError, LanguageModel, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { chatModel } from "./chatModel.ts"
import { calls, heard, overloaded } from "./circuits.ts"

const healthy = "This answer comes from a healthy fake provider"
const prompt = "How are you?"

const Look = Tool.make("Look", { success: Schema.String })
const toolkit = Toolkit.make(Look)

const streamed = LanguageModel.streamText({ prompt }).pipe(
  Stream.runFold(() => "", (text, part) => part.type === "text-delta" ? text + part.delta : text)
)
const whole = Effect.map(LanguageModel.generateText({ prompt }), ({ text }) => text)

const setUp = (options?: GuardedLanguageModel.Options) =>
  Effect.gen(function*() {
    const server = yield* FakeProvider.make()
    const llm = yield* LlmBreaker.make()
    const Guarded = Layer.provide(GuardedLanguageModel.layer(options), chatModel(server))
    const run = <A, E>(ask: Effect.Effect<A, E, LanguageModel.LanguageModel>) =>
      ask.pipe(Effect.provide(Guarded), Effect.provideService(LlmBreaker.LlmBreaker, llm))
    const vote = <A, E>(ask: Effect.Effect<A, E, LanguageModel.LanguageModel>) =>
      Effect.gen(function*() {
        const before = yield* llm.snapshots
        const exit = yield* Effect.exit(run(ask))
        const after = yield* llm.snapshots
        return { exit, told: heard(before, after) }
      })
    const faults = (fault: Fault.Fault) => server.setHealth({ faults: [{ fault, share: 1 }] })
    return { faults, llm, run, server, vote }
  })

describe("a guarded LanguageModel over HTTP", () => {
  it.effect("answers, whole, streamed, as an object and with a tool, and votes Success", () =>
    Effect.gen(function*() {
      const { server, vote } = yield* setUp()
      const schema = Schema.Struct({ city: Schema.String })
      const answered = yield* vote(whole)
      const heard = yield* vote(streamed)
      const object = yield* vote(LanguageModel.generateObject({ prompt, schema }))
      yield* server.setHealth({ answers: [{ toolCalls: [{ name: "Look", arguments: {} }] }] })
      const handlers = toolkit.toLayer({ Look: () => Effect.succeed("It is sunny") })
      const tool = yield* vote(Effect.provide(LanguageModel.generateText({ prompt, toolkit }), handlers))
      const late = yield* vote(Effect.provide(
        LanguageModel.streamText({ prompt, toolkit }).pipe(Stream.runCollect),
        handlers
      ))

      assert.deepStrictEqual<unknown>([answered.exit, heard.exit], [Exit.succeed(healthy), Exit.succeed(healthy)])
      assert.isTrue(Exit.isSuccess(object.exit) && typeof object.exit.value.value.city === "string")
      assert.deepStrictEqual(Exit.isSuccess(tool.exit) && tool.exit.value.toolResults.map(({ result }) => result), [
        "It is sunny"
      ])
      assert.deepStrictEqual(Exit.isSuccess(late.exit) && late.exit.value.map(({ type }) => type), [
        "tool-call",
        "tool-result",
        "finish"
      ])
      for (const { told } of [answered, heard, object, tool, late]) {
        assert.deepStrictEqual(told, { "openai/gpt-5": "Success", openai: "Success" })
      }
    }))

  const told = [
    ["an overload", Fault.serverIsOverloaded, { "openai/gpt-5": "Failure", openai: "Ignored" }],
    ["an exhausted quota", Fault.insufficientQuota, { "openai/gpt-5": "Ignored", openai: "Trip" }],
    ["a prompt that is too long", OpenAiFault.contextLengthExceeded, { "openai/gpt-5": "Ignored", openai: "Ignored" }],
    ["a rate limit", Fault.rateLimited(), { "openai/gpt-5": "Throttled", openai: "Ignored" }]
  ] as const
  for (const [name, fault, expected] of told) {
    it.effect(`tells the circuits of ${name}, and leaves the error as it is`, () =>
      Effect.gen(function*() {
        for (const ask of [whole, streamed]) {
          const { faults, vote } = yield* setUp()
          yield* faults(fault)
          const { exit, told } = yield* vote(ask)

          assert.deepStrictEqual(told, expected)
          const error = Exit.isFailure(exit) ? yield* Effect.flip(exit) : undefined
          assert.isTrue(AiError.isAiError(error) && error.module === "OpenAi")
        }
      }))
  }

  it.effect("fails in time when the provider hangs, and closes the connection", () =>
    Effect.gen(function*() {
      for (const ask of [whole, streamed]) {
        const { faults, server, vote } = yield* setUp({ headers: "10 seconds", total: "10 seconds" })
        yield* faults(Fault.hangBeforeHeaders)
        const asking = yield* Effect.forkChild(vote(ask), { startImmediately: true })
        yield* server.awaitJournal((entries) => entries.length === 1)
        yield* TestClock.adjust("10 seconds")
        const { exit, told } = yield* Fiber.join(asking)

        assert.deepStrictEqual(told, { "openai/gpt-5": "Failure", openai: "Ignored" })
        const error = yield* Effect.flip(exit)
        assert.strictEqual(ModelError.brokenOf(error)?.kind, "timeout")
        const [entry] = yield* server.awaitJournal((entries) => entries[0]?.end !== "running")
        assert.strictEqual(entry?.end, "client-closed")
      }
    }))

  it.effect("sends nothing while its circuit is open", () =>
    Effect.gen(function*() {
      const { llm, run, server } = yield* setUp()
      yield* calls(llm, { provider: "openai", model: "gpt-5" }, overloaded, 5)
      const error = yield* Effect.flip(run(whole))

      assert.strictEqual(ModelError.rejectedOf(error)?.circuit, "openai/gpt-5")
      assert.deepStrictEqual(yield* server.journal, [])
    }))
})

describe("an ExecutionPlan of guarded models", () => {
  const plan = Effect.gen(function*() {
    const server = yield* FakeProvider.make()
    const llm = yield* LlmBreaker.make()
    const step = (name: string) => Layer.provide(GuardedLanguageModel.layer(), chatModel(server, { name }))
    const [first, second] = [step("gpt-5"), step("gpt-5-mini")]
    const asked = Effect.map(server.journal, (entries) => entries.map(({ model }) => model))
    return { asked, first, llm, second, server }
  })
  const admitted = (error: AiError.AiError) => ModelError.rejectedOf(error) === undefined

  it.effect("moves on at once from a step whose circuit refuses, however often it would try it", () =>
    Effect.gen(function*() {
      const { asked, first, llm, second } = yield* plan
      yield* calls(llm, { provider: "openai", model: "gpt-5" }, overloaded, 5)
      const steps = ExecutionPlan.make({ provide: first, attempts: 3, while: admitted }, { provide: second })
      const text = yield* whole.pipe(
        Effect.withExecutionPlan(steps),
        Effect.provideService(LlmBreaker.LlmBreaker, llm)
      )
      const heard = yield* LanguageModel.streamText({ prompt }).pipe(
        Stream.withExecutionPlan(steps),
        Stream.runFold(() => "", (text, part) => part.type === "text-delta" ? text + part.delta : text),
        Effect.provideService(LlmBreaker.LlmBreaker, llm)
      )

      assert.deepStrictEqual([text, heard], [healthy, healthy])
      assert.deepStrictEqual(yield* asked, ["gpt-5-mini", "gpt-5-mini"])
    }))

  it.effect("learns which step is down, though it builds the layer of a step anew for each attempt", () =>
    Effect.gen(function*() {
      const { asked, first, second, server } = yield* plan
      yield* server.setHealth({ faults: [{ fault: Fault.serverIsOverloaded, share: 1, models: ["gpt-5"] }] })
      const steps = ExecutionPlan.make({ provide: first }, { provide: second })
      for (let i = 0; i < 7; i++) assert.strictEqual(yield* Effect.withExecutionPlan(whole, steps), healthy)

      const models = yield* asked
      assert.deepStrictEqual([
        models.filter((model) => model === "gpt-5").length,
        models.filter((model) => model === "gpt-5-mini").length
      ], [5, 7])
    }))

  it.effect("takes over where a stream reports an error inside a 200", () =>
    Effect.gen(function*() {
      const { asked, first, second, server } = yield* plan
      yield* server.setHealth({ faults: [{ fault: OpenAiFault.quotaInsideStream, share: 1, models: ["gpt-5"] }] })
      const text = yield* LanguageModel.streamText({ prompt }).pipe(
        Stream.withExecutionPlan(ExecutionPlan.make({ provide: first }, { provide: second })),
        Stream.runFold(() => "", (text, part) => part.type === "text-delta" ? text + part.delta : text)
      )

      assert.deepStrictEqual([text, yield* asked], [healthy, ["gpt-5", "gpt-5-mini"]])
    }))
})

describe("a ModelFallback over HTTP", () => {
  it.effect("does not ask a dead provider again, and comes back to it when it has recovered", () =>
    Effect.gen(function*() {
      const server = yield* FakeProvider.make()
      const asked = Effect.map(server.journal, (entries) => entries.map(({ model }) => model))
      const dead = { fault: Fault.serverIsOverloaded, share: 1, models: ["gpt-5"] }
      const ladder = ModelFallback.layer([chatModel(server), chatModel(server, { name: "gpt-5-mini" })], {
        breaker: { model: { ramp: undefined } }
      })
      const answer = ModelFallback.withReports(Effect.provide(whole, ladder))
      const models = Effect.map(
        Effect.all([answer, answer, answer, answer, answer, answer, answer]),
        (answers) => answers.map(({ reports }) => reports[0]?.model)
      )

      yield* server.setHealth({ faults: [dead] })
      assert.deepStrictEqual(yield* models, Array.from({ length: 7 }, () => "openai/gpt-5-mini"))
      assert.lengthOf((yield* asked).filter((model) => model === "gpt-5"), 5)

      yield* server.setHealth({})
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* models, Array.from({ length: 7 }, () => "openai/gpt-5"))
    }))
})
