/**
 * The breaker: a circuit as an Effect service, asked before each call and told after it.
 *
 * `Breaker.layer` provides one, `withBreaker` puts a call under it, and `Breaker.make` makes one as a value where a
 * program has several. What a circuit does and when is told in `Circuit`; this module brings it the time, the exits of
 * calls, and people.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as Circuit from "./Circuit.ts"
import * as CircuitRejected from "./CircuitRejected.ts"
import { type Classify, Heard, outcomeOf } from "./Classify.ts"
import { type Event, eventsOf, type Listeners } from "./Event.ts"
import * as Setting from "./internal/Setting.ts"
import * as Outcome from "./Outcome.ts"
import { checkName, type Options, type Settings, settings } from "./Settings.ts"
import { Snapshot } from "./Snapshot.ts"

export type { Classify } from "./Classify.ts"
export type { Event } from "./Event.ts"
export type { Options } from "./Settings.ts"
export { Snapshot } from "./Snapshot.ts"

/**
 * The leave to make one call, for work that is not one effect.
 *
 * **Details**
 *
 * Settle it once, with what the work said. A second settle does nothing, and so does one in a later period. A permit that
 * is never settled stays in flight; as a probe it fails when its lease is over.
 *
 * @category models
 * @since 0.1.0
 */
export interface Permit {
  readonly settle: (outcome: Outcome.Outcome) => Effect.Effect<void>
  /** Settles with what an exit says, as `execute` would read it. */
  readonly settleExit: <A, E>(
    exit: Exit.Exit<A, E>,
    options?: { readonly classify?: Classify<A, E> | undefined }
  ) => Effect.Effect<void>
}

/**
 * The state of a breaker. `retryAfter` is how long until asking may help: zero when it may now.
 *
 * @category models
 * @since 0.1.0
 */
export type State = {
  readonly generation: number
  readonly since: DateTime.Utc
  readonly retryAfter: Duration.Duration
  readonly cause?: CircuitRejected.Cause | undefined
} & (
  | { readonly _tag: "Closed" | "Open" | "Isolated" }
  | { readonly _tag: "HalfOpen"; readonly stage: "Probing" | "Ramping"; readonly share?: number | undefined }
)

/**
 * Puts an effect under a breaker: `execute(effect, options?)`, `effect.pipe(execute)` or `effect.pipe(execute(options))`.
 *
 * **Details**
 *
 * It is one signature and not three, because the compiler keeps the types of a function handed to `pipe` by name only if
 * it has one. With the effect first, `classify` is checked against its value and error; in the last form it may name them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Execute<R0 = never> {
  <Arg extends Effect.Effect<unknown, unknown, unknown> | ExecuteOptions = ExecuteOptions>(
    selfOrOptions?: Arg,
    options?: Arg extends Effect.Effect<infer A, infer E, unknown> ? { readonly classify?: Classify<A, E> | undefined }
      : never
  ): [Arg] extends [Effect.Effect<infer A, infer E, infer R>]
    ? Effect.Effect<A, E | CircuitRejected.CircuitRejected, R | R0>
    : <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitRejected.CircuitRejected, R | R0>
}

/**
 * How the exit of one call is read, where that differs from the breaker's own way.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecuteOptions {
  classify?(exit: Exit.Exit<unknown, unknown>): Outcome.Outcome
}

/**
 * A circuit in front of the calls of a program.
 *
 * **Details**
 *
 * - `execute` runs an effect through it. The effect's value, typed error, defect and interruption pass unchanged; the
 *   error channel gains `CircuitRejected` and nothing else. Whoever interrupts the call gets its permit back.
 * - `admit` asks for a permit by hand, for work that is not one effect.
 * - `state` and `snapshot` read, and move nothing. `events` tells a slow reader the newest 256.
 * - `isolate` refuses every call until `release`; `reset` closes the circuit and forgets its openings; `trip` opens it by
 *   hand; `setMode` changes whether refusals are carried out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Breaker {
  readonly name: string
  readonly execute: Execute
  readonly admit: Effect.Effect<Permit, CircuitRejected.CircuitRejected>
  readonly state: Effect.Effect<State>
  readonly snapshot: Effect.Effect<Snapshot>
  readonly events: Stream.Stream<Event>
  readonly isolate: (note?: string) => Effect.Effect<void>
  readonly release: Effect.Effect<void>
  readonly reset: Effect.Effect<void>
  readonly trip: (
    options?: { readonly openFor?: Duration.Input | undefined; readonly note?: string | undefined }
  ) => Effect.Effect<void>
  readonly setMode: (mode: Circuit.Mode) => Effect.Effect<void>
}

/**
 * The service tag of the breaker that `withBreaker` uses.
 *
 * @category services
 * @since 0.1.0
 */
