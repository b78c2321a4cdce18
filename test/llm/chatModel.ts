/**
 * A small but real `LanguageModel` of Effect: the `openai` client over HTTP, without its own retries.
 */
import { Effect, Layer, Stream } from "effect"
import type { FakeProvider } from "effect-breaker/testing"
import { AiError, LanguageModel, Model, type Response, Tool } from "effect/ai"
import OpenAI, { APIError } from "openai"

export interface Of {
  readonly name?: string
  readonly provider?: string
  readonly key?: string
}

export const chatModel = (
  server: Pick<FakeProvider.FakeProvider, "baseUrl">,
  { key = "key-a", name = "gpt-5", provider = "openai" }: Of = {}
) => Model.make(provider, name, Layer.effect(LanguageModel.LanguageModel, chat(server.baseUrl, name, key)))

const chat = (baseURL: string, model: string, apiKey: string) => {
  const client = new OpenAI({ apiKey, baseURL, maxRetries: 0, logLevel: "off" })
  return LanguageModel.make({
    generateText: (options) =>
      Effect.tryPromise({
        try: (signal) => client.chat.completions.create(request(model, options), { signal }),
        catch: (error) => errorOf(error, "generateText")
      }).pipe(Effect.map(({ choices: [choice], id, usage }) => {
        const { content, tool_calls: calls = [] } = choice!.message
        return [
          { type: "response-metadata", id },
          ...(content ? [{ type: "text", text: content } as const] : []),
          ...calls.filter((call) => call.type === "function").map(({ function: { arguments: params, name }, id }) =>
            ({ type: "tool-call", id, name, params: JSON.parse(params), providerExecuted: false }) as const
          ),
          finish(choice!.finish_reason, usage)
        ] satisfies Array<Response.PartEncoded>
      })),
    streamText: (options) => {
      const calls: Array<{ id: string; name: string; json: string }> = []
      return Stream.unwrap(Effect.map(
        Effect.tryPromise({
          try: (signal) => client.chat.completions.create({ ...request(model, options), stream: true }, { signal }),
          catch: (error) => errorOf(error, "streamText")
        }),
        (chunks) => Stream.fromAsyncIterable(chunks, (error) => error)
      )).pipe(
        Stream.map(({ choices: [choice] }): ReadonlyArray<Response.StreamPartEncoded> => {
          for (const call of choice?.delta.tool_calls ?? []) {
            const known = calls[call.index] ??= { id: call.id!, name: call.function!.name!, json: "" }
            known.json += call.function?.arguments ?? ""
          }
          const text = choice?.delta.content
          return [
            ...(text ? [{ type: "text-delta", id: "0", delta: text } as const] : []),
            ...(choice?.finish_reason
              ? calls.map(({ id, json, name }) =>
                ({ type: "tool-call", id, name, params: JSON.parse(json), providerExecuted: false }) as const
              )
              : []),
            ...(choice?.finish_reason ? [finish(choice.finish_reason)] : [])
          ]
        }),
        Stream.flattenIterable,
        // What a stream reports inside a 200 is a part, as Effect's own providers have it.
        Stream.catch((error): Stream.Stream<Response.StreamPartEncoded, AiError.AiError> =>
          AiError.isAiError(error) ? Stream.fail(error) : Stream.succeed({ type: "error", error })
        )
      )
    }
  })
}

const request = (model: string, { prompt, responseFormat, tools }: LanguageModel.ProviderOptions) => ({
  model,
  messages: prompt.content.map((message) => ({
    role: "user" as const,
    content: typeof message.content === "string"
      ? message.content
      : message.content.map((part) => part.type === "text" ? part.text : "").join("")
  })),
  ...(tools.length > 0 && {
    tools: tools.map((tool) => ({
      type: "function" as const,
      function: { name: tool.name, parameters: { ...Tool.getJsonSchema(tool) } }
    }))
  }),
  ...(responseFormat.type === "json" && {
    response_format: {
      type: "json_schema" as const,
      json_schema: {
        name: responseFormat.objectName,
        schema: Tool.getJsonSchemaFromSchema(responseFormat.schema) as Record<string, unknown>
      }
    }
  })
})

const reasons: Record<string, Response.FinishReason> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool-calls",
  content_filter: "content-filter"
}

const finish = (reason: string, usage?: OpenAI.CompletionUsage) => ({
  type: "finish" as const,
  reason: reasons[reason] ?? "unknown",
  usage: {
    inputTokens: { total: usage?.prompt_tokens, uncached: undefined, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: usage?.completion_tokens, text: undefined, reasoning: undefined }
  },
  response: undefined
})

/** As Effect's own providers make it: by the status, with the response inside. */
export const errorOf = (error: unknown, method: string): AiError.AiError => {
  const status = error instanceof APIError ? error.status : undefined
  const make = (reason: AiError.AiErrorReason) => AiError.make({ module: "OpenAi", method, reason })
  if (!(error instanceof APIError) || typeof status !== "number") {
    return make(
      new AiError.NetworkError({
        reason: "TransportError",
        method: "POST",
        url: "http://127.0.0.1/v1/chat/completions",
        description: String(error)
      })
    )
  }
  const http = {
    response: { status, headers: Object.fromEntries(error.headers ?? []) },
    body: JSON.stringify({ error: error.error })
  }
  return make(AiError.reasonFromHttpStatus({ status, http, description: error.message }))
}
