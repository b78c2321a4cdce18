/**
 * Rehearsed outages: failures, delays, hangs and cut streams in your own tests and in staging, on calls that say where
 * they may be hit.
 *
 * `Chaos.inject("openai")` marks a call. It does nothing at all, until the program provides chaos: `Chaos.layer` in a
 * test, `Chaos.layerConfig` in staging. Then a share of the calls, or those of a script's phase, meet a fault, and
 * everything around them (breaker, fallback, retry, alert) shows what it is worth.
 *
 * **Details**
 *
 * Which call gets which fault depends on the seed, the phase, the point and the number of the call at that point within
 * that phase, or its key; and on nothing else: neither on the clock's pace nor on what happens at other points. Time is
 * Effect's `Clock`. Nothing that chaos holds back outlasts it: when it is over or stopped, what hangs and waits goes on
 * and runs.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Exact from "../internal/Exact.ts"
import * as Setting from "../internal/Setting.ts"
import type { ChaosError } from "./ChaosError.ts"
import * as InjectEffect from "./InjectEffect.ts"
import * as InjectStream from "./InjectStream.ts"
import * as Plan from "./Plan.ts"
import * as Running from "./Running.ts"

export { ChaosError, type Imitation } from "./ChaosError.ts"
export {
  type CutAfter,
  cutAfter,
  type Delay,
  delay,
  type Fail,
  fail,
  type FailAfter,
  failAfter,
  type Fault,
  type Hang,
  hang,
  type LoseAnswer,
  loseAnswer,
  type Name,
  type SlowDrip,
  slowDrip,
  type StallAfter,
  stallAfter
} from "./Fault.ts"
export { type FaultShare, type Phase, Plan } from "./Plan.ts"
export type { PointCount, Status } from "./Running.ts"

/**
 * The chaos of a program: none, unless a layer provides it.
 *
 * @category services
 * @since 0.1.0
 */
export const Current: Context.Reference<Running.Running | undefined> = /*#__PURE__*/ Context.Reference<
  Running.Running | undefined
>("effect-breaker/chaos/Current", { defaultValue: () => undefined })

/**
 * How a call is marked.
 *
 * **Details**
 *
 * - `as` turns a `ChaosError` into a failure that the call's own error channel has. Without it, the channel gains
 *   `ChaosError`.
 * - `key` names the call, such as by the id of its request: then its fate hangs on the key and not on the order of calls,
 *   so that concurrent calls, run again, meet the same faults. Within a phase, the same key always has the same fate.
 *
 * @category models
 * @since 0.1.0
 */
export interface InjectOptions<E> {
  readonly as?: ((error: ChaosError) => E) | undefined
  readonly key?: string | undefined
}

