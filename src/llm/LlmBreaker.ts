/**
 * The breaker of a program that calls language models: one call asks the circuits of its key, its model and its provider,
 * and the outcome decides which of them hears it.
 *
 * A revoked key says nothing about the model, an overloaded model nothing about the key, and a dead network says more than
 * either. With one circuit for all of it a single bad key darkens everything; with one for each combination a dead
 * provider is found out again by every model. So a call takes leave of several circuits at once, all or none.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Breaker from "../Breaker.ts"
import * as BreakerMap from "../BreakerMap.ts"
import * as CallWindow from "../CallWindow.ts"
import type { CircuitRejected } from "../CircuitRejected.ts"
import { eventsOf } from "../Event.ts"
import { firstOrLast } from "../Execute.ts"
import * as Setting from "../internal/Setting.ts"
import type { Group } from "../Registry.ts"
import { settings } from "../Settings.ts"
import * as TripPolicy from "../TripPolicy.ts"
import { Escalation } from "./Escalation.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import { type Asked, type Ground, LlmPermit, type Permit, refusal } from "./LlmPermit.ts"
import * as Quality from "./Quality.ts"
import * as Scopes from "./Scopes.ts"
import { Trust } from "./Trust.ts"

export type { Permit } from "./LlmPermit.ts"
export type { Place, Scopes } from "./Scopes.ts"

/**
 * What the circuits of one place run under, where it differs from the preset.
 *
 * **Details**
 *
 * An option that is given as `undefined` is the root's default, not the preset's: `ramp: undefined` is no ramp.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy = Omit<BreakerMap.Policy, "classify">

/**
 * The settings of an `LlmBreaker`.
 *
 * **Details**
 *
 * - `key`, `model`, `provider`, `region`: the policies, each over its preset. That of `key` is that of `access` too.
 * - `escalateAfter`: how many distinct models of a provider are open at once when it opens too (default 3).
 * - `quality`: switches the second window on, for answers that arrive but are bad.
 * - `classify`, or `rules` and `textRules`: how the exits of calls are read; see `LlmOutcome.Options`. An outcome without a
 *   scope speaks for the model.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly key?: Policy | undefined
  readonly model?: Policy | undefined
  readonly provider?: Policy | undefined
  readonly region?: Policy | undefined
  readonly escalateAfter?: number | undefined
  readonly quality?: Quality.Options | undefined
  readonly classify?: Breaker.Classify | undefined
  readonly rules?: LlmOutcome.Options["rules"]
  readonly textRules?: boolean | undefined
}

/**
 * Whom a call concerns, and how its exit is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scoped<A, E> extends Scopes.Scopes {
  readonly classify?: Breaker.Classify<A, E> | undefined
}

/**
 * The circuits of keys, models, providers and regions, asked together.
 *
 * **Details**
 *
 * - `execute` runs an effect through the circuits of its scopes.
 * - `admit` asks for a permit by hand, for work that is not one effect: `LlmStream.guardWith(llm.admit(scopes))`.
 * - `refusal` tells what the next ask would be refused with, without asking; `undefined` where it would be admitted.
 * - `snapshots` reads all circuits, and `events` tells what happens at any of them.
 * - `breaker` is one circuit, for operators: to isolate, to trip, to reset.
 *
 * **Gotchas**
 *
 * Circuits recover by being asked. Who passes a model by because of `refusal` alone never lets it come back: ask `admit`,
 * and go on to the next model when it refuses.
 *
 * @category models
 * @since 0.1.0
 */
export interface LlmBreaker {
  readonly admit: (scopes: Scopes.Scopes) => Effect.Effect<Permit, CircuitRejected>
  readonly refusal: (scopes: Scopes.Scopes) => Effect.Effect<CircuitRejected | undefined>
  readonly execute: {
    <A, E, R>(self: Effect.Effect<A, E, R>, scopes: Scoped<A, E>): Effect.Effect<A, E | CircuitRejected, R>
    <A, E>(scopes: Scoped<A, E>): <R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitRejected, R>
  }
  readonly snapshots: Effect.Effect<ReadonlyArray<Breaker.Snapshot>>
  readonly events: Stream.Stream<Breaker.Event>
  readonly breaker: (place: Scopes.Place, scopes: Scopes.Scopes) => Effect.Effect<Breaker.Breaker>
}

/**
 * The service tag of the breaker for language models.
 *
 * @category services
 * @since 0.1.0
 */
