import { assert, describe, it } from "@effect/vitest"
import * as CallWindow from "../src/CallWindow.ts"
import * as Circuit from "../src/Circuit.ts"
import * as Outcome from "../src/Outcome.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import { history, plain } from "./history.ts"

const twoInARow = { tripPolicy: TripPolicy.consecutive(2), openDuration: 1000 }

describe("Circuit", () => {
  describe("asking", () => {
    it("begins closed, at generation zero, with nothing counted", () => {
      const { read } = history({}, { startsAt: 500 })

      assert.deepStrictEqual(read(), {
        state: "Closed",
        stage: undefined,
        share: undefined,
        mode: "enforce",
        generation: 0,
        since: 500,
        retryAfter: 0,
        cause: undefined,
        successes: 0,
        failures: 0,
        ignored: 0,
        throttled: 0,
        slow: 0,
        rejected: 0,
        wouldReject: 0,
        inFlight: 0,
        openings: 0,
        uptimePercentage: 100,
        lastFailure: undefined,
        window: { calls: 0, failureRate: 0, slowRate: 0 }
      })
    })

    it("gives each ask a permit of its own, and counts it as in flight until it settles (rule 4)", () => {
      const { asks, read, settle } = history()

      const [one, two] = asks(2)

      assert.notStrictEqual(one, two)
      assert.strictEqual(read().inFlight, 2)
      settle(one!, Outcome.success)
      assert.strictEqual(read().inFlight, 1)
    })

    it("says in a refusal why, how long to wait, since when, and what caused it (rule 6)", () => {
      const { call, later, refused } = history(twoInARow, { startsAt: 100 })

      call(Outcome.failure({ kind: "timeout", message: "too late" }))
      later(10)
      call(Outcome.failure({ kind: "overloaded", message: "come back" }))
      later(250)

      assert.deepStrictEqual(
        plain(refused()),
        {
          reason: "Open",
          retryAfter: 750,
          since: 110,
          generation: 1,
          cause: {
            rule: "consecutive",
            value: 2,
            limit: 2,
            calls: 2,
            failure: { at: 110, kind: "overloaded", message: "come back" },
            note: undefined
          }
        }
      )
    })

    it("gives a short hint of one second while a probe is under way (rule 6)", () => {
      const { ask, fail, knock, later } = history(twoInARow)

      fail(2)
      later(1000)
      ask()

      assert.deepStrictEqual(knock(), { reason: "HalfOpen", retryAfter: 1000 })
    })

    it("gives an infinite wait while isolated (rule 6)", () => {
      const { command, later, refused } = history()

      command({ _tag: "Isolate", note: "maintenance" })
      later(10)

      const { cause, generation, reason, retryAfter, since } = refused()
      assert.deepStrictEqual({ reason, retryAfter, since, generation }, {
        reason: "Isolated",
        retryAfter: Number.POSITIVE_INFINITY,
        since: 0,
        generation: 1
      })
      assert.deepStrictEqual(cause, {
        rule: "isolated",
        value: 0,
        limit: 0,
        calls: 0,
        failure: undefined,
        note: "maintenance"
      })
    })

    it("names the later of the two ends to an open circuit that was throttled too (rule 6)", () => {
      const { call, fail, knock } = history(twoInARow)

      call(Outcome.throttled({ retryAfter: 0 }))
      call(Outcome.throttled({ retryAfter: 5000 }))
      assert.deepStrictEqual(knock(), { reason: "Throttled", retryAfter: 5000 })
      const other = history(twoInARow)
      const slow = other.ask()
      other.fail(1)
      const last = other.ask()
      other.settle(slow, Outcome.throttled({ retryAfter: 5000 }))
      other.settle(last, Outcome.failure())

      assert.deepStrictEqual(other.knock(), { reason: "Open", retryAfter: 5000 })
      assert.throws(() => fail(1), /Throttled/)
    })

    it("leaves out of the cause a failure of an earlier period (rule 6)", () => {
      const { command, fail, later, refused, succeed } = history(twoInARow)

      fail(2)
      later(1000)
      succeed(3)
      later(1)
      command({ _tag: "Trip", openFor: 50 })

      assert.strictEqual(refused().cause.failure, undefined)
    })
  })

  describe("settling", () => {
    it("does nothing the second time (rule 4)", () => {
      const { ask, read, settle, state } = history({ tripPolicy: TripPolicy.consecutive(2) })

      const permit = ask()
      settle(permit, Outcome.failure())
      const before = read()
      settle(permit, Outcome.failure())
      settle(permit, Outcome.trip())
      settle(permit, Outcome.throttled())

      assert.strictEqual(state(), "Closed")
      assert.deepStrictEqual(read(), before)
    })

    it("changes nothing but the calls in flight when the permit is of an earlier generation (rule 5)", () => {
      const outcomes = [
        Outcome.success,
        Outcome.failure({ retryAfter: 60_000 }),
        Outcome.ignored,
        Outcome.throttled({ retryAfter: 60_000 }),
        Outcome.trip({ openFor: 60_000 })
      ]
      for (const outcome of outcomes) {
        const { ask, fail, knock, later, read, settle } = history(twoInARow)

        const late = ask()
        fail(2)
        const open = read()
        settle(late, outcome)

        assert.deepStrictEqual(read(), { ...open, inFlight: 0 })
        later(1000)
        assert.strictEqual(knock(), "admitted")
      }
    })

    it("keeps a call of the time before an outage out of the window after it (rule 5)", () => {
      const { asks, fail, later, read, settle, state, succeed } = history(twoInARow)

      const late = asks(5)
      fail(2)
      later(1000)
      succeed(3)
      late.forEach((permit) => settle(permit, Outcome.failure()))

      assert.strictEqual(state(), "Closed")
      assert.strictEqual(read().failures, 2)
    })

    it("counts a success, and lets it end a streak (rule 8)", () => {
      const { fail, read, succeed } = history(twoInARow)

      fail(1)
      succeed(1)
      fail(1)

      const { failures, state, successes } = read()
      assert.deepStrictEqual({ failures, state, successes }, { failures: 2, state: "Closed", successes: 1 })
    })

    it("counts an ignored call nowhere, and lets it end no streak (rule 10)", () => {
      const { fail, ignore, read, steps } = history(twoInARow)

      fail(1)
      ignore(3)
      fail(1)

      const { failures, ignored, state, successes } = read()
      assert.deepStrictEqual({ failures, ignored, state, successes }, {
        failures: 2,
        ignored: 3,
        state: "Open",
        successes: 0
      })
      assert.deepStrictEqual(steps(), ["Closed -> Open (consecutive) at 0 for 1000"])
    })

    it("gives back the place of an ignored probe (rule 10)", () => {
      const { fail, ignore, knock, later, state } = history(twoInARow)

      fail(2)
      later(1000)
      ignore(5)

      assert.strictEqual(state(), "HalfOpen")
      assert.strictEqual(knock(), "admitted")
      assert.deepStrictEqual(knock(), { reason: "HalfOpen", retryAfter: 1000 })
    })

    it("counts a throttled call nowhere, and lets it end no streak (rule 11)", () => {
      const { call, fail, later, read, steps } = history(twoInARow)

      fail(1)
      call(Outcome.throttled({ retryAfter: 10 }))
      later(10)
      fail(1)

      const { failures, successes, throttled } = read()
      assert.deepStrictEqual({ failures, successes, throttled }, { failures: 2, successes: 0, throttled: 1 })
      assert.deepStrictEqual(steps(), ["Closed -> Open (consecutive) at 10 for 1000"])
    })

    it("leaves ignored and throttled calls out of every share (rule 10, rule 11, rule 16)", () => {
      const window = CallWindow.lastCalls(4)
      const { ask, call, later, read, settle } = history({
        tripPolicy: TripPolicy.anyOf(
          TripPolicy.failureRate({ threshold: 0.75, minimumCalls: 4, window }),
          TripPolicy.slowRate({ slowAfter: 100, threshold: 0.75, minimumCalls: 4, window })
        )
      })

      call(Outcome.failure())
      call(Outcome.success)
      const [ignored, throttled] = [ask(), ask()]
      later(101)
      settle(ignored, Outcome.ignored)
      settle(throttled, Outcome.throttled({ retryAfter: 0 }))

      assert.deepStrictEqual(read().window, { calls: 2, failureRate: 0.5, slowRate: 0 })
      assert.strictEqual(read().state, "Closed")
    })
  })

  describe("reading", () => {
    it("reads Open with nothing to wait for, until somebody asks (rule 2)", () => {
      const { ask, fail, later, read } = history(twoInARow)

      fail(2)
      later(999)
      const before = read()
      later(1)
      const at = read()
      later(1_000_000)
      const after = read()

      assert.deepStrictEqual([before.state, before.retryAfter], ["Open", 1])
      assert.deepStrictEqual([at.state, at.retryAfter], ["Open", 0])
      assert.deepStrictEqual([after.state, after.retryAfter, after.generation], ["Open", 0, 1])
      ask()
      assert.strictEqual(read().state, "HalfOpen")
    })

    it("gives the share of its life that it was neither open nor isolated", () => {
      const { ask, command, fail, later, read } = history(twoInARow)

      later(1000)
      fail(2)
      later(1000)
      assert.strictEqual(read().uptimePercentage, 50)
      ask()
      later(2000)
      assert.strictEqual(read().uptimePercentage, 75)
      command({ _tag: "Isolate" })
      later(4000)

      assert.strictEqual(read().uptimePercentage, 37.5)
    })

    it("tells the last failure: when, of what kind, in whose words", () => {
      const { call, later, read } = history()

      later(5)
      call(Outcome.failure({ kind: "timeout", message: "no answer" }))
      later(5)
      call(Outcome.success)

      assert.deepStrictEqual(read().lastFailure, { at: 5, kind: "timeout", message: "no answer" })
    })

    it("tells each transition whole, as it happens", () => {
      const { call, later, transitions } = history(twoInARow)

      later(7)
      call(Outcome.failure())
      call(Outcome.failure({ kind: "overloaded" }))

      assert.deepStrictEqual(transitions, [{
        from: "Closed",
        to: "Open",
        generation: 1,
        at: 7,
        cause: {
          rule: "consecutive",
          value: 2,
          limit: 2,
          calls: 2,
          failure: { at: 7, kind: "overloaded", message: undefined },
          note: undefined
        },
        openFor: 1000,
        share: undefined
      }])
    })
  })

  describe("time", () => {
    it("admits nothing early and throws nothing when the clock steps back (rule 3)", () => {
      const { fail, knock, later, state } = history(twoInARow, { startsAt: 10_000 })

      fail(2)
      later(-5000)
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 6000 })
      later(5999)
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1 })
      later(1)

      assert.strictEqual(knock(), "admitted")
      assert.strictEqual(state(), "HalfOpen")
    })

    it("keeps a time window when the clock steps back (rule 3)", () => {
      const { fail, later, read, state } = history({
        tripPolicy: TripPolicy.failureCount({ count: 3, window: CallWindow.lastDuration(1000) })
      }, { startsAt: 50_000 })

      fail(2)
      later(-40_000)
      assert.strictEqual(read().window.calls, 2)
      fail(1)

      assert.strictEqual(state(), "Open")
    })

    it("reads the time of a success that may trip a share (rule 15)", () => {
      const { circuit, fail } = history({
        tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 2, window: CallWindow.lastCalls(4) })
      })

      fail(1)

      assert.strictEqual(Circuit.readsTime(circuit), true)
    })

    it("reads the time only where a rule or a state needs it", () => {
      const { circuit, command } = history()
      const timed = history({
        tripPolicy: TripPolicy.failureCount({ count: 3, window: CallWindow.lastDuration(1000) })
      })
      const throttled = history()

      throttled.call(Outcome.throttled({ retryAfter: 10 }))
      assert.strictEqual(Circuit.readsTime(throttled.circuit), true)
      throttled.later(10)
      throttled.succeed()
      assert.strictEqual(Circuit.readsTime(throttled.circuit), false)
      assert.strictEqual(Circuit.readsTime(circuit), false)
      assert.strictEqual(Circuit.readsTime(timed.circuit), true)
      command({ _tag: "Trip" })

      assert.strictEqual(Circuit.readsTime(circuit), true)
    })
  })
})
