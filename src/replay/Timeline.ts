/**
 * A run cut into slices of equal length: what was asked, refused and settled in each, how long circuits were in which
 * state, and every transition.
 *
 * A run may last a minute or a year. A recorder takes slices of one length, and when there would be too many it joins them
 * two by two and goes on with twice the length, so its memory has a bound and its sums stay exact.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Circuit from "../Circuit.ts"
import * as Setting from "../internal/Setting.ts"
import type * as Outcome from "../Outcome.ts"

/**
 * What would have become of a call that was refused. `unknown` is said, never guessed.
 *
 * @category models
 * @since 0.1.0
 */
export type WouldHave = "succeeded" | "failed" | "unknown"

/**
 * One step of a circuit in the course of a run.
 *
 * **Details**
 *
 * `at` is in milliseconds of the run's clock. `rule`, `value`, `limit` and `calls` are those of `Circuit.Cause`, there while
 * the circuit is not closed. `share` is the ramp's new share, `openFor` how long an opening lasts, in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Move {
  readonly at: number
  readonly circuit: string
  readonly from: Circuit.State["_tag"]
  readonly to: Circuit.State["_tag"]
  readonly rule?: Circuit.Cause["rule"] | undefined
  readonly value?: number | undefined
  readonly limit?: number | undefined
  readonly calls?: number | undefined
  readonly openFor?: number | undefined
  readonly share?: number | undefined
}

/**
 * A run as plain data: columns of equal length, one entry for each slice.
 *
 * **Details**
 *
 * Slice `i` begins at `from + i * every` and ends before the next; the last one may be cut short by `until`. Calls count in
 * the slice in which they were asked for (`asked`, `refused`) or came home (the rest); `failed` has the trips in it.
 *
 * - `asked` is every ask; `refusedSucceeded`, `refusedFailed` and `refusedUnknown` are those that were refused, by what
 *   would have become of them.
 * - `running` is the most calls that ran at once.
 * - `load` is the highest load that was offered, relative to what could be taken; -1 where nobody told.
 * - `closed`, `open`, `halfOpen` and `isolated` are the shares of the slice, of all circuits together; they add up to 1,
 *   or to 0 where there is no circuit yet, and in a last slice of no length.
 * - `moves` are the transitions in order, the first `mostMoves` of them; `movesLeftOut` is how many came after those.
 *
 * @category models
 * @since 0.1.0
 */
export interface Timeline {
  readonly from: number
  readonly until: number
  readonly every: number
  readonly asked: ReadonlyArray<number>
  readonly refusedSucceeded: ReadonlyArray<number>
  readonly refusedFailed: ReadonlyArray<number>
  readonly refusedUnknown: ReadonlyArray<number>
  readonly succeeded: ReadonlyArray<number>
  readonly failed: ReadonlyArray<number>
  readonly ignored: ReadonlyArray<number>
  readonly throttled: ReadonlyArray<number>
  readonly probes: ReadonlyArray<number>
  readonly running: ReadonlyArray<number>
  readonly load: ReadonlyArray<number>
  readonly closed: ReadonlyArray<number>
  readonly open: ReadonlyArray<number>
  readonly halfOpen: ReadonlyArray<number>
  readonly isolated: ReadonlyArray<number>
  readonly moves: ReadonlyArray<Move>
  readonly movesLeftOut: number
}

