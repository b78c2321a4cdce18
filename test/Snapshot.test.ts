import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Schema } from "effect"
import { Breaker, CallWindow, Outcome, TripPolicy } from "effect-breaker"
import { TestClock } from "effect/testing"

const window = CallWindow.lastCalls(4)
const rate = TripPolicy.failureRate({ threshold: 0.75, minimumCalls: 4, window })
const slow = TripPolicy.slowRate({ slowAfter: "2 seconds", threshold: 1, minimumCalls: 4, window })

const make = (options?: Omit<Breaker.Options, "name">) =>
  Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1), halfOpen: { successes: 1 }, ...options })
const succeed = (breaker: Breaker.Breaker) => Effect.exit(breaker.execute(Effect.succeed("answer")))
const fail = (breaker: Breaker.Breaker) => Effect.exit(breaker.execute(Effect.fail("down")))
const say = (breaker: Breaker.Breaker, outcome: Outcome.Outcome) =>
  Effect.exit(breaker.execute(Effect.succeed("answer"), { classify: () => outcome }))

const noon = Date.parse("2026-03-01T12:00:00.000Z")
const millisOf = (time: unknown): number => DateTime.isDateTime(time) ? DateTime.toEpochMillis(time) : Number(time)
/** A snapshot as plain data: without what is undefined, and with its times in milliseconds. */
const plain = (value: unknown): unknown => {
  if (DateTime.isDateTime(value)) return millisOf(value)
  if (typeof value !== "object" || value === null || Duration.isDuration(value)) return value
  return Object.fromEntries(
    Object.entries(value).filter(([, field]) => field !== undefined).map(([name, field]) => [name, plain(field)])
  )
}
const uptime = (breaker: Breaker.Breaker) => Effect.map(breaker.snapshot, ({ uptimePercentage }) => uptimePercentage)

