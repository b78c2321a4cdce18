import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, References, Stream } from "effect"
import {
  Breaker,
  BreakerMap,
  BreakerStream,
  CallWindow,
  Fallback,
  Outcome,
  TripPolicy,
  withBreaker
} from "effect-breaker"
import { TestClock } from "effect/testing"

// A fiber gives way by itself after so many operations, and may be interrupted just there. With budgets from 2 to 60 and
// an interrupt after the first turns, and with one operation a turn, every place within a guarded call is met.
const budgets = Array.from({ length: 59 }, (_, i) => i + 2)
// The smallest budget that gets anywhere: of three operations two are the yield's own.
const oneByOne = 3
const steps = Array.from({ length: 30 }, (_, i) => i)

type Body = Effect.Effect<unknown, unknown>
type Call = Effect.Effect<unknown, unknown, Breaker.Breaker>

interface Subject {
  /** What gives back the breaker, however the wrapper came by it. */
  readonly breaker: Breaker.Breaker
  readonly wrap: (body: Body) => Call
}

type Make = (options: Omit<Breaker.Options, "name">) => Effect.Effect<Subject>

const alone = (wrap: (body: Body, breaker: Breaker.Breaker) => Call): Make => (options) =>
  Effect.map(Breaker.make({ name: "openai", ...options }), (breaker) => ({
    breaker,
    wrap: (body) => wrap(body, breaker)
  }))

/** A stream that runs a body between its first element and its last. */
const streamOf = (body: Body) =>
  Stream.make(1).pipe(Stream.concat(Stream.fromEffect(body)), Stream.concat(Stream.make(3)))

const wrappers: Record<string, Make> = {
  execute: alone((body, breaker) => breaker.execute(body)),
  "execute with a classifier": alone((body, breaker) =>
    breaker.execute(body, { classify: (exit) => Exit.isSuccess(exit) ? Outcome.success : Outcome.failure() })
  ),
  withBreaker: alone((body) => withBreaker(body)),
  "BreakerMap.execute": (options) =>
    Effect.gen(function*() {
      const map = yield* BreakerMap.make(options)
      return { breaker: yield* map.get("large"), wrap: (body) => map.execute(body, { key: "large" }) }
    }),
  "admit inside acquireRelease": alone((body, breaker) =>
    Effect.scoped(Effect.gen(function*() {
      const permit = yield* Effect.acquireRelease(breaker.admit, (permit, exit) => permit.settleExit(exit))
      yield* body
      return permit
    }))
  ),
  "admit inside acquireUseRelease": alone((body, breaker) =>
    Effect.acquireUseRelease(breaker.admit, () => body, (permit, exit) => permit.settleExit(exit))
  ),
  "BreakerStream.withBreaker": alone((body) => Stream.runDrain(BreakerStream.withBreaker(streamOf(body)))),
  "BreakerStream.withBreaker with deadlines": alone((body) =>
    Stream.runDrain(BreakerStream.withBreaker(streamOf(body), { firstElement: "1 day", idle: "1 day" }))
  ),
  "BreakerStream.withBreaker stopped early": alone((body) =>
    streamOf(body).pipe(BreakerStream.withBreaker(), Stream.take(2), Stream.runDrain)
  ),
  "Fallback.withFallback": alone((body) =>
    withBreaker(body).pipe(Fallback.withFallback(Fallback.cached({ maxAge: "1 minute" }), Fallback.value("sorry")))
  ),
  "withBreaker under retry and timeout": alone((body) =>
    withBreaker(Effect.timeout(body, "1 day")).pipe(Effect.retry({ times: 2 }))
  )
}

const interruptAfter = (call: Call, breaker: Breaker.Breaker, { budget, step }: { budget?: number; step: number }) =>
  Effect.gen(function*() {
    const provided = Effect.provideService(call, Breaker.Breaker, breaker)
    const fiber = yield* Effect.forkChild(
      budget === undefined ? provided : Effect.provideService(provided, References.MaxOpsBeforeYield, budget),
      { startImmediately: step > 0 }
    )
    for (let i = 1; i < step; i++) yield* Effect.yieldNow
    yield* Fiber.interrupt(fiber)
  })

