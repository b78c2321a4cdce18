import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { CallWindow, CircuitRejected, Outcome, TripPolicy } from "effect-breaker"
import { CircuitControl, CircuitReader, Registry } from "effect-breaker/control"
import { CircuitBreaker } from "effect-breaker/persistence"
import { CircuitBreaker as Peer } from "effect/persistence"
import { TestClock } from "effect/testing"
import { documentedIn } from "./documented.ts"

const down = Effect.fail("down")
const up = Effect.succeed("an answer")

const make = (options?: Partial<CircuitBreaker.Options>) =>
  CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "10 seconds", ...options })

/** A circuit of each: a program may be run on both, and must see the same. */
const both = [
  [
    "effect/persistence",
    (options: Parameters<typeof Peer.make>[0]) => Effect.provide(Peer.make(options), Peer.layerStoreMemory())
  ],
  ["effect-breaker/persistence", CircuitBreaker.make]
] as ReadonlyArray<
  [string, (options: Parameters<typeof Peer.make>[0]) => Effect.Effect<Peer.CircuitBreaker, never, Scope.Scope>]
>

const reasonOf = <A>(call: Effect.Effect<A, unknown>) =>
  Effect.map(Effect.exit(call), (exit) => {
    if (Exit.isSuccess(exit)) return exit.value
    const error = Cause.squash(exit.cause)
    if (!(error instanceof Peer.CircuitBreakerError)) return error
    const { reason } = error
    return reason._tag === "CircuitOpen" ? [reason._tag, Duration.toMillis(reason.retryAfter)] : [reason._tag]
  })

const plain = (state: Peer.State): object =>
  "retryAfter" in state ? { ...state, retryAfter: Duration.toMillis(state.retryAfter) } : state

describe("the documented examples of effect/persistence, unchanged", () => {
  const examples = documentedIn("persistence/CircuitBreaker")

  it("are all here", () => assert.strictEqual(examples.length, 8))

  it.each(examples)("$title", async ({ run }) => {
    const pairs = await run()
    assert.isNotEmpty(pairs)
    for (const [shown, said] of pairs) assert.deepStrictEqual(shown, said)
  })
})

describe("the documented examples of HttpClient.withCircuitBreaker, unchanged", () => {
  const examples = documentedIn("http/HttpClient")

  it("are all here", () => assert.strictEqual(examples.length, 2))

  it.each(examples)("$title", async ({ run }) => {
    const pairs = await run()
    assert.isNotEmpty(pairs)
    for (const [shown, said] of pairs) assert.deepStrictEqual(shown, said)
  })
})

