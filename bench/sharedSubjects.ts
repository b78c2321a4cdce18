/**
 * Whose closed calls and openings are measured over a shared Redis: ours, Effect's own breaker with its Redis store, and,
 * to tell what sharing costs, ours in memory.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { Breaker, CallWindow, Outcome, SharedBreaker, TripPolicy } from "./library.ts"

/** A breaker of one process. */
export interface Opened {
  /** A call through it. Where a `key` is given and each has a circuit of its own, through that one. */
  readonly call: (self: Call, options?: { readonly key?: string; readonly isIgnored?: boolean }) => Call
  readonly isRefusal: (error: unknown) => boolean
  readonly isClosed: Effect.Effect<boolean, unknown>
  /** Closes it again; where it cannot be ordered to, another key is taken instead. */
  readonly reset: Effect.Effect<void>
  readonly close: Effect.Effect<void>
}

type Call = Effect.Effect<number, unknown>

export interface Options {
  readonly url: string
  readonly name: string
  readonly policy: PolicyName
}

export const policyNames = ["consecutive(5)", "half of the last 100 calls"] as const
export type PolicyName = (typeof policyNames)[number]

export const SHARED = "shared"
export const PERSISTENCE = "effect/persistence over Redis"
export const MEMORY = "in memory"
export const subjectNames = [SHARED, PERSISTENCE, MEMORY] as const
export type SubjectName = (typeof subjectNames)[number]

const ours = {
  "consecutive(5)": TripPolicy.consecutive(5),
  "half of the last 100 calls": TripPolicy.failureRate({
    threshold: 0.5,
    minimumCalls: 100,
    window: CallWindow.lastCalls(100)
  })
}
const theirs = {
  "consecutive(5)": CircuitBreaker.consecutive(5),
  "half of the last 100 calls": CircuitBreaker.rate({ threshold: 0.5, size: 100, minimumCalls: 100 })
}

const tagged = (tag: string) => (error: unknown): boolean => (error as { readonly _tag?: unknown })._tag === tag

const built = async <I, S>(tag: Context.Key<I, S>, layer: Layer.Layer<I, unknown>) => {
  const scope = Scope.makeUnsafe()
  const context = await Effect.runPromise(Layer.buildWithScope(Layer.fresh(layer), scope))
  return { service: Context.get(context, tag), close: Scope.close(scope, Exit.void) }
}

const ofOurs = async (layer: Layer.Layer<typeof Breaker.Breaker.Identifier, unknown>): Promise<Opened> => {
  const { close, service } = await built(Breaker.Breaker, layer)
  return {
    call: (self, { isIgnored = false } = {}) =>
      isIgnored ? service.execute(self, { classify: () => Outcome.ignored }) : service.execute(self),
    isRefusal: tagged("CircuitRejected"),
    isClosed: Effect.map(service.state, ({ _tag }) => _tag === "Closed"),
    reset: service.reset,
    close
  }
}

/** Opens a breaker with the settings that it has by default, but for the policy. */
export const open: Readonly<Record<SubjectName, (options: Options) => Promise<Opened>>> = {
  [SHARED]: ({ name, policy, url }) =>
    ofOurs(SharedBreaker.layer({ name, tripPolicy: ours[policy] }).pipe(Layer.provide(NodeRedis.layer({ url })))),
  [MEMORY]: ({ name, policy }) => ofOurs(Breaker.layer({ name, tripPolicy: ours[policy] })),
  [PERSISTENCE]: async ({ name, policy, url }) => {
    const { close, service } = await built(
      CircuitBreaker.CircuitBreaker,
      CircuitBreaker.layer({ tripPolicy: theirs[policy], openDuration: "1 minute" }).pipe(
        Layer.provide(CircuitBreaker.layerStoreRedis()),
        Layer.provide(NodeRedis.layer({ url }))
      )
    )
    return {
      call: (self, { isIgnored = false, key = name } = {}) =>
        isIgnored
          ? service.execute(self, { key, classify: () => CircuitBreaker.ignored })
          : service.execute(self, { key }),
      isRefusal: tagged("CircuitBreakerError"),
      isClosed: Effect.map(service.state(name), ({ _tag }) => _tag === "Closed"),
      reset: Effect.void,
      close
    }
  }
}
