import { assert, describe, it } from "@effect/vitest"
import { Circuit, Outcome } from "effect-breaker"
import * as Fleet from "../../src/redis/Fleet.ts"

const pace: Fleet.Pace = { grace: 50, every: 100, forgetAfter: 1e9 }

const report = (part: Partial<Fleet.Report>): Fleet.Report => ({
  member: "a",
  now: 0,
  shift: 0,
  running: [],
  happened: [],
  well: { generation: -1, startedAt: [], settledAt: [] },
  probes: [],
  looks: false,
  orders: [],
  asks: [],
  ...part
})

describe("Fleet", () => {
  it("changes its state in the order of the reports, though the clock of one who reports is behind", () => {
    const fleet = Fleet.make(Circuit.rules({}), 1000, "epoch", "enforce")
    Fleet.apply(fleet, report({ now: 2000, orders: [{ _tag: "Reset" }] }), pace)
    Fleet.apply(fleet, report({ member: "b", now: 1990, orders: [{ _tag: "Trip", openFor: 100 }] }), pace)
    const { current } = fleet.circuit.cell
    assert.deepInclude(current, { _tag: "Open", generation: 2, since: 2000, until: 2100 })
  })

  it.each([["before", 500], ["after", 1000]])(
    "does not let a success end failures that came home after it, where the history began %s both",
    (_, begunAt) => {
      const fleet = Fleet.make(Circuit.rules({}), begunAt, "epoch", "enforce")
      const call = (at: number, outcome: Outcome.Outcome) => {
        const told: Fleet.Told = {
          generation: 0,
          startedAt: at - 1,
          answeredAt: undefined,
          step: 0,
          place: undefined,
          outcome,
          settledAt: at
        }
        return [told, told]
      }
      Fleet.apply(fleet, report({ member: "b", now: 1000, happened: call(790, Outcome.success) }), pace)
      const failures = [900, 901, 902, 903, 904].flatMap((at) => call(at, Outcome.failure()))
      Fleet.apply(fleet, report({ now: 1001, happened: failures }), pace)
      Fleet.apply(fleet, report({ member: "b", now: 1010, happened: call(801, Outcome.success) }), pace)
      Fleet.apply(fleet, report({ now: 1011 }), pace)
      assert.strictEqual(fleet.circuit.cell.current._tag, "Open")
    }
  )
})
