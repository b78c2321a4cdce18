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
import type * as Circuit from "../Circuit.ts"
import type * as Evidence from "../Evidence.ts"
import * as Setting from "../internal/Setting.ts"
import { Mode } from "../Settings.ts"
import { Rule } from "../Snapshot.ts"
import { Circuit as TheCircuit, type Mutable, Permit, type State } from "../State.ts"
import { FleetEvidence } from "./FleetEvidence.ts"
import { FleetMemory, type Written } from "./FleetMemory.ts"

/** The format of what is written here. Whoever finds another one leaves it alone. */
export const format = 1

/** A process that reports: when it was last heard, how many of its calls run, and when the oldest of them began. */
export interface Member {
  readonly heardAt: number
  readonly running: number
  readonly oldest: number
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
export const write = ({ circuit, epoch, members, mode, orders, suspectedAt }: Fleet): string => {
  const { counts, downFor, gateSince, gateUntil, hintUntil, lastOpenFor, madeAt, openings } = circuit
  const plain = { counts, downFor, gateSince, gateUntil, hintUntil, lastOpenFor, madeAt, openings }
  return JSON.stringify({
    epoch,
    suspectedAt,
    members: [...members].map(([id, { heardAt, oldest, running }]) => [id, heardAt, running, oldest]),
    state: stateData(circuit.cell.current),
    mode,
    orders: orders.length > 0 ? orders : undefined,
    lastFailure: failureData(circuit.lastFailure),
    gateCause: causeData(circuit.gateCause),
    ...plain
  })
}

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
    lastOpenFor: data.lastOpenFor ?? Infinity,
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
    members: new Map(members.map(([id, heardAt, running, at]) => [id, { heardAt, running, oldest: at ?? Infinity }]))
  }
}

// ---------------------------------------------------------------------------------------------------------------------

// What errors and people say may be of any length.
const brief = (said: string | undefined): string | undefined => said?.slice(0, 500)

// What is added to such a number stays whole.
const isInteger = (n: unknown): boolean => Number.isInteger(n) && Math.abs(n as number) < 2 ** 52
const isWhole = (n: unknown): boolean => isInteger(n) && (n as number) >= 0
// Beyond the year 5000 a window's buckets could not be counted.
const isMoment = (n: unknown): boolean => Number.isFinite(n) && Math.abs(n as number) < 1e14
const isEndless = (n: unknown): boolean => n === null || Number.isFinite(n)

const { Finite: finite, optional: maybe } = Schema
const whole = finite.check(Schema.makeFilter(isWhole))
const integer = finite.check(Schema.makeFilter(isInteger))
const moment = finite.check(Schema.makeFilter(isMoment))

// Long lists are looked through at once: a Schema of each element takes several times as long.
const listOf = <A>(what: string, holds: (one: unknown) => boolean): Schema.Codec<ReadonlyArray<A>, unknown> =>
  Setting.setting<ReadonlyArray<A>>(`a list of ${what}`, (all) => Array.isArray(all) && all.every(holds))
const row = (...fields: ReadonlyArray<(one: unknown) => boolean>) => (one: unknown): boolean =>
  Array.isArray(one) && one.length === fields.length && fields.every((holds, i) => holds(one[i]))

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

const isName = (one: unknown): boolean => typeof one === "string"
const isBlock = row(isWhole, isMoment, isWhole, isWhole, isWhole, isEndless)
type BlockData = readonly [
  id: number,
  since: number,
  calls: number,
  ignored: number,
  bad: number,
  least: number | null
]
type MemberData = readonly [id: string, heardAt: number, running: number, oldest: number | null]

const Gathered = Schema.Struct({
  slow: whole,
  streak: whole,
  admitted: whole,
  newestAt: moment,
  reached: integer,
  reachedAt: endless,
  failedAt: listOf<number>("times", isMoment),
  succeededAt: endless,
  cause: maybe(Schema.Struct({ rule: Rule, value: finite, limit: finite, calls: finite })),
  row: maybe(Schema.Struct({ from: moment, to: moment, limit: whole })),
  memories: listOf<Written>("memories", (one) => Array.isArray(one) && one.length >= 2 && one.every(isInteger)),
  blocks: listOf<ReadonlyArray<BlockData>>("blocks", (one) => Array.isArray(one) && one.every(isBlock)),
  /** The windows that this was gathered for. */
  shape: Schema.String
})

