/**
 * Which calls a trip policy looks back on, and the memory that counts them.
 *
 * A window is plain data: the last n calls, the last stretch of time, or the last n calls that are no older than that.
 * What is counted, and when, is decided here, because the obvious way is wrong: failures usually come home first, so a
 * share taken over the calls that have come back is too high at every start, close and burst. Calls are therefore
 * counted in the order in which they were *admitted*:
 *
 * - A call enters the window when it comes home, and takes with it every call admitted before it. One of those that still
 *   runs counts as not failed until it says otherwise, and so do the calls admitted since: the **young** ones.
 * - A call may come home so late that the window has moved past it (a timeout of a minute, a window of a hundred calls).
 *   It is counted in its own **blocks** too: the runs of consecutive admissions, two windows long, that it was part of.
 *
 * For calls made one after the other that is the ordinary sliding window, to the call. Neither count can exceed the true
 * share but by chance. See `docs/decisions/0003-fair-share.md`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Setting from "./internal/Setting.ts"

/**
 * The last `calls` counted calls, none of them older than `within` milliseconds where that is given.
 *
 * @category models
 * @since 0.1.0
 */
export interface LastCalls {
  readonly _tag: "LastCalls"
  readonly calls: number
  readonly within?: number | undefined
}

/**
 * The last `duration` milliseconds, kept in `buckets` equal parts.
 *
 * @category models
 * @since 0.1.0
 */
export interface LastDuration {
  readonly _tag: "LastDuration"
  readonly duration: number
  readonly buckets: number
}

/**
 * Which calls a trip policy looks back on. Plain data: durations are milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type CallWindow = LastCalls | LastDuration

/**
 * The Schema of a `CallWindow`, with the same rules as its constructors.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CallWindow: Schema.Codec<CallWindow, unknown> = /*#__PURE__*/ Schema.Union([
  /*#__PURE__*/ Schema.TaggedStruct("LastCalls", { calls: Schema.Number, within: Schema.optional(Schema.Number) }),
  /*#__PURE__*/ Schema.TaggedStruct("LastDuration", { duration: Schema.Number, buckets: Schema.Number })
]).check(Schema.makeFilter((window) => problem(window)))

/**
 * The last `calls` counted calls; with `within`, only those that are no older than that.
 *
 * **Details**
 *
 * With `within` the window is quick to judge in heavy traffic, where a minute holds sixty thousand healthy calls, and
 * never stale in light traffic. The age of a call is counted from when it entered the window.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `calls` is no whole number of at least one, or `within` no finite duration above zero.
 *
 * **Example** (A hundred calls, but none from before the last minute)
 *
 * ```ts
 * import { CallWindow } from "effect-breaker"
 *
 * console.log(CallWindow.lastCalls(100, { within: "1 minute" }))
 * // => { _tag: "LastCalls", calls: 100, within: 60_000 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const lastCalls = (calls: number, options?: { readonly within?: Duration.Input | undefined }): LastCalls => {
  const within = options?.within
  const window: LastCalls = within === undefined
    ? { _tag: "LastCalls", calls }
    : { _tag: "LastCalls", calls, within: Setting.durationMillis("CallWindow.lastCalls", "within", within, true) }
  Setting.enforce(problem(window))
  return window
}

/**
 * The last `duration`, to within one bucket, however long ago the last call was.
 *
 * **Details**
 *
 * Ten buckets by default: the window then holds between nine tenths and all of `duration`. After a silence of `duration`
 * or more it is empty.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `duration` is no finite duration above zero, or `buckets` no whole number of at least one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lastDuration = (
  duration: Duration.Input,
  options?: { readonly buckets?: number | undefined }
): LastDuration => {
  const window: LastDuration = {
    _tag: "LastDuration",
    duration: Setting.durationMillis("CallWindow.lastDuration", "duration", duration, true),
    buckets: options?.buckets ?? 10
  }
  Setting.enforce(problem(window))
  return window
}

const problem = (window: CallWindow): Setting.Problem =>
  window._tag === "LastCalls"
    ? Setting.count("CallWindow.lastCalls", "calls", window.calls) ??
      (window.within === undefined
        ? undefined
        : Setting.millis("CallWindow.lastCalls", "within", window.within, true))
    : Setting.millis("CallWindow.lastDuration", "duration", window.duration, true) ??
      Setting.count("CallWindow.lastDuration", "buckets", window.buckets)

/**
 * Counts of calls: how many, and how many of them failed or were slow.
 *
 * @category counting
 * @since 0.1.0
 */
