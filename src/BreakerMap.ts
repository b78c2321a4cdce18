/**
 * Circuits by key: one for each model, tenant or host, made when it is first asked for.
 *
 * All circuits of a map share their settings and one stream of events, so an idle one costs a few hundred bytes. Circuits
 * that nobody asks for are let go, lazily: there is no timer. A circuit that is not closed, is throttled, runs in another
 * mode than it was made with, or has calls in flight is never let go, whatever the limits say.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Breaker from "./Breaker.ts"
import type * as Circuit from "./Circuit.ts"
import type { CircuitRejected } from "./CircuitRejected.ts"
import { eventsOf } from "./Event.ts"
import { firstOrLast } from "./Execute.ts"
import * as Setting from "./internal/Setting.ts"
import * as Registry from "./Registry.ts"
import { isName, Name, type Settings, settings } from "./Settings.ts"
import type { Snapshot } from "./Snapshot.ts"

/**
 * The settings of the circuits of a map: those of a breaker, but for its name, which is the key.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy = Omit<Breaker.Options, "name">

/**
 * The settings of a map.
 *
 * **Details**
 *
 * One policy for all circuits, or `lookup`, which is asked once for each new key and adds to it. A circuit that was not
 * asked for during `idleTimeToLive` (default one hour) is let go; so is the one longest unused where there are more than
 * `capacity` (default 100 000).
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Policy {
  readonly lookup?: ((key: string) => Policy) | undefined
  readonly idleTimeToLive?: Duration.Input | undefined
  readonly capacity?: number | undefined
}

/**
 * Which circuit a call goes through, and how its exit is read there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Keyed<A, E> {
  readonly key: string
  readonly classify?: Breaker.Classify<A, E> | undefined
}

/**
 * Circuits by key.
 *
 * **Details**
 *
 * `get` gives the circuit of a key, made now if need be. `execute` runs an effect through it. `snapshots` reads all, and
 * `events` tells what happens at any of them.
 *
 * **Gotchas**
 *
 * Get it anew for each call: one that was kept may have been let go, and the key have a new one.
 *
 * @category models
 * @since 0.1.0
 */
export interface BreakerMap {
  readonly get: (key: string) => Effect.Effect<Breaker.Breaker>
  readonly execute: {
    <A, E, R>(self: Effect.Effect<A, E, R>, options: Keyed<A, E>): Effect.Effect<A, E | CircuitRejected, R>
    <A, E>(options: Keyed<A, E>): <R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitRejected, R>
  }
  readonly snapshots: Effect.Effect<ReadonlyArray<Snapshot>>
  readonly events: Stream.Stream<Breaker.Event>
}

/**
 * The service tag of a map of breakers.
 *
 * @category services
 * @since 0.1.0
 */
export const BreakerMap: Context.Service<BreakerMap, BreakerMap> = /*#__PURE__*/ Context.Service<BreakerMap>(
  "effect-breaker/BreakerMap"
)

/**
 * Makes a map of breakers, from one policy or from a function of the key.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting. What `lookup` gives is checked when its key is first asked for: a bad
 * setting there is a defect of that call.
 *
 * **Example** (One circuit for each model)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { BreakerMap, TripPolicy } from "effect-breaker"
 *
 * const program = Effect.gen(function*() {
 *   const models = yield* BreakerMap.make({ tripPolicy: TripPolicy.consecutive(1) })
 *
 *   yield* Effect.fail("529 Overloaded").pipe(models.execute({ key: "large" }), Effect.ignore)
 *   yield* Effect.succeed("an answer").pipe(models.execute({ key: "small" }))
 *
 *   return (yield* models.snapshots).map(({ name, state }) => `${name}: ${state}`)
 * })
 *
 * console.log(await Effect.runPromise(program)) // => ["large: Open", "small: Closed"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options | ((key: string) => Policy) = {}): Effect.Effect<BreakerMap> => {
  const where = "BreakerMap.make"
  const { capacity = 100_000, idleTimeToLive = 60 * 60_000, lookup, ...policy } = typeof options === "function"
    ? { lookup: options }
    : options
  const idle = Setting.toMillis(Setting.option(where, "idleTimeToLive", Setting.positiveDuration, idleTimeToLive))
  Setting.option(where, "capacity", Setting.count, capacity)
  const shared = settings(policy, where)
  return Effect.withFiberSucceed((fiber) => {
    const same = { settings: shared, rules: shared.rules(fiber.context) }
    const configure = lookup === undefined ? () => same : (key: string) => {
      const own = settings({ ...policy, ...lookup(key) }, where)
      return { settings: own, rules: own.rules(fiber.context) }
    }
    const registry = fiber.getRef(Registry.Current)
    return registry.add(new BreakerMapImpl(configure, idle, capacity, registry))
  })
}

/**
 * Provides a map of breakers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(
  options?: (Options & Breaker.Beside<R>) | ((key: string) => Policy)
): Layer.Layer<BreakerMap, never, Exclude<R, Scope.Scope>> =>
  Layer.effect(BreakerMap, /*#__PURE__*/ Breaker.whileInUse(make(options), options as Breaker.Beside<R>))

