/**
 * How a call gets leave where its process cannot give it: the fleet is asked, for no longer than a call may wait.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Breaker from "../Breaker.ts"
import * as Circuit from "../Circuit.ts"
import type { CircuitRejected } from "../CircuitRejected.ts"
import * as Outcome from "../Outcome.ts"
import { OBSERVED } from "../State.ts"
import * as Trace from "../Trace.ts"
import type { Answer, Ask } from "./Asks.ts"
import type { Exchange } from "./Exchange.ts"
import { causeAt } from "./Mirror.ts"
import { SharedCall, type SharedGuarded } from "./SharedCall.ts"
import { monotonic } from "./Store.ts"
import type { Lease } from "./Stored.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** The circuit that a call asks. */
export interface Host extends Breaker.BreakerImpl {
  readonly exchange: Exchange
  /** Whether a call needs nobody else: the circuit is known to be closed, or nobody is there to ask. */
  readonly decides: boolean
  readonly isAlone: boolean
  /** Why the process goes on alone, and since when. */
  readonly why: string | undefined
  readonly aloneSince: number
  readonly era: number
  /** Somebody waits for an exchange. */
  readonly urge: () => void
  /** A call is refused by what is known: that is looked up before long, should news have been lost. */
  readonly doubt: (now: number) => void
  /**
   * Waits for an answer since then, for as long as a call may. Where Redis is the reason that it does not come in time, nobody
   * waits for Redis any more; it may also be that many others wait.
   */
  readonly inTime: <A>(
    answer: Effect.Effect<A>,
    since: number,
    otherwise: (isLost: boolean) => Effect.Effect<A>
  ) => Effect.Effect<A>
}

/** What came of asking: leave, a refusal, that things are different now, or that the process decides by itself. */
type Said = SharedCall | Circuit.Refusal | "again" | "alone"

/** Leave, as the fleet gives it. */
type Given = Exclude<Answer, Circuit.Refusal | undefined>

/** What somebody who asks was given so far. */
interface Ticket {
  call: SharedCall | undefined
}

type Restore = <B, E2, R2>(self: Effect.Effect<B, E2, R2>) => Effect.Effect<B, E2, R2>

export class Leave {
  private readonly host: Host
  private readonly member: string
  private readonly waiting = new Set<(said: Said) => void>()
  private asked = 0
  /** When somebody last asked, by the clock of the circuit. */
  askedAt = -Infinity

  constructor(host: Host, member: string) {
    this.host = host
    this.member = member
  }

  /** Nobody is there to answer any more. */
  lost(): void {
    for (const say of this.waiting) say("again")
  }

