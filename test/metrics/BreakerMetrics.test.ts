import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { Breaker, BreakerMap, Outcome, TripPolicy } from "effect-breaker"
import { Registry } from "effect-breaker/control"
import { BreakerMetrics } from "effect-breaker/metrics"
import { PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import { execFileSync, spawnSync } from "node:child_process"

/** Circuits and series of its own for each test. */
const alone = <A, E>(effect: Effect.Effect<A, E>, options?: BreakerMetrics.Options) =>
  Effect.suspend(() =>
    effect.pipe(
      Effect.provide(BreakerMetrics.layer(options)),
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provideService(Registry.Current, new Registry.Registry())
    )
  )

const lines = Effect.map(PrometheusMetrics.format(), (page) => page.split("\n"))
const value = (series: string) =>
  Effect.map(lines, (all) => {
    const line = all.find((one) => one.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.slice(series.length + 1))
  })

const outage = Effect.gen(function*() {
  // Before this time nobody may have read the time.
  yield* TestClock.setTime(1000)
  const openai = yield* Breaker.make({
    name: "openai",
    tripPolicy: TripPolicy.consecutive(2),
    openDuration: "1 minute",
    halfOpen: { successes: 1 }
  })
  yield* openai.execute(Effect.sleep("2 seconds").pipe(Effect.timeoutOption("1 second"))).pipe(
    Effect.forkChild({ startImmediately: true }),
    Effect.andThen(TestClock.adjust("1 second"))
  )
  yield* Effect.ignore(openai.execute(Effect.fail("secret-text")))
  yield* Effect.ignore(
    openai.execute(Effect.fail("secret-text"), { classify: () => Outcome.failure({ kind: "secret" }) })
  )
  for (let i = 0; i < 3; i++) yield* Effect.ignore(openai.execute(Effect.succeed("secret-answer")))
  return openai
})

const promtool = spawnSync("promtool", ["--version"]).status === 0
if (!promtool) {
  console.warn("SKIPPED: promtool is missing (apt-get install prometheus): the series are not checked by it")
}

describe("BreakerMetrics", () => {
  it.effect("tells calls, refusals, openings, state and how long it is open, read when somebody scrapes", () =>
    alone(Effect.gen(function*() {
      const openai = yield* outage
      assert.strictEqual(yield* value(`effect_breaker_state{circuit="openai"}`), 2)
      assert.strictEqual(yield* value(`effect_breaker_calls_total{circuit="openai",outcome="success"}`), 1)
      assert.strictEqual(yield* value(`effect_breaker_calls_total{circuit="openai",outcome="failure"}`), 2)
      assert.strictEqual(yield* value(`effect_breaker_refusals_total{circuit="openai",reason="open"}`), 3)
      assert.strictEqual(yield* value(`effect_breaker_openings_total{circuit="openai"}`), 1)
      assert.strictEqual(yield* value(`effect_breaker_call_duration_seconds_count{circuit="openai"}`), 3)
      assert.strictEqual(yield* value(`effect_breaker_call_duration_seconds_sum{circuit="openai"}`), 1)
      yield* TestClock.adjust("1 minute")
      yield* openai.execute(Effect.succeed("back"))

      assert.strictEqual(yield* value(`effect_breaker_state{circuit="openai"}`), 0)
      assert.strictEqual(yield* value(`effect_breaker_open_seconds_total{circuit="openai"}`), 60)
      assert.strictEqual(yield* value(`effect_breaker_probes_total{circuit="openai",result="passed"}`), 1)
      assert.strictEqual(
        yield* value(`effect_breaker_transitions_total{circuit="openai",from="closed",to="open",rule="consecutive"}`),
        1
      )
    })))

  it.effect("counts calls in flight, those too that began before it was there", () =>
    Effect.gen(function*() {
      const registry = new Registry.Registry()
      const breaker = yield* Breaker.make({ name: "openai" }).pipe(
        Effect.provideService(Registry.Current, registry)
      )
      const early = yield* breaker.admit
      yield* Effect.gen(function*() {
        const late = yield* breaker.admit
        const inFlight = value(`effect_breaker_in_flight{circuit="openai"}`)
        assert.strictEqual(yield* inFlight, 2)
        yield* early.settle(Outcome.success)
        yield* late.settle(Outcome.success)
        assert.strictEqual(yield* inFlight, 0)
      }).pipe(
        Effect.provide(BreakerMetrics.layer()),
        Effect.provideService(Metric.MetricRegistry, new Map()),
        Effect.provideService(Registry.Current, registry)
      )
    }))

  it.effect("gives so many names series of their own, and the rest one together", () =>
    alone(
      Effect.gen(function*() {
        const map = yield* BreakerMap.make()
        for (const key of ["a", "b", "c", "d"]) yield* map.execute(Effect.void, { key })

        const calls = (label: string) => value(`effect_breaker_calls_total{circuit="${label}",outcome="success"}`)
        assert.deepStrictEqual(
          [yield* calls("a"), yield* calls("b"), yield* calls("c"), yield* calls("other")],
          [1, 1, undefined, 2]
        )
      }),
      { circuits: 2 }
    ))

  it.effect("tells no text of an error, no kind and no answer", () =>
    alone(Effect.gen(function*() {
      yield* outage
      assert.notInclude((yield* lines).join("\n"), "secret")
    })))

  it.effect("dies where the circuits are counted already, and says what to do", () =>
    alone(Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.provide(Effect.void, BreakerMetrics.layer(), { local: true }))
      assert.include(String(exit), "Provide one layer value to the whole program")
    })))

  it("throws for a bad setting, and names it", () => {
    assert.throws(() => BreakerMetrics.layer({ circuits: 0 }), /BreakerMetrics.layer: circuits must be .*, got 0/)
    assert.throws(() => BreakerMetrics.layer({ boundaries: [2, 1] }), /boundaries must be .* rising order/)
  })

  it.effect.skipIf(!promtool)(
    "gives Prometheus's own checker nothing to complain about",
    () =>
      alone(Effect.gen(function*() {
        yield* outage
        const page = yield* PrometheusMetrics.format()
        assert.strictEqual(execFileSync("promtool", ["check", "metrics"], { input: page, encoding: "utf8" }), "")
      }))
  )
})
