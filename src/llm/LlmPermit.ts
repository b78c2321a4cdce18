/**
 * One call and the circuits that it took leave of: asking all or none, and telling each what it is to hear.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Breaker from "../Breaker.ts"
import * as Circuit from "../Circuit.ts"
import type { CircuitRejected } from "../CircuitRejected.ts"
import { type Classify, Heard, isInterrupted, ladders, outcomeOf } from "../Classify.ts"
import * as Outcome from "../Outcome.ts"
import * as Trace from "../Trace.ts"
import type { Escalation } from "./Escalation.ts"
import * as LlmOutcome from "./LlmOutcome.ts"
import * as Quality from "./Quality.ts"
import * as Scopes from "./Scopes.ts"
import type { Trust } from "./Trust.ts"

/**
 * The leave to make one call, from all its circuits.
 *
 * **Details**
 *
 * It is settled once, by `settle` or `settleExit`; what comes later does nothing.
 *
 * - `answered`: the call gave its first content. From now on it does not hang, and it was slow if this took longer than the
 *   model's `slowAfter`, however long the rest takes. For a call that is not a stream tell it at once: how long a whole
 *   answer takes says nothing.
 * - `quality`: whether the answer is good, told before it is settled. Without it the outcome says: a `Success` is good, and
 *   kind `quality` or `empty` is bad.
 * - `measured`: what was measured of the answer. The meter of the model's circuit is told, where there is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Permit {
  readonly answered: Effect.Effect<void>
  readonly settle: (outcome: LlmOutcome.LlmOutcome) => Effect.Effect<void>
  readonly settleExit: <A, E>(
    exit: Exit.Exit<A, E>,
    options?: { readonly classify?: Classify<A, E> | undefined }
  ) => Effect.Effect<void>
  readonly quality: (isGood: boolean) => Effect.Effect<void>
  readonly measured?: ((figures: Circuit.Figures) => void) | undefined
}

/** @internal A circuit that a call asks, and its permit once it has one. */
export interface Asked {
  readonly place: Scopes.Place
  readonly circuit: Breaker.BreakerImpl
  permit?: Circuit.Permit
}

/** @internal What all calls of one `LlmBreaker` share. */
export interface Ground {
  readonly escalation: Escalation
  readonly trust: Trust
  readonly classify: Classify | undefined
  readonly reading: LlmOutcome.Options
  readonly isGood: Quality.Options["isGood"]
}

/** An outcome that need not say whom it speaks for: then it is the model. */
type Said = Outcome.Outcome & { readonly scope?: LlmOutcome.Scope | undefined }

type AnyFiber = Fiber.Fiber<unknown, unknown>
type AnyExit = Exit.Exit<unknown, unknown>

/** @internal What the first circuit in order would refuse with. */
export const refusal = (asked: ReadonlyArray<Asked>, fiber: AnyFiber): CircuitRejected | undefined => {
  const clock = fiber.getRef(Clock.Clock)
  for (const { circuit } of asked) {
    const refusal = shut(circuit, clock)
    if (refusal !== undefined) return circuit.errorOf(refusal)
  }
  return undefined
}

const shut = (circuit: Breaker.BreakerImpl, clock: Clock.Clock): Circuit.Refusal | undefined =>
  circuit.mode === "enforce" ? Circuit.refusal(circuit, circuit.now(clock)) : undefined

/** @internal One call under several circuits. */
export class LlmPermit implements Permit {
  private readonly scopes: Scopes.Scopes
  private readonly asked: ReadonlyArray<Asked>
  private readonly ground: Ground
  private readonly clock: Clock.Clock
  private readonly doubts: number
  private span: Trace.Span | undefined
  private settled = false

  constructor(scopes: Scopes.Scopes, asked: ReadonlyArray<Asked>, ground: Ground, fiber: AnyFiber) {
    this.scopes = scopes
    this.asked = asked
    this.ground = ground
    this.clock = fiber.getRef(Clock.Clock)
    this.doubts = ground.trust.doubtsOf(this.circuitAt(this.keyPlace)!)
  }

  /** Asks all circuits, in one step of the fiber: nothing can come between. */
  enter(fiber: AnyFiber): Exit.Exit<never, CircuitRejected> | undefined {
    const { asked, clock } = this
    // First a look, which moves nothing: where one refuses, the others are not to hear of it. But the one that refuses has
    // to be asked, for that is what lets it recover; and it may think better of it.
    for (const one of asked) {
      const refused = shut(one.circuit, clock) && this.ask(one, fiber)
      if (refused !== undefined) return refused
    }
    for (const one of asked) {
      const refused = one.permit === undefined ? this.ask(one, fiber) : undefined
      if (refused !== undefined) return refused
    }
    this.span = Trace.asked(fiber, this.subject.circuit)
    return undefined
  }

  get answered(): Effect.Effect<void> {
    return Effect.sync(() => this.answer())
  }

  answer(): void {
    for (const { circuit, permit } of this.asked) Circuit.answer(circuit, permit!, circuit.now(this.clock))
  }

