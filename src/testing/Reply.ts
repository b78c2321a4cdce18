/**
 * What the server does to answer one request, step by step, as plain data: a wire format's body with a fault applied.
 *
 * @since 0.1.0
 */
import * as Match from "effect/Match"
import { STATUS_CODES } from "node:http"
import type * as Fault from "./Fault.ts"
import type * as WireFormat from "./WireFormat.ts"

/** How an answer ended, seen from the server. */
export type Ending = "complete" | "cut" | "reset"

/** One thing the server does. */
export type Step =
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "Head"; readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly _tag: "Write"; readonly text: string; readonly tokens: number }
  /** Ends the body in good order. */
  | { readonly _tag: "Finish"; readonly ending: "complete" | "cut" }
  /** Breaks the connection in the middle of the answer, by a TCP reset or by closing it. */
  | { readonly _tag: "Break"; readonly by: "reset" | "close" }
  | { readonly _tag: "Hang" }

/** How fast the provider is, in milliseconds. */
export interface Pace {
  readonly latency: number
  readonly tokenEvery: number
}

/** A request that the format understood, and all that its answer depends on. */
export interface Call {
  readonly format: WireFormat.WireFormat
  readonly identity: WireFormat.Identity
  readonly request: WireFormat.Accepted
  readonly words: ReadonlyArray<string>
  readonly pace: Pace
  readonly fault: Fault.Fault | undefined
}

/** The answer to such a request. */
export const answer = (call: Call): ReadonlyArray<Step> => {
  const { fault, format, identity, pace, request } = call
  const body = request.body(call.words)
  if (fault === undefined) return [...spoken(call, body, Infinity), ...write(body.closing), finish("complete")]
  return Match.valueTags(fault, {
    JsonError: (fault) => [
      ...wait(pace.latency),
      ...failure(format, identity, fault.status, withoutParam(fault), pace.latency, fault.headers)
    ],
    HtmlError: ({ status }) => [...wait(pace.latency), ...edgePage(status)],
    Reset: () => [...wait(pace.latency), snap("reset")],
    HangBeforeHeaders: () => [hang],
    HangBeforeFirstToken: () => [...spoken(call, body, 0), hang],
    StallAfter: ({ tokens }) => [...spoken(call, body, tokens), hang],
    ErrorChunk: (fault) =>
      request.stream
        ? [...spoken(call, body, fault.after), ...write(format.errorEvent(withoutParam(fault))), finish("cut")]
        : [...spoken(call, body, 0), ...write(format.error(withoutParam(fault))), finish("complete")],
    CutAfter: ({ tokens }) => [...spoken(call, body, tokens), finish("cut")],
    // A TCP reset could overtake tokens that the client has not read yet; a plain close cannot.
    ResetAfter: ({ tokens }) => [...spoken(call, body, tokens), snap("close")]
  })
}

/** The answer to a request that the format refuses. */
export const refusal = (
  format: Pick<WireFormat.WireFormat, "error" | "headers">,
  identity: WireFormat.Identity,
  refused: WireFormat.Refused
): ReadonlyArray<Step> => failure(format, identity, refused.status, refused.error, 0, {})

/** Status 200, and the body as far as `count` tokens: of zero tokens not even its opening. */
const spoken = (call: Call, body: WireFormat.Body, count: number): ReadonlyArray<Step> => {
  const { fault, format, identity, pace, request } = call
  const opening = count === 0 ? "" : body.opening
  const tokens = body.tokens.slice(0, count)
  // A plain answer is sent when all of it is known, so its tokens take their time before the headers.
  const silence = pace.latency + (request.stream ? 0 : tokens.length * pace.tokenEvery)
  const head: Step = {
    _tag: "Head",
    status: 200,
    headers: {
      ...format.headers(identity, silence),
      "content-type": request.stream ? "text/event-stream; charset=utf-8" : "application/json",
      ...(endsEarly(request, fault) ? { connection: "close" } : {})
    }
  }
  const said = request.stream
    ? [...write(opening), ...tokens.flatMap((token) => [...wait(pace.tokenEvery), ...write(token, 1)])]
    : write(opening + tokens.join(""), tokens.length)
  return [...wait(silence), head, ...said]
}

const failure = (
  format: Pick<WireFormat.WireFormat, "error" | "headers">,
  identity: WireFormat.Identity,
  status: number,
  error: WireFormat.ApiError,
  elapsed: number,
  headers: Readonly<Record<string, string>>
): ReadonlyArray<Step> => [
  {
    _tag: "Head",
    status,
    headers: { ...format.headers(identity, elapsed), "content-type": "application/json", ...headers }
  },
  ...write(format.error(error)),
  finish("complete")
]

const edgePage = (status: number): ReadonlyArray<Step> => {
  const title = `${status} ${STATUS_CODES[status] ?? edgeReasons[status] ?? "Error"}`
  const page = `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n`
    + `<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n`
  return [
    { _tag: "Head", status, headers: { "content-type": "text/html; charset=UTF-8", server: "cloudflare" } },
    ...write(page),
    finish("complete")
  ]
}

const edgeReasons: Readonly<Record<number, string>> = {
  520: "Web server is returning an unknown error",
  521: "Web server is down",
  522: "Connection timed out",
  523: "Origin is unreachable",
  524: "A timeout occurred"
}

const endsEarly = (request: WireFormat.Accepted, fault: Fault.Fault | undefined): boolean =>
  fault?._tag === "CutAfter" || (request.stream && fault?._tag === "ErrorChunk")

const withoutParam = ({ code, message, type }: Fault.JsonError | Fault.ErrorChunk): WireFormat.ApiError => ({
  message,
  type,
  code,
  param: null
})

const wait = (millis: number): ReadonlyArray<Step> => millis > 0 ? [{ _tag: "Wait", millis }] : []

const write = (text: string, tokens = 0): ReadonlyArray<Step> => text === "" ? [] : [{ _tag: "Write", text, tokens }]

const finish = (ending: "complete" | "cut"): Step => ({ _tag: "Finish", ending })

const snap = (by: "reset" | "close"): Step => ({ _tag: "Break", by })

const hang: Step = { _tag: "Hang" }
