/**
 * Finds a better policy for a log of calls, or for a scenario.
 *
 * A policy is judged by the harm that it leaves: calls that it let go in vain, and calls that it refused though they would have
 * gone well. The two pull in opposite directions, so what comes out is a frontier, and of it one point that is recommended with
 * its reasons. A part of the data is held out from the search, and tells how much of the find is chance.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Setting from "../internal/Setting.ts"
import * as CallLog from "./CallLog.ts"
import type * as CallRecord from "./CallRecord.ts"
import * as Frontier from "./Frontier.ts"
import * as Policy from "./Policy.ts"
import * as PolicyText from "./PolicyText.ts"
import * as Random from "./Random.ts"
import * as Replay from "./Replay.ts"
import type * as Scenario from "./Scenario.ts"
import type * as Simulation from "./Simulation.ts"
import * as TuneLog from "./TuneLog.ts"
import type { Figures, Point, Result } from "./TuneResult.ts"
import * as TuneScenario from "./TuneScenario.ts"
import { Search, type Tried } from "./TuneSearch.ts"
import { type Part, parts, Space } from "./TuneSpace.ts"
import * as TuneText from "./TuneText.ts"
import type { CannotTune, Progress, Trial } from "./TuneTrial.ts"

export type { Figures, Point, Result } from "./TuneResult.ts"
export type { Part } from "./TuneSpace.ts"
export { CannotTune, type Progress } from "./TuneTrial.ts"

/**
 * How a policy is searched.
 *
 * **Details**
 *
 * - `inUse`: the policy that there is (default `llm`): the search begins with it, what is not searched stays as it has it, and
 *   the result is compared with it. It must be data: no `Schedule`.
 * - `vary`: which parts of it are searched. Over a log `trip`, `open` and `probes`; over a scenario the `ramp` too, whose use a
 *   log cannot show.
 * - `by`: whether what is wasted counts by `calls` (the default) or by the time that callers `waiting` for them lost.
 * - `weight`: how many wasted calls one lost call is as bad as (default 1). With a good fallback it is less.
 * - `budget`: how many policies are tried at most (over a log 240, over a scenario 100; at least 12).
 * - `seed`: decides all chance in the search (default 1).
 * - `onProgress`: is told how far it has come. It must not throw.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly inUse?: Policy.Policy | undefined
  readonly vary?: ReadonlyArray<Part> | undefined
  readonly by?: "calls" | "waiting" | undefined
  readonly weight?: number | undefined
  readonly budget?: number | undefined
  readonly seed?: number | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/**
 * How a policy is searched for a log.
 *
 * **Details**
 *
 * - `incidents`: as in `Replay.Options`.
 * - `mostKept`: how many calls are kept in memory, 50 bytes each (default 5 000 000). A longer log is read anew for each 32
 *   policies, and nothing is kept but sums.
 *
 * @category models
 * @since 0.1.0
 */
export interface LogOptions extends Options {
  readonly incidents?: Replay.Options["incidents"]
  readonly mostKept?: number | undefined
}

/**
 * How a policy is searched for a scenario: `runs` is how many seeds each policy meets in the search (default 2), and as many others
 * in the proof.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScenarioOptions extends Options {
  readonly runs?: number | undefined
}

/**
 * What a search found for a log: with a replay of the whole log under the policy in use and the recommended one.
 *
 * @category models
 * @since 0.1.0
 */
export interface LogResult extends Result {
  readonly source: "log"
  readonly division: "last third" | "every other trouble" | "none"
  readonly replay: Replay.Result
}

/**
 * What a search found for a scenario: with runs without a breaker, under the policy in use and under the recommended one, all of a seed
 * that was held out.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScenarioResult extends Result {
  readonly source: "scenario"
  readonly seeds: { readonly search: ReadonlyArray<number>; readonly heldOut: ReadonlyArray<number> }
  readonly simulations: ReadonlyArray<Simulation.Result & { readonly policy: string }>
}

/**
 * Finds a better policy for a log, straight from its bytes.
 *
 * **Details**
 *
 * `bytes` gives the log from its beginning on, each time that it is called: more than once where the log is too long to be kept. Bytes
 * that come only once are given as they are.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad option.
 *
 * @category tuning
 * @since 0.1.0
 */
export const log = <E = never, R = never>(
  bytes: CallLog.Bytes<E, R> | (() => CallLog.Bytes<E, R>),
  options: LogOptions & { readonly log?: CallLog.Options | undefined } = {}
): Effect.Effect<
  LogResult & { readonly log: CallLog.Reading },
  E | CallLog.BadLine | CallLog.LogUnreadable | CannotTune,
  R
