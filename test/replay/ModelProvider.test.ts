import { describe, expect, it } from "@effect/vitest"
import { Duration } from "effect"
import type * as Outcome from "../../src/Outcome.ts"
import { Agenda } from "../../src/replay/Agenda.ts"
import type * as Fault from "../../src/replay/Fault.ts"
import { Health } from "../../src/replay/Health.ts"
import { ModelProvider } from "../../src/replay/ModelProvider.ts"
import * as Random from "../../src/replay/Random.ts"
import type * as Scenario from "../../src/replay/Scenario.ts"

/** A provider on its own, and calls to it at the times given: what each was told, and when. */
const playing = (
  provider: Scenario.Provider,
  calls: ReadonlyArray<number>,
  rest: { readonly phases?: ReadonlyArray<Scenario.Phase>; readonly timeout?: Scenario.Clients["timeout"] } = {}
) => {
  const agenda = new Agenda()
  const scenario: Scenario.Scenario = {
    name: "test",
    duration: 60_000,
    provider,
    phases: rest.phases ?? [{ name: "healthy", for: 60_000 }],
    clients: { rate: 0, timeout: rest.timeout }
  }
  const model = new ModelProvider(scenario, agenda, new Health(scenario, agenda))
  const told: ReadonlyArray<Array<readonly [number, string]>> = calls.map(() => [])
  const outcomes: Array<Outcome.Outcome> = []
  calls.forEach((at, i) =>
    agenda.add(at, {
      due: (now) =>
        model.cast({
          content: (at) => told[i]!.push([at, "content"]),
          ended: (outcome, at) => {
            outcomes[i] = outcome
            told[i]!.push([at, outcome._tag === "Failure" ? outcome.kind! : outcome._tag])
          }
        }, Random.make(i)).begin(now)
    })
  )
  while (agenda.step());
  return { told, work: model.work, model, outcomes, agenda }
}

const down = (fault: Fault.Fault): ReadonlyArray<Scenario.Phase> => [{
  name: "down",
  for: 60_000,
  faults: [{ fault, share: 1 }]
}]

const chat: Scenario.Provider = { latency: 100, tokens: { output: 10, each: 20, input: 50 } }

