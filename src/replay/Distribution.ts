/**
 * How a quantity varies: latencies, lengths of answers, lengths of incidents. Plain data, so that it can be JSON.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Setting from "../internal/Setting.ts"
import * as Arithmetic from "./Arithmetic.ts"
import type { Random } from "./Random.ts"

/**
 * How a quantity varies. A bare number does not vary.
 *
 * **Details**
 *
 * - `Exponential`: memoryless, with its `mean`.
 * - `LogNormal`: half lie under `median`; `sigma` is the deviation of the logarithm (0.5 for latencies, 1 for lengths).
 * - `WithTail`: a `share` is drawn from a Pareto tail instead: at least `from`, with exponent `shape`, at most `most`.
 * - `Empirical`: what was measured, in rising order; between two neighbours it is evenly spread.
 *
 * @category models
 * @since 0.1.0
 */
export type Distribution =
  | number
  | { readonly _tag: "Exponential"; readonly mean: number }
  | { readonly _tag: "LogNormal"; readonly median: number; readonly sigma: number }
  | {
    readonly _tag: "WithTail"
    readonly body: Distribution
    readonly share: number
    readonly from: number
    readonly shape: number
    readonly most: number
  }
  | { readonly _tag: "Empirical"; readonly values: ReadonlyArray<number> }

const size = /*#__PURE__*/ Setting.setting(
  "a finite number of zero or more",
  (value) => Number.isFinite(value) && value >= 0
)
const sizeAboveZero = /*#__PURE__*/ Setting.setting(
  "a finite number above zero",
  (value) => Number.isFinite(value) && value > 0
)
const part = /*#__PURE__*/ Setting.setting(
  "a number from 0 to 1",
  (value) => Number.isFinite(value) && value >= 0 && value <= 1
)

/**
 * The Schema of a `Distribution`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Distribution: Schema.Codec<Distribution, unknown> = /*#__PURE__*/ Schema.Union([
  size,
  /*#__PURE__*/ Schema.TaggedStruct("Exponential", { mean: sizeAboveZero }),
  /*#__PURE__*/ Schema.TaggedStruct("LogNormal", { median: sizeAboveZero, sigma: size }),
  /*#__PURE__*/ Schema.TaggedStruct("WithTail", {
    body: /*#__PURE__*/ Schema.suspend((): Schema.Codec<Distribution, unknown> => Distribution),
    share: part,
    from: sizeAboveZero,
    shape: sizeAboveZero,
    most: sizeAboveZero
  }),
  /*#__PURE__*/ Schema.TaggedStruct("Empirical", {
    values: /*#__PURE__*/ Setting.setting<ReadonlyArray<number>>(
      "one or more numbers of zero or more, in rising order",
      (values) =>
        Array.isArray(values) && values.length > 0 &&
        values.every((value, i) => Number.isFinite(value) && value >= (values[i - 1] ?? 0))
    )
  })
]).annotate({ expected: "a number, or a distribution made by Distribution" })

/**
 * Makes an exponential distribution.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `mean` is not above zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exponential = (mean: number): Distribution =>
  Setting.enforce("Distribution.exponential", Distribution, { _tag: "Exponential", mean })

/**
 * Makes a log-normal distribution, by its median or by its mean.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the median or the mean is not above zero, or `sigma` is negative.
 *
 * **Example** (Latencies of 150 milliseconds in the mean)
 *
 * ```ts
 * import { Distribution } from "effect-breaker/replay"
 *
 * const latency = Distribution.logNormal({ mean: 150, sigma: 0.5 })
 * console.log(Distribution.mean(latency).toFixed(6)) // => "150.000000"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const logNormal = (
  options: { readonly sigma: number } & ({ readonly median: number } | { readonly mean: number })
): Distribution => {
  const { sigma } = options
  const median = "median" in options ? options.median : options.mean / Arithmetic.exp(sigma * sigma / 2)
  return Setting.enforce("Distribution.logNormal", Distribution, { _tag: "LogNormal", median, sigma })
}

/**
 * Gives a distribution a tail: a `share` (1 % unless given) is at least `from`, and the longer the rarer.
 *
 * **Details**
 *
 * The tail is a Pareto distribution of exponent `shape` (1.5 unless given), cut at `most` (a hundred times `from`).
 *
 * @category constructors
 * @since 0.1.0
 */
export const withTail = (
  body: Distribution,
  { from, most = 100 * from, shape = 1.5, share = 0.01 }: {
    readonly from: number
    readonly share?: number | undefined
    readonly shape?: number | undefined
    readonly most?: number | undefined
  }
): Distribution =>
  Setting.enforce("Distribution.withTail", Distribution, { _tag: "WithTail", body, share, from, shape, most })

/**
 * Makes the distribution of what was measured.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empirical = (measured: ReadonlyArray<number>): Distribution =>
  Setting.enforce("Distribution.empirical", Distribution, {
    _tag: "Empirical",
    values: measured.toSorted((a, b) => a - b)
  })

/**
 * Draws one.
 *
 * @category drawing
 * @since 0.1.0
 */
export const draw = (self: Distribution, random: Random): number => {
  if (typeof self === "number") return self
  if (self._tag === "LogNormal") return self.median * Arithmetic.exp(self.sigma * random.normal())
  if (self._tag === "Exponential") return self.mean * random.exponential()
  if (self._tag === "Empirical") {
    const { values } = self
    const at = random.next() * (values.length - 1)
    const below = Math.floor(at)
    return values[below]! + (at - below) * ((values[below + 1] ?? values[below]!) - values[below]!)
  }
  if (random.next() >= self.share) return draw(self.body, random)
  return Math.min(self.from * Arithmetic.exp(-Arithmetic.log(random.next()) / self.shape), self.most)
}

/**
 * The mean.
 *
 * @category reading
 * @since 0.1.0
 */
export const mean = (self: Distribution): number => {
  if (typeof self === "number") return self
  if (self._tag === "LogNormal") return self.median * Arithmetic.exp(self.sigma * self.sigma / 2)
  if (self._tag === "Exponential") return self.mean
  if (self._tag === "Empirical") {
    const { values } = self
    if (values.length === 1) return values[0]!
    const sum = values.reduce((sum, value) => sum + value, 0)
    return (sum - (values[0]! + values.at(-1)!) / 2) / (values.length - 1)
  }
  const { from, most, shape } = self
  // The mean of min(X, most), for X of the Pareto distribution.
  const cut = Arithmetic.exp((1 - shape) * Arithmetic.log(most / from))
  const tail = most <= from
    ? most
    : shape === 1
    ? from * (1 + Arithmetic.log(most / from))
    : from * (shape - cut) / (shape - 1)
  return (1 - self.share) * mean(self.body) + self.share * tail
}
