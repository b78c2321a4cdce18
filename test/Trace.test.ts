import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Latch, Scope, Stream } from "effect"
import { Breaker, BreakerStream, Fallback, Outcome, TripPolicy } from "effect-breaker"
import { TestClock } from "effect/testing"
import { textOf, tracing } from "./spans.ts"

const secret = "sk-live-0123456789"

const make = (options?: Partial<Breaker.Options>) =>
  Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1), halfOpen: { successes: 1 }, ...options })

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })
const turns = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })
const call = Effect.withSpan("call")
const kinds: Breaker.Classify = (exit) =>
  Exit.isSuccess(exit) ? Outcome.success : Outcome.failure({ kind: "overloaded", message: secret })

describe("Trace", () => {
  describe("the span of a call", () => {
    it.effect("says which circuit, its state, and that it went well", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          yield* call(breaker.execute(Effect.succeed("an answer")))

          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Closed", outcome: "Success" })
          assert.deepStrictEqual(traced.eventsOf("call"), [])
        })
      ))

    it.effect("says of what kind a failure was, and the kind of a pause and of a trip", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          for (
            const outcome of [
              Outcome.failure({ kind: "overloaded" }),
              Outcome.throttled({ kind: "rate-limit" }),
              Outcome.trip({ kind: "quota" }),
              Outcome.failure()
            ]
          ) {
            const breaker = yield* make({ classify: () => outcome })
            yield* Effect.exit(call(breaker.execute(Effect.fail("down"))))
            const { kind, outcome: said } = traced.of("call")
            assert.deepStrictEqual([said, kind], [outcome._tag, outcome.kind])
          }
        })
      ))

    it.effect("says Ignored for a caller's own mistake and for an interrupted call", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make({ classify: () => Outcome.ignored })
          yield* Effect.exit(call(breaker.execute(Effect.fail("bad request"))))
          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Closed", outcome: "Ignored" })

          const fiber = yield* fork(Effect.withSpan(breaker.execute(Effect.never), "given up"))
          assert.deepStrictEqual(traced.of("given up"), { name: "openai", state: "Closed" })
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(traced.of("given up"), { name: "openai", state: "Closed", outcome: "Ignored" })
          assert.deepStrictEqual(traced.late, [])
        })
      ))

    it.effect("says HalfOpen for a probe: the state that let it through, not the one that it brought about", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          yield* Effect.exit(breaker.execute(Effect.fail("down")))
          yield* TestClock.adjust("60 seconds")
          yield* call(breaker.execute(Effect.succeed("an answer")))

          assert.strictEqual((yield* breaker.state)._tag, "Closed")
          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "HalfOpen", outcome: "Success" })
        })
      ))

    it.effect("is not written on where there is none, and the call is the same", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          const exit = yield* Effect.exit(breaker.execute(Effect.succeed("an answer")))
          yield* Effect.exit(breaker.execute(Effect.fail("down")))
          yield* Effect.flip(breaker.execute(Effect.void))

          assert.deepStrictEqual(exit, Exit.succeed("an answer"))
          assert.deepStrictEqual(traced.spans, [])
        })
      ))

    it.effect("is not written on after it has ended, and the call counts all the same", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          const door = yield* Latch.make()
          const fiber = yield* call(fork(breaker.execute(Effect.andThen(Latch.await(door), Effect.fail("down")))))
          assert.strictEqual(traced.spans[0]!.status._tag, "Ended")
          yield* Latch.open(door)
          yield* Effect.exit(Fiber.join(fiber))

          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Closed" })
          assert.deepStrictEqual(traced.late, [])
          assert.strictEqual((yield* breaker.snapshot).failures, 1)
        })
      ))

    it.effect("is not written on by a call that asks after it has ended", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          const door = yield* Latch.make()
          const work = Effect.andThen(
            Latch.await(door),
            Effect.all([breaker.execute(Effect.fail("down")), breaker.execute(Effect.void)], { mode: "result" })
          )
          const fiber = yield* call(fork(work))
          yield* Latch.open(door)
          yield* Fiber.join(fiber)

          assert.deepStrictEqual([traced.of("call"), traced.late], [{}, []])
          assert.strictEqual((yield* breaker.snapshot).rejected, 1)
        })
      ))
  })

  describe("a refusal (rule 6)", () => {
    it.effect("is an event with the circuit, the reason, the rule and how long to wait", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          yield* Effect.exit(breaker.execute(Effect.fail("down")))
          yield* TestClock.adjust("18 seconds")
          yield* Effect.flip(call(breaker.execute(Effect.void)))

          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Open", outcome: "Rejected" })
          assert.deepStrictEqual(traced.eventsOf("call"), [["circuit.rejected", {
            "circuit.name": "openai",
            "circuit.reason": "Open",
            "circuit.rule": "consecutive",
            "circuit.retry_after_ms": 42_000
          }]])
          assert.strictEqual(traced.spans[0]!.events[0]![1], 18_000_000_000n)
        })
      ))

    it.effect("of a throttled circuit leaves its state as it is: Throttled is the reason", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make({ classify: () => Outcome.throttled({ retryAfter: "3 seconds" }) })
          yield* breaker.execute(Effect.void)
          yield* Effect.flip(call(breaker.admit))

          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Closed", outcome: "Rejected" })
          assert.deepInclude(traced.eventsOf("call")[0]![1], {
            "circuit.reason": "Throttled",
            "circuit.rule": "throttled",
            "circuit.retry_after_ms": 3000
          })
        })
      ))

    it.effect("without an end says no time to wait", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          yield* breaker.isolate("bad deploy")
          yield* Effect.flip(call(breaker.execute(Effect.void)))

          assert.deepStrictEqual(traced.eventsOf("call"), [["circuit.rejected", {
            "circuit.name": "openai",
            "circuit.reason": "Isolated",
            "circuit.rule": "isolated"
          }]])
        })
      ))

    it.effect("that mode observe lets through is no refusal", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make({ mode: "observe" })
          yield* Effect.exit(breaker.execute(Effect.fail("down")))
          yield* call(breaker.execute(Effect.void))

          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Open", outcome: "Success" })
          assert.deepStrictEqual(traced.eventsOf("call"), [])
        })
      ))
  })

  describe("several calls in one span", () => {
    it.effect("leave what the inner of two breakers says", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const [outer, inner] = [yield* make({ name: "tenant" }), yield* make({ classify: kinds })]
          yield* Effect.exit(call(outer.execute(inner.execute(Effect.fail("down")))))
          const failed = { name: "openai", state: "Closed", outcome: "Failure", kind: "overloaded" }
          assert.deepStrictEqual(traced.of("call"), failed)

          yield* outer.reset
          yield* Effect.exit(call(outer.execute(inner.execute(Effect.void))))
          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Open", outcome: "Rejected" })
          yield* Effect.exit(call(outer.execute(inner.execute(Effect.void))))
          assert.deepStrictEqual(traced.of("call"), { name: "tenant", state: "Open", outcome: "Rejected" })
        })
      ))

    it.effect("leave what the last says: its kind too, and none where it has none", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const [first, second] = [yield* make({ classify: kinds }), yield* make({ name: "anthropic" })]
          const ladder = first.execute(Effect.fail("down")).pipe(
            Fallback.withFallback(Fallback.effect(second.execute(Effect.succeed("an answer"))))
          )
          yield* call(ladder)
          assert.deepStrictEqual(
            traced.of("call"),
            { name: "anthropic", state: "Closed", outcome: "Success", kind: "" }
          )

          const again = yield* make({ classify: kinds })
          yield* Effect.exit(call(Effect.all([
            Effect.exit(again.execute(Effect.fail("down"))),
            Effect.exit(again.execute(Effect.void))
          ])))
          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Open", outcome: "Rejected", kind: "" })
        })
      ))

    it.effect("that end while the last still runs leave no outcome", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make({ classify: kinds, tripPolicy: TripPolicy.never })
          yield* call(Effect.andThen(
            Effect.exit(breaker.execute(Effect.fail("down"))),
            fork(breaker.execute(Effect.never))
          ))
          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Closed", outcome: "", kind: "" })
        })
      ))
  })

  describe("a permit by hand", () => {
    it.effect("writes on the span in which it was asked for, wherever it is settled", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          const asking = yield* Scope.make()
          const span = yield* Effect.makeSpanScoped("asking").pipe(Scope.provide(asking))
          const permit = yield* Effect.withParentSpan(breaker.admit, span)
          assert.deepStrictEqual(traced.of("asking"), { name: "openai", state: "Closed" })
          yield* Effect.withSpan(permit.settle(Outcome.failure({ kind: "timeout" })), "settling")
          yield* Effect.withSpan(permit.settle(Outcome.success), "settling")

          assert.deepStrictEqual(traced.of("settling"), {})
          assert.deepStrictEqual(traced.of("asking"), {
            name: "openai",
            state: "Closed",
            outcome: "Failure",
            kind: "timeout"
          })
        })
      ))

    it.effect("writes nowhere when its own span has ended", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          const permit = yield* Effect.withSpan(breaker.admit, "asking")
          yield* Effect.withSpan(permit.settleExit(Exit.fail("down")), "settling")

          assert.deepStrictEqual([traced.of("asking"), traced.of("settling")], [
            { name: "openai", state: "Closed" },
            {}
          ])
          assert.deepStrictEqual(traced.late, [])
          assert.strictEqual((yield* breaker.snapshot).failures, 1)
        })
      ))
  })

  describe("a stream", () => {
    const guarded = <A>(breaker: Breaker.Breaker, stream: Stream.Stream<A, unknown>) =>
      Stream.provideService(BreakerStream.withBreaker(stream), Breaker.Breaker, breaker)
    const spanned = Stream.withSpan("call")
    const ways = {
      "around the run": (stream: Stream.Stream<string, unknown>, most: number) =>
        call(Stream.runDrain(Stream.take(stream, most))),
      "around the stream": (stream: Stream.Stream<string, unknown>, most: number) =>
        Stream.runDrain(Stream.take(spanned(stream), most))
    }
    for (const [where, run] of Object.entries(ways)) {
      it.effect(`says on a span ${where} how it ended, once it has ended`, () =>
        tracing((traced) =>
          Effect.gen(function*() {
            const breaker = yield* make({ tripPolicy: TripPolicy.never, classify: kinds })
            const read = (stream: Stream.Stream<string, unknown>, most = Infinity) =>
              run(guarded(breaker, stream), most)
            const door = yield* Deferred.make<void>()
            const opened = Stream.concat(Stream.make("Once"), Stream.fromEffectDrain(Deferred.await(door)))
            const reading = yield* fork(read(opened))
            yield* turns
            assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Closed" })
            yield* Deferred.succeed(door, undefined)
            yield* Fiber.join(reading)
            assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Closed", outcome: "Success" })

            yield* Effect.exit(read(Stream.concat(Stream.make("Once"), Stream.fail("connection cut"))))
            assert.deepInclude(traced.of("call"), { outcome: "Failure", kind: "overloaded" })

            yield* read(Stream.forever(Stream.make("Once")), 1)
            assert.deepInclude(traced.of("call"), { outcome: "Success" })

            const given = yield* fork(read(Stream.never))
            yield* turns
            yield* Fiber.interrupt(given)
            assert.deepInclude(traced.of("call"), { outcome: "Ignored" })

            yield* breaker.isolate()
            yield* Effect.exit(read(Stream.make("Once")))
            assert.deepInclude(traced.of("call"), { outcome: "Rejected" })
            assert.strictEqual(traced.eventsOf("call")[0]![0], "circuit.rejected")
            assert.deepStrictEqual(traced.late, [])
          })
        ))
    }

    it.effect("that is left by a reader inside its span says no outcome: the span ends first", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          yield* Stream.runDrain(spanned(Stream.take(guarded(breaker, Stream.forever(Stream.make("Once"))), 1)))

          assert.deepStrictEqual(traced.of("call"), { name: "openai", state: "Closed" })
          assert.deepStrictEqual(traced.late, [])
          assert.strictEqual((yield* breaker.snapshot).successes, 1)
        })
      ))
  })

  it.effect("never writes the text of an error, nor a question or an answer", () =>
    tracing((traced) =>
      Effect.gen(function*() {
        const breaker = yield* make({ tripPolicy: TripPolicy.consecutive(5) })
        for (const error of [secret, new Error(secret), { _tag: secret }, Cause.die(secret)]) {
          yield* call(Effect.exit(breaker.execute(Effect.fail(error))))
        }
        yield* call(breaker.execute(Effect.succeed(secret)))
        yield* breaker.trip()
        yield* call(Effect.exit(breaker.execute(Effect.succeed(secret))))

        assert.strictEqual(traced.spans.length, 6)
        assert.notInclude(textOf(traced), secret)
      })
    ))
})
