/**
 * Readers for the streams of the clients in use, by the shape of their data alone: no client is imported.
 *
 * What is content and what is not is the same for all: text, reasoning and tool parameters are; pings, role deltas,
 * metadata, empty deltas, and the starts and ends of blocks are not.
 *
 * @since 0.1.0
 */
import type * as Response from "effect/ai/Response"
import { type FinishReason, nothing, type Part, type Reader, type Usage } from "./Part.ts"

export type { FinishReason, Part, Reader, Usage } from "./Part.ts"

/**
 * The parts of Effect's `LanguageModel.streamText`, decoded or encoded, with any toolkit.
 *
 * @category models
 * @since 0.1.0
 */
export type EffectPart =
  | Response.TextStartPart
  | Response.TextDeltaPart
  | Response.TextEndPart
  | Response.ReasoningStartPart
  | Response.ReasoningDeltaPart
  | Response.ReasoningEndPart
  | Response.ToolParamsStartPart
  | Response.ToolParamsDeltaPart
  | Response.ToolParamsEndPart
  | Response.ToolApprovalRequestPart
  | Response.FilePart
  | Response.DocumentSourcePart
  | Response.UrlSourcePart
  | Response.ResponseMetadataPart
  | Response.FinishPart
  | Response.ErrorPart
  | Response.ToolCallPart<string, unknown>
  | Response.ToolResultPart<string, unknown, unknown>
  | Response.StreamPartEncoded

/**
 * Reads the parts of Effect's `LanguageModel.streamText`.
 *
 * @category readers
 * @since 0.1.0
 */
export const effect: Reader<EffectPart> = {
  read: (part) => {
    switch (part.type) {
      case "text-delta":
      case "tool-params-delta":
        return content(part.delta)
      case "reasoning-delta":
        return content(part.delta, true)
      case "file":
      case "source":
        return uncounted
      case "tool-call":
        return part.providerExecuted === true ? uncounted : { content: 0, toolCall: part.id }
      case "tool-result":
        if (part.providerExecuted === true) return uncounted
        return part.preliminary === true ? nothing : { toolResult: part.id }
      case "tool-approval-request":
        return { toolResult: part.toolCallId }
      case "finish":
        return {
          finish: part.reason,
          usage: {
            inputTokens: part.usage.inputTokens.total,
            outputTokens: part.usage.outputTokens.total,
            reasoningTokens: part.usage.outputTokens.reasoning
          }
        }
      case "error":
        return failure(part.error, part)
      case "text-start":
      case "text-end":
      case "reasoning-start":
      case "reasoning-end":
      case "tool-params-start":
      case "tool-params-end":
      case "response-metadata":
      default:
        return nothing
    }
  }
}

/**
 * Reads the chunks of OpenAI's chat completions, and of the many providers that speak the same.
 *
 * **Details**
 *
 * Tokens are known when the request asks for them: `stream_options: { include_usage: true }`.
 *
 * @category readers
 * @since 0.1.0
 */
export const openAiChat: Reader<object> = {
  read: (chunk) => {
    const { choices, error, usage } = record(chunk)
    if (error !== undefined && error !== null) return failure(error, chunk)
    let characters = 0
    let reasoning = true
    let refused = false
    let finish: FinishReason | undefined
    for (const choice of list(choices)) {
      const { delta, finish_reason: reason } = record(choice)
      const { content, function_call, reasoning: thought, reasoning_content, refusal, tool_calls } = record(delta)
      const parameters = [...list(tool_calls).map((call) => record(call)["function"]), function_call].map((call) =>
        record(call)["arguments"]
      )
      const said = length(content) + length(refusal) + parameters.reduce<number>((sum, text) => sum + length(text), 0)
      characters += said + length(reasoning_content ?? thought)
      reasoning &&= said === 0
      refused ||= length(refusal) > 0
      if (typeof reason === "string" && reason !== "") finish = finishOf(openAiReasons, reason)
    }
    const { completion_tokens, completion_tokens_details, prompt_tokens } = record(usage)
    return {
      ...(characters > 0 ? { content: characters, reasoning, refused } : {}),
      finish,
      usage: tokens(prompt_tokens, completion_tokens, record(completion_tokens_details)["reasoning_tokens"])
    }
  }
}

