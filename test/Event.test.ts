import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Latch, Scope, Stream } from "effect"
import { Breaker, Outcome, TripPolicy } from "effect-breaker"
import { TestClock } from "effect/testing"

const make = (options?: Omit<Breaker.Options, "name">) =>
  Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1), halfOpen: { successes: 1 }, ...options })

const succeed = (breaker: Breaker.Breaker) => Effect.exit(breaker.execute(Effect.succeed("answer")))
const fail = (breaker: Breaker.Breaker) => Effect.exit(breaker.execute(Effect.fail("down")))

/** Listens from now on; what was told is there when the fibers had a turn. */
const listen = (breaker: Breaker.Breaker) =>
  Effect.gen(function*() {
    const heard: Array<Breaker.Event> = []
    yield* Effect.forkScoped(Stream.runForEach(breaker.events, (event) => Effect.sync(() => heard.push(event))), {
      startImmediately: true
    })
    yield* settled
    return heard
  })
const settled = Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow, { discard: true })

const line = (event: Breaker.Event) =>
  event._tag === "Transitioned"
    ? `${event.from} to ${event.to}${event.share === undefined ? "" : ` ${event.share}`}`
    : event._tag === "Commanded"
    ? `ordered to ${event.command}`
    : event._tag

const noon = Date.parse("2026-03-01T12:00:00.000Z")
const millisOf = (time: unknown): number => DateTime.isDateTime(time) ? DateTime.toEpochMillis(time) : Number(time)

