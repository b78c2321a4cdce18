/**
 * A `Redis` that may be down: a layer that is built in the background, again and again until it stands, and anew when its
 * client is dead.
 *
 * A layer of Effect connects while it is built: where Redis is down, the program does not start, and a client that gave up
 * stays dead. Through this one a program starts at once, its commands fail at once while there is no connection, and its
 * subscriptions come back with it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { detached } from "./Detached.ts"

/**
 * Keeps a layer of `Redis` connected.
 *
 * **Details**
 *
 * - It is ready when the first attempt to connect has succeeded or failed, after one second at the latest; it never fails.
 * - An attempt that fails, or takes more than ten seconds, is followed by another: 100 milliseconds later, then twice as
 *   long, and at most every two seconds.
 * - While there is no connection a command fails at once with a `RedisError` that says why. While a client that had one connects
 *   again by itself, commands wait with it: one of `NodeRedis` fails them at once where it is given `disableOfflineQueue`.
 * - After a command that failed, was given up, or has no answer after two seconds, Redis is asked to answer a `PING`. Where
 *   it does not within two seconds,
 *   the layer is built anew: what was under way fails, and subscriptions go on. What was published in between is lost.
 * - When the scope closes, the connection is closed, after what is under way has come home or after 100 milliseconds.
 *
 * **Gotchas**
 *
 * Whatever the layer gives besides `Redis` does not outlive a connection, and is not given on. A client of `NodeRedis` notices
 * by itself that nobody answers only where it is given a `socketTimeout`, and a `pingInterval` that is shorter: without them
 * one that was connecting to a server that hangs waits on, even when the scope is closed, and a process with it.
 *
 * **Example** (A program that starts though Redis is down)
 *
 * ```ts
 * import { Effect, Layer, Logger } from "effect"
 * import { NodeRedis } from "@effect/platform-node"
 * import { withBreaker } from "effect-breaker"
 * import { ReconnectingRedis, SharedBreaker } from "effect-breaker/redis"
 *
 * const RedisLive = ReconnectingRedis.layer(NodeRedis.layer({
 *   url: "redis://127.0.0.1:1",
 *   disableOfflineQueue: true,
 *   socket: { socketTimeout: 10_000 },
 *   pingInterval: 4_000
 * }))
 * const Live = SharedBreaker.layer({ name: "openai" }).pipe(Layer.provide(RedisLive), Layer.provide(Logger.layer([])))
 *
 * const ask = Effect.succeed("an answer").pipe(withBreaker)
 * console.log(await Effect.runPromise(ask.pipe(Effect.provide(Live)))) // => "an answer"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(redis: Layer.Layer<Redis.Redis, E, R>): Layer.Layer<Redis.Redis, never, R> =>
  Layer.effect(
    Redis.Redis,
    Effect.gen(function*() {
      const link = new Link(redis, yield* Effect.context<R>())
      const isTried = yield* Deferred.make<void>()
      yield* Effect.addFinalizer(() => link.close)
      yield* Effect.forkScoped(link.keep(isTried))
      yield* Effect.timeoutOption(Deferred.await(isTried), firstWait)
      return link.service
    })
  )

// ---------------------------------------------------------------------------------------------------------------------

/** How long the program waits for the first attempt. All in milliseconds. */
const firstWait = 1000
const firstPause = 100
const lastPause = 2000
const longestAttempt = 10_000
const longestSilence = 2000
/** How long a connection that is closed may take to say what it has under way. */
const farewell = 100

/** A connection that stands. */
interface Live {
  readonly redis: Redis.Redis["Service"]
  readonly ended: Deferred.Deferred<never, Redis.RedisError>
}

class Link<E, R> {
  private readonly made: Layer.Layer<Redis.Redis, E, R>
  private readonly context: Context.Context<R>
  private live: Live | undefined = undefined
  private readonly isLive = Latch.makeUnsafe()
  private why = "it was not reached yet"
  private readonly isSuspected = Latch.makeUnsafe()
  private closing: (isDead: boolean) => Effect.Effect<void> = () => Effect.void

  constructor(made: Layer.Layer<Redis.Redis, E, R>, context: Context.Context<R>) {
    this.made = made
    this.context = context
  }

  get service(): Redis.Redis["Service"] {
    return {
      send: (command, ...args) => this.use((redis) => redis.send(command, ...args)),
      eval: (script) => (...params) => this.use((redis) => redis.eval(script)(...params)),
      reserve: Effect.suspend(() => this.live?.redis.reserve ?? Effect.fail(this.refusal)),
      subscribe: (channel) =>
        Effect.gen({ self: this }, function*() {
          const queue = yield* Effect.acquireRelease(
            Queue.unbounded<Redis.RedisMessage, Redis.RedisError>(),
            Queue.shutdown
          )
          yield* Effect.forkScoped(this.listen(channel, queue))
          return queue
        })
    }
  }

  private get refusal(): Redis.RedisError {
    return new Redis.RedisError({ cause: new Error(`There is no connection: ${this.why}`) })
  }

  private use<A>(
    ask: (redis: Redis.Redis["Service"]) => Effect.Effect<A, Redis.RedisError>
  ): Effect.Effect<A, Redis.RedisError> {
    return Effect.suspend(() => {
      const { live } = this
      if (live === undefined) return Effect.fail(this.refusal)
      const suspect = Effect.sync(() => {
        this.isSuspected.openUnsafe()
      })
      const silence = Effect.andThen(Effect.delay(suspect, longestSilence), Effect.never)
      return Effect.onError(Effect.raceAllFirst([ask(live.redis), Deferred.await(live.ended), silence]), () => suspect)
    })
  }

