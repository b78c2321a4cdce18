/**
 * A scenario as what policies are tried on: some seeds for the search, as many others for the proof. All policies meet the same
 * calls with the same fates.
 *
 * What a refused call would have met is known only by chance: it is lost by the share of calls that the provider could have answered
 * at that time.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Outcome from "../Outcome.ts"
import type { Harm } from "./Frontier.ts"
import * as Guard from "./Guard.ts"
import { Latencies } from "./Latencies.ts"
import type * as Policy from "./Policy.ts"
import type * as Scenario from "./Scenario.ts"
import * as Simulation from "./Simulation.ts"
import { CannotTune, type Part, type Trial } from "./TuneTrial.ts"

/** A scenario under the seeds of a search and of a proof. */
export class ScenarioTrial implements Trial<CannotTune> {
  readonly hasHeldOut = true
  readonly latencies: Latencies
  readonly wait: number
  readonly seeds: Readonly<Record<Part, ReadonlyArray<number>>>
  private readonly scenario: Scenario.Scenario
  private readonly bare: Readonly<Record<Part, ReadonlyArray<Metered>>>

  constructor(
    scenario: Scenario.Scenario,
    seeds: Readonly<Record<Part, ReadonlyArray<number>>>,
    bare: Readonly<Record<Part, ReadonlyArray<Metered>>>
  ) {
    const failed = bare.search.reduce((sum, { meter }) => sum + meter.wasted, 0)
    this.scenario = scenario
    this.seeds = seeds
    this.bare = bare
    this.wait = failed === 0 ? 0 : bare.search.reduce((sum, { meter }) => sum + meter.waited, 0) / failed
    this.latencies = bare.search[0]!.meter.latencies
  }

  without(part: Part): ReadonlyArray<Harm> {
    return this.bare[part].map(({ harm }) => harm)
  }

  /** Of the calls that arrive while the provider is not in trouble, those that it cannot answer. */
  stray(part: Part): Harm {
    const wasted = this.bare[part].reduce((sum, { strays }) => sum + strays, 0)
    return { wasted, waited: wasted * this.wait, lost: 0 }
  }

  run(
    policies: ReadonlyArray<Policy.Policy>,
    part: Part,
    onTried: (count: number) => void
  ): Effect.Effect<ReadonlyArray<ReadonlyArray<Harm>>> {
    const seeds = this.seeds[part]
    return Effect.forEach(policies, (policy) =>
      Effect.forEach(seeds, (seed) =>
        Effect.map(
          metered(this.scenario, Guard.policy(policy), seed, (share) => onTried(share / seeds.length)),
          ({ harm }) => harm
        )))
  }

  /** No breaker, and policies, under the first seed of the proof: with all that there is to say of them. */
  show(policies: ReadonlyArray<Policy.Policy>): Effect.Effect<ReadonlyArray<Simulation.Result>> {
    const seed = this.seeds.heldOut[0]!
    return Effect.map(
      Effect.forEach(policies, (policy) => metered(this.scenario, Guard.policy(policy), seed, () => {})),
      (runs) => [this.bare.heldOut[0]!, ...runs].map(({ result }) => result)
    )
  }
}

/** Runs a scenario without a breaker, under the seeds of a search and of a proof. */
export const make = (
  scenario: Scenario.Scenario,
  seed: number,
  runs: number
): Effect.Effect<ScenarioTrial, CannotTune> => {
  const numbers = (from: number) => Array.from({ length: runs }, (_, i) => from + i)
  const seeds = { search: numbers(seed), heldOut: numbers(seed + runs) }
  const without = (part: Part) => Effect.forEach(seeds[part], (seed) => metered(scenario, Guard.none, seed, () => {}))
  return Effect.flatMap(Effect.all({ search: without("search"), heldOut: without("heldOut") }), (bare) => {
    const isBare = bare.search.every(({ meter }) => meter.wasted === 0)
    return isBare
      ? Effect.fail(
        new CannotTune({
          reason: "noFailure",
          message: `no call of ${scenario.name} fails: no policy can be told from another`
        })
      )
      : Effect.succeed(new ScenarioTrial(scenario, seeds, bare))
  })
}

