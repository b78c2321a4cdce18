/**
 * A log of calls, read as a stream: JSON Lines, CSV, a JSON document with a list, or the spans of OpenTelemetry.
 *
 * A log is read once, from its beginning to its end, in a bounded memory. Its records come out in order of when they were
 * asked for. A line that cannot be one is skipped and counted, by reason; in a strict reading it is an error that says what
 * is wrong with it. No bytes make it throw.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Setting from "../internal/Setting.ts"
import type * as CallRecord from "./CallRecord.ts"
import * as LogColumns from "./LogColumns.ts"
import { Format, type Host, type Source, sourceOf } from "./LogFormat.ts"
import { Order } from "./LogOrder.ts"
import { Flaw, Reader as RowReader, type Reason } from "./LogRow.ts"

export type { LogColumns } from "./LogColumns.ts"
export type { Format } from "./LogFormat.ts"
export type { Reason } from "./LogRow.ts"

/**
 * How a log is read.
 *
 * **Details**
 *
 * - `format`: how it is written; without it, what its beginning looks like.
 * - `columns`: which columns say what, where their names do not say it.
 * - `strict`: whether the first line that cannot be read is an error (default `false`).
 * - `within`: how long after the end of its call a line may be written (default 5 minutes). Records wait so long, and as long
 *   as the longest call so far took, an hour at most; what comes after that is `late`.
 * - `mostWaiting`: how many records may wait (default 1 000 000); beyond that the first of them no longer does.
 * - `now`: the time that it is, in milliseconds since the epoch; what is later than that is `future`.
 * - `jump`: how far apart neighbours may be (default 7 days): a line that is farther from those before and after it has a
 *   wrong time, and is left out as `far`. Eight such lines in a row are a gap in the log.
 * - `copies`: whether a line that is the same as another is `skip`ped (the default) or `keep`t.
 * - `longestLine`: how many bytes a line may have (default 1 MiB).
 * - `list`: the name of the list in a document of format `json`, where it is not the document itself.
 * - `spans`: which spans of `otlp` are calls: those of calls to a model (`model`, the default) or `all`.
 * - `onProgress`: is told how far the reading has come, after each chunk of bytes. It must not throw.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly format?: Format | undefined
  readonly columns?: LogColumns.LogColumns | undefined
  readonly strict?: boolean | undefined
  readonly within?: Duration.Input | undefined
  readonly mostWaiting?: number | undefined
  readonly now?: number | undefined
  readonly jump?: Duration.Input | undefined
  readonly copies?: "skip" | "keep" | undefined
  readonly longestLine?: number | undefined
  readonly list?: string | undefined
  readonly spans?: "model" | "all" | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/**
 * How far a reading has come.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  readonly bytes: number
  readonly lines: number
  readonly records: number
  readonly skipped: number
}

/**
 * Lines that were skipped for one reason: how many, the numbers of the first five, and what was wrong with the first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Skipped {
  readonly reason: Reason
  readonly count: number
  readonly lines: ReadonlyArray<number>
  readonly example: string
}

/**
 * What there is to say about a log that was read. Spans that are no calls are `others`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reading extends Progress {
  readonly format: Format | undefined
  readonly others: number
  readonly skips: ReadonlyArray<Skipped>
}

/**
 * A line of a log that was read strictly, and what is wrong with it. Lines are counted from one.
 *
 * @category errors
 * @since 0.1.0
 */
export class BadLine extends /*#__PURE__*/ Data.TaggedError("BadLine")<{
  readonly line: number
  readonly reason: Reason
  readonly why: string
}> {
  override get message(): string {
    return `Line ${this.line}: ${this.why}`
  }
}

/**
 * The bytes of a log: a stream, or anything that gives chunks one after another, such as a file of Node.
 *
 * @category models
 * @since 0.1.0
 */
export type Bytes<E = never, R = never> =
  | Stream.Stream<Uint8Array, E, R>
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>

/**
 * The bytes came to an end before the log did.
 *
 * @category errors
 * @since 0.1.0
 */
