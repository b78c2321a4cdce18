/**
 * The accounts of a simulation: of the whole, and of each second of it, by which it is scored.
 *
 * @since 0.1.0
 */
import type * as Circuit from "../Circuit.ts"

/**
 * Where a call ended: in a good answer, a failure, a refusal, or dropped because its client was too busy.
 *
 * @category models
 * @since 0.1.0
 */
export type End = "served" | "failed" | "refused" | "dropped"

/**
 * The calls of the whole run.
 *
 * **Details**
 *
 * `arrivals` are the calls that users made; each ends in one of the next four, or is `unfinished` when the run is over. They
 * ask for leave, once or more (`asked`), and are `admitted` or `turnedBack`; `undecided` is who never got an answer.
 * `waited` is how many milliseconds users waited for what failed in the end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Totals {
  arrivals: number
  served: number
  failed: number
  refused: number
  dropped: number
  unfinished: number
  asked: number
  admitted: number
  turnedBack: number
  undecided: number
  settled: number
  waited: number
}

/**
 * A transition of one of the circuits of a simulation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Moved extends Circuit.Transition {
  readonly circuit: number
}

/**
 * The accounts of a run.
 *
 * **Details**
 *
 * Columns have one entry for each slice of `every` milliseconds. `arrivals` and `served` count calls by when they arrived;
 * `asked`, `admitted` and `reached` asks by when they were made, and calls by when they reached the provider. `capacity` is how many
 * calls the provider could take in the slice, and `good` the share of the calls that come which it could answer.
 *
 * @category models
 * @since 0.1.0
 */
export class Ledger {
  readonly every: number
  readonly slices: number
  readonly arrivals: Float64Array
  readonly served: Float64Array
  readonly asked: Float64Array
  readonly admitted: Float64Array
  readonly reached: Float64Array
  readonly capacity: Float64Array
  readonly good: Float64Array
  readonly moves: Array<Moved> = []
  readonly totals: Totals = {
    arrivals: 0,
    served: 0,
    failed: 0,
    refused: 0,
    dropped: 0,
    unfinished: 0,
    asked: 0,
    admitted: 0,
    turnedBack: 0,
    undecided: 0,
    settled: 0,
    waited: 0
  }

  constructor(duration: number) {
    this.every = Math.max(1000, 1000 * Math.ceil(duration / 1000 / mostSlices))
    this.slices = Math.ceil(duration / this.every)
    const column = () => new Float64Array(this.slices)
    this.arrivals = column()
    this.served = column()
    this.asked = column()
    this.admitted = column()
    this.reached = column()
    this.capacity = column()
    this.good = column()
  }

  arrived(now: number): void {
    this.totals.arrivals++
    this.arrivals[this.at(now)]!++
  }

  ended(arrivedAt: number, end: End, now: number): void {
    this.totals[end]++
    if (end === "served") this.served[this.at(arrivedAt)]!++
    else this.totals.waited += now - arrivedAt
  }

  /** A call asks for leave. Not whoever asks when no more calls come counts in a slice. */
  ask(now: number): void {
    this.totals.asked++
    const at = this.at(now)
    if (at < this.slices) this.asked[at]!++
  }

  admit(now: number): void {
    this.totals.admitted++
    const at = this.at(now)
    if (at < this.slices) {
      this.admitted[at]!++
      this.reached[at]!++
    }
  }

  private at(now: number): number {
    return Math.floor(now / this.every)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** Five and a half hours by the second. */
const mostSlices = 20_000
