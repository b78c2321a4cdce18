/**
 * A request on its way out, as far as circuits want to know: where it goes, which model it asks, with whose key.
 *
 * It is the same for Effect's `HttpClient` and for `fetch`, so that a key function is written once.
 *
 * @since 0.1.0
 */
import * as Hash from "effect/Hash"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import * as Untrusted from "../llm/Untrusted.ts"

/**
 * A request on its way out.
 *
 * **Details**
 *
 * `url` has its query. `headers` have lower-case names. `body` is the text of the body where it is text at hand, and
 * `undefined` where it is none, or a stream; it is decoded when it is first looked at.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outgoing {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/**
 * The origin that a request goes to, such as `https://api.openai.com`.
 *
 * **Details**
 *
 * An address that has none, such as a relative one, stands for itself, without its query.
 *
 * **Example** (A circuit for each host and method)
 *
 * ```ts
 * import { Outgoing } from "effect-breaker/http"
 *
 * const key = (request: Outgoing.Outgoing) => `${request.method} ${Outgoing.origin(request)}`
 *
 * console.log(key({ method: "GET", url: "https://api.example.com/v1/users?page=2", headers: {}, body: undefined }))
 * // => "GET https://api.example.com"
 * ```
 *
 * @category accessors
 * @since 0.1.0
 */
export const origin = ({ url }: Outgoing): string => {
  const parsed = parse(url)
  return parsed === undefined || parsed.origin === "null" ? url.split(/[?#]/, 1)[0] || "nowhere" : parsed.origin
}

/**
 * The host that a request goes to, with its port if it is not the usual one.
 *
 * @category accessors
 * @since 0.1.0
 */
export const host = (request: Outgoing): string => parse(request.url)?.host || origin(request)

/**
 * The model that a request asks: the `model` of its JSON body, or the one that its path names as Gemini's and Azure's do.
 *
 * @category accessors
 * @since 0.1.0
 */
export const model = ({ body, url }: Outgoing): string | undefined =>
  modelIn(body) ?? /\/(?:models|deployments)\/([^/:?#]+)/.exec(url)?.[1]

/**
 * A name for the credential that a request carries: a hash of it, never the secret itself; `undefined` for none.
 *
 * @category accessors
 * @since 0.1.0
 */
export const credential = ({ headers }: Outgoing): string | undefined => {
  const secret = headers["authorization"] ?? headers["x-api-key"] ?? headers["api-key"] ?? headers["x-goog-api-key"]
  return secret === undefined || secret === "" ? undefined : (Hash.string(secret) >>> 0).toString(16).padStart(8, "0")
}

/**
 * The time limit that a client made by Stainless, such as `openai`, says it keeps, in milliseconds. It gives whole seconds:
 * below one there is nothing to go by.
 *
 * @internal
 */
export const timeLimit = ({ headers }: Outgoing): number | undefined => {
  const seconds = Number(headers["x-stainless-timeout"])
  return seconds >= 1 ? seconds * 1000 : undefined
}

/** @internal */
export const fromFetch = (input: unknown, init: RequestInit | undefined): Outgoing => {
  const whole = Untrusted.isObject(input) && !(input instanceof URL) ? input as Partial<Request> : undefined
  return new Sent(
    init?.method ?? whole?.method ?? "GET",
    whole?.url ?? String(input),
    // A plain record is by far the most frequent, and `Headers` would check every letter of it.
    () => lowerCase(init?.headers ?? whole?.headers),
    () => textOf(init?.body)
  )
}

/** @internal */
export const fromEffect = (request: HttpClientRequest): Outgoing => {
  const { body } = request
  const written = body._tag === "Uint8Array" || body._tag === "Raw" ? body.body : undefined
  return new Sent(request.method, request.url, () => request.headers, () => textOf(written))
}

// ---------------------------------------------------------------------------------------------------------------------

class Sent implements Outgoing {
  readonly method: string
  readonly url: string
  private readonly headersOf: () => Outgoing["headers"]
  private readonly bodyOf: () => string | undefined
  private knownHeaders: Outgoing["headers"] | undefined

  constructor(method: string, url: string, headers: () => Outgoing["headers"], body: () => string | undefined) {
    this.method = method
    this.url = url
    this.headersOf = headers
    this.bodyOf = body
  }

  get headers(): Outgoing["headers"] {
    return this.knownHeaders ??= this.headersOf()
  }

  get body(): string | undefined {
    return this.bodyOf()
  }
}

const parse = (url: string): URL | undefined => {
  try {
    return new URL(url)
  } catch {
    return undefined
  }
}

const lowerCase = (headers: unknown): Outgoing["headers"] => {
  const found: Record<string, string> = {}
  if (!Untrusted.isObject(headers)) return found
  const pairs = Symbol.iterator in headers ? headers as Iterable<[string, string]> : Object.entries(headers)
  for (const [name, value] of pairs) found[name.toLowerCase()] = String(value)
  return found
}

const textOf = (body: unknown): string | undefined => {
  if (typeof body === "string") return body
  if (body instanceof ArrayBuffer) return new TextDecoder().decode(body)
  return body instanceof Uint8Array ? new TextDecoder().decode(body) : undefined
}

const modelIn = (body: string | undefined): string | undefined => {
  if (body === undefined || !/^\s*\{/.test(body)) return undefined
  try {
    const named: unknown = Object(JSON.parse(body)).model
    return typeof named === "string" && named.trim() !== "" ? named : undefined
  } catch {
    return undefined
  }
}
