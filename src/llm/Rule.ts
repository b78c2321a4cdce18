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
  readonly codes: ReadonlyArray<string> | undefined
  readonly verdict: Verdict
}

export const when = (condition: Condition, verdict: Verdict): Rule => ({
  condition,
  codes: condition.code?.split(" "),
  verdict
})

// Sentences are at the beginning of what a provider says; the rest may be a prompt that it quotes.
const longestSentence = 4096

/** Whether the row applies to the signal. */
export const applies = ({ codes, condition }: Rule, signal: Signal.Signal, textRules: boolean): boolean => {
  const { client, failed, header, noStatus, status, structured, text } = condition
  const words = (signal.message ?? "").slice(0, longestSentence)
  return (status === undefined || (signal.status !== undefined && list(status).includes(signal.status))) &&
    (noStatus === undefined || signal.status === undefined) &&
    (failed === undefined || failed === hasFailed(signal)) &&
    (codes === undefined || codes.some((code) => signal.codes.includes(code))) &&
    (header === undefined || list(header).some((name) => signal.headers[name] !== undefined)) &&
    (structured === undefined || structured === signal.isStructured) &&
    (text === undefined || (textRules && text.test(words))) &&
    (client === undefined || (signal.status === undefined && !signal.isStructured && client.test(words)))
}

const hasFailed = ({ body, status }: Signal.Signal): boolean =>
  (status !== undefined && status >= 400) || ErrorBody.isError(body)

const list = <A extends string | number>(value: A | ReadonlyArray<A>): ReadonlyArray<A> =>
  typeof value === "object" ? value : [value]
