import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { gzipSync } from "node:zlib"
import * as CallLog from "../../src/replay/CallLog.ts"
import { cut, encode, jsonLines, reading, readingBytes, told } from "./reading.ts"

const noon = Date.UTC(2026, 4, 1, 12)
const second = (n: number) => new Date(noon + 1000 * n).toISOString()

describe("a log in JSON Lines", () => {
  it("is read by the names that logs use", () => {
    const { calls } = reading(jsonLines(
      { timestamp: second(0), duration_ms: 1500, status_code: 200, model: "gpt-5", provider: "openai", ttft_ms: 300 },
      {
        timestamp: second(1),
        duration_ms: 90,
        status_code: 529,
        model: "claude",
        usage: { prompt_tokens: 7, completion_tokens: 0 }
      },
      { timestamp: second(2), latencyS: 1.5, status: "429", breaker: "mine", inputTokens: "12" },
      { "@timestamp": second(3), "response time": "250ms", success: false },
      { ts: noon / 1000 + 4, took: 5, outcome: "cancelled" },
      { start: second(5), end: second(7), ok: true }
    ))
    assert.deepStrictEqual(calls, [
      { at: noon, took: 1500, outcome: "Success", circuit: "openai/gpt-5", firstContent: 300 },
      { at: noon + 1000, took: 90, outcome: "Failure", circuit: "claude", inputTokens: 7, outputTokens: 0 },
      { at: noon + 2000, took: 1500, outcome: "Throttled", circuit: "mine", inputTokens: 12 },
      { at: noon + 3000, took: 250, outcome: "Failure", circuit: "default" },
      { at: noon + 4000, took: 5, outcome: "Ignored", circuit: "default" },
      { at: noon + 5000, took: 2000, outcome: "Success", circuit: "default" }
    ])
  })

  it("is read by the names that the caller says, in objects too", () => {
    const line = { when: { began: noon }, "t.ms": 3, http: { res: { code: 500 } }, "svc.name": "a", deep: { "x.y": 9 } }
    const { calls } = reading(jsonLines(line), {
      columns: {
        time: "when.began",
        took: { column: "t.ms", unit: "seconds" },
        status: ["nothing", "http.res.code"],
        circuit: "svc.name",
        inputTokens: "deep.x.y"
      }
    })
    assert.deepStrictEqual(calls, [{ at: noon, took: 3000, outcome: "Failure", circuit: "a", inputTokens: 9 }])
  })

  it("is one circuit where the caller wants no other", () => {
    const { calls } = reading(jsonLines({ at: noon, took: 1, model: "gpt-5", status: 200 }), {
      columns: { circuit: false, model: false }
    })
    assert.deepStrictEqual(calls.map(({ circuit }) => circuit), ["default"])
  })

  it("counts back from the end of a call where that is all it has", () => {
    const { calls } = reading(jsonLines({ timestamp: second(3), took: 1000, status: 200 }), {
      columns: { time: false, end: "timestamp" }
    })
    assert.deepStrictEqual(calls.map(({ at, took }) => [at, took]), [[noon + 2000, 1000]])
  })

  it("says what became of a call in the most telling words that it has", () => {
    const { records } = reading(jsonLines(
      { at: noon, took: 1, outcome: "error", status: 429 },
      { at: noon + 1, took: 1, outcome: "success", error: "ignored since it went well" },
      { at: noon + 2, took: 1, status: 200, success: false },
      { at: noon + 3, took: 1, status: 500, error: { type: "overloaded_error", message: "Overloaded" } },
      { at: noon + 4, took: 1, error: "timeout" },
      { at: noon + 5, took: 1, error: "", success: true },
      { at: noon + 6, took: 1, result: "The capital is Paris", status: 200 },
      { at: noon + 7, took: 1, status: "error", error_type: "timeout" },
      { at: noon + 8, took: 1, outcome: { _tag: "Throttled", retryAfter: 5000 } },
      { at: noon + 9, took: 1, status: 429, retry_after: 20 },
      { at: noon + 10, status: 200, refused: true },
      { at: noon + 11, outcome: "circuit_open" },
      { at: noon + 12, took: 1, status: 0 }
    ))
    const said = records.map(({ outcome }) => {
      const { _tag, kind, retryAfter } = outcome as { _tag: string; kind?: string; retryAfter?: Duration.Duration }
      return [_tag, kind, retryAfter && Duration.format(retryAfter)].filter((one) => one !== undefined)
        .join(" ")
    })
    assert.deepStrictEqual(said, [
      "Throttled rate-limit",
      "Success",
      "Failure",
      "Failure overloaded",
      "Failure timeout",
      "Success",
      "Success",
      "Failure timeout",
      "Throttled 5s",
      "Throttled rate-limit 20s",
      "Refused",
      "Refused",
      "Failure network"
    ])
  })

  it("may have keys in any order, other letters, escapes, and lines that are blank", () => {
    const { calls, reading: { skipped } } = reading(
      `{"status":200,"took":1,"at":${noon}, "circuit" : "\\u0061"}\r\n\r\n  \n` +
        `{ "circuit": "zürich", "at": ${noon + 1}, "took": 1.5e1, "status": 200, "nested": [1, {}] }`
    )
    assert.deepStrictEqual(calls, [
      { at: noon, took: 1, outcome: "Success", circuit: "a" },
      { at: noon + 1, took: 15, outcome: "Success", circuit: "zürich" }
    ])
    assert.strictEqual(skipped, 0)
  })
})

