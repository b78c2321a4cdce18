/**
 * What an answer that arrived holds, in the shapes of the clients in use: did the model stop of its own accord, and did it say
 * anything.
 *
 * Only data properties are read, never getters: those of an answer that is still streamed may start it.
 */
import * as FinishReason from "./FinishReason.ts"

/** What a model said: why it stopped, and the parts of its answer. */
export interface Said {
  readonly finish: unknown
  readonly parts: ReadonlyArray<unknown>
}

/** Whether an answer arrived that is empty, or garbled by the word of its own provider. */
export const isBad = (answer: unknown): boolean => {
  const said = read(answer)
  if (said === undefined || typeof said.finish !== "string") return false
  const isGarbled = FinishReason.verdictOn(said.finish)?.kind === "quality"
  return isGarbled || (ownAccord.includes(said.finish.toLowerCase()) && said.parts.every(isBlank))
}

const ownAccord = ["stop", "end_turn", "completed", "tool-calls", "tool_calls", "tool_use", "function_call"]

/** Reads what a model said; `undefined` for what looks like no answer of any of them. */
export const read = (answer: unknown): Said | undefined => {
  // OpenAI's chat completions
  const choice = first(own(answer, "choices"))
  if (choice !== undefined) {
    const message = own(choice, "message")
    const parts = ["content", "tool_calls", "function_call", "refusal", "audio"].flatMap((key) =>
      listed(own(message, key))
    )
    return { finish: own(choice, "finish_reason"), parts }
  }
  // Gemini
  const candidate = first(own(answer, "candidates"))
  if (candidate !== undefined) {
    return { finish: own(candidate, "finishReason"), parts: listed(own(own(candidate, "content"), "parts")) }
  }
  // OpenAI's responses
  const output = own(answer, "output")
  if (Array.isArray(output)) return { finish: own(answer, "status"), parts: output }
  // The AI SDK: the last of several steps
  const steps = own(answer, "steps")
  const last: unknown = Array.isArray(steps) ? steps.at(-1) : undefined
  if (last !== undefined) return { finish: own(last, "finishReason"), parts: listed(own(last, "content")) }
  // Anthropic, and Effect, where the reason is a part
  const content = own(answer, "content")
  if (!Array.isArray(content)) return undefined
  const end: unknown = content.find((part) => own(part, "type") === "finish")
  return { finish: own(answer, "stop_reason") ?? own(end, "reason"), parts: content }
}

const aside = ["reasoning", "thinking", "redacted_thinking", "response-metadata", "finish"]

/** Whether a part says nothing to the caller. */
export const isBlank = (part: unknown): boolean => {
  if (typeof part === "string") return part.trim() === ""
  const type = own(part, "type")
  if (aside.includes(type as string)) return true
  if (type === "message") return listed(own(part, "content")).every(isBlank)
  const text = own(part, "text")
  return typeof text === "string" && text.trim() === ""
}

const listed = (content: unknown): ReadonlyArray<unknown> =>
  Array.isArray(content) ? content : content === undefined || content === null ? [] : [content]

const first = (list: unknown): unknown => Array.isArray(list) ? list[0] : undefined

/** A property that is data. */
export const own = (value: unknown, key: string): unknown =>
  value === undefined || value === null ? undefined : Object.getOwnPropertyDescriptor(value, key)?.value
