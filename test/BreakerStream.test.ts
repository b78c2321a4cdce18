import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Queue, Stream } from "effect"
import { Breaker, BreakerStream, CallWindow, CircuitRejected, Outcome, TripPolicy } from "effect-breaker"
import { TestClock } from "effect/testing"

const withBreaker = BreakerStream.withBreaker

/** Runs a test with the breaker that the streams use. */
const guarded = <A, E, R>(
  test: (breaker: Breaker.Breaker) => Effect.Effect<A, E, R | Breaker.Breaker>,
  options?: Omit<Breaker.Options, "name">
) =>
  Effect.gen(function*() {
    const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.never, ...options })
    return yield* Effect.provideService(test(breaker), Breaker.Breaker, breaker)
  })

const tally = (breaker: Breaker.Breaker) =>
  Effect.map(breaker.snapshot, ({ failures, ignored, inFlight, successes, throttled }) => ({
    failures,
    ignored,
    inFlight,
    successes,
    throttled
  }))
const none = { failures: 0, ignored: 0, inFlight: 0, successes: 0, throttled: 0 }

const turns = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })
const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })
const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Effect.exit(Stream.runCollect(stream))

/** A stream whose elements a test lets out one by one. */
const tap = Effect.map(Queue.unbounded<string, string | Cause.Done>(), (queue) => ({
  stream: Stream.fromQueue(queue),
  let: (element: string) => Queue.offer(queue, element),
  end: Queue.end(queue),
  fail: (error: string) => Queue.fail(queue, error)
}))

const failsAfter = (...elements: ReadonlyArray<string>) =>
  Stream.concat(Stream.fromIterable(elements), Stream.fail("connection cut"))

