/**
 * What holds for every log, whatever its bytes.
 *
 * `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many logs are tried.
 */
// Most assertions are in the properties.
/* oxlint-disable vitest/expect-expect */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as CallLog from "../../src/replay/CallLog.ts"
import { cut, encode, reading, readingBytes, told } from "./reading.ts"

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.FC_RUNS ?? 1000)
console.info(`CallLog.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

const always = <Ts extends [unknown, ...Array<unknown>]>(property: fc.IPropertyWithHooks<Ts>, part = 4): void =>
  fc.assert(property, { seed, numRuns: Math.ceil(runs / part) })

const noon = Date.UTC(2026, 4, 1, 12)

const anyCall = fc.record({
  at: fc.integer({ min: 0, max: 300_000 }).map((at) => noon + at),
  took: fc.integer({ min: 0, max: 30_000 }),
  status: fc.constantFrom(200, 429, 500, 529),
  circuit: fc.constantFrom("a", "b", "c\"d,e", "zürich")
})

type Logged = typeof anyCall extends fc.Arbitrary<infer A> ? A : never

const cell = (text: string) => /[",\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text

const forms: Readonly<Record<CallLog.Format, (calls: ReadonlyArray<Logged>) => string>> = {
  "json-lines": (calls) => calls.map((call) => JSON.stringify(call)).join("\n"),
  json: (calls) => JSON.stringify(calls, null, 1),
  csv: (calls) =>
    [
      "at,took,status,circuit",
      ...calls.map(({ at, circuit, status, took }) => [at, took, status, cell(circuit)].join(","))
    ]
      .join("\r\n"),
  otlp: (calls) =>
    calls.map(({ at, circuit, status, took }, i) => {
      const attributes = [
        { key: "circuit.name", value: { stringValue: circuit } },
        { key: "gen_ai.operation.name", value: { stringValue: "chat" } },
        { key: "http.response.status_code", value: { intValue: status } }
      ]
      const span = {
        spanId: `${i}`,
        startTimeUnixNano: `${at}000000`,
        endTimeUnixNano: `${at + took}000000`,
        attributes
      }
      return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })
    }).join("\n")
}

const formats = Object.keys(forms) as ReadonlyArray<CallLog.Format>
const anyFormat = fc.constantFrom(...formats)

describe("every log", () => {
  it("gives its calls in order of when they were asked for, in every form, however it is cut", () => {
    const anyCalls = fc.array(anyCall, { minLength: 1, maxLength: 60 })
    always(fc.property(anyCalls, anyFormat, fc.integer({ min: 1, max: 300 }), (calls, format, size) => {
      const bytes = encode(forms[format](calls))
      const { calls: read, reading: { skipped } } = readingBytes(cut(bytes, size), { format, copies: "keep" })
      const expected = calls.toSorted((a, b) => a.at - b.at)
      assert.deepStrictEqual(
        read.map(({ at, circuit, took }) => [at, took, circuit]),
        expected.map(({ at, circuit, took }) => [at, took, circuit])
      )
      assert.strictEqual(skipped, 0)
    }))
  })

  it("gives every record once, or says why not", () => {
    const anyTimes = fc.array(fc.tuple(fc.integer({ min: 0, max: 3_000_000 }), fc.integer({ min: 0, max: 5000 })), {
      minLength: 1,
      maxLength: 200
    })
    always(
      fc.property(
        anyTimes,
        fc.constantFrom(0, 1000, 60_000),
        fc.integer({ min: 1, max: 50 }),
        (times, within, mostWaiting) => {
          const text = times.map(([at, took], i) => JSON.stringify({ at: noon + at, took, status: 200, id: i })).join(
            "\n"
          )
          const { calls, reading: { records, skips } } = reading(text, { within, mostWaiting })
          const skipped = skips.reduce((sum, { count }) => sum + count, 0)
          assert.strictEqual(records + skipped, times.length)
          assert.isTrue(skips.every(({ reason }) => reason === "late"))
          assert.isTrue(calls.every(({ at }, i) => i === 0 || at >= calls[i - 1]!.at))
        }
      )
    )
  })
})

describe("whatever the bytes, a reading never throws", () => {
  const survives = (bytes: Uint8Array, size: number, options: CallLog.Options) => {
    const chunks = cut(bytes, size)
    const { reading, records } = readingBytes(chunks, { longestLine: 200, ...options })
    assert.strictEqual(reading.bytes, bytes.length)
    assert.strictEqual(reading.skipped, reading.skips.reduce((sum, { count }) => sum + count, 0))
    assert.isTrue(records.every(({ at, took }) => Number.isFinite(at) && took >= 0 && at >= 0))
    const strict = Effect.runSync(
      Effect.result(CallLog.read(chunks, { longestLine: 200, ...options, strict: true, onRecord: () => undefined }))
    )
    // What was skipped is an error now, and nothing else is.
    assert.strictEqual(strict._tag === "Failure", reading.skipped > 0)
    if (strict._tag === "Failure") assert.instanceOf(strict.failure, CallLog.BadLine)
  }
  const anyOptions = fc.record({
    format: fc.option(anyFormat, { nil: undefined }),
    list: fc.constantFrom(undefined, "a")
  })
  const anySize = fc.integer({ min: 1, max: 100 })

  it("of any bytes", () => {
    always(fc.property(fc.uint8Array({ maxLength: 400 }), anySize, anyOptions, survives))
  })

  it("of the letters that logs are made of", () => {
    const anyText = fc.array(
      fc.constantFrom(
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        "\n",
        "\r\n",
        ";",
        " ",
        "\u00e9",
        "\ufeff",
        "at",
        "took",
        "spans",
        "resourceSpans",
        "status",
        "200",
        `${noon}`,
        "null",
        "true",
        "-1",
        "1e400",
        "\"at\":",
        "0"
      ),
      { maxLength: 120 }
    ).map((parts) => encode(parts.join("")))
    always(fc.property(anyText, anySize, anyOptions, survives))
  })

  it("of a valid log in which some bytes are not", () => {
    const anyChange = fc.record({
      at: fc.nat({ max: 10_000 }),
      bytes: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc.constantFrom("\"", "{", "}", "[", "]", "\n", "\\", ",", "null", "\ufeff").map(encode)
      ),
      drops: fc.nat({ max: 30 })
    })
    const anyMutant = fc.tuple(
      anyFormat,
      fc.array(anyCall, { minLength: 1, maxLength: 12 }),
      fc.array(anyChange, { minLength: 1, maxLength: 4 })
    )
      .map(([format, calls, changes]) => {
        let bytes = Array.from(encode(forms[format](calls)))
        for (const { at, bytes: put, drops } of changes) bytes = bytes.toSpliced(at % bytes.length, drops, ...put)
        return [format, Uint8Array.from(bytes)] as const
      })
    always(
      fc.property(anyMutant, anySize, ([format, bytes], size) => survives(bytes, size, { format, longestLine: 10_000 }))
    )
  })

  it("of lines that are as deep as they are long", () => {
    const deep = (what: string, end: string) => what.repeat(100_000) + end.repeat(100_000)
    const lines = [
      deep("[", "]"),
      deep("{\"error\":", "}"),
      ...["outcome", "error", "status", "at", "usage", "circuit"].map((name) =>
        `{"at":${noon},"took":1,"status":500,"${name}":${deep("[", "]")}}`
      ),
      `{"at":${noon},"took":1,"outcome":${deep("{\"a\":", "}").replace(":}", ":1}")}}`
    ]
    for (const line of lines) {
      for (const format of formats) {
        survives(encode(line), 65_536, { format, longestLine: 1 << 20 })
        survives(encode(`[${line}`), 65_536, { format, longestLine: 1 << 20 })
      }
    }
  })

  it("of a plain line, and is the same as that of JSON.parse", () => {
    const anyValue = fc.oneof(
      fc.constantFrom("at", "took", "x"),
      fc.integer(),
      fc.double(),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom(200, 500, 0.1, 1e21, 123_456_789.125, 1e-7),
      fc.string({ unit: "grapheme" })
    )
    const anyLine = fc.tuple(
      fc.dictionary(
        fc.constantFrom("at", "took", "status", "circuit", "error", "outcome", "input_tokens", "x", "é"),
        anyValue
      ),
      fc.constantFrom(undefined, 1),
      fc.constantFrom("", " ", "\t", "x", "}", ",")
    ).map(([object, indent, end]) =>
      JSON.stringify({ at: noon, took: 1, status: 200, ...object }, null, indent).replaceAll("\n", " ") + end
    )
    always(
      fc.property(fc.array(anyLine, { minLength: 1, maxLength: 5 }), (lines) => {
        // A byte of two in front makes a chunk that is read the other way.
        const plain = reading(lines.join("\n"), { copies: "keep", format: "json-lines" })
        const other = reading(["{\"é\":1,\"at\":1}", ...lines].join("\n"), { copies: "keep", format: "json-lines" })
        assert.deepStrictEqual(other.records.map(told), plain.records.map(told))
        assert.deepStrictEqual(
          plain.reading.skips.map(({ count, reason }) => `${reason} ${count}`).toSorted(),
          other.reading.skips.flatMap(({ count, reason, lines }) => {
            const own = lines[0] === 1 ? count - 1 : count
            return own === 0 ? [] : [`${reason} ${own}`]
          }).toSorted()
        )
      }),
      1
    )
  })
})
