/** Many processes that have something to tell at the same moment. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Logger, Schedule } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { SharedBreaker } from "effect-breaker/redis"
import * as Registry from "../../src/Registry.ts"
import { makeProxy } from "./proxy.ts"
import { clientOf, makeServer, withTime } from "./server.ts"

const size = 40

/** As many breakers as processes would have: each with its own client and its own registry. */
const crowdOn = (at: { readonly url: string }, options: Partial<SharedBreaker.Options>, members = size) =>
  Effect.all(
    Array.from({ length: members }, () =>
      Effect.gen(function*() {
        const registry = new Registry.Registry()
        const lost: Array<string> = []
        registry.current = new Set([(event) => {
          if (event._tag === "StoreLost") lost.push(event.why)
        }])
        const context = yield* Layer.build(
          Layer.fresh(SharedBreaker.layer({ name: "openai", bound: "5 seconds", grace: "5 seconds", ...options })).pipe(
            Layer.provide(clientOf(at)),
            Layer.provide(Layer.succeed(Registry.Current, registry))
          )
        )
        return { breaker: Context.get(context, Breaker.Breaker), lost }
      })),
    { concurrency: "unbounded" }
  )

const until = (breaker: Breaker.Breaker, state: Breaker.State["_tag"]) =>
  Effect.filterOrFail(breaker.state, ({ _tag }) => _tag === state, ({ _tag }) => `still ${_tag}`).pipe(
    Effect.retry({ schedule: Schedule.spaced("5 millis"), times: 2000 })
  )

const fail = (breaker: Breaker.Breaker) => Effect.ignore(breaker.execute(Effect.fail("529")))

