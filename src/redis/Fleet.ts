/**
 * The circuit of a fleet: one machine for many processes, moved by their reports.
 *
 * A process decides about its calls by itself while the circuit is closed, and tells in a report what came of them. A
 * report is applied to the circuit as it stands in the store: the same `Circuit` as in memory, with the time of the store.
 * Nothing here waits, and nothing knows a store: whoever applies a report reads the circuit before and writes it after.
 *
 * @since 0.1.0
 */
import * as Circuit from "../Circuit.ts"
import type { Evidence } from "../Evidence.ts"
import * as Move from "../Move.ts"
import * as Outcome from "../Outcome.ts"
import { type Mutable, OBSERVED, Permit } from "../State.ts"
import { FleetEvidence, type Place } from "./FleetEvidence.ts"
import { type Fleet, Lease, type Member } from "./Stored.ts"
import { type Well, WellCalls } from "./Well.ts"

/** A call of one process. Its times are those of the process. */
export interface Told {
  /** The period that it was admitted in. */
  readonly generation: number
  readonly startedAt: number
  readonly answeredAt: number | undefined
  /** The ramp's step that admitted it. */
  readonly step: number
  /** Where it stands, once a report has told of it. */
  readonly place: Place | undefined
  /** What it said, and when, once it is home. */
  readonly outcome: Outcome.Outcome | undefined
  readonly settledAt: number
}

/** A probe that gave a sign of life, or is home. */
export interface Probe {
  readonly id: string
  readonly answeredAt: number | undefined
  readonly outcome: Outcome.Outcome | undefined
  readonly settledAt: number
}

/** What a process has to tell, and to ask. */
export interface Report {
  readonly member: string
  /** The time of the store. What happened to its calls until then is told. */
  readonly now: number
  /** What makes a time of the process one of the store. */
  readonly shift: number
  /** Its calls that run and that were told of before, oldest first. */
  readonly running: ReadonlyArray<Told>
  /**
   * What happened since, in order: a call's first mention is that it was admitted, its next that it came home. A number is
   * one of those that did `well`, or many of them (`Well.upTo`).
   */
  readonly happened: ReadonlyArray<Told | number>
  readonly well?: Well | undefined
  /** Whether calls were asked for since: then those that hang are seen. */
  readonly looks: boolean
  /** It is the last one: nobody waits for another, and nobody will hear of the calls that run. */
  readonly leaves?: boolean | undefined
  readonly probes: ReadonlyArray<Probe>
  readonly orders: ReadonlyArray<Circuit.Command>
  /** Calls that ask for leave, each by a name of its own. */
  readonly asks: ReadonlyArray<string>
}

/** How a fleet waits for its members. All in milliseconds. */
export interface Pace {
  /** How long the answer of a member that is asked may take. */
  readonly grace: number
  /** How long it takes until a member that has calls reports unasked. */
  readonly every: number
  /** After how long a silent member counts as gone though it said that calls of it run. */
  readonly forgetAfter: number
}

/**
 * Whether a member is not waited for any more. A process that is not, or never was one, reports with its first call: what
 * others say about the share of failures must not be the verdict before it is heard.
 */
export const isGone = (member: Member | undefined, now: number, { every, forgetAfter }: Pace): boolean =>
  member === undefined || now - member.heardAt > (member.running > 0 ? forgetAfter : Math.min(2 * every, forgetAfter))

/** What came of a report. */
export interface Outgoing {
  /** Of each ask, leave or a refusal; `undefined` where the circuit is closed and the process may decide by itself. */
  readonly answers: ReadonlyArray<Permit | Circuit.Refusal | undefined>
  readonly transitions: ReadonlyArray<Circuit.Transition>
  /** Where the calls that run stand now. */
  readonly places: ReadonlyMap<Told, Place>
  /** Where each call stands that was given leave on a ramp. */
  readonly admitted: ReadonlyMap<Permit, Place>
  /** Something else than the windows has changed: all want to know. */
  readonly isNews: boolean
  /** When to report again, whatever happens: a verdict waits until then. */
  readonly againAt: number | undefined
}

/** A closed circuit that nobody has told of yet. */
export const make = (rules: Circuit.Rules, now: number, epoch: string, mode: Circuit.Mode): Fleet => ({
  circuit: Circuit.make(rules, now, { mode }),
  epoch,
  members: new Map(),
  mode: undefined,
  suspectedAt: undefined,
  orders: []
})

