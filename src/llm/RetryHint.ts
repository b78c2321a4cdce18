/**
 * When a provider says to come back, in every way that providers say it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as ErrorBody from "./ErrorBody.ts"
import * as HttpHeaders from "./HttpHeaders.ts"
import * as Untrusted from "./Untrusted.ts"
import * as WrittenTime from "./WrittenTime.ts"

/**
 * What a provider sent that may hold a hint.
 *
 * **Details**
 *
 * `body` may be parsed JSON, text or bytes. `now` is in milliseconds since the epoch, and needed only for hints that
 * name an instant; without it the response's own `date` header stands in for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  readonly headers?: HttpHeaders.Input | undefined
  readonly body?: unknown
  readonly message?: string | undefined
  readonly now?: number | undefined
}

/** No quota takes longer than a month to come back: what is further off is nonsense (the year 9999 is in use). */
const furthest = 31 * 24 * 60 * 60 * 1000

/**
 * Reads how long a provider asks to wait: the longest of all its hints, or `undefined` if it gave none.
 *
 * **Details**
 *
 * Read are the headers `retry-after` (seconds or a date), `retry-after-ms`, `x-ms-retry-after-ms`,
 * `x-ratelimit-reset-requests` and `-tokens`, `x-ratelimit-reset` and `anthropic-ratelimit-*-reset`; in the body
 * `RetryInfo.retryDelay`, `retry_after` and its kin; and sentences such as "try again in 6.5s" or "You will regain
 * access on 2026-02-01 at 00:00 UTC".
 *
 * A reset time only counts for a limit that is used up: one that still has something left says when it will be full
 * again. OpenAI's is also taken when what remains is not told; Anthropic's, which tells of four limits at once, is not.
 *
 * **Gotchas**
 *
 * A hint that makes no sense is left out, not bent into shape: a date in the past, a negative number, anything beyond 31
 * days. It never throws, and reads no text longer than 64 KB. A wait of zero is a hint too.
 *
 * **Example** (The longest hint wins)
 *
 * ```ts
 * import { Duration } from "effect"
 * import { RetryHint } from "effect-breaker/llm"
 *
 * const hint = RetryHint.parse({
 *   headers: { "Retry-After": "2", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s" },
 *   message: "Rate limit reached. Please try again in 6.5s."
 * })
 * console.log(hint) // => Duration.minutes(6)
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (source: Source): Duration.Duration | undefined => {
  const body = Untrusted.content(Untrusted.get(source, "body"))
  const texts = [Untrusted.textAt(source, "message"), Untrusted.isPage(body) ? undefined : Untrusted.text(body)]
  return read({
    headers: HttpHeaders.read(Untrusted.get(source, "headers")),
    errors: ErrorBody.layers(body),
    texts: texts.filter((text) => text !== undefined),
    now: Untrusted.get(source, "now")
  })
}

/** The same over what has been read already. @internal */
export const read = ({ errors, headers, now, texts }: {
  readonly headers: HttpHeaders.HttpHeaders
  /** The objects that may describe the error. */
  readonly errors: ReadonlyArray<unknown>
  readonly texts: ReadonlyArray<string>
  readonly now: unknown
}): Duration.Duration | undefined => {
  const found = new Hints(now, headers)
  inHeaders(headers, found)
  for (const error of errors) inBody(error, found)
  const words = new Set(texts)
  for (const error of errors) {
    const text = ErrorBody.message(error)
    if (text !== undefined && !words.has(text) && !Untrusted.isPage(text)) words.add(text)
  }
  for (const text of words) inText(text, found)
  return found.longest < 0 ? undefined : Duration.millis(found.longest)
}

/** What time it is: as told, or else as the response says itself. @internal */
export const instantOf = (now: unknown, headers: HttpHeaders.HttpHeaders): number | undefined =>
  typeof now === "number" && Math.abs(now) <= latest ? now : WrittenTime.date(headers["date"] ?? "")

// What a `Date` can hold: nobody means a number beyond.
const latest = 8.64e15

class Hints {
  longest = -1
  readonly #now: unknown
  readonly #headers: HttpHeaders.HttpHeaders

  constructor(now: unknown, headers: HttpHeaders.HttpHeaders) {
    this.#now = now
    this.#headers = headers
  }

  /** In milliseconds. */
  add(wait: number | undefined): void {
    if (wait !== undefined && wait > this.longest && wait >= 0 && wait <= furthest) this.longest = wait
  }