describe("BreakerStream", () => {
  describe("what the reader gets (rule 7)", () => {
    it.effect("is every element and the end, unchanged", () =>
      guarded(() =>
        Effect.gen(function*() {
          assert.deepStrictEqual<unknown>(yield* run(withBreaker(Stream.make(1, 2, 3))), Exit.succeed([1, 2, 3]))
          assert.deepStrictEqual<unknown>(yield* run(withBreaker(Stream.empty)), Exit.succeed([]))
        })
      ))

    it.effect("is the typed error or the defect, unchanged, after the elements before it", () =>
      guarded(() =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          const reading = (stream: Stream.Stream<string, string>) =>
            Effect.exit(Stream.runForEach(withBreaker(stream), (element) => Effect.sync(() => seen.push(element))))

          assert.deepStrictEqual<unknown>(yield* reading(failsAfter("Once", "upon")), Exit.fail("connection cut"))
          assert.deepStrictEqual<unknown>(yield* reading(Stream.die("a bug")), Exit.die("a bug"))
          assert.deepStrictEqual(seen, ["Once", "upon"])
        })
      ))

    it.effect("is the same in all forms", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const stream = Stream.make("a", "b")
          const options = { classify: () => Outcome.failure() }
          const forms = [
            withBreaker(stream),
            withBreaker(stream, options),
            withBreaker(stream, { idle: "1 second" }),
            stream.pipe(withBreaker),
            stream.pipe(withBreaker()),
            stream.pipe(withBreaker(options)),
            stream.pipe(withBreaker({ firstElement: "1 second" }))
          ]

          for (const form of forms) assert.deepStrictEqual<unknown>(yield* run(form), Exit.succeed(["a", "b"]))
          assert.deepStrictEqual(yield* tally(breaker), { ...none, successes: 5, failures: 2 })
        })
      ))

    it.effect("is the same at each run of one stream value, and each run is a call", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const stream = withBreaker(Stream.make(1), { firstElement: "1 second", total: "1 minute" })
          yield* run(stream)
          yield* Effect.all([run(stream), run(stream)], { concurrency: 2 })

          assert.deepStrictEqual(yield* tally(breaker), { ...none, successes: 3 })
        })
      ))
  })

  describe("the vote", () => {
    it.effect("comes at the end, not at the start: in flight until then", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const { end, let: letOut, stream } = yield* tap
          const reading = yield* fork(run(withBreaker(stream)))
          yield* turns
          const opened = yield* tally(breaker)
          yield* letOut("Once")
          yield* turns
          const flowing = yield* tally(breaker)
          yield* end
          yield* Fiber.join(reading)

          assert.deepStrictEqual([opened, flowing], [{ ...none, inFlight: 1 }, { ...none, inFlight: 1 }])
          assert.deepStrictEqual(yield* tally(breaker), { ...none, successes: 1 })
        })
      ))

    it.effect("is a Failure for a stream that fails after elements, and for one that dies", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          yield* run(withBreaker(failsAfter("Once", "upon")))
          yield* run(withBreaker(Stream.die("a bug")))

          assert.deepStrictEqual(yield* tally(breaker), { ...none, failures: 2 })
        })
      ))

    it.effect("opens the circuit as any failure does", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          yield* run(withBreaker(failsAfter("Once")))

          const { cause } = yield* breaker.state
          assert.strictEqual((yield* breaker.state)._tag, "Open")
          assert.strictEqual(cause?.failure?.message, "connection cut")
        }), { tripPolicy: TripPolicy.consecutive(1) }))

    it.effect("is one vote, also where a failed stream is closed later", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const stream = withBreaker(failsAfter("Once")).pipe(Stream.catch(() => Stream.make("twice")))

          assert.deepStrictEqual<unknown>(yield* run(stream), Exit.succeed(["Once", "twice"]))
          assert.deepStrictEqual(yield* tally(breaker), { ...none, failures: 1 })
        })
      ))

    it.effect("is cast when the stream ends, though the reader goes on with another", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const second = yield* tap
          const reading = yield* fork(run(Stream.concat(withBreaker(Stream.make("a")), second.stream)))
          yield* turns

          assert.deepStrictEqual(yield* tally(breaker), { ...none, successes: 1 })
          yield* Fiber.interrupt(reading)
          assert.deepStrictEqual(yield* tally(breaker), { ...none, successes: 1 })
        })
      ))

    it.effect("is a Success for a reader that stops early after an element, and Ignored for one that got none", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const endless = Stream.concat(Stream.make("Once"), Stream.never)
          yield* run(endless.pipe(withBreaker(), Stream.take(1)))
          const some = yield* tally(breaker)
          yield* run(Stream.never.pipe(withBreaker(), Stream.interruptWhen(Effect.void)))

          assert.deepStrictEqual(some, { ...none, successes: 1 })
          assert.deepStrictEqual(yield* tally(breaker), { ...none, successes: 1, ignored: 1 })
        })
      ))

    it.effect("is a Success for a reader that fails by itself after an element", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const exit = yield* run(
            Stream.make("Once", "upon").pipe(
              withBreaker(),
              Stream.mapEffect(() => Effect.fail("disk full"))
            )
          )

          assert.deepStrictEqual<unknown>(exit, Exit.fail("disk full"))
          assert.deepStrictEqual(yield* tally(breaker), { ...none, successes: 1 })
        })
      ))

    it.effect("is Ignored for an interrupted reader, whether it waits for the stream or is busy itself (rule 10)", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const { let: letOut, stream } = yield* tap
          const waiting = yield* fork(run(withBreaker(stream)))
          yield* letOut("Once")
          yield* turns
          yield* Fiber.interrupt(waiting)
          const busy = yield* fork(Stream.runForEach(withBreaker(Stream.make("Once", "upon")), () => Effect.never))
          yield* turns
          yield* Fiber.interrupt(busy)

          assert.deepStrictEqual(yield* tally(breaker), { ...none, ignored: 2 })
        })
      ))

    it.effect("goes by the breaker's classifier, or the one given: an end exits with void", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const seen: Array<unknown> = []
          const classify = (exit: Exit.Exit<void, unknown>) => {
            seen.push(exit)
            return Outcome.throttled({ retryAfter: 0 })
          }
          yield* run(withBreaker(Stream.make("a"), { classify }))
          yield* run(withBreaker(failsAfter("a"), { classify }))
          const own = yield* tally(breaker)
          yield* run(withBreaker(Stream.make("a")))

          assert.deepStrictEqual(seen, [Exit.void, Exit.fail("connection cut")])
          assert.deepStrictEqual(own, { ...none, throttled: 2 })
          assert.deepStrictEqual(yield* tally(breaker), { ...none, throttled: 2, ignored: 1 })
        }), { classify: () => Outcome.ignored }))

    it.effect("is Ignored where the classifier throws, and the reader keeps its stream (rule 7)", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const classify = () => {
            throw new Error("no such field")
          }

          assert.deepStrictEqual<unknown>(yield* run(withBreaker(Stream.make("a"), { classify })), Exit.succeed(["a"]))
          assert.deepStrictEqual<unknown>(
            yield* run(withBreaker(failsAfter(), { classify })),
            Exit.fail("connection cut")
          )
          assert.deepStrictEqual(yield* tally(breaker), { ...none, ignored: 2 })
        })
      ))
  })

  describe("a stream that flows", () => {
    const slowOnes = {
      tripPolicy: TripPolicy.slowRate({
        slowAfter: 1000,
        threshold: 1,
        minimumCalls: 1,
        window: CallWindow.lastCalls(1)
      })
    }

    it.effect("does not hang, and is slow by when its first element came (rule 16, rule 17)", () =>
      Effect.gen(function*() {
        for (const [firstAfter, expected] of [[1000, "Closed"], [1001, "Open"]] as const) {
          yield* guarded((breaker) =>
            Effect.gen(function*() {
              const source = yield* tap
              const fiber = yield* fork(run(source.stream.pipe(withBreaker())))
              yield* TestClock.adjust(firstAfter)
              yield* source.let("Once")
              yield* turns
              yield* TestClock.adjust("1 hour")
              // An ask sees whatever hangs.
              yield* Effect.ignore(breaker.execute(Effect.succeed(1), { classify: () => Outcome.ignored }))
              yield* source.end
              yield* Fiber.join(fiber)

              assert.strictEqual((yield* breaker.state)._tag, expected)
            }), slowOnes)
        }
      }))
  })

  describe("a refused stream (rule 6)", () => {
    const openCircuit = (breaker: Breaker.Breaker) => breaker.trip()

    it.effect("never starts: nothing of it runs, not even what it acquires", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const ran: Array<string> = []
          const note = (what: string) => Effect.sync(() => ran.push(what))
          const stream = Stream.unwrap(Effect.as(note("unwrapped"), Stream.make("a"))).pipe(
            Stream.onStart(note("started")),
            Stream.concat(
              Stream.scoped(Stream.fromEffect(Effect.acquireRelease(note("acquired"), () => note("released"))))
            ),
            Stream.ensuring(note("ensured"))
          )
          yield* openCircuit(breaker)

          const exit = yield* run(withBreaker(stream))

          assert.instanceOf(Exit.isFailure(exit) && Cause.squash(exit.cause), CircuitRejected)
          assert.deepStrictEqual(ran, [])
          assert.deepStrictEqual(yield* tally(breaker), none)
        })
      ))

    it.effect("asks at each run, not when the stream is put together", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const stream = withBreaker(Stream.make("a"))
          yield* openCircuit(breaker)
          const refused = yield* run(stream)
          yield* breaker.reset

          assert.isTrue(Exit.isFailure(refused))
          assert.deepStrictEqual<unknown>(yield* run(stream), Exit.succeed(["a"]))
        })
      ))

    it.effect("is caught by its tag", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          yield* openCircuit(breaker)
          const stream = withBreaker(Stream.make("a")).pipe(
            Stream.catchTag("CircuitRejected", ({ reason }) => Stream.make(reason))
          )

          assert.deepStrictEqual<unknown>(yield* run(stream), Exit.succeed(["Open"]))
        })
      ))
  })

  describe("as a probe", () => {
    const recovering = { tripPolicy: TripPolicy.consecutive(1), halfOpen: { successes: 1 } }
    const recover = (breaker: Breaker.Breaker) =>
      Effect.andThen(breaker.trip({ openFor: "1 second" }), TestClock.adjust("1 second"))

    it.effect("holds the slot until it ends, then closes the circuit", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          yield* recover(breaker)
          const { end, let: letOut, stream } = yield* tap
          const reading = yield* fork(run(withBreaker(stream)))
          yield* letOut("Once")
          yield* turns
          const refused = yield* Effect.flip(breaker.admit)
          yield* end
          yield* Fiber.join(reading)

          assert.strictEqual(refused.reason, "HalfOpen")
          assert.strictEqual((yield* breaker.state)._tag, "Closed")
        }), recovering))

    it.effect("that is given up frees the slot", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          yield* recover(breaker)
          const reading = yield* fork(run(withBreaker(Stream.never)))
          yield* turns
          yield* Fiber.interrupt(reading)

          assert.strictEqual((yield* breaker.state)._tag, "HalfOpen")
          yield* breaker.admit
        }), recovering))
  })

  describe("deadlines", () => {
    const timedOut = (exit: Exit.Exit<unknown, unknown>) =>
      Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof Cause.TimeoutError

    it.effect("firstElement ends a stream that says nothing for so long, and counts as a failure", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const reading = yield* fork(run(withBreaker(Stream.never, { firstElement: "10 seconds" })))
          yield* TestClock.adjust(9999)
          const before = yield* tally(breaker)
          yield* TestClock.adjust(1)

          assert.deepStrictEqual(before, { ...none, inFlight: 1 })
          assert.isTrue(timedOut(yield* Fiber.join(reading)))
          assert.deepStrictEqual(yield* tally(breaker), { ...none, failures: 1 })
        })
      ))

    it.effect("firstElement is for the first element only, and met just before it is over", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const { end, let: letOut, stream } = yield* tap
          const reading = yield* fork(run(withBreaker(stream, { firstElement: "10 seconds" })))
          yield* TestClock.adjust(9999)
          yield* letOut("Once")
          yield* turns
          yield* TestClock.adjust("1 day")
          yield* letOut("upon")
          yield* end

          assert.deepStrictEqual<unknown>(yield* Fiber.join(reading), Exit.succeed(["Once", "upon"]))
          assert.deepStrictEqual(yield* tally(breaker), { ...none, successes: 1 })
        })
      ))

    it.effect("idle is for each later element, counted anew from each", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const { let: letOut, stream } = yield* tap
          const reading = yield* fork(run(withBreaker(stream, { idle: "10 seconds" })))
          yield* TestClock.adjust("1 day")
          for (const element of ["Once", "upon", "a"]) {
            yield* letOut(element)
            yield* turns
            yield* TestClock.adjust(9999)
          }
          const before = yield* tally(breaker)
          yield* TestClock.adjust(1)

          assert.deepStrictEqual(before, { ...none, inFlight: 1 })
          assert.isTrue(timedOut(yield* Fiber.join(reading)))
          assert.deepStrictEqual(yield* tally(breaker), { ...none, failures: 1 })
        })
      ))

    it.effect("total is for all pulls together, however lively the stream", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const { let: letOut, stream } = yield* tap
          const reading = yield* fork(run(withBreaker(stream, { idle: "10 seconds", total: "25 seconds" })))
          for (let i = 0; i < 24; i++) {
            yield* TestClock.adjust("1 second")
            yield* letOut(String(i))
            yield* turns
          }
          yield* TestClock.adjust(999)
          const before = yield* tally(breaker)
          yield* TestClock.adjust(1)

          assert.deepStrictEqual(before, { ...none, inFlight: 1 })
          assert.isTrue(timedOut(yield* Fiber.join(reading)))
          assert.deepStrictEqual(yield* tally(breaker), { ...none, failures: 1 })
        })
      ))

    it.effect("hold nothing against the stream while its reader is slow", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const stream = withBreaker(Stream.make("a", "b", "c").pipe(Stream.rechunk(1)), {
            firstElement: "1 second",
            idle: "1 second",
            total: "2 seconds"
          })
          const reading = yield* fork(
            run(Stream.mapEffect(stream, (element) => Effect.as(Effect.sleep("1 hour"), element)))
          )
          for (let i = 0; i < 4; i++) yield* TestClock.adjust("1 hour")

          assert.deepStrictEqual<unknown>(yield* Fiber.join(reading), Exit.succeed(["a", "b", "c"]))
          assert.deepStrictEqual(yield* tally(breaker), { ...none, successes: 1 })
        })
      ))

    it.effect("say in their error which one passed", () =>
      guarded(() =>
        Effect.gen(function*() {
          const messages: Array<string> = []
          for (const option of ["firstElement", "total"] as const) {
            const reading = yield* fork(run(withBreaker(Stream.never, { [option]: "10 seconds" })))
            yield* TestClock.adjust("10 seconds")
            const exit = yield* Fiber.join(reading)
            messages.push(String(Exit.isFailure(exit) && Cause.squash(exit.cause)))
          }

          assert.include(messages[0], "firstElement")
          assert.include(messages[1], "total")
        })
      ))

    it.effect("let the earlier of two decide", () =>
      guarded(() =>
        Effect.gen(function*() {
          const reading = yield* fork(
            run(withBreaker(Stream.never, { firstElement: "10 seconds", total: "3 seconds", idle: "1 second" }))
          )
          yield* TestClock.adjust(2999)
          yield* turns
          const still = reading.pollUnsafe()
          yield* TestClock.adjust(1)

          assert.isUndefined(still)
          assert.isTrue(timedOut(yield* Fiber.join(reading)))
        })
      ))

    it.effect("interrupt the stream that is late, and run what it has to release", () =>
      guarded(() =>
        Effect.gen(function*() {
          let released = 0
          const late = Stream.fromEffect(Effect.onInterrupt(Effect.never, () => Effect.sync(() => released++)))
          const reading = yield* fork(run(withBreaker(late, { firstElement: "1 second" })))
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(reading)

          assert.strictEqual(released, 1)
        })
      ))

    it.effect("never pass for a stream that answers at once", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const stream = Stream.make(1, 2, 3).pipe(Stream.rechunk(1))
          const exit = yield* run(withBreaker(stream, { firstElement: 1, idle: 1, total: 1 }))

          assert.deepStrictEqual(exit, Exit.succeed([1, 2, 3]))
          assert.deepStrictEqual(yield* tally(breaker), { ...none, successes: 1 })
        })
      ))

    it.effect("hold though the wall clock steps back (rule 3)", () =>
      guarded(() =>
        Effect.gen(function*() {
          yield* TestClock.adjust("10 days")
          const { let: letOut, stream } = yield* tap
          const reading = yield* fork(run(withBreaker(stream, { total: "10 seconds" })))
          yield* TestClock.adjust("4 seconds")
          yield* TestClock.setTime(0)
          yield* letOut("Once")
          yield* turns
          yield* TestClock.adjust(5999)
          yield* turns
          const still = reading.pollUnsafe()
          yield* TestClock.adjust(1)

          assert.isUndefined(still)
          assert.isTrue(timedOut(yield* Fiber.join(reading)))
        })
      ))

    it.effect("that pass are read by the classifier as any error is", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const classify = (exit: Exit.Exit<void, unknown>) => timedOut(exit) ? Outcome.trip() : Outcome.ignored
          const reading = yield* fork(run(withBreaker(Stream.never, { firstElement: "1 second", classify })))
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(reading)

          assert.strictEqual((yield* breaker.state).cause?.rule, "trip")
        })
      ))
  })

  it.effect("leaves the elements to flow as they come: one does not wait for the next", () =>
    guarded(() =>
      Effect.gen(function*() {
        const { let: letOut, stream } = yield* tap
        const seen = yield* Deferred.make<string>()
        const reading = yield* fork(
          Stream.runForEach(withBreaker(stream, { idle: "1 day" }), (element) => Deferred.succeed(seen, element))
        )
        yield* letOut("Once")

        assert.strictEqual(yield* Deferred.await(seen), "Once")
        yield* Fiber.interrupt(reading)
      })
    ))
})
