/**
 * Circuits by key for async functions: one for each model, tenant or host, made when it is first asked for.
 *
 * The root's `BreakerMap` is what keeps them: idle ones are let go, and one that is not closed, is throttled or has calls in
 * flight never is.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Root from "../BreakerMap.ts"
import { type Breaker, BreakerImpl, type ExecuteOptions, type Snapshot } from "./Breaker.ts"
import type { Call } from "./Call.ts"
import { type Event, tell } from "./Event.ts"
import { type Policy, rooted } from "./Options.ts"

export type { Policy } from "./Options.ts"

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
 * Circuits by key.
 *
 * **Details**
 *
 * `get` gives the circuit of a key, made now if need be. `execute` runs a function through it. `snapshots` reads all, and
 * `onEvent` tells what happens at any of them, until what it gives is called.
 *
 * **Gotchas**
 *
 * Get it anew for each call: one that was kept may have been let go, and the key have a new one.
 *
 * @category models
 * @since 0.1.0
 */
export interface BreakerMap {
  get(key: string): Breaker
  execute<A>(
    fn: (call: Call) => A | PromiseLike<A>,
    options: ExecuteOptions<A> & { readonly key: string }
  ): Promise<A>
  snapshots(): ReadonlyArray<Snapshot>
  onEvent(listener: (event: Event) => void): () => void
}

/**
 * Makes a map of breakers, from one policy or from a function of the key.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting. What `lookup` gives is checked when its key is first asked for.
 *
 * **Example** (One circuit for each model)
 *
 * ```ts
 * import { BreakerMap, TripPolicy } from "effect-breaker/promise"
 *
 * const models = BreakerMap.make({ tripPolicy: TripPolicy.consecutive(1) })
 * const overloaded = async () => {
 *   throw new Error("529 Overloaded")
 * }
 *
 * await models.execute(overloaded, { key: "large" }).catch(() => "no answer")
 * console.log(await models.execute(async () => "an answer", { key: "small" })) // => "an answer"
 * console.log(models.snapshots().map(({ name, state }) => `${name}: ${state}`)) // => ["large: Open", "small: Closed"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options | ((key: string) => Policy) = {}): BreakerMap =>
  Effect.runSync(makeEffect(options))

/**
 * Makes a map for the promise code of a program that is in Effect otherwise: on that program's clock, randomness and
 * registry.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeEffect = (options: Options | ((key: string) => Policy) = {}): Effect.Effect<BreakerMap> => {
  const where = "BreakerMap.make"
  const { lookup, ...rest } = typeof options === "function" ? { lookup: options } : options
  const made = Root.make({
    ...rooted(rest, where),
    ...(lookup && { lookup: (key) => rooted(lookup(key), where) })
  })
  return Effect.withFiber((fiber) => Effect.map(made, (map) => new BreakerMapImpl(map as Root.BreakerMapImpl, fiber)))
}

// ---------------------------------------------------------------------------------------------------------------------

class BreakerMapImpl implements BreakerMap {
  private readonly map: Root.BreakerMapImpl
  private readonly fiber: Fiber.Fiber<unknown, unknown>

  constructor(map: Root.BreakerMapImpl, fiber: Fiber.Fiber<unknown, unknown>) {
    this.map = map
    this.fiber = fiber
  }

  get(key: string): BreakerImpl {
    return new BreakerImpl(this.map.breakerOf(key, this.fiber), this.fiber)
  }

  execute<A>(
    fn: (call: Call) => A | PromiseLike<A>,
    options: ExecuteOptions<A> & { readonly key: string }
  ): Promise<A> {
    let breaker: BreakerImpl
    try {
      breaker = this.get(options.key)
    } catch (error) {
      return Promise.reject(error)
    }
    return breaker.execute(fn, options)
  }

  snapshots(): ReadonlyArray<Snapshot> {
    return Array.from(this.map.circuits(), (circuit) => new BreakerImpl(circuit, this.fiber).snapshot())
  }

  onEvent(listener: (event: Event) => void): () => void {
    return tell(this.map.group, listener, this.fiber.context, () => true)
  }
}
