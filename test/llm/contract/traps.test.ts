/**
 * The traps that a breaker for language models can fall into, each by real calls over HTTP.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, ExecutionPlan, Exit, Fiber, Layer, Result, Schema, Stream } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { LlmOutcome, LlmStream, PartReader } from "effect-breaker/llm"
import { AnthropicFault, FakeProvider, Fault, OpenAiFault } from "effect-breaker/testing"
import { AiError, LanguageModel, Prompt, ResponseIdTracker, Tool, Toolkit } from "effect/ai"
import { Sse } from "effect/encoding"
import { FetchHttpClient, HttpBody, HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import http from "node:http"
import type { AddressInfo } from "node:net"
import { named, names } from "./clients.ts"
import { endsAfter, Heard } from "./driving.ts"
import * as EffectModel from "./effectModel.ts"

const fixed = { jitter: 0, classify: LlmOutcome.classify }

describe("trap 1: a streak of failures", () => {
  for (const name of names) {
    it.effect(`${name}: goes on across what is Ignored and what is Throttled`, () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()
        const breaker = yield* Breaker.make({ name, tripPolicy: TripPolicy.consecutive(3), ...fixed })
        const states: Array<string> = []
        const ask = (fault: Fault.Fault) =>
          Effect.gen(function*() {
            yield* provider.setHealth({ faults: [{ fault, share: 1 }] })
            yield* Effect.tryPromise((signal) => named(name).plain({ url: provider.url, signal })).pipe(
              breaker.execute,
              Effect.flip
            )
            states.push((yield* breaker.state)._tag)
          })

        yield* ask(Fault.overloaded)
        yield* ask(OpenAiFault.invalidRequest)
        yield* ask(Fault.overloaded)
        yield* ask(Fault.rateLimited({ retryAfter: "5 seconds" }))
        yield* TestClock.adjust("5 seconds")
        yield* ask(Fault.overloaded)

        assert.deepStrictEqual(states, ["Closed", "Closed", "Closed", "Closed", "Open"])
        assert.deepInclude(yield* breaker.snapshot, { failures: 3, ignored: 1, throttled: 1, rejected: 0 })
      }))
  }
})

describe("trap 2: a 529", () => {
  it.effect("is a Failure here, where Effect's own classifier for HTTP calls it a success", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make()
      yield* provider.setHealth({ faults: [{ fault: AnthropicFault.overloaded, share: 1 }] })
      const breaker = yield* Breaker.make({ name: "http", tripPolicy: TripPolicy.consecutive(2), ...fixed })
      const ask = HttpClient.post(`${provider.url}/v1/messages`, {
        body: HttpBody.jsonUnsafe({
          model: "claude-haiku-4-5",
          max_tokens: 9,
          messages: [{ role: "user", content: "Hello" }]
        })
      }).pipe(Effect.provide(FetchHttpClient.layer))

      const exit = yield* Effect.exit(ask)
      const below = yield* HttpClient.circuitBreakerClassifier(exit)
      yield* Effect.replicateEffect(breaker.execute(ask), 2)

      assert.strictEqual(below._tag, "Success")
      assert.strictEqual(LlmOutcome.classify(exit).kind, "overloaded")
      assert.deepInclude(yield* breaker.snapshot, { state: "Open", failures: 2 })
    }))
})

describe("trap 3: an ExecutionPlan", () => {
  const guarded = (breaker: Breaker.Breaker): NonNullable<EffectModel.Settings["around"]> => (request) =>
    breaker.execute(request).pipe(
      Effect.catchTag("CircuitRejected", (rejected) =>
        Effect.fail(AiError.make({
          module: "contract",
          method: "breaker",
          reason: new AiError.UnknownError({ description: rejected.message })
        })))
    )

  const make = Effect.gen(function*() {
    const primary = yield* FakeProvider.make()
    const secondary = yield* FakeProvider.make()
    yield* primary.setHealth({ faults: [{ fault: Fault.overloaded, share: 1 }] })
    const breaker = yield* Breaker.make({ name: "primary", tripPolicy: TripPolicy.consecutive(2), ...fixed })
    const asked = Effect.map(
      Effect.all([primary.journal, secondary.journal]),
      (journals) => journals.map(({ length }) => length)
    )
    return { asked, breaker, primary, secondary }
  })

  const model = (settings: EffectModel.Settings) =>
    Layer.effect(LanguageModel.LanguageModel, EffectModel.make(settings))

  it.effect("with a breaker in each step fails fast where the circuit is open, and moves on", () =>
    Effect.gen(function*() {
      const { asked, breaker, primary, secondary } = yield* make
      const plan = ExecutionPlan.make(
        { provide: model({ baseUrl: primary.baseUrl, around: guarded(breaker) }) },
        { provide: model({ baseUrl: secondary.baseUrl }) }
      )
      const ask = LanguageModel.generateText({ prompt: "How are you?" }).pipe(Effect.withExecutionPlan(plan))

      const answers = yield* Effect.replicateEffect(ask, 5)

      assert.lengthOf(answers.filter(({ text }) => text.startsWith("This answer")), 5)
      assert.deepStrictEqual(yield* asked, [2, 5])
      assert.deepInclude(yield* breaker.snapshot, { state: "Open", failures: 2, rejected: 3 })
    }))

  it.effect("with a breaker around it hides from the breaker that its first step is down, and pays for it each time", () =>
    Effect.gen(function*() {
      const { asked, breaker, primary, secondary } = yield* make
      const plan = ExecutionPlan.make(
        { provide: model({ baseUrl: primary.baseUrl }) },
        { provide: model({ baseUrl: secondary.baseUrl }) }
      )
      const ask = LanguageModel.generateText({ prompt: "How are you?" }).pipe(Effect.withExecutionPlan(plan))

      yield* Effect.replicateEffect(breaker.execute(ask), 5)

      assert.deepStrictEqual(yield* asked, [5, 5])
      assert.deepInclude(yield* breaker.snapshot, { state: "Closed", failures: 0, successes: 5 })
    }))
})

describe("trap 4: streamText with a toolkit", () => {
  const toolkit = Toolkit.make(Tool.make("look", { parameters: Schema.Struct({}), success: Schema.String }))

  it.effect("does not take the time of a tool, which holds the finish back, for the provider's", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make()
      yield* provider.setHealth({ answers: [{ text: "Let me look.", toolCalls: [{ name: "look" }] }] })
      const breaker = yield* Breaker.make({ name: "tools", tripPolicy: TripPolicy.consecutive(1) })
      const reports: Array<LlmStream.Report> = []
      const heard = new Heard()
      const model = yield* EffectModel.make({ baseUrl: provider.baseUrl })
      const answer = model.streamText({ prompt: "How are you?", toolkit }).pipe(
        Stream.provide(toolkit.toLayer({ look: () => Effect.delay(Effect.succeed("sunny"), "10 minutes") })),
        LlmStream.guard({
          firstContent: "20 seconds",
          idle: "30 seconds",
          total: "1 minute",
          slow: { firstContent: "2 seconds", perOutputToken: "1 second" },
          onEnd: (report) => Effect.sync(() => reports.push(report))
        }),
        Stream.runForEach((part) =>
          Effect.sync(() =>
            heard.add(part.type === "text-delta" ? part.delta : part.type === "tool-call" ? " call" : "")
          )
        ),
        Effect.provideService(Breaker.Breaker, breaker)
      )

      const fiber = yield* Effect.forkChild(answer, { startImmediately: true })
      yield* heard.words(4)
      yield* endsAfter(fiber, "10 minutes")

      const [{ duration, outcome }] = reports as [LlmStream.Report]
      assert.deepStrictEqual<unknown>(outcome, { _tag: "Success", scope: "model", slow: false })
      assert.deepStrictEqual(duration, Duration.zero)
      assert.deepInclude(yield* breaker.snapshot, { state: "Closed", successes: 1, slow: 0 })
    }))
})

describe("trap 5: an incremental prompt that the provider refuses", () => {
  const make = (inside: boolean) =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make({ allowHeader: true })
      const breaker = yield* Breaker.make({ name: "incremental", tripPolicy: TripPolicy.consecutive(1), ...fixed })
      const model = yield* EffectModel.make({
        baseUrl: provider.baseUrl,
        fault: ({ incrementalPrompt }) => incrementalPrompt === undefined ? "none" : OpenAiFault.invalidRequest,
        ...(inside
          ? { around: (request) => Effect.catchTag(breaker.execute(request), "CircuitRejected", Effect.die) }
          : {})
      })
      const ask = (prompt: Prompt.Prompt) => {
        const call = model.generateText({ prompt })
        return inside ? call : breaker.execute(call)
      }
      const first = Prompt.make("How are you?")
      const tracker = yield* ResponseIdTracker.make
      const answers = yield* Effect.gen(function*() {
        const { text } = yield* ask(first)
        const second = Prompt.fromMessages([
          ...first.content,
          Prompt.assistantMessage({ content: [Prompt.textPart({ text })] }),
          Prompt.userMessage({ content: [Prompt.textPart({ text: "And now?" })] })
        ])
        return [text, (yield* ask(second)).text]
      }).pipe(Effect.provideService(ResponseIdTracker.ResponseIdTracker, tracker))
      return {
        answers,
        snapshot: yield* breaker.snapshot,
        statuses: (yield* provider.journal).map(({ status }) => status)
      }
    })

  it.effect("is one call and one vote for a breaker around the model, though two requests were sent", () =>
    Effect.gen(function*() {
      const { answers, snapshot, statuses } = yield* make(false)

      assert.deepStrictEqual(statuses, [200, 400, 200])
      assert.strictEqual(answers[1], answers[0])
      assert.deepInclude(snapshot, { state: "Closed", successes: 2, failures: 0, ignored: 0 })
    }))

  it.effect("is Ignored, and then a Success, for a breaker inside it", () =>
    Effect.gen(function*() {
      const { snapshot, statuses } = yield* make(true)

      assert.deepStrictEqual(statuses, [200, 400, 200])
      assert.deepInclude(snapshot, { state: "Closed", successes: 2, failures: 0, ignored: 1 })
    }))
})

describe("trap 6: a reader that leaves early", () => {
  for (const name of names) {
    const { reader, saidIn, stream } = named(name)
    const make = Effect.gen(function*() {
      const provider = yield* FakeProvider.make({ allowHeader: true })
      const breaker = yield* Breaker.make({ name, tripPolicy: TripPolicy.consecutive(1) })
      const ask = (fault: Fault.Fault) =>
        LlmStream.fromClient((signal) => stream({ url: provider.url, signal, headers: Fault.header(fault) })).pipe(
          LlmStream.guard({ reader }),
          Stream.map((part) => saidIn(part as never) ?? ""),
          Stream.filter((text) => text !== ""),
          Stream.provideService(Breaker.Breaker, breaker)
        )
      const end = Effect.map(
        provider.awaitJournal(([entry]) => entry !== undefined && entry.end !== "running"),
        ([entry]) => entry!.end
      )
      return { ask, breaker, end, provider }
    })

    it.effect(`${name}: is a Success after content`, () =>
      Effect.gen(function*() {
        const { ask, breaker, end } = yield* make

        const words = yield* ask(Fault.stallAfter({ tokens: 2 })).pipe(Stream.take(1), Stream.runCollect)

        assert.deepStrictEqual([words, yield* end], [["This"], "client-closed"])
        assert.deepInclude(yield* breaker.snapshot, { successes: 1, ignored: 0, failures: 0, inFlight: 0 })
      }))

    it.effect(`${name}: is Ignored before content`, () =>
      Effect.gen(function*() {
        const { ask, breaker, end, provider } = yield* make

        const reading = ask(Fault.hangBeforeFirstToken).pipe(
          Stream.interruptWhen(provider.awaitJournal(([entry]) => entry?.status === 200)),
          Stream.runCollect
        )

        assert.deepStrictEqual([yield* reading, yield* end], [[], "client-closed"])
        assert.deepInclude(yield* breaker.snapshot, { successes: 0, ignored: 1, failures: 0, inFlight: 0 })
      }))
  }
})

describe("trap 7: a `retry:` line in a stream of events", () => {
  const serve = (body: string) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.promise(() => {
          const server = http.createServer((_, response) => {
            response.writeHead(200, { "content-type": "text/event-stream" })
            response.end(body)
          })
          return new Promise<http.Server>((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)))
        }),
        (server) =>
          Effect.sync(() => {
            server.closeAllConnections()
            server.close()
          })
      ),
      (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    )

  const word = `data: ${
    JSON.stringify({ choices: [{ index: 0, delta: { content: "This" }, finish_reason: null }] })
  }\n\n`

  // As Effect's providers do: the directive is none of their errors, so it becomes a defect.
  const ask = (url: string) =>
    HttpClient.get(url).pipe(
      Effect.map(({ stream }) => stream),
      Stream.unwrap,
      Stream.decodeText,
      Stream.pipeThroughChannel(Sse.decode()),
      Stream.catchTag("Retry", Stream.die),
      Stream.map(({ data }) => JSON.parse(data) as object),
      Stream.provide(FetchHttpClient.layer)
    )

  for (const [when, body] of [["before", "retry: 3000\n\n"], ["after", `${word}retry: 3000\n\n`]] as const) {
    it.effect(`is a Failure ${when} content: the answer is lost, whatever the reason, and the defect passes`, () =>
      Effect.gen(function*() {
        const breaker = yield* Breaker.make({ name: "sse", tripPolicy: TripPolicy.consecutive(1) })
        const reports: Array<LlmStream.Report> = []
        const exit = yield* ask(yield* serve(body)).pipe(
          LlmStream.guardWith(breaker.admit, {
            reader: PartReader.openAiChat,
            onEnd: (report) => Effect.sync(() => reports.push(report))
          }),
          Stream.runDrain,
          Effect.exit
        )

        assert.isTrue(Exit.hasDies(exit))
        assert.isTrue(Exit.isFailure(exit) && Sse.Retry.is(Result.getOrThrow(Cause.findDefect(exit.cause))))
        const { _tag, kind, scope } = reports[0]!.outcome
        assert.deepStrictEqual([_tag, kind, scope], ["Failure", "unknown", "model"])
        assert.deepInclude(yield* breaker.snapshot, { state: "Open", failures: 1, inFlight: 0 })
      }))
  }
})

describe("trap 8: a wall clock that jumps", () => {
  /** Runs under a wall clock that can be set, beside a monotonic one that runs on. */
  const withJumps = <A, E, R>(
    body: (
      jump: (by: Duration.Input) => void,
      later: (by: Duration.Input) => Effect.Effect<void>
    ) => Effect.Effect<A, E, R>
  ) =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 7, 14, 15))
      const clock = yield* Clock.Clock
      let ahead = 0
      const jumping: Clock.Clock = {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + ahead,
        currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + ahead),
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n,
        currentTimeNanos: Effect.sync(() => clock.currentTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      }
      const jump = (by: Duration.Input) => {
        ahead += Duration.toMillis(by)
      }
      const later = (by: Duration.Input) => Effect.provideService(TestClock.adjust(by), Clock.Clock, clock)
      return yield* Effect.provideService(body(jump, later), Clock.Clock, jumping)
    })

  for (const [way, by] of [["forward", "1 day"], ["back", Duration.millis(-86_400_000)]] as const) {
    it.effect(`${way}: neither shortens nor lengthens an open circuit, a pause or a deadline`, () =>
      withJumps((jump, later) =>
        Effect.gen(function*() {
          const provider = yield* FakeProvider.make({ allowHeader: true })
          const ask = (breaker: Breaker.Breaker, fault?: Fault.Fault) =>
            Effect.tryPromise((signal) =>
              named("openai chat").plain({
                url: provider.url,
                signal,
                headers: fault === undefined ? {} : Fault.header(fault)
              })
            ).pipe(breaker.execute, Effect.match({ onSuccess: () => "answer", onFailure: ({ _tag }) => _tag }))
          const open = yield* Breaker.make({
            name: "open",
            tripPolicy: TripPolicy.consecutive(1),
            openDuration: "30 seconds",
            ...fixed
          })
          const paused = yield* Breaker.make({ name: "paused", ...fixed })
          yield* ask(open, Fault.overloaded)
          yield* ask(paused, Fault.rateLimited({ retryAfter: "30 seconds" }))
          const hanging = yield* LlmStream.fromClient((signal) =>
            named("openai chat").stream({ url: provider.url, signal, headers: Fault.header(Fault.hangBeforeHeaders) })
          ).pipe(
            LlmStream.guard({ reader: named("openai chat").reader, firstContent: "30 seconds" }),
            Stream.runDrain,
            Effect.flip,
            Effect.provide(Breaker.layer({ name: "hanging" })),
            Effect.forkChild({ startImmediately: true })
          )
          yield* provider.awaitJournal((entries) => entries.at(-1)!.fault === "HangBeforeHeaders")

          jump(by)
          yield* later(29_999)
          assert.deepStrictEqual(yield* Effect.all([ask(open), ask(paused)]), ["CircuitRejected", "CircuitRejected"])
          assert.isUndefined(hanging.pollUnsafe())
          yield* later(1)

          assert.deepStrictEqual(yield* Effect.all([ask(open), ask(paused)]), ["answer", "answer"])
          assert.strictEqual((yield* Fiber.join(hanging))._tag, "StreamBroken")
        })
      ))
  }

  it.effect("is asked for the time until a date, once, when the date is read", () =>
    withJumps((jump) =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const headers = Fault.header(AnthropicFault.usageLimitReached({ resumesAt: "2026-08-16T00:00:00Z" }))
        const waits: Array<number | undefined> = []
        const refusal = LlmStream.fromClient((signal) =>
          named("anthropic").stream({ url: provider.url, signal, headers })
        )
        const ask = Effect.gen(function*() {
          const breaker = yield* Breaker.make({ name: "workspace", jitter: 0, maxRetryAfter: "31 days" })
          yield* refusal.pipe(
            LlmStream.guardWith(breaker.admit, {
              reader: named("anthropic").reader,
              onEnd: ({ outcome }) =>
                Effect.sync(() =>
                  waits.push(outcome._tag === "Trip" ? outcome.openFor && Duration.toHours(outcome.openFor) : -1)
                )
            }),
            Stream.runDrain,
            Effect.flip
          )
          return breaker
        })

        const breaker = yield* ask
        jump("12 hours")
        yield* ask

        assert.deepStrictEqual(waits, [33, 21])
        // The first circuit was told 33 hours, and keeps to them.
        assert.deepStrictEqual(Duration.toHours((yield* breaker.state).retryAfter), 33)
      })
    ))
})
