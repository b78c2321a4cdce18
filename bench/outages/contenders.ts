/**
 * Who is compared: what a contender is, and its settings in words.
 */
import type { Guard } from "effect-breaker/replay"

/** A way of guarding calls. */
export interface Contender {
  readonly name: string
  readonly settings: string
  /** One of this library's own. */
  readonly ours?: boolean
  readonly guard: Guard.Make
}
