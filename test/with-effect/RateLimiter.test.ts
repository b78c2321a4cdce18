/** A limiter that makes calls wait, and a breaker: what waits must not be taken for a provider that is slow. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"

const Limits = RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))

/** One call every ten seconds, in turn. */
const slowly = Effect.map(
  RateLimiter.makeWithRateLimiter,
  (limited) =>
    limited({ key: "openai", limit: 1, window: "10 seconds", algorithm: "token-bucket", onExceeded: "delay" })
)

describe("a breaker and a limiter that delays", () => {
  it.effect("outside, the limiter's wait is held against nobody's probe", () =>
    Effect.gen(function*() {
      const limited = yield* slowly
      const breaker = yield* Breaker.make({ name: "openai", halfOpen: { successes: 1, lease: "5 seconds" } })
      const call = Effect.succeed("an answer").pipe(breaker.execute, limited)
      yield* call
      yield* breaker.trip({ openFor: "1 second" })
      yield* TestClock.adjust("1 second")

      const probe = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust("8999 millis")
      assert.deepStrictEqual([(yield* breaker.state)._tag, (yield* breaker.snapshot).inFlight], ["Open", 0])
      yield* TestClock.adjust("1 millis")

      assert.strictEqual(yield* Fiber.join(probe), "an answer")
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
    }).pipe(Effect.provide(Limits)))

  it.effect("inside, it uses up the lease of a probe, and the circuit opens again", () =>
    Effect.gen(function*() {
      const limited = yield* slowly
      const breaker = yield* Breaker.make({ name: "openai", halfOpen: { successes: 1, lease: "5 seconds" } })
      const call = Effect.succeed("an answer").pipe(limited, breaker.execute)
      yield* call
      yield* breaker.trip({ openFor: "1 second" })
      yield* TestClock.adjust("1 second")

      yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust("4999 millis")
      const taken = yield* Effect.flip(call)
      assert.strictEqual(taken._tag === "CircuitRejected" && taken.reason, "HalfOpen")
      yield* TestClock.adjust("1 millis")
      const failed = yield* Effect.flip(call)
      assert.strictEqual(failed._tag === "CircuitRejected" && failed.reason, "Open")
    }).pipe(Effect.provide(Limits)))

  it.effect("gives the permit back when somebody leaves while waiting inside", () =>
    Effect.gen(function*() {
      const limited = yield* slowly
      const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
      const call = Effect.succeed("an answer").pipe(limited, breaker.execute)
      yield* call

      const waits = yield* Effect.forkChild(call, { startImmediately: true })
      assert.strictEqual((yield* breaker.snapshot).inFlight, 1)
      yield* Fiber.interrupt(waits)

      const { failures, ignored, inFlight } = yield* breaker.snapshot
      assert.deepStrictEqual([inFlight, ignored, failures], [0, 1, 0])
    }).pipe(Effect.provide(Limits)))
})
