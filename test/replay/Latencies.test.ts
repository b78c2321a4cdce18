import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Latencies } from "../../src/replay/Latencies.ts"

const of = (all: ReadonlyArray<number>) => {
  const latencies = new Latencies()
  all.forEach((one) => latencies.add(one))
  return latencies
}

describe("latencies", () => {
  it("have quantiles to within two percent", () => {
    fc.assert(fc.property(
      fc.array(fc.double({ min: 1, max: 86_400_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
      fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1),
      (all, share) => {
        const exact = all.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * all.length - 1e-9) - 1)]!
        assert.approximately(of(all).quantile(share)! / exact, 1, 0.0203)
      }
    ))
  })

  it("have none where there was no call", () => {
    assert.isUndefined(of([]).quantile(0.5))
  })

  it("take less than a millisecond for one", () => {
    assert.strictEqual(of([0, 0.5]).quantile(1), 1)
  })
})