export interface Tally {
  readonly calls: number
  readonly failures: number
  readonly slow: number
}

/**
 * A run of consecutive admissions. The calls in it hold on to it, so it lives as long as one of them runs, and costs
 * nothing after.
 *
 * @category counting
 * @since 0.1.0
 */
export class Block implements Tally {
  calls = 0
  failures = 0
  slow = 0
  /** No more calls join it. */
  closed = false
  /** How many calls it takes, and for how long it takes them. */
  readonly size: number
  readonly span: number
  readonly since: number
  constructor(size: number, span: number, since: number) {
    this.size = size
    this.span = span
    this.since = since
  }
  /** Whether the next call begins another block. */
  isFull(now: number): boolean {
    return this.calls >= this.size || now - this.since >= this.span
  }
}

/**
 * A new block for a window: twice as many calls as the window has, for no longer than it lasts.
 *
 * **Details**
 *
 * Twice, because a run of 2n calls can hold 2k failures only if one of its halves holds k: calls made one after the other
 * are judged by the window before a block can speak. And because it takes twice the evidence to tell chance from an
 * outage where the window is looked at a thousand times a second.
 *
 * @category counting
 * @since 0.1.0
 */
export const block = (window: CallWindow, now: number, fraction = 1): Block =>
  window._tag === "LastCalls"
    ? new Block(2 * fraction * window.calls, fraction * (window.within ?? Number.POSITIVE_INFINITY), now)
    : new Block(Number.POSITIVE_INFINITY, fraction * window.duration, now)

/**
 * The memory behind one window. Calls are known by their number in order of admission.
 *
 * **Details**
 *
 * Its own `calls`, `failures` and `slow` are the window's, as of the last change; `expire` brings them up to `now`.
 *
 * @category counting
 * @since 0.1.0
 */
export interface Memory extends Tally {
  /** The newest call that has entered the window. */
  readonly reached: number
  /** Call `number` came home, or is known to be slow while it still runs. */
  count(number: number, now: number, failed: boolean, slow: boolean): void
  /** Call `number` says nothing, and leaves the window as if it had never been. */
  drop(number: number, now: number, slow: boolean): void
  /** Lets go of what is too old. */
  expire(now: number): void
}

/**
 * Makes the memory of a window.
 *
 * @category counting
 * @since 0.1.0
 */
export const memory = (window: CallWindow): Memory =>
  window._tag === "LastCalls" ? new CallsMemory(window) : new DurationMemory(window)

/**
 * Tells whether a window reads the time: one that does not may be given any `now`.
 *
 * @category counting
 * @since 0.1.0
 */
export const isTimed = (window: CallWindow): boolean => window._tag === "LastDuration" || window.within !== undefined

const COUNTED = 1
const FAILED = 2
const SLOW = 4

// A ring of flags by call number. It holds twice the window, because a call that turns out to say nothing leaves a hole,
// and starts small, because most circuits of a large map see few calls.
class CallsMemory implements Memory {
  calls = 0
  failures = 0
  slow = 0
  reached = -1
  private readonly size: number
  private readonly within: number
  private readonly capacity: number
  private flags = new Uint8Array(0)
  private times: Float64Array | undefined = undefined
  private tail = 0

  constructor(window: LastCalls) {
    this.size = window.calls
    this.within = window.within ?? Number.POSITIVE_INFINITY
    this.capacity = 2 ** Math.ceil(Math.log2(Math.max(2 * window.calls, 16)))
  }

  count(number: number, now: number, failed: boolean, slow: boolean): void {
    if (number > this.reached) this.enter(number, now)
    if (this.times !== undefined) this.expire(now)
    if (number < this.tail || !(failed || slow)) return
    const slot = number & (this.flags.length - 1)
    if (failed) {
      this.flags[slot]! |= FAILED
      this.failures++
    }
    if (slow) {
      this.flags[slot]! |= SLOW
      this.slow++
    }
  }

  drop(number: number, now: number): void {
    if (number > this.reached) this.enter(number, now)
    if (number < this.tail) return
    const slot = number & (this.flags.length - 1)
    this.uncount(this.flags[slot]!)
    this.flags[slot] = 0
  }

  expire(now: number): void {
    const times = this.times
    if (times === undefined) return
    const oldest = now - this.within
    while (this.tail <= this.reached && times[this.tail & (times.length - 1)]! < oldest) this.evict()
  }

