import { describe, expect, it } from "@effect/vitest"
import fs from "node:fs"
import * as Distribution from "../../src/replay/Distribution.ts"
import * as Outages from "../../src/replay/Outages.ts"
import * as Random from "../../src/replay/Random.ts"

const HOUR = 3_600_000

const csv = `provider,start,end,minutes,impact_level,api_affected
one,2024-05-02T00:00:00Z,2024-05-02T01:00:00Z,60.0,1,1
one,2024-05-01T00:00:00Z,2024-05-01T00:30:00Z,,1,1
two,2024-05-01T12:00:00Z,2024-05-01T12:00:00Z,0.0,2,0
one,not a date,,5,1,1
one,2024-05-04T00:00:00Z,2024-05-04T01:30:00Z,90.0,1,0
`

describe("Outages", () => {
  it("reads lengths and gaps, whatever the order of the lines", () => {
    const one = Outages.fromCsv(csv, { provider: "one" })!
    expect(one.length).toEqual({ _tag: "Empirical", values: [0.5 * HOUR, HOUR, 1.5 * HOUR] })
    expect(one.gap).toEqual({ _tag: "Empirical", values: [24 * HOUR, 48 * HOUR] })
  })

  it("takes an incident of no length for one that began, and not for the length of one", () => {
    const all = Outages.fromCsv(csv)!
    expect(all.length).toMatchObject({ values: [0.5 * HOUR, HOUR, 1.5 * HOUR] })
    expect(all.gap).toMatchObject({ values: [12 * HOUR, 12 * HOUR, 48 * HOUR] })
  })

  it("keeps those of the API where asked, and says that too few are left", () => {
    expect(Outages.fromCsv(csv, { api: true })!.length).toMatchObject({ values: [0.5 * HOUR, HOUR] })
    expect(Outages.fromCsv(csv, { provider: "two" })).toBeUndefined()
    expect(Outages.fromCsv("")).toBeUndefined()
  })

  it("draws good times and incidents in turn, as many as the gaps say", () => {
    const outages = Outages.fitted.openai
    const year = 365 * 24 * HOUR
    const phases = Outages.phases(outages, {
      until: 100 * year,
      random: Random.make(1),
      healthy: { name: "healthy" },
      incident: { name: "down", capacity: 0 }
    })
    const incidents = phases.filter(({ name }) => name === "down")
    expect(phases.every((phase) => phase.for > 0)).toBe(true)
    expect(phases.at(-1)!.name).toBe("healthy")
    expect(incidents.length / 100 / (365 / 3.56)).toBeCloseTo(1, 1)
    const lengths = incidents.map((phase) => phase.for).toSorted((a, b) => a - b)
    expect(lengths[Math.floor(lengths.length / 2)]! / 60_000 / 77).toBeCloseTo(1, 1)
  })

  it.skipIf(process.env.LLM_INCIDENTS === undefined)("agrees with what was fitted to the public data", () => {
    const text = fs.readFileSync(process.env.LLM_INCIDENTS!, "utf8")
    for (const provider of ["openai", "anthropic"] as const) {
      const { gap, length } = Outages.fromCsv(text, { provider })!
      const fitted = Outages.fitted[provider]
      const { values } = length as Extract<Distribution.Distribution, { readonly _tag: "Empirical" }>
      const { median } = fitted.length as Extract<Distribution.Distribution, { readonly _tag: "LogNormal" }>
      expect(values[Math.floor(values.length / 2)]! / median).toBeCloseTo(1, 1)
      expect(Distribution.mean(gap) / Distribution.mean(fitted.gap)).toBeCloseTo(1, 1)
    }
  })
})
