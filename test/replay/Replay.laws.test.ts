/**
 * Replay and the live service are one: on the same history they make the same transitions at the same times, and refuse the
 * same calls.
 *
 * Live is a `Breaker` under the test clock, asked by calls that sleep for as long as the log says. The clock wakes who
 * sleeps until the same instant in the order in which they went to sleep, which is that in which the calls were asked for;
 * and whoever asks at an instant asks after all who wake then. That is the order that a replay promises.
 *
 * `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many histories are tried.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { Breaker, type Circuit, type Outcome } from "../../src/index.ts"
import * as CallRecord from "../../src/replay/CallRecord.ts"
import * as Policy from "../../src/replay/Policy.ts"
import * as Replay from "../../src/replay/Replay.ts"
import { anyOutcome, anySettings } from "../anyHistory.ts"

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.FC_RUNS ?? 1000)
console.info(`Replay.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

/** The same numbers each time. */
const dice = () => {
  let drawn = 0
  return () => drawn++ * 0.37 % 1
}

// Few different times, so that what happens at one instant is often much.
const anyCall = fc.record({
  later: fc.constantFrom(0, 0, 1, 10, 50, 100, 100, 200, 500, 1000, 5000),
  took: fc.constantFrom(0, 1, 50, 100, 100, 101, 200, 300, 1000, 1001),
  answers: fc.constantFrom(undefined, 0, 0.5, 1),
  outcome: anyOutcome,
  isSlow: fc.constantFrom(undefined, undefined, undefined, true, false)
})

const anyCalls = fc.array(anyCall, { minLength: 1, maxLength: 150, size: "max" }).map((calls) => {
  let at = 1000
  return calls.map(({ answers, isSlow, later, outcome, took }, i): CallRecord.CallRecord => {
    at += later
    const slow = isSlow !== undefined && (outcome._tag === "Success" || outcome._tag === "Failure")
      ? { slow: isSlow }
      : {}
    const firstContent = answers === undefined ? undefined : Math.floor(took * answers)
    // What tells which calls were refused, not only how many.
    const marks = { inputTokens: i + 1, outputTokens: (i + 1) ** 2 }
    return CallRecord.make({ at, took, firstContent, ...marks, outcome: { ...outcome, ...slow } })
  })
})

const anyPolicy = anySettings.map(({ openDuration, ...rest }) =>
  Policy.make("any", {
    ...rest,
    // Which takes functions where a breaker takes schedules.
    openDuration: typeof openDuration === "function" ? { first: 100, most: 700 } : openDuration
  })
)

type Told = Pick<Circuit.Transition, "at" | "from" | "to"> & {
  readonly openFor: number | undefined
  readonly share: number | undefined
  readonly cause: string | undefined
}

const cause = (one: Circuit.Cause | undefined) => one && `${one.rule} ${one.value} of ${one.calls} at ${one.limit}`

const live = (policy: Policy.Policy, calls: ReadonlyArray<CallRecord.CallRecord>) =>
  Effect.gen(function*() {
    yield* TestClock.setTime(calls[0]!.at)
    const breaker = yield* Breaker.make({ name: "live", ...Policy.settings(policy) })
    const moves: Array<Told> = []
    const refused: Array<CallRecord.CallRecord> = []
    yield* Effect.forkChild(
      Stream.runForEach(breaker.events, (event) =>
        Effect.sync(() => {
          if (event._tag !== "Transitioned") return
          const { at, cause: why, from, openFor, share, to } = event
          moves.push({ at, from, to, share, openFor: openFor && Duration.toMillis(openFor), cause: cause(why) })
        })),
      { startImmediately: true }
    )
    for (const record of calls) {
      const { at, firstContent, outcome, took } = record
      yield* TestClock.setTime(at)
      const call = Effect.gen(function*() {
        const asked = yield* Effect.result(breaker.admit)
        if (asked._tag === "Failure") {
          refused.push(record)
          return
        }
        const { answered, settle } = asked.success
        const answers = firstContent !== undefined && firstContent < took
        // Both fall asleep now: of those that wake at one instant, the first that fell asleep wakes first.
        if (answers) {
          yield* Effect.forkChild(Effect.andThen(Effect.sleep(firstContent), answered), { startImmediately: true })
        }
        if (took > 0) yield* Effect.sleep(took)
        yield* settle(outcome as Outcome.Outcome)
      })
      yield* Effect.forkChild(call, { startImmediately: true })
    }
    yield* TestClock.adjust("1 hour")
    return { moves, refused }
  }).pipe(
    Effect.provideService(Random.Random, { nextDoubleUnsafe: dice(), nextIntUnsafe: () => 0 }),
    Effect.scoped,
    Effect.provide(TestClock.layer())
  )

const replayed = (policy: Policy.Policy, calls: ReadonlyArray<CallRecord.CallRecord>) => {
  const replay = Replay.make({ policies: [policy], random: dice })
  for (const call of calls) replay.add(call)
  const { lost, refused, saved, timeline } = replay.result().policies[0]!
  const moves = timeline.moves.map(({ at, calls, from, limit, openFor, rule, share, to, value }): Told => ({
    at,
    from,
    to,
    share,
    // An event tells whole milliseconds.
    openFor: openFor && Math.ceil(openFor),
    cause: rule && cause({ rule, value: value!, limit: limit!, calls: calls! })
  }))
  return { moves, refused, marks: [saved, lost].map(({ inputTokens, outputTokens }) => [inputTokens, outputTokens]) }
}

/** What a replay says of the calls that were refused live. */
const tallied = (refused: ReadonlyArray<CallRecord.CallRecord>) => {
  const of = (...tags: ReadonlyArray<Outcome.Outcome["_tag"]>) =>
    refused.filter(({ outcome }) => tags.includes(outcome._tag as Outcome.Outcome["_tag"]))
  const marks = (calls: ReadonlyArray<CallRecord.CallRecord>) =>
    calls.reduce(([a, b], { inputTokens, outputTokens }) => [a! + inputTokens!, b! + outputTokens!], [0, 0])
  return {
    refused: {
      failed: of("Failure", "Trip").length,
      throttled: of("Throttled").length,
      succeeded: of("Success").length,
      ignored: of("Ignored").length,
      unknown: 0
    },
    marks: [marks(of("Failure", "Trip", "Throttled")), marks(of("Success"))]
  }
}

describe("replay and the live service", () => {
  it("make the same transitions and refuse the same calls, whatever the policy and the history", async () => {
    await fc.assert(
      fc.asyncProperty(anyPolicy, anyCalls, async (policy, calls) => {
        const { moves, refused } = await Effect.runPromise(live(policy, calls))
        assert.deepStrictEqual(replayed(policy, calls), { moves, ...tallied(refused) })
      }),
      { seed, numRuns: Math.ceil(runs / 4) }
    )
  }, 600_000)

  it("agree on histories that have something in them", async () => {
    const tally = { moves: 0, refused: 0, ramps: 0 }
    const sample = fc.sample(fc.tuple(anyPolicy, anyCalls), { seed, numRuns: 100 })
    for (const [policy, calls] of sample) {
      const { moves, refused } = replayed(policy, calls)
      tally.moves += moves.length
      tally.refused += Object.values(refused).reduce((sum, count) => sum + count, 0)
      tally.ramps += moves.filter(({ share }) => share !== undefined).length
    }
    assert.isAbove(tally.moves, 100)
    assert.isAbove(tally.refused, 100)
    assert.isAbove(tally.ramps, 10)
  })
})