describe.each(both)("a program on %s", (_, make) => {
  it.effect("opens, tells how long, probes once, and closes after one success", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ tripPolicy: Peer.consecutive(2), openDuration: "10 seconds" })
      const at = breaker.execute({ key: "a" })
      const seen: Array<unknown> = []
      const look = Effect.map(breaker.state("a"), (state) => void seen.push(plain(state)))
      yield* look
      for (const call of [down, up, down, down, up]) seen.push(yield* reasonOf(at(call)))
      yield* look
      yield* TestClock.adjust("9999 millis")
      seen.push(yield* reasonOf(at(up)))
      yield* TestClock.adjust("1 millis")
      yield* look
      const gate = yield* Deferred.make<string>()
      const probe = yield* Effect.forkChild(at(Deferred.await(gate)), { startImmediately: true })
      yield* look
      seen.push(yield* reasonOf(at(up)))
      yield* Deferred.succeed(gate, "back")
      seen.push(yield* Fiber.join(probe))
      yield* look
      assert.deepStrictEqual(seen, [
        { _tag: "Closed", key: "a" },
        "down",
        "an answer",
        "down",
        "down",
        ["CircuitOpen", 10_000],
        { _tag: "Open", key: "a", retryAfter: 10_000, consecutiveOpenings: 1 },
        ["CircuitOpen", 1],
        { _tag: "Open", key: "a", retryAfter: 0, consecutiveOpenings: 1 },
        { _tag: "HalfOpen", key: "a", probing: true, consecutiveOpenings: 1 },
        ["CircuitHalfOpen"],
        "back",
        { _tag: "Closed", key: "a" }
      ])
    }))

  it.effect("judges a rate from minimumCalls on, at a threshold of zero too", () =>
    Effect.gen(function*() {
      const opens = (tripPolicy: Peer.TripPolicy, calls: string) =>
        Effect.gen(function*() {
          const breaker = yield* make({ tripPolicy, openDuration: "10 seconds" })
          for (const call of calls) yield* Effect.ignore(breaker.execute(call === "f" ? down : up, { key: "a" }))
          return (yield* breaker.state("a"))._tag
        })
      const half = Peer.rate({ threshold: 0.5, size: 4, minimumCalls: 3 })
      assert.deepStrictEqual(
        yield* Effect.all([opens(half, "ff"), opens(half, "sff"), opens(half, "ssf"), opens(half, "sssff")]),
        [
          "Closed",
          "Open",
          "Closed",
          "Open"
        ]
      )
      const any = Peer.rate({ threshold: 0, size: 3 })
      assert.deepStrictEqual(yield* Effect.all([opens(any, "sf"), opens(any, "ssf"), opens(any, "sss")]), [
        "Closed",
        "Open",
        "Closed"
      ])
    }))

  it.effect("reads outcomes by a classifier that is a function or an effect, and takes its hints", () =>
    Effect.gen(function*() {
      const breaker = yield* make({
        tripPolicy: Peer.consecutive(1),
        openDuration: "1 second",
        maxOpenDuration: "20 seconds"
      })
      const state = (key: string) => Effect.map(breaker.state(key), plain)
      yield* breaker.execute(up, { key: "bad value", classify: () => Peer.failure({ retryAfter: "5 seconds" }) })
      yield* breaker.execute(up, {
        key: "later",
        classify: () => Effect.as(Effect.yieldNow, Peer.failure({ retryAfter: "1 minute" }))
      })
      yield* Effect.ignore(breaker.execute(down, { key: "mine", classify: () => Peer.ignored }))
      yield* breaker.execute(up, { key: "endless", classify: () => Peer.failure({ retryAfter: Duration.infinity }) })
      const open = (key: string, retryAfter: number) => ({ _tag: "Open", key, retryAfter, consecutiveOpenings: 1 })
      assert.deepStrictEqual(yield* Effect.all(["bad value", "later", "mine", "endless"].map(state)), [
        open("bad value", 5000),
        open("later", 20_000),
        { _tag: "Closed", key: "mine" },
        open("endless", 20_000)
      ])
    }))

  it.effect("dies with its classifier, and the call counts nowhere", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ tripPolicy: Peer.consecutive(1), openDuration: "1 second" })
      const bug = new Error("a bug")
      const exits = [
        yield* Effect.exit(breaker.execute(up, {
          key: "a",
          classify: () => {
            throw bug
          }
        })),
        yield* Effect.exit(breaker.execute(down, { key: "a", classify: () => Effect.die(bug) }))
      ]
      assert.deepStrictEqual<unknown>(exits, [
        Exit.die(bug),
        Exit.failCause(Cause.combine(Cause.fail("down"), Cause.die(bug)))
      ])
      assert.strictEqual((yield* breaker.state("a"))._tag, "Closed")
    }))

  it.effect("frees the place of an interrupted probe, with a classifier and without", () =>
    Effect.gen(function*() {
      for (const classify of [undefined, () => Peer.failure(), () => Effect.succeed(Peer.failure())]) {
        const breaker = yield* make({ tripPolicy: Peer.consecutive(1), openDuration: "1 second" })
        yield* Effect.ignore(breaker.execute(down, { key: "a" }))
        yield* TestClock.adjust("1 second")
        const probe = yield* Effect.forkChild(breaker.execute(Effect.never, { key: "a", classify }), {
          startImmediately: true
        })
        assert.deepStrictEqual(yield* reasonOf(breaker.execute(up, { key: "a" })), ["CircuitHalfOpen"])
        yield* Fiber.interrupt(probe)
        assert.deepStrictEqual(yield* breaker.state("a"), {
          _tag: "HalfOpen",
          key: "a",
          probing: false,
          consecutiveOpenings: 1
        })
        assert.strictEqual(yield* breaker.execute(up, { key: "a" }), "an answer")
      }
    }))

  it.effect("tells its transitions, and ends them with its scope", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const breaker = yield* Scope.provide(make({ tripPolicy: Peer.consecutive(1), openDuration: "1 second" }), scope)
      const heard = yield* Effect.forkChild(Stream.runCollect(breaker.transitions), { startImmediately: true })
      yield* Effect.ignore(breaker.execute(down, { key: "a" }))
      yield* TestClock.adjust("1 second")
      yield* Effect.ignore(breaker.execute(down, { key: "a" }))
      yield* TestClock.adjust("1 second")
      yield* breaker.execute(up, { key: "a" })
      yield* Scope.close(scope, Exit.void)
      const seconds = Duration.seconds(1)
      assert.deepStrictEqual(yield* Fiber.join(heard), [
        { key: "a", from: "Closed", to: "Open", retryAfter: seconds, consecutiveOpenings: 1 },
        { key: "a", from: "Open", to: "HalfOpen" },
        { key: "a", from: "HalfOpen", to: "Open", retryAfter: seconds, consecutiveOpenings: 2 },
        { key: "a", from: "Open", to: "HalfOpen" },
        { key: "a", from: "HalfOpen", to: "Closed" }
      ])
    }))
})

