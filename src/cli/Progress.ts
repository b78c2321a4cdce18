/**
 * How far long work has come, as a line for the terminal. It never shows in a file or a pipe.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { percent, span, whole } from "../replay/Words.ts"
import { Screen } from "./Screen.ts"

/** How far it is: how much of what is done, of how much where that is known. */
export interface State {
  readonly done: number
  readonly of?: number | undefined
  /** What is counted, such as `lines`, and how many there were. */
  readonly count?: readonly [unit: string, count: number] | undefined
}

/** The line of a state, after so many milliseconds. */
export const line = (what: string, { count, done, of }: State, elapsed: number): string => {
  const seconds = elapsed / 1000
  const counted = count === undefined
    ? []
    : [`${whole(count[1])} ${count[0]}`, ...(seconds >= 1 ? [`${whole(count[1] / seconds)}/s`] : [])]
  if (of === undefined || of <= 0) return [what, ...counted].join("  ")
  const share = Math.min(1, done / of)
  const full = Math.round(share * width)
  const left = share > 0 && share < 1 && seconds >= 1 ? [`${span((elapsed / share) * (1 - share))} left`] : []
  return [what, `[${"█".repeat(full)}${"░".repeat(width - full)}]`, percent(share), ...counted, ...left].join("  ")
}

/** Shows how far work has come while it runs, where there is a terminal to show it on. */
export const during = <A, E, R>(
  work: Effect.Effect<A, E, R>,
  what: string,
  state: () => State
): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const screen = yield* Screen
    if (!screen.live) return yield* work
    const began = yield* Clock.currentTimeMillis
    const show = Effect.flatMap(Clock.currentTimeMillis, (now) => screen.status(line(what, state(), now - began)))
    return yield* Effect.raceFirst(work, Effect.andThen(Effect.repeat(show, Schedule.spaced(200)), Effect.never)).pipe(
      Effect.ensuring(screen.status(undefined))
    )
  })

// ---------------------------------------------------------------------------------------------------------------------

const width = 24
