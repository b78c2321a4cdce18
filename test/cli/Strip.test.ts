import { assert, describe, it } from "@effect/vitest"
import { Timeline } from "effect-breaker/replay"
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
})
