/**
 * OpenAI's chat completions on the wire, plain and streamed.
 *
 * @since 0.1.0
 */
import * as OpenAi from "./OpenAi.ts"
import * as Require from "./Require.ts"
import * as Speech from "./Speech.ts"
import * as WireFormat from "./WireFormat.ts"

/** `POST /v1/chat/completions`. */
export const chatCompletions: WireFormat.WireFormat = {
  ...OpenAi.dialect,
  name: "chat",
  method: "POST",
  path: "/v1/chat/completions",
  read: (body, identity) => {
    const request = WireFormat.parse(body)
    if (request === undefined) return OpenAi.notJson
    const { messages, model = identity.model, stream = false } = request
    if (!Array.isArray(messages) || messages.length === 0) {
      return OpenAi.refused(400, "Missing required parameter: 'messages'.", { param: "messages" })
    }
    const refused = OpenAi.refusedFields(model, stream)
    if (refused !== undefined) return refused
    const promptTokens = Math.ceil(JSON.stringify(messages).length / 4)
    const completion = { ...identity, model: String(model) }
    return {
      _tag: "Accepted",
      model: completion.model,
      stream: stream === true,
      wants: wanted(request),
      body: (speech) => {
        const usage = usageOf(promptTokens, speech)
        return stream === true
          ? streamed(completion, speech, includesUsage(request) ? usage : undefined)
          : plain(completion, speech, usage)
      }
    }
  }
}

type Completion = Pick<WireFormat.Identity, "createdAt" | "id" | "model">

interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
}

const usageOf = (promptTokens: number, speech: Speech.Speech): Usage => {
  const { input = promptTokens, output = Speech.length(speech) } = speech.usage
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output }
}

const plain = (completion: Completion, speech: Speech.Speech, usage: Usage): WireFormat.Body => ({
  ...WireFormat.plain(
    Speech.growing(speech),
    (texts) => ({
      id: `chatcmpl-${completion.id}`,
      object: "chat.completion",
      created: completion.createdAt,
      model: completion.model,
      choices: [{
        index: 0,
        message: message(completion, speech, texts),
        logprobs: null,
        finish_reason: finishReason(speech)
      }],
      usage
    })
  ),
  failing: (error) => OpenAi.event({ error: OpenAi.errorObject(error) })
})

const message = (completion: Completion, speech: Speech.Speech, texts: ReadonlyArray<string>): unknown => {
  const [text, inputs] = Speech.hasText(speech) ? [texts[0], texts.slice(1)] : [null, texts]
  const tool_calls = speech.toolCalls.map((call, index) => ({
    id: idOf(completion, call, index),
    type: "function",
    function: { name: call.name, arguments: inputs[index] }
  }))
  return {
    role: "assistant",
    content: speech.ending === "refusal" ? null : text,
    refusal: speech.ending === "refusal" ? text : null,
    ...(tool_calls.length === 0 ? {} : { tool_calls })
  }
}

const streamed = (completion: Completion, speech: Speech.Speech, usage: Usage | undefined): WireFormat.Body => {
  const head = {
    id: `chatcmpl-${completion.id}`,
    object: "chat.completion.chunk",
    created: completion.createdAt,
    model: completion.model
  }
  const chunk = (choices: ReadonlyArray<unknown>, more?: { readonly usage: Usage }): string =>
    OpenAi.event({ ...head, choices, ...more })
  const delta = (delta: Readonly<Record<string, unknown>>, finish: string | null = null): string =>
    chunk([{ index: 0, delta, logprobs: null, finish_reason: finish }])
  const said = (word: string): string => delta({ [speech.ending === "refusal" ? "refusal" : "content"]: word })
  const called = (call: Speech.ToolCall, index: number): ReadonlyArray<string> => {
    const first = { id: idOf(completion, call, index), type: "function" }
    const named = delta({ tool_calls: [{ index, ...first, function: { name: call.name, arguments: "" } }] })
    return call.words.map((word, position) =>
      (position === 0 ? named : "") + delta({ tool_calls: [{ index, function: { arguments: word } }] })
    )
  }
  return {
    opening: delta({ role: "assistant", content: Speech.hasText(speech) ? "" : null }),
    tokens: [...speech.words.map(said), ...speech.toolCalls.flatMap(called)],
    closing: `${delta({}, finishReason(speech))}${usage === undefined ? "" : chunk([], { usage })}data: [DONE]\n\n`,
    failing: (error) => OpenAi.event({ error: OpenAi.errorObject(error) })
  }
}

const idOf = (completion: Completion, call: Speech.ToolCall, index: number): string =>
  call.id ?? `call_${completion.id}_${index}`

const finishReason = (speech: Speech.Speech): string => {
  switch (speech.ending) {
    case "stop":
      return speech.toolCalls.length > 0 ? "tool_calls" : "stop"
    case "refusal":
      return "stop"
    case "content-filter":
      return "content_filter"
    case "length":
    case "error":
      return speech.ending
  }
}

const wanted = (request: Readonly<Record<string, unknown>>): Speech.Wanted => {
  const format = WireFormat.field(request, "response_format")
  const tools = Array.isArray(request["tools"])
    ? request["tools"].map((tool) => WireFormat.field(tool, "function"))
    : []
  const choice = request["tool_choice"]
  return {
    schema: format["type"] === "json_object" ? {} : WireFormat.field(format, "json_schema")["schema"],
    tool: OpenAi.forcedTool(tools, choice, WireFormat.field(choice, "function")["name"])
  }
}

const includesUsage = (request: Readonly<Record<string, unknown>>): boolean =>
  Require.isRecord(request["stream_options"]) && request["stream_options"]["include_usage"] === true
