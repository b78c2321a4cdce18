/**
 * What a circuit is: its states, the permits it gives, and the counts of its life. What it does is in `Circuit`.
 *
 * @since 0.1.0
 */
import * as Evidence from "./Evidence.ts"
import type * as Outcome from "./Outcome.ts"
import type { Rules } from "./Rules.ts"

/**
 * Whether refusals are carried out: `enforce`; `observe`, where every rule runs but no call is refused; `off`, where
 * calls pass and nothing is counted.
 *
 * @category models
 * @since 0.1.0
 */
export type Mode = "enforce" | "observe" | "off"

/**
 * The last failure that counted: when, of what kind, in whose words.
 *
 * @category models
 * @since 0.1.0
 */
export interface LastFailure {
  readonly at: number
  readonly kind?: string | undefined
  readonly message?: string | undefined
}

/**
 * Why a circuit is not closed: the rule, what it saw (`value`), its `limit`, over how many `calls`.
 *
 * **Details**
 *
 * The rules are those of the trip policy, and `probes` (they failed), `trip` (a `Trip` outcome), `manual` (opened by
 * hand), `escalated` (so many circuits under it are open), `throttled` (the gate is shut, `value` being the pause in
 * milliseconds), `isolated`, and `store` (a shared circuit whose store is gone, where the program wants no call without it). `failure` is the last failure of the period that the rule ended. `note` and `by` are what an
 * operator said and who it was.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cause {
  readonly rule:
    | Evidence.Verdict["rule"]
    | "probes"
    | "trip"
    | "manual"
    | "escalated"
    | "throttled"
    | "isolated"
    | "store"
  readonly value: number
  readonly limit: number
  readonly calls: number
  readonly failure?: LastFailure | undefined
  readonly note?: string | undefined
  readonly by?: string | undefined
}

/**
 * The state of a circuit. Each period in a state has its own `generation`; `since` is when it began.
 *
 * @category models
 * @since 0.1.0
 */
export type State = Closed | Open | Probing | Ramping | Isolated

/** @category models @since 0.1.0 */
export interface Closed {
  readonly _tag: "Closed"
  readonly generation: number
  readonly since: number
  readonly cause?: undefined
  /** @internal Made when the first call is admitted. */
  evidence?: Evidence.Evidence
}

/** @category models @since 0.1.0 */
export interface Open {
  readonly _tag: "Open"
  readonly evidence?: undefined
  readonly generation: number
  readonly since: number
  readonly until: number
  /** Until when nothing ends it early: the provider, or somebody, said how long it lasts. */
  readonly firm: number
  readonly cause: Cause
}

/** @category models @since 0.1.0 */
export interface Probing {
  readonly _tag: "HalfOpen"
  readonly evidence?: undefined
  readonly stage: "Probing"
  readonly generation: number
  readonly since: number
  readonly cause: Cause
  /** @internal */
  readonly running: Array<Permit>
  /** @internal */
  passed: number
  /** @internal */
  failed: number
}

/** @category models @since 0.1.0 */
export interface Ramping {
  readonly _tag: "HalfOpen"
  readonly stage: "Ramping"
  readonly generation: number
  readonly since: number
  readonly cause: Cause
  /** @internal */
  readonly evidence: Evidence.Evidence
  /** @internal */
  step: number
  /** @internal */
  stepSince: number
  /** @internal */
  asked: number
  /** @internal */
  admitted: number
  /** @internal */
  succeeded: number
  /** @internal */
  failed: number
  /** @internal How often it went back, and the share of calls that fail however few there are. */
  backs: number
  /** @internal */
  base: number
}

/** @category models @since 0.1.0 */
export interface Isolated {
  readonly _tag: "Isolated"
  readonly evidence?: undefined
  readonly generation: number
  readonly since: number
  /** When it ends by itself; infinite where only a release ends it. */
  readonly until: number
  readonly cause: Cause
  /** @internal What it goes on with when it ends by itself. */
  readonly interrupted: Exclude<State, Isolated>
}

/** @internal The generation of a call that would have been refused: no period has it. */
export const OBSERVED = -1

/**
 * The leave to make one call, to be settled once.
 *
 * @category models
 * @since 0.1.0
 */
export class Permit implements Evidence.Call {
  /** The period that it counts in. */
  generation: number
  /** When it was given; zero where nothing reads the time. */
  startedAt: number
  /** Nothing is left to settle: it was, or it was never admitted to be counted. */
  settled: boolean
  /** @internal */
  number: number
  /** @internal */
  blocks: Evidence.Call["blocks"]
  /** When its call gave its first sign of life. */
  answeredAt: number | undefined
  /** @internal */
  hung: Evidence.Call["hung"]
  /** @internal */
  older: Evidence.Call | undefined
  /** @internal */
  newer: Evidence.Call | undefined
  /** @internal The ramp's step that admitted it. */
  step: number
  // Assigned here, not initialized above: one is made for each call, and defining fields is slower.
  constructor() {
    this.generation =
      this.startedAt =
      this.number =
      this.step =
        0
    this.settled = true
    this.blocks = Evidence.noBlocks
    this.answeredAt =
      this.hung =
      this.older =
      this.newer =
        undefined
  }
}

