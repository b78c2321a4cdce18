/**
 * Streamed answers of a language model under a breaker.
 *
 * A stream that was opened is not an answer. Providers report errors inside a 200, cut an answer off in the middle, send
 * pings for minutes and nothing else, or finish without a word; to a client each of these looks like a stream that went
 * well. `guard` reads the parts: it votes when the stream ends, by what the parts said, and while no content was handed on
 * it turns such an end into a typed error, so that another model can take over.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Breaker from "../Breaker.ts"
import type { CircuitRejected } from "../CircuitRejected.ts"
import * as Setting from "../internal/Setting.ts"
import * as Deadlines from "./Deadlines.ts"
import { type Admission, type AnyPull, GuardedCall, type Report, type Settings } from "./GuardedCall.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import type { Reader } from "./Part.ts"
import * as PartReader from "./PartReader.ts"
import * as SlowRule from "./SlowRule.ts"
import type { StreamBroken } from "./StreamBroken.ts"

export type { Deadlines } from "./Deadlines.ts"
export type { Admission, Report } from "./GuardedCall.ts"
export type { SlowRule } from "./SlowRule.ts"

/**
 * How a streamed answer is guarded.
 *
 * **Details**
 *
 * - `headers`, `firstContent`, `idle`, `total`: the deadlines.
 * - `slow`: when the answer counts as slow. Without it the circuit goes by the time to first content, if its policy has a
 *   `slowAfter`.
 * - `onPartial`: what becomes of an answer that breaks off after content: `"fail"`, the default, fails with
 *   `StreamBroken`; `"keep"` ends it as the provider did. The vote is the same. A deadline always fails.
 * - `tools`: `"inside"`, the default, when tools of the program run inside the stream, so that the time from a tool call to
 *   its result is not the provider's. `"outside"` when they run after it, so that a tool call is content like any other.
 * - `errors`: how the errors that the provider reports are read; see `LlmOutcome.Options`. The time is the clock's unless
 *   given.
 * - `onEnd`: told what was observed, once, after the vote.
 * - `reader`: how parts are read; those of Effect's `LanguageModel.streamText` unless given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in A = PartReader.EffectPart> extends Deadlines.Deadlines {
  readonly slow?: SlowRule.SlowRule | undefined
  readonly onPartial?: "fail" | "keep" | undefined
  readonly tools?: "inside" | "outside" | undefined
  readonly errors?: LlmOutcome.Options | undefined
  readonly onEnd?: ((report: Report) => Effect.Effect<void>) | undefined
  readonly reader?: Reader<A> | undefined
}

/**
 * The parts that options are for: what their reader reads, or those of Effect's language models.
 *
 * @category models
 * @since 0.1.0
 */
export type PartOf<Given> = Given extends { readonly reader: Reader<infer A> } ? A : PartReader.EffectPart

/**
 * What comes of guarding a stream of parts that nobody reads: nothing that can be run. Give it a `reader`.
 *
 * @category models
 * @since 0.1.0
 */
export interface NeedsReader<A> {
  readonly reader: Reader<A>
}

