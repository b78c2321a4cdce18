/**
 * Anthropic's messages on the wire, plain and streamed.
 *
 * @since 0.1.0
 */
import * as Anthropic from "./Anthropic.ts"
import * as Require from "./Require.ts"
import * as Speech from "./Speech.ts"
import * as WireFormat from "./WireFormat.ts"

/** `POST /v1/messages`. */
export const messages: WireFormat.WireFormat = {
  ...Anthropic.dialect,
  name: "messages",
  method: "POST",
  path: "/v1/messages",
  read: (body, identity) => {
    const request = WireFormat.parse(body)
    if (request === undefined) return Anthropic.refused(400, "The request body is not valid JSON.")
    const { messages, model = identity.model, stream = false } = request
    if (!Array.isArray(messages) || messages.length === 0) {
      return Anthropic.refused(400, "messages: at least one message is required")
    }
    if (typeof model !== "string") return Anthropic.refused(400, "model: Input should be a valid string")
    if (typeof stream !== "boolean" && stream !== null) {
      return Anthropic.refused(400, "stream: Input should be a valid boolean")
    }
    const inputTokens = Math.ceil(JSON.stringify(messages).length / 4)
    return {
      _tag: "Accepted",
      model,
      stream: stream === true,
      wants: wanted(request),
      body: (speech) => (stream === true ? streamed : plain)({ id: identity.id, model, inputTokens, speech })
    }
  }
}

interface Reply extends Pick<WireFormat.Identity, "id" | "model"> {
  readonly inputTokens: number
  readonly speech: Speech.Speech
}

const plain = (reply: Reply): WireFormat.Body => {
  const { toolCalls, words } = reply.speech
  const calls = toolCalls.map(({ words }) => ({ words, raw: true }))
  const hasText = saysText(reply.speech)
  return {
    ...WireFormat.plain([...(hasText ? [{ words }] : []), ...calls], (texts) => {
      const inputs = hasText ? texts.slice(1) : texts
      return {
        ...head(reply),
        content: [
          ...(hasText ? [{ type: "text", text: texts[0] }] : []),
          ...toolCalls.map((call, index) => toolUse(reply, call, index, inputs[index]))
        ],
        ...ending(reply.speech),
        usage: usage(reply, tokensOf(reply.speech))
      }
    }),
    failing
  }
}

const streamed = (reply: Reply): WireFormat.Body => {
  const { toolCalls, words } = reply.speech
  const tokens: Array<string> = []
  // What opens and closes a block goes out with the token that comes after it.
  let before = ""
  let index = 0
  const block = (start: unknown, deltas: ReadonlyArray<unknown>): void => {
    before += Anthropic.event("content_block_start", { index, content_block: start })
    for (const delta of deltas) {
      tokens.push(before + Anthropic.event("content_block_delta", { index, delta }))
      before = ""
    }
    before += Anthropic.event("content_block_stop", { index })
    index++
  }
  if (saysText(reply.speech)) block({ type: "text", text: "" }, words.map((text) => ({ type: "text_delta", text })))
  for (const [position, call] of toolCalls.entries()) {
    block(
      toolUse(reply, call, position, {}),
      call.words.map((partial_json) => ({ type: "input_json_delta", partial_json }))
    )
  }
  const message = {
    ...head(reply),
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: usage(reply, Math.min(1, tokensOf(reply.speech)))
  }
  return {
    opening: Anthropic.event("message_start", { message }) + Anthropic.dialect.keepAlive,
    tokens,
    closing: before
      + Anthropic.event("message_delta", {
        delta: ending(reply.speech),
        usage: { output_tokens: tokensOf(reply.speech) }
      })
      + Anthropic.event("message_stop", {}),
    failing
  }
}

const failing = (error: WireFormat.ApiError): string =>
  Anthropic.event("error", { error: Anthropic.errorObject(error) })

const head = ({ id, model }: Reply): Readonly<Record<string, unknown>> => ({
  id: `msg_${id}`,
  type: "message",
  role: "assistant",
  model
})

// An answer without a word has no block at all, as with the real provider.
const saysText = ({ words }: Speech.Speech): boolean => words.length > 0

const toolUse = ({ id }: Reply, call: Speech.ToolCall, index: number, input: unknown): unknown => ({
  type: "tool_use",
  id: call.id ?? `toolu_${id}_${index}`,
  name: call.name,
  input
})

const tokensOf = (speech: Speech.Speech): number => speech.usage.output ?? Speech.length(speech)

const usage = ({ inputTokens, speech }: Reply, output: number): Readonly<Record<string, number>> => ({
  input_tokens: speech.usage.input ?? inputTokens,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens: output
})

const ending = (speech: Speech.Speech): Readonly<Record<string, unknown>> => ({
  stop_reason: stopReason(speech),
  stop_sequence: null,
  ...(stopReason(speech) === "refusal"
    ? { stop_details: { type: "refusal", category: null, explanation: null } }
    : {})
})

const stopReason = (speech: Speech.Speech): string => {
  switch (speech.ending) {
    case "stop":
      return speech.toolCalls.length > 0 ? "tool_use" : "end_turn"
    case "length":
      return "max_tokens"
    // Anthropic has one word for both.
    case "content-filter":
    case "refusal":
      return "refusal"
    case "error":
      return "error"
  }
}

const wanted = (request: Readonly<Record<string, unknown>>): Speech.Wanted => {
  const choice = WireFormat.field(request, "tool_choice")
  const tools = (Array.isArray(request["tools"]) ? request["tools"] : []).filter(Require.isRecord)
  const tool = tools.find(({ name }) =>
    choice["type"] === "any" || (choice["type"] === "tool" && name === choice["name"])
  )
  const format = WireFormat.field(WireFormat.field(request, "output_config"), "format")
  return {
    schema: format["schema"] ?? WireFormat.field(request, "output_format")["schema"],
    tool: typeof tool?.["name"] === "string" ? { name: tool["name"], schema: tool["input_schema"] } : undefined
  }
}
