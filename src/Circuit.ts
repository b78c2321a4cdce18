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
import type { Cause, Closed, Counts, Host, LastFailure, Mode, Mutable, Probing, Ramping, State } from "./State.ts"
import { Circuit, closed, OBSERVED, Permit, Refusal } from "./State.ts"

export { type HalfOpenOptions, type Options, type RampOptions, type Rules, rules } from "./Rules.ts"
export {
  type Cause,
  Circuit,
  type Closed,
  closed,
  type Counts,
  type Figures,
  type Host,
  type Isolated,
  type LastFailure,
  type Meter,
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
  { cell, mode, ...host }: Host & {
    readonly cell?: { current: State } | undefined
    readonly mode?: Mode | undefined
  } = {}
): Circuit => Object.assign(new Circuit(rules, now, mode, cell), host)

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
  return circuit.meter !== undefined || rules.plan.timed || gateUntil !== -Infinity || current._tag !== "Closed" ||
    current.evidence?.isSuspicious() === true
}

/**
 * Tells what an ask would be refused with as the circuit stands, and moves nothing; `undefined` where it would be admitted.
 *
 * **Details**
 *
 * It is what the rules say, whether or not the mode carries it out. What only an ask finds out (a hang, a lease that is
 * over, a ramp's step that is done) it does not know yet.
 *
 * @category asking
 * @since 0.1.0
 */
export const refusal = (circuit: Circuit, now: number): Refusal | undefined => {
  const { cell: { current }, gateCause, gateSince, gateUntil, rules } = circuit
  const state = current._tag === "Isolated" && now >= current.until ? Move.afterwards(current, now, rules) : current
  const { _tag, cause, generation, since } = state
  if (_tag === "Isolated") return new Refusal(_tag, Move.rest(circuit, now), since, generation, cause)
  if (_tag === "Open" && now < state.until) {
    return new Refusal(_tag, Move.rest(circuit, now), since, generation, cause)
  }
  if (now < gateUntil) return new Refusal("Throttled", gateUntil - now, gateSince, generation, gateCause!)
  if (_tag !== "HalfOpen") return undefined
  const full = state.stage === "Probing"
    ? state.running.length >= rules.concurrency
    // Evenly spread and without chance: of a step's first k asks, the share of k rounded up are admitted.
    : state.admitted >= (state.asked + 1) * Move.shareOf(circuit)!
  // Nobody can say when a probe comes back: a short hint keeps a retry loop from spinning.
  return full ? new Refusal(_tag, 1000, since, generation, cause) : undefined
}

/**
 * Asks for leave to make a call.
 *
 * **Details**
 *
 * `maker` makes the permit, for a caller that keeps more of a call than the machine does.
 *
 * @category asking
 * @since 0.1.0
 */
