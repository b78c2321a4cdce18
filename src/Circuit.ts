/**
 * The machine: what a circuit does with an ask, a settle and a command, given the time.
 *
 * ```text
 *              the trip policy, or a Trip outcome               open time over, and a call asks
 *   Closed ───────────────────────────────────────────► Open ───────────────────────────────────► HalfOpen: Probing
 *     ▲                                                   ▲                                        │      │      │
 *     │                                                   ├──────────── probes failed ─────────────┘      │      │
 *     │                                                   │                                               │      │
 *     │                                                   └── the trip policy ── HalfOpen: Ramping ◄──────┘      │
 *     │                                                                             │      probes passed, ramp   │
 *     ├──────────────────────────── last step passed ───────────────────────────────┘                            │
 *     └──────────────────────────── probes passed, no ramp ──────────────────────────────────────────────────────┘
 *   any ── isolate ──► Isolated ── release ──► Closed
 * ```
 *
 * There is no Effect, no clock and no randomness in here. Time comes in as `now`, in milliseconds of any clock that does
 * not step back; how long an opening lasts comes from the rules; and every transition is told to `notify` as it happens.
 * The service, the shared store, the replay tool and the laws all run this one machine.
 *
 * A circuit is changed in place. Its state is one value in a cell, replaced whole at each transition, so that what a
 * period has gathered ends with the period. Nothing but an ask, a settle or a command moves it: reading never does.
 *
 * @since 0.1.0
 */
import * as Evidence from "./Evidence.ts"
import * as Move from "./Move.ts"
import type * as Outcome from "./Outcome.ts"
import type { Rules } from "./Rules.ts"
import type { Cause, Circuit, Counts, Host, LastFailure, Mode, Mutable, Probing, State } from "./State.ts"
import { closed, OBSERVED, Permit, Refusal } from "./State.ts"

export { type HalfOpenOptions, type Options, type RampOptions, type Rules, rules } from "./Rules.ts"
export {
  type Cause,
  type Circuit,
  type Closed,
  closed,
  type Counts,
  type Host,
  type Isolated,
  type LastFailure,
  type Mode,
  type Open,
  Permit,
  type Probing,
  type Ramping,
  Refusal,
  type State,
  type Transition
} from "./State.ts"

/**
 * Makes a closed circuit.
 *
 * **Details**
 *
 * It begins closed, in mode `enforce`, unless the host brings a state cell or a mode.
 *
 * **Example** (Two failures, and a minute later a probe)
 *
 * ```ts
 * import { Circuit, Outcome, TripPolicy } from "effect-breaker"
 *
 * const circuit = Circuit.make(Circuit.rules({ tripPolicy: TripPolicy.consecutive(2), openDuration: "1 minute" }), 0)
 * const call = (outcome: Outcome.Outcome, now: number) => {
 *   const answer = Circuit.admit(circuit, now)
 *   if (answer instanceof Circuit.Refusal) return `refused: ${answer.reason}, ${answer.retryAfter} ms`
 *   Circuit.settle(circuit, answer, outcome, now)
 *   return Circuit.snapshot(circuit, now).state
 * }
 *
 * console.log(call(Outcome.failure(), 0)) // => "Closed"
 * console.log(call(Outcome.failure(), 0)) // => "Open"
 * console.log(call(Outcome.success, 59_999)) // => "refused: Open, 1 ms"
 * console.log(call(Outcome.success, 60_000)) // => "HalfOpen"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  rules: Rules,
  now: number,
  host: Host & { readonly cell?: { current: State } | undefined; readonly mode?: Mode | undefined } = {}
): Circuit => ({
  rules,
  cell: host.cell ?? { current: closed(now) },
  mode: host.mode ?? "enforce",
  counts: {
    successes: 0,
    failures: 0,
    ignored: 0,
    throttled: 0,
    slow: 0,
    rejected: 0,
    wouldReject: 0,
    inFlight: 0
  },
  lastFailure: undefined,
  openings: 0,
  lastOpenFor: 0,
  hintUntil: -Infinity,
  gateUntil: -Infinity,
  gateSince: 0,
  gateCause: undefined,
  madeAt: now,
  downFor: 0,
  host
})

/**
 * Tells whether the next ask, or a success, reads the time.
 *
 * **Details**
 *
 * A closed circuit under a policy of mere counts does not, while it has no failure to judge. While this is false the
 * machine makes nothing of `now`, so a caller may spare itself the look at the clock.
 *
 * @category asking
 * @since 0.1.0
 */
export const readsTime = (circuit: Circuit): boolean => {
  const { cell: { current }, gateUntil, rules } = circuit
  return rules.plan.timed || gateUntil !== -Infinity || current._tag !== "Closed" ||
    (current.evidence !== undefined && current.evidence.isSuspicious())
}

/**
 * Tells whether the next ask is refused for certain: it gets no permit, and nothing but a count changes.
 *
 * @category asking
 * @since 0.1.0
 */
