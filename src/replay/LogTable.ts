/**
 * Lines of text into the rows of a table, as CSV has it: cells in quotes may hold the delimiter, doubled quotes and ends of
 * lines.
 *
 * Effect's own reader of CSV ends at the first row that is none; a log goes on.
 *
 * @since 0.1.0
 */

/** Who takes the rows. */
export interface Sink {
  row(cells: ReadonlyArray<string>, line: number): void
  malformed(line: number, why: string): void
}

/** Makes rows of lines. A row's number is that of the line that it begins on. */
export class Table {
  private readonly delimiter: string
  private readonly most: number
  private readonly sink: Sink
  /** Lines of a row whose quoted cell has not ended. */
  private open: Array<string> = []
  private openLength = 0
  private openAt = 0

  constructor(delimiter: string, most: number, sink: Sink) {
    this.delimiter = delimiter
    this.most = most
    this.sink = sink
  }

  line(text: string, line: number): void {
    if (this.open.length === 0) {
      if (text === "") return
      if (!text.includes("\"")) return this.sink.row(text.split(this.delimiter), line)
      this.openAt = line
    }
    this.open.push(text)
    this.openLength += text.length + 1
    // Only a quote ends a quoted cell.
    if (this.open.length > 1 && !text.includes("\"") && this.isSmall()) return
    const cells = cellsOf(this.open.join("\n"), this.delimiter)
    if (cells === "open" && this.isSmall()) return
    if (typeof cells === "string") return this.giveUp(cells === "open" ? "a quoted cell has no end" : cells)
    this.open = []
    this.openLength = 0
    this.sink.row(cells, this.openAt)
  }

  end(): void {
    while (this.open.length > 0) this.giveUp("a quoted cell has no end")
  }

  private isSmall(): boolean {
    return this.openLength <= this.most && this.open.length <= mostLines
  }

  // A stray quote must not swallow what comes after it: only its own line is lost.
  private giveUp(why: string): void {
    const [, ...rest] = this.open
    const at = this.openAt
    this.open = []
    this.openLength = 0
    this.sink.malformed(at, why)
    rest.forEach((text, i) => this.line(text, at + 1 + i))
  }
}

/** The delimiter that a header is written with. */
export const delimiterOf = (header: string): string => {
  const bare = header.replaceAll(/"(?:[^"]|"")*"/g, "")
  const counts = [",", ";", "\t", "|"].map((delimiter) => [delimiter, bare.split(delimiter).length] as const)
  return counts.toSorted(([, a], [, b]) => b - a)[0]![0]
}

/** The cells of a header. */
export const headerOf = (text: string, delimiter: string): ReadonlyArray<string> => {
  const cells = cellsOf(text, delimiter)
  return (typeof cells === "string" ? text.split(delimiter) : cells).map((cell) => cell.trim())
}

// ---------------------------------------------------------------------------------------------------------------------

// No cell of a log has more lines than this.
const mostLines = 200

/** The cells, or why there are none: `open` where more may come. */
const cellsOf = (text: string, delimiter: string): ReadonlyArray<string> | string => {
  const cells: Array<string> = []
  for (let from = 0;;) {
    if (text.charCodeAt(from) !== QUOTE) {
      const end = text.indexOf(delimiter, from)
      const cell = end < 0 ? text.slice(from) : text.slice(from, end)
      if (cell.includes("\"")) return "a quote within a cell"
      cells.push(cell)
      if (end < 0) return cells
      from = end + 1
      continue
    }
    let cell = ""
    for (from++;;) {
      const end = text.indexOf("\"", from)
      if (end < 0) return "open"
      cell += text.slice(from, end)
      from = end + 1
      if (text.charCodeAt(from) !== QUOTE) break
      cell += "\""
      from++
    }
    cells.push(cell)
    if (from === text.length) return cells
    if (text[from] !== delimiter) return "text after a quoted cell"
    from++
  }
}

const QUOTE = 34