describe("Event", () => {
  it.effect("tells an opening: when, from where, why and for how long", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      const breaker = yield* make()
      const heard = yield* listen(breaker)
      yield* TestClock.adjust("5 seconds")
      yield* fail(breaker)
      yield* settled

      const { cause } = yield* breaker.state
      assert.strictEqual(heard.length, 1)
      assert.deepInclude(heard[0], {
        _tag: "Transitioned",
        circuit: "openai",
        from: "Closed",
        to: "Open",
        generation: 1,
        cause,
        openFor: Duration.seconds(60)
      })
      assert.strictEqual(heard[0]?._tag === "Transitioned" ? millisOf(heard[0].at) : undefined, noon + 5000)
      assert.strictEqual(cause?.rule, "consecutive")
    }))

  it.effect("tells each refused call with its error", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      const breaker = yield* make()
      yield* fail(breaker)
      const heard = yield* listen(breaker)
      yield* TestClock.adjust("5 seconds")
      const error = yield* Effect.flip(breaker.admit)
      yield* settled

      assert.strictEqual(heard.length, 1)
      assert.deepInclude(heard[0], { _tag: "Rejected", circuit: "openai", error })
    }))

  it.effect("tells no throttle that changed nothing: settled twice, in a later period, or uncounted", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const [twice, late] = [yield* breaker.admit, yield* breaker.admit]
      yield* twice.settle(Outcome.success)
      yield* breaker.reset
      yield* breaker.setMode("off")
      const uncounted = yield* breaker.admit
      const heard = yield* listen(breaker)

      for (const permit of [twice, late, uncounted]) {
        yield* permit.settle(Outcome.throttled({ retryAfter: "3 seconds" }))
      }
      yield* settled

      assert.deepStrictEqual(heard.map(line), [])
      assert.strictEqual((yield* breaker.snapshot).throttled, 0)
    }))

  it.effect("tells a throttle: when, for how long, and in whose words", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      const breaker = yield* make()
      const heard = yield* listen(breaker)
      const throttled = (retryAfter: Duration.Input) =>
        Effect.flatMap(breaker.admit, (permit) =>
          permit.settle(Outcome.throttled({ retryAfter, kind: "rate_limit", message: "slow down" })))
      const late = yield* breaker.admit
      yield* TestClock.adjust("5 seconds")
      yield* throttled("3 seconds")
      yield* TestClock.adjust("1 seconds")
      yield* late.settle(Outcome.throttled({ retryAfter: "1 second" }))
      yield* settled

      assert.strictEqual(heard.length, 1)
      assert.deepInclude(heard[0], {
        _tag: "Throttled",
        circuit: "openai",
        at: noon + 5000,
        pause: Duration.seconds(3)
      })
      assert.deepInclude(heard[0]?._tag === "Throttled" ? heard[0].cause.failure : undefined, {
        at: noon + 5000,
        kind: "rate_limit",
        message: "slow down"
      })
    }))

  it.effect("tells that a throttle lasts longer, and nothing of one that changes nothing (rule 11)", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const permits = yield* Effect.all([breaker.admit, breaker.admit, breaker.admit])
      const heard = yield* listen(breaker)
      for (const [i, retryAfter] of (["3 seconds", "2 seconds", "4 seconds"] as const).entries()) {
        yield* permits[i]!.settle(Outcome.throttled({ retryAfter }))
      }
      yield* settled

      assert.deepStrictEqual(
        heard.map((event) => event._tag === "Throttled" ? Duration.toMillis(event.pause) : event._tag),
        [3000, 4000]
      )
    }))

  it.effect("tells each call that it would have refused, and lets it through (rule 28)", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ mode: "observe" })
      yield* fail(breaker)
      const heard = yield* listen(breaker)
      const exit = yield* succeed(breaker)
      yield* settled

      assert.strictEqual(exit._tag, "Success")
      assert.deepStrictEqual(heard.map(line), ["WouldReject"])
      assert.strictEqual(heard[0]?._tag === "WouldReject" ? heard[0].error.reason : undefined, "Open")
    }))

  it.effect("tells who gave an order, and why", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      const breaker = yield* make()
      const heard = yield* listen(breaker)
      const said = { note: "migration", by: "ada" }
      yield* breaker.isolate({ ...said, for: "1 minute" })
      yield* breaker.release
      yield* breaker.trip({ ...said, openFor: "1 minute" })
      assert.deepInclude((yield* breaker.state).cause, { rule: "manual", ...said })
      yield* breaker.setMode("observe", said)
      yield* settled

      const orders = heard.filter((event) => event._tag === "Commanded")
      const told = { _tag: "Commanded", circuit: "openai", at: noon, mode: undefined, ...said }
      assert.deepStrictEqual<ReadonlyArray<unknown>>(orders, [
        { ...told, command: "Isolate" },
        { ...told, command: "Release", note: undefined, by: undefined },
        { ...told, command: "Trip" },
        { ...told, command: "SetMode", mode: "observe" }
      ])
    }))

  it.effect("tells a change of mode", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(noon)
      const breaker = yield* make()
      const heard = yield* listen(breaker)
      yield* breaker.setMode("observe")
      yield* settled

      assert.strictEqual(heard.length, 1)
      assert.deepInclude(heard[0], { _tag: "Commanded", command: "SetMode", circuit: "openai", mode: "observe" })
    }))

  it.effect("tells a whole recovery, each step of the ramp included, in order", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ ramp: { shares: [0.5, 0.8], every: "2 seconds" } })
      const heard = yield* listen(breaker)
      yield* fail(breaker)
      yield* TestClock.adjust("60 seconds")
      yield* succeed(breaker)
      for (let i = 0; i < 3; i++) {
        yield* succeed(breaker)
        yield* TestClock.adjust("2 seconds")
      }
      yield* settled

      assert.deepStrictEqual(heard.map(line), [
        "Closed to Open",
        "Open to HalfOpen",
        "HalfOpen to HalfOpen 0.5",
        "HalfOpen to HalfOpen 0.8",
        "HalfOpen to Closed"
      ])
    }))

  it.effect("tells what an operator does", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const heard = yield* listen(breaker)
      yield* breaker.trip({ openFor: "1 second", note: "drill" })
      yield* breaker.reset
      yield* breaker.isolate("bad deploy")
      yield* breaker.release
      yield* settled

      assert.deepStrictEqual(heard.map(line), [
        "Closed to Open",
        "ordered to Trip",
        "Open to Closed",
        "ordered to Reset",
        "Closed to Isolated",
        "ordered to Isolate",
        "Isolated to Closed",
        "ordered to Release"
      ])
      assert.deepStrictEqual(
        heard.flatMap((event) => event._tag === "Transitioned" ? [event.cause?.note] : []),
        ["drill", undefined, "bad deploy", undefined]
      )
      assert.deepStrictEqual(
        heard.flatMap((event) => event._tag === "Commanded" ? [[event.note, event.by]] : []),
        [["drill", undefined], [undefined, undefined], ["bad deploy", undefined], [undefined, undefined]]
      )
    }))

  it.effect("tells every listener the same", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const [one, two] = [yield* listen(breaker), yield* listen(breaker)]
      yield* fail(breaker)
      yield* succeed(breaker)
      yield* settled

      assert.deepStrictEqual(one.map(line), ["Closed to Open", "Rejected"])
      assert.deepStrictEqual(two, one)
    }))

  it.effect("tells a listener what happens from when it listens on", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      yield* fail(breaker)
      const heard = yield* listen(breaker)
      yield* breaker.reset
      yield* settled

      assert.deepStrictEqual(heard.map(line), ["Open to Closed", "ordered to Reset"])
    }))

  it.effect("goes on for the others when a listener stops, is interrupted or fails", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const stopping = yield* Effect.forkChild(Stream.runCollect(Stream.take(breaker.events, 1)), {
        startImmediately: true
      })
      const interrupted = yield* Effect.forkChild(Stream.runDrain(breaker.events), { startImmediately: true })
      const failing = yield* Effect.forkChild(Stream.runForEach(breaker.events, () => Effect.fail("disk full")), {
        startImmediately: true
      })
      const heard = yield* listen(breaker)
      yield* Fiber.interrupt(interrupted)
      yield* fail(breaker)
      yield* Effect.exit(Fiber.join(failing))
      const stopped = yield* Fiber.join(stopping)

      yield* breaker.reset
      yield* fail(breaker)
      yield* settled

      assert.deepStrictEqual(stopped.map(line), ["Closed to Open"])
      assert.deepStrictEqual(heard.map(line), [
        "Closed to Open",
        "Open to Closed",
        "ordered to Reset",
        "Closed to Open"
      ])
    }))

  it.effect("keeps the newest 256 for a listener that is slow, and holds up no call", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const door = yield* Latch.make()
      const notes: Array<string | undefined> = []
      yield* Effect.forkScoped(
        Stream.runForEach(breaker.events, (event) =>
          Effect.andThen(
            Effect.sync(() => notes.push(event._tag === "Transitioned" ? event.cause?.note : event._tag)),
            Latch.await(door)
          )),
        { startImmediately: true }
      )
      yield* settled
      yield* breaker.trip({ note: "first" })
      yield* settled

      for (let i = 1; i <= 1000; i++) yield* breaker.trip({ note: String(i) })
      yield* Latch.open(door)
      yield* Effect.forEach(Array.from({ length: 1000 }), () => Effect.yieldNow, { discard: true })

      // Each order is two events: the transition, and who gave it.
      const newest = Array.from({ length: 128 }, (_, i) => [String(873 + i), "Commanded"])
      assert.deepStrictEqual(notes, ["first", "Commanded", ...newest.flat()])
    }))

  it.effect("tells nothing to a listener whose scope is closed", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const scope = yield* Scope.make()
      const heard = yield* Scope.provide(listen(breaker), scope)
      yield* fail(breaker)
      yield* settled
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      yield* breaker.reset
      yield* settled

      assert.deepStrictEqual(heard.map(line), ["Closed to Open"])
    }))

  it.effect("tells a listener that asks the breaker back", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      const states: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(Stream.take(breaker.events, 2), (event) =>
          Effect.gen(function*() {
            states.push(`${line(event)}: ${(yield* breaker.state)._tag}`)
            yield* breaker.reset
          })),
        { startImmediately: true }
      )
      yield* settled
      yield* fail(breaker)
      yield* settled

      assert.deepStrictEqual(states, ["Closed to Open: Open", "Open to Closed: Closed"])
    }))
})
