import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { Chaos } from "effect-breaker/chaos"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as Plan from "../../src/chaos/Plan.ts"
import { throughJson } from "../refusals.ts"

const seeds = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
const shares = fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 1, maxLength: 4 }).map((parts) => {
  const sum = Math.max(10, parts.reduce((all, part) => all + part, 0))
  return parts.map((part) => part / sum)
})
const names: ReadonlyArray<Chaos.Imitation> = ["reset", "timeout", "overloaded", "serverError"]
const points = ["openai/gpt", "openai/gpt-mini", "anthropic", ""]

/** How far a count may lie from its mean: six times what chance alone makes of it. */
const sixSigma = (calls: number, share: number): number => 6 * Math.sqrt(calls * share * (1 - share)) + 1

const fates = (plan: Chaos.Plan, calls: ReadonlyArray<readonly [point: string, key?: string]>) => {
  const current = Plan.play(plan).at(0)
  return calls.map(([point, key]) => {
    const draw = current.next(point, "effect", key)
    return draw === undefined ? "none" : (draw.fault as Chaos.Fail).as
  })
}

describe("the faults of a phase", () => {
  it("hit the shares they were given, at every point, whatever the seed", () =>
    fc.assert(
      fc.property(seeds, shares, fc.constantFrom(...points), (seed, shares, point) => {
        const calls = 4000
        const faults = shares.map((share, i) => ({ fault: names[i]!, share }))
        const seen = fates({ faults, seed }, Array.from({ length: calls }, () => [point]))
        shares.forEach((share, i) => {
          const hits = seen.filter((fate) => fate === names[i]).length
          assert.isAtMost(Math.abs(hits - calls * share), sixSigma(calls, share), `${names[i]} ${share}: ${hits}`)
        })
      }),
      { numRuns: 60 }
    ))

  it("none at a share of zero, and all at a share of one", () =>
    fc.assert(
      fc.property(seeds, (seed) => {
        const faults = [{ fault: "reset", share: 0 }, { fault: "timeout", share: 1 }] as const
        assert.deepStrictEqual(
          new Set(fates({ faults, seed }, Array.from({ length: 300 }, () => ["openai"]))),
          new Set(["timeout"])
        )
      })
    ))

  it("fall on the same calls for the same seed, and on others for another", () =>
    fc.assert(
      fc.property(seeds, seeds, (one, other) => {
        const plan = (seed: number): Chaos.Plan => ({ seed, faults: [{ fault: "reset", share: 0.5 }] })
        const calls = Array.from({ length: 100 }, () => ["openai"] as const)
        assert.deepStrictEqual(fates(plan(one), calls), fates(plan(one), calls))
        if (one !== other) assert.notDeepEqual(fates(plan(one), calls), fates(plan(other), calls))
      })
    ))

  it("are no news to a point from another: however calls at several points mingle, each sees its own sequence", () =>
    fc.assert(
      fc.property(seeds, fc.array(fc.constantFrom(...points), { maxLength: 200 }), (seed, order) => {
        const plan: Chaos.Plan = { seed, faults: [{ fault: "reset", share: 0.5 }, { fault: "timeout", share: 0.3 }] }
        const mingled = fates(plan, order.map((point) => [point]))
        for (const point of points) {
          const own = mingled.filter((_, i) => order[i] === point)
          assert.deepStrictEqual(own, fates(plan, own.map(() => [point])))
        }
      })
    ))

  it("differ between the points and between the phases of one seed", () => {
    const faults = [{ fault: "reset", share: 0.5 }] as const
    const plan: Chaos.Plan = { script: [{ for: 10, faults }, { for: 10, faults }] }
    const played = Plan.play(plan)
    const sequence = (at: number, point: string) =>
      Array.from({ length: 64 }, () => played.at(at).next(point, "effect", undefined) === undefined)
    const seen = [sequence(0, "a"), sequence(0, "b"), sequence(10, "a"), sequence(10, "b")]
    assert.strictEqual(new Set(seen.map(String)).size, 4)
  })

  it("hang on the key alone where calls have one, whatever their order and however often they come", () =>
    fc.assert(
      fc.property(seeds, fc.uniqueArray(fc.string(), { minLength: 5, maxLength: 60 }), fc.infiniteStream(fc.nat()), (
        seed,
        keys,
        order
      ) => {
        const plan: Chaos.Plan = { seed, faults: [{ fault: "reset", share: 0.5 }] }
        const fateOf = new Map(keys.map((key, i) => [key, fates(plan, keys.map((key) => ["openai", key]))[i]]))
        const shuffled = keys.toSorted(() => (order.next().value % 3) - 1).flatMap((key) => [key, key])
        assert.deepStrictEqual(
          fates(plan, shuffled.map((key) => ["openai", key])),
          shuffled.map((key) => fateOf.get(key))
        )
      })
    ))

  it.effect("fall on the same calls of a concurrent program by key, however long each takes", () =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 100 }, (_, i) => `request ${i}`)
      const outcome = (latency: (i: number) => number) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Effect.forEach(ids, (key, i) =>
            Effect.sleep(latency(i)).pipe(
              Effect.andThen(Effect.succeed("answer").pipe(Chaos.inject("openai", { key }))),
              Effect.result,
              Effect.map(({ _tag }) => _tag)
            ), { concurrency: 16 }))
          yield* TestClock.adjust("1 minute")
          return yield* Fiber.join(fiber)
        }).pipe(Effect.provide(Chaos.layer({ seed: 3, faults: [{ fault: "reset", share: 0.4 }] })))
      const seen = yield* outcome(() => 10)
      assert.deepStrictEqual(yield* outcome((i) => (i * 37) % 101), seen)
      assert.deepStrictEqual(yield* outcome((i) => 100 - i), seen)
      assert.sameMembers([...new Set(seen)], ["Success", "Failure"])
    }))
})

describe("a plan as data", () => {
  const day: Chaos.Plan = {
    seed: 7,
    for: "2 hours",
    script: [
      { name: "calm", for: "10 seconds" },
      {
        name: "brownout",
        for: "30 seconds",
        faults: [
          { fault: "overloaded", share: 0.5, latency: "300 millis" },
          { fault: "hang", share: 0.1, at: ["openai/*"] },
          { fault: Chaos.delay({ from: "1 second", to: "4 seconds" }), share: 0.2 },
          { fault: Chaos.fail("rateLimited", { retryAfter: "20 seconds" }), share: 0.1 },
          { fault: Chaos.cutAfter({ elements: 3 }), share: 0.1 },
          { fault: Chaos.loseAnswer(), share: 0.1 }
        ]
      },
      { for: "Infinity" }
    ]
  }

  it("comes through JSON as it was", () => assert.deepStrictEqual(throughJson(Chaos.Plan, day), day))

  it("has a schema that names what is wrong, and where", () => {
    const wrong = {
      script: [{ for: "10 seconds", faults: [{ fault: { _tag: "CutAfter", elements: "3" }, share: 1 }] }]
    }
    assert.throws(
      () => Schema.decodeUnknownSync(Chaos.Plan)(wrong),
      /a whole number of at least 0, got "3"[\s\S]*\["script"\]\[0\]\["faults"\]\[0\]\["fault"\]\["elements"\]/
    )
  })
})
