import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as OpenDuration from "../src/OpenDuration.ts"
import { rangeErrorOf } from "./refusals.ts"

/** The first so many delays, in milliseconds. */
const delays = (schedule: Schedule.Schedule<unknown, number>, count: number, context = Context.empty()) => {
  const nth = OpenDuration.make(schedule, "Breaker.make")(context)
  return Array.from({ length: count }, (_, i) => nth(i + 1))
}

describe("OpenDuration", () => {
  describe("make", () => {
    it("gives the n-th delay of a schedule to the n-th opening in a row (rule 20)", () => {
      assert.deepStrictEqual(delays(Schedule.exponential("1 second"), 5), [1000, 2000, 4000, 8000, 16_000])
      assert.deepStrictEqual(delays(Schedule.spaced("3 seconds"), 3), [3000, 3000, 3000])
    })

    it("gives the same delay however often and in whichever order it is asked (rule 20)", () => {
      const nth = OpenDuration.make(Schedule.exponential("1 second"), "Breaker.make")(Context.empty())

      assert.deepStrictEqual([3, 1, 3, 2, 1].map(nth), [4000, 1000, 4000, 2000, 1000])
    })

    it("repeats the last delay when the schedule ends (rule 20)", () => {
      const threeTimes = Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 }))

      assert.deepStrictEqual(delays(threeTimes, 6), [1000, 2000, 4000, 4000, 4000, 4000])
    })

    it("replays a schedule over the time spent open (rule 20)", () => {
      const tenSeconds = Schedule.exponential("1 second").pipe(Schedule.upTo({ duration: "10 seconds" }))

      const all = delays(tenSeconds, 8)

      assert.deepStrictEqual(all.slice(0, 4), [1000, 2000, 4000, 8000])
      assert.deepStrictEqual(all.slice(4), [8000, 8000, 8000, 8000])
    })

    it("draws a jittered schedule from the randomness that it is given (rule 20)", () => {
      const jittered = Schedule.spaced("1 second").pipe(Schedule.jittered)
      const at = (draw: number) => Context.make(Random.Random, { nextDoubleUnsafe: () => draw, nextIntUnsafe: () => 0 })

      const low = delays(jittered, 2, at(0))
      const high = delays(jittered, 2, at(0.999))

      assert.isTrue(low.every((delay) => delay === low[0]))
      assert.isBelow(low[0]!, high[0]!)
    })

    it("refuses a schedule with no delays", () => {
      for (const schedule of [Schedule.recurs(0), Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 0 }))]) {
        assert.include(
          rangeErrorOf(() => OpenDuration.make(schedule, "Breaker.make")),
          "Breaker.make: openDuration must be a schedule with at least one delay"
        )
      }
    })

    it("refuses a schedule with an endless delay", () => {
      assert.include(
        rangeErrorOf(() => OpenDuration.make(Schedule.spaced(Duration.infinity), "Breaker.make")),
        "Breaker.make: openDuration must be"
      )
    })

    it("repeats the last finite delay when the next one is endless (rule 20)", () => {
      assert.deepStrictEqual(delays(Schedule.exponential("1 second", 1e308), 3), [1000, 1000, 1000])
    })
  })
})
