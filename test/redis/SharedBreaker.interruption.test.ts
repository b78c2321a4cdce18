/** Whoever is interrupted gives back what he was given: a call that waits for leave above all, wherever that happens. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, References, Scope } from "effect"
import { type Breaker, Outcome } from "effect-breaker"
import { answerOf, eventually, fail, keptOf, type Member, memberOf, patient, until } from "./members.ts"
import { makeServer, type Server, withTime } from "./server.ts"

// A fiber gives way by itself after so many operations, and may be interrupted just there.
const budgets = Array.from({ length: 59 }, (_, i) => i + 2)
// The smallest budget that gets anywhere: of three operations two are the yield's own.
const oneByOne = 3
const steps = Array.from({ length: 30 }, (_, i) => i)

type Call = (breaker: Breaker.Breaker) => Effect.Effect<unknown, unknown>

const calls: Record<string, Call> = {
  "a call": (breaker) => breaker.execute(Effect.never),
  "a call that comes and goes": (breaker) => breaker.execute(Effect.void, { classify: () => Outcome.ignored }),
  "a permit inside acquireRelease": (breaker) =>
    Effect.scoped(
      Effect.andThen(
        Effect.acquireRelease(breaker.admit, (permit) => permit.settle(Outcome.ignored)),
        Effect.never
      )
    )
}

/** Lets answers of Redis come in, or not. */
const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** Interrupts a call after so many turns of the run loop, or of the network. */
const interruptAfter = (
  call: Effect.Effect<unknown, unknown>,
  { budget, step, wait }: { readonly budget?: number; readonly step: number; readonly wait: Effect.Effect<void> }
) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(
      budget === undefined ? call : Effect.provideService(call, References.MaxOpsBeforeYield, budget),
      { startImmediately: step > 0 }
    )
    for (let i = 1; i < step; i++) yield* wait
    yield* Fiber.interrupt(fiber)
  })

/** Interrupts a call at every place that it can be interrupted at. */
const sweep = (call: Effect.Effect<unknown, unknown>) =>
  Effect.gen(function*() {
    for (const step of steps) {
      yield* interruptAfter(call, { step, wait: Effect.yieldNow })
      yield* interruptAfter(call, { step, wait: turn })
    }
    for (const budget of budgets) {
      for (const step of [1, 2, 3, 5, 8]) {
        yield* interruptAfter(call, { budget, step, wait: step % 2 === 0 ? turn : Effect.yieldNow })
      }
    }
    for (const step of Array.from({ length: 200 }, (_, i) => i)) {
      yield* interruptAfter(call, { budget: oneByOne, step, wait: step % 2 === 0 ? turn : Effect.yieldNow })
    }
  })

const recovering = (server: Server, options: Parameters<typeof memberOf>[1] = {}) =>
  Effect.gen(function*() {
    const member = yield* memberOf(server, {
      openDuration: "50 millis",
      halfOpen: { successes: 1_000_000, concurrency: 2 },
      ...options
    })
    yield* fail(member, 3)
    yield* until(member, "Open")
    yield* Effect.sleep("60 millis")
    return member
  })

const nothingIsHeld = (member: Member, server: Server) =>
  Effect.gen(function*() {
    assert.strictEqual((yield* member.breaker.snapshot).inFlight, 0)
    yield* eventually(keptOf(server), (kept) => (kept?.state.running?.length ?? 0) === 0)
    const { exchange } = member.breaker as never as {
      readonly exchange: { readonly held: ReadonlyMap<string, unknown>; readonly asks: ReadonlyArray<unknown> }
    }
    yield* eventually(Effect.sync(() => [exchange.held.size, exchange.asks.length]), ([held, asks]) =>
      held === 0 && asks === 0)
  })

