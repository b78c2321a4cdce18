import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Duration, Effect, Exit } from "effect"
import { Breaker, CallWindow, CircuitRejected, Outcome, TripPolicy, withBreaker } from "effect-breaker"
import { TestClock } from "effect/testing"

const make = (options?: Omit<Breaker.Options, "name">) =>
  Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1), ...options })
const say = (breaker: Breaker.Breaker, outcome: Outcome.Outcome) =>
  breaker.execute(Effect.succeed("answer"), { classify: () => outcome })
const fail = (breaker: Breaker.Breaker, error: unknown = new Error("529 Overloaded")) =>
  Effect.exit(breaker.execute(Effect.fail(error)))
const refusal = (breaker: Breaker.Breaker) => Effect.flip(breaker.execute(Effect.succeed("answer")))

const noon = Date.parse("2026-03-01T12:00:00.000Z")
const millisOf = (time: unknown): number => DateTime.isDateTime(time) ? DateTime.toEpochMillis(time) : Number(time)

describe("CircuitRejected", () => {
  it.effect("says which circuit, why, how long to wait, since when and what caused it (rule 6)", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      const breaker = yield* make()
      yield* TestClock.adjust("3 seconds")
      yield* say(breaker, Outcome.failure({ kind: "overloaded", message: "529 Overloaded" }))
      yield* TestClock.adjust("12 seconds")

      const refused = yield* refusal(breaker)

      assert.strictEqual(refused._tag, "CircuitRejected")
      assert.strictEqual(refused.circuit, "openai")
      assert.strictEqual(refused.reason, "Open")
      assert.deepStrictEqual(refused.retryAfter, Duration.seconds(48))
      assert.strictEqual(millisOf(refused.since), noon + 3000)
      assert.strictEqual(refused.generation, 1)
      const { failure, ...cause } = refused.cause
      assert.deepInclude(cause, { rule: "consecutive", value: 1, limit: 1 })
      assert.deepInclude(failure, { kind: "overloaded", message: "529 Overloaded" })
      assert.strictEqual(millisOf(failure?.at), noon + 3000)
    }))

  it.effect("tells the same since to every refused call of a period, and a shorter wait to each", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      const breaker = yield* make()
      yield* fail(breaker)
      const one = yield* refusal(breaker)
      yield* TestClock.adjust("10 seconds")
      const two = yield* refusal(breaker)

      assert.deepStrictEqual(one.since, two.since)
      assert.deepStrictEqual([one.retryAfter, two.retryAfter], [Duration.seconds(60), Duration.seconds(50)])
      assert.notStrictEqual(one, two)
    }))

  it.effect("tells each period's own since, cause and generation", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      const breaker = yield* make()
      yield* fail(breaker, "first")
      const one = yield* refusal(breaker)
      yield* TestClock.adjust("60 seconds")
      yield* fail(breaker, "second")
      const two = yield* refusal(breaker)

      assert.strictEqual(millisOf(two.since) - millisOf(one.since), 60_000)
      assert.deepStrictEqual([one.cause.rule, two.cause.rule], ["consecutive", "probes"])
      assert.deepStrictEqual([one.cause.failure?.message, two.cause.failure?.message], ["first", "second"])
      assert.isAbove(two.generation, one.generation)
    }))

  describe("message", () => {
    const since = "since 2026-03-01T12:00:00.000Z;"
    const cases: ReadonlyArray<
      readonly [
        name: string,
        arrange: (breaker: Breaker.Breaker) => Effect.Effect<unknown, unknown>,
        says: ReadonlyArray<string>
      ]
    > = [
      [
        "of an open circuit",
        (breaker) => fail(breaker),
        [
          `Circuit "openai" is open: 1 failure in a row (limit 1). Last failure: 529 Overloaded. `,
          ` ${since} ask again in 1m.`
        ]
      ],
      [
        "of an open circuit with the kind of its last failure",
        (breaker) => say(breaker, Outcome.failure({ kind: "overloaded", message: "too much traffic." })),
        [
          `Circuit "openai" is open: 1 failure in a row (limit 1). Last failure: overloaded: too much traffic. `,
          ` ${since} ask again in 1m.`
        ]
      ],
      [
        "of an open circuit whose failure said nothing",
        (breaker) => fail(breaker, null),
        [`Circuit "openai" is open: 1 failure in a row (limit 1). `, ` ${since} ask again in 1m.`]
      ],
      [
        "of a tripped circuit",
        (breaker) => say(breaker, Outcome.trip({ message: "no credit" })),
        [
          `Circuit "openai" is open: the provider said that asking again is pointless. Last failure: no credit. `,
          ` ${since} ask again in 1h.`
        ]
      ],
      [
        "of a circuit opened by hand",
        (breaker) => breaker.trip({ note: "drill", openFor: "90 seconds" }),
        [`Circuit "openai" is open: opened by hand (drill). `, ` ${since} ask again in 1m 30s.`]
      ],
      [
        "of an isolated circuit",
        (breaker) => breaker.isolate("bad deploy"),
        [`Circuit "openai" is isolated: isolated by hand (bad deploy). `, ` ${since} `, ` it is released.`]
      ],
      [
        "of a circuit isolated without a word",
        (breaker) => breaker.isolate(),
        [`Circuit "openai" is isolated: isolated by hand. `, ` ${since} `, ` it is released.`]
      ],
      [
        "of a throttled circuit",
        (breaker) => say(breaker, Outcome.throttled({ retryAfter: "20 seconds" })),
        [`Circuit "openai" is throttled: the provider asked for a pause of 20s. `, ` ${since} ask again in 20s.`]
      ],
      [
        "of a recovering circuit",
        (breaker) =>
          Effect.gen(function*() {
            yield* breaker.trip({ openFor: 0 })
            yield* breaker.admit
          }),
        [`Circuit "openai" is recovering: opened by hand. `, ` ${since} ask again in 1s.`]
      ],
      [
        "of a circuit whose probes failed",
        (breaker) => Effect.andThen(breaker.trip({ openFor: 0 }), fail(breaker)),
        [
          `Circuit "openai" is open: 1 `,
          `of 3`,
          `failed (limit 1). Last failure: 529 Overloaded. `,
          ` ${since} ask again in 1m.`
        ]
      ]
    ]
    for (const [name, arrange, says] of cases) {
      it.effect(`can be shown as it is ${name}`, () =>
        Effect.gen(function*() {
          yield* TestClock.setTime(noon)
          const breaker = yield* make()
          yield* arrange(breaker)

          const { message } = yield* refusal(breaker)

          for (const words of says) assert.include(message, words)
          assert.match(message, /^[^\n]+[^.]\.$/)
          assert.notMatch(message, /undefined|NaN|null|\[object|Infinity|\.\.|  /)
        }))
    }

    it.effect("tells the shares of a rate", () =>
      Effect.gen(function*() {
        const window = CallWindow.lastCalls(10)
        const breaker = yield* make({ tripPolicy: TripPolicy.failureRate({ threshold: 0.6, minimumCalls: 3, window }) })
        yield* say(breaker, Outcome.success)
        yield* fail(breaker)
        yield* fail(breaker)

        assert.include((yield* refusal(breaker)).message, `is open: 66.7 % of the last 3 calls failed (limit 60 %).`)
      }))

    it.effect("tells a count of failures", () =>
      Effect.gen(function*() {
        const window = CallWindow.lastDuration("1 minute")
        const breaker = yield* make({ tripPolicy: TripPolicy.failureCount({ count: 2, window }) })
        yield* say(breaker, Outcome.success)
        yield* fail(breaker)
        yield* fail(breaker)

        assert.match(
          (yield* refusal(breaker)).message,
          /is open: 2 .*of the last 3 calls failed|2 failures in the last 3 calls \(limit 2\)\./
        )
      }))
  })

  describe("as an error", () => {
    it.effect("is an Error and an instance of its class", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* fail(breaker)
        const refused: unknown = yield* refusal(breaker)

        assert.instanceOf(refused, Error)
        assert.instanceOf(refused, CircuitRejected)
      }))

    it.effect("has no stack frames, and leaves the program's own stack traces alone", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* fail(breaker)
        const limit = Error.stackTraceLimit

        const refused = yield* refusal(breaker)

        assert.notMatch(refused.stack ?? "", /^\s+at /m)
        assert.strictEqual(Error.stackTraceLimit, limit)
        assert.match(new Error("own").stack ?? "", /^\s+at /m)
      }))

    it.effect("is caught by its tag", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* fail(breaker)

        const caught = yield* breaker.execute(Effect.fail("never here")).pipe(
          Effect.catchTag("CircuitRejected", ({ reason }) => Effect.succeed(reason))
        )

        assert.strictEqual(caught, "Open")
      }))

    it.effect("prints, logs and serialises without harm", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* fail(breaker)
        const refused = yield* refusal(breaker)

        const plain: unknown = JSON.parse(JSON.stringify(refused))

        assert.include(Cause.pretty(Cause.fail(refused)), `Circuit "openai" is open`)
        assert.include(String(refused), `Circuit "openai" is open`)
        assert.deepInclude(plain, { _tag: "CircuitRejected", circuit: "openai", reason: "Open" })
      }))

    it.effect("can be yielded again", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* fail(breaker)
        const refused = yield* refusal(breaker)

        const exit = yield* Effect.exit(Effect.gen(function*() {
          return yield* refused
        }))

        assert.deepStrictEqual(exit, Exit.fail(refused))
      }))
  })

  describe("retryAfter (rule 6)", () => {
    it.effect("is never shorter than the rest of the opening, to the microsecond", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ openDuration: "1000.5 millis" })
        yield* fail(breaker)
        yield* TestClock.adjust(Duration.micros(400n))
        const { retryAfter } = yield* refusal(breaker)

        yield* TestClock.adjust(retryAfter)

        assert.strictEqual((yield* breaker.state)._tag, "Open")
        assert.strictEqual(yield* breaker.execute(Effect.succeed("answer")), "answer")
      }))

    it.effect("does not make a retry loop spin, whatever refuses", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ramp: { shares: [0.1], every: "1 minute" }, halfOpen: { successes: 1 } })
        const waits: Array<number> = []
        const waitOf = Effect.map(refusal(breaker), ({ retryAfter }) => waits.push(Duration.toMillis(retryAfter)))
        yield* fail(breaker)
        yield* waitOf
        yield* TestClock.adjust(59_999.5)
        yield* waitOf
        yield* TestClock.adjust(0.5)
        const probe = yield* breaker.admit
        yield* waitOf
        yield* probe.settle(Outcome.success)
        yield* breaker.execute(Effect.succeed("answer"))
        yield* waitOf
        yield* breaker.isolate()
        yield* waitOf

        assert.deepStrictEqual(waits, [60_000, 1, 1000, 1000, Number.POSITIVE_INFINITY])
      }))

    it.effect("brings back a caller who waits as long as it says", () =>
      Effect.gen(function*() {
        const breaker = yield* Breaker.Breaker
        const arrangements: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          fail(breaker),
          breaker.trip({ openFor: "2 minutes" }),
          say(breaker, Outcome.throttled({ retryAfter: "5 seconds" }))
        ]

        for (const arrange of arrangements) {
          yield* arrange
          const refused = yield* refusal(breaker)
          yield* TestClock.adjust(refused.retryAfter)
          assert.strictEqual(yield* withBreaker(Effect.succeed("answer")), "answer")
        }
      }).pipe(
        Effect.provide(
          Breaker.layer({ name: "openai", tripPolicy: TripPolicy.consecutive(1), halfOpen: { successes: 1 } })
        )
      ))
  })
})
