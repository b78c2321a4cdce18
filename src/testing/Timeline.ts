/**
 * How healthy the provider is, and when: phases that follow each other, and health set by hand.
 *
 * Time enters as a number and chance as a seed, so a timeline has neither a clock nor a random source of its own.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Fault from "./Fault.ts"
import type * as Reply from "./Reply.ts"
import * as Require from "./Require.ts"

/**
 * A fault, and the share of requests that it hits.
 *
 * **Details**
 *
 * `share` lies from 0 to 1; the shares of one phase add up to 1 at most, and what is missing is healthy. `latency` is
 * how long the fault takes to show; without it, the phase's own latency.
 *
 * @category models
 * @since 0.1.0
 */
export interface FaultShare {
  readonly fault: Fault.Fault
  readonly share: number
  readonly latency?: Duration.Input | undefined
}

/**
 * How the provider answers.
 *
 * **Details**
 *
 * `faults` is empty unless given: healthy. `latency` is the time before anything is sent, zero unless given. An answer
 * has `tokens` tokens (8 unless given), one every `tokenEvery` (zero unless given): a stream sends them one by one, a
 * plain answer is sent as a whole when the last of them is due.
 *
 * @category models
 * @since 0.1.0
 */
export interface Health {
  readonly name?: string | undefined
  readonly faults?: ReadonlyArray<FaultShare> | undefined
  readonly latency?: Duration.Input | undefined
  readonly tokens?: number | undefined
  readonly tokenEvery?: Duration.Input | undefined
}

/**
 * A stretch of a script: how the provider answers, and for how long.
 *
 * **Gotchas**
 *
 * The last phase of a script stays for ever, whatever its `for` says. A script that ends in an outage never recovers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Phase extends Health {
  readonly for: Duration.Input
}

/** What one request gets. */
export interface Draw {
  readonly fault: Fault.Fault | undefined
  readonly pace: Reply.Pace
  readonly tokens: number
}

/** The phase in force, until the next one. */
export interface Current {
  readonly name: string
  /** The fate of the phase's next request. */
  readonly next: () => Draw
  /** The phase's answer with a fault of the caller's choice: it uses up no request number. */
  readonly choose: (fault: Fault.Fault | undefined) => Draw
}

/** A script being played. */
export interface Timeline {
  readonly at: (elapsed: number) => Current
  readonly setHealth: (health: Checked) => void
  readonly followScript: () => void
}

/** Health in milliseconds, with every number in its place. */
export interface Checked {
  readonly name: string | undefined
  readonly shares: ReadonlyArray<{
    readonly fault: Fault.Fault
    readonly share: number
    readonly latency: number | undefined
  }>
  readonly pace: Reply.Pace
  readonly tokens: number
}

/** The same for a phase of a script, with its length. */
export interface CheckedPhase extends Checked {
  readonly length: number
}

/** Checks a script. Throws a `RangeError`. */
export const checkScript = (where: string, script: ReadonlyArray<Phase>): ReadonlyArray<CheckedPhase> =>
  script.map((phase, index) => {
    const place = `${where}: script[${index}]`
    return { ...checkHealth(place, phase), length: Require.stretch(place, "for", phase.for) }
  })

/** Checks one health. Throws a `RangeError`. */
export const checkHealth = (where: string, health: Health): Checked => {
  const shares = (health.faults ?? []).map(({ fault, latency, share }, index) => ({
    fault: Fault.fromJson(fault),
    share: Require.share(where, `faults[${index}].share`, share),
    latency: latency === undefined ? undefined : Require.wait(where, `faults[${index}].latency`, latency)
  }))
  const total = shares.reduce((sum, { share }) => sum + share, 0)
  if (total > 1 + rounding) throw Require.broken(where, "the sum of all shares", "at most 1", total)
  return {
    name: health.name,
    shares,
    pace: {
      latency: Require.wait(where, "latency", health.latency ?? 0),
      tokenEvery: Require.wait(where, "tokenEvery", health.tokenEvery ?? 0)
    },
    tokens: Require.whole(where, "tokens", health.tokens ?? 8, 0, 1_000_000)
  }
}

/** Starts a script at elapsed time zero. */
export const make = (script: ReadonlyArray<CheckedPhase>, seed: number): Timeline => {
  let position = 0
  const enter = (health: Checked, name: string): Current => current(health, name, seed, position++)
  let end = 0
  const phases = script.map((phase, index) => {
    end += phase.length
    return { end, current: enter(phase, `phase ${index + 1}`) }
  })
  const last = phases.at(-1)?.current ?? enter(checkHealth("healthy", {}), "healthy")
  let byHand: Current | undefined
  return {
    at: (elapsed) => byHand ?? phases.find((phase) => elapsed < phase.end)?.current ?? last,
    setHealth: (health) => {
      byHand = enter(health, "by hand")
    },
    followScript: () => {
      byHand = undefined
    }
  }
}

const current = ({ name, pace, shares, tokens }: Checked, standIn: string, seed: number, position: number): Current => {
  let requests = 0
  return {
    name: name ?? standIn,
    choose: (fault) => ({ fault, pace, tokens }),
    next: () => {
      const chance = uniform(seed, position, requests++)
      let sum = 0
      const hit = shares.find(({ share }) => chance < (sum += share))
      return { fault: hit?.fault, pace: { ...pace, latency: hit?.latency ?? pace.latency }, tokens }
    }
  }
}

// 0.2 + 0.4 + 0.3 + 0.1 is more than 1 by a hair.
const rounding = 1e-9

/** A number from 0 up to 1 that depends on the three whole numbers only, and on each of their bits. */
const uniform = (seed: number, position: number, request: number): number => {
  const parts = [seed, Math.floor(seed / 2 ** 32), position, request]
  return (parts.reduce((hash, part) => scramble((hash ^ part) + 0x9e3779b9), 0) >>> 0) / 2 ** 32
}

const scramble = (value: number): number => {
  const first = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return second ^ (second >>> 16)
}
