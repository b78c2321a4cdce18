/**
 * What to answer when the provider cannot: a ladder of rungs, and an answer that says which of them it came from.
 *
 * Only what speaks about the provider climbs down the ladder: a refusal, and a call whose outcome was `Failure`,
 * `Throttled` or `Trip`. A caller's own mistake (an `Ignored` failure) passes through as it is, and so does interruption:
 * an apology is no answer to a malformed request.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { monotonic } from "./Breaker.ts"
import { CircuitRejected } from "./CircuitRejected.ts"
import { Heard, isInterrupted, ladders } from "./Classify.ts"
import * as Setting from "./internal/Setting.ts"
import type * as Outcome from "./Outcome.ts"
import * as Registry from "./Registry.ts"

/**
 * An answer, and where it came from.
 *
 * **Details**
 *
 * `from` is `primary` for the call itself, `cached` for its last good answer, `fallback` for another effect, `default` for
 * a plain value. What is not `primary` carries the error of the primary as `cause`, and after a refusal `retryAfter`, the
 * time until it is worth asking again. A cached answer tells its `age`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Served<A, E = unknown> {
  readonly value: A
  readonly from: "primary" | "cached" | "fallback" | "default"
  readonly cause?: E | undefined
  readonly age?: Duration.Duration | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

/**
 * One rung of the ladder. `Sure` is whether it always has an answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rung<out A, in E = unknown, out R = never, out Sure extends boolean = boolean> {
  readonly sure: Sure
  readonly answer: (error: E) => Effect.Effect<Answer<A> | undefined, never, R>
  /** Told of each good answer of the primary. */
  readonly learn?: ((value: unknown) => Effect.Effect<void>) | undefined
}

/**
 * What a rung has to say. Whatever else it carries reaches the caller as well.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer<out A> {
  readonly value: A
  readonly from: "cached" | "fallback" | "default"
  readonly age?: Duration.Duration | undefined
}

/**
 * A rung that answers with a plain value.
 *
 * @category rungs
 * @since 0.1.0
 */
export const value = <const A>(value: A): Rung<A, unknown, never, true> => ({
  sure: true,
  answer: () => Effect.succeed({ value, from: "default" })
})

/**
 * A rung that answers with another effect: another model, another provider, a template.
 *
 * **Details**
 *
 * It may be a function of the primary's error. If it fails, the next rung is tried, and its own error is never seen: the
 * caller who gets no answer at all gets the primary's error. A defect in it is a bug of the program, and is not hidden.
 *
 * **Gotchas**
 *
 * Put the other provider under a breaker of its own.
 *
 * @category rungs
 * @since 0.1.0
 */
export const effect: {
  <A, R, E = unknown>(
    effect: Effect.Effect<A, never, R> | ((error: E) => Effect.Effect<A, never, R>)
  ): Rung<A, E, R, true>
  <A, E2, R, E = unknown>(
    effect: Effect.Effect<A, E2, R> | ((error: E) => Effect.Effect<A, E2, R>)
  ): Rung<A, E, R, false>
} = (<A, E, R>(effect: Effect.Effect<A, unknown, R> | ((error: E) => Effect.Effect<A, unknown, R>)): Rung<A, E, R> => ({
  sure: false,
  answer: (error) =>
    Effect.matchEffect(Effect.isEffect(effect) ? effect : Effect.suspend(() => effect(error)), {
      onSuccess: (value) => Effect.succeed<Answer<A>>({ value, from: "fallback" }),
      onFailure: () => Effect.succeed(undefined)
    })
})) as never

/**
 * A rung that remembers the primary's last good answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cached<A> extends Rung<A, unknown, never, false> {
  /** The same memory for one question among many. */
  readonly at: (key: string) => Rung<A, unknown, never, false>
}

