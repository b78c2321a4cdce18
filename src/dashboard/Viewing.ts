/**
 * Snapshots and events as the page shows them. The text of errors is left out unless it is wanted.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { explain } from "../CircuitRejected.ts"
import type { Event } from "../Event.ts"
import type { Snapshot } from "../Snapshot.ts"
import type { Cause, LastFailure } from "../State.ts"
import type { CauseView, CircuitView, FailureView, HappeningView } from "./View.ts"

/** A circuit as the page shows it. */
export const circuitView = (
  id: string,
  snapshot: Snapshot,
  opened: ReadonlyArray<number>,
  messages: boolean
): CircuitView => {
  const { cause, lastFailure, retryAfter, uptimePercentage, window } = snapshot
  return {
    id,
    name: snapshot.name,
    state: snapshot.state,
    stage: snapshot.stage,
    share: snapshot.share,
    mode: snapshot.mode,
    since: snapshot.since,
    retryAfter: millisOf(retryAfter),
    cause: cause && causeView(cause, messages),
    lastFailure: lastFailure && failureView(lastFailure, messages),
    calls: window.calls,
    failureRate: window.failureRate,
    slowRate: window.slowRate,
    successes: snapshot.successes,
    failures: snapshot.failures,
    ignored: snapshot.ignored,
    throttled: snapshot.throttled,
    slow: snapshot.slow,
    refused: snapshot.rejected,
    wouldRefuse: snapshot.wouldReject,
    inFlight: snapshot.inFlight,
    openings: snapshot.openings,
    // Rounded down: only what was never down shows a hundred.
    uptimePercentage: Math.floor(uptimePercentage * 1000) / 1000,
    opened
  }
}

/**
 * Whether a page that knows the one needs to be told the other. Not so where time alone went on: a page counts down by
 * itself.
 */
export const isNews = (known: CircuitView, knownAt: number, view: CircuitView, at: number): boolean => {
  const { retryAfter: rest, uptimePercentage: uptime, ...others } = view
  const { retryAfter: knownRest, uptimePercentage: knownUptime, ...knownOthers } = known
  if (Math.abs(uptime - knownUptime) >= 0.01 || !equal(others, knownOthers)) return true
  if (rest === knownRest) return false
  if (!rest || !knownRest) return true
  return Math.abs(at + rest - (knownAt + knownRest)) > 100
}

/** What happened, in plain words. */
export const happeningView = (event: Event & { readonly id: string }): HappeningView | undefined => {
  if ("error" in event) return undefined
  const of = { at: event.at, id: event.id, name: event.circuit, kind: event._tag }
  switch (event._tag) {
    case "Transitioned": {
      const { cause, share, to } = event
      return { ...of, state: share === undefined ? to : "Ramping", text: transition(event), by: cause?.by }
    }
    case "Throttled":
      return { ...of, state: "Closed", text: sentence("shut", event.pause, event.cause) }
    case "StoreLost":
      return { ...of, state: "Open", text: `Not shared any more, and goes on alone: ${event.why}` }
    case "StoreFound":
      return { ...of, state: "Closed", text: "Shared again" }
    case "Commanded":
      return { ...of, state: aims[event.command], text: order(event), by: event.by }
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const millisOf = (duration: Duration.Duration): number | null =>
  Duration.isFinite(duration) ? Duration.toMillis(duration) : null

const causeView = ({ failure, ...cause }: Cause, messages: boolean): CauseView => ({
  ...cause,
  text: explain(cause),
  failure: failure && failureView(failure, messages)
})

const failureView = ({ at, kind, message }: LastFailure, messages: boolean): FailureView => ({
  at,
  kind,
  message: messages ? message : undefined
})

// The views are flat data of a fixed shape, so nothing more is needed.
const equal = (a: unknown, b: unknown): boolean => {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b)
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => equal(a[key as never], b[key as never]))
}

type Of<Tag extends Event["_tag"]> = Extract<Event, { readonly _tag: Tag }>

const transition = ({ cause, from, openFor, share, to }: Of<"Transitioned">): string => {
  switch (to) {
    case "Closed":
      return from === "Isolated" ? "let go: closed" : "closed"
    case "Open":
      return sentence("opened", openFor, cause)
    case "HalfOpen":
      return share === undefined ? "asks with probes" : `lets ${+(share * 100).toFixed(1)} % of the calls through`
    case "Isolated":
      return cause === undefined ? "isolated" : explain(cause)
  }
}

const sentence = (what: string, lasts: Duration.Duration | undefined, cause: Cause | undefined): string =>
  what + (lasts !== undefined && Duration.isFinite(lasts) ? ` for ${Duration.format(lasts)}` : "") +
  (cause === undefined ? "" : `: ${explain(cause)}`)

// The state that an order is for.
const aims = {
  Isolate: "Isolated",
  Release: "Closed",
  Reset: "Closed",
  Trip: "Open",
  SetMode: "Closed",
  Configure: "Closed"
} as const

const order = ({ command, mode, note }: Of<"Commanded">): string => {
  const words = {
    Isolate: "ordered to be isolated",
    Release: "ordered to be let go",
    Reset: "ordered to begin anew",
    Trip: "ordered to open",
    SetMode: `ordered into mode ${mode}`,
    Configure: "put under other settings"
  }[command]
  return words + (note ? `: ${note}` : "")
}
