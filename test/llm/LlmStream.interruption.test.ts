import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, References, Stream } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { LlmStream, type PartReader } from "effect-breaker/llm"

// As in Breaker.interruption.test.ts: a fiber may be interrupted wherever it gives way, so every such place is met.
const budgets = Array.from({ length: 59 }, (_, i) => i + 2)
// The smallest budget that gets anywhere: of three operations two are the yield's own.
const oneByOne = 3

const reader: PartReader.Reader<PartReader.Part> = { read: (part) => part }
const ping: PartReader.Part = {}
const word: PartReader.Part = { content: 4 }
const stop: PartReader.Part = { finish: "stop" }

const parts = (...parts: ReadonlyArray<PartReader.Part>) => Stream.fromIterable(parts).pipe(Stream.rechunk(1))

const answers = {
  "a whole answer": parts(ping, word, word, stop),
  "an answer that hangs before content": Stream.concat(parts(ping), Stream.never),
  "an answer that hangs after content": Stream.concat(parts(ping, word), Stream.never),
  "an answer that reports an error": parts(ping, word, { error: { status: 529 } }),
  "an answer that is cut": parts(ping, word),
  "an answer that never begins": parts(ping),
  "a stream that fails": Stream.concat(parts(word), Stream.fail("connection cut"))
}

const allDeadlines = { headers: "1 day", firstContent: "1 day", idle: "1 day", total: "1 day" } as const

type Options = LlmStream.Options<PartReader.Part> & { readonly reader: typeof reader }

const readings: Record<string, Options> = {
  "without deadlines": { reader },
  "with deadlines": { reader, ...allDeadlines },
  "with partial answers kept, a rule and a report": {
    reader,
    ...allDeadlines,
    onPartial: "keep",
    slow: { firstContent: "1 second" },
    onEnd: () => Effect.yieldNow
  }
}

/** Interrupts a stream at every place that it can be interrupted at, and looks after each. */
const sweep = (reading: Effect.Effect<unknown, unknown>, look: (at: string) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    const interruptAfter = (step: number, budget?: number) =>
      Effect.gen(function*() {
        const call = budget === undefined
          ? reading
          : Effect.provideService(reading, References.MaxOpsBeforeYield, budget)
        const fiber = yield* Effect.forkChild(call, { startImmediately: step > 0 })
        for (let i = 1; i < step; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        yield* look(`step ${step}, budget ${budget}`)
      })
    for (let step = 0; step < 30; step++) yield* interruptAfter(step)
    for (const budget of budgets) for (const step of [1, 2, 3, 5, 8]) yield* interruptAfter(step, budget)
    for (let step = 0; step < 200; step++) yield* interruptAfter(step, oneByOne)
  })

describe("interruption", () => {
  for (const [name, answer] of Object.entries(answers)) {
    for (const [how, options] of Object.entries(readings)) {
      it.effect(`of ${name} leaves no permit behind, ${how}`, () =>
        Effect.gen(function*() {
          const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.never })
          const guarded = LlmStream.guard(answer, options)
          const reading = Effect.provideService(Stream.runDrain(guarded), Breaker.Breaker, breaker)

          yield* sweep(reading, (at) =>
            Effect.map(breaker.snapshot, ({ inFlight }) => assert.strictEqual(inFlight, 0, at)))
        }))

      it.effect(`of ${name} settles each admission exactly once, ${how}`, () =>
        Effect.gen(function*() {
          let admitted = 0
          let settled = 0
          const admit = Effect.sync((): LlmStream.Admission => {
            admitted++
            return { settle: () => Effect.sync(() => settled++), answered: Effect.yieldNow }
          })
          const guarded = LlmStream.guardWith(answer as Stream.Stream<PartReader.Part, string>, admit, options)

          yield* sweep(Stream.runDrain(guarded), (at) => Effect.sync(() => assert.strictEqual(settled, admitted, at)))
          yield* sweep(
            Stream.runDrain(Stream.take(guarded, 2)),
            (at) => Effect.sync(() => assert.strictEqual(settled, admitted, at))
          )
          assert.isAbove(admitted, 100)
        }))
    }
  }

  it.effect("of an answer that hangs counts nothing", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
      const hanging = LlmStream.guard(answers["an answer that hangs after content"], readings["with deadlines"])
      const reading = Effect.provideService(Stream.runDrain(hanging), Breaker.Breaker, breaker)

      yield* sweep(reading, (at) =>
        Effect.map(breaker.snapshot, ({ failures, successes }) =>
          assert.deepStrictEqual([successes, failures], [0, 0], at)))
    }))
})
