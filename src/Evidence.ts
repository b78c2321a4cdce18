/**
 * What one period of a circuit has gathered under a trip policy, and the verdict on it.
 *
 * `compile` makes a policy ready to judge, once for every circuit under it. `Evidence` then holds the streak, the memories
 * of the policy's windows, and the calls that still run. Judging gives back not a boolean but a `Verdict` with the rule
 * and its figures, because the first question about an open circuit is "why".
 *
 * The obvious share, half of the calls that came back, is wrong wherever calls overlap: failures usually come home first.
 * What is not known yet counts as good here, in two places:
 *
 * - The **window** is filled as calls come home. Those that still run count beside it, as not failed. A call that comes
 *   home so late that the window has moved past its place is not held against it.
 * - **Blocks** hold such calls to account: runs of consecutive admissions, two windows long, that every call in them
 *   reports to however late it comes home.
 *
 * Neither share can exceed the true one but by chance, and calls made one after the other see the plain sliding window.
 * See `docs/decisions/0003-fair-share.md`.
 *
 * @since 0.1.0
 */
import * as CallWindow from "./CallWindow.ts"
import type * as TripPolicy from "./TripPolicy.ts"

/**
 * Why a policy trips: the rule, what it saw and what its limit is.
 *
 * **Details**
 *
 * `value` and `limit` are failures in a row, failures, or a share, as the rule counts them; `calls` is how many calls it
 * is a share of.
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

/** @internal A rule over a window; a streak is a rule of its own, and what a share falls back on below its minimum. */
export interface Rule {
  readonly rule: Verdict["rule"]
  readonly limit: number
  readonly window: CallWindow.CallWindow
  readonly minimumCalls: number
  readonly belowMinimum: number
  readonly slowAfter: number
  /** How many calls the window holds, and for how long: infinite where it does not say. */
  readonly room: number
  readonly span: number
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
  /** @internal The shortest streak that trips; infinite where none does. */
  readonly streak: number
  /** @internal The rules over windows, those that ask for slow calls first, the shortest `slowAfter` before the rest. */
  readonly rules: ReadonlyArray<Rule>
}

/**
 * Makes a policy ready to judge.
 *
 * @category judging
 * @since 0.1.0
 */
export const compile = (policy: TripPolicy.TripPolicy): Plan => {
  const all = flat(policy)
  const rules = all.flatMap((one): ReadonlyArray<Rule> =>
    one._tag === "Consecutive" || one._tag === "Never" ? [] : [{
      slowAfter: Infinity,
      minimumCalls: 1,
      ...one,
      rule: one._tag === "FailureRate" ? "failureRate" : one._tag === "SlowRate" ? "slowRate" : "failureCount",
      limit: one._tag === "FailureCount" ? one.count : one.threshold,
      belowMinimum: (one._tag === "FailureRate" && one.belowMinimum?.failures) || Infinity,
      room: one.window._tag === "LastCalls" ? one.window.calls : Infinity,
      span: one.window._tag === "LastCalls" ? one.window.within ?? Infinity : one.window.duration
    }]
  ).toSorted((a, b) => a.slowAfter === b.slowAfter ? 0 : a.slowAfter - b.slowAfter)
  const slowAfter = rules[0]?.slowAfter ?? Infinity
  return {
    policy,
    rules,
    slowAfter,
    streak: Math.min(...all.map((one) => one._tag === "Consecutive" ? one.failures : Infinity)),
    timed: slowAfter < Infinity || rules.some(({ window }) => CallWindow.isTimed(window))
  }
}

const flat = (policy: TripPolicy.TripPolicy): ReadonlyArray<Exclude<TripPolicy.TripPolicy, TripPolicy.AnyOf>> =>
  policy._tag === "AnyOf" ? policy.policies.flatMap(flat) : [policy]

/**
 * What evidence keeps of one admitted call. A permit carries these fields, so that a call costs one object.
 *
 * @category judging
 * @since 0.1.0
 */
