/**
 * The breaker for async functions: the same circuits, for programs that are not in Effect.
 *
 * `Breaker.make` makes one, `execute` runs a function through it. What a circuit does and when is told in the root's
 * `Circuit`, which is what runs here too; its circuits are seen by the metrics, the page and the control of a program that has
 * those.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Root from "../Breaker.ts"
import * as Circuit from "../Circuit.ts"
import { CircuitRejected } from "../CircuitRejected.ts"
import type { Heard } from "../Classify.ts"
import * as Setting from "../internal/Setting.ts"
import * as Outcome from "../Outcome.ts"
import { Mode } from "../Settings.ts"
import { type Call, type Classify, isLate, type Owner, readingExits, Running } from "./Call.ts"
import { type Event, tell } from "./Event.ts"
import * as Fallback from "./Fallback.ts"
import { GuardedIterable } from "./GuardedIterable.ts"
import { type Options, rooted } from "./Options.ts"

export type { IsolateOptions, Reason, TripOptions } from "../Breaker.ts"
export type { Call, Classify, Settled } from "./Call.ts"
export type { Event } from "./Event.ts"
export type { Growing, Options } from "./Options.ts"

/**
 * How one call is made: under whose signal, and how its end is read where that differs from the breaker's own way.
 *
 * **Details**
 *
 * An abort of `signal` makes the call `Ignored` at once, and gives back its place, whether the function heeds it or not. But
 * an abort by `AbortSignal.timeout` is no caller that left: it is read as the failure of a call that took too long. Once it
 * is aborted the breaker is not asked, and the call rejects with the signal's reason.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecuteOptions<A> {
  readonly signal?: AbortSignal | undefined
  readonly classify?: Classify<A> | undefined
}

/**
 * How the calls of a wrapped function are made: where its arguments hold a signal, and how its end is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface WrapOptions<Args, A> {
  readonly signal?: ((args: Args) => AbortSignal | null | undefined) | undefined
  readonly classify?: Classify<A> | undefined
}

/**
 * What there is to know about a circuit at one moment, as plain data.
 *
 * **Details**
 *
 * As the root's `Snapshot`, but that `retryAfter` is in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot extends Circuit.Snapshot {
  readonly name: string
}

/**
 * A circuit in front of the calls of a program.
 *
 * **Details**
 *
 * - `execute` runs a function through it. Its value and its error reach the caller unchanged; a refused call never runs, and
 *   rejects with `CircuitRejected`.
 * - `wrap` gives a function with the same arguments whose every call goes through it.
 * - `iterate` is `execute` for a function that gives an async iterable, such as a streamed answer: the call is the whole
 *   iteration. It asks with the first `next`; an end is a `Success`, an error a `Failure`. A reader that stops early
 *   (`break`, `return()`, `throw()`) is a `Success` if an element came, and `Ignored` if none did. `wrapIterable` is `wrap` for
 *   such functions.
 * - `serve` is `execute` with a ladder of fallbacks, and says where the answer came from: see `Fallback`.
 * - `onEvent` tells what happens, after it happened, until what it gives is called.
 * - `snapshot` reads, and moves nothing.
 * - `isolate` refuses every call until `release`, or for a while: then the circuit goes on in the state that was
 *   interrupted. `release` closes it; `reset` closes it and forgets its openings; `trip` opens it by hand; `setMode`
 *   changes whether refusals are carried out.
 *
 * **Gotchas**
 *
 * Retries of the provider's errors belong inside the function, so that the breaker sees one outcome per call; a retry of
 * refusals belongs outside, and waits for `retryAfterOf`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Breaker {
  readonly name: string
  execute<A>(fn: (call: Call) => A | PromiseLike<A>, options?: ExecuteOptions<A>): Promise<A>
  wrap<Args extends Array<unknown>, A>(
    fn: (...args: Args) => A | PromiseLike<A>,
    options?: WrapOptions<NoInfer<Args>, NoInfer<A>>
  ): (...args: Args) => Promise<A>
  iterate<A>(
    fn: (call: Call) => AsyncIterable<A> | PromiseLike<AsyncIterable<A>>,
    options?: ExecuteOptions<void>
  ): AsyncIterableIterator<A, unknown, undefined>
  wrapIterable<Args extends Array<unknown>, A>(
    fn: (...args: Args) => AsyncIterable<A> | PromiseLike<AsyncIterable<A>>,
    options?: WrapOptions<NoInfer<Args>, void>
  ): (...args: Args) => AsyncIterableIterator<A, unknown, undefined>
  serve<A, const Rungs extends ReadonlyArray<Fallback.Rung<unknown>>>(
    fn: (call: Call) => A | PromiseLike<A>,
    options: ExecuteOptions<A> & { readonly fallback: Rungs }
  ): Promise<Fallback.Served<A | Fallback.Value<Rungs[number]>>>
  onEvent(listener: (event: Event) => void): () => void
  snapshot(): Snapshot
  isolate(options?: string | Root.IsolateOptions): void
  release(reason?: Root.Reason): void
  reset(reason?: Root.Reason): void
  trip(options?: Root.TripOptions): void
  setMode(mode: Circuit.Mode, reason?: Root.Reason): void
}

/**
 * Makes a breaker.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting; it names the option, the rule and the value. Make it once, not for each
 * call.
 *
 * **Example** (Failing fast after the first failure)
 *
 * ```ts
 * import { Breaker, CircuitRejected, TripPolicy } from "effect-breaker/promise"
 *
 * const openai = Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
 * const ask = () =>
 *   openai.execute(async () => {
 *     throw new Error("529 Overloaded")
 *   })
 *
 * console.log(await ask().catch((error) => error.message)) // => "529 Overloaded"
 * console.log(await ask().catch((error) => error instanceof CircuitRejected && error.reason)) // => "Open"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Breaker => Effect.runSync(makeEffect(options))

/**
 * Makes a breaker for the promise code of a program that is in Effect otherwise: on that program's clock, randomness and
 * registry.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeEffect = (options: Options): Effect.Effect<Breaker> => {
  const made = Root.make({ ...rooted(options, "Breaker.make"), name: options.name })
  return Effect.withFiber((fiber) => Effect.map(made, (circuit) => new BreakerImpl(circuit as Root.BreakerImpl, fiber)))
}

/**
 * How many milliseconds until it is worth asking again, where an error is a refusal; `undefined` where it is not.
 *
 * **Details**
 *
 * It is the error's own `retryAfter` as a number: infinite for an isolation without an end.
 *
 * **Example** (Telling a client when to come back)
 *
 * ```ts
 * import { Breaker } from "effect-breaker/promise"
 *
 * const openai = Breaker.make({ name: "openai" })
 * openai.trip({ openFor: "20 seconds" })
 *
 * const error = await openai.execute(async () => "an answer").catch((error: unknown) => error)
 * const wait = Breaker.retryAfterOf(error)
 * console.log(wait !== undefined && `retry-after: ${Math.ceil(wait / 1000)}`) // => "retry-after: 20"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export const retryAfterOf = (error: unknown): number | undefined =>
  error instanceof CircuitRejected ? Duration.toMillis(error.retryAfter) : undefined

// ---------------------------------------------------------------------------------------------------------------------

/** @internal */
export class BreakerImpl implements Breaker, Circuit.Maker, Owner {
  readonly circuit: Root.BreakerImpl
  private readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly clock: Clock.Clock

