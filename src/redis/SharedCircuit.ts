/**
 * A circuit that many processes share, as one of them sees it.
 *
 * While the fleet's circuit is closed, calls are decided here and cost Redis nothing: they are told of in batches. Where it
 * is half-open, leave is asked of the fleet. Where Redis is gone, it is an ordinary circuit that goes on with what it knew.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Breaker from "../Breaker.ts"
import * as Circuit from "../Circuit.ts"
import type * as Outcome from "../Outcome.ts"
import type * as Registry from "../Registry.ts"
import type { Settings } from "../Settings.ts"
import { OBSERVED } from "../State.ts"
import type { Courier, Sender } from "./Courier.ts"
import { Exchange } from "./Exchange.ts"
import { Leave, withoutStore } from "./Leave.ts"
import { orphan, type Owner, reflect, show } from "./Mirror.ts"
import { ordered } from "./Orders.ts"
import { inTime, type Worrier } from "./Patience.ts"
import { comeHome, type SharedCall, SharedGuarded } from "./SharedCall.ts"
import type { Sharing } from "./Sharing.ts"
import { monotonic, type News } from "./Store.ts"
import { Timetable } from "./Timetable.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>
type AnyEffect = Effect.Effect<unknown, unknown, unknown>

export class SharedCircuit extends Breaker.BreakerImpl implements Sender, Owner, Worrier {
  dueAt = Infinity
  readonly exchange: Exchange
  private readonly courier: Courier
  readonly sharing: Sharing
  private readonly leave: Leave
  /** Why this circuit alone cannot be shared. */
  private trouble: string | undefined = undefined
  /** Why this process goes on alone, and since when. */
  why: string | undefined = undefined
  aloneSince = 0
  era = 0
  private movedAlone = false
  /** The generation that this process is in before the fleet is, until that is told. */
  private ahead = -1
  private readonly timetable = new Timetable(this)
  /** It goes on alone after its scope, and nobody has called since. */
  private isLeftOver = false
  /** Calls went badly since the last report began. */
  private isWorried = false

  constructor(
    name: string,
    settings: Settings,
    group: Registry.Group,
    fiber: AnyFiber,
    rules: Circuit.Rules,
    courier: Courier,
    sharing: Sharing
  ) {
    super(name, settings, group, fiber, rules)
    const { origin } = this
    this.courier = courier
    this.sharing = sharing
    const ordered = () => this.exchange.orders.here
    const party = { name, circuit: this, mode: settings.mode, origin, ordered, show: this.show.bind(this) }
    this.exchange = new Exchange(party, courier, sharing.pace, sharing.keepFor)
    this.leave = new Leave(this, courier.member)
    reflect(this, this)
    this.stand(courier.clock)
  }

  override notify(transition: Circuit.Transition): void {
    reflect(this, this)
    super.notify(transition)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Calls
  // -------------------------------------------------------------------------------------------------------------------

  get isAlone(): boolean {
    return this.why !== undefined
  }

  override guard(self: AnyEffect, classify = this.settings.classify): AnyEffect {
    return new SharedGuarded(this, self, classify) as never
  }

  asking(guarded: SharedGuarded): AnyEffect {
    const { classify, self } = guarded
    return this.leave.take(
      guarded,
      (call, restore) => Effect.onExit(restore(self), (exit) => call.settle(exit, classify) ?? Effect.void)
    )
  }

  override get admit(): Breaker.Breaker["admit"] {
    return Effect.suspend(() =>
      this.leave.take(
        new SharedGuarded(this, Effect.void, this.settings.classify),
        (call) => Effect.succeed(this.permitOf(call))
      )
    )
  }

  override ask(now: number, maker: Circuit.Maker): Circuit.Permit | Circuit.Refusal {
    // Settings that changed under way may have put other evidence in its place.
    reflect(this, this)
    const { generation } = this.cell.current
    if (this.isLeftOver) {
      this.isLeftOver = false
      this.emit({ _tag: "StoreLost", at: now, why: this.why! })
    }
    const call = super.ask(now, maker) as SharedCall | Circuit.Refusal
    const { isAlone } = this
    if (isAlone) this.movedAlone ||= this.cell.current.generation !== generation
    if (call instanceof Circuit.Refusal) return call
    if (this.era > 0) call.era = this.era
    if (!isAlone && !call.settled && call.generation !== OBSERVED) {
      const { exchange, exchange: { happened } } = this
      call.isTold = true
      exchange.looks = true
      happened.admitted(call)
      this.timetable.logged(happened.length, now - this.origin)
    }
    return call
  }

  override settle(permit: Circuit.Permit, outcome: Outcome.Outcome, readAt: number): void {
    const call = permit as SharedCall
    if (call.settled) return
    // A success in a circuit that makes nothing of the time comes without it.
    const now = readAt === 0 ? call.now() : readAt
    if (call.era !== this.era) call.generation = OBSERVED
    if (call.lease !== undefined) {
      this.exchange.probes.push({ id: call.lease, answeredAt: call.answeredAt, outcome, settledAt: now })
      this.due(0)
      if (!this.isAlone) {
        comeHome(this, call, outcome, now)
        this.meter?.probed(outcome._tag === "Success")
        return
      }
    }
    const { generation } = this.cell.current
    if (!call.isGiven) super.settle(call, outcome, now)
    else comeHome(this, call, outcome, now)
    const moved = this.cell.current.generation !== generation
    if (this.isAlone) this.movedAlone ||= moved
    else {
      // Opened by a `Trip`: here at once, and for all with the next report.
      if (moved) this.ahead = this.cell.current.generation
      if (call.isTold && call.era === this.era) this.told(call, outcome, now)
    }
  }

  override answer(permit: Circuit.Permit, now: number): void {
    const call = permit as SharedCall
    if (call.lease === undefined || this.isAlone) super.answer(call, now)
    if (call.lease === undefined) return
    if (call.settled || call.answeredAt !== undefined) return
    call.answeredAt = now
    this.exchange.probes.push({ id: call.lease, answeredAt: now, outcome: undefined, settledAt: now })
    this.due(0)
  }

  override isIdle(fiber: AnyFiber): boolean {
    return super.isIdle(fiber) && (this.isAlone ? !this.exchange.isAwaited : this.exchange.isIdle)
  }

  override get snapshot(): Breaker.Breaker["snapshot"] {
    return Effect.map(
      super.snapshot,
      (snapshot) => Object.assign(snapshot, { store: this.isAlone ? "lost" as const : "shared" as const })
    )
  }

  override get refusal(): Breaker.Breaker["refusal"] {
    return Effect.suspend(() =>
      this.isAlone && !this.decides && this.mode === "enforce"
        ? Effect.succeed(this.errorOf(withoutStore(this)))
        : super.refusal
    )
  }

  /** Whether a call needs nobody else: the circuit is known to be closed, or nobody is there to ask. */
  get decides(): boolean {
    if (this.isAlone) return this.sharing.onStoreError === "local" || this.mode === "off"
    return this.exchange.known !== undefined && (this.cell.current._tag === "Closed" || this.mode === "off")
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reports
  // -------------------------------------------------------------------------------------------------------------------

  private told(call: SharedCall, outcome: Outcome.Outcome, now: number): void {
    const { exchange: { happened }, origin, timetable } = this
    happened.cameHome(call, outcome, now)
    timetable.logged(happened.length, now - origin)
    if (timetable.cameHome(outcome, now)) this.worry()
  }

  private worry(): void {
    this.isWorried = true
    this.courier.vigil.add(this)
  }

  get isAtTheEnd(): boolean {
    return this.exchange.hindsight !== undefined
  }

  get bound(): number {
    return this.sharing.bound
  }

  urge(): void {
    this.due(0)
  }

  doubt(now: number): void {
    if (this.dueAt === Infinity) this.due(now - this.origin + this.sharing.poll)
  }

  inTime<A>(
    answer: Effect.Effect<A>,
    since: number,
    otherwise: (isLost: boolean) => Effect.Effect<A>
  ): Effect.Effect<A> {
    return inTime(this.courier, answer, since, () => otherwise(this.isAlone))
  }

  due(at: number): void {
    this.courier.urge(this, at)
  }

  get report(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { courier: { clock }, exchange, exchange: { quietUntil }, timetable } = this
      if (exchange.isUnderWay) timetable.soon()
      else if (quietUntil <= monotonic(clock) || exchange.isAwaited || timetable.isPressing) return this.exchanged
      else this.due(quietUntil)
      return Effect.void
    })
  }

  get farewell(): Effect.Effect<void> {
    return Effect.suspend(() => this.exchange.isUnderWay ? Effect.void : this.exchanged)
  }

  private get exchanged(): Effect.Effect<void> {
    const { ahead } = this
    this.timetable.begun()
    this.isWorried = false
    return this.exchange.run.pipe(
      Effect.flatMap((againAt) =>
        Effect.withFiberSucceed((fiber) => {
          const { every, poll } = this.sharing
          // The fleet was told, and had moved on already.
          if (ahead >= 0 && this.ahead === ahead) {
            this.ahead = -1
            this.exchange.showAgain()
          }
          this.troubled(undefined)
          if (!this.isWorried) this.courier.vigil.delete(this)
          const now = monotonic(fiber.getRef(Clock.Clock))
          this.timetable.over()
          if (againAt !== undefined) this.due(againAt)
          if (this.exchange.isAwaited || this.exchange.isAsked) this.due(0)
          else if (this.exchange.happened.length > 0) this.due(now + every)
          // Calls that run are vouched for, and a circuit that somebody still asks for is looked after.
          else if (this.exchange.hasCalls) this.due(now + every)
          else if (now + this.origin - this.leave.askedAt < 2 * poll) this.due(now + poll)
        })
      ),
      Effect.catch(({ isOfOne, message }) =>
        Effect.sync(() => {
          if (isOfOne !== true) return this.courier.lose(message)
          this.troubled(message)
          this.due(monotonic(this.courier.clock) + this.sharing.poll)
        })
      )
    )
  }

  private troubled(why: string | undefined): void {
    if (why === this.trouble) return
    this.trouble = why
    this.stand(this.courier.clock)
  }

  hear(news: News, clock: Clock.Clock): void {
    // What moves here alone is put right when Redis is back, not before.
    if (this.isAlone) return this.courier.lost === undefined ? this.due(0) : undefined
    try {
      this.exchange.hear(news, monotonic(clock) + (this.courier.store.shift ?? 0))
    } catch {
      // What cannot be read is found again by the next report, which says so.
      this.due(0)
    }
    if (this.exchange.isAsked || this.exchange.isAwaited || this.exchange.isStale) this.due(0)
  }

  stand(clock: Clock.Clock): void {
    const at = this.now(clock)
    const wasAlone = this.isAlone
    const why = this.why = this.courier.lost ?? this.trouble
    if (this.isAlone === wasAlone) return
    if (why !== undefined) {
      this.aloneSince = at
      const opened = this.courier.isOver ? undefined : this.exchange.hindsight
      this.exchange.forget()
      this.exchange.asks.forget()
      orphan(this, (id) => this.exchange.held.get(id))
      this.leave.lost()
      // A program that ends has no news of that.
      if (this.courier.isOver) this.isLeftOver = true
      else this.emit({ _tag: "StoreLost", at, why })
      if (opened === undefined) return
      this.movedAlone = true
      show(this, opened, this.origin - (this.courier.store.shift ?? 0), at, this)
      return
    }
    // What moved here alone shares no count with what the fleet did meanwhile.
    this.ahead = -1
    if (this.movedAlone) this.era++
    this.movedAlone = false
    this.exchange.isStale = true
    this.due(0)
    this.emit({ _tag: "StoreFound", at })
  }

  close(clock: Clock.Clock): boolean {
    this.exchange.giveUp(this.now(clock))
    return !this.isAlone && this.exchange.leave(monotonic(clock))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What is known
  // -------------------------------------------------------------------------------------------------------------------

  private show(fleet: Circuit.Circuit, shift: number, now: number): void {
    // An answer that comes after all is put right with all else when Redis is back.
    if (this.courier.lost !== undefined || fleet.cell.current.generation < this.ahead) return
    this.ahead = -1
    show(this, fleet, shift, now, this)
  }

  found(): void {
    this.exchange.looks = true
    this.timetable.soon()
    this.worry()
  }

  suspect(): void {
    this.timetable.suspect()
  }

  tally(now: number): ReturnType<Owner["tally"]> {
    return this.exchange.tally(now - this.origin + (this.courier.store.shift ?? 0))
  }

  override command(order: Circuit.Command): Effect.Effect<void> {
    return ordered(this, order, (given) =>
      Effect.suspend(() => {
        // It holds here from now on, and for all when Redis is back.
        this.movedAlone = given.isHere = true
        return super.command(order)
      }))
  }
}
