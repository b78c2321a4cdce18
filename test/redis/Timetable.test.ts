import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "effect-breaker"
import { Timetable } from "../../src/redis/Timetable.ts"

const make = ({ doneAt = 1000, members = 1 } = {}) => {
  const host = {
    exchange: { isUnderWay: false, doneAt, members, forget: () => host.forgotten++ },
    sharing: { calls: 500, every: 1000 },
    due: (at: number) => {
      host.dueAt = Math.min(host.dueAt, at)
    },
    dueAt: Infinity,
    forgotten: 0
  }
  return { host, timetable: new Timetable(host) }
}

describe("Timetable", () => {
  it("lets the first call of a batch wait as long as a batch may last", () => {
    const { host, timetable } = make()
    timetable.logged(1, 5000)
    timetable.logged(2, 5001)
    timetable.cameHome(Outcome.success, 5001)
    assert.strictEqual(host.dueAt, 6000)
  })

  it("tells of a failure at once, and 20 milliseconds after the last report at the earliest", () => {
    const { host, timetable } = make()
    timetable.cameHome(Outcome.failure(), 5000)
    assert.strictEqual(host.dueAt, 1020)
  })

  it("tells without a pause what would be the end by itself, but not again and again", () => {
    const { host, timetable } = make()
    timetable.suspect()
    timetable.cameHome(Outcome.failure(), 1005)
    assert.strictEqual(host.dueAt, 1000)

    const told = Object.assign(host, { dueAt: Infinity, exchange: { ...host.exchange, doneAt: 1007 } })
    timetable.begun()
    timetable.over()
    timetable.suspect()
    timetable.cameHome(Outcome.failure(), 1008)
    assert.strictEqual(told.dueAt, 1027)
  })

  it("spaces batches that are full by the size of the fleet, which writes as often as one busy process would", () => {
    const { host, timetable } = make({ members: 8 })
    timetable.logged(999, 1001)
    assert.strictEqual(host.dueAt, Infinity)
    timetable.logged(1000, 1001)
    assert.strictEqual(host.dueAt, 1160)
  })

  it("keeps what falls due while a report is under way until it is over", () => {
    const { host, timetable } = make()
    timetable.begun()
    host.exchange.isUnderWay = true
    timetable.cameHome(Outcome.failure(), 2000)
    assert.strictEqual(host.dueAt, Infinity)
    Object.assign(host.exchange, { isUnderWay: false, doneAt: 2005 })
    timetable.over()
    assert.strictEqual(host.dueAt, 2025)
  })

  it("gives up what is too much to be told", () => {
    const { host, timetable } = make()
    timetable.logged(200_000, 2000)
    assert.strictEqual(host.forgotten, 1)
  })
})
