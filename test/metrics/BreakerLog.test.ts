import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, type LogLevel, References, Scope } from "effect"
import { Breaker, BreakerMap, Outcome, TripPolicy } from "effect-breaker"
import { LlmBreaker } from "effect-breaker/llm"
import { BreakerLog } from "effect-breaker/metrics"
import { TestClock } from "effect/testing"
import { rangeErrorOf } from "../refusals.ts"
import { tracing } from "../spans.ts"

const secret = "sk-live-0123456789"

interface Line {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A program's loggers, which keep what they are told. */
const keeping = (minimum: LogLevel.LogLevel = "All", onLine: (line: Line) => void = () => {}) => {
  const lines: Array<Line> = []
  const logger = Logger.make(({ fiber, logLevel, message }) => {
    const line = { level: logLevel, message: String(message), fields: fiber.getRef(References.CurrentLogAnnotations) }
    lines.push(line)
    onLine(line)
  })
  const loggers = Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, minimum))
  return { lines, loggers, said: () => lines.map(({ level, message }) => `${level}: ${message}`) }
}

const turns = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

/** Lets the log of a program run until the test is over. */
const logging = (options?: BreakerLog.Options, minimum?: LogLevel.LogLevel, onLine?: (line: Line) => void) =>
  Effect.gen(function*() {
    const kept = keeping(minimum, onLine)
    yield* Layer.build(Layer.provide(BreakerLog.layer(options), kept.loggers))
    yield* turns
    return kept
  })

const make = (options?: Partial<Breaker.Options>) =>
  Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(2), halfOpen: { successes: 1 }, ...options })

const fail = (breaker: Breaker.Breaker, kind?: string) =>
  Effect.exit(breaker.execute(Effect.fail(secret), { classify: () => Outcome.failure({ kind }) }))
const succeed = (breaker: Breaker.Breaker) => Effect.exit(breaker.execute(Effect.succeed(secret)))
const refused = (breaker: Breaker.Breaker, times: number) =>
  Effect.forEach(Array.from({ length: times }), () => Effect.flip(breaker.admit), { discard: true })

/** Orders come with a name where an operator's page gives them: as here. */
const order = (breaker: Breaker.Breaker, order: Parameters<Breaker.BreakerImpl["command"]>[0]) =>
  (breaker as Breaker.BreakerImpl).command(order)