/** Interrupts a call at every place that it can be interrupted at, and looks after each. */
const sweep = <E, R>(
  { breaker, wrap }: Subject,
  body: Body,
  look: (at: string) => Effect.Effect<void, E, R>
) =>
  Effect.gen(function*() {
    for (const step of steps) {
      yield* interruptAfter(wrap(body), breaker, { step })
      yield* look(`at step ${step}`)
    }
    for (const budget of budgets) {
      for (const step of [1, 2, 3, 5, 8]) {
        yield* interruptAfter(wrap(body), breaker, { budget, step })
        yield* look(`yielding every ${budget} operations, at turn ${step}`)
      }
    }
    for (const step of Array.from({ length: 200 }, (_, i) => i)) {
      yield* interruptAfter(wrap(body), breaker, { budget: oneByOne, step })
      yield* look(`one operation a turn, at turn ${step}`)
    }
  })

/** The worst that any place showed: how many calls were still in flight. */
const leaks = (subject: Subject, body: Body) =>
  Effect.gen(function*() {
    let worst = 0
    yield* sweep(subject, body, () =>
      Effect.map(subject.breaker.snapshot, ({ inFlight }) => {
        worst = Math.max(worst, inFlight)
      }))
    return worst
  })

const window = CallWindow.lastCalls(20)
const watchful = {
  tripPolicy: TripPolicy.anyOf(
    TripPolicy.consecutive(1),
    TripPolicy.failureRate({ threshold: 0.01, minimumCalls: 1, window })
  )
}
// Ends at once, and says nothing of the provider: the same state to be interrupted in, again and again.
const unremarkable = { classify: () => Outcome.ignored }

const counted = (breaker: Breaker.Breaker) =>
  Effect.map(breaker.snapshot, ({ failures, slow, state, successes, throttled, window }) => ({
    failures,
    slow,
    state,
    successes,
    throttled,
    window
  }))

const asked = (breaker: Breaker.Breaker) =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(breaker.admit)
    if (Exit.isSuccess(exit)) yield* exit.value.settle(Outcome.ignored)
    return Exit.isSuccess(exit) ? "admitted" : "refused"
  })

const recovering = (make: Make, options: Omit<Breaker.Options, "name">) =>
  Effect.gen(function*() {
    const subject = yield* make({ ...watchful, ...options })
    const permit = yield* subject.breaker.admit
    yield* permit.settle(Outcome.failure())
    yield* TestClock.adjust("60 seconds")
    return subject
  })

