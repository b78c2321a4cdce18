/** Claude, over Anthropic's own client. It does not retry: the circuits decide who is asked again, and when. */
import Anthropic, { APIError } from "@anthropic-ai/sdk"
import { Effect } from "effect"
import { type Prompt, type Response, Tool } from "effect/ai"
import * as Model from "./model.ts"

export const claude = (baseURL: string) => {
  const client = new Anthropic({ apiKey: "sk-any", baseURL, maxRetries: 0, logLevel: "off" })
  return Model.model("anthropic", "claude", ({ prompt, tools }) =>
    Effect.tryPromise({
      try: (signal) =>
        client.messages.create({
          model: "claude",
          max_tokens: 1024,
          messages: prompt.content.flatMap(toAnthropic),
          tools: tools.map((tool) => ({
            name: tool.name,
            input_schema: { type: "object", ...Tool.getJsonSchema(tool) }
          }))
        }, { signal }),
      catch: (error) => Model.failed("Anthropic", error, error instanceof APIError ? error.error : undefined)
    }).pipe(Effect.map(({ content, stop_reason }) =>
      content.flatMap((block): Array<Response.PartEncoded> => {
        if (block.type === "text") return [{ type: "text", text: block.text }]
        return block.type === "tool_use"
          ? [{ type: "tool-call", id: block.id, name: block.name, params: block.input }]
          : []
      }).concat(Model.finish(stop_reason === "tool_use" ? "tool-calls" : "stop"))
    )))
}

const toAnthropic = (message: Prompt.Message): Array<Anthropic.MessageParam> => {
  const text = Model.textOf(message)
  return [{
    role: message.role === "assistant" ? "assistant" : "user",
    content: [
      ...(text === "" ? [] : [{ type: "text" as const, text }]),
      ...Model.partsOf(message, "tool-call").map(({ id, name, params }) => ({
        type: "tool_use" as const,
        id,
        name,
        input: params
      })),
      ...Model.partsOf(message, "tool-result").map(({ id, result }) => ({
        type: "tool_result" as const,
        tool_use_id: id,
        content: JSON.stringify(result)
      }))
    ]
  }]
}
