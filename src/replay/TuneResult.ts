/**
 * What a search found.
 *
 * @since 0.1.0
 */
import type * as Frontier from "./Frontier.ts"
import type * as Policy from "./Policy.ts"
import type * as PolicyText from "./PolicyText.ts"

/**
 * The harm of a policy.
 *
 * **Details**
 *
 * `harm` is all of it as a number of wasted calls; `avoidable` the same without the calls that failed while nothing was wrong,
 * which no breaker can spare; `left` which share that is of what is avoidable without a breaker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Figures extends Frontier.Harm {
  readonly harm: number
  readonly avoidable: number
  readonly left: number
}

/**
 * A policy that was tried, in words and with the options that are different from the one in use; its figures in the search, and on
 * what was held out from it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Point {
  readonly policy: Policy.Policy
  readonly says: string
  readonly changes: ReadonlyArray<PolicyText.Change>
  readonly search: Figures
  readonly heldOut?: Figures | undefined
}

/**
 * What a search found.
 *
 * **Details**
 *
 * - `frontier` are the points of which none is better than another, from those that lose the fewest calls on: at most a
 *   dozen of the `frontierSize` that there are, with the best among them. Left out is what differs from another by next to
 *   nothing, and what does more harm than no breaker at all. `recommended` is one of them.
 * - `without` is the harm without a breaker.
 * - `heldOut` says what was held out, and why; `stretches` how many troubles of the log, or runs, each part has; `better` in how many of
 *   them the recommended one does less harm than the one in use.
 * - `reasons` say why it is recommended, `doubts` how sure that is, `limits` what cannot be known.
 *
 * @category models
 * @since 0.1.0
 */
export interface Result {
  readonly source: "log" | "scenario"
  readonly seed: number
  readonly tried: number
  readonly measure: Frontier.Measure
  readonly without: { readonly search: Figures; readonly heldOut?: Figures | undefined }
  readonly inUse: Point
  readonly frontier: ReadonlyArray<Point>
  readonly frontierSize: number
  readonly recommended: Point
  readonly heldOut: string
  readonly stretches: { readonly search: number; readonly heldOut: number }
  readonly better: { readonly search: number; readonly heldOut: number }
  readonly reasons: ReadonlyArray<string>
  readonly doubts: ReadonlyArray<string>
  readonly limits: ReadonlyArray<string>
}
