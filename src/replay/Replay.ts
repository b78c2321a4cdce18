/**
 * What policies would have done with the calls of a log.
 *
 * Each policy gets circuits of its own, one for each circuit that the log names, and all policies read the log together, once.
 * A call asks when the log says that it was asked for; where it is admitted, it answers and settles when the log says so,
 * with the outcome that the log has. It is the machine of the live breaker that judges, fed with the same calls at the
 * same times.
 *
 * What the log never saw is not made up. What that leaves open is said in `limits`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Circuit from "../Circuit.ts"
import * as Setting from "../internal/Setting.ts"
import * as CallLog from "./CallLog.ts"
import type * as CallRecord from "./CallRecord.ts"
import * as Incident from "./Incident.ts"
import { InFlight, Running } from "./InFlight.ts"
import * as Policy from "./Policy.ts"
import { limitsOf, type PolicyResult, resultOf } from "./ReplayResult.ts"
import { Place, Run, type Sum } from "./Runs.ts"
import * as Timeline from "./Timeline.ts"

export type { IncidentResult, PolicyResult } from "./ReplayResult.ts"
export type { Opening, RefusedBy, RefusedCalls, Sum } from "./Runs.ts"

/**
 * How calls are replayed.
 *
 * **Details**
 *
 * - `policies`: at least one, each with a name of its own.
 * - `incidents`: what an incident is, or the incidents themselves. An incident without a `circuit` is one of all circuits.
 * - `random`: gives each policy its numbers from 0 to 1, for the jitter of openings. Without it there is none, and each
 *   opening is as short as it may be.
 * - `every`, `mostSlices`: the slices of each timeline, as in `Timeline.Options`.
 * - `mostOpenings`: how many openings and moves of a policy are told one by one (default 10 000); all are counted.
 * - `mostCircuits`: how many circuits there may be (default 100 000); calls of others are left out, and counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly policies: ReadonlyArray<Policy.Policy>
  readonly incidents?: Incident.Options | ReadonlyArray<Given> | undefined
  readonly random?: ((policy: string) => () => number) | undefined
  readonly every?: Duration.Input | undefined
  readonly mostSlices?: number | undefined
  readonly mostOpenings?: number | undefined
  readonly mostCircuits?: number | undefined
}

/**
 * An incident that the caller knows of, in milliseconds. Without a `circuit` it is one of all circuits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Given {
  readonly circuit?: string | undefined
  readonly start: number
  readonly end?: number | undefined
}

/**
 * The calls of a log by what became of them, whatever any policy would have done. `failed` has the trips in it; `refused` are
 * those that the log's own breaker refused.
 *
 * @category models
 * @since 0.1.0
 */
export interface Calls {
  readonly succeeded: number
  readonly failed: number
  readonly throttled: number
  readonly ignored: number
  readonly refused: number
}

/**
 * What came of a replay.
 *
 * **Details**
 *
 * `from` is when the first call was asked for, `until` when the last one ended. `leftOut` are records that were not replayed:
 * before the one before them in time, or of one circuit too many. `unknownCircuits` are those of incidents that were given and
 * that the log does not have: nobody did anything about them. `limits` says in plain words what this cannot tell.
 *
 * @category models
 * @since 0.1.0
 */
export interface Result {
  readonly from: number
  readonly until: number
  readonly calls: Calls
  readonly circuits: number
  readonly leftOut: { readonly outOfOrder: number; readonly tooManyCircuits: number }
  readonly incidents: ReadonlyArray<Incident.Incident>
  readonly unknownCircuits: ReadonlyArray<string>
  readonly policies: ReadonlyArray<PolicyResult>
  readonly limits: ReadonlyArray<string>
}

/**
 * Replays a log, straight from its bytes.
 *
 * **Details**
 *
 * How the log is read is `log`; what was read and what was skipped is in the result's `log`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad option.
 *
 * @category replaying
 * @since 0.1.0
 */
export const log = <E = never, R = never>(
  bytes: CallLog.Bytes<E, R>,
  options: Options & { readonly log?: CallLog.Options | undefined }
): Effect.Effect<
  Result & { readonly log: CallLog.Reading },
  E | CallLog.BadLine | CallLog.LogUnreadable,
  R
> => {
  const { log = {}, ...rest } = options
  check(rest)
  return Effect.suspend(() => {
    const replay = make(rest)
    return Effect.map(
      CallLog.read(bytes, { ...log, onRecord: (record) => replay.add(record) }),
      (log) => ({ ...replay.result(), log })
    )
  })
}

