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

// The ring of a window has room for twice as many calls.
const MOST_CALLS = 1_000_000

/** @internal What is wrong with a window, however it was made. */
export const problem = (window: CallWindow): Setting.Problem =>
  Setting.tagged("CallWindow", "a window", window, ["LastCalls", "LastDuration"]) ??
    (window._tag === "LastCalls"
      ? Setting.count("CallWindow.lastCalls", "calls", window.calls) ??
        Setting.rule(
          window.calls <= MOST_CALLS,
          "CallWindow.lastCalls",
          "calls",
          `at most ${MOST_CALLS}`,
          window.calls
        ) ??
        (window.within === undefined
          ? undefined
          : Setting.millis("CallWindow.lastCalls", "within", window.within, true))
      : Setting.millis("CallWindow.lastDuration", "duration", window.duration, true) ??
        Setting.count("CallWindow.lastDuration", "buckets", window.buckets))

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
  /** How many calls it holds, known once it is closed; and the least that it is judged by, should too many say nothing. */
  calls = 0
  least = 0
  failures = 0
  slow = 0
  /** No more calls join it. */
  closed = false
  /** How many calls that were part of it said nothing. */
  holes = 0
  /** Its first call, and when that was admitted. */
  first: number
  readonly since: number
  /** How many calls it takes, and for how long it takes them. */
  readonly size: number
  readonly span: number
  constructor(size: number, span: number, first: number, since: number) {
    this.size = size
    this.span = span
    this.first = first
    this.since = since
  }
}

/**
 * A new block for a window: twice as many calls as the window has, and for no longer than it lasts in time.
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
export const block = (window: CallWindow, first: number, now: number, fraction = 1): Block =>
  window._tag === "LastCalls"
    ? new Block(2 * fraction * window.calls, fraction * (window.within ?? Infinity), first, now)
    : new Block(Infinity, fraction * window.duration, first, now)

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
  /** The calls beyond that which said nothing: they will not enter. */
  readonly gone: Set<number>
  /** Call `number` came home, and all before it enter with it. */
  enter(number: number, now: number): void
  /** The same for one that failed or was slow, or is known to be slow while it still runs. */
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

// More calls than this are not remembered for having said nothing: the window moves on over them.
const MOST_GONE = 10_000

// The longest that a ring gets for the holes in it.
const LONGEST_RING = 2 ** 22

const noneGone: Set<number> = new Set()

abstract class Front {
  calls = 0
  failures = 0
  slow = 0
  reached = -1
  gone = noneGone

  abstract enter(number: number, now: number): void

  // A call that is not in the window yet has nothing to leave there: it must only not enter when the others do.
  protected skip(number: number, now: number): boolean {
    if (number <= this.reached) return false
    if (this.gone === noneGone) this.gone = new Set()
    this.gone.add(number)
    if (this.gone.size > MOST_GONE) this.enter(number, now)
    return true
  }
}

// Flags by call number, in a ring. It holds twice the window, and more where calls that said nothing leave holes in it.
// While all is well there is nothing to flag, and no ring: most circuits of a large map never need one.
class CallsMemory extends Front implements Memory {
  private tail = 0
  private flags: Uint8Array | undefined = undefined
  private times: Array<number> = []
  private mask: number
  private readonly size: number
  private readonly within: number

  constructor(window: LastCalls) {
    super()
    this.size = window.calls
    this.within = window.within ?? Infinity
    this.mask = 2 ** Math.ceil(Math.log2(2 * window.calls)) - 1
  }

  count(number: number, now: number, failed: boolean, slow: boolean): void {
    this.enter(number, now)
    if (failed) this.flag(number, FAILED)
    if (slow) this.flag(number, SLOW)
  }

  drop(number: number, now: number): void {
    if (!this.skip(number, now)) this.flag(number, 0)
  }

  expire(now: number): void {
    if (this.within === Infinity) return
    while (this.tail <= this.reached && now - this.times[this.tail & this.mask]! > this.within) this.evict()
  }

  enter(number: number, now: number): void {
    const entering = number - this.reached
    if (entering > 0 && this.flags === undefined && this.within === Infinity && this.gone.size === 0) {
      // Nothing to look back on: the window is just as long as it is.
      this.calls = Math.min(this.calls + entering, this.size)
      this.reached = number
      this.tail = number + 1 - this.calls
    } else this.enterEach(number, now)
  }

