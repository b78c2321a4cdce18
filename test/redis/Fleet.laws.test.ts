/**
 * The circuit of a fleet that has one member, written down and read again after every step, against the one in memory.
 *
 * `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many histories are tried.
 */
// The assertions are in the properties.
/* oxlint-disable vitest/expect-expect */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Circuit from "../../src/Circuit.ts"
import * as Fleet from "../../src/redis/Fleet.ts"
import * as Stored from "../../src/redis/Stored.ts"
import { anySettings, anySteps, type Step } from "../anyHistory.ts"
import { plain } from "../history.ts"

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.FC_RUNS ?? 1000)
console.info(`Fleet.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

const pace: Fleet.Pace = { grace: 50, every: 100, forgetAfter: 1e9 }

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** One process and its fleet's circuit, which it only knows as text. */
const member = (settings: Circuit.Options, startsAt: number) => {
  const rules = Circuit.rules(settings)
  let drawn = 0
  let text = Stored.write(Fleet.make(rules, startsAt, "epoch", "enforce"))
  let running: Array<Mutable<Fleet.Told>> = []
  const transitions: Array<Circuit.Transition> = []
  let asked = 0

  const read = (now: number): Stored.Fleet => {
    const fleet = Stored.read(text, rules, now)
    if (fleet === undefined) throw new Error(`cannot be read: ${text}`)
    return Object.assign(fleet, { circuit: Object.assign(fleet.circuit, { random: () => drawn++ * 0.37 % 1 }) })
  }
  const report = (now: number, part: Partial<Fleet.Report> = {}) => {
    const fleet = read(now)
    const known = running.filter((call) => call.place !== undefined)
    const all = {
      member: "a",
      now,
      shift: 0,
      happened: [],
      looks: false,
      probes: [],
      orders: [],
      asks: [],
      ...part
    }
    const out = Fleet.apply(fleet, { ...all, running: known }, pace)
    transitions.push(...out.transitions)
    text = Stored.write(fleet)
    for (const call of running) call.place = out.places.get(call)
    running = running.filter((call) => call.place !== undefined)
    return out
  }

  return {
    transitions,
    snapshot: (now: number) => Circuit.snapshot(read(now).circuit, now),
    order: (order: Circuit.Command, now: number) => report(now, { orders: [order] }),
    ask: (now: number): { readonly settle: Settle } | Circuit.Refusal => {
      report(now, { looks: true })
      const { circuit } = read(now)
      const { generation } = circuit.cell.current
      const call = { generation, startedAt: now, answeredAt: undefined, settledAt: 0, step: 0 }
      const told: Mutable<Fleet.Told> = { ...call, outcome: undefined, place: undefined }
      const come: Settle = (outcome, now) => {
        if (told.outcome !== undefined) return
        Object.assign(told, { outcome, settledAt: now })
        report(now, { happened: [told] })
      }
      if (circuit.mode === "off") return { settle: () => undefined }
      const answer = circuit.cell.current._tag === "Closed" && Circuit.refusal(circuit, now) === undefined
        ? undefined
        : report(now, { asks: [`call ${asked++}`] })
      const given = answer?.answers[0]
      if (given === undefined) {
        told.generation = read(now).circuit.cell.current.generation
        running.push(told)
        report(now, { happened: [told] })
        return { settle: come }
      }
      if (given instanceof Circuit.Refusal) return given
      const place = answer?.admitted.get(given)
      if (place === undefined) {
        return { settle: (outcome, at) => probe((given as Stored.Lease).id, outcome, at) }
      }
      Object.assign(told, { generation: given.generation, step: given.step, place })
      running.push(told)
      return { settle: come }
    }
  }

  function probe(id: string, outcome: Parameters<Settle>[0], settledAt: number): void {
    report(settledAt, { probes: [{ id, answeredAt: undefined, outcome, settledAt }] })
  }
}

type Settle = (outcome: NonNullable<Fleet.Told["outcome"]>, now: number) => void

const asData = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** What a snapshot says, but for what is counted of asks: a process that is refused by what it knows asks nobody. */
const read = ({ inFlight: _inFlight, rejected: _rejected, wouldReject: _wouldReject, ...rest }: Circuit.Snapshot) =>
  asData(rest)

/** The same history for both; everything that they say is compared. */
const play = (settings: Circuit.Options, steps: ReadonlyArray<Step>): void => {
  let now = 100_000
  let drawn = 0
  const transitions: Array<Circuit.Transition> = []
  const alone = Circuit.make(Circuit.rules(settings), now, {
    random: () => drawn++ * 0.37 % 1,
    notify: (transition) => transitions.push(transition)
  })
  const fleet = member(settings, now)
  const asks: Array<readonly [Circuit.Permit | Circuit.Refusal, { readonly settle: Settle } | Circuit.Refusal]> = []
  const told = (answer: object) => answer instanceof Circuit.Refusal ? asData(plain(answer)) : "admitted"
  for (const step of steps) {
    if (step.do === "Edge") {
      now += Math.max(Math.min(Circuit.snapshot(alone, now).retryAfter, 1e6) + step.offset, 0)
    } else if (step.do === "Wait") now += step.millis
    else if (step.do === "Ask") {
      const answers = [Circuit.admit(alone, now), fleet.ask(now)] as const
      assert.deepStrictEqual(told(answers[1]), told(answers[0]))
      asks.push(answers)
    } else if (step.do === "Settle") {
      const [permit, call] = asks.at(-1 - step.back) ?? []
      if (permit instanceof Circuit.Permit && call !== undefined && !(call instanceof Circuit.Refusal)) {
        Circuit.settle(alone, permit, step.outcome, now)
        call.settle(step.outcome, now)
      }
    } else if (step.do === "Command") {
      Circuit.command(alone, step.order, now)
      fleet.order(step.order, now)
    }
    assert.deepStrictEqual(read(fleet.snapshot(now)), read(Circuit.snapshot(alone, now)))
    assert.deepStrictEqual(asData(fleet.transitions), asData(transitions))
  }
}

describe("a fleet of one", () => {
  it(
    "says what the circuit in memory says, step by step, though it is written down in between (rule 2 to rule 27)",
    () => {
      fc.assert(fc.property(anySettings, anySteps(), play), { seed, numRuns: Math.ceil(runs / 4) })
    },
    600_000
  )
})
