/**
 * What a search tries policies on: a log, or a scenario.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as CallLog from "./CallLog.ts"
import type { Harm } from "./Frontier.ts"
import type { Latencies } from "./Latencies.ts"
import type * as Policy from "./Policy.ts"

/**
 * There is nothing to choose a policy by.
 *
 * **Details**
 *
 * - `tooFewCalls`: fewer than a hundred calls succeeded or failed.
 * - `noFailure`: not one call failed, so all policies are the same.
 * - `noIncident`: calls failed, but never many of them together. A breaker would refuse more good calls than bad ones.
 * - `tooManyCalls`: the log can be read only once, and is too long to be kept.
 *
 * @category errors
 * @since 0.1.0
 */
export class CannotTune extends /*#__PURE__*/ Data.TaggedError("CannotTune")<{
  readonly reason: "tooFewCalls" | "noFailure" | "noIncident" | "tooManyCalls"
  readonly message: string
  /** How the log was read, where it was read from bytes. */
  readonly log?: CallLog.Reading | undefined
}> {}

/** Where a policy is tried: the part that is searched, or the part that is held out from that. */
export type Part = "search" | "heldOut"

/** How far a search has come, in policies tried, of how many at the most. */
export interface Progress {
  readonly done: number
  readonly of: number
}

/** What policies are tried on. */
export interface Trial<E = never, R = never> {
  /** How long good calls took until there was something of them. */
  readonly latencies: Latencies
  /** How long a failed call took on the average. */
  readonly wait: number
  readonly hasHeldOut: boolean
  /** The harm of each policy in each stretch of a part. `onTried` is told of each bit, one for each policy in all. */
  run(
    policies: ReadonlyArray<Policy.Policy>,
    part: Part,
    onTried: (count: number) => void
  ): Effect.Effect<ReadonlyArray<ReadonlyArray<Harm>>, E, R>
  /** The harm without a breaker; of a part on which something has run. */
  without(part: Part): ReadonlyArray<Harm>
  /** What of that is wasted while nothing is wrong, by chance: no breaker can spare it. */
  stray(part: Part): Harm
}
