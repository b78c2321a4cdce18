import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Config,
  ConfigProvider,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Latch,
  Layer,
  ManagedRuntime,
  Random,
  Schedule,
  Schema
} from "effect"
import { Breaker, CallWindow, CircuitRejected, Outcome, TripPolicy, withBreaker } from "effect-breaker"
import { TestClock } from "effect/testing"

const make = (options?: Omit<Breaker.Options, "name">) => Breaker.make({ name: "openai", ...options })

const atOnce = { tripPolicy: TripPolicy.consecutive(1) }
const oneProbe = { ...atOnce, halfOpen: { successes: 1 } }
const never = { tripPolicy: TripPolicy.never }

const succeed = (breaker: Breaker.Breaker) => Effect.exit(breaker.execute(Effect.succeed("answer")))
const fail = (breaker: Breaker.Breaker) => Effect.exit(breaker.execute(Effect.fail("down")))
const say = (breaker: Breaker.Breaker, outcome: Outcome.Outcome) =>
  Effect.exit(breaker.execute(Effect.succeed("answer"), { classify: () => outcome }))
const start = (breaker: Breaker.Breaker) => Effect.forkChild(breaker.execute(Effect.never), { startImmediately: true })
const refusal = (breaker: Breaker.Breaker) => Effect.flip(breaker.execute(Effect.succeed("answer")))

const tagOf = (breaker: Breaker.Breaker) => Effect.map(breaker.state, ({ _tag }) => _tag)
const waitOf = (breaker: Breaker.Breaker) =>
  Effect.map(breaker.state, ({ retryAfter }) => Duration.toMillis(retryAfter))
const counts = (breaker: Breaker.Breaker) =>
  Effect.map(breaker.snapshot, ({ failures, ignored, inFlight, rejected, successes, throttled }) => ({
    failures,
    ignored,
    inFlight,
    rejected,
    successes,
    throttled
  }))
const plain = (snapshot: Breaker.Snapshot): Record<string, unknown> => Object.fromEntries(Object.entries(snapshot))
const none = { failures: 0, ignored: 0, inFlight: 0, rejected: 0, successes: 0, throttled: 0 }

/** Asks once: what came of it, in one word. */
const ask = (breaker: Breaker.Breaker) =>
  breaker.execute(Effect.succeed("admitted")).pipe(
    Effect.catchTag("CircuitRejected", (refused) => Effect.succeed(`refused: ${refused.reason}`))
  )

/** Opens it again and again by failing each probe, and tells how long each opening lasts. */
const openings = (breaker: Breaker.Breaker, n: number) =>
  Effect.gen(function*() {
    const lengths: Array<number> = []
    for (let i = 0; i < n; i++) {
      yield* fail(breaker)
      const length = yield* waitOf(breaker)
      lengths.push(length)
      yield* TestClock.adjust(length)
    }
    return lengths
  })

