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

/** One of a few texts. */
export const oneOf = <A extends string>(
  where: string,
  option: string,
  value: unknown,
  allowed: ReadonlyArray<A>
): A => {
  const found = allowed.find((one) => one === value)
  if (found !== undefined) return found
  throw broken(where, option, `one of ${allowed.join(", ")}`, value)
}

/** A list of texts that is not empty. */
export const texts = (where: string, option: string, value: unknown): ReadonlyArray<string> => {
  if (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string")) return value
  throw broken(where, option, "a list of at least one text", value)
}

/** Any list. */
export const list = (where: string, option: string, value: unknown): ReadonlyArray<unknown> => {
  if (Array.isArray(value)) return value
  throw broken(where, option, "a list", value)
}

/** An object that is plain data. */
export const record = (where: string, option: string, value: unknown): Readonly<Record<string, unknown>> => {
  if (isRecord(value)) return value
  throw broken(where, option, "an object", value)
}

/** Whether a value is an object with fields, and no list. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A finite number from `minimum` up. */
export const atLeast = (where: string, option: string, value: unknown, minimum: number): number => {
  if (typeof value === "number" && Number.isFinite(value) && value >= minimum) return value
  throw broken(where, option, `a number of at least ${minimum}`, value)
}

/** A finite number above zero. */
export const positive = (where: string, option: string, value: unknown): number => {
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value
  throw broken(where, option, "a number above zero", value)
}

/** The milliseconds of a wait: finite, zero or more. */
export const wait = (where: string, option: string, value: Duration.Input): number => {
  const millis = toMillis(value)
  if (Number.isFinite(millis) && millis >= 0) return millis
  throw broken(where, option, "a finite duration of zero or more", value)
}

/** The milliseconds between two events: finite, above zero. */
export const interval = (where: string, option: string, value: Duration.Input): number => {
  const millis = toMillis(value)
  if (Number.isFinite(millis) && millis > 0) return millis
  throw broken(where, option, "a finite duration above zero", value)
}

/** The milliseconds of a stretch of time: above zero, endless allowed. */
export const stretch = (where: string, option: string, value: Duration.Input): number => {
  const millis = toMillis(value)
  if (millis > 0) return millis
  throw broken(where, option, "a duration above zero", value)
}

/** Unix time in milliseconds of a point on the wall clock. */
export const instant = (where: string, option: string, value: Date | string | number): number => {
  const millis = typeof value === "string" ? Date.parse(value) : Number(value)
  if (Math.abs(millis) <= 8.64e15) return millis
  throw broken(where, option, "a date", value)
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
