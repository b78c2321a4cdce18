/**
 * A simulation: the clients and the provider of a scenario, event by event, from a seed.
 *
 * The same scenario, guard and seed give the same run, to the bit, on every machine. What calls meet does not depend on the
 * guard: two policies under one seed get the same arrivals, with the same fates and lengths.
 *
 * @since 0.1.0
 */
import type * as Outcome from "../Outcome.ts"
import { Agenda } from "./Agenda.ts"
import { Clients } from "./Clients.ts"
import type * as Guard from "./Guard.ts"
import { Health, type Passed } from "./Health.ts"
import type { Work } from "./Job.ts"
import { Ledger } from "./Ledger.ts"
import { ModelProvider } from "./ModelProvider.ts"
import * as Random from "./Random.ts"
import * as Scenario from "./Scenario.ts"
import * as Scores from "./Scores.ts"
import * as Timeline from "./Timeline.ts"

/**
 * What a run came to.
 *
 * **Details**
 *
 * `phases` are those of the scenario as they came to pass, `scores` what it is judged by.
 *
 * @category models
 * @since 0.1.0
 */
export interface Result {
  readonly scenario: string
  readonly seed: number
  readonly scores: Scores.Scores
  readonly totals: Ledger["totals"]
  readonly work: Work
  readonly phases: ReadonlyArray<Passed>
  readonly timeline: Timeline.Timeline
}

/**
 * How a simulation is run: what guards the calls (nothing, unless given), and the seed of all chance in it (1).
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly guard?: Guard.Make | undefined
  readonly seed?: number | undefined
}

/**
 * A simulation under way.
 *
 * **Details**
 *
 * `step` runs what is due next, and is `false` when nothing is. Who drives a guard that is asynchronous waits between two steps,
 * until it has come to rest.
 *
 * @category models
 * @since 0.1.0
 */
export class Simulation {
  readonly agenda: Agenda = new Agenda()
  readonly scenario: Scenario.Scenario
  readonly seed: number
  readonly ledger: Ledger
  readonly provider: ModelProvider
  private readonly timeline: Timeline.Recorder
  private readonly clients: Clients

  /** @internal Use `make`. */
  constructor(scenario: Scenario.Scenario, guard: Guard.Make, seed: number) {
    const random = Random.make(seed)
    const { breaker = "own", count = 1 } = scenario.clients
    const circuits = breaker === "own" ? count : 1
    this.scenario = scenario
    this.seed = seed
    this.ledger = new Ledger(scenario.duration)
    this.timeline = Timeline.make({ from: 0, every: this.ledger.every, circuits })
    this.provider = new ModelProvider(scenario, this.agenda, new Health(scenario, this.agenda))
    const guards = Array.from({ length: circuits }, (_, number) => {
      const source = random.fork("guards").fork(number)
      const checks = random.fork("checks").fork(number)
      let checked = 0
      const name = circuits === 1 ? "circuit" : `circuit ${number + 1}`
      return guard({
        number,
        name,
        agenda: this.agenda,
        random: () => source.next(),
        check: (done) => {
          const ended = ({ _tag }: Outcome.Outcome) => done(_tag === "Success")
          this.provider.check({ content: () => {}, ended }, checks.fork(++checked)).begin(this.now)
        },
        notify: (transition) => {
          this.ledger.moves.push({ ...transition, circuit: number })
          this.timeline.moved(transition, name)
        }
      })
    })
    this.agenda.add(0, { due: (now) => this.tick(now) })
    this.clients = new Clients(scenario, guards, this.provider, this.ledger, this.timeline, random)
  }

  /** The time of the run, in milliseconds. */
  get now(): number {
    return this.agenda.now
  }

  step(): boolean {
    return this.agenda.next < Infinity && this.agenda.step()
  }

  /** No call is under way any more, none will come, and no work is left of those that were given up. */
  get isDone(): boolean {
    const { clients, now, provider, scenario } = this
    // Where no server is left, nobody will ever work on what waits.
    const left = provider.busy + (provider.servers(now) > 0 ? provider.queued : 0)
    return now >= scenario.duration && clients.open + left === 0
  }

  read(): Result {
    const { ledger, provider, scenario, seed } = this
    const totals = { ...ledger.totals, unfinished: this.clients.open }
    return {
      scenario: scenario.name,
      seed,
      scores: Scores.make(scenario, ledger, provider.work),
      totals,
      work: { ...provider.work },
      phases: provider.health.read(scenario.duration).filter(({ from }) => from < scenario.duration),
      timeline: this.timeline.read()
    }
  }

  /** The beginning of a slice, and the end of the one before. */
  private tick(now: number): void {
    const { agenda, ledger, provider, scenario } = this
    const { every } = ledger
    const at = Math.round(now / every)
    const before = at - 1
    if (before >= 0 && ledger.capacity[before]! > 0) {
      const load = ledger.reached[before]! / ledger.capacity[before]!
      this.timeline.offered(now, load)
      provider.health.offered(load, every, now)
    }
    if (at >= ledger.slices) return
    // Of a slice in which it changes, what there is in its middle would be as good: a second is short.
    ledger.capacity[at] = provider.capacity(now) * every / 1000
    ledger.good[at] = provider.good(Scenario.rateAt(scenario, now), now)
    agenda.add(now + every, { due: (then) => this.tick(then) })
  }
}

/**
 * Makes a simulation, to be run step by step.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (scenario: Scenario.Scenario, { guard, seed = 1 }: Options = {}): Simulation =>
  new Simulation(scenario, guard ?? unguarded, seed)

/**
 * Runs a scenario to its end.
 *
 * **Details**
 *
 * Millions of calls take seconds. `guard` must answer at once; drive one that is asynchronous with `make` and `step`.
 *
 * **Example** (Half a minute of a dead provider, with and without a breaker)
 *
 * ```ts
 * import { Guard, Policy, Scenario, Simulation } from "effect-breaker/replay"
 *
 * const dead = Scenario.make({
 *   name: "dead",
 *   duration: 120_000,
 *   provider: { servers: 100, latency: 200 },
 *   phases: [
 *     { name: "healthy", for: 30_000 },
 *     { name: "dead", for: 30_000, faults: [{ fault: { _tag: "Reset" }, share: 1 }] },
 *     { name: "healthy again", for: 60_000 }
 *   ],
 *   clients: { rate: 50, arrivals: "even" }
 * })
 * const reached = (guard: Guard.Make) => Simulation.run(dead, { guard }).scores.reachedDead!
 *
 * console.log(reached(Guard.none)) // => 1
 * console.log(reached(Guard.policy(Policy.builtIn.default)) < 0.01) // => true
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = (scenario: Scenario.Scenario, options?: Options): Result => {
  const simulation = make(scenario, options)
  // A guard with a timer of its own is never done.
  while (!simulation.isDone && simulation.step());
  return simulation.read()
}

// ---------------------------------------------------------------------------------------------------------------------

const unguarded: Guard.Make = () => ({ ask: () => ({ answer: () => {}, settle: () => {} }) })
