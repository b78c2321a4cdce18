import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, References, Stream } from "effect"
import { Breaker, BreakerMap, TripPolicy } from "effect-breaker"
import { CircuitReader, Registry } from "effect-breaker/control"
import { TestClock } from "effect/testing"

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

  it.effect("gives circuits one by one, and lets others run after 500 of them", () =>
    alone(Effect.gen(function*() {
      const map = yield* BreakerMap.make()
      for (let i = 0; i < 1999; i++) yield* map.get(String(i))
      const single = yield* Breaker.make({ name: "single" })
      const reader = yield* CircuitReader.make
      let inTurn = 0
      let most = 0
      const others = Effect.forever(Effect.andThen(Effect.sync(() => inTurn = 0), Effect.yieldNow), {
        disableYield: true
      })
      yield* Effect.forkChild(others, { startImmediately: true })
      const names: Array<string> = []
      yield* Stream.runForEach(reader.each, ({ name }) =>
        Effect.sync(() => {
          names.push(name)
          most = Math.max(most, ++inTurn)
        }))

      assert.deepStrictEqual(names, (yield* reader.circuits).map(({ name }) => name))
      assert.deepStrictEqual([names.length, names.at(-1), most], [2000, single.name, 500])
      assert.strictEqual((yield* map.snapshots).length, 1999)
    })).pipe(Effect.provideService(References.PreventSchedulerYield, true)))

  it.effect("gives each circuit once that is there all the time, though all are used, and others come and go", () =>
    alone(Effect.gen(function*() {
      const map = yield* BreakerMap.make({ capacity: 2100, idleTimeToLive: "1 hour" })
      for (let i = 0; i < 2000; i++) yield* map.get(String(i))
      const reader = yield* CircuitReader.make
      const before = (yield* reader.circuits).map(({ id }) => id)
      const seen: Array<string> = []
      let made = 0
      yield* Stream.runForEachArray(reader.each, (circuits) =>
        Effect.gen(function*() {
          seen.push(...circuits.map(({ id }) => id))
          // A circuit that is used moves to the end of its map.
          yield* TestClock.adjust("1 second")
          for (let i = 0; i < 2000; i++) yield* map.get(String(i))
          for (let i = 0; i < 500; i++) yield* map.get(`new ${made++}`)
          yield* Breaker.make({ name: "new" })
        }))

      assert.strictEqual(new Set(seen).size, seen.length)
      assert.deepStrictEqual(seen.slice(0, 2000), before)
      assert.isAtLeast(made, 2000)
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