  constructor(circuit: Root.BreakerImpl, fiber: Fiber.Fiber<unknown, unknown>) {
    this.circuit = circuit
    this.fiber = fiber
    this.clock = fiber.getRef(Clock.Clock)
  }

  get name(): string {
    return this.circuit.name
  }

  permit(): Running {
    return new Running(this)
  }

  // Not `async`, and no second promise where there is one: that costs a third more.
  execute<A>(fn: (call: Call) => A | PromiseLike<A>, options?: ExecuteOptions<A>, heard?: Heard): Promise<A> {
    if (options?.signal?.aborted === true) return gone(options.signal, heard)
    const answer = this.ask()
    if (answer instanceof Circuit.Refusal) return Promise.reject(this.refused(answer))
    const call = this.begin(answer as Running, options, heard)
    let result: A | PromiseLike<A>
    try {
      result = fn(call)
    } catch (error) {
      call.failed(error)
      return Promise.reject(error)
    }
    return (result instanceof Promise ? result as Promise<A> : Promise.resolve(result)).then((value) => {
      call.succeeded(value)
      return value
    }, (error) => {
      call.failed(error)
      throw error
    })
  }

  wrap<Args extends Array<unknown>, A>(
    fn: (...args: Args) => A | PromiseLike<A>,
    options?: WrapOptions<NoInfer<Args>, NoInfer<A>>
  ): (...args: Args) => Promise<A> {
    const execute = (call: () => A | PromiseLike<A>, args: Args) => this.execute(call, of(options, args))
    return function(this: unknown, ...args) {
      return execute(() => fn.apply(this, args), args)
    }
  }

