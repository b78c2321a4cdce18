import { assert, describe, it } from "@effect/vitest"
import { AnthropicFault, Fault, Limit, OpenAiFault } from "effect-breaker/testing"

const everyLimit: ReadonlyArray<Limit.Limit> = [
  Limit.storm({ below: 0.5, over: "1 minute", share: 0.75, fault: Fault.overloaded, keys: ["sk-a"] }),
  Limit.recovering({ from: 0, to: 20, during: "10 minutes", models: ["big", "huge"] }),
  Limit.concurrency({ atOnce: 0, formats: ["chat", "models"] }),
  Limit.quota({ requests: 3, resetsAt: "2026-11-01T00:00:00Z", fault: AnthropicFault.spendLimitReached })
]

const messageOf = (make: () => unknown): string => {
  try {
    make()
  } catch (error) {
    assert.instanceOf(error, RangeError)
    return error.message
  }
  return assert.fail("nothing was thrown")
}

describe("Limit", () => {
  it("has a fault ready where none is given", () => {
    assert.deepStrictEqual(Limit.storm({ below: 1 }), {
      _tag: "Storm",
      below: 1,
      over: 10_000,
      share: 1,
      fault: OpenAiFault.rateLimited()
    })
    assert.deepStrictEqual(Limit.recovering({ from: 1, to: 2, during: 1 }).fault, AnthropicFault.overloaded)
    assert.deepStrictEqual(Limit.concurrency({ atOnce: 1 }).fault, OpenAiFault.rateLimited())
    assert.deepStrictEqual(Limit.quota({ resetsAt: 0 }).fault, OpenAiFault.insufficientQuota)
  })

  it("takes a date in any form", () => {
    const resetsAt = Date.parse("2026-11-01T00:00:00Z")

    for (const date of [resetsAt, new Date(resetsAt), "2026-11-01T00:00:00Z", "Sun, 01 Nov 2026 00:00:00 GMT"]) {
      assert.strictEqual(Limit.quota({ resetsAt: date }).resetsAt, resetsAt)
    }
  })

  it("names the option, the rule and the value of what is wrong", () => {
    assert.deepStrictEqual(
      [
        messageOf(() => Limit.storm({ below: 0 })),
        messageOf(() => Limit.storm({ below: 1, over: 0 })),
        messageOf(() => Limit.storm({ below: 1, share: 2 })),
        messageOf(() => Limit.recovering({ from: -1, to: 1, during: 1 })),
        messageOf(() => Limit.recovering({ from: 1, to: Infinity, during: 1 })),
        messageOf(() => Limit.recovering({ from: 1, to: 2, during: "Infinity" })),
        messageOf(() => Limit.concurrency({ atOnce: 1.5 })),
        messageOf(() => Limit.quota({ resetsAt: "tomorrow" })),
        messageOf(() => Limit.quota({ resetsAt: 0, requests: -1 })),
        messageOf(() => Limit.concurrency({ atOnce: 1, keys: [] })),
        messageOf(() => Limit.fromJson({ ...Limit.concurrency({ atOnce: 1 }), formats: ["fax"] }))
      ],
      [
        "Limit.storm: below must be a number above zero, got 0",
        "Limit.storm: over must be a finite duration above zero, got 0",
        "Limit.storm: share must be a number from 0 to 1, got 2",
        "Limit.recovering: from must be a number of at least 0, got -1",
        "Limit.recovering: to must be a number of at least 0, got Infinity",
        `Limit.recovering: during must be a finite duration above zero, got "Infinity"`,
        "Limit.concurrency: atOnce must be a whole number of at least 0, got 1.5",
        `Limit.quota: resetsAt must be a date, got "tomorrow"`,
        "Limit.quota: requests must be a whole number of at least 0, got -1",
        "Limit.concurrency: keys must be a list of at least one text, got []",
        `Limit.concurrency: formats must be one of chat, responses, messages, models, got "fax"`
      ]
    )
  })

  it("reads back every limit from JSON, and nothing else", () => {
    for (const limit of everyLimit) assert.deepStrictEqual(Limit.fromJson(JSON.parse(JSON.stringify(limit))), limit)
    for (const data of [null, [], {}, { _tag: "Reset" }, { _tag: "Storm" }, { _tag: "Quota" }, "Storm"]) {
      assert.throws(() => Limit.fromJson(data), RangeError)
    }
  })
})
