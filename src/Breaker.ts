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
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Circuit from "./Circuit.ts"
import * as CircuitRejected from "./CircuitRejected.ts"
import type { Classify } from "./Classify.ts"
import { type Event, eventsOf, type Happening } from "./Event.ts"
import { type Execute, firstOrLast } from "./Execute.ts"
import { type Call, Guarded, type Owner } from "./Guarded.ts"
import * as Setting from "./internal/Setting.ts"
import type * as Outcome from "./Outcome.ts"
import * as Registry from "./Registry.ts"
import { Mode, Name, type Options, type Settings, settings } from "./Settings.ts"
import { Snapshot } from "./Snapshot.ts"
import * as Trace from "./Trace.ts"

export type { Classify } from "./Classify.ts"
export type { Event } from "./Event.ts"
export type { Execute, ExecuteOptions } from "./Execute.ts"
export type { Options } from "./Settings.ts"
export { Snapshot } from "./Snapshot.ts"

/**
 * The leave to make one call, for work that is not one effect.
 *
 * **Details**
 *
 * Settle it once, with what the work said. A second settle does nothing, and so does one in a later period. A permit that
 * is never settled stays in flight; as a probe it fails when its lease is over. `measured` tells the metrics what was
 * measured of an answer, where there are any.
 *
 * @category models
 * @since 0.1.0
 */
export interface Permit {
  /**
   * The call gave its first sign of life, such as the first content of a stream: from now on it does not hang, and it was
   * slow if this took longer than `slowAfter`, however long the rest takes.
   */
  readonly answered: Effect.Effect<void>
  readonly settle: (outcome: Outcome.Outcome) => Effect.Effect<void>
  /** Settles with what an exit says, as `execute` would read it. */
  readonly settleExit: <A, E>(
    exit: Exit.Exit<A, E>,
    options?: { readonly classify?: Classify<A, E> | undefined }
  ) => Effect.Effect<void>
  readonly measured?: ((figures: Circuit.Figures) => void) | undefined
}

/**
 * The state of a breaker.
 *
 * **Details**
 *
 * `retryAfter` is how long until asking may help: zero when it may now. `since` is in milliseconds since the epoch.
 * `stage`, and in a ramp `share`, are there while it is `HalfOpen`; `cause` while it is not `Closed`.
 *
 * @category models
 * @since 0.1.0
 */
export interface State {
  readonly _tag: Circuit.State["_tag"]
  readonly stage: "Probing" | "Ramping" | undefined
  readonly share: number | undefined
  readonly generation: number
  readonly since: number
  readonly retryAfter: Duration.Duration
  readonly cause: Circuit.Cause | undefined
}

/**
 * A circuit in front of the calls of a program.
 *
 * **Details**
 *
 * - `execute` runs an effect through it. The effect's value, typed error, defect and interruption pass unchanged; the
 *   error channel gains `CircuitRejected` and nothing else. Whoever interrupts the call gets its permit back.
 * - `admit` asks for a permit by hand, for work that is not one effect.
 * - `refusal` tells what an ask would be refused with as the circuit stands, without asking; `undefined` where it would be
 *   admitted.
 * - `state` and `snapshot` read, and move nothing. `events` tells a slow reader the newest 256.
 * - `isolate` refuses every call until `release`, or for a while: then the circuit goes on in the state that was
 *   interrupted, an opening with what is left of it. `release` closes it; `reset` closes the circuit and forgets its
 *   openings; `trip` opens it by hand; `setMode` changes whether refusals are carried out. `release` and `reset` are effects
 *   as they stand, and say nobody's name: where that matters give the order through `CircuitControl`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Breaker {
  readonly name: string
  readonly execute: Execute
  readonly admit: Effect.Effect<Permit, CircuitRejected.CircuitRejected>
  readonly refusal: Effect.Effect<CircuitRejected.CircuitRejected | undefined>
  readonly state: Effect.Effect<State>
  readonly snapshot: Effect.Effect<Snapshot>
  readonly events: Stream.Stream<Event>
  readonly isolate: (options?: string | IsolateOptions) => Effect.Effect<void>
  readonly release: Effect.Effect<void>
  readonly reset: Effect.Effect<void>
  readonly trip: (options?: TripOptions) => Effect.Effect<void>
  readonly setMode: (mode: Circuit.Mode, reason?: Reason) => Effect.Effect<void>
}

/**
 * Why an order is given (`note`), and by whom: told in the events and in the log, and in the cause of an isolation and an
 * opening.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reason {
  readonly note?: string | undefined
  readonly by?: string | undefined
}

/**
 * How a breaker is isolated: why, by whom, and `for` how long; without that, until it is released.
 *
 * @category models
 * @since 0.1.0
 */
