import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Stream } from "effect"
import { Breaker, CallWindow, CircuitRejected, Fallback, Outcome, TripPolicy } from "effect-breaker"
import { HealthCheck } from "effect-breaker/control"
import { LlmBreaker, type LlmOutcome } from "effect-breaker/llm"
import { TestClock } from "effect/testing"
import { rangeErrorOf } from "../refusals.ts"
import * as Circuits from "./circuits.ts"

const { auth, budget, calls, gateway, gone, knock, mistake, network, overloaded, quota, rateLimit, success, troubles } =
  Circuits

const provider = "openai"
const scopes = { provider, model: "gpt-5", key: "key-a" }
const sibling = { ...scopes, model: "gpt-5-mini" }
const colleague = { ...scopes, key: "key-b" }
const other = { provider: "anthropic", model: "opus", key: "key-z" }

/** Opens at the first failure, for ten seconds; one success closes. */
const atOnce = {
  tripPolicy: TripPolicy.consecutive(1),
  openDuration: "10 seconds",
  jitter: 0,
  halfOpen: { successes: 1 },
  ramp: undefined
} as const
const hasty = { key: atOnce, model: atOnce, provider: atOnce, region: atOnce }

const of = (llm: LlmBreaker.LlmBreaker, place: LlmBreaker.Place, at: LlmBreaker.Scopes = scopes) =>
  Effect.flatMap(llm.breaker(place, at), ({ snapshot }) => snapshot)