> => {
  const { log = {}, ...rest } = options
  const settings = settingsOf(rest, parts.slice(0, 3), 240)
  checkLog(rest)
  const isLasting = typeof bytes === "function"
  const read: TuneLog.Read<E | CallLog.BadLine | CallLog.LogUnreadable, R> = (onRecord) =>
    Effect.suspend(() => CallLog.read(typeof bytes === "function" ? bytes() : bytes, { ...log, onRecord }))
  return Effect.map(
    overLog(read, rest, settings, isLasting),
    ({ reading, result }) => ({ ...result, log: reading! })
  )
}

/**
 * Finds a better policy for records, in order of when they were asked for.
 *
 * **Example** (A provider that fails for a minute every hour, and calls that come every two seconds)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { TripPolicy } from "effect-breaker"
 * import { CallRecord, Policy, Tune } from "effect-breaker/replay"
 *
 * const calls = Array.from({ length: 12 * 1800 }, (_, i) =>
 *   CallRecord.make({ at: 2000 * i, took: 300, status: i % 1800 >= 900 && i % 1800 < 930 ? 503 : 200 }))
 *
 * const inUse = Policy.make("in use", { tripPolicy: TripPolicy.consecutive(10), openDuration: "5 minutes" })
 * const { inUse: before, recommended } = await Effect.runPromise(Tune.records(calls, { inUse, budget: 60 }))
 *
 * console.log(before.search.lost > 500) // => true
 * console.log(recommended.heldOut!.harm < before.heldOut!.harm / 4) // => true
 * ```
 *
 * @category tuning
 * @since 0.1.0
 */
export const records = <E = never, R = never>(
  calls: Stream.Stream<CallRecord.CallRecord, E, R> | Iterable<CallRecord.CallRecord>,
  options: LogOptions = {}
): Effect.Effect<LogResult, E | CannotTune, R> => {
  const settings = settingsOf(options, parts.slice(0, 3), 240)
  checkLog(options)
  const all = Stream.isStream(calls) ? calls : Stream.fromIterable(calls)
  const read: TuneLog.Read<E, R> = (onRecord) =>
    Effect.as(Stream.runForEachArray(all, (some) => Effect.sync(() => some.forEach(onRecord))), undefined)
  // Whatever is iterated twice gives the same calls twice, but for what runs out.
  const isLasting = Stream.isStream(calls) || Array.isArray(calls)
  return Effect.map(overLog(read, options, settings, isLasting), ({ result }) => result)
}

/**
 * Finds a better policy for a scenario.
 *
 * **Example** (An outage of a minute, played for half a second)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Scenario, Tune } from "effect-breaker/replay"
 *
 * const dead = Scenario.make({
 *   name: "dead",
 *   duration: 180_000,
 *   provider: { servers: 100, latency: 200 },
 *   phases: [
 *     { name: "healthy", for: 30_000 },
 *     { name: "dead", for: 60_000, faults: [{ fault: { _tag: "Reset" }, share: 1 }] },
 *     { name: "healthy again", for: 90_000 }
 *   ],
 *   clients: { rate: 5 }
 * })
 * const { frontier, recommended } = await Effect.runPromise(Tune.scenario(dead, { budget: 24, runs: 1 }))
 *
 * console.log(frontier.includes(recommended)) // => true
 * console.log(recommended.heldOut!.left < 0.5) // => true
 * ```
 *
 * @category tuning
 * @since 0.1.0
 */
