import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, Stream } from "effect"
import { CallWindow } from "effect-breaker"
import { LlmBreaker, LlmStream, type PartReader } from "effect-breaker/llm"
import { LanguageModel, type Response } from "effect/ai"
import { TestClock } from "effect/testing"
import { calls, empty, garbled, knock, mistake, overloaded, success, troubles } from "./circuits.ts"

const scopes = { provider: "openai", model: "gpt-5", key: "key-a" }
const quality = { minimumCalls: 4, threshold: 0.5, window: CallWindow.lastCalls(4), jitter: 0 } as const

const counted = (llm: LlmBreaker.LlmBreaker) =>
  Effect.gen(function*() {
    const { failures, ignored, inFlight, successes } = yield* (yield* llm.breaker("quality", scopes)).snapshot
    return { good: successes, bad: failures, ignored, inFlight }
  })

const judged = (llm: LlmBreaker.LlmBreaker, isGood: boolean) =>
  Effect.gen(function*() {
    const permit = yield* llm.admit(scopes)
    yield* permit.quality(isGood)
    yield* permit.settle(success)
  })

describe("Quality", () => {
  it.effect("is not counted unless it is switched on", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make()
      for (let i = 0; i < 200; i++) yield* judged(llm, false)

      assert.deepStrictEqual(yield* troubles(llm), [])
      assert.isTrue((yield* llm.snapshots).every(({ failures, name }) => failures === 0 && !name.includes("quality")))
    }))

  it.effect("opens a circuit of its own at its threshold: the model's counts are as they were", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make({ quality })
      yield* judged(llm, true)
      yield* judged(llm, true)
      yield* judged(llm, false)
      assert.deepStrictEqual(yield* troubles(llm), [])
      yield* judged(llm, false)

      assert.deepStrictEqual(yield* troubles(llm), ["openai/gpt-5?quality: Open"])
      const refused = yield* Effect.flip(llm.admit(scopes))
      assert.include(
        refused.message,
        `Circuit "openai/gpt-5?quality" is open: 50 % of the last 4 calls failed (limit 50 %). Last failure: quality.`
      )
      assert.deepInclude(yield* (yield* llm.breaker("model", scopes)).snapshot, { failures: 0, successes: 4 })
      assert.strictEqual(yield* knock(llm, { ...scopes, model: "gpt-5-mini" }), "admitted")
      assert.strictEqual(yield* knock(llm, { ...scopes, key: "key-b" }), "openai/gpt-5?quality: Open")
    }))

  it.effect("needs twenty answers and half of them bad, opens for a minute, and closes by four good ones of five", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make({ quality: { jitter: 0 } })
      for (let i = 0; i < 19; i++) yield* judged(llm, i % 2 === 0)
      assert.deepStrictEqual(yield* troubles(llm), [])
      yield* judged(llm, false)
      assert.deepStrictEqual(yield* troubles(llm), ["openai/gpt-5?quality: Open"])

      yield* TestClock.adjust("59999 millis")
      assert.strictEqual(yield* knock(llm, scopes), "openai/gpt-5?quality: Open")
      yield* TestClock.adjust("1 milli")
      for (const isGood of [true, false, true, true]) yield* judged(llm, isGood)
      assert.deepStrictEqual(yield* troubles(llm), ["openai/gpt-5?quality: HalfOpen"])
      yield* judged(llm, true)
      assert.deepStrictEqual(yield* troubles(llm), [])
    }))

  it.effect("is read off the outcome, where nobody says", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make({ quality: {} })
      yield* calls(llm, scopes, success, 2)
      yield* calls(llm, scopes, empty)
      yield* calls(llm, scopes, garbled)
      yield* calls(llm, scopes, overloaded)
      yield* calls(llm, scopes, mistake)

      assert.deepStrictEqual(yield* counted(llm), { good: 2, bad: 2, ignored: 2, inFlight: 0 })
    }))

  it.effect("is what was said first: the outcome and a second word change nothing", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make({ quality: {} })
      const first = yield* llm.admit(scopes)
      yield* first.quality(true)
      yield* first.quality(false)
      yield* first.settle(garbled)
      const second = yield* llm.admit(scopes)
      yield* second.settle(success)
      yield* second.quality(false)

      assert.deepStrictEqual(yield* counted(llm), { good: 2, bad: 0, ignored: 0, inFlight: 0 })
    }))

  it.effect("may be the program's own word, such as on an error rate in the answer", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make({
        quality: { isGood: (answer) => (answer as { readonly errorRate: number }).errorRate < 0.2 }
      })
      for (const errorRate of [0, 0.19, 0.2, 0.9]) yield* llm.execute(Effect.succeed({ errorRate }), scopes)

      assert.deepStrictEqual(yield* counted(llm), { good: 2, bad: 2, ignored: 0, inFlight: 0 })
    }))

  it.effect("is passed over where that word throws, or says nothing", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make({
        quality: {
          isGood: (answer) => {
            if (answer === "throw") throw new Error("a bug")
            return undefined
          }
        }
      })
      const blank = { choices: [{ message: { content: "" }, finish_reason: "stop" }] }
      for (const answer of ["throw", "nothing", blank]) yield* llm.execute(Effect.succeed(answer), scopes)

      assert.deepStrictEqual(yield* counted(llm), { good: 2, bad: 1, ignored: 0, inFlight: 0 })
    }))

  it.effect("of an Effect model: an answer without a word is bad, and so is one that misses its schema", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make({ quality: {} })
      const finish = {
        type: "finish",
        reason: "stop",
        usage: {
          inputTokens: { total: 1, uncached: undefined, cacheRead: undefined, cacheWrite: undefined },
          outputTokens: { total: 1, text: undefined, reasoning: undefined }
        },
        response: undefined
      } as const
      const model = (...parts: ReadonlyArray<Response.PartEncoded>) =>
        Effect.provideServiceEffect(
          LanguageModel.LanguageModel,
          LanguageModel.make({ generateText: () => Effect.succeed([...parts, finish]), streamText: () => Stream.empty })
        )
      const Weather = Schema.Struct({ celsius: Schema.Number })
      const ask = LanguageModel.generateText({ prompt: "Hello" })
      const askForData = LanguageModel.generateObject({ prompt: "The weather?", schema: Weather })
      const text = (text: string) => ({ type: "text", text }) as const

      yield* llm.execute(ask, scopes).pipe(model(text("Hello")))
      yield* llm.execute(ask, scopes).pipe(model(text(" ")))
      yield* llm.execute(askForData, scopes).pipe(model(text(`{"celsius":21}`)))
      const missed = yield* Effect.exit(llm.execute(askForData, scopes).pipe(model(text(`{"celsius":"warm"}`))))

      assert.isTrue(Exit.isFailure(missed))
      assert.deepStrictEqual(yield* counted(llm), { good: 2, bad: 2, ignored: 0, inFlight: 0 })
      assert.deepInclude(yield* (yield* llm.breaker("model", scopes)).snapshot, {
        failures: 0,
        successes: 3,
        ignored: 1
      })
    }))

  it.effect("of a guarded stream: an answer that ends properly and is empty is bad", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make({ quality: {} })
      const reader: PartReader.Reader<PartReader.Part> = { read: (part) => part }
      const read = (...parts: ReadonlyArray<PartReader.Part>) =>
        Stream.fromIterable(parts).pipe(LlmStream.guardWith(llm.admit(scopes), { reader }), Stream.runDrain)

      yield* read({ content: 5 }, { finish: "stop" })
      yield* read({ finish: "stop" })
      yield* read({ finish: "tool-calls" })
      yield* read({ finish: "length" })

      assert.deepStrictEqual(yield* counted(llm), { good: 1, bad: 2, ignored: 1, inFlight: 0 })
    }))
})
