/**
 * What a call to a language model said about the health of the provider: one of the five outcomes, of what kind, and for
 * whom it speaks.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import * as Outcome from "../Outcome.ts"
import type { Kind, Scope } from "./Verdict.ts"

export type { Kind, Scope } from "./Verdict.ts"

/**
 * An outcome that also says what kind of trouble it was, and whom it speaks for.
 *
 * **Details**
 *
 * Plain data. `kind` is there on everything but `Success`.
 *
 * @category models
 * @since 0.1.0
 */
export type LlmOutcome = Outcome.Outcome & {
  readonly kind?: Kind | undefined
  readonly message?: string | undefined
  readonly scope: Scope
}

/**
 * Reads the outcome off an HTTP response.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromHttp = (response: {
  readonly status: number
  readonly headers?: unknown
  readonly body?: unknown
}): LlmOutcome => {
  const { status } = response
  if (status < 400) return { _tag: "Success", scope: "model" }
  if (status === 429) return { ...Outcome.throttled(), kind: "rate-limit", scope: "model" }
  if (status === 401) return { ...Outcome.trip(), kind: "auth", scope: "key" }
  if (status === 402) return { ...Outcome.trip(), kind: "billing", scope: "key" }
  if (status === 408) return { ...Outcome.failure(), kind: "timeout", scope: "model" }
  if (status === 529 || status === 503) return { ...Outcome.failure(), kind: "overloaded", scope: "model" }
  if (status >= 500) return { ...Outcome.failure(), kind: "server", scope: "model" }
  return { ...Outcome.ignored, kind: "invalid-request", scope: "request" }
}

/**
 * Reads the outcome off an error, whatever it is.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromError = (error: unknown): LlmOutcome => {
  const { name, status } = Object(error) as { readonly status?: unknown; readonly name?: unknown }
  if (typeof status === "number") return fromHttp({ status })
  if (name === "AbortError") return { ...Outcome.ignored, kind: "cancelled", scope: "request" }
  return { ...Outcome.failure(), kind: "unknown", scope: "model" }
}

/**
 * Reads the outcome off the exit of a call: the `classify` of a breaker.
 *
 * @category classifiers
 * @since 0.1.0
 */
export const classify = (exit: Exit.Exit<unknown, unknown>): LlmOutcome => {
  if (exit._tag === "Success") return { _tag: "Success", scope: "model" }
  if (Cause.hasInterruptsOnly(exit.cause)) return { ...Outcome.ignored, kind: "cancelled", scope: "request" }
  return fromError(Cause.squash(exit.cause))
}
