import { NodeRedis } from "@effect/platform-node"
import { Context, Effect, Layer, type Scope } from "effect"
import { type Breaker, type BreakerMap, type CircuitRejected, withBreaker } from "effect-breaker"
import { ReconnectingRedis, SharedBreaker } from "effect-breaker/redis"
import { type Redis } from "effect/persistence"
import { fails, type HasAny, same } from "./Assert.ts"

// The same services as in memory, from a Redis.
export const layer = SharedBreaker.layer({ name: "openai" })
same<typeof layer, Layer.Layer<Breaker.Breaker, never, Redis.Redis>>()
export const made = SharedBreaker.make({ name: "openai" })
same<typeof made, Effect.Effect<Breaker.Breaker, never, Redis.Redis | Scope.Scope>>()
export const layerMap = SharedBreaker.layerMap()
same<typeof layerMap, Layer.Layer<BreakerMap.BreakerMap, never, Redis.Redis>>()
export const madeMap = SharedBreaker.makeMap({ lookup: (key) => ({ openDuration: key.length }) })
same<typeof madeMap, Effect.Effect<BreakerMap.BreakerMap, never, Redis.Redis | Scope.Scope>>()

// A Redis that may be down fails with nothing, and needs what the other one needs.
export const redis = ReconnectingRedis.layer(NodeRedis.layer())
same<typeof redis, Layer.Layer<Redis.Redis>>()
class Secrets extends Context.Service<Secrets, { readonly url: string }>()("typetest/Secrets") {}
export const needy = ReconnectingRedis.layer(Layer.unwrap(Effect.map(Secrets, ({ url }) => NodeRedis.layer({ url }))))
same<typeof needy, Layer.Layer<Redis.Redis, never, Secrets>>()

// A program changes one layer and nothing else.
export const answer = Effect.succeed("an answer").pipe(
  withBreaker,
  Effect.provide(layer.pipe(Layer.provide(redis)))
)
same<typeof answer, Effect.Effect<string, CircuitRejected>>()

// @ts-expect-error a circuit has a name
SharedBreaker.layer({})
// @ts-expect-error of a map the name is the key
SharedBreaker.layerMap({ name: "openai" })
// @ts-expect-error local or fail
SharedBreaker.layer({ name: "openai", onStoreError: "refuse" })
// @ts-expect-error it shares over a Redis
ReconnectingRedis.layer(Layer.empty)

fails<HasAny<typeof SharedBreaker.make>>()
fails<HasAny<Parameters<typeof SharedBreaker.layer>>>()
fails<HasAny<Parameters<typeof SharedBreaker.makeMap>>>()
fails<HasAny<Parameters<typeof SharedBreaker.layerMap>>>()
