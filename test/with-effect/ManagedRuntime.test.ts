/** A breaker in a `ManagedRuntime`, under a web server that is not Effect's. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, ManagedRuntime, type Scope } from "effect"
import { Breaker, TripPolicy, withBreaker } from "effect-breaker"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const body = JSON.stringify({ messages: [{ role: "user", content: "How are you?" }] })

const layer = Breaker.layer({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })

/** A server whose every request is a call of the provider, and the breaker that it calls through. */
const serve = (
  provider: FakeProvider.FakeProvider
): Effect.Effect<
  { readonly url: string; readonly runtime: ManagedRuntime.ManagedRuntime<Breaker.Breaker, never> },
  never,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const runtime = yield* Effect.acquireRelease(
      Effect.sync(() => ManagedRuntime.make(layer)),
      ({ disposeEffect }) => disposeEffect
    )
    const ask = Effect.tryPromise((signal) =>
      fetch(`${provider.baseUrl}/chat/completions`, { method: "POST", body, signal })
    ).pipe(withBreaker)
    const server = yield* Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((_, response) => {
          const leaves = new AbortController()
          response.on("close", () => leaves.abort())
          runtime.runPromise(ask, { signal: leaves.signal }).then(
            ({ status }) => response.writeHead(status).end(),
            () => response.writeHead(503).end()
          )
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    return { runtime, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  })

const hanging = Effect.gen(function*() {
  const provider = yield* FakeProvider.make()
  yield* provider.setHealth({ faults: [{ fault: Fault.hangBeforeHeaders, share: 1 }] })
  return provider
})

describe("a breaker in a managed runtime", () => {
  it.live("counts a visitor who leaves as nobody's failure, and leaves the provider at once", () =>
    Effect.gen(function*() {
      const provider = yield* hanging
      const { runtime, url } = yield* serve(provider)
      const visitor = new AbortController()
      const visit = fetch(url, { signal: visitor.signal }).catch(() => "left")
      yield* provider.awaitJournal(([entry]) => entry?.fault === "HangBeforeHeaders")
      visitor.abort()

      assert.strictEqual(yield* Effect.promise(() => visit), "left")
      const [entry] = yield* provider.awaitJournal(([entry]) => entry?.end !== "running")
      assert.strictEqual(entry?.end, "client-closed")
      const read = Effect.flatMap(Breaker.Breaker, ({ snapshot }) => snapshot)
      const { failures, ignored, inFlight } = yield* Effect.promise(() => runtime.runPromise(read))
      assert.deepStrictEqual([inFlight, ignored, failures], [0, 1, 0])
    }))

  it.live("gives back the permits of calls under way when the runtime is disposed of", () =>
    Effect.gen(function*() {
      const provider = yield* hanging
      const { runtime, url } = yield* serve(provider)
      const breaker = yield* Effect.promise(() => runtime.runPromise(Effect.service(Breaker.Breaker)))
      const visit = fetch(url).then(({ status }) => status)
      yield* provider.awaitJournal(([entry]) => entry?.fault === "HangBeforeHeaders")
      assert.strictEqual((yield* breaker.snapshot).inFlight, 1)
      yield* runtime.disposeEffect

      assert.strictEqual(yield* Effect.promise(() => visit), 503)
      const { failures, ignored, inFlight } = yield* breaker.snapshot
      assert.deepStrictEqual([inFlight, ignored, failures], [0, 1, 0])
    }))
})
