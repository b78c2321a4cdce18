/**
 * The ways in which providers say when to come back, and how each is written.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Require from "./Require.ts"

/**
 * Where and how a hint is written.
 *
 * **Details**
 *
 * - `retry-after`: that header, in seconds with decimals; `retry-after-date`: the same header as an HTTP date.
 * - `retry-after-ms`, `x-ms-retry-after-ms`: these headers, in milliseconds. Azure sends both.
 * - `x-ratelimit-reset-requests`, `x-ratelimit-reset-tokens`: OpenAI's headers, such as `1h2m3.5s` or `20ms`, with the
 *   matching `remaining` at zero.
 * - `anthropic-ratelimit-requests-reset` and its like for `tokens`, `input-tokens` and `output-tokens`: Anthropic's
 *   headers, as an RFC 3339 time, with the matching `remaining` at zero.
 * - `retry-info`: Google's `RetryInfo` with `retryDelay` among the error's `details`.
 * - `retry_after`: a field of that name in the error, in seconds.
 * - `message`, `message-date`: words in the error's message, such as "try again in 6.5s" or "try again at" and a time.
 *
 * A format that names a time names whole seconds, rounded up.
 *
 * @category models
 * @since 0.1.0
 */
export type Format = typeof formats[number]

/**
 * A hint: its format, and the milliseconds after which to come back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hint {
  readonly format: Format
  readonly after: number
}

/**
 * Every format of a hint.
 *
 * @category models
 * @since 0.1.0
 */
export const formats = [
  "retry-after",
  "retry-after-date",
  "retry-after-ms",
  "x-ms-retry-after-ms",
  "x-ratelimit-reset-requests",
  "x-ratelimit-reset-tokens",
  "anthropic-ratelimit-requests-reset",
  "anthropic-ratelimit-tokens-reset",
  "anthropic-ratelimit-input-tokens-reset",
  "anthropic-ratelimit-output-tokens-reset",
  "retry-info",
  "retry_after",
  "message",
  "message-date"
] as const

/** What a hint adds to an answer. */
export interface Written {
  readonly headers: Readonly<Record<string, string>>
  /** Fields of the error in the body. */
  readonly fields: Readonly<Record<string, unknown>>
  /** The end of the error's message. */
  readonly words: string
}

/** Checks a hint. Throws a `RangeError`. */
export const check = (where: string, hint: { readonly format: Format; readonly after: Duration.Input }): Hint => ({
  format: Require.oneOf(where, "hint.format", hint.format, formats),
  after: Require.wait(where, "hint.after", hint.after)
})

/** Writes a hint down, `now` being Unix time in milliseconds. */
export const write = ({ after, format }: Hint, now: number): Written => {
  const resetsAt = new Date(Math.ceil((now + after) / 1000) * 1000)
  const time = resetsAt.toISOString().replace(".000Z", "Z")
  const seconds = String(Math.ceil(after) / 1000)
  switch (format) {
    case "retry-after":
      return header({ "retry-after": seconds })
    case "retry-after-date":
      return header({ "retry-after": resetsAt.toUTCString() })
    case "retry-after-ms":
    case "x-ms-retry-after-ms":
      return header({ [format]: String(Math.ceil(after)) })
    case "x-ratelimit-reset-requests":
    case "x-ratelimit-reset-tokens":
      return header({ [format.replace("reset", "remaining")]: "0", [format]: goDuration(after) })
    case "anthropic-ratelimit-requests-reset":
    case "anthropic-ratelimit-tokens-reset":
    case "anthropic-ratelimit-input-tokens-reset":
    case "anthropic-ratelimit-output-tokens-reset":
      return header({ [format.replace("reset", "remaining")]: "0", [format]: time })
    case "retry-info":
      return {
        ...nothing,
        fields: { details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${seconds}s` }] }
      }
    case "retry_after":
      return { ...nothing, fields: { retry_after: Number(seconds) } }
    case "message":
      return { ...nothing, words: ` Please try again in ${goDuration(after)}.` }
    case "message-date":
      return { ...nothing, words: ` Please try again at ${time}.` }
  }
}

/** No hint at all. */
export const nothing: Written = { headers: {}, fields: {}, words: "" }

const header = (headers: Readonly<Record<string, string>>): Written => ({ ...nothing, headers })

/** As Go writes a duration: `20ms`, `6.5s`, `6m0s`, `1h2m3.5s`. */
const goDuration = (millis: number): string => {
  const whole = Math.ceil(millis)
  if (whole > 0 && whole < 1000) return `${whole}ms`
  const { days, hours, millis: rest, minutes, seconds } = Duration.parts(Duration.millis(whole))
  const allHours = days * 24 + hours
  const tail = `${(seconds * 1000 + rest) / 1000}s`
  if (allHours > 0) return `${allHours}h${minutes}m${tail}`
  return minutes > 0 ? `${minutes}m${tail}` : tail
}
