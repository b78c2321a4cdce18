/**
 * What the server does to answer one request, step by step, as plain data: a wire format's body with a fault applied.
 *
 * @since 0.1.0
 */
import * as Match from "effect/Match"
import { STATUS_CODES } from "node:http"
import type * as Fault from "./Fault.ts"
import * as Hint from "./Hint.ts"
import * as Speech from "./Speech.ts"
import type * as WireFormat from "./WireFormat.ts"

/** How an answer ended, seen from the server. */
export type Ending = "complete" | "cut" | "reset"

/** One thing the server does. */
export type Step =
  /** Waits, and meanwhile sends signs of life. */
  | { readonly _tag: "Wait"; readonly millis: number; readonly alive?: Alive | undefined }
  | { readonly _tag: "Head"; readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly _tag: "Write"; readonly text: string; readonly tokens: number }
  /** Ends the body in good order. */
  | { readonly _tag: "Finish"; readonly ending: "complete" | "cut" }
  /** Sends a whole response that nobody asked for, after the end of the one that was. */
  | { readonly _tag: "Again"; readonly response: string; readonly tokens: number }
  /** Breaks the connection in the middle of the answer, by a TCP reset or by closing it. */
  | { readonly _tag: "Break"; readonly by: "reset" | "close" }
  | { readonly _tag: "Hang"; readonly alive?: Alive | undefined }

/** A sign of life, and the milliseconds from one to the next. */
export interface Alive {
  readonly every: number
  readonly text: string
}

/** How fast the provider is, in milliseconds, and how often a waiting stream shows a sign of life. */
export interface Pace {
  readonly latency: number
  readonly tokenEvery: number
  readonly keepAlive?: number | undefined
}

/** A request that the format understood, and all that its answer depends on. */
export interface Call {
  readonly format: WireFormat.WireFormat
  readonly identity: WireFormat.Identity
  readonly request: WireFormat.Accepted
  readonly given: Speech.Given
  readonly pace: Pace
  readonly fault: Fault.Fault | undefined
  /** Unix time in milliseconds. */
  readonly now: number
}

/** The answer to such a request. */
export const answer = (asked: Call): ReadonlyArray<Step> => {
  const { fault } = asked
  const call = fault?._tag === "SlowDrip"
    ? { ...asked, pace: { ...asked.pace, tokenEvery: 1000 / fault.tokensPerSecond } }
    : asked
  const { format, identity, pace, request } = call
  const body = request.body(spokenUnder(fault, Speech.say(call.given, request.wants)))
  const healthy = (): ReadonlyArray<Step> => [
    ...spoken(call, body, Infinity),
    ...write(body.closing),
    finish("complete")
  ]
  if (fault === undefined) return healthy()
  return Match.valueTags(fault, {
    JsonError: (fault) => [
      ...wait(pace.latency),
      ...failure(format, identity, fault, pace.latency, fault.headers, hintOf(fault, call.now + pace.latency))
    ],
    HtmlError: (fault) => [...wait(pace.latency), ...edgePage(fault)],
    ErrorChunk: (fault) =>
      request.stream
        ? [...spoken(call, body, fault.after), ...write(body.failing(fault, fault.after, fault.shape)), finish("cut")]
        : [...spoken(call, body, 0), ...write(format.error(fault, 500, identity)), finish("complete")],
    ErrorBody: (fault) => [
      ...wait(pace.latency),
      head(call, pace.latency, json),
      ...write(format.error(fault, 500, identity)),
      finish("complete")
    ],
    Reset: () => [...wait(pace.latency), snap("reset")],
    HangBeforeHeaders: () => [hang],
    HangBeforeFirstToken: () => [...spoken(call, body, 0), hang],
    OnlyKeepAlive: ({ after, every }) => {
      const text = request.stream ? format.keepAlive : "\n"
      return [...spoken(call, body, after), ...write(text), aliveFor(every, text)]
    },
    StallAfter: ({ tokens }) => [...spoken(call, body, tokens), hang],
    SlowDrip: healthy,
    CutAfter: ({ tokens }) => [...spoken(call, body, tokens), finish("cut")],
    ResetAfter: ({ by, tokens }) => [...spoken(call, body, tokens), snap(by)],
    Malformed: ({ after }) => malformed(call, body, after),
    Duplicated: ({ unit }) => duplicated(call, body, unit),
    LateAnswer: ({ after }) => [...wait(after), ...healthy()],
    EmptyAnswer: healthy,
    EndsBy: healthy,
    InvalidJson: healthy
  })
}

/** The answer to a request that the format refuses. */
export const refusal = (
  dialect: WireFormat.Dialect,
  identity: WireFormat.Identity,
  refused: WireFormat.Refused
): ReadonlyArray<Step> => failure(dialect, identity, { ...refused.error, status: refused.status }, 0, {}, Hint.nothing)

/** What the model says under a fault of its answer. */
const spokenUnder = (fault: Fault.Fault | undefined, speech: Speech.Speech): Speech.Speech => {
  if (fault?._tag === "EmptyAnswer") return { ...speech, words: [], toolCalls: [] }
  if (fault?._tag === "EndsBy") return { ...Speech.upTo(speech, fault.after ?? Infinity), ending: fault.reason }
  return fault?._tag === "InvalidJson" ? { ...speech, words: brokenJson, toolCalls: [] } : speech
}

const brokenJson = Speech.split(`{ "answer": "This looks like JSON, "and": it is none`)

