/**
 * Reading what somebody else sent: an object whose getters throw, a body of ten megabytes, a list without an end.
 *
 * Nothing here throws, and nothing here does more work than its limits allow.
 */

/** Text longer than this is not read at all: no provider's error is, and a page of HTML says nothing. */
export const longestText = 65_536

/** How many elements of a list are looked at. */
export const longestList = 32

/** A property, or `undefined` if there is none or it cannot be read. */
export const get = (value: unknown, key: string): unknown => {
  if (!isObject(value)) return undefined
  try {
    return (value as Readonly<Record<string, unknown>>)[key]
  } catch {
    return undefined
  }
}

/** Whether there is such a property, without a look at it: the stack of an error is written when it is first read. */
export const has = (value: unknown, key: string): boolean => {
  try {
    return isObject(value) && key in value
  } catch {
    return false
  }
}

/** A property of the object's own that is no getter: the getters of some answers start to read a stream. */
export const own = (value: unknown, key: string): unknown => {
  if (!isObject(value)) return undefined
  try {
    return Object.getOwnPropertyDescriptor(value, key)?.value as unknown
  } catch {
    return undefined
  }
}

/** A property at the end of a path. */
export const at = (value: unknown, ...path: ReadonlyArray<string>): unknown => path.reduce(get, value)

/** Whether it has properties at all. */
export const isObject = (value: unknown): value is object =>
  value !== null && (typeof value === "object" || typeof value === "function")

/** Text that holds something and is short enough to read. */
export const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" && value.length <= longestText ? value : undefined

/** Text of one property. */
export const textAt = (value: unknown, key: string): string | undefined => text(get(value, key))

const none: ReadonlyArray<never> = []

/** The elements of an array, the first few of them. */
export const items = (value: unknown): ReadonlyArray<unknown> => {
  try {
    return Array.isArray(value) ? value.slice(0, longestList) : none
  } catch {
    return none
  }
}

/** The own keys of an object, the first few of them; a list or bytes, which may have millions, have none. */
export const keys = (value: unknown, most = longestList): ReadonlyArray<string> => {
  try {
    if (!isObject(value) || Array.isArray(value) || ArrayBuffer.isView(value)) return none
    const all = Object.keys(value)
    return all.length > most ? all.slice(0, most) : all
  } catch {
    return none
  }
}

/** What an iterable holds, the first few elements; `undefined` for what is no iterable. */
export const elements = (value: unknown, most: number): ReadonlyArray<unknown> | undefined => {
  if (!isObject(value)) return undefined
  try {
    if (typeof (value as Partial<Iterable<unknown>>)[Symbol.iterator] !== "function") return undefined
    const found: Array<unknown> = []
    for (const element of value as Iterable<unknown>) {
      if (found.push(element) >= most) break
    }
    return found
  } catch {
    return undefined
  }
}

/** The body of a response as data: JSON is parsed, bytes are decoded, anything else stays what it is. */
export const content = (body: unknown): unknown => {
  const written = typeof body === "string" ? text(body) : isObject(body) ? decoded(body) : body
  if (typeof written !== "string" || !/^\s{0,64}[[{]/.test(written)) return written
  try {
    return JSON.parse(written) as unknown
  } catch {
    return written
  }
}

// Bytes become text, unless there are too many of them; what is not bytes stays what it is.
const decoded = (body: object): unknown => {
  try {
    const bytes = body instanceof ArrayBuffer ? new Uint8Array(body) : body
    if (!(bytes instanceof Uint8Array)) return body
    return bytes.byteLength <= longestText ? new TextDecoder().decode(bytes) : undefined
  } catch {
    return undefined
  }
}

/** Whether text is a page for people rather than an answer for programs. */
export const isPage = (value: unknown): boolean => {
  if (typeof value !== "string") return false
  const beginning = value.slice(0, 1024)
  return beginning.includes("<") && /<(?:!doctype html|html|head|body)\b/i.test(beginning)
}
