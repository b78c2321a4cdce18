/**
 * The circuit of a fleet as text: what every process on the same Redis reads and writes.
 *
 * Times are those of Redis, in milliseconds since the epoch. Calls that run are not in it but for probes: each process
 * keeps the places of its own (`FleetEvidence`).
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as CallWindow from "../CallWindow.ts"
import type * as Circuit from "../Circuit.ts"
import type * as Evidence from "../Evidence.ts"
import { Mode } from "../Settings.ts"
import { Rule } from "../Snapshot.ts"
import { Circuit as TheCircuit, type Mutable, Permit, type State } from "../State.ts"
import { FleetEvidence } from "./FleetEvidence.ts"

/** The format of what is written here. Whoever finds another one leaves it alone. */
export const format = 1

/** A process that reports: when it was last heard, how many of its calls run, and where the oldest of them stands. */
export interface Member {
  readonly heardAt: number
  readonly running: number
  readonly oldest: number
  /** How many calls had come home in the fleet when it was last heard. */
  readonly seen: number
}

/** The circuit of a fleet, and what it takes to decide for all. */
export interface Fleet {
  readonly circuit: Circuit.Circuit
  /** The name of this history: another one begins where Redis lost what it knew. */
  readonly epoch: string
  readonly members: Map<string, Member>
  /** What an operator ordered for all. Without it each process runs in the mode that it was made with. */
  mode: Circuit.Mode | undefined
  /** Since when the evidence looks like the end. */
  suspectedAt: number | undefined
  /** The names of the last orders that were carried out. */
  orders: ReadonlyArray<string>
}

/** The leave of one probe, with a name that every process knows it by. */
export class Lease extends Permit {
  readonly id: string
  constructor(id: string) {
    super()
    this.id = id
  }
}

/** Writes a circuit down. */
export const write = ({ circuit, epoch, members, mode, orders, suspectedAt }: Fleet): string =>
  JSON.stringify(
    {
      epoch,
      suspectedAt,
      members: [...members].map(([id, { heardAt, oldest, running, seen }]) => [id, heardAt, running, oldest, seen]),
      state: stateData(circuit.cell.current),
      mode,
      orders: orders.length > 0 ? orders : undefined,
      counts: circuit.counts,
      lastFailure: circuit.lastFailure,
      openings: circuit.openings,
      lastOpenFor: circuit.lastOpenFor,
      hintUntil: circuit.hintUntil,
      gateUntil: circuit.gateUntil,
      gateSince: circuit.gateSince,
      gateCause: circuit.gateCause,
      madeAt: circuit.madeAt,
      downFor: circuit.downFor
    },
    // What an error says may be of any length.
    (key, value: unknown) => key === "message" && typeof value === "string" ? value.slice(0, longestMessage) : value
  )

