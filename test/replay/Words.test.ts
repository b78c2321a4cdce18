import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Words from "../../src/replay/Words.ts"

describe("figures", () => {
  it("are whole numbers by thousands", () => {
    assert.deepStrictEqual([0, 999, 1000, 1234567.6].map(Words.whole), ["0", "999", "1,000", "1,234,568"])
  })

  it("are shares with as many digits as say something", () => {
    assert.deepStrictEqual([0, 0.0004, 0.0099, 0.01, 0.333, 1].map(Words.percent), [
      "0 %",
      "0.04 %",
      "0.99 %",
      "1 %",
      "33.3 %",
      "100 %"
    ])
  })

  it("are stretches of time in one or two units", () => {
    const spans: ReadonlyArray<readonly [millis: number, said: string]> = [
      [0, "0 ms"],
      [999, "999 ms"],
      [1000, "1 s"],
      [1250, "1.3 s"],
      [59_499, "59.5 s"],
      [59_500, "1 min"],
      [60_000, "1 min"],
      [61_000, "1 min 1 s"],
      [3_599_400, "59 min 59 s"],
      [3_600_000, "1 h"],
      [3_660_000, "1 h 1 min"],
      [3_601_000, "1 h"],
      [90_000_000, "1 d 1 h"],
      [Infinity, "for ever"]
    ]
    for (const [millis, said] of spans) assert.strictEqual(Words.span(millis), said)
  })
})

describe("moments", () => {
  const noon = Date.UTC(2026, 4, 1, 12, 0, 3, 250)

  it("are told by the wall clock in UTC, or from the beginning on, as exactly as neighbours need", () => {
    const told = (clock: Words.Clock, apart: number) => Words.moment(noon, noon - 3_723_250, clock, apart)
    assert.deepStrictEqual([86_400_000, 60_000, 1000, 10].map((apart) => told("wall", apart)), [
      "2026-05-01",
      "12:00",
      "12:00:03",
      "12:00:03.250"
    ])
    assert.deepStrictEqual([1000, 10].map((apart) => told("elapsed", apart)), ["1:02:03", "1:02:03.250"])
    assert.strictEqual(Words.moment(65_000, 0, "elapsed", 1000), "01:05")
  })

  it("are told in full with their day", () => {
    assert.strictEqual(Words.instant(noon, 0, "wall"), "2026-05-01 12:00:03.250")
    assert.strictEqual(Words.instant(noon - 250, 0, "wall"), "2026-05-01 12:00:03")
  })

  it("that label an axis are round, in order, within it, and no more than asked for", () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2e12 }),
        fc.integer({ min: 1, max: 400 * 86_400_000 }),
        fc.constantFrom<Words.Clock>("wall", "elapsed"),
        (from, length, clock) => {
          const found = Words.ticks(from, from + length, 8, clock)
          assert.isAtMost(found.length, 9)
          assert.isTrue(found.every((at, i) => at >= from && at <= from + length && (i === 0 || at > found[i - 1]!)))
          const step = Words.apart(found)
          if (found.length > 1) assert.isTrue(found.every((at) => (at - (clock === "wall" ? 0 : from)) % step === 0))
        }
      )
    ))
})
