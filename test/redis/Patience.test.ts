/** What a process does whose calls fail while Redis is silent, and it is not known yet whether Redis is gone. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { SharedBreaker } from "effect-breaker/redis"
import { TestClock } from "effect/testing"
import { makeProxy } from "./detour.ts"
import { answerOf, eventually, fail, goOn, happened, memberOf, redisOf, stop, storeOf, untilStore } from "./members.ts"
import { makeServer, withRedis } from "./server.ts"

/** Lets real answers of Redis come in. */
const turns = Effect.forEach(
  Array.from({ length: 5 }),
  () => Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 1))),
  { discard: true }
)

/** Time passes, and whoever waits for it goes on. */
const pass = (millis: number) =>
  Effect.forEach(
    Array.from({ length: millis / 10 }),
    () => Effect.andThen(TestClock.adjust("10 millis"), turns),
    { discard: true }
  )

/** A breaker whose Redis falls silent, at a time that the test makes. */
const silent = <A>(test: (breaker: Breaker.Breaker) => Effect.Effect<A, unknown>) =>
  Effect.gen(function*() {
    const server = yield* makeServer()
    const redis = Layer.succeedContext(yield* Layer.build(redisOf(server)))
    yield* Effect.scoped(Effect.gen(function*() {
      const layer = SharedBreaker.layer({ name: "openai" }).pipe(Layer.provide(redis))
      const breaker = Context.get(yield* Layer.build(layer), Breaker.Breaker)
      yield* answerOf({ breaker, events: [] })
      yield* pass(1500)
      yield* stop(server)
      yield* test(breaker)
    })).pipe(Effect.provide(TestClock.layer()))
    yield* goOn(server)
  }).pipe(Effect.scoped)

const storeAndState = (breaker: Breaker.Breaker) =>
  Effect.map(breaker.snapshot, ({ state, store }) => [store, state] as const)

describe.runIf(withRedis)("a process whose calls fail while Redis is silent", () => {
  it.live("judges by itself within five bounds what should open the circuit", () =>
    silent((breaker) =>
      Effect.gen(function*() {
        yield* fail({ breaker, events: [] }, 5)
        yield* pass(190)
        assert.deepStrictEqual(yield* storeAndState(breaker), ["shared", "Closed"])
        yield* pass(60)
        assert.deepStrictEqual(yield* storeAndState(breaker), ["lost", "Open"])
      })
    ))

  it.live("waits as long as for other news where what failed is not the end, and judges the next one with it", () =>
    silent((breaker) =>
      Effect.gen(function*() {
        yield* fail({ breaker, events: [] }, 4)
        yield* pass(300)
        assert.deepStrictEqual(yield* storeAndState(breaker), ["shared", "Closed"])
        yield* fail({ breaker, events: [] })
        yield* pass(60)
        assert.deepStrictEqual(yield* storeAndState(breaker), ["lost", "Open"])
      })
    ))

  it.live("judges what failed meanwhile when Redis is found lost, with what it knew of others", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const options = { tripPolicy: TripPolicy.consecutive(5), poll: "50 millis" } as const
      const far = yield* memberOf(proxy, options)
      const near = yield* memberOf(server, options)
      yield* answerOf(far)
      // What their clocks may be apart.
      yield* Effect.sleep("50 millis")
      yield* fail(near, 3)
      const failures = Effect.map(
        server.send("HGET", "effect-breaker:circuit:openai", "text"),
        (text) => text.startsWith("{") ? (JSON.parse(text) as { counts: { failures: number } }).counts.failures : 0
      )
      yield* eventually(failures, (count) => count === 3)
      yield* fail(far)
      yield* eventually(failures, (count) => count === 4)
      yield* Effect.sleep("100 millis")
      proxy.swallows = "all"
      yield* fail(far)
      assert.strictEqual((yield* far.breaker.state)._tag, "Closed")
      yield* untilStore(far, "lost")
      assert.strictEqual((yield* far.breaker.state)._tag, "Open")
      yield* eventually(Effect.sync(() => happened(far).join()), (all) => all === "StoreLost,Closed → Open")
      assert.strictEqual(yield* storeOf(near), "shared")
      proxy.swallows = "nothing"
      yield* proxy.cut
    }).pipe(Effect.scoped))
})
