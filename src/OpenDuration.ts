/**
 * How long the n-th opening in a row lasts: a duration, or a `Schedule` that is replayed.
 *
 * A schedule is replayed from its first step over the time spent open, so combinators that measure elapsed time
 * (`upTo`, `during`) mean the time that the circuit was open, and a jittered schedule draws anew for each opening. When it
 * ends, its last delay repeats.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Setting from "./internal/Setting.ts"

/**
 * A duration, or a schedule whose n-th delay is how long the n-th opening in a row lasts.
 *
 * @category models
 * @since 0.1.0
 */
export type OpenDuration = Duration.Input | Schedule.Schedule<unknown, number, never, never>

/**
 * Checks a schedule, and makes it a function of how many openings there have been in a row, in milliseconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  schedule: Schedule.Schedule<unknown, number>,
  where: string
): (context: Context.Context<never>) => (opening: number) => number => {
  const first = Effect.runSyncExit(replay(schedule, 1))
  Setting.option<unknown>(where, "openDuration", delay, Exit.isSuccess(first) ? first.value : Cause.squash(first.cause))
  return (context) => (opening) => {
    const delay = Effect.runSyncExitWith(context)(replay(schedule, opening))
    return (Exit.isSuccess(delay) && delay.value) || 0
  }
}

const delay = /*#__PURE__*/ Setting.setting<unknown>(
  "a schedule with at least one delay, a finite one",
  Number.isFinite
)

const replay = (
  schedule: Schedule.Schedule<unknown, number>,
  openings: number
): Effect.Effect<number | undefined> =>
  Effect.gen(function*() {
    const step = yield* Schedule.toStep(schedule)
    let spent = 0
    let delay: number | undefined = undefined
    for (let opening = 1; opening <= openings; opening++) {
      const next = yield* Effect.exit(step(spent, opening))
      if (Exit.isFailure(next)) break
      const millis = Math.max(Duration.toMillis(next.value[1]), 0)
      if (millis === Infinity && delay !== undefined) break
      spent += delay = millis
    }
    return delay
  })
