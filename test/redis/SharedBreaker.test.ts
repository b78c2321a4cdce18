import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Latch, Layer, Ref, Schedule } from "effect"
import { Breaker, BreakerMap, Outcome, TripPolicy, withBreaker } from "effect-breaker"
import { HealthCheck } from "effect-breaker/control"
import { SharedBreaker } from "effect-breaker/redis"
import * as Registry from "../../src/Registry.ts"
import { clientOf, makeServer, type Server, withRedis } from "./server.ts"

/** On a busy machine a call may have to wait for its turn longer than for Redis. */
const patient = { bound: "2 seconds" } as const

/** A breaker as another process would have it: its own client, its own registry. */
const processOf = (server: Server, options: Partial<SharedBreaker.Options> & Breaker.Beside = {}) =>
  Effect.map(
    Layer.build(
      Layer.fresh(
        SharedBreaker.layer({ name: "openai", tripPolicy: TripPolicy.consecutive(3), ...patient, ...options })
      ).pipe(
        Layer.provide(clientOf(server)),
        Layer.provide(Layer.succeed(Registry.Current, new Registry.Registry()))
      )
    ),
    (context) => Context.get(context, Breaker.Breaker)
  )

const fail = (breaker: Breaker.Breaker, times = 1) =>
  Effect.forEach(Array.from({ length: times }), () => Effect.ignore(breaker.execute(Effect.fail("529"))), {
    discard: true
  })

const until = (breaker: Breaker.Breaker, state: Breaker.State["_tag"], stage?: Breaker.State["stage"]) =>
  Effect.filterOrFail(
    breaker.state,
    (now) => now._tag === state && (stage === undefined || now.stage === stage),
    (now) => `still ${now._tag}`
  ).pipe(
    Effect.retry({ schedule: Schedule.spaced("2 millis"), times: 1500 })
  )

