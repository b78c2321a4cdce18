import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Logger } from "effect"
import { Chaos } from "effect-breaker/chaos"
import { TestClock } from "effect/testing"

const reset = `{ "faults": [{ "fault": "reset", "share": 1 }] }`
const at = (millis: number) => new Date(millis).toISOString()
const hour = 3_600_000
const day = 24 * hour

/** How a call goes under such an environment, how long chaos has yet to go, and what was logged. */
const under = (env: Readonly<Record<string, string>>, options?: Chaos.ConfigOptions) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const seen = yield* Effect.gen(function*() {
      const { _tag } = yield* Effect.result(Effect.succeed("answer").pipe(Chaos.inject("openai")))
      return [_tag, Duration.toMillis((yield* Chaos.status).left)]
    }).pipe(
      Effect.provide(Chaos.layerConfig(options)),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
      Effect.provide(Logger.layer([Logger.make(({ message }) => lines.push(String(message)))]))
    )
    return { seen, lines }
  })

describe("Chaos.layerConfig", () => {
  it.effect("nothing happens where nothing is set, or set to nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* under({}), { seen: ["Success", 0], lines: [] })
      assert.deepStrictEqual(yield* under({ CHAOS: " " }), { seen: ["Success", 0], lines: [] })
      assert.deepStrictEqual(yield* under({ CHAOS_UNTIL: at(hour) }), { seen: ["Success", 0], lines: [] })
    }))

  it.effect("a plan lasts until the instant it names, also when the program starts anew", () =>
    Effect.gen(function*() {
      const env = { CHAOS: reset, CHAOS_UNTIL: at(2 * hour) }
      assert.deepStrictEqual((yield* under(env)).seen, ["Failure", 2 * hour])
      yield* TestClock.adjust(2 * hour - 1)
      assert.deepStrictEqual((yield* under(env)).seen, ["Failure", 1])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* under(env), {
        seen: ["Success", 0],
        lines: ["CHAOS_UNTIL has passed: chaos stays off."]
      })
    }))

  it.effect("a plan's own length holds where it is shorter", () =>
    Effect.gen(function*() {
      const plan = `{ "for": "10 minutes", "faults": [{ "fault": "reset", "share": 1 }] }`
      assert.deepStrictEqual((yield* under({ CHAOS: plan, CHAOS_UNTIL: at(hour) })).seen, ["Failure", 600_000])
      assert.deepStrictEqual((yield* under({ CHAOS: plan, CHAOS_UNTIL: at(60_000) })).seen, ["Failure", 60_000])
    }))

  it.effect("a day ahead is the longest, and an end is required", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* under({ CHAOS: reset, CHAOS_UNTIL: at(day) })).seen, ["Failure", day])
      for (const until of [at(day + 1), "tomorrow", "2030-01-01", "1970-01-01T01:00:00", ""]) {
        const error = yield* Effect.flip(under({ CHAOS: reset, CHAOS_UNTIL: until }))
        assert.instanceOf(error, Config.ConfigError)
        assert.include(error.message, "must be an instant at most a day ahead, such as 1970-01-01T01:00:00Z")
        assert.include(error.message, "CHAOS_UNTIL")
      }
      // The example is one that it takes.
      assert.deepStrictEqual((yield* under({ CHAOS: reset, CHAOS_UNTIL: "1970-01-01T01:00:00Z" })).seen, [
        "Failure",
        hour
      ])
      assert.include((yield* Effect.flip(under({ CHAOS: reset }))).message, "CHAOS_UNTIL")
    }))

  it.effect("a bad plan is an error that names what is wrong", () =>
    Effect.gen(function*() {
      const broken = (CHAOS: string) => Effect.flip(under({ CHAOS, CHAOS_UNTIL: at(hour) }))
      assert.include(
        (yield* broken(`{ "faults": [{ "fault": "reset", "share": 2 }] }`)).message,
        "must be a number from 0 to 1, got 2"
      )
      assert.include((yield* broken("{ faults")).message, "JSON")
      const misspelt = [
        [`{ "fults": [] }`, `["CHAOS"]["fults"]`],
        [`{ "faults": [{ "fault": "reset", "share": 1, "latncy": 1 }] }`, `["CHAOS"]["faults"][0]["latncy"]`]
      ] as const
      for (const [plan, place] of misspelt) {
        const { message } = yield* broken(plan)
        assert.match(message, /no excess property/)
        assert.include(message, place)
      }
    }))

  it.effect("production is left alone, loudly, without a word of consent", () =>
    Effect.gen(function*() {
      const env = { CHAOS: reset, CHAOS_UNTIL: at(hour), NODE_ENV: "production" }
      const refused = {
        seen: ["Success", 0],
        lines: ["CHAOS is set in production: chaos stays off without CHAOS_IN_PRODUCTION=true."]
      }
      assert.deepStrictEqual(yield* under(env), refused)
      assert.deepStrictEqual(yield* under({ ...env, CHAOS: "{ broken" }), refused)
      assert.deepStrictEqual((yield* under({ ...env, CHAOS_IN_PRODUCTION: "true" })).seen, ["Failure", hour])
      assert.deepStrictEqual((yield* under({ ...env, NODE_ENV: "staging" })).seen, ["Failure", hour])
      const elsewhere = { CHAOS: reset, CHAOS_UNTIL: at(hour), STAGE: "live" }
      const production = Config.map(Config.String("STAGE"), (stage) => stage === "live")
      assert.deepStrictEqual(yield* under(elsewhere, { production }), refused)
    }))

  it.effect("another name reads other variables, and `allow` may forbid it", () =>
    Effect.gen(function*() {
      const env = { STORM: reset, STORM_UNTIL: at(hour) }
      assert.deepStrictEqual((yield* under(env, { name: "STORM" })).seen, ["Failure", hour])
      assert.deepStrictEqual((yield* under(env)).seen, ["Success", 0])
      assert.deepStrictEqual((yield* under(env, { name: "STORM", allow: Effect.succeed(false) })).seen, [
        "Success",
        hour
      ])
    }))
})
