import { assert, describe, it } from "@effect/vitest"
import { CallWindow, TripPolicy } from "effect-breaker"
import { Policy } from "effect-breaker/replay"
import * as PolicyText from "../../src/replay/PolicyText.ts"

describe("a policy in words", () => {
  it("says when it opens, for how long, and how it comes back", () => {
    assert.strictEqual(
      PolicyText.inWords(Policy.builtIn.default),
      "opens at 5 failed in a row; for 1 min; 3 probes, lease 30 s; no ramp"
    )
    assert.strictEqual(
      PolicyText.inWords(Policy.builtIn.llm),
      "opens at 50 % failed of the last 100 within 1 min, at least 10 (below that 5 in a row), or at 80 % slower than 30 s " +
        "of the last 100 within 1 min; for 2 s, each time 2 times as long, at most 5 min; 3 probes, 3 at once, lease 2 min; " +
        "ramp 10 %, 25 %, 50 %, each 2 s, tolerates 10 %"
    )
  })

  it("has words for every rule", () => {
    const says = (tripPolicy: TripPolicy.TripPolicy) =>
      PolicyText.inWords(Policy.make("a", {
        tripPolicy,
        openDuration: 250,
        halfOpen: { successes: 1, outOf: 2, lease: "1 minute" },
        ramp: { shares: [0.5], every: "1 second", tolerance: 0.2 }
      }))
    const rest = "; for 250 ms; 1 of 2 probes, lease 1 min; ramp 50 %, each 1 s, tolerates 20 %"
    assert.strictEqual(says(TripPolicy.never), `opens at nothing${rest}`)
    assert.strictEqual(
      says(TripPolicy.failureCount({ count: 3, window: CallWindow.lastDuration("10 seconds") })),
      `opens at 3 failed of the last 10 s${rest}`
    )
    assert.strictEqual(
      says(TripPolicy.failureRate({ threshold: 1, minimumCalls: 2, window: CallWindow.lastCalls(5) })),
      `opens at 100 % failed of the last 5, at least 2${rest}`
    )
  })
})

describe("what is different between two policies", () => {
  const from = Policy.make("a", { tripPolicy: TripPolicy.consecutive(5), openDuration: "5 seconds", jitter: 0.1 })

  it("is told by option, with both values", () => {
    const to = Policy.make("b", { tripPolicy: TripPolicy.consecutive(3), openDuration: "5 seconds", tripDuration: 10 })
    assert.deepStrictEqual(PolicyText.changes(from, to), [
      { option: "tripPolicy", from: TripPolicy.consecutive(5), to: TripPolicy.consecutive(3) },
      { option: "jitter", from: 0.1 },
      { option: "tripDuration", to: 10 }
    ])
    assert.strictEqual(PolicyText.distance(from, to), 3)
  })

  it("is nothing where only the name is", () => {
    assert.deepStrictEqual(PolicyText.changes(from, { name: "b", options: from.options }), [])
    assert.strictEqual(PolicyText.distance(from, { name: "b", options: from.options }), 0)
  })
})

describe("a duration", () => {
  it("is written in the largest unit that it is whole in, as a policy reads it", () => {
    const durations = [0.5, 1, 500, 1000, 1500, 60_000, 90_000, 300_000, 3_600_000]
    assert.deepStrictEqual(durations.map(PolicyText.written), [
      "0.5 millis",
      "1 milli",
      "500 millis",
      "1 second",
      "1500 millis",
      "1 minute",
      "90 seconds",
      "5 minutes",
      "1 hour"
    ])
    for (const millis of durations) {
      const policy = Policy.make("a", { openDuration: PolicyText.written(millis) as "1 second" })
      assert.strictEqual(Policy.rules(policy).openDuration(1), millis)
    }
  })
})
