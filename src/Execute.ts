/**
 * The forms in which an effect is put under a breaker: with the effect first, or last, in a `pipe`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { CircuitRejected } from "./CircuitRejected.ts"
import type { Classify } from "./Classify.ts"
import type * as Outcome from "./Outcome.ts"

/**
 * Puts an effect under a breaker: `execute(effect, options?)`, `effect.pipe(execute)` or `effect.pipe(execute(options))`.
 *
 * **Details**
 *
 * It is one signature and not three, because the compiler keeps the types of a function handed to `pipe` by name only if
 * it has one. With the effect first, `classify` is checked against its value and error; in the last form it may name them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Execute<R0 = never> {
  <Arg extends Effect.Effect<unknown, unknown, unknown> | ExecuteOptions = ExecuteOptions>(
    selfOrOptions?: Arg,
    options?: Arg extends Effect.Effect<infer A, infer E, unknown> ? { readonly classify?: Classify<A, E> | undefined }
      : never
  ): [Arg] extends [Effect.Effect<infer A, infer E, infer R>] ? Effect.Effect<A, E | CircuitRejected, R | R0>
    : <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitRejected, R | R0>
}

/**
 * How the exit of one call is read, where that differs from the breaker's own way.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecuteOptions {
  classify?(exit: Exit.Exit<unknown, unknown>): Outcome.Outcome
}

// ---------------------------------------------------------------------------------------------------------------------

type Guard = (
  self: Effect.Effect<unknown, unknown, unknown>,
  options?: { readonly classify?: Classify | undefined }
) => Effect.Effect<unknown, unknown, unknown>

// `dual` tells the two forms apart by how many arguments there are; here both may come with and without options.
/** @internal */
export function firstOrLast<F>(guard: Guard): F {
  return ((...args: ReadonlyArray<unknown>) =>
    Effect.isEffect(args[0])
      ? guard(args[0], args[1] as Parameters<Guard>[1])
      : (self: Effect.Effect<unknown, unknown, unknown>) => guard(self, args[0] as Parameters<Guard>[1])) as F
}
