import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Breaker, CallWindow, CircuitRejected, Outcome, TripPolicy } from "effect-breaker/promise"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const make = (options?: Omit<Breaker.Options, "name">) =>
  Breaker.makeEffect({ name: "openai", tripPolicy: TripPolicy.consecutive(1), ...options })

const tally = (breaker: Breaker.Breaker) => {
  const { failures, ignored, inFlight, successes } = breaker.snapshot()
  return { failures, ignored, inFlight, successes }
}
const none = { failures: 0, ignored: 0, inFlight: 0, successes: 0 }

const run = <A>(body: () => Promise<A>): Effect.Effect<A> => Effect.promise(body)

const down = new Error("connection cut")

/** A stream of words, and what became of it. */
const words = (...all: ReadonlyArray<string | Error>) => {
  const seen = { closed: 0 }
  const open = async function*() {
    try {
      for (const word of all) {
        if (word instanceof Error) throw word
        yield word
      }
    } finally {
      seen.closed++
    }
  }
  return { open, seen }
}

const read = async <A>(
  stream: AsyncIterable<A>,
  most = Infinity
): Promise<{ readonly got: ReadonlyArray<A>; readonly error: unknown }> => {
  const got: Array<A> = []
  try {
    for await (const element of stream) {
      got.push(element)
      if (got.length >= most) break
    }
    return { got, error: undefined }
  } catch (error) {
    return { got, error }
  }
}

