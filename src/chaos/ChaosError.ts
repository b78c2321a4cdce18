/**
 * The one error that chaos adds: a failure that looks like a provider's, and says that it is none.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"

/**
 * The troubles that can be imitated, by name.
 *
 * **Details**
 *
 * With a status, and the words of a provider: `overloaded` (529), `unavailable` (503), `serverError` (500), `badGateway`
 * (502), `rateLimited` (429), `quota` (429, out of credit), `invalidKey` (401), `invalidRequest` (400, the caller's own
 * mistake). Without one: `timeout`, `reset` and `refused` (the connection).
 *
 * @category models
 * @since 0.1.0
 */
export type Imitation = keyof typeof imitations

/**
 * A call failed because chaos said so.
 *
 * **Details**
 *
 * It has what a classifier looks at, in the places where clients put it: `status`, the provider's `error` with `type`,
 * `code` and `message`, the `code` of a socket, and `retryAfter`. So `LlmOutcome.classify` takes it for the trouble that
 * it imitates. `point` is the name that `Chaos.inject` was given, and `fault` the name of the trouble.
 *
 * @category errors
 * @since 0.1.0
 */
export class ChaosError extends /*#__PURE__*/ Data.TaggedError("ChaosError")<{
  readonly point: string
  readonly fault: Imitation
  readonly message: string
  readonly status?: number
  readonly code?: string
  readonly error?: { readonly type: string; readonly code: string | null; readonly message: string }
  readonly retryAfter?: Duration.Duration
}> {}

/** The error of a point that fails this way. */
export const make = (point: string, fault: Imitation, retryAfter: Duration.Duration | undefined): ChaosError => {
  const { code, message, status, type }: Trouble = imitations[fault]
  // Whoever reads it in a log, or on a page where the provider's words stand alone, must not look for a real outage.
  const said = `${message} (injected by chaos at ${JSON.stringify(point)})`
  return new ChaosError({
    point,
    fault,
    message: status === undefined ? said : `${status} ${said}`,
    ...(status === undefined ? {} : { status, error: { type: type!, code: code ?? null, message: said } }),
    ...(status === undefined && code !== undefined ? { code } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter })
  })
}

interface Trouble {
  readonly message: string
  readonly status?: number
  readonly type?: string
  readonly code?: string
}

const imitations = {
  overloaded: { status: 529, type: "overloaded_error", message: "Overloaded" },
  unavailable: {
    status: 503,
    type: "service_unavailable_error",
    code: "server_is_overloaded",
    message: "The server is currently overloaded with other requests."
  },
  serverError: { status: 500, type: "server_error", message: "The server had an error while processing your request." },
  badGateway: { status: 502, type: "server_error", message: "Bad Gateway" },
  rateLimited: { status: 429, type: "requests", code: "rate_limit_exceeded", message: "Rate limit reached." },
  quota: {
    status: 429,
    type: "insufficient_quota",
    code: "insufficient_quota",
    message: "You exceeded your current quota, please check your plan and billing details."
  },
  invalidKey: {
    status: 401,
    type: "invalid_request_error",
    code: "invalid_api_key",
    message: "Incorrect API key provided."
  },
  invalidRequest: { status: 400, type: "invalid_request_error", message: "The request is invalid." },
  timeout: { code: "ETIMEDOUT", message: "The provider did not answer in time." },
  reset: { code: "ECONNRESET", message: "The connection was reset." },
  refused: { code: "ECONNREFUSED", message: "The connection was refused." }
} satisfies Readonly<Record<string, Trouble>>

/** Every name. */
export const names = Object.keys(imitations) as ReadonlyArray<Imitation>