/**
 * How a run is recorded.
 *
 * **Details**
 *
 * - `from`: when it begins, in milliseconds.
 * - `every`: how long a slice is at first (default one second).
 * - `mostSlices`: from how many slices on they are joined two by two (default 2 000, at least 2).
 * - `mostMoves`: how many transitions are kept (default 10 000).
 * - `circuits`: how many closed circuits there are at the beginning (default 1).
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly from: number
  readonly every?: Duration.Input | undefined
  readonly mostSlices?: number | undefined
  readonly mostMoves?: number | undefined
  readonly circuits?: number | undefined
}

/**
 * Makes a recorder.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for a slice of no length, or a limit that is no whole number.
 *
 * **Example** (Three calls, the last of them refused)
 *
 * ```ts
 * import { Outcome } from "effect-breaker"
 * import { Timeline } from "effect-breaker/replay"
 *
 * const recorder = Timeline.make({ from: 0, every: "1 second" })
 * recorder.asked(100)
 * recorder.asked(200)
 * recorder.settled(900, Outcome.success, false)
 * recorder.settled(1200, Outcome.failure(), false)
 * recorder.asked(1300)
 * recorder.refused(1300, "failed")
 *
 * const { asked, failed, refusedFailed, running } = recorder.read(2000)
 * console.log({ asked, failed, refusedFailed, running })
 * // => { asked: [2, 1], failed: [0, 1], refusedFailed: [0, 1], running: [2, 1] }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Recorder => {
  const where = "Timeline.make"
  const { circuits = 1, every = 1000, from, mostMoves = 10_000, mostSlices = 2000 } = options
  Setting.option(where, "from", moment, from)
  Setting.option(where, "every", Setting.positiveDuration, every)
  Setting.option(where, "mostSlices", atLeast(2), mostSlices)
  Setting.option(where, "mostMoves", atLeast(0), mostMoves)
  Setting.option(where, "circuits", atLeast(0), circuits)
  return new Recorder(from, Setting.toMillis(every), mostSlices, mostMoves, circuits)
}

/**
 * Records a run as it happens.
 *
 * **Details**
 *
 * - `asked` tells of an ask; where the call was refused, `refused` is told right after it.
 * - `settled` tells of an admitted call that came home; `probe` is whether the circuit was probing when it let it go.
 * - `joined` tells of a circuit that is there from now on, closed; `moved` of a transition, and of which circuit.
 * - `offered` tells of the load that is offered, relative to what can be taken.
 * - `read` gives what was recorded, up to `until`, and may be called at any time.
 *
 * **Gotchas**
 *
 * Time goes forward: what comes with an earlier time counts at the latest time told.
 *
 * @category models
 * @since 0.1.0
 */
export class Recorder {
  /** When it begins. */
  readonly from: number
  private every: number
  private readonly mostSlices: number
  private readonly mostMoves: number
  // One row after another: joined in place, read seldom.
  private readonly cells: Float64Array
  private readonly moves: Array<Move> = []
  private movesLeftOut = 0
  private now: number
  private slice = 0
  private endsAt: number
  private running = 0
  private readonly circuits = { Closed: 0, Open: 0, HalfOpen: 0, Isolated: 0 }

  /** @internal Use `make`. */
  constructor(from: number, every: number, mostSlices: number, mostMoves: number, circuits: number) {
    this.from = this.now = from
    this.every = every
    this.endsAt = from + every
    this.mostSlices = mostSlices
    this.mostMoves = mostMoves
    this.circuits.Closed = circuits
    this.cells = new Float64Array(mostSlices * WIDTH)
    this.begin(0)
  }

  asked(now: number): void {
    this.reach(now)
    this.cells[this.slice * WIDTH + ASKED]!++
    this.running++
  }

  refused(now: number, wouldHave: WouldHave): void {
    // It never ran: not even for the moment in which it was asked for.
    this.running--
    this.reach(now)
    const column = wouldHave === "succeeded" ? LOST : wouldHave === "failed" ? SAVED : UNKNOWN
    this.cells[this.slice * WIDTH + column]!++
  }

  settled(now: number, outcome: Outcome.Outcome, probe: boolean): void {
    this.reach(now)
    this.running--
    const row = this.slice * WIDTH
    this.cells[row + columns[outcome._tag]]!++
    if (probe) this.cells[row + PROBES]!++
  }

  joined(now: number): void {
    this.reach(now)
    this.circuits.Closed++
  }

  moved({ at, cause, from, openFor, share, to }: Circuit.Transition, circuit = ""): void {
    this.reach(at)
    this.circuits[from]--
    this.circuits[to]++
    if (this.moves.length >= this.mostMoves) {
      this.movesLeftOut++
      return
    }
    const { calls, limit, rule, value } = cause ?? {}
    const all = { at, circuit, from, to, rule, value, limit, calls, openFor, share }
    // As it comes back from JSON.
    this.moves.push(Object.fromEntries(Object.entries(all).filter(([, one]) => one !== undefined)) as never)
  }

  offered(now: number, load: number): void {
    this.reach(now)
    this.most(LOAD, load)
  }

