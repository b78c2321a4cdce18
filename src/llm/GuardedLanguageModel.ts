/**
 * A language model of Effect behind its circuits, as a Layer: the program stays as it is.
 *
 * `GuardedLanguageModel.layer` takes the `LanguageModel` in context and provides a guarded one. A call asks the circuits of
 * its key, its model and its provider, and votes by what came of it: by what a stream's parts said, by the finish of a
 * whole answer, by the error. Time and failures of the program's own tools, which run inside the call, are not the model's.
 *
 * @since 0.1.0
 */
import type * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as ApprovedTools from "./ApprovedTools.ts"
import * as Deadlines from "./Deadlines.ts"
import type * as LlmBreaker from "./LlmBreaker.ts"
import * as LlmStream from "./LlmStream.ts"
import * as ModelCircuits from "./ModelCircuits.ts"
import * as ModelError from "./ModelError.ts"
import type * as PartReader from "./PartReader.ts"
import * as SlowRule from "./SlowRule.ts"
import { StreamBroken } from "./StreamBroken.ts"
import * as ToolWatch from "./ToolWatch.ts"
import * as WholeCall from "./WholeCall.ts"

/**
 * How a model is guarded.
 *
 * **Details**
 *
 * - `scopes` and `breaker`: which circuits its calls go through.
 * - `headers`, `firstContent`, `idle`, `total`: the deadlines, in the model's own time. A whole answer has only `total`.
 * - `slow`: when a streamed answer counts as slow.
 * - `onPartial`: what becomes of an answer that breaks off after content: `"fail"`, the default, or `"keep"`.
 * - `errors`: how errors are read. Without it those of a whole answer are read as the `LlmBreaker` in use says, and those
 *   of a stream as the library does.
 * - `onEnd`: told what was observed of a streamed answer, after the vote.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends ModelCircuits.Options, Omit<LlmStream.Options, "reader" | "tools"> {}

/**
 * Guards the `LanguageModel` in context.
 *
 * **Details**
 *
 * As `layer`, for those who put their context together by hand.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<
  LanguageModel.LanguageModel,
  never,
  LanguageModel.LanguageModel
> => making(options, "GuardedLanguageModel.make")

/**
 * Provides a guarded `LanguageModel` in place of the one in context.
 *
 * **Details**
 *
 * `generateText`, `generateObject` and `streamText` keep their types, with toolkits and without. The circuits are those of
 * the `LlmBreaker` in context, which several models share; where there is none, the layer has one of its own. It is made
 * once for this value and kept, however often the layer is built: an `ExecutionPlan` builds the layer of a step anew for
 * each attempt, and must not forget what the attempts before it found out.
 *
 * Who is called is known from `Model.make`; `scopes` says it where that does not, and adds the key and the region.
 *
 * A call that is refused, and an answer that breaks off or never begins, fails with an `AiError` that `ModelError` gives
 * back with its type.
 *
 * **Gotchas**
 *
 * A model that nothing names cannot be told from others in a shared `LlmBreaker`: building the layer throws a `RangeError`.
 * So does a bad option.
 *
 * When a model is asked for the rest of a conversation it remembers, and does not remember it, Effect asks once more with
 * all of it: one call, one permit and one vote, but two requests.
 *
 * **Example** (A model that is down, and a program that does not wait for it)
 *
 * ```ts
 * import { Effect, Layer, Schedule, Stream } from "effect"
 * import { GuardedLanguageModel, ModelError } from "effect-breaker/llm"
 * import { AiError, LanguageModel, Model } from "effect/ai"
 *
 * const overloaded = AiError.make({
 *   module: "Anthropic",
 *   method: "generateText",
 *   reason: AiError.reasonFromHttpStatus({ status: 529 })
 * })
 * const Opus = Model.make(
 *   "anthropic",
 *   "opus",
 *   Layer.effect(
 *     LanguageModel.LanguageModel,
 *     LanguageModel.make({ generateText: () => Effect.fail(overloaded), streamText: () => Stream.empty })
 *   )
 * )
 * const Guarded = Layer.provide(GuardedLanguageModel.layer(), Opus)
 *
 * const program = Effect.gen(function*() {
 *   const ask = LanguageModel.generateText({ prompt: "Hello" })
 *   yield* ask.pipe(Effect.ignore, Effect.repeat(Schedule.recurs(4)))
 *   const error = yield* Effect.flip(ask)
 *   return ModelError.rejectedOf(error)?.circuit
 * })
 *
 * console.log(await Effect.runPromise(Effect.provide(program, Guarded))) // => "anthropic/opus"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<LanguageModel.LanguageModel, never, LanguageModel.LanguageModel> =>
  Layer.effect(LanguageModel.LanguageModel, making(options, "GuardedLanguageModel.layer"))

// ---------------------------------------------------------------------------------------------------------------------

const making = (options: Options, where: string): ReturnType<typeof make> => {
  const guarding = check(where, options)
  const own = ModelCircuits.remembered(options.breaker)
  return Effect.flatMap(
    LanguageModel.LanguageModel,
    (model) => Effect.map(ModelCircuits.make(where, options, own), (asking) => guarded(model, guarding, asking))
  )
}

/** @internal How a model is guarded, with every option read. */
export interface Guarding {
  readonly stream: Omit<LlmStream.Options, "reader" | "tools">
  readonly whole: WholeCall.Settings
}

