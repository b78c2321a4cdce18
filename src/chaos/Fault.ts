/**
 * What chaos can do to one call, as plain data.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Setting from "../internal/Setting.ts"
import * as ChaosError from "./ChaosError.ts"

/**
 * The call fails and does not run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fail {
  readonly _tag: "Fail"
  readonly as: ChaosError.Imitation
  readonly retryAfter?: Duration.Input | undefined
}

/**
 * The call runs, and where it succeeded its answer is lost: it fails all the same.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoseAnswer {
  readonly _tag: "LoseAnswer"
  readonly as: ChaosError.Imitation
}

/**
 * The call runs later: after a time between `from` and `to`, evenly spread.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delay {
  readonly _tag: "Delay"
  readonly from: Duration.Input
  readonly to: Duration.Input
}

/**
 * The call does not run, and never comes back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hang {
  readonly _tag: "Hang"
}

/**
 * A stream goes silent after so many elements.
 *
 * @category models
 * @since 0.1.0
 */
export interface StallAfter {
  readonly _tag: "StallAfter"
  readonly elements: number
}

/**
 * A stream ends after so many elements, as if that were all.
 *
 * @category models
 * @since 0.1.0
 */
export interface CutAfter {
  readonly _tag: "CutAfter"
  readonly elements: number
}

/**
 * A stream fails after so many elements.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailAfter {
  readonly _tag: "FailAfter"
  readonly elements: number
  readonly as: ChaosError.Imitation
}

/**
 * A stream gives its elements one by one, `every` so often.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlowDrip {
  readonly _tag: "SlowDrip"
  readonly every: Duration.Input
}

/**
 * Everything that chaos can do to one call. `CutAfter`, `FailAfter`, `SlowDrip` and `StallAfter` are for streams, and
 * never hit an effect; `LoseAnswer` is for effects, and never hits a stream.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault = Fail | LoseAnswer | Delay | Hang | StallAfter | CutAfter | FailAfter | SlowDrip

/**
 * The faults that need no more to be told: the name of a trouble fails a call this way, and `"hang"` is a call that never
 * comes back.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = ChaosError.Imitation | "hang"

/**
 * Fails a call, which does not run.
 *
 * **Details**
 *
 * `fail("overloaded")` is the same as the name alone. `retryAfter` is what the provider says about when to come back.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for a name that there is not, or a `retryAfter` that is no finite duration.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fail = (
  as: ChaosError.Imitation,
  options?: { readonly retryAfter?: Duration.Input | undefined }
): Fail => make("fail", { _tag: "Fail", as, retryAfter: options?.retryAfter })

/**
 * Lets a call run, and loses its answer: what it did is done, and the caller sees a failure.
 *
 * **Details**
 *
 * `as` is `"reset"` unless given. A call that fails of itself keeps its own failure. It shows whether a retry does twice
 * what should be done once.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for a name that there is not.
 *
 * @category constructors
 * @since 0.1.0
 */
export const loseAnswer = (as: ChaosError.Imitation = "reset"): LoseAnswer =>
  make("loseAnswer", { _tag: "LoseAnswer", as })

/**
 * Lets a call run later: by a fixed time, or one drawn evenly between two.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for what is no finite duration, or where `to` is shorter than `from`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const delay = (
  by: Duration.Input | { readonly from: Duration.Input; readonly to: Duration.Input }
): Delay => {
  const [from, to] = isRange(by) ? [by.from, by.to] : [by, by]
  return make("delay", { _tag: "Delay", from, to })
}

/**
 * A call that never comes back, until its caller gives up or chaos is over.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hang: Hang = { _tag: "Hang" }

/**
 * Silences a stream after so many elements, until its reader gives up or chaos is over.
 *
 * **Details**
 *
 * A shorter stream goes silent where it would have ended.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `elements` is no whole number of at least zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stallAfter = (options: { readonly elements: number }): StallAfter =>
  make("stallAfter", { _tag: "StallAfter", ...options })

/**
 * Ends a stream after so many elements without an error, which many readers take for a whole answer.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `elements` is no whole number of at least zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const cutAfter = (options: { readonly elements: number }): CutAfter =>
  make("cutAfter", { _tag: "CutAfter", ...options })

/**
 * Fails a stream after so many elements.
 *
 * **Details**
 *
 * `as` is `"reset"` unless given. A shorter stream fails where it would have ended. To fail a stream before its first
 * element, use `fail`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `elements` is no whole number of at least zero, or `as` a name that there is not.
 *
 * @category constructors
 * @since 0.1.0
 */
