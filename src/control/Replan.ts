/**
 * Changing the rules of a circuit while it runs: what it knows, what it decided and the calls in flight stay.
 *
 * - An opening, an isolation or a throttle that lasts goes on to the end that it was told with; the next one follows the
 *   new rules. So does the next probe, and a ramp goes on at its step, or closes where there is no such step any more.
 * - Windows keep what they hold. A window of another kind or size takes over what the one before it knew of the same
 *   question (failed, or slow), as far as that is known: calls that were counted without a time are not known to a window
 *   that looks back on one.
 * - A call in flight counts when it comes home. It is only not held to account as late: the blocks that it was admitted in
 *   belong to rules that are gone (see `Evidence`).
 *
 * Nothing of this is in the root: whoever does not steer does not pay for it.
 *
 * @since 0.1.0
 */
import * as CallWindow from "../CallWindow.ts"
import type * as Circuit from "../Circuit.ts"
import * as Evidence from "../Evidence.ts"
import * as Move from "../Move.ts"
import { closed, type Mutable, type State } from "../State.ts"

/** Puts a circuit under other rules. */
export const replan = (circuit: Circuit.Circuit, rules: Circuit.Rules, now: number): void => {
  const self = circuit as Mutable
  const state = self.cell.current
  self.rules = rules
  if (state.evidence !== undefined) {
    ;(state as { evidence?: Evidence.Evidence }).evidence = underPlan(state.evidence, rules.plan, now)
  }
  if (state._tag === "Isolated") {
    const interrupted = onRamp(state.interrupted, rules) ? state.interrupted : closed(now)
    self.cell.current = { ...state, interrupted }
  } else if (!onRamp(state, rules)) Move.enter(self, now, closed(now, state.generation + 1))
}

/** Whether a state is one of the rules: not so a ramp that they do not have. A step past its end is the last one. */
const onRamp = (state: State, { ramp }: Circuit.Rules): boolean => {
  if (state._tag !== "HalfOpen" || state.stage !== "Ramping") return true
  if (ramp !== undefined) state.step = Math.min(state.step, ramp.shares.length - 1)
  return ramp !== undefined
}

/** The same evidence, judged by another plan. */
const underPlan = (evidence: Evidence.Evidence, plan: Evidence.Plan, now: number): Evidence.Evidence => {
  if (shapeOf(evidence.plan) !== shapeOf(plan)) return new Replanned(evidence, plan, now)
  evidence.plan = plan
  return evidence
}

// Rules of the same shape differ in their limits alone: what was gathered for the one is what the other asks for.
const shapeOf = ({ rules }: Evidence.Plan): string =>
  JSON.stringify(rules.map(({ rule, slowAfter, window }) => [rule, slowAfter === Infinity ? null : slowAfter, window]))

// Evidence that began under another plan. The calls admitted before the change have places in what is no more.
class Replanned extends Evidence.Evidence {
  private readonly from: number

  constructor(old: Evidence.Evidence, plan: Evidence.Plan, now: number) {
    super(plan, now)
    this.from = old.admitted
    this.slow = old.slow
    this.streak = old.streak
    this.admitted = old.admitted
    this.running = old.running
    this.reached = old.reached
    this.reachedAt = old.reachedAt
    this.memories = plan.rules.map((rule) => inherited(rule, old, now))
    this.blocks = plan.rules.flatMap((rule) => [
      Evidence.block(rule, this.from, now),
      Evidence.block(rule, this.from, now)
    ])
    if (plan.rules.length > 0) this.turn(this.from, now)
    for (const call of running(old)) {
      Evidence.unlink(call)
      call.blocks = Evidence.noBlocks
      // Counted already as a hang, where it was one.
      if (call.hung === undefined && this.rows.length > 0) Evidence.link(call, this.rows[0])
    }
  }

  override settle(call: Evidence.Call, failed: boolean, now: number, slow?: boolean): Evidence.Verdict | undefined {
    if (call.number >= this.from) return super.settle(call, failed, now, slow)
    this.running--
    this.streak = failed ? this.streak + 1 : 0
    this.unlink(call)
    // Under rules that read no time nobody knows when it began.
    const took = call.startedAt > 0 ? (call.answeredAt ?? now) - call.startedAt : 0
    const { rules, slowAfter } = this.plan
    if (call.hung === undefined && (slow ?? took > slowAfter)) this.slow++
    this.memories.forEach((memory, i) => {
      const limit = rules[i]!.slowAfter
      if (limit === Infinity) memory.add(failed, now)
      else if (call.hung === undefined) memory.add(slow ?? took > limit, now)
    })
    return this.judge(now, undefined)
  }

  override ignore(call: Evidence.Call): void {
    if (call.number >= this.from) return super.ignore(call)
    this.running--
    this.unlink(call)
  }
}

const running = function*({ rows }: Evidence.Evidence): Generator<Evidence.Call> {
  const calls: Array<Evidence.Call> = []
  for (const { oldest } of rows) {
    for (let call = oldest; call !== undefined; call = call.newer) calls.push(call)
  }
  yield* calls.toSorted((a, b) => a.number - b.number)
}

// What a window begins with: what the one before it knew of the same question.
const inherited = (rule: Evidence.Rule, old: Evidence.Evidence, now: number): CallWindow.Memory => {
  const { memories, plan } = old
  const isSlow = (one: Evidence.Rule) => one.slowAfter < Infinity
  const alike = plan.rules.map((one, i) => ({ memory: memories[i]!, one })).filter(({ one }) =>
    isSlow(one) === isSlow(rule)
  )
  const same = alike.find(({ one }) => one.rule === rule.rule && one.slowAfter === rule.slowAfter) ?? alike[0]
  if (same === undefined) return new CallWindow.Memory(rule.window, now)
  same.memory.expire(now)
  const calls = [...callsOf(same.memory)]
  const timed = CallWindow.isTimed(rule.window)
  const known = timed ? calls.filter(({ at }) => at !== undefined) : calls
  const memory = new CallWindow.Memory(rule.window, known[0]?.at ?? now)
  for (const { at, bad } of known) memory.add(bad, at ?? now)
  memory.expire(now)
  return memory
}

// The calls that a window holds, oldest first, and when they were counted, where it knows: at the beginning of its bucket.
const callsOf = function*(
  { cells, duration, first, index, oldest, size, times, within }: CallWindow.Memory
): Generator<{ readonly at: number | undefined; readonly bad: boolean }> {
  for (let cell = Math.max(oldest, 0); cell <= index; cell++) {
    const place = cell % size
    const calls = cells === undefined ? 1 : cells[place]!
    const bad = cells === undefined ? 0 : cells[place + size]!
    const at = duration < Infinity
      ? (first + cell) * duration / size
      : within < Infinity
      ? times[place]
      : undefined
    for (let i = 0; i < calls; i++) yield { at, bad: i < bad }
  }
}
