import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, type Exit, Fiber, References } from "effect"
import { CircuitReader, Registry } from "effect-breaker/control"
import { CircuitBreaker } from "effect-breaker/persistence"

// A fiber gives way by itself after so many operations, and may be interrupted just there: every place is met.
const budgets = Array.from({ length: 39 }, (_, i) => i + 2)
const steps = Array.from({ length: 30 }, (_, i) => i)

type Classify = (exit: Exit.Exit<unknown, unknown>) => CircuitBreaker.Outcome | Effect.Effect<CircuitBreaker.Outcome>

const classifiers: Readonly<Record<string, Classify | undefined>> = {
  "no classifier": undefined,
  "a classifier": () => CircuitBreaker.failure(),
  "a classifier that is an effect": () => Effect.as(Effect.yieldNow, CircuitBreaker.failure())
}

const inFlight = Effect.gen(function*() {
  const [circuit] = yield* (yield* CircuitReader.make).snapshots
  return circuit?.inFlight ?? 0
})

describe("an interrupted call of the adapter", () => {
  it.effect.each(Object.entries(classifiers))(
    "gives its permit back at every step, with %s",
    ([, classify]) =>
      Effect.gen(function*() {
        const breaker = yield* CircuitBreaker.make({
          tripPolicy: CircuitBreaker.consecutive(1_000_000),
          openDuration: "1 second"
        })
        let met = 0
        for (const budget of budgets) {
          for (const step of steps) {
            const gate = yield* Deferred.make<string>()
            const body = Effect.andThen(Effect.sync(() => met++), Deferred.await(gate))
            const call = breaker.execute(body, { key: "a", classify })
            const fiber = yield* Effect.forkChild(
              Effect.provideService(call, References.MaxOpsBeforeYield, budget),
              { startImmediately: step % 2 === 0 }
            )
            for (let i = 0; i < step; i++) yield* Effect.yieldNow
            if (step % 3 === 0) yield* Deferred.succeed(gate, "an answer")
            yield* Fiber.interrupt(fiber)
            assert.strictEqual(yield* inFlight, 0, `budget ${budget}, step ${step}`)
          }
        }
        assert.isAbove(met, budgets.length)
      }).pipe(Effect.provideService(Registry.Current, new Registry.Registry()))
  )
})
