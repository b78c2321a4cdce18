/**
 * How long Redis is waited for, and who is to blame where an answer does not come: a process that was late itself says
 * nothing of others.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { monotonic, type Store } from "./Store.ts"

/** Whoever asks Redis. */
export interface Asker {
  readonly store: Store
  readonly clock: Clock.Clock
  readonly lost: string | undefined
  /** Redis did not do what it should. */
  lose(reason: string): void
}

/**
 * Waits for an answer since then, for as long as a call may. Where Redis is the reason that it does not come in time, nobody
 * waits for Redis any more; it may also be that many others wait.
 */
export const inTime = <A>(
  asker: Asker,
  answer: Effect.Effect<A>,
  since: number,
  otherwise: () => Effect.Effect<A>
): Effect.Effect<A> => {
  const { clock, store, store: { options: { bound } } } = asker
  const hear = Math.min(aMoment, bound)
  return Effect.timeoutOrElse(answer, {
    duration: bound - hear,
    orElse: () =>
      // What has arrived is heard before Redis is blamed: this process may have had no time for it.
      Effect.flatMap(Effect.sleep(hear), () => {
        const now = monotonic(clock)
        const slack = tardy * bound
        const isSlow = store.waitsSince <= now - bound + slack && now - since <= bound + slack
        if (isSlow) asker.lose(`Redis did not answer within ${bound} ms`)
        return otherwise()
      })
  })
}

/** Who has told Redis of bad calls, and waits to hear what they come to. */
export interface Worrier {
  /** Whether they would be the end, were nobody else there. */
  readonly isAtTheEnd: boolean
}

/**
 * Those that wait to hear what their bad calls come to: while a circuit should open nobody waits for Redis as long as for a
 * batch of calls that did well.
 */
export class Vigil {
  private readonly asker: Asker
  private readonly worried = new Set<Worrier>()
  private readonly isWorried = Latch.makeUnsafe()

  constructor(asker: Asker) {
    this.asker = asker
  }

  add(one: Worrier): void {
    this.worried.add(one)
    this.isWorried.openUnsafe()
  }

  /** It was heard. */
  delete(one: Worrier): void {
    this.worried.delete(one)
  }

  /** Watches how long Redis is silent. */
  get keep(): Effect.Effect<never> {
    return Effect.gen({ self: this }, function*() {
      const { asker, asker: { clock, store }, worried } = this
      const { bound } = store.options
      for (let silent = 0;;) {
        if (worried.size === 0 || asker.lost !== undefined) {
          silent = 0
          this.isWorried.closeUnsafe()
          worried.clear()
          yield* this.isWorried.await
        }
        const began = monotonic(clock)
        yield* Effect.sleep(bound)
        const isLate = monotonic(clock) - began > bound * (1 + tardy)
        silent = isLate || store.waitsSince > began ? 0 : silent + 1
        if (silent >= longestSilence && [...worried].some(({ isAtTheEnd }) => isAtTheEnd)) {
          asker.lose(`Redis did not answer within ${Math.round(silent * bound)} ms`)
        }
      }
    })
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** A process whose own timers are so late, as a share of what they are set to, cannot say that somebody else is. */
const tardy = 0.25

/** How long it takes to hear what has arrived, in milliseconds. */
const aMoment = 1

/** In so many bounds in a row Redis answers a process that is on time, or is not waited for where a circuit should open. */
const longestSilence = 4
