/**
 * What one period of a circuit has gathered under a trip policy, and the verdict on it.
 *
 * `compile` makes a policy ready to judge, once for every circuit under it. `Evidence` then holds the streak, the memories
 * of the policy's windows, and the calls that still run. Judging gives back not a boolean but a `Verdict` with the rule
 * and its figures, because the first question about an open circuit is "why".
 *
 * @since 0.1.0
 */
import * as CallWindow from "./CallWindow.ts"
import * as Setting from "./internal/Setting.ts"
import type * as TripPolicy from "./TripPolicy.ts"

/**
 * Why a policy trips: the rule, what it saw and what its limit is.
 *
 * **Details**
 *
 * `value` and `limit` are failures in a row, failures, or a share, as the rule counts them; `calls` is how many calls the
 * window held.
 *
 * @category judging
 * @since 0.1.0
 */
export interface Verdict {
  readonly rule: "consecutive" | "failureRate" | "slowRate" | "failureCount"
  readonly value: number
  readonly limit: number
  readonly calls: number
}

type Rule =
  | { readonly _tag: "Streak"; readonly limit: number }
  | {
    readonly _tag: "Share"
    readonly rule: "failureRate" | "slowRate"
    readonly memory: number
    readonly limit: number
    readonly minimumCalls: number
    readonly belowMinimum: number
  }
  | { readonly _tag: "Count"; readonly memory: number; readonly limit: number }

interface Watched {
  readonly window: CallWindow.CallWindow
  /** Infinite where no rule asks for slow calls. */
  readonly slowAfter: number
}

/**
 * A policy made ready to judge: once per policy, shared by every circuit under it.
 *
 * @category judging
 * @since 0.1.0
 */
export interface Plan {
  readonly policy: TripPolicy.TripPolicy
  /** The shortest `slowAfter` of the policy; infinite where it has none. */
  readonly slowAfter: number
  /** Whether evidence reads the time. Where it does not, any `now` will do. */
  readonly timed: boolean
  /** @internal */
  readonly rules: ReadonlyArray<Rule>
  /** @internal */
  readonly watched: ReadonlyArray<Watched>
  /** @internal One bit for each memory in which calls can be slow. */
  readonly slowMemories: number
}

/**
 * Makes a policy ready to judge.
 *
 * **Details**
 *
 * Rules over the same window share one memory.
 *
 * @category judging
 * @since 0.1.0
 */
export const compile = (policy: TripPolicy.TripPolicy): Plan => {
  const rules: Array<Rule> = []
  const watched: Array<Watched> = []
  const watch = (window: CallWindow.CallWindow, slowAfter: number): number => {
    const key = JSON.stringify(window)
    const found = watched.findIndex((one) =>
      JSON.stringify(one.window) === key &&
      (one.slowAfter === slowAfter || one.slowAfter === Number.POSITIVE_INFINITY ||
        slowAfter === Number.POSITIVE_INFINITY)
    )
    if (found < 0) return watched.push({ window, slowAfter }) - 1
    watched[found] = { window, slowAfter: Math.min(watched[found]!.slowAfter, slowAfter) }
    return found
  }
  const add = (one: TripPolicy.TripPolicy): void => {
    switch (one._tag) {
      case "Consecutive":
        rules.push({ _tag: "Streak", limit: one.failures })
        return
      case "FailureRate":
        rules.push({
          _tag: "Share",
          rule: "failureRate",
          memory: watch(one.window, Number.POSITIVE_INFINITY),
          limit: one.threshold,
          minimumCalls: one.minimumCalls,
          belowMinimum: one.belowMinimum?.failures ?? Number.POSITIVE_INFINITY
        })
        return
      case "SlowRate":
        rules.push({
          _tag: "Share",
          rule: "slowRate",
          memory: watch(one.window, one.slowAfter),
          limit: one.threshold,
          minimumCalls: one.minimumCalls,
          belowMinimum: Number.POSITIVE_INFINITY
        })
        return
      case "FailureCount":
        rules.push({ _tag: "Count", memory: watch(one.window, Number.POSITIVE_INFINITY), limit: one.count })
        return
      case "AnyOf":
        one.policies.forEach(add)
        return
      case "Never":
        return
    }
  }
  add(policy)
  Setting.enforce(
    Setting.rule(watched.length <= 30, "TripPolicy.anyOf", "policies", "over at most 30 windows", watched.length)
  )
  const slowAfter = watched.reduce((least, one) => Math.min(least, one.slowAfter), Number.POSITIVE_INFINITY)
  const timed = slowAfter < Number.POSITIVE_INFINITY || watched.some((one) => CallWindow.isTimed(one.window))
  const slowMemories = watched.reduce(
    (bits, one, i) => one.slowAfter === Number.POSITIVE_INFINITY ? bits : bits | (1 << i),
    0
  )
  return { policy, rules, watched, slowAfter, timed, slowMemories }
}

