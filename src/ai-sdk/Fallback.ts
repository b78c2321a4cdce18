/**
 * Who answers in place of a model that cannot.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { CircuitRejected } from "../CircuitRejected.ts"
import * as Setting from "../internal/Setting.ts"
import * as LlmOutcome from "../llm/LlmOutcome.ts"
import { StreamBroken } from "../llm/StreamBroken.ts"
import { type Guarding, reading } from "./Guarding.ts"
import type { Given } from "./ModelScopes.ts"
import { type Passed, passedOf, type Provenance } from "./Provenance.ts"
import type * as Sdk from "./Sdk.ts"

/**
 * Who may answer in place of a model: another model, that with the scopes of its calls, or a text.
 *
 * **Details**
 *
 * A text with `at`, when it was true (a date, or milliseconds since the epoch), is an answer that was kept: `cached`. One
 * without is a `default`.
 *
 * @category models
 * @since 0.1.0
 */
export type Candidate =
  | Sdk.LanguageModel
  | { readonly model: Sdk.LanguageModel; readonly scopes?: Given | undefined }
  | Text

/**
 * A text that the program has ready, as an answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Text {
  readonly text: string
  readonly at?: Date | number | undefined
}

/**
 * What a function is told that says who answers next: the call's parameters, the error of the model just asked, and all that
 * did not answer so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface Question<P extends Sdk.Params = Sdk.Params> {
  readonly params: P
  readonly error: unknown
  readonly passed: ReadonlyArray<Passed>
}

/**
 * Who answers in place of a model that refuses or fails: candidates in their order, or a function that names one at a time,
 * until it names none or one that was asked already.
 *
 * @category models
 * @since 0.1.0
 */
export type Fallback =
  | ReadonlyArray<Candidate>
  | ((question: Question) => Candidate | undefined | PromiseLike<Candidate | undefined>)

/** A model that is to be asked. */
export interface Step {
  readonly model: Sdk.LanguageModel
  readonly scopes?: Given | undefined
}

/** What came of a call, and from where: an answer, or a text in its place. */
export type Answered<A> =
  & { readonly provenance: Provenance }
  & ({ readonly answer: A; readonly text?: undefined } | { readonly text: string })

/** Reads a fallback that a user wrote. */
export const check = (where: string, given: Fallback | undefined): Fallback => {
  if (typeof given !== "function") Setting.option<unknown>(where, "fallback", Candidates, given ?? [])
  return given ?? []
}

/** The models that a fallback is known to have. */
export const models = (fallback: Fallback): ReadonlyArray<Sdk.LanguageModel> =>
  typeof fallback === "function" ? [] : fallback.flatMap((one) => isText(one) ? [] : [stepOf(one).model])

/** Asks the first model, and goes on while the others can be asked in place of one that refused or failed. */
export const climb = <A>(
  first: Step,
  fallback: Fallback,
  params: Sdk.Params,
  ask: (step: Step) => Effect.Effect<A, unknown>,
  { errors }: Guarding
): Effect.Effect<Answered<A>, unknown> =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const failed: Array<{ readonly error: unknown; readonly cause: Cause.Cause<unknown> }> = []
    const passed: Array<Passed> = []
    const tried = new Set<unknown>()
    let step = first
    while (true) {
      tried.add(step.model)
      const exit: Exit.Exit<A, unknown> = yield* Effect.exit(ask(step))
      const { model: { modelId: model, provider } } = step
      if (Exit.isSuccess(exit)) {
        const from = step === first ? "primary" : "fallback"
        return { answer: exit.value, provenance: { from, provider, model, passed } }
      }
      const { cause } = exit
      if (!isFailure(cause)) return yield* Effect.failCause(cause)
      const error = Cause.squash(cause)
      const outcome = error instanceof StreamBroken
        ? error.outcome
        : LlmOutcome.fromError(error, reading(errors, clock))
      failed.push({ error, cause })
      passed.push(passedOf(step.model, error, outcome))
      // A mistake of the caller: no other model would answer it better.
      const isOver = !(error instanceof CircuitRejected) && (outcome._tag === "Ignored" || outcome._tag === "Success")
      const next = isOver ? undefined : yield* nextOf(fallback, tried, { params, error, passed: [...passed] })
      if (next === undefined) return yield* Effect.failCause(causeOf(failed))
      if (isText(next)) return { text: next.text, provenance: { ...ofText(next, clock), passed } }
      step = stepOf(next)
      if (step.model.specificationVersion !== first.model.specificationVersion) {
        const [theirs, ours] = [step, first].map(({ model }) => model.specificationVersion)
        const what = `fallback ${step.model.modelId} speaks ${theirs}, and the model in front of it ${ours}`
        throw new TypeError(`breakerMiddleware: ${what}: take both from the same major of the AI SDK`)
      }
    }
  })

// ---------------------------------------------------------------------------------------------------------------------

const isModel = (value: unknown): value is Sdk.LanguageModel =>
  typeof (value as Partial<Sdk.LanguageModel> | null)?.doGenerate === "function" &&
  typeof (value as Partial<Sdk.LanguageModel>).doStream === "function"

const isText = (value: unknown): value is Text =>
  typeof (value as Partial<Text> | null)?.text === "string" && !isModel(value)

const isCandidate = (value: unknown): boolean =>
  isText(value) || isModel(value) || isModel((value as { readonly model?: unknown } | null)?.model)

const Candidates = /*#__PURE__*/ Setting.setting<unknown>(
  "a function, or a list of models, of { model, scopes? } and of { text, at? }",
  (value) => Array.isArray(value) && value.every(isCandidate)
)

const stepOf = (candidate: Exclude<Candidate, Text>): Step => isModel(candidate) ? { model: candidate } : candidate

const keyOf = (candidate: Candidate): unknown => isText(candidate) ? candidate : stepOf(candidate).model

// An interrupt, or a bug of the program, is not the model's affair.
const isFailure = (cause: Cause.Cause<unknown>): boolean => cause.reasons.some(Cause.isFailReason)

const nextOf = (
  fallback: Fallback,
  tried: ReadonlySet<unknown>,
  question: Question
): Effect.Effect<Candidate | undefined, unknown> => {
  const untried = (candidate: Candidate | undefined): Candidate | undefined =>
    candidate === undefined || tried.has(keyOf(candidate)) ? undefined : candidate
  if (typeof fallback !== "function") return Effect.succeed(fallback.find((one) => untried(one) !== undefined))
  const named = Effect.promise(async () => {
    const candidate = await fallback(question)
    if (candidate !== undefined) Setting.option<unknown>("breakerMiddleware", "fallback", Candidates, [candidate])
    return untried(candidate)
  })
  return Effect.interruptible(named)
}

const ofText = ({ at }: Text, clock: Clock.Clock): Omit<Provenance, "passed"> =>
  at === undefined
    ? { from: "default" }
    : { from: "cached", age: Math.max(clock.currentTimeMillisUnsafe() - Number(at), 0) }

/** The error of a call that nobody answered: of the first that was really asked, or else the refusal that ends soonest. */
const causeOf = (
  failed: ReadonlyArray<{ readonly error: unknown; readonly cause: Cause.Cause<unknown> }>
): Cause.Cause<unknown> => {
  const waitOf = ({ error }: { readonly error: unknown }): number =>
    error instanceof CircuitRejected ? Duration.toMillis(error.retryAfter) : -1
  return failed.reduce((best, other) => {
    if (waitOf(best) < 0) return best
    return waitOf(other) < waitOf(best) ? other : best
  }).cause
}
