/** What processes make of each other's knowledge after Redis, or the way to it, was gone. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Schedule } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { SharedBreaker } from "effect-breaker/redis"
import * as Registry from "../../src/Registry.ts"
import { makeProxy } from "./proxy.ts"
import { clientOf, makeServer, withRedis } from "./server.ts"

/** A breaker as another process would have it. */
const processOn = (at: { readonly url: string }, options: Partial<SharedBreaker.Options> = {}) =>
  Effect.gen(function*() {
    const registry = new Registry.Registry()
    const told: Array<string> = []
    registry.current = new Set([(event) => told.push(event._tag)])
    const context = yield* Layer.build(
      Layer.fresh(SharedBreaker.layer({ name: "openai", bound: "500 millis", ...options })).pipe(
        Layer.provide(clientOf(at)),
        Layer.provide(Layer.succeed(Registry.Current, registry))
      )
    )
    return { breaker: Context.get(context, Breaker.Breaker), told }
  })

const fail = (breaker: Breaker.Breaker, times = 1) =>
  Effect.forEach(Array.from({ length: times }), () => Effect.ignore(breaker.execute(Effect.fail("529"))), {
    discard: true
  })

const eventually = (is: () => boolean, what: string) =>
  Effect.suspend(() => is() ? Effect.void : Effect.fail(what)).pipe(
    Effect.retry({ schedule: Schedule.spaced("5 millis"), times: 2000 })
  )

const until = (breaker: Breaker.Breaker, state: Breaker.State["_tag"]) =>
  Effect.filterOrFail(breaker.state, ({ _tag }) => _tag === state, ({ _tag }) => `still ${_tag}`).pipe(
    Effect.retry({ schedule: Schedule.spaced("5 millis"), times: 2000 })
  )

// The client says of each connection that it lost it.
const quietly = Effect.provide(Logger.layer([]))

describe.runIf(withRedis)("after a loss of Redis", () => {
  it.live("a process whose very first report was lost shares again", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const options = { tripPolicy: TripPolicy.consecutive(3) }
      const { breaker, told } = yield* processOn(proxy, options)
      proxy.change({ _tag: "drop" })
      yield* fail(breaker)
      yield* eventually(() => told.includes("StoreLost"), "never lost")
      proxy.change({ _tag: "pass" })
      yield* eventually(() => told.includes("StoreFound"), "never found")
      const other = (yield* processOn(server, options)).breaker
      yield* fail(other)
      yield* fail(breaker, 2)
      yield* Effect.all([until(breaker, "Open"), until(other, "Open")])
      assert.deepStrictEqual(told.filter((tag) => tag.startsWith("Store")), ["StoreLost", "StoreFound"])
    }).pipe(Effect.scoped, quietly))
})
