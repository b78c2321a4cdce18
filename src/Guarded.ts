/**
 * An effect under a breaker, and one call of it: asked for, run and settled without a step of the run loop between.
 *
 * See `docs/decisions/0004-the-permit-is-the-frame.md`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Circuit from "./Circuit.ts"
import type { CircuitRejected } from "./CircuitRejected.ts"
import { type Classify, Heard, isInterrupted, ladders, outcomeOf } from "./Classify.ts"
import { noBlocks } from "./Evidence.ts"
import * as Outcome from "./Outcome.ts"
import type { Named } from "./Registry.ts"
import * as Trace from "./Trace.ts"

/** @internal The breaker that an effect is under. */
export interface Owner extends Named {
  ask(now: number, maker: Circuit.Maker): Circuit.Permit | Circuit.Refusal
  settle(permit: Circuit.Permit, outcome: Outcome.Outcome, now: number): void
  refused(refusal: Circuit.Refusal, fiber: AnyFiber): Exit.Exit<never, CircuitRejected>
}

type AnyFiber = Fiber.Fiber<unknown, unknown>
type AnyEffect = Effect.Effect<unknown, unknown, unknown>
type AnyExit = Exit.Exit<unknown, unknown>

// An effect under a breaker. Between the ask and the frame that settles there must be no step of the run loop: a fiber may
// give way between any two, and the permit would be lost to an interrupt.
/** @internal */
export class Guarded implements Circuit.Maker {
  readonly breaker: Owner
  readonly self: AnyEffect
  readonly classify: Classify | undefined
  constructor(breaker: Owner, self: AnyEffect, classify: Classify | undefined) {
    this.breaker = breaker
    this.self = self
    this.classify = classify
  }

  permit(): Call {
    return new Call(this)
  }

  ask(fiber: AnyFiber): Call | Circuit.Refusal {
    const { breaker } = this
    const clock = Circuit.readsTime(breaker) ? fiber.getRef(Clock.Clock) : undefined
    const answer = breaker.ask(clock === undefined ? 0 : breaker.now(clock), this)
    if (answer instanceof Circuit.Refusal) return answer
    const call = answer as Call
    call.clock = clock
    call.span = Trace.asked(fiber, breaker)
    return call
  }
}

// What Effect's `onExit` frame keeps of itself. Should it be kept under other names one day, nothing may load.
const nothing = (): undefined => undefined
const frame = Effect.onExitPrimitive(Effect.void, nothing)
const { effect, onExit } = frame as never as { readonly effect: unknown; readonly onExit: unknown }
if (effect !== Effect.void || onExit !== nothing) throw new Error("effect-breaker does not fit this effect")

// One call: the permit, and the frame on the fiber's stack that gives it back, in one object. All of it is written down
// here, flat: a base class costs a sixth of a call.
/** @internal */
export class Call implements Circuit.Permit {
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
  readonly guarded: Guarded
  // The look at the fiber's context costs as much as the rest of a call: one is enough.
  clock: Clock.Clock | undefined
  heard: Heard
  span: Trace.Span | undefined
  readonly effect: AnyEffect
  readonly interruptible: undefined
  constructor(guarded: Guarded) {
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
    this.guarded = guarded
    this.clock = undefined
    this.heard = undefined
    this.span = undefined
    this.effect = guarded.self
    this.interruptible = undefined
  }

  hear(fiber: AnyFiber): void {
    if (ladders.running > 0) this.heard = fiber.getRef(Heard)
  }

  settle(exit: AnyExit, classify: Classify | undefined): Effect.Effect<void> | undefined {
    const { guarded: { breaker }, heard } = this
    if (classify === undefined && exit._tag === "Success" && this.span === undefined) {
      if (heard !== undefined) heard.outcome = Outcome.success
      breaker.settle(this, Outcome.success, Circuit.readsTime(breaker) ? this.now() : 0)
      return undefined
    }
    const [outcome, complaint] = outcomeOf(exit, classify, breaker.name)
    if (this.span !== undefined) Trace.settled(this.span, breaker, outcome)
    // An interrupted call says nothing of the ones that it was interrupted for.
    if (heard !== undefined && !isInterrupted(exit)) heard.outcome = outcome
    breaker.settle(this, outcome, this.now())
    return complaint
  }

  now(): number {
    return this.guarded.breaker.now(this.clock ?? Fiber.getCurrent()!.getRef(Clock.Clock))
  }
}

Object.assign(Call.prototype, Object.getPrototypeOf(frame), {
  onExit(this: Call, exit: AnyExit) {
    return this.settle(exit, this.guarded.classify)
  }
})

const evaluate = function(this: Guarded, fiber: AnyFiber): AnyEffect {
  const call = this.ask(fiber)
  if (call instanceof Circuit.Refusal) return this.breaker.refused(call, fiber)
  call.hear(fiber)
  // Takes the frame's own first step, which puts it on the stack.
  return (call as never as Record<string, typeof evaluate>)[EVALUATE]!.call(call as never, fiber)
}

const primitive = Effectable.Prototype<AnyEffect>({ label: "Guarded", evaluate: evaluate as never })

// Copied onto the prototype itself, not put behind it: the run loop looks `evaluate` up at every step.
Object.assign(Guarded.prototype, primitive)

// The key under which a primitive keeps its `evaluate`.
const EVALUATE = Object.entries(primitive).find((entry) => entry[1] === evaluate)![0]