describe("LlmBreaker", () => {
  describe("asks", () => {
    it.effect("the key, its access to the model, the model, the provider and the region, in that order", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        const at = { ...scopes, region: "eu" }
        const order = ["key", "access", "model", "provider", "region"] as const
        for (const place of order) yield* (yield* llm.breaker(place, at)).isolate()

        const refusing: Array<string> = []
        for (const place of order) {
          refusing.push((yield* Effect.flip(llm.admit(at))).circuit)
          yield* (yield* llm.breaker(place, at)).release
        }

        assert.deepStrictEqual(refusing, [
          "openai#key-a",
          "openai@eu/gpt-5#key-a",
          "openai@eu/gpt-5",
          "openai",
          "openai@eu"
        ])
        assert.strictEqual(yield* knock(llm, at), "admitted")
      }))

    it.effect("only for what the call names", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ quality: {} })
        const asked: Array<ReadonlyArray<string>> = []
        for (const at of [{ provider }, { provider, model: "gpt-5" }, { provider, key: "key-a" }, scopes]) {
          const fresh = yield* LlmBreaker.make({ quality: {} })
          yield* calls(fresh, at, success)
          asked.push((yield* fresh.snapshots).map(({ name }) => name))
        }

        assert.deepStrictEqual(asked, [
          ["openai"],
          ["openai/gpt-5", "openai/gpt-5?quality", "openai"],
          ["openai#key-a", "openai"],
          ["openai#key-a", "openai/gpt-5#key-a", "openai/gpt-5", "openai/gpt-5?quality", "openai"]
        ])
        assert.deepStrictEqual(yield* llm.snapshots, [])
      }))

    it.effect("all or none: where one refuses, nothing moves at the others", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* calls(llm, scopes, success)
        // Due for a probe: an ask would make it half-open.
        yield* (yield* llm.breaker("key", scopes)).trip({ openFor: "1 second" })
        yield* TestClock.adjust("2 seconds")
        yield* (yield* llm.breaker("provider", scopes)).isolate()
        const before = yield* llm.snapshots

        assert.strictEqual(yield* knock(llm, scopes), "openai: Isolated")

        const after = yield* llm.snapshots
        const others = (all: typeof before) => all.filter(({ name }) => name !== "openai")
        assert.deepStrictEqual(others(after), others(before))
        assert.deepStrictEqual(after.map(({ rejected }) => rejected), [0, 0, 0, 1])
      }))

    it.effect("all or none: a circuit that finds out while it is asked gives the others their permits back", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({
          model: {
            tripPolicy: TripPolicy.slowRate({
              slowAfter: "5 seconds",
              threshold: 1,
              minimumCalls: 1,
              window: CallWindow.lastCalls(5)
            })
          }
        })
        yield* llm.admit(scopes)
        yield* TestClock.adjust("6 seconds")

        assert.strictEqual(yield* llm.refusal(scopes), undefined)
        assert.strictEqual(yield* knock(llm, scopes), "openai/gpt-5: Open")

        const { ignored, inFlight } = yield* of(llm, "key")
        assert.deepStrictEqual({ ignored, inFlight }, { ignored: 1, inFlight: 1 })
      }))

    it.effect("the one that refuses for real, so that a ramp moves on", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({
          model: { ...atOnce, ramp: { shares: [0.1], every: 0 } },
          provider: { ...atOnce, ramp: { shares: [0.25], every: 0 } }
        })
        yield* (yield* llm.breaker("model", scopes)).trip({ openFor: "1 second" })
        yield* (yield* llm.breaker("provider", scopes)).trip({ openFor: "1 second" })
        yield* TestClock.adjust("1 second")
        yield* calls(llm, scopes, success)
        assert.deepStrictEqual((yield* llm.snapshots).map(({ stage }) => stage), [
          undefined,
          undefined,
          "Ramping",
          "Ramping"
        ])

        let admitted = 0
        for (let i = 0; i < 20 && (yield* troubles(llm)).length > 0; i++) {
          admitted += Exit.isSuccess(yield* Effect.exit(calls(llm, scopes, success))) ? 1 : 0
        }

        assert.deepStrictEqual(yield* troubles(llm), [])
        assert.isAtLeast(admitted, 1)
      }))

    it.effect("a circuit whose probe was lost, so that its lease ends", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({
          provider: { ...atOnce, halfOpen: { successes: 1, outOf: 2, lease: "5 seconds" } }
        })
        yield* calls(llm, scopes, network)
        yield* TestClock.adjust("10 seconds")
        yield* llm.admit(scopes)

        yield* TestClock.adjust("4999 millis")
        assert.strictEqual(yield* knock(llm, scopes), "openai: HalfOpen")
        yield* TestClock.adjust("1 milli")
        assert.strictEqual(yield* knock(llm, scopes), "admitted")
      }))
  })

  describe("refusal", () => {
    it.effect("tells what an ask would be refused with, and moves nothing", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        assert.strictEqual(yield* llm.refusal(scopes), undefined)

        yield* calls(llm, scopes, overloaded)
        const before = yield* llm.snapshots
        const refused = yield* llm.refusal(scopes)

        assert.instanceOf(refused, CircuitRejected)
        assert.strictEqual(refused?.circuit, "openai/gpt-5")
        assert.deepStrictEqual(refused?.retryAfter, Duration.seconds(10))
        assert.deepStrictEqual(yield* llm.snapshots, before)

        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* llm.refusal(scopes), undefined)
        assert.deepStrictEqual(yield* troubles(llm), ["openai/gpt-5: Open"])
      }))

    it.effect("is none where a circuit only watches", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ ...hasty, model: { ...atOnce, mode: "observe" } })
        yield* calls(llm, scopes, overloaded)

        assert.strictEqual(yield* llm.refusal(scopes), undefined)
        yield* calls(llm, scopes, success)
        assert.strictEqual((yield* of(llm, "model")).wouldReject, 1)
      }))
  })

  describe("an outcome is heard by", () => {
    const all = { key: "Ignored", access: "Ignored", model: "Ignored", provider: "Ignored" }
    const everyone = { key: "Success", access: "Success", model: "Success", provider: "Success" }
    const table: ReadonlyArray<readonly [LlmOutcome.LlmOutcome, Record<string, string>]> = [
      [success, everyone],
      [mistake, all],
      [Circuits.garbled, all],
      [overloaded, { ...all, model: "Failure" }],
      [network, { ...all, provider: "Failure" }],
      [{ _tag: "Failure", scope: "key" }, { ...all, key: "Failure" }],
      [rateLimit, { ...all, access: "Throttled" }],
      [budget, { ...all, key: "Throttled" }],
      [gateway, { ...all, provider: "Throttled" }],
      [quota, { ...all, key: "Trip" }],
      [gone, { ...all, access: "Trip" }],
      [{ _tag: "Trip", scope: "provider" }, { ...all, provider: "Trip" }]
    ]
    const names = { key: "openai#key-a", access: "openai/gpt-5#key-a", model: "openai/gpt-5", provider: "openai" }

    for (const [outcome, expected] of table) {
      it.effect(`whom it speaks for: ${outcome._tag} ${outcome.kind ?? ""} (${outcome.scope})`, () =>
        Effect.gen(function*() {
          const llm = yield* LlmBreaker.make()
          yield* calls(llm, scopes, outcome)

          assert.deepStrictEqual(
            Circuits.heard([], yield* llm.snapshots),
            Object.fromEntries(Object.entries(names).map(([place, name]) => [name, expected[place]]))
          )
          assert.isTrue((yield* llm.snapshots).every(({ inFlight }) => inFlight === 0))
        }))
    }

    const wider: ReadonlyArray<readonly [string, LlmBreaker.Scopes, LlmOutcome.LlmOutcome, string]> = [
      ["the provider for a key that is not named", { provider, model: "gpt-5" }, quota, "openai"],
      ["the model for a pause, where no key is named", { provider, model: "gpt-5" }, rateLimit, "openai/gpt-5"],
      ["the provider for a model that is not named", { provider, key: "key-a" }, overloaded, "openai"],
      ["the region for the provider's trouble", { ...scopes, region: "eu" }, network, "openai@eu"],
      ["the region for a key that is not named", { provider, model: "gpt-5", region: "eu" }, quota, "openai@eu"],
      ["the model in its region", { ...scopes, region: "eu" }, overloaded, "openai@eu/gpt-5"],
      ["the access in its region", { ...scopes, region: "eu" }, rateLimit, "openai@eu/gpt-5#key-a"],
      ["the key in all regions", { ...scopes, region: "eu" }, quota, "openai#key-a"]
    ]
    for (const [who, at, outcome, hearer] of wider) {
      it.effect(who, () =>
        Effect.gen(function*() {
          const llm = yield* LlmBreaker.make()
          yield* calls(llm, at, outcome)

          const words = Circuits.heard([], yield* llm.snapshots)
          assert.deepStrictEqual(Object.entries(words).filter(([, word]) => word !== "Ignored"), [
            [hearer, outcome._tag]
          ])
        }))
    }

    it.effect("the model, where it does not say whom it speaks for", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ ...hasty, classify: () => Outcome.failure({ kind: "odd" }) })
        yield* Effect.ignore(llm.execute(Effect.fail("down"), scopes))

        assert.deepStrictEqual(yield* troubles(llm), ["openai/gpt-5: Open"])
      }))

    it.effect("the model alone, as to how slow the answer was", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        yield* calls(llm, scopes, network)
        yield* TestClock.adjust("10 seconds")
        yield* calls(llm, scopes, { _tag: "Success", scope: "model", slow: true })

        assert.deepStrictEqual(yield* troubles(llm), [])
      }))
  })

  describe("trouble stays where it is", () => {
    it.effect("a bad key never darkens the model for other keys", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        for (const outcome of [auth, quota]) {
          yield* Effect.ignore(calls(llm, scopes, outcome, 50))
        }

        assert.strictEqual(yield* knock(llm, scopes), "openai#key-a: Open")
        assert.strictEqual(yield* knock(llm, sibling), "openai#key-a: Open")
        assert.strictEqual(yield* knock(llm, colleague), "admitted")
        assert.deepStrictEqual(yield* troubles(llm), ["openai#key-a: Open"])
      }))

    it.effect("a rate limit of one key throttles no other key, and this one at no other model", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* calls(llm, scopes, { ...rateLimit, retryAfter: Duration.seconds(20) } as LlmOutcome.LlmOutcome)

        const refused = yield* Effect.flip(llm.admit(scopes))
        assert.deepStrictEqual([refused.circuit, refused.reason], ["openai/gpt-5#key-a", "Throttled"])
        assert.deepStrictEqual(refused.retryAfter, Duration.seconds(20))
        assert.strictEqual(yield* knock(llm, colleague), "admitted")
        assert.strictEqual(yield* knock(llm, sibling), "admitted")

        yield* TestClock.adjust("19999 millis")
        assert.strictEqual(yield* knock(llm, scopes), "openai/gpt-5#key-a: Throttled")
        yield* TestClock.adjust("1 milli")
        assert.strictEqual(yield* knock(llm, scopes), "admitted")
      }))

    it.effect("a model that one key may not use is there for other keys", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* calls(llm, scopes, gone)

        assert.strictEqual(yield* knock(llm, scopes), "openai/gpt-5#key-a: Open")
        assert.strictEqual(yield* knock(llm, colleague), "admitted")
        assert.strictEqual(yield* knock(llm, sibling), "admitted")
      }))

    it.effect("an overloaded model darkens that model for every key, and no other model", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* calls(llm, scopes, overloaded, 5)

        assert.strictEqual(yield* knock(llm, colleague), "openai/gpt-5: Open")
        assert.strictEqual(yield* knock(llm, sibling), "admitted")
      }))

    it.effect("a dead network darkens the provider for every model and key, and no other provider", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* calls(llm, scopes, network, 5)

        assert.strictEqual(yield* knock(llm, { ...sibling, key: "key-b" }), "openai: Open")
        assert.strictEqual(yield* knock(llm, other), "admitted")
      }))

    it.effect("a region that is down leaves the provider's other regions alone", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* calls(llm, { ...scopes, region: "eu" }, network, 5)
        yield* calls(llm, { ...scopes, region: "us" }, overloaded, 5)

        assert.strictEqual(yield* knock(llm, { ...sibling, region: "eu" }), "openai@eu: Open")
        assert.strictEqual(yield* knock(llm, { ...sibling, region: "us" }), "admitted")
        assert.strictEqual(yield* knock(llm, { ...scopes, region: "us" }), "openai@us/gpt-5: Open")
        assert.strictEqual(yield* knock(llm, { ...scopes, region: "asia" }), "admitted")
      }))

    it.effect("two scopes never share a circuit, whatever their names hold", () =>
      Effect.gen(function*() {
        const alike: ReadonlyArray<LlmBreaker.Scopes> = [
          { provider: "a", model: "b/c" },
          { provider: "a/b", model: "c" },
          { provider: "a", region: "b", model: "c" },
          { provider: "a@b", model: "c" },
          { provider: "a", model: "b", key: "c" },
          { provider: "a", model: "b#c" },
          { provider: "a", key: "b" },
          { provider: "a#b" },
          { provider: "a", model: "b?quality" },
          { provider: "a", model: "b%3Fquality" }
        ]
        const llm = yield* LlmBreaker.make({ quality: {} })
        for (const at of alike) yield* calls(llm, at, success)

        const names = (yield* llm.snapshots).map(({ name }) => name)
        assert.deepStrictEqual([...new Set(names)], names)
        assert.include(names, "a/b/c")
        assert.include(names, "a%2Fb/c")
      }))
  })

  describe("a key", () => {
    it.effect("that never worked is given up at the first refusal, for an hour", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ key: { jitter: 0 } })
        yield* calls(llm, scopes, auth)

        const refused = yield* Effect.flip(llm.admit(scopes))
        assert.strictEqual(refused.circuit, "openai#key-a")
        assert.deepStrictEqual(refused.retryAfter, Duration.hours(1))
        assert.strictEqual(refused.cause.failure?.kind, "auth")
      }))

    it.effect("that has worked is given up at the second refusal in a row", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* calls(llm, scopes, success)

        yield* calls(llm, scopes, auth)
        assert.strictEqual(yield* knock(llm, scopes), "admitted")
        // What says nothing of the key does not clear it.
        yield* calls(llm, scopes, overloaded)
        yield* calls(llm, sibling, rateLimit)
        yield* calls(llm, scopes, auth)

        assert.strictEqual(yield* knock(llm, scopes), "openai#key-a: Open")
        assert.strictEqual((yield* of(llm, "key")).lastFailure?.message, "Incorrect API key provided")
      }))

    it.effect("that works again in between survives, as while keys are rotated", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        for (let i = 0; i < 20; i++) {
          yield* calls(llm, scopes, success)
          yield* calls(llm, scopes, auth)
        }

        assert.strictEqual(yield* knock(llm, scopes), "admitted")
      }))

    it.effect("is refused once by all calls that were under way together", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* calls(llm, scopes, success)
        const underWay = yield* Effect.all(Array.from({ length: 20 }, () => llm.admit(scopes)))
        for (const permit of underWay.slice(0, 10)) yield* permit.settle(auth)
        assert.strictEqual(yield* knock(llm, scopes), "admitted")

        // One that began before the doubt, and went well, does not dispel it.
        yield* underWay[10]!.settle(success)
        yield* calls(llm, scopes, auth)
        assert.strictEqual(yield* knock(llm, scopes), "openai#key-a: Open")
      }))

    it.effect("that is out of money is given up at once, and comes back with one success", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ key: { jitter: 0 } })
        yield* calls(llm, scopes, success)
        yield* calls(llm, scopes, { ...quota, openFor: Duration.minutes(30) } as LlmOutcome.LlmOutcome)

        yield* TestClock.adjust("1799 seconds")
        assert.strictEqual(yield* knock(llm, scopes), "openai#key-a: Open")
        yield* TestClock.adjust("1 second")
        yield* calls(llm, scopes, success)
        assert.deepStrictEqual(yield* troubles(llm), [])
      }))

    it.effect("that is not named is the provider's own, and is trusted alike", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        const at = { provider, model: "gpt-5" }
        yield* calls(llm, at, success)
        yield* calls(llm, at, auth)
        assert.strictEqual(yield* knock(llm, at), "admitted")
        yield* calls(llm, at, auth)

        assert.strictEqual(yield* knock(llm, at), "openai: Open")
      }))
  })

  describe("a permit", () => {
    it.effect("is settled once", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ ...hasty, quality: {} })
        const permit = yield* llm.admit(scopes)
        yield* permit.settle(success)
        yield* permit.settle(overloaded)
        yield* permit.settle(auth)
        yield* permit.settleExit(Exit.fail(new Error("529")))
        yield* permit.quality(false)

        assert.deepStrictEqual(yield* troubles(llm), [])
        assert.isTrue((yield* llm.snapshots).every(({ failures, inFlight, successes }) =>
          failures === 0 && inFlight === 0 && successes === 1
        ))
      }))

    it.effect("that has answered does not hang, however long the rest takes", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        const answered = yield* Effect.all(Array.from({ length: 10 }, () => llm.admit(scopes)))
        for (const permit of answered) yield* permit.answered
        yield* Effect.all(Array.from({ length: 10 }, () => llm.admit(sibling)))

        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* knock(llm, sibling), "admitted")
        yield* TestClock.adjust("1 milli")

        assert.strictEqual(yield* knock(llm, sibling), "openai/gpt-5-mini: Open")
        assert.strictEqual(yield* knock(llm, scopes), "admitted")
        for (const permit of answered) yield* permit.settle(success)
        assert.strictEqual((yield* of(llm, "model")).slow, 0)
      }))

    it.effect("reads an exit as LlmOutcome does, by the clock's own time", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* TestClock.setTime(Date.UTC(2026, 7, 14, 15))
        const permit = yield* llm.admit(scopes)
        yield* permit.settleExit(Exit.fail({
          status: 429,
          headers: { "retry-after": "Fri, 14 Aug 2026 15:00:20 GMT" },
          error: { message: "Rate limit reached", type: "tokens", code: "rate_limit_exceeded" }
        }))

        const refused = yield* Effect.flip(llm.admit(scopes))
        assert.deepStrictEqual([refused.circuit, refused.reason], ["openai/gpt-5#key-a", "Throttled"])
        assert.deepStrictEqual(refused.retryAfter, Duration.seconds(20))
      }))

    it.effect("reads an exit by the program's rules, or by a classifier of its own", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({
          ...hasty,
          rules: [({ status }) => status === 418 ? { ...network, kind: "server" } : undefined]
        })
        const first = yield* llm.admit(scopes)
        yield* first.settleExit(Exit.fail({ status: 418 }))
        assert.strictEqual(yield* knock(llm, scopes), "openai: Open")

        const second = yield* llm.admit(other)
        yield* second.settleExit(Exit.fail({ status: 418 }), { classify: () => overloaded })
        assert.strictEqual(yield* knock(llm, other), "anthropic/opus: Open")
      }))

    it.effect("of an interrupted call, or of one that its classifier cannot read, is given back and counts nothing", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        const interrupted = yield* llm.admit(scopes)
        yield* interrupted.settleExit(yield* Effect.exit(Effect.interrupt))
        const unread = yield* llm.admit(scopes)
        yield* unread.settleExit(Exit.fail("down"), {
          classify: () => {
            throw new Error("a bug")
          }
        })

        assert.isTrue(
          (yield* llm.snapshots).every(({ failures, ignored, inFlight }) =>
            failures === 0 && inFlight === 0 && ignored === 2
          )
        )
      }))
  })

  describe("execute", () => {
    it.effect("leaves the value, the error and the defect as they are", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        const error = new Error("529 Overloaded")

        assert.strictEqual(yield* llm.execute(Effect.succeed("answer"), scopes), "answer")
        assert.strictEqual(yield* Effect.succeed("answer").pipe(llm.execute(scopes)), "answer")
        assert.deepStrictEqual(yield* Effect.exit(llm.execute(Effect.fail(error), scopes)), Exit.fail(error))
        assert.deepStrictEqual(yield* Effect.exit(llm.execute(Effect.die(error), scopes)), Exit.die(error))
        assert.strictEqual((yield* of(llm, "model")).failures, 2)
      }))

    it.effect("does not run what is refused", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        yield* calls(llm, scopes, network)
        let ran = 0

        const refused = yield* Effect.flip(llm.execute(Effect.sync(() => ran++), scopes))

        assert.strictEqual(refused.circuit, "openai")
        assert.strictEqual(ran, 0)
      }))

    it.effect("never takes a long answer for a slow one", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        for (let i = 0; i < 20; i++) {
          const fiber = yield* Effect.forkChild(llm.execute(Effect.sleep("45 seconds"), scopes), {
            startImmediately: true
          })
          yield* TestClock.adjust("45 seconds")
          yield* Fiber.join(fiber)
        }

        assert.strictEqual((yield* of(llm, "model")).slow, 0)
        assert.deepStrictEqual(yield* troubles(llm), [])
      }))

    it.effect("tells a ladder around it whether the provider is to blame", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        const ladder = (error: unknown) =>
          llm.execute(Effect.fail(error), scopes).pipe(Fallback.withFallback(Fallback.value("sorry")), Effect.exit)

        const bad = { status: 400, error: { type: "invalid_request_error", message: "no messages" } }
        assert.deepStrictEqual(yield* ladder(bad), Exit.fail(bad))
        const down = yield* ladder({ status: 529 })
        assert.strictEqual(Exit.isSuccess(down) && down.value.value, "sorry")
        const refused = yield* ladder(bad)
        assert.strictEqual(Exit.isSuccess(refused) && refused.value.value, "sorry")
      }))
  })

  describe("for operators", () => {
    it.effect("gives each circuit by its place", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ quality: {} })
        const at = { ...scopes, region: "eu" }
        const names: Record<string, string> = {}
        for (const place of ["key", "access", "model", "quality", "provider", "region"] as const) {
          names[place] = (yield* llm.breaker(place, at)).name
        }

        assert.deepStrictEqual(names, {
          key: "openai#key-a",
          access: "openai@eu/gpt-5#key-a",
          model: "openai@eu/gpt-5",
          quality: "openai@eu/gpt-5?quality",
          provider: "openai",
          region: "openai@eu"
        })
        yield* (yield* llm.breaker("key", at)).isolate("rotating")
        assert.strictEqual(yield* knock(llm, at), "openai#key-a: Isolated")
      }))

    it.effect("has no circuit for what the scopes do not name, and says so", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        const defect = (place: LlmBreaker.Place) =>
          Effect.map(Effect.exit(llm.breaker(place, { provider })), (exit) =>
            Exit.isFailure(exit) ? String(exit.cause.reasons[0]) : "made")

        assert.include(yield* defect("model"), "LlmBreaker.breaker: these scopes have no circuit of the model")
        assert.include(yield* defect("quality"), "no circuit of the quality")
        assert.strictEqual(yield* defect("provider"), "made")
      }))

    it.effect("tells what happens at any circuit, in order", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make(hasty)
        const listening = yield* Effect.forkChild(Stream.runCollect(Stream.take(llm.events, 3)), {
          startImmediately: true
        })
        for (let i = 0; i < 10; i++) yield* Effect.yieldNow
        yield* calls(llm, scopes, overloaded)
        yield* knock(llm, scopes)
        yield* calls(llm, sibling, network)

        const told = yield* Fiber.join(listening)
        assert.deepStrictEqual(told.map(({ _tag, circuit }) => `${circuit}: ${_tag}`), [
          "openai/gpt-5: Transitioned",
          "openai/gpt-5: Rejected",
          "openai: Transitioned"
        ])
      }))

    it.effect("never shows more of a key than its name", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        yield* calls(llm, { ...scopes, key: "team-a/4f2c" }, auth)

        const refused = yield* Effect.flip(llm.admit({ ...scopes, key: "team-a/4f2c" }))
        assert.strictEqual(refused.circuit, "openai#team-a/4f2c")
        assert.include(refused.message, `Circuit "openai#team-a/4f2c" is open`)
      }))
  })

  describe("settings", () => {
    it("name the place, the option, the rule and the value", () => {
      assert.strictEqual(
        rangeErrorOf(() => LlmBreaker.make({ model: { jitter: 2 } })),
        "LlmBreaker.make, model: jitter must be a number from 0 to 1, got 2"
      )
      assert.strictEqual(
        rangeErrorOf(() => LlmBreaker.make({ key: { halfOpen: { successes: 0 } } })),
        "LlmBreaker.make, key: halfOpen.successes must be a whole number of at least 1, got 0"
      )
      for (const escalateAfter of [0, 1.5, NaN]) {
        assert.match(
          rangeErrorOf(() => LlmBreaker.make({ escalateAfter })),
          /^LlmBreaker\.make: escalateAfter must be a whole number of at least 1, got /
        )
      }
      assert.match(rangeErrorOf(() => LlmBreaker.make({ quality: { threshold: 0 } })), /threshold must be/)
    })

    it.effect("a blank name is a defect of the call", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make()
        for (
          const at of [{ provider: " " }, { provider, model: "" }, { provider, key: "" }, { provider, region: " " }]
        ) {
          const exit = yield* Effect.exit(llm.execute(Effect.succeed("answer"), at))
          assert.include(
            Exit.isFailure(exit) ? String(exit.cause.reasons[0]) : "ran",
            "must be a text that is not empty"
          )
        }
      }))

    it.effect("given as undefined are the root's defaults, those left out the preset's", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.make({ provider: { ramp: undefined, halfOpen: { successes: 1 }, jitter: 0 } })
        yield* calls(llm, scopes, network, 5)
        assert.deepStrictEqual((yield* of(llm, "provider")).retryAfter, Duration.seconds(2))
        yield* TestClock.adjust("2 seconds")
        yield* calls(llm, scopes, success)

        assert.deepStrictEqual(yield* troubles(llm), [])
      }))

    it.effect("are read by layer too", () =>
      Effect.gen(function*() {
        const llm = yield* LlmBreaker.LlmBreaker
        yield* calls(llm, scopes, overloaded)
        assert.strictEqual(yield* knock(llm, scopes), "openai/gpt-5: Open")
      }).pipe(Effect.provide(LlmBreaker.layer(hasty))))

    it.effect("with a health check, end the openings of models and providers, and not those of keys", () => {
      const asked: Array<string> = []
      const healthCheck = HealthCheck.make((circuit) => Effect.sync(() => asked.push(circuit)), { every: "10 seconds" })
      const patient = { ...atOnce, openDuration: "1 hour", halfOpen: { successes: 1 }, ramp: undefined } as const
      return Effect.gen(function*() {
        const llm = yield* LlmBreaker.LlmBreaker
        const stateOf = (place: LlmBreaker.Place) =>
          Effect.flatMap(llm.breaker(place, scopes), ({ state }) => Effect.map(state, ({ _tag }) => _tag))
        for (const place of ["key", "model", "provider"] as const) {
          const circuit = yield* llm.breaker(place, scopes)
          yield* Effect.exit(circuit.execute(Effect.fail("down")))
        }
        yield* TestClock.adjust("10 seconds")

        assert.sameMembers(asked, ["openai/gpt-5", "openai"])
        assert.deepStrictEqual(
          [yield* stateOf("key"), yield* stateOf("model"), yield* stateOf("provider")],
          ["Open", "Closed", "Closed"]
        )
      }).pipe(Effect.provide(LlmBreaker.layer({ key: patient, model: patient, provider: patient, healthCheck })))
    })
  })

  describe("preset", () => {
    const model = { name: "openai/gpt-5", ...LlmBreaker.preset, jitter: 0 }
    const fail = (breaker: Breaker.Breaker) => Effect.exit(breaker.execute(Effect.fail("down")))

    it.effect("opens at five failures in a row, and at half of ten calls", () =>
      Effect.gen(function*() {
        const row = yield* Breaker.make(model)
        for (let i = 0; i < 4; i++) yield* fail(row)
        assert.strictEqual((yield* row.state)._tag, "Closed")
        yield* fail(row)
        assert.strictEqual((yield* row.state)._tag, "Open")

        const share = yield* Breaker.make(model)
        for (let i = 0; i < 5; i++) yield* share.execute(Effect.succeed("answer"))
        for (let i = 0; i < 4; i++) yield* fail(share)
        assert.strictEqual((yield* share.state)._tag, "Closed")
        yield* fail(share)
        assert.deepInclude((yield* share.state).cause, { rule: "failureRate", value: 0.5, calls: 10 })
      }))

    it.effect("stays open for two seconds, doubling to five minutes, and a fifth longer at most", () =>
      Effect.gen(function*() {
        const breaker = yield* Breaker.make(model)
        for (let i = 0; i < 5; i++) yield* fail(breaker)
        const waits: Array<number> = []
        for (let i = 0; i < 10; i++) {
          const { retryAfter } = yield* breaker.state
          waits.push(Duration.toSeconds(retryAfter))
          yield* TestClock.adjust(retryAfter)
          yield* fail(breaker)
        }
        assert.deepStrictEqual(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300])

        const jittered = yield* Breaker.make({ ...model, jitter: LlmBreaker.preset.jitter })
        for (let i = 0; i < 5; i++) yield* fail(jittered)
        const wait = Duration.toSeconds((yield* jittered.state).retryAfter)
        assert.isTrue(wait >= 2 && wait <= 2.4 + 0.001)
      }))

    it.effect("comes back by three probes at once, then 10, 25 and 50 % for two seconds and five successes each", () =>
      Effect.gen(function*() {
        const breaker = yield* Breaker.make(model)
        for (let i = 0; i < 5; i++) yield* fail(breaker)
        yield* TestClock.adjust("2 seconds")
        const probes = yield* Effect.all([breaker.admit, breaker.admit, breaker.admit])
        assert.strictEqual((yield* Effect.flip(breaker.admit)).reason, "HalfOpen")
        for (const probe of probes) yield* probe.settle(Outcome.success)

        for (const share of [0.1, 0.25, 0.5]) {
          assert.strictEqual((yield* breaker.state).share, share)
          for (let i = 0; i < Math.ceil(5 / share); i++) yield* Effect.ignore(breaker.execute(Effect.succeed("answer")))
          assert.strictEqual((yield* breaker.state).share, share)
          yield* TestClock.adjust("2 seconds")
          yield* Effect.ignore(breaker.execute(Effect.succeed("answer")))
        }

        assert.strictEqual((yield* breaker.state)._tag, "Closed")
      }))
  })
})
