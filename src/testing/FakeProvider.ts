/**
 * A language-model provider on this machine that fails the way you tell it to.
 *
 * It is a real HTTP server, so the client under test is the real one too: the same sockets, the same parser, the same
 * errors. It speaks OpenAI's chat completions and responses (`POST /v1/chat/completions`, `POST /v1/responses`) and
 * Anthropic's messages (`POST /v1/messages`), plain and streamed, and lists its models (`GET /v1/models`). A script of
 * phases says how healthy it is and when; a `Fault` says what is wrong with one answer, a `Limit` what is too much
 * traffic; a journal keeps what it saw.
 *
 * **Details**
 *
 * Which request gets which fault depends on the seed, the phase, the number of the request within that phase, and what
 * faults and limits say about its key, its model and the traffic; and on nothing else. Time is read from Effect's `Clock`: under a `TestClock`, latencies and phases move when the test moves
 * them, and sockets work as ever.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Anthropic from "./Anthropic.ts"
import { chatCompletions } from "./ChatCompletions.ts"
import * as Fault from "./Fault.ts"
import * as HttpServer from "./HttpServer.ts"
import * as Journal from "./Journal.ts"
import { messages } from "./Messages.ts"
import * as OpenAi from "./OpenAi.ts"
import * as Reply from "./Reply.ts"
import * as Require from "./Require.ts"
import { responses } from "./Responses.ts"
import * as Timeline from "./Timeline.ts"
import type * as WireFormat from "./WireFormat.ts"

export type { End, Entry } from "./Journal.ts"
export type { Answer, AnswerToolCall, Usage } from "./Speech.ts"
export type { Target } from "./Target.ts"
export type { FaultShare, Health, Phase } from "./Timeline.ts"
export type { Name as Format } from "./WireFormat.ts"

/**
 * A running fake provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface FakeProvider {
  /** The root of the server, such as `http://127.0.0.1:41234`. */
  readonly url: string
  /** The same with `/v1`, as OpenAI's clients and the AI SDK want it. Anthropic's own client takes `url`. */
  readonly baseUrl: string
  /** The port it listens on. */
  readonly port: number
  /** Every request so far, in order of arrival. */
  readonly journal: Effect.Effect<ReadonlyArray<Journal.Entry>>
  /** Waits until the journal meets a condition, which is looked at after every change, and returns it. */
  readonly awaitJournal: (
    condition: (entries: ReadonlyArray<Journal.Entry>) => boolean
  ) => Effect.Effect<ReadonlyArray<Journal.Entry>>
  /** How many requests have not ended. */
  readonly inFlight: Effect.Effect<number>
  /** The name of the phase in force: its own, or `phase 1`, `by hand`, `healthy`. */
  readonly phase: Effect.Effect<string>
  /**
   * Leaves the script and answers this way from now on, until the next `setHealth` or `followScript`. Throws a
   * `RangeError` when called with a bad number. Requests under way keep the health they arrived in.
   */
  readonly setHealth: (health: Timeline.Health) => Effect.Effect<void>
  /** Goes back to the script, where it would be by now: its time went on. */
  readonly followScript: Effect.Effect<void>
}

/**
 * The service tag of a fake provider.
 *
 * @category services
 * @since 0.1.0
 */
export const FakeProvider: Context.Service<FakeProvider, FakeProvider> = Context.Service<FakeProvider>(
  "effect-breaker/testing/FakeProvider"
)

/**
 * The fake provider could not listen on its port.
 *
 * @category errors
 * @since 0.1.0
 */
export class FakeProviderError extends /*#__PURE__*/ Data.TaggedError("FakeProviderError")<{
  readonly message: string
  readonly cause: Error
}> {}

