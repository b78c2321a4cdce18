/** How the page says things: states, durations, shares. */
import type { CircuitView, StripView } from "../View.ts"

/** What a circuit is, for colour, counts and order. */
export type Kind = "open" | "isolated" | "probing" | "ramping" | "closed"

export const kindOf = (view: CircuitView): Kind =>
  view.state === "Open"
    ? "open"
    : view.state === "Isolated"
    ? "isolated"
    : view.state === "Closed"
    ? "closed"
    : view.stage === "Ramping"
    ? "ramping"
    : "probing"

/** No-break space: a figure and its unit stay on one line. */
const nbsp = "\u00a0"

export const stateWord = (view: CircuitView): string => {
  const kind = kindOf(view)
  if (kind === "ramping") return view.share === undefined ? "Ramping" : `Ramping ${percent(view.share)}`
  return kind.charAt(0).toUpperCase() + kind.slice(1)
}

/** Formatters take some milliseconds to make: each is made when it is first needed. */
function later<A>(make: () => A): () => A {
  let made: A | undefined
  return () => made ??= make()
}

const numbers = later(() => new Intl.NumberFormat("en"))

/** `1,204`. Most numbers are small, and a formatter is slow. */
export const number = (value: number): string => value < 1000 ? String(value) : numbers().format(value)

const short = later(() => new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }))

/** `950`, `1.2K`, `33.1M`. */
export const compact = (value: number): string => value < 1000 ? String(value) : short().format(value)

/** A share from 0 to 1: `0 %`, `<0.1 %`, `2.5 %`, `63 %`. */
export const percent = (share: number): string => {
  const value = share * 100
  if (value > 0 && value < 0.1) return `<0.1${nbsp}%`
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)}${nbsp}%`
}

/** An uptime from 0 to 100, rounded down: only a circuit that was never down shows 100 %. */
export const uptime = (value: number): string => {
  const digits = value >= 99 ? 3 : value >= 90 ? 2 : 1
  return `${Math.floor(value * 10 ** digits) / 10 ** digits}${nbsp}%`
}

/** `12 s`, `3 min 12 s`, `47 min`, `3 h 12 min`, `2 d 4 h`. Never less than nothing. */
export const duration = (milliseconds: number): string => {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86400)]
  const two = (big: number, bigUnit: string, small: number, smallUnit: string) =>
    small === 0 ? `${big}${nbsp}${bigUnit}` : `${big}${nbsp}${bigUnit} ${small}${nbsp}${smallUnit}`
  if (seconds < 60) return `${seconds}${nbsp}s`
  if (minutes < 10) return two(minutes, "min", seconds % 60, "s")
  if (minutes < 60) return `${minutes}${nbsp}min`
  if (hours < 24) return two(hours, "h", minutes % 60, "min")
  return two(days, "d", hours % 24, "h")
}

/** The time still to go. Rounded up, so that zero is said only where nothing is left. */
export const remaining = (milliseconds: number): string => duration(Math.ceil(milliseconds / 1000) * 1000)

export const ago = (milliseconds: number): string => milliseconds < 1000 ? "just now" : `${duration(milliseconds)} ago`

const clock = { hour: "2-digit", minute: "2-digit" } as const
const times = later(() => new Intl.DateTimeFormat("en-GB", { ...clock, second: "2-digit" }))
const shortTimes = later(() => new Intl.DateTimeFormat("en-GB", clock))
const days = later(() => new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" }))

/** The viewer's time of day, with seconds. */
export const time = (at: number): string => times().format(at)

/** The viewer's time of day without seconds, and the day where it is not that of `now`. */
export const shortTime = (at: number, now: number): string =>
  days().format(at) === days().format(now)
    ? shortTimes().format(at)
    : `${shortTimes().format(at)} on ${days().format(at)}`

export const midnight = (now: number): number => new Date(now).setHours(0, 0, 0, 0)

/** The server tells at most a hundred openings: where all of them are of today there may have been more. */
export const openedToday = (opened: ReadonlyArray<number>, now: number): string => {
  const start = midnight(now)
  const count = opened.filter((at) => at >= start).length
  return count >= 100 ? "100+" : String(count)
}

export const many = (count: number, one: string, more = `${one}s`): string =>
  `${number(count)} ${count === 1 ? one : more}`

/** Of circuits in trouble that the page does not show. */
export const beyondSentence = (count: number): string =>
  count === 0
    ? "No circuit in trouble is left out any more."
    : `${many(count, "more circuit is", "more circuits are")} in trouble and not shown.`

/** A name that has to share a line with others. */
export const brief = (name: string): string => name.length > 48 ? `${name.slice(0, 47)}…` : name

/** `a, b and c`, or `a, b, c and 7 more`. */
export const list = (names: ReadonlyArray<string>, most: number): string =>
  names.length > most
    ? `${names.slice(0, most).join(", ")} and ${number(names.length - most)} more`
    : names.length < 2
    ? names.join("")
    : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`

/** The letters of a strip. */
export const letters: Readonly<Record<string, string>> = {
  c: "closed",
  o: "open",
  p: "probing",
  r: "ramping",
  i: "isolated"
}

export const sum = (values: ReadonlyArray<number>): number => values.reduce((total, each) => total + each, 0)

/** What a strip shows, in one sentence. */
export const stripSentence = (strip: StripView, every: number): string => {
  if (strip.states.length === 0) return "Nothing yet."
  const seen = Object.keys(letters).filter((letter) => letter !== "c" && strip.states.includes(letter))
  const states = seen.length === 0
    ? "closed throughout"
    : seen.map((letter) => `${letters[letter]} for ${duration(strip.states.split(letter).length * every - every)}`)
      .join(", ")
  const refused = sum(strip.refused)
  return `Last ${duration(strip.states.length * every)}: ${states}; ${many(sum(strip.calls), "call")}, ${
    number(sum(strip.failures))
  } failed, ${number(sum(strip.slow))} slow, ${number(refused)} refused.`
}