export const scenario = (
  scenario: Scenario.Scenario,
  options: ScenarioOptions = {}
): Effect.Effect<ScenarioResult, CannotTune> => {
  const { runs = 2 } = options
  const settings = settingsOf(options, parts, 100)
  Setting.option(where, "runs", Setting.count, runs)
  return Effect.gen(function*() {
    const trial = yield* TuneScenario.make(scenario, settings.seed, runs)
    const seeds = (all: ReadonlyArray<number>) => all.join(", ")
    const found = yield* search(trial, settings, {
      source: "scenario",
      heldOut:
        `Searched under seeds ${seeds(trial.seeds.search)}, and held out: seeds ${seeds(trial.seeds.heldOut)}, ` +
        "which have the same phases and other calls.",
      limits: [
        "A scenario is what somebody thought of. What your provider does differently, this policy was not tried on.",
        "What a refused call would have met is not known: it counts as lost by the share of calls that could have been answered then."
      ]
    })
    const compared = [found.inUse, found.recommended].filter((point, i, all) => i === 0 || point !== all[0])
    const names = ["no breaker", ...compared.map(({ policy }) => policy.name)]
    const simulations = yield* trial.show(compared.map(({ policy }) => policy))
    return {
      ...found,
      source: "scenario",
      seeds: trial.seeds,
      simulations: simulations.map((result, i) => Object.assign(result, { policy: names[i]! }))
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------------

const where = "Tune"
const MOST_POINTS = 12
/** What differs by less than this share of the harm is next to nothing. */
const GRAIN = 0.05

interface Settings {
  readonly inUse: Policy.Policy
  readonly vary: ReadonlyArray<Part>
  readonly by: "calls" | "waiting"
  readonly weight: number
  readonly budget: number
  readonly seed: number
  readonly onProgress: (progress: Progress) => void
}

const overLog = <E, R>(
  read: TuneLog.Read<E, R>,
  { incidents, mostKept = 5_000_000 }: LogOptions,
  settings: Settings,
  isLasting: boolean
) =>
  Effect.gen(function*() {
    const trial = yield* TuneLog.make(read, { incidents, mostKept, isLasting })
    const found = yield* search(trial, settings, { source: "log", heldOut: trial.parts.why, limits: [] })
    const compared = [found.inUse, found.recommended].filter((point, i, all) => i === 0 || point !== all[0])
    const replay = yield* trial.show(compared.map(({ policy }) => policy))
    const limits = [
      ...replay.limits,
      ...(settings.vary.includes("ramp")
        ? [
          "A ramp spares a provider that comes back slowly. A log cannot show what that is good for, only what it costs."
        ]
        : ["The ramp is as it was: what it is good for, a log cannot show. A scenario can."])
    ]
    const result: LogResult = { ...found, source: "log", division: trial.parts.division, replay, limits }
    return { result, reading: trial.reading }
  })

const search = Effect.fnUntraced(function*<E, R>(
  trial: Trial<E, R>,
  { budget, by, inUse, onProgress, seed, vary, weight }: Settings,
  said: Pick<Result, "source" | "heldOut" | "limits">
) {
  const measure: Frontier.Measure = { by, weight, wait: trial.wait }
  const space = new Space(inUse, vary, trial.latencies)
  const seeker = new Search(space, budget, Random.make(seed).fork("tune"), measure)
  const of = budget + (trial.hasHeldOut ? MOST_POINTS : 0)
  let done = 0
  const onTried = (count: number) => {
    done += count
    onProgress({ done, of })
  }
  for (let batch = seeker.next(); batch.length > 0; batch = seeker.next()) {
    seeker.learn(batch, yield* trial.run(batch.map(({ policy }) => policy), "search", onTried))
  }
  const start = seeker.tried[0]!
  const frontier = seeker.frontier
  const best = Frontier.best(frontier, measure)!
  const stray = Frontier.wastedBy(trial.stray("search"), measure)
  const grain = Math.max(1, GRAIN * (Frontier.harmBy(best.harm, measure) - stray))
  const worth = Math.max(
    Frontier.harmBy(Frontier.sum(trial.without("search")), measure),
    2 * Frontier.harmBy(best.harm, measure) - stray
  )
  const told = thinned(frontier, best, measure, grain, worth)
  const proven = [start, ...told.filter((one) => one !== start)]
  const proofs = trial.hasHeldOut
    ? yield* trial.run(proven.map(({ policy }) => policy), "heldOut", onTried)
    : undefined
  onProgress({ done: of, of })
  const figures = (harm: Frontier.Harm, part: "search" | "heldOut"): Figures => {
    const stray = Frontier.wastedBy(trial.stray(part), measure)
    const all = Frontier.harmBy(harm, measure)
    const most = Frontier.wastedBy(Frontier.sum(trial.without(part)), measure) - stray
    return { ...harm, harm: all, avoidable: all - stray, left: most <= 0 ? 0 : (all - stray) / most }
  }
  const without = {
    search: figures(Frontier.sum(trial.without("search")), "search"),
    ...(proofs && { heldOut: figures(Frontier.sum(trial.without("heldOut")), "heldOut") })
  }
  const points = new Map(proven.map((one, i): [Tried, Point] => {
    const proof = proofs?.[i]
    const name = one === start ? inUse.name : one === best ? nameFor(inUse) : `point ${told.indexOf(one) + 1}`
    const policy = one === start ? inUse : { name, options: one.policy.options }
    return [one, {
      policy,
      says: PolicyText.inWords(policy),
      changes: PolicyText.changes(start.policy, one.policy),
      search: figures(one.harm, "search"),
      ...(proof && { heldOut: figures(Frontier.sum(proof), "heldOut") })
    }]
  }))
  const better = (mine: ReadonlyArray<Frontier.Harm>, theirs: ReadonlyArray<Frontier.Harm>) =>
    mine.filter((harm, i) => Frontier.harmBy(harm, measure) < Frontier.harmBy(theirs[i]!, measure)).length
  const result = {
    source: said.source,
    seed,
    tried: seeker.tried.length,
    measure,
    without,
    inUse: points.get(start)!,
    frontier: told.map((one) => points.get(one)!),
    frontierSize: frontier.length,
    recommended: points.get(best)!,
    heldOut: said.heldOut,
    stretches: { search: best.harms.length, heldOut: proofs?.[0]?.length ?? 0 },
    better: {
      search: better(best.harms, start.harms),
      heldOut: proofs ? better(proofs[proven.indexOf(best)]!, proofs[0]!) : 0
    }
  }
  return {
    ...result,
    reasons: TuneText.reasons(result),
    doubts: TuneText.doubts(result),
    limits: said.limits
  } satisfies Result
})

const nameFor = (inUse: Policy.Policy): string => inUse.name === "tuned" ? "tuned again" : "tuned"

/**
 * At most a dozen points: the ends, the best, and others evenly, none of which differs from another by next to nothing, and but
 * for the neighbours of the best none that is not worth it.
 */
const thinned = (
  frontier: ReadonlyArray<Tried>,
  best: Tried,
  measure: Frontier.Measure,
  grain: number,
  worth: number
): ReadonlyArray<Tried> => {
  const isApart = (one: Tried, other: Tried) =>
    Math.abs(Frontier.wastedBy(one.harm, measure) - Frontier.wastedBy(other.harm, measure)) +
        measure.weight * Math.abs(one.harm.lost - other.harm.lost) >= grain
  const at = frontier.indexOf(best)
  const outwards = (points: ReadonlyArray<Tried>): ReadonlyArray<Tried> => {
    let last = best
    return points.filter((point, i) => {
      if (i < points.length - 1 && !isApart(point, last)) return false
      last = point
      return true
    })
  }
  const apart = [
    ...outwards(frontier.slice(0, at).toReversed()).toReversed(),
    best,
    ...outwards(frontier.slice(at + 1))
  ]
  const near = apart.indexOf(best)
  const coarse = apart.filter((one, i) => Math.abs(i - near) <= 1 || Frontier.harmBy(one.harm, measure) <= worth)
  const last = coarse.length - 1
  if (last < MOST_POINTS) return coarse
  const middle = coarse.indexOf(best)
  const kept = new Set([0, last, middle, Math.max(middle - 1, 0), Math.min(middle + 1, last)])
  while (kept.size < MOST_POINTS) {
    // The next one is that which is farthest from all that are kept.
    const distance = (at: number) => Math.min(...[...kept].map((one) => Math.abs(one - at)))
    kept.add(coarse.map((_, at) => at).toSorted((a, b) => distance(b) - distance(a) || a - b)[0]!)
  }
  return coarse.filter((_, at) => kept.has(at))
}

const maybe = Schema.optional

const schema: Schema.Codec<unknown, unknown> = /*#__PURE__*/ Schema.Struct({
  vary: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Setting.setting<ReadonlyArray<Part>>(
      `one or more of ${parts.join(", ")}`,
      (vary) => Array.isArray(vary) && vary.length > 0 && vary.every((part) => parts.includes(part))
    )
  ),
  by: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Setting.setting<string>("calls or waiting", (by) => ["calls", "waiting"].includes(by))
  ),
  weight: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Setting.setting("a finite number above zero", (weight) => Number.isFinite(weight) && weight > 0)
  ),
  budget: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Setting.setting(
      "a whole number from 12 to 100000",
      (budget) => Number.isSafeInteger(budget) && budget >= 12 && budget <= 100_000
    )
  ),
  seed: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Setting.setting("a whole number", (seed) => Number.isSafeInteger(seed))
  )
})

const settingsOf = (options: Options, varied: ReadonlyArray<Part>, most: number): Settings => {
  Setting.enforce(where, schema, options)
  const { budget = most, by = "calls", inUse = Policy.builtIn.llm, onProgress, seed = 1, vary, weight = 1 } = options
  // What cannot be written cannot be recommended.
  Policy.toJson(inUse)
  return { inUse, vary: vary ?? varied, by, weight, budget, seed, onProgress: onProgress ?? (() => {}) }
}

const checkLog = ({ incidents, mostKept }: LogOptions): void => {
  if (mostKept !== undefined) Setting.option(where, "mostKept", Setting.count, mostKept)
  // It knows what an incident must be.
  Replay.make({ policies: [Policy.builtIn.default], incidents })
}
