/**
 * `effect-breaker replay`: what policies would have done with the calls of a log.
 *
 * @since 0.1.0
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as CallLog from "../replay/CallLog.ts"
import * as LogColumns from "../replay/LogColumns.ts"
import * as Random from "../replay/Random.ts"
import * as Replay from "../replay/Replay.ts"
import * as Words from "../replay/Words.ts"
import * as Failed from "./Failed.ts"
import * as Input from "./Input.ts"
import * as Pages from "./Pages.ts"
import * as Policies from "./Policies.ts"
import * as Progress from "./Progress.ts"
import * as ReplayFigures from "./ReplayFigures.ts"
import { Screen } from "./Screen.ts"
import * as Table from "./Table.ts"
import * as Text from "./Text.ts"

const options = {
  log: Argument.String("LOG").pipe(
    Argument.withDescription(
      "A log of calls: JSON lines, CSV, JSON, or spans of OpenTelemetry in JSON; - for standard input"
    )
  ),
  policies: Policies.flag,
  format: Flag.Literals("format", ["json-lines", "csv", "json", "otlp"]).pipe(
    Flag.withDescription("How the log is written, where its beginning does not say so"),
    Flag.optional
  ),
  columns: Flag.String("columns").pipe(
    Flag.withMetavar("JSON|FILE"),
    Flag.withDescription(
      "Which columns say what, as in '{\"time\":\"ts\",\"took\":{\"column\":\"dur\",\"unit\":\"seconds\"}}'"
    ),
    Flag.optional
  ),
  list: Flag.String("list").pipe(
    Flag.withDescription("The name of the list in a JSON document, where it is not the document itself"),
    Flag.optional
  ),
  allSpans: Flag.Boolean("all-spans").pipe(
    Flag.withDescription("Take all spans for calls, not only those to a model"),
    Flag.withDefault(false)
  ),
  strict: Flag.Boolean("strict").pipe(
    Flag.withDescription("Fail at the first line that cannot be read, instead of counting it"),
    Flag.withDefault(false)
  ),
  incidents: Flag.String("incidents").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Incidents as JSON, [{ \"start\", \"end\", \"circuit\" }]; found in the log, unless given"),
    Flag.optional
  ),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("Draw the jitter of openings from this seed; without it, there is no jitter"),
    Flag.optional
  ),
  report: Pages.flag,
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print the result as one JSON object"),
    Flag.withDefault(false)
  ),
  timelines: Flag.Boolean("timelines").pipe(
    Flag.withDescription("With --json: the timelines too"),
    Flag.withDefault(false)
  )
}

/** The command. */
export const command = Command.make("replay", options, (given) => replay(given)).pipe(
  Command.withDescription(
    Text.paragraphs(
      "What policies would have done with the calls of a log, side by side.",
      "Each policy reads the log with circuits of its own: which calls it would have refused that failed (saved) and that"
        + " went well (lost), how long callers would not have waited, when it opened and how soon after an incident it was"
        + " closed again. What the log never saw is not made up.",
      "A line has at least a time, a duration, and a status or an outcome. Lines that cannot be read are skipped and counted."
    )
  ),
  Command.withShortDescription("What policies would have done with the calls of a log"),
  Command.withExamples([
    { command: "effect-breaker replay calls.jsonl", description: "The policies that come with the library" },
    {
      command: "effect-breaker replay calls.csv --policy llm --policy mine.json --report out.html",
      description: "Your own beside the one for models, with a page"
    },
    {
      command:
        `zcat calls.jsonl.gz | effect-breaker replay - --policy '{"tripPolicy":{"_tag":"Consecutive","failures":3}}'`,
      description: "From standard input, with a policy on the command line"
    },
    {
      command:
        `effect-breaker replay gateway.csv --columns '{"time":"started","took":{"column":"secs","unit":"seconds"}}'`,
      description: "A log with names of its own"
    }
  ])
)

// ---------------------------------------------------------------------------------------------------------------------

interface Given {
  readonly log: string
  readonly policies: ReadonlyArray<string>
  readonly format: Option.Option<CallLog.Format>
  readonly columns: Option.Option<string>
  readonly list: Option.Option<string>
  readonly allSpans: boolean
  readonly strict: boolean
  readonly incidents: Option.Option<string>
  readonly seed: Option.Option<number>
  readonly report: Option.Option<string>
  readonly json: boolean
  readonly timelines: boolean
}

