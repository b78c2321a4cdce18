import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Circuit, Outcome, TripPolicy } from "../../src/index.ts"
import * as LlmBreaker from "../../src/llm/LlmBreaker.ts"
import * as OpenDuration from "../../src/OpenDuration.ts"
import * as Policy from "../../src/replay/Policy.ts"

const complaintOf = (value: unknown) => Effect.runSync(Effect.flip(Policy.fromUnknown(value))).message

const openFor = (rules: Circuit.Rules) => [1, 2, 3, 8, 9, 20].map(rules.openDuration)

describe("a policy in JSON", () => {
  it.effect("comes back as it was written", () =>
    Effect.gen(function*() {
      for (const policy of Object.values(Policy.builtIn)) {
        assert.deepStrictEqual(yield* Policy.fromJson(Policy.toJson(policy)), {
          name: policy.name,
          options: JSON.parse(JSON.stringify(policy.options))
        })
      }
    }))

  it.effect("may have a ramp with a tolerance", () =>
    Effect.gen(function*() {
      const json = { name: "mine", ramp: { shares: [0.1, 0.5], every: "1 second", minimumCalls: 2, tolerance: 0.1 } }
      const policy = yield* Policy.fromUnknown(json)
      assert.strictEqual(Policy.rules(policy).ramp?.tolerance, 0.1)
      assert.deepStrictEqual(JSON.parse(Policy.toJson(policy)), json)
      assert.match(
        complaintOf({ ...json, ramp: { ...json.ramp, tolerance: 0 } }),
        /^ramp\.tolerance must be a number above 0 and at most 1, got 0$/
      )
    }))

  it.effect("takes the name that the text does not give", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* Policy.fromJson("{}", "file.json")).name, "file.json")
      assert.strictEqual((yield* Policy.fromJson(`{ "name": "mine" }`, "file.json")).name, "mine")
    }))

  it.effect("is read by its Schema too, and written", () =>
    Effect.gen(function*() {
      const json = { name: "mine", openDuration: { first: "1 second", most: "1 minute" }, mode: "observe" }
      const policy = yield* Schema.decodeUnknownEffect(Policy.Policy)(json)
      assert.deepStrictEqual(yield* Schema.encodeEffect(Policy.Policy)(policy), json)
    }))

  it("has durations in words or milliseconds, whatever they were made of", () => {
    const policy = Policy.make("mine", {
      openDuration: Duration.seconds(3),
      tripDuration: "1 hour",
      maxRetryAfter: 5000,
      halfOpen: { lease: Duration.minutes(2) },
      ramp: undefined
    })
    assert.deepStrictEqual(JSON.parse(Policy.toJson(policy)), {
      name: "mine",
      openDuration: 3000,
      tripDuration: "1 hour",
      maxRetryAfter: 5000,
      halfOpen: { lease: 120_000 }
    })
  })

  it("cannot hold a schedule, and says what can be written", () => {
    const policy = Policy.make("mine", { openDuration: Schedule.spaced("1 second") })
    assert.throws(() => Policy.toJson(policy), "openDuration must be data to be written, such as { first, most }")
    assert.match(
      String(Effect.runSync(Effect.flip(Schema.encodeEffect(Policy.Policy)(policy)))),
      /openDuration must be data/
    )
  })
})

describe("what is wrong with a policy is said:", () => {
  const cases: ReadonlyArray<readonly [unknown, string]> = [
    [3, "must be an object with a name and options, got 3"],
    [{}, "name must be a text that is not empty, got undefined"],
    [{ name: " " }, `name must be a text that is not empty, got " "`],
    [
      { name: "a", openDurations: 3 },
      "openDurations is no option: there are name, tripPolicy, openDuration, halfOpen, ramp, jitter, maxRetryAfter, " +
      "throttleDuration, tripDuration, mode"
    ],
    [
      { name: "a", halfOpen: { success: 3 } },
      "halfOpen.success is no option: there are concurrency, successes, outOf, lease"
    ],
    [
      { name: "a", openDuration: { first: 1, least: 3 } },
      "openDuration.least is no option: there are first, factor, most"
    ],
    [
      { name: "a", openDuration: { first: 0, most: 3 } },
      "openDuration.first must be a finite duration above zero, got 0"
    ],
    [
      { name: "x", openDuration: { first: "5 seconds", most: "4999 millis" } },
      "openDuration.first must be at most openDuration.most (4999 ms), got \"5 seconds\""
    ],
    [
      { name: "a", openDuration: { first: 1 } },
      "openDuration.most must be a finite duration above zero, got undefined"
    ],
    [
      { name: "a", openDuration: { first: 1, factor: 0.5, most: 3 } },
      "openDuration.factor must be a number of at least 1, got 0.5"
    ],
    [{ name: "a", openDuration: "soon" }, `openDuration must be a finite duration of zero or more, got "soon"`],
    [{ name: "a", jitter: 3 }, "jitter must be a number from 0 to 1, got 3"],
    [{ name: "a", mode: "on" }, `mode must be enforce, observe or off, got "on"`],
    [
      { name: "a", halfOpen: { successes: 3, outOf: 2 } },
      "halfOpen.outOf must be at least halfOpen.successes (3), got 2"
    ],
    [
      { name: "a", tripPolicy: { _tag: "Consecutive", failures: 0 } },
      "tripPolicy.failures must be a whole number of at least 1, got 0"
    ],
    [
      { name: "a", tripPolicy: { _tag: "Consecutive", failures: 1, window: 1 } },
      "tripPolicy.window is no option of that policy"
    ],
    [{ name: "a", tripPolicy: "five" }, `tripPolicy must be a policy made by TripPolicy, got "five"`],
    [
      { name: "a", ramp: { shares: [1], every: 1 } },
      "ramp.shares must be one or more rising numbers above 0 and below 1, got [1]"
    ]
  ]
  for (const [value, complaint] of cases) {
    it(complaint, () => assert.strictEqual(complaintOf(value), complaint))
  }

  it("text that is no JSON", () => {
    assert.match(Effect.runSync(Effect.flip(Policy.fromJson("{"))).message, /^It is no JSON: /)
  })

  it("by the Schema in the same words", () => {
    const issue = Effect.runSync(Effect.flip(Schema.decodeUnknownEffect(Policy.Policy)({ name: "a", jitter: 3 })))
    assert.match(String(issue), /jitter must be a number from 0 to 1, got 3/)
  })

  it("by the constructor, which throws", () => {
    assert.throws(
      () => Policy.make("a", { jitter: 3 }),
      RangeError,
      "Policy.make: jitter must be a number from 0 to 1, got 3"
    )
    assert.throws(() => Policy.make("", {}), RangeError, "Policy.make: name must be")
    assert.throws(
      () => Policy.make("a", { openDuration: (() => 3) as never }),
      RangeError,
      "openDuration must be a duration, a schedule"
    )
  })
})