describe("what this library adds", () => {
  it.effect("is in the cause of the error: the refusal itself", () =>
    Effect.gen(function*() {
      const breaker = yield* make()
      yield* Effect.ignore(breaker.execute(Effect.fail(new Error("529 Overloaded")), { key: "openai" }))
      const error = yield* Effect.flip(breaker.execute(up, { key: "openai" }))
      if (!(error instanceof Peer.CircuitBreakerError)) throw new Error("not refused")
      assert.strictEqual(error.message, "Circuit open")
      assert.instanceOf(error.cause, CircuitRejected)
      assert.match(error.cause.message, /529 Overloaded/)
    }))

  it.effect("are its policies, probes and outcomes", () =>
    Effect.gen(function*() {
      const window = CallWindow.lastDuration("1 minute")
      const breaker = yield* make({
        tripPolicy: TripPolicy.failureCount({ count: 2, window }),
        halfOpen: { successes: 2 }
      })
      const at = breaker.execute({ key: "a" })
      yield* Effect.ignore(at(down))
      yield* at(up)
      yield* Effect.ignore(at(down))
      assert.deepStrictEqual(yield* reasonOf(at(up)), ["CircuitOpen", 10_000])
      yield* TestClock.adjust("10 seconds")
      yield* at(up)
      assert.strictEqual((yield* breaker.state("a"))._tag, "HalfOpen")
      yield* at(up)
      assert.strictEqual((yield* breaker.state("a"))._tag, "Closed")
      yield* breaker.execute(up, { key: "a", classify: () => Outcome.throttled({ retryAfter: "3 seconds" }) as never })
      assert.deepStrictEqual(yield* reasonOf(at(up)), ["CircuitOpen", 3000])
      assert.deepStrictEqual(plain(yield* breaker.state("a")), {
        _tag: "Open",
        key: "a",
        retryAfter: 3000,
        consecutiveOpenings: 1
      })
    }))

  it.effect("is a probe that cannot hang for ever", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ halfOpen: { lease: "5 seconds" } })
      const at = breaker.execute({ key: "a" })
      yield* Effect.ignore(at(down))
      yield* TestClock.adjust("10 seconds")
      yield* Effect.forkChild(at(Effect.never), { startImmediately: true })
      yield* TestClock.adjust("4999 millis")
      assert.deepStrictEqual(yield* reasonOf(at(up)), ["CircuitHalfOpen"])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* reasonOf(at(up)), ["CircuitOpen", 10_000])
    }))

  it.effect("is control over it", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const breaker = yield* Scope.provide(make(), scope)
      yield* breaker.execute(up, { key: "payments" })
      const control = yield* CircuitControl.make
      assert.strictEqual(yield* control.isolate({ names: ["payments"] }), 1)
      assert.deepStrictEqual(yield* reasonOf(breaker.execute(up, { key: "payments" })), ["CircuitOpen", Infinity])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* (yield* CircuitReader.make).snapshots, [])
    }).pipe(Effect.provideService(Registry.Current, new Registry.Registry())))
})

describe("layerStoreMemory", () => {
  it.effect("holds circuits that several breakers share", () =>
    Effect.gen(function*() {
      const [one, other] = yield* Effect.all([make(), make()]).pipe(
        Effect.provide(CircuitBreaker.layerStoreMemory())
      )
      const apart = yield* make()
      yield* Effect.ignore(one.execute(down, { key: "a" }))
      const states = yield* Effect.forEach([one, other, apart], (breaker) => breaker.state("a"))
      assert.deepStrictEqual(states.map(({ _tag }) => _tag), ["Open", "Open", "Closed"])
    }))

  it.effect("lets go what nobody asks for", () =>
    Effect.gen(function*() {
      const store = CircuitBreaker.layerStoreMemory({ idleTimeToLive: "1 minute" })
      const breaker = yield* Effect.provide(make({ tripPolicy: CircuitBreaker.consecutive(2) }), store)
      yield* Effect.ignore(breaker.execute(down, { key: "a" }))
      yield* TestClock.adjust("1 minute")
      yield* breaker.execute(up, { key: "b" })
      yield* Effect.ignore(breaker.execute(down, { key: "a" }))
      assert.strictEqual((yield* breaker.state("a"))._tag, "Closed")
    }))
})

describe("a bad setting", () => {
  it("is named at once", () => {
    const said = (options: object): string => {
      try {
        make(options)
      } catch (error) {
        if (error instanceof RangeError) return error.message
      }
      return "accepted"
    }
    assert.deepStrictEqual([{ maxOpenDuration: -1 }, { idleTimeToLive: 0 }, { openDuration: "soon" }].map(said), [
      "CircuitBreaker.make: maxOpenDuration must be a finite duration of zero or more, got -1",
      "CircuitBreaker.make: idleTimeToLive must be a finite duration above zero, got 0",
      "CircuitBreaker.make: openDuration must be a finite duration of zero or more, got \"soon\""
    ])
    assert.throws(() => CircuitBreaker.layerStoreMemory({ capacity: 0 }), /layerStoreMemory: capacity must be/)
  })

  it.effect("is none of onStoreError", () =>
    Effect.gen(function*() {
      const Live = CircuitBreaker.layer({
        tripPolicy: CircuitBreaker.consecutive(1),
        openDuration: "1 second",
        onStoreError: "fail"
      })
      const breaker = yield* Effect.provide(Peer.CircuitBreaker, Live.pipe(Layer.provide(Peer.layerStoreMemory())))
      assert.strictEqual(yield* breaker.execute(up, { key: "a" }), "an answer")
    }))
})