/** Applies a report to the circuit of a fleet, in place. */
export const apply = (fleet: Fleet, report: Report, pace: Pace): Outgoing => {
  const self = fleet.circuit as Mutable
  const { members } = fleet
  const { member, shift } = report
  // Of two clocks one is behind: what happens after a change of state has a later time all the same.
  const now = Math.max(report.now, self.cell.current.since)
  const before = headOf(fleet)
  for (const [id, one] of members) if (isGone(one, now, pace)) members.delete(id)
  members.delete(member)
  const prepared = (evidence: FleetEvidence) => {
    evidence.suspicion = undefined
    evidence.isAlone = members.size === 0
    evidence.grace = pace.grace
    return evidence
  }
  const evidence = self.cell.current.evidence
  if (evidence instanceof FleetEvidence) {
    prepared(evidence).running = sum(members, ({ running }) => running)
  }
  const transitions: Array<Circuit.Transition> = []
  const { notify } = self
  self.notify = (transition) => {
    transitions.push(transition)
    const state: { readonly _tag: string; evidence?: Evidence | undefined } = self.cell.current
    if (state.evidence instanceof FleetEvidence) return
    // What the members had running in the period before is none of the next one's business.
    for (const [id, one] of members) members.set(id, { ...one, running: 0, oldest: Infinity })
    if (state.evidence !== undefined) state.evidence = prepared(new FleetEvidence(self.rules.plan, now))
  }

  const permits = tell(self, report, prepared)
  for (const probe of report.probes) settleProbe(self, probe, shift, now)
  // A period that gathers is looked at when calls are asked for, as in memory; other states look when they are asked.
  if (report.looks && self.cell.current.evidence?.hangs(now) === true) Move.catchUp(self, now)
  for (const order of report.orders) {
    Circuit.command(self, order, now)
    if (order._tag === "SetMode") fleet.mode = order.mode
  }
  const answers = report.asks.map((id) => ask(self, id, now))
  const againAt = judge(fleet, now, pace)

  const { generation } = self.cell.current
  const places = new Map<Told, Place>()
  const admitted = new Map<Permit, Place>()
  const current = self.cell.current.evidence
  let running = 0
  let oldest = Infinity
  if (current instanceof FleetEvidence) {
    const stand = (permit: Permit): Place => {
      running++
      oldest = Math.min(oldest, permit.startedAt)
      return current.placeOf(permit)
    }
    for (const [call, permit] of permits) {
      if (!permit.settled && permit.generation === generation) places.set(call, stand(permit))
    }
    for (const answer of answers) {
      if (answer instanceof Permit && answer.generation === generation) admitted.set(answer, stand(answer))
    }
    // Of calls that begin now, others may tell as late as they report.
    const untold = members.size === 0 ? Infinity : now - 2 * pace.every
    current.forget(Math.min(untold, oldest, ...[...members.values()].map((one) => one.oldest)))
  }
  if (report.leaves !== true) members.set(member, { heardAt: now, running, oldest })
  const probing = self.cell.current._tag === "HalfOpen" && self.cell.current.stage === "Probing"
    ? self.cell.current.running.length
    : 0
  self.counts.inFlight = sum(members, ({ running }) => running) + probing
  if (notify === undefined) delete self.notify
  else self.notify = notify
  return { answers, transitions, places, admitted, againAt, isNews: headOf(fleet) !== before }
}

// ---------------------------------------------------------------------------------------------------------------------

const sum = (members: Fleet["members"], of: (member: Member) => number): number => {
  let sum = 0
  for (const member of members.values()) sum += of(member)
  return sum
}

// What every process has to know: all but what is gathered.
const headOf = ({ circuit, suspectedAt }: Fleet): string => {
  const { gateUntil, mode, openings } = circuit
  const state = circuit.cell.current
  const { _tag, generation } = state
  const until = "until" in state ? state.until : 0
  const running = _tag === "HalfOpen" && state.stage === "Probing" ? state.running.map((one) => (one as Lease).id) : []
  return JSON.stringify([
    _tag,
    generation,
    until,
    Move.shareOf(circuit),
    running,
    suspectedAt,
    gateUntil,
    mode,
    openings,
    state.cause
  ])
}

