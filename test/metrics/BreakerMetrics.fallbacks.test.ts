import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { Fallback } from "effect-breaker"
import { GuardedLanguageModel, LlmFallback, ModelFallback } from "effect-breaker/llm"
import { AiError, LanguageModel, Model, type Response, Tool, Toolkit } from "effect/ai"
import { counting, countsBy } from "./scenes.ts"

const counted = countsBy("effect_breaker_fallbacks_total", "source")

const usage = { inputTokens: {}, outputTokens: {} } as never
const finish = (reason: Response.FinishReason) => ({ type: "finish", reason, usage, response: undefined }) as const
const overloaded = AiError.make({
  module: "Test",
  method: "any",
  reason: AiError.reasonFromHttpStatus({ status: 529 })
})

type Part = Response.StreamPartEncoded
type Act = ReadonlyArray<Part> | AiError.AiError

/** A model that does the same at every call, whole or streamed. */
const model = (name: string, act: Act) => {
  const parts = AiError.isAiError(act) ? Stream.fail(act) : Stream.fromIterable(act)
  return Model.make(
    "test",
    name,
    Layer.effect(
      LanguageModel.LanguageModel,
      LanguageModel.make({
        generateText: () =>
          Effect.map(
            Stream.runCollect(parts),
            (parts) =>
              parts.map((part): Response.PartEncoded =>
                part.type === "text-delta" ? { type: "text", text: part.delta } : part as Response.PartEncoded
              )
          ),
        streamText: () => Stream.rechunk(parts, 1)
      })
    )
  )
}

const say = (delta: string): ReadonlyArray<Part> => [{ type: "text-delta", id: "1", delta }, finish("stop")]
const good = model("good", say("Hello"))
const down = model("down", overloaded)
const filtered = model("filtered", [finish("content-filter")])
const broken = model("broken", [
  { type: "text-delta", id: "1", delta: "Hel" },
  { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }
])

type Ask = Effect.Effect<unknown, unknown, LanguageModel.LanguageModel>

const whole: Ask = LanguageModel.generateText({ prompt: "Hello" })
const parts = LanguageModel.streamText({ prompt: "Hello" })
const streamed: Ask = Stream.runDrain(parts)

type Ladder = Layer.Layer<LanguageModel.LanguageModel>

/** What was counted of the answers to these questions, whatever came of them. */
const counts = (...asks: ReadonlyArray<Effect.Effect<unknown, unknown>>) =>
  counting(Effect.andThen(Effect.forEach(asks, Effect.exit), counted))

const sorry = Fallback.value("sorry")
const other = Fallback.effect(Effect.succeed("from another"))
const none = Fallback.effect(Effect.fail("also down"))
const answer: Effect.Effect<unknown, unknown> = Effect.succeed("an answer")
const failing: Effect.Effect<unknown, unknown> = Effect.fail("down")

