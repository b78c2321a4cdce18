import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, References, Stream } from "effect"
import { TripPolicy } from "effect-breaker"
import { LlmBreaker, LlmStream, type PartReader } from "effect-breaker/llm"
import { TestClock } from "effect/testing"
import { calls, network, overloaded, quota, success } from "./circuits.ts"

// As in Breaker.interruption.test.ts: a fiber may be interrupted wherever it gives way, so every such place is met.
const budgets = Array.from({ length: 59 }, (_, i) => i + 2)
// The smallest budget that gets anywhere: of three operations two are the yield's own.
const oneByOne = 3

const scopes = { provider: "openai", model: "gpt-5", key: "key-a", region: "eu" }
const reader: PartReader.Reader<PartReader.Part> = { read: (part) => part }

type Call = (llm: LlmBreaker.LlmBreaker, body: Effect.Effect<unknown>) => Effect.Effect<unknown, unknown>

const wrappers: Record<string, Call> = {
  execute: (llm, body) => llm.execute(body, scopes),
  "admit inside acquireUseRelease": (llm, body) =>
    Effect.acquireUseRelease(llm.admit(scopes), () => body, (permit, exit) => permit.settleExit(exit)),
  "admit inside acquireRelease": (llm, body) =>
    Effect.scoped(Effect.andThen(
      Effect.acquireRelease(llm.admit(scopes), (permit, exit) => permit.settleExit(exit)),
      body
    )),
  "LlmStream.guardWith": (llm, body) =>
    Stream.make<[PartReader.Part]>({ content: 4 }).pipe(
      Stream.concat(Stream.drain(Stream.fromEffect(body))),
      LlmStream.guardWith(llm.admit(scopes), { reader }),
      Stream.runDrain
    )
}

const sweep = <E>(call: Effect.Effect<unknown, unknown>, look: (at: string) => Effect.Effect<void, E>) =>
  Effect.gen(function*() {
    const interruptAfter = (step: number, budget?: number) =>
      Effect.gen(function*() {
        const limited = budget === undefined ? call : Effect.provideService(call, References.MaxOpsBeforeYield, budget)
        const fiber = yield* Effect.forkChild(limited, { startImmediately: step > 0 })
        for (let i = 1; i < step; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        yield* look(`step ${step}, budget ${budget}`)
      })
    for (let step = 0; step < 30; step++) yield* interruptAfter(step)
    for (const budget of budgets) for (const step of [1, 2, 3, 5, 8]) yield* interruptAfter(step, budget)
    for (let step = 0; step < 200; step++) yield* interruptAfter(step, oneByOne)
  })

const inFlight = (llm: LlmBreaker.LlmBreaker) =>
  Effect.map(llm.snapshots, (all) => all.map(({ inFlight }) => inFlight).filter((count) => count > 0).length)

const places = ["key", "access", "model", "quality", "provider", "region"] as const

describe("interruption", () => {
  for (const [name, wrap] of Object.entries(wrappers)) {
    describe(`of ${name}`, () => {
      it.effect("gives every circuit its permit back, wherever it comes, and counts nothing", () =>
        Effect.gen(function*() {
          const llm = yield* LlmBreaker.make({ quality: {} })

          yield* sweep(wrap(llm, Effect.never), (at) =>
            Effect.gen(function*() {
              assert.strictEqual(yield* inFlight(llm), 0, at)
            }))

          const all = yield* llm.snapshots
          assert.isTrue(all.every(({ failures }) => failures === 0))
          assert.strictEqual(all.length, 6)
          assert.isTrue(all.every(({ ignored, successes }) => ignored + successes > 100))
        }))

      it.effect("of calls that come and go leaves nothing behind", () =>
        Effect.gen(function*() {
          const llm = yield* LlmBreaker.make({ quality: {} })

          yield* sweep(Effect.forever(wrap(llm, Effect.void)), (at) =>
            Effect.gen(function*() {
              assert.strictEqual(yield* inFlight(llm), 0, at)
            }))
        }))

      it.effect("gives every circuit its probe back", () =>
        Effect.gen(function*() {
          const policy = { tripPolicy: TripPolicy.consecutive(1), halfOpen: { successes: 1_000_000 }, ramp: undefined }
          const llm = yield* LlmBreaker.make({
            key: policy,
            model: policy,
            provider: policy,
            region: policy,
            quality: { halfOpen: { successes: 1_000_000, outOf: 1_000_000 } }
          })
          yield* calls(llm, scopes, success)
          for (const place of places) yield* (yield* llm.breaker(place, scopes)).trip({ openFor: "1 second" })
          yield* TestClock.adjust("1 second")

          yield* sweep(wrap(llm, Effect.never), (at) =>
            Effect.gen(function*() {
              assert.strictEqual(yield* inFlight(llm), 0, at)
              const permit = yield* llm.admit(scopes)
              yield* permit.settle({ _tag: "Ignored", kind: "cancelled", scope: "request" })
            }))

          assert.isTrue((yield* llm.snapshots).every(({ state }) => state === "HalfOpen"))
        }))

      for (const [place, outcome] of Object.entries({ model: overloaded, region: network, key: quota })) {
        it.effect(`of a call that the ${place} refuses leaves nothing behind`, () =>
          Effect.gen(function*() {
            const llm = yield* LlmBreaker.make({ quality: {} })
            yield* Effect.ignore(calls(llm, scopes, outcome, 5))

            yield* sweep(Effect.forever(Effect.ignore(wrap(llm, Effect.void))), (at) =>
              Effect.gen(function*() {
                assert.strictEqual(yield* inFlight(llm), 0, at)
              }))
          }))
      }
    })
  }

  it.effect("the sweep would find a permit that is lost", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make()
      const leaky = Effect.flatMap(llm.admit(scopes), (permit) =>
        Effect.onExit(Effect.never, (exit) => permit.settleExit(exit)))
      let lost = 0
      yield* sweep(leaky, () =>
        Effect.map(inFlight(llm), (count) => void (lost = Math.max(lost, count))))

      assert.isAbove(lost, 0)
    }))
})
