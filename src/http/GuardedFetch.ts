/**
 * A `fetch` under circuits, for programs without Effect and for the clients that take a `fetch`.
 *
 * `make` guards any `fetch`: one circuit for each origin, and a refused request rejects with `CircuitRejected`. `forSdk` is
 * for the `openai` and `@anthropic-ai/sdk` clients: the circuits of key, model and provider, and a refused request is an
 * answer that these clients do not retry.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as BreakerMap from "../BreakerMap.ts"
import { CircuitRejected } from "../CircuitRejected.ts"
import * as LlmBreaker from "../llm/LlmBreaker.ts"
import type * as LlmOutcome from "../llm/LlmOutcome.ts"
import * as Outcome from "../Outcome.ts"
import { type Asked, type ByKey, byKey, type ByModel, byModel, type Circuits, deadline, Following } from "./Circuits.ts"
import * as Outgoing from "./Outgoing.ts"
import * as Refusal from "./Refusal.ts"
import type { Source } from "./WatchedBody.ts"

export { rejectionOf } from "./Refusal.ts"

/**
 * A function like the global `fetch`.
 *
 * @category models
 * @since 0.1.0
 */
export type Fetch = typeof globalThis.fetch

/**
 * What every guarded `fetch` may be given.
 *
 * **Details**
 *
 * - `fetch`: the one that makes the requests, by default the global one as it is when the request is made.
 * - `headers`: how long the status may take, and `idle`: how long the body may then keep silent. A deadline that passes
 *   counts as a failure, and rejects with a `DOMException` named `TimeoutError`. Without them nothing is timed.
 * - `errors`: how errors are read; see `LlmOutcome.Options`.
 * - `services`: the context that circuits are asked in, for those who bring their own clock or registry.
 *
 * @category models
 * @since 0.1.0
 */
export interface Common {
  readonly fetch?: Fetch | undefined
  readonly headers?: Duration.Input | undefined
  readonly idle?: Duration.Input | undefined
  readonly errors?: LlmOutcome.Options | undefined
  readonly services?: Context.Context<never> | undefined
}

/**
 * How `make` guards: the circuits, as a map that is there already or as the settings of one; and which circuit a request
 * goes through, that of its origin unless `key` says otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Common, ByKey {
  readonly breakers?: BreakerMap.BreakerMap | BreakerMap.Options | undefined
}

/**
 * How `forSdk` guards: the circuits, as an `LlmBreaker` that is there already or as the settings of one; and whom a request
 * concerns, where the request does not say it well.
 *
 * @category models
 * @since 0.1.0
 */
export interface SdkOptions extends Common, ByModel {
  readonly llm?: LlmBreaker.LlmBreaker | LlmBreaker.Options | undefined
}

