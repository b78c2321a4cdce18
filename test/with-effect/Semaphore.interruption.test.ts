/** A breaker in a bulkhead: whoever leaves, from wherever, gives back the place and the permit. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, References, Semaphore } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"

// A fiber gives way by itself after so many operations, and may be interrupted just there.
const budgets = Array.from({ length: 39 }, (_, i) => i + 2)
const turns = [0, 1, 2, 3, 5, 8]

const orders = {
  "the bulkhead outside": (breaker: Breaker.Breaker, bulkhead: Semaphore.Semaphore) =>
    Effect.never.pipe(breaker.execute, bulkhead.withPermits(1)),
  "the bulkhead inside": (breaker: Breaker.Breaker, bulkhead: Semaphore.Semaphore) =>
    Effect.never.pipe(bulkhead.withPermits(1), breaker.execute),
  "a bulkhead that sheds": (breaker: Breaker.Breaker, bulkhead: Semaphore.Semaphore) =>
    Effect.never.pipe(breaker.execute, bulkhead.withPermitsIfAvailable(1))
}

describe.each(Object.entries(orders))("a breaker and a bulkhead, %s", (_, order) => {
  it.effect("are as they were after an interrupt at any place, of who is in and of who waits", () =>
    Effect.gen(function*() {
      const bulkhead = yield* Semaphore.make(1)
      const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
      const call = order(breaker, bulkhead)

      for (const budget of budgets) {
        for (const turn of turns) {
          const callers = yield* Effect.forEach(
            [1, 2, 3],
            () => Effect.forkChild(Effect.provideService(call, References.MaxOpsBeforeYield, budget))
          )
          for (let i = 0; i < turn; i++) yield* Effect.yieldNow
          yield* Effect.forEach(callers, Fiber.interrupt)

          const at = `yielding every ${budget} operations, at turn ${turn}`
          assert.strictEqual((yield* breaker.snapshot).inFlight, 0, at)
          assert.isTrue(yield* bulkhead.takeIfAvailable(1), at)
          yield* bulkhead.release(1)
        }
      }
      const { failures, ignored, state } = yield* breaker.snapshot
      assert.deepStrictEqual([failures, state], [0, "Closed"])
      assert.isAbove(ignored, 0)
    }))
})
