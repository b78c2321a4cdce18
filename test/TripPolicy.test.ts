// `assertRefused` asserts.
/* oxlint-disable vitest/expect-expect */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as CallWindow from "../src/CallWindow.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import { issueOf, rangeErrorOf, saysSo, throughJson } from "./refusals.ts"

const window = CallWindow.lastCalls(100)
const minute = CallWindow.lastDuration("1 minute")
const rate = { threshold: 0.5, minimumCalls: 10, window }
const slow = { slowAfter: 1000, ...rate }

const notWhole = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]
const notShares = [0, -0.1, 1.001, 50, Number.NaN, Number.POSITIVE_INFINITY]

/** A bad number, said to the constructor and to the Schema. */
const assertRefused = (said: string, make: () => unknown, data: unknown): void => {
  assert.strictEqual(rangeErrorOf(make), said)
  assert.isTrue(saysSo(issueOf(TripPolicy.TripPolicy, data), said), said)
}

describe("TripPolicy", () => {
  describe("constructors", () => {
    it("make plain tagged data, with durations in milliseconds", () => {
      assert.deepStrictEqual(TripPolicy.never, { _tag: "Never" })
      assert.deepStrictEqual(TripPolicy.consecutive(5), { _tag: "Consecutive", failures: 5 })
      assert.deepStrictEqual(TripPolicy.failureRate(rate), { _tag: "FailureRate", ...rate })
      assert.deepStrictEqual(TripPolicy.failureRate({ ...rate, belowMinimum: TripPolicy.consecutive(5) }), {
        _tag: "FailureRate",
        ...rate,
        belowMinimum: { _tag: "Consecutive", failures: 5 }
      })
      assert.deepStrictEqual(TripPolicy.slowRate({ ...slow, slowAfter: "2 seconds" }), {
        _tag: "SlowRate",
        ...slow,
        slowAfter: 2000
      })
      assert.deepStrictEqual(TripPolicy.failureCount({ count: 5, window: minute }), {
        _tag: "FailureCount",
        count: 5,
        window: minute
      })
      assert.deepStrictEqual(TripPolicy.anyOf(TripPolicy.never, TripPolicy.consecutive(1)), {
        _tag: "AnyOf",
        policies: [{ _tag: "Never" }, { _tag: "Consecutive", failures: 1 }]
      })
    })

    it("take what is just within their limits", () => {
      assert.strictEqual(TripPolicy.consecutive(1).failures, 1)
      assert.strictEqual(TripPolicy.failureRate({ ...rate, threshold: 1 }).threshold, 1)
      assert.strictEqual(TripPolicy.failureRate({ ...rate, threshold: 1e-9 }).threshold, 1e-9)
      assert.strictEqual(TripPolicy.failureRate({ ...rate, minimumCalls: 100 }).minimumCalls, 100)
      assert.strictEqual(TripPolicy.failureRate({ ...rate, minimumCalls: 1e6, window: minute }).minimumCalls, 1e6)
      assert.strictEqual(TripPolicy.failureCount({ count: 100, window }).count, 100)
      assert.strictEqual(TripPolicy.slowRate({ ...slow, slowAfter: 0 }).slowAfter, 0)
    })
  })

  describe("a bad number, said to a constructor or to the Schema,", () => {
    it("is refused: failures in a row that are no whole number of at least one", () => {
      for (const failures of notWhole) {
        assertRefused(
          `TripPolicy.consecutive: failures must be a whole number of at least 1, got ${failures}`,
          () => TripPolicy.consecutive(failures),
          { _tag: "Consecutive", failures }
        )
      }
    })

    it("is refused: a threshold that is not above 0 and at most 1", () => {
      for (const threshold of notShares) {
        assertRefused(
          `TripPolicy.failureRate: threshold must be a number above 0 and at most 1, got ${threshold}`,
          () => TripPolicy.failureRate({ ...rate, threshold }),
          { _tag: "FailureRate", ...rate, threshold }
        )
        assertRefused(
          `TripPolicy.slowRate: threshold must be a number above 0 and at most 1, got ${threshold}`,
          () => TripPolicy.slowRate({ ...slow, threshold }),
          { _tag: "SlowRate", ...slow, threshold }
        )
      }
    })

    it("is refused: minimumCalls that is no whole number of at least one", () => {
      for (const minimumCalls of notWhole) {
        assertRefused(
          `TripPolicy.failureRate: minimumCalls must be a whole number of at least 1, got ${minimumCalls}`,
          () => TripPolicy.failureRate({ ...rate, minimumCalls }),
          { _tag: "FailureRate", ...rate, minimumCalls }
        )
        assertRefused(
          `TripPolicy.slowRate: minimumCalls must be a whole number of at least 1, got ${minimumCalls}`,
          () => TripPolicy.slowRate({ ...slow, minimumCalls }),
          { _tag: "SlowRate", ...slow, minimumCalls }
        )
      }
    })

    it("is refused: minimumCalls, or a count, that is more than the window's calls", () => {
      const within = CallWindow.lastCalls(100, { within: "1 minute" })
      const rule = "must be at most the window's 100 calls, got 101"

      for (const one of [window, within]) {
        assertRefused(
          `TripPolicy.failureRate: minimumCalls ${rule}`,
          () => TripPolicy.failureRate({ ...rate, minimumCalls: 101, window: one }),
          { _tag: "FailureRate", ...rate, minimumCalls: 101, window: one }
        )
        assertRefused(
          `TripPolicy.slowRate: minimumCalls ${rule}`,
          () => TripPolicy.slowRate({ ...slow, minimumCalls: 101, window: one }),
          { _tag: "SlowRate", ...slow, minimumCalls: 101, window: one }
        )
        assertRefused(
          `TripPolicy.failureCount: count ${rule}`,
          () => TripPolicy.failureCount({ count: 101, window: one }),
          { _tag: "FailureCount", count: 101, window: one }
        )
      }
    })

    it("is refused: a count that is no whole number of at least one", () => {
      for (const count of notWhole) {
        assertRefused(
          `TripPolicy.failureCount: count must be a whole number of at least 1, got ${count}`,
          () => TripPolicy.failureCount({ count, window: minute }),
          { _tag: "FailureCount", count, window: minute }
        )
      }
    })

    it("is refused: a slowAfter that is no finite duration of zero or more", () => {
      for (const slowAfter of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
        assertRefused(
          `TripPolicy.slowRate: slowAfter must be a finite duration of zero or more, got ${slowAfter}`,
          () => TripPolicy.slowRate({ ...slow, slowAfter }),
          { _tag: "SlowRate", ...slow, slowAfter }
        )
      }
    })

    it("is refused: an anyOf of nothing", () => {
      assertRefused(
        "TripPolicy.anyOf: policies must be at least one policy, got none",
        () => TripPolicy.anyOf(),
        { _tag: "AnyOf", policies: [] }
      )
    })

    it("is refused deep inside a policy too", () => {
      const bad = { _tag: "Consecutive", failures: 0 } as const
      const said = "TripPolicy.failureRate: belowMinimum.failures must be a whole number of at least 1, got 0"

      assertRefused(said, () => TripPolicy.failureRate({ ...rate, belowMinimum: bad }), {
        _tag: "FailureRate",
        ...rate,
        belowMinimum: bad
      })
      assert.isTrue(
        saysSo(issueOf(TripPolicy.TripPolicy, { _tag: "AnyOf", policies: [{ _tag: "AnyOf", policies: [bad] }] }), said)
      )
      assert.include(
        issueOf(TripPolicy.TripPolicy, { _tag: "FailureRate", ...rate, window: { _tag: "LastCalls", calls: 0 } }),
        "must be a whole number from 1 to 1000000, got 0\n  at [\"window\"][\"calls\"]"
      )
    })
  })

  describe("Schema", () => {
    it("gives back every policy after a way through JSON (law 9)", () => {
      const policies: ReadonlyArray<TripPolicy.TripPolicy> = [
        TripPolicy.never,
        TripPolicy.consecutive(5),
        TripPolicy.failureRate(rate),
        TripPolicy.failureRate({ ...rate, belowMinimum: TripPolicy.consecutive(3), window: minute }),
        TripPolicy.slowRate(slow),
        TripPolicy.failureCount({ count: 3, window: CallWindow.lastCalls(10, { within: "1 second" }) })
      ]

      for (const policy of [...policies, TripPolicy.anyOf(TripPolicy.anyOf(...policies), TripPolicy.never)]) {
        assert.deepStrictEqual(throughJson(TripPolicy.TripPolicy, policy), policy)
      }
    })

    it("reads a policy from a string of JSON", () => {
      const decode = Schema.decodeUnknownSync(Schema.fromJsonString(TripPolicy.TripPolicy))

      assert.deepStrictEqual(decode(JSON.stringify(TripPolicy.failureRate(rate))), TripPolicy.failureRate(rate))
    })

    it("refuses what is no policy", () => {
      for (
        const data of [null, {}, { _tag: "Consecutive" }, { _tag: "Sometimes" }, {
          _tag: "FailureRate",
          ...rate,
          window: 1
        }]
      ) {
        assert.isNotEmpty(issueOf(TripPolicy.TripPolicy, data))
      }
    })
  })
})