export interface Call {
  readonly startedAt: number
  /** When it gave its first sign of life: from then on it does not hang, and how slow it was is known. */
  answeredAt: number | undefined
  /** @internal Its number in order of admission. */
  number: number
  /** @internal Of each rule, the two blocks that it was admitted in. */
  blocks: ReadonlyArray<Block>
  /** @internal Where it was counted while it ran, and as what: one for each of the first rules. */
  hung: Array<Counted> | undefined
  /** @internal Its neighbours among the calls that run and may still hang, oldest first. */
  older: Call | undefined
  /** @internal */
  newer: Call | undefined
}

/** @internal */
export type Counted = readonly [cell: number, bad: boolean]

/** @internal What a call holds before it is admitted. */
export const noBlocks: ReadonlyArray<Block> = []

// A run of consecutive admissions, from the call `first` on. The calls in it hold on to it, so it lives as long as one of
// them runs. `calls` is how many joined it, known when no more may. `least` is the fewest that it is judged by: until then
// as many as it has room for; then most of those that joined, lest a few that are left decide by chance where the others
// said nothing.
export interface Block {
  readonly first: number
  readonly since: number
  calls: number
  ignored: number
  bad: number
  least: number
}

const noMemories: ReadonlyArray<CallWindow.Memory> = []

// The calls that run and may still turn out slow by one rule, oldest first. Those that did go on to the next rule's row.
export interface Row {
  readonly slowAfter: number
  oldest: Call | undefined
  newest: Call | undefined
}

/** @internal */
export const noRows: ReadonlyArray<Row> = []

/**
 * What one period of a circuit has gathered under a plan: the streak, the windows, and the calls that still run.
 *
 * **Gotchas**
 *
 * What it holds is for this package alone, where a plan is replaced under way.
 *
 * @category judging
 * @since 0.1.0
 */
export class Evidence {
  /** How many calls were slow, those included that still run. */
  slow = 0
  streak = 0
  admitted = 0
  running = 0
  // The newest call that has come home.
  reached = -1
  reachedAt = -Infinity
  memories = noMemories
  // Of each rule two, half a block apart: wherever trouble begins, one of them is in its first half.
  blocks = noBlocks
  // Why the block that was closed last trips: one over time cannot be judged before, and all its calls may be home.
  cause?: Verdict | undefined
  // The call, and the moment, with which the next block is half full.
  turnsAt = Infinity
  turnsWhen = Infinity
  rows = noRows
  plan: Plan

  constructor(plan: Plan, now: number) {
    const { rules } = this.plan = plan
    if (rules.length === 0) return
    this.memories = rules.map(({ window }) => new CallWindow.Memory(window, now))
    this.blocks = rules.flatMap((rule) => [block(rule, 0, now), block(rule, 0, now)])
    this.turn(0, now)
    if (plan.slowAfter === Infinity) return
    this.rows = rules.flatMap(({ slowAfter }) =>
      slowAfter === Infinity ? [] : [{ slowAfter, oldest: undefined, newest: undefined }]
    )
  }

  /** A call was admitted. */
  admit(call: Call): void {
    const number = call.number = this.admitted++
    this.running++
    if (number >= this.turnsAt || call.startedAt >= this.turnsWhen) this.turn(number, call.startedAt)
    call.blocks = this.blocks
    if (this.rows !== noRows) link(call, this.rows[0])
  }

  /** A call gave its first sign of life. One that came too late for that is still to be counted. */
  answer(call: Call): void {
    const row = this.rowOf(call)
    if (row === undefined || call.answeredAt! - call.startedAt <= row.slowAfter) this.unlink(call)
  }

