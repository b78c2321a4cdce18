import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { LlmOutcome, LlmStream } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { named, names } from "./clients.ts"

// A hint that is short, so that the clients' own timers, which no test moves, do not make it wait.
const overloaded = Fault.jsonError({
  status: 529,
  type: "overloaded_error",
  message: "Overloaded",
  headers: { "retry-after-ms": "1" }
})

describe("a client's own retries, left on", () => {
  for (const name of names) {
    const make = Effect.gen(function*() {
      const provider = yield* FakeProvider.make()
      yield* provider.setHealth({ faults: [{ fault: overloaded, share: 1 }] })
      const breaker = yield* Breaker.make({
        name,
        tripPolicy: TripPolicy.consecutive(2),
        classify: LlmOutcome.classify
      })
      return { breaker, provider, requests: Effect.map(provider.journal, ({ length }) => length) }
    })

    it.effect(`${name}: hide two requests of three from the breaker, and hold on through the outage it should see`, () =>
      Effect.gen(function*() {
        const { breaker, provider, requests } = yield* make
        const ask = Effect.tryPromise((signal) => named(name).plain({ url: provider.url, signal, maxRetries: 2 })).pipe(
          breaker.execute,
          Effect.flip
        )

        yield* ask
        assert.deepInclude(yield* breaker.snapshot, { state: "Closed", failures: 1 })
        assert.strictEqual(yield* requests, 3)
        yield* ask
        assert.deepInclude(yield* breaker.snapshot, { state: "Open", failures: 2 })
        assert.strictEqual(yield* requests, 6)
      }))

    it.effect(`${name}: off, two requests are two votes, and the third is not sent`, () =>
      Effect.gen(function*() {
        const { breaker, provider, requests } = yield* make
        const ask = Effect.tryPromise((signal) => named(name).plain({ url: provider.url, signal })).pipe(
          breaker.execute,
          Effect.flip
        )

        yield* Effect.replicateEffect(ask, 3)

        assert.deepInclude(yield* breaker.snapshot, { state: "Open", failures: 2, rejected: 1 })
        assert.strictEqual(yield* requests, 2)
      }))

    it.effect(`${name}: are one vote of a stream, too`, () =>
      Effect.gen(function*() {
        const { breaker, provider, requests } = yield* make
        const { reader, stream } = named(name)

        yield* LlmStream.fromClient((signal) => stream({ url: provider.url, signal, maxRetries: 2 })).pipe(
          LlmStream.guard({ reader }),
          Stream.runDrain,
          Effect.provideService(Breaker.Breaker, breaker),
          Effect.flip
        )

        assert.deepInclude(yield* breaker.snapshot, { state: "Closed", failures: 1 })
        assert.strictEqual(yield* requests, 3)
      }))
  }
})