export const Breaker: Context.Service<Breaker, Breaker> = /*#__PURE__*/ Context.Service<Breaker>(
  "effect-breaker/Breaker"
)

/**
 * Makes a breaker.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting; it names the option, the rule and the value.
 *
 * **Example** (Two breakers in one program)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Breaker } from "effect-breaker"
 *
 * const program = Effect.gen(function*() {
 *   const openai = yield* Breaker.make({ name: "openai" })
 *   const search = yield* Breaker.make({ name: "search", openDuration: "10 seconds" })
 *
 *   const context = yield* Effect.succeed(["a page"]).pipe(search.execute())
 *   return yield* Effect.succeed(`an answer from ${context.length} page`).pipe(openai.execute())
 * })
 *
 * console.log(await Effect.runPromise(program)) // => "an answer from 1 page"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<Breaker> => {
  checkName(options.name, "Breaker.make", "name")
  const checked = settings(options)
  return Effect.withFiberSucceed((fiber) =>
    new BreakerImpl(options.name, checked, checked.rules(fiber.context), { current: undefined }, fiber)
  )
}

/**
 * Provides the breaker that `withBreaker` uses.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting. One layer value is one circuit: two calls of `layer` are two.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Breaker> => Layer.effect(Breaker, make(options))

/**
 * Provides the breaker that `withBreaker` uses, with settings read from the program's configuration.
 *
 * **Example** (The policy and the open time from environment variables)
 *
 * ```ts
 * import { Config, ConfigProvider, Effect, Schema } from "effect"
 * import { Breaker, TripPolicy } from "effect-breaker"
 *
 * const FromConfig = Breaker.layerConfig({
 *   name: Config.succeed("openai"),
 *   openDuration: Config.Duration("OPEN_FOR"),
 *   tripPolicy: Config.schema(Schema.fromJsonString(TripPolicy.TripPolicy), "TRIP_POLICY")
 * })
 *
 * const env = ConfigProvider.layer(ConfigProvider.fromUnknown({
 *   OPEN_FOR: "20 seconds",
 *   TRIP_POLICY: `{ "_tag": "Consecutive", "failures": 1 }`
 * }))
 * const state = Effect.gen(function*() {
 *   const breaker = yield* Breaker.Breaker
 *   yield* Effect.ignore(breaker.execute(Effect.fail("down")))
 *   return (yield* breaker.state)._tag
 * })
 *
 * console.log(await Effect.runPromise(state.pipe(Effect.provide(FromConfig), Effect.provide(env)))) // => "Open"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (options: Config.Wrap<Options>): Layer.Layer<Breaker, Config.ConfigError> =>
  Layer.effect(Breaker, Effect.flatMap(Config.unwrap(options), make))

/**
 * Runs an effect through the breaker in context.
 *
 * **Details**
 *
 * While the circuit is closed the effect runs and its outcome is counted. While it is open the effect does not run, and
 * the call fails at once with `CircuitRejected`.
 *
 * **Gotchas**
 *
 * Put `Effect.timeout` and the provider's own retries inside it, so that it sees one outcome per call. Put `Fallback` and
 * the retry of refusals outside.
 *
 * **Example** (Failing fast after the first failure)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Breaker, TripPolicy, withBreaker } from "effect-breaker"
 *
 * const ask = Effect.fail("529 Overloaded").pipe(
 *   withBreaker,
 *   Effect.catchTag("CircuitRejected", (refused) => Effect.succeed(`not asked: ${refused.reason}`))
 * )
 * const twice = Effect.andThen(Effect.ignore(ask), ask)
 *
 * const Live = Breaker.layer({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
 * console.log(await Effect.runPromise(twice.pipe(Effect.provide(Live)))) // => "not asked: Open"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withBreaker: Execute<Breaker> = /*#__PURE__*/ firstOrLast((self, options) =>
  Effect.withFiber((fiber) => Context.getUnsafe(fiber.context, Breaker).execute(self, options))
)

// ---------------------------------------------------------------------------------------------------------------------

type Guard = (
  self: Effect.Effect<unknown, unknown, unknown>,
  options?: { readonly classify?: Classify | undefined }
) => Effect.Effect<unknown, unknown, unknown>

// `dual` tells the two forms apart by how many arguments there are; here both may come with and without options.
/** @internal */
export function firstOrLast<F>(guard: Guard): F {
  return ((...args: ReadonlyArray<unknown>) =>
    Effect.isEffect(args[0])
      ? guard(args[0], args[1] as Parameters<Guard>[1])
      : (self: Effect.Effect<unknown, unknown, unknown>) => guard(self, args[0] as Parameters<Guard>[1])) as F
}

/** @internal */
export type AnyFiber = Fiber.Fiber<unknown, unknown>

