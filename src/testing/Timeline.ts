/**
 * How healthy the provider is, and when: phases that follow each other, and health set by hand.
 *
 * Time enters as a number and chance as a seed, so a timeline has neither a clock nor a random source of its own.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Chance from "../chaos/Chance.ts"
import * as Fault from "./Fault.ts"
import * as Gate from "./Gate.ts"
import * as Limit from "./Limit.ts"
import type * as Reply from "./Reply.ts"
import * as Require from "./Require.ts"
import * as Speech from "./Speech.ts"
import * as Target from "./Target.ts"

/**
 * A fault, and the share of requests that it hits.
 *
 * **Details**
 *
 * `share` lies from 0 to 1, and what the shares leave over is healthy. `keys`, `models` and `formats` narrow the fault
 * down; the shares of all that may hit the same request add up to 1 at most. `latency` is how long the fault takes to
 * show; without it, the phase's own latency.
 *
 * @category models
 * @since 0.1.0
 */
export interface FaultShare extends Target.Target {
  readonly fault: Fault.Fault
  readonly share: number
  readonly latency?: Duration.Input | undefined
}

/**
 * How the provider answers.
 *
 * **Details**
 *
 * `faults` is empty unless given: healthy. So is `limits`, what the provider can take on; a request that is too much
 * gets the limit's fault, after the phase's latency. `latency` is the time before anything is sent, zero unless given.
 * An answer has `tokens` tokens (8 unless given), one every `tokenEvery` (zero unless given): a stream sends them one by
 * one, a plain answer is sent as a whole when the last of them is due. `keepAlive` makes a stream send its headers at
 * once, and a sign of life so often while it waits.
 *
 * `answers` are given in turn to the requests that no fault hits, and the last one from then on; a request with a fault
 * gets the answer whose turn it is without using it up. Without them the provider makes up `tokens` words, or what the
 * request insists on: JSON of its schema, or a call of the tool it forces.
 *
 * @category models
 * @since 0.1.0
 */
