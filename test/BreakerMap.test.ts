import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Stream } from "effect"
import { Breaker, BreakerMap, CircuitRejected, Outcome, TripPolicy } from "effect-breaker"
import { TestClock } from "effect/testing"

const atOnce = { tripPolicy: TripPolicy.consecutive(1), halfOpen: { successes: 1 } }

const succeed = (map: BreakerMap.BreakerMap, key: string) => map.execute(Effect.succeed("answer"), { key })
const fail = (map: BreakerMap.BreakerMap, key: string) => Effect.exit(map.execute(Effect.fail("down"), { key }))
const start = (map: BreakerMap.BreakerMap, key: string) =>
  Effect.forkChild(map.execute(Effect.never, { key }), { startImmediately: true })
const keys = (map: BreakerMap.BreakerMap) => Effect.map(map.snapshots, (all) => all.map(({ name }) => name))
const states = (map: BreakerMap.BreakerMap) =>
  Effect.map(map.snapshots, (all) => all.map(({ name, state }) => `${name}: ${state}`))

/** What keeps a circuit from being let go, and how that ends. */
const busy: Record<
  string,
  (map: BreakerMap.BreakerMap) => Effect.Effect<Effect.Effect<unknown, unknown>, unknown>
> = {
  "is open": (map) =>
    Effect.gen(function*() {
      const breaker = yield* map.get("held")
      yield* breaker.trip({ openFor: "30 days" })
      return breaker.reset
    }),
  "is half-open": (map) =>
    Effect.gen(function*() {
      const breaker = yield* map.get("held")
      yield* breaker.trip({ openFor: 0 })
      yield* Effect.ignore(breaker.execute(Effect.succeed("ignored"), { classify: () => Outcome.ignored }))
      return breaker.reset
    }),
  "is isolated": (map) =>
    Effect.gen(function*() {
      const breaker = yield* map.get("held")
      yield* breaker.isolate()
      return breaker.release
    }),
  "is throttled": (map) =>
    Effect.gen(function*() {
      const breaker = yield* map.get("held")
      const permit = yield* breaker.admit
      yield* permit.settle(Outcome.throttled({ retryAfter: "30 days" }))
      return breaker.reset
    }),
  "has a call in flight": (map) =>
    Effect.gen(function*() {
      const fiber = yield* start(map, "held")
      return Fiber.interrupt(fiber)
    }),
  "has a permit in flight": (map) =>
    Effect.gen(function*() {
      const breaker = yield* map.get("held")
      const permit = yield* breaker.admit
      return permit.settle(Outcome.success)
    }),
  "runs in another mode": (map) =>
    Effect.gen(function*() {
      const breaker = yield* map.get("held")
      yield* breaker.setMode("observe")
      return breaker.setMode("enforce")
    })
}

