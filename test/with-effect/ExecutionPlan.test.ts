/** A breaker in each step of Effect's `ExecutionPlan`. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, ExecutionPlan, Fiber, Stream } from "effect"
import { Breaker, BreakerStream, CircuitRejected, TripPolicy, withBreaker } from "effect-breaker"

class Model extends Context.Service<Model, {
  readonly ask: Effect.Effect<string, string>
  readonly tell: Stream.Stream<string, string>
}>()("test/Model") {}

const fails = (reached: Array<string>, name: string) =>
  Model.of({
    ask: Effect.andThen(Effect.sync(() => reached.push(name)), Effect.fail("503")),
    tell: Stream.fromEffect(Effect.andThen(Effect.sync(() => reached.push(name)), Effect.fail("503")))
  })
const answers = (reached: Array<string>, name: string) =>
  Model.of({
    ask: Effect.as(Effect.sync(() => reached.push(name)), name),
    tell: Stream.fromEffect(Effect.as(Effect.sync(() => reached.push(name)), name))
  })

const make = (failures: number) =>
  Effect.gen(function*() {
    const reached: Array<string> = []
    const breakerOf = (name: string) => Breaker.make({ name, tripPolicy: TripPolicy.consecutive(failures) })
    const [large, small] = [yield* breakerOf("large"), yield* breakerOf("small")]
    const provide = (breaker: Breaker.Breaker, model: Model["Service"]) =>
      Context.make(Model, model).pipe(Context.add(Breaker.Breaker, breaker))
    return { reached, large, small, provide }
  })

const ask = withBreaker(Effect.flatMap(Model, ({ ask }) => ask))
const tell = BreakerStream.withBreaker(Stream.unwrap(Effect.map(Model, ({ tell }) => tell)))

describe("a breaker in each step of an execution plan", () => {
  it.effect("hears each attempt of its step, and a refusal ends the attempts where the step says so", () =>
    Effect.gen(function*() {
      const { large, provide, reached, small } = yield* make(2)
      const plan = ExecutionPlan.make(
        {
          provide: provide(large, fails(reached, "large")),
          attempts: 5,
          while: (error: string | CircuitRejected) => !(error instanceof CircuitRejected)
        },
        { provide: provide(small, answers(reached, "small")) }
      )

      const attempts: Array<number> = []
      const call = ask.pipe(Effect.withExecutionPlan(plan, {
        onEvent: (event) => Effect.sync(() => event._tag === "AttemptStart" && attempts.push(event.stepIndex))
      }))

      assert.strictEqual(yield* call, "small")
      assert.deepStrictEqual(reached, ["large", "large", "small"])
      // The third attempt is the refusal.
      assert.deepStrictEqual(attempts, [0, 0, 0, 1])
      assert.strictEqual((yield* large.snapshot).failures, 2)
      assert.strictEqual((yield* small.snapshot).successes, 1)
    }))

  it.effect("is left by an interrupt as it was, and no other step is tried", () =>
    Effect.gen(function*() {
      const { large, provide, reached, small } = yield* make(1)
      const hangs = Model.of({ ask: Effect.never, tell: Stream.never })
      const plan = ExecutionPlan.make(
        { provide: provide(large, hangs) },
        { provide: provide(small, answers(reached, "small")) }
      )

      const caller = yield* Effect.forkChild(ask.pipe(Effect.withExecutionPlan(plan)), { startImmediately: true })
      assert.strictEqual((yield* large.snapshot).inFlight, 1)
      yield* Fiber.interrupt(caller)

      const { failures, ignored, inFlight } = yield* large.snapshot
      assert.deepStrictEqual([inFlight, ignored, failures], [0, 1, 0])
      assert.deepStrictEqual(reached, [])
    }))

  it.effect("of streams: one that is refused is replaced by the next before its first element", () =>
    Effect.gen(function*() {
      const { large, provide, reached, small } = yield* make(1)
      const plan = ExecutionPlan.make(
        { provide: provide(large, fails(reached, "large")) },
        { provide: provide(small, answers(reached, "small")) }
      )
      const call = Stream.runCollect(tell.pipe(Stream.withExecutionPlan(plan)))

      assert.deepStrictEqual([yield* call, yield* call], [["small"], ["small"]])
      assert.deepStrictEqual(reached, ["large", "small", "small"])
    }))

  it.effect("of which all refuse fails with the refusal of the last", () =>
    Effect.gen(function*() {
      const { large, provide, reached, small } = yield* make(1)
      const plan = ExecutionPlan.make(
        { provide: provide(large, fails(reached, "large")) },
        { provide: provide(small, fails(reached, "small")) }
      )
      const call = Effect.flip(ask.pipe(Effect.withExecutionPlan(plan)))

      assert.strictEqual(yield* call, "503")
      const refused = yield* call
      assert.strictEqual(refused instanceof CircuitRejected && refused.circuit, "small")
    }))
})