export const failAfter = (
  options: { readonly elements: number; readonly as?: ChaosError.Imitation | undefined }
): FailAfter => make("failAfter", { _tag: "FailAfter", elements: options.elements, as: options.as ?? "reset" })

/**
 * Gives a stream's elements one by one, each `every` after the one before.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `every` is no finite duration above zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const slowDrip = (options: { readonly every: Duration.Input }): SlowDrip =>
  make("slowDrip", { _tag: "SlowDrip", ...options })

/** What metrics, spans and logs call a fault: a word from a closed set. */
export const labelOf = (fault: Fault): string => {
  switch (fault._tag) {
    case "Fail":
      return fault.as
    case "LoseAnswer":
      return "loseAnswer"
    case "FailAfter":
      return "failAfter"
    case "Delay":
      return "delay"
    case "Hang":
      return "hang"
    case "StallAfter":
      return "stallAfter"
    case "CutAfter":
      return "cutAfter"
    case "SlowDrip":
      return "slowDrip"
  }
}

/** A fault in full, where a name stood for it. */
export const ofName = (fault: Fault | Name): Fault =>
  typeof fault !== "string" ? fault : fault === "hang" ? hang : { _tag: "Fail", as: fault }

/** Whether a fault can hit a stream, or an effect. */
export const fits = ({ _tag }: Fault, what: "effect" | "stream"): boolean => {
  switch (_tag) {
    case "Fail":
    case "Delay":
    case "Hang":
      return true
    case "LoseAnswer":
      return what === "effect"
    case "StallAfter":
    case "CutAfter":
    case "FailAfter":
    case "SlowDrip":
      return what === "stream"
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const isRange = (by: unknown): by is { readonly from: Duration.Input; readonly to: Duration.Input } =>
  typeof by === "object" && by !== null && "from" in by && "to" in by

const make = <F extends Fault>(name: string, fault: F): F => Setting.enforce(`Chaos.${name}`, Fault, fault)

const Imitation = /*#__PURE__*/ Setting.setting<ChaosError.Imitation>(
  `one of ${ChaosError.names.join(", ")}`,
  (value) => ChaosError.names.includes(value)
)

const Elements = /*#__PURE__*/ Setting.setting(
  "a whole number of at least 0",
  (value) => Number.isSafeInteger(value) && value >= 0
)

const Tagged = [
  /*#__PURE__*/ Schema.TaggedStruct("Fail", {
    as: Imitation,
    retryAfter: /*#__PURE__*/ Schema.optional(Setting.duration)
  }),
  /*#__PURE__*/ Schema.TaggedStruct("LoseAnswer", { as: Imitation }),
  /*#__PURE__*/ Schema.TaggedStruct("Delay", { from: Setting.duration, to: Setting.duration }).check(
    /*#__PURE__*/ Schema.makeFilter(({ from, to }) =>
      Setting.toMillis(to) >= Setting.toMillis(from)
        ? undefined
        : { path: ["to"], issue: Setting.wrong("no shorter than from", to) }
    )
  ),
  /*#__PURE__*/ Schema.TaggedStruct("Hang", {}),
  /*#__PURE__*/ Schema.TaggedStruct("StallAfter", { elements: Elements }),
  /*#__PURE__*/ Schema.TaggedStruct("CutAfter", { elements: Elements }),
  /*#__PURE__*/ Schema.TaggedStruct("FailAfter", { elements: Elements, as: Imitation }),
  /*#__PURE__*/ Schema.TaggedStruct("SlowDrip", { every: Setting.positiveDuration })
] as const

const tags = Tagged.map((member) => member.fields._tag.schema.literal).join(", ")

/** A fault as data. */
export const Fault: Schema.Codec<Fault, unknown> = /*#__PURE__*/ Schema.Union(Tagged).annotate({
  expected: `an object tagged ${tags}`
})

/** A fault as data, or the name of one. */
export const FaultOrName: Schema.Codec<Fault | Name, unknown> = /*#__PURE__*/ Schema.Union([
  /*#__PURE__*/ Schema.Literals([...ChaosError.names, "hang"]),
  ...Tagged
]).annotate({ expected: `one of ${ChaosError.names.join(", ")}, hang, or an object tagged ${tags}` })
