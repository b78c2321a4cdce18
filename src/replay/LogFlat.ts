/**
 * The objects of most logs, read straight from their bytes: one level, plain texts, numbers, true, false and null.
 *
 * To parse an object only to take it apart again is half of the time that a log of ten million lines takes. Whatever is not
 * as plain as that is left to `JSON.parse`, so what is taken here is what that would have given.
 *
 * @since 0.1.0
 */
import type { Columns, Known, Row } from "./LogColumns.ts"

interface Name {
  readonly bytes: Uint8Array
  readonly known: Known | undefined
}

/** Reads flat objects, and remembers in what order their names come: those of the next line are the same, as a rule. */
export class Flat {
  private readonly columns: Columns
  private readonly order: Array<Name> = []
  private value: unknown = undefined

  constructor(columns: Columns) {
    this.columns = columns
  }

  /** Puts an object into a row. Tells whether it could; if not, the row is of no use. Each byte is one character. */
  read(text: string, bytes: Uint8Array, from: number, to: number, row: Row): boolean {
    let at = skip(bytes, from)
    if (bytes[at++] !== OPEN) return false
    for (let i = 0;; i++) {
      at = skip(bytes, at)
      if (bytes[at++] !== QUOTE) return false
      const nameEnd = at + this.nameLength(text, bytes, at, to, i)
      if (bytes[nameEnd] !== QUOTE) return false
      at = skip(bytes, nameEnd + 1)
      if (bytes[at++] !== COLON) return false
      const { known } = this.order[i]!
      at = this.readValue(text, bytes, skip(bytes, at), to, known !== undefined)
      if (at < 0) return false
      if (known !== undefined) row.put(known, this.value)
      at = skip(bytes, at)
      const next = bytes[at++]
      if (next === CLOSE) return skip(bytes, at) >= to
      if (next !== COMMA || at >= to) return false
    }
  }

  /** The length of the name that begins there, or less where it is not plain; it is known as the one with that number. */
  private nameLength(text: string, bytes: Uint8Array, from: number, to: number, i: number): number {
    const expected = this.order[i]?.bytes
    if (expected !== undefined) {
      let at = 0
      while (at < expected.length && expected[at] === bytes[from + at]) at++
      if (at === expected.length && bytes[from + at] === QUOTE) return at
    }
    const end = plainEnd(bytes, from, to)
    if (end < 0 || i >= mostNames) return -1
    this.order[i] = { bytes: bytes.slice(from, end), known: this.columns.named(text.slice(from, end)) }
    return end - from
  }

  private readValue(text: string, bytes: Uint8Array, from: number, to: number, isWanted: boolean): number {
    const first = bytes[from]!
    if (first === QUOTE) {
      const end = plainEnd(bytes, from + 1, to)
      if (end < 0) return -1
      if (isWanted) this.value = text.slice(from + 1, end)
      return end + 1
    }
    if (first >= ZERO && first <= NINE) return this.readNumber(bytes, from, to)
    for (const { bytes: word, value } of words) {
      if (word[0] !== first) continue
      for (let i = 1; i < word.length; i++) if (bytes[from + i] !== word[i]) return -1
      this.value = value
      return from + word.length <= to ? from + word.length : -1
    }
    return -1
  }

  // Up to fifteen digits and up to twenty-two places are exact, divided once.
  private readNumber(bytes: Uint8Array, from: number, to: number): number {
    let at = from
    let digits = 0
    while (at < to && isDigit(bytes[at]!)) digits = digits * 10 + bytes[at++]! - ZERO
    if (bytes[from] === ZERO && at > from + 1) return -1
    let length = at - from
    let places = 0
    if (bytes[at] === POINT) {
      const start = ++at
      while (at < to && isDigit(bytes[at]!)) digits = digits * 10 + bytes[at++]! - ZERO
      places = at - start
      length += places
      if (places === 0) return -1
    }
    const next = bytes[at]
    if (length > 15 || at >= to || next === 101 || next === 69) return -1
    this.value = places === 0 ? digits : digits / powers[places]!
    return at
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const [QUOTE, COMMA, POINT, ZERO, NINE, COLON, OPEN, CLOSE] = [34, 44, 46, 48, 57, 58, 123, 125] as const

const mostNames = 200

const powers = /*#__PURE__*/ Array.from({ length: 16 }, (_, i) => 10 ** i)

const words = /*#__PURE__*/ ([["true", true], ["false", false], ["null", null]] as const).map(([word, value]) => ({
  bytes: new TextEncoder().encode(word),
  value
}))

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE

const skip = (bytes: Uint8Array, at: number): number => {
  let next = at
  while (bytes[next] === 32 || bytes[next] === 9) next++
  return next
}

/** Where a text ends that holds nothing but what it shows; below zero where it does. */
const plainEnd = (bytes: Uint8Array, from: number, to: number): number => {
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) return at
    if (byte < 32 || byte > 126 || byte === 92) return -1
  }
  return -1
}