/**
 * Replays records, in order of when they were asked for.
 *
 * **Example** (A provider that is down for three calls, and two policies)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { TripPolicy } from "effect-breaker"
 * import { CallRecord, Policy, Replay } from "effect-breaker/replay"
 *
 * const calls = Array.from({ length: 60 }, (_, second) =>
 *   CallRecord.make({ at: 1000 * second, took: 100, status: second >= 10 && second < 40 ? 500 : 200 }))
 *
 * const quick = { tripPolicy: TripPolicy.consecutive(2), halfOpen: { successes: 1 } }
 * const program = Replay.records(calls, {
 *   policies: [
 *     Policy.make("5 seconds", { ...quick, openDuration: "5 seconds" }),
 *     Policy.make("20 seconds", { ...quick, openDuration: "20 seconds" })
 *   ]
 * })
 * const { policies } = await Effect.runPromise(program)
 *
 * console.log(policies.map(({ lost, policy, saved }) => `${policy}: ${saved.calls} saved, ${lost.calls} lost`))
 * // => ["5 seconds: 24 saved, 1 lost", "20 seconds: 27 saved, 13 lost"]
 * ```
 *
 * @category replaying
 * @since 0.1.0
 */
export const records = <E = never, R = never>(
  calls: Stream.Stream<CallRecord.CallRecord, E, R> | Iterable<CallRecord.CallRecord>,
  options: Options
): Effect.Effect<Result, E, R> => {
  check(options)
  return Effect.suspend(() => {
    const replay = make(options)
    const all = Stream.isStream(calls) ? calls : Stream.fromIterable(calls)
    const fed = Stream.runForEachArray(all, (some) => Effect.sync(() => some.forEach((record) => replay.add(record))))
    return Effect.map(fed, () => replay.result())
  })
}

/**
 * Makes a replay that is fed by hand.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for a bad option.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Replay => {
  check(options)
  return new Replay(options)
}

/**
 * A replay that is fed by hand: `add` each record, in order of when it was asked for, and take the `result` at the end.
 *
 * **Details**
 *
 * At one instant, what is due comes first, in the order in which the calls were asked for, and of one call its first
 * content before its end; then the calls that ask, in the order of the log. So a call that ends when the next one asks has
 * ended by then, as for a client that makes one call after the other.
 *
 * @category models
 * @since 0.1.0
 */
export class Replay {
  private readonly options: Options
  private readonly places = new Map<string, Place>()
  private readonly inFlight = new InFlight()
  private readonly calls = { succeeded: 0, failed: 0, throttled: 0, ignored: 0, refused: 0 }
  private readonly leftOut = { outOfOrder: 0, tooManyCircuits: 0 }
  private readonly finder: Incident.Finder | undefined
  /** Whether any policy makes something of the time at which a call answered. */
  private readonly heedsAnswers: boolean
  private runs: ReadonlyArray<Run> = []
  private last: Place | undefined
  private from = 0
  /** When the last call of the log ends, whether or not any policy lets it go. */
  private until = 0
  private now = -Infinity

  /** @internal Use `make`. */
  constructor(options: Options) {
    this.options = options
    const { incidents } = options
    this.finder = Array.isArray(incidents) ? undefined : Incident.make(incidents as Incident.Options | undefined)
    this.heedsAnswers = options.policies.some((policy) => {
      const { plan, ramp } = Policy.rules(policy)
      return plan.slowAfter < Infinity || (ramp?.tolerance ?? Infinity) < Infinity
    })
  }

  add(record: CallRecord.CallRecord): void {
    const { at, outcome } = record
    if (!(at >= this.now)) {
      this.leftOut.outOfOrder++
      return
    }
    if (this.runs.length === 0) this.begin(at)
    this.comeTo(at)
    if (at + record.took > this.until) this.until = at + record.took
    const place = this.last?.name === record.circuit ? this.last : this.placeOf(record.circuit, at)
    if (place === undefined) return
    this.calls[tally[outcome._tag]]++
    this.finder?.add(record)
    if (outcome._tag === "Refused") return this.wonder(record, place)
    const { runs } = this
    let running: Running | undefined
    for (let i = 0; i < runs.length; i++) {
      const run = runs[i]!
      const { circuit } = place.tracks[i]!
      run.counts.asked++
      run.timeline.asked(at)
      const answer = Circuit.admit(circuit, at)
      if (answer instanceof Circuit.Refusal) run.refuse(record, answer.reason)
      else {
        running ??= new Running(record, place, runs.length === 1 ? [undefined] : runs.map(() => undefined))
        running.permits[i] = answer
        if (isProbe(circuit, answer)) {
          run.counts.probes++
          running.probes = [...running.probes, i]
        }
      }
    }
    if (running === undefined) return
    this.inFlight.add(running, this.heedsAnswers)
  }

  /** What came of it, with all calls that still run brought to their end. */
  result(): Result {
    if (this.runs.length === 0) this.begin(0)
    this.comeTo(Infinity)
    const { calls, finder, from, leftOut, options, places, runs, until } = this
    const all = Array.from(places.values())
    const incidents: ReadonlyArray<Incident.Incident> = finder?.found() ??
      given(options.incidents as ReadonlyArray<Given>, all)
    const unknownCircuits = [...new Set(incidents.map(({ circuit }) => circuit))].filter((name) => !places.has(name))
    return {
      from,
      until,
      calls: { ...calls },
      circuits: all.length,
      leftOut: { ...leftOut },
      incidents,
      unknownCircuits,
      policies: runs.map((run, i) => resultOf(run, i, all, incidents, until)),
      limits: limitsOf(calls.refused, finder?.leftOut ?? 0, unknownCircuits, [...places.keys()], runs)
    }
  }

