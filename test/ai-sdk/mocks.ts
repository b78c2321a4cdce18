/**
 * The AI SDK's own test models, and the answers they give.
 */
import * as sdk from "ai/test"

const { convertArrayToReadableStream } = sdk

export type MockModel = sdk.MockLanguageModelV3

/** The mock of the AI SDK's major that is there: the newer ones name theirs anew, and it does the same. */
export const MockModel: typeof sdk.MockLanguageModelV3 =
  (sdk as unknown as { readonly MockLanguageModelV4?: typeof sdk.MockLanguageModelV3 }).MockLanguageModelV4 ??
    sdk.MockLanguageModelV3

export const usage = {
  inputTokens: { total: 3, noCache: 3, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 2, text: 2, reasoning: 0 }
}

type Whole = Awaited<ReturnType<MockModel["doGenerate"]>>
export type Part = Awaited<ReturnType<MockModel["doStream"]>>["stream"] extends ReadableStream<infer P> ? P
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
  new MockModel({
    ...ids,
    doGenerate: async () => said(text),
    doStream: async () => ({ stream: convertArrayToReadableStream(spoken(...text.split(/(?= )/))) })
  })

/** A model that fails in both ways with this error. */
export const failing = (error: unknown, ids: { readonly provider?: string; readonly modelId?: string } = {}) =>
  new MockModel({ ...ids, doGenerate: () => Promise.reject(error), doStream: () => Promise.reject(error) })

export const streaming = (...parts: ReadonlyArray<Part>) =>
  new MockModel({ doStream: async () => ({ stream: convertArrayToReadableStream([...parts]) }) })

export const opus = { provider: "anthropic.messages", modelId: "opus" }
export const gpt = { provider: "openai.responses", modelId: "gpt-5" }
