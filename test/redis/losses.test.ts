/** What processes make of each other's knowledge after Redis, or the way to it, was gone. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Schedule } from "effect"
import { Breaker } from "effect-breaker"
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

const fail = (breaker: Breaker.Breaker) => Effect.ignore(breaker.execute(Effect.fail("529")))

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
      const { breaker, told } = yield* processOn(proxy)
      proxy.change({ _tag: "drop" })
      yield* fail(breaker)
      yield* eventually(() => told.includes("StoreLost"), "never lost")
      proxy.change({ _tag: "pass" })
      yield* eventually(() => told.includes("StoreFound"), "never found")
      const other = (yield* processOn(server)).breaker
      yield* breaker.isolate("bad deploy")
      yield* until(other, "Isolated")
      assert.deepStrictEqual(told.filter((tag) => tag.startsWith("Store")), ["StoreLost", "StoreFound"])
    }).pipe(Effect.scoped, quietly))

  it.live("a process that missed the news of a release learns of it by looking, while it is asked (rule 27)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const { breaker } = yield* processOn(server)
      const far = yield* processOn(proxy, { poll: "100 millis" })
      yield* breaker.isolate("bad deploy")
      yield* until(far.breaker, "Isolated")
      proxy.change({ _tag: "drop" })
      yield* breaker.release
      yield* eventually(() => proxy.dropped() > 0, "nothing was dropped")
      proxy.change({ _tag: "pass" })
      yield* far.breaker.execute(Effect.void).pipe(
        Effect.retry({ schedule: Schedule.spaced("5 millis"), times: 2000 })
      )
    }).pipe(Effect.scoped, quietly))

  it.live("a circuit that has recovered stays so, though whoever finds Redis empty first knows only that it was open", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const { breaker } = yield* processOn(server)
      const far = yield* processOn(proxy, { poll: "100 millis" })
      yield* breaker.trip({ openFor: "1 hour" })
      yield* until(far.breaker, "Open")
      proxy.change({ _tag: "drop" })
      yield* breaker.reset
      yield* eventually(() => proxy.dropped() > 0, "nothing was dropped")
      yield* server.kill
      yield* server.start
      proxy.change({ _tag: "pass" })
      // Whoever is idle need not know: it is told by its next call.
      const both = Effect.all([breaker.execute(Effect.void), far.breaker.execute(Effect.void)])
      yield* Effect.retry(both, { schedule: Schedule.spaced("20 millis"), times: 500 })
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
    }).pipe(Effect.scoped, quietly))

  it.live("a circuit that broke stays open, though whoever finds Redis empty first knows only that it was closed", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const { breaker } = yield* processOn(server, { poll: "50 millis" })
      const far = yield* processOn(proxy, { batch: { every: "50 millis" } })
      yield* far.breaker.reset
      yield* until(breaker, "Closed")
      proxy.change({ _tag: "drop" })
      yield* breaker.trip({ openFor: "1 hour" })
      yield* eventually(() => proxy.dropped() > 0, "nothing was dropped")
      yield* server.kill
      yield* server.start
      const looked = Effect.andThen(Effect.flip(breaker.execute(Effect.void)), server.send("INFO", "commandstats"))
        .pipe(
          Effect.filterOrFail((said) => said.includes("cmdstat_evalsha:"), () => "it did not look")
        )
      yield* Effect.retry(looked, { schedule: Schedule.spaced("5 millis"), times: 2000 })
      proxy.change({ _tag: "pass" })
      yield* Effect.flip(far.breaker.execute(Effect.void)).pipe(
        Effect.retry({ schedule: Schedule.spaced("5 millis"), times: 2000 })
      )
      yield* Effect.flip(breaker.execute(Effect.void))
    }).pipe(Effect.scoped, quietly))

  it.live("an opening that all know of stays one opening, whoever finds Redis empty first, and however late his clock", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxies = yield* Effect.all(Array.from({ length: 6 }, () => makeProxy(server.port)))
      const all = yield* Effect.all(proxies.map((proxy) => processOn(proxy, { poll: "10 millis" })), {
        concurrency: "unbounded"
      })
      const [{ breaker }] = all as [(typeof all)[number]]
      yield* breaker.trip({ openFor: "1 hour" })
      yield* Effect.forEach(all, ({ breaker }) => until(breaker, "Open"))
      proxies.forEach((proxy, i) => proxy.change({ _tag: "pass", delay: 8 * i, toward: "redis" }))
      // Each looks it up many times while its calls are refused, and reads the clock of Redis as well as it can.
      const calls = Effect.forEach(all, ({ breaker }) => Effect.flip(breaker.execute(Effect.void)))
      yield* Effect.repeat(calls, { schedule: Schedule.spaced("5 millis"), times: 200 })
      yield* server.kill
      yield* server.start
      yield* Effect.repeat(calls, { schedule: Schedule.spaced("5 millis"), times: 300 })
      const states = yield* Effect.forEach(all, ({ breaker }) => breaker.state)
      assert.deepStrictEqual(states.map(({ _tag, generation }) => [_tag, generation]), all.map(() => ["Open", 1]))
      const transitions = all.map(({ told }) => told.filter((tag) => tag === "Transitioned").length)
      assert.deepStrictEqual(transitions, all.map(() => 1))
    }).pipe(Effect.scoped, quietly))

  it.live("what the others went through together is not undone by one that was alone meanwhile", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const options = { openDuration: "1 hour", poll: "20 millis" } as const
      const { breaker, told } = yield* processOn(server, options)
      const far = yield* processOn(proxy, options)
      yield* breaker.trip({ openFor: "300 millis" })
      yield* until(far.breaker, "Open")
      proxy.change({ _tag: "drop" })
      yield* server.kill
      yield* server.start
      // Those who share find the opening over, and the provider still down.
      yield* Effect.repeat(fail(breaker), {
        schedule: Schedule.spaced("5 millis"),
        until: () => told.filter((tag) => tag === "Transitioned").length >= 3
      })
      assert.deepInclude(yield* breaker.state, { _tag: "Open", generation: 3 })
      // The one that is alone begins to probe.
      yield* Effect.forkScoped(far.breaker.execute(Effect.never))
      yield* until(far.breaker, "HalfOpen")
      proxy.change({ _tag: "pass" })
      yield* until(far.breaker, "Open")
      assert.deepInclude(yield* far.breaker.state, { _tag: "Open", generation: 3 })
      assert.deepInclude(yield* breaker.state, { _tag: "Open", generation: 3 })
    }).pipe(Effect.scoped, quietly))
})
