/**
 * A provider with so many servers and a queue in front of them, that gets into the state its callers bring it into.
 *
 * Calls come in at the door, where some are turned away; wait until a server is free, first come first served; and are worked
 * on. A client may give up at any time, but the work for it goes on: this is how a herd keeps a provider down that could serve it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Outcome from "../Outcome.ts"
import type { Agenda, Due } from "./Agenda.ts"
import * as Fault from "./Fault.ts"
import type { Health } from "./Health.ts"
import { type Caller, Job, type Work, type Workplace } from "./Job.ts"
import type { Random } from "./Random.ts"
import * as Scenario from "./Scenario.ts"

/**
 * The provider of a scenario.
 *
 * @category models
 * @since 0.1.0
 */
export class ModelProvider implements Due, Workplace {
  readonly work: Work = {
    reached: 0,
    turnedAway: 0,
    started: 0,
    abandoned: 0,
    inputTokens: 0,
    outputTokens: 0,
    wastedInputTokens: 0,
    wastedOutputTokens: 0,
    busyFor: 0,
    waitedFor: 0
  }
  readonly health: Health
  readonly agenda: Agenda
  readonly scenario: Scenario.Scenario
  /** How many calls are worked on. */
  busy = 0
  /** For how long one is when all are. */
  private readonly busyTime: number
  private readonly waiting: Array<Job> = []
  private head = 0
  /** Those of the queue that nobody will work on. */
  private gone = 0
  private wake = 0

  constructor(scenario: Scenario.Scenario, agenda: Agenda, health: Health) {
    this.scenario = scenario
    this.agenda = agenda
    this.health = health
    this.busyTime = Scenario.serviceTime(scenario) * (1 + (scenario.provider.slowdown ?? 0))
    health.changed = (now) => this.changed(now)
    this.expect(0)
  }

  /** How many calls wait. */
  get queued(): number {
    return this.waiting.length - this.head - this.gone
  }

  /** How many servers there are now. */
  servers(now: number): number {
    const { servers = Infinity } = this.scenario.provider
    return servers === Infinity ? Infinity : Math.floor(servers * this.health.capacity(now) + 1e-9)
  }

  /** How many calls a second it can take now. */
  capacity(now: number): number {
    return this.servers(now) * 1000 / this.busyTime / (this.health.phase.latencyFactor ?? 1)
  }

  /** The share of `rate` calls a second that it could answer now. */
  good(rate: number, now: number): number {
    const capacity = this.capacity(now)
    return this.health.harmless * (rate > capacity ? capacity / rate : 1)
  }

  /** Makes a call, whose fate is known from here on: it may still be refused. */
  cast(caller: Caller, random: Random): Job {
    return new Job(this, caller, random, this.health.fault(random.next()))
  }

  /** Makes a call that asks for next to nothing: it has the fate of the others, and takes a server for a moment only. */
  check(caller: Caller, random: Random): Job {
    return new Job(this, caller, random, this.health.fault(random.next()), true)
  }

  enter(job: Job, now: number): void {
    const { fault } = job
    this.work.reached++
    if (fault !== undefined && Fault.isAtDoor(fault)) return job.turnAway(this.answerOf(fault), fault.after ?? 50, now)
    if (this.busy < this.servers(now)) return this.start(job, now)
    if (this.queued >= this.places(now)) {
      return job.turnAway(full, this.scenario.provider.turnedAway ?? 100, now)
    }
    this.waiting.push(job)
    job.wait(now)
  }

  /** How many may wait: they wait at the servers, and where half of those are gone, so are half of the places. */
  private places(now: number): number {
    const { queue = Infinity, servers } = this.scenario.provider
    return servers === undefined || queue === Infinity ? queue : Math.ceil(queue * this.servers(now) / servers)
  }

  release(now: number): void {
    this.busy--
    this.fill(now)
  }

  leaveQueue(): void {
    this.gone++
  }

  /** More servers have come. */
  due(now: number, version: number): void {
    if (version !== this.wake) return
    this.fill(now)
    this.expect(now)
  }

  private changed(now: number): void {
    this.wake++
    this.fill(now)
    this.expect(now)
  }

  /** Looks ahead to the next server of a capacity that grows. */
  private expect(now: number): void {
    const { servers } = this.scenario.provider
    if (servers === undefined) return
    const at = this.health.capacityAt(this.servers(now) + 1, servers)
    // A nanosecond later it is there, however the agenda rounds.
    if (at < Infinity) this.agenda.add(at + 1e-6, this, this.wake)
  }

  private fill(now: number): void {
    while (this.head < this.waiting.length && this.busy < this.servers(now)) {
      const job = this.waiting[this.head++]!
      if (job.isGone) this.gone--
      else this.start(job, now)
    }
    if (this.head > 1024 && this.head * 2 > this.waiting.length) this.head -= this.waiting.splice(0, this.head).length
  }

  private start(job: Job, now: number): void {
    this.busy++
    this.work.started++
    const { servers, slowdown = 0 } = this.scenario.provider
    const crowd = servers === undefined ? 0 : slowdown * this.busy / servers
    job.start((this.health.phase.latencyFactor ?? 1) * (1 + crowd), now)
  }

  private answerOf(fault: Fault.Fault & { readonly _tag: "Reset" | "Overloaded" | "RateLimited" | "QuotaSpent" }) {
    if (fault._tag === "Reset") return reset
    if (fault._tag === "Overloaded") return overloaded
    const { retryAfter } = fault
    const wait = retryAfter === "phase" ? Math.max(this.health.until - this.agenda.now, 0) : retryAfter
    const pause = wait === undefined ? undefined : Duration.millis(wait)
    return fault._tag === "RateLimited"
      ? { _tag: "Throttled", kind: "rate limited", retryAfter: pause } as const
      : { _tag: "Trip", kind: "quota spent", openFor: pause } as const
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const reset = Outcome.failure({ kind: "connection reset" })
const overloaded = Outcome.failure({ kind: "overloaded" })
const full = Outcome.failure({ kind: "overloaded", message: "There is no place in the queue." })