describe("a log in CSV", () => {
  const header = "start_time,latency_s,status,error,circuit"

  it("has a header, quotes, doubled quotes and ends of lines in cells", () => {
    const { calls, reading: { format } } = reading(
      `\uFEFF${header}\r\n${second(0)},1.5,200,,"a,b"\r\n${second(1)},2,500,"said ""no""\r\nand left",b\r\n\r\n`
    )
    assert.strictEqual(format, "csv")
    assert.deepStrictEqual(calls, [
      { at: noon, took: 1500, outcome: "Success", circuit: "a,b" },
      { at: noon + 1000, took: 2000, outcome: "Failure", circuit: "b" }
    ])
  })

  for (const delimiter of [",", ";", "\t", "|"]) {
    it(`may be delimited by ${JSON.stringify(delimiter)}`, () => {
      const text = `${header}\n${second(0)},1.5,529,x y,a`.replaceAll(",", delimiter)
      assert.deepStrictEqual(reading(text).calls, [{ at: noon, took: 1500, outcome: "Failure", circuit: "a" }])
    })
  }

  it("loses the line of a stray quote, and no other", () => {
    const row = (n: number, circuit: string) => `${second(n)},1,200,,${circuit}`
    const { calls, skips } = reading(
      [header, row(0, "a"), row(1, "\"b"), row(2, "c"), row(3, "d\"e"), row(4, "f")].join("\n")
    )
    assert.deepStrictEqual(calls.map(({ circuit }) => circuit), ["a", "c", "f"])
    assert.deepStrictEqual(skips, [{ reason: "malformed", count: 2, lines: [3, 5] }])
  })

  it("tells the line on which a row begins", () => {
    const { skips } = reading(`${header}\n${second(0)},1,200,"two\nlines",a\n${second(1)},1\n`)
    assert.deepStrictEqual(skips, [{ reason: "malformed", count: 1, lines: [4] }])
  })
})

