/**
 * OpenAI's responses on the wire, plain and streamed.
 *
 * @since 0.1.0
 */
import * as OpenAi from "./OpenAi.ts"
import * as Speech from "./Speech.ts"
import * as WireFormat from "./WireFormat.ts"

/** `POST /v1/responses`. */
export const responses: WireFormat.WireFormat = {
  ...OpenAi.dialect,
  name: "responses",
  method: "POST",
  path: "/v1/responses",
  read: (body, identity) => {
    const request = WireFormat.parse(body)
    if (request === undefined) return OpenAi.notJson
    const { input, model = identity.model, stream = false } = request
    if (typeof input !== "string" && !(Array.isArray(input) && input.length > 0)) {
      return OpenAi.refused(400, "Missing required parameter: 'input'.", { param: "input" })
    }
    const refused = OpenAi.refusedFields(model, stream)
    if (refused !== undefined) return refused
    const inputTokens = Math.ceil(JSON.stringify(input).length / 4)
    return {
      _tag: "Accepted",
      model: String(model),
      stream: stream === true,
      wants: wanted(request),
      body: (speech) => (stream === true ? streamed : plain)({ ...identity, model: String(model), inputTokens, speech })
    }
  }
}

interface Reply extends Pick<WireFormat.Identity, "createdAt" | "id" | "model"> {
  readonly inputTokens: number
  readonly speech: Speech.Speech
}

type Json = Readonly<Record<string, unknown>>

const plain = (reply: Reply): WireFormat.Body => {
  return {
    ...WireFormat.plain(Speech.growing(reply.speech), (texts) => finished(reply, texts)),
    failing: (error) => failing(reply, error, 0, "nested")
  }
}

const streamed = (reply: Reply): WireFormat.Body => {
  const { speech } = reply
  let sequence = 0
  const event = (type: string, data: Json): string => named(type, sequence++, data)
  const started = snapshot(reply, "in_progress", [])
  const opening = event("response.created", { response: started }) +
    event("response.in_progress", { response: started })
  const openingEvents = sequence
  const counts: Array<number> = []
  const tokens: Array<string> = []
  // What opens and closes an item goes out with the token that comes after it.
  let before = ""
  const add = (text: string): void => {
    tokens.push(before + text)
    before = ""
    counts.push(sequence)
  }
  for (const [index, { deltas, item, starts, words, ends }] of itemsOf(reply).entries()) {
    before += event("response.output_item.added", { output_index: index, item: starts })
      + (ends.part === undefined
        ? ""
        : event("response.content_part.added", { ...placeOf(item, index), content_index: 0, part: ends.part("") }))
    const place = { ...placeOf(item, index), ...(ends.part === undefined ? {} : { content_index: 0 }) }
    for (const word of words) {
      add(event(`${deltas}.delta`, { ...place, delta: word, ...(ends.field === "text" ? { logprobs: [] } : {}) }))
    }
    const text = words.join("")
    before += event(`${deltas}.done`, { ...place, [ends.field]: text })
      + (ends.part === undefined ? "" : event("response.content_part.done", { ...place, part: ends.part(text) }))
      + event("response.output_item.done", { output_index: index, item })
  }
  const response = finished(reply, Speech.growing(speech).map(({ words }) => words.join("")))
  return {
    opening,
    tokens,
    closing: before + event(`response.${String(response["status"])}`, { response }),
    failing: (error, after, shape) => {
      const said = counts[Math.min(after, counts.length) - 1] ?? openingEvents
      return failing(reply, error, after === 0 ? 0 : said, shape)
    }
  }
}

/** An error as documented stands alone; one as seen in the wild is followed by the response that failed. */
const failing = (
  reply: Reply,
  error: WireFormat.ApiError,
  sequence: number,
  shape: WireFormat.ErrorShape
): string => {
  const { code, message, param, type, ...fields } = OpenAi.errorObject(error)
  if (shape === "flat") return named("error", sequence, { code, message, param, ...fields })
  const response = snapshot(reply, "failed", [], { error: { code: code ?? type, message } })
  return named("error", sequence, { error: { type, code, message, param, ...fields } })
    + named("response.failed", sequence + 1, { response })
}

