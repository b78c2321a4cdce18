/**
 * One breaker for a fleet: circuits whose state is shared by every process on the same Redis.
 *
 * The same `Breaker.Breaker` and `BreakerMap` as in memory, by another layer. A call through a closed circuit asks Redis
 * nothing: what came of calls is told in batches, so that the failures of all processes add up to one verdict. See
 * `docs/shared.md` for what that guarantees, and what it does not.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Breaker from "../Breaker.ts"
import * as BreakerMap from "../BreakerMap.ts"
import * as Evidence from "../Evidence.ts"
import * as Setting from "../internal/Setting.ts"
import * as Registry from "../Registry.ts"
import { isName, Name, settings } from "../Settings.ts"
import type * as TripPolicy from "../TripPolicy.ts"
import { Courier, type Senders } from "./Courier.ts"
import { isShareable, longestWindow } from "./FleetEvidence.ts"
import { SharedCircuit } from "./SharedCircuit.ts"
import type { Sharing } from "./Sharing.ts"
import { Store } from "./Store.ts"
import * as Stored from "./Stored.ts"

/**
 * How a process shares its circuits.
 *
 * **Details**
 *
 * - `prefix` is what the keys in Redis begin with (default `effect-breaker`): processes under the same one share.
 * - `batch`: what came of calls is told after so many `calls` (default 500), or so long after the first of them (`every`,
 *   default one second). So often a process says too that calls of it run, and three times as long without that it is
 *   forgotten. A failure is told at once. Between two reports are at least 20 milliseconds.
 * - `bound` is how long a call may wait for Redis (default 50 milliseconds). Only a call that needs Redis waits at all: one
 *   through a circuit that is half-open, or that this process has not looked up yet.
 * - `poll` is how often a circuit that is not closed is looked up, should news of it have been lost (default 5 seconds).
 * - `grace` is how long a verdict waits for processes that do not answer, after their next report was due (default 50
 *   milliseconds).
 * - `idleTimeToLive` is how long Redis keeps a circuit that nobody tells of (default one hour). One that is open is kept so
 *   long after its opening, one that is isolated without an end for ever.
 * - `onStoreError` says what happens to calls while Redis is gone: `local` (the default) lets each process go on with what it
 *   last knew; `fail` refuses them, with the rule `store`.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedOptions {
  readonly prefix?: string | undefined
  readonly batch?: { readonly calls?: number | undefined; readonly every?: Duration.Input | undefined } | undefined
  readonly bound?: Duration.Input | undefined
  readonly poll?: Duration.Input | undefined
  readonly grace?: Duration.Input | undefined
  readonly idleTimeToLive?: Duration.Input | undefined
  readonly onStoreError?: "local" | "fail" | undefined
}

/**
 * The settings of a shared breaker: those of a breaker, and how it is shared.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Breaker.Options, SharedOptions {}

/**
 * The settings of a map of shared breakers: those of a map, and how it is shared.
 *
 * **Details**
 *
 * `idleTimeToLive` is how long an unused circuit is kept, here and in Redis.
 *
 * @category models
 * @since 0.1.0
 */
export interface MapOptions extends BreakerMap.Options, Omit<SharedOptions, "idleTimeToLive"> {}

/**
 * Makes a breaker whose circuit is shared by every process that makes one of the same name on the same Redis.
 *
 * **Details**
 *
 * It looks its circuit up first, for at most a second: a program that starts while the circuit is open is refused on its
 * first call.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting, and for a window of more than 10 000 calls or buckets. All processes
 * should be given the same settings: a window of another shape begins empty.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<Breaker.Breaker, never, Redis.Redis | Scope.Scope> => {
  const where = "SharedBreaker.make"
  const { name, ...rest } = split(options, where)
  Setting.option(where, "name", Name, name)
  const checked = settings(rest.policy, where)
  shareable(rest.policy.tripPolicy, where)
  return Effect.gen(function*() {
    const all: Array<SharedCircuit> = []
    const courier = yield* couriered(rest.shared, { all: () => all, find: (key) => key === name ? all[0] : undefined })
    const circuit = yield* Effect.acquireRelease(
      Effect.withFiberSucceed((fiber) => {
        const registry = fiber.getRef(Registry.Current)
        const group = { current: undefined, registry }
        const rules = checked.rules(fiber.context)
        return registry.add(new SharedCircuit(name, checked, group, fiber, rules, courier, rest.sharing))
      }),
      (circuit) => Effect.withFiberSucceed((fiber) => fiber.getRef(Registry.Current).remove(circuit))
    )
    all.push(circuit)
    yield* courier.run
    yield* circuit.report
    return circuit
  })
}

/**
 * Provides the breaker that `withBreaker` uses, its circuit shared by every process on the same Redis.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(
  options: Options & Breaker.Beside<R>
): Layer.Layer<Breaker.Breaker, never, Redis.Redis | Exclude<R, Scope.Scope>> =>
  Layer.effect(Breaker.Breaker, checked(make(options), options))

/**
 * Provides the breaker that `withBreaker` uses, its circuit shared, with settings read from the program's configuration.
 *
 * **Gotchas**
 *
 * Dies with a `RangeError` for a bad setting.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <R = never>(
  options: Config.Wrap<Options>,
  beside?: Breaker.Beside<R>
): Layer.Layer<Breaker.Breaker, Config.ConfigError, Redis.Redis | Exclude<R, Scope.Scope>> =>
  Layer.effect(Breaker.Breaker, checked(Effect.flatMap(Config.unwrap(options), make), beside))

/**
 * Makes a map of breakers whose circuits are shared by every process that has a map on the same Redis, key by key.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMap = (
  options: MapOptions = {}
): Effect.Effect<BreakerMap.BreakerMap, never, Redis.Redis | Scope.Scope> => {
  const where = "SharedBreaker.makeMap"
  const { policy, shared, sharing } = split(options, where)
  const { capacity, idleTimeToLive, lookup } = options
  const made = BreakerMap.make({ ...policy, capacity, idleTimeToLive, lookup })
  shareable(policy.tripPolicy, where)
  return Effect.gen(function*() {
    const map = (yield* Breaker.whileInUse(made)) as BreakerMap.BreakerMapImpl
    const breakers = map.breakers as Map<string, SharedCircuit>
    const courier = yield* couriered(shared, { all: () => breakers.values(), find: (key) => breakers.get(key) })
    map.breaker = (key, fiber) => {
      const { rules, settings } = map.configure(key)
      shareable(rules.plan.policy, where)
      return new SharedCircuit(key, settings, map.group, fiber, rules, courier, sharing)
    }
    yield* courier.run
    return map
  })
}

/**
 * Provides a map of breakers whose circuits are shared by every process on the same Redis.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMap = <R = never>(
  options?: MapOptions & Breaker.Beside<R>
): Layer.Layer<BreakerMap.BreakerMap, never, Redis.Redis | Exclude<R, Scope.Scope>> =>
  Layer.effect(BreakerMap.BreakerMap, checked(makeMap(options), options))

// ---------------------------------------------------------------------------------------------------------------------

// What looks after the circuits of a layer runs while it is in use.
const checked = <A, E, R, R2>(made: Effect.Effect<A, E, R>, beside?: Breaker.Beside<R2>) =>
  Effect.tap(
    made,
    (source) => beside?.healthCheck?.(() => (source as never as BreakerMap.BreakerMapImpl).circuits()) ?? Effect.void
  )

const couriered = (
  { bound, prefix }: { readonly bound: number; readonly prefix: string },
  senders: Senders
): Effect.Effect<Courier, never, Redis.Redis> =>
  Effect.gen(function*() {
    const store = new Store(yield* Redis.Redis, { prefix, bound, format: Stored.format })
    return new Courier(store, senders, yield* Clock.Clock)
  })

/** So long nobody is taken for gone who said that calls of it run: it may have been busy. In milliseconds. */
const leastSilence = 1000