describe("a log of spans", () => {
  const attribute = (key: string, value: string | number) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { intValue: `${value}` }
  })
  const span = (n: number, attributes: Readonly<Record<string, string | number>>, status = 0) => ({
    traceId: "5b8efff798038103d269b633813fc60c",
    spanId: `eee19b7ec3c1b17${n}`,
    name: "chat gpt-5",
    startTimeUnixNano: `${noon + 1000 * n}000000`,
    endTimeUnixNano: `${noon + 1000 * n + 250}000000`,
    attributes: Object.entries({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-5",
      ...attributes
    }).map(([key, value]) => attribute(key, value)),
    status: status === 0 ? {} : { code: status, message: "it failed" }
  })
  const document = (...spans: ReadonlyArray<object>) => ({
    resourceSpans: [{
      resource: { attributes: [attribute("service.name", "gateway")] },
      scopeSpans: [{ scope: { name: "spans" }, spans }]
    }]
  })
  const all = document(
    span(0, { "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5 }),
    span(1, { "error.type": "timeout" }, 2),
    span(2, { "http.response.status_code": 503 }, 2),
    span(3, { "gen_ai.operation.name": "execute_tool" }),
    span(4, { "circuit.name": "mine", "circuit.outcome": "Rejected" }, 2),
    span(5, { "circuit.outcome": "Failure", "circuit.kind": "overloaded" }, 2),
    span(6, {}, 2),
    span(7, { "error.type": "rate_limit_error" }, 2),
    span(8, { "error.type": "invalid_request_error" }, 2)
  )
  const expected = [
    { at: noon, took: 250, outcome: "Success", circuit: "openai/gpt-5", inputTokens: 10, outputTokens: 5 },
    { at: noon + 1000, took: 250, outcome: "Failure", circuit: "openai/gpt-5" },
    { at: noon + 2000, took: 250, outcome: "Failure", circuit: "openai/gpt-5" },
    { at: noon + 4000, took: 0, outcome: "Refused", circuit: "mine" },
    { at: noon + 5000, took: 250, outcome: "Failure", circuit: "openai/gpt-5" },
    { at: noon + 6000, took: 250, outcome: "Failure", circuit: "openai/gpt-5" },
    { at: noon + 7000, took: 250, outcome: "Throttled", circuit: "openai/gpt-5" },
    { at: noon + 8000, took: 250, outcome: "Ignored", circuit: "openai/gpt-5" }
  ]

  for (
    const [how, text] of [
      ["one document", JSON.stringify(all)],
      ["one document over many lines", JSON.stringify(all, null, 2)],
      [
        "one span a line",
        all.resourceSpans[0]!.scopeSpans[0]!.spans.map((one) => JSON.stringify(document(one))).join("\n")
      ]
    ] as const
  ) {
    it(`is ${how}, whatever it is cut into`, () => {
      for (const size of [1, 7, 100_000]) {
        const { calls, reading: { format, others }, skips } = readingBytes(cut(encode(text), size))
        assert.deepStrictEqual([format, others, skips], ["otlp", 1, []])
        assert.deepStrictEqual(calls, expected)
      }
    })
  }

  it("may take all spans for calls, and columns by the names of attributes", () => {
    const { calls } = reading(
      JSON.stringify(
        document({ ...span(0, { "server.address": "a" }), attributes: [attribute("server.address", "a")] })
      ),
      {
        spans: "all",
        columns: { circuit: "server.address" }
      }
    )
    assert.deepStrictEqual(calls, [{ at: noon, took: 250, outcome: "Success", circuit: "a" }])
  })

  it("counts a span that was sent twice once", () => {
    const { calls, skips } = reading(jsonLines(document(span(0, {})), document(span(0, {}))))
    assert.strictEqual(calls.length, 1)
    assert.deepStrictEqual(skips, [{ reason: "duplicate", count: 1, lines: [2] }])
  })

  it("goes on after a document that was cut off, in a text or between two", () => {
    const one = JSON.stringify(document(span(0, {}), span(1, {})))
    for (const at of [one.lastIndexOf("gpt-5"), one.lastIndexOf("\"status\"")]) {
      const { calls, skips } = reading(`${one.slice(0, at)}\n${JSON.stringify(document(span(2, {})))}`)
      assert.deepStrictEqual(calls.map((call) => call.at), [noon, noon + 2000])
      assert.deepStrictEqual(skips, [{ reason: "malformed", count: 1, lines: [1] }])
    }
  })
})

