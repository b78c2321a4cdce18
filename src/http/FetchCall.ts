/**
 * One call of a guarded `fetch`: asked for, made, and followed to the end of its body.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { CircuitRejected } from "../CircuitRejected.ts"
import type * as LlmOutcome from "../llm/LlmOutcome.ts"
import * as Outcome from "../Outcome.ts"
import { type Asked, type Circuits, deadline, Following } from "./Circuits.ts"
import * as Outgoing from "./Outgoing.ts"
import { stopRetries } from "./Refusal.ts"
import type { Source } from "./WatchedBody.ts"

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

interface Guarding {
  readonly circuits: Circuits
  readonly headers: number | undefined
  readonly idle: number | undefined
  readonly marks: boolean
}

/** Guards a `fetch`. Without `refused`, a refused request rejects; with it, the client is one that retries by itself. */
export const guard = (
  where: string,
  circuits: Circuits,
  options: Common,
  refused?: (rejected: CircuitRejected) => Response
): Fetch => {
  const { services = Context.empty() } = options
  const guarding: Guarding = {
    circuits,
    headers: deadline(where, "headers", options.headers),
    idle: deadline(where, "idle", options.idle),
    marks: refused !== undefined
  }
  return async (input, init) => {
    const fetch = options.fetch ?? globalThis.fetch
    // Nobody waits for it any more: it is not for the circuit to answer.
    if (signalOf(input, init)?.aborted === true) return fetch(input, init)
    const exit = await Effect.runPromiseExitWith(services)(call({ fetch, input, init }, guarding))
    if (Exit.isSuccess(exit)) return exit.value
    const error = Cause.squash(exit.cause)
    if (refused !== undefined && error instanceof CircuitRejected) return refused(error)
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
      if (refusal !== undefined && refusal.reason !== "Throttled") stopRetries(handed.headers)
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
