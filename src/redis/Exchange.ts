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
import * as Circuit from "../Circuit.ts"
import * as Move from "../Move.ts"
import * as Outcome from "../Outcome.ts"
import type { Permit } from "../State.ts"
import { type Courier, monotonic } from "./Courier.ts"
import * as Fleet from "./Fleet.ts"
import type { FleetEvidence, Place } from "./FleetEvidence.ts"
import { fleetOf, foundBy, isUntouched, type Known, partsOf, type Party, reconciled, stateOf } from "./Known.ts"
import { due, type Order, Orders } from "./Orders.ts"
import type { SharedCall } from "./SharedCall.ts"
import { type Kept, StoreError } from "./Store.ts"
import * as Stored from "./Stored.ts"

/** What a fleet answered an ask: leave, with the place of a call on a ramp; a refusal; or that the process may decide. */
export type Answer = { readonly permit: Permit; readonly place: Place | undefined } | Circuit.Refusal | undefined

/** One who waits for an answer. `shift` makes a time of the fleet one of the process. */
export interface Ask {
  readonly id: string
  readonly resume: (answer: Answer, shift: number) => void
}

/** What is told at once. */
interface Telling {
  readonly happened: ReadonlyArray<SharedCall>
  readonly probes: ReadonlyArray<Fleet.Probe>
  readonly asks: ReadonlyArray<Ask>
  readonly orders: ReadonlyArray<Order>
  readonly looks: boolean
}

export class Exchange {
  known: Known | undefined = undefined
  happened: Array<SharedCall> = []
  probes: Array<Fleet.Probe> = []
  asks: Array<Ask> = []
  looks = false
  readonly orders: Orders
  /** The probes that this process has leave for, and has yet to tell of. */
  readonly held = new Map<string, SharedCall | undefined>()
  /** Redis was gone: what is known may not be what is kept any more. */
  isStale = false
  /** When the last exchange was over, by the monotonic clock. */
  doneAt = -Infinity
  private running: Array<SharedCall> = []
  private readonly carry: Array<number> = []
  /** Those of its probes that it has told the end of, while the fleet still counts them as running. */
  private over = new Set<string>()
  private isBusy = false
  private asking: ReadonlyArray<Ask> = []
  private unheard: Kept | undefined = undefined
  private readonly party: Party
  private readonly courier: Courier
  private readonly pace: Fleet.Pace
  private readonly keepFor: number

  constructor(party: Party, courier: Courier, pace: Fleet.Pace, keepFor: number) {
    this.party = party
    this.courier = courier
    this.orders = new Orders(courier.member)
    this.pace = pace
    this.keepFor = keepFor
  }

  /** Whether somebody waits for the next exchange. */
  get isAwaited(): boolean {
    return this.asks.length > 0 || this.orders.waiting.length > 0 || this.probes.length > 0
  }

