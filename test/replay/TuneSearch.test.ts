import { assert, describe, it } from "@effect/vitest"
import { Policy, Random } from "effect-breaker/replay"
import * as fc from "fast-check"
import * as Frontier from "../../src/replay/Frontier.ts"
import { Latencies } from "../../src/replay/Latencies.ts"
import { Search } from "../../src/replay/TuneSearch.ts"
import { parts, Space } from "../../src/replay/TuneSpace.ts"

const measure: Frontier.Measure = { by: "calls", weight: 1, wait: 1 }
const space = new Space(Policy.builtIn.llm, parts, new Latencies())

/** Harm that is told by the length of the first opening and the number of probes alone: the best are 10 seconds and one probe. */
const simple = (policy: Policy.Policy): Frontier.Harm => {
  const { openDuration, outOf } = Policy.rules(policy)
  const first = openDuration(1)
  return { wasted: 10_000 / first + outOf, waited: 0, lost: first / 10_000 + outOf }
}

const searched = (budget: number, seed: number, harmOf = simple, among = space) => {
  const search = new Search(among, budget, Random.make(seed), measure)
  const sizes: Array<number> = []
  for (let batch = search.next(); batch.length > 0; batch = search.next()) {
    sizes.push(batch.length)
    search.learn(batch, batch.map(({ policy }) => [harmOf(policy)]))
  }
  return { search, sizes, best: Frontier.best(search.frontier, measure)! }
}

describe("a search", () => {
  it("tries at most as many policies as its budget, each once, the one that there is first", () => {
    fc.assert(
      fc.property(fc.integer({ min: 12, max: 150 }), fc.integer(), (budget, seed) => {
        const { search: { tried } } = searched(budget, seed)
        assert.isAtMost(tried.length, budget)
        assert.isAbove(tried.length, budget / 2)
        assert.strictEqual(new Set(tried.map(({ policy: { options } }) => JSON.stringify(options))).size, tried.length)
        assert.deepStrictEqual(tried[0]!.candidate, space.start)
        assert.strictEqual(tried[0]!.distance, 0)
      }),
      { numRuns: 20 }
    )
  })

  it("finds what is best among a few settings, and leaves everything else as it was", () => {
    const few = new Space(Policy.builtIn.llm, ["open", "probes"], new Latencies())
    for (const seed of [1, 2, 3, 4, 5]) {
      const { best } = searched(240, seed, simple, few)
      const { halfOpen, openDuration, ...rest } = best.policy.options
      const { halfOpen: _, openDuration: __, ...before } = few.policy(few.start, "start").options
      assert.deepStrictEqual(rest, before)
      assert.deepStrictEqual(openDuration, { first: "10 seconds", factor: 2, most: "5 minutes" })
      assert.deepStrictEqual(halfOpen, { concurrency: 1, successes: 1, lease: "2 minutes" })
    }
  })

  it("comes close to it among all settings", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { best } = searched(240, seed)
      assert.isAtMost(Frontier.harmBy(best.harm, measure), 1.15 * 4)
      // Of what has no say in it, next to nothing is different.
      assert.isAtMost(best.distance, 6)
    }
  })

  it("keeps what there is where nothing is better", () => {
    const start = JSON.stringify(space.policy(space.start, "start").options)
    const { best } = searched(100, 1, ({ options }) => ({
      wasted: JSON.stringify(options) === start ? 1 : 2,
      waited: 0,
      lost: 1
    }))
    assert.strictEqual(best.distance, 0)
  })

  it("is the same for the same seed", () => {
    const told = (seed: number) => searched(80, seed).search.tried.map(({ policy }) => JSON.stringify(policy.options))
    assert.deepStrictEqual(told(7), told(7))
    assert.notDeepEqual(told(7), told(8))
  })

  it("has tried nothing that is better than its frontier", () => {
    const { search: { frontier, tried } } = searched(100, 5)
    for (const { harm } of tried) {
      assert.isTrue(frontier.some((one) => one.harm.lost <= harm.lost && one.harm.wasted <= harm.wasted))
    }
  })
})
