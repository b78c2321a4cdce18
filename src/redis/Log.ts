/**
 * What happened to the calls of a process since it last told of them, in order.
 *
 * Most calls come home well before they are told of. Of these the times are kept and not the calls: a busy process makes a
 * million in a second, and all of them would have to be carried along by the collector.
 *
 * @since 0.1.0
 */
import * as Outcome from "../Outcome.ts"
import type { Told } from "./Fleet.ts"
import { lastOf, upTo } from "./Well.ts"

/** A call, as long as it is told of by itself. Its times are those of the process. */
export interface Logged extends Told {
  outcome: Outcome.Outcome | undefined
  settledAt: number
  /** Which entry says that it was admitted. */
  entry: number
  /** Whether the fleet is told of it. */
  isTold: boolean
}

export class Log<Call extends Logged> {
  private readonly all: Array<Call | number> = []
  readonly well: {
    generation: number
    readonly startedAt: Array<number>
    readonly settledAt: Array<number>
  } = { generation: -1, startedAt: [], settledAt: [] }
  /** How much has happened: every call is admitted and comes home. */
  length = 0
  /** The call that was admitted last, as long as nothing happened since: of most there is no more to say than two times. */
  private last: Call | undefined = undefined

  /** What happened, in order (`Fleet.Report`). */
  get entries(): ReadonlyArray<Call | number> {
    this.written()
    return this.all
  }

  admitted(call: Call): void {
    this.length++
    this.written()
    this.last = call
  }

  cameHome(call: Call, outcome: Outcome.Outcome, now: number): void {
    this.length++
    const isAtOnce = this.last === call
    if (!isAtOnce) this.written()
    const { all, well } = this
    // What says no more than that it is good, of a call that is in this log from its beginning.
    if (outcome === Outcome.success && (isAtOnce || all[call.entry] === call) && call.answeredAt === undefined) {
      if (well.startedAt.length === 0) well.generation = call.generation
      if (well.generation === call.generation) {
        const n = well.startedAt.push(call.startedAt) - 1
        well.settledAt.push(now)
        if (isAtOnce) this.atOnce(n)
        else all.push(all[call.entry] = n)
        return
      }
    }
    this.written()
    call.outcome = outcome
    call.settledAt = now
    all.push(call)
  }

  private atOnce(n: number): void {
    const { all } = this
    const before = all[all.length - 1]
    this.last = undefined
    if (typeof before === "number" && before < 0) all[all.length - 1] = upTo(n)
    else all.push(upTo(n))
  }

  private written(): void {
    const { all, last } = this
    if (last !== undefined) last.entry = all.push(last) - 1
    this.last = undefined
  }

  /** This log with what happened after it: it could not be told. */
  followedBy(later: Log<Call>): Log<Call> {
    const { all, well } = this
    const wellLater = later.well
    const isOver = wellLater.startedAt.length > 0 && well.startedAt.length > 0 &&
      well.generation !== wellLater.generation
    // The period that this was about is over for its own process.
    if (isOver) return later
    this.written()
    this.length += later.length
    const [calls, before] = [all.length, well.startedAt.length]
    for (const entry of later.entries) {
      if (typeof entry === "number") all.push(entry < 0 ? upTo(lastOf(entry) + before) : entry + before)
      else {
        if (later.entries[entry.entry] === entry && entry.outcome === undefined) entry.entry += calls
        all.push(entry)
      }
    }
    if (wellLater.startedAt.length > 0) well.generation = wellLater.generation
    for (const [n, startedAt] of wellLater.startedAt.entries()) {
      well.startedAt.push(startedAt)
      well.settledAt.push(wellLater.settledAt[n]!)
    }
    return this
  }

  /** It is not told to anybody. */
  forget(): void {
    for (const entry of this.entries) if (typeof entry !== "number") entry.isTold = false
  }
}

/** Nobody knows of these calls any more: that they come home is nobody's business either. */
export const untold = (calls: ReadonlyArray<Logged>): void => {
  for (const call of calls) call.isTold = false
}
