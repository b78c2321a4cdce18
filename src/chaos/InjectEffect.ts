/**
 * One effect and the fault that it met.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Setting from "../internal/Setting.ts"
import * as ChaosError from "./ChaosError.ts"
import type * as Fault from "./Fault.ts"
import type { Hit, Running } from "./Running.ts"

/** Runs an effect with a fault. */
export const run = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  hit: Hit,
  chaos: Running,
  as: (error: ChaosError.ChaosError) => E2
): Effect.Effect<A, E | E2, R> =>
  Effect.flatMap(chaos.allowed, (allowed): Effect.Effect<A, E | E2, R> => {
    if (!allowed) return self
    const { fault } = hit
    if (fault._tag === "LoseAnswer") {
      return Effect.flatMap(self, () => Effect.andThen(hit.told, failure(hit, fault, as)))
    }
    return Effect.andThen(hit.told, before(self, hit, chaos, as))
  })

/** What may happen before there is anything: to an effect, and to a stream. */
export const before = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  hit: Hit,
  chaos: Running,
  as: (error: ChaosError.ChaosError) => E2
): Effect.Effect<A, E | E2, R> => {
  const { chance, fault, latency } = hit
  if (fault._tag === "Fail") {
    return Effect.flatMap(
      chaos.hold(latency),
      (held): Effect.Effect<A, E | E2, R> => held ? failure(hit, fault, as) : self
    )
  }
  return Effect.andThen(chaos.hold(latency + heldFor(fault, chance)), self)
}

/** The failure of a fault that has one. */
export const failure = <E2>(
  { point }: Hit,
  fault: Fault.Fail | Fault.LoseAnswer | Fault.FailAfter,
  as: (error: ChaosError.ChaosError) => E2
): Effect.Effect<never, E2> =>
  Effect.suspend(() => {
    const retryAfter = fault._tag === "Fail" ? fault.retryAfter : undefined
    const hint = retryAfter === undefined ? undefined : Duration.millis(Setting.toMillis(retryAfter))
    return Effect.fail(as(ChaosError.make(point, fault.as, hint)))
  })

const heldFor = (fault: Fault.Fault, chance: number): number => {
  if (fault._tag === "Hang") return Infinity
  if (fault._tag !== "Delay") return 0
  const from = Setting.toMillis(fault.from)
  return from + chance * (Setting.toMillis(fault.to) - from)
}
