/**
 * A server of one's own on this machine, and the words in which the tests of `effect-breaker/http` tell what it did.
 */
import { Deferred, type Duration, Effect, Fiber, type Scope } from "effect"
import type { Breaker, BreakerMap } from "effect-breaker"
import { TestClock } from "effect/testing"
import assert from "node:assert/strict"
import http, { type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { vi } from "vitest"

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface Server {
  readonly url: string
  /** The paths that were asked for. */
  readonly seen: ReadonlyArray<string>
  /** Waits for so many requests. */
  readonly arrived: (count: number) => Effect.Effect<void>
  /** How many connections ended before their answer did. */
  readonly aborted: () => number
}

/** Serves until the scope ends, hung answers included. */
export const serve = (handler: Handler): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const waiting: Array<{ readonly count: number; readonly done: Deferred.Deferred<void> }> = []
    let aborted = 0
    const server = http.createServer((request, response) => {
      seen.push(request.url ?? "")
      response.on("close", () => {
        if (!response.writableFinished) aborted++
      })
      handler(request, response)
      for (const { count, done } of waiting) if (seen.length >= count) Deferred.doneUnsafe(done, Effect.void)
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
      () =>
        Effect.promise(() => {
          server.closeAllConnections()
          return new Promise((resolve) => server.close(resolve))
        })
    )
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      seen,
      arrived: (count) =>
        Effect.suspend(() => {
          if (seen.length >= count) return Effect.void
          const done = Deferred.makeUnsafe<void>()
          waiting.push({ count, done })
          return Deferred.await(done)
        }),
      aborted: () => aborted
    }
  })

/** Answers with a status, and a body where one is given. */
export const answering =
  (status: number, body: string | object = "", headers: Record<string, string> = {}): Handler => (_, response) => {
    const type = typeof body === "string" ? "text/plain" : "application/json"
    response.writeHead(status, { "content-type": type, ...headers })
    response.end(typeof body === "string" ? body : JSON.stringify(body))
  }

/** The tally of the only circuit, once no call of it is in flight. */
export const settled = (map: BreakerMap.BreakerMap) =>
  Effect.promise(() => vi.waitUntil(() => Effect.runSync(idle(map)), { timeout: 15_000, interval: 2 }))

const idle = (map: BreakerMap.BreakerMap) =>
  Effect.map(map.snapshots, ([snapshot]) => {
    if (snapshot === undefined || snapshot.inFlight > 0) return undefined
    return tally(snapshot)
  })

/** The votes in short: `"failures: 1"`, or the state where it opened. */
export const tally = ({ failures, ignored, state, successes, throttled }: Breaker.Snapshot): string =>
  Object.entries({ failures, ignored, successes, throttled })
    .flatMap(([name, count]) => count > 0 ? [`${name}: ${count}`] : [])
    .concat(state === "Closed" ? [] : [state])
    .join(", ")

/** Waits until something is as it should be: what sockets and collectors do is done in their own time. */
export const eventually = <A>(read: () => A, expected: A) =>
  Effect.promise(() => vi.waitFor(() => assert.deepEqual(read(), expected), { timeout: 15_000, interval: 2 }))

/** Lets the sockets have their turn. */
export const nextTurn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Moves the clock on, step by step, until a fiber has ended; what comes over sockets has its turn in between. */
export const untilDone = <A, E>(fiber: Fiber.Fiber<A, E>, step: Duration.Input): Effect.Effect<A, E> =>
  Effect.gen(function*() {
    while (fiber.pollUnsafe() === undefined) {
      yield* TestClock.adjust(step)
      yield* nextTurn
    }
    return yield* Fiber.join(fiber)
  })