const replay = Effect.fnUntraced(function*(given: Given) {
  const screen = yield* Screen
  const { log } = given
  const policies = yield* Policies.read(given.policies)
  const columns = Option.isNone(given.columns) ? undefined : yield* columnsOf(given.columns.value)
  const incidents = Option.isNone(given.incidents) ? undefined : yield* incidentsOf(given.incidents.value)
  const now = yield* Clock.currentTimeMillis
  const size = yield* sizeOf(log)
  const state: { done: number; readonly of: number | undefined; count: readonly [string, number] } = {
    done: 0,
    of: size,
    count: ["lines", 0]
  }
  const seed = Option.getOrUndefined(given.seed)
  const started = yield* Effect.try({
    try: () =>
      Replay.log(Input.bytes(log), {
        policies,
        incidents,
        random: seed === undefined ? undefined : (policy) => {
          const random = Random.make(seed).fork(policy)
          return () => random.next()
        },
        log: {
          columns,
          now,
          strict: given.strict,
          format: Option.getOrUndefined(given.format),
          list: Option.getOrUndefined(given.list),
          spans: given.allSpans ? "all" : "model",
          onProgress: ({ bytes, lines }) => {
            state.done = bytes
            state.count = ["lines", lines]
          }
        }
      }),
    catch: (error) => Failed.wrong((error as RangeError).message)
  })
  const result = yield* Progress.during(started, Input.nameOf(log), () => state).pipe(
    Effect.catchTag("BadLine", ({ line, why }) => Effect.fail(Failed.failed(`${Input.nameOf(log)}:${line}: ${why}`))),
    Effect.catchTag("LogUnreadable", ({ message }) => Effect.fail(Failed.failed(`${Input.nameOf(log)}: ${message}`)))
  )
  if (Object.values(result.calls).every((count) => count === 0)) {
    return yield* Failed.failed(
      `${Input.nameOf(log)}: there is no call in it (lines: ${Words.whole(result.log.lines)})${skipped(result.log)}`
    )
  }
  const runs = result.policies.map(({ policy, timeline }) => ({ name: policy, timeline }))
  const figures = ReplayFigures.rows(result)
  const facts = ReplayFigures.facts(result)
  yield* Pages.write(given.report, () => ({
    title: `Replay of ${Input.nameOf(log)}`,
    facts: [...facts, ...skips(result.log)],
    clock: "wall",
    figures,
    runs,
    bands: result.incidents.map(({ circuit, end, start }) => ({
      name: circuit,
      from: start,
      until: end ?? result.until
    })),
    tables: ReplayFigures.incidents(result),
    limits: result.limits
  }))
  if (given.json) {
    const bare = given.timelines ? result.policies : result.policies.map(({ timeline: _, ...rest }) => rest)
    return yield* screen.print(JSON.stringify({ ...result, policies: bare }))
  }
  const names = result.policies.map(({ policy }) => policy)
  yield* screen.print([
    ...facts,
    ...skips(result.log),
    "",
    Table.plain(["", ...names], figures),
    "",
    Pages.strips(runs, "wall", screen),
    ...ReplayFigures.incidents(result).flatMap(({ head, rows, title }) => ["", title, "", Table.plain(head, rows)]),
    "",
    "What this cannot tell:",
    ...result.limits.map((limit) => Text.item(limit))
  ].join("\n"))
})

const columnsOf = (given: string) =>
  Effect.flatMap(
    given.trimStart().startsWith("{") ? Effect.succeed([given, "--columns"] as const) : Effect.map(
      Input.text(given),
      (text) => [text, given] as const
    ),
    ([text, file]) => Effect.flatMap(Input.json(text, file), (data) => checked(data, Input.nameOf(file)))
  )

const checked = (data: unknown, place: string): Effect.Effect<LogColumns.LogColumns, Failed.Failed> =>
  Effect.try({
    try: () => {
      const columns = Object(data) as LogColumns.LogColumns
      LogColumns.check(columns, place)
      return columns
    },
    catch: (error) => Failed.wrong((error as RangeError).message)
  })

const incidentsOf = Effect.fnUntraced(function*(file: string) {
  const data = yield* Effect.flatMap(Input.text(file), (text) => Input.json(text, file))
  const place = Input.nameOf(file)
  if (!Array.isArray(data)) return yield* Failed.wrong(`${place}: incidents must be a list of { start, end, circuit }`)
  return yield* Effect.forEach(
    data as ReadonlyArray<Record<string, unknown> | null>,
    (one, i) =>
      Effect.gen(function*() {
        const start = momentOf(one?.["start"])
        const end = one?.["end"] === undefined ? undefined : momentOf(one["end"])
        const circuit = one?.["circuit"]
        const isGood = start !== undefined && (one?.["end"] === undefined || (end !== undefined && end >= start)) &&
          (circuit === undefined || typeof circuit === "string")
        return isGood
          ? {
            start,
            ...(end !== undefined && { end }),
            ...(circuit !== undefined && { circuit })
          } satisfies Replay.Given
          : yield* Failed.wrong(
            `${place}: incident ${
              i + 1
            } must have a start and maybe an end after it, as ISO 8601 or milliseconds, got ${JSON.stringify(one)}`
          )
      })
  )
})

const momentOf = (value: unknown): number | undefined => {
  const at = typeof value === "string" ? Date.parse(value) : value
  return typeof at === "number" && Number.isFinite(at) ? at : undefined
}

const sizeOf = (file: string) =>
  file === "-"
    ? Effect.succeed(undefined)
    : FileSystem.FileSystem.pipe(
      Effect.flatMap((files) => files.stat(file)),
      Effect.map(({ size, type }) => type === "File" ? Number(size) : undefined),
      Effect.orElseSucceed(() => undefined)
    )

const skips = ({ others, skips }: CallLog.Reading): ReadonlyArray<string> => [
  ...skips.map(({ count, example, lines, reason }) =>
    `Skipped ${Words.whole(count)} as ${reason}: line ${lines.join(", ")}${
      count > lines.length ? ", …" : ""
    } (${example})`
  ),
  ...(others === 0 ? [] : [`${Words.whole(others)} spans are no calls to a model.`])
]

const skipped = (reading: CallLog.Reading): string => {
  const said = skips(reading)
  return said.length === 0 ? "" : `. ${said.join(". ")}`
}
