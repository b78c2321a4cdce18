/**
 * OpenAI's chat completions on the wire, plain and streamed.
 *
 * @since 0.1.0
 */
import * as OpenAi from "./OpenAi.ts"
import type * as WireFormat from "./WireFormat.ts"

/** `POST /v1/chat/completions`. */
export const chatCompletions: WireFormat.WireFormat = {
  method: "POST",
  path: "/v1/chat/completions",
  headers: OpenAi.headers,
  error: OpenAi.error,
  errorEvent: OpenAi.errorEvent,
  read: (body, identity) => {
    const request = parse(body)
    if (request === undefined) return OpenAi.refused(400, "We could not parse the JSON body of your request.")
    const { messages, model = identity.model, stream = false } = request
    if (typeof model !== "string") {
      return OpenAi.refused(400, "Invalid type for 'model': expected a string.", { param: "model" })
    }
    if (!Array.isArray(messages) || messages.length === 0) {
      return OpenAi.refused(400, "Missing required parameter: 'messages'.", { param: "messages" })
    }
    if (typeof stream !== "boolean" && stream !== null) {
      return OpenAi.refused(400, "Invalid type for 'stream': expected a boolean.", { param: "stream" })
    }
    const promptTokens = Math.ceil(JSON.stringify(messages).length / 4)
    return {
      _tag: "Accepted",
      model,
      stream: stream === true,
      body: (words) =>
        stream === true
          ? streamed(identity, model, words, includesUsage(request) ? usage(promptTokens, words.length) : undefined)
          : plain(identity, model, words, usage(promptTokens, words.length))
    }
  }
}

interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
}

const usage = (prompt: number, completion: number): Usage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion
})

const plain = (
  { createdAt, id }: WireFormat.Identity,
  model: string,
  words: ReadonlyArray<string>,
  usage: Usage
): WireFormat.Body => {
  const head = JSON.stringify({ id: `chatcmpl-${id}`, object: "chat.completion", created: createdAt, model })
  return {
    opening: `${head.slice(0, -1)},"choices":[{"index":0,"message":{"role":"assistant","content":"`,
    tokens: words.map((word) => JSON.stringify(word).slice(1, -1)),
    closing: `","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":${JSON.stringify(usage)}}`
  }
}

const streamed = (
  { createdAt, id }: WireFormat.Identity,
  model: string,
  words: ReadonlyArray<string>,
  usage: Usage | undefined
): WireFormat.Body => {
  const chunk = (choices: ReadonlyArray<unknown>, more?: { readonly usage: Usage }): string =>
    OpenAi.event({ id: `chatcmpl-${id}`, object: "chat.completion.chunk", created: createdAt, model, choices, ...more })
  const delta = (delta: Readonly<Record<string, string>>, finish: "stop" | null): string =>
    chunk([{ index: 0, delta, logprobs: null, finish_reason: finish }])
  return {
    opening: delta({ role: "assistant", content: "" }, null),
    tokens: words.map((word) => delta({ content: word }, null)),
    closing: `${delta({}, "stop")}${usage === undefined ? "" : chunk([], { usage })}data: [DONE]\n\n`
  }
}

const parse = (body: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const json: unknown = JSON.parse(body)
    return isRecord(json) ? json : undefined
  } catch {
    return undefined
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const includesUsage = (request: Readonly<Record<string, unknown>>): boolean =>
  isRecord(request["stream_options"]) && request["stream_options"]["include_usage"] === true
