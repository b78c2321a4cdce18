import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import Anthropic, { APIError as AnthropicError, OverloadedError } from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { APICallError, generateObject, generateText, jsonSchema, type LanguageModel, streamText, tool } from "ai"
import { FakeProvider, Fault, OpenAiFault } from "effect-breaker/testing"
import * as Effect from "effect/Effect"
import OpenAI, { APIError } from "openai"

const healthyText = "This answer comes from a healthy fake provider"
const messages = [{ role: "user" as const, content: "How are you?" }]

const openai = (provider: FakeProvider.FakeProvider, fault?: Fault.Fault) =>
  new OpenAI({
    apiKey: "sk-one",
    baseURL: provider.baseUrl,
    maxRetries: 0,
    logLevel: "off",
    defaultHeaders: fault === undefined ? {} : Fault.header(fault)
  })

const anthropic = (provider: FakeProvider.FakeProvider, fault?: Fault.Fault) =>
  new Anthropic({
    apiKey: "sk-two",
    baseURL: provider.url,
    maxRetries: 0,
    logLevel: "off",
    defaultHeaders: fault === undefined ? {} : Fault.header(fault)
  })

/** The AI SDK's model for each format. */
const aiModels = (provider: FakeProvider.FakeProvider, fault?: Fault.Fault) => {
  const settings = {
    apiKey: "sk-three",
    baseURL: provider.baseUrl,
    headers: fault === undefined ? {} : Fault.header(fault)
  }
  return {
    chat: createOpenAI(settings).chat("gpt-4o"),
    responses: createOpenAI(settings).responses("gpt-4o"),
    messages: createAnthropic(settings)("claude-haiku-4-5")
  } satisfies Record<string, LanguageModel>
}

const collected = async <A>(stream: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for await (const one of stream) all.push(one)
  return all
}

const rejection = async (promise: PromiseLike<unknown>): Promise<unknown> =>
  promise.then((value) => assert.fail(`resolved with ${JSON.stringify(value)}`), (error: unknown) => error)

/** The parts of the AI SDK's stream in short, and the errors among them. */
const aiParts = async (model: LanguageModel) => {
  const parts = await collected(
    streamText({ model, prompt: "How are you?", maxRetries: 0, onError: () => {} }).fullStream
  )
  return {
    text: parts.map((part) => part.type === "text-delta" ? part.text : "").join(""),
    finish: parts.flatMap((part) => part.type === "finish" ? [part.finishReason] : []),
    errors: parts.flatMap((part) => part.type === "error" ? [part.error] : [])
  }
}

const schema = jsonSchema<{ readonly name: string; readonly ok: boolean }>({
  type: "object",
  properties: { name: { type: "string" }, ok: { type: "boolean" } },
  required: ["name", "ok"],
  additionalProperties: false
})

const look = { look: tool({ description: "Looks", inputSchema: schema, execute: async () => "seen" }) }

