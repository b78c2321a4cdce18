/**
 * The blocks of a fleet: of one rule, the runs of consecutive admissions that calls report to however late they come home.
 *
 * They are those of `Evidence`, and equal to them where one process alone tells of its calls in order. What others tell late
 * finds the block of its time. A suspicion closes the block that raised it: once all were heard, what is in it is known.
 *
 * @since 0.1.0
 */
import * as Evidence from "../Evidence.ts"

/** A block with a name. How many calls joined it is known all along. */
export interface Block extends Evidence.Block {
  readonly id: number
}

/** The most blocks that are kept. */
export const mostBlocks = 64

export class FleetBlocks {
  /** Those that some call may still report to, oldest first: the last two are open, the one before was closed last. */
  all: Array<Block>
  /** The block that the last call closed, and why that trips, if it does. */
  closed: { readonly cause: Evidence.Verdict | undefined } | undefined = undefined
  private readonly rule: Evidence.Rule

  constructor(rule: Evidence.Rule, now: number, id = 0) {
    this.rule = rule
    this.all = [block(rule, now, id), block(rule, now, id + 1)]
  }

  /**
   * The older of the two blocks that a call joins, and the younger. `newestAt` is when the newest call before it began, and
   * `grace` how long a block lasts at least, unless nobody else has a say.
   */
  join(startedAt: number, newestAt: number, grace: number, isAlone: boolean): ReadonlyArray<Block> {
    const { all, rule } = this
    const youngest = all.at(-1)!
    const now = Math.max(newestAt, startedAt)
    const ends = youngest.since + rule.span / 2
    const isFull = youngest.calls - youngest.ignored >= rule.room || now >= ends
    this.closed = undefined
    if (isFull && (isAlone || now - youngest.since >= grace)) {
      const older = all.at(-2)!
      const calls = older.calls - older.ignored
      this.closed = { cause: now < ends + rule.span / 2 ? Evidence.over(rule, older.bad, calls) : undefined }
      // Blocks that follow a suspicion may be short.
      older.least = leastShare * (isAlone || rule.room === Infinity ? calls : Math.max(calls, 2 * rule.room))
      // It begins after all calls that were told of, lest it divide them from those told late, and before those whose clock
      // is a little behind.
      this.begin(isAlone && rule.span < Infinity ? now : Math.max((newestAt + now) / 2, now - grace))
    }
    let i = all.length - 1
    while (i > 1 && all[i]!.since > startedAt) i--
    const [older, younger] = [all[i - 1]!, all[i]!]
    const joined = older.id === younger.id - 1 ? [older, younger] : this.pair(younger.id - 1)
    for (const one of joined) {
      one.calls++
      if (one.id < all.at(-2)!.id && !this.isCut(one)) one.least += leastShare
    }
    return joined
  }

  /** Whether these two are still the ones that a call joins, as the one before it did. */
  isOpen(older: Block, younger: Block, startedAt: number, newestAt: number): boolean {
    const { all, rule: { room, span } } = this
    return all[all.length - 1] === younger && all[all.length - 2] === older && startedAt >= younger.since &&
      younger.calls - younger.ignored < room && Math.max(newestAt, startedAt) < younger.since + span / 2
  }

  /** How many calls more join the same two as the one before them did, where they begin in time. */
  roomIn(older: Block, younger: Block): number {
    const { all, rule: { room } } = this
    const isLast = all[all.length - 1] === younger && all[all.length - 2] === older
    return isLast ? room - (younger.calls - younger.ignored) : 0
  }

  /** When the last two end, as far as that is a matter of time. */
  get endsAt(): number {
    return this.all[this.all.length - 1]!.since + this.rule.span / 2
  }

  /** The block of that name and the next. What nobody kept any more cannot be judged either. */
  pair(id: number): ReadonlyArray<Block> {
    const { all } = this
    let i = all.length - 1
    while (i > 0 && all[i - 1]!.id >= id) i--
    return [id, id + 1].map((id) =>
      all[i]?.id === id ? all[i++]! : Object.assign(block(this.rule, 0, id), { least: Infinity })
    )
  }

  /** What looks like the end, though not all were heard. What it goes by is closed with it. */
  suspect(now: number, grace: number): Evidence.Verdict | undefined {
    for (const [i, one] of this.all.entries()) {
      const verdict = this.endOf(i) <= now ? this.overClosed(i, grace) : this.over(one)
      if (verdict === undefined) continue
      // One that is cut off is judged by as many calls as if it had gone on, and all of them had gone well.
      while (one.id >= this.all.at(-2)!.id) this.begin(now)
      return verdict
    }
    return undefined
  }

  /** What is certain of the blocks that were closed until then, once all were heard. */
  verdict(until: number, grace: number): Evidence.Verdict | undefined {
    for (let i = 0; i < this.all.length; i++) {
      const verdict = this.endOf(i) <= until ? this.overClosed(i, grace) : undefined
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  /** Lets go of the blocks that ended before `time`, and of some of the oldest where there are many. */
  forget(time: number): void {
    const { all } = this
    while (all.length > 3 && this.endOf(0) < time) all.shift()
    // Calls so old are judged by some of them.
    if (all.length > mostBlocks) this.all = all.filter((_, i) => i % 2 === 0 || i >= mostBlocks / 2)
  }

  private begin(since: number): void {
    this.all.push(block(this.rule, since, this.all.at(-1)!.id + 1))
  }

  private isCut({ least }: Block): boolean {
    return least === 2 * this.rule.room
  }

  // Where the one after the next begins, if that is kept.
  private endOf(i: number): number {
    return this.all[i + 2]?.since ?? Infinity
  }

  // A short one may be of somebody who was alone for a moment.
  private overClosed(i: number, grace: number): Evidence.Verdict | undefined {
    const one = this.all[i]!
    return this.endOf(i) - one.since >= grace || this.isCut(one) ? this.over(one) : undefined
  }

  private over({ bad, calls, ignored, least }: Block): Evidence.Verdict | undefined {
    // A plain count has no share to be fair about.
    return this.rule.rule === "failureCount"
      ? undefined
      : Evidence.over(this.rule, bad, Math.max(calls - ignored, least))
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const leastShare = 0.75

const block = (rule: Evidence.Rule, since: number, id: number): Block => ({ ...Evidence.block(rule, 0, since), id })
