/**
 * A look at the provider that costs no user's call: while a circuit is open a check runs now and then, and counts as a probe.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Breaker from "../Breaker.ts"
import { Checking } from "../internal/Checking.ts"
import * as Setting from "../internal/Setting.ts"

/**
 * What looks after the circuits of a layer: its option `healthCheck`.
 *
 * @category models
 * @since 0.1.0
 */
export type HealthCheck<R = never> = (
  circuits: () => Iterable<Breaker.CircuitInUse>
) => Effect.Effect<unknown, never, R | Scope.Scope>

/**
 * How often a check runs, and how long it may take: `every`, by default five seconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly every?: Duration.Input | undefined
}

/**
 * Finds out, without a user's call, that a provider is back.
 *
 * **Details**
 *
 * `check` is an effect that succeeds where the provider is well, such as a list of its models or an answer of one token; or a
 * function of the circuit's name that gives one. It runs `every` so often while the circuit is open or probes, and has as long
 * to succeed. Where it does, that is a probe that passed: the opening ends early, and after as many as it takes
 * (`halfOpen.successes`) the circuit goes on with its ramp, or closes. Where it fails nothing changes, and the opening takes
 * its course.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for a bad setting. It ends no opening before the time that the provider itself set (a retry
 * hint, a `Trip`) or an operator did. A check that succeeds while users' calls still fail is believed less and less: each time
 * that the circuit opens again after it, it rests for twice as long, until the circuit has closed.
 *
 * **Example** (An opening of five minutes that is over after the first look)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Breaker, TripPolicy } from "effect-breaker"
 * import { HealthCheck } from "effect-breaker/control"
 *
 * const listModels = Effect.succeed(["large", "small"])
 *
 * const Live = Breaker.layer({
 *   name: "openai",
 *   tripPolicy: TripPolicy.consecutive(1),
 *   openDuration: "5 minutes",
 *   halfOpen: { successes: 1 },
 *   healthCheck: HealthCheck.make(listModels, { every: "20 millis" })
 * })
 * const program = Effect.gen(function*() {
 *   const breaker = yield* Breaker.Breaker
 *   yield* Effect.ignore(breaker.execute(Effect.fail("529 Overloaded")))
 *   console.log((yield* breaker.state)._tag) // => "Open"
 *   yield* Effect.sleep("100 millis")
 *   return (yield* breaker.state)._tag
 * })
 *
 * console.log(await Effect.runPromise(program.pipe(Effect.provide(Live)))) // => "Closed"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(
  check: Effect.Effect<unknown, unknown, R> | ((circuit: string) => Effect.Effect<unknown, unknown, R>),
  { every = 5000 }: Options = {}
): HealthCheck<R> => {
  const pause = Setting.toMillis(Setting.option("HealthCheck.make", "every", Setting.positiveDuration, every))
  return (circuits) => {
    const checkings = new WeakMap<Breaker.CircuitInUse, Checking>()
    const checkingOf = (circuit: Breaker.CircuitInUse): Checking => {
      const known = checkings.get(circuit) ?? new Checking()
      checkings.set(circuit, known)
      return known
    }
    const look = (circuit: Breaker.CircuitInUse) =>
      Effect.clockWith((clock) => {
        // Of a hundred thousand circuits few are not closed, and fewer ever were.
        if (circuit.cell.current._tag === "Closed" && !checkings.has(circuit)) return Effect.void
        const checking = checkingOf(circuit)
        if (!checking.isDue(circuit, circuit.now(clock))) return Effect.void
        return Effect.flatMap(
          Effect.exit(Effect.timeout(Effect.isEffect(check) ? check : check(circuit.name), pause)),
          (exit) => {
            if (exit._tag === "Failure") return Effect.void
            checking.pass()
            return circuit.command({ _tag: "Pass" })
          }
        )
      })
    return Effect.forkScoped(
      Effect.suspend(() => Effect.forEach(circuits(), look, { concurrency: "unbounded", discard: true })).pipe(
        Effect.delay(pause),
        Effect.forever
      )
    )
  }
}
