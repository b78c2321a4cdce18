/**
 * A named set of breaker settings as data: what a log is replayed under, a simulation runs with, and a program reads from
 * its configuration.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Breaker from "../Breaker.ts"
import * as Circuit from "../Circuit.ts"
import * as Setting from "../internal/Setting.ts"
import * as LlmBreaker from "../llm/LlmBreaker.ts"
import * as OpenDuration from "../OpenDuration.ts"
import { Mode, Name } from "../Settings.ts"
import * as TripPolicy from "../TripPolicy.ts"

/**
 * Openings that grow: the n-th in a row lasts `first` times `factor` (default 2) to the power of n - 1, at most `most`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Growing {
  readonly first: Duration.Input
  readonly factor?: number | undefined
  readonly most: Duration.Input
}

/**
 * The settings of a policy: those of a `Breaker`, as data.
 *
 * **Details**
 *
 * The same options, with the same defaults, as `Breaker.Options`; `openDuration` may be `Growing` besides, which can be
 * written as JSON where a `Schedule` cannot.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Breaker.Options, "name" | "classify" | "openDuration"> {
  readonly openDuration?: OpenDuration.OpenDuration | Growing | undefined
}

/**
 * A named set of breaker settings.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy {
  readonly name: string
  readonly options: Options
}

/**
 * What is wrong with a policy's text: the option, the rule and the value.
 *
 * @category errors
 * @since 0.1.0
 */
export class BadPolicy extends /*#__PURE__*/ Data.TaggedError("BadPolicy")<{ readonly message: string }> {}

/**
 * Makes a policy.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option, the rule and the value.
 *
 * **Example** (A policy that has to have its way with a probe a second after it opened)
 *
 * ```ts
 * import { TripPolicy } from "effect-breaker"
 * import { Policy } from "effect-breaker/replay"
 *
 * const quick = Policy.make("quick", {
 *   tripPolicy: TripPolicy.consecutive(3),
 *   openDuration: { first: "1 second", most: "1 minute" }
 * })
 * console.log(Policy.toJson(quick))
 * // => `{"name":"quick","tripPolicy":{"_tag":"Consecutive","failures":3},"openDuration":{"first":"1 second","most":"1 minute"}}`
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (name: string, options: Options = {}): Policy => {
  const policy = { name, options }
  check(policy, "Policy.make")
  return policy
}

/**
 * The policies that come with the library: `default`, the root's defaults, and `llm`, the preset for models.
 *
 * @category constructors
 * @since 0.1.0
 */
export const builtIn: { readonly default: Policy; readonly llm: Policy } = {
  default: { name: "default", options: {} },
  llm: {
    name: "llm",
    options: { ...LlmBreaker.preset, openDuration: { first: "2 seconds", most: "5 minutes" } }
  }
}

/**
 * The Schema of a policy as it is written: its name and its options side by side, durations as milliseconds or in words.
 *
 * **Details**
 *
 * An option that it does not know is an issue, not passed over: a misspelt one would be a default in disguise.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Policy: Schema.Codec<Policy, unknown> = /*#__PURE__*/ Schema.suspend(() => codec)

/**
 * Reads a policy from JSON text.
 *
 * **Details**
 *
 * `name` is for a text that does not name its policy.
 *
 * **Example** (A share above one)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Policy } from "effect-breaker/replay"
 *
 * const text = `{ "name": "mine", "ramp": { "shares": [0.5, 2], "every": "2 seconds" } }`
 * const error = await Effect.runPromise(Effect.flip(Policy.fromJson(text)))
 * console.log(error.message)
 * // => `ramp.shares must be one or more rising numbers above 0 and below 1, got [0.5,2]`
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromJson = (text: string, name?: string): Effect.Effect<Policy, BadPolicy> =>
  Effect.suspend(() => {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      return Effect.fail(new BadPolicy({ message: `It is no JSON: ${(error as Error).message}` }))
    }
    return fromUnknown(value, name)
  })

/**
 * Reads a policy from a value, such as one that came out of a JSON file.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromUnknown = (value: unknown, name?: string): Effect.Effect<Policy, BadPolicy> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(read(name !== undefined && isObject(value) ? { name, ...value } : value))
    } catch (error) {
      return Effect.fail(new BadPolicy({ message: messageOf(error) }))
    }
  })

/**
 * Writes a policy as JSON text, as `fromJson` and `Schema.fromJsonString(Policy.Policy)` read it.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for a policy whose `openDuration` is a `Schedule`: that is no data. `Growing` is.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toJson = (policy: Policy): string => JSON.stringify(write(policy))

/**
 * The settings of a policy as `Breaker.make` takes them, without the name of a circuit.
 *
 * **Example** (The policy of a live breaker from its configuration)
 *
 * ```ts
 * import { Config, ConfigProvider, Effect, Schema } from "effect"
 * import { Breaker } from "effect-breaker"
 * import { Policy } from "effect-breaker/replay"
 *
 * const FromConfig = Breaker.layerConfig(
 *   Config.schema(Schema.fromJsonString(Policy.Policy), "BREAKER_POLICY").pipe(
 *     Config.map((policy) => ({ name: "openai", ...Policy.settings(policy) }))
 *   )
 * )
 *
 * const env = ConfigProvider.layer(ConfigProvider.fromUnknown({
 *   BREAKER_POLICY: `{ "name": "nervous", "tripPolicy": { "_tag": "Consecutive", "failures": 1 } }`
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
 * @category reading
 * @since 0.1.0
 */
