/**
 * The words every rule answers in: which of the five outcomes, of what kind, and for whom it speaks.
 *
 * @since 0.1.0
 */

/**
 * Whom an outcome speaks for, from the narrowest to the widest: this request alone, the model (or deployment) under this
 * key, the key (or project, or organisation), or the whole provider.
 *
 * @category models
 * @since 0.1.0
 */
export type Scope = "request" | "model" | "key" | "provider"

/** Every kind of trouble there is. */
export const kinds = [
  "overloaded",
  "server",
  "network",
  "timeout",
  "truncated",
  "empty",
  "bad-response",
  "rate-limit",
  "quota",
  "auth",
  "permission",
  "billing",
  "model-gone",
  "context-length",
  "content-policy",
  "invalid-request",
  "too-large",
  "conflict",
  "gateway",
  "quality",
  "cancelled",
  "unknown"
] as const

/**
 * What went wrong, in one word for people and metrics.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = typeof kinds[number]

/** Where the end of a quota can be told from the calendar. */
export type Until = "next month" | "midnight in California"

/** What a rule says of a call, before any hint of the provider is read. */
export interface Verdict {
  readonly _tag: "Failure" | "Ignored" | "Throttled" | "Trip"
  readonly kind: Kind
  readonly scope: Scope
  readonly until?: Until | undefined
  readonly minutes?: number | undefined
}

export const failure = (kind: Kind, scope: Scope = "model"): Verdict => ({ _tag: "Failure", kind, scope })

export const ignored = (kind: Kind, scope: Scope = "request"): Verdict => ({ _tag: "Ignored", kind, scope })

export const throttled = (kind: Kind, scope: Scope = "model"): Verdict => ({ _tag: "Throttled", kind, scope })

export const trip = (
  kind: Kind,
  scope: Scope = "key",
  end?: { readonly until?: Until; readonly minutes?: number }
): Verdict => ({ _tag: "Trip", kind, scope, ...end })