// ---------------------------------------------------------------------------------------------------------------------

type AnyFiber = Fiber.Fiber<unknown, unknown>

// How many a look for one to let go may pass: a map full of open circuits must not make every new one slow.
const STEPS = 16

// They stand in the order of use, but for one that was used a moment ago: to move it each time costs more than it buys.
const A_MOMENT = 100

/** @internal */
export class BreakerMapImpl implements BreakerMap {
  readonly breakers = new Map<string, Breaker.BreakerImpl>()
  /** Who listens; another owner of several maps may give all of them the same. */
  group: Registry.Group
  /** Gives the settings of a circuit that is to be made. */
  configure: (key: string) => { readonly settings: Settings; readonly rules: Circuit.Rules }
  private readonly idle: number
  private readonly capacity: number
  private sweepAt = -Infinity
  readonly execute: BreakerMap["execute"]

  constructor(
    configure: BreakerMapImpl["configure"],
    idle: number,
    capacity: number,
    registry: Registry.Registry
  ) {
    this.group = { current: undefined, registry }
    this.configure = configure
    this.idle = idle
    this.capacity = capacity
    this.execute = firstOrLast((self, options) => {
      const { classify, key } = options as Keyed<unknown, unknown>
      return Effect.withFiber((fiber) => this.breakerOf(key, fiber).guard(self, classify))
    })
  }

  get get(): BreakerMap["get"] {
    return (key) => Effect.withFiberSucceed((fiber) => this.breakerOf(key, fiber))
  }

  circuits(): Iterable<Breaker.BreakerImpl> {
    return this.breakers.values()
  }

  /** Makes the circuit of a key that has none; who keeps circuits of another kind puts another in its place. */
  breaker(key: string, fiber: AnyFiber): Breaker.BreakerImpl {
    const { rules, settings } = this.configure(key)
    return new Breaker.BreakerImpl(key, settings, this.group, fiber, rules)
  }

  get snapshots(): BreakerMap["snapshots"] {
    return Effect.suspend(() => Effect.forEach(Array.from(this.breakers.values()), ({ snapshot }) => snapshot))
  }

  get events(): BreakerMap["events"] {
    return eventsOf(this.group)
  }

  breakerOf(key: string, fiber: AnyFiber): Breaker.BreakerImpl {
    const now = Breaker.monotonic(fiber)
    if (now >= this.sweepAt) {
      this.sweepAt = now + this.idle / 16
      this.letGo(fiber, now, Infinity, ({ usedAt }) => now - usedAt >= this.idle)
    }
    let breaker = this.breakers.get(key)
    if (breaker !== undefined && now - breaker.usedAt < A_MOMENT) return breaker
    if (breaker === undefined) {
      // Looked at by hand first: a Schema for each new key would cost more than its circuit.
      if (!isName(key)) Setting.option("BreakerMap.get", "key", Name, key)
      breaker = this.breaker(key, fiber)
      this.letGo(fiber, now, STEPS, () => this.breakers.size >= this.capacity)
    } else this.breakers.delete(key)
    breaker.usedAt = now
    this.breakers.set(key, breaker)
    return breaker
  }

  // From the longest unused on, as long as one must go.
  private letGo(fiber: AnyFiber, now: number, most: number, must: (breaker: Breaker.BreakerImpl) => boolean): void {
    let steps = Math.min(most, this.breakers.size)
    for (const [key, breaker] of this.breakers) {
      if (steps-- === 0 || !must(breaker)) return
      this.breakers.delete(key)
      if (breaker.isIdle(fiber)) continue
      // One that must stay goes to the end of the row, out of the way of the next look.
      breaker.usedAt = now
      this.breakers.set(key, breaker)
    }
  }
}
