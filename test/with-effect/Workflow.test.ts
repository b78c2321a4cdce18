/** A breaker in the activities of a workflow: what is on record asks nobody. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { Breaker, TripPolicy, withBreaker } from "effect-breaker"
import { TestClock } from "effect/testing"
import { Activity, DurableClock, Workflow, WorkflowEngine } from "effect/workflow"

class TryLater extends Schema.TaggedError<TryLater>()("TryLater", { after: Schema.DurationFromMillis }) {}

const Summarize = Workflow.make("Summarize", {
  payload: { page: Schema.String },
  idempotencyKey: ({ page }) => page,
  success: Schema.String
})

/** What a workflow has come to, told by itself. */
const make = (provider: Effect.Effect<string>) => {
  const refused = Deferred.makeUnsafe<void>()
  const paused = Deferred.makeUnsafe<void>()
  const activity = Activity.make({
    name: "Ask",
    success: Schema.String,
    error: TryLater,
    execute: provider.pipe(
      withBreaker,
      Effect.catchTag("CircuitRejected", ({ retryAfter }) => Effect.fail(new TryLater({ after: retryAfter })))
    )
  })
  const attempt = (n: number): Effect.Effect<string, never, Effect.Services<typeof activity>> =>
    activity.pipe(
      Effect.provideService(Activity.CurrentAttempt, n),
      Effect.catchTag("TryLater", ({ after }) =>
        Deferred.succeed(refused, undefined).pipe(
          Effect.andThen(DurableClock.sleep({ name: `refusal ${n}`, duration: after })),
          Effect.andThen(attempt(n + 1))
        ))
    )
  const Workflows = Summarize.toLayer(Effect.fn(function*() {
    const summary = yield* attempt(1)
    yield* Deferred.succeed(paused, undefined)
    // Longer than a minute: it suspends the workflow, which is replayed when it is over.
    yield* DurableClock.sleep({ name: "pause", duration: "1 hour" })
    return summary
  }))
  const layer = Workflows.pipe(
    Layer.provideMerge(WorkflowEngine.layerMemory),
    Layer.provideMerge(Breaker.layer({
      name: "openai",
      tripPolicy: TripPolicy.consecutive(1),
      openDuration: "10 minutes",
      halfOpen: { successes: 1 }
    }))
  )
  return { layer, paused: Deferred.await(paused), refused: Deferred.await(refused) }
}

/** Lets time go by until a workflow is done. */
const finish = <A, E>(workflow: Fiber.Fiber<A, E>) =>
  Effect.gen(function*() {
    while (workflow.pollUnsafe() === undefined) yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(workflow)
  })

describe("a breaker in an activity of a workflow", () => {
  it.effect("is asked once, however often the workflow is replayed, and not while it is isolated", () => {
    let reached = 0
    const { layer, paused } = make(Effect.sync(() => `summary ${++reached}`))
    return Effect.gen(function*() {
      const breaker = yield* Breaker.Breaker
      const workflow = yield* Effect.forkChild(Summarize.execute({ page: "one" }))
      yield* paused
      yield* breaker.isolate()

      assert.strictEqual(yield* finish(workflow), "summary 1")
      const { rejected, successes } = yield* breaker.snapshot
      assert.deepStrictEqual([reached, successes, rejected], [1, 1, 0])
    }).pipe(Effect.provide(layer))
  })

  it.effect("refuses an attempt, which is written down, and the workflow sleeps as long as it says", () => {
    const { layer, paused, refused } = make(Effect.succeed("a summary"))
    return Effect.gen(function*() {
      const breaker = yield* Breaker.Breaker
      yield* breaker.trip({ openFor: "10 minutes" })
      const workflow = yield* Effect.forkChild(Summarize.execute({ page: "one" }))
      yield* refused

      yield* TestClock.adjust("599999 millis")
      assert.deepStrictEqual([(yield* breaker.snapshot).rejected, (yield* breaker.state)._tag], [1, "Open"])
      yield* TestClock.adjust("1 millis")
      yield* paused
      assert.deepStrictEqual([(yield* breaker.snapshot).rejected, (yield* breaker.state)._tag], [1, "Closed"])
      assert.strictEqual(yield* finish(workflow), "a summary")
    }).pipe(Effect.provide(layer))
  })

  it.effect("gives its permit back when the workflow is interrupted in the middle of a call", () => {
    const started = Deferred.makeUnsafe<void>()
    const { layer } = make(Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
    return Effect.gen(function*() {
      const breaker = yield* Breaker.Breaker
      const workflow = yield* Effect.forkChild(Effect.exit(Summarize.execute({ page: "one" })))
      yield* Deferred.await(started)
      assert.strictEqual((yield* breaker.snapshot).inFlight, 1)
      const engine = yield* WorkflowEngine.WorkflowEngine
      yield* engine.interruptUnsafe(Summarize, yield* Summarize.executionId({ page: "one" }))

      assert.isTrue(Exit.hasInterrupts(yield* finish(workflow)))
      const { failures, ignored, inFlight } = yield* breaker.snapshot
      assert.deepStrictEqual([inFlight, ignored, failures], [0, 1, 0])
    }).pipe(Effect.provide(layer))
  })
})
