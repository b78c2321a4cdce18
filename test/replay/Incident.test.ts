import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "../../src/index.ts"
import * as CallRecord from "../../src/replay/CallRecord.ts"
import * as Incident from "../../src/replay/Incident.ts"

const kinds: Readonly<Record<string, CallRecord.CallRecord["outcome"]>> = {
  s: Outcome.success,
  f: Outcome.failure(),
  t: Outcome.throttled(),
  i: Outcome.ignored,
  T: Outcome.trip(),
  r: CallRecord.refused
}

/** A call a second, told by one letter each: `sssfff`. */
const found = (calls: string, options: Incident.Options = {}, every = 1000) => {
  const finder = Incident.make(options)
  Array.from(calls).forEach((kind, i) =>
    finder.add(CallRecord.make({ at: every * i, took: 100, outcome: kinds[kind]! }))
  )
  return finder.found().map(({ calls, end, failures, start }) => ({
    start: start / every,
    end: end === undefined ? undefined : end / every,
    calls,
    failures
  }))
}

describe("an incident", () => {
  it("begins with the failure from which on failures outnumber successes the most", () => {
    const [incident] = found("sssssssssssssssfssssffffffffffff")
    assert.deepStrictEqual(incident, { start: 20, end: undefined, calls: 12, failures: 12 })
  })

  it("takes the share that the settings say, and no less", () => {
    assert.strictEqual(found("ssssssffff").length, 0)
    assert.strictEqual(found("sssssfffff").length, 1)
    assert.strictEqual(found("sssssssfff", { share: 0.3 }).length, 1)
  })

  it("takes as many calls as the settings say, and no fewer", () => {
    assert.strictEqual(found("fffffffff").length, 0)
    assert.strictEqual(found("ffffffffff").length, 1)
    assert.strictEqual(found("fff", { calls: 3 }).length, 1)
  })

  it("takes calls that are close enough to each other", () => {
    assert.strictEqual(found("ffffffffff", { within: 9000 }).length, 1)
    assert.strictEqual(found("ffffffffff", { within: 8999 }).length, 0)
  })

  it("ends with the first success of those that say that it is over", () => {
    const calls = "s".repeat(20) + "f".repeat(30) + "s".repeat(20)
    assert.deepStrictEqual(found(calls), [{ start: 20, end: 50, calls: 30, failures: 30 }])
  })

  it("is not over while too many still fail", () => {
    const calls = "s".repeat(20) + "f".repeat(20) + "ssssf".repeat(10)
    assert.deepStrictEqual(found(calls), [{ start: 20, end: undefined, calls: 70, failures: 30 }])
    assert.strictEqual(found(calls, { healthy: 0.2 })[0]!.end, 40)
  })

  it("has no end where the log ends first", () => {
    assert.strictEqual(found("f".repeat(20) + "s".repeat(8))[0]!.end, undefined)
    assert.strictEqual(found("f".repeat(20) + "s".repeat(9))[0]!.end, 20)
  })

  it("does not heed calls that say nothing, nor those that the log's own breaker refused", () => {
    const calls = "s".repeat(20) + "frtif".repeat(10) + "s".repeat(20)
    assert.deepStrictEqual(found(calls), [{ start: 20, end: 70, calls: 20, failures: 20 }])
    assert.strictEqual(found("r".repeat(50)).length, 0)
  })

  it("is made of trips as well", () => assert.strictEqual(found("T".repeat(10)).length, 1))

  it("may come again", () => {
    const calls = ("s".repeat(20) + "f".repeat(20)).repeat(3) + "s".repeat(20)
    assert.deepStrictEqual(found(calls).map(({ end, start }) => [start, end]), [[20, 40], [60, 80], [100, 120]])
  })

  it("is of one circuit", () => {
    const finder = Incident.make()
    for (let i = 0; i < 100; i++) {
      finder.add(CallRecord.make({ at: i, circuit: i % 2 === 0 ? "down" : "up", status: i % 2 === 0 ? 500 : 200 }))
    }
    assert.deepStrictEqual(finder.found(), [{ circuit: "down", start: 0, calls: 50, failures: 50 }])
  })

  it("is made of slow calls too, where the settings say what is slow: by their first content, where that is known", () => {
    const finder = (slowAfter: number) => {
      const finder = Incident.make({ slowAfter })
      for (let i = 0; i < 10; i++) finder.add(CallRecord.make({ at: i, took: 9000, firstContent: 500 }))
      return finder.found().length
    }
    assert.deepStrictEqual([finder(499), finder(500)], [1, 0])
  })
})

describe("settings", () => {
  it("are checked, and the error names the option, the rule and the value", () => {
    assert.throws(() => Incident.make({ calls: 0 }), "calls must be a whole number of at least 1, got 0")
    assert.throws(() => Incident.make({ share: 2 }), "share must be a number above 0 and at most 1, got 2")
    assert.throws(() => Incident.make({ share: 0.1 }), "healthy must be below share (0.1), got 0.1")
    assert.throws(() => Incident.make({ within: 0 }), "within must be a finite duration above zero, got 0")
  })
})
