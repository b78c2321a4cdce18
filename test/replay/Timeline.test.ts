import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Circuit, Outcome, TripPolicy } from "../../src/index.ts"
import * as Timeline from "../../src/replay/Timeline.ts"

const sum = (column: ReadonlyArray<number>) => column.reduce((all, one) => all + one, 0)

const opened = (at: number, from: Circuit.State["_tag"] = "Closed"): Circuit.Transition => ({
  from,
  to: "Open",
  generation: 1,
  at,
  cause: { rule: "consecutive", value: 5, limit: 5, calls: 5 },
  openFor: 1000,
  share: undefined
})

describe("a slice", () => {
  it("holds its first moment, and not the next one's", () => {
    const recorder = Timeline.make({ from: 1000, every: 100 })
    for (const at of [1000, 1099, 1100, 1199.9, 1200]) recorder.asked(at)
    assert.deepStrictEqual(recorder.read(1250).asked, [2, 2, 1])
  })

  it("counts a call where it was asked for, and where it came home", () => {
    const recorder = Timeline.make({ from: 0, every: 100 })
    recorder.asked(10)
    recorder.settled(210, Outcome.success, true)
    const { asked, probes, succeeded } = recorder.read(250)
    assert.deepStrictEqual({ asked, succeeded, probes }, { asked: [1, 0, 0], succeeded: [0, 0, 1], probes: [0, 0, 1] })
  })

  it("tells the outcomes apart, a trip being a failure", () => {
    const recorder = Timeline.make({ from: 0 })
    const outcomes = [Outcome.success, Outcome.failure(), Outcome.trip(), Outcome.ignored, Outcome.throttled()]
    for (const outcome of outcomes) {
      recorder.asked(0)
      recorder.settled(1, outcome, false)
    }
    const { failed, ignored, succeeded, throttled } = recorder.read()
    assert.deepStrictEqual([succeeded, failed, ignored, throttled], [[1], [2], [1], [1]])
  })

  it("tells refusals by what would have become of them", () => {
    const recorder = Timeline.make({ from: 0 })
    for (const wouldHave of ["failed", "failed", "succeeded", "unknown"] as const) {
      recorder.asked(0)
      recorder.refused(0, wouldHave)
    }
    const { asked, refusedFailed, refusedSucceeded, refusedUnknown } = recorder.read()
    assert.deepStrictEqual([asked, refusedFailed, refusedSucceeded, refusedUnknown], [[4], [2], [1], [1]])
  })

  it("knows the most calls that ran at once: those from before are among them, those refused are not", () => {
    const recorder = Timeline.make({ from: 0, every: 100 })
    for (const at of [10, 20, 30]) recorder.asked(at)
    recorder.asked(40)
    recorder.refused(40, "failed")
    recorder.settled(50, Outcome.success, false)
    recorder.settled(310, Outcome.success, false)
    assert.deepStrictEqual(recorder.read(350).running, [3, 2, 2, 2])
  })

  it("knows the highest load, and says -1 where nobody told", () => {
    const recorder = Timeline.make({ from: 0, every: 100 })
    recorder.offered(120, 0.5)
    recorder.offered(130, 1.25)
    recorder.offered(140, 0)
    assert.deepStrictEqual(recorder.read(250).load, [-1, 1.25, -1])
  })

  it("is left out where it has just begun and nothing is in it", () => {
    const recorder = Timeline.make({ from: 0, every: 100 })
    recorder.asked(10)
    assert.deepStrictEqual(recorder.read(100).asked, [1])
    recorder.asked(100)
    assert.deepStrictEqual(recorder.read(100).asked, [1, 1])
  })
})

describe("the shares of a slice", () => {
  it("are how long the circuit was in each state", () => {
    const recorder = Timeline.make({ from: 0, every: 100 })
    recorder.moved(opened(25), "openai")
    const { closed, halfOpen, isolated, open } = recorder.read(250)
    assert.deepStrictEqual({ closed, open, halfOpen, isolated }, {
      closed: [0.25, 0, 0],
      open: [0.75, 1, 1],
      halfOpen: [0, 0, 0],
      isolated: [0, 0, 0]
    })
  })

  it("are over all circuits there are", () => {
    const recorder = Timeline.make({ from: 0, every: 100, circuits: 0 })
    recorder.joined(50)
    recorder.joined(100)
    recorder.moved(opened(100), "b")
    assert.deepStrictEqual(recorder.read(200).closed, [1, 0.5])
    assert.deepStrictEqual(recorder.read(200).open, [0, 0.5])
  })

  it("are zero while there is no circuit", () => {
    const recorder = Timeline.make({ from: 0, every: 100, circuits: 0 })
    assert.deepStrictEqual(recorder.read(150).closed, [0, 0])
  })
})

