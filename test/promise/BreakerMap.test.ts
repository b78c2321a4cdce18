import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { BreakerMap, CircuitRejected, Outcome, TripPolicy } from "effect-breaker/promise"
import { TestClock } from "effect/testing"

const fails = async () => {
  throw new Error("529 Overloaded")
}
const works = async () => "an answer"
const settled = <A>(call: Promise<A>) => Effect.promise(async () => call.catch((error: unknown) => error))

describe("promise BreakerMap", () => {
  it.effect("gives each key a circuit of its own, and tells of all", () =>
    Effect.gen(function*() {
      const map = yield* BreakerMap.makeEffect({
        tripPolicy: TripPolicy.consecutive(1),
        lookup: (key) => key === "patient" ? { openDuration: { first: "3 seconds", most: "1 minute" } } : {}
      })
      const heard: Array<string> = []
      const stop = map.onEvent(({ _tag, circuit }) => heard.push(`${circuit}: ${_tag}`))
      for (const key of ["large", "patient"]) yield* settled(map.execute(fails, { key }))
      assert.strictEqual(yield* settled(map.execute(works, { key: "small" })), "an answer")
      assert.instanceOf(yield* settled(map.execute(works, { key: "large" })), CircuitRejected)
      assert.deepStrictEqual(
        map.snapshots().map(({ name, retryAfter, state }) => [name, state, retryAfter]),
        [["large", "Open", 60_000], ["patient", "Open", 3000], ["small", "Closed", 0]]
      )
      assert.deepStrictEqual(heard, ["large: Transitioned", "patient: Transitioned", "large: Rejected"])
      stop()
      map.get("small").isolate()
      yield* settled(Promise.resolve())
      assert.strictEqual(heard.length, 3)
      assert.strictEqual(map.get("small").snapshot().state, "Isolated")
    }))

  it.effect("reads the end and heeds the signal of a single call", () =>
    Effect.gen(function*() {
      const map = yield* BreakerMap.makeEffect((key) => ({ classify: () => Outcome.failure({ kind: key }) }))
      yield* settled(map.execute(works, { key: "a" }))
      yield* settled(map.execute(works, { key: "a", classify: () => Outcome.success }))
      yield* settled(map.execute(works, { key: "a", signal: AbortSignal.abort() }))
      const { failures, lastFailure, successes } = map.get("a").snapshot()
      assert.deepStrictEqual([failures, successes, lastFailure?.kind], [1, 1, "a"])
    }))

  it.effect("lets go what nobody asks for, but nothing that is open", () =>
    Effect.gen(function*() {
      const map = yield* BreakerMap.makeEffect({
        tripPolicy: TripPolicy.consecutive(1),
        openDuration: "1 day",
        idleTimeToLive: "10 minutes"
      })
      yield* settled(map.execute(works, { key: "idle" }))
      yield* settled(map.execute(fails, { key: "open" }))
      yield* TestClock.adjust("10 minutes")
      yield* settled(map.execute(works, { key: "new" }))
      assert.deepStrictEqual(map.snapshots().map(({ name }) => name).toSorted(), ["new", "open"])
    }))

  it("says what is wrong: of the map at once, of a key in the call", async () => {
    assert.throws(() => BreakerMap.make({ capacity: 0 }), /^BreakerMap.make: capacity must be a whole number/)
    assert.throws(
      () => BreakerMap.make({ openDuration: { first: -1, most: 1 } }),
      /^BreakerMap.make: openDuration.first/
    )
    const error: unknown = await BreakerMap.make().execute(works, { key: "" }).catch((error: unknown) => error)
    assert.instanceOf(error, RangeError)
  })
})
