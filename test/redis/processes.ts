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
  /** The longest that a message is under way. */
  readonly way?: number
  /** The share of news that get lost. */
  readonly lost?: number
  /** How far a process may be off about the time of the store. */
  readonly off?: number
  /** How often a process reads the circuit, lest it miss for ever what it was not told. */
  readonly poll?: number
}

/** The leave to make one call. */
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
  /** The text that the report found. */
  readonly before: string
  readonly fleet: Stored.Fleet
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }
type Answer = (answer: Leave | Circuit.Refusal) => void

/** When a simulation begins, by the clock of the store. */
export const beginning = 1_764_000_000_000

const defaultPoll = 5000

/** What happens on virtual time, a step at a time. */
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
  readonly options: Options
  readonly all: Array<Process>
  /** The circuit. */
  text: string
  reports = 0
  /** Told of each report, as it is applied. */
  watch: (applied: Applied) => void = () => undefined

  constructor(options: Options) {
    this.options = options
    this.world = new World(options.seed)
    this.rules = Circuit.rules(options.rules)
    this.text = Stored.write(Fleet.make(this.rules, this.world.now, "epoch", "enforce"))
    this.all = Array.from({ length: options.processes }, (_, i) => new Process(this, `process ${i}`))
  }

  /** One process more. */
  join(): Process {
    const process = new Process(this, `process ${this.all.length}`)
    this.all.push(process)
    return process
  }

  read(): Stored.Fleet {
    const fleet = Stored.read(this.text, this.rules, this.world.now)
    if (fleet === undefined) throw new Error(`cannot be read: ${this.text}`)
    return fleet
  }

  snapshot(): Circuit.Snapshot {
    return Circuit.snapshot(this.read().circuit, this.world.now)
  }

  /** How long a message is under way. */
  way(): number {
    return this.world.random() * (this.options.way ?? 5)
  }

  apply(process: Process, told: Omit<Fleet.Report, "now">): readonly [Fleet.Outgoing, Stored.Fleet] {
    const { text: before, world: { now, random } } = this
    const fleet = this.read()
    const report = { ...told, now }
    const out = Fleet.apply(fleet, report, this.options.pace)
    this.text = Stored.write(fleet)
    const version = ++this.reports
    this.watch({ process, report, out, before, fleet })
    if (out.isNews) {
      for (const other of this.all) {
        if (other === process || random() < (this.options.lost ?? 0)) continue
        this.world.at(now + this.way(), () => other.hear(version, fleet))
      }
    }
    return [out, fleet]
  }
}

export class Process {
  readonly name: string
  /** What it last heard of the circuit. */
  known: Stored.Fleet
  private readonly fleet: Processes
  private readonly clock: number
  private readonly shift: number
  private version: number
  private isAlive = true
  // What waits while it is stopped.
  private backlog: Array<() => void> | undefined = undefined
  private happened: Array<Fleet.Told> = []
  private running: ReadonlyArray<Mutable<Fleet.Told>> = []
  private looks = false
  private probes: Array<Fleet.Probe> = []
  private orders: Array<Circuit.Command> = []
  private asks = new Map<string, Answer>()
  private asked = 0
  private dueAt = Infinity
  private isReporting = false
  private reportedAt: number

  constructor(fleet: Processes, name: string) {
    const { options: { off = 0, pace, poll = defaultPoll }, world: { now, random } } = fleet
    this.fleet = fleet
    this.name = name
    this.clock = -Math.floor(random() * 1e9)
    this.shift = -this.clock + (2 * random() - 1) * off
    this.known = fleet.read()
    this.version = fleet.reports
    this.reportedAt = now - random() * pace.every
    this.poll(random() * poll)
  }

  private poll(within: number): void {
    const { fleet } = this
    fleet.world.at(fleet.world.now + within, () =>
      this.awake(() => {
        this.adopt(fleet.reports, fleet.read())
        this.poll(fleet.options.poll ?? defaultPoll)
      }))
  }