describe("Breaker", () => {
  describe("execute", () => {
    it.effect("passes the value unchanged (rule 7)", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const value = { text: "an answer" }

        assert.strictEqual(yield* breaker.execute(Effect.succeed(value)), value)
        assert.deepStrictEqual(yield* counts(breaker), { ...none, successes: 1 })
      }))

    it.effect("passes the typed error unchanged (rule 7)", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const error = new Error("529 Overloaded")

        const exit = yield* Effect.exit(breaker.execute(Effect.fail(error)))

        assert.deepStrictEqual(exit, Exit.fail(error))
        assert.strictEqual(Exit.isFailure(exit) && Cause.squash(exit.cause), error)
        assert.deepStrictEqual(yield* counts(breaker), { ...none, failures: 1 })
      }))

    it.effect("passes a defect unchanged, thrown or died of (rules 7, 13)", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const defect = new TypeError("a bug")
        const thrown = Effect.sync((): string => {
          throw defect
        })

        const exits = [
          yield* Effect.exit(breaker.execute(Effect.die(defect))),
          yield* Effect.exit(breaker.execute(thrown))
        ]

        assert.deepStrictEqual(exits.map((exit) => Exit.isFailure(exit) && Cause.squash(exit.cause)), [defect, defect])
        assert.deepStrictEqual(exits.map((exit) => Exit.isFailure(exit) && Cause.hasDies(exit.cause)), [true, true])
        assert.deepStrictEqual(yield* counts(breaker), { ...none, failures: 2 })
      }))

    it.effect("passes interruption from inside unchanged and ignores it (rules 7, 10)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)

        const exit = yield* Effect.exit(breaker.execute(Effect.interrupt))

        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        assert.deepStrictEqual(yield* counts(breaker), { ...none, ignored: 1 })
        assert.strictEqual(yield* tagOf(breaker), "Closed")
      }))

    it.effect("counts a failure that came with an interruption, and passes both (rule 10)", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const both = Effect.failCause(Cause.combine(Cause.fail("down"), Cause.interrupt(1)))

        const exit = yield* Effect.exit(breaker.execute(both))

        assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause) && Cause.hasInterrupts(exit.cause))
        assert.deepStrictEqual(yield* counts(breaker), { ...none, failures: 1 })
      }))

    it.effect("never runs a refused effect (rule 6)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        let ran = 0
        const call = Effect.sync(() => ran++)
        yield* fail(breaker)

        const refused = yield* Effect.flip(breaker.execute(call))

        assert.instanceOf(refused, CircuitRejected)
        assert.strictEqual(ran, 0)
        assert.deepStrictEqual(yield* counts(breaker), { ...none, failures: 1, rejected: 1 })
      }))

    it.effect("never asks the classifier about a refusal", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        yield* fail(breaker)
        let asked = 0
        const classify = () => {
          asked++
          return Outcome.failure()
        }

        yield* Effect.exit(breaker.execute(Effect.succeed(1), { classify }))

        assert.strictEqual(asked, 0)
      }))

    it.effect("takes the effect first or last, with and without options, and detached", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const { execute } = breaker
        const call = Effect.succeed(20)
        const options = { classify: () => Outcome.failure() }

        const values = [
          yield* breaker.execute(call),
          yield* breaker.execute(call, options),
          yield* call.pipe(breaker.execute()),
          yield* call.pipe(breaker.execute(options)),
          yield* call.pipe(breaker.execute),
          yield* execute(call),
          yield* execute(call, options),
          yield* call.pipe(execute())
        ]

        assert.deepStrictEqual(values, Array.from({ length: 8 }, () => 20))
        assert.deepStrictEqual(yield* counts(breaker), { ...none, successes: 5, failures: 3 })
      }))

    it.effect("takes an effect that is a function or a class too: a service, a reference, a config", () =>
      Effect.gen(function*() {
        class Model extends Context.Service<Model, string>()("test/Model") {}
        const breaker = yield* make()

        const model = yield* breaker.execute(Model).pipe(Effect.provideService(Model, "large"))
        const piped = yield* Model.pipe(breaker.execute(), Effect.provideService(Model, "small"))

        assert.deepStrictEqual([model, piped], ["large", "small"])
      }))

    it.effect("uses the breaker's own classifier where the options have none", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ classify: () => Outcome.ignored })

        yield* breaker.execute(Effect.succeed(1), {})
        yield* Effect.succeed(1).pipe(breaker.execute({}))
        yield* Effect.succeed(1).pipe(breaker.execute())

        assert.deepStrictEqual(yield* counts(breaker), { ...none, ignored: 3 })
      }))

    it.effect("makes an effect value that can run again and again", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ tripPolicy: TripPolicy.consecutive(3) })
        let ran = 0
        const guarded = breaker.execute(Effect.suspend(() => ran++ === 0 ? Effect.succeed(1) : Effect.fail("down")))

        const exits = yield* Effect.forEach([1, 2, 3, 4, 5], () => Effect.exit(guarded))

        assert.strictEqual(ran, 4)
        assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, false, false, false])
        assert.deepStrictEqual(yield* counts(breaker), { ...none, successes: 1, failures: 3, rejected: 1 })
      }))

    it.effect("gives each of many concurrent runs of one effect value a permit of its own", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const door = yield* Latch.make()
        const guarded = breaker.execute(Effect.as(Latch.await(door), "answer"))
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(guarded, { startImmediately: true }))

        const running = yield* counts(breaker)
        yield* Latch.open(door)
        yield* Effect.forEach(fibers, Fiber.join)

        assert.deepStrictEqual(running, { ...none, inFlight: 3 })
        assert.deepStrictEqual(yield* counts(breaker), { ...none, successes: 3 })
      }))

    it.effect("works when nested in itself and in another", () =>
      Effect.gen(function*() {
        const outer = yield* make()
        const inner = yield* Breaker.make({ name: "inner", ...atOnce })

        yield* Effect.exit(outer.execute(outer.execute(inner.execute(Effect.fail("down")))))

        assert.deepStrictEqual(yield* counts(outer), { ...none, failures: 2 })
        assert.deepStrictEqual(yield* counts(inner), { ...none, failures: 1 })
      }))

    it.effect("keeps the fiber's context for the effect and passes its requirements through", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const asked = breaker.execute(Effect.map(Random.Random, (random) => random.nextDoubleUnsafe()))

        assert.strictEqual(
          yield* asked.pipe(Random.withSeed("seed")),
          yield* Random.next.pipe(Random.withSeed("seed"))
        )
      }))
  })

  describe("withBreaker", () => {
    const forms = {
      "in a pipe by name": (call: Effect.Effect<string, string>) => call.pipe(withBreaker),
      "in a pipe called without options": (call: Effect.Effect<string, string>) => call.pipe(withBreaker()),
      "in a pipe with options": (call: Effect.Effect<string, string>) =>
        call.pipe(withBreaker({ classify: (exit) => Exit.isSuccess(exit) ? Outcome.success : Outcome.failure() })),
      "with the effect first": (call: Effect.Effect<string, string>) => withBreaker(call),
      "with the effect first and options": (call: Effect.Effect<string, string>) =>
        withBreaker(call, { classify: (exit) => Exit.isSuccess(exit) ? Outcome.success : Outcome.failure() })
    }
    for (const [name, form] of Object.entries(forms)) {
      it.effect(`guards by the breaker in context, ${name}`, () =>
        Effect.gen(function*() {
          const breaker = yield* Breaker.Breaker

          const exits = [
            yield* Effect.exit(form(Effect.succeed("answer"))),
            yield* Effect.exit(form(Effect.fail("down")))
          ]

          assert.deepStrictEqual(exits, [Exit.succeed("answer"), Exit.fail("down")])
          assert.instanceOf(yield* Effect.flip(form(Effect.succeed("answer"))), CircuitRejected)
          assert.deepStrictEqual(yield* counts(breaker), { ...none, successes: 1, failures: 1, rejected: 1 })
        }).pipe(Effect.provide(Breaker.layer({ name: "openai", ...atOnce }))))
    }

    it.effect("uses whatever breaker is in context when it runs", () =>
      Effect.gen(function*() {
        const one = yield* Breaker.make({ name: "one" })
        const two = yield* Breaker.make({ name: "two" })
        const guarded = withBreaker(Effect.succeed("answer"))

        yield* guarded.pipe(Effect.provideService(Breaker.Breaker, one))
        yield* guarded.pipe(Effect.provideService(Breaker.Breaker, two))
        yield* guarded.pipe(Effect.provideService(Breaker.Breaker, two))

        assert.deepStrictEqual([(yield* counts(one)).successes, (yield* counts(two)).successes], [1, 2])
      }))
  })

  describe("Open", () => {
    it.effect("refuses until the open time is over, and exactly then lets a probe in (rules 1, 22)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(oneProbe)
        yield* fail(breaker)

        yield* TestClock.adjust(59_999)
        const before = [yield* ask(breaker), yield* waitOf(breaker)]
        yield* TestClock.adjust(1)
        const at = [yield* tagOf(breaker), yield* ask(breaker), yield* tagOf(breaker)]

        assert.deepStrictEqual(before, ["refused: Open", 1])
        assert.deepStrictEqual(at, ["Open", "admitted", "Closed"])
      }))

    it.effect("lets a probe in long after the open time is over", () =>
      Effect.gen(function*() {
        const breaker = yield* make(oneProbe)
        yield* fail(breaker)

        yield* TestClock.adjust("3 days")

        assert.strictEqual(yield* ask(breaker), "admitted")
      }))

    it.effect("still reads Open, with nothing to wait for, when its time is over and nobody asked (rule 2)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        yield* fail(breaker)
        yield* TestClock.adjust("2 hours")

        const reads = yield* Effect.forEach([1, 2, 3], () => Effect.all([tagOf(breaker), waitOf(breaker)]))
        const { retryAfter, state } = yield* breaker.snapshot

        assert.deepStrictEqual(reads, [["Open", 0], ["Open", 0], ["Open", 0]])
        assert.deepStrictEqual([state, retryAfter], ["Open", Duration.zero])
      }))

    it.effect("starts no fiber and asks no timer: time alone moves nothing (rule 2)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        yield* fail(breaker)
        const opened = yield* breaker.state

        yield* TestClock.adjust("1 day")

        assert.deepStrictEqual({ ...(yield* breaker.state), retryAfter: undefined }, {
          ...opened,
          retryAfter: undefined
        })
      }))

    it.effect("keeps its time when the wall clock steps back: nothing early or longer, nothing thrown (rule 3)", () =>
      Effect.gen(function*() {
        yield* TestClock.adjust("10 days")
        const breaker = yield* make(oneProbe)
        yield* fail(breaker)
        yield* TestClock.adjust("30 seconds")

        yield* TestClock.setTime(0)
        const after = [yield* ask(breaker), yield* waitOf(breaker)]
        yield* TestClock.adjust(29_999)
        const before = yield* ask(breaker)
        yield* TestClock.adjust(1)
        const at = yield* ask(breaker)

        assert.deepStrictEqual(after, ["refused: Open", 30_000])
        assert.deepStrictEqual([before, at], ["refused: Open", "admitted"])
        assert.strictEqual(Duration.toMillis((yield* breaker.snapshot).retryAfter), 0)
      }))

    it.effect("keeps a throttle's pause, a lease and a window when the wall clock steps back (rule 3)", () =>
      Effect.gen(function*() {
        yield* TestClock.adjust("10 days")
        const window = CallWindow.lastDuration("10 seconds")
        const breaker = yield* make({ tripPolicy: TripPolicy.failureCount({ count: 2, window }) })
        yield* say(breaker, Outcome.failure())
        yield* TestClock.setTime(0)
        yield* TestClock.adjust("11 seconds")
        yield* say(breaker, Outcome.failure())
        const forgotten = yield* tagOf(breaker)

        yield* say(breaker, Outcome.throttled({ retryAfter: "5 seconds" }))
        yield* TestClock.setTime(0)
        yield* TestClock.adjust(4999)
        const before = yield* ask(breaker)
        yield* TestClock.adjust(1)

        assert.strictEqual(forgotten, "Closed")
        assert.deepStrictEqual([before, yield* ask(breaker)], ["refused: Throttled", "admitted"])
      }))

    it.effect("ignores what a call of an earlier period says (rule 5)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        const door = yield* Deferred.make<string, string>()
        const late = yield* Effect.forkChild(Effect.exit(breaker.execute(Deferred.await(door))), {
          startImmediately: true
        })
        yield* fail(breaker)
        const opened = yield* breaker.snapshot

        yield* Deferred.fail(door, "down too")
        yield* Fiber.join(late)

        assert.strictEqual(opened.inFlight, 1)
        assert.deepStrictEqual(plain(yield* breaker.snapshot), { ...plain(opened), inFlight: 0 })
      }))
  })

  describe("openDuration", () => {
    it.effect("lasts 60 seconds by default, every time", () =>
      Effect.gen(function*() {
        const breaker = yield* make(oneProbe)

        assert.deepStrictEqual(yield* openings(breaker, 3), [60_000, 60_000, 60_000])
      }))

    it.effect("lasts the duration given, every time (rule 20)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...oneProbe, openDuration: "7 seconds" })

        assert.deepStrictEqual(yield* openings(breaker, 3), [7000, 7000, 7000])
      }))

    it.effect("takes the n-th delay of a schedule for the n-th opening in a row (rule 20)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...oneProbe, openDuration: Schedule.exponential("1 second") })

        assert.deepStrictEqual(yield* openings(breaker, 5), [1000, 2000, 4000, 8000, 16_000])
      }))

    it.effect("repeats a schedule's last delay when it ends (rule 20)", () =>
      Effect.gen(function*() {
        const openDuration = Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 }))
        const breaker = yield* make({ ...oneProbe, openDuration })

        assert.deepStrictEqual(yield* openings(breaker, 6), [1000, 2000, 4000, 4000, 4000, 4000])
      }))

    it.effect("ends a schedule by the time spent open (rule 20)", () =>
      Effect.gen(function*() {
        const openDuration = Schedule.exponential("1 second").pipe(Schedule.upTo({ duration: "5 seconds" }))
        const breaker = yield* make({ ...oneProbe, openDuration })

        assert.deepStrictEqual(yield* openings(breaker, 6), [1000, 2000, 4000, 4000, 4000, 4000])
      }))

    it.effect("draws a jittered schedule from the Random of the program that made it (rule 20)", () =>
      Effect.gen(function*() {
        const openDuration = Schedule.jittered(Schedule.spaced("10 seconds"))
        const draw = (seed: string) =>
          Effect.gen(function*() {
            return yield* openings(yield* make({ ...oneProbe, openDuration }).pipe(Random.withSeed(seed)), 8)
          })

        const one = yield* draw("one")

        assert.isTrue(one.every((length) => length >= 8000 && length <= 12_000), String(one))
        assert.strictEqual(new Set(one).size, 8)
        assert.deepStrictEqual(yield* draw("one"), one)
        assert.notDeepEqual(yield* draw("two"), one)
      }))

    it.effect("lengthens by jitter, never shortens, and draws it from Random (rule 20)", () =>
      Effect.gen(function*() {
        const draw = (seed: string) =>
          Effect.gen(function*() {
            const breaker = yield* make({ ...oneProbe, openDuration: "10 seconds", jitter: 0.5 }).pipe(
              Random.withSeed(seed)
            )
            return yield* openings(breaker, 20)
          })

        const one = yield* draw("one")

        assert.isTrue(one.every((length) => length >= 10_000 && length <= 15_000), String(one))
        assert.isAbove(Math.max(...one) - Math.min(...one), 1000)
        assert.deepStrictEqual(yield* draw("one"), one)
        assert.notDeepEqual(yield* draw("two"), one)
      }))

    it.effect("goes on counting openings over a short close, and forgets them after a long one (rule 21)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...oneProbe, openDuration: Schedule.exponential("1 second") })
        const recover = Effect.andThen(TestClock.adjust("1 minute"), succeed(breaker))
        const open = Effect.andThen(fail(breaker), waitOf(breaker))

        const first = yield* open
        yield* recover
        yield* TestClock.adjust(999)
        const second = yield* open
        yield* recover
        yield* TestClock.adjust(2000)
        const third = yield* open

        assert.deepStrictEqual([first, second, third], [1000, 2000, 1000])
      }))

    it.effect("holds for a schedule that many breakers share: each counts its own openings", () =>
      Effect.gen(function*() {
        const openDuration = Schedule.exponential("1 second")
        const one = yield* make({ ...oneProbe, openDuration })
        const two = yield* make({ ...oneProbe, openDuration })

        assert.deepStrictEqual(yield* openings(one, 3), [1000, 2000, 4000])
        assert.deepStrictEqual(yield* openings(two, 2), [1000, 2000])
      }))
  })

  describe("HalfOpen", () => {
    const halfOpen = (options?: Omit<Breaker.Options, "name">) =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...atOnce, ...options })
        yield* fail(breaker)
        yield* TestClock.adjust("60 seconds")
        return breaker
      })

    it.effect("refuses with a hint of one second while the probe runs (rule 6)", () =>
      Effect.gen(function*() {
        const breaker = yield* halfOpen()
        yield* start(breaker)

        const refused = yield* refusal(breaker)

        assert.deepStrictEqual([refused.reason, refused.retryAfter], ["HalfOpen", Duration.seconds(1)])
        assert.strictEqual((yield* breaker.state)._tag, "HalfOpen")
      }))

    it.effect("runs as many probes at once as allowed (rule 23)", () =>
      Effect.gen(function*() {
        const breaker = yield* halfOpen({ halfOpen: { concurrency: 2 } })
        yield* start(breaker)
        yield* start(breaker)

        assert.strictEqual(yield* ask(breaker), "refused: HalfOpen")
        assert.strictEqual((yield* counts(breaker)).inFlight, 2)
      }))

    it.effect("closes after three successes by default, and opens at the first failure", () =>
      Effect.gen(function*() {
        const breaker = yield* halfOpen()
        yield* succeed(breaker)
        yield* succeed(breaker)
        const two = yield* breaker.state
        yield* succeed(breaker)
        const three = yield* tagOf(breaker)

        const other = yield* halfOpen()
        yield* succeed(other)
        yield* fail(other)

        assert.deepInclude(two, { _tag: "HalfOpen", stage: "Probing", retryAfter: Duration.zero })
        assert.deepStrictEqual([three, yield* tagOf(other)], ["Closed", "Open"])
      }))

    it.effect("fails a probe when its lease is over, at the next ask, and does not interrupt it (rule 24)", () =>
      Effect.gen(function*() {
        const breaker = yield* halfOpen({ halfOpen: { lease: "5 seconds" } })
        const door = yield* Deferred.make<string>()
        const probe = yield* Effect.forkChild(breaker.execute(Deferred.await(door)), { startImmediately: true })

        yield* TestClock.adjust(4999)
        const before = yield* ask(breaker)
        yield* TestClock.adjust(1)
        const unasked = yield* tagOf(breaker)
        const at = yield* ask(breaker)
        const opened = yield* breaker.snapshot
        yield* Deferred.succeed(door, "late")

        assert.deepStrictEqual([before, unasked, at], ["refused: HalfOpen", "HalfOpen", "refused: Open"])
        assert.strictEqual(opened.cause?.rule, "probes")
        assert.strictEqual(yield* Fiber.join(probe), "late")
        assert.deepStrictEqual(plain(yield* breaker.snapshot), { ...plain(opened), inFlight: 0 })
      }))

    it.effect("leaves HalfOpen in the end though every probe hangs (rule 24)", () =>
      Effect.gen(function*() {
        const breaker = yield* halfOpen()
        const answers: Array<string> = []
        for (let i = 0; i < 3; i++) {
          yield* start(breaker)
          yield* TestClock.adjust("30 seconds")
          answers.push(yield* ask(breaker))
          yield* TestClock.adjust("60 seconds")
        }

        assert.deepStrictEqual(answers, ["refused: Open", "refused: Open", "refused: Open"])
        assert.strictEqual((yield* counts(breaker)).inFlight, 3)
      }))

    it.effect("gives an ignored or throttled probe's place to the next (rules 10, 11)", () =>
      Effect.gen(function*() {
        const breaker = yield* halfOpen()
        yield* say(breaker, Outcome.ignored)
        const ignored = yield* tagOf(breaker)
        yield* say(breaker, Outcome.throttled({ retryAfter: "2 seconds" }))
        const throttled = yield* ask(breaker)
        yield* TestClock.adjust("2 seconds")
        yield* start(breaker)

        assert.deepStrictEqual([ignored, throttled, yield* ask(breaker)], [
          "HalfOpen",
          "refused: Throttled",
          "refused: HalfOpen"
        ])
      }))

    it.effect("lets traffic back by the shares of a ramp, each for its time, then closes (rules 1, 26)", () =>
      Effect.gen(function*() {
        const breaker = yield* halfOpen({
          ramp: { shares: [0.25, 0.5], every: "2 seconds" },
          halfOpen: { successes: 1 }
        })
        const many = Effect.map(
          Effect.forEach(Array.from({ length: 20 }), () => ask(breaker)),
          (answers) => answers.filter((answer) => answer === "admitted").length
        )
        yield* succeed(breaker)

        const first = [yield* breaker.state, yield* many]
        yield* TestClock.adjust(1999)
        const still = yield* breaker.state
        yield* TestClock.adjust(1)
        const second = [yield* many, yield* breaker.state]
        yield* TestClock.adjust(2000)
        const third = [yield* ask(breaker), yield* tagOf(breaker)]

        assert.deepInclude(first[0], { _tag: "HalfOpen", stage: "Ramping", share: 0.25 })
        assert.strictEqual(first[1], 5)
        assert.deepInclude(still, { _tag: "HalfOpen", share: 0.25 })
        assert.strictEqual(second[0], 10)
        assert.deepInclude(second[1], { _tag: "HalfOpen", share: 0.5 })
        assert.deepStrictEqual(third, ["admitted", "Closed"])
      }))

    it.effect("hints one second where a ramp refuses (rule 6)", () =>
      Effect.gen(function*() {
        const breaker = yield* halfOpen({ ramp: { shares: [0.5], every: "2 seconds" }, halfOpen: { successes: 1 } })
        yield* succeed(breaker)
        yield* ask(breaker)

        const refused = yield* refusal(breaker)

        assert.deepStrictEqual([refused.reason, refused.retryAfter], ["HalfOpen", Duration.seconds(1)])
      }))
  })

  describe("throttle", () => {
    it.effect("refuses until the pause is over, and exactly then admits again (rules 1, 11)", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* say(breaker, Outcome.throttled({ retryAfter: "3 seconds" }))

        yield* TestClock.adjust(2999)
        const before = yield* refusal(breaker)
        yield* TestClock.adjust(1)

        assert.deepStrictEqual([before.reason, before.retryAfter], ["Throttled", Duration.millis(1)])
        assert.strictEqual(yield* ask(breaker), "admitted")
        assert.strictEqual(yield* tagOf(breaker), "Closed")
      }))

    it.effect("lasts ten seconds by default, or as the breaker says", () =>
      Effect.gen(function*() {
        const usual = yield* make()
        const short = yield* make({ throttleDuration: "1 second" })
        yield* say(usual, Outcome.throttled())
        yield* say(short, Outcome.throttled())

        assert.deepStrictEqual([yield* waitOf(usual), yield* waitOf(short)], [10_000, 1000])
      }))

    it.effect("takes the later end of two pauses (rule 11)", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const [long, short] = [yield* breaker.admit, yield* breaker.admit]
        yield* long.settle(Outcome.throttled({ retryAfter: "30 seconds" }))
        yield* TestClock.adjust("1 second")
        yield* short.settle(Outcome.throttled({ retryAfter: "5 seconds" }))

        assert.strictEqual(yield* waitOf(breaker), 29_000)
      }))

    it.effect("neither counts nor ends a streak (rule 11)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ tripPolicy: TripPolicy.consecutive(2), throttleDuration: "1 second" })
        yield* fail(breaker)
        yield* say(breaker, Outcome.throttled())
        yield* TestClock.adjust("1 second")
        yield* fail(breaker)

        assert.strictEqual(yield* tagOf(breaker), "Open")
        assert.deepStrictEqual(yield* counts(breaker), { ...none, failures: 2, throttled: 1 })
      }))
  })

  describe("outcomes", () => {
    it.effect("a success ends a failure streak (rule 8)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ tripPolicy: TripPolicy.consecutive(2) })
        for (const call of [fail, succeed, fail, succeed, fail]) yield* call(breaker)

        assert.strictEqual(yield* tagOf(breaker), "Closed")
        assert.deepStrictEqual(yield* counts(breaker), { ...none, failures: 3, successes: 2 })
      }))

    it.effect("an ignored call counts nowhere and does not end a streak (rule 10)", () =>
      Effect.gen(function*() {
        const rate = TripPolicy.failureRate({ threshold: 1, minimumCalls: 10, window: CallWindow.lastCalls(10) })
        const breaker = yield* make({ tripPolicy: TripPolicy.anyOf(TripPolicy.consecutive(2), rate) })
        yield* fail(breaker)
        const before = yield* breaker.snapshot
        yield* say(breaker, Outcome.ignored)
        const after = yield* breaker.snapshot
        yield* fail(breaker)

        assert.deepStrictEqual(plain(after), { ...plain(before), ignored: 1 })
        assert.strictEqual(after.window.calls, 1)
        assert.strictEqual(yield* tagOf(breaker), "Open")
      }))

    it.effect("a failure's hint lengthens the next opening, and never shortens one (rule 9)", () =>
      Effect.gen(function*() {
        const long = yield* make({ tripPolicy: TripPolicy.consecutive(2) })
        yield* say(long, Outcome.failure({ retryAfter: "5 minutes" }))
        yield* TestClock.adjust("1 minute")
        yield* say(long, Outcome.failure())
        const short = yield* make(atOnce)
        yield* say(short, Outcome.failure({ retryAfter: "1 second" }))

        assert.deepStrictEqual([yield* waitOf(long), yield* waitOf(short)], [240_000, 60_000])
      }))

    it.effect("a failure's hint is capped at maxRetryAfter, 15 minutes by default (rule 9)", () =>
      Effect.gen(function*() {
        const usual = yield* make(atOnce)
        yield* say(usual, Outcome.failure({ retryAfter: "1 day" }))
        const own = yield* make({ ...atOnce, maxRetryAfter: "2 minutes" })
        yield* say(own, Outcome.failure({ retryAfter: "1 day" }))

        assert.deepStrictEqual([yield* waitOf(usual), yield* waitOf(own)], [900_000, 120_000])
      }))

    it.effect("a trip opens at once, whatever the policy, for its own time (rule 12)", () =>
      Effect.gen(function*() {
        const [usual, own, said] = [
          yield* make(never),
          yield* make({ ...never, tripDuration: "5 minutes" }),
          yield* make()
        ]
        yield* say(usual, Outcome.trip())
        yield* say(own, Outcome.trip())
        yield* say(said, Outcome.trip({ openFor: "2 hours", kind: "no credit" }))

        assert.deepStrictEqual([yield* waitOf(usual), yield* waitOf(own), yield* waitOf(said)], [3.6e6, 3e5, 7.2e6])
        assert.strictEqual((yield* said.state).cause?.failure?.kind, "no credit")
      }))

    it.effect("a slow call counts as slow only above slowAfter (rule 16)", () =>
      Effect.gen(function*() {
        const window = CallWindow.lastCalls(10)
        const tripPolicy = TripPolicy.slowRate({ slowAfter: "2 seconds", threshold: 1, minimumCalls: 2, window })
        const breaker = yield* make({ tripPolicy })
        const taking = (millis: number) =>
          Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(breaker.execute(Effect.sleep(millis)), { startImmediately: true })
            yield* TestClock.adjust(millis)
            yield* Fiber.join(fiber)
          })

        yield* taking(2000)
        const exactly = yield* breaker.snapshot
        yield* taking(2001)

        assert.deepStrictEqual([exactly.slow, (yield* breaker.snapshot).slow], [0, 1])
      }))

    it.effect("a hanging provider opens the circuit before the first call comes back (rule 17)", () =>
      Effect.gen(function*() {
        const window = CallWindow.lastCalls(10)
        const tripPolicy = TripPolicy.slowRate({ slowAfter: "2 seconds", threshold: 0.5, minimumCalls: 3, window })
        const breaker = yield* make({ tripPolicy })
        for (let i = 0; i < 3; i++) yield* start(breaker)

        yield* TestClock.adjust("2 seconds")
        const at = yield* ask(breaker)
        yield* TestClock.adjust(1)

        assert.deepStrictEqual([at, yield* ask(breaker)], ["admitted", "refused: Open"])
        assert.strictEqual((yield* breaker.state).cause?.rule, "slowRate")
      }))
  })

  describe("isolate and release", () => {
    it.effect("refuses everything, for ever, until released (rule 27)", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* fail(breaker)
        yield* breaker.isolate("bad deploy")
        yield* TestClock.adjust("365 days")
        const refused = yield* refusal(breaker)
        const isolated = yield* breaker.snapshot

        yield* breaker.release

        assert.deepStrictEqual([refused.reason, refused.retryAfter], ["Isolated", Duration.infinity])
        assert.strictEqual(refused.cause.note, "bad deploy")
        assert.deepStrictEqual([isolated.state, isolated.retryAfter], ["Isolated", Duration.infinity])
        assert.deepStrictEqual((yield* breaker.snapshot).window, { calls: 0, failureRate: 0, slowRate: 0 })
        assert.strictEqual(yield* ask(breaker), "admitted")
      }))

    it.effect("forgets the streak at release (rules 19, 27)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ tripPolicy: TripPolicy.consecutive(2) })
        yield* fail(breaker)
        yield* breaker.isolate()
        yield* breaker.release
        yield* fail(breaker)

        assert.strictEqual(yield* tagOf(breaker), "Closed")
      }))

    it.effect("lets calls that run finish, and ignores what they say (rule 5)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        const permit = yield* breaker.admit
        yield* breaker.isolate()
        yield* permit.settle(Outcome.failure())
        yield* breaker.release

        assert.deepStrictEqual(yield* counts(breaker), none)
        assert.strictEqual(yield* tagOf(breaker), "Closed")
      }))

    it.effect("releases only what is isolated", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        yield* fail(breaker)
        const opened = yield* breaker.state

        yield* breaker.release

        assert.deepStrictEqual(yield* breaker.state, opened)
      }))

    it.effect("stays isolated when it is tripped by hand", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* breaker.isolate()
        yield* breaker.trip()

        assert.strictEqual(yield* tagOf(breaker), "Isolated")
      }))
  })

  describe("reset", () => {
    it.effect("closes the circuit and forgets its openings (rule 27)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...oneProbe, openDuration: Schedule.exponential("1 second") })
        yield* openings(breaker, 3)

        yield* breaker.reset
        const state = yield* tagOf(breaker)
        yield* fail(breaker)

        assert.strictEqual(state, "Closed")
        assert.strictEqual(yield* waitOf(breaker), 1000)
        assert.strictEqual((yield* breaker.snapshot).openings, 1)
      }))

    it.effect("opens the gate that a throttle shut", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* say(breaker, Outcome.throttled())
        yield* breaker.reset

        assert.strictEqual(yield* ask(breaker), "admitted")
      }))

    it.effect("ends an isolation", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* breaker.isolate()
        yield* breaker.reset

        assert.strictEqual(yield* ask(breaker), "admitted")
      }))
  })

  describe("trip", () => {
    it.effect("opens by hand, for as long as it says, or for tripDuration (rule 27)", () =>
      Effect.gen(function*() {
        const [usual, own] = [yield* make(), yield* make()]
        yield* usual.trip()
        yield* own.trip({ openFor: "5 seconds", note: "drill" })

        const refused = yield* refusal(own)

        assert.deepStrictEqual([yield* waitOf(usual), yield* waitOf(own)], [3_600_000, 5000])
        assert.deepInclude(refused.cause, { rule: "manual", note: "drill" })
      }))

    it.effect("recovers as any opening does", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ halfOpen: { successes: 1 } })
        yield* breaker.trip({ openFor: "5 seconds" })
        yield* TestClock.adjust(4999)
        const before = yield* ask(breaker)
        yield* TestClock.adjust(1)

        assert.deepStrictEqual([before, yield* ask(breaker), yield* tagOf(breaker)], [
          "refused: Open",
          "admitted",
          "Closed"
        ])
      }))

    it.effect("throws a RangeError at once for a bad openFor", () =>
      Effect.gen(function*() {
        const breaker = yield* make()

        for (const openFor of [-1, Number.NaN, Number.POSITIVE_INFINITY, Duration.infinity, "soon" as never]) {
          assert.throws(() => breaker.trip({ openFor }), RangeError, /Breaker.trip: openFor must be a finite duration/)
        }
      }))
  })

  describe("modes", () => {
    it.effect("observe runs every rule, refuses nobody, and counts what it would have refused (rule 28)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...oneProbe, mode: "observe" })
        yield* fail(breaker)
        const opened = yield* tagOf(breaker)
        const answers = [yield* ask(breaker), yield* ask(breaker)]
        yield* breaker.isolate()
        answers.push(yield* ask(breaker))
        yield* breaker.release
        yield* say(breaker, Outcome.throttled())
        answers.push(yield* ask(breaker))

        const { rejected, wouldReject } = yield* breaker.snapshot

        assert.strictEqual(opened, "Open")
        assert.deepStrictEqual(answers, ["admitted", "admitted", "admitted", "admitted"])
        assert.deepStrictEqual({ rejected, wouldReject }, { rejected: 0, wouldReject: 4 })
      }))

    it.effect("observe counts a call that would have been refused in flight, and nothing it says", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...atOnce, mode: "observe" })
        yield* fail(breaker)
        const before = yield* counts(breaker)
        const fiber = yield* start(breaker)
        const running = yield* counts(breaker)
        yield* Fiber.interrupt(fiber)
        yield* fail(breaker)

        assert.deepStrictEqual(running, { ...before, inFlight: 1 })
        assert.deepStrictEqual(yield* counts(breaker), before)
      }))

    it.effect("observe recovers as enforce does", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...oneProbe, mode: "observe" })
        yield* fail(breaker)
        yield* TestClock.adjust("60 seconds")
        yield* succeed(breaker)

        assert.strictEqual(yield* tagOf(breaker), "Closed")
      }))

    it.effect("off lets every call pass and counts nothing (rule 28)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...atOnce, mode: "off" })
        yield* fail(breaker)
        yield* fail(breaker)
        yield* breaker.isolate()
        const fiber = yield* start(breaker)

        assert.deepStrictEqual(yield* counts(breaker), none)
        assert.strictEqual(yield* ask(breaker), "admitted")
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* counts(breaker), none)
      }))

    it.effect("change while running: off opens the door, enforce shuts it again (rule 28)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        yield* fail(breaker)
        const answers: Array<string> = []
        for (const mode of ["enforce", "observe", "off", "enforce"] as const) {
          yield* breaker.setMode(mode)
          answers.push(yield* ask(breaker))
        }

        assert.deepStrictEqual(answers, ["refused: Open", "admitted", "admitted", "refused: Open"])
        assert.strictEqual((yield* breaker.snapshot).mode, "enforce")
      }))

    const modes = ["enforce", "observe", "off"] as const
    for (const from of modes) {
      for (const to of modes) {
        it.effect(`keep the count in flight right over a change from ${from} to ${to}`, () =>
          Effect.gen(function*() {
            const breaker = yield* make({ ...atOnce, mode: from })
            const permits = [yield* breaker.admit, yield* breaker.admit, yield* breaker.admit]
            yield* breaker.setMode(to)
            permits.push(yield* breaker.admit)
            for (const permit of permits) yield* permit.settle(Outcome.success)

            assert.strictEqual((yield* counts(breaker)).inFlight, 0)
          }))
      }
    }

    it.effect("off counts nothing of a call that was admitted before", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        const permit = yield* breaker.admit
        yield* breaker.setMode("off")
        yield* permit.settle(Outcome.failure())

        assert.deepStrictEqual(yield* counts(breaker), none)
        assert.strictEqual(yield* tagOf(breaker), "Closed")
      }))

    it.effect("reads on after an order for a mode that there is not", () =>
      Effect.gen(function*() {
        const breaker = yield* make()

        yield* Effect.exit(Effect.suspend(() => breaker.setMode("lenient" as never)))

        assert.strictEqual((yield* breaker.snapshot).mode, "enforce")
      }))
  })

  describe("admit", () => {
    it.effect("gives a permit that is in flight until it is settled (rule 4)", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const permit = yield* breaker.admit
        const running = yield* counts(breaker)

        yield* permit.settle(Outcome.success)

        assert.deepStrictEqual(running, { ...none, inFlight: 1 })
        assert.deepStrictEqual(yield* counts(breaker), { ...none, successes: 1 })
      }))

    it.effect("does nothing at the second settle (rule 4)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        const permit = yield* breaker.admit
        const settle = permit.settle(Outcome.success)

        yield* settle
        yield* settle
        yield* permit.settle(Outcome.failure())
        yield* permit.settleExit(Exit.fail("down"))

        assert.deepStrictEqual(yield* counts(breaker), { ...none, successes: 1 })
        assert.strictEqual(yield* tagOf(breaker), "Closed")
      }))

    it.effect("does nothing at a settle after a reset, but free the permit (rule 5)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        const permit = yield* breaker.admit
        yield* breaker.reset
        yield* permit.settle(Outcome.failure())

        assert.deepStrictEqual(yield* counts(breaker), none)
        assert.strictEqual(yield* tagOf(breaker), "Closed")
      }))

    it.effect("fails with the refusal that execute would fail with", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        yield* fail(breaker)

        const [one, two] = [yield* Effect.flip(breaker.admit), yield* refusal(breaker)]

        assert.instanceOf(one, CircuitRejected)
        assert.strictEqual(one.message, two.message)
        assert.strictEqual((yield* counts(breaker)).rejected, 2)
      }))

    it.effect("settles an exit as execute would read it, by the breaker's classifier or the one given", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...never, classify: () => Outcome.ignored })
        const settled = (options?: { readonly classify: () => Outcome.Outcome }) =>
          Effect.flatMap(breaker.admit, (permit) => permit.settleExit(Exit.succeed(1), options))

        yield* settled()
        yield* settled({ classify: () => Outcome.failure() })

        assert.deepStrictEqual(yield* counts(breaker), { ...none, ignored: 1, failures: 1 })
      }))

    it.effect("keeps a permit that nobody settles in flight, and its slot only until the lease is over (rule 24)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(atOnce)
        yield* fail(breaker)
        yield* TestClock.adjust("60 seconds")
        yield* breaker.admit
        yield* TestClock.adjust("30 seconds")
        yield* ask(breaker)
        yield* TestClock.adjust("60 seconds")

        assert.strictEqual(yield* ask(breaker), "admitted")
        assert.strictEqual((yield* counts(breaker)).inFlight, 1)
      }))
  })

  describe("answered", () => {
    const slowOnes = {
      tripPolicy: TripPolicy.slowRate({
        slowAfter: 1000,
        threshold: 1,
        minimumCalls: 1,
        window: CallWindow.lastCalls(1)
      })
    }

    it.effect("keeps a call that answered in time from hanging (rule 17)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(slowOnes)
        const permit = yield* breaker.admit
        yield* TestClock.adjust(1000)
        yield* permit.answered
        yield* TestClock.adjust("1 hour")

        assert.strictEqual(yield* ask(breaker), "admitted")
        yield* permit.settle(Outcome.success)
        assert.strictEqual((yield* breaker.snapshot).slow, 0)
      }))

    it.effect("tells that it took too long, a millisecond later (rule 16)", () =>
      Effect.gen(function*() {
        const breaker = yield* make(slowOnes)
        const permit = yield* breaker.admit
        yield* TestClock.adjust(1001)
        yield* permit.answered
        yield* permit.settle(Outcome.success)

        assert.strictEqual(yield* tagOf(breaker), "Open")
      }))
  })

  describe("refusal", () => {
    it.effect("tells what the next ask would be refused with, and asks nothing (rule 2, rule 6)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...oneProbe, openDuration: 1000 })
        assert.strictEqual(yield* breaker.refusal, undefined)
        yield* fail(breaker)
        yield* TestClock.adjust(999)

        const told = yield* breaker.refusal
        assert.deepStrictEqual([told?.reason, told?.circuit, told?.cause.rule], ["Open", "openai", "consecutive"])
        assert.strictEqual(Duration.toMillis(told!.retryAfter), 1)
        assert.strictEqual((yield* breaker.snapshot).rejected, 0)

        yield* TestClock.adjust(1)
        assert.strictEqual(yield* breaker.refusal, undefined)
        assert.strictEqual(yield* tagOf(breaker), "Open")
      }))

    it.effect("knows of probes that run, of pauses and of isolation (rule 11, rule 23, rule 27)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...oneProbe, openDuration: 1000 })
        const reasonOf = Effect.map(breaker.refusal, (told) => told?.reason)
        yield* fail(breaker)
        yield* TestClock.adjust(1000)
        const probe = yield* breaker.admit
        const reasons = [yield* reasonOf]
        yield* probe.settle(Outcome.throttled({ retryAfter: 500 }))
        reasons.push(yield* reasonOf)
        yield* TestClock.adjust(500)
        reasons.push(yield* reasonOf)
        yield* breaker.isolate()
        reasons.push(yield* reasonOf)

        assert.deepStrictEqual(reasons, ["HalfOpen", "Throttled", undefined, "Isolated"])
      }))

    it.effect("is none where nobody is refused (rule 28)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ ...atOnce, mode: "observe" })
        yield* fail(breaker)
        const observed = yield* breaker.refusal
        yield* breaker.setMode("enforce")
        const enforced = yield* breaker.refusal
        yield* breaker.setMode("off")

        assert.deepStrictEqual([observed, enforced?.reason, yield* breaker.refusal], [undefined, "Open", undefined])
      }))

    it.effect("agrees with what the ask is then told, through a ramp (rule 26)", () =>
      Effect.gen(function*() {
        const breaker = yield* make({
          ...oneProbe,
          openDuration: 1000,
          ramp: { shares: [0.3], every: "1 hour", minimumCalls: 1000 }
        })
        yield* fail(breaker)
        yield* TestClock.adjust(1000)
        yield* succeed(breaker)
        for (let i = 0; i < 50; i++) {
          const told = yield* breaker.refusal
          assert.strictEqual(yield* ask(breaker), told === undefined ? "admitted" : `refused: ${told.reason}`)
        }
      }))
  })

  describe("layer", () => {
    it.effect("is one circuit for all who use it", () =>
      Effect.gen(function*() {
        yield* Effect.exit(withBreaker(Effect.fail("down")))

        assert.strictEqual(yield* tagOf(yield* Breaker.Breaker), "Open")
      }).pipe(Effect.provide(Breaker.layer({ name: "openai", ...atOnce }))))

    it.effect("builds one circuit where two parts of a program share the layer value, and two for two values", () =>
      Effect.gen(function*() {
        const one = Breaker.layer({ name: "openai" })
        const pair = yield* Effect.all([
          Effect.provide(Breaker.Breaker, Layer.mergeAll(one, one)),
          Effect.provide(Breaker.Breaker, Breaker.layer({ name: "openai" }))
        ])

        assert.notStrictEqual(pair[0], pair[1])
      }))
  })

  describe("layerConfig", () => {
    const Live = Breaker.layerConfig({
      name: Config.succeed("openai"),
      openDuration: Config.Duration("OPEN_FOR"),
      tripPolicy: Config.schema(Schema.fromJsonString(TripPolicy.TripPolicy), "TRIP_POLICY"),
      halfOpen: { concurrency: Config.Int("PROBES"), successes: Config.succeed(1) }
    })
    const env = (values: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromUnknown(values))
    const good = { OPEN_FOR: "20 seconds", TRIP_POLICY: `{ "_tag": "Consecutive", "failures": 1 }`, PROBES: "2" }
    const build = (values: Record<string, string>) =>
      Breaker.Breaker.pipe(Effect.provide(Live), Effect.provide(env(values)))

    it.effect("reads the settings of the program", () =>
      Effect.gen(function*() {
        const breaker = yield* build(good)
        yield* fail(breaker)
        const wait = yield* waitOf(breaker)
        yield* TestClock.adjust("20 seconds")
        yield* start(breaker)
        yield* start(breaker)

        assert.strictEqual(wait, 20_000)
        assert.strictEqual(yield* ask(breaker), "refused: HalfOpen")
        assert.strictEqual((yield* counts(breaker)).inFlight, 2)
      }))

    it.effect("fails with a ConfigError for a missing or unreadable setting", () =>
      Effect.gen(function*() {
        const { OPEN_FOR: _, ...missing } = good
        const bad = { ...good, TRIP_POLICY: `{ "_tag": "Consecutive", "failures": 0 }` }

        const errors = [yield* Effect.flip(build(missing)), yield* Effect.flip(build(bad))]

        assert.deepStrictEqual(errors.map(({ _tag }) => _tag), ["ConfigError", "ConfigError"])
        assert.include(String(errors[1]), "must be a whole number of at least 1, got 0")
      }))

    it.effect("dies of a readable RangeError for a setting that is readable and makes no sense", () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(build({ ...good, PROBES: "0" }))

        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.instanceOf(defect, RangeError)
        assert.include(String(defect), "halfOpen.concurrency must be a whole number of at least 1, got 0")
      }))
  })

  describe("in a program", () => {
    it.effect("keeps two breakers apart", () =>
      Effect.gen(function*() {
        const one = yield* Breaker.make({ name: "one", ...atOnce })
        const two = yield* Breaker.make({ name: "two", ...atOnce })
        yield* fail(one)

        assert.deepStrictEqual([yield* ask(one), yield* ask(two)], ["refused: Open", "admitted"])
        assert.deepStrictEqual([one.name, two.name], ["one", "two"])
      }))

    it.effect("makes another breaker each time its effect runs", () =>
      Effect.gen(function*() {
        const making = make(atOnce)
        const [one, two] = [yield* making, yield* making]
        yield* fail(one)

        assert.deepStrictEqual([yield* tagOf(one), yield* tagOf(two)], ["Open", "Closed"])
      }))

    it("works when it is made in one runtime and used in others", async () => {
      const breaker = Effect.runSync(make(atOnce))
      const runtime = ManagedRuntime.make(Layer.succeed(Breaker.Breaker, breaker))

      const value = await runtime.runPromise(withBreaker(Effect.succeed("answer")))
      await Effect.runPromise(fail(breaker))
      const refused = await runtime.runPromise(Effect.flip(withBreaker(Effect.succeed("answer"))))
      await runtime.dispose()

      assert.strictEqual(value, "answer")
      assert.instanceOf(refused, CircuitRejected)
    })

    const madeOutside = Effect.runSync(make(oneProbe))
    it.effect("goes by the clock of whoever uses it, not of whoever made it", () =>
      Effect.gen(function*() {
        yield* fail(madeOutside)
        yield* TestClock.adjust(59_999)
        const before = yield* ask(madeOutside)
        yield* TestClock.adjust(1)

        assert.deepStrictEqual([before, yield* ask(madeOutside)], ["refused: Open", "admitted"])
        assert.strictEqual((yield* madeOutside.snapshot).state, "Closed")
      }))

    it.effect("takes a thousand asks in one tick", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ tripPolicy: TripPolicy.consecutive(10) })

        const answers = yield* Effect.forEach(Array.from({ length: 1000 }), () => fail(breaker))

        assert.strictEqual(answers.filter((exit) => JSON.stringify(exit).includes("CircuitRejected")).length, 990)
        assert.deepStrictEqual(yield* counts(breaker), { ...none, failures: 10, rejected: 990 })
      }))

    it.effect("takes 100 000 concurrent calls", () =>
      Effect.gen(function*() {
        const window = CallWindow.lastCalls(100)
        const breaker = yield* make({ tripPolicy: TripPolicy.failureRate({ threshold: 1, minimumCalls: 100, window }) })
        const door = yield* Latch.make()
        const call = (i: number) => Effect.andThen(Latch.await(door), i % 2 === 0 ? Effect.void : Effect.fail("down"))
        const all = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 100_000 }, (_, i) => i), (i) => Effect.exit(breaker.execute(call(i))), {
            concurrency: "unbounded",
            discard: true
          }),
          { startImmediately: true }
        )
        yield* Effect.yieldNow

        const running = yield* counts(breaker)
        yield* Latch.open(door)
        yield* Fiber.join(all)

        assert.deepStrictEqual(running, { ...none, inFlight: 100_000 })
        assert.deepStrictEqual(yield* counts(breaker), { ...none, successes: 50_000, failures: 50_000 })
      }))

    it.effect("goes on while one call never ends", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* start(breaker)
        yield* TestClock.adjust("30 days")

        for (let i = 0; i < 100; i++) yield* succeed(breaker)

        assert.deepStrictEqual(yield* counts(breaker), { ...none, successes: 100, inFlight: 1 })
      }))
  })
})