// ---------------------------------------------------------------------------------------------------------------------

interface Metered {
  readonly harm: Harm
  readonly meter: Meter
  readonly strays: number
  readonly result: Simulation.Result
}

/** In steps, so that others may run. */
const metered = (
  scenario: Scenario.Scenario,
  guard: Guard.Make,
  seed: number,
  onProgress: (share: number) => void
): Effect.Effect<Metered> =>
  Effect.suspend(() => {
    const meter = new Meter()
    const simulation = Simulation.make(scenario, { guard: (host) => new MeteredGuard(guard(host), meter), seed })
    let told = 0
    const tell = (share: number) => {
      onProgress(share - told)
      told = share
    }
    const some = Effect.sync(() => {
      for (let i = 0; i < STEPS_AT_ONCE; i++) if (simulation.isDone || !simulation.step()) return false
      tell(Math.min(1, simulation.now / scenario.duration))
      return true
    })
    const all: Effect.Effect<void> = Effect.flatMap(some, (more) =>
      more ? Effect.andThen(Effect.yieldNow, all) : Effect.void)
    return Effect.map(all, () => {
      tell(1)
      const { ledger } = simulation
      return { harm: meter.harm(ledger), meter, strays: straysOf(ledger), result: simulation.read() }
    })
  })

const straysOf = ({ arrivals, good }: Simulation.Simulation["ledger"]): number =>
  arrivals.reduce((sum, count, i) => good[i]! < TROUBLE ? sum : sum + count * (1 - good[i]!), 0)

/** As `Scores` has it. */
const TROUBLE = 0.9

const STEPS_AT_ONCE = 20_000

/** What comes of the calls of a run, as seen by its guards. */
class Meter {
  wasted = 0
  waited = 0
  readonly latencies = new Latencies()
  /** By the second: slices of a run are whole seconds. */
  private readonly refusals: Array<number> = []

  refused(now: number): void {
    const second = Math.floor(now / 1000)
    while (this.refusals.length <= second) this.refusals.push(0)
    this.refusals[second]!++
  }

  harm({ every, good, slices }: Simulation.Simulation["ledger"]): Harm {
    const { refusals, waited, wasted } = this
    const lost = refusals.reduce(
      (sum, count, second) => sum + count * good[Math.min(Math.floor(1000 * second / every), slices - 1)]!,
      0
    )
    return { wasted, waited, lost }
  }
}

class MeteredGuard implements Guard.Guard {
  private readonly guard: Guard.Guard
  private readonly meter: Meter
  constructor(guard: Guard.Guard, meter: Meter) {
    this.guard = guard
    this.meter = meter
  }
  ask(now: number): Guard.Pass | Guard.Refusal | Guard.Later {
    const answer = this.guard.ask(now)
    // Circuits answer at once.
    if (answer instanceof Guard.Later) return answer
    if (!Guard.isRefusal(answer)) return new MeteredPass(answer, this.meter, now)
    this.meter.refused(now)
    return answer
  }
}

class MeteredPass implements Guard.Pass {
  readonly probe: boolean | undefined
  private readonly pass: Guard.Pass
  private readonly meter: Meter
  private readonly askedAt: number
  private answeredAt: number | undefined
  constructor(pass: Guard.Pass, meter: Meter, now: number) {
    this.pass = pass
    this.probe = pass.probe
    this.meter = meter
    this.askedAt = now
  }
  answer(now: number): void {
    this.answeredAt ??= now
    this.pass.answer(now)
  }
  settle(outcome: Outcome.Outcome, now: number): void {
    const { answeredAt = now, askedAt, meter } = this
    const { _tag } = outcome
    if (_tag === "Success") meter.latencies.add(answeredAt - askedAt)
    else if (_tag !== "Ignored") {
      meter.wasted++
      meter.waited += now - askedAt
    }
    this.pass.settle(outcome, now)
  }
}
