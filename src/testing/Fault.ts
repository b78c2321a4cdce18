/**
 * What can be wrong with one answer of a provider, as plain data.
 *
 * A fault is a tagged object that fits in JSON, so it can stand in a script, in a file or in the `x-fault` header of a
 * request. The constructors check what they are given. What a fault does to the bytes on the wire is decided by the wire
 * format it is applied to. `OpenAiFault` and `AnthropicFault` have the errors of these providers ready-made; those that
 * tests need most are found here too.
 *
 * **Gotchas**
 *
 * - Where a fault counts tokens, `0` means that the headers are sent and no byte of the body; from `1` on, the body's
 *   opening goes out too. A count beyond the length of the answer means all of its tokens, and still no proper end.
 * - An answer that is not streamed has a body too: `cutAfter` leaves half a JSON document, `stallAfter` never ends it.
 *
 * @since 0.1.0
 */
import type { EmptyAnswer, EndsBy, InvalidJson } from "./AnswerFault.ts"
import { emptyAnswer, endsBy, invalidJson } from "./AnswerFault.ts"
import * as AnthropicFault from "./AnthropicFault.ts"
import * as Delivery from "./DeliveryFault.ts"
import type { ErrorBody, ErrorChunk, HtmlError, JsonError } from "./ErrorFault.ts"
import { errorBody, errorChunk, htmlError, jsonError } from "./ErrorFault.ts"
import * as OpenAiFault from "./OpenAiFault.ts"
import * as Require from "./Require.ts"

export * from "./AnswerFault.ts"
export { overloaded } from "./AnthropicFault.ts"
export * from "./DeliveryFault.ts"
export * from "./ErrorFault.ts"
export type { Format as HintFormat, Hint } from "./Hint.ts"
export { insufficientQuota, invalidApiKey, rateLimited, serverError, serverIsOverloaded } from "./OpenAiFault.ts"

/**
 * Everything that can be wrong with one answer.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | JsonError
  | HtmlError
  | ErrorChunk
  | ErrorBody
  | Delivery.Reset
  | Delivery.HangBeforeHeaders
  | Delivery.HangBeforeFirstToken
  | Delivery.OnlyKeepAlive
  | Delivery.StallAfter
  | Delivery.SlowDrip
  | Delivery.CutAfter
  | Delivery.ResetAfter
  | Delivery.Malformed
  | Delivery.Duplicated
  | Delivery.LateAnswer
  | EmptyAnswer
  | EndsBy
  | InvalidJson

/**
 * The edge cannot reach the provider: status 502 with an HTML page.
 *
 * @category known faults
 * @since 0.1.0
 */
export const badGateway: HtmlError = htmlError({ status: 502 })

/**
 * Status 200 and not one byte.
 *
 * @category known faults
 * @since 0.1.0
 */
export const emptyBody: Delivery.CutAfter = Delivery.cutAfter({ tokens: 0 })

