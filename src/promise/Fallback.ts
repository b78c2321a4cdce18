/**
 * What to answer when the provider cannot: a ladder of rungs for `breaker.serve`, and an answer that says which of them it
 * came from.
 *
 * Only what speaks about the provider climbs down the ladder: a refusal, and a call whose outcome was `Failure`,
 * `Throttled` or `Trip`. A caller's own mistake (an `Ignored` failure) passes through as it is, and so does an abort: an
 * apology is no answer to a malformed request.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Heard } from "../Classify.ts"
import * as Root from "../Fallback.ts"

export { type Cached, cached, value } from "../Fallback.ts"

/**
 * An answer, and where it came from.
 *
 * **Details**
 *
 * `from` is `primary` for the call itself, `cached` for its last good answer, `fallback` for another function, `default` for
 * a plain value. What is not `primary` carries the error of the primary as `cause`, and after a refusal `retryAfter`, the
 * milliseconds until it is worth asking again. A cached answer tells its `age` in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Served<A> {
  readonly value: A
  readonly from: "primary" | "cached" | "fallback" | "default"
  readonly cause?: unknown
  readonly age?: number | undefined
  readonly retryAfter?: number | undefined
}

/**
 * One rung of the ladder, as `value`, `cached` and `call` make them.
 *
 * @category models
 * @since 0.1.0
 */
export type Rung<A> = Root.Rung<A>

/**
 * What the ladder answers with, of one rung or of several.
 *
 * @category types
 * @since 0.1.0
 */
export type Value<One> = One extends Root.Rung<infer A> ? A : never

/**
 * A rung that answers with another async function: another model, another provider, a template.
 *
 * **Details**
 *
 * It is given the primary's error and the caller's signal. If it throws or rejects, the next rung is tried, and its own
 * error is never seen: the caller who gets no answer at all gets the primary's error. Once the caller has aborted it is not
 * called any more.
 *
 * **Gotchas**
 *
 * Put the other provider under a breaker of its own.
 *
 * @category rungs
 * @since 0.1.0
 */
export const call = <A>(
  fn: (error: unknown, caller: { readonly signal: AbortSignal | undefined }) => A | PromiseLike<A>
): Rung<A> =>
  Root.effect((error: unknown) =>
    Effect.flatMap(Signal, (signal) =>
      signal?.aborted === true
        ? Effect.fail(signal.reason)
        : Effect.tryPromise({ try: async () => fn(error, { signal }), catch: (failed) => failed }))
  )

/** @internal Runs the primary, and answers from the first rung that can when its provider did not. */
export const serve = async <A>(
  primary: (heard: Heard) => Promise<A>,
  rungs: ReadonlyArray<Rung<A>>,
  signal: AbortSignal | undefined,
  context: Context.Context<never>
): Promise<Served<A>> => {
  const heeded = Effect.flatMap(
    Heard,
    (heard) => Effect.tryPromise({ try: () => primary(heard), catch: (error) => error })
  )
  const { age, retryAfter, ...served } = await Effect.runPromiseWith(context)(
    Effect.provideService(Root.withFallback(...rungs)(heeded), Signal, signal)
  )
  return {
    ...served,
    ...(age !== undefined && { age: Duration.toMillis(age) }),
    ...(retryAfter !== undefined && { retryAfter: Duration.toMillis(retryAfter) })
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const Signal = /*#__PURE__*/ Context.Reference<AbortSignal | undefined>("effect-breaker/promise/Signal", {
  defaultValue: () => undefined
})