  /** Takes leave and goes on with it. Whoever is interrupted in between gives back what he was given. */
  take<A, E, R>(
    guarded: SharedGuarded,
    next: (call: SharedCall, restore: Restore) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | CircuitRejected, R> {
    return Effect.uninterruptibleMask((restore) => {
      const ticket: Ticket = { call: undefined }
      return restore(this.leave(guarded, ticket)).pipe(
        Effect.onError(() =>
          Effect.withFiberSucceed((fiber) => {
            if (ticket.call !== undefined) {
              this.host.settle(ticket.call, Outcome.ignored, this.host.now(fiber.getRef(Clock.Clock)))
            }
          })
        ),
        Effect.flatMap((call) => next(call, restore))
      )
    })
  }

  private leave(guarded: SharedGuarded, ticket: Ticket): Effect.Effect<SharedCall, CircuitRejected> {
    return Effect.withFiber((fiber) => {
      const taken = (call: SharedCall) => {
        call.hear(fiber)
        ticket.call = call
        return Effect.succeed(call)
      }
      const decided = () => {
        const call = guarded.ask(fiber)
        return call instanceof Circuit.Refusal ? this.host.refused(call, fiber) : taken(call)
      }
      if (this.host.decides) return decided()
      const now = this.host.now(fiber.getRef(Clock.Clock))
      if (this.host.isAlone) return this.turnAway(withoutStore(this.host), guarded, fiber, taken)
      this.askedAt = now
      const refusal = this.host.exchange.known === undefined ? undefined : this.knownRefusal(now)
      if (refusal !== undefined) {
        this.host.doubt(now)
        return this.turnAway(refusal, guarded, fiber, taken)
      }
      return Effect.flatMap(this.said(guarded, ticket, fiber), (said) =>
        said === "again"
          ? this.leave(guarded, ticket)
          : said === "alone"
          ? decided()
          : said instanceof Circuit.Refusal
          ? this.turnAway(said, guarded, fiber, taken)
          : taken(said))
    })
  }

  // Waits for what the fleet says, for as long as a call may.
  private said(guarded: SharedGuarded, ticket: Ticket, fiber: AnyFiber): Effect.Effect<Said> {
    const { exchange } = this.host
    const answered = Effect.callback<Said>((resume) => {
      const say = (said: Said) => {
        this.waiting.delete(say)
        if (said instanceof SharedCall) ticket.call = said
        resume(Effect.succeed(said))
      }
      const ask: Ask = {
        id: `${this.member}:${this.asked++}`,
        isOver: false,
        resume: (answer, shift) => {
          if (answer === undefined || answer instanceof Circuit.Refusal) {
            say(answer === undefined ? "again" : refusalAt(answer, shift))
          } else if (ask.isOver) this.giveBack(answer, guarded, fiber)
          else say(this.given(answer, guarded, fiber))
        }
      }
      this.waiting.add(say)
      exchange.asks.add(ask)
      this.host.urge()
      return Effect.sync(() => {
        ask.isOver = true
        this.waiting.delete(say)
      })
    })
    return this.host.inTime(answered, monotonic(fiber.getRef(Clock.Clock)), (isLost) =>
      Effect.sync((): Said => {
        // The answer may have come in the same moment.
        if (ticket.call !== undefined) return ticket.call
        return isLost ? "again" : this.crowdedOut(fiber)
      }))
  }

  // Redis is well, and so many ask of it that the turn of this one did not come.
  private crowdedOut(fiber: AnyFiber): Circuit.Refusal | "again" | "alone" {
    const { cell: { current: { _tag, cause, generation, since } }, exchange } = this.host
    if (exchange.known === undefined) return "alone"
    if (_tag === "Closed") return "again"
    return this.knownRefusal(this.host.now(fiber.getRef(Clock.Clock))) ??
      new Circuit.Refusal("HalfOpen", 1000, since, generation, cause)
  }

  // What a process knows is enough to refuse, unless time may have changed it: a probe that outlived its lease, a ramp.
  private knownRefusal(now: number): Circuit.Refusal | undefined {
    const { cell: { current }, gateUntil, rules: { lease, plan: { slowAfter } } } = this.host
    if (current._tag === "HalfOpen" && now >= gateUntil) {
      const hasLapsed = ({ startedAt }: Circuit.Permit) => now - startedAt >= Math.min(lease, slowAfter)
      if (current.stage === "Ramping" || current.running.some(hasLapsed)) return undefined
    }
    return Circuit.refusal(this.host, now)
  }

  // Refuses, or lets pass what would be refused, as the mode wants it.
  private turnAway<A>(
    refusal: Circuit.Refusal,
    guarded: SharedGuarded,
    fiber: AnyFiber,
    taken: (call: SharedCall) => Effect.Effect<A>
  ): Effect.Effect<A, CircuitRejected> {
    const isObserved = this.host.mode === "observe"
    this.host.meter?.refused(refusal.reason, isObserved)
    if (!isObserved) {
      this.host.counts.rejected++
      return this.host.refused(refusal, fiber)
    }
    this.host.counts.wouldReject++
    this.host.spared(refusal)
    return taken(this.begun(guarded, fiber, OBSERVED))
  }

  private given(
    { permit, place }: Given,
    guarded: SharedGuarded,
    fiber: AnyFiber
  ) {
    const call = this.begun(guarded, fiber, permit.generation)
    call.step = permit.step
    call.place = place
    call.isTold = call.isGiven = place !== undefined
    if (place !== undefined) this.host.exchange.track(call)
    else this.host.exchange.held.set(call.lease = (permit as Lease).id, call)
    return call
  }

  // Leave that comes too late: whoever asked has been told otherwise, and nothing of it counts here.
  private giveBack({ permit, place }: Given, guarded: SharedGuarded, fiber: AnyFiber): void {
    const { exchange } = this.host
    const now = this.host.now(fiber.getRef(Clock.Clock))
    if (place === undefined) exchange.unwanted((permit as Lease).id, now)
    else {
      const { generation, step } = permit
      const call = Object.assign(guarded.permit(), { startedAt: now, generation, step, place, isTold: true })
      exchange.track(call)
      exchange.happened.cameHome(call, Outcome.ignored, now)
    }
    this.host.urge()
  }

  private begun(guarded: SharedGuarded, fiber: AnyFiber, generation: number): SharedCall {
    const call = guarded.permit()
    call.clock = fiber.getRef(Clock.Clock)
    call.startedAt = this.host.now(call.clock)
    call.settled = false
    call.generation = generation
    call.era = this.host.era
    call.span = Trace.asked(fiber, this.host)
    this.host.counts.inFlight++
    this.host.meter?.admitted()
    return call
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const refusalAt = ({ cause, generation, reason, retryAfter, since }: Circuit.Refusal, shift: number): Circuit.Refusal =>
  new Circuit.Refusal(reason, retryAfter, since + shift, generation, causeAt(cause, shift))

/** What a call is refused with where nobody may go on alone. */
export const withoutStore = ({ aloneSince, cell: { current }, why }: Host): Circuit.Refusal => {
  const cause = { rule: "store", value: 0, limit: 0, calls: 0, note: why } as const
  return new Circuit.Refusal("Open", 1000, aloneSince, current.generation, cause)
}
