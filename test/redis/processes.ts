/**
 * Many processes on one circuit, on virtual time: what each decides by itself, when it reports, and what it is told.
 *
 * The circuit is a text. A report takes a while to get there and is applied in one step; what came of it takes a while to
 * get back; and the others are told of what is new, later, or never.
 */
import * as Circuit from "../../src/Circuit.ts"
import type * as Outcome from "../../src/Outcome.ts"
import * as Fleet from "../../src/redis/Fleet.ts"
import * as Stored from "../../src/redis/Stored.ts"
import { Agenda, chance } from "../loads.ts"

export interface Options {
  readonly rules: Circuit.Options
  readonly processes: number
  readonly pace: Fleet.Pace
  readonly seed: number
  /** How soon a failure is told. */
  readonly failuresWithin?: number
  /** After how many happenings a process reports at once. */
  readonly most?: number
  /** The longest way of a message. */
  readonly way?: number
  /** The share of news that get lost. */
  readonly lost?: number
  /** How far off a process may be about the time of the store. */
  readonly off?: number
}

/** The leave to make one call. Whether it is known to the circuit, or none of its business. */
export interface Leave {
  readonly generation: number
  readonly isProbe: boolean
  settle(outcome: Outcome.Outcome): void
}

/** What a report did, as it was applied. */
export interface Applied {
  readonly process: Process
  readonly report: Fleet.Report
  readonly out: Fleet.Outgoing
  readonly before: string
  readonly after: string
  readonly fleet: Stored.Fleet
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }
type Answer = (answer: Leave | Circuit.Refusal) => void

/** Redis's clock is at this when the simulation begins. */
export const beginning = 1_764_000_000_000

/** What runs on virtual time: a step at a time, in order. */
export class World {
  now = beginning
  readonly random: () => number
  private readonly agenda = new Agenda()
  private readonly steps: Array<() => void> = []
  private readonly free: Array<number> = []

  constructor(seed: number) {
    this.random = chance(seed)
  }

  at(time: number, step: () => void): void {
    const slot = this.free.pop() ?? this.steps.length
    this.steps[slot] = step
    this.agenda.add(Math.max(time, this.now), slot)
  }

  run(until: number): void {
    while (this.agenda.next <= until) {
      this.now = this.agenda.next
      const slot = this.agenda.take()
      this.free.push(slot)
      this.steps[slot]!()
    }
    this.now = until
  }
}

export class Processes {
  readonly world: World
  readonly rules: Circuit.Rules
  readonly pace: Fleet.Pace
  readonly options: Options
  readonly all: ReadonlyArray<Process>
  text: string
  version = 0
  reports = 0
  /** Told of each report, as it is applied. */
  watch: (applied: Applied) => void = () => undefined

  constructor(options: Options) {
    this.options = options
    this.pace = options.pace
    this.world = new World(options.seed)
    this.rules = Circuit.rules(options.rules)
    this.text = Stored.write(Fleet.make(this.rules, this.world.now, "epoch", "enforce"))
    this.all = Array.from({ length: options.processes }, (_, i) => new Process(this, `process ${i}`))
  }

  read(): Stored.Fleet {
    const fleet = Stored.read(this.text, this.rules, this.world.now)
    if (fleet === undefined) throw new Error(`cannot be read: ${this.text}`)
    return fleet
  }

  /** How long a message is under way. */
  way(): number {
    return this.world.random() * (this.options.way ?? 5)
  }

  apply(process: Process, report: Omit<Fleet.Report, "now">): readonly [Fleet.Outgoing, Stored.Fleet] {
    const { text: before, world: { now, random } } = this
    const fleet = this.read()
    const whole = { ...report, now }
    const out = Fleet.apply(fleet, whole, this.pace)
    this.text = Stored.write(fleet)
    this.reports++
    const version = ++this.version
    this.watch({ process, report: whole, out, before, after: this.text, fleet })
    if (out.isNews) {
      for (const other of this.all) {
        if (other === process || random() < (this.options.lost ?? 0)) continue
        this.world.at(now + this.way(), () => other.adopt(version, fleet))
      }
    }
    return [out, fleet]
  }
}

export class Process {
  readonly name: string
  readonly shift: number
  /** What it last heard of the circuit. */
  known: Stored.Fleet
  isAlive = true
  private readonly fleet: Processes
  private readonly off: number
  private version = 0
  private happened: Array<Fleet.Told> = []
  private running: ReadonlyArray<Fleet.Told> = []
  private looks = false
  private probes: Array<Fleet.Probe> = []
  private orders: Array<Circuit.Command> = []
  private asks = new Map<string, Answer>()
  private asked = 0
  private dueAt = Infinity
  private isReporting = false
  private reportedAt: number

  constructor(fleet: Processes, name: string) {
    const { options: { off = 0 }, world: { now, random } } = fleet
    this.fleet = fleet
    this.name = name
    this.shift = Math.floor(random() * 1e9)
    this.off = (2 * random() - 1) * off
    this.known = fleet.read()
    this.reportedAt = now - random() * fleet.pace.every
  }

