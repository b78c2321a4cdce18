import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Latch, Layer, Schedule, Stream } from "effect"
import { Breaker, BreakerMap, Outcome, TripPolicy } from "effect-breaker"
import { CircuitControl, CircuitReader, Registry } from "effect-breaker/control"
import { TestClock } from "effect/testing"

/** Each test has circuits of its own. */
const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Registry.Current, new Registry.Registry()))

const three = Effect.all([
  Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1), openDuration: "1 minute" }),
  Breaker.make({ name: "anthropic" }),
  Breaker.make({ name: "search" })
])

const states = (breakers: ReadonlyArray<Breaker.Breaker>) =>
  Effect.forEach(breakers, ({ state }) => Effect.map(state, ({ _tag }) => _tag))
const fail = (breaker: Breaker.Breaker) => Effect.exit(breaker.execute(Effect.fail("down")))
const succeed = (breaker: Breaker.Breaker) => Effect.exit(breaker.execute(Effect.succeed("answer")))

describe("CircuitControl", () => {
  it.effect("reaches all, some by name, by id or by what they say, and tells how many", () =>
    alone(Effect.gen(function*() {
      const all = yield* three
      const control = yield* CircuitControl.make
      const { circuits } = yield* CircuitReader.make
      const [, anthropic] = yield* circuits

      assert.strictEqual(yield* control.isolate({ names: ["openai", "search", "nobody"] }), 2)
      assert.deepStrictEqual(yield* states(all), ["Isolated", "Closed", "Isolated"])
      assert.strictEqual(yield* control.trip({ ids: [anthropic!.id] }, { openFor: "5 seconds" }), 1)
      assert.deepStrictEqual(yield* states(all), ["Isolated", "Open", "Isolated"])
      assert.strictEqual(yield* control.release({ where: ({ state }) => state === "Isolated" }), 2)
      assert.deepStrictEqual(yield* states(all), ["Closed", "Open", "Closed"])
      assert.strictEqual(yield* control.reset({ all: true }), 3)
      assert.deepStrictEqual(yield* states(all), ["Closed", "Closed", "Closed"])
      assert.strictEqual(yield* control.setMode({ all: true }, "observe"), 3)
      const modes = yield* Effect.forEach(all, ({ snapshot }) => Effect.map(snapshot, ({ mode }) => mode))
      assert.deepStrictEqual(modes, ["observe", "observe", "observe"])
    })))

  it.effect("reaches the circuits of a map", () =>
    alone(Effect.gen(function*() {
      const map = yield* BreakerMap.make()
      const [a, b] = [yield* map.get("a"), yield* map.get("b")]
      const control = yield* CircuitControl.make

      assert.strictEqual(yield* control.isolate({ names: ["b"] }), 1)
      assert.deepStrictEqual(yield* states([a, b]), ["Closed", "Isolated"])
    })))

  it.effect("isolates for a while: the circuit comes back by itself to what was interrupted", () =>
    alone(Effect.gen(function*() {
      const [openai] = yield* three
      yield* fail(openai)
      const control = yield* CircuitControl.make
      yield* control.isolate({ names: ["openai"] }, { for: "15 seconds", note: "bad deploy", by: "ada" })

      const refused = yield* Effect.flip(openai.admit)
      assert.deepInclude(refused.cause, { rule: "isolated", note: "bad deploy", by: "ada" })
      yield* TestClock.adjust(14_999)
      assert.strictEqual((yield* Effect.flip(openai.admit)).reason, "Isolated")
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Effect.flip(openai.admit)).reason, "Open")
      yield* TestClock.adjust(45_000)
      yield* succeed(openai)

      assert.strictEqual((yield* openai.state)._tag, "HalfOpen")
    })))

  it.effect("records in the events who gave each order, and why", () =>
    alone(Effect.gen(function*() {
      const [openai] = yield* three
      const control = yield* CircuitControl.make
      const reader = yield* CircuitReader.make
      const reason = { by: "ada", note: "drill" }
      const heard = yield* Effect.forkChild(
        reader.events.pipe(
          Stream.filter((event) => event._tag === "Commanded"),
          Stream.take(6),
          Stream.runCollect
        ),
        { startImmediately: true }
      )
      yield* Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow, { discard: true })
      const which = { names: [openai.name] }
      yield* control.isolate(which, reason)
      yield* control.release(which, reason)
      yield* control.trip(which, reason)
      yield* control.reset(which, reason)
      yield* control.setMode(which, "observe", reason)
      yield* control.configure(which, { jitter: 0.1 }, reason)

      const events = yield* Fiber.join(heard)
      assert.deepStrictEqual(events.map((event) => event._tag === "Commanded" && event.command), [
        "Isolate",
        "Release",
        "Trip",
        "Reset",
        "SetMode",
        "Configure"
      ])
      for (const event of events) assert.deepInclude(event, { ...reason, circuit: "openai" })
    })))

  it.effect("throws for a bad setting, names it, and changes no circuit", () =>
    alone(Effect.gen(function*() {
      const all = yield* three
      const control = yield* CircuitControl.make
      const every = { all: true } as const

      assert.throws(
        () => control.isolate(every, { for: Number.NaN }),
        /CircuitControl.isolate: for must be .*, got NaN/
      )
      assert.throws(() => control.trip(every, { openFor: -1 }), /CircuitControl.trip: openFor must be .*, got -1/)
      assert.throws(() => control.setMode(every, "on" as never), /CircuitControl.setMode: mode must be .*, got "on"/)
      assert.throws(
        () => control.configure(every, { halfOpen: { concurrency: 0 } }),
        /CircuitControl.configure: halfOpen.concurrency must be .*, got 0/
      )
      assert.throws(() => control.isolate(every, { by: { name: "ada" } as never }), /isolate: by must be a text, got {/)
      assert.throws(
        () => control.reset(every, { note: 5 as never }),
        /CircuitControl.reset: note must be a text, got 5/
      )
      assert.throws(() => control.configure(every, {}, { by: 5 as never }), /configure: by must be a text, got 5/)
      const nobody = [undefined, "openai", {}, { all: false }, { name: ["openai"] }, { names: "openai" }, { ids: [1] }]
      for (const which of nobody) {
        assert.throws(
          () => control.isolate(which as never),
          /isolate: which must be \{ all: true \}, \{ names \}, .*, got/
        )
        assert.throws(() => control.configure(which as never, {}), /CircuitControl.configure: which must be/)
      }
      assert.deepStrictEqual(yield* states(all), ["Closed", "Closed", "Closed"])
    })))

  it.effect("is a service of its own beside the reader, which gives no way to steer", () =>
    alone(
      Effect.gen(function*() {
        yield* three
        const reader = yield* CircuitReader.CircuitReader
        const [first] = yield* reader.circuits

        assert.sameMembers(Object.keys(first!), ["id"])
        assert.notProperty(first, "isolate")
        assert.notProperty(reader, "isolate")
        assert.property(yield* CircuitControl.CircuitControl, "isolate")
      }).pipe(Effect.provide(Layer.merge(CircuitReader.layer, CircuitControl.layer)))
    ))
})

