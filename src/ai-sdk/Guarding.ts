/**
 * How calls are guarded, and by whose circuits.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Deadlines from "../llm/Deadlines.ts"
import type * as LlmBreaker from "../llm/LlmBreaker.ts"
import type * as LlmOutcome from "../llm/LlmOutcome.ts"
import * as LlmStream from "../llm/LlmStream.ts"
import * as SlowRule from "../llm/SlowRule.ts"
import * as StreamEnd from "../llm/StreamEnd.ts"
import * as Untrusted from "../llm/Untrusted.ts"
import type { LanguageModel, Params } from "./Sdk.ts"

/**
 * How calls are guarded.
 *
 * **Details**
 *
 * - `headers`, `firstContent`, `idle`, `total`: the deadlines of a streamed answer; `total` is that of a whole one too. A
 *   deadline that passes aborts the request and counts as a failure.
 * - `slow`: when a streamed answer counts as slow. Without it the circuit goes by the time to first content, if its policy
 *   has a `slowAfter`.
 * - `onPartial`: what becomes of an answer that breaks off after content: `"fail"`, the default, or `"keep"`, which ends it as
 *   the provider did. The vote is the same.
 * - `errors`: how errors are read; see `LlmOutcome.Options`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends LlmStream.Deadlines {
  readonly slow?: LlmStream.SlowRule | undefined
  readonly onPartial?: "fail" | "keep" | undefined
  readonly errors?: LlmOutcome.Options | undefined
}

/** How calls are guarded, with every option read. */
export interface Guarding {
  readonly llm: LlmBreaker.LlmBreaker
  readonly stream: Options
  readonly total: number
  readonly onPartial: "fail" | "keep"
  readonly errors: LlmOutcome.Options | undefined
}

/** One model that is asked, and whom that concerns. */
export interface Ask {
  readonly model: LanguageModel
  readonly scopes: LlmBreaker.Scopes
  readonly params: Params
}

/** Reads options that a user wrote. */
export const check = (where: string, options: Options, llm: LlmBreaker.LlmBreaker): Guarding => {
  const { errors, firstContent, headers, idle, onPartial = "fail", slow, total } = options
  const stream: Options = { errors, firstContent, headers, idle, onPartial, slow, total }
  const limits = Deadlines.check(where, stream)
  if (slow !== undefined) SlowRule.check(where, slow)
  // What is left to check is said in the name of the stream's own guard, but here and not at the first call.
  LlmStream.guardWith(Effect.never, stream)
  return { llm, stream, total: limits.total, onPartial, errors }
}

/** How errors are read at this moment. */
export const reading = (errors: LlmOutcome.Options | undefined, clock: Clock.Clock): LlmOutcome.Options => ({
  now: () => clock.currentTimeMillisUnsafe(),
  ...errors
})

/** What an interrupted call says: nothing, unless its caller gave it only so much time. */
export const ofInterrupt = ({ abortSignal }: Params): LlmOutcome.LlmOutcome =>
  abortSignal?.aborted === true && Untrusted.get(abortSignal.reason, "name") === "TimeoutError"
    ? timedOut
    : StreamEnd.givenUp

// ---------------------------------------------------------------------------------------------------------------------

const timedOut: LlmOutcome.LlmOutcome = {
  _tag: "Failure",
  kind: "timeout",
  scope: "model",
  message: "no answer within the time that the caller gave it"
}
