/**
 * Which calls a trip policy looks back on, and the memory that counts them.
 *
 * A window is plain data: the last n calls, the last stretch of time, or the last n calls that are no older than that.
 * `Memory` is the ordinary sliding window over it, to the call, or for time to the bucket. What a policy makes of it where
 * calls overlap is told in `Evidence`.
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

const room = /*#__PURE__*/ Setting.setting(
  "a whole number from 1 to 1000000",
  (value) => Number.isSafeInteger(value) && value >= 1 && value <= 1_000_000
)

/**
 * The Schema of a `CallWindow`, with the same rules as its constructors.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CallWindow: Schema.Codec<CallWindow, unknown> = /*#__PURE__*/ Schema.Union([
  /*#__PURE__*/ Schema.TaggedStruct("LastCalls", {
    calls: room,
    within: /*#__PURE__*/ Schema.optional(Setting.positiveMillis)
  }),
  /*#__PURE__*/ Schema.TaggedStruct("LastDuration", { duration: Setting.positiveMillis, buckets: room })
]).annotate({ expected: "a window made by CallWindow" })

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
  return Setting.enforce(
    "CallWindow.lastCalls",
    CallWindow,
    within === undefined ? { _tag: "LastCalls", calls } : { _tag: "LastCalls", calls, within: Setting.toMillis(within) }
  )
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
): LastDuration =>
  Setting.enforce("CallWindow.lastDuration", CallWindow, {
    _tag: "LastDuration",
    duration: Setting.toMillis(duration),
    buckets: options?.buckets ?? 10
  })

/**
 * The memory behind one window: how many calls it holds, and how many of them were `bad`.
 *
 * **Details**
 *
 * A ring of cells, one for each call or one for each bucket of time. `calls` and `bad` are as of the last change; `expire`
 * brings them up to `now`. While nothing is bad the last n calls need no ring, and most circuits of a large map never do.
 *
 * @category counting
 * @since 0.1.0
 */
export class Memory {
  calls = 0
  bad = 0
  /** The newest cell. */
  index = -1
  oldest = 0
  // How many calls are in each cell, and behind that how many of them are bad.
  cells: Uint32Array | undefined = undefined
  readonly times: Array<number> = []
  readonly size: number
  readonly within: number
  readonly duration: number
  // Cells are counted from here, and the next one begins then: small numbers, and seldom a division.
  readonly first: number
  private nextAt = -Infinity

  constructor(window: CallWindow, now: number) {
    const timed = window._tag === "LastDuration"
    this.size = timed ? window.buckets : window.calls
    this.within = (timed ? undefined : window.within) ?? Infinity
    this.duration = timed ? window.duration : Infinity
    this.first = this.cellAt(now)
    if (timed) this.index = 0
  }

  add(bad: boolean, now: number): boolean {
    if (this.duration === Infinity) {
      if (this.cells === undefined && !bad && this.within === Infinity) {
        this.index++
        if (this.calls < this.size) this.calls++
        else this.oldest++
        return bad
      }
      this.enter(this.index + 1)
      if (this.within < Infinity) this.times[this.index % this.size] = now
    }
    this.expire(now)
    this.ring()[this.index % this.size]!++
    this.calls++
    if (bad) this.change(this.index, 0, 1)
    return bad
  }

  /** A call that was counted in a cell says nothing after all. */
  withdraw(cell: number, bad: boolean): void {
    if (cell >= this.oldest) this.change(cell, -1, bad ? -1 : 0)
  }

  /** Lets go of what is too old. */
  expire(now: number): void {
    if (this.duration < Infinity) {
      if (now < this.nextAt) return
      this.enter(this.cellAt(now) - this.first)
      this.nextAt = (this.first + this.index + 1) * this.duration / this.size
    } else if (this.within < Infinity) {
      while (this.oldest <= this.index && now - this.times[this.oldest % this.size]! > this.within) {
        this.clear(this.oldest++)
      }
    }
  }

  // The width of a bucket may have no exact number: multiplied first, a whole duration is all of them.
  protected cellAt(now: number): number {
    return Math.floor(now * this.size / this.duration)
  }

  // A cell that is entered stands where one stood that is too old; after a long silence all of them are.
  protected enter(index: number): void {
    if (index <= this.index) return
    this.oldest = Math.max(this.oldest, index - this.size + 1)
    for (let next = Math.max(this.index + 1, this.oldest); next <= index; next++) this.clear(next)
    this.index = index
  }

  private clear(cell: number): void {
    const cells = this.ring()
    const at = cell % this.size
    this.change(cell, -cells[at]!, -cells[at + this.size]!)
  }

  protected change(cell: number, calls: number, bad: number): void {
    const cells = this.ring()
    const at = cell % this.size
    cells[at]! += calls
    cells[at + this.size]! += bad
    this.calls += calls
    this.bad += bad
  }

  protected ring(): Uint32Array {
    return this.cells ??= new Uint32Array(2 * this.size).fill(1, 0, this.calls)
  }
}

/**
 * Tells whether a window reads the time: one that does not may be given any `now`.
 *
 * @category counting
 * @since 0.1.0
 */
export const isTimed = (window: CallWindow): boolean => window._tag === "LastDuration" || window.within !== undefined