const split = <O extends BreakerMap.Policy & SharedOptions>(options: O, where: string) => {
  Setting.enforce(where, Schema.Struct({ settings: settingsOf("name, prefix and so on") }), { settings: options })
  const { batch, bound, grace, idleTimeToLive, onStoreError, poll, prefix, ...policy } = options
  Setting.option(where, "batch", settingsOf("calls and every"), batch === undefined ? {} : batch)
  Setting.enforce(where, schema, { batch, bound, grace, idleTimeToLive, onStoreError, poll, prefix })
  const { openDuration, throttleDuration, tripDuration } = policy
  within(where, longestWait, "24 days", { bound, grace, poll, "batch.every": batch?.every })
  within(where, longestLife, "100 years", { idleTimeToLive, openDuration, throttleDuration, tripDuration })
  const millis = (given: Duration.Input | undefined, otherwise: number) =>
    given === undefined ? otherwise : Setting.toMillis(given)
  const every = millis(batch?.every, 1000)
  const pollEvery = millis(poll, 5000)
  const most = millis(bound, 50)
  const sharing: Sharing = {
    calls: batch?.calls ?? 500,
    every,
    bound: most,
    poll: pollEvery,
    keepFor: millis(idleTimeToLive, 60 * 60_000),
    onStoreError: onStoreError ?? "local",
    pace: { grace: millis(grace, 50), every, forgetAfter: Math.max(3 * every, leastSilence) }
  }
  return { ...policy, policy, sharing, shared: { bound: most, prefix: prefix ?? "effect-breaker" } }
}

// Beyond these a timer fires at once, and Redis cannot count how long a key lives.
const longestWait = 24 * 24 * 60 * 60_000
const longestLife = 100 * 365.25 * 24 * 60 * 60_000

const within = (where: string, most: number, said: string, given: Readonly<Record<string, unknown>>): void => {
  for (const [name, value] of Object.entries(given)) {
    const millis = Setting.toMillis(value as Duration.Input)
    if (typeof millis !== "number" || !Number.isFinite(millis) || millis <= most) continue
    throw new RangeError(`${where}: ${name} ${Setting.wrong(`at most ${said} where it is shared`, value)}`)
  }
}

const shareable = (policy: TripPolicy.TripPolicy | undefined, where: string): void => {
  for (const { rule, window } of policy === undefined ? [] : Evidence.compile(policy).rules) {
    if (isShareable(window)) continue
    const [size, of] = window._tag === "LastCalls" ? [window.calls, "calls"] : [window.buckets, "buckets"]
    throw new RangeError(
      `${where}: the window of ${rule} must hold at most ${longestWindow} ${of} where it is shared, got ${size}`
    )
  }
}

const settingsOf = (names: string) =>
  Setting.setting<unknown>(`an object of settings (${names})`, (value) => typeof value === "object" && value !== null)

const schema: Schema.Codec<unknown, unknown> = Schema.Struct({
  prefix: Schema.optional(Setting.setting<string>("a text that is not empty", isName)),
  batch: Schema.optional(Schema.Struct({
    calls: Schema.optional(Setting.count),
    every: Schema.optional(Setting.positiveDuration)
  })),
  bound: Schema.optional(Setting.positiveDuration),
  poll: Schema.optional(Setting.positiveDuration),
  grace: Schema.optional(Setting.duration),
  idleTimeToLive: Schema.optional(Setting.positiveDuration),
  onStoreError: Schema.optional(
    Setting.setting<string>("local or fail", (value) => value === "local" || value === "fail")
  )
})
