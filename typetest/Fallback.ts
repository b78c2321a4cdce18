import { Context, Effect } from "effect"
import { type Breaker, CircuitRejected, Fallback, withBreaker } from "effect-breaker"
import { same } from "./Assert.ts"

class Answer {
  readonly text = ""
}
class Down {
  readonly _tag = "Down"
}
class Other {
  readonly _tag = "Other"
}
class Model extends Context.Service<Model, string>()("typetest/Model") {}
class Templates extends Context.Service<Templates, string>()("typetest/Templates") {}

declare const call: Effect.Effect<Answer, Down, Model>
declare const unsure: Effect.Effect<string, Other, Templates>
declare const sure: Effect.Effect<string, never, Templates>
const { cached, effect, value, valueOf, withFallback } = Fallback

type Errors = Down | CircuitRejected
type Needs = Model | Breaker.Breaker

// A sure rung takes the refusal out of the error channel, and nothing else.
export const withValue = call.pipe(withBreaker, withFallback(value("sorry")))
same<typeof withValue, Effect.Effect<Fallback.Served<Answer | "sorry", Errors>, Down, Needs>>()

export const withSureEffect = call.pipe(withBreaker, withFallback(effect(sure)))
same<typeof withSureEffect, Effect.Effect<Fallback.Served<Answer | string, Errors>, Down, Needs | Templates>>()

// An unsure one leaves it.
export const withCache = call.pipe(withBreaker, withFallback(cached<Answer>()))
same<typeof withCache, Effect.Effect<Fallback.Served<Answer, Errors>, Errors, Needs>>()

export const withKeyedCache = call.pipe(withBreaker, withFallback(cached<Answer>().at("a question")))
same<typeof withKeyedCache, Effect.Effect<Fallback.Served<Answer, Errors>, Errors, Needs>>()

export const withUnsureEffect = call.pipe(withBreaker, withFallback(effect(unsure)))
same<typeof withUnsureEffect, Effect.Effect<Fallback.Served<Answer | string, Errors>, Errors, Needs | Templates>>()

// A ladder is sure where one rung is, and its value is any rung's.
export const ladder = call.pipe(withBreaker, withFallback(cached<Answer>(), effect(unsure), value(null)))
same<typeof ladder, Effect.Effect<Fallback.Served<Answer | string | null, Errors>, Down, Needs | Templates>>()

export const unsureLadder = call.pipe(withBreaker, withFallback(cached<Answer>(), effect(unsure)))
same<typeof unsureLadder, Effect.Effect<Fallback.Served<Answer | string, Errors>, Errors, Needs | Templates>>()

export const noRung = call.pipe(withBreaker, withFallback())
same<typeof noRung, Effect.Effect<Fallback.Served<Answer, Errors>, Errors, Needs>>()

// A list whose rungs are not known one by one promises nothing.
declare const rungs: ReadonlyArray<Fallback.Rung<string>>
export const unknownLadder = call.pipe(withBreaker, withFallback(...rungs))
same<Effect.Error<typeof unknownLadder>, Errors>()

// A rung may be told the primary's error.
export const told = call.pipe(
  withBreaker,
  withFallback(effect((error: Errors) => Effect.succeed(error)))
)
same<typeof told, Effect.Effect<Fallback.Served<Answer | Errors, Errors>, Down, Needs>>()

export const toldOfRefusals = call.pipe(
  withBreaker,
  withFallback(effect((error: unknown) => error instanceof CircuitRejected ? Effect.succeed(1) : Effect.fail("no")))
)
same<Effect.Error<typeof toldOfRefusals>, Errors>()

// What is served.
export const provenance = Effect.map(withValue, (served) => {
  same<typeof served.from, "primary" | "cached" | "fallback" | "default">()
  same<typeof served.cause, Errors | undefined>()
  return served
})
export const plain = withValue.pipe(valueOf)
same<typeof plain, Effect.Effect<Answer | "sorry", Down, Needs>>()
export const plainFirst = valueOf(ladder)
same<typeof plainFirst, Effect.Effect<Answer | string | null, Down, Needs | Templates>>()

export const generator = Effect.gen(function*() {
  const served = yield* withValue
  return served.from === "primary" ? served.value : undefined
})
same<typeof generator, Effect.Effect<Answer | "sorry" | undefined, Down, Needs>>()

// @ts-expect-error a rung that asks for errors that the call does not have
export const mistold = call.pipe(withBreaker, withFallback(effect((error: Other) => Effect.succeed(error._tag))))
// @ts-expect-error a plain value is no rung
export const noRungAtAll = call.pipe(withBreaker, withFallback("sorry"))
// @ts-expect-error the rung's requirements are the program's
export const missing: Effect.Effect<unknown, unknown, Needs> = call.pipe(withBreaker, withFallback(effect(sure)))
// @ts-expect-error an unsure ladder may still be refused
export const unrefused: Effect.Effect<unknown, Down, Needs> = call.pipe(withBreaker, withFallback(cached<Answer>()))
