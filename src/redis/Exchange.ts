/**
 * How one circuit of a process and the fleet's come to agree: what happened here is told, what happened there is learnt.
 *
 * An exchange reads what is kept, applies the report to it, and writes it where nobody wrote in between; otherwise it does
 * so again with what they wrote. One exchange of a circuit is under way at a time: what happens meanwhile waits for the next.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Circuit from "../Circuit.ts"
import * as Outcome from "../Outcome.ts"
import { answer, Asks } from "./Asks.ts"
import type { Courier } from "./Courier.ts"
import * as Fleet from "./Fleet.ts"
import type { FleetEvidence } from "./FleetEvidence.ts"
import * as Hindsight from "./Hindsight.ts"
import { isWritten, Knowledge, type Known, livesOn, partsOf, type Party, stateOf } from "./Knowledge.ts"
import { Log, untold } from "./Log.ts"
import { due, type Order, Orders } from "./Orders.ts"
import type { SharedCall } from "./SharedCall.ts"
import { type Kept, monotonic, StoreError } from "./Store.ts"
import * as Stored from "./Stored.ts"

/** What an exchange tells of. */
interface Report extends Pick<Exchange, "happened" | "probes" | "looks"> {
  readonly orders: ReadonlyArray<Order>
}

export class Exchange {
  known: Known | undefined = undefined
  happened = new Log<SharedCall>()
  probes: Array<Fleet.Probe> = []
  readonly asks = new Asks()
  looks = false
  /** The next report is the last one. */
  private leaves = false
  /** Others may wait for what this process has to say. */
  private isMember = false
  readonly orders: Orders
  /** The probes that this process has leave for, and has yet to tell of. */
  readonly held = new Map<string, SharedCall | undefined>()
  /** Redis was gone: what is known may not be what is kept any more. */
  isStale = false
  /** When the last exchange was over, by the monotonic clock. */
  doneAt = -Infinity
  private againAt = -Infinity
  private running: Array<SharedCall> = []
  /** What the last report told, as long as nothing is known of its answer. */
  private unanswered: Log<SharedCall> | undefined = undefined
  /** Those of its probes that it has told the end of, while the fleet still counts them as running. */
  private over = new Set<string>()
  /** Whoever waits for the next exchange is seen when this one is over. */
  isUnderWay = false
  private unheard: Kept | undefined = undefined
  private readonly party: Party
  private readonly courier: Courier
  private readonly pace: Fleet.Pace
  private readonly keepFor: number
  private readonly knowledge: Knowledge

  constructor(party: Party, courier: Courier, pace: Fleet.Pace, keepFor: number) {
    this.party = party
    this.courier = courier
    this.pace = pace
    this.keepFor = keepFor
    this.knowledge = new Knowledge(party, courier.store)
    this.orders = new Orders(courier.member)
  }

  /** Whether somebody waits for the next exchange: those who know less than this process does, since Redis lost it. */
  get isAwaited(): boolean {
    return this.asks.length > 0 || this.orders.waiting.length > 0 || this.probes.length > 0 ||
      this.known?.isLater === true
  }

  /** From now on each report may be the last one. Tells whether there is one to be made. */
  leave(now: number): boolean {
    this.leaves = true
    const isMissed = this.isMember && (this.hasCalls || now - this.doneAt <= 2 * this.pace.every)
    return this.isAwaited || this.happened.length > 0 || isMissed
  }

  /** Whether nothing of this process would be lost to the fleet. */
  get isIdle(): boolean {
    return !this.isUnderWay && !this.isAwaited && this.happened.length === 0 && this.running.length === 0
  }

  /** How many processes tell of the circuit, as far as that is known. */
  get members(): number {
    return Math.max(this.known?.fleet?.members.size ?? 1, 1)
  }

  /** Whether calls run that the fleet knows of. */
  get hasCalls(): boolean {
    return this.running.length > 0
  }

  /** Whether a verdict waits for the report of this process. */
  get isAsked(): boolean {
    const { members, suspectedAt } = this.known?.fleet ?? {}
    return suspectedAt !== undefined && !((members?.get(this.courier.member)?.heardAt ?? -Infinity) >= suspectedAt)
  }

  /** Until when a verdict waits for others: what this process adds comes after what it is about. */
  get quietUntil(): number {
    return this.known?.fleet?.suspectedAt === undefined || this.isAsked ? -Infinity : this.againAt
  }

  /** The windows of the fleet, as they were last known. */
  tally(now: number): ReturnType<FleetEvidence["tally"]> | undefined {
    return this.known?.fleet?.circuit.cell.current.evidence?.tally(now)
  }

  /** Forgets what cannot be told any more: Redis is gone. */
  forget(): void {
    this.happened.forget()
    untold(this.running)
    this.happened = new Log()
    this.unanswered = undefined
    this.running = []
    this.looks = false
  }

