/**
 * One call as a log tells it: when it was asked for, how long it took, and what it said about the provider.
 *
 * @since 0.1.0
 */
import * as Setting from "../internal/Setting.ts"
import * as LlmOutcome from "../llm/LlmOutcome.ts"
import * as Outcome from "../Outcome.ts"

/**
 * The log's own breaker refused the call: it never ran, and what would have become of it nobody knows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refused {
  readonly _tag: "Refused"
}

/**
 * One logged call.
 *
 * **Details**
 *
 * `at` is when it was asked for, in milliseconds of any clock that all records share, the epoch's as a rule. `took` is how
 * long it was until the caller had it all, `firstContent` until the first of it. `circuit` is the circuit that it asks.
 * Tokens are those that the provider counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallRecord {
  readonly at: number
  readonly took: number
  readonly outcome: Outcome.Outcome | Refused
  readonly circuit: string
  readonly firstContent?: number | undefined
  readonly inputTokens?: number | undefined
  readonly outputTokens?: number | undefined
}

/**
 * The outcome of a call that the log's own breaker refused.
 *
 * @category constructors
 * @since 0.1.0
 */
export const refused: Refused = { _tag: "Refused" }

/**
 * The circuit of records that name none.
 *
 * @category models
 * @since 0.1.0
 */
export const noCircuit = "default"

/**
 * Makes a record.
 *
 * **Details**
 *
 * What became of the call is an `outcome`, or a `status` or an `error`, which are read as `LlmOutcome` reads them. With none
 * of these it went well. A status below 400 with an `error` is that error.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for a time, a duration or an outcome that is none, and for first content after the end.
 *
 * **Example** (An answer, an overloaded provider, and a call that was never made)
 *
 * ```ts
 * import { CallRecord } from "effect-breaker/replay"
 *
 * const answer = CallRecord.make({ at: 0, took: 1200, firstContent: 300, outputTokens: 80 })
 * const busy = CallRecord.make({ at: 500, took: 90, status: 529, circuit: "anthropic/claude" })
 * const refused = CallRecord.make({ at: 600, outcome: CallRecord.refused })
 *
 * console.log([answer.outcome._tag, busy.outcome._tag, refused.outcome._tag]) // => ["Success", "Failure", "Refused"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly at: number
  readonly took?: number | undefined
  readonly outcome?: Outcome.Outcome | Refused | undefined
  readonly status?: number | undefined
  readonly error?: unknown
  readonly circuit?: string | undefined
  readonly firstContent?: number | undefined
  readonly inputTokens?: number | undefined
  readonly outputTokens?: number | undefined
}): CallRecord => {
  const where = "CallRecord.make"
  const { at, circuit = noCircuit, error, firstContent, outcome, status, took = 0 } = options
  Setting.option(where, "at", moment, at)
  Setting.option(where, "took", Setting.millis, took)
  Setting.option(where, "circuit", Setting.text, circuit)
  if (outcome !== undefined && !isOutcome(outcome)) {
    throw new RangeError(`${where}: outcome ${Setting.wrong("an Outcome, or CallRecord.refused", outcome)}`)
  }
  if (firstContent !== undefined) {
    Setting.option(where, "firstContent", Setting.millis, firstContent)
    if (firstContent > took) {
      throw new RangeError(`${where}: firstContent ${Setting.wrong(`at most ${took}`, firstContent)}`)
    }
  }
  const { inputTokens, outputTokens } = options
  return {
    at,
    took,
    outcome: outcome ?? outcomeOf({ status, error }),
    circuit,
    ...(firstContent !== undefined && { firstContent }),
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens })
  }
}

/**
 * What became of a call, in the words of a log: an HTTP status, an error, or both, and the pause that was asked for, in
 * milliseconds.
 *
 * **Details**
 *
 * Read as `LlmOutcome` reads it: 429 is `Throttled` unless the error says that there is no credit left, a 400 is
 * `Ignored`, a 529 a `Failure`. A status of 0 is a network that gave no answer. Neither status nor error is `Success`. An error
 * that is one word is a type or a code, such as `rate_limit_error` or `openai.RateLimitError`; a longer one is a message.
 *
 * @category reading
 * @since 0.1.0
 */
export const outcomeOf = ({ error, retryAfter, status }: {
  readonly status?: number | undefined
  readonly error?: unknown
  readonly retryAfter?: number | undefined
}): Outcome.Outcome => {
  const said = error === undefined || error === null || error === "" ? undefined : error
  if (status === undefined || status === 0) {
    return said !== undefined ? LlmOutcome.fromError(named(said)) : status === 0 ? network : Outcome.success
  }
  const headers = retryAfter === undefined ? {} : { "retry-after": `${retryAfter / 1000}` }
  const body = said === undefined
    ? undefined
    : { error: typeof said === "object" ? said : { type: said, code: said, message: said as string } }
  return LlmOutcome.fromHttp({ status, headers, body })
}

/**
 * Tells whether a value is an outcome of a record: an `Outcome`, or `refused`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOutcome = (value: unknown): value is Outcome.Outcome | Refused =>
  Outcome.isOutcome(value) || (Object(value) as Record<string, unknown>)._tag === "Refused"

// ---------------------------------------------------------------------------------------------------------------------

const moment = /*#__PURE__*/ Setting.setting("a moment in milliseconds", Number.isFinite)

// One word is no sentence: the classifier knows types and codes by where they stand, and packages are no part of a name.
const named = (error: unknown): unknown => {
  if (typeof error !== "string" || !/^\s*\S+\s*$/.test(error)) return error
  const word = error.trim()
  const code = word.replace(/^.*\.(?=\w)/, "")
  return { type: code, code, message: word }
}

const network: Outcome.Outcome = { _tag: "Failure", kind: "network" }
