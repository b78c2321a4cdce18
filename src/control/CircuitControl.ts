/**
 * Steers the circuits of a program, one or many at once: holds them open, lets them go, changes their rules.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Breaker from "../Breaker.ts"
import { BreakerMapImpl } from "../BreakerMap.ts"
import type * as Circuit from "../Circuit.ts"
import * as Setting from "../internal/Setting.ts"
import * as Registry from "../Registry.ts"
import { Mode, type Options, settings as checked } from "../Settings.ts"
import type { Snapshot } from "../Snapshot.ts"
import { all, idOf } from "./CircuitReader.ts"
import { replan } from "./Replan.ts"
import { revise } from "./Revisions.ts"

/**
 * Which circuits an order is for: all, those of some names, those that a reader knows by their ids, or those whose
 * snapshot says so.
 *
 * @category models
 * @since 0.1.0
 */
export type Selection =
  | { readonly all: true }
  | { readonly names: ReadonlyArray<string> }
  | { readonly ids: ReadonlyArray<string> }
  | { readonly where: (circuit: Snapshot) => boolean }

/**
 * Why an order is given, and by whom: told in the events, in the log, and in the cause of an isolation and an opening.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = Breaker.Reason

/**
 * The settings that can change while a circuit runs. What is not named stays; `undefined` brings the default back.
 *
 * @category models
 * @since 0.1.0
 */
export type Revision = Omit<Options, "name" | "mode">

/**
 * Steers the circuits of a program.
 *
 * **Details**
 *
 * Every order gives back how many circuits it reached, and each of those tells it in its events as `Commanded`.
 *
 * - `isolate` refuses every call until `release`, or `for` a while: then the circuit goes on in the state that was
 *   interrupted. `release` closes what is isolated, `reset` closes anything and forgets its openings, `trip` opens,
 *   `setMode` changes whether refusals are carried out.
 * - `configure` changes settings, and loses neither the state, nor what the windows hold, nor the calls in flight. An
 *   opening that lasts goes on to the end that it was told with. Circuits that a map makes later are under the new settings
 *   too: all of them after `{ all: true }`, or else those of the same names.
 *
 * **Gotchas**
 *
 * All but `configure` reach the circuits that are there now. Throws a `RangeError` for a bad setting or selection, before
 * any circuit has changed.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitControl {
  readonly isolate: (
    which: Selection,
    options?: Reason & { readonly for?: Duration.Input | undefined }
  ) => Effect.Effect<number>
  readonly release: (which: Selection, reason?: Reason) => Effect.Effect<number>
  readonly reset: (which: Selection, reason?: Reason) => Effect.Effect<number>
  readonly trip: (
    which: Selection,
    options?: Reason & { readonly openFor?: Duration.Input | undefined }
  ) => Effect.Effect<number>
  readonly setMode: (which: Selection, mode: Circuit.Mode, reason?: Reason) => Effect.Effect<number>
  readonly configure: (which: Selection, settings: Revision, reason?: Reason) => Effect.Effect<number>
}

/**
 * The service tag of the control.
 *
 * @category services
 * @since 0.1.0
 */
export const CircuitControl: Context.Service<CircuitControl, CircuitControl> = /*#__PURE__*/ Context.Service<
  CircuitControl
>("effect-breaker/control/CircuitControl")

/**
 * Makes a control of every circuit of the program.
 *
 * **Example** (A provider is held open for a quarter of an hour, and then goes on as before)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Breaker, withBreaker } from "effect-breaker"
 * import { CircuitControl } from "effect-breaker/control"
 *
 * const program = Effect.gen(function*() {
 *   const control = yield* CircuitControl.make
 *   yield* control.isolate({ names: ["openai"] }, { for: "15 minutes", note: "bad deploy", by: "ada" })
 *
 *   const refused = yield* Effect.flip(withBreaker(Effect.succeed("an answer")))
 *   return `${refused.reason}, ${refused.cause.note}, by ${refused.cause.by}`
 * })
 *
 * const Live = Breaker.layer({ name: "openai" })
 * console.log(await Effect.runPromise(program.pipe(Effect.provide(Live)))) // => "Isolated, bad deploy, by ada"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<CircuitControl> = /*#__PURE__*/ Effect.withFiberSucceed((fiber) =>
  new CircuitControlImpl(fiber.getRef(Registry.Current))
)

/**
 * Provides the control of every circuit of the program.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CircuitControl> = /*#__PURE__*/ Layer.effect(CircuitControl, make)

