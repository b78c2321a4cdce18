/**
 * Who is compared, and under which settings.
 */
import { CallWindow, TripPolicy } from "effect-breaker"
import { Guard, Policy } from "effect-breaker/replay"
import type { Contender } from "./contender.ts"
import { ours, persistences } from "./effects.ts"
import { promises } from "./promises.ts"

/**
 * How long the peers stay open, in milliseconds: long enough that in a total outage under 5 % of the calls are probes and
 * failures before the opening, short enough that they are back well within the 20 seconds that are promised.
 */
const OPEN_FOR = 5000

const none: Contender = { name: "no breaker", settings: "every call passes", guard: Guard.none }

/** Shares that rise by the same factor, up to the whole. */
const rising = (from: number, factor: number): ReadonlyArray<number> => {
  const shares: Array<number> = []
  for (let share = from; share < 0.999; share *= factor) shares.push(Number(share.toFixed(3)))
  return shares
}

/**
 * What the promises are measured by: one set of settings for all scenarios.
 *
 * The window is the shortest in which 20 % errors at 17 calls a second are not taken for 50 % too often, and so the one under
 * which the fewest calls reach a dead provider before it opens. The ramp begins below what a provider can take that has a twentieth of
 * its servers back, and is through within 13 seconds where it can take everything.
 */
export const steady: Policy.Policy = Policy.make("steady", {
  tripPolicy: TripPolicy.failureRate({
    threshold: 0.5,
    minimumCalls: 10,
    window: CallWindow.lastCalls(100, { within: 1350 }),
    belowMinimum: TripPolicy.consecutive(5)
  }),
  openDuration: OPEN_FOR,
  halfOpen: { concurrency: 1, successes: 1 },
  ramp: { shares: rising(0.04, 1.15), every: 500, tolerance: 0.05 }
})

/** How often a check looks after what is open. */
const CHECKED_EVERY = 2000

export const JUDGED = `effect-breaker, ${steady.name}`

export const contenders: ReadonlyArray<Contender> = [
  none,
  ...persistences(OPEN_FOR),
  ...promises(OPEN_FOR),
  ours(Policy.builtIn.default),
  ours(Policy.builtIn.llm),
  ours({ ...Policy.builtIn.llm, name: "llm, checked" }, 5000),
  ours(steady, CHECKED_EVERY)
]

/** For a machine that has little time: one of each, and the one that is judged. */
export const few: ReadonlyArray<Contender> = contenders.filter(({ name }) =>
  [none.name, "effect/persistence, rate of 100", "cockatiel, sampling", "opossum", JUDGED].includes(name)
)
