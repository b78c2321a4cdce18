import { Context, Effect, type Exit, type Stream } from "effect"
import { Breaker, type CircuitRejected, type Outcome } from "effect-breaker"
import { LlmBreaker, type LlmOutcome, LlmStream } from "effect-breaker/llm"
import type { Response } from "effect/ai"
import { fails, same } from "./Assert.ts"

class Model extends Context.Service<Model, string>()("typetest/LlmBreaker/Model") {}
class Overloaded {
  readonly _tag = "Overloaded"
}

declare const llm: LlmBreaker.LlmBreaker
declare const ask: Effect.Effect<string, Overloaded, Model>
declare const parts: Stream.Stream<Response.TextDeltaPart, Error>
const scopes = { provider: "openai", model: "gpt-5", key: "key-a" }
type Guarded = Effect.Effect<string, Overloaded | CircuitRejected, Model>

// Value, error and context are inferred, whichever way round.
export const first = llm.execute(ask, scopes)
export const last = ask.pipe(llm.execute(scopes))
same<typeof first, Guarded>()
same<typeof last, Guarded>()

// A classifier is checked against the effect, and may give back an outcome with a scope or without.
export const classified = llm.execute(ask, {
  ...scopes,
  classify: (exit) => {
    same<typeof exit, Exit.Exit<string, Overloaded>>()
    const outcome: LlmOutcome.LlmOutcome = { _tag: "Failure", kind: "overloaded", scope: "model" }
    return outcome
  }
})
export const plain = llm.execute(ask, { ...scopes, classify: (): Outcome.Outcome => ({ _tag: "Success" }) })
same<typeof classified, Guarded>()
same<typeof plain, Guarded>()
const ofAnother = (_: Exit.Exit<string, "other">): Outcome.Outcome => ({ _tag: "Success" })
// @ts-expect-error: the effect fails with something else
fails(() => llm.execute(ask, { ...scopes, classify: ofAnother }))

// Without a provider there is nobody to ask.
// @ts-expect-error: `provider` is missing
fails(() => llm.execute(ask, { model: "gpt-5" }))
// @ts-expect-error: no such place
fails(() => llm.breaker("tenant", scopes))

// Its permits are admissions of a guarded stream.
export const streamed = parts.pipe(LlmStream.guardWith(llm.admit(scopes)))
export const permitted = Effect.map(llm.admit(scopes), (permit): LlmStream.Admission => permit)
same<typeof permitted, Effect.Effect<LlmStream.Admission, CircuitRejected>>()

// The presets are policies of any breaker.
export const one = Breaker.make({ name: "openai", ...LlmBreaker.preset })
export const over = LlmBreaker.make({ model: { ...LlmBreaker.preset, ramp: undefined }, key: LlmBreaker.keyPreset })
// @ts-expect-error: how exits are read is said once, for all circuits
fails(() => LlmBreaker.make({ model: { classify: (): Outcome.Outcome => ({ _tag: "Success" }) } }))