/**
 * Reads the events of OpenAI's responses API.
 *
 * @category readers
 * @since 0.1.0
 */
export const openAiResponses: Reader<object> = {
  read: (event) => {
    const { delta, error, response, type } = record(event)
    const { error: reason, incomplete_details, output, usage } = record(response)
    switch (type) {
      case "error":
        return failure(error, event)
      case "response.failed":
        return failure(reason, response ?? event)
      case "response.completed":
        return {
          finish: list(output).some((item) => record(item)["type"] === "function_call") ? "tool-calls" : "stop",
          usage: responseUsage(usage)
        }
      case "response.incomplete":
        return {
          finish: finishOf(openAiReasons, String(record(incomplete_details)["reason"])),
          usage: responseUsage(usage)
        }
      case "response.refusal.delta":
        return { ...content(delta), refused: true }
      case "response.audio.delta":
      case "response.image_generation_call.partial_image":
        return uncounted
      default:
        return typeof type === "string" && type.endsWith(".delta")
          ? content(delta, type.includes("reasoning"))
          : nothing
    }
  }
}

/**
 * Reads the events of Anthropic's messages API.
 *
 * @category readers
 * @since 0.1.0
 */
export const anthropic: Reader<object> = {
  read: (event) => {
    const { content_block, delta, error, message, type, usage } = record(event)
    switch (type) {
      case "error":
        return failure(error, event)
      case "message_start":
        return { usage: { inputTokens: anthropicInput(record(message)["usage"]) } }
      case "content_block_start": {
        // Blocks that have no deltas: what they hold is here.
        const kind = record(content_block)["type"]
        return kind === "redacted_thinking" || (typeof kind === "string" && kind.endsWith("_tool_result"))
          ? uncounted
          : nothing
      }
      case "content_block_delta": {
        const { partial_json, text, thinking } = record(delta)
        return thinking === undefined ? content(text ?? partial_json) : content(thinking, true)
      }
      case "message_delta": {
        const { stop_reason } = record(delta)
        const { output_tokens, output_tokens_details } = record(usage)
        return {
          finish: typeof stop_reason === "string" ? finishOf(anthropicReasons, stop_reason) : undefined,
          usage: tokens(anthropicInput(usage), output_tokens, record(output_tokens_details)["thinking_tokens"])
        }
      }
      default:
        return nothing
    }
  }
}

/**
 * Reads the parts of the `fullStream` of Vercel's `ai`, and those of its providers' `doStream`.
 *
 * **Details**
 *
 * `ai` tells of a stream that was cut off as a finish `other` for which the provider gave no reason: that is read as no
 * finish at all, and so is the finish `interrupted` of its newer majors.
 *
 * @category readers
 * @since 0.1.0
 */
export const aiSdk: Reader<object> = {
  read: (part) => {
    const { delta, error, id, preliminary, providerExecuted, reason, text, toolCall, toolCallId, type } = record(part)
    switch (type) {
      case "text-delta":
      case "tool-input-delta":
        return content(text ?? delta)
      case "reasoning-delta":
        return content(text ?? delta, true)
      case "file":
      case "source":
        return uncounted
      case "reasoning-file":
        return { ...uncounted, reasoning: true }
      case "tool-call":
        return providerExecuted === true ? uncounted : { content: 0, toolCall: String(toolCallId ?? id) }
      case "tool-result":
      case "tool-error":
        if (providerExecuted === true) return uncounted
        return preliminary === true ? nothing : { toolResult: String(toolCallId ?? id) }
      case "tool-output-denied":
        return { toolResult: String(toolCallId) }
      case "tool-approval-request":
        return { toolResult: String(record(toolCall)["toolCallId"] ?? toolCallId) }
      case "finish":
        return aiSdkFinish(record(part))
      case "abort":
        return { error: { name: "AbortError", message: typeof reason === "string" ? reason : "The caller gave up." } }
      case "error":
        return failure(error, part)
      default:
        return nothing
    }
  }
}

