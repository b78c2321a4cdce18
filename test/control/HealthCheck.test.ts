import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Layer, Ref, Stream } from "effect"
import { Breaker, BreakerMap, type CircuitRejected, Outcome, TripPolicy } from "effect-breaker"
import { HealthCheck } from "effect-breaker/control"
import { TestClock } from "effect/testing"

const options = {
  tripPolicy: TripPolicy.consecutive(1),
  openDuration: "5 minutes",
  halfOpen: { successes: 2 }
} as const

/** A provider whose health a check sees, and how often it was looked at. */
class Provider extends Context.Service<Provider, {
  readonly isWell: Ref.Ref<boolean>
  readonly looks: Ref.Ref<number>
}>()("test/Provider") {
  static readonly layer = Layer.effect(
    Provider,
    Effect.all({ isWell: Ref.make(false), looks: Ref.make(0) })
  )
}

const check = Effect.gen(function*() {
  const { isWell, looks } = yield* Provider
  yield* Ref.update(looks, (n) => n + 1)
  if (!(yield* Ref.get(isWell))) yield* Effect.fail("down")
})

const looks = Effect.flatMap(Provider, ({ looks }) => Ref.get(looks))
const recovers = Effect.flatMap(Provider, ({ isWell }) => Ref.set(isWell, true))
const fail = Effect.flatMap(Breaker.Breaker, (breaker) => Effect.exit(breaker.execute(Effect.fail("down"))))
const succeed = Effect.flatMap(Breaker.Breaker, (breaker) => Effect.exit(breaker.execute(Effect.void)))
const state = Effect.flatMap(Breaker.Breaker, (breaker) => Effect.map(breaker.state, ({ _tag }) => _tag))
const wait = (seconds: number) => TestClock.adjust(Duration.seconds(seconds))

const live = (given: Partial<Breaker.Options> & Breaker.Beside<Provider> = {}) =>
  Breaker.layer({ name: "openai", ...options, healthCheck: HealthCheck.make(check, { every: "10 seconds" }), ...given })
    .pipe(
      Layer.provideMerge(Provider.layer)
    )

