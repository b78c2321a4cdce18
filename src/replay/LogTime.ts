/**
 * Moments and durations as logs write them, in milliseconds.
 *
 * @since 0.1.0
 */

/**
 * What a number counts.
 *
 * @category models
 * @since 0.1.0
 */
export type Unit = "seconds" | "millis" | "micros" | "nanos"

const perMilli: Readonly<Record<Unit, number>> = { seconds: 0.001, millis: 1, micros: 1000, nanos: 1_000_000 }

/** Every unit. */
export const units: ReadonlyArray<Unit> = ["seconds", "millis", "micros", "nanos"]

/** The unit that a word, such as the end of a column's name, stands for. */
export const unitOf = (word: string): Unit | undefined => words.get(word)

/** A moment in milliseconds since the epoch; `NaN` where it is none. A number without a unit is read by its size. */
export const moment = (value: unknown, unit: Unit | undefined): number => {
  if (typeof value === "number") return ofNumber(value, unit)
  if (typeof value !== "string") return NaN
  const plain = ofText(value)
  if (!Number.isNaN(plain)) return plain
  const text = value.trim()
  return isNumeric.test(text) ? ofNumber(Number(text), unit) : ofAnyText(text)
}

/**
 * The unit of two moments that tell it only together: those of one call are not told in different units. Numbers of one size
 * have the unit that is known of either, and where none is known, that of the first's size.
 */
export const unitOfBoth = (a: unknown, unitOfA: Unit | undefined, b: unknown, unitOfB: Unit | undefined) => {
  if (unitOfA !== undefined && unitOfB !== undefined) return undefined
  const [one, other] = [numberOf(a), numberOf(b)]
  const areAlike = (bySize(one) !== undefined && bySize(one) === bySize(other)) ||
    (one / other < 10 && other / one < 10)
  return areAlike ? unitOfA ?? unitOfB ?? bySize(one) : undefined
}

/** A duration in milliseconds; `NaN` where it is none, or no call lasts as long. */
export const duration = (value: unknown, unit: Unit = "millis"): number => {
  if (typeof value === "number") return inBounds(value / perMilli[unit])
  if (typeof value !== "string") return NaN
  const text = value.trim()
  if (isNumeric.test(text)) return inBounds(Number(text) / perMilli[unit])
  const [, number, word] = /^([0-9]+(?:\.[0-9]+)?)\s*([a-zµμ]+)$/i.exec(text) ?? []
  const known = word === undefined ? undefined : unitOf(word.toLowerCase())
  if (known !== undefined) return inBounds(Number(number) / perMilli[known])
  return word === undefined ? NaN : inBounds(Number(number) * (longer.get(word.toLowerCase()) ?? NaN))
}

// ---------------------------------------------------------------------------------------------------------------------

const words: ReadonlyMap<string, Unit> = new Map<string, Unit>([
  ...["s", "sec", "secs", "second", "seconds"].map((word) => [word, "seconds"] as const),
  ...["ms", "msec", "msecs", "milli", "millis", "millisecond", "milliseconds"].map((word) => [word, "millis"] as const),
  ...["us", "µs", "μs", "usec", "micro", "micros", "microsecond", "microseconds"].map((word) =>
    [word, "micros"] as const
  ),
  ...["ns", "nsec", "nano", "nanos", "nanosecond", "nanoseconds"].map((word) => [word, "nanos"] as const)
])

const longer: ReadonlyMap<string, number> = new Map([
  ...["m", "min", "mins", "minute", "minutes"].map((word) => [word, 60_000] as const),
  ...["h", "hr", "hour", "hours"].map((word) => [word, 3_600_000] as const)
])

const isNumeric = /^[+-]?[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]{1,3})?$/i

const year = 366 * 86_400_000

const inBounds = (millis: number): number => millis >= 0 && millis <= year ? millis : NaN

// Where JavaScript's dates end.
const latest = 8.64e15

// Of the numbers that count from the epoch, seconds reach the year 5138 before milliseconds reach 1973, and so on.
const ofNumber = (value: number, unit: Unit | undefined): number => {
  const of = unit ?? bySize(value)
  // A number of nanoseconds has no more places than that.
  const millis = of === undefined ? NaN : of === "nanos" ? Math.round(value / 1000) / 1000 : value / perMilli[of]
  return millis >= 0 && millis <= latest ? millis : NaN
}

const bySize = (value: number): Unit | undefined =>
  value < 1e11 ? "seconds" : value < 1e14 ? "millis" : value < 1e17 ? "micros" : value >= 1e17 ? "nanos" : undefined

const numberOf = (value: unknown): number =>
  typeof value === "number" ? value : typeof value === "string" && isNumeric.test(value.trim()) ? Number(value) : NaN

const ZERO = 48

/** The number that two digits make; above 99 where they are none. */
const two = (text: string, at: number): number => {
  const [tens, ones] = [text.charCodeAt(at) - ZERO, text.charCodeAt(at + 1) - ZERO]
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? 10 * tens + ones : 100
}

// By hand where it is written as most do: ten million times a regular expression takes longer than all else.
const ofText = (text: string): number => {
  const { length } = text
  const isPlain = length >= 20 && text[4] === "-" && text[7] === "-" && (text[10] === "T" || text[10] === " ") &&
    text[13] === ":" && text[16] === ":" && (length === 20 || text[19] === ".") && text[length - 1] === "Z"
  if (!isPlain) return NaN
  let scale = 1000
  let fraction = 0
  for (let at = 20; at < length - 1; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) return NaN
    scale /= 10
    fraction += digit * scale
  }
  const century = two(text, 0)
  if (century > 99) return NaN
  return ofParts(
    100 * century + two(text, 2),
    two(text, 5),
    two(text, 8),
    two(text, 11),
    two(text, 14),
    two(text, 17),
    fraction
  )
}

const ofAnyText = (text: string): number => {
  const found =
    /^([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,12}))?)?\s?(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?$/i
      .exec(text)
  if (found === null) return NaN
  const [, year, month, day, hour, minute, second = "0", fraction = "0", zone = "Z"] = found
  const [, sign, ahead, more = "0"] = /^([+-])([0-9]{2}):?([0-9]{2})?$/.exec(zone) ?? []
  const minutes = sign === undefined ? 0 : (60 * Number(ahead) + Number(more)) * (sign === "-" ? -1 : 1)
  const local = ofParts(
    Number(year),
    Number(month),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    1000 * Number(`0.${fraction}`)
  )
  return minutes > 24 * 60 ? NaN : local - 60_000 * minutes
}

const ofParts = (
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  millis: number
): number => {
  // 60 is a leap second.
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60) return NaN
  const midnight = midnightOf(year, month, day)
  const moment = midnight + 3_600_000 * hour + 60_000 * minute + 1000 * second + millis
  return moment >= 0 ? moment : NaN
}

// The lines of a log are of one day as a rule.
let lastDate = 0
let lastMidnight = 0

const midnightOf = (year: number, month: number, day: number): number => {
  const date = (year * 100 + month) * 100 + day
  if (date === lastDate) return lastMidnight
  const midnight = Date.UTC(year, month - 1, day)
  lastDate = date
  return lastMidnight = new Date(midnight).getUTCDate() === day ? midnight : NaN
}