/**
 * Runs a streamed answer through the breaker in context: it votes when the stream ends, by what its parts said.
 *
 * **Details**
 *
 * | the answer                                                            | votes                                  |
 * | --------------------------------------------------------------------- | -------------------------------------- |
 * | finishes                                                              | `Success`, empty or out of tokens too  |
 * | reports an error, fails or dies                                       | what `LlmOutcome.fromError` reads      |
 * | ends without a finish                                                 | `Failure` (`truncated`)                |
 * | is empty, and its finish is `error` or `unknown`                      | `Failure` (`empty`)                    |
 * | has content, and its finish is `error`                                | `Failure` (`server`)                   |
 * | is stopped by a filter or a refusal                                   | `Ignored` (`content-policy`)           |
 * | is empty, and its finish is `length` or `other`                       | `Ignored`                              |
 * | lets a deadline pass                                                  | `Failure` (`timeout`)                  |
 * | is left by its reader                                                 | `Success` after content, else `Ignored` |
 * | is interrupted                                                        | `Ignored`                              |
 *
 * Nothing is handed on before the first content: parts that come earlier are held back, and follow with it. An answer
 * that breaks off before it fails with `StreamBroken` and hands on nothing, so that another model can take over; one that
 * breaks off later does what `onPartial` says. Typed errors and defects of the stream pass unchanged. The result of a
 * tool of the program counts as handed on, too: what it did is done.
 *
 * The stream asks for its permit when it starts, and holds it until it ends. The error channel gains `StreamBroken` and
 * `CircuitRejected`.
 *
 * **Gotchas**
 *
 * A client's own retries and a fallback hide from it what happened: put retries of the client to none, and fallbacks
 * outside. While a tool runs inside the stream no deadline holds, so give tools a timeout of their own: a model that hangs
 * straight after a tool call looks like one whose tool is slow. `onEnd` is not interruptible: keep it short.
 *
 * Throws a `RangeError` for a bad option.
 *
 * **Example** (An error inside a 200 is a failure)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Breaker, TripPolicy } from "effect-breaker"
 * import { LlmStream } from "effect-breaker/llm"
 * import { LanguageModel } from "effect/ai"
 *
 * const Overloaded = Effect.provideServiceEffect(
 *   LanguageModel.LanguageModel,
 *   LanguageModel.make({
 *     generateText: () => Effect.succeed([]),
 *     streamText: () => Stream.make({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } })
 *   })
 * )
 *
 * const program = Effect.gen(function*() {
 *   const answer = LanguageModel.streamText({ prompt: "Hello" }).pipe(LlmStream.guard({ firstContent: "20 seconds" }))
 *   const error = yield* Effect.flip(Stream.runDrain(answer))
 *   console.log(error._tag === "StreamBroken" && [error.kind, error.partial]) // => ["overloaded", false]
 *   return (yield* (yield* Breaker.Breaker).state)._tag
 * })
 *
 * const Live = Breaker.layer({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
 * console.log(await Effect.runPromise(program.pipe(Overloaded, Effect.provide(Live)))) // => "Open"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const guard: <
  Arg extends Stream.Stream<unknown, unknown, unknown> | Options<never> = Options,
  Given extends Options<never> = Options
>(
  selfOrOptions?: Arg,
  options?: Given
) => [Arg] extends [Stream.Stream<infer A, infer E, infer R>]
  ? [A] extends [PartOf<Given>] ? Stream.Stream<A, E | StreamBroken | CircuitRejected, R | Breaker.Breaker>
  : NeedsReader<A>
  : <A extends PartOf<Arg>, E, R>(
    self: Stream.Stream<A, E, R>
  ) => Stream.Stream<A, E | StreamBroken | CircuitRejected, R | Breaker.Breaker> =
    ((...args: ReadonlyArray<unknown>) => {
      const [first, second] = args
      if (Stream.isStream(first)) return guarded(first, fromContext, checked("LlmStream.guard", second))
      const options = checked("LlmStream.guard", first)
      return (self: AnyStream) => guarded(self, fromContext, options)
    }) as never

/**
 * Runs a streamed answer by an admission of one's own making, such as one of several circuits at once.
 *
 * **Details**
 *
 * As `guard`, but it asks nobody: `admit` does, when the stream starts, and its failure is the refusal. The permit of
 * `breaker.admit` is an admission. One that is made of several hands on the `answered` of all, and the `measured` of one:
 * what it leaves out, its circuits and the metrics are not told.
 *
 * **Example** (One answer, two circuits)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Breaker } from "effect-breaker"
 * import { LlmStream, PartReader } from "effect-breaker/llm"
 *
 * const program = Effect.gen(function*() {
 *   const key = yield* Breaker.make({ name: "key" })
 *   const model = yield* Breaker.make({ name: "model" })
 *   const both = Effect.map(Effect.all([key.admit, model.admit]), (permits): LlmStream.Admission => ({
 *     answered: Effect.forEach(permits, ({ answered }) => answered, { discard: true }),
 *     measured: permits[1].measured,
 *     settle: (outcome) => Effect.forEach(permits, ({ settle }) => settle(outcome), { discard: true })
 *   }))
 *
 *   const answer = Stream.make("Hello", " there").pipe(LlmStream.guardWith(both, { reader: PartReader.text }))
 *   console.log(yield* Stream.mkString(answer)) // => "Hello there"
 *   return [(yield* key.snapshot).successes, (yield* model.snapshot).successes]
 * })
 *
 * console.log(await Effect.runPromise(program)) // => [1, 1]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const guardWith: {
  <E2, R2, P = PartReader.EffectPart>(
    admit: Effect.Effect<Admission, E2, R2>,
    options?: Options<P>
  ): <A extends P, E, R>(
    self: Stream.Stream<A, E, R>
  ) => Stream.Stream<A, E | E2 | StreamBroken, R | Exclude<R2, Scope.Scope>>
  <A, E, R, E2, R2>(
    self: Stream.Stream<A, E, R>,
    admit: Effect.Effect<Admission, E2, R2>,
    options: Options<A> & { readonly reader: Reader<A> }
  ): Stream.Stream<A, E | E2 | StreamBroken, R | Exclude<R2, Scope.Scope>>
  <A extends PartReader.EffectPart, E, R, E2, R2>(
    self: Stream.Stream<A, E, R>,
    admit: Effect.Effect<Admission, E2, R2>,
    options?: Options
  ): Stream.Stream<A, E | E2 | StreamBroken, R | Exclude<R2, Scope.Scope>>
} = ((...args: ReadonlyArray<unknown>) => {
  const [first, second, third] = args
  if (Stream.isStream(first)) {
    return guarded(first, second as AnyAdmission, checked("LlmStream.guardWith", third))
  }
  const options = checked("LlmStream.guardWith", second)
  return (self: AnyStream) => guarded(self, first as AnyAdmission, options)
}) as never

/**
 * Makes a stream of what a client gives as an async iterable, and gives the request up when the stream ends.
 *
 * **Details**
 *
 * Hand the signal to the client: it is aborted however the stream ends, so that a deadline, an early stop or an interrupt
 * closes the connection. Opening the request is part of the stream, and under its deadlines. What the client throws is a
 * `Cause.UnknownError`, or what `onError` makes of it.
 *
 * **Example** (The `openai` client under a guard)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Breaker } from "effect-breaker"
 * import { LlmStream, PartReader } from "effect-breaker/llm"
 * import OpenAI from "openai"
 *
 * const client = new OpenAI({ maxRetries: 0 })
 * const question = { model: "gpt-any", messages: [{ role: "user" as const, content: "How are you?" }] }
 *
 * const answer = LlmStream.fromClient((signal) =>
 *   client.chat.completions.create({ ...question, stream: true }, { signal })
 * ).pipe(
 *   LlmStream.guard({ reader: PartReader.openAiChat, headers: "30 seconds", firstContent: "20 seconds", idle: "30 seconds" }),
 *   Stream.map((chunk) => chunk.choices[0]?.delta.content ?? ""),
 *   Stream.mkString
 * )
 *
 * console.log(await Effect.runPromise(Effect.provide(answer, Breaker.layer({ name: "openai" }))))
 * // => "This answer comes from a healthy fake provider"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromClient: {
  <A>(
    open: (signal: AbortSignal) => PromiseLike<AsyncIterable<A>> | AsyncIterable<A>
  ): Stream.Stream<A, Cause.UnknownError>
  <A, E>(
    open: (signal: AbortSignal) => PromiseLike<AsyncIterable<A>> | AsyncIterable<A>,
    onError: (error: unknown) => E
  ): Stream.Stream<A, E>
} = <A>(
  open: (signal: AbortSignal) => PromiseLike<AsyncIterable<A>> | AsyncIterable<A>,
  onError: (error: unknown) => unknown = (error) =>
    new Cause.UnknownError(error, "The client failed in LlmStream.fromClient")
): Stream.Stream<A, never> =>
  Stream.unwrap(Effect.gen(function*() {
    const controller = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    const answer = yield* Effect.tryPromise({ try: async () => open(controller.signal), catch: onError })
    if (typeof (answer as Partial<AsyncIterable<A>> | undefined)?.[Symbol.asyncIterator] !== "function") {
      // Not what it is: that is the model's answer.
      const got = `got ${typeof answer} without Symbol.asyncIterator`
      return yield* Effect.die(
        new TypeError(`LlmStream.fromClient: the client gave no stream (is "stream: true" missing?), ${got}`)
      )
    }
    return Stream.fromAsyncIterable(answer, onError)
  })) as Stream.Stream<A, never>

/**
 * Goes on with another stream if this one fails before it handed on anything, and never after.
 *
 * **Details**
 *
 * A guarded stream hands on nothing before its first content, so the answers of two models are never mixed. The other
 * stream may be chosen by the error; `Stream.fail(error)` leaves it as it is.
 *
 * **Example** (The second model answers, and the third is not asked)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { LlmStream, PartReader } from "effect-breaker/llm"
 *
 * const ask = (...pieces: ReadonlyArray<string>) =>
 *   Stream.fromIterable(pieces).pipe(
 *     LlmStream.guardWith(Effect.succeed({ settle: () => Effect.void }), { reader: PartReader.text })
 *   )
 *
 * const answer = ask().pipe(LlmStream.orElse(() => ask("Hello")), LlmStream.orElse(() => ask("Good day")))
 * console.log(await Effect.runPromise(Stream.mkString(answer))) // => "Hello"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const orElse: {
  <E, A2, E2, R2>(
    other: (error: E) => Stream.Stream<A2, E2, R2>
  ): <A, R>(self: Stream.Stream<A, E, R>) => Stream.Stream<A | A2, E | E2, R | R2>
  <A, E, R, A2, E2, R2>(
    self: Stream.Stream<A, E, R>,
    other: (error: E) => Stream.Stream<A2, E2, R2>
  ): Stream.Stream<A | A2, E | E2, R | R2>
} = /*#__PURE__*/ dual(
  2,
  <A, E, R, A2, E2, R2>(
    self: Stream.Stream<A, E, R>,
    other: (error: E) => Stream.Stream<A2, E2, R2>
  ): Stream.Stream<A | A2, E | E2, R | R2> =>
    Stream.suspend(() => {
      let begun = false
      return self.pipe(
        Stream.mapArray((parts) => {
          begun = true
          return parts
        }),
        Stream.catch((error): Stream.Stream<A2, E | E2, R2> => begun ? Stream.fail(error) : other(error))
      )
    })
)

