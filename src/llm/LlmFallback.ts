/**
 * What to answer when the model cannot: the core's `Fallback`, with rungs and care that language models need.
 *
 * An answer that is given again is a whole one, to the same question, by the same model. Nothing is tried in place of a
 * call whose tools have done something already. And the caller is told which model answered, and what had happened.
 *
 * @since 0.1.0
 */
import type { Tool, Toolkit } from "effect/ai"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { CircuitRejected } from "../CircuitRejected.ts"
import { Heard } from "../Classify.ts"
import * as Fallback from "../Fallback.ts"
import * as Setting from "../internal/Setting.ts"
import type * as Outcome from "../Outcome.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import * as QuestionKey from "./QuestionKey.ts"
import * as Untrusted from "./Untrusted.ts"
import * as Verdict from "./Verdict.ts"
import * as WholeAnswer from "./WholeAnswer.ts"

/**
 * An answer, where it came from, and why not from the primary.
 *
 * **Details**
 *
 * `model` and `provider` are those that answered, as far as they were told; `from`, `age` and `cause` are the core's.
 * `why` reads the cause: of what kind it was, and for whom it speaks. `retryAfter` is there after a refusal, and where the
 * provider said when to come back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Served<A, E = unknown> extends Fallback.Served<A, E> {
  readonly model?: string | undefined
  readonly provider?: string | undefined
  readonly why?: Why | undefined
}

/**
 * Why the primary did not answer.
 *
 * **Details**
 *
 * After a refusal, `kind` is that of the failure for which the circuit refuses, and `gateway` where there was none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Why {
  readonly kind: LlmOutcome.Kind
  readonly scope: LlmOutcome.Scope
  readonly message?: string | undefined
}

/**
 * All that an answer depends on.
 *
 * **Gotchas**
 *
 * What belongs to one customer belongs into `parameters` (`{ tenant: "acme" }`), or one is served the answer of another.
 *
 * @category models
 * @since 0.1.0
 */
export interface Question {
  readonly provider: string
  readonly model: string
  readonly prompt: unknown
  readonly parameters?: unknown
}

/**
 * A memory of good answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface LastGood<A> {
  /** The rung for one question. */
  readonly for: (question: Question) => Fallback.Rung<A, unknown, never, false>
}

/**
 * Makes a memory of the last good answer to each question.
 *
 * **Details**
 *
 * Only an answer of the primary whose outcome was `Success` is learnt, and only if it is whole: not empty, not cut off by a
 * limit or a filter, not a stream, not a call for tools, and not one for which a tool with side effects ran. `isGood` may
 * ask for more; if it throws, the answer is not good.
 *
 * An answer is served until it is `maxAge` old. At most `capacity` answers are kept (default 1000), none larger than
 * `maxBytes` (default 64 KB, at two bytes for a character); the one learnt longest ago goes first.
 *
 * Questions are the same when provider, model, prompt and parameters are, whatever the order of their keys. They are kept
 * as SHA-256 digests. Prompt and parameters are data: strings, numbers, plain objects, arrays, dates, bytes, or a
 * `Prompt` of Effect. For anything else (a `Map`, an object of a class) nothing is learnt and nothing served, since two of
 * them cannot be told apart.
 *
 * **Gotchas**
 *
 * The memory lives in what is made here: make it once, beside the breaker. The question is read when `for` is called; the
 * answer that is served is the very object that was learnt. Throws a `RangeError` for a bad option.
 *
 * **Example** (The answer to this question, not to another)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LlmFallback } from "effect-breaker/llm"
 *
 * const lastGood = LlmFallback.lastGood<string>({ maxAge: "10 minutes" })
 * const ask = (prompt: string, call: Effect.Effect<string, string>) => {
 *   const rung = lastGood.for({ provider: "openai", model: "gpt-5", prompt, parameters: { temperature: 0 } })
 *   return call.pipe(LlmFallback.withFallback([rung]), Effect.map(({ from, value }) => `${from}: ${value}`))
 * }
 *
 * const program = Effect.gen(function*() {
 *   console.log(yield* ask("Capital of Peru?", Effect.succeed("Lima"))) // => "primary: Lima"
 *   console.log(yield* ask("Capital of Peru?", Effect.fail("529 Overloaded"))) // => "cached: Lima"
 *   console.log(yield* Effect.flip(ask("Capital of Chile?", Effect.fail("529 Overloaded")))) // => "529 Overloaded"
 * })
 *
 * await Effect.runPromise(program)
 * ```
 *
 * @category rungs
 * @since 0.1.0
 */
