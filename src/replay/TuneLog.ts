/**
 * A log as what policies are tried on.
 *
 * The log is read once and looked through: its calls, its incidents, how long good answers took. Where it is not too long it is
 * kept on a `Tape`; otherwise it is read anew for each batch of policies, and only sums are kept.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as CallLog from "./CallLog.ts"
import type * as CallRecord from "./CallRecord.ts"
import type { Harm } from "./Frontier.ts"
import * as Incident from "./Incident.ts"
import { Latencies } from "./Latencies.ts"
import type * as Policy from "./Policy.ts"
import * as Replay from "./Replay.ts"
import { Tape } from "./Tape.ts"
import { divide, type Parts } from "./TuneParts.ts"
import { CannotTune, type Part, type Trial } from "./TuneTrial.ts"
import { whole } from "./Words.ts"

type OnRecord = (record: CallRecord.CallRecord) => void

/** Reads a log from its beginning to its end. */
export type Read<E, R> = (onRecord: OnRecord) => Effect.Effect<CallLog.Reading | undefined, E, R>

/** What a log is looked at with. */
export interface Options {
  readonly incidents: Incident.Options | ReadonlyArray<Replay.Given> | undefined
  readonly mostKept: number
  /** Whether the log can be read more than once. */
  readonly isLasting: boolean
}

/** A log that has been looked through. */
export class LogTrial<E, R> implements Trial<E, R> {
  readonly latencies: Latencies
  readonly wait: number
  readonly parts: Parts
  readonly reading: CallLog.Reading | undefined
  private readonly survey: Survey
  private readonly read: Read<E, R>
  private readonly bare = new Map<Part, { readonly without: ReadonlyArray<Harm>; readonly stray: Harm }>()

  constructor(survey: Survey, parts: Parts, read: Read<E, R>, reading: CallLog.Reading | undefined) {
    this.latencies = survey.latencies
    this.wait = survey.failed === 0 ? 0 : survey.waited / survey.failed
    this.parts = parts
    this.survey = survey
    this.read = read
    this.reading = reading
  }

  get hasHeldOut(): boolean {
    return this.parts.division !== "none"
  }

  without(part: Part): ReadonlyArray<Harm> {
    return this.bare.get(part)!.without
  }

  stray(part: Part): Harm {
    return this.bare.get(part)!.stray
  }

  run(
    policies: ReadonlyArray<Policy.Policy>,
    part: Part,
    onTried: (count: number) => void
  ): Effect.Effect<ReadonlyArray<ReadonlyArray<Harm>>, E, R> {
    const size = Math.max(1, Math.min(MOST_AT_ONCE, Math.floor(MOST_CIRCUITS / this.survey.circuits)))
    const batches = Array.from(
      { length: Math.ceil(policies.length / size) },
      (_, i) => policies.slice(i * size, (i + 1) * size)
    )
    return Effect.map(
      Effect.forEach(batches, (batch) => this.batch(batch, part, onTried)),
      (results) => results.flat()
    )
  }

  /** Policies on the whole log, with all that there is to say of them. */
  show(policies: ReadonlyArray<Policy.Policy>): Effect.Effect<Replay.Result, E, R> {
    return Effect.suspend(() => {
      const { incidents } = this.survey
      const replay = Replay.make({ policies, incidents })
      return Effect.map(this.pass((record) => replay.add(record), policies.length), () => replay.result())
    })
  }

  private batch(policies: ReadonlyArray<Policy.Policy>, part: Part, onTried: (count: number) => void) {
    return Effect.suspend(() => {
      const trial = new Batch(policies, this.parts, part, this.survey.incidents)
      const step = policies.length / Math.max(1, this.survey.calls)
      return Effect.map(
        this.pass((record) => {
          trial.add(record)
          onTried(step)
        }, policies.length),
        () => {
          const harms = trial.harms()
          this.bare.set(part, trial)
          return harms
        }
      )
    })
  }

