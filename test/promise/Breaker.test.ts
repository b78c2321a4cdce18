import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Logger } from "effect"
import { CircuitRejected as RootRejected } from "effect-breaker"
import { CircuitControl, CircuitReader } from "effect-breaker/control"
import { Breaker, CallWindow, CircuitRejected, Outcome, TripPolicy } from "effect-breaker/promise"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const make = (options?: Omit<Breaker.Options, "name">) =>
  Breaker.makeEffect({ name: "openai", tripPolicy: TripPolicy.consecutive(2), ...options })

const down = new Error("529 Overloaded")
const fails = async (): Promise<string> => {
  throw down
}
const works = async () => "an answer"

/** How a call ended, as a value. */
const ending = <A>(call: Promise<A>): Effect.Effect<Exit.Exit<A, unknown>> =>
  Effect.exit(Effect.tryPromise({ try: async () => call, catch: (error) => error }))

const refusal = (call: Promise<unknown>): Effect.Effect<CircuitRejected> =>
  Effect.map(ending(call), (exit) => {
    const error = Exit.isFailure(exit)
      ? exit.cause.reasons.map((reason) => (reason as { error: unknown }).error)[0]
      : exit
    if (!(error instanceof CircuitRejected)) throw new Error(`not refused: ${String(error)}`)
    return error
  })

const tally = (breaker: Breaker.Breaker) => {
  const { failures, ignored, inFlight, successes, throttled } = breaker.snapshot()
  return { failures, ignored, inFlight, successes, throttled }
}
const none = { failures: 0, ignored: 0, inFlight: 0, successes: 0, throttled: 0 }

/** What is logged, in place of the console. */
const withLog = <A, E, R>(test: (lines: ReadonlyArray<unknown>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<unknown> = []
    const logger = Logger.make(({ message }) => void lines.push((message as ReadonlyArray<unknown>)[0]))
    return Effect.provide(test(lines), Logger.layer([logger]))
  })

/** A function whose end is in the test's hands. */
const held = () => {
  let resolve!: (value: string) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<string>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { fn: async () => promise, promise, resolve, reject }
}

