import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { Breaker, BreakerMap, TripPolicy } from "effect-breaker"
import { SharedBreaker } from "effect-breaker/redis"
import { Redis } from "effect/persistence"
import { TestClock } from "effect/testing"
import { makeProxy, type Proxy } from "./detour.ts"
import {
  answerOf,
  countOf,
  eventually,
  fail,
  goOn,
  hanging,
  happened,
  keptOf,
  keyOf,
  mapOf,
  type Member,
  memberOf,
  redisOf,
  stop,
  storeOf,
  until,
  untilStore
} from "./members.ts"
import { makeProxy as makeSlowProxy } from "./proxy.ts"
import { makeServer, type Server, withTime } from "./server.ts"

interface There {
  readonly server: Server
  readonly proxy: Proxy
}

/** Ways in which Redis goes, and comes back. */
const losses: Record<string, {
  readonly lose: (there: There) => Effect.Effect<unknown>
  readonly find: (there: There) => Effect.Effect<unknown>
}> = {
  "is killed, and comes back empty": {
    lose: ({ server }) => server.kill,
    find: ({ server }) => server.start
  },
  "is stopped, and goes on": {
    lose: ({ server }) => stop(server),
    find: ({ server }) => goOn(server)
  },
  "answers too late": {
    lose: ({ proxy }) => Effect.sync(() => proxy.delay = 1500),
    find: ({ proxy }) => Effect.sync(() => proxy.delay = 0)
  },
  "is cut off, so that what is sent to it is swallowed": {
    lose: ({ proxy }) => Effect.sync(() => proxy.swallows = "all"),
    find: ({ proxy }) => Effect.sync(() => proxy.swallows = "nothing")
  },
  "takes no more, its memory being full": {
    lose: ({ server: { send } }) => send("CONFIG", "SET", "maxmemory", "1"),
    find: ({ server: { send } }) => send("CONFIG", "SET", "maxmemory", "0")
  },
  "becomes a replica, which nobody may write": {
    lose: ({ server: { send } }) => send("REPLICAOF", "127.0.0.1", "1"),
    find: ({ server: { send } }) => send("REPLICAOF", "NO", "ONE")
  }
}

describe.runIf(withTime)("a circuit whose Redis", () => {
  for (const [how, { find, lose }] of Object.entries(losses)) {
    it.live(`${how}: goes on alone, says so, and is shared again`, () =>
      Effect.gen(function*() {
        const server = yield* makeServer("--maxmemory-policy", "noeviction")
        const proxy = yield* makeProxy(server.port)
        const [a, b] = [yield* memberOf(proxy), yield* memberOf(proxy)]
        assert.deepStrictEqual([yield* answerOf(a), yield* answerOf(b)], ["an answer", "an answer"])
        yield* lose({ server, proxy })
        yield* fail(a)
        yield* fail(b)
        for (const member of [a, b]) {
          yield* untilStore(member, "lost")
          assert.strictEqual(yield* answerOf(member), "an answer")
        }
        yield* fail(a, 3)
        assert.strictEqual(yield* answerOf(a), "Open: consecutive")
        assert.strictEqual(yield* answerOf(b), "an answer")
        yield* find({ server, proxy })
        for (const member of [a, b]) {
          yield* untilStore(member, "shared")
          const told = happened(member).filter((one) => one.startsWith("Store"))
          assert.deepStrictEqual(told, ["StoreLost", "StoreFound"])
        }
        // From now on failures add up again.
        yield* eventually(
          Effect.andThen(fail(b, 3), Effect.all([a.breaker.state, b.breaker.state])),
          (states) => states.every(({ _tag }) => _tag === "Open")
        )
      }).pipe(Effect.scoped))
  }

  it.live("is slower than a call may wait: shares while it is closed, and goes on alone where it would have to ask", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const options = { bound: "150 millis", openDuration: "1 second", halfOpen: { successes: 1 } } as const
      const [a, b] = [yield* memberOf(proxy, options), yield* memberOf(proxy, options)]
      proxy.delay = 300
      yield* fail(a, 2)
      yield* fail(b)
      yield* Effect.forEach([a, b], (member) => until(member, "Open"))
      assert.deepStrictEqual([yield* storeOf(a), yield* storeOf(b)], ["shared", "shared"])
      yield* Effect.sleep("1 second")
      assert.strictEqual(yield* answerOf(a), "an answer")
      assert.deepStrictEqual([yield* storeOf(a), (yield* a.breaker.state)._tag], ["lost", "Closed"])
      yield* Effect.sleep("500 millis")
      assert.strictEqual(yield* storeOf(a), "lost")
      proxy.delay = 0
      yield* untilStore(a, "shared")
      // What it was too late to be told, that a probe may go, it gives back.
      yield* eventually(Effect.andThen(answerOf(a), b.breaker.state), ({ _tag }) => _tag === "Closed")
      yield* until(a, "Closed")
    }).pipe(Effect.scoped))

  it.live("is down when the program starts: calls go through, and are shared when it is there", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      yield* server.kill
      const [a, b] = [yield* memberOf(server), yield* memberOf(server)]
      assert.deepStrictEqual([yield* answerOf(a), yield* storeOf(a)], ["an answer", "lost"])
      yield* server.start
      yield* Effect.forEach([a, b], (member) => untilStore(member, "shared"))
      yield* fail(a, 2)
      yield* fail(b)
      yield* Effect.forEach([a, b], (member) => until(member, "Open"))
    }).pipe(Effect.scoped))

  it.live("is down: the circuits of a map go on alone too, those that are made meanwhile as well", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      yield* server.kill
      const map = yield* mapOf(server)
      yield* Effect.fail("529").pipe(map.execute({ key: "large" }), Effect.ignore)
      yield* Effect.succeed("an answer").pipe(map.execute({ key: "small" }))
      assert.deepStrictEqual((yield* map.snapshots).map(({ name, store }) => [name, store]), [
        ["large", "lost"],
        ["small", "lost"]
      ])
      yield* server.start
      yield* eventually(map.snapshots, (all) => all.every(({ store }) => store === "shared"))
    }).pipe(Effect.scoped))

  it.live("forgets its scripts, or kills its clients: nobody notices", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const [a, b] = [yield* memberOf(server), yield* memberOf(server)]
      yield* fail(a)
      yield* server.send("SCRIPT", "FLUSH")
      yield* fail(b)
      yield* Effect.sleep("100 millis")
      yield* server.send("CLIENT", "KILL", "TYPE", "normal")
      yield* server.send("CLIENT", "KILL", "TYPE", "pubsub")
      yield* Effect.sleep("500 millis")
      yield* fail(a)
      yield* Effect.forEach([a, b], (member) => until(member, "Open"))
      assert.deepStrictEqual([countOf(a, "StoreLost"), countOf(b, "StoreLost")], [0, 0])
    }).pipe(Effect.scoped))

  it.live("is found and lost again and again: is asked less and less often", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* memberOf(server)
      // A pulse passes, and nothing else.
      yield* server.send("ACL", "SETUSER", "default", "-evalsha")
      yield* fail(member)
      yield* untilStore(member, "lost")
      yield* server.send("ACL", "SETUSER", "default", "+evalsha", "resetkeys", "~effect-breaker:pulse")
      yield* Effect.sleep("2 seconds")
      yield* server.send("ACL", "SETUSER", "default", "allkeys")
      yield* untilStore(member, "shared")
      assert.isBelow(countOf(member, "StoreLost"), 8)
    }).pipe(Effect.scoped))
})

