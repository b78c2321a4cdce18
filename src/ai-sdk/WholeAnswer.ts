/**
 * One call for a whole answer under guard: its permit, its deadline, and its one vote.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as LlmOutcome from "../llm/LlmOutcome.ts"
import type { Part } from "../llm/Part.ts"
import * as PartReader from "../llm/PartReader.ts"
import { Progress } from "../llm/Progress.ts"
import * as StreamEnd from "../llm/StreamEnd.ts"
import { type Ask, type Guarding, ofInterrupt, reading } from "./Guarding.ts"
import type * as Sdk from "./Sdk.ts"

/** Asks a model for a whole answer. Meant for an uninterruptible fiber: only the call itself can be interrupted. */
export const ask = (
  { model, params, scopes }: Ask,
  { errors, llm, onPartial, total }: Guarding
): Effect.Effect<Sdk.Whole, unknown> =>
  Effect.flatMap(llm.admit(scopes), (permit) => {
    let end: StreamEnd.End | undefined
    const judged = (answer: Sdk.Whole): Effect.Effect<Sdk.Whole, unknown> => {
      const progress = progressOf(answer)
      // How a whole answer came is not known.
      const { inputTokens, outputTokens } = progress.figures
      permit.measured?.({ inputTokens, outputTokens })
      end = StreamEnd.atEnd(progress, { wholeAt: "end", errors: {} })
      const { broken } = end
      return broken !== undefined && (onPartial === "fail" || !broken.partial)
        ? Effect.fail(broken)
        : Effect.succeed(answer)
    }
    const asked = Effect.tryPromise({
      try: (abortSignal) => model.doGenerate({ ...params, abortSignal } as never),
      catch: (error) => error
    })
    const late = Effect.suspend(() => {
      const broken = StreamEnd.late(new Progress(), { deadline: "total", limit: total, at: total })
      end = { outcome: broken.outcome, broken }
      return Effect.fail(broken)
    })
    const inTime = total === Number.POSITIVE_INFINITY
      ? asked
      : Effect.timeoutOrElse(asked, { duration: total, orElse: () => late })
    // How long a whole answer takes says nothing: it counts as given from the start.
    return Effect.andThen(permit.answered, Effect.flatMap(Effect.interruptible(inTime), judged)).pipe(
      Effect.onExit((exit) => {
        if (end !== undefined) {
          const { outcome } = end
          return permit.settleExit(exit, { classify: () => outcome })
        }
        if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return permit.settle(ofInterrupt(params))
        if (errors === undefined) return permit.settleExit(exit)
        return Effect.flatMap(
          Clock.Clock,
          (clock) => permit.settleExit(exit, { classify: LlmOutcome.classifyWith(reading(errors, clock)) })
        )
      })
    )
  })

// ---------------------------------------------------------------------------------------------------------------------

const progressOf = (answer: Sdk.Whole): Progress => {
  const progress = new Progress()
  for (const part of answer.content ?? []) progress.note(read(part))
  const { finishReason, usage } = answer
  progress.note(PartReader.aiSdk.read({ type: "finish", finishReason, usage }))
  return progress
}

const read = (part: NonNullable<Sdk.Whole["content"]>[number]): Part => {
  const { text, type } = part
  if (type !== "text" && type !== "reasoning") return { ...PartReader.aiSdk.read(part), toolCall: undefined }
  const content = typeof text === "string" ? text.length : 0
  return content === 0 ? {} : { content, reasoning: type === "reasoning" }
}