// ---------------------------------------------------------------------------------------------------------------------

type AnyStream = Stream.Stream<unknown, unknown, unknown>
type AnyAdmission = Effect.Effect<Admission, unknown, unknown>

const fromContext: AnyAdmission = Effect.withFiber((fiber) => Context.getUnsafe(fiber.context, Breaker.Breaker).admit)

const Partial = /*#__PURE__*/ Schema.Literals(["fail", "keep"])
const Tools = /*#__PURE__*/ Schema.Literals(["inside", "outside"])

const isReader = (value: unknown): boolean => typeof (value as Partial<Reader<never>> | null)?.read === "function"

const AReader = /*#__PURE__*/ Setting.setting<unknown>("a reader of parts, such as PartReader.openAiChat", isReader)

const checked = (where: string, given: unknown): Settings => {
  const { errors, onEnd, onPartial = "fail", reader = PartReader.effect, slow, tools = "inside", ...deadlines } =
    (given ?? {}) as Options<never>
  Setting.option(where, "onPartial", Partial, onPartial)
  Setting.option(where, "tools", Tools, tools)
  if (!isReader(reader)) Setting.option<unknown>(where, "reader", AReader, reader)
  LlmOutcome.check(`${where}, errors`, errors)
  return {
    reader: reader as Reader<unknown>,
    limits: Deadlines.check(where, deadlines),
    slow: slow === undefined ? undefined : SlowRule.check(where, slow),
    onPartial,
    tools,
    errors,
    onEnd
  }
}

// The permit is taken before the stream is built: building one may already make the call. And it is built at the first
// pull, under the deadlines: opening it is the first thing to wait for.
const guarded = (self: AnyStream, admit: AnyAdmission, settings: Settings): AnyStream =>
  Stream.unwrap(Effect.gen(function*() {
    const scope = yield* Effect.scope
    const call = new GuardedCall(settings, yield* Clock.Clock)
    yield* Effect.acquireRelease(
      Effect.map(admit, (admission) => call.admission = admission),
      // Settles only what has not ended by itself: a reader that stopped, or was interrupted.
      (_, exit) => call.stop(exit)
    )
    let opened: AnyPull | undefined
    const open = Effect.flatMap(Channel.toPullScoped(self.channel, scope), (pull) => opened = pull)
    return Stream.fromPull(Effect.succeed(call.guard(Effect.suspend(() => opened ?? open))))
  }))
