/**
 * Several models as one: the first that admits the call answers it, and the next takes over where one cannot.
 *
 * Each model stands behind its own circuits, so one that is down costs nothing: it refuses at once, and the next is asked. A
 * call goes on to the next model after a failure that speaks about the one before; a mistake of the caller passes through,
 * unless its kind has a rung of its own, such as a model with a larger window. The answers of two models are never mixed,
 * and no call is made again once a tool has done something that cannot be undone.
 *
 * @since 0.1.0
 */
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Model from "effect/ai/Model"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CircuitRejected } from "../CircuitRejected.ts"
import * as Setting from "../internal/Setting.ts"
import * as GuardedLanguageModel from "./GuardedLanguageModel.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import * as ModelCircuits from "./ModelCircuits.ts"
import * as ModelError from "./ModelError.ts"
import type * as PartReader from "./PartReader.ts"
import { Tally } from "./Tally.ts"
import * as ToolWatch from "./ToolWatch.ts"
import * as WholeCall from "./WholeCall.ts"

/**
 * A model of the ladder: a Layer that provides it, such as one made with `Model.make`, or that with options of its own.
 *
 * **Details**
 *
 * `name` is what reports call it; without it, its provider and its model. The other options come before those of the
 * ladder. A model that is guarded already is taken as it is, and so is another ladder.
 *
 * @category models
 * @since 0.1.0
 */
export type Candidate<E = unknown, R = unknown> =
  | Layer.Layer<LanguageModel.LanguageModel, E, R>
  | GuardedLanguageModel.Options & {
    readonly model: Layer.Layer<LanguageModel.LanguageModel, E, R>
    readonly name?: string | undefined
  }

/**
 * Where a call goes that failed with this kind of trouble, instead of to the next model.
 *
 * @category models
 * @since 0.1.0
 */
export type Rungs<C = Candidate> = { readonly [K in NonNullable<LlmOutcome.LlmOutcome["kind"]>]?: ReadonlyArray<C> }