  private pass(onRecord: OnRecord, policies: number): Effect.Effect<unknown, E, R> {
    const { tape } = this.survey
    return tape === undefined ? this.read(onRecord) : played(tape, onRecord, policies)
  }
}

/** Looks a log through. */
export const make = <E, R>(
  read: Read<E, R>,
  options: Options
): Effect.Effect<LogTrial<E | CannotTune, R>, E | CannotTune, R> =>
  Effect.suspend(() => {
    const survey = new Survey(options)
    return Effect.flatMap(read((record) => survey.add(record)), (reading) => {
      const why = survey.complaint(reading)
      if (why !== undefined) return Effect.fail(why)
      const parts = divide(survey.incidents, survey.from, survey.until)
      return Effect.succeed(new LogTrial<E | CannotTune, R>(survey, parts, read, reading))
    })
  })

// ---------------------------------------------------------------------------------------------------------------------

/** As many policies share a pass: more of them do not fit the processor's cache. */
const MOST_AT_ONCE = 32
/** A circuit that has seen a call takes about a kilobyte. */
const MOST_CIRCUITS = 100_000
const FEWEST_CALLS = 100
/** Calls of policies between two pauses, in which others may run. */
const AT_ONCE = 50_000

const played = (tape: Tape, onRecord: OnRecord, policies: number): Effect.Effect<void> => {
  const step = Math.max(100, Math.floor(AT_ONCE / policies))
  const from = (start: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      tape.play(start, start + step, onRecord)
      return start + step >= tape.length ? Effect.void : Effect.andThen(Effect.yieldNow, from(start + step))
    })
  return from(0)
}

const isVain = (record: CallRecord.CallRecord): boolean => {
  const { _tag } = record.outcome
  return _tag === "Failure" || _tag === "Trip" || _tag === "Throttled"
}

/** What there is to know of a log before anything is tried on it. */
class Survey {
  readonly latencies = new Latencies()
  calls = 0
  failed = 0
  waited = 0
  from = Infinity
  until = -Infinity
  tape: Tape | undefined = new Tape()
  private succeeded = 0
  private isCut = false
  private readonly options: Options
  private readonly names = new Set<string>()
  private readonly finder: Incident.Finder | undefined
  private found: ReadonlyArray<Incident.Incident> | undefined

  constructor(options: Options) {
    const { incidents } = options
    this.options = options
    this.finder = Array.isArray(incidents) ? undefined : Incident.make(incidents as Incident.Options | undefined)
  }

  add(record: CallRecord.CallRecord): void {
    const { at, circuit, firstContent, outcome, took } = record
    if (at < this.until) return
    this.calls++
    this.from = Math.min(this.from, at)
    this.until = at
    if (this.names.size < MOST_CIRCUITS) this.names.add(circuit)
    this.finder?.add(record)
    if (outcome._tag === "Success") {
      this.succeeded++
      this.latencies.add(firstContent ?? took)
    } else if (isVain(record)) {
      this.failed++
      this.waited += took
    }
    if (this.calls > this.options.mostKept) {
      this.tape = undefined
      this.isCut = !this.options.isLasting
    } else this.tape?.add(record)
  }

  get circuits(): number {
    return this.names.size
  }

  get incidents(): ReadonlyArray<Incident.Incident> {
    return this.found ??= this.finder?.found() ??
      (this.options.incidents as ReadonlyArray<Replay.Given>).flatMap(({ circuit, ...rest }) =>
        circuit === undefined
          ? Array.from(this.names, (circuit) => ({ circuit, ...rest }))
          : [{ circuit, ...rest }]
      )
  }

