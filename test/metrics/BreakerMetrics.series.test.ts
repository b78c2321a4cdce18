import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Metric, Schedule, Scope, Stream } from "effect"
import { Breaker, BreakerMap, Fallback, Outcome, TripPolicy, withBreaker } from "effect-breaker"
import { Registry } from "effect-breaker/control"
import { GuardedLanguageModel, LlmBreaker, LlmStream } from "effect-breaker/llm"
import { FakeProvider } from "effect-breaker/testing"
import { LanguageModel } from "effect/ai"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import fs from "node:fs"
import path from "node:path"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { chatModel } from "../llm/chatModel.ts"
import { counting, countsBy, isolated, metered, series, valueOf } from "./scenes.ts"

const atOnce = { tripPolicy: TripPolicy.consecutive(1), openDuration: "1 minute", halfOpen: { successes: 1 } } as const

const call = (breaker: Breaker.Breaker, outcome: Outcome.Outcome = Outcome.success) =>
  Effect.exit(breaker.execute(Effect.void, { classify: () => outcome }))

const openSeconds = (circuit: string) => valueOf("effect_breaker_open_seconds_total", { circuit })
const state = (circuit: string) => valueOf("effect_breaker_state", { circuit })
const openings = (circuit: string) => valueOf("effect_breaker_openings_total", { circuit })

const collect = (): void => {
  setFlagsFromString("--expose-gc")
  ;(runInNewContext("gc") as () => void)()
}

