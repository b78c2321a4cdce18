import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Scenario from "../../src/replay/Scenario.ts"
import * as Scenarios from "../../src/replay/Scenarios.ts"

const decode = Schema.decodeUnknownSync(Scenario.Scenario)

const blip = {
  name: "blip",
  duration: 60_000,
  provider: { servers: 50, latency: 200 },
  phases: [{ name: "healthy", for: 60_000 }],
  clients: { rate: 100 }
} satisfies Scenario.Scenario

describe("Scenario", () => {
  it("survives JSON, each of those that come with the library", () => {
    expect(Object.keys(Scenarios.all).length).toBeGreaterThan(20)
    for (const scenario of Object.values(Scenarios.all)) {
      expect(decode(JSON.parse(JSON.stringify(scenario)))).toEqual(scenario)
    }
  })

  it("knows what its provider can take", () => {
    expect(Scenario.capacity(blip)).toBe(250)
    expect(Scenario.capacity({ ...blip, provider: { ...blip.provider, slowdown: 1 } })).toBe(125)
    expect(Scenario.capacity({ ...blip, provider: { latency: 200 } })).toBe(Infinity)
    expect(Scenario.serviceTime({ ...blip, provider: { latency: 200, tokens: { output: 10, each: 20 } } })).toBe(400)
  })

  it("knows how many calls come at any moment", () => {
    const steps = { ...blip, clients: { rate: [{ at: 0, rate: 10 }, { at: 5000, rate: 30 }] } }
    expect([0, 4999, 5000, 90_000].map((at) => Scenario.rateAt(steps, at))).toEqual([10, 10, 30, 30])
    expect(Scenario.rateAt(blip, 7)).toBe(100)
  })

  it.each<[string, unknown]>([
    ["phases.0.for must be a finite duration above zero, got 0", { ...blip, phases: [{ name: "x", for: 0 }] }],
    ["shares that add up to 1 at most, got 1.2", {
      ...blip,
      phases: [{ name: "x", for: 1, faults: [0.6, 0.6].map((share) => ({ fault: { _tag: "Hang" }, share })) }]
    }],
    ["provider.servers must be a whole number of at least 1, got 0", { ...blip, provider: { servers: 0, latency: 1 } }],
    ["clients.rate must be a finite number of zero or more, or steps", { ...blip, clients: { rate: [] } }],
    ["clients.rate must be a finite number of zero or more, or steps", {
      ...blip,
      clients: { rate: [{ at: 1, rate: 1 }] }
    }],
    ["clients.breaker must be own or shared, got \"both\"", { ...blip, clients: { rate: 1, breaker: "both" } }],
    ["name must be a text that is not empty", { ...blip, name: " " }],
    ["at least one phase", { ...blip, phases: [] }]
  ])("says what is wrong: %s", (message, scenario) => {
    expect(() => Scenario.make(scenario as Scenario.Scenario)).toThrow(message)
    expect(() => decode(scenario)).toThrow(message.split(" must be ").at(-1)!.split(", got")[0]!)
  })
})

describe("a field of a scenario", () => {
  it.each<[string, unknown]>([
    ["clients.rte is no field that there is", { ...blip, clients: { rte: 100 } }],
    ["phases.0.latencyFactr is no field that there is", { ...blip, phases: [{ name: "x", for: 1, latencyFactr: 2 }] }],
    ["provider.latency is missing", { ...blip, provider: { servers: 5 } }],
    ["clients is missing", { ...blip, clients: undefined }]
  ])("is an error that names it where there is no such field, or it is not there: %s", (message, scenario) => {
    const { clients, ...rest } = scenario as Scenario.Scenario
    const given = clients === undefined ? rest : { ...rest, clients }
    expect(() => Scenario.make(given as Scenario.Scenario)).toThrow(`Scenario.make: ${message}`)
  })
})

describe("Scenarios", () => {
  it("leave the provider room on a good day", () => {
    for (const scenario of Object.values(Scenarios.all)) {
      const load = Scenario.rateAt(scenario, 0) / Scenario.capacity(scenario)
      expect(load).toBeLessThan(0.85)
    }
  })

  it("begin well, so that there is something to come back to, and end well", () => {
    for (const { name, phases } of Object.values(Scenarios.all)) {
      expect([name, phases[0]!.name]).toEqual([name, "healthy"])
      expect([name, phases.at(-1)!.name]).toEqual([name, expect.stringMatching(/^healthy/)])
    }
  })
})
