/**
 * The tools of one call to a model: how long they ran, whether they did anything that cannot be undone, and which errors
 * are theirs.
 *
 * Effect's models run tools inside the call. Seen from outside, a slow tool looks like a slow model, and a tool that fails
 * like a model that failed. So the toolkit that a call is given is wrapped in one that tells when its tools run.
 *
 * @since 0.1.0
 */
import * as Prompt from "effect/ai/Prompt"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"

type AnyToolkit = Toolkit.WithHandler<Record<string, Tool.Any>>

/** What a call is given, as far as tools are concerned. */
export interface Asked {
  readonly prompt: Prompt.RawInput
  readonly toolkit?: AnyToolkit | Effect.Effect<AnyToolkit, unknown, unknown> | undefined
  readonly disableToolCallResolution?: boolean | undefined
}

/** The tools of a call, resolved: that is the program's own work, and done before anybody is asked. */
export const resolved = <Options extends Asked>(options: Options): Effect.Effect<Options, unknown, unknown> => {
  const { toolkit } = options
  return Effect.isEffect(toolkit)
    ? Effect.map(toolkit, (toolkit) => ({ ...options, toolkit }))
    : Effect.succeed(options)
}

/** Watches the tools of one call. */
export class ToolWatch {
  /** Whether a tool ran that is marked neither as reading only nor as idempotent. */
  acted = false
  private readonly clock: Clock.Clock
  private readonly failures = new Set<unknown>()
  private running = 0
  private since = 0
  private total = 0
  private known: ReadonlySet<string> | undefined

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /**
   * The call as given, with its toolkit watched. `answered` is run when a tool starts that this call's answer asked for: by
   * then the whole answer is there. Tools that the prompt asked for, having been approved, run before the model is asked.
   */
  watch<Options extends Asked>(options: Options, answered: Effect.Effect<void> = Effect.void): Options {
    const { prompt, toolkit } = options
    if (toolkit === undefined || Effect.isEffect(toolkit)) return options
    const handle = (
      name: string,
      params: never,
      id?: string,
      parsing?: never
    ): Effect.Effect<AnyResults, unknown, unknown> =>
      Effect.suspend(() => {
        this.enter(toolkit.tools[name])
        const handled = Effect.onExit(toolkit.handle(name, params, id, parsing), (exit) => this.leave(exit))
        // Its parameters were found good, and it runs.
        const started = id === undefined || !this.asked(prompt).has(id) ? Effect.tap(handled, answered) : handled
        return Effect.map(started, Stream.onExit((exit) => this.leaveLast(exit)))
      })
    return { ...options, toolkit: { ...toolkit, handle } }
  }

  /** Whether an error, or a defect, came out of a tool. */
  isTools(error: unknown): boolean {
    return this.failures.has(error)
  }

  /** For how long tools ran until now. */
  get spent(): number {
    return this.total + (this.running > 0 ? this.now() - this.since : 0)
  }

  /** Fails a call that takes longer than this, not counting the time of its tools. */
  within<A, E, R, E2>(
    self: Effect.Effect<A, E, R>,
    limit: number,
    late: () => E2
  ): Effect.Effect<A, E | E2, R> {
    if (limit === Number.POSITIVE_INFINITY) return self
    return Effect.suspend(() => {
      const began = this.now()
      const watchdog: Effect.Effect<never, E2> = Effect.suspend(() => {
        const left = limit - (this.now() - began - this.spent)
        if (left <= 0) return Effect.fail(late())
        // While a tool runs nothing is used up: no need to look every moment.
        return Effect.andThen(Effect.sleep(this.running > 0 ? Math.max(left, A_MOMENT) : left), watchdog)
      })
      return Effect.raceFirst(self, watchdog)
    })
  }

  private now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }

  private asked(prompt: Prompt.RawInput): ReadonlySet<string> {
    return this.known ??= new Set(
      Prompt.make(prompt).content.flatMap((message) =>
        message.role === "assistant"
          ? message.content.flatMap((part) => part.type === "tool-call" ? [part.id] : [])
          : []
      )
    )
  }

  private enter(tool: Tool.Any | undefined): void {
    if (this.running++ === 0) this.since = this.now()
    this.acted ||= tool === undefined ||
      !(Context.get(tool.annotations, Tool.Readonly) || Context.get(tool.annotations, Tool.Idempotent))
  }

  private leave(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Exit.isSuccess(exit) ? Effect.void : this.leaveLast(exit)
  }

  private leaveLast(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.sync(() => {
      if (--this.running === 0) this.total += this.now() - this.since
      if (Exit.isSuccess(exit)) return
      for (const reason of exit.cause.reasons) {
        if (Cause.isDieReason(reason)) this.failures.add(reason.defect)
        // What the model garbled is the model's doing, whoever finds it.
        if (Cause.isFailReason(reason) && !isGarbled(reason)) this.failures.add(reason.error)
      }
    })
  }
}

type AnyResults = Stream.Stream<Tool.HandlerResult<Tool.Any>, unknown, unknown>

const A_MOMENT = 50

const isGarbled = (reason: Cause.Fail<unknown>): boolean =>
  Context.get(Cause.reasonAnnotations(reason), Toolkit.FailureOrigin) === "parameters"
