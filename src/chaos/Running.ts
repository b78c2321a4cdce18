/**
 * Chaos at work: who is hit, what is held back, what is told of it, and how it ends.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import type * as Fault from "./Fault.ts"
import { labelOf } from "./Fault.ts"
import * as Plan from "./Plan.ts"

/**
 * What chaos has done so far at one point.
 *
 * @category models
 * @since 0.1.0
 */
export interface PointCount {
  readonly point: string
  /** How many calls passed it while chaos was on. */
  readonly calls: number
  /** How often which fault acted, by its name. */
  readonly faults: Readonly<Record<string, number>>
}

/**
 * Whether chaos is on, and what it has done so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface Status {
  readonly on: boolean
  /** The phase in force, while it is on. */
  readonly phase: string | undefined
  /** How long it has yet to go. */
  readonly left: Duration.Duration
  readonly points: ReadonlyArray<PointCount>
}

/** The status of a program without chaos. */
export const calm: Status = { on: false, phase: undefined, left: Duration.zero, points: [] }

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** A fault on its way to one call. */
export interface Hit extends Plan.Draw {
  readonly point: string
  /** Counts and tells that the fault acted. */
  readonly told: Effect.Effect<void>
}

/** The chaos of a program, from its beginning to its end. */
export class Running {
  readonly length: number
  private readonly plan: Plan.Played
  private readonly allow: Effect.Effect<boolean>
  private readonly began: number
  private readonly latch = Latch.makeUnsafe(false)
  private readonly counts = new Map<string, { calls: number; readonly faults: Map<string, number> }>()
  private readonly named: Set<string>
  private stopped = false

  constructor(plan: Plan.Plan, allow: Effect.Effect<boolean>, fiber: AnyFiber) {
    this.plan = Plan.play(plan)
    this.length = this.plan.length
    this.allow = allow
    this.began = millis(fiber)
    this.named = new Set(
      [...plan.faults ?? [], ...(plan.script ?? []).flatMap(({ faults }) => faults ?? [])].flatMap(({ at }) => at ?? [])
    )
  }

  /** The fault that the next call at a point gets, if it gets one. */
  next(point: string, kind: "effect" | "stream", key: string | undefined, fiber: AnyFiber): Hit | undefined {
    const elapsed = millis(fiber) - this.began
    if (this.stopped || elapsed >= this.length) return undefined
    const count = this.countOf(point)
    count.calls++
    const current = this.plan.at(elapsed)
    const draw = current.next(point, kind, key)
    return draw && { ...draw, point, told: this.tell(point, current.name, draw.fault) }
  }

  /** Whether a fault that was drawn may act. What cannot be found out is a no. */
  get allowed(): Effect.Effect<boolean> {
    return Effect.map(Effect.catchCause(this.allow, () => Effect.succeed(false)), (yes) => yes && !this.stopped)
  }

  /** Waits so long, and says whether it waited to the end: not where chaos was over first. */
  hold(millis: number): Effect.Effect<boolean> {
    if (millis === 0) return Effect.succeed(true)
    const wait = millis === Infinity ? Effect.never : Effect.sleep(millis)
    return Effect.raceFirst(Effect.as(wait, true), Effect.as(Latch.await(this.latch), false))
  }

  get status(): Effect.Effect<Status> {
    return Effect.withFiberSucceed((fiber) => {
      const elapsed = millis(fiber) - this.began
      const on = !this.stopped && elapsed < this.length
      return {
        on,
        phase: on ? this.plan.at(elapsed).name : undefined,
        left: on ? Duration.millis(this.length - elapsed) : Duration.zero,
        points: [...this.counts].map(([point, { calls, faults }]) => ({
          point,
          calls,
          faults: Object.fromEntries(faults)
        }))
      }
    })
  }

  setFaults(faults: ReadonlyArray<Plan.FaultShare>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.plan.setFaults(faults)
      return Effect.logWarning(faults.length === 0 ? "Chaos: no faults." : `Chaos: ${describe(faults)}.`)
    })
  }

  /** Says that it begins, and ends it in time. Runs until then. */
  get run(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const lasts = this.length === Infinity ? "without an end" : `for ${Duration.format(Duration.millis(this.length))}`
      const { faults } = this.plan.at(0)
      yield* Effect.logWarning(`Chaos is on ${lasts}${faults.length === 0 ? "" : `: ${describe(faults)}`}.`)
      yield* active(1)
      yield* this.length === Infinity ? Effect.never : Effect.sleep(this.length)
      yield* this.end("is over")
    })
  }

  /** Ends it for good, and lets go of every call that it holds. */
  end(how: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.stopped) return Effect.void
      this.stopped = true
      Latch.openUnsafe(this.latch)
      const counts = [...this.counts.values()]
      const hits = counts.reduce((sum, { faults }) => [...faults.values()].reduce((all, one) => all + one, sum), 0)
      const calls = counts.reduce((sum, count) => sum + count.calls, 0)
      // A name that is written wrong looks like a provider that withstands anything.
      const unmet = [...this.named].filter((name) => ![...this.counts.keys()].some((point) => Plan.means(name, point)))
      const missed = unmet.map((name) => JSON.stringify(name)).join(", ")
      return Effect.logWarning(
        `Chaos ${how}: it hit ${hits} of ${calls} calls.${missed && ` No call ever passed ${missed}.`}`
      ).pipe(Effect.andThen(active(0)))
    })
  }

  private countOf(point: string) {
    const known = this.counts.get(point)
    if (known !== undefined) return known
    const count = { calls: 0, faults: new Map<string, number>() }
    this.counts.set(point, count)
    return count
  }

  private tell(point: string, phase: string, fault: Fault.Fault): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      const label = labelOf(fault)
      const { faults } = this.countOf(point)
      const before = faults.get(label) ?? 0
      faults.set(label, before + 1)
      const { span } = fiber.cache
      if (span?._tag === "Span" && span.status._tag !== "Ended") {
        span.attribute("chaos.point", point)
        span.attribute("chaos.fault", label)
      }
      const said = `Chaos at ${JSON.stringify(point)}: ${label} (${phase}).`
      return Metric.update(Metric.withAttributes(acted, { point, fault: label }), 1).pipe(
        // One line for each kind of fault, not one for each call.
        Effect.andThen(before === 0 ? Effect.logWarning(said) : Effect.logDebug(said))
      )
    })
  }
}

const acted = /*#__PURE__*/ Metric.counter("effect_breaker_chaos_faults_total", {
  description: "How often chaos acted on a call.",
  incremental: true
})

const activity = /*#__PURE__*/ Metric.gauge("effect_breaker_chaos_active", {
  description: "Whether chaos is on: 1 or 0."
})

const active = (value: 0 | 1): Effect.Effect<void> => Metric.update(activity, value)

const describe = (faults: ReadonlyArray<Plan.FaultShare>): string =>
  faults.map(({ at, fault, share }) => {
    const label = typeof fault === "string" ? fault : labelOf(fault)
    return `${label} ${+(share * 100).toFixed(2)} %${at === undefined ? "" : ` at ${at.join(", ")}`}`
  }).join("; ")

const millis = (fiber: AnyFiber): number => Number(fiber.getRef(Clock.Clock).monotonicTimeNanosUnsafe()) / 1e6