describe("BreakerMetrics", () => {
  it.effect("tells each outcome and each reason by its word", () =>
    counting(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "a", tripPolicy: TripPolicy.never, throttleDuration: "1 second" })
      yield* call(breaker)
      yield* call(breaker, Outcome.failure())
      yield* call(breaker, Outcome.ignored)
      yield* call(breaker, Outcome.throttled())
      yield* call(breaker)
      yield* TestClock.adjust("1 second")
      yield* call(breaker, Outcome.trip({ openFor: "1 minute" }))
      yield* call(breaker)
      yield* breaker.isolate()
      yield* call(breaker)

      assert.deepStrictEqual(yield* countsBy("effect_breaker_calls_total", "outcome"), {
        success: 1,
        failure: 1,
        ignored: 1,
        throttled: 1,
        trip: 1
      })
      assert.deepStrictEqual(yield* countsBy("effect_breaker_refusals_total", "reason"), {
        throttled: 1,
        open: 1,
        isolated: 1
      })
      assert.strictEqual(yield* valueOf("effect_breaker_throttles_total"), 1)
      assert.strictEqual(yield* state("a"), 3)
    })))

  it.effect("tells what mode observe let through, and only there, as calls that would have been refused", () =>
    counting(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "a", ...atOnce, mode: "observe" })
      assert.deepStrictEqual(yield* series("effect_breaker_would_refuse_total"), [])
      yield* call(breaker, Outcome.failure())
      yield* call(breaker)

      assert.deepStrictEqual(yield* countsBy("effect_breaker_would_refuse_total", "reason"), { open: 1 })
      assert.deepStrictEqual(yield* countsBy("effect_breaker_refusals_total", "reason"), {})
      assert.deepStrictEqual(yield* countsBy("effect_breaker_calls_total", "outcome"), { success: 1, failure: 1 })
    })))

  describe("effect_breaker_open_seconds_total", () => {
    it.effect("counts the opening that still lasts, up to each look", () =>
      counting(Effect.gen(function*() {
        const breaker = yield* Breaker.make({ name: "a", ...atOnce })
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* openSeconds("a"), 0)
        yield* call(breaker, Outcome.failure())
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* openSeconds("a"), 10)
        yield* TestClock.adjust("50 seconds")
        assert.strictEqual(yield* openSeconds("a"), 60)
        yield* call(breaker)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* openSeconds("a"), 60)
      })))

    it.effect("leaves out the time in which it was isolated, and goes on with what that interrupted", () =>
      counting(Effect.gen(function*() {
        const breaker = yield* Breaker.make({ name: "a", ...atOnce })
        yield* call(breaker, Outcome.failure())
        yield* TestClock.adjust("10 seconds")
        yield* breaker.isolate({ for: "20 seconds" })
        yield* TestClock.adjust("20 seconds")
        yield* call(breaker)
        yield* TestClock.adjust("5 seconds")

        assert.strictEqual(yield* openSeconds("a"), 15)
        assert.strictEqual(yield* state("a"), 2)
        // It is the same opening.
        assert.strictEqual(yield* openings("a"), 1)
      })))

    it.effect("begins with the layer at a circuit that was open before", () =>
      isolated(Effect.gen(function*() {
        const breaker = yield* Breaker.make({ name: "a", ...atOnce })
        yield* breaker.trip({ openFor: "1 hour" })
        yield* TestClock.adjust("10 minutes")
        yield* Effect.scoped(Effect.gen(function*() {
          yield* metered()
          assert.deepStrictEqual([yield* state("a"), yield* openings("a")], [2, 0])
          yield* TestClock.adjust("3 seconds")
          assert.strictEqual(yield* openSeconds("a"), 3)
        }))
      })))

    it.effect("never shrinks: what was told of a circuit stays when the program lets go of it, and its state is gone", () =>
      counting(Effect.gen(function*() {
        yield* Effect.flatMap(Breaker.make({ name: "a", ...atOnce }), (breaker) => call(breaker, Outcome.failure()))
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual([yield* state("a"), yield* openSeconds("a")], [2, 10])
        // A reference that was looked at is kept until the turn is over.
        const gone = Effect.suspend(() => {
          collect()
          return Effect.flatMap(state("a"), (found) => found === 0 ? Effect.void : Effect.fail("still there"))
        })
        const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
        yield* Effect.retry(Effect.andThen(turn, gone), Schedule.recurs(100))

        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* openSeconds("a"), 10)
        assert.strictEqual(yield* openings("a"), 1)
      })))
  })

  describe("labels", () => {
    it.effect("are shared by circuits of one name, whose state is the worst of theirs", () =>
      counting(Effect.gen(function*() {
        const [one, two] = [
          yield* Breaker.make({ name: "a", ...atOnce }),
          yield* Breaker.make({ name: "a", ...atOnce })
        ]
        yield* call(one)
        yield* call(two)
        assert.deepStrictEqual(yield* countsBy("effect_breaker_calls_total", "outcome"), { success: 2 })
        yield* two.isolate()
        yield* one.trip()
        assert.strictEqual(yield* state("a"), 3)
        yield* two.release
        assert.strictEqual(yield* state("a"), 2)
        yield* one.reset
        assert.strictEqual(yield* state("a"), 0)
      })))

    it.effect("keep their counts when a map lets a circuit go and makes it again", () =>
      counting(Effect.gen(function*() {
        const map = yield* BreakerMap.make({ ...atOnce, capacity: 1 })
        for (const key of ["a", "b", "a"]) yield* map.execute(Effect.void, { key })

        assert.strictEqual(yield* valueOf("effect_breaker_calls_total", { circuit: "a", outcome: "success" }), 2)
      })))

    it.effect("tell a circuit that is really called other from the rest", () =>
      counting(
        Effect.gen(function*() {
          for (const name of ["other", "b"]) yield* Effect.flatMap(Breaker.make({ name }), (breaker) => call(breaker))

          assert.deepStrictEqual(yield* countsBy("effect_breaker_calls_total", "circuit", { outcome: "success" }), {
            "other (circuit)": 1,
            other: 1
          })
        }),
        { circuits: 1 }
      ))

    it.effect("have a state among the rest too, and stay so many whatever happens", () =>
      counting(
        Effect.gen(function*() {
          const map = yield* BreakerMap.make(atOnce)
          for (let i = 0; i < 50; i++) yield* Effect.exit(map.execute(Effect.fail("down"), { key: `tenant ${i}` }))

          const circuits = new Set((yield* Metric.snapshot).map(({ attributes }) => attributes?.["circuit"]))
          assert.sameMembers([...circuits], ["tenant 0", "tenant 1", "other", undefined])
          assert.deepStrictEqual([yield* state("other"), yield* openings("other")], [2, 48])
        }),
        { circuits: 2 }
      ))
  })

  it.effect("counts the answers of ladders by where they came from", () =>
    counting(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "a", ...atOnce })
      const lastGood = Fallback.cached<string>()
      const [good, down] = [Effect.succeed("answer").pipe(withBreaker), Effect.fail("down").pipe(withBreaker)]
      yield* Effect.all([
        Fallback.withFallback(lastGood)(good),
        Fallback.withFallback(lastGood)(down),
        Fallback.withFallback(Fallback.effect(Effect.succeed("another")))(down),
        Fallback.withFallback(Fallback.value("sorry"))(down),
        Effect.exit(Fallback.withFallback()(down))
      ]).pipe(Effect.provideService(Breaker.Breaker, breaker))

      assert.deepStrictEqual(yield* countsBy("effect_breaker_fallbacks_total", "source"), {
        primary: 1,
        cached: 1,
        fallback: 1,
        default: 1
      })
    })))

  describe("of language models", () => {
    it.live("measures a whole answer once, at the circuit of its model, and estimates what a refusal saves", () =>
      isolated(Effect.scoped(Effect.gen(function*() {
        yield* metered()
        const provider = yield* FakeProvider.make()
        const llm = yield* LlmBreaker.make()
        const scopes = { provider: "openai", model: "gpt-5", key: "team-a" }
        const Guarded = Layer.provide(
          GuardedLanguageModel.layer({ scopes }),
          Layer.merge(chatModel(provider), Layer.succeed(LlmBreaker.LlmBreaker, llm))
        )
        const ask = LanguageModel.generateText({ prompt: "Hello" }).pipe(Effect.provide(Guarded), Effect.exit)
        yield* ask
        yield* ask

        const tokens = yield* series("gen_ai.client.token.usage")
        assert.sameMembers(tokens.map(({ attributes }) => attributes!["circuit"]!), ["openai/gpt-5", "openai/gpt-5"])
        const used = tokens.map(({ state }) => state as Metric.HistogramState)
        assert.deepStrictEqual(used.map(({ count }) => count), [2, 2])
        const mean = used.reduce((sum, state) => sum + state.sum, 0) / 2
        assert.isAbove(mean, 0)
        // How an answer came that came as a whole is not known.
        const [first] = yield* series("gen_ai.client.operation.time_to_first_chunk")
        assert.strictEqual((first!.state as Metric.HistogramState).count, 0)

        yield* Effect.flatMap(llm.breaker("model", scopes), (breaker) => breaker.isolate())
        yield* ask
        assert.strictEqual(yield* valueOf("effect_breaker_saved_tokens_total"), mean)
        // One refused call is one refusal, however many circuits it asks.
        assert.deepStrictEqual(yield* countsBy("effect_breaker_refusals_total", "circuit"), { "openai/gpt-5": 1 })
      }))))

    it.effect("measures an answer under a breaker's own permit as under the breaker in context", () =>
      counting(Effect.gen(function*() {
        const part = { content: 1, usage: { inputTokens: 5, outputTokens: 6 }, finish: "stop" } as const
        const reader = { read: (one: typeof part) => one }
        const breaker = yield* Breaker.make({ name: "own" })
        const answer = Stream.fromEffect(Effect.as(Effect.sleep("2 seconds"), part))
        const first = Effect.map(
          series("gen_ai.client.operation.time_to_first_chunk"),
          (found) => found.map(({ state }) => state as Metric.HistogramState).map(({ count, sum }) => [count, sum])
        )
        const run = (guarded: Stream.Stream<unknown, unknown, Breaker.Breaker>) =>
          Effect.gen(function*() {
            const running = yield* Effect.forkChild(Stream.runDrain(guarded), { startImmediately: true })
            yield* TestClock.adjust("2 seconds")
            yield* Fiber.join(running)
            return yield* first
          }).pipe(Effect.provideService(Breaker.Breaker, breaker))

        assert.deepStrictEqual(yield* run(LlmStream.guardWith(answer, breaker.admit, { reader })), [[1, 2]])
        assert.deepStrictEqual(yield* run(LlmStream.guard(answer, { reader })), [[2, 4]])
        // Two circuits for one answer: it is measured where it is handed on.
        const other = yield* Breaker.make({ name: "other one" })
        const both = Effect.map(
          Effect.all([breaker.admit, other.admit]),
          ([{ measured, settle }, second]): LlmStream.Admission => ({
            measured,
            settle: (outcome) => Effect.andThen(settle(outcome), second.settle(outcome))
          })
        )
        assert.deepStrictEqual(yield* run(LlmStream.guardWith(answer, both, { reader })), [[3, 6]])
        const tokens = yield* series("gen_ai.client.token.usage")
        assert.deepStrictEqual(tokens.map(({ state }) => (state as Metric.HistogramState).sum), [15, 18])
      })))

    describe("saves tokens", () => {
      const scopes = { provider: "openai", region: "eu", model: "gpt-5", key: "team-a" }
      const saved = countsBy("effect_breaker_saved_tokens_total", "circuit")

      /** Answers of so many tokens. */
      const answers = (llm: LlmBreaker.LlmBreaker, of: LlmBreaker.Scopes, ...tokens: ReadonlyArray<number>) =>
        Effect.forEach(tokens, (outputTokens) =>
          Effect.flatMap(llm.admit(of), (permit) => {
            permit.measured!({ outputTokens })
            return permit.settle({ _tag: "Success", scope: "model" })
          }))

      for (const place of ["key", "access", "model", "quality", "provider", "region"] as const) {
        for (const circuits of [100, 1]) {
          it.effect(`once for each call that the ${place} refuses, at its model, among ${circuits} names`, () =>
            counting(
              Effect.gen(function*() {
                const llm = yield* LlmBreaker.make({ quality: {} })
                yield* answers(llm, { ...scopes, model: "another" }, 1000)
                yield* answers(llm, scopes, 10, 30)
                yield* Effect.flatMap(llm.breaker(place, scopes), (breaker) => breaker.isolate())
                yield* Effect.exit(llm.admit(scopes))
                yield* Effect.exit(llm.execute(Effect.void, scopes))

                const all = yield* saved
                const of = circuits === 1 ? { other: 2 * Math.round(1040 / 3) } : { "openai@eu/gpt-5": 2 * 20 }
                assert.deepStrictEqual(Object.keys(all), Object.keys(of))
                assert.approximately(Object.values(all)[0]!, Object.values(of)[0]!, 1)
              }),
              { circuits }
            ))
        }
      }

      it.effect("at the provider where that is all that is known, and at a breaker of one's own", () =>
        counting(Effect.gen(function*() {
          const llm = yield* LlmBreaker.make()
          yield* answers(llm, { provider: "openai" }, 10)
          yield* Effect.flatMap(llm.breaker("provider", { provider: "openai" }), (breaker) => breaker.isolate())
          yield* Effect.exit(llm.admit({ provider: "openai" }))
          // What another model's answers cost says nothing of this one's.
          yield* Effect.exit(llm.admit({ provider: "openai", model: "gpt-5" }))
          const own = yield* Breaker.make({ name: "own" })
          const usage = { content: 1, usage: { inputTokens: 5, outputTokens: 6 }, finish: "stop" } as const
          const answer = LlmStream.guard(Stream.make(usage), { reader: { read: (part: typeof usage) => part } })
          const ask = Effect.provideService(Effect.exit(Stream.runDrain(answer)), Breaker.Breaker, own)
          yield* ask
          yield* own.isolate()
          yield* Effect.all([ask, Effect.exit(own.execute(Effect.void))])

          assert.deepStrictEqual(yield* saved, { openai: 10, own: 22 })
        })))

      it.effect("not for calls that mode observe lets through, nor for a look beforehand", () =>
        counting(Effect.gen(function*() {
          const llm = yield* LlmBreaker.make({ key: { mode: "observe" } })
          yield* answers(llm, scopes, 10)
          yield* Effect.flatMap(llm.breaker("key", scopes), (breaker) => breaker.isolate())
          yield* answers(llm, scopes, 10)
          yield* Effect.flatMap(llm.breaker("model", scopes), (breaker) => breaker.isolate())
          yield* llm.refusal(scopes)

          assert.deepStrictEqual(yield* saved, {})
        })))
    })

    it.effect("takes no numbers that are none, and saves nothing where no tokens were seen", () =>
      counting(Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        const scopes = { provider: "openai", model: "gpt-5" }
        for (const tokens of [Number.NaN, -1, Infinity]) {
          const permit = yield* llm.admit(scopes)
          permit.measured!({ firstContent: 10, inputTokens: tokens, outputTokens: tokens })
          yield* permit.settle({ _tag: "Success", scope: "model" })
        }
        yield* Effect.flatMap(llm.breaker("model", scopes), (breaker) => breaker.isolate())
        yield* Effect.exit(llm.admit(scopes))

        const used = yield* series("gen_ai.client.token.usage")
        assert.deepStrictEqual(used.map(({ state }) => (state as Metric.HistogramState).count), [0, 0])
        assert.strictEqual(yield* valueOf("effect_breaker_saved_tokens_total"), 0)
      })))
  })

  it.effect("costs as many lines for each circuit as docs/metrics.md says", () =>
    counting(Effect.gen(function*() {
      const llm = yield* LlmBreaker.make()
      const ask = Effect.andThen(llm.admit({ provider: "openai" }), (permit) => {
        const lines = Effect.map(
          PrometheusMetrics.format(),
          (page) => page.split("\n").filter((line) => line.includes("circuit=\"openai\"")).length
        )
        return Effect.gen(function*() {
          const before = yield* lines
          permit.measured!({ firstContent: 1, chunks: 2, perChunk: 1, inputTokens: 1, outputTokens: 1 })
          yield* permit.settle({ _tag: "Success", scope: "model" })
          return [before, (yield* lines) - before]
        })
      })
      const [each, measured] = yield* ask
      const page = fs.readFileSync(path.join(import.meta.dirname, "../../docs/metrics.md"), "utf8").replaceAll(
        "\n",
        " "
      )
      assert.include(page, `${each} lines for each circuit's name`)
      assert.include(page, `${measured} more where a language model's answers are measured`)
    })))

  it.effect("takes its series along when its scope closes, and may be there again", () =>
    isolated(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "a", ...atOnce })
      const round = Effect.gen(function*() {
        const scope = yield* Scope.make()
        yield* Scope.provide(metered(), scope)
        yield* call(breaker)
        yield* call(breaker, Outcome.failure())
        yield* breaker.reset
        const counted = [
          yield* countsBy("effect_breaker_calls_total", "outcome"),
          yield* openings("a"),
          yield* valueOf("effect_breaker_in_flight")
        ]
        yield* Scope.close(scope, Exit.void)
        return counted
      })

      for (let i = 0; i < 2; i++) {
        assert.deepStrictEqual(yield* round, [{ success: 1, failure: 1 }, 1, 0])
        assert.deepStrictEqual(yield* Metric.snapshot, [])
        yield* call(breaker)
      }
    })))

  it.effect("dies where another registry's circuits have the same series, and leaves those alone", () =>
    counting(Effect.gen(function*() {
      const exit = yield* metered().pipe(
        Effect.provideService(Registry.Current, new Registry.Registry()),
        Effect.exit
      )
      assert.include(String(exit), "the series of this MetricRegistry, are counted already")
      yield* Effect.flatMap(Breaker.make({ name: "a" }), (breaker) => call(breaker))
      assert.deepStrictEqual(yield* countsBy("effect_breaker_calls_total", "outcome"), { success: 1 })
    })))

  it.effect("may be there for two registries in one, if the series say which", () =>
    counting(Effect.gen(function*() {
      yield* Effect.andThen(metered(), Effect.flatMap(Breaker.make({ name: "a" }), (breaker) => call(breaker))).pipe(
        Effect.provideService(Registry.Current, new Registry.Registry()),
        Effect.provideService(Metric.CurrentMetricAttributes, { team: "search" })
      )
      assert.deepStrictEqual(yield* countsBy("effect_breaker_calls_total", "team", { outcome: "success" }), {
        search: 1
      })
    })))
})
