import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Logger, References } from "effect"
import { Breaker, Outcome, TripPolicy } from "effect-breaker"

const never = { name: "openai", tripPolicy: TripPolicy.never }

const tally = (breaker: Breaker.Breaker) =>
  Effect.map(breaker.snapshot, ({ failures, ignored, inFlight, successes, throttled }) => ({
    failures,
    ignored,
    inFlight,
    successes,
    throttled
  }))
const none = { failures: 0, ignored: 0, inFlight: 0, successes: 0, throttled: 0 }

/** A logger that keeps each line with its level and what came with it. */
const journal = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ cause, logLevel, message }) => {
    const said = (Array.isArray(message) ? message : [message]).map((part) =>
      Cause.isCause(part) ? Cause.pretty(part) : part
    )
    lines.push([logLevel, ...said, Cause.pretty(cause)].join(" ").trim())
  })
  return { lines, layer: Logger.layer([logger]) }
}

describe("Classify", () => {
  describe("without a classifier (rule 13)", () => {
    const exits: Record<string, readonly [call: Effect.Effect<unknown, unknown>, counted: object]> = {
      "a value is a Success": [Effect.succeed(1), { successes: 1 }],
      "a typed failure is a Failure": [Effect.fail("down"), { failures: 1 }],
      "a defect is a Failure": [Effect.die(new Error("a bug")), { failures: 1 }],
      "an interruption is Ignored": [Effect.interrupt, { ignored: 1 }],
      "a failure with an interruption is a Failure": [
        Effect.failCause(Cause.combine(Cause.fail("down"), Cause.interrupt(1))),
        { failures: 1 }
      ]
    }
    for (const [name, [call, counted]] of Object.entries(exits)) {
      it.effect(name, () =>
        Effect.gen(function*() {
          const breaker = yield* Breaker.make(never)

          yield* Effect.exit(breaker.execute(call))

          assert.deepStrictEqual(yield* tally(breaker), { ...none, ...counted })
        }))
    }
  })

  describe("with a classifier", () => {
    const outcomes = {
      Success: [Outcome.success, { successes: 1 }],
      Failure: [Outcome.failure(), { failures: 1 }],
      Ignored: [Outcome.ignored, { ignored: 1 }],
      Throttled: [Outcome.throttled(), { throttled: 1 }],
      Trip: [Outcome.trip(), { failures: 1 }]
    } as const
    const calls: Record<string, Effect.Effect<number, string>> = {
      "a value": Effect.succeed(1),
      "an error": Effect.fail("down"),
      "a defect": Effect.die("a bug")
    }
    for (const [tag, [outcome, counted]] of Object.entries(outcomes)) {
      for (const [what, call] of Object.entries(calls)) {
        it.effect(`${what} may be a ${tag}, by the breaker's or the call's classifier (rules 8 to 12)`, () =>
          Effect.gen(function*() {
            const byBreaker = yield* Breaker.make({ ...never, classify: () => outcome })
            const byCall = yield* Breaker.make({ ...never, classify: () => Outcome.ignored })

            const exits = [
              yield* Effect.exit(byBreaker.execute(call)),
              yield* Effect.exit(byCall.execute(call, { classify: () => outcome }))
            ]

            const own = yield* Effect.exit(call)
            assert.deepStrictEqual<ReadonlyArray<unknown>>(exits, [own, own])
            assert.deepStrictEqual(yield* tally(byBreaker), { ...none, ...counted })
            assert.deepStrictEqual(yield* tally(byCall), { ...none, ...counted })
          }))
      }
    }

    it.effect("shows the classifier the exit that the caller gets", () =>
      Effect.gen(function*() {
        const seen: Array<Exit.Exit<unknown, unknown>> = []
        const classify = (exit: Exit.Exit<unknown, unknown>) => {
          seen.push(exit)
          return Outcome.ignored
        }
        const breaker = yield* Breaker.make({ ...never, classify })
        const error = { status: 529 }

        yield* breaker.execute(Effect.succeed("answer"))
        yield* Effect.exit(breaker.execute(Effect.fail(error)))
        yield* Effect.exit(breaker.execute(Effect.die(error)))

        assert.deepStrictEqual(seen, [Exit.succeed("answer"), Exit.fail(error), Exit.die(error)])
      }))

    it.effect("asks the classifier once for each call, and never about interruption only (rule 10)", () =>
      Effect.gen(function*() {
        let asked = 0
        const classify = () => {
          asked++
          return Outcome.failure()
        }
        const breaker = yield* Breaker.make({ ...never, classify })

        yield* Effect.exit(breaker.execute(Effect.interrupt))
        const interrupted = asked
        yield* breaker.execute(Effect.succeed(1))

        assert.deepStrictEqual([interrupted, asked], [0, 1])
        assert.deepStrictEqual(yield* tally(breaker), { ...none, failures: 1, ignored: 1 })
      }))
  })

  describe("a classifier that fails (rule 7)", () => {
    const bad: Record<string, () => Outcome.Outcome> = {
      throws: () => {
        throw new Error("no such field")
      },
      "gives back nothing": () => undefined as never,
      "gives back null": () => null as never,
      "gives back a promise": () => Promise.resolve(Outcome.success) as never,
      "gives back an outcome that there is not": () => ({ _tag: "Meh" }) as never,
      "gives back a hint that is no duration": () => ({ _tag: "Failure", retryAfter: "soon" }) as never,
      "gives back a pause that is no duration": () => ({ _tag: "Throttled", retryAfter: "soon" }) as never,
      "gives back an opening that is no duration": () => ({ _tag: "Trip", openFor: "for ever" }) as never
    }
    for (const [what, classify] of Object.entries(bad)) {
      describe(`that ${what}`, () => {
        const calls: ReadonlyArray<Effect.Effect<string, string>> = [
          Effect.succeed("answer"),
          Effect.fail("down"),
          Effect.die("a bug")
        ]

        it.effect("leaves the caller its own result", () =>
          Effect.gen(function*() {
            const breaker = yield* Breaker.make({ ...never, classify })

            const exits = yield* Effect.forEach(
              calls,
              (call) => Effect.exit(breaker.execute(call))
            )

            assert.deepStrictEqual(exits, [Exit.succeed("answer"), Exit.fail("down"), Exit.die("a bug")])
          }).pipe(Effect.provide(journal().layer)))

        it.effect("is Ignored, and frees the permit", () =>
          Effect.gen(function*() {
            const breaker = yield* Breaker.make({ ...never, classify })

            for (const call of calls) yield* Effect.exit(breaker.execute(call))

            assert.deepStrictEqual(yield* tally(breaker), { ...none, ignored: 3 })
          }).pipe(Effect.provide(journal().layer)))

        it.effect("is logged once, as an error that names the circuit", () =>
          Effect.gen(function*() {
            const { layer, lines } = journal()
            const breaker = yield* Breaker.make({ ...never, classify })

            yield* Effect.exit(breaker.execute(Effect.succeed("answer"))).pipe(Effect.provide(layer))

            assert.strictEqual(lines.length, 1, lines.join("\n"))
            assert.match(lines[0]!, /^Error The classifier of circuit "openai" failed: the call counts as Ignored/)
          }))
      })
    }

    it.effect("tells what the classifier threw", () =>
      Effect.gen(function*() {
        const { layer, lines } = journal()
        const breaker = yield* Breaker.make(never)

        yield* breaker.execute(Effect.succeed(1), { classify: bad["throws"]! }).pipe(Effect.provide(layer))
        const permit = yield* breaker.admit
        yield* permit.settleExit(Exit.succeed(1), { classify: bad["throws"]! }).pipe(Effect.provide(layer))

        assert.strictEqual(lines.length, 2)
        for (const line of lines) assert.include(line, "no such field")
        assert.deepStrictEqual(yield* tally(breaker), { ...none, ignored: 2 })
      }))

    it.effect("does not end the caller's result even if the logger fails", () =>
      Effect.gen(function*() {
        const broken = Logger.make(() => {
          throw new Error("disk full")
        })
        const breaker = yield* Breaker.make({ ...never, classify: bad["throws"]! })

        yield* Effect.exit(breaker.execute(Effect.succeed(1)).pipe(Effect.provide(Logger.layer([broken]))))

        assert.deepStrictEqual(yield* tally(breaker), { ...none, ignored: 1 })
      }))

    it.effect("logs nothing below the program's log level", () =>
      Effect.gen(function*() {
        const { layer, lines } = journal()
        const breaker = yield* Breaker.make({ ...never, classify: bad["throws"]! })

        const value = yield* breaker.execute(Effect.succeed(1)).pipe(
          Effect.provideService(References.MinimumLogLevel, "None"),
          Effect.provide(layer)
        )

        assert.deepStrictEqual([value, lines.length], [1, 0])
      }))
  })

  describe("what the last failure says", () => {
    class Overloaded extends Error {
      readonly _tag = "Overloaded"
    }
    const circular: Record<string, unknown> = {}
    circular["self"] = circular
    const hostile = {
      get message(): string {
        throw new Error("do not read me")
      }
    }
    const words: ReadonlyArray<
      readonly [name: string, call: Effect.Effect<unknown, unknown>, said: string | undefined]
    > = [
      ["the message of an error", Effect.fail(new Error("529 Overloaded")), "529 Overloaded"],
      ["a text that was failed with", Effect.fail("connection cut"), "connection cut"],
      ["the message of a defect", Effect.die(new TypeError("a bug")), "a bug"],
      ["the tag of an error without a message", Effect.fail(new Overloaded()), "Overloaded"],
      ["the tag of plain tagged data", Effect.fail({ _tag: "RateLimited" }), "RateLimited"],
      ["what a promise was rejected with", Effect.tryPromise(() => Promise.reject(new Error("reset"))), "reset"],
      ["nothing for undefined", Effect.fail(undefined), undefined],
      ["nothing for null", Effect.fail(null), undefined],
      ["nothing for a number", Effect.fail(429), undefined],
      ["nothing for a circular object", Effect.fail(circular), undefined],
      ["nothing for an error that cannot be read", Effect.fail(hostile), undefined],
      ["at most 300 characters", Effect.fail("x".repeat(10_000)), "x".repeat(300)]
    ]
    for (const [name, call, said] of words) {
      it.effect(name, () =>
        Effect.gen(function*() {
          const breaker = yield* Breaker.make(never)

          yield* Effect.exit(breaker.execute(call))

          const { failures, lastFailure } = yield* breaker.snapshot
          assert.strictEqual(failures, 1)
          assert.strictEqual(lastFailure?.message, said)
        }))
    }

    it.effect("the classifier's own kind and message come first", () =>
      Effect.gen(function*() {
        const breaker = yield* Breaker.make(never)
        const told = { kind: "overloaded", message: "too many tokens" }

        yield* Effect.exit(
          breaker.execute(Effect.fail("529"), { classify: () => Outcome.failure({ kind: "overloaded" }) })
        )
        const kind = (yield* breaker.snapshot).lastFailure
        yield* Effect.exit(breaker.execute(Effect.fail("529"), { classify: () => Outcome.failure(told) }))
        const both = (yield* breaker.snapshot).lastFailure
        yield* breaker.execute(Effect.succeed(""), { classify: () => Outcome.failure({ kind: "empty" }) })
        const value = (yield* breaker.snapshot).lastFailure

        assert.deepInclude(kind, { kind: "overloaded", message: "529" })
        assert.deepInclude(both, told)
        assert.deepInclude(value, { kind: "empty", message: undefined })
      }))

    it.effect("is unchanged by a failure that counts for nothing", () =>
      Effect.gen(function*() {
        const breaker = yield* Breaker.make({
          ...never,
          classify: () => Outcome.throttled({ retryAfter: Duration.zero })
        })
        yield* Effect.exit(breaker.execute(Effect.fail("429")))
        yield* Effect.exit(breaker.execute(Effect.fail("400"), { classify: () => Outcome.ignored }))

        assert.isUndefined((yield* breaker.snapshot).lastFailure)
      }))
  })
})