describe("Snapshot", () => {
  it.effect("of a new breaker says that nothing happened", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      const breaker = yield* make()

      assert.deepStrictEqual(plain(yield* breaker.snapshot), {
        name: "openai",
        state: "Closed",
        mode: "enforce",
        generation: 0,
        since: noon,
        retryAfter: Duration.zero,
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
        window: { calls: 0, failureRate: 0, slowRate: 0 }
      })
    }))

  it.effect("tells every figure of a life", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      const breaker = yield* make({ tripPolicy: rate })
      yield* succeed(breaker)
      yield* say(breaker, Outcome.ignored)
      yield* say(breaker, Outcome.throttled({ retryAfter: "10 seconds" }))
      yield* TestClock.adjust("10 seconds")
      for (let i = 0; i < 3; i++) yield* say(breaker, Outcome.failure({ kind: "overloaded", message: "529" }))
      yield* TestClock.adjust("30 seconds")
      yield* succeed(breaker)

      const lastFailure = { at: noon + 10_000, kind: "overloaded", message: "529" }
      assert.deepStrictEqual(plain(yield* breaker.snapshot), {
        name: "openai",
        state: "Open",
        mode: "enforce",
        generation: 1,
        since: noon + 10_000,
        retryAfter: Duration.seconds(30),
        cause: { rule: "failureRate", value: 0.75, limit: 0.75, calls: 4, failure: lastFailure },
        successes: 1,
        failures: 3,
        ignored: 1,
        throttled: 1,
        slow: 0,
        rejected: 1,
        wouldReject: 0,
        inFlight: 0,
        openings: 1,
        uptimePercentage: 25,
        lastFailure,
        window: { calls: 0, failureRate: 0, slowRate: 0 }
      })
    }))

  it.effect("tells what the trip policy looks back on", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ tripPolicy: TripPolicy.anyOf(rate, slow) })
      yield* succeed(breaker)
      yield* fail(breaker)
      const permit = yield* breaker.admit
      yield* TestClock.adjust(2001)
      yield* permit.settle(Outcome.success)
      yield* succeed(breaker)

      const read = yield* breaker.snapshot
      assert.deepStrictEqual(read.window, { calls: 4, failureRate: 0.25, slowRate: 0.25 })
      assert.strictEqual(read.slow, 1)
    }))

  it.effect("forgets, in what it tells, the calls that are too old for the window (rule 18)", () =>
    Effect.gen(function*() {
      const tripPolicy = TripPolicy.failureCount({ count: 5, window: CallWindow.lastDuration("10 seconds") })
      const breaker = yield* make({ tripPolicy })
      yield* fail(breaker)
      yield* TestClock.adjust("10 seconds")

      assert.strictEqual((yield* breaker.snapshot).window.calls, 0)
      assert.strictEqual((yield* breaker.snapshot).failures, 1)
    }))

  it.effect("tells the pause of a throttled circuit, and why, as long as it lasts", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      yield* say(breaker, Outcome.throttled({ retryAfter: "5 seconds" }))
      const during = yield* breaker.snapshot
      yield* TestClock.adjust("5 seconds")
      const after = yield* breaker.snapshot

      assert.deepInclude(during, { state: "Closed", retryAfter: Duration.seconds(5) })
      assert.strictEqual(during.cause?.rule, "throttled")
      assert.deepInclude(after, { state: "Closed", retryAfter: Duration.zero, cause: undefined })
    }))

  it.effect("reads the same however often it is read: reading moves nothing (rule 2)", () =>
    Effect.gen(function*() {
      const tripPolicy = TripPolicy.anyOf(
        rate,
        slow,
        TripPolicy.failureCount({ count: 9, window: CallWindow.lastDuration("1 minute") })
      )
      const breaker = yield* make({ tripPolicy })
      yield* fail(breaker)
      yield* breaker.admit
      yield* TestClock.adjust("1 hour")

      const reads = yield* Effect.forEach([1, 2, 3], () => breaker.snapshot)

      assert.deepStrictEqual(reads[1], reads[0])
      assert.deepStrictEqual(reads[2], reads[0])
    }))

  describe("uptimePercentage", () => {
    it.effect("is the share of its life in which it was neither Open nor Isolated", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* TestClock.adjust("60 seconds")
        yield* fail(breaker)
        const justOpened = yield* uptime(breaker)
        yield* TestClock.adjust("60 seconds")
        const opened = yield* uptime(breaker)
        const probe = yield* breaker.admit
        yield* TestClock.adjust("20 seconds")
        yield* probe.settle(Outcome.success)
        yield* breaker.isolate()
        yield* TestClock.adjust("60 seconds")
        const isolated = yield* uptime(breaker)
        yield* breaker.release
        yield* TestClock.adjust("200 seconds")

        assert.deepStrictEqual([justOpened, opened, isolated, yield* uptime(breaker)], [100, 50, 40, 70])
      }))

    it.effect("goes on falling while an open circuit waits to be asked", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* TestClock.adjust("60 seconds")
        yield* fail(breaker)
        yield* TestClock.adjust("180 seconds")

        assert.strictEqual(yield* uptime(breaker), 25)
      }))

    it.effect("is nought in the moment of making if it opens just then, and whole if it does not", () =>
      Effect.gen(function*() {
        const [open, closed] = [yield* make(), yield* make()]
        yield* fail(open)

        assert.deepStrictEqual([yield* uptime(open), yield* uptime(closed)], [0, 100])
      }))

    it.effect("stays a percentage when the wall clock steps back (rule 3)", () =>
      Effect.gen(function*() {
        yield* TestClock.adjust("1 day")
        const breaker = yield* make()
        yield* fail(breaker)
        yield* TestClock.setTime(0)
        yield* TestClock.adjust("1 minute")

        assert.strictEqual(yield* uptime(breaker), 0)
      }))
  })

  describe("as data", () => {
    const lives: Record<string, (breaker: Breaker.Breaker) => Effect.Effect<unknown, unknown>> = {
      "a new": () => Effect.void,
      "a closed": (breaker) => Effect.andThen(succeed(breaker), succeed(breaker)),
      "a throttled": (breaker) => say(breaker, Outcome.throttled({ kind: "rate_limit" })),
      "an open": fail,
      "an open, with a tail of nanoseconds,": (breaker) =>
        Effect.andThen(fail(breaker), TestClock.adjust(Duration.nanos(1_234_567n))),
      "a recovering": (breaker) =>
        Effect.gen(function*() {
          yield* fail(breaker)
          yield* TestClock.adjust("60 seconds")
          yield* breaker.admit
        }),
      "a ramping": (breaker) =>
        Effect.gen(function*() {
          yield* fail(breaker)
          yield* TestClock.adjust("60 seconds")
          yield* succeed(breaker)
        }),
      "an isolated": (breaker) => breaker.isolate("bad deploy"),
      "a tripped": (breaker) => say(breaker, Outcome.trip({ kind: "no credit" })),
      "an observing": (breaker) => breaker.setMode("observe")
    }
    for (const [name, live] of Object.entries(lives)) {
      it.effect(`${name} breaker's is JSON, and comes back the same`, () =>
        Effect.gen(function*() {
          yield* TestClock.setTime(noon)
          const breaker = yield* make({ ramp: { shares: [0.1, 0.5], every: "1 minute" } })
          yield* live(breaker)
          const snapshot = yield* breaker.snapshot

          const json = JSON.stringify(Schema.encodeSync(Breaker.Snapshot)(snapshot))
          const back = Schema.decodeUnknownSync(Breaker.Snapshot)(JSON.parse(json))

          assert.instanceOf(back, Breaker.Snapshot)
          assert.strictEqual(JSON.stringify(Schema.encodeSync(Breaker.Snapshot)(back)), json)
          assert.deepStrictEqual(back.retryAfter, snapshot.retryAfter)
          assert.deepStrictEqual(back.since, snapshot.since)
        }))
    }

    it.effect("is refused with a readable issue where it is not a snapshot", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const encoded = Schema.encodeSync(Breaker.Snapshot)(yield* breaker.snapshot)

        assert.throws(() => Schema.decodeUnknownSync(Breaker.Snapshot)({ ...encoded, state: "Ajar" }), /state/)
      }))
  })

  it.effect("can be read of whatever a classifier says of its failures", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      yield* say(breaker, { _tag: "Failure", kind: 529, message: { text: "down" } } as never)

      assert.strictEqual((yield* breaker.snapshot).state, "Open")
    }))
})
