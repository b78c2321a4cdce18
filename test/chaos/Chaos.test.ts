import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Logger, Metric, Option, Schedule } from "effect"
import { Breaker, Outcome, TripPolicy, withBreaker } from "effect-breaker"
import { Chaos } from "effect-breaker/chaos"
import { LlmOutcome } from "effect-breaker/llm"
import { TestClock } from "effect/testing"
import { rangeErrorOf } from "../refusals.ts"
import { traced } from "../spans.ts"

const fork = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.forkChild(self, { startImmediately: true })
const all = (fault: Chaos.FaultShare["fault"], more?: Partial<Chaos.FaultShare>): Chaos.Options => ({
  faults: [{ fault, share: 1, ...more }]
})

/** A call that counts how often it ran. */
const counted = () => {
  const call = { ran: 0 }
  return Object.assign(call, { effect: Effect.sync(() => `answer ${++call.ran}`) })
}

const isRunning = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.pollUnsafe() === undefined

/** The lines that a program logs, with their level. */
const logged = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([Logger.make(({ logLevel, message }) => lines.push(`${logLevel} ${String(message)}`))])
  return { lines, layer }
}

describe("Chaos", () => {
  describe("without chaos in context", () => {
    it.effect("a marked call gives its value, its error, its defect and its interruption, and is not counted", () =>
      Effect.gen(function*() {
        const exits: ReadonlyArray<Exit.Exit<string, string>> = [
          Exit.succeed("answer"),
          Exit.fail("refused"),
          Exit.die("broken"),
          Exit.interrupt(7)
        ]
        for (const exit of exits) {
          assert.deepStrictEqual<unknown>(yield* Effect.exit(exit.pipe(Chaos.inject("openai"))), exit)
        }
        assert.deepStrictEqual(yield* Chaos.status, { on: false, phase: undefined, left: Duration.zero, points: [] })
        yield* Chaos.stop("nothing to stop")
        yield* Chaos.setFaults([{ fault: "hang", share: 1 }])
        assert.strictEqual(yield* Effect.succeed(1).pipe(Chaos.inject("openai")), 1)
      }))
  })

  describe("what happens to a call", () => {
    it.effect("a failure takes its place: it does not run, and fails at once", () => {
      const call = counted()
      return Effect.gen(function*() {
        const error = yield* Effect.flip(call.effect.pipe(Chaos.inject("openai")))
        assert.deepStrictEqual([error._tag, error.point, error.fault, error.status], [
          "ChaosError",
          "openai",
          "overloaded",
          529
        ])
        assert.strictEqual(error.message, "529 Overloaded (injected by chaos at \"openai\")")
        assert.strictEqual(call.ran, 0)
      }).pipe(Effect.provide(Chaos.layer(all("overloaded"))))
    })

    it.effect("a failure shows exactly after its latency", () =>
      Effect.gen(function*() {
        const fiber = yield* fork(Effect.flip(Effect.succeed("answer").pipe(Chaos.inject("openai"))))
        yield* TestClock.adjust(299)
        assert.isTrue(isRunning(fiber))
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Fiber.join(fiber)).fault, "serverError")
      }).pipe(Effect.provide(Chaos.layer(all("serverError", { latency: "300 millis" })))))

    it.effect("a lost answer has run, and fails all the same; a call that failed keeps its own failure", () => {
      const call = counted()
      return Effect.gen(function*() {
        const error = yield* Effect.flip(call.effect.pipe(Chaos.inject("openai")))
        assert.deepStrictEqual([error.fault, call.ran], ["reset", 1])
        assert.strictEqual(yield* Effect.flip(Effect.fail("own").pipe(Chaos.inject("openai"))), "own")
      }).pipe(Effect.provide(Chaos.layer(all(Chaos.loseAnswer()))))
    })

    it.effect("a delayed call runs exactly after the delay", () => {
      const call = counted()
      return Effect.gen(function*() {
        const fiber = yield* fork(call.effect.pipe(Chaos.inject("openai")))
        yield* TestClock.adjust(1999)
        assert.strictEqual(call.ran, 0)
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* Fiber.join(fiber), "answer 1")
      }).pipe(Effect.provide(Chaos.layer(all(Chaos.delay("2 seconds")))))
    })

    it.effect("delays between two times are spread over all of them, and stay within", () =>
      Effect.gen(function*() {
        const began = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        const call = Effect.clockWith((clock) => clock.currentTimeMillis).pipe(Chaos.inject("openai"))
        const fibers = yield* Effect.forEach(Array.from({ length: 400 }), () => fork(call))
        yield* TestClock.adjust(3000)
        const delays = (yield* Effect.forEach(fibers, Fiber.join)).map((at) => at - began)
        assert.isTrue(delays.every((delay) => delay >= 1000 && delay <= 3000))
        for (const from of [1000, 1500, 2000, 2500]) {
          assert.isAtLeast(delays.filter((delay) => delay >= from && delay < from + 500).length, 60)
        }
      }).pipe(Effect.provide(Chaos.layer(all(Chaos.delay({ from: "1 second", to: "3 seconds" }))))))

    it.effect("a hung call does not run, and its caller's timeout ends it", () => {
      const call = counted()
      return Effect.gen(function*() {
        const fiber = yield* fork(Effect.timeoutOption(call.effect.pipe(Chaos.inject("openai")), "30 minutes"))
        yield* TestClock.adjust(Duration.minutes(30))
        assert.deepStrictEqual([yield* Fiber.join(fiber), call.ran], [Option.none(), 0])
      }).pipe(Effect.provide(Chaos.layer(all("hang"))))
    })

    it.effect("an interrupted caller is interrupted, whatever holds the call, and nothing else", () =>
      Effect.gen(function*() {
        for (const fault of ["hang", Chaos.delay("1 minute")] as const) {
          const call = counted()
          yield* Effect.gen(function*() {
            const fiber = yield* fork(call.effect.pipe(Chaos.inject("openai")))
            yield* Fiber.interrupt(fiber)
            const exit = yield* Fiber.await(fiber)
            assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
            assert.strictEqual(call.ran, 0)
          }).pipe(Effect.provide(Chaos.layer(all(fault))))
        }
      }))

    it.effect("faults of streams pass an effect by, and leave the others their shares", () =>
      Effect.gen(function*() {
        for (let i = 0; i < 50; i++) assert.strictEqual(yield* Effect.succeed(i).pipe(Chaos.inject("openai")), i)
        const [openai] = (yield* Chaos.status).points
        assert.deepStrictEqual(openai, { point: "openai", calls: 50, faults: {} })
      }).pipe(Effect.provide(Chaos.layer(all(Chaos.cutAfter({ elements: 1 }))))))

    it.effect("fails with what the program makes of it, where its error channel is closed", () => {
      class ModelError extends Error {
        readonly _tag = "ModelError"
      }
      return Effect.gen(function*() {
        const asked: Effect.Effect<string, ModelError> = Effect.succeed("answer").pipe(
          Chaos.inject("openai", { as: ({ message }) => new ModelError(message) })
        )
        assert.strictEqual(
          (yield* Effect.flip(asked)).message,
          "The connection was reset. (injected by chaos at \"openai\")"
        )
      }).pipe(Effect.provide(Chaos.layer(all("reset"))))
    })
  })

  describe("an injected failure, to whoever classifies it", () => {
    const expected: Readonly<Record<Chaos.Imitation, readonly [tag: string, kind: string]>> = {
      overloaded: ["Failure", "overloaded"],
      unavailable: ["Failure", "overloaded"],
      serverError: ["Failure", "server"],
      badGateway: ["Failure", "server"],
      rateLimited: ["Throttled", "rate-limit"],
      quota: ["Trip", "quota"],
      invalidKey: ["Trip", "auth"],
      invalidRequest: ["Ignored", "invalid-request"],
      timeout: ["Failure", "timeout"],
      reset: ["Failure", "network"],
      refused: ["Failure", "network"]
    }
    for (const [fault, said] of Object.entries(expected)) {
      it.effect(`${fault} is ${said.join(", ")}`, () =>
        Effect.gen(function*() {
          const exit = yield* Effect.exit(Effect.succeed("answer").pipe(Chaos.inject("openai")))
          const { _tag, kind } = LlmOutcome.classify(exit)
          assert.deepStrictEqual<unknown>([_tag, kind], said)
        }).pipe(Effect.provide(Chaos.layer(all(fault as Chaos.Imitation)))))
    }

    it.effect("carries the hint that it was given", () =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(Effect.succeed("answer").pipe(Chaos.inject("openai")))
        const outcome = LlmOutcome.classify(exit)
        assert.deepStrictEqual(outcome._tag === "Throttled" && outcome.retryAfter, Duration.seconds(20))
      }).pipe(Effect.provide(Chaos.layer(all(Chaos.fail("rateLimited", { retryAfter: "20 seconds" }))))))
  })

  describe("a breaker around the call", () => {
    const OpenAi = Breaker.layer({
      name: "openai",
      tripPolicy: TripPolicy.consecutive(3),
      openDuration: "10 seconds",
      classify: LlmOutcome.classify
    })
    const Outage = Chaos.layer({
      script: [
        { name: "calm", for: "1 second" },
        { name: "outage", for: "15 seconds", faults: [{ fault: "overloaded", share: 1 }] },
        { name: "after", for: "1 hour" }
      ]
    })

    it.effect("opens in the outage, refuses without asking, and closes after it", () => {
      const call = counted()
      const ask = call.effect.pipe(Chaos.inject("openai"), withBreaker, Effect.exit)
      const state = Effect.flatMap(Breaker.Breaker, (breaker) => Effect.map(breaker.state, ({ _tag }) => _tag))
      return Effect.gen(function*() {
        yield* ask
        yield* TestClock.adjust("1 second")
        yield* Effect.repeat(ask, Schedule.recurs(2))
        assert.strictEqual(yield* state, "Open")
        const [openai] = (yield* Chaos.status).points
        yield* ask
        assert.deepStrictEqual((yield* Chaos.status).points, [openai!])
        yield* TestClock.adjust("10 seconds")
        yield* ask
        assert.strictEqual(yield* state, "Open")
        yield* TestClock.adjust("10 seconds")
        yield* Effect.repeat(ask, Schedule.recurs(2))
        assert.strictEqual(yield* state, "Closed")
        assert.strictEqual(call.ran, 4)
      }).pipe(Effect.provide([OpenAi, Outage]))
    })

    it.effect("counts a hang that is timed out as a failure, and an interrupted one not at all", () =>
      Effect.gen(function*() {
        const breaker = yield* Breaker.Breaker
        const hung = Effect.succeed("answer").pipe(Chaos.inject("openai"))
        const timed = yield* fork(Effect.exit(hung.pipe(Effect.timeout("5 seconds"), withBreaker)))
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(timed)
        const fiber = yield* fork(hung.pipe(withBreaker))
        yield* Fiber.interrupt(fiber)
        const { failures, ignored, inFlight } = yield* breaker.snapshot
        assert.deepStrictEqual({ failures, ignored, inFlight }, { failures: 1, ignored: 1, inFlight: 0 })
      }).pipe(Effect.provide([OpenAi, Chaos.layer(all("hang"))])))

    it.effect("closed all along, where the trouble is the caller's own", () =>
      Effect.gen(function*() {
        const ask = Effect.succeed("answer").pipe(Chaos.inject("openai"), withBreaker, Effect.exit)
        yield* Effect.repeat(ask, Schedule.recurs(9))
        const { ignored, state } = yield* (yield* Breaker.Breaker).snapshot
        assert.deepStrictEqual([ignored, state], [10, "Closed"])
        assert.strictEqual(LlmOutcome.classify(yield* ask)._tag, Outcome.ignored._tag)
      }).pipe(Effect.provide([OpenAi, Chaos.layer(all("invalidRequest"))])))
  })

  describe("when", () => {
    const ask = Effect.succeed("answer").pipe(Chaos.inject("openai"), Effect.result, Effect.map(({ _tag }) => _tag))

    it.effect("a phase begins and ends to the millisecond, and chaos with the last one", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        for (const step of [0, 999, 1, 1999, 1, 499, 1]) {
          yield* TestClock.adjust(step)
          seen.push(`${(yield* Chaos.status).phase} ${yield* ask}`)
        }
        assert.deepStrictEqual(seen, [
          "phase 1 Success",
          "phase 1 Success",
          "outage Failure",
          "outage Failure",
          "phase 3 Success",
          "phase 3 Success",
          "undefined Success"
        ])
        assert.isFalse((yield* Chaos.status).on)
      }).pipe(Effect.provide(Chaos.layer({
        script: [
          { for: "1 second" },
          { name: "outage", for: "2 seconds", faults: [{ fault: "reset", share: 1 }] },
          { for: "500 millis" }
        ]
      }))))

    it.effect("faults without a script last an hour, and not a moment longer", () =>
      Effect.gen(function*() {
        yield* TestClock.adjust(Duration.hours(1).pipe(Duration.subtract(Duration.millis(1))))
        assert.strictEqual(yield* ask, "Failure")
        assert.deepStrictEqual((yield* Chaos.status).left, Duration.millis(1))
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* ask, "Success")
      }).pipe(Effect.provide(Chaos.layer(all("reset")))))

    it.effect("`for` ends a script early, and Infinity never", () =>
      Effect.gen(function*() {
        const script = [{ for: "Infinity", faults: [{ fault: "reset", share: 1 }] }] as const
        const after = (plan: Chaos.Options) =>
          Effect.andThen(TestClock.adjust("2 hours"), ask).pipe(Effect.provide(Chaos.layer(plan)))
        assert.strictEqual(yield* after({ script, for: "2 hours" }), "Success")
        assert.strictEqual(yield* after({ script, for: "3 hours" }), "Failure")
        assert.strictEqual(yield* after({ script, for: "Infinity" }), "Failure")
      }))

    it.effect("it is over, what it held goes on and runs", () => {
      const call = counted()
      return Effect.gen(function*() {
        const fibers = [
          yield* fork(call.effect.pipe(Chaos.inject("hangs"))),
          yield* fork(call.effect.pipe(Chaos.inject("late"))),
          yield* fork(call.effect.pipe(Chaos.inject("fails late")))
        ]
        yield* TestClock.adjust(9_999)
        assert.isTrue(fibers.every(isRunning))
        yield* TestClock.adjust(1)
        yield* Effect.forEach(fibers, Fiber.join)
        assert.strictEqual(call.ran, 3)
      }).pipe(Effect.provide(Chaos.layer({
        for: "10 seconds",
        faults: [
          { fault: "hang", share: 1, at: ["hangs"] },
          { fault: Chaos.delay("1 minute"), share: 1, at: ["late"] },
          { fault: "timeout", share: 1, at: ["fails late"], latency: "1 minute" }
        ]
      })))
    })

    it.effect("it is stopped, nothing happens any more, and what it held runs at once", () => {
      const call = counted()
      return Effect.gen(function*() {
        const fiber = yield* fork(call.effect.pipe(Chaos.inject("openai")))
        yield* Chaos.stop("the pager went off")
        assert.strictEqual(yield* Fiber.join(fiber), "answer 1")
        assert.strictEqual(yield* call.effect.pipe(Chaos.inject("openai")), "answer 2")
        assert.isFalse((yield* Chaos.status).on)
      }).pipe(Effect.provide(Chaos.layer(all("hang"))))
    })

    it.effect("its layer's scope ends, what it held goes on too", () => {
      const call = counted()
      return Effect.gen(function*() {
        const fiber = yield* Effect.provide(
          Effect.forkDetach(call.effect.pipe(Chaos.inject("openai")), { startImmediately: true }),
          Chaos.layer(all("hang"))
        )
        assert.strictEqual(yield* Fiber.join(fiber), "answer 1")
      })
    })

    it.effect("faults are set by hand, they replace the plan's; an empty list is a calm", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* ask, "Failure")
        yield* Chaos.setFaults([])
        assert.strictEqual(yield* ask, "Success")
        yield* Chaos.setFaults([{ fault: "timeout", share: 1 }])
        assert.deepStrictEqual([yield* ask, (yield* Chaos.status).phase], ["Failure", "by hand"])
      }).pipe(Effect.provide(Chaos.layer(all("reset")))))

    it.effect("`allow` says no, or cannot say, nothing happens and nothing counts as an act", () => {
      let answer: Effect.Effect<boolean> = Effect.succeed(false)
      return Effect.gen(function*() {
        assert.strictEqual(yield* ask, "Success")
        answer = Effect.die("the flag store is down")
        assert.strictEqual(yield* ask, "Success")
        assert.deepStrictEqual((yield* Chaos.status).points, [{ point: "openai", calls: 2, faults: {} }])
        answer = Effect.succeed(true)
        assert.strictEqual(yield* ask, "Failure")
      }).pipe(Effect.provide(Chaos.layer({ ...all("reset"), allow: Effect.suspend(() => answer) })))
    })

    it.effect("it is stopped while `allow` is asked, nothing happens to that call either", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* ask, "Success")
      }).pipe(
        Effect.provide(Chaos.layer({ ...all("reset"), allow: Effect.as(Chaos.stop("by its own switch"), true) }))
      ))

    it.effect("a part of a program is exempted, nothing happens there", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* Effect.provideService(ask, Chaos.Current, undefined), "Success")
        assert.strictEqual(yield* ask, "Failure")
      }).pipe(Effect.provide(Chaos.layer(all("reset")))))
  })

  describe("what is told of it", () => {
    it.effect("a warning at the beginning, at each kind's first act, and at the end", () => {
      const { layer, lines } = logged()
      const program = Effect.gen(function*() {
        const openai = Effect.ignore(Effect.succeed("answer").pipe(Chaos.inject("openai")))
        yield* Effect.repeat(openai, Schedule.recurs(2))
        yield* TestClock.adjust("15 minutes")
        yield* openai
      })
      return Effect.gen(function*() {
        yield* program.pipe(
          Effect.provide(Chaos.layer({
            for: "15 minutes",
            faults: [{ fault: "overloaded", share: 1, at: ["openai", "opanai", "anthropic/*"] }]
          })),
          Effect.provide(layer)
        )
        assert.deepStrictEqual(lines.filter((line) => !line.startsWith("Debug")), [
          "Warn Chaos is on for 15m: overloaded 100 % at openai, opanai, anthropic/*.",
          "Warn Chaos at \"openai\": overloaded (chaos).",
          "Warn Chaos is over: it hit 3 of 3 calls. No call ever passed \"opanai\", \"anthropic/*\"."
        ])
      })
    })

    it.effect("a count for each point and fault, as a status and as metrics", () =>
      Effect.gen(function*() {
        const call = (point: string) => Effect.ignore(Effect.succeed("answer").pipe(Chaos.inject(point)))
        yield* Effect.repeat(call("openai"), Schedule.recurs(4))
        yield* Effect.repeat(call("search"), Schedule.recurs(1))
        assert.deepStrictEqual((yield* Chaos.status).points, [
          { point: "openai", calls: 5, faults: { reset: 5 } },
          { point: "search", calls: 2, faults: {} }
        ])
        const seen = (yield* Metric.snapshot).filter(({ id }) => id.startsWith("effect_breaker_chaos")).map(
          (
            { attributes, id, state }
          ) => [id, attributes, "count" in state ? state.count : "value" in state && state.value]
        )
        assert.sameDeepMembers(seen, [
          ["effect_breaker_chaos_active", undefined, 1],
          ["effect_breaker_chaos_faults_total", { point: "openai", fault: "reset" }, 5]
        ])
      }).pipe(
        Effect.provide(Chaos.layer({ faults: [{ fault: "reset", share: 1, at: ["openai"] }] })),
        Effect.provideService(Metric.MetricRegistry, new Map())
      ))

    it.effect("the call's span says which fault it met, and at which point", () => {
      const { spans, tracer } = traced()
      return Effect.gen(function*() {
        yield* Effect.succeed("answer").pipe(Chaos.inject("openai"), Effect.ignore, Effect.withSpan("ask"))
        assert.deepStrictEqual(Object.fromEntries(spans.find(({ name }) => name === "ask")!.attributes), {
          "chaos.point": "openai",
          "chaos.fault": "reset"
        })
      }).pipe(Effect.provide(Chaos.layer(all("reset"))), Effect.withTracer(tracer))
    })
  })

  describe("a bad plan", () => {
    const wrong: ReadonlyArray<readonly [() => unknown, string]> = [
      [() => Chaos.layer(all("overlaoded" as "overloaded")), "faults.0.fault must be"],
      [
        () => Chaos.layer(all({ _tag: "StallAfter", elements: 1.5 })),
        "faults.0.fault.elements must be a whole number of at least 0, got 1.5"
      ],
      [
        () => Chaos.layer({ faults: [{ fault: "hang", share: 1.01 }] }),
        "faults.0.share must be a number from 0 to 1, got 1.01"
      ],
      [
        () => Chaos.layer({ faults: [{ fault: "hang", share: 1, at: [] }] }),
        "faults.0.at must be a list of at least one"
      ],
      [() => Chaos.layer({ script: [{ for: 0 }] }), "script.0.for must be a duration above zero, got 0"],
      [() => Chaos.layer({ faults: [], script: [] }), "faults must be left out where there is a script"],
      [() => Chaos.layer({ sripts: [] } as Chaos.Options), "Chaos.layer: sripts is no field that there is"],
      [
        () => Chaos.layer({ script: [{ for: 1, falts: [] } as Chaos.Phase] }),
        "Chaos.layer: script.0.falts is no field that there is"
      ],
      [
        () => Chaos.setFaults([{ fault: "hang", share: 1, lag: 1 } as Chaos.FaultShare]),
        "Chaos.setFaults: faults.0.lag is no field that there is"
      ],
      [() => Chaos.layer({ script: [{} as Chaos.Phase] }), "Chaos.layer: script.0.for is missing"],
      [() => Chaos.layer({ seed: 0.5 }), "seed must be a whole number, got 0.5"],
      [() => Chaos.delay({ from: "2 seconds", to: "1 second" }), "to must be no shorter than from"],
      [() => Chaos.delay("never" as "1 second"), "from must be a finite duration"],
      [() => Chaos.slowDrip({ every: 0 }), "every must be a finite duration above zero, got 0"],
      [() => Chaos.failAfter({ elements: -1 }), "elements must be a whole number of at least 0, got -1"],
      [() => Chaos.setFaults([{ fault: "hang", share: -1 }]), "faults.0.share must be a number from 0 to 1, got -1"]
    ]
    for (const [make, said] of wrong) it(said, () => assert.include(rangeErrorOf(make), said))

    it("shares that may hit the same call add up to one at most, for each point and kind by itself", () => {
      const share = (fault: Chaos.FaultShare["fault"], share: number, ...at: ReadonlyArray<string>) => ({
        fault,
        share,
        ...(at.length === 0 ? {} : { at })
      })
      const cut = Chaos.cutAfter({ elements: 1 })
      Chaos.layer({ faults: [share("reset", 0.2), share("hang", 0.4), share("timeout", 0.3), share("quota", 0.1)] })
      Chaos.layer({ faults: [share("reset", 1, "a"), share("hang", 1, "b"), share(cut, 0)] })
      Chaos.layer({ faults: [share(Chaos.loseAnswer(), 1), share(cut, 1)] })
      for (
        const faults of [
          [share("reset", 0.5), share("hang", 0.51)],
          [share("reset", 0.5, "a/*"), share("hang", 0.51, "a/b")],
          [share("reset", 0.5, "a/*"), share("hang", 0.51, "a/b/*")],
          [share("reset", 0.5, "b", "a"), share(cut, 0.51, "a")]
        ]
      ) {
        assert.include(rangeErrorOf(() => Chaos.layer({ faults })), "faults must be shares that add up to at most 1")
      }
    })
  })
})
