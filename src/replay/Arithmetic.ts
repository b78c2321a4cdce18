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

const LN2_HIGH = 0.6931471803691238
const LN2_LOW = 1.9082149292705877e-10

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
  const f = double[0] - 1
  const s = f / (2 + f)
  const z = s * s
  const r = z * (0.6666666666666735 + z * (0.3999999999940942 + z * (0.2857142874366239 +
            z * (0.22222198432149784 + z * (0.1818357216161805 + z * (0.15313837699209373 +
                        z * 0.14798198605116586))))))
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
  const k = Math.floor(x / LN2_HIGH + 0.5)
  const high = x - k * LN2_HIGH
  const low = k * LN2_LOW
  const r = high - low
  const t = r * r
  const c = r - t * (0.16666666666666602 + t * (-0.0027777777777015593 + t * (0.00006613756321437934 +
                t * (-0.0000016533902205465252 + t * 4.1381367970572385e-8))))
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
      (((((((2509.0809287301227 * r + 33430.57558358813) * r + 67265.7709270087) * r +
                        45921.95393154987) * r + 13731.69376550946) * r + 1971.5909503065513) * r +
            133.14166789178438) * r + 3.3871328727963665) /
      (((((((5226.495278852854 * r + 28729.085735721943) * r + 39307.89580009271) * r +
                        21213.794301586597) * r + 5394.196021424751) * r + 687.1870074920579) * r +
            42.31333070160091) * r + 1)
  }
  const tail = Math.sqrt(-log(q < 0 ? p : 1 - p))
  const value = tail <= 5 ? near(tail - 1.6) : far(tail - 5)
  return q < 0 ? -value : value
}

// ---------------------------------------------------------------------------------------------------------------------

const near = (r: number): number =>
  (((((((0.0007745450142783414 * r + 0.022723844989269184) * r + 0.2417807251774506) * r +
                    1.2704582524523684) * r + 3.6478483247632045) * r + 5.769497221460691) * r +
        4.630337846156546) * r + 1.4234371107496835) /
  (((((((1.0507500716444169e-9 * r + 0.0005475938084995345) * r + 0.015198666563616457) * r +
                    0.14810397642748008) * r + 0.6897673349851) * r + 1.6763848301838038) * r +
        2.053191626637759) * r + 1)

const far = (r: number): number =>
  (((((((2.0103343992922881e-7 * r + 0.000027115555687434876) * r + 0.0012426609473880784) * r +
                    0.026532189526576124) * r + 0.29656057182850487) * r + 1.7848265399172913) * r +
        5.463784911164114) * r + 6.657904643501103) /
  (((((((2.0442631033899397e-15 * r + 1.421511758316446e-7) * r + 0.000018463183175100548) * r +
                    0.0007868691311456133) * r + 0.014875361290850615) * r + 0.1369298809227358) * r +
        0.599832206555888) * r + 1)
