/**
 * What one part of a streamed answer says, whatever client it came from.
 *
 * Every client has its own chunks, events and parts. A guard needs to know little of them: was there content, did the
 * provider report an error, did it finish, does a tool run. A `Reader` tells it that, and `PartReader` has those of the
 * clients in use.
 *
 * @since 0.1.0
 */

/**
 * Why the model stopped, in the words of Effect's `Response.FinishReason`.
 *
 * @category models
 * @since 0.1.0
 */
export type FinishReason =
  | "stop"
  | "length"
  | "content-filter"
  | "tool-calls"
  | "error"
  | "pause"
  | "other"
  | "unknown"

/**
 * The tokens that the provider counted. `reasoningTokens` are among `outputTokens`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Usage {
  readonly inputTokens?: number | undefined
  readonly outputTokens?: number | undefined
  readonly reasoningTokens?: number | undefined
}

/**
 * What one part says. Nothing of it is there for pings, role deltas, metadata, and the starts and ends of blocks.
 *
 * **Details**
 *
 * - `content`: the part is a piece of the answer, of so many characters of text, reasoning or tool parameters. Zero for
 *   content that has no characters to count, such as a file.
 * - `reasoning`: that content is reasoning.
 * - `refused`: that content is a refusal: a finish `stop` that follows stands for `content-filter`.
 * - `error`: the provider says that it failed.
 * - `finish`: the answer is whole, and why the model stopped.
 * - `usage`: the tokens counted so far; a later part may say more.
 * - `toolCall`: a tool of the program starts to run, inside the stream. Until its `toolResult`, time is the tool's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Part {
  readonly content?: number | undefined
  readonly reasoning?: boolean | undefined
  readonly refused?: boolean | undefined
  readonly error?: unknown
  readonly finish?: FinishReason | undefined
  readonly usage?: Usage | undefined
  readonly toolCall?: string | undefined
  readonly toolResult?: string | undefined
}

/**
 * Reads the parts of one client's streams.
 *
 * **Details**
 *
 * `wholeAt` is how one knows that an answer is whole: by a part with a `finish`, which is the default, so that a stream
 * without one was cut off; or by the `end` of the stream, where its parts say nothing of a finish.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reader<in A> {
  readonly read: (part: A) => Part
  readonly wholeAt?: "finish" | "end" | undefined
}

/**
 * A part that says nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nothing: Part = {}