/**
 * Why an ask was refused, and when it is worth asking again. `retryAfter` is in milliseconds, infinite when isolated.
 *
 * @category models
 * @since 0.1.0
 */
export class Refusal {
  readonly reason: "Open" | "HalfOpen" | "Throttled" | "Isolated"
  readonly retryAfter: number
  readonly since: number
  readonly generation: number
  readonly cause: Cause
  constructor(reason: Refusal["reason"], retryAfter: number, since: number, generation: number, cause: Cause) {
    this.reason = reason
    this.retryAfter = retryAfter
    this.since = since
    this.generation = generation
    this.cause = cause
  }
}

/**
 * One step of the machine. `share` is the ramp's new share; `openFor` how long an opening lasts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transition {
  readonly from: State["_tag"]
  readonly to: State["_tag"]
  readonly generation: number
  readonly at: number
  readonly cause: Cause | undefined
  readonly openFor: number | undefined
  readonly share: number | undefined
}

/**
 * What a circuit asks of whoever keeps it.
 *
 * **Details**
 *
 * - `random` gives numbers from 0 to 1 for the jitter of openings (default: none).
 * - `notify` is told of each transition, `paused` when a throttle shuts the gate or keeps it shut for longer, and
 *   `spared` of each call that mode `observe` lets through and `enforce` would have refused.
 *
 * **Gotchas**
 *
 * They are called in the midst of a move: they must not throw, nor ask, settle or command the same circuit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Host {
  readonly random?: (() => number) | undefined
  readonly notify?: ((transition: Transition) => void) | undefined
  readonly paused?: ((cause: Cause, at: number) => void) | undefined
  readonly spared?: ((refusal: Refusal) => void) | undefined
}

/**
 * What was measured of one answer of a language model.
 *
 * **Details**
 *
 * Times are milliseconds, without the time of the reader and of the program's tools. Of a streamed answer: the time to its
 * `firstContent`, how many `chunks` of content it came in, and the time from one to the next (`perChunk`). Tokens are those
 * that the provider counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Figures {
  readonly firstContent?: number | undefined
  readonly chunks?: number | undefined
  readonly perChunk?: number | undefined
  readonly inputTokens?: number | undefined
  readonly outputTokens?: number | undefined
}

/**
 * What is counted of the calls of a circuit while somebody wants to know.
 *
 * **Details**
 *
 * `settled` is told of every call that comes home, those too that come too late to count: its outcome, and how long it took
 * (`undefined` where its beginning is not known). `probed` is told whether a probe passed, and `measured` what was measured
 * of an answer, where the call was one of a language model. `saved` is told by the service, not by the machine, of each call
 * that was refused: at the circuit whose answers such calls are measured at, whichever refused.
 *
 * **Gotchas**
 *
 * It is called on the way of each call: it must do next to nothing, and not throw.
 *
 * @category models
 * @since 0.1.0
 */
export interface Meter {
  admitted(): void
  settled(outcome: Outcome.Outcome, took: number | undefined): void
  refused(reason: Refusal["reason"], spared: boolean): void
  probed(passed: boolean): void
  measured?(figures: Figures): void
  saved?(): void
}

/**
 * How many calls there were in the life of a circuit, of each kind. `slow` leaves out the period that still lasts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  successes: number
  failures: number
  ignored: number
  throttled: number
  slow: number
  rejected: number
  wouldReject: number
  inFlight: number
}

/**
 * A circuit: its rules, its state, and the counts of its life.
 *
 * @category models
 * @since 0.1.0
 */
export class Circuit {
  readonly rules: Rules
  readonly cell: { current: State }
  readonly mode: Mode
  readonly counts: Counts = {
    successes: 0,
    failures: 0,
    ignored: 0,
    throttled: 0,
    slow: 0,
    rejected: 0,
    wouldReject: 0,
    inFlight: 0
  }
  readonly lastFailure: LastFailure | undefined = undefined
  /** @internal Openings in a row, and how long the last one was. */
  readonly openings: number = 0
  readonly lastOpenFor: number = 0
  /** @internal The latest hint of this period: the next opening lasts at least until then. */
  readonly hintUntil: number = -Infinity
  /** @internal The gate that a throttle shut. */
  readonly gateUntil: number = -Infinity
  readonly gateSince: number = 0
  readonly gateCause: Cause | undefined = undefined
  /** @internal */
  readonly madeAt: number
  readonly downFor: number = 0
  /** Who counts its calls; nobody, unless somebody wants to know. */
  readonly meter: Meter | undefined = undefined

  constructor(rules: Rules, now: number, mode: Mode = "enforce", cell: { current: State } = { current: closed(now) }) {
    this.rules = rules
    this.mode = mode
    this.cell = cell
    this.madeAt = now
  }

  random?(): number
  notify?(transition: Transition): void
  paused?(cause: Cause, at: number): void
  spared?(refusal: Refusal): void
}

/** @internal The same circuit, for the machine's own hands. */
export type Mutable = { -readonly [K in keyof Circuit]: Circuit[K] }

/**
 * The state that a circuit begins in.
 *
 * @category constructors
 * @since 0.1.0
 */
export const closed = (now: number, generation = 0): Closed => ({ _tag: "Closed", generation, since: now })
