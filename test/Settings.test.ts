import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Schedule } from "effect"
import { Breaker, BreakerMap, BreakerStream, Fallback, TripPolicy } from "effect-breaker"

type Settings = Omit<Breaker.Options, "name">

const wrong = (value: unknown) => value as never

const notFinite = "a finite duration of zero or more"
const notPositive = "a finite duration above zero"
const count = "a whole number of at least 1"

/** Every bad value of every option, with what the error says: the option, the rule, and the value as received. */
const durations = (option: string, set: (value: Duration.Input) => Settings, rule: string) =>
  [
    [set(-1), option, rule, "-1"],
    [set(Number.NaN), option, rule, "NaN"],
    [set(Number.POSITIVE_INFINITY), option, rule, "Infinity"],
    [set(wrong("soon")), option, rule, `"soon"`],
    [set(wrong("-5 seconds")), option, rule, `"-5 seconds"`],
    [set(wrong(true)), option, rule, "true"],
    ...(rule === notPositive ? [[set(0), option, rule, "0"]] as const : [])
  ] as ReadonlyArray<readonly [Settings, string, string, string]>

const counts = (option: string, set: (value: number) => Settings) =>
  [
    [set(0), option, count, "0"],
    [set(-3), option, count, "-3"],
    [set(1.5), option, count, "1.5"],
    [set(Number.NaN), option, count, "NaN"],
    [set(Number.POSITIVE_INFINITY), option, count, "Infinity"],
    [set(wrong("3")), option, count, `"3"`]
  ] as ReadonlyArray<readonly [Settings, string, string, string]>

const rising = "one or more rising numbers above 0 and below 1"
const every = "1 second"

const bad: ReadonlyArray<readonly [settings: Settings, option: string, rule: string, value: string]> = [
  ...durations("openDuration", (openDuration) => ({ openDuration }), notFinite),
  ...durations("maxRetryAfter", (maxRetryAfter) => ({ maxRetryAfter }), notFinite),
  ...durations("throttleDuration", (throttleDuration) => ({ throttleDuration }), notFinite),
  ...durations("tripDuration", (tripDuration) => ({ tripDuration }), notFinite),
  ...durations("halfOpen.lease", (lease) => ({ halfOpen: { lease } }), notPositive),
  ...durations("ramp.every", (every) => ({ ramp: { shares: [0.5], every } }), notFinite),
  ...counts("halfOpen.successes", (successes) => ({ halfOpen: { successes } })),
  ...counts("halfOpen.outOf", (outOf) => ({ halfOpen: { successes: 1, outOf } })),
  ...counts("halfOpen.concurrency", (concurrency) => ({ halfOpen: { concurrency } })),
  ...counts("ramp.minimumCalls", (minimumCalls) => ({ ramp: { shares: [0.5], every, minimumCalls } })),
  [{ halfOpen: { successes: 3, outOf: 2 } }, "halfOpen.outOf", "at least halfOpen.successes (3)", "2"],
  [{ jitter: -0.1 }, "jitter", "a number from 0 to 1", "-0.1"],
  [{ jitter: 1.1 }, "jitter", "a number from 0 to 1", "1.1"],
  [{ jitter: Number.NaN }, "jitter", "a number from 0 to 1", "NaN"],
  [{ jitter: wrong("a lot") }, "jitter", "a number from 0 to 1", `"a lot"`],
  [{ ramp: { shares: [], every } }, "ramp.shares", rising, "[]"],
  [{ ramp: { shares: [0, 0.5], every } }, "ramp.shares", rising, "[0,0.5]"],
  [{ ramp: { shares: [0.5, 1], every } }, "ramp.shares", rising, "[0.5,1]"],
  [{ ramp: { shares: [0.5, 0.25], every } }, "ramp.shares", rising, "[0.5,0.25]"],
  [{ ramp: { shares: [0.5, 0.5], every } }, "ramp.shares", rising, "[0.5,0.5]"],
  [{ ramp: { shares: [Number.NaN], every } }, "ramp.shares", rising, "[NaN]"],
  [{ ramp: { shares: [10, 25, 50], every } }, "ramp.shares", rising, "[10,25,50]"],
  [{ mode: wrong("lenient") }, "mode", "enforce, observe or off", `"lenient"`],
  [{ mode: wrong(null) }, "mode", "enforce, observe or off", "null"]
]

