/**
 * One policy in the course of a replay: its circuits, and what it did with the calls.
 *
 * @since 0.1.0
 */
import type * as Circuit from "../Circuit.ts"
import type * as Outcome from "../Outcome.ts"
import type * as CallRecord from "./CallRecord.ts"
import * as Policy from "./Policy.ts"
import * as Timeline from "./Timeline.ts"

/**
 * An opening of a circuit: when, for how long in milliseconds, and by which rule, with its figures.
 *
 * **Details**
 *
 * `from` is what it was before: `Closed` where trouble was found, `HalfOpen` where it had not passed. `failure` is the kind
 * of the last failure, where it has one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opening {
  readonly at: number
  readonly circuit: string
  readonly from: Circuit.State["_tag"]
  readonly openFor: number
  readonly rule: Circuit.Cause["rule"]
  readonly value: number
  readonly limit: number
  readonly calls: number
  readonly failure?: string | undefined
}

/**
 * The calls that a policy refused, by what the log says became of them: they `failed` (a `Trip` is among them), were
 * `throttled`, `succeeded`, or were `ignored`; `unknown` are those that the log's own breaker refused too.
 *
 * @category models
 * @since 0.1.0
 */
export interface RefusedCalls {
  readonly failed: number
  readonly throttled: number
  readonly succeeded: number
  readonly ignored: number
  readonly unknown: number
}

/**
 * The same calls by why they were refused: the circuit was `open`, it was `recovering` and let few through, calls were `paused` as
 * a throttled one asked for (a 429), or the circuit was `isolated`.
 *
 * @category models
 * @since 0.1.0
 */
export interface RefusedBy {
  readonly open: number
  readonly recovering: number
  readonly paused: number
  readonly isolated: number
}

/**
 * What refusing was good for, or bad: so many calls, so many milliseconds of waiting, so many tokens where the log has them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sum {
  readonly calls: number
  readonly waiting: number
  readonly inputTokens: number
  readonly outputTokens: number
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** Stretches in which a circuit was not closed, beginning and end in turn; the last may have no end yet. */
export type Stretches = Array<number>

/** The circuit of one policy at one place. */
export interface Track {
  readonly circuit: Circuit.Circuit
  readonly stretches: Stretches
}

/** A name in the log, and the circuit that each policy has for it. */
export class Place {
  readonly name: string
  readonly since: number
  readonly tracks: ReadonlyArray<Track>
  constructor(name: string, since: number, tracks: ReadonlyArray<Track>) {
    this.name = name
    this.since = since
    this.tracks = tracks
  }
}

/** What is kept of a policy. */
export interface Keeping {
  readonly from: number
  readonly every: number
  readonly mostSlices: number
  readonly mostOpenings: number
}

/** One policy, and all that it did. */
export class Run {
  readonly policy: Policy.Policy
  readonly timeline: Timeline.Recorder
  readonly openings: Array<Opening> = []
  readonly counts = { asked: 0, openings: 0, reopenings: 0, unknownAdmitted: 0, probes: 0, probesFailed: 0 }
  readonly admitted = { succeeded: 0, failed: 0, throttled: 0, ignored: 0 }
  readonly refused: Mutable<RefusedCalls> = { failed: 0, throttled: 0, succeeded: 0, ignored: 0, unknown: 0 }
  readonly refusedBy: Mutable<RefusedBy> = { open: 0, recovering: 0, paused: 0, isolated: 0 }
  readonly saved: Mutable<Sum> = { calls: 0, waiting: 0, inputTokens: 0, outputTokens: 0 }
  readonly lost: Mutable<Sum> = { calls: 0, waiting: 0, inputTokens: 0, outputTokens: 0 }
  private readonly random: (() => number) | undefined
  private readonly mostOpenings: number
  private stretches = 0
  private readonly meter: Circuit.Meter = {
    admitted: nothing,
    settled: nothing,
    refused: nothing,
    probed: (passed) => {
      if (!passed) this.counts.probesFailed++
    }
  }
  /** There were more than are kept: what is said of incidents would be wrong. */
  isCut = false