export interface IsolateOptions extends Reason {
  readonly for?: Duration.Input | undefined
}

/**
 * How a breaker is opened by hand: why, by whom, and for how long (`openFor`, by default its `tripDuration`).
 *
 * @category models
 * @since 0.1.0
 */
export interface TripOptions extends Reason {
  readonly openFor?: Duration.Input | undefined
}

/**
 * What a layer may be given besides the settings of its circuits.
 *
 * **Details**
 *
 * `healthCheck` runs as long as the layer is in use, and is told the layer's circuits: `HealthCheck.make` of
 * `effect-breaker/control` gives one, which ends openings early without risking users' calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface Beside<R = never> {
  readonly healthCheck?:
    | ((circuits: () => Iterable<CircuitInUse>) => Effect.Effect<unknown, never, R | Scope.Scope>)
    | undefined
}

/**
 * A circuit that a layer made, for who looks after it: what can be read of it, and what can be ordered.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitInUse extends Circuit.Circuit {
  readonly name: string
  now(clock: Clock.Clock): number
  command(order: Circuit.Command): Effect.Effect<void>
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
  Setting.option("Breaker.make", "name", Name, options.name)
  const checked = settings(options)
  return Effect.withFiberSucceed((fiber) => {
    const registry = fiber.getRef(Registry.Current)
    const group = { current: undefined, registry }
    return registry.add(new BreakerImpl(options.name, checked, group, fiber, checked.rules(fiber.context)))
  })
}

/**
 * Provides the breaker that `withBreaker` uses.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting. One layer value is one circuit where it is built once, as Effect does within one
 * `provide` or runtime: two calls of `layer` are two circuits, and so is one that is provided anew for each request, which forgets.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(options: Options & Beside<R>): Layer.Layer<Breaker, never, Exclude<R, Scope.Scope>> =>
  Layer.effect(Breaker, /*#__PURE__*/ whileInUse(make(options), options))

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
export const layerConfig = <R = never>(
  options: Config.Wrap<Options>,
  beside?: Beside<R>
): Layer.Layer<Breaker, Config.ConfigError, Exclude<R, Scope.Scope>> =>
  Layer.effect(Breaker, whileInUse(Effect.flatMap(Config.unwrap(options), make), beside))

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

type AnyFiber = Fiber.Fiber<unknown, unknown>
type AnyEffect = Effect.Effect<unknown, unknown, unknown>

// As an integer of 64 bits it becomes a number without a call into the runtime.
const millisOf = (clock: Clock.Clock): number => Number(BigInt.asIntN(64, clock.monotonicTimeNanosUnsafe())) / 1_000_000

