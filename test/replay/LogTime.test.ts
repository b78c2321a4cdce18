import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as LogTime from "../../src/replay/LogTime.ts"

const named = (value: unknown): string =>
  typeof value === "number" ? value.toString() : JSON.stringify(value) ?? "undefined"

const noon = Date.UTC(2026, 4, 1, 12)

describe("a moment", () => {
  const cases: ReadonlyArray<readonly [unknown, number]> = [
    ["2026-05-01T12:00:00Z", noon],
    ["2026-05-01T12:00:00.5Z", noon + 500],
    ["2026-05-01T12:00:00.123456789Z", noon + 123.456789],
    ["2026-05-01 12:00:00Z", noon],
    ["2026-05-01 12:00:00", noon],
    ["2026-05-01 12:00:00,250", noon + 250],
    ["2026-05-01T12:00", noon],
    ["2026-05-01T14:00:00+02:00", noon],
    ["2026-05-01T07:30:00-0430", noon],
    ["2026-05-01T14:00:00.000+02", noon],
    ["2026-05-01 12:00:00 UTC", noon],
    [" 2026-05-01T12:00:00Z ", noon],
    ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
    ["2016-12-31T23:59:60Z", Date.UTC(2017, 0, 1)],
    [noon / 1000, noon],
    [noon, noon],
    [noon * 1000, noon],
    [noon * 1_000_000, noon],
    [`${noon / 1000}.25`, noon + 250],
    [`${noon}000000`, noon],
    [1.7e9, 1.7e12],
    [0, 0]
  ]
  for (const [value, expected] of cases) {
    it(`is ${JSON.stringify(value)}`, () => assert.closeTo(LogTime.moment(value, undefined), expected, 0.001))
  }

  it("is what the unit says, whatever its size", () => {
    assert.deepStrictEqual(
      (["seconds", "millis", "micros", "nanos"] as const).map((unit) => LogTime.moment(5_000_000, unit)),
      [5_000_000_000, 5_000_000, 5000, 5]
    )
  })

  const none: ReadonlyArray<unknown> = [
    "",
    "soon",
    "2026-05-01",
    "2026-13-01T12:00:00Z",
    "2026-02-30T12:00:00Z",
    "2025-02-29T12:00:00Z",
    "2026-05-01T24:00:00Z",
    "2026-05-01T12:60:00Z",
    "2026-05-01T12:00:61Z",
    "2026-05-01T12:00:00+99:00",
    "2026-05-01T12:00:0xZ",
    "2026-05-01T12:00:00.xZ",
    "1e999",
    "-5",
    -1,
    NaN,
    Infinity,
    1e40,
    null,
    undefined,
    true,
    {},
    []
  ]
  for (const value of none) {
    it(`is not ${named(value)}`, () => assert.isNaN(LogTime.moment(value, undefined)))
  }

  it("is what JavaScript's own dates write, to the millisecond", () => {
    const anyDate = fc.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true })
    fc.assert(fc.property(anyDate, (date) => {
      assert.closeTo(LogTime.moment(date.toISOString(), undefined), date.getTime(), 0.0001)
    }))
  })
})

describe("a duration", () => {
  const cases: ReadonlyArray<readonly [unknown, LogTime.Unit | undefined, number]> = [
    [250, undefined, 250],
    [1.5, "seconds", 1500],
    [1500, "micros", 1.5],
    [1_500_000, "nanos", 1.5],
    ["250", undefined, 250],
    ["1.5", "seconds", 1500],
    ["1.5s", undefined, 1500],
    ["250 ms", "seconds", 250],
    ["90 µs", undefined, 0.09],
    ["2 minutes", undefined, 120_000],
    ["1h", undefined, 3_600_000],
    [0, undefined, 0]
  ]
  for (const [value, unit, expected] of cases) {
    it(`is ${JSON.stringify(value)}${unit === undefined ? "" : ` in ${unit}`}`, () =>
      assert.closeTo(LogTime.duration(value, unit), expected, 1e-9))
  }

  for (const value of ["", "1,5", "fast", "-3ms", -1, NaN, Infinity, "3 parsecs", 400 * 86_400_000, null, true, {}]) {
    it(`is not ${named(value)}`, () => assert.isNaN(LogTime.duration(value)))
  }

  it("may last a year, and no longer", () => {
    assert.strictEqual(LogTime.duration(366 * 86_400_000), 366 * 86_400_000)
    assert.isNaN(LogTime.duration(366 * 86_400_000 + 1))
  })
})
