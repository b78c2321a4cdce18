/**
 * Where the providers put things in the body of an error.
 */
import * as Untrusted from "./Untrusted.ts"

/**
 * The objects that may describe the error, the innermost first: `{ type: "error", error: { … } }` gives the inner one,
 * then the whole.
 */
export const layers = (body: unknown): ReadonlyArray<unknown> => {
  const found: Array<unknown> = []
  let layer = body
  for (let depth = 0; depth < 5; depth++) {
    // Gemini's streams, and some proxies, send the error as a list of one
    const [first = layer] = Untrusted.items(layer)
    if (!Untrusted.isObject(first) || found.includes(first)) break
    found.unshift(first)
    layer = inner(first)
  }
  return found
}

const inner = (holder: object): unknown => {
  for (const key of ["error", "response", "errors"]) {
    const value = Untrusted.get(holder, key)
    if (Untrusted.isObject(value)) return value
  }
  return undefined
}

/** Whether an answer that came with a status of success is an error all the same. */
export const isError = (body: unknown): boolean => {
  const error = Untrusted.get(body, "error")
  if (Untrusted.get(body, "type") === "error" || Untrusted.get(body, "type") === "response.failed") return true
  if (Untrusted.at(body, "incomplete_details", "reason") === "content_filter") return true
  return ["message", "code", "type"].some((key) => ["string", "number"].includes(typeof Untrusted.get(error, key)))
}

/** The words of one such object that can name the problem, the most telling first. */
export const codes = (error: unknown): ReadonlyArray<string> => {
  const details = Untrusted.items(Untrusted.get(error, "details"))
  const words = [
    Untrusted.at(error, "details", "error_code"),
    ...details.map((detail) => Untrusted.get(detail, "reason")),
    ...details.flatMap((detail) => Untrusted.items(Untrusted.get(detail, "violations"))).map(quota),
    Untrusted.at(error, "innererror", "code"),
    Untrusted.at(error, "metadata", "limit_source"),
    Untrusted.at(error, "metadata", "error_type"),
    Untrusted.at(error, "metadata", "flagged_input") === undefined ? undefined : "flagged_input",
    Untrusted.get(error, "errorCode"),
    Untrusted.get(error, "code"),
    Untrusted.get(error, "status"),
    Untrusted.get(error, "errorType"),
    Untrusted.get(error, "type"),
    Untrusted.get(error, "__type"),
    Untrusted.get(error, "reason"),
    Untrusted.get(error, "kind"),
    Untrusted.at(error, "incomplete_details", "reason"),
    ...streamMembers(error)
  ]
  return words.filter(isWord).map((word) => word.slice(word.lastIndexOf("#") + 1).toLowerCase())
}

const isWord = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && value.length <= 128 && value !== "error"

// Gemini tells a limit per minute from one per day only in the name of the quota.
const quota = (violation: unknown): string | undefined => {
  const id = Untrusted.textAt(violation, "quotaId")
  const period = id === undefined ? undefined : ["PerDay", "PerMinute"].find((name) => id.includes(name))
  return period === undefined ? undefined : `quota_${period}${id!.includes("PerModel") ? "_PerModel" : ""}`
}

// Bedrock's streams send `{ throttlingException: { message } }`.
const streamMembers = (error: unknown): ReadonlyArray<string> =>
  Untrusted.keys(error).filter((key) => /^[a-z]{1,64}Exception$/i.test(key))

/** An HTTP status written inside the body: a gateway's own status is that of the gateway. */
export const status = (error: unknown): number | undefined => {
  const code = Untrusted.get(error, "code") ?? Untrusted.get(error, "status")
  const value = typeof code === "string" && /^[45][0-9]{2}$/.test(code) ? Number(code) : code
  return isStatus(value) && value >= 400 ? value : undefined
}

/** Whether it is the number of an HTTP status. */
export const isStatus = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 100 && value <= 599

/** The provider's own words in one such object. */
export const message = (error: unknown): string | undefined =>
  Untrusted.textAt(error, "message") ?? Untrusted.textAt(error, "error_description") ??
    Untrusted.textAt(error, "description") ?? Untrusted.textAt(error, "error") ?? Untrusted.textAt(error, "detail") ??
    streamMembers(error).map((key) => Untrusted.textAt(Untrusted.get(error, key), "message")).find((text) => text)
