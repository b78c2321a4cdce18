/**
 * Streams under a breaker: the call is the whole stream, and it votes when the stream ends.
 *
 * A stream that was opened is not yet a success: a provider can send its headers at once and then fall silent, or fail
 * after the third element. So the permit is held from before the stream starts until it ends, however it ends.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as Breaker from "./Breaker.ts"
import type { CircuitRejected } from "./CircuitRejected.ts"
import * as Setting from "./internal/Setting.ts"
import * as Outcome from "./Outcome.ts"

/**
 * How long a stream may keep its reader waiting. Each is optional.
 *
 * **Details**
 *
 * `firstElement` is for the first pull, `idle` for each later one, and `total` for all pulls together. Time in which the
 * reader does not pull is not held against the stream. A deadline that passes ends the stream with `Cause.TimeoutError`,
 * which counts as any typed failure does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deadlines {
  readonly firstElement?: Duration.Input | undefined
  readonly idle?: Duration.Input | undefined
  readonly total?: Duration.Input | undefined
}

/**
 * How a stream is guarded: its deadlines, and how its end is read. A stream that ran to its end exits with `void`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Deadlines {
  classify?(exit: Exit.Exit<void, unknown>): Outcome.Outcome
}

/**
 * The error that deadlines add: none where there are no deadlines.
 *
 * @category models
 * @since 0.1.0
 */
export type TimeoutOf<Given> = Given extends
  { readonly firstElement: Duration.Input } | { readonly idle: Duration.Input } | { readonly total: Duration.Input }
  ? Cause.TimeoutError
  : never

/**
 * Runs a stream through the breaker in context.
 *
 * **Details**
 *
 * The stream asks when it starts, tells that it answered at its first element, and votes when it ends: an end is a `Success`, a failure or a defect a `Failure`, by
 * the breaker's classifier or the one given here. A reader that stops early is a `Success` if an element came, and
 * `Ignored` if none did; an interrupted one is always `Ignored`. The error channel gains `CircuitRejected`, and with a
 * deadline `Cause.TimeoutError`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for a deadline that is not a finite duration above zero.
 *
 * **Example** (A stream that fails after its first element counts as a failure)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Breaker, BreakerStream, TripPolicy } from "effect-breaker"
 *
 * const answer = Stream.make("Once upon a ").pipe(
 *   Stream.concat(Stream.fail("connection cut")),
 *   BreakerStream.withBreaker({ firstElement: "10 seconds", idle: "30 seconds" })
 * )
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(Stream.runDrain(answer))
 *   return (yield* (yield* Breaker.Breaker).state)._tag
 * })
 *
 * const Live = Breaker.layer({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
 * console.log(await Effect.runPromise(program.pipe(Effect.provide(Live)))) // => "Open"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withBreaker: <
  Arg extends Stream.Stream<unknown, unknown, unknown> | Options = Options,
  Given extends Options = Options
>(
  selfOrOptions?: Arg,
  options?: Given
) => [Arg] extends [Stream.Stream<infer A, infer E, infer R>]
  ? Stream.Stream<A, E | CircuitRejected | TimeoutOf<Given>, R | Breaker.Breaker>
  : <A, E, R>(
    self: Stream.Stream<A, E, R>
  ) => Stream.Stream<A, E | CircuitRejected | TimeoutOf<Arg>, R | Breaker.Breaker> =
    ((...args: ReadonlyArray<unknown>) => {
      const [first, second] = args
      if (Stream.isStream(first)) return guard(first, checked(second))
      const options = checked(first)
      return (self: Stream.Stream<unknown, unknown, unknown>) => guard(self, options)
    }) as never

// ---------------------------------------------------------------------------------------------------------------------

interface Checked {
  readonly classify: Breaker.Classify<void, unknown> | undefined
  readonly firstElement: number
  readonly idle: number
  readonly total: number
}

const checked = (given: unknown): Checked => {
  const options = given as Options | undefined
  const deadline = (option: keyof Deadlines): number => {
    const input = options?.[option]
    if (input === undefined) return Infinity
    return Setting.toMillis(Setting.option("BreakerStream.withBreaker", option, Setting.positiveDuration, input))
  }
  return {
    classify: options?.classify?.bind(options),
    firstElement: deadline("firstElement"),
    idle: deadline("idle"),
    total: deadline("total")
  }
}

// The permit is taken before the stream is built: building one may already make the call.
const guard = (self: Stream.Stream<unknown, unknown, unknown>, options: Checked) =>
  Stream.unwrap(Effect.gen(function*() {
    const breaker = yield* Breaker.Breaker
    let flowed = false
    const permit = yield* Effect.acquireRelease(
      breaker.admit,
      // Settles only what has not ended by itself: a reader that stopped, or was interrupted.
      (permit, exit) =>
        permit.settle(
          flowed && !(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) ? Outcome.success : Outcome.ignored
        )
    )
    return Stream.transformPull(self, (pull) => {
      const timed = withDeadlines(pull, options)
      return Effect.succeed(Effect.onExit(timed, (exit) => {
        if (Exit.isSuccess(exit)) {
          if (flowed) return Effect.void
          flowed = true
          return permit.answered
        }
        const end = Pull.isDoneCause(exit.cause) ? Exit.void : Exit.failCause(exit.cause)
        return permit.settleExit(end, { classify: options.classify })
      }))
    })
  }))

const withDeadlines = <A, E>(
  pull: Pull.Pull<A, E, void>,
  { firstElement, idle, total }: Checked
): Pull.Pull<A, E | Cause.TimeoutError, void> => {
  if (Math.min(firstElement, idle, total) === Infinity) return pull
  let waited = 0
  let flowed = false
  return Effect.withFiber((fiber) => {
    const [option, own] = flowed ? ["idle", idle] as const : ["firstElement", firstElement] as const
    const late = total - waited < own
    const limit = late ? total - waited : own
    const began = Breaker.monotonic(fiber)
    const timed = limit === Infinity ? pull : Effect.timeoutOrElse(pull, {
      duration: Math.max(limit, 0),
      orElse: () =>
        Effect.fail(new Cause.TimeoutError(`No element within ${late ? `total ${total}` : `${option} ${own}`} ms`))
    })
    return Effect.onExitPrimitive(timed, () => {
      waited += Breaker.monotonic(fiber) - began
      flowed = true
      return undefined
    })
  })
}
