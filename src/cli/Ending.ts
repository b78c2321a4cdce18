/**
 * With which code the command ends.
 *
 * - 0: it did what it was asked. A server that was ended by hand did, too.
 * - 1: it was asked rightly and could not, or found what it was told to fail on.
 * - 2: it was asked wrongly: an option, or a file that says something impossible.
 * - 130: it was interrupted.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import { isCliError } from "effect/cli/CliError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Failed from "./Failed.ts"

// Of the process, which has one end.
let interrupted: 0 | 130 = 130

/** From now on, an end by hand is the end that the command is meant to have. */
export const byHandIsFine: Effect.Effect<void> = /*#__PURE__*/ Effect.sync(() => {
  interrupted = 0
})

/** The code of a program's exit. */
export const codeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return interrupted
  const error = Cause.squash(exit.cause)
  if (error instanceof Failed.Failed) return error.exitCode
  return isCliError(error) ? 2 : 1
}
