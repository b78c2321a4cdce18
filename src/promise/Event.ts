/**
 * What happens at a breaker, told to plain functions in plain data.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Circuit from "../Circuit.ts"
import type { CircuitRejected } from "../CircuitRejected.ts"
import * as Root from "../Event.ts"

/**
 * What happens at a breaker, as it happens. Times are milliseconds since the epoch, durations milliseconds.
 *
 * **Details**
 *
 * - `Transitioned` tells each change of state, and each step of a ramp (`share`); `openFor` how long an opening lasts.
 * - `Rejected` is one refused call; `WouldReject` is one that mode `observe` let through.
 * - `Throttled` tells that the gate is shut, or stays shut for longer: for `pause`, from `at` on.
 * - `Commanded` is an operator's order, with who gave it (`by`) and why (`note`), where that was said.
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
    | Extract<Root.Event, { readonly _tag: "Commanded" }>
  )

/** @internal Tells a listener, after the circuit has moved: it may ask and command, and what it throws is logged. */
export const tell = (
  listeners: Root.Listeners,
  listener: (event: Event) => void,
  context: Context.Context<never>,
  concerns: (event: Root.Event) => boolean
): () => void => {
  let listening = true
  const stop = Root.listen(listeners, (event) => {
    if (!concerns(event)) return
    queueMicrotask(() => {
      if (!listening) return
      try {
        listener(plain(event))
      } catch (error) {
        const text = `A listener of circuit ${JSON.stringify(event.circuit)} failed`
        Effect.runForkWith(context)(Effect.logError(text, error))
      }
    })
  })
  return () => {
    listening = false
    stop()
  }
}

// A circuit of one process has no store to lose.
const plain = (event: Root.Event): Event =>
  event._tag === "Transitioned"
    ? { ...event, openFor: event.openFor && Duration.toMillis(event.openFor) }
    : event._tag === "Throttled"
    ? { ...event, pause: Duration.toMillis(event.pause) }
    : event as Event
