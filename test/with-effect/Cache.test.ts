/** A breaker in the lookup of Effect's `Cache`: many callers, one call. */
import { assert, describe, it } from "@effect/vitest"
import { Cache, Deferred, Effect, Exit, Fiber } from "effect"
import { Breaker, Fallback, Outcome, TripPolicy } from "effect-breaker"
import { TestClock } from "effect/testing"

const timeToLive = (exit: Exit.Exit<unknown, unknown>) => Exit.isSuccess(exit) ? "1 hour" : 0

const makeCache = <A, E>(call: Effect.Effect<A, E>, options?: Omit<Breaker.Options, "name">) =>
  Effect.gen(function*() {
    const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(2), ...options })
    const cache = yield* Cache.makeWith((_: string) => breaker.execute(call), { capacity: 10, timeToLive })
    return { breaker, ask: Cache.get(cache, "How are you?") }
  })

describe("a breaker in the lookup of a cache", () => {
  it.effect("takes one permit for all who wait for the same answer, and counts one success", () =>
    Effect.gen(function*() {
      const answered = yield* Deferred.make<string>()
      const { ask, breaker } = yield* makeCache(Deferred.await(answered))

      const callers = yield* Effect.forEach(Array(5), () => Effect.forkChild(ask, { startImmediately: true }))
      assert.strictEqual((yield* breaker.snapshot).inFlight, 1)
      yield* Deferred.succeed(answered, "Fine.")

      assert.deepStrictEqual(yield* Effect.forEach(callers, Fiber.join), Array(5).fill("Fine."))
      const { inFlight, successes } = yield* breaker.snapshot
      assert.deepStrictEqual([inFlight, successes], [0, 1])
    }))

  it.effect("keeps its permit as long as one of them waits, and gives it back, unheard, when the last leaves", () =>
    Effect.gen(function*() {
      const { ask, breaker } = yield* makeCache(Effect.never)
      const [first, second] = yield* Effect.all([
        Effect.forkChild(ask, { startImmediately: true }),
        Effect.forkChild(ask, { startImmediately: true })
      ])

      // The one that made the call leaves, and the other still waits for it.
      yield* Fiber.interrupt(first)
      assert.strictEqual((yield* breaker.snapshot).inFlight, 1)
      yield* Fiber.interrupt(second)
      const { failures, ignored, inFlight } = yield* breaker.snapshot
      assert.deepStrictEqual([inFlight, ignored, failures], [0, 1, 0])
    }))

  it.effect("counts one failure, however many waited for it", () =>
    Effect.gen(function*() {
      const failed = yield* Deferred.make<never, string>()
      const { ask, breaker } = yield* makeCache(Deferred.await(failed))

      const callers = yield* Effect.forEach(Array(5), () => Effect.forkChild(ask, { startImmediately: true }))
      yield* Deferred.fail(failed, "503")
      const exits = yield* Effect.forEach(callers, Fiber.await)

      assert.deepStrictEqual(exits, Array(5).fill(Exit.fail("503")))
      assert.strictEqual((yield* breaker.snapshot).failures, 1)
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
    }))

  it.effect("serves what it knows through an outage, until that is too old", () =>
    Effect.gen(function*() {
      const { ask, breaker } = yield* makeCache(Effect.succeed("Fine."), { openDuration: "1 day" })
      yield* ask
      yield* breaker.trip({ openFor: "1 day" })

      yield* TestClock.adjust("3599999 millis")
      assert.strictEqual(yield* ask, "Fine.")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Effect.flip(ask))._tag, "CircuitRejected")
    }))

  it.effect("with its ladder in the lookup gives all who wait the same, and a caller's mistake to each", () =>
    Effect.gen(function*() {
      const failed = yield* Deferred.make<never, string>()
      const breaker = yield* Breaker.make({ name: "openai", classify: () => Outcome.ignored })
      const lookup = (_: string) =>
        breaker.execute(Deferred.await(failed)).pipe(Fallback.withFallback(Fallback.value("sorry")))
      const cache = yield* Cache.makeWith(lookup, { capacity: 10, timeToLive })

      const callers = yield* Effect.forEach(
        Array(3),
        () => Effect.forkChild(Cache.get(cache, "too long"), { startImmediately: true })
      )
      yield* Deferred.fail(failed, "400")

      assert.deepStrictEqual(yield* Effect.forEach(callers, Fiber.await), Array(3).fill(Exit.fail("400")))
    }))

  it.effect("with its ladder in the lookup forgets what was served instead", () =>
    Effect.gen(function*() {
      let down = true
      const breaker = yield* Breaker.make({ name: "openai" })
      const lookup = (_: string) =>
        Effect.suspend(() => down ? Effect.fail("503") : Effect.succeed("Fine.")).pipe(
          breaker.execute,
          Fallback.withFallback(Fallback.value("sorry"))
        )
      const cache = yield* Cache.makeWith(lookup, {
        capacity: 10,
        timeToLive: (exit) => Exit.isSuccess(exit) && exit.value.from === "primary" ? "1 hour" : 0
      })
      const ask = Effect.map(Cache.get(cache, "How are you?"), ({ value }) => value)

      assert.strictEqual(yield* ask, "sorry")
      down = false
      assert.strictEqual(yield* ask, "Fine.")
      down = true
      assert.strictEqual(yield* ask, "Fine.")
    }))

  it.effect("with its ladder around hears of a caller's mistake only where that caller made the call", () =>
    Effect.gen(function*() {
      const failed = yield* Deferred.make<never, string>()
      const { ask } = yield* makeCache(Deferred.await(failed), { classify: () => Outcome.ignored })
      const around = ask.pipe(Fallback.withFallback(Fallback.value("sorry")), Fallback.valueOf)

      const callers = yield* Effect.forEach(Array(2), () => Effect.forkChild(around, { startImmediately: true }))
      yield* Deferred.fail(failed, "400")

      const exits: ReadonlyArray<unknown> = yield* Effect.forEach(callers, Fiber.await)
      assert.deepStrictEqual(exits, [Exit.fail("400"), Exit.succeed("sorry")])
    }))
})