describe("CircuitControl.configure", () => {
  const openai = { names: ["openai"] }

  it.effect("keeps the streak, and judges it by the new policy at the next call (rule 14)", () =>
    alone(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      const { configure } = yield* CircuitControl.make
      yield* fail(breaker)
      yield* fail(breaker)
      yield* configure(openai, { tripPolicy: TripPolicy.consecutive(3) })
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
      yield* fail(breaker)

      const { cause } = yield* breaker.state
      assert.deepInclude(cause, { rule: "consecutive", value: 3, limit: 3 })
    })))

  it.effect("lets an opening run to the end it was told with; the next one follows the new duration", () =>
    alone(Effect.gen(function*() {
      const [breaker] = yield* three
      const { configure } = yield* CircuitControl.make
      yield* fail(breaker)
      yield* configure(openai, { openDuration: Schedule.spaced("5 seconds"), halfOpen: { successes: 1 } })
      yield* TestClock.adjust(59_999)
      assert.strictEqual((yield* Effect.flip(breaker.admit)).reason, "Open")
      yield* TestClock.adjust(1)
      yield* fail(breaker)

      const { _tag, retryAfter } = yield* breaker.state
      assert.deepStrictEqual([_tag, Duration.toSeconds(retryAfter)], ["Open", 5])
    })))

  it.effect("keeps what it does not name, the mode and the counts too; what is given as undefined is the default again", () =>
    alone(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(2), openDuration: 100 })
      const { configure, setMode } = yield* CircuitControl.make
      yield* setMode(openai, "observe")
      yield* succeed(breaker)
      yield* configure(openai, { openDuration: 200 })
      yield* fail(breaker)
      yield* fail(breaker)
      const { failures, mode, retryAfter, successes } = yield* breaker.snapshot
      assert.deepStrictEqual([failures, mode, Duration.toMillis(retryAfter), successes], [2, "observe", 200, 1])

      yield* breaker.reset
      yield* configure(openai, { openDuration: undefined })
      yield* fail(breaker)
      yield* fail(breaker)
      assert.strictEqual(Duration.toSeconds((yield* breaker.state).retryAfter), 60)
    })))

  it.effect("reads calls in flight by the classifier they began with, and new ones by the new one", () =>
    alone(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai", classify: () => Outcome.ignored })
      const { configure } = yield* CircuitControl.make
      const door = yield* Latch.make()
      const running = yield* Effect.forkChild(breaker.execute(Latch.await(door)), { startImmediately: true })
      yield* configure(openai, { classify: () => Outcome.failure() })
      yield* Latch.open(door)
      yield* Fiber.join(running)
      yield* succeed(breaker)

      const { failures, ignored, inFlight } = yield* breaker.snapshot
      assert.deepStrictEqual([failures, ignored, inFlight], [1, 1, 0])
    })))

  it.effect("is for the circuits that a map makes later too: all of them, or those of the same names", () =>
    alone(Effect.gen(function*() {
      const map = yield* BreakerMap.make({ tripPolicy: TripPolicy.consecutive(5), capacity: 1 })
      const { configure } = yield* CircuitControl.make
      const trips = (key: string) =>
        Effect.gen(function*() {
          let failures = 0
          while ((yield* (yield* map.get(key)).state)._tag === "Closed") {
            failures++
            yield* Effect.exit(map.execute(Effect.fail("down"), { key }))
          }
          yield* (yield* map.get(key)).reset
          return failures
        })
      yield* map.get("a")
      yield* configure({ names: ["a"] }, { tripPolicy: TripPolicy.consecutive(1) })
      assert.deepStrictEqual([yield* trips("a"), yield* trips("b"), yield* trips("a")], [1, 5, 1])

      yield* configure({ all: true }, { tripPolicy: TripPolicy.consecutive(3) })
      assert.deepStrictEqual([yield* trips("a"), yield* trips("b"), yield* trips("c")], [3, 3, 3])
    })))
})