/** What a bad setting is answered with, as a line; a list may stand in quotes. */
const line = (error: unknown): string => String(error).replace(/"(\[.*\])"$/, "$1")

const thrown = (f: () => unknown): string => {
  try {
    f()
  } catch (error) {
    return line(error)
  }
  return "nothing was thrown"
}

describe("Settings", () => {
  for (const [settings, option, rule, value] of bad) {
    const message = `${option} must be ${rule}, got ${value}`
    it(`throws at once: ${message}`, () => {
      assert.strictEqual(
        thrown(() => Breaker.make({ name: "openai", ...settings })),
        `RangeError: Breaker.make: ${message}`
      )
      assert.strictEqual(
        thrown(() => Breaker.layer({ name: "openai", ...settings })),
        `RangeError: Breaker.make: ${message}`
      )
      assert.strictEqual(thrown(() => BreakerMap.make(settings)), `RangeError: BreakerMap.make: ${message}`)
      assert.strictEqual(thrown(() => BreakerMap.layer(settings)), `RangeError: BreakerMap.make: ${message}`)
    })
  }

  for (const name of ["", " ", "\t\n", undefined, null, 7]) {
    it(`throws at once for the name ${JSON.stringify(name) ?? "undefined"}`, () => {
      const value = typeof name === "string" ? JSON.stringify(name) : String(name)
      assert.strictEqual(
        thrown(() => Breaker.make({ name: wrong(name) })),
        `RangeError: Breaker.make: name must be a text that is not empty, got ${value}`
      )
    })
  }

  it("throws at once for a schedule without a delay", () => {
    const none = Schedule.recurs(0)

    assert.match(
      thrown(() => Breaker.make({ name: "openai", openDuration: none })),
      /^RangeError: Breaker.make: openDuration must be a schedule with at least one delay/
    )
  })

  it("throws at once for a schedule whose delay has no end, and names the value", () => {
    const infinite = Schedule.spaced(Duration.infinity)

    assert.match(
      thrown(() => Breaker.make({ name: "openai", openDuration: infinite })),
      /^RangeError: Breaker.make: openDuration must be .*(finite|Infinity|infinite)/
    )
  })

  it("throws at once for a function as the open duration, which belongs to the bare machine", () => {
    assert.match(
      thrown(() => Breaker.make({ name: "openai", openDuration: wrong(() => 1000) })),
      /^RangeError: Breaker.make: openDuration must be /
    )
  })

  it("takes the edges: nothing to wait for, no jitter or all of it, a share near one", () => {
    const edges: ReadonlyArray<Settings> = [
      { openDuration: 0 },
      { openDuration: Duration.zero, maxRetryAfter: 0, throttleDuration: 0, tripDuration: 0 },
      { jitter: 0 },
      { jitter: 1 },
      { ramp: { shares: [0.001, 0.999], every: 0, minimumCalls: 1 } },
      { halfOpen: { successes: 1, outOf: 1, concurrency: 1, lease: 1 } },
      { halfOpen: undefined, ramp: undefined, mode: undefined, classify: undefined, tripPolicy: undefined },
      { openDuration: "1 day" },
      { openDuration: Duration.days(365) }
    ]

    for (const settings of edges) assert.isTrue(Effect.isEffect(Breaker.make({ name: "openai", ...settings })))
  })

  it.effect("opens and recovers at once where there is nothing to wait for", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({
        name: "openai",
        openDuration: 0,
        tripPolicy: TripPolicy.consecutive(1),
        halfOpen: { successes: 1 }
      })
      yield* Effect.exit(breaker.execute(Effect.fail("down")))
      const opened = yield* breaker.state
      yield* breaker.execute(Effect.succeed("answer"))

      assert.deepStrictEqual([opened._tag, (yield* breaker.state)._tag], ["Open", "Closed"])
    }))

  it.effect("goes by the defaults of the contract, with no options but a name", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      const states: Array<string> = []
      for (let i = 0; i < 5; i++) {
        yield* Effect.exit(breaker.execute(Effect.fail("down")))
        states.push((yield* breaker.state)._tag)
      }

      assert.deepStrictEqual(states, ["Closed", "Closed", "Closed", "Closed", "Open"])
      assert.deepStrictEqual((yield* breaker.state).retryAfter, Duration.seconds(60))
    }))

  describe("of a map", () => {
    const maps: ReadonlyArray<readonly [BreakerMap.Options, message: string]> = [
      [{ capacity: 0 }, `capacity must be ${count}, got 0`],
      [{ capacity: 1.5 }, `capacity must be ${count}, got 1.5`],
      [{ capacity: Number.NaN }, `capacity must be ${count}, got NaN`],
      [{ capacity: Number.POSITIVE_INFINITY }, `capacity must be ${count}, got Infinity`],
      [{ idleTimeToLive: 0 }, `idleTimeToLive must be ${notPositive}, got 0`],
      [{ idleTimeToLive: -1 }, `idleTimeToLive must be ${notPositive}, got -1`],
      [{ idleTimeToLive: wrong("soon") }, `idleTimeToLive must be ${notPositive}, got "soon"`]
    ]
    for (const [options, message] of maps) {
      it(`throws at once: ${message}`, () => {
        assert.strictEqual(thrown(() => BreakerMap.make(options)), `RangeError: BreakerMap.make: ${message}`)
        assert.strictEqual(thrown(() => BreakerMap.layer(options)), `RangeError: BreakerMap.make: ${message}`)
      })
    }

    it.effect("are a defect of the call that first asks for the key, where lookup gave them", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make((key) => key === "bad" ? { jitter: 2 } : {})

        const exit = yield* Effect.exit(map.execute(Effect.succeed("answer"), { key: "bad" }))

        assert.strictEqual(
          line(Exit.isFailure(exit) && Cause.squash(exit.cause)),
          "RangeError: BreakerMap.make: jitter must be a number from 0 to 1, got 2"
        )
        assert.strictEqual(yield* map.execute(Effect.succeed("answer"), { key: "good" }), "answer")
        assert.strictEqual((yield* map.snapshots).length, 1)
      }))

    it.effect("refuse an empty key", () =>
      Effect.gen(function*() {
        const map = yield* BreakerMap.make()

        for (const key of ["", "  ", wrong(undefined)]) {
          const exit = yield* Effect.exit(map.execute(Effect.succeed("answer"), { key }))
          assert.match(
            String(Exit.isFailure(exit) && Cause.squash(exit.cause)),
            /^RangeError: BreakerMap.get: key must be a text that is not empty, got /
          )
        }
        assert.deepStrictEqual(yield* map.snapshots, [])
      }))
  })

  describe("of a stream", () => {
    for (const option of ["firstElement", "idle", "total"] as const) {
      for (const [value, got] of [[0, "0"], [-1, "-1"], [Number.NaN, "NaN"], [wrong("soon"), `"soon"`]] as const) {
        it(`throws at once for ${option} ${got}`, () => {
          assert.strictEqual(
            thrown(() => BreakerStream.withBreaker({ [option]: value })),
            `RangeError: BreakerStream.withBreaker: ${option} must be ${notPositive}, got ${got}`
          )
        })
      }
    }
  })

  describe("of a cached rung", () => {
    const rungs: ReadonlyArray<readonly [Parameters<typeof Fallback.cached>[0], message: string]> = [
      [{ maxAge: 0 }, `maxAge must be ${notPositive}, got 0`],
      [{ maxAge: -1 }, `maxAge must be ${notPositive}, got -1`],
      [{ maxAge: wrong("soon") }, `maxAge must be ${notPositive}, got "soon"`],
      [{ capacity: 0 }, `capacity must be ${count}, got 0`],
      [{ capacity: Number.NaN }, `capacity must be ${count}, got NaN`]
    ]
    for (const [options, message] of rungs) {
      it(`throws at once: ${message}`, () =>
        assert.strictEqual(thrown(() => Fallback.cached(options)), `RangeError: Fallback.cached: ${message}`))
    }
  })
})
