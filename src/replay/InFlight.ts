/**
 * The calls that run, and what comes next of them.
 *
 * @since 0.1.0
 */
import type { Permit } from "../Circuit.ts"
import type * as CallRecord from "./CallRecord.ts"
import type { Place } from "./Runs.ts"

/** A call that at least one policy let go. */
export class Running {
  readonly record: CallRecord.CallRecord
  readonly place: Place
  /** Of each policy: its permit, unless it refused. */
  readonly permits: Array<Permit | undefined>
  /** The policies for which it is a probe. */
  probes: ReadonlyArray<number>
  /** When something happens to it next: it answers, or it ends. */
  due: number
  turn: number
  isAnswering: boolean
  constructor(record: CallRecord.CallRecord, place: Place, permits: Array<Permit | undefined>) {
    this.record = record
    this.place = place
    this.permits = permits
    this.probes = noProbes
    this.due = 0
    this.turn = 0
    this.isAnswering = false
  }
}

/**
 * What is to come, in order of time. At the same time: in the order in which the calls were asked for, and of one call the
 * first content before the end.
 */
export class InFlight {
  private readonly heap: Array<Running> = []
  private turns = 0

  /** A call runs; `answers` says whether its first content matters. */
  add(running: Running, answers: boolean): void {
    const { at, firstContent, took } = running.record
    running.turn = this.turns++
    running.isAnswering = answers && firstContent !== undefined && firstContent < took
    running.due = at + (running.isAnswering ? firstContent! : took)
    this.put(running)
  }

  /** A call has answered: its end comes next. */
  answered(running: Running): void {
    running.isAnswering = false
    running.due = running.record.at + running.record.took
    this.put(running)
  }

  /** The call to which something happens next, if it does so until then: that is over now. */
  next(until: number): Running | undefined {
    const { heap } = this
    const first = heap[0]
    if (first === undefined || first.due > until) return undefined
    const last = heap.pop()!
    const { length } = heap
    if (length === 0) return first
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= length) break
      if (child + 1 < length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[place] = heap[child]!
      place = child
    }
    heap[place] = last
    return first
  }

  private put(running: Running): void {
    const { heap } = this
    let place = heap.length
    heap.push(running)
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!before(running, heap[parent]!)) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = running
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const noProbes: ReadonlyArray<number> = []

const before = (a: Running, b: Running): boolean => a.due < b.due || (a.due === b.due && a.turn < b.turn)
