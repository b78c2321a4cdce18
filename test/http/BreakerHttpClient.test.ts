import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Option, Schedule, Schema, Stream } from "effect"
import { BreakerMap, CircuitRejected, TripPolicy } from "effect-breaker"
import { BreakerHttpClient } from "effect-breaker/http"
import { LlmBreaker } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiClient, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { troubles } from "../llm/circuits.ts"
import { answering, eventually, type Handler, serve, settled, untilDone } from "./serving.ts"

/** A guarded client, and a server of its own. */
const guarding = (handler: Handler, options: BreakerMap.Options = {}, given: BreakerHttpClient.InContext = {}) =>
  Effect.gen(function*() {
    const server = yield* serve(handler)
    const map = yield* BreakerMap.make({ tripPolicy: TripPolicy.never, ...options })
    const bare = yield* HttpClient.HttpClient
    const client = BreakerHttpClient.withBreaker(bare, { ...given, breakers: map })
    return { server, map, bare, client }
  })

const breaking = (bytes: string, type = "text/plain"): Handler => (_, response) => {
  response.writeHead(200, { "content-type": type })
  response.write(bytes, () => response.destroy())
}

const hanging = (bytes: string): Handler => (_, response) => {
  response.writeHead(200, { "content-type": "text/plain" })
  response.write(bytes)
}

const backends = {
  fetch: FetchHttpClient.layer,
  "node:http": NodeHttpClient.layerNodeHttp,
  // This undici does not load on Node 20.
  ...(Number.parseInt(process.versions.node) >= 22 && { undici: NodeHttpClient.layerUndici })
}

