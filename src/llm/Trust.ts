/**
 * How far a key is trusted: one that has worked is not given up for a single answer.
 *
 * While a key is rotated, some calls are refused that carry the old one, and the next carries the new one.
 *
 * @since 0.1.0
 */
import type { BreakerImpl } from "../Breaker.ts"
import * as Outcome from "../Outcome.ts"

interface Standing {
  /** Whether the key ever worked. */
  worked: boolean
  /** How often it came into doubt: calls that asked before the last time say nothing new. */
  doubts: number
  inDoubt: boolean
}

/** @internal Who is trusted, by the circuit that hears of the key. */
export class Trust {
  private readonly standings = new WeakMap<BreakerImpl, Standing>()

  /** How often a key came into doubt, for a call that asks now. */
  doubtsOf(circuit: BreakerImpl): number {
    return this.standings.get(circuit)?.doubts ?? 0
  }

  /** A call went well. One that asked before the doubt began does not dispel it. */
  confirm(circuit: BreakerImpl, doubts: number): void {
    const standing = this.standingOf(circuit)
    standing.worked = true
    if (doubts === standing.doubts) standing.inDoubt = false
  }

  /** A call's key was refused: what of that its circuit is to hear. */
  doubt(circuit: BreakerImpl, doubts: number, trip: Outcome.Trip): Outcome.Outcome {
    const standing = this.standingOf(circuit)
    // Calls that were under way together with the one that was refused first say nothing new.
    const isNews = doubts === standing.doubts
    if (!standing.worked || (standing.inDoubt && isNews)) return trip
    if (isNews) {
      standing.inDoubt = true
      standing.doubts++
    }
    return Outcome.ignored
  }

  private standingOf(circuit: BreakerImpl): Standing {
    let standing = this.standings.get(circuit)
    if (standing === undefined) this.standings.set(circuit, standing = { worked: false, doubts: 0, inDoubt: false })
    return standing
  }
}
