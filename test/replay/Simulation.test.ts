import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import * as Circuit from "../../src/Circuit.ts"
import * as Distribution from "../../src/replay/Distribution.ts"
import type * as Fault from "../../src/replay/Fault.ts"
import * as Guard from "../../src/replay/Guard.ts"
import * as Policy from "../../src/replay/Policy.ts"
import type * as Scenario from "../../src/replay/Scenario.ts"
import * as Scenarios from "../../src/replay/Scenarios.ts"
import * as Simulation from "../../src/replay/Simulation.ts"
import * as TripPolicy from "../../src/TripPolicy.ts"

const hash = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex")

/** Calls by chance, each worked on for a time by chance, by so many servers. */
const queue = (servers: number, load: number, seconds: number): Scenario.Scenario => ({
  name: `M/M/${servers}`,
  duration: seconds * 1000,
  provider: { servers, latency: Distribution.exponential(1000) },
  phases: [{ name: "healthy", for: 1000 }],
  clients: { rate: servers * load }
})

/** Erlang's formula C: the share of calls that have to wait. */
const waiting = (servers: number, load: number): number => {
  const offered = servers * load
  let term = 1
  let sum = 0
  for (let k = 0; k < servers; k++) {
    sum += term
    term *= offered / (k + 1)
  }
  const last = term / (1 - load)
  return last / (sum + last)
}

