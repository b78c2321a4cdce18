/**
 * What a policy did in a replay, summed up.
 *
 * @since 0.1.0
 */
import type * as Incident from "./Incident.ts"
import {
  lengthOf,
  type Opening,
  type Place,
  type RefusedBy,
  type RefusedCalls,
  type Run,
  type Stretches,
  type Sum
} from "./Runs.ts"
import type * as Timeline from "./Timeline.ts"

/**
 * What a policy did about one incident, in milliseconds.
 *
 * **Details**
 *
 * `openAfter` is how long it took from the incident's start until the circuit was open: zero where it was already, and
 * `undefined` where it never was before the end. `closedAfter` is how long it took from the incident's end until the circuit
 * was closed: zero where it was; `undefined` where the incident has no end, or the circuit never closed before the log
 * was over. Neither is there where the log has no such circuit.
 *
 * @category models
 * @since 0.1.0
 */
export interface IncidentResult extends Incident.Incident {
  readonly openAfter?: number | undefined
  readonly closedAfter?: number | undefined
}

/**
 * What a policy did with the calls of a log.
 *
 * **Details**
 *
 * - `asked` is every call; `admitted` are those that it let go, by what became of them; `refused` the rest, by what would
 *   have, and `refusedBy` the same by why it did; `unknownAdmitted` are those that it would have let go and that the log's own breaker refused.
 * - `saved` are calls that it refused and that brought no answer (they failed or were throttled): so many milliseconds were
 *   not waited. `lost` are calls that it refused and that went well.
 * - `openings` counts them, `reopenings` those of them that came out of recovering; `opened` tells the first of them.
 * - `probes` are calls that went to find out, `failed` those of them that failed.
 * - `notClosed` is the share of the time that its circuits were not closed, all together.
 * - `incidents` are those of the log, and what it did about each; not there where it opened too often to be followed.
 *
 * @category models
 * @since 0.1.0
 */
export interface PolicyResult {
  readonly policy: string
  readonly asked: number
  readonly admitted: {
    readonly succeeded: number
    readonly failed: number
    readonly throttled: number
    readonly ignored: number
  }
  readonly unknownAdmitted: number
  readonly refused: RefusedCalls
  readonly refusedBy: RefusedBy
  readonly saved: Sum
  readonly lost: Sum
  readonly openings: number
  readonly reopenings: number
  readonly opened: ReadonlyArray<Opening>
  readonly probes: { readonly spent: number; readonly failed: number }
  readonly notClosed: number
  readonly incidents?: ReadonlyArray<IncidentResult> | undefined
  readonly timeline: Timeline.Timeline
}

/** Sums up what the policy with that place did. */
export const resultOf = (
  run: Run,
  index: number,
  places: ReadonlyArray<Place>,
  incidents: ReadonlyArray<Incident.Incident>,
  until: number
): PolicyResult => {
  const { admitted, counts, lost, openings, policy, refused, refusedBy, saved } = run
  const lived = places.reduce((sum, { since }) => sum + until - since, 0)
  const notClosed = places.reduce((sum, { tracks }) => sum + lengthOf(tracks[index]!.stretches, until), 0)
  const byName = new Map(places.map((place) => [place.name, place.tracks[index]!.stretches]))
  return {
    policy: policy.name,
    asked: counts.asked,
    admitted: { ...admitted },
    unknownAdmitted: counts.unknownAdmitted,
    refused: { ...refused },
    refusedBy: { ...refusedBy },
    saved: { ...saved },
    lost: { ...lost },
    openings: counts.openings,
    reopenings: counts.reopenings,
    opened: openings.slice(),
    probes: { spent: counts.probes, failed: counts.probesFailed },
    notClosed: lived > 0 ? notClosed / lived : 0,
    ...(!run.isCut && {
      incidents: incidents.map((incident) => ({
        ...incident,
        ...(byName.has(incident.circuit) && reactionTo(incident, byName.get(incident.circuit)!))
      }))
    }),
    timeline: run.timeline.read(until)
  }
}

/** What a replay cannot tell, in plain words. */
export const limitsOf = (
  refused: number,
  incidentsLeftOut: number,
  unknownCircuits: ReadonlyArray<string>,
  circuits: ReadonlyArray<string>,
  runs: ReadonlyArray<Run>
): ReadonlyArray<string> => [
  "What a caller would have done with a refusal (a retry, a call elsewhere, an answer from a cache) is not in the log, and is not made up.",
  "A refused call puts no load on the provider. Whether it would have recovered sooner, or other calls fared better, the log cannot tell.",
  ...(refused === 0 ? [] : [
    `${refused} ${
      refused === 1 ? "call was" : "calls were"
    } refused by the log's own breaker. What would have become of them nobody knows: they move no circuit here, ` +
    "and while they are all there is, no policy learns how the provider fares."
  ]),
  ...(unknownCircuits.length === 0 ? [] : [
    `The log has no circuit ${
      some(unknownCircuits)
    }: what was done about incidents of that name cannot be told. It has ${some(circuits)}.`
  ]),
  ...(incidentsLeftOut === 0 ? [] : [`${incidentsLeftOut} more incidents were found than are told one by one.`]),
  ...runs.filter((run) => run.isCut).map((run) =>
    `${run.policy.name} opened so often that what it did about each incident is not told.`
  )
]

// ---------------------------------------------------------------------------------------------------------------------

const some = (names: ReadonlyArray<string>): string =>
  `${names.slice(0, 5).join(", ")}${names.length > 5 ? `, and ${names.length - 5} more` : ""}`

const reactionTo = (
  { end, start }: Incident.Incident,
  stretches: Stretches
): Omit<IncidentResult, keyof Incident.Incident> => {
  const first = indexAt(stretches, start)
  const opened = stretches[first]
  const openAfter = opened === undefined || opened > (end ?? Infinity) ? undefined : Math.max(opened - start, 0)
  if (end === undefined) return openAfter === undefined ? {} : { openAfter }
  const last = indexAt(stretches, end)
  const isOpen = last < stretches.length && stretches[last]! <= end
  const closed = isOpen ? stretches[last + 1] : end
  return {
    ...(openAfter !== undefined && { openAfter }),
    ...(closed !== undefined && { closedAfter: closed - end })
  }
}

/** The first stretch that is not over at that time. */
const indexAt = (stretches: Stretches, time: number): number => {
  let [low, high] = [0, Math.ceil(stretches.length / 2)]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((stretches[2 * middle + 1] ?? Infinity) > time) high = middle
    else low = middle + 1
  }
  return 2 * low
}
