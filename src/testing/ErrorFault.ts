/**
 * Faults that answer with an error: as a status, or inside a status of 200.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import { validateHeaderName, validateHeaderValue } from "node:http"
import * as Hint from "./Hint.ts"
import * as Require from "./Require.ts"
import type * as WireFormat from "./WireFormat.ts"

/**
 * An HTTP error with a JSON body in the shape of the format that was asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface JsonError {
  readonly _tag: "JsonError"
  readonly status: number
  readonly type?: string
  readonly code: string | null
  readonly message: string
  readonly headers: Readonly<Record<string, string>>
  readonly fields?: Readonly<Record<string, unknown>>
  readonly hint?: Hint.Hint
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
  readonly headers: Readonly<Record<string, string>>
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
  readonly type?: string
  readonly code: string | null
  readonly message: string
  readonly shape: WireFormat.ErrorShape
}

/**
 * A JSON body with an error object and status 200, even where a stream was asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErrorBody {
  readonly _tag: "ErrorBody"
  readonly type?: string
  readonly code: string | null
  readonly message: string
}

/**
 * Makes an HTTP error with a JSON body.
 *
 * **Details**
 *
 * The body has the shape of the format that was asked. So has `type`, unless given: a status of 500 is a
 * `"server_error"` for OpenAI and an `"api_error"` for Anthropic. `code` is null unless given; Anthropic has no codes
 * and gets none. `headers` are added to the provider's usual ones and win over them. `fields` are further fields of the
 * error object, such as Anthropic's `details`. `hint` says when to come back, in one of the many ways of `HintFormat`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `status` is no whole number from 400 to 599, a header cannot be sent, or the hint is no
 * known one.
 *
 * **Example** (A retired model)
 *
 * ```ts
 * import { Fault } from "effect-breaker/testing"
 *
 * const fault = Fault.jsonError({ status: 404, code: "model_not_found", message: "The model is retired." })
 * console.log(fault.code) // => "model_not_found"
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
  readonly fields?: Readonly<Record<string, unknown>> | undefined
  readonly hint?: { readonly format: Hint.Format; readonly after: Duration.Input } | undefined
}): JsonError => {
  const where = "Fault.jsonError"
  const status = Require.whole(where, "status", options.status, 400, 599)
  const { fields, hint } = options
  return {
    _tag: "JsonError",
    status,
    ...typeOf(where, options.type),
    code: codeOf(where, options.code),
    message: Require.text(where, "message", options.message ?? `The fake provider answers with status ${status}.`),
    headers: headersOf(where, options.headers),
    ...(fields === undefined ? {} : { fields: Require.record(where, "fields", fields) }),
    ...(hint === undefined ? {} : { hint: Hint.check(where, hint) })
  }
}

/**
 * Makes an HTTP error from the edge in front of the provider, with an HTML page as its body.
 *
 * **Details**
 *
 * `status` is 502 unless given. Providers behind Cloudflare also send 504 and 520 to 524 this way, at times with a
 * `retry-after` among the `headers`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `status` is no whole number from 400 to 599, or a header cannot be sent.
 *
 * @category constructors
 * @since 0.1.0
 */
export const htmlError = (options?: {
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}): HtmlError => ({
  _tag: "HtmlError",
  status: Require.whole("Fault.htmlError", "status", options?.status ?? 502, 400, 599),
  headers: headersOf("Fault.htmlError", options?.headers)
})

/**
 * Makes an error object inside status 200.
 *
 * **Details**
 *
 * A stream sends it as one event after `after` tokens and ends without its proper last event; with `after: 0` it is the
 * first event. A plain answer has it as its whole body, whatever `after` says. `type` is the format's word for a fault
 * of the server and `code` null unless given.
 *
 * `shape` matters to OpenAI's responses only: `"flat"` is the event as documented, `"nested"`, the default, has its
 * error one level down and is followed by `response.failed`, as captured from the real provider.
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
  readonly shape?: WireFormat.ErrorShape | undefined
}): ErrorChunk => {
  const where = "Fault.errorChunk"
  return {
    _tag: "ErrorChunk",
    after: Require.whole(where, "after", options.after, 0),
    ...typeOf(where, options.type),
    code: codeOf(where, options.code),
    message: Require.text(where, "message", options.message ?? brokenInside),
    shape: Require.oneOf(where, "shape", options.shape ?? "nested", ["flat", "nested"])
  }
}

/**
 * Makes a JSON body with an error object and status 200, even where a stream was asked for, as gateways send it whose
 * own provider failed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const errorBody = (options?: {
  readonly type?: string | undefined
  readonly code?: string | null | undefined
  readonly message?: string | undefined
}): ErrorBody => {
  const where = "Fault.errorBody"
  return {
    _tag: "ErrorBody",
    ...typeOf(where, options?.type),
    code: codeOf(where, options?.code),
    message: Require.text(where, "message", options?.message ?? "The provider behind this gateway returned an error.")
  }
}

const brokenInside = "The server had an error while processing your request."

const typeOf = (where: string, type: unknown): { readonly type?: string } =>
  type === undefined ? {} : { type: Require.text(where, "type", type) }

const codeOf = (where: string, code: unknown): string | null =>
  code === undefined || code === null ? null : Require.text(where, "code", code)

const headersOf = (where: string, headers: unknown): Readonly<Record<string, string>> => {
  if (headers === undefined) return {}
  return Object.fromEntries(
    Object.entries(Require.record(where, "headers", headers)).map(([name, value]) => {
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