describe("the transitions", () => {
  it("are those of the machine, with the rule and its figures", () => {
    const recorder = Timeline.make({ from: 0 })
    const circuit = Circuit.make(Circuit.rules({ tripPolicy: TripPolicy.consecutive(1) }), 0, {
      notify: (transition) => recorder.moved(transition, "openai")
    })
    Circuit.settle(circuit, Circuit.admit(circuit, 5) as Circuit.Permit, Outcome.failure(), 6)
    assert.deepStrictEqual(recorder.read().moves, [{
      at: 6,
      circuit: "openai",
      from: "Closed",
      to: "Open",
      rule: "consecutive",
      value: 1,
      limit: 1,
      calls: 1,
      openFor: 60_000
    }])
  })

  it("are kept up to a limit, and counted beyond it", () => {
    const recorder = Timeline.make({ from: 0, mostMoves: 2 })
    for (let at = 0; at < 5; at++) recorder.moved(opened(at, "Open"))
    const { moves, movesLeftOut } = recorder.read()
    assert.deepStrictEqual([moves.map(({ at }) => at), movesLeftOut], [[0, 1], 3])
  })
})

describe("a long run", () => {
  it("joins its slices two by two when there would be more than the limit", () => {
    const recorder = Timeline.make({ from: 0, every: 100, mostSlices: 4 })
    for (let at = 50; at < 400; at += 100) recorder.asked(at)
    assert.deepStrictEqual([recorder.read(399).every, recorder.read(399).asked], [100, [1, 1, 1, 1]])
    recorder.asked(400)
    assert.deepStrictEqual([recorder.read(400).every, recorder.read(400).asked], [200, [2, 2, 1]])
  })

  it("survives a silence of any length", () => {
    const recorder = Timeline.make({ from: 0, every: 1, mostSlices: 10 })
    recorder.asked(1)
    recorder.asked(1e12)
    const { asked, every, running } = recorder.read()
    assert.strictEqual(sum(asked), 2)
    assert.isAtMost(asked.length, 10)
    assert.isAbove(every * 10, 1e12)
    assert.isTrue(running.slice(1).every((most) => most >= 1))
  })

  it("survives times that step back, and times that are none", () => {
    const recorder = Timeline.make({ from: 1000, every: 100 })
    for (const at of [1150, 900, NaN, -Infinity, Infinity]) recorder.asked(at)
    assert.deepStrictEqual([recorder.read().asked, recorder.read().until], [[0, 5], 1150])
  })

  it("comes back from JSON as it was", () => {
    const recorder = Timeline.make({ from: 0, every: 100 })
    recorder.asked(10)
    recorder.moved(opened(20))
    recorder.settled(130, Outcome.failure(), false)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(recorder.read())), recorder.read())
  })
})

describe("whatever happens", () => {
  const anyEvents = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 50 }), fc.constantFrom("asked", "refused", "settled", "opened", "offered"))
  )

  it("the sums are what was told, and the shares add up, however often slices were joined", () => {
    fc.assert(fc.property(anyEvents, fc.integer({ min: 2, max: 9 }), (events, mostSlices) => {
      const recorder = Timeline.make({ from: 7, every: 3, mostSlices })
      let [now, running, peak] = [7, 0, 0]
      const told = { asked: 0, refused: 0, settled: 0, openFor: 0 }
      let openSince: number | undefined = undefined
      for (const [later, event] of events) {
        now += later
        if (event === "offered") recorder.offered(now, later)
        if (event === "opened" && openSince === undefined) {
          recorder.moved(opened(now))
          openSince = now
        }
        if (event === "asked" || event === "refused") {
          told.asked++
          recorder.asked(now)
        }
        if (event === "asked") peak = Math.max(peak, ++running)
        if (event === "refused") {
          told.refused++
          recorder.refused(now, "failed")
        }
        if (event === "settled" && running > 0) {
          running--
          told.settled++
          recorder.settled(now, Outcome.success, false)
        }
      }
      const read = recorder.read(now)
      assert.deepStrictEqual(
        [sum(read.asked), sum(read.refusedFailed), sum(read.succeeded)],
        [told.asked, told.refused, told.settled]
      )
      assert.strictEqual(Math.max(...read.running), peak)
      assert.isAtMost(read.asked.length, mostSlices)
      let open = 0
      read.closed.forEach((closed, i) => {
        const lasted = Math.min(read.every, now - read.from - i * read.every)
        if (lasted > 0) assert.closeTo(closed + read.open[i]! + read.halfOpen[i]! + read.isolated[i]!, 1, 1e-9)
        open += read.open[i]! * lasted
      })
      assert.closeTo(open, openSince === undefined ? 0 : now - openSince, 1e-6)
    }))
  })
})

describe("settings", () => {
  it("are checked, and the error names the option, the rule and the value", () => {
    assert.throws(() => Timeline.make({ from: 0, every: 0 }), "every must be a finite duration above zero, got 0")
    assert.throws(() => Timeline.make({ from: NaN }), "from must be a moment in milliseconds, got NaN")
    assert.throws(
      () => Timeline.make({ from: 0, mostSlices: 1 }),
      "mostSlices must be a whole number of at least 2, got 1"
    )
  })
})
