import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Distribution from "../../src/replay/Distribution.ts"
import * as Random from "../../src/replay/Random.ts"

const drawn = (distribution: Distribution.Distribution, count = 400_000): ReadonlyArray<number> => {
  const random = Random.make(1)
  return Array.from({ length: count }, () => Distribution.draw(distribution, random))
}
const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / values.length
const quantile = (values: ReadonlyArray<number>, share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(share * values.length)]!

describe("Distribution", () => {
  it("draws what its mean says", () => {
    const all: ReadonlyArray<Distribution.Distribution> = [
      7,
      Distribution.exponential(250),
      Distribution.logNormal({ median: 600, sigma: 0.5 }),
      Distribution.logNormal({ mean: 150, sigma: 0.5 }),
      Distribution.empirical([30, 10, 20, 100]),
      Distribution.empirical([5]),
      Distribution.withTail(600, { from: 3000, share: 0.05 }),
      Distribution.withTail(0, { from: 10, share: 1, shape: 1, most: 50 }),
      Distribution.withTail(0, { from: 10, share: 1, shape: 3 })
    ]
    for (const distribution of all) {
      const expected = Distribution.mean(distribution)
      expect(Math.abs(mean(drawn(distribution)) / expected - 1)).toBeLessThan(0.015)
    }
    expect(Distribution.mean(Distribution.logNormal({ mean: 150, sigma: 0.5 }))).toBeCloseTo(150, 9)
  })

  it("puts half of a log-normal under its median, and 97.5 % under 1.96 deviations", () => {
    const values = drawn(Distribution.logNormal({ median: 600, sigma: 0.5 }))
    expect(quantile(values, 0.5) / 600).toBeCloseTo(1, 2)
    expect(quantile(values, 0.975) / (600 * Math.exp(0.5 * 1.96))).toBeCloseTo(1, 2)
  })

  it("keeps a tail between where it begins and where it is cut", () => {
    const tail = drawn(Distribution.withTail(1, { from: 3000, share: 0.1 })).filter((value) => value !== 1)
    expect(tail.length / 400_000).toBeCloseTo(0.1, 2)
    expect(Math.min(...tail.slice(0, 30_000))).toBeGreaterThanOrEqual(3000)
    expect(Math.max(...tail.slice(0, 30_000))).toBeLessThanOrEqual(300_000)
  })

  it("draws nothing that is outside of what was measured", () => {
    const values = drawn(Distribution.empirical([30, 10, 20]), 1000)
    expect(values.every((value) => value >= 10 && value <= 30)).toBe(true)
  })

  it("survives JSON", () => {
    const tailed = Distribution.withTail(Distribution.logNormal({ median: 600, sigma: 0.5 }), { from: 3000 })
    const read = Schema.decodeUnknownSync(Distribution.Distribution)(JSON.parse(JSON.stringify(tailed)))
    expect(read).toEqual(tailed)
  })

  it("says what is wrong with one", () => {
    expect(() => Distribution.exponential(0)).toThrow("Distribution.exponential: ")
    expect(() => Distribution.logNormal({ median: -1, sigma: 1 })).toThrow(RangeError)
    expect(() => Distribution.empirical([])).toThrow(RangeError)
    expect(() => Distribution.withTail(1, { from: 1, share: 2 })).toThrow(RangeError)
  })
})