describe.runIf(withRedis)("SharedBreaker", () => {
  it.live("adds the failures of all processes up to one verdict, and refuses in all", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const [a, b] = [yield* processOf(server), yield* processOf(server)]
      yield* fail(a, 2)
      assert.strictEqual((yield* a.state)._tag, "Closed")
      yield* fail(b)
      const states = [yield* until(a, "Open"), yield* until(b, "Open")]
      assert.deepStrictEqual(states.map(({ cause, generation }) => [generation, cause?.rule, cause?.value]), [
        [1, "consecutive", 3],
        [1, "consecutive", 3]
      ])
      const refused = yield* Effect.flip(a.execute(Effect.succeed("an answer")))
      if (typeof refused === "string") return assert.fail(refused)
      assert.include(refused.message, "3 failures in a row (limit 3). Last failure: 529.")
    }).pipe(Effect.scoped))

  it.live("refuses the first call of a program that starts while the circuit is open", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const first = yield* processOf(server)
      yield* fail(first, 3)
      yield* until(first, "Open")
      const call = Effect.succeed("an answer").pipe(withBreaker, Effect.flip)
      const layer = SharedBreaker.layer({ name: "openai" }).pipe(Layer.provide(clientOf(server)))
      const refused = yield* Effect.provide(call, layer)
      assert.strictEqual(refused.reason, "Open")
    }).pipe(Effect.scoped))

  it.live("counts a call that runs while its process finds that another has begun the circuit", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const options = { tripPolicy: TripPolicy.consecutive(2), batch: { every: "20 millis" } } as const
      // Both look before either writes.
      const all = [yield* processOf(server, options), yield* processOf(server, options)]
      const failing = yield* Latch.make()
      const calls = yield* Effect.forEach(
        all,
        (breaker) => Effect.forkChild(Effect.exit(breaker.execute(Effect.andThen(failing.await, Effect.fail("529")))))
      )
      const members = server.send("HGET", "effect-breaker:circuit:openai", "text").pipe(
        Effect.map((text) =>
          text.startsWith("{") ? (JSON.parse(text) as { members: ReadonlyArray<unknown> }).members.length : 0
        )
      )
      yield* Effect.filterOrFail(members, (length) => length === 2, (length) => `${length} told`).pipe(
        Effect.retry({ schedule: Schedule.spaced("2 millis"), times: 1500 })
      )
      yield* failing.open
      yield* Effect.forEach(calls, Fiber.join)
      yield* Effect.forEach(all, (breaker) => until(breaker, "Open"))
    }).pipe(Effect.scoped))

  it.live("gives leave to as many probes as all processes together may make (rule 23)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const options = { openDuration: "100 millis", halfOpen: { concurrency: 2, successes: 4 } } as const
      const all = [yield* processOf(server, options), yield* processOf(server, options)]
      yield* fail(all[0]!, 3)
      yield* Effect.forEach(all, (breaker) => until(breaker, "Open"))
      yield* Effect.sleep("110 millis")
      // Probes run until all others were refused: one that came home would give its place to the next.
      const answered = yield* Latch.make()
      let refused = 0
      let running = 0
      let most = 0
      const call = Effect.gen(function*() {
        most = Math.max(most, ++running)
        yield* answered.await
        running--
      })
      const calls = Array.from(
        { length: 20 },
        (_, i) =>
          all[i % 2]!.execute(call).pipe(
            Effect.tapError(() => ++refused === 18 ? answered.open : Effect.void),
            Effect.result
          )
      )
      const results = yield* Effect.all(calls, { concurrency: "unbounded" })
      assert.strictEqual(most, 2)
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 2)
    }).pipe(Effect.scoped))

  it.live("shares the circuits of a map key by key, and an operator's order with all (rule 27)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const mapOf = Effect.map(
        Layer.build(
          Layer.fresh(SharedBreaker.layerMap({ tripPolicy: TripPolicy.consecutive(1), ...patient })).pipe(
            Layer.provide(clientOf(server))
          )
        ),
        (context) => Context.get(context, BreakerMap.BreakerMap)
      )
      const [a, b] = [yield* mapOf, yield* mapOf]
      yield* Effect.ignore(Effect.fail("529").pipe(a.execute({ key: "large" })))
      const large = yield* b.get("large")
      const small = yield* b.get("small")
      yield* Effect.ignore(large.execute(Effect.void))
      yield* until(large, "Open")
      assert.strictEqual(yield* small.execute(Effect.succeed("an answer")), "an answer")

      yield* (yield* a.get("small")).isolate({ note: "bad deploy", by: "ada", for: "1 hour" })
      const { cause, retryAfter } = yield* until(small, "Isolated")
      assert.deepInclude(cause, { rule: "isolated", note: "bad deploy", by: "ada" })
      assert.isBelow(Math.abs(Duration.toMillis(retryAfter) - 3_600_000), 5000)
    }).pipe(Effect.scoped))

  it.live("opens at once where a call says that asking again is pointless, and for all with the next report (rule 12)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const [a, b] = [yield* processOf(server), yield* processOf(server)]
      const classify = () => Outcome.trip({ kind: "no credit", openFor: "1 hour" })
      yield* Effect.ignore(a.execute(Effect.fail("402"), { classify }))
      const first = yield* a.state
      assert.deepStrictEqual([first._tag, first.generation], ["Open", 1])
      const other = yield* until(b, "Open")
      assert.deepStrictEqual([other.generation, other.cause?.rule, other.cause?.failure?.kind], [
        1,
        "trip",
        "no credit"
      ])
      yield* Effect.sleep("50 millis")
      assert.strictEqual((yield* a.state).generation, 1)
    }).pipe(Effect.scoped))

  it.live("shuts the gate of all processes for a throttle that one was told (rule 11)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const [a, b] = [yield* processOf(server), yield* processOf(server)]
      const classify = () => Outcome.throttled({ retryAfter: "30 seconds" })
      yield* Effect.ignore(a.execute(Effect.fail("429"), { classify }))
      const refused = yield* b.execute(Effect.succeed("an answer")).pipe(
        Effect.flip,
        Effect.retry({ schedule: Schedule.spaced("2 millis"), times: 1000 })
      )
      assert.strictEqual(refused.reason, "Throttled")
    }).pipe(Effect.scoped))

  it.live("observes in all processes when one is told to, and refuses nothing then (rule 28)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const options = { openDuration: "50 millis", halfOpen: { successes: 2 } } as const
      const [a, b] = [yield* processOf(server, options), yield* processOf(server, options)]
      yield* a.setMode("observe")
      yield* fail(a, 3)
      yield* until(b, "Open")
      // Once the opening is over the first is a probe, and the others would be refused.
      yield* Effect.filterOrFail(b.state, ({ retryAfter }) => Duration.isZero(retryAfter), () => "not yet over").pipe(
        Effect.retry({ schedule: Schedule.spaced("2 millis"), times: 1500 })
      )
      const calls = Array.from({ length: 5 }, () => b.execute(Effect.as(Effect.sleep("20 millis"), "an answer")))
      assert.deepStrictEqual(yield* Effect.all(calls, { concurrency: 5 }), Array.from({ length: 5 }, () => "an answer"))
      const { mode, rejected, wouldReject } = yield* b.snapshot
      assert.deepStrictEqual({ mode, rejected, wouldReject }, { mode: "observe", rejected: 0, wouldReject: 4 })
    }).pipe(Effect.scoped))

  it.live("lets through the share of the fleet's calls while it ramps, and closes after the last step (rule 26)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const options = {
        openDuration: "50 millis",
        halfOpen: { successes: 1 },
        ramp: { shares: [0.25], every: "1 second", minimumCalls: 2 }
      } as const
      const all = [yield* processOf(server, options), yield* processOf(server, options)]
      yield* fail(all[0]!, 3)
      yield* Effect.forEach(all, (breaker) => until(breaker, "Open"))
      yield* Effect.sleep("60 millis")
      yield* all[0]!.execute(Effect.void)
      yield* Effect.forEach(all, (breaker) => until(breaker, "HalfOpen", "Ramping"))
      const results = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, i) => i),
        (i) => Effect.result(all[i % 2]!.execute(Effect.void))
      )
      const admitted = results.filter(({ _tag }) => _tag === "Success").length
      assert.isTrue(admitted === 10 || admitted === 11, `${admitted} of 40`)
      yield* Effect.sleep("1 second")
      yield* Effect.forEach(all, (breaker) => Effect.ignore(breaker.execute(Effect.void)))
      yield* Effect.forEach(all, (breaker) => until(breaker, "Closed"))
    }).pipe(Effect.scoped))

  it.live("lets the check of one process end the opening of all, as so many probes that passed (rule 23)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const options = { openDuration: "1 hour", halfOpen: { successes: 2 } } as const
      const isWell = yield* Ref.make(false)
      const check = Effect.flatMap(Ref.get(isWell), (isWell) => isWell ? Effect.void : Effect.fail("down"))
      const a = yield* processOf(server, options)
      const b = yield* processOf(server, {
        ...options,
        healthCheck: HealthCheck.make(check, { every: "10 millis" })
      })
      yield* fail(a, 3)
      yield* until(b, "Open")
      yield* Effect.sleep("50 millis")
      assert.strictEqual((yield* a.state)._tag, "Open")
      yield* Ref.set(isWell, true)
      yield* Effect.forEach([a, b], (breaker) => until(breaker, "Closed"))

      const { generation } = yield* a.state
      assert.strictEqual(generation, 3)
      assert.strictEqual((yield* a.snapshot).successes, 0)
    }).pipe(Effect.scoped))
})
