/**
 * The moves of the machine: how a circuit gets from one state to the next, and what it takes along.
 *
 * `Circuit` decides when; here is what happens then.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Evidence from "./Evidence.ts"
import type * as Outcome from "./Outcome.ts"
import type { Cause, Circuit, Mutable, Open, Probing, Ramping, State } from "./State.ts"
import { closed } from "./State.ts"

/** @internal */
export const evidenceOf = (state: State): Evidence.Evidence | undefined =>
  state._tag === "Closed" || (state._tag === "HalfOpen" && state.stage === "Ramping") ? state.evidence : undefined

/** @internal */
export const isDown = (state: State): boolean => state._tag === "Open" || state._tag === "Isolated"

/** @internal The count survives a close, until the circuit has stayed closed for as long as its last opening lasted. */
export const openings = (circuit: Circuit, now: number): number => {
  const state = circuit.cell.current
  return state._tag === "Closed" && now - state.since >= circuit.lastOpenFor ? 0 : circuit.openings
}

/** @internal */
export const because = (
  self: Mutable,
  cause: Pick<Cause, "rule"> & Partial<Cause>
): Cause => {
  const failure = self.lastFailure
  return {
    value: 0,
    limit: 0,
    calls: 0,
    note: undefined,
    // A failure of an earlier period has nothing to do with this.
    failure: failure !== undefined && failure.at >= self.cell.current.since ? failure : undefined,
    ...cause
  }
}

/** @internal */
export const enter = (
  self: Mutable,
  next: State,
  now: number,
  told: { readonly cause?: Cause; readonly openFor?: number; readonly share?: number | undefined } = {}
): void => {
  const last = self.cell.current
  if (isDown(last)) self.downFor += Math.max(now - last.since, 0)
  self.slow += evidenceOf(last)?.slow ?? 0
  self.hintUntil = Number.NEGATIVE_INFINITY
  self.cell.current = next
  tell(self, last._tag, now, told)
}

/** @internal */
export const tell = (
  self: Mutable,
  from: State["_tag"],
  at: number,
  told: { readonly cause?: Cause; readonly openFor?: number; readonly share?: number | undefined }
): void => {
  if (self.notify === undefined) return
  const { _tag: to, generation } = self.cell.current
  self.notify({ from, to, generation, at, cause: told.cause, openFor: told.openFor, share: told.share })
}

/** @internal */
export const open = (self: Mutable, cause: Cause, now: number, exactly?: number, atLeast?: number): void => {
  const state = self.cell.current
  // Opened again by hand while it is open: still the same opening to the backoff.
  self.openings = openings(self, now) + (state._tag === "Open" ? 0 : 1)
  const hint = self.hintUntil - now
  const openFor = exactly ??
    Math.max(atLeast ?? self.rules.openDuration(self.openings), hint) * (1 + self.rules.jitter * self.random())
  self.lastOpenFor = openFor
  const next: Open = { _tag: "Open", generation: state.generation + 1, since: now, until: now + openFor, cause }
  enter(self, next, now, { cause, openFor })
}

/** @internal */
export const trip = (self: Mutable, verdict: Evidence.Verdict, now: number): void => open(self, because(self, verdict), now)

/** @internal */
export const tripBy = (self: Mutable, outcome: Outcome.Trip, now: number): void => {
  noteFailure(self, outcome, now)
  const openFor = outcome.openFor === undefined ? self.rules.tripDuration : Duration.toMillis(outcome.openFor)
  open(self, because(self, { rule: "trip" }), now, undefined, openFor)
}

/** @internal */
export const noteFailure = (self: Mutable, outcome: Outcome.Failure | Outcome.Trip, now: number): void => {
  self.failures++
  self.lastFailure = { at: now, kind: outcome.kind, message: outcome.message }
  if (outcome._tag === "Failure" && outcome.retryAfter !== undefined) {
    const hint = Math.min(Duration.toMillis(outcome.retryAfter), self.rules.maxRetryAfter)
    self.hintUntil = Math.max(self.hintUntil, now + hint)
  }
}

/** @internal */
export const isShut = (self: Mutable, now: number): boolean => {
  if (self.gateUntil === Number.NEGATIVE_INFINITY) return false
  if (now < self.gateUntil) return true
  self.gateUntil = Number.NEGATIVE_INFINITY
  return false
}

/** @internal */
export const throttle = (self: Mutable, outcome: Outcome.Throttled, now: number): void => {
  self.throttled++
  const pause = outcome.retryAfter === undefined ? self.rules.throttleDuration : Duration.toMillis(outcome.retryAfter)
  if (!isShut(self, now)) self.gateSince = now
  if (now + pause <= self.gateUntil) return
  self.gateUntil = now + pause
  const { kind, message } = outcome
  self.gateCause = because(self, { rule: "throttled", value: pause, failure: { at: now, kind, message } })
}

/** @internal Calls that have been running for too long are evidence before they come home. */
export const overdue = (self: Mutable, evidence: Evidence.Evidence, now: number): boolean => {
  if (self.rules.plan.slowAfter === Number.POSITIVE_INFINITY) return false
  const verdict = evidence.look(now)
  if (verdict === undefined) return false
  trip(self, verdict, now)
  return true
}

/** @internal */
export const failProbe = (self: Mutable, state: Probing, kind: "lease" | "slow" | undefined, now: number): boolean => {
  const { lease, outOf, plan, successes } = self.rules
  if (kind !== undefined) {
    const limit = kind === "lease" ? `had not settled within its lease of ${lease} ms` : `took over ${plan.slowAfter} ms`
    self.lastFailure = { at: now, kind, message: `A probe ${limit}` }
  }
  if (++state.failed <= outOf - successes) return false
  open(self, because(self, { rule: "probes", value: state.failed, limit: outOf - successes + 1, calls: outOf }), now)
  return true
}

/** @internal */
export const pass = (self: Mutable, state: Probing, now: number): void => {
  const { plan, ramp } = self.rules
  const generation = state.generation + 1
  if (ramp === undefined) return enter(self, closed(now, generation), now)
  const ramping: Ramping = {
    _tag: "HalfOpen",
    stage: "Ramping",
    generation,
    since: now,
    cause: state.cause,
    evidence: new Evidence.Evidence(plan, now),
    step: 0,
    stepSince: now,
    asked: 0,
    admitted: 0,
    succeeded: 0
  }
  enter(self, ramping, now, { cause: state.cause, share: ramp.shares[0] })
}

/** @internal The next step of the ramp, or the end of it, when this one is done. Tells whether the circuit closed. */
export const climb = (self: Mutable, state: Ramping, now: number): boolean => {
  const { every, minimumCalls, shares } = self.rules.ramp!
  if (now - state.stepSince < every || state.succeeded < minimumCalls) return false
  if (state.step === shares.length - 1) {
    enter(self, closed(now, state.generation + 1), now)
    return true
  }
  state.step++
  state.stepSince = now
  state.asked = state.admitted = state.succeeded = 0
  tell(self, "HalfOpen", now, { cause: state.cause, share: shares[state.step] })
  return false
}
