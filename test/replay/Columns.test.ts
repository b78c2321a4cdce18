import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "effect-breaker"
import { Timeline } from "effect-breaker/replay"
import * as fc from "fast-check"
import * as Columns from "../../src/replay/Columns.ts"

const states = ["Closed", "Open", "HalfOpen", "Isolated"] as const

const what = fc.record({
  /** How long after the one before. */
  after: fc.integer({ min: 0, max: 700 }),
  act: fc.constantFrom("call", "refused", "load", ...states)
})

const run = (history: ReadonlyArray<{ readonly after: number; readonly act: string }>, every: number) => {
  const recorder = Timeline.make({ from: 5000, every })
  let at = 5000
  let from: (typeof states)[number] = "Closed"
  for (const { act, after } of history) {
    at += after
    const to = states.find((state) => state === act)
    if (to !== undefined) {
      if (to !== from) recorder.moved({ at, from, to, generation: 1 } as never)
      from = to
    } else if (act === "load") recorder.offered(at, at % 7)
    else {
      recorder.asked(at)
      if (act === "refused") recorder.refused(at, "unknown")
      else recorder.settled(at, Outcome.success, false)
    }
  }
  return recorder.read(at + 1)
}

const sum = (values: ReadonlyArray<number>) => values.reduce((all, value) => all + value, 0)

describe("columns", () => {
  it("hold what the slices held: as many calls, as much time in each state, the same highest values", () =>
    fc.assert(
      fc.property(
        fc.array(what, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 90 }),
        (history, every, count) => {
          const timeline = run(history, every)
          const columns = Columns.of(timeline, count)
          assert.closeTo(columns.length * count, timeline.until - timeline.from, 1e-6)
          for (const series of Columns.sums) {
            assert.lengthOf(columns[series], count)
            assert.closeTo(sum(columns[series]), sum(timeline[series]), 1e-6)
          }
          const length = timeline.until - timeline.from
          const weights = timeline.asked.map((_, i) => Math.min(timeline.every, length - i * timeline.every))
          for (const series of Columns.shares) {
            const spent = sum(timeline[series].map((share, i) => share * weights[i]!))
            assert.closeTo(sum(columns[series]) * columns.length, spent, 1e-6)
          }
          for (const series of Columns.maxima) {
            assert.strictEqual(Math.max(...columns[series]), Math.max(...timeline[series]))
          }
        }
      )
    ))

  it("are the slices, where there are as many", () => {
    const recorder = Timeline.make({ from: 0, every: 1000 })
    recorder.asked(100)
    recorder.settled(1500, Outcome.failure(), true)
    recorder.offered(2500, 1.5)
    const timeline = recorder.read(3000)
    const columns = Columns.of(timeline, 3)
    for (const series of [...Columns.sums, ...Columns.maxima, ...Columns.shares]) {
      assert.deepStrictEqual(columns[series], timeline[series])
    }
  })

  it("of a run of no length are empty", () => {
    const columns = Columns.of(Timeline.make({ from: 7 }).read(7), 3)
    assert.deepStrictEqual([columns.asked, columns.closed, columns.load], [[0, 0, 0], [0, 0, 0], [-1, -1, -1]])
  })
})
