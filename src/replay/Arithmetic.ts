/**
 * The logarithm, the exponential and the normal distribution from plain arithmetic.
 *
 * `Math.log` and its like may differ in the last bit from one engine to the next, and a simulation that differs in the last
 * bit differs altogether a minute later. Sums, products and quotients are the same everywhere.
 *
 * @since 0.1.0
 */
const double = /*#__PURE__*/ new Float64Array(1)
const words = /*#__PURE__*/ new Uint32Array(double.buffer)
/** Which of the two words holds the exponent. */
const HIGH = /*#__PURE__*/ (() => {
  double[0] = 1
  return words[1] === 0 ? 0 : 1
})()

const LN2_HIGH = 6.93147180369123816490e-1
const LN2_LOW = 1.90821492927058770002e-10

/**
 * The natural logarithm of a normal number above zero, to within a unit in the last place.
 *
 * @category arithmetic
 * @since 0.1.0
 */
export const log = (x: number): number => {
  double[0] = x
  const high = words[HIGH]!
  // The mantissa is brought between the root of a half and the root of two.
  const up = ((high & 0xfffff) + 0x95f64) & 0x100000
  words[HIGH] = (high & 0xfffff) | (up ^ 0x3ff00000)
  const k = (high >>> 20) - 1023 + (up >>> 20)
  const f = double[0]! - 1
  const s = f / (2 + f)
  const z = s * s
  const r = z * (6.666666666666735130e-1 + z * (3.999999999940941908e-1 + z * (2.857142874366239149e-1 +
    z * (2.222219843214978396e-1 + z * (1.818357216161805012e-1 + z * (1.531383769920937332e-1 +
      z * 1.479819860511658591e-1))))))
  const half = 0.5 * f * f
  return k * LN2_HIGH - ((half - (s * (half + r) + k * LN2_LOW)) - f)
}

/**
 * The exponential of a number from -700 to 700, to within a unit in the last place.
 *
 * @category arithmetic
 * @since 0.1.0
 */
export const exp = (x: number): number => {
  const k = Math.floor(x * 1.44269504088896338700 + 0.5)
  const high = x - k * LN2_HIGH
  const low = k * LN2_LOW
  const r = high - low
  const t = r * r
  const c = r - t * (1.66666666666666019037e-1 + t * (-2.77777777770155933842e-3 + t * (6.61375632143793436117e-5 +
    t * (-1.65339022054652515390e-6 + t * 4.13813679705723846039e-8))))
  const y = 1 - ((low - (r * c) / (2 - c)) - high)
  words[HIGH] = (1023 + k) << 20
  words[1 - HIGH] = 0
  return y * double[0]!
}

/**
 * The number under which a share `p` of a standard normal distribution lies: Wichura's algorithm AS 241.
 *
 * @category arithmetic
 * @since 0.1.0
 */
export const normalQuantile = (p: number): number => {
  const q = p - 0.5
  if (q >= -0.425 && q <= 0.425) {
    const r = 0.180625 - q * q
    return q *
      (((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r +
                  45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r +
            133.14166789178437745) * r + 3.387132872796366608) /
      (((((((5226.495278852854561 * r + 28729.085735721942674) * r + 39307.89580009271061) * r +
                  21213.794301586595867) * r + 5394.1960214247511077) * r + 687.1870074920579083) * r +
            42.313330701600911252) * r + 1)
  }
  const tail = Math.sqrt(-log(q < 0 ? p : 1 - p))
  const value = tail <= 5 ? near(tail - 1.6) : far(tail - 5)
  return q < 0 ? -value : value
}

// ---------------------------------------------------------------------------------------------------------------------

const near = (r: number): number =>
  (((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r +
              1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.7694972214606914055) * r +
        4.6303378461565452959) * r + 1.42343711074968357734) /
  (((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r +
              0.14810397642748007459) * r + 0.68976733498510000455) * r + 1.6763848301838038494) * r +
        2.05319162663775882187) * r + 1)

const far = (r: number): number =>
  (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.2426609473880784386e-3) * r +
              0.026532189526576123093) * r + 0.29656057182850489123) * r + 1.7848265399172913358) * r +
        5.4637849111641143699) * r + 6.6579046435011037772) /
  (((((((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5) * r +
              7.868691311456132591e-4) * r + 0.0148753612908506148525) * r + 0.13692988092273580531) * r +
        0.59983220655588793769) * r + 1)
