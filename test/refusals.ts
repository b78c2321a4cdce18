/**
 * Bad settings, said to a constructor and to a Schema: both must say the same.
 */
import * as Schema from "effect/Schema"

/** The message of the `RangeError` that a call throws. */
export const rangeErrorOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (error instanceof RangeError) return error.message
    throw error
  }
  throw new Error("nothing was thrown")
}

/** What a Schema says of the same: the rule and the value, and where the option is. */
export const saysSo = (issue: string, said: string): boolean => {
  const [, option, rule] = /^[\w.]+: (?:[\w.]*\.)?(\w+) (must be .*)$/.exec(said)!
  return issue.includes(rule!) && issue.includes(`["${option}"]`)
}

/** What a Schema says of data that it does not take. */
export const issueOf = (schema: Schema.Codec<unknown, unknown>, data: unknown): string => {
  try {
    Schema.decodeUnknownSync(schema)(data)
  } catch (error) {
    return String(error)
  }
  throw new Error(`${JSON.stringify(data)} was decoded`)
}

/** A value after a way through JSON. */
export const throughJson = <T>(schema: Schema.Codec<T, unknown>, value: T): T =>
  Schema.decodeUnknownSync(schema)(JSON.parse(JSON.stringify(Schema.encodeSync(schema)(value))))
