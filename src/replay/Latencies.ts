/**
 * How long calls took, as a count of calls for each step of 4 %: quantiles of any number of calls in the same memory.
 *
 * @since 0.1.0
 */
import * as Arithmetic from "./Arithmetic.ts"

/** Latencies in milliseconds. */
export class Latencies {
  count = 0
  private readonly steps = new Float64Array(STEPS)

  add(millis: number): void {
    this.count++
    this.steps[Math.max(0, Math.min(STEPS - 1, Math.round(Arithmetic.log(Math.max(millis, 1)) / STEP)))]!++
  }

  /** The latency that this share of the calls stays within, to within 2 %; `undefined` where there was none. */
  quantile(share: number): number | undefined {
    let left = share * this.count
    for (let step = 0; step < STEPS; step++) {
      left -= this.steps[step]!
      if (this.steps[step]! > 0 && left <= 1e-9) return Arithmetic.exp(step * STEP)
    }
    return undefined
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const STEP = 0.04
/** Up to two weeks. */
const STEPS = 530
