import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as CallWindow from "../src/CallWindow.ts"
import { issueOf, rangeErrorOf, saysSo, throughJson } from "./refusals.ts"

const notWhole = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]
const notPositive = [0, -1, Number.NaN, Number.POSITIVE_INFINITY]

describe("CallWindow", () => {
  describe("lastCalls", () => {
    it("is plain data, with durations in milliseconds", () => {
      assert.deepStrictEqual(CallWindow.lastCalls(100), { _tag: "LastCalls", calls: 100 })
      assert.deepStrictEqual(CallWindow.lastCalls(100, {}), { _tag: "LastCalls", calls: 100 })
      assert.deepStrictEqual(CallWindow.lastCalls(1, { within: "1 minute" }), {
        _tag: "LastCalls",
        calls: 1,
        within: 60_000
      })
    })

    it("refuses calls that are no whole number of at least one, as its Schema does", () => {
      for (const calls of notWhole) {
        const said = `CallWindow.lastCalls: calls must be a whole number from 1 to 1000000, got ${calls}`

        assert.strictEqual(rangeErrorOf(() => CallWindow.lastCalls(calls)), said)
        assert.isTrue(saysSo(issueOf(CallWindow.CallWindow, { _tag: "LastCalls", calls }), said), said)
      }
    })

    it("refuses a within that is no finite duration above zero, as its Schema does", () => {
      for (const within of notPositive) {
        const said = `CallWindow.lastCalls: within must be a finite duration above zero, got ${within}`

        assert.strictEqual(rangeErrorOf(() => CallWindow.lastCalls(10, { within })), said)
        assert.isTrue(saysSo(issueOf(CallWindow.CallWindow, { _tag: "LastCalls", calls: 10, within }), said), said)
      }
    })
  })

  describe("lastDuration", () => {
    it("has ten buckets unless told otherwise (rule 18)", () => {
      assert.deepStrictEqual(CallWindow.lastDuration("10 seconds"), {
        _tag: "LastDuration",
        duration: 10_000,
        buckets: 10
      })
      assert.strictEqual(CallWindow.lastDuration(Duration.minutes(1), { buckets: 60 }).buckets, 60)
    })

    it("refuses a duration that is not finite and above zero, as its Schema does", () => {
      for (const duration of notPositive) {
        const said = `CallWindow.lastDuration: duration must be a finite duration above zero, got ${duration}`

        assert.strictEqual(rangeErrorOf(() => CallWindow.lastDuration(duration)), said)
        assert.isTrue(
          saysSo(issueOf(CallWindow.CallWindow, { _tag: "LastDuration", duration, buckets: 10 }), said),
          said
        )
      }
    })

    it("refuses buckets that are no whole number of at least one, as its Schema does", () => {
      for (const buckets of notWhole) {
        const said = `CallWindow.lastDuration: buckets must be a whole number from 1 to 1000000, got ${buckets}`

        assert.strictEqual(rangeErrorOf(() => CallWindow.lastDuration(1000, { buckets })), said)
        assert.isTrue(
          saysSo(issueOf(CallWindow.CallWindow, { _tag: "LastDuration", duration: 1000, buckets }), said),
          said
        )
      }
    })
  })

  describe("Schema", () => {
    it("gives back every window after a way through JSON (law 9)", () => {
      const windows = [
        CallWindow.lastCalls(1),
        CallWindow.lastCalls(100, { within: "1 minute" }),
        CallWindow.lastDuration("10 seconds"),
        CallWindow.lastDuration(0.5, { buckets: 1 })
      ]
      for (const window of windows) assert.deepStrictEqual(throughJson(CallWindow.CallWindow, window), window)
    })

    it("refuses what is no window", () => {
      for (
        const data of [null, {}, { _tag: "LastCalls" }, { _tag: "LastDuration", duration: "1 minute", buckets: 10 }]
      ) {
        assert.isNotEmpty(issueOf(CallWindow.CallWindow, data))
      }
    })
  })
})
