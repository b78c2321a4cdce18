/** A breaker around the calls of an `RpcClient`, over real HTTP. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { Breaker, TripPolicy, withBreaker } from "effect-breaker"
import { FetchHttpClient, HttpRouter, HttpServer } from "effect/http"
import { Rpc, RpcClient, RpcGroup, RpcMiddleware, RpcSerialization, RpcServer } from "effect/rpc"
import { createServer } from "node:http"

class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", {}) {}
class Guard extends RpcMiddleware.Service<Guard>()("test/Guard", { requiredForClient: true }) {}

const Ask = Rpc.make("Ask", { success: Schema.String, error: Overloaded })
const Models = RpcGroup.make(Ask, Ask.prefix("Guarded").middleware(Guard))

/** A server with one way to answer, and a client of it whose guarded calls go through the breaker as a middleware. */
const make = (answer: Effect.Effect<string, Overloaded>) =>
  Effect.gen(function*() {
    const breaker = yield* Breaker.make({ name: "models", tripPolicy: TripPolicy.consecutive(1) })
    const server = yield* Scope.fork(yield* Effect.scope)
    const Server = HttpRouter.serve(
      RpcServer.layerHttp({ group: Models, path: "/rpc", protocol: "http" }).pipe(
        Layer.provide(Models.toLayer({ Ask: () => answer, GuardedAsk: () => answer })),
        Layer.provide(Layer.succeed(Guard, (effect) => effect)),
        Layer.provide(RpcSerialization.layerNdjson)
      ),
      { disableLogger: true, disableListenLog: true }
    ).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: 0 }))
    )
    const services = yield* Layer.buildWithScope(Server, server)
    const { address } = Context.get(services, HttpServer.HttpServer)
    const url = address._tag === "InetAddressV4" ? `http://127.0.0.1:${address.port}/rpc` : ""

    const Client = Layer.mergeAll(
      RpcClient.layerProtocolHttp({ url }).pipe(
        Layer.provide([FetchHttpClient.layer, RpcSerialization.layerNdjson])
      ),
      RpcMiddleware.layerClient(
        Guard,
        ({ next, request }) => Effect.orDie(Effect.provideService(withBreaker(next(request)), Breaker.Breaker, breaker))
      )
    )
    const client = yield* RpcClient.make(Models).pipe(Effect.provide(yield* Layer.build(Client)))
    return { breaker, client, stop: Scope.close(server, Exit.void) }
  })

describe("a breaker around a call of an RpcClient", () => {
  it.live("hears the answer, and what the service fails with", () =>
    Effect.gen(function*() {
      let answer: Effect.Effect<string, Overloaded> = Effect.succeed("Fine.")
      const { breaker, client } = yield* make(Effect.suspend(() => answer))
      const ask = client.Ask(undefined).pipe(breaker.execute)

      assert.strictEqual(yield* ask, "Fine.")
      answer = Effect.fail(new Overloaded())
      assert.strictEqual((yield* Effect.flip(ask))._tag, "Overloaded")
      assert.strictEqual((yield* Effect.flip(ask))._tag, "CircuitRejected")
      const { failures, successes } = yield* breaker.snapshot
      assert.deepStrictEqual([successes, failures], [1, 1])
    }))

  it.live("counts a service that is not there", () =>
    Effect.gen(function*() {
      const { breaker, client, stop } = yield* make(Effect.succeed("Fine."))
      const ask = client.Ask(undefined).pipe(breaker.execute)
      yield* stop

      assert.strictEqual((yield* Effect.flip(ask))._tag, "RpcClientError")
      assert.strictEqual((yield* breaker.state)._tag, "Open")
    }))

  it.live("ends the work of the service when its caller leaves, and counts nothing", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const left = yield* Deferred.make<void>()
      const answer = Deferred.succeed(started, undefined).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Deferred.succeed(left, undefined))
      )
      const { breaker, client } = yield* make(answer)
      const caller = yield* Effect.forkChild(client.Ask(undefined).pipe(breaker.execute))
      yield* Deferred.await(started)
      assert.strictEqual((yield* breaker.snapshot).inFlight, 1)
      yield* Fiber.interrupt(caller)

      yield* Deferred.await(left)
      const { failures, ignored, inFlight } = yield* breaker.snapshot
      assert.deepStrictEqual([inFlight, ignored, failures], [0, 1, 0])
    }))

  it.live("as a middleware of the client never hears what the service fails with", () =>
    Effect.gen(function*() {
      const { breaker, client } = yield* make(Effect.fail(new Overloaded()))

      for (let i = 0; i < 5; i++) yield* Effect.flip(client.GuardedAsk(undefined))

      const { failures, state } = yield* breaker.snapshot
      assert.deepStrictEqual([failures, state], [0, "Closed"])
    }))
})
