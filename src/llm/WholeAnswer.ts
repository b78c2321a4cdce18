/**
 * Which answers of a model are worth giving twice: whole ones that say something, and may be read more than once.
 */
import * as Effect from "effect/Effect"
import * as BadAnswer from "./BadAnswer.ts"
import * as ErrorBody from "./ErrorBody.ts"
import * as Untrusted from "./Untrusted.ts"

/** Whether an answer is whole, says something and asks for nothing, as far as can be told. */
export const isWhole = (answer: unknown): boolean => {
  if (typeof answer === "string") return answer.trim() !== ""
  if (answer === undefined || answer === null || typeof answer === "function") return false
  if (!Untrusted.isObject(answer)) return true
  // A stream comes first: to ask it for anything may start it.
  if (isReadOnce(answer) || ErrorBody.isError(answer)) return false
  if (Array.isArray(answer)) return answer.length > 0
  const said = BadAnswer.read(answer)
  if (said === undefined || !isOfModel(answer, said)) return isWholeData(answer)
  return isEnd(said.finish) && !said.parts.some(isCall) && !said.parts.every(BadAnswer.isBlank)
}

const streams = ["textStream", "fullStream", "bodyUsed", "~effect/Stream"]
const methods = ["then", "next", "getReader", "pipe"]

const isReadOnce = (answer: object): boolean =>
  Effect.isEffect(answer) || Symbol.asyncIterator in answer || streams.some((name) => name in answer) ||
  methods.some((name) => typeof Untrusted.get(answer, name) === "function")

/** How models say that they had nothing more to say. A call for a tool is a step on the way, and no answer. */
const goodEnds: ReadonlyArray<unknown> = [
  "stop",
  "end_turn",
  "stop_sequence",
  "complete",
  "completed",
  "finished",
  "eos",
  "eos_token"
]

const isEnd = (reason: unknown): boolean => typeof reason === "string" && goodEnds.includes(reason.toLowerCase())

// A recipe has steps too.
const isOfModel = (answer: object, { finish, parts }: BadAnswer.Said): boolean =>
  finish !== undefined || "choices" in answer || "candidates" in answer ||
  parts.some((part) => typeof BadAnswer.own(part, "type") === "string")

const calls: ReadonlyArray<unknown> = ["tool-call", "tool_use", "function", "function_call", "custom_tool_call"]

// Gemini stops as usual where it calls a function, and the responses of OpenAI are completed.
const isCall = (part: unknown): boolean =>
  calls.includes(BadAnswer.own(part, "type")) || BadAnswer.own(part, "functionCall") !== undefined

// What a client or a program made of an answer.
const isWholeData = (answer: object): boolean => {
  const text = BadAnswer.own(answer, "text")
  if (typeof text === "string" && text.trim() === "") return false
  return ["finishReason", "finish_reason", "stop_reason", "stopReason"]
    .every((name) => !(name in answer) || isEnd(Untrusted.get(answer, name)))
}

/**
 * Whether an answer takes up no more than so many bytes, counting two for a character and sixteen for whatever else
 * there is. It looks no further than the limit, so a circle comes to an end too.
 */
export const fits = (answer: unknown, maxBytes: number): boolean => {
  let left = maxBytes
  const open: Array<unknown> = [answer]
  while (open.length > 0) {
    left -= weightOf(open.pop(), open)
    if (left < 0 || open.length * 16 > left) return false
  }
  return true
}

const weightOf = (value: unknown, open: Array<unknown>): number => {
  if (typeof value === "string") return value.length * 2
  if (!Untrusted.isObject(value)) return 16
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return 16 + value.byteLength
  if (value instanceof Map) { for (const [key, held] of value) open.push(key, held) }
  if (value instanceof Set) { for (const held of value) open.push(held) }
  for (const key of Object.keys(value)) {
    // What a getter would make is not there yet.
    open.push(key.length, Object.getOwnPropertyDescriptor(value, key)?.value)
  }
  return 16
}
