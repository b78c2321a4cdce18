/**
 * What makes two questions the same: the same provider, model, prompt and parameters, in whatever order they are written.
 *
 * The key is a digest, so that a memory holds no prompts; SHA-256, since with a weaker one somebody could write a prompt
 * that is answered with the answer to another's.
 */
import * as Effect from "effect/Effect"
import * as Untrusted from "./Untrusted.ts"

/** The text that is the same for the same question; `undefined` where there is no telling. */
export const written = (question: unknown): string | undefined => {
  try {
    return write(question, 0)
  } catch {
    return undefined
  }
}

/** The digest of such a text, in hexadecimal. */
export const digest = (text: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
    (bytes) => hexOf(new Uint8Array(bytes))
  )

const deepest = 64

// Everything is written in one way only, and what cannot be is refused: `JSON.stringify` has `{}` for each `Map`, and
// `[redacted]` for each secret, and would give one customer the answer of another.
const write = (value: unknown, depth: number): string => {
  if (depth > deepest) throw new RangeError("too deep")
  if (typeof value === "string") return JSON.stringify(value)
  // `String` has a word for the numbers that JSON lacks, and one zero for both.
  if (value === null || ["undefined", "number", "boolean"].includes(typeof value)) return String(value)
  if (typeof value === "bigint") return `${value}n`
  if (typeof value === "object") return writeObject(value, depth)
  throw new TypeError("no data")
}

const writeObject = (value: object, depth: number): string => {
  if (Array.isArray(value)) return `[${Array.from(value, (item) => write(item, depth + 1)).join(",")}]`
  if (value instanceof Date) return `date(${value.getTime()})`
  if (value instanceof URL) return `url(${JSON.stringify(value.href)})`
  if (value instanceof ArrayBuffer) return writeBytes(new Uint8Array(value))
  if (value instanceof Uint8Array) return writeBytes(value)
  if (!isData(value)) throw new TypeError("no data")
  // A property that is undefined is not sent either
  const entries = Object.entries(value).filter(([, property]) => property !== undefined)
  entries.sort(([a], [b]) => a < b ? -1 : 1)
  return `{${entries.map(([key, property]) => `${JSON.stringify(key)}:${write(property, depth + 1)}`).join(",")}}`
}

// One character for each byte, and their number in front: an image has millions of them.
const writeBytes = (bytes: Uint8Array): string =>
  `bytes(${bytes.byteLength}:${new TextDecoder("latin1").decode(bytes)})`

// A prompt of Effect's has a prototype, and holds all that it is in properties of its own.
const isData = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Untrusted.get(value, "~effect/ai/Prompt") !== undefined
}

const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