/**
 * What a fake provider is made of.
 *
 * **Details**
 *
 * - `script`: the phases, starting when the provider is made. Healthy for ever unless given; the last phase stays.
 * - `seed`: a whole number, 1 unless given.
 * - `port`: a free one unless given.
 * - `host`: the address it listens on, 127.0.0.1 unless given: with another one, others can reach it.
 * - `model`: the one that answers a request which names none; `"fake-model"` unless given. A request for any other model
 *   is answered under the name it asked for.
 * - `models`: what `GET /v1/models` lists; `model` alone unless given.
 * - `allowHeader`: whether a request may choose its own fault, see `Fault.header`. Not unless given; a request that tries
 *   is refused.
 * - `journalSize`: how many entries the journal keeps, all unless given. Beyond it the oldest that have ended are forgotten.
 * - `onEnd`: is told of each entry when its answer has ended, also when the provider's scope ends it. It must not throw.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly script?: ReadonlyArray<Timeline.Phase> | undefined
  readonly seed?: number | undefined
  readonly port?: number | undefined
  readonly host?: string | undefined
  readonly model?: string | undefined
  readonly models?: ReadonlyArray<string> | undefined
  readonly allowHeader?: boolean | undefined
  readonly journalSize?: number | undefined
  readonly onEnd?: ((entry: Journal.Entry) => void) | undefined
}

/**
 * Starts a fake provider that lives as long as its scope.
 *
 * **Details**
 *
 * The end of the scope stops the server, ends every answer that still runs, hung ones included, and closes every
 * connection. Fails with a `FakeProviderError` when the port is taken.
 *
 * Where `allowHeader` is true, a request with the header `x-fault` (see `Fault.header`) gets the fault named there
 * instead of the script's. What the server cannot understand it answers in the shape of the format, or of the provider
 * that the headers speak of: 400 for a bad body or a bad `x-fault`, 404 for an unknown path, 405 for the wrong method,
 * 413 above 4 MiB. None of these counts as a request of the phase.
 *
 * **Gotchas**
 *
 * Throws a `RangeError`, before any effect runs, when a number breaks its rule.
 *
 * **Example** (Half a minute of overload)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FakeProvider, Fault } from "effect-breaker/testing"
 *
 * const ask = (provider: FakeProvider.FakeProvider) =>
 *   Effect.promise(() =>
 *     fetch(`${provider.baseUrl}/chat/completions`, {
 *       method: "POST",
 *       body: JSON.stringify({ model: "fake-model", messages: [{ role: "user", content: "Hello" }] })
 *     })
 *   )
 *
 * const program = Effect.gen(function*() {
 *   const provider = yield* FakeProvider.make({
 *     script: [
 *       { name: "outage", for: "30 seconds", faults: [{ fault: Fault.overloaded, share: 1 }] },
 *       { name: "recovered", for: "Infinity" }
 *     ]
 *   })
 *   const during = yield* ask(provider)
 *   yield* provider.setHealth({})
 *   const after = yield* ask(provider)
 *   return [during.status, after.status]
 * })
 *
 * console.log(await Effect.runPromise(Effect.scoped(program))) // => [529, 200]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<FakeProvider, FakeProviderError, Scope.Scope> => {
  const where = "FakeProvider.make"
  const seed = Require.whole(where, "seed", options.seed ?? 1, Number.MIN_SAFE_INTEGER)
  const wantedPort = Require.whole(where, "port", options.port ?? 0, 0, 65_535)
  const host = Require.text(where, "host", options.host ?? "127.0.0.1")
  const size = options.journalSize === undefined
    ? Infinity
    : Require.whole(where, "journalSize", options.journalSize, 0)
  const { onEnd = () => {} } = options
  const model = Require.text(where, "model", options.model ?? "fake-model")
  const models = Require.texts(where, "models", options.models ?? [model])
  const allowHeader = options.allowHeader ?? false
  const script = Timeline.checkScript(where, options.script ?? [])
  const address = (port: number): string => `${host.includes(":") ? `[${host}]` : host}:${port}`
  return Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const startedAt = clock.monotonicTimeNanosUnsafe()
    const elapsed = (): number => Number(clock.monotonicTimeNanosUnsafe() - startedAt) / 1e6
    const timeline = Timeline.make(script, seed)
    const journal = Journal.make({ size, onEnd })
    const answer = (request: IncomingMessage, response: ServerResponse): Effect.Effect<void> => {
      const at = elapsed()
      const now = clock.currentTimeMillisUnsafe()
      const current = timeline.at(at)
      const { dialect, format, method, path } = addressed(request)
      const ticket = journal.open({ at, phase: current.name, method, path, format: format?.name, key: keyOf(request) })
      const identity: WireFormat.Identity = {
        id: `${seed}_${ticket.index}`,
        createdAt: Math.floor(now / 1000),
        model,
        models
      }
      const clientClosed = Effect.as(HttpServer.clientGone(response), "client-closed" as const)
      // Not given back by the steps themselves: a client may leave between the draw and the first of them.
      let release = (): void => {}
      const hold = (draw: Timeline.Draw): void => {
        release = draw.release
      }
      const addressedTo = { method, path, format, dialect }
      const plan = planFor({ ...addressedTo, request, identity, current, ticket, at, now, allowHeader, hold })
      const play = ({ deaf, steps }: Plan): Effect.Effect<Journal.End> => {
        const sent = { head: (status: number) => ticket.update({ status }), body: ticket.sent }
        const played = HttpServer.play(response, steps, sent, deaf)
        return deaf
          ? Effect.map(played, (ending) => response.writableFinished ? ending : "unheard")
          : Effect.raceFirst(played, clientClosed)
      }
      return Effect.raceFirst(plan, clientClosed).pipe(
        Effect.flatMap((plan) => plan === "client-closed" ? Effect.succeed(plan) : play(plan)),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            const broken = Exit.hasDies(exit) ? "reset" : "stopped"
            release()
            ticket.update({ end: Exit.isSuccess(exit) ? exit.value : broken, endedAt: elapsed() })
            if (!response.writableFinished) response.destroy()
          })
        ),
        Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), Effect.logError),
        Effect.asVoid
      )
    }
    const server = yield* HttpServer.make
    // Made after the server, so that its fibers end, and write so into the journal, before the connections close.
    const run = yield* FiberSet.makeRuntime()
    server.on("request", (request, response) => run(Effect.suspend(() => answer(request, response))))
    const port = yield* HttpServer.listen(server, host, wantedPort).pipe(
      Effect.mapError((cause) =>
        new FakeProviderError({ cause, message: `cannot listen on ${address(wantedPort)}: ${cause.message}` })
      )
    )
    const url = `http://${address(port)}`
    return FakeProvider.of({
      url,
      baseUrl: `${url}/v1`,
      port,
      journal: Effect.sync(journal.entries),
      awaitJournal: journal.when,
      inFlight: Effect.sync(journal.inFlight),
      phase: Effect.sync(() => timeline.at(elapsed()).name),
      setHealth: (health) => {
        const checked = Timeline.checkHealth("setHealth", health)
        return Effect.sync(() => timeline.setHealth(checked, elapsed()))
      },
      followScript: Effect.sync(timeline.followScript)
    })
  })
}

/**
 * The same as a layer.
 *
 * **Example** (Sharing one provider)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FakeProvider } from "effect-breaker/testing"
 *
 * const models = Effect.gen(function*() {
 *   const provider = yield* FakeProvider.FakeProvider
 *   const response = yield* Effect.promise(() => fetch(`${provider.baseUrl}/models`))
 *   const list = (yield* Effect.promise(() => response.json())) as { data: Array<{ id: string }> }
 *   return list.data.map(({ id }) => id)
 * })
 *
 * const answer = await Effect.runPromise(Effect.provide(models, FakeProvider.layer({ model: "gpt-fake" })))
 * console.log(answer) // => ["gpt-fake"]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<FakeProvider, FakeProviderError> =>
  Layer.effect(FakeProvider, make(options))

const formats: ReadonlyArray<WireFormat.WireFormat> = [chatCompletions, responses, messages]

const bodyLimit = 4 * 1024 * 1024

interface Addressed {
  readonly method: string
  readonly path: string
  readonly format: WireFormat.WireFormat | undefined
  /** The provider that is spoken to, also where the endpoint is none that it has. */
  readonly dialect: "anthropic" | "openai"
}