  /** A call came home and counts. `slow` is what it says of itself. */
  settle(call: Call, failed: boolean, now: number, slow?: boolean): Verdict | undefined {
    const { memories, plan: { rules, slowAfter } } = this
    this.running--
    this.streak = failed ? this.streak + 1 : 0
    if (call.number > this.reached) {
      this.reached = call.number
      this.reachedAt = call.startedAt
    }
    let isBad = failed
    if (memories.length > 0) {
      this.unlink(call)
      if (slow === false && call.hung !== undefined) {
        this.slow--
        this.forgive(call)
      }
      const took = (call.answeredAt ?? now) - call.startedAt
      const hung = call.hung?.length ?? 0
      if (slowAfter < Infinity && (slow ?? took > slowAfter)) {
        isBad = true
        if (hung === 0) this.slow++
      }
      for (let i = hung; i < memories.length; i++) {
        this.count(call, i, rules[i]!.slowAfter < Infinity ? slow ?? took > rules[i]!.slowAfter : failed, now)
      }
    }
    // A success makes no share worse, but it may bring the calls that it takes to judge one.
    return isBad || this.isSuspicious() ? this.judge(now, isBad ? call : undefined) : undefined
  }

  /** A call that says nothing: it leaves no trace. */
  ignore(call: Call): void {
    this.running--
    for (const block of call.blocks) block.ignored++
    this.unlink(call)
    this.forgive(call)
  }

  // A call that was counted as a hang was none.
  private forgive(call: Call): void {
    call.hung?.forEach(([cell, bad], i) => {
      this.memories[i]!.withdraw(cell, bad)
      for (const block of call.blocks.slice(2 * i, 2 * i + 2)) block.bad--
    })
    call.hung = undefined
  }

  /** Whether a call has been running for too long, and has yet to be counted. */
  hangs(now: number): boolean {
    for (const { oldest, slowAfter } of this.rows) {
      if (oldest !== undefined && now - oldest.startedAt > slowAfter) return true
    }
    return false
  }

  /** Counts the calls that have been running for too long (a hang is slow before it is back), and judges. */
  look(now: number): Verdict | undefined {
    let verdict: Verdict | undefined = undefined
    this.rows.forEach((row, i) => {
      for (let call = row.oldest; call !== undefined && now - call.startedAt > row.slowAfter; call = row.oldest) {
        this.unlink(call)
        if (i === 0) this.slow++
        const bad = this.count(call, i, true, now)
        ;(call.hung ??= []).push([this.memories[i]!.index, bad])
        link(call, this.rows[i + 1])
        if (call.answeredAt !== undefined) this.answer(call)
        verdict ??= this.judge(now, call)
      }
    })
    return verdict
  }

  /** Whether even a success may bring a verdict: one call more, and the window holds enough to judge its failures. */
  isSuspicious(): boolean {
    for (const { bad } of this.memories) if (bad > 0) return true
    return false
  }

  /** The window as it reads now: of the first rule that counts failures, and of the first that counts slow calls. */
  tally(now: number): { readonly calls: number; readonly failureRate: number; readonly slowRate: number } {
    const { rules } = this.plan
    const of = (slow: boolean) => {
      const i = rules.findIndex((one) => (one.rule === "slowRate") === slow)
      this.memories[i]?.expire(now)
      const calls = i < 0 ? 0 : this.callsOf(i)
      return { calls, share: calls && this.memories[i]!.bad / calls }
    }
    const failed = of(false)
    const slow = of(true)
    return { calls: failed.calls || slow.calls, failureRate: failed.share, slowRate: slow.share }
  }

  // With call `number`, where the younger block is half full: it goes on as the older one. The calls before keep the array
  // that they were given.
  turn(number: number, now: number): void {
    this.turnsAt = this.turnsWhen = Infinity
    this.plan.rules.forEach((rule, i) => {
      const [older, younger] = this.blocks.slice(2 * i) as [Block, Block]
      let joined = number - younger.first - younger.ignored
      let ends = younger.since + rule.span / 2
      if (joined >= rule.room || now >= ends) {
        older.calls = number - older.first
        older.least = 0.75 * (older.calls - older.ignored)
        // After a silence it speaks of a time that is over.
        this.cause = now < ends + rule.span / 2 ? over(rule, older.bad, older.calls - older.ignored) : undefined
        this.blocks = this.blocks.toSpliced(2 * i, 2, younger, block(rule, number, now))
        joined = 0
        ends = now + rule.span / 2
      }
      this.turnsAt = Math.min(this.turnsAt, number + rule.room - joined)
      this.turnsWhen = Math.min(this.turnsWhen, ends)
    })
  }

