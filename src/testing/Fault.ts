/**
 * What can be wrong with one answer of a provider, as plain data.
 *
 * A fault is a tagged object that fits in JSON, so it can stand in a script, in a file or in the `x-fault` header of a
 * request. The constructors check what they are given; ready-made faults carry the figures real providers send. What a
 * fault does to the bytes on the wire is decided by the wire format it is applied to, not here.
 *
 * **Gotchas**
 *
 * - Where a fault counts tokens, `0` means that the headers are sent and no byte of the body; from `1` on, the body's
 *   opening goes out too. A count beyond the length of the answer means all of its tokens, and still no proper end.
 * - An answer that is not streamed has a body too: `cutAfter` leaves half a JSON document, `stallAfter` never ends it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import { validateHeaderName, validateHeaderValue } from "node:http"
import * as Require from "./Require.ts"

/**
 * An HTTP error with a JSON body in the provider's own shape.
 *
 * @category models
 * @since 0.1.0
 */
export interface JsonError {
  readonly _tag: "JsonError"
  readonly status: number
  readonly type: string
  readonly code: string | null
  readonly message: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * An HTTP error from the edge in front of the provider: a page of HTML, none of the provider's own headers.
 *
 * @category models
 * @since 0.1.0
 */
export interface HtmlError {
  readonly _tag: "HtmlError"
  readonly status: number
}

/**
 * The connection is reset before anything is sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reset {
  readonly _tag: "Reset"
}

/**
 * Nothing is ever sent, and the connection stays open.
 *
 * @category models
 * @since 0.1.0
 */
export interface HangBeforeHeaders {
  readonly _tag: "HangBeforeHeaders"
}

/**
 * Status 200 and headers are sent, then nothing more, and the connection stays open.
 *
 * @category models
 * @since 0.1.0
 */
export interface HangBeforeFirstToken {
  readonly _tag: "HangBeforeFirstToken"
}

/**
 * The answer stops after `tokens` tokens, and the connection stays open.
 *
 * @category models
 * @since 0.1.0
 */
export interface StallAfter {
  readonly _tag: "StallAfter"
  readonly tokens: number
}

/**
 * An error object inside status 200: after `after` tokens of a stream, or as the whole body of a plain answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErrorChunk {
  readonly _tag: "ErrorChunk"
  readonly after: number
  readonly type: string
  readonly code: string | null
  readonly message: string
}

/**
 * The body ends in good order after `tokens` tokens, but too early: no finish reason and no `[DONE]`, or half a JSON
 * document.
 *
 * @category models
 * @since 0.1.0
 */
export interface CutAfter {
  readonly _tag: "CutAfter"
  readonly tokens: number
}

/**
 * The connection breaks off in the middle of the body, after `tokens` tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResetAfter {
  readonly _tag: "ResetAfter"
  readonly tokens: number
}

/**
 * Everything that can be wrong with one answer.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | JsonError
  | HtmlError
  | Reset
  | HangBeforeHeaders
  | HangBeforeFirstToken
  | StallAfter
  | ErrorChunk
  | CutAfter
  | ResetAfter

/**
 * Makes an HTTP error with a JSON body.
 *
 * **Details**
 *
 * `type` is `"server_error"` for a status of 500 and above and `"invalid_request_error"` below, `code` is null, unless
 * given. `headers` are added to the provider's usual ones and win over them.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `status` is no whole number from 400 to 599, or a header cannot be sent.
 *
 * **Example** (A retired model)
 *
 * ```ts
 * import { Fault } from "effect-breaker/testing"
 *
 * const fault = Fault.jsonError({ status: 404, code: "model_not_found", message: "The model is retired." })
 * console.log(fault.type) // => "invalid_request_error"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const jsonError = (options: {
  readonly status: number
  readonly type?: string | undefined
  readonly code?: string | null | undefined
  readonly message?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}): JsonError => {
  const where = "Fault.jsonError"
  const status = Require.whole(where, "status", options.status, 400, 599)
  return {
    _tag: "JsonError",
    status,
    type: Require.text(where, "type", options.type ?? (status >= 500 ? "server_error" : "invalid_request_error")),
    code: codeOf(where, options.code),
    message: Require.text(where, "message", options.message ?? `The fake provider answers with status ${status}.`),
    headers: headersOf(where, options.headers ?? {})
  }
}

/**
 * Makes an HTTP error from the edge in front of the provider, with an HTML page as its body.
 *
 * **Details**
 *
 * `status` is 502 unless given. Providers behind Cloudflare also send 504 and 520 to 524 this way.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `status` is no whole number from 400 to 599.
 *
 * @category constructors
 * @since 0.1.0
 */
export const htmlError = (options?: { readonly status?: number | undefined }): HtmlError => ({
  _tag: "HtmlError",
  status: Require.whole("Fault.htmlError", "status", options?.status ?? 502, 400, 599)
})

/**
 * Resets the connection once the request is read, before anything is sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reset: Fault = { _tag: "Reset" }

/**
 * Reads the request and never answers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hangBeforeHeaders: Fault = { _tag: "HangBeforeHeaders" }

/**
 * Sends status 200 and the headers, and then nothing more.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hangBeforeFirstToken: Fault = { _tag: "HangBeforeFirstToken" }

/**
 * Makes an answer that stops after `tokens` tokens and leaves the connection open.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `tokens` is no whole number of at least zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stallAfter = (options: { readonly tokens: number }): StallAfter => ({
  _tag: "StallAfter",
  tokens: Require.whole("Fault.stallAfter", "tokens", options.tokens, 0)
})

/**
 * Makes an error object inside status 200.
 *
 * **Details**
 *
 * A stream sends it as one event after `after` tokens and ends without `[DONE]`; with `after: 0` it is the first event.
 * A plain answer has it as its whole body, whatever `after` says. `type` is `"server_error"` and `code` null unless given.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `after` is no whole number of at least zero.
 *
 * **Example** (A quota that runs out in the middle of a stream)
 *
 * ```ts
 * import { Fault } from "effect-breaker/testing"
 *
 * const fault = Fault.errorChunk({ after: 3, type: "insufficient_quota", code: "insufficient_quota" })
 * console.log(fault._tag) // => "ErrorChunk"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const errorChunk = (options: {
  readonly after: number
  readonly type?: string | undefined
  readonly code?: string | null | undefined
  readonly message?: string | undefined
}): ErrorChunk => {
  const where = "Fault.errorChunk"
  return {
    _tag: "ErrorChunk",
    after: Require.whole(where, "after", options.after, 0),
    type: Require.text(where, "type", options.type ?? "server_error"),
    code: codeOf(where, options.code),
    message: Require.text(where, "message", options.message ?? "The server had an error while processing your request.")
  }
}

/**
 * Makes an answer whose body ends in good order, but after `tokens` tokens.
 *
 * **Gotchas**
 *
 * Many clients take a stream cut this way for a complete one. `tokens: 0` is an empty body. Throws a `RangeError` when
 * `tokens` is no whole number of at least zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const cutAfter = (options: { readonly tokens: number }): CutAfter => ({
  _tag: "CutAfter",
  tokens: Require.whole("Fault.cutAfter", "tokens", options.tokens, 0)
})

/**
 * Makes an answer whose connection breaks off after `tokens` tokens.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `tokens` is no whole number of at least zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resetAfter = (options: { readonly tokens: number }): ResetAfter => ({
  _tag: "ResetAfter",
  tokens: Require.whole("Fault.resetAfter", "tokens", options.tokens, 0)
})

/**
 * The model has no capacity left: status 529, type `overloaded_error`.
 *
 * @category known faults
 * @since 0.1.0
 */
export const overloaded: Fault = jsonError({ status: 529, type: "overloaded_error", message: "Overloaded" })

/**
 * The same as OpenAI says it: status 503, code `server_is_overloaded`.
 *
 * @category known faults
 * @since 0.1.0
 */
export const serverIsOverloaded: Fault = jsonError({
  status: 503,
  type: "service_unavailable_error",
  code: "server_is_overloaded",
  message: "The server is currently overloaded with other requests."
})

/**
 * The provider itself failed: status 500, type `server_error`.
 *
 * @category known faults
 * @since 0.1.0
 */
export const serverError: Fault = jsonError({
  status: 500,
  message: "The server had an error while processing your request."
})

/**
 * Makes the answer to a caller that is too fast: status 429, code `rate_limit_exceeded`.
 *
 * **Details**
 *
 * `retryAfter` is sent as the header `retry-after`, in seconds, to the millisecond. Without it no hint is sent.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `retryAfter` is negative, infinite or no duration.
 *
 * **Example** (Asking for a pause of a second and a half)
 *
 * ```ts
 * import { Fault } from "effect-breaker/testing"
 *
 * const fault = Fault.rateLimited({ retryAfter: "1500 millis" })
 * console.log(fault.headers) // => { "retry-after": "1.5" }
 * ```
 *
 * @category known faults
 * @since 0.1.0
 */
export const rateLimited = (options?: { readonly retryAfter?: Duration.Input | undefined }): JsonError => {
  const hint = options?.retryAfter
  return jsonError({
    status: 429,
    type: "requests",
    code: "rate_limit_exceeded",
    message: "Rate limit reached for requests per minute.",
    headers: hint === undefined
      ? {}
      : { "retry-after": String(Math.ceil(Require.wait("Fault.rateLimited", "retryAfter", hint)) / 1000) }
  })
}

/**
 * The account has no credit left: status 429, code `insufficient_quota`. Asking again is pointless.
 *
 * @category known faults
 * @since 0.1.0
 */
export const insufficientQuota: Fault = jsonError({
  status: 429,
  type: "insufficient_quota",
  code: "insufficient_quota",
  message: "You exceeded your current quota, please check your plan and billing details."
})

/**
 * The key is wrong or revoked: status 401, code `invalid_api_key`.
 *
 * @category known faults
 * @since 0.1.0
 */
export const invalidApiKey: Fault = jsonError({
  status: 401,
  code: "invalid_api_key",
  message: "Incorrect API key provided."
})

/**
 * The edge cannot reach the provider: status 502 with an HTML page.
 *
 * @category known faults
 * @since 0.1.0
 */
export const badGateway: Fault = htmlError({ status: 502 })

/**
 * Makes the request header that picks the fault of one request, or `"none"` for a healthy answer, whatever the script
 * says.
 *
 * **Details**
 *
 * By hand the header can also hold a name: `none`, `reset`, `hangBeforeHeaders`, `hangBeforeFirstToken`, `overloaded`,
 * `serverIsOverloaded`, `serverError`, `rateLimited`, `insufficientQuota`, `invalidApiKey` or `badGateway`.
 *
 * **Example** (Picking the fault of one request)
 *
 * ```ts
 * import { Fault } from "effect-breaker/testing"
 *
 * console.log(Fault.header(Fault.stallAfter({ tokens: 2 }))) // => { "x-fault": '{"_tag":"StallAfter","tokens":2}' }
 * console.log(Fault.header("none")) // => { "x-fault": "none" }
 * ```
 *
 * @category headers
 * @since 0.1.0
 */
export const header = (fault: Fault | "none"): { readonly "x-fault": string } => ({
  "x-fault": fault === "none" ? fault : ascii(JSON.stringify(fault))
})

/**
 * Reads the value of an `x-fault` header: a name or a fault as JSON. `undefined` stands for a healthy answer.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the text is neither, or the fault breaks a rule of its constructor.
 *
 * @category headers
 * @since 0.1.0
 */
export const fromHeader = (text: string): Fault | undefined => {
  const name = text.trim()
  if (name === "none") return undefined
  if (Object.hasOwn(named, name)) return named[name]
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    throw Require.broken("x-fault", "the header", `a fault as JSON, none, ${Object.keys(named).join(", ")}`, text)
  }
  return fromJson(data)
}

