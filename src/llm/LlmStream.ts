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
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Breaker from "../Breaker.ts"
import type { CircuitRejected } from "../CircuitRejected.ts"
import * as Setting from "../internal/Setting.ts"
import * as Deadlines from "./Deadlines.ts"
import type * as LlmOutcome from "./LlmOutcome.ts"
import type { FinishReason, Part, Reader } from "./Part.ts"
import * as PartReader from "./PartReader.ts"
import { minimumTokens, Progress } from "./Progress.ts"
import * as SlowRule from "./SlowRule.ts"
import type { StreamBroken } from "./StreamBroken.ts"
import * as StreamEnd from "./StreamEnd.ts"

/**
 * The leave to make one call, from one circuit or from several at once.
 *
 * **Details**
 *
 * It is settled exactly once. `answered` is told at the first content: from then on the call does not hang.
 *
 * @category models
 * @since 0.1.0
 */
export interface Admission {
  readonly settle: (outcome: LlmOutcome.LlmOutcome) => Effect.Effect<void>
  readonly answered?: Effect.Effect<void> | undefined
}

/**
 * What was observed of one streamed answer.
 *
 * **Details**
 *
 * Times are the provider's own: without the time in which the reader did not pull, and without the time of the program's
 * tools. `headers` is the time to the first part of any kind, `firstContent` to the first content. `perOutputToken` is
 * unknown below 16 tokens. `outputTokens` are those that the provider counted, or else, `estimated`, a quarter of the
 * characters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly outcome: LlmOutcome.LlmOutcome
  readonly duration: Duration.Duration
  readonly headers: Duration.Duration | undefined
  readonly firstContent: Duration.Duration | undefined
  readonly perOutputToken: Duration.Duration | undefined
  readonly inputTokens: number | undefined
  readonly outputTokens: number
  readonly estimated: boolean
  readonly characters: number
  readonly finishReason: FinishReason | undefined
}

/**
 * How a streamed answer is guarded.
 *
 * **Details**
 *
 * - `headers`, `firstContent`, `idle`, `total`: the deadlines.
 * - `slow`: when the answer counts as slow. Without it the circuit goes by the whole duration.
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
 * Runs a streamed answer through the breaker in context: it votes when the stream ends, by what its parts said.
 *
 * @category combinators
 * @since 0.1.0
 */
export const guard: {
  <P = PartReader.EffectPart>(
    options?: Options<P>
  ): <A extends P, E, R>(
    self: Stream.Stream<A, E, R>
  ) => Stream.Stream<A, E | StreamBroken | CircuitRejected, R | Breaker.Breaker>
  <A, E, R>(
    self: Stream.Stream<A, E, R>,
    options: Options<A> & { readonly reader: Reader<A> }
  ): Stream.Stream<A, E | StreamBroken | CircuitRejected, R | Breaker.Breaker>
  <A extends PartReader.EffectPart, E, R>(
    self: Stream.Stream<A, E, R>,
    options?: Options
  ): Stream.Stream<A, E | StreamBroken | CircuitRejected, R | Breaker.Breaker>
} = ((...args: ReadonlyArray<unknown>) => {
  const [first, second] = args
  if (Stream.isStream(first)) return guarded(first, fromContext, checked("LlmStream.guard", second))
  const options = checked("LlmStream.guard", first)
  return (self: AnyStream) => guarded(self, fromContext, options)
}) as never

