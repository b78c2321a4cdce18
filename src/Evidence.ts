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
import * as TripPolicy from "./TripPolicy.ts"

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

// A rule over a window: `share` of the calls in it, or a plain number of them. A streak is a rule without a window.
interface Rule {
  readonly rule: Verdict["rule"]
  readonly limit: number
  /** Which memory; -1 for a streak. */
  readonly memory: number
  readonly minimumCalls: number
  readonly belowMinimum: number
}

interface Watched {
  readonly window: CallWindow.CallWindow
  /** Filled in order of settling: a count has no share to be fair about. Else in order of admission. */
  readonly settled: boolean
  /** Infinite where no rule asks for slow calls. */
  slowAfter: number
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
  const add = (
    rule: Verdict["rule"],
    limit: number,
    window?: CallWindow.CallWindow,
    { belowMinimum, minimumCalls = 1, slowAfter = Infinity }: {
      readonly minimumCalls?: number
      readonly belowMinimum?: TripPolicy.Consecutive | undefined
      readonly slowAfter?: number
    } = {}
  ): void => {
    let memory = -1
    if (window !== undefined) {
      const key = JSON.stringify(window)
      const settled = rule === "failureCount"
      memory = watched.findIndex((one) =>
        JSON.stringify(one.window) === key && one.settled === settled &&
        (one.slowAfter === slowAfter || Math.max(one.slowAfter, slowAfter) === Infinity)
      )
      if (memory < 0) memory = watched.push({ window, settled, slowAfter }) - 1
      else watched[memory]!.slowAfter = Math.min(watched[memory]!.slowAfter, slowAfter)
    }
    rules.push({ rule, limit, memory, minimumCalls, belowMinimum: belowMinimum?.failures ?? Infinity })
  }
  const visit = (one: TripPolicy.TripPolicy): void => {
    TripPolicy.checked(one)
    if (one._tag === "Consecutive") add("consecutive", one.failures)
    else if (one._tag === "FailureRate") add("failureRate", one.threshold, one.window, one)
    else if (one._tag === "SlowRate") add("slowRate", one.threshold, one.window, one)
    else if (one._tag === "FailureCount") add("failureCount", one.count, one.window)
    else if (one._tag === "AnyOf") one.policies.forEach(visit)
  }
  visit(policy)
  Setting.enforce(
    Setting.rule(watched.length <= 30, "TripPolicy.anyOf", "policies", "over at most 30 windows", watched.length)
  )
  const slowAfter = Math.min(...watched.map((one) => one.slowAfter))
  return {
    policy,
    rules,
    watched,
    slowAfter,
    timed: slowAfter < Infinity || watched.some((one) => CallWindow.isTimed(one.window)),
    slowMemories: watched.reduce((bits, one, i) => one.slowAfter < Infinity ? bits | (1 << i) : bits, 0)
  }
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
  /** @internal The two blocks of each memory that it was admitted in. */
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
  /** How many calls were slow, those included that still run. */
  slow = 0
  private streak = 0
  private admitted = 0
  private home = 0
  private blocks = noBlocks
  private memories = noMemories
  // Those of them that are filled in order of admission.
  private fair = noMemories
  private oldest: Call | undefined = undefined
  private newest: Call | undefined = undefined
  // The call, and the moment, with which the next of the blocks is full.
  private turnsAt = Infinity
  private turnsWhen = Infinity
  private readonly plan: Plan

  constructor(plan: Plan, now: number) {
    this.plan = plan
    if (plan.watched.length === 0) return
    this.memories = plan.watched.map((one) => CallWindow.memory(one.window))
    this.fair = this.memories.filter((_, i) => !plan.watched[i]!.settled)
    // Two rows of blocks for each window, half a block apart: wherever trouble begins, one block is in its first half.
    this.blocks = plan.watched.flatMap(({ window }) => [
      CallWindow.block(window, 0, now),
      CallWindow.block(window, 0, now, 0.5)
    ])
    this.turn(0, now)
  }

  /** A call was admitted. */
  admit(call: Call): void {
    const number = call.number = this.admitted++
    const now = call.startedAt
    if (number >= this.turnsAt || now >= this.turnsWhen) this.turn(number, now)
    call.blocks = this.blocks
    if (this.plan.slowMemories === 0) return
    call.older = this.newest
    if (this.newest === undefined) this.oldest = call
    else this.newest.newer = call
    this.newest = call
  }