  private listen(
    channel: string,
    queue: Queue.Queue<Redis.RedisMessage, Redis.RedisError>
  ): Effect.Effect<never> {
    const once = Effect.gen({ self: this }, function*() {
      yield* this.isLive.await
      const { live } = this
      if (live === undefined) return
      const heard = yield* live.redis.subscribe(channel)
      yield* Effect.raceFirst(
        Effect.forever(Effect.flatMap(Queue.take(heard), (message) => Queue.offer(queue, message))),
        Deferred.await(live.ended)
      )
    })
    return detached(Effect.scoped(once)).pipe(
      Effect.ignoreCause,
      Effect.andThen(Effect.sleep(firstPause)),
      Effect.forever
    )
  }

  /** Connects, and does so again whenever the connection is dead. */
  keep(isTried: Deferred.Deferred<void>): Effect.Effect<never> {
    return Effect.gen({ self: this }, function*() {
      for (let pause = firstPause;;) {
        const isLive = yield* this.connected
        yield* Deferred.succeed(isTried, undefined)
        if (isLive) {
          yield* this.watch
          yield* this.drop("it stopped answering", true)
          pause = firstPause
        }
        yield* Effect.sleep(pause)
        pause = Math.min(2 * pause, lastPause)
      }
    })
  }

  private get connected(): Effect.Effect<boolean> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function*() {
        const scope = yield* Scope.make()
        const build = Layer.buildWithMemoMap(this.made, Layer.makeMemoMapUnsafe(), scope)
        const building = yield* Effect.forkDetach(Effect.provideContext(build, this.context), {
          startImmediately: true
        })
        const waited = yield* Effect.exit(restore(Effect.timeoutOption(Fiber.await(building), longestAttempt)))
        const exit = Exit.isSuccess(waited) && waited.value._tag === "Some" ? waited.value.value : undefined
        if (exit === undefined || Exit.isFailure(exit)) {
          this.why = exit === undefined ? "it did not answer in time" : reasonOf(exit)
          yield* Effect.forkDetach(abandoned(building, scope))
          return false
        }
        const ended = yield* Deferred.make<never, Redis.RedisError>()
        this.closing = (isDead) => closed(scope, exit.value, isDead)
        this.live = { redis: Context.get(exit.value, Redis.Redis), ended }
        this.isSuspected.closeUnsafe()
        this.isLive.openUnsafe()
        return true
      })
    )
  }

  // Ends when Redis does not answer any more.
  private get watch(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const redis = this.live?.redis
      if (redis === undefined) return
      for (;;) {
        yield* this.isSuspected.await
        this.isSuspected.closeUnsafe()
        const exit = yield* Effect.exit(Effect.timeout(redis.send("PING"), longestSilence))
        if (Exit.isFailure(exit)) return
        yield* Effect.sleep(firstPause)
      }
    })
  }

  private drop(why: string, isDead: boolean): Effect.Effect<void> {
    return Effect.uninterruptible(Effect.suspend(() => {
      const { closing, live } = this
      if (live === undefined) return Effect.void
      this.live = undefined
      this.why = why
      this.isLive.closeUnsafe()
      return Effect.andThen(Deferred.fail(live.ended, this.refusal), closing(isDead))
    }))
  }

  get close(): Effect.Effect<void> {
    return this.drop("it is closed", false)
  }
}

// A client that is closed in the midst of connecting may stay connected: it is given a moment to be done with that. What
// never stood has nothing to say, and may never be done with closing: nobody waits for it.
const abandoned = (building: Fiber.Fiber<unknown, unknown>, scope: Scope.Closeable): Effect.Effect<void> =>
  Effect.gen(function*() {
    yield* Effect.timeoutOption(Fiber.await(building), firstWait)
    building.interruptUnsafe()
    yield* Scope.close(scope, Exit.void)
  })

// Closing waits for what is under way, which may never come home: a client that can be destroyed is, then.
const closed = (scope: Scope.Closeable, context: Context.Context<never>, isDead: boolean): Effect.Effect<void> =>
  Effect.gen(function*() {
    const clients = clientsOf(context)
    const destroy = Effect.sync(() => {
      for (const client of clients) client.destroy()
    })
    if (isDead || clients.some(({ isReady }) => isReady === false)) yield* Effect.ignoreCause(destroy)
    const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true })
    const isDone = yield* Effect.timeoutOption(Fiber.await(closing), farewell)
    if (isDone._tag === "None") yield* Effect.ignoreCause(destroy)
  })

interface Client {
  readonly destroy: () => void
  readonly isReady?: unknown
}

// Those of node-redis, say, which are given beside the service.
const clientsOf = (context: Context.Context<never>): ReadonlyArray<Client> =>
  [...context.mapUnsafe.values()].flatMap((service: unknown) =>
    Predicate.hasProperty(service, "client") && isClient(service.client) ? [service.client] : []
  )

const isClient = (client: unknown): client is Client =>
  Predicate.hasProperty(client, "destroy") && typeof client.destroy === "function"

const reasonOf = (exit: Exit.Failure<unknown, unknown>): string => {
  const error = exit.cause.reasons.map((reason) =>
    reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : undefined
  ).find((error) => error !== undefined)
  const cause = error instanceof Redis.RedisError ? error.cause : error
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
