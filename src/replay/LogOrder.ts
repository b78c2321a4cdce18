/**
 * Records in order of when they were asked for, out of a log that was written in order of ending, or in no strict order.
 *
 * A record waits until nothing that could come before it is to be expected, and no longer, so the memory that it takes has
 * a bound. What comes when its time is over is late. A record that is far from all others around it is left out: a clock
 * that was wrong must neither hurry the rest along nor stretch the log over decades.
 *
 * @since 0.1.0
 */
import type * as CallRecord from "./CallRecord.ts"

/** Why a record was left out here. */
export type Why = "late" | "far" | "future" | "duplicate"

/** How long records wait, in milliseconds. */
export interface Bounds {
  /** How much later than the end of its call a line may be written. */
  readonly within: number
  /** How many records may wait. */
  readonly most: number
  /** How far a record may be from those before. */
  readonly jump: number
  /** Nothing happened after that. */
  readonly now: number
  readonly keepsCopies: boolean
}

/** Who takes the records, and those left out. */
export interface Sink {
  record(record: CallRecord.Call): void
  leftOut(record: CallRecord.Call, why: Why): void
}

/** Puts records in order. */
export class Order {
  private readonly bounds: Bounds
  private readonly sink: Sink
  // Those that came in order, and the rest: of a log that is in order nothing has to be sorted.
  private run: Array<CallRecord.Call> = []
  private runFrom = 0
  private readonly rest: Array<CallRecord.Call> = []
  private latest = -Infinity
  private given = -Infinity
  private longest = 0
  /** Far beyond all others: true when more of the kind come, wrong when one comes that is not. */
  private beyond: Array<CallRecord.Call> = []
  private areRare = false
  /** The copies that are told apart: those with the time of the last that was given. */
  private readonly marks: Array<string | number> = []
  private many: Set<string | number> | undefined

  constructor(bounds: Bounds, sink: Sink) {
    this.bounds = bounds
    this.sink = sink
  }

  private get waiting(): number {
    return this.run.length - this.runFrom + this.rest.length
  }

  add(record: CallRecord.Call): void {
    const { jump, now } = this.bounds
    if (record.at > now) return this.sink.leftOut(record, "future")
    if (record.at - this.latest > jump) {
      this.beyond.push(record)
      if (this.beyond.length >= BELIEVED) this.goOn()
      return
    }
    if (this.beyond.length > 0) {
      for (const far of this.beyond) this.sink.leftOut(far, "far")
      this.beyond = []
    }
    if (this.latest - record.at > jump) this.sink.leftOut(record, "far")
    else this.place(record)
  }

  end(): void {
    this.goOn(this.latest > -Infinity && !this.areRare)
    this.release(Infinity)
  }

  // As many as that cannot be wrong all at once: the log goes on there, or begins there. Only what is far from those too
  // is left out; where each is far from each, they are rare calls, unless there is something else to be far from.
  private goOn(isDoubtful = false): void {
    const beyond = this.beyond.toSorted((a, b) => a.at - b.at)
    const { jump } = this.bounds
    this.beyond = []
    const alone = (i: number) =>
      (i === 0 || beyond[i]!.at - beyond[i - 1]!.at > jump) &&
      (i === beyond.length - 1 || beyond[i + 1]!.at - beyond[i]!.at > jump)
    this.areRare = !isDoubtful && beyond.every((_, i) => alone(i))
    beyond.forEach((record, i) => {
      if (alone(i) && !this.areRare) this.sink.leftOut(record, "far")
      else this.place(record)
    })
  }

  private place(record: CallRecord.Call): void {
    const { at, took } = record
    if (at < this.given) return this.sink.leftOut(record, "late")
    if (took > this.longest) this.longest = took
    const last = this.run.length > this.runFrom ? this.run[this.run.length - 1]!.at : -Infinity
    if (at >= last) this.run.push(record)
    else up(this.rest, record)
    if (at > this.latest) this.latest = at
    this.release(this.latest - this.bounds.within - Math.min(this.longest, longestWait))
    while (this.waiting > this.bounds.most) this.release(this.next()!.at)
  }

  private release(until: number): void {
    for (let next = this.next(); next !== undefined && next.at <= until; next = this.next()) {
      if (next === this.rest[0]) down(this.rest)
      else this.runFrom++
      this.give(next)
    }
    if (this.runFrom > 1024 && this.runFrom > this.run.length / 2) {
      this.run = this.run.slice(this.runFrom)
      this.runFrom = 0
    }
  }

  private next(): CallRecord.Call | undefined {
    const [straggler, ordered] = [this.rest[0], this.run[this.runFrom]]
    if (straggler === undefined || ordered === undefined) return straggler ?? ordered
    return before(straggler, ordered) ? straggler : ordered
  }

  private give(record: CallRecord.Call): void {
    if (record.at > this.given) {
      this.given = record.at
      this.marks.length = 0
      this.many = undefined
    }
    if (!this.bounds.keepsCopies) {
      const { id } = record
      if (this.many === undefined ? this.marks.includes(id) : this.many.has(id)) {
        return this.sink.leftOut(record, "duplicate")
      }
      if (this.marks.length < 8) this.marks.push(id)
      else (this.many ??= new Set(this.marks)).add(id)
    }
    this.sink.record(record)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** So many that are far from what came before are no mistake. */
const BELIEVED = 8

/** A call that hangs for days must not make all others wait as long. */
const longestWait = 3_600_000

/** Of the same time, as the log has them. */
const before = (a: CallRecord.Call, b: CallRecord.Call): boolean => a.at < b.at || (a.at === b.at && a.line < b.line)

// A heap, the first at its top.
const up = (heap: Array<CallRecord.Call>, record: CallRecord.Call): void => {
  let at = heap.length
  heap.push(record)
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!before(record, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = record
}

const down = (heap: Array<CallRecord.Call>): void => {
  const last = heap.pop()!
  const { length } = heap
  if (length === 0) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= length) break
    if (child + 1 < length && before(heap[child + 1]!, heap[child]!)) child++
    if (!before(heap[child]!, last)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
}
