/**
 * A log of what happens at every circuit of a program: each change of state once, with its cause and its figures.
 *
 * A circuit tells what happens in the midst of a move, so all that is done there is to put it in a queue. One fiber takes
 * it out and logs it: a slow logger holds up no call, and the queue does not grow.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { monotonic } from "../Breaker.ts"
import { type Event, listen } from "../Event.ts"
import * as Setting from "../internal/Setting.ts"
import * as Registry from "../Registry.ts"
import { LineLimit } from "./LineLimit.ts"
import * as LogLine from "./LogLine.ts"

/**
 * What is logged, and how much of it.
 *
 * **Details**
 *
 * - `messages`: the text of the last failure too, in the line and as the field `error` (default: never). It is the text of
 *   an error of the program's, and may hold a key, a question or an answer.
 * - `linesPerCircuit`: how many lines of one circuit a minute may hold (default 20), and `lines` how many of all circuits
 *   (default 200). At the end of the minute one line for each such circuit says how many were left out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly messages?: boolean | undefined
  readonly linesPerCircuit?: number | undefined
  readonly lines?: number | undefined
}

/**
 * Logs what happens at every circuit of the program, through the loggers and the log level that the layer is given.
 *
 * **Details**
 *
 * - A `Warn` is an opening, a further one, or an isolation; `Info` is a closing, a pause that the provider asked for, and an
 *   operator's order; `Debug` is a probe, and a step of the ramp.
 * - Refused calls are not logged one by one: the line of a closing, or of a further opening, says how many there were.
 * - A pause that is lengthened while it lasts is one pause, and one line.
 *
 * **Gotchas**
 *
 * Loggers that are merged beside it are not its loggers: provide them to it, `Layer.provide(BreakerLog.layer(), loggers)`, or
 * to the program as a whole. Two such layers are two logs.
 *
 * Throws a `RangeError` at once for a bad setting.
 *
 * **Example** (A line for an opening)
 *
 * ```ts
 * import { Effect, Layer, Logger } from "effect"
 * import { Breaker } from "effect-breaker"
 * import { BreakerLog } from "effect-breaker/metrics"
 *
 * const lines: Array<unknown> = []
 * const loggers = Logger.layer([Logger.make(({ message }) => lines.push(message))])
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* Breaker.make({ name: "openai" })
 *   for (let i = 0; i < 5; i++) yield* Effect.ignore(breaker.execute(Effect.fail("529 Overloaded")))
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(BreakerLog.layer()), Effect.provide(loggers)))
 * console.log(lines.flat()) // => [`Circuit "openai" opened for 1 minute: 5 failures in a row (limit 5).`]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<never> => {
  const { lines = 200, linesPerCircuit = 20, messages = false } = options
  Setting.option(where, "linesPerCircuit", Setting.count, linesPerCircuit)
  Setting.option(where, "lines", Setting.count, lines)
  Setting.option(where, "messages", Setting.flag, messages)
  return Layer.effectDiscard(Effect.suspend(() => logging(messages, new LineLimit(linesPerCircuit, lines))))
}

// ---------------------------------------------------------------------------------------------------------------------

const where = "BreakerLog.layer"

const CAPACITY = 256

interface Entry extends LogLine.Heard {
  readonly circuit: Registry.Named
}

const logging = (
  errors: boolean,
  limit: LineLimit<Registry.Named>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const queue = yield* Queue.sliding<Entry>(CAPACITY)
    const ear = new Ear(queue)
    // What is logged belongs to no span: the one that this was built in is over before long.
    const context = Context.omit(Tracer.ParentSpan)(yield* Effect.context<never>())
    const own = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.updateContext(effect, (_: Context.Context<never>) => context)

    const write = ({ circuit, ...heard }: Entry): Effect.Effect<void> => {
      const { fields, level, message } = LogLine.of(heard, errors)
      return Effect.withFiber((fiber) =>
        Effect.flatMap(LogLevel.isEnabled(level), (isEnabled) =>
          // A line that nobody sees takes no room from the others.
          isEnabled && limit.take(circuit, monotonic(fiber)) ? log(level, message, fields) : Effect.void)
      )
    }
    const summarize: Effect.Effect<void> = Effect.suspend(() => {
      const { of, others } = limit.drain()
      const all = others > 0 ? [log("Warn", `${lines(others)}, over all circuits.`, { leftOut: others })] : []
      for (const [circuit, leftOut] of of) {
        const { name, cell: { current: { _tag: state } } } = circuit
        const message = `${LogLine.named(name)} changes often: ${lines(leftOut)}. Now it is ${stateWords[state]}.`
        all.push(log("Warn", message, { circuit: name, state, leftOut }))
      }
      return Effect.all(all, { discard: true })
    })
    const next = Effect.uninterruptible(Effect.withFiber((fiber) => {
      const due = monotonic(fiber) >= limit.dueAt ? summarize : Effect.void
      const lost = ear.lost === 0 ? Effect.void : log("Warn", lostWords(ear.lost), { lost: ear.lost })
      ear.lost = 0
      const entry = ear.take()
      return Effect.andThen(due, Effect.andThen(lost, entry === undefined ? Effect.void : write(entry)))
    }))
    const wait = Effect.withFiber((fiber): Effect.Effect<unknown> => {
      const left = limit.dueAt - monotonic(fiber)
      return left === Infinity ? Queue.peek(queue) : Effect.timeoutOption(Queue.peek(queue), Math.max(left, 0))
    })

    // In this order: when the scope closes, nobody is heard any more, then what is left is logged.
    yield* Effect.addFinalizer(() =>
      own(Effect.andThen(
        Effect.whileLoop({ while: () => Queue.sizeUnsafe(queue) > 0, body: () => next, step: () => {} }),
        summarize
      ))
    )
    yield* Effect.forkScoped(own(Effect.forever(Effect.andThen(wait, next))))
    const registry = yield* Registry.Current
    yield* Effect.acquireRelease(Effect.sync(() => listen(registry, ear.listener)), Effect.sync)
  })

const stateWords = { Closed: "closed", Open: "open", HalfOpen: "half-open", Isolated: "isolated" }

const lines = (leftOut: number): string => `${LogLine.count(leftOut, "line")} left out in the last minute`

const lostWords = (lost: number): string =>
  `${LogLine.count(lost, "event")} of circuits passed unlogged: they came faster than they could be logged.`

// A logger that throws must not end the log.
const log = (level: LogLevel.Severity, message: string, fields: LogLine.Line["fields"]): Effect.Effect<void> =>
  Effect.catchCause(Effect.annotateLogs(Effect.logWithLevel(level)(message), fields), () => Effect.void)

/** What a circuit tells is heard here, in the midst of its move: nothing in here may throw, wait or ask back. */
class Ear {
  /** Events that were pushed out of the queue before they were logged. */
  lost = 0
  private readonly queue: Queue.Queue<Entry>
  /** The newest in the queue, while it is there. */
  private newest: Entry | undefined
  /** When a circuit was last closed, and what it had counted then. */
  private readonly downs = new WeakMap<Registry.Named, { readonly at: number } & Omit<LogLine.Down, "downFor">>()
  /** The pause of which a circuit has told already. */
  private readonly pauses = new WeakMap<Registry.Named, number>()
  readonly listener = (event: Event, circuit: Registry.Named): void => this.hear(event, circuit)

