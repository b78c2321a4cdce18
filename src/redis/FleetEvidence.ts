/**
 * What a fleet has gathered in one period: the evidence of one circuit, put together from the reports of many processes.
 *
 * It is `Evidence`, with two differences, neither of which shows where only one process reports:
 *
 * - **Order.** Reports come late and in lumps, so everything goes by the times of the calls: the streak and the windows by
 *   when they came home, the blocks by when they were admitted.
 * - **Patience.** What looks like the end is a suspicion first. The verdict falls when everybody was heard, on what had come
 *   home when the suspicion arose: from then on only some have told all (`Fleet`).
 *
 * @since 0.1.0
 */
import * as CallWindow from "../CallWindow.ts"
import * as Evidence from "../Evidence.ts"
import { FleetMemory } from "./FleetMemory.ts"

/** Where a call that runs stands in the evidence: the process keeps it, so that the shared value need not. */
export interface Place {
  readonly number: number
  /** Of each rule, the older of the two blocks that it was admitted in. */
  readonly blocks: ReadonlyArray<number>
  readonly hung: ReadonlyArray<Evidence.Counted>
}

/** When the first of so many failures in a row came home, and when the last. */
export interface Row {
  readonly from: number
  readonly to: number
  readonly limit: number
}

/** A block with a name. How many calls joined it is known all along. */
export interface Block extends Evidence.Block {
  readonly id: number
}

/** The longest window of calls that a fleet shares: it is written down with each report. */
export const longestWindow = 10_000

/** The most blocks that are kept for each rule. */
export const mostBlocks = 64

export class FleetEvidence extends Evidence.Evidence {
  /** Of each rule, the blocks that some call may still report to, oldest first: the last two are open, the one before was closed last. */
  readonly kept: ReadonlyArray<Array<Block>>
  /** When the first of the failures in a row came home, in order: as many as a rule asks for. */
  failedAt: Array<number> = []
  succeededAt = -Infinity
  /** A streak that waits for a verdict: only a success in the midst of it undoes it, one that came later does not. */
  row: Row | undefined = undefined
  /** When the newest call that is told of was admitted. */
  newestAt: number
  /** How long all others may take to be heard. */
  grace = 0
  /** Nobody else has a say: what is known is all there is. */
  isAlone = true
  suspicion: Evidence.Verdict | undefined = undefined
  private readonly longestStreak: number
  private readonly shortestStreak: number

  /** Calls are numbered from `admitted` on, blocks from `block`. */
  constructor(plan: Evidence.Plan, now: number, admitted = 0, block = 0) {
    super(plan, now)
    const limits = [plan.streak, ...plan.rules.map(({ belowMinimum }) => belowMinimum)].filter(Number.isFinite)
    this.longestStreak = Math.max(...limits, 0)
    this.shortestStreak = Math.min(...limits)
    this.admitted = admitted
    this.newestAt = now
    this.memories = plan.rules.map(({ window }) => new FleetMemory(window, now))
    this.kept = plan.rules.map((rule) => [block, block + 1].map((id) => ({ ...Evidence.block(rule, 0, now), id })))
  }

  /** The place of a call that runs. */
  placeOf(call: Evidence.Call): Place {
    const blocks = this.kept.map((_, i) => (call.blocks[2 * i] as Block).id)
    return { number: call.number, blocks, hung: call.hung ?? [] }
  }

  /** Puts a call back in its place. Calls come oldest first. */
  putBack(call: Evidence.Call, place: Place): void {
    call.number = place.number
    const hung = place.hung.slice(0, this.rows.length)
    call.hung = hung.length > 0 ? hung : undefined
    call.blocks = this.kept.flatMap((blocks, i) => pair(blocks, place.blocks[i] ?? -1))
    Evidence.link(call, this.rows[call.hung?.length ?? 0])
    if (call.answeredAt !== undefined) this.answer(call)
    this.running++
  }

  override admit(call: Evidence.Call): void {
    const { startedAt } = call
    // A block begins where none has been told of yet, lest it divide what was told from what is told late.
    const now = this.newestAt = Math.max(this.newestAt, startedAt)
    call.number = this.admitted++
    this.running++
    call.blocks = this.kept.flatMap((blocks, i) => {
      const rule = this.plan.rules[i]!
      const youngest = blocks.at(-1)!
      const isFull = youngest.calls - youngest.ignored >= rule.room || now >= youngest.since + rule.span / 2
      if (isFull && (this.isAlone || now - youngest.since >= this.grace)) {
        const older = blocks.at(-2)!
        older.least = leastShare * (older.calls - older.ignored)
        blocks.push({ ...Evidence.block(rule, 0, now), id: youngest.id + 1 })
      }
      let younger = blocks.length - 1
      while (younger > 1 && blocks[younger]!.since > startedAt) younger--
      const joined = pair(blocks, blocks[younger]!.id - 1)
      for (const block of joined) {
        block.calls++
        if (block.id < blocks.at(-2)!.id) block.least += leastShare
      }
      return joined
    })
    Evidence.link(call, this.rows[0])
  }

