/**
 * Chance, time and the latencies of calls, for simulations on virtual time.
 */

/** mulberry32: numbers from 0 to 1, the same for the same seed. */
export const chance = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What is due next: a binary heap by time, and by order of entry where times are equal. */
export class Agenda {
  private readonly times: Array<number> = []
  private readonly entries: Array<number> = []
  private readonly values: Array<number> = []
  private entered = 0
  size = 0

  get next(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.times[0]!
  }

  add(time: number, value: number): void {
    let at = this.size++
    const entry = this.entered++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.times[parent]! <= time) break
      this.move(parent, at)
      at = parent
    }
    this.put(at, time, entry, value)
  }

  take(): number {
    const value = this.values[0]!
    const last = --this.size
    const time = this.times[last]!
    const entry = this.entries[last]!
    const moved = this.values[last]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= last) break
      if (child + 1 < last && this.isBefore(child + 1, this.times[child]!, this.entries[child]!)) child++
      if (!this.isBefore(child, time, entry)) break
      this.move(child, at)
      at = child
    }
    this.put(at, time, entry, moved)
    return value
  }

  private isBefore(at: number, time: number, entry: number): boolean {
    return this.times[at]! < time || (this.times[at] === time && this.entries[at]! < entry)
  }

  private move(from: number, to: number): void {
    this.put(to, this.times[from]!, this.entries[from]!, this.values[from]!)
  }

  private put(at: number, time: number, entry: number, value: number): void {
    this.times[at] = time
    this.entries[at] = entry
    this.values[at] = value
  }
}

export interface Latency {
  readonly name: string
  readonly mean: number
  readonly p99: number
  readonly draw: (random: () => number) => number
}

export const fixed = (millis: number): Latency => ({
  name: String(millis),
  mean: millis,
  p99: millis,
  draw: () => millis
})

export const exponential = (mean: number): Latency => ({
  name: `exp ${mean}`,
  mean,
  p99: mean * Math.log(100),
  draw: (random) => -mean * Math.log(1 - random())
})

export const logNormal = (median: number, sigma: number): Latency => ({
  name: `log-normal ${median}`,
  mean: median * Math.exp(sigma ** 2 / 2),
  p99: median * Math.exp(2.3263 * sigma),
  draw: (random) => median * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()))
})

export interface Latencies {
  readonly success: Latency
  readonly failure: Latency
}

export const latencies: ReadonlyArray<Latencies> = [
  { success: fixed(150), failure: fixed(45) },
  { success: fixed(20_000), failure: fixed(300) },
  { success: fixed(150), failure: fixed(10_000) },
  { success: fixed(1), failure: fixed(45) },
  { success: fixed(150), failure: fixed(150) },
  { success: exponential(2000), failure: exponential(300) },
  { success: exponential(300), failure: exponential(2000) },
  { success: logNormal(1500, 1), failure: logNormal(150, 1.2) }
]