// ---------------------------------------------------------------------------------------------------------------------

/** A Redis that counts what it is asked at once. */
const counted = (redis: Redis.Redis["Service"]) => {
  const seen = { running: 0, most: 0, all: 0 }
  const count = <A, E>(ask: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      seen.all++
      seen.most = Math.max(seen.most, ++seen.running)
      return Effect.ensuring(ask, Effect.sync(() => seen.running--))
    })
  const service: Redis.Redis["Service"] = {
    ...redis,
    send: (command, ...args) => count(redis.send(command, ...args)),
    eval: (script) => (...params) => count(redis.eval(script)(...params))
  }
  return { seen, service }
}

describe.runIf(withTime)("while Redis is away", () => {
  it.live("it is asked one thing at a time, and nothing is kept for later but orders", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const context = yield* Layer.build(redisOf(server))
      const { seen, service } = counted(Context.get(context, Redis.Redis))
      const layer = SharedBreaker.layer({ name: "openai", batch: { every: "20 millis" } })
      const breaker = Context.get(
        yield* Layer.build(Layer.provide(layer, Layer.succeed(Redis.Redis, service))),
        Breaker.Breaker
      )
      const member = { breaker, events: [] }
      yield* answerOf(member)
      yield* stop(server)
      yield* untilStore(member, "lost")
      seen.most = 0
      for (let i = 0; i < 2000; i++) yield* answerOf(member)
      for (let i = 0; i < 1100; i++) yield* breaker.setMode("enforce")
      yield* Effect.sleep("500 millis")
      assert.isAtMost(seen.most, 1)
      const { exchange } = breaker as never as {
        readonly exchange: {
          readonly happened: ReadonlyArray<unknown>
          readonly asks: ReadonlyArray<unknown>
          readonly probes: ReadonlyArray<unknown>
          readonly orders: { readonly waiting: ReadonlyArray<unknown> }
        }
      }
      const { asks, happened, orders, probes } = exchange
      assert.deepStrictEqual([happened.length, asks.length, probes.length, orders.waiting.length], [0, 0, 0, 1000])
      yield* goOn(server)
      yield* untilStore(member, "shared")
    }).pipe(Effect.scoped))

  it.live("a program with a thousand circuits does not drown it when it is back", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const context = yield* Layer.build(redisOf(server))
      const { seen, service } = counted(Context.get(context, Redis.Redis))
      const layer = SharedBreaker.layerMap({ batch: { every: "20 millis" }, bound: "2 seconds" })
      const map = Context.get(
        yield* Layer.build(Layer.provide(layer, Layer.succeed(Redis.Redis, service))),
        BreakerMap.BreakerMap
      )
      const call = (key: number) => Effect.void.pipe(map.execute({ key: `tenant ${key}` }))
      yield* Effect.forEach(Array.from({ length: 1000 }, (_, i) => i), call, { concurrency: 10, discard: true })
      yield* server.kill
      const isLost = Effect.map(map.snapshots, (all) => all.every(({ store }) => store === "lost"))
      yield* eventually(Effect.andThen(call(1), isLost), (is) => is)
      seen.most = 0
      yield* server.start
      yield* eventually(
        Effect.map(map.snapshots, (all) => all.every(({ store }) => store === "shared") && seen.running === 0),
        (is) => is
      )
      assert.isAtMost(seen.most, 32)
    }).pipe(Effect.scoped))
})

