import { Context, Effect } from "effect"
import { type Breaker, type CircuitRejected, Fallback, withBreaker } from "effect-breaker"
import { LlmFallback } from "effect-breaker/llm"
import { same } from "./Assert.ts"

class Answer {
  readonly text = ""
}
class Down {
  readonly _tag = "Down"
}
class Other extends Context.Service<Other, string>()("typetest/Other") {}

declare const call: Effect.Effect<Answer, Down>
declare const another: Effect.Effect<string, "down", Other>
declare const question: LlmFallback.Question

const { lastGood, otherModel, withFallback } = LlmFallback
const guarded = call.pipe(withBreaker)
const memory = lastGood<Answer>({ maxAge: "1 minute" }).for(question)
const other = otherModel(another, { model: "haiku" })

type Errors = Down | CircuitRejected
type Served<A> = LlmFallback.Served<A, Errors>

// No rung of its own takes an error away: tools may have run.
export const ladder = guarded.pipe(withFallback([memory, other, Fallback.value("sorry")]))
same<
  typeof ladder,
  Effect.Effect<Served<Answer | string>, Errors, Breaker.Breaker | Other>
>()

// Where that does not matter, a sure rung takes the refusal.
export const allowed = guarded.pipe(withFallback([memory, Fallback.value("sorry")], { afterTools: "allow" }))
same<typeof allowed, Effect.Effect<Served<Answer | "sorry">, Down, Breaker.Breaker>>()

export const unsure = guarded.pipe(withFallback([memory, other], { afterTools: "allow" }))
same<Effect.Error<typeof unsure>, Errors>()

export const refused = guarded.pipe(withFallback([Fallback.value("sorry")], { afterTools: "refuse", model: "gpt-5" }))
same<Effect.Error<typeof refused>, Errors>()

declare const options: LlmFallback.Options
export const unknownOptions = guarded.pipe(withFallback([Fallback.value("sorry")], options))
same<Effect.Error<typeof unknownOptions>, Errors>()

// A rung may be told the primary's error, and no other.
export const told = guarded.pipe(
  withFallback([otherModel((error: Errors) => Effect.succeed(error), { model: "haiku" })])
)
same<typeof told, Effect.Effect<Served<Answer | Errors>, Errors, Breaker.Breaker>>()

export const strangers = guarded.pipe(
  // @ts-expect-error the primary fails otherwise
  withFallback([otherModel((error: "another error") => Effect.succeed(error), { model: "haiku" })])
)

// Rungs may be made where they are used.
export const inline = guarded.pipe(withFallback([otherModel(Effect.succeed("Lima"), { model: "haiku" })]))
same<typeof inline, Effect.Effect<Served<Answer | string>, Errors, Breaker.Breaker>>()