export interface Health {
  readonly name?: string | undefined
  readonly faults?: ReadonlyArray<FaultShare> | undefined
  readonly limits?: ReadonlyArray<Limit.Limit> | undefined
  readonly latency?: Duration.Input | undefined
  readonly tokens?: number | undefined
  readonly tokenEvery?: Duration.Input | undefined
  readonly keepAlive?: Duration.Input | undefined
  readonly answers?: ReadonlyArray<Speech.Answer> | undefined
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

/** What a request shows of itself, and when it came. */
export interface Asked extends Target.Asked, Gate.Moment {}

/** What one request gets. */
export interface Draw {
  readonly fault: Fault.Fault | undefined
  /** The limit that turned the request away. */
  readonly limit: Limit.Limit["_tag"] | undefined
  readonly pace: Reply.Pace
  readonly given: Speech.Given
  /** Is called once, when the answer has ended. */
  readonly release: () => void
}

/** The phase in force, until the next one. */
export interface Current {
  readonly name: string
  /** The fate of the phase's next request. */
  readonly next: (asked: Asked) => Draw
  /** The phase's answer with a fault of the caller's choice: it uses up no request number, and meets no limit. */
  readonly choose: (fault: Fault.Fault | undefined) => Draw
}

/** A script being played. */
export interface Timeline {
  readonly at: (elapsed: number) => Current
  readonly setHealth: (health: Checked, elapsed: number) => void
  readonly followScript: () => void
}

/** Health in milliseconds, with every number in its place. */
export interface Checked {
  readonly name: string | undefined
  readonly shares: ReadonlyArray<{
    readonly fault: Fault.Fault
    readonly share: number
    readonly latency: number | undefined
    readonly target: Target.Target
  }>
  readonly limits: ReadonlyArray<Limit.Limit>
  readonly pace: Reply.Pace
  readonly given: ReadonlyArray<Speech.Given>
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
  const shares = (health.faults ?? []).map((one, index) => ({
    fault: Fault.fromJson(one.fault),
    share: Require.share(where, `faults[${index}].share`, one.share),
    latency: one.latency === undefined ? undefined : Require.wait(where, `faults[${index}].latency`, one.latency),
    target: Target.check(where, `faults[${index}].`, one)
  }))
  for (const kind of Target.kinds(shares.map(({ target }) => target))) {
    const total = shares.reduce((sum, { share, target }) => Target.includes(target, kind) ? sum + share : sum, 0)
    if (total > 1 + rounding) throw Require.broken(where, "the sum of all shares", "at most 1", total)
  }
  return {
    name: health.name,
    shares,
    limits: (health.limits ?? []).map(Limit.fromJson),
    pace: {
      latency: Require.wait(where, "latency", health.latency ?? 0),
      tokenEvery: Require.wait(where, "tokenEvery", health.tokenEvery ?? 0),
      keepAlive: health.keepAlive === undefined ? undefined : Require.interval(where, "keepAlive", health.keepAlive)
    },
    given: checkGiven(where, health)
  }
}

const checkGiven = (where: string, { answers, tokens }: Health): ReadonlyArray<Speech.Given> => {
  if (answers === undefined) return [{ tokens: Require.whole(where, "tokens", tokens ?? 8, 0, 1_000_000) }]
  if (tokens !== undefined) throw Require.broken(where, "tokens", "left out where answers are given", tokens)
  if (answers.length === 0) throw Require.broken(where, "answers", "a list of at least one answer", answers)
  return answers.map((answer, index) => Speech.check(where, `answers[${index}]`, answer))
}

/** Starts a script at elapsed time zero. */
export const make = (script: ReadonlyArray<CheckedPhase>, seed: number): Timeline => {
  let position = 0
  const enter = (health: Checked, name: string, startedAt: number): Current =>
    current(health, name, startedAt, seed, position++)
  let end = 0
  const phases = script.map((phase, index) => {
    const startedAt = end
    end += phase.length
    return { end, current: enter(phase, `phase ${index + 1}`, startedAt) }
  })
  const last = phases.at(-1)?.current ?? enter(checkHealth("healthy", {}), "healthy", 0)
  let byHand: Current | undefined
  return {
    at: (elapsed) => byHand ?? phases.find((phase) => elapsed < phase.end)?.current ?? last,
    setHealth: (health, elapsed) => {
      byHand = enter(health, "by hand", elapsed)
    },
    followScript: () => {
      byHand = undefined
    }
  }
}

const current = (
  { given, limits, name, pace, shares }: Checked,
  standIn: string,
  startedAt: number,
  seed: number,
  position: number
): Current => {
  const gates = limits.map((limit) => ({ limit, gate: Gate.make(limit, startedAt) }))
  let requests = 0
  let answered = 0
  const draw = (told: Partial<Draw>): Draw => ({
    fault: undefined,
    limit: undefined,
    pace,
    given: given[Math.min(answered, given.length - 1)]!,
    release: () => {},
    ...told
  })
  return {
    name: name ?? standIn,
    choose: (fault) => draw({ fault }),
    next: (asked) => {
      const request = requests++
      const met = gates.filter(({ limit }) => Target.includes(limit, asked))
      // Every limit counts the request as offered, also the one behind the limit that refuses it.
      const refusing = met.filter(({ gate }, index) =>
        gate.refuses(asked, Chance.uniform(seed, position, request, index + 1))
      )
      if (refusing.length > 0) {
        const { _tag: limit, fault } = refusing[0]!.limit
        return draw({ fault, limit })
      }
      for (const { gate } of met) gate.enter()
      const release = (): void => met.forEach(({ gate }) => gate.leave())
      const chance = Chance.uniform(seed, position, request)
      let sum = 0
      const hit = shares.find(({ share, target }) => Target.includes(target, asked) && chance < (sum += share))
      if (hit !== undefined) {
        return draw({ fault: hit.fault, pace: { ...pace, latency: hit.latency ?? pace.latency }, release })
      }
      const healthy = draw({ release })
      answered++
      return healthy
    }
  }
}

// 0.2 + 0.4 + 0.3 + 0.1 is more than 1 by a hair.
const rounding = 1e-9
