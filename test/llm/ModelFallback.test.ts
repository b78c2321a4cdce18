import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { GuardedLanguageModel, LlmBreaker, ModelError, ModelFallback } from "effect-breaker/llm"
import { AiError, LanguageModel, Model, type Response, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { rangeErrorOf } from "../refusals.ts"
import { calls, overloaded as failure } from "./circuits.ts"

const usage = {
  inputTokens: { uncached: 10, total: 10, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 40, text: 40, reasoning: 0 }
}
const finish = (reason: Response.FinishReason) => ({ type: "finish", reason, usage, response: undefined }) as const
const metadata = { type: "response-metadata", id: "resp_1" } as const
const call = { type: "tool-call", id: "a", name: "Act", params: {}, providerExecuted: false } as const

const aiError = (reason: AiError.AiErrorReason) => AiError.make({ module: "Test", method: "any", reason })
const http = (status: number, body = "") => ({ status, http: { response: { status, headers: {} }, body } })
const overloaded = aiError(AiError.reasonFromHttpStatus(http(529)))
const down = aiError(AiError.reasonFromHttpStatus(http(500)))
const mistake = aiError(new AiError.InvalidRequestError({ description: "no such parameter" }))
const tooLong = aiError(AiError.reasonFromHttpStatus(http(400, `{"error":{"code":"context_length_exceeded"}}`)))
const denied = aiError(new AiError.ContentPolicyError({ description: "no" }))

type Part = Response.StreamPartEncoded

/** What a model does: the parts of its answer, whole or streamed, or its error. */
type Act = ReadonlyArray<Part> | AiError.AiError | Effect.Effect<never, AiError.AiError>

/** Models that each do the same at every call, and the names of those that were asked, in order. */
const actors = () => {
  const asked: Array<string> = []
  const model = (name: string, act: Act) => {
    const parts = Array.isArray(act)
      ? Stream.fromIterable(act as ReadonlyArray<Part>)
      : Effect.isEffect(act) && !AiError.isAiError(act)
      ? Stream.fromEffect(act)
      : Stream.fail(act as AiError.AiError)
    return Model.make(
      "test",
      name,
      Layer.effect(
        LanguageModel.LanguageModel,
        LanguageModel.make({
          generateText: () =>
            Effect.andThen(
              Effect.sync(() => asked.push(name)),
              Effect.map(Stream.runCollect(parts), (parts) =>
                parts.map((part): Response.PartEncoded =>
                  part.type === "text-delta" ? { type: "text", text: part.delta } : part as Response.PartEncoded
                ))
            ),
          streamText: () => Stream.concat(Stream.drain(Stream.sync(() => asked.push(name))), Stream.rechunk(parts, 1))
        })
      )
    )
  }
  return { asked, model }
}

const say = (delta: string): ReadonlyArray<Part> => [{ type: "text-delta", id: "1", delta }, finish("stop")]

interface Heard {
  readonly text: string
  readonly error: unknown
  readonly reports: ReadonlyArray<ModelFallback.Report>
}

const prompt = "How are you?"

/** Asks for a whole answer, and for a streamed one. */
const asks: Record<string, Effect.Effect<string, unknown, LanguageModel.LanguageModel>> = {
  "a whole answer": Effect.map(LanguageModel.generateText({ prompt }), ({ text }) => text),
  "a stream": LanguageModel.streamText({ prompt }).pipe(
    Stream.runFold(() => "", (text, part) => part.type === "text-delta" ? text + part.delta : text)
  )
}

const hear = (
  ask: Effect.Effect<string, unknown, LanguageModel.LanguageModel>,
  ladder: Layer.Layer<LanguageModel.LanguageModel>
): Effect.Effect<Heard> =>
  Effect.map(
    ModelFallback.withReports(Effect.exit(Effect.provide(ask, ladder))),
    ({ reports, value: exit }) => ({
      text: Exit.isSuccess(exit) ? exit.value : "",
      error: Exit.isFailure(exit) ? Effect.runSync(Effect.flip(exit)) : undefined,
      reports
    })
  )

const toldBy = ({ reports }: Heard) =>
  reports.map(({ model, passed }) =>
    [model, passed.map(({ model, outcome, rejected }) => [model, rejected?.reason ?? outcome.kind]).flat()].flat()
  )

const scopesOf = (model: string) => ({ provider: "test", model })

describe("ModelFallback", () => {
  for (const [name, ask] of Object.entries(asks)) {
    describe(`for ${name}`, () => {
      it.effect("asks the first model, and leaves the others alone while it answers", () =>
        Effect.gen(function*() {
          const { asked, model } = actors()
          const heard = yield* hear(ask, ModelFallback.layer([model("a", say("from a")), model("b", say("from b"))]))

          assert.deepStrictEqual([heard.text, asked, toldBy(heard)], ["from a", ["a"], [["test/a"]]])
        }))

      it.effect("goes on after a failure that speaks about the model, and tells its real error", () =>
        Effect.gen(function*() {
          const { asked, model } = actors()
          const ladder = ModelFallback.layer([model("a", overloaded), model("b", down), model("c", say("from c"))])
          const heard = yield* hear(ask, ladder)

          assert.deepStrictEqual([heard.text, asked], ["from c", ["a", "b", "c"]])
          assert.deepStrictEqual(toldBy(heard), [["test/c", "test/a", "overloaded", "test/b", "server"]])
          assert.deepStrictEqual(heard.reports[0]!.passed.map(({ error }) => error), [overloaded, down])
        }))

      it.effect("passes over a model whose circuit is open without asking it", () =>
        Effect.gen(function*() {
          const { asked, model } = actors()
          const llm = yield* LlmBreaker.make()
          yield* calls(llm, scopesOf("a"), failure, 5)
          const ladder = ModelFallback.layer([model("a", say("from a")), model("b", say("from b"))])
          const heard = yield* Effect.provideService(hear(ask, ladder), LlmBreaker.LlmBreaker, llm)

          assert.deepStrictEqual([heard.text, asked], ["from b", ["b"]])
          assert.deepStrictEqual(toldBy(heard), [["test/b", "test/a", "Open"]])
        }))

      it.effect("asks a model again when its circuit lets it: it comes back without anybody's doing", () =>
        Effect.gen(function*() {
          const { asked, model } = actors()
          const llm = yield* LlmBreaker.make()
          yield* calls(llm, scopesOf("a"), failure, 5)
          yield* TestClock.adjust("3 seconds")
          const ladder = ModelFallback.layer([model("a", say("from a")), model("b", say("from b"))])
          const heard = yield* Effect.provideService(hear(ask, ladder), LlmBreaker.LlmBreaker, llm)

          assert.deepStrictEqual([heard.text, asked], ["from a", ["a"]])
        }))

      it.effect("passes a mistake of the caller through: no other model would take it either", () =>
        Effect.gen(function*() {
          for (const error of [mistake, tooLong, denied]) {
            const { asked, model } = actors()
            const heard = yield* hear(ask, ModelFallback.layer([model("a", error), model("b", say("from b"))]))

            assert.deepStrictEqual([heard.error, asked], [error, ["a"]])
            assert.deepStrictEqual(heard.reports.map(({ model }) => model), [undefined])
          }
        }))

      it.effect("goes on to the rung of its kind, and nowhere else", () =>
        Effect.gen(function*() {
          const { asked, model } = actors()
          const rungs = {
            "context-length": [model("large", overloaded), model("larger", say("from larger"))],
            "content-policy": [model("other", say("from other"))]
          }
          const long = yield* hear(
            ask,
            ModelFallback.layer([model("a", tooLong), model("b", say("from b"))], { rungs })
          )
          const unwanted = yield* hear(
            ask,
            ModelFallback.layer([model("a", denied), model("b", say("from b"))], { rungs })
          )

          assert.deepStrictEqual([long.text, unwanted.text], ["from larger", "from other"])
          assert.deepStrictEqual(asked, ["a", "large", "larger", "a", "other"])
          assert.deepStrictEqual(toldBy(long), [
            ["test/larger", "test/a", "context-length", "test/large", "overloaded"]
          ])
        }))

      it.effect("goes on from an answer that a filter kept empty, and gives it as it was if nobody does better", () =>
        Effect.gen(function*() {
          const { asked, model } = actors()
          const filtered = [metadata, finish("content-filter")]
          const ladder = (other: Act) =>
            ModelFallback.layer([model("a", filtered)], { rungs: { "content-policy": [model("other", other)] } })
          const better = yield* hear(ask, ladder(say("from other")))
          const none = yield* hear(ask, ladder(denied))
          const without = yield* hear(ask, ModelFallback.layer([model("a", filtered), model("b", say("from b"))]))

          assert.deepStrictEqual([better.text, none.text, without.text], ["from other", "", ""])
          assert.deepStrictEqual([none.error, without.error], [undefined, undefined])
          assert.deepStrictEqual(toldBy(better), [["test/other", "test/a", "content-policy"]])
          assert.deepStrictEqual(none.reports.map(({ model }) => model), ["test/a"])
          assert.deepStrictEqual(asked, ["a", "other", "a", "other", "a"])
        }))

      it.effect("asks no model twice in one call, in whatever rungs it stands", () =>
        Effect.gen(function*() {
          const { asked, model } = actors()
          const [a, b] = [model("a", tooLong), model("b", tooLong)]
          const heard = yield* hear(ask, ModelFallback.layer([a, b], { rungs: { "context-length": [a, b] } }))

          assert.deepStrictEqual([heard.error, asked], [tooLong, ["a", "b"]])
        }))

      it.effect("fails with the first real error if nobody answers", () =>
        Effect.gen(function*() {
          const { model } = actors()
          const llm = yield* LlmBreaker.make()
          yield* calls(llm, scopesOf("a"), failure, 5)
          const ladder = ModelFallback.layer([model("a", down), model("b", overloaded), model("c", down)])
          const heard = yield* Effect.provideService(hear(ask, ladder), LlmBreaker.LlmBreaker, llm)

          assert.strictEqual(heard.error, overloaded)
        }))

      it.effect("fails with the refusal that ends soonest if all refuse", () =>
        Effect.gen(function*() {
          const { asked, model } = actors()
          const llm = yield* LlmBreaker.make({ model: { jitter: 0 }, escalateAfter: 9 })
          yield* calls(llm, scopesOf("b"), failure, 5)
          yield* TestClock.adjust("1 second")
          yield* calls(llm, scopesOf("a"), failure, 5)
          const ladder = ModelFallback.layer([model("a", say("a")), model("b", say("b"))])
          const { error } = yield* Effect.provideService(hear(ask, ladder), LlmBreaker.LlmBreaker, llm)

          assert.strictEqual(ModelError.rejectedOf(error)?.circuit, "test/b")
          assert.deepStrictEqual((error as AiError.AiError).retryAfter, Duration.seconds(1))
          assert.deepStrictEqual(asked, [])
        }))

      it.effect("does not wait for a model that hangs longer than the deadline says", () =>
        Effect.gen(function*() {
          const { asked, model } = actors()
          const ladder = ModelFallback.layer([model("a", Effect.never), model("b", say("from b"))], {
            firstContent: "10 seconds",
            total: "10 seconds"
          })
          const asking = yield* Effect.forkChild(hear(ask, ladder), { startImmediately: true })
          yield* TestClock.adjust("10 seconds")
          const heard = yield* Fiber.join(asking)

          assert.deepStrictEqual([heard.text, asked], ["from b", ["a", "b"]])
          assert.deepStrictEqual(toldBy(heard), [["test/b", "test/a", "timeout"]])
        }))

      it.effect("is given up with the program that asked: no other model is asked", () =>
        Effect.gen(function*() {
          const { asked, model } = actors()
          const ladder = ModelFallback.layer([model("a", Effect.never), model("b", say("from b"))])
          const asking = yield* Effect.forkChild(Effect.provide(ask, ladder), { startImmediately: true })
          yield* TestClock.adjust("1 second")
          yield* Fiber.interrupt(asking)

          assert.deepStrictEqual(asked, ["a"])
        }))
    })
  }

  describe("for a stream", () => {
    it.effect("never mixes two answers: after the first content it fails as it is", () =>
      Effect.gen(function*() {
        const { asked, model } = actors()
        const broken = [
          ...say("from ").slice(0, 1),
          { type: "error", error: { type: "overloaded_error", message: "Overloaded" } } as const
        ]
        const ladder = ModelFallback.layer([model("a", broken), model("b", say("from b"))])
        const seen: Array<string> = []
        const error = yield* Effect.flip(
          Effect.provide(
            Stream.runForEach(LanguageModel.streamText({ prompt }), (part) => Effect.sync(() => seen.push(part.type))),
            ladder
          )
        )

        assert.deepStrictEqual([seen, asked], [["text-delta"], ["a"]])
        assert.deepInclude(ModelError.brokenOf(error), { kind: "overloaded", partial: true })
      }))

    it.effect("goes on from what Effect takes for a success: an error in a 200, a cut, an answer without a word", () =>
      Effect.gen(function*() {
        const { asked, model } = actors()
        const ladder = ModelFallback.layer([
          model("a", [metadata, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }]),
          model("b", [metadata]),
          model("c", [metadata, finish("unknown")]),
          model("d", say("from d"))
        ])
        const heard = yield* hear(asks["a stream"]!, ladder)

        assert.deepStrictEqual([heard.text, asked], ["from d", ["a", "b", "c", "d"]])
        assert.deepStrictEqual(toldBy(heard), [
          ["test/d", "test/a", "overloaded", "test/b", "truncated", "test/c", "empty"]
        ])
      }))
  })

  describe("after tools", () => {
    const Act = Tool.make("Act", { success: Schema.String })
    const Look = Act.annotate(Tool.Readonly, true)
    const Set = Act.annotate(Tool.Idempotent, true)

    // A whole answer whose object cannot be read, after its tool ran: the one way to fail that late.
    const run = (tool: typeof Act, options?: Pick<ModelFallback.Options, "afterTools">) =>
      Effect.gen(function*() {
        const { asked, model } = actors()
        const toolkit = Toolkit.make(tool)
        const handled = toolkit.toLayer({ Act: () => Effect.succeed("done") })
        const late = [call, finish("tool-calls")]
        const ladder = ModelFallback.layer([model("a", late), model("b", say(`{"city":"Ulm"}`))], {
          ...options,
          rungs: { quality: [model("c", say(`{"city":"Ulm"}`))] }
        })
        const schema = Schema.Struct({ city: Schema.String })
        const exit = yield* LanguageModel.generateObject({ prompt, schema, toolkit }).pipe(
          Effect.provide([ladder, handled]),
          Effect.exit
        )
        return [exit._tag, asked]
      })

    it.effect("that may have changed something, asks nobody again, unless told to", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* run(Act), ["Failure", ["a"]])
        assert.deepStrictEqual(yield* run(Act, { afterTools: "continue" }), ["Success", ["a", "c"]])
      }))

    it.effect("that are marked as reading only, or as idempotent, goes on", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* run(Look), ["Success", ["a", "c"]])
        assert.deepStrictEqual(yield* run(Set), ["Success", ["a", "c"]])
      }))

    it.effect("that fail, gives the tool's own error: that is no failure of the model", () =>
      Effect.gen(function*() {
        const { asked, model } = actors()
        const Broken = Tool.make("Act", { success: Schema.String, failure: Schema.String }).annotate(
          Tool.Readonly,
          true
        )
        const toolkit = Toolkit.make(Broken)
        const ladder = ModelFallback.layer([model("a", [call, finish("tool-calls")]), model("b", say("from b"))])
        const ask = LanguageModel.generateText({ prompt, toolkit }).pipe(
          Effect.provide([ladder, toolkit.toLayer({ Act: () => Effect.fail("no such city") })])
        )

        assert.deepStrictEqual([yield* Effect.flip(ask), asked], ["no such city", ["a"]])
      }))
  })

  describe("its models", () => {
    it.effect("share the circuits of the breaker in context", () =>
      Effect.gen(function*() {
        const { model } = actors()
        const llm = yield* LlmBreaker.make()
        const ladder = ModelFallback.layer([model("a", overloaded), model("b", say("from b"))])
        yield* Effect.provideService(hear(asks["a stream"]!, ladder), LlmBreaker.LlmBreaker, llm)

        assert.deepStrictEqual(
          (yield* llm.snapshots).map(({ failures, name, successes }) => [name, failures, successes]),
          [
            ["test/a", 1, 0],
            ["test/b", 0, 1],
            ["test", 0, 1]
          ]
        )
      }))

    it.effect("may have options and a name of their own, and be guarded already", () =>
      Effect.gen(function*() {
        const { model } = actors()
        const llm = yield* LlmBreaker.make()
        const ladder = ModelFallback.layer([
          { model: model("a", overloaded), name: "first", scopes: { key: "key-a", region: "eu" } },
          Layer.provide(GuardedLanguageModel.layer({ scopes: { region: "us" } }), model("b", overloaded)),
          { model: model("c", say("from c")), name: "last" }
        ])
        const heard = yield* Effect.provideService(hear(asks["a stream"]!, ladder), LlmBreaker.LlmBreaker, llm)

        assert.deepStrictEqual(toldBy(heard), [["last", "first", "overloaded", "model 2", "overloaded"]])
        assert.deepStrictEqual((yield* llm.snapshots).map(({ name }) => name), [
          "test#key-a",
          "test@eu/a#key-a",
          "test@eu/a",
          "test@us/b",
          "test/c",
          "test",
          "test@eu",
          "test@us"
        ])
      }))

    it.effect("do not share a circuit for want of names", () =>
      Effect.gen(function*() {
        const { asked, model } = actors()
        const unnamed = (name: string, act: Act) =>
          Layer.effect(
            LanguageModel.LanguageModel,
            Effect.map(Layer.build(model(name, act)), (context) => Context.get(context, LanguageModel.LanguageModel))
          )
        const ladder = ModelFallback.layer([unnamed("a", overloaded), unnamed("b", say("from b"))])
        for (let i = 0; i < 6; i++) yield* hear(asks["a stream"]!, ladder)

        assert.deepStrictEqual(asked, ["a", "b", "a", "b", "a", "b", "a", "b", "a", "b", "b"])
      }))

    it.effect("may be a ladder of their own", () =>
      Effect.gen(function*() {
        const { asked, model } = actors()
        const llm = yield* LlmBreaker.make()
        const inner = ModelFallback.layer([model("a", overloaded), model("b", down)])
        const ladder = ModelFallback.layer([{ model: inner, name: "inner" }, model("c", say("from c"))])
        const heard = yield* Effect.provideService(hear(asks["a stream"]!, ladder), LlmBreaker.LlmBreaker, llm)

        assert.deepStrictEqual([heard.text, asked], ["from c", ["a", "b", "c"]])
        assert.deepStrictEqual((yield* llm.snapshots).map(({ name }) => name), ["test/a", "test/b", "test/c", "test"])
      }))

    it.effect("are told of to whoever wants to know", () =>
      Effect.gen(function*() {
        const { model } = actors()
        const reports: Array<ModelFallback.Report> = []
        const ladder = ModelFallback.layer([model("a", say("from a"))], {
          onReport: (report) => Effect.sync(() => reports.push(report))
        })
        for (const ask of Object.values(asks)) yield* Effect.provide(ask, ladder)

        assert.deepStrictEqual(reports, [{ model: "test/a", passed: [] }, { model: "test/a", passed: [] }])
      }))
  })

  it("names a bad option at once", () => {
    const { model } = actors()
    assert.strictEqual(
      rangeErrorOf(() => ModelFallback.layer([model("a", mistake)], { total: 0 })),
      "ModelFallback.layer: total must be a finite duration above zero, got 0"
    )
    rangeErrorOf(() => ModelFallback.make([{ model: model("a", mistake), idle: -1 }]))
    rangeErrorOf(() => ModelFallback.make([model("a", mistake)], { afterTools: "maybe" as never }))
  })
})
