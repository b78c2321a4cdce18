/**
 * The headers of a response, in whatever shape a client hands them over.
 */
import * as Untrusted from "./Untrusted.ts"

/**
 * Headers as clients have them: the `Headers` of `fetch`, a plain record in any case, `effect/http` headers, an array or
 * a `Map` of pairs.
 *
 * @category models
 * @since 0.1.0
 */
export type Input =
  | { readonly get: (name: string) => string | null | undefined }
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string | number | ReadonlyArray<string> | undefined>>

/** Names in lower case. */
export type HttpHeaders = Readonly<Record<string, string>>

const mostHeaders = 256
const longestValue = 1024

/** What is asked of something that has a `get` and cannot be listed. */
const asked = [
  "anthropic-ratelimit-input-tokens-remaining",
  "anthropic-ratelimit-input-tokens-reset",
  "anthropic-ratelimit-output-tokens-remaining",
  "anthropic-ratelimit-output-tokens-reset",
  "anthropic-ratelimit-requests-remaining",
  "anthropic-ratelimit-requests-reset",
  "anthropic-ratelimit-tokens-remaining",
  "anthropic-ratelimit-tokens-reset",
  "date",
  "retry-after",
  "retry-after-ms",
  "x-amzn-errortype",
  "x-ms-retry-after-ms",
  "x-ms-throttle-reason",
  "x-portkey-provider",
  "x-portkey-trace-id",
  "x-ratelimit-remaining",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-remaining-tokens",
  "x-ratelimit-reset",
  "x-ratelimit-reset-requests",
  "x-ratelimit-reset-tokens"
]

/** Headers by lower-case name; what is no headers at all has none. */
export const read = (input: unknown): HttpHeaders => {
  const found: Record<string, string> = {}
  if (!Untrusted.isObject(input)) return found
  const listed = Untrusted.elements(input, mostHeaders)
  if (listed !== undefined) {
    for (const pair of listed) add(found, Untrusted.get(pair, "0"), Untrusted.get(pair, "1"))
    return found
  }
  const get = Untrusted.get(input, "get")
  if (typeof get === "function") { for (const name of asked) add(found, name, call(get, input, name)) }
  else for (const name of Untrusted.keys(input, mostHeaders)) add(found, name, Untrusted.get(input, name))
  return found
}

const add = (found: Record<string, string>, name: unknown, value: unknown): void => {
  const written = valueOf(value)
  if (typeof name === "string" && name.length <= 128 && written !== undefined) found[name.toLowerCase()] = written
}

const call = (get: Function, input: unknown, name: string): unknown => {
  try {
    return Reflect.apply(get, input, [name]) as unknown
  } catch {
    return undefined
  }
}

const valueOf = (value: unknown): string | undefined => {
  if (typeof value === "number") return String(value)
  if (typeof value !== "string") return valueOfMany(value)
  return value.length <= longestValue ? value.trim() : undefined
}

// Node gives a header that was sent twice as a list; the first one is the one that clients go by.
const valueOfMany = (value: unknown): string | undefined => {
  const [first] = Untrusted.items(value)
  return typeof first === "string" && first.length <= longestValue ? first.trim() : undefined
}