describe("BreakerMetrics, of ladders", () => {
  for (const [name, ask] of [["a whole answer", whole], ["a stream", streamed]] as const) {
    describe(`of models, for ${name}`, () => {
      const from = (ladder: Ladder) => counts(Effect.provide(ask, ladder))

      it.effect("counts an answer of the first model, and one of another", () =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* from(ModelFallback.layer([good, down])), { primary: 1 })
          assert.deepStrictEqual(yield* from(ModelFallback.layer([down, good])), { fallback: 1 })
        }))

      it.effect("counts nothing where no model answers", () =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* from(ModelFallback.layer([down, model("also down", overloaded)])), {})
        }))

      it.effect("counts the answer of a rung, and one that is given as it was for want of a better", () =>
        Effect.gen(function*() {
          const ladder = (rung: typeof good) => ModelFallback.layer([filtered], { rungs: { "content-policy": [rung] } })
          assert.deepStrictEqual(yield* from(ladder(good)), { fallback: 1 })
          assert.deepStrictEqual(yield* from(ladder(down)), { primary: 1 })
        }))

      it.effect("counts once what a ladder within a ladder answers, as what it is to the outermost", () =>
        Effect.gen(function*() {
          const first = ModelFallback.layer([good, down])
          const second = ModelFallback.layer([down, good])
          const neither = ModelFallback.layer([down, model("also down", overloaded)])
          assert.deepStrictEqual(yield* from(ModelFallback.layer([first, down])), { primary: 1 })
          assert.deepStrictEqual(yield* from(ModelFallback.layer([second, down])), { fallback: 1 })
          assert.deepStrictEqual(yield* from(ModelFallback.layer([down, first])), { fallback: 1 })
          assert.deepStrictEqual(yield* from(ModelFallback.layer([neither, first])), { fallback: 1 })
          assert.deepStrictEqual(yield* from(ModelFallback.layer([ModelFallback.layer([second]), down])), {
            fallback: 1
          })
          const asItWas = ModelFallback.layer([ModelFallback.layer([down, filtered])], {
            rungs: { "content-policy": [down] }
          })
          assert.deepStrictEqual(yield* from(asItWas), { fallback: 1 })
          // The inner ladder's answer is not the one that is given.
          const better = ModelFallback.layer([ModelFallback.layer([filtered])], { rungs: { "content-policy": [good] } })
          assert.deepStrictEqual(yield* from(better), { fallback: 1 })
        }))

      it.effect("counts once what a ladder of rungs around it gives on", () =>
        Effect.gen(function*() {
          const around = (ladder: Ladder) => counts(Effect.provide(LlmFallback.withFallback([sorry])(ask), ladder))
          assert.deepStrictEqual(yield* around(ModelFallback.layer([good, down])), { primary: 1 })
          assert.deepStrictEqual(yield* around(ModelFallback.layer([down, good])), { fallback: 1 })
          assert.deepStrictEqual(yield* around(ModelFallback.layer([down])), { default: 1 })
          // As a rung, whichever of its models answers.
          const rung = LlmFallback.otherModel(Effect.provide(ask, ModelFallback.layer([good])), { model: "good" })
          assert.deepStrictEqual(yield* counts(LlmFallback.withFallback([rung])(failing)), { fallback: 1 })
        }))

      it.effect("counts once the answer of a model that has a ladder of its own inside", () =>
        Effect.gen(function*() {
          const own = Layer.effect(
            LanguageModel.LanguageModel,
            Effect.map(LanguageModel.LanguageModel, (model): LanguageModel.LanguageModel => {
              const laddered = <A, E, R>(answer: Effect.Effect<A, E, R>) =>
                Fallback.valueOf(Fallback.withFallback(none)(answer))
              return {
                ...model,
                generateText: ((options: never) => laddered(model.generateText(options))) as never,
                streamText: ((options: never) =>
                  Stream.unwrap(laddered(Effect.sync(() => model.streamText(options))))) as never
              }
            })
          ).pipe(Layer.provide(good))
          assert.deepStrictEqual(yield* from(ModelFallback.layer([own])), { primary: 1 })
          assert.deepStrictEqual(yield* from(ModelFallback.layer([down, own])), { fallback: 1 })
        }))
    })
  }

  describe("of models, for a stream", () => {
    it.effect("counts one that its reader leaves, whatever the reader makes of it, and none that breaks off", () =>
      Effect.gen(function*() {
        const Good = ModelFallback.layer([good])
        const left = Stream.runDrain(Stream.take(parts, 1))
        const unwanted = Stream.runForEach(parts, () => Effect.fail("no good"))
        assert.deepStrictEqual(yield* counts(Effect.provide(left, Good)), { primary: 1 })
        assert.deepStrictEqual(yield* counts(Effect.provide(unwanted, Good)), { primary: 1 })
        const Inner = ModelFallback.layer([ModelFallback.layer([down, good])])
        assert.deepStrictEqual(yield* counts(Effect.provide(left, Inner)), { fallback: 1 })
        const Broken = ModelFallback.layer([broken, good])
        assert.deepStrictEqual(yield* counts(Effect.provide(streamed, Broken)), {})
        const covered = LlmFallback.withFallback([sorry])(streamed)
        assert.deepStrictEqual(yield* counts(Effect.provide(covered, Broken)), { default: 1 })
      }))
  })

  describe("of models, with tools", () => {
    it.effect("counts what a tool asks of another ladder for itself", () =>
      Effect.gen(function*() {
        const Ask = Tool.make("Ask", { success: Schema.String })
        const toolkit = Toolkit.make(Ask)
        const inside = Effect.as(Effect.provide(whole, ModelFallback.layer([down, good])), "an answer")
        const handled = toolkit.toLayer({ Ask: () => Effect.orDie(inside) })
        const call = { type: "tool-call", id: "a", name: "Ask", params: {}, providerExecuted: false } as const
        const Outer = ModelFallback.layer([model("calls", [call, finish("tool-calls")])])
        const ask = LanguageModel.generateText({ prompt: "Hello", toolkit })
        const stream = Stream.runDrain(LanguageModel.streamText({ prompt: "Hello", toolkit }))
        for (const one of [ask, stream]) {
          assert.deepStrictEqual(yield* counts(Effect.provide(one, [Outer, handled])), { primary: 1, fallback: 1 })
        }
      }))
  })

  it.effect("counts the answers of LlmFallback by where they came from", () =>
    Effect.gen(function*() {
      const lastGood = LlmFallback.lastGood<unknown>({ maxAge: "10 minutes" })
      const rung = lastGood.for({ provider: "openai", model: "gpt-5", prompt: "Hello" })
      const haiku = LlmFallback.otherModel(Effect.succeed("Hi"), { model: "haiku" })
      assert.deepStrictEqual(
        yield* counts(
          LlmFallback.withFallback([rung])(answer),
          LlmFallback.withFallback([rung])(failing),
          LlmFallback.withFallback([haiku])(failing),
          LlmFallback.withFallback([sorry])(failing),
          LlmFallback.withFallback([])(failing)
        ),
        { primary: 1, cached: 1, fallback: 1, default: 1 }
      )
    }))

  it.effect("counts once what ladders around a ladder give on", () =>
    Effect.gen(function*() {
      const { withFallback } = Fallback
      const twice = (call: typeof answer, ...rungs: ReadonlyArray<Fallback.Rung<unknown>>) =>
        counts(withFallback(sorry)(withFallback(...rungs)(call)))
      assert.deepStrictEqual(yield* twice(answer), { primary: 1 })
      assert.deepStrictEqual(yield* twice(failing, other), { fallback: 1 })
      assert.deepStrictEqual(yield* twice(failing), { default: 1 })
      const rung = Fallback.effect(withFallback(sorry)(answer))
      assert.deepStrictEqual(yield* counts(withFallback(rung)(failing)), { fallback: 1 })
      const deeper = Fallback.effect(withFallback(rung)(failing))
      assert.deepStrictEqual(yield* counts(withFallback(deeper)(failing)), { fallback: 1 })
      // A rung that fails has served nothing.
      const failed = Fallback.effect(Effect.andThen(withFallback(sorry)(answer), Effect.fail("after all")))
      assert.deepStrictEqual(yield* counts(withFallback(failed, sorry)(failing)), { default: 1 })
    }))

  it.effect("counts each answer of the ladders that a call stands on, and not the whole once more", () =>
    Effect.gen(function*() {
      const { withFallback } = Fallback
      const agent = Effect.all([withFallback(sorry)(answer), withFallback(sorry)(failing)])
      assert.deepStrictEqual(yield* counts(withFallback(sorry)(agent)), { primary: 1, default: 1 })
    }))

  it.effect("counts one answer for each call, of guarded models too", () =>
    Effect.gen(function*() {
      const guarded = Layer.provide(GuardedLanguageModel.layer(), good)
      const ask = Effect.provide(whole, ModelFallback.layer([guarded, down]))
      assert.deepStrictEqual(yield* counts(ask, ask, ask), { primary: 3 })
    }))
})