  iterate<A>(
    fn: (call: Call) => AsyncIterable<A> | PromiseLike<AsyncIterable<A>>,
    options?: ExecuteOptions<void>
  ): AsyncIterableIterator<A, unknown, undefined> {
    const begin = () => {
      options?.signal?.throwIfAborted()
      const answer = this.ask()
      if (answer instanceof Circuit.Refusal) throw this.refused(answer)
      return this.begin(answer as Running, options)
    }
    return new GuardedIterable(begin, fn)
  }

  wrapIterable<Args extends Array<unknown>, A>(
    fn: (...args: Args) => AsyncIterable<A> | PromiseLike<AsyncIterable<A>>,
    options?: WrapOptions<NoInfer<Args>, void>
  ): (...args: Args) => AsyncIterableIterator<A, unknown, undefined> {
    const iterate = (call: () => ReturnType<typeof fn>, args: Args) => this.iterate(call, of(options, args))
    return function(this: unknown, ...args) {
      return iterate(() => fn.apply(this, args), args)
    }
  }

  serve<A, const Rungs extends ReadonlyArray<Fallback.Rung<unknown>>>(
    fn: (call: Call) => A | PromiseLike<A>,
    options: ExecuteOptions<A> & { readonly fallback: Rungs }
  ): Promise<Fallback.Served<A | Fallback.Value<Rungs[number]>>> {
    const primary = (heard: Heard): Promise<unknown> => this.execute(fn, options, heard)
    return Fallback.serve(primary, options.fallback, options.signal, this.fiber.context) as Promise<never>
  }

  onEvent(listener: (event: Event) => void): () => void {
    return tell(this.circuit.group, listener, this.fiber.context, ({ circuit }) => circuit === this.name)
  }

  snapshot(): Snapshot {
    const read = Circuit.snapshot(this.circuit, this.circuit.now(this.clock))
    return { ...read, name: this.name, retryAfter: Math.ceil(read.retryAfter) }
  }

  isolate(options?: string | Root.IsolateOptions): void {
    this.run(this.circuit.isolate(options))
  }

  release(reason?: Root.Reason): void {
    this.run(this.circuit.command({ _tag: "Release", ...reason }))
  }

  reset(reason?: Root.Reason): void {
    this.run(this.circuit.command({ _tag: "Reset", ...reason }))
  }

  trip(options?: Root.TripOptions): void {
    this.run(this.circuit.trip(options))
  }

  setMode(mode: Circuit.Mode, reason?: Root.Reason): void {
    Setting.option("Breaker.setMode", "mode", Mode, mode)
    this.run(this.circuit.setMode(mode, reason))
  }

  log(complaint: Effect.Effect<void>): void {
    Effect.runForkWith(this.fiber.context)(complaint)
  }

  private run(order: Effect.Effect<void>): void {
    Effect.runSyncWith(this.fiber.context)(order)
  }

  private ask(): Circuit.Permit | Circuit.Refusal {
    const { circuit } = this
    return Circuit.admit(circuit, Circuit.readsTime(circuit) ? circuit.now(this.clock) : 0, this)
  }

  private begin<A>(call: Running, options: ExecuteOptions<A> | undefined, heard?: Heard): Running {
    call.classify = this.circuit.settings.classify
    call.heard = heard
    if (options === undefined) return call
    if (options.classify !== undefined) call.classify = readingExits(options.classify)
    if (options.signal !== undefined) call.watch(options.signal)
    return call
  }

  private refused(refusal: Circuit.Refusal): CircuitRejected {
    const { circuit } = this
    const error = circuit.errorOf(refusal)
    circuit.meter?.saved?.()
    if (circuit.group.current !== undefined) circuit.emit({ _tag: "Rejected", error })
    return error
  }
}

// A ladder has nothing to answer to a caller who left.
const gone = (signal: AbortSignal, heard: Heard): Promise<never> => {
  if (heard !== undefined && !isLate(signal)) heard.outcome = Outcome.ignored
  return Promise.reject(signal.reason)
}

const of = <Args, A>(
  options: WrapOptions<Args, A> | undefined,
  args: Args
): ExecuteOptions<A> | undefined =>
  options && { signal: options.signal?.(args) ?? undefined, classify: options.classify }
