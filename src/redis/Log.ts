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
  /** A call's first mention is that it was admitted, its next that it came home. A number is one of those that did `well`. */
  readonly entries: Array<Call | number> = []
  readonly well: {
    generation: number
    readonly startedAt: Array<number>
    readonly settledAt: Array<number>
  } = { generation: -1, startedAt: [], settledAt: [] }

  get length(): number {
    return this.entries.length
  }

  admitted(call: Call): void {
    call.entry = this.entries.push(call) - 1
  }

  cameHome(call: Call, outcome: Outcome.Outcome, now: number): void {
    const { entries, well } = this
    // What says no more than that it is good, of a call that is in this log from its beginning.
    if (outcome === Outcome.success && entries[call.entry] === call && call.answeredAt === undefined) {
      if (well.startedAt.length === 0) well.generation = call.generation
      if (well.generation === call.generation) {
        entries.push(entries[call.entry] = well.startedAt.push(call.startedAt) - 1)
        well.settledAt.push(now)
        return
      }
    }
    call.outcome = outcome
    call.settledAt = now
    entries.push(call)
  }

  /** This log with what happened after it: it could not be told. */
  followedBy(later: Log<Call>): Log<Call> {
    const { entries, well } = this
    const wellLater = later.well
    const isOver = wellLater.startedAt.length > 0 && well.startedAt.length > 0 &&
      well.generation !== wellLater.generation
    // The period that this was about is over for its own process.
    if (isOver) return later
    const [calls, before] = [entries.length, well.startedAt.length]
    for (const entry of later.entries) {
      if (typeof entry === "number") entries.push(entry + before)
      else {
        if (later.entries[entry.entry] === entry && entry.outcome === undefined) entry.entry += calls
        entries.push(entry)
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