  complaint(log: CallLog.Reading | undefined): CannotTune | undefined {
    const { calls, failed, options: { mostKept }, succeeded } = this
    if (this.isCut) {
      return new CannotTune({
        log,
        reason: "tooManyCalls",
        message: `${whole(calls)} calls are more than the ${
          whole(mostKept)
        } that are kept, and this log can be read only once`
      })
    }
    if (succeeded + failed < FEWEST_CALLS) {
      return new CannotTune({
        log,
        reason: "tooFewCalls",
        message: `${
          whole(succeeded + failed)
        } calls that went well or failed are too few to choose by: it takes ${FEWEST_CALLS}`
      })
    }
    if (failed === 0) {
      return new CannotTune({
        log,
        reason: "noFailure",
        message: `none of ${whole(calls)} calls failed: no policy can be told from another`
      })
    }
    if (this.incidents.length > 0) return undefined
    return new CannotTune({
      log,
      reason: "noIncident",
      message:
        `${whole(failed)} of ${whole(calls)} calls failed, but nowhere so many together that it was an incident: ` +
        "there is nothing to choose by, and a breaker would refuse more good calls than bad ones"
    })
  }
}

/** Some policies on one part of a log. */
class Batch {
  private readonly replay: Replay.Replay
  private readonly policies: ReadonlyArray<Policy.Policy>
  private readonly stretches: Parts["stretches"]
  private readonly part: Part
  private readonly marks: Array<ReturnType<Replay.Replay["refusals"]>> = []
  readonly without: Array<{ wasted: number; waited: number; lost: 0 }> = []
  readonly stray = { wasted: 0, waited: 0, lost: 0 }
  private readonly troubles = new Map<string, Array<Incident.Incident>>()
  private at = 0

  constructor(
    policies: ReadonlyArray<Policy.Policy>,
    { stretches }: Parts,
    part: Part,
    incidents: ReadonlyArray<Incident.Incident>
  ) {
    // Told apart by number, whatever their names.
    const named = policies.map(({ options }, i) => ({ name: `${i}`, options }))
    this.replay = Replay.make({ policies: named, incidents: [], mostSlices: 16, mostOpenings: 1 })
    this.policies = policies
    this.stretches = stretches
    this.part = part
    for (const incident of incidents.toSorted((a, b) => b.start - a.start)) {
      const { circuit } = incident
      this.troubles.set(circuit, [...this.troubles.get(circuit) ?? [], incident])
    }
    this.open()
  }

  add(record: CallRecord.CallRecord): void {
    while (record.at >= this.stretches[this.at]!.until) this.advance()
    if (this.stretches[this.at]!.part !== this.part) return
    if (isVain(record)) {
      for (const vain of this.isInTrouble(record) ? [this.without.at(-1)!] : [this.without.at(-1)!, this.stray]) {
        vain.wasted++
        vain.waited += record.took
      }
    }
    this.replay.add(record)
  }

  harms(): ReadonlyArray<ReadonlyArray<Harm>> {
    while (this.at < this.stretches.length - 1) this.advance()
    this.close()
    const { marks, policies, without } = this
    return policies.map((_, i) =>
      without.map(({ waited, wasted }, stretch): Harm => {
        const [before, after] = [marks[stretch - 1]?.[i], marks[stretch]![i]]
        return {
          wasted: wasted - ((after?.saved.calls ?? 0) - (before?.saved.calls ?? 0)),
          waited: waited - ((after?.saved.waiting ?? 0) - (before?.saved.waiting ?? 0)),
          lost: (after?.lost.calls ?? 0) - (before?.lost.calls ?? 0)
        }
      })
    )
  }

  private isInTrouble({ at, circuit }: CallRecord.CallRecord): boolean {
    const troubles = this.troubles.get(circuit) ?? []
    while ((troubles.at(-1)?.end ?? Infinity) <= at) troubles.pop()
    return troubles.length > 0 && troubles.at(-1)!.start <= at
  }

  private advance(): void {
    this.close()
    this.at++
    this.open()
  }

  private open(): void {
    if (this.stretches[this.at]!.part === this.part) this.without.push({ wasted: 0, waited: 0, lost: 0 })
  }

  private close(): void {
    if (this.stretches[this.at]!.part === this.part) this.marks.push(this.replay.refusals())
  }
}
