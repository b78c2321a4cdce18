/**
 * A record as it comes out of a line of a log.
 *
 * @since 0.1.0
 */
import type { CallRecord } from "./CallRecord.ts"

/** A record, and what is known of its line. All of them look the same, so that they are read quickly. */
export class Call implements CallRecord {
  readonly at: number
  readonly took: number
  readonly outcome: CallRecord["outcome"]
  readonly circuit: string
  readonly firstContent: number | undefined
  readonly inputTokens: number | undefined
  readonly outputTokens: number | undefined
  /** What tells it from all others: its name in the log, or a number made of its text. */
  id: string | number
  line: number

  constructor(
    at: number,
    took: number,
    outcome: CallRecord["outcome"],
    circuit: string,
    firstContent: number | undefined,
    inputTokens: number | undefined,
    outputTokens: number | undefined
  ) {
    this.at = at
    this.took = took
    this.outcome = outcome
    this.circuit = circuit
    this.firstContent = firstContent
    this.inputTokens = inputTokens
    this.outputTokens = outputTokens
    this.id = 0
    this.line = 0
  }
}
