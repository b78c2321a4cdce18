/**
 * A refusal in the words of HTTP, for clients that know nothing of circuits; and the way back from what such a client
 * throws to the `CircuitRejected` behind it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { CircuitRejected } from "../CircuitRejected.ts"
import * as Untrusted from "../llm/Untrusted.ts"

/** A pause that is longer than this is not waited out, in milliseconds. */
const patience = 10_000

/**
 * The answer that a refused request gets. The clients of `openai` and `@anthropic-ai/sdk` make an error of it and do not
 * retry; but a short pause that the provider asked for they may wait out, as they would without a circuit.
 */
export const toResponse = (rejected: CircuitRejected): Response => {
  const wait = Duration.toMillis(rejected.retryAfter)
  const isPause = rejected.reason === "Throttled"
  const { message } = rejected
  const headers = new Headers({ "content-type": "application/json" })
  if (Number.isFinite(wait)) {
    headers.set("retry-after", String(Math.ceil(wait / 1000)))
    headers.set("retry-after-ms", String(wait))
  }
  if (!isPause || wait > patience) stopRetries(headers)
  const error = { type: code, code, message, param: null }
  // `openai` shows the message of `error`, `@anthropic-ai/sdk` the one beside it.
  const body = JSON.stringify({ type: "error", message, error })
  const response = new Response(body, { status: isPause ? 429 : 503, headers })
  origins.set(response.headers, rejected)
  return response
}

/** Tells clients made by Stainless not to try again. */
export const stopRetries = (headers: Headers): void => headers.set("x-should-retry", "false")

/**
 * The `CircuitRejected` behind a response or an error of a guarded client, or `undefined` where there is none.
 *
 * **Details**
 *
 * It is found in a `CircuitRejected` itself, in a response of a guarded `fetch`, in the errors that `openai` and
 * `@anthropic-ai/sdk` make of that, and in what such errors are the cause of.
 *
 * @category accessors
 * @since 0.1.0
 */
export const rejectionOf = (error: unknown): CircuitRejected | undefined => {
  let link = error
  for (let depth = 0; depth < 8 && Untrusted.isObject(link); depth++) {
    if (link instanceof CircuitRejected) return link
    const headers = Untrusted.get(link, "headers")
    const found = Untrusted.isObject(headers) ? origins.get(headers) : undefined
    if (found !== undefined) return found
    link = Untrusted.get(link, "reason") ?? Untrusted.get(link, "cause")
  }
  return undefined
}

// ---------------------------------------------------------------------------------------------------------------------

const code = "CircuitRejected"

// Clients hand the headers on as they are, and little else.
const origins = /*#__PURE__*/ new WeakMap<object, CircuitRejected>()