/** @internal */
export const check = (where: string, options: Options): Guarding => {
  const { breaker: _, scopes: __, ...stream } = options
  const { errors, onPartial = "fail", slow } = stream
  const { total } = Deadlines.check(where, stream)
  if (slow !== undefined) SlowRule.check(where, slow)
  // What is left to check is said in the name of the stream's own guard, but here and not at the first call.
  LlmStream.guardWith(Effect.never, stream)
  return { stream, whole: { total, onPartial, errors } }
}

type Answers<A> = (options: ToolWatch.Asked) => Effect.Effect<A, unknown, unknown>
type Streams<A> = (options: ToolWatch.Asked) => Stream.Stream<A, unknown, unknown>

interface Prepared {
  readonly asked: ToolWatch.Asked
  readonly admit: Effect.Effect<LlmBreaker.Permit, AiError.AiError>
}

/** @internal */
export const guarded = (
  model: LanguageModel.LanguageModel,
  { stream, whole }: Guarding,
  asking: ModelCircuits.Asking
): LanguageModel.LanguageModel => {
  const prepared = (options: ToolWatch.Asked, where: ModelError.Where): Effect.Effect<Prepared, unknown, unknown> =>
    Effect.flatMap(ToolWatch.resolved(options), (asked) =>
      Effect.map(asking, (admit) => ({
        asked,
        admit: Effect.mapError(admit, (rejected) => ModelError.ofRejected(rejected, where))
      })))
  const answering = (method: "generateText" | "generateObject"): Answers<WholeCall.Answer> => {
    const where = { module: "LanguageModel", method }
    return (options) =>
      Effect.flatMap(
        prepared(options, where),
        ({ admit, asked }) =>
          WholeCall.guard((asked) => (model[method] as Answers<WholeCall.Answer>)(asked), asked, admit, where, whole)
      )
  }
  const streaming: Streams<PartReader.EffectPart> = (options) => {
    const where = { module: "LanguageModel", method: "streamText" }
    return Stream.unwrap(Effect.gen(function*() {
      const { admit, asked } = yield* prepared(options, where)
      const watch = new ToolWatch.ToolWatch(yield* Clock.Clock)
      const parts = (model.streamText as Streams<PartReader.EffectPart>)(watch.watch(asked))
      return (ApprovedTools.areDue(asked) ? yield* ApprovedTools.ahead(parts, admit) : parts).pipe(
        LlmStream.guardWith(admit, {
          ...stream,
          tools: runsTools(asked) ? "inside" : "outside",
          errors: { ...stream.errors, rules: [WholeCall.known(watch), ...(stream.errors?.rules ?? [])] }
        }),
        // A tool's own model may have broken off: that is an error of the tool, of a type that it said it has.
        Stream.mapError((error) =>
          error instanceof StreamBroken && !watch.isTools(error) ? ModelError.ofBroken(error, where) : error
        )
      )
    }))
  }
  return marked({
    ...model,
    generateText: answering("generateText") as never,
    generateObject: answering("generateObject") as never,
    streamText: streaming as never
  })
}

/** @internal Whether a model stands behind its circuits already. */
export const isGuarded = (model: LanguageModel.LanguageModel): boolean => known.has(model)

/** @internal Notes that a model does. */
export const marked = (model: LanguageModel.LanguageModel): LanguageModel.LanguageModel => {
  known.add(model)
  return model
}

const known = /*#__PURE__*/ new WeakSet<LanguageModel.LanguageModel>()

const runsTools = (asked: ToolWatch.Asked): boolean =>
  asked.toolkit !== undefined && asked.disableToolCallResolution !== true
