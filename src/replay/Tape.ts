/**
 * The calls of a log, kept to be played again and again: as columns of numbers, about 50 bytes a call.
 *
 * A search replays a log many times. To read its lines anew each time would take longer than to replay them.
 *
 * @since 0.1.0
 */
import type * as CallRecord from "./CallRecord.ts"

/** Calls in order of when they were asked for. What comes before the one before it in time is left out. */
export class Tape {
  length = 0
  private readonly reels: Array<Reel> = []
  private lastAt = -Infinity

  add({ at, circuit, firstContent, outcome, took }: CallRecord.CallRecord): void {
    if (!(at >= this.lastAt)) return
    this.lastAt = at
    const place = this.length++ % REEL
    if (place === 0) this.reels.push({ numbers: new Float64Array(REEL * WIDTH), outcomes: [], circuits: [] })
    const { circuits, numbers, outcomes } = this.reels.at(-1)!
    numbers[place * WIDTH] = at
    numbers[place * WIDTH + 1] = took
    numbers[place * WIDTH + 2] = firstContent ?? NaN
    outcomes.push(outcome)
    circuits.push(circuit)
  }

  /** Plays the calls from one place on, until before another. */
  play(from: number, until: number, onRecord: (record: CallRecord.CallRecord) => void): void {
    for (let i = from; i < Math.min(until, this.length); i++) {
      const { circuits, numbers, outcomes } = this.reels[Math.floor(i / REEL)]!
      const place = i % REEL
      const firstContent = numbers[place * WIDTH + 2]!
      onRecord({
        at: numbers[place * WIDTH]!,
        took: numbers[place * WIDTH + 1]!,
        outcome: outcomes[place]!,
        circuit: circuits[place]!,
        firstContent: Number.isNaN(firstContent) ? undefined : firstContent
      })
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const REEL = 65_536
const WIDTH = 3

interface Reel {
  readonly numbers: Float64Array
  readonly outcomes: Array<CallRecord.CallRecord["outcome"]>
  readonly circuits: Array<string>
}