describe("iterate", () => {
  it.effect("gives every element and the end unchanged, and votes at the end", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const stream = breaker.iterate(words("Once", "upon").open)
      assert.deepStrictEqual(tally(breaker), none)
      assert.deepStrictEqual(yield* run(async () => stream.next()), { done: false, value: "Once" })
      assert.deepStrictEqual(tally(breaker), { ...none, inFlight: 1 })
      assert.deepStrictEqual(yield* run(async () => read(stream)), { got: ["upon"], error: undefined })
      assert.deepStrictEqual(tally(breaker), { ...none, successes: 1 })
      assert.deepStrictEqual(yield* run(async () => stream.next()), { done: true, value: undefined })
      assert.deepStrictEqual(tally(breaker), { ...none, successes: 1 })
    }))

  it.effect("counts an error after the first element, and an error in opening, as a failure", () =>
    Effect.gen(function*() {
      for (
        const [open, got] of [
          [words("Once", down).open, ["Once"]],
          [async () => {
            throw down
          }, []],
          [() => {
            throw down
          }, []]
        ] as ReadonlyArray<[() => AsyncIterable<string> | Promise<AsyncIterable<string>>, ReadonlyArray<string>]>
      ) {
        const breaker = yield* make()
        assert.deepStrictEqual(yield* run(async () => read(breaker.iterate(open))), { got: [...got], error: down })
        assert.deepStrictEqual(tally(breaker), { ...none, failures: 1 })
        const { error } = yield* run(async () => read(breaker.iterate(open)))
        assert.instanceOf(error, CircuitRejected)
      }
    }))

  it.effect("counts a reader that stops as a success if an element came, and closes the stream", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const { open, seen } = words("Once", "upon", "a")
      assert.deepStrictEqual((yield* run(async () => read(breaker.iterate(open), 2))).got, ["Once", "upon"])
      assert.deepStrictEqual([tally(breaker), seen.closed], [{ ...none, successes: 1 }, 1])
    }))

  it.effect("ignores a reader that stops before any element came", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const never = breaker.iterate(async () => ({
        [Symbol.asyncIterator]: () => ({
          next: async () => new Promise<IteratorResult<string>>(() => {}),
          return: async () => ({ done: true as const, value: "closed" })
        })
      }))
      void never.next()
      assert.deepStrictEqual(yield* run(async () => never.return?.()), { done: true, value: "closed" })
      assert.deepStrictEqual(tally(breaker), { ...none, ignored: 1 })
      const unread = breaker.iterate(words("Once").open)
      assert.deepStrictEqual(yield* run(async () => unread.return?.("enough")), { done: true, value: "enough" })
      assert.deepStrictEqual(yield* run(async () => unread.next()), { done: true, value: undefined })
      assert.deepStrictEqual(tally(breaker), { ...none, ignored: 1 })
    }))

  it.effect("hands a reader's throw on, and does not blame the provider", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const { open, seen } = words("Once", "upon")
      const stream = breaker.iterate(open)
      yield* run(async () => stream.next())
      const mine = new Error("the reader's own")
      assert.strictEqual(yield* run(async () => stream.throw?.(mine).catch((error: unknown) => error)), mine)
      assert.deepStrictEqual([tally(breaker), seen.closed], [{ ...none, successes: 1 }, 1])
      // An iterator without `throw` is closed.
      let closed = 0
      const bare = breaker.iterate(() => ({
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false as const, value: 1 }),
          return: async () => ({ done: true as const, value: closed++ })
        })
      }))
      yield* run(async () => bare.next())
      assert.strictEqual(yield* run(async () => bare.throw?.(mine).catch((error: unknown) => error)), mine)
      assert.deepStrictEqual([tally(breaker), closed], [{ ...none, successes: 2 }, 1])
    }))

  it.effect("lets a generator that catches the reader's throw go on", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const stream = breaker.iterate(async function*() {
        try {
          yield "first"
        } catch {
          yield "caught"
        }
        yield "last"
      })
      yield* run(async () => stream.next())
      assert.deepStrictEqual(yield* run(async () => stream.throw?.(down)), { done: false, value: "caught" })
      assert.deepStrictEqual((yield* run(async () => read(stream))).got, ["last"])
      assert.deepStrictEqual(tally(breaker), { ...none, successes: 1 })
    }))

  it.effect("is over with the caller's abort, over a real socket", () =>
    Effect.gen(function*() {
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer((_request, response) => void response.write("Once"))
            .listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.callback<void>((resume) => {
            server.close(() => resume(Effect.void))
            server.closeAllConnections()
          })
      )
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const breaker = yield* make()
      const caller = new AbortController()
      const stream = breaker.iterate(async ({ signal }) => (await fetch(url, { signal })).body!, {
        signal: caller.signal
      })
      const first = yield* run(async () => stream.next())
      assert.strictEqual(new TextDecoder().decode(first.value as Uint8Array), "Once")
      assert.deepStrictEqual(tally(breaker), { ...none, inFlight: 1 })
      caller.abort()
      assert.deepStrictEqual(tally(breaker), { ...none, ignored: 1 })
      const { error } = yield* run(async () => read(stream))
      assert.strictEqual((error as Error).name, "AbortError")
      assert.deepStrictEqual(tally(breaker), { ...none, ignored: 1 })
      const { error: refused } = yield* run(async () =>
        read(breaker.iterate(words("Once").open, { signal: caller.signal }))
      )
      assert.strictEqual(refused, caller.signal.reason)
    }))

  it.effect("answers with its first element: how long the rest takes is not slow", () =>
    Effect.gen(function*() {
      const window = CallWindow.lastCalls(1)
      const breaker = yield* make({
        tripPolicy: TripPolicy.slowRate({ slowAfter: "1 second", threshold: 1, minimumCalls: 1, window })
      })
      const quick = breaker.iterate(words("Once", "upon").open)
      yield* run(async () => quick.next())
      yield* TestClock.adjust("1 hour")
      yield* run(async () => read(quick))
      assert.deepStrictEqual([breaker.snapshot().state, breaker.snapshot().slow], ["Closed", 0])
      let open!: () => void
      const gate = new Promise<void>((resolve) => open = resolve)
      const slow = breaker.iterate(async function*() {
        await gate
        yield "late"
      })
      const first = slow.next()
      yield* TestClock.adjust("1001 millis")
      open()
      yield* run(async () => first)
      yield* run(async () => read(slow))
      assert.deepStrictEqual([breaker.snapshot().state, breaker.snapshot().slow], ["Open", 1])
    }))

  it.effect("reads the end as it is told to, and wrapIterable does all of it for a function", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const ends: Array<unknown> = []
      const ask = breaker.wrapIterable((prompt: string, _signal?: AbortSignal) => words(prompt, "...").open(), {
        signal: ([, signal]) => signal,
        classify: (result) => {
          ends.push(result)
          return Outcome.failure({ kind: "empty" })
        }
      })
      assert.deepStrictEqual((yield* run(async () => read(ask("Once")))).got, ["Once", "..."])
      assert.deepStrictEqual(ends, [{ status: "fulfilled", value: undefined }])
      assert.deepStrictEqual([tally(breaker).failures, breaker.snapshot().lastFailure?.kind], [1, "empty"])
      const { error } = yield* run(async () => read(ask("Once", AbortSignal.abort(down))))
      assert.strictEqual(error, down)
    }))
})
