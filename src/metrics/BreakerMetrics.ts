/**
 * Metrics of every circuit of a program, for Prometheus, OpenTelemetry, or whoever else reads the `Metric`s of Effect.
 *
 * A call only counts: plain numbers, which are read when somebody scrapes or exports. Circuits are told apart by name, as
 * many of them as the program says, so that a map with a key for each tenant does not drown the backend.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Setting from "../internal/Setting.ts"
import * as Registry from "../Registry.ts"
import * as Installation from "./Installation.ts"

/**
 * The settings of the metrics.
 *
 * **Details**
 *
 * - `circuits`: how many names of circuits have series of their own, first come, first served (default 100). The circuits
 *   of all later names share the label `other`.
 * - `boundaries`: the upper bounds of the buckets of `effect_breaker_call_duration_seconds`, in rising order (default: from
 *   5 milliseconds to 2 minutes).
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly circuits?: number | undefined
  readonly boundaries?: ReadonlyArray<Duration.Input> | undefined
}

/**
 * Counts what happens at every circuit of the program, as `Metric`s of Effect.
 *
 * **Details**
 *
 * All circuits of the `Registry` in context are counted, those that are there already and those that come later. The
 * series go into the `MetricRegistry` in context, where the exporters of `effect/observability` find them;
 * `docs/metrics.md` lists them. Labels are the name of the circuit and words from closed sets: no text of an error, no kind
 * and no answer gets into them. When the layer's scope closes, the series are gone and the circuits count no more.
 *
 * **Gotchas**
 *
 * Provide it once: a second one for the same `Registry`, or into the same `MetricRegistry`, dies, for each series would be
 * told twice. Calls in mode `off` are not counted.
 *
 * Throws a `RangeError` at once for a bad setting.
 *
 * **Example** (An outage, as Prometheus would see it)
 *
 * ```ts
 * import { Effect, Metric } from "effect"
 * import { Breaker, TripPolicy } from "effect-breaker"
 * import { Registry } from "effect-breaker/control"
 * import { BreakerMetrics } from "effect-breaker/metrics"
 * import { PrometheusMetrics } from "effect/observability"
 *
 * const program = Effect.gen(function*() {
 *   const openai = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
 *   const ask = Effect.fail("529 Overloaded").pipe(openai.execute(), Effect.ignore)
 *   yield* Effect.andThen(ask, ask)
 *
 *   const page = yield* PrometheusMetrics.format()
 *   return page.split("\n").filter((line) => /^effect_breaker_(state|calls.*failure|refusals.*"open")/.test(line))
 * })
 *
 * const seen = await Effect.runPromise(program.pipe(
 *   Effect.provide(BreakerMetrics.layer()),
 *   Effect.provideService(Metric.MetricRegistry, new Map()),
 *   Effect.provideService(Registry.Current, new Registry.Registry())
 * ))
 * console.log(seen[0]) // => `effect_breaker_state{circuit="openai"} 2`
 * console.log(seen[1]) // => `effect_breaker_calls_total{circuit="openai",outcome="failure"} 1`
 * console.log(seen[2]) // => `effect_breaker_refusals_total{circuit="openai",reason="open"} 1`
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ boundaries = defaultBoundaries, circuits = 100 }: Options = {}): Layer.Layer<never> => {
  const where = "BreakerMetrics.layer"
  Setting.option(where, "circuits", Setting.count, circuits)
  const bounds = Setting.option<ReadonlyArray<Duration.Input>>(where, "boundaries", Boundaries, boundaries)
    .map((bound) => Setting.toMillis(bound))
  return Layer.effectDiscard(Effect.acquireRelease(
    Effect.withFiber((fiber) => Installation.make(fiber.getRef(Registry.Current), fiber, circuits, bounds)),
    (installation) => Effect.sync(() => installation.close())
  ))
}

// ---------------------------------------------------------------------------------------------------------------------

const defaultBoundaries: ReadonlyArray<Duration.Input> = [
  5,
  10,
  25,
  50,
  100,
  250,
  500,
  1000,
  2500,
  5000,
  10_000,
  30_000,
  60_000,
  120_000
]

const rises = (bounds: unknown): boolean =>
  Array.isArray(bounds) && bounds.length > 0 &&
  bounds.map(Setting.toMillis).every((bound, i, all) => bound < Infinity && bound > (all[i - 1] ?? 0))

const Boundaries = /*#__PURE__*/ Setting.setting<ReadonlyArray<Duration.Input>>(
  "one or more durations above zero in rising order",
  rises
)