describe("healthCheck", () => {
  it.effect("is not run while the circuit is closed", () =>
    Effect.gen(function*() {
      yield* wait(100)

      assert.strictEqual(yield* looks, 0)
    }).pipe(Effect.provide(live())))

  it.effect("runs every so often while it is open, and ends the opening without a user's call (rule 22)", () =>
    Effect.gen(function*() {
      yield* fail
      yield* wait(9.999)
      assert.strictEqual(yield* looks, 0)
      yield* wait(0.001)
      assert.deepStrictEqual([yield* looks, yield* state], [1, "Open"])
      yield* recovers
      yield* wait(9.999)
      assert.strictEqual(yield* state, "Open")
      yield* wait(0.001)
      assert.strictEqual(yield* state, "HalfOpen")
      yield* wait(10)
      assert.strictEqual(yield* state, "Closed")
      yield* wait(100)

      assert.strictEqual(yield* looks, 3)
    }).pipe(Effect.provide(live())))

  it.effect("runs every five seconds, where that is not said", () =>
    Effect.gen(function*() {
      yield* fail
      yield* wait(4.999)
      assert.strictEqual(yield* looks, 0)
      yield* wait(0.001)

      assert.strictEqual(yield* looks, 1)
    }).pipe(Effect.provide(live({ healthCheck: HealthCheck.make(check) }))))

  it.effect("leaves an opening as long as it is when it fails, or is a defect (rule 20)", () =>
    Effect.gen(function*() {
      yield* fail
      yield* wait(299.999)
      assert.strictEqual(yield* state, "Open")
      yield* wait(0.001)
      yield* succeed

      assert.strictEqual(yield* state, "HalfOpen")
    }).pipe(Effect.provide(live({ healthCheck: HealthCheck.make(Effect.die("a bug in the check")) }))))

  it.effect("has as long as the pause to succeed, and is interrupted then", () =>
    Effect.gen(function*() {
      const ended = yield* Ref.make<ReadonlyArray<string>>([])
      const slow = (millis: number) =>
        Effect.onExit(Effect.sleep(millis), ({ _tag }) => Ref.update(ended, (all) => [...all, _tag]))
      const checks = [slow(10_001), slow(9999)]
      yield* Effect.gen(function*() {
        yield* fail
        yield* wait(20)
        assert.deepStrictEqual([yield* Ref.get(ended), yield* state], [["Failure"], "Open"])
        yield* wait(19.998)
        assert.strictEqual(yield* state, "Open")
        yield* wait(0.001)
        assert.deepStrictEqual([yield* Ref.get(ended), yield* state], [["Failure", "Success"], "HalfOpen"])
      }).pipe(
        Effect.provide(
          live({
            healthCheck: HealthCheck.make(Effect.suspend(() => checks.shift() ?? Effect.void), { every: "10 seconds" })
          })
        )
      )
    }))

  it.effect("waits for the end of what the provider itself asked for (rule 9)", () =>
    Effect.gen(function*() {
      yield* recovers
      const breaker = yield* Breaker.Breaker
      yield* Effect.exit(
        breaker.execute(Effect.fail("busy"), { classify: () => Outcome.failure({ retryAfter: "30 seconds" }) })
      )
      yield* wait(29.999)
      assert.deepStrictEqual([yield* looks, yield* state], [0, "Open"])
      yield* wait(0.001)

      assert.deepStrictEqual([yield* looks, yield* state], [1, "HalfOpen"])
    }).pipe(Effect.provide(live())))

  it.effect("is believed less and less while users' calls still fail", () =>
    Effect.gen(function*() {
      yield* recovers
      const at: Array<number> = []
      yield* fail
      for (let second = 10; second <= 300; second += 10) {
        yield* wait(10)
        if ((yield* state) !== "HalfOpen") continue
        at.push(second)
        yield* fail
      }

      assert.deepStrictEqual(at, [10, 30, 70, 150])
    }).pipe(Effect.provide(live())))

  it.effect("is believed again once the circuit has closed", () =>
    Effect.gen(function*() {
      yield* recovers
      yield* fail
      yield* wait(10)
      yield* fail
      yield* wait(20)
      yield* wait(10)
      assert.strictEqual(yield* state, "Closed")
      yield* wait(10)
      yield* fail
      yield* wait(10)

      assert.strictEqual(yield* state, "HalfOpen")
    }).pipe(Effect.provide(live())))

  it.effect("tells what it found as a transition, and as nobody's order", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.Breaker
      const told = yield* Effect.forkChild(Stream.runCollect(Stream.take(breaker.events, 3)), {
        startImmediately: true
      })
      yield* recovers
      yield* fail
      yield* wait(20)

      assert.deepStrictEqual(
        (yield* Fiber.join(told)).map((event) => event._tag === "Transitioned" ? event.to : event._tag),
        ["Open", "HalfOpen", "Closed"]
      )
    }).pipe(Effect.provide(live())))

  it.effect("ends with the layer", () =>
    Effect.gen(function*() {
      const count = yield* Ref.make(0)
      const counting = live({ healthCheck: HealthCheck.make(Ref.update(count, (n) => n + 1), { every: "1 second" }) })
      yield* fail.pipe(Effect.provide(counting))
      yield* wait(100)

      assert.strictEqual(yield* Ref.get(count), 0)
    }))

  it.effect("of a map is a function of the key, for each circuit that is open", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      yield* Effect.gen(function*() {
        const models = yield* BreakerMap.BreakerMap
        const call = (key: string): Effect.Effect<void, string | CircuitRejected> =>
          models.execute(Effect.fail("down"), { key })
        yield* Effect.exit(call("large"))
        yield* Effect.exit(call("small"))
        yield* models.execute(Effect.void, { key: "well" })
        yield* wait(10)
        assert.sameMembers(asked, ["large", "small"])
        const states = Object.fromEntries((yield* models.snapshots).map(({ name, state }) => [name, state]))
        assert.deepStrictEqual(states, { large: "Open", small: "HalfOpen", well: "Closed" })
      }).pipe(Effect.provide(BreakerMap.layer({
        ...options,
        healthCheck: HealthCheck.make((key) =>
          Effect.suspend(() => {
            asked.push(key)
            return key === "small" ? Effect.void : Effect.fail("down")
          }), { every: "10 seconds" })
      })))
    }))

  it("says which setting is wrong, at once", () => {
    for (const every of [0, -1, Number.NaN, "soon" as never]) {
      assert.throws(
        () => HealthCheck.make(Effect.void, { every }),
        RangeError,
        /^HealthCheck.make: every must be a finite duration above zero, got /
      )
    }
  })
})
