/**
 * Incidents: stretches of a log in which a provider was in trouble, found from the log alone.
 *
 * **The definition.** Of each circuit the calls that count are taken in order of when they were asked for: those that
 * succeeded and those that failed; a call that was throttled, ignored or refused says nothing. An incident begins as soon as
 * at least `share` of the last `calls` of them, all within `within`, failed. Its start is the failed call among those from
 * which on failures outnumber successes the most: when that was asked for, not when it came home. It is over as soon as at
 * most `healthy` of the last `calls` failed, and its end is when the first success among those was asked for. No policy has
 * a say in it, so that all are measured by the same incidents.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Setting from "../internal/Setting.ts"
import type * as CallRecord from "./CallRecord.ts"

/**
 * A stretch of time in which a provider was in trouble.
 *
 * **Details**
 *
 * `start` and `end` are in milliseconds; without an `end` it was not over when the log was. `calls` are those that counted
 * from its start to its end, `failures` those of them that failed; both are there where the incident was found in the log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Incident {
  readonly circuit: string
  readonly start: number
  readonly end?: number | undefined
  readonly calls?: number | undefined
  readonly failures?: number | undefined
}

/**
 * What an incident is.
 *
 * **Details**
 *
 * - `calls`: how many calls it takes to tell (default 10).
 * - `share`: how many of them failed, at least, when it begins (default 0.5).
 * - `healthy`: how many of them failed, at most, when it is over (default 0.1; below `share`).
 * - `within`: how old the oldest of them may be (default 10 minutes).
 * - `slowAfter`: a success that took longer failed too, by its first content where that is known (default: none does).
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly calls?: number | undefined
  readonly share?: number | undefined
  readonly healthy?: number | undefined
  readonly within?: Duration.Input | undefined
  readonly slowAfter?: Duration.Input | undefined
}

/**
 * Makes a finder: `add` it every record, in order of when they were asked for, and ask it for what it `found`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for a bad setting.
 *
 * **Example** (Ten minutes of nothing but errors)
 *
 * ```ts
 * import { CallRecord, Incident } from "effect-breaker/replay"
 *
 * const finder = Incident.make()
 * for (let minute = 0; minute < 40; minute++) {
 *   const status = minute >= 15 && minute < 25 ? 500 : 200
 *   finder.add(CallRecord.make({ at: 60_000 * minute, took: 900, status }))
 * }
 *
 * console.log(finder.found().map(({ end, failures, start }) => ({ start: start / 60_000, end: end! / 60_000, failures })))
 * // => [{ start: 15, end: 25, failures: 10 }]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Finder => {
  Setting.enforce("Incident.make", schema, options)
  const { calls = 10, healthy = 0.1, share = 0.5, slowAfter, within = "10 minutes" } = options
  return new Finder({
    calls,
    share,
    healthy,
    within: Setting.toMillis(within),
    slowAfter: slowAfter === undefined ? Infinity : Setting.toMillis(slowAfter)
  })
}

/**
 * Finds the incidents of a log.
 *
 * @category models
 * @since 0.1.0
 */
export class Finder {
  private readonly rules: Rules
  private readonly watches = new Map<string, Watch>()
  private readonly incidents: Array<Begun> = []
  /** How many more there were than are kept. */
  leftOut = 0
  private last: Watch | undefined

  /** @internal Use `make`. */
  constructor(rules: Rules) {
    this.rules = rules
  }

  add(record: CallRecord.CallRecord): void {
    const { _tag } = record.outcome
    if (_tag !== "Success" && _tag !== "Failure" && _tag !== "Trip") return
    const watch = this.last?.circuit === record.circuit ? this.last : this.watchOf(record.circuit)
    if (watch === undefined) return
    const failed = _tag !== "Success" || (record.firstContent ?? record.took) > this.rules.slowAfter
    watch.add(record.at, failed, this.rules, this.began)
  }

  found(): ReadonlyArray<Incident> {
    return this.incidents.map(({ calls, circuit, end, failures, start }) => ({
      circuit,
      start,
      ...(end !== undefined && { end }),
      calls,
      failures
    })).toSorted((a, b) => a.start - b.start)
  }

