/**
 * Who calls the provider: calls that arrive by the clock, go through a guard, give up, try again, and end.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as Outcome from "../Outcome.ts"
import type { Agenda, Due } from "./Agenda.ts"
import * as Fault from "./Fault.ts"
import * as Guard from "./Guard.ts"
import type { Caller, Job } from "./Job.ts"
import type { End, Ledger } from "./Ledger.ts"
import type { ModelProvider } from "./ModelProvider.ts"
import type { Random } from "./Random.ts"
import * as Scenario from "./Scenario.ts"
import type { Recorder } from "./Timeline.ts"

/**
 * The clients of a scenario.
 *
 * @category models
 * @since 0.1.0
 */
export class Clients implements Due {
  /** @internal */
  readonly scenario: Scenario.Scenario
  /** @internal */
  readonly agenda: Agenda
  /** @internal */
  readonly provider: ModelProvider
  /** @internal */
  readonly ledger: Ledger
  /** @internal */
  readonly timeline: Recorder
  private readonly random: Random
  private readonly chance: Random
  private readonly desks: ReadonlyArray<Desk>
  private arrived = 0
  /** Calls that have arrived and not ended. */
  open = 0

  constructor(
    scenario: Scenario.Scenario,
    guards: ReadonlyArray<Guard.Guard>,
    provider: ModelProvider,
    ledger: Ledger,
    timeline: Recorder,
    random: Random
  ) {
    this.scenario = scenario
    this.agenda = provider.agenda
    this.provider = provider
    this.ledger = ledger
    this.timeline = timeline
    this.random = random.fork("arrivals")
    this.chance = random.fork("calls")
    const { count = 1 } = scenario.clients
    this.desks = Array.from({ length: count }, (_, i) => new Desk(guards[i % guards.length]!))
    this.expect(0)
  }

  due(now: number, version: number): void {
    if (version === ARRIVAL) this.arrive(now)
    this.expect(now)
  }

  private arrive(now: number): void {
    const { arrivals, concurrency } = this.scenario.clients
    const { desks } = this
    const number = this.arrived++
    const turn = arrivals === "even" ? number % desks.length : Math.floor(this.random.next() * desks.length)
    const desk = desks[turn]!
    const call = new Call(this, desk, now, this.chance.fork(number))
    this.ledger.arrived(now)
    this.open++
    const { limit = Infinity, queue = Infinity } = concurrency ?? {}
    if (desk.running < limit) {
      desk.running++
      call.attempt(now)
    } else if (desk.waiting.length < queue) desk.waiting.push(call)
    else call.end("dropped", now)
  }

  /** Plans the next arrival, or the next change of the rate: what is drawn beyond it is drawn anew from there on. */
  private expect(now: number): void {
    const { clients: { arrivals, rate }, duration } = this.scenario
    const current = Scenario.rateAt(this.scenario, now)
    const change = typeof rate === "number" ? Infinity : rate.find(({ at }) => at > now)?.at ?? Infinity
    const next = current > 0
      ? now + 1000 / current * (arrivals === "even" ? 1 : this.random.exponential())
      : Infinity
    const at = Math.min(next, change)
    if (at < duration) this.agenda.add(at, this, next < change ? ARRIVAL : CHANGE)
  }
}

/**
 * A call that a user made, through all its attempts.
 *
 * @category models
 * @since 0.1.0
 */
class Call implements Caller, Due {
  private readonly clients: Clients
  private readonly desk: Desk
  private readonly arrivedAt: number
  private readonly random: Random
  private attempts = 0
  private pass: Guard.Pass | undefined

  constructor(clients: Clients, desk: Desk, arrivedAt: number, random: Random) {
    this.clients = clients
    this.desk = desk
    this.arrivedAt = arrivedAt
    this.random = random
    this.pass = undefined
  }

  attempt(now: number): void {
    const { clients: { ledger, provider, timeline }, desk: { guard } } = this
    this.attempts++
    // Each attempt has chances of its own, however many the one before has drawn.
    const job = provider.cast(this, this.random.fork(this.attempts))
    ledger.ask(now)
    timeline.asked(now)
    const answer = guard.ask(now)
    if (answer instanceof Guard.Later) {
      ledger.totals.undecided++
      answer.listen((decided) => {
        ledger.totals.undecided--
        this.decided(decided, job, this.clients.agenda.now)
      })
    } else this.decided(answer, job, now)
  }

  due(now: number): void {
    this.attempt(now)
  }

  content(now: number): void {
    this.pass!.answer(now)
  }

  ended(outcome: Outcome.Outcome, now: number): void {
    const { clients: { ledger, timeline }, pass } = this
    this.pass = undefined
    ledger.totals.settled++
    timeline.settled(now, outcome, pass!.probe === true)
    pass!.settle(outcome, now)
    if (outcome._tag === "Success") return this.end("served", now)
    const hint = outcome._tag === "Throttled" && outcome.retryAfter !== undefined
      ? Duration.toMillis(outcome.retryAfter)
      : 0
    const worthwhile = outcome._tag === "Failure" || (outcome._tag === "Throttled" && hint <= LONGEST_WAIT)
    if (!worthwhile || !this.again(hint, now)) this.end("failed", now)
  }

  end(end: End, now: number): void {
    const { clients, desk } = this
    clients.open--
    clients.ledger.ended(this.arrivedAt, end, now)
    if (end === "dropped") return
    const next = desk.waiting.shift()
    if (next === undefined) desk.running--
    // Not here and now: where one after the other is refused there would be no end of it.
    else clients.agenda.add(now, next)
  }

  private decided(answer: Guard.Pass | Guard.Refusal, job: Job, now: number): void {
    const { clients: { ledger, provider, scenario: { clients: { retry } }, timeline } } = this
    if (Guard.isRefusal(answer)) {
      ledger.totals.turnedBack++
      // What would have become of it in a queue, nobody knows.
      const free = provider.busy < provider.servers(now)
      timeline.refused(now, !Fault.isHarmless(job.fault) ? "failed" : free ? "succeeded" : "unknown")
      const worthwhile = retry?.refusals === true && answer.retryAfter <= (retry.most ?? LONGEST_PAUSE)
      if (!worthwhile || !this.again(answer.retryAfter, now)) this.end("refused", now)
      return
    }
    this.pass = answer
    ledger.admit(now)
    job.begin(now)
  }

  private again(hint: number, now: number): boolean {
    const { clients: { agenda, scenario: { clients: { retry } } }, random } = this
    if (retry === undefined || this.attempts >= retry.attempts) return false
    const { delay, factor = 2, jitter = 0, most = LONGEST_PAUSE } = retry
    let pause = delay
    for (let i = 1; i < this.attempts && pause < most; i++) pause *= factor
    pause = Math.min(pause, most) * (1 - jitter * random.next())
    agenda.add(now + Math.max(pause, Math.min(hint, LONGEST_WAIT)), this)
    return true
  }
}

/** One client: its guard, and the calls that wait for it. */
class Desk {
  readonly guard: Guard.Guard
  readonly waiting: Array<Call> = []
  running = 0
  constructor(guard: Guard.Guard) {
    this.guard = guard
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const ARRIVAL = 0
const CHANGE = 1

/** Between two attempts, unless the scenario says otherwise. */
const LONGEST_PAUSE = 8000
/** Nobody waits longer for what a provider asks to wait. */
const LONGEST_WAIT = 60_000