describe("BreakerLog", () => {
  describe("a line", () => {
    it.effect("tells an opening as a warning: for how long, and why", () =>
      Effect.gen(function*() {
        const { lines } = yield* logging()
        const breaker = yield* make()
        yield* fail(breaker, "overloaded")
        yield* fail(breaker, "overloaded")
        yield* turns

        assert.deepStrictEqual(lines, [{
          level: "Warn",
          message: "Circuit \"openai\" opened for 1 minute: 2 failures in a row (limit 2). Last failure: overloaded.",
          fields: {
            circuit: "openai",
            from: "Closed",
            to: "Open",
            generation: 1,
            rule: "consecutive",
            value: 2,
            limit: 2,
            calls: 2,
            kind: "overloaded",
            openFor: 60_000
          }
        }])
      }))

    it.effect("tells a whole recovery: the probe and the ramp for those who look closely, and the end of it", () =>
      Effect.gen(function*() {
        const { lines, said } = yield* logging()
        const breaker = yield* make({ ramp: { shares: [0.1, 0.5], every: "2 seconds" } })
        yield* fail(breaker)
        yield* fail(breaker)
        yield* refused(breaker, 3)
        yield* TestClock.adjust("60 seconds")
        yield* fail(breaker, "timeout")
        yield* refused(breaker, 2)
        yield* TestClock.adjust("60 seconds")
        for (let i = 0; i < 3; i++) {
          yield* succeed(breaker)
          yield* succeed(breaker)
          yield* TestClock.adjust("2 seconds")
        }
        yield* succeed(breaker)
        yield* turns

        assert.deepStrictEqual(said(), [
          "Warn: Circuit \"openai\" opened for 1 minute: 2 failures in a row (limit 2).",
          "Debug: Circuit \"openai\" is half-open: a probe runs.",
          "Warn: Circuit \"openai\" opened again for 1 minute: 1 of 1 probes failed (limit 1). Last failure: timeout." +
          " So far, 3 calls were refused.",
          "Debug: Circuit \"openai\" is half-open: a probe runs.",
          "Debug: Circuit \"openai\" lets 10 % of the calls through.",
          "Debug: Circuit \"openai\" lets 50 % of the calls through.",
          "Info: Circuit \"openai\" closed. It was down for 2.1 minutes, and 6 calls were refused meanwhile."
        ])
        assert.deepStrictEqual(lines.at(-1)!.fields, {
          circuit: "openai",
          from: "HalfOpen",
          to: "Closed",
          generation: 6,
          downFor: 124_000,
          refused: 6
        })
        assert.strictEqual((yield* breaker.snapshot).rejected, 6)
        assert.deepInclude(lines[2]!.fields, { kind: "timeout", refused: 3, downFor: 60_000 })
        assert.deepInclude(lines[5]!.fields, { from: "HalfOpen", to: "HalfOpen", share: 0.5 })
      }))

    it.effect("tells what operators order once, with who and why: an isolation and an opening as warnings", () =>
      Effect.gen(function*() {
        const { lines, said } = yield* logging()
        const breaker = yield* make()
        yield* order(breaker, { _tag: "Isolate", by: "ann", note: "bad deploy.", for: 3_600_000 })
        yield* order(breaker, { _tag: "Isolate", by: "bob", note: "worse" })
        yield* refused(breaker, 1)
        yield* TestClock.adjust("90 minutes")
        yield* order(breaker, { _tag: "Release", by: "ann", note: "rolled back" })
        yield* order(breaker, { _tag: "Trip", by: "ann", note: "drill", openFor: 250 })
        yield* order(breaker, { _tag: "Reset", by: "ann" })
        yield* order(breaker, { _tag: "Reset" })
        yield* order(breaker, { _tag: "SetMode", by: "ann", mode: "observe" })
        yield* order(breaker, { _tag: "Release", by: "ann" })
        yield* breaker.trip()
        yield* breaker.isolate()
        yield* turns

        assert.deepStrictEqual(said(), [
          "Warn: Circuit \"openai\" was isolated by ann for 1 hour: bad deploy.",
          "Info: Circuit \"openai\" got the order Isolate by bob: worse.",
          "Info: Circuit \"openai\" was released by ann: rolled back. It was down for 1.5 hours, and 1 call was refused" +
          " meanwhile.",
          "Warn: Circuit \"openai\" opened for 250 ms by ann: drill.",
          "Info: Circuit \"openai\" was reset by ann. It was down for 0 ms, and no call was refused meanwhile.",
          "Info: Circuit \"openai\" was reset by hand.",
          "Info: Circuit \"openai\" was set to mode observe by ann.",
          "Info: Circuit \"openai\" got the order Release by ann.",
          "Warn: Circuit \"openai\" opened for 1 hour by hand. Mode observe: calls still run.",
          "Warn: Circuit \"openai\" was isolated by hand until it is released."
        ])
        assert.deepInclude(lines[0]!.fields, {
          to: "Isolated",
          order: "Isolate",
          by: "ann",
          note: "bad deploy.",
          openFor: 3_600_000
        })
        assert.deepInclude(lines[2]!.fields, { to: "Closed", order: "Release", by: "ann", note: "rolled back" })
        assert.deepStrictEqual(lines[6]!.fields, { circuit: "openai", mode: "observe", order: "SetMode", by: "ann" })
        assert.notProperty(lines[9]!.fields, "openFor")
      }))

    it.effect("gives no order the credit for what the circuit did by itself a moment before", () =>
      Effect.gen(function*() {
        const { said } = yield* logging(undefined, "Info")
        const breaker = yield* make()
        yield* breaker.trip({ openFor: 0 })
        yield* succeed(breaker)
        yield* order(breaker, { _tag: "Release", by: "ann" })
        yield* turns

        assert.deepStrictEqual(said().slice(1), [
          "Info: Circuit \"openai\" closed. It was down for 0 ms, and no call was refused meanwhile.",
          "Info: Circuit \"openai\" got the order Release by ann."
        ])
      }))

    it.effect("tells an isolation that is over by itself, and what the circuit goes on with", () =>
      Effect.gen(function*() {
        const { said } = yield* logging()
        const breaker = yield* make()
        yield* breaker.isolate({ for: "10 seconds" })
        yield* TestClock.adjust("10 seconds")
        yield* succeed(breaker)
        yield* breaker.trip({ openFor: "30 seconds" })
        yield* breaker.isolate({ for: "10 seconds" })
        yield* TestClock.adjust("10 seconds")
        yield* refused(breaker, 1)
        yield* TestClock.adjust("20 seconds")
        const probe = yield* breaker.admit
        yield* breaker.isolate({ for: "10 seconds" })
        yield* probe.settle(Outcome.success)
        yield* TestClock.adjust("10 seconds")
        yield* succeed(breaker)
        yield* turns

        assert.deepStrictEqual(said().filter((line) => line.includes("no longer")), [
          "Info: Circuit \"openai\" is no longer isolated: it closed. It was down for 10 seconds, and no call was refused" +
          " meanwhile.",
          "Warn: Circuit \"openai\" is no longer isolated: it goes on open for 20 seconds: opened by hand. So far, no" +
          " call was refused.",
          "Info: Circuit \"openai\" is no longer isolated: it goes on half-open."
        ])
      }))

    it.effect("tells of mode observe what would have been refused", () =>
      Effect.gen(function*() {
        const { lines, said } = yield* logging(undefined, "Info")
        const breaker = yield* make({ mode: "observe" })
        yield* fail(breaker)
        yield* fail(breaker)
        for (let i = 0; i < 4; i++) yield* succeed(breaker)
        yield* TestClock.adjust("60 seconds")
        yield* succeed(breaker)
        yield* turns

        assert.deepStrictEqual(said(), [
          "Warn: Circuit \"openai\" opened for 1 minute: 2 failures in a row (limit 2). Mode observe: calls still run.",
          "Info: Circuit \"openai\" closed. It was down for 1 minute, and 4 calls would have been refused meanwhile."
        ])
        assert.deepInclude(lines[1]!.fields, { mode: "observe", refused: 0, wouldReject: 4 })
      }))

    it.effect("tells of a circuit that was open before the log began only what it knows", () =>
      Effect.gen(function*() {
        const breaker = yield* make()
        yield* breaker.trip()
        const { lines, said } = yield* logging()
        yield* breaker.reset
        yield* turns

        assert.deepStrictEqual(said(), ["Info: Circuit \"openai\" was reset by hand."])
        assert.notProperty(lines[0]!.fields, "downFor")
      }))

    it.effect("is one line, and not a longer one, whatever names and notes hold", () =>
      Effect.gen(function*() {
        const { lines } = yield* logging()
        const breaker = yield* make({ name: "open\nai" })
        yield* order(breaker, { _tag: "Isolate", by: "ann\r\n", note: `\u001b[31m\u2028${"x".repeat(5000)}` })
        yield* order(breaker, { _tag: "Release" })
        yield* fail(breaker, "over\nloaded")
        yield* fail(breaker, "over\nloaded")
        yield* turns

        assert.strictEqual(lines.length, 3)
        for (const { message } of lines) {
          assert.match(message, /^[^\p{Cc}\p{Zl}\p{Zp}]+$/u)
          assert.isBelow(message.length, 500)
        }
        assert.strictEqual(lines[0]!.fields["circuit"], "open\nai")
        assert.isBelow(String(lines[0]!.fields["note"]).length, 500)
      }))
  })

  describe("the text of an error", () => {
    const failing = (breaker: Breaker.Breaker) =>
      Effect.gen(function*() {
        for (const error of [new Error(secret), secret]) yield* Effect.exit(breaker.execute(Effect.fail(error)))
        yield* TestClock.adjust("60 seconds")
        yield* Effect.exit(breaker.execute(Effect.die(new Error(secret))))
        yield* breaker.reset
        const throttled = { classify: () => Outcome.throttled({ kind: "rate-limit", message: secret }) }
        yield* Effect.exit(breaker.execute(Effect.fail(secret), throttled))
        const trip = { classify: () => Outcome.trip({ kind: "quota", message: secret }) }
        yield* TestClock.adjust("60 seconds")
        yield* Effect.exit(breaker.execute(Effect.fail(secret), trip))
        yield* turns
      })

    it.effect("is never logged: it may hold a key, a question or an answer", () =>
      Effect.gen(function*() {
        const { lines } = yield* logging()
        yield* failing(yield* make())

        assert.deepStrictEqual(
          lines.map(({ fields: { kind, rule, to } }) => [to, rule, kind]),
          [
            ["Open", "consecutive", undefined],
            ["HalfOpen", "consecutive", undefined],
            ["Open", "probes", undefined],
            ["Closed", undefined, undefined],
            [undefined, "throttled", "rate-limit"],
            ["Open", "trip", "quota"]
          ]
        )
        assert.notInclude(JSON.stringify(lines), secret)
      }))

    it.effect("is logged where the program asks for it", () =>
      Effect.gen(function*() {
        const { lines } = yield* logging({ messages: true }, "Info")
        yield* failing(yield* make())

        assert.deepStrictEqual(lines.map(({ fields }) => fields["error"]), [secret, secret, undefined, secret, secret])
        assert.include(lines[4]!.message, `Last failure: quota: ${secret}.`)
      }))
  })

  describe("a pause that a provider asks for", () => {
    const throttle = (breaker: Breaker.Breaker, kind?: string) =>
      breaker.execute(Effect.void, { classify: () => Outcome.throttled({ kind, retryAfter: "3 seconds" }) })

    it.effect("is one line, however many calls are told of it and lengthen it", () =>
      Effect.gen(function*() {
        const { lines, said } = yield* logging()
        const breaker = yield* make()
        const permits = yield* Effect.all(Array.from({ length: 1000 }, () => breaker.admit))
        for (const permit of permits) {
          yield* permit.settle(Outcome.throttled({ kind: "rate-limit", retryAfter: "3 seconds" }))
          yield* TestClock.adjust("1 millis")
        }
        yield* TestClock.adjust("1999 millis")
        assert.strictEqual(lines.length, 1)
        yield* refused(breaker, 1)
        yield* TestClock.adjust("3 seconds")
        yield* throttle(breaker)
        yield* turns

        assert.deepStrictEqual(said(), [
          "Info: Circuit \"openai\" is throttled for 3 seconds: the provider asked for a pause (rate-limit).",
          "Info: Circuit \"openai\" is throttled for 3 seconds: the provider asked for a pause."
        ])
        assert.deepStrictEqual(lines[0]!.fields, {
          circuit: "openai",
          rule: "throttled",
          value: 3000,
          limit: 0,
          calls: 0,
          kind: "rate-limit",
          pause: 3000
        })
      }))

    it.effect("is not logged again by those of other circuits", () =>
      Effect.gen(function*() {
        const { lines } = yield* logging()
        const map = yield* BreakerMap.make()
        for (const key of ["a", "b"]) {
          const breaker = yield* map.get(key)
          const permits = yield* Effect.all([breaker.admit, breaker.admit])
          for (const permit of permits) yield* permit.settle(Outcome.throttled())
        }
        yield* turns

        assert.deepStrictEqual(lines.map(({ fields }) => fields["circuit"]), ["a", "b"])
      }))
  })

  describe("how much is logged", () => {
    const flap = (breaker: Breaker.Breaker, times: number) =>
      Effect.gen(function*() {
        for (let i = 0; i < times; i++) {
          yield* fail(breaker)
          yield* turns
        }
      })
    const flapping = { tripPolicy: TripPolicy.consecutive(1), openDuration: 0 }

    it.effect("is no line for a refused call", () =>
      Effect.gen(function*() {
        const { lines } = yield* logging()
        const breaker = yield* make()
        yield* breaker.trip()
        yield* refused(breaker, 1000)
        yield* turns

        assert.strictEqual(lines.length, 1)
      }))

    it.effect("is at most so many lines of a circuit a minute, and then one that says how many were left out", () =>
      Effect.gen(function*() {
        const { lines, said } = yield* logging({ linesPerCircuit: 4 }, "Info")
        const breaker = yield* make(flapping)
        const other = yield* make({ name: "anthropic" })
        yield* flap(breaker, 10)
        yield* TestClock.adjust("59999 millis")
        yield* other.trip({ openFor: "1 hour" })
        yield* turns
        assert.strictEqual(lines.length, 5)
        assert.strictEqual(lines[4]!.fields["circuit"], "anthropic")

        yield* TestClock.adjust("1 millis")
        yield* turns
        assert.deepStrictEqual(said().slice(5), [
          "Warn: Circuit \"openai\" changes often: 6 lines left out in the last minute. Now it is open."
        ])
        assert.deepStrictEqual(lines[5]!.fields, { circuit: "openai", state: "Open", leftOut: 6 })

        yield* flap(breaker, 4)
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(lines.length, 10)
      }))

    it.effect("is at most so many lines a minute in all, and then one that says how many were left out", () =>
      Effect.gen(function*() {
        const { lines, said } = yield* logging({ lines: 10 })
        const map = yield* BreakerMap.make({ tripPolicy: TripPolicy.consecutive(1) })
        for (let i = 0; i < 5000; i++) {
          yield* fail(yield* map.get(`model-${i}`))
          yield* turns
        }
        assert.strictEqual(lines.length, 10)
        yield* TestClock.adjust("1 minute")
        yield* turns

        assert.deepStrictEqual(said().slice(10), [
          "Warn: 4990 lines left out in the last minute, over all circuits."
        ])
      }))

    it.effect("is not less for lines that the log level hides", () =>
      Effect.gen(function*() {
        const { lines } = yield* logging({ linesPerCircuit: 3 }, "Warn")
        const breaker = yield* make(flapping)
        yield* flap(breaker, 3)
        yield* turns

        assert.deepStrictEqual(lines.map(({ fields }) => fields["to"]), ["Open", "Open", "Open"])
      }))

    it.effect("tells bad settings at once", () =>
      Effect.sync(() => {
        assert.strictEqual(
          rangeErrorOf(() => BreakerLog.layer({ linesPerCircuit: 0 })),
          "BreakerLog.layer: linesPerCircuit must be a whole number of at least 1, got 0"
        )
        assert.strictEqual(
          rangeErrorOf(() => BreakerLog.layer({ lines: Infinity })),
          "BreakerLog.layer: lines must be a whole number of at least 1, got Infinity"
        )
        // Of a program that is not checked: texts that mean no would show errors.
        assert.strictEqual(
          rangeErrorOf(() => BreakerLog.layer({ messages: "false" as never })),
          "BreakerLog.layer: messages must be true or false, got \"false\""
        )
      }))
  })

  describe("a slow logger", () => {
    it.effect("holds up no call: nothing is logged before the call has returned", () =>
      Effect.gen(function*() {
        const { lines } = yield* logging()
        const breaker = yield* make()
        yield* breaker.trip()
        const during = lines.length
        yield* turns

        assert.deepStrictEqual([during, lines.length], [0, 1])
      }))

    it.effect("keeps the newest 256 events, and says how many it missed", () =>
      Effect.gen(function*() {
        const { lines, said } = yield* logging({ lines: 10_000, linesPerCircuit: 10_000 })
        const breaker = yield* make()
        // No fiber gets a turn meanwhile, as while a logger writes.
        const times = 100_000
        const orders = Effect.forEach(Array.from({ length: times }, (_, i) => i), (i) => breaker.trip({ note: `${i}` }))
        yield* Effect.provideService(orders, References.PreventSchedulerYield, true)
        yield* Effect.forEach(Array.from({ length: 1000 }), () => Effect.yieldNow, { discard: true })

        assert.strictEqual(lines.length, 257)
        assert.strictEqual(
          said()[0],
          "Warn: 99744 events of circuits passed unlogged: they came faster than they could be logged."
        )
        assert.deepStrictEqual(
          lines.slice(1).map(({ fields }) => fields["note"]),
          Array.from({ length: 256 }, (_, i) => `${times - 256 + i}`)
        )
      }))

    it.effect("gives way to calls between two lines", () =>
      Effect.gen(function*() {
        const order: Array<string> = []
        yield* logging(undefined, "All", () => order.push("line"))
        const breaker = yield* make()
        for (let i = 0; i < 3; i++) yield* breaker.trip()
        for (let i = 0; i < 20; i++) {
          order.push("call")
          yield* Effect.yieldNow
        }

        const first = order.indexOf("line")
        assert.strictEqual(order.filter((word) => word === "line").length, 3)
        assert.notDeepEqual(order.slice(first, first + 3), ["line", "line", "line"])
      }))

    it.effect("that throws ends neither the log nor a call", () =>
      Effect.gen(function*() {
        const { lines } = yield* logging(undefined, "All", () => {
          throw new Error("disk full")
        })
        const breaker = yield* make()
        yield* breaker.trip()
        yield* turns
        yield* breaker.reset
        yield* turns

        assert.strictEqual(lines.length, 2)
      }))
  })

  describe("the layer", () => {
    it.effect("logs through the loggers, the level and the annotations that it is given", () =>
      Effect.gen(function*() {
        const { lines, loggers } = keeping("Warn")
        const annotated = Layer.provide(
          BreakerLog.layer(),
          Layer.merge(loggers, Layer.succeed(References.CurrentLogAnnotations, { service: "chat" }))
        )
        yield* Effect.gen(function*() {
          const breaker = yield* make()
          yield* breaker.trip()
          yield* breaker.reset
          yield* turns
        }).pipe(Effect.provide(annotated))

        assert.deepStrictEqual(lines.map(({ fields, level }) => [level, fields["service"], fields["to"]]), [
          ["Warn", "chat", "Open"]
        ])
      }))

    it.effect("hears all circuits: breakers, those of a map, and those of a breaker for language models", () =>
      Effect.gen(function*() {
        const { lines } = yield* logging()
        const llm = yield* LlmBreaker.make()
        const scopes = { provider: "anthropic", model: "opus" }
        yield* (yield* make()).trip()
        yield* (yield* (yield* BreakerMap.make()).get("tenant-7")).trip()
        yield* (yield* llm.breaker("model", scopes)).trip()
        yield* turns

        assert.deepStrictEqual(lines.map(({ fields }) => fields["circuit"]), ["openai", "tenant-7", "anthropic/opus"])
      }))

    it.effect("logs what happened until it was closed, and nothing after", () =>
      Effect.gen(function*() {
        const { lines, loggers, said } = keeping("Info")
        const scope = yield* Scope.make()
        const log = Layer.provide(BreakerLog.layer({ linesPerCircuit: 1 }), loggers)
        yield* Scope.provide(Layer.build(log), scope)
        const breaker = yield* make()
        yield* breaker.trip()
        yield* breaker.reset
        yield* Scope.close(scope, yield* Effect.exit(Effect.void))
        assert.deepStrictEqual(said(), [
          "Warn: Circuit \"openai\" opened for 1 hour by hand.",
          "Warn: Circuit \"openai\" changes often: 1 line left out in the last minute. Now it is closed."
        ])

        yield* breaker.trip()
        yield* turns
        assert.strictEqual(lines.length, 2)
      }))

    it.effect("of two tells both logs, and the other when one is closed", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const one = yield* Scope.provide(logging(), scope)
        const two = yield* logging()
        const breaker = yield* make()
        yield* breaker.trip()
        yield* turns
        yield* Scope.close(scope, yield* Effect.exit(Effect.void))
        yield* breaker.reset
        yield* turns

        assert.deepStrictEqual([one.lines.length, two.lines.length], [1, 2])
      }))

    it.effect("writes on no span: not on the one that it was built in", () =>
      tracing((traced) =>
        Effect.gen(function*() {
          const log = Layer.provide(BreakerLog.layer(), Logger.layer([Logger.tracerLogger]))
          const span = yield* Effect.makeSpanScoped("start")
          yield* Effect.withParentSpan(Layer.build(log), span)
          const breaker = yield* make()
          yield* breaker.trip()
          yield* turns

          assert.deepStrictEqual(traced.eventsOf("start"), [])
        })
      ))
  })
})
