/**
 * Carries the reports of a process: each circuit when it is due, one fiber for all of them.
 *
 * It also finds out whether Redis is there. Where it is not, nobody waits for it: every circuit goes on by itself, and
 * the courier knocks until Redis answers as quickly as it should.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { detached } from "./Detached.ts"
import { type Asker, Vigil } from "./Patience.ts"
import { monotonic, type News, newsOf, type Store } from "./Store.ts"

/** Who has something to report. */
export interface Sender {
  readonly name: string
  /** When it is due, by the monotonic clock; infinite where it has nothing to say. */
  dueAt: number
  readonly report: Effect.Effect<void>
  /** Tells what there is, though there may be more to come. */
  readonly farewell: Effect.Effect<void>
  /** Somebody wrote. */
  hear(news: News, clock: Clock.Clock): void
  /** Redis went away, or is back. */
  stand(clock: Clock.Clock): void
  /** The scope closes, and nobody will tell of the probes that still run. Gives whether there is anything left to tell. */
  close(clock: Clock.Clock): boolean
}

/** The circuits that report. */
export interface Senders {
  readonly all: () => Iterable<Sender>
  readonly find: (name: string) => Sender | undefined
}

export class Courier implements Asker {
  readonly store: Store
  readonly clock: Clock.Clock
  /** The name of this process among those that report. */
  readonly member: string = crypto.randomUUID()
  /** The scope is closed: nothing is told or heard any more. */
  isOver = false
  /** Why Redis does not count at the moment. */
  lost: string | undefined = undefined
  private readonly due = new Set<Sender>()
  private readonly wake = Latch.makeUnsafe()
  private wakesAt = Infinity
  private underWay = 0
  private foundAt = -Infinity
  private pause = firstKnock

  private readonly senders: Senders
  readonly vigil = new Vigil(this)

  constructor(store: Store, senders: Senders, clock: Clock.Clock) {
    this.store = store
    this.clock = clock
    this.senders = senders
  }

  /** A report is due, at the latest then. */
  urge(sender: Sender, at: number): void {
    if (at < sender.dueAt) sender.dueAt = at
    this.due.add(sender)
    if (sender.dueAt < this.wakesAt) this.wake.openUnsafe()
  }

  /** Redis did not do what it should: from now on nobody waits for it, until it is back. */
  lose(reason: string): void {
    if (this.lost !== undefined) return
    this.lost = reason
    // Whoever is lost as soon as it is found is asked less and less often.
    if (monotonic(this.clock) - this.foundAt > calm) this.pause = firstKnock
    for (const sender of this.senders.all()) sender.stand(this.clock)
    this.wake.openUnsafe()
  }

  /** Carries reports and hears news, for as long as the scope is open. */
  get run(): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const reports = yield* FiberSet.make()
      yield* Effect.forkScoped(this.carry(reports))
      yield* Effect.forkScoped(this.listen)
      yield* Effect.forkScoped(this.vigil.keep)
      // What is still to be told is told before the scope closes: for no longer than a call would wait.
      yield* Effect.addFinalizer(() => this.farewell(reports))
    })
  }

  private carry(reports: FiberSet.FiberSet): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      for (;;) {
        if (this.lost !== undefined) {
          yield* this.knock
          continue
        }
        const now = monotonic(this.clock)
        this.wakesAt = Infinity
        this.wake.closeUnsafe()
        for (const sender of this.due) {
          if (sender.dueAt > now) this.wakesAt = Math.min(this.wakesAt, sender.dueAt)
          else if (this.underWay < most) {
            sender.dueAt = Infinity
            this.due.delete(sender)
            this.underWay++
            yield* FiberSet.run(reports, Effect.ensuring(sender.report, this.isHome))
          }
        }
        const rest = Math.ceil(this.wakesAt - now)
        yield* this.wakesAt === Infinity ? this.wake.await : Effect.timeoutOption(this.wake.await, rest)
      }
    })
  }

  private get isHome(): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.underWay-- === most) this.wake.openUnsafe()
    })
  }

  private get knock(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      while (this.lost !== undefined) {
        yield* Effect.sleep(this.pause)
        this.pause = Math.min(2 * this.pause, lastKnock)
        if ((yield* Effect.exit(this.store.pulse))._tag === "Failure" || this.isOver) continue
        this.lost = undefined
        this.foundAt = monotonic(this.clock)
        for (const sender of this.senders.all()) sender.stand(this.clock)
      }
    })
  }

  // A client that is cut off takes up its subscriptions again by itself; one that gives up is asked anew.
  private get listen(): Effect.Effect<void> {
    const once = Effect.scoped(Effect.gen({ self: this }, function*() {
      const news = yield* this.store.news
      for (;;) {
        const heard = newsOf(yield* Queue.take(news))
        if (heard !== undefined) this.senders.find(heard.name)?.hear(heard, this.clock)
      }
    }))
    const wait = Effect.sleep(lastKnock).pipe(Effect.repeat({ while: () => this.lost !== undefined }))
    return detached(once).pipe(Effect.ignoreCause, Effect.andThen(wait), Effect.forever)
  }

  private farewell(reports: FiberSet.FiberSet): Effect.Effect<void> {
    const all = Effect.gen({ self: this }, function*() {
      while (this.lost === undefined) {
        yield* FiberSet.awaitEmpty(reports)
        const left = [...this.senders.all()].filter((sender) => sender.close(this.clock))
        if (left.length === 0) return
        yield* Effect.forEach(left, ({ farewell }) => farewell, { concurrency: most, discard: true })
      }
    })
    return Effect.map(Effect.timeoutOption(all, this.store.options.bound), () => {
      this.isOver = true
      // Whoever goes on with a circuit of this scope has it for himself.
      this.lost = "the scope of its layer is closed"
      for (const sender of this.senders.all()) sender.stand(this.clock)
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** The most reports that are under way at once: Redis shall not be drowned by a program of a hundred thousand circuits. */
const most = 32

/** How long Redis waits to be asked whether it is back, and after how long it counts as well again. In milliseconds. */
const firstKnock = 50
const lastKnock = 1000
const calm = 10_000