  /** A call came home and counts. */
  settle(call: Call, failed: boolean, now: number): Verdict | undefined {
    this.streak = failed ? this.streak + 1 : 0
    if (!failed && now - call.startedAt <= this.plan.slowAfter) {
      if (this.plan.slowMemories !== 0) this.unlink(call)
      const home = this.home++
      for (let i = 0; i < this.memories.length; i++) {
        this.memories[i]!.enter(this.plan.watched[i]!.settled ? home : call.number, now)
      }
      return this.isSuspicious() ? this.judge(undefined, undefined, now) : undefined
    }
    const fresh = this.count(call, failed, now, false)
    return this.judge(failed ? call : undefined, fresh === 0 ? undefined : call, now)
  }

  /** A call that says nothing: it leaves no trace. */
  ignore(call: Call, now: number): void {
    this.unlink(call)
    // The newest call gives its number back, as if it had never asked. Any other leaves a hole.
    const newest = call.number === this.admitted - 1 && call.marked === 0
    if (newest) this.withdraw()
    call.blocks.forEach((block, i) => {
      const slow = (call.marked & (1 << (i >> 1))) !== 0
      if (block.closed) block.calls--
      else if (!newest) block.holes++
      if (slow) block.slow--
      if (newest || i % 2 === 1 || this.plan.watched[i >> 1]!.settled) return
      this.memories[i >> 1]!.drop(call.number, now, slow)
    })
  }

  /** Counts the calls that have been running for too long (a hang is slow before it is back), and judges. */
  look(now: number): Verdict | undefined {
    let verdict: Verdict | undefined = undefined
    let call = this.oldest
    while (call !== undefined && now - call.startedAt > this.plan.slowAfter) {
      const { newer }: Call = call
      this.count(call, false, now, true)
      verdict ??= this.judge(undefined, call, now)
      call = newer
    }
    return verdict
  }

  /** Whether even a success may bring a verdict: one call more, and the window holds enough to judge its failures. */
  isSuspicious(): boolean {
    for (let i = 0; i < this.memories.length; i++) {
      const { failures, slow } = this.memories[i]!
      if (failures > 0 || slow > 0) return true
    }
    return false
  }

  /** The window as it reads now: of the first rule that counts failures, and of the first that counts slow calls. */
  tally(now: number): { readonly calls: number; readonly failureRate: number; readonly slowRate: number } {
    const of = (slow: boolean): CallWindow.Memory | undefined => {
      const rule = this.plan.rules.find((one) => one.memory >= 0 && (one.rule === "slowRate") === slow)
      return rule && this.memories[rule.memory]
    }
    for (const memory of this.memories) memory.expire(now)
    const failed = of(false)
    const slow = of(true)
    const young = failed !== undefined && this.fair.includes(failed) ? this.young(failed) : 0
    const calls = (failed ?? slow)?.calls ?? 0
    const asked = calls + young
    return {
      calls: asked,
      failureRate: failed === undefined || asked === 0 ? 0 : failed.failures / asked,
      slowRate: slow === undefined || slow.calls === 0 ? 0 : slow.slow / slow.calls
    }
  }

  // Call `number` begins a new block where one is full. The calls before keep the array that they were given.
  private turn(number: number, now: number): void {
    this.turnsAt = this.turnsWhen = Infinity
    this.blocks = this.blocks.map((last, i) => {
      const calls = number - last.first - last.holes
      const full = calls >= last.size || now - last.since >= last.span
      const block = full ? CallWindow.block(this.plan.watched[i >> 1]!.window, number, now) : last
      if (full) {
        last.closed = true
        last.calls = calls
        last.least = 0.75 * calls
      }
      this.turnsAt = Math.min(this.turnsAt, block.first + block.holes + block.size)
      this.turnsWhen = Math.min(this.turnsWhen, block.since + block.span)
      return block
    })
  }

