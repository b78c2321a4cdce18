import { describe, expect, it } from "@effect/vitest"
import * as Arithmetic from "../../src/replay/Arithmetic.ts"
import * as Random from "../../src/replay/Random.ts"

describe("Arithmetic", () => {
  it("agrees with the engine's logarithm and exponential to the last places", () => {
    const random = Random.make(1)
    for (let i = 0; i < 10_000; i++) {
      const x = random.next() * 10 ** (i % 20 - 10)
      expect(Math.abs(Arithmetic.log(x) - Math.log(x))).toBeLessThanOrEqual(4e-16 * Math.max(1, Math.abs(Math.log(x))))
      const y = (random.next() - 0.5) * 1200
      expect(Math.abs(Arithmetic.exp(y) / Math.exp(y) - 1)).toBeLessThanOrEqual(4e-16)
    }
  })

  it("knows the quantiles of the normal distribution from the tables", () => {
    expect(Arithmetic.normalQuantile(0.5)).toBe(0)
    expect(Arithmetic.normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 14)
    expect(Arithmetic.normalQuantile(0.001)).toBeCloseTo(-3.090232306167813, 14)
    expect(Arithmetic.normalQuantile(1e-9)).toBeCloseTo(-5.9978070150076865, 12)
    expect(Arithmetic.normalQuantile(1e-20)).toBeCloseTo(-9.26234008979841, 11)
  })
})

describe("Random", () => {
  it("gives the same numbers for the same seed, on every machine", () => {
    const random = Random.make(1)
    const named = Random.make("a seed in words").fork("arrivals").fork(7)

    expect([random.next(), random.next(), random.normal(), random.exponential()]).toEqual(FIRST)
    expect([named.next(), named.normal()]).toEqual(NAMED)
  })

  it("forks a source that nobody disturbs by drawing", () => {
    const drawn = Random.make(3)
    for (let i = 0; i < 100; i++) drawn.next()

    expect(drawn.fork("calls").next()).toBe(Random.make(3).fork("calls").next())
    expect(drawn.fork("calls").next()).not.toBe(drawn.fork("guards").next())
    expect(drawn.fork(1).next()).not.toBe(drawn.fork(2).next())
  })

  it("spreads its numbers evenly, along a source and over the first numbers of its forks", () => {
    const random = Random.make(4)
    const draws = {
      along: () => random.next(),
      forks: (i: number) => random.fork(i).next(),
      second: (i: number) => {
        const fork = random.fork(i)
        fork.next()
        return fork.next()
      },
      grandchildren: (i: number) => random.fork("calls").fork(i).fork(1).next()
    }
    for (const draw of Object.values(draws)) {
      const cells = Array.from({ length: 256 }, () => 0)
      for (let i = 0; i < 256_000; i++) cells[Math.floor(256 * draw(i))]!++
      const chiSquare = cells.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
      // 255 degrees of freedom: beyond these it would be one seed in a hundred thousand.
      expect(chiSquare).toBeGreaterThan(170)
      expect(chiSquare).toBeLessThan(357)
    }
  })

  it("draws nothing of one fork from another", () => {
    const random = Random.make(5)
    let product = 0
    for (let i = 0; i < 200_000; i++) product += (random.fork(i).next() - 0.5) * (random.fork(i + 1).next() - 0.5)
    // In deviations of the mean: a twelfth squared over the root of the number.
    expect(Math.abs(product / 200_000 * 12 * Math.sqrt(200_000))).toBeLessThan(4)
  })
})

const FIRST: ReadonlyArray<number> = [0.992813398479484, 0.037095612031407654, 0.8248026169493089, 0.42771849423344127]
const NAMED: ReadonlyArray<number> = [0.8441070703556761, 0.5038174961350099]