  private enterEach(number: number, now: number): void {
    for (let next = this.reached + 1; next <= number; next++) {
      const hole = this.gone.delete(next)
      if (hole) this.flags ??= this.ring()
      if (next - this.tail > this.mask) this.makeRoom()
      if (this.flags !== undefined) this.flags[next & this.mask] = hole ? 0 : COUNTED
      if (this.within < Infinity) this.times[next & this.mask] = now
      this.reached = next
      if (!hole) this.calls++
      while (this.calls > this.size) this.evict()
    }
    this.expire(now)
  }

  private flag(number: number, flag: number): void {
    if (number < this.tail) return
    const flags = this.flags ??= this.ring()
    const slot = number & this.mask
    this.tally(flags[slot]!, -1)
    const flagged = flag === 0 ? 0 : flags[slot]! | flag
    flags[slot] = flagged
    this.tally(flagged, 1)
  }

  private ring(): Uint8Array {
    return new Uint8Array(this.mask + 1).fill(COUNTED)
  }

  private evict(): void {
    this.tally(this.flags === undefined ? COUNTED : this.flags[this.tail & this.mask]!, -1)
    this.tail++
  }

  // The ring is full. While holes keep the window from being full too, it grows.
  private makeRoom(): void {
    const { flags, mask, times } = this
    if (flags === undefined || this.calls >= this.size || mask >= LONGEST_RING) return this.evict()
    this.mask = 2 * mask + 1
    this.flags = this.ring()
    this.times = []
    for (let number = this.tail; number <= this.reached; number++) {
      this.flags[number & this.mask] = flags[number & mask]!
      if (this.within < Infinity) this.times[number & this.mask] = times[number & mask]!
    }
  }

  private tally(flags: number, sign: number): void {
    if ((flags & COUNTED) !== 0) this.calls += sign
    if ((flags & FAILED) !== 0) this.failures += sign
    if ((flags & SLOW) !== 0) this.slow += sign
  }
}

interface Bucket {
  readonly index: number
  /** The number of the first call that entered in it. */
  readonly first: number
  calls: number
  failures: number
  slow: number
}

// The buckets that hold a call, oldest first.
class DurationMemory extends Front implements Memory {
  private readonly held: Array<Bucket> = []
  private index = -Infinity
  private readonly buckets: number
  private readonly width: number

  constructor(window: LastDuration) {
    super()
    this.buckets = window.buckets
    this.width = window.duration / window.buckets
  }

  count(number: number, now: number, failed: boolean, slow: boolean): void {
    this.enter(number, now)
    if (failed || slow) this.tally(number, 0, failed ? 1 : 0, slow ? 1 : 0)
  }

  drop(number: number, now: number, slow: boolean): void {
    if (!this.skip(number, now)) this.tally(number, -1, 0, slow ? -1 : 0)
  }

  expire(now: number): void {
    const index = Math.floor(now / this.width)
    if (index > this.index) this.turn(index)
  }

  enter(number: number, now: number): void {
    this.expire(now)
    if (number <= this.reached) return
    let entering = number - this.reached
    for (let next = this.reached + 1; next <= number && this.gone.size > 0; next++) {
      if (this.gone.delete(next)) entering--
    }
    let last = this.held[this.held.length - 1]
    if (last === undefined || last.index < this.index) {
      this.held.push(last = { index: this.index, first: this.reached + 1, calls: 0, failures: 0, slow: 0 })
    }
    last.calls += entering
    this.calls += entering
    this.reached = number
  }

  // Time has come to another bucket: every one that is too old goes, however long it has been.
  private turn(index: number): void {
    this.index = index
    while (this.held.length > 0 && this.held[0]!.index <= index - this.buckets) {
      const { calls, failures, slow } = this.held.shift()!
      this.calls -= calls
      this.failures -= failures
      this.slow -= slow
    }
  }

  // Counts for the bucket that a call entered in, if the window still holds it.
  private tally(number: number, calls: number, failures: number, slow: number): void {
    const bucket = this.held.findLast((one) => one.first <= number)
    if (bucket === undefined) return
    bucket.calls += calls
    bucket.failures += failures
    bucket.slow += slow
    this.calls += calls
    this.failures += failures
    this.slow += slow
  }
}
