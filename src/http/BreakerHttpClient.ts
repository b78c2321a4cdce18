/**
 * Effect's `HttpClient` under circuits.
 *
 * A request asks a circuit before it is sent, and votes when its answer has ended: by the status, by what the body says, by
 * how it broke off. One circuit for each origin, or each key of one's own; or those of key, model and provider, where the
 * requests go to language models.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as BreakerMap from "../BreakerMap.ts"
import type { CircuitRejected } from "../CircuitRejected.ts"
import type { LlmBreaker } from "../llm/LlmBreaker.ts"
import type * as LlmOutcome from "../llm/LlmOutcome.ts"
import { givenUp } from "../llm/StreamEnd.ts"
import { type ByKey, byKey, type ByModel, byModel, type Circuits, deadline, Following } from "./Circuits.ts"
import * as GuardedResponse from "./GuardedResponse.ts"
import * as Outgoing from "./Outgoing.ts"
import type { Source } from "./WatchedBody.ts"

/**
 * How any client is guarded.
 *
 * **Details**
 *
 * `idle` is how long a body may keep silent; past it the body fails with a `DecodeError`, caused by a `Cause.TimeoutError`.
 * `errors` is how errors are read; see `LlmOutcome.Options`. The time is the clock's unless given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Common {
  readonly idle?: Duration.Input | undefined
  readonly errors?: LlmOutcome.Options | undefined
}

/**
 * Circuits by key, of the `BreakerMap` in context.
 *
 * @category models
 * @since 0.1.0
 */
export interface InContext extends Common, ByKey {
  readonly breakers?: undefined
  readonly llm?: undefined
}