export const lastGood = <A>({ capacity = 1000, isGood = () => true, maxAge, maxBytes = 65_536 }: {
  readonly maxAge: Duration.Input
  readonly capacity?: number | undefined
  readonly maxBytes?: number | undefined
  readonly isGood?: ((answer: A) => boolean) | undefined
}): LastGood<A> => {
  const where = "LlmFallback.lastGood"
  Setting.option(where, "maxAge", Setting.positiveDuration, maxAge)
  Setting.option(where, "capacity", Setting.count, capacity)
  Setting.option(where, "maxBytes", Setting.count, maxBytes)
  const memory = Fallback.cached<A>({ maxAge, capacity })
  const isLearnt = (answer: unknown): boolean => {
    try {
      return WholeAnswer.isWhole(answer) && isGood(answer as A) && WholeAnswer.fits(answer, maxBytes)
    } catch {
      return false
    }
  }
  return {
    for: ({ model, parameters = {}, prompt, provider }) => {
      // Whoever asks nothing, by a slip of the program, is not to get the answer of another who did.
      const text = prompt === undefined || prompt === null
        ? undefined
        : QuestionKey.written([provider, model, prompt, parameters])
      if (text === undefined) return { sure: false, answer: () => Effect.succeed(undefined) }
      const at = Effect.map(QuestionKey.digest(text), memory.at)
      return {
        sure: false,
        answer: (error) =>
          Effect.map(
            Effect.flatMap(at, (rung) => rung.answer(error)),
            (found) => found && { ...found, model, provider }
          ),
        learn: (answer) =>
          Effect.flatMap(
            haveToolsRun,
            (haveRun) => haveRun || !isLearnt(answer) ? Effect.void : Effect.flatMap(at, (rung) => rung.learn!(answer))
          )
      }
    }
  }
}

/**
 * Who answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Who {
  readonly model: string
  readonly provider?: string | undefined
}

/**
 * A rung that asks another model, and says which.
 *
 * **Details**
 *
 * As `Fallback.effect`, whose details hold here too. An error of it is never seen; put it under a breaker of its own.
 *
 * @category rungs
 * @since 0.1.0
 */
export const otherModel: {
  <A, R>(effect: Effect.Effect<A, never, R>, who: Who): Fallback.Rung<A, unknown, R, true>
  <A, E2, R>(effect: Effect.Effect<A, E2, R>, who: Who): Fallback.Rung<A, unknown, R, false>
  <A, R, E>(effect: (error: E) => Effect.Effect<A, never, R>, who: Who): Fallback.Rung<A, E, R, true>
  <A, E2, R, E>(effect: (error: E) => Effect.Effect<A, E2, R>, who: Who): Fallback.Rung<A, E, R, false>
} = (<A, E, R>(
  effect: Effect.Effect<A, never, R> | ((error: E) => Effect.Effect<A, never, R>),
  { model, provider }: Who
): Fallback.Rung<A, E, R> => {
  const rung = Fallback.effect(effect)
  const who = provider === undefined ? { model } : { model, provider }
  return { ...rung, answer: (error) => Effect.map(rung.answer(error), (found) => found && { ...found, ...who }) }
}) as never

/**
 * Whether tools with side effects have run in the call that is under way; `undefined` outside a ladder.
 *
 * @category side effects
 * @since 0.1.0
 */
export const ToolsRan: Context.Reference<ToolsRan | undefined> = /*#__PURE__*/ Context.Reference<ToolsRan | undefined>(
  "effect-breaker/llm/LlmFallback/ToolsRan",
  { defaultValue: () => undefined }
)

/**
 * The mark that a tool leaves: on the ladder around it, and on every ladder around that.
 *
 * @category side effects
 * @since 0.1.0
 */
export interface ToolsRan {
  yes: boolean
  readonly outer: ToolsRan | undefined
}

const haveToolsRun: Effect.Effect<boolean> = /*#__PURE__*/ Effect.withFiberSucceed((fiber) =>
  fiber.getRef(ToolsRan)?.yes === true
)

/**
 * Says of an effect that it does what must not be done twice: from its start on, no fallback runs for the call it is in.
 *
 * **Details**
 *
 * Meant for handlers of tools. A handler that fails half-way has done half, so the mark is set before it runs.
 *
 * @category side effects
 * @since 0.1.0
 */
export const sideEffect = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    for (let ladder = fiber.getRef(ToolsRan); ladder !== undefined; ladder = ladder.outer) ladder.yes = true
    return effect
  })

/**
 * Says of all tools of a toolkit that they have side effects, but for those annotated `Tool.Readonly`.
 *
 * @category side effects
 * @since 0.1.0
 */
export const sideEffects = <Tools extends Record<string, Tool.Any>>(
  toolkit: Toolkit.WithHandler<Tools>
): Toolkit.WithHandler<Tools> => ({
  ...toolkit,
  handle: (name, ...rest) => {
    const handled = toolkit.handle(name, ...rest)
    return isReadonly(toolkit.tools[name]) ? handled : sideEffect(handled)
  }
})

// The annotation by its key: the module of tools is not loaded by those who have none.
const Readonly = /*#__PURE__*/ Context.Reference<boolean>("effect/ai/Tool/Readonly", { defaultValue: () => false })

const isReadonly = (tool: Tool.Any | undefined): boolean =>
  tool !== undefined && Context.get(tool.annotations, Readonly)