describe.each(Object.entries(backends))("BreakerHttpClient.withBreaker over %s", (name, backend) => {
  it.effect("passes the response on as it is, however its body is read", () =>
    Effect.gen(function*() {
      const { client, map, server } = yield* guarding((_, response) => {
        response.writeHead(201, { "content-type": "application/json", "x-one": "1", "set-cookie": ["a=1", "b=2"] })
        response.end(`{"hello":"wörld"}`)
      })

      const response = yield* client.get(`${server.url}/path?q=1`)

      assert.deepStrictEqual([response.status, response.headers["x-one"]], [201, "1"])
      assert.strictEqual(response.url, `${server.url}/path?q=1`)
      assert.strictEqual(response.request.method, "GET")
      assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["a", "b"])
      assert.isTrue(HttpClientResponse.TypeId in response)
      assert.strictEqual(yield* response.text, `{"hello":"wörld"}`)
      assert.deepStrictEqual(yield* response.json, { hello: "wörld" })
      assert.strictEqual((yield* response.arrayBuffer).byteLength, 18)
      const again = yield* client.get(server.url)
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText(again.stream)), `{"hello":"wörld"}`)
      assert.strictEqual(yield* settled(map), "successes: 2")
    }).pipe(Effect.provide(backend)))

  it.effect("passes what has no body on as it is", () =>
    Effect.gen(function*() {
      const { client, map, server } = yield* guarding(answering(204))

      const response = yield* client.get(server.url)
      const head = yield* client.head(server.url)

      assert.deepStrictEqual([response.status, yield* response.text], [204, ""])
      assert.strictEqual(head.status, 204)
      assert.strictEqual(yield* settled(map), "successes: 2")
    }).pipe(Effect.provide(backend)))

  it.effect("refuses without a request, and adds that one error", () =>
    Effect.gen(function*() {
      const { client, server } = yield* guarding(answering(503, "down"), { tripPolicy: TripPolicy.consecutive(2) })

      const bodies = [yield* client.get(server.url), yield* client.get(`${server.url}/other`)]
      const error = yield* Effect.flip(client.get(server.url))

      assert.strictEqual(yield* bodies[0]!.text, "down")
      assert.strictEqual(error._tag, "CircuitRejected")
      assert.instanceOf(error, CircuitRejected)
      assert.deepStrictEqual([error.circuit, error.reason], [server.url, "Open"])
      assert.lengthOf(server.seen, 2)
    }).pipe(Effect.provide(backend)))

  it.effect("passes transport errors on, and counts them", () =>
    Effect.gen(function*() {
      const { bare, client, map, server } = yield* guarding((request) => request.socket.destroy())

      const own = yield* Effect.flip(bare.get(server.url))
      const error = yield* Effect.flip(client.get(server.url))

      assert.instanceOf(error, HttpClientError.HttpClientError)
      assert.deepStrictEqual([error.reason._tag, error.message], [own.reason._tag, own.message])
      assert.strictEqual(yield* settled(map), "failures: 1")
    }).pipe(Effect.provide(backend)))

  it.effect("votes Failure where the body breaks off, with the error that it breaks off with", () =>
    Effect.gen(function*() {
      const { bare, client, map, server } = yield* guarding(breaking("half"))
      const read = (from: typeof bare | typeof client) =>
        Effect.flip(Effect.flatMap(from.get(server.url), (response) => response.text))
      const stream = Effect.flip(Effect.flatMap(client.get(server.url), ({ stream }) => Stream.runDrain(stream)))

      const own = yield* read(bare)
      const errors = [yield* read(client), yield* stream]

      assert.instanceOf(own, HttpClientError.HttpClientError)
      for (const error of errors) {
        assert.instanceOf(error, HttpClientError.HttpClientError)
        assert.deepStrictEqual([error.reason._tag, error.message], [own.reason._tag, own.message])
      }
      assert.strictEqual(yield* settled(map), "failures: 2")
    }).pipe(Effect.provide(backend)))

  it.effect("ends the call of a body that nobody reads", () =>
    Effect.gen(function*() {
      const { client, map, server } = yield* guarding(answering(200, "x".repeat(10_000)))

      yield* client.get(server.url)

      assert.strictEqual(yield* settled(map), "successes: 1")
    }).pipe(Effect.provide(backend)))

  it.live("lets a long body that nobody reads go, with its connection, when its response is collected", () =>
    Effect.gen(function*() {
      setFlagsFromString("--expose-gc")
      const collect = runInNewContext("gc") as () => void
      const { client, map, server } = yield* guarding((_, response) => {
        response.writeHead(200, { "content-type": "text/plain" })
        response.write("x".repeat(10_000_000))
      })

      yield* Effect.asVoid(client.get(server.url))

      assert.strictEqual(yield* settled(map), "successes: 1")
      yield* eventually(() => {
        collect()
        return server.aborted()
      }, 1)
    }).pipe(Effect.provide(backend)))

  it.effect("votes on an error before its response is there, by what its body says", () =>
    Effect.gen(function*() {
      const quota = { error: { type: "insufficient_quota", code: "insufficient_quota", message: "Check your plan" } }
      const { client, map, server } = yield* guarding(answering(429, quota))

      const response = yield* client.get(server.url)

      assert.strictEqual((yield* map.snapshots)[0]?.state, "Open")
      assert.deepStrictEqual(yield* response.json, quota)
    }).pipe(Effect.provide(backend)))

  it.effect("ignores who is interrupted, before the answer and in the middle of it, and drops the connection", () =>
    Effect.gen(function*() {
      const { client, map, server } = yield* guarding((request, response) => {
        if (request.url !== "/silent") hanging("begun")(request, response)
      })
      const text = yield* client.get(`${server.url}/text`)
      const stream = yield* client.get(`${server.url}/stream`)
      const reading = yield* Effect.forEach(
        [client.get(`${server.url}/silent`), text.text, Stream.runDrain(stream.stream)],
        (read) => Effect.forkChild(read as Effect.Effect<unknown, unknown>, { startImmediately: true })
      )
      yield* server.arrived(3)

      for (const fiber of reading) {
        yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      }

      assert.strictEqual(yield* settled(map), "ignored: 3")
      yield* eventually(() => server.aborted(), 3)
    }).pipe(Effect.provide(backend)))

  it.effect("takes a reader that stops early for a Success, and drops the connection", () =>
    Effect.gen(function*() {
      const { client, map, server } = yield* guarding(hanging("begun"))

      const { stream } = yield* client.get(server.url)
      const first = yield* Stream.runCollect(Stream.take(Stream.decodeText(stream), 1))

      assert.deepStrictEqual(first, ["begun"])
      assert.strictEqual(yield* settled(map), "successes: 1")
      yield* eventually(() => server.aborted(), 1)
    }).pipe(Effect.provide(backend)))

  it.effect("lets a silent body fail at its limit, and not before", () =>
    Effect.gen(function*() {
      const { client, map, server } = yield* guarding(hanging("begun"), {}, { idle: "5 seconds" })
      const reading = yield* Effect.forkChild(
        Effect.flip(Effect.flatMap(client.get(server.url), (response) => response.text))
      )
      yield* server.arrived(1)

      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(reading.pollUnsafe())
      const error = yield* untilDone(reading, "5 seconds")

      assert.instanceOf(error, HttpClientError.HttpClientError)
      assert.strictEqual(error.reason._tag, "DecodeError")
      assert.isTrue(Cause.isTimeoutError(error.cause))
      assert.strictEqual(yield* settled(map), "failures: 1")
    }).pipe(Effect.provide(backend)))

  it.effect("hands over the Web response, where there is one, with its body", () =>
    Effect.gen(function*() {
      const { client, map, server } = yield* guarding(answering(200, "a body"))

      const response = HttpClientResponse.toWeb(yield* client.get(server.url))

      assert.strictEqual(Option.isSome(response), name === "fetch")
      if (Option.isSome(response)) {
        assert.deepStrictEqual([response.value.status, response.value.url], [200, `${server.url}/`])
        assert.strictEqual(yield* Effect.promise(() => response.value.text()), "a body")
      }
      assert.strictEqual(yield* settled(map), "successes: 1")
    }).pipe(Effect.provide(backend)))
})

