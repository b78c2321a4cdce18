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
  probes = noProbes
  constructor(record: CallRecord.CallRecord, place: Place, permits: Array<Permit | undefined>) {
    this.record = record
    this.place = place
    this.permits = permits
  }
}

/** Something that happens to a call: it answers, or it ends. */
export class Due {
  readonly at: number
  readonly turn: number
  readonly isEnd: boolean
  readonly running: Running
  constructor(at: number, turn: number, isEnd: boolean, running: Running) {
    this.at = at
    this.turn = turn
    this.isEnd = isEnd
    this.running = running
  }
}

/**
 * What is to come, in order of time. At the same time: in the order in which the calls were asked for, and of one call the
 * first content before the end.
 */
export class InFlight {
  private readonly heap: Array<Due> = []
  private turns = 0

  add(at: number, isEnd: boolean, running: Running): void {
    const due = new Due(at, this.turns++, isEnd, running)
    const { heap } = this
    let place = heap.length
    heap.push(due)
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!before(due, heap[parent]!)) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = due
  }

  /** What happens next, if it does so until then: and it is over. */
  next(until: number): Due | undefined {
    const { heap } = this
    const first = heap[0]
    if (first === undefined || first.at > until) return undefined
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
}

// ---------------------------------------------------------------------------------------------------------------------

const noProbes: ReadonlyArray<number> = []

const before = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.turn < b.turn)
