import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schema, Stream } from "effect"
import { LlmStream, StreamBroken } from "effect-breaker/llm"
import { AiError, LanguageModel, type Response, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"

type Script = ReadonlyArray<readonly [millis: number, part: Response.StreamPartEncoded]>

const usage = {
  inputTokens: { uncached: 10, total: 10, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 40, text: 40, reasoning: 0 }
}
const metadata = { type: "response-metadata", id: "resp_1" } as const
const begin = { type: "text-start", id: "1" } as const
const say = (delta: string) => ({ type: "text-delta", id: "1", delta }) as const
const finish = (reason: Response.FinishReason) => ({ type: "finish", reason, usage, response: undefined }) as const
const call = (id: string) =>
  ({ type: "tool-call", id, name: "Search", params: { query: id }, providerExecuted: false }) as const

/** A model that plays a script, each part so long after the one before. */
const model = (script: Script, end: Stream.Stream<never, AiError.AiError> = Stream.empty) =>
  LanguageModel.make({
    generateText: () => Effect.succeed([]),
    streamText: () =>
      Stream.fromIterable(script).pipe(
        Stream.mapEffect(([millis, part]) =>
          millis === 0 ? Effect.succeed(part) : Effect.delay(Effect.succeed(part), millis)
        ),
        Stream.concat(end)
      )
  })

const Search = Tool.make("Search", { parameters: Schema.Struct({ query: Schema.String }), success: Schema.String })
const toolkit = Toolkit.make(Search)

interface Heard {
  readonly types: ReadonlyArray<string>
  readonly broken: StreamBroken | undefined
  readonly exit: Exit.Exit<void, unknown>
  readonly report: LlmStream.Report
}

/** Reads a model's answer under guard while an hour passes. */
const hear = (
  script: Script,
  options?: Omit<LlmStream.Options, "reader">,
  { end, toolTakes }: { readonly end?: Stream.Stream<never, AiError.AiError>; readonly toolTakes?: number } = {}
) =>
  Effect.gen(function*() {
    const types: Array<string> = []
    const reports: Array<LlmStream.Report> = []
    const { streamText } = yield* model(script, end)
    const handlers = toolkit.toLayer({ Search: ({ query }) => Effect.delay(Effect.succeed(query), toolTakes ?? 0) })
    const answer = toolTakes === undefined
      ? streamText({ prompt: "Hello" })
      : streamText({ prompt: "Hello", toolkit }).pipe(Stream.provide(handlers))
    const reading = answer.pipe(
      LlmStream.guardWith(Effect.succeed({ settle: () => Effect.void }), {
        ...options,
        onEnd: (report) => Effect.sync(() => reports.push(report))
      }),
      Stream.runForEach((part) => Effect.sync(() => types.push(part.type))),
      Effect.exit
    )
    const fiber = yield* Effect.forkChild(reading, { startImmediately: true })
    yield* TestClock.adjust("1 hour")
    const exit = yield* Fiber.join(fiber)
    assert.lengthOf(reports, 1)
    const squashed = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    const heard: Heard = {
      types,
      exit,
      report: reports[0]!,
      broken: squashed instanceof StreamBroken ? squashed : undefined
    }
    return heard
  })

const verdict = ({ report }: Heard) => [report.outcome._tag, report.outcome.kind]

describe("a guarded LanguageModel.streamText", () => {
  it.effect("hands on every part, and votes Success with what it observed", () =>
    Effect.gen(function*() {
      const heard = yield* hear([[100, metadata], [0, begin], [400, say("Once ")], [3900, say("upon")], [
        0,
        finish("stop")
      ]])

      assert.deepStrictEqual(heard.types, ["response-metadata", "text-start", "text-delta", "text-delta", "finish"])
      assert.deepStrictEqual(verdict(heard), ["Success", undefined])
      assert.deepInclude(heard.report, { inputTokens: 10, outputTokens: 40, finishReason: "stop", characters: 9 })
    }))

  it.effect("turns what Effect takes for a success into a typed failure while nothing was shown", () =>
    Effect.gen(function*() {
      const overloaded = { type: "overloaded_error", message: "Overloaded" }
      const reported = yield* hear([[0, metadata], [0, begin], [0, { type: "error", error: overloaded }]])
      const cut = yield* hear([[0, metadata], [0, begin]])
      const silent = yield* hear([[0, metadata], [0, finish("unknown")]])

      assert.deepStrictEqual([reported, cut, silent].map(verdict), [
        ["Failure", "overloaded"],
        ["Failure", "truncated"],
        ["Failure", "empty"]
      ])
      for (const { broken, types } of [reported, cut, silent]) {
        assert.deepStrictEqual(types, [])
        assert.isFalse(broken?.partial)
      }
      assert.deepStrictEqual(reported.broken?.cause, overloaded)
    }))

  it.effect("passes an AiError on, and votes by its reason", () =>
    Effect.gen(function*() {
      const failing = (reason: AiError.AiErrorReason) =>
        hear([[0, metadata]], {}, {
          end: Stream.fail(AiError.make({ module: "Test", method: "streamText", reason }))
        })
      const down = yield* failing(new AiError.InternalProviderError({ description: "no capacity" }))
      const mistake = yield* failing(new AiError.ContentPolicyError({ description: "no" }))

      assert.deepStrictEqual([down, mistake].map(({ report }) => report.outcome._tag), ["Failure", "Ignored"])
      for (const { exit } of [down, mistake]) {
        assert.isTrue(Exit.isFailure(exit) && AiError.isAiError(Cause.squash(exit.cause)))
      }
    }))

  it.effect("does not wait for metadata, nor for the start of a block", () =>
    Effect.gen(function*() {
      const heard = yield* hear([[0, metadata], [400, begin], [601, say("Once")]], { firstContent: "1 second" })

      assert.deepStrictEqual([heard.broken?.deadline, heard.types], ["firstContent", []])
    }))

  it.effect("does not hold the time of tools against the model, which has its finish kept back by them", () =>
    Effect.gen(function*() {
      const heard = yield* hear(
        [[500, call("a")], [0, call("b")], [100, finish("tool-calls")]],
        { idle: "1 second", total: "2 seconds", slow: { perOutputToken: 10 } },
        { toolTakes: 60_000 }
      )

      assert.deepStrictEqual(heard.types, ["tool-call", "tool-call", "tool-result", "tool-result", "finish"])
      assert.deepStrictEqual<unknown>(heard.report.outcome, { _tag: "Success", scope: "model", slow: false })
    }))

  it.effect("ends a model that hangs after a tool is done", () =>
    Effect.gen(function*() {
      const heard = yield* hear(
        [[0, call("a")], [0, say("Let me see")], [3_000_000, finish("tool-calls")]],
        { idle: "1 second" },
        { toolTakes: 60_000 }
      )

      assert.deepInclude(heard.broken, { deadline: "idle", partial: true })
      assert.deepStrictEqual(heard.types, ["tool-call", "text-delta", "tool-result"])
    }))

  it.effect("ends a model that hangs after a tool call, where the tools run outside", () =>
    Effect.gen(function*() {
      const heard = yield* hear([[0, call("a")], [3_000_000, finish("tool-calls")]], {
        idle: "1 second",
        tools: "outside"
      }, {
        toolTakes: 0
      })

      assert.strictEqual(heard.broken?.deadline, "idle")
    }))
})