export const isRefusing = (circuit: Circuit, now: number): boolean => {
  const { cell: { current }, mode } = circuit
  return mode === "enforce" && (current._tag === "Isolated" || (current._tag === "Open" && now < current.until))
}

/**
 * Asks for leave to make a call.
 *
 * **Details**
 *
 * `permit` is a fresh one to make use of, for a caller that keeps more of a call than the machine does.
 *
 * @category asking
 * @since 0.1.0
 */
export const admit = (circuit: Circuit, now: number, permit = new Permit()): Permit | Refusal => {
  const self = circuit as Mutable
  const { cell: { current: state }, rules } = self
  if (self.mode === "off") return permit
  if (state._tag === "Isolated") return refuse(self, state, permit, "Isolated", Infinity)
  if (state._tag === "Open") {
    if (now < state.until) return refuse(self, state, permit, "Open", Math.max(state.until, self.gateUntil) - now)
    if (Move.isShut(self, now)) return refuse(self, state, permit, "Throttled", self.gateUntil - now)
    const { cause, generation } = state
    Move.enter(self, now, {
      _tag: "HalfOpen",
      stage: "Probing",
      generation: generation + 1,
      since: now,
      cause,
      running: [],
      passed: 0,
      failed: 0
    })
    return admit(circuit, now, permit)
  }
  if ((state._tag === "HalfOpen" || rules.plan.slowMemories !== 0) && Move.catchUp(self, now, state)) {
    return admit(circuit, now, permit)
  }
  if (self.gateUntil !== -Infinity && Move.isShut(self, now)) {
    return refuse(self, state, permit, "Throttled", self.gateUntil - now)
  }
  if (state._tag === "HalfOpen") {
    const full = state.stage === "Probing"
      ? state.running.length >= rules.concurrency
      // Evenly spread and without chance: of the first k asks, the share of k rounded up are admitted.
      : state.admitted >= ++state.asked * Move.shareOf(self)!
    if (full) return refuse(self, state, permit, "HalfOpen", HALF_OPEN_HINT)
  }
  self.counts.inFlight++
  permit.settled = false
  permit.generation = state.generation
  permit.startedAt = now
  if (state._tag === "Closed") (state.evidence ??= new Evidence.Evidence(rules.plan, now)).admit(permit)
  else if (state.stage === "Probing") state.running.push(permit)
  else {
    permit.step = state.step
    state.admitted++
    state.evidence.admit(permit)
  }
  return permit
}

/**
 * Settles a permit with what its call said. Only the first settle counts, and only within the permit's own period.
 *
 * @category settling
 * @since 0.1.0
 */
export const settle = (circuit: Circuit, permit: Permit, outcome: Outcome.Outcome, now: number): void => {
  const self = circuit as Mutable
  if (permit.settled) return
  permit.settled = true
  const { counts } = self
  counts.inFlight--
  const state = self.cell.current
  if (permit.generation !== state.generation || state._tag === "Open" || state._tag === "Isolated") {
    return Evidence.unlink(permit)
  }
  if (state._tag === "HalfOpen" && state.stage === "Probing") return settleProbe(self, state, permit, outcome, now)
  const evidence = state.evidence!
  if (self.mode === "off") return evidence.ignore(permit, now)
  if (outcome._tag === "Success" || outcome._tag === "Failure") {
    if (outcome._tag === "Failure") Move.noteFailure(self, now, outcome)
    else counts.successes++
    const verdict = evidence.settle(permit, outcome._tag === "Failure", now)
    if (verdict !== undefined) return Move.judge(self, now, verdict)
    if (state._tag === "HalfOpen" && outcome._tag === "Success" && permit.step === state.step) state.succeeded++
    if (state._tag === "HalfOpen" || self.rules.plan.slowMemories !== 0) Move.catchUp(self, now, state)
    return
  }
  evidence.ignore(permit, now)
  sayNothing(self, outcome, now)
}

/**
 * What an operator can order.
 *
 * @category models
 * @since 0.1.0
 */
export type Command =
  | { readonly _tag: "Isolate"; readonly note?: string | undefined }
  | { readonly _tag: "Release" }
  | { readonly _tag: "Reset" }
  | { readonly _tag: "Trip"; readonly openFor?: number | undefined; readonly note?: string | undefined }
  | { readonly _tag: "SetMode"; readonly mode: Mode }

/**
 * Carries out an operator's order.
 *
 * @category commanding
 * @since 0.1.0
 */
