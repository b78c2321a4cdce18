/**
 * The real clients, each with its own retries off, as programs use them.
 */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import Anthropic from "@anthropic-ai/sdk"
import { generateText, type LanguageModel, streamText } from "ai"
import { PartReader } from "effect-breaker/llm"
import type { FakeProvider } from "effect-breaker/testing"
import OpenAI from "openai"

/** Where a client asks, and how. */
export interface Call {
  /** The root of the server, without `/v1`. */
  readonly url: string
  readonly signal: AbortSignal
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly key?: string | undefined
  readonly model?: string | undefined
  readonly maxRetries?: number | undefined
}

export interface Client {
  readonly format: FakeProvider.Format
  readonly reader: PartReader.Reader<object>
  readonly plain: (call: Call) => Promise<object>
  readonly stream: (call: Call) => Promise<AsyncIterable<object>>
  /** The text of a plain answer. */
  readonly said: (answer: never) => string | null | undefined
  /** The text of one part of a stream. */
  readonly saidIn: (part: never) => string | null | undefined
}

const messages = [{ role: "user" as const, content: "How are you?" }]
const given = ({ headers = {}, signal }: Call) => ({ headers: { ...headers }, signal })

const openai = ({ key = "sk-any", maxRetries = 0, url }: Call) =>
  new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries, logLevel: "off" })

const chat = ({ model = "gpt-4o" }: Call) => ({ model, messages })
const response = ({ model = "gpt-4o" }: Call) => ({ model, input: "How are you?" })

const anthropic = ({ key = "sk-any", maxRetries = 0, url }: Call) =>
  new Anthropic({ apiKey: key, baseURL: url, maxRetries, logLevel: "off" })

const message = ({ model = "claude-haiku-4-5" }: Call) => ({ model, max_tokens: 100, messages })

const ai = (
  format: FakeProvider.Format,
  model: (call: Call, settings: { readonly apiKey: string; readonly baseURL: string }) => LanguageModel
): Client => {
  const asked = (call: Call) => ({
    model: model(call, { apiKey: call.key ?? "sk-any", baseURL: `${call.url}/v1` }),
    prompt: "How are you?",
    maxRetries: call.maxRetries ?? 0,
    headers: { ...call.headers },
    abortSignal: call.signal
  })
  return {
    format,
    reader: PartReader.aiSdk,
    plain: (call) => generateText(asked(call)),
    stream: async (call) => streamText({ ...asked(call), onError: () => {} }).fullStream,
    said: (answer: Awaited<ReturnType<typeof generateText>>) => answer.text,
    saidIn: (part: { readonly type: string; readonly text?: string }) =>
      part.type === "text-delta" ? part.text : undefined
  }
}

export const clients = {
  "openai chat": {
    format: "chat",
    reader: PartReader.openAiChat,
    plain: (call) => openai(call).chat.completions.create(chat(call), given(call)),
    stream: (call) => openai(call).chat.completions.create({ ...chat(call), stream: true }, given(call)),
    said: (answer: OpenAI.Chat.ChatCompletion) => answer.choices?.[0]?.message.content,
    saidIn: (chunk: OpenAI.Chat.ChatCompletionChunk) => chunk.choices[0]?.delta.content
  },
  "openai responses": {
    format: "responses",
    reader: PartReader.openAiResponses,
    plain: (call) => openai(call).responses.create(response(call), given(call)),
    stream: (call) => openai(call).responses.create({ ...response(call), stream: true }, given(call)),
    said: (answer: OpenAI.Responses.Response) => answer.output_text,
    saidIn: (event: OpenAI.Responses.ResponseStreamEvent) =>
      event.type === "response.output_text.delta" ? event.delta : undefined
  },
  "anthropic": {
    format: "messages",
    reader: PartReader.anthropic,
    plain: (call) => anthropic(call).messages.create(message(call), given(call)),
    stream: (call) => anthropic(call).messages.create({ ...message(call), stream: true }, given(call)),
    said: (answer: Anthropic.Message) =>
      answer.content?.map((block) => block.type === "text" ? block.text : "").join(""),
    saidIn: (event: Anthropic.MessageStreamEvent) =>
      event.type === "content_block_delta" && event.delta.type === "text_delta" ? event.delta.text : undefined
  },
  "ai openai chat": ai("chat", ({ model = "gpt-4o" }, settings) => createOpenAI(settings).chat(model)),
  "ai openai responses": ai("responses", ({ model = "gpt-4o" }, settings) => createOpenAI(settings).responses(model)),
  "ai anthropic": ai("messages", ({ model = "claude-haiku-4-5" }, settings) => createAnthropic(settings)(model))
} satisfies Record<string, Client>

export type Name = keyof typeof clients

export const names = Object.keys(clients) as ReadonlyArray<Name>

export const named = (name: Name): Client => clients[name]
