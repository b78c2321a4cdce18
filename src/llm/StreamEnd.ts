/**
 * What the end of a streamed answer says: about the provider, and whether the answer broke off.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Outcome from "../Outcome.ts"
import type { Due } from "./Deadlines.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import type { FinishReason } from "./Part.ts"
import type { Progress } from "./Progress.ts"
import * as StreamBroken from "./StreamBroken.ts"

/** An end: the vote, and the error of a stream that broke off. */
export interface End {
  readonly outcome: LlmOutcome.LlmOutcome
  readonly broken: StreamBroken.StreamBroken | undefined
}

/** How an end is read: what a whole answer looks like, and how errors are read. */
export interface Reading {
  readonly wholeAt: "finish" | "end"
  readonly errors: LlmOutcome.Options
}

type Kind = NonNullable<LlmOutcome.LlmOutcome["kind"]>

const whole: LlmOutcome.LlmOutcome = { _tag: "Success", scope: "model" }

/** A reader that went away before it saw anything. */
export const givenUp: LlmOutcome.LlmOutcome = { ...Outcome.ignored, kind: "cancelled", scope: "request" }

/** A part that its reader could not read. */
export const unread: LlmOutcome.LlmOutcome = { ...Outcome.ignored, kind: "unknown", scope: "request" }

/** The end of a stream that the provider ended. */
export const atEnd = (progress: Progress, reading: Reading): End => {
  const { characters, error, finish, hasContent } = progress
  if (error !== undefined) {
    return broken(progress, outcomeOf(error.reported, reading), "the provider reported an error", error.reported)
  }
  if (finish === undefined && reading.wholeAt === "finish") {
    return failed(progress, "truncated", `the answer ends without a finish, after ${characters} characters`)
  }
  const reason: FinishReason = finish ?? (hasContent ? "stop" : "unknown")
  if (reason === "content-filter") return ignored("content-policy")
  if (hasContent) {
    return reason === "error"
      ? failed(progress, "server", `the provider ended the answer with an error, after ${characters} characters`)
      : { outcome: whole, broken: undefined }
  }
  switch (reason) {
    case "error":
    case "unknown":
      return failed(progress, "empty", `the answer is empty, and its finish is "${reason}"`)
    // The caller's limit left no room for an answer.
    case "length":
      return ignored("context-length")
    // A word of the provider's own, for which an empty answer may be the right one.
    case "other":
      return ignored("unknown")
    // It answered, and the answer is bad: the kind says so to whoever counts quality.
    case "stop":
    case "tool-calls":
      return { outcome: { ...whole, kind: "empty" }, broken: undefined }
    case "pause":
      return { outcome: whole, broken: undefined }
  }
}

/** The end of a stream whose reader stopped: of the answer as far as it was seen. */
export const atStop = (progress: Progress, reading: Reading): LlmOutcome.LlmOutcome => {
  if (progress.error !== undefined || progress.finish !== undefined) return atEnd(progress, reading).outcome
  return progress.hasContent ? whole : givenUp
}

/** The end of a stream that let a deadline pass. */
export const late = (progress: Progress, { deadline, limit }: Due): StreamBroken.StreamBroken => {
  const what = deadline === "headers" ? "sign of life" : deadline === "total" ? "end of the answer" : "content"
  return failed(
    progress,
    "timeout",
    `no ${what} within ${Duration.format(Duration.millis(limit))} (${deadline})`,
    deadline
  )
    .broken
}

/** The outcome of a stream that failed by itself. */
export const outcomeOf = (error: unknown, { errors }: Reading): LlmOutcome.LlmOutcome =>
  error instanceof StreamBroken.StreamBroken ? error.outcome : LlmOutcome.fromError(error, errors)

const ignored = (kind: Kind): End => ({ outcome: { ...Outcome.ignored, kind, scope: "request" }, broken: undefined })

const failed = (
  progress: Progress,
  kind: Kind,
  message: string,
  deadline?: Due["deadline"]
): End & { readonly broken: StreamBroken.StreamBroken } => {
  const outcome: LlmOutcome.LlmOutcome = { ...Outcome.failure({ kind, message }), kind, scope: "model" }
  return {
    outcome,
    broken: StreamBroken.make({ outcome, partial: progress.committed, message: sentence(message), deadline })
  }
}

const broken = (progress: Progress, outcome: LlmOutcome.LlmOutcome, message: string, cause: unknown): End => ({
  outcome,
  broken: StreamBroken.make({
    outcome,
    partial: progress.committed,
    message: sentence(outcome.message === undefined ? message : `${message}: ${outcome.message}`),
    cause
  })
})

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
