import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, Stream } from "effect"
import { TripPolicy } from "effect-breaker"
import { GuardedLanguageModel, LlmBreaker, ModelFallback } from "effect-breaker/llm"
import { AiError, LanguageModel, type Response, Tool, Toolkit } from "effect/ai"
import { textOf, tracing } from "../spans.ts"
import { calls, garbled, mistake, network, overloaded, quota } from "./circuits.ts"

const scopes = { provider: "openai", model: "gpt-5", key: "key-a" }
const secret = "sk-live-0123456789"
const prompt = `My password is ${secret}`

const atOnce = {
  tripPolicy: TripPolicy.consecutive(1),
  openDuration: "10 seconds",
  jitter: 0,
  ramp: undefined
} as const
const hasty = { key: atOnce, model: atOnce, provider: atOnce }

const call = Effect.withSpan("call")
const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })
const turns = Effect.forEach(Array.from({ length: 40 }), () => Effect.yieldNow, { discard: true })

const usage = {
  inputTokens: { uncached: 10, total: 10, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 40, text: 40, reasoning: 0 }
}
const finish = { type: "finish", reason: "stop", usage, response: undefined } as const
const say = (delta: string) => ({ type: "text-delta", id: "1", delta }) as const
const down = AiError.make({
  module: "Test",
  method: "any",
  reason: AiError.reasonFromHttpStatus({ status: 529, description: secret })
})

interface Script {
  readonly whole?: Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>
  readonly parts?: Stream.Stream<Response.StreamPartEncoded, AiError.AiError>
  readonly model?: string
}

const Look = Tool.make("Look", { success: Schema.String })

const setUp = Effect.gen(function*() {
  const llm = yield* LlmBreaker.make({ model: { ...atOnce, tripPolicy: TripPolicy.never } })
  const provider = ({ parts = Stream.empty, whole = Effect.succeed([]) }: Script) =>
    LanguageModel.make({ generateText: () => whole, streamText: () => parts })
  const model = (script: Script) =>
    GuardedLanguageModel.make({ scopes }).pipe(
      Effect.provideServiceEffect(LanguageModel.LanguageModel, provider(script)),
      Effect.provideService(LlmBreaker.LlmBreaker, llm)
    )
  return { llm, model, provider }
})

describe("the span of a call under several circuits", () => {
  it.effect("says the model's circuit, and what became of the call: one word, whoever hears it", () =>
    tracing((traced) =>
      Effect.gen(function*() {
        for (const outcome of [overloaded, network, quota, mistake, garbled]) {
          const llm = yield* LlmBreaker.make()
          yield* Effect.exit(call(llm.execute(Effect.fail("down"), { ...scopes, classify: () => outcome })))
          assert.deepStrictEqual(traced.of("call"), {
            name: "openai/gpt-5",
            state: "Closed",
            outcome: outcome._tag,
            kind: outcome.kind
          })
        }
        const llm = yield* LlmBreaker.make()
        yield* call(llm.execute(Effect.succeed(secret), scopes))
        assert.deepStrictEqual(traced.of("call"), { name: "openai/gpt-5", state: "Closed", outcome: "Success" })
        yield* call(llm.execute(Effect.void, { provider: "openai" }))
        assert.deepInclude(traced.of("call"), { name: "openai" })
      })
    ))

  it.effect("says Ignored for an interrupted call", () =>
    tracing((traced) =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        const fiber = yield* fork(call(llm.execute(Effect.never, scopes)))
        assert.deepStrictEqual(traced.of("call"), { name: "openai/gpt-5", state: "Closed" })
        yield* Fiber.interrupt(fiber)
        assert.deepInclude(traced.of("call"), { outcome: "Ignored" })
      })
    ))

  it.effect("says of a refusal which circuit it was: the key's, here", () =>
    tracing((traced) =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        yield* calls(llm, scopes, quota)
        yield* Effect.flip(call(llm.execute(Effect.void, scopes)))

        assert.deepStrictEqual(traced.of("call"), { name: "openai#key-a", state: "Open", outcome: "Rejected" })
        assert.strictEqual(traced.eventsOf("call").length, 1)
        assert.deepInclude(traced.eventsOf("call")[0]![1], {
          "circuit.name": "openai#key-a",
          "circuit.reason": "Open",
          "circuit.rule": "trip"
        })
      })
    ))

  it.effect("of a permit by hand is the one in which it was asked for, while it lasts", () =>
    tracing((traced) =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* Effect.withSpan(
          Effect.gen(function*() {
            const permit = yield* llm.admit(scopes)
            yield* Effect.withSpan(permit.settle(overloaded), "settling")
          }),
          "asking"
        )
        const permit = yield* Effect.withSpan(llm.admit(scopes), "short")
        yield* Effect.withSpan(permit.settle(overloaded), "settling")

        const name = { name: "openai/gpt-5", state: "Closed" }
        assert.deepStrictEqual(traced.of("asking"), { ...name, outcome: "Failure", kind: "overloaded" })
        assert.deepStrictEqual([traced.of("short"), traced.of("settling")], [name, {}])
        assert.deepStrictEqual(traced.late, [])
      })
    ))
})

