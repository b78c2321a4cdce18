/** What the demo shows: a live line while it runs, and a table at the end. */
import { Clock, Duration, Effect } from "effect"
import type { Breaker, Fallback } from "effect-breaker"
import type { FakeProvider } from "effect-breaker/testing"

/** What the callers of one side saw. Times are milliseconds. */
export interface Tally {
  readonly began: number
  readonly answers: Array<{ readonly at: number; readonly from: Fallback.Served<string>["from"] | "error" }>
  asked: number
  waitedOnFailures: number
  readonly opened: Array<number>
  readonly closed: Array<number>
}

export const tally = (began: number): Tally => ({
  began,
  answers: [],
  asked: 0,
  waitedOnFailures: 0,
  opened: [],
  closed: []
})

/** Notes how long a caller waited for a call that then failed. */
export const primary = <A, E, R>(tally: Tally, call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Clock.currentTimeMillis,
    (began) =>
      Effect.tapError(call, () =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          tally.waitedOnFailures += now - began
        }))
  )

/** Notes what a caller got, and when. */
export const timed = <R>(
  tally: Tally,
  call: Effect.Effect<Fallback.Served<string>, unknown, R>
): Effect.Effect<void, never, R> =>
  Effect.suspend(() => {
    tally.asked++
    return Effect.match(call, { onSuccess: ({ from }) => from, onFailure: () => "error" as const })
  }).pipe(
    Effect.flatMap((from) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        tally.answers.push({ at: now - tally.began, from })
      })
    )
  )

const pretty = process.stdout.isTTY && process.env.NO_COLOR === undefined
const paint = (code: number, text: string): string => pretty ? `\u001b[${code}m${text}\u001b[0m` : text
const colours = { Closed: 32, HalfOpen: 33, Open: 31, Isolated: 35 }
const count = (tally: Tally, from: string): number => tally.answers.filter((answer) => answer.from === from).length
const inSeconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`

/** The live line: redrawn on a terminal, one line a second in a file. */
export const screen = (seconds: number) => {
  let phase = ""
  let printed = -1
  const clear = () => pretty && process.stdout.write("\r\u001b[2K")
  const print = (text: string) => {
    clear()
    console.log(text)
  }
  return {
    line(tally: Tally, snapshot: Breaker.Snapshot, now: string) {
      const second = Math.floor((Date.now() - tally.began) / 1000)
      if (second < seconds && now !== phase) print(paint(1, `── the provider is ${now} ──`))
      phase = now
      const stage = snapshot.stage === "Ramping" ? `ramp ${(snapshot.share ?? 0) * 100} %` : snapshot.stage ?? ""
      const wait = Duration.toMillis(snapshot.retryAfter)
      const text = [
        `${String(second).padStart(2)}/${seconds} s`,
        paint(colours[snapshot.state], `${snapshot.state} ${stage}`.padEnd(18)),
        `asked ${tally.asked}`,
        `answered ${count(tally, "primary")}`,
        `cached ${count(tally, "cached")}`,
        `default ${count(tally, "default")}`,
        `refused ${snapshot.rejected}`,
        wait > 0 ? `next probe in ${inSeconds(wait)}` : ""
      ].join("  ")
      if (pretty) process.stdout.write(`\r\u001b[2K${text.slice(0, (process.stdout.columns ?? 120) + 9)}`)
      else if (second !== printed) console.log(text)
      printed = second
    },
    event: (tally: Tally, event: Breaker.Event) =>
      Effect.sync(() => {
        if (event._tag !== "Transitioned" || event.from === event.to) return
        const at = event.at - tally.began
        if (event.to === "Open") tally.opened.push(at)
        if (event.to === "Closed") tally.closed.push(at)
        const why = event.to === "Open" && event.cause
          ? `: ${event.cause.rule}${
            event.cause.failure?.message ? `, last failure "${event.cause.failure.message}"` : ""
          }`
          : ""
        print(`${inSeconds(at).padStart(7)}  ${paint(colours[event.to], `circuit ${event.from} → ${event.to}`)}${why}`)
      }),
    end: clear
  }
}

interface Side {
  readonly tally: Tally
  readonly journal: ReadonlyArray<FakeProvider.Entry>
}

// When a phase began and ended is read off the journal of the bare side: it is asked ten times a second throughout.
const outages = ({ journal }: Side) =>
  ["529 overloaded", "hanging"].map((name) => {
    const from = journal.find((entry) => entry.phase === name)?.at ?? Number.NaN
    const until = journal.find((entry) => entry.at > from && entry.phase !== name)?.at ?? Number.NaN
    return { name, from, until }
  })

/** The table at the end. */
export const table = (guarded: Side, bare: Side): string => {
  const found = outages(bare)
  const served = (side: Side, from: string) => String(count(side.tally, from))
  const reached = (side: Side, during?: { readonly from: number; readonly until: number }) =>
    String(side.journal.filter(({ at }) => during === undefined || (at >= during.from && at < during.until)).length)
  // From the end of an outage until no caller goes without a fresh answer any more.
  const recovery = (side: Side, outage: { readonly until: number }, next: number) => {
    const late = side.tally.answers.filter(({ at, from }) => from !== "primary" && at >= outage.until && at < next)
    return inSeconds(Math.max(0, ...late.map(({ at }) => at - outage.until)))
  }
  const opening = ({ from, until }: { readonly from: number; readonly until: number }) => {
    const at = guarded.tally.opened.find((opened) => opened >= from && opened < until)
    return at === undefined ? "never" : inSeconds(at - from)
  }
  const rows: Array<readonly [string, string, string]> = [
    ["", "with effect-breaker", "without"],
    ["calls asked", String(guarded.tally.asked), String(bare.tally.asked)],
    ["calls that reached the provider", reached(guarded), reached(bare)],
    ...found.map((outage) =>
      [`  of these while it was ${outage.name}`, reached(guarded, outage), reached(bare, outage)] as const
    ),
    [
      "callers waited on calls that failed",
      inSeconds(guarded.tally.waitedOnFailures),
      inSeconds(bare.tally.waitedOnFailures)
    ],
    ["answers from the provider", served(guarded, "primary"), served(bare, "primary")],
    ["answers from the last good one", served(guarded, "cached"), "0"],
    ["answers from the safe default", served(guarded, "default"), "0"],
    ["callers left with an error", served(guarded, "error"), served(bare, "error")],
    ...found.map((outage) => [`time to open, ${outage.name}`, opening(outage), "-"] as const),
    ...found.map((outage, i) =>
      [
        `time to full recovery, ${outage.name}`,
        recovery(guarded, outage, found[i + 1]?.from ?? Number.POSITIVE_INFINITY),
        recovery(bare, outage, found[i + 1]?.from ?? Number.POSITIVE_INFINITY)
      ] as const
    )
  ]
  return columns(rows)
}

/** Rows under a head, in three columns. */
export const columns = (rows: ReadonlyArray<readonly [string, string, string]>): string => {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]!.length))
  const line = ([what, ours, theirs]: readonly [string, string, string]) =>
    `${what.padEnd(width(0))}  ${ours.padStart(width(1))}  ${theirs.padStart(width(2))}`
  return [line(rows[0]!), "─".repeat(line(rows[0]!).length), ...rows.slice(1).map(line)].join("\n")
}