// ---------------------------------------------------------------------------------------------------------------------

/** Lets real answers of Redis come in. */
const turn = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 1)))

describe.runIf(withTime)("a call that has to wait for Redis", () => {
  it.live("waits for the bound and no longer, where Redis does not answer, and then goes on alone", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const redis = Layer.succeedContext(yield* Layer.build(redisOf(server)))
      yield* Effect.scoped(Effect.gen(function*() {
        const layer = SharedBreaker.layerMap({ bound: "40 millis" }).pipe(Layer.provide(redis))
        const map = Context.get(yield* Layer.build(layer), BreakerMap.BreakerMap)
        yield* stop(server)
        const call = yield* Effect.forkChild(Effect.succeed("an answer").pipe(map.execute({ key: "large" })))
        for (let i = 0; i < 20; i++) yield* turn
        yield* TestClock.adjust("39 millis")
        assert.isUndefined(call.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* Fiber.join(call), "an answer")
        // Nobody waits twice.
        assert.strictEqual(yield* Effect.succeed("another").pipe(map.execute({ key: "small" })), "another")
      })).pipe(Effect.provide(TestClock.layer()))
      yield* goOn(server)
    }).pipe(Effect.scoped))
})

// ---------------------------------------------------------------------------------------------------------------------

describe.runIf(withTime)("a scope that closes", () => {
  /** What is kept of the calls of all. */
  const counts = (server: Server) =>
    Effect.map(server.send("HGET", keyOf(), "text"), (text) => {
      const { counts } = JSON.parse(text) as {
        readonly counts: { readonly successes: number; readonly failures: number }
      }
      return [counts.successes, counts.failures]
    })
  const isUnderWay = ({ breaker }: Member) =>
    (breaker as unknown as { readonly exchange: { readonly isUnderWay: boolean } }).exchange.isUnderWay
  const policy = { tripPolicy: TripPolicy.consecutive(10) } as const

  it.live("waits for a report that is under way, and tells what happened to calls meanwhile", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeSlowProxy(server.port)
      const scope = yield* Scope.make()
      const member = yield* Scope.provide(memberOf(proxy, policy), scope)
      proxy.change({ _tag: "pass", delay: 50 })
      yield* fail(member)
      yield* eventually(Effect.sync(() => isUnderWay(member)), (is) => is)
      yield* fail(member, 2)
      yield* answerOf(member)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* counts(server), [1, 3])
    }).pipe(Effect.scoped))

  it.live("tells what comes after a suspicion too, and waits for no verdict", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const options = { tripPolicy: TripPolicy.consecutive(3), grace: "1 hour" } as const
      const proxy = yield* makeSlowProxy(server.port)
      const silent = yield* memberOf(proxy, options)
      yield* hanging(silent)
      yield* eventually(keptOf(server), (kept) => kept?.members.some(([, , running]) => running === 1) === true)
      proxy.change({ _tag: "drop" })
      const scope = yield* Scope.make()
      const member = yield* Scope.provide(memberOf(server, options), scope)
      yield* fail(member, 3)
      yield* eventually(server.send("HGET", keyOf(), "text"), (text) => text.includes("suspectedAt"))
      yield* eventually(Effect.sync(() => isUnderWay(member)), (is) => !is)
      yield* fail(member, 2)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* counts(server), [0, 5])
      // A client that closes waits for what it asked.
      proxy.change({ _tag: "cut" })
    }).pipe(Effect.scoped))

  it.live("waits no longer than a call would, where Redis is silent", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeSlowProxy(server.port)
      const scope = yield* Scope.make()
      const member = yield* Scope.provide(memberOf(proxy, { ...policy, bound: "100 millis" }), scope)
      proxy.change({ _tag: "drop" })
      yield* fail(member)
      yield* Scope.close(scope, Exit.void)
      assert.isAbove(proxy.dropped(), 0)
    }).pipe(Effect.scoped))
})
