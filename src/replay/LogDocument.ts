/**
 * The objects of a list inside a JSON document, one by one, however large the document: the spans of an export of
 * OpenTelemetry, or the calls of a list.
 *
 * Only the skeleton of the document is followed, byte by byte; an object is read when it is whole.
 *
 * @since 0.1.0
 */

/** Who takes the objects. */
export interface Sink {
  object(text: string, line: number): void
  malformed(line: number, why: string): void
  tooLong(line: number): void
}

/** Finds the objects. A line is the one that an object begins on; several documents may follow each other. */
export class Document {
  private readonly list: string
  private readonly most: number
  private readonly sink: Sink
  private number = 1
  // What is open, outermost first: an object, a list, or a list whose objects are wanted.
  private stack: Array<number> = []
  private isText = false
  private isEscaped = false
  /** The last text, as far as a name may be as long. */
  private name = ""
  /** The last text was a name, and its value comes next. */
  private isNamed = false
  private startedAt = -1
  private startDepth = 0
  private startLine = 0
  private kept: Array<Uint8Array> = []
  private keptLength = 0
  private isTooLong = false
  private isLineStart = true
  /** An object that began with a line, and has nothing in it yet. */
  private isFresh = false
  private isNaming = false
  /** The document is no longer what it says. */
  private isBroken = false

  /** `list` is the name of the list; the list that is a whole document is always meant. */
  constructor(list: string, most: number, sink: Sink) {
    this.list = list
    this.most = most
    this.sink = sink
  }

  get lines(): number {
    return this.number - 1
  }

  push(bytes: Uint8Array): void {
    if (this.startDepth > 0) this.startedAt = 0
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (byte === LF) this.newLine()
      else if (this.isText) this.inText(byte)
      else this.structure(byte, at, bytes)
      this.isLineStart = byte === LF
    }
    if (this.startDepth > 0) this.keep(bytes.subarray(this.startedAt))
  }

  end(): void {
    if (this.startDepth > 0 || this.isText) this.broken("it has no end")
    this.number++
  }

  private newLine(): void {
    this.number++
    // A text cannot go over the end of a line: its own end is missing.
    if (this.isText) this.broken("a text has no end")
  }

  private inText(byte: number): void {
    if (this.isEscaped) this.isEscaped = false
    else if (byte === BACKSLASH) this.isEscaped = true
    else if (byte === QUOTE) {
      this.isText = false
      if (this.isFresh && this.name === documentName && this.stack.length > 1) this.beginAnew()
      this.isFresh = false
      return
    }
    if (this.isNaming && this.name.length < longestName) this.name += String.fromCharCode(byte)
  }

  // Whatever came before it has no end: unless that is known already.
  private beginAnew(): void {
    if (!this.isBroken) {
      this.broken(this.startLine === this.number ? "what comes before it has no end" : "it has no end")
    }
    this.forget()
    this.isBroken = false
    this.stack = [OBJECT]
  }

  private structure(byte: number, at: number, bytes: Uint8Array): void {
    if (byte === QUOTE) {
      this.isText = true
      this.isNamed = false
      this.isNaming = this.startDepth === 0 || this.isFresh
      if (this.isNaming) this.name = ""
      return
    }
    if (byte === SPACE) return
    this.isFresh = this.isLineStart && byte === OPEN_OBJECT
    if (byte === COLON) this.isNamed = true
    else if (byte === OPEN_OBJECT) {
      if (this.startDepth === 0 && this.stack.at(-1) === WANTED) {
        this.startDepth = this.stack.length + 1
        this.startedAt = at
        this.startLine = this.number
      }
      this.enter(OBJECT)
    } else if (byte === OPEN_LIST) {
      const isWanted = this.stack.length === 0 || (this.isNamed && this.name === this.list)
      this.enter(isWanted && this.startDepth === 0 ? WANTED : LIST)
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) this.leave(byte === CLOSE_OBJECT, at, bytes)
    else if (byte === COMMA) this.isNamed = false
  }

  private enter(what: number): void {
    this.isNamed = false
    this.stack.push(what)
    if (this.stack.length > deepest) this.broken("it is too deep")
  }

  private leave(isObject: boolean, at: number, bytes: Uint8Array): void {
    this.isNamed = false
    const left = this.stack.pop()
    if (left !== undefined && (left === OBJECT) !== isObject) return this.broken("brackets do not match")
    if (this.stack.length === 0) this.isBroken = false
    if (this.startDepth === 0 || this.stack.length >= this.startDepth) return
    this.keep(bytes.subarray(this.startedAt, at + 1))
    const { isTooLong, startLine } = this
    const text = isTooLong ? "" : textOf(this.kept, this.keptLength)
    this.forget()
    if (isTooLong) this.sink.tooLong(startLine)
    else this.sink.object(text, startLine)
  }

  private keep(bytes: Uint8Array): void {
    this.keptLength += bytes.length
    if (this.keptLength > this.most) {
      this.isTooLong = true
      this.kept = []
    } else this.kept.push(bytes.slice())
  }

  private broken(why: string): void {
    this.isBroken = true
    this.sink.malformed(this.startDepth > 0 ? this.startLine : this.number, why)
    // The list goes on, if it was in one; otherwise it will be found by its name.
    const wanted = this.stack.indexOf(WANTED)
    this.stack = wanted < 0 ? [OBJECT] : this.stack.slice(0, wanted + 1)
    this.isText = this.isEscaped = this.isNamed = false
    this.forget()
  }

  private forget(): void {
    this.startDepth = 0
    this.startedAt = -1
    this.kept = []
    this.keptLength = 0
    this.isTooLong = false
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const [OBJECT, LIST, WANTED] = [0, 1, 2]
const [LF, SPACE, QUOTE, COMMA, COLON, OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [
  10,
  32,
  34,
  44,
  58,
  91,
  92,
  93,
  123,
  125
] as const

/** What every document of OpenTelemetry's spans begins with. */
const documentName = "resourceSpans"
const longestName = 40
const deepest = 1000

const decoder = /*#__PURE__*/ new TextDecoder("utf-8")

const textOf = (parts: ReadonlyArray<Uint8Array>, length: number): string => {
  if (parts.length === 1) return decoder.decode(parts[0])
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return decoder.decode(bytes)
}
