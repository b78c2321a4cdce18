/**
 * The moves of the machine: how a circuit gets from one state to the next, and what it takes along.
 *
 * `Circuit` decides when; here is what happens then.
 *
 * @since 0.1.0
 */
import * as Evidence from "./Evidence.ts"
import { toMillis } from "./internal/Setting.ts"
import type * as Outcome from "./Outcome.ts"
import type { Rules } from "./Rules.ts"
import type { Cause, Circuit, Isolated, LastFailure, Mutable, Open, Probing, Ramping, State } from "./State.ts"
import { closed } from "./State.ts"

/** @internal Takes a circuit into its next state. */
export const enter = (self: Mutable, now: number, next: State, openFor?: number): void => {
  const last = self.cell.current
  if (isDown(last)) self.downFor += Math.max(now - last.since, 0)
  self.counts.slow += last.evidence?.slow ?? 0
  self.hintUntil = -Infinity
  self.cell.current = next
  tell(self, now, last, openFor)
}

const tell = (self: Mutable, at: number, { _tag: from }: State, openFor?: number): void => {
  const { _tag: to, cause, generation } = self.cell.current
  self.notify?.({ from, to, generation, at, cause, openFor, share: shareOf(self) })
}

/** @internal */
export const isDown = ({ _tag }: State): boolean => _tag === "Open" || _tag === "Isolated"

/** @internal How long until asking may help, as far as that is known: until what is shut by time is open. */
export const rest = ({ cell: { current: state }, gateUntil }: Circuit, now: number): number => {
  const until = (at: State): number =>
    at._tag === "Open" ? at.until : at._tag === "Isolated" ? Math.max(at.until, until(at.interrupted)) : -Infinity
  return Math.max(until(state), gateUntil, now) - now
}

/** @internal The share of calls that the ramp lets through, while there is one. */
export const shareOf = ({ cell: { current }, rules }: Circuit): number | undefined =>
  current._tag === "HalfOpen" && current.stage === "Ramping" ? rules.ramp!.shares[current.step] : undefined

/** @internal The openings in a row: a close does not end the row until it has lasted as long as the last opening did. */
export const openings = ({ cell: { current }, lastOpenFor, openings }: Circuit, now: number): number =>
  current._tag === "Closed" && now - current.since >= lastOpenFor ? 0 : openings

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
export const open = (
  self: Mutable,
  now: number,
  cause: Parameters<typeof because>[1],
  atLeast?: number,
  exactly?: number
): void => {
  const { _tag, generation } = self.cell.current
  // Opened again by hand while it is open: still the same opening to the backoff.
  self.openings = openings(self, now) + (_tag === "Open" ? 0 : 1)
  const firm = Math.max(self.hintUntil, now + (exactly ?? atLeast ?? 0))
  const openFor = self.lastOpenFor = exactly ??
    Math.max(atLeast ?? self.rules.openDuration(self.openings), self.hintUntil - now) *
      (1 + self.rules.jitter * (self.random?.() ?? 0))
  const why = because(self, cause)
  enter(
    self,
    now,
    { _tag: "Open", generation: generation + 1, since: now, until: now + openFor, firm, cause: why },
    openFor
  )
}

const failureOf = (at: number, { kind, message }: Outcome.Failure | Outcome.Throttled | Outcome.Trip): LastFailure => ({
  at,
  kind: text(kind),
  message: text(message)
})

/** @internal */
export const noteFailure = (self: Mutable, now: number, outcome: Outcome.Failure | Outcome.Trip): void => {
  self.counts.failures++
  self.lastFailure = failureOf(now, outcome)
  if (outcome._tag === "Failure" && outcome.retryAfter !== undefined) {
    const hint = Math.min(toMillis(outcome.retryAfter), self.rules.maxRetryAfter)
    self.hintUntil = Math.max(self.hintUntil, now + hint)
  }
}

/** @internal What has no vote: it counts for nothing, asks for a pause, or overrules the vote. */
export const abstain = (
  self: Mutable,
  outcome: Outcome.Ignored | Outcome.Throttled | Outcome.Trip,
  now: number
): void => {
  const { counts, rules } = self
  if (outcome._tag === "Ignored") counts.ignored++
  else if (outcome._tag === "Trip") {
    noteFailure(self, now, outcome)
    open(self, now, { rule: "trip" }, outcome.openFor ? toMillis(outcome.openFor) : rules.tripDuration)
  } else {
    const value = outcome.retryAfter ? toMillis(outcome.retryAfter) : rules.throttleDuration
    counts.throttled++
    if (now >= self.gateUntil) self.gateSince = now
    if (now + value <= self.gateUntil) return
    self.gateUntil = now + value
    self.gateCause = because(self, { rule: "throttled", value, failure: failureOf(now, outcome) })
    self.paused?.(self.gateCause, now)
  }
}

// What a classifier takes from an error it does not know may be anything: a status, say.
const text = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" ? `${value}` : undefined

