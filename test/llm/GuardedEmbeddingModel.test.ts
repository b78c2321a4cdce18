import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer } from "effect"
import { GuardedEmbeddingModel, LlmBreaker, ModelError } from "effect-breaker/llm"
import { AiError, EmbeddingModel, Model } from "effect/ai"
import { TestClock } from "effect/testing"
import { rangeErrorOf } from "../refusals.ts"
import { calls, heard, overloaded as failure } from "./circuits.ts"

const scopes = { provider: "openai", model: "small" }
const aiError = (reason: AiError.AiErrorReason) => AiError.make({ module: "Test", method: "embedMany", reason })
const overloaded = aiError(AiError.reasonFromHttpStatus({ status: 529 }))
const mistake = aiError(new AiError.InvalidRequestError({ description: "too many inputs" }))

type Answer = Effect.Effect<void, AiError.AiError>

const setUp = (answer: Answer = Effect.void, options?: GuardedEmbeddingModel.Options) =>
  Effect.gen(function*() {
    const llm = yield* LlmBreaker.make()
    const asked: Array<ReadonlyArray<string>> = []
    const provider = yield* EmbeddingModel.make({
      embedMany: ({ inputs }) =>
        Effect.andThen(
          Effect.sync(() => asked.push(inputs)),
          Effect.as(answer, { results: inputs.map(({ length }) => [length]), usage: { inputTokens: 7 } })
        )
    })
    const model = yield* GuardedEmbeddingModel.make({ scopes, ...options }).pipe(
      Effect.provideService(EmbeddingModel.EmbeddingModel, provider),
      Effect.provideService(LlmBreaker.LlmBreaker, llm)
    )
    const votes = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.gen(function*() {
        const before = yield* llm.snapshots
        const exit = yield* Effect.exit(effect)
        yield* isOver
        return [exit, heard(before, yield* llm.snapshots)["openai/small"]] as const
      })
    return { asked, llm, model, votes }
  })

/** A text has its vector a moment before the request that brought it is over. */
const isOver = Effect.repeat(Effect.yieldNow, { times: 50 })

/** Both ways to ask. */
const ways = (
  { embed, embedMany }: EmbeddingModel.EmbeddingModel
): ReadonlyArray<Effect.Effect<unknown, AiError.AiError>> => [
  embed("Hello"),
  embedMany(["Hello", "you"])
]

describe("GuardedEmbeddingModel", () => {
  it.effect("gives the vectors as they are, and votes Success", () =>
    Effect.gen(function*() {
      const { model, votes } = yield* setUp()
      const [one, first] = yield* votes(model.embed("Hello"))
      const [many, second] = yield* votes(model.embedMany(["Hello", "you"]))

      assert.deepStrictEqual(Exit.isSuccess(one) && one.value.vector, [5])
      assert.deepStrictEqual(Exit.isSuccess(many) && many.value.embeddings.map(({ vector }) => vector), [[5], [3]])
      assert.deepStrictEqual([first, second], ["Success", "Success"])
    }))

  it.effect("asks for one permit for texts that go in one request", () =>
    Effect.gen(function*() {
      const { asked, llm, model } = yield* setUp()
      yield* Effect.forEach(["a", "bb", "ccc"], model.embed, { concurrency: "unbounded" })
      yield* isOver

      assert.deepStrictEqual(asked, [["a", "bb", "ccc"]])
      assert.deepStrictEqual((yield* llm.snapshots).map(({ successes }) => successes), [1, 1])
    }))

  it.effect("votes by the error, which passes unchanged, to every text of the request", () =>
    Effect.gen(function*() {
      for (const [error, said] of [[overloaded, "Failure"], [mistake, "Ignored"]] as const) {
        const { llm, model, votes } = yield* setUp(Effect.fail(error))
        for (const ask of ways(model)) {
          const [exit, vote] = yield* votes(ask)

          assert.strictEqual(yield* Effect.flip(exit), error)
          assert.strictEqual(vote, said)
        }
        const both = yield* Effect.forEach(["a", "b"], (text) => Effect.flip(model.embed(text)), {
          concurrency: "unbounded"
        })

        assert.deepStrictEqual(both, [error, error])
        if (said === "Failure") assert.strictEqual((yield* llm.snapshots)[0]?.failures, 3)
      }
    }))

  it.effect("refuses with an AiError that gives the CircuitRejected back, and asks nobody", () =>
    Effect.gen(function*() {
      const { asked, llm, model } = yield* setUp()
      yield* calls(llm, scopes, failure, 5)
      for (const ask of ways(model)) {
        const error = yield* Effect.flip(ask)

        assert.isTrue(error.isRetryable)
        assert.strictEqual(ModelError.rejectedOf(error)?.circuit, "openai/small")
        assert.match(error.message, /^EmbeddingModel\.embed(Many)?: Circuit "openai\/small" is open/)
      }
      assert.deepStrictEqual(asked, [])
    }))

  it.effect("fails what takes longer than its deadline", () =>
    Effect.gen(function*() {
      for (const [takes, said] of [[999, "Success"], [1001, "Failure"]] as const) {
        const { model, votes } = yield* setUp(Effect.sleep(takes), { total: "1 second" })
        for (const ask of ways(model)) {
          const asking = yield* Effect.forkChild(votes(ask), { startImmediately: true })
          yield* TestClock.adjust("2 seconds")
          const [exit, vote] = yield* Fiber.join(asking)

          assert.strictEqual(vote, said)
          if (Exit.isFailure(exit)) assert.strictEqual(ModelError.brokenOf(yield* Effect.flip(exit))?.kind, "timeout")
        }
      }
    }))

  it.effect("hears of a request that goes on though nobody waits for it any more", () =>
    Effect.gen(function*() {
      const { llm, model } = yield* setUp(Effect.andThen(Effect.sleep("1 second"), Effect.fail(overloaded)))
      const asking = yield* Effect.forkChild(model.embed("Hello"), { startImmediately: true })
      yield* isOver
      yield* Fiber.interrupt(asking)
      yield* TestClock.adjust("1 second")

      assert.deepInclude((yield* llm.snapshots)[0], { failures: 1, inFlight: 0 })
    }))

  it.effect("asks nobody about nothing", () =>
    Effect.gen(function*() {
      const { llm, model } = yield* setUp()
      yield* calls(llm, scopes, failure, 5)

      assert.deepStrictEqual((yield* model.embedMany([])).embeddings, [])
    }))

  it.effect("is named by Model.make, and outlives each build of its layer", () =>
    Effect.gen(function*() {
      const Down = Model.make(
        "openai",
        "small",
        Layer.effect(EmbeddingModel.EmbeddingModel, EmbeddingModel.make({ embedMany: () => Effect.fail(overloaded) }))
      )
      const Guarded = Layer.provide(GuardedEmbeddingModel.layer(), Down)
      const ask = EmbeddingModel.EmbeddingModel.use(({ embed }) => embed("Hello")).pipe(
        Effect.flip,
        Effect.provide(Guarded)
      )
      for (let i = 0; i < 5; i++) assert.isUndefined(ModelError.rejectedOf(yield* ask))

      assert.strictEqual(ModelError.rejectedOf(yield* ask)?.circuit, "openai/small")
    }))

  it("names a bad option at once", () => {
    assert.strictEqual(
      rangeErrorOf(() => GuardedEmbeddingModel.layer({ total: -1 })),
      "GuardedEmbeddingModel.layer: total must be a finite duration above zero, got -1"
    )
  })
})
