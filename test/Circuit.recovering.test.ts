import { assert, describe, it } from "@effect/vitest"
import * as CallWindow from "../src/CallWindow.ts"
import type * as Circuit from "../src/Circuit.ts"
import * as Outcome from "../src/Outcome.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import { history, type Refused } from "./history.ts"

const failure = Outcome.failure()
const { success } = Outcome
const busy: Refused = { reason: "HalfOpen", retryAfter: 1000 }

/** A circuit that was opened at zero for a second, and may be asked now. */
const recovering = (options: Circuit.Options = {}) => {
  const circuit = history({ tripPolicy: TripPolicy.consecutive(1), openDuration: 1000, ...options })
  circuit.fail()
  circuit.later(1000)
  return circuit
}

/** The same, with its probe passed: on the first step of the ramp, at 1000. */
const ramping = (ramp: Circuit.RampOptions, options: Circuit.Options = {}) => {
  const circuit = recovering({ ramp, halfOpen: { successes: 1 }, ...options })
  circuit.succeed()
  return circuit
}

/** Which of so many asks were admitted. */
const pattern = (knock: () => unknown, count: number): string =>
  Array.from({ length: count }, () => knock() === "admitted" ? "x" : ".").join("")

describe("Circuit", () => {
  describe("probing", () => {
    it("runs one probe at a time and closes after three successes by default (rule 23, section 4)", () => {
      const { ask, knock, settle, state, steps, succeed } = recovering()

      const probe = ask()
      assert.deepStrictEqual(knock(), busy)
      settle(probe, success)
      succeed(1)
      assert.strictEqual(state(), "HalfOpen")
      succeed(1)

      assert.deepStrictEqual(steps(), [
        "Closed -> Open (consecutive) at 0 for 1000",
        "Open -> HalfOpen (consecutive) at 1000",
        "HalfOpen -> Closed at 1000"
      ])
    })

    it("runs at most concurrency probes at once, and one more for each that settles (rule 23)", () => {
      const { asks, knock, settle } = recovering({ halfOpen: { concurrency: 3, successes: 9 } })

      const [one] = asks(3)
      assert.deepStrictEqual(knock(), busy)
      settle(one!, success)

      assert.deepStrictEqual([knock(), knock()], ["admitted", busy])
    })

    it("reopens at the first failure where every probe must succeed (rule 23, rule 25)", () => {
      const { fail, refused, steps, succeed } = recovering()

      succeed(2)
      fail(1)

      assert.deepStrictEqual(steps().slice(2), ["HalfOpen -> Open (probes) at 1000 for 1000"])
      const { cause: { calls, limit, rule, value } } = refused()
      assert.deepStrictEqual({ calls, limit, rule, value }, { calls: 3, limit: 1, rule: "probes", value: 1 })
    })

    it("passes as soon as enough probes succeeded, without waiting for the rest (rule 23)", () => {
      const { asks, read, settle, state } = recovering({ halfOpen: { concurrency: 5, successes: 3, outOf: 5 } })

      const probes = asks(5)
      settle(probes[4]!, failure)
      settle(probes[0]!, success)
      settle(probes[1]!, failure)
      settle(probes[2]!, success)
      assert.strictEqual(state(), "HalfOpen")
      settle(probes[3]!, success)

      assert.strictEqual(state(), "Closed")
      assert.strictEqual(read().inFlight, 0)
    })

    it("fails as soon as enough successes can no longer come, without waiting for the rest (rule 23)", () => {
      const { asks, read, settle, state } = recovering({ halfOpen: { concurrency: 5, successes: 3, outOf: 5 } })

      const probes = asks(5)
      settle(probes[0]!, success)
      settle(probes[1]!, failure)
      settle(probes[2]!, failure)
      assert.strictEqual(state(), "HalfOpen")
      settle(probes[3]!, failure)

      assert.strictEqual(state(), "Open")
      assert.strictEqual(read().inFlight, 1)
      settle(probes[4]!, success)
      assert.deepStrictEqual([state(), read().inFlight], ["Open", 0])
    })

    it("lets a late success of the probes that passed change nothing (rule 5, rule 23)", () => {
      const { asks, read, settle } = recovering({ halfOpen: { concurrency: 2, successes: 1 } })

      const [one, two] = asks(2)
      settle(one!, success)
      const closed = read()
      settle(two!, failure)

      assert.deepStrictEqual(read(), { ...closed, inFlight: 0 })
    })

    it("takes a probe slower than slowAfter for a failed one, and one of exactly slowAfter not (rule 23)", () => {
      const tripPolicy = TripPolicy.anyOf(
        TripPolicy.consecutive(1),
        TripPolicy.slowRate({ slowAfter: 200, threshold: 1, minimumCalls: 10, window: CallWindow.lastCalls(10) })
      )
      const exact = recovering({ tripPolicy, halfOpen: { successes: 1 } })
      const over = recovering({ tripPolicy, halfOpen: { successes: 1 } })

      exact.succeed(1, 200)
      over.succeed(1, 201)

      assert.strictEqual(exact.state(), "Closed")
      assert.strictEqual(over.state(), "Open")
      assert.deepStrictEqual([over.read().slow, over.read().lastFailure?.at], [1, 1201])
      assert.include(over.read().lastFailure?.message, "200 ms")
    })

    it("takes a probe that still runs after slowAfter for a failed one, at the next ask (rule 17, rule 23)", () => {
      const { ask, knock, later, state } = recovering({
        tripPolicy: TripPolicy.anyOf(
          TripPolicy.consecutive(1),
          TripPolicy.slowRate({ slowAfter: 200, threshold: 1, minimumCalls: 10, window: CallWindow.lastCalls(10) })
        )
      })

      ask()
      later(200)
      assert.deepStrictEqual(knock(), busy)
      later(1)
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1000 })

      assert.strictEqual(state(), "Open")
    })

    it("takes a probe that has not settled within its lease for a failed one, at the next ask (rule 24)", () => {
      const { ask, knock, later, read, state } = recovering({ halfOpen: { lease: "5 seconds" } })

      ask()
      later(4999)
      assert.deepStrictEqual(knock(), busy)
      later(1)
      assert.strictEqual(state(), "HalfOpen")
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1000 })

      assert.strictEqual(read().lastFailure?.at, 6000)
      assert.include(read().lastFailure?.message, "lease of 5000 ms")
    })

    it("gives a probe a lease of 30 seconds by default (section 4)", () => {
      const { ask, knock, later } = recovering()

      ask()
      later(29_999)
      assert.deepStrictEqual(knock(), busy)
      later(1)

      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1000 })
    })

    it("counts a probe that settles just before its lease ends (rule 24)", () => {
      const { state, succeed } = recovering({ halfOpen: { lease: 5000, successes: 1 } })

      succeed(1, 4999)

      assert.strictEqual(state(), "Closed")
    })

    it("lets the later outcome of a probe past its lease change nothing (rule 24)", () => {
      for (const outcome of [success, failure, Outcome.trip(), Outcome.throttled(), Outcome.ignored]) {
        const { asks, knock, later, read, settle } = recovering({
          halfOpen: { concurrency: 2, lease: 5000, successes: 1, outOf: 5 }
        })

        const [seen, unseen] = asks(2)
        later(5001)
        settle(unseen!, outcome)
        knock()
        const before = read()
        settle(seen!, outcome)

        assert.deepStrictEqual(read(), { ...before, inFlight: before.inFlight - 1 })
        assert.strictEqual(before.state, "HalfOpen")
      }
    })

    it("gives the place of a probe past its lease to another (rule 24)", () => {
      const { ask, later, state, succeed } = recovering({ halfOpen: { successes: 1, outOf: 2, lease: 5000 } })

      ask()
      later(5000)
      succeed(1)

      assert.strictEqual(state(), "Closed")
    })

    it("never stays half-open for ever, though no probe ever settles (rule 24)", () => {
      const { ask, knock, later, steps } = recovering({ halfOpen: { lease: 5000 } })

      ask()
      later(5000)
      knock()
      later(1000)
      ask()
      later(5000)
      knock()

      assert.deepStrictEqual(steps().slice(2), [
        "HalfOpen -> Open (probes) at 6000 for 1000",
        "Open -> HalfOpen (probes) at 7000",
        "HalfOpen -> Open (probes) at 12000 for 1000"
      ])
    })
  })

  describe("ramping", () => {
    it("begins when the probes passed, at the first share (rule 25, rule 26)", () => {
      const { read, steps } = ramping({ shares: [0.1, 0.5], every: 1000 })

      assert.deepStrictEqual(steps().slice(2), ["HalfOpen -> HalfOpen (consecutive) share 0.1 at 1000"])
      const { generation, share, stage, state } = read()
      assert.deepStrictEqual({ generation, share, stage, state }, {
        generation: 3,
        share: 0.1,
        stage: "Ramping",
        state: "HalfOpen"
      })
    })

    it("spreads a share evenly over the asks (rule 26)", () => {
      const tenth = ramping({ shares: [0.1], every: 1000 })
      const quarter = ramping({ shares: [0.25], every: 1000 })
      const half = ramping({ shares: [0.5], every: 1000 })

      assert.strictEqual(pattern(tenth.knock, 21), "x.........x.........x")
      assert.strictEqual(pattern(quarter.knock, 9), "x...x...x")
      assert.strictEqual(pattern(half.knock, 6), "x.x.x.")
    })

    it("admits of the first k asks floor(k x share) or one more (rule 26)", () => {
      for (const share of [0.01, 0.07, 0.1, 0.25, 0.29, 1 / 3, 0.5, 0.58, 0.9, 0.999]) {
        const { knock } = ramping({ shares: [share], every: 1000 })

        let admitted = 0
        for (let k = 1; k <= 3000; k++) {
          if (knock() === "admitted") admitted++
          const least = Math.floor(k * share)

          assert.isTrue(admitted === least || admitted === least + 1, `${admitted} of ${k} at ${share}`)
        }
      }
    })

    it("refuses the rest with a short hint (rule 6, rule 26)", () => {
      const { ask, knock } = ramping({ shares: [0.1], every: 1000 })

      ask()

      assert.deepStrictEqual(knock(), busy)
    })

    it("ends a step when it has lasted every, not before (rule 26)", () => {
      const { ask, knock, later, read, succeed } = ramping({ shares: [0.25, 0.5], every: 2000 })

      succeed(1)
      later(1999)
      knock()
      assert.strictEqual(read().share, 0.25)
      later(1)
      assert.strictEqual(read().share, 0.25)
      ask()

      assert.strictEqual(read().share, 0.5)
    })

    it("ends a step only when minimumCalls of its calls succeeded (rule 26)", () => {
      const { ask, knock, later, read, settle, succeed } = ramping({
        shares: [0.5, 0.9],
        every: 2000,
        minimumCalls: 2
      })

      succeed(1)
      knock()
      later(2000)
      const last = ask()
      assert.strictEqual(read().share, 0.5)
      settle(last, success)

      assert.strictEqual(read().share, 0.9)
    })

    it("does not let a call of an earlier step end a later one (rule 26)", () => {
      const { ask, knock, later, read, settle } = ramping({ shares: [0.5, 0.9], every: 2000 })

      const [one, two] = [ask(), (knock(), ask())]
      later(2000)
      settle(one, success)
      assert.strictEqual(read().share, 0.9)
      later(2000)
      settle(two, success)

      assert.deepStrictEqual([read().state, read().share], ["HalfOpen", 0.9])
    })

    describe("with a tolerance", () => {
      const tolerant: Circuit.RampOptions = { shares: [0.25, 0.5, 0.75], every: 1000, minimumCalls: 2, tolerance: 0.25 }
      const [quarter, half, most] = tolerant.shares
      /** On its first step, at 1000, whatever fails. */
      const tolerating = (
        ramp: Circuit.RampOptions = tolerant,
        tripPolicy: TripPolicy.TripPolicy = TripPolicy.never
      ) => {
        const circuit = history({ tripPolicy, ramp, halfOpen: { successes: 1 } })
        circuit.command({ _tag: "Trip", openFor: 1000 })
        circuit.later(1000)
        circuit.succeed(1)
        /** So many calls, with those between them that are refused. */
        const calls = (count: number): ReadonlyArray<Circuit.Permit> =>
          Array.from({ length: count }, () => {
            for (;;) {
              const call = circuit.askOrNot()
              if (call !== undefined) return call
            }
          })
        const settleAll = (all: ReadonlyArray<Circuit.Permit>, failing: number, millis: number): void =>
          all.forEach((call, i) => {
            if (i === all.length - 1) circuit.later(millis)
            circuit.settle(call, i < failing ? failure : success)
          })
        return {
          ...circuit,
          calls,
          /** Of so many calls some fail, and the last comes home when so long has passed. */
          step: (failing: number, succeeding: number, millis = 1000): void =>
            settleAll(calls(failing + succeeding), failing, millis)
        }
      }

      it("goes back one step where more of its calls failed than it tolerates (rule 26)", () => {
        const { read, step, steps } = tolerating()
        step(0, 2)
        assert.strictEqual(read().share, half)
        step(3, 1)

        assert.strictEqual(read().share, quarter)
        assert.strictEqual(steps().at(-1), "HalfOpen -> HalfOpen (manual) share 0.25 at 3000")
      })

      it("goes on where no more failed than that, and one (rule 26)", () => {
        const { read, step } = tolerating()
        step(0, 2)
        step(2, 2)

        assert.strictEqual(read().share, most)
      })

      it("waits for the end of a step before it goes back (rule 26)", () => {
        const { read, step } = tolerating()
        step(0, 2)
        step(4, 0, 999)
        assert.strictEqual(read().share, half)
        step(1, 0, 1)

        assert.strictEqual(read().share, quarter)
      })

      it("takes calls that still run for not failed: failures come home first (rule 15, rule 26)", () => {
        const { calls, read, step } = tolerating()
        step(0, 2)
        calls(6)
        step(3, 2)

        assert.strictEqual(read().share, most)
      })

      it("holds a slow call against the step, as a failed one (rule 16, rule 26)", () => {
        const window = CallWindow.lastCalls(100)
        const slow = TripPolicy.slowRate({ slowAfter: 100, threshold: 1, minimumCalls: 100, window })
        const { calls, later, read, settle, step } = tolerating(tolerant, slow)
        step(0, 2, 100)
        later(900)
        step(0, 1, 0)
        assert.strictEqual(read().share, half)
        const [last, ...others] = calls(4)
        later(999)
        for (const call of others) settle(call, success)
        assert.strictEqual(read().share, half)
        later(1)
        settle(last!, success)

        assert.strictEqual(read().share, quarter)
      })

      it("counts a call from its first sign of life on, once (rule 26)", () => {
        const { answer, calls, later, read, settle } = tolerating()
        const [one, two] = calls(2)
        answer(one!)
        later(1000)
        settle(one!, success)
        assert.strictEqual(read().share, quarter)
        settle(two!, success)

        assert.strictEqual(read().share, half)
      })

      it("does not go back from its first step: what fails there fails however few there are (rule 26)", () => {
        const { read, step } = tolerating()
        step(2, 2)
        assert.strictEqual(read().share, half)
        // Half of them failed anyway: now three of four are as many as it tolerates, and one.
        step(3, 1)
        assert.strictEqual(read().share, half)
        step(0, 1, 0)
        assert.strictEqual(read().share, most)
        step(8, 0)

        assert.strictEqual(read().share, half)
      })

      it("lasts one every longer before it goes on, for each time that it went back, up to five (rule 26)", () => {
        const { read, step } = tolerating()
        step(0, 2)
        for (const lasts of [2000, 3000, 4000, 5000, 5000]) {
          step(3, 0)
          assert.strictEqual(read().share, quarter)
          step(0, 2, lasts - 1)
          assert.strictEqual(read().share, quarter)
          step(0, 1, 1)
          assert.strictEqual(read().share, half)
        }
      })

      it("lets in no more than its share, however short the steps are (rule 26)", () => {
        const shares = Array.from({ length: 50 }, (_, i) => 0.01 + 0.001 * i)
        const { askOrNot, later, settle } = tolerating({ shares, every: 1, tolerance: 0.5 })
        let admitted = 0
        let owed = 0
        for (let i = 0; i < 300; i++) {
          const call = askOrNot()
          owed += 0.06
          if (call === undefined) continue
          admitted++
          later(1)
          settle(call, success)
        }

        assert.isAbove(admitted, 1)
        assert.isAtMost(admitted, Math.ceil(owed))
      })

      it("still opens when the trip policy says so (rule 25, rule 26)", () => {
        const { ask, later, settle, state } = tolerating(tolerant, TripPolicy.consecutive(1))
        const call = ask()
        later(10)
        settle(call, failure)

        assert.strictEqual(state(), "Open")
      })
    })

    it("goes through every share and closes after the last (rule 26)", () => {
      const { later, read, steps, succeed } = ramping({ shares: [0.1, 0.25, 0.5], every: 2000 })

      for (let step = 0; step < 3; step++) {
        succeed(1)
        assert.strictEqual(read().stage, "Ramping")
        later(2000)
      }
      succeed(1)

      assert.deepStrictEqual(steps().slice(2), [
        "HalfOpen -> HalfOpen (consecutive) share 0.1 at 1000",
        "HalfOpen -> HalfOpen (consecutive) share 0.25 at 3000",
        "HalfOpen -> HalfOpen (consecutive) share 0.5 at 5000",
        "HalfOpen -> Closed at 7000"
      ])
      assert.strictEqual(read().state, "Closed")
    })

    it("keeps one generation over its steps (rule 5, rule 26)", () => {
      const { later, read, succeed, transitions } = ramping({ shares: [0.1, 0.5], every: 10 })

      const { generation } = read()
      later(10)
      succeed(1)
      assert.strictEqual(read().share, 0.5)

      assert.deepStrictEqual(transitions.slice(2).map((step) => step.generation), [generation, generation])
    })

    it("reopens with the next duration when the trip policy judges its own window so (rule 25, rule 26)", () => {
      const { fail, knock, later, steps, succeed } = ramping({ shares: [0.5], every: 60_000 }, {
        tripPolicy: TripPolicy.failureRate({ threshold: 1, minimumCalls: 1, window: CallWindow.lastCalls(3) }),
        openDuration: (opening) => 1000 * opening
      })

      later(10)
      succeed(1)
      knock()
      fail(1)
      assert.strictEqual(steps().length, 3)
      knock()
      fail(1)
      knock()
      fail(1)

      assert.deepStrictEqual(steps().slice(3), ["HalfOpen -> Open (failureRate) at 1010 for 2000"])
    })

    it("closes with an empty window but for the call that closed it (rule 19, rule 26)", () => {
      const { fail, knock, later, read, succeed } = ramping({ shares: [0.5], every: 100 }, {
        tripPolicy: TripPolicy.failureRate({ threshold: 1, minimumCalls: 1, window: CallWindow.lastCalls(3) })
      })

      succeed(1)
      knock()
      fail(1)
      later(100)
      knock()
      assert.strictEqual(read().state, "Closed")

      assert.deepStrictEqual(read().window, { calls: 1, failureRate: 0, slowRate: 0 })
    })

    it("opens on calls that hang (rule 17, rule 26)", () => {
      const { knock, later, state } = ramping({ shares: [0.5], every: 60_000 }, {
        tripPolicy: TripPolicy.anyOf(
          TripPolicy.consecutive(1),
          TripPolicy.slowRate({ slowAfter: 100, threshold: 1, minimumCalls: 3, window: CallWindow.lastCalls(3) })
        )
      })

      pattern(knock, 6)
      later(101)
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1000 })

      assert.strictEqual(state(), "Open")
    })

    it("leaves an ignored call of a step uncounted (rule 10, rule 26)", () => {
      const { ignore, later, read } = ramping({ shares: [0.5], every: 100 })

      later(100)
      ignore(1)

      assert.deepStrictEqual([read().state, read().share], ["HalfOpen", 0.5])
    })
  })
})
