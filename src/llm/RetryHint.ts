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
  return read({
    headers: HttpHeaders.read(Untrusted.get(source, "headers")),
    bodies: [body],
    texts: [Untrusted.textAt(source, "message"), Untrusted.isPage(body) ? undefined : Untrusted.text(body)],
    now: Untrusted.get(source, "now")
  })
}

/** The same over what has been read already. @internal */
export const read = ({ bodies, headers, now, texts }: {
  readonly headers: HttpHeaders.HttpHeaders
  readonly bodies: ReadonlyArray<unknown>
  readonly texts: ReadonlyArray<string | undefined>
  readonly now: unknown
}): Duration.Duration | undefined => {
  const clock = instantOf(now, headers)
  const errors = bodies.flatMap(ErrorBody.layers)
  const words = new Set([...texts, ...errors.map(ErrorBody.message)])
  const waits = [
    ...inHeaders(headers, clock),
    ...errors.flatMap((error) => inBody(error, clock)),
    ...[...words].flatMap((text) => inText(text, clock))
  ].filter((wait) => wait !== undefined && wait >= 0 && wait <= furthest) as ReadonlyArray<number>
  return waits.length === 0 ? undefined : Duration.millis(Math.max(...waits))
}

/** What time it is: as told, or else as the response says itself. @internal */
export const instantOf = (now: unknown, headers: HttpHeaders.HttpHeaders): number | undefined =>
  typeof now === "number" && Math.abs(now) <= latest ? now : WrittenTime.date(headers["date"] ?? "")

// What a `Date` can hold: nobody means a number beyond.
const latest = 8.64e15

type Wait = number | undefined

const until = (at: number | undefined, now: number | undefined): Wait =>
  at === undefined || now === undefined ? undefined : at - now

const anthropicLimits = ["requests", "tokens", "input-tokens", "output-tokens"]

const inHeaders = (headers: HttpHeaders.HttpHeaders, now: number | undefined): ReadonlyArray<Wait> => {
  const value = (name: string) => headers[name] ?? ""
  const isUsedUp = (name: string) => Number.parseFloat(value(name)) <= 0
  return [
    WrittenTime.duration(value("retry-after")),
    until(WrittenTime.date(value("retry-after")), now),
    WrittenTime.number(value("retry-after-ms")),
    WrittenTime.number(value("x-ms-retry-after-ms")),
    ...["requests", "tokens"]
      .filter((limit) => isUsedUp(`x-ratelimit-remaining-${limit}`) || value(`x-ratelimit-remaining-${limit}`) === "")
      .map((limit) => WrittenTime.duration(value(`x-ratelimit-reset-${limit}`))),
    isUsedUp("x-ratelimit-remaining") ? sinceEpoch(value("x-ratelimit-reset"), now) : undefined,
    ...anthropicLimits
      .filter((limit) => isUsedUp(`anthropic-ratelimit-${limit}-remaining`))
      .map((limit) => until(WrittenTime.date(value(`anthropic-ratelimit-${limit}-reset`)), now))
  ]
}

// OpenRouter counts in milliseconds, most others in seconds, and some tell the rest of the wait.
const sinceEpoch = (written: string, now: number | undefined): Wait => {
  const value = WrittenTime.number(written)
  if (value === undefined) return WrittenTime.duration(written)
  return value < 1e9 ? value * 1000 : until(value < 1e11 ? value * 1000 : value, now)
}

const inBody = (error: unknown, now: number | undefined): ReadonlyArray<Wait> => {
  const metadata = Untrusted.get(error, "metadata")
  return [
    ...[error, metadata, Untrusted.get(error, "details")].flatMap((holder) => [
      inField(Untrusted.get(holder, "retry_after"), now),
      inField(Untrusted.get(holder, "retry_after_seconds"), now),
      inField(Untrusted.get(holder, "resets_in_seconds"), now),
      milliseconds(Untrusted.get(holder, "retry_after_ms"))
    ]),
    ...Untrusted.items(Untrusted.get(error, "details")).map((detail) =>
      retryDelay(Untrusted.get(detail, "retryDelay"))
    ),
    ...(Untrusted.isObject(metadata) ? inHeaders(HttpHeaders.read(Untrusted.get(metadata, "headers")), now) : [])
  ]
}

const inField = (value: unknown, now: number | undefined): Wait => {
  if (typeof value === "number") return value * 1000
  const written = Untrusted.text(value)
  return written === undefined ? undefined : WrittenTime.duration(written) ?? until(WrittenTime.date(written), now)
}

const milliseconds = (value: unknown): Wait =>
  typeof value === "number" ? value : WrittenTime.number(Untrusted.text(value) ?? "")

// Protocol buffers write a duration as "34.4s" in JSON, and as { seconds, nanos } where a client has decoded it.
const retryDelay = (value: unknown): Wait => {
  if (!Untrusted.isObject(value)) return inField(value, undefined)
  const nanos = Untrusted.get(value, "nanos")
  const seconds = inField(Untrusted.get(value, "seconds"), undefined)
  return seconds === undefined ? undefined : seconds + (typeof nanos === "number" ? nanos / 1e6 : 0)
}

const longestPhrase = 64

const inText = (text: string | undefined, now: number | undefined): ReadonlyArray<Wait> => {
  if (text === undefined || text.length > Untrusted.longestText) return []
  const phrase = /(?:try again|retry|regain access|available again|resets?) (in|after|at|on) /gi
  const found: Array<Wait> = []
  for (let hints = 0; hints < 8; hints++) {
    const match = phrase.exec(text)
    if (match === null) break
    const rest = text.slice(phrase.lastIndex, phrase.lastIndex + longestPhrase)
    const isSpan = match[1]!.toLowerCase() === "in" || match[1]!.toLowerCase() === "after"
    found.push(until(WrittenTime.dateIn(rest), now) ?? (isSpan ? WrittenTime.durationIn(rest) : undefined))
  }
  return found
}
