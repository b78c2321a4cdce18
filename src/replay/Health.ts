/**
 * How healthy the provider of a scenario is, as time goes on: which phase is in force, and when it gives way to the next.
 *
 * @since 0.1.0
 */
import type { Agenda, Due } from "./Agenda.ts"
import * as Fault from "./Fault.ts"
import type { Phase, Scenario } from "./Scenario.ts"

/**
 * A phase as it came to pass.
 *
 * @category models
 * @since 0.1.0
 */
export interface Passed {
  readonly name: string
  readonly from: number
  readonly until: number
}

/**
 * The phases of a scenario, one after the other.
 *
 * @category models
 * @since 0.1.0
 */
export class Health implements Due {
  private readonly scenario: Scenario
  private readonly agenda: Agenda
  private index = 0
  private mayLift = false
  private calmFor = 0
  /** When the phase in force began. */
  since = 0
  /** The phases that are over. */
  readonly passed: Array<Passed> = []
  /** Is called when another phase has begun. */
  changed: (now: number) => void = () => {}

  constructor(scenario: Scenario, agenda: Agenda) {
    this.scenario = scenario
    this.agenda = agenda
    this.plan()
  }

  /** The phase in force. */
  get phase(): Phase {
    return this.scenario.phases[this.index]!
  }

  /** When the phase in force ends, unless it waits for the load to fall. */
  get until(): number {
    return this.since + this.phase.for
  }

  due(now: number, version: number): void {
    if (version !== this.index) return
    if (this.phase.lifts === undefined) this.next(now)
    else this.mayLift = true
  }

  /** Tells what load was offered for a `span`, relative to what the provider can take. */
  offered(load: number, span: number, now: number): void {
    const { lifts } = this.phase
    if (lifts === undefined) return
    this.calmFor = load < lifts.below ? this.calmFor + span : 0
    if (this.mayLift && this.calmFor >= lifts.during) this.next(now)
  }

  /** What a call meets, for a number from 0 to 1. */
  fault(chance: number): Fault.Fault | undefined {
    const { faults } = this.phase
    if (faults === undefined) return undefined
    let left = chance
    for (const { fault, share } of faults) if ((left -= share) < 0) return fault
    return undefined
  }

  /** The share of calls that meet no harm. */
  get harmless(): number {
    let share = 1
    for (const { fault, share: met } of this.phase.faults ?? []) if (!Fault.isHarmless(fault)) share -= met
    return Math.max(share, 0)
  }

  /** The share of its servers that is there. */
  capacity(now: number): number {
    const { capacity = 1, for: whole } = this.phase
    if (typeof capacity === "number") return capacity
    return capacity.from + (capacity.to - capacity.from) * Math.min((now - this.since) / whole, 1)
  }

  /** When the share will be that of the `count`-th server of `all`; infinite where this phase does not come to it. */
  capacityAt(count: number, all: number): number {
    const { capacity, for: whole } = this.phase
    if (typeof capacity !== "object" || capacity.to <= capacity.from) return Infinity
    const passed = (count / all - capacity.from) / (capacity.to - capacity.from)
    // The last server comes with the end of the phase, though division may put it a hair behind.
    return passed > 1 + 1e-9 ? Infinity : this.since + passed * whole
  }

  /** The phases, that in force included, as far as they have come. */
  read(now: number): ReadonlyArray<Passed> {
    return [...this.passed, { name: this.phase.name, from: this.since, until: now }]
  }

  private next(now: number): void {
    if (this.index === this.scenario.phases.length - 1) return
    this.passed.push({ name: this.phase.name, from: this.since, until: now })
    this.index++
    this.since = now
    this.mayLift = false
    this.calmFor = 0
    this.plan()
    this.changed(now)
  }

  private plan(): void {
    if (this.index < this.scenario.phases.length - 1) this.agenda.add(this.until, this, this.index)
  }
}
