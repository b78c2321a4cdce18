/**
 * One streamed answer under guard: the permit it holds, the parts it holds back, and its one vote.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import type * as Circuit from "../Circuit.ts"
import * as Deadlines from "./Deadlines.ts"
import type * as LlmOutcome from "./LlmOutcome.ts"
import type { FinishReason, Part, Reader } from "./Part.ts"
import { minimumTokens, Progress } from "./Progress.ts"
import * as SlowRule from "./SlowRule.ts"
import type { StreamBroken } from "./StreamBroken.ts"
import * as StreamEnd from "./StreamEnd.ts"

/**
 * The leave to make one call, from one circuit or from several at once.
 *
 * **Details**
 *
 * It is settled exactly once. `answered` is told at the first content: from then on the call does not hang. `measured` is
 * told what was measured of the answer, just before it is settled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Admission {
  readonly settle: (outcome: LlmOutcome.LlmOutcome) => Effect.Effect<void>
  readonly answered?: Effect.Effect<void> | undefined
  readonly measured?: ((figures: Circuit.Figures) => void) | undefined
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

/** How it is guarded, with every option read. */
export interface Settings {
  readonly reader: Reader<unknown>
  readonly limits: Deadlines.Limits
  readonly slow: SlowRule.Checked | undefined
  readonly onPartial: "fail" | "keep"
  readonly tools: "inside" | "outside"
  readonly errors: LlmOutcome.Options | undefined
  readonly onEnd: ((report: Report) => Effect.Effect<void>) | undefined
}

/** A pull of parts, whatever they are. */
export type AnyPull = Pull.Pull<Parts, unknown, void, unknown>

type Parts = readonly [unknown, ...Array<unknown>]

/** One answer. It begins with its admission, which is set once it is there. */
export class GuardedCall {
  admission: Admission | undefined
  private readonly settings: Settings
  private readonly progress = new Progress()
  private readonly reading: StreamEnd.Reading
  private settled = false
  private answered = false
  /** Parts that came before the first content: handed on with it, or never. */
  private held: Array<unknown> = []
  /** How the stream ends at the next pull, where that is known. */
  private over: Pull.Pull<never, StreamBroken> | undefined

  constructor(settings: Settings, clock: Clock.Clock) {
    this.settings = settings
    this.reading = {
      wholeAt: settings.reader.wholeAt ?? "finish",
      errors: { now: () => clock.currentTimeMillisUnsafe(), ...settings.errors }
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
      const said = this.settings.reader.read(part)
      return this.settings.tools === "inside" ? said : { ...said, toolCall: undefined }
    } catch (bug) {
      this.over = Effect.andThen(this.settle(StreamEnd.unread), Effect.die(bug))
      return undefined
    }
  }

  /** What to hand on of these parts; nothing while there is no content. */
  private take(parts: Parts): AnyPull | undefined {
    const { held, progress, settings } = this
    for (const [index, part] of parts.entries()) {
      const said = this.read(part)
      if (said === undefined) return this.over
      progress.note(said)
      if (progress.error !== undefined && (settings.onPartial === "fail" || !progress.committed)) {
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
    const fails = broken !== undefined && (this.settings.onPartial === "fail" || !this.progress.committed)
    this.over = fails ? Effect.fail(broken) : Cause.done()
    return Effect.andThen(this.settle(outcome), this.flush(fails ? [] : this.held))
  }

  private flush(parts: ReadonlyArray<unknown>): AnyPull {
    this.held = []
    const [first, ...rest] = parts
    return parts.length > 0 ? Effect.succeed([first, ...rest]) : this.over!
  }

  private inTime(upstream: AnyPull): AnyPull {
    const { progress, settings } = this
    return Effect.withFiber((fiber) => {
      if (!progress.running) return upstream
      const clock = fiber.getRef(Clock.Clock)
      const read = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
      const began = read()
      const due = Deadlines.due(settings.limits, progress)
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
      const { onEnd, slow } = this.settings
      const counts = outcome._tag === "Success" || outcome._tag === "Failure"
      const vote = slow !== undefined && counts ? { ...outcome, slow: SlowRule.isSlow(slow, this.progress) } : outcome
      this.admission.measured?.(this.progress.figures)
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
