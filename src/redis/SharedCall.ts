/**
 * One call through a shared circuit: the permit, and what its process tells the fleet of it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Fiber from "effect/Fiber"
import type * as Circuit from "../Circuit.ts"
import { Call, Guarded, type Owner } from "../Guarded.ts"
import type * as Outcome from "../Outcome.ts"
import type { Mutable } from "../State.ts"
import * as Trace from "../Trace.ts"
import type { Place } from "./FleetEvidence.ts"
import type { Logged } from "./Log.ts"

/** A call, with its own story beside what the machine keeps of it. */
export class SharedCall extends Call implements Logged {
  declare place: Place | undefined
  declare outcome: Outcome.Outcome | undefined
  declare settledAt: number
  declare entry: number
  /** Whether the fleet is told of it. */
  declare isTold: boolean
  /** Whether the fleet gave it leave, on a ramp. */
  declare isGiven: boolean
  /** The leave that the fleet gave it, where it is a probe. */
  declare lease: string | undefined
  /** What its generation is one of: the fleet's count, or that of a process that was left alone. */
  declare era: number
}

// Of most calls there is no more to say: they need no room for it.
Object.assign(SharedCall.prototype, {
  place: undefined,
  outcome: undefined,
  settledAt: 0,
  entry: -1,
  isTold: false,
  isGiven: false,
  lease: undefined,
  era: 0
})

/** A call that the fleet gave leave to is home: only the counts of this process change here. */
export const comeHome = (
  { counts, meter }: Mutable,
  call: SharedCall,
  outcome: Outcome.Outcome,
  now: number
): void => {
  call.settled = true
  counts.inFlight--
  meter?.settled(outcome, now - call.startedAt)
  if (outcome._tag === "Success") counts.successes++
  else if (outcome._tag === "Ignored") counts.ignored++
  else if (outcome._tag === "Throttled") counts.throttled++
  else counts.failures++
}

/** The circuit that an effect is under. */
interface SharedOwner extends Owner {
  /** Whether a call needs nobody else. */
  readonly decides: boolean
  /** A call for which the fleet is asked. */
  asking(guarded: SharedGuarded): AnyEffect
}

/** An effect under a shared circuit. */
export class SharedGuarded extends Guarded {
  declare readonly breaker: SharedOwner

  override permit(): SharedCall {
    return new SharedCall(this)
  }

  /** Reads the time of every call: the fleet has to know when it began and came home. */
  override ask(fiber: AnyFiber): SharedCall | Circuit.Refusal {
    const { breaker } = this
    const clock = fiber.getRef(Clock.Clock)
    const answer = breaker.ask(breaker.now(clock), this)
    if (!(answer instanceof SharedCall)) return answer as Circuit.Refusal
    answer.clock = clock
    answer.span = Trace.asked(fiber, breaker)
    return answer
  }
}

// ---------------------------------------------------------------------------------------------------------------------

type AnyFiber = Fiber.Fiber<unknown, unknown>
type AnyEffect = Effect.Effect<unknown, unknown, unknown>
type Evaluate = (this: SharedGuarded, fiber: AnyFiber) => AnyEffect

// Where the process decides it is a guarded effect like any other, without a step of the run loop more.
const evaluate: Evaluate = function(fiber) {
  return this.breaker.decides ? decided.call(this, fiber) : this.breaker.asking(this)
}

const primitive = Effectable.Prototype<AnyEffect>({ label: "Guarded", evaluate: evaluate as never })

// The key under which a primitive keeps its `evaluate`.
const EVALUATE = Object.entries(primitive).find((entry) => entry[1] === evaluate)![0]
const decided = (Guarded.prototype as never as Record<string, Evaluate>)[EVALUATE]!

Object.assign(SharedGuarded.prototype, primitive)
