/** The Redis that the fleet shares, and a word where there is none. */
import { NodeRedis } from "@effect/platform-node"
import { Context, Effect, Layer, Logger } from "effect"
import { ReconnectingRedis } from "effect-breaker/redis"
import { Redis as Client } from "effect/persistence"

const url = process.env.REDIS_URL ?? "redis://127.0.0.1:6379"

/** It may be down, at the start and later. */
export const Redis = ReconnectingRedis.layer(NodeRedis.layer({
  url,
  disableOfflineQueue: true,
  socket: { socketTimeout: 10_000 },
  pingInterval: 4_000
}))

/** Ends the program where there is no Redis: each process would go on alone, and that is no fleet. */
export const isThere = Effect.scoped(Effect.gen(function*() {
  const context = yield* Layer.build(NodeRedis.layer({ url, socket: { reconnectStrategy: false } }))
  yield* Context.get(context, Client.Redis).send("PING")
})).pipe(
  Effect.timeout("3 seconds"),
  Effect.provide(Logger.layer([])),
  Effect.catchCause(() =>
    Effect.sync(() => {
      console.error(`There is no Redis at ${url}.`)
      console.error("Start one (redis-server, or docker run -p 6379:6379 redis:7), or say where it is:")
      console.error("  REDIS_URL=redis://127.0.0.1:6379 npm run example:fleet")
      process.exit(1)
    })
  )
)
