import { assert, describe, it } from "@effect/vitest"
import { AnthropicFault, FakeProvider, Fault, Limit } from "effect-breaker/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { ask, at, formats, lastEntry, running, send, statusOf } from "./asking.ts"

const withLimits = (...limits: ReadonlyArray<Limit.Limit>) => FakeProvider.make({ script: [{ for: "1 hour", limits }] })

/** The statuses of so many requests, one every so many milliseconds. */
const paced = (provider: FakeProvider.FakeProvider, count: number, every: number) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.tap(statusOf(provider, "chat"), TestClock.adjust(every)))

const countOf = (statuses: ReadonlyArray<number>, status: number) => statuses.filter((one) => one === status).length

describe("FakeProvider's limits", () => {
  describe("storm", () => {
    it.effect("lasts as long as too many ask, and lifts for those who hold off", () =>
      Effect.gen(function*() {
        const provider = yield* withLimits(Limit.storm({ below: 1, over: "10 seconds" }))

        const herd = yield* paced(provider, 60, 500)
        yield* TestClock.adjust("10 seconds")
        const patient = yield* paced(provider, 10, 2_000)

        assert.deepStrictEqual(herd, Array(60).fill(429))
        assert.deepStrictEqual(patient, Array(10).fill(200))
        assert.deepStrictEqual(
          new Set((yield* provider.journal).slice(0, 60).map(({ fault, limit }) => `${limit} ${fault}`)),
          new Set(["Storm JsonError"])
        )
      }))

    it.effect("comes back when everybody returns at once", () =>
      Effect.gen(function*() {
        const provider = yield* withLimits(Limit.storm({ below: 1, over: "10 seconds" }))
        yield* TestClock.adjust("10 seconds")

        const herd = yield* paced(provider, 20, 100)

        assert.deepStrictEqual(herd, [...Array(9).fill(200), ...Array(11).fill(429)])
      }))

    it.effect("answers in every format", () =>
      Effect.gen(function*() {
        const provider = yield* withLimits(Limit.storm({ below: 1, fault: Fault.overloaded }))

        for (const format of formats) {
          for (const stream of [false, true]) assert.strictEqual(yield* statusOf(provider, format, { stream }), 529)
        }
      }))
  })

  describe("recovering", () => {
    it.effect("takes on more and more, and sheds the rest as overload", () =>
      Effect.gen(function*() {
        const provider = yield* withLimits(Limit.recovering({ from: 1, to: 9, during: "40 seconds" }))

        const served: Array<number> = []
        for (let stretch = 0; stretch < 6; stretch++) {
          const statuses = yield* paced(provider, 100, 100)
          assert.strictEqual(countOf(statuses, 200) + countOf(statuses, 529), 100)
          served.push(countOf(statuses, 200))
        }

        assert.deepStrictEqual(served, [20, 40, 60, 80, 90, 90])
      }))

    it.effect("serves all of a load that stays below its capacity", () =>
      Effect.gen(function*() {
        const provider = yield* withLimits(Limit.recovering({ from: 1, to: 9, during: "40 seconds" }))

        const statuses = yield* paced(provider, 20, 1_000)

        assert.deepStrictEqual(statuses, Array(20).fill(200))
      }))
  })

  describe("concurrency", () => {
    it.effect("refuses what is above its cap while the others run, and takes on again when one has ended", () =>
      Effect.gen(function*() {
        for (const format of formats) {
          const provider = yield* FakeProvider.make({
            script: [{ for: 1, latency: "10 seconds", limits: [Limit.concurrency({ atOnce: 2 })] }]
          })
          const start = Effect.forkChild(statusOf(provider, format, { stream: true }), { startImmediately: true })
          const admitted = (count: number) =>
            provider.awaitJournal((entries) =>
              entries.filter(({ end, limit, model }) => end === "running" && model !== undefined && limit === undefined)
                .length === count
            )

          const first = [yield* start, yield* start]
          yield* admitted(2)
          const third = yield* start
          yield* running(provider, ({ limit }) => limit === "Concurrency")
          yield* TestClock.adjust("10 seconds")
          const statuses = yield* Effect.forEach([...first, third], (fiber) => Fiber.join(fiber))
          yield* admitted(0)
          const fourth = yield* start
          yield* admitted(1)
          yield* TestClock.adjust("10 seconds")

          assert.deepStrictEqual(statuses, [200, 200, 429])
          assert.strictEqual(yield* Fiber.join(fourth), 200)
        }
      }))

    it.effect("gives the place of a client that left back at once", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          script: [{
            for: 1,
            limits: [Limit.concurrency({ atOnce: 1 })],
            faults: [{ fault: Fault.hangBeforeHeaders, share: 1, keys: ["sk-hung"] }]
          }]
        })
        const leave = new AbortController()
        const hung = send(provider, "chat", { key: "sk-hung", signal: leave.signal }).catch(() => {})
        yield* running(provider, ({ fault }) => fault === "HangBeforeHeaders")

        assert.strictEqual(yield* statusOf(provider, "chat"), 429)
        leave.abort()
        yield* Effect.promise(() => hung)
        yield* lastEntry(provider)

        assert.strictEqual(yield* statusOf(provider, "chat"), 200)
      }))

    it.effect("keeps the place of a late answer whose client left until it is worked out", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          script: [{
            for: 1,
            limits: [Limit.concurrency({ atOnce: 1 })],
            faults: [{ fault: Fault.lateAnswer({ after: "30 seconds" }), share: 1, keys: ["sk-late"] }]
          }]
        })
        const leave = new AbortController()
        const late = send(provider, "chat", { key: "sk-late", signal: leave.signal }).catch(() => {})
        yield* running(provider, ({ fault }) => fault === "LateAnswer")
        leave.abort()
        yield* Effect.promise(() => late)

        assert.strictEqual(yield* statusOf(provider, "chat"), 429)
        yield* TestClock.adjust("30 seconds")
        yield* provider.awaitJournal(([first]) => first!.end === "unheard")

        assert.strictEqual(yield* statusOf(provider, "chat"), 200)
      }))
  })

  describe("quota", () => {
    it.effect("is used up after its requests, and comes back at its time on the wall clock", () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(Date.parse("2026-10-31T23:59:00Z"))
        const provider = yield* withLimits(Limit.quota({ requests: 2, resetsAt: "2026-11-01T00:00:00Z" }))

        const statuses: Array<number> = []
        for (const step of [0, 0, 0, 59_999, 1, 0]) {
          yield* TestClock.adjust(step)
          statuses.push(yield* statusOf(provider, "responses"))
        }

        assert.deepStrictEqual(statuses, [200, 200, 429, 429, 200, 200])
        const [, , refused] = yield* provider.journal
        assert.strictEqual(refused!.limit, "Quota")
      }))

    it.effect("says so in the provider's own words", () =>
      Effect.gen(function*() {
        const resumesAt = "2026-11-01T00:00:00Z"
        const fault = AnthropicFault.usageLimitReached({ resumesAt })
        const provider = yield* withLimits(Limit.quota({ resetsAt: resumesAt, fault }))

        const { status, text } = yield* ask(provider, "messages")

        assert.strictEqual(status, 400)
        assert.strictEqual(
          at(JSON.parse(text), "error", "message"),
          "You have reached your specified workspace API usage limits. You will regain access on 2026-11-01 at 00:00 UTC."
        )
      }))
  })

  describe("keys and models", () => {
    it.effect("a revoked key is refused, and the next one is served", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          script: [{ for: 1, faults: [{ fault: Fault.invalidApiKey, share: 1, keys: ["sk-old"] }] }]
        })

        for (const format of formats) {
          for (const stream of [false, true]) {
            assert.strictEqual(yield* statusOf(provider, format, { stream, key: "sk-old" }), 401)
            assert.strictEqual(yield* statusOf(provider, format, { stream, key: "sk-new" }), 200)
          }
        }
        yield* provider.setHealth({})
        assert.strictEqual(yield* statusOf(provider, "chat", { key: "sk-old" }), 200)
      }))

    it.effect("one model fails while its sibling is healthy", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          script: [{ for: 1, faults: [{ fault: Fault.overloaded, share: 1, models: ["big"] }] }]
        })

        for (const format of formats) {
          for (const stream of [false, true]) {
            assert.strictEqual(yield* statusOf(provider, format, { stream, model: "big" }), 529)
            assert.strictEqual(yield* statusOf(provider, format, { stream, model: "small" }), 200)
          }
        }
      }))

    it.effect("one endpoint fails while the others are healthy", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          script: [{ for: 1, faults: [{ fault: Fault.serverError, share: 1, formats: ["responses", "models"] }] }]
        })

        const statuses = yield* Effect.forEach(formats, (format) => statusOf(provider, format))
        const models = yield* Effect.promise(async () => (await fetch(`${provider.baseUrl}/models`)).status)

        assert.deepStrictEqual([...statuses, models], [200, 500, 200, 500])
      }))

    it.effect("a limit counts only those it is meant for", () =>
      Effect.gen(function*() {
        const provider = yield* withLimits(Limit.quota({ requests: 1, resetsAt: "2026-11-01", keys: ["sk-a"] }))

        const statuses = yield* Effect.forEach(
          ["sk-b", "sk-a", "sk-b", "sk-a", "sk-b"],
          (key) => statusOf(provider, "messages", { key })
        )

        assert.deepStrictEqual(statuses, [200, 200, 200, 429, 200])
      }))
  })
})