/**
 * Circuits by key, of a map that is given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Given extends Common, ByKey {
  readonly breakers: BreakerMap.BreakerMap
  readonly llm?: undefined
}

/**
 * The circuits of key, model and provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface ForModels extends Common, ByModel {
  readonly llm: LlmBreaker
  readonly breakers?: undefined
}

/**
 * Puts a client under circuits.
 *
 * **Details**
 *
 * A request asks the circuit of its origin, or of what `key` makes of it, in the `BreakerMap` in context or in `breakers`.
 * With `llm` it asks the circuits of its key, its model and its provider. A refused request is not sent, and fails with
 * `CircuitRejected`: the error channel gains that and nothing else. Responses and errors pass unchanged.
 *
 * Who is asked is decided by the request as it is sent, after all of the client's `mapRequest`, wherever they stand. The
 * vote is as `GuardedFetch.make` has it in its table: an error votes before its response is handed out, a body when it ends
 * or its reader stops. An interrupted request is `Ignored`, and so is one that is interrupted while its body is read.
 *
 * What is applied before it is inside: it sees one outcome for all of it. What is applied after it is outside, and asks
 * anew each time. Deadlines belong inside, since what stands outside and interrupts is `Ignored`; so do redirects, unless
 * each hop is to ask its own origin; retries and rate limiters belong outside. `docs/http.md` has each order, measured.
 *
 * **Gotchas**
 *
 * The `classify` of the map is not asked: `errors.rules` says what is an error here.
 *
 * Throws a `RangeError` at once for a bad option. A `key` that throws is a defect of the request.
 *
 * **Example** (A host that is down is asked five times)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { BreakerMap } from "effect-breaker"
 * import { BreakerHttpClient } from "effect-breaker/http"
 * import { FetchHttpClient, HttpClient } from "effect/http"
 *
 * const program = Effect.gen(function*() {
 *   const client = BreakerHttpClient.withBreaker(yield* HttpClient.HttpClient)
 *   const errors = yield* Effect.replicateEffect(Effect.flip(client.get("http://127.0.0.1:1/")), 6)
 *   return errors.map((error) => error._tag).slice(4)
 * })
 *
 * console.log(await Effect.runPromise(program.pipe(Effect.provide([FetchHttpClient.layer, BreakerMap.layer()]))))
 * // => ["HttpClientError", "CircuitRejected"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withBreaker: {
  (
    options: Given | ForModels
  ): <E, R>(self: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E | CircuitRejected, R>
  (
    options?: InContext
  ): <E, R>(
    self: HttpClient.HttpClient.With<E, R>
  ) => HttpClient.HttpClient.With<E | CircuitRejected, R | BreakerMap.BreakerMap>
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    options: Given | ForModels
  ): HttpClient.HttpClient.With<E | CircuitRejected, R>
  <E, R>(
    self: HttpClient.HttpClient.With<E, R>,
    options?: InContext
  ): HttpClient.HttpClient.With<E | CircuitRejected, R | BreakerMap.BreakerMap>
} = ((...args: ReadonlyArray<unknown>) => {
  const [first, second] = args
  if (HttpClient.isHttpClient(first)) return guarded(first as never, read(second as Options))
  const guarding = read(first as Options)
  return (self: AnyClient) => guarded(self, guarding)
}) as never

// ---------------------------------------------------------------------------------------------------------------------

type Options = InContext | Given | ForModels | undefined
type AnyClient = HttpClient.HttpClient.With<unknown, unknown>
type Response = HttpClientResponse.HttpClientResponse

interface Guarding {
  readonly circuits: Circuits
  readonly idle: number | undefined
}

const where = "BreakerHttpClient.withBreaker"

const fromContext = Effect.withFiberSucceed((fiber) => Context.getUnsafe(fiber.context, BreakerMap.BreakerMap))

const read = (options: Options = {}): Guarding => ({
  circuits: options.llm === undefined
    ? byKey(where, options.breakers === undefined ? fromContext : Effect.succeed(options.breakers), options)
    : byModel(where, options.llm, options),
  idle: deadline(where, "idle", options.idle)
})

const guarded = (self: AnyClient, guarding: Guarding): AnyClient =>
  HttpClient.transform(self, (effect, request) => call(effect, request, guarding))

const call = <E, R>(
  effect: Effect.Effect<Response, E, R>,
  request: HttpClientRequest,
  { circuits, idle }: Guarding
): Effect.Effect<Response, E | CircuitRejected, R> => {
  const asked = circuits.of(Outgoing.fromEffect(request))
  return Effect.uninterruptibleMask((restore) =>
    Effect.withFiber((fiber) =>
      Effect.flatMap(asked.admit, (admission) => {
        const services = fiber.context
        const following = new Following(admission, circuits, services, fiber.getRef(Clock.Clock))
        const sent = Effect.onError(restore(effect), (cause) =>
          following.settle(Cause.hasInterruptsOnly(cause) ? givenUp : following.failed(Cause.squash(cause))))
        return Effect.flatMap(sent, (response) => {
          if (!hasBody(request, response)) {
            return Effect.as(following.bodiless(response), response)
          }
          const source = sourceOf(response, idle, following, services)
          return Effect.map(
            following.follow(response, source, restore),
            (body) =>
              GuardedResponse.make(response, body)
          )
        })
      })
    )
  )
}

// The body of a redirect is left as it is: whoever follows it drops that very response.
const hasBody = (request: HttpClientRequest, response: Response): boolean => {
  const { status } = response
  if (request.method === "HEAD" || status < 200 || status === 204 || status === 205) return false
  if (status >= 300 && status < 400) return false
  return Option.match(HttpClientResponse.toWeb(response), { onNone: () => true, onSome: ({ body }) => body !== null })
}

const sourceOf = (
  response: Response,
  idle: number | undefined,
  following: Following,
  services: Context.Context<never>
): Source => {
  const reader = Stream.toReadableStreamWith(response.stream, services).getReader()
  const next = async () => (await reader.read()).value
  const cancel = (reason?: unknown) => void reader.cancel(reason).catch(() => {})
  return {
    read: idle === undefined ? next : async () => {
      const late = new Cause.TimeoutError(`No more of the body within ${idle} ms`)
      try {
        return await following.within(next, idle, late)
      } catch (error) {
        if (error === late) cancel(late)
        throw error
      }
    },
    cancel
  }
}