describe("Simulation", () => {
  // Long enough for a mean wait to settle to within a percent: waits come in spells.
  it.each([[1, 0.5, 800_000], [4, 0.7, 400_000], [10, 0.8, 200_000]])(
    "waits as long as Erlang says, for %i servers at a load of %d",
    (servers, load, seconds) => {
      const { work } = Simulation.run(queue(servers, load, seconds))
      const expected = waiting(servers, load) / (servers * (1 - load)) * 1000
      expect(Math.abs(work.waitedFor / work.started / expected - 1)).toBeLessThan(0.02)
      expect(Math.abs(work.busyFor / (seconds * 1000) / (servers * load) - 1)).toBeLessThan(0.02)
    }
  )

  it("keeps Little's law: as many are there as come, times how long they stay", () => {
    const simulation = Simulation.make(queue(4, 0.7, 100_000))
    let there = 0
    let last = 0
    let present = 0
    while (simulation.step()) {
      there += present * (simulation.now - last)
      last = simulation.now
      present = simulation.provider.busy + simulation.provider.queued
    }
    const { totals, work } = simulation.read()

    const mean = there / last
    const rate = totals.arrivals / last
    const stay = (work.busyFor + work.waitedFor) / totals.served
    expect(Math.abs(mean / (rate * stay) - 1)).toBeLessThan(0.001)
    expect(Math.abs(rate * 1000 / 2.8 - 1)).toBeLessThan(0.02)
  })

  it("gives the same run for the same seed, to the bit and on every machine, and another for another", () => {
    const run = (seed: number) => {
      const guard = Guard.policy(Policy.make("plain", { openDuration: "5 seconds", jitter: 0.2 }))
      const { timeline, totals, work } = Simulation.run(Scenarios.all["llm-micro"]!, { seed, guard })
      return hash({ timeline, totals, work })
    }
    expect(run(1)).toBe(HASH)
    expect(run(2)).not.toBe(run(1))
  })

  it("gives two policies the same calls with the same fates", () => {
    const policies = [
      Guard.none,
      Guard.policy(Policy.builtIn.default),
      Guard.policy(Policy.make("nervous", { tripPolicy: TripPolicy.consecutive(1) }))
    ]
    const runs = policies.map((guard) => Simulation.run(Scenarios.all["shopify-100-percent"]!, { guard }))
    expect(new Set(runs.map(({ totals }) => totals.arrivals)).size).toBe(1)
    expect(new Set(runs.map(({ totals }) => totals.served)).size).toBe(3)
    // Of what was asked for, as many would have failed in each second, whoever was refused.
    const doomed = runs.map(({ timeline }) =>
      timeline.refusedFailed.reduce((sum, refused) => sum + refused, 0) +
      timeline.failed.reduce((sum, failed) => sum + failed, 0)
    )
    expect(new Set(doomed).size).toBe(1)
  })

  it("is the same, step by step, for a guard that answers later", () => {
    const scenario = Scenarios.all["shopify-100-percent"]!
    const guard = Guard.policy(Policy.builtIn.llm)
    const decisions: Array<() => void> = []
    const late: Guard.Make = (host) => {
      const inner = guard(host)
      return {
        ask: (now) => {
          const later = new Guard.Later()
          decisions.push(() => later.decide(inner.ask(now) as Guard.Pass | Guard.Refusal))
          return later
        }
      }
    }
    const simulation = Simulation.make(scenario, { guard: late })
    while (simulation.step()) {
      for (const decide of decisions.splice(0)) decide()
    }
    expect(simulation.isDone).toBe(true)
    expect(hash(simulation.read())).toBe(hash(Simulation.run(scenario, { guard })))
  })

  it("loses no call, counts none twice and has no event in the past, whatever the scenario", () => {
    const chance = (of: number) => fc.double({ min: 0, max: of, noNaN: true })
    const fault: fc.Arbitrary<Fault.Fault> = fc.oneof(
      fc.constant<Fault.Fault>({ _tag: "Reset" }),
      fc.constant<Fault.Fault>({ _tag: "Overloaded", after: 300 }),
      fc.constant<Fault.Fault>({ _tag: "RateLimited", retryAfter: 700 }),
      fc.constant<Fault.Fault>({ _tag: "QuotaSpent", retryAfter: "phase" }),
      fc.constant<Fault.Fault>({ _tag: "Failed", after: 0.3 }),
      fc.constant<Fault.Fault>({ _tag: "Hang" }),
      fc.constant<Fault.Fault>({ _tag: "Stall", tokens: 3 }),
      fc.constant<Fault.Fault>({ _tag: "Cut", after: 0.5 }),
      fc.constant<Fault.Fault>({ _tag: "BadAnswer" }),
      fc.constant<Fault.Fault>({ _tag: "Slow", longer: Distribution.exponential(2000) })
    )
    const phase: fc.Arbitrary<Scenario.Phase> = fc.record({
      name: fc.constant("phase"),
      for: fc.integer({ min: 1, max: 20_000 }),
      faults: fc.array(fc.record({ fault, share: chance(0.33) }), { maxLength: 3 }),
      latencyFactor: fc.constantFrom(1, 1, 5),
      capacity: fc.constantFrom<Scenario.Phase["capacity"]>(1, 0.5, 0, { from: 0.1, to: 1 }, { from: 1, to: 0 }),
      lifts: fc.constantFrom<Scenario.Phase["lifts"]>(undefined, undefined, { below: 0.5, during: 3000 })
    })
    const scenario: fc.Arbitrary<Scenario.Scenario> = fc.record({
      name: fc.constant("any"),
      duration: fc.integer({ min: 1, max: 30_000 }),
      provider: fc.record({
        servers: fc.constantFrom(1, 3, 20, undefined),
        queue: fc.constantFrom(0, 1, 10, undefined),
        latency: fc.constantFrom<Distribution.Distribution>(200, Distribution.exponential(500)),
        tokens: fc.constantFrom<Scenario.Provider["tokens"]>(undefined, { output: 20, each: 30, input: 10 }),
        slowdown: fc.constantFrom(0, 1),
        worksOn: fc.boolean()
      }),
      phases: fc.array(phase, { minLength: 1, maxLength: 4 }),
      clients: fc.record({
        rate: fc.constantFrom<Scenario.Clients["rate"]>(20, [
          { at: 0, rate: 5 },
          { at: 3000, rate: 0 },
          { at: 9000, rate: 50 }
        ]),
        arrivals: fc.constantFrom("poisson", "even"),
        count: fc.constantFrom(1, 3),
        breaker: fc.constantFrom("own", "shared"),
        concurrency: fc.constantFrom<Scenario.Clients["concurrency"]>(undefined, { limit: 2 }, { limit: 2, queue: 3 }),
        timeout: fc.constantFrom<Scenario.Clients["timeout"]>(
          { total: 1000 },
          { firstContent: 300, idle: 200, total: 3000 }
        ),
        retry: fc.constantFrom<Scenario.Clients["retry"]>(undefined, {
          attempts: 3,
          delay: 100,
          jitter: 0.5,
          refusals: true
        })
      })
    })
    const policy = fc.constantFrom(
      Guard.none,
      Guard.policy(Policy.builtIn.default),
      Guard.policy(Policy.builtIn.llm),
      Guard.policy(Policy.make("nervous", { tripPolicy: TripPolicy.consecutive(2), openDuration: "1 second" }))
    )
    fc.assert(
      fc.property(scenario, policy, fc.nat(), (scenario, guard, seed) => {
        const simulation = Simulation.make(scenario, { guard, seed })
        let last = 0
        while (simulation.step()) {
          if (simulation.now < last) throw new Error(`${simulation.now} after ${last}`)
          last = simulation.now
        }
        const { phases, scores, timeline, totals, work } = simulation.read()
        const sum = (column: ReadonlyArray<number>) => column.reduce((sum, one) => sum + one, 0)

        expect(simulation.isDone).toBe(true)
        expect(totals.unfinished + totals.undecided).toBe(0)
        expect(totals.served + totals.failed + totals.refused + totals.dropped).toBe(totals.arrivals)
        expect(totals.admitted + totals.turnedBack).toBe(totals.asked)
        expect(totals.settled).toBe(totals.admitted)
        expect(work.reached).toBe(totals.admitted)
        expect(work.turnedAway + work.started).toBeLessThanOrEqual(work.reached)
        // Who left the queue is neither; with patience unlimited all are one of the two.
        expect(work.reached - work.turnedAway - work.started).toBeLessThanOrEqual(work.abandoned)
        expect(simulation.provider.busy).toBe(0)
        expect(scores.userFailures).toBe(totals.arrivals - totals.served)
        expect(sum(timeline.asked)).toBe(totals.asked)
        expect(sum(timeline.refusedFailed) + sum(timeline.refusedSucceeded) + sum(timeline.refusedUnknown))
          .toBe(totals.turnedBack)
        expect(sum(timeline.succeeded)).toBe(totals.served)
        expect(phases[0]!.from).toBe(0)
        for (const [i, { from }] of phases.slice(1).entries()) expect(from).toBe(phases[i]!.until)
      }),
      { numRuns: 150 }
    )
  })

  it("answers every call in good time on a good day", () => {
    const { clients, duration, name, provider } = Scenarios.all["llm-micro"]!
    const { scores, work } = Simulation.run({
      name,
      duration,
      provider,
      clients: { rate: clients.rate, timeout: { firstContent: 400_000, idle: 1000, total: 1_000_000 } },
      phases: [{ name: "healthy", for: 1 }]
    })
    expect(scores.served).toBe(1)
    expect([work.abandoned, work.wastedOutputTokens]).toEqual([0, 0])
  })

  it("lets a provider that would recover be kept down by those who call it", () => {
    // Three attempts for each call, and a queue in which all of them are out of time before they are answered.
    const herd: Scenario.Scenario = {
      name: "herd",
      duration: 600_000,
      provider: { servers: 10, latency: 100 },
      phases: [
        { name: "healthy", for: 60_000 },
        { name: "half of it", for: 20_000, capacity: 0.3 },
        { name: "healthy again", for: 60_000 }
      ],
      clients: { rate: 60, timeout: { total: 1000 }, retry: { attempts: 3, delay: 200 } }
    }
    const alone = Simulation.run(herd)
    expect(alone.scores.timeToRecover).toBe(Infinity)
    expect(alone.scores.servedAfter).toBeLessThan(0.1)
    const guarded = Simulation.run(herd, {
      guard: Guard.policy(Policy.make("patient", { openDuration: "10 seconds" }))
    })
    expect(guarded.scores.timeToRecover).toBeLessThan(60_000)
    expect(guarded.scores.servedAfter).toBeGreaterThan(0.8)
  })

  it("gives each client a breaker of its own, or one to all", () => {
    const { clients: { rate }, ...rest } = Scenarios.all["shopify-100-percent"]!
    const scenario = (breaker: "own" | "shared") => ({ ...rest, clients: { rate, count: 7, breaker } })
    const circuits = (breaker: "own" | "shared") => {
      const { timeline } = Simulation.run(scenario(breaker), { guard: Guard.policy(Policy.builtIn.default) })
      return [...new Set(timeline.moves.map(({ circuit }) => circuit))].toSorted()
    }
    expect(circuits("own")).toEqual([1, 2, 3, 4, 5, 6, 7].map((number) => `circuit ${number}`))
    expect(circuits("shared")).toEqual(["circuit"])
  })

  it("takes any circuit for a guard", () => {
    const guard = Guard.circuit((host) => Circuit.make(Circuit.rules({}), 0, host))
    const { scores } = Simulation.run(Scenarios.all["shopify-100-percent"]!, { guard })
    const same = Simulation.run(Scenarios.all["shopify-100-percent"]!, { guard: Guard.policy(Policy.builtIn.default) })
    expect(scores).toEqual(same.scores)
  })
})

/** The smoke test holds every supported Node to the same. */
const HASH = "c140167bbdf546bf2fc73c86f5b7aee7f5fe8ea1afd845aa043a286e727a936b"