  // Tells whether the window holds it against the provider.
  protected count(call: Call, i: number, bad: boolean, now: number): boolean {
    const memory = this.memories[i]!
    if (!bad) return memory.add(false, now)
    const { room, rule, span } = this.plan.rules[i]!
    for (const block of call.blocks.slice(2 * i, 2 * i + 2)) block.bad++
    const isLate = this.reached - call.number >= room || this.reachedAt - call.startedAt >= span
    // A plain count has no share to be fair about.
    return memory.add(rule === "failureCount" || !isLate, now)
  }

  protected callsOf(i: number): number {
    // Whatever is not slow is home before it could be: calls that run cannot hide that others were not slow.
    return this.memories[i]!.calls + (this.plan.rules[i]!.rule === "failureRate" ? this.running : 0)
  }

  // `call` is one that just failed, or turned out slow: its blocks know something new.
  judge(now: number, call: Call | undefined): Verdict | undefined {
    const { admitted, memories, plan: { rules, streak }, streak: row } = this
    if (row >= streak) return streakOf(row, streak)
    for (const [i, rule] of rules.entries()) {
      const memory = memories[i]!
      memory.expire(now)
      const calls = this.callsOf(i)
      if (row >= rule.belowMinimum && calls < rule.minimumCalls) return streakOf(row, rule.belowMinimum)
      const verdict = over(rule, memory.bad, calls)
      if (verdict !== undefined) return verdict
      if (call === undefined || rule.rule === "failureCount") continue
      // The newest call saw all that came before it: it knows no more than the window, unless calls that run dilute that.
      if (call.number === admitted - 1 && calls === memory.calls) continue
      for (const { bad, calls, ignored, least } of call.blocks.slice(2 * i, 2 * i + 2)) {
        const verdict = over(rule, bad, Math.max(calls - ignored, least))
        if (verdict !== undefined) return verdict
      }
      if (this.cause?.rule === rule.rule) return this.cause
    }
    return undefined
  }

  // The row that a call stands in, if it still does.
  private rowOf(call: Call): Row | undefined {
    return this.rows[call.hung?.length ?? 0]
  }

  /** A call is not watched any more. */
  unlink(call: Call): void {
    if (this.rows === noRows) return
    const row = this.rowOf(call)
    if (row?.oldest === call) row.oldest = call.newer
    if (row?.newest === call) row.newest = call.older
    unlink(call)
  }
}

/** @internal */
export const link = (call: Call, row: Row | undefined): void => {
  if (row === undefined) return
  call.older = row.newest
  if (row.newest === undefined) row.oldest = call
  else row.newest.newer = call
  row.newest = call
}

/** @internal Takes a call out of the row of those that run, so that one that never ends does not hold on to all since. */
export const unlink = (call: Call): void => {
  if (call.older !== undefined) call.older.newer = call.newer
  if (call.newer !== undefined) call.newer.older = call.older
  call.older = call.newer = undefined
}

// Two windows long. As many calls as that; where only time bounds it, who knows.
/** @internal */
export const block = ({ room }: Rule, first: number, since: number): Block => ({
  first,
  since,
  calls: 0,
  ignored: 0,
  bad: 0,
  least: 2 * room
})

/** @internal */
export const streakOf = (value: number, limit: number): Verdict => ({ rule: "consecutive", value, limit, calls: value })

/** @internal */
export const over = ({ limit, minimumCalls, rule }: Rule, bad: number, calls: number): Verdict | undefined => {
  const value = rule === "failureCount" ? bad : bad / calls
  return calls >= minimumCalls && value >= limit ? { rule, value, limit, calls } : undefined
}
