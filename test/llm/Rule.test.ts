import { describe, expect, it } from "@effect/vitest"
import { Signal } from "effect-breaker/llm"
import * as fc from "fast-check"
import * as ClientRules from "../../src/llm/ClientRules.ts"
import * as ProviderRules from "../../src/llm/ProviderRules.ts"
import * as Rule from "../../src/llm/Rule.ts"
import { failure, ignored, throttled } from "../../src/llm/Verdict.ts"

const rules = [...Object.values(ProviderRules).flat(), ...Object.values(ClientRules).flat()]
const codes = [...new Set(rules.flatMap(({ condition }) => condition.code?.split(" ") ?? []))]
const statuses = [...new Set(rules.flatMap(({ condition }) => condition.status ?? [])), 200, 418, 500, 501]
const sentences = [
  "Your credit balance is too low",
  "prompt is too long",
  "No deployments available",
  "Request timed out.",
  "terminated",
  "You have reached your specified API usage limits",
  "API key not valid",
  "billing",
  "flagged by moderation",
  "Overloaded",
  "too many requests",
  "File not found"
]

const signals = fc.record({
  status: fc.option(fc.constantFrom(...statuses), { nil: undefined }),
  codes: fc.array(fc.constantFrom(...codes), { maxLength: 4 }),
  message: fc.option(fc.constantFrom(...sentences), { nil: undefined }),
  isStructured: fc.boolean(),
  headers: fc.constantFrom({}, { "x-portkey-trace-id": "1" })
}).map((facts): Signal.Signal => Object.assign(Signal.fromError("anything"), facts))

describe("first", () => {
  it("gives the verdict of the first row that applies, as if each were asked in turn", () => {
    const all = Rule.table(...rules)
    const alone = rules.map((rule) => Rule.table(rule))
    fc.assert(
      fc.property(signals, fc.boolean(), (signal, textRules) => {
        const inTurn = alone.map((table) => Rule.first(table, signal, textRules)).find((verdict) =>
          verdict !== undefined
        )
        expect(Rule.first(all, signal, textRules)).toBe(inTurn)
      }),
      { numRuns: 2000 }
    )
  })

  it("goes by the place of the row, not by what the row asks for", () => {
    const sentence = Rule.when({ text: /overloaded/i }, failure("overloaded"))
    const code = Rule.when({ code: "slow_down other" }, throttled("rate-limit"))
    const status = Rule.when({ status: [400, 529] }, ignored("invalid-request"))
    const signal = { ...Signal.fromError("Overloaded"), status: 529, codes: ["other"] }
    const kinds = [[sentence, code, status], [code, status, sentence], [status, sentence, code]].map((rules) =>
      Rule.first(Rule.table(...rules), signal, true)?.kind
    )

    expect(kinds).toEqual(["overloaded", "rate-limit", "invalid-request"])
  })

  it("gives none where no row applies", () => {
    expect(Rule.first(Rule.table(), Signal.fromError("anything"), true)).toBe(undefined)
  })
})