export class LogUnreadable extends /*#__PURE__*/ Data.TaggedError("LogUnreadable")<{ readonly cause: unknown }> {
  override get message(): string {
    return `The log cannot be read: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/**
 * Reads a log to its end, and gives each record to `onRecord`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad option. `onRecord` must not throw.
 *
 * **Example** (Two calls, and a line that is none)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { CallLog } from "effect-breaker/replay"
 *
 * const lines = `{ "time": "2026-05-01T12:00:03Z", "latency_s": 1.5, "status": 529, "model": "gpt-5" }
 * what is this?
 * { "time": "2026-05-01T12:00:00Z", "latency_s": 20, "status": 200, "model": "gpt-5" }
 * `
 * const calls: Array<string> = []
 * const reading = await Effect.runPromise(
 *   CallLog.read([new TextEncoder().encode(lines)], {
 *     onRecord: ({ circuit, outcome, took }) => calls.push(`${circuit}: ${outcome._tag} after ${took} ms`)
 *   })
 * )
 *
 * console.log(calls) // => ["gpt-5: Success after 20000 ms", "gpt-5: Failure after 1500 ms"]
 * console.log(reading.skips.map(({ count, lines, reason }) => ({ reason, count, lines })))
 * // => [{ reason: "malformed", count: 1, lines: [2] }]
 * ```
 *
 * @category reading
 * @since 0.1.0
 */
export const read = <E = never, R = never>(
  bytes: Bytes<E, R>,
  options: Options & { readonly onRecord: (record: CallRecord.CallRecord) => void }
): Effect.Effect<Reading, E | BadLine | LogUnreadable, R> => {
  const { onRecord, ...rest } = options
  check(rest)
  return Effect.suspend(() => {
    const reader = make(rest, onRecord)
    return Effect.andThen(
      Stream.runForEach(streamOf(bytes), (chunk) => reader.error(() => reader.push(chunk))),
      Effect.as(reader.error(() => reader.end()), reader).pipe(Effect.map(() => reader.reading()))
    )
  })
}

/**
 * The records of a log, in order of when they were asked for.
 *
 * @category reading
 * @since 0.1.0
 */
export const records = <E = never, R = never>(
  bytes: Bytes<E, R>,
  options: Options = {}
): Stream.Stream<CallRecord.CallRecord, E | BadLine | LogUnreadable, R> => {
  check(options)
  return Stream.suspend(() => {
    let ready: Array<CallRecord.CallRecord> = []
    const reader = make(options, (record) => ready.push(record))
    const taken = (act: () => void) =>
      Stream.unwrap(Effect.map(reader.error(act), () => {
        const records = ready
        ready = []
        return Stream.fromIterable(records)
      }))
    return Stream.concat(
      Stream.flatMap(streamOf(bytes), (chunk) => taken(() => reader.push(chunk))),
      Stream.suspend(() => taken(() => reader.end()))
    )
  })
}

/**
 * Makes a reader that is fed by hand: for logs that come by other ways than a stream.
 *
 * @category reading
 * @since 0.1.0
 */
export const make = (options: Options, onRecord: (record: CallRecord.CallRecord) => void): Reader => {
  check(options)
  return new Reader(options, onRecord)
}

/**
 * Reads a log that is fed by hand: `push` as often as there are bytes, and `end` once.
 *
 * **Details**
 *
 * In a strict reading both throw the `BadLine`; otherwise neither ever throws.
 *
 * @category reading
 * @since 0.1.0
 */
export class Reader {
  private readonly options: Options
  private readonly order: Order
  private readonly rows = new RowReader()
  private readonly skips = new Map<Reason, { count: number; lines: Array<number>; example: string }>()
  private source: Source | undefined
  /** Too little to tell the format by. */
  private head = new Uint8Array(0)
  private bytes = 0
  private given = 0
  private skippedLines = 0
  private otherSpans = 0
  private readonly host: Host = {
    row: (row, line, mark) => this.row(row, line, mark),
    skip: (line, reason, why) => this.skip(line, reason, why),
    other: () => {
      this.otherSpans++
    }
  }

  /** @internal Use `make`. */
  constructor(options: Options, onRecord: (record: CallRecord.CallRecord) => void) {
    this.options = options
    const { copies, jump = "7 days", mostWaiting = 1_000_000, now = Infinity, within = "5 minutes" } = options
    this.order = new Order({
      within: Setting.toMillis(within),
      most: mostWaiting,
      jump: Setting.toMillis(jump),
      now,
      keepsCopies: copies === "keep"
    }, {
      record: (record) => {
        this.given++
        onRecord(record)
      },
      leftOut: ({ at, line }, why) => this.skip(line, why, leftOut[why](at))
    })
  }

  push(bytes: Uint8Array): void {
    this.bytes += bytes.length
    if (this.source === undefined) {
      const head = new Uint8Array(this.head.length + bytes.length)
      head.set(this.head)
      head.set(bytes, this.head.length)
      this.head = head
      if (head.length < enoughToTell) return
      this.begin()
    } else this.source.push(bytes)
    this.options.onProgress?.(this.progress())
  }

  end(): void {
    if (this.source === undefined) this.begin()
    this.source!.end()
    this.order.end()
    this.options.onProgress?.(this.progress())
  }

  progress(): Progress {
    const { bytes, given, skippedLines, source } = this
    return { bytes, lines: source?.lines ?? 0, records: given, skipped: skippedLines }
  }

  reading(): Reading {
    return {
      ...this.progress(),
      format: this.source?.format,
      others: this.otherSpans,
      skips: Array.from(this.skips, ([reason, skip]) => ({ reason, ...skip, lines: skip.lines.slice() }))
    }
  }

  /** @internal Does something, and fails with the line that it found in a strict reading. */
  error(act: () => void): Effect.Effect<void, BadLine> {
    return Effect.suspend(() => {
      try {
        act()
        return Effect.void
      } catch (error) {
        if (error instanceof BadLine) return Effect.fail(error)
        throw error
      }
    })
  }

  private row(row: LogColumns.Row, line: number, mark: () => number): void {
    const record = this.rows.record(row)
    if (record instanceof Flaw) return this.skip(line, record.reason, record.message)
    record.line = line
    if (record.id === 0 && this.options.copies !== "keep") record.id = mark()
    this.order.add(record)
  }

  private skip(line: number, reason: Reason, why: string): void {
    if (this.options.strict === true) throw new BadLine({ line, reason, why })
    this.skippedLines++
    const skip = this.skips.get(reason)
    if (skip === undefined) this.skips.set(reason, { count: 1, lines: [line], example: why })
    else {
      skip.count++
      if (skip.lines.length < 5) skip.lines.push(line)
    }
  }

  private begin(): void {
    const { columns, format, list, longestLine = 1 << 20, spans = "model" } = this.options
    this.source = sourceOf(this.head, {
      format,
      list,
      spans,
      most: longestLine,
      columns: new LogColumns.Columns(columns),
      host: this.host
    })
    const head = this.head
    this.head = new Uint8Array(0)
    this.source.push(head)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** Long enough for a document to say what it is. */
const enoughToTell = 1024

const leftOut = {
  late: (at: number) => `${when(at)} had passed: others that were asked for later have been read long ago`,
  far: (at: number) => `${when(at)} is far from the lines around it`,
  future: (at: number) => `${when(at)} is yet to come`,
  duplicate: (at: number) => `it is a copy of another call of ${when(at)}`
}

const when = (at: number): string => new Date(at).toISOString()

const streamOf = <E, R>(bytes: Bytes<E, R>): Stream.Stream<Uint8Array, E | LogUnreadable, R> =>
  Stream.isStream(bytes)
    ? bytes
    : Symbol.asyncIterator in bytes
    ? Stream.fromAsyncIterable(bytes, (cause) => new LogUnreadable({ cause }))
    : Stream.fromIterable(bytes as Iterable<Uint8Array>)

const maybe = Schema.optional

const schema: Schema.Codec<unknown, unknown> = /*#__PURE__*/ Schema.Struct({
  format: /*#__PURE__*/ maybe(Format),
  strict: /*#__PURE__*/ maybe(Setting.flag),
  within: /*#__PURE__*/ maybe(Setting.duration),
  mostWaiting: /*#__PURE__*/ maybe(Setting.count),
  now: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Setting.setting("a moment in milliseconds", (now) => typeof now === "number" && !Number.isNaN(now))
  ),
  jump: /*#__PURE__*/ maybe(Setting.positiveDuration),
  copies: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Setting.setting<string>("skip or keep", (copies) => ["skip", "keep"].includes(copies))
  ),
  longestLine: /*#__PURE__*/ maybe(Setting.count),
  list: /*#__PURE__*/ maybe(Setting.text),
  spans: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Setting.setting<string>("model or all", (spans) => ["model", "all"].includes(spans))
  )
})

const check = (options: Options): void => {
  Setting.enforce("CallLog", schema, options)
  if (options.columns !== undefined) LogColumns.check(options.columns, "CallLog")
}
