/** What two models of Effect over their makers' own clients share: as small as it can be, where `@effect/ai-…` do it in full. */
import { Effect, Layer, Stream } from "effect"
import { AiError, LanguageModel, Model, type Prompt, type Response } from "effect/ai"

type Whole = (options: LanguageModel.ProviderOptions) => Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>

export const model = <Provider extends string>(provider: Provider, name: string, whole: Whole) =>
  Model.make(
    provider,
    name,
    Layer.effect(
      LanguageModel.LanguageModel,
      LanguageModel.make({
        generateText: whole,
        streamText: (options) =>
          Stream.fromIterableEffect(Effect.map(whole(options), (parts) => parts.flatMap(streamed)))
      })
    )
  )

export const finish = (reason: Response.FinishReason): Response.FinishPartEncoded => ({
  type: "finish",
  reason,
  usage: {
    inputTokens: { total: undefined, uncached: undefined, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: undefined, text: undefined, reasoning: undefined }
  }
})

const streamed = (part: Response.PartEncoded): Array<Response.StreamPartEncoded> => {
  if (part.type === "tool-call" || part.type === "finish") return [part]
  if (part.type !== "text") return []
  const id = "0"
  return [{ type: "text-start", id }, { type: "text-delta", id, delta: part.text }, { type: "text-end", id }]
}

/** The status, the headers and the body go along: they are what the breaker reads. */
export const failed = (module: string, error: unknown, body: unknown): AiError.AiError => {
  const { headers = [], message, status } = Object(error) as { status?: number; message: string; headers?: Headers }
  const reason = status === undefined
    ? new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "", description: message })
    : AiError.reasonFromHttpStatus({
      status,
      description: message,
      http: { response: { status, headers: Object.fromEntries(headers) }, body: JSON.stringify(body) }
    })
  return AiError.make({ module, method: "generateText", reason })
}

export const textOf = (message: Prompt.Message): string =>
  typeof message.content === "string"
    ? message.content
    : message.content.map((part) => part.type === "text" ? part.text : "").join("")

export const partsOf = <Type extends "tool-call" | "tool-result">(message: Prompt.Message, type: Type) =>
  typeof message.content === "string"
    ? []
    : message.content.filter((part): part is Extract<typeof part, { type: Type }> => part.type === type)
