import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { type LanguageModel, streamText } from "ai"
import { Effect, Stream } from "effect"
import { LlmStream, PartReader } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { Response } from "effect/ai"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import OpenAI from "openai"

type Part = PartReader.Part

/** What a reader makes of a part, without what it leaves open. */
const read = <A>(reader: PartReader.Reader<A>, part: A): Part => JSON.parse(JSON.stringify(reader.read(part)))

const content = (characters: number, reasoning = false) => ({ content: characters, reasoning })
const isContent = ({ content }: Part) => content !== undefined

/** What a stream of one client came to. */
const summary = <A>(reader: PartReader.Reader<A>, answer: AsyncIterable<A>) =>
  Effect.promise(async () => {
    const parts: Array<Part> = []
    for await (const part of answer) parts.push(reader.read(part))
    const last = <K extends keyof Part>(key: K) => parts.findLast((part) => part[key] !== undefined)?.[key]
    return {
      characters: parts.reduce((sum, part) => sum + (part.content ?? 0), 0),
      pieces: parts.filter(isContent).length,
      finish: parts.flatMap(({ finish }) => finish ?? []),
      inputTokens: parts.flatMap(({ usage }) => usage?.inputTokens ?? []).at(-1),
      outputTokens: parts.flatMap(({ usage }) => usage?.outputTokens ?? []).at(-1),
      error: last("error")
    }
  })

