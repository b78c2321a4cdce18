/**
 * One call of an async function under a breaker: its permit, what the function is given, and who settles it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { BreakerImpl } from "../Breaker.ts"
import * as Circuit from "../Circuit.ts"
import * as Root from "../Classify.ts"
import { noBlocks } from "../Evidence.ts"
import * as Outcome from "../Outcome.ts"

/**
 * What a function is given for one call.
 *
 * **Details**
 *
 * `signal` is the caller's, or one that is never aborted where the caller gave none: hand it to `fetch` and to clients.
 * `answered` tells that the call gave its first sign of life, such as its headers or its first word: from then on it does
 * not hang, and it was slow if this took longer than `slowAfter`, however long the rest takes. Both may be taken out of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly signal: AbortSignal
  readonly answered: () => void
}

/**
 * How a call ended: with a value or an error, in the form that `Promise.allSettled` gives.
 *
 * @category models
 * @since 0.1.0
 */
export type Settled<A> =
  | { readonly status: "fulfilled"; readonly value: A }
  | { readonly status: "rejected"; readonly reason: unknown }

/**
 * Reads the outcome off how a call ended.
 *
 * **Details**
 *
 * A call that its caller aborted is never shown to it: that is always `Ignored`. If it throws, or gives back no outcome, the
 * call is `Ignored`, the mistake is logged, and the caller still gets its own result.
 *
 * @category models
 * @since 0.1.0
 */
export type Classify<A = unknown> = (result: Settled<A>) => Outcome.Outcome

/** @internal The same, as the circuit reads exits. */
export const readingExits = <A>(classify: Classify<A> | undefined): Root.Classify | undefined =>
  classify && ((exit) =>
    classify(
      exit._tag === "Success"
        ? { status: "fulfilled", value: exit.value as A }
        : { status: "rejected", reason: Cause.squash(exit.cause) }
    ))

/** @internal `AbortSignal.timeout` speaks of who was too slow, not of a caller who left. */
export const isLate = ({ reason }: AbortSignal): boolean =>
  (reason as { readonly name?: unknown } | undefined)?.name === "TimeoutError"

/** @internal The breaker that a call is under, and where what goes wrong beside it is logged. */
export interface Owner {
  readonly circuit: BreakerImpl
  readonly clock: Clock.Clock
  log(complaint: Effect.Effect<void>): void
}

/** @internal */
export class Running implements Circuit.Permit, Call {
  generation: number
  startedAt: number
  settled: boolean
  number: number
  blocks: Circuit.Permit["blocks"]
  answeredAt: number | undefined
  hung: Circuit.Permit["hung"]
  older: Circuit.Permit["older"]
  newer: Circuit.Permit["newer"]
  step: number
  private readonly owner: Owner
  // Set by whoever asked.
  classify: Root.Classify | undefined
  heard: Root.Heard
  private given: AbortSignal | undefined
  private over: boolean
  constructor(owner: Owner) {
    this.generation = 0
    this.startedAt = 0
    this.settled = true
    this.number = 0
    this.blocks = noBlocks
    this.answeredAt = undefined
    this.hung = undefined
    this.older = undefined
    this.newer = undefined
    this.step = 0
    this.owner = owner
    this.classify = undefined
    this.heard = undefined
    this.given = undefined
    this.over = false
  }

  // Made only for a function that looks: one that all calls share would gather the listeners of all.
  get signal(): AbortSignal {
    return this.given ??= new AbortController().signal
  }

  get answered(): () => void {
    return () => Circuit.answer(this.owner.circuit, this, this.now())
  }

  /** From now on the call is over with the caller's abort: a function that does not heed it must not keep a place. */
  watch(signal: AbortSignal): void {
    this.given = signal
    callsUnder(signal).add(this)
  }

  aborted(): void {
    const signal = this.given!
    if (isLate(signal)) this.failed(signal.reason)
    else this.stopped(Outcome.ignored)
  }

  succeeded(value: unknown): void {
    if (this.over) return
    if (this.classify === undefined) {
      this.end(Outcome.success, Circuit.readsTime(this.owner.circuit) ? this.now() : 0)
    } else this.read(Exit.succeed(value))
  }

  failed(error: unknown): void {
    if (!this.over) this.read(Exit.fail(error))
  }

  /** Over before its end, for a reason that is not the provider's. */
  stopped(outcome: Outcome.Outcome): void {
    if (!this.over) this.end(outcome, this.now())
  }

  private read(exit: Exit.Exit<unknown, unknown>): void {
    const [outcome, complaint] = Root.outcomeOf(exit, this.classify, this.owner.circuit.name)
    this.end(outcome, this.now())
    if (complaint !== undefined) this.owner.log(complaint)
  }

  private end(outcome: Outcome.Outcome, now: number): void {
    this.over = true
    if (this.given !== undefined) watched.get(this.given)?.delete(this)
    if (this.heard !== undefined) this.heard.outcome = outcome
    Circuit.settle(this.owner.circuit, this, outcome, now)
  }

  private now(): number {
    const { circuit, clock } = this.owner
    return circuit.now(clock)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const watched = /*#__PURE__*/ new WeakMap<AbortSignal, Set<Running>>()

// One listener for all calls under a signal: Node warns of a leak where there are more than ten.
const callsUnder = (signal: AbortSignal): Set<Running> => {
  let calls = watched.get(signal)
  if (calls === undefined) {
    const all = calls = new Set<Running>()
    watched.set(signal, all)
    signal.addEventListener("abort", () => all.forEach((call) => call.aborted()), { once: true })
  }
  return calls
}
