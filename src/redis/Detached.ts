/**
 * Work that whoever waits for it can leave, though it cannot be interrupted itself.
 *
 * A client that connects or subscribes may do so where nothing interrupts it, and wait for a server that never answers. What
 * waits for it in turn, a scope that closes above all, must not.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Waits for an effect, but not when interrupted: then it goes on alone until it can be interrupted too. */
export const detached = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkDetach(self, { startImmediately: true }),
      (fiber) => Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )
