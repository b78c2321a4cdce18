/**
 * What the tests of the metrics let happen, and where.
 */
import { assert } from "@effect/vitest"
import { Effect, Fiber, Layer, Metric, type Scope, Stream } from "effect"
import { Breaker, Fallback, Outcome, TripPolicy } from "effect-breaker"
import { Registry } from "effect-breaker/control"
import { LlmStream, PartReader } from "effect-breaker/llm"
import { BreakerMetrics } from "effect-breaker/metrics"
import { ReconnectingRedis, SharedBreaker } from "effect-breaker/redis"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { Redis } from "effect/persistence"
import { TestClock } from "effect/testing"
import { spawnSync } from "node:child_process"
import OpenAI from "openai"

/** A circuit whose store is gone. */
const lost = Effect.scoped(
  SharedBreaker.make({ name: "shared" }).pipe(
    Effect.provide(ReconnectingRedis.layer(Layer.effect(Redis.Redis, Effect.fail("down"))))
  )
)

/** Whether a program is there. Says loudly what is not looked at without it. */
export const isThere = (program: "promtool" | "prometheus" | "redis-server", without: string): boolean => {
  const found = spawnSync(program, ["--version"]).status === 0
  if (!found) {
    console.warn(
      `SKIPPED: ${program} is missing (apt-get install ${
        program === "redis-server" ? program : "prometheus"
      }): ${without}`
    )
  }
  return found
}

/** Circuits and series of its own. */
export const isolated = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() =>
    self.pipe(
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provideService(Registry.Current, new Registry.Registry())
    )
  )

/** Counts from here on, to the end of the scope. */
export const metered = (options?: BreakerMetrics.Options): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Layer.build(BreakerMetrics.layer(options)))

type Labels = Readonly<Record<string, string>>

/** The series of a name that have these labels. */
export const series = (name: string, labels: Labels = {}) =>
  Effect.map(
    Metric.snapshot,
    (all) =>
      all.filter(({ attributes, id }) =>
        id === name && Object.entries(labels).every(([label, value]) => attributes?.[label] === value)
      )
  )

/** The number of the one series with these labels; `undefined` where there is none. */
export const valueOf = (name: string, labels: Labels = {}) =>
  Effect.map(series(name, labels), (found) => {
    assert.isAtMost(found.length, 1, `${name} ${JSON.stringify(labels)}`)
    const state = found[0]?.state as { readonly count?: number; readonly value?: number } | undefined
    return state?.value ?? state?.count
  })

/** The counts of all series of a name that are not zero, by one label. */
export const countsBy = (name: string, label: string, labels: Labels = {}) =>
  Effect.map(series(name, labels), (found) =>
    Object.fromEntries(found.flatMap(({ attributes, state }) => {
      const { count } = state as { readonly count: number }
      return count === 0 ? [] : [[attributes![label]!, count]]
    })))

/** Counts from the start of a test, at a time other than zero. */
export const counting = <A, E>(self: Effect.Effect<A, E, Scope.Scope>, options?: BreakerMetrics.Options) =>
  isolated(Effect.scoped(Effect.andThen(Effect.andThen(TestClock.setTime(1000), metered(options)), self)))

/** What must never be found in a series: as the text of an error, as a kind, in an answer. */
export const secret = "sk-secret-4711"

/** An answer of the fake provider, streamed through the `openai` client and the breaker. */
export const ask = (provider: FakeProvider.FakeProvider, breaker: Breaker.Breaker, fault: Fault.Fault | "none") => {
  const client = new OpenAI({ apiKey: secret, baseURL: provider.baseUrl, maxRetries: 0, logLevel: "off" })
  return LlmStream.fromClient((signal) =>
    client.chat.completions.create({
      model: "gpt-test",
      messages: [{ role: "user", content: secret }],
      stream: true,
      stream_options: { include_usage: true }
    }, { signal, headers: Fault.header(fault) })
  ).pipe(
    LlmStream.guard({ reader: PartReader.openAiChat }),
    Stream.runDrain,
    Effect.provideService(Breaker.Breaker, breaker),
    Effect.exit
  )
}

/** An outage as its callers meet it: three answers, two errors that open the circuit, four refusals. */
export const outage = Effect.gen(function*() {
  const provider = yield* FakeProvider.make({ allowHeader: true })
  const breaker = yield* Breaker.make({
    name: "openai",
    tripPolicy: TripPolicy.consecutive(2),
    openDuration: "1 hour"
  })
  for (let i = 0; i < 3; i++) yield* ask(provider, breaker, "none")
  const down = Fault.jsonError({ status: 503, message: secret })
  for (let i = 0; i < 2; i++) yield* ask(provider, breaker, down)
  for (let i = 0; i < 4; i++) yield* ask(provider, breaker, "none")
  return breaker
})

/** Lets happen what there is a series for, at other circuits than that of the outage. */
export const everything = Effect.gen(function*() {
  const kind = () => Outcome.failure({ kind: secret, message: secret })
  const careful = yield* Breaker.make({
    name: "careful",
    tripPolicy: TripPolicy.consecutive(1),
    openDuration: 1,
    halfOpen: { successes: 2, outOf: 3 }
  })
  yield* Effect.exit(careful.execute(Effect.fail(secret), { classify: kind }))
  yield* careful.execute(Effect.succeed(secret)).pipe(Effect.eventually)
  yield* Effect.exit(careful.execute(Effect.die(secret)))
  yield* careful.execute(Effect.succeed(secret))
  yield* careful.execute(Effect.void, { classify: () => Outcome.throttled({ retryAfter: 1, message: secret }) })
  yield* careful.reset
  yield* careful.execute(Effect.void, { classify: () => Outcome.ignored })
  const watched = yield* Breaker.make({ name: "watched", mode: "observe", tripPolicy: TripPolicy.consecutive(1) })
  yield* Effect.exit(watched.execute(Effect.fail(secret), { classify: () => Outcome.trip({ kind: secret }) }))
  yield* watched.execute(Effect.void)
  const held = yield* Breaker.make({ name: "held" })
  yield* held.isolate({ note: secret, by: secret })
  yield* held.execute(Effect.succeed(secret)).pipe(Fallback.withFallback(Fallback.value(secret)))
  yield* lost
  const running = yield* Effect.forkChild(careful.execute(Effect.never), { startImmediately: true })
  return Fiber.interrupt(running)
})
