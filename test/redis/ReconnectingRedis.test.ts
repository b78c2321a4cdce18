import { NodeRedis } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, Queue, Schedule } from "effect"
import { ReconnectingRedis } from "effect-breaker/redis"
import { Redis } from "effect/persistence"
import { makeProxy } from "./detour.ts"
import { makeServer, withTime } from "./server.ts"

const connected = (options: Parameters<typeof NodeRedis.layer>[0]) =>
  Effect.map(
    Layer.build(ReconnectingRedis.layer(NodeRedis.layer(options)).pipe(Layer.provide(Logger.layer([])))),
    (context) => Context.get(context, Redis.Redis)
  )

const patiently = Schedule.max([Schedule.spaced("20 millis"), Schedule.recurs(1000)])

/** Tries until a command is answered. */
const answered = (redis: Redis.Redis["Service"]) => Effect.retry(redis.send("PING"), patiently)

const reasonOf = ({ cause }: Redis.RedisError) => cause instanceof Error ? cause.message : String(cause)

/** The connections to a server, but for the one that asks. */
const clientsIn = (list: string) =>
  list.split("\n").filter((line) => line !== "" && !line.includes("cmd=client|list")).length

describe.runIf(withTime)("ReconnectingRedis", () => {
  it.live("starts though Redis is down, refuses commands at once, and connects when it is there", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      yield* server.kill
      const redis = yield* connected({ url: server.url })
      assert.match(reasonOf(yield* Effect.flip(redis.send("PING"))), /no connection: .*ECONNREFUSED/)
      yield* server.start
      assert.strictEqual(yield* answered(redis), "PONG")
    }).pipe(Effect.scoped))

  it.live("starts though the client never gives up connecting", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      yield* server.kill
      const redis = yield* connected({ url: server.url, socket: { reconnectStrategy: 50 } })
      assert.match(reasonOf(yield* Effect.flip(redis.send("PING"))), /no connection: it was not reached yet/)
      yield* server.start
      assert.strictEqual(yield* answered(redis), "PONG")
    }).pipe(Effect.scoped))

  it.live("hears what is published, from before there was a connection to after the server came back empty", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      yield* server.kill
      const redis = yield* connected({ url: server.url })
      const heard = yield* redis.subscribe("news")
      const hears = (word: string) =>
        Effect.gen(function*() {
          const taking = yield* Effect.forkChild(Queue.take(heard))
          const publish = Effect.filterOrFail(server.send("PUBLISH", "news", word), (count) => count === "1")
          yield* Effect.retry(publish, patiently)
          assert.strictEqual((yield* Fiber.join(taking)).message, word)
        })
      yield* server.start
      yield* hears("first")
      yield* server.kill
      yield* server.start
      yield* hears("second")
    }).pipe(Effect.scoped))

  it.live("makes a new client where the old one is dead for ever", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const redis = yield* connected({ url: server.url, socket: { socketTimeout: 100 }, pingInterval: 50 })
      yield* answered(redis)
      server.process()?.kill("SIGSTOP")
      const isRefused = Effect.filterOrFail(Effect.flip(redis.send("PING")), (error) =>
        /no connection/.test(reasonOf(error)))
      yield* Effect.retry(isRefused, patiently)
      server.process()?.kill("SIGCONT")
      assert.strictEqual(yield* answered(redis), "PONG")
    }).pipe(Effect.scoped))

  it.live("leaves a connection on which nobody answers, with what was under way on it", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const redis = yield* connected({ url: proxy.url })
      proxy.swallows = "all"
      const waits = yield* Effect.forkChild(Effect.flip(redis.send("PING")), { startImmediately: true })
      yield* Effect.timeoutOption(redis.send("PING"), 10)
      assert.match(reasonOf(yield* Fiber.join(waits)), /stopped answering/)
      proxy.swallows = "nothing"
      assert.strictEqual(yield* answered(redis), "PONG")
      yield* Effect.retry(
        Effect.filterOrFail(Effect.sync(() => proxy.connections()), (count) => count === 1),
        patiently
      )
    }).pipe(Effect.scoped))

  it.live("keeps a connection where Redis answers, though a command failed", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const redis = yield* connected({ url: server.url })
      const id = yield* redis.send("CLIENT", "ID")
      assert.include(reasonOf(yield* Effect.flip(redis.send("HGET", "one"))), "wrong number of arguments")
      yield* Effect.sleep("300 millis")
      assert.strictEqual(yield* redis.send("CLIENT", "ID"), id)
    }).pipe(Effect.scoped))

  it.live("closes its connections with the scope, and waits for nobody who does not answer", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      yield* Effect.scoped(Effect.gen(function*() {
        const redis = yield* connected({ url: proxy.url })
        yield* redis.subscribe("news")
        yield* answered(redis)
        yield* Effect.retry(
          Effect.filterOrFail(server.send("CLIENT", "LIST"), (list) => list.includes("cmd=subscribe")),
          patiently
        )
        assert.strictEqual(clientsIn(yield* server.send("CLIENT", "LIST")), 2)
        proxy.swallows = "all"
        yield* Effect.forkScoped(Effect.ignore(redis.send("PING")), { startImmediately: true })
      }))
      yield* Effect.retry(
        Effect.filterOrFail(server.send("CLIENT", "LIST"), (list) => clientsIn(list) === 0),
        patiently
      )
    }).pipe(Effect.scoped))
})
