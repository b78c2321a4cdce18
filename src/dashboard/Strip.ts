/**
 * The last minutes of one circuit, beat for beat.
 *
 * @since 0.1.0
 */
import type { CircuitView, PointView, StripView } from "./View.ts"

/** How many beats are kept. */
export const LENGTH = 150

/** The letters of the states, from the best to the worst. */
const letters = "crpoi"

/** The letter of a state. */
export const letterOf = ({ stage, state }: Pick<CircuitView, "stage" | "state">): string =>
  state === "HalfOpen" ? stage === "Ramping" ? "r" : "p" : state.slice(0, 1).toLowerCase()

/** The worse one of two states. */
export const worse = (a: string, b: string): string => letters.indexOf(a) > letters.indexOf(b) ? a : b

/** Counts of a circuit's life, of which points are the differences. */
export interface Totals {
  readonly calls: number
  readonly failures: number
  readonly slow: number
  readonly refused: number
}

export const nothing: Totals = { calls: 0, failures: 0, slow: 0, refused: 0 }

/** What was counted of a circuit up to now. */
export const totalsOf = (view: CircuitView): Totals => ({
  calls: view.successes + view.failures + view.ignored + view.throttled,
  failures: view.failures,
  slow: view.slow,
  refused: view.refused
})

/** What came between two looks. */
export const pointOf = (state: string, before: Totals, now: Totals): PointView => ({
  state,
  calls: now.calls - before.calls,
  failures: now.failures - before.failures,
  slow: Math.max(now.slow - before.slow, 0),
  refused: now.refused - before.refused
})

/** Whether a point is what a page adds by itself to a circuit in this state. */
export const isQuiet = (point: PointView, state: string): boolean =>
  point.state === state && point.calls === 0 && point.failures === 0 && point.slow === 0 && point.refused === 0

/** Keeps the newest points. */
export class Strip implements StripView {
  states = ""
  readonly calls: Array<number> = []
  readonly failures: Array<number> = []
  readonly slow: Array<number> = []
  readonly refused: Array<number> = []

  add(point: PointView): void {
    this.states = (this.states + point.state).slice(-LENGTH)
    for (const column of columns) {
      this[column].push(point[column])
      if (this[column].length > LENGTH) this[column].shift()
    }
  }
}

const columns = ["calls", "failures", "slow", "refused"] as const