/**
 * A rung that answers with the primary's last good answer.
 *
 * **Details**
 *
 * An answer older than `maxAge` is not served (default: any age). `at(key)` keeps one answer for each question, at most
 * `capacity` of them (default 1000); the one learnt longest ago goes first. Only answers of the primary are learnt.
 *
 * **Gotchas**
 *
 * The memory lives in the rung: make it once, beside the breaker, not for each call. Throws a `RangeError` for a bad
 * `maxAge` or `capacity`.
 *
 * @category rungs
 * @since 0.1.0
 */
export const cached = <A>(options?: {
  readonly maxAge?: Duration.Input | undefined
  readonly capacity?: number | undefined
}): Cached<A> => {
  const maxAge = options?.maxAge === undefined
    ? Infinity
    : Setting.toMillis(Setting.option("Fallback.cached", "maxAge", Setting.positiveDuration, options.maxAge))
  const capacity = options?.capacity ?? 1000
  Setting.option("Fallback.cached", "capacity", Setting.count, capacity)
  const memory = new Map<string | undefined, { readonly value: A; readonly at: number }>()
  const rung = (key: string | undefined): Rung<A, unknown, never, false> => ({
    sure: false,
    answer: () =>
      withNow((now) => {
        const found = memory.get(key)
        if (found === undefined || now - found.at > maxAge) return undefined
        return { value: found.value, from: "cached", age: Duration.millis(now - found.at) }
      }),
    learn: (value) =>
      withNow((now) => {
        memory.delete(key)
        memory.set(key, { value: value as A, at: now })
        for (const oldest of memory.keys()) {
          if (memory.size <= capacity) return
          memory.delete(oldest)
        }
      })
  })
  return { ...rung(undefined), at: rung }
}

/**
 * Any rung at all.
 *
 * @category types
 * @since 0.1.0
 */
export type AnyRung = Rung<unknown, never, unknown, boolean>

/**
 * What a rung, or one of several, answers with.
 *
 * @category types
 * @since 0.1.0
 */
export type Value<One> = One extends Rung<infer A, never, unknown, boolean> ? A : never

/**
 * What a rung, or all of several, requires.
 *
 * @category types
 * @since 0.1.0
 */
export type Needs<One> = One extends Rung<unknown, never, infer R, boolean> ? R : never

/**
 * `true` if a rung, or one of several, always has an answer; `never` if none has.
 *
 * @category types
 * @since 0.1.0
 */
export type Sure<One> = One extends { readonly sure: infer Sure } ? [Sure] extends [true] ? true : never : never

/**
 * The errors that every rung can be told: the intersection of what each of them asks for.
 *
 * @category types
 * @since 0.1.0
 */
export type Told<One> = (One extends Rung<unknown, infer E, unknown, boolean> ? (error: E) => void : never) extends
  (error: infer E) => void ? E : never

