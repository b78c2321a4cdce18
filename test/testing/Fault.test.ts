import { assert, describe, it } from "@effect/vitest"
import { AnthropicFault, Fault, OpenAiFault } from "effect-breaker/testing"

const everyFault: ReadonlyArray<Fault.Fault> = [
  Fault.jsonError({
    status: 418,
    type: "teapot",
    code: "short",
    message: "Short and stout",
    headers: { "X-Tea": "1" }
  }),
  Fault.jsonError({
    status: 503,
    fields: { details: { deep: [1] } },
    hint: { format: "retry-after-date", after: "1 second" }
  }),
  Fault.htmlError({ status: 522, headers: { "retry-after": "3" } }),
  Fault.reset,
  Fault.hangBeforeHeaders,
  Fault.hangBeforeFirstToken,
  Fault.stallAfter({ tokens: 0 }),
  Fault.errorChunk({ after: 2, type: "t", code: "c", message: "m" }),
  Fault.cutAfter({ tokens: 3 }),
  Fault.resetAfter({ tokens: 4 }),
  Fault.resetAfter({ tokens: 4, by: "reset" }),
  Fault.errorChunk({ after: 0, shape: "flat" }),
  Fault.errorBody(),
  Fault.onlyKeepAlive({ after: 1, every: 20 }),
  Fault.slowDrip({ tokensPerSecond: 0.5 }),
  Fault.malformed({ after: 1 }),
  Fault.duplicated({ unit: "answer" }),
  Fault.lateAnswer({ after: "1 minute" }),
  Fault.emptyAnswer,
  Fault.endsBy({ reason: "length", after: 2 }),
  Fault.endsBy({ reason: "error" }),
  Fault.invalidJson
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
          messageOf(() => Fault.rateLimited({ retryAfter: Number.NaN })),
          messageOf(() => Fault.onlyKeepAlive({ every: 0 })),
          messageOf(() => Fault.onlyKeepAlive({ after: -1 })),
          messageOf(() => Fault.slowDrip({ tokensPerSecond: 0 })),
          messageOf(() => Fault.malformed({ after: 0.5 })),
          messageOf(() => Fault.lateAnswer({ after: "Infinity" })),
          messageOf(() => Fault.endsBy({ reason: "length", after: -1 })),
          messageOf(() => AnthropicFault.usageLimitReached({ resumesAt: "soon" }))
        ],
        [
          "Fault.jsonError: status must be a whole number from 400 to 599, got 200",
          "Fault.htmlError: status must be a whole number from 400 to 599, got 502.5",
          "Fault.stallAfter: tokens must be a whole number of at least 0, got -1",
          "Fault.errorChunk: after must be a whole number of at least 0, got NaN",
          "Fault.cutAfter: tokens must be a whole number of at least 0, got Infinity",
          "Fault.resetAfter: tokens must be a whole number of at least 0, got 0.5",
          "Fault.jsonError: hint.after must be a finite duration of zero or more, got Infinity",
          "Fault.jsonError: hint.after must be a finite duration of zero or more, got NaN",
          "Fault.onlyKeepAlive: every must be a finite duration above zero, got 0",
          "Fault.onlyKeepAlive: after must be a whole number of at least 0, got -1",
          "Fault.slowDrip: tokensPerSecond must be a number above zero, got 0",
          "Fault.malformed: after must be a whole number of at least 0, got 0.5",
          `Fault.lateAnswer: after must be a finite duration of zero or more, got "Infinity"`,
          "Fault.endsBy: after must be a whole number of at least 0, got -1",
          `AnthropicFault.usageLimitReached: resumesAt must be a date, got "soon"`
        ]
      )
    })

    it("refuse a header that HTTP cannot carry", () => {
      assert.throws(() => Fault.jsonError({ status: 500, headers: { "a b": "c" } }), RangeError, "headers.a b")
      assert.throws(() => Fault.jsonError({ status: 500, headers: { a: "b\r\nc: d" } }), RangeError, "headers.a")
    })

    it("keep the hint of a rate limit, and have none unless told", () => {
      const hint = (retryAfter: number) => Fault.rateLimited({ retryAfter }).hint

      assert.deepStrictEqual(hint(250), { format: "retry-after", after: 250 })
      assert.strictEqual(Fault.rateLimited().hint, undefined)
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
        { _tag: "ErrorChunk", after: 1, code: {} },
        { _tag: "ErrorChunk", after: 1, shape: "round" },
        { _tag: "JsonError", status: 500, hint: { format: "smoke", after: 1 } },
        { _tag: "JsonError", status: 500, fields: 1 },
        { _tag: "EndsBy", reason: "stop" },
        { _tag: "Duplicated", unit: "byte" },
        { _tag: "ResetAfter", tokens: 1, by: "axe" }
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
      assert.strictEqual(Fault.fromHeader("reset"), Fault.reset)
      assert.strictEqual(Fault.fromHeader("openai.slowDown"), OpenAiFault.slowDown)
      assert.strictEqual(Fault.fromHeader("anthropic.billing"), AnthropicFault.billing)
      assert.strictEqual(Fault.fromHeader(" badGateway "), Fault.badGateway)
      assert.deepStrictEqual(Fault.fromHeader("rateLimited"), Fault.rateLimited())
    })

    it("lists the names when it knows none like it", () => {
      assert.throws(() => Fault.fromHeader("toString"), RangeError, "insufficientQuota")
      assert.throws(() => Fault.fromHeader("{"), RangeError, "none")
    })
  })
})
