import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Outcome from "../src/Outcome.ts"
import { issueOf, rangeErrorOf, throughJson } from "./refusals.ts"

const all: ReadonlyArray<Outcome.Outcome> = [
  Outcome.success,
  Outcome.ignored,
  Outcome.failure(),
  Outcome.failure({ kind: "overloaded", message: "529", retryAfter: "5 seconds" }),
  Outcome.throttled(),
  Outcome.throttled({ kind: "rate_limit", message: "429", retryAfter: 1500 }),
  Outcome.trip(),
  Outcome.trip({ kind: "noCredit", message: "402", openFor: "1 hour" })
]

const makers = {
  "Outcome.failure: retryAfter": (wait: Duration.Input) => Outcome.failure({ retryAfter: wait }),
  "Outcome.throttled: retryAfter": (wait: Duration.Input) => Outcome.throttled({ retryAfter: wait }),
  "Outcome.trip: openFor": (wait: Duration.Input) => Outcome.trip({ openFor: wait })
}

describe("Outcome", () => {
  describe("constructors", () => {
    it("make plain tagged data", () => {
      assert.deepStrictEqual(Outcome.success, { _tag: "Success" })
      assert.deepStrictEqual(Outcome.ignored, { _tag: "Ignored" })
      assert.deepStrictEqual(Outcome.failure(), { _tag: "Failure" })
      assert.deepStrictEqual(Outcome.throttled({}), { _tag: "Throttled" })
      assert.deepStrictEqual(Outcome.trip({ kind: "k", message: "m" }), { _tag: "Trip", kind: "k", message: "m" })
    })

    it("take a duration in any of its forms", () => {
      for (const five of ["5 seconds", 5000, Duration.seconds(5), 5_000_000_000n, { seconds: 5 }] as const) {
        assert.deepStrictEqual(Outcome.failure({ retryAfter: five }).retryAfter, Duration.seconds(5))
        assert.deepStrictEqual(Outcome.throttled({ retryAfter: five }).retryAfter, Duration.seconds(5))
        assert.deepStrictEqual(Outcome.trip({ openFor: five }).openFor, Duration.seconds(5))
      }
    })

    it("take a duration of zero", () => {
      assert.deepStrictEqual(Outcome.failure({ retryAfter: 0 }).retryAfter, Duration.zero)
    })

    for (const [option, make] of Object.entries(makers)) {
      it(`throw a RangeError for a bad duration: ${option}`, () => {
        const rule = "must be a finite duration of zero or more, got"

        assert.strictEqual(rangeErrorOf(() => make(-1)), `${option} ${rule} -1`)
        assert.strictEqual(rangeErrorOf(() => make(Number.NaN)), `${option} ${rule} NaN`)
        assert.strictEqual(rangeErrorOf(() => make(Number.POSITIVE_INFINITY)), `${option} ${rule} Infinity`)
        assert.strictEqual(rangeErrorOf(() => make(Number.NEGATIVE_INFINITY)), `${option} ${rule} -Infinity`)
        assert.match(rangeErrorOf(() => make(Duration.infinity)), /zero or more, got "?Infinity"?$/)
        assert.strictEqual(rangeErrorOf(() => make("5 minuets" as "5 minutes")), `${option} ${rule} "5 minuets"`)
      })
    }
  })

  describe("isOutcome", () => {
    it("knows outcomes by their tag, and nothing else", () => {
      assert.isTrue(all.every(Outcome.isOutcome))
      for (const other of [undefined, null, 1, "Success", {}, { _tag: "Some" }, []]) {
        assert.isFalse(Outcome.isOutcome(other))
      }
    })
  })

  describe("Schema", () => {
    it("gives back every outcome after a way through JSON (law 9)", () => {
      for (const outcome of all) assert.deepStrictEqual(throughJson(Outcome.Outcome, outcome), outcome)
    })

    it("writes durations as milliseconds", () => {
      assert.deepStrictEqual(
        Schema.encodeSync(Outcome.Outcome)(Outcome.failure({ kind: "timeout", retryAfter: "1 minute" })),
        { _tag: "Failure", kind: "timeout", retryAfter: 60_000 }
      )
    })

    it("refuses a bad duration with the rule and the value", () => {
      for (const value of [-1, Number.POSITIVE_INFINITY, Number.NaN]) {
        const rule = `must be a finite duration of zero or more, got ${value}`

        assert.include(issueOf(Outcome.Outcome, { _tag: "Failure", retryAfter: value }), rule)
        assert.include(issueOf(Outcome.Outcome, { _tag: "Throttled", retryAfter: value }), rule)
        assert.include(issueOf(Outcome.Outcome, { _tag: "Trip", openFor: value }), rule)
      }
    })

    it("refuses what is no outcome", () => {
      for (const data of [null, {}, { _tag: "Failed" }, { _tag: "Failure", retryAfter: "5 seconds" }]) {
        assert.isNotEmpty(issueOf(Outcome.Outcome, data))
      }
    })
  })
})