describe("the policies that come with the library", () => {
  it("are the defaults of the root", () => {
    const { openDuration, ...ours } = Policy.rules(Policy.builtIn.default)
    const { openDuration: expected, ...rest } = Circuit.rules()
    assert.deepStrictEqual(ours, rest)
    assert.strictEqual(openDuration(7), expected(7))
  })

  it("are the preset for models, opening for opening", () => {
    const { openDuration, ...ours } = Policy.rules(Policy.builtIn.llm)
    const { openDuration: schedule, ...rest } = LlmBreaker.preset
    const { openDuration: _, ...expected } = Circuit.rules(rest)
    assert.deepStrictEqual(ours, expected)
    const replayed = OpenDuration.make(schedule, "test")(Context.empty())
    for (let opening = 1; opening < 30; opening++) assert.strictEqual(openDuration(opening), replayed(opening))
  })
})

describe("openings that grow", () => {
  it("double from the first to the most, unless told otherwise", () => {
    const policy = Policy.make("a", { openDuration: { first: "2 seconds", most: "5 minutes" } })
    assert.deepStrictEqual(openFor(Policy.rules(policy)), [2000, 4000, 8000, 256_000, 300_000, 300_000])
    const three = Policy.make("b", { openDuration: { first: 10, factor: 3, most: 100 } })
    assert.deepStrictEqual(openFor(Policy.rules(three)).slice(0, 4), [10, 30, 90, 100])
  })

  it("last as long in a live breaker", () => {
    const policy = Policy.make("a", { openDuration: { first: 7, factor: 1.5, most: 1000 } })
    const live = OpenDuration.make(Policy.settings(policy).openDuration as Schedule.Schedule<unknown, number>, "test")
    const openDuration = Policy.rules(policy).openDuration
    for (let opening = 1; opening < 30; opening++) {
      assert.strictEqual(openDuration(opening), live(Context.empty())(opening))
    }
  })
})

describe("a circuit of a policy", () => {
  it("is closed, runs under its rules and in its mode, and tells of its moves", () => {
    const moves: Array<Circuit.Transition> = []
    const policy = Policy.make("a", { tripPolicy: TripPolicy.consecutive(1), openDuration: 100, mode: "observe" })
    const circuit = Policy.circuit(policy, 1000, { notify: (move) => moves.push(move) })
    assert.strictEqual(circuit.cell.current._tag, "Closed")
    Circuit.settle(circuit, Circuit.admit(circuit, 1000) as Circuit.Permit, Outcome.failure(), 1001)
    assert.deepStrictEqual(moves.map(({ at, openFor, to }) => [at, to, openFor]), [[1001, "Open", 100]])
    assert.instanceOf(Circuit.admit(circuit, 1002), Circuit.Permit)
  })

  it("draws its jitter from the numbers that it is given, and has none without", () => {
    const policy = Policy.make("a", { tripPolicy: TripPolicy.consecutive(1), openDuration: 100, jitter: 0.5 })
    const lasts = (random?: () => number) => {
      let lasted: number | undefined = undefined
      const circuit = Policy.circuit(policy, 0, { random, notify: ({ openFor }) => (lasted = openFor) })
      Circuit.settle(circuit, Circuit.admit(circuit, 0) as Circuit.Permit, Outcome.failure(), 0)
      return lasted
    }
    assert.deepStrictEqual([lasts(), lasts(() => 0), lasts(() => 0.5)], [100, 100, 125])
  })

  it("draws the jitter of a schedule from the same numbers", () => {
    const policy = Policy.make("a", { openDuration: Schedule.jittered(Schedule.spaced(1000)) })
    const first = (random?: () => number) => Policy.rules(policy, random).openDuration(1)
    assert.strictEqual(first(() => 0.25), first(() => 0.25))
    assert.notStrictEqual(first(() => 0.25), first(() => 0.75))
    assert.strictEqual(first(), first())
  })
})