const named = (type: string, sequence: number, data: Json): string =>
  `event: ${type}\n${OpenAi.event({ type, sequence_number: sequence, ...data })}`

interface Item {
  readonly starts: Json
  readonly item: Json
  readonly words: ReadonlyArray<string>
  readonly deltas: string
  /** The field that holds the whole text at the end, and the part around it in a message. */
  readonly ends: { readonly field: string; readonly part?: (text: string) => Json }
}

const itemsOf = (reply: Reply): ReadonlyArray<Item> => {
  const { toolCalls, words } = reply.speech
  const output = outputOf(reply, Speech.growing(reply.speech).map(({ words }) => words.join("")))
  const messages = output.length - toolCalls.length
  return output.map((item, index) => {
    const call = toolCalls[index - messages]
    if (call !== undefined) {
      const starts = { ...item, status: "in_progress", arguments: "" }
      return {
        starts,
        item,
        words: call.words,
        deltas: "response.function_call_arguments",
        ends: { field: "arguments" }
      }
    }
    const field = reply.speech.ending === "refusal" ? "refusal" : "text"
    return {
      starts: { ...item, status: "in_progress", content: [] },
      item,
      words,
      deltas: field === "refusal" ? "response.refusal" : "response.output_text",
      ends: { field, part: (text: string) => partOf(reply, text) }
    }
  })
}

const placeOf = (item: Json, index: number): Json => ({ item_id: item["id"], output_index: index })

const partOf = ({ speech }: Reply, text: string): Json =>
  speech.ending === "refusal"
    ? { type: "refusal", refusal: text }
    : { type: "output_text", text, annotations: [], logprobs: [] }

const outputOf = (reply: Reply, texts: ReadonlyArray<string>): ReadonlyArray<Json> => {
  const { id, speech } = reply
  const hasText = Speech.hasText(speech)
  const calls = speech.toolCalls.map((call, index) => ({
    id: `fc_${id}_${index}`,
    type: "function_call",
    status: "completed",
    call_id: call.id ?? `call_${id}_${index}`,
    name: call.name,
    arguments: texts[hasText ? index + 1 : index]
  }))
  if (!hasText) return calls
  const message = {
    id: `msg_${id}`,
    type: "message",
    status: statusOf(speech) === "completed" ? "completed" : "incomplete",
    role: "assistant",
    content: [partOf(reply, texts[0]!)]
  }
  return [message, ...calls]
}

const finished = (reply: Reply, texts: ReadonlyArray<string>): Json => {
  const { input = reply.inputTokens, output = Speech.length(reply.speech) } = reply.speech.usage
  const { ending } = reply.speech
  return snapshot(reply, statusOf(reply.speech), outputOf(reply, texts), {
    error: ending === "error"
      ? { code: "server_error", message: "The server had an error while processing your request." }
      : null,
    incomplete_details: ending === "length"
      ? { reason: "max_output_tokens" }
      : ending === "content-filter"
      ? { reason: "content_filter" }
      : null,
    usage: ending === "error" ? null : {
      input_tokens: input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input + output
    }
  })
}

const statusOf = ({ ending }: Speech.Speech): "completed" | "failed" | "incomplete" => {
  if (ending === "error") return "failed"
  return ending === "length" || ending === "content-filter" ? "incomplete" : "completed"
}

const snapshot = (reply: Reply, status: string, output: ReadonlyArray<Json>, more: Json = {}): Json => ({
  id: `resp_${reply.id}`,
  object: "response",
  created_at: reply.createdAt,
  status,
  background: false,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  model: reply.model,
  output,
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: { effort: null, summary: null },
  store: true,
  temperature: 1,
  text: { format: { type: "text" } },
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  truncation: "disabled",
  usage: null,
  metadata: {},
  ...more
})

const wanted = (request: Json): Speech.Wanted => {
  const format = WireFormat.field(WireFormat.field(request, "text"), "format")
  const tools = Array.isArray(request["tools"]) ? request["tools"] : []
  const choice = request["tool_choice"]
  return {
    schema: format["type"] === "json_object" ? {} : format["schema"],
    tool: OpenAi.forcedTool(tools, choice, WireFormat.field({ choice }, "choice")["name"])
  }
}