/**
 * What evidence keeps of one admitted call. A permit carries these fields, so that a call costs one object.
 *
 * @category judging
 * @since 0.1.0
 */
export interface Call {
  readonly startedAt: number
  /** @internal Its number in order of admission. */
  number: number
  /** @internal The block of each memory that it was admitted in. */
  blocks: ReadonlyArray<CallWindow.Block>
  /** @internal One bit for each memory in which it is known to be slow. */
  marked: number
  /** @internal Its neighbours among the calls that run and are not all marked yet, oldest first. */
  older: Call | undefined
  /** @internal */
  newer: Call | undefined
}

/** @internal What a call holds before it is admitted. */
export const noBlocks: ReadonlyArray<CallWindow.Block> = []

const noMemories: ReadonlyArray<CallWindow.Memory> = []

/**
 * What one period of a circuit has gathered under a plan: the streak, the windows, and the calls that still run.
 *
 * @category judging
 * @since 0.1.0
 */
export class Evidence {
  private readonly plan: Plan
  private readonly memories: ReadonlyArray<CallWindow.Memory> = noMemories
  private blocks = noBlocks
  private streak = 0
  private admitted = 0
  private oldest: Call | undefined = undefined
  private newest: Call | undefined = undefined
  /** How many calls were slow, those included that still run. */
  slow = 0

  constructor(plan: Plan, now: number) {
    this.plan = plan
    if (plan.watched.length === 0) return
    // Two rows of blocks for each window, half a block apart: wherever trouble begins, one block is in its first half.
    this.memories = plan.watched.map((one) => CallWindow.memory(one.window))
    this.blocks = plan.watched.flatMap(({ window }) => [CallWindow.block(window, now), CallWindow.block(window, now, 0.5)])
  }

  /** A call was admitted. */
  admit(call: Call): void {
    call.number = this.admitted++
    const now = call.startedAt
    for (let i = 0; i < this.blocks.length; i++) {
      const last = this.blocks[i]!
      if (last.isFull(now)) {
        last.closed = true
        // The calls before keep the array that they were given.
        this.blocks = this.blocks.with(i, CallWindow.block(this.plan.watched[i >> 1]!.window, now))
      }
      this.blocks[i]!.calls++
    }
    call.blocks = this.blocks
    if (this.plan.slowMemories !== 0) this.link(call)
  }

  /** A call came home and counts. */
  settle(call: Call, failed: boolean, now: number): Verdict | undefined {
    this.streak = failed ? this.streak + 1 : 0
    const timed = this.plan.slowMemories !== 0
    if (timed) this.unlink(call)
    for (let i = 0; i < this.memories.length; i++) {
      this.count(call, i, failed, timed && this.turnsSlow(call, i, now), now)
    }
    return this.judge(call)
  }

  /** A call that says nothing: it leaves no trace. */
  ignore(call: Call, now: number): void {
    this.unlink(call)
    // The newest call gives its number back, as if it had never asked. Any other leaves a hole.
    const newest = call.number === this.admitted - 1 && call.marked === 0
    if (newest) this.admitted--
    for (let i = 0; i < this.memories.length; i++) {
      const marked = (call.marked & (1 << i)) !== 0
      for (const block of [call.blocks[2 * i]!, call.blocks[2 * i + 1]!]) {
        block.calls--
        if (marked) block.slow--
      }
      if (!newest) this.memories[i]!.drop(call.number, now, marked)
    }
  }

  /** Counts the calls that have been running for too long (a hang is slow before it is back), and judges. */
  look(now: number): Verdict | undefined {
    let verdict: Verdict | undefined = undefined
    let call = this.oldest
    while (call !== undefined && now - call.startedAt > this.plan.slowAfter) {
      const newer = call.newer
      for (let i = 0; i < this.memories.length; i++) {
        if (this.turnsSlow(call, i, now)) this.count(call, i, false, true, now)
      }
      verdict ??= this.judge(call)
      if (call.marked === this.plan.slowMemories) this.unlink(call)
      call = newer
    }
    return verdict
  }