describe("ModelProvider", () => {
  it("works on as many calls as it has servers, and lets the others wait in the order in which they came", () => {
    const { told, work } = playing({ servers: 2, latency: 100 }, [0, 10, 20, 30, 40])
    expect(told).toEqual([
      [[100, "Success"]],
      [[110, "Success"]],
      [[200, "Success"]],
      [[210, "Success"]],
      [[300, "Success"]]
    ])
    expect(work.waitedFor).toBe(80 + 80 + 160)
    expect(work.busyFor).toBe(500)
  })

  it("turns away at once for whom there is no place in the queue", () => {
    const { told, work } = playing({ servers: 1, queue: 1, turnedAway: 7, latency: 100 }, [0, 10, 20])
    expect(told).toEqual([[[100, "Success"]], [[200, "Success"]], [[27, "overloaded"]]])
    expect(work).toMatchObject({ reached: 3, turnedAway: 1, started: 2 })
  })

  it("streams: first content after the latency, and the end when the last token is out", () => {
    const { told, work } = playing(chat, [0])
    expect(told).toEqual([[[100, "content"], [300, "Success"]]])
    expect(work).toMatchObject({ inputTokens: 50, outputTokens: 10, wastedInputTokens: 0, wastedOutputTokens: 0 })
  })

  it("takes longer the busier it is", () => {
    const { told } = playing({ servers: 2, slowdown: 1, latency: 100 }, [0, 0])
    // Half of the servers busy, then all.
    expect(told).toEqual([[[150, "Success"]], [[200, "Success"]]])
  })

  it("goes on with work that nobody waits for, in the queue too", () => {
    const { told, work } = playing({ servers: 1, latency: 100 }, [0, 10, 20], { timeout: { total: 60 } })
    expect(told).toEqual([[[60, "timeout"]], [[70, "timeout"]], [[80, "timeout"]]])
    expect(work).toMatchObject({ abandoned: 3, started: 3, busyFor: 300 })
  })

  it("stops work that nobody waits for, where the scenario says so", () => {
    const { told, work } = playing({ servers: 1, latency: 100, worksOn: false }, [0, 10, 65], {
      timeout: { total: 60 }
    })
    expect(told).toEqual([[[60, "timeout"]], [[70, "timeout"]], [[125, "timeout"]]])
    // The second had ten of its milliseconds at work, the third took over where it gave up.
    expect(work).toMatchObject({ abandoned: 3, started: 3, busyFor: 60 + 10 + 55 })
  })

  it("lets nobody work for who left the queue, where the scenario says so", () => {
    const { work, model } = playing({ servers: 1, latency: 100, worksOn: false }, [0, 10, 20], {
      timeout: { total: 101 }
    })
    expect(work).toMatchObject({ abandoned: 2, started: 2 + 1 })
    expect(model.queued).toBe(0)
    expect(model.busy).toBe(0)
  })

  it("an answer at the very moment at which its client gives up is in time", () => {
    expect(playing({ latency: 100 }, [0], { timeout: { total: 100 } }).told).toEqual([[[100, "Success"]]])
    expect(playing({ latency: 100 }, [0], { timeout: { total: 99 } }).told).toEqual([[[99, "timeout"]]])
    expect(playing(chat, [0], { timeout: { total: 300 } }).told).toEqual([[[100, "content"], [300, "Success"]]])
    expect(playing(chat, [0], { timeout: { total: 299 } }).told).toEqual([[[100, "content"], [299, "timeout"]]])
    expect(playing(chat, [0], { timeout: { firstContent: 100 } }).told[0]!.at(-1)).toEqual([300, "Success"])
    expect(playing(chat, [0], { timeout: { firstContent: 99 } }).told).toEqual([[[99, "timeout"]]])
  })

  it("has a fault for each way in which a call goes wrong", () => {
    const timeout = { firstContent: 5000, idle: 1000, total: 9000 }
    const ends = (fault: Fault.Fault, provider = chat) =>
      playing(provider, [0], { phases: down(fault), timeout }).told[0]
    expect(ends({ _tag: "Reset", after: 3 })).toEqual([[3, "connection reset"]])
    expect(ends({ _tag: "Overloaded", after: 4 })).toEqual([[4, "overloaded"]])
    expect(ends({ _tag: "RateLimited", retryAfter: 500 })).toEqual([[50, "Throttled"]])
    expect(ends({ _tag: "QuotaSpent" })).toEqual([[50, "Trip"]])
    expect(ends({ _tag: "Failed", after: 0.3 })).toEqual([[90, "server error"]])
    expect(ends({ _tag: "Hang" })).toEqual([[5000, "timeout"]])
    expect(ends({ _tag: "Stall", tokens: 3 })).toEqual([[100, "content"], [100 + 60 + 1000, "stalled"]])
    expect(ends({ _tag: "Cut", after: 0.5 })).toEqual([[100, "content"], [200, "cut off"]])
    expect(ends({ _tag: "BadAnswer" })).toEqual([[100, "content"], [300, "Ignored"]])
    expect(ends({ _tag: "Slow", longer: 400 })).toEqual([[500, "content"], [700, "Success"]])
    expect(ends({ _tag: "Stall", tokens: 3 }, { latency: 100 })).toEqual([[5000, "stalled"]])
  })

  it("counts the tokens of what came to nothing as wasted", () => {
    const wasted = (fault: Fault.Fault) => {
      const { work } = playing(chat, [0], { phases: down(fault), timeout: { idle: 1000, total: 9000 } })
      return [work.outputTokens, work.wastedOutputTokens, work.wastedInputTokens]
    }
    expect(wasted({ _tag: "Reset" })).toEqual([0, 0, 0])
    expect(wasted({ _tag: "Hang" })).toEqual([0, 0, 50])
    expect(wasted({ _tag: "Stall", tokens: 3 })).toEqual([3, 3, 50])
    expect(wasted({ _tag: "Cut", after: 0.5 })).toEqual([5, 5, 50])
    expect(wasted({ _tag: "BadAnswer" })).toEqual([10, 10, 50])
    expect(wasted({ _tag: "Slow", longer: 1 })).toEqual([10, 0, 0])
    // Nobody waits for the second half of it, and it is written all the same.
    const { work } = playing(chat, [0], { timeout: { total: 200 } })
    expect(work).toMatchObject({ outputTokens: 10, wastedOutputTokens: 10, wastedInputTokens: 50 })
  })

  it("says for how long, where it knows", () => {
    const hintOf = (fault: Fault.Fault) => {
      const outcome = playing(chat, [20_000], { phases: down(fault) }).outcomes[0]!
      const hint = outcome._tag === "Throttled" ? outcome.retryAfter : outcome._tag === "Trip" ? outcome.openFor : "no"
      return hint === undefined ? undefined : Duration.toMillis(hint as Duration.Duration)
    }
    expect(hintOf({ _tag: "RateLimited", retryAfter: 500 })).toBe(500)
    expect(hintOf({ _tag: "RateLimited" })).toBeUndefined()
    expect(hintOf({ _tag: "QuotaSpent", retryAfter: "phase" })).toBe(40_000)
  })

  it("begins with who waits as soon as a server is back, to the microsecond", () => {
    const { told } = playing({ servers: 4, latency: 100 }, [0, 0, 0, 0, 0], {
      phases: [{ name: "down", for: 1000, capacity: 0 }, { name: "grows", for: 4000, capacity: { from: 0, to: 1 } }]
    })
    // Servers come at 2, 3, 4 and 5 seconds; each is free again long before the next one comes.
    expect(told.map((one) => Math.round(one[0]![0] * 1000) / 1000)).toEqual([2100, 2200, 2300, 2400, 2500])
  })

  it("brings the last server with the end of a phase in which capacity grows, whatever the shares", () => {
    for (const from of [0.05, 0.1, 0.3, 0.7]) {
      const { told } = playing({ servers: 1, latency: 100 }, [0], {
        phases: [{ name: "grows", for: 30, capacity: { from, to: 1 }, lifts: { below: 0.5, during: 3000 } }, {
          name: "never",
          for: 1
        }]
      })
      expect(Math.round(told[0]![0]![0])).toBe(130)
    }
  })

  it("keeps a phase up until the load is low for long enough", () => {
    const phases: ReadonlyArray<Scenario.Phase> = [
      { name: "overload", for: 10_000, lifts: { below: 0.5, during: 3000 } },
      { name: "well", for: 10_000 }
    ]
    const agenda = new Agenda()
    const scenario = { name: "x", duration: 60_000, provider: { latency: 1 }, phases, clients: { rate: 0 } }
    const health = new Health(scenario, agenda)
    const load = (until: number, load: number) => {
      while (agenda.next <= until) agenda.step()
      health.offered(load, 1000, until)
      return health.phase.name
    }
    // Low for long, but before its time.
    for (let at = 1000; at < 10_000; at += 1000) expect(load(at, 0.1)).toBe("overload")
    expect(load(10_000, 0.5)).toBe("overload")
    expect(load(11_000, 0.49)).toBe("overload")
    expect(load(12_000, 0.49)).toBe("overload")
    expect(load(13_000, 0.5)).toBe("overload")
    expect(load(14_000, 0.1)).toBe("overload")
    expect(load(15_000, 0.1)).toBe("overload")
    expect(load(16_000, 0.1)).toBe("well")
    expect(health.read(20_000)).toEqual([
      { name: "overload", from: 0, until: 16_000 },
      { name: "well", from: 16_000, until: 20_000 }
    ])
  })
})
