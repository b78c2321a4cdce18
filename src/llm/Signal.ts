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
  const body = Untrusted.get(response, "body")
  const facts = start(HttpHeaders.read(Untrusted.get(response, "headers")))
  facts.status = Untrusted.get(response, "status")
  addBody(facts, Untrusted.content(body))
  facts.pages.push(body)
  return signalOf(response, facts, nothing, now)
}

/**
 * Reads the facts off an error, whatever it is.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromError = (error: unknown, now?: number): Signal => {
  if (typeof error === "string") {
    const facts = start({})
    addBody(facts, Untrusted.content(error))
    facts.pages.push(error)
    return signalOf(error, facts, nothing, now)
  }
  const chain = causes(error)
  const facts = start(headersOf(chain))
  for (const link of chain) {
    facts.status ??= statusOf(link)
    addBodies(facts, link)
    facts.pages.push(Untrusted.get(link, "responseBody"), Untrusted.get(link, "message"))
  }
  return signalOf(error, facts, chain, now)
}

const nothing: ReadonlyArray<never> = []

/** What has been gathered so far. */
interface Facts {
  status: unknown
  readonly headers: HttpHeaders.HttpHeaders
  readonly codes: Array<string>
  readonly bodies: Array<unknown>
  /** The objects in the bodies that may describe the error. */
  readonly answers: Array<unknown>
  /** Where a page may be, however long it is. */
  readonly pages: Array<unknown>
}

const start = (headers: HttpHeaders.HttpHeaders): Facts => {
  const codes: Array<string> = []
  // Amazon names the error, Azure the reason for a 429.
  ErrorBody.addCode(headers["x-ms-throttle-reason"], codes)
  ErrorBody.addCode(headers["x-amzn-errortype"]?.split(":")[0], codes)
  return { status: undefined, headers, codes, bodies: [], answers: [], pages: [] }
}

const mostCauses = 12

/** The error and what it was caused by, the outermost first; each is visited once, so a circle comes to an end. */
const causes = (error: unknown): ReadonlyArray<unknown> => {
  const found: Array<unknown> = [error]
  for (let index = 0; index < found.length && found.length < mostCauses; index++) {
    const link = found[index]
    addCause(Untrusted.get(link, "reason"), found)
    addCause(Untrusted.get(link, "lastError"), found)
    addCause(Untrusted.get(link, "cause"), found)
    addCause(Untrusted.items(Untrusted.get(link, "errors")).at(-1), found)
  }
  return found
}

