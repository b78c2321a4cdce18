import { assert, describe, it } from "@effect/vitest"
import { CallWindow, Circuit, Outcome, TripPolicy } from "effect-breaker"
import { replan } from "../../src/control/Replan.ts"
import { history } from "../history.ts"

/** A history whose rules can change. */
const replanned = (options: Circuit.Options) => {
  const words = history(options)
  return {
    ...words,
    under: (next: Circuit.Options) => replan(words.circuit, Circuit.rules({ ...options, ...next }), words.now())
  }
}

const rate = (calls: number, threshold: number, minimumCalls = 1) =>
  TripPolicy.failureRate({ threshold, minimumCalls, window: CallWindow.lastCalls(calls) })
const lately = (millis: number, threshold: number, minimumCalls = 1) =>
  TripPolicy.failureRate({ threshold, minimumCalls, window: CallWindow.lastDuration(millis) })
const slow = (slowAfter: number, threshold: number, minimumCalls = 1) =>
  TripPolicy.slowRate({ slowAfter, threshold, minimumCalls, window: CallWindow.lastCalls(10) })

describe("Replan", () => {
  describe("a window", () => {
    it("is kept whole under another threshold", () => {
      const { fail, read, succeed, under } = replanned({ tripPolicy: rate(10, 0.9, 10) })

      succeed(6)
      fail(3)
      under({ tripPolicy: rate(10, 0.4, 10) })
      assert.deepStrictEqual([read().state, read().window.calls], ["Closed", 9])
      succeed(1)
      assert.strictEqual(read().state, "Closed")
      fail(1)

      assert.deepInclude(read().cause, { rule: "failureRate", value: 0.4, limit: 0.4, calls: 10 })
    })

    it("that grows keeps what it held", () => {
      const { fail, read, succeed, under } = replanned({ tripPolicy: rate(4, 0.9, 4) })

      succeed(2)
      fail(2)
      under({ tripPolicy: rate(8, 0.9, 8) })

      assert.deepStrictEqual(read().window, { calls: 4, failureRate: 0.5, slowRate: 0 })
    })

    it("that shrinks keeps the newest calls", () => {
      const { fail, read, succeed, under } = replanned({ tripPolicy: rate(8, 0.9, 8) })

      fail(4)
      succeed(3)
      fail(1)
      under({ tripPolicy: rate(4, 0.9, 4) })

      assert.deepStrictEqual(read().window, { calls: 4, failureRate: 0.25, slowRate: 0 })
    })

    it("of another kind takes over what the one before it knew, in its own time (rule 18)", () => {
      const { fail, later, read, succeed, under } = replanned({ tripPolicy: lately(1000, 0.95, 100) })

      fail(3)
      later(500)
      succeed(5)
      under({ tripPolicy: lately(2000, 0.95, 100) })
      assert.deepStrictEqual(read().window.calls, 8)
      later(1499)
      assert.deepStrictEqual(read().window.calls, 8)
      later(501)
      assert.deepStrictEqual(read().window, { calls: 0, failureRate: 0, slowRate: 0 })
    })

    it("of calls takes over a window of time", () => {
      const { fail, read, succeed, under } = replanned({ tripPolicy: lately(1000, 0.95, 100) })

      succeed(6)
      fail(2)
      under({ tripPolicy: rate(100, 0.95, 100) })

      assert.deepStrictEqual(read().window, { calls: 8, failureRate: 0.25, slowRate: 0 })
    })

    it("of time knows nothing of calls that were counted without one: it is never stale (rule 18)", () => {
      const { fail, read, under } = replanned({ tripPolicy: rate(100, 0.95, 100) })

      fail(8)
      under({ tripPolicy: lately(1000, 0.5, 2) })
      assert.strictEqual(read().window.calls, 0)
      fail(2)

      assert.strictEqual(read().state, "Open")
    })

    it("for slow calls takes over what was slow by the limit before", () => {
      const { read, succeed, under } = replanned({ tripPolicy: slow(100, 0.9, 10) })

      succeed(3, 101)
      succeed(3)
      under({ tripPolicy: slow(500, 0.9, 10) })

      assert.deepStrictEqual(read().window, { calls: 6, failureRate: 0, slowRate: 0.5 })
    })
  })

  describe("a call in flight", () => {
    it("counts when it comes home, and only once", () => {
      const { asks, circuit, read, settle, under } = replanned({ tripPolicy: rate(10, 1, 10) })

      const calls = asks(4)
      under({ tripPolicy: lately(1000, 0.9, 10) })
      for (const [i, call] of calls.entries()) settle(call, i < 3 ? Outcome.failure() : Outcome.success)
      for (const call of calls) settle(call, Outcome.failure())

      assert.deepStrictEqual([read().inFlight, read().failures, read().successes, read().window.calls], [0, 3, 1, 4])
      assert.strictEqual(read().window.failureRate, 0.75)
      assert.strictEqual(Circuit.snapshot(circuit, 0).state, "Closed")
    })

    it("may open the circuit under the new policy", () => {
      const { asks, read, settle, under } = replanned({ tripPolicy: TripPolicy.never })

      const [one, two] = asks(2) as [Circuit.Permit, Circuit.Permit]
      under({ tripPolicy: lately(1000, 1, 2) })
      settle(one, Outcome.failure())
      assert.strictEqual(read().state, "Closed")
      settle(two, Outcome.failure())

      assert.strictEqual(read().state, "Open")
    })

    it("that hangs is slow by the new limit, before it is back, and not counted twice (rule 17)", () => {
      const { asks, knock, later, read, settle, under } = replanned({ tripPolicy: slow(10_000, 0.9, 10) })

      const [call] = asks(1) as [Circuit.Permit]
      later(100)
      under({ tripPolicy: slow(500, 0.9, 10) })
      later(400)
      knock()
      assert.strictEqual(read().slow, 0)
      later(1)
      knock()
      assert.deepStrictEqual([read().slow, read().window.slowRate], [1, 1])
      settle(call, Outcome.success)

      assert.deepStrictEqual([read().slow, read().window.calls], [1, 1])
    })

    it("that was counted as a hang already is not counted again (rule 17)", () => {
      const { asks, knock, later, read, settle, under } = replanned({ tripPolicy: slow(100, 0.9, 10) })

      const [call] = asks(1) as [Circuit.Permit]
      later(101)
      knock()
      assert.strictEqual(read().slow, 1)
      under({ tripPolicy: slow(50, 0.9, 10) })
      settle(call, Outcome.success)

      assert.deepStrictEqual([read().slow, read().window.calls], [1, 1])
    })

    it("of before the rules read the time is not slow", () => {
      const { circuit, read, under } = replanned({ tripPolicy: rate(10, 1, 10) })

      // As a caller does that spares itself the look at the clock.
      const call = Circuit.admit(circuit, 0) as Circuit.Permit
      under({ tripPolicy: slow(100, 0.5, 1) })
      Circuit.settle(circuit, call, Outcome.success, 1e12)

      assert.deepStrictEqual([read().slow, read().state], [0, "Closed"])
    })

    it("that says nothing leaves no trace (rule 10)", () => {
      const { asks, read, settle, succeed, under } = replanned({ tripPolicy: rate(10, 1, 10) })

      const [call] = asks(1) as [Circuit.Permit]
      under({ tripPolicy: slow(100, 0.5, 1) })
      settle(call, Outcome.ignored)
      succeed()

      assert.deepStrictEqual([read().inFlight, read().ignored, read().window.calls], [0, 1, 1])
    })

    it("of an earlier period still changes nothing (rule 5)", () => {
      const { ask, command, read, settle, under } = replanned({ tripPolicy: TripPolicy.consecutive(1) })

      const call = ask()
      command({ _tag: "Reset" })
      under({ tripPolicy: rate(10, 0.1) })
      settle(call, Outcome.failure())

      assert.deepStrictEqual([read().state, read().failures], ["Closed", 0])
    })
  })

  describe("a state", () => {
    const quick = { tripPolicy: TripPolicy.consecutive(1), openDuration: 1000, halfOpen: { successes: 1 } }
    const ramp = { shares: [0.6, 0.7, 0.9], every: 1000, minimumCalls: 1 }

    it("and its generation stay: open until when it said, and its openings in a row", () => {
      const { fail, knock, later, read, under } = replanned(quick)

      fail()
      const before = read()
      under({ openDuration: 50, halfOpen: { successes: 9 } })
      assert.deepStrictEqual(read(), before)
      later(999)
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1 })
    })

    it("of probing goes on with the probes that passed and those that run (rule 23)", () => {
      const { ask, fail, later, read, settle, succeed, under } = replanned({
        ...quick,
        halfOpen: { successes: 5, concurrency: 2 }
      })

      fail()
      later(1000)
      succeed(2)
      const running = ask()
      under({ halfOpen: { successes: 3, concurrency: 2 } })
      settle(running, Outcome.success)

      assert.strictEqual(read().state, "Closed")
    })

    it("on a ramp stays on its step", () => {
      const { fail, later, read, succeed, under } = replanned({ ...quick, ramp })

      fail()
      later(1000)
      succeed()
      under({ ramp: { ...ramp, shares: [0.1, 0.2] } })

      assert.deepStrictEqual([read().stage, read().share], ["Ramping", 0.1])
    })

    it("on a step that the ramp does not have any more goes on with the last one", () => {
      const { fail, later, read, succeed, under } = replanned({ ...quick, ramp })

      fail()
      later(1000)
      succeed()
      for (const _ of [1, 2]) {
        succeed()
        later(1000)
        succeed()
      }
      assert.strictEqual(read().share, 0.9)
      under({ ramp: { ...ramp, shares: [0.1, 0.2] } })

      assert.strictEqual(read().share, 0.2)
    })

    it("on a ramp closes where there is none any more", () => {
      const { fail, later, steps, succeed, under } = replanned({ ...quick, ramp })

      fail()
      later(1000)
      succeed()
      under({ ramp: undefined })

      assert.strictEqual(steps().at(-1), "HalfOpen -> Closed at 1000")
    })

    it("that an isolation interrupted is one of the new rules", () => {
      const { command, fail, knock, later, read, succeed, under } = replanned({ ...quick, ramp })

      fail()
      later(1000)
      succeed()
      command({ _tag: "Isolate", for: 100 })
      under({ ramp: undefined })
      later(100)

      assert.deepStrictEqual([knock(), read().state], ["admitted", "Closed"])
    })
  })
})
