/**
 * What happens at the circuits, and what there is to know about them, for plain functions in plain data.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Breaker from "../Breaker.ts"
import type * as Circuit from "../Circuit.ts"
import type { CircuitRejected } from "../CircuitRejected.ts"
import type * as LlmBreaker from "../llm/LlmBreaker.ts"

/**
 * What happens at a circuit, as it happens. Times are milliseconds since the epoch, durations milliseconds.
 *
 * **Details**
 *
 * - `Transitioned` tells each change of state, and each step of a ramp (`share`); `openFor` how long an opening lasts.
 * - `Rejected` is one refused call; `WouldReject` is one that mode `observe` let through.
 * - `Throttled` tells that the gate is shut, or stays shut for longer: for `pause`, from `at` on.
 * - `Commanded` is an operator's order, with who gave it (`by`) and why (`note`), where that was said.
 * - `StoreLost` and `StoreFound` are of circuits that several processes share.
 *
 * @category models
 * @since 0.1.0
 */
export type Event =
  & { readonly circuit: string }
  & (
    | (Circuit.Transition & { readonly _tag: "Transitioned" })
    | { readonly _tag: "Rejected" | "WouldReject"; readonly error: CircuitRejected }
    | { readonly _tag: "Throttled"; readonly at: number; readonly pause: number; readonly cause: Circuit.Cause }
    | Exclude<Breaker.Event, { readonly _tag: "Transitioned" | "Rejected" | "WouldReject" | "Throttled" }>
  )

/**
 * What there is to know about a circuit at one moment, as plain data: a `Breaker.Snapshot`, but that `retryAfter` is in
 * milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type Snapshot = Omit<Breaker.Snapshot, "retryAfter"> & { readonly retryAfter: number }

/** Tells a listener, until what it gives is called. */
export const listen = (
  { events }: LlmBreaker.LlmBreaker,
  listener: (event: Event) => void,
  services: Context.Context<never>
): () => void => {
  const told = Stream.runForEach(events, (event) =>
    Effect.catchCause(
      Effect.sync(() => listener(plain(event))),
      (cause) => Effect.logError(`A listener of circuit ${JSON.stringify(event.circuit)} failed`, cause)
    ))
  const fiber = Effect.runForkWith(services)(told)
  return () => fiber.interruptUnsafe()
}

/** Reads all circuits. */
export const snapshots = (
  { snapshots }: LlmBreaker.LlmBreaker,
  services: Context.Context<never>
): ReadonlyArray<Snapshot> =>
  Effect.runSyncWith(services)(snapshots).map(({ retryAfter, ...rest }) =>
    Object.assign(rest, { retryAfter: Duration.toMillis(retryAfter) })
  )

// ---------------------------------------------------------------------------------------------------------------------

const plain = (event: Breaker.Event): Event =>
  event._tag === "Transitioned"
    ? { ...event, openFor: event.openFor && Duration.toMillis(event.openFor) }
    : event._tag === "Throttled"
    ? { ...event, pause: Duration.toMillis(event.pause) }
    : event
