/** GPT, over OpenAI's own client. It does not retry: the circuits decide who is asked again, and when. */
import { Effect } from "effect"
import { type Prompt, type Response, Tool } from "effect/ai"
import OpenAI, { APIError } from "openai"
import * as Model from "./model.ts"

export const gpt = (baseURL: string) => {
  const client = new OpenAI({ apiKey: "sk-any", baseURL, maxRetries: 0, logLevel: "off" })
  return Model.model("openai", "gpt", ({ prompt, tools }) =>
    Effect.tryPromise({
      try: (signal) =>
        client.chat.completions.create({
          model: "gpt",
          messages: prompt.content.flatMap(toOpenAi),
          tools: tools.map((tool) => ({
            type: "function",
            function: { name: tool.name, parameters: { ...Tool.getJsonSchema(tool) } }
          }))
        }, { signal }),
      catch: (error) => Model.failed("OpenAi", error, error instanceof APIError ? { error: error.error } : undefined)
    }).pipe(Effect.map(({ choices: [choice] }) => {
      const text = choice?.message.content ?? ""
      const calls = (choice?.message.tool_calls ?? []).filter((call) => call.type === "function")
      return (text === "" ? [] : [{ type: "text", text } as Response.PartEncoded]).concat(
        calls.map(({ function: { arguments: json, name }, id }) => ({
          type: "tool-call",
          id,
          name,
          params: JSON.parse(json)
        })),
        Model.finish(calls.length > 0 ? "tool-calls" : "stop")
      )
    })))
}

const toOpenAi = (message: Prompt.Message): Array<OpenAI.ChatCompletionMessageParam> => {
  if (message.role === "tool") {
    return Model.partsOf(message, "tool-result").map(({ id, result }) => ({
      role: "tool",
      tool_call_id: id,
      content: JSON.stringify(result)
    }))
  }
  const content = Model.textOf(message)
  if (message.role !== "assistant") return [{ role: message.role, content }]
  const calls = Model.partsOf(message, "tool-call").map(({ id, name, params }) => ({
    type: "function" as const,
    id,
    function: { name, arguments: JSON.stringify(params) }
  }))
  return [{ role: "assistant", content, ...(calls.length > 0 && { tool_calls: calls }) }]
}