describe.runIf(withTime)("a crowd of processes", () => {
  it.live("that asks at once gets one answer each, and nobody takes Redis for lost (rule 23)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const crowd = yield* crowdOn(server, {})
      yield* crowd[0]!.breaker.trip({ openFor: "1 second" })
      yield* Effect.forEach(crowd, ({ breaker }) => until(breaker, "Open"), { concurrency: "unbounded" })
      yield* Effect.sleep("1 second")
      let running = 0
      const probe = Effect.andThen(Effect.sync(() => running++), Effect.never)
      const asks = yield* Effect.forEach(crowd, ({ breaker }) => Effect.forkScoped(Effect.flip(breaker.execute(probe))))
      const refused = Effect.forEach(asks, (ask) => Effect.timeoutOption(Fiber.join(ask), "10 seconds"), {
        concurrency: "unbounded"
      })
      yield* Effect.raceFirst(
        refused,
        Effect.suspend(() => {
          const over = asks.filter((ask) => ask.pollUnsafe() !== undefined).length
          return over === size - 1 ? Effect.void : Effect.fail(over)
        }).pipe(Effect.retry(Schedule.spaced("5 millis")))
      )
      assert.strictEqual(running, 1)
      assert.deepStrictEqual(crowd.flatMap(({ lost }) => lost), [])
    }).pipe(Effect.scoped))

  it.live("that asks at once is answered or refused in time, and nobody takes Redis for lost because of the others", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const crowd = yield* crowdOn(server, { bound: "50 millis" })
      yield* crowd[0]!.breaker.trip({ openFor: "1 second" })
      yield* Effect.forEach(crowd, ({ breaker }) => until(breaker, "Open"), { concurrency: "unbounded" })
      yield* Effect.sleep("1 second")
      const asks = crowd.map(({ breaker }) => Effect.exit(breaker.execute(Effect.sleep("1 second"))))
      const answers = yield* Effect.all(asks, { concurrency: "unbounded" })
      // Whoever is given leave too late gives it back.
      assert.isAtMost(answers.filter(Exit.isSuccess).length, 1)
      assert.deepStrictEqual(crowd.flatMap(({ lost }) => lost), [])
    }).pipe(Effect.scoped))

  it.live("where one waits too long because others were before it is refused, its leave is given back, and Redis is not lost", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const options = {
        bound: "300 millis",
        poll: "1 hour",
        halfOpen: { concurrency: 2, successes: 2 }
      } as const
      const [member] = yield* crowdOn(proxy, options, 1)
      const { breaker, lost } = member!
      const { exchange } = breaker as unknown as { readonly exchange: { readonly isUnderWay: boolean } }
      yield* breaker.trip({ openFor: "100 millis" })
      yield* Effect.filterOrFail(breaker.state, ({ retryAfter }) => Duration.isZero(retryAfter)).pipe(
        Effect.retry(Schedule.spaced("5 millis"))
      )
      proxy.change({ _tag: "pass", delay: 100 })
      const home = yield* Deferred.make<void>()
      const first = yield* Effect.forkScoped(breaker.execute(Deferred.await(home)))
      yield* Effect.retry(
        Effect.filterOrFail(Effect.sync(() => exchange.isUnderWay), (is) => is),
        Schedule.spaced("1 millis")
      )
      // It is asked for once the first has its answer, and has waited for most of its time by then.
      const second = yield* Effect.flip(breaker.execute(Effect.void))
      assert.deepInclude(second, { _tag: "CircuitRejected", reason: "HalfOpen" })
      assert.strictEqual((yield* breaker.state)._tag, "HalfOpen")
      proxy.change({ _tag: "pass" })
      yield* Effect.retry(breaker.execute(Effect.void), { schedule: Schedule.spaced("5 millis"), times: 2000 })
      yield* Deferred.succeed(home, undefined)
      yield* Fiber.join(first)
      yield* until(breaker, "Closed")
      assert.deepStrictEqual(lost, [])
    }).pipe(Effect.scoped))

  it.live("that fails at once is counted to the last failure", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const crowd = yield* crowdOn(server, { tripPolicy: TripPolicy.consecutive(size) })
      yield* Effect.forEach(crowd, ({ breaker }) => fail(breaker), { concurrency: "unbounded" })
      const opened = yield* Effect.forEach(crowd, ({ breaker }) => until(breaker, "Open"), { concurrency: "unbounded" })
      assert.deepStrictEqual(opened.map(({ generation }) => generation), crowd.map(() => 1))
      assert.deepStrictEqual(crowd.flatMap(({ lost }) => lost), [])
    }).pipe(Effect.scoped))

  it.live("that waits for a verdict writes nothing more until it falls: whoever is still to be heard comes through", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const kept = (field: string) => server.send("HGET", "effect-breaker:circuit:openai", field)
      const writes = Effect.map(kept("version"), (version) => Number(version.split(".")[0]))
      const eventually = <A, E>(self: Effect.Effect<A, E>, is: (found: A) => boolean) =>
        Effect.filterOrFail(self, is, () => "not yet").pipe(
          Effect.retry({ schedule: Schedule.spaced("2 millis"), times: 2000 })
        )
      const options = {
        batch: { every: "20 millis" },
        grace: "500 millis",
        tripPolicy: TripPolicy.consecutive(3)
      } as const
      const [a, b] = (yield* crowdOn(server, options, 2)).map(({ breaker }) => breaker)
      const [silent] = yield* crowdOn(proxy, options, 1)
      yield* Effect.forEach([a!, b!, silent!.breaker], (breaker) => breaker.execute(Effect.void))
      // Whoever has calls under way is waited for.
      yield* Effect.forkScoped(silent!.breaker.execute(Effect.never))
      yield* eventually(
        kept("text"),
        (text) => text.startsWith("{") && (JSON.parse(text) as { counts: { inFlight: number } }).counts.inFlight === 1
      )

      proxy.change({ _tag: "drop" })
      yield* Effect.repeat(fail(a!), { times: 2 })
      yield* eventually(kept("text"), (text) => text.includes("suspectedAt"))
      const before = yield* writes
      yield* Effect.forkScoped(Effect.repeat(Effect.all([fail(a!), fail(b!)]), Schedule.spaced("5 millis")))
      yield* Effect.forEach([a!, b!], (breaker) => until(breaker, "Open"))
      const written = (yield* writes) - before
      // A client that closes waits for what it asked.
      proxy.change({ _tag: "cut" })
      assert.isAtMost(written, 6)
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))))
})