export const command = (circuit: Circuit, order: Command, now: number): void => {
  const self = circuit as Mutable
  const state = self.cell.current
  const generation = state.generation + 1
  const isolated = state._tag === "Isolated"
  // A backoff that was over is not brought back by what comes now.
  self.openings = Move.openings(self, now)
  if (order._tag === "SetMode") self.mode = order.mode
  else if (order._tag === "Isolate") {
    const cause = Move.because(self, { rule: "isolated", note: order.note })
    if (isolated) self.cell.current = { ...state, cause }
    else Move.enter(self, now, { _tag: "Isolated", generation, since: now, cause })
  } else if (order._tag === "Trip") {
    const cause = Move.because(self, { rule: "manual", note: order.note })
    if (!isolated) Move.open(self, now, cause, 0, order.openFor ?? self.rules.tripDuration)
  } else if (order._tag === "Reset" || isolated) {
    if (order._tag === "Reset") {
      self.openings = 0
      self.gateUntil = -Infinity
    }
    Move.enter(self, now, closed(now, generation))
  }
}

/**
 * What there is to say about a circuit, as plain data. Times are those of the machine, durations milliseconds.
 *
 * @category reading
 * @since 0.1.0
 */
export interface Snapshot extends Counts {
  readonly state: State["_tag"]
  readonly stage: "Probing" | "Ramping" | undefined
  readonly share: number | undefined
  readonly mode: Mode
  readonly generation: number
  readonly since: number
  readonly retryAfter: number
  readonly cause: Cause | undefined
  readonly openings: number
  readonly uptimePercentage: number
  readonly lastFailure: LastFailure | undefined
  readonly window: { readonly calls: number; readonly failureRate: number; readonly slowRate: number }
}

/**
 * Reads a circuit, and moves nothing.
 *
 * **Details**
 *
 * An open circuit whose time is over, and which nobody has asked since, still reads `Open`, with `retryAfter` zero.
 *
 * @category reading
 * @since 0.1.0
 */
export const snapshot = (circuit: Circuit, now: number): Snapshot => {
  const { cell: { current: state }, counts, downFor, gateCause, gateUntil, lastFailure, madeAt, mode } = circuit
  const { _tag, generation, since } = state
  const evidence = Move.evidenceOf(state)
  const isDown = Move.isDown(state)
  const down = downFor + (isDown ? now - since : 0)
  return {
    ...counts,
    slow: counts.slow + (evidence?.slow ?? 0),
    state: _tag,
    stage: _tag === "HalfOpen" ? state.stage : undefined,
    share: Move.shareOf(circuit),
    mode,
    generation,
    since,
    retryAfter: _tag === "Isolated" ? Infinity : Math.max(_tag === "Open" ? state.until - now : 0, gateUntil - now, 0),
    cause: state.cause ?? (gateUntil > now ? gateCause : undefined),
    openings: Move.openings(circuit, now),
    uptimePercentage: now > madeAt ? 100 * (1 - Math.min(Math.max(down / (now - madeAt), 0), 1)) : isDown ? 0 : 100,
    lastFailure,
    window: evidence?.tally(now) ?? { calls: 0, failureRate: 0, slowRate: 0 }
  }
}

// ---------------------------------------------------------------------------------------------------------------------

// Nobody can say when a probe comes back: a short hint keeps a retry loop from spinning.
const HALF_OPEN_HINT = 1000

const refuse = (
  self: Mutable,
  state: State,
  permit: Permit,
  reason: Refusal["reason"],
  retryAfter: number
): Permit | Refusal => {
  if (self.mode === "observe") {
    self.counts.wouldReject++
    self.counts.inFlight++
    permit.settled = false
    permit.generation = OBSERVED
    return permit
  }
  self.counts.rejected++
  return reason === "Throttled"
    ? new Refusal(reason, retryAfter, self.gateSince, state.generation, self.gateCause!)
    : new Refusal(reason, retryAfter, state.since, state.generation, state.cause!)
}

const settleProbe = (self: Mutable, state: Probing, permit: Permit, outcome: Outcome.Outcome, now: number): void => {
  const { lease, plan: { slowAfter } } = self.rules
  const at = state.running.indexOf(permit)
  const ran = now - permit.startedAt
  // Past its lease it has failed, whatever it says now: the next ask will find it.
  if (at < 0 || ran >= lease) return
  state.running.splice(at, 1)
  if (self.mode === "off") return
  if (outcome._tag !== "Success" && outcome._tag !== "Failure") return sayNothing(self, outcome, now)
  const slow = ran > slowAfter
  if (slow) self.counts.slow++
  if (outcome._tag === "Failure") Move.noteFailure(self, now, outcome)
  else self.counts.successes++
  if (outcome._tag === "Success" && !slow) Move.passProbe(self, now, state)
  else Move.failProbe(self, now, state, outcome._tag === "Success" ? `took over ${slowAfter} ms` : undefined)
}

// What has no vote: it counts for nothing, asks for a pause, or overrules the vote.
const sayNothing = (
  self: Mutable,
  outcome: Outcome.Ignored | Outcome.Throttled | Outcome.Trip,
  now: number
): void => {
  if (outcome._tag === "Ignored") self.counts.ignored++
  else if (outcome._tag === "Throttled") Move.throttle(self, now, outcome)
  else Move.trip(self, now, outcome)
}
