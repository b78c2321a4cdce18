import { assert, describe, expect, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Logger, Schema, Stream } from "effect"
import { Breaker, CircuitRejected, Fallback, Outcome, TripPolicy, withBreaker } from "effect-breaker"
import { LlmBreaker, LlmFallback, LlmOutcome } from "effect-breaker/llm"
import { LanguageModel, Prompt, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"

const { lastGood, otherModel, sideEffect, sideEffects, withFallback } = LlmFallback

const overloaded = { status: 529, error: { type: "overloaded_error", message: "Overloaded" } }
const tooLong = { status: 400, error: { code: "context_length_exceeded", message: "Too long" } }
const busy = { status: 429, headers: { "retry-after": "20" }, error: { code: "rate_limit_exceeded", message: "Slow" } }
const broke = { status: 429, error: { code: "insufficient_quota", message: "Check your plan" } }

type Primary<A = string> = Effect.Effect<A, unknown>
const answer: Primary = Effect.succeed("Lima")
const down: Primary = Effect.fail(overloaded)

const sorry = Fallback.value("sorry")
const haiku = otherModel(Effect.succeed("Lima, says haiku"), { model: "haiku", provider: "anthropic" })
const question: LlmFallback.Question = {
  provider: "openai",
  model: "gpt-5",
  prompt: [{ role: "user", content: "Capital of Peru?" }],
  parameters: { temperature: 0, tools: ["search"] }
}

/** Runs a test with a breaker in context that reads errors as the library does. */
const guarded = <A, E, R>(
  test: (breaker: Breaker.Breaker) => Effect.Effect<A, E, R | Breaker.Breaker>,
  options?: Omit<Breaker.Options, "name">
) =>
  Effect.gen(function*() {
    const breaker = yield* Breaker.make({
      name: "openai",
      tripPolicy: TripPolicy.never,
      classify: LlmOutcome.classify,
      ...options
    })
    return yield* Effect.provideService(test(breaker), Breaker.Breaker, breaker)
  })

/** What is served for a question once the primary is down, after it gave an answer to another or the same. */
const servedAfter = <A>(
  memory: LlmFallback.LastGood<A>,
  learnt: Effect.Effect<A, unknown, Breaker.Breaker>,
  { asked = question, later = question }: { readonly asked?: unknown; readonly later?: unknown } = {}
) =>
  guarded(() =>
    Effect.gen(function*() {
      yield* learnt.pipe(withBreaker, withFallback([memory.for(asked as LlmFallback.Question)]), Effect.exit)
      const rung = memory.for(later as LlmFallback.Question)
      return (yield* down.pipe(withBreaker, withFallback([rung, Fallback.value("nothing")]))).from
    })
  )

const memoryOf = <A>() => lastGood<A>({ maxAge: "10 minutes" })

describe("LlmFallback", () => {
  describe("withFallback", () => {
    it.effect("serves the primary's answer, and says who that is where it was told", () =>
      guarded(() =>
        Effect.gen(function*() {
          const served = [
            yield* answer.pipe(withBreaker, withFallback([sorry])),
            yield* answer.pipe(withBreaker, withFallback([sorry], { model: "gpt-5", provider: "openai" }))
          ]

          assert.deepStrictEqual<unknown>(served, [
            { value: "Lima", from: "primary" },
            { value: "Lima", from: "primary", model: "gpt-5", provider: "openai" }
          ])
        })
      ))

    it.effect("tells who answered, why, and the primary's real error", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = lastGood<string>({ maxAge: "10 minutes" }).for(question)
          yield* answer.pipe(withBreaker, withFallback([memory]))
          yield* TestClock.adjust("1 minute")
          const why = { kind: "overloaded", scope: "model", message: "Overloaded" }

          assert.deepStrictEqual<unknown>(yield* down.pipe(withBreaker, withFallback([memory])), {
            value: "Lima",
            from: "cached",
            model: "gpt-5",
            provider: "openai",
            age: Duration.minutes(1),
            cause: overloaded,
            why
          })
          assert.deepStrictEqual<unknown>(yield* down.pipe(withBreaker, withFallback([haiku])), {
            value: "Lima, says haiku",
            from: "fallback",
            model: "haiku",
            provider: "anthropic",
            cause: overloaded,
            why
          })
          assert.deepStrictEqual<unknown>(yield* down.pipe(withBreaker, withFallback([sorry])), {
            value: "sorry",
            from: "default",
            cause: overloaded,
            why
          })
        })
      ))

    it.effect("tells after a refusal what the circuit refuses for, and until when", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          yield* Effect.ignore(breaker.execute(Effect.fail(broke)))
          const served = yield* answer.pipe(withBreaker, withFallback([sorry]))

          assert.instanceOf(served.cause, CircuitRejected)
          assert.strictEqual(served.why?.kind, "quota")
          assert.include(served.why?.message, "Circuit \"openai\" is open")
          assert.deepStrictEqual(served.retryAfter, Duration.hours(1))
        })
      ))

    it.effect("says gateway for a refusal without a failure of the provider's", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          yield* breaker.isolate()
          const served = yield* answer.pipe(withBreaker, withFallback([sorry]))

          assert.strictEqual(served.why?.kind, "gateway")
          assert.deepStrictEqual(served.retryAfter, Duration.infinity)
        })
      ))

    it.effect("tells when to come back, where the provider said so", () =>
      guarded(() =>
        Effect.gen(function*() {
          const served = yield* Effect.fail(busy).pipe(withBreaker, withFallback([sorry]))

          assert.deepStrictEqual([served.why?.kind, served.retryAfter], ["rate-limit", Duration.seconds(20)])
        })
      ))

    it.effect("goes by the breaker's own reading of the error where that is a reading of this kind", () =>
      guarded(() =>
        Effect.gen(function*() {
          const classify = LlmOutcome.classifyWith({
            rules: [() => ({ _tag: "Failure", kind: "bad-response", scope: "provider" })]
          })
          const served = yield* down.pipe(withBreaker({ classify }), withFallback([sorry]))
          const plain = yield* down.pipe(
            withBreaker({ classify: () => Outcome.failure({ kind: "my own word" }) }),
            withFallback([sorry])
          )

          assert.deepStrictEqual([served.why?.kind, served.why?.scope], ["bad-response", "provider"])
          assert.deepStrictEqual([plain.why?.kind, plain.why?.scope], ["overloaded", "model"])
        })
      ))

    it.effect("lets a caller's own mistake pass, with a breaker inside and without one", () =>
      guarded(() =>
        Effect.gen(function*() {
          const mistake = Effect.fail(tooLong)

          assert.deepStrictEqual<ReadonlyArray<unknown>>([
            yield* Effect.exit(mistake.pipe(withBreaker, withFallback([haiku, sorry]))),
            yield* Effect.exit(mistake.pipe(withFallback([haiku, sorry])))
          ], [Exit.fail(tooLong), Exit.fail(tooLong)])
        })
      ))

    it.effect("lets a caller's own mistake pass through every ladder around the call", () =>
      Effect.gen(function*() {
        const call = Effect.fail(tooLong).pipe(withFallback([haiku]), withFallback([haiku]))
        const plain = Effect.fail(tooLong).pipe(withFallback([haiku]), Fallback.withFallback(sorry))

        assert.deepStrictEqual<unknown>(yield* Effect.exit(call), Exit.fail(tooLong))
        assert.deepStrictEqual<unknown>(yield* Effect.exit(plain), Exit.fail(tooLong))
      }))

    it.effect("stands around a breaker of keys, models and providers as well", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ model: { tripPolicy: TripPolicy.consecutive(1) } })
        const scopes = { provider: "openai", model: "gpt-5", key: "key" }
        const ask = (call: Primary) => Effect.exit(llm.execute(call, scopes).pipe(withFallback([haiku])))
        const said = (exit: Exit.Exit<LlmFallback.Served<string>, unknown>) =>
          Exit.isSuccess(exit) ? [exit.value.from, exit.value.why?.kind] : ["failed"]

        assert.deepStrictEqual(
          [yield* ask(answer), yield* ask(Effect.fail(tooLong)), yield* ask(down), yield* ask(answer)].map(said),
          [["primary", undefined], ["failed"], ["fallback", "overloaded"], ["fallback", "overloaded"]]
        )
      }))

    it.effect("fails with the primary's own error where no rung has an answer", () =>
      guarded(() =>
        Effect.gen(function*() {
          const none = otherModel(Effect.fail("also down"), { model: "haiku" })

          assert.deepStrictEqual<unknown>(
            yield* Effect.exit(down.pipe(withBreaker, withFallback([none, memoryOf<string>().for(question)]))),
            Exit.fail(overloaded)
          )
        })
      ))

    it.effect("goes on to the next rung where the other model fails or is refused", () =>
      guarded(() =>
        Effect.gen(function*() {
          const other = yield* Breaker.make({ name: "anthropic" })
          yield* other.isolate()
          const refused = otherModel(other.execute(answer), { model: "haiku" })
          const failing = otherModel(Effect.fail("also down"), { model: "opus" })
          const served = yield* down.pipe(withBreaker, withFallback([refused, failing, sorry]))

          assert.deepStrictEqual([served.from, served.model, served.cause], ["default", undefined, overloaded])
        })
      ))

    it.effect("tells the other model the primary's error, and runs it with requirements of its own", () =>
      guarded(() =>
        Effect.gen(function*() {
          class Client extends Context.Service<Client, string>()("test/Client") {}
          const rung = otherModel(
            (error: unknown) => Effect.map(Client, (client) => `${client}: ${String(error === overloaded)}`),
            { model: "haiku" }
          )
          const served = yield* down.pipe(
            withBreaker,
            withFallback([rung]),
            Effect.provideService(Client, "client")
          )

          assert.strictEqual(served.value, "client: true")
        })
      ))

    it.effect("lets interruption pass", () =>
      guarded(() =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Effect.never.pipe(withBreaker, withFallback([sorry])), {
            startImmediately: true
          })
          yield* Fiber.interrupt(fiber)

          assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
        })
      ))
  })

  describe("lastGood", () => {
    it.effect("serves until maxAge, and no longer", () =>
      guarded(() =>
        Effect.gen(function*() {
          const rung = lastGood<string>({ maxAge: "10 minutes" }).for(question)
          yield* answer.pipe(withBreaker, withFallback([rung]))
          const from: Array<string> = []
          for (const wait of [599_999, 1, 1]) {
            yield* TestClock.adjust(wait)
            from.push((yield* down.pipe(withBreaker, withFallback([rung, sorry]))).from)
          }

          assert.deepStrictEqual(from, ["cached", "cached", "default"])
        })
      ))

    it.effect("works as a rung of the core's ladder too", () =>
      guarded(() =>
        Effect.gen(function*() {
          const rung = memoryOf<string>().for(question)
          yield* answer.pipe(withBreaker, Fallback.withFallback(rung))

          assert.strictEqual((yield* down.pipe(withBreaker, Fallback.withFallback(rung))).value, "Lima")
        })
      ))

    const others: Readonly<Record<string, Partial<LlmFallback.Question>>> = {
      provider: { provider: "azure" },
      model: { model: "gpt-5-mini" },
      prompt: { prompt: [{ role: "user", content: "Capital of Chile?" }] },
      parameters: { parameters: { temperature: 1, tools: ["search"] } },
      "number of parameters": { parameters: { temperature: 0, tools: ["search"], tenant: "acme" } },
      "order in a list": { parameters: { temperature: 0, tools: ["calculate", "search"] } }
    }
    for (const [what, other] of Object.entries(others)) {
      it.effect(`serves no answer to a question with another ${what}`, () =>
        Effect.gen(function*() {
          const later = { ...question, ...other }

          assert.strictEqual(yield* servedAfter(memoryOf<string>(), answer, { later }), "default")
          assert.strictEqual(yield* servedAfter(memoryOf<string>(), answer, { asked: later, later }), "cached")
        }))
    }

    it.effect("does not mind the order of keys, nor one that is undefined, nor no parameters at all", () =>
      Effect.gen(function*() {
        const asked = { ...question, parameters: { a: 1, b: { c: 2, d: [3] } } }
        const later = {
          parameters: { b: { d: [3], c: 2 }, stop: undefined, a: 1 },
          prompt: [{ content: "Capital of Peru?", role: "user" }],
          model: "gpt-5",
          provider: "openai"
        }
        const { parameters: _, ...bare } = question

        assert.strictEqual(yield* servedAfter(memoryOf<string>(), answer, { asked, later }), "cached")
        assert.strictEqual(
          yield* servedAfter(memoryOf<string>(), answer, { asked: bare, later: { ...bare, parameters: {} } }),
          "cached"
        )
      }))

    const parts: ReadonlyArray<readonly [one: Partial<LlmFallback.Question>, another: Partial<LlmFallback.Question>]> =
      [
        [{ provider: "a", model: "bc" }, { provider: "ab", model: "c" }],
        [{ prompt: "1" }, { prompt: 1 }],
        [{ prompt: "null" }, { prompt: null }],
        [{ parameters: { stop: null } }, { parameters: { stop: undefined } }],
        [{ prompt: Number.NaN }, { prompt: null }],
        [{ prompt: 1n }, { prompt: 1 }],
        [{ prompt: "1n" }, { prompt: 1n }],
        [{ prompt: ["a,b"] }, { prompt: ["a", "b"] }],
        [{ prompt: { a: "1", b: 2 } }, { prompt: { "a\":\"1\",\"b": 2 } }],
        [{ prompt: [] }, { prompt: {} }],
        [{ prompt: new Date(1) }, { prompt: new Date(2) }],
        [{ prompt: new Date(1) }, { prompt: "date(1)" }],
        [{ prompt: new URL("https://a.example/") }, { prompt: "https://a.example/" }],
        [{ prompt: new Uint8Array([1, 2]) }, { prompt: new Uint8Array([1, 3]) }],
        [{ prompt: new Uint8Array([0x81]) }, { prompt: new Uint8Array([0x8D]) }],
        [{ prompt: new Uint8Array([1, 2]) }, { prompt: [1, 2] }],
        [{ prompt: "\uD800" }, { prompt: "\uFFFD" }],
        [{ prompt: Prompt.make("one") }, { prompt: Prompt.make("two") }]
      ]
    for (const [one, another] of parts) {
      it.effect(`tells ${JSON.stringify(String(Object.values(one)))} from ${String(Object.values(another))}`, () =>
        Effect.gen(function*() {
          const asked = { ...question, ...one }
          const later = { ...question, ...another }

          assert.strictEqual(yield* servedAfter(memoryOf<string>(), answer, { asked, later }), "default")
          assert.strictEqual(
            yield* servedAfter(memoryOf<string>(), answer, { asked, later: structured(asked) }),
            "cached"
          )
        }))
    }

    it.effect("learns nothing of a question that is no data: two of them cannot be told apart", () =>
      Effect.gen(function*() {
        class Secret {
          readonly #value: string
          constructor(value: string) {
            this.#value = value
          }
          toJSON() {
            return this.#value === "" ? "" : "<redacted>"
          }
        }
        const circle: Array<unknown> = []
        circle.push(circle)
        const strange = {
          get prompt() {
            throw new Error("no")
          }
        }
        const deep: { inner?: unknown } = {}
        let last = deep
        for (let i = 0; i < 100_000; i++) last = last.inner = {}
        for (
          const prompt of [
            new Map([[1, 2]]),
            new Set([1]),
            new Secret("a"),
            () => 1,
            Symbol("a"),
            circle,
            strange,
            deep
          ]
        ) {
          const asked = { ...question, prompt }
          assert.strictEqual(yield* servedAfter(memoryOf<string>(), answer, { asked, later: asked }), "default")
        }
      }))

    it.effect("reads the question when it is asked, not when it is answered", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = memoryOf<string>()
          const prompt = [{ role: "user", content: "Capital of Peru?" }]
          const call = Effect.sync(() => {
            prompt.push({ role: "assistant", content: "Let me think" })
            return "Lima"
          })
          yield* call.pipe(withBreaker, withFallback([memory.for({ ...question, prompt })]))

          assert.strictEqual((yield* down.pipe(withFallback([memory.for(question)]))).value, "Lima")
        })
      ))

    it.effect("keeps so many answers, and lets go the one learnt longest ago", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = lastGood<string>({ maxAge: "10 minutes", capacity: 2 })
          const at = (prompt: string) => memory.for({ ...question, prompt })
          for (const prompt of ["a", "b", "a", "c"]) {
            yield* Effect.succeed(`of ${prompt}`).pipe(withBreaker, withFallback([at(prompt)]))
          }
          const values = yield* Effect.forEach(
            ["a", "b", "c"],
            (prompt) => down.pipe(withBreaker, withFallback([at(prompt), sorry]), Fallback.valueOf)
          )

          assert.deepStrictEqual(values, ["of a", "sorry", "of c"])
        })
      ))

    it.effect("keeps no answer larger than maxBytes, whatever its shape", () =>
      Effect.gen(function*() {
        const circle: { self?: unknown } = {}
        circle.self = circle
        const from = (value: unknown, maxBytes: number) =>
          servedAfter(lastGood<unknown>({ maxAge: "10 minutes", maxBytes }), Effect.succeed(value))

        assert.deepStrictEqual(
          [
            yield* from("x".repeat(50), 100),
            yield* from("x".repeat(51), 100),
            yield* from({ text: "x".repeat(51) }, 100),
            yield* from(Array.from({ length: 10_000 }, () => "x"), 1000),
            yield* from({ bytes: new Uint8Array(1000) }, 900),
            yield* from({ bytes: new Uint8Array(1000) }, 1100),
            yield* from({ map: new Map([["key", "x".repeat(1000)]]) }, 900),
            yield* from(circle, 100_000)
          ],
          ["cached", "default", "default", "default", "default", "cached", "default", "default"]
        )
      }))

    it.effect("learns what isGood says is good, and nothing where it throws", () =>
      Effect.gen(function*() {
        const memory = (isGood: (answer: string) => boolean) => lastGood<string>({ maxAge: "10 minutes", isGood })

        assert.deepStrictEqual(
          [
            yield* servedAfter(memory((answer) => answer.includes("Lima")), answer),
            yield* servedAfter(memory((answer) => answer.includes("Quito")), answer),
            yield* servedAfter(
              memory(() => {
                throw new Error("a bug")
              }),
              answer
            )
          ],
          ["cached", "default", "default"]
        )
      }))

    it.effect("does not forget a good answer for a bad one", () =>
      guarded(() =>
        Effect.gen(function*() {
          const rung = memoryOf<string>().for(question)
          yield* answer.pipe(withBreaker, withFallback([rung]))
          yield* Effect.succeed("  ").pipe(withBreaker, withFallback([rung]))

          assert.strictEqual((yield* down.pipe(withBreaker, withFallback([rung]))).value, "Lima")
        })
      ))

    const openAi = (finish_reason: string | null, content: string | null) => ({
      object: "chat.completion",
      choices: [{ index: 0, finish_reason, message: { role: "assistant", content } }]
    })
    const anthropic = (stop_reason: string | null, text: string) => ({
      type: "message",
      stop_reason,
      content: [{ type: "text", text }]
    })
    const gemini = (finishReason: string, text: string) => ({
      candidates: [{ finishReason, content: { role: "model", parts: [{ text }] } }]
    })
    const responses = (status: string, text: string, type = "message") => ({
      object: "response",
      status,
      output: [{ type: "reasoning", summary: [] }, { type, content: [{ type: "output_text", text }] }]
    })
    const effectAi = (reason: string, text: string) =>
      new LanguageModel.GenerateTextResponse([
        { type: "text", text, metadata: {} },
        { type: "finish", reason, metadata: {} }
      ] as never)

    const learnt: ReadonlyArray<unknown> = [
      "Lima",
      { city: "Lima" },
      42,
      false,
      ["Lima"],
      { next: "page 2", pipe: "Lima" },
      { steps: ["Fly to Lima"], content: ["by night"], output: [1] },
      { finishReason: "stop", object: { city: "Lima" } },
      openAi("stop", "Lima"),
      anthropic("end_turn", "Lima"),
      anthropic("stop_sequence", "Lima"),
      gemini("STOP", "Lima"),
      responses("completed", "Lima"),
      effectAi("stop", "Lima")
    ]
    for (const [i, value] of learnt.entries()) {
      it.effect(`learns a whole answer (${i}: ${JSON.stringify(value)})`, () =>
        Effect.gen(function*() {
          assert.strictEqual(yield* servedAfter(memoryOf<unknown>(), Effect.succeed(value)), "cached")
        }))
    }

    const notLearnt: Readonly<Record<string, unknown>> = {
      "of nothing": undefined,
      "of null": null,
      "of no text": "",
      "of blanks": " \n",
      "of an empty list": [],
      "cut at the limit, OpenAI": openAi("length", "Lim"),
      "cut by nobody, OpenAI": openAi(null, "Lim"),
      "filtered, OpenAI": openAi("content_filter", "Lim"),
      "that calls tools, OpenAI": openAi("tool_calls", null),
      "that is empty, OpenAI": openAi("stop", ""),
      "that refuses, OpenAI": openAi("stop", null),
      "cut at the limit, Anthropic": anthropic("max_tokens", "Lim"),
      "that calls tools, Anthropic": anthropic("tool_use", "Let me see"),
      "that is empty, Anthropic": anthropic("end_turn", ""),
      "that refuses, Anthropic": anthropic("refusal", "No"),
      "cut at the limit, Gemini": gemini("MAX_TOKENS", "Lim"),
      "filtered, Gemini": gemini("SAFETY", "Lim"),
      "that is empty, Gemini": gemini("STOP", ""),
      "that calls tools, Gemini": {
        candidates: [{ finishReason: "STOP", content: { parts: [{ functionCall: { name: "search", args: {} } }] } }]
      },
      "that calls tools, Responses": responses("completed", "", "function_call"),
      "that is empty, Responses": responses("completed", ""),
      "cut at the limit, as a program keeps it": { finishReason: "length", object: { city: "Lim" } },
      "that is empty, as a program keeps it": { text: "", usage: {} },
      "that is incomplete, Responses": responses("incomplete", "Lim"),
      "cut at the limit, Effect": effectAi("length", "Lim"),
      "that nobody ended, Effect": effectAi("unknown", "Lim"),
      "that calls tools, Effect": effectAi("tool-calls", ""),
      "that is empty, Effect": effectAi("stop", ""),
      "with an error in it": { error: { message: "Overloaded", type: "overloaded_error" } },
      "that is a stream of Effect's": Stream.make("Lima"),
      "that is an effect": Effect.succeed("Lima"),
      "that is a promise": Promise.resolve("Lima"),
      "that is a web stream": new ReadableStream(),
      "that is a response": new Response("Lima"),
      "that is a generator": (function*() {
        yield "Lima"
      })(),
      "that is a function": () => "Lima"
    }
    for (const [what, value] of Object.entries(notLearnt)) {
      it.effect(`does not learn an answer ${what}`, () =>
        Effect.gen(function*() {
          assert.strictEqual(yield* servedAfter(memoryOf<unknown>(), Effect.succeed(value)), "default")
        }))
    }

    it.effect("does not start a stream to look whether it is whole", () =>
      Effect.gen(function*() {
        let asked = 0
        class StreamTextResult {
          get textStream() {
            asked++
            return new ReadableStream()
          }
          get finishReason() {
            asked++
            return "stop"
          }
        }

        assert.strictEqual(yield* servedAfter(memoryOf<unknown>(), Effect.succeed(new StreamTextResult())), "default")
        assert.strictEqual(asked, 0)
      }))

    it.effect("learns nothing where the breaker found the call bad, though it gave an answer", () =>
      Effect.gen(function*() {
        const rung = memoryOf<string>().for(question)
        yield* guarded(() => answer.pipe(withBreaker({ classify: () => Outcome.failure() }), withFallback([rung])))

        assert.strictEqual((yield* down.pipe(withFallback([rung, sorry]))).from, "default")
      }))

    it.effect("learns nothing of another rung", () =>
      Effect.gen(function*() {
        const rung = memoryOf<string>().for(question)
        yield* down.pipe(withFallback([rung, haiku]))

        assert.strictEqual((yield* down.pipe(withFallback([rung, sorry]))).from, "default")
      }))

    it.effect("learns nothing that a tool with side effects had a part in: it would tell of what was not done", () =>
      Effect.gen(function*() {
        const booked = Effect.andThen(sideEffect(Effect.void), Effect.succeed("I have booked your flight"))

        assert.strictEqual(yield* servedAfter(memoryOf<string>(), booked), "default")
      }))

    it.effect("names no prompt in what it serves, and logs none", () =>
      guarded(() =>
        Effect.gen(function*() {
          const lines: Array<unknown> = []
          const secret = "my secret question"
          const rung = lastGood<string>({
            maxAge: "10 minutes",
            isGood: () => {
              throw new Error(secret)
            }
          }).for({ ...question, prompt: secret })
          const ladder = (call: Primary) => call.pipe(withBreaker, withFallback([rung, sorry]))
          const served = yield* Effect.all([ladder(answer), ladder(down)]).pipe(
            Effect.provide(Logger.layer([Logger.make(({ message }) => lines.push(message))]))
          )

          assert.notInclude(JSON.stringify([served, lines]), "secret")
          assert.notInclude(JSON.stringify(rung), "secret")
        })
      ))

    it("throws for an option that makes no sense, and names it", () => {
      expect(() => lastGood({ maxAge: 0 })).toThrow("LlmFallback.lastGood: maxAge must be a finite duration above zero")
      expect(() => lastGood({ maxAge: 1, capacity: 0 })).toThrow(
        "LlmFallback.lastGood: capacity must be a whole number"
      )
      expect(() => lastGood({ maxAge: 1, maxBytes: 1.5 })).toThrow("LlmFallback.lastGood: maxBytes must be a whole")
    })
  })

  describe("sideEffect", () => {
    const sent: Effect.Effect<void> = sideEffect(Effect.void)
    const half = sideEffect(Effect.fail("half done"))
    const failsAfter = (tool: Effect.Effect<unknown, unknown>): Primary => Effect.andThen(Effect.ignore(tool), down)

    it.effect("keeps every rung from running, plain values too, and leaves the primary's error", () =>
      guarded(() =>
        Effect.gen(function*() {
          let ran = 0
          const counting = otherModel(Effect.sync(() => String(ran++)), { model: "haiku" })
          const memory = memoryOf<string>().for(question)
          yield* answer.pipe(withBreaker, withFallback([memory]))

          for (const tool of [sent, half, Effect.timeout(sideEffect(Effect.never), 0)]) {
            const call = failsAfter(tool).pipe(withBreaker, withFallback([memory, counting, sorry]))
            const fiber = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
            yield* TestClock.adjust(1)
            assert.deepStrictEqual<unknown>(yield* Fiber.join(fiber), Exit.fail(overloaded))
          }
          assert.strictEqual(ran, 0)
        })
      ))

    it.effect("keeps them from running after a refusal that came later in the call", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const agent = Effect.gen(function*() {
            yield* breaker.execute(answer)
            yield* sent
            yield* breaker.isolate()
            return yield* breaker.execute(answer)
          })

          assert.instanceOf(yield* Effect.flip(agent.pipe(withFallback([sorry]))), CircuitRejected)
        })
      ))

    it.effect("lets them run where that is allowed", () =>
      guarded(() =>
        Effect.gen(function*() {
          const served = yield* failsAfter(sent).pipe(withBreaker, withFallback([haiku], { afterTools: "allow" }))

          assert.strictEqual(served.model, "haiku")
        })
      ))

    it.effect("runs what it marks as it is, inside a ladder and outside", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* sideEffect(Effect.succeed(1)), 1)
        assert.strictEqual(yield* Effect.flip(half), "half done")
        assert.deepStrictEqual<unknown>(yield* sideEffect(Effect.succeed("Lima")).pipe(withFallback([sorry])), {
          value: "Lima",
          from: "primary"
        })
      }))

    it.effect("speaks for the call that it is in, not for the next one, nor for one beside it", () =>
      Effect.gen(function*() {
        const call = (tool: Effect.Effect<void>) => Effect.exit(failsAfter(tool).pipe(withFallback([sorry])))
        const slow = Effect.andThen(Effect.yieldNow, Effect.void)

        const all = yield* Effect.all([call(slow), call(sent), call(slow)], { concurrency: 3 })

        assert.deepStrictEqual(all.map(Exit.isSuccess), [true, false, true])
      }))

    it.effect("is seen from a fiber that the call forked", () =>
      Effect.gen(function*() {
        const call = Effect.gen(function*() {
          yield* Fiber.join(yield* Effect.forkChild(sent))
          return yield* down
        })

        assert.deepStrictEqual<unknown>(yield* Effect.exit(call.pipe(withFallback([sorry]))), Exit.fail(overloaded))
      }))

    it.effect("keeps the rungs of every ladder around the call from running", () =>
      Effect.gen(function*() {
        const call = failsAfter(sent).pipe(withFallback([haiku]), withFallback([sorry]))

        assert.deepStrictEqual<unknown>(yield* Effect.exit(call), Exit.fail(overloaded))
      }))

    it.effect("of an earlier step does not keep a later step, under a ladder of its own, from falling back", () =>
      Effect.gen(function*() {
        const agent = Effect.gen(function*() {
          yield* sent
          return yield* down.pipe(withFallback([haiku]))
        })

        const { from, value } = yield* agent.pipe(withFallback([Fallback.value({ model: "none" })]))

        assert.deepStrictEqual([from, value.model], ["primary", "haiku"])
      }))

    it.effect("of one rung keeps the next rung from running", () =>
      Effect.gen(function*() {
        const half = otherModel(Effect.andThen(sent, Effect.fail("down too")), { model: "haiku" })

        assert.deepStrictEqual<unknown>(
          yield* Effect.exit(down.pipe(withFallback([half, sorry]))),
          Exit.fail(overloaded)
        )
      }))
  })

  describe("sideEffects", () => {
    const GetWeather = Tool.make("GetWeather", { success: Schema.String }).annotate(Tool.Readonly, true)
    const SendMail = Tool.make("SendMail", { success: Schema.String })
    const toolkit = Toolkit.make(GetWeather, SendMail)
    const handlers = toolkit.toLayer({
      GetWeather: () => Effect.succeed("sunny"),
      SendMail: () => Effect.succeed("sent")
    })

    /** A model that calls a tool once, and is overloaded when asked to go on. */
    const agent = (name: "GetWeather" | "SendMail") =>
      Effect.gen(function*() {
        const model = yield* LanguageModel.make({
          generateText: () =>
            Effect.succeed([
              { type: "tool-call", id: "1", name, params: {} },
              { type: "finish", reason: "tool-calls", usage: { inputTokens: {}, outputTokens: {} } }
            ] as never),
          streamText: () => Stream.empty
        })
        const marked = sideEffects(yield* toolkit)
        const step = yield* model.generateText({ prompt: "Hello", toolkit: marked })
        assert.deepStrictEqual(step.toolResults.map(({ name }) => name), [name])
        return yield* down
      }).pipe(Effect.provide(handlers))

    it.effect("marks the tools of a toolkit, but for those that only read", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* agent("GetWeather").pipe(withFallback([haiku]))).model, "haiku")
        assert.strictEqual(yield* Effect.flip(agent("SendMail").pipe(withFallback([haiku]))), overloaded)
      }))
  })
})

/** The same question, made anew. */
const structured = (asked: LlmFallback.Question): unknown =>
  Prompt.isPrompt(asked.prompt) || asked.prompt instanceof URL ? { ...asked } : structuredClone(asked)
