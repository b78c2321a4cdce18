/**
 * The checks behind every number and duration that a user hands over, written once so that a constructor's `RangeError`
 * and a Schema's issue say the same: which option, which rule, which value.
 */
import * as Duration from "effect/Duration"

/** What is wrong with a setting, as a sentence; `undefined` when nothing is. */
export type Problem = string | undefined

const said = (where: string, option: string, rule: string, value: unknown): string =>
  `${where}: ${option} must be ${rule}, got ${typeof value === "string" ? JSON.stringify(value) : String(value)}`

/** A whole number of at least one. */
export const count = (where: string, option: string, value: number): Problem =>
  Number.isSafeInteger(value) && value >= 1 ? undefined : said(where, option, "a whole number of at least 1", value)

/** A share of calls, where none at all makes no sense. */
export const share = (where: string, option: string, value: number): Problem =>
  typeof value === "number" && value > 0 && value <= 1
    ? undefined
    : said(where, option, "a number above 0 and at most 1", value)

const durationRule = (positive: boolean): string =>
  positive ? "a finite duration above zero" : "a finite duration of zero or more"

/** Milliseconds: finite, and not below zero, or above it where `positive`. */
export const millis = (where: string, option: string, value: number, positive = false): Problem =>
  Number.isFinite(value) && (positive ? value > 0 : value >= 0)
    ? undefined
    : said(where, option, durationRule(positive), value)

/** Tagged data with one of these tags. */
export const tagged = (where: string, option: string, value: unknown, tags: ReadonlyArray<string>): Problem => {
  const tag = (Object(value) as { readonly _tag?: unknown })._tag
  return tags.includes(tag as string)
    ? undefined
    : said(where, option, `tagged ${tags.join(", ")}`, tag === undefined ? value : tag)
}

/** One of a rule's own making. */
export const rule = (holds: boolean, where: string, option: string, text: string, value: unknown): Problem =>
  holds ? undefined : said(where, option, text, value)

/**
 * The milliseconds of a duration that a user wrote. What is no duration at all comes out as `NaN`, which every check
 * refuses: `Duration` itself takes `NaN` for zero.
 */
export const toMillis = (input: Duration.Input): number => {
  if (typeof input === "number") return input
  try {
    return Duration.toMillis(input)
  } catch {
    return Number.NaN
  }
}

/** The milliseconds of a duration option, or a `RangeError` that names it. */
export const durationMillis = (where: string, option: string, input: Duration.Input, positive = false): number => {
  const value = toMillis(input)
  if (millis(where, option, value, positive) === undefined) return value
  throw new RangeError(said(where, option, durationRule(positive), Duration.isDuration(input) ? String(input) : input))
}

/** The same as a `Duration`. */
export const duration = (where: string, option: string, input: Duration.Input): Duration.Duration =>
  Duration.millis(durationMillis(where, option, input))

/** Throws the first problem there is. */
export const enforce = (...problems: ReadonlyArray<Problem>): void => {
  for (const problem of problems) if (problem !== undefined) throw new RangeError(problem)
}
