/**
 * How a command ends that did not do what it was asked: with one sentence, and an exit code.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * A command could not do what it was asked. The code is 2 where it was asked wrongly (an option, a file that says something
 * impossible), and 1 where it was asked rightly and could not.
 *
 * @category errors
 * @since 0.1.0
 */
export class Failed extends /*#__PURE__*/ Data.TaggedError("Failed")<{
  readonly message: string
  readonly exitCode: 1 | 2
}> {}

/** It was asked wrongly. */
export const wrong = (message: string): Failed => new Failed({ message, exitCode: 2 })

/** It could not. */
export const failed = (message: string): Failed => new Failed({ message, exitCode: 1 })
