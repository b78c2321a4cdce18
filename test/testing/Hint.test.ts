import { assert, describe, it } from "@effect/vitest"
import * as Hint from "../../src/testing/Hint.ts"

const now = Date.parse("2026-12-31T23:59:59.001Z")
const written = (format: Hint.Format, after: number) => Hint.write({ format, after }, now)

describe("Hint", () => {
  it("writes durations as Go does", () => {
    const duration = (after: number) => written("x-ratelimit-reset-tokens", after).headers["x-ratelimit-reset-tokens"]

    assert.deepStrictEqual(
      [0, 20, 999, 1_000, 6_500, 60_000, 360_000, 3_723_500, 90_000_000].map(duration),
      ["0s", "20ms", "999ms", "1s", "6.5s", "1m0s", "6m0s", "1h2m3.5s", "25h0m0s"]
    )
  })

  it("rounds up, to the millisecond or to the second, and never says too early a time", () => {
    assert.strictEqual(written("retry-after", 0.4).headers["retry-after"], "0.001")
    assert.strictEqual(written("retry-after-ms", 0.4).headers["retry-after-ms"], "1")
    assert.strictEqual(written("retry-after-date", 0).headers["retry-after"], "Fri, 01 Jan 2027 00:00:00 GMT")
    assert.strictEqual(
      written("anthropic-ratelimit-tokens-reset", 1_000).headers["anthropic-ratelimit-tokens-reset"],
      "2027-01-01T00:00:01Z"
    )
  })

  it("writes each format in one place", () => {
    for (const format of Hint.formats) {
      const { fields, headers, words } = written(format, 1_500)
      const places = [Object.keys(headers).length > 0, Object.keys(fields).length > 0, words !== ""]

      assert.strictEqual(places.filter((isUsed) => isUsed).length, 1, format)
    }
  })
})
