import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Exit, Layer } from "effect"
import { Breaker, CallWindow, TripPolicy } from "effect-breaker"
import { ReconnectingRedis, SharedBreaker } from "effect-breaker/redis"
import { Redis } from "effect/persistence"
import { rangeErrorOf } from "../refusals.ts"

const over = (window: CallWindow.CallWindow) => TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window })

describe("a bad setting of a shared breaker", () => {
  const name = "openai"
  for (
    const [options, said] of [
      [{ name: "" }, `name must be a text that is not empty, got ""`],
      [{ name, bound: 0 }, "bound must be a finite duration above zero, got 0"],
      [{ name, bound: "soon" }, `bound must be a finite duration above zero, got "soon"`],
      [{ name, prefix: "" }, `prefix must be a text that is not empty, got ""`],
      [{ name, poll: -1 }, "poll must be a finite duration above zero, got -1"],
      [{ name, grace: -1 }, "grace must be a finite duration of zero or more, got -1"],
      [undefined, "settings must be an object of settings (name, prefix and so on), got undefined"],
      [null, "settings must be an object of settings (name, prefix and so on), got null"],
      [{ name, batch: 5 }, "batch must be an object of settings (calls and every), got 5"],
      [{ name, batch: null }, "batch must be an object of settings (calls and every), got null"],
      [{ name, poll: "60 days" }, `poll must be at most 24 days where it is shared, got "60 days"`],
      [{ name, batch: { every: 1e300 } }, "batch.every must be at most 24 days where it is shared, got 1e+300"],
      [{ name, idleTimeToLive: 1e300 }, "idleTimeToLive must be at most 100 years where it is shared, got 1e+300"],
      [{ name, openDuration: 1e300 }, "openDuration must be at most 100 years where it is shared, got 1e+300"],
      [{ name, batch: { calls: 0 } }, "batch.calls must be a whole number of at least 1, got 0"],
      [{ name, batch: { every: 0 } }, "batch.every must be a finite duration above zero, got 0"],
      [{ name, onStoreError: "refuse" }, `onStoreError must be local or fail, got "refuse"`],
      [{ name, idleTimeToLive: 0 }, "idleTimeToLive must be a finite duration above zero, got 0"],
      [
        { name, tripPolicy: over(CallWindow.lastCalls(10_001)) },
        "the window of failureRate must hold at most 10000 calls where it is shared, got 10001"
      ],
      [
        { name, tripPolicy: over(CallWindow.lastDuration("1 hour", { buckets: 20_000 })) },
        "the window of failureRate must hold at most 10000 buckets where it is shared, got 20000"
      ]
    ] as const
  ) {
    it(`is refused at once: ${said}`, () => {
      assert.strictEqual(rangeErrorOf(() => SharedBreaker.layer(options as never)), `SharedBreaker.make: ${said}`)
    })
  }

  it("is refused by a map at once: no settings at all", () => {
    assert.strictEqual(
      rangeErrorOf(() => SharedBreaker.layerMap(null as never)),
      "SharedBreaker.makeMap: settings must be an object of settings (name, prefix and so on), got null"
    )
  })

  it("is refused by a map at once, and where lookup gives it when its key is asked for", async () => {
    const tripPolicy = over(CallWindow.lastCalls(10_001))
    const said = "the window of failureRate must hold at most 10000 calls where it is shared, got 10001"
    assert.strictEqual(rangeErrorOf(() => SharedBreaker.layerMap({ tripPolicy })), `SharedBreaker.makeMap: ${said}`)

    const asked = Effect.scoped(
      Effect.flatMap(SharedBreaker.makeMap({ lookup: () => ({ tripPolicy }) }), (map) => map.get("large"))
    )
    const nowhere = ReconnectingRedis.layer(Layer.effect(Redis.Redis, Effect.fail("down")))
    const exit = await Effect.runPromiseExit(Effect.provide(asked, nowhere))
    assert.include(Exit.isFailure(exit) ? String(exit.cause) : "", `SharedBreaker.makeMap: ${said}`)
  })
})

describe("the settings of a shared breaker in the program's configuration", () => {
  const { layerConfig } = SharedBreaker
  const nowhere = ReconnectingRedis.layer(Layer.effect(Redis.Redis, Effect.fail("down")))
  const asked = Effect.gen(function*() {
    const breaker = yield* Breaker.Breaker
    yield* Effect.ignore(breaker.execute(Effect.fail("down")))
    return yield* breaker.state
  })
  const from = (env: Record<string, string>) =>
    asked.pipe(
      Effect.provide(
        layerConfig({
          name: Config.succeed("openai"),
          onStoreError: Config.succeed("local"),
          openDuration: Config.Duration("OPEN_FOR"),
          tripPolicy: Config.succeed(TripPolicy.consecutive(1))
        }).pipe(Layer.provide(nowhere))
      ),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
    )

  it.effect("are read when the layer is built", () =>
    Effect.gen(function*() {
      const { _tag, retryAfter } = yield* from({ OPEN_FOR: "20 seconds" })
      assert.deepStrictEqual([_tag, Duration.toMillis(retryAfter)], ["Open", 20_000])
    }))

  it.effect("fail it where they are missing", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* Effect.flip(from({})))._tag, "ConfigError")
    }))
})
