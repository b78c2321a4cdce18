import { assert, describe, it } from "@effect/vitest"
import * as CallWindow from "../src/CallWindow.ts"
import * as Evidence from "../src/Evidence.ts"
import * as Outcome from "../src/Outcome.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import { history } from "./history.ts"

const failure = Outcome.failure()
const { success } = Outcome

const rateOver = (window: CallWindow.CallWindow, minimumCalls = 10) =>
  TripPolicy.failureRate({ threshold: 0.5, minimumCalls, window })

const slowOver = (slowAfter: number, window: CallWindow.CallWindow) =>
  TripPolicy.slowRate({ slowAfter, threshold: 0.5, minimumCalls: 10, window })

describe("Evidence", () => {
  describe("compile", () => {
    it("reads the time only where a window or a slow rule does", () => {
      const calls = CallWindow.lastCalls(10)
      const untimed = [
        TripPolicy.never,
        TripPolicy.consecutive(5),
        rateOver(calls),
        TripPolicy.failureCount({ count: 1, window: calls }),
        TripPolicy.anyOf(TripPolicy.consecutive(5), TripPolicy.anyOf(rateOver(calls)))
      ]
      const timed = [
        rateOver(CallWindow.lastDuration(1000)),
        rateOver(CallWindow.lastCalls(10, { within: 1000 })),
        slowOver(100, calls),
        TripPolicy.anyOf(TripPolicy.consecutive(5), TripPolicy.anyOf(slowOver(100, calls)))
      ]

      assert.deepStrictEqual(untimed.map((policy) => Evidence.compile(policy).timed), untimed.map(() => false))
      assert.deepStrictEqual(timed.map((policy) => Evidence.compile(policy).timed), timed.map(() => true))
    })

    it("knows the shortest slowAfter of a policy, infinite where it has none (rule 16, rule 23)", () => {
      const window = CallWindow.lastCalls(10)

      assert.strictEqual(Evidence.compile(rateOver(window)).slowAfter, Number.POSITIVE_INFINITY)
      assert.strictEqual(
        Evidence.compile(TripPolicy.anyOf(slowOver(500, window), TripPolicy.anyOf(slowOver(100, window)))).slowAfter,
        100
      )
    })
  })

  describe("a share", () => {
    it("sees failures that come home after the window has moved past them (rule 15)", () => {
      const { asks, later, settle, state } = history({ tripPolicy: rateOver(CallWindow.lastCalls(20)) })

      const late = asks(400)
      for (const permit of asks(400)) settle(permit, success)
      later(60_000)
      assert.strictEqual(state(), "Closed")
      for (const permit of late) if (state() === "Closed") settle(permit, failure)

      assert.strictEqual(state(), "Open")
    })

    it("does not let fast failures outvote calls that still run (rule 15)", () => {
      const { asks, settle, steps } = history({ tripPolicy: rateOver(CallWindow.lastCalls(20)) })

      for (let round = 0; round < 100; round++) {
        const permits = asks(20)
        permits.slice(0, 7).forEach((permit) => settle(permit, failure))
        permits.slice(7).forEach((permit) => settle(permit, success))
      }

      assert.deepStrictEqual(steps(), [])
    })

    it("does not let fast successes hide slow calls that still run (rule 15, rule 17)", () => {
      const { asks, knock, later, settle } = history({ tripPolicy: slowOver(100, CallWindow.lastCalls(20)) })

      const permits = asks(40)
      permits.filter((_, i) => i % 4 === 0).forEach((permit) => settle(permit, success))
      later(101)

      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 60_000 })
    })
  })

  describe("a streak below the minimum", () => {
    it("applies again once a silence has emptied the window (rule 18)", () => {
      const tripPolicy = TripPolicy.failureRate({
        threshold: 1,
        minimumCalls: 4,
        window: CallWindow.lastDuration(1000),
        belowMinimum: TripPolicy.consecutive(2)
      })
      const { fail, later, refused, state, succeed } = history({ tripPolicy })

      succeed(3)
      fail(3)
      assert.strictEqual(state(), "Closed")
      later(1000)
      fail(1)

      assert.deepStrictEqual([refused().cause.rule, refused().cause.value], ["consecutive", 4])
    })
  })
})
