/**
 * How long a streamed answer may keep its reader waiting.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Setting from "../internal/Setting.ts"
import type { Progress } from "./Progress.ts"

/**
 * How long a streamed answer may keep its reader waiting. Each is optional, and each has its own question.
 *
 * **Details**
 *
 * - `headers`: is anybody there? The time until the first part of any kind.
 * - `firstContent`: does the model answer? The time until the first content.
 * - `idle`: does it go on? The time from one content to the next.
 * - `total`: does it come to an end?
 *
 * Pings and metadata meet `headers` and nothing else. Counted is only the time in which the reader pulls and no tool of
 * the program runs: a slow reader and a slow tool are not the provider's fault.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deadlines {
  readonly headers?: Duration.Input | undefined
  readonly firstContent?: Duration.Input | undefined
  readonly idle?: Duration.Input | undefined
  readonly total?: Duration.Input | undefined
}

/** The deadlines in milliseconds, infinite where there is none. */
export type Limits = { readonly [Name in keyof Deadlines]-?: number }

/** The deadline that passes next if nothing comes, and when. */
export interface Due {
  readonly deadline: keyof Deadlines
  readonly limit: number
  readonly at: number
}

/** Reads deadlines that a user wrote. */
export const check = (where: string, given: Deadlines | undefined): Limits => {
  const limit = (name: keyof Deadlines): number => {
    const input = given?.[name]
    return input === undefined
      ? Number.POSITIVE_INFINITY
      : Setting.toMillis(Setting.option(where, name, Setting.positiveDuration, input))
  }
  return { headers: limit("headers"), firstContent: limit("firstContent"), idle: limit("idle"), total: limit("total") }
}

/** The deadline that passes next, in the provider's own time; infinitely far while a tool runs. */
export const due = (limits: Limits, progress: Progress): Due => {
  const running: Array<Due> = []
  const add = (deadline: keyof Deadlines, since: number): number =>
    running.push({ deadline, limit: limits[deadline], at: since + limits[deadline] })
  if (progress.firstEvent === undefined) add("headers", 0)
  if (progress.aliveAt === undefined) add("firstContent", 0)
  else add("idle", progress.aliveAt)
  add("total", 0)
  return running.reduce((first, other) => other.at < first.at ? other : first)
}
