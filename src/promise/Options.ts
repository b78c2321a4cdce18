/**
 * The settings of a breaker for async functions: the root's, as plain data.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Root from "../Breaker.ts"
import * as Setting from "../internal/Setting.ts"
import type { OpenDuration } from "../OpenDuration.ts"
import { type Classify, readingExits } from "./Call.ts"

/**
 * Openings that grow: the `first` lasts so long, each in a row `factor` times (default twice) as long as the one before it,
 * up to `most`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Growing {
  readonly first: Duration.Input
  readonly factor?: number | undefined
  readonly most: Duration.Input
}

/**
 * The settings of a breaker. Only the name is required.
 *
 * **Details**
 *
 * They are those of the root's `Breaker.Options`, with the same defaults: five consecutive failures open it for 60 seconds,
 * and three successful probes, one at a time, close it. Durations are milliseconds, or text such as `"30 seconds"`.
 * `openDuration` may grow. Without `classify`, a value is a `Success`, and an error a `Failure`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Root.Options, "classify" | "openDuration"> {
  readonly openDuration?: OpenDuration | Growing | undefined
  readonly classify?: Classify | undefined
}

/**
 * The settings of the circuits of a map: those of a breaker, but for its name, which is the key.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy = Omit<Options, "name">

/** @internal */
export const rooted = ({ classify, openDuration, ...rest }: Policy, where: string): Omit<Root.Options, "name"> => ({
  ...rest,
  ...(openDuration !== undefined && {
    openDuration: isGrowing(openDuration) ? growing(openDuration, where) : openDuration
  }),
  classify: readingExits(Setting.option(where, "classify", ofEnding, classify))
})

// ---------------------------------------------------------------------------------------------------------------------

const isGrowing = (value: OpenDuration | Growing): value is Growing =>
  !Schedule.isSchedule(value) && Object.hasOwn(Object(value), "first")

const growing = (given: Growing, where: string): OpenDuration => {
  const { factor, first, most } = given
  Setting.option(where, "openDuration", schema, { first, factor, most })
  return Schedule.min([Schedule.exponential(first, factor), Schedule.spaced(most)])
}

const ofEnding = /*#__PURE__*/ Setting.setting<Classify | undefined>(
  "a function of how a call ended",
  (value) => value === undefined || typeof value === "function"
)

const schema: Schema.Codec<Growing, unknown> = /*#__PURE__*/ Schema.Struct({
  first: Setting.positiveDuration,
  factor: /*#__PURE__*/ Schema.optional(
    /*#__PURE__*/ Setting.setting("a number of at least 1", (value) => Number.isFinite(value) && value >= 1)
  ),
  most: Setting.positiveDuration
})
