/**
 * Records in order of when they were asked for, out of a log that was written in order of ending, or in no strict order.
 *
 * A record waits until nothing that could come before it is to be expected, and no longer, so the memory that it takes has
 * a bound. What comes when its time is over is late. A record that is far from all others around it is left out: a clock
 * that was wrong must neither hurry the rest along nor stretch the log over decades.
 *
 * @since 0.1.0
 */
import type { Call } from "./LogCall.ts"
import { Queue } from "./LogQueue.ts"

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
  record(record: Call): void
  leftOut(record: Call, why: Why): void
}

/** Puts records in order. */
export class Order {
  private readonly bounds: Bounds
  private readonly sink: Sink
  // Those that came in order, and the rest: of a log that is in order nothing has to be sorted.
  private readonly run = new Queue()
  private readonly rest: Array<Call> = []
  private latest = -Infinity
  private given = -Infinity
  private longest = 0
  /** Far beyond all others: true when more of the kind come, wrong when one comes that is not. */
  private beyond: Array<Call> = []
  private areRare = false
  /** The copies that are told apart: those with the time of the last that was given. */
  private readonly marks: Array<string | number> = []
  private many: Set<string | number> | undefined

  constructor(bounds: Bounds, sink: Sink) {
    this.bounds = bounds
    this.sink = sink
  }

  private get waiting(): number {
    return this.run.length + this.rest.length
  }

  add(record: Call): void {
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

  private place(record: Call): void {
    const { at, took } = record
    if (at < this.given) return this.sink.leftOut(record, "late")
    if (took > this.longest) this.longest = took
    if (at >= this.run.lastAt) this.run.add(record)
    else up(this.rest, record)
    if (at > this.latest) this.latest = at
    this.release(this.latest - this.bounds.within - Math.min(this.longest, longestWait))
    while (this.waiting > this.bounds.most) this.release(this.nextAt())
  }

  private release(until: number): void {
    const { rest, run } = this
    for (let next = this.nextAt(); next <= until && next < Infinity; next = this.nextAt()) {
      const straggler = rest[0]
      const isFirst = straggler !== undefined &&
        (straggler.at < run.firstAt || (straggler.at === run.firstAt && straggler.line < run.firstLine))
      if (isFirst) down(rest)
      this.give(isFirst ? straggler : run.take())
    }
  }

  private nextAt(): number {
    const { firstAt } = this.run
    const straggler = this.rest[0]
    return straggler !== undefined && straggler.at < firstAt ? straggler.at : firstAt
  }

  private give(record: Call): void {
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
      else if ((this.many ??= new Set(this.marks)).size < mostMarks) this.many.add(id)
    }
    this.sink.record(record)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** So many that are far from what came before are no mistake. */
const BELIEVED = 8

/** Beyond so many of the same time, copies are no longer known. */
const mostMarks = 1_000_000

/** A call that hangs for days must not make all others wait as long. */
const longestWait = 3_600_000

/** Of the same time, as the log has them. */
const before = (a: Call, b: Call): boolean => a.at < b.at || (a.at === b.at && a.line < b.line)

// A heap, the first at its top.
const up = (heap: Array<Call>, record: Call): void => {
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

const down = (heap: Array<Call>): void => {
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