/** How a client behaves to a host that fails: what it ends with, and how many requests that took. */
const order = <E, R>(
  compose: (
    client: HttpClient.HttpClient,
    map: BreakerMap.BreakerMap
  ) => HttpClient.HttpClient.With<E, R>,
  { calls = 1, handler = answering(503), policy = TripPolicy.consecutive(3) } = {}
) =>
  Effect.gen(function*() {
    const server = yield* serve(handler)
    const map = yield* BreakerMap.make({ tripPolicy: policy, openDuration: "1 hour" })
    const client = compose(yield* HttpClient.HttpClient, map)
    const began = yield* Clock.currentTimeMillis
    const ends: Array<string> = []
    for (let i = 0; i < calls; i++) {
      const exit = yield* Effect.exit(client.get(`${server.url}/0`))
      ends.push(Exit.isSuccess(exit) ? String(exit.value.status) : (Cause.squash(exit.cause) as Error).name)
    }
    const [first] = yield* map.snapshots
    const took = (yield* Clock.currentTimeMillis) - began
    return {
      ends,
      took,
      seen: server.seen.length,
      votes: (first?.failures ?? 0) + (first?.successes ?? 0),
      map,
      server
    }
  })

const soon = { times: 4, schedule: Schedule.spaced("1 millis") }

