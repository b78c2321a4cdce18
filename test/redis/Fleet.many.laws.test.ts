/**
 * The rules of the machine where many processes share one circuit: they report late and in lumps, hear late or never,
 * stand still, and are killed in the midst of what they do. All of it on virtual time.
 *
 * `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many histories are tried.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Circuit from "../../src/Circuit.ts"
import * as Outcome from "../../src/Outcome.ts"
import * as Fleet from "../../src/redis/Fleet.ts"
import type { Place } from "../../src/redis/FleetEvidence.ts"
import * as Stored from "../../src/redis/Stored.ts"
import { type Leave, type Options, type Process, Processes } from "./processes.ts"
import { anyStorm, pace, rage, type Storm } from "./storm.ts"

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.FC_RUNS ?? 60)
console.info(`Fleet.many.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

const stateOf = (fleet: Stored.Fleet): Circuit.State => fleet.circuit.cell.current

const hold = (promise: (storm: Storm) => void, numRuns = runs): void =>
  fc.assert(fc.property(anyStorm, promise), { seed, numRuns: Math.ceil(numRuns), endOnFailure: runs > 100 })

// ---------------------------------------------------------------------------------------------------------------------
// Calm days: a fleet with one thing going on
// ---------------------------------------------------------------------------------------------------------------------

/** A fleet whose processes all have been heard. */
const calm = (rules: Circuit.Options, options: Partial<Options> = {}) => {
  const fleet = new Processes({ rules, processes: 8, pace, seed, ...options })
  const { all, world } = fleet
  const later = (millis: number): void => world.run(world.now + millis)
  /** Asks, and waits for the answer. */
  const ask = (who: Process): Leave | Circuit.Refusal => {
    const got: Array<Leave | Circuit.Refusal> = []
    who.ask((answer) => got.push(answer))
    while (got.length === 0) later(1)
    return got[0]!
  }
  const call = (who: Process, outcome: Outcome.Outcome): Leave | Circuit.Refusal => {
    const answer = ask(who)
    if (!(answer instanceof Circuit.Refusal)) answer.settle(outcome)
    return answer
  }
  /** What a process does with a call by what it knows. */
  const knows = (who: Process): Circuit.Refusal["reason"] | "admitted" => {
    const answer = Circuit.refusal(who.known.circuit, world.now)
    return answer === undefined ? "admitted" : answer.reason
  }
  for (const one of all) call(one, Outcome.success)
  later(pace.every + 20)
  return { fleet, all, world, later, ask, call, known: () => [...new Set(all.map(knows))] }
}

const told = (
  generation: number,
  now: number,
  outcome: Outcome.Outcome | undefined,
  place?: Place
): Fleet.Told => ({
  generation,
  startedAt: now - 50,
  answeredAt: undefined,
  step: 0,
  place,
  outcome,
  settledAt: now
})

const empty = (member: string, now: number): Fleet.Report => ({
  member,
  now,
  shift: 0,
  running: [],
  happened: [],
  looks: false,
  probes: [],
  orders: [],
  asks: []
})

/** What a circuit is after a report. */
const after = ({ rules, text }: Processes, report: Fleet.Report): string => {
  const fleet = Stored.read(text, rules, report.now)
  if (fleet === undefined) throw new Error(`cannot be read: ${text}`)
  Fleet.apply(fleet, report, pace)
  return Stored.write(fleet)
}

