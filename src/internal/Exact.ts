/**
 * The check of a `Setting` for what people write by hand: a field that there is not is an error, not nothing, for most often it is
 * one that was misspelt.
 */
import * as Schema from "effect/Schema"
import * as Setting from "./Setting.ts"

/** How strict decoders are with fields that there are not. */
export const options = { onExcessProperty: "error" } as const

/** Gives the value back, or throws a `RangeError` that names the field. */
export const enforce = <A>(where: string, schema: Schema.Codec<unknown, unknown>, value: A): A => {
  const result = Schema.toStandardSchemaV1(schema, { parseOptions: { ...options, errors: "all" } })["~standard"]
    .validate(value)
  const issues = "issues" in result && result.issues !== undefined ? result.issues : []
  for (const [says, is] of said) {
    const issue = issues.find(({ message }) => says.test(message))
    if (issue !== undefined) throw new RangeError(`${where}: ${(issue.path ?? []).map(String).join(".")} ${is}`)
  }
  return Setting.enforce(where, schema, value)
}

// ---------------------------------------------------------------------------------------------------------------------

// What is misspelt is missing, too: first comes what is there.
const said = [[/^(?:Unexpected key|Expected no excess)/, "is no field that there is"], [
  /^Missing key/,
  "is missing"
]] as const
