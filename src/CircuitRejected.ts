/**
 * The one error that a breaker adds: a call was refused, and did not run.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import type * as Circuit from "./Circuit.ts"

/**
 * The call was refused and did not run: which circuit, why, since when, and when it is worth asking again.
 *
 * **Details**
 *
 * `reason` is `Open`, `HalfOpen` (the probes' places are taken, or the ramp lets few through), `Throttled` or `Isolated`.
 * `retryAfter` is the rest of the opening or of the pause, one second while half-open, and infinite for an isolation
 * without an end. `since` is in milliseconds since the epoch. `cause` is why: the rule, the figures, the last failure.
 * `message` can be shown to a person or an agent as it is.
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
 *   return refused.message.split(" So since")[0]
 * })
 *
 * console.log(await Effect.runPromise(program))
 * // => `Circuit "openai" is open: 1 failure in a row (limit 1). Last failure: 529 Overloaded.`
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitRejected extends Data.Error {
  readonly _tag = "CircuitRejected"
  readonly circuit: string
  readonly reason: Circuit.Refusal["reason"]
  readonly retryAfter: Duration.Duration
  readonly since: number
  readonly generation: number
  override readonly cause: Circuit.Cause

  constructor(circuit: string, refusal: Circuit.Refusal, retryAfter: Duration.Duration) {
    super()
    this.circuit = circuit
    this.reason = refusal.reason
    this.retryAfter = retryAfter
    this.since = refusal.since
    this.generation = refusal.generation
    this.cause = refusal.cause
  }

  override get name(): string {
    return this._tag
  }

  override get message(): string {
    const { cause, circuit, reason, retryAfter, since } = this
    const said = [cause.failure?.kind, cause.failure?.message].filter(Boolean).join(": ")
    return `Circuit ${JSON.stringify(circuit)} is ${reason === "HalfOpen" ? "recovering" : reason.toLowerCase()}: ${
      explain(cause)
    }.${said && ` Last failure: ${said.replace(/\.?$/, ".")}`} So since ${new Date(since).toISOString()}; ${
      Duration.isFinite(retryAfter) ? `ask again in ${Duration.format(retryAfter)}` : "ask again when it is released"
    }.`
  }
}

/**
 * Makes the error of a refusal without taking a stack trace.
 *
 * @internal
 */
export const make = (circuit: string, refusal: Circuit.Refusal, retryAfter: Duration.Duration): CircuitRejected => {
  const limit = Error.stackTraceLimit
  try {
    Error.stackTraceLimit = 0
    return new CircuitRejected(circuit, refusal, retryAfter)
  } finally {
    Error.stackTraceLimit = limit
  }
}

/**
 * A cause in plain words, without a full stop.
 *
 * @internal
 */
export const explain = ({ calls, limit, note, rule, value }: Circuit.Cause): string => {
  const words = {
    consecutive: `${value} failure${value === 1 ? "" : "s"} in a row`,
    failureRate: `${percent(value)} of the last ${calls} calls failed`,
    slowRate: `${percent(value)} of the last ${calls} calls were slow`,
    failureCount: `${value} of the last ${calls} calls failed`,
    probes: `${value} of ${calls} probes failed`,
    trip: "the provider said that asking again is pointless",
    throttled: `the provider asked for a pause of ${Duration.format(Duration.millis(value))}`,
    manual: "opened by hand",
    escalated: `${value} circuits under it are open`,
    isolated: "isolated by hand",
    store: "store is lost"
  }[rule]
  return words + (limit > 0 ? ` (limit ${rule.endsWith("Rate") ? percent(limit) : limit})` : "") +
    (note ? ` (${note})` : "")
}

const percent = (share: number): string => `${+(share * 100).toFixed(1)} %`