describe("FakeProvider with real clients", () => {
  describe("openai", () => {
    it.effect("gets a whole response", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ seed: 3 })

        const answer = yield* Effect.promise(() =>
          openai(provider).responses.create({ model: "gpt-test", input: "How are you?" })
        )

        assert.strictEqual(answer.output_text, healthyText)
        const { id, model, object, output, status, usage } = answer
        assert.deepStrictEqual(JSON.parse(JSON.stringify({ id, model, object, status, output, usage })), {
          id: "resp_3_0",
          model: "gpt-test",
          object: "response",
          status: "completed",
          output: [{
            id: "msg_3_0",
            type: "message",
            status: "completed",
            role: "assistant",
            content: [{ type: "output_text", text: healthyText, annotations: [], logprobs: [] }]
          }],
          usage: {
            input_tokens: 4,
            input_tokens_details: { cached_tokens: 0 },
            output_tokens: 8,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: 12
          }
        })
        assert.strictEqual(answer._request_id, "req_3_0")
      }))

    it.effect("gets a streamed response event by event, each with its number", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()

        const events = yield* Effect.promise(async () =>
          collected(await openai(provider).responses.create({ model: "m", input: "How are you?", stream: true }))
        )
        const helped = yield* Effect.promise(() =>
          openai(provider).responses.stream({ model: "m", input: "How are you?" }).finalResponse()
        )

        assert.deepStrictEqual(events.map(({ type }) => type), [
          "response.created",
          "response.in_progress",
          "response.output_item.added",
          "response.content_part.added",
          ...Array.from({ length: 8 }, () => "response.output_text.delta" as const),
          "response.output_text.done",
          "response.content_part.done",
          "response.output_item.done",
          "response.completed"
        ])
        assert.deepStrictEqual(events.map(({ sequence_number }) => sequence_number), [...events.keys()])
        assert.deepStrictEqual([helped.status, helped.output_text], ["completed", healthyText])
      }))

    it.effect("gets a tool call in both formats, plain and streamed", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()
        yield* provider.setHealth({
          answers: [{ text: "Let me look.", toolCalls: [{ name: "look", arguments: { city: "Ulm" }, id: "call_7" }] }]
        })
        const client = openai(provider)

        const chat = yield* Effect.promise(() => client.chat.completions.create({ model: "m", messages }))
        const chatStream = yield* Effect.promise(() =>
          client.chat.completions.stream({ model: "m", messages }).finalChatCompletion()
        )
        const response = yield* Effect.promise(() => client.responses.create({ model: "m", input: "x" }))
        const responseStream = yield* Effect.promise(() =>
          client.responses.stream({ model: "m", input: "x" }).finalResponse()
        )

        for (const { choices: [choice] } of [chat, chatStream]) {
          const [call] = choice!.message.tool_calls!
          assert.deepStrictEqual([choice!.message.content, choice!.finish_reason], ["Let me look.", "tool_calls"])
          assert.deepStrictEqual(
            call?.type === "function" ? [call.id, call.function.name, call.function.arguments] : [],
            ["call_7", "look", `{"city":"Ulm"}`]
          )
        }
        for (const { output, output_text } of [response, responseStream]) {
          const call = output[1]
          assert.strictEqual(output_text, "Let me look.")
          assert.deepStrictEqual(
            call?.type === "function_call" ? [call.call_id, call.name, call.arguments, call.status] : [],
            ["call_7", "look", `{"city":"Ulm"}`, "completed"]
          )
        }
      }))

    it.effect("throws the nested error of a response's stream, and hands on the documented one as an event", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const stream = (fault: Fault.Fault) =>
          openai(provider, fault).responses.create({ model: "m", input: "x", stream: true }).then(collected)

        const nested = yield* Effect.promise(() => rejection(stream(OpenAiFault.quotaInsideStream)))
        const flat = yield* Effect.promise(() =>
          stream(Fault.errorChunk({ after: 2, shape: "flat", code: "boom", message: "Broken" }))
        )

        assert.instanceOf(nested, APIError)
        assert.deepStrictEqual(
          [nested.status, nested.type, nested.code],
          [undefined, "insufficient_quota", "insufficient_quota"]
        )
        assert.deepStrictEqual(JSON.parse(JSON.stringify(flat.at(-1))), {
          type: "error",
          sequence_number: 6,
          code: "boom",
          message: "Broken",
          param: null
        })
      }))

    it.effect("takes a failed, an incomplete and a cut stream of a response without a word", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const final = (fault: Fault.Fault) =>
          Effect.promise(() => openai(provider, fault).responses.stream({ model: "m", input: "x" }).finalResponse())

        const failed = yield* final(Fault.endsBy({ reason: "error" }))
        const cut = yield* final(Fault.endsBy({ reason: "length", after: 2 }))
        const filtered = yield* final(Fault.endsBy({ reason: "content-filter" }))

        assert.deepStrictEqual([failed.status, failed.error?.code, failed.usage], ["failed", "server_error", null])
        assert.deepStrictEqual(
          [cut.status, cut.incomplete_details?.reason, cut.output_text],
          ["incomplete", "max_output_tokens", "This answer"]
        )
        assert.strictEqual(filtered.incomplete_details?.reason, "content_filter")
      }))
  })

  describe("@anthropic-ai/sdk", () => {
    it.effect("gets a whole message", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ seed: 3 })

        const answer = yield* Effect.promise(() =>
          anthropic(provider).messages.create({ model: "claude-test", max_tokens: 100, messages })
        )

        assert.deepStrictEqual(JSON.parse(JSON.stringify(answer)), {
          id: "msg_3_0",
          type: "message",
          role: "assistant",
          model: "claude-test",
          content: [{ type: "text", text: healthyText }],
          stop_reason: "end_turn",
          stop_sequence: null,
          usage: {
            input_tokens: 11,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: 0,
            output_tokens: 8
          }
        })
        assert.strictEqual(answer._request_id, "req_3_0")
        assert.strictEqual((yield* provider.journal)[0]!.key, "sk-two")
      }))

    it.effect("gets a streamed message event by event", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()

        const events = yield* Effect.promise(async () =>
          collected(await anthropic(provider).messages.create({ model: "m", max_tokens: 9, messages, stream: true }))
        )
        const helped = yield* Effect.promise(() =>
          anthropic(provider).messages.stream({ model: "m", max_tokens: 9, messages }).finalMessage()
        )

        assert.deepStrictEqual(events.map(({ type }) => type), [
          "message_start",
          "content_block_start",
          ...Array.from({ length: 8 }, () => "content_block_delta" as const),
          "content_block_stop",
          "message_delta",
          "message_stop"
        ])
        assert.deepStrictEqual(JSON.parse(JSON.stringify(helped.content)), [{ type: "text", text: healthyText }])
        assert.deepStrictEqual([helped.stop_reason, helped.usage.output_tokens], ["end_turn", 8])
      }))

    it.effect("gets tool calls, plain and streamed", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()
        yield* provider.setHealth({
          answers: [{ toolCalls: [{ name: "look", arguments: { city: `"Ulm"` } }, { name: "wait" }] }]
        })

        const plain = yield* Effect.promise(() =>
          anthropic(provider).messages.create({ model: "m", max_tokens: 9, messages })
        )
        const streamed = yield* Effect.promise(() =>
          anthropic(provider).messages.stream({ model: "m", max_tokens: 9, messages }).finalMessage()
        )

        for (const [index, { content, stop_reason }] of [plain, streamed].entries()) {
          assert.strictEqual(stop_reason, "tool_use")
          assert.deepStrictEqual(JSON.parse(JSON.stringify(content)), [
            { type: "tool_use", id: `toolu_1_${index}_0`, name: "look", input: { city: `"Ulm"` } },
            { type: "tool_use", id: `toolu_1_${index}_1`, name: "wait", input: {} }
          ])
        }
      }))

    it.effect("throws overload by its status, and without one where it comes inside a stream", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const ask = (fault: Fault.Fault) =>
          Effect.promise(() =>
            rejection(
              anthropic(provider, fault).messages.create({ model: "m", max_tokens: 9, messages, stream: true })
                .then(collected)
            )
          )

        const refused = yield* ask(Fault.overloaded)
        const first = yield* ask(Fault.errorChunk({ after: 0, type: "overloaded_error" }))
        const later = yield* ask(Fault.errorChunk({ after: 3, type: "overloaded_error" }))

        assert.instanceOf(refused, OverloadedError)
        assert.deepStrictEqual([refused.status, refused.requestID], [529, "req_1_0"])
        for (const error of [first, later]) {
          assert.instanceOf(error, AnthropicError)
          assert.deepStrictEqual([error.status, error.type], [undefined, "overloaded_error"])
        }
      }))

    it.effect("gets the reason of a refusal", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const fault = Fault.endsBy({ reason: "refusal", after: 1 })

        const answer = yield* Effect.promise(() =>
          anthropic(provider, fault).messages.stream({ model: "m", max_tokens: 9, messages }).finalMessage()
        )

        assert.deepStrictEqual([answer.stop_reason, answer.stop_details?.type], ["refusal", "refusal"])
      }))

    it.effect("lists the models in Anthropic's shape", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ models: ["one", "two"] })

        const { data } = yield* Effect.promise(() => anthropic(provider).models.list())
        const listed = yield* Effect.promise(() => openai(provider).models.list())

        assert.deepStrictEqual(
          data.map(({ display_name, id, type }) => [type, id, display_name]),
          [["model", "one", "one"], ["model", "two", "two"]]
        )
        assert.deepStrictEqual(listed.data.map(({ id }) => id), ["one", "two"])
      }))
  })

  describe("ai", () => {
    it.effect("generates and streams text in every format", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()

        for (const model of Object.values(aiModels(provider))) {
          const { finishReason, text, usage } = yield* Effect.promise(() =>
            generateText({ model, prompt: "How are you?", maxRetries: 0 })
          )
          const streamed = yield* Effect.promise(() => aiParts(model))

          assert.deepStrictEqual([finishReason, text, usage.outputTokens], ["stop", healthyText, 8])
          assert.deepStrictEqual(streamed, { text: healthyText, finish: ["stop"], errors: [] })
        }
        const journal = yield* provider.journal
        assert.deepStrictEqual(
          journal.map(({ format, stream }) => [format, stream]),
          [
            ["chat", false],
            ["chat", true],
            ["responses", false],
            ["responses", true],
            ["messages", false],
            ["messages", true]
          ]
        )
      }))

    it.effect("generates an object of its schema in every format, and none of JSON that is broken", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        for (const model of Object.values(aiModels(provider))) {
          const { object } = yield* Effect.promise(() => generateObject({ model, prompt: "x", schema, maxRetries: 0 }))
          assert.deepStrictEqual(object, { name: "text", ok: true })
        }
        for (const model of Object.values(aiModels(provider, Fault.invalidJson))) {
          const error = yield* Effect.promise(() =>
            rejection(generateObject({ model, prompt: "x", schema, maxRetries: 0 }))
          )
          assert.strictEqual(Object(error).name, "AI_NoObjectGeneratedError")
        }
      }))

    it.effect("calls the tool it must call, plain and streamed", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()

        for (const model of Object.values(aiModels(provider))) {
          const settings = { model, prompt: "x", maxRetries: 0, toolChoice: "required" as const, tools: look }
          const plain = yield* Effect.promise(() => generateText(settings))
          const streamed = yield* Effect.promise(async () => streamText(settings).toolCalls)

          for (const [call] of [plain.toolCalls, streamed]) {
            assert.deepStrictEqual([call!.toolName, call!.input], ["look", { name: "text", ok: true }])
          }
        }
      }))

    it.effect("plays the rounds of a conversation with a tool", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()
        const asked: Array<unknown> = []
        const tools = {
          look: tool({
            description: "Looks",
            inputSchema: schema,
            execute: async (input) => {
              asked.push(input)
              return "sunny"
            }
          })
        }

        for (const model of Object.values(aiModels(provider))) {
          yield* provider.setHealth({
            answers: [
              { toolCalls: [{ name: "look", arguments: { name: "Ulm", ok: false } }] },
              { text: "It is sunny.", usage: { input: 70, output: 5 } }
            ]
          })
          const { text, usage } = yield* Effect.promise(() =>
            generateText({
              model,
              prompt: "x",
              maxRetries: 0,
              tools,
              stopWhen: ({ steps }) => steps.at(-1)?.finishReason === "stop"
            })
          )
          assert.deepStrictEqual([text, usage.inputTokens, usage.outputTokens], ["It is sunny.", 70, 5])
        }
        assert.deepStrictEqual(asked, Array.from({ length: 3 }, () => ({ name: "Ulm", ok: false })))
      }))

    it.effect("sees an error inside a stream as a part, and a cut one as a finish for other reasons", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        for (const model of Object.values(aiModels(provider, Fault.errorChunk({ after: 2 })))) {
          const { errors, finish, text } = yield* Effect.promise(() => aiParts(model))
          assert.deepStrictEqual([text, finish, errors.length], ["This answer", ["error"], 1])
        }
        for (const model of Object.values(aiModels(provider, Fault.cutAfter({ tokens: 2 })))) {
          const parts = yield* Effect.promise(() => aiParts(model))
          assert.deepStrictEqual(parts, { text: "This answer", finish: ["other"], errors: [] })
        }
      }))

    it.effect("throws a status as an APICallError", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        for (const model of Object.values(aiModels(provider, Fault.overloaded))) {
          const error = yield* Effect.promise(() => rejection(generateText({ model, prompt: "x", maxRetries: 0 })))
          assert.isTrue(APICallError.isInstance(error))
          assert.deepStrictEqual([Object(error).statusCode, Object(error).message], [529, "Overloaded"])
        }
      }))

    it.effect("knows the way a model ended, where it has a word for it", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const finishes = (reason: Fault.EndsBy["reason"]) =>
          Effect.forEach(
            Object.values(aiModels(provider, Fault.endsBy({ reason }))),
            (model) => Effect.map(Effect.promise(() => aiParts(model)), ({ finish }) => finish[0])
          )

        assert.deepStrictEqual(yield* finishes("length"), ["length", "length", "length"])
        assert.deepStrictEqual(yield* finishes("content-filter"), Array(3).fill("content-filter"))
        assert.deepStrictEqual(yield* finishes("error"), ["other", "error", "other"])
      }))
  })
})
