/**
 * A log cut into stretches with one trouble each, and the stretches divided between the search and the proof.
 *
 * Incidents of several circuits at the same time are one trouble: they have one cause as a rule, and would otherwise count as
 * so many proofs. So are incidents within five minutes of each other.
 *
 * @since 0.1.0
 */
import type * as Incident from "./Incident.ts"

/** A stretch of a log, from one time until before another. */
export interface Stretch {
  readonly from: number
  readonly until: number
  readonly part: "search" | "heldOut"
}

/** How a log is divided. */
export interface Parts {
  readonly stretches: ReadonlyArray<Stretch>
  readonly division: "last third" | "every other trouble" | "none"
  readonly why: string
}

/**
 * Divides a log.
 *
 * **Details**
 *
 * A stretch reaches from shortly before a trouble until shortly before the next: three quarters of the calm in between are the
 * aftermath of the one, the last quarter is the approach of the other. The last third of the time is held out where it has
 * two troubles and what comes before it as many; otherwise every other trouble, where there are four; otherwise nothing.
 */
export const divide = (incidents: ReadonlyArray<Incident.Incident>, from: number, until: number): Parts => {
  const troubles = troublesOf(incidents, until)
  const cuts = troubles.slice(1).map(({ start }, i) => {
    const { end } = troubles[i]!
    return end + 0.75 * (start - end)
  })
  const bounds = [-Infinity, ...cuts, Infinity]
  const divided = (division: Parts["division"], isHeldOut: (trouble: number) => boolean, why: string): Parts => ({
    stretches: bounds.slice(1).map((until, i) => ({
      from: bounds[i]!,
      until,
      part: isHeldOut(i) ? "heldOut" : "search"
    })),
    division,
    why
  })
  const late = troubles.filter(({ start }) => start >= from + (until - from) * 2 / 3).length
  const early = troubles.length - late
  if (late >= 2 && early >= 2) {
    return divided(
      "last third",
      (trouble) => trouble >= early,
      `The last third of the time is held out, with ${late} of ${troubles.length} troubles: what was chosen by the past has to do in what came after.`
    )
  }
  if (troubles.length >= 4) {
    return divided(
      "every other trouble",
      (trouble) => trouble % 2 === 1,
      `Every other trouble is held out, ${
        troubles.length >> 1
      } of ${troubles.length}: the last third of the time has ${late}, and that would be too few on one side.`
    )
  }
  return divided(
    "none",
    () => false,
    `Nothing is held out: with ${troubles.length} ${
      troubles.length === 1 ? "trouble" : "troubles"
    } in the log, a part of it would prove nothing. It takes four.`
  )
}

// ---------------------------------------------------------------------------------------------------------------------

const TOGETHER = 5 * 60_000

const troublesOf = (
  incidents: ReadonlyArray<Incident.Incident>,
  until: number
): ReadonlyArray<{ readonly start: number; readonly end: number }> => {
  const troubles: Array<{ readonly start: number; end: number }> = []
  for (const { end = until, start } of incidents.toSorted((a, b) => a.start - b.start)) {
    const last = troubles.at(-1)
    if (last !== undefined && start - last.end <= TOGETHER) last.end = Math.max(last.end, end)
    else troubles.push({ start, end })
  }
  return troubles
}