/**
 * Reads pieces of text. They say nothing of a finish, so the end of the stream is taken for one.
 *
 * @category readers
 * @since 0.1.0
 */
export const text: Reader<string> = { read: (piece) => content(piece), wholeAt: "end" }

// ---------------------------------------------------------------------------------------------------------------------

type Loose = Readonly<Record<string, unknown>>

const record = (value: unknown): Loose => Object(value) as Loose

const list = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

const length = (value: unknown): number => typeof value === "string" ? value.length : 0

const uncounted: Part = { content: 0 }

const content = (value: unknown, reasoning = false): Part =>
  length(value) === 0 ? nothing : { content: length(value), reasoning }

const failure = (error: unknown, part: unknown): Part => ({ error: error ?? part })

const count = (value: unknown): number | undefined => typeof value === "number" ? value : undefined

const tokens = (inputTokens: unknown, outputTokens: unknown, reasoningTokens: unknown): Usage => ({
  inputTokens: count(inputTokens),
  outputTokens: count(outputTokens),
  reasoningTokens: count(reasoningTokens)
})

const finishOf = (reasons: Readonly<Record<string, FinishReason>>, reason: string): FinishReason =>
  Object.hasOwn(reasons, reason) ? reasons[reason]! : "other"

const openAiReasons: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  length: "length",
  max_output_tokens: "length",
  tool_calls: "tool-calls",
  function_call: "tool-calls",
  content_filter: "content-filter",
  error: "error"
}

const anthropicReasons: Readonly<Record<string, FinishReason>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool-calls",
  pause_turn: "pause",
  refusal: "content-filter",
  // Of proxies that put another provider's words here
  error: "error"
}

const responseUsage = (usage: unknown): Usage => {
  const { input_tokens, output_tokens, output_tokens_details } = record(usage)
  return tokens(input_tokens, output_tokens, record(output_tokens_details)["reasoning_tokens"])
}

// Tokens that came from the cache are counted apart, and are read all the same.
const anthropicInput = (usage: unknown): number | undefined => {
  const { cache_creation_input_tokens, cache_read_input_tokens, input_tokens } = record(usage)
  const fresh = count(input_tokens)
  return fresh === undefined
    ? undefined
    : fresh + (count(cache_creation_input_tokens) ?? 0) + (count(cache_read_input_tokens) ?? 0)
}

// A plain word from `fullStream`, a pair of ours and theirs from a provider.
const aiSdkFinish = ({ finishReason, rawFinishReason, totalUsage, usage }: Loose): Part => {
  const { raw, unified } = record(finishReason)
  const reason = typeof finishReason === "string" ? finishReason : unified
  const original = rawFinishReason ?? raw
  const { inputTokens, outputTokenDetails, outputTokens, reasoningTokens } = record(totalUsage ?? usage)
  return {
    finish: reason === "interrupted"
      ? undefined
      : reason === "other" && (original === undefined || original === "error")
      ? original
      : typeof reason === "string"
      ? finishOf(aiSdkReasons, reason)
      : "unknown",
    usage: tokens(
      count(inputTokens) ?? record(inputTokens)["total"],
      count(outputTokens) ?? record(outputTokens)["total"],
      count(record(outputTokenDetails)["reasoningTokens"]) ?? reasoningTokens ?? record(outputTokens)["reasoning"]
    )
  }
}

const aiSdkReasons: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  length: "length",
  "content-filter": "content-filter",
  "tool-calls": "tool-calls",
  error: "error",
  unknown: "unknown"
}