describe("a fleet of many", () => {
  it("gets everywhere in these histories", () => {
    const seen = new Set<string>()
    hold((storm) =>
      void rage(storm, 3000, 0, ({ fleet }) => {
        const state = stateOf(fleet)
        seen.add(state._tag === "HalfOpen" ? state.stage : state._tag)
        if (fleet.suspectedAt !== undefined) seen.add("suspected")
      })
    )

    assert.sameMembers([...seen], ["Closed", "Open", "Probing", "Ramping", "Isolated", "suspected"])
  })

  describe("periods", () => {
    it("begin with one transition each, told to one reporter, and their numbers only grow (rule 5)", () => {
      hold((storm) => {
        const seen = new Set([0])
        let last = 0
        rage(storm, 3000, 0, ({ fleet, out }) => {
          for (const { from, generation, to } of out.transitions) {
            // A step of the ramp is one within its period.
            if (seen.has(generation)) assert.deepStrictEqual([from, to, generation], ["HalfOpen", "HalfOpen", last])
            else assert.strictEqual(generation, last + 1)
            seen.add(last = generation)
          }
          assert.strictEqual(stateOf(fleet).generation, last)
        })
      })
    })

    it("are over for calls that were admitted in them, whatever those say (rule 5)", () => {
      hold((storm) => {
        const places: Array<readonly [generation: number, place: Place]> = []
        let tried = 0
        rage(storm, 2000, 0, ({ fleet, out, process }, all) => {
          const { generation } = stateOf(fleet)
          for (const [call, place] of out.places) places[call.generation] ??= [call.generation, place]
          if (tried++ % 5 !== 0) return
          const now = all.world.now
          const calls = storm.outcomes.flatMap((outcome, i) => {
            const [old = 0, place] = places[i % Math.max(generation, 1)] ?? []
            if (old >= generation) return []
            return [told(old, now, outcome), told(old, now, outcome, place)]
          })
          const none = empty(process.name, now)
          const running = calls.filter(({ place }) => place !== undefined)
          const happened = calls.flatMap((call) => call.place === undefined ? [call, call] : [call])

          assert.strictEqual(after(all, { ...none, running, happened }), after(all, none))
        })
      }, runs / 2)
    })
  })

  describe("probes", () => {
    it("are never more than allowed, over all processes (rule 23)", () => {
      hold((storm) => {
        const { concurrency } = storm.settings.halfOpen
        rage(storm, 3000, 0, ({ fleet }) => {
          const state = stateOf(fleet)
          if (state._tag !== "HalfOpen" || state.stage !== "Probing") return
          const ids = state.running.map((one) => (one as Stored.Lease).id)
          assert.isAtMost(ids.length, concurrency)
          assert.strictEqual(new Set(ids).size, ids.length)
        })
      })
    })

    it("past their lease change nothing, nor does one of another name (rule 24)", () => {
      hold((storm) => {
        let tried = 0
        rage(storm, 3000, 0, ({ fleet, process }, all) => {
          const state = stateOf(fleet)
          if (state._tag !== "HalfOpen" || state.stage !== "Probing" || state.running.length === 0) return
          const [probe] = state.running as Array<Stored.Lease>
          const outcome = storm.outcomes[tried++ % storm.outcomes.length]!
          const late = probe!.startedAt + storm.settings.halfOpen.lease
          for (const [id, now] of [[probe!.id, late], ["another", all.world.now]] as const) {
            const none = empty(process.name, now)
            const probes = [{ id, answeredAt: undefined, outcome, settledAt: now }]

            assert.strictEqual(after(all, { ...none, probes }), after(all, none))
          }
        })
      })
    })
  })

  describe("a ramp", () => {
    it("admits its share of what the whole fleet asks, or one more (rule 26)", () => {
      hold((storm) => {
        let now: readonly [step: string, asked: number, admitted: number] = ["", 0, 0]
        rage(storm, 3000, 0, ({ fleet, out, report }) => {
          const state = stateOf(fleet)
          if (state._tag !== "HalfOpen" || state.stage !== "Ramping") return
          const share = storm.settings.ramp!.shares[state.step]!
          // A step with a tolerance begins with what the one before let in beyond its share.
          const floor = Math.floor(state.asked * share + 1e-9)
          assert.isAtLeast(state.admitted, floor)
          assert.isBelow(state.admitted, state.asked * share + 1 + 1e-9)

          const step = `${state.generation}/${state.step}`
          const answers = out.answers.filter((one) => !(one instanceof Circuit.Refusal && one.reason === "Throttled"))
          const admitted = answers.filter((one) => one instanceof Circuit.Permit && one.generation === state.generation)
          const isSame = now[0] === step && fleet.circuit.mode === "enforce" && report.orders.length === 0
          if (isSame) {
            assert.deepStrictEqual([state.asked, state.admitted], [now[1] + answers.length, now[2] + admitted.length])
          }
          now = [step, state.asked, state.admitted]
        })
      })
    })
  })

  describe("a storm that is over", () => {
    it("leaves a closed circuit of those who live, whoever was killed with probes or calls that ran (rule 24)", () => {
      hold((storm) => {
        const fleet = rage(storm, 2000, 20_000, () => undefined)

        const { members } = fleet.read()
        assert.strictEqual(fleet.snapshot().state, "Closed")
        // One that came to help is there besides.
        assert.isAtMost(members.size, storm.processes + 1)
      }, runs / 6)
    })
  })

  describe("a fleet that has nothing to do", () => {
    it("falls silent, whatever it suspects, but for signs of life of those that wait for calls", () => {
      hold((storm) => {
        const fleet = rage(storm, 2000, 0, () => undefined)
        const { all, world } = fleet
        world.run(world.now + 2 * pace.forgetAfter)
        const before = fleet.reports
        world.run(world.now + 10 * pace.forgetAfter)

        assert.isAtMost(fleet.reports - before, 10 * 4 * Math.min(all.length, storm.processes + 1))
      })
    })
  })

  describe("a process that is killed", () => {
    it("with the only probe holds the others up for no longer than its lease (rule 24)", () => {
      const { all, call, fleet, ask, later } = calm({ openDuration: 1000, halfOpen: { lease: 500, successes: 1 } })
      all[0]!.order({ _tag: "Trip", openFor: 1000 })
      later(1020)
      const probe = ask(all[1]!)
      all[1]!.die()
      assert.isTrue(!(probe instanceof Circuit.Refusal) && probe.isProbe)
      later(480)
      assert.include(call(all[2]!, Outcome.success), { reason: "HalfOpen" })
      later(20)

      // The lease is over: the circuit opens again, and then another may try.
      assert.include(call(all[2]!, Outcome.success), { reason: "Open" })
      later(1020)
      call(all[3]!, Outcome.success)
      later(20)

      assert.strictEqual(fleet.snapshot().state, "Closed")
    })

    it("takes its running calls with it once it is forgotten", () => {
      const { all, ask, call, fleet, later } = calm({})
      for (let i = 0; i < 30; i++) ask(all[0]!)
      later(pace.every + 20)
      const running = fleet.snapshot().inFlight
      all[0]!.die()
      later(pace.forgetAfter - 2 * pace.every - 100)
      call(all[1]!, Outcome.success)
      later(pace.every + 20)
      const last = fleet.snapshot().inFlight
      later(2 * pace.every)
      call(all[1]!, Outcome.success)
      later(pace.every + 20)

      assert.deepStrictEqual([running, last, fleet.snapshot().inFlight], [30, 30, 0])
    })
  })

  describe("what any process is told holds for all", () => {
    for (const who of [0, 3, 7]) {
      it(`${who}: a Trip opens at once, and the others know a message later (rule 12)`, () => {
        const { all, call, fleet, known, later } = calm({})

        call(all[who]!, Outcome.trip({ openFor: 5000 }))
        later(15)

        assert.deepStrictEqual(known(), ["Open"])
        assert.closeTo(fleet.snapshot().retryAfter, 5000, 15)
      })

      it(`${who}: a throttle shuts the gate for all until its end (rule 11)`, () => {
        const { all, call, fleet, known, later } = calm({})

        call(all[who]!, Outcome.throttled({ retryAfter: 3000 }))
        later(15)
        const { retryAfter } = fleet.snapshot()

        assert.deepStrictEqual(known(), ["Throttled"])
        later(retryAfter - 0.001)
        assert.deepStrictEqual(known(), ["Throttled"])
        later(0.001)
        assert.deepStrictEqual(known(), ["admitted"])
      })

      it(`${who}: a hint lengthens the opening that others bring about (rule 9)`, () => {
        const { all, call, fleet, later } = calm({ openDuration: 1000 })

        call(all[who]!, Outcome.failure({ retryAfter: 60_000 }))
        const hintedAt = fleet.world.now
        later(40)
        for (const other of all) if (other !== all[who]) call(other, Outcome.failure())
        later(100)

        assert.strictEqual(fleet.snapshot().state, "Open")
        assert.closeTo(fleet.snapshot().retryAfter, hintedAt + 60_000 - fleet.world.now, 1)
      })

      it(`${who}: an order reaches the circuit and all who use it (rules 27 and 28)`, () => {
        const { all, fleet, known, later } = calm({})
        const order = (order: Circuit.Command) => {
          all[who]!.order(order)
          later(15)
          return known()
        }

        assert.deepStrictEqual(order({ _tag: "Isolate", note: "drill" }), ["Isolated"])
        assert.strictEqual(fleet.snapshot().cause?.note, "drill")
        assert.deepStrictEqual(order({ _tag: "Release" }), ["admitted"])
        assert.deepStrictEqual(order({ _tag: "Trip", openFor: 9000 }), ["Open"])
        assert.deepStrictEqual(order({ _tag: "Reset" }), ["admitted"])
        assert.strictEqual(fleet.snapshot().openings, 0)
        order({ _tag: "SetMode", mode: "off" })
        assert.deepStrictEqual([...new Set(all.map((one) => one.known.circuit.mode))], ["off"])
      })
    }

    it("though the news is lost, with its own next report (rule 27)", () => {
      const { all, call, known, later } = calm({}, { lost: 1 })
      all[0]!.order({ _tag: "Isolate" })
      later(15)
      const before = known()
      for (const one of all) call(one, Outcome.success)
      later(pace.every + 20)

      assert.deepStrictEqual([before, known()], [["Isolated", "admitted"], ["Isolated"]])
    })
  })
})
