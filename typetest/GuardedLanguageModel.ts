import { Context, Effect, Layer, Schema, type Scope, type Stream } from "effect"
import type { CircuitRejected } from "effect-breaker"
import {
  GuardedEmbeddingModel,
  GuardedLanguageModel,
  LlmBreaker,
  type ModelError,
  ModelFallback,
  type StreamBroken
} from "effect-breaker/llm"
import { type AiError, type EmbeddingModel, LanguageModel, type Model, type Response, Tool, Toolkit } from "effect/ai"
import { fails, type HasAny, same } from "./Assert.ts"

class Http extends Context.Service<Http, string>()("typetest/GuardedLanguageModel/Http") {}
class Tenant extends Context.Service<Tenant, string>()("typetest/GuardedLanguageModel/Tenant") {}
const Key = Context.Reference<string>("typetest/GuardedLanguageModel/Key", { defaultValue: () => "key-a" })
class NoKey extends Schema.TaggedError<NoKey>()("NoKey", {}) {}
class NoCity extends Schema.TaggedError<NoCity>()("NoCity", {}) {}

// A Layer that takes a model and gives one: nothing else is asked for, and no new error.
export const plain = GuardedLanguageModel.layer()
same<typeof plain, Layer.Layer<LanguageModel.LanguageModel, never, LanguageModel.LanguageModel>>()
export const vectors = GuardedEmbeddingModel.layer({ total: "1 minute" })
same<typeof vectors, Layer.Layer<EmbeddingModel.EmbeddingModel, never, EmbeddingModel.EmbeddingModel>>()

declare const opus: Model.Model<"anthropic", LanguageModel.LanguageModel, Http>
declare const mini: Layer.Layer<LanguageModel.LanguageModel, NoKey, Tenant>
export const guarded = Layer.provide(GuardedLanguageModel.layer({ firstContent: "10 seconds" }), opus)
same<typeof guarded, Layer.Layer<LanguageModel.LanguageModel, never, Http>>()

// The breaker may be anywhere around it.
export const shared = guarded.pipe(Layer.provide(LlmBreaker.layer()))
same<typeof shared, typeof guarded>()

// What a guarded model gives has the exact types of one that is not: without tools …
const Weather = Tool.make("Weather", {
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.Struct({ degrees: Schema.Number }),
  failure: NoCity,
  dependencies: [Tenant]
})
const toolkit = Toolkit.make(Weather)
const schema = Schema.Struct({ city: Schema.String })
const prompt = "How is the weather?"
type Tools = { readonly Weather: typeof Weather }

declare const made: Effect.Success<ReturnType<typeof GuardedLanguageModel.make>>
same<typeof made, LanguageModel.LanguageModel>()
export const text = made.generateText({ prompt })
same<typeof text, Effect.Effect<LanguageModel.GenerateTextResponse<{}>, AiError.AiError>>()
export const parts = made.streamText({ prompt })
same<typeof parts, Stream.Stream<Response.StreamPart<{}>, AiError.AiError>>()
export const object = made.generateObject({ prompt, schema })
same<Effect.Success<typeof object>["value"], { readonly city: string }>()
same<Effect.Error<typeof object>, AiError.AiError>()
same<Effect.Services<typeof object>, never>()

// … and with them: the errors and the needs of the tools are still there, and no others.
type Handlers = Tool.HandlersFor<Tools> | Tenant
export const answered = made.generateText({ prompt, toolkit })
same<Effect.Success<typeof answered>["toolResults"][number]["name"], "Weather">()
same<Effect.Error<typeof answered>, AiError.AiError | NoCity>()
same<Effect.Services<typeof answered>, Handlers>()
export const streamed = made.streamText({ prompt, toolkit })
same<typeof streamed, Stream.Stream<Response.StreamPart<Tools, "opaque">, AiError.AiError | NoCity, Handlers>>()
export const structured = made.generateObject({ prompt, schema, toolkit })
same<Effect.Error<typeof structured>, AiError.AiError | NoCity>()
same<Effect.Services<typeof structured>, Handlers>()
export const unresolved = made.generateText({ prompt, toolkit, disableToolCallResolution: true })
same<Effect.Error<typeof unresolved>, AiError.AiError>()
same<Effect.Services<typeof unresolved>, never>()

// Errors are given back with their types.
same<ReturnType<typeof ModelError.rejectedOf>, CircuitRejected | undefined>()
same<ReturnType<typeof ModelError.brokenOf>, StreamBroken | undefined>()

// A ladder has the errors and the needs of all its layers, those of its rungs too.
export const ladder = ModelFallback.layer([opus, mini])
same<typeof ladder, Layer.Layer<LanguageModel.LanguageModel, NoKey, Http | Tenant>>()
export const rungs = ModelFallback.layer([opus], { rungs: { "context-length": [mini] }, total: "1 minute" })
same<typeof rungs, Layer.Layer<LanguageModel.LanguageModel, NoKey, Http | Tenant>>()
export const named = ModelFallback.layer([{ model: opus, name: "first", scopes: { key: "key-a" }, idle: "10 seconds" }])
same<typeof named, Layer.Layer<LanguageModel.LanguageModel, never, Http>>()
export const scoped = ModelFallback.make([opus, { model: mini }])
same<typeof scoped, Effect.Effect<LanguageModel.LanguageModel, NoKey, Http | Tenant | Scope.Scope>>()

// The value that is reported on keeps its type.
export const reported = ModelFallback.withReports(LanguageModel.generateText({ prompt }))
same<Effect.Success<typeof reported>["value"], LanguageModel.GenerateTextResponse<{}>>()
same<Effect.Services<typeof reported>, LanguageModel.LanguageModel>()

// Whom a call concerns may be looked up for each call, without needs of its own.
export const perCall = GuardedLanguageModel.layer({ scopes: Effect.map(Key, (key) => ({ key })) })

// @ts-expect-error a ladder has at least one model
ModelFallback.layer([])
// @ts-expect-error which provides a language model
ModelFallback.layer([LlmBreaker.layer()])
// @ts-expect-error no such kind of trouble
ModelFallback.layer([opus], { rungs: { "too-expensive": [mini] } })
// @ts-expect-error no such option
ModelFallback.layer([opus], { retries: 3 })
// @ts-expect-error tools are told from the call itself
GuardedLanguageModel.layer({ tools: "outside" })
// @ts-expect-error a whole text has no first content
GuardedEmbeddingModel.layer({ firstContent: "1 second" })
// @ts-expect-error scopes have no needs of their own
GuardedLanguageModel.layer({ scopes: Effect.map(Tenant, (key) => ({ key })) })

fails<HasAny<GuardedLanguageModel.Options>>()
fails<HasAny<GuardedEmbeddingModel.Options>>()
fails<HasAny<ModelFallback.Options>>()
fails<HasAny<ModelFallback.Report>>()
fails<HasAny<Parameters<typeof ModelError.ofRejected>>>()
