/**
 * What a provider can take on, over many requests, as plain data: beyond it, requests get a fault.
 *
 * A limit looks at the traffic where a fault looks at one answer, so it is what shows whether a client behaves well in a
 * crowd: a storm that lasts while everybody keeps asking, a provider that recovers slowly, a cap on concurrency, a quota
 * that comes back at midnight.
 *
 * **Details**
 *
 * Limits belong to a phase, or to a health set by hand, and begin with it: nothing is carried over from the phase
 * before. A request meets them in the order in which they are listed, before the phase's faults. `keys`, `models` and
 * `formats` narrow a limit down; requests it is not meant for do not count for it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as AnthropicFault from "./AnthropicFault.ts"
import * as Fault from "./Fault.ts"
import * as OpenAiFault from "./OpenAiFault.ts"
import * as Require from "./Require.ts"
import * as Target from "./Target.ts"

/**
 * Requests get the fault until fewer than `below` a second are offered, counted over the last `over` milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Storm extends Target.Target {
  readonly _tag: "Storm"
  readonly below: number
  readonly over: number
  readonly share: number
  readonly fault: Fault.Fault
}

/**
 * A capacity in requests a second that grows from `from` to `to` in `during` milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recovering extends Target.Target {
  readonly _tag: "Recovering"
  readonly from: number
  readonly to: number
  readonly during: number
  readonly fault: Fault.Fault
}

/**
 * At most `atOnce` requests at the same time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Concurrency extends Target.Target {
  readonly _tag: "Concurrency"
  readonly atOnce: number
  readonly fault: Fault.Fault
}

/**
 * At most `requests` requests until the wall clock says `resetsAt`, in milliseconds of Unix time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Quota extends Target.Target {
  readonly _tag: "Quota"
  readonly requests: number
  readonly resetsAt: number
  readonly fault: Fault.Fault
}

/**
 * Everything that can be too much for a provider.
 *
 * @category models
 * @since 0.1.0
 */
export type Limit = Storm | Recovering | Concurrency | Quota