  /** @internal What each policy refused so far: calls that would have failed, and that would have gone well. */
  refusals(): ReadonlyArray<{ readonly saved: Sum; readonly lost: Sum }> {
    return this.runs.map(({ lost, saved }) => ({ saved: { ...saved }, lost: { ...lost } }))
  }

  // Nothing is known of it, so it leaves no trace: only whether the policy would have refused it too.
  private wonder(record: CallRecord.CallRecord, place: Place): void {
    this.runs.forEach((run, i) => {
      run.counts.asked++
      const { circuit } = place.tracks[i]!
      const refusal = circuit.mode === "enforce" ? Circuit.refusal(circuit, record.at) : undefined
      run.timeline.asked(record.at)
      if (refusal === undefined) {
        run.counts.unknownAdmitted++
        // Whoever made it was refused, there and then.
        run.timeline.refused(record.at, "unknown")
      } else run.refuse(record, refusal.reason)
    })
  }

  /** Whatever happens until then, happens. */
  private comeTo(until: number): void {
    const { inFlight, runs } = this
    for (let running = inFlight.next(until); running !== undefined; running = inFlight.next(until)) {
      const { due, isAnswering, permits, place, probes, record } = running
      this.now = due
      for (let i = 0; i < permits.length; i++) {
        const permit = permits[i]
        if (permit === undefined) continue
        const { circuit } = place.tracks[i]!
        if (isAnswering) Circuit.answer(circuit, permit, due)
        else {
          Circuit.settle(circuit, permit, record.outcome as never, due)
          runs[i]!.settle(record.outcome as never, due, probes.includes(i))
        }
      }
      if (isAnswering) inFlight.answered(running)
    }
    if (until < Infinity) this.now = until
  }

  private begin(from: number): void {
    const { every = 1000, mostOpenings = 10_000, mostSlices = 2000, policies, random } = this.options
    this.from = this.until = from
    this.runs = policies.map((policy) =>
      new Run(policy, random?.(policy.name), { from, every: Setting.toMillis(every), mostSlices, mostOpenings })
    )
  }

  private placeOf(name: string, now: number): Place | undefined {
    const known = this.places.get(name)
    if (known !== undefined) return this.last = known
    if (this.places.size >= (this.options.mostCircuits ?? 100_000)) {
      this.leftOut.tooManyCircuits++
      return undefined
    }
    const place = new Place(name, now, this.runs.map((run) => run.track(name, now)))
    this.places.set(name, place)
    return this.last = place
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const tally: Readonly<Record<CallRecord.CallRecord["outcome"]["_tag"], keyof Calls>> = {
  Success: "succeeded",
  Failure: "failed",
  Trip: "failed",
  Throttled: "throttled",
  Ignored: "ignored",
  Refused: "refused"
}

const isProbe = ({ cell: { current } }: Circuit.Circuit, permit: Circuit.Permit): boolean =>
  current._tag === "HalfOpen" && current.stage === "Probing" && permit.generation === current.generation

// One of all circuits is one of each.
const given = (incidents: ReadonlyArray<Given>, places: ReadonlyArray<Place>): ReadonlyArray<Incident.Incident> =>
  incidents.flatMap(({ circuit, ...rest }) =>
    circuit === undefined ? places.map(({ name }) => ({ circuit: name, ...rest })) : [{ circuit, ...rest }]
  ).toSorted((a, b) => a.start - b.start)

const maybe = Schema.optional

const schema: Schema.Codec<unknown, unknown> = /*#__PURE__*/ Schema.Struct({
  policies: /*#__PURE__*/ Setting.setting<ReadonlyArray<Policy.Policy>>(
    "a list of at least one policy",
    (policies) => Array.isArray(policies) && policies.length > 0
  ),
  every: /*#__PURE__*/ maybe(Setting.positiveDuration),
  mostSlices: /*#__PURE__*/ maybe(Setting.count),
  mostOpenings: /*#__PURE__*/ maybe(Setting.count),
  mostCircuits: /*#__PURE__*/ maybe(Setting.count)
})

const moments = (incident: unknown): boolean => {
  const { end, start } = Object(incident) as Record<string, unknown>
  return Number.isFinite(start) && (end === undefined || (Number.isFinite(end) && (end as number) >= (start as number)))
}

const check = (options: Options): void => {
  const where = "Replay"
  Setting.enforce(where, schema, options)
  const { every, incidents, mostSlices, policies } = options
  Timeline.make({ from: 0, every, mostSlices })
  const names = policies.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) {
    throw new RangeError(`${where}: policies must have names of their own, got ${JSON.stringify(twice)} twice`)
  }
  if (!Array.isArray(incidents)) Incident.make(incidents as Incident.Options | undefined)
  else if (!incidents.every(moments)) {
    throw new RangeError(
      `${where}: incidents ${
        Setting.wrong("a list of { start, end } in milliseconds", incidents.find((one) => !moments(one)))
      }`
    )
  }
}
