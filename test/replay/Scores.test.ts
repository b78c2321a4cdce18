import { describe, expect, it } from "@effect/vitest"
import type * as Circuit from "../../src/Circuit.ts"
import type { Work } from "../../src/replay/Job.ts"
import { Ledger } from "../../src/replay/Ledger.ts"
import type * as Scenario from "../../src/replay/Scenario.ts"
import * as Scores from "../../src/replay/Scores.ts"

const work: Work = {
  reached: 0,
  turnedAway: 0,
  started: 0,
  abandoned: 0,
  inputTokens: 0,
  outputTokens: 0,
  wastedInputTokens: 2_000_000,
  wastedOutputTokens: 1_000_000,
  busyFor: 0,
  waitedFor: 0
}

interface Second {
  /** The share of calls that it could answer. */
  readonly good: number
  /** Of a hundred calls, how many were let through, and how many of them went well. */
  readonly admitted: number
  readonly served: number
}

const up: Second = { good: 1, admitted: 100, served: 100 }
const times = (count: number, second: Second): ReadonlyArray<Second> => Array.from({ length: count }, () => second)

/** The scores of a run told second by second, a hundred calls in each, of a provider that can take 125. */
const scored = (
  seconds: ReadonlyArray<Second>,
  moves: ReadonlyArray<readonly [at: number, circuit: number, to: Circuit.State["_tag"]]> = [],
  clients: Partial<Scenario.Clients> = {}
) => {
  const scenario: Scenario.Scenario = {
    name: "told",
    duration: seconds.length * 1000,
    provider: { servers: 125, latency: 1000 },
    phases: [{ name: "told", for: 1000 }],
    clients: { rate: 100, ...clients },
    price: { input: 3, output: 15 }
  }
  const ledger = new Ledger(scenario.duration)
  seconds.forEach(({ admitted, good, served }, i) => {
    ledger.capacity[i] = 125
    ledger.good[i] = good
    for (let call = 0; call < 100; call++) {
      const at = i * 1000 + call * 10
      ledger.arrived(at)
      ledger.ask(at)
      if (call < admitted) ledger.admit(at)
      ledger.ended(at, call < served ? "served" : call < admitted ? "failed" : "refused", at + 10)
    }
  })
  for (const [at, circuit, to] of moves) {
    ledger.moves.push({
      at,
      circuit,
      to,
      from: "Closed",
      generation: 1,
      cause: undefined,
      openFor: undefined,
      share: undefined
    })
  }
  return Scores.make(scenario, ledger, work)
}

describe("Scores", () => {
  it("has nothing to say of an outage where there was none", () => {
    expect(scored(times(10, up))).toEqual({
      reachedDead: undefined,
      served: 1,
      servedInTrouble: undefined,
      servableInTrouble: undefined,
      servedAfter: undefined,
      timeToOpen: undefined,
      timeToRecover: undefined,
      peakLoad: undefined,
      falseOpenings: 0,
      userFailures: 0,
      waitedInVain: 0,
      wastedTokens: 3_000_000,
      wastedMoney: 21
    })
  })

  it("tells how much of a total outage reached the provider, and what users had of it", () => {
    const dead = (admitted: number): Second => ({ good: 0, admitted, served: 0 })
    const run = scored([...times(10, up), dead(100), ...times(9, dead(0)), ...times(5, up)])
    expect(run).toMatchObject({
      reachedDead: 0.1,
      served: 0.6,
      servedInTrouble: 0,
      servableInTrouble: 0,
      servedAfter: 1,
      timeToRecover: 0,
      userFailures: 1000,
      waitedInVain: 10_000
    })
  })

  it("takes a partial outage for trouble, and not for death", () => {
    const half: Second = { good: 0.5, admitted: 100, served: 40 }
    expect(scored([...times(5, up), ...times(5, half), ...times(5, up)])).toMatchObject({
      reachedDead: undefined,
      servedInTrouble: 0.4,
      servableInTrouble: 0.5
    })
    const nearly: Second = { good: 0.9, admitted: 100, served: 40 }
    expect(scored([...times(5, up), ...times(5, nearly)]).servedInTrouble).toBeUndefined()
  })

  it("counts the time to recover until nine tenths are served for good", () => {
    const dead: Second = { good: 0, admitted: 0, served: 0 }
    const partly = (served: number): Second => ({ good: 1, admitted: served, served })
    const after = (...seconds: ReadonlyArray<Second>) =>
      scored([...times(10, up), ...times(5, dead), ...seconds]).timeToRecover
    expect(after(...times(5, up))).toBe(0)
    expect(after(partly(0), partly(89), partly(90), up)).toBe(2000)
    // Back, and gone again.
    expect(after(up, up, partly(50), up, up)).toBe(3000)
    expect(after(up, up, partly(50))).toBe(Infinity)
    expect(after()).toBe(Infinity)
  })

  it("takes the longest recovery of several troubles", () => {
    const dead: Second = { good: 0, admitted: 0, served: 0 }
    const late: Second = { good: 1, admitted: 0, served: 0 }
    const run = scored([up, dead, late, up, up, dead, late, late, late, up, dead, up])
    expect(run.timeToRecover).toBe(3000)
  })

  it("tells when the middle one of the circuits opened, in the first trouble alone", () => {
    const dead: Second = { good: 0, admitted: 0, served: 0 }
    const seconds = [...times(10, up), ...times(10, dead), ...times(10, up)]
    const opened = (...moves: ReadonlyArray<readonly [number, number, Circuit.State["_tag"]]>) =>
      scored(seconds, moves, { count: 3 }).timeToOpen
    expect(opened([10_100, 0, "Open"], [10_500, 2, "Open"], [10_900, 1, "Open"])).toBe(500)
    expect(opened([10_100, 0, "Open"], [11_000, 0, "Open"], [12_000, 1, "Open"])).toBe(2000)
    expect(opened([10_100, 0, "Open"])).toBe(Infinity)
    expect(opened([9999, 0, "Open"], [20_000, 1, "Open"])).toBe(Infinity)
  })

  it("calls an opening false when most calls would have gone well", () => {
    const half: Second = { good: 0.5, admitted: 100, served: 50 }
    const worse: Second = { good: 0.49, admitted: 100, served: 49 }
    const seconds = [up, half, worse, up]
    expect(scored(seconds, [[500, 0, "Open"], [1500, 0, "Open"], [2500, 0, "Open"], [3000, 0, "Closed"]]).falseOpenings)
      .toBe(2)
  })

  it("takes the peak of the load over ten seconds, from the end of the outage on", () => {
    const dead: Second = { good: 0, admitted: 100, served: 0 }
    const seconds = [...times(10, up), ...times(10, dead), ...times(9, { ...up, admitted: 25 }), ...times(4, up)]
    // The best ten seconds have four at 100 calls and six at 25; what went on before does not count.
    expect(scored(seconds).peakLoad).toBeCloseTo((4 * 100 + 6 * 25) / 1250, 12)
  })
})
