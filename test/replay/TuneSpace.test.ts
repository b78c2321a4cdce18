import { assert, describe, it } from "@effect/vitest"
import { CallWindow, TripPolicy } from "effect-breaker"
import { Policy, Random } from "effect-breaker/replay"
import { Latencies } from "../../src/replay/Latencies.ts"
import * as PolicyText from "../../src/replay/PolicyText.ts"
import { parts, shuffled, Space } from "../../src/replay/TuneSpace.ts"

const latencies = new Latencies()
for (let i = 1; i <= 100; i++) latencies.add(100 * i)

const none = new Latencies()

const policies: ReadonlyArray<Policy.Policy> = [
  Policy.builtIn.default,
  Policy.builtIn.llm,
  Policy.make("odd", {
    tripPolicy: TripPolicy.failureCount({ count: 3, window: CallWindow.lastDuration("7 seconds") }),
    openDuration: 1234,
    halfOpen: { concurrency: 4, successes: 4, outOf: 9, lease: "17 seconds" },
    ramp: { shares: [0.33], every: "3 seconds", tolerance: 0.07 },
    jitter: 0.3,
    throttleDuration: "2 seconds",
    mode: "observe"
  }),
  Policy.make("share", {
    tripPolicy: TripPolicy.failureRate({
      threshold: 0.45,
      minimumCalls: 8,
      window: CallWindow.lastCalls(77, { within: "33 seconds" })
    }),
    openDuration: { first: 700, factor: 4, most: "3 minutes" }
  })
]

const rulesOf = (policy: Policy.Policy) => {
  const { openDuration, plan, ...rest } = Policy.rules(policy)
  return { ...rest, plan, openings: [1, 2, 3, 10].map(openDuration) }
}

describe("the policies of a search", () => {
  it("begin with the policy that there is, whatever it is", () => {
    for (const given of policies) {
      for (const varied of [parts, ["open" as const], ["trip" as const, "ramp" as const]]) {
        const space = new Space(given, varied, latencies)
        assert.deepStrictEqual(rulesOf(space.policy(space.start, "start")), rulesOf(given), given.name)
      }
    }
  })

  it("differ from it in the parts that are searched alone", () => {
    const options = { trip: "tripPolicy", open: "openDuration", probes: "halfOpen", ramp: "ramp" }
    for (const given of policies) {
      for (const part of parts) {
        const space = new Space(given, [part], latencies)
        const start = space.policy(space.start, "start")
        const changed = space.design(50, Random.make(1)).flatMap((candidate) =>
          PolicyText.changes(start, space.policy(candidate, "other")).map(({ option }) => option)
        )
        assert.deepStrictEqual(new Set(changed), new Set([options[part]]))
      }
    }
  })

  it("can all be made and written", () => {
    for (const given of policies) {
      const space = new Space(given, parts, latencies)
      for (const candidate of space.design(300, Random.make(2))) {
        assert.doesNotThrow(() => Policy.toJson(space.policy(candidate, "any")))
      }
    }
  })

  it("have each value of a setting as often as any other", () => {
    const space = new Space(Policy.builtIn.llm, parts, latencies)
    const design = space.design(60, Random.make(3))
    space.start.forEach((_, setting) => {
      const counts = new Map<number, number>()
      for (const candidate of design) counts.set(candidate[setting]!, (counts.get(candidate[setting]!) ?? 0) + 1)
      assert.isAtMost(Math.max(...counts.values()) - Math.min(...counts.values()), 1)
      assert.isAbove(counts.size, 1)
    })
  })

  it("are neighbours where one setting is a step away, or as it was", () => {
    const space = new Space(Policy.builtIn.llm, parts, latencies)
    const [candidate] = space.design(1, Random.make(4))
    const { back, steps } = space.neighbours(candidate!)
    for (const other of [...back, ...steps]) {
      assert.strictEqual(other.filter((at, i) => at !== candidate![i]).length, 1)
    }
    assert.strictEqual(back.length, candidate!.filter((at, i) => at !== space.start[i]).length)
    assert.deepStrictEqual(space.neighbours(space.start).back, [])
  })

  it("have a rule for slow calls where it is known how long good ones take, at times told by those", () => {
    const slow = (known: Latencies) => {
      const space = new Space(Policy.builtIn.default, ["trip"], known)
      const found = space.design(300, Random.make(5)).flatMap((candidate) => {
        const trip = space.policy(candidate, "any").options.tripPolicy!
        return trip._tag === "AnyOf" ? trip.policies : []
      }).flatMap((policy) => policy._tag === "SlowRate" ? [policy.slowAfter] : [])
      return [...new Set(found)].toSorted((a, b) => a - b)
    }
    assert.deepStrictEqual(slow(none), [])
    // Nine of ten, and 99 of a hundred, took up to 9 and 9.9 seconds, to within two percent; and 30 seconds, the unset value.
    const [usual, most, ...more] = slow(latencies)
    assert.approximately(usual!, 9000, 180)
    assert.approximately(most!, 9900, 250)
    assert.strictEqual(more.length, 4)
  })

  it("come in any order that a seed says", () => {
    const all = Array.from({ length: 30 }, (_, i) => i)
    const order = (seed: number) => shuffled(all, Random.make(seed))
    assert.deepStrictEqual(order(1), order(1))
    assert.notDeepEqual(order(1), order(2))
    assert.deepStrictEqual(order(1).toSorted((a, b) => a - b), all)
  })
})