  read(until: number = this.now): Timeline {
    this.reach(until)
    const length = this.slice + (this.isBlank() ? 0 : 1)
    const column = (at: number) => Array.from({ length }, (_, i) => this.cells[i * WIDTH + at]!)
    const time = [column(CLOSED), column(CLOSED + 1), column(CLOSED + 2), column(CLOSED + 3)]
    const share = (spent: ReadonlyArray<number>) =>
      spent.map((one, i) => one === 0 ? 0 : one / time.reduce((sum, { [i]: each }) => sum + each!, 0))
    return {
      from: this.from,
      until: this.now,
      every: this.every,
      asked: column(ASKED),
      refusedSucceeded: column(LOST),
      refusedFailed: column(SAVED),
      refusedUnknown: column(UNKNOWN),
      succeeded: column(SUCCEEDED),
      failed: column(FAILED),
      ignored: column(IGNORED),
      throttled: column(THROTTLED),
      probes: column(PROBES),
      running: column(RUNNING),
      load: column(LOAD),
      closed: share(time[0]!),
      open: share(time[1]!),
      halfOpen: share(time[2]!),
      isolated: share(time[3]!),
      moves: this.moves.slice(),
      movesLeftOut: this.movesLeftOut
    }
  }

  /** The last slice has just begun, and nothing is in it. */
  private isBlank(): boolean {
    const row = this.slice * WIDTH
    return this.slice > 0 && this.now === this.endsAt - this.every &&
      this.cells.subarray(row, row + RUNNING).every((count) => count === 0) && this.cells[row + LOAD] === -1
  }

  /** Time has come to this: whatever lasts, lasted until then. */
  private reach(now: number): void {
    this.most(RUNNING, this.running)
    if (now === Infinity) return
    while (now >= this.endsAt) {
      // A silence that is longer than the whole recording joins first what there is.
      if (now - this.from >= this.every * this.mostSlices) this.join()
      else {
        this.spend(this.endsAt)
        this.begin(this.slice + 1)
        this.most(RUNNING, this.running)
      }
    }
    if (now > this.now) this.spend(now)
  }

  private spend(now: number): void {
    const spent = now - this.now
    const row = this.slice * WIDTH + CLOSED
    const { cells, circuits } = this
    cells[row]! += spent * circuits.Closed
    cells[row + 1]! += spent * circuits.Open
    cells[row + 2]! += spent * circuits.HalfOpen
    cells[row + 3]! += spent * circuits.Isolated
    this.now = now
  }

  private begin(slice: number): void {
    this.slice = slice
    this.endsAt = this.from + (slice + 1) * this.every
    this.cells.fill(0, slice * WIDTH, (slice + 1) * WIDTH)
    this.cells[slice * WIDTH + LOAD] = -1
  }

  private most(column: number, value: number): void {
    const at = this.slice * WIDTH + column
    if (value > this.cells[at]!) this.cells[at] = value
  }

  private join(): void {
    const { cells, slice: last } = this
    for (let slice = 0; slice <= last; slice++) {
      const from = slice * WIDTH
      const to = (slice >> 1) * WIDTH
      for (let column = 0; column < WIDTH; column++) {
        const value = cells[from + column]!
        if (slice % 2 === 0) cells[to + column] = value
        else if (column === RUNNING || column === LOAD) cells[to + column] = Math.max(cells[to + column]!, value)
        else cells[to + column]! += value
      }
    }
    this.every *= 2
    this.slice = last >> 1
    this.endsAt = this.from + (this.slice + 1) * this.every
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const [ASKED, LOST, SAVED, UNKNOWN, SUCCEEDED, FAILED, IGNORED, THROTTLED, PROBES, RUNNING, LOAD, CLOSED] = [
  0,
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  9,
  10,
  11
] as const
// The four states come last.
const WIDTH = CLOSED + 4

const columns = { Success: SUCCEEDED, Failure: FAILED, Trip: FAILED, Ignored: IGNORED, Throttled: THROTTLED } as const

const moment = /*#__PURE__*/ Setting.setting("a moment in milliseconds", Number.isFinite)

const atLeast = (least: number) =>
  Setting.setting(`a whole number of at least ${least}`, (value) => Number.isSafeInteger(value) && value >= least)