describe.runIf(withTime)("interruption", () => {
  for (const [name, call] of Object.entries(calls)) {
    it.live(`of ${name} that asks for a probe leaves no lease, and no place taken`, () =>
      Effect.gen(function*() {
        const server = yield* makeServer()
        const member = yield* recovering(server)
        yield* sweep(call(member.breaker))
        yield* nothingIsHeld(member, server)
        const { failures, ignored, state } = yield* member.breaker.snapshot
        assert.deepStrictEqual({ failures, state }, { failures: 3, state: "HalfOpen" })
        // Both before and after leave was given.
        assert.isTrue(ignored > 50 && ignored < 555, `${ignored}`)
        const permit = yield* member.breaker.admit
        yield* permit.settle(Outcome.ignored)
      }).pipe(Effect.scoped), 120_000)

    it.live(`of ${name} that asks for a place on a ramp leaves none taken`, () =>
      Effect.gen(function*() {
        const server = yield* makeServer()
        const ramp = { shares: [0.999], every: "1 hour", minimumCalls: 1_000_000 } as const
        const member = yield* recovering(server, { halfOpen: { successes: 1 }, ramp })
        assert.strictEqual(yield* answerOf(member), "an answer")
        yield* until(member, "HalfOpen")
        yield* sweep(call(member.breaker))
        assert.strictEqual((yield* member.breaker.snapshot).inFlight, 0)
        const kept = Effect.map(keptOf(server), (kept) => kept?.members.map(([, , running]) => running))
        yield* eventually(Effect.andThen(fail(member, 1), kept), (running) => running?.every((n) => n === 0) === true)
      }).pipe(Effect.scoped), 120_000)
  }

  it.live("of a call that waits for Redis leaves nothing, where Redis answers afterwards", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* recovering(server)
      server.process()?.kill("SIGSTOP")
      const waiting = yield* Effect.forEach(
        [1, 2, 3, 4],
        () => Effect.forkChild(member.breaker.execute(Effect.never), { startImmediately: true })
      )
      for (let i = 0; i < 10; i++) yield* turn
      yield* Fiber.interruptAll(waiting)
      server.process()?.kill("SIGCONT")
      yield* nothingIsHeld(member, server)
    }).pipe(Effect.scoped))

  it.live("of one who waits for an order to be carried out leaves it given", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* memberOf(server)
      for (const step of steps) {
        yield* interruptAfter(member.breaker.isolate("bad deploy"), { step, wait: turn })
        if (step > 0) yield* until(member, "Isolated")
        yield* member.breaker.release
        yield* until(member, "Closed")
      }
    }).pipe(Effect.scoped))

  it.live("of a layer that is built leaves no connection, no subscription and no fiber", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      for (const step of [...steps, 50, 80, 120, 200]) {
        const building = Effect.scoped(Effect.andThen(memberOf(server, patient), Effect.never))
        yield* interruptAfter(building, { step, wait: turn })
      }
      yield* eventually(server.send("CLIENT", "LIST"), (list) => list.split("\n").length === 1)
      assert.strictEqual(
        yield* server.send("PUBSUB", "NUMSUB", "effect-breaker:news"),
        "*2\r\n$19\r\neffect-breaker:news\r\n:0"
      )
    }).pipe(Effect.scoped))

  it.live("of everything, with the scope: whatever was under way, nothing is left", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      yield* Effect.asVoid(Effect.scoped(recovering(server)))
      for (const step of steps) {
        const scope = yield* Scope.make()
        const member = yield* Scope.provide(
          memberOf(server, { openDuration: "50 millis", halfOpen: { successes: 1_000_000, concurrency: 2 } }),
          scope
        )
        const running = yield* Effect.forEach(
          [1, 2, 3],
          () => Effect.forkChild(Effect.exit(member.breaker.execute(Effect.never)), { startImmediately: true })
        )
        for (let i = 0; i < step; i++) yield* turn
        yield* Scope.close(scope, Exit.void)
        yield* Fiber.interruptAll(running)
        assert.strictEqual((yield* member.breaker.snapshot).inFlight, 0, `after ${step} turns`)
        assert.strictEqual((yield* keptOf(server))?.state.running?.length ?? 0, 0, `after ${step} turns`)
      }
      yield* eventually(server.send("CLIENT", "LIST"), (list) => list.split("\n").length === 1)
    }).pipe(Effect.scoped))
})