export const LlmBreaker: Context.Service<LlmBreaker, LlmBreaker> = /*#__PURE__*/ Context.Service<LlmBreaker>(
  "effect-breaker/llm/LlmBreaker"
)

const window = /*#__PURE__*/ CallWindow.lastCalls(100, { within: "1 minute" })

const failures = /*#__PURE__*/ TripPolicy.failureRate({
  threshold: 0.5,
  minimumCalls: 10,
  window,
  belowMinimum: /*#__PURE__*/ TripPolicy.consecutive(5)
})

const lease = "2 minutes"

/**
 * The policy of a model: what a `Breaker` for one model may run under too.
 *
 * **Details**
 *
 * It opens when half of the last hundred calls within a minute failed, once there are ten, or five in a row while there are
 * fewer; or when four of five were slow: no content within 30 seconds. An opening lasts two seconds, doubling to five
 * minutes, and up to a fifth longer. Three probes, all at once if need be, bring it back, then 10, 25 and 50 % of the traffic, each for at least two
 * seconds and five successes. A probe that has not settled within two minutes has failed.
 *
 * @category presets
 * @since 0.1.0
 */
export const preset = {
  tripPolicy: /*#__PURE__*/ TripPolicy.anyOf(
    failures,
    /*#__PURE__*/ TripPolicy.slowRate({ slowAfter: "30 seconds", threshold: 0.8, minimumCalls: 10, window })
  ),
  openDuration: /*#__PURE__*/ Schedule.min([
    /*#__PURE__*/ Schedule.exponential("2 seconds"),
    /*#__PURE__*/ Schedule.spaced("5 minutes")
  ]),
  jitter: 0.2,
  halfOpen: { concurrency: 3, successes: 3, lease },
  ramp: { shares: [0.1, 0.25, 0.5], every: "2 seconds", minimumCalls: 5, tolerance: 0.1 }
} satisfies Policy

/**
 * The policy of a provider or a region: that of a model, without a word on slow calls, for those are the model's.
 *
 * @category presets
 * @since 0.1.0
 */
export const providerPreset = { ...preset, tripPolicy: failures } satisfies Policy

/**
 * The policy of a key: one success brings it back, at once, for then it is paid and valid.
 *
 * @category presets
 * @since 0.1.0
 */
export const keyPreset = { ...providerPreset, halfOpen: { successes: 1, lease }, ramp: undefined } satisfies Policy

