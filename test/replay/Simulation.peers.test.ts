/**
 * Breakers that know nothing of a simulation, on its time: the service of this library does what the pure machine does, and
 * the peers open and come back when their settings say so.
 */
import { describe, expect, it } from "@effect/vitest"
import type { Contender } from "../../bench/outages/contender.ts"
import { ours, persistences } from "../../bench/outages/effects.ts"
import { promises } from "../../bench/outages/promises.ts"
import { play } from "../../bench/outages/run.ts"
import * as CallWindow from "../../src/CallWindow.ts"
import * as Guard from "../../src/replay/Guard.ts"
import * as Policy from "../../src/replay/Policy.ts"
import type * as Scenario from "../../src/replay/Scenario.ts"
import * as Scenarios from "../../src/replay/Scenarios.ts"
import * as Simulation from "../../src/replay/Simulation.ts"
import * as TripPolicy from "../../src/TripPolicy.ts"

/** Ten calls a second, one after the other; dead from the second second to the 13th. */
const dead: Scenario.Scenario = {
  name: "dead",
  duration: 30_000,
  provider: { latency: 20 },
  phases: [
    { name: "healthy", for: 2000 },
    { name: "dead", for: 11_000, faults: [{ fault: { _tag: "Reset", after: 10 }, share: 1 }] },
    { name: "healthy again", for: 17_000 }
  ],
  clients: { rate: 10, arrivals: "even" }
}

describe("the service on virtual time", () => {
  it.each(
    [
      Policy.builtIn.default,
      Policy.builtIn.llm,
      Policy.make("growing", {
        tripPolicy: TripPolicy.failureRate({
          threshold: 0.5,
          minimumCalls: 10,
          window: CallWindow.lastCalls(100, { within: "2 seconds" }),
          belowMinimum: TripPolicy.consecutive(5)
        }),
        openDuration: { first: "1 second", most: "5 seconds" },
        jitter: 0.3,
        ramp: { shares: [0.25, 0.5], every: "1 second", minimumCalls: 3 }
      })
    ].map((policy) => [policy.name, policy] as const)
  )("does what the pure machine does, to the last call: %s", async (_, policy) => {
    for (const name of ["shopify-100-percent", "llm-micro", "llm-recovery-ramp"]) {
      const scenario = Scenarios.all[name]!
      const service = await play(scenario, ours(policy), 1)
      const machine = Simulation.run(scenario, { guard: Guard.policy(policy), seed: 1 })
      expect([service.totals, service.scores]).toEqual([machine.totals, machine.scores])
      // Each circuit tells by a stream of its own, and so a little later; and openings in whole milliseconds.
      const inOrder = (moves: typeof service.timeline.moves) =>
        moves.toSorted((a, b) => a.at - b.at || a.circuit.localeCompare(b.circuit)).map((move) =>
          move.openFor === undefined ? move : Object.assign({}, move, { openFor: Math.ceil(move.openFor) })
        )
      expect(inOrder(service.timeline.moves)).toEqual(inOrder(machine.timeline.moves))
    }
  })
})

describe("peers on virtual time", () => {
  const opened = async (contender: Contender): Promise<ReadonlyArray<readonly [number, string]>> => {
    const { timeline, totals } = await play(dead, contender, 1)
    expect([totals.undecided, totals.unfinished]).toEqual([0, 0])
    expect(totals.served + totals.failed + totals.refused).toBe(totals.arrivals)
    return timeline.moves.map(({ at, to }) => [Math.round(at), to])
  }
  const [consecutive] = persistences(5000)
  const [cockatiel, , opossum] = promises(5000)

  it("Effect's own breaker opens at the fifth failure, and asks again five seconds later", async () => {
    // Calls come every 100 ms and fail 10 ms later. The fifth in the outage is that of 2400.
    expect(await opened(consecutive!)).toEqual(OPENINGS)
  })

  it("cockatiel does the same", async () => {
    expect(await opened(cockatiel!)).toEqual(OPENINGS)
  })

  it("opossum opens when half of its window failed, and its timers fire on the run's time", async () => {
    const moves = await opened(opossum!)
    expect(moves[0]![1]).toBe("Open")
    expect(moves[1]).toEqual([moves[0]![0] + 5000, "HalfOpen"])
    expect(moves.at(-1)![1]).toBe("Closed")
  })

  it("give the machine its own time back", async () => {
    const [now, timeout] = [Date.now, globalThis.setTimeout]
    await opened(opossum!)
    expect(Date.now).toBe(now)
    expect(globalThis.setTimeout).toBe(timeout)
  })
})

const OPENINGS: ReadonlyArray<readonly [number, string]> = [
  [2410, "Open"],
  [7500, "HalfOpen"],
  [7510, "Open"],
  [12_600, "HalfOpen"],
  [12_610, "Open"],
  [17_700, "HalfOpen"],
  [17_720, "Closed"]
]
