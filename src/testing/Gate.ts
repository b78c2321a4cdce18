/**
 * A limit at work: what it remembers of the traffic, and whom it turns away.
 *
 * @since 0.1.0
 */
import type * as Limit from "./Limit.ts"

/** When a request comes: milliseconds since the provider was made, and Unix time in milliseconds. */
export interface Moment {
  readonly at: number
  readonly wallClock: number
}

/** One limit at work. */
export interface Gate {
  /** Counts a request as offered, and says whether it is turned away. `chance` is a number from 0 up to 1. */
  readonly refuses: (moment: Moment, chance: number) => boolean
  /** Counts a request as taken on. */
  readonly enter: () => void
  /** Counts a request that was taken on as over. */
  readonly leave: () => void
}

/** A limit that begins at the given time. */
export const make = (limit: Limit.Limit, startedAt: number): Gate => {
  switch (limit._tag) {
    case "Storm":
      return storm(limit, startedAt)
    case "Recovering":
      return recovering(limit, startedAt)
    case "Concurrency":
      return concurrency(limit)
    case "Quota":
      return quota(limit)
  }
}

const storm = ({ below, over, share }: Limit.Storm, startedAt: number): Gate => {
  const offered: Array<number> = []
  let rages = true
  return {
    ...careless,
    refuses: ({ at }, chance) => {
      offered.push(at)
      while (offered[0]! <= at - over) offered.shift()
      const rate = offered.length / (over / 1000)
      // Before `over` has passed once, a low count says nothing yet.
      rages = rate >= below || (rages && at - startedAt < over)
      return rages && chance < share
    }
  }
}

const recovering = ({ during, from, to }: Limit.Recovering, startedAt: number): Gate => {
  /** All that could be taken on since the start: the area below the line. */
  const total = (elapsed: number): number => {
    const ramp = Math.min(elapsed, during)
    return (from * ramp + ((to - from) * ramp * ramp) / (2 * during) + to * (elapsed - ramp)) / 1000
  }
  let saved = from
  let seen = 0
  return {
    ...careless,
    refuses: ({ at }) => {
      const elapsed = at - startedAt
      const capacity = from + (to - from) * Math.min(1, elapsed / during)
      saved = Math.min(Math.max(1, capacity), saved + total(elapsed) - total(seen))
      seen = elapsed
      return saved < 1 - rounding
    },
    enter: () => {
      saved -= 1
    }
  }
}

const concurrency = ({ atOnce }: Limit.Concurrency): Gate => {
  let running = 0
  return {
    refuses: () => running >= atOnce,
    enter: () => {
      running++
    },
    leave: () => {
      running--
    }
  }
}

const quota = ({ requests, resetsAt }: Limit.Quota): Gate => {
  let used = 0
  return {
    ...careless,
    refuses: ({ wallClock }) => wallClock < resetsAt && used >= requests,
    enter: () => {
      used++
    }
  }
}

const careless = { enter: () => {}, leave: () => {} }

// Sums of small parts miss a whole by a hair.
const rounding = 1e-9
