/**
 * What a run is judged by.
 *
 * @since 0.1.0
 */
import type { Work } from "./Job.ts"
import type { Ledger } from "./Ledger.ts"
import * as Scenario from "./Scenario.ts"

/**
 * The scores of a run. Shares are from 0 to 1, times milliseconds; `undefined` is what the scenario does not ask.
 *
 * **Details**
 *
 * The provider is in trouble while it could answer less than nine tenths of the calls that come, and dead while it could
 * answer next to none. What it could answer is known from the scenario: it does not depend on the guard, except where a
 * phase lasts until the load falls.
 *
 * - `reachedDead`: of the asks for leave made while it was dead, the share that was let through to it.
 * - `served`: the share of all arrivals that came to a good answer, at the first attempt or a later one; `servedInTrouble` of those that
 *   arrived in trouble, and `servedAfter` of those that arrived when it was over. `servableInTrouble` is what it would have been at
 *   the best, without retries: what the provider could have answered.
 * - `timeToOpen`: from the beginning of the first trouble until a circuit opened, in the middle of all circuits that did
 *   before the trouble was over; infinite where most did not.
 * - `timeToRecover`: from the end of a trouble until nine tenths of the healthy share of arrivals are served, and remain so
 *   until the next trouble; the longest of all troubles; infinite where it does not come to it.
 * - `peakLoad`: the most that the provider was offered from the end of being dead on (of trouble, where it is never dead), relative
 *   to what it could take in the same ten seconds.
 * - `falseOpenings`: how often a circuit opened while the provider could have answered most calls.
 * - `userFailures`: how many arrivals came to nothing, by failure, refusal or for want of a place.
 * - `waitedInVain`: how long users waited for what came to nothing, in all.
 * - `wastedTokens` and `wastedMoney`: those of calls that came to nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scores {
  readonly reachedDead: number | undefined
  readonly served: number
  readonly servedInTrouble: number | undefined
  readonly servableInTrouble: number | undefined
  readonly servedAfter: number | undefined
  readonly timeToOpen: number | undefined
  readonly timeToRecover: number | undefined
  readonly peakLoad: number | undefined
  readonly falseOpenings: number
  readonly userFailures: number
  readonly waitedInVain: number
  readonly wastedTokens: number
  readonly wastedMoney: number
}

/**
 * Scores a run by its accounts.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (scenario: Scenario.Scenario, ledger: Ledger, work: Work): Scores => {
  const { totals } = ledger
  const troubles = spans(ledger, (good) => good < TROUBLE)
  const deaths = spans(ledger, (good) => good < DEAD)
  const afterwards: ReadonlyArray<Span> = troubles.map(({ until }, i) => ({
    from: until,
    until: troubles[i + 1]?.from ?? ledger.slices
  })).filter(({ from, until }) => from < until)
  const share = (of: Float64Array, among: Float64Array, during: ReadonlyArray<Span>) => {
    const all = total(among, during)
    return all === 0 ? undefined : total(of, during) / all
  }
  const { price = { input: 0, output: 0 } } = scenario
  return {
    reachedDead: share(ledger.admitted, ledger.asked, deaths),
    served: totals.arrivals === 0 ? 1 : totals.served / totals.arrivals,
    servedInTrouble: share(ledger.served, ledger.arrivals, troubles),
    servableInTrouble: share(
      ledger.arrivals.map((arrivals, i) => arrivals * ledger.good[i]!),
      ledger.arrivals,
      troubles
    ),
    servedAfter: share(ledger.served, ledger.arrivals, afterwards),
    timeToOpen: timeToOpen(scenario, ledger, troubles),
    timeToRecover: timeToRecover(scenario, ledger, troubles, afterwards),
    peakLoad: peakLoad(ledger, deaths[0] ?? troubles[0]),
    falseOpenings:
      ledger.moves.filter(({ at, to }) => to === "Open" && ledger.good[sliceOf(ledger, at)]! >= 0.5).length,
    userFailures: totals.failed + totals.refused + totals.dropped,
    waitedInVain: totals.waited,
    wastedTokens: work.wastedInputTokens + work.wastedOutputTokens,
    wastedMoney: (work.wastedInputTokens * price.input + work.wastedOutputTokens * price.output) / 1_000_000
  }
}

/**
 * Over how long a peak of the load is taken, in milliseconds.
 *
 * **Details**
 *
 * A queue takes up what is too much for a moment, and a client waits for ten seconds or longer before it gives up: what is too
 * much for that long does harm. Over one second chance would be measured instead of the guard: of five calls a second that come
 * by chance, the busiest second of ten minutes sees more than twice as many.
 *
 * @category constants
 * @since 0.1.0
 */
