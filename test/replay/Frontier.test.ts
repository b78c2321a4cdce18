import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Frontier from "../../src/replay/Frontier.ts"

const anyPoint = fc.record({
  harm: fc.record({
    wasted: fc.integer({ min: 0, max: 20 }),
    waited: fc.integer({ min: 0, max: 20_000 }),
    lost: fc.integer({ min: 0, max: 20 })
  }),
  distance: fc.integer({ min: 0, max: 3 })
})
const anyPoints = fc.array(anyPoint, { maxLength: 40 })
const anyMeasure = fc.record({
  by: fc.constantFrom("calls" as const, "waiting" as const),
  weight: fc.constantFrom(0.1, 1, 7),
  wait: fc.constantFrom(0, 500)
})

const point = (wasted: number, lost: number, distance = 0): Frontier.Standing => ({
  harm: { wasted, waited: 1000 * wasted, lost },
  distance
})

const byCalls: Frontier.Measure = { by: "calls", weight: 1, wait: 1000 }

describe("a frontier", () => {
  it("holds no point that another is better than, and leaves out none but those", () => {
    fc.assert(fc.property(anyPoints, anyMeasure, (points, measure) => {
      const frontier = Frontier.of(points, measure)
      const wasted = ({ harm }: Frontier.Standing) => Frontier.wastedBy(harm, measure)
      const isAsGood = (one: Frontier.Standing, other: Frontier.Standing) =>
        wasted(one) <= wasted(other) && one.harm.lost <= other.harm.lost
      for (const one of frontier) {
        assert.isTrue(points.every((other) => !isAsGood(other, one) || isAsGood(one, other)))
      }
      for (const one of points) assert.isTrue(frontier.some((other) => isAsGood(other, one)))
    }))
  })

  it("goes from what loses the fewest calls to what wastes the fewest", () => {
    fc.assert(fc.property(anyPoints, anyMeasure, (points, measure) => {
      const frontier = Frontier.of(points, measure)
      frontier.slice(1).forEach((one, i) => {
        const before = frontier[i]!
        assert.isAbove(one.harm.lost, before.harm.lost)
        assert.isBelow(Frontier.wastedBy(one.harm, measure), Frontier.wastedBy(before.harm, measure))
      })
    }))
  })

  it("has of points with the same harm that which differs the least", () => {
    const [far, near] = [point(3, 3, 2), point(3, 3, 1)]
    assert.deepStrictEqual(Frontier.of([far, near, point(4, 4)], byCalls), [near])
  })

  it("holds the point with the least harm of all", () => {
    fc.assert(fc.property(anyPoints.filter(({ length }) => length > 0), anyMeasure, (points, measure) => {
      const best = Frontier.best(Frontier.of(points, measure), measure)!
      const least = Math.min(...points.map(({ harm }) => Frontier.harmBy(harm, measure)))
      assert.strictEqual(Frontier.harmBy(best.harm, measure), least)
    }))
    assert.isUndefined(Frontier.best([], byCalls))
  })
})

describe("harm", () => {
  it("weighs what is lost, and counts waiting in failed calls", () => {
    const harm = { wasted: 10, waited: 3000, lost: 2 }
    assert.strictEqual(Frontier.harmBy(harm, byCalls), 12)
    assert.strictEqual(Frontier.harmBy(harm, { ...byCalls, weight: 5 }), 20)
    assert.strictEqual(Frontier.harmBy(harm, { ...byCalls, by: "waiting" }), 5)
  })

  it("counts calls where no failure took any time", () => {
    assert.strictEqual(Frontier.wastedBy({ wasted: 10, waited: 0, lost: 2 }, { by: "waiting", weight: 1, wait: 0 }), 10)
  })

  it("adds up", () => {
    assert.deepStrictEqual(Frontier.sum([]), { wasted: 0, waited: 0, lost: 0 })
    assert.deepStrictEqual(Frontier.sum([point(1, 2).harm, point(3, 4).harm]), { wasted: 4, waited: 4000, lost: 6 })
  })
})
