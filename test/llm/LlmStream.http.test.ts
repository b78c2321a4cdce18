import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Stream } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { LlmStream, PartReader, StreamBroken } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { TestClock } from "effect/testing"
import OpenAI, { APIError } from "openai"

const healthyText = "This answer comes from a healthy fake provider"

/** What the real client makes of one streamed answer. */
const ask = (provider: FakeProvider.FakeProvider, fault: Fault.Fault | "none") => {
  const client = new OpenAI({ apiKey: "sk-any", baseURL: provider.baseUrl, maxRetries: 0, logLevel: "off" })
  return LlmStream.fromClient((signal) =>
    client.chat.completions.create({
      model: "gpt-test",
      messages: [{ role: "user", content: "How are you?" }],
      stream: true,
      stream_options: { include_usage: true }
    }, { signal, headers: Fault.header(fault) }), (error) => error as Error)
}

interface Reading {
  readonly text: string
  readonly error: unknown
  readonly reports: ReadonlyArray<LlmStream.Report>
  readonly breaker: Breaker.Breaker
  readonly provider: FakeProvider.FakeProvider
}

/** Reads one answer under a breaker; `whenText` waits until so much of it is there. */
const read = (fault: Fault.Fault | "none", options?: Omit<LlmStream.Options<object>, "reader">) =>
  Effect.gen(function*() {
    const provider = yield* FakeProvider.make({ allowHeader: true })
    const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.never })
    const reports: Array<LlmStream.Report> = []
    let text = ""
    const two = yield* Deferred.make<void>()
    const reading = ask(provider, fault).pipe(
      LlmStream.guard({
        ...options,
        reader: PartReader.openAiChat,
        onEnd: (report) => Effect.sync(() => reports.push(report))
      }),
      Stream.runForEach((chunk) => {
        text += chunk.choices[0]?.delta.content ?? ""
        return text === "This answer" ? Deferred.succeed(two, undefined) : Effect.void
      }),
      Effect.provideService(Breaker.Breaker, breaker),
      Effect.exit,
      Effect.map((exit): Reading => ({
        text,
        error: Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined,
        reports,
        breaker,
        provider
      }))
    )
    return { provider, reading, two: Deferred.await(two) }
  })

const justRead = (fault: Fault.Fault | "none", options?: Omit<LlmStream.Options<object>, "reader">) =>
  Effect.flatMap(read(fault, options), ({ reading }) => reading)

const vote = ({ reports }: Reading) => {
  assert.lengthOf(reports, 1)
  const { _tag, kind } = reports[0]!.outcome
  return [_tag, kind]
}

const broken = ({ error }: Reading): StreamBroken => {
  assert.instanceOf(error, StreamBroken)
  return error
}

