/**
 * What there is to say about a replay, in rows and sentences: for the terminal and for the page alike.
 *
 * @since 0.1.0
 */
import type * as Replay from "../replay/Replay.ts"
import type * as Report from "../replay/Report.ts"
import { instant, percent, span, whole } from "../replay/Words.ts"

/** The policies side by side: what is counted, and each one's figure. */
export const rows = ({ incidents, policies, unknownCircuits }: Replay.Result): ReadonlyArray<ReadonlyArray<string>> => {
  const row = (says: string, figure: (policy: Replay.PolicyResult) => string | undefined) => {
    const cells = policies.map(figure)
    return cells.every((cell) => cell === undefined) ? [] : [[says, ...cells.map((cell) => cell ?? "–")]]
  }
  const isStrange = ({ circuit }: { readonly circuit: string }) => unknownCircuits.includes(circuit)
  const some = (count: number) => count === 0 ? undefined : whole(count)
  return [
    ...row(
      "openings",
      ({ openings, reopenings }) =>
        reopenings === 0 ? whole(openings) : `${whole(openings)} (${whole(reopenings)} again)`
    ),
    ...row("calls refused", ({ asked, refused }) => {
      const all = Object.values(refused).reduce((sum, count) => sum + count, 0)
      return `${whole(all)} (${percent(asked === 0 ? 0 : all / asked)})`
    }),
    ...row("  while open", ({ refusedBy }) => some(refusedBy.open)),
    ...row("  while recovering", ({ refusedBy }) => some(refusedBy.recovering)),
    ...row("  paused, as a 429 asks", ({ refusedBy }) => some(refusedBy.paused)),
    ...row("  while isolated", ({ refusedBy }) => some(refusedBy.isolated)),
    ...row("saved: would have failed", ({ refused }) => whole(refused.failed)),
    ...row("saved: would have been throttled", ({ refused }) => some(refused.throttled)),
    ...row("lost: would have gone well", ({ lost }) => whole(lost.calls)),
    ...row("refused: would have counted for nothing", ({ refused }) => some(refused.ignored)),
    ...row("refused: nobody knows", ({ refused }) => some(refused.unknown)),
    ...row("calls let go that failed", ({ admitted }) => whole(admitted.failed)),
    ...row("calls let go that were throttled", ({ admitted }) => some(admitted.throttled)),
    ...row("let go, refused in the log", ({ unknownAdmitted }) => some(unknownAdmitted)),
    ...row("waiting saved", ({ saved }) => span(saved.waiting)),
    ...row("tokens saved", ({ saved }) => some(saved.inputTokens + saved.outputTokens)),
    ...row("probes (failed)", ({ probes }) => `${whole(probes.spent)} (${whole(probes.failed)})`),
    ...row("not closed", ({ notClosed }) => percent(notClosed)),
    ...(incidents.every(isStrange) ? [] : [
      ...row(
        "opened in incidents",
        ({ incidents: all }) =>
          all &&
          `${whole(all.filter(({ openAfter }) => openAfter !== undefined).length)} of ${
            whole(all.filter((one) => !isStrange(one)).length)
          }`
      ),
      ...row("  median time to open", ({ incidents: all }) => median(all?.map(({ openAfter }) => openAfter))),
      ...row("  median time to close", ({ incidents: all }) =>
        // Where it never opened, there was nothing to close.
        median(all?.flatMap(({ closedAfter, openAfter }) => openAfter === undefined ? [] : [closedAfter])))
    ])
  ]
}

/** What was replayed, in a line or two. */
export const facts = (
  { calls, circuits, from, incidents, leftOut, unknownCircuits, until }: Replay.Result
): ReadonlyArray<string> => {
  const all = Object.values(calls).reduce((sum, count) => sum + count, 0)
  const kinds = [
    `${whole(calls.succeeded)} went well`,
    `${whole(calls.failed)} failed`,
    ...(calls.throttled > 0 ? [`${whole(calls.throttled)} were throttled`] : []),
    ...(calls.ignored > 0 ? [`${whole(calls.ignored)} count for nothing`] : []),
    ...(calls.refused > 0 ? [`${whole(calls.refused)} were refused by the log's own breaker`] : [])
  ]
  return [
    `${counted(all, "call")} of ${counted(circuits, "circuit")}, ${instant(from, from, "wall")} to ${
      instant(until, from, "wall")
    } UTC (${span(until - from)}): ${kinds.join(", ")}.`,
    incidents.length === 0 ? "No incident was found." : `${counted(incidents.length, "incident")}.`,
    ...(unknownCircuits.length > 0
      ? [
        `Of these, those of ${
          unknownCircuits.slice(0, 5).join(", ")
        } are of no circuit in this log: see below for its circuits.`
      ]
      : []),
    ...(leftOut.outOfOrder > 0 ? [`${whole(leftOut.outOfOrder)} came out of order and were left out.`] : []),
    ...(leftOut.tooManyCircuits > 0
      ? [`${whole(leftOut.tooManyCircuits)} were of one circuit too many and left out.`]
      : [])
  ]
}

/** The incidents one by one, and what each policy did about them. */
export const incidents = ({ from, incidents, policies, unknownCircuits }: Replay.Result): ReadonlyArray<Report.Table> =>
  incidents.length === 0 ? [] : [{
    title: incidents.length > mostRows ? `The first ${mostRows} incidents` : "Incidents",
    head: ["began", "circuit", "lasted", "failed", ...policies.map(({ policy }) => `${policy}: open, closed after`)],
    rows: incidents.slice(0, mostRows).map(({ calls, circuit, end, failures, start }, i) =>
      [
        instant(start, from, "wall"),
        circuit,
        end === undefined ? "on" : span(end - start),
        calls === undefined || failures === undefined ? "–" : `${whole(failures)} of ${whole(calls)}`
      ].concat(policies.map(({ incidents: all }) => {
        const did = all?.[i]
        return did === undefined || unknownCircuits.includes(circuit)
          ? "–"
          : did.openAfter === undefined
          ? "never, –"
          : `${span(did.openAfter)}, ${time(did.closedAfter)}`
      }))
    )
  }]

// ---------------------------------------------------------------------------------------------------------------------

const mostRows = 50

const counted = (count: number, what: string): string => `${whole(count)} ${what}${count === 1 ? "" : "s"}`

const time = (millis: number | undefined): string => millis === undefined ? "never" : span(millis)

const median = (values: ReadonlyArray<number | undefined> | undefined): string | undefined => {
  const known = (values ?? []).filter((value) => value !== undefined).toSorted((a, b) => a - b)
  const middle = known.length >> 1
  if (known.length === 0) return undefined
  return span(known.length % 2 === 1 ? known[middle]! : (known[middle - 1]! + known[middle]!) / 2)
}