// A reason that is a word, as in `RetryError.reason`, is a code and not an error.
const addCause = (cause: unknown, found: Array<unknown>): void => {
  const isCause = Untrusted.isObject(cause) || (typeof cause === "string" && /[\s{]/.test(cause))
  if (isCause && !found.includes(cause)) found.push(cause)
}

const statusOf = (link: unknown): number | undefined => {
  const response = Untrusted.get(link, "response")
  const http = Untrusted.get(link, "http")
  return statusIn(link, "status") ?? statusIn(link, "statusCode") ?? statusIn(response, "status") ??
    statusIn(Untrusted.get(http, "response"), "status") ?? statusIn(Untrusted.get(link, "$metadata"), "httpStatusCode")
}

const statusIn = (holder: unknown, key: string): number | undefined => {
  const status = Untrusted.get(holder, key)
  return ErrorBody.isStatus(status) ? status : undefined
}

const headersOf = (chain: ReadonlyArray<unknown>): HttpHeaders.HttpHeaders => {
  for (const link of chain) {
    const found = headersIn(link, "headers") ?? headersIn(link, "responseHeaders") ??
      headersIn(Untrusted.get(link, "response"), "headers") ??
      headersIn(Untrusted.at(link, "http", "response"), "headers")
    if (found !== undefined) return found
  }
  return {}
}

const headersIn = (holder: unknown, key: string): HttpHeaders.HttpHeaders | undefined => {
  const headers = Untrusted.get(holder, key)
  const found = headers === undefined ? {} : HttpHeaders.read(headers)
  for (const _ in found) return found
  return undefined
}

const addBodies = (facts: Facts, link: unknown): void => {
  // What was never thrown is no error but the provider's data, as streams hand it over.
  if (!isThrown(link)) addBody(facts, Untrusted.content(link))
  let isRead = false
  const add = (body: unknown): void => {
    if (body !== undefined && addBody(facts, Untrusted.content(body))) isRead = true
  }
  add(Untrusted.get(link, "responseBody"))
  add(Untrusted.at(link, "http", "body"))
  add(Untrusted.at(link, "response", "data"))
  add(Untrusted.get(link, "data"))
  add(Untrusted.get(link, "body"))
  add(Untrusted.get(link, "error"))
  // A client that has read the body has nothing new in its message.
  if (!isRead) addBody(facts, jsonIn(Untrusted.textAt(link, "message")))
}

const isThrown = (value: unknown): boolean => Untrusted.has(value, "stack")

/** Adds a body, and says whether it is a provider's, which names a problem and has words for it. */
const addBody = ({ answers, bodies, codes }: Facts, body: unknown): boolean => {
  if (body === undefined) return false
  bodies.push(body)
  const { length } = codes
  const layers = ErrorBody.layers(body)
  for (const layer of layers) {
    if (answers.includes(layer)) continue
    answers.push(layer)
    ErrorBody.addCodes(layer, codes)
  }
  return codes.length > length && !isThrown(body) && layers.some((layer) => ErrorBody.message(layer) !== undefined)
}

// `@google/genai` has the whole body for its message, others put the status in front of it.
const jsonIn = (message: string | undefined): unknown => {
  const start = message?.indexOf("{") ?? -1
  if (message === undefined || start < 0 || start > 64) return undefined
  const body = Untrusted.content(message.slice(start))
  return Untrusted.isObject(body) ? body : undefined
}

// These say of themselves only that something went wrong.
const wrapperNames: ReadonlyArray<unknown> = ["UnknownError", "AI_RetryError", "AiError"]

const signalOf = (
  error: unknown,
  { answers, bodies, codes, headers, pages, status }: Facts,
  chain: ReadonlyArray<unknown>,
  now: number | undefined
): Signal => {
  const told = codes.length
  for (const link of chain) addMetadata(link, codes)
  for (const link of chain) ErrorBody.addCodes(link, codes)
  const types = typesIn([...answers, ...chain])
  const code = codes.find((code) => !types.includes(code))
  for (const link of chain) addNames(link, codes)
  const texts = textsOf(answers, bodies, chain)
  const words = texts.filter((text) => !Untrusted.isPage(text))
  const answered = texts.length > 0 || status !== undefined
  return {
    error,
    status: statusAmong(answers) ?? (ErrorBody.isStatus(status) ? status : statusAmong(chain)),
    code,
    type: types.find((type) => type !== "error"),
    codes,
    // of what is too long to read, the beginning: nobody else should have to cut it, or to look for keys in it
    message: words[0] ?? (answered ? undefined : beginning(pages)),
    headers,
    body: bodies[0],
    isStructured: told > 0 || answers.some((answer) => ErrorBody.message(answer) !== undefined),
    isPage: words.length < texts.length || pages.some(Untrusted.isPage),
    retryAfter: hintOf(answers, chain, headers, words, now)
  }
}

const hintOf = (
  answers: ReadonlyArray<unknown>,
  chain: ReadonlyArray<unknown>,
  headers: HttpHeaders.HttpHeaders,
  texts: ReadonlyArray<string>,
  now: number | undefined
): Duration.Duration | undefined => {
  const errors = [...answers]
  for (const link of chain) {
    for (const layer of ErrorBody.layers(link)) if (!errors.includes(layer)) errors.push(layer)
  }
  let hint = RetryHint.read({ headers, errors, texts, now })
  for (const link of chain) {
    // Effect's own errors carry the hint decoded: a duration, or the instant when a quota is back.
    const wait = Untrusted.get(link, "retryAfter")
    if (isDuration(wait)) hint = longer(hint, wait)
    const back = Untrusted.at(link, "resetAt", "epochMilliseconds")
    const clock = typeof back === "number" ? RetryHint.instantOf(now, headers) : undefined
    if (clock !== undefined && (back as number) >= clock) hint = longer(hint, Duration.millis((back as number) - clock))
  }
  return hint
}

/** All that was said, the provider's own words first. */
const textsOf = (
  answers: ReadonlyArray<unknown>,
  bodies: ReadonlyArray<unknown>,
  chain: ReadonlyArray<unknown>
): ReadonlyArray<string> => {
  const texts = new Set<string>()
  const add = (text: string | undefined) => {
    if (text !== undefined) texts.add(text)
  }
  for (const answer of answers) add(ErrorBody.message(answer))
  for (const body of bodies) add(Untrusted.text(body))
  chain.forEach((link, index) => {
    if (index === chain.length - 1 || !isWrapper(link)) add(ErrorBody.message(link))
  })
  for (const link of chain) add(Untrusted.text(link))
  return [...texts]
}

const typesIn = (holders: ReadonlyArray<unknown>): ReadonlyArray<string> => {
  const types: Array<string> = []
  for (const holder of holders) {
    const type = Untrusted.textAt(holder, "type")
    if (type !== undefined) types.push(type.toLowerCase())
  }
  return types
}

const statusAmong = (holders: ReadonlyArray<unknown>): number | undefined => {
  for (const holder of holders) {
    const status = ErrorBody.status(holder)
    if (status !== undefined) return status
  }
  return undefined
}

const beginning = (pages: ReadonlyArray<unknown>): string | undefined => {
  const text = pages.find((page): page is string => typeof page === "string" && page !== "")
  return text === undefined || Untrusted.isPage(text) ? undefined : text.slice(0, 2048)
}

// Effect's errors carry what a provider told beside the error, by the provider's name.
const addMetadata = (link: unknown, codes: Array<string>): void => {
  const metadata = Untrusted.get(link, "metadata")
  for (const provider of Untrusted.keys(metadata)) ErrorBody.addCodes(Untrusted.get(metadata, provider), codes)
}

const addNames = (link: unknown, codes: Array<string>): void => {
  for (const name of [Untrusted.get(link, "_tag"), Untrusted.get(link, "name")]) {
    if (name !== "Error") ErrorBody.addCode(name, codes)
  }
  if (Untrusted.get(link, "isBrokenCircuitError") === true) ErrorBody.addCode("BrokenCircuitError", codes)
}

const isWrapper = (error: unknown): boolean =>
  wrapperNames.includes(Untrusted.get(error, "_tag")) || wrapperNames.includes(Untrusted.get(error, "name"))

const isDuration = (value: unknown): value is Duration.Duration => {
  try {
    return Duration.isDuration(value) && Duration.toMillis(value) >= 0
  } catch {
    return false
  }
}

const furthest = Duration.days(31)

const longer = (hint: Duration.Duration | undefined, wait: Duration.Duration | undefined) => {
  if (wait === undefined || Duration.isGreaterThan(wait, furthest)) return hint
  return hint === undefined ? wait : Duration.max(hint, wait)
}
