/**
 * Calls that wait for leave of the fleet: those of one moment ask together, in one report.
 *
 * @since 0.1.0
 */
import * as Circuit from "../Circuit.ts"
import type { Permit } from "../State.ts"
import type * as Fleet from "./Fleet.ts"
import type { Place } from "./FleetEvidence.ts"

/** What a fleet answered an ask: leave, with the place of a call on a ramp; a refusal; or that the process may decide. */
export type Answer = { readonly permit: Permit; readonly place: Place | undefined } | Circuit.Refusal | undefined

/** One who waits for an answer. `shift` makes a time of the fleet one of the process. */
export interface Ask {
  readonly id: string
  /** Whoever asked has gone. */
  isOver: boolean
  readonly resume: (answer: Answer, shift: number) => void
}

export class Asks {
  private waiting: Array<Ask> = []
  private told: ReadonlyArray<Ask> = []

  add(ask: Ask): void {
    this.waiting.push(ask)
  }

  /** How many wait for the next report. */
  get length(): number {
    return this.waiting.filter(isThere).length
  }

  /** Whether the answer to that ask is under way. */
  isUnderWay(id: string): boolean {
    return this.told.some((ask) => ask.id === id)
  }

  /** Takes those that wait into a report. */
  take(): void {
    this.told = this.waiting
    this.waiting = []
  }

  /** Those in the report that still wait: nobody asks for those who have gone. */
  get asking(): ReadonlyArray<Ask> {
    return this.told.filter(isThere)
  }

  /** The report is over; where it failed, whoever waits is in the next. */
  taken(isDone: boolean): void {
    if (!isDone) this.waiting.unshift(...this.told)
    this.told = []
  }

  /** No fleet is asked. */
  forget(): void {
    this.waiting = []
  }

  /** The process may decide by itself. */
  decideHere(): void {
    const { waiting } = this
    this.waiting = []
    for (const { resume } of waiting.filter(isThere)) resume(undefined, 0)
  }
}

/** Tells those who asked in a report what came of it. Leave may be for somebody who has gone meanwhile. */
export const answer = (
  asks: ReadonlyArray<Ask>,
  { admitted, answers }: Fleet.Outgoing,
  shift: number
): void => {
  asks.forEach(({ resume }, i) => {
    const permit = answers[i]
    const isLeave = permit !== undefined && !(permit instanceof Circuit.Refusal)
    resume(isLeave ? { permit, place: admitted.get(permit) } : permit, shift)
  })
}

// ---------------------------------------------------------------------------------------------------------------------

const isThere = ({ isOver }: Ask): boolean => !isOver
