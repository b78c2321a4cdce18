/**
 * Those that guard effects: Effect's own breaker, and the `Breaker` service of this library under several policies.
 */
import { Cause, Context, Duration, Effect, Exit, Layer, Option, Scope, Stream } from "effect"
import { Breaker, type Outcome } from "effect-breaker"
import { HealthCheck } from "effect-breaker/control"
import { Guard, Policy } from "effect-breaker/replay"
import { CircuitBreaker } from "effect/persistence"
import type { Contender } from "./contender.ts"
import { context } from "./virtualTime.ts"

// ---------------------------------------------------------------------------------------------------------------------
// effect/persistence

const theirs = (outcome: Outcome.Outcome): CircuitBreaker.Outcome => {
  if (outcome._tag === "Success") return CircuitBreaker.success
  if (outcome._tag === "Failure") return CircuitBreaker.failure({ retryAfter: outcome.retryAfter })
  // It has no such thing as a trip; the hint makes the opening long.
  if (outcome._tag === "Trip") return CircuitBreaker.failure({ retryAfter: outcome.openFor })
  return CircuitBreaker.ignored
}

/** The memory store of Effect, with somebody looking on. */
const watched = (moved: (transition: CircuitBreaker.Transition) => void) =>
  Layer.effect(
    CircuitBreaker.CircuitBreakerStore,
    Effect.map(CircuitBreaker.CircuitBreakerStore, (store) =>
      CircuitBreaker.CircuitBreakerStore.of({
        ...store,
        admit: (key) =>
          Effect.tap(store.admit(key), ({ transition }) =>
            Effect.sync(() => {
              if (transition !== undefined) moved(transition)
            })),
        record: (options) =>
          Effect.tap(store.record(options), (transition) =>
            Effect.sync(() => {
              if (transition !== undefined) moved(transition)
            }))
      }))
  ).pipe(Layer.provide(CircuitBreaker.layerStoreMemory({ idleTimeToLive: "1 day" })))

const persistence = (
  name: string,
  settings: string,
  tripPolicy: CircuitBreaker.TripPolicy,
  openFor: number
): Contender => ({
  name: `effect/persistence, ${name}`,
  settings: `${settings}, openDuration ${openFor} ms, classify: throttles and bad answers ignored`,
  asynchronous: true,
  guard: ({ agenda, name: key, notify, random }) => {
    const services = context(agenda, random)
    const scope = Scope.makeUnsafe()
    const store = watched(({ from, to }) =>
      notify({ from, to, at: agenda.now, generation: 0, cause: undefined, openFor: undefined, share: undefined })
    )
    const breaker = Effect.runSyncWith(services)(
      CircuitBreaker.make({ tripPolicy, openDuration: openFor }).pipe(
        Effect.provide(Layer.buildWithScope(store, scope).pipe(Effect.runSyncWith(services))),
        Effect.provideService(Scope.Scope, scope)
      )
    )
    const run = Effect.runForkWith(services)
    return {
      ask: () => {
        const later = new Guard.Later()
        const call = Effect.callback<void, Outcome.Outcome>((resume) => {
          later.decide({
            answer: () => {},
            settle: (outcome) => resume(outcome._tag === "Success" ? Effect.void : Effect.fail(outcome))
          })
        })
        run(
          breaker.execute(call, {
            key,
            classify: (exit): CircuitBreaker.Outcome =>
              Exit.isSuccess(exit)
                ? CircuitBreaker.success
                : theirs(Option.getOrThrow(Cause.findErrorOption(exit.cause)))
          }).pipe(
            Effect.catchTag(
              "CircuitBreakerError",
              ({ reason }) =>
                Effect.sync(() =>
                  later.decide({ retryAfter: "retryAfter" in reason ? Duration.toMillis(reason.retryAfter) : 0 })
                )
            ),
            Effect.ignore
          )
        )
        return later
      }
    }
  }
})

export const persistences = (openFor: number): ReadonlyArray<Contender> => [
  persistence("consecutive", "consecutive(5)", CircuitBreaker.consecutive(5), openFor),
  persistence(
    "rate of 100",
    "rate({ threshold: 0.5, size: 100, minimumCalls: 20 })",
    CircuitBreaker.rate({ threshold: 0.5, size: 100, minimumCalls: 20 }),
    openFor
  ),
  persistence(
    "rate of 24",
    "rate({ threshold: 0.5, size: 24, minimumCalls: 10 })",
    CircuitBreaker.rate({ threshold: 0.5, size: 24, minimumCalls: 10 }),
    openFor
  )
]

// ---------------------------------------------------------------------------------------------------------------------
// effect-breaker

/** The service, as a program has it, under a policy; with a health check, where it says how often. */
export const ours = (policy: Policy.Policy, every?: Duration.Input): Contender => ({
  name: `effect-breaker, ${policy.name}`,
  settings: `${Policy.toJson(policy)}${
    every === undefined ? "" : `, healthCheck every ${Duration.format(Duration.fromInputUnsafe(every))}`
  }`,
  ours: true,
  guard: ({ agenda, check, name, notify, random }) => {
    const services = context(agenda, random)
    const run = Effect.runSyncExitWith(services)
    const listModels = Effect.callback<void, string>((resume) =>
      check((isWell) => resume(isWell ? Effect.void : Effect.fail("down")))
    )
    const layer = Breaker.layer({
      name,
      ...Policy.settings(policy),
      healthCheck: every === undefined ? undefined : HealthCheck.make(listModels, { every })
    })
    const breaker = Context.get(
      Effect.runSyncWith(services)(Layer.buildWithScope(layer, Scope.makeUnsafe())),
      Breaker.Breaker
    )
    Effect.runForkWith(services)(
      Stream.runForEach(breaker.events, (event) =>
        Effect.sync(() => {
          if (event._tag !== "Transitioned") return
          notify({ ...event, openFor: event.openFor === undefined ? undefined : Duration.toMillis(event.openFor) })
        }))
    )
    return {
      ask: () => {
        const exit = run(breaker.admit)
        if (Exit.isFailure(exit)) {
          return { retryAfter: Duration.toMillis(Option.getOrThrow(Cause.findErrorOption(exit.cause)).retryAfter) }
        }
        const permit = exit.value
        return {
          answer: () => void run(permit.answered),
          settle: (outcome) => void run(permit.settle(outcome))
        }
      }
    }
  }
})
