import { assert, describe, it } from "@effect/vitest"
import { CallWindow, Outcome, TripPolicy } from "effect-breaker"
import { type CallRecord, Frontier, Policy, Replay, Scenario, Tune } from "effect-breaker/replay"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { encode } from "./reading.ts"

const SECOND = 1000
const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A call every two seconds; of each hour the provider is down for so many minutes from its half on, as by turns. */
const hours = (count: number, ...downFor: ReadonlyArray<number>): ReadonlyArray<CallRecord.CallRecord> =>
  Array.from({ length: count * 1800 }, (_, i) => {
    const at = 2 * SECOND * i
    const hour = Math.floor(at / HOUR)
    const since = at % HOUR - 30 * MINUTE
    const isDown = since >= 0 && since < downFor[hour % downFor.length]! * MINUTE
    return { at, took: isDown ? 5000 : 300, outcome: isDown ? failure : Outcome.success, circuit: "default" }
  })

const failure = Outcome.failure({ kind: "server" })

const as = (outcome: Outcome.Outcome, call: CallRecord.CallRecord): CallRecord.CallRecord => ({ ...call, outcome })

const slowToNotice = Policy.make("in use", { tripPolicy: TripPolicy.consecutive(20), openDuration: "10 minutes" })

const tuned = (
  calls: ReadonlyArray<CallRecord.CallRecord>,
  options: Tune.LogOptions = {}
) => Tune.records(calls, { inUse: slowToNotice, budget: 60, ...options })

const written = ({ inUse, recommended }: Tune.Result) => [inUse, recommended].map(({ policy }) => Policy.toJson(policy))