const period = { generation: whole, since: moment }
const Closed = Schema.TaggedStruct("Closed", { ...period, evidence: maybe(Gathered) })
const Open = Schema.TaggedStruct("Open", { ...period, cause: Cause, until: endless, firm: endless })
const Probing = Schema.TaggedStruct("Probing", {
  ...period,
  cause: Cause,
  passed: whole,
  failed: whole,
  running: Schema.Array(Schema.Tuple([Schema.String, moment, endless]))
})
const step = { step: whole, stepSince: moment, asked: whole, admitted: finite, succeeded: whole, failed: whole }
const Ramping = Schema.TaggedStruct("Ramping", {
  ...period,
  ...step,
  cause: Cause,
  evidence: Gathered,
  backs: whole,
  base: finite
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
  suspectedAt: maybe(moment),
  members: listOf<MemberData>("members", row(isName, isMoment, isWhole, isEndless)),
  state: State,
  mode: maybe(Mode),
  orders: maybe(listOf<string>("names", isName)),
  counts: Schema.Struct({
    successes: whole,
    failures: whole,
    ignored: whole,
    throttled: whole,
    slow: integer,
    rejected: whole,
    wouldReject: whole,
    inFlight: integer
  }),
  lastFailure: maybe(Failure),
  openings: whole,
  lastOpenFor: endless,
  hintUntil: endless,
  gateUntil: endless,
  gateSince: finite,
  gateCause: maybe(Cause),
  madeAt: moment,
  downFor: finite
})

const parse = Schema.decodeUnknownResult(Schema.fromJsonString(Circuit_))

type Read<S extends Schema.Constraint> = S["Type"]

const failureData = (failure: Circuit.LastFailure | undefined): Circuit.LastFailure | undefined =>
  failure && { at: failure.at, kind: brief(failure.kind), message: brief(failure.message) }

const causeData = (cause: Circuit.Cause | undefined): Circuit.Cause | undefined =>
  cause && { ...cause, failure: failureData(cause.failure), note: brief(cause.note), by: brief(cause.by) }

const stateData = (state: State): unknown => {
  const { _tag, cause, generation, since } = state
  const same = { generation, since, cause: causeData(cause) }
  switch (_tag) {
    case "Closed":
      return { _tag, ...same, evidence: gathered(state.evidence) }
    case "Open":
      return { _tag, ...same, until: state.until, firm: state.firm }
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
      return { ...state, ...same, _tag: state.stage, evidence: gathered(state.evidence) }
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
      return { ...data, until: data.until ?? Infinity, firm: data.firm ?? Infinity }
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
  const { admitted, failedAt, kept, memories, newestAt, plan, reached, reachedAt, slow, streak, succeededAt } = evidence
  return {
    slow,
    streak,
    admitted,
    newestAt,
    reached,
    reachedAt,
    failedAt,
    succeededAt,
    cause: evidence.cause,
    row: evidence.row,
    memories: memories.map((memory) => (memory as FleetMemory).written()),
    blocks: kept.map(({ all }) =>
      all.map(({ bad, calls, id, ignored, least, since }) => [id, since, calls, ignored, bad, least])
    ),
    shape: shapeOf(plan)
  }
}

const evidenceOf = (data: Read<typeof Gathered>, plan: Evidence.Plan, now: number): FleetEvidence => {
  const { admitted, failedAt, newestAt, reached, reachedAt, streak, succeededAt } = data
  const ids = data.blocks.flatMap((blocks) => blocks.map(([id]) => id))
  const evidence = Object.assign(new FleetEvidence(plan, now, admitted, Math.max(...ids, 0) + 1), {
    newestAt,
    reached,
    reachedAt: reachedAt ?? -Infinity,
    failedAt: [...failedAt],
    cause: data.cause as Evidence.Verdict | undefined,
    row: data.row,
    streak: Math.max(streak, failedAt.length),
    succeededAt: succeededAt ?? -Infinity
  })
  const memories = plan.rules.map(({ window }, i) => {
    const written = data.memories[i]
    return written && FleetMemory.read(written, window, now)
  })
  // Under other rules only the streak means the same.
  if (data.shape !== shapeOf(plan) || memories.includes(undefined)) return evidence
  if (data.blocks.length !== plan.rules.length || data.blocks.some((blocks) => blocks.length < 2)) return evidence
  for (const [i, blocks] of data.blocks.entries()) {
    evidence.kept[i]!.all = blocks.map(([id, since, calls, ignored, bad, least]) => ({
      id,
      first: 0,
      since,
      calls,
      ignored,
      bad,
      least: least ?? Infinity
    }))
  }
  return Object.assign(evidence, { slow: data.slow, memories })
}
