/**
 * The circuits of one model: whom its calls concern, and where they ask for leave.
 *
 * @since 0.1.0
 */
import * as Model from "effect/ai/Model"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { CircuitRejected } from "../CircuitRejected.ts"
import * as LlmBreaker from "./LlmBreaker.ts"
import * as Scopes from "./Scopes.ts"

/**
 * Which circuits the calls of a model go through.
 *
 * **Details**
 *
 * - `scopes`: whom the calls concern. What it leaves out is known from the `ProviderName` and the `ModelName` that a model
 *   made with `Model.make` brings along. It may be an effect, asked at each call: for a key that is another one for each
 *   tenant.
 * - `breaker`: the settings of the breaker that is made where there is no `LlmBreaker` in context.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly scopes?: Given | Effect.Effect<Given> | undefined
  readonly breaker?: LlmBreaker.Options | undefined
}

/**
 * Whom the calls of a model concern, as far as the model does not say so itself.
 *
 * @category models
 * @since 0.1.0
 */
export type Given = { readonly [Name in keyof Scopes.Scopes]?: Scopes.Scopes[Name] | undefined }

/**
 * Finds out whom a call concerns, and gives what asks for its permit: the first may take its time and be interrupted, the
 * second is one step.
 */
export type Asking = Effect.Effect<Effect.Effect<LlmBreaker.Permit, CircuitRejected>>

/** Makes a breaker once, however often it is asked for: whoever builds a layer again goes on with its circuits. */
export const remembered = (options: LlmBreaker.Options | undefined): Effect.Effect<LlmBreaker.LlmBreaker> => {
  let made: LlmBreaker.LlmBreaker | undefined
  const make = LlmBreaker.make(options)
  return Effect.suspend(() =>
    made === undefined ? Effect.map(make, (breaker) => made ??= breaker) : Effect.succeed(made)
  )
}

/**
 * The circuits of a model by what is in context: in the `LlmBreaker` there, or else in one of its own.
 *
 * A model that nothing names would share its circuits with every other such model in the same breaker: that throws.
 */
export const make = (
  where: string,
  { scopes = {} }: Options,
  own: Effect.Effect<LlmBreaker.LlmBreaker>,
  unnamed = "unnamed"
): Effect.Effect<Asking> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const shared = Context.getOrUndefined(context, LlmBreaker.LlmBreaker)
    const provider = Context.getOrUndefined(context, Model.ProviderName) ??
      (shared === undefined ? unnamed : undefined)
    const model = Context.getOrUndefined(context, Model.ModelName)
    const complete = ({ key, region, ...given }: Given): Scopes.Scopes => {
      const whole = { provider: given.provider ?? provider, model: given.model ?? model, key, region } as Scopes.Scopes
      Scopes.check(where, whole)
      return whole
    }
    const fixed = Effect.isEffect(scopes) ? undefined : complete(scopes)
    return Effect.map(
      shared === undefined ? own : Effect.succeed(shared),
      (breaker): Asking =>
        Effect.isEffect(scopes)
          ? Effect.map(scopes, (given) => breaker.admit(complete(given)))
          : Effect.succeed(breaker.admit(fixed!))
    )
  })