describe("a search over a log", () => {
  it.effect("finds the best of all openings there are, where it has the budget to try them", () =>
    Effect.gen(function*() {
      const calls = hours(3, 1, 7)
      const all = [500, 1000, 2000, 5000, 10_000, 20_000, 60_000].flatMap((first) =>
        [1, 1.5, 2, 3].flatMap((factor) =>
          [10_000, 30_000, 60_000, 120_000, 300_000].map((most) =>
            Policy.make(`${first} ${factor} ${most}`, {
              ...slowToNotice.options,
              openDuration: { first, factor, most: Math.max(first, most) }
            })
          )
        )
      )
      const { policies } = yield* Replay.records(calls, { policies: all, mostSlices: 2 })
      const harms = policies.map(({ admitted, lost }) => admitted.failed + lost.calls)
      const { recommended } = yield* tuned(calls, { vary: ["open"], budget: 240 })
      assert.strictEqual(recommended.search.harm, Math.min(...harms))
    }))

  it.effect("comes close to the best there can be, where everything is searched", () =>
    Effect.gen(function*() {
      // Of an outage of a minute in which calls fail after five seconds, four are gone before two are back: at best it opens
      // then, for long enough to be over the end, and closes at the first good call.
      const planted = Policy.make("planted", {
        tripPolicy: TripPolicy.consecutive(2),
        openDuration: "20 seconds",
        halfOpen: { successes: 1 }
      })
      const calls = hours(3, 1)
      const { policies: [best] } = yield* Replay.records(calls, { policies: [planted] })
      const { inUse, recommended } = yield* tuned(calls, { budget: 240 })
      assert.isAtMost(recommended.search.harm, 1.2 * (best!.admitted.failed + best!.lost.calls))
      assert.isAbove(inUse.search.harm, 4 * recommended.search.harm)
    }))

  it.effect("recommends a point of its frontier, and has no point on it that another is better than", () =>
    Effect.gen(function*() {
      for (const by of ["calls", "waiting"] as const) {
        for (const weight of [0.2, 5]) {
          const { frontier, inUse, measure, recommended } = yield* tuned(hours(6, 1, 4), { by, weight, budget: 30 })
          assert.deepStrictEqual({ by: measure.by, weight: measure.weight }, { by, weight })
          assert.include(frontier, recommended)
          for (const one of [inUse, ...frontier]) {
            assert.isAtLeast(one.search.harm, recommended.search.harm)
            assert.strictEqual(one.search.harm, Frontier.harmBy(one.search, measure))
          }
          frontier.slice(1).forEach((one, i) => {
            assert.isAbove(one.search.lost, frontier[i]!.search.lost)
            assert.isBelow(Frontier.wastedBy(one.search, measure), Frontier.wastedBy(frontier[i]!.search, measure))
          })
          assert.isAtMost(frontier.length, 12)
        }
      }
    }))

  it.effect("loses fewer calls the heavier they weigh", () =>
    Effect.gen(function*() {
      const lost = (weight: number) =>
        Effect.map(tuned(hours(6, 1, 4), { weight }), ({ recommended }) => recommended.search.lost)
      const [light, heavy] = [yield* lost(0.01), yield* lost(20)]
      assert.isBelow(heavy, light)
    }))

  it.effect("gives the same for the same seed", () =>
    Effect.gen(function*() {
      const calls = hours(6, 1, 4)
      const [one, same] = [yield* tuned(calls, { seed: 3 }), yield* tuned(calls, { seed: 3 })]
      assert.deepStrictEqual(one, same)
      const tried = ({ frontier }: Tune.Result) => frontier.map(({ says }) => says)
      assert.notDeepEqual(tried(one), tried(yield* tuned(calls, { seed: 4 })))
    }))

  it.effect("counts harm as a replay does", () =>
    Effect.gen(function*() {
      // Nothing held out: what was searched is the whole log.
      const calls = hours(3, 2)
      const { frontier, heldOut, inUse, without } = yield* tuned(calls)
      assert.match(heldOut, /^Nothing is held out/)
      const points = [inUse, ...frontier.filter((point) => point !== inUse)]
      const { policies } = yield* Replay.records(calls, { policies: points.map(({ policy }) => policy) })
      points.forEach(({ search: { lost, wasted, waited } }, i) => {
        const { admitted, lost: refused, saved } = policies[i]!
        assert.deepStrictEqual([wasted, lost], [admitted.failed + admitted.throttled, refused.calls])
        assert.strictEqual(waited, without.search.waited - saved.waiting)
      })
      assert.deepStrictEqual(without.search.wasted, 3 * 60)
      assert.deepStrictEqual([without.search.left, without.search.avoidable], [1, 180])
    }))

  it.effect("holds out the last third, or every other trouble, and says which", () =>
    Effect.gen(function*() {
      const late = yield* tuned(hours(9, 1))
      assert.deepStrictEqual([late.division, late.stretches], ["last third", { search: 6, heldOut: 3 }])
      assert.match(late.heldOut, /^The last third of the time is held out, with 3 of 9 troubles/)
      const early = yield* tuned([...hours(4, 1), ...hours(12, 0).slice(4 * 1800)])
      assert.deepStrictEqual([early.division, early.stretches], ["every other trouble", { search: 2, heldOut: 2 }])
      assert.match(early.heldOut, /^Every other trouble is held out, 2 of 4/)
      for (const { recommended, stretches, without } of [late, early]) {
        assert.deepStrictEqual(without.heldOut?.wasted, 30 * stretches.heldOut)
        assert.isBelow(recommended.heldOut!.left, 1)
      }
    }))

  it.effect("shows where a find does not hold: better in the search, and not on what was held out", () =>
    Effect.gen(function*() {
      // Outages of twenty seconds in the first two thirds, of which none is worth opening for; of 25 minutes in the last.
      const calls = [...hours(8, 1 / 3), ...hours(12, 25).slice(8 * 1800)]
      const inUse = Policy.make("in use", { tripPolicy: TripPolicy.consecutive(3), openDuration: "5 minutes" })
      const { doubts, inUse: before, recommended } = yield* tuned(calls, { inUse, vary: ["trip"], weight: 3 })
      assert.isBelow(recommended.search.harm, before.search.harm)
      assert.isAbove(recommended.heldOut!.harm, before.heldOut!.harm)
      assert.isTrue(doubts.some((doubt) => /it is NO better than in use, .* Keep what you have/.test(doubt)))
    }))

  it.effect("refuses to pretend where there is one incident: nothing is held out, and it says so", () =>
    Effect.gen(function*() {
      const { better, division, doubts, recommended, stretches } = yield* tuned(hours(1, 5))
      assert.deepStrictEqual([division, stretches, better.heldOut], ["none", { search: 1, heldOut: 0 }, 0])
      assert.isUndefined(recommended.heldOut)
      assert.deepInclude(doubts, "So how it would do on what it was not chosen by, nobody can say from this log.")
      assert.isTrue(doubts.some((doubt) => /1 trouble: one is an anecdote/.test(doubt)))
    }))

  it.effect("leaves out of the shares what fails while nothing is wrong", () =>
    Effect.gen(function*() {
      const calls = hours(3, 2).map((call, i) => i % 50 === 0 && i % 1800 < 900 ? as(failure, call) : call)
      const { recommended: { search }, without } = yield* tuned(calls)
      assert.strictEqual(without.search.wasted - without.search.avoidable, 3 * 18)
      assert.strictEqual(search.avoidable, search.harm - 54)
      assert.strictEqual(search.left, search.avoidable / 180)
    }))

  it.effect("takes incidents that are given", () =>
    Effect.gen(function*() {
      const calls = hours(3, 1).map((call, i) => i % 3 === 0 ? as(Outcome.success, call) : call)
      const given = [{ start: 20 * MINUTE, end: 40 * MINUTE }]
      const { replay, stretches } = yield* tuned(calls, { incidents: given })
      assert.deepStrictEqual(stretches.search, 1)
      assert.deepStrictEqual(replay.incidents, [{ circuit: "default", start: 20 * MINUTE, end: 40 * MINUTE }])
    }))

  it.effect("searches the parts that it is told to, and leaves the ramp alone unless told", () =>
    Effect.gen(function*() {
      const inUse = Policy.make("in use", { ramp: { shares: [0.5], every: "1 second" }, throttleDuration: "3 seconds" })
      const calls = hours(6, 1, 3)
      const varied = (result: Tune.Result) =>
        new Set(result.frontier.flatMap(({ changes }) => changes.map(({ option }) => option)))
      const all = yield* tuned(calls, { inUse })
      assert.notInclude([...varied(all)], "ramp")
      assert.deepStrictEqual(all.recommended.policy.options.ramp, inUse.options.ramp)
      assert.deepStrictEqual(all.recommended.policy.options.throttleDuration, "3 seconds")
      assert.isTrue(all.limits.some((limit) => limit.startsWith("The ramp is as it was")))
      const open = yield* tuned(calls, { inUse, vary: ["open"] })
      assert.deepStrictEqual(varied(open), new Set(["openDuration"]))
      const ramp = yield* tuned(calls, { inUse, vary: ["ramp"] })
      assert.isTrue(ramp.limits.some((limit) => /A log cannot show what that is good for/.test(limit)))
    }))

  it.effect("begins with any policy, also one whose rule it does not search among", () =>
    Effect.gen(function*() {
      const tripPolicy = TripPolicy.failureCount({ count: 2, window: CallWindow.lastDuration("30 seconds") })
      const inUse = Policy.make("odd", { tripPolicy, openDuration: 777, mode: "observe" })
      const result = yield* tuned(hours(6, 1, 3), { inUse })
      assert.strictEqual(result.inUse.policy, inUse)
      // It would be off the mark to measure it as something that never refuses.
      assert.isBelow(result.inUse.search.left, 1)
      assert.isUndefined(result.recommended.policy.options.mode)
    }))
})