/**
 * Marks a call as a point where chaos may strike.
 *
 * **Details**
 *
 * Without chaos in context the effect runs as it is. With it, the call may fail with a `ChaosError`, run late, hang, or
 * lose its answer. Put it closest to the call, inside its timeout and its breaker: they should see what a provider would
 * do to them. Whoever interrupts the call interrupts what chaos makes of it.
 *
 * **Example** (A breaker that opens in a test)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Breaker, TripPolicy, withBreaker } from "effect-breaker"
 * import { Chaos } from "effect-breaker/chaos"
 *
 * const ask = Effect.succeed("an answer").pipe(Chaos.inject("openai"), withBreaker)
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.ignore(ask)
 *   yield* Effect.ignore(ask)
 *   return (yield* (yield* Breaker.Breaker).state)._tag
 * })
 *
 * const OpenAi = Breaker.layer({ name: "openai", tripPolicy: TripPolicy.consecutive(2) })
 * const Outage = Chaos.layer({ faults: [{ fault: "overloaded", share: 1 }] })
 * console.log(await Effect.runPromise(program.pipe(Effect.provide(OpenAi)))) // => "Closed"
 * console.log(await Effect.runPromise(program.pipe(Effect.provide([OpenAi, Outage])))) // => "Open"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const inject = <E2 = ChaosError>(
  point: string,
  options?: InjectOptions<E2>
): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E2, R> => {
  const as = options?.as ?? itself<E2>
  return <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.withFiber((fiber): Effect.Effect<A, E | E2, R> => {
      const chaos = fiber.getRef(Current)
      const hit = chaos?.next(point, "effect", options?.key, fiber)
      return hit === undefined ? self : InjectEffect.run(self, hit, chaos!, as)
    })
}

/**
 * Marks a stream as a point where chaos may strike.
 *
 * **Details**
 *
 * The same as `inject` for streams, with the faults that only they can have: one goes silent after so many elements, ends
 * without an error, fails, or gives one element at a time. A fault is drawn each time the stream is run.
 *
 * **Example** (An answer that is cut off, and looks whole)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Chaos } from "effect-breaker/chaos"
 *
 * const words = Stream.make("Once", "upon", "a", "time").pipe(Chaos.injectStream("openai"))
 *
 * const Cut = Chaos.layer({ faults: [{ fault: Chaos.cutAfter({ elements: 2 }), share: 1 }] })
 * console.log(await Effect.runPromise(Stream.runCollect(words).pipe(Effect.provide(Cut)))) // => ["Once", "upon"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const injectStream = <E2 = ChaosError>(
  point: string,
  options?: InjectOptions<E2>
): <A, E, R>(self: Stream.Stream<A, E, R>) => Stream.Stream<A, E | E2, R> => {
  const as = options?.as ?? itself<E2>
  return <A, E, R>(self: Stream.Stream<A, E, R>) =>
    Stream.unwrap(Effect.withFiberSucceed((fiber): Stream.Stream<A, E | E2, R> => {
      const chaos = fiber.getRef(Current)
      const hit = chaos?.next(point, "stream", options?.key, fiber)
      return hit === undefined ? self : InjectStream.run(self, hit, chaos!, as)
    }))
}

/**
 * What a layer of chaos is made of: its plan, and who may forbid it.
 *
 * **Details**
 *
 * `allow` is asked before each fault acts, such as by looking at a feature flag. Unless it says true, nothing happens to
 * the call; where it fails, neither.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Plan.Plan {
  readonly allow?: Effect.Effect<boolean> | undefined
}

/**
 * Provides chaos, from when the layer is built until it is over: by default for an hour.
 *
 * **Details**
 *
 * It logs a warning when it begins, when a kind of fault first acts at a point, and when it is over, with a count and with
 * the names of points that no call ever passed. Each act counts in the metric `effect_breaker_chaos_faults_total` and is
 * written on the call's span, as `chaos.point` and `chaos.fault`; the gauge `effect_breaker_chaos_active` is 1 meanwhile.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad plan. Provide it once: points look for the one that is nearest to them.
 *
 * **Example** (An outage in the middle of a test, on the test's own clock)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Chaos } from "effect-breaker/chaos"
 * import { TestClock } from "effect/testing"
 *
 * const search = Effect.succeed("found").pipe(
 *   Chaos.inject("search"),
 *   Effect.catchTag("ChaosError", (error) => Effect.succeed(error.fault))
 * )
 *
 * const Day = Chaos.layer({
 *   script: [
 *     { for: "1 minute" },
 *     { for: "10 minutes", faults: [{ fault: "unavailable", share: 1, at: ["search"] }] }
 *   ]
 * })
 * const program = Effect.gen(function*() {
 *   const before = yield* search
 *   yield* TestClock.adjust("1 minute")
 *   const during = yield* search
 *   yield* TestClock.adjust("10 minutes")
 *   return [before, during, yield* search]
 * })
 *
 * const seen = await Effect.runPromise(program.pipe(Effect.provide(Day), Effect.provide(TestClock.layer())))
 * console.log(seen) // => ["found", "unavailable", "found"]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ allow = Effect.succeed(true), ...plan }: Options): Layer.Layer<never> => {
  const checked = Plan.check("Chaos.layer", plan)
  return Layer.effect(Current, begin(checked, allow))
}

/**
 * Where `layerConfig` looks, and what forbids it.
 *
 * **Details**
 *
 * - `name`: the variable with the plan, `CHAOS` unless given; the others begin with it.
 * - `production`: whether the program runs in production: unless given, whether `NODE_ENV` is `production`.
 * - `allow`: as of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigOptions {
  readonly name?: string | undefined
  readonly production?: Config.Config<boolean> | undefined
  readonly allow?: Effect.Effect<boolean> | undefined
}

/**
 * Provides chaos where the program's configuration asks for it, and nothing where it does not.
 *
 * **Details**
 *
 * - `CHAOS`: the plan, as JSON. Without it, nothing happens.
 * - `CHAOS_UNTIL`: when it ends, as an instant with its zone, such as that which `date -u -d '+1 hour' +%FT%TZ` prints. It is
 *   required, at most a day ahead, and no
 *   restart of the program moves it. Once it has passed, nothing happens.
 * - `CHAOS_IN_PRODUCTION`: must be `true` where the program runs in production. Without it, chaos stays off there, with an
 *   error in the log.
 *
 * Fails with a `ConfigError` for what cannot be read.
 *
 * **Example** (A staging environment)
 *
 * ```ts
 * import { Clock, ConfigProvider, Effect } from "effect"
 * import { Chaos } from "effect-breaker/chaos"
 *
 * const ask = Effect.succeed("an answer").pipe(Chaos.inject("openai"), Effect.flip, Effect.map(({ fault }) => fault))
 *
 * const soon = new Date((await Effect.runPromise(Clock.currentTimeMillis)) + 60_000).toISOString()
 * const env = ConfigProvider.layer(ConfigProvider.fromUnknown({
 *   CHAOS: `{ "faults": [{ "fault": "timeout", "share": 1 }] }`,
 *   CHAOS_UNTIL: soon
 * }))
 * console.log(await Effect.runPromise(ask.pipe(Effect.provide(Chaos.layerConfig()), Effect.provide(env)))) // => "timeout"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  { allow = Effect.succeed(true), name = "CHAOS", production = inProduction }: ConfigOptions = {}
): Layer.Layer<never, Config.ConfigError> =>
  Layer.unwrap(Effect.gen(function*() {
    const given = yield* Config.option(Config.String(name))
    if (Option.isNone(given) || given.value.trim() === "") return Layer.empty
    const consents = yield* Config.withDefault(Config.Boolean(`${name}_IN_PRODUCTION`), false)
    if ((yield* production) && !consents) {
      yield* Effect.logError(`${name} is set in production: chaos stays off without ${name}_IN_PRODUCTION=true.`)
      return Layer.empty
    }
    const now = yield* Clock.currentTimeMillis
    const { faults, for: length = Infinity, script, seed } = yield* decoded(
      name,
      Schema.fromJsonString(Plan.Plan),
      given.value
    )
    const left = Date.parse(yield* until(`${name}_UNTIL`, now)) - now
    if (left <= 0) {
      yield* Effect.logInfo(`${name}_UNTIL has passed: chaos stays off.`)
      return Layer.empty
    }
    const lasts = Math.min(left, Setting.toMillis(length))
    return Layer.effect(Current, begin({ faults, script, seed, for: lasts }, allow))
  }))

/**
 * The kill switch: ends the chaos in context for good, and lets go of every call that it holds. Those run now.
 *
 * **Details**
 *
 * `note` is for the log. Without chaos, or once it is over, it does nothing.
 *
 * @category control
 * @since 0.1.0
 */