describe("a log that is a JSON document", () => {
  const rows = [{ at: noon, took: 1, status: 200 }, { at: noon + 1, took: 2, status: 500, circuit: "[{\"a" }]
  const expected = [
    { at: noon, took: 1, outcome: "Success", circuit: "default" },
    { at: noon + 1, took: 2, outcome: "Failure", circuit: "[{\"a" }
  ]

  it("is a list of objects", () => {
    assert.deepStrictEqual(reading(JSON.stringify(rows)).calls, expected)
    assert.deepStrictEqual(reading(JSON.stringify(rows, null, 2)).calls, expected)
  })

  it("has a list of objects, by its name", () => {
    const text = JSON.stringify({ page: 1, data: { rows }, more: [{ at: noon }] })
    assert.deepStrictEqual(reading(text, { list: "rows" }).calls, expected)
  })
})

describe("lines that cannot be read", () => {
  const good = (n: number) => ({ time: second(n), took: 1, status: 200 })
  const log = jsonLines(
    good(0),
    "{ not json",
    { took: 1, status: 200 },
    { time: "yesterday", took: 1, status: 200 },
    { time: second(1), status: 200 },
    { time: second(1), took: -1, status: 200 },
    { time: second(1), took: 1 },
    { time: second(1), took: 1, outcome: "splendid" },
    "[1]",
    { time: second(3), end: second(2), status: 200 },
    { time: second(2), took: 1, status: "later" },
    good(4)
  )

  it("are skipped, and counted by reason with their numbers and an example", () => {
    const { calls, reading: { records, skipped, skips } } = reading(log)
    assert.deepStrictEqual([calls.length, records, skipped], [2, 2, 10])
    assert.deepStrictEqual(
      skips.map(({ count, example, lines, reason }) => [reason, count, lines, example.replace(/JSON: .*/, "JSON")]),
      [
        ["malformed", 2, [2, 9], "it is no JSON"],
        ["noTime", 1, [3], "nothing says when the call was asked for"],
        ["badTime", 1, [4], "the time is \"yesterday\""],
        ["noDuration", 1, [5], "nothing says how long the call took"],
        ["badDuration", 2, [6, 10], "the duration is -1"],
        ["noOutcome", 1, [7], "nothing says what became of the call"],
        ["badOutcome", 2, [8, 11], "the outcome is \"splendid\""]
      ]
    )
  })

  it("are an error at the line in a strict reading", () => {
    const lines = log.split("\n")
    for (const [line, reason] of [[2, "malformed"], [3, "noTime"], [6, "badDuration"], [8, "badOutcome"]] as const) {
      const text = [lines[0], lines[line - 1]].join("\n")
      const error = Effect.runSync(
        Effect.flip(CallLog.read([encode(text)], { strict: true, onRecord: () => undefined }))
      )
      assert.instanceOf(error, CallLog.BadLine)
      assert.deepStrictEqual([error.line, error.reason], [2, reason])
      assert.match(error.message, /^Line 2: \S/)
    }
  })

  it("are too long beyond the limit, and no longer at it", () => {
    const line = JSON.stringify(good(0))
    const long = (by: number) => line.slice(0, -1) + " ".repeat(by) + "}"
    for (const size of [10, 1000]) {
      const { records, skips } = readingBytes(cut(encode(jsonLines(line, long(0), long(1), good(1))), size), {
        longestLine: line.length,
        copies: "keep",
        format: "json-lines"
      })
      assert.strictEqual(records.length, 3)
      assert.deepStrictEqual(skips, [{ reason: "tooLong", count: 1, lines: [3] }])
    }
  })

  it("do not fill the memory, however long they are", () => {
    const endless = Array.from({ length: 2000 }, () => encode("x".repeat(10_000)))
    const { reading: { bytes }, records, skips } = readingBytes([
      encode(`${JSON.stringify(good(0))}\n`),
      ...endless,
      encode(`\n${JSON.stringify(good(1))}`)
    ])
    assert.strictEqual(records.length, 2)
    assert.isAbove(bytes, 20_000_000)
    assert.deepStrictEqual(skips, [{ reason: "tooLong", count: 1, lines: [2] }])
  })
})