describe("a log that is read", () => {
  const text = hours(6, 1, 3).map(({ at, outcome, took }) =>
    JSON.stringify({ time: at + Date.UTC(2026, 4, 1), took, status: outcome._tag === "Success" ? 200 : 500 })
  ).join("\n")

  it.effect("gives the same whether it is kept or read anew each time", () =>
    Effect.gen(function*() {
      let readings = 0
      const bytes = () => {
        readings++
        return [encode(text)]
      }
      const options = { inUse: slowToNotice, budget: 60 }
      const kept = yield* Tune.log(bytes, options)
      assert.strictEqual(readings, 1)
      const anew = yield* Tune.log(bytes, { ...options, mostKept: 10_799 })
      assert.isAbove(readings, 5)
      assert.deepStrictEqual(anew, kept)
      assert.deepStrictEqual(yield* Tune.log([encode(text)], { ...options, mostKept: 10_800 }), kept)
      assert.strictEqual(kept.log.records, 10_800)
    }))

  it.effect("can be read once and too long to be kept: that is an error", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Tune.log([encode(text)], { mostKept: 10_799 }))
      assert.deepInclude(error, { _tag: "CannotTune", reason: "tooManyCalls" })
      assert.match(error.message, /^10,800 calls are more than the 10,799 that are kept/)
      const stream = yield* Effect.flip(Tune.records(hours(6, 1)[Symbol.iterator](), { mostKept: 100 }))
      assert.deepInclude(stream, { reason: "tooManyCalls" })
    }))

  it.effect("may be a stream of records", () =>
    Effect.gen(function*() {
      const calls = hours(6, 1, 3)
      assert.deepStrictEqual(
        written(yield* Tune.records(Stream.fromIterable(calls), { inUse: slowToNotice, budget: 30 })),
        written(yield* tuned(calls, { budget: 30 }))
      )
    }))

  it.effect("tells how far the search is, to its end", () =>
    Effect.gen(function*() {
      const told: Array<Tune.Progress> = []
      yield* tuned(hours(6, 1), { onProgress: (progress) => told.push(progress) })
      told.slice(1).forEach(({ done }, i) => assert.isAtLeast(done, told[i]!.done))
      const { done, of } = told.at(-1)!
      assert.strictEqual(done, of)
      assert.isAbove(told.length, 100)
    }))
})

