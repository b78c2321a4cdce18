/**
 * The checks behind every number and duration that a user hands over, written once, as Schemas: a constructor's
 * `RangeError` and a decoder's issue say the same: which option, which rule, which value.
 */
import * as Duration from "effect/Duration"
import { format } from "effect/Formatter"
import * as Schema from "effect/Schema"

/** What is wrong with a value, in words. */
export const wrong = (rule: string, value: unknown): string => `must be ${rule}, got ${format(value, { space: 0 })}`

/** A value that obeys a rule. */
export const setting = <A = number>(rule: string, holds: (value: A) => boolean): Schema.Codec<A, unknown> =>
  /*#__PURE__*/ Schema.Unknown.check(
    /*#__PURE__*/ Schema.makeFilter((value) => holds(value as A) ? undefined : wrong(rule, value))
  ) as never

/** A text, empty or not. */
export const text = /*#__PURE__*/ setting<string>("a text", (value) => typeof value === "string")

/** A choice, not what some other value would be taken for. */
export const flag = /*#__PURE__*/ setting<boolean>("true or false", (value) => typeof value === "boolean")

/** A whole number of at least one. */
export const count = /*#__PURE__*/ setting(
  "a whole number of at least 1",
  (value) => Number.isSafeInteger(value) && value >= 1
)

/** A share of calls, where none at all makes no sense. */
export const share = /*#__PURE__*/ setting(
  "a number above 0 and at most 1",
  (value) => Number.isFinite(value) && value > 0 && value <= 1
)

const finite = "a finite duration "
const pause = (value: number) => Number.isFinite(value) && value >= 0
const span = (value: number) => Number.isFinite(value) && value > 0

/** Milliseconds, as data. */
export const millis = /*#__PURE__*/ setting(`${finite}of zero or more`, pause)
/** The same, above zero. */
export const positiveMillis = /*#__PURE__*/ setting(`${finite}above zero`, span)
/** A duration in any form that a user may write. */
export const duration = /*#__PURE__*/ setting<Duration.Input>(
  `${finite}of zero or more`,
  (value) => pause(toMillis(value))
)
/** The same, above zero. */
export const positiveDuration = /*#__PURE__*/ setting<Duration.Input>(
  `${finite}above zero`,
  (value) => span(toMillis(value))
)

/** The milliseconds of a duration. What is none comes out as it is, for the check that names it. */
export const toMillis = (input: Duration.Input): number => {
  try {
    // `Duration` takes `NaN` for zero.
    return typeof input === "number" ? input : Duration.toMillis(input)
  } catch {
    return input as never
  }
}

/** The milliseconds of one option that may be left out, or a `RangeError` that names it. */
export const millisOf = (where: string, name: string, given: Duration.Input | undefined): number | undefined =>
  given === undefined ? undefined : toMillis(option(where, name, duration, given))

/** Gives the value back, or throws a `RangeError` that names the option, the rule and the value. */
export const enforce = <A>(where: string, schema: Schema.Codec<unknown, unknown>, value: A): A => {
  const result = Schema.toStandardSchemaV1(schema)["~standard"].validate(value)
  if (!("issues" in result) || result.issues === undefined) return value
  const [{ message, path = [] }] = result.issues as [typeof result.issues[0]]
  const found = path.reduce<unknown>((at, key) => Object(at)[key as never], value)
  // What a Schema says of itself does not tell the value.
  const said = /, got /.test(message) ? message : wrong(message.replace("Expected ", ""), found)
  throw new RangeError(`${where}: ${path.map(String).join(".")} ${said}`)
}

/** The same for one option alone. */
export const option = <A>(where: string, name: string, schema: Schema.Codec<A, unknown>, value: A): A => {
  enforce(where, Schema.Struct({ [name]: schema }), { [name]: value })
  return value
}
