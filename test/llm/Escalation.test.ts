import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TripPolicy } from "effect-breaker"
import { LlmBreaker } from "effect-breaker/llm"
import { TestClock } from "effect/testing"
import { calls, gateway, gone, knock, mistake, network, overloaded, rateLimit, success, troubles } from "./circuits.ts"

const provider = "openai"
const model = (name: string, more: object = {}) => ({ provider, key: "key-a", model: name, ...more })

const atOnce = {
  tripPolicy: TripPolicy.consecutive(1),
  openDuration: "10 seconds",
  jitter: 0,
  halfOpen: { successes: 1 },
  ramp: undefined
} as const
const hasty: LlmBreaker.Options = {
  key: atOnce,
  model: atOnce,
  provider: { ...atOnce, openDuration: "4 seconds" },
  region: atOnce
}

/** Each of these models fails once, and with it opens. */
const fail = (llm: LlmBreaker.LlmBreaker, names: string, more: object = {}) =>
  Effect.forEach(names, (name) => calls(llm, model(name, more), overloaded), { discard: true })

const providerOf = (llm: LlmBreaker.LlmBreaker) =>
  Effect.flatMap(llm.breaker("provider", { provider }), ({ snapshot }) => snapshot)

describe("Escalation", () => {
  it.effect("opens the provider when three distinct models are open at once, and not before", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make(hasty)
      yield* fail(llm, "ab")
      assert.strictEqual(yield* knock(llm, model("d")), "admitted")

      yield* fail(llm, "c")

      const refused = yield* Effect.flip(llm.admit(model("d")))
      assert.strictEqual(refused.circuit, "openai")
      assert.deepStrictEqual(refused.retryAfter, Duration.seconds(4))
      assert.deepInclude(refused.cause, {
        rule: "escalated",
        value: 3,
        limit: 3,
        note: "openai/a, openai/b, openai/c"
      })
      assert.include(
        refused.message,
        `Circuit "openai" is open: 3 circuits under it are open (limit 3) (openai/a, openai/b, openai/c).`
      )
      assert.strictEqual(yield* knock(llm, { provider: "anthropic", model: "a" }), "admitted")
    }))

  for (const escalateAfter of [1, 2, 5]) {
    it.effect(`opens it at ${escalateAfter}, where so many are asked for`, () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ ...hasty, escalateAfter })
        yield* fail(llm, "abcdefg".slice(0, escalateAfter - 1))
        assert.strictEqual((yield* providerOf(llm)).state, "Closed")
        yield* fail(llm, "z")

        assert.strictEqual((yield* providerOf(llm)).state, "Open")
      }))
  }

  it.effect("counts a model once, however often it opens", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make(hasty)
      for (let i = 0; i < 5; i++) {
        yield* fail(llm, "a")
        yield* TestClock.adjust("10 seconds")
      }
      yield* fail(llm, "b")

      assert.deepStrictEqual(yield* troubles(llm), ["openai/a: Open", "openai/b: Open"])
    }))

  it.effect("counts a model that hangs, as the next call finds out", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make()
      for (const name of "abc") {
        for (let i = 0; i < 10; i++) yield* llm.admit(model(name))
      }
      yield* TestClock.adjust("31 seconds")

      assert.deepStrictEqual(yield* Effect.forEach("abc", (name) => knock(llm, model(name))), [
        "openai/a: Open",
        "openai/b: Open",
        "openai/c: Open"
      ])
      assert.strictEqual(yield* knock(llm, model("d")), "openai: Open")
    }))

  describe("does not count", () => {
    it.effect("models that are open by hand, isolated, throttled or gone", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ ...hasty, escalateAfter: 1 })
        const at = (name: string) => ({ provider, model: name })
        yield* (yield* llm.breaker("model", at("a"))).trip()
        yield* (yield* llm.breaker("model", at("b"))).isolate()
        yield* calls(llm, at("c"), rateLimit)
        yield* calls(llm, at("d"), gone)
        yield* Effect.forEach("abcd", (name) => knock(llm, at(name)))

        assert.deepStrictEqual(yield* troubles(llm), ["openai/a: Open", "openai/b: Isolated", "openai/d: Open"])
      }))

    it.effect("a model that an operator took in hand since", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        yield* fail(llm, "ab")
        yield* (yield* llm.breaker("model", model("a"))).trip()
        yield* (yield* llm.breaker("model", model("b"))).isolate()
        yield* fail(llm, "c")

        assert.strictEqual(yield* knock(llm, model("d")), "admitted")
      }))

    it.effect("models that give bad answers", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ ...hasty, quality: { minimumCalls: 1 }, escalateAfter: 1 })
        const permit = yield* llm.admit(model("a"))
        yield* permit.quality(false)
        yield* permit.settle(success)

        assert.deepStrictEqual(yield* troubles(llm), ["openai/a?quality: Open"])
      }))

    it.effect("models that have come back", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        yield* fail(llm, "ab")
        yield* TestClock.adjust("10 seconds")
        yield* calls(llm, model("a"), success)
        yield* fail(llm, "c")

        assert.strictEqual(yield* knock(llm, model("d")), "admitted")
      }))

    it.effect("models of other providers and regions: k models of one region open that region", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        yield* fail(llm, "ab", { region: "eu" })
        yield* fail(llm, "cd", { region: "us" })
        yield* fail(llm, "ef")
        yield* fail(llm, "g", { provider: "azure" })
        assert.strictEqual(yield* knock(llm, model("z")), "admitted")

        yield* fail(llm, "c", { region: "eu" })

        assert.strictEqual(yield* knock(llm, model("z", { region: "eu" })), "openai@eu: Open")
        assert.strictEqual(yield* knock(llm, model("z", { region: "us" })), "admitted")
        assert.strictEqual(yield* knock(llm, model("z")), "admitted")
      }))

    it.effect("an opening that has been over for a minute, and that nobody has probed", () =>
      Effect.gen(function*() {
        const justIn = yield* LlmBreaker.make(hasty)
        const tooLate = yield* LlmBreaker.make(hasty)
        yield* fail(justIn, "ab")
        yield* fail(tooLate, "ab")

        yield* TestClock.adjust("69999 millis")
        yield* fail(justIn, "c")
        yield* TestClock.adjust("1 milli")
        yield* fail(tooLate, "c")

        assert.strictEqual((yield* providerOf(justIn)).state, "Open")
        assert.strictEqual((yield* providerOf(tooLate)).state, "Closed")
      }))
  })

  it.effect("leaves a provider alone that is isolated, or switched off", () =>
    Effect.gen(function*() {
      const held = yield* LlmBreaker.make(hasty)
      const off = yield* LlmBreaker.make(hasty)
      yield* fail(held, "ab")
      yield* fail(off, "ab")
      const permit = yield* held.admit(model("c"))
      yield* (yield* held.breaker("provider", { provider })).isolate("maintenance")
      yield* (yield* off.breaker("provider", { provider })).setMode("off")

      yield* permit.settle(overloaded)
      yield* fail(off, "c")

      assert.deepInclude(yield* providerOf(held), { state: "Isolated" })
      assert.deepInclude(yield* providerOf(off), { state: "Closed" })
    }))

  it.effect("opens a provider that only watches, and refuses nobody", () =>
    Effect.gen(function*() {
      const llm = yield* LlmBreaker.make({ ...hasty, provider: { ...atOnce, mode: "observe" } })
      yield* fail(llm, "abc")

      assert.strictEqual((yield* providerOf(llm)).state, "Open")
      assert.strictEqual(yield* knock(llm, model("d")), "admitted")
    }))

  describe("the provider comes back", () => {
    const dark = (options: LlmBreaker.Options = hasty) =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(options)
        yield* fail(llm, "abc")
        yield* TestClock.adjust("4 seconds")
        return llm
      })

    it.effect("by the success of any of its models", () =>
      Effect.gen(function*() {
        const llm = yield* dark()
        yield* calls(llm, model("d"), success)

        assert.strictEqual((yield* providerOf(llm)).state, "Closed")
        assert.strictEqual(yield* knock(llm, model("a")), "openai/a: Open")
      }))

    it.effect("not while a model that was well until now fails", () =>
      Effect.gen(function*() {
        const llm = yield* dark({ ...hasty, model: { ...atOnce, tripPolicy: TripPolicy.consecutive(1) } })
        yield* calls(llm, model("d"), overloaded)

        const { cause, state } = yield* providerOf(llm)
        assert.strictEqual(state, "Open")
        assert.strictEqual(cause?.rule, "probes")
        assert.strictEqual(cause?.failure?.kind, "overloaded")
      }))

    it.effect("whatever the models do that were dark before: they have their own circuits", () =>
      Effect.gen(function*() {
        const llm = yield* dark()
        yield* TestClock.adjust("6 seconds")
        yield* fail(llm, "abc")
        yield* calls(llm, model("d"), mistake)
        assert.strictEqual((yield* providerOf(llm)).state, "HalfOpen")

        yield* calls(llm, model("d"), success)
        assert.strictEqual((yield* providerOf(llm)).state, "Closed")
      }))

    it.effect("and is not opened again by models that stay dark: it has proved to be well", () =>
      Effect.gen(function*() {
        const llm = yield* dark()
        yield* calls(llm, model("d"), success)
        for (let i = 0; i < 3; i++) {
          yield* TestClock.adjust("10 seconds")
          yield* fail(llm, "abc")
        }
        yield* fail(llm, "xy")
        assert.strictEqual((yield* providerOf(llm)).state, "Closed")

        yield* fail(llm, "z")
        assert.deepInclude((yield* providerOf(llm)).cause, { note: "openai/x, openai/y, openai/z" })
      }))

    it.effect("and each opening in a row lasts longer, as its policy says", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ model: atOnce, provider: { jitter: 0 } })
        yield* fail(llm, "abc")
        const waits = [Duration.toSeconds((yield* providerOf(llm)).retryAfter)]
        for (const name of "de") {
          yield* TestClock.adjust((yield* providerOf(llm)).retryAfter)
          yield* fail(llm, name)
          waits.push(Duration.toSeconds((yield* providerOf(llm)).retryAfter))
        }

        assert.deepStrictEqual(waits, [2, 4, 8])
      }))

    it.effect("after its own troubles too: what was dark before has been explained", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        yield* fail(llm, "ab")
        yield* calls(llm, model("d"), network)
        yield* TestClock.adjust("4 seconds")
        yield* calls(llm, model("d"), success)
        yield* fail(llm, "c")

        assert.strictEqual((yield* providerOf(llm)).state, "Closed")
        yield* calls(llm, model("d"), gateway)
        assert.strictEqual(yield* knock(llm, model("d")), "openai: Throttled")
      }))
  })
})
