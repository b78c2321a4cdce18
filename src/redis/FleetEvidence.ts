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
import type * as CallWindow from "../CallWindow.ts"
import * as Evidence from "../Evidence.ts"
import { type Block, FleetBlocks } from "./FleetBlocks.ts"
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

/** When each of many calls began, and when it came home. */
export interface Times {
  readonly startedAt: (n: number) => number
  readonly settledAt: (n: number) => number
}

/** The longest window of calls that a fleet shares: it is written down with each report. */
export const longestWindow = 10_000

export class FleetEvidence extends Evidence.Evidence {
  /** Of each rule. */
  readonly kept: ReadonlyArray<FleetBlocks>
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
  /** When the call that is settled next came home: maybe before this history began. */
  cameHomeAt: number | undefined = undefined
  private joined: ReadonlyArray<Block> = []
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
    this.kept = plan.rules.map((rule) => new FleetBlocks(rule, now, block))
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
    call.blocks = this.kept.flatMap((blocks, i) => blocks.pair(place.blocks[i] ?? -1))
    Evidence.link(call, this.rows[call.hung?.length ?? 0])
    if (call.answeredAt !== undefined) this.answer(call)
    this.running++
  }

  override admit(call: Evidence.Call): void {
    const { startedAt } = call
    const { grace, isAlone, newestAt } = this
    call.number = this.admitted++
    this.running++
    if (!this.joinsAgain(startedAt)) {
      this.joined = this.kept.flatMap((blocks) => {
        const joined = blocks.join(startedAt, newestAt, grace, isAlone)
        if (blocks.closed !== undefined) this.cause = blocks.closed.cause
        return joined
      })
    }
    call.blocks = this.joined
    this.newestAt = Math.max(newestAt, startedAt)
    Evidence.link(call, this.rows[0])
  }

  // Of many calls in a row, most join what the one before them joined.
  private joinsAgain(startedAt: number): boolean {
    const { joined, kept, newestAt } = this
    for (let i = 0; i < kept.length; i++) {
      const [older, younger] = [joined[2 * i], joined[2 * i + 1]]
      if (older === undefined || younger === undefined) return false
      if (!kept[i]!.isOpen(older, younger, startedAt, newestAt)) return false
    }
    for (const block of joined) block.calls++
    return true
  }

  /** Lets go of what ended before `time`. */
  forget(time: number): void {
    for (const blocks of this.kept) blocks.forget(time)
  }

  /** Tells whether it looks like the end, as far as members were heard. */
  suspect(now: number): boolean {
    if (this.recent(now, now) !== undefined) return true
    return this.kept.some((blocks) => blocks.suspect(now, this.grace) !== undefined)
  }

  /** What the rules say to what had come home until then, all having been heard since. */
  verdict(now: number, until: number): Evidence.Verdict | undefined {
    let verdict = this.recent(now, until)
    for (const blocks of this.kept) verdict ??= blocks.verdict(until, this.grace)
    return verdict
  }

  // The streak and the windows.
  private recent(now: number, until: number): Evidence.Verdict | undefined {
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
    }
    return undefined
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
    const { cameHomeAt = now } = this
    this.cameHomeAt = undefined
    if (failed) this.failed(cameHomeAt)
    else this.succeeded(cameHomeAt)
    const verdict = super.settle(call, failed, cameHomeAt, slow)
    if (!failed) this.streak = this.failedAt.length
    return verdict
  }

  /** A call came home well where nothing is bad, and no call counts as slow. The windows are told later (`counted`). */
  passed(call: Evidence.Call, now: number): void {
    this.succeeded(now)
    this.running--
    this.streak = this.failedAt.length
    if (call.number <= this.reached) return
    this.reached = call.number
    this.reachedAt = call.startedAt
  }

  /**
   * Calls that came home well, each of them before the next began: as many as join what the one before them joined. Gives
   * how many.
   */
  passedInTurn(from: number, to: number, times: Times): number {
    const { joined, kept } = this
    let [most, until] = [to - from, Infinity]
    for (const [i, blocks] of kept.entries()) {
      const [older, younger] = [joined[2 * i], joined[2 * i + 1]]
      if (older === undefined || younger === undefined) return 0
      most = Math.min(most, blocks.roomIn(older, younger))
      until = Math.min(until, blocks.endsAt)
    }
    let n = from
    for (const end = from + most; n < end; n++) {
      const at = times.startedAt(n)
      const newestAt = Math.max(this.newestAt, at)
      if (newestAt >= until) break
      this.newestAt = newestAt
      this.reachedAt = at
      this.succeeded(times.settledAt(n))
    }
    const calls = n - from
    for (const block of joined) block.calls += calls
    this.admitted += calls
    if (calls > 0) this.reached = this.admitted - 1
    this.streak = this.failedAt.length
    return calls
  }

  /** The windows are told of calls that came home well, one after the other: of no more than a window has room for. */
  counted(from: number, to: number, { settledAt }: Times): void {
    for (const [i, { room }] of this.plan.rules.entries()) {
      for (let n = Math.max(from, to - room); n < to; n++) this.memories[i]!.add(false, settledAt(n))
    }
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
    if (this.failedAt.length > 0) this.failedAt = this.failedAt.filter((one) => one > at)
    if (this.row === undefined) return
    const { from, limit, to } = this.row
    // What came home in the same moment as the last of them may have come before it.
    if (limit > 1 && at >= from && at <= to) this.row = undefined
  }
}

/** Whether a fleet can share the windows of a plan. */
export const isShareable = (window: CallWindow.CallWindow): boolean =>
  (window._tag === "LastCalls" ? window.calls : window.buckets) <= longestWindow