describe("the order of", () => {
  describe("retryTransient and the breaker", () => {
    it.live("outside: every attempt asks and votes, and a refusal ends the retries", () =>
      Effect.gen(function*() {
        const { ends, seen, votes } = yield* order(
          (client, breakers) =>
            client.pipe(BreakerHttpClient.withBreaker({ breakers }), HttpClient.retryTransient(soon)),
          { calls: 2 }
        )

        assert.deepStrictEqual(ends, ["CircuitRejected", "CircuitRejected"])
        assert.deepStrictEqual([seen, votes], [3, 3])
      }).pipe(Effect.provide(FetchHttpClient.layer)))

    it.live("inside: a call asks once and votes once, and each costs the host all of its attempts", () =>
      Effect.gen(function*() {
        const { ends, seen, votes } = yield* order(
          (client, breakers) =>
            client.pipe(HttpClient.retryTransient(soon), BreakerHttpClient.withBreaker({ breakers })),
          { calls: 4 }
        )

        assert.deepStrictEqual(ends, ["503", "503", "503", "CircuitRejected"])
        assert.deepStrictEqual([seen, votes], [15, 3])
      }).pipe(Effect.provide(FetchHttpClient.layer)))
  })

  describe("a timeout and the breaker", () => {
    const silent: Handler = () => {}
    const timeout = HttpClient.transformResponse(Effect.timeout("20 millis"))

    it.live("inside: it counts, and the circuit opens", () =>
      Effect.gen(function*() {
        const { ends, seen } = yield* order(
          (client, breakers) => client.pipe(timeout, BreakerHttpClient.withBreaker({ breakers })),
          { calls: 6, handler: silent }
        )

        assert.deepStrictEqual(ends.slice(2), ["TimeoutError", "CircuitRejected", "CircuitRejected", "CircuitRejected"])
        assert.strictEqual(seen, 3)
      }).pipe(Effect.provide(FetchHttpClient.layer)))

    it.live("outside: it is an interruption, nobody counts, and the host is asked for ever", () =>
      Effect.gen(function*() {
        const { ends, seen, votes } = yield* order(
          (client, breakers) => client.pipe(BreakerHttpClient.withBreaker({ breakers }), timeout),
          { calls: 6, handler: silent }
        )

        assert.deepStrictEqual(ends, ends.map(() => "TimeoutError"))
        assert.deepStrictEqual([seen, votes], [6, 0])
      }).pipe(Effect.provide(FetchHttpClient.layer)))
  })

  describe("redirects and the breaker", () => {
    /** A host that sends on to another, which is down. */
    const hops = <E, R>(
      compose: (client: HttpClient.HttpClient, map: BreakerMap.BreakerMap) => HttpClient.HttpClient.With<E, R>
    ) =>
      Effect.gen(function*() {
        const down = yield* serve(answering(503, "down"))
        const sender = yield* serve((_, response) => {
          response.writeHead(302, { location: `${down.url}/there`, "content-type": "text/plain" }).end("moved")
        })
        const map = yield* BreakerMap.make({ tripPolicy: TripPolicy.consecutive(1) })
        const client = compose(yield* HttpClient.HttpClient, map)
        const response = yield* client.get(sender.url)
        yield* response.text
        const states = new Map((yield* map.snapshots).map(({ name, state }) => [name, state]))
        return { sender: states.get(sender.url), down: states.get(down.url) }
      }).pipe(Effect.provide(NodeHttpClient.layerNodeHttp))

    it.effect("outside: each hop asks the circuit of its own origin", () =>
      Effect.gen(function*() {
        const states = yield* hops((client, breakers) =>
          client.pipe(BreakerHttpClient.withBreaker({ breakers }), HttpClient.followRedirects(3))
        )

        assert.deepStrictEqual(states, { sender: "Closed", down: "Open" })
      }))

    it.effect("inside: the first host answers for wherever it sends", () =>
      Effect.gen(function*() {
        const states = yield* hops((client, breakers) =>
          client.pipe(HttpClient.followRedirects(3), BreakerHttpClient.withBreaker({ breakers }))
        )

        assert.deepStrictEqual(states, { sender: "Open", down: undefined })
      }))
  })

  describe("a rate limiter and the breaker", () => {
    const limited = (limiter: RateLimiter.RateLimiter) =>
      HttpClient.withRateLimiter({ limiter, key: "host", limit: 2, window: "1 minute", times: 0 })
    const layers = Layer.merge(
      FetchHttpClient.layer,
      RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))
    )

    it.effect("inside: what is refused spends no tokens", () =>
      Effect.gen(function*() {
        const limiter = yield* RateLimiter.RateLimiter
        const { ends, took } = yield* order(
          (client, breakers) => client.pipe(limited(limiter), BreakerHttpClient.withBreaker({ breakers })),
          {
            calls: 5,
            policy: TripPolicy.consecutive(1)
          }
        )

        assert.strictEqual(took, 0)
        assert.deepStrictEqual(ends, ["503", ...Array.from({ length: 4 }, () => "CircuitRejected")])
      }).pipe(Effect.provide(layers)))

    it.effect("outside: what is refused waits for a token first", () =>
      Effect.gen(function*() {
        const limiter = yield* RateLimiter.RateLimiter
        const running = yield* Effect.forkChild(
          order((client, breakers) => client.pipe(BreakerHttpClient.withBreaker({ breakers }), limited(limiter)), {
            calls: 3,
            policy: TripPolicy.consecutive(1)
          })
        )
        const { ends, took } = yield* untilDone(running, "1 second")

        assert.isAtLeast(took, 60_000)
        assert.deepStrictEqual(ends, ["503", "CircuitRejected", "CircuitRejected"])
      }).pipe(Effect.provide(layers)))
  })
})