  // Few hints are instants, and to read the `date` header takes longer than all the rest.
  until(at: number | undefined): number | undefined {
    const now = at === undefined ? undefined : instantOf(this.#now, this.#headers)
    return at === undefined || now === undefined ? undefined : at - now
  }
}

const inHeaders = (headers: HttpHeaders.HttpHeaders, found: Hints): void => {
  const isUsedUp = (name: string) => Number.parseFloat(headers[name] ?? "") <= 0
  const after = headers["retry-after"]
  if (after !== undefined) found.add(WrittenTime.duration(after) ?? found.until(WrittenTime.date(after)))
  for (const name of inMilliseconds) {
    const value = headers[name]
    if (value !== undefined) found.add(WrittenTime.number(value))
  }
  for (const [reset, remaining] of openAiLimits) {
    const value = headers[reset]
    if (value !== undefined && (isUsedUp(remaining) || (headers[remaining] ?? "") === "")) {
      found.add(WrittenTime.duration(value))
    }
  }
  const reset = headers["x-ratelimit-reset"]
  if (reset !== undefined && isUsedUp("x-ratelimit-remaining")) found.add(sinceEpoch(reset, found))
  for (const [reset, remaining] of anthropicLimits) {
    const value = headers[reset]
    if (value !== undefined && isUsedUp(remaining)) found.add(found.until(WrittenTime.date(value)))
  }
}

const inMilliseconds = ["retry-after-ms", "x-ms-retry-after-ms"]
const openAiLimits = [
  ["x-ratelimit-reset-requests", "x-ratelimit-remaining-requests"],
  ["x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"]
] as const
const anthropicLimits = [
  ["anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining"],
  ["anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining"],
  ["anthropic-ratelimit-input-tokens-reset", "anthropic-ratelimit-input-tokens-remaining"],
  ["anthropic-ratelimit-output-tokens-reset", "anthropic-ratelimit-output-tokens-remaining"]
] as const

// OpenRouter counts in milliseconds, most others in seconds, and some tell the rest of the wait.
const sinceEpoch = (written: string, found: Hints): number | undefined => {
  const value = WrittenTime.number(written)
  if (value === undefined) return WrittenTime.duration(written)
  return value < 1e9 ? value * 1000 : found.until(value < 1e11 ? value * 1000 : value)
}

const inBody = (error: unknown, found: Hints): void => {
  const metadata = Untrusted.get(error, "metadata")
  const details = Untrusted.get(error, "details")
  inFields(error, found)
  inFields(metadata, found)
  inFields(details, found)
  for (const detail of Untrusted.items(details)) found.add(retryDelay(Untrusted.get(detail, "retryDelay"), found))
  const headers = Untrusted.get(metadata, "headers")
  if (headers !== undefined) inHeaders(HttpHeaders.read(headers), found)
}

const inFields = (holder: unknown, found: Hints): void => {
  if (!Untrusted.isObject(holder)) return
  for (const name of inSeconds) found.add(inField(Untrusted.get(holder, name), found))
  const value = Untrusted.get(holder, "retry_after_ms")
  if (value !== undefined) {
    found.add(typeof value === "number" ? value : WrittenTime.number(Untrusted.text(value) ?? ""))
  }
}

const inSeconds = ["retry_after", "retry_after_seconds", "resets_in_seconds"]

const inField = (value: unknown, found: Hints): number | undefined => {
  if (typeof value === "number") return value * 1000
  const written = Untrusted.text(value)
  return written === undefined ? undefined : WrittenTime.duration(written) ?? found.until(WrittenTime.date(written))
}

// Protocol buffers write a duration as "34.4s" in JSON, and as { seconds, nanos } where a client has decoded it.
const retryDelay = (value: unknown, found: Hints): number | undefined => {
  if (!Untrusted.isObject(value)) return inField(value, found)
  const nanos = Untrusted.get(value, "nanos")
  const seconds = inField(Untrusted.get(value, "seconds"), found)
  return seconds === undefined ? undefined : seconds + (typeof nanos === "number" ? nanos / 1e6 : 0)
}

const longestPhrase = 64

const inText = (text: string, found: Hints): void => {
  if (text.length > Untrusted.longestText) return
  const phrase = /(?:try again|retry|regain access|available again|resets?) (in|after|at|on) /gi
  for (let hints = 0; hints < 8; hints++) {
    const match = phrase.exec(text)
    if (match === null) break
    const rest = text.slice(phrase.lastIndex, phrase.lastIndex + longestPhrase)
    const isSpan = match[1]!.toLowerCase() === "in" || match[1]!.toLowerCase() === "after"
    found.add(found.until(WrittenTime.dateIn(rest)) ?? (isSpan ? WrittenTime.durationIn(rest) : undefined))
  }
}
