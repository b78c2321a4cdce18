import { assert, describe, it } from "@effect/vitest"
import type * as Circuit from "../src/Circuit.ts"
import * as Outcome from "../src/Outcome.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import { type History, history, plain } from "./history.ts"

/** One failure opens, one success closes. */
const quick = { tripPolicy: TripPolicy.consecutive(1), halfOpen: { successes: 1 } }

const secondsByOpening = (opening: number) => 1000 * opening

/** Waits until the circuit may be asked again, and says whether it was refused to the last millisecond before. */
const waitOut = ({ knock, later, read }: History): void => {
  const { retryAfter } = read()
  later(retryAfter - 1)
  assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1 })
  later(1)
}

const openFors = ({ transitions }: History) =>
  transitions.filter((step) => step.to === "Open").map((step) => step.openFor)

describe("Circuit", () => {
  describe("opening", () => {
    it("lasts the open duration, to the millisecond (rule 20, rule 22)", () => {
      const { fail, knock, later } = history({ ...quick, openDuration: "1 second" })

      fail()
      later(999)
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1 })
      later(0.5)
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 0.5 })
      later(0.5)

      assert.strictEqual(knock(), "admitted")
    })

    it("admits the first ask as a probe however long after the end it comes (rule 22)", () => {
      const { ask, fail, later, read } = history({ ...quick, openDuration: 1000 })

      fail()
      later(1e9)
      ask()

      const { generation, retryAfter, since, stage, state } = read()
      assert.deepStrictEqual({ generation, retryAfter, since, stage, state }, {
        generation: 2,
        retryAfter: 0,
        since: 1e9,
        stage: "Probing",
        state: "HalfOpen"
      })
    })

    it("lasts the n-th duration the n-th time in a row (rule 20)", () => {
      const circuit = history({ ...quick, openDuration: secondsByOpening })

      circuit.fail()
      for (let i = 0; i < 3; i++) {
        waitOut(circuit)
        circuit.fail()
      }

      assert.deepStrictEqual(openFors(circuit), [1000, 2000, 3000, 4000])
      assert.strictEqual(circuit.read().openings, 4)
    })

    it("is lengthened by jitter up to its fraction, never shortened (rule 20)", () => {
      const draws = [0, 0.5, 0.999]
      const lengths = draws.map((draw) => {
        const circuit = history({ ...quick, openDuration: 1000, jitter: 0.2 }, { random: () => draw })
        circuit.fail()
        return circuit.read().retryAfter
      })

      assert.deepStrictEqual(lengths, [1000, 1100, 1199.8])
    })

    it("draws no jitter unless asked to (rule 20, section 4)", () => {
      const circuit = history({ ...quick, openDuration: 1000 }, { random: () => 0.999 })

      circuit.fail()

      assert.strictEqual(circuit.read().retryAfter, 1000)
    })
  })

  describe("the count of openings in a row", () => {
    const closedFor = (millis: number) => {
      const circuit = history({ ...quick, openDuration: secondsByOpening })
      circuit.fail()
      waitOut(circuit)
      circuit.succeed()
      circuit.later(millis)
      return circuit
    }

    it("survives a close (rule 21)", () => {
      const circuit = closedFor(0)

      assert.strictEqual(circuit.read().openings, 1)
      circuit.fail()

      assert.deepStrictEqual(openFors(circuit), [1000, 2000])
    })

    it("survives until just before the circuit was closed as long as it was open (rule 21)", () => {
      const circuit = closedFor(999)

      assert.strictEqual(circuit.read().openings, 1)
      circuit.fail()

      assert.deepStrictEqual(openFors(circuit), [1000, 2000])
    })

    it("resets exactly when the circuit was closed as long as its last opening lasted (rule 21)", () => {
      const circuit = closedFor(1000)

      assert.strictEqual(circuit.read().openings, 0)
      circuit.fail()

      assert.deepStrictEqual(openFors(circuit), [1000, 1000])
    })

    it("measures by the last opening, not the first (rule 21)", () => {
      const circuit = closedFor(0)

      circuit.fail()
      waitOut(circuit)
      circuit.succeed()
      circuit.later(1999)
      assert.strictEqual(circuit.read().openings, 2)
      circuit.later(1)
      assert.strictEqual(circuit.read().openings, 0)
      circuit.fail()

      assert.deepStrictEqual(openFors(circuit), [1000, 2000, 1000])
    })

    it("stays reset when the circuit is isolated and released after it (rule 21, rule 27)", () => {
      const circuit = closedFor(1000)

      circuit.command({ _tag: "Isolate" })
      circuit.command({ _tag: "Release" })
      assert.strictEqual(circuit.read().openings, 0)
      circuit.fail()

      assert.deepStrictEqual(openFors(circuit), [1000, 1000])
    })

    it("is forgotten by reset (rule 27)", () => {
      const circuit = closedFor(0)

      circuit.command({ _tag: "Reset" })
      assert.strictEqual(circuit.read().openings, 0)
      circuit.fail()

      assert.deepStrictEqual(openFors(circuit), [1000, 1000])
    })

    it("is not forgotten by isolate and release (rule 27)", () => {
      const circuit = closedFor(0)

      circuit.command({ _tag: "Isolate" })
      circuit.command({ _tag: "Release" })
      circuit.fail()

      assert.deepStrictEqual(openFors(circuit), [1000, 2000])
    })
  })

  describe("a hint", () => {
    const hinted = (options: Circuit.Options = {}) =>
      history({ tripPolicy: TripPolicy.consecutive(2), openDuration: 1000, halfOpen: { successes: 1 }, ...options })

    const hint = (retryAfter: number) => Outcome.failure({ retryAfter })

    it("makes the next opening at least that long (rule 9)", () => {
      const circuit = hinted()

      circuit.fail()
      circuit.call(hint(5000))

      assert.deepStrictEqual(openFors(circuit), [5000])
      waitOut(circuit)
      assert.strictEqual(circuit.knock(), "admitted")
    })

    it("counts from when it was received, by any failure of the period (rule 9)", () => {
      const circuit = hinted()

      circuit.call(hint(5000))
      circuit.later(1500)
      circuit.succeed()
      circuit.fail(2)

      assert.deepStrictEqual(circuit.steps(), ["Closed -> Open (consecutive) at 1500 for 3500"])
    })

    it("counts with the latest end among several (rule 9)", () => {
      const circuit = hinted()

      circuit.call(hint(9000))
      circuit.succeed()
      circuit.later(1000)
      circuit.call(hint(2000))
      circuit.fail()

      assert.deepStrictEqual(openFors(circuit), [8000])
    })

    it("never shortens an opening (rule 9)", () => {
      for (const millis of [0, 1, 999, 1000]) {
        const circuit = hinted()

        circuit.fail()
        circuit.call(hint(millis))

        assert.deepStrictEqual(openFors(circuit), [1000])
      }
    })

    it("does nothing once it lies behind (rule 9)", () => {
      const circuit = hinted()

      circuit.call(hint(5000))
      circuit.later(5000)
      circuit.fail()

      assert.deepStrictEqual(openFors(circuit), [1000])
    })

    it("is capped at maxRetryAfter, from when it was received (rule 9)", () => {
      const lengths = [1999, 2000, 2001, 1e9].map((millis) => {
        const circuit = hinted({ maxRetryAfter: "2 seconds" })
        circuit.fail()
        circuit.call(hint(millis))
        return circuit.read().retryAfter
      })

      assert.deepStrictEqual(lengths, [1999, 2000, 2000, 2000])
    })

    it("is capped at 15 minutes by default (rule 9, section 4)", () => {
      const circuit = hinted()

      circuit.fail()
      circuit.call(hint(1e9))

      assert.deepStrictEqual(openFors(circuit), [15 * 60_000])
    })

    it("of a failed probe lengthens the reopening (rule 9, rule 25)", () => {
      const circuit = hinted()

      circuit.fail(2)
      waitOut(circuit)
      circuit.call(hint(7000))

      assert.deepStrictEqual(openFors(circuit), [1000, 7000])
    })

    it("of an earlier period does nothing (rule 9)", () => {
      const circuit = hinted()

      circuit.fail()
      circuit.call(hint(3000))
      const late = circuit.transitions.length
      waitOut(circuit)
      circuit.succeed()
      circuit.fail(2)

      assert.strictEqual(late, 1)
      assert.deepStrictEqual(openFors(circuit), [3000, 1000])
    })

    it("of a period that reset ended does nothing (rule 9, rule 27)", () => {
      const circuit = hinted()

      circuit.call(hint(60_000))
      circuit.command({ _tag: "Reset" })
      circuit.fail(2)

      assert.deepStrictEqual(openFors(circuit), [1000])
    })
  })

  describe("a Trip outcome", () => {
    it("opens at once, whatever the policy says, for its openFor (rule 12)", () => {
      const circuit = history({ tripPolicy: TripPolicy.never })

      circuit.call(Outcome.trip({ kind: "noCredit", message: "top up", openFor: "2 minutes" }))

      assert.deepStrictEqual(circuit.steps(), ["Closed -> Open (trip) at 0 for 120000"])
      assert.deepStrictEqual(circuit.refused().cause, {
        rule: "trip",
        value: 0,
        limit: 0,
        calls: 0,
        failure: { at: 0, kind: "noCredit", message: "top up" },
        note: undefined
      })
      waitOut(circuit)
      assert.strictEqual(circuit.knock(), "admitted")
    })

    it("opens for tripDuration without an openFor, an hour by default (rule 12, section 4)", () => {
      const byDefault = history()
      const set = history({ tripDuration: "5 seconds" })

      byDefault.call(Outcome.trip())
      set.call(Outcome.trip())

      assert.deepStrictEqual([openFors(byDefault), openFors(set)], [[3_600_000], [5000]])
    })

    it("opens from a probe and from the ramp too (rule 12)", () => {
      const probing = history({ ...quick, openDuration: 1000 })
      const ramping = history({ ...quick, openDuration: 1000, ramp: { shares: [0.5], every: 1000 } })

      for (const circuit of [probing, ramping]) {
        circuit.fail()
        waitOut(circuit)
      }
      probing.call(Outcome.trip({ openFor: 9000 }))
      ramping.succeed()
      ramping.call(Outcome.trip({ openFor: 9000 }))

      assert.deepStrictEqual(openFors(probing), [1000, 9000])
      assert.deepStrictEqual(openFors(ramping), [1000, 9000])
    })

    it("is not capped at maxRetryAfter, and is not shorter than a hint (rule 9, rule 12)", () => {
      const capped = history({ maxRetryAfter: 1000 })
      const hinted = history()

      capped.call(Outcome.trip({ openFor: 60_000 }))
      hinted.call(Outcome.failure({ retryAfter: 5000 }))
      hinted.call(Outcome.trip({ openFor: 1000 }))

      assert.deepStrictEqual([openFors(capped), openFors(hinted)], [[60_000], [5000]])
    })
  })

  describe("a throttle", () => {
    it("shuts the gate until its end, and admits exactly at it (rule 11)", () => {
      const { call, knock, later, read, refused, state } = history()

      call(Outcome.throttled({ retryAfter: 5000, kind: "rate_limit", message: "slow down" }))
      assert.deepStrictEqual(
        plain(refused()),
        {
          reason: "Throttled",
          retryAfter: 5000,
          since: 0,
          generation: 0,
          cause: {
            rule: "throttled",
            value: 5000,
            limit: 0,
            calls: 0,
            failure: { at: 0, kind: "rate_limit", message: "slow down" },
            note: undefined
          }
        }
      )
      later(4999)
      assert.deepStrictEqual(knock(), { reason: "Throttled", retryAfter: 1 })
      assert.deepStrictEqual([state(), read().retryAfter], ["Closed", 1])
      later(1)

      assert.strictEqual(knock(), "admitted")
      assert.deepStrictEqual([read().retryAfter, read().cause], [0, undefined])
    })

    it("lasts throttleDuration without a hint, ten seconds by default (rule 11, section 4)", () => {
      const byDefault = history()
      const set = history({ throttleDuration: "3 seconds" })

      byDefault.call(Outcome.throttled())
      set.call(Outcome.throttled())

      assert.deepStrictEqual(byDefault.knock(), { reason: "Throttled", retryAfter: 10_000 })
      assert.deepStrictEqual(set.knock(), { reason: "Throttled", retryAfter: 3000 })
    })

    it("takes the later end of two, in either order (rule 11)", () => {
      for (const pauses of [[5000, 2000], [2000, 5000]]) {
        const { asks, knock, later, settle } = history()

        const [one, two] = asks(2)
        settle(one!, Outcome.throttled({ retryAfter: pauses[0]! }))
        settle(two!, Outcome.throttled({ retryAfter: pauses[1]! }))

        assert.deepStrictEqual(knock(), { reason: "Throttled", retryAfter: 5000 })
        later(5000)
        assert.strictEqual(knock(), "admitted")
      }
    })

    it("frees the place of a throttled probe, and shuts the gate half-open too (rule 11)", () => {
      const { call, fail, knock, later, state, succeed } = history({ ...quick, openDuration: 1000 })

      fail()
      later(1000)
      call(Outcome.throttled({ retryAfter: 500 }))
      assert.strictEqual(state(), "HalfOpen")
      later(499)
      assert.deepStrictEqual(knock(), { reason: "Throttled", retryAfter: 1 })
      later(1)
      succeed()

      assert.strictEqual(state(), "Closed")
    })

    it("shuts the gate on the ramp (rule 11)", () => {
      const { call, fail, knock, later, read, succeed } = history({
        ...quick,
        openDuration: 1000,
        ramp: { shares: [0.5], every: 60_000 }
      })

      fail()
      later(1000)
      succeed()
      call(Outcome.throttled({ retryAfter: 500 }))
      later(499)
      assert.deepStrictEqual(knock(), { reason: "Throttled", retryAfter: 1 })
      later(1)

      assert.deepStrictEqual([knock(), knock()], [{ reason: "HalfOpen", retryAfter: 1000 }, "admitted"])
      assert.strictEqual(read().stage, "Ramping")
    })

    it("that is longer than an opening holds the first probe back (rule 11, rule 22)", () => {
      const { asks, knock, later, settle, state } = history({ ...quick, openDuration: 1000 })

      const [one, two] = asks(2)
      settle(one!, Outcome.throttled({ retryAfter: 4000 }))
      settle(two!, Outcome.failure())
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 4000 })
      later(1000)
      assert.deepStrictEqual(knock(), { reason: "Throttled", retryAfter: 3000 })
      assert.strictEqual(state(), "Open")
      later(3000)

      assert.strictEqual(knock(), "admitted")
      assert.strictEqual(state(), "HalfOpen")
    })

    it("counts from a time of its own once the one before is over (rule 11)", () => {
      const { asks, later, refused, settle } = history()

      const [one, two] = asks(2)
      settle(one!, Outcome.throttled({ retryAfter: 100 }))
      later(100)
      settle(two!, Outcome.throttled({ retryAfter: 50 }))
      later(10)

      const { retryAfter, since } = refused()
      assert.deepStrictEqual({ retryAfter, since }, { retryAfter: 40, since: 100 })
    })

    it("is lifted by reset (rule 27)", () => {
      const { call, command, knock } = history()

      call(Outcome.throttled())
      command({ _tag: "Reset" })

      assert.strictEqual(knock(), "admitted")
    })
  })
})