/**
 * How a ladder stands to the call.
 *
 * **Details**
 *
 * - `afterTools`: whether rungs are tried after a tool with side effects ran (default `refuse`: the caller gets the
 *   primary's error). Say `allow` where no tool has any.
 * - `model`, `provider`: who the primary is, for its own answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly afterTools?: "allow" | "refuse" | undefined
  readonly model?: string | undefined
  readonly provider?: string | undefined
}

/**
 * Answers from the first rung that can when the model did not, and never in place of what its tools have done.
 *
 * **Details**
 *
 * As `Fallback.withFallback`, and built on it: only refusals and outcomes that count against the provider climb down. Where
 * no breaker inside has judged the call, `LlmOutcome.classify` does, so a caller's own mistake passes through here too.
 *
 * `CircuitRejected` leaves the error channel where a rung always has an answer and `afterTools` is `allow`: otherwise a
 * refusal that comes after a tool has run is the error.
 *
 * **Example** (Who answered, and why)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LlmFallback } from "effect-breaker/llm"
 *
 * const overloaded = { status: 529, error: { type: "overloaded_error", message: "Overloaded" } }
 * const haiku = LlmFallback.otherModel(Effect.succeed("Lima"), { model: "claude-haiku" })
 *
 * const program = Effect.gen(function*() {
 *   const { from, model, why } = yield* Effect.fail(overloaded).pipe(LlmFallback.withFallback([haiku]))
 *   console.log([from, model, why?.kind]) // => ["fallback", "claude-haiku", "overloaded"]
 *
 *   // The tool has sent the letter already: another model would send a second one.
 *   const sending = LlmFallback.sideEffect(Effect.void)
 *   const call = Effect.andThen(sending, Effect.fail(overloaded))
 *   console.log(yield* Effect.flip(call.pipe(LlmFallback.withFallback([haiku])))) // => overloaded
 * })
 *
 * await Effect.runPromise(program)
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withFallback = <Rungs extends ReadonlyArray<Fallback.AnyRung>, const O extends Options = Options>(
  rungs: Rungs,
  options?: O
) =>
<A, E extends Fallback.Told<Rungs[number]>, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<
  Served<A | Fallback.Value<Rungs[number]>, E>,
  [Fallback.Sure<Rungs[number]>] extends [never] ? E
    : O extends { readonly afterTools: "allow" } ? Exclude<E, CircuitRejected>
    : E,
  R | Fallback.Needs<Rungs[number]>
> =>
  Effect.withFiber((fiber) => {
    const judged: Judged = { outcome: undefined }
    const ladder = judge(self, judged).pipe(
      Fallback.withFallback(...(options?.afterTools === "allow" ? rungs : rungs.map(unlessToolsRan)))
    )
    return Effect.map(
      Effect.provideService(ladder, ToolsRan, { yes: false, outer: fiber.getRef(ToolsRan) }),
      (served) => explained(served, judged.outcome, options)
    )
  }) as never

// ---------------------------------------------------------------------------------------------------------------------

interface Judged {
  outcome: Outcome.Outcome | undefined
}

// What the breaker inside made of the call, or what is to be made of it where there is none.
const judge = <A, E, R>(self: Effect.Effect<A, E, R>, judged: Judged): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const heard = fiber.getRef(Heard)
    return Effect.onExitPrimitive(self, (exit) => {
      if (heard !== undefined) judged.outcome = heard.outcome ??= LlmOutcome.classify(exit)
      return undefined
    })
  })

const unlessToolsRan = (rung: Fallback.AnyRung): Fallback.AnyRung => ({
  ...rung,
  answer: (error) => Effect.flatMap(haveToolsRun, (haveRun) => haveRun ? Effect.succeed(undefined) : rung.answer(error))
})

const explained = <A>(
  served: Fallback.Served<A>,
  outcome: Outcome.Outcome | undefined,
  { model, provider }: Options = {}
): Served<A> => {
  if (served.from === "primary") {
    return { ...served, ...(model !== undefined && { model }), ...(provider !== undefined && { provider }) }
  }
  const { cause } = served
  const told = cause instanceof CircuitRejected || !isLlm(outcome) ? LlmOutcome.fromError(cause) : outcome
  const retryAfter = served.retryAfter ?? waitOf(told)
  return { ...served, ...(retryAfter !== undefined && { retryAfter }), why: why(cause, told) }
}

const waitOf = (outcome: Outcome.Outcome): Duration.Duration | undefined => {
  if (outcome._tag === "Trip") return outcome.openFor
  return outcome._tag === "Failure" || outcome._tag === "Throttled" ? outcome.retryAfter : undefined
}

const why = (cause: unknown, { kind = "unknown", message, scope }: LlmOutcome.LlmOutcome): Why => {
  const opened = cause instanceof CircuitRejected ? cause.cause.failure?.kind : undefined
  return { kind: isKind(opened) ? opened : kind, scope, ...(message !== undefined && { message }) }
}

const isKind = (kind: unknown): kind is LlmOutcome.Kind => (Verdict.kinds as ReadonlyArray<unknown>).includes(kind)

const isLlm = (outcome: Outcome.Outcome | undefined): outcome is LlmOutcome.LlmOutcome =>
  outcome !== undefined && "scope" in outcome && isKind(Untrusted.get(outcome, "kind"))