/**
 * The settings of a ladder: how its models are guarded, and where calls go on.
 *
 * **Details**
 *
 * - `rungs`: for a kind of trouble, the models to go on with. Kinds that are a caller's mistake, such as `context-length`
 *   and `content-policy`, go on nowhere else.
 * - `afterTools`: `"stop"`, the default, makes no call again after a tool ran that is marked neither `Tool.Readonly` nor
 *   `Tool.Idempotent`; `"continue"` does.
 * - `onReport`: told of each call, who answered it and why the others did not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Kinds extends Rungs = Rungs> extends GuardedLanguageModel.Options {
  readonly rungs?: Kinds | undefined
  readonly afterTools?: "stop" | "continue" | undefined
  readonly onReport?: ((report: Report) => Effect.Effect<void>) | undefined
}

/**
 * Who answered a call, and why the models before did not.
 *
 * **Details**
 *
 * `model` is the name of the one that answered; nothing where none did.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly model: string | undefined
  readonly passed: ReadonlyArray<Passed>
}

/**
 * A model that did not answer a call.
 *
 * **Details**
 *
 * `error` is its real error; for an answer that was empty because a filter stopped it there is none. `rejected` is the
 * refusal, if it was not asked at all. `outcome` is how the error was read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Passed {
  readonly model: string
  readonly error: unknown
  readonly rejected: CircuitRejected | undefined
  readonly outcome: LlmOutcome.LlmOutcome
}

type LayerOf<C> = C extends { readonly model: infer L } ? L : C
type LayersOf<Models extends ReadonlyArray<unknown>, Kinds> =
  | LayerOf<Models[number]>
  | LayerOf<Extract<Kinds[keyof Kinds], ReadonlyArray<unknown>>[number]>
type ErrorOf<L> = L extends Layer.Layer<never, infer E, unknown> ? E : never
type ServicesOf<L> = L extends Layer.Layer<never, unknown, infer R> ? R : never

/**
 * Makes one language model of several.
 *
 * **Details**
 *
 * As `layer`. The models live as long as the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Models extends NonEmptyReadonlyArray<Candidate>, const Kinds extends Rungs = {}>(
  models: Models,
  options?: Options<Kinds>
): Effect.Effect<
  LanguageModel.LanguageModel,
  ErrorOf<LayersOf<Models, Kinds>>,
  ServicesOf<LayersOf<Models, Kinds>> | Scope.Scope
> => making(models, options, "ModelFallback.make") as never

/**
 * Provides one language model made of several, in the order in which they are asked.
 *
 * **Details**
 *
 * A model is asked if its circuits admit the call: one that is down costs nothing, and is tried again as its circuits see
 * fit. After a failure that speaks about a model, its key or its provider, the next is asked; where there is none the
 * error is that of the first model that was really asked, or, if all refused, the refusal that ends soonest.
 *
 * A mistake of the caller passes through as it is, unless its kind has a rung: `context-length` is for a model with a larger
 * window, `content-policy` for one with other rules. A whole answer that a filter stopped goes on to that rung too, and so
 * does an empty stream; if nobody there answers, it is given as it was.
 *
 * A stream goes on only while it handed on nothing, and a call only while no tool did anything that cannot be undone.
 *
 * All models share the `LlmBreaker` in context; where there is none, the ladder has one of its own, kept as in
 * `GuardedLanguageModel.layer`.
 *
 * **Gotchas**
 *
 * A model that hangs answers nobody, and fails nobody: give the ladder deadlines.
 *
 * **Example** (The second model answers, and says why the first did not)
 *
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { ModelFallback } from "effect-breaker/llm"
 * import { AiError, LanguageModel, Model } from "effect/ai"
 *
 * const provided = (provider: string, name: string, text: Effect.Effect<string, AiError.AiError>) =>
 *   Model.make(
 *     provider,
 *     name,
 *     Layer.effect(
 *       LanguageModel.LanguageModel,
 *       LanguageModel.make({
 *         generateText: () => Effect.map(text, (text) => [{ type: "text", text }]),
 *         streamText: () => Stream.empty
 *       })
 *     )
 *   )
 * const overloaded = AiError.make({
 *   module: "Anthropic",
 *   method: "generateText",
 *   reason: AiError.reasonFromHttpStatus({ status: 529 })
 * })
 *
 * const Models = ModelFallback.layer([
 *   provided("anthropic", "opus", Effect.fail(overloaded)),
 *   provided("openai", "gpt-5", Effect.succeed("Hello!"))
 * ])
 *
 * const program = LanguageModel.generateText({ prompt: "Hello" }).pipe(ModelFallback.withReports, Effect.provide(Models))
 * const { reports, value } = await Effect.runPromise(program)
 *
 * console.log(value.text) // => "Hello!"
 * console.log(reports.map(({ model, passed }) => [model, passed.map(({ model, outcome }) => [model, outcome._tag])]))
 * // => [["openai/gpt-5", [["anthropic/opus", "Failure"]]]]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <const Models extends NonEmptyReadonlyArray<Candidate>, const Kinds extends Rungs = {}>(
  models: Models,
  options?: Options<Kinds>
): Layer.Layer<
  LanguageModel.LanguageModel,
  ErrorOf<LayersOf<Models, Kinds>>,
  ServicesOf<LayersOf<Models, Kinds>>
> => Layer.effect(LanguageModel.LanguageModel, making(models, options, "ModelFallback.layer")) as never

/**
 * A value, and the reports of the calls to ladders that were made for it, in order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reported<A> {
  readonly value: A
  readonly reports: ReadonlyArray<Report>
}

/**
 * Runs an effect and tells, with its value, which models answered the calls it made and why others did not.
 *
 * **Details**
 *
 * A stream that it runs is reported when its first content comes.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withReports = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<Reported<A>, E, R> =>
  Effect.suspend(() => {
    const reports: Array<Report> = []
    return Effect.map(Effect.provideService(self, Reports, reports), (value) => ({ value, reports }))
  })

// ---------------------------------------------------------------------------------------------------------------------

const Reports = /*#__PURE__*/ Context.Reference<Array<Report> | undefined>("effect-breaker/llm/ModelFallback/Reports", {
  defaultValue: () => undefined
})

