/**
 * The forms in which a log is written, each as something that takes bytes and gives rows.
 *
 * @since 0.1.0
 */
import * as Setting from "../internal/Setting.ts"
import { type Columns, type Known, Row } from "./LogColumns.ts"
import { Document } from "./LogDocument.ts"
import { Flat } from "./LogFlat.ts"
import { Lines } from "./LogLines.ts"
import { type Reason, shown } from "./LogRow.ts"
import { isModelCall, rowOfSpan } from "./LogSpan.ts"
import * as LogTable from "./LogTable.ts"

/** Who takes the rows. `mark` makes a number of the line that the row was made of. */
export interface Host {
  row(row: Row, line: number, mark: () => number): void
  /** Something that is no call, and does not pretend to be one. */
  other(): void
  skip(line: number, reason: Reason, why: string): void
}

/**
 * How a log is written.
 *
 * **Details**
 *
 * `json-lines` is an object on each line; `csv` a table with a header, whatever its delimiter; `json` a document that is a
 * list of objects, or has one (`list`); `otlp` the spans of OpenTelemetry as its exporters write them to files, a document
 * or one on each line.
 *
 * @category models
 * @since 0.1.0
 */
export type Format = "json-lines" | "csv" | "json" | "otlp"

/** @internal */
export const Format = /*#__PURE__*/ Setting.setting<Format>(
  "json-lines, csv, json or otlp",
  (format) => ["json-lines", "csv", "json", "otlp"].includes(format)
)

/** A log being read. */
export interface Source {
  readonly format: Format
  readonly lines: number
  push(bytes: Uint8Array): void
  end(): void
}

export interface Setup {
  readonly format: Format | undefined
  readonly list: string | undefined
  readonly spans: "model" | "all"
  readonly most: number
  readonly columns: Columns
  readonly host: Host
}

/** The source for a log that begins like that. */
export const sourceOf = (head: Uint8Array, setup: Setup): Source => {
  const why = strangeness(head)
  if (why !== undefined) return unread(why, setup)
  const format = setup.format ?? formatOf(head, setup.list)
  if (format === "json-lines") return jsonLines(setup)
  return format === "csv" ? csv(setup) : documents(format, setup)
}

// ---------------------------------------------------------------------------------------------------------------------

/** Why bytes that begin like that are no text that can be read. */
const strangeness = ([a, b, c, d]: Uint8Array): string | undefined => {
  if (a === 0x1f && b === 0x8b) return "it is packed by gzip: unpack it first, as zcat does"
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) {
    return "it is packed by zstd: unpack it first, as zstdcat does"
  }
  if (a === 0x50 && b === 0x4b && c === 3 && d === 4) return "it is a zip archive: unpack it first"
  const isUtf16 = (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff) || (a === 0) !== (b === 0)
  return isUtf16 && b !== undefined ? "it is text in UTF-16: write it as UTF-8 first, as iconv does" : undefined
}

/** A log that cannot be read as it is: said once, and not of every line. */
const unread = (why: string, { format, host }: Setup): Source => {
  let isSaid = false
  return {
    format: format ?? "json-lines",
    lines: 0,
    push: () => {
      if (!isSaid) host.skip(1, "malformed", why)
      isSaid = true
    },
    end: () => undefined
  }
}

const formatOf = (head: Uint8Array, list: string | undefined): Format => {
  const text = new TextDecoder().decode(head.subarray(0, 4096)).trimStart()
  if (/^\{\s*"resourceSpans"/.test(text)) return "otlp"
  if (text.startsWith("[") || list !== undefined) return "json"
  return text.startsWith("{") ? "json-lines" : "csv"
}

const tooLong = (host: Host, most: number) => (line: number): void =>
  host.skip(line, "tooLong", `it has more than ${most} bytes`)

/** The object that a text is, or `undefined` with a word to the host on why it is none. */
const objectOf = (text: string, line: number, host: Host): object | undefined => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    host.skip(line, "malformed", `it is no JSON: ${(error as Error).message}`)
    return undefined
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value
  host.skip(line, "malformed", `it is no object: ${shown(value)}`)
  return undefined
}

const jsonLines = ({ columns, host, most }: Setup): Source => {
  const row = new Row()
  const flat = new Flat(columns)
  const mark = () => lines.mark()
  const lines: Lines = new Lines(most, {
    tooLong: tooLong(host, most),
    plain: (text, bytes, from, to, line) => {
      row.clear()
      if (!flat.read(text, bytes, from, to, row)) return false
      host.row(row, line, mark)
      return true
    },
    line: (text, line) => {
      if (isBlank(text)) return
      const object = objectOf(text, line, host)
      if (object === undefined) return
      row.clear()
      columns.read(object, row)
      host.row(row, line, mark)
    }
  })
  return sourceLike("json-lines", lines)
}

const csv = ({ columns, host, most }: Setup): Source => {
  const row = new Row()
  const mark = () => lines.mark()
  let header: ReadonlyArray<string> | undefined
  let known: ReadonlyArray<Known | undefined> = []
  let table: LogTable.Table | undefined
  const makeTable = (first: string) =>
    new LogTable.Table(LogTable.delimiterOf(first), most, {
      malformed: (line, why) => host.skip(line, "malformed", why),
      row: (cells, line) => {
        if (header === undefined) {
          header = cells.map((cell) => cell.trim())
          known = header.map((name) => columns.of(name))
          return
        }
        if (cells.length !== header.length) {
          return host.skip(line, "malformed", `it has ${cells.length} cells, and the header ${header.length}`)
        }
        row.clear()
        for (let i = 0; i < cells.length; i++) if (known[i] !== undefined) row.put(known[i]!, cells[i])
        host.row(row, line, mark)
      }
    })
  const lines: Lines = new Lines(most, {
    tooLong: tooLong(host, most),
    line: (text, line) => {
      if (table === undefined) {
        if (isBlank(text)) return
        table = makeTable(text)
      }
      table.line(text, line)
    }
  })
  return {
    ...sourceLike("csv", lines),
    get lines() {
      return lines.lines
    },
    end: () => {
      lines.end()
      table?.end()
    }
  }
}

const documents = (format: "json" | "otlp", { columns, host, list, most, spans }: Setup): Source => {
  const row = new Row()
  const document: Document = new Document(format === "otlp" ? "spans" : list ?? "", most, {
    tooLong: tooLong(host, most),
    malformed: (line, why) => host.skip(line, "malformed", why),
    object: (text, line) => {
      const object = objectOf(text, line, host)
      if (object === undefined) return
      row.clear()
      if (format === "json") columns.read(object, row)
      else {
        const span = rowOfSpan(object)
        if (spans === "model" && !isModelCall(span)) return host.other()
        columns.read(span, row)
      }
      host.row(row, line, () => markOf(text))
    }
  })
  return sourceLike(format, document)
}

const sourceLike = (
  format: Format,
  reader: { readonly lines: number; push(bytes: Uint8Array): void; end(): void }
): Source => ({
  format,
  get lines() {
    return reader.lines
  },
  push: (bytes) => reader.push(bytes),
  end: () => reader.end()
})

const isBlank = (text: string): boolean => text === "" || text.trim() === ""

const markOf = (text: string): number => {
  let mark = text.length
  for (let at = 0; at < text.length; at++) mark = Math.imul(mark ^ text.charCodeAt(at), 0x01000193)
  return (mark >>> 0) * 0x100000 + (text.length & 0xfffff)
}
