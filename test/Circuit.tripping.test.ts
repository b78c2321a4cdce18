import { assert, describe, it } from "@effect/vitest"
import * as CallWindow from "../src/CallWindow.ts"
import * as Circuit from "../src/Circuit.ts"
import * as Outcome from "../src/Outcome.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import { history } from "./history.ts"

const failure = Outcome.failure()
const { success } = Outcome

/** Half of the last four calls, judged from the fourth on. */
const halfOfFour = TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 4, window: CallWindow.lastCalls(4) })

const slowHalf = (options: { readonly minimumCalls: number; readonly calls: number }) =>
  TripPolicy.slowRate({
    slowAfter: 100,
    threshold: 0.5,
    minimumCalls: options.minimumCalls,
    window: CallWindow.lastCalls(options.calls)
  })

describe("Circuit", () => {
  describe("tripping on a streak", () => {
    it("trips on the n-th failure in a row, not before (rule 14)", () => {
      const { fail, refused, state } = history({ tripPolicy: TripPolicy.consecutive(3) })

      fail(2)
      assert.strictEqual(state(), "Closed")
      fail(1)

      assert.strictEqual(state(), "Open")
      const { calls, limit, rule, value } = refused().cause
      assert.deepStrictEqual({ calls, limit, rule, value }, { calls: 3, limit: 3, rule: "consecutive", value: 3 })
    })

    it("takes the row in order of settling, not of asking (rule 14)", () => {
      const { asks, settle, state } = history({ tripPolicy: TripPolicy.consecutive(2) })

      const [one, two, three] = asks(3)
      settle(one!, failure)
      settle(three!, success)
      settle(two!, failure)

      assert.strictEqual(state(), "Closed")
      const other = history({ tripPolicy: TripPolicy.consecutive(2) })
      const [first, , third] = other.asks(3)
      other.settle(third!, failure)
      other.settle(first!, failure)
      assert.strictEqual(other.state(), "Open")
    })

    it("trips by default on the fifth failure in a row, for a minute (section 4)", () => {
      const { fail, knock, later, state, steps } = history()

      fail(4)
      assert.strictEqual(state(), "Closed")
      fail(1)
      assert.deepStrictEqual(steps(), ["Closed -> Open (consecutive) at 0 for 60000"])
      later(59_999)
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 1 })
      later(1)

      assert.strictEqual(knock(), "admitted")
    })
  })

  describe("tripping on a share", () => {
    it("trips when the share is exactly at the threshold (rule 15)", () => {
      const { fail, refused, state, succeed } = history({ tripPolicy: halfOfFour })

      succeed(2)
      fail(1)
      assert.strictEqual(state(), "Closed")
      fail(1)

      assert.strictEqual(state(), "Open")
      const { calls, limit, rule, value } = refused().cause
      assert.deepStrictEqual({ calls, limit, rule, value }, { calls: 4, limit: 0.5, rule: "failureRate", value: 0.5 })
    })

    it("stays closed while the share is under the threshold (rule 15)", () => {
      const { fail, read, succeed } = history({ tripPolicy: halfOfFour })

      for (let i = 0; i < 50; i++) {
        succeed(3)
        fail(1)
      }

      assert.strictEqual(read().state, "Closed")
      assert.deepStrictEqual(read().window, { calls: 4, failureRate: 0.25, slowRate: 0 })
    })

    it("judges from exactly minimumCalls on, not before (rule 15)", () => {
      const { fail, state } = history({
        tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: CallWindow.lastCalls(100) })
      })

      fail(9)
      assert.strictEqual(state(), "Closed")
      fail(1)

      assert.strictEqual(state(), "Open")
    })

    it("judges at a success too (rule 15)", () => {
      const { fail, state, steps, succeed } = history({ tripPolicy: halfOfFour })

      fail(3)
      assert.strictEqual(state(), "Closed")
      succeed(1)

      assert.deepStrictEqual(steps(), ["Closed -> Open (failureRate) at 0 for 60000"])
    })

    it("holds the last n calls: an older failure no longer counts (rule 18)", () => {
      const { fail, state, succeed } = history({ tripPolicy: halfOfFour })

      succeed(3)
      fail(1)
      succeed(3)
      fail(1)
      assert.strictEqual(state(), "Closed")
      succeed(1)
      fail(1)

      assert.strictEqual(state(), "Open")
    })

    it("judges every call that settles against those that still run (rule 15)", () => {
      const { asks, read, settle, state } = history({
        tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: CallWindow.lastCalls(20) })
      })

      const permits = asks(20)
      permits.slice(0, 9).forEach((permit) => settle(permit, failure))
      assert.strictEqual(state(), "Closed")
      assert.deepStrictEqual(read().window, { calls: 20, failureRate: 9 / 20, slowRate: 0 })
      settle(permits[19]!, failure)

      assert.strictEqual(state(), "Open")
    })

    it("trips on a streak only while the window holds fewer than minimumCalls (rule 18)", () => {
      const tripPolicy = TripPolicy.failureRate({
        threshold: 1,
        minimumCalls: 5,
        window: CallWindow.lastCalls(10),
        belowMinimum: TripPolicy.consecutive(3)
      })
      const quiet = history({ tripPolicy })
      const busy = history({ tripPolicy })

      quiet.succeed(1)
      quiet.fail(2)
      assert.strictEqual(quiet.state(), "Closed")
      quiet.fail(1)
      busy.succeed(2)
      busy.fail(8)

      const { calls, limit, rule, value } = quiet.refused().cause
      assert.deepStrictEqual({ calls, limit, rule, value }, { calls: 3, limit: 3, rule: "consecutive", value: 3 })
      assert.strictEqual(busy.state(), "Closed")
    })
  })

  describe("tripping on a count", () => {
    it("trips at exactly that many failures in the window (rule 15)", () => {
      const { fail, refused, state, succeed } = history({
        tripPolicy: TripPolicy.failureCount({ count: 3, window: CallWindow.lastCalls(10) })
      })

      fail(1)
      succeed(4)
      fail(1)
      assert.strictEqual(state(), "Closed")
      fail(1)

      const { calls, limit, rule, value } = refused().cause
      assert.deepStrictEqual({ calls, limit, rule, value }, { calls: 7, limit: 3, rule: "failureCount", value: 3 })
    })

    it("forgets a failure that the last n calls no longer hold (rule 18)", () => {
      const { fail, state, succeed } = history({
        tripPolicy: TripPolicy.failureCount({ count: 2, window: CallWindow.lastCalls(5) })
      })

      fail(1)
      succeed(4)
      fail(1)
      assert.strictEqual(state(), "Closed")
      succeed(3)
      fail(1)

      assert.strictEqual(state(), "Open")
    })
  })

  describe("tripping on one of several", () => {
    const either = TripPolicy.anyOf(
      TripPolicy.consecutive(3),
      TripPolicy.failureCount({ count: 4, window: CallWindow.lastCalls(20) })
    )

    it("trips when the first of its policies does (rule 15)", () => {
      const { fail, refused } = history({ tripPolicy: either })

      fail(3)

      assert.strictEqual(refused().cause.rule, "consecutive")
    })

    it("trips when the last of its policies does, within another anyOf too (rule 15)", () => {
      const { fail, refused, succeed } = history({ tripPolicy: TripPolicy.anyOf(TripPolicy.never, either) })

      fail(2)
      succeed(1)
      fail(2)

      assert.strictEqual(refused().cause.rule, "failureCount")
    })

    it("keeps windows of its policies apart (rule 15)", () => {
      const { fail, refused, state, succeed } = history({
        tripPolicy: TripPolicy.anyOf(
          TripPolicy.failureCount({ count: 2, window: CallWindow.lastCalls(3) }),
          TripPolicy.failureCount({ count: 3, window: CallWindow.lastCalls(9) })
        )
      })

      fail(1)
      succeed(3)
      fail(1)
      succeed(3)
      assert.strictEqual(state(), "Closed")
      fail(1)

      assert.deepStrictEqual([refused().cause.limit, refused().cause.value], [3, 3])
    })
  })

  describe("never tripping", () => {
    it("stays closed whatever fails (rule 15)", () => {
      const { fail, read } = history({ tripPolicy: TripPolicy.never })

      fail(10_000)

      assert.deepStrictEqual([read().state, read().failures], ["Closed", 10_000])
    })

    it("still opens by a Trip outcome and by hand (rule 12, rule 27)", () => {
      const one = history({ tripPolicy: TripPolicy.never })
      const two = history({ tripPolicy: TripPolicy.never })

      one.call(Outcome.trip())
      two.command({ _tag: "Trip" })

      assert.deepStrictEqual(one.steps(), ["Closed -> Open (trip) at 0 for 3600000"])
      assert.deepStrictEqual(two.steps(), ["Closed -> Open (manual) at 0 for 3600000"])
    })
  })

  describe("tripping on slow calls", () => {
    it("does not take a call of exactly slowAfter for slow, and one a millisecond longer it does (rule 16)", () => {
      const exact = history({ tripPolicy: slowHalf({ minimumCalls: 2, calls: 2 }) })
      const over = history({ tripPolicy: slowHalf({ minimumCalls: 2, calls: 2 }) })

      exact.succeed(2, 100)
      over.succeed(1)
      over.succeed(1, 101)

      assert.deepStrictEqual(
        [exact.state(), exact.read().slow, exact.read().window.slowRate],
        ["Closed", 0, 0]
      )
      const { calls, limit, rule, value } = over.refused().cause
      assert.deepStrictEqual({ calls, limit, rule, value }, { calls: 2, limit: 0.5, rule: "slowRate", value: 0.5 })
      assert.deepStrictEqual([over.read().slow, over.read().successes], [1, 2])
    })

    it("counts a call that was slow and failed in both shares (rule 16)", () => {
      const window = CallWindow.lastCalls(4)
      const { fail, read, succeed } = history({
        tripPolicy: TripPolicy.anyOf(
          TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 4, window }),
          TripPolicy.slowRate({ slowAfter: 100, threshold: 0.5, minimumCalls: 4, window })
        )
      })

      succeed(3)
      fail(1, 101)

      assert.deepStrictEqual(read().window, { calls: 4, failureRate: 0.25, slowRate: 0.25 })
      assert.strictEqual(read().slow, 1)
    })

    it("opens on calls that hang, at the next ask, before the first is back (rule 17)", () => {
      const { asks, knock, later, refused, state } = history({ tripPolicy: slowHalf({ minimumCalls: 4, calls: 10 }) })

      asks(4)
      later(100)
      assert.strictEqual(knock(), "admitted")
      later(1)
      assert.strictEqual(state(), "Closed")
      assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 60_000 })

      assert.strictEqual(refused().cause.rule, "slowRate")
    })

    it("opens on calls that hang when another call settles (rule 17)", () => {
      const { ask, asks, later, settle, steps } = history({ tripPolicy: slowHalf({ minimumCalls: 4, calls: 10 }) })

      asks(4)
      later(50)
      const other = ask()
      later(51)
      settle(other, success)

      assert.deepStrictEqual(steps(), ["Closed -> Open (slowRate) at 101 for 60000"])
    })

    it("counts a slow call once, whether it was seen running or not (rule 17)", () => {
      const { ask, later, read, settle, succeed } = history({ tripPolicy: slowHalf({ minimumCalls: 10, calls: 10 }) })

      const hung = ask()
      later(101)
      succeed(2)
      assert.deepStrictEqual([read().slow, read().window.slowRate], [1, 1 / 3])
      later(1000)
      settle(hung, success)

      assert.deepStrictEqual([read().slow, read().window], [1, { calls: 3, failureRate: 0, slowRate: 1 / 3 }])
    })

    it("takes a call out of the share of slow ones when it says nothing after all (rule 16, rule 17)", () => {
      const { ask, later, read, settle, succeed } = history({ tripPolicy: slowHalf({ minimumCalls: 10, calls: 10 }) })

      const hung = ask()
      later(101)
      succeed(2)
      settle(hung, Outcome.ignored)

      assert.deepStrictEqual(read().window, { calls: 2, failureRate: 0, slowRate: 0 })
    })

    it("takes out what it put in when a late call says nothing after all (rule 10, rule 17)", () => {
      const { ask, asks, later, read, settle } = history({
        tripPolicy: TripPolicy.slowRate({
          slowAfter: 1000,
          threshold: 1,
          minimumCalls: 2,
          window: CallWindow.lastCalls(2)
        })
      })

      const given = ask()
      asks(2).forEach((permit) => settle(permit, Outcome.success))
      later(1001)
      // Two calls overtook it: it is seen to hang, and its blocks will judge it, not the window.
      settle(ask(), Outcome.success)
      settle(given, Outcome.ignored)

      assert.isAtLeast(read().window.slowRate, 0)
      assert.strictEqual(read().window.slowRate * read().window.calls, 0)
    })

    it("judges two policies by their own slowAfter (rule 16)", () => {
      const window = CallWindow.lastCalls(10)
      const tripPolicy = TripPolicy.anyOf(
        TripPolicy.slowRate({ slowAfter: 100, threshold: 1, minimumCalls: 4, window }),
        TripPolicy.slowRate({ slowAfter: 1000, threshold: 0.5, minimumCalls: 4, window })
      )
      const one = history({ tripPolicy })
      const two = history({ tripPolicy })

      one.succeed(2)
      one.succeed(2, 1000)
      two.succeed(2)
      two.succeed(1, 1001)
      assert.strictEqual(two.state(), "Closed")
      two.succeed(1, 1001)

      assert.strictEqual(one.state(), "Closed")
      assert.deepStrictEqual(two.refused().cause.limit, 0.5)
    })

    it("judges running calls by the window as it is then, not as it was (rule 17, rule 18)", () => {
      const tripPolicy = TripPolicy.anyOf(
        TripPolicy.failureRate({
          threshold: 0.5,
          minimumCalls: 8,
          window: CallWindow.lastCalls(8, { within: 1000 })
        }),
        TripPolicy.slowRate({ slowAfter: 5000, threshold: 1, minimumCalls: 100, window: CallWindow.lastCalls(100) })
      )
      const { asks, fail, later, state } = history({ tripPolicy })

      fail(4)
      asks(4)
      later(5001)
      asks(1)

      assert.strictEqual(state(), "Closed")
    })
  })

  describe("calls that answer before they end", () => {
    const slowOnes = {
      tripPolicy: TripPolicy.slowRate({
        slowAfter: 1000,
        threshold: 1,
        minimumCalls: 1,
        window: CallWindow.lastCalls(1)
      })
    }

    it("do not hang, however long the rest takes (rule 17)", () => {
      const { ask, circuit, knock, later, now, settle, state } = history(slowOnes)

      const given = ask()
      later(1000)
      Circuit.answer(circuit, given, now())
      later(60_000)

      assert.strictEqual(knock(), "admitted")
      settle(given, Outcome.success)
      assert.strictEqual(state(), "Closed")
    })

    it("are slow by when they answered: not at slowAfter, a millisecond later they are (rule 16)", () => {
      for (const [answered, expected] of [[1000, "Closed"], [1001, "Open"]] as const) {
        const { ask, circuit, later, now, settle, state } = history(slowOnes)

        const given = ask()
        later(answered)
        Circuit.answer(circuit, given, now())
        Circuit.answer(circuit, given, now() + 9000)
        later(60_000)
        settle(given, Outcome.success)

        assert.strictEqual(state(), expected)
      }
    })

    it("pass as probes, which are not held to how long the rest takes (rule 23)", () => {
      const { ask, circuit, command, knock, later, now, settle, state } = history({
        ...slowOnes,
        halfOpen: { successes: 1, concurrency: 2 }
      })

      command({ _tag: "Trip", openFor: 1 })
      later(1)
      const probe = ask()
      later(1000)
      Circuit.answer(circuit, probe, now())
      later(5000)
      assert.strictEqual(knock(), "admitted")
      settle(probe, Outcome.success)

      assert.strictEqual(state(), "Closed")
    })

    it("may say themselves whether they were slow, which goes over the clock (rule 16)", () => {
      const quick = history(slowOnes)
      quick.call({ _tag: "Success", slow: true })
      const long = history(slowOnes)
      long.call({ _tag: "Success", slow: false }, 60_000)
      const failed = history(slowOnes)
      failed.call(Outcome.failure({ slow: true }))

      assert.deepStrictEqual([quick.state(), long.state(), failed.state()], ["Open", "Closed", "Open"])
      assert.deepStrictEqual([quick.read().slow, long.read().slow, failed.read().slow], [1, 0, 1])
    })

    it("change nothing once they are settled, or in a later period (rule 4, rule 5)", () => {
      const { ask, circuit, command, later, now, read, settle } = history(slowOnes)

      const given = ask()
      const late = ask()
      settle(given, Outcome.success)
      command({ _tag: "Reset" })
      later(5000)
      const before = read()
      Circuit.answer(circuit, given, now())
      Circuit.answer(circuit, late, now())

      assert.deepStrictEqual(read(), before)
      assert.strictEqual(given.answeredAt, undefined)
    })
  })

  describe("a share of calls that overlap", () => {
    it("does not hold a burst's late failures against what came after them (rule 15)", () => {
      const { asks, settle, state } = history({
        tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: CallWindow.lastCalls(100) })
      })

      // 35 of each hundred fail, long after the others are back.
      const burst = asks(1000)
      const fails = (i: number) => i % 20 < 7
      burst.forEach((permit, i) => fails(i) || settle(permit, Outcome.success))
      burst.forEach((permit, i) => fails(i) && settle(permit, failure))

      assert.strictEqual(state(), "Closed")
    })

    it("opens on such a burst when more than half of it failed (rule 15)", () => {
      const { asks, settle, state } = history({
        tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: CallWindow.lastCalls(100) })
      })

      const burst = asks(1000)
      const fails = (i: number) => i % 20 < 12
      burst.forEach((permit, i) => fails(i) || settle(permit, Outcome.success))
      burst.forEach((permit, i) => fails(i) && settle(permit, failure))

      assert.strictEqual(state(), "Open")
    })

    it("does not hold a burst's late slow calls against what came after them (rule 15, rule 16)", () => {
      const { asks, later, settle, state } = history({
        tripPolicy: TripPolicy.slowRate({
          slowAfter: 1000,
          threshold: 0.5,
          minimumCalls: 10,
          window: CallWindow.lastCalls(100)
        })
      })

      const burst = asks(1000)
      const hangs = (i: number) => i % 20 < 7
      burst.forEach((permit, i) => hangs(i) || settle(permit, Outcome.success))
      later(1001)
      burst.forEach((permit, i) => hangs(i) && settle(permit, Outcome.success))

      assert.strictEqual(state(), "Closed")
    })
  })

  describe("windows of time", () => {
    const threeWithin = (window: CallWindow.CallWindow) => TripPolicy.failureCount({ count: 3, window })

    it("holds calls exactly as old as within, and no older (rule 18)", () => {
      const window = CallWindow.lastCalls(10, { within: 1000 })
      const exact = history({ tripPolicy: threeWithin(window) })
      const older = history({ tripPolicy: threeWithin(window) })

      exact.fail(2)
      exact.later(1000)
      exact.fail(1)
      older.fail(2)
      older.later(1001)
      older.fail(1)

      assert.strictEqual(exact.state(), "Open")
      assert.deepStrictEqual([older.state(), older.read().window.calls], ["Closed", 1])
    })

    it("does not open at a success on failures that are long out of the window (rule 18)", () => {
      for (const window of [CallWindow.lastCalls(8, { within: 1000 }), CallWindow.lastDuration(1000)]) {
        const { asks, fail, later, settle, steps } = history({
          tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 8, window })
        })

        fail(4)
        const late = asks(4)
        later(3_600_000)
        settle(late[0]!, success)

        assert.deepStrictEqual(steps(), [])
      }
    })

    it("holds the last n of many young calls (rule 18)", () => {
      const { fail, read, succeed } = history({
        tripPolicy: TripPolicy.failureRate({
          threshold: 0.5,
          minimumCalls: 4,
          window: CallWindow.lastCalls(4, { within: "1 minute" })
        })
      })

      succeed(60_000)
      fail(2)

      assert.strictEqual(read().state, "Open")
    })

    it("drops a bucket at its edge, and not before (rule 18)", () => {
      const { fail, later, read } = history({ tripPolicy: threeWithin(CallWindow.lastDuration(1000)) })

      later(50)
      fail(1)
      later(949)
      assert.strictEqual(read().window.calls, 1)
      later(1)
      assert.strictEqual(read().window.calls, 0)

      const late = history({ tripPolicy: threeWithin(CallWindow.lastDuration(1000)) })
      late.later(99)
      late.fail(1)
      late.at(999)
      assert.strictEqual(late.read().window.calls, 1)
      late.at(1000)
      assert.strictEqual(late.read().window.calls, 0)
    })

    it("is empty after a silence as long as itself, from any start (rule 18)", () => {
      for (const startsAt of [0, 1, 49, 99, 100, 12_345, 1e12 + 7]) {
        for (const gap of [1000, 1001, 5000, 1e9]) {
          const { fail, later, read, state } = history(
            { tripPolicy: threeWithin(CallWindow.lastDuration(1000)) },
            { startsAt }
          )

          fail(2)
          later(gap)
          assert.strictEqual(read().window.calls, 0)
          fail(2)

          assert.deepStrictEqual([state(), read().window.calls], ["Closed", 2])
        }
      }
    })

    it("still counts what is younger than nine tenths of itself (rule 18)", () => {
      for (const startsAt of [0, 1, 49, 99, 100, 12_345, 1e12 + 7]) {
        const { fail, later, state } = history(
          { tripPolicy: threeWithin(CallWindow.lastDuration(1000)) },
          { startsAt }
        )

        fail(2)
        later(900)
        fail(1)

        assert.strictEqual(state(), "Open")
      }
    })

    it("forgets within one bucket of its own size (rule 18)", () => {
      const { fail, later, read } = history({ tripPolicy: threeWithin(CallWindow.lastDuration(1000, { buckets: 2 })) })

      fail(1)
      later(999)
      assert.strictEqual(read().window.calls, 1)
      later(1)

      assert.strictEqual(read().window.calls, 0)
    })
  })

  describe("a new period", () => {
    it("starts with an empty window and no streak after closing (rule 19)", () => {
      const { fail, later, read, state, succeed } = history({ tripPolicy: halfOfFour, openDuration: 10 })

      fail(4)
      later(10)
      succeed(3)
      assert.deepStrictEqual(read().window, { calls: 0, failureRate: 0, slowRate: 0 })
      fail(3)
      assert.strictEqual(state(), "Closed")
      fail(1)

      assert.strictEqual(state(), "Open")
    })

    it("does not carry a streak over a close (rule 19)", () => {
      const { fail, later, state, succeed } = history({ tripPolicy: TripPolicy.consecutive(3), openDuration: 10 })

      fail(3)
      later(10)
      succeed(3)
      fail(2)

      assert.strictEqual(state(), "Closed")
    })

    it("starts with an empty window after release and reset (rule 19, rule 27)", () => {
      const { command, fail, read, state } = history({ tripPolicy: halfOfFour })

      fail(3)
      command({ _tag: "Isolate" })
      command({ _tag: "Release" })
      assert.strictEqual(read().window.calls, 0)
      fail(3)
      command({ _tag: "Reset" })
      assert.strictEqual(read().window.calls, 0)
      fail(3)

      assert.strictEqual(state(), "Closed")
    })
  })

  describe("under heavy concurrency", () => {
    it("admits and counts a thousand asks in one tick", () => {
      const { asks, read, settle } = history({
        tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: CallWindow.lastCalls(100) })
      })

      const permits = asks(1000)
      assert.strictEqual(read().inFlight, 1000)
      permits.forEach((permit, i) => settle(permit, i % 3 === 0 ? failure : success))

      const { failures, inFlight, state, successes } = read()
      assert.deepStrictEqual({ failures, inFlight, state, successes }, {
        failures: 334,
        inFlight: 0,
        state: "Closed",
        successes: 666
      })
    })

    it("stays exact with more than 100 000 calls in flight, whichever comes home first", () => {
      const policies = [CallWindow.lastCalls(100), CallWindow.lastDuration(10_000)].map((window) =>
        TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 100, window })
      )
      for (const tripPolicy of policies) {
        const oldestFirst = history({ tripPolicy })
        const newestFirst = history({ tripPolicy })

        const inOrder = oldestFirst.asks(120_000)
        inOrder.forEach((permit, i) => oldestFirst.settle(permit, i % 3 === 0 ? failure : success))
        const reversed = newestFirst.asks(120_000).toReversed()
        reversed.forEach((permit, i) => newestFirst.settle(permit, i % 3 === 0 ? failure : success))

        for (const one of [oldestFirst, newestFirst]) {
          assert.deepStrictEqual(one.steps(), [])
          assert.deepStrictEqual([one.read().inFlight, one.read().failures], [0, 40_000])
        }
      }
    })

    it("opens on a total outage of 120 000 calls in flight, whichever comes home first", () => {
      const tripPolicy = TripPolicy.failureRate({
        threshold: 0.5,
        minimumCalls: 100,
        window: CallWindow.lastCalls(100)
      })
      const newestFirst = history({ tripPolicy })
      const oldestFirst = history({ tripPolicy })

      const reversed = newestFirst.asks(120_000).toReversed()
      const home = reversed.findIndex((permit) => {
        newestFirst.settle(permit, failure)
        return newestFirst.state() === "Open"
      })
      const inOrder = oldestFirst.asks(120_000)
      const homeInOrder = inOrder.findIndex((permit) => {
        oldestFirst.settle(permit, failure)
        return oldestFirst.state() === "Open"
      })

      assert.isAtMost(home, 200)
      assert.isAtLeast(homeInOrder, 0)
      assert.isAtMost(homeInOrder, 400)
    })

    it("opens though half of the calls never settle (rule 15)", () => {
      const { asks, fail, state } = history({
        tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 100, window: CallWindow.lastCalls(100) })
      })

      for (let i = 0; i < 200 && state() === "Closed"; i++) {
        asks(1)
        fail(1)
      }

      assert.strictEqual(state(), "Open")
    })

    it("opens though nine calls of ten end ignored after the one that fails (rule 10, rule 15)", () => {
      const { ask, asks, settle, state } = history({
        tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 100, window: CallWindow.lastCalls(100) })
      })

      for (let round = 0; round < 2000 && state() === "Closed"; round++) {
        const given = asks(9)
        settle(ask(), failure)
        given.forEach((permit) => settle(permit, Outcome.ignored))
      }

      assert.strictEqual(state(), "Open")
    })

    it("counts to n failures though nine calls of ten end ignored after the one that fails (rule 10, rule 15)", () => {
      const { ask, asks, settle, state } = history({
        tripPolicy: TripPolicy.failureCount({ count: 50, window: CallWindow.lastCalls(100) })
      })

      for (let round = 0; round < 2000 && state() === "Closed"; round++) {
        const given = asks(9)
        settle(ask(), failure)
        given.forEach((permit) => settle(permit, Outcome.ignored))
      }

      assert.strictEqual(state(), "Open")
    })

    it("keeps the failures in its window when a younger call ends ignored (rule 10)", () => {
      const { ask, asks, fail, read, settle } = history({
        tripPolicy: TripPolicy.failureRate({ threshold: 1, minimumCalls: 4, window: CallWindow.lastCalls(4) })
      })

      fail(2)
      asks(3)
      const given = ask()
      ask()
      const { calls, failureRate } = read().window
      settle(given, Outcome.ignored)

      assert.deepStrictEqual([read().window.calls, read().window.failureRate * read().window.calls], [
        calls - 1,
        failureRate * calls
      ])
    })
  })
})
