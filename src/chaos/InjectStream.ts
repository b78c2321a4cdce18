/**
 * One stream and the fault that it met.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import * as Setting from "../internal/Setting.ts"
import type * as ChaosError from "./ChaosError.ts"
import * as InjectEffect from "./InjectEffect.ts"
import type { Hit, Running } from "./Running.ts"

type Elements<A> = readonly [A, ...ReadonlyArray<A>]

/** Runs a stream with a fault. */
export const run = <A, E, R, E2>(
  self: Stream.Stream<A, E, R>,
  hit: Hit,
  chaos: Running,
  as: (error: ChaosError.ChaosError) => E2
): Stream.Stream<A, E | E2, R> =>
  Stream.unwrap(Effect.map(chaos.allowed, (allowed): Stream.Stream<A, E | E2, R> => {
    if (!allowed) return self
    const { fault } = hit
    switch (fault._tag) {
      case "StallAfter":
        return late(hit, chaos, after(self, fault.elements, hit, (rest) => Effect.andThen(chaos.hold(Infinity), rest)))
      case "CutAfter":
        return late(hit, chaos, after(self, fault.elements, hit, (): Pull.Pull<never> => Cause.done(), false))
      case "FailAfter":
        return late(hit, chaos, after(self, fault.elements, hit, () => InjectEffect.failure(hit, fault, as)))
      case "SlowDrip":
        return late(hit, chaos, drip(self, Setting.toMillis(fault.every), hit, chaos))
      case "Fail":
      case "LoseAnswer":
      case "Delay":
      case "Hang":
        return Stream.unwrap(
          Effect.andThen(hit.told, InjectEffect.before(Effect.succeed(self), hit, chaos, as))
        )
    }
  }))

const late = <A, E, R>({ latency }: Hit, chaos: Running, self: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
  latency === 0 ? self : Stream.unwrap(Effect.as(chaos.hold(latency), self))

/** Gives the first elements, and then what `act` makes of the rest, be it nothing but the end unless `atEnd` is false. */
const after = <A, E, R, E2 = never>(
  self: Stream.Stream<A, E, R>,
  elements: number,
  hit: Hit,
  act: (rest: Pull.Pull<Elements<A>, E, void, R>) => Pull.Pull<Elements<A>, E | E2, void, R>,
  atEnd = true
): Stream.Stream<A, E | E2, R> =>
  Stream.transformPull(self, (pull: Pull.Pull<Elements<A>, E, void, R>) => {
    let left = elements
    let kept: ReadonlyArray<A> = []
    let acted = false
    let ended = false
    const rest: Pull.Pull<Elements<A>, E, void, R> = Effect.suspend(() => {
      if (!isSome(kept)) return ended ? Cause.done() : pull
      const given = kept
      kept = []
      return Effect.succeed(given)
    })
    const acting: Pull.Pull<Elements<A>, E | E2, void, R> = Effect.suspend(() => {
      if (acted) return rest
      acted = true
      return Effect.andThen(hit.told, act(rest))
    })
    const first: Pull.Pull<Elements<A>, E | E2, void, R> = Pull.catchDone(
      Effect.flatMap(pull, (given): Pull.Pull<Elements<A>, E | E2, void, R> => {
        const now = given.slice(0, left)
        kept = given.slice(left)
        left -= now.length
        return isSome(now) ? Effect.succeed(now) : acting
      }),
      () => {
        ended = true
        left = 0
        return atEnd ? acting : Cause.done()
      }
    )
    return Effect.succeed(Effect.suspend(() => left > 0 ? first : acting))
  })

/** Gives the elements one by one, each a while after the one before. */
const drip = <A, E, R>(
  self: Stream.Stream<A, E, R>,
  every: number,
  hit: Hit,
  chaos: Running
): Stream.Stream<A, E, R> =>
  Stream.transformPull(self, (pull: Pull.Pull<Elements<A>, E, void, R>) => {
    let kept: ReadonlyArray<A> = []
    let told = false
    const one = (given: Elements<A>): Pull.Pull<Elements<A>, E, void, R> => {
      kept = given.slice(1)
      const shown = told ? Effect.void : hit.told
      told = true
      return shown.pipe(Effect.andThen(chaos.hold(every)), Effect.as([given[0]] as const))
    }
    return Effect.succeed(Effect.suspend(() => isSome(kept) ? one(kept) : Effect.flatMap(pull, one)))
  })

const isSome = <A>(elements: ReadonlyArray<A>): elements is Elements<A> => elements.length > 0