describe("BreakerMap", () => {
  describe("get and execute", () => {
    it.effect("keep one circuit for each key", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make(atOnce)
        yield* fail(map, "large")
        yield* succeed(map, "small")

        assert.instanceOf(yield* Effect.flip(succeed(map, "large")), CircuitRejected)
        assert.deepStrictEqual(yield* states(map), ["large: Open", "small: Closed"])
        assert.strictEqual(yield* map.get("small"), yield* map.get("small"))
        assert.notStrictEqual(yield* map.get("small"), yield* map.get("large"))
        assert.strictEqual((yield* map.get("small")).name, "small")
      }))

    it.effect("take the effect first or last, with the call's own classifier", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make({ ...atOnce, classify: () => Outcome.success })
        const { execute } = map
        const call = Effect.succeed("answer")

        const values = [
          yield* map.execute(call, { key: "a" }),
          yield* call.pipe(map.execute({ key: "b" })),
          yield* execute(call, { key: "c", classify: () => Outcome.failure() }),
          yield* call.pipe(execute({ key: "d", classify: () => Outcome.failure() }))
        ]

        assert.deepStrictEqual(values, ["answer", "answer", "answer", "answer"])
        assert.deepStrictEqual(yield* states(map), ["a: Closed", "b: Closed", "c: Open", "d: Open"])
      }))

    it.effect("pass values, errors and defects unchanged (rule 7)", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make()
        const calls: ReadonlyArray<Effect.Effect<string, string>> = [
          Effect.succeed("answer"),
          Effect.fail("down"),
          Effect.die("a bug")
        ]

        for (const call of calls) {
          assert.deepStrictEqual<unknown>(
            yield* Effect.exit(map.execute(call, { key: "a" })),
            yield* Effect.exit(call)
          )
        }
      }))

    it.effect("make a circuit only when it is first asked for", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make()
        const guarded = map.execute(Effect.succeed("answer"), { key: "large" })
        const before = yield* keys(map)
        yield* guarded

        assert.deepStrictEqual([before, yield* keys(map)], [[], ["large"]])
      }))

    it.effect("hold keys that are names of object members", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make(atOnce)
        for (const key of ["__proto__", "constructor", "toString"]) yield* fail(map, key)

        assert.deepStrictEqual(yield* states(map), ["__proto__: Open", "constructor: Open", "toString: Open"])
      }))

    it.effect("find the circuit of the key at each run of a guarded effect", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make({ ...atOnce, idleTimeToLive: "1 hour" })
        const guarded = succeed(map, "large")
        yield* guarded
        yield* TestClock.adjust("2 hours")
        yield* guarded

        assert.strictEqual((yield* map.snapshots)[0]?.successes, 1)
      }))
  })

  describe("settings", () => {
    it.effect("may differ by key, and add to those of all", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make({
          ...atOnce,
          openDuration: "10 seconds",
          lookup: (key) => key === "slow" ? { openDuration: "1 minute" } : {}
        })
        yield* fail(map, "slow")
        yield* fail(map, "usual")

        const waits = (yield* map.snapshots).map(({ retryAfter }) => Duration.toMillis(retryAfter))
        assert.deepStrictEqual(waits, [60_000, 10_000])
      }))

    it.effect("may be a function of the key alone, asked once for each new key", () =>
      Effect.gen(function*() {
        const asked: Array<string> = []
        const map = yield* BreakerMap.make((key) => {
          asked.push(key)
          return key === "strict" ? atOnce : {}
        })
        for (const key of ["strict", "lenient", "strict", "lenient"]) yield* fail(map, key)

        assert.deepStrictEqual(asked, ["strict", "lenient"])
        assert.deepStrictEqual(yield* states(map), ["strict: Open", "lenient: Closed"])
      }))

    it.effect("default to those of a breaker", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make()
        for (let i = 0; i < 4; i++) yield* fail(map, "a")
        const four = yield* states(map)
        yield* fail(map, "a")

        assert.deepStrictEqual([four, yield* states(map)], [["a: Closed"], ["a: Open"]])
      }))

    it.effect("a lookup that throws is a defect of that call, and leaves no circuit behind", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make(() => {
          throw new Error("no such tenant")
        })

        const exit = yield* Effect.exit(succeed(map, "a"))

        assert.isTrue(Exit.isFailure(exit))
        assert.deepStrictEqual(yield* keys(map), [])
      }))
  })

  describe("idleTimeToLive", () => {
    it.effect("lets go, at the next ask, circuits that nobody asked for so long, and not a moment before", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make({ idleTimeToLive: "16 minutes" })
        yield* succeed(map, "old")
        yield* TestClock.adjust("15 minutes")
        yield* TestClock.adjust(59_999)
        yield* succeed(map, "new")
        const before = yield* keys(map)
        yield* TestClock.adjust("2 minutes")
        const unasked = yield* keys(map)
        yield* succeed(map, "new")

        assert.deepStrictEqual([before, unasked, yield* keys(map)], [["old", "new"], ["old", "new"], ["new"]])
      }))

    it.effect("is an hour by default", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make()
        yield* succeed(map, "old")
        yield* TestClock.adjust("59 minutes")
        yield* succeed(map, "new")
        const before = yield* keys(map)
        yield* TestClock.adjust("5 minutes")
        yield* succeed(map, "new")

        assert.deepStrictEqual([before, yield* keys(map)], [["old", "new"], ["new"]])
      }))

    it.effect("is counted from the last ask, to within a sixteenth", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make({ idleTimeToLive: "16 minutes" })
        yield* succeed(map, "kept")
        for (let i = 0; i < 60; i++) {
          yield* TestClock.adjust("1 minute")
          yield* succeed(map, "kept")
        }

        assert.strictEqual((yield* map.snapshots)[0]?.successes, 61)
      }))

    it.effect("gives a key that was let go a new circuit", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make({ idleTimeToLive: "16 minutes", tripPolicy: TripPolicy.consecutive(2) })
        yield* fail(map, "a")
        const old = yield* map.get("a")
        yield* TestClock.adjust("20 minutes")
        const anew = yield* map.get("a")
        yield* fail(map, "a")

        assert.notStrictEqual(anew, old)
        assert.strictEqual((yield* anew.snapshot).failures, 1)
        assert.deepStrictEqual(yield* states(map), ["a: Closed"])
      }))

    for (const [why, hold] of Object.entries(busy)) {
      it.effect(`never lets go a circuit that ${why}, and does when that is over`, () =>
        Effect.gen(function*() {
          const map = yield* BreakerMap.make({ idleTimeToLive: "16 minutes" })
          const end = yield* hold(map)
          yield* TestClock.adjust("10 days")
          yield* succeed(map, "other")
          const held = yield* keys(map)
          yield* end
          yield* TestClock.adjust("10 days")
          yield* succeed(map, "other")

          assert.includeMembers(held, ["held", "other"])
          assert.deepStrictEqual(yield* keys(map), ["other"])
        }))
    }
  })

  describe("a pause that is over", () => {
    it.effect("holds no circuit in the map, whatever the wall clock reads", () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(1_700_000_000_000)
        const map = yield* BreakerMap.make({ idleTimeToLive: "1 minute" })
        const permit = yield* (yield* map.get("paused")).admit
        yield* permit.settle(Outcome.throttled({ retryAfter: "10 seconds" }))

        yield* TestClock.adjust("2 minutes")
        yield* map.get("another")

        assert.deepStrictEqual((yield* map.snapshots).map(({ name }) => name), ["another"])
      }))
  })

  describe("capacity", () => {
    it.effect("lets go the circuit longest unused where a new one would be too many", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make({ capacity: 3, idleTimeToLive: "16 minutes" })
        for (const key of ["a", "b", "c"]) {
          yield* succeed(map, key)
          yield* TestClock.adjust("1 minute")
        }
        yield* succeed(map, "a")
        yield* succeed(map, "d")

        assert.sameMembers([...(yield* keys(map))], ["a", "c", "d"])
      }))

    it.effect("never holds more than that, where all are idle", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make({ capacity: 10 })
        for (let i = 0; i < 1000; i++) yield* succeed(map, String(i))

        assert.deepStrictEqual(yield* keys(map), Array.from({ length: 10 }, (_, i) => String(990 + i)))
      }))

    for (const [why, hold] of Object.entries(busy)) {
      it.effect(`never lets go a circuit that ${why}`, () =>
        Effect.gen(function*() {
          const map = yield* BreakerMap.make({ capacity: 1 })
          yield* hold(map)
          yield* succeed(map, "one")
          yield* succeed(map, "two")

          assert.deepStrictEqual(yield* keys(map), ["held", "two"])
        }))
    }

    it.effect("holds more than that where all must stay, and comes back to it later", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make({ ...atOnce, capacity: 3 })
        for (let i = 0; i < 30; i++) yield* fail(map, `open ${i}`)
        const held = (yield* keys(map)).length
        for (const key of yield* keys(map)) yield* (yield* map.get(key)).reset
        for (let i = 0; i < 30; i++) yield* succeed(map, `idle ${i}`)

        assert.strictEqual(held, 30)
        assert.strictEqual((yield* keys(map)).length, 3)
      }))

    it.effect("is kept though circuits that must stay are the oldest", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make({ ...atOnce, capacity: 100 })
        for (let i = 0; i < 50; i++) yield* fail(map, `open ${i}`)
        for (let i = 0; i < 1000; i++) yield* succeed(map, `idle ${i}`)

        assert.strictEqual((yield* keys(map)).length, 100)
      }))
  })

  describe("snapshots", () => {
    it.effect("read all circuits, and move and make none", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make(atOnce)
        const empty = yield* map.snapshots
        yield* fail(map, "a")
        yield* succeed(map, "b")
        yield* TestClock.adjust("10 days")

        const [one, two] = [yield* map.snapshots, yield* map.snapshots]

        assert.deepStrictEqual(empty, [])
        assert.deepStrictEqual(one.map(({ name, state }) => `${name}: ${state}`), ["a: Open", "b: Closed"])
        assert.deepStrictEqual(two, one)
        assert.instanceOf(one[0], Breaker.Snapshot)
      }))
  })

  describe("events", () => {
    it.effect("tell what happens at any circuit, those made later included", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make(atOnce)
        yield* succeed(map, "a")
        const listening = yield* Effect.forkChild(Stream.runCollect(Stream.take(map.events, 4)), {
          startImmediately: true
        })
        for (let i = 0; i < 10; i++) yield* Effect.yieldNow
        yield* fail(map, "a")
        yield* fail(map, "b")
        yield* Effect.exit(succeed(map, "a"))
        yield* (yield* map.get("b")).setMode("off")

        const heard = yield* Fiber.join(listening)

        assert.deepStrictEqual(heard.map(({ _tag, circuit }) => `${circuit}: ${_tag}`), [
          "a: Transitioned",
          "b: Transitioned",
          "a: Rejected",
          "b: Commanded"
        ])
      }))

    it.effect("of one circuit are those of the map", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make(atOnce)
        const listening = yield* Effect.forkChild(Stream.runCollect(Stream.take((yield* map.get("a")).events, 1)), {
          startImmediately: true
        })
        for (let i = 0; i < 10; i++) yield* Effect.yieldNow
        yield* fail(map, "b")
        yield* fail(map, "a")

        const heard = yield* Fiber.join(listening)

        assert.deepStrictEqual(heard.map(({ circuit }) => circuit), ["a"])
      }))
  })

  describe("layer", () => {
    it.effect("provides one map for all who use it", () =>
      Effect.gen(function*() {
        yield* fail(yield* BreakerMap.BreakerMap, "a")

        assert.deepStrictEqual(yield* states(yield* BreakerMap.BreakerMap), ["a: Open"])
      }).pipe(Effect.provide(BreakerMap.layer(atOnce))))

    it.effect("takes a function of the key, or nothing", () =>
      Effect.gen(function*() {
        const [byKey, usual] = yield* Effect.all([
          Effect.provide(BreakerMap.BreakerMap, BreakerMap.layer(() => atOnce)),
          Effect.provide(BreakerMap.BreakerMap, BreakerMap.layer())
        ])
        yield* fail(byKey, "a")
        yield* fail(usual, "a")

        assert.deepStrictEqual([yield* states(byKey), yield* states(usual)], [["a: Open"], ["a: Closed"]])
      }))
  })

  it.effect("keeps its idle time when the wall clock steps back (rule 3)", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("10 days")
      const map = yield* BreakerMap.make({ idleTimeToLive: "16 minutes" })
      yield* succeed(map, "old")
      yield* TestClock.setTime(0)
      yield* succeed(map, "new")
      const after = yield* keys(map)
      yield* TestClock.adjust("17 minutes")
      yield* succeed(map, "new")

      assert.deepStrictEqual([after, yield* keys(map)], [["old", "new"], ["new"]])
    }))

  it.effect("takes ten thousand keys at once", () =>
    Effect.gen(function*() {
      const map = yield* BreakerMap.make()
      const calls = Array.from(
        { length: 10_000 },
        (_, i) => map.execute(Effect.yieldNow, { key: `tenant ${i % 5000}` })
      )

      yield* Effect.all(calls, { concurrency: "unbounded", discard: true })

      const all = yield* map.snapshots
      assert.strictEqual(all.length, 5000)
      assert.isTrue(all.every(({ inFlight, successes }) => successes === 2 && inFlight === 0))
    }))
})
