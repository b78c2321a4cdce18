import type { Guard } from "effect-breaker/replay"

/** A way of guarding calls, and its settings in words. */
export interface Contender {
  readonly name: string
  readonly settings: string
  /** One of this library's own. */
  readonly ours?: boolean
  readonly guard: Guard.Make
  /** It may answer later, or set timers: after each step it is waited for until it has come to rest. */
  readonly asynchronous?: boolean
}
