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
  override add(bad: boolean, at: number): boolean {
    // Before the first stretch of time there is none: what came home then is in that one, while the window has room for it.
    const cell = this.duration < Infinity ? Math.max(this.bucketOf(at), 0) : this.cellFor(at)
    if (cell < this.oldest) return false
    this.change(cell, 1, bad ? 1 : 0)
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

  // It was counted in the cell that is named or before, and calls that were told late may have moved it up.
  override withdraw(cell: number, bad: boolean): void {
    if (cell < this.oldest) return
    const fits = (at: number) => {
      const [calls, wrong] = this.in(at)
      return bad ? wrong > 0 : calls > wrong
    }
    let at = Math.min(cell, this.index)
    while (at <= this.index && !fits(at)) at++
    if (at > this.index) { for (at = Math.min(cell, this.index); at >= this.oldest && !fits(at);) at-- }
    super.withdraw(at, bad)
  }

  written(): Written {
    const { first, index, oldest, size, times } = this
    const all: [number, number, ...Array<number>] = [index, first]
    let before = 0
    for (let cell = oldest; cell <= index; cell++) {
      const [calls, bad] = this.in(cell)
      if (this.duration === Infinity) {
        const time = Math.round(times[cell % size]!)
        all.push(4 * (time - before) + 2 * calls + bad)
        before = time
      } else if (all.length > 2 && all.at(-2) === calls && all.at(-1) === bad) all[all.length - 3]!++
      else all.push(1, calls, bad)
    }
    return all
  }

  /** `undefined` where that is no memory of the window. */
  static read(written: Written, window: CallWindow.CallWindow, now: number): FleetMemory | undefined {
    const memory = new FleetMemory(window, now)
    const [index, first] = written
    const isTimed = memory.duration < Infinity
    let count = isTimed ? 0 : written.length - 2
    for (let i = isTimed ? 2 : written.length; i < written.length; i += 3) {
      const [alike = 0, calls = 0, bad = 0] = written.slice(i, i + 3)
      if (alike < 1 || bad < 0 || calls < bad || calls > mostCalls) return undefined
      count += alike
    }
    if (count > memory.size || count > index + 1) return undefined
    Object.assign(memory, { index, oldest: index - count + 1 })
    if (isTimed) memory.readBuckets(written, first)
    else memory.readCalls(written)
    return memory
  }

  private readBuckets(written: Written, first: number): void {
    Object.assign(this, { first })
    let cell = this.oldest
    for (let i = 2; i < written.length; i += 3) {
      for (const end = cell + written[i]!; cell < end; cell++) this.change(cell, written[i + 1]!, written[i + 2]!)
    }
  }

  private readCalls(written: Written): void {
    const { size, times } = this
    const cells = this.ring()
    let time = 0
    for (let i = 2, at = this.oldest % size; i < written.length; i++, at = (at + 1) % size) {
      const one = written[i]!
      times[at] = time += Math.floor(one / 4)
      if ((one & 2) === 0) continue
      cells[at] = 1
      this.calls++
      if ((one & 1) === 0) continue
      cells[at + size] = 1
      this.bad++
    }
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
