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
import type { Cause, Circuit, Closed, Mutable, Probing, Ramping, State } from "./State.ts"
import { closed } from "./State.ts"

/** @internal Takes a circuit into its next state. */
export const enter = (self: Mutable, now: number, next: State, openFor?: number): void => {
  const last = self.cell.current
  if (isDown(last)) self.downFor += Math.max(now - last.since, 0)
  self.counts.slow += evidenceOf(last)?.slow ?? 0
  self.hintUntil = -Infinity
  self.cell.current = next
  tell(self, now, last._tag, openFor)
}

const tell = (self: Mutable, at: number, from: State["_tag"], openFor?: number): void => {
  const { _tag: to, cause, generation } = self.cell.current
  self.host.notify?.({ from, to, generation, at, cause, openFor, share: shareOf(self) })
}

/** @internal */
export const evidenceOf = (state: State): Evidence.Evidence | undefined =>
  "evidence" in state ? state.evidence : undefined

/** @internal */
export const isDown = (state: State): boolean => state._tag === "Open" || state._tag === "Isolated"

/** @internal The share of calls that the ramp lets through, while there is one. */
export const shareOf = ({ cell: { current }, rules }: Circuit): number | undefined =>
  current._tag === "HalfOpen" && current.stage === "Ramping" ? rules.ramp!.shares[current.step] : undefined

/** @internal The openings in a row: a close does not end the row until it has lasted as long as the last opening did. */
export const openings = (circuit: Circuit, now: number): number => {
  const state = circuit.cell.current
  return state._tag === "Closed" && now - state.since >= circuit.lastOpenFor ? 0 : circuit.openings
}

/** @internal */
export const because = (self: Mutable, cause: Pick<Cause, "rule"> & Partial<Cause>): Cause => {
  const failure = self.lastFailure
  return {
    value: 0,
    limit: 0,
    calls: 0,
    // A failure of an earlier period has nothing to do with this.
    failure: failure !== undefined && failure.at >= self.cell.current.since ? failure : undefined,
    ...cause,
    note: text(cause.note)
  }
}

/** @internal Opens for `exactly` so long, or by the rules: at least as long as the hints, lengthened by the jitter. */
export const open = (self: Mutable, now: number, cause: Cause, atLeast?: number, exactly?: number): void => {
  const { _tag, generation } = self.cell.current
  // Opened again by hand while it is open: still the same opening to the backoff.
  self.openings = openings(self, now) + (_tag === "Open" ? 0 : 1)
  const openFor = self.lastOpenFor = exactly ??
    Math.max(atLeast ?? self.rules.openDuration(self.openings), self.hintUntil - now) *
      (1 + self.rules.jitter * (self.host.random?.() ?? 0))
  enter(self, now, { _tag: "Open", generation: generation + 1, since: now, until: now + openFor, cause }, openFor)
}

/** @internal */
export const trip = (self: Mutable, now: number, outcome: Outcome.Trip): void => {
  noteFailure(self, now, outcome)
  open(self, now, because(self, { rule: "trip" }), millis(outcome.openFor, self.rules.tripDuration))
}

/** @internal */
export const noteFailure = (self: Mutable, now: number, outcome: Outcome.Failure | Outcome.Trip): void => {
  self.counts.failures++
  self.lastFailure = { at: now, kind: text(outcome.kind), message: text(outcome.message) }
  if (outcome._tag === "Trip" || outcome.retryAfter === undefined) return
  const hint = Math.min(Duration.toMillis(outcome.retryAfter), self.rules.maxRetryAfter)
  self.hintUntil = Math.max(self.hintUntil, now + hint)
}

/** @internal */
export const throttle = (self: Mutable, now: number, { kind, message, retryAfter }: Outcome.Throttled): void => {
  const pause = millis(retryAfter, self.rules.throttleDuration)
  self.counts.throttled++
  if (!isShut(self, now)) self.gateSince = now
  if (now + pause <= self.gateUntil) return
  self.gateUntil = now + pause
  self.gateCause = because(self, {
    rule: "throttled",
    value: pause,
    failure: { at: now, kind: text(kind), message: text(message) }
  })
}

// What a classifier takes from an error it does not know may be anything: a status, say.
const text = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" ? `${value}` : undefined

/** @internal */
export const isShut = (self: Mutable, now: number): boolean => {
  if (now < self.gateUntil) return true
  self.gateUntil = -Infinity
  return false
}

const millis = (duration: Duration.Duration | undefined, otherwise: number): number =>
  duration === undefined ? otherwise : Duration.toMillis(duration)

/** @internal What time alone has brought about, seen now that somebody asks. Tells whether the state is another. */
export const catchUp = (self: Mutable, now: number, state: Closed | Probing | Ramping): boolean => {
  if (state._tag === "HalfOpen" && state.stage === "Probing") lapse(self, now, state)
  else if (!(state._tag === "HalfOpen" && climb(self, now, state))) judge(self, now, state.evidence?.look(now))
  return self.cell.current !== state
}

/** @internal */
export const judge = (self: Mutable, now: number, verdict: Evidence.Verdict | undefined): void => {
  if (verdict !== undefined) open(self, now, because(self, verdict))
}

// Probes that ran out of their lease, or are slow already, have failed.
const lapse = (self: Mutable, now: number, state: Probing): void => {
  const { lease, plan: { slowAfter } } = self.rules
  for (const permit of state.running.slice()) {
    const ran = now - permit.startedAt
    if (self.cell.current !== state || (ran < lease && ran <= slowAfter)) continue
    state.running.splice(state.running.indexOf(permit), 1)
    if (ran > slowAfter) self.counts.slow++
    failProbe(self, now, state, ran < lease ? `took over ${slowAfter} ms` : `outlived its lease of ${lease} ms`)
  }
}

/** @internal One more probe failed, because it `why`, where it did not say so itself. */
export const failProbe = (self: Mutable, now: number, state: Probing, why?: string): void => {
  const { outOf, successes } = self.rules
  const limit = outOf - successes + 1
  if (why !== undefined) self.lastFailure = { at: now, kind: "probe", message: `A probe ${why}` }
  if (++state.failed < limit) return
  open(self, now, because(self, { rule: "probes", value: state.failed, limit, calls: outOf }))
}

/** @internal One more probe succeeded: after the last comes the ramp, if there is one. */
export const passProbe = (self: Mutable, now: number, state: Probing): void => {
  if (++state.passed < self.rules.successes) return
  const generation = state.generation + 1
  if (self.rules.ramp === undefined) return enter(self, now, closed(now, generation))
  enter(self, now, {
    _tag: "HalfOpen",
    stage: "Ramping",
    generation,
    since: now,
    cause: state.cause,
    evidence: new Evidence.Evidence(self.rules.plan, now),
    step: 0,
    stepSince: now,
    asked: 0,
    admitted: 0,
    succeeded: 0
  })
}

/** @internal The next step of the ramp, or the end of it, when this one is done. Tells whether the circuit closed. */
export const climb = (self: Mutable, now: number, state: Ramping): boolean => {
  const { every, minimumCalls, shares } = self.rules.ramp!
  if (now - state.stepSince < every || state.succeeded < minimumCalls) return false
  if (++state.step === shares.length) {
    enter(self, now, closed(now, state.generation + 1))
    return true
  }
  state.stepSince = now
  state.asked = state.admitted = state.succeeded = 0
  tell(self, now, "HalfOpen")
  return false
}