interface Told {
  readonly refusal: Circuit.Refusal
  readonly since: DateTime.Utc
  readonly cause: CircuitRejected.Cause
}

/** @internal */
export class BreakerImpl implements Breaker {
  readonly name: string
  readonly circuit: Circuit.Circuit
  readonly execute: Breaker["execute"]
  readonly classify: Classify | undefined
  private readonly listeners: Listeners
  private clock: Clock.Clock
  // What the last refusal said of the circuit: thousands in a row say the same.
  private told: Told | undefined = undefined

  constructor(
    name: string,
    { classify, mode }: Settings,
    rules: Circuit.Rules,
    listeners: Listeners,
    fiber: AnyFiber
  ) {
    this.name = name
    this.classify = classify
    this.listeners = listeners
    this.clock = fiber.getRef(Clock.Clock)
    const now = this.now(fiber)
    const random = fiber.getRef(Random.Random)
    const state = Ref.makeUnsafe(Circuit.closed(now))
    this.circuit = Circuit.make(rules, now, {
      cell: state.ref,
      mode,
      random: () => random.nextDoubleUnsafe(),
      notify: (transition) => this.transitioned(transition)
    })
    this.execute = firstOrLast((self, options) => new Guarded(this, self, options?.classify ?? classify) as never)
  }

  get admit(): Effect.Effect<Permit, CircuitRejected.CircuitRejected> {
    return Effect.withFiber((fiber) => {
      const answer = this.ask(fiber)
      if (answer instanceof Circuit.Refusal) return this.refused(answer)
      return Effect.succeed<Permit>({
        settle: (outcome) => Effect.withFiberSucceed((fiber) => this.settle(answer, outcome, fiber)),
        settleExit: (exit, options) =>
          Effect.withFiber((fiber) =>
            this.settleExit(answer, exit, (options?.classify ?? this.classify) as Classify | undefined, fiber) ??
              Effect.void
          )
      })
    })
  }

  get state(): Effect.Effect<State> {
    return Effect.map(this.snapshot, ({ cause, generation, retryAfter, share, since, stage, state }): State => {
      const common = { generation, since, retryAfter, cause }
      return state === "HalfOpen" ? { ...common, _tag: state, stage: stage!, share } : { ...common, _tag: state }
    })
  }

  get snapshot(): Effect.Effect<Snapshot> {
    return Effect.withFiberSucceed((fiber) => {
      const now = this.now(fiber)
      const read = Circuit.snapshot(this.circuit, now)
      return new Snapshot({
        ...read,
        name: this.name,
        since: this.timeOf(read.since),
        retryAfter: Duration.millis(Math.ceil(read.retryAfter)),
        cause: read.cause && this.causeOf(read.cause),
        lastFailure: read.lastFailure && this.failureOf(read.lastFailure)
      })
    })
  }

  get events(): Stream.Stream<Event> {
    return eventsOf(this.listeners)
  }

  get isolate(): Breaker["isolate"] {
    return (note) => this.command(() => ({ _tag: "Isolate", note }))
  }

  get release(): Effect.Effect<void> {
    return this.command(() => ({ _tag: "Release" }))
  }

  get reset(): Effect.Effect<void> {
    return this.command(() => ({ _tag: "Reset" }))
  }

  get trip(): Breaker["trip"] {
    return (options) => {
      const openFor = options?.openFor === undefined
        ? undefined
        : Setting.durationMillis("Breaker.trip", "openFor", options.openFor)
      return this.command(() => ({ _tag: "Trip", openFor, note: options?.note }))
    }
  }

  get setMode(): Breaker["setMode"] {
    return (mode) =>
      this.command(() => {
        this.emit(() => ({ _tag: "ModeChanged", circuit: this.name, at: this.wall(), mode }))
        return { _tag: "SetMode", mode }
      })
  }

  ask(fiber: AnyFiber): Circuit.Permit | Circuit.Refusal {
    return Circuit.admit(this.circuit, Circuit.readsTime(this.circuit) ? this.now(fiber) : 0)
  }

  settle(permit: Circuit.Permit, outcome: Outcome.Outcome, fiber: AnyFiber): void {
    const timed = outcome._tag !== "Success" || Circuit.readsTime(this.circuit)
    Circuit.settle(this.circuit, permit, outcome, timed ? this.now(fiber) : 0)
    if (outcome._tag !== "Throttled" || this.listeners.current === undefined) return
    const retryAfter = outcome.retryAfter ?? Duration.millis(this.circuit.rules.throttleDuration)
    this.emit(() => ({ _tag: "Throttled", circuit: this.name, at: this.wall(), retryAfter }))
  }

