import { type Cause, Context, type Effect, Stream } from "effect"
import type { Breaker, CircuitRejected } from "effect-breaker"
import { LlmStream, PartReader, type StreamBroken } from "effect-breaker/llm"
import type { AiError, LanguageModel, Response, Tool } from "effect/ai"
import { fails, type HasAny, same } from "./Assert.ts"

class Model extends Context.Service<Model, string>()("typetest/LlmStream/Model") {}
class Keys extends Context.Service<Keys, string>()("typetest/LlmStream/Keys") {}
class Full {
  readonly _tag = "Full"
}

interface Chunk {
  readonly id: string
  readonly choices: ReadonlyArray<object>
}

type EffectParts = Response.StreamPart<{ readonly Search: Tool.Tool<"Search", Tool.SuccessSchema<never>> }>
declare const chunks: Stream.Stream<Chunk, Error, Model>
declare const parts: Stream.Stream<Response.TextDeltaPart | Response.FinishPart, AiError.AiError, Model>
declare const pieces: Stream.Stream<string, Error>
declare const admit: Effect.Effect<LlmStream.Admission, Full, Keys>

type Guarded<A, E, R = never> = Stream.Stream<A, E | StreamBroken | CircuitRejected, R | Breaker.Breaker>
const { guard, guardWith } = LlmStream

// Effect's own parts need no reader.
export const effectFirst = guard(parts)
export const effectFirstOptions = guard(parts, { idle: "10 seconds" })
export const effectByName = parts.pipe(guard)
export const effectByCall = parts.pipe(guard())
export const effectByOptions = parts.pipe(guard({ idle: "10 seconds", onPartial: "keep" }))
type Effects = Guarded<Response.TextDeltaPart | Response.FinishPart, AiError.AiError, Model>
same<typeof effectFirst, Effects>()
same<typeof effectFirstOptions, Effects>()
same<typeof effectByName, Effects>()
same<typeof effectByCall, Effects>()
same<typeof effectByOptions, Effects>()

// What a model streams can be guarded, with tools and without.
declare const model: LanguageModel.LanguageModel
export const ofModel = model.streamText({ prompt: "Hello" }).pipe(guard())
declare const withTools: Stream.Stream<EffectParts>
export const ofTools = withTools.pipe(guard())
same<Stream.Success<typeof ofTools>, EffectParts>()

// Any other stream says how it is read, and keeps its type.
export const chunksFirst = guard(chunks, { reader: PartReader.openAiChat })
export const chunksPiped = chunks.pipe(guard({ reader: PartReader.openAiChat, headers: "1 second" }))
export const text = pieces.pipe(guard({ reader: PartReader.text }))
export const own = chunks.pipe(guard({ reader: { read: (chunk: Chunk) => ({ content: chunk.id.length }) } }))
export const ownFirst = guard(chunks, { reader: { read: (chunk: Chunk) => ({ content: chunk.id.length }) } })
same<typeof chunksFirst, Guarded<Chunk, Error, Model>>()
same<typeof chunksPiped, Guarded<Chunk, Error, Model>>()
same<typeof text, Guarded<string, Error>>()
same<typeof own, Guarded<Chunk, Error, Model>>()
same<typeof ownFirst, Guarded<Chunk, Error, Model>>()

// An admission brings its own refusal and its own needs.
export const admittedFirst = guardWith(parts, admit)
export const admittedPiped = parts.pipe(guardWith(admit, { total: "1 minute" }))
export const admittedChunks = chunks.pipe(guardWith(admit, { reader: PartReader.openAiChat }))
type Admitted<A, E> = Stream.Stream<A, E | Full | StreamBroken, Model | Keys>
same<typeof admittedFirst, Admitted<Response.TextDeltaPart | Response.FinishPart, AiError.AiError>>()
same<typeof admittedPiped, Admitted<Response.TextDeltaPart | Response.FinishPart, AiError.AiError>>()
same<typeof admittedChunks, Admitted<Chunk, Error>>()

// The permit of a breaker is an admission.
declare const breaker: Breaker.Breaker
export const byBreaker = parts.pipe(guardWith(breaker.admit))

// Errors are caught by their tags through a pipe; what is left is the stream's own.
export const caught = chunks.pipe(
  guard({ reader: PartReader.openAiChat }),
  Stream.catchTag("StreamBroken", ({ kind }) => Stream.fail(kind)),
  Stream.catchTag("CircuitRejected", () => Stream.empty)
)
same<Extract<Stream.Error<typeof caught>, { readonly _tag: "StreamBroken" | "CircuitRejected" }>, never>()

// The other stream is chosen by the error, and leaves only its own.
export const other = parts.pipe(guard(), LlmStream.orElse((error) => Stream.fail(error._tag)))
same<
  Stream.Error<typeof other>,
  AiError.AiError | StreamBroken | CircuitRejected | string
>()

// A client's errors are unknown, or what the program makes of them.
export const ofClient = LlmStream.fromClient(async (_signal): Promise<AsyncIterable<Chunk>> => (async function*() {})())
same<typeof ofClient, Stream.Stream<Chunk, Cause.UnknownError>>()

// Nor does it matter where the stream comes from.
export const nested = Stream.runDrain(guard(Stream.concat(chunks, chunks), { reader: PartReader.openAiChat }))
same<typeof nested, Effect.Effect<void, Error | StreamBroken | CircuitRejected, Model | Breaker.Breaker>>()

// @ts-expect-error chunks of a client say nothing without a reader
Stream.runDrain(guard(chunks))
// @ts-expect-error nor with another's
Stream.runDrain(guard(chunks, { reader: PartReader.text }))
// @ts-expect-error nor by name
Stream.runDrain(chunks.pipe(guard))
// @ts-expect-error nor do they in a pipe
chunks.pipe(guard({ idle: "10 seconds" }))
// @ts-expect-error nor do events that have a type too
Stream.make({ type: "message_start" }).pipe(guard())
// @ts-expect-error a reader of text does not read chunks
chunks.pipe(guard({ reader: PartReader.text }))
// @ts-expect-error a deadline is a duration
guard({ headers: "soon" })
// @ts-expect-error no such deadline
guard({ firstToken: "1 second" })
// @ts-expect-error no such answer
guard({ onPartial: "ignore" })
// @ts-expect-error nor beside a stream
guard(parts, { onPartial: "ignore" })

fails<HasAny<Parameters<typeof LlmStream.guard>>>()
fails<HasAny<Parameters<typeof LlmStream.guardWith>>>()
fails<HasAny<LlmStream.Report>>()
fails<HasAny<LlmStream.Options>>()