describe("promise Breaker", () => {
  describe("what the caller gets (rule 7)", () => {
    it.effect("is the value or the error, unchanged", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        assert.deepStrictEqual(yield* ending(breaker.execute(works)), Exit.succeed("an answer"))
        assert.deepStrictEqual(yield* ending(breaker.execute(fails)), Exit.fail(down))
        for (const odd of [undefined, null, 0, "down", { status: 529 }]) {
          assert.deepStrictEqual(
            yield* ending(breaker.execute(async () => {
              throw odd
            }, { classify: () => Outcome.ignored })),
            Exit.fail(odd)
          )
        }
      }))

    it.effect("is the same for a function that is not async, throws at once, or gives a thenable", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        assert.deepStrictEqual(yield* ending(breaker.execute(() => 1)), Exit.succeed(1))
        const thrown = breaker.execute(() => {
          throw down
        })
        assert.deepStrictEqual(yield* ending(thrown), Exit.fail(down))
        class Thenable implements PromiseLike<number> {
          // oxlint-disable-next-line unicorn/no-thenable
          then: PromiseLike<number>["then"] = (yes, no) => Promise.resolve(2).then(yes, no)
        }
        assert.deepStrictEqual(yield* ending(breaker.execute(() => new Thenable())), Exit.succeed(2))
        assert.deepStrictEqual(tally(breaker), { ...none, successes: 2, failures: 1 })
      }))

    it.effect("is its own result where the classifier throws, and the call counts nowhere", () =>
      withLog((lines) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          const classify = () => {
            throw new Error("a bug")
          }
          assert.deepStrictEqual(yield* ending(breaker.execute(works, { classify })), Exit.succeed("an answer"))
          assert.deepStrictEqual(yield* ending(breaker.execute(fails, { classify })), Exit.fail(down))
          assert.deepStrictEqual(
            yield* ending(breaker.execute(works, { classify: () => "no outcome" as never })),
            Exit.succeed("an answer")
          )
          assert.deepStrictEqual(tally(breaker), { ...none, ignored: 3 })
          assert.deepStrictEqual(
            lines,
            Array.from({ length: 3 }, () => "The classifier of circuit \"openai\" failed: the call counts as Ignored")
          )
        })
      ))
  })

  describe("a refusal (rule 6)", () => {
    it.effect("is the root's error, and the function does not run", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ openDuration: "20 seconds" })
        yield* ending(breaker.execute(fails))
        assert.strictEqual(breaker.snapshot().state, "Closed")
        yield* ending(breaker.execute(fails))
        assert.strictEqual(breaker.snapshot().state, "Open")
        yield* TestClock.adjust("5 seconds")
        let ran = false
        const error = yield* refusal(breaker.execute(async () => {
          ran = true
        }))
        assert.isFalse(ran)
        assert.strictEqual(CircuitRejected, RootRejected)
        assert.instanceOf(error, Error)
        assert.strictEqual(error._tag, "CircuitRejected")
        assert.deepStrictEqual(
          [error.circuit, error.reason, Duration.toSeconds(error.retryAfter), Breaker.retryAfterOf(error)],
          ["openai", "Open", 15, 15_000]
        )
        assert.deepStrictEqual(
          [error.cause.rule, error.cause.value, error.cause.failure?.message],
          ["consecutive", 2, "529 Overloaded"]
        )
        assert.match(
          error.message,
          /^Circuit "openai" is open: 2 failures in a row \(limit 2\)\. .* ask again in 15s\.$/
        )
        assert.strictEqual(Breaker.retryAfterOf(down), undefined)
      }))

    it.effect("ends exactly with the open time: then a probe runs, and others are told to come back in a second", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ openDuration: 20_000, halfOpen: { successes: 1 } })
        yield* ending(breaker.execute(fails))
        yield* ending(breaker.execute(fails))
        yield* TestClock.adjust(19_999)
        assert.strictEqual(Breaker.retryAfterOf(yield* refusal(breaker.execute(works))), 1)
        yield* TestClock.adjust(1)
        assert.deepStrictEqual([breaker.snapshot().state, breaker.snapshot().retryAfter], ["Open", 0])
        const probe = held()
        const probing = breaker.execute(probe.fn)
        const error = yield* refusal(breaker.execute(works))
        assert.deepStrictEqual([error.reason, Breaker.retryAfterOf(error)], ["HalfOpen", 1000])
        probe.resolve("back")
        assert.strictEqual(yield* Effect.promise(async () => probing), "back")
        assert.strictEqual(breaker.snapshot().state, "Closed")
      }))
  })

  describe("the caller's signal", () => {
    it.effect("is handed to the function; where there is none, one that is never aborted is", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const { signal } = new AbortController()
        assert.strictEqual(
          yield* Effect.promise(async () => breaker.execute(({ signal }) => signal, { signal })),
          signal
        )
        const own = yield* Effect.promise(async () => breaker.execute((call) => [call.signal, call.signal]))
        assert.instanceOf(own[0], AbortSignal)
        assert.strictEqual(own[0], own[1])
        assert.isFalse(own[0].aborted)
      }))

    it.effect("makes an aborted call Ignored, over a real socket", () =>
      Effect.gen(function*() {
        const server = yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof createServer>>((resume) => {
            const server = createServer(() => {}).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) =>
            Effect.callback<void>((resume) => {
              server.close(() => resume(Effect.void))
              server.closeAllConnections()
            })
        )
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        const breaker = yield* make()
        const caller = new AbortController()
        const asked = new Promise((resolve) => server.once("request", resolve))
        const call = breaker.execute(async ({ signal }) => fetch(url, { signal }), { signal: caller.signal })
        yield* Effect.promise(async () => asked)
        assert.deepStrictEqual(tally(breaker), { ...none, inFlight: 1 })
        const reason = new Error("the user left")
        caller.abort(reason)
        assert.deepStrictEqual(yield* ending(call), Exit.fail(reason))
        assert.deepStrictEqual(tally(breaker), { ...none, ignored: 1 })
      }))

    it.effect("gives back the place at once, even of a probe whose function does not heed it", () =>
      Effect.gen(function*() {
        const breaker = yield* make({ halfOpen: { successes: 1 } })
        breaker.trip({ openFor: "1 second" })
        yield* TestClock.adjust("1 second")
        const [first, second] = [held(), held()]
        const caller = new AbortController()
        const call = breaker.execute(first.fn, { signal: caller.signal })
        yield* refusal(breaker.execute(works))
        caller.abort()
        assert.deepStrictEqual(tally(breaker), { ...none, ignored: 1 })
        const probing = breaker.execute(second.fn)
        first.reject(down)
        assert.deepStrictEqual(yield* ending(call), Exit.fail(down))
        assert.strictEqual(breaker.snapshot().state, "HalfOpen")
        second.resolve("back")
        yield* ending(probing)
        assert.strictEqual(breaker.snapshot().state, "Closed")
      }))

    it.effect("that is aborted already asks nobody", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const reason = new Error("the user left")
        let ran = false
        const call = breaker.execute(() => {
          ran = true
        }, { signal: AbortSignal.abort(reason) })
        assert.deepStrictEqual(yield* ending(call), Exit.fail(reason))
        assert.isFalse(ran)
        assert.deepStrictEqual(tally(breaker), none)
      }))

    it.effect("that timed out is a failure: nobody left, somebody was too slow", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const reasons: Array<unknown> = []
        const classify = (result: Breaker.Settled<unknown>) => {
          reasons.push(result.status === "rejected" && result.reason)
          return Outcome.failure({ kind: "timeout" })
        }
        const caller = new AbortController()
        const hanging = held()
        const call = breaker.execute(hanging.fn, { signal: caller.signal, classify })
        const reason = new DOMException("The operation was aborted due to timeout", "TimeoutError")
        caller.abort(reason)
        assert.deepStrictEqual(tally(breaker), { ...none, failures: 1 })
        assert.strictEqual(breaker.snapshot().lastFailure?.kind, "timeout")
        hanging.resolve("late")
        assert.deepStrictEqual(yield* ending(call), Exit.succeed("late"))
        assert.deepStrictEqual(reasons, [reason])
        assert.deepStrictEqual(tally(breaker), { ...none, failures: 1 })
      }))

    it.effect("may be the same for a hundred calls: no warning, and all come home", () =>
      Effect.gen(function*() {
        const warnings: Array<Error> = []
        const hear = (warning: Error) => void warnings.push(warning)
        process.on("warning", hear)
        const breaker = yield* make()
        const caller = new AbortController()
        const all = Array.from({ length: 100 }, held)
        const calls = all.map(({ fn }) => breaker.execute(fn, { signal: caller.signal }))
        all.slice(0, 40).forEach(({ resolve }) => resolve("an answer"))
        yield* Effect.promise(async () => Promise.all(calls.slice(0, 40)))
        assert.deepStrictEqual(tally(breaker), { ...none, successes: 40, inFlight: 60 })
        caller.abort()
        assert.deepStrictEqual(tally(breaker), { ...none, successes: 40, ignored: 60 })
        all.forEach(({ resolve }) => resolve("late"))
        yield* Effect.promise(async () => Promise.all(calls))
        yield* Effect.promise(async () => new Promise((resolve) => process.nextTick(resolve)))
        process.off("warning", hear)
        assert.deepStrictEqual(warnings, [])
        assert.deepStrictEqual(tally(breaker), { ...none, successes: 40, ignored: 60 })
      }))
  })

  describe("wrap", () => {
    it.effect("gives a function with the same arguments, receiver and result", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        class Client {
          readonly greeting = "Hello"
          greet = breaker.wrap(async function(this: Client, name: string, end: string = "!") {
            return `${this.greeting}, ${name}${end}`
          })
        }
        assert.strictEqual(yield* Effect.promise(async () => new Client().greet("Ada")), "Hello, Ada!")
        assert.strictEqual(yield* Effect.promise(async () => new Client().greet("Ada", ".")), "Hello, Ada.")
        const failing = breaker.wrap(fails)
        yield* ending(failing())
        yield* ending(failing())
        assert.strictEqual((yield* refusal(failing())).reason, "Open")
      }))

    it.effect("finds the signal among the arguments, and reads the end as it is told to", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const held1 = held()
        const ask = breaker.wrap(async (_url: string, _init?: { readonly signal?: AbortSignal }) => held1.promise, {
          signal: ([, init]) => init?.signal,
          classify: (result) => result.status === "fulfilled" ? Outcome.throttled() : Outcome.ignored
        })
        const caller = new AbortController()
        const [aborted, other] = [ask("a", { signal: caller.signal }), ask("b")]
        caller.abort()
        assert.deepStrictEqual(tally(breaker), { ...none, ignored: 1, inFlight: 1 })
        held1.resolve("late")
        yield* Effect.promise(async () => Promise.all([aborted, other]))
        assert.deepStrictEqual(tally(breaker), { ...none, ignored: 1, throttled: 1 })
      }))
  })

  describe("the settings", () => {
    it.effect("are the root's: outcomes, windows and slow calls", () =>
      Effect.gen(function*() {
        const breaker = yield* make({
          tripPolicy: TripPolicy.slowRate({
            slowAfter: "1 second",
            threshold: 1,
            minimumCalls: 2,
            window: CallWindow.lastCalls(2)
          }),
          classify: (result) => result.status === "fulfilled" ? Outcome.success : Outcome.ignored
        })
        yield* ending(breaker.execute(fails))
        const slow = [held(), held(), held()] as const
        const answered = breaker.execute((call) => {
          call.answered()
          return slow[0].promise
        })
        const hanging = breaker.execute(slow[1].fn)
        yield* TestClock.adjust("1001 millis")
        slow[0].resolve("quick first word")
        slow[1].resolve("slow")
        yield* Effect.promise(async () => Promise.all([answered, hanging]))
        assert.strictEqual(breaker.snapshot().state, "Closed")
        const last = breaker.execute(slow[2].fn)
        yield* TestClock.adjust("1001 millis")
        slow[2].resolve("slow")
        yield* Effect.promise(async () => last)
        const { cause, ignored, slow: counted, state } = breaker.snapshot()
        assert.deepStrictEqual([state, cause?.rule, counted, ignored], ["Open", "slowRate", 2, 1])
      }))

    it.effect("take an opening that grows as data", () =>
      Effect.gen(function*() {
        const breaker = yield* make({
          tripPolicy: TripPolicy.consecutive(1),
          openDuration: { first: "2 seconds", factor: 3, most: "10 seconds" }
        })
        const openings: Array<number> = []
        breaker.onEvent((event) => {
          if (event._tag === "Transitioned" && event.openFor !== undefined) openings.push(event.openFor)
        })
        for (let i = 0; i < 4; i++) {
          yield* ending(breaker.execute(fails))
          yield* TestClock.adjust(breaker.snapshot().retryAfter)
        }
        assert.deepStrictEqual(openings, [2000, 6000, 10_000, 10_000])
      }))

    it("that are bad are named at once", () => {
      const said = (options: object): string => {
        try {
          Breaker.make({ name: "openai", ...options })
        } catch (error) {
          if (error instanceof RangeError) return error.message
        }
        return "accepted"
      }
      assert.deepStrictEqual(
        [
          { name: "" },
          { openDuration: "soon" },
          { openDuration: { first: 0, most: 1 } },
          { openDuration: { first: 1 } },
          { openDuration: { first: 1, most: 2, factor: 0.5 } },
          { classify: "yes" },
          { mode: "on" }
        ].map(said),
        [
          "Breaker.make: name must be a text that is not empty, got \"\"",
          "Breaker.make: openDuration must be a finite duration of zero or more, got \"soon\"",
          "Breaker.make: openDuration.first must be a finite duration above zero, got 0",
          "Breaker.make: openDuration.most must be a finite duration above zero, got undefined",
          "Breaker.make: openDuration.factor must be a number of at least 1, got 0.5",
          "Breaker.make: classify must be a function of how a call ended, got \"yes\"",
          "Breaker.make: mode must be enforce, observe or off, got \"on\""
        ]
      )
    })
  })

  describe("orders", () => {
    it.effect("hold it, let it go, open it and close it, and say who gave them", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        const heard: Array<unknown> = []
        const stop = breaker.onEvent((event) => {
          heard.push(event._tag === "Commanded" ? [event.command, event.by] : [event._tag])
        })
        breaker.isolate({ for: "1 minute", note: "bad deploy", by: "ada" })
        const held = yield* refusal(breaker.execute(works))
        assert.deepStrictEqual([held.reason, held.cause.note, Breaker.retryAfterOf(held)], [
          "Isolated",
          "bad deploy",
          60_000
        ])
        breaker.release({ by: "ada" })
        assert.strictEqual(breaker.snapshot().state, "Closed")
        breaker.isolate("for good")
        assert.strictEqual(Breaker.retryAfterOf(yield* refusal(breaker.execute(works))), Infinity)
        breaker.reset({ by: "bob" })
        breaker.trip({ openFor: 500, by: "bob" })
        assert.deepStrictEqual([breaker.snapshot().state, breaker.snapshot().retryAfter], ["Open", 500])
        breaker.setMode("observe")
        assert.deepStrictEqual(yield* ending(breaker.execute(works)), Exit.succeed("an answer"))
        assert.strictEqual(breaker.snapshot().wouldReject, 1)
        yield* Effect.promise(async () => {})
        assert.deepStrictEqual(heard, [
          ["Transitioned"],
          ["Isolate", "ada"],
          ["Rejected"],
          ["Transitioned"],
          ["Release", "ada"],
          ["Transitioned"],
          ["Isolate", undefined],
          ["Rejected"],
          ["Transitioned"],
          ["Reset", "bob"],
          ["Transitioned"],
          ["Trip", "bob"],
          ["SetMode", undefined],
          ["WouldReject"]
        ])
        stop()
        breaker.setMode("enforce")
        yield* Effect.promise(async () => {})
        assert.strictEqual(heard.length, 14)
        assert.throws(() => breaker.setMode("on" as never), RangeError)
      }))

    it.effect("reach it from the control of a program, and its reader sees it", () =>
      Effect.gen(function*() {
        const breaker = yield* Breaker.makeEffect({ name: "promise code" })
        const which = { names: ["promise code"] }
        const control = yield* CircuitControl.make
        assert.strictEqual(yield* control.isolate(which), 1)
        assert.strictEqual((yield* refusal(breaker.execute(works))).reason, "Isolated")
        yield* control.release(which)
        yield* control.configure(which, {
          tripPolicy: TripPolicy.consecutive(1),
          classify: (exit) => exit._tag === "Success" ? Outcome.failure({ kind: "bad" }) : Outcome.success
        })
        yield* ending(breaker.execute(works))
        const seen = (yield* (yield* CircuitReader.make).snapshots).find(({ name }) => name === "promise code")
        assert.deepStrictEqual([seen?.state, seen?.lastFailure?.kind], ["Open", "bad"])
      }))
  })

  describe("a listener", () => {
    it.effect("may command the circuit that told it, and may throw: callers notice nothing, and it is logged", () =>
      withLog((lines) =>
        Effect.gen(function*() {
          const breaker = yield* make()
          breaker.onEvent((event) => {
            if (event._tag !== "Transitioned" || event.to !== "Open") return
            breaker.reset()
            throw new Error("a bug")
          })
          yield* ending(breaker.execute(fails))
          assert.deepStrictEqual(yield* ending(breaker.execute(fails)), Exit.fail(down))
          yield* Effect.promise(async () => {})
          assert.strictEqual(breaker.snapshot().state, "Closed")
          assert.deepStrictEqual(lines, ["A listener of circuit \"openai\" failed"])
        })
      ))

    it.effect("is told pauses in milliseconds", () =>
      Effect.gen(function*() {
        const breaker = yield* make({
          classify: () => Outcome.throttled({ retryAfter: "3 seconds" })
        })
        const pauses: Array<number> = []
        breaker.onEvent((event) => {
          if (event._tag === "Throttled") pauses.push(event.pause)
        })
        yield* ending(breaker.execute(fails))
        assert.strictEqual(Breaker.retryAfterOf(yield* refusal(breaker.execute(works))), 3000)
        assert.deepStrictEqual(pauses, [3000])
      }))
  })

  it("makes one without any program in Effect, on the clock of the machine", async () => {
    const breaker = Breaker.make({ name: "plain", tripPolicy: TripPolicy.consecutive(1), openDuration: "1 hour" })
    const before = Date.now()
    await breaker.execute(fails).catch(() => {})
    const { lastFailure, name, retryAfter, state } = breaker.snapshot()
    assert.deepStrictEqual([name, state, lastFailure?.message], ["plain", "Open", "529 Overloaded"])
    assert.isAtMost(Math.abs(lastFailure!.at - before), 10_000)
    assert.isTrue(retryAfter > 3_590_000 && retryAfter <= 3_600_000)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(breaker.snapshot())).state, "Open")
  })

  it.effect("counts nothing in mode off, and what it admitted before that is home", () =>
    Effect.gen(function*() {
      const breaker = yield* make({ mode: "off" })
      for (let i = 0; i < 5; i++) yield* ending(breaker.execute(fails))
      assert.deepStrictEqual(tally(breaker), none)
      assert.strictEqual(breaker.snapshot().mode, "off")
    }))
})