  /** Whether nothing of this process would be lost to the fleet. */
  get isIdle(): boolean {
    return !this.isBusy && !this.isAwaited && this.happened.length === 0 && this.running.length === 0
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

  /** The windows of the fleet, as they were last known. */
  tally(now: number): ReturnType<FleetEvidence["tally"]> | undefined {
    return this.known?.fleet?.circuit.cell.current.evidence?.tally(now)
  }

  /** Forgets what cannot be told any more: Redis is gone. */
  forget(): void {
    untold(this.happened)
    untold(this.running)
    this.happened = []
    this.running = []
    this.looks = false
  }

  /** Somebody wrote: what is known is not the last any more. */
  hear(news: Kept, now: number): void {
    const { known } = this
    const { count, epoch } = partsOf(news.version)
    if (known !== undefined && known.epoch === epoch && known.count >= count) {
      // It comes late, or from a Redis that has lost what is known.
      this.isStale ||= news.version !== known.version && foundBy(this.party, news, now).since > known.since
      return
    }
    // While an exchange is under way it may bring the same, or what is older: that is seen when it is over.
    if (this.isBusy || known === undefined) this.unheard = news
    else this.learn(this.reconciled(news, now), now)
  }

  /** Whether an exchange is under way: whoever waits for the next one is seen when it is over. */
  get isUnderWay(): boolean {
    return this.isBusy
  }

  /** Tells and learns. Gives when to do so again, whatever happens until then. */
  get run(): Effect.Effect<number | undefined, StoreError> {
    return Effect.suspend(() => {
      this.isBusy = true
      return this.exchange.pipe(
        Effect.catchDefect((defect) => defect instanceof StoreError ? Effect.fail(defect) : Effect.die(defect)),
        Effect.ensuring(Effect.sync(() => {
          this.isBusy = false
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
      const isNew = this.known === undefined
      if (isNew || (this.isStale && this.orders.waiting.length === 0)) {
        const found = yield* store.read(this.party.name)
        this.learn(this.reconciled(found, now()), now())
        this.isStale = false
        if (this.party.circuit.cell.current._tag === "Closed") {
          for (const { resume } of this.asks) resume(undefined, 0)
          this.asks = []
        }
      } else if (!this.hasNews) yield* this.refresh(now)
      this.doneAt = monotonic(clock)
      if (!this.hasNews) return undefined
      const told: Telling = {
        happened: this.happened,
        probes: this.probes,
        asks: this.asks,
        orders: this.orders.take(),
        looks: this.looks
      }
      this.happened = []
      this.probes = []
      this.asking = this.asks
      this.asks = []
      this.looks = false
      return yield* Effect.onExit(this.tell(told, now, clock), ({ _tag }) =>
        Effect.sync(() => {
          this.asking = []
          this.orders.taken(_tag === "Success")
          if (_tag === "Success") return
          untold(told.happened)
          // What waits is told when Redis is back; what happened to calls is too old by then.
          this.probes.unshift(...told.probes)
          this.asks.unshift(...told.asks)
        }))
    })
  }

  // Whether there is anything to tell, or to find out.
  private get hasNews(): boolean {
    const { known } = this
    return this.isAwaited || this.looks || this.happened.length + this.running.length > 0 ||
      known?.fleet?.suspectedAt !== undefined || (known?.isOwn === true && !isUntouched(this.party))
  }

  private tell(told: Telling, now: () => number, clock: Clock.Clock): Effect.Effect<number | undefined, StoreError> {
    return Effect.gen({ self: this }, function*() {
      const { member, store } = this.courier
      const { name } = this.party
      let known = this.known!
      for (let attempt = 0; attempt < attempts; attempt++) {
        const at = now()
        const shift = this.shiftOf(at, clock)
        const fleet = fleetOf(this.party, known, at)
        const out = Fleet.apply(fleet, {
          member,
          now: at,
          shift,
          running: known.epoch === this.known!.epoch ? this.running : [],
          happened: told.happened,
          probes: told.probes,
          looks: told.looks,
          orders: due(fleet, told.orders, monotonic(clock)),
          asks: told.asks.map(({ id }) => id),
          carry: this.carry
        }, this.pace)
        const next: Kept = { version: `${known.count + 1}.${member}.${known.epoch}`, text: Stored.write(fleet) }
        const isNews = out.isNews || known.isOwn
        const found = yield* store.swap(name, known.version, next, {
          livesFor: this.livesFor(fleet, at),
          isNews,
          now: at
        })
        if (found !== undefined) {
          known = this.reconciled(found, now())
          continue
        }
        this.running = [...out.places].map(([call, place]) => Object.assign(call as SharedCall, { place }))
        for (const { id, outcome } of told.probes) if (outcome !== undefined && this.held.delete(id)) this.over.add(id)
        this.learn({ ...next, ...partsOf(next.version), ...stateOf(fleet), isOwn: false, fleet }, now())
        this.isStale = false
        told.asks.forEach(({ resume }, i) => {
          const permit = out.answers[i]
          resume(
            permit === undefined || permit instanceof Circuit.Refusal
              ? permit
              : { permit, place: out.admitted.get(permit) },
            -shift
          )
        })
        for (const { resume } of told.orders) resume()
        this.doneAt = monotonic(clock)
        return out.againAt === undefined ? undefined : out.againAt - (store.shift ?? 0)
      }
      return yield* new StoreError({ message: `Redis: ${attempts} others wrote while this process tried to` })
    })
  }

  // How long Redis keeps it: for ever where it is shut without an end.
  private livesFor({ circuit }: Stored.Fleet, now: number): number {
    const rest = Move.rest(circuit, now)
    const lease = circuit.cell.current._tag === "HalfOpen" ? circuit.rules.lease : 0
    return rest === Infinity ? 0 : rest + circuit.lastOpenFor + Math.max(this.keepFor, lease)
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

  // Asks whether somebody wrote, with nothing to tell.
  private refresh(now: () => number): Effect.Effect<void, StoreError> {
    return Effect.map(this.courier.store.read(this.party.name), (found) => {
      if (found.version !== this.known?.version) this.learn(this.reconciled(found, now()), now())
    })
  }

  private reconciled(found: Kept, now: number): Known {
    const shift = (this.courier.store.shift ?? 0) - this.party.origin
    return reconciled(this.party, this.known, found, shift, now)
  }

  private learn(known: Known, now: number): void {
    if (this.known !== undefined && this.known.epoch !== known.epoch) {
      untold(this.running)
      this.running = []
    }
    this.known = known
    const fleet = fleetOf(this.party, known, now)
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
      if (!id.startsWith(`${this.courier.member}:`) || this.asking.some((ask) => ask.id === id)) continue
      // Past its lease a probe has failed, whatever it says: it stays until somebody asks.
      if (over.has(id)) this.over.add(id)
      else if (!this.held.has(id)) {
        this.held.set(id, undefined)
        this.ignored(id, now)
      }
    }
  }

  private shiftOf(at: number, clock: Clock.Clock): number {
    return at - monotonic(clock) - this.party.origin
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const attempts = 32

// Nobody knows of these calls any more: that they come home is nobody's business either.
const untold = (calls: ReadonlyArray<SharedCall>): void => {
  for (const call of calls) call.isTold = false
}
