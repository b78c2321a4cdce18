/**
 * What a fleet has gathered in one period: the evidence of one circuit, put together from the reports of many processes.
 *
 * It is `Evidence`, with three differences, none of which shows where only one process reports:
 *
 * - **Order.** Reports arrive late and in lumps. A streak goes by the times at which calls came home, so that a success
 *   which is told late still ends the failures before it.
 * - **Weight.** Where more calls came home in the fleet than a window of the last calls holds, a report enters the window
 *   with its share of them: the process that reported last must not fill it alone.
 * - **Patience.** What looks like the end is a suspicion first. The verdict falls when everybody was heard (`Fleet`).
 *
 * @since 0.1.0
 */
import type * as CallWindow from "../CallWindow.ts"
import * as Evidence from "../Evidence.ts"

/** Where a call that runs stands in the evidence: the process keeps it, so that the shared value need not. */
export interface Place {
  readonly number: number
  /** Of each rule, the number of the older block that it was admitted in. */
  readonly blocks: ReadonlyArray<number>
  readonly hung: ReadonlyArray<Evidence.Counted>
}

/** When the first of so many failures in a row came home, and when the last. */
export interface Row {
  readonly from: number
  readonly to: number
  readonly limit: number
}

/** The longest window of calls that a fleet shares: it is written down with each report. */
export const longestWindow = 10_000

export class FleetEvidence extends Evidence.Evidence {
  /** Of each rule, the blocks that some call may still report to, and the number of the first of them. */
  readonly kept: ReadonlyArray<{ from: number; readonly blocks: Array<Evidence.Block> }>
  /** When the last of the failures in a row came home, oldest first: of no more of them than a rule asks for. */
  failedAt: Array<number> = []
  succeededAt = -Infinity
  /** A streak that waits for a verdict: only a success in the midst of it undoes it, one that came later does not. */
  row: Row | undefined = undefined
  /** How many calls came home and counted. */
  home = 0
  turnedAt: number
  /** Blocks last at least so long: each process shall have reported in it. */
  pace = 0
  /** Nobody else has a say: what is known is all there is. */
  isAlone = true
  suspicion: Evidence.Verdict | undefined = undefined
  /** Of the calls in the fleet since the last report of whoever reports now: how many. */
  since = 0
  /** What is left over of the shares, of each rule for good calls and for bad: kept by the process that reports. */
  carry: Array<number> = []
  private readonly longestStreak: number
  private readonly shortestStreak: number

  constructor(plan: Evidence.Plan, now: number) {
    super(plan, now)
    this.turnedAt = now
    const limits = [plan.streak, ...plan.rules.map(({ belowMinimum }) => belowMinimum)].filter(Number.isFinite)
    this.longestStreak = Math.max(...limits, 0)
    this.shortestStreak = Math.min(...limits)
    this.kept = plan.rules.map((_, i) => ({ from: 0, blocks: this.blocks.slice(2 * i, 2 * i + 2) }))
  }

  /** The place of a call that runs. */
  placeOf(call: Evidence.Call): Place {
    return {
      number: call.number,
      blocks: this.kept.map(({ blocks, from }, i) => from + blocks.lastIndexOf(call.blocks[2 * i]!)),
      hung: call.hung ?? []
    }
  }

  /** Puts a call back in its place. Calls come oldest first. */
  putBack(call: Evidence.Call, place: Place): void {
    call.number = place.number
    call.hung = place.hung.length > 0 ? [...place.hung] : undefined
    call.blocks = this.plan.rules.flatMap((rule, i) => {
      const { blocks, from } = this.kept[i]!
      const at = (place.blocks[i] ?? -1) - from
      // What nobody kept for it any more cannot be judged either.
      const lost = () => Evidence.block({ ...rule, room: Infinity }, call.number, call.startedAt)
      return [blocks[at] ?? lost(), blocks[at + 1] ?? lost()]
    })
    Evidence.link(call, this.rows[call.hung?.length ?? 0])
    if (call.answeredAt !== undefined) this.answer(call)
    this.running++
  }

  /** Lets go of the blocks that end before the call `oldest`. */
  forget(oldest: number): void {
    for (const one of this.kept) {
      const { blocks } = one
      while (blocks.length > 2 && blocks[0]!.first + blocks[0]!.calls <= oldest) {
        blocks.shift()
        one.from++
      }
    }
  }

  /** What the rules say to all that is known. */
  verdict(now: number): Evidence.Verdict | undefined {
    if (this.row !== undefined) {
      const { limit } = this.row
      return { rule: "consecutive", value: limit, limit, calls: limit }
    }
    const verdict = super.judge(now, undefined)
    if (verdict !== undefined) return verdict
    for (const [i, rule] of this.plan.rules.entries()) {
      if (rule.rule === "failureCount") continue
      for (const { bad, calls, ignored, least } of this.kept[i]!.blocks) {
        const verdict = Evidence.over(rule, bad, Math.max(calls - ignored, least))
        if (verdict !== undefined) return verdict
      }
    }
    return undefined
  }

  override judge(now: number, call: Evidence.Call | undefined): Evidence.Verdict | undefined {
    const verdict = super.judge(now, call)
    if (this.isAlone) return verdict
    this.suspicion ??= verdict
    if (verdict?.rule === "consecutive") {
      const { limit } = verdict
      this.row ??= { from: this.failedAt.at(-limit) ?? now, to: this.failedAt.at(-1) ?? now, limit }
    }
    return undefined
  }

  override settle(call: Evidence.Call, failed: boolean, now: number, slow?: boolean): Evidence.Verdict | undefined {
    this.home++
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
    if (this.failedAt.length > this.longestStreak) this.failedAt.shift()
  }

  private succeeded(at: number): void {
    this.succeededAt = Math.max(this.succeededAt, at)
    this.failedAt = this.failedAt.filter((one) => one > at)
    if (this.row !== undefined && at > this.row.from && at < this.row.to) this.row = undefined
  }

  override turn(number: number, now: number): void {
    if (this.kept === undefined) return super.turn(number, now)
    const mayTurnAt = this.turnedAt + this.pace
    if (now < mayTurnAt) {
      this.turnsAt = Infinity
      this.turnsWhen = mayTurnAt
      return
    }
    super.turn(number, now)
    this.kept.forEach(({ blocks }, i) => {
      const youngest = this.blocks[2 * i + 1]!
      if (blocks.at(-1) === youngest) return
      blocks.push(youngest)
      this.turnedAt = now
    })
  }

  protected override count(call: Evidence.Call, i: number, bad: boolean, now: number): boolean {
    const { room } = this.plan.rules[i]!
    if (this.isAlone || this.since <= room) return super.count(call, i, bad, now)
    const kind = 2 * i + (bad ? 1 : 0)
    const share = (this.carry[kind] ?? 0) + room / this.since
    this.carry[kind] = share >= 1 ? share - 1 : share
    if (share >= 1) return super.count(call, i, bad, now)
    if (bad) { for (const block of call.blocks.slice(2 * i, 2 * i + 2)) block.bad++ }
    return false
  }
}

/** Whether a fleet can share the windows of a plan. */
export const isShareable = (window: CallWindow.CallWindow): boolean =>
  (window._tag === "LastCalls" ? window.calls : window.buckets) <= longestWindow
