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
import type { Cause, Circuit, LastFailure, Mode, Mutable, Probing, Ramping, State, Transition } from "./State.ts"
import { closed, OBSERVED, Permit, Refusal, UNCOUNTED } from "./State.ts"

export { type HalfOpenOptions, type Options, type RampOptions, type Rules, rules } from "./Rules.ts"
export {
  type Cause,
  type Circuit,
  type Closed,
  closed,
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
 * `random` gives numbers from 0 to 1 for the jitter of openings (default: none). `notify` is told of each transition.
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
export const make = (rules: Rules, now: number, options?: {
  readonly cell?: { current: State } | undefined
  readonly mode?: Mode | undefined
  readonly random?: (() => number) | undefined
  readonly notify?: ((transition: Transition) => void) | undefined
}): Circuit => ({
  rules,
  cell: options?.cell ?? { current: closed(now) },
  mode: options?.mode ?? "enforce",
  successes: 0,
  failures: 0,
  ignored: 0,
  throttled: 0,
  rejected: 0,
  wouldReject: 0,
  inFlight: 0,
  slow: 0,
  lastFailure: undefined,
  openings: 0,
  lastOpenFor: 0,
  hintUntil: Number.NEGATIVE_INFINITY,
  gateUntil: Number.NEGATIVE_INFINITY,
  gateSince: 0,
  gateCause: undefined,
  madeAt: now,
  downFor: 0,
  random: options?.random ?? (() => 0),
  notify: options?.notify
})

/**
 * Tells whether the next ask, or a success, reads the time.
 *
 * **Details**
 *
 * A closed circuit under a policy of mere counts does not. While this is false the machine makes nothing of `now`, so a
 * caller may spare itself the look at the clock.
 *
 * @category asking
 * @since 0.1.0
 */
export const readsTime = (circuit: Circuit): boolean =>
  circuit.rules.plan.timed || circuit.cell.current._tag !== "Closed" ||
  circuit.gateUntil !== Number.NEGATIVE_INFINITY

/**
 * Asks for leave to make a call.
 *
 * @category asking
 * @since 0.1.0
 */
export const admit = (circuit: Circuit, now: number): Permit | Refusal => {
  const self = circuit as Mutable
  if (self.mode === "off") return new Permit(UNCOUNTED, now)
  const state = self.cell.current
  switch (state._tag) {
    case "Closed": {
      const evidence = state.evidence ??= new Evidence.Evidence(self.rules.plan, now)
      if (Move.overdue(self, evidence, now)) return admit(circuit, now)
      if (Move.isShut(self, now)) return refuseThrottled(self, now)
      const permit = grant(self, state.generation, now)
      evidence.admit(permit)
      return permit
    }
    case "Open": {
      const left = state.until - now
      if (left > 0) return refuse(self, "Open", Math.max(left, self.gateUntil - now), state.since, state.cause, now)
      if (Move.isShut(self, now)) return refuseThrottled(self, now)
      const probing: Probing = {
        _tag: "HalfOpen",
        stage: "Probing",
        generation: state.generation + 1,
        since: now,
        cause: state.cause,
        running: [],
        passed: 0,
        failed: 0
      }
      Move.enter(self, probing, now, { cause: state.cause })
      return admit(circuit, now)
    }
    case "HalfOpen": {
      if (state.stage === "Ramping") return admitRamping(self, state, now)
      if (lapsed(self, state, now)) return admit(circuit, now)
      if (Move.isShut(self, now)) return refuseThrottled(self, now)
      if (state.running.length >= self.rules.concurrency) return refuseHalfOpen(self, state, now)
      const permit = grant(self, state.generation, now)
      state.running.push(permit)
      return permit
    }
    case "Isolated":
      return refuse(self, "Isolated", Number.POSITIVE_INFINITY, state.since, state.cause, now)
  }
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
  if (permit.generation === UNCOUNTED) return
  self.inFlight--
  const state = self.cell.current
  if (permit.generation !== state.generation) return
  if (state._tag === "HalfOpen" && state.stage === "Probing") return settleProbe(self, state, permit, outcome, now)
  if (state._tag !== "Closed" && state._tag !== "HalfOpen") return
  const evidence = state.evidence!
  if (self.mode === "off") return evidence.ignore(permit, now)
  switch (outcome._tag) {
    case "Success":
    case "Failure": {
      const failed = outcome._tag === "Failure"
      if (failed) Move.noteFailure(self, outcome, now)
      else self.successes++
      const verdict = evidence.settle(permit, failed, now)
      if (verdict !== undefined) return Move.trip(self, verdict, now)
      if (Move.overdue(self, evidence, now)) return
      if (state._tag === "HalfOpen") {
        if (!failed && permit.step === state.step) state.succeeded++
        Move.climb(self, state, now)
      }
      return
    }
    case "Ignored":
      self.ignored++
      return evidence.ignore(permit, now)
    case "Throttled":
      evidence.ignore(permit, now)
      return Move.throttle(self, outcome, now)
    case "Trip":
      evidence.ignore(permit, now)
      return Move.tripBy(self, outcome, now)
  }
}

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
  switch (order._tag) {
    case "Isolate": {
      const cause = Move.because(self, { rule: "isolated", note: order.note })
      if (state._tag === "Isolated") {
        self.cell.current = { ...state, cause }
        return
      }
      return Move.enter(self, { _tag: "Isolated", generation, since: now, cause }, now, { cause })
    }
    case "Release":
      if (state._tag === "Isolated") Move.enter(self, closed(now, generation), now)
      return
    case "Reset":
      self.openings = 0
      self.gateUntil = Number.NEGATIVE_INFINITY
      return Move.enter(self, closed(now, generation), now)
    case "Trip":
      if (state._tag === "Isolated") return
      return Move.open(self, Move.because(self, { rule: "manual", note: order.note }), now, order.openFor ?? self.rules.tripDuration)
    case "SetMode":
      self.mode = order.mode
      return
  }
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
 * What there is to say about a circuit, as plain data. Times are those of the machine, durations milliseconds.
 *
 * @category reading
 * @since 0.1.0
 */
export interface Snapshot {
  readonly state: State["_tag"]
  readonly stage: "Probing" | "Ramping" | undefined
  readonly share: number | undefined
  readonly mode: Mode
  readonly generation: number
  readonly since: number
  readonly retryAfter: number
  readonly cause: Cause | undefined
  readonly successes: number
  readonly failures: number
  readonly ignored: number
  readonly throttled: number
  readonly slow: number
  readonly rejected: number
  readonly wouldReject: number
  readonly inFlight: number
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
  const state = circuit.cell.current
  const evidence = Move.evidenceOf(state)
  const life = now - circuit.madeAt
  const down = circuit.downFor + (Move.isDown(state) ? now - state.since : 0)
  return {
    state: state._tag,
    stage: state._tag === "HalfOpen" ? state.stage : undefined,
    share: state._tag === "HalfOpen" && state.stage === "Ramping" ? circuit.rules.ramp!.shares[state.step] : undefined,
    mode: circuit.mode,
    generation: state.generation,
    since: state.since,
    retryAfter: retryAfter(circuit, now),
    cause: state._tag === "Closed" ? (circuit.gateUntil > now ? circuit.gateCause : undefined) : state.cause,
    successes: circuit.successes,
    failures: circuit.failures,
    ignored: circuit.ignored,
    throttled: circuit.throttled,
    slow: circuit.slow + (evidence?.slow ?? 0),
    rejected: circuit.rejected,
    wouldReject: circuit.wouldReject,
    inFlight: circuit.inFlight,
    openings: Move.openings(circuit, now),
    uptimePercentage: life > 0 ? 100 * (1 - Math.min(Math.max(down / life, 0), 1)) : Move.isDown(state) ? 0 : 100,
    lastFailure: circuit.lastFailure,
    window: evidence?.tally(now) ?? { calls: 0, failureRate: 0, slowRate: 0 }
  }
}

/**
 * How long until asking may help, in milliseconds: zero when it may now.
 *
 * @category reading
 * @since 0.1.0
 */
export const retryAfter = (circuit: Circuit, now: number): number => {
  const state = circuit.cell.current
  if (state._tag === "Isolated") return Number.POSITIVE_INFINITY
  return Math.max(state._tag === "Open" ? state.until - now : 0, circuit.gateUntil - now, 0)
}

// ---------------------------------------------------------------------------------------------------------------------

const grant = (self: Mutable, generation: number, now: number): Permit => {
  self.inFlight++
  return new Permit(generation, now)
}

const refuse = (
  self: Mutable,
  reason: Refusal["reason"],
  wait: number,
  since: number,
  cause: Cause,
  now: number
): Permit | Refusal => {
  if (self.mode === "observe") {
    self.wouldReject++
    return grant(self, OBSERVED, now)
  }
  self.rejected++
  return new Refusal(reason, wait, since, self.cell.current.generation, cause)
}

// Nobody can say when a probe comes back: a short hint keeps a retry loop from spinning.
const HALF_OPEN_HINT = 1000

const refuseHalfOpen = (self: Mutable, state: Probing | Ramping, now: number): Permit | Refusal =>
  refuse(self, "HalfOpen", HALF_OPEN_HINT, state.since, state.cause, now)

const refuseThrottled = (self: Mutable, now: number): Permit | Refusal =>
  refuse(self, "Throttled", self.gateUntil - now, self.gateSince, self.gateCause!, now)

// Probes that ran out of their lease, or are slow already, have failed. Tells whether that reopened the circuit.
const lapsed = (self: Mutable, state: Probing, now: number): boolean => {
  const { lease, plan } = self.rules
  for (let i = 0; i < state.running.length;) {
    const ran = now - state.running[i]!.startedAt
    if (ran < lease && ran <= plan.slowAfter) {
      i++
      continue
    }
    state.running.splice(i, 1)
    if (ran > plan.slowAfter) self.slow++
    if (Move.failProbe(self, state, ran < lease ? "slow" : "lease", now)) return true
  }
  return false
}

const settleProbe = (self: Mutable, state: Probing, permit: Permit, outcome: Outcome.Outcome, now: number): void => {
  const at = state.running.indexOf(permit)
  const ran = now - permit.startedAt
  // Past its lease it has failed, whatever it says now: the next ask will find it.
  if (at < 0 || ran >= self.rules.lease) return
  state.running.splice(at, 1)
  if (self.mode === "off") return
  const slow = ran > self.rules.plan.slowAfter
  if (slow && (outcome._tag === "Success" || outcome._tag === "Failure")) self.slow++
  switch (outcome._tag) {
    case "Success":
      self.successes++
      if (slow) return void Move.failProbe(self, state, "slow", now)
      return ++state.passed >= self.rules.successes ? Move.pass(self, state, now) : undefined
    case "Failure":
      Move.noteFailure(self, outcome, now)
      return void Move.failProbe(self, state, undefined, now)
    case "Ignored":
      self.ignored++
      return
    case "Throttled":
      return Move.throttle(self, outcome, now)
    case "Trip":
      return Move.tripBy(self, outcome, now)
  }
}

const admitRamping = (self: Mutable, state: Ramping, now: number): Permit | Refusal => {
  if (Move.climb(self, state, now) || Move.overdue(self, state.evidence, now)) return admit(self, now)
  if (Move.isShut(self, now)) return refuseThrottled(self, now)
  // Evenly spread and without chance: after k asks, the share of k rounded up have been admitted.
  if (state.admitted >= ++state.asked * self.rules.ramp!.shares[state.step]!) return refuseHalfOpen(self, state, now)
  state.admitted++
  const permit = grant(self, state.generation, now)
  permit.step = state.step
  state.evidence.admit(permit)
  return permit
}

