import { assert, describe, it } from "@effect/vitest"
import * as Circuit from "../src/Circuit.ts"
import * as Outcome from "../src/Outcome.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import { history, type Refused } from "./history.ts"

const { success } = Outcome
const quick = { tripPolicy: TripPolicy.consecutive(1), openDuration: 1000, halfOpen: { successes: 1 } }

describe("Circuit", () => {
  describe("isolating", () => {
    it("refuses everything, however long, until released (rule 27)", () => {
      const { command, knock, later, state, steps } = history()
      const shut: Refused = { reason: "Isolated", retryAfter: Number.POSITIVE_INFINITY }

      command({ _tag: "Isolate", note: "migration" })
      assert.deepStrictEqual(knock(), shut)
      later(1e12)
      assert.deepStrictEqual(knock(), shut)
      command({ _tag: "Release" })

      assert.deepStrictEqual([state(), knock()], ["Closed", "admitted"])
      assert.deepStrictEqual(steps(), ["Closed -> Isolated (isolated) at 0", "Isolated -> Closed at 1000000000000"])
    })

    it("works from every state (rule 27)", () => {
      const open = history(quick)
      const probing = history(quick)
      const ramping = history({ ...quick, ramp: { shares: [0.5], every: 1000 } })

      for (const circuit of [open, probing, ramping]) circuit.fail()
      for (const circuit of [probing, ramping]) circuit.later(1000)
      probing.ask()
      ramping.succeed()
      for (const circuit of [open, probing, ramping]) circuit.command({ _tag: "Isolate" })

      for (const circuit of [open, probing, ramping]) {
        assert.strictEqual(circuit.state(), "Isolated")
        circuit.command({ _tag: "Release" })
        assert.strictEqual(circuit.state(), "Closed")
      }
    })

    it("takes a new note when it is isolated already, and no new period (rule 27)", () => {
      const { command, later, read, transitions } = history()

      command({ _tag: "Isolate", note: "one" })
      later(5)
      command({ _tag: "Isolate", note: "two" })

      const { cause, generation, since } = read()
      assert.deepStrictEqual([cause?.note, generation, since, transitions.length], ["two", 1, 0, 1])
    })

    it("lets calls that run come home to nothing (rule 5, rule 27)", () => {
      const { ask, command, read, settle, state } = history(quick)

      const permit = ask()
      command({ _tag: "Isolate" })
      settle(permit, Outcome.trip())
      assert.strictEqual(state(), "Isolated")
      command({ _tag: "Release" })

      assert.deepStrictEqual([read().state, read().failures, read().inFlight], ["Closed", 0, 0])
    })

    it("is not undone by a trip by hand (rule 27)", () => {
      const { command, state, transitions } = history()

      command({ _tag: "Isolate" })
      command({ _tag: "Trip" })

      assert.deepStrictEqual([state(), transitions.length], ["Isolated", 1])
    })

    it("is undone by nothing but release and reset (rule 27)", () => {
      const { command, state } = history()

      command({ _tag: "Isolate" })
      command({ _tag: "Reset" })

      assert.strictEqual(state(), "Closed")
    })
  })

  describe("isolating for a while", () => {
    const isolate = (millis: number): Circuit.Command => ({ _tag: "Isolate", for: millis })

    it("refuses until its end, and exactly then goes on where it was (rule 2, rule 27)", () => {
      const { command, knock, later, read, steps } = history()

      command(isolate(1000))
      later(999)
      assert.deepStrictEqual(knock(), { reason: "Isolated", retryAfter: 1 })
      later(1)
      assert.deepStrictEqual([read().state, read().retryAfter], ["Isolated", 0])

      assert.strictEqual(knock(), "admitted")
      assert.deepStrictEqual(steps(), ["Closed -> Isolated (isolated) at 0", "Isolated -> Closed at 1000"])
    })

    it("gives an opening back with what is left of it", () => {
      const { command, fail, knock, later, refused, steps } = history(quick)

      fail()
      const { cause } = refused()
      command(isolate(400))
      assert.deepStrictEqual(knock(), { reason: "Isolated", retryAfter: 1000 })
      later(400)
      assert.deepStrictEqual(refused().cause, cause)
      later(599)
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1 })
      later(1)

      assert.strictEqual(knock(), "admitted")
      assert.deepStrictEqual(steps(), [
        "Closed -> Open (consecutive) at 0 for 1000",
        "Open -> Isolated (isolated) at 0",
        "Isolated -> Open (consecutive) at 400 for 600",
        "Open -> HalfOpen (consecutive) at 1000"
      ])
    })

    it("gives an opening back that is over meanwhile: the next call is a probe (rule 22)", () => {
      const { command, fail, knock, later, steps } = history(quick)

      fail()
      command(isolate(5000))
      later(5000)

      assert.strictEqual(knock(), "admitted")
      assert.deepStrictEqual(steps().slice(-2), [
        "Isolated -> Open (consecutive) at 5000 for 0",
        "Open -> HalfOpen (consecutive) at 5000"
      ])
    })

    it("begins the probing anew: the probes of before count for nothing (rule 5, rule 23)", () => {
      const { ask, command, fail, later, read, settle, succeed } = history({
        ...quick,
        halfOpen: { concurrency: 2, successes: 2 }
      })

      fail()
      later(1000)
      succeed()
      const old = ask()
      command(isolate(100))
      later(100)
      const fresh = ask()
      assert.deepStrictEqual([read().state, read().stage], ["HalfOpen", "Probing"])
      settle(old, Outcome.failure())
      settle(fresh, success)
      assert.strictEqual(read().state, "HalfOpen")
      succeed()

      assert.strictEqual(read().state, "Closed")
    })

    it("goes on with a ramp at its step, from the beginning of it (rule 26)", () => {
      const { command, fail, later, read, succeed } = history({
        ...quick,
        ramp: { shares: [0.5, 0.8], every: 1000, minimumCalls: 1 }
      })

      fail()
      later(1000)
      succeed()
      succeed()
      later(1000)
      succeed()
      assert.strictEqual(read().share, 0.8)
      command(isolate(100))
      later(100)
      succeed()
      assert.deepStrictEqual([read().stage, read().share], ["Ramping", 0.8])
      later(999)
      succeed()
      assert.strictEqual(read().stage, "Ramping")
      later(1)
      succeed()

      assert.strictEqual(read().state, "Closed")
    })

    it("is released to Closed, whatever it interrupted (rule 27)", () => {
      const { command, fail, state } = history(quick)

      fail()
      command(isolate(1000))
      command({ _tag: "Release" })

      assert.strictEqual(state(), "Closed")
    })

    it("takes a new end, or none, and goes on where the first one interrupted it", () => {
      const { command, fail, knock, later, transitions } = history(quick)

      fail()
      command(isolate(100))
      later(50)
      command(isolate(2000))
      later(1999)
      assert.deepStrictEqual(knock(), { reason: "Isolated", retryAfter: 1 })
      command({ _tag: "Isolate" })
      later(1e9)
      assert.deepStrictEqual(knock(), { reason: "Isolated", retryAfter: Number.POSITIVE_INFINITY })

      assert.strictEqual(transitions.length, 2)
    })

    it("is over for an order that comes after its end", () => {
      const { command, later, steps } = history(quick)

      command(isolate(100))
      later(100)
      command({ _tag: "Trip", openFor: 500 })

      assert.deepStrictEqual(steps().slice(-2), ["Isolated -> Closed at 100", "Closed -> Open (manual) at 100 for 500"])
    })

    it("tells a look what an ask would find, and moves nothing (rule 2)", () => {
      const { circuit, command, fail, later, now, state } = history(quick)

      fail()
      command(isolate(400))
      later(400)

      assert.strictEqual(Circuit.refusal(circuit, now())?.reason, "Open")
      later(600)
      assert.strictEqual(Circuit.refusal(circuit, now()), undefined)
      assert.strictEqual(state(), "Isolated")
    })

    it("counts the whole of it as downtime, and no moment twice", () => {
      const { command, fail, knock, later, read } = history({ ...quick, openDuration: 200 })

      later(1000)
      fail()
      later(100)
      command(isolate(300))
      later(300)
      knock()
      later(600)

      assert.strictEqual(read().uptimePercentage, 80)
    })

    it("says who and why, for as long as it lasts", () => {
      const { command, refused } = history()

      command({ _tag: "Isolate", for: 10, note: "migration", by: "ada" })

      assert.deepInclude(refused().cause, { rule: "isolated", note: "migration", by: "ada" })
    })
  })

  describe("releasing", () => {
    it("does nothing to a circuit that is not isolated (rule 27)", () => {
      const { command, fail, read, transitions } = history(quick)

      command({ _tag: "Release" })
      assert.strictEqual(transitions.length, 0)
      fail()
      const before = read()
      command({ _tag: "Release" })

      assert.deepStrictEqual(read(), before)
    })
  })

  describe("resetting", () => {
    it("returns to Closed from every state (rule 27)", () => {
      const { ask, command, fail, later, steps } = history(quick)

      fail()
      command({ _tag: "Reset" })
      fail()
      later(1000)
      ask()
      command({ _tag: "Reset" })

      assert.deepStrictEqual(steps().filter((step) => step.includes("-> Closed")), [
        "Open -> Closed at 0",
        "HalfOpen -> Closed at 1000"
      ])
    })

    it("begins a new period in Closed too: the window and the streak are empty (rule 5, rule 27)", () => {
      const { ask, command, fail, read, settle } = history({ tripPolicy: TripPolicy.consecutive(2) })

      fail()
      const late = ask()
      command({ _tag: "Reset" })
      settle(late, Outcome.failure())
      fail()

      assert.deepStrictEqual([read().state, read().generation], ["Closed", 1])
    })
  })

  describe("tripping by hand", () => {
    it("opens for its openFor, with its note (rule 27)", () => {
      const { command, knock, later, refused } = history(quick)

      command({ _tag: "Trip", openFor: 500, note: "they told us" })
      assert.deepStrictEqual([refused().cause.rule, refused().cause.note], ["manual", "they told us"])
      later(499)
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1 })
      later(1)

      assert.strictEqual(knock(), "admitted")
    })

    it("opens for tripDuration without an openFor (rule 27)", () => {
      const { command, steps } = history({ tripDuration: "2 seconds" })

      command({ _tag: "Trip" })

      assert.deepStrictEqual(steps(), ["Closed -> Open (manual) at 0 for 2000"])
    })

    it("opens an open circuit anew, without counting another opening (rule 20, rule 27)", () => {
      const { command, fail, later, read } = history({ ...quick, openDuration: (opening) => 1000 * opening })

      fail()
      later(900)
      command({ _tag: "Trip", openFor: 5000 })

      const { generation, openings, retryAfter, since } = read()
      assert.deepStrictEqual({ generation, openings, retryAfter, since }, {
        generation: 2,
        openings: 1,
        retryAfter: 5000,
        since: 900
      })
    })
  })

  describe("observing", () => {
    it("refuses nothing, and counts what would have been refused (rule 28)", () => {
      const { asks, fail, later, read, settle, steps } = history(quick, { mode: "observe" })

      fail()
      const permits = asks(3)
      permits.forEach((permit) => settle(permit, Outcome.failure()))
      later(1000)
      const [probe, extra] = asks(2)
      settle(extra!, Outcome.failure())
      settle(probe!, success)

      assert.deepStrictEqual(steps(), [
        "Closed -> Open (consecutive) at 0 for 1000",
        "Open -> HalfOpen (consecutive) at 1000",
        "HalfOpen -> Closed at 1000"
      ])
      const { failures, inFlight, rejected, successes, wouldReject } = read()
      assert.deepStrictEqual({ failures, inFlight, rejected, successes, wouldReject }, {
        failures: 1,
        inFlight: 0,
        rejected: 0,
        successes: 1,
        wouldReject: 4
      })
    })

    it("lets throttled and isolated calls through (rule 28)", () => {
      const { asks, call, command, read } = history({}, { mode: "observe" })

      call(Outcome.throttled())
      asks(2)
      command({ _tag: "Isolate" })
      asks(2)

      assert.deepStrictEqual([read().wouldReject, read().rejected, read().state], [4, 0, "Isolated"])
    })

    it("refuses from the moment that it is enforced (rule 28)", () => {
      const { ask, command, fail, knock } = history(quick, { mode: "observe" })

      fail()
      ask()
      command({ _tag: "SetMode", mode: "enforce" })

      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1000 })
    })
  })

  describe("off", () => {
    it("lets calls pass and counts nothing (rule 28)", () => {
      const { asks, fail, read, steps } = history(quick, { mode: "off" })

      const before = read()
      fail(100)
      asks(10)

      assert.deepStrictEqual(read(), before)
      assert.deepStrictEqual(steps(), [])
    })

    it("counts nothing of calls that were admitted before (rule 28)", () => {
      const { asks, command, read, settle } = history({ tripPolicy: TripPolicy.consecutive(2) })

      const [one, two] = asks(2)
      settle(one!, Outcome.failure())
      command({ _tag: "SetMode", mode: "off" })
      settle(two!, Outcome.failure())
      command({ _tag: "SetMode", mode: "enforce" })

      const { failures, inFlight, state } = read()
      assert.deepStrictEqual({ failures, inFlight, state }, { failures: 1, inFlight: 0, state: "Closed" })
    })

    it("counts nothing of its calls when they come home after it (rule 28)", () => {
      const { asks, command, read, settle } = history(quick, { mode: "off" })

      const permits = asks(5)
      command({ _tag: "SetMode", mode: "enforce" })
      permits.forEach((permit) => settle(permit, Outcome.failure()))

      const { failures, inFlight, state } = read()
      assert.deepStrictEqual({ failures, inFlight, state }, { failures: 0, inFlight: 0, state: "Closed" })
    })

    it("gives back the place of a probe that settles meanwhile (rule 28)", () => {
      const { ask, command, fail, knock, later, settle } = history(quick)

      fail()
      later(1000)
      const probe = ask()
      command({ _tag: "SetMode", mode: "off" })
      settle(probe, success)
      command({ _tag: "SetMode", mode: "enforce" })

      assert.strictEqual(knock(), "admitted")
    })

    it("keeps an open circuit open for when it is enforced again (rule 28)", () => {
      const { command, fail, knock } = history(quick)

      fail()
      command({ _tag: "SetMode", mode: "off" })
      assert.strictEqual(knock(), "admitted")
      command({ _tag: "SetMode", mode: "enforce" })

      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1000 })
    })
  })

  describe("a clock that steps back", () => {
    it("finds the gate still shut for those who were refused for another reason meanwhile (rule 3, rule 11)", () => {
      const { ask, command, knock, later, settle } = history({ throttleDuration: 100 })

      settle(ask(), Outcome.throttled())
      command({ _tag: "Isolate" })
      later(100)
      assert.deepStrictEqual(knock(), { reason: "Isolated", retryAfter: Number.POSITIVE_INFINITY })
      later(-1)
      command({ _tag: "Release" })

      assert.deepStrictEqual(knock(), { reason: "Throttled", retryAfter: 1 })
      later(1)
      assert.strictEqual(knock(), "admitted")
    })
  })

  describe("a state of its own", () => {
    it("lives in the cell that it is given", () => {
      const cell = { current: Circuit.closed(0, 7) }
      const circuit = Circuit.make(Circuit.rules(quick), 0, { cell })

      const permit = Circuit.admit(circuit, 0)
      assert.instanceOf(permit, Circuit.Permit)
      if (permit instanceof Circuit.Permit) Circuit.settle(circuit, permit, Outcome.failure(), 0)

      assert.deepStrictEqual([cell.current._tag, cell.current.generation], ["Open", 8])
    })
  })

  describe("a check that passed", () => {
    it("ends an opening early, as a probe that passed, and no call was risked (rule 22, rule 23)", () => {
      const { command, fail, later, state, steps } = history({ ...quick, halfOpen: { successes: 2 } })

      fail()
      later(1)
      command({ _tag: "Pass" })
      assert.strictEqual(state(), "HalfOpen")
      command({ _tag: "Pass" })

      assert.deepStrictEqual(steps().slice(1), [
        "Open -> HalfOpen (consecutive) at 1",
        "HalfOpen -> Closed at 1"
      ])
    })

    it("begins the ramp where there is one (rule 25)", () => {
      const { command, fail, read } = history({ ...quick, ramp: { shares: [0.1], every: 1000 } })

      fail()
      command({ _tag: "Pass" })

      assert.deepStrictEqual([read().state, read().share], ["HalfOpen", 0.1])
    })

    it("counts beside the users' probes (rule 23)", () => {
      const { command, fail, later, state, succeed } = history({ ...quick, halfOpen: { successes: 2 } })

      fail()
      later(1000)
      succeed(1)
      assert.strictEqual(state(), "HalfOpen")
      command({ _tag: "Pass" })

      assert.strictEqual(state(), "Closed")
    })

    it("ends nothing before the provider's own hint is over, and does so at its end (rule 9)", () => {
      const { ask, command, later, settle, state } = history(quick)

      settle(ask(), Outcome.failure({ retryAfter: 500 }))
      later(499)
      command({ _tag: "Pass" })
      assert.strictEqual(state(), "Open")
      later(1)
      command({ _tag: "Pass" })

      assert.strictEqual(state(), "Closed")
    })

    it("ends no opening whose length a Trip or an operator set (rule 12, rule 27)", () => {
      const tripped = history(quick)
      const manual = history(quick)

      tripped.settle(tripped.ask(), Outcome.trip({ openFor: 5000 }))
      manual.command({ _tag: "Trip", openFor: 5000 })
      for (const { command, later, state } of [tripped, manual]) {
        later(4999)
        command({ _tag: "Pass" })
        assert.strictEqual(state(), "Open")
        later(1)
        command({ _tag: "Pass" })
        assert.strictEqual(state(), "Closed")
      }
    })

    it("is nothing to a circuit that is closed, ramps or is isolated", () => {
      const ramping = history({ ...quick, ramp: { shares: [0.1], every: 1000 } })
      ramping.fail()
      ramping.command({ _tag: "Pass" })
      const isolated = history(quick)
      isolated.command({ _tag: "Isolate" })
      for (const circuit of [history(quick), ramping, isolated]) {
        const before = circuit.read()
        circuit.command({ _tag: "Pass" })
        assert.deepStrictEqual(circuit.read(), before)
      }
    })
  })
})
