/**
 * One call through a shared circuit: the permit, and what its process tells the fleet of it.
 *
 * @since 0.1.0
 */
import type * as Fiber from "effect/Fiber"
import type * as Circuit from "../Circuit.ts"
import { Call, Guarded } from "../Guarded.ts"
import type * as Outcome from "../Outcome.ts"
import type { Told } from "./Fleet.ts"
import type { Place } from "./FleetEvidence.ts"

/** A call, with its own story beside what the machine keeps of it. */
export class SharedCall extends Call implements Told {
  place: Place | undefined = undefined
  outcome: Outcome.Outcome | undefined = undefined
  settledAt = 0
  /** Whether the fleet is told of it. */
  isTold = false
  /** Whether the fleet gave it leave, on a ramp. */
  isGiven = false
  /** The leave that the fleet gave it, where it is a probe. */
  lease: string | undefined = undefined
  /** What its generation is one of: the fleet's count, or that of a process that was left alone. */
  era = 0
}

/** An effect under a shared circuit. */
export class SharedGuarded extends Guarded {
  override permit(): SharedCall {
    return new SharedCall(this)
  }

  /** As `ask`, with the kind of call that it makes. */
  asked(fiber: Fiber.Fiber<unknown, unknown>): SharedCall | Circuit.Refusal {
    return this.ask(fiber) as SharedCall | Circuit.Refusal
  }
}

/** Makes a circuit read the time of every call, as one with a meter does: the fleet has to know when each came home. */
export const readTime = (circuit: Circuit.Circuit): void => {
  let { meter = unread } = circuit
  Object.defineProperty(circuit, "meter", {
    get: () => meter,
    set: (next: Circuit.Meter | undefined) => {
      meter = next ?? unread
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------------

const unread: Circuit.Meter = {
  admitted: () => undefined,
  settled: () => undefined,
  refused: () => undefined,
  probed: () => undefined
}