  /** Lets go of the blocks that ended before `time`, and of some of the oldest where there are many. */
  forget(time: number): void {
    for (const blocks of this.kept) {
      while (blocks.length > 3 && endOf(blocks) < time) blocks.shift()
      if (blocks.length <= mostBlocks) continue
      // Calls so old are judged by some of them.
      const thinned = blocks.filter((_, i) => i % 2 === 0 || i >= mostBlocks / 2)
      blocks.splice(0, blocks.length, ...thinned)
    }
  }

  /** What the rules say to what is known now of the calls that had come home until then. */
  verdict(now: number, until: number): Evidence.Verdict | undefined {
    const { plan: { rules, streak } } = this
    if (this.row !== undefined) return Evidence.streakOf(this.row.limit, this.row.limit)
    const row = this.failedAt.filter((at) => at <= until).length
    if (row >= streak) return Evidence.streakOf(row, streak)
    for (const [i, rule] of rules.entries()) {
      const memory = this.memories[i] as FleetMemory
      memory.expire(now)
      const calls = this.callsOf(i)
      if (calls < rule.minimumCalls && row >= rule.belowMinimum) return Evidence.streakOf(row, rule.belowMinimum)
      const verdict = Evidence.over(rule, memory.badUntil(until), calls)
      if (verdict !== undefined) return verdict
      if (rule.rule === "failureCount") continue
      const blocks = this.kept[i]!
      for (const [j, { bad, calls, ignored, least, since }] of blocks.entries()) {
        // What only some have told of yet must not outweigh what all have; a moment's calls may be those of one alone.
        const end = blocks[j + 2]?.since ?? Infinity
        if (end <= until ? end - since < this.grace : until - since < now - until) continue
        const verdict = Evidence.over(rule, bad, Math.max(calls - ignored, least))
        if (verdict !== undefined) return verdict
      }
    }
    return undefined
  }

  protected override lastClosed(i: number): Evidence.Block | undefined {
    return this.plan.rules[i]!.room === Infinity ? this.kept[i]!.at(-3) : undefined
  }

  override judge(now: number, call: Evidence.Call | undefined): Evidence.Verdict | undefined {
    const verdict = super.judge(now, call)
    if (this.isAlone) return verdict
    this.suspicion ??= verdict
    if (verdict?.rule === "consecutive" && verdict.limit === this.plan.streak) {
      const { limit } = verdict
      this.row ??= { from: this.failedAt[0] ?? now, to: this.failedAt[limit - 1] ?? now, limit }
    }
    return undefined
  }

  override settle(call: Evidence.Call, failed: boolean, now: number, slow?: boolean): Evidence.Verdict | undefined {
    if (failed) this.failed(now)
    else this.succeeded(now)
    const verdict = super.settle(call, failed, now, slow)
    if (!failed) this.streak = this.failedAt.length
    return verdict
  }

  private failed(at: number): void {
    // Where one is enough, nothing can have come in between.
    if (at < this.succeededAt && this.shortestStreak > 1) {
      // Told too late to be one in a row: the count shall stay as it is.
      this.streak--
      return
    }
    let i = this.failedAt.length
    while (i > 0 && this.failedAt[i - 1]! > at) i--
    this.failedAt.splice(i, 0, at)
    if (this.failedAt.length > this.longestStreak) this.failedAt.pop()
  }

  private succeeded(at: number): void {
    this.succeededAt = Math.max(this.succeededAt, at)
    this.failedAt = this.failedAt.filter((one) => one > at)
    if (this.row !== undefined && at > this.row.from && at < this.row.to) this.row = undefined
  }
}

/** Whether a fleet can share the windows of a plan. */
export const isShareable = (window: CallWindow.CallWindow): boolean =>
  (window._tag === "LastCalls" ? window.calls : window.buckets) <= longestWindow

// ---------------------------------------------------------------------------------------------------------------------

const leastShare = 0.75

// The block of that name and the next. What nobody kept any more cannot be judged either.
const pair = (blocks: ReadonlyArray<Block>, id: number): ReadonlyArray<Block> => {
  let i = blocks.length - 1
  while (i > 0 && blocks[i - 1]!.id >= id) i--
  return [id, id + 1].map((id) => {
    if (blocks[i]?.id === id) return blocks[i++]!
    return { id, first: 0, since: 0, calls: 0, ignored: 0, bad: 0, least: Infinity }
  })
}

// A block ends where the one after the next begins, if that is kept.
const endOf = ([block, next, third]: ReadonlyArray<Block>): number =>
  next!.id >= block!.id + 2 ? next!.since : third!.since