/**
 * Makes a storm: requests get a fault, and go on getting it as long as too many are offered.
 *
 * **Details**
 *
 * The storm rages from the start of the phase. It lifts with the first request that finds the rate below `below`
 * requests a second, itself and refused ones counted, over the last `over` (10 seconds unless given), which must have
 * passed once. It comes back when the rate reaches `below` again. `share` of the requests are hit, all unless given, and
 * `fault` is a rate limit without a hint unless given.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `below` is no number above zero, `over` no finite duration above zero, or `share` does not
 * lie from 0 to 1.
 *
 * **Example** (A client that keeps asking, and one that holds off)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FakeProvider, Limit } from "effect-breaker/testing"
 *
 * const program = Effect.gen(function*() {
 *   const provider = yield* FakeProvider.make({
 *     script: [{ for: "1 hour", limits: [Limit.storm({ below: 5, over: "1 second" })] }]
 *   })
 *   const ask = Effect.promise(() => fetch(`${provider.baseUrl}/models`)).pipe(Effect.map(({ status }) => status))
 *   const crowd = yield* Effect.all(Array.from({ length: 8 }, () => ask), { concurrency: "unbounded" })
 *   yield* Effect.sleep("1100 millis")
 *   return [new Set(crowd), yield* ask]
 * })
 *
 * console.log(await Effect.runPromise(Effect.scoped(program))) // => [new Set([429]), 200]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const storm = (
  options: Target.Target & {
    readonly below: number
    readonly over?: Duration.Input | undefined
    readonly share?: number | undefined
    readonly fault?: Fault.Fault | undefined
  }
): Storm => {
  const where = "Limit.storm"
  return {
    _tag: "Storm",
    below: Require.positive(where, "below", options.below),
    over: Require.interval(where, "over", options.over ?? "10 seconds"),
    share: Require.share(where, "share", options.share ?? 1),
    fault: Fault.fromJson(options.fault ?? OpenAiFault.rateLimited()),
    ...Target.check(where, "", options)
  }
}

/**
 * Makes the capacity of a provider that recovers: more than it can take gets a fault.
 *
 * **Details**
 *
 * Capacity is counted in requests a second and grows in a straight line from `from`, at the start of the phase, to `to`
 * after `during`, where it stays. What was not used is saved up for one second, and for one request at least. Refused
 * requests cost nothing. `fault` is `overloaded`, a 529, unless given.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when a capacity is negative or `during` no finite duration above zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const recovering = (
  options: Target.Target & {
    readonly from: number
    readonly to: number
    readonly during: Duration.Input
    readonly fault?: Fault.Fault | undefined
  }
): Recovering => {
  const where = "Limit.recovering"
  return {
    _tag: "Recovering",
    from: Require.atLeast(where, "from", options.from, 0),
    to: Require.atLeast(where, "to", options.to, 0),
    during: Require.interval(where, "during", options.during),
    fault: Fault.fromJson(options.fault ?? AnthropicFault.overloaded),
    ...Target.check(where, "", options)
  }
}

/**
 * Makes a cap on concurrency: while `atOnce` requests are being answered, further ones get a fault.
 *
 * **Details**
 *
 * A request counts from its admission until its answer has ended, or its client has left. `fault` is a rate limit without
 * a hint unless given.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `atOnce` is no whole number of at least zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const concurrency = (
  options: Target.Target & { readonly atOnce: number; readonly fault?: Fault.Fault | undefined }
): Concurrency => {
  const where = "Limit.concurrency"
  return {
    _tag: "Concurrency",
    atOnce: Require.whole(where, "atOnce", options.atOnce, 0),
    fault: Fault.fromJson(options.fault ?? OpenAiFault.rateLimited()),
    ...Target.check(where, "", options)
  }
}

/**
 * Makes a quota that comes back at a point on the wall clock, whatever the client does until then.
 *
 * **Details**
 *
 * `requests` are answered before, none unless given; from `resetsAt` on, the limit is gone. `fault` is
 * `insufficientQuota` unless given.
 *
 * **Gotchas**
 *
 * A `TestClock` starts in 1970. Throws a `RangeError` when `resetsAt` is no date, or `requests` no whole number of at
 * least zero.
 *
 * **Example** (Until midnight)
 *
 * ```ts
 * import { Limit } from "effect-breaker/testing"
 *
 * const limit = Limit.quota({ resetsAt: "2026-11-01T00:00:00Z", keys: ["sk-old"] })
 * console.log([limit.requests, limit.resetsAt]) // => [0, 1793491200000]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const quota = (
  options: Target.Target & {
    readonly resetsAt: Date | string | number
    readonly requests?: number | undefined
    readonly fault?: Fault.Fault | undefined
  }
): Quota => {
  const where = "Limit.quota"
  return {
    _tag: "Quota",
    requests: Require.whole(where, "requests", options.requests ?? 0, 0),
    resetsAt: Require.instant(where, "resetsAt", options.resetsAt),
    fault: Fault.fromJson(options.fault ?? OpenAiFault.insufficientQuota),
    ...Target.check(where, "", options)
  }
}

/**
 * Reads a limit from plain data, such as parsed JSON, by the rules of its constructor.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the data is no limit.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromJson = (data: unknown): Limit => {
  if (!isTagged(data)) {
    throw Require.broken("Limit.fromJson", "a limit", "tagged with one of Storm, Recovering, Concurrency, Quota", data)
  }
  switch (data._tag) {
    case "Storm":
      return storm(data)
    case "Recovering":
      return recovering(data)
    case "Concurrency":
      return concurrency(data)
    case "Quota":
      return quota(data)
  }
}

// Looks at the tag only: the constructors check everything else at run time.
const isTagged = (data: unknown): data is Limit =>
  Require.isRecord(data) && ["Storm", "Recovering", "Concurrency", "Quota"].some((tag) => tag === data["_tag"])