const AfterTools = /*#__PURE__*/ Schema.Literals(["stop", "continue"])

interface Step {
  readonly name: string
  readonly model: LanguageModel.LanguageModel
}

interface Ladder {
  readonly steps: ReadonlyArray<Step>
  readonly rungs: { readonly [kind: string]: ReadonlyArray<Step> }
  readonly options: Options
}

type AnyLayer = Layer.Layer<LanguageModel.LanguageModel, unknown, unknown>

const Models = /*#__PURE__*/ Setting.setting<unknown>(
  "a list of Layers, or of { model: Layer }, with one at least",
  (value) => Array.isArray(value) && value.length > 0 && value.every(isCandidate)
)

const isCandidate = (value: unknown): boolean =>
  Layer.isLayer(value) || Layer.isLayer((value as { readonly model?: unknown } | null | undefined)?.model)

const making = (
  models: ReadonlyArray<Candidate>,
  options: Options = {},
  where: string
): Effect.Effect<LanguageModel.LanguageModel, unknown, unknown> => {
  const { afterTools = "stop", onReport: _, rungs = {}, ...shared } = options
  Setting.option(where, "afterTools", AfterTools, afterTools)
  Setting.option<unknown>(where, "models", Models, models)
  const own = ModelCircuits.remembered(options.breaker)
  const listed = new Set([models, ...Object.values(rungs)].flat())
  const plans = Array.from(listed, (candidate, index) => {
    const given = (Layer.isLayer(candidate) ? { model: candidate } : candidate) as Exclude<Candidate, AnyLayer>
    const guarding = { ...shared, ...given }
    return { candidate, given, guarding, checked: GuardedLanguageModel.check(where, guarding), index }
  })
  return Effect.gen(function*() {
    const steps = new Map<Candidate, Step>()
    for (const { candidate, checked, given, guarding, index } of plans) {
      const context = yield* Layer.build(given.model)
      const model = Context.get(context, LanguageModel.LanguageModel)
      const names = [
        Context.getOrUndefined(context, Model.ProviderName),
        Context.getOrUndefined(context, Model.ModelName)
      ]
      const name = given.name ?? (names.filter((name) => name !== undefined).join("/") || `model ${index + 1}`)
      const guarded = GuardedLanguageModel.isGuarded(model) ? model : GuardedLanguageModel.guarded(
        model,
        checked,
        yield* Effect.provideContext(ModelCircuits.make(where, guarding, own, name), context)
      )
      steps.set(candidate, { name, model: guarded })
    }
    const stepsOf = (candidates: ReadonlyArray<Candidate>): ReadonlyArray<Step> =>
      candidates.map((candidate) => steps.get(candidate)!)
    return ladderOf({
      steps: stepsOf(models),
      rungs: Object.fromEntries(Object.entries(rungs).map(([kind, rung]) => [kind, stepsOf(rung)])),
      options
    })
  })
}

type Answers = (options: ToolWatch.Asked) => Effect.Effect<WholeCall.Answer, unknown, unknown>
type Parts = Stream.Stream<PartReader.EffectPart, unknown, unknown>
type Streams = (options: ToolWatch.Asked) => Parts