export const stop = (note?: string): Effect.Effect<void> =>
  Effect.flatMap(Current, (chaos) => chaos?.end(`was stopped${note === undefined ? "" : ` (${note})`}`) ?? Effect.void)

/**
 * Leaves the plan and puts other faults in force until chaos is over, none with an empty list. Calls under way keep what
 * they met.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for bad faults. Without chaos in context it does nothing.
 *
 * @category control
 * @since 0.1.0
 */
export const setFaults = (faults: ReadonlyArray<Plan.FaultShare>): Effect.Effect<void> => {
  const checked = Plan.checkFaults("Chaos.setFaults", faults)
  return Effect.flatMap(Current, (chaos) => chaos?.setFaults(checked) ?? Effect.void)
}

/**
 * Whether chaos is on, for how long, and what it has done so far at each point.
 *
 * @category control
 * @since 0.1.0
 */
export const status: Effect.Effect<Running.Status> = /*#__PURE__*/ Effect.flatMap(
  Current,
  (chaos) => chaos?.status ?? Effect.succeed(Running.calm)
)

// ---------------------------------------------------------------------------------------------------------------------

// Where no `as` is given, the failure is the `ChaosError` that the signature says.
const itself = <E2>(error: ChaosError): E2 => error as never

const begin = (plan: Plan.Plan, allow: Effect.Effect<boolean>) =>
  Effect.gen(function*() {
    const chaos = yield* Effect.acquireRelease(
      Effect.withFiberSucceed((fiber) => new Running.Running(plan, allow, fiber)),
      (chaos) => chaos.end("ends with the program")
    )
    yield* Effect.forkScoped(chaos.run, { startImmediately: true })
    return chaos
  })

const inProduction: Config.Config<boolean> = /*#__PURE__*/ Config.String("NODE_ENV").pipe(
  Config.map((value) => value === "production"),
  Config.withDefault(false)
)

const oneDay = 86_400_000

// What is missing is told in the same words as what is wrong.
const until = (name: string, now: number) => {
  const Instant = Schema.String.check(Schema.makeFilter((value) =>
    // Without a zone, each machine would read another instant.
    /T.*(?:Z|[+-]\d\d:?\d\d)$/.test(value) && Date.parse(value) <= now + oneDay
      ? undefined
      : Setting.wrong(`an instant at most a day ahead, such as ${soon(now)}`, value)
  ))
  return Config.String(name).pipe(
    Config.withDefault(""),
    Effect.flatMap((value) => decoded(name, Instant, value))
  )
}

// An hour ahead: what is shown as an example can be copied.
const soon = (now: number): string => new Date(now + 3_600_000).toISOString().replace(/\.\d+Z$/, "Z")

const decoded = <A>(
  name: string,
  schema: Schema.Codec<A, unknown>,
  value: string
): Effect.Effect<A, Config.ConfigError> =>
  Schema.decodeUnknownEffect(Schema.Struct({ [name]: schema }), Exact.options)({ [name]: value }).pipe(
    Effect.mapBoth({
      onSuccess: (read) => read[name] as A,
      onFailure: (error) => new Config.ConfigError(error)
    })
  )