/** Status 200, and the body as far as `count` tokens: of zero tokens not even its opening. */
const spoken = (call: Call, body: WireFormat.Body, count: number): ReadonlyArray<Step> => {
  const { pace, request } = call
  const opening = count === 0 ? "" : body.opening
  const tokens = body.tokens.slice(0, count)
  if (!request.stream) {
    // A plain answer is sent when all of it is known, so its tokens take their time before the headers.
    const silence = pace.latency + tokens.length * pace.tokenEvery
    return [...wait(silence), head(call, silence, json), ...write(opening + tokens.join(""), tokens.length)]
  }
  const alive = aliveOf(call)
  const said = streamedTokens(call, tokens)
  return alive === undefined
    ? [...wait(pace.latency), head(call, pace.latency, events), ...write(opening), ...said]
    : [head(call, 0, events), ...wait(pace.latency, alive), ...write(opening), ...said]
}

const streamedTokens = (call: Call, tokens: ReadonlyArray<string>): ReadonlyArray<Step> => {
  const pause = wait(call.pace.tokenEvery, aliveOf(call))
  return tokens.flatMap((token) => pause.concat(write(token, 1)))
}

/** The whole body with one broken piece: the event after so many tokens, or the first member of a plain answer. */
const malformed = (call: Call, body: WireFormat.Body, after: number): ReadonlyArray<Step> => {
  const { opening, tokens } = body
  if (!call.request.stream) {
    const broken = { ...body, opening: opening.replace(":", "") }
    return [...spoken(call, broken, Infinity), ...write(body.closing), finish("complete")]
  }
  const position = Math.min(after, tokens.length)
  const broken = position === 0
    ? { ...body, opening: withoutLastBrace(opening) }
    : { ...body, tokens: tokens.map((token, index) => index === position ? withoutLastBrace(token) : token) }
  const closing = position === tokens.length ? withoutLastBrace(body.closing) : body.closing
  return [...spoken(call, broken, Infinity), ...write(closing), finish("complete")]
}

const withoutLastBrace = (text: string): string => {
  const at = text.lastIndexOf("}")
  return text.slice(0, at) + text.slice(at + 1)
}

const duplicated = (call: Call, body: WireFormat.Body, unit: "token" | "answer"): ReadonlyArray<Step> => {
  if (!call.request.stream) {
    const whole = body.opening + body.tokens.join("") + body.closing
    return [
      ...spoken(call, body, Infinity),
      ...write(body.closing),
      finish("complete"),
      { _tag: "Again", response: rawResponse(headersOf(call, 0, json), whole), tokens: body.tokens.length }
    ]
  }
  const twice = unit === "token" ? { ...body, tokens: body.tokens.flatMap((token) => [token, lastEvent(token)]) } : body
  const again = unit === "token" ? [] : [
    ...write(body.opening),
    ...streamedTokens(call, body.tokens),
    ...write(body.closing)
  ]
  return [...spoken(call, twice, Infinity), ...write(body.closing), ...again, finish("complete")]
}

/** The event of a token without those before it that open something. */
const lastEvent = (token: string): string => {
  const gap = token.lastIndexOf("\n\n", token.length - 3)
  return gap < 0 ? token : token.slice(gap + 2)
}

const rawResponse = (headers: Readonly<Record<string, string>>, body: string): string => {
  const lines = Object.entries({ ...headers, "content-length": String(Buffer.byteLength(body)) })
  return `HTTP/1.1 200 OK\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`
}

const json = "application/json"
const events = "text/event-stream; charset=utf-8"

const head = (call: Call, processing: number, contentType: string): Step => ({
  _tag: "Head",
  status: 200,
  headers: headersOf(call, processing, contentType)
})

const headersOf = (
  { fault, format, identity, request }: Call,
  processing: number,
  contentType: string
): Readonly<Record<string, string>> => ({
  ...format.headers(identity, processing),
  "content-type": contentType,
  ...(endsEarly(request, fault) ? { connection: "close" } : {})
})

const failure = (
  dialect: WireFormat.Dialect,
  identity: WireFormat.Identity,
  error: WireFormat.ApiError & { readonly status: number },
  elapsed: number,
  headers: Readonly<Record<string, string>>,
  hint: Hint.Written
): ReadonlyArray<Step> => {
  const hinted = { ...error, message: error.message + hint.words, fields: { ...error.fields, ...hint.fields } }
  return [
    {
      _tag: "Head",
      status: error.status,
      headers: { ...dialect.headers(identity, elapsed), "content-type": json, ...hint.headers, ...headers }
    },
    ...write(dialect.error(hinted, error.status, identity)),
    finish("complete")
  ]
}

const hintOf = ({ hint }: Fault.JsonError, now: number): Hint.Written =>
  hint === undefined ? Hint.nothing : Hint.write(hint, now)

const edgePage = ({ headers, status }: Fault.HtmlError): ReadonlyArray<Step> => {
  const title = `${status} ${STATUS_CODES[status] ?? edgeReasons[status] ?? "Error"}`
  const page = `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n`
    + `<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n`
  return [
    { _tag: "Head", status, headers: { "content-type": "text/html; charset=UTF-8", server: "cloudflare", ...headers } },
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

const aliveOf = ({ format, pace, request }: Call): Alive | undefined =>
  request.stream && pace.keepAlive !== undefined ? { every: pace.keepAlive, text: format.keepAlive } : undefined

const wait = (millis: number, alive?: Alive): ReadonlyArray<Step> => millis > 0 ? [{ _tag: "Wait", millis, alive }] : []

const write = (text: string, tokens = 0): ReadonlyArray<Step> => text === "" ? [] : [{ _tag: "Write", text, tokens }]

const finish = (ending: "complete" | "cut"): Step => ({ _tag: "Finish", ending })

const snap = (by: "reset" | "close"): Step => ({ _tag: "Break", by })

const hang: Step = { _tag: "Hang" }

const aliveFor = (every: number, text: string): Step => ({ _tag: "Hang", alive: { every, text } })