  settleExit(
    permit: Circuit.Permit,
    exit: Exit.Exit<unknown, unknown>,
    classify: Classify | undefined,
    fiber: AnyFiber
  ): Effect.Effect<void> | undefined {
    if (classify === undefined && exit._tag === "Success") {
      this.settle(permit, Outcome.success, fiber)
      return undefined
    }
    const [outcome, complaint] = outcomeOf(exit, classify, this.name)
    const heard = fiber.getRef(Heard)
    if (heard !== undefined) heard.outcome = outcome
    this.settle(permit, outcome, fiber)
    return complaint
  }

  refused(refusal: Circuit.Refusal): Exit.Exit<never, CircuitRejected.CircuitRejected> {
    let told = this.told
    if (told === undefined || told.refusal.cause !== refusal.cause || told.refusal.since !== refusal.since) {
      told = this.told = { refusal, since: this.timeOf(refusal.since), cause: this.causeOf(refusal.cause) }
    }
    const error = CircuitRejected.make({
      circuit: this.name,
      reason: refusal.reason,
      retryAfter: Duration.millis(Math.ceil(refusal.retryAfter)),
      since: told.since,
      generation: refusal.generation,
      cause: told.cause
    })
    this.emit(() => ({ _tag: "Rejected", circuit: this.name, at: this.wall(), error }))
    return Exit.fail(error)
  }

  private now(fiber: AnyFiber): number {
    this.clock = fiber.getRef(Clock.Clock)
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }

  private command(order: () => Circuit.Command): Effect.Effect<void> {
    return Effect.withFiberSucceed((fiber) => {
      const now = this.now(fiber)
      Circuit.command(this.circuit, order(), now)
    })
  }

  private transitioned({ at, cause, from, generation, openFor, share, to }: Circuit.Transition): void {
    this.emit(() => ({
      _tag: "Transitioned",
      circuit: this.name,
      at: this.timeOf(at),
      from,
      to,
      generation,
      cause: cause && this.causeOf(cause),
      openFor: openFor === undefined ? undefined : Duration.millis(openFor),
      share
    }))
  }

  private emit(event: () => Event): void {
    if (this.listeners.current === undefined) return
    const happened = event()
    for (const listen of this.listeners.current) listen(happened)
  }

  private wall(): DateTime.Utc {
    return DateTime.makeUnsafe(this.clock.currentTimeMillisUnsafe())
  }

  // The machine counts monotonic time; people read the wall's. The age is what both agree on.
  private timeOf(time: number): DateTime.Utc {
    const age = Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000 - time
    return DateTime.makeUnsafe(Math.round(this.clock.currentTimeMillisUnsafe() - age))
  }

  private causeOf(cause: Circuit.Cause): CircuitRejected.Cause {
    return { ...cause, failure: cause.failure && this.failureOf(cause.failure) }
  }

  private failureOf(failure: Circuit.LastFailure): CircuitRejected.Failure {
    return { ...failure, at: this.timeOf(failure.at) }
  }
}

/**
 * An effect under a breaker. Every run of it makes one `Call`, and the call asks *inside* the frame that settles it: a
 * fiber may give way between any two steps, and a permit taken before the frame stands would be lost to an interrupt.
 *
 * @internal
 */
export class Guarded {
  readonly breaker: BreakerImpl
  readonly self: Effect.Effect<unknown, unknown, unknown>
  readonly classify: Classify | undefined
  constructor(breaker: BreakerImpl, self: Guarded["self"], classify: Classify | undefined) {
    this.breaker = breaker
    this.self = self
    this.classify = classify
  }
  static {
    Object.setPrototypeOf(
      Guarded.prototype,
      Effectable.Prototype<Effect.Effect<unknown, unknown, unknown>>({
        label: "Guarded",
        evaluate(fiber) {
          const call = new Call(this as never, fiber)
          return Effect.onExitPrimitive(call as never, (exit) => call.settle(exit))
        }
      })
    )
  }
}

class Call {
  readonly guarded: Guarded
  readonly fiber: AnyFiber
  permit: Circuit.Permit | undefined = undefined
  constructor(guarded: Guarded, fiber: AnyFiber) {
    this.guarded = guarded
    this.fiber = fiber
  }

  settle(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> | undefined {
    const { guarded: { breaker, classify }, permit } = this
    return permit === undefined ? undefined : breaker.settleExit(permit, exit, classify, this.fiber)
  }

  static {
    Object.setPrototypeOf(
      Call.prototype,
      Effectable.Prototype<Effect.Effect<unknown, unknown, unknown>>({
        label: "Call",
        evaluate(fiber) {
          const call = this as never as Call
          const answer = call.guarded.breaker.ask(fiber)
          if (answer instanceof Circuit.Refusal) return call.guarded.breaker.refused(answer)
          call.permit = answer
          return call.guarded.self
        }
      })
    )
  }
}
