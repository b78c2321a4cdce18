/**
 * The frontier between calls that are wasted and calls that are lost: the policies of which none is better than another.
 *
 * @since 0.1.0
 */

/**
 * The harm of an outage under a policy.
 *
 * **Details**
 *
 * - `wasted`: calls that were let go and brought no answer: they failed or were throttled.
 * - `waited`: how many milliseconds they took.
 * - `lost`: calls that were refused and would have gone well.
 *
 * @category models
 * @since 0.1.0
 */
export interface Harm {
  readonly wasted: number
  readonly waited: number
  readonly lost: number
}

/**
 * How harm is measured, so that it is one number.
 *
 * **Details**
 *
 * - `by`: whether what is wasted counts by `calls`, or by the time that callers waited for them (`waiting`).
 * - `weight`: how many wasted calls one lost call is as bad as.
 * - `wait`: how long a failed call took on the average, in milliseconds: by waiting, that is one wasted call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Measure {
  readonly by: "calls" | "waiting"
  readonly weight: number
  readonly wait: number
}

/**
 * What is wasted, as a number of calls.
 *
 * @category measuring
 * @since 0.1.0
 */
export const wastedBy = ({ waited, wasted }: Harm, { by, wait }: Measure): number =>
  by === "calls" || wait <= 0 ? wasted : waited / wait

/**
 * The whole harm, as a number of wasted calls.
 *
 * @category measuring
 * @since 0.1.0
 */
export const harmBy = (harm: Harm, measure: Measure): number => wastedBy(harm, measure) + measure.weight * harm.lost

/**
 * Adds harm up.
 *
 * @category measuring
 * @since 0.1.0
 */
export const sum = (harms: ReadonlyArray<Harm>): Harm =>
  harms.reduce((all, { lost, waited, wasted }) => ({
    wasted: all.wasted + wasted,
    waited: all.waited + waited,
    lost: all.lost + lost
  }), { wasted: 0, waited: 0, lost: 0 })

/**
 * What stands on a frontier: some harm, and in how many values it differs from what there was.
 *
 * @category models
 * @since 0.1.0
 */
export interface Standing {
  readonly harm: Harm
  readonly distance: number
}

/**
 * The points that no other is better than: none wastes less without losing more. From those that lose the fewest calls on.
 *
 * **Details**
 *
 * Of points with the same harm one is left: that which differs the least, the first of them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = <P extends Standing>(points: ReadonlyArray<P>, measure: Measure): ReadonlyArray<P> => {
  const sorted = points.toSorted((a, b) =>
    a.harm.lost - b.harm.lost || wastedBy(a.harm, measure) - wastedBy(b.harm, measure) ||
    a.distance - b.distance
  )
  const found: Array<P> = []
  let least = Infinity
  for (const point of sorted) {
    const wasted = wastedBy(point.harm, measure)
    if (wasted >= least) continue
    least = wasted
    found.push(point)
  }
  return found
}

/**
 * The point of a frontier with the least harm; of equal ones that which differs the least.
 *
 * @category reading
 * @since 0.1.0
 */
export const best = <P extends Standing>(frontier: ReadonlyArray<P>, measure: Measure): P | undefined =>
  frontier.toSorted((a, b) => harmBy(a.harm, measure) - harmBy(b.harm, measure) || a.distance - b.distance)[0]
