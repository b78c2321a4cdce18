import { assert, describe, it } from "@effect/vitest"
import { AnthropicFault, FakeProvider, Fault, Limit, OpenAiFault, Script } from "effect-breaker/testing"
import { rangeErrorOf } from "../refusals.ts"

const throughJson = (data: unknown): unknown => JSON.parse(JSON.stringify(data))

describe("Script.fromJson", () => {
  it("reads what a program would write, with faults as objects or by name", () => {
    const script = Script.fromJson([
      { for: 1000 },
      {
        name: "outage",
        for: "30 seconds",
        latency: "2 seconds",
        tokens: 40,
        faults: [
          { fault: "overloaded", share: 0.5, latency: 300, models: ["big"] },
          { fault: "openai.slowDown", share: 0.25 },
          { fault: { _tag: "CutAfter", tokens: 3 }, share: 0.25 }
        ],
        limits: [{ _tag: "Concurrency", atOnce: 4, fault: "anthropic.overloaded" }]
      },
      { for: "Infinity", answers: [{ text: "Yes." }] }
    ])
    assert.deepStrictEqual(script, [
      { for: 1000 },
      {
        name: "outage",
        for: "30 seconds",
        latency: "2 seconds",
        tokens: 40,
        faults: [
          { fault: Fault.overloaded, share: 0.5, latency: 300, models: ["big"] },
          { fault: OpenAiFault.slowDown, share: 0.25 },
          { fault: Fault.cutAfter({ tokens: 3 }), share: 0.25 }
        ],
        limits: [Limit.concurrency({ atOnce: 4, fault: AnthropicFault.overloaded })]
      },
      { for: "Infinity", answers: [{ text: "Yes." }] }
    ])
  })

  const wrong: ReadonlyArray<readonly [what: string, data: unknown, said: string]> = [
    ["no list", { for: 1 }, "day: a script must be a list, got {\"for\":1}"],
    ["no phase", [1], "day: script[0]: a phase must be an object, got 1"],
    ["no length", [{}], "day: script[0]: for must be a duration above zero, got undefined"],
    ["a length of nothing", [{ for: 0 }], "day: script[0]: for must be a duration above zero, got 0"],
    ["a field that no phase has", [{ for: 1, latancy: 1 }], "got \"latancy\""],
    ["a field that no fault has", [{ for: 1, faults: [{ fault: "cut", share: 1, rate: 1 }] }], "got \"rate\""],
    ["faults that are no list", [{ for: 1, faults: {} }], "day: script[0]: faults must be a list, got {}"],
    ["answers that are no list", [{ for: 1, answers: {} }], "day: script[0]: answers must be a list, got {}"],
    ["a name that is no text", [{ for: 1, name: 1 }], "day: script[0]: name must be a text, got 1"],
    ["an unknown fault", [{ for: 1, faults: [{ fault: "nope", share: 1 }] }], "got \"nope\""],
    ["no fault", [{ for: 1, faults: [{ share: 1 }] }], "script[0]: faults[0]: a fault must be tagged with one of"],
    [
      "a bad fault",
      [{ for: 1, faults: [{ fault: { _tag: "CutAfter", tokens: -1 }, share: 1 }] }],
      "day: script[0]: faults[0]: tokens must be a whole number of at least 0, got -1"
    ],
    ["a bad limit", [{ for: 1, limits: [null] }], "day: script[0]: limits[0]: a limit must be tagged with one of"],
    [
      "too many shares",
      [{ for: 1 }, { for: 1, faults: [{ fault: "cut", share: 0.6 }, { fault: "stall", share: 0.6 }] }],
      "day: script[1]: the sum of all shares must be at most 1, got 1.2"
    ]
  ]
  for (const [what, data, said] of wrong) {
    it(`says where ${what} is`, () => assert.include(rangeErrorOf(() => Script.fromJson(data, "day")), said))
  }
})

describe("the ready-made scripts", () => {
  for (const [name, { about, script }] of Object.entries(Script.readyMade)) {
    it(`${name}: a provider takes it, it says what it is about, and it comes through JSON as it was`, () => {
      FakeProvider.make({ script })
      assert.isNotEmpty(about)
      assert.deepStrictEqual(Script.fromJson(throughJson(script)), script)
    })
  }
})