  /**
   * The circuit of the fleet as it would have opened by what is not known to have been told, with nobody else there; `undefined`
   * where it would not have, or has moved on here.
   */
  get hindsight(): Circuit.Circuit | undefined {
    const { courier: { clock, member, store }, known, party: { circuit }, unanswered } = this
    if (known === undefined || known.generation !== circuit.cell.current.generation) return undefined
    const untold = new Log<SharedCall>()
    const { entries: happened, well } = (unanswered === undefined ? untold : untold.followedBy(unanswered))
      .followedBy(this.happened)
    if (happened.length === 0) return undefined
    const now = monotonic(clock) + (store.shift ?? 0)
    const { fleet } = this.knowledge.foundBy(known, now)
    const shift = this.shiftOf(now, clock)
    return Hindsight.opened(fleet!, { member, now, shift, running: this.running, happened, well }, this.pace)
  }

  /** Somebody wrote: what is known is not the last any more. */
  hear(news: Kept, now: number): void {
    const { known } = this
    const { count, epoch } = partsOf(news.version)
    if (known !== undefined && known.epoch === epoch && known.count >= count) {
      // It comes late, or from a Redis that has lost what is known.
      this.isStale ||= news.version !== known.version && this.knowledge.foundBy(news, now).since > known.since
      return
    }
    // While an exchange is under way it may bring the same, or what is older: that is seen when it is over.
    if (this.isUnderWay || known === undefined) this.unheard = news
    else this.learn(this.knowledge.reconciled(this.known, news, now), now)
  }

  /** Tells and learns. Gives when to do so again, whatever happens until then. */
  get run(): Effect.Effect<number | undefined, StoreError> {
    return Effect.suspend(() => {
      this.isUnderWay = true
      return this.exchange.pipe(
        Effect.catchDefect((defect) => defect instanceof StoreError ? Effect.fail(defect) : Effect.die(defect)),
        Effect.ensuring(Effect.sync(() => {
          this.isUnderWay = false
        })),
        Effect.tap(() => this.caughtUp)
      )
    })
  }

  private get caughtUp(): Effect.Effect<void, StoreError> {
    return Effect.clockWith((clock) =>
      Effect.try({
        try: () => {
          const { unheard } = this
          this.unheard = undefined
          if (unheard !== undefined) this.hear(unheard, monotonic(clock) + (this.courier.store.shift ?? 0))
        },
        catch: (error) => error as StoreError
      })
    )
  }

  private get exchange(): Effect.Effect<number | undefined, StoreError> {
    return Effect.gen({ self: this }, function*() {
      const { store } = this.courier
      const clock = yield* Clock.Clock
      const now = () => monotonic(clock) + (store.shift ?? 0)
      // The first look only reads: most programs that start find a circuit that is closed, and leave it as it is. So does
      // the first one after Redis was gone, unless an operator ordered otherwise meanwhile.
      if (this.known === undefined || (this.isStale && this.orders.waiting.length === 0)) {
        const found = yield* store.read(this.party.name)
        this.learn(this.knowledge.reconciled(this.known, found, now()), now())
        this.isStale = false
        if (this.party.circuit.cell.current._tag === "Closed") this.asks.decideHere()
      } else if (!this.hasNews || (this.happened.length > long && this.members > 1)) {
        // A long report is not applied in vain: where others tell too, something has changed.
        yield* this.refresh(now)
      }
      this.doneAt = monotonic(clock)
      if (!this.hasNews) return undefined
      const told: Report = {
        happened: this.happened,
        probes: this.probes,
        orders: this.orders.take(),
        looks: this.looks
      }
      this.unanswered = this.happened
      this.happened = new Log()
      this.probes = []
      this.asks.take()
      this.looks = false
      return yield* this.tell(told, now, clock).pipe(
        Effect.onError(() =>
          Effect.sync(() => {
            // What waits is told when Redis is back; what happened to calls is too old by then.
            told.happened.forget()
            this.takeBack(told)
          })
        ),
        Effect.ensuring(Effect.sync(() => {
          this.asks.taken(true)
        }))
      )
    })
  }

  // Whether there is anything to tell, or to find out.
  private get hasNews(): boolean {
    const { known } = this
    return this.isAwaited || this.looks || this.leaves || this.happened.length + this.running.length > 0 ||
      known?.fleet?.suspectedAt !== undefined
  }

  private takeBack({ probes }: Report): void {
    this.probes.unshift(...probes)
    this.asks.taken(false)
    this.orders.taken(false)
  }

