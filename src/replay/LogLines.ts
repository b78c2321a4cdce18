/**
 * Bytes into lines of text, however the bytes are cut and whatever is in them.
 *
 * @since 0.1.0
 */

/** Who takes the lines. */
export interface Sink {
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

  /** A number made of the line's bytes: equal for copies, and hardly ever for others. */
  mark(): number {
    const { bytes, from, to } = this
    let [high, low] = [to - from, 0]
    let at = from
    for (; at + 3 < to; at += 4) {
      const four = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
      high = Math.imul(high ^ four, 0x01000193)
      low = Math.imul((low ^ four) + (low >>> 15), 0x85ebca6b | 1)
    }
    for (; at < to; at++) {
      high = Math.imul(high ^ bytes[at]!, 0x01000193)
      low = Math.imul((low ^ bytes[at]!) + (low >>> 15), 0x85ebca6b | 1)
    }
    return (high >>> 0) * 0x200000 + (low >>> 11)
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
      this.give(bytes, from, to, isPlain ? text.slice(from, to) : decoder.decode(bytes.subarray(from, to)))
      from = end + 1
    }
  }

  private give(bytes: Uint8Array, from: number, to: number, text: string): void {
    if (to - from > this.most) return this.skipped()
    this.bytes = bytes
    this.from = from
    this.to = to
    this.sink.line(this.number === 1 && text.charCodeAt(0) === BOM ? text.slice(1) : text, this.number++)
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
    this.give(bytes, 0, to, decoder.decode(bytes.subarray(0, to)))
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
