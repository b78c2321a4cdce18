/**
 * The circuit of a fleet as text: what is written is read as it was, nothing that is read can do harm, and the text does not
 * grow.
 *
 * `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many texts are tried.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as CallWindow from "../../src/CallWindow.ts"
import * as Circuit from "../../src/Circuit.ts"
import * as Outcome from "../../src/Outcome.ts"
import * as Fleet from "../../src/redis/Fleet.ts"
import * as Stored from "../../src/redis/Stored.ts"
import * as TripPolicy from "../../src/TripPolicy.ts"
import { chance } from "../loads.ts"
import { beginning } from "./processes.ts"
import { anyStorm, pace, rage, type Storm } from "./storm.ts"

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.FC_RUNS ?? 40)
console.info(`Stored.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

interface Moment {
  readonly text: string
  readonly now: number
  readonly rules: Circuit.Rules
}

/** The circuit at a hundred moments of a storm. */
const momentsOf = (storm: Storm): ReadonlyArray<Moment> => {
  const moments: Array<Moment> = []
  let count = 0
  rage(storm, 3000, 0, (_, { rules, text, world: { now } }) => {
    if (count++ % 7 === 0) moments.push({ text, now, rules })
  })
  return moments
}

const call = (generation: number, now: number, outcome: Outcome.Outcome, place?: Fleet.Told["place"]): Fleet.Told => ({
  generation,
  startedAt: now - 50,
  answeredAt: now - 40,
  step: 0,
  place,
  outcome,
  settledAt: now
})

const outcomes = [
  Outcome.success,
  Outcome.failure({ message: "down", retryAfter: 1000 }),
  Outcome.ignored,
  Outcome.throttled({ retryAfter: 10 })
]

/** Reads a text, and does with it whatever a process may do. Tells whether it was one. */
const use = (text: string, rules: Circuit.Rules, now: number): boolean => {
  const fleet = Stored.read(text, rules, now)
  if (fleet === undefined) return false
  Circuit.snapshot(fleet.circuit, now)
  const { generation } = fleet.circuit.cell.current
  const place = { number: 3, blocks: [0, 7], hung: [[2, true], [1, false]] } as const
  const running = outcomes.map((outcome) => call(generation, now, outcome, place))
  const fresh = outcomes.map((outcome) => call(generation, now, outcome))
  const report = { member: "z", shift: 0, looks: true, orders: [] }
  const state = fleet.circuit.cell.current
  const probes = state._tag === "HalfOpen" && state.stage === "Probing"
    ? state.running.map((one) => ({
      id: (one as Stored.Lease).id,
      answeredAt: now,
      outcome: outcomes[1],
      settledAt: now
    }))
    : []
  for (let i = 0; i < 3; i++) {
    const at = now + 40 * i
    Fleet.apply(fleet, {
      ...report,
      now: at,
      running,
      happened: i === 0 ? [...running, ...fresh, ...fresh] : structuredClone(fresh),
      probes,
      asks: ["a", "b"],
      orders: i === 2 ? [{ _tag: "Isolate", for: 10 }, { _tag: "Release" }] : []
    }, pace)
    Circuit.snapshot(fleet.circuit, at)
  }
  const written = Stored.write(fleet)
  if (Stored.read(written, rules, now) === undefined) {
    throw new Error(`cannot be read any more: ${written}, from ${text}`)
  }
  return true
}

// What may stand where something else stood.
const odd: ReadonlyArray<unknown> = [
  null,
  0,
  -1,
  1,
  0.5,
  2 ** 31,
  2 ** 32,
  2 ** 52,
  Number.MAX_SAFE_INTEGER,
  -Number.MAX_SAFE_INTEGER,
  1e300,
  -1e300,
  5e-324,
  "",
  "Closed",
  "Open",
  "Probing",
  [],
  {},
  [[]],
  true
]

type Path = ReadonlyArray<string | number>
const pathsOf = (value: unknown, path: Path = []): ReadonlyArray<Path> =>
  typeof value !== "object" || value === null
    ? [path]
    : [path, ...Object.entries(value).flatMap(([key, one]) => pathsOf(one, [...path, key]))]