/** Reads a circuit, for a process that runs in the `ownMode` where nobody ordered another; `undefined` where it is none. */
export const read = (
  text: string,
  rules: Circuit.Rules,
  now: number,
  ownMode: Circuit.Mode = "enforce"
): Fleet | undefined => {
  const parsed = parse(text)
  if (Result.isFailure(parsed)) return undefined
  const { epoch, members, mode, orders = [], state, suspectedAt, ...data } = parsed.success
  const circuit = new TheCircuit(rules, data.madeAt, mode ?? ownMode) as Mutable
  Object.assign(circuit, data, {
    hintUntil: data.hintUntil ?? -Infinity,
    gateUntil: data.gateUntil ?? -Infinity,
    counts: { ...data.counts }
  })
  const current = stateOf(state, rules, now)
  if (current === undefined) return undefined
  circuit.cell.current = current
  if (current.evidence !== undefined) {
    current.evidence.running = members.reduce((sum, [, , running]) => sum + running, 0)
  }
  return {
    circuit,
    epoch,
    mode,
    suspectedAt,
    orders,
    members: new Map(
      members.map(([id, heardAt, running, oldest, seen]) => [id, {
        heardAt,
        running,
        oldest: oldest ?? Infinity,
        seen
      }])
    )
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const longestMessage = 500
const { Finite: finite } = Schema
const whole = finite.check(Schema.makeFilter((n) => Number.isSafeInteger(n) && n >= 0))
const maybe = Schema.optional

// Where there is none, JSON has null for what is infinite.
const endless = Schema.NullOr(finite)

const Failure = Schema.Struct({ at: finite, kind: maybe(Schema.String), message: maybe(Schema.String) })
const Cause = Schema.Struct({
  rule: Rule,
  value: finite,
  limit: finite,
  calls: finite,
  failure: maybe(Failure),
  note: maybe(Schema.String),
  by: maybe(Schema.String)
})

const Memory = Schema.Struct({
  oldest: whole,
  index: Schema.Int,
  first: endless,
  /** Runs of like cells: how many, with how many calls, how many of them bad. */
  runs: maybe(Schema.Array(Schema.Tuple([whole, whole, whole]))),
  times: Schema.Array(Schema.Tuple([whole, finite]))
})

const Block = Schema.Tuple([whole, finite, whole, whole, whole, endless])

const Gathered = Schema.Struct({
  slow: whole,
  streak: whole,
  admitted: whole,
  home: whole,
  reached: Schema.Int,
  reachedAt: endless,
  failedAt: Schema.Array(finite),
  succeededAt: endless,
  row: maybe(Schema.Struct({ from: finite, to: finite, limit: whole })),
  memories: Schema.Array(Memory),
  blocks: Schema.Array(Schema.Tuple([whole, Schema.Array(Block)])),
  turnsAt: endless,
  turnsWhen: endless,
  turnedAt: finite,
  /** The windows that this was gathered for. */
  shape: Schema.String
})

const period = { generation: whole, since: finite }
const Closed = Schema.TaggedStruct("Closed", { ...period, evidence: maybe(Gathered) })
const Open = Schema.TaggedStruct("Open", { ...period, cause: Cause, until: finite })
const Probing = Schema.TaggedStruct("Probing", {
  ...period,
  cause: Cause,
  passed: whole,
  failed: whole,
  running: Schema.Array(Schema.Tuple([Schema.String, finite, endless]))
})
const Ramping = Schema.TaggedStruct("Ramping", {
  ...period,
  cause: Cause,
  evidence: Gathered,
  step: whole,
  stepSince: finite,
  asked: whole,
  admitted: whole,
  succeeded: whole
})
const Isolated = Schema.TaggedStruct("Isolated", {
  ...period,
  cause: Cause,
  until: endless,
  interrupted: Schema.Union([Closed, Open, Probing, Ramping])
})
const State = Schema.Union([Closed, Open, Probing, Ramping, Isolated])

const Circuit_ = Schema.Struct({
  epoch: Schema.String,
  suspectedAt: maybe(finite),
  members: Schema.Array(Schema.Tuple([Schema.String, finite, whole, endless, whole])),
  state: State,
  mode: maybe(Mode),
  orders: maybe(Schema.Array(Schema.String)),
  counts: Schema.Struct({
    successes: whole,
    failures: whole,
    ignored: whole,
    throttled: whole,
    slow: Schema.Int,
    rejected: whole,
    wouldReject: whole,
    inFlight: Schema.Int
  }),
  lastFailure: maybe(Failure),
  openings: whole,
  lastOpenFor: finite,
  hintUntil: endless,
  gateUntil: endless,
  gateSince: finite,
  gateCause: maybe(Cause),
  madeAt: finite,
  downFor: finite
})

const parse = Schema.decodeUnknownResult(Schema.fromJsonString(Circuit_))

type Read<S extends Schema.Constraint> = S["Type"]

const stateData = (state: State): unknown => {
  const { _tag, cause, generation, since } = state
  const same = { generation, since, cause }
  switch (_tag) {
    case "Closed":
      return { _tag, ...same, evidence: gathered(state.evidence) }
    case "Open":
      return { _tag, ...same, until: state.until }
    case "Isolated": {
      const { interrupted, until } = state
      return { _tag, ...same, until, interrupted: stateData(interrupted) }
    }
    case "HalfOpen":
      if (state.stage === "Probing") {
        const { failed, passed, running, stage } = state
        return {
          _tag: stage,
          ...same,
          passed,
          failed,
          running: running.map((probe) => [(probe as Lease).id, probe.startedAt, probe.answeredAt ?? null])
        }
      }
      return { ...state, _tag: state.stage, evidence: gathered(state.evidence) }
  }
}

const stateOf = (data: Read<typeof State>, rules: Circuit.Rules, now: number): State | undefined => {
  const { generation, since } = data
  switch (data._tag) {
    case "Closed":
      return data.evidence === undefined
        ? { _tag: data._tag, generation, since }
        : { _tag: data._tag, generation, since, evidence: evidenceOf(data.evidence, rules.plan, now) }
    case "Open":
      return data
    case "Isolated": {
      const interrupted = stateOf(data.interrupted, rules, now)
      return interrupted === undefined || interrupted._tag === "Isolated"
        ? undefined
        : { ...data, until: data.until ?? Infinity, interrupted }
    }
    case "Probing": {
      const running = data.running.map(([id, startedAt, answeredAt]) =>
        Object.assign(new Lease(id), { generation, startedAt, answeredAt: answeredAt ?? undefined, settled: false })
      )
      return { ...data, _tag: "HalfOpen", stage: "Probing", running }
    }
    case "Ramping": {
      // Another process may ramp in more steps, or not at all: this one goes on as far as it can.
      const step = Math.min(data.step, (rules.ramp?.shares.length ?? 0) - 1)
      const evidence = evidenceOf(data.evidence, rules.plan, now)
      return step < 0
        ? { _tag: "Closed", generation, since, evidence }
        : { ...data, _tag: "HalfOpen", stage: "Ramping", step, evidence }
    }
  }
}

const shapeOf = ({ rules }: Evidence.Plan): string =>
  JSON.stringify(rules.map(({ rule, slowAfter, window }) => [rule, slowAfter, window]))

const gathered = (evidence: Evidence.Evidence | undefined): Read<typeof Gathered> | undefined => {
  if (!(evidence instanceof FleetEvidence)) return undefined
  const { admitted, failedAt, home, kept, memories, plan, reached, reachedAt, slow, streak, succeededAt } = evidence
  return {
    slow,
    streak,
    admitted,
    home,
    reached,
    reachedAt,
    failedAt,
    succeededAt,
    row: evidence.row,
    memories: memories.map(memoryData),
    blocks: kept.map(({ blocks, from }) => [
      from,
      blocks.map(({ bad, calls, first, ignored, least, since }) => [first, since, calls, ignored, bad, least])
    ]),
    turnsAt: evidence.turnsAt,
    turnsWhen: evidence.turnsWhen,
    turnedAt: evidence.turnedAt,
    shape: shapeOf(plan)
  }
}

const evidenceOf = (data: Read<typeof Gathered>, plan: Evidence.Plan, now: number): FleetEvidence => {
  const evidence = new FleetEvidence(plan, now)
  const { failedAt, home } = data
  // Under other rules only the streak means the same.
  Object.assign(evidence, {
    home,
    failedAt: [...failedAt],
    row: data.row,
    streak: Math.max(data.streak, failedAt.length),
    succeededAt: data.succeededAt ?? -Infinity
  })
  const memories = plan.rules.map((rule, i) => memoryOf(data.memories[i], rule.window, now))
  const isWhole = memories.every((memory) => memory !== undefined) && data.blocks.length === plan.rules.length &&
    data.blocks.every(([, blocks]) => blocks.length >= 2)
  if (data.shape !== shapeOf(plan) || !isWhole) return evidence
  const kept = data.blocks.map(([from, blocks]) => ({
    from,
    blocks: blocks.map(([first, since, calls, ignored, bad, least]) => ({
      first,
      since,
      calls,
      ignored,
      bad,
      least: least ?? Infinity
    }))
  }))
  return Object.assign(evidence, {
    slow: data.slow,
    admitted: data.admitted,
    reached: data.reached,
    reachedAt: data.reachedAt ?? -Infinity,
    memories,
    kept,
    blocks: kept.flatMap(({ blocks }) => blocks.slice(-2)),
    turnsAt: data.turnsAt ?? Infinity,
    turnsWhen: data.turnsWhen ?? Infinity,
    turnedAt: data.turnedAt
  })
}

const memoryData = ({ cells, first, index, oldest, size, times, within }: CallWindow.Memory): Read<typeof Memory> => {
  const at = (cell: number) => cell % size
  const all = Array.from({ length: Math.max(index - oldest + 1, 0) }, (_, i) => at(oldest + i))
  return {
    oldest,
    index,
    first,
    runs: cells && runsOf(all, (place): [number, number] => [cells[place]!, cells[place + size]!]),
    times: within < Infinity ? runsOf(all, (place): [number] => [times[place]!]) : []
  }
}

const memoryOf = (
  data: Read<typeof Memory> | undefined,
  window: CallWindow.CallWindow,
  now: number
): CallWindow.Memory | undefined => {
  const memory = new CallWindow.Memory(window, now)
  const { size, within } = memory
  if (data === undefined) return undefined
  const { index, oldest, runs, times } = data
  const room = index - oldest + 1
  const length = (all: ReadonlyArray<readonly [number, ...Array<unknown>]>) => all.reduce((sum, [n]) => sum + n, 0)
  if (room < 0 || room > size) return undefined
  if (runs !== undefined && length(runs) !== room || within < Infinity && length(times) !== room) return undefined
  Object.assign(memory, { index, oldest, first: data.first ?? memory.first })
  if (runs === undefined) {
    // Only calls that bear no time are counted without cells.
    if (!CallWindow.isTimed(window)) memory.calls = room
    return memory
  }
  const cells = memory.cells = new Uint32Array(2 * size)
  let cell = oldest
  for (const [n, calls, bad] of runs) {
    for (const end = cell + n; cell < end; cell++) {
      cells[cell % size] = calls
      cells[cell % size + size] = bad
    }
    memory.calls += n * calls
    memory.bad += n * bad
  }
  cell = oldest
  for (const [n, time] of times) for (const end = cell + n; cell < end; cell++) memory.times[cell % size] = time
  return memory
}

const runsOf = <A extends ReadonlyArray<number>>(
  places: ReadonlyArray<number>,
  read: (place: number) => A
): Array<[number, ...A]> => {
  const runs: Array<[number, ...A]> = []
  for (const place of places) {
    const value = read(place)
    const last = runs.at(-1)
    if (last !== undefined && value.every((one, i) => one === last[i + 1])) last[0]++
    else runs.push([1, ...value])
  }
  return runs
}
