/**
 * Bytes into lines of text, however the bytes are cut and whatever is in them.
 *
 * @since 0.1.0
 */

/** Who takes the lines. */
export interface Sink {
  /** Takes a line as it is, where each byte of it is a character. Tells whether it did. */
  plain?(text: string, bytes: Uint8Array, from: number, to: number, line: number): boolean
  line(text: string, line: number): void
  tooLong(line: number): void
}

/** Cuts bytes into lines. Ends with `\n` or `\r\n`; the last line may have no end. Lines are counted from one. */
export class Lines {
  private readonly most: number
  private readonly sink: Sink
  private number = 1
  /** The beginning of a line that has no end yet. */
  private carried: Array<Uint8Array> = []
  private carriedLength = 0
  private isSkipping = false
  private bytes: Uint8Array = nothing
  private from = 0
  private to = 0

  constructor(most: number, sink: Sink) {
    this.most = most
    this.sink = sink
  }

  /** How many lines there were. */
  get lines(): number {
    return this.number - 1
  }

  push(bytes: Uint8Array): void {
    // Piece by piece: no text is so long.
    for (let from = 0; from < bytes.length; from += PIECE) this.take(bytes.subarray(from, from + PIECE))
  }

  end(): void {
    if (this.isSkipping) this.skipped()
    else if (this.carriedLength > 0) this.join(nothing)
  }

  /** A number made of the line's bytes: equal for copies, and hardly ever for others of the same time. */
  mark(): number {
    const { bytes, from, to } = this
    let mark = to - from
    let at = from
    for (; at + 3 < to; at += 4) {
      const four = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
      mark = Math.imul(mark ^ four ^ (mark >>> 15), 0x01000193)
    }
    for (; at < to; at++) mark = Math.imul(mark ^ bytes[at]!, 0x01000193)
    return (mark >>> 0) * 0x100000 + ((to - from) & 0xfffff)
  }

  private take(piece: Uint8Array): void {
    let from = 0
    if (this.carriedLength > 0 || this.isSkipping) {
      const end = piece.indexOf(LF)
      if (end < 0) return this.carry(piece)
      if (this.isSkipping) this.skipped()
      else this.join(piece.subarray(0, end))
      from = end + 1
    }
    const last = piece.lastIndexOf(LF)
    if (last >= from) this.whole(piece.subarray(from, last + 1))
    if (last + 1 < piece.length) this.carry(piece.subarray(Math.max(last + 1, from)))
  }

  // Lines that have their ends. Decoded at once where each byte is a character, which is many times as quick.
  private whole(bytes: Uint8Array): void {
    const text = decoder.decode(bytes)
    const isPlain = text.length === bytes.length
    let from = 0
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, from)) {
      const to = bytes[end - 1] === CR && end > from ? end - 1 : end
      if (isPlain) this.give(bytes, from, to, text)
      else this.give(bytes, from, to)
      from = end + 1
    }
  }

  /** `all` is the text of all the bytes, where each of them is a character. */
  private give(bytes: Uint8Array, from: number, to: number, all?: string): void {
    if (to - from > this.most) return this.skipped()
    this.bytes = bytes
    this.from = from
    this.to = to
    const line = this.number++
    if (all !== undefined && this.sink.plain?.(all, bytes, from, to, line) === true) return
    const text = all === undefined ? decoder.decode(bytes.subarray(from, to)) : all.slice(from, to)
    this.sink.line(line === 1 && text.charCodeAt(0) === BOM ? text.slice(1) : text, line)
  }

  private carry(bytes: Uint8Array): void {
    if (this.isSkipping) return
    // A copy: whoever gave the bytes may write over them.
    this.carried.push(bytes.slice())
    this.carriedLength += bytes.length
    if (this.carriedLength <= this.most + 2) return
    this.isSkipping = true
    this.carried = []
    this.carriedLength = 0
  }

  private join(end: Uint8Array): void {
    const bytes = new Uint8Array(this.carriedLength + end.length)
    let at = 0
    for (const part of [...this.carried, end]) {
      bytes.set(part, at)
      at += part.length
    }
    this.carried = []
    this.carriedLength = 0
    const to = bytes[bytes.length - 1] === CR ? bytes.length - 1 : bytes.length
    this.give(bytes, 0, to)
  }

  private skipped(): void {
    this.isSkipping = false
    this.sink.tooLong(this.number++)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const LF = 10
const CR = 13
const BOM = 0xfeff
const PIECE = 65_536

const nothing = new Uint8Array(0)

const decoder = /*#__PURE__*/ new TextDecoder("utf-8", { ignoreBOM: true })
