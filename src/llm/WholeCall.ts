/**
 * One call for a whole answer under guard: its permit, its deadline, and its one vote.
 *
 * @since 0.1.0
 */
import type * as AiError from "effect/ai/AiError"
import type * as Response from "effect/ai/Response"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as LlmBreaker from "./LlmBreaker.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import * as ModelError from "./ModelError.ts"
import type { Part } from "./Part.ts"
import * as PartReader from "./PartReader.ts"
import { Progress } from "./Progress.ts"
import * as StreamEnd from "./StreamEnd.ts"
import * as ToolWatch from "./ToolWatch.ts"

/** How whole answers are guarded, with every option read. */
export interface Settings {
  readonly total: number
  readonly onPartial: "fail" | "keep"
  readonly errors: LlmOutcome.Options | undefined
}

/** A part of a whole answer. */
export type AnswerPart = PartReader.EffectPart | Response.TextPart | Response.ReasoningPart

/** A whole answer, as Effect's models give it. */
export interface Answer {
  readonly content: ReadonlyArray<AnswerPart>
}

/** Runs a call under its permit; `known` says what came of it where that is known already. */
export const underPermit = <A, E, R>(
  admit: Effect.Effect<LlmBreaker.Permit, AiError.AiError>,
  call: (permit: LlmBreaker.Permit) => Effect.Effect<A, E, R>,
  known: (exit: Exit.Exit<A, E>) => LlmOutcome.LlmOutcome | undefined,
  errors: LlmOutcome.Options | undefined
): Effect.Effect<A, E | AiError.AiError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(admit, (permit) =>
      // How long a whole answer takes says nothing: it counts as given from the start.
      Effect.onExit(Effect.andThen(permit.answered, restore(call(permit))), (exit) =>
        Effect.flatMap(Clock.Clock, (clock) => {
          const outcome = known(exit)
          if (outcome !== undefined) return permit.settleExit(exit, { classify: () => outcome })
          const reading = errors && {
            now: () =>
              clock.currentTimeMillisUnsafe(),
            ...errors
          }
          return permit.settleExit(exit, reading && { classify: LlmOutcome.classifyWith(reading) })
        })))
  )

/** The error of a call that took too long. */
export const late = (total: number, where: ModelError.Where): AiError.AiError =>
  ModelError.ofBroken(StreamEnd.late(new Progress(), { deadline: "total", limit: total, at: total }), where)

/** Runs a call that is answered as a whole, tools of the program included. */
export const guard = (
  call: (options: ToolWatch.Asked) => Effect.Effect<Answer, unknown, unknown>,
  options: ToolWatch.Asked,
  admit: Effect.Effect<LlmBreaker.Permit, AiError.AiError>,
  where: ModelError.Where,
  { errors, onPartial, total }: Settings
): Effect.Effect<Answer, unknown, unknown> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const watch = new ToolWatch.ToolWatch(clock)
    let end: StreamEnd.End | undefined
    const judged = (answer: Answer, permit: LlmBreaker.Permit): Effect.Effect<Answer, AiError.AiError> => {
      const progress = progressOf(answer)
      // How a whole answer came is not known.
      const { inputTokens, outputTokens } = progress.figures
      permit.measured?.({ inputTokens, outputTokens })
      end = ended(progress)
      const { broken } = end
      return broken !== undefined && (onPartial === "fail" || !broken.partial)
        ? Effect.fail(ModelError.ofBroken(broken, where))
        : Effect.succeed(answer)
    }
    return underPermit(
      admit,
      (permit) => {
        const answer = call(watch.watch(options, permit.settle(success)))
        const inTime = watch.within(answer, total, () => late(total, where))
        return Effect.flatMap(inTime, (answer) => judged(answer, permit))
      },
      (exit) => {
        if (end !== undefined) return end.outcome._tag === "Success" ? undefined : end.outcome
        return Exit.isSuccess(exit) ? undefined : known(watch)({ error: Cause.squash(exit.cause) })
      },
      errors
    )
  })

/** A rule that knows the errors which are not the provider's, and those which a guard made. */
export const known = (watch: ToolWatch.ToolWatch) => ({ error }: { readonly error: unknown }) =>
  watch.isTools(error) ? ofTool : ModelError.outcomeOf(error)

/** What a whole answer says. A provider need not tell a finish, and reports no error as a part. */
export const endOf = (answer: Answer): StreamEnd.End => ended(progressOf(answer))

// ---------------------------------------------------------------------------------------------------------------------

const progressOf = ({ content }: Answer): Progress => {
  const progress = new Progress()
  for (const part of content) progress.note(read(part))
  return progress
}

const ended = (progress: Progress): StreamEnd.End => StreamEnd.atEnd(progress, { wholeAt: "end", errors: {} })

const success: LlmOutcome.LlmOutcome = { _tag: "Success", scope: "model" }

const ofTool: LlmOutcome.LlmOutcome = { _tag: "Ignored", kind: "unknown", scope: "request" }

const read = (part: AnswerPart): Part => {
  if (part.type === "text" || part.type === "reasoning") return said(part.text, part.type === "reasoning")
  return { ...PartReader.effect.read(part), toolCall: undefined }
}

const said = ({ length }: string, reasoning: boolean): Part => length === 0 ? {} : { content: length, reasoning }
