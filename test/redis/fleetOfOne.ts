/**
 * A fleet's circuit that one process alone tells of, wherever its text is kept, against the circuit in memory.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as Circuit from "../../src/Circuit.ts"
import * as Fleet from "../../src/redis/Fleet.ts"
import * as Stored from "../../src/redis/Stored.ts"
import type { Step } from "../anyHistory.ts"
import { plain } from "../history.ts"

/** Where the text of the circuit is kept between two steps. */
export interface Keeper {
  readonly read: Effect.Effect<string>
  readonly write: (text: string) => Effect.Effect<void>
}

/** Keeps it in memory. */
export const inMemory = (): Keeper => {
  let kept = ""
  return { read: Effect.sync(() => kept), write: (text) => Effect.sync(() => kept = text) }
}

const pace: Fleet.Pace = { grace: 50, every: 100, forgetAfter: 1e9 }

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** One process and its fleet's circuit, which it only knows as text. */
const member = (settings: Circuit.Options, keeper: Keeper) => {
  const rules = Circuit.rules(settings)
  let drawn = 0
  let running: Array<Mutable<Fleet.Told>> = []
  const transitions: Array<Circuit.Transition> = []
  let asked = 0

  const read = (now: number) =>
    Effect.map(keeper.read, (text) => {
      const fleet = Stored.read(text, rules, now)
      if (fleet === undefined) throw new Error(`cannot be read: ${text}`)
      return Object.assign(fleet, { circuit: Object.assign(fleet.circuit, { random: () => drawn++ * 0.37 % 1 }) })
    })
  const report = (now: number, part: Partial<Fleet.Report> = {}) =>
    Effect.gen(function*() {
      const fleet = yield* read(now)
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
      yield* keeper.write(Stored.write(fleet))
      for (const call of running) call.place = out.places.get(call)
      running = running.filter((call) => call.place !== undefined)
      return out
    })
  const probe = (id: string): Settle => (outcome, settledAt) =>
    report(settledAt, { probes: [{ id, answeredAt: undefined, outcome, settledAt }] })

  return {
    transitions,
    begin: (now: number) => keeper.write(Stored.write(Fleet.make(rules, now, "epoch", "enforce"))),
    snapshot: (now: number) => Effect.map(read(now), ({ circuit }) => Circuit.snapshot(circuit, now)),
    order: (order: Circuit.Command, now: number) => report(now, { orders: [order] }),
    ask: (now: number) =>
      Effect.gen(function*(): Effect.fn.Return<Settle | Circuit.Refusal> {
        yield* report(now, { looks: true })
        const { circuit } = yield* read(now)
        const { generation } = circuit.cell.current
        const call = { generation, startedAt: now, answeredAt: undefined, settledAt: 0, step: 0 }
        const told: Mutable<Fleet.Told> = { ...call, outcome: undefined, place: undefined }
        const come: Settle = (outcome, now) => {
          if (told.outcome !== undefined) return Effect.void
          Object.assign(told, { outcome, settledAt: now })
          return report(now, { happened: [told] })
        }
        if (circuit.mode === "off") return () => Effect.void
        const answer = circuit.cell.current._tag === "Closed" && Circuit.refusal(circuit, now) === undefined
          ? undefined
          : yield* report(now, { asks: [`call ${asked++}`] })
        const given = answer?.answers[0]
        if (given === undefined) {
          told.generation = (yield* read(now)).circuit.cell.current.generation
          running.push(told)
          yield* report(now, { happened: [told] })
          return come
        }
        if (given instanceof Circuit.Refusal) return given
        const place = answer?.admitted.get(given)
        if (place === undefined) return probe((given as Stored.Lease).id)
        Object.assign(told, { generation: given.generation, step: given.step, place })
        running.push(told)
        return come
      })
  }
}

type Settle = (outcome: NonNullable<Fleet.Told["outcome"]>, now: number) => Effect.Effect<unknown>

const asData = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** What a snapshot says, but for what is counted of asks: a process that is refused by what it knows asks nobody. */
const read = ({ inFlight: _inFlight, rejected: _rejected, wouldReject: _wouldReject, ...rest }: Circuit.Snapshot) =>
  asData(rest)

/** The same history for both; everything that they say is compared. */
export const play = (settings: Circuit.Options, steps: ReadonlyArray<Step>, keeper: Keeper): Effect.Effect<void> =>
  Effect.gen(function*() {
    let now = 100_000
    let drawn = 0
    const transitions: Array<Circuit.Transition> = []
    const alone = Circuit.make(Circuit.rules(settings), now, {
      random: () => drawn++ * 0.37 % 1,
      notify: (transition) => transitions.push(transition)
    })
    const fleet = member(settings, keeper)
    yield* fleet.begin(now)
    const asks: Array<readonly [Circuit.Permit | Circuit.Refusal, Settle | Circuit.Refusal]> = []
    const told = (answer: object) => answer instanceof Circuit.Refusal ? asData(plain(answer)) : "admitted"
    for (const step of steps) {
      if (step.do === "Edge") {
        now += Math.max(Math.min(Circuit.snapshot(alone, now).retryAfter, 1e6) + step.offset, 0)
      } else if (step.do === "Wait") now += step.millis
      else if (step.do === "Ask") {
        const answers = [Circuit.admit(alone, now), yield* fleet.ask(now)] as const
        assert.deepStrictEqual(told(answers[1]), told(answers[0]))
        asks.push(answers)
      } else if (step.do === "Settle") {
        const [permit, settle] = asks.at(-1 - step.back) ?? []
        if (permit instanceof Circuit.Permit && typeof settle === "function") {
          Circuit.settle(alone, permit, step.outcome, now)
          yield* settle(step.outcome, now)
        }
      } else if (step.do === "Command") {
        Circuit.command(alone, step.order, now)
        yield* fleet.order(step.order, now)
      }
      assert.deepStrictEqual(read(yield* fleet.snapshot(now)), read(Circuit.snapshot(alone, now)))
      assert.deepStrictEqual(asData(fleet.transitions), asData(transitions))
    }
  })
