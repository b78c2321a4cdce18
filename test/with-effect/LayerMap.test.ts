/** Breakers in a `LayerMap`: how long a circuit lives there. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, LayerMap } from "effect"
import { Breaker, TripPolicy, withBreaker } from "effect-breaker"
import { TestClock } from "effect/testing"

class Tenants extends LayerMap.Service<Tenants>()("test/Tenants", {
  lookup: (tenant: string) => Breaker.layer({ name: tenant, tripPolicy: TripPolicy.consecutive(1) }),
  idleTimeToLive: "30 seconds"
}) {}

const through = <A, E>(tenant: string, call: Effect.Effect<A, E>) =>
  call.pipe(withBreaker, Effect.provide(Tenants.get(tenant)))

const stateOf = (tenant: string) =>
  Effect.flatMap(Breaker.Breaker, ({ state }) => Effect.map(state, ({ _tag }) => _tag)).pipe(
    Effect.provide(Tenants.get(tenant))
  )

describe("a LayerMap of breakers", () => {
  it.effect("has one circuit for each key", () =>
    Effect.gen(function*() {
      yield* Effect.ignore(through("acme", Effect.fail("503")))

      assert.deepStrictEqual([yield* stateOf("acme"), yield* stateOf("ajax")], ["Open", "Closed"])
    }).pipe(Effect.provide(Tenants.layer)))

  it.effect("makes one circuit for all who ask for a key at once", () =>
    Effect.gen(function*() {
      const answered = yield* Deferred.make<string>()
      const callers = yield* Effect.forEach(
        Array(5),
        () => Effect.forkChild(through("acme", Deferred.await(answered)), { startImmediately: true })
      )
      const inFlight = Effect.flatMap(
        Breaker.Breaker,
        ({ snapshot }) => Effect.map(snapshot, ({ inFlight }) => inFlight)
      )

      assert.strictEqual(yield* Effect.provide(inFlight, Tenants.get("acme")), 5)
      yield* Effect.forEach(callers, Fiber.interrupt)
      assert.strictEqual(yield* Effect.provide(inFlight, Tenants.get("acme")), 0)
    }).pipe(Effect.provide(Tenants.layer)))

  it.effect("forgets a circuit that nobody used for its time to live, an open one too", () =>
    Effect.gen(function*() {
      yield* Effect.ignore(through("acme", Effect.fail("503")))

      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(yield* stateOf("acme"), "Open")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* stateOf("acme"), "Closed")
    }).pipe(Effect.provide(Tenants.layer)))

  it.effect("keeps a circuit that a call is under way in, however long", () =>
    Effect.gen(function*() {
      const caller = yield* Effect.forkChild(through("acme", Effect.never), { startImmediately: true })
      yield* Effect.ignore(through("acme", Effect.fail("503")))

      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* stateOf("acme"), "Open")
      yield* Fiber.interrupt(caller)
    }).pipe(Effect.provide(Tenants.layer)))
})
