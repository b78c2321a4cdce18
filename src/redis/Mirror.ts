/**
 * What a process knows of a fleet's circuit, as a circuit of its own: it decides with it while the fleet's is closed, and
 * goes on with it when Redis is gone.
 *
 * @since 0.1.0
 */
import type * as Circuit from "../Circuit.ts"
import * as Evidence from "../Evidence.ts"
import * as Move from "../Move.ts"
import type { Cause, LastFailure, Mutable, State } from "../State.ts"
import { Lease } from "./Stored.ts"

/** Whoever a mirror belongs to. */
export interface Owner {
  /** Redis does not count: what this process sees is all there is. */
  readonly isAlone: boolean
  /** A call was found to hang. */
  found(): void
  /** What this process sees would be the end, were it alone. */
  suspect(): void
  /** The fleet's windows, as this process last knew them. */
  tally(now: number): ReturnType<Evidence.Evidence["tally"]> | undefined
}

/** What one process sees of a period. It judges only where it is alone: otherwise the fleet does. */
export class MirrorEvidence extends Evidence.Evidence {
  private readonly owner: Owner

  constructor(plan: Evidence.Plan, now: number, owner: Owner) {
    super(plan, now)
    this.owner = owner
  }

  override judge(now: number, call: Evidence.Call | undefined): Evidence.Verdict | undefined {
    const verdict = super.judge(now, call)
    if (this.owner.isAlone) return verdict
    if (verdict !== undefined) this.owner.suspect()
    return undefined
  }

  override look(now: number): Evidence.Verdict | undefined {
    if (this.hangs(now)) this.owner.found()
    return super.look(now)
  }

  override tally(now: number): ReturnType<Evidence.Evidence["tally"]> {
    return (this.owner.isAlone ? undefined : this.owner.tally(now)) ?? super.tally(now)
  }
}

/** Whatever the mirror gathers in its present state, it leaves the judging to the fleet. */
export const reflect = ({ cell: { current }, rules: { plan } }: Circuit.Circuit, owner: Owner): void => {
  const state: { readonly since: number; evidence?: Evidence.Evidence | undefined } = current
  if (state.evidence instanceof MirrorEvidence || (current._tag !== "Closed" && state.evidence === undefined)) return
  const { admitted = 0, running = 0, streak = 0 } = state.evidence ?? {}
  state.evidence = Object.assign(new MirrorEvidence(plan, current.since, owner), { admitted, running, streak })
}

/** Of the probes that run, only this process's own will be heard of from now on. */
export const orphan = (
  { cell: { current } }: Circuit.Circuit,
  callOf: (id: string) => Circuit.Permit | undefined
): void => {
  if (current._tag !== "HalfOpen" || current.stage !== "Probing") return
  const mine = current.running.flatMap((one) => one instanceof Lease ? callOf(one.id) ?? [] : one)
    .filter(({ settled }) => !settled)
  for (const call of mine) call.generation = current.generation
  current.running.splice(0, Infinity, ...mine)
}

/** Makes the mirror show what the fleet's circuit is. `shift` makes a time of the fleet one of the mirror's. */
export const show = (self: Mutable, fleet: Circuit.Circuit, shift: number, now: number, owner: Owner): void => {
  const state = fleet.cell.current
  const last = self.cell.current
  const share = Move.shareOf(self)
  const isSame = state.generation === last.generation && state._tag === last._tag
  // A closed mirror goes on gathering; all else is as the fleet has it.
  if (!isSame || state._tag !== "Closed") {
    const next = stateAt(state, shift, (since) => new MirrorEvidence(self.rules.plan, since, owner))
    if (isSame) self.cell.current = keepingEvidence(next, last)
    else Move.enter(self, now, next, next._tag === "Open" ? Math.max(next.until - next.since, 0) : undefined)
  }
  const { gateCause, lastFailure } = fleet
  const wasShutUntil = self.gateUntil
  self.openings = fleet.openings
  self.lastOpenFor = fleet.lastOpenFor
  self.hintUntil = fleet.hintUntil + shift
  self.gateUntil = fleet.gateUntil + shift
  self.gateSince = fleet.gateSince + shift
  self.gateCause = gateCause && causeAt(gateCause, shift)
  self.mode = fleet.mode
  if (lastFailure !== undefined) self.lastFailure = failureAt(lastFailure, shift)
  if (isSame && Move.shareOf(self) !== share) {
    const { _tag: tag, cause, generation } = self.cell.current
    const told = { from: tag, to: tag, generation, at: now, cause, openFor: undefined, share: Move.shareOf(self) }
    self.notify?.(told)
  }
  // The same throttle as told by two clocks may differ by a moment.
  if (self.gateUntil > Math.max(wasShutUntil + aMoment, now)) {
    self.paused?.({ ...self.gateCause!, value: self.gateUntil - now }, now)
  }
}

/** The state of a circuit with its times moved. */
export const stateAt = (state: State, shift: number, evidence: (since: number) => Evidence.Evidence): State => {
  const { generation } = state
  const since = state.since + shift
  if (state._tag === "Closed") return { _tag: "Closed", generation, since, evidence: evidence(since) }
  const cause = causeAt(state.cause, shift)
  const period = { generation, since, cause }
  switch (state._tag) {
    case "Open":
      return { _tag: "Open", ...period, until: state.until + shift, firm: state.firm + shift }
    case "Isolated": {
      const interrupted = stateAt(state.interrupted, shift, evidence)
      return {
        _tag: "Isolated",
        ...period,
        until: state.until + shift,
        interrupted: interrupted as typeof state.interrupted
      }
    }
    case "HalfOpen": {
      if (state.stage === "Ramping") {
        return { ...state, ...period, stepSince: state.stepSince + shift, evidence: evidence(since) }
      }
      const running = state.running.map((probe) => {
        const { answeredAt, startedAt } = probe
        return Object.assign(new Lease((probe as Partial<Lease>).id ?? ""), {
          generation,
          settled: false,
          startedAt: startedAt + shift,
          answeredAt: answeredAt === undefined ? undefined : answeredAt + shift
        })
      })
      return { ...state, ...period, running }
    }
  }
}

/** A cause with its times moved. */
export const causeAt = (cause: Cause, shift: number): Cause => ({
  ...cause,
  failure: cause.failure && failureAt(cause.failure, shift)
})

/** A failure with its time moved. */
export const failureAt = (failure: LastFailure, shift: number): LastFailure => ({ ...failure, at: failure.at + shift })

// ---------------------------------------------------------------------------------------------------------------------

const aMoment = 50

const keepingEvidence = (next: State, last: State): State =>
  next._tag === "HalfOpen" && next.stage === "Ramping" && last._tag === "HalfOpen" && last.stage === "Ramping"
    ? { ...next, evidence: last.evidence }
    : next
