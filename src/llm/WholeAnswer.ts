/**
 * Which answers of a model are worth giving twice: whole ones that say something, and may be read more than once.
 */
import * as Effect from "effect/Effect"
import * as ErrorBody from "./ErrorBody.ts"
import * as Untrusted from "./Untrusted.ts"

/** Whether an answer is whole, as far as can be told from the shapes that providers and clients give it. */
export const isWhole = (answer: unknown): boolean => {
  if (typeof answer === "string") return answer.trim() !== ""
  if (answer === undefined || answer === null || typeof answer === "function") return false
  if (!Untrusted.isObject(answer)) return true
  // A stream comes first: to ask it for anything may start it.
  if (isReadOnce(answer) || ErrorBody.isError(answer)) return false
  if (Array.isArray(answer)) return answer.length > 0
  return ends(answer).every(isEnd) && !texts(answer).some(isBlank)
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

/** The reasons to stop that the answer has a place for. */
const ends = (answer: object): ReadonlyArray<unknown> => {
  const holders = [answer, firstOf(answer, "choices"), firstOf(answer, "candidates")]
  const reasons = holders.flatMap((holder) =>
    ["finishReason", "finish_reason", "stop_reason", "stopReason"]
      .filter((name) => Untrusted.isObject(holder) && name in holder)
      .map((name) => Untrusted.get(holder, name))
  )
  // The responses of OpenAI have a status instead
  return Untrusted.get(answer, "object") === "response" ? [...reasons, Untrusted.get(answer, "status")] : reasons
}

/** The texts that the answer has a place for; `null` stands for one that is not there. */
const texts = (answer: object): ReadonlyArray<unknown> => {
  const found: Array<unknown> = []
  for (const name of ["text", "output_text"]) {
    const text = Untrusted.get(answer, name)
    if (typeof text === "string") found.push(text)
  }
  const choice = firstOf(answer, "choices")
  if (choice !== undefined) found.push(Untrusted.at(choice, "message", "content") ?? Untrusted.get(choice, "text"))
  const candidate = firstOf(answer, "candidates")
  const parts = candidate === undefined
    ? Untrusted.get(answer, "content")
    : Untrusted.at(candidate, "content", "parts") ?? []
  if (Array.isArray(parts)) found.push(parts.map((part) => Untrusted.textAt(part, "text") ?? "").join(""))
  return found
}

const isBlank = (text: unknown): boolean => typeof text === "string" ? text.trim() === "" : !Array.isArray(text)

const firstOf = (answer: object, name: string): unknown => Untrusted.items(Untrusted.get(answer, name))[0]

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