describe("records", () => {
  const call = (at: number, took: number, more: object = {}) => ({ at, took, status: 200, ...more })

  it("come in order of when they were asked for, though the log is in order of ending", () => {
    const { calls } = reading(
      jsonLines(call(noon + 50, 10), call(noon + 10, 100), call(noon, 1000), call(noon + 60, 990))
    )
    assert.deepStrictEqual(calls.map(({ at }) => at - noon), [0, 10, 50, 60])
  })

  it("of the same time come in order of the log", () => {
    const { calls } = reading(jsonLines(call(noon + 1, 1), ...[5, 3, 4].map((took) => call(noon, took)), call(noon, 1)))
    assert.deepStrictEqual(calls.map(({ took }) => took), [5, 3, 4, 1, 1])
  })

  it("may be written as late as the bounds say, and not later", () => {
    const log = (took: number, at: number) =>
      reading(
        jsonLines(
          ...Array.from({ length: 8 }, (_, i) => call(noon + i, 1)),
          call(noon + 89_500, 2),
          call(noon + 89_501, 3),
          call(noon + 100_000, took),
          call(noon + at, 7)
        ),
        { within: "10 seconds" }
      )
    // The longest call took 500 ms: nothing is given before 10.5 seconds after it was asked for.
    assert.deepStrictEqual(log(500, 89_500).calls.slice(8).map(({ took }) => took), [2, 7, 3, 500])
    const late = log(500, 89_499)
    assert.deepStrictEqual(late.calls.slice(8).map(({ took }) => took), [2, 3, 500])
    assert.deepStrictEqual(late.skips, [{ reason: "late", count: 1, lines: [12] }])
    assert.deepStrictEqual(log(501, 89_499).calls.slice(8).map(({ took }) => took), [7, 2, 3, 501])
  })

  it("no longer wait where too many do", () => {
    const { calls, skips } = reading(
      jsonLines(...Array.from({ length: 20 }, (_, i) => call(noon + 10 + i, 1)), call(noon, 1)),
      { mostWaiting: 10 }
    )
    assert.strictEqual(calls.length, 20)
    assert.deepStrictEqual(skips, [{ reason: "late", count: 1, lines: [21] }])
  })

  it("are copies where the line is the same to the letter, wherever the copy is", () => {
    const { calls, skips } = reading(jsonLines(call(noon, 1), call(noon, 2), call(noon + 1, 1), call(noon, 1)))
    assert.deepStrictEqual(calls.map(({ at, took }) => [at - noon, took]), [[0, 1], [0, 2], [1, 1]])
    assert.deepStrictEqual(skips, [{ reason: "duplicate", count: 1, lines: [4] }])
  })

  it("are no copies where they have names of their own, nor where the caller keeps them", () => {
    const named = reading(jsonLines(...["a", "b", "a"].map((id) => call(noon, 1, { request_id: id }))))
    assert.deepStrictEqual([named.calls.length, named.skips], [2, [{ reason: "duplicate", count: 1, lines: [3] }]])
    assert.strictEqual(reading(jsonLines(call(noon, 1), call(noon, 1)), { copies: "keep" }).calls.length, 2)
  })

  it("are copies among a thousand of the same time too", () => {
    const rows = Array.from({ length: 1000 }, (_, i) => call(noon, i))
    const { calls, skips } = reading(jsonLines(...rows, ...rows.slice(500)))
    assert.deepStrictEqual([calls.length, skips.map(({ count, reason }) => [reason, count])], [1000, [[
      "duplicate",
      500
    ]]])
  })

  it("are not of the future, where the caller says what time it is", () => {
    const { calls, skips } = reading(jsonLines(call(noon, 1), call(noon + 1, 2), call(noon + 2, 3)), { now: noon + 1 })
    assert.deepStrictEqual(calls.map(({ took }) => took), [1, 2])
    assert.deepStrictEqual(skips, [{ reason: "future", count: 1, lines: [3] }])
  })

  const day = 86_400_000

  it("are left out where they are far from all others, and hurry nobody along", () => {
    for (const place of [0, 1, 10, 19]) {
      for (const wrong of [0, noon + 9000 * day]) {
        const rows = Array.from({ length: 20 }, (_, i) => call(noon + 1000 * i, i))
        const { calls, skips } = reading(jsonLines(...rows.toSpliced(place, 0, call(wrong, 99))))
        assert.deepStrictEqual(calls.map(({ took }) => took), rows.map(({ took }) => took), `at ${place}`)
        assert.deepStrictEqual(skips, [{ reason: "far", count: 1, lines: [place + 1] }])
      }
    }
  })

  it("may have a gap of any length between them", () => {
    const rows = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => call(noon + i, 1))
    const later = rows.map(({ at, ...rest }) => ({ ...rest, at: at + 30 * day }))
    for (const some of [later, later.slice(0, 3)]) {
      const { calls, skips } = reading(jsonLines(...rows, ...some))
      assert.deepStrictEqual(skips, [])
      assert.strictEqual(calls.length, rows.length + some.length)
    }
  })

  it("may be rare", () => {
    const { calls } = reading(jsonLines(...Array.from({ length: 30 }, (_, i) => call(noon + 20 * day * i, i))))
    assert.strictEqual(calls.length, 30)
    assert.strictEqual(reading(jsonLines(call(noon, 1), call(noon + 20 * day, 1))).calls.length, 2)
  })
})

