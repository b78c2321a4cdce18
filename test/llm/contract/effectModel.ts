/**
 * A provider for Effect's `LanguageModel` over the `openai` client: as small as one can be, and over real HTTP.
 */
import { Effect, Stream } from "effect"
import { LlmStream } from "effect-breaker/llm"
import { Fault } from "effect-breaker/testing"
import { AiError, LanguageModel, type Response } from "effect/ai"
import OpenAI, { APIError } from "openai"

export interface Settings {
  /** With `/v1`. */
  readonly baseUrl: string
  /** The fault of a request, which the provider must allow. */
  readonly fault?: (options: LanguageModel.ProviderOptions) => Fault.Fault | "none"
  /** Goes around each request of its own. */
  readonly around?: <A>(request: Effect.Effect<A, AiError.AiError>) => Effect.Effect<A, AiError.AiError>
}

const aiError = (error: unknown): AiError.AiError => {
  const status = error instanceof APIError ? error.status as number | undefined : undefined
  const description = String(Object(error).message)
  return AiError.make({
    module: "contract",
    method: "openai",
    reason: status === undefined
      ? new AiError.UnknownError({ description })
      : AiError.reasonFromHttpStatus({ status, description })
  })
}

const usageOf = (usage: OpenAI.CompletionUsage | null | undefined): Response.FinishPartEncoded["usage"] => ({
  inputTokens: { uncached: undefined, total: usage?.prompt_tokens, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: usage?.completion_tokens, text: undefined, reasoning: undefined }
})

const reasons: Readonly<Record<string, Response.FinishReason>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool-calls",
  content_filter: "content-filter"
}

const finish = (
  reason: string,
  usage: OpenAI.CompletionUsage | null | undefined
): Response.FinishPartEncoded => ({
  type: "finish",
  reason: reasons[reason] ?? "other",
  usage: usageOf(usage),
  response: undefined
})

export const make = ({ around = (request) => request, baseUrl, fault = () => "none" }: Settings) => {
  const client = new OpenAI({ apiKey: "sk-any", baseURL: baseUrl, maxRetries: 0, logLevel: "off" })
  const messages = [{ role: "user" as const, content: "How are you?" }]
  const given = (options: LanguageModel.ProviderOptions, signal: AbortSignal) => {
    const wanted = fault(options)
    return { signal, headers: wanted === "none" ? {} : { ...Fault.header(wanted) } }
  }
  return LanguageModel.make({
    generateText: (options) =>
      Effect.tryPromise({
        try: (signal) => client.chat.completions.create({ model: "gpt-4o", messages }, given(options, signal)),
        catch: aiError
      }).pipe(
        around,
        Effect.map(({ choices: [choice], id, usage }): Array<Response.PartEncoded> => [
          { type: "response-metadata", id },
          { type: "text", text: choice?.message.content ?? "" },
          finish(choice!.finish_reason, usage)
        ])
      ),
    streamText: (options) =>
      LlmStream.fromClient(
        (signal) => client.chat.completions.create({ model: "gpt-4o", messages, stream: true }, given(options, signal)),
        aiError
      ).pipe(
        Stream.flatMap(({ choices: [choice] }) => {
          const parts: Array<Response.StreamPartEncoded> = []
          const { content, tool_calls } = choice!.delta
          if (content !== undefined && content !== null && content !== "") {
            parts.push({ type: "text-start", id: "0" }, { type: "text-delta", id: "0", delta: content })
          }
          // The fake provider sends a call's name first and then all of its arguments at once; this one takes none.
          for (const call of tool_calls ?? []) {
            if (call.function?.name !== undefined) {
              parts.push({
                type: "tool-call",
                id: call.id!,
                name: call.function.name,
                params: {},
                providerExecuted: false
              })
            }
          }
          if (choice!.finish_reason !== null) parts.push(finish(choice!.finish_reason, undefined))
          return Stream.fromIterable(parts)
        })
      )
  })
}
