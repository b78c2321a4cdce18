/** Defects that a first reader of the library found. Each was red once. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber } from "effect"
import { Breaker, BreakerMap, CallWindow, Circuit, Fallback, Outcome, TripPolicy, withBreaker } from "effect-breaker"

const admit = (circuit: Circuit.Circuit, now: number): Circuit.Permit => {
  const answer = Circuit.admit(circuit, now)
  assert.instanceOf(answer, Circuit.Permit)
  return answer
}

describe("a refusal", () => {
  it.effect("is decided by one look at the clock, though the opening ends meanwhile (rule 4, rule 6)", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let now = 0n
      const running: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillisUnsafe: () => Number(now / 1_000_000n),
        monotonicTimeNanosUnsafe: () => now += 1_000_000n
      })
      const program = Effect.gen(function*() {
        const breaker = yield* Breaker.make({
          name: "openai",
          tripPolicy: TripPolicy.consecutive(1),
          openDuration: 5,
          halfOpen: { successes: 1 }
        })
        for (let i = 0; i < 500; i++) {
          yield* Effect.ignore(breaker.execute(i % 3 === 0 ? Effect.fail("down") : Effect.succeed(1)))
          const exit = yield* Effect.exit(breaker.execute(Effect.succeed(1)))
          if (Exit.isFailure(exit)) assert.include(String(exit.cause), "Circuit \"openai\" is")
        }
        return (yield* breaker.snapshot).inFlight
      })

      assert.strictEqual(yield* Effect.provideService(program, Clock.Clock, running), 0)
    }))
})

describe("a ladder", () => {
  it.effect("learns the answer of a second try", () =>
    Effect.gen(function*() {
      const tries: Array<Effect.Effect<string, string>> = [
        Effect.fail("down"),
        Effect.succeed("good"),
        Effect.fail("down"),
        Effect.fail("down")
      ]
      const ladder = Fallback.cached<string>()
      const twice = Effect.suspend(() => tries.shift()!).pipe(
        withBreaker,
        Effect.retry({ times: 1 }),
        Fallback.withFallback(ladder, Fallback.value("default"))
      )

      const served = yield* Effect.all([twice, twice])

      assert.deepStrictEqual(served.map(({ from }) => from), ["primary", "cached"])
    }).pipe(Effect.provide(Breaker.layer({ name: "openai" }))))

  it.effect("does not hide what fails after the provider answered", () =>
    Effect.gen(function*() {
      const call = Effect.succeed("not json").pipe(
        withBreaker,
        Effect.flatMap(() => Effect.fail("cannot be parsed")),
        Fallback.withFallback(Fallback.value("sorry"))
      )

      assert.deepStrictEqual<unknown>(yield* Effect.exit(call), Exit.fail("cannot be parsed"))
    }).pipe(Effect.provide(Breaker.layer({ name: "openai" }))))
})

describe("ten thousand running calls", () => {
  it.effect("are interrupted, oldest first, without a trace", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({
        name: "openai",
        tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: CallWindow.lastCalls(100) })
      })
      const fibers: Array<Fiber.Fiber<never, unknown>> = []
      for (let i = 0; i < 20_000; i++) {
        fibers.push(yield* Effect.forkChild(breaker.execute(Effect.never), { startImmediately: true }))
      }

      for (const fiber of fibers) yield* Fiber.interrupt(fiber)
      const exits = yield* Effect.forEach(fibers, Fiber.await)

      assert.isTrue(exits.every((exit) => Exit.isFailure(exit) && !String(exit.cause).includes("RangeError")))
      assert.strictEqual((yield* breaker.snapshot).inFlight, 0)
    }))
})

describe("a count of failures", () => {
  it("takes failures in as they come home, however late (rule 15)", () => {
    const circuit = Circuit.make(
      Circuit.rules({ tripPolicy: TripPolicy.failureCount({ count: 5, window: CallWindow.lastDuration("1 minute") }) }),
      0
    )
    const late: Array<readonly [at: number, permit: Circuit.Permit]> = []
    for (let second = 0; second < 300 && circuit.cell.current._tag === "Closed"; second++) {
      const permit = admit(circuit, second * 1000)
      if (second % 10 === 0) late.push([second + 90, permit])
      else Circuit.settle(circuit, permit, Outcome.success, second * 1000)
      while (late[0] !== undefined && late[0][0] === second) {
        Circuit.settle(circuit, late.shift()![1], Outcome.failure(), second * 1000)
      }
    }

    assert.strictEqual(circuit.cell.current._tag, "Open")
    assert.strictEqual(circuit.cell.current.since, 130_000)
  })
})

describe("a policy made by hand", () => {
  it("is refused with its reason where it makes no sense", () => {
    const window = { _tag: "LastCalls", calls: 10 } as const
    const bad: ReadonlyArray<unknown> = [
      { _tag: "Consecutve", failures: 1 },
      {},
      5,
      "x",
      { _tag: "AnyOf" },
      { _tag: "FailureCount", count: 1 },
      { _tag: "FailureCount", count: 1, window: { ...window, calls: 2.5 } },
      { _tag: "FailureCount", count: 1, window: { ...window, calls: 1e12 } },
      { _tag: "FailureCount", count: 1, window: { _tag: "LastDuration", duration: 1000 } },
      { _tag: "FailureCount", count: 1, window: { _tag: "LastDuration", duration: "1 minute", buckets: 10 } },
      { _tag: "FailureRate", threshold: "0.5", minimumCalls: 1, window }
    ]

    for (const tripPolicy of bad) {
      assert.throws(
        () => Circuit.rules({ tripPolicy: tripPolicy as TripPolicy.TripPolicy }),
        RangeError,
        / must be .*, got /
      )
    }
  })
})

describe("a map at its cap", () => {
  it.effect("lets go of the circuit that is longest unused", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let now = 0n
      const ticking: Clock.Clock = Object.assign(Object.create(clock), { monotonicTimeNanosUnsafe: () => now })
      const use = (map: BreakerMap.BreakerMap, key: string) =>
        Effect.suspend(() => {
          now += 1_000_000_000n
          return map.get(key)
        })
      const names = Effect.gen(function*() {
        const map = yield* BreakerMap.make({ capacity: 2 })
        for (const key of ["hot", "cold", "hot", "new"]) yield* use(map, key)
        return (yield* map.snapshots).map(({ name }) => name)
      })

      assert.deepStrictEqual(yield* Effect.provideService(names, Clock.Clock, ticking), ["hot", "new"])
    }))
})
