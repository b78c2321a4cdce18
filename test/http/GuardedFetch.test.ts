import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { BreakerMap, CircuitRejected, TripPolicy } from "effect-breaker"
import { GuardedFetch } from "effect-breaker/http"
import { TestClock } from "effect/testing"
import { Readable } from "node:stream"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { answering, eventually, type Handler, nextTurn, serve, settled, untilDone } from "./serving.ts"

/** A guarded `fetch` that talks to a server of its own, under the clock of the test. */
const guarding = (handler: Handler, options?: Omit<GuardedFetch.Options, "breakers"> & BreakerMap.Options) =>
  Effect.gen(function*() {
    const server = yield* serve(handler)
    const services = yield* Effect.context<never>()
    const map = yield* BreakerMap.make({ tripPolicy: TripPolicy.never, ...options })
    const { errors, fetch, headers, idle, key } = options ?? {}
    const guarded = GuardedFetch.make({ breakers: map, errors, fetch, headers, idle, key, services })
    const ask = (path = "/", init?: RequestInit) => Effect.promise(() => guarded(server.url + path, init))
    const fail = (path = "/", init?: RequestInit) =>
      Effect.promise(() =>
        guarded(server.url + path, init).then(() => assert.fail("it was answered"), (e) => e as Error)
      )
    return { server, map, guarded, ask, fail }
  })

const streaming = (...pieces: ReadonlyArray<string>): Handler => (_, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  for (const piece of pieces) response.write(piece)
  response.end()
}

/** Sends so many bytes, and goes on as told. */
const sending =
  (bytes: number, type: string, then: (response: Parameters<Handler>[1]) => void): Handler => (_, response) => {
    response.writeHead(200, { "content-type": type })
    response.write("x".repeat(bytes), () => then(response))
  }

