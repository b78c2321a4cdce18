/**
 * The window of a fleet, to which reports come late and in lumps: it goes by the times at which calls came home.
 *
 * It is `CallWindow.Memory`, and equal to it where calls are told in order. A call that is told late takes the place that
 * it would have had, so that a process which reports often does not push out what others have yet to tell.
 *
 * @since 0.1.0
 */
import * as CallWindow from "../CallWindow.ts"

/**
 * A memory as it is written down: its newest cell, the number of its first, and what is in its cells, oldest first.
 *
 * Where a cell is a call: the milliseconds since the one before, times four, plus two if it counts, plus one if it is bad;
 * the first since the epoch. Where a cell is a stretch of time: how many are alike, and how many calls are in each, how many
 * of them bad.
 */
export type Written = readonly [index: number, first: number, ...cells: ReadonlyArray<number>]

// More than a cell can count.
const mostCalls = 1e9

export class FleetMemory extends CallWindow.Memory {
  private last = -1

  override get entered(): number {
    return this.last
  }

  override add(bad: boolean, at: number): boolean {
    this.last = this.duration < Infinity ? this.bucketOf(at) : this.cellFor(at)
    if (this.last < this.oldest) return false
    this.change(this.last, 1, bad ? 1 : 0)
    this.expire(at)
    return bad
  }

  /** How many bad calls had come home until then, as far as that is known. */
  badUntil(time: number): number {
    let { bad } = this
    if (this.duration < Infinity) return bad
    for (let cell = this.index; cell >= this.oldest && this.times[cell % this.size]! > time; cell--) {
      bad -= this.in(cell)[1]
    }
    return bad
  }

  // Calls that were told late may have moved it up.
  override withdraw(cell: number, bad: boolean): void {
    if (cell < this.oldest) return
    for (let at = cell; at <= this.index; at++) {
      const [calls, wrong] = this.in(at)
      if (bad ? wrong > 0 : calls > wrong) return super.withdraw(at, bad)
    }
  }

  written(): Written {
    const { first, index, oldest, size, times } = this
    const cells: Array<number> = []
    let before = 0
    for (let cell = oldest; cell <= index; cell++) {
      const [calls, bad] = this.in(cell)
      if (this.duration === Infinity) {
        const time = Math.round(times[cell % size]!)
        cells.push(4 * (time - before) + 2 * calls + bad)
        before = time
      } else if (cells.at(-2) === calls && cells.at(-1) === bad) cells[cells.length - 3]!++
      else cells.push(1, calls, bad)
    }
    return [index, first, ...cells]
  }

  /** `undefined` where that is no memory of the window. */
  static read([index, first, ...cells]: Written, window: CallWindow.CallWindow, now: number): FleetMemory | undefined {
    const memory = new FleetMemory(window, now)
    const { duration, size } = memory
    const isTimed = duration < Infinity
    // Of each cell, in turn: how many are alike, the time, how many calls, how many of them bad.
    const runs: Array<readonly [alike: number, time: number, calls: number, bad: number]> = []
    let count = 0
    if (isTimed) {
      for (let i = 0; i < cells.length; i += 3) {
        const [alike = 0, calls = 0, bad = 0] = cells.slice(i, i + 3)
        runs.push([alike, 0, calls, bad])
        count += alike
      }
    } else {
      let time = 0
      for (const cell of cells) {
        time += Math.floor(cell / 4)
        runs.push([1, time, cell & 2 ? 1 : 0, cell & 1])
        count++
      }
    }
    if (count > size || count > index + 1) return undefined
    if (runs.some(([alike, , calls, bad]) => alike < 1 || bad < 0 || calls < bad || calls > mostCalls)) return undefined
    Object.assign(memory, { index, first: isTimed ? first : 0, oldest: index - count + 1 })
    let cell = memory.oldest
    for (const [alike, time, calls, bad] of runs) {
      for (const end = cell + alike; cell < end; cell++) {
        if (!isTimed) memory.times[cell % size] = time
        memory.change(cell, calls, bad)
      }
    }
    return memory
  }

  private in(cell: number): readonly [calls: number, bad: number] {
    const cells = this.ring()
    const at = cell % this.size
    return [cells[at]!, cells[at + this.size]!]
  }

  private bucketOf(at: number): number {
    this.expire(at)
    return Math.min(this.cellAt(at) - this.first, this.index)
  }

  // The window may have moved past it.
  private cellFor(at: number): number {
    const { oldest, size, times } = this
    if (this.index - oldest + 1 === size && at < times[oldest % size]!) return -1
    this.enter(this.index + 1)
    const cells = this.ring()
    let place = this.index % size
    let cell = this.index
    for (; cell > this.oldest; cell--) {
      const before = (cell - 1) % size
      if (times[before]! <= at) break
      times[place] = times[before]!
      cells[place] = cells[before]!
      cells[place + size] = cells[before + size]!
      place = before
    }
    times[place] = at
    cells[place] = cells[place + size] = 0
    return cell
  }
}