  private readonly began = (incident: Begun): void => {
    if (this.incidents.length < mostIncidents) this.incidents.push(incident)
    else this.leftOut++
  }

  private watchOf(circuit: string): Watch | undefined {
    const known = this.watches.get(circuit)
    if (known !== undefined || this.watches.size >= mostCircuits) return this.last = known
    const watch = new Watch(circuit, this.rules.calls)
    this.watches.set(circuit, watch)
    return this.last = watch
  }
}

// ---------------------------------------------------------------------------------------------------------------------

interface Rules {
  readonly calls: number
  readonly share: number
  readonly healthy: number
  readonly within: number
  readonly slowAfter: number
}

type Begun = { -readonly [K in keyof Incident]: Incident[K] } & { calls: number; failures: number }

const mostIncidents = 10_000
const mostCircuits = 100_000

/** The last calls of one circuit, and the incident that it is in. */
class Watch {
  readonly circuit: string
  private readonly times: Float64Array
  private readonly bad: Uint8Array
  private oldest = 0
  private size = 0
  private failed = 0
  private incident: Begun | undefined

  constructor(circuit: string, calls: number) {
    this.circuit = circuit
    this.times = new Float64Array(calls)
    this.bad = new Uint8Array(calls)
  }

  add(at: number, failed: boolean, rules: Rules, began: (incident: Begun) => void): void {
    const { calls, healthy, share, within } = rules
    while (this.size > 0 && (this.size === calls || at - this.times[this.oldest]! > within)) this.drop()
    const place = this.place(this.size++)
    this.times[place] = at
    this.bad[place] = failed ? 1 : 0
    if (failed) this.failed++
    const incident = this.incident
    if (incident !== undefined) {
      incident.calls++
      if (failed) incident.failures++
    }
    if (this.size < calls) return
    if (incident === undefined) {
      if (failed && this.failed >= share * calls) this.begin(began)
    } else if (!failed && this.failed <= healthy * calls) this.finish(incident)
  }

  private begin(began: (incident: Begun) => void): void {
    let [best, start, balance] = [0, 0, 0]
    for (let i = this.size - 1; i >= 0; i--) {
      const failed = this.bad[this.place(i)] === 1
      balance += failed ? 1 : -1
      if (failed && balance >= best) [best, start] = [balance, i]
    }
    const { calls, failures } = this.since(start)
    this.incident = { circuit: this.circuit, start: this.times[this.place(start)]!, calls, failures }
    began(this.incident)
  }

  private finish(incident: Begun): void {
    let first = 0
    while (this.bad[this.place(first)] === 1) first++
    const { calls, failures } = this.since(first)
    incident.end = this.times[this.place(first)]!
    incident.calls -= calls
    incident.failures -= failures
    this.incident = undefined
  }

  private since(first: number): { readonly calls: number; readonly failures: number } {
    let failures = 0
    for (let i = first; i < this.size; i++) failures += this.bad[this.place(i)]!
    return { calls: this.size - first, failures }
  }

  private drop(): void {
    this.failed -= this.bad[this.oldest]!
    this.oldest = this.place(1)
    this.size--
  }

  private place(i: number): number {
    return (this.oldest + i) % this.times.length
  }
}

const maybe = Schema.optional

const schema: Schema.Codec<unknown, unknown> = /*#__PURE__*/ Schema.Struct({
  calls: /*#__PURE__*/ maybe(Setting.count),
  share: /*#__PURE__*/ maybe(Setting.share),
  healthy: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Setting.setting(
      "a number from 0 to below 1",
      (value) => typeof value === "number" && value >= 0 && value < 1
    )
  ),
  within: /*#__PURE__*/ maybe(Setting.positiveDuration),
  slowAfter: /*#__PURE__*/ maybe(Setting.duration)
}).check(
  /*#__PURE__*/ Schema.makeFilter(({ healthy = 0.1, share = 0.5 }) =>
    healthy >= share
      ? { path: ["healthy"], issue: Setting.wrong(`below share (${share})`, healthy) }
      : undefined
  )
)
