/**
 * How a process shares its circuits, as numbers.
 *
 * @since 0.1.0
 */
import type * as Fleet from "./Fleet.ts"

/** Durations are milliseconds. */
export interface Sharing {
  /** Batches: after so many calls, or so long after the first of them. */
  readonly calls: number
  readonly every: number
  /** How long a call may wait. */
  readonly bound: number
  readonly poll: number
  readonly keepFor: number
  readonly onStoreError: "local" | "fail"
  readonly pace: Fleet.Pace
}