describe("interruption", () => {
  for (const [name, make] of Object.entries(wrappers)) {
    describe(`of ${name}`, () => {
      it.effect("frees the permit of a call that hangs, and counts nothing (rule 10)", () =>
        Effect.gen(function*() {
          const subject = yield* make(watchful)
          const untouched = yield* counted(subject.breaker)

          yield* sweep(subject, Effect.never, (at) =>
            Effect.gen(function*() {
              assert.strictEqual((yield* subject.breaker.snapshot).inFlight, 0, at)
              assert.deepStrictEqual(yield* counted(subject.breaker), untouched, at)
            }))
        }))

      it.effect("frees the permit of calls that come and go", () =>
        Effect.gen(function*() {
          const subject = yield* make(watchful)

          assert.strictEqual(yield* leaks(subject, Effect.void), 0)
          assert.strictEqual(
            yield* leaks({ ...subject, wrap: (body) => Effect.forever(subject.wrap(body)) }, Effect.void),
            0
          )
          assert.strictEqual((yield* subject.breaker.snapshot).failures, 0)
        }))

      it.effect("frees the permit of calls that fail", () =>
        Effect.gen(function*() {
          const subject = yield* make({ tripPolicy: TripPolicy.never })

          assert.strictEqual(yield* leaks(subject, Effect.fail("down")), 0)
        }))

      it.effect("frees a probe's slot", () =>
        Effect.gen(function*() {
          const subject = yield* recovering(make, unremarkable)
          const untouched = { ...(yield* counted(subject.breaker)), state: "HalfOpen" }

          yield* sweep(subject, Effect.never, (at) =>
            Effect.gen(function*() {
              assert.strictEqual((yield* subject.breaker.snapshot).inFlight, 0, at)
              assert.strictEqual(yield* asked(subject.breaker), "admitted", at)
              assert.deepStrictEqual(yield* counted(subject.breaker), untouched, at)
            }))
        }))

      it.effect("frees the slot of probes that come and go", () =>
        Effect.gen(function*() {
          const subject = yield* recovering(make, { ...unremarkable, halfOpen: { successes: 1_000_000 } })

          yield* sweep(subject, Effect.void, (at) =>
            Effect.gen(function*() {
              assert.strictEqual((yield* subject.breaker.snapshot).inFlight, 0, at)
              assert.strictEqual(yield* asked(subject.breaker), "admitted", at)
            }))

          assert.strictEqual((yield* subject.breaker.state)._tag, "HalfOpen")
        }))

      it.effect("frees the permit during a ramp", () =>
        Effect.gen(function*() {
          const subject = yield* recovering(make, {
            halfOpen: { successes: 1 },
            ramp: { shares: [0.5], every: "1 hour" }
          })
          const probe = yield* subject.breaker.admit
          yield* probe.settle(Outcome.success)
          const untouched = yield* counted(subject.breaker)

          yield* sweep(subject, Effect.never, (at) =>
            Effect.gen(function*() {
              assert.strictEqual((yield* subject.breaker.snapshot).inFlight, 0, at)
              assert.deepStrictEqual(yield* counted(subject.breaker), untouched, at)
            }))

          assert.strictEqual((yield* subject.breaker.state)._tag, "HalfOpen")
        }))

      it.effect("frees the permit where the circuit only watches", () =>
        Effect.gen(function*() {
          const subject = yield* make({ ...watchful, mode: "observe" })
          yield* subject.breaker.isolate()

          assert.strictEqual(yield* leaks(subject, Effect.never), 0)
        }))

      it.effect("holds the permit of an uninterruptible body until it ends", () =>
        Effect.gen(function*() {
          const { breaker, wrap } = yield* make(watchful)
          const door = yield* Deferred.make<void>()
          const body = Effect.uninterruptible(Deferred.await(door))
          const call = wrap(body).pipe(Effect.provideService(Breaker.Breaker, breaker))
          const fiber = yield* Effect.forkChild(call, { startImmediately: true })
          for (const _ of steps) yield* Effect.yieldNow

          const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          for (const _ of steps) yield* Effect.yieldNow
          const during = yield* breaker.snapshot
          yield* Deferred.succeed(door, undefined)
          yield* Fiber.join(interrupting)

          assert.strictEqual(during.inFlight, 1)
          assert.strictEqual((yield* breaker.snapshot).inFlight, 0)
          assert.strictEqual((yield* breaker.snapshot).failures, 0)
        }))

      it.effect("holds the permit while the body's finalizer runs, however often it is interrupted", () =>
        Effect.gen(function*() {
          const { breaker, wrap } = yield* make(watchful)
          const door = yield* Deferred.make<void>()
          const body = Effect.onExit(Effect.never, () => Deferred.await(door))
          const call = wrap(body).pipe(Effect.provideService(Breaker.Breaker, breaker))
          const fiber = yield* Effect.forkChild(call, { startImmediately: true })
          for (const _ of steps) yield* Effect.yieldNow

          const interrupting = yield* Effect.forEach(
            [1, 2, 3],
            () => Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          )
          for (const _ of steps) yield* Effect.yieldNow
          const during = yield* breaker.snapshot
          yield* Deferred.succeed(door, undefined)
          yield* Effect.forEach(interrupting, Fiber.join)

          assert.strictEqual(during.inFlight, 1)
          assert.strictEqual((yield* breaker.snapshot).inFlight, 0)
          assert.strictEqual((yield* breaker.snapshot).failures, 0)
        }))
    })
  }

  it.effect("counts a call that failed, though a sibling's failure interrupts the rest", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      const hanging = Array.from({ length: 9 }, () => breaker.execute(Effect.never))

      yield* Effect.exit(
        Effect.all([...hanging, breaker.execute(Effect.fail("down"))], { concurrency: "unbounded", discard: true })
      )

      const { failures, ignored, inFlight } = yield* breaker.snapshot
      assert.deepStrictEqual({ failures, ignored, inFlight }, { failures: 1, ignored: 9, inFlight: 0 })
    }))

  it.effect("frees the permit of a call that a race or a timeout outside gives up", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai", ...watchful })

      yield* Effect.race(breaker.execute(Effect.never), Effect.yieldNow)
      const late = yield* Effect.forkChild(Effect.exit(Effect.timeout(breaker.execute(Effect.never), "5 seconds")), {
        startImmediately: true
      })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(late)

      const { failures, ignored, inFlight, state } = yield* breaker.snapshot
      assert.deepStrictEqual({ failures, ignored, inFlight, state }, {
        failures: 0,
        ignored: 2,
        inFlight: 0,
        state: "Closed"
      })
    }))

  it.effect("counts a timeout inside as a failure", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai", ...watchful })
      const late = yield* Effect.forkChild(Effect.exit(breaker.execute(Effect.timeout(Effect.never, "5 seconds"))), {
        startImmediately: true
      })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(late)

      const { failures, inFlight, state } = yield* breaker.snapshot
      assert.deepStrictEqual({ failures, inFlight, state }, { failures: 1, inFlight: 0, state: "Open" })
    }))

  const turning = (
    before: (b: Breaker.Breaker) => Effect.Effect<void>,
    after: (b: Breaker.Breaker) => Effect.Effect<void>
  ) =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      for (const budget of [oneByOne, 4, 5, 6, 7]) {
        for (const step of steps) {
          yield* before(breaker)
          const call = Effect.provideService(breaker.execute(Effect.void), References.MaxOpsBeforeYield, budget)
          const fiber = yield* Effect.forkChild(Effect.exit(call), { startImmediately: step > 0 })
          for (let i = 1; i < step; i++) yield* Effect.yieldNow
          yield* after(breaker)
          yield* Fiber.join(fiber)

          assert.strictEqual(
            (yield* breaker.snapshot).inFlight,
            0,
            `yielding every ${budget} operations, at turn ${step}`
          )
        }
      }
    })

  it.effect("settles a call that was about to be refused and then was not, whenever the circuit closes", () =>
    turning((breaker) => breaker.trip(), (breaker) => breaker.reset))

  it.effect("settles a call that was about to be admitted and then was not, whenever the circuit opens", () =>
    turning((breaker) => breaker.reset, (breaker) => breaker.trip()))

  it.effect("settles a call whose mode changes at any moment", () =>
    Effect.gen(function*() {
      for (
        const [from, to] of [["off", "enforce"], ["enforce", "off"], ["observe", "enforce"], [
          "enforce",
          "observe"
        ]] as const
      ) {
        yield* turning((breaker) => breaker.setMode(from), (breaker) => breaker.setMode(to))
      }
    }))

  describe("the sweep itself", () => {
    const leaky = (admitting: (breaker: Breaker.Breaker, body: Body) => Call): Make =>
      alone((body, breaker) => admitting(breaker, body))
    const caught: Record<string, Make> = {
      "a permit taken one step before its finalizer stands": leaky((breaker, body) =>
        Effect.flatMap(breaker.admit, (permit) => Effect.onExit(body, (exit) => permit.settleExit(exit)))
      ),
      "a permit settled by a recovery handler": leaky((breaker, body) =>
        Effect.uninterruptible(breaker.admit).pipe(
          Effect.flatMap((permit) =>
            Effect.matchCauseEffect(body, {
              onFailure: (cause) => Effect.andThen(permit.settleExit(Exit.failCause(cause)), Effect.failCause(cause)),
              onSuccess: (value) => Effect.as(permit.settle(Outcome.success), value)
            })
          )
        )
      ),
      "a permit settled after the body": leaky((breaker, body) =>
        Effect.gen(function*() {
          const permit = yield* breaker.admit
          const exit = yield* Effect.exit(body)
          yield* permit.settleExit(exit)
          return yield* exit
        })
      )
    }
    for (const [name, make] of Object.entries(caught)) {
      it.effect(`catches ${name}`, () =>
        Effect.gen(function*() {
          const subject = yield* make({ tripPolicy: TripPolicy.never })
          const forever = { ...subject, wrap: (body: Body) => Effect.forever(subject.wrap(body)) }

          assert.isAbove(yield* leaks(forever, Effect.void), 0)
        }))
    }

    it.effect("meets a call both before and after it asked", () =>
      Effect.gen(function*() {
        const subject = yield* wrappers["execute"]!({ tripPolicy: TripPolicy.never })
        const ignored = new Set<number>()
        let last = 0
        yield* sweep(subject, Effect.never, () =>
          Effect.map(subject.breaker.snapshot, (read) => {
            ignored.add(read.ignored - last)
            last = read.ignored
          }))

        assert.sameMembers([...ignored], [0, 1])
      }))
  })

  it.effect("closes with the layer's scope, and leaves nothing running", () =>
    Effect.gen(function*() {
      const breaker = yield* Effect.scoped(Effect.gen(function*() {
        const built = yield* Layer.build(Breaker.layer({ name: "openai" }))
        const call = Effect.provideContext(withBreaker(Effect.never), built)
        yield* Effect.forkScoped(call, { startImmediately: true })
        const { inFlight } = yield* Effect.provideContext(Effect.flatMap(Breaker.Breaker, (b) => b.snapshot), built)
        assert.strictEqual(inFlight, 1)
        return yield* Effect.provideContext(Breaker.Breaker, built)
      }))

      assert.strictEqual((yield* breaker.snapshot).inFlight, 0)
    }))
})
