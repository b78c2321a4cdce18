/**
 * A value that a JSON schema allows, so that a healthy provider can answer a request for structured output.
 *
 * @since 0.1.0
 */
import * as Require from "./Require.ts"

/** The simplest value of a schema, as far as its usual keywords say. */
export const make = (schema: unknown): unknown => sample(schema, schema, 0)

// Deeper than this, only a schema that contains itself goes.
const deepest = 32

const sample = (schema: unknown, root: unknown, depth: number): unknown => {
  if (!Require.isRecord(schema) || depth > deepest) return null
  const { $ref, const: only, enum: values } = schema
  const inside = (inner: unknown): unknown => sample(inner, root, depth + 1)
  if (typeof $ref === "string") return inside(resolve($ref, root))
  if (only !== undefined) return only
  if (Array.isArray(values) && values.length > 0) return values[0]
  const choice = [schema["anyOf"], schema["oneOf"]].find((choices) => Array.isArray(choices) && choices.length > 0)
  if (Array.isArray(choice)) return inside(choice[0])
  const all = schema["allOf"]
  if (Array.isArray(all)) return inside(Object.assign({}, ...all, { ...schema, allOf: undefined }))
  const type = Array.isArray(schema["type"]) ? schema["type"][0] : schema["type"]
  switch (type ?? (schema["properties"] === undefined ? undefined : "object")) {
    case "object":
      return Object.fromEntries(requiredOf(schema).map(([name, property]) => [name, inside(property)]))
    case "array":
      return Array.from({ length: numberOf(schema["minItems"]) ?? 0 }, () => inside(schema["items"]))
    case "string":
      return "text".padEnd(numberOf(schema["minLength"]) ?? 0, "x").slice(0, numberOf(schema["maxLength"]))
    case "integer":
    case "number":
      return numberIn(schema)
    case "boolean":
      return true
    default:
      return null
  }
}

const requiredOf = (schema: Readonly<Record<string, unknown>>): ReadonlyArray<readonly [string, unknown]> => {
  const { properties, required } = schema
  if (!Require.isRecord(properties)) return []
  return Object.entries(properties).filter(([name]) => Array.isArray(required) && required.includes(name))
}

const numberIn = (schema: Readonly<Record<string, unknown>>): number => {
  const above = numberOf(schema["exclusiveMinimum"])
  const least = numberOf(schema["minimum"]) ?? (above === undefined ? undefined : above + 1)
  const most = numberOf(schema["maximum"]) ?? numberOf(schema["exclusiveMaximum"])
  if (least !== undefined) return least
  return most === undefined || most > 0 ? 0 : most - 1
}

const numberOf = (value: unknown): number | undefined => typeof value === "number" ? value : undefined

const resolve = (reference: string, root: unknown): unknown =>
  reference.replace(/^#\/?/, "").split("/").filter((name) => name !== "").reduce(
    (value: unknown, name) =>
      Require.isRecord(value) ? value[name.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined,
    root
  )