/** @internal What a layer made is in the registry while it is in use, and what runs beside it runs as long. */
export const whileInUse = <A, E, R = never>(
  made: Effect.Effect<A, E>,
  beside?: Beside<R>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.tap(
    Effect.acquireRelease(
      made,
      (source) => Effect.withFiberSucceed((fiber) => fiber.getRef(Registry.Current).remove(source as never))
    ),
    (source) => beside?.healthCheck?.(() => (source as never as BreakerImpl).circuits()) ?? Effect.void
  )

/** @internal Milliseconds of the monotonic clock. */
export const monotonic = (fiber: AnyFiber): number => millisOf(fiber.getRef(Clock.Clock))

/** @internal */
export class BreakerImpl extends Circuit.Circuit implements Breaker, Owner {
  readonly name: string
  settings: Settings
  declare meter: Circuit.Meter | undefined
  /** When a map last gave it out. */
  usedAt = 0
  readonly group: Registry.Group
  private readonly source: typeof Random.Random["Service"]
  // What turns the monotonic clock's time into the wall's, as of when the breaker was made: the machine counts in it, so
  // that every time it tells can be shown, and a wall clock that is set later moves nothing.
  readonly origin: number

  constructor(name: string, settings: Settings, group: Registry.Group, fiber: AnyFiber, rules: Circuit.Rules) {
    const clock = fiber.getRef(Clock.Clock)
    const now = clock.currentTimeMillisUnsafe()
    super(rules, now, settings.mode, Ref.makeUnsafe<Circuit.State>(Circuit.closed(now)).ref)
    this.name = name
    this.settings = settings
    this.group = group
    this.source = fiber.getRef(Random.Random)
    this.origin = now - millisOf(clock)
    this.meter = group.registry.meterOf?.(this)
  }

  circuits(): ReadonlyArray<this> {
    return [this]
  }

  override random(): number {
    return this.source.nextDoubleUnsafe()
  }

  override notify({ openFor, ...transition }: Circuit.Transition): void {
    this.emit({ ...transition, _tag: "Transitioned", openFor: openFor === undefined ? undefined : duration(openFor) })
  }

  override paused(cause: Circuit.Cause, at: number): void {
    this.emit({ _tag: "Throttled", at, pause: duration(cause.value), cause })
  }

  override spared(refusal: Circuit.Refusal): void {
    if (this.group.current !== undefined) this.emit({ _tag: "WouldReject", error: this.errorOf(refusal) })
  }

  ask(now: number, maker: Circuit.Maker): Circuit.Permit | Circuit.Refusal {
    return Circuit.admit(this, now, maker)
  }

  settle(permit: Circuit.Permit, outcome: Outcome.Outcome, now: number): void {
    Circuit.settle(this, permit, outcome, now)
  }

  get execute(): Execute {
    return firstOrLast((self, options) => this.guard(self, options?.classify))
  }

  guard(self: AnyEffect, classify = this.settings.classify): AnyEffect {
    return new Guarded(this, self, classify) as never
  }

  get admit(): Breaker["admit"] {
    return Effect.withFiber((fiber) => {
      const call = new Guarded(this, Effect.void, this.settings.classify).ask(fiber)
      return call instanceof Circuit.Refusal ? this.refused(call, fiber) : Effect.succeed(this.permitOf(call))
    })
  }

  permitOf(call: Call): Permit {
    let settled = false
    const settle = (exit: Exit.Exit<unknown, unknown>, classify: Classify | undefined) =>
      Effect.withFiber((fiber) => {
        if (settled) return Effect.void
        settled = true
        call.hear(fiber)
        return call.settle(exit, classify) ?? Effect.void
      })
    return {
      answered: Effect.sync(() => this.answer(call, call.now())),
      measured: (figures) => this.meter?.measured?.(figures),
      settle: (outcome) => settle(Exit.void, () => outcome),
      settleExit: (exit, options) => settle(exit, (options?.classify ?? this.settings.classify) as Classify)
    }
  }

  answer(permit: Circuit.Permit, now: number): void {
    Circuit.answer(this, permit, now)
  }

  get refusal(): Breaker["refusal"] {
    return Effect.withFiberSucceed((fiber) => {
      const refusal = this.mode === "enforce" ? Circuit.refusal(this, this.now(fiber.getRef(Clock.Clock))) : undefined
      return refusal && this.errorOf(refusal)
    })
  }

  get state(): Breaker["state"] {
    return Effect.map(this.snapshot, (read) => ({
      _tag: read.state,
      stage: read.stage,
      share: read.share,
      generation: read.generation,
      since: read.since,
      retryAfter: read.retryAfter,
      cause: read.cause
    }))
  }

  get snapshot(): Breaker["snapshot"] {
    return this.with((now) => {
      const read = Circuit.snapshot(this, now)
      return new Snapshot({ ...read, name: this.name, retryAfter: duration(read.retryAfter) })
    })
  }

  get events(): Breaker["events"] {
    return Stream.filter(eventsOf(this.group), ({ circuit }) => circuit === this.name)
  }

  get isolate(): Breaker["isolate"] {
    return (options) => {
      const { for: lasts, ...said } = typeof options === "string" ? { note: options } : options ?? {}
      return this.command({
        _tag: "Isolate",
        ...said,
        for: Setting.millisOf("Breaker.isolate", "for", lasts)
      })
    }
  }

  get release(): Breaker["release"] {
    return this.command({ _tag: "Release" })
  }

  get reset(): Breaker["reset"] {
    return this.command({ _tag: "Reset" })
  }

  get trip(): Breaker["trip"] {
    return ({ openFor, ...said } = {}) =>
      this.command({
        _tag: "Trip",
        ...said,
        openFor: Setting.millisOf("Breaker.trip", "openFor", openFor)
      })
  }

  get setMode(): Breaker["setMode"] {
    return (mode, said) =>
      this.command({ _tag: "SetMode", ...said, mode: Setting.option("Breaker.setMode", "mode", Mode, mode) })
  }

  refused(
    refusal: Circuit.Refusal,
    fiber: AnyFiber,
    meter = this.meter
  ): Exit.Exit<never, CircuitRejected.CircuitRejected> {
    const error = this.errorOf(refusal)
    meter?.saved?.()
    if (this.group.current !== undefined) this.emit({ _tag: "Rejected", error })
    Trace.refused(fiber, this, error)
    return Exit.fail(error)
  }

  /** Whether nothing would be lost with it: closed, not throttled, in its own mode, and with no call in flight. */
  isIdle(fiber: AnyFiber): boolean {
    return this.cell.current._tag === "Closed" && this.counts.inFlight === 0 && this.mode === this.settings.mode &&
      this.gateUntil <= this.now(fiber.getRef(Clock.Clock))
  }

  now(clock: Clock.Clock): number {
    return this.origin + millisOf(clock)
  }

  errorOf(refusal: Circuit.Refusal): CircuitRejected.CircuitRejected {
    return CircuitRejected.make(this.name, refusal, duration(refusal.retryAfter))
  }

  private with<A>(f: (now: number) => A): Effect.Effect<A> {
    return Effect.withFiberSucceed((fiber) => f(this.now(fiber.getRef(Clock.Clock))))
  }

  command(order: Circuit.Command): Effect.Effect<void> {
    return this.with((now) => {
      Circuit.command(this, order, now)
      this.commanded(order, now)
    })
  }

  commanded(order: Circuit.Command, at: number): void {
    const { _tag: command, by, note } = order
    // Nobody ordered what a check found.
    if (command === "Pass") return
    this.emit({ _tag: "Commanded", at, command, mode: command === "SetMode" ? order.mode : undefined, note, by })
  }

  emit(event: Happening): void {
    const { current, registry } = this.group
    const said = { circuit: this.name, ...event }
    current?.forEach((listen) => listen(said, this))
    if (!("error" in event)) registry.current?.forEach((listen) => listen(said, this))
  }
}

// Rounded up: whoever comes back after it must not come a moment too early.
const duration = (millis: number): Duration.Duration => Duration.millis(Math.ceil(millis))