  constructor(policy: Policy.Policy, random: (() => number) | undefined, { from, mostOpenings, ...rest }: Keeping) {
    this.policy = policy
    this.random = random
    this.mostOpenings = mostOpenings
    this.timeline = Timeline.make({ from, ...rest, mostMoves: mostOpenings, circuits: 0 })
  }

  track(name: string, now: number): Track {
    const stretches: Stretches = []
    this.timeline.joined(now)
    const circuit = Policy.circuit(this.policy, now, {
      random: this.random,
      notify: (transition) => this.moved(transition, name, stretches)
    })
    return { circuit: Object.assign(circuit, { meter: this.meter }), stretches }
  }

  /** A call that the policy refuses. */
  refuse(
    { at, inputTokens, outcome, outputTokens, took }: CallRecord.CallRecord,
    reason: Circuit.Refusal["reason"]
  ): void {
    const { kind, wouldHave } = kinds[outcome._tag]
    this.refusedBy[reasons[reason]]++
    this.refused[kind]++
    this.timeline.refused(at, wouldHave)
    const sum = wouldHave === "failed" ? this.saved : wouldHave === "succeeded" ? this.lost : undefined
    if (sum === undefined) return
    sum.calls++
    sum.waiting += took
    if (inputTokens !== undefined) sum.inputTokens += inputTokens
    if (outputTokens !== undefined) sum.outputTokens += outputTokens
  }

  /** A call that the policy let go has ended. */
  settle(outcome: Outcome.Outcome, now: number, isProbe: boolean): void {
    const { kind } = kinds[outcome._tag]
    if (kind !== "unknown") this.admitted[kind]++
    this.timeline.settled(now, outcome, isProbe)
  }

  private moved(transition: Circuit.Transition, circuit: string, stretches: Stretches): void {
    const { at, cause, from, openFor = 0, to } = transition
    this.timeline.moved(transition, circuit)
    if (from === "Closed" || to === "Closed") {
      if (this.stretches++ < mostStretches) stretches.push(at)
      else this.isCut = true
    }
    if (to !== "Open" || cause === undefined) return
    this.counts.openings++
    if (from === "HalfOpen") this.counts.reopenings++
    if (this.openings.length >= this.mostOpenings) return
    const { calls, failure, limit, rule, value } = cause
    this.openings.push({
      at,
      circuit,
      from,
      openFor,
      rule,
      value,
      limit,
      calls,
      ...(failure?.kind !== undefined && { failure: failure.kind })
    })
  }
}

/** How much of the time until `until` those stretches are. */
export const lengthOf = (stretches: Stretches, until: number): number => {
  let length = 0
  for (let i = 0; i < stretches.length; i += 2) length += (stretches[i + 1] ?? until) - stretches[i]!
  return length
}

// ---------------------------------------------------------------------------------------------------------------------

/** Of all circuits of a policy together. */
const mostStretches = 2_000_000

const nothing = (): void => undefined

const reasons: Readonly<Record<Circuit.Refusal["reason"], keyof RefusedBy>> = {
  Open: "open",
  HalfOpen: "recovering",
  Throttled: "paused",
  Isolated: "isolated"
}

// A throttled call brings no answer: to be spared it is a gain. Of an ignored one nobody can say.
const kinds: Readonly<
  Record<
    CallRecord.CallRecord["outcome"]["_tag"],
    { readonly kind: keyof RefusedCalls; readonly wouldHave: Timeline.WouldHave }
  >
> = {
  Success: { kind: "succeeded", wouldHave: "succeeded" },
  Failure: { kind: "failed", wouldHave: "failed" },
  Trip: { kind: "failed", wouldHave: "failed" },
  Throttled: { kind: "throttled", wouldHave: "failed" },
  Ignored: { kind: "ignored", wouldHave: "unknown" },
  Refused: { kind: "unknown", wouldHave: "unknown" }
}