export const LOAD_OVER = 10_000

// ---------------------------------------------------------------------------------------------------------------------

const TROUBLE = 0.9
const DEAD = 0.01
/** Of the healthy share. */
const RECOVERED = 0.9

/** From a slice, until before another. */
interface Span {
  readonly from: number
  readonly until: number
}

const sliceOf = ({ every, slices }: Ledger, at: number): number => Math.min(Math.floor(at / every), slices - 1)

const spans = ({ good, slices }: Ledger, holds: (good: number) => boolean): ReadonlyArray<Span> => {
  const found: Array<Span> = []
  let from = -1
  for (let i = 0; i <= slices; i++) {
    const inside = i < slices && holds(good[i]!)
    if (inside && from < 0) from = i
    if (!inside && from >= 0) {
      found.push({ from, until: i })
      from = -1
    }
  }
  return found
}

const total = (column: Float64Array, during: ReadonlyArray<Span>): number => {
  let sum = 0
  for (const { from, until } of during) for (let i = from; i < until; i++) sum += column[i]!
  return sum
}

const timeToOpen = (
  { clients: { breaker = "own", count = 1 } }: Scenario.Scenario,
  { every, moves }: Ledger,
  [first]: ReadonlyArray<Span>
): number | undefined => {
  if (first === undefined) return undefined
  const from = first.from * every
  const openings = new Map<number, number>()
  for (const { at, circuit, to } of moves) {
    if (to === "Open" && at >= from && at < first.until * every && !openings.has(circuit)) {
      openings.set(circuit, at - from)
    }
  }
  const circuits = breaker === "own" ? count : 1
  return [...openings.values()].toSorted((a, b) => a - b)[Math.ceil(circuits / 2) - 1] ?? Infinity
}

/** Long enough for fifty arrivals, so that chance alone makes no trouble; where they are few, for at most five minutes. */
const judgedOver = (scenario: Scenario.Scenario, { every }: Ledger, at: number): number =>
  Math.ceil(Math.max(1000, Math.min(50_000 / Math.max(Scenario.rateAt(scenario, at * every), 1e-9), 300_000)) / every)

const timeToRecover = (
  scenario: Scenario.Scenario,
  ledger: Ledger,
  troubles: ReadonlyArray<Span>,
  afterwards: ReadonlyArray<Span>
): number | undefined => {
  if (afterwards.length === 0) return troubles.length === 0 ? undefined : Infinity
  const { arrivals, every, served } = ledger
  const before = { from: 0, until: troubles[0]!.from }
  const healthy = before.until === 0 ? 1 : total(served, [before]) / Math.max(total(arrivals, [before]), 1)
  return afterwards.reduce((worst, { from, until }) => {
    const over = judgedOver(scenario, ledger, from)
    let slowest = 0
    // The last stretch that was not served as it should: from its end on all was well.
    for (let at = from; at < until; at += over) {
      const stretch = [{ from: at, until: Math.min(at + over, until) }]
      const came = total(arrivals, stretch)
      if (total(served, stretch) < RECOVERED * healthy * came) slowest = stretch[0]!.until - from
    }
    return Math.max(worst, slowest >= until - from ? Infinity : slowest * every)
  }, 0)
}

const peakLoad = ({ capacity, every, reached, slices }: Ledger, trouble: Span | undefined): number | undefined => {
  if (trouble === undefined) return undefined
  const over = Math.max(Math.round(LOAD_OVER / every), 1)
  let peak = 0
  for (let at = trouble.until; at + over <= slices; at++) {
    const window = [{ from: at, until: at + over }]
    const room = total(capacity, window)
    if (room > 0) peak = Math.max(peak, total(reached, window) / room)
  }
  return Number.isFinite(peak) ? peak : undefined
}