// Carries out what happened to the calls of a process, and gives the permits of those that it still tells of.
const tell = (
  self: Mutable,
  { happened, now, running, shift, well = noneDid }: Report,
  prepared: (evidence: FleetEvidence) => FleetEvidence
): Map<Told, Permit> => {
  const permits = new Map<Told, Permit>()
  const begin = (permit: Permit, generation: number, startedAt: number): Permit => {
    permit.generation = generation
    // Clocks differ: nothing is later than now.
    permit.startedAt = Math.min(startedAt + shift, now)
    permit.settled = false
    return permit
  }
  const permitOf = (call: Told): Permit => {
    const permit = begin(new Permit(), call.generation, call.startedAt)
    permit.answeredAt = call.answeredAt === undefined ? undefined : Math.min(call.answeredAt + shift, now)
    permit.step = call.step
    permits.set(call, permit)
    return permit
  }
  const evidence = ({ generation }: { readonly generation: number }, startedAt: number): FleetEvidence | undefined => {
    const state = self.cell.current
    if (state.generation !== generation) return undefined
    if (state._tag === "Closed") {
      state.evidence ??= prepared(new FleetEvidence(self.rules.plan, Math.min(startedAt + shift, now)))
    }
    return state.evidence instanceof FleetEvidence ? state.evidence : undefined
  }
  const wellCalls = new WellCalls({
    self,
    admit: (permit, n) => {
      const gathered = evidence(well, well.startedAt[n]!)
      gathered?.admit(begin(permit, well.generation, well.startedAt[n]!))
      return gathered && permit
    },
    startedAt: (n) => Math.min(well.startedAt[n]! + shift, now),
    settledAt: (n) => Math.min(well.settledAt[n]! + shift, now),
    settle: (permit, at) => settle(self, permit, Outcome.success, at)
  })
  for (const call of running) {
    if (call.place !== undefined) evidence(call, call.startedAt)?.putBack(permitOf(call), call.place)
  }
  for (const call of happened) {
    if (typeof call === "number") {
      wellCalls.tell(call)
      continue
    }
    wellCalls.count()
    const permit = permits.get(call)
    if (permit !== undefined) {
      if (call.outcome !== undefined) {
        settle(self, permit, call.outcome, Math.min(call.settledAt + shift, now))
      }
    } else if (call.place === undefined) evidence(call, call.startedAt)?.admit(permitOf(call))
  }
  wellCalls.count()
  return permits
}

const noneDid: Well = { generation: -1, startedAt: [], settledAt: [] }

// To the machine a call that counts in a period came home in it. What came first the evidence takes from the calls: where a
// history begins after some of them, they would all have come home in one moment.
const settle = (self: Mutable, permit: Permit, outcome: Outcome.Outcome, at: number): void => {
  const { current } = self.cell
  if (current.evidence instanceof FleetEvidence) current.evidence.cameHomeAt = at
  Circuit.settle(self, permit, outcome, Math.max(at, current.since))
}

const settleProbe = (self: Mutable, probe: Probe, shift: number, now: number): void => {
  const state = self.cell.current
  if (state._tag !== "HalfOpen" || state.stage !== "Probing") return
  const permit = state.running.find((one) => (one as Lease).id === probe.id)
  if (permit === undefined) return
  if (probe.answeredAt !== undefined) permit.answeredAt = Math.min(probe.answeredAt + shift, now)
  if (probe.outcome !== undefined) {
    settle(self, permit, probe.outcome, Math.min(probe.settledAt + shift, now))
  }
}

const ask = (self: Mutable, id: string, now: number): Permit | Circuit.Refusal | undefined => {
  // Time alone may have closed it: the end of an isolation, or of a ramp.
  if (self.cell.current._tag !== "Closed") Move.catchUp(self, now)
  if (self.cell.current._tag === "Closed") return Circuit.refusal(self, now)
  const refused = Circuit.refusal(self, now)
  const answer = Circuit.admit(self, now, { permit: () => new Lease(id) })
  // Whoever only observes is told what would have been: the process lets the call pass, and counts it.
  return answer instanceof Permit && answer.generation === OBSERVED ? refused : answer
}

// Tells when to look again, where a verdict waits for members that are yet to be heard.
const judge = (fleet: Fleet, now: number, { every, grace }: Pace): number | undefined => {
  const self = fleet.circuit as Mutable
  const { members, suspectedAt } = fleet
  const { evidence } = self.cell.current
  fleet.suspectedAt = undefined
  if (!(evidence instanceof FleetEvidence)) return undefined
  const verdict = suspectedAt === undefined ? undefined : evidence.verdict(now, suspectedAt)
  if (verdict === undefined) {
    if ((evidence.suspicion ?? suspectedAt) === undefined || !evidence.suspect(now)) return undefined
  }
  const since = verdict === undefined ? now : suspectedAt!
  let until = -Infinity
  for (const { heardAt } of members.values()) {
    // Whoever does not know that it is asked reports in its own time, unless it is gone.
    if (heardAt < since) until = Math.max(until, since + grace, heardAt + every + grace)
  }
  if (now < until) {
    fleet.suspectedAt = since
    return until
  }
  Move.judge(self, now, verdict ?? evidence.verdict(now, now))
  return undefined
}