describe("the bytes", () => {
  const text = jsonLines({ at: noon, took: 1, status: 200, circuit: "é" }, { at: noon + 1, took: 1, status: 200 })

  it("may be cut anywhere", () => {
    const whole = reading(text)
    for (let size = 1; size < 40; size++) {
      const { calls, reading: { bytes, lines } } = readingBytes(cut(encode(text), size))
      assert.deepStrictEqual([calls, bytes, lines], [whole.calls, whole.reading.bytes, whole.reading.lines])
    }
  })

  it("may come from a stream, from a file of Node, or from anything that gives chunks", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "replay-"))
    const file = path.join(folder, "calls.jsonl")
    fs.writeFileSync(file, text)
    try {
      for (const bytes of [Stream.make(encode(text)), fs.createReadStream(file), [encode(text)]]) {
        const records = await Effect.runPromise(Stream.runCollect(CallLog.records(bytes)))
        assert.deepStrictEqual(Array.from(records, told), reading(text).calls)
      }
    } finally {
      fs.rmSync(folder, { recursive: true })
    }
  })

  it("that cannot be read are an error of their own", async () => {
    const file = fs.createReadStream("/nowhere/at/all")
    const error = await Effect.runPromise(Effect.flip(CallLog.read(file, { onRecord: () => undefined })))
    assert.instanceOf(error, CallLog.LogUnreadable)
    assert.match(error.message, /ENOENT/)
  })

  it("may be none", () => {
    assert.deepStrictEqual(reading("").reading, {
      bytes: 0,
      lines: 0,
      records: 0,
      skipped: 0,
      format: "csv",
      others: 0,
      skips: []
    })
  })
})

describe("progress", () => {
  it("is told by bytes, lines and records, and ends with all of them", () => {
    const told: Array<CallLog.Progress> = []
    const text = jsonLines(...Array.from({ length: 500 }, (_, i) => ({ at: noon + i, took: 1, status: 200 })), "x")
    const { reading: { bytes, lines, records, skipped } } = readingBytes(cut(encode(text), 1000), {
      onProgress: (progress) => told.push(progress)
    })
    assert.deepStrictEqual(told.at(-1), { bytes, lines, records, skipped })
    assert.isAbove(told.length, 10)
    assert.isTrue(told.every((one, i) => i === 0 || one.bytes >= told[i - 1]!.bytes))
  })
})

