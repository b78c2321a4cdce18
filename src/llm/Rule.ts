/**
 * How a row of the tables is written, and when it applies.
 */
import * as ErrorBody from "./ErrorBody.ts"
import type * as Signal from "./Signal.ts"
import type { Verdict } from "./Verdict.ts"

/** What must hold for a row to apply: all that is given. */
export interface Condition {
  /** One of these statuses. */
  readonly status?: number | ReadonlyArray<number> | undefined
  /** No status at all: nothing came back, or the error came inside a stream. */
  readonly noStatus?: true | undefined
  /** Whether the status was one of failure, or the body has an error in it. */
  readonly failed?: boolean | undefined
  /** One of these words, with spaces between them, is among the codes of the signal. */
  readonly code?: string | undefined
  /** One of these headers is there. */
  readonly header?: string | ReadonlyArray<string> | undefined
  /** The provider's words; such a row is left out where text rules are switched off. */
  readonly text?: RegExp | undefined
  /** The fixed words of a client library, which no provider could have sent: only where no answer came back. */
  readonly client?: RegExp | undefined
  /** Whether an application answered, not a proxy at the edge. */
  readonly structured?: boolean | undefined
}

/** A row: the first one that applies decides. */
export interface Rule {
  readonly condition: Condition
  readonly verdict: Verdict
}

export const when = (condition: Condition, verdict: Verdict): Rule => ({ condition, verdict })

interface Row {
  readonly place: number
  readonly condition: Condition
  readonly verdict: Verdict
}

/**
 * Rows by what they ask for, so that only those are looked at which may apply: each code has its rows, and so has each
 * status, of the rows that ask for no code.
 */
export interface Table {
  readonly byCode: ReadonlyMap<string, ReadonlyArray<Row>>
  readonly byStatus: ReadonlyMap<number, ReadonlyArray<Row>>
  readonly others: ReadonlyArray<Row>
}

export const table = (...rules: ReadonlyArray<Rule>): Table => {
  const byCode = new Map<string, Array<Row>>()
  const byStatus = new Map<number, Array<Row>>()
  const others: Array<Row> = []
  rules.forEach(({ condition, verdict }, place) => {
    const row = { place, condition, verdict }
    if (condition.code !== undefined) { for (const code of condition.code.split(" ")) add(byCode, code, row) }
    else if (condition.status !== undefined) { for (const status of list(condition.status)) add(byStatus, status, row) }
    else others.push(row)
  })
  return { byCode, byStatus, others }
}

const add = <Key>(rows: Map<Key, Array<Row>>, key: Key, row: Row): void => {
  const found = rows.get(key)
  if (found === undefined) rows.set(key, [row])
  else found.push(row)
}

// Sentences are at the beginning of what a provider says; the rest may be a prompt that it quotes.
const longestSentence = 4096

/** The verdict of the first row that applies. */
export const first = (
  { byCode, byStatus, others }: Table,
  signal: Signal.Signal,
  textRules: boolean
): Verdict | undefined => {
  const words = (signal.message ?? "").slice(0, longestSentence)
  let best: Row | undefined
  const look = (rows: ReadonlyArray<Row> | undefined): void => {
    for (const row of rows ?? []) {
      if (best !== undefined && best.place <= row.place) return
      if (applies(row.condition, signal, words, textRules)) best = row
    }
  }
  for (const code of signal.codes) look(byCode.get(code))
  if (signal.status !== undefined) look(byStatus.get(signal.status))
  // Most of these read sentences: they come when hardly any of them can still win.
  look(others)
  return best?.verdict
}

/** Whether the rest of the condition holds, its code apart. */
const applies = (condition: Condition, signal: Signal.Signal, words: string, textRules: boolean): boolean => {
  const { client, failed, header, noStatus, status, structured, text } = condition
  return (status === undefined || (signal.status !== undefined && list(status).includes(signal.status))) &&
    (noStatus === undefined || signal.status === undefined) &&
    (failed === undefined || failed === hasFailed(signal)) &&
    (header === undefined || list(header).some((name) => signal.headers[name] !== undefined)) &&
    (structured === undefined || structured === signal.isStructured) &&
    (text === undefined || (textRules && text.test(words))) &&
    (client === undefined || (signal.status === undefined && !signal.isStructured && client.test(words)))
}

const hasFailed = ({ body, status }: Signal.Signal): boolean =>
  (status !== undefined && status >= 400) || ErrorBody.isError(body)

const list = <A extends string | number>(value: A | ReadonlyArray<A>): ReadonlyArray<A> =>
  typeof value === "object" ? value : [value]
