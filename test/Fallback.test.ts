import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Duration, Effect, Exit, Fiber } from "effect"
import { Breaker, CircuitRejected, Fallback, Outcome, TripPolicy, withBreaker } from "effect-breaker"
import { TestClock } from "effect/testing"

const { cached, effect, value, valueOf, withFallback } = Fallback

/** Runs a test with a breaker in context that opens at the first failure, unless told otherwise. */
const guarded = <A, E, R>(
  test: (breaker: Breaker.Breaker) => Effect.Effect<A, E, R | Breaker.Breaker>,
  options?: Omit<Breaker.Options, "name">
) =>
  Effect.gen(function*() {
    const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.never, ...options })
    return yield* Effect.provideService(test(breaker), Breaker.Breaker, breaker)
  })

type Primary = Effect.Effect<string, string>

const answer: Primary = Effect.succeed("answer")
const down: Primary = Effect.fail("down")
const bug: Primary = Effect.die("a bug")

const read = (outcome: Outcome.Outcome) => withBreaker({ classify: () => outcome })
const sorry = value("sorry")
const none = effect(Effect.fail("also down"))

const outcomes = {
  failure: Outcome.failure(),
  throttled: Outcome.throttled({ retryAfter: 0 }),
  trip: Outcome.trip({ openFor: 0 })
}