describe("a log that is nothing to choose by", () => {
  const complaint = (calls: ReadonlyArray<CallRecord.CallRecord>) => Effect.flip(tuned(calls))

  it.effect("has too few calls, until there are a hundred that count", () =>
    Effect.gen(function*() {
      const calls = hours(1, 20).slice(850, 949)
      assert.deepInclude(yield* complaint(calls), { reason: "tooFewCalls" })
      const ignored = { ...calls[0]!, at: 0, outcome: Outcome.ignored }
      assert.deepInclude(yield* complaint([ignored, ...calls]), { reason: "tooFewCalls" })
      assert.strictEqual((yield* tuned(hours(1, 20).slice(850, 950))).stretches.search, 1)
      assert.match((yield* complaint([])).message, /^0 calls that went well or failed are too few/)
    }))

  it.effect("has no failure", () =>
    Effect.gen(function*() {
      const error = yield* complaint(hours(1, 0))
      assert.deepInclude(error, {
        reason: "noFailure",
        message: "none of 1,800 calls failed: no policy can be told from another"
      })
    }))

  it.effect("has failures, but no incident", () =>
    Effect.gen(function*() {
      const error = yield* complaint(
        hours(1, 0).map((call, i) => i % 3 === 0 ? as(failure, call) : call)
      )
      assert.deepInclude(error, { reason: "noIncident" })
      assert.match(error.message, /^600 of 1,800 calls failed, but nowhere so many together/)
    }))

  it("or options that are none", () => {
    const bad: ReadonlyArray<readonly [Tune.LogOptions & { readonly runs?: number }, RegExp]> = [
      [{ budget: 11 }, /^Tune: budget must be a whole number from 12 to 100000, got 11/],
      [{ weight: 0 }, /weight must be a finite number above zero, got 0/],
      [{ by: "money" as never }, /by must be calls or waiting/],
      [{ vary: [] }, /vary must be one or more of trip, open, probes, ramp/],
      [{ vary: ["doors" as never] }, /vary must be/],
      [{ seed: 0.5 }, /seed must be a whole number/],
      [{ mostKept: 0 }, /mostKept must be/],
      [{ incidents: [{ start: 2, end: 1 }] }, /incidents must be/],
      [
        { inUse: Policy.make("a", { openDuration: Schedule.spaced("1 second") }) },
        /openDuration must be data to be written/
      ]
    ]
    for (const [options, said] of bad) assert.throws(() => Tune.records([], options), said)
    assert.throws(() => Tune.scenario(dead, { runs: 0 }), /runs must be/)
  })
})

