/**
 * The breaker as a middleware of Vercel's `ai`, for its models as they are.
 *
 * One line in `wrapLanguageModel` stands between a program and a model: calls ask the circuits of their key, their model and
 * their provider, streams vote when they end, and another model answers where one cannot.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as LlmBreaker from "../llm/LlmBreaker.ts"
import * as Fallback from "./Fallback.ts"
import * as Guarding from "./Guarding.ts"
import * as Happening from "./Happening.ts"
import * as ModelScopes from "./ModelScopes.ts"
import { stamp } from "./Provenance.ts"
import * as Sdk from "./Sdk.ts"
import * as StreamedAnswer from "./StreamedAnswer.ts"
import * as WholeAnswer from "./WholeAnswer.ts"

/**
 * The settings of the middleware: all may be left out.
 *
 * **Details**
 *
 * - `llm`: the circuits, as the settings of an `LlmBreaker`, or as one that is there already.
 * - `scopes`: what the circuits of a call are called, where the model's own ids do not say so: above all the name of its
 *   `key`. A function is asked at each call, of fallbacks too; a value is for the wrapped model alone.
 * - `fallback`: who answers in place of the model.
 * - `onEvent`: told what happens at the circuits.
 * - the deadlines, `slow`, `onPartial` and `errors`: how calls are guarded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Guarding.Options {
  readonly llm?: LlmBreaker.LlmBreaker | LlmBreaker.Options | undefined
  readonly scopes?: ModelScopes.Scoping | undefined
  readonly fallback?: Fallback.Fallback | undefined
  readonly onEvent?: ((event: Happening.Event) => void) | undefined
}

/**
 * A middleware for `wrapLanguageModel`, with the circuits behind it.
 *
 * **Details**
 *
 * - `snapshots` reads all circuits, and moves nothing.
 * - `onEvent` tells what happens, a moment after it happened, until what it gives is called.
 * - `llm` is the breaker itself: for programs that are in Effect elsewhere, and for operators.
 *
 * @category models
 * @since 0.1.0
 */
export interface BreakerMiddleware {
  readonly specificationVersion: "v3"
  readonly overrideSupportedUrls: (options: { readonly model: Sdk.LanguageModel }) => Sdk.Urls | PromiseLike<Sdk.Urls>
  readonly wrapGenerate: <Whole extends object, Streamed extends Sdk.Streamed, Params extends Sdk.Params>(
    call: Sdk.Wrapped<Whole, Streamed, Params>
  ) => Promise<Whole>
  readonly wrapStream: <Whole extends object, Streamed extends Sdk.Streamed, Params extends Sdk.Params>(
    call: Sdk.Wrapped<Whole, Streamed, Params>
  ) => Promise<Streamed>
  readonly snapshots: () => ReadonlyArray<Happening.Snapshot>
  readonly onEvent: (listener: (event: Happening.Event) => void) => () => void
  readonly llm: LlmBreaker.LlmBreaker
}

