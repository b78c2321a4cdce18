import { assert, describe, it } from "@effect/vitest"
import * as LogColumns from "../../src/replay/LogColumns.ts"

const named = (columns: LogColumns.LogColumns, ...names: ReadonlyArray<string>) => {
  const of = new LogColumns.Columns(columns)
  return names.map((name) => {
    const known = of.of(name)
    return known === undefined
      ? undefined
      : [LogColumns.roles[known.role], known.unit].filter((one) => one !== undefined).join(" ")
  })
}

describe("the name of a column", () => {
  it("is known however it is spelt, with the unit at its end", () => {
    assert.deepStrictEqual(
      named(
        {},
        "duration",
        "duration_ms",
        "durationMs",
        "Duration (ms)",
        "DURATION-S",
        "duration_µs",
        "latencySeconds",
        "latency_ns"
      ),
      ["took", "took millis", "took millis", "took millis", "took seconds", "took micros", "took seconds", "took nanos"]
    )
  })

  it("is known by what gateways and exporters write", () => {
    assert.deepStrictEqual(
      named(
        {},
        "@timestamp",
        "startTime",
        "ts_ns",
        "response_status_code",
        "gen_ai.request.model",
        "usage.prompt_tokens",
        "ttft",
        "request_id"
      ),
      ["time", "time", "time nanos", "status", "model", "inputTokens", "firstContent", "id"]
    )
  })

  it("is none where it only looks like one", () => {
    assert.deepStrictEqual(
      named(
        {},
        "times",
        "status_ms",
        "durations",
        "model_ms",
        "prompt",
        "",
        "ms",
        "_",
        "__proto__",
        "constructor",
        "toString"
      ),
      Array.from({ length: 11 }, () => undefined)
    )
  })

  it("is what the caller says, and then what is known of the role no longer counts", () => {
    assert.deepStrictEqual(
      named(
        { took: "how_long_s", circuit: false, time: { column: "t0", unit: "nanos" } },
        "how_long_s",
        "duration_ms",
        "circuit",
        "t0",
        "time",
        "model"
      ),
      ["took seconds", undefined, undefined, "time nanos", undefined, "model"]
    )
  })
})

describe("a row", () => {
  const read = (object: object, columns: LogColumns.LogColumns = {}) => {
    const row = new LogColumns.Row()
    new LogColumns.Columns(columns).read(object, row)
    return Object.fromEntries(
      LogColumns.roles.flatMap((role, i) => row.values[i] === undefined ? [] : [[role, row.values[i]]])
    )
  }

  it("has the best of several columns that say the same, wherever they stand", () => {
    assert.deepStrictEqual(read({ date: 1, timestamp: 2, start_time: 3, time: 4 }), { time: 3 })
    assert.deepStrictEqual(read({ a: 1, b: 2 }, { time: ["b", "a"] }), { time: 2 })
  })

  it("has the next best where the best says nothing", () => {
    assert.deepStrictEqual(read({ start_time: null, timestamp: "", time: 4 }), { time: 4 })
  })

  it("has what objects inside say, and an error or an outcome as a whole", () => {
    assert.deepStrictEqual(
      read({
        usage: { input_tokens: 1, other: { deep: 2 } },
        attributes: { "gen_ai.request.model": "m" },
        error: { type: "x" }
      }),
      { inputTokens: 1, model: "m", error: { type: "x" } }
    )
  })

  it("does not fill the memory with the names of a log that has new ones on each line", () => {
    const columns = new LogColumns.Columns()
    const row = new LogColumns.Row()
    for (let i = 0; i < 10_000; i++) columns.read({ [`key ${i}`]: i, took: i }, row)
    assert.strictEqual(row.values[LogColumns.place.took], 9999)
  })
})
