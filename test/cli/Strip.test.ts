import { assert, describe, it } from "@effect/vitest"
import { Timeline } from "effect-breaker/replay"
import * as fc from "fast-check"
import * as Strip from "../../src/cli/Strip.ts"

type States = Timeline.Move["to"]

/** A run of one circuit that is in each of these states for so long. */
const run = (states: ReadonlyArray<readonly [state: States, millis: number]>, every = 1000): Timeline.Timeline => {
  const recorder = Timeline.make({ from: 0, every })
  let at = 0
  let from: States = "Closed"
  for (const [to, millis] of states) {
    if (to !== from) recorder.moved({ at, from, to, generation: 1 } as never)
    from = to
    at += millis
  }
  return recorder.read(at)
}

const plain = (timeline: Timeline.Timeline, width: number) => Strip.draw(timeline, width, (_, text) => text)

describe("the strip", () => {
  it("shows each state by a character of its own", () => {
    const timeline = run([["Closed", 2000], ["Open", 2000], ["HalfOpen", 1000], ["Closed", 1000], ["Isolated", 2000]])
    assert.strictEqual(plain(timeline, 8), "▁▁██▒▁XX")
    for (const character of "▁█▒X") assert.include(Strip.legend, character)
  })

  it("is as wide as it is told, and cuts slices where columns begin and end", () => {
    const timeline = run([["Closed", 3000], ["Open", 3000]])
    assert.strictEqual(plain(timeline, 2), "▁█")
    assert.strictEqual(plain(timeline, 4), "▁▁██")
    assert.strictEqual(plain(timeline, 5), "▁▁▅██")
    assert.strictEqual(plain(timeline, 12), "▁▁▁▁▁▁██████")
  })

  it("shows an opening that is shorter than a column, lower than one that fills it", () => {
    assert.strictEqual(plain(run([["Closed", 9990], ["Open", 10]], 10), 1), "▂")
    assert.strictEqual(plain(run([["Closed", 5000], ["Open", 5000]]), 1), "▅")
    assert.strictEqual(plain(run([["Closed", 1], ["Open", 9999]], 1000), 1), "█")
  })

  it("shows no circuit as a blank", () => {
    const recorder = Timeline.make({ from: 0, circuits: 0 })
    assert.strictEqual(plain(recorder.read(4000), 4), "    ")
  })

  it("covers the whole run, once: the columns' means weigh what the slices weigh", () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.constantFrom<States>("Closed", "Open", "HalfOpen"), fc.integer({ min: 1, max: 5000 })),
          { minLength: 1, maxLength: 12 }
        ),
        fc.integer({ min: 1, max: 40 }),
        (states, width) => {
          const timeline = run(states, 100)
          const length = timeline.until
          const columns = Strip.columns(timeline, width)
          const open = columns.reduce((sum, { open }) => sum + open, 0) * (length / width)
          const expected = states.reduce((sum, [state, millis]) => state === "Open" ? sum + millis : sum, 0)
          // The last slice may be cut short by the end, where its mean stands for the whole of it.
          assert.closeTo(open, expected, 100 + 1e-6 * length)
        }
      )
    ))
})
