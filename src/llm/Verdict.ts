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

/**
 * What went wrong, in one word for people and metrics.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind =
  | "overloaded"
  | "server"
  | "network"
  | "timeout"
  | "truncated"
  | "empty"
  | "bad-response"
  | "rate-limit"
  | "quota"
  | "auth"
  | "permission"
  | "billing"
  | "model-gone"
  | "context-length"
  | "content-policy"
  | "invalid-request"
  | "too-large"
  | "conflict"
  | "gateway"
  | "quality"
  | "cancelled"
  | "unknown"
