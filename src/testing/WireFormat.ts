/**
 * The seam between what a provider says and how one of its endpoints writes it down.
 *
 * A wire format reads a request and turns what the model says into a body. Every body has an opening, one piece per
 * token and a closing, streamed or not, so that a fault can be applied to any format without knowing it.
 *
 * @since 0.1.0
 */
import * as Require from "./Require.ts"
import type * as Speech from "./Speech.ts"

/**
 * The endpoints: OpenAI's chat completions and responses, Anthropic's messages, and the list of models of either.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = "chat" | "responses" | "messages" | "models"

/** What every answer is made of, known before the request is read. */
export interface Identity {
  /** Unique within one provider, and the same in every run with the same seed. */
  readonly id: string
  /** Unix time in seconds. */
  readonly createdAt: number
  /** The model that answers a request which names none. */
  readonly model: string
  /** Every model that is listed. */
  readonly models: ReadonlyArray<string>
}

/** An error before a format writes it down. */
export interface ApiError {
  readonly message: string
  /** Chosen by the format, after the status, unless given. */
  readonly type?: string | undefined
  readonly code?: string | null | undefined
  readonly param?: string | undefined
  /** Further fields of the error. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined
}

/** How OpenAI's responses write an error inside a stream: as documented, or as seen in the wild. */
export type ErrorShape = "flat" | "nested"

/** The pieces of a whole body, in the order in which they are sent. */
export interface Body {
  readonly opening: string
  readonly tokens: ReadonlyArray<string>
  readonly closing: string
  /** What a stream sends instead of its rest when it fails after so many tokens. */
  readonly failing: (error: ApiError, after: number, shape: ErrorShape) => string
}

/** A request that the format understood. */
export interface Accepted {
  readonly _tag: "Accepted"
  readonly model: string | undefined
  readonly stream: boolean
  readonly wants: Speech.Wanted
  readonly body: (speech: Speech.Speech) => Body
}

/** A request that the format refuses, with the answer to it. */
export interface Refused {
  readonly _tag: "Refused"
  readonly status: number
  readonly error: ApiError
}

/** How one provider speaks, whatever the endpoint. */
export interface Dialect {
  /** The provider's own headers, sent with every answer that does not come from the edge. */
  readonly headers: (identity: Identity, processing: number) => Readonly<Record<string, string>>
  /** The whole body of an error. */
  readonly error: (error: ApiError, status: number, identity: Identity) => string
  /** What keeps a stream alive that has nothing to say. */
  readonly keepAlive: string
}

/** One endpoint of a provider. */
export interface WireFormat extends Dialect {
  readonly name: Name
  readonly method: "GET" | "POST"
  readonly path: string
  readonly read: (body: string, identity: Identity) => Accepted | Refused
}

/** A JSON object, or nothing where the text is no such thing. */
export const parse = (body: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const json: unknown = JSON.parse(body)
    return Require.isRecord(json) ? json : undefined
  } catch {
    return undefined
  }
}

/** The object in a field, or an empty one. */
export const field = (value: unknown, name: string): Readonly<Record<string, unknown>> => {
  const found = Require.isRecord(value) ? value[name] : undefined
  return Require.isRecord(found) ? found : {}
}

/** A text of a plain answer that grows token by token; `raw` where it is JSON itself and takes no quotes. */
export interface Growing {
  readonly words: ReadonlyArray<string>
  readonly raw?: boolean
}

/** A plain answer in pieces: `document` is called with a text in the place of each one that grows. */
export const plain = (
  texts: ReadonlyArray<Growing>,
  document: (texts: ReadonlyArray<string>) => unknown
): Omit<Body, "failing"> => {
  const whole = JSON.stringify(document(texts.map(({ words }) => words.join(""))))
  let mark = 0
  while (whole.includes(`<${mark}>`)) mark++
  const parts = JSON.stringify(document(texts.map(() => `<${mark}>`))).split(`<${mark}>`)
  const [opening, ...between] = parts.map((part, index) =>
    part.slice(texts[index - 1]?.raw === true ? 1 : 0, texts[index]?.raw === true ? -1 : undefined)
  )
  const tokens: Array<string> = []
  let before = ""
  for (const [index, { raw, words }] of texts.entries()) {
    for (const word of words) {
      tokens.push(before + (raw === true ? word : JSON.stringify(word).slice(1, -1)))
      before = ""
    }
    before += between[index]
  }
  return { opening: opening!, tokens, closing: before }
}
