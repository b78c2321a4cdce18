/**
 * The settings of a breaker: those of its circuit, and how it reads and treats calls.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Circuit from "./Circuit.ts"
import type { Classify } from "./Classify.ts"
import * as Setting from "./internal/Setting.ts"
import * as OpenDuration from "./OpenDuration.ts"

/**
 * The settings of a breaker. Only the name is required.
 *
 * **Details**
 *
 * See `Circuit.Options` for the rest: five consecutive failures open it for 60 seconds, and three successful probes, one
 * at a time, close it. `openDuration` may be a `Schedule` here: the n-th opening in a row lasts its n-th delay, measured
 * over the time spent open, and its last delay repeats. Without `classify`, a success is a `Success`, and a typed failure
 * or a defect is a `Failure`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Circuit.Options, "openDuration"> {
  readonly name: string
  readonly openDuration?: OpenDuration.OpenDuration | undefined
  readonly classify?: Classify | undefined
  readonly mode?: Circuit.Mode | undefined
}

/** @internal */
export interface Settings {
  readonly rules: (context: Context.Context<never>) => Circuit.Rules
  readonly classify: Classify | undefined
  readonly mode: Circuit.Mode
  /** As they were given. */
  readonly options: Omit<Options, "name">
}

/** @internal */
export const settings = (options: Omit<Options, "name">, where = "Breaker.make"): Settings => {
  Setting.enforce(where, schema, options)
  const { classify, mode = "enforce", openDuration, ...rest } = options
  const replayed = Schedule.isSchedule(openDuration)
    ? OpenDuration.make(openDuration, where)
    : undefined
  const rules = Circuit.rules({ ...rest, openDuration: replayed ? undefined : openDuration as Duration.Input }, where)
  return {
    rules: replayed === undefined ? () => rules : (context) => ({ ...rules, openDuration: replayed(context) }),
    classify,
    mode,
    options
  }
}

/** @internal */
export const Mode = /*#__PURE__*/ Setting.setting<Circuit.Mode>(
  "enforce, observe or off",
  (mode) => ["enforce", "observe", "off"].includes(mode)
)

/** @internal */
export const isName = (name: unknown): boolean => typeof name === "string" && name.trim() !== ""

/** @internal */
export const Name = /*#__PURE__*/ Setting.setting<string>("a text that is not empty", isName)

const schema: Schema.Codec<unknown, unknown> = /*#__PURE__*/ Schema.Struct({
  classify: /*#__PURE__*/ Schema.optional(
    /*#__PURE__*/ Setting.setting("a function of a call's exit", (value) => typeof value === "function")
  ),
  mode: /*#__PURE__*/ Schema.optional(Mode),
  openDuration: /*#__PURE__*/ Schema.optional(
    /*#__PURE__*/ Setting.setting("a duration or a schedule", (value) => typeof value !== "function")
  )
})
