import { assert, describe, it } from "@effect/vitest"
import { Limit } from "effect-breaker/testing"
import * as Gate from "../../src/testing/Gate.ts"

/** What becomes of requests at the given times. */
const fates = (gate: Gate.Gate, times: ReadonlyArray<number>, chance = 0): ReadonlyArray<"in" | "out"> =>
  times.map((at) => {
    if (gate.refuses({ at, wallClock: at }, chance)) return "out"
    gate.enter()
    return "in"
  })

const evenly = (count: number, every: number, from = 0) =>
  Array.from({ length: count }, (_, index) => from + index * every)

describe("Gate", () => {
  describe("of a storm", () => {
    const limit = Limit.storm({ below: 0.3, over: "10 seconds" })

    it("says nothing before its time has passed once, however few ask", () => {
      assert.deepStrictEqual(fates(Gate.make(limit, 100), [10_099]), ["out"])
      assert.deepStrictEqual(fates(Gate.make(limit, 100), [10_100]), ["in"])
    })

    it("counts refused requests, and forgets them when they are as old as its time", () => {
      const rates = [0, 5_000, 9_999, 10_000]

      assert.deepStrictEqual(fates(Gate.make(limit, 0), rates), ["out", "out", "out", "out"])
      assert.deepStrictEqual(fates(Gate.make(limit, 0), [0, 5_000, 10_000]), ["out", "out", "in"])
    })

    it("rages again as soon as the rate is reached", () => {
      const gate = Gate.make(limit, 0)

      assert.deepStrictEqual(fates(gate, [20_000, 20_001, 20_002]), ["in", "in", "out"])
      assert.deepStrictEqual(fates(gate, [29_999, 40_000]), ["out", "in"])
    })

    it("spares those beyond its share", () => {
      const half = Limit.storm({ below: 1, share: 0.5 })

      assert.deepStrictEqual(fates(Gate.make(half, 0), [0], 0.499), ["out"])
      assert.deepStrictEqual(fates(Gate.make(half, 0), [0], 0.5), ["in"])
    })
  })

  describe("of a recovery", () => {
    it("takes on what its growing capacity adds up to", () => {
      const gate = Gate.make(Limit.recovering({ from: 0, to: 10, during: "10 seconds" }), 0)
      const served = (from: number) => fates(gate, evenly(100, 10, from)).filter((fate) => fate === "in").length

      // After t seconds t²/2 in all, and the last request of a second comes a hundredth before its end.
      assert.deepStrictEqual(evenly(12, 1_000).map(served), [0, 1, 3, 3, 5, 5, 7, 7, 9, 9, 10, 10])
    })

    it("saves up one second of its capacity, and no more", () => {
      const gate = Gate.make(Limit.recovering({ from: 3, to: 3, during: 1 }), 0)
      const burst = (at: number) => fates(gate, Array<number>(5).fill(at))

      assert.deepStrictEqual(burst(60_000), ["in", "in", "in", "out", "out"])
      assert.deepStrictEqual(burst(60_333), ["out", "out", "out", "out", "out"])
      assert.deepStrictEqual(burst(60_334), ["in", "out", "out", "out", "out"])
    })

    it("saves up one request where a second's capacity is less", () => {
      const gate = Gate.make(Limit.recovering({ from: 0.1, to: 0.1, during: 1 }), 0)

      assert.deepStrictEqual(fates(gate, [0, 8_999, 9_000, 18_999, 19_000, 100_000, 100_001]), [
        "out",
        "out",
        "in",
        "out",
        "in",
        "in",
        "out"
      ])
    })

    it("may wane too", () => {
      const gate = Gate.make(Limit.recovering({ from: 10, to: 0, during: "1 second" }), 0)

      assert.deepStrictEqual(fates(gate, [2_000, 3_000]), ["in", "out"])
    })

    it("starts when its phase does", () => {
      const gate = Gate.make(Limit.recovering({ from: 0, to: 1, during: "2 seconds" }), 1_000)

      assert.deepStrictEqual(fates(gate, [2_999, 3_000]), ["out", "in"])
    })
  })

  describe("of a cap on concurrency", () => {
    it("counts those who entered and have not left", () => {
      const gate = Gate.make(Limit.concurrency({ atOnce: 2 }), 0)

      assert.deepStrictEqual(fates(gate, [0, 0, 0]), ["in", "in", "out"])
      gate.leave()
      assert.deepStrictEqual(fates(gate, [0, 0]), ["in", "out"])
    })

    it("of zero takes on nobody", () => {
      assert.deepStrictEqual(fates(Gate.make(Limit.concurrency({ atOnce: 0 }), 0), [0]), ["out"])
    })
  })

  describe("of a quota", () => {
    it("goes by the wall clock", () => {
      const gate = Gate.make(Limit.quota({ requests: 1, resetsAt: 1_000 }), 0)
      const at = (wallClock: number) => gate.refuses({ at: 5, wallClock }, 0)

      assert.isFalse(at(0))
      gate.enter()
      assert.deepStrictEqual([at(0), at(999), at(1_000), at(999)], [true, true, false, true])
    })
  })
})
