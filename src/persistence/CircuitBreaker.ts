/**
 * The `CircuitBreaker` of `effect/persistence` with this library's circuits behind it.
 *
 * It provides Effect's own service tag, so a program changes the one layer, and every `breaker.execute({ key })` and
 * `HttpClient.withCircuitBreaker` in it runs on the circuits of this library: with their windows, probes and ramps where
 * the layer asks for them, seen by the metrics, the page and the control. Under the names of `effect/persistence`, so that
 * the import alone changes; all but those of its Redis store, whose place is taken by `effect-breaker/redis`.
 *
 * **Example** (Changing the import, and nothing else)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { CircuitBreaker } from "effect-breaker/persistence"
 *
 * const Live = CircuitBreaker.layer({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "30 seconds" })
 *
 * const program = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker.CircuitBreaker
 *   const charge = Effect.fail("down").pipe(breaker.execute({ key: "payments" }))
 *   yield* Effect.ignore(charge)
 *   return yield* charge.pipe(
 *     Effect.catchReason("CircuitBreakerError", "CircuitOpen", (reason) => Effect.succeed(`${reason.key} is open`))
 *   )
 * })
 *
 * console.log(await Effect.runPromise(program.pipe(Effect.provide(Live)))) // => "payments is open"
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Peer from "effect/persistence/CircuitBreaker"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Take from "effect/Take"
import * as Breaker from "../Breaker.ts"
import { BreakerMapImpl } from "../BreakerMap.ts"
import * as CallWindow from "../CallWindow.ts"
import * as Circuit from "../Circuit.ts"
import type { CircuitRejected } from "../CircuitRejected.ts"
import { type Event, listen, type Named } from "../Event.ts"
import { Guarded } from "../Guarded.ts"
import * as Setting from "../internal/Setting.ts"
import * as Registry from "../Registry.ts"
import { settings } from "../Settings.ts"
import * as Policies from "../TripPolicy.ts"

export {
  CircuitBreaker,
  CircuitBreakerError,
  CircuitBreakerErrorReason,
  CircuitBreakerStoreError,
  CircuitHalfOpen,
  CircuitOpen,
  consecutive,
  ErrorTypeId,
  failure,
  ignored,
  type Outcome,
  rate,
  type State,
  success,
  type Transition,
  TypeId
} from "effect/persistence/CircuitBreaker"

/**
 * When a closed circuit opens: a policy of `effect/persistence`, or any of this library.
 *
 * @category models
 * @since 0.1.0
 */
export type TripPolicy = Peer.TripPolicy | Policies.TripPolicy

/**
 * How many circuits are kept, and for how long without a call (default: 100 000, and one hour).
 *
 * **Details**
 *
 * A circuit that is not closed, is throttled or has calls in flight is never let go.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  readonly idleTimeToLive?: Duration.Input | undefined
  readonly capacity?: number | undefined
}

/**
 * The settings of a breaker: those of `effect/persistence`, and those of this library's circuits.
 *
 * **Details**
 *
 * Where they say nothing, it is as with `effect/persistence`: one successful probe closes, and `maxOpenDuration` (default one
 * hour) caps a hint. A probe that does not come home within its lease (default 30 seconds) has failed. `onStoreError` may
 * stand: there is no store here that could be lost.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options
  extends Omit<Breaker.Options, "name" | "classify" | "maxRetryAfter" | "openDuration" | "tripPolicy">, StoreOptions
{
  readonly tripPolicy: TripPolicy
  readonly openDuration: NonNullable<Breaker.Options["openDuration"]>
  readonly maxOpenDuration?: Duration.Input | undefined
  readonly onStoreError?: "allow" | "fail" | undefined
}

/**
 * Makes a breaker; it is in use until its scope closes.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting. Breakers over one `layerStoreMemory` share the circuit of a key, under the
 * settings of the one that asked first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<Peer.CircuitBreaker, never, Scope.Scope> => {
  const { capacity, configure, idle } = checked(options)
  return Effect.gen(function*() {
    const scope = yield* Effect.scope
    const shared = yield* Effect.serviceOption(Circuits)
    const all = Option.isSome(shared) ? shared.value as KeyedMap : yield* circuits(idle, capacity)
    return yield* breakerOver(all, configure, scope)
  })
}

/**
 * Provides the service tag `CircuitBreaker` of `effect/persistence`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Peer.CircuitBreaker> =>
  Layer.effect(Peer.CircuitBreaker, make(options))

/**
 * The service tag of circuits that several breakers share: see `layerStoreMemory`.
 *
 * @category services
 * @since 0.1.0
 */