/**
 * Runs a streamed answer by an admission of one's own making, such as one of several circuits at once.
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
 * Goes on with another stream if this one fails before it handed on anything, and never after.
 *
 * **Details**
 *
 * A guarded stream hands on nothing before its first content, so the answers of two models are never mixed. The other
 * stream may be chosen by the error; `Stream.fail(error)` leaves it as it is.
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
type Parts = readonly [unknown, ...Array<unknown>]
type AnyPull = Pull.Pull<Parts, unknown, void, unknown>

const fromContext: AnyAdmission = Effect.withFiber((fiber) => Context.getUnsafe(fiber.context, Breaker.Breaker).admit)

interface Checked {
  readonly reader: Reader<unknown>
  readonly limits: Deadlines.Limits
  readonly slow: SlowRule.Checked | undefined
  readonly onPartial: "fail" | "keep"
  readonly tools: "inside" | "outside"
  readonly errors: LlmOutcome.Options | undefined
  readonly onEnd: Options["onEnd"]
}

const checked = (where: string, given: unknown): Checked => {
  const { errors, onEnd, onPartial = "fail", reader = PartReader.effect, slow, tools = "inside", ...deadlines } =
    (given ?? {}) as Options<never>
  Setting.enforce(
    Setting.rule(onPartial === "fail" || onPartial === "keep", where, "onPartial", `"fail" or "keep"`, onPartial),
    Setting.rule(tools === "inside" || tools === "outside", where, "tools", `"inside" or "outside"`, tools)
  )
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
const guarded = (self: AnyStream, admit: AnyAdmission, options: Checked): AnyStream =>
  Stream.unwrap(Effect.gen(function*() {
    const scope = yield* Effect.scope
    const call = new GuardedCall(options, yield* Clock.Clock)
    yield* Effect.acquireRelease(
      Effect.map(admit, (admission) => call.admission = admission),
      // Settles only what has not ended by itself: a reader that stopped, or was interrupted.
      (_, exit) => call.stop(exit)
    )
    let opened: AnyPull | undefined
    const open = Effect.flatMap(Channel.toPullScoped(self.channel, scope), (pull) => opened = pull)
    return Stream.fromPull(Effect.succeed(call.guard(Effect.suspend(() => opened ?? open))))
  }))

class GuardedCall {
  admission: Admission | undefined
  private readonly options: Checked
  private readonly progress = new Progress()
  private readonly reading: StreamEnd.Reading
  private settled = false
  private answered = false
  /** Parts that came before the first content: handed on with it, or never. */
  private held: Array<unknown> = []
  /** How the stream ends at the next pull, where that is known. */
  private over: Pull.Pull<never, StreamBroken> | undefined

  constructor(options: Checked, clock: Clock.Clock) {
    this.options = options
    this.reading = {
      wholeAt: options.reader.wholeAt ?? "finish",
      errors: { now: () => clock.currentTimeMillisUnsafe(), ...options.errors }
    }
  }

  guard(upstream: AnyPull): AnyPull {
    const timed = this.inTime(upstream)
    const next: AnyPull = Effect.suspend(() =>
      this.over ?? Effect.matchCauseEffect(timed, {
        onFailure: (cause) => Pull.isDoneCause(cause) ? this.end() : Effect.failCause(cause),
        onSuccess: (parts) => this.take(parts) ?? next
      })
    )
    return Effect.onExit(next, (exit) => Exit.isSuccess(exit) ? Effect.void : this.fail(exit.cause))
  }

  stop(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const interrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    return this.settle(interrupted ? StreamEnd.givenUp : StreamEnd.atStop(this.progress, this.reading))
  }

  private fail(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    if (this.settled) return Effect.void
    return this.settle(
      Cause.hasInterruptsOnly(cause) ? StreamEnd.givenUp : StreamEnd.outcomeOf(Cause.squash(cause), this.reading)
    )
  }

  // A reader that throws is a bug of the program: it says nothing of the provider.
  private read(part: unknown): Part | undefined {
    try {
      const said = this.options.reader.read(part)
      return this.options.tools === "inside" ? said : { ...said, toolCall: undefined }
    } catch (bug) {
      this.over = Effect.andThen(this.settle(StreamEnd.unread), Effect.die(bug))
      return undefined
    }
  }

  /** What to hand on of these parts; nothing while there is no content. */
  private take(parts: Parts): AnyPull | undefined {
    const { held, options, progress } = this
    for (const [index, part] of parts.entries()) {
      const said = this.read(part)
      if (said === undefined) return this.over
      progress.note(said)
      if (progress.error !== undefined && (options.onPartial === "fail" || !progress.committed)) {
        const { broken, outcome } = StreamEnd.atEnd(progress, this.reading)
        this.over = Effect.fail(broken!)
        const before = progress.committed ? [...held, ...parts.slice(0, index)] : []
        return Effect.andThen(this.settle(outcome), this.flush(before))
      }
    }
    if (!progress.committed) {
      held.push(...parts)
      return undefined
    }
    const flush = this.flush([...held, ...parts])
    if (this.answered || !progress.hasContent) return flush
    this.answered = true
    return Effect.andThen(this.admission?.answered ?? Effect.void, flush)
  }

  private end(): AnyPull {
    const { broken, outcome } = StreamEnd.atEnd(this.progress, this.reading)
    const fails = broken !== undefined && (this.options.onPartial === "fail" || !this.progress.committed)
    this.over = fails ? Effect.fail(broken) : Cause.done()
    return Effect.andThen(this.settle(outcome), this.flush(fails ? [] : this.held))
  }

  private flush(parts: ReadonlyArray<unknown>): AnyPull {
    this.held = []
    const [first, ...rest] = parts
    return parts.length > 0 ? Effect.succeed([first, ...rest]) : this.over!
  }

  private inTime(upstream: AnyPull): AnyPull {
    const { options, progress } = this
    return Effect.withFiber((fiber) => {
      if (!progress.running) return upstream
      const clock = fiber.getRef(Clock.Clock)
      const read = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
      const began = read()
      const due = Deadlines.due(options.limits, progress)
      const timed = due.at === Number.POSITIVE_INFINITY ? upstream : Effect.timeoutOrElse(upstream, {
        duration: Math.max(due.at - progress.spent, 0),
        orElse: () => Effect.suspend(() => Effect.fail(StreamEnd.late(progress, due)))
      })
      return Effect.onExitPrimitive(timed, () => {
        progress.spent += read() - began
        return undefined
      })
    })
  }

  // Uninterruptible as a whole: what is marked as settled is settled, wherever the reader is interrupted.
  private settle(outcome: LlmOutcome.LlmOutcome): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      if (this.settled || this.admission === undefined) return Effect.void
      this.settled = true
      const { onEnd, slow } = this.options
      const counts = outcome._tag === "Success" || outcome._tag === "Failure"
      const vote = slow !== undefined && counts ? { ...outcome, slow: SlowRule.isSlow(slow, this.progress) } : outcome
      const settled = this.admission.settle(vote)
      if (onEnd === undefined) return settled
      return Effect.andThen(settled, Effect.catchCause(Effect.suspend(() => onEnd(this.report(vote))), complain))
    }))
  }

  private report(outcome: LlmOutcome.LlmOutcome): Report {
    const { characters, finish, firstContent, firstEvent, spent, usage } = this.progress
    return {
      outcome,
      duration: Duration.millis(spent),
      headers: duration(firstEvent),
      firstContent: duration(firstContent),
      perOutputToken: duration(this.progress.perOutputToken(minimumTokens)),
      inputTokens: usage.inputTokens,
      outputTokens: usage.outputTokens ?? this.progress.contentTokens,
      estimated: usage.outputTokens === undefined,
      characters,
      finishReason: finish
    }
  }
}

const duration = (millis: number | undefined): Duration.Duration | undefined =>
  millis === undefined ? undefined : Duration.millis(millis)

const complain = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.logError("onEnd of a guarded stream failed", cause)
