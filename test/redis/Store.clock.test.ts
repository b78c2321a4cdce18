import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import type { Redis } from "effect/persistence"
import { TestClock } from "effect/testing"
import { Store } from "../../src/redis/Store.ts"

/** How long an answer takes, there and back. */
type Way = readonly [there: number, back: number]

/** How far beside the clock of Redis, which is `ahead`, a process is after each answer. */
const errors = (ahead: (answer: number) => number, ways: ReadonlyArray<Way>) =>
  Effect.gen(function*() {
    let asked = 0
    const answer = Effect.gen(function*() {
      const [there, back] = ways[asked]!
      yield* Effect.sleep(there)
      const micros = Number((yield* Clock.monotonicTimeNanos) / 1000n) + ahead(asked++) * 1000
      yield* Effect.sleep(back)
      return [String(Math.floor(micros / 1e6)), String(micros % 1e6), "found", "", ""]
    })
    const redis = { eval: () => () => answer } as unknown as Redis.Redis["Service"]
    const store = new Store(redis, { prefix: "test", bound: 50, format: 1 })
    const found: Array<number> = []
    for (const [i, [there, back]] of ways.entries()) {
      const reading = yield* Effect.forkChild(store.read("openai"))
      yield* TestClock.adjust(there + back)
      yield* Fiber.join(reading)
      found.push(Math.round(2 * (store.shift! - ahead(i))) / 2)
    }
    return found
  })

describe("Store", () => {
  it.effect("reads the clock of Redis as well as all answers together allow, however slow each was", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* errors(() => 5000, [[80, 0], [0, 80], [40, 40]]), [40, 0, 0])
      assert.deepStrictEqual(yield* errors(() => 5000, [[10, 30], [100, 0], [0, 2]]), [-10, 5, 0])
    }))

  it.effect("believes the last answer where the clock of Redis was set", () =>
    Effect.gen(function*() {
      const ahead = (answer: number) => answer < 2 ? 5000 : answer < 4 ? 65_000 : 1000
      assert.deepStrictEqual(yield* errors(ahead, [[1, 1], [2, 0], [3, 1], [1, 1], [4, 2], [0, 2]]), [
        0,
        0.5,
        1,
        0,
        1,
        -1
      ])
    }))
})
