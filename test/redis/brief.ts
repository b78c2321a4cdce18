/**
 * A program that makes a call, waits until it is told to go on, makes another one, and ends by itself.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Effect, Layer, Logger } from "effect"
import { withBreaker } from "effect-breaker"
import { ReconnectingRedis, SharedBreaker } from "effect-breaker/redis"

const options = { url: process.argv[2]!, socket: { socketTimeout: 1000 }, pingInterval: 300 }

const Live = SharedBreaker.layer({ name: "openai" }).pipe(
  Layer.provide(ReconnectingRedis.layer(NodeRedis.layer(options))),
  Layer.provide(Logger.layer([]))
)

const ask = Effect.succeed("an answer").pipe(
  withBreaker,
  Effect.match({ onSuccess: (answer) => answer, onFailure: ({ cause }) => cause.rule }),
  Effect.tap((said) => Effect.sync(() => console.log(said)))
)

const told = Effect.promise(() =>
  new Promise<void>((resolve) =>
    process.stdin.once("data", () => {
      process.stdin.destroy()
      resolve()
    })
  )
)

await Effect.runPromise(ask.pipe(Effect.andThen(told), Effect.andThen(ask), Effect.provide(Live)))
