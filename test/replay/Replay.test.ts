import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { CallWindow, Outcome, TripPolicy } from "../../src/index.ts"
import * as CallRecord from "../../src/replay/CallRecord.ts"
import * as Policy from "../../src/replay/Policy.ts"
import * as Replay from "../../src/replay/Replay.ts"
import { encode, jsonLines } from "./reading.ts"

type Call = Parameters<typeof CallRecord.make>[0]

const failure = Outcome.failure({ kind: "overloaded" })

const replay = (
  calls: ReadonlyArray<Call>,
  options: Omit<Replay.Options, "policies"> & { policies?: ReadonlyArray<Policy.Policy> } = {}
) => Effect.runSync(Replay.records(calls.map(CallRecord.make), { policies: [two], ...options }))

/** Two failures in a row open it for ten seconds, one success closes it. */
const two = Policy.make("two", {
  tripPolicy: TripPolicy.consecutive(2),
  openDuration: "10 seconds",
  halfOpen: { successes: 1 }
})

/** A call a second that takes 100 ms, down from the 10th second to the 40th. */
const outage: ReadonlyArray<Call> = Array.from({ length: 60 }, (_, i) => ({
  at: 1000 * i,
  took: 100,
  outcome: i >= 10 && i < 40 ? failure : Outcome.success,
  inputTokens: 10,
  outputTokens: i >= 10 && i < 40 ? 0 : 5
}))

