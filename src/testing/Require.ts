/**
 * The checks behind every number, text and duration handed to the fake provider: what is wrong becomes a `RangeError`
 * that names the option, the rule and the value.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"

/** The error that says which option broke which rule with which value. */
export const broken = (where: string, option: string, rule: string, value: unknown): RangeError =>
  new RangeError(`${where}: ${option} must be ${rule}, got ${shown(value)}`)

/** A whole number from `minimum` up to `maximum`. */
export const whole = (
  where: string,
  option: string,
  value: unknown,
  minimum: number,
  maximum = Number.MAX_SAFE_INTEGER
): number => {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= minimum && value <= maximum) return value
  const range = maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`
  throw broken(where, option, `a whole number ${range}`, value)
}

/** A fraction from zero to one. */
export const share = (where: string, option: string, value: unknown): number => {
  if (typeof value === "number" && value >= 0 && value <= 1) return value
  throw broken(where, option, "a number from 0 to 1", value)
}

/** Any text. */
export const text = (where: string, option: string, value: unknown): string => {
  if (typeof value === "string") return value
  throw broken(where, option, "a text", value)
}

/** The milliseconds of a wait: finite, zero or more. */
export const wait = (where: string, option: string, value: Duration.Input): number => {
  const millis = toMillis(value)
  if (Number.isFinite(millis) && millis >= 0) return millis
  throw broken(where, option, "a finite duration of zero or more", value)
}

/** The milliseconds of a stretch of time: above zero, endless allowed. */
export const stretch = (where: string, option: string, value: Duration.Input): number => {
  const millis = toMillis(value)
  if (millis > 0) return millis
  throw broken(where, option, "a duration above zero", value)
}

// `Duration` takes NaN for zero, so a number never passes through it.
const toMillis = (value: Duration.Input): number => {
  if (typeof value === "number") return value
  try {
    return Duration.toMillis(value)
  } catch {
    return Number.NaN
  }
}

const shown = (value: unknown): string => {
  if (Duration.isDuration(value)) return String(value)
  if (typeof value === "string" || (typeof value === "object" && value !== null)) return JSON.stringify(value)
  return String(value)
}
