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