export class Circuits extends /*#__PURE__*/ Context.Service<Circuits, object>()(
  "effect-breaker/persistence/Circuits"
) {}

/**
 * Circuits that several breakers share: what is made over one such layer has one circuit for each key.
 *
 * **Details**
 *
 * It takes the place of the layer of the same name. A breaker needs none: without it, it has circuits of its own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStoreMemory = (options: StoreOptions = {}): Layer.Layer<Circuits> => {
  const { capacity, idle } = kept("CircuitBreaker.layerStoreMemory", options)
  return Layer.effect(Circuits, circuits(idle, capacity))
}

// ---------------------------------------------------------------------------------------------------------------------

type AnyFiber = Fiber.Fiber<unknown, unknown>
type Configure = BreakerMapImpl["configure"]

class Keyed extends Breaker.BreakerImpl {
  override refused(...args: Parameters<Breaker.BreakerImpl["refused"]>): Exit.Exit<never, CircuitRejected> {
    return Exit.mapError(super.refused(...args), errorOf) as never
  }
}

class KeyedMap extends BreakerMapImpl {
  override breaker(key: string, fiber: AnyFiber): Keyed {
    const { rules, settings } = this.configure(key)
    return new Keyed(key, settings, this.group, fiber, rules)
  }

  circuitOf(key: string, configure: Configure, fiber: AnyFiber): Keyed {
    this.configure = configure
    return this.breakerOf(key, fiber)
  }
}

const unconfigured: Configure = () => {
  throw new Error("a circuit is made by the breaker that asks for it")
}

const circuits = (idle: number, capacity: number): Effect.Effect<KeyedMap, never, Scope.Scope> =>
  Breaker.whileInUse(Effect.withFiberSucceed((fiber) => {
    const registry = fiber.getRef(Registry.Current)
    return registry.add(new KeyedMap(unconfigured, idle, capacity, registry))
  }))

const kept = (where: string, { capacity = 100_000, idleTimeToLive = 60 * 60_000 }: StoreOptions) => ({
  capacity: Setting.option(where, "capacity", Setting.count, capacity),
  idle: Setting.toMillis(Setting.option(where, "idleTimeToLive", Setting.positiveDuration, idleTimeToLive))
})

const checked = (options: Options) => {
  const where = "CircuitBreaker.make"
  const { capacity, halfOpen, idleTimeToLive, maxOpenDuration = "1 hour", onStoreError: _, tripPolicy, ...rest } =
    options
  const found = settings({
    ...rest,
    tripPolicy: tripPolicy._tag === "Rate" ? failureRate(tripPolicy) : tripPolicy,
    maxRetryAfter: Setting.option(where, "maxOpenDuration", Setting.duration, maxOpenDuration),
    halfOpen: { successes: 1, ...halfOpen }
  }, where)
  return {
    ...kept(where, { capacity, idleTimeToLive }),
    configure: (fiber: AnyFiber): Configure => {
      const same = { settings: found, rules: found.rules(fiber.context) }
      return () => same
    }
  }
}

// A threshold of zero opens at the first failure there is: a share that any failure reaches.
const failureRate = ({ minimumCalls, size, threshold }: Extract<Peer.TripPolicy, { readonly _tag: "Rate" }>) =>
  Policies.failureRate({ threshold: threshold || 1 / size, minimumCalls, window: CallWindow.lastCalls(size) })

const breakerOver = (
  all: KeyedMap,
  configureIn: (fiber: AnyFiber) => Configure,
  scope: Scope.Scope
): Effect.Effect<Peer.CircuitBreaker> =>
  Effect.withFiber((fiber) => {
    const configure = configureIn(fiber)
    const circuitOf = (key: string, fiber: AnyFiber) => all.circuitOf(key, configure, fiber)
    return Effect.map(transitionsOf(all, scope), (transitions) =>
      Peer.CircuitBreaker.of({
        [Peer.TypeId]: Peer.TypeId,
        execute: dual(2, (self: AnyEffect, { classify, key }: { readonly key: string; readonly classify?: Classify }) =>
          Effect.withFiber((fiber) => {
            const circuit = circuitOf(key, fiber)
            return classify === undefined ? circuit.guard(self) : guardWith(circuit, self, classify)
          })),
        state: (key) =>
          Effect.withFiberSucceed((fiber) => stateOf(key, all.breakers.get(key), fiber)),
        transitions
      }))
  })

type AnyEffect = Effect.Effect<unknown, unknown, unknown>
type AnyExit = Exit.Exit<unknown, unknown>
type Classify = (exit: AnyExit) => Peer.Outcome | Effect.Effect<Peer.Outcome, never, unknown>

// A classifier may be an effect, and one that dies takes the call with it: so it is with `effect/persistence`.
const guardWith = (circuit: Keyed, self: AnyEffect, classify: Classify): AnyEffect =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiber((fiber) => {
      const call = new Guarded(circuit, Effect.void, undefined).ask(fiber)
      if (call instanceof Circuit.Refusal) return circuit.refused(call, fiber)
      call.hear(fiber)
      return Effect.flatMap(Effect.exit(restore(self)), (exit) =>
        Effect.flatMap(Effect.exit(restore(classified(exit, classify))), (outcome) => {
          const settled = call.settle(exit, () =>
            outcome._tag === "Success" ? ours(outcome.value) : Peer.ignored)
          const result = outcome._tag === "Success"
            ? exit
            : Exit.failCause(exit._tag === "Failure" ? Cause.combine(exit.cause, outcome.cause) : outcome.cause)
          return settled === undefined ? result : Effect.andThen(settled, result)
        }))
    })
  )

const classified = (exit: AnyExit, classify: Classify): Effect.Effect<Peer.Outcome, never, unknown> =>
  exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause) ? Effect.succeed(Peer.ignored) : Effect.suspend(() => {
    const outcome = classify(exit)
    return Effect.isEffect(outcome) ? outcome : Effect.succeed(outcome)
  })

// An endless hint is as long as one may be.
const ours = (outcome: Peer.Outcome): Peer.Outcome =>
  outcome._tag === "Failure" && outcome.retryAfter !== undefined && !Duration.isFinite(outcome.retryAfter)
    ? { ...outcome, retryAfter: Duration.millis(Number.MAX_SAFE_INTEGER) }
    : outcome

// The refusal itself is the cause: it says more than these errors can.
const errorOf = (rejected: CircuitRejected): Peer.CircuitBreakerError => {
  const { circuit: key, reason, retryAfter } = rejected
  const limit = Error.stackTraceLimit
  try {
    Error.stackTraceLimit = 0
    const error = new Peer.CircuitBreakerError({
      reason: reason === "HalfOpen" ? new Peer.CircuitHalfOpen({ key }) : new Peer.CircuitOpen({ key, retryAfter })
    })
    return Object.defineProperty(error, "cause", { value: rejected, configurable: true, writable: true })
  } finally {
    Error.stackTraceLimit = limit
  }
}

const stateOf = (key: string, circuit: Breaker.BreakerImpl | undefined, fiber: AnyFiber): Peer.State => {
  if (circuit === undefined) return { _tag: "Closed", key }
  const read = Circuit.snapshot(circuit, circuit.now(fiber.getRef(Clock.Clock)))
  const { inFlight, openings: consecutiveOpenings, state: _tag } = read
  if (_tag === "HalfOpen") {
    const { current } = circuit.cell
    const running = current._tag === "HalfOpen" && current.stage === "Probing" ? current.running.length : inFlight
    return { _tag, key, probing: running > 0, consecutiveOpenings }
  }
  if (_tag === "Closed" && read.retryAfter === 0) return { _tag, key }
  return { _tag: "Open", key, retryAfter: Duration.millis(Math.ceil(read.retryAfter)), consecutiveOpenings }
}

const transitionsOf = (all: KeyedMap, scope: Scope.Scope): Effect.Effect<Stream.Stream<Peer.Transition>> =>
  Effect.gen(function*() {
    const pubsub = yield* PubSub.sliding<Take.Take<Peer.Transition>>(128)
    const stop = listen(all.group, (event, circuit) => {
      const transition = transitionOf(event, circuit)
      if (transition !== undefined) PubSub.publishUnsafe(pubsub, [transition])
    })
    yield* Scope.addFinalizer(scope, Effect.andThen(Effect.sync(stop), PubSub.end(pubsub, Exit.void)))
    return Stream.fromPubSubTake(pubsub)
  })

// The three steps that these types know.
const transitionOf = (event: Event, { openings }: Named): Peer.Transition | undefined => {
  if (event._tag !== "Transitioned") return undefined
  const { circuit: key, from, openFor, to } = event
  if (to === "Open" && (from === "Closed" || from === "HalfOpen")) {
    return { key, from, to, retryAfter: openFor!, consecutiveOpenings: openings }
  }
  if (from === "Open" && to === "HalfOpen") return { key, from, to }
  return from === "HalfOpen" && to === "Closed" ? { key, from, to } : undefined
}
