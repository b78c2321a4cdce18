/**
 * What a guard knows, in the error that a model may fail with.
 *
 * The error channel of Effect's models is closed: a call fails with an `AiError`, whatever stands around it. So a refusal
 * travels as an `AiError` that every program can already handle, and carries the `CircuitRejected` within it; and so does a
 * broken answer, with its `StreamBroken`. The functions here give them back, with their types.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Circuit from "../Circuit.ts"
import * as Rejected from "../CircuitRejected.ts"
import { Rule } from "../Snapshot.ts"
import type * as LlmOutcome from "./LlmOutcome.ts"
import { StreamBroken } from "./StreamBroken.ts"
import * as Untrusted from "./Untrusted.ts"

/**
 * The call that fails: which module's, and which method.
 *
 * @category models
 * @since 0.1.0
 */
export interface Where {
  readonly module: string
  readonly method: string
}

/**
 * Makes the `AiError` of a refusal: its reason is a `RateLimitError`, for it says "not now" and when to come back.
 *
 * **Details**
 *
 * It is retryable, its `retryAfter` is that of the refusal, and its message says which circuit refused and why. The
 * refusal is the `cause` of the reason, and its data are in the reason's metadata too, so that `rejectedOf` finds it after
 * the error was sent as JSON.
 *
 * **Gotchas**
 *
 * A circuit that is isolated without an end gives no `retryAfter`: a program that waits as long as it is told would wait
 * for ever.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ofRejected = (rejected: Rejected.CircuitRejected, where: Where): AiError.AiError => {
  const { message, retryAfter } = rejected
  const reason = new AiError.RateLimitError({
    ...(Duration.isFinite(retryAfter) && { retryAfter }),
    metadata: { [PACKAGE]: dataOf(rejected) }
  })
  return AiError.make({ ...where, reason: carrying(reason, rejected, message) })
}

/**
 * Makes the `AiError` of an answer that broke off, or never began; its reason says what kind of trouble it was.
 *
 * **Gotchas**
 *
 * Most are retryable, and `partial` is no part of that: whether another attempt may follow what was handed on already is
 * for the program to say. `brokenOf(error)?.partial` tells whether anything was.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ofBroken = (broken: StreamBroken, where: Where): AiError.AiError =>
  AiError.make({ ...where, reason: carrying(reasonOf(broken), broken, broken.message) })

/**
 * The refusal that an error carries, if a circuit refused the call.
 *
 * **Example** (Telling a refusal from a failure)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { GuardedLanguageModel, LlmBreaker, ModelError } from "effect-breaker/llm"
 * import { AiError, LanguageModel } from "effect/ai"
 *
 * const denied = AiError.make({
 *   module: "OpenAI",
 *   method: "generateText",
 *   reason: new AiError.AuthenticationError({ kind: "InvalidKey" })
 * })
 * const Model = LanguageModel.make({ generateText: () => Effect.fail(denied), streamText: () => Stream.empty })
 *
 * const program = Effect.gen(function*() {
 *   const ask = Effect.flip(LanguageModel.generateText({ prompt: "Hello" }))
 *   console.log(ModelError.rejectedOf(yield* ask)) // => undefined
 *
 *   const refused = yield* ask
 *   console.log([refused.reason._tag, refused.isRetryable]) // => ["RateLimitError", true]
 *   return ModelError.rejectedOf(refused)?.circuit
 * }).pipe(
 *   Effect.provideServiceEffect(
 *     LanguageModel.LanguageModel,
 *     GuardedLanguageModel.make({ scopes: { provider: "openai", model: "gpt-5" } })
 *   ),
 *   Effect.provideServiceEffect(LanguageModel.LanguageModel, Model),
 *   Effect.provide(LlmBreaker.layer())
 * )
 *
 * console.log(await Effect.runPromise(program)) // => "openai"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const rejectedOf = (error: unknown): Rejected.CircuitRejected | undefined => {
  for (const carrier of carriers(error)) {
    if (carrier instanceof Rejected.CircuitRejected) return carrier
  }
  const data = Untrusted.at(error, "reason", "metadata", PACKAGE)
  return data === undefined ? undefined : rejectedFrom(data)
}

/**
 * What a guard found of the answer, if an error carries that it broke off or never began.
 *
 * @category getters
 * @since 0.1.0
 */
