/**
 * What operators order: carried out by the fleet, each order once, and by the process alone where the fleet is out of reach.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Breaker from "../Breaker.ts"
import type * as Circuit from "../Circuit.ts"
import { monotonic } from "./Store.ts"
import type { Fleet } from "./Stored.ts"

/** An order, and who waits until it is carried out. */
export interface Order {
  /** A name of its own, by which it is known whether it was carried out. */
  readonly id: string
  readonly order: Circuit.Command
  /** When it was given, by the monotonic clock. */
  readonly givenAt: number
  /** It was carried out in this process already. */
  isHere: boolean
  readonly resume: () => void
}

/** The circuit that is ordered. */
interface Host extends Breaker.BreakerImpl {
  readonly exchange: { readonly orders: Orders }
  readonly isAlone: boolean
  readonly urge: () => void
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

export class Orders {
  /** Those that wait for the next report. */
  waiting: ReadonlyArray<Order> = []
  /** Those in the report that is under way. */
  private told: ReadonlyArray<Order> = []
  private given = 0
  private isLimited = false
  private readonly member: string

  constructor(member: string) {
    this.member = member
  }

  give(order: Circuit.Command, givenAt: number, resume: () => void): Order {
    const given = { id: `${this.member}:${this.given++}`, order, givenAt, isHere: false, resume }
    this.waiting = [...this.waiting, given]
    return given
  }

  /** Nobody carries them out: the oldest are dropped where they are too many. Tells of the first that is, since the last report. */
  limit(): boolean {
    if (this.waiting.length <= mostWaiting) return false
    this.waiting = this.waiting.slice(-mostWaiting)
    const wasLimited = this.isLimited
    this.isLimited = true
    return !wasLimited
  }

  /** Takes those that wait into a report: as many as the fleet knows by name, should its answer be lost. */
  take(): ReadonlyArray<Order> {
    this.told = this.waiting.slice(0, most)
    this.waiting = this.waiting.slice(most)
    this.isLimited = false
    return this.told
  }

  /** The report is over; where it failed, its orders wait for the next. */
  taken(isDone: boolean): void {
    if (!isDone) this.waiting = [...this.told, ...this.waiting]
    this.told = []
  }

  /** What was carried out in this process, and maybe not by the fleet. */
  get here(): ReadonlyArray<string> {
    return [...this.told, ...this.waiting].filter(({ isHere }) => isHere).map(({ id }) => id)
  }
}

/** Gives an order to the fleet, and carries it out `here` where the fleet does not answer. */
export const ordered = (
  host: Host,
  order: Circuit.Command,
  here: (given: Order) => Effect.Effect<void>
): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    let isDone = false
    let carriedOut = nothing
    const given = host.exchange.orders.give(whole(order, host), monotonic(clock), () => {
      isDone = true
      carriedOut()
    })
    if (host.isAlone) {
      return host.exchange.orders.limit()
        ? Effect.andThen(tooMany(host.name), here(given))
        : here(given)
    }
    // Where only many others are in its way it is waited for: an operator wants to know that all have heard.
    let turns = mostTurns
    const answered = Effect.callback<boolean>((resume) => {
      carriedOut = () => resume(Effect.succeed(true))
      if (isDone) carriedOut()
      else host.urge()
    })
    const done: Effect.Effect<boolean> = Effect.suspend(() =>
      host.inTime(
        answered,
        monotonic(clock),
        (isLost) => !isDone && (isLost || --turns === 0) ? Effect.succeed(false) : done
      )
    )
    return done.pipe(
      Effect.flatMap((isDone) => {
        if (!isDone) return here(given)
        return Effect.sync(() => host.commanded(order, host.now(clock)))
      })
    )
  })

/** What is left to do of orders, for a fleet that may have carried some of them out already. */
export const due = (fleet: Fleet, orders: ReadonlyArray<Order>, now: number): ReadonlyArray<Circuit.Command> => {
  const left = orders.filter(({ id }) => !fleet.orders.includes(id))
  fleet.orders = [...fleet.orders, ...left.map(({ id }) => id)].slice(-most)
  return left.flatMap((one) => restOf(one, now) ?? [])
}

// ---------------------------------------------------------------------------------------------------------------------

const most = 32

/** So many orders wait for a Redis that is gone. */
const mostWaiting = 1000

const tooMany = (name: string): Effect.Effect<void> =>
  Effect.logWarning(
    `Circuit ${
      JSON.stringify(name)
    } was given more than ${mostWaiting} orders while its store is lost: they hold here, and ` +
      `only the last ${mostWaiting} will be carried out for all`
  )

/** How many times as long as a call an operator waits, where Redis is well. */
const mostTurns = 20

const nothing = (): void => undefined

// How long it holds is known from when it was given.
const whole = (order: Circuit.Command, { rules: { tripDuration } }: Circuit.Circuit): Circuit.Command =>
  order._tag === "Trip" ? { ...order, openFor: order.openFor ?? tripDuration } : order

// Of an hour's isolation that was ordered ten minutes ago fifty are left. One that was carried out here, and is over, is over.
const restOf = ({ givenAt, isHere, order }: Order, now: number): Circuit.Command | undefined => {
  const lasts = order._tag === "Isolate" ? order.for : order._tag === "Trip" ? order.openFor : undefined
  if (lasts === undefined) return order
  const rest = Math.max(lasts - (now - givenAt), 0)
  if (rest === 0 && isHere) return undefined
  return order._tag === "Isolate" ? { ...order, for: rest } : { ...order, _tag: "Trip", openFor: rest }
}