  /** Asks for leave: at once where what it knows is enough, else after a round trip. */
  ask(done: Answer): void {
    const { now } = this.fleet.world
    const { circuit } = this.known
    const state = circuit.cell.current
    const refusal = Circuit.refusal(circuit, now)
    this.looks = true
    if (circuit.mode === "off" || refusal !== undefined && circuit.mode === "observe") return done(uncounted)
    if (refusal !== undefined && refusal.reason !== "HalfOpen") return done(refusal)
    if (state._tag === "Closed") {
      const call = this.call(state.generation, 0, now)
      this.happens(call, Infinity)
      return done(this.leave(call))
    }
    this.asks.set(`${this.name}/${this.asked++}`, done)
    this.due(now)
  }

  order(order: Circuit.Command): void {
    this.orders.push(order)
    this.due(this.fleet.world.now)
  }

  die(): void {
    this.isAlive = false
  }

  /** Hears of the circuit. */
  adopt(version: number, known: Stored.Fleet): void {
    if (version <= this.version) return
    this.version = version
    this.known = known
    if (known.suspectedAt !== undefined && known.suspectedAt > this.reportedAt) this.due(this.fleet.world.now)
  }

  // Its own clock.
  private time(now: number): number {
    return now - this.shift
  }

  private call(generation: number, step: number, startedAt: number): Mutable<Fleet.Told> {
    return {
      generation,
      step,
      startedAt: this.time(startedAt),
      answeredAt: undefined,
      place: undefined,
      outcome: undefined,
      settledAt: 0
    }
  }

  private happens(call: Fleet.Told, within: number): void {
    const { options: { most = Infinity }, pace: { every }, world: { now } } = this.fleet
    this.happened.push(call)
    const isNew = !this.known.members.has(this.name)
    this.due(isNew || this.happened.length >= most ? now : Math.min(now + within, this.reportedAt + every))
  }

  private leave(call: Mutable<Fleet.Told>): Leave {
    return {
      generation: call.generation,
      isProbe: false,
      settle: (outcome) => {
        if (call.outcome !== undefined) return
        const { options: { failuresWithin = 20 }, world } = this.fleet
        Object.assign(call, { outcome, settledAt: this.time(world.now) })
        const { _tag } = outcome
        this.happens(call, _tag === "Failure" ? failuresWithin : _tag === "Success" || _tag === "Ignored" ? Infinity : 0)
      }
    }
  }

  private probing(permit: Stored.Lease): Leave {
    return {
      generation: permit.generation,
      isProbe: true,
      settle: (outcome) => {
        const { now } = this.fleet.world
        this.probes.push({ id: permit.id, answeredAt: undefined, outcome, settledAt: this.time(now) })
        this.due(now)
      }
    }
  }

  private due(at: number): void {
    if (at >= this.dueAt) return
    this.dueAt = at
    this.fleet.world.at(at, () => {
      if (this.dueAt === at) this.report()
    })
  }

  private report(): void {
    if (this.isReporting || !this.isAlive) return
    this.dueAt = Infinity
    this.isReporting = true
    const { world } = this.fleet
    const { asks, happened } = this
    const report = {
      member: this.name,
      shift: this.shift + this.off,
      running: this.running,
      happened,
      looks: this.looks,
      probes: this.probes,
      orders: this.orders,
      asks: [...asks.keys()]
    }
    this.happened = []
    this.looks = false
    this.probes = []
    this.orders = []
    this.asks = new Map()
    world.at(world.now + this.fleet.way(), () => {
      if (!this.isAlive) return
      const [out, fleet] = this.fleet.apply(this, report)
      const { version } = this.fleet
      const { now: appliedAt } = world
      world.at(world.now + this.fleet.way(), () => {
        if (!this.isAlive) return
        this.isReporting = false
        this.reportedAt = appliedAt
        this.adopt(version, fleet)
        this.read(out, [...asks.values()], new Set([...report.running, ...happened]))
        const { every, forgetAfter } = this.fleet.pace
        if (out.againAt !== undefined) this.due(out.againAt)
        if (this.running.length > 0) this.due(appliedAt + forgetAfter / 3)
        if (this.happened.length > 0) this.due(appliedAt + every)
        if (this.dueAt <= world.now) this.report()
      })
    })
  }

  private read(out: Fleet.Outgoing, asks: ReadonlyArray<Answer>, told: ReadonlySet<Mutable<Fleet.Told>>): void {
    for (const call of told) call.place = out.places.get(call)
    const running: Array<Fleet.Told> = [...told].filter(({ place }) => place !== undefined)
    out.answers.forEach((answer, i) => {
      const done = asks[i]!
      if (answer === undefined) return this.ask(done)
      if (answer instanceof Circuit.Refusal) return done(answer)
      const place = out.admitted.get(answer)
      if (place === undefined) return done(answer.settled ? uncounted : this.probing(answer as Stored.Lease))
      const call = this.call(answer.generation, answer.step, answer.startedAt)
      call.place = place
      running.push(call)
      done(this.leave(call))
    })
    this.running = running
  }
}

const uncounted: Leave = { generation: -1, isProbe: false, settle: () => undefined }