describe("what a policy would have done", () => {
  it("is told call by call: saved, lost, probed, and how long it was not closed", () => {
    const { calls, circuits, policies: [done] } = replay(outage)
    assert.deepStrictEqual(calls, { succeeded: 30, failed: 30, throttled: 0, ignored: 0, refused: 0 })
    assert.strictEqual(circuits, 1)
    const { incidents: _, opened: __, timeline: ___, ...rest } = done!
    // Opened at 11.1, probed at 22, 33 and 44: the last one passed.
    assert.deepStrictEqual(rest, {
      policy: "two",
      asked: 60,
      admitted: { succeeded: 26, failed: 4, throttled: 0, ignored: 0 },
      unknownAdmitted: 0,
      refused: { failed: 26, throttled: 0, succeeded: 4, ignored: 0, unknown: 0 },
      refusedBy: { open: 30, recovering: 0, paused: 0, isolated: 0 },
      saved: { calls: 26, waiting: 2600, inputTokens: 260, outputTokens: 0 },
      lost: { calls: 4, waiting: 400, inputTokens: 40, outputTokens: 20 },
      openings: 3,
      reopenings: 2,
      probes: { spent: 3, failed: 2 },
      notClosed: (44_100 - 11_100) / 59_100
    })
  })

  it("tells each opening: when, for how long, by which rule, with its figures", () => {
    const { policies: [done] } = replay(outage)
    assert.deepStrictEqual(done!.opened, [
      {
        at: 11_100,
        circuit: "default",
        from: "Closed",
        openFor: 10_000,
        rule: "consecutive",
        value: 2,
        limit: 2,
        calls: 2,
        failure: "overloaded"
      },
      {
        at: 22_100,
        circuit: "default",
        from: "HalfOpen",
        openFor: 10_000,
        rule: "probes",
        value: 1,
        limit: 1,
        calls: 1,
        failure: "overloaded"
      },
      {
        at: 33_100,
        circuit: "default",
        from: "HalfOpen",
        openFor: 10_000,
        rule: "probes",
        value: 1,
        limit: 1,
        calls: 1,
        failure: "overloaded"
      }
    ])
  })

  it("has a timeline", () => {
    const { policies: [done] } = replay(outage, { every: "10 seconds" })
    const { asked, closed, every, from, moves, open, refusedFailed, refusedSucceeded, until } = done!.timeline
    assert.deepStrictEqual({ from, until, every }, { from: 0, until: 59_100, every: 10_000 })
    assert.deepStrictEqual(asked, [10, 10, 10, 10, 10, 10])
    assert.deepStrictEqual(refusedFailed, [0, 8, 9, 9, 0, 0])
    assert.deepStrictEqual(refusedSucceeded, [0, 0, 0, 0, 4, 0])
    assert.deepStrictEqual(moves.map(({ from, to }) => `${from} ${to}`), [
      "Closed Open",
      "Open HalfOpen",
      "HalfOpen Open",
      "Open HalfOpen",
      "HalfOpen Open",
      "Open HalfOpen",
      "HalfOpen Closed"
    ])
    assert.closeTo(closed[1]!, 0.11, 1e-9)
    assert.closeTo(open[1]!, 0.89, 1e-9)
  })

  it("is the same as if it were alone, however many policies read along", () => {
    const policies = [
      two,
      Policy.builtIn.default,
      Policy.builtIn.llm,
      Policy.make("never", { tripPolicy: TripPolicy.never })
    ]
    const together = replay(outage, { policies }).policies
    assert.deepStrictEqual(together, policies.map((policy) => replay(outage, { policies: [policy] }).policies[0]!))
    assert.strictEqual(together[3]!.refused.failed, 0)
  })

  it("has a circuit for each name in the log", () => {
    const calls = outage.flatMap((
      call
    ) => [{ ...call, circuit: "down" }, { ...call, circuit: "up", outcome: Outcome.success }])
    const { circuits, policies: [done] } = replay(calls)
    assert.strictEqual(circuits, 2)
    assert.deepStrictEqual([...new Set(done!.opened.map(({ circuit }) => circuit))], ["down"])
    assert.strictEqual(done!.refused.succeeded, 4)
    assert.closeTo(done!.notClosed, (44_100 - 11_100) / 59_100 / 2, 1e-9)
  })

  it("refuses nothing in mode observe, though it opens", () => {
    const { policies: [done] } = replay(outage, { policies: [Policy.make("a", { ...two.options, mode: "observe" })] })
    assert.strictEqual(done!.openings, 3)
    assert.deepStrictEqual(done!.refused, { failed: 0, throttled: 0, succeeded: 0, ignored: 0, unknown: 0 })
  })

  it("is told by why it refused: open, recovering, or paused as a throttled call asked for", () => {
    const paused = replay([
      { at: 0, took: 100, status: 429 },
      ...Array.from({ length: 4 }, (_, i) => ({ at: 200 + i, took: 100 }))
    ])
    assert.deepStrictEqual(paused.policies[0]!.refusedBy, { open: 0, recovering: 0, paused: 4, isolated: 0 })
    assert.strictEqual(paused.policies[0]!.openings, 0)
    const probing = replay([
      { at: 0, took: 100, outcome: failure },
      { at: 200, took: 100, outcome: failure },
      { at: 5000, took: 100 },
      { at: 11_000, took: 5000 },
      { at: 12_000, took: 100 }
    ])
    assert.deepStrictEqual(probing.policies[0]!.refusedBy, { open: 1, recovering: 1, paused: 0, isolated: 0 })
  })

  it("tells throttled and ignored calls apart that it refused", () => {
    const kinds = [failure, failure, Outcome.throttled(), Outcome.ignored, Outcome.trip(), Outcome.success]
    const { policies: [done] } = replay(kinds.map((outcome, i) => ({ at: 10 * i, took: 1, outcome })))
    assert.deepStrictEqual(done!.refused, { failed: 1, throttled: 1, succeeded: 1, ignored: 1, unknown: 0 })
    assert.deepStrictEqual([done!.saved.calls, done!.lost.calls], [2, 1])
  })

  it("draws the jitter of each policy from the numbers that the caller gives it, and from none otherwise", () => {
    const policies = [
      Policy.make("a", { ...two.options, jitter: 0.5 }),
      Policy.make("b", { ...two.options, jitter: 0.5 })
    ]
    const lasts = (random?: Replay.Options["random"]) =>
      replay(outage, { policies, random }).policies.map(({ opened }) => opened[0]!.openFor)
    assert.deepStrictEqual(lasts(), [10_000, 10_000])
    assert.deepStrictEqual(lasts((policy) => () => policy === "a" ? 0.5 : 1), [12_500, 15_000])
  })
})

