/**
 * Figures and times, as people say them.
 *
 * @since 0.1.0
 */

/** A whole number, by thousands. */
export const whole = (value: number): string => Math.round(value).toLocaleString("en")

/** A share as people say it. */
export const percent = (share: number): string => `${+(share * 100).toFixed(share > 0 && share < 0.01 ? 2 : 1)} %`

/** A stretch of time in milliseconds, as people say it. */
export const span = (millis: number): string => {
  if (millis === Infinity) return "for ever"
  if (millis < 1000) return `${Math.round(millis)} ms`
  const seconds = Math.round(millis / 1000)
  if (seconds < 60) return `${+(millis / 1000).toFixed(1)} s`
  const [days, hours, minutes] = [seconds / 86_400, (seconds % 86_400) / 3600, (seconds % 3600) / 60].map(Math.floor)
  const parts = [[days, "d"], [hours, "h"], [minutes, "min"], [seconds % 60, "s"]] as const
  const first = parts.findIndex(([count]) => count! > 0)
  return parts.slice(first, first + 2).filter(([count]) => count! > 0).map(([count, unit]) => `${count} ${unit}`).join(
    " "
  )
}

/** How the times of a run are told: by the wall clock in UTC, or from its beginning on. */
export type Clock = "wall" | "elapsed"

/** A moment, as exact as it needs to be where neighbours are so far apart. */
export const moment = (at: number, from: number, clock: Clock, apart: number): string => {
  if (clock === "wall") {
    const text = new Date(at).toISOString()
    const date = text.slice(0, 10)
    if (apart >= 86_400_000) return date
    return apart >= 60_000 ? text.slice(11, 16) : apart >= 1000 ? text.slice(11, 19) : text.slice(11, 23)
  }
  const seconds = (at - from) / 1000
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)]
  const rest = (seconds % 60).toFixed(apart < 1000 ? 3 : 0).padStart(apart < 1000 ? 6 : 2, "0")
  return `${hours > 0 ? `${hours}:` : ""}${String(minutes).padStart(2, "0")}:${rest}`
}

/** A moment in full. */
export const instant = (at: number, from: number, clock: Clock): string =>
  clock === "wall"
    ? new Date(at).toISOString().replace("T", " ").replace(/(?:\.000)?Z$/, "")
    : moment(at, from, clock, 1000)

/** Round moments between two times, at most so many: where an axis is labelled. */
export const ticks = (from: number, until: number, most: number, clock: Clock): ReadonlyArray<number> => {
  const origin = clock === "wall" ? 0 : from
  const step = steps.find((step) => (until - from) / step <= most) ??
    Math.ceil((until - from) / most / 86_400_000) * 86_400_000
  const found: Array<number> = []
  for (let at = origin + Math.ceil((from - origin) / step) * step; at <= until; at += step) found.push(at)
  return found
}

/** How far apart such moments are. */
export const apart = (moments: ReadonlyArray<number>): number => moments.length < 2 ? 1000 : moments[1]! - moments[0]!

// ---------------------------------------------------------------------------------------------------------------------

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const steps = [
  ...[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30].map((count) => count * second),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minute),
  ...[1, 2, 3, 6, 12].map((count) => count * hour),
  ...[1, 2, 7, 14, 28].map((count) => count * 24 * hour)
]
