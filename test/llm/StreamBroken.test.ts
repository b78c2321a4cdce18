import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Stream } from "effect"
import { LlmStream, type PartReader, StreamBroken } from "effect-breaker/llm"

const reader: PartReader.Reader<PartReader.Part> = { read: (part) => part }

const breaking = (...parts: ReadonlyArray<PartReader.Part>) =>
  LlmStream.guardWith(Stream.fromIterable(parts), Effect.succeed({ settle: () => Effect.void }), { reader })

describe("StreamBroken", () => {
  it.effect("is an error with a name, a message and the provider's error as its cause, and without a stack", () =>
    Effect.gen(function*() {
      const reported = { type: "overloaded_error", message: "Overloaded" }
      const error = yield* Effect.flip(Stream.runDrain(breaking({ error: reported })))

      assert.instanceOf(error, StreamBroken)
      assert.instanceOf(error, Error)
      assert.strictEqual(error.name, "StreamBroken")
      assert.strictEqual(error.message, "The provider reported an error: Overloaded")
      assert.strictEqual(error.cause, reported)
      assert.notInclude(error.stack ?? "", "    at ")
    }))

  it.effect("is caught by its tag", () =>
    Effect.gen(function*() {
      const kind = breaking({}).pipe(
        Stream.runDrain,
        Effect.as("whole"),
        Effect.catchTag("StreamBroken", ({ kind }) => Effect.succeed(kind))
      )

      assert.strictEqual(yield* kind, "truncated")
    }))

  it.effect("leaves the stack of other errors alone", () =>
    Effect.gen(function*() {
      const limit = Error.stackTraceLimit
      const exit = yield* Effect.exit(Stream.runDrain(breaking({})))

      assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof StreamBroken)
      assert.strictEqual(Error.stackTraceLimit, limit)
    }))
})