// ---------------------------------------------------------------------------------------------------------------------

const where = (method: string) => `CircuitControl.${method}`

const areTexts = (value: unknown): boolean => Array.isArray(value) && value.every((each) => typeof each === "string")

// Orders may come from afar, as JSON that was believed: what names nobody must not be for all.
const isSelection = (which: unknown): boolean =>
  typeof which === "object" && which !== null && ("where" in which
    ? typeof which.where === "function"
    : "all" in which
    ? which.all === true
    : "names" in which
    ? areTexts(which.names)
    : "ids" in which && areTexts(which.ids))

const Checked = /*#__PURE__*/ Schema.Struct({
  which: /*#__PURE__*/ Setting.setting("{ all: true }, { names }, { ids } or { where }", isSelection),
  note: /*#__PURE__*/ Schema.optional(Setting.text),
  by: /*#__PURE__*/ Schema.optional(Setting.text)
})

const check = (method: keyof CircuitControl, which: Selection, { by, note }: Reason): void => {
  Setting.enforce(where(method), Checked, { which, note, by })
}

class CircuitControlImpl implements CircuitControl {
  readonly #registry: Registry.Registry
  constructor(registry: Registry.Registry) {
    this.#registry = registry
  }

  get isolate(): CircuitControl["isolate"] {
    return (which, { for: lasts, ...reason } = {}) =>
      this.command("isolate", which, {
        _tag: "Isolate",
        ...reason,
        for: Setting.millisOf(where("isolate"), "for", lasts)
      })
  }

  get release(): CircuitControl["release"] {
    return (which, reason) => this.command("release", which, { _tag: "Release", ...reason })
  }

  get reset(): CircuitControl["reset"] {
    return (which, reason) => this.command("reset", which, { _tag: "Reset", ...reason })
  }

  get trip(): CircuitControl["trip"] {
    return (which, { openFor, ...reason } = {}) =>
      this.command("trip", which, {
        _tag: "Trip",
        ...reason,
        openFor: Setting.millisOf(where("trip"), "openFor", openFor)
      })
  }

  get setMode(): CircuitControl["setMode"] {
    return (which, mode, reason) =>
      this.command("setMode", which, {
        _tag: "SetMode",
        ...reason,
        mode: Setting.option(where("setMode"), "mode", Mode, mode)
      })
  }

  get configure(): CircuitControl["configure"] {
    return (which, revision, { by, note } = {}) => {
      check("configure", which, { by, note })
      checked(revision, where("configure"))
      return Effect.flatMap(this.select(which), (circuits) =>
        Effect.withFiberSucceed((fiber) => {
          const clock = fiber.getRef(Clock.Clock)
          // Checked together with what stays, for all circuits before the first one changes.
          const settings = circuits.map((circuit) =>
            checked({ ...circuit.settings.options, ...revision }, where("configure"))
          )
          for (const source of this.#registry.sources()) {
            if (source instanceof BreakerMapImpl) {
              revise(source, "all" in which ? undefined : circuits.map(({ name }) => name), revision, fiber.context)
            }
          }
          circuits.forEach((circuit, i) => {
            const now = circuit.now(clock)
            circuit.settings = { ...settings[i]!, mode: circuit.settings.mode }
            replan(circuit, settings[i]!.rules(fiber.context), now)
            circuit.emit({ _tag: "Commanded", at: now, command: "Configure", note, by })
          })
          return circuits.length
        }))
    }
  }

  private command(
    method: keyof CircuitControl,
    which: Selection,
    order: Circuit.Command & Reason
  ): Effect.Effect<number> {
    check(method, which, order)
    return Effect.flatMap(
      this.select(which),
      (circuits) =>
        Effect.as(Effect.forEach(circuits, (circuit) => circuit.command(order), { discard: true }), circuits.length)
    )
  }

  private select(which: Selection): Effect.Effect<ReadonlyArray<Breaker.BreakerImpl>> {
    return Effect.suspend(() => {
      const circuits = [...all(this.#registry)]
      if ("where" in which) {
        return Effect.filter(circuits, (circuit) => Effect.map(circuit.snapshot, which.where))
      }
      if ("all" in which) return Effect.succeed(circuits)
      const wanted = new Set<string | undefined>("names" in which ? which.names : which.ids)
      const calledOf = "names" in which ? ({ name }: Breaker.BreakerImpl) => name : idOf
      return Effect.succeed(circuits.filter((circuit) => wanted.has(calledOf(circuit))))
    })
  }
}