  constructor(queue: Queue.Queue<Entry>) {
    this.queue = queue
  }

  take(): Entry | undefined {
    const exit = Queue.takeUnsafe(this.queue)
    const entry = exit?._tag === "Success" ? exit.value : undefined
    if (entry === this.newest) this.newest = undefined
    return entry
  }

  private hear(event: Event, circuit: Registry.Named): void {
    if ("error" in event) return
    if (event._tag === "Throttled") {
      if (this.pauses.get(circuit) === circuit.gateSince) return
      this.pauses.set(circuit, circuit.gateSince)
    }
    // An order is told after the transition that it brings about: the two are one line.
    const { newest } = this
    if (event._tag === "Commanded" && newest?.circuit === circuit && isOf(newest, event)) {
      newest.order = event
      return
    }
    const down = event._tag === "Transitioned" ? this.downOf(event, circuit) : undefined
    const { cell: { current: state }, mode } = circuit
    const isIsolated = state._tag === "Isolated" && !("pause" in event) &&
      (event._tag === "Transitioned" || ("command" in event && event.command === "Isolate"))
    const isolatedFor = isIsolated ? Math.round(state.until - event.at) : undefined
    if (Queue.isFullUnsafe(this.queue)) this.lost++
    Queue.offerUnsafe(this.queue, this.newest = { circuit, event, mode, down, isolatedFor, order: undefined })
  }

  private downOf({ at, from, to }: LogLine.Transitioned, circuit: Registry.Named): LogLine.Down | undefined {
    const { rejected, wouldReject } = circuit.counts
    const since = this.downs.get(circuit)
    if (from === "Closed") {
      if (to !== "Closed") this.downs.set(circuit, { at, refused: rejected, wouldReject })
      return undefined
    }
    return since && {
      downFor: Math.round(at - since.at),
      refused: rejected - since.refused,
      wouldReject: wouldReject - since.wouldReject
    }
  }
}

const isOf = ({ event, order }: LogLine.Heard, { command }: LogLine.Commanded): boolean => {
  if (event._tag !== "Transitioned" || order !== undefined) return false
  const { cause, from, to } = event
  return command === "Isolate"
    ? to === "Isolated"
    : command === "Trip"
    ? to === "Open" && cause?.rule === "manual"
    : to === "Closed" && (command === "Reset" || (command === "Release" && from === "Isolated"))
}
