/**
 * Reading the outcome off a call's exit: by the program's classifier, or by the plain rule that a failure is a failure.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Outcome from "./Outcome.ts"

/**
 * Reads the outcome off a call's exit.
 *
 * **Details**
 *
 * An exit that is only interruption is never shown to it: that is always `Ignored`. If it throws, or gives back no
 * outcome, the call is `Ignored`, the defect is logged, and the caller still gets its own result.
 *
 * @category models
 * @since 0.1.0
 */
export type Classify<A = unknown, E = unknown> = (exit: Exit.Exit<A, E>) => Outcome.Outcome

/**
 * Where a breaker leaves what it heard of a call, for whoever stands around it and has to tell a provider's failure from
 * a caller's mistake; and where a ladder counts what it served, for it may be a part of what the one around it serves.
 *
 * @internal
 */
export type Heard = {
  outcome: Outcome.Outcome | undefined
  /** Without it nobody counts. */
  count?: ((from: string) => void) | undefined
} | undefined

/** @internal */
export const Heard = /*#__PURE__*/ Context.Reference<Heard>(
  "effect-breaker/Breaker/Heard",
  { defaultValue: () => undefined }
)

/**
 * How many ladders run calls at the moment: while there is none, a call that went well need not look for one to tell.
 *
 * @internal
 */
export const ladders = { running: 0 }

/** @internal */
export const isInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean =>
  exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)

/** @internal */
export const outcomeOf = (
  exit: Exit.Exit<unknown, unknown>,
  classify: Classify | undefined,
  circuit: string
): readonly [outcome: Outcome.Outcome, complaint: Effect.Effect<void> | undefined] => {
  if (isInterrupted(exit)) return [Outcome.ignored, undefined]
  let outcome: unknown
  try {
    outcome = classify === undefined ? (exit._tag === "Success" ? Outcome.success : Outcome.failure()) : classify(exit)
    if (!Outcome.isOutcome(outcome)) throw new TypeError(`The classifier gave back no outcome, but ${String(outcome)}`)
  } catch (defect) {
    const text = `The classifier of circuit ${JSON.stringify(circuit)} failed: the call counts as Ignored`
    return [Outcome.ignored, Effect.logError(text, Cause.die(defect))]
  }
  if ((outcome._tag !== "Failure" && outcome._tag !== "Trip") || outcome.message !== undefined) {
    return [outcome, undefined]
  }
  return [exit._tag === "Success" ? outcome : { ...outcome, message: messageOf(exit.cause) }, undefined]
}

const LONGEST = 300

// The text of the error that the caller sees too. An error may be anything, and even reading it may throw.
const messageOf = (cause: Cause.Cause<unknown>): string | undefined => {
  try {
    const squashed = Cause.squash(cause)
    // What `Effect.tryPromise` wraps an unknown error in says nothing by itself.
    const error = Cause.isUnknownError(squashed) ? squashed.cause : squashed
    const { _tag, message } = Object(error) as { readonly message?: unknown; readonly _tag?: unknown }
    const text = typeof error === "string" ? error : typeof message === "string" && message !== "" ? message : _tag
    return typeof text === "string" ? text.slice(0, LONGEST) : undefined
  } catch {
    return undefined
  }
}