  /** The window as it reads now: of the first rule that counts failures, and of the first that counts slow calls. */
  tally(now: number): { readonly calls: number; readonly failureRate: number; readonly slowRate: number } {
    const of = (rule: Verdict["rule"]): CallWindow.Memory | undefined => {
      const found = this.plan.rules.find((one) =>
        one._tag === "Share" ? one.rule === rule : one._tag === "Count" && rule === "failureRate"
      )
      return found === undefined || found._tag === "Streak" ? undefined : this.memories[found.memory]
    }
    for (const memory of this.memories) memory.expire(now)
    const failed = of("failureRate")
    const slow = of("slowRate")
    return {
      calls: failed === undefined ? slow?.calls ?? 0 : failed.calls + this.young(failed),
      failureRate: failed === undefined || failed.failures === 0
        ? 0
        : failed.failures / (failed.calls + this.young(failed)),
      slowRate: slow === undefined || slow.calls === 0 ? 0 : slow.slow / slow.calls
    }
  }

  private count(call: Call, i: number, failed: boolean, slow: boolean, now: number): void {
    this.memories[i]!.count(call.number, now, failed, slow)
    if (!failed && !slow) return
    const even = call.blocks[2 * i]!
    const odd = call.blocks[2 * i + 1]!
    if (failed) {
      even.failures++
      odd.failures++
    }
    if (!slow) return
    even.slow++
    odd.slow++
    if (call.marked === 0) this.slow++
    call.marked |= 1 << i
  }

  private young(memory: CallWindow.Memory): number {
    return this.admitted - 1 - memory.reached
  }

  private turnsSlow(call: Call, i: number, now: number): boolean {
    return (call.marked & (1 << i)) === 0 && now - call.startedAt > this.plan.watched[i]!.slowAfter
  }

  private judge(call: Call): Verdict | undefined {
    for (const rule of this.plan.rules) {
      if (rule._tag === "Streak") {
        if (this.streak >= rule.limit) {
          return { rule: "consecutive", value: this.streak, limit: rule.limit, calls: this.streak }
        }
        continue
      }
      const memory = this.memories[rule.memory]!
      const verdict = rule._tag === "Count"
        ? ofCount(rule, memory)
        : ofShare(rule, memory, this.young(memory), this.streak)
      if (verdict !== undefined) return verdict
      // The newest call saw everything that came before it: only one that was overtaken can know more than the window.
      if (call.number === this.admitted - 1) continue
      for (let i = 2 * rule.memory; i < 2 * rule.memory + 2; i++) {
        const verdict = ofBlock(rule, call.blocks[i]!)
        if (verdict !== undefined) return verdict
      }
    }
    return undefined
  }

  private link(call: Call): void {
    call.older = this.newest
    if (this.newest === undefined) this.oldest = call
    else this.newest.newer = call
    this.newest = call
  }

  private unlink(call: Call): void {
    if (call.older !== undefined) call.older.newer = call.newer
    else if (this.oldest === call) this.oldest = call.newer
    if (call.newer !== undefined) call.newer.older = call.older
    else if (this.newest === call) this.newest = call.older
    call.older = undefined
    call.newer = undefined
  }
}

const ofCount = (rule: Rule & { _tag: "Count" }, { calls, failures }: CallWindow.Tally): Verdict | undefined =>
  failures >= rule.limit ? { rule: "failureCount", value: failures, limit: rule.limit, calls } : undefined

const ofShare = (
  rule: Rule & { _tag: "Share" },
  memory: CallWindow.Tally,
  young: number,
  streak: number
): Verdict | undefined => {
  // Whatever is not slow is home before it could be: young calls cannot hide that others were not slow.
  const calls = rule.rule === "failureRate" ? memory.calls + young : memory.calls
  if (calls < rule.minimumCalls) {
    return streak >= rule.belowMinimum
      ? { rule: "consecutive", value: streak, limit: rule.belowMinimum, calls: streak }
      : undefined
  }
  return over(rule, memory, calls)
}

// A block that calls may still join is judged as if they all went well.
const ofBlock = (rule: Rule & { _tag: "Share" | "Count" }, block: CallWindow.Block): Verdict | undefined => {
  if (rule._tag === "Count") return block.failures >= 2 * rule.limit ? ofCount(rule, block) : undefined
  const calls = block.closed ? block.calls : block.size
  return calls < rule.minimumCalls ? undefined : over(rule, block, calls)
}

const over = (rule: Rule & { _tag: "Share" }, tally: CallWindow.Tally, calls: number): Verdict | undefined => {
  const value = (rule.rule === "failureRate" ? tally.failures : tally.slow) / calls
  return value >= rule.limit ? { rule: rule.rule, value, limit: rule.limit, calls } : undefined
}
