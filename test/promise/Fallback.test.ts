import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Registry } from "effect-breaker/control"
import { BreakerMetrics } from "effect-breaker/metrics"
import { Breaker, CircuitRejected, Fallback, Outcome, TripPolicy } from "effect-breaker/promise"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"

const down = new Error("529 Overloaded")
const fails = async (): Promise<string> => {
  throw down
}
const run = <A>(body: () => Promise<A>): Effect.Effect<A> => Effect.promise(body)
const make = (options?: Omit<Breaker.Options, "name">) =>
  Breaker.makeEffect({ name: "openai", tripPolicy: TripPolicy.consecutive(2), openDuration: "20 seconds", ...options })

describe("serve", () => {
  it.effect("says where the answer came from, down the ladder", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const lastGood = Fallback.cached<string>({ maxAge: "1 minute" })
      const fallback = [lastGood, Fallback.value("Please try again.")] as const
      const serve = (fn: () => Promise<string>) => run(async () => breaker.serve(fn, { fallback }))
      assert.deepStrictEqual(yield* serve(fails), { value: "Please try again.", from: "default", cause: down })
      assert.deepStrictEqual(yield* serve(async () => "Hello!"), { value: "Hello!", from: "primary" })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* serve(fails), { value: "Hello!", from: "cached", cause: down, age: 10_000 })
      yield* serve(fails)
      yield* TestClock.adjust("5 seconds")
      const refused = yield* serve(async () => "never asked")
      assert.instanceOf(refused.cause, CircuitRejected)
      assert.deepStrictEqual([refused.value, refused.from, refused.age, refused.retryAfter], [
        "Hello!",
        "cached",
        15_000,
        15_000
      ])
      yield* TestClock.adjust("45001 millis")
      assert.strictEqual((yield* serve(fails)).from, "default")
    }))

  it.effect("asks another function, and the next rung where that fails too", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const told: Array<unknown> = []
      const broken = Fallback.call((error) => {
        told.push(error)
        throw new Error("also down")
      })
      const other = Fallback.call(async () => "from the other")
      const served = yield* run(async () => breaker.serve(fails, { fallback: [broken, other, Fallback.value("no")] }))
      assert.deepStrictEqual(served, { value: "from the other", from: "fallback", cause: down })
      assert.deepStrictEqual(told, [down])
    }))

  it.effect("rejects with the primary's own error where no rung has an answer", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const fallback = [Fallback.cached<string>(), Fallback.call<string>(() => Promise.reject(new Error("also down")))]
      const error = yield* run(async () => breaker.serve(fails, { fallback }).catch((error: unknown) => error))
      assert.strictEqual(error, down)
    }))

  it.effect("does not answer for a caller's own mistake", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ classify: () => Outcome.ignored })
      const error = yield* run(async () =>
        breaker.serve(fails, { fallback: [Fallback.value("an apology")] }).catch((error: unknown) => error)
      )
      assert.strictEqual(error, down)
      const mine = yield* run(async () =>
        breaker.serve(fails, { fallback: [Fallback.value("an apology")], classify: () => Outcome.throttled() })
      )
      assert.strictEqual(mine.from, "default")
    }))

  it.effect("serves a bad answer of the primary, and does not remember it", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const lastGood = Fallback.cached<string>()
      const bad = yield* run(async () =>
        breaker.serve(async () => "", { fallback: [lastGood], classify: () => Outcome.failure() })
      )
      assert.deepStrictEqual(bad, { value: "", from: "primary" })
      const error = yield* run(async () => breaker.serve(fails, { fallback: [lastGood] }).catch((e: unknown) => e))
      assert.strictEqual(error, down)
    }))

  it.effect("does not answer a caller who left; one whose time is over gets what needs no time", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      let calls = 0
      const asked: Array<AbortSignal | undefined> = []
      const fallback = [
        Fallback.call(async (_error, { signal }) => {
          calls++
          asked.push(signal)
          return "from the other"
        }),
        Fallback.value("default")
      ]
      const serve = async (abort: (caller: AbortController) => void) => {
        const caller = new AbortController()
        const hanging = ({ signal }: Breaker.Call) =>
          new Promise<string>((_, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason))
            abort(caller)
          })
        return breaker.serve(hanging, { fallback, signal: caller.signal }).catch((error: unknown) => error)
      }
      const left = new Error("the user left")
      assert.strictEqual(yield* run(async () => serve((caller) => caller.abort(left))), left)
      const late = new DOMException("too slow", "TimeoutError")
      const served = yield* run(async () => serve((caller) => caller.abort(late)))
      assert.deepStrictEqual(served, { value: "default", from: "default", cause: late })
      const early = (reason: unknown) =>
        run(async () =>
          breaker.serve(async () => "never asked", { fallback, signal: AbortSignal.abort(reason) })
            .catch((error: unknown) => error)
        )
      assert.strictEqual(yield* early(left), left)
      assert.deepStrictEqual(yield* early(late), { value: "default", from: "default", cause: late })
      assert.strictEqual(calls, 0)
      const { signal } = new AbortController()
      yield* run(async () => breaker.serve(fails, { fallback, signal }))
      assert.deepStrictEqual(asked, [signal])
    }))

  it.effect("is counted by the metrics of the program, as its refusals are", () =>
    Effect.gen(function*() {
      yield* Layer.build(BreakerMetrics.layer())
      const breaker = yield* make({ tripPolicy: TripPolicy.consecutive(1) })
      const fallback = [Fallback.value("no")]
      for (let i = 0; i < 3; i++) yield* run(async () => breaker.serve(fails, { fallback }))
      const series = (yield* PrometheusMetrics.format()).split("\n")
      for (
        const line of [
          `effect_breaker_fallbacks_total{source="default"} 3`,
          `effect_breaker_calls_total{circuit="openai",outcome="failure"} 1`,
          `effect_breaker_refusals_total{circuit="openai",reason="open"} 2`
        ]
      ) assert.include(series, line)
    }).pipe(Effect.provideService(Registry.Current, new Registry.Registry())))
})
