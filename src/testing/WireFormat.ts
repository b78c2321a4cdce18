/**
 * The seam between what a provider says and how one of its endpoints writes it down.
 *
 * A wire format reads a request and turns words into a body. Every body has an opening, one piece per token and a
 * closing, streamed or not, so that a fault can be applied to any format without knowing it.
 *
 * @since 0.1.0
 */

/** What every answer is made of, known before the request is read. */
export interface Identity {
  /** Unique within one provider, and the same in every run with the same seed. */
  readonly id: string
  /** Unix time in seconds. */
  readonly createdAt: number
  /** The model that answers a request which names none. */
  readonly model: string
}

/** An error as the provider's JSON holds it. */
export interface ApiError {
  readonly message: string
  readonly type: string
  readonly code: string | null
  readonly param: string | null
}

/** The pieces of a whole body, in the order in which they are sent. */
export interface Body {
  readonly opening: string
  readonly tokens: ReadonlyArray<string>
  readonly closing: string
}

/** A request that the format understood. */
export interface Accepted {
  readonly _tag: "Accepted"
  readonly model: string | undefined
  readonly stream: boolean
  readonly body: (words: ReadonlyArray<string>) => Body
}

/** A request that the format refuses, with the answer to it. */
export interface Refused {
  readonly _tag: "Refused"
  readonly status: number
  readonly error: ApiError
}

/** One endpoint of a provider. */
export interface WireFormat {
  readonly method: "GET" | "POST"
  readonly path: string
  readonly read: (body: string, identity: Identity) => Accepted | Refused
  /** The provider's own headers, sent with every answer that does not come from the edge. */
  readonly headers: (identity: Identity, processing: number) => Readonly<Record<string, string>>
  /** The whole body of an error. */
  readonly error: (error: ApiError) => string
  /** An error inside a stream. */
  readonly errorEvent: (error: ApiError) => string
}
