/**
 * Processes that share circuits, each with its own client and its own registry, and what stands in Redis of a circuit.
 */
import { NodeRedis } from "@effect/platform-node"
import { Context, Deferred, Effect, Fiber, Layer, Logger, Schedule, Stream } from "effect"
import { Breaker, BreakerMap, TripPolicy } from "effect-breaker"
import { ReconnectingRedis, SharedBreaker } from "effect-breaker/redis"
import * as Registry from "../../src/Registry.ts"
import type { Server } from "./server.ts"

/** On a busy machine a call may have to wait for its turn longer than for Redis. */
export const patient = { bound: "2 seconds" } as const

export const quiet = Logger.layer([])

/** A Redis that may be down, by a client of its own. */
export const redisOf = ({ url }: { readonly url: string }) =>
  Layer.fresh(ReconnectingRedis.layer(NodeRedis.layer({ url }))).pipe(Layer.provide(quiet))

export interface Member {
  readonly breaker: Breaker.Breaker
  /** What happened at its circuit, as it happened. */
  readonly events: ReadonlyArray<Breaker.Event>
}

/** A breaker as another process would have it. */
export const memberOf = (
  at: { readonly url: string },
  options: Partial<SharedBreaker.Options> = {},
  registry = new Registry.Registry()
) =>
  Effect.gen(function*() {
    const all = { name: "openai", tripPolicy: TripPolicy.consecutive(3), ...patient, ...options }
    const layer = Layer.fresh(SharedBreaker.layer(all)).pipe(
      Layer.provide(redisOf(at)),
      Layer.provide(Layer.succeed(Registry.Current, registry))
    )
    return yield* listening(Context.get(yield* Layer.build(layer), Breaker.Breaker))
  })

/** A map as another process would have it. */
export const mapOf = (at: { readonly url: string }, options: SharedBreaker.MapOptions = {}) =>
  Effect.gen(function*() {
    const all = { tripPolicy: TripPolicy.consecutive(3), ...patient, ...options }
    const layer = Layer.fresh(SharedBreaker.layerMap(all)).pipe(
      Layer.provide(redisOf(at)),
      Layer.provide(Layer.succeed(Registry.Current, new Registry.Registry()))
    )
    return Context.get(yield* Layer.build(layer), BreakerMap.BreakerMap)
  })

const listening = (breaker: Breaker.Breaker) =>
  Effect.gen(function*() {
    const events: Array<Breaker.Event> = []
    yield* Effect.forkScoped(
      Stream.runForEach(breaker.events, (event) => Effect.sync(() => events.push(event))),
      { startImmediately: true }
    )
    yield* Effect.yieldNow
    return { breaker, events }
  })

/** The names of what happened, but for single refusals. */
export const happened = ({ events }: Member): ReadonlyArray<string> =>
  events.flatMap((event) =>
    event._tag === "Transitioned" ? [`${event.from} → ${event.to}`] : "error" in event ? [] : [event._tag]
  )

export const countOf = (member: Member, name: string): number => happened(member).filter((one) => one === name).length

/** Looks again until it is so; says what it saw last, where it never is. */
export const eventually = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (seen: A) => boolean) =>
  Effect.filterOrFail(look, isSo, (seen) => new Error(`never so: ${JSON.stringify(seen)}`)).pipe(
    Effect.retry(Schedule.max([Schedule.spaced("5 millis"), Schedule.recurs(2000)]))
  )

export const until = ({ breaker }: Member, state: Breaker.State["_tag"]) =>
  eventually(breaker.state, ({ _tag }) => _tag === state)

export const storeOf = ({ breaker }: Member) => Effect.map(breaker.snapshot, ({ store }) => store)

export const untilStore = (member: Member, store: "shared" | "lost") =>
  eventually(storeOf(member), (now) => now === store)

export const fail = ({ breaker }: Member, times = 1) =>
  Effect.forEach(Array.from({ length: times }), () => Effect.ignore(breaker.execute(Effect.fail("529"))), {
    discard: true
  })

/** What came of one call that succeeds, where it is let through. */
export const answerOf = ({ breaker }: Member) =>
  Effect.match(breaker.execute(Effect.succeed("an answer")), {
    onSuccess: (answer) => answer,
    onFailure: ({ cause, reason }) => `${reason}: ${cause.rule}`
  })

/** A call that runs until it is told how it ends. */
export const hanging = ({ breaker }: Member) =>
  Effect.gen(function*() {
    const isRunning = yield* Deferred.make<void>()
    const end = yield* Deferred.make<void, string>()
    const call = Effect.andThen(Deferred.succeed(isRunning, undefined), Deferred.await(end))
    const fiber = yield* Effect.forkScoped(Effect.exit(breaker.execute(call)), { startImmediately: true })
    yield* Deferred.await(isRunning)
    return (how: "success" | "failure") =>
      Effect.andThen(
        how === "success" ? Deferred.succeed(end, undefined) : Deferred.fail(end, "529"),
        Fiber.await(fiber)
      )
  })

export const keyOf = (name = "openai", prefix = "effect-breaker"): string => `${prefix}:circuit:${name}`

/** What Redis keeps of a circuit. */
export const keptOf = (server: Server, name?: string, prefix?: string) =>
  Effect.map(server.send("HGET", keyOf(name, prefix), "text"), (text): {
    readonly members: ReadonlyArray<readonly [string, number, number]>
    readonly state: {
      readonly _tag: string
      readonly generation: number
      readonly running?: ReadonlyArray<readonly [string, number, number | null]>
    }
  } | undefined => !text.startsWith("{") ? undefined : JSON.parse(text))

export const versionOf = (server: Server, name?: string) => server.send("HGET", keyOf(name), "version")

/** Stops the process of a server: it keeps its connections, and answers nobody. */
export const stop = (server: Server) => Effect.sync(() => server.process()?.kill("SIGSTOP"))

export const goOn = (server: Server) => Effect.sync(() => server.process()?.kill("SIGCONT"))
