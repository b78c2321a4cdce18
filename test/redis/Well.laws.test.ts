/**
 * What processes tell of many calls at once, against what each of these calls would have said by itself.
 *
 * `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many histories are tried.
 */
// The assertions are in the properties.
/* oxlint-disable vitest/expect-expect */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Circuit from "../../src/Circuit.ts"
import * as Outcome from "../../src/Outcome.ts"
import * as Fleet from "../../src/redis/Fleet.ts"
import { Log, type Logged } from "../../src/redis/Log.ts"
import * as Stored from "../../src/redis/Stored.ts"
import { anySettings, millis } from "../anyHistory.ts"

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.FC_RUNS ?? 1000)
console.info(`Well.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

const pace: Fleet.Pace = { grace: 20, every: 100, forgetAfter: 1000 }

/** One call, as told by each of two processes that live through the same. */
type Pair = readonly [inLog: Logged, alone: Logged]

interface Teller {
  readonly name: string
  /** What its clock shows more than that of the store. */
  readonly ahead: number
  generation: number
  log: Log<Logged>
  /** What could not be told the last time. */
  untold: Log<Logged> | undefined
  mentions: Array<Logged>
  running: Array<Pair>
  /** What the fleet knows to run, of either. */
  known: [Array<Logged>, Array<Logged>]
  probes: Array<Fleet.Probe>
}

type Step =
  /** So many calls, one after the other or all at once, which come home well. */
  | {
    readonly do: "Well"
    readonly who: number
    readonly calls: number
    readonly lasts: number
    readonly atOnce: number
  }
  | { readonly do: "Begin"; readonly who: number }
  | { readonly do: "Answer"; readonly who: number }
  | { readonly do: "End"; readonly who: number; readonly back: number; readonly outcome: Outcome.Outcome }
  | { readonly do: "Wait"; readonly millis: number }
  | { readonly do: "Report"; readonly who: number; readonly asks: number; readonly isRefused: boolean }
  | { readonly do: "Reset"; readonly who: number }

const who = fc.nat({ max: 2 })
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("Well" as const),
      who,
      calls: fc.constantFrom(1, 2, 5, 20, 60),
      lasts: fc.constantFrom(0, 0, 0.25, 1, 40),
      atOnce: fc.constantFrom(1, 1, 2, 7)
    })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("Begin" as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("Answer" as const), who }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("End" as const),
      who,
      back: fc.nat({ max: 3 }),
      outcome: fc.constantFrom(
        Outcome.success,
        Outcome.failure(),
        Outcome.failure(),
        Outcome.ignored,
        Outcome.throttled({ retryAfter: 5 })
      )
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("Wait" as const), millis: fc.oneof(fc.constantFrom(1, 10, 21), millis) })
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("Report" as const),
      who,
      asks: fc.nat({ max: 2 }),
      isRefused: fc.integer({ min: 0, max: 5 }).map((n) => n === 0)
    })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("Reset" as const), who }) }
)

/** All but the numbers that calls of a window are counted by: nobody goes by them where no call is slow. */
const plain = (text: string): unknown => {
  const data = JSON.parse(text) as { readonly state: { readonly evidence?: { memories: Array<Array<unknown>> } } }
  const { evidence } = data.state
  if (evidence !== undefined) evidence.memories = evidence.memories.map((memory) => memory.slice(1))
  return data
}

const play = (settings: Circuit.Options, steps: ReadonlyArray<Step>): void => {
  const rules = Circuit.rules(settings)
  let now = 100_000
  let asked = 0
  const texts: [string, string] = ["", ""]
  texts[0] = texts[1] = Stored.write(Fleet.make(rules, now, "epoch", "enforce"))
  const tellers = ["a", "b", "c"].map((name, i): Teller => ({
    name,
    ahead: [0, 3, -50][i]!,
    generation: 0,
    log: new Log(),
    untold: undefined,
    mentions: [],
    running: [],
    known: [[], []],
    probes: []
  }))
  const begin = (one: Teller, part: Partial<Logged> = {}): Pair => {
    const call = (): Logged => ({
      generation: one.generation,
      startedAt: now + one.ahead,
      answeredAt: undefined,
      step: 0,
      place: undefined,
      outcome: undefined,
      settledAt: 0,
      entry: -1,
      isTold: true,
      ...part
    })
    return [call(), call()]
  }
  const admit = (one: Teller): Pair => {
    const pair = begin(one)
    one.log.admitted(pair[0])
    one.mentions.push(pair[1])
    return pair
  }
  const end = (one: Teller, [inLog, alone]: Pair, outcome: Outcome.Outcome): void => {
    one.log.cameHome(inLog, outcome, now + one.ahead)
    Object.assign(alone, { outcome, settledAt: now + one.ahead })
    one.mentions.push(alone)
  }
  const report = (one: Teller, asks: number, orders: ReadonlyArray<Circuit.Command>, isRefused: boolean): void => {
    one.log = one.untold?.followedBy(one.log) ?? one.log
    one.untold = undefined
    const names = Array.from({ length: asks }, () => `${one.name}:${asked++}`)
    const same = {
      member: one.name,
      now,
      shift: -one.ahead,
      looks: true,
      probes: one.probes,
      orders,
      asks: names
    }
    const outs = [0, 1].map((i) => {
      const fleet = Stored.read(texts[i]!, rules, now)!
      const told = i === 0 ? { happened: one.log.entries, well: one.log.well } : { happened: one.mentions }
      const out = Fleet.apply(fleet, { ...same, running: one.known[i]!, ...told }, pace)
      const text = Stored.write(fleet)
      if (!isRefused) texts[i] = text
      return { out, text, generation: fleet.circuit.cell.current.generation }
    })
    const [first, second] = outs as [typeof outs[number], typeof outs[number]]
    assert.deepStrictEqual(plain(first.text), plain(second.text))
    assert.deepStrictEqual(first.out.transitions, second.out.transitions)
    assert.deepStrictEqual([first.out.againAt, first.out.isNews], [second.out.againAt, second.out.isNews])
    // Others were quicker: it is told with what happens until the next time.
    if (isRefused) {
      one.untold = one.log
      one.log = new Log()
      return
    }
    one.generation = first.generation
    one.log = new Log()
    one.mentions = []
    one.probes = []
    one.known = [0, 1].map((i) =>
      [...outs[i]!.out.places].map(([call, place]) => Object.assign(call as Logged, { place }))
    ) as Teller["known"]
    one.running = one.running.filter(([call]) => call.place !== undefined)
    first.out.answers.forEach((answer, i) => {
      const other = second.out.answers[i]
      if (!(answer instanceof Circuit.Permit)) return
      const place = first.out.admitted.get(answer)
      if (place === undefined) {
        one.probes.push({ id: names[i]!, answeredAt: undefined, outcome: Outcome.success, settledAt: now })
        return
      }
      const pair = begin(one, { generation: answer.generation, step: answer.step, place })
      Object.assign(pair[1], { place: second.out.admitted.get(other as Circuit.Permit) })
      one.running.push(pair)
      one.known[0].push(pair[0])
      one.known[1].push(pair[1])
    })
  }
  for (const step of steps) {
    if (step.do === "Wait") {
      now += step.millis
      continue
    }
    const one = tellers[step.who]!
    if (step.do === "Begin") one.running.push(admit(one))
    else if (step.do === "Answer") {
      for (const call of one.running.at(-1) ?? []) {
        Object.assign(call, { answeredAt: call.answeredAt ?? now + one.ahead })
      }
    } else if (step.do === "End") {
      const [pair] = one.running.splice(-1 - step.back, 1)
      if (pair !== undefined) end(one, pair, step.outcome)
    } else if (step.do === "Well") {
      for (let left = step.calls; left > 0; left -= step.atOnce) {
        const calls = Array.from({ length: Math.min(left, step.atOnce) }, () => admit(one))
        now += step.lasts
        while (calls.length > 0) end(one, calls.splice(left % calls.length, 1)[0]!, Outcome.success)
      }
    } else if (step.do === "Report") report(one, step.asks, [], step.isRefused)
    else report(one, 0, [{ _tag: "Reset" }], false)
  }
}

describe("calls that came home well", () => {
  it("say together what each of them would have said, to a fleet of one and of many (rules 14 to 18)", () => {
    const anySteps = fc.array(anyStep, { maxLength: 60, size: "max" })
    const property = fc.property(anySettings, fc.boolean(), anySteps, (settings, isAlone, steps) => {
      play(settings, isAlone ? steps.map((step) => "who" in step ? { ...step, who: 0 } : step) : steps)
    })
    fc.assert(property, { seed, numRuns: runs })
  }, 600_000)
})
