/**
 * The settings of a breaker: those of its circuit, and how it reads and treats calls.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
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
}

/** @internal */
export const settings = (options: Omit<Options, "name">, where = "Breaker.make"): Settings => {
  const { classify, mode = "enforce", openDuration, ...rest } = options
  const openFor = openDuration === undefined ? undefined : OpenDuration.make(openDuration, where)
  checkMode(mode, where)
  Setting.enforce(
    Setting.rule(
      classify === undefined || typeof classify === "function",
      where,
      "classify",
      "a function of a call's exit",
      typeof classify
    )
  )
  const rules = Circuit.rules(rest, where)
  return {
    rules: openFor === undefined ? () => rules : (context) => ({ ...rules, openDuration: openFor(context) }),
    classify,
    mode
  }
}

/** @internal */
export const checkMode = (mode: string, where: string): void =>
  Setting.enforce(
    Setting.rule(["enforce", "observe", "off"].includes(mode), where, "mode", "enforce, observe or off", mode)
  )

/** @internal */
export const checkName = (name: string, where: string, option: string): void =>
  Setting.enforce(
    Setting.rule(typeof name === "string" && name.trim() !== "", where, option, "a text that is not empty", name)
  )
