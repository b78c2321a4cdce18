import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { Breaker, BreakerMap, TripPolicy } from "effect-breaker"
import { CircuitReader, Registry } from "effect-breaker/control"

const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Registry.Current, new Registry.Registry()))

const turns = Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow, { discard: true })

describe("CircuitReader", () => {
  it.effect("reads every circuit as it is now, and moves none (rule 2)", () =>
    alone(Effect.gen(function*() {
      const openai = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1), openDuration: 0 })
      const map = yield* BreakerMap.make()
      const reader = yield* CircuitReader.make
      yield* Effect.exit(openai.execute(Effect.fail("down")))
      yield* map.execute(Effect.void, { key: "search" })

      const snapshots = yield* reader.snapshots
      assert.deepStrictEqual(snapshots.map(({ name, state }) => [name, state]), [["openai", "Open"], [
        "search",
        "Closed"
      ]])
      assert.deepStrictEqual(snapshots[0], yield* openai.snapshot)
      assert.deepStrictEqual((yield* reader.circuits).map(({ state }) => state), ["Open", "Closed"])
    })))

  it.effect("gives each circuit an id that stays, and that no other has, whatever its name", () =>
    alone(Effect.gen(function*() {
      const kept = yield* Effect.all([Breaker.make({ name: "same" }), Breaker.make({ name: "same" })])
      const map = yield* BreakerMap.make({ capacity: 1 })
      const reader = yield* CircuitReader.make
      const ids = Effect.map(reader.circuits, (circuits) => circuits.map(({ id }) => id))
      yield* map.get("a")
      const before = yield* ids
      // The one circuit of the map is let go of, and made again.
      yield* map.get("b")
      yield* map.get("a")
      const after = yield* ids

      assert.strictEqual(new Set([...before, ...after]).size, 4)
      assert.deepStrictEqual(after.slice(0, 2), before.slice(0, 2))
      assert.strictEqual(kept.length, 2)
    })))

  it.effect("tells what happens at any circuit, with its id, but no single refusal", () =>
    alone(Effect.gen(function*() {
      const [one, two] = yield* Effect.all([Breaker.make({ name: "same" }), Breaker.make({ name: "same" })])
      const reader = yield* CircuitReader.make
      const heard = yield* Effect.forkChild(Stream.runCollect(Stream.take(reader.events, 3)), {
        startImmediately: true
      })
      yield* turns
      yield* two.isolate()
      yield* Effect.exit(two.execute(Effect.void))
      yield* one.trip()

      const ids = (yield* reader.circuits).map(({ id }) => id)
      assert.deepStrictEqual(
        (yield* Fiber.join(heard)).map(({ _tag, id }) => [_tag, ids.indexOf(id)]),
        [["Transitioned", 1], ["Commanded", 1], ["Transitioned", 0]]
      )
    })))
})