describe("the span around a guarded model", () => {
  it.effect("says how a whole answer ended", () =>
    tracing((traced) =>
      Effect.gen(function*() {
        const { model } = yield* setUp
        const good = yield* model({ whole: Effect.succeed([{ type: "text", text: secret }, finish]) })
        yield* call(good.generateText({ prompt }))
        assert.deepStrictEqual(traced.of("call"), { name: "openai/gpt-5", state: "Closed", outcome: "Success" })

        const bad = yield* model({ whole: Effect.fail(down) })
        yield* call(Effect.exit(bad.generateText({ prompt })))
        assert.deepInclude(traced.of("call"), { outcome: "Failure", kind: "server" })
        assert.notInclude(JSON.stringify([traced.of("call"), traced.eventsOf("call")]), secret)
      })
    ))

  it.effect("says how a streamed answer ended, when it has: not when it began", () =>
    tracing((traced) =>
      Effect.gen(function*() {
        const { llm, model } = yield* setUp
        const reading = (script: Script, most = Infinity) =>
          Effect.flatMap(
            model(script),
            (model) => call(Effect.exit(Stream.runDrain(Stream.take(model.streamText({ prompt }), most))))
          )
        const slow = Stream.concat(Stream.make(say(secret)), Stream.never)

        const fiber = yield* fork(reading({ parts: slow }))
        yield* turns
        assert.deepStrictEqual(traced.of("call"), { name: "openai/gpt-5", state: "Closed" })
        yield* Fiber.interrupt(fiber)
        assert.deepInclude(traced.of("call"), { outcome: "Ignored" })

        yield* reading({ parts: Stream.make(say(secret), finish) })
        assert.deepInclude(traced.of("call"), { outcome: "Success" })

        yield* reading({ parts: slow }, 1)
        assert.deepInclude(traced.of("call"), { outcome: "Success" })

        yield* reading({ parts: Stream.make(say(secret)) })
        assert.deepInclude(traced.of("call"), { outcome: "Failure", kind: "truncated" })

        yield* reading({ parts: Stream.concat(Stream.make(say(secret)), Stream.fail(down)) })
        assert.deepInclude(traced.of("call"), { outcome: "Failure", kind: "server" })

        yield* (yield* llm.breaker("provider", scopes)).isolate(secret)
        yield* reading({ parts: Stream.make(say(secret), finish) })
        assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Isolated", outcome: "Rejected" })
        assert.deepStrictEqual(traced.late, [])
        assert.notInclude(JSON.stringify([traced.of("call"), traced.eventsOf("call")]), secret)
      })
    ))

  it.effect("says the model that answered, of several", () =>
    tracing((traced) =>
      Effect.gen(function*() {
        const { llm, provider } = yield* setUp
        const rung = (model: string, script: Script) => ({
          model: Layer.effect(LanguageModel.LanguageModel, provider(script)),
          scopes: { ...scopes, model }
        })
        const ladder = ModelFallback.layer([
          rung("gpt-5", { parts: Stream.fail(down), whole: Effect.fail(down) }),
          rung("gpt-4", {
            parts: Stream.make(say("Fine"), finish),
            whole: Effect.succeed([{ type: "text", text: "Fine" }, finish])
          })
        ])
        const asked = Effect.gen(function*() {
          yield* call(LanguageModel.generateText({ prompt, toolkit: Toolkit.make(Look) }))
          const whole = traced.of("call")
          yield* call(Stream.runDrain(LanguageModel.streamText({ prompt, toolkit: Toolkit.make(Look) })))
          return [whole, traced.of("call")]
        })
        const said = yield* asked.pipe(
          Effect.provide(ladder),
          Effect.provide(Toolkit.make(Look).toLayer({ Look: () => Effect.succeed("sunny") })),
          Effect.provideService(LlmBreaker.LlmBreaker, llm)
        )
        for (const one of said) assert.deepInclude(one, { name: "openai/gpt-4", outcome: "Success", kind: "" })
        assert.deepStrictEqual(traced.late, [])
        assert.notInclude(textOf({ ...traced, spans: traced.spans.filter(({ name }) => name === "call") }), secret)
      })
    ))
})
