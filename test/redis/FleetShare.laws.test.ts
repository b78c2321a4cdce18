/**
 * The law under rule 15 where many processes share one circuit: a share is fair, though reports come late and in lumps.
 *
 * All of it on virtual time. `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many loads are tried.
 */
import { assert, describe, it } from "@effect/vitest"
import * as CallWindow from "../../src/CallWindow.ts"
import * as Circuit from "../../src/Circuit.ts"
import * as Outcome from "../../src/Outcome.ts"
import * as TripPolicy from "../../src/TripPolicy.ts"
import { chance, type Latencies, latencies } from "../loads.ts"
import { beginning, type Options, Processes } from "./processes.ts"

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.FC_RUNS ?? (process.env.TEST_FLEET === "1" ? 40 : 12))
console.info(`FleetShare.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

// ---------------------------------------------------------------------------------------------------------------------
// Loads
// ---------------------------------------------------------------------------------------------------------------------

interface Load extends Latencies {
  readonly arrivals: "steady" | "poisson" | "bursts" | "workers"
  /** Calls a second, over all processes. */
  readonly rate: number
  /** Which share of its calls fails, of each process. */
  readonly shares: ReadonlyArray<number>
  /** Until then all goes well. */
  readonly from: number
  /** A process that is killed, and when. */
  readonly dies: { readonly process: number; readonly at: number } | undefined
}

const BURST = 60

/** How long it takes to make so many calls, in milliseconds. */
const timeFor = (calls: number, { arrivals, failure, rate, shares, success }: Load): number => {
  const workers = rate / 4
  const share = shares.reduce((sum, share) => sum + share, 0) / shares.length
  return arrivals === "workers"
    ? calls * (share * failure.mean + (1 - share) * success.mean) / workers
    : calls / rate * 1000
}

/** Long enough for some windows to be filled. */
const timeOf = ({ rate }: Load): number => Math.max(2500, 150 / rate * 1000)

interface Opening {
  readonly at: number
  readonly cause: Circuit.Cause | undefined
}

/** What became of the calls of a fleet: in order of admission, and in that in which they came home. */
interface Fates {
  readonly admitted: Array<readonly [at: number, failed: boolean]>
  readonly home: Array<readonly [at: number, failed: boolean]>
}

/** The first opening under the load, undefined where there is none until then. Times are milliseconds. */
const simulate = (load: Load, options: Omit<Options, "processes">, until: number) => {
  const fleet = new Processes({ ...options, processes: load.shares.length })
  const { all, world } = fleet
  const { random } = world
  const fates: Fates = { admitted: [], home: [] }
  const found: { opening: Opening | undefined } = { opening: undefined }
  fleet.watch = ({ out }) => {
    for (const { cause } of out.transitions) found.opening ??= { at: world.now - beginning, cause }
  }
  const call = (who: number, then: () => void = () => undefined): void => {
    const at = world.now - beginning
    const failed = at >= load.from && random() < load.shares[who]!
    all[who]!.ask((leave) => {
      if (leave instanceof Circuit.Refusal) return
      fates.admitted.push([at, failed])
      // No two calls come home at the very same time.
      world.at(world.now + (failed ? load.failure : load.success).draw(random) + random(), () => {
        fates.home.push([world.now - beginning, failed])
        leave.settle(failed ? Outcome.failure() : Outcome.success)
        then()
      })
    })
  }
  let count = 0
  const arrive = (): void => {
    call(load.arrivals === "steady" ? count % all.length : Math.floor(random() * all.length))
    count++
    const wait = load.arrivals === "steady"
      ? count * 1000 / load.rate - (world.now - beginning)
      : load.arrivals === "poisson"
      ? -1000 / load.rate * Math.log(1 - random())
      : Math.floor(count / BURST) * BURST * 1000 / load.rate - (world.now - beginning)
    world.at(world.now + wait, arrive)
  }
  const work = (who: number): void => call(who, () => work(who))
  if (load.arrivals === "workers") {
    for (let i = 0; i < load.rate / 4; i++) work(i % all.length)
  } else arrive()
  if (load.dies !== undefined) world.at(beginning + load.dies.at, () => all[load.dies!.process]!.die())
  while (found.opening === undefined && world.now < beginning + until) world.run(world.now + 20)
  return { opening: found.opening, fates, fleet }
}

/** Whether a run of at least `least` calls that ended in the time before the opening was as bad as the rule says. */
const isTrue = (calls: Fates["home"], threshold: number, least: number, from: number, to: number): boolean => {
  for (let end = calls.length; end > 0; end--) {
    const [at] = calls[end - 1]!
    if (at > to) continue
    if (at < from) return false
    let bad = 0
    for (let length = 1; length <= end; length++) {
      if (calls[end - length]![1]) bad++
      if (length >= least && bad >= threshold * length) return true
    }
  }
  return false
}

// ---------------------------------------------------------------------------------------------------------------------
// Fleets, at random
// ---------------------------------------------------------------------------------------------------------------------

const rate = (window: CallWindow.CallWindow, minimumCalls: number) =>
  TripPolicy.failureRate({ threshold: 0.5, minimumCalls, window })

const policies = [
  { policy: rate(CallWindow.lastCalls(20), 20), calls: 20, least: 20 },
  { policy: rate(CallWindow.lastCalls(100), 40), calls: 100, least: 40 },
  { policy: rate(CallWindow.lastCalls(100, { within: "10 seconds" }), 40), calls: 100, least: 40 },
  { policy: rate(CallWindow.lastDuration("2 seconds"), 40), calls: Infinity, least: 40 },
  { policy: rate(CallWindow.lastDuration("10 seconds"), 40), calls: Infinity, least: 40 }
] as const

const spanOf = ({ window }: TripPolicy.FailureRate): number =>
  window._tag === "LastCalls" ? window.within ?? Infinity : window.duration

const evenly = (processes: number, share: number): ReadonlyArray<number> =>
  Array.from({ length: processes }, () => share)

/** A fleet of which some processes fail, so that of all calls as many do as are said to. */
const unevenly = (processes: number, failing: number, share: number): ReadonlyArray<number> =>
  Array.from({ length: processes }, (_, i) => i < failing ? share : 0.01)

const pick = <A>(random: () => number, all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)]!

const anyFleet = (random: () => number): Omit<Options, "processes" | "rules"> => ({
  seed: Math.floor(random() * 2 ** 31),
  pace: { grace: pick(random, [50, 100, 250]), every: pick(random, [200, 500, 1000]), forgetAfter: 30_000 },
  failuresWithin: pick(random, [5, 20, 50]),
  most: pick(random, [50, Infinity]),
  lost: pick(random, [0, 0, 0.1]),
  off: pick(random, [0, 0, 3])
})

const anyLoad = (random: () => number, shares: ReadonlyArray<number>): Load => {
  // Where workers wait for their calls, a process that fails fast makes more of them than the others.
  const isEven = new Set(shares).size === 1
  const arrivals = pick(random, ["steady", "poisson", "bursts", isEven ? "workers" : "steady"] as const)
  return {
    ...pick(random, latencies),
    arrivals,
    rate: pick(random, [20, 100, 400, 1500]),
    shares,
    // Workers that wait for answers of twenty seconds would not see the outage begin.
    from: arrivals === "workers" ? 0 : pick(random, [0, 0, 1500]),
    dies: shares.length < 8 || random() < 0.7
      ? undefined
      : { process: shares.length - 1, at: 500 + 2000 * random() }
  }
}

const told = (load: Load, fleet: object, policy: object, opening: Opening | undefined): string =>
  JSON.stringify({ ...load, success: load.success.name, failure: load.failure.name, fleet, policy, opening })

describe("a fleet of many", () => {
  describe("a true share clearly under the threshold", () => {
    it("stays closed, whichever processes fail, however late and in what lumps they report (rule 15)", () => {
      const random = chance(seed)
      for (let run = 0; run < runs; run++) {
        const shares = pick(random, [
          evenly(1, 0.2),
          evenly(2, 0.3),
          evenly(8, 0.2),
          evenly(16, 0.3),
          unevenly(2, 1, 0.6),
          unevenly(8, 1, 1),
          unevenly(8, 1, 0.6),
          unevenly(16, 1, 1),
          unevenly(16, 4, 1)
        ])
        const { least, policy } = pick(random, policies)
        const load = anyLoad(random, shares)
        const options = anyFleet(random)
        const { every, grace } = options.pace

        const { fates, opening } = simulate(load, { ...options, rules: { tripPolicy: policy } }, timeOf(load))

        // A few calls may be so by chance: then it is true of the calls.
        // What was judged may reach back as far as it takes that many calls to come.
        const judged = 2 * 1000 * (opening?.cause?.calls ?? 0) / load.rate
        const since = (opening?.at ?? 0) - 2 * every - 2 * grace - judged
        const isChance = opening !== undefined && (isTrue(fates.home, 0.5, least, since, opening.at) ||
          isTrue(fates.admitted, 0.5, least, since - load.failure.p99, opening.at))
        assert.isTrue(opening === undefined || isChance, told(load, options, policy, opening))
      }
    })

    it("opens on five failures in a row only where there were five, over all processes (rule 14)", () => {
      const random = chance(seed + 1)
      let opened = 0
      for (let run = 0; run < runs / 2; run++) {
        const shares = pick(random, [unevenly(8, 1, 1), unevenly(8, 1, 0.6), evenly(8, 0.2), unevenly(16, 3, 1)])
        const load = { ...anyLoad(random, shares), from: 1000, rate: pick(random, [20, 100, 400, 1500, 4000]) }
        const options = { ...anyFleet(random), off: 0 }
        const { every, grace } = options.pace

        const { fates, opening } = simulate(load, { ...options, rules: {} }, timeOf(load) + 500)

        if (opening === undefined) continue
        opened++
        const since = opening.at - 2 * every - 2 * grace
        assert.isTrue(isTrue(fates.home, 1, 5, since, opening.at), told(load, options, {}, opening))
      }
      console.info(`opened ${opened}`)
    })
  })

  describe("a true share clearly above the threshold", () => {
    it("opens within the time of a window or of the failures, whichever is longer (rule 15)", () => {
      const random = chance(seed + 2)
      let worst = 0
      for (let run = 0; run < runs; run++) {
        const shares = pick(random, [
          evenly(1, 0.8),
          evenly(2, 0.65),
          evenly(8, 0.65),
          evenly(8, 1),
          evenly(16, 0.8),
          unevenly(8, 6, 1),
          unevenly(16, 11, 1)
        ])
        const { calls, least, policy } = pick(random, policies)
        const load = anyLoad(random, shares)
        const options = anyFleet(random)
        const { every, grace } = options.pace
        const measure = Math.max(Math.min(timeFor(calls, load), spanOf(policy)), load.failure.p99)
        // The window must hold what it takes to be judged.
        if (measure > 8000 || spanOf(policy) / 1000 * load.rate < 2 * Math.max(least, BURST)) continue
        // A process that died is waited for, as long as it might yet report.
        const bound = load.from + 4 * measure + every + 2 * grace

        const { opening } = simulate(load, { ...options, rules: { tripPolicy: policy } }, bound)

        const at = opening?.at ?? Infinity
        assert.isTrue(at >= load.from && at <= bound, told(load, options, policy, opening))
        worst = Math.max(worst, (at - load.from - every - 2 * grace) / measure)
      }
      console.info(`worst ${worst}`)
    })
  })
})