/**
 * Makes the request header that picks the fault of one request, or `"none"` for a healthy answer, whatever the script
 * says. The provider must be made with `allowHeader`.
 *
 * **Details**
 *
 * By hand the header can also hold the name of a ready-made fault: those of this module, such as `overloaded`, `reset`
 * or `emptyAnswer`, and those of the providers with their name before them, such as `openai.slowDown` or
 * `anthropic.billing`. A name that no fault has is answered with a list of them all.
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
    throw Require.broken("x-fault", "the header", `a fault as JSON, none, ${names.join(", ")}`, text)
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
  throw Require.broken("Fault.fromJson", "a fault", `tagged with one of ${Object.keys(tags).join(", ")}`, data)
}

/**
 * Gives the ready-made fault of this name: one of this module, such as `overloaded`, `reset` or `cut`, or one of a provider
 * with its name before it, such as `openai.slowDown`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that lists them all when there is none of this name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromName = (name: string): Fault => {
  if (Object.hasOwn(named, name)) return named[name]!
  throw Require.broken("Fault.fromName", "a fault", `one of ${names.join(", ")}`, name)
}

const tags: Readonly<Record<Fault["_tag"], true>> = {
  JsonError: true,
  HtmlError: true,
  ErrorChunk: true,
  ErrorBody: true,
  Reset: true,
  HangBeforeHeaders: true,
  HangBeforeFirstToken: true,
  OnlyKeepAlive: true,
  StallAfter: true,
  SlowDrip: true,
  CutAfter: true,
  ResetAfter: true,
  Malformed: true,
  Duplicated: true,
  LateAnswer: true,
  EmptyAnswer: true,
  EndsBy: true,
  InvalidJson: true
}

// Looks at the tag only: the constructors check everything else at run time.
const isTagged = (data: unknown): data is Fault =>
  Require.isRecord(data) && typeof data["_tag"] === "string" && Object.hasOwn(tags, data["_tag"])

const remake = (fault: Fault): Fault => {
  switch (fault._tag) {
    case "JsonError":
      return jsonError(fault)
    case "HtmlError":
      return htmlError(fault)
    case "ErrorChunk":
      return errorChunk(fault)
    case "ErrorBody":
      return errorBody(fault)
    case "OnlyKeepAlive":
      return Delivery.onlyKeepAlive(fault)
    case "StallAfter":
      return Delivery.stallAfter(fault)
    case "SlowDrip":
      return Delivery.slowDrip(fault)
    case "CutAfter":
      return Delivery.cutAfter(fault)
    case "ResetAfter":
      return Delivery.resetAfter(fault)
    case "Malformed":
      return Delivery.malformed(fault)
    case "Duplicated":
      return Delivery.duplicated(fault)
    case "LateAnswer":
      return Delivery.lateAnswer(fault)
    case "EndsBy":
      return endsBy(fault)
    case "Reset":
    case "HangBeforeHeaders":
    case "HangBeforeFirstToken":
    case "EmptyAnswer":
    case "InvalidJson":
      return { _tag: fault._tag }
  }
}

/** The faults of a module that need no more to be told, under the names they are exported by. */
const readyMade = (module: Readonly<Record<string, unknown>>, prefix = ""): Readonly<Record<string, Fault>> =>
  Object.fromEntries(
    Object.entries(module).flatMap(([name, value]) => isTagged(value) ? [[`${prefix}${name}`, value]] : [])
  )

const named: Readonly<Record<string, Fault>> = {
  ...readyMade(Delivery),
  ...readyMade(OpenAiFault, "openai."),
  ...readyMade(AnthropicFault, "anthropic."),
  ...readyMade({ emptyAnswer, invalidJson, badGateway, emptyBody }),
  ...readyMade({ overloaded: AnthropicFault.overloaded, rateLimited: OpenAiFault.rateLimited() }),
  ...readyMade({
    insufficientQuota: OpenAiFault.insufficientQuota,
    invalidApiKey: OpenAiFault.invalidApiKey,
    serverError: OpenAiFault.serverError,
    serverIsOverloaded: OpenAiFault.serverIsOverloaded
  }),
  "openai.rateLimited": OpenAiFault.rateLimited(),
  "anthropic.rateLimited": AnthropicFault.rateLimited(),
  onlyKeepAlive: Delivery.onlyKeepAlive(),
  slowDrip: Delivery.slowDrip({ tokensPerSecond: 1 }),
  truncatedJson: Delivery.cutAfter({ tokens: 3 }),
  malformed: Delivery.malformed(),
  duplicated: Delivery.duplicated(),
  errorBody: errorBody(),
  errorFirst: errorChunk({ after: 0 }),
  errorLater: errorChunk({ after: 3 }),
  cut: Delivery.cutAfter({ tokens: 3 }),
  stall: Delivery.stallAfter({ tokens: 3 }),
  breakOff: Delivery.resetAfter({ tokens: 3 }),
  length: endsBy({ reason: "length" }),
  contentFilter: endsBy({ reason: "content-filter" }),
  refusal: endsBy({ reason: "refusal" }),
  finishError: endsBy({ reason: "error" })
}

const names = Object.keys(named)

// A request header carries Latin-1 only, a fault's message may be in any script.
const ascii = (json: string): string =>
  json.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
