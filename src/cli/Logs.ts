/**
 * The logs that commands read: the options for how they are written, and how far their reading has come.
 *
 * @since 0.1.0
 */
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as CallLog from "../replay/CallLog.ts"
import * as LogColumns from "../replay/LogColumns.ts"
import type * as Replay from "../replay/Replay.ts"
import * as Words from "../replay/Words.ts"
import * as Failed from "./Failed.ts"
import * as Input from "./Input.ts"
import type * as Output from "./Output.ts"

/** How the argument is described. */
export const described =
  "A log of calls: JSON lines, CSV, JSON, or spans of OpenTelemetry in JSON; - for standard input"

/** The options that say how a log is read. */
export const flags = {
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
  )
}

/** What was given for them. */
export interface Given {
  readonly format: Option.Option<CallLog.Format>
  readonly columns: Option.Option<string>
  readonly list: Option.Option<string>
  readonly allSpans: boolean
  readonly strict: boolean
  readonly incidents: Option.Option<string>
}

/** The files that the options name. */
export const files = ({ columns, incidents }: Given): ReadonlyArray<Output.Named> => [
  ["--columns", columns],
  ["--incidents", incidents]
]

/** How a log is read: its options, its incidents where they are given, and a state that tells how far the reading is. */
export const read = Effect.fnUntraced(function*(log: string, given: Given) {
  const columns = Option.isNone(given.columns) ? undefined : yield* columnsOf(given.columns.value)
  const incidents = Option.isNone(given.incidents) ? undefined : yield* incidentsOf(given.incidents.value)
  const now = yield* Clock.currentTimeMillis
  const size = yield* sizeOf(log)
  const progress: { done: number; readonly of: number | undefined; count: readonly [string, number] } = {
    done: 0,
    of: size,
    count: ["lines", 0]
  }
  const options: CallLog.Options = {
    columns,
    now,
    strict: given.strict,
    format: Option.getOrUndefined(given.format),
    list: Option.getOrUndefined(given.list),
    spans: given.allSpans ? "all" : "model",
    onProgress: ({ bytes, lines }) => {
      progress.done = bytes
      progress.count = ["lines", lines]
    }
  }
  return { options, incidents, progress }
})

/** How many bytes a file has, where that can be known. */
export const sizeOf = (file: string) =>
  file === "-"
    ? Effect.succeed(undefined)
    : FileSystem.FileSystem.pipe(
      Effect.flatMap((files) => files.stat(file)),
      Effect.map(({ size, type }) => type === "File" ? Number(size) : undefined),
      Effect.orElseSucceed(() => undefined)
    )

/** How a log complains, as a command says it. */
export const complaints = (log: string) => ({
  BadLine: ({ line, why }: CallLog.BadLine) => Effect.fail(Failed.failed(`${Input.nameOf(log)}:${line}: ${why}`)),
  LogUnreadable: ({ message }: CallLog.LogUnreadable) => Effect.fail(Failed.failed(`${Input.nameOf(log)}: ${message}`))
})

/** Whether most lines of a log were skipped that are no copies: what is told of the rest may be far from the truth. */
export const isMostlyUnread = (reading: CallLog.Reading): boolean =>
  reading.records > 0 && unreadOf(reading) > reading.records

/** What is said of lines that were skipped: loudly where they are most of the log, and one sentence for each reason. */
export const skips = (reading: CallLog.Reading): ReadonlyArray<string> => {
  const { others, records, skips } = reading
  const unread = unreadOf(reading)
  return [
    ...(isMostlyUnread(reading)
      ? [
        `MOST OF THE LOG WAS NOT READ: ${Words.whole(unread)} of ${
          Words.whole(unread + records)
        } lines were skipped, and what`
        + " is told here is of the rest."
      ]
      : []),
    ...skips.map(({ count, example, lines, reason }) =>
      `Skipped ${Words.whole(count)} as ${reason}: line ${lines.join(", ")}${
        count > lines.length ? ", …" : ""
      } (${example})`
    ),
    ...(skips.some(({ count, reason }) => reason === "late" && count > records)
      ? [
        "A log has to be in order of time. Where the newest calls come first, turn it round: tac LOG | effect-breaker replay -."
        + " Otherwise sort it."
      ]
      : []),
    ...(others === 0 ? [] : [`${Words.whole(others)} spans are no calls to a model.`])
  ]
}

const unreadOf = ({ skipped, skips }: CallLog.Reading): number =>
  skipped - (skips.find(({ reason }) => reason === "duplicate")?.count ?? 0)

/** The same behind a sentence. */
export const skipped = (reading: CallLog.Reading): string => {
  const said = skips(reading)
  return said.length === 0 ? "" : `. ${said.join(". ")}`
}

/** What may help where no call was found. */
export const hint = ({ format, lines }: CallLog.Reading): string =>
  lines === 0 ? "" : format === "json-lines"
    ? ". Where it is one JSON document with a list in it, name the list: --list calls"
    : format === "json"
    ? ". Where the list is not the document itself, name it: --list calls"
    : ""

// ---------------------------------------------------------------------------------------------------------------------

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