describe("options", () => {
  const complaint = (options: object) => {
    try {
      CallLog.make(options, () => undefined)
    } catch (error) {
      return (error as Error).message
    }
    return undefined
  }

  it("are checked, and the error names the option, the rule and the value", () => {
    assert.strictEqual(
      complaint({ format: "xml" }),
      "CallLog: format must be json-lines, csv, json or otlp, got \"xml\""
    )
    assert.strictEqual(
      complaint({ columns: { duration: "x" } })?.slice(0, 44),
      "CallLog: columns.duration is no column: ther"
    )
    assert.strictEqual(
      complaint({ columns: { time: { column: "x", unit: "weeks" } } }),
      "CallLog: columns.time must be the name of a column, several, or { column, unit }, got {\"column\":\"x\",\"unit\":\"weeks\"}"
    )
    assert.strictEqual(complaint({ within: -1 }), "CallLog: within must be a finite duration of zero or more, got -1")
    assert.strictEqual(complaint({ now: "noon" }), "CallLog: now must be a moment in milliseconds, got \"noon\"")
  })
})

describe("the beginning and the end of a call", () => {
  const times = (row: object) => reading(jsonLines({ status: 200, ...row })).calls.map(({ at, took }) => ({ at, took }))

  it("have one unit where they are numbers of like size, whichever of the two tells it", () => {
    assert.deepStrictEqual(times({ at: 548.5, endedAt: 774.75 }), [{ at: 548.5, took: 226.25 }])
    assert.deepStrictEqual(times({ at: 6000, endedAt: 90_000 }), [{ at: 6000, took: 84_000 }])
    assert.deepStrictEqual(times({ start: 1000, end_ms: 1250 }), [{ at: 1000, took: 250 }])
    assert.deepStrictEqual(times({ start: "1000", end_ms: "1250" }), [{ at: 1000, took: 250 }])
    // Where seconds become milliseconds by their size.
    assert.deepStrictEqual(times({ start: 99_999_999_999, end: 100_000_000_001 }), [{
      at: 99_999_999_999_000,
      took: 2000
    }])
    assert.deepStrictEqual(times({ start_ms: 99_999_999_999, end: 100_000_000_000 }), [{ at: 99_999_999_999, took: 1 }])
  })

  it("have each its own unit where the names say so, or their sizes", () => {
    assert.deepStrictEqual(times({ start_s: 1_777_636_800, end_ms: 1_777_636_800_250 }), [
      { at: 1_777_636_800_000, took: 250 }
    ])
    assert.deepStrictEqual(times({ start: 1_777_636_800, end: 1_777_636_800_250 }), [
      { at: 1_777_636_800_000, took: 250 }
    ])
    assert.deepStrictEqual(times({ start: "2026-05-01T12:00:00Z", end: 1_777_636_801 }), [
      { at: 1_777_636_800_000, took: 1000 }
    ])
  })
})

describe("a log that is no text", () => {
  const line = jsonLines({ time: "2026-05-01T12:00:00Z", took: 1, status: 200 })
  const utf16 = (text: string) => new Uint8Array(Uint16Array.from(text, (char) => char.charCodeAt(0)).buffer)
  const cases: ReadonlyArray<readonly [name: string, bytes: Uint8Array, says: string]> = [
    ["packed by gzip", gzipSync(line), "it is packed by gzip: unpack it first, as zcat does"],
    ["UTF-16", utf16(`\ufeff${line}`), "it is text in UTF-16: write it as UTF-8 first, as iconv does"],
    ["UTF-16 without a mark", utf16(line.repeat(100)), "it is text in UTF-16: write it as UTF-8 first, as iconv does"]
  ]
  for (const [name, bytes, says] of cases) {
    it(`is told for what it is, once, whatever it is cut into: ${name}`, () => {
      for (const size of [1, 7, 100_000]) {
        const { reading, records } = readingBytes(cut(bytes, size))
        assert.deepStrictEqual(records, [])
        assert.deepStrictEqual(reading.skips, [{ reason: "malformed", count: 1, lines: [1], example: says }])
      }
      const strict = CallLog.read([bytes], { strict: true, onRecord: () => {} })
      assert.strictEqual(Effect.runSync(Effect.flip(strict)).message, `Line 1: ${says}`)
    })
  }
})