describe("BreakerHttpClient.withBreaker", () => {
  it.effect("asks the map in context, by the key that it is given, of the request as it is sent", () =>
    Effect.gen(function*() {
      const server = yield* serve(answering(200))
      const client = (yield* HttpClient.HttpClient).pipe(
        BreakerHttpClient.withBreaker({ key: ({ headers, method, url }) => `${method} ${url} ${headers["x-tenant"]}` }),
        HttpClient.mapRequest(HttpClientRequest.prependUrl(server.url)),
        HttpClient.mapRequest(HttpClientRequest.setHeader("X-Tenant", "ada"))
      )

      yield* client.get("/users")

      const map = yield* BreakerMap.BreakerMap
      assert.deepStrictEqual((yield* map.snapshots).map(({ name }) => name), [`GET ${server.url}/users ada`])
    }).pipe(Effect.provide([FetchHttpClient.layer, BreakerMap.layer()])))

  it.effect("asks the circuits of key, model and provider for those who ask models", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make()
      const llm = yield* LlmBreaker.make()
      const client = BreakerHttpClient.withBreaker(yield* HttpClient.HttpClient, { llm })
      const ask = (model: string) =>
        HttpClientRequest.post(`${provider.baseUrl}/chat/completions`).pipe(
          HttpClientRequest.bearerToken("sk-a"),
          HttpClientRequest.bodyJsonUnsafe({ model, messages: [{ role: "user", content: "Hello" }], stream: true }),
          client.execute,
          Effect.flatMap((response) => response.text),
          Effect.exit
        )
      yield* provider.setHealth({
        faults: [{ fault: Fault.errorChunk({ after: 2 }), share: 1, models: ["gpt-5"] }]
      })

      for (let i = 0; i < 6; i++) yield* ask("gpt-5")
      const other = yield* ask("gpt-5-mini")

      assert.isTrue(Exit.isSuccess(other))
      assert.lengthOf(yield* provider.journal, 6)
      assert.deepStrictEqual(yield* troubles(llm), [`127.0.0.1:${provider.port}/gpt-5: Open`])
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("guards the clients that HttpApiClient makes, with the refusal among their errors", () =>
    Effect.gen(function*() {
      const Api = HttpApi.make("api").add(
        HttpApiGroup.make("users").add(HttpApiEndpoint.get("name", "/name", { success: Schema.String }))
      )
      const { client, map, server } = yield* guarding(answering(500), { tripPolicy: TripPolicy.consecutive(2) })
      const api = yield* HttpApiClient.makeWith(Api, { httpClient: client, baseUrl: server.url })

      yield* Effect.exit(api.users.name())
      yield* Effect.exit(api.users.name())
      const refused = yield* api.users.name().pipe(
        Effect.catchTag("CircuitRejected", (rejected) => Effect.succeed(rejected.reason))
      )

      assert.strictEqual(refused, "Open")
      assert.strictEqual(yield* settled(map), "failures: 2, Open")
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("throws at once for an option that is none, and dies of a key that throws", () =>
    Effect.gen(function*() {
      assert.throws(() => BreakerHttpClient.withBreaker({ idle: 0 }), RangeError, "idle must be")
      const { server } = yield* guarding(answering(200))
      const client = BreakerHttpClient.withBreaker(yield* HttpClient.HttpClient, {
        breakers: yield* BreakerMap.make(),
        key: () => {
          throw new Error("no key")
        }
      })

      const exit = yield* Effect.exit(client.get(server.url))

      assert.isTrue(Exit.hasDies(exit))
      assert.lengthOf(server.seen, 0)
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})
