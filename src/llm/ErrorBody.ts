/**
 * Where the providers put things in the body of an error.
 */
import * as Untrusted from "./Untrusted.ts"

/**
 * The objects that may describe the error, the innermost first: `{ type: "error", error: { … } }` gives the inner one,
 * then the whole.
 */
export const layers = (body: unknown): ReadonlyArray<object> => {
  const found: Array<object> = []
  let layer = body
  while (found.length < 5) {
    // Gemini's streams, and some proxies, send the error as a list of one
    const item = Untrusted.items(layer)[0]
    const first = item === undefined ? layer : item
    if (!Untrusted.isObject(first) || found.includes(first)) break
    found.push(first)
    layer = inner(first)
  }
  return found.toReversed()
}

const inner = (holder: object): unknown => {
  const error = Untrusted.get(holder, "error")
  if (Untrusted.isObject(error)) return error
  const response = Untrusted.get(holder, "response")
  if (Untrusted.isObject(response)) return response
  const errors = Untrusted.get(holder, "errors")
  return Untrusted.isObject(errors) ? errors : undefined
}

/** Whether an answer that came with a status of success is an error all the same. */
export const isError = (body: unknown): boolean => {
  const type = Untrusted.get(body, "type")
  if (type === "error" || type === "response.failed") return true
  if (Untrusted.at(body, "incomplete_details", "reason") === "content_filter") return true
  const error = Untrusted.get(body, "error")
  return Untrusted.isObject(error) &&
    (isTold(error, "message") || isTold(error, "code") || isTold(error, "type"))
}

const isTold = (error: object, key: string): boolean => {
  const value = Untrusted.get(error, key)
  return typeof value === "string" || typeof value === "number"
}

/** No more words than this are kept: whoever sends more has nothing to say. */
export const mostCodes = 64

/** Adds the words of one such object that can name the problem, the most telling first. */
export const addCodes = (error: unknown, codes: Array<string>): void => {
  const details = Untrusted.get(error, "details")
  if (Untrusted.isObject(details)) {
    addCode(Untrusted.get(details, "error_code"), codes)
    const items = Untrusted.items(details)
    for (const item of items) addCode(Untrusted.get(item, "reason"), codes)
    for (const item of items) {
      for (const violation of Untrusted.items(Untrusted.get(item, "violations"))) addCode(quota(violation), codes)
    }
  }
  addCode(Untrusted.at(error, "innererror", "code"), codes)
  const metadata = Untrusted.get(error, "metadata")
  if (Untrusted.isObject(metadata)) {
    addCode(Untrusted.get(metadata, "limit_source"), codes)
    addCode(Untrusted.get(metadata, "error_type"), codes)
    if (Untrusted.get(metadata, "flagged_input") !== undefined) addCode("flagged_input", codes)
  }
  for (const key of named) addCode(Untrusted.get(error, key), codes)
  addCode(Untrusted.at(error, "incomplete_details", "reason"), codes)
  for (const key of Untrusted.keys(error)) if (isStreamMember(key)) addCode(key, codes)
}

const named = ["errorCode", "code", "status", "errorType", "type", "__type", "reason", "kind"]

/** Adds a word in lower case, unless it is there. */
export const addCode = (word: unknown, codes: Array<string>): void => {
  if (typeof word !== "string" || word === "" || word.length > 128 || word === "error") return
  const code = word.slice(word.lastIndexOf("#") + 1).toLowerCase()
  if (codes.length < mostCodes && !codes.includes(code)) codes.push(code)
}

// Gemini tells a limit per minute from one per day only in the name of the quota.
const quota = (violation: unknown): string | undefined => {
  const id = Untrusted.textAt(violation, "quotaId")
  const period = id === undefined ? undefined : ["PerDay", "PerMinute"].find((name) => id.includes(name))
  return period === undefined ? undefined : `quota_${period}${id!.includes("PerModel") ? "_PerModel" : ""}`
}

// Bedrock's streams send `{ throttlingException: { message } }`.
const isStreamMember = (key: string): boolean => key.length > 9 && /^[a-z]{1,64}Exception$/i.test(key)

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
    messageOfMember(error)

const messageOfMember = (error: unknown): string | undefined => {
  for (const key of Untrusted.keys(error)) {
    const text = isStreamMember(key) ? Untrusted.textAt(Untrusted.get(error, key), "message") : undefined
    if (text !== undefined) return text
  }
  return undefined
}
