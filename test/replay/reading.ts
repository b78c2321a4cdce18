/**
 * What the tests of logs say: `reading(text)` reads a log that is that text.
 */
import * as Effect from "effect/Effect"
import * as CallLog from "../../src/replay/CallLog.ts"
import type * as CallRecord from "../../src/replay/CallRecord.ts"

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Cuts bytes into pieces of that size. */
export const cut = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))

/** A record as it is told in a line. */
export const told = (
  { at, circuit, firstContent, inputTokens, outcome, outputTokens, took }: CallRecord.CallRecord
) => ({
  at,
  took,
  outcome: outcome._tag,
  circuit,
  ...(firstContent !== undefined && { firstContent }),
  ...(inputTokens !== undefined && { inputTokens }),
  ...(outputTokens !== undefined && { outputTokens })
})

/** Reads a log that is not strict. */
export const readingBytes = (bytes: CallLog.Bytes, options: CallLog.Options = {}) => {
  const records: Array<CallRecord.CallRecord> = []
  const read = CallLog.read(bytes, { ...options, onRecord: (record) => records.push(record) })
  const reading = Effect.runSync(read)
  return {
    records,
    calls: records.map(told),
    reading,
    skips: reading.skips.map(({ count, lines, reason }) => ({ reason, count, lines }))
  }
}

export const reading = (text: string, options: CallLog.Options = {}) => readingBytes([encode(text)], options)

export const jsonLines = (...rows: ReadonlyArray<unknown>): string =>
  rows.map((row) => typeof row === "string" ? row : JSON.stringify(row)).join("\n") + "\n"