/** A server that answers every request with these server-sent events. */
const serving = (events: ReadonlyArray<readonly [event: string, data: object]>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.end(events.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`).join(""))
      })
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
    }),
    ({ server }) =>
      Effect.promise(async () => {
        server.closeAllConnections()
        server.close()
        await once(server, "close")
      })
  )

const anthropicEvents = (...events: ReadonlyArray<{ readonly type: string }>) =>
  serving(events.map((event) => [event.type, event] as const))

const messageStart = {
  type: "message_start",
  message: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude-test",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 20, cache_read_input_tokens: 1000, cache_creation_input_tokens: 80, output_tokens: 1 }
  }
}
const blockStart = { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }
const blockDelta = (text: string) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })
const blockStop = { type: "content_block_stop", index: 0 }
const messageDelta = (stop_reason: string) => ({
  type: "message_delta",
  delta: { stop_reason, stop_sequence: null },
  usage: { output_tokens: 42 }
})
const messageStop = { type: "message_stop" }
const ping = { type: "ping" }

const chat = (delta: object, finish_reason: string | null = null, more: object = {}) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  choices: [{ index: 0, delta, finish_reason }],
  ...more
})

describe("PartReader", () => {
  describe("effect", () => {
    const part = (part: PartReader.EffectPart) => read(PartReader.effect, part)
    const usage = { inputTokens: { total: 10 }, outputTokens: { total: 40, reasoning: 30 } }

    it("takes text, reasoning and tool parameters for content", () => {
      assert.deepStrictEqual(part({ type: "text-delta", id: "1", delta: "Hello" }), content(5))
      assert.deepStrictEqual(part({ type: "reasoning-delta", id: "1", delta: "Hm" }), content(2, true))
      assert.deepStrictEqual(part({ type: "tool-params-delta", id: "1", delta: "{}" }), content(2))
      assert.deepStrictEqual(part(Response.makePart("text-delta", { id: "1", delta: "Hello" })), content(5))
    })

    it("takes metadata, and starts, ends and empty deltas, for nothing", () => {
      const silent: ReadonlyArray<PartReader.EffectPart> = [
        { type: "response-metadata", id: "resp_1" },
        { type: "text-start", id: "1" },
        { type: "text-delta", id: "1", delta: "" },
        { type: "text-end", id: "1" },
        { type: "reasoning-start", id: "1" },
        { type: "reasoning-end", id: "1" },
        { type: "tool-params-start", id: "1", name: "Search" },
        { type: "tool-params-end", id: "1" }
      ]

      for (const one of silent) assert.deepStrictEqual(part(one), {}, one.type)
      assert.deepStrictEqual(part({ type: "of tomorrow" } as never), {})
    })

    it("knows the program's tools from the provider's own", () => {
      const call = { type: "tool-call", id: "a", name: "Search", params: {} } as const
      const result = { type: "tool-result", id: "a", name: "Search", result: 1, isFailure: false } as const

      assert.deepStrictEqual(part({ ...call, providerExecuted: false }), { content: 0, toolCall: "a" })
      assert.deepStrictEqual(part({ ...call, providerExecuted: true }), { content: 0 })
      assert.deepStrictEqual(part({ ...result, providerExecuted: false }), { toolResult: "a" })
      assert.deepStrictEqual(part({ ...result, providerExecuted: false, preliminary: true }), {})
      assert.deepStrictEqual(part({ ...result, providerExecuted: true }), { content: 0 })
      assert.deepStrictEqual(part({ type: "tool-approval-request", approvalId: "1", toolCallId: "a" }), {
        toolResult: "a"
      })
    })

    it("reads the finish with its tokens, and the error", () => {
      assert.deepStrictEqual(part({ type: "finish", reason: "length", usage, response: undefined } as never), {
        finish: "length",
        usage: { inputTokens: 10, outputTokens: 40, reasoningTokens: 30 }
      })
      assert.deepStrictEqual(part({ type: "error", error: "down" }), { error: "down" })
      assert.isDefined(part({ type: "error", error: undefined }).error)
    })
  })

  describe("openAiChat", () => {
    const chunk = (chunk: object) => read(PartReader.openAiChat, chunk)

    it("takes text, refusals, reasoning and parameters for content, but no role and no name", () => {
      const parameters = (text: string) => ({ index: 0, id: "call_1", function: { name: "search", arguments: text } })

      assert.deepInclude(chunk(chat({ content: "Hello" })), content(5))
      assert.deepInclude(chunk(chat({ refusal: "No" })), content(2))
      assert.deepInclude(chunk(chat({ reasoning_content: "Hm" })), content(2, true))
      assert.deepInclude(chunk(chat({ content: "", reasoning: "Hm" })), content(2, true))
      assert.deepInclude(chunk(chat({ tool_calls: [parameters("{\"a"), parameters("b")] })), content(4))
      for (
        const delta of [{ role: "assistant", content: "" }, { content: null }, {}, { tool_calls: [parameters("")] }]
      ) {
        assert.isFalse(isContent(chunk(chat(delta))))
      }
    })

    it("reads the finish, and the tokens wherever they come", () => {
      const usage = { prompt_tokens: 11, completion_tokens: 8, completion_tokens_details: { reasoning_tokens: 3 } }

      assert.strictEqual(chunk(chat({}, "tool_calls")).finish, "tool-calls")
      assert.strictEqual(chunk(chat({ content: "." }, "length")).finish, "length")
      assert.strictEqual(chunk(chat({}, "content_filter")).finish, "content-filter")
      assert.strictEqual(chunk(chat({}, "error")).finish, "error")
      assert.strictEqual(chunk(chat({}, "eos_token")).finish, "other")
      assert.isUndefined(chunk(chat({}, "")).finish)
      assert.deepStrictEqual(chunk({ choices: [], usage }).usage, {
        inputTokens: 11,
        outputTokens: 8,
        reasoningTokens: 3
      })
    })

    it("tells the words of a refusal from those of an answer", () => {
      assert.isTrue(chunk(chat({ refusal: "No" })).refused)
      assert.isFalse(chunk(chat({ content: "No", refusal: null })).refused)
    })

    it("reads an error that a client handed on as a chunk", () => {
      assert.deepStrictEqual(chunk({ error: { code: 502, message: "down" } }).error, { code: 502, message: "down" })
    })

    it.effect("reads what the client makes of an answer, whole and cut", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const client = new OpenAI({ apiKey: "sk-any", baseURL: provider.baseUrl, maxRetries: 0, logLevel: "off" })
        const ask = (fault: Fault.Fault | "none") =>
          Effect.flatMap(
            Effect.promise(() =>
              client.chat.completions.create({
                model: "gpt-test",
                messages: [{ role: "user", content: "Hello" }],
                stream: true,
                stream_options: { include_usage: true }
              }, { headers: Fault.header(fault) })
            ),
            (answer) => summary(PartReader.openAiChat, answer)
          )

        assert.deepInclude(yield* ask("none"), { characters: 46, pieces: 8, finish: ["stop"], outputTokens: 8 })
        assert.deepInclude(yield* ask(Fault.cutAfter({ tokens: 2 })), { pieces: 2, finish: [] })
      }))
  })

  describe("openAiResponses", () => {
    const event = (event: object) => read(PartReader.openAiResponses, event)
    const usage = { input_tokens: 11, output_tokens: 8, output_tokens_details: { reasoning_tokens: 3 } }
    const tokens = { inputTokens: 11, outputTokens: 8, reasoningTokens: 3 }

    it("takes every kind of delta for content, and no other event", () => {
      assert.deepStrictEqual(event({ type: "response.output_text.delta", delta: "Hello" }), content(5))
      assert.deepStrictEqual(event({ type: "response.refusal.delta", delta: "No" }), { ...content(2), refused: true })
      assert.deepStrictEqual(event({ type: "response.function_call_arguments.delta", delta: "{}" }), content(2))
      assert.deepStrictEqual(event({ type: "response.reasoning_summary_text.delta", delta: "Hm" }), content(2, true))
      assert.deepStrictEqual(event({ type: "response.audio.delta", delta: "UklGRg==" }), { content: 0 })
      for (
        const type of [
          "response.created",
          "response.in_progress",
          "response.output_item.added",
          "response.content_part.added",
          "response.output_text.done",
          "keepalive"
        ]
      ) assert.deepStrictEqual(event({ type }), {}, type)
      assert.deepStrictEqual(event({ type: "response.output_text.delta", delta: "" }), {})
    })

    it("reads how the response ended", () => {
      const call = { type: "function_call", name: "search" }
      const incomplete = (reason: string) =>
        event({ type: "response.incomplete", response: { incomplete_details: { reason }, usage } })

      assert.deepStrictEqual(event({ type: "response.completed", response: { output: [], usage } }), {
        finish: "stop",
        usage: tokens
      })
      assert.strictEqual(event({ type: "response.completed", response: { output: [call] } }).finish, "tool-calls")
      assert.deepStrictEqual(incomplete("max_output_tokens"), { finish: "length", usage: tokens })
      assert.strictEqual(incomplete("content_filter").finish, "content-filter")
    })

    it("reads the errors, flat and nested, and a response that failed", () => {
      const quota = { type: "insufficient_quota", code: "insufficient_quota", message: "no credit" }
      const flat = { type: "error", code: "server_error", message: "down", param: null, sequence_number: 2 }

      assert.deepStrictEqual(event({ type: "error", sequence_number: 2, error: quota }).error, quota)
      assert.deepStrictEqual(event(flat).error, flat)
      assert.deepStrictEqual(
        event({ type: "response.failed", response: { status: "failed", error: { code: "server_error" }, usage: null } })
          .error,
        { code: "server_error" }
      )
    })

    it.effect("finds the failure that the client hands on without a word", () =>
      Effect.gen(function*() {
        const failed = {
          type: "response.failed",
          sequence_number: 2,
          response: {
            id: "resp_1",
            object: "response",
            status: "failed",
            error: { code: "server_error", message: "The server had an error." },
            usage: null
          }
        }
        const { url } = yield* serving([
          ["response.created", { type: "response.created", sequence_number: 0, response: { id: "resp_1" } }],
          [
            "response.output_text.delta",
            { type: "response.output_text.delta", sequence_number: 1, item_id: "1", delta: "Hello" }
          ],
          ["response.failed", failed]
        ])
        const client = new OpenAI({ apiKey: "sk-any", baseURL: url, maxRetries: 0, logLevel: "off" })
        const events = yield* Effect.promise(() =>
          client.responses.create({ model: "gpt-test", input: "Hello", stream: true })
        )
        const found = yield* summary(PartReader.openAiResponses, events)

        assert.deepInclude(found, { characters: 5, pieces: 1, finish: [] })
        assert.deepStrictEqual(found.error, failed.response.error)
      }))
  })

  describe("anthropic", () => {
    const event = (event: object) => read(PartReader.anthropic, event)
    const delta = (delta: object) => event({ type: "content_block_delta", index: 0, delta })

    it("takes text, thinking and parameters for content, and no ping, start or stop", () => {
      assert.deepStrictEqual(event(blockDelta("Hello")), content(5))
      assert.deepStrictEqual(delta({ type: "thinking_delta", thinking: "Hm" }), content(2, true))
      assert.deepStrictEqual(delta({ type: "input_json_delta", partial_json: "{}" }), content(2))
      assert.deepStrictEqual(delta({ type: "input_json_delta", partial_json: "" }), {})
      assert.deepStrictEqual(delta({ type: "signature_delta", signature: "EqQ" }), {})
      for (const silent of [ping, blockStart, blockStop, messageStop]) assert.deepStrictEqual(event(silent), {})
      assert.deepStrictEqual(
        event({ type: "content_block_start", content_block: { type: "redacted_thinking", data: "x" } }),
        { content: 0 }
      )
      assert.deepStrictEqual(
        event({ type: "content_block_start", content_block: { type: "web_search_tool_result", content: [] } }),
        { content: 0 }
      )
    })

    it("counts cached tokens of the prompt too, and takes the output's only from the end", () => {
      assert.deepStrictEqual(event(messageStart), { usage: { inputTokens: 1100 } })
      assert.deepStrictEqual(event(messageDelta("end_turn")), { finish: "stop", usage: { outputTokens: 42 } })
    })

    it("reads every reason to stop", () => {
      const reasons = {
        end_turn: "stop",
        stop_sequence: "stop",
        max_tokens: "length",
        model_context_window_exceeded: "length",
        tool_use: "tool-calls",
        pause_turn: "pause",
        refusal: "content-filter",
        error: "error",
        of_tomorrow: "other"
      }

      for (const [reason, finish] of Object.entries(reasons)) {
        assert.strictEqual(event(messageDelta(reason)).finish, finish as PartReader.FinishReason)
      }
    })

    it("reads an error event", () => {
      const error = { type: "overloaded_error", message: "Overloaded" }

      assert.deepStrictEqual(event({ type: "error", error }).error, error)
    })

    it.effect("reads what the client makes of an answer, whole and cut", () =>
      Effect.gen(function*() {
        const ask = (...events: ReadonlyArray<{ readonly type: string }>) =>
          Effect.gen(function*() {
            const { url } = yield* anthropicEvents(...events)
            const client = new Anthropic({ apiKey: "sk-any", baseURL: url, maxRetries: 0, logLevel: "off" })
            const answer = yield* Effect.promise(() =>
              client.messages.create({
                model: "claude-test",
                max_tokens: 100,
                messages: [{ role: "user", content: "Hello" }],
                stream: true
              })
            )
            return yield* summary(PartReader.anthropic, answer)
          })
        const begun = [messageStart, ping, blockStart, blockDelta("Hello "), blockDelta("there")]
        const whole = yield* ask(...begun, blockStop, messageDelta("end_turn"), messageStop)
        const cut = yield* ask(...begun)

        assert.deepStrictEqual(whole, {
          characters: 11,
          pieces: 2,
          finish: ["stop"],
          inputTokens: 1100,
          outputTokens: 42,
          error: undefined
        })
        assert.deepInclude(cut, { characters: 11, finish: [] })
      }))
  })

  describe("aiSdk", () => {
    const part = (part: object) => read(PartReader.aiSdk, part)

    it("takes text, reasoning and tool input for content, in the words of either layer", () => {
      assert.deepStrictEqual(part({ type: "text-delta", id: "1", text: "Hello" }), content(5))
      assert.deepStrictEqual(part({ type: "text-delta", id: "1", delta: "Hello" }), content(5))
      assert.deepStrictEqual(part({ type: "reasoning-delta", id: "1", text: "Hm" }), content(2, true))
      assert.deepStrictEqual(part({ type: "tool-input-delta", id: "1", delta: "{}" }), content(2))
      assert.deepStrictEqual(part({ type: "reasoning-file", mediaType: "image/png" }), content(0, true))
      const silent = ["start", "start-step", "text-start", "text-end", "finish-step", "raw", "stream-start"]
      // The newest major's pings, and what a provider has to say of itself, such as Anthropic at the start of a message.
      for (const type of [...silent, "ping", "custom"]) {
        assert.deepStrictEqual(part({ type }), {}, type)
      }
    })

    it("knows the program's tools from the provider's own", () => {
      assert.deepStrictEqual(part({ type: "tool-call", toolCallId: "a" }), { content: 0, toolCall: "a" })
      assert.deepStrictEqual(part({ type: "tool-call", toolCallId: "a", providerExecuted: true }), { content: 0 })
      assert.deepStrictEqual(part({ type: "tool-result", toolCallId: "a" }), { toolResult: "a" })
      assert.deepStrictEqual(part({ type: "tool-result", toolCallId: "a", preliminary: true }), {})
      assert.deepStrictEqual(part({ type: "tool-error", toolCallId: "a", error: "boom" }), { toolResult: "a" })
      assert.deepStrictEqual(part({ type: "tool-output-denied", toolCallId: "a" }), { toolResult: "a" })
      assert.deepStrictEqual(
        part({ type: "tool-approval-request", approvalId: "1", toolCall: { toolCallId: "a" } }),
        { toolResult: "a" }
      )
    })

    it("reads the finish of either layer, and a cut behind it", () => {
      const totalUsage = { inputTokens: 11, outputTokens: 8, outputTokenDetails: { reasoningTokens: 3 } }
      const usage = { inputTokens: { total: 11 }, outputTokens: { total: 8, reasoning: 3 } }
      const tokens = { inputTokens: 11, outputTokens: 8, reasoningTokens: 3 }
      const finish = (finishReason: unknown, rawFinishReason?: string) =>
        part({ type: "finish", finishReason, rawFinishReason }).finish

      assert.deepStrictEqual(part({ type: "finish", finishReason: "stop", rawFinishReason: "stop", totalUsage }), {
        finish: "stop",
        usage: tokens
      })
      assert.deepStrictEqual(part({ type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage }), {
        finish: "stop",
        usage: tokens
      })
      assert.isUndefined(finish("other"))
      assert.isUndefined(finish({ unified: "other", raw: undefined }))
      assert.isUndefined(finish({ unified: "interrupted", raw: undefined }))
      assert.strictEqual(finish("other", "eos_token"), "other")
      assert.strictEqual(finish("other", "error"), "error")
      assert.strictEqual(finish({ unified: "other", raw: "error" }), "error")
      assert.strictEqual(finish("error"), "error")
      assert.strictEqual(finish(undefined), "unknown")
    })

    it("reads an error, and an abort as the caller's own", () => {
      assert.deepStrictEqual(part({ type: "error", error: { type: "server_error" } }).error, { type: "server_error" })
      assert.deepInclude(part({ type: "abort" }).error, { name: "AbortError" })
    })

    const fullStream = (model: LanguageModel, headers: Record<string, string> = {}) =>
      summary(
        PartReader.aiSdk,
        streamText({ model, prompt: "Hello", maxOutputTokens: 100, maxRetries: 0, headers, onError: () => undefined })
          .fullStream
      )

    it.effect("reads what `ai` makes of OpenAI's answers: whole, cut, and with an error inside", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const model = createOpenAI({ apiKey: "sk-any", baseURL: provider.baseUrl }).chat("gpt-test")
        const ask = (fault: Fault.Fault | "none") => fullStream(model, Fault.header(fault))
        const broken = yield* ask(Fault.errorChunk({ after: 2, message: "down" }))

        assert.deepInclude(yield* ask("none"), { characters: 46, pieces: 8, finish: ["stop"], outputTokens: 8 })
        assert.deepInclude(yield* ask(Fault.cutAfter({ tokens: 2 })), { pieces: 2, finish: [], error: undefined })
        assert.strictEqual(broken.pieces, 2)
        assert.deepInclude(broken.error, { message: "down" })
      }))

    it.effect("reads what `ai` makes of Anthropic's answers: whole and cut", () =>
      Effect.gen(function*() {
        const ask = (...events: ReadonlyArray<{ readonly type: string }>) =>
          Effect.gen(function*() {
            const { url } = yield* anthropicEvents(...events)
            return yield* fullStream(createAnthropic({ apiKey: "sk-any", baseURL: url })("claude-test"))
          })
        const begun = [messageStart, ping, blockStart, blockDelta("Hello")]
        const whole = yield* ask(...begun, blockStop, messageDelta("end_turn"), messageStop)
        const cut = yield* ask(...begun)

        assert.deepInclude(whole, { characters: 5, finish: ["stop"], outputTokens: 42 })
        assert.deepInclude(cut, { characters: 5, finish: [], error: undefined })
      }))
  })

  describe("text", () => {
    it("takes each piece that is not empty for content, and the end of the stream for the finish", () => {
      assert.deepStrictEqual(read(PartReader.text, "Hello"), content(5))
      assert.deepStrictEqual(read(PartReader.text, ""), {})
      assert.strictEqual(PartReader.text.wholeAt, "end")
    })
  })

  it("throws at nothing, whatever a provider sends", () => {
    const readers = [PartReader.openAiChat, PartReader.openAiResponses, PartReader.anthropic, PartReader.aiSdk]
    const odd = [
      {},
      [],
      { choices: null },
      { choices: [null, 1, {}, { delta: null }, { delta: { tool_calls: [null, { function: null }] } }] },
      { type: null },
      { type: "response.completed" },
      { type: "response.incomplete" },
      { type: "response.failed" },
      { type: "error" },
      { type: "message_start" },
      { type: "content_block_start" },
      { type: "content_block_delta" },
      { type: "message_delta" },
      { type: "finish" },
      { type: "tool-approval-request" },
      { type: "text-delta", text: 1 }
    ]

    for (const { read } of readers) for (const part of [...odd, null as never]) assert.isObject(read(part))
  })

  it.effect("makes each of these streams one that can be guarded", () =>
    Effect.gen(function*() {
      const run = <A extends object>(reader: PartReader.Reader<A>, ...parts: ReadonlyArray<A>) =>
        Stream.fromIterable(parts).pipe(
          LlmStream.guardWith(Effect.succeed({ settle: () => Effect.void }), { reader }),
          Stream.runCount
        )

      assert.strictEqual(yield* run(PartReader.openAiChat, chat({ content: "Hello" }), chat({}, "stop")), 2)
      assert.strictEqual(
        yield* run(
          PartReader.openAiResponses,
          { type: "response.output_text.delta", delta: "Hello" },
          { type: "response.completed" }
        ),
        2
      )
      assert.strictEqual(
        yield* run(PartReader.anthropic, messageStart, blockDelta("Hello"), messageDelta("end_turn")),
        3
      )
      assert.strictEqual(
        yield* run(PartReader.aiSdk, { type: "text-delta", text: "Hello" }, { type: "finish", finishReason: "stop" }),
        2
      )
    }))
})
