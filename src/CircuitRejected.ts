/**
 * The one error that a breaker adds: a call was refused, and did not run.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type * as Circuit from "./Circuit.ts"

/**
 * Why a circuit is not closed, with its figures.
 *
 * **Details**
 *
 * `rule` names the trip policy's rule, or `probes` (they failed), `trip` (a `Trip` outcome), `manual` (opened by hand),
 * `throttled` and `isolated`. The rule saw `value`, its limit is `limit`, over `calls` calls. `failure` is the last
 * failure before the circuit opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cause {
  readonly rule: Circuit.Cause["rule"]
  readonly value: number
  readonly limit: number
  readonly calls: number
  readonly note?: string | undefined
  readonly failure?: Failure | undefined
}

/**
 * A failure that counted: when, of what kind, and in whose words.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly at: DateTime.Utc
  readonly kind?: string | undefined
  readonly message?: string | undefined
}

interface Fields {
  readonly circuit: string
  readonly reason: Circuit.Refusal["reason"]
  readonly retryAfter: Duration.Duration
  readonly since: DateTime.Utc
  readonly generation: number
  readonly cause: Cause
}

/**
 * The call was refused and did not run: which circuit, why, since when, and when it is worth asking again.
 *
 * **Details**
 *
 * `reason` is `Open`, `HalfOpen` (the probes' places are taken, or the ramp lets few through), `Throttled` or `Isolated`.
 * `retryAfter` is the rest of the opening or of the pause, one second while half-open, and infinite for an isolation
 * without an end. `message` can be shown to a person or an agent as it is.
 *
 * **Gotchas**
 *
 * It has no stack trace: a refusal comes from the circuit, not from a place in the program, and traces are dear.
 *
 * **Example** (Telling why, and when to come back)
 *
 * ```ts
 * import { Duration, Effect } from "effect"
 * import { Breaker, TripPolicy } from "effect-breaker"
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
 *   yield* Effect.ignore(breaker.execute(Effect.fail(new Error("529 Overloaded"))))
 *
 *   const refused = yield* Effect.flip(breaker.execute(Effect.succeed("an answer")))
 *   if (refused._tag !== "CircuitRejected") return "never here"
 *   console.log(refused.reason) // => "Open"
 *   console.log(Math.round(Duration.toSeconds(refused.retryAfter))) // => 60
 *   return refused.message.split(" Open since")[0]
 * })
 *
 * console.log(await Effect.runPromise(program))
 * // => `Circuit "openai" is open: 1 failure in a row (limit 1). Last failure: 529 Overloaded.`
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitRejected extends Data.TaggedError("CircuitRejected") {
  declare readonly circuit: string
  declare readonly reason: Circuit.Refusal["reason"]
  declare readonly retryAfter: Duration.Duration
  declare readonly since: DateTime.Utc
  declare readonly generation: number
  declare readonly cause: Cause

  constructor(fields: Fields) {
    super()
    this.circuit = fields.circuit
    this.reason = fields.reason
    this.retryAfter = fields.retryAfter
    this.since = fields.since
    this.generation = fields.generation
    this.cause = fields.cause
  }

  override get message(): string {
    const failure = this.cause.failure
    const said = [failure?.kind, failure?.message].filter((part) => part !== undefined).join(": ")
    return [
      `Circuit ${JSON.stringify(this.circuit)} is ${states[this.reason]}: ${explain(this.cause)}.`,
      said === "" ? "" : ` Last failure: ${said}${/[.!?]$/.test(said) ? "" : "."}`,
      ` ${adjectives[this.reason]} since ${DateTime.formatIso(this.since)}; `,
      Duration.isFinite(this.retryAfter)
        ? `ask again in ${Duration.format(this.retryAfter)}.`
        : "it stays so until it is released."
    ].join("")
  }
}

const states = { Open: "open", HalfOpen: "recovering", Throttled: "throttled", Isolated: "isolated" }
const adjectives = { Open: "Open", HalfOpen: "Recovering", Throttled: "Throttled", Isolated: "Isolated" }

/**
 * Makes the error of a refusal without taking a stack trace.
 *
 * @internal
 */
export const make = (fields: Fields): CircuitRejected => {
  const limit = Error.stackTraceLimit
  try {
    Error.stackTraceLimit = 0
    return new CircuitRejected(fields)
  } finally {
    Error.stackTraceLimit = limit
  }
}

/**
 * A cause in plain words, without a full stop.
 *
 * @internal
 */
export const explain = (cause: Cause): string => {
  const { calls, limit, value } = cause
  const note = cause.note === undefined ? "" : ` (${cause.note})`
  switch (cause.rule) {
    case "consecutive":
      return `${count(value, "failure")} in a row (limit ${limit})`
    case "failureRate":
      return `${percent(value)} of the last ${count(calls, "call")} failed (limit ${percent(limit)})`
    case "slowRate":
      return `${percent(value)} of the last ${count(calls, "call")} were slow (limit ${percent(limit)})`
    case "failureCount":
      return `${count(value, "failure")} in the last ${count(calls, "call")} (limit ${limit})`
    case "probes":
      return `${count(value, "probe")} of ${calls} failed (limit ${limit})`
    case "trip":
      return "the provider said that asking again is pointless"
    case "manual":
      return `opened by hand${note}`
    case "throttled":
      return `the provider asked for a pause of ${Duration.format(Duration.millis(value))}`
    case "isolated":
      return `isolated by hand${note}`
  }
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`