/**
 * Makes a middleware that puts circuits in front of language models.
 *
 * **Details**
 *
 * Make it once, and wrap as many models with it as you like: they share its circuits. The provider and the model are known
 * from the model's ids; APIs of one provider, such as `openai.chat` and `openai.responses`, are one.
 *
 * A refused call rejects with `CircuitRejected`, which the AI SDK does not retry. The AI SDK's retries of other errors each
 * ask anew, and end as soon as the circuit opens: `rejectionOf` finds the refusal in its `RetryError` too.
 *
 * A stream is given once its first content is there: until then an answer that breaks off rejects with `StreamBroken`, and
 * a fallback can take over. One that breaks off later ends with an `error` part, whose error is the `StreamBroken`, and
 * with a finish `error`. Errors of the client itself pass unchanged.
 *
 * A call that its caller aborts is `Ignored`, gives back its place at once, and rejects with the signal's reason; but where
 * that is a `TimeoutError`, as of `AbortSignal.timeout` and the AI SDK's `timeout`, it is a failure: the time was too short
 * for the provider.
 *
 * `providerMetadata["effect-breaker"]` says where the answer came from: see `provenanceOf`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad option. Each call of this function without an `llm` of its own makes circuits of
 * their own.
 *
 * **Example** (A provider that is down, and one that is not)
 *
 * ```ts
 * import { breakerMiddleware, provenanceOf } from "effect-breaker/ai-sdk"
 * import { APICallError, generateText, wrapLanguageModel } from "ai"
 * import { MockLanguageModelV3 } from "ai/test"
 *
 * const overloaded = new APICallError({ message: "Overloaded", url: "", requestBodyValues: {}, statusCode: 529 })
 * const opus = new MockLanguageModelV3({
 *   provider: "anthropic.messages",
 *   modelId: "opus",
 *   doGenerate: () => Promise.reject(overloaded)
 * })
 * const gpt = new MockLanguageModelV3({
 *   provider: "openai.responses",
 *   modelId: "gpt-5",
 *   doGenerate: {
 *     content: [{ type: "text", text: "Hello!" }],
 *     finishReason: { unified: "stop", raw: "stop" },
 *     usage: {
 *       inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
 *       outputTokens: { total: 2, text: 2, reasoning: 0 }
 *     },
 *     warnings: []
 *   }
 * })
 *
 * const middleware = breakerMiddleware({ fallback: [gpt] })
 * const model = wrapLanguageModel({ model: opus, middleware })
 * for (let i = 0; i < 6; i++) await generateText({ model, prompt: "Hello" })
 *
 * const result = await generateText({ model, prompt: "Hello" })
 * console.log(result.text) // => "Hello!"
 * console.log(opus.doGenerateCalls.length) // => 5
 * console.log(provenanceOf(result)?.passed[0]?.rejected?.circuit) // => "anthropic/opus"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const breakerMiddleware = (options: Options = {}): BreakerMiddleware => {
  const { llm = {} } = options
  const services = Context.empty()
  return making(options, "execute" in llm ? llm : Effect.runSyncWith(services)(LlmBreaker.make(llm)), services)
}

/**
 * Makes the middleware in a program that is in Effect elsewhere: on its clock, its logger and its tracer, and with the
 * `LlmBreaker` in context where there is one and none is given.
 *
 * **Example** (One breaker for both halves of a program)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { breakerMiddlewareEffect } from "effect-breaker/ai-sdk"
 * import { LlmBreaker } from "effect-breaker/llm"
 * import { generateText, wrapLanguageModel } from "ai"
 * import { MockLanguageModelV3 } from "ai/test"
 *
 * const revoked = new MockLanguageModelV3({
 *   provider: "openai.chat",
 *   modelId: "gpt-5",
 *   doGenerate: () => Promise.reject(Object.assign(new Error("Incorrect API key"), { status: 401 }))
 * })
 *
 * const program = Effect.gen(function*() {
 *   const middleware = yield* breakerMiddlewareEffect({ scopes: { key: "team-a" } })
 *   const model = wrapLanguageModel({ model: revoked, middleware })
 *   yield* Effect.ignore(Effect.tryPromise(() => generateText({ model, prompt: "Hello" })))
 *
 *   const llm = yield* LlmBreaker.LlmBreaker
 *   const refused = yield* llm.refusal({ provider: "openai", key: "team-a" })
 *   return refused?.circuit
 * })
 *
 * console.log(await Effect.runPromise(Effect.provide(program, LlmBreaker.layer()))) // => "openai#team-a"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const breakerMiddlewareEffect = (options: Options = {}): Effect.Effect<BreakerMiddleware> =>
  Effect.contextWith((services: Context.Context<never>) => {
    const { llm = Context.getOrUndefined(services, LlmBreaker.LlmBreaker) ?? {} } = options
    const breaker = "execute" in llm ? Effect.succeed(llm) : LlmBreaker.make(llm)
    return Effect.map(breaker, (breaker) => making(options, breaker, services))
  })

// ---------------------------------------------------------------------------------------------------------------------

const where = "breakerMiddleware"

const making = (
  options: Options,
  llm: LlmBreaker.LlmBreaker,
  services: Context.Context<never>
): BreakerMiddleware => {
  const { rules, textRules } = (options.llm ?? {}) as LlmBreaker.Options
  const own = rules === undefined && textRules === undefined ? undefined : { rules, textRules }
  const guarding = Guarding.check(where, { ...options, errors: options.errors ?? own }, llm)
  const fallback = Fallback.check(where, options.fallback)
  const others = Fallback.models(fallback)
  const fork = Effect.runForkWith(services)
  // What has begun is never lost: only waiting for a provider can be interrupted.
  const run: StreamedAnswer.Run = (effect) => fork(effect, { uninterruptible: true })
  const climb = async <A>(
    { model, params }: Pick<Sdk.Wrapped<object, Sdk.Streamed, Sdk.Params>, "model" | "params">,
    ask: (asked: Guarding.Ask, guarding: Guarding.Guarding) => Effect.Effect<A, unknown>
  ): Promise<Fallback.Answered<A>> => {
    const { abortSignal } = params
    abortSignal?.throwIfAborted()
    const first: Fallback.Step = { model }
    const answered = Fallback.climb(first, fallback, params, (step) =>
      Effect.suspend(() => {
        const { scopes } = options
        const given = typeof scopes === "function" ? scopes : step === first ? scopes : step.scopes
        return ask({ ...step, params, scopes: ModelScopes.of({ ...step, params }, given, step.scopes) }, guarding)
      }), guarding)
    const fiber = run(answered)
    const abort = (): void => fiber.interruptUnsafe()
    abortSignal?.addEventListener("abort", abort)
    const exit = await new Promise<Exit.Exit<Fallback.Answered<A>, unknown>>((resolve) =>
      void fiber.addObserver(resolve)
    )
    abortSignal?.removeEventListener("abort", abort)
    if (Exit.isSuccess(exit)) return exit.value
    throw Cause.hasInterruptsOnly(exit.cause) && abortSignal?.aborted === true
      ? abortSignal.reason
      : Cause.squash(exit.cause)
  }
  const onEvent = (listener: (event: Happening.Event) => void): () => void => Happening.listen(llm, listener, services)
  if (options.onEvent !== undefined) onEvent(options.onEvent)
  return {
    specificationVersion: "v3",
    overrideSupportedUrls: ({ model }) =>
      others.length === 0 ? model.supportedUrls : Sdk.commonUrls([model, ...others]),
    wrapGenerate: async (call) => {
      const answered = await climb(call, WholeAnswer.ask)
      const answer: Sdk.Whole = answered.text === undefined ? answered.answer : Sdk.wholeOf(answered.text)
      return stamp(answer, answered.provenance) as never
    },
    wrapStream: async (call) => {
      const answered = await climb(call, StreamedAnswer.ask)
      const stamped = (part: Sdk.StreamPart): object => part.type === "finish" ? stamp(part, answered.provenance) : part
      if (answered.text === undefined) {
        const { answer } = answered
        return { ...answer.result, stream: StreamedAnswer.hand(answer, run, call.params, stamped) } as never
      }
      const parts = Sdk.partsOf(answered.text).map(stamped)
      const stream = new ReadableStream<object>({
        start: (controller) => {
          for (const part of parts) controller.enqueue(part)
          controller.close()
        }
      })
      return { stream } as never
    },
    snapshots: () => Happening.snapshots(llm, services),
    onEvent,
    llm
  }
}