export const settings = ({ options: { openDuration, ...rest } }: Policy): Omit<Breaker.Options, "name"> => {
  if (openDuration === undefined) return rest
  if (!isGrowing(openDuration)) return { ...rest, openDuration }
  const { factor = 2, first, most } = openDuration
  return { ...rest, openDuration: Schedule.min([Schedule.exponential(first, factor), Schedule.spaced(most)]) }
}

/**
 * Makes a circuit under a policy, closed, as of `now`.
 *
 * **Details**
 *
 * `random` gives the numbers from 0 to 1 for the jitter of its openings, and for schedules that draw: without it there is
 * no jitter, so that a run is the same each time. `notify` is told of each transition.
 *
 * @category constructors
 * @since 0.1.0
 */
export const circuit = (
  policy: Policy,
  now: number,
  host: Pick<Circuit.Host, "notify" | "paused" | "random" | "spared"> = {}
): Circuit.Circuit => Circuit.make(rules(policy, host.random), now, { ...host, mode: policy.options.mode })

/**
 * The rules of a policy, checked once however many circuits run under them.
 *
 * @category reading
 * @since 0.1.0
 */
export const rules = (policy: Policy, random?: () => number): Circuit.Rules => {
  const { replayed, rules } = compiled(policy, "Policy.rules")
  return replayed === undefined ? rules : { ...rules, openDuration: replayed(chanceOf(random ?? noChance)) }
}

// ---------------------------------------------------------------------------------------------------------------------

interface Compiled {
  readonly rules: Circuit.Rules
  /** An opening's length, where a schedule tells it. */
  readonly replayed: ((context: Context.Context<never>) => (opening: number) => number) | undefined
}

// A million circuits run under one policy, and a Schema takes long.
const made = new WeakMap<Options, Compiled>()

const compiled = ({ options }: Policy, where: string): Compiled => {
  const known = made.get(options)
  if (known !== undefined) return known
  const { mode: _mode, openDuration, ...rest } = options
  const growing = isGrowing(openDuration) ? openDuration : undefined
  const schedule = Schedule.isSchedule(openDuration) ? openDuration : undefined
  const rules = Circuit.rules({
    ...rest,
    openDuration: growing ? grow(growing) : schedule ? undefined : openDuration as Duration.Input | undefined
  }, where)
  const fresh = { rules, replayed: schedule && OpenDuration.make(schedule, where) }
  made.set(options, fresh)
  return fresh
}