  /** Asks for leave, and gets it at once where what it knows is enough, else after a round trip. */
  ask(done: Answer): void {
    if (!this.isAlive) return
    if (this.backlog !== undefined) return void this.backlog.push(() => this.ask(done))
    const { now } = this.fleet.world
    const { circuit } = this.known
    const state = circuit.cell.current
    const refusal = Circuit.refusal(circuit, now)
    this.looks = true
    if (circuit.mode === "off" || (refusal !== undefined && circuit.mode === "observe")) return done(uncounted)
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

  /** It is killed, in the midst of what it does. */
  die(): void {
    this.isAlive = false
  }

  /** It stands still until it wakes. */
  stop(): void {
    this.backlog ??= []
  }

  wake(): void {
    const { backlog = [] } = this
    this.backlog = undefined
    for (const step of backlog) step()
  }

  hear(version: number, known: Stored.Fleet): void {
    this.awake(() => this.adopt(version, known))
  }

  private awake(step: () => void): void {
    if (!this.isAlive) return
    if (this.backlog === undefined) step()
    else this.backlog.push(step)
  }

  private adopt(version: number, known: Stored.Fleet): void {
    if (version <= this.version) return
    this.version = version
    this.known = known
    if (known.suspectedAt !== undefined && known.suspectedAt > this.reportedAt) this.due(this.fleet.world.now)
  }

  // Its own clock.
  private time(now: number): number {
    return now + this.clock
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
    const { options: { most = Infinity, pace: { every } }, world: { now } } = this.fleet
    this.happened.push(call)
    // With its first call it says that it is there: until then nobody waits for it.
    const isNew = Fleet.isGone(this.known.members.get(this.name), now, this.fleet.options.pace)
    this.due(isNew || this.happened.length >= most ? now : Math.min(now + within, this.reportedAt + every))
  }

  private leave(call: Mutable<Fleet.Told>): Leave {
    const settle = (outcome: Outcome.Outcome) => {
      if (call.outcome !== undefined) return
      const { options: { failuresWithin = 20 }, world } = this.fleet
      Object.assign(call, { outcome, settledAt: this.time(world.now) })
      const { _tag } = outcome
      this.happens(call, _tag === "Failure" ? failuresWithin : _tag === "Success" || _tag === "Ignored" ? Infinity : 0)
    }
    return { generation: call.generation, isProbe: false, settle: (outcome) => this.awake(() => settle(outcome)) }
  }

  private probing({ generation, id }: Stored.Lease): Leave {
    const settle = (outcome: Outcome.Outcome) => {
      const { now } = this.fleet.world
      this.probes.push({ id, answeredAt: undefined, outcome, settledAt: this.time(now) })
      this.due(now)
    }
    return { generation, isProbe: true, settle: (outcome) => this.awake(() => settle(outcome)) }
  }

  private due(at: number): void {
    if (at >= this.dueAt) return
    this.dueAt = at
    this.fleet.world.at(at, () => {
      if (this.dueAt === at) this.awake(() => this.report())
    })
  }

  private report(): void {
    if (this.isReporting) return
    this.isReporting = true
    this.dueAt = Infinity
    const { world } = this.fleet
    world.at(world.now + this.fleet.way(), () => this.awake(() => this.tell()))
  }

  private tell(): void {
    const { fleet: { world }, happened, probes, orders, asks, running, looks } = this
    this.happened = []
    this.probes = []
    this.orders = []
    this.asks = new Map()
    this.looks = false
    const tellAt = world.now
    const [out, fleet] = this.fleet.apply(this, {
      member: this.name,
      shift: this.shift,
      running,
      happened,
      looks,
      probes,
      orders,
      asks: [...asks.keys()]
    })
    const { options: { pace: { every, forgetAfter } }, reports: version } = this.fleet
    const answered = () => {
      this.isReporting = false
      this.reportedAt = tellAt
      this.adopt(version, fleet)
      this.read(out, [...asks.values()], new Set([...running, ...happened]))
      if (out.againAt !== undefined) this.due(out.againAt)
      if (this.running.length > 0) this.due(tellAt + forgetAfter / 3)
      if (this.happened.length > 0) this.due(tellAt + every)
      if (this.dueAt <= world.now) this.report()
    }
    world.at(world.now + this.fleet.way(), () => this.awake(answered))
  }

  private read(out: Fleet.Outgoing, asks: ReadonlyArray<Answer>, told: ReadonlySet<Mutable<Fleet.Told>>): void {
    for (const call of told) call.place = out.places.get(call)
    const running = [...told].filter(({ place }) => place !== undefined)
    const answers: Array<() => void> = []
    out.answers.forEach((answer, i) => {
      const done = asks[i]!
      if (answer === undefined) answers.push(() => this.ask(done))
      else if (answer instanceof Circuit.Refusal) answers.push(() => done(answer))
      else if (out.admitted.has(answer)) {
        const call = this.call(answer.generation, answer.step, answer.startedAt)
        call.place = out.admitted.get(answer)
        running.push(call)
        answers.push(() => done(this.leave(call)))
      } else {
        const leave = answer.settled || answer.generation < 0 ? uncounted : this.probing(answer as Stored.Lease)
        answers.push(() => done(leave))
      }
    })
    this.running = running
    for (const answer of answers) answer()
  }
}

const uncounted: Leave = { generation: -1, isProbe: false, settle: () => undefined }