/**
 * Reads a fault from plain data, such as parsed JSON, by the rules of its constructor.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the data is no fault.
 *
 * **Example** (Reading a fault from a file)
 *
 * ```ts
 * import { Fault } from "effect-breaker/testing"
 *
 * console.log(Fault.fromJson(JSON.parse(`{ "_tag": "CutAfter", "tokens": 3 }`))) // => Fault.cutAfter({ tokens: 3 })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromJson = (data: unknown): Fault => {
  if (isTagged(data)) return remake(data)
  throw Require.broken("Fault.fromJson", "a fault", `tagged with one of ${tags.join(", ")}`, data)
}

const tags: ReadonlyArray<string> = [
  "JsonError",
  "HtmlError",
  "Reset",
  "HangBeforeHeaders",
  "HangBeforeFirstToken",
  "StallAfter",
  "ErrorChunk",
  "CutAfter",
  "ResetAfter"
] satisfies ReadonlyArray<Fault["_tag"]>

// Looks at the tag only: the constructors check everything else at run time.
const isTagged = (data: unknown): data is Fault =>
  typeof data === "object" && data !== null && "_tag" in data && typeof data._tag === "string"
  && tags.includes(data._tag)

const remake = (fault: Fault): Fault => {
  switch (fault._tag) {
    case "JsonError":
      return jsonError(fault)
    case "HtmlError":
      return htmlError(fault)
    case "StallAfter":
      return stallAfter(fault)
    case "ErrorChunk":
      return errorChunk(fault)
    case "CutAfter":
      return cutAfter(fault)
    case "ResetAfter":
      return resetAfter(fault)
    case "Reset":
    case "HangBeforeHeaders":
    case "HangBeforeFirstToken":
      return { _tag: fault._tag }
  }
}

const named: Readonly<Record<string, Fault>> = {
  reset,
  hangBeforeHeaders,
  hangBeforeFirstToken,
  overloaded,
  serverIsOverloaded,
  serverError,
  rateLimited: rateLimited(),
  insufficientQuota,
  invalidApiKey,
  badGateway
}

// `const` arrow functions would not exist yet when the known faults above are made.
function codeOf(where: string, code: unknown): string | null {
  return code === undefined || code === null ? null : Require.text(where, "code", code)
}

function headersOf(where: string, headers: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  if (typeof headers !== "object") throw Require.broken(where, "headers", "an object of texts", headers)
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const sent = Require.text(where, `headers.${name}`, value)
      try {
        validateHeaderName(name)
        validateHeaderValue(name, sent)
      } catch {
        throw Require.broken(where, `headers.${name}`, "a header that HTTP can carry", sent)
      }
      return [name.toLowerCase(), sent]
    })
  )
}

// A request header carries Latin-1 only, a fault's message may be in any script.
function ascii(json: string): string {
  return json.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
}