/** The same JSON with something else in it. */
const mutate = (text: string, random: () => number): string => {
  const json = { root: JSON.parse(text) as unknown }
  for (let i = 0; i <= 2 * random(); i++) {
    const paths = pathsOf(json)
    if (paths.length < 2) break
    const path = paths[1 + Math.floor(random() * (paths.length - 1))]!
    const holder = path.slice(0, -1).reduce<object>((at, key) => Reflect.get(at, key) as object, json)
    const key = path.at(-1)!
    const other = paths[1 + Math.floor(random() * (paths.length - 1))]!
    if (random() < 0.1) Reflect.deleteProperty(holder, key)
    else if (random() < 0.2) {
      Reflect.set(holder, key, structuredClone(other.reduce<unknown>((at, key) => Object(at)[key], json)))
    } else Reflect.set(holder, key, structuredClone(odd[Math.floor(random() * odd.length)]))
  }
  return JSON.stringify(json.root) ?? ""
}

/** Sixteen processes report every second or so, for ten minutes of which only the sizes are kept. */
const sizes = (tripPolicy: TripPolicy.TripPolicy, random: () => number): ReadonlyArray<number> => {
  const rules = Circuit.rules({ tripPolicy })
  let now = beginning
  let text = Stored.write(Fleet.make(rules, now, "0123456789abcdef", "enforce"))
  const members = Array.from({ length: 16 }, (_, i) => ({ name: `member ${i}`, running: [] as Array<Fleet.Told> }))
  const grown: Array<number> = []
  for (let round = 0; round < 3000; round++) {
    now += 200 * random()
    // Now and then one is killed, and another takes its place.
    const at = Math.floor(random() * members.length)
    if (random() < 0.02) members[at] = { name: `member ${16 + round}`, running: [] }
    const { name, running } = members[at]!
    const happened: Array<Fleet.Told> = []
    const kept = running.slice()
    for (let i = 0; i < 30; i++) {
      const one = { ...call(0, now - 200 * random(), Outcome.success), outcome: undefined, answeredAt: undefined }
      happened.push(one)
      running.push(one)
      // The first never comes home.
      if (running.length < 5) continue
      const [home] = running.splice(1, 1) as [{ -readonly [K in keyof Fleet.Told]: Fleet.Told[K] }]
      home.outcome = random() < 0.3 ? Outcome.failure({ message: "overloaded", kind: "overloaded" }) : Outcome.success
      home.settledAt = now - 10
      happened.push(home)
    }
    const fleet = Stored.read(text, rules, now)
    if (fleet === undefined) throw new Error(`cannot be read: ${text}`)
    const out = Fleet.apply(fleet, {
      member: name,
      now,
      shift: 0,
      running: kept,
      happened,
      looks: true,
      probes: [],
      orders: [],
      asks: []
    }, { grace: 100, every: 1000, forgetAfter: 30_000 })
    assert.deepStrictEqual(out.transitions, [])
    text = Stored.write(fleet)
    for (const one of running) Object.assign(one, { place: out.places.get(one) })
    grown.push(text.length)
  }
  return grown
}

const hold = (promise: (storm: Storm) => void): void =>
  fc.assert(fc.property(anyStorm, promise), { seed, numRuns: runs, endOnFailure: true })