describe("GuardedFetch.make", () => {
  describe("passes on", () => {
    it.effect("the response as it is: status, headers, address, every way to read it", () =>
      Effect.gen(function*() {
        const { ask, server } = yield* guarding((request, response) => {
          if (request.url === "/old") {
            response.writeHead(302, { location: "/new" }).end()
          } else {
            response.writeHead(201, "Made", { "content-type": "application/json", "set-cookie": ["a=1", "b=2"] })
            response.end(`{"hello":"wörld"}`)
          }
        })
        const response = yield* ask("/old")

        assert.instanceOf(response, Response)
        assert.deepStrictEqual([response.status, response.statusText, response.ok], [201, "Made", true])
        assert.deepStrictEqual(response.headers.getSetCookie(), ["a=1", "b=2"])
        assert.deepStrictEqual([response.url, response.redirected, response.type], [`${server.url}/new`, true, "basic"])
        const copy = response.clone()
        assert.strictEqual(copy.url, `${server.url}/new`)
        assert.deepStrictEqual(yield* Effect.promise(() => response.json()), { hello: "wörld" })
        assert.strictEqual(yield* Effect.promise(() => copy.text()), `{"hello":"wörld"}`)
        assert.isTrue(response.bodyUsed)
        assert.deepStrictEqual(server.seen, ["/old", "/new"])
      }))

    it.effect("an error's body, to its last byte, however long it is", () =>
      Effect.gen(function*() {
        const body = "e".repeat(300_000)
        const { ask, map } = yield* guarding(answering(500, body))

        const response = yield* ask()

        assert.strictEqual(yield* settled(map), "failures: 1")
        assert.strictEqual(yield* Effect.promise(() => response.text()), body)
      }))

    it.effect("what a fetch rejects with or throws, whatever it is", () =>
      Effect.gen(function*() {
        const { fail, map } = yield* guarding(answering(200), {
          fetch: () => {
            throw "a word"
          }
        })

        assert.strictEqual(yield* fail(), "a word" as never)
        assert.strictEqual(yield* settled(map), "failures: 1")
      }))

    it.effect("a request that is given as one, with its method and its body", () =>
      Effect.gen(function*() {
        const { guarded, server } = yield* guarding((request, response) => {
          request.pipe(response.writeHead(200, { "x-method": request.method }))
        })

        const response = yield* Effect.promise(() =>
          guarded(new Request(`${server.url}/echo`, { method: "PUT", body: "a body" }))
        )

        assert.strictEqual(response.headers.get("x-method"), "PUT")
        assert.strictEqual(yield* Effect.promise(() => response.text()), "a body")
      }))
  })

  describe("refuses", () => {
    it.effect("without a request, with an error that says which circuit, why and until when", () =>
      Effect.gen(function*() {
        const { ask, fail, server } = yield* guarding(answering(503), { tripPolicy: TripPolicy.consecutive(2) })

        yield* ask()
        yield* ask()
        const refused = yield* fail()

        assert.instanceOf(refused, CircuitRejected)
        assert.deepStrictEqual([refused.name, refused._tag], ["CircuitRejected", "CircuitRejected"])
        assert.deepStrictEqual([refused.circuit, refused.reason], [server.url, "Open"])
        assert.deepStrictEqual(refused.retryAfter, Duration.seconds(60))
        assert.lengthOf(server.seen, 2)
      }))

    it.effect("one origin, and not the others", () =>
      Effect.gen(function*() {
        const { ask, fail, guarded, map } = yield* guarding(answering(503), { tripPolicy: TripPolicy.consecutive(1) })
        const other = yield* serve(answering(200, "fine"))

        yield* ask()
        const refused = yield* fail()
        const response = yield* Effect.promise(() => guarded(`${other.url}/any?x=1`))

        assert.strictEqual(refused.name, "CircuitRejected")
        assert.strictEqual(response.status, 200)
        assert.deepStrictEqual((yield* map.snapshots).map(({ name }) => name)[1], other.url)
      }))

    it.effect("by the key that it is given, which sees method, headers and body", () =>
      Effect.gen(function*() {
        const { ask, map } = yield* guarding(answering(200), {
          key: ({ body, headers, method }) => `${method} ${headers["x-tenant"]} ${body}`
        })

        yield* ask("/", { method: "POST", headers: new Headers({ "X-Tenant": "ada" }), body: "question" })

        assert.deepStrictEqual((yield* map.snapshots).map(({ name }) => name), ["POST ada question"])
      }))

    it.effect("nobody who has given up already: their own reason comes first", () =>
      Effect.gen(function*() {
        const { ask, fail, server } = yield* guarding(answering(503), { tripPolicy: TripPolicy.consecutive(1) })
        yield* ask()

        const error = yield* fail("/", { signal: AbortSignal.abort() })

        assert.strictEqual(error.name, "AbortError")
        assert.lengthOf(server.seen, 1)
      }))
  })

  describe("votes", () => {
    const json = (status: number, body: object) => answering(status, body)
    const quota = { error: { type: "insufficient_quota", code: "insufficient_quota", message: "Check your plan" } }
    it.effect.each(
      [
        ["200", answering(200, "fine"), "successes: 1"],
        ["204", answering(204), "successes: 1"],
        ["304", answering(304), "successes: 1"],
        ["JSON", json(200, { a: 1 }), "successes: 1"],
        ["no JSON where it should be", answering(200, `{"a":`, { "content-type": "application/json" }), "failures: 1"],
        [
          "an error inside a 200",
          json(200, { error: { message: "Overloaded", type: "overloaded_error" } }),
          "failures: 1"
        ],
        ["an event stream of one's own", streaming("data: a\n\n", "data: b\n\n"), "successes: 1"],
        [
          "a model's stream without an end",
          streaming(`data: {"choices":[{"delta":{"content":"a"}}]}\n\n`),
          "failures: 1"
        ],
        ["500", answering(500), "failures: 1"],
        ["503 as JSON", json(503, { error: "down" }), "failures: 1"],
        ["408", answering(408), "failures: 1"],
        ["429", answering(429, "", { "retry-after": "7" }), "throttled: 1"],
        ["a spent quota", json(429, quota), "failures: 1, Open"],
        ["400", answering(400), "ignored: 1"],
        ["401", answering(401), "ignored: 1"],
        ["403", answering(403), "ignored: 1"],
        ["404", answering(404), "ignored: 1"],
        ["410", answering(410), "ignored: 1"],
        ["a connection that breaks", (request) => request.socket.destroy(), "failures: 1"]
      ] satisfies ReadonlyArray<readonly [string, Handler, string]>
    )("on %s", ([, handler, expected]) =>
      Effect.gen(function*() {
        const { guarded, map, server } = yield* guarding(handler)

        yield* Effect.promise(() => guarded(server.url).then((response) => response.text(), () => {}))

        assert.strictEqual(yield* settled(map), expected)
      }))

    it.effect("Failure where the body breaks off in the middle, and passes its error on", () =>
      Effect.gen(function*() {
        const { ask, map } = yield* guarding(sending(10, "text/plain", (response) => response.destroy()))

        const response = yield* ask()
        const error = yield* Effect.promise(() => response.text().then(() => undefined, (error: Error) => error))

        assert.deepStrictEqual([error?.name, error?.message], ["TypeError", "terminated"])
        assert.strictEqual(yield* settled(map), "failures: 1")
      }))

    it.effect("on an error before its response is handed out, also if nobody reads it", () =>
      Effect.gen(function*() {
        const { ask, map } = yield* guarding(answering(429, quota))

        yield* ask()

        assert.strictEqual((yield* map.snapshots)[0]?.state, "Open")
      }))

    it.effect("on an error that never ends after a moment, by its status", () =>
      Effect.gen(function*() {
        const { ask, map, server } = yield* guarding((_, response) => {
          response.writeHead(500)
          response.write("and then")
        })

        const asking = yield* Effect.forkChild(ask())
        yield* server.arrived(1)
        const response = yield* untilDone(asking, "100 millis")

        assert.strictEqual(response.status, 500)
        assert.strictEqual(yield* settled(map), "failures: 1")
      }))

    it.effect("by your own rules before any other", () =>
      Effect.gen(function*() {
        const { ask, map } = yield* guarding(answering(404), {
          errors: { rules: [({ status }) => status === 404 ? { _tag: "Failure", scope: "provider" } : undefined] }
        })

        yield* ask()

        assert.strictEqual(yield* settled(map), "failures: 1")
      }))

    it.effect("by the status alone where the body is no web stream, and leaves the response as it is", () =>
      Effect.gen(function*() {
        const body = Readable.from(["a"])
        const odd = { status: 503, ok: false, headers: new Map([["retry-after", "3"]]), body }
        const { ask, map } = yield* guarding(answering(200), {
          fetch: (async () => odd) as never
        })

        assert.strictEqual(yield* ask(), odd as never)
        assert.strictEqual(yield* settled(map), "failures: 1")
      }))
  })

  describe("a body that nobody reads", () => {
    it.effect("ends its call all the same, and gives a probe's place back", () =>
      Effect.gen(function*() {
        let status = 503
        const { ask, map, server } = yield* guarding(
          (request, response) => answering(status, "x".repeat(10_000))(request, response),
          {
            tripPolicy: TripPolicy.consecutive(1)
          }
        )
        yield* ask()
        status = 200
        yield* TestClock.adjust("1 minute")

        for (let i = 0; i < 3; i++) {
          yield* ask()
          yield* settled(map)
        }

        assert.strictEqual((yield* map.snapshots)[0]?.state, "Closed")
        assert.lengthOf(server.seen, 4)
      }))

    it.effect("is a Success once 64 KiB of it are there, however long it is", () =>
      Effect.gen(function*() {
        const { ask, map } = yield* guarding(sending(1_000_000, "text/plain", () => {}))

        const response = yield* ask()

        assert.strictEqual(yield* settled(map), "successes: 1")
        yield* Effect.promise(() => response.body!.cancel())
      }))
  })

  describe("a reader that stops", () => {
    it.effect("votes Success, and closes the connection", () =>
      Effect.gen(function*() {
        const { ask, map, server } = yield* guarding(sending(10, "text/plain", () => {}))

        const response = yield* ask()
        yield* Effect.promise(async () => {
          const reader = response.body!.getReader()
          await reader.read()
          await reader.cancel()
        })

        assert.strictEqual(yield* settled(map), "successes: 1")
        yield* eventually(() => server.aborted(), 1)
      }))

    it.effect("before a model's first content is Ignored", () =>
      Effect.gen(function*() {
        const start = `data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n`
        const { ask, map } = yield* guarding((_, response) => {
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.write(start)
        })

        const response = yield* ask()
        yield* Effect.promise(async () => {
          const reader = response.body!.getReader()
          await reader.read()
          await reader.cancel()
        })

        assert.strictEqual(yield* settled(map), "ignored: 1")
      }))

    it.live("by forgetting the response ends its call when that is collected", () =>
      Effect.gen(function*() {
        setFlagsFromString("--expose-gc")
        const collect = runInNewContext("gc") as () => void
        const { ask, map, server } = yield* guarding(sending(1_000_000, "text/plain", () => {}))

        yield* Effect.promise(async () => {
          const reader = (await Effect.runPromise(ask())).body!.getReader()
          await reader.read()
        })
        assert.strictEqual((yield* map.snapshots)[0]?.inFlight, 1)

        yield* eventually(() => {
          collect()
          return [Effect.runSync(map.snapshots)[0]?.inFlight, server.aborted()]
        }, [0, 1])
      }))
  })

  describe("an abort", () => {
    it.effect("by the caller is Ignored, before the answer and in its middle", () =>
      Effect.gen(function*() {
        const { guarded, map, server } = yield* guarding((request, response) => {
          if (request.url !== "/silent") {
            response.writeHead(200, { "content-type": "text/event-stream" })
            response.write(": wait\n\n")
          }
        })
        for (const path of ["/silent", "/begun"]) {
          const caller = new AbortController()
          const asking = guarded(server.url + path, { signal: caller.signal }).then((response) => response.text())
          yield* server.arrived(path === "/silent" ? 1 : 2)
          caller.abort()

          const error = yield* Effect.promise(() => asking.then(() => undefined, (error: Error) => error))

          assert.strictEqual(error?.name, "AbortError")
        }
        assert.strictEqual(yield* settled(map), "ignored: 2")
      }))

    it.live("by AbortSignal.timeout is a Failure", () =>
      Effect.gen(function*() {
        const { fail, map } = yield* guarding(() => {})

        const error = yield* fail("/", { signal: AbortSignal.timeout(20) })

        assert.strictEqual(error.name, "TimeoutError")
        assert.strictEqual(yield* settled(map), "failures: 1")
      }))
  })

  describe("a deadline", () => {
    it.effect("for the headers passes at its limit, not before", () =>
      Effect.gen(function*() {
        const { fail, map, server } = yield* guarding(() => {}, { headers: "5 seconds" })
        const asking = yield* Effect.forkChild(fail())
        yield* server.arrived(1)

        yield* TestClock.adjust("4999 millis")
        yield* nextTurn
        assert.isUndefined(asking.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(asking)

        assert.deepStrictEqual([error.name, error.message], ["TimeoutError", "No headers within 5000 ms"])
        assert.strictEqual(yield* settled(map), "failures: 1")
        yield* eventually(() => server.aborted(), 1)
      }))

    it.effect("for a silent body passes at its limit after the last piece, not before", () =>
      Effect.gen(function*() {
        const { ask, map, server } = yield* guarding(sending(10, "text/plain", () => {}), { idle: "5 seconds" })
        const reader = (yield* ask()).body!.getReader()
        assert.strictEqual((yield* Effect.promise(() => reader.read())).value?.byteLength, 10)
        const reading = yield* Effect.forkChild(
          Effect.promise(() => reader.read().then(() => assert.fail("more came"), (error: Error) => error)),
          { startImmediately: true }
        )

        yield* TestClock.adjust("4999 millis")
        yield* nextTurn
        assert.isUndefined(reading.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(reading)

        assert.deepStrictEqual([error.name, error.message], ["TimeoutError", "No more of the body within 5000 ms"])
        assert.strictEqual(yield* settled(map), "failures: 1")
        yield* eventually(() => server.aborted(), 1)
      }))
  })

  it.effect("throws at once for a setting that is none", () =>
    Effect.sync(() => {
      assert.throws(() => GuardedFetch.make({ headers: 0 }), RangeError, "GuardedFetch.make: headers must be")
      assert.throws(() => GuardedFetch.make({ idle: -1 }), RangeError, "idle must be")
      assert.throws(() => GuardedFetch.make({ breakers: { capacity: 0 } }), RangeError, "capacity must be")
      assert.throws(() => GuardedFetch.make({ errors: { rules: [1 as never] } }), RangeError, "rules must be")
    }))

  it.effect("rejects a request whose key is none", () =>
    Effect.gen(function*() {
      const { fail, server } = yield* guarding(answering(200), { key: () => "" })

      assert.instanceOf(yield* fail(), RangeError)
      assert.lengthOf(server.seen, 0)
    }))
})
