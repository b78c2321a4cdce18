import { assert, describe, it } from "@effect/vitest"
import { Circuit } from "effect-breaker"
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
})
