import { assert, describe, it } from "@effect/vitest"
import * as Table from "../../src/cli/Table.ts"

describe("a table", () => {
  const head = ["policy", "calls"]
  const rows = [["default", "1,234"], ["日本", "7"]]

  it("has its names to the left and its figures to the right, however wide the characters are", () => {
    assert.strictEqual(
      Table.plain(head, rows),
      ["policy   calls", "──────────────", "default  1,234", "日本         7"].join("\n")
    )
  })

  it("has the same in Markdown, with a rule that says how columns are aligned", () => {
    assert.strictEqual(
      Table.markdown(head, rows),
      ["| policy  | calls |", "| ------- | ----: |", "| default | 1,234 |", "| 日本    |     7 |"].join("\n")
    )
  })

  it("has no spaces at the ends of its lines", () => {
    assert.notMatch(Table.plain(["a", "b", ""], [["1", "2", ""]]), / $/m)
  })
})

describe("figures", () => {
  it("are whole numbers by thousands", () => {
    assert.deepStrictEqual([0, 999, 1000, 1234567.6].map(Table.whole), ["0", "999", "1,000", "1,234,568"])
  })

  it("are shares with as many digits as say something", () => {
    assert.deepStrictEqual([0, 0.0004, 0.0099, 0.01, 0.333, 1].map(Table.percent), [
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
    for (const [millis, said] of spans) assert.strictEqual(Table.span(millis), said)
  })
})
