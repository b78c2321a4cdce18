import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, Stream } from "effect"
import { Breaker, BreakerStream, TripPolicy } from "effect-breaker"
import { Chaos } from "effect-breaker/chaos"
import { TestClock } from "effect/testing"

const words = ["Once", "upon", "a", "time"]

/** The same four words, however they are delivered. */
const deliveries: Readonly<Record<string, Stream.Stream<string>>> = {
  "in one chunk": Stream.fromIterable(words),
  "one by one": Stream.rechunk(Stream.fromIterable(words), 1),
  "in twos": Stream.rechunk(Stream.fromIterable(words), 2),
  "in threes": Stream.rechunk(Stream.fromIterable(words), 3)
}

const all = (fault: Chaos.FaultShare["fault"], more?: Partial<Chaos.FaultShare>) =>
  Chaos.layer({ faults: [{ fault, share: 1, ...more }] })

/** Runs a stream and keeps what came, and when. */
const reading = <E>(stream: Stream.Stream<string, E>) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const at: Array<number> = []
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(stream, (word) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          seen.push(word)
          at.push(now)
        })),
      { startImmediately: true }
    )
    yield* Effect.yieldNow
    return { seen, at, fiber, isRunning: () => fiber.pollUnsafe() === undefined }
  })

describe("Chaos.injectStream", () => {
  for (const [how, stream] of Object.entries(deliveries)) {
    const marked = stream.pipe(Chaos.injectStream("openai"))

    describe(`a stream that comes ${how}`, () => {
      it.effect("is the same without chaos, and where no fault hits it", () =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* Stream.runCollect(marked), words)
          assert.deepStrictEqual(
            yield* Stream.runCollect(marked).pipe(Effect.provide(all("hang", { at: ["search"] }))),
            words
          )
        }))

      for (const elements of [0, 1, 2, 3, 4, 5]) {
        const some = words.slice(0, elements)

        it.effect(`is cut after ${elements} elements without an error`, () =>
          Effect.gen(function*() {
            assert.deepStrictEqual(yield* Stream.runCollect(marked), some)
            // A shorter stream was not cut.
            const [openai] = (yield* Chaos.status).points
            if (elements < words.length) assert.deepStrictEqual(openai?.faults, { cutAfter: 1 })
            if (elements > words.length) assert.deepStrictEqual(openai?.faults, {})
          }).pipe(Effect.provide(all(Chaos.cutAfter({ elements })))))

        it.effect(`fails after ${elements} elements, or where it would have ended`, () =>
          Effect.gen(function*() {
            const { fiber, seen } = yield* reading(marked)
            const exit = yield* Fiber.await(fiber)
            assert.deepStrictEqual(seen, some)
            assert.strictEqual(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof Chaos.ChaosError, true)
          }).pipe(Effect.provide(all(Chaos.failAfter({ elements })))))

        it.effect(`goes silent after ${elements} elements, and gives the rest once chaos is stopped`, () =>
          Effect.gen(function*() {
            const { fiber, isRunning, seen } = yield* reading(marked)
            yield* TestClock.adjust(Duration.minutes(59))
            assert.deepStrictEqual(seen, some)
            assert.isTrue(isRunning())
            yield* Chaos.stop()
            yield* Fiber.join(fiber)
            assert.deepStrictEqual(seen, words)
          }).pipe(Effect.provide(all(Chaos.stallAfter({ elements })))))
      }

      it.effect("drips: each element comes its time after the one before", () =>
        Effect.gen(function*() {
          const began = yield* Clock.currentTimeMillis
          const { at, fiber, seen } = yield* reading(marked)
          for (let i = 0; i < 4; i++) yield* TestClock.adjust("2 seconds")
          yield* Fiber.join(fiber)
          assert.deepStrictEqual(seen, words)
          assert.deepStrictEqual(at.map((time) => time - began), [2000, 4000, 6000, 8000])
          assert.deepStrictEqual((yield* Chaos.status).points, [{ point: "openai", calls: 1, faults: { slowDrip: 1 } }])
        }).pipe(Effect.provide(all(Chaos.slowDrip({ every: "2 seconds" })))))

      it.effect("fails, hangs or waits before its first element", () =>
        Effect.gen(function*() {
          const failed = yield* Effect.flip(Stream.runCollect(marked)).pipe(Effect.provide(all("overloaded")))
          assert.strictEqual(failed.fault, "overloaded")
          yield* Effect.gen(function*() {
            const { isRunning, seen } = yield* reading(marked)
            yield* TestClock.adjust(Duration.minutes(59))
            assert.deepStrictEqual([seen, isRunning()], [[], true])
          }).pipe(Effect.provide(all("hang")))
          yield* Effect.gen(function*() {
            const { fiber, seen } = yield* reading(marked)
            yield* TestClock.adjust(999)
            assert.deepStrictEqual(seen, [])
            yield* TestClock.adjust(1)
            yield* Fiber.join(fiber)
            assert.deepStrictEqual(seen, words)
          }).pipe(Effect.provide(all(Chaos.delay("1 second"))))
        }))
    })
  }

  it.effect("a stream that has ended is not pulled again, also where its end was held back", () =>
    Effect.gen(function*() {
      let pulls = 0
      const counted = Stream.transformPull(Stream.make("Once"), (pull) =>
        Effect.succeed(Effect.suspend(() => {
          pulls++
          return pull
        }))).pipe(Chaos.injectStream("openai"))
      const { fiber, seen } = yield* reading(counted)
      assert.deepStrictEqual([seen, pulls], [["Once"], 2])
      yield* Chaos.stop()
      yield* Fiber.join(fiber)
      assert.deepStrictEqual([seen, pulls], [["Once"], 2])
    }).pipe(Effect.provide(all(Chaos.stallAfter({ elements: 2 })))))

  it.effect("an error of the stream's own comes through, before and after the fault would have acted", () =>
    Effect.gen(function*() {
      const broken = Stream.make("Once").pipe(Stream.concat(Stream.fail("own")), Chaos.injectStream("openai"))
      const { fiber, seen } = yield* reading(broken)
      assert.deepStrictEqual<unknown>(yield* Fiber.await(fiber), Exit.fail("own"))
      assert.deepStrictEqual(seen, ["Once"])
    }).pipe(Effect.provide(all(Chaos.failAfter({ elements: 2 })))))

  it.effect("a fault that shows late shows exactly then", () =>
    Effect.gen(function*() {
      const { fiber, seen } = yield* reading(deliveries["in one chunk"]!.pipe(Chaos.injectStream("openai")))
      yield* TestClock.adjust(499)
      assert.deepStrictEqual(seen, [])
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, ["Once"])
    }).pipe(Effect.provide(all(Chaos.cutAfter({ elements: 1 }), { latency: "500 millis" }))))

  it.effect("a lost answer passes a stream by", () =>
    Effect.gen(function*() {
      const stream = deliveries["in twos"]!.pipe(Chaos.injectStream("openai"))
      assert.deepStrictEqual(yield* Stream.runCollect(stream), words)
    }).pipe(Effect.provide(all(Chaos.loseAnswer()))))

  it.effect("the stream beneath is closed however it ends: cut, failed, or left by its reader in a stall", () =>
    Effect.gen(function*() {
      let open = 0
      const held = Stream.unwrap(Effect.as(
        Effect.acquireRelease(Effect.sync(() => open++), () => Effect.sync(() => open--)),
        Stream.fromIterable(words)
      )).pipe(Chaos.injectStream("openai"))
      yield* Stream.runDrain(held).pipe(Effect.provide(all(Chaos.cutAfter({ elements: 1 }))))
      assert.strictEqual(open, 0)
      yield* Stream.runDrain(held).pipe(Effect.exit, Effect.provide(all(Chaos.failAfter({ elements: 1 }))))
      assert.strictEqual(open, 0)
      yield* Effect.gen(function*() {
        const { fiber } = yield* reading(held)
        assert.strictEqual(open, 1)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(open, 0)
      }).pipe(Effect.provide(all(Chaos.stallAfter({ elements: 1 }))))
    }))

  it.effect("each run of a stream meets a fate of its own, and nobody pays before it runs", () =>
    Effect.gen(function*() {
      const stream = deliveries["in twos"]!.pipe(Chaos.injectStream("openai"))
      assert.deepStrictEqual((yield* Chaos.status).points, [])
      let cut = 0
      for (let i = 0; i < 200; i++) if ((yield* Stream.runCollect(stream)).length === 1) cut++
      assert.isAbove(cut, 60)
      assert.isBelow(cut, 140)
      assert.deepStrictEqual((yield* Chaos.status).points, [{ point: "openai", calls: 200, faults: { cutAfter: cut } }])
    }).pipe(Effect.provide(all(Chaos.cutAfter({ elements: 1 }), { share: 0.5 }))))

  it.effect("a breaker sees what chaos does: a stall by its deadline, a failure in the middle", () =>
    Effect.gen(function*() {
      const guarded = deliveries["one by one"]!.pipe(
        Chaos.injectStream("openai"),
        BreakerStream.withBreaker({ idle: "10 seconds" })
      )
      const breaker = yield* Breaker.Breaker
      yield* Effect.gen(function*() {
        const { fiber, seen } = yield* reading(guarded as Stream.Stream<string, unknown>)
        yield* TestClock.adjust("10 seconds")
        assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
        assert.deepStrictEqual(seen, ["Once", "upon"])
      }).pipe(Effect.provide(all(Chaos.stallAfter({ elements: 2 }))))
      assert.strictEqual((yield* breaker.snapshot).failures, 1)
      yield* Effect.exit(Stream.runDrain(guarded)).pipe(Effect.provide(all(Chaos.failAfter({ elements: 2 }))))
      const { failures, state } = yield* breaker.snapshot
      assert.deepStrictEqual([failures, state], [2, "Open"])
    }).pipe(Effect.provide(Breaker.layer({ name: "openai", tripPolicy: TripPolicy.consecutive(2) }))))
})
