/**
 * What is due, and when: the earliest first, and of what is due at the same moment what was entered first.
 *
 * @since 0.1.0
 */

/**
 * Something that comes due. `version` is the one it was entered with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Due {
  due(now: number, version: number): void
}

/**
 * The pending moments of a simulation.
 *
 * **Details**
 *
 * A binary heap. What is entered for the past is due at once: time never goes back. Nothing is taken out before its time: who
 * changes his mind counts up his own version, and does nothing when an older one comes due. Times are whole nanoseconds, as
 * clocks tell them, so that a program that reads the time of a run from a clock sees the same.
 *
 * @category models
 * @since 0.1.0
 */
export class Agenda {
  private readonly times: Array<number> = []
  private readonly entries: Array<number> = []
  private readonly dues: Array<Due> = []
  private readonly versions: Array<number> = []
  private entered = 0
  /** How many are pending. */
  size = 0
  /** The moment of what was taken last. */
  now = 0

  /** The moment of what is due next; infinite where nothing is. */
  get next(): number {
    return this.size === 0 ? Infinity : this.times[0]!
  }

  add(at: number, due: Due, version = 0): void {
    const time = at > this.now ? Math.round(at * NANOS) / NANOS : this.now
    const entry = this.entered++
    let hole = this.size++
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      if (this.times[parent]! <= time) break
      this.move(parent, hole)
      hole = parent
    }
    this.put(hole, time, entry, due, version)
  }

  /** Runs what is due next; `false` where nothing is. */
  step(): boolean {
    if (this.size === 0) return false
    const due = this.dues[0]!
    const version = this.versions[0]!
    this.now = this.times[0]!
    const last = --this.size
    const time = this.times[last]!
    const entry = this.entries[last]!
    const moved = this.dues[last]!
    const movedVersion = this.versions[last]!
    // Shortening the array would be dearer. What is over must not be kept from the collector.
    this.dues[last] = nothing
    let hole = 0
    for (;;) {
      let child = 2 * hole + 1
      if (child >= last) break
      if (child + 1 < last && this.before(child + 1, this.times[child]!, this.entries[child]!)) child++
      if (!this.before(child, time, entry)) break
      this.move(child, hole)
      hole = child
    }
    if (last > 0) this.put(hole, time, entry, moved, movedVersion)
    due.due(this.now, version)
    return true
  }

  private before(at: number, time: number, entry: number): boolean {
    return this.times[at]! < time || (this.times[at] === time && this.entries[at]! < entry)
  }

  private move(from: number, to: number): void {
    this.put(to, this.times[from]!, this.entries[from]!, this.dues[from]!, this.versions[from]!)
  }

  private put(at: number, time: number, entry: number, due: Due, version: number): void {
    this.times[at] = time
    this.entries[at] = entry
    this.dues[at] = due
    this.versions[at] = version
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const nothing: Due = { due: () => {} }

/** In a millisecond. */
const NANOS = 1_000_000