describe("Fallback", () => {
  describe("withFallback", () => {
    it.effect("serves the primary's answer as it is", () =>
      guarded(() =>
        Effect.gen(function*() {
          assert.deepStrictEqual<unknown>(yield* answer.pipe(withBreaker, withFallback(sorry)), {
            value: "answer",
            from: "primary"
          })
        })
      ))

    it.effect("runs no rung while the primary answers", () =>
      guarded(() =>
        Effect.gen(function*() {
          let ran = 0
          yield* answer.pipe(withBreaker, withFallback(effect(Effect.sync(() => ran++)), sorry))

          assert.strictEqual(ran, 0)
        })
      ))

    it.effect("serves the first rung that has an answer, and says which", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>()
          const other = effect(Effect.succeed("from another model"))
          const from = (...rungs: ReadonlyArray<Fallback.Rung<string>>) =>
            Effect.map(down.pipe(withBreaker, withFallback(...rungs)), (served) => `${served.from}: ${served.value}`)

          const cold = yield* from(memory, other, sorry)
          yield* answer.pipe(withBreaker, withFallback(memory))

          assert.deepStrictEqual(
            [
              cold,
              yield* from(memory, other, sorry),
              yield* from(other, memory, sorry),
              yield* from(sorry, other, memory),
              yield* from(none, none, memory),
              yield* from(none, sorry)
            ],
            [
              "fallback: from another model",
              "cached: answer",
              "fallback: from another model",
              "default: sorry",
              "cached: answer",
              "default: sorry"
            ]
          )
        })
      ))

    it.effect("runs no rung below the one that answered", () =>
      guarded(() =>
        Effect.gen(function*() {
          const ran: Array<string> = []
          const rung = (name: string, run: Effect.Effect<string, string>) =>
            effect(Effect.andThen(Effect.sync(() => ran.push(name)), run))
          yield* down.pipe(withBreaker, withFallback(rung("a", Effect.fail("")), rung("b", answer), rung("c", answer)))

          assert.deepStrictEqual(ran, ["a", "b"])
        })
      ))

    for (const [name, outcome] of Object.entries(outcomes)) {
      it.effect(`falls back for a call whose outcome was ${name}, read at the breaker or at the call`, () =>
        Effect.gen(function*() {
          const atBreaker = yield* guarded(() => down.pipe(withBreaker, withFallback(sorry)), {
            classify: () => outcome
          })
          const atCall = yield* guarded(() => down.pipe(read(outcome), withFallback(sorry)))

          assert.deepStrictEqual<ReadonlyArray<unknown>>([atBreaker, atCall], [
            { value: "sorry", from: "default", cause: "down" },
            { value: "sorry", from: "default", cause: "down" }
          ])
        }))
    }

    it.effect("lets an ignored failure pass: a caller's own mistake, read at the breaker or at the call", () =>
      Effect.gen(function*() {
        const call = down.pipe(withBreaker, withFallback(sorry))
        const atBreaker = yield* guarded(() => Effect.exit(call), { classify: () => Outcome.ignored })
        const atCall = yield* guarded(() => Effect.exit(down.pipe(read(Outcome.ignored), withFallback(sorry))))
        const defect = yield* guarded(() => Effect.exit(bug.pipe(read(Outcome.ignored), withFallback(sorry))))

        assert.deepStrictEqual<ReadonlyArray<unknown>>([atBreaker, atCall, defect], [
          Exit.fail("down"),
          Exit.fail("down"),
          Exit.die("a bug")
        ])
      }))

    it.effect("lets an ignored failure pass through every ladder around the call", () =>
      guarded(() =>
        Effect.gen(function*() {
          const call = down.pipe(read(Outcome.ignored), withFallback(cached<string>()), valueOf, withFallback(sorry))

          assert.deepStrictEqual<unknown>(yield* Effect.exit(call), Exit.fail("down"))
        })
      ))

    it.effect("lets an ignored failure pass through under the name that the program gave it", () =>
      guarded(() =>
        Effect.gen(function*() {
          const call = down.pipe(read(Outcome.ignored), Effect.mapError((error) => `a mistake: ${String(error)}`))

          assert.deepStrictEqual<unknown>(
            yield* Effect.exit(call.pipe(withFallback(sorry))),
            Exit.fail("a mistake: down")
          )
        })
      ))

    it.effect("falls back for the failure of one of several calls, though it interrupted the others", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const both = Effect.all([breaker.execute(Effect.never), breaker.execute(down)], { concurrency: 2 })

          assert.strictEqual((yield* both.pipe(withFallback(sorry))).from, "default")
        })
      ))

    it.effect("goes by the ladder inside that came home, not by one that it was given up for", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const inner = (call: Primary) => Effect.asVoid(breaker.execute(call).pipe(withFallback(cached<string>())))
          const mistake = Effect.asVoid(
            breaker.execute(down, { classify: () => Outcome.ignored }).pipe(withFallback(cached<string>()))
          )
          const first = Effect.raceFirst(inner(Effect.never), Effect.andThen(Effect.yieldNow, mistake))

          assert.deepStrictEqual<unknown>(yield* Effect.exit(first.pipe(withFallback(sorry))), Exit.fail("down"))
        })
      ))

    it.effect("goes by the last try where the call is tried again inside", () =>
      guarded(() =>
        Effect.gen(function*() {
          const calls = (outcomes: ReadonlyArray<Outcome.Outcome>) => {
            let i = 0
            return withBreaker(down, { classify: () => outcomes[i++]! }).pipe(
              Effect.retry({ times: 1 }),
              withFallback(sorry)
            )
          }

          const passes = yield* Effect.exit(calls([Outcome.failure(), Outcome.ignored]))
          const falls = yield* Effect.exit(calls([Outcome.ignored, Outcome.failure()]))

          assert.deepStrictEqual([passes, falls].map(Exit.isSuccess), [false, true])
        })
      ))

    it.effect("falls back for a refusal, whatever refused, and tells when to come back", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const orders = [breaker.trip({ openFor: "40 seconds" }), breaker.isolate()]
          const served: Array<Fallback.Served<string>> = []
          for (const order of orders) {
            yield* order
            served.push(yield* answer.pipe(withBreaker, withFallback(sorry)))
          }

          assert.deepStrictEqual(served.map(({ from, retryAfter }) => [from, retryAfter]), [
            ["default", Duration.seconds(40)],
            ["default", Duration.infinity]
          ])
          for (const { cause } of served) assert.instanceOf(cause, CircuitRejected)
        })
      ))

    it.effect("falls back for a defect, and carries it as the cause", () =>
      guarded(() =>
        Effect.gen(function*() {
          assert.deepStrictEqual<unknown>(yield* bug.pipe(withBreaker, withFallback(sorry)), {
            value: "sorry",
            from: "default",
            cause: "a bug"
          })
        })
      ))

    it.effect("lets interruption pass, from inside and from outside", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const inside = yield* Effect.exit(Effect.interrupt.pipe(withBreaker, withFallback(sorry)))
          const fiber = yield* Effect.forkChild(Effect.never.pipe(withBreaker, withFallback(sorry)), {
            startImmediately: true
          })
          yield* Fiber.interrupt(fiber)
          const outside = yield* Fiber.await(fiber)

          for (const exit of [inside, outside]) {
            assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
          }
          assert.strictEqual((yield* breaker.snapshot).inFlight, 0)
        })
      ))

    it.effect("lets a rung be interrupted", () =>
      guarded(() =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(down.pipe(withBreaker, withFallback(effect(Effect.never), sorry)), {
            startImmediately: true
          })
          for (let i = 0; i < 10; i++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
          const exit = yield* Fiber.await(fiber)

          assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        })
      ))

    it.effect("fails with the primary's own error where no rung has an answer", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const call = (primary: Primary) =>
            Effect.exit(primary.pipe(withBreaker, withFallback(cached<string>(), none)))

          assert.deepStrictEqual<unknown>(yield* call(down), Exit.fail("down"))
          assert.deepStrictEqual<unknown>(yield* call(bug), Exit.die("a bug"))
          yield* breaker.isolate()
          assert.instanceOf(yield* Effect.flip(answer.pipe(withBreaker, withFallback(none))), CircuitRejected)
        })
      ))

    it.effect("is the call itself, in another wrapping, where there is no rung", () =>
      guarded(() =>
        Effect.gen(function*() {
          assert.deepStrictEqual<unknown>(yield* answer.pipe(withBreaker, withFallback()), {
            value: "answer",
            from: "primary"
          })
          assert.deepStrictEqual<unknown>(
            yield* Effect.exit(down.pipe(withBreaker, withFallback())),
            Exit.fail("down")
          )
        })
      ))

    it.effect("falls back for every failure and defect where there is no breaker inside", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* down.pipe(withFallback(sorry))).from, "default")
        assert.strictEqual((yield* bug.pipe(withFallback(sorry))).from, "default")
        assert.strictEqual((yield* answer.pipe(withFallback(sorry))).from, "primary")
      }))

    it.effect("serves an answer that the breaker counted as a failure, as the primary's: it is one", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const served = yield* answer.pipe(read(Outcome.failure()), withFallback(sorry))

          assert.deepStrictEqual<unknown>(served, { value: "answer", from: "primary" })
          assert.strictEqual((yield* breaker.snapshot).failures, 1)
        })
      ))

    it.effect("leaves the breaker's own counting alone", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          yield* down.pipe(withBreaker, withFallback(sorry))
          yield* answer.pipe(withBreaker, withFallback(sorry))

          const { failures, successes } = yield* breaker.snapshot
          assert.deepStrictEqual({ failures, successes }, { failures: 1, successes: 1 })
        })
      ))

    it.effect("gives each run and each fiber its own ladder", () =>
      guarded(() =>
        Effect.gen(function*() {
          let i = 0
          const call = Effect.suspend(() => i++ % 2 === 0 ? Effect.andThen(Effect.yieldNow, down) : answer).pipe(
            withBreaker({ classify: (exit) => Exit.isSuccess(exit) ? Outcome.ignored : Outcome.failure() }),
            withFallback(sorry)
          )

          const served = yield* Effect.all(Array.from({ length: 6 }, () => call), { concurrency: "unbounded" })

          assert.deepStrictEqual(served.map(({ from }) => from), [
            "default",
            "primary",
            "default",
            "primary",
            "default",
            "primary"
          ])
        })
      ))
  })

  describe("effect", () => {
    it.effect("may be a function of the primary's error", () =>
      guarded(() =>
        Effect.gen(function*() {
          const told = effect((error: string | CircuitRejected) => Effect.succeed(`because ${String(error)}`))

          assert.deepStrictEqual<unknown>(yield* down.pipe(withBreaker, withFallback(told)), {
            value: "because down",
            from: "fallback",
            cause: "down"
          })
        })
      ))

    it.effect("goes on to the next rung when it fails, and its own error is never seen", () =>
      guarded(() =>
        Effect.gen(function*() {
          assert.strictEqual((yield* down.pipe(withBreaker, withFallback(none, sorry))).from, "default")
          assert.deepStrictEqual<unknown>(
            yield* Effect.exit(down.pipe(withBreaker, withFallback(none))),
            Exit.fail("down")
          )
        })
      ))

    it.effect("goes on to the next rung when its own breaker refuses it", () =>
      guarded(() =>
        Effect.gen(function*() {
          const other = yield* Breaker.make({ name: "another" })
          yield* other.isolate()
          const served = yield* down.pipe(withBreaker, withFallback(effect(other.execute(answer)), sorry))

          assert.deepStrictEqual<unknown>(served, { value: "sorry", from: "default", cause: "down" })
        })
      ))

    it.effect("runs with the requirements of its own", () =>
      guarded(() =>
        Effect.gen(function*() {
          class Template extends Context.Service<Template, string>()("test/Template") {}
          const call = down.pipe(withBreaker, withFallback(effect(Template)))

          assert.strictEqual((yield* Effect.provideService(call, Template, "template")).value, "template")
        })
      ))

    it.effect("with a bug in it dies of it: a defect is not hidden by the next rung", () =>
      guarded(() =>
        Effect.gen(function*() {
          const buggy = effect((): Effect.Effect<string> => {
            throw new Error("a bug in the rung")
          })

          const exit = yield* Effect.exit(down.pipe(withBreaker, withFallback(buggy, sorry)))

          assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), "a bug in the rung")
        })
      ))
  })

  describe("cached", () => {
    const serve = (primary: Primary, ...rungs: ReadonlyArray<Fallback.Rung<string>>) =>
      primary.pipe(withBreaker, withFallback(...rungs, sorry))

    it.effect("serves the primary's last good answer, and its age", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>()
          yield* serve(Effect.succeed("first"), memory)
          yield* serve(Effect.succeed("second"), memory)
          yield* TestClock.adjust("3 minutes")

          assert.deepStrictEqual<unknown>(yield* serve(down, memory), {
            value: "second",
            from: "cached",
            age: Duration.minutes(3),
            cause: "down"
          })
        })
      ))

    it.effect("serves any age by default", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>()
          yield* serve(answer, memory)
          yield* TestClock.adjust("365 days")

          assert.strictEqual((yield* serve(down, memory)).from, "cached")
        })
      ))

    it.effect("serves until maxAge, and no longer (rule 1)", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>({ maxAge: "10 minutes" })
          yield* serve(answer, memory)
          const from: Array<string> = []
          for (const wait of [599_999, 1, 1]) {
            yield* TestClock.adjust(wait)
            from.push((yield* serve(down, memory)).from)
          }

          assert.deepStrictEqual(from, ["cached", "cached", "default"])
        })
      ))

    it.effect("keeps its ages when the wall clock steps back (rule 3)", () =>
      guarded(() =>
        Effect.gen(function*() {
          yield* TestClock.adjust("10 days")
          const memory = cached<string>({ maxAge: "10 minutes" })
          yield* serve(answer, memory)
          yield* TestClock.setTime(0)
          yield* TestClock.adjust("10 minutes")
          const at = yield* serve(down, memory)
          yield* TestClock.adjust(1)

          assert.deepStrictEqual([at.from, at.age], ["cached", Duration.minutes(10)])
          assert.strictEqual((yield* serve(down, memory)).from, "default")
        })
      ))

    it.effect("does not grow older by being served, nor younger", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>({ maxAge: "10 minutes" })
          yield* serve(answer, memory)
          yield* TestClock.adjust("6 minutes")
          yield* serve(down, memory)
          yield* TestClock.adjust("6 minutes")

          assert.strictEqual((yield* serve(down, memory)).from, "default")
        })
      ))

    it.effect("learns of the primary only, never of another rung", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>()
          yield* serve(down, memory, effect(Effect.succeed("from another model")))
          yield* serve(down, memory)

          assert.deepStrictEqual((yield* serve(down, memory)).from, "default")
        })
      ))

    it.effect("learns where it stands below the rung that would answer", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>()
          yield* serve(answer, effect(Effect.succeed("from another model")), memory)

          assert.strictEqual((yield* serve(down, memory)).value, "answer")
        })
      ))

    it.effect("does not forget a good answer for one that the breaker counted as a failure", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>()
          yield* serve(Effect.succeed("a good answer"), memory)
          yield* Effect.succeed("").pipe(read(Outcome.failure({ kind: "empty" })), withFallback(memory))

          assert.strictEqual((yield* serve(down, memory)).value, "a good answer")
        })
      ))

    it.effect("keeps one answer for each key, and one for no key", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>()
          yield* serve(Effect.succeed("of one"), memory.at("one"))
          yield* serve(Effect.succeed("of two"), memory.at("two"))
          yield* serve(Effect.succeed("of none"), memory)

          const values = yield* Effect.forEach(
            [memory.at("one"), memory.at("two"), memory, memory.at("three")],
            (rung) => serve(down, rung)
          )

          assert.deepStrictEqual(values.map(({ value }) => value), ["of one", "of two", "of none", "sorry"])
        })
      ))

    it.effect("keeps so many answers, and lets go the one learnt longest ago", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>({ capacity: 2 })
          for (const key of ["a", "b", "a", "c"]) yield* serve(Effect.succeed(`of ${key}`), memory.at(key))

          const values = yield* Effect.forEach(["a", "b", "c"], (key) => serve(down, memory.at(key)))

          assert.deepStrictEqual(values.map(({ value }) => value), ["of a", "sorry", "of c"])
        })
      ))

    it.effect("keeps a thousand answers by default", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>()
          for (let i = 0; i <= 1000; i++) yield* serve(Effect.succeed(String(i)), memory.at(String(i)))

          const values = yield* Effect.forEach(["0", "1", "1000"], (key) => serve(down, memory.at(key)))

          assert.deepStrictEqual(values.map(({ value }) => value), ["sorry", "1", "1000"])
        })
      ))

    it.effect("serves an answer of undefined", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<undefined>()
          yield* Effect.succeed(undefined).pipe(withBreaker, withFallback(memory))
          const served = yield* Effect.fail("down").pipe(withBreaker, withFallback(memory))

          assert.deepInclude(served, { value: undefined, from: "cached" })
        })
      ))

    it.effect("works taken apart", () =>
      guarded(() =>
        Effect.gen(function*() {
          const memory = cached<string>()
          const { at } = memory
          yield* serve(answer, at("one"))

          assert.strictEqual((yield* serve(down, at("one"))).value, "answer")
        })
      ))
  })

  describe("value", () => {
    it.effect("serves whatever it is, undefined included", () =>
      guarded(() =>
        Effect.gen(function*() {
          const values = yield* Effect.forEach(
            [undefined, null, 0, "", { text: "sorry" }],
            (plain) => Effect.fail("down").pipe(withBreaker, withFallback(value(plain)), valueOf)
          )

          assert.deepStrictEqual(values, [undefined, null, 0, "", { text: "sorry" }])
        })
      ))
  })

  describe("valueOf", () => {
    it.effect("drops the provenance, and leaves errors as they are", () =>
      guarded(() =>
        Effect.gen(function*() {
          assert.strictEqual(yield* answer.pipe(withBreaker, withFallback(sorry), valueOf), "answer")
          assert.strictEqual(yield* down.pipe(withBreaker, withFallback(sorry), valueOf), "sorry")
          assert.deepStrictEqual<unknown>(
            yield* Effect.exit(down.pipe(withBreaker, withFallback(none), valueOf)),
            Exit.fail("down")
          )
        })
      ))
  })
})
