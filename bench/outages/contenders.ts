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
 * What the promises are measured by where one circuit sees much traffic.
 *
 * The ramp begins below what a provider can take that has a twentieth of its servers back, and is through within 13 seconds where
 * it can take everything.
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

/**
 * The same for sixty clients with 17 calls a second each: the window is the shortest in which 20 % errors are not taken for 50 % too
 * often, and so the one under which the fewest calls reach a dead provider before it opens. Without a ramp: none of them alone
 * is too much for anybody, and a share of so few calls says little.
 */
export const small: Policy.Policy = Policy.make("small", {
  tripPolicy: steady.options.tripPolicy,
  openDuration: OPEN_FOR,
  halfOpen: { concurrency: 1, successes: 1 }
})

const nameOf = (policy: string): string => `effect-breaker, ${policy}`

/** By whom a promise is to be kept: whoever is made for such traffic. */
export const judgedIn = (scenario: string): string =>
  nameOf(scenario.startsWith("shopify-") ? small.name : scenario.startsWith("llm-") ? CHECKED : steady.name)

const CHECKED = "llm, checked"

export const contenders: ReadonlyArray<Contender> = [
  none,
  ...persistences(OPEN_FOR),
  ...promises(OPEN_FOR),
  ours(Policy.builtIn.default),
  ours(Policy.builtIn.llm),
  ours(Policy.make(CHECKED, Policy.builtIn.llm.options), 5000),
  ours(small, CHECKED_EVERY),
  ours(steady, CHECKED_EVERY)
]

/** For a machine that has little time: one of each, and those that are judged. */
export const few: ReadonlyArray<Contender> = contenders.filter(({ name }) =>
  [
    none.name,
    "effect/persistence, rate of 100",
    "cockatiel, sampling",
    "opossum",
    ...[CHECKED, small.name, steady.name].map(nameOf)
  ].includes(name)
)