/**
 * Makes a breaker for language models.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting; it names the place, the option, the rule and the value.
 *
 * **Example** (A revoked key, and a colleague who does not notice)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LlmBreaker } from "effect-breaker/llm"
 *
 * const program = Effect.gen(function*() {
 *   const llm = yield* LlmBreaker.make()
 *   const ask = (key: string, call: Effect.Effect<string, object>) =>
 *     Effect.exit(llm.execute(call, { provider: "openai", model: "gpt-5", key }))
 *
 *   yield* ask("key-a", Effect.fail({ status: 401, error: { code: "invalid_api_key" } }))
 *   const refused = yield* llm.refusal({ provider: "openai", model: "gpt-5", key: "key-a" })
 *   console.log(refused?.circuit) // => "openai#key-a"
 *
 *   return (yield* ask("key-b", Effect.succeed("Hello!")))._tag
 * })
 *
 * console.log(await Effect.runPromise(program)) // => "Success"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<LlmBreaker> => {
  const { classify, escalateAfter = 3, quality, rules, textRules } = options
  Setting.option(where, "escalateAfter", Setting.count, escalateAfter)
  if (classify !== undefined) settings({ classify }, where)
  LlmOutcome.check(where, options)
  const map = (place: Scopes.Place, policy: Policy): Effect.Effect<BreakerMap.BreakerMapImpl> => {
    settings(policy, `${where}, ${place}`)
    return BreakerMap.make(policy) as Effect.Effect<BreakerMap.BreakerMapImpl>
  }
  const maps = {
    key: map("key", { ...keyPreset, ...options.key }),
    access: map("access", { ...keyPreset, ...options.key }),
    model: map("model", { ...preset, ...options.model }),
    ...(quality && { quality: map("quality", Quality.policy(quality)) }),
    provider: map("provider", { ...providerPreset, ...options.provider }),
    region: map("region", { ...providerPreset, ...options.region })
  }
  return Effect.map(Effect.all(maps), (maps) =>
    new LlmBreakerImpl(maps, {
      escalation: new Escalation(escalateAfter),
      trust: new Trust(),
      classify,
      reading: { rules, textRules },
      isGood: quality?.isGood
    }))
}

/**
 * Provides a breaker for language models.
 *
 * **Details**
 *
 * A `healthCheck` (see `HealthCheck` in `effect-breaker/control`) looks after the circuits of providers, regions and models, by
 * their names: `openai`, `openai/gpt-5`. It does not end the opening of a key.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(
  options?: Options & Breaker.Beside<R>
): Layer.Layer<LlmBreaker, never, Exclude<R, Scope.Scope>> =>
  Layer.effect(
    LlmBreaker,
    Effect.tap(
      make(options),
      (llm) => options?.healthCheck?.(() => (llm as LlmBreakerImpl).ofProviders()) ?? Effect.void
    )
  )

// ---------------------------------------------------------------------------------------------------------------------

const where = "LlmBreaker.make"

type AnyFiber = Fiber.Fiber<unknown, unknown>
type Maps = { readonly [Place in Scopes.Place]?: BreakerMap.BreakerMapImpl }

class LlmBreakerImpl implements LlmBreaker {
  private readonly maps: Maps
  private readonly ground: Ground
  private readonly group: Group
  readonly execute: LlmBreaker["execute"]

  constructor(maps: Maps, ground: Ground) {
    this.maps = maps
    this.ground = ground
    this.group = { current: undefined, registry: this.all[0]!.group.registry }
    for (const map of this.all) map.group = this.group
    this.execute = firstOrLast((self, options) => {
      const { classify, ...scopes } = options as Scoped<unknown, unknown>
      return Effect.uninterruptibleMask((restore) =>
        Effect.withFiber((fiber) => {
          const call = this.enter(scopes, fiber)
          if (!(call instanceof LlmPermit)) return call
          // How long a whole answer takes says nothing.
          call.answer()
          return Effect.onExit(restore(self), (exit) => call.endExit(exit, classify))
        })
      )
    })
  }

  get admit(): LlmBreaker["admit"] {
    return (scopes) =>
      Effect.withFiber((fiber): Effect.Effect<Permit, CircuitRejected> => {
        const call = this.enter(scopes, fiber)
        return call instanceof LlmPermit ? Effect.succeed(call) : call
      })
  }

  get refusal(): LlmBreaker["refusal"] {
    return (scopes) => Effect.withFiberSucceed((fiber) => refusal(this.circuits(scopes, fiber), fiber))
  }

  get snapshots(): LlmBreaker["snapshots"] {
    return Effect.map(Effect.all(this.all.map(({ snapshots }) => snapshots)), (all) => all.flat())
  }

  get events(): LlmBreaker["events"] {
    return eventsOf(this.group)
  }

  get breaker(): LlmBreaker["breaker"] {
    return (place, scopes) =>
      Effect.withFiberSucceed((fiber) => {
        const found = this.circuits(scopes, fiber).find((one) => one.place === place)
        if (found !== undefined) return found.circuit
        throw new RangeError(`LlmBreaker.breaker: these scopes have no circuit of the ${place}`)
      })
  }

  private get all(): ReadonlyArray<BreakerMap.BreakerMapImpl> {
    return Object.values(this.maps)
  }

  /** The circuits that a provider may be back for: whether a key works again, no check of somebody else's can tell. */
  *ofProviders(): Iterable<Breaker.BreakerImpl> {
    for (const map of [this.maps.provider, this.maps.region, this.maps.model]) {
      if (map !== undefined) yield* map.circuits()
    }
  }

  private enter(scopes: Scopes.Scopes, fiber: AnyFiber): LlmPermit | Exit.Exit<never, CircuitRejected> {
    const call = new LlmPermit(scopes, this.circuits(scopes, fiber), this.ground, fiber)
    return call.enter(fiber) ?? call
  }

  private circuits(scopes: Scopes.Scopes, fiber: AnyFiber): ReadonlyArray<Asked> {
    Scopes.check("LlmBreaker", scopes)
    const asked: Array<Asked> = []
    for (const [place, name] of Scopes.circuitsOf(scopes)) {
      const map = this.maps[place]
      if (map !== undefined) asked.push({ place, circuit: map.breakerOf(name, fiber) })
    }
    return asked
  }
}
