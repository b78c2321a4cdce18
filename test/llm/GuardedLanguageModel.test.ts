import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Duration, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { TripPolicy } from "effect-breaker"
import { GuardedLanguageModel, LlmBreaker, ModelError } from "effect-breaker/llm"
import { AiError, LanguageModel, Model, Prompt, type Response, ResponseIdTracker, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { rangeErrorOf } from "../refusals.ts"
import { calls, heard, overloaded as failure } from "./circuits.ts"

const scopes = { provider: "openai", model: "gpt-5" }

const usage = {
  inputTokens: { uncached: 10, total: 10, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 40, text: 40, reasoning: 0 }
}
const finish = (reason: Response.FinishReason) => ({ type: "finish", reason, usage, response: undefined }) as const
const metadata = { type: "response-metadata", id: "resp_1" } as const
const text = (text: string) => ({ type: "text", text }) as const
const say = (delta: string) => ({ type: "text-delta", id: "1", delta }) as const
const call = (id: string, params: object = { query: id }) =>
  ({ type: "tool-call", id, name: "Search", params, providerExecuted: false }) as const

const aiError = (reason: AiError.AiErrorReason) => AiError.make({ module: "Test", method: "any", reason })
const overloaded = aiError(AiError.reasonFromHttpStatus({ status: 529 }))
const mistake = aiError(new AiError.InvalidRequestError({ description: "no such parameter" }))

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}

const Search = Tool.make("Search", {
  parameters: Schema.Struct({ query: Schema.String }),
  success: Schema.String,
  failure: Schema.Union([Schema.String, Busy])
})
const toolkit = Toolkit.make(Search)

interface Script {
  readonly whole?: Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>
  readonly parts?: Stream.Stream<Response.StreamPartEncoded, AiError.AiError>
  readonly tool?: Effect.Effect<string, string | Busy>
  readonly options?: Omit<GuardedLanguageModel.Options, "scopes">
  readonly breaker?: LlmBreaker.Options
}

/** A guarded model that plays a script, what its circuits hear, and how often the provider was asked. */
const setUp = ({ breaker, options, parts = Stream.empty, tool = Effect.succeed("found"), whole }: Script) =>
  Effect.gen(function*() {
    const llm = yield* LlmBreaker.make(breaker)
    const asked: Array<LanguageModel.ProviderOptions> = []
    const provider = yield* LanguageModel.make({
      generateText: (request) => Effect.andThen(Effect.sync(() => asked.push(request)), whole ?? Effect.succeed([])),
      streamText: (request) => Stream.concat(Stream.drain(Stream.sync(() => asked.push(request))), parts)
    })
    const model = yield* GuardedLanguageModel.make({ scopes, ...options }).pipe(
      Effect.provideService(LanguageModel.LanguageModel, provider),
      Effect.provideService(LlmBreaker.LlmBreaker, llm)
    )
    const handlers = yield* Layer.build(toolkit.toLayer({ Search: () => tool }))
    const votes = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.gen(function*() {
        const before = yield* llm.snapshots
        const fiber = yield* Effect.forkChild(Effect.exit(effect), { startImmediately: true })
        yield* TestClock.adjust("1 hour")
        const exit = yield* Fiber.join(fiber)
        const after = yield* llm.snapshots
        assert.deepStrictEqual(after.map(({ inFlight }) => inFlight).filter((count) => count !== 0), [])
        return { exit, vote: heard(before, after)["openai/gpt-5"]!, error: errorOf(exit) }
      })
    return { asked, llm, model, votes, tools: Effect.provideContext(handlers) }
  })

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const prompt = "How are you?"

