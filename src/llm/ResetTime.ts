/**
 * When the quotas that follow the calendar start anew.
 */
import * as DateTime from "effect/DateTime"

/** Milliseconds from `now` to 00:00 UTC on the first day of the next month. */
export const untilNextMonth = (now: number): number => {
  const date = new Date(now)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) - now
}

/**
 * Milliseconds from `now` to the next midnight in California, where Google's days end. Where the runtime does not know
 * that zone it is the later of the two hours it can be, never the earlier.
 */
export const untilPacificMidnight = (now: number): number => {
  try {
    const here = DateTime.makeZonedUnsafe(now, { timeZone: "America/Los_Angeles" })
    const midnight = DateTime.startOf(DateTime.add(here, { days: 1 }), "day")
    return DateTime.toEpochMillis(midnight) - now
  } catch {
    const day = 24 * 60 * 60 * 1000
    const eight = 8 * 60 * 60 * 1000
    return day - ((now - eight) % day + day) % day
  }
}