/**
 * Puts a `fetch` under circuits, one for each origin.
 *
 * **Details**
 *
 * A request asks the circuit of its origin. A refused one is never made, and rejects with `CircuitRejected`, an `Error`
 * whose `name` and `_tag` say so, with the reason and `retryAfter`. Everything else passes unchanged: the response, the
 * error, the abort.
 *
 * | the answer                                        | votes                                                        |
 * | ------------------------------------------------- | ------------------------------------------------------------ |
 * | no connection, broken off, a deadline passed      | `Failure`                                                    |
 * | aborted by the caller                             | `Ignored`; `AbortSignal.timeout` is a `Failure`              |
 * | 5xx, 408                                          | `Failure`, with the hint when to come back                   |
 * | 429                                               | `Throttled`; `Trip` where the body says that a quota is spent |
 * | 401, 403, 404, 407, 410, other 4xx                | `Ignored`: it speaks of this request                         |
 * | 2xx, 3xx                                          | by its body                                                  |
 * | JSON that is none, or is an error                 | `Failure`, or what the error says                            |
 * | events of a language model                        | what the answer says at its end: errors inside, cut off      |
 * | any other body                                    | `Success` at its end, or when the caller stops reading       |
 *
 * The vote of an error is cast before its response is handed out. Another body is read ahead by up to 64 KiB, so that a
 * call whose body nobody reads ends all the same; a longer one that nobody has begun by then is a `Success`, and one that
 * the caller drops midway ends when it is collected as garbage.
 *
 * **Gotchas**
 *
 * A response of another kind than the platform's, whose body is no web stream, votes by its status. The body of a guarded
 * response is no byte stream: read it without `mode: "byob"`. The `classify` of a map that is given is not asked.
 *
 * Throws a `RangeError` at once for a bad setting. A `key` that throws rejects the request.
 *
 * **Example** (A host that is down is asked five times)
 *
 * ```ts
 * import { GuardedFetch } from "effect-breaker/http"
 *
 * const guarded = GuardedFetch.make({ breakers: { openDuration: "30 seconds" } })
 * const attempt = () => guarded("http://127.0.0.1:1/").then(() => "answered", (error: Error) => error.name)
 *
 * const said: Array<string> = []
 * for (let i = 0; i < 6; i++) said.push(await attempt())
 * console.log(said.slice(4)) // => ["TypeError", "CircuitRejected"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Fetch => {
  const where = "GuardedFetch.make"
  const { breakers = {}, services = Context.empty() } = options
  const map = "execute" in breakers ? breakers : Effect.runSyncWith(services)(BreakerMap.make(breakers))
  return guard(where, byKey(where, Effect.succeed(map), options), options, (rejected) => {
    throw rejected
  })
}

/**
 * Puts the `fetch` of an `openai` or `@anthropic-ai/sdk` client under the circuits of key, model and provider.
 *
 * **Details**
 *
 * A refused request is never made. The client gets a 503 that it does not retry, and throws what it throws for that status,
 * with the circuit's message; `rejectionOf(error)` gives the `CircuitRejected`. A pause that the provider asked for and
 * that has at most ten seconds to go is a 429 instead, which the client waits out if it has retries left.
 *
 * Each attempt of a client's own retries is a request: it asks, and it votes. An error after which the circuit is open is
 * marked so that the client does not sleep on it only to be refused.
 *
 * Answers are read as those of a model: beyond what `make` sees, an empty or a cut answer is a `Failure`, and so is a page.
 * A client's own timeout looks like a caller who gives up, which is `Ignored`, unless the request says how long the client
 * waits: `@anthropic-ai/sdk` always does, `openai` only for a `timeout` of the one request, and both in whole seconds. So set
 * `headers` here, a little below the client's timeout.
 *
 * **Gotchas**
 *
 * Without `llm` each call of `forSdk` makes circuits of its own: give one `LlmBreaker` to all clients of a provider.
 * Vercel's `ai` does not know the mark against retries: give its providers the `fetch` of `make`.
 *
 * Throws a `RangeError` at once for a bad setting.
 *
 * **Example** (One line, and what is thrown)
 *
 * ```ts
 * import { GuardedFetch } from "effect-breaker/http"
 * import OpenAI from "openai"
 *
 * const client = new OpenAI({ baseURL: "http://127.0.0.1:1/v1", maxRetries: 0, fetch: GuardedFetch.forSdk() })
 * const ask = () => client.chat.completions.create({ model: "gpt-any", messages: [{ role: "user", content: "Hello" }] })
 *
 * for (let i = 0; i < 5; i++) await ask().catch(() => {})
 * const error: unknown = await ask().catch((error: unknown) => error)
 *
 * console.log(error instanceof OpenAI.InternalServerError && error.code) // => "CircuitRejected"
 * console.log(GuardedFetch.rejectionOf(error)?.circuit) // => "127.0.0.1:1"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const forSdk = (options: SdkOptions = {}): Fetch => {
  const where = "GuardedFetch.forSdk"
  const { llm = {}, services = Context.empty() } = options
  const breaker = "execute" in llm ? llm : Effect.runSyncWith(services)(LlmBreaker.make(llm))
  return guard(where, byModel(where, breaker, options), options, Refusal.toResponse, "marked")
}

// ---------------------------------------------------------------------------------------------------------------------

interface Guarding {
  readonly circuits: Circuits
  readonly headers: number | undefined
  readonly idle: number | undefined
  readonly marks: boolean
}

const guard = (
  where: string,
  circuits: Circuits,
  options: Common,
  refused: (rejected: CircuitRejected) => Response,
  marks?: "marked"
): Fetch => {
  const { services = Context.empty() } = options
  const guarding: Guarding = {
    circuits,
    headers: deadline(where, "headers", options.headers),
    idle: deadline(where, "idle", options.idle),
    marks: marks !== undefined
  }
  return async (input, init) => {
    const fetch = options.fetch ?? globalThis.fetch
    // Nobody waits for it any more: it is not for the circuit to answer.
    if (signalOf(input, init)?.aborted === true) return fetch(input, init)
    const exit = await Effect.runPromiseExitWith(services)(call({ fetch, input, init }, guarding))
    if (Exit.isSuccess(exit)) return exit.value
    const error = Cause.squash(exit.cause)
    if (error instanceof CircuitRejected) return refused(error)
    throw error
  }
}

interface Request {
  readonly fetch: Fetch
  readonly input: Parameters<Fetch>[0]
  readonly init: RequestInit | undefined
}

const call = (request: Request, guarding: Guarding): Effect.Effect<Response, unknown> => {
  const outgoing = Outgoing.fromFetch(request.input, request.init)
  const { circuits, headers } = guarding
  const asked = circuits.of(outgoing)
  return Effect.uninterruptibleMask((restore) =>
    Effect.withFiber((fiber) =>
      Effect.flatMap(asked.admit, (admission) => {
        const following = new Following(admission, circuits, fiber.context, fiber.getRef(Clock.Clock))
        const sent = restore(headers === undefined ? send(request) : sendWithin(request, headers)).pipe(
          Effect.onError((cause) => following.settle(outcomeOf(Cause.squash(cause), outgoing, following)))
        )
        return Effect.flatMap(sent, (response) => watch(response, following, asked, guarding))
      })
    )
  )
}

const send = ({ fetch, init, input }: Request): Effect.Effect<Response, unknown> =>
  Effect.tryPromise({ try: () => fetch(input, init), catch: (error) => error })

const sendWithin = ({ fetch, init, input }: Request, limit: number): Effect.Effect<Response, unknown> => {
  const given = signalOf(input, init)
  const sent = Effect.tryPromise({
    try: (own) =>
      fetch(input, { ...init, signal: given === undefined || given === null ? own : AbortSignal.any([given, own]) }),
    catch: (error) => error
  })
  return Effect.timeoutOrElse(sent, { duration: limit, orElse: () => Effect.fail(late("headers", limit)) })
}

// A `Request` is one by what it has: another implementation's is another class.
const signalOf = (input: unknown, init: RequestInit | undefined): AbortSignal | null | undefined =>
  init?.signal ?? (Object(input) as Partial<globalThis.Request>).signal

const late = (deadline: string, limit: number): DOMException =>
  new DOMException(`No ${deadline === "idle" ? "more of the body" : deadline} within ${limit} ms`, "TimeoutError")

// The clients' own timers start a moment earlier.
const nearly = 0.9

const outcomeOf = (error: unknown, outgoing: Outgoing.Outgoing, following: Following): LlmOutcome.LlmOutcome => {
  const outcome = following.failed(error)
  const limit = outcome.kind === "cancelled" ? Outgoing.timeLimit(outgoing) : undefined
  if (limit === undefined || following.elapsed < limit * nearly) return outcome
  const message = `no answer within the client's own limit of ${limit / 1000} s`
  return { ...Outcome.failure({ kind: "timeout", message }), kind: "timeout", scope: "model" }
}

const watch = (
  response: Response,
  following: Following,
  asked: Asked,
  { idle, marks }: Guarding
): Effect.Effect<Response> => {
  const { body, headers, status } = response
  if (!isReadable(body) || bodiless.includes(status)) {
    // A response that the program may not look into has no status, and says that there was an answer.
    return Effect.as(following.bodiless({ status: status === 0 ? 200 : status, headers }), response)
  }
  return Effect.flatMap(following.follow(response, sourceOf(body, idle, following)), (watched) => {
    const handed = watched.toResponse(response)
    if (!marks || status < 400) return Effect.succeed(handed)
    return Effect.map(asked.refusal, (refusal) => {
      if (refusal !== undefined && refusal.reason !== "Throttled") Refusal.stopRetries(handed.headers)
      return handed
    })
  })
}

const bodiless: ReadonlyArray<number> = [101, 204, 205, 304]

const isReadable = (body: unknown): body is ReadableStream<Uint8Array> =>
  typeof (Object(body) as Partial<ReadableStream>).getReader === "function" && !(body as ReadableStream).locked

const sourceOf = (body: ReadableStream<Uint8Array>, idle: number | undefined, following: Following): Source => {
  const reader = body.getReader()
  const read = async () => (await reader.read()).value
  const cancel = (reason?: unknown) => void reader.cancel(reason).catch(() => {})
  return {
    read: idle === undefined ? read : async () => {
      const error = late("idle", idle)
      try {
        return await following.within(read, idle, error)
      } catch (failure) {
        if (failure === error) cancel(error)
        throw failure
      }
    },
    cancel
  }
}
