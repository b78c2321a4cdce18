/**
 * The faults that depend on the traffic, the key, the model or the time: 10, 19 and 22 to 28, by every client.
 */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import { assert, describe, it } from "@effect/vitest"
import { generateObject, jsonSchema } from "ai"
import { Effect, Fiber } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { LlmOutcome } from "effect-breaker/llm"
import { FakeProvider, Fault, Limit, OpenAiFault } from "effect-breaker/testing"
import { TestClock } from "effect/testing"
import { named, names } from "./clients.ts"
import { endsAfter, Heard, plain, streamed } from "./driving.ts"

const ways = { plain, streamed }

/** One call under a breaker that is there already: what the caller got. */
const under = (breaker: Breaker.Breaker, name: typeof names[number], url: string) =>
  Effect.tryPromise({ try: (signal) => named(name).plain({ url, signal }), catch: (error) => error }).pipe(
    breaker.execute,
    Effect.match({ onSuccess: () => "answer", onFailure: (error) => String(Object(error)._tag ?? "error") })
  )

const fixed = { jitter: 0, classify: LlmOutcome.classify }

for (const name of names) {
  const client = named(name)

  describe(`by ${name}`, () => {
    it.effect("fault 10: a slow drip is an answer, and slow", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()
        yield* provider.setHealth({
          tokens: 20,
          faults: [{ fault: Fault.slowDrip({ tokensPerSecond: 1 }), share: 1 }]
        })
        const heard = new Heard()
        // Where no usage is asked for, tokens are a quarter of the characters: some more than came.
        const stream = { slow: { perOutputToken: "500 millis" } } as const
        const whole = yield* Effect.forkChild(plain(client, { url: provider.url }, { slowAfter: "19 seconds" }), {
          startImmediately: true
        })
        yield* provider.awaitJournal(([entry]) => entry?.fault !== undefined)
        const { slow, vote } = yield* endsAfter(whole, "20 seconds")

        const dripping = yield* Effect.forkChild(
          streamed(client, { url: provider.url }, { slowAfter: "1 hour", stream }, heard),
          { startImmediately: true }
        )
        yield* provider.awaitJournal(([, entry]) => entry?.fault !== undefined)
        for (let token = 1; token <= 20; token++) {
          yield* TestClock.adjust("1 second")
          yield* heard.words(token)
        }
        const dripped = yield* Fiber.join(dripping)

        assert.deepStrictEqual([vote, slow], ["Success model", true])
        assert.deepStrictEqual([dripped.vote, dripped.slow], ["Success model", true])
      }))

    it.effect("fault 22: a storm lifts for a herd that heeds the gate, with one request instead of twenty", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()
        yield* provider.setHealth({ limits: [Limit.storm({ below: 1, over: "10 seconds" })] })
        const breaker = yield* Breaker.make({ name: "herd", throttleDuration: "20 seconds", ...fixed })
        const herd = Effect.replicateEffect(under(breaker, name, provider.url), 20)

        const during = yield* herd
        yield* TestClock.adjust("20 seconds")
        const after = yield* under(breaker, name, provider.url)

        assert.deepStrictEqual(during, ["error", ...Array.from({ length: 19 }, () => "CircuitRejected")])
        assert.strictEqual(after, "answer")
        assert.lengthOf(yield* provider.journal, 2)
        assert.deepInclude(yield* breaker.snapshot, { throttled: 1, failures: 0, successes: 1, rejected: 19 })
      }))

    for (const [way, ask] of Object.entries(ways)) {
      it.effect(`fault 22, ${way}: a request into the storm is Throttled`, () =>
        Effect.gen(function*() {
          const provider = yield* FakeProvider.make()
          yield* provider.setHealth({ limits: [Limit.storm({ below: 1 })] })

          assert.strictEqual((yield* ask(client, { url: provider.url })).vote, "Throttled rate-limit model")
        }))

      it.effect(`fault 23, ${way}: what a recovering server cannot take yet is a Failure, and later a Success`, () =>
        Effect.gen(function*() {
          const provider = yield* FakeProvider.make()
          yield* provider.setHealth({ limits: [Limit.recovering({ from: 1, to: 100, during: "1 minute" })] })
          const three = Effect.map(
            Effect.replicateEffect(ask(client, { url: provider.url }), 3),
            (seen) => seen.map(({ vote }) => vote)
          )

          const overloaded = "Failure overloaded model"
          assert.deepStrictEqual(yield* three, ["Success model", overloaded, overloaded])
          yield* TestClock.adjust("1 minute")
          assert.deepStrictEqual(yield* three, ["Success model", "Success model", "Success model"])
        }))

      it.effect(`fault 24, ${way}: a key that was revoked speaks for itself, not for the new one`, () =>
        Effect.gen(function*() {
          const provider = yield* FakeProvider.make()
          yield* provider.setHealth({ faults: [{ fault: OpenAiFault.invalidApiKey, share: 1, keys: ["sk-old"] }] })

          const old = yield* ask(client, { url: provider.url, key: "sk-old" })
          const rotated = yield* ask(client, { url: provider.url, key: "sk-new" })

          assert.deepStrictEqual([old.vote, rotated.vote], ["Trip auth key", "Success model"])
        }))

      it.effect(`fault 25, ${way}: an answer that comes after the caller left changes nothing`, () =>
        Effect.gen(function*() {
          const provider = yield* FakeProvider.make({ allowHeader: true })
          const call = { url: provider.url, headers: Fault.header(Fault.lateAnswer({ after: "1 minute" })) }
          const options = { plainTimeout: "30 seconds", stream: { firstContent: "30 seconds" } } as const

          const fiber = yield* Effect.forkChild(ask(client, call, options), { startImmediately: true })
          yield* provider.awaitJournal(([entry]) => entry?.fault !== undefined)
          const seen = yield* endsAfter(fiber, "30 seconds")
          yield* TestClock.adjust("30 seconds")
          const [entry] = yield* provider.awaitJournal(([entry]) => entry!.end !== "running")

          assert.deepStrictEqual([seen.vote, entry!.end], ["Failure timeout model", "unheard"])
        }))

      it.effect(`fault 26, ${way}: a quota that is used up trips until the wall clock says so`, () =>
        Effect.gen(function*() {
          yield* TestClock.setTime(Date.UTC(2026, 9, 31, 23))
          const provider = yield* FakeProvider.make()
          yield* provider.setHealth({ limits: [Limit.quota({ resetsAt: "2026-11-01T00:00:00Z", requests: 1 })] })
          const vote = Effect.map(ask(client, { url: provider.url }), ({ vote }) => vote)

          assert.deepStrictEqual([yield* vote, yield* vote], ["Success model", "Trip quota key"])
          yield* TestClock.adjust("59 minutes")
          assert.strictEqual(yield* vote, "Trip quota key")
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(yield* vote, "Success model")
        }))

      it.effect(`fault 27, ${way}: a model that fails speaks for itself, not for its sibling`, () =>
        Effect.gen(function*() {
          const provider = yield* FakeProvider.make()
          yield* provider.setHealth({ faults: [{ fault: Fault.overloaded, share: 1, models: ["big"] }] })

          const big = yield* ask(client, { url: provider.url, model: "big" })
          const small = yield* ask(client, { url: provider.url, model: "small" })

          assert.deepStrictEqual([big.vote, small.vote], ["Failure overloaded model", "Success model"])
        }))

      it.effect(`fault 28, ${way}: one request too many at once is Throttled, the one before it answered`, () =>
        Effect.gen(function*() {
          const provider = yield* FakeProvider.make()
          yield* provider.setHealth({ latency: "1 second", limits: [Limit.concurrency({ atOnce: 1 })] })

          const first = yield* Effect.forkChild(ask(client, { url: provider.url }), { startImmediately: true })
          yield* provider.awaitJournal(([entry]) => entry?.model !== undefined)
          const second = yield* Effect.forkChild(ask(client, { url: provider.url }), { startImmediately: true })
          yield* provider.awaitJournal(([, entry]) => entry?.limit !== undefined)
          yield* TestClock.adjust("1 second")

          assert.strictEqual((yield* Fiber.join(first)).vote, "Success model")
          assert.strictEqual((yield* Fiber.join(second)).vote, "Throttled rate-limit model")
        }))
    }
  })
}