const grow = ({ factor = 2, first, most }: Growing) => {
  const [from, to] = [Setting.toMillis(first), Setting.toMillis(most)]
  // To the nanosecond, as a `Schedule` tells it.
  return (opening: number): number =>
    Duration.toMillis(Duration.millis(Math.min(from * Math.pow(factor, opening - 1), to)))
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isGrowing = (value: unknown): value is Growing =>
  isObject(value) && "first" in value && !Schedule.isSchedule(value)

const noChance = (): number => 0

const chanceOf = (random: () => number): Context.Context<never> =>
  Context.make(Random.Random, {
    nextDoubleUnsafe: random,
    nextIntUnsafe: () => Math.floor((random() * 2 - 1) * Number.MAX_SAFE_INTEGER)
  })

const check = (policy: Policy, where: string): void => {
  const { name, options } = policy
  Setting.option(where, "name", Name, name)
  if (!isGrowing(options.openDuration)) Setting.enforce(where, whole.plain, options)
  else {
    const { factor, first, most } = options.openDuration
    Setting.enforce(where, whole.growing, { ...options, openDuration: { first, factor, most } })
    if (Setting.toMillis(first) > Setting.toMillis(most)) {
      throw new RangeError(
        `${where}: openDuration.first ${
          Setting.wrong(`at most openDuration.most (${Setting.toMillis(most)} ms)`, first)
        }`
      )
    }
  }
  compiled(policy, where)
}

const maybe = Schema.optional

const mode = /*#__PURE__*/ maybe(Mode)

const whole = {
  growing: /*#__PURE__*/ Schema.Struct({
    mode,
    openDuration: /*#__PURE__*/ Schema.Struct({
      first: Setting.positiveDuration,
      factor: /*#__PURE__*/ maybe(
        /*#__PURE__*/ Setting.setting("a number of at least 1", (value) => Number.isFinite(value) && value >= 1)
      ),
      most: Setting.positiveDuration
    })
  }),
  plain: /*#__PURE__*/ Schema.Struct({
    mode,
    openDuration: /*#__PURE__*/ maybe(
      /*#__PURE__*/ Setting.setting(
        "a duration, a schedule, or { first, factor, most }",
        (value) => typeof value !== "function"
      )
    )
  })
}

// What may be written, level by level.
const known: Readonly<Record<string, ReadonlyArray<string>>> = {
  "": [
    "name",
    "tripPolicy",
    "openDuration",
    "halfOpen",
    "ramp",
    "jitter",
    "maxRetryAfter",
    "throttleDuration",
    "tripDuration",
    "mode"
  ],
  halfOpen: ["concurrency", "successes", "outOf", "lease"],
  ramp: ["shares", "every", "minimumCalls", "tolerance"],
  openDuration: ["first", "factor", "most"]
}

const where = "Policy"

const read = (value: unknown): Policy => {
  if (!isObject(value)) throw new RangeError(Setting.wrong("an object with a name and options", value))
  for (const [level, names] of Object.entries(known)) {
    const at = level === "" ? value : value[level]
    const stray = isObject(at) ? Object.keys(at).find((name) => !names.includes(name)) : undefined
    if (stray === undefined) continue
    const path = level === "" ? stray : `${level}.${stray}`
    throw new RangeError(`${path} is no option: there are ${names.join(", ")}`)
  }
  const { name, ...options } = value
  const policy = { name, options } as unknown as Policy
  check(policy, where)
  const stray = options.tripPolicy === undefined ? undefined : strayIn(options.tripPolicy)
  if (stray !== undefined) throw new RangeError(`tripPolicy.${stray} is no option of that policy`)
  return policy
}

const strict = /*#__PURE__*/ Schema.toStandardSchemaV1(TripPolicy.TripPolicy, {
  parseOptions: { onExcessProperty: "error" }
})["~standard"]

const strayIn = (tripPolicy: unknown): string | undefined => {
  const checked = strict.validate(tripPolicy) as {
    readonly issues?: ReadonlyArray<{ readonly path?: ReadonlyArray<PropertyKey> }>
  }
  return checked.issues?.[0]?.path?.map(String).join(".")
}

const problemOf = (value: unknown): string | undefined => {
  try {
    read(value)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

const messageOf = (error: unknown): string => (error as Error).message.replace(/^Policy: /, "")

const durations = [
  "lease",
  "every",
  "first",
  "most",
  "openDuration",
  "maxRetryAfter",
  "throttleDuration",
  "tripDuration"
]

const write = ({ name, options }: Policy): object => {
  if (Schedule.isSchedule(options.openDuration)) {
    throw new RangeError(
      `${where}: openDuration ${Setting.wrong("data to be written, such as { first, most }", options.openDuration)}`
    )
  }
  return { name, ...plain(options) as object }
}

// Durations as they were written; what is an object of Effect's, in milliseconds.
const plain = (value: unknown, key = ""): unknown => {
  if (durations.includes(key) && (typeof value === "bigint" || (typeof value === "object" && !isGrowing(value)))) {
    return Setting.toMillis(value as Duration.Input)
  }
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, one]) => one === undefined ? [] : [[name, plain(one, name)]])
  )
}

const isPolicy = (value: unknown): value is Policy => {
  if (!isObject(value) || !isObject(value.options)) return false
  try {
    check(value as never, where)
    return true
  } catch {
    return false
  }
}

const codec: Schema.Codec<Policy, unknown> = /*#__PURE__*/ Schema.Unknown.check(
  /*#__PURE__*/ Schema.makeFilter(problemOf)
).pipe(
  /*#__PURE__*/ Schema.decodeTo(/*#__PURE__*/ Schema.declare(isPolicy), {
    decode: /*#__PURE__*/ SchemaGetter.transform(read),
    encode: /*#__PURE__*/ SchemaGetter.transformEffect((policy: Policy) =>
      Effect.try({
        try: () => write(policy),
        catch: (error) => new SchemaIssue.InvalidValue({ message: messageOf(error) })
      })
    )
  })
)