const addressed = (request: IncomingMessage): Addressed => {
  const path = (request.url ?? "/").split("?", 1)[0]!
  const saysVersion = request.headers["anthropic-version"] !== undefined
  const models = saysVersion ? Anthropic.models : OpenAi.models
  return {
    method: request.method ?? "GET",
    path,
    format: path === models.path ? models : formats.find((format) => format.path === path),
    dialect: saysVersion || path === messages.path ? "anthropic" : "openai"
  }
}

interface Request extends Addressed {
  readonly request: IncomingMessage
  readonly identity: WireFormat.Identity
  readonly current: Timeline.Current
  readonly ticket: Journal.Ticket
  readonly at: number
  readonly now: number
  readonly allowHeader: boolean
  /** Is told of the draw, which must be released. */
  readonly hold: (draw: Timeline.Draw) => void
}

/** What is done about one request. */
interface Plan {
  readonly steps: ReadonlyArray<Reply.Step>
  /** Whether the answer goes on after the client has left. */
  readonly deaf: boolean
}

const planFor = (asked: Request): Effect.Effect<Plan> => {
  const { dialect, format, identity, method, path, request, ticket } = asked
  const refuse = (status: number, message: string, told: { readonly code: string; readonly param?: string }): Plan => {
    const [refused, speaker] = dialect === "anthropic"
      ? [Anthropic.refused(status, message), Anthropic.dialect]
      : [OpenAi.refused(status, message, told), OpenAi.dialect]
    return { steps: Reply.refusal(speaker, identity, refused), deaf: false }
  }
  if (format === undefined) {
    return Effect.succeed(refuse(404, `Invalid URL (${method} ${path})`, { code: "unknown_url" }))
  }
  if (format.method !== method) {
    const message = `Only ${format.method} requests are accepted.`
    return Effect.succeed(refuse(405, message, { code: "method_not_supported" }))
  }
  return Effect.map(HttpServer.readBody(request, bodyLimit), (body): Plan => {
    if (body === undefined) {
      return refuse(413, `The request is larger than ${bodyLimit} bytes.`, { code: "request_too_large" })
    }
    const accepted = format.read(body, identity)
    if (accepted._tag === "Refused") {
      return { steps: Reply.refusal(format, identity, accepted), deaf: false }
    }
    ticket.update({ model: accepted.model, stream: accepted.stream })
    const draw = fateOf(asked, format, accepted.model)
    if (draw instanceof RangeError) return refuse(400, draw.message, { param: "x-fault", code: "invalid_fault" })
    asked.hold(draw)
    const { fault, given, limit, pace } = draw
    ticket.update({ fault: fault?._tag, limit })
    const steps = Reply.answer({ format, identity, request: accepted, given, pace, fault, now: asked.now })
    return { steps, deaf: fault?._tag === "LateAnswer" }
  })
}

const fateOf = (
  { allowHeader, at, current, now, request }: Request,
  format: WireFormat.WireFormat,
  model: string | undefined
): Timeline.Draw | RangeError => {
  const header = request.headers["x-fault"]
  if (typeof header !== "string") {
    return current.next({ key: keyOf(request), model, format: format.name, at, wallClock: now })
  }
  if (!allowHeader) return new RangeError("x-fault: this provider was not made with allowHeader")
  try {
    return current.choose(Fault.fromHeader(header))
  } catch (error) {
    if (error instanceof RangeError) return error
    throw error
  }
}

const keyOf = ({ headers }: IncomingMessage): string | undefined => {
  const key = headers["x-api-key"]
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? (typeof key === "string" ? key : undefined)
}