const ladderOf = (ladder: Ladder): LanguageModel.LanguageModel => {
  const climbing = (options: ToolWatch.Asked): Effect.Effect<Climb, unknown, unknown> =>
    Effect.flatMap(
      ToolWatch.resolved(options),
      (asked) =>
        Effect.withFiberSucceed((fiber) => new Climb(ladder, asked, fiber.getRef(Clock.Clock), new Tally(fiber)))
    )
  const answering = (method: "generateText" | "generateObject"): Answers => (options) =>
    Effect.flatMap(climbing(options), (climb) => climb.tally.counted(climb.answer(method, ladder.steps[0]!)))
  const streaming: Streams = (options) =>
    Stream.unwrap(Effect.map(climbing(options), (climb) => climb.tally.countedStream(climb.stream(ladder.steps[0]!))))
  return GuardedLanguageModel.marked({
    ...ladder.steps[0]!.model,
    generateText: answering("generateText") as never,
    generateObject: answering("generateObject") as never,
    streamText: streaming as never
  })
}

/** One call on its way down the ladder. */
class Climb {
  private readonly ladder: Ladder
  private readonly asked: ToolWatch.Asked
  private readonly clock: Clock.Clock
  readonly tally: Tally
  private readonly passed: Array<Passed> = []
  private readonly causes: Array<Cause.Cause<unknown>> = []
  private readonly tried = new Set<Step>()
  private ahead: ReadonlyArray<Step>
  /** The answer that a filter stopped, for want of a better one. */
  private stopped: { readonly step: Step; readonly answer: WholeCall.Answer } | undefined

  constructor(ladder: Ladder, asked: ToolWatch.Asked, clock: Clock.Clock, tally: Tally) {
    this.ladder = ladder
    this.asked = tally.given(asked)
    this.clock = clock
    this.tally = tally
    this.ahead = ladder.steps
  }

  answer(method: "generateText" | "generateObject", step: Step): ReturnType<Answers> {
    const watch = this.begin(step)
    return Effect.matchCauseEffect(this.tally.within((step.model[method] as Answers)(watch.watch(this.asked))), {
      onSuccess: (answer) => {
        const next = this.afterAnswer(step, answer, watch)
        return next === undefined ? Effect.as(this.report(step), answer) : this.answer(method, next)
      },
      onFailure: (cause) => {
        const next = this.afterFailure(step, cause, watch)
        if (next !== undefined) return this.answer(method, next)
        const { stopped } = this
        return stopped === undefined || this.isAside(cause, watch)
          ? Effect.andThen(this.report(undefined), Effect.failCause(this.causeOf(cause, watch)))
          : Effect.as(this.report(stopped.step), stopped.answer)
      }
    })
  }

  stream(step: Step): Parts {
    return Stream.suspend(() => {
      const watch = this.begin(step)
      let begun = false
      return this.tally.withinStream((step.model.streamText as Streams)(watch.watch(this.asked))).pipe(
        // Nothing comes before the first content: an answer without any comes as a whole, at its end.
        Stream.mapArrayEffect((parts) => {
          if (begun) return Effect.succeed(parts)
          const isWhole = parts.some(({ type }) => type === "finish")
          const next = isWhole ? this.afterAnswer(step, { content: parts }, watch) : undefined
          if (next !== undefined) return Effect.fail(new GoOn(next))
          begun = true
          return Effect.as(this.report(step), parts)
        }),
        Stream.catchCause((cause): Parts => {
          const error = Cause.squash(cause)
          if (error instanceof GoOn) return this.stream(error.step)
          if (begun) {
            this.tally.give(undefined)
            return Stream.failCause(cause)
          }
          const next = this.afterFailure(step, cause, watch)
          if (next !== undefined) return this.stream(next)
          const { stopped } = this
          return stopped === undefined || this.isAside(cause, watch)
            ? Stream.fromEffect(Effect.andThen(this.report(undefined), Effect.failCause(this.causeOf(cause, watch))))
            : Stream.concat(
              Stream.drain(Stream.fromEffect(this.report(stopped.step))),
              Stream.fromIterable(stopped.answer.content as ReadonlyArray<PartReader.EffectPart>)
            )
        })
      )
    })
  }