describe("Stored", () => {
  describe("write", () => {
    const rate = (window: CallWindow.CallWindow) =>
      TripPolicy.failureRate({ threshold: 0.6, minimumCalls: 10, window, belowMinimum: TripPolicy.consecutive(50) })
    for (
      const [name, policy, bytes] of [
        ["consecutive(50)", TripPolicy.consecutive(50), 3000],
        ["lastCalls(100)", rate(CallWindow.lastCalls(100)), 6500],
        ["lastCalls(100, within a minute)", rate(CallWindow.lastCalls(100, { within: "1 minute" })), 6500],
        ["lastDuration(a minute)", rate(CallWindow.lastDuration("1 minute")), 3500]
      ] as const
    ) {
      it(`needs no more than ${bytes} bytes under ${name}, however long sixteen processes report`, () => {
        const grown = sizes(policy, chance(seed))

        const most = Math.max(...grown)
        console.info(`${name}: at most ${most} bytes, ${grown.at(-1)} in the end`)
        assert.isAtMost(most, bytes)
      })
    }

    it("keeps no more of what errors and people say than a few words", () => {
      const rules = Circuit.rules()
      const fleet = Fleet.make(rules, beginning, "epoch", "enforce")
      const said = "x".repeat(1e6)
      Circuit.command(fleet.circuit, { _tag: "Isolate", note: said, by: said }, beginning)
      Circuit.command(fleet.circuit, { _tag: "Release" }, beginning)
      for (const outcome of [Outcome.throttled({ message: said, kind: said }), Outcome.trip({ message: said })]) {
        const permit = Circuit.admit(fleet.circuit, beginning + 1e7)
        assert.instanceOf(permit, Circuit.Permit)
        Circuit.settle(fleet.circuit, permit, outcome, beginning)
      }
      Circuit.command(fleet.circuit, { _tag: "Isolate", note: said, by: said }, beginning)

      assert.isBelow(Stored.write(fleet).length, 10_000)
    })
  })

  describe("under other rules", () => {
    const under = (calls: number) =>
      Circuit.rules({
        tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: CallWindow.lastCalls(calls) })
      })
    const report = (now: number, part: Partial<Fleet.Report>): Fleet.Report => ({
      member: "a",
      now,
      shift: 0,
      running: [],
      happened: [],
      looks: true,
      probes: [],
      orders: [],
      asks: [],
      ...part
    })

    it("goes on counting: what fails under the new ones opens the circuit, an old call that is late does no harm", () => {
      const [old, other] = [under(100), under(20)]
      const fleet = Fleet.make(old, beginning, "epoch", "enforce")
      const fine = Array.from({ length: 300 }, () => call(0, beginning + 100, Outcome.success))
      const slow = { ...call(0, beginning + 100, Outcome.success), answeredAt: undefined, outcome: undefined }
      const first = report(beginning + 100, { happened: [slow, ...fine.flatMap((one) => [one, one])] })
      const place = Fleet.apply(fleet, first, pace).places.get(slow)
      const late = { ...slow, place, outcome: Outcome.failure(), settledAt: beginning + 150 }

      const now = beginning + 200
      const read = Stored.read(Stored.write(fleet), other, now)!
      const failing = Array.from({ length: 9 }, () => call(0, now, Outcome.failure())).flatMap((one) => [one, one])
      Fleet.apply(read, report(now, { running: [late], happened: [late, ...failing.slice(0, 16)] }), pace)
      const before = Circuit.snapshot(read.circuit, now)
      Fleet.apply(read, report(now, { happened: failing.slice(16) }), pace)

      assert.deepStrictEqual([before.state, before.failures], ["Closed", 9])
      assert.strictEqual(Circuit.snapshot(read.circuit, now).state, "Open")
    })
  })

  describe("read", () => {
    it("gives what was written", () => {
      hold((storm) => {
        for (const { now, rules, text } of momentsOf(storm)) {
          const fleet = Stored.read(text, rules, now)

          assert.deepStrictEqual(fleet && JSON.parse(Stored.write(fleet)), JSON.parse(text))
        }
      })
    })

    it("gives nothing, or a circuit that works, of a text that somebody changed", () => {
      let read = 0
      let tried = 0
      hold((storm) => {
        const random = chance(storm.chance)
        for (const { now, rules, text } of momentsOf(storm)) {
          for (let i = 0; i < 10; i++) {
            tried++
            if (use(mutate(text, random), rules, now)) read++
          }
        }
      })

      // Both happen.
      assert.isAbove(read, 0)
      assert.isBelow(read, tried)
    })

    it("gives nothing of a text that was cut off, or of one that never was a circuit", () => {
      const rules = Circuit.rules()
      hold((storm) => {
        for (const { now, rules, text } of momentsOf(storm).slice(0, 5)) {
          for (let end = 0; end < text.length; end += 97) {
            assert.isUndefined(Stored.read(text.slice(0, end), rules, now))
          }
        }
      })
      fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => Stored.read(text, rules, 0) === undefined), {
        seed
      })
    })
  })
})