  get settle(): Permit["settle"] {
    return (said) =>
      Effect.withFiber((fiber) => {
        const [outcome, complaint] = outcomeOf(Exit.void, () => said, this.asked.at(-1)!.circuit.name)
        this.end(outcome, fiber)
        return complaint ?? Effect.void
      })
  }

  get settleExit(): Permit["settleExit"] {
    return (exit, options) => this.endExit(exit, options?.classify as Classify | undefined)
  }

  get quality(): Permit["quality"] {
    return (isGood) => Effect.sync(() => this.judge(isGood))
  }

  measured(figures: Circuit.Figures): void {
    this.subject.circuit.meter?.measured?.(figures)
  }

  endExit(exit: AnyExit, classify: Classify | undefined): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      const { clock, ground: { isGood, reading } } = this
      const read = classify ?? this.ground.classify ??
        LlmOutcome.classifyWith({ now: () => clock.currentTimeMillisUnsafe(), ...reading })
      const [outcome, complaint] = outcomeOf(exit, read, this.asked.at(-1)!.circuit.name)
      if (Exit.isSuccess(exit) && outcome._tag === "Success") {
        const good = Quality.ofAnswer(exit.value, isGood)
        if (good !== undefined) this.judge(good)
      }
      this.end(outcome, isInterrupted(exit) ? undefined : fiber)
      return complaint ?? Effect.void
    })
  }

  private end(said: Said, fiber: AnyFiber | undefined): void {
    if (this.settled) return
    this.settled = true
    const outcome = { ...said, scope: said.scope ?? "model" } as LlmOutcome.LlmOutcome
    const heard = ladders.running > 0 ? fiber?.getRef(Heard) : undefined
    if (heard !== undefined) heard.outcome = outcome
    const { asked, scopes } = this
    const hearer = Scopes.hearerOf(outcome, scopes)
    if (this.span !== undefined) Trace.settled(this.span, this.subject.circuit, outcome)
    const told = outcome.scope === "key" ? this.believed(outcome, hearer!) : outcome
    if (outcome._tag === "Success") this.ground.trust.confirm(this.circuitAt(this.keyPlace)!, this.doubts)
    // While the provider recovers, a model that was well until now and fails says that it has not.
    const host = Scopes.hostOf(scopes)
    const spreads = hearer === "model" && outcome._tag === "Failure" &&
      this.circuitAt("model")!.cell.current._tag === "Closed" && this.circuitAt(host)!.cell.current._tag === "HalfOpen"
    for (const one of asked.toReversed()) {
      const { place } = one
      if (place === "quality") this.judge(Quality.ofOutcome(outcome), outcome.message)
      else if (place === hearer || (spreads && place === host)) this.tell(one, told)
      else this.tell(one, outcome._tag === "Success" ? Outcome.success : Outcome.ignored)
    }
  }

  private judge(isGood: boolean | undefined, message?: string): void {
    for (const one of this.asked) if (one.place === "quality") this.tell(one, Quality.heard(isGood, message))
  }

  private ask(one: Asked, fiber: AnyFiber): Exit.Exit<never, CircuitRejected> | undefined {
    const { circuit } = one
    const before = circuit.cell.current
    const answer = Circuit.admit(circuit, circuit.now(this.clock))
    if (answer instanceof Circuit.Permit) one.permit = answer
    this.look(one, before)
    if (answer instanceof Circuit.Permit) return undefined
    for (const other of this.asked) if (other.permit !== undefined) this.tell(other, Outcome.ignored)
    return circuit.refused(answer, fiber, this.subject.circuit.meter)
  }

  private tell(one: Asked, outcome: Outcome.Outcome): void {
    const { circuit, permit } = one
    const before = circuit.cell.current
    Circuit.settle(circuit, permit!, outcome, circuit.now(this.clock))
    this.look(one, before)
  }

  private look({ circuit, place }: Asked, before: Circuit.State): void {
    if (place !== "model") return
    this.ground.escalation.look(circuit, before, this.circuitAt(Scopes.hostOf(this.scopes))!, this.clock)
  }

  // A key that has worked is not given up for one answer.
  private believed(outcome: LlmOutcome.LlmOutcome, hearer: Scopes.Place): Outcome.Outcome {
    return outcome._tag === "Trip" && outcome.kind === "auth"
      ? this.ground.trust.doubt(this.circuitAt(hearer)!, this.doubts, outcome)
      : outcome
  }

  // The model that is asked, or what is known of where it is.
  private get subject(): Asked {
    return this.asked.find(({ place }) => place === "model") ?? this.asked.at(-1)!
  }

  private get keyPlace(): Scopes.Place {
    return this.scopes.key === undefined ? Scopes.hostOf(this.scopes) : "key"
  }

  private circuitAt(place: Scopes.Place): Breaker.BreakerImpl | undefined {
    return this.asked.find((one) => one.place === place)?.circuit
  }
}
