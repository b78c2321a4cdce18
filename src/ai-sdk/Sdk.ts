/**
 * What is read of the AI SDK's language models, whichever of its majors they are from: by shape, so that none is imported.
 *
 * @since 0.1.0
 */

/**
 * A language model as the AI SDK's providers make it (`LanguageModelV3`, `LanguageModelV4`).
 *
 * @category models
 * @since 0.1.0
 */
export interface LanguageModel {
  readonly specificationVersion: string
  readonly provider: string
  readonly modelId: string
  readonly supportedUrls: Urls | PromiseLike<Urls>
  doGenerate(params: never): PromiseLike<object>
  doStream(params: never): PromiseLike<Streamed>
}

/**
 * Which URLs a model loads by itself, by media type.
 *
 * @category models
 * @since 0.1.0
 */
export type Urls = Record<string, Array<RegExp>>

/**
 * The parameters of a call, of which only the signal is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Params {
  readonly abortSignal?: AbortSignal | undefined
}

/**
 * A streamed answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Streamed {
  readonly stream: ReadableStream<object>
}

/**
 * What a middleware is given of one call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wrapped<Whole extends object, S extends Streamed, P extends Params> {
  readonly doGenerate: () => PromiseLike<Whole>
  readonly doStream: () => PromiseLike<S>
  readonly params: P
  readonly model: LanguageModel
}

/** A part of a streamed answer. */
export type StreamPart = { readonly type?: unknown; readonly providerMetadata?: object | undefined }

/** What is read of a whole answer. */
export interface Whole {
  readonly content?: ReadonlyArray<{ readonly type?: unknown; readonly text?: unknown }> | undefined
  readonly finishReason?: unknown
  readonly usage?: unknown
  readonly providerMetadata?: object | undefined
}

/** The tokens of an answer that nobody counted. */
export const usage = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined }
}

/** A whole answer that is nothing but a text. */
export const wholeOf = (text: string): object => ({
  content: [{ type: "text", text }],
  finishReason: { unified: "stop", raw: undefined },
  usage,
  warnings: []
})

/** The same, streamed. */
export const partsOf = (text: string): ReadonlyArray<object> => [
  { type: "stream-start", warnings: [] },
  { type: "text-start", id: "0" },
  { type: "text-delta", id: "0", delta: text },
  { type: "text-end", id: "0" },
  { type: "finish", finishReason: { unified: "stop", raw: undefined }, usage }
]

/** How a streamed answer ends that broke off: it says so, and stops. */
export const endOf = (error: unknown): ReadonlyArray<object> => [
  { type: "error", error },
  { type: "finish", finishReason: { unified: "error", raw: undefined }, usage }
]

/** The URLs that all of them load: what one of them cannot, the AI SDK shall download for it. */
export const commonUrls = (models: ReadonlyArray<LanguageModel>): Urls | Promise<Urls> => {
  const urls = models.map(({ supportedUrls }) => supportedUrls)
  if (urls.every((one) => !isPromise(one))) return common(urls as ReadonlyArray<Urls>)
  const found = Promise.all(urls.map(async (one) => one)).then(common)
  // Asked for when the model is wrapped, long before somebody awaits it.
  found.catch(() => {})
  return found
}

// ---------------------------------------------------------------------------------------------------------------------

const isPromise = (value: unknown): boolean => typeof (value as Partial<PromiseLike<unknown>>).then === "function"

const common = ([first = {}, ...others]: ReadonlyArray<Urls>): Urls => {
  const shared: Urls = {}
  for (const [type, patterns] of Object.entries(first)) {
    const kept = patterns.filter((pattern) =>
      others.every((other) => other[type]?.some((one) => String(one) === String(pattern)) === true)
    )
    if (kept.length > 0) shared[type] = kept
  }
  return shared
}