/**
 * Answers from the first rung that can when the provider did not.
 *
 * **Details**
 *
 * Stands around a call under a breaker, and serves `primary` while that answers. With a rung that always has an answer
 * `CircuitRejected` leaves the error channel; errors of the call itself stay in it, since a caller's own mistake passes
 * through. When no rung has an answer, the primary's own error is the error.
 *
 * Without a breaker inside, every typed failure and defect climbs down the ladder.
 *
 * **Example** (The last good answer, then a safe default)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Breaker, Fallback, withBreaker } from "effect-breaker"
 *
 * const lastGood = Fallback.cached<string>({ maxAge: "10 minutes" })
 * const guarded = (call: Effect.Effect<string, string>) =>
 *   call.pipe(withBreaker, Fallback.withFallback(lastGood, Fallback.value("Please try again in a minute.")))
 *
 * const program = Effect.gen(function*() {
 *   const served = [
 *     yield* guarded(Effect.fail("529 Overloaded")),
 *     yield* guarded(Effect.succeed("Hello!")),
 *     yield* guarded(Effect.fail("529 Overloaded"))
 *   ]
 *   return served.map(({ from, value }) => `${from}: ${value}`)
 * })
 *
 * console.log(await Effect.runPromise(program.pipe(Effect.provide(Breaker.layer({ name: "openai" })))))
 * // => ["default: Please try again in a minute.", "primary: Hello!", "cached: Hello!"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withFallback =
  <Rungs extends ReadonlyArray<AnyRung>>(...rungs: Rungs) =>
  <A, E extends Told<Rungs[number]>, R>(
    self: Effect.Effect<A, E, R>
  ): Effect.Effect<
    Served<A | Value<Rungs[number]>, E>,
    [Sure<Rungs[number]>] extends [never] ? E : Exclude<E, CircuitRejected>,
    R | Needs<Rungs[number]>
  > =>
    Effect.withFiber((fiber) => {
      const outer = fiber.getRef(Heard)
      const tell = outer === undefined ? fiber.getRef(Registry.Current).served : outer.count
      let counted = false
      const heard: NonNullable<Heard> = {
        outcome: undefined,
        count: tell && ((from) => {
          counted = true
          tell(from)
        })
      }
      // A count that an interrupt left behind costs others a look, no more.
      ladders.running++
      const call = Effect.onExitPrimitive(self, () => {
        ladders.running--
        // What a rung's own ladders serve is a part of this one's answer.
        heard.count = undefined
        return undefined
      })
      const answer = Effect.flatMap(
        Effect.exit(call),
        (exit): Effect.Effect<Served<unknown, E>, E, unknown> => {
          if (Exit.isFailure(exit)) {
            return climbsDown(exit.cause, heard.outcome) ? climb(rungs, exit.cause) : Effect.failCause(exit.cause)
          }
          const served = Effect.succeed<Served<unknown, E>>({ value: exit.value, from: "primary" })
          // An answer that the breaker's classifier found bad is served, for it is the primary's, but not remembered.
          if ((heard.outcome?._tag ?? "Success") !== "Success") return served
          return Effect.andThen(Effect.forEach(rungs, ({ learn }) => learn?.(exit.value) ?? Effect.void), served)
        }
      )
      return Effect.onExitPrimitive(Effect.provideService(answer, Heard, heard), (exit) => {
        if (outer !== undefined && !isInterrupted(exit)) outer.outcome = heard.outcome
        if (Exit.isSuccess(exit) && (exit.value.from !== "primary" || !counted)) tell?.(exit.value.from)
        return undefined
      })
    }) as never

/**
 * Drops the provenance of an answer.
 *
 * @category combinators
 * @since 0.1.0
 */
export const valueOf = <A, E, R>(self: Effect.Effect<Served<A>, E, R>): Effect.Effect<A, E, R> =>
  Effect.map(self, ({ value }) => value)

// ---------------------------------------------------------------------------------------------------------------------

const withNow = <A>(f: (now: number) => A): Effect.Effect<A> => Effect.withFiberSucceed((fiber) => f(monotonic(fiber)))

const climbsDown = (cause: Cause.Cause<unknown>, outcome: Outcome.Outcome | undefined): boolean => {
  if (Cause.hasInterruptsOnly(cause)) return false
  if (Cause.squash(cause) instanceof CircuitRejected) return true
  // After a success of the provider, or a mistake of the caller, what failed was not the provider.
  return outcome?._tag !== "Ignored" && outcome?._tag !== "Success"
}

const climb = <E>(
  rungs: ReadonlyArray<AnyRung>,
  cause: Cause.Cause<E>
): Effect.Effect<Served<unknown, E>, E, unknown> => {
  const error = Cause.squash(cause) as E
  const retryAfter = error instanceof CircuitRejected ? { retryAfter: error.retryAfter } : {}
  const next = (i: number): Effect.Effect<Served<unknown, E>, E, unknown> => {
    const rung = rungs[i]
    if (rung === undefined) return Effect.failCause(cause)
    return Effect.flatMap(
      rung.answer(error as never),
      (answer) => answer === undefined ? next(i + 1) : Effect.succeed({ ...answer, ...retryAfter, cause: error })
    )
  }
  return next(0)
}
