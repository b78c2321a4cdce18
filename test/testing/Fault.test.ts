import { assert, describe, it } from "@effect/vitest"
import { Fault } from "effect-breaker/testing"

const everyFault: ReadonlyArray<Fault.Fault> = [
  Fault.jsonError({
    status: 418,
    type: "teapot",
    code: "short",
    message: "Short and stout",
    headers: { "X-Tea": "1" }
  }),
  Fault.htmlError({ status: 522 }),
  Fault.reset,
  Fault.hangBeforeHeaders,
  Fault.hangBeforeFirstToken,
  Fault.stallAfter({ tokens: 0 }),
  Fault.errorChunk({ after: 2, type: "t", code: "c", message: "m" }),
  Fault.cutAfter({ tokens: 3 }),
  Fault.resetAfter({ tokens: 4 })
]

describe("Fault", () => {
  describe("constructors", () => {
    it("name the option, the rule and the value of a bad number", () => {
      const messageOf = (make: () => unknown): string => {
        try {
          make()
        } catch (error) {
          assert.instanceOf(error, RangeError)
          return error.message
        }
        return assert.fail("nothing was thrown")
      }

      assert.deepStrictEqual(
        [
          messageOf(() => Fault.jsonError({ status: 200 })),
          messageOf(() => Fault.htmlError({ status: 502.5 })),
          messageOf(() => Fault.stallAfter({ tokens: -1 })),
          messageOf(() => Fault.errorChunk({ after: Number.NaN })),
          messageOf(() => Fault.cutAfter({ tokens: Infinity })),
          messageOf(() => Fault.resetAfter({ tokens: 0.5 })),
          messageOf(() => Fault.rateLimited({ retryAfter: Infinity })),
          messageOf(() => Fault.rateLimited({ retryAfter: Number.NaN }))
        ],
        [
          "Fault.jsonError: status must be a whole number from 400 to 599, got 200",
          "Fault.htmlError: status must be a whole number from 400 to 599, got 502.5",
          "Fault.stallAfter: tokens must be a whole number of at least 0, got -1",
          "Fault.errorChunk: after must be a whole number of at least 0, got NaN",
          "Fault.cutAfter: tokens must be a whole number of at least 0, got Infinity",
          "Fault.resetAfter: tokens must be a whole number of at least 0, got 0.5",
          "Fault.rateLimited: retryAfter must be a finite duration of zero or more, got Infinity",
          "Fault.rateLimited: retryAfter must be a finite duration of zero or more, got NaN"
        ]
      )
    })

    it("refuse a header that HTTP cannot carry", () => {
      assert.throws(() => Fault.jsonError({ status: 500, headers: { "a b": "c" } }), RangeError, "headers.a b")
      assert.throws(() => Fault.jsonError({ status: 500, headers: { a: "b\r\nc: d" } }), RangeError, "headers.a")
    })

    it("say the hint of a rate limit in seconds", () => {
      const hint = (retryAfter: number) => Fault.rateLimited({ retryAfter }).headers["retry-after"]

      assert.deepStrictEqual([0, 0.4, 250, 20_000].map(hint), ["0", "0.001", "0.25", "20"])
      assert.deepStrictEqual(Fault.rateLimited().headers, {})
    })
  })

  describe("fromJson", () => {
    it("reads back every fault from JSON", () => {
      for (const fault of everyFault) {
        assert.deepStrictEqual(Fault.fromJson(JSON.parse(JSON.stringify(fault))), fault)
      }
    })

    it("refuses what is no fault", () => {
      const bad = [
        null,
        [],
        "Reset",
        {},
        { _tag: "constructor" },
        { _tag: 1 },
        { _tag: "StallAfter" },
        { _tag: "JsonError", status: "500" },
        { _tag: "JsonError", status: 500, message: 1 },
        { _tag: "JsonError", status: 500, headers: "x" },
        { _tag: "ErrorChunk", after: 1, code: {} }
      ]

      for (const data of bad) assert.throws(() => Fault.fromJson(data), RangeError)
    })
  })

  describe("header", () => {
    it("carries every fault through a request header", () => {
      for (const fault of everyFault) assert.deepStrictEqual(Fault.fromHeader(Fault.header(fault)["x-fault"]), fault)
      assert.strictEqual(Fault.fromHeader(Fault.header("none")["x-fault"]), undefined)
    })

    it("carries a message in any script", () => {
      const fault = Fault.jsonError({ status: 500, message: "超载 😵\n" })
      const header = Fault.header(fault)["x-fault"]

      assert.match(header, /^[\x20-\x7e]+$/)
      assert.deepStrictEqual(Fault.fromHeader(header), fault)
    })
  })

  describe("fromHeader", () => {
    it("knows the ready-made faults by name", () => {
      assert.strictEqual(Fault.fromHeader("overloaded"), Fault.overloaded)
      assert.strictEqual(Fault.fromHeader(" badGateway "), Fault.badGateway)
      assert.deepStrictEqual(Fault.fromHeader("rateLimited"), Fault.rateLimited())
    })

    it("lists the names when it knows none like it", () => {
      assert.throws(() => Fault.fromHeader("toString"), RangeError, "insufficientQuota")
      assert.throws(() => Fault.fromHeader("{"), RangeError, "none")
    })
  })
})