  // Counts what is new about a call: that it came home, and how, or, while it runs, that it takes too long. Gives the
  // memories in which it turned slow.
  private count(call: Call, failed: boolean, now: number, runs: boolean): number {
    const { memories, plan } = this
    const before = call.marked
    const home = runs ? 0 : this.home++
    for (let i = 0; i < memories.length; i++) {
      const bit = 1 << i
      const slow = (plan.slowMemories & bit & ~before) !== 0 && now - call.startedAt > plan.watched[i]!.slowAfter
      if (runs && !slow) continue
      memories[i]!.count(plan.watched[i]!.settled ? home : call.number, now, failed, slow)
      if (failed || slow) this.accuse(call, i, failed, slow)
    }
    if (plan.slowMemories !== 0 && (!runs || call.marked === plan.slowMemories)) this.unlink(call)
    return call.marked & ~before
  }

  private accuse(call: Call, i: number, failed: boolean, slow: boolean): void {
    for (const block of [call.blocks[2 * i]!, call.blocks[2 * i + 1]!]) {
      if (failed) block.failures++
      if (slow) block.slow++
    }
    if (!slow) return
    if (call.marked === 0) this.slow++
    call.marked |= 1 << i
  }

  // `failed` and `slow` are the call that just did, or turned so: its blocks know something new.
  private judge(failed: Call | undefined, slow: Call | undefined, now: number): Verdict | undefined {
    const { rules } = this.plan
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!
      if (rule.memory < 0) {
        if (this.streak >= rule.limit) return streakOf(this.streak, rule.limit)
        continue
      }
      const memory = this.memories[rule.memory]!
      if (memory.failures === 0 && memory.slow === 0 && failed === undefined && slow === undefined) continue
      memory.expire(now)
      const verdict = this.judgeBy(rule, memory, rule.rule === "slowRate" ? slow : failed)
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  private judgeBy(rule: Rule, memory: CallWindow.Memory, call: Call | undefined): Verdict | undefined {
    // Whatever is not slow is home before it could be: young calls cannot hide that others were not slow.
    const calls = rule.rule === "failureRate" ? memory.calls + this.young(memory) : memory.calls
    if (calls < rule.minimumCalls && this.streak >= rule.belowMinimum) return streakOf(this.streak, rule.belowMinimum)
    const verdict = over(rule, memory, calls)
    // The newest call saw everything that came before it: only one that was overtaken can know more than the window.
    if (verdict !== undefined || call === undefined || call.number === this.admitted - 1) return verdict
    if (rule.rule === "failureCount") return undefined
    return ofBlock(rule, call.blocks[2 * rule.memory]!) ?? ofBlock(rule, call.blocks[2 * rule.memory + 1]!)
  }

  // With the newest number go those before it that said nothing either: they are given to others, and are no holes.
  private withdraw(): void {
    let last = --this.admitted - 1
    while (this.fair.length > 0 && this.fair.every(({ gone }) => gone.has(last))) {
      for (const { gone } of this.fair) gone.delete(last)
      for (const block of this.blocks) if (last >= block.first) block.holes--
      last = --this.admitted - 1
    }
    for (const block of this.blocks) block.first = Math.min(block.first, this.admitted)
    this.turnsAt = 0
  }

  private young({ gone, reached }: CallWindow.Memory): number {
    return this.admitted - 1 - reached - gone.size
  }

  private unlink(call: Call): void {
    if (this.oldest === call) this.oldest = call.newer
    if (this.newest === call) this.newest = call.older
    unlink(call)
  }
}

/** @internal Takes a call out of the row of those that run, so that one that never ends does not hold on to all since. */
export const unlink = (call: Call): void => {
  if (call.older !== undefined) call.older.newer = call.newer
  if (call.newer !== undefined) call.newer.older = call.older
  call.older = call.newer = undefined
}

const streakOf = (value: number, limit: number): Verdict => ({ rule: "consecutive", value, limit, calls: value })

// A block that calls may still join is judged as if they all went well.
const ofBlock = (rule: Rule, block: CallWindow.Block): Verdict | undefined =>
  over(rule, block, block.closed ? Math.max(block.calls, block.least) : block.size)

const over = (rule: Rule, tally: CallWindow.Tally, calls: number): Verdict | undefined => {
  if (calls < rule.minimumCalls) return undefined
  const bad = rule.rule === "slowRate" ? tally.slow : tally.failures
  const value = rule.rule === "failureCount" ? bad : bad / calls
  return value >= rule.limit ? { rule: rule.rule, value, limit: rule.limit, calls } : undefined
}
