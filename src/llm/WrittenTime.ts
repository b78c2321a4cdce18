/**
 * Durations and dates as they are written in headers, bodies and sentences.
 *
 * Every pattern is anchored and every repetition in it has a limit, so none of them can run away on hostile text; digits
 * are the ten of ASCII, and no number is longer than a real one would be.
 */

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "\u00B5s": 1e-3,
  "\u03BCs": 1e-3,
  ms: 1,
  msec: 1,
  msecs: 1,
  millisecond: 1,
  milliseconds: 1,
  s: second,
  sec: second,
  secs: second,
  second,
  seconds: second,
  m: minute,
  min: minute,
  mins: minute,
  minute,
  minutes: minute,
  h: hour,
  hr: hour,
  hrs: hour,
  hour,
  hours: hour,
  d: day,
  day,
  days: day
}

/** A whole or decimal number without sign or exponent. */
export const number = (text: string): number | undefined =>
  /^[0-9]{1,15}(?:\.[0-9]{1,20})?$/.test(text) ? Number(text) : undefined

/**
 * The milliseconds of the duration that text starts with, written as in Go (`1h2m3.5s`, `20ms`, `6m0s`) or in words
 * (`2 minutes and 5 seconds`), and the length of what was read.
 */
const leadingDuration = (text: string): readonly [millis: number, length: number] | undefined => {
  const part = /([0-9]{1,15}(?:\.[0-9]{1,20})?) ?([a-z\u00B5\u03BC]{1,12})(?![a-z])/iy
  const joint = /(?:, and |, | and | )?(?=[0-9])/y
  let total = 0
  let length = 0
  for (let parts = 0; parts < 8; parts++) {
    const found = part.exec(text)
    const unit = units[found?.[2]?.toLowerCase() ?? ""]
    if (found === null || unit === undefined) break
    total += Number(found[1]) * unit
    length = part.lastIndex
    joint.lastIndex = length
    if (!joint.test(text)) break
    part.lastIndex = joint.lastIndex
  }
  return length === 0 ? undefined : [total, length]
}

/** A duration and nothing else; a number without a unit is in seconds. */
export const duration = (text: string): number | undefined => {
  const seconds = number(text)
  if (seconds !== undefined) return seconds * second
  const found = leadingDuration(text)
  return found !== undefined && found[1] === text.length ? found[0] : undefined
}

/** The duration that a piece of prose starts with. */
export const durationIn = (text: string): number | undefined => {
  const found = leadingDuration(text)
  if (found !== undefined) return found[0]
  const bare = /^[0-9]{1,15}(?:\.[0-9]{1,20})?(?=$|[,;)\s]|\.(?:$|\s))(?! [a-z])/i.exec(text)?.[0]
  return bare === undefined ? undefined : Number(bare) * second
}

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

// The three forms that HTTP allows: the one in use, and two from the last century which servers may still send.
const httpForms: ReadonlyArray<RegExp> = [
  /^[a-z]{3}, (?<day>[0-9]{2}) (?<month>[a-z]{3}) (?<year>[0-9]{4}) (?<time>[0-9:]{8}) GMT/i,
  /^[a-z]{6,9}, (?<day>[0-9]{2})-(?<month>[a-z]{3})-(?<year>[0-9]{2}) (?<time>[0-9:]{8}) GMT/i,
  /^[a-z]{3} (?<month>[a-z]{3}) (?<day>[0-9 ][0-9]) (?<time>[0-9:]{8}) (?<year>[0-9]{4})/i
]

const isoForm =
  /^(?<year>[0-9]{4})-(?<month>[0-9]{2})-(?<day>[0-9]{2})(?:(?:t| at | )(?<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?<fraction>\.[0-9]{1,9})?)?(?: ?(?<zone>z|utc|gmt|[+-][0-9]{2}:?[0-9]{2}))?/i

/**
 * The instant that text starts with, in milliseconds since the epoch, and the length of what was read. A date without a
 * zone is in UTC, as the providers' are.
 */
const leadingDate = (text: string): readonly [at: number, length: number] | undefined => {
  for (const form of [isoForm, ...httpForms]) {
    const found = form.exec(text)
    if (found !== null) {
      const { day = "", fraction = "", month = "", time = "00:00:00", year = "", zone = "" } = found.groups ?? {}
      const named = form === isoForm ? Number(month) - 1 : months.indexOf(month.toLowerCase())
      const at = instant(Number(year) + (year.length === 2 ? 2000 : 0), named, Number(day), time)
      if (at === undefined) return undefined
      return [at + Math.floor(Number(`0${fraction}`) * 1000) - offset(zone), found[0].length]
    }
  }
  return undefined
}

const instant = (year: number, month: number, day: number, time: string): number | undefined => {
  const [hours = Number.NaN, minutes = Number.NaN, seconds = 0] = time.split(":").map(Number)
  const date = new Date(Date.UTC(year, month, day))
  // A day that the month does not have moves into the next one.
  if (Number.isNaN(date.getTime()) || date.getUTCMonth() !== month || date.getUTCDate() !== day) return undefined
  if (!(hours < 24 && minutes < 60 && seconds <= 60)) return undefined
  return date.getTime() + hours * hour + minutes * minute + seconds * second
}

const offset = (zone: string): number => {
  const found = /^([+-])([0-9]{2}):?([0-9]{2})$/.exec(zone)
  if (found === null) return 0
  return (found[1] === "-" ? -1 : 1) * (Number(found[2]) * hour + Number(found[3]) * minute)
}

/** An instant and nothing else, in milliseconds since the epoch. */
export const date = (text: string): number | undefined => {
  const found = leadingDate(text)
  return found !== undefined && found[1] === text.length ? found[0] : undefined
}

/** The instant that a piece of prose starts with. */
export const dateIn = (text: string): number | undefined => leadingDate(text)?.[0]
