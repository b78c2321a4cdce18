/**
 * An embedding model of Effect behind its circuits, as a Layer.
 *
 * @since 0.1.0
 */
import type * as AiError from "effect/ai/AiError"
import * as EmbeddingModel from "effect/ai/EmbeddingModel"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as RequestResolver from "effect/RequestResolver"
import * as Deadlines from "./Deadlines.ts"
import type * as LlmOutcome from "./LlmOutcome.ts"
import * as ModelCircuits from "./ModelCircuits.ts"
import * as ModelError from "./ModelError.ts"
import * as WholeCall from "./WholeCall.ts"

/**
 * How an embedding model is guarded.
 *
 * **Details**
 *
 * - `scopes` and `breaker`: which circuits its requests go through.
 * - `total`: how long one request may take.
 * - `errors`: how errors are read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends ModelCircuits.Options, Pick<Deadlines.Deadlines, "total"> {
  readonly errors?: LlmOutcome.Options | undefined
}

/**
 * Guards the `EmbeddingModel` in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<
  EmbeddingModel.EmbeddingModel,
  never,
  EmbeddingModel.EmbeddingModel
> => making(options, "GuardedEmbeddingModel.make")

/**
 * Provides a guarded `EmbeddingModel` in place of the one in context.
 *
 * **Details**
 *
 * What asks for a permit is a request to the provider, not a text: texts that are embedded at the same time go there
 * together, and are one call. Everything else is as in `GuardedLanguageModel.layer`.
 *
 * **Gotchas**
 *
 * Texts of several tenants may go in one request, which then speaks for the first of them. Where each has a key of its own,
 * give `EmbeddingModel.make` a `batchKey` that keeps them apart.
 *
 * Effect lets a request of `embed` that is under way go on when nobody waits for it any more: its outcome counts.
 *
 * **Example** (Three texts, one request, and none once it is known to be down)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { GuardedEmbeddingModel, ModelError } from "effect-breaker/llm"
 * import { AiError, EmbeddingModel, Model } from "effect/ai"
 *
 * const requests: Array<ReadonlyArray<string>> = []
 * const reason = AiError.reasonFromHttpStatus({ status: 503 })
 * const down = AiError.make({ module: "OpenAI", method: "embedMany", reason })
 * const Small = Model.make(
 *   "openai",
 *   "text-embedding-3-small",
 *   Layer.effect(
 *     EmbeddingModel.EmbeddingModel,
 *     EmbeddingModel.make({ embedMany: ({ inputs }) => Effect.suspend(() => (requests.push(inputs), Effect.fail(down))) })
 *   )
 * )
 *
 * const program = Effect.gen(function*() {
 *   const { embed } = yield* EmbeddingModel.EmbeddingModel
 *   const three = Effect.forEach(["a", "bb", "ccc"], (text) => Effect.flip(embed(text)), { concurrency: "unbounded" })
 *   for (let i = 0; i < 5; i++) yield* three
 *   console.log(requests[0]) // => ["a", "bb", "ccc"]
 *   console.log(requests.length) // => 5
 *   return (yield* three).map((error) => ModelError.rejectedOf(error)?.reason)
 * })
 *
 * const Guarded = Layer.provide(GuardedEmbeddingModel.layer(), Small)
 * console.log(await Effect.runPromise(Effect.provide(program, Guarded))) // => ["Open", "Open", "Open"]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<EmbeddingModel.EmbeddingModel, never, EmbeddingModel.EmbeddingModel> =>
  Layer.effect(EmbeddingModel.EmbeddingModel, making(options, "GuardedEmbeddingModel.layer"))

// ---------------------------------------------------------------------------------------------------------------------

const making = (options: Options, where: string): ReturnType<typeof make> => {
  const { total } = Deadlines.check(where, { total: options.total })
  const own = ModelCircuits.remembered(options.breaker)
  return Effect.flatMap(
    EmbeddingModel.EmbeddingModel,
    (model) =>
      Effect.map(
        ModelCircuits.make(where, options, own),
        (asking) => guarded(model, caller(asking, total, options.errors))
      )
  )
}

type Caller = <A>(call: Effect.Effect<A, AiError.AiError>, method: string) => Effect.Effect<A, AiError.AiError>

const guarded = (model: EmbeddingModel.EmbeddingModel, call: Caller): EmbeddingModel.EmbeddingModel => {
  const resolver = RequestResolver.makeWith<EmbeddingModel.EmbeddingRequest>({
    ...model.resolver,
    runAll: (entries, key) => call(model.resolver.runAll(entries, key), "embed")
  })
  return {
    ...model,
    resolver,
    embed: (input) =>
      Effect.withSpan(Effect.request(new EmbeddingModel.EmbeddingRequest({ input }), resolver), "EmbeddingModel.embed"),
    // No texts are no request.
    embedMany: (inputs) => inputs.length === 0 ? model.embedMany(inputs) : call(model.embedMany(inputs), "embedMany")
  }
}

const caller =
  (asking: ModelCircuits.Asking, total: number, errors: LlmOutcome.Options | undefined): Caller => (call, method) => {
    const where = { module: "EmbeddingModel", method }
    const late = Effect.suspend(() => Effect.fail(WholeCall.late(total, where)))
    const timed = total === Number.POSITIVE_INFINITY
      ? call
      : Effect.timeoutOrElse(call, { duration: total, orElse: () => late })
    return Effect.flatMap(asking, (admit) =>
      WholeCall.underPermit(
        Effect.mapError(admit, (rejected) => ModelError.ofRejected(rejected, where)),
        () => timed,
        (exit) => Exit.isSuccess(exit) ? undefined : ModelError.outcomeOf(Cause.squash(exit.cause)),
        errors
      ))
  }