export const admit = (circuit: Circuit, now: number, maker: Maker = plain): Permit | Refusal => {
  const self = circuit as Mutable
  const { counts, mode, rules } = self
  if (mode === "off") return maker.permit()
  let observed = false
  const last = self.cell.current
  // A closed circuit that is not throttled and where nothing hangs has nothing to catch up with.
  if (last._tag !== "Closed" || self.gateUntil !== -Infinity || last.evidence?.hangs(now) === true) {
    Move.catchUp(self, now)
    const refused = refusal(self, now)
    const state = self.cell.current
    if (state._tag === "HalfOpen" && state.stage === "Ramping" && refused?.reason !== "Throttled") state.asked++
    if (refused === undefined) {
      // Forgotten only now: a clock that steps back may still find it shut for those who were refused for another reason.
      self.gateUntil = -Infinity
      if (state._tag === "Open") Move.probe(self, now, state)
    } else {
      observed = mode === "observe"
      self.meter?.refused(refused.reason, observed)
      if (observed) self.spared?.(refused)
      else {
        counts.rejected++
        return refused
      }
    }
  }
  const permit = maker.permit()
  permit.settled = false
  permit.startedAt = now
  counts.inFlight++
  self.meter?.admitted()
  if (observed) {
    counts.wouldReject++
    permit.generation = OBSERVED
    return permit
  }
  const state = self.cell.current as Closed | Probing | Ramping
  permit.generation = state.generation
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
 * A call gave its first sign of life: it does not hang, and how slow it was is known from now on.
 *
 * @category settling
 * @since 0.1.0
 */
export const answer = (circuit: Circuit, permit: Permit, now: number): void => {
  const state = circuit.cell.current
  if (permit.settled || permit.answeredAt !== undefined || permit.generation !== state.generation) return
  permit.answeredAt = now
  state.evidence?.answer(permit)
  if (state._tag !== "HalfOpen" || state.stage !== "Ramping" || permit.step !== state.step) return
  if (circuit.rules.ramp!.tolerance === Infinity) return
  permit.step = -1
  state.succeeded++
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
  const { cell: { current: state }, counts, mode, rules: { lease, plan: { slowAfter } } } = self
  counts.inFlight--
  // Before there was a meter, nobody may have read the time.
  self.meter?.settled(outcome, permit.startedAt > 0 ? now - permit.startedAt : undefined)
  if (permit.generation !== state.generation || Move.isDown(state)) return Evidence.unlink(permit)
  const failed = outcome._tag === "Failure"
  const counted = mode !== "off" && (failed || outcome._tag === "Success")
  const half = state._tag === "HalfOpen" ? state : undefined
  const probing = half?.stage === "Probing" ? half : undefined
  if (probing !== undefined) {
    const at = probing.running.indexOf(permit)
    // Past its lease it has failed, whatever it says now: the next ask will find it.
    if (at < 0 || now - permit.startedAt >= lease) return
    probing.running.splice(at, 1)
  } else if (!counted) state.evidence!.ignore(permit)
  if (mode === "off") return
  if (failed) Move.noteFailure(self, now, outcome)
  else if (outcome._tag === "Success") counts.successes++
  else return Move.abstain(self, outcome, now)
  const slow = half !== undefined && slowAfter < Infinity &&
    (outcome.slow ?? (permit.answeredAt ?? now) - permit.startedAt > slowAfter)
  if (probing !== undefined) {
    if (slow) counts.slow++
    const why = outcome.slow ? "was slow" : `took over ${slowAfter} ms`
    if (failed || slow) Move.failProbe(self, now, probing, failed ? undefined : why)
    else Move.passProbe(self, now, probing)
    return
  }
  const verdict = state.evidence!.settle(permit, failed, now, outcome.slow)
  if (verdict !== undefined) return Move.judge(self, now, verdict)
  if (half?.stage === "Ramping") {
    if (failed || slow) half.failed++
    if (!failed && permit.step === half.step) half.succeeded++
  }
  if (half !== undefined || state.evidence!.hangs(now)) Move.catchUp(self, now)
}

/**
 * What an operator can order. `note` says why, `by` who it was; `for` is how long an isolation lasts, in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type Command =
  & (
    | { readonly _tag: "Isolate"; readonly for?: number | undefined }
    | { readonly _tag: "Release" }
    | { readonly _tag: "Reset" }
    | { readonly _tag: "Trip"; readonly openFor?: number | undefined }
    | { readonly _tag: "SetMode"; readonly mode: Mode }
    | { readonly _tag: "Pass" }
  )
  & { readonly note?: string | undefined; readonly by?: string | undefined }

/**
 * Carries out an operator's order.
 *
 * **Details**
 *
 * An isolation with an end (`for`) is over with the first ask or order after it: the circuit goes on in the state that was
 * interrupted, an opening with what is left of it. A `Release` closes the circuit, whatever was interrupted. A `Pass` says
 * that the provider was found well without a user's call: while the circuit is open, or probes, that is a probe that passed;
 * otherwise, and until the time that the provider itself or an operator set, it is nothing.
 *
 * @category commanding
 * @since 0.1.0
 */
export const command = (circuit: Circuit, order: Command, now: number): void => {
  const self = circuit as Mutable
  if (self.cell.current._tag === "Isolated") Move.catchUp(self, now)
  const by = order.by === undefined ? undefined : { by: order.by }
  const { note } = order
  const state = self.cell.current
  const isolated = state._tag === "Isolated"
  // A backoff that was over is not brought back by what comes now.
  self.openings = Move.openings(self, now)
  if (order._tag === "SetMode") self.mode = order.mode
  else if (order._tag === "Isolate") {
    const cause = Move.because(self, { rule: "isolated", note, ...by })
    const until = now + (order.for ?? Infinity)
    if (isolated) self.cell.current = { ...state, cause, until }
    else {
      Move.enter(self, now, {
        _tag: "Isolated",
        generation: state.generation + 1,
        since: now,
        until,
        cause,
        interrupted: state
      })
    }
  } else if (order._tag === "Trip") {
    const { openFor = self.rules.tripDuration } = order
    if (!isolated) Move.open(self, now, { rule: "manual", note, ...by }, 0, openFor)
  } else if (order._tag === "Pass") {
    if (state._tag === "Open" && now >= state.firm) Move.probe(self, now, state)
    const next = self.cell.current
    if (next._tag === "HalfOpen" && next.stage === "Probing") Move.passProbe(self, now, next)
  } else if (order._tag === "Reset" || isolated) {
    if (order._tag === "Reset") {
      self.openings = 0
      self.gateUntil = -Infinity
    }
    Move.enter(self, now, closed(now, state.generation + 1))
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
  const { _tag, cause, evidence, generation, since } = state
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
    retryAfter: Move.rest(circuit, now),
    cause: cause ?? (gateUntil > now ? gateCause : undefined),
    openings: Move.openings(circuit, now),
    uptimePercentage: now > madeAt ? 100 * (1 - Math.min(Math.max(down / (now - madeAt), 0), 1)) : isDown ? 0 : 100,
    lastFailure,
    window: evidence?.tally(now) ?? { calls: 0, failureRate: 0, slowRate: 0 }
  }
}

/**
 * Who makes the permits of a circuit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Maker {
  permit(): Permit
}

// ---------------------------------------------------------------------------------------------------------------------

const plain: Maker = { permit: () => new Permit() }