const spec = {
  name: "dead",
  duration: 240 * SECOND,
  provider: { servers: 100, latency: 200 },
  phases: [
    { name: "healthy", for: 30 * SECOND },
    { name: "dead", for: 60 * SECOND, faults: [{ fault: { _tag: "Reset" as const }, share: 1 }] },
    { name: "healthy again", for: 150 * SECOND }
  ],
  clients: { rate: 10 }
} satisfies Scenario.Scenario

const dead = Scenario.make(spec)

describe("a search over a scenario", () => {
  const search = (options: Tune.ScenarioOptions = {}) =>
    Tune.scenario(dead, { inUse: slowToNotice, budget: 40, runs: 2, ...options })

  it.effect("finds a better policy, on other seeds too, and shows it beside the one in use and none", () =>
    Effect.gen(function*() {
      const { better, frontier, inUse, recommended, seeds, simulations, stretches, without } = yield* search({
        seed: 5
      })
      assert.deepStrictEqual(seeds, { search: [5, 6], heldOut: [7, 8] })
      assert.deepStrictEqual(stretches, { search: 2, heldOut: 2 })
      assert.include(frontier, recommended)
      assert.isBelow(recommended.search.left, inUse.search.left / 2)
      assert.isBelow(recommended.heldOut!.left, inUse.heldOut!.left / 2)
      assert.deepStrictEqual(better, { search: 2, heldOut: 2 })
      // Every call of the minute fails where nothing stands before it.
      assert.approximately(without.search.wasted, 2 * 600, 100)
      assert.deepStrictEqual(simulations.map(({ policy, seed }) => [policy, seed]), [
        ["no breaker", 7],
        ["in use", 7],
        ["tuned", 7]
      ])
      assert.deepStrictEqual(simulations[0]!.timeline.moves, [])
    }))

  it.effect("gives the same for the same seed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* search({ runs: 1 }), yield* search({ runs: 1 }))
    }))

  it.effect("counts a refused call as lost by what the provider could have answered", () =>
    Effect.gen(function*() {
      // It opens once, at the beginning of the minute, and comes back ten minutes later: after the end.
      const { inUse, simulations } = yield* search({ runs: 1 })
      const { timeline } = simulations[1]!
      const { refusedFailed, refusedSucceeded, refusedUnknown } = timeline
      const refused = [refusedFailed, refusedSucceeded, refusedUnknown].flat().reduce((sum, count) => sum + count, 0)
      assert.isAbove(refused, 0)
      assert.isAtMost(inUse.heldOut!.lost, refused)
      assert.approximately(inUse.heldOut!.lost, 1500, 150)
    }))

  it.effect("has nothing to choose by where nothing fails", () =>
    Effect.gen(function*() {
      const calm = Scenario.make({ ...spec, name: "calm", phases: [{ name: "healthy", for: 1000 }] })
      const error = yield* Effect.flip(Tune.scenario(calm))
      assert.deepInclude(error, { _tag: "CannotTune", reason: "noFailure" })
      assert.match(error.message, /^no call of calm fails/)
    }))
})