  private tell(
    told: Report,
    now: () => number,
    clock: Clock.Clock
  ): Effect.Effect<number | undefined, StoreError> {
    return Effect.gen({ self: this }, function*() {
      const { member, store } = this.courier
      const { name } = this.party
      let known = this.known!
      for (let attempt = 0; attempt < attempts; attempt++) {
        const at = now()
        const shift = this.shiftOf(at, clock)
        const fleet = this.knowledge.fleetOf(known, at)
        const { asking } = this.asks
        const out = Fleet.apply(fleet, {
          member,
          now: at,
          shift,
          running: known.epoch === this.known!.epoch ? this.running : [],
          happened: told.happened.entries,
          well: told.happened.well,
          probes: told.probes,
          looks: told.looks,
          leaves: this.leaves,
          orders: due(fleet, told.orders, monotonic(clock)),
          asks: asking.map(({ id }) => id)
        }, this.pace)
        // Whoever is refused changes nothing: of a crowd that asks, only those who are given leave have to write. And what
        // came of calls is nothing to a circuit that gathers nothing: they are of a period that is over.
        const isSame = isWritten(known) && !out.isNews && fleet.circuit.cell.current.evidence === undefined
        if (isSame && told.probes.length + told.orders.length === 0) {
          this.unanswered = undefined
          this.isMember &&= !this.leaves
          this.learn({ ...known, fleet: undefined }, now())
          this.running = []
          answer(asking, out, -shift)
          this.doneAt = monotonic(clock)
          return undefined
        }
        const next: Kept = { version: `${known.count + 1}.${member}.${known.epoch}`, text: Stored.write(fleet) }
        const isNews = out.isNews || known.isLater
        const livesFor = livesOn(fleet, at, this.keepFor)
        const found = yield* store.swap(name, known.version, next, { livesFor, isNews, now: at })
        if (found !== undefined) {
          known = this.knowledge.reconciled(this.known, found, now())
          // What they wrote may refuse the calls that come until this is told.
          if (isWritten(known) && told.orders.length === 0) this.learn(known, now())
          continue
        }
        for (const { id, outcome } of told.probes) if (outcome !== undefined && this.held.delete(id)) this.over.add(id)
        this.orders.taken(true)
        this.unanswered = undefined
        this.isMember = !this.leaves
        this.isStale = false
        this.learn({ ...next, ...partsOf(next.version), ...stateOf(fleet), isLater: false, fleet }, now())
        // After that: they are of this history, whatever was known before.
        this.running = [...out.places].map(([call, place]) => Object.assign(call as SharedCall, { place }))
        answer(asking, out, -shift)
        for (const { resume } of told.orders) resume()
        this.doneAt = monotonic(clock)
        this.againAt = out.againAt === undefined ? -Infinity : out.againAt - (store.shift ?? 0)
        return out.againAt === undefined ? undefined : this.againAt
      }
      // Others were quicker each time: it is told with what has happened since.
      this.takeBack(told)
      this.unanswered = undefined
      this.happened = told.happened.followedBy(this.happened)
      this.looks ||= told.looks
      return monotonic(clock)
    })
  }

  /** What is known holds, whatever the process made of it. */
  showAgain(): void {
    if (this.known !== undefined) {
      this.learn(this.known, monotonic(this.courier.clock) + (this.courier.store.shift ?? 0))
    }
  }

  /** A call was given leave by the fleet: from now on it is told of as one that runs. */
  track(call: SharedCall): void {
    this.running.push(call)
  }

  // Asks whether somebody wrote.
  private refresh(now: () => number): Effect.Effect<void, StoreError> {
    return Effect.map(this.courier.store.read(this.party.name), (found) => {
      if (found.version !== this.known?.version) this.learn(this.knowledge.reconciled(this.known, found, now()), now())
    })
  }

  private learn(known: Known, now: number): void {
    if (this.known !== undefined && this.known.epoch !== known.epoch) {
      untold(this.running)
      this.running = []
    }
    this.known = known
    const fleet = this.knowledge.fleetOf(known, now)
    known.fleet = fleet
    const shift = this.party.origin - (this.courier.store.shift ?? 0)
    this.party.show(fleet.circuit, shift, now + shift)
    this.giveBack(fleet.circuit, now + shift)
  }

  /** Nobody will tell of the probes that still run. */
  giveUp(now: number): void {
    const told = new Set(this.probes.flatMap(({ id, outcome }) => outcome === undefined ? [] : [id]))
    for (const id of this.held.keys()) if (!told.has(id)) this.ignored(id, now)
  }

  private ignored(id: string, settledAt: number): void {
    this.probes.push({ id, answeredAt: undefined, outcome: Outcome.ignored, settledAt })
  }

  // Leave that was given to this process and reached nobody: the answer was lost, or whoever asked had gone.
  private giveBack({ cell: { current } }: Circuit.Circuit, now: number): void {
    const { over } = this
    this.over = new Set()
    if (current._tag !== "HalfOpen" || current.stage !== "Probing") return
    for (const one of current.running) {
      const { id } = one as Stored.Lease
      if (!id.startsWith(`${this.courier.member}:`) || this.asks.isUnderWay(id)) continue
      // Past its lease a probe has failed, whatever it says: it stays until somebody asks.
      if (over.has(id)) this.over.add(id)
      else this.unwanted(id, now)
    }
  }

  /** Leave for a probe that nobody waits for any more is given back. */
  unwanted(id: string, now: number): void {
    if (this.held.has(id)) return
    this.held.set(id, undefined)
    this.ignored(id, now)
  }

  private shiftOf(at: number, clock: Clock.Clock): number {
    return at - monotonic(clock) - this.party.origin
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const attempts = 32

/** So many entries make a report a long one. */
const long = 200