  private enter(number: number, now: number): void {
    let next = this.reached + 1
    if (number - next >= this.capacity) {
      // A jump past everything the ring can hold: only the newest calls can matter.
      this.calls = this.failures = this.slow = 0
      this.tail = next = number - this.capacity + 1
    }
    if (number >= this.flags.length && this.flags.length < this.capacity) this.grow(number)
    const flags = this.flags
    const mask = flags.length - 1
    for (; next <= number; next++) {
      if (next - this.tail > mask) this.evict()
      flags[next & mask] = COUNTED
      if (this.times !== undefined) this.times[next & mask] = now
      this.reached = next
      this.calls++
      while (this.calls > this.size) this.evict()
    }
  }

  private evict(): void {
    this.uncount(this.flags[this.tail & (this.flags.length - 1)]!)
    this.tail++
  }

  private uncount(flags: number): void {
    if ((flags & COUNTED) !== 0) this.calls--
    if ((flags & FAILED) !== 0) this.failures--
    if ((flags & SLOW) !== 0) this.slow--
  }

  // Before the ring is full no number has wrapped, so every flag keeps its place in the larger one.
  private grow(number: number): void {
    let length = Math.max(this.flags.length, 16)
    while (length <= number && length < this.capacity) length *= 2
    const flags = new Uint8Array(length)
    flags.set(this.flags)
    this.flags = flags
    if (this.within === Number.POSITIVE_INFINITY) return
    const times = new Float64Array(length)
    if (this.times !== undefined) times.set(this.times)
    this.times = times
  }
}

// What one bucket holds, side by side in one array: the number of its first call, and its three counts.
const FIRST = 0
const CALLS = 1
const FAILURES = 2
const SLOWS = 3
const WIDTH = 4

class DurationMemory implements Memory {
  calls = 0
  failures = 0
  slow = 0
  reached = -1
  private readonly buckets: number
  private readonly width: number
  private table: Float64Array | undefined = undefined
  private current = 0

  constructor(window: LastDuration) {
    this.buckets = window.buckets
    this.width = window.duration / window.buckets
  }

  count(number: number, now: number, failed: boolean, slow: boolean): void {
    const table = this.enter(number, now)
    if (!(failed || slow)) return
    const at = this.bucketOf(table, number)
    if (at < 0) return
    if (failed) {
      table[at + FAILURES]!++
      this.failures++
    }
    if (slow) {
      table[at + SLOWS]!++
      this.slow++
    }
  }

  drop(number: number, now: number, slow: boolean): void {
    const table = this.enter(number, now)
    const at = this.bucketOf(table, number)
    if (at < 0) return
    table[at + CALLS]!--
    this.calls--
    if (slow) {
      table[at + SLOWS]!--
      this.slow--
    }
  }

  expire(now: number): void {
    if (this.table !== undefined) this.rotate(this.table, now)
  }

  private enter(number: number, now: number): Float64Array {
    let table = this.table
    if (table === undefined) {
      this.table = table = new Float64Array(this.buckets * WIDTH)
      this.current = Math.floor(now / this.width)
    }
    this.rotate(table, now)
    if (number > this.reached) {
      const entering = number - this.reached
      table[this.placeOf(this.current) + CALLS]! += entering
      this.calls += entering
      this.reached = number
    }
    return table
  }

  private placeOf(bucket: number): number {
    return (((bucket % this.buckets) + this.buckets) % this.buckets) * WIDTH
  }

  // Every bucket that time has passed is emptied, not just one: after a long silence nothing of it is left.
  private rotate(table: Float64Array, now: number): void {
    const target = Math.floor(now / this.width)
    for (let left = Math.min(target - this.current, this.buckets); left > 0; left--) {
      const at = this.placeOf(target - left + 1)
      this.calls -= table[at + CALLS]!
      this.failures -= table[at + FAILURES]!
      this.slow -= table[at + SLOWS]!
      table.fill(0, at, at + WIDTH)
      table[at + FIRST] = this.reached + 1
    }
    if (target > this.current) this.current = target
  }

  // The bucket that a call entered in, from the newest back; -1 when it has left the window.
  private bucketOf(table: Float64Array, number: number): number {
    for (let back = 0; back < this.buckets; back++) {
      const at = this.placeOf(this.current - back)
      if (table[at + FIRST]! <= number) {
        // A bucket that no call entered shares its first number with the next newer one.
        return table[at + CALLS]! > 0 ? at : -1
      }
    }
    return -1
  }
}
