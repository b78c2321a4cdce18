/**
 * Counts the answer of a ladder of models, once, whatever ladders stand around it or inside its models.
 *
 * What a ladder inside answered is this one's answer too, and is counted as what it was inside if the first model gave
 * it. What a tool asks of another ladder is an answer by itself.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Heard, isInterrupted } from "../Classify.ts"
import * as Registry from "../Registry.ts"
import type { Asked } from "./ToolWatch.ts"

/** The count of one call. */
export class Tally {
  private readonly outer: Heard
  private readonly tell: ((from: string) => void) | undefined
  private readonly frame: NonNullable<Heard>
  private isFirst = true
  /** Where the first model has its answer from, if that is a ladder, or has one inside. */
  private inside = "primary"
  /** Whether the answer that is given is the first model's. */
  private isFirsts: boolean | undefined

  constructor(fiber: Fiber.Fiber<unknown, unknown>) {
    const outer = fiber.getRef(Heard)
    this.outer = outer
    this.tell = outer === undefined ? fiber.getRef(Registry.Current).served : outer.count
    this.frame = {
      // What breakers say is for the ladder around, as if this one were not there.
      get outcome() {
        return outer?.outcome
      },
      set outcome(outcome) {
        if (outer !== undefined) outer.outcome = outcome
      },
      count: (from) => {
        if (this.isFirst) this.inside = from
      }
    }
  }

  /** The call as its models are to be given it: what its tools ask for is asked outside of the ladder. */
  given<Options extends Asked>(options: Options): Options {
    const { outer, tell } = this
    const { toolkit } = options
    if (tell === undefined || toolkit === undefined || Effect.isEffect(toolkit)) return options
    const handle: typeof toolkit.handle = (...args) =>
      Effect.map(Effect.provideService(toolkit.handle(...args), Heard, outer), Stream.provideService(Heard, outer))
    return { ...options, toolkit: { ...toolkit, handle } }
  }

  /** A model's answer, whole or streamed; it is asked when that is run. */
  within<A, E, R>(answer: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return this.tell === undefined ? answer : Effect.provideService(answer, Heard, this.frame)
  }
  withinStream<A, E, R>(answer: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> {
    return this.tell === undefined ? answer : Stream.provideService(answer, Heard, this.frame)
  }

  /** A model is asked that is not the first. */
  goOn(): void {
    this.isFirst = false
  }

  /** An answer is given: that of the first model, or of another. Without one, or once it broke off, nothing is counted. */
  give(isFirst: boolean | undefined): void {
    this.isFirsts = isFirst
  }

  /** The answer of the ladder, counted when it was given as a whole, or its reader left it. */
  counted<A, E, R>(answer: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.onExitPrimitive(answer, (exit) => this.end(exit))
  }
  countedStream<A, E, R>(answer: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> {
    return Stream.onExit(answer, (exit) => Effect.sync(() => this.end(exit)))
  }

  private end(exit: Exit.Exit<unknown, unknown>): undefined {
    const { inside, isFirsts } = this
    if (isFirsts !== undefined && !isInterrupted(exit)) this.tell?.(isFirsts ? inside : "fallback")
  }
}
