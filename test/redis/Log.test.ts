import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "effect-breaker"
import { Log, type Logged } from "../../src/redis/Log.ts"
import { upTo } from "../../src/redis/Well.ts"

const call = (startedAt: number, part: Partial<Logged> = {}): Logged => ({
  generation: 0,
  startedAt,
  answeredAt: undefined,
  step: 0,
  place: undefined,
  outcome: undefined,
  settledAt: 0,
  entry: -1,
  isTold: true,
  ...part
})

describe("Log", () => {
  it("keeps two times of a call that came home well, and the call itself of any other", () => {
    const log = new Log<Logged>()
    const [well, runs, failed, earlier] = [call(1), call(2), call(3), call(0)]
    for (const one of [well, runs, failed]) log.admitted(one)
    log.cameHome(well, Outcome.success, 4)
    log.cameHome(failed, Outcome.failure(), 5)
    log.cameHome(earlier, Outcome.success, 6)
    assert.deepStrictEqual(log.entries, [0, runs, failed, 0, failed, earlier])
    assert.deepStrictEqual(log.well, { generation: 0, startedAt: [1], settledAt: [4] })
    assert.strictEqual(log.length, 6)
    assert.deepStrictEqual([failed.outcome, failed.settledAt], [Outcome.failure(), 5])
  })

  it("says in one entry of how many calls each came home before anything else happened", () => {
    const log = new Log<Logged>()
    const [failed, ...well] = [call(9), call(1), call(2), call(3), call(4)]
    const atOnce = (one: Logged) => {
      log.admitted(one)
      log.cameHome(one, Outcome.success, one.startedAt + 1)
    }
    for (const one of well.slice(0, 3)) atOnce(one)
    log.admitted(failed)
    log.cameHome(failed, Outcome.failure(), 10)
    for (const one of well.slice(3)) atOnce(one)
    assert.deepStrictEqual(log.entries, [upTo(2), failed, failed, upTo(3)])
    assert.deepStrictEqual(log.well, { generation: 0, startedAt: [1, 2, 3, 4], settledAt: [2, 3, 4, 5] })
    assert.strictEqual(log.length, 10)
  })

  it("tells of a call by itself where more is said of it than that it came home well", () => {
    const log = new Log<Logged>()
    const [slow, answered, later] = [call(1), call(2, { answeredAt: 3 }), call(3, { generation: 1 })]
    const first = call(0)
    for (const one of [first, slow, answered, later]) log.admitted(one)
    log.cameHome(first, Outcome.success, 4)
    log.cameHome(slow, { _tag: "Success", slow: true }, 5)
    log.cameHome(answered, Outcome.success, 6)
    log.cameHome(later, Outcome.success, 7)
    assert.deepStrictEqual(log.entries, [0, slow, answered, later, 0, slow, answered, later])
  })

  it("that could not be told goes on with what happened after it, in which calls still come home well", () => {
    const [earlier, later] = [new Log<Logged>(), new Log<Logged>()]
    const [before, well, runs] = [call(1), call(3), call(4)]
    earlier.admitted(before)
    earlier.cameHome(before, Outcome.success, 2)
    for (const one of [well, runs]) later.admitted(one)
    later.cameHome(well, Outcome.success, 5)
    const both = earlier.followedBy(later)
    both.cameHome(runs, Outcome.success, 6)
    assert.deepStrictEqual(both.entries, [upTo(0), 1, 2, 1, 2])
    assert.strictEqual(both.length, 6)
    assert.deepStrictEqual(both.well, { generation: 0, startedAt: [1, 3, 4], settledAt: [2, 5, 6] })
  })
})
