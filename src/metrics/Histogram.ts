/**
 * The counts of a histogram, kept as plain numbers.
 *
 * @since 0.1.0
 */
import type * as Metric from "effect/Metric"

/** @internal */
export class Histogram {
  private readonly bounds: ReadonlyArray<number>
  /** How many of what is counted here make one of what is told. */
  private readonly unit: number
  private readonly counts: Array<number>
  private sum = 0
  private min = Number.POSITIVE_INFINITY
  private max = 0

  constructor(bounds: ReadonlyArray<number>, unit = 1) {
    this.bounds = bounds
    this.unit = unit
    this.counts = [...bounds, 0].map(() => 0)
  }

  /** Notes a value, once or `times` over. What is no number of zero or more is left out: a sum must not shrink. */
  observe(value: number, times = 1): void {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) return
    const { bounds } = this
    let at = 0
    // A dozen comparisons at most: a search by halves is no quicker.
    while (at < bounds.length && value > bounds[at]!) at++
    this.counts[at]! += times
    this.sum += value * times
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
  }

  read(): Metric.HistogramState {
    const { bounds, counts, max, min, sum, unit } = this
    let count = 0
    const buckets = bounds.map((bound, i): [number, number] => [bound / unit, count += counts[i]!])
    count += counts[bounds.length]!
    return { buckets, count, min: count === 0 ? 0 : min / unit, max: max / unit, sum: sum / unit }
  }
}
