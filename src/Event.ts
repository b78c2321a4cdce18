/**
 * What happens at a breaker, told as it happens to whoever listens.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type * as Circuit from "./Circuit.ts"
import type { CircuitRejected } from "./CircuitRejected.ts"

/**
 * What happens at a breaker, as it happens.
 *
 * **Details**
 *
 * - `Transitioned` tells each change of state, and each step of a ramp (`share`).
 * - `Rejected` is one refused call; `WouldReject` is one that mode `observe` let through.
 * - `Throttled` tells that the gate is shut, or stays shut for longer: for `pause`, from `at` on.
 * - `StoreLost` tells that a shared circuit goes on in this process alone, and why; `StoreFound` that it is shared again.
 * - `Commanded` is an operator's order, with who gave it (`by`) and why (`note`), where that was said.
 *
 * @category models
 * @since 0.1.0
 */
export type Event = Happening & { readonly circuit: string }

/**
 * What can happen, whichever circuit it happens to. Times are milliseconds since the epoch.
 *
 * @category models
 * @since 0.1.0
 */
export type Happening =
  | (Omit<Circuit.Transition, "openFor"> & {
    readonly _tag: "Transitioned"
    readonly openFor: Duration.Duration | undefined
  })
  | { readonly _tag: "Rejected" | "WouldReject"; readonly error: CircuitRejected }
  | {
    readonly _tag: "Throttled"
    readonly at: number
    readonly pause: Duration.Duration
    readonly cause: Circuit.Cause
  }
  | { readonly _tag: "StoreLost"; readonly at: number; readonly why: string }
  | { readonly _tag: "StoreFound"; readonly at: number }
  | {
    readonly _tag: "Commanded"
    readonly at: number
    readonly command: Exclude<Circuit.Command["_tag"], "Pass"> | "Configure"
    readonly mode?: Circuit.Mode | undefined
    readonly note: string | undefined
    readonly by: string | undefined
  }

/** A circuit with its name. */
export interface Named extends Circuit.Circuit {
  readonly name: string
  /** Of a circuit that many processes share: whether this one goes on alone. */
  readonly isAlone?: boolean | undefined
  /** The machine's time. */
  now(clock: Clock.Clock): number
}

/**
 * Who listens to the events of one breaker, or of all in a map.
 */
export interface Listeners {
  current: ReadonlySet<Listener> | undefined
}

/** One who listens, and is told at once. */
export type Listener = (event: Event, circuit: Named) => void

/** @internal Listens from now on, until what it gives is called. */
export const listen = (listeners: Listeners, listener: Listener): () => void => {
  listeners.current = new Set(listeners.current).add(listener)
  return () => {
    const rest = new Set(listeners.current)
    rest.delete(listener)
    listeners.current = rest.size === 0 ? undefined : rest
  }
}

/** @internal The events as `read` reads them, at once: it must not throw, nor touch the circuit. */
export const eventsOf = <A = Event>(
  listeners: Listeners,
  read = (event: Event, _circuit: Named): A => event as never
): Stream.Stream<A> =>
  Stream.callback<A>((queue) => {
    const heard: Listener = (event, circuit) => {
      Queue.offerUnsafe(queue, read(event, circuit))
    }
    return Effect.acquireRelease(Effect.sync(() => listen(listeners, heard)), Effect.sync)
  }, { bufferSize: 256, strategy: "sliding" })