describe("GuardedLanguageModel", () => {
  describe("a whole answer", () => {
    it.effect("is given as it is, and votes Success", () =>
      Effect.gen(function*() {
        const { model, votes } = yield* setUp({ whole: Effect.succeed([text("Fine"), finish("stop")]) })
        const { exit, vote } = yield* votes(model.generateText({ prompt }))

        assert.strictEqual(Exit.isSuccess(exit) && exit.value.text, "Fine")
        assert.strictEqual(vote, "Success")
      }))

    it.effect("that fails votes by its error, which passes unchanged", () =>
      Effect.gen(function*() {
        for (const [error, said] of [[overloaded, "Failure"], [mistake, "Ignored"]] as const) {
          const { model, votes } = yield* setUp({ whole: Effect.fail(error) })
          const { exit, vote } = yield* votes(model.generateText({ prompt }))

          assert.strictEqual(errorOf(exit), error)
          assert.strictEqual(vote, said)
        }
      }))

    it.effect("may end without a finish: not every provider tells one", () =>
      Effect.gen(function*() {
        const { model, votes } = yield* setUp({ whole: Effect.succeed([text("Fine")]) })

        assert.strictEqual((yield* votes(model.generateText({ prompt }))).vote, "Success")
      }))

    it.effect("that is empty and finishes with an error, or without a word, is a failure of the provider", () =>
      Effect.gen(function*() {
        for (const parts of [[], [metadata], [finish("unknown")], [text(""), finish("error")]]) {
          const { model, votes } = yield* setUp({ whole: Effect.succeed(parts) })
          const { error, vote } = yield* votes(model.generateText({ prompt }))

          assert.isTrue(AiError.isAiError(error) && error.isRetryable)
          assert.deepInclude(ModelError.brokenOf(error), { kind: "empty", partial: false })
          assert.strictEqual(vote, "Failure")
        }
      }))

    it.effect("that an error cut off is a failure too, and is kept where that is asked for", () =>
      Effect.gen(function*() {
        const whole = Effect.succeed([text("I am"), finish("error")])
        const fails = yield* setUp({ whole })
        const failed = yield* fails.votes(fails.model.generateText({ prompt }))
        const keeps = yield* setUp({ whole, options: { onPartial: "keep" } })
        const kept = yield* keeps.votes(keeps.model.generateText({ prompt }))

        assert.deepInclude(ModelError.brokenOf(failed.error), { kind: "server", partial: true })
        assert.strictEqual(Exit.isSuccess(kept.exit) && kept.exit.value.text, "I am")
        assert.deepStrictEqual([failed.vote, kept.vote], ["Failure", "Failure"])
      }))

    it.effect("that a filter stopped is given as it is, and is Ignored", () =>
      Effect.gen(function*() {
        const { model, votes } = yield* setUp({ whole: Effect.succeed([text("I cannot"), finish("content-filter")]) })
        const { exit, vote } = yield* votes(model.generateText({ prompt }))

        assert.strictEqual(Exit.isSuccess(exit) && exit.value.finishReason, "content-filter")
        assert.strictEqual(vote, "Ignored")
      }))

    it.effect("must be there in time: before, at and after the deadline", () =>
      Effect.gen(function*() {
        for (const [takes, said] of [[999, "Success"], [1001, "Failure"]] as const) {
          const whole = Effect.delay(Effect.succeed([text("Fine"), finish("stop")]), takes)
          const { model, votes } = yield* setUp({ whole, options: { total: "1 second" } })
          const { error, vote } = yield* votes(model.generateText({ prompt }))

          assert.strictEqual(vote, said)
          if (said === "Failure") assert.deepInclude(ModelError.brokenOf(error), { kind: "timeout", deadline: "total" })
        }
      }))

    it.effect("that is interrupted counts nowhere, and gives its permit back", () =>
      Effect.gen(function*() {
        const { llm, model } = yield* setUp({ whole: Effect.never })
        const asking = yield* fork(model.generateText({ prompt }))
        yield* Fiber.interrupt(asking)

        for (const { failures, inFlight, successes } of yield* llm.snapshots) {
          assert.deepStrictEqual([failures, inFlight, successes], [0, 0, 0])
        }
      }))

    it.effect("is not slow for the time that it takes", () =>
      Effect.gen(function*() {
        const whole = Effect.delay(Effect.succeed([text("Fine"), finish("stop")]), "10 minutes")
        const { llm, model, votes } = yield* setUp({ whole })
        yield* votes(model.generateText({ prompt }))

        assert.deepStrictEqual((yield* llm.snapshots).map(({ slow }) => slow).filter((slow) => slow > 0), [])
      }))

    it.effect("reads its errors by the rules of the program, or those of the breaker", () =>
      Effect.gen(function*() {
        const rules = [() => ({ _tag: "Ignored", kind: "unknown", scope: "request" }) as const]
        for (const script of [{ options: { errors: { rules } } }, { breaker: { rules } }]) {
          const { model, votes } = yield* setUp({ ...script, whole: Effect.fail(overloaded) })

          assert.strictEqual((yield* votes(model.generateText({ prompt }))).vote, "Ignored")
        }
      }))
  })

  describe("an object", () => {
    const schema = Schema.Struct({ city: Schema.String })

    it.effect("is decoded, and votes Success", () =>
      Effect.gen(function*() {
        const { model, votes } = yield* setUp({ whole: Effect.succeed([text(`{"city":"Ulm"}`), finish("stop")]) })
        const { exit, vote } = yield* votes(model.generateObject({ prompt, schema }))

        assert.deepStrictEqual(Exit.isSuccess(exit) && exit.value.value, { city: "Ulm" })
        assert.strictEqual(vote, "Success")
      }))

    it.effect("that misses its schema is a matter of quality, not of health", () =>
      Effect.gen(function*() {
        const { llm, model, votes } = yield* setUp({
          whole: Effect.succeed([text("Ulm"), finish("stop")]),
          breaker: { quality: {} }
        })
        const { error, vote } = yield* votes(model.generateObject({ prompt, schema }))

        assert.isTrue(AiError.isAiError(error) && error.reason._tag === "StructuredOutputError")
        assert.strictEqual(vote, "Ignored")
        const quality = (yield* llm.snapshots).find(({ name }) => name === "openai/gpt-5?quality")
        assert.strictEqual(quality?.failures, 1)
      }))
  })

  describe("a refusal", () => {
    const methods = (model: LanguageModel.LanguageModel) => ({
      generateText: model.generateText({ prompt }),
      generateObject: model.generateObject({ prompt, schema: Schema.Struct({ city: Schema.String }) }),
      streamText: Stream.runDrain(model.streamText({ prompt }))
    })

    it.effect("is an AiError that is retryable, tells when, and gives the CircuitRejected back; nobody is asked", () =>
      Effect.gen(function*() {
        const { asked, llm, model } = yield* setUp({ breaker: { model: { jitter: 0 } } })
        yield* calls(llm, scopes, failure, 5)

        for (const [method, ask] of Object.entries(methods(model))) {
          const error = yield* Effect.flip<unknown, AiError.AiError, never>(ask)
          const rejected = ModelError.rejectedOf(error)

          assert.isTrue(error.isRetryable)
          assert.deepStrictEqual(error.retryAfter, Duration.seconds(2))
          assert.strictEqual(error.message, `LanguageModel.${method}: ${rejected?.message}`)
          assert.deepInclude(rejected, { circuit: "openai/gpt-5", reason: "Open" })
        }
        assert.deepStrictEqual(asked, [])
      }))

    it.effect("of one circuit is no failure to another around it, but a pause", () =>
      Effect.gen(function*() {
        const { llm, model } = yield* setUp({ breaker: { model: { jitter: 0 } } })
        yield* calls(llm, scopes, failure, 5)
        for (const [method, ask] of Object.entries(methods(model))) {
          const outer = yield* LlmBreaker.make()
          yield* Effect.ignore(outer.execute<unknown, AiError.AiError, never>(ask, scopes))
          const snapshot = (yield* outer.snapshots).find(({ name }) => name === "openai/gpt-5")

          assert.deepInclude(snapshot, { failures: 0, throttled: 1 }, method)
        }
      }))
  })

  describe("tools of the program", () => {
    const twoCalls = Effect.succeed<Array<Response.PartEncoded>>([call("a"), call("b"), finish("tool-calls")])
    const streamed = Stream.make<Array<Response.StreamPartEncoded>>(say("Let me see"), call("a"), finish("tool-calls"))

    const whole = (script: Script) =>
      Effect.gen(function*() {
        const { model, tools, votes, ...rest } = yield* setUp({ whole: twoCalls, ...script })
        return { ...rest, ...(yield* votes(tools(model.generateText({ prompt, toolkit })))) }
      })
    const stream = (script: Script) =>
      Effect.gen(function*() {
        const { model, tools, votes, ...rest } = yield* setUp({ parts: streamed, ...script })
        return { ...rest, ...(yield* votes(tools(Stream.runDrain(model.streamText({ prompt, toolkit }))))) }
      })

    it.effect("run within the call, and their results are in the answer", () =>
      Effect.gen(function*() {
        const { model, tools, votes } = yield* setUp({ whole: twoCalls })
        const { exit, vote } = yield* votes(tools(model.generateText({ prompt, toolkit })))

        assert.deepStrictEqual(Exit.isSuccess(exit) && exit.value.toolResults.map(({ result }) => result), [
          "found",
          "found"
        ])
        assert.strictEqual(vote, "Success")
      }))

    it.effect("may take their time: no deadline holds meanwhile, and no circuit waits for them", () =>
      Effect.gen(function*() {
        const tool = Effect.delay(Effect.succeed("found"), "30 minutes")
        const options = { total: "1 second", idle: "1 second" } as const
        const { llm, model, tools } = yield* setUp({ whole: twoCalls, tool, options })
        const asking = yield* fork(tools(model.generateText({ prompt, toolkit })))
        yield* TestClock.adjust("1 minute")
        const inFlight = (yield* llm.snapshots).map(({ inFlight }) => inFlight)
        yield* TestClock.adjust("30 minutes")
        yield* Fiber.join(asking)

        assert.deepStrictEqual(inFlight.filter((count) => count > 0), [])
        assert.strictEqual((yield* stream({ tool, options })).vote, "Success")
      }))

    for (
      const [name, tool, error] of [
        ["a typed error", Effect.fail(new Busy()), new Busy()],
        ["a plain string", Effect.fail("no such city"), "no such city"],
        ["a defect", Effect.die("bug"), "bug"],
        ["the error of a provider of its own", Effect.fail(overloaded as never), overloaded]
      ] as const
    ) {
      it.effect(`that fail with ${name} are not the model's failure, and the error passes unchanged`, () =>
        Effect.gen(function*() {
          const answered = yield* whole({ tool })
          const heard = yield* stream({ tool })

          assert.deepStrictEqual([answered.error, heard.error], [error, error])
          assert.deepStrictEqual([answered.vote, heard.vote], ["Success", "Ignored"])
        }))
    }

    it.effect("that are handed parameters which miss their schema show the model's quality", () =>
      Effect.gen(function*() {
        const garbled = call("a", { q: 1 })
        const breaker = { quality: {} }
        for (
          const { error, llm, vote } of [
            yield* whole({ breaker, whole: Effect.succeed([garbled, finish("tool-calls")]) }),
            yield* stream({ breaker, parts: Stream.make(garbled, finish("tool-calls")) })
          ]
        ) {
          assert.isTrue(AiError.isAiError(error) && error.reason._tag === "ToolParameterValidationError")
          assert.strictEqual(vote, "Ignored")
          const quality = (yield* llm.snapshots).find(({ name }) => name === "openai/gpt-5?quality")
          assert.strictEqual(quality?.failures, 1)
        }
      }))

    it.effect("that cannot be had ask nobody", () =>
      Effect.gen(function*() {
        const { asked, model, votes } = yield* setUp({ whole: twoCalls })
        const none: Effect.Effect<Toolkit.WithHandler<typeof toolkit.tools>> = Effect.die("no tools today")
        const { error, vote } = yield* votes(model.generateText({ prompt, toolkit: none }))
        const streaming = yield* votes(Stream.runDrain(model.streamText({ prompt, toolkit: none })))

        assert.deepStrictEqual([error, streaming.error], ["no tools today", "no tools today"])
        assert.deepStrictEqual<unknown>([vote, streaming.vote, asked], [undefined, undefined, []])
      }))

    describe("that a person approved run before the model is asked", () => {
      const approved = Prompt.fromMessages([
        ...Prompt.make(prompt).content,
        Prompt.makeMessage("assistant", {
          content: [
            Prompt.makePart("tool-call", {
              id: "a",
              name: "Search",
              params: { query: "Ulm" },
              providerExecuted: false
            }),
            Prompt.makePart("tool-approval-request", { approvalId: "1", toolCallId: "a" })
          ]
        }),
        Prompt.makeMessage("tool", {
          content: [Prompt.makePart("tool-approval-response", { approvalId: "1", approved: true })]
        })
      ])
      const options = { headers: "1 second", firstContent: "1 second", total: "1 second" } as const
      const script = {
        options,
        whole: Effect.succeed([text("Found it"), finish("stop")]),
        parts: Stream.make(say("Found it"), finish("stop"))
      }
      const asks = {
        "for a whole answer": (model: LanguageModel.LanguageModel) =>
          Effect.map(model.generateText({ prompt: approved, toolkit }), ({ toolResults }) => toolResults.length),
        "for a stream": (model: LanguageModel.LanguageModel) =>
          model.streamText({ prompt: approved, toolkit }).pipe(
            Stream.filter(({ type }) => type === "tool-result"),
            Stream.runCount
          )
      }
      for (const [name, ask] of Object.entries(asks)) {
        it.effect(`${name}: their time is not the model's, nor is their failure`, () =>
          Effect.gen(function*() {
            const slow = yield* setUp({ ...script, tool: Effect.delay(Effect.succeed("found"), "10 minutes") })
            const heard = yield* slow.votes(slow.tools(ask(slow.model)))
            const fails = yield* setUp({ ...script, tool: Effect.fail("no such city") })
            const failed = yield* fails.votes(fails.tools(ask(fails.model)))

            assert.deepStrictEqual<unknown>(heard.exit, Exit.succeed(1))
            assert.include(heard.vote, "Success")
            assert.deepStrictEqual((yield* slow.llm.snapshots).map(({ slow }) => slow).filter((slow) => slow > 0), [])
            assert.deepStrictEqual([failed.error, failed.vote, fails.asked], ["no such city", "Ignored", []])
          }))

        it.effect(`${name}: and do not run at all if the call is refused`, () =>
          Effect.gen(function*() {
            let ran = 0
            const { llm, model, tools } = yield* setUp({ ...script, tool: Effect.sync(() => `${ran++}`) })
            yield* calls(llm, scopes, failure, 5)
            const error = yield* Effect.flip<unknown, unknown, never>(tools(ask(model)))

            assert.isDefined(ModelError.rejectedOf(error))
            assert.strictEqual(ran, 0)
          }))
      }
    })

    it.effect("that the program resolves itself are content like any other", () =>
      Effect.gen(function*() {
        const { model, votes } = yield* setUp({
          parts: Stream.concat(Stream.make(call("a")), Stream.never),
          options: { idle: "1 second" }
        })
        const asking = model.streamText({ prompt, toolkit, disableToolCallResolution: true })
        const { error, vote } = yield* votes(Stream.runDrain(asking))

        assert.deepInclude(ModelError.brokenOf(error), { kind: "timeout", deadline: "idle", partial: true })
        assert.strictEqual(vote, "Failure")
      }))
  })

  describe("a stream", () => {
    it.effect("fails with an AiError where it breaks off before content, and hands on nothing", () =>
      Effect.gen(function*() {
        const reported = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } } as const
        for (
          const [parts, kind] of [
            [Stream.make(metadata, reported), "overloaded"],
            [Stream.make(metadata), "truncated"],
            [Stream.make(metadata, finish("unknown")), "empty"]
          ] as const
        ) {
          const { model, votes } = yield* setUp({ parts })
          const seen: Array<string> = []
          const { error, vote } = yield* votes(
            Stream.runForEach(model.streamText({ prompt }), ({ type }) => Effect.sync(() => seen.push(type)))
          )

          assert.isTrue(AiError.isAiError(error) && error.isRetryable)
          assert.deepInclude(ModelError.brokenOf(error), { kind, partial: false })
          assert.deepStrictEqual([seen, vote], [[], "Failure"])
        }
      }))

    it.effect("that its reader leaves is Success after content, and counts nowhere before", () =>
      Effect.gen(function*() {
        const parts = Stream.concat(Stream.make(metadata, say("Once"), say(" upon")), Stream.never)
        const { model, votes } = yield* setUp({ parts })
        const left = yield* votes(Stream.runDrain(Stream.take(model.streamText({ prompt }), 2)))
        const silent = yield* setUp({ parts: Stream.concat(Stream.make(metadata), Stream.never) })
        const gone = yield* silent.votes(
          Effect.timeoutOption(Stream.runDrain(silent.model.streamText({ prompt })), "1 minute")
        )

        assert.deepStrictEqual([left.vote, gone.vote], ["Success", "Ignored"])
      }))

    it.effect("asks for its permit when it starts, not when it is made", () =>
      Effect.gen(function*() {
        const { asked, llm, model } = yield* setUp({ parts: Stream.make(say("Once"), finish("stop")) })
        const answer = model.streamText({ prompt })
        yield* calls(llm, scopes, failure, 5)

        assert.isDefined(ModelError.rejectedOf(yield* Effect.flip(Stream.runDrain(answer))))
        assert.deepStrictEqual(asked, [])
      }))
  })

  describe("one call that is two requests", () => {
    it.effect("is one permit and one vote: a conversation that the provider does not remember is sent once more", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        const asked: Array<boolean> = []
        const answer = (request: LanguageModel.ProviderOptions) => {
          asked.push(request.incrementalPrompt !== undefined)
          return request.incrementalPrompt === undefined
        }
        const provider = yield* LanguageModel.make({
          generateText: (request) =>
            Effect.suspend(() =>
              answer(request) ? Effect.succeed([metadata, text("Fine"), finish("stop")]) : Effect.fail(mistake)
            ),
          streamText: (request) =>
            Stream.suspend(() =>
              answer(request) ? Stream.make(metadata, say("Fine"), finish("stop")) : Stream.fail(mistake)
            )
        })
        const model = yield* GuardedLanguageModel.make({ scopes }).pipe(
          Effect.provideService(LanguageModel.LanguageModel, provider),
          Effect.provideService(LlmBreaker.LlmBreaker, llm)
        )
        const history = Prompt.make(prompt)
        const longer = Prompt.concat(
          Prompt.concat(history, Prompt.fromResponseParts([{ ...text("Fine"), metadata: {} } as never])),
          Prompt.make("And now?")
        )
        yield* Effect.gen(function*() {
          yield* model.generateText({ prompt: history })
          yield* model.generateText({ prompt: longer })
          yield* Stream.runDrain(model.streamText({ prompt: Prompt.concat(longer, Prompt.make("Still?")) }))
        }).pipe(Effect.provideServiceEffect(ResponseIdTracker.ResponseIdTracker, ResponseIdTracker.make))

        assert.isAbove(asked.length, 3)
        for (const { failures, ignored, successes } of yield* llm.snapshots) {
          assert.deepStrictEqual([failures, ignored, successes], [0, 0, 3])
        }
      }))
  })

  describe("which circuits", () => {
    const ask = Effect.ignore(LanguageModel.generateText({ prompt }))
    const down = (provider: string, name: string) =>
      Model.make(
        provider,
        name,
        Layer.effect(
          LanguageModel.LanguageModel,
          LanguageModel.make({ generateText: () => Effect.fail(overloaded), streamText: () => Stream.empty })
        )
      )

    it.effect("are named by the provider and the model that Model.make brings along", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        const Guarded = Layer.provide(GuardedLanguageModel.layer(), down("anthropic", "opus"))
        yield* ask.pipe(Effect.provide(Guarded), Effect.provideService(LlmBreaker.LlmBreaker, llm))

        assert.deepStrictEqual((yield* llm.snapshots).map(({ name }) => name), ["anthropic/opus", "anthropic"])
      }))

    it.effect("may be named by the program, key and region included, and for each call anew", () =>
      Effect.gen(function*() {
        const Tenant = Context.Reference<string>("test/Tenant", { defaultValue: () => "nobody" })
        const llm = yield* LlmBreaker.make()
        const layer = GuardedLanguageModel.layer({
          scopes: Effect.map(Tenant, (key) => ({ key, region: "eu", model: undefined }))
        })
        const Guarded = Layer.provide(layer, down("anthropic", "opus"))
        yield* Effect.all([ask, Effect.provideService(ask, Tenant, "team-a")]).pipe(
          Effect.provide(Guarded),
          Effect.provideService(LlmBreaker.LlmBreaker, llm)
        )

        assert.includeMembers((yield* llm.snapshots).map(({ name }) => name), [
          "anthropic#nobody",
          "anthropic#team-a",
          "anthropic@eu/opus",
          "anthropic@eu"
        ])
      }))

    it.effect("are those of the breaker in context, which several models share", () =>
      Effect.gen(function*() {
        const layers = ["opus", "haiku"].map((name) =>
          Layer.provide(GuardedLanguageModel.layer(), down("anthropic", name))
        )
        const names = yield* Effect.gen(function*() {
          for (const layer of layers) yield* Effect.provide(ask, layer)
          return (yield* (yield* LlmBreaker.LlmBreaker).snapshots).map(({ name }) => name)
        }).pipe(Effect.provide(LlmBreaker.layer()))

        assert.deepStrictEqual(names, ["anthropic/opus", "anthropic/haiku", "anthropic"])
      }))

    it.effect("are the layer's own where there is no breaker in context, and outlive each build of it", () =>
      Effect.gen(function*() {
        const Guarded = Layer.provide(
          GuardedLanguageModel.layer({ breaker: { model: { tripPolicy: TripPolicy.consecutive(2) } } }),
          down("anthropic", "opus")
        )
        const once = Effect.flip(LanguageModel.generateText({ prompt })).pipe(Effect.provide(Guarded))
        const errors = [yield* once, yield* once, yield* once]

        assert.deepStrictEqual(errors.map((error) => ModelError.rejectedOf(error)?.circuit), [
          undefined,
          undefined,
          "anthropic/opus"
        ])
      }))

    it.effect("cannot be told in a shared breaker for a model without a name: that is a defect, and says so", () =>
      Effect.gen(function*() {
        const provider = yield* LanguageModel.make({
          generateText: () => Effect.succeed([]),
          streamText: () => Stream.empty
        })
        const make = Effect.provideService(GuardedLanguageModel.make(), LanguageModel.LanguageModel, provider)
        const exit = yield* Effect.exit(Effect.provide(make, LlmBreaker.layer()))

        assert.strictEqual(
          String(errorOf(exit)),
          "RangeError: GuardedLanguageModel.make: provider must be a text that is not empty, got undefined"
        )
        yield* make
      }))
  })

  it("names a bad option at once", () => {
    assert.strictEqual(
      rangeErrorOf(() => GuardedLanguageModel.layer({ total: 0 })),
      "GuardedLanguageModel.layer: total must be a finite duration above zero, got 0"
    )
    rangeErrorOf(() => GuardedLanguageModel.make({ onPartial: "ignore" as never }))
    rangeErrorOf(() => GuardedLanguageModel.make({ slow: { firstContent: -1 } }))
    rangeErrorOf(() => GuardedLanguageModel.make({ breaker: { escalateAfter: 0 } }))
  })

  it.effect("tells whether the model takes system messages within a conversation", () =>
    Effect.gen(function*() {
      const provider = yield* LanguageModel.make({
        generateText: () => Effect.succeed([]),
        streamText: () => Stream.empty,
        supportsSystemMessagesInHistory: Effect.succeed(true)
      })
      const model = yield* Effect.provideService(
        GuardedLanguageModel.make({ scopes }),
        LanguageModel.LanguageModel,
        provider
      )

      assert.isTrue(yield* model.supportsSystemMessagesInHistory!)
    }))
})