describe("what the log cannot tell", () => {
  const refused = (at: number) => ({ at, outcome: CallRecord.refused })

  it("is never made up: a call that the log's own breaker refused moves no circuit", () => {
    const calls = [...outage.slice(0, 14), ...outage.slice(14, 44).map(({ at }) => refused(at)), ...outage.slice(44)]
    const { calls: tally, policies: [done] } = replay(calls)
    assert.strictEqual(tally.refused, 30)
    // Open from 11.1 to 21.1: eight would have been refused anyway, and no probe was spent before somebody really asked.
    assert.deepStrictEqual([done!.refused.unknown, done!.unknownAdmitted], [8, 22])
    assert.deepStrictEqual(done!.probes, { spent: 1, failed: 0 })
    assert.deepStrictEqual([done!.timeline.moves[1]!.to, done!.timeline.moves[1]!.at], ["HalfOpen", 44_000])
  })

  it("is said in plain words, with the numbers", () => {
    assert.strictEqual(replay(outage).limits.length, 2)
    const { limits } = replay([...outage, refused(60_000)])
    assert.strictEqual(limits.length, 3)
    assert.match(limits[2]!, /^1 call was refused by the log's own breaker/)
    const stranger = replay(outage, {
      incidents: [{ circuit: "gpt-5", start: 0, end: 10 }, { start: 10_000, end: 40_000 }]
    })
    assert.deepStrictEqual(stranger.unknownCircuits, ["gpt-5"])
    assert.match(stranger.limits[2]!, /^The log has no circuit gpt-5: .* It has default\.$/)
    assert.deepStrictEqual(
      stranger.policies[0]!.incidents!.map(({ circuit, closedAfter, openAfter }) => [circuit, openAfter, closedAfter]),
      [
        ["gpt-5", undefined, undefined],
        ["default", 1100, 4100]
      ]
    )
  })

  it("is a gap in a timeline: neither saved nor lost", () => {
    const { policies: [done] } = replay([refused(0), refused(1)])
    assert.deepStrictEqual([done!.timeline.asked, done!.timeline.refusedUnknown, done!.saved.calls], [[2], [2], 0])
  })
})

describe("incidents", () => {
  it("are found in the log, and how each policy met them is told", () => {
    const { incidents, policies: [done] } = replay(outage)
    assert.deepStrictEqual(incidents, [{ circuit: "default", start: 10_000, end: 40_000, calls: 30, failures: 30 }])
    assert.deepStrictEqual(done!.incidents, [{ ...incidents[0]!, openAfter: 1100, closedAfter: 4100 }])
  })

  it("may be given: those of one circuit, and those of all", () => {
    const calls = outage.flatMap((
      call
    ) => [{ ...call, circuit: "a" }, { ...call, circuit: "b", outcome: Outcome.success }])
    const { policies: [done] } = replay(calls, {
      incidents: [{ start: 5000, end: 41_000 }, { circuit: "a", start: 12_000, end: 13_000 }]
    })
    assert.deepStrictEqual(done!.incidents, [
      { circuit: "a", start: 5000, end: 41_000, openAfter: 6100, closedAfter: 3100 },
      { circuit: "b", start: 5000, end: 41_000, closedAfter: 0 },
      { circuit: "a", start: 12_000, end: 13_000, openAfter: 0, closedAfter: 31_100 }
    ])
  })

  it("say nothing of what never came", () => {
    const { policies: [done] } = replay(outage.slice(0, 35), {
      incidents: [{ start: 0, end: 5000 }, { start: 10_000 }, { start: 20_000, end: 34_000 }]
    })
    assert.deepStrictEqual(done!.incidents, [
      { circuit: "default", start: 0, end: 5000, closedAfter: 0 },
      { circuit: "default", start: 10_000, openAfter: 1100 },
      { circuit: "default", start: 20_000, end: 34_000, openAfter: 0 }
    ])
  })
})

describe("at one instant", () => {
  const one = Policy.make("one", { tripPolicy: TripPolicy.consecutive(1), openDuration: 100 })
  const refusals = (calls: ReadonlyArray<Call>) => replay(calls, { policies: [one] }).policies[0]!.refused.succeeded

  it("a call has ended before the next one asks", () => {
    assert.strictEqual(refusals([{ at: 0, took: 10, outcome: failure }, { at: 10, took: 1 }]), 1)
    assert.strictEqual(refusals([{ at: 0, took: 10, outcome: failure }, { at: 9, took: 1 }]), 0)
    assert.strictEqual(refusals([{ at: 0, took: 0, outcome: failure }, { at: 0, took: 1 }]), 1)
  })

  it("calls end in the order in which they were asked for", () => {
    const policy = Policy.make("one", { tripPolicy: TripPolicy.consecutive(2) })
    const streak = (first: Outcome.Outcome, second: Outcome.Outcome) =>
      replay([{ at: 0, took: 1, outcome: failure }, { at: 2, took: 8, outcome: first }, {
        at: 5,
        took: 5,
        outcome: second
      }], {
        policies: [policy]
      }).policies[0]!.openings
    assert.deepStrictEqual([streak(failure, Outcome.success), streak(Outcome.success, failure)], [1, 0])
  })

  it("a call's first content comes before its end", () => {
    const slow = Policy.make("slow", {
      tripPolicy: TripPolicy.slowRate({ slowAfter: 50, threshold: 1, minimumCalls: 1, window: CallWindow.lastCalls(1) })
    })
    const openings = (firstContent?: number) =>
      replay([{ at: 0, took: 100, firstContent }], { policies: [slow] }).policies[0]!.openings
    assert.deepStrictEqual([openings(), openings(50), openings(51), openings(100)], [1, 0, 1, 1])
  })
})

describe("records that cannot be replayed", () => {
  it("are left out where they come before the one before them, and counted", () => {
    const { calls, leftOut } = replay([{ at: 10 }, { at: 9 }, { at: 10 }, { at: 11 }])
    assert.deepStrictEqual([calls.succeeded, leftOut], [3, { outOfOrder: 1, tooManyCircuits: 0 }])
  })

  it("are left out where they name one circuit too many, and counted", () => {
    const { calls, circuits, leftOut } = replay(["a", "b", "c", "a", "c"].map((circuit, at) => ({ at, circuit })), {
      mostCircuits: 2
    })
    assert.deepStrictEqual([calls.succeeded, circuits, leftOut.tooManyCircuits], [3, 2, 2])
  })

  it("may be none at all", () => {
    const { calls, from, policies, until } = replay([])
    assert.deepStrictEqual([from, until, calls.succeeded, policies[0]!.asked, policies[0]!.notClosed], [0, 0, 0, 0, 0])
  })
})

describe("a replay", () => {
  it("reads a log straight from its bytes, and tells what it read", () => {
    const text = jsonLines(
      ...outage.map(({ at, outcome, took }) => ({ at, took, status: outcome === failure ? 529 : 200 })),
      "?"
    )
    const result = Effect.runSync(Replay.log([encode(text)], { policies: [two] }))
    assert.deepStrictEqual(
      [
        result.policies[0]!.saved.calls,
        result.log.records,
        result.log.skips.map(({ count, reason }) => [reason, count])
      ],
      [26, 60, [["malformed", 1]]]
    )
  })

  it("takes records from a stream as well", () => {
    const result = Effect.runSync(Replay.records(Stream.fromIterable(outage.map(CallRecord.make)), { policies: [two] }))
    assert.deepStrictEqual(result, replay(outage))
  })

  it("comes back from JSON as it was", () => {
    const result = replay(outage, { policies: [two, Policy.builtIn.llm] })
    assert.deepStrictEqual(JSON.parse(JSON.stringify(result)), result)
  })

  it("checks its options, and the error names the option, the rule and the value", () => {
    assert.throws(() => Replay.make({ policies: [] }), "Replay: policies must be a list of at least one policy, got []")
    assert.throws(
      () => Replay.make({ policies: [two, two] }),
      "Replay: policies must have names of their own, got \"two\" twice"
    )
    assert.throws(
      () => Replay.make({ policies: [two], incidents: [{ start: 5, end: 4 }] }),
      "incidents must be a list of { start, end }"
    )
    assert.throws(() => Replay.make({ policies: [two], incidents: { calls: 0 } }), "calls must be a whole number")
    assert.throws(
      () => Replay.make({ policies: [two], mostSlices: 1 }),
      "mostSlices must be a whole number of at least 2"
    )
    assert.throws(() => Replay.make({ policies: [two], every: 0 }), "every must be a finite duration above zero, got 0")
  })
})
