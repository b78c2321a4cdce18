/**
 * The AI SDK's own test models, and the answers they give.
 */
import { convertArrayToReadableStream, MockLanguageModelV3 } from "ai/test"

export const usage = {
  inputTokens: { total: 3, noCache: 3, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 2, text: 2, reasoning: 0 }
}

type Whole = Awaited<ReturnType<MockLanguageModelV3["doGenerate"]>>
export type Part = Awaited<ReturnType<MockLanguageModelV3["doStream"]>>["stream"] extends ReadableStream<infer P> ? P
  : never

export const stop = { unified: "stop", raw: "stop" } as const

export const said = (text: string, more?: Partial<Whole>): Whole => ({
  content: [{ type: "text", text }],
  finishReason: stop,
  usage,
  warnings: [],
  ...more
})

export const finish: Part = { type: "finish", finishReason: stop, usage }

export const spoken = (...pieces: ReadonlyArray<string>): Array<Part> => [
  { type: "stream-start", warnings: [] },
  { type: "text-start", id: "1" },
  ...pieces.map((delta): Part => ({ type: "text-delta", id: "1", delta })),
  { type: "text-end", id: "1" },
  finish
]

export const answering = (text: string, ids: { readonly provider?: string; readonly modelId?: string } = {}) =>
  new MockLanguageModelV3({
    ...ids,
    doGenerate: async () => said(text),
    doStream: async () => ({ stream: convertArrayToReadableStream(spoken(...text.split(/(?= )/))) })
  })

/** A model that fails in both ways with this error. */
export const failing = (error: unknown, ids: { readonly provider?: string; readonly modelId?: string } = {}) =>
  new MockLanguageModelV3({ ...ids, doGenerate: () => Promise.reject(error), doStream: () => Promise.reject(error) })

export const streaming = (...parts: ReadonlyArray<Part>) =>
  new MockLanguageModelV3({ doStream: async () => ({ stream: convertArrayToReadableStream([...parts]) }) })

export const opus = { provider: "anthropic.messages", modelId: "opus" }
export const gpt = { provider: "openai.responses", modelId: "gpt-5" }