describe("fault 19: JSON that is none, for who asked for an object", () => {
  const schema = jsonSchema<{ readonly ok: boolean }>({ type: "object", properties: { ok: { type: "boolean" } } })

  for (const format of ["chat", "responses", "messages"] as const) {
    it.effect(`generateObject (${format}): a matter of quality, and none of health`, () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const settings = {
          apiKey: "sk-any",
          baseURL: provider.baseUrl,
          headers: { ...Fault.header(Fault.invalidJson) }
        }
        const model = format === "messages"
          ? createAnthropic(settings)("claude-haiku-4-5")
          : createOpenAI(settings)[format]("gpt-4o")
        const breaker = yield* Breaker.make({ name: "ai", tripPolicy: TripPolicy.consecutive(1), ...fixed })

        const call = Effect.tryPromise({
          try: () => generateObject({ model, schema, prompt: "x", maxRetries: 0 }),
          catch: (error) => error
        })
        const error = yield* Effect.flip(breaker.execute(call))

        assert.strictEqual(Object(error).name, "AI_NoObjectGeneratedError")
        const { kind, scope } = LlmOutcome.fromError(error)
        assert.deepStrictEqual([kind, scope], ["quality", "model"])
        assert.deepInclude(yield* breaker.snapshot, { state: "Closed", ignored: 1 })
      }))
  }
})
