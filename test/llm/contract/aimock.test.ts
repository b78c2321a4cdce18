/**
 * The same contract against a fake server of somebody else, for the faults that it can make. Its streams can only be
 * broken by a closed socket: an error inside a stream, an end in good order, a stall, a page of HTML, hints other than
 * whole seconds, and everything that depends on the traffic are left to our own.
 */
import { LLMock } from "@copilotkit/aimock"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit } from "effect"
import { named, names } from "./clients.ts"
import { endsAfter, plain, type Seen, streamed } from "./driving.ts"

/** Words for the pieces to be cut from, slow enough for the client to see those before the cut. */
const pace = { chunkSize: 6, latency: 10 }
const text = "one, two, three, four, five, six, seven, eight, nine, ten"

const start = (script: (mock: LLMock) => unknown) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const mock = new LLMock({ port: 0 })
      script(mock)
      await mock.start()
      return mock
    }),
    // Not waited for: it ends with the last idle connection, which is seconds later.
    (mock) => Effect.sync(() => void mock.stop())
  )

const always = (mock: LLMock) => mock.onMessage(/./, { content: text }, pace)

type Expected = readonly [vote: string, streamVote?: string]

const scripts: ReadonlyArray<readonly [says: string, script: (mock: LLMock) => unknown, ...expected: Expected]> = [
  ["an answer", always, "Success model"],
  [
    "529",
    (mock) => mock.nextRequestError(529, { type: "overloaded_error", message: "Overloaded" }),
    "Failure overloaded model"
  ],
  ["500", (mock) => mock.nextRequestError(500, { type: "server_error", message: "Sorry" }), "Failure server model"],
  ["503", (mock) => mock.nextRequestError(503, { message: "Unavailable" }), "Failure overloaded model"],
  [
    "a rate limit",
    (mock) => mock.nextRequestError(429, { type: "rate_limit_error", message: "Slow down" }),
    "Throttled rate-limit model"
  ],
  [
    "an empty account",
    (mock) => mock.nextRequestError(429, { type: "insufficient_quota", code: "insufficient_quota", message: "Pay" }),
    "Trip quota key"
  ],
  ["401", (mock) => mock.nextRequestError(401, { type: "authentication_error", message: "No" }), "Trip auth key"],
  [
    "a model that is gone",
    (mock) => mock.nextRequestError(404, { type: "not_found_error", message: "model: gone" }),
    "Trip model-gone model"
  ],
  [
    "400",
    (mock) => mock.nextRequestError(400, { type: "invalid_request_error", message: "Bad" }),
    "Ignored invalid-request request"
  ],
  ["chaos: a 500", (mock) => always(mock).setChaos({ dropRate: 1 }), "Failure server model"],
  [
    "chaos: a 429",
    (mock) => always(mock).setChaos({ rateLimitRate: 1 }),
    "Throttled rate-limit model"
  ],
  [
    "chaos: a body that is no JSON",
    (mock) => always(mock).setChaos({ malformedRate: 1 }),
    "Failure bad-response model",
    "Failure truncated model"
  ],
  ["chaos: a closed connection", (mock) => always(mock).setChaos({ disconnectRate: 1 }), "Failure network provider"]
]

for (const [says, script, vote, streamVote = vote] of scripts) {
  describe(`aimock says ${says}`, () => {
    for (const name of names) {
      it.effect(`${name}: plain, ${vote}`, () =>
        Effect.gen(function*() {
          const { url } = yield* start(script)
          assert.strictEqual((yield* plain(named(name), { url })).vote, vote)
        }))

      it.effect(`${name}: streamed, ${streamVote}`, () =>
        Effect.gen(function*() {
          const { url } = yield* start(script)
          assert.strictEqual((yield* streamed(named(name), { url })).vote, streamVote)
        }))
    }
  })
}

describe("aimock breaks a stream off", () => {
  const begins = ({ got }: Seen) => /^"one, .*" then /.test(got)

  for (const name of names) {
    it.effect(`${name}: after so many chunks, Failure network provider with a part of the answer`, () =>
      Effect.gen(function*() {
        // Some formats open with events that carry no words.
        const { url } = yield* start((mock) =>
          mock.onMessage(/./, { content: text }, { ...pace, truncateAfterChunks: 8 })
        )
        const seen = yield* streamed(named(name), { url })

        assert.strictEqual(seen.vote, "Failure network provider")
        assert.isTrue(begins(seen), seen.got)
      }))

    it.effect(`${name}: after a while, Failure network provider`, () =>
      Effect.gen(function*() {
        const { url } = yield* start((mock) =>
          mock.onMessage(/./, { content: text }, { chunkSize: 1, latency: 5, disconnectAfterMs: 100 })
        )

        assert.strictEqual((yield* streamed(named(name), { url })).vote, "Failure network provider")
      }))

    it.effect(`${name}: before it began, for longer than the deadline, Failure timeout model`, () =>
      Effect.gen(function*() {
        const arrived = yield* Deferred.make<void>()
        const predicate = () => Deferred.doneUnsafe(arrived, Exit.void)
        const mock = yield* start((mock) => mock.on({ predicate }, { content: text }).setChaos({ latencyMs: 30_000 }))
        const call = streamed(named(name), { url: mock.url }, { stream: { firstContent: "20 seconds" } })

        const fiber = yield* Effect.forkChild(call, { startImmediately: true })
        yield* Deferred.await(arrived)
        const { got, vote } = yield* endsAfter(fiber, "20 seconds")

        assert.deepStrictEqual([vote, got], ["Failure timeout model", "StreamBroken timeout firstContent"])
      }))
  }
})

describe("aimock names the time to wait", () => {
  for (const name of names) {
    it.effect(`${name}: a pause of so long`, () =>
      Effect.gen(function*() {
        // Longer than the six minutes that each of its answers gives for the reset of the tokens.
        const error = { error: { type: "rate_limit_error", message: "Slow down" }, status: 429, retryAfter: 720 }
        const { url } = yield* start((mock) => mock.onMessage(/./, error))

        for (const ask of [plain, streamed]) {
          const { outcome } = yield* ask(named(name), { url })
          assert.strictEqual(outcome._tag, "Throttled")
          if (outcome._tag === "Throttled") assert.deepStrictEqual(outcome.retryAfter, Duration.minutes(12))
        }
      }))
  }
})