/** @internal What time alone has brought about, seen now that somebody asks or settles. */
export const catchUp = (self: Mutable, now: number): void => {
  const state = self.cell.current
  if (state._tag === "Isolated") {
    if (now < state.until) return
    const next = afterwards(state, now, self.rules)
    return enter(self, now, next, next._tag === "Open" ? Math.max(next.until - now, 0) : undefined)
  }
  if (state._tag === "HalfOpen") {
    if (state.stage === "Probing") return lapse(self, now, state)
    if (climb(self, now, state)) return
  }
  judge(self, now, state.evidence?.look(now))
}

/** @internal */
export const judge = (self: Mutable, now: number, verdict: Evidence.Verdict | undefined): void => {
  if (verdict !== undefined) open(self, now, verdict)
}

/** @internal What an isolation goes on with once it is over: what was gathered is gone, what was decided stays. */
export const afterwards = ({ generation, interrupted }: Isolated, now: number, { plan }: Rules): State => {
  const next = { ...interrupted, generation: generation + 1, since: now }
  if (next._tag === "Closed") return closed(now, next.generation)
  if (next._tag === "Open") return next
  if (next.stage === "Probing") return { ...next, running: [], passed: 0, failed: 0 }
  return { ...next, ...stepOf(now), evidence: new Evidence.Evidence(plan, now) }
}

// What a step of the ramp begins with.
const stepOf = (now: number, admitted = 0) => ({ stepSince: now, asked: 0, admitted, succeeded: 0, failed: 0 })

/** @internal The opening is over, and somebody asks. */
export const probe = (self: Mutable, now: number, { cause, generation }: Open): void =>
  enter(self, now, {
    _tag: "HalfOpen",
    stage: "Probing",
    generation: generation + 1,
    since: now,
    cause,
    running: [],
    passed: 0,
    failed: 0
  })

// Probes that ran out of their lease, or are slow already, have failed.
const lapse = (self: Mutable, now: number, state: Probing): void => {
  const { lease, plan: { slowAfter } } = self.rules
  for (const permit of state.running.slice()) {
    const ran = now - permit.startedAt
    const hangs = (permit.answeredAt ?? now) - permit.startedAt > slowAfter
    if (self.cell.current !== state || (ran < lease && !hangs)) continue
    state.running.splice(state.running.indexOf(permit), 1)
    if (hangs) self.counts.slow++
    failProbe(self, now, state, ran < lease ? `took over ${slowAfter} ms` : `outlived its lease of ${lease} ms`)
  }
}

/** @internal One more probe failed, because it `why`, where it did not say so itself. */
export const failProbe = (self: Mutable, now: number, state: Probing, why?: string): void => {
  const { outOf: calls, successes } = self.rules
  const limit = calls - successes + 1
  if (why !== undefined) self.lastFailure = { at: now, kind: "probe", message: `A probe ${why}` }
  self.meter?.probed(false)
  if (++state.failed >= limit) open(self, now, { rule: "probes", value: state.failed, limit, calls })
}

/** @internal One more probe succeeded: after the last comes the ramp, if there is one. */
export const passProbe = (self: Mutable, now: number, state: Probing): void => {
  const { plan, ramp, successes } = self.rules
  self.meter?.probed(true)
  if (++state.passed < successes) return
  const next = closed(now, state.generation + 1)
  if (ramp === undefined) return enter(self, now, next)
  enter(self, now, {
    ...next,
    _tag: "HalfOpen",
    stage: "Ramping",
    cause: state.cause,
    evidence: new Evidence.Evidence(plan, now),
    step: 0,
    ...stepOf(now),
    backs: 0,
    base: 0
  })
}

// The next step of the ramp, or the one before, or the end of it, when this one is done. Tells whether the circuit closed.
const climb = (self: Mutable, now: number, state: Ramping): boolean => {
  const { every, minimumCalls, shares, tolerance } = self.rules.ramp!
  const { step } = state
  // Of the calls that were admitted: failures come home first, and those that run are not failed yet. One more may be chance.
  const calls = Math.max(state.admitted, minimumCalls)
  const isTooMuch = step > 0 && state.failed - 1 > (tolerance + state.base) * calls
  const lasts = isTooMuch ? every : every * (1 + Math.min(state.backs, 4))
  if (now - state.stepSince < lasts || (state.succeeded < minimumCalls && !isTooMuch)) return false
  if (step === 0) state.base = state.failed / calls
  if (isTooMuch) state.backs++
  state.step += isTooMuch ? -1 : 1
  if (state.step === shares.length) {
    enter(self, now, closed(now, state.generation + 1))
    return true
  }
  // Many short steps that let each its first call through would let in more than their shares.
  const ahead = tolerance < Infinity ? Math.max(state.admitted - state.asked * shares[step]!, 0) : 0
  Object.assign(state, stepOf(now, ahead))
  tell(self, now, state)
  return false
}