describe("a guarded answer of the openai client over HTTP", () => {
  it.effect("that is whole votes Success, with the tokens that the provider counted", () =>
    Effect.gen(function*() {
      const answer = yield* justRead("none")

      assert.strictEqual(answer.text, healthyText)
      assert.isUndefined(answer.error)
      assert.deepStrictEqual(vote(answer), ["Success", undefined])
      assert.deepInclude(answer.reports[0], {
        outputTokens: 8,
        estimated: false,
        characters: healthyText.length,
        finishReason: "stop"
      })
      assert.deepInclude(yield* answer.breaker.snapshot, { inFlight: 0, successes: 1 })
    }))

  it.effect("that is refused with a status fails as the client fails, and votes by it", () =>
    Effect.gen(function*() {
      const overloaded = yield* justRead(Fault.overloaded)
      const noCredit = yield* justRead(Fault.insufficientQuota)

      assert.deepStrictEqual((overloaded.error as APIError).status, 529)
      assert.deepStrictEqual(vote(overloaded), ["Failure", "overloaded"])
      assert.deepStrictEqual(vote(noCredit), ["Trip", "quota"])
    }))

  it.effect("that has an error inside a 200 votes by it, before and after the first word", () =>
    Effect.gen(function*() {
      const early = yield* justRead(Fault.errorChunk({ after: 0 }))
      const late = yield* justRead(Fault.errorChunk({ after: 2 }))
      const noCredit = yield* justRead(
        Fault.errorChunk({ after: 0, type: "insufficient_quota", code: "insufficient_quota" })
      )

      for (const answer of [early, late]) {
        assert.instanceOf(answer.error, APIError)
        assert.deepStrictEqual(vote(answer), ["Failure", "server"])
      }
      assert.deepStrictEqual([early.text, late.text], ["", "This answer"])
      assert.deepStrictEqual(vote(noCredit), ["Trip", "quota"])
    }))

  it.effect("that is cut off in good order is not taken for a whole one", () =>
    Effect.gen(function*() {
      const empty = yield* justRead(Fault.cutAfter({ tokens: 0 }))
      const early = yield* justRead(Fault.cutAfter({ tokens: 2 }))
      const kept = yield* justRead(Fault.cutAfter({ tokens: 2 }), { onPartial: "keep" })

      for (const answer of [empty, early, kept]) assert.deepStrictEqual(vote(answer), ["Failure", "truncated"])
      assert.deepStrictEqual([empty, early, kept].map(({ text }) => text), ["", "This answer", "This answer"])
      assert.deepStrictEqual([broken(empty), broken(early)].map(({ partial }) => partial), [false, true])
      assert.isUndefined(kept.error)
    }))

  it.effect("whose connection breaks fails as the client fails, and votes Failure", () =>
    Effect.gen(function*() {
      const early = yield* justRead(Fault.reset)
      const late = yield* justRead(Fault.resetAfter({ tokens: 2 }))

      for (const answer of [early, late]) assert.deepStrictEqual(vote(answer), ["Failure", "network"])
      assert.strictEqual(late.text, "This answer")
    }))

  const hanging = {
    headers: Fault.hangBeforeHeaders,
    firstContent: Fault.hangBeforeFirstToken
  } as const

  for (const deadline of ["headers", "firstContent"] as const) {
    it.effect(`that never begins ends at its deadline, and the request is given up (${deadline})`, () =>
      Effect.gen(function*() {
        const { provider, reading } = yield* read(hanging[deadline], { [deadline]: "10 seconds" })
        const fiber = yield* Effect.forkChild(reading, { startImmediately: true })
        yield* provider.awaitJournal(([entry]) => entry?.fault !== undefined)
        yield* TestClock.adjust(9999)
        const still = fiber.pollUnsafe()
        yield* TestClock.adjust(1)
        const answer = yield* Fiber.join(fiber)
        const [entry] = yield* provider.awaitJournal((entries) => entries[0]!.end !== "running")

        assert.isUndefined(still)
        assert.deepInclude(broken(answer), { kind: "timeout", deadline, partial: false })
        assert.deepStrictEqual(vote(answer), ["Failure", "timeout"])
        assert.strictEqual(entry?.end, "client-closed")
      }))
  }

  it.effect("that stalls in the middle ends at its deadline, and the request is given up", () =>
    Effect.gen(function*() {
      const { provider, reading, two } = yield* read(Fault.stallAfter({ tokens: 2 }), { idle: "10 seconds" })
      const fiber = yield* Effect.forkChild(reading, { startImmediately: true })
      yield* two
      yield* TestClock.adjust(9999)
      const still = fiber.pollUnsafe()
      yield* TestClock.adjust(1)
      const answer = yield* Fiber.join(fiber)
      const [entry] = yield* provider.awaitJournal((entries) => entries[0]!.end !== "running")

      assert.isUndefined(still)
      assert.deepInclude(broken(answer), { kind: "timeout", deadline: "idle", partial: true })
      assert.strictEqual(answer.text, "This answer")
      assert.strictEqual(entry?.end, "client-closed")
    }))

  it.effect("that the reader leaves early is a Success, and the request is given up", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make({ allowHeader: true })
      const breaker = yield* Breaker.make({ name: "openai" })
      const chunks = yield* ask(provider, Fault.stallAfter({ tokens: 2 })).pipe(
        LlmStream.guard({ reader: PartReader.openAiChat }),
        Stream.take(2),
        Stream.runCollect,
        Effect.provideService(Breaker.Breaker, breaker)
      )
      const [entry] = yield* provider.awaitJournal((entries) => entries[0]!.end !== "running")

      assert.deepStrictEqual(chunks.map(({ choices }) => choices[0]?.delta.content), ["", "This"])
      assert.strictEqual(entry?.end, "client-closed")
      assert.deepInclude(yield* breaker.snapshot, { inFlight: 0, successes: 1 })
    }))

  it.effect("measures what the provider takes: the first word, and each token", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make({ allowHeader: true })
      yield* provider.setHealth({ latency: "2 seconds", tokens: 21, tokenEvery: "100 millis" })
      const reports: Array<LlmStream.Report> = []
      const first = yield* Deferred.make<void>()
      const reading = ask(provider, "none").pipe(
        LlmStream.guardWith(
          Effect.succeed({ settle: () => Effect.void, answered: Effect.asVoid(Deferred.succeed(first, undefined)) }),
          {
            reader: PartReader.openAiChat,
            slow: { firstContent: "1 second", perOutputToken: "1 second" },
            onEnd: (report) => Effect.sync(() => reports.push(report))
          }
        ),
        Stream.runDrain
      )
      const fiber = yield* Effect.forkChild(reading, { startImmediately: true })
      yield* provider.awaitJournal(([entry]) => entry?.model !== undefined)
      yield* TestClock.adjust("2 seconds")
      for (let token = 1; token <= 21; token++) {
        yield* TestClock.adjust("100 millis")
        yield* provider.awaitJournal((entries) => entries[0]!.tokens === token)
        if (token === 1) yield* Deferred.await(first)
      }
      yield* Fiber.join(fiber)
      const [{ firstContent, outcome, outputTokens }] = reports as [LlmStream.Report]

      assert.strictEqual(outputTokens, 21)
      assert.deepStrictEqual(firstContent, Duration.millis(2100))
      assert.deepStrictEqual<unknown>(outcome, { _tag: "Success", scope: "model", slow: true })
    }))
})