  private begin(step: Step): ToolWatch.ToolWatch {
    if (this.tried.size > 0) this.tally.goOn()
    this.tried.add(step)
    return new ToolWatch.ToolWatch(this.clock)
  }

  /** Where to go on after an answer that says of itself that it is none, if its kind has a rung. */
  private afterAnswer(step: Step, answer: WholeCall.Answer, watch: ToolWatch.ToolWatch): Step | undefined {
    if (Object.keys(this.ladder.rungs).length === 0 || this.isBound(watch)) return undefined
    const { outcome } = WholeCall.endOf(answer)
    if (outcome.kind === undefined || this.ladder.rungs[outcome.kind] === undefined) return undefined
    const next = this.next({ model: step.name, error: undefined, rejected: undefined, outcome })
    if (next !== undefined) this.stopped ??= { step, answer }
    return next
  }

  private afterFailure(step: Step, cause: Cause.Cause<unknown>, watch: ToolWatch.ToolWatch): Step | undefined {
    if (this.isAside(cause, watch)) return undefined
    this.causes.push(cause)
    const error = Cause.squash(cause)
    const now = (): number => this.clock.currentTimeMillisUnsafe()
    const outcome = ModelError.outcomeOf(error) ??
      LlmOutcome.fromError(error, { now, ...this.ladder.options.errors })
    const next = this.next({ model: step.name, error, rejected: ModelError.rejectedOf(error), outcome })
    return this.isBound(watch) ? undefined : next
  }

  private next(passed: Passed): Step | undefined {
    this.passed.push(passed)
    const { outcome: { _tag, kind }, rejected } = passed
    const rung = rejected === undefined && kind !== undefined ? this.ladder.rungs[kind] : undefined
    if (rung !== undefined) this.ahead = rung
    else if (rejected === undefined && (_tag === "Ignored" || _tag === "Success")) return undefined
    return this.ahead.find((step) => !this.tried.has(step))
  }

  /** Whether what happened is not the models' affair: an interrupt, or a failure of the program's tools. */
  private isAside(cause: Cause.Cause<unknown>, watch: ToolWatch.ToolWatch): boolean {
    return Cause.hasInterruptsOnly(cause) || watch.isTools(Cause.squash(cause))
  }

  private isBound(watch: ToolWatch.ToolWatch): boolean {
    return watch.acted && this.ladder.options.afterTools !== "continue"
  }

  /** The error of a call that nobody answered. */
  private causeOf(last: Cause.Cause<unknown>, watch: ToolWatch.ToolWatch): Cause.Cause<unknown> {
    if (this.isAside(last, watch)) return last
    const failed = this.passed.filter(({ error }) => error !== undefined)
    const [first, ...others] = failed
    const best = failed.find(({ rejected }) => rejected === undefined) ??
      others.reduce((soonest, other) => isSooner(other, soonest) ? other : soonest, first!)
    return this.causes.find((cause) => Cause.squash(cause) === best.error)!
  }

  private report(step: Step | undefined): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      this.tally.give(step && step === this.ladder.steps[0])
      const report = { model: step?.name, passed: [...this.passed] }
      fiber.getRef(Reports)?.push(report)
      const { onReport } = this.ladder.options
      if (onReport === undefined) return Effect.void
      return Effect.catchCause(Effect.suspend(() => onReport(report)), complain)
    })
  }
}

// The answer is the caller's, whatever becomes of those who watch. An interrupt of the call is no complaint.
const complain = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.failCause(cause as Cause.Cause<never>)
    : Effect.logError("onReport of a ladder of models failed", cause)

class GoOn {
  readonly step: Step
  constructor(step: Step) {
    this.step = step
  }
}

const isSooner = (one: Passed, other: Passed): boolean =>
  Duration.isLessThan(one.rejected!.retryAfter, other.rejected!.retryAfter)
