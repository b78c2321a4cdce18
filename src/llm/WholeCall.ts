/**
 * One call for a whole answer under guard: its permit, its deadline, and its one vote.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as AiError from "effect/ai/AiError"
import type * as Response from "effect/ai/Response"
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

/** Runs a call that is answered as a whole, tools of the program included. */
export const guard = (
  call: (options: ToolWatch.Asked) => Effect.Effect<Answer, unknown, unknown>,
  options: ToolWatch.Asked,
  admit: Effect.Effect<LlmBreaker.Permit, AiError.AiError>,
  where: ModelError.Where,
  { errors, onPartial, total }: Settings
): Effect.Effect<Answer, unknown, unknown> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const permit = yield* admit
      const watch = new ToolWatch.ToolWatch(clock)
      const reading = { now: () => clock.currentTimeMillisUnsafe(), ...errors }
      const late = (): AiError.AiError => {
        const due = { deadline: "total", limit: total, at: total } as const
        return ModelError.ofBroken(StreamEnd.late(new Progress(), due), where)
      }
      let end: StreamEnd.End | undefined
      const answer = watch.within(call(watch.watch(options, permit.settle(success))), total, late).pipe(
        Effect.flatMap((answer) => {
          end = endOf(answer, reading)
          const { broken } = end
          return broken !== undefined && (onPartial === "fail" || !broken.partial)
            ? Effect.fail(ModelError.ofBroken(broken, where))
            : Effect.succeed(answer)
        })
      )
      // How long a whole answer takes says nothing.
      const answered = Effect.andThen(permit.answered, restore(answer))
      return yield* Effect.onExit(answered, (exit) => {
        const known = end?.outcome._tag === "Success" ? undefined : end?.outcome ?? outcomeOf(exit, watch)
        if (known !== undefined) return permit.settleExit(exit, { classify: () => known })
        return permit.settleExit(exit, errors && { classify: LlmOutcome.classifyWith(reading) })
      })
    })
  )

/** A rule that knows the errors which are not the provider's, and those which a guard made. */
export const known = (watch: ToolWatch.ToolWatch) => ({ error }: { readonly error: unknown }) =>
  watch.isTools(error) ? ofTool : ModelError.outcomeOf(error)

// ---------------------------------------------------------------------------------------------------------------------

const success: LlmOutcome.LlmOutcome = { _tag: "Success", scope: "model" }

const ofTool: LlmOutcome.LlmOutcome = { _tag: "Ignored", kind: "unknown", scope: "request" }

const outcomeOf = (exit: Exit.Exit<unknown, unknown>, watch: ToolWatch.ToolWatch): LlmOutcome.LlmOutcome | undefined =>
  Exit.isSuccess(exit) ? undefined : known(watch)({ error: Cause.squash(exit.cause) })

const endOf = ({ content }: Answer, errors: LlmOutcome.Options): StreamEnd.End => {
  const progress = new Progress()
  for (const part of content) progress.note(read(part))
  return StreamEnd.atEnd(progress, { wholeAt: "end", errors })
}

const read = (part: AnswerPart): Part => {
  switch (part.type) {
    case "text":
      return said(part.text, false)
    case "reasoning":
      return said(part.text, true)
    default: {
      const { toolCall: _, ...rest } = PartReader.effect.read(part)
      return rest
    }
  }
}

const said = ({ length }: string, reasoning: boolean): Part => length === 0 ? {} : { content: length, reasoning }