export const brokenOf = (error: unknown): StreamBroken | undefined =>
  carriers(error).find((carrier) => carrier instanceof StreamBroken)

// ---------------------------------------------------------------------------------------------------------------------

const PACKAGE = "effect-breaker"

const carriers = (error: unknown): ReadonlyArray<unknown> => {
  const reason = Untrusted.get(error, "reason")
  return [error, Untrusted.get(reason, "cause")]
}

// Reasons have no place for a cause, and their messages are fixed: both become properties of this one.
const carrying = <Reason extends AiError.AiErrorReason>(reason: Reason, cause: unknown, message: string): Reason =>
  Object.defineProperties(reason, {
    cause: { value: cause, configurable: true },
    message: { value: message, configurable: true }
  })

const reasonOf = ({ kind, message: description, outcome }: StreamBroken): AiError.AiErrorReason => {
  const hint = outcome._tag === "Failure" || outcome._tag === "Throttled" ? outcome.retryAfter : undefined
  switch (kind) {
    case "rate-limit":
    case "gateway":
      return new AiError.RateLimitError(hint === undefined ? {} : { retryAfter: hint })
    case "quota":
    case "billing":
      return new AiError.QuotaExhaustedError({})
    case "auth":
      return new AiError.AuthenticationError({ kind: "InvalidKey" })
    case "permission":
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions" })
    case "content-policy":
      return new AiError.ContentPolicyError({ description })
    case "context-length":
    case "invalid-request":
    case "too-large":
    case "conflict":
    case "model-gone":
      return new AiError.InvalidRequestError({ description })
    case "quality":
      return new AiError.InvalidOutputError({ description })
    case "overloaded":
    case "server":
    case "network":
    case "timeout":
    case "truncated":
    case "empty":
    case "bad-response":
    case "cancelled":
    case "unknown":
      return new AiError.InternalProviderError({ description })
  }
}

const text = /*#__PURE__*/ Schema.optional(Schema.String)

const Data = /*#__PURE__*/ Schema.Struct({
  code: /*#__PURE__*/ Schema.Literal("CircuitRejected"),
  circuit: Schema.String,
  reason: /*#__PURE__*/ Schema.Literals(["Open", "HalfOpen", "Throttled", "Isolated"]),
  // JSON knows no infinity
  retryAfter: /*#__PURE__*/ Schema.NullOr(Schema.Finite),
  since: Schema.Finite,
  generation: Schema.Finite,
  cause: /*#__PURE__*/ Schema.Struct({
    rule: Rule,
    value: Schema.Finite,
    limit: Schema.Finite,
    calls: Schema.Finite,
    note: text,
    failure: /*#__PURE__*/ Schema.optional(
      /*#__PURE__*/ Schema.Struct({ at: Schema.Finite, kind: text, message: text })
    )
  })
})

type Json = AiError.ProviderMetadata[string]

const dataOf = ({ cause, circuit, generation, reason, retryAfter, since }: Rejected.CircuitRejected): Json => {
  const millis = Duration.toMillis(retryAfter)
  const data: typeof Data.Type = {
    code: "CircuitRejected",
    circuit,
    reason,
    retryAfter: Number.isFinite(millis) ? millis : null,
    since,
    generation,
    cause
  }
  // What is undefined is no JSON: the way through it leaves that out.
  return JSON.parse(JSON.stringify(data))
}

const decode = /*#__PURE__*/ Schema.decodeUnknownOption(Data)

const rejectedFrom = (data: unknown): Rejected.CircuitRejected | undefined => {
  const found = Option.getOrUndefined(decode(data))
  if (found === undefined) return undefined
  const millis = found.retryAfter ?? Number.POSITIVE_INFINITY
  const refusal = new Circuit.Refusal(found.reason, millis, found.since, found.generation, found.cause)
  return Rejected.make(found.circuit, refusal, Duration.millis(millis))
}

/** @internal The outcome that an error carries, where it is known already. */
export const outcomeOf = (error: unknown): LlmOutcome.LlmOutcome | undefined => brokenOf(error)?.outcome
