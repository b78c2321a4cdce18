/**
 * How many lines a minute may hold: so many of one circuit, so many in all. What is above is counted, not kept.
 *
 * @since 0.1.0
 */

const MINUTE = 60_000

/** What was left out in one minute: of each that had used up its own share, and because all together had. */
export interface LeftOut<Key> {
  readonly of: ReadonlyArray<readonly [key: Key, lines: number]>
  readonly others: number
}

export class LineLimit<Key> {
  private readonly each: number
  private readonly all: number
  // Only who has written a line is in it, so it never holds more than `all`.
  private lines = new Map<Key, { written: number; leftOut: number }>()
  private written = 0
  private others = 0
  private until = Number.NEGATIVE_INFINITY
  private isFull = false

  constructor(each: number, all: number) {
    this.each = each
    this.all = all
  }

  /** When there is something to tell of lines that were left out: at the end of the minute. */
  get dueAt(): number {
    return this.isFull ? this.until : Number.POSITIVE_INFINITY
  }

  /** Takes a line, if there is still room for it. What is due has to be told first. */
  take(key: Key, now: number): boolean {
    if (now >= this.until) {
      this.clear()
      this.until = now + MINUTE
    }
    const own = this.lines.get(key) ?? { written: 0, leftOut: 0 }
    const hasRoom = own.written < this.each
    if (hasRoom && this.written < this.all) {
      own.written++
      this.written++
      this.lines.set(key, own)
      return true
    }
    this.isFull = true
    if (hasRoom) this.others++
    else own.leftOut++
    return false
  }

  /** What was left out, told once: with it a new minute begins. */
  drain(): LeftOut<Key> {
    const of = Array.from(this.lines, ([key, { leftOut }]) => [key, leftOut] as const).filter(([, lines]) => lines > 0)
    const { others } = this
    this.clear()
    this.until = Number.NEGATIVE_INFINITY
    return { of, others }
  }

  private clear(): void {
    this.lines = new Map()
    this.written = this.others = 0
    this.isFull = false
  }
}
