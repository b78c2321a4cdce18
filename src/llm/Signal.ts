/**
 * The facts about a call that went wrong, read off whatever a client, a provider or Node made of it.
 *
 * Clients wrap the same answer in many ways, and their classes change from one version to the next. So nothing here asks
 * what class an error has: it looks where status, headers, body, code and message are, through every `cause`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as ErrorBody from "./ErrorBody.ts"
import * as HttpHeaders from "./HttpHeaders.ts"
import * as RetryHint from "./RetryHint.ts"
import * as Untrusted from "./Untrusted.ts"

/**
 * The facts about a call that went wrong, the same whoever reported them.
 *
 * **Details**
 *
 * `status` is the HTTP status: the one inside the body where a gateway wrapped it. `code` and `type` are the provider's
 * own words for the problem; `codes` is all such words, the most telling first: codes of the body, then codes of the
 * socket, then the names of the errors. All of them are in lower case. `message` is the provider's text. `headers` have lower-case names.
 * `body` is parsed where it was JSON. `isStructured` says that an application answered, not a proxy at the edge.
 * `isPage` says that the body is HTML. `retryAfter` is the longest hint given. `error` is the thing itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signal {
  readonly status: number | undefined
  readonly code: string | undefined
  readonly type: string | undefined
  readonly codes: ReadonlyArray<string>
  readonly message: string | undefined
  readonly headers: HttpHeaders.HttpHeaders
  readonly body: unknown
  readonly isStructured: boolean
  readonly isPage: boolean
  readonly retryAfter: Duration.Duration | undefined
  readonly error: unknown
}

/**
 * Reads the facts off a response.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromHttp = (response: {
  readonly status: number
  readonly headers?: HttpHeaders.Input | undefined
  readonly body?: unknown
}, now?: number): Signal => {
  const body = Untrusted.content(Untrusted.get(response, "body"))
  return make({
    error: response,
    status: Untrusted.get(response, "status"),
    headers: HttpHeaders.read(Untrusted.get(response, "headers")),
    bodies: [body],
    pages: [Untrusted.get(response, "body")],
    wrappers: [],
    now
  })
}

/**
 * Reads the facts off an error, whatever it is.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromError = (error: unknown, now?: number): Signal => {
  if (typeof error === "string") {
    const bodies = [Untrusted.content(error)]
    return make({ error, status: undefined, headers: {}, bodies, pages: [error], wrappers: [], now })
  }
  const chain = causes(error)
  const headers = chain.flatMap(headersIn).map(HttpHeaders.read).find((headers) => Object.keys(headers).length > 0)
  return make({
    error,
    status: chain.flatMap(statusesIn).find(ErrorBody.isStatus),
    headers: headers ?? {},
    bodies: chain.flatMap(bodiesIn).map(Untrusted.content).filter((body) => body !== undefined),
    pages: chain.flatMap((error) => [Untrusted.get(error, "responseBody"), Untrusted.get(error, "message")]),
    wrappers: chain,
    now
  })
}

const mostCauses = 12

/** The error and what it was caused by, the outermost first; each is visited once, so a circle comes to an end. */
const causes = (error: unknown): ReadonlyArray<unknown> => {
  const found: Array<unknown> = [error]
  for (let index = 0; index < found.length && found.length < mostCauses; index++) {
    const wrapped = [
      Untrusted.get(found[index], "reason"),
      Untrusted.get(found[index], "lastError"),
      Untrusted.get(found[index], "cause"),
      Untrusted.items(Untrusted.get(found[index], "errors")).at(-1)
    ]
    for (const cause of wrapped) {
      if ((Untrusted.isObject(cause) || typeof cause === "string") && !found.includes(cause)) found.push(cause)
    }
  }
  // A reason that is a word, as in `RetryError.reason`, is a code and not an error.
  return found.filter((cause, index) => index === 0 || Untrusted.isObject(cause) || /[\s{]/.test(cause as string))
}

const statusesIn = (error: unknown): ReadonlyArray<unknown> => [
  Untrusted.get(error, "status"),
  Untrusted.get(error, "statusCode"),
  Untrusted.at(error, "response", "status"),
  Untrusted.at(error, "http", "response", "status"),
  Untrusted.at(error, "$metadata", "httpStatusCode")
]

const headersIn = (error: unknown): ReadonlyArray<unknown> => [
  Untrusted.get(error, "headers"),
  Untrusted.get(error, "responseHeaders"),
  Untrusted.at(error, "response", "headers"),
  Untrusted.at(error, "http", "response", "headers")
]

const bodiesIn = (error: unknown): ReadonlyArray<unknown> => [
  // What was never thrown is no error but the provider's data, as streams hand it over
  Untrusted.get(error, "stack") === undefined ? error : undefined,
  Untrusted.get(error, "responseBody"),
  Untrusted.at(error, "http", "body"),
  Untrusted.at(error, "response", "data"),
  Untrusted.get(error, "data"),
  Untrusted.get(error, "body"),
  Untrusted.get(error, "error"),
  jsonIn(Untrusted.textAt(error, "message"))
]

// `@google/genai` has the whole body for its message, others put the status in front of it.
const jsonIn = (message: string | undefined): unknown => {
  const start = message?.indexOf("{") ?? -1
  if (message === undefined || start < 0 || start > 64) return undefined
  const body = Untrusted.content(message.slice(start))
  return Untrusted.isObject(body) ? body : undefined
}

// These say of themselves only that something went wrong.
const wrapperNames: ReadonlyArray<unknown> = ["UnknownError", "AI_RetryError", "AiError"]

interface Facts {
  readonly error: unknown
  readonly status: unknown
  readonly headers: HttpHeaders.HttpHeaders
  readonly bodies: ReadonlyArray<unknown>
  /** Where a page may be, however long it is. */
  readonly pages: ReadonlyArray<unknown>
  readonly wrappers: ReadonlyArray<unknown>
  readonly now: number | undefined
}

const make = ({ bodies, error, headers, now, pages, status, wrappers }: Facts): Signal => {
  const answers = bodies.flatMap(ErrorBody.layers)
  const told = [...codesIn(headers), ...answers.flatMap(ErrorBody.codes)]
  const metadata = wrappers.flatMap((wrapper) => {
    const record = Untrusted.get(wrapper, "metadata")
    return Untrusted.keys(record).flatMap((provider) => ErrorBody.codes(Untrusted.get(record, provider)))
  })
  const names = wrappers.flatMap(namesIn)
  const coded = [...told, ...metadata, ...wrappers.flatMap(ErrorBody.codes)]
  const texts = [
    ...answers.map(ErrorBody.message),
    ...bodies.map(Untrusted.text),
    ...wrappers.filter((wrapper, index) => !isWrapper(wrapper) || index === wrappers.length - 1).map(ErrorBody.message),
    ...wrappers.map(Untrusted.text)
  ].filter((text) => text !== undefined)
  const words = texts.filter((text) => !Untrusted.isPage(text))
  const inner = answers.map(ErrorBody.status).find((status) => status !== undefined)
  const types = [...answers, ...wrappers].map((holder) => Untrusted.textAt(holder, "type")?.toLowerCase())
  const hint = RetryHint.read({ headers, bodies: [...bodies, ...wrappers], texts: words, now })
  return {
    error,
    status: inner ?? (ErrorBody.isStatus(status) ? status : wrappers.map(ErrorBody.status).find((status) => status)),
    code: coded.find((code) => !types.includes(code)),
    type: types.find((type) => type !== undefined && type !== "error"),
    codes: [...new Set([...coded, ...names])].slice(0, 64),
    // of what is too long to read, the beginning: nobody else should have to cut it, or to look for keys in it
    message: words[0] ?? (texts.length > 0 || status !== undefined ? undefined : beginning(pages)),
    headers,
    body: bodies[0],
    isStructured: told.length > 0 || answers.some((answer) => ErrorBody.message(answer) !== undefined),
    isPage: [...texts, ...pages].some(Untrusted.isPage),
    retryAfter: longest([hint, ...wrappers.flatMap((wrapper) => waitsIn(wrapper, RetryHint.instantOf(now, headers)))])
  }
}

const beginning = (pages: ReadonlyArray<unknown>): string | undefined => {
  const text = pages.find((page): page is string => typeof page === "string" && page !== "")
  return text === undefined || Untrusted.isPage(text) ? undefined : text.slice(0, 2048)
}

// Amazon names the error, Azure the reason for a 429.
const codesIn = (headers: HttpHeaders.HttpHeaders): ReadonlyArray<string> =>
  [headers["x-ms-throttle-reason"], headers["x-amzn-errortype"]?.split(":")[0]]
    .filter((code) => code !== undefined && code !== "")
    .map((code) => code!.toLowerCase())

const namesIn = (error: unknown): ReadonlyArray<string> =>
  [
    Untrusted.textAt(error, "_tag"),
    Untrusted.textAt(error, "name"),
    Untrusted.get(error, "isBrokenCircuitError") === true ? "BrokenCircuitError" : undefined
  ].filter((name) => name !== undefined && name !== "Error" && name.length <= 128).map((name) => name!.toLowerCase())

const isWrapper = (error: unknown): boolean =>
  wrapperNames.includes(Untrusted.get(error, "_tag")) || wrapperNames.includes(Untrusted.get(error, "name"))

// Effect's own errors carry the hint decoded: a duration, or the instant when a quota is back.
const waitsIn = (error: unknown, now: number | undefined): ReadonlyArray<Duration.Duration | undefined> => {
  const wait = Untrusted.get(error, "retryAfter")
  const back = Untrusted.at(error, "resetAt", "epochMilliseconds")
  return [
    isDuration(wait) ? wait : undefined,
    typeof back === "number" && now !== undefined && back >= now ? Duration.millis(back - now) : undefined
  ]
}

const isDuration = (value: unknown): value is Duration.Duration => {
  try {
    return Duration.isDuration(value) && Duration.toMillis(value) >= 0
  } catch {
    return false
  }
}

const longest = (waits: ReadonlyArray<Duration.Duration | undefined>): Duration.Duration | undefined =>
  waits.filter((wait) => wait !== undefined && Duration.isLessThanOrEqualTo(wait, Duration.days(31)))
    .reduce((longest, wait) => longest === undefined ? wait : Duration.max(longest, wait!), undefined)
