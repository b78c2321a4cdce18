import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as CallWindow from "../src/CallWindow.ts"
import * as Rules from "../src/Rules.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import { rangeErrorOf } from "./refusals.ts"

const notWhole = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]
const refusalOf = (options: Rules.Options) => rangeErrorOf(() => Rules.rules(options))

describe("Rules", () => {
  describe("rules", () => {
    it("fills in the defaults (section 4)", () => {
      const { openDuration, plan, ...rest } = Rules.rules()

      assert.deepStrictEqual(rest, {
        concurrency: 1,
        successes: 3,
        outOf: 3,
        lease: 30_000,
        ramp: undefined,
        jitter: 0,
        maxRetryAfter: 900_000,
        throttleDuration: 10_000,
        tripDuration: 3_600_000
      })
      assert.deepStrictEqual([1, 2, 100].map(openDuration), [60_000, 60_000, 60_000])
      assert.deepStrictEqual(plan.policy, TripPolicy.consecutive(5))
    })

    it("takes each setting as it is told, durations in any form", () => {
      const { openDuration, plan: _, ...rest } = Rules.rules({
        tripPolicy: TripPolicy.never,
        openDuration: Duration.seconds(5),
        halfOpen: { concurrency: 2, successes: 3, outOf: 5, lease: "1 minute" },
        ramp: { shares: [0.1, 0.5], every: "2 seconds" },
        jitter: 1,
        maxRetryAfter: "1 hour",
        throttleDuration: 0,
        tripDuration: { minutes: 1 }
      })

      assert.deepStrictEqual(rest, {
        concurrency: 2,
        successes: 3,
        outOf: 5,
        lease: 60_000,
        ramp: { shares: [0.1, 0.5], every: 2000, minimumCalls: 1, tolerance: Infinity },
        jitter: 1,
        maxRetryAfter: 3_600_000,
        throttleDuration: 0,
        tripDuration: 60_000
      })
      assert.strictEqual(openDuration(1), 5000)
    })

    it("asks as many probes as must succeed, unless told otherwise (rule 23)", () => {
      assert.deepStrictEqual(
        [Rules.rules({ halfOpen: { successes: 7 } }).outOf, Rules.rules({ halfOpen: { outOf: 9 } }).outOf],
        [7, 9]
      )
    })

    it("names the caller in what it refuses", () => {
      assert.strictEqual(
        rangeErrorOf(() => Rules.rules({ jitter: 2 }, "BreakerMap.make")),
        "BreakerMap.make: jitter must be a number from 0 to 1, got 2"
      )
    })
  })

  describe("a bad setting", () => {
    it("is refused: counts that are no whole number of at least one", () => {
      for (const bad of notWhole) {
        const rule = `must be a whole number of at least 1, got ${bad}`

        assert.strictEqual(refusalOf({ halfOpen: { successes: bad } }), `Breaker.make: halfOpen.successes ${rule}`)
        assert.strictEqual(refusalOf({ halfOpen: { outOf: bad } }), `Breaker.make: halfOpen.outOf ${rule}`)
        assert.strictEqual(refusalOf({ halfOpen: { concurrency: bad } }), `Breaker.make: halfOpen.concurrency ${rule}`)
        assert.strictEqual(
          refusalOf({ ramp: { shares: [0.5], every: 1, minimumCalls: bad } }),
          `Breaker.make: ramp.minimumCalls ${rule}`
        )
      }
    })

    it("is refused: outOf below successes", () => {
      assert.strictEqual(
        refusalOf({ halfOpen: { successes: 4, outOf: 3 } }),
        "Breaker.make: halfOpen.outOf must be at least halfOpen.successes (4), got 3"
      )
      assert.strictEqual(
        refusalOf({ halfOpen: { outOf: 2 } }),
        "Breaker.make: halfOpen.outOf must be at least halfOpen.successes (3), got 2"
      )
    })

    it("is refused: jitter out of range", () => {
      for (const jitter of [-0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY]) {
        assert.strictEqual(refusalOf({ jitter }), `Breaker.make: jitter must be a number from 0 to 1, got ${jitter}`)
      }
    })

    it("is refused: a duration that is not finite, or below zero", () => {
      for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
        const rule = `must be a finite duration of zero or more, got ${bad}`

        assert.strictEqual(refusalOf({ openDuration: bad }), `Breaker.make: openDuration ${rule}`)
        assert.strictEqual(refusalOf({ maxRetryAfter: bad }), `Breaker.make: maxRetryAfter ${rule}`)
        assert.strictEqual(refusalOf({ throttleDuration: bad }), `Breaker.make: throttleDuration ${rule}`)
        assert.strictEqual(refusalOf({ tripDuration: bad }), `Breaker.make: tripDuration ${rule}`)
        assert.strictEqual(refusalOf({ ramp: { shares: [0.5], every: bad } }), `Breaker.make: ramp.every ${rule}`)
      }
    })

    it("is refused: a lease that is no finite duration above zero", () => {
      for (const lease of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
        assert.strictEqual(
          refusalOf({ halfOpen: { lease } }),
          `Breaker.make: halfOpen.lease must be a finite duration above zero, got ${lease}`
        )
      }
    })

    it("is refused: what is no duration at all", () => {
      assert.strictEqual(
        refusalOf({ openDuration: "a minute" as "1 minute" }),
        `Breaker.make: openDuration must be a finite duration of zero or more, got "a minute"`
      )
    })

    it("is refused: shares of a ramp that are none, out of order, or not between 0 and 1", () => {
      const bad = [[], [0], [1], [-0.1], [1.5], [0.5, 0.5], [0.5, 0.25], [0.1, 1], [Number.NaN], [0.1, Number.NaN, 0.5]]
      for (const shares of bad) {
        const said = refusalOf({ ramp: { shares, every: 1000 } })

        assert.include(said, "Breaker.make: ramp.shares must be one or more rising numbers above 0 and below 1, got ")
        assert.include(said, `[${shares.join(",")}]`)
      }
    })

    it("is none: as many windows as anybody likes", () => {
      const policies = Array.from(
        { length: 100 },
        (_, i) => TripPolicy.failureCount({ count: 1, window: CallWindow.lastCalls(i + 1) })
      )

      assert.strictEqual(Rules.rules({ tripPolicy: TripPolicy.anyOf(...policies) }).plan.rules.length, 100)
    })
  })
})
