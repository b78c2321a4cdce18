/**
 * A live page of every circuit of a program, served by the program itself.
 *
 * It reads snapshots and events, never a call: what it costs does not depend on how many calls there are. One fiber looks
 * every other second, and all who watch are sent the same bytes.
 *
 * @since 0.1.0
 */
import * as ByteSize from "effect/ByteSize"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as CircuitControl from "../control/CircuitControl.ts"
import * as CircuitReader from "../control/CircuitReader.ts"
import * as Setting from "../internal/Setting.ts"
import * as Follower from "./Follower.ts"
import * as Order from "./Order.ts"
import { page, scriptHash, styleHash } from "./Page.generated.ts"

/**
 * The whole as `snapshot.json` serves it, and a beat as the stream of events sends it.
 *
 * @category models
 * @since 0.1.0
 */
export type { BeatView, CircuitView, HappeningView, OrderView, PageView, PointView, StripView } from "./View.ts"

/**
 * Decides about one request, which is in its context. The one for orders gives the name of who gives them.
 *
 * **Details**
 *
 * A failure that is a response, or knows how to become one (`HttpServerRespondable`), is the answer: a 401 that asks who it
 * is, or the way to the login. Any other failure is answered with 403, and without a word of what it says. So is `false`, and
 * a name that is empty.
 *
 * @category models
 * @since 0.1.0
 */
export type Guard<A = unknown, E = never, R = never> = Effect.Effect<A, E, R>

/**
 * How a program is shown.
 *
 * **Details**
 *
 * - `path` is where (default `/breakers`); `title` is what the page says at its top (default `Circuits`).
 * - `every` is the time between two looks, and so between two beats (default 2 seconds).
 * - `circuits` is how many are followed (default 500). Those in trouble come first; the page says how many are left out.
 * - `viewers` is how many may watch at the same time (default 100). One more is answered with 503.
 * - `messages` shows the text of errors too (default `false`): it may hold what people asked a model.
 * - `guard` decides who may see the page; without one everybody may who can reach it.
 * - `control` lets the page give orders, once its `guard` has named the operator. Without it there is nothing to call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E = never, R = never, CE = never, CR = never> {
  readonly path?: HttpRouter.PathInput | undefined
  readonly title?: string | undefined
  readonly every?: Duration.Input | undefined
  readonly circuits?: number | undefined
  readonly viewers?: number | undefined
  readonly messages?: boolean | undefined
  readonly guard?: Guard<unknown, E, R> | undefined
  readonly control?: { readonly guard: Guard<string, CE, CR> } | undefined
}

/**
 * Adds the live page to the program's router.
 *
 * **Details**
 *
 * At `path` are the page (`/`), the whole as JSON (`/snapshot.json`), what changes as server-sent events (`/events`), and,
 * with `control`, orders (`/control`). What the guards need, other than the request, is asked of the router's middleware.
 *
 * **Gotchas**
 *
 * It shows the circuits of the registry that is current where the layer is built: of the whole process, unless the program
 * provides another. Without a `guard` whoever can reach the path sees the names of all circuits.
 *
 * Throws a `RangeError` at once for a bad setting. The layer dies where the router has something at `path` already.
 *
 * **Example** (Serving the page)
 *
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { HttpRouter, HttpServer } from "effect/http"
 * import { Breaker } from "effect-breaker"
 * import { Dashboard } from "effect-breaker/dashboard"
 * import { createServer } from "node:http"
 *
 * const Server = HttpRouter.serve(Dashboard.layer({ title: "Answers" }), { disableLogger: true }).pipe(
 *   Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const openai = yield* Breaker.make({ name: "openai" })
 *   yield* openai.execute(Effect.succeed("an answer"))
 *   const url = yield* HttpServer.addressFormattedWith(Effect.succeed)
 *   const page = yield* Effect.promise(() => fetch(`${url}/breakers/`))
 *   return page.headers.get("content-type")
 * })
 *
 * console.log(await Effect.runPromise(program.pipe(Effect.provide(Server)))) // => "text/html; charset=utf-8"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never, R = never, CE = never, CR = never>(
  options: Options<E, R, CE, CR> = {}
): Layer.Layer<
  never,
  never,
  HttpRouter.HttpRouter | HttpRouter.Request.From<"Requires", Exclude<R | CR, HttpRouter.Provided>>
> => {
  const { control, guard, messages = false, path = "/breakers", title = "Circuits" } = options
  const { circuits = 500, every = "2 seconds", viewers = 100 } = options
  Setting.enforce(where, Checked, { circuits, control, every, guard, messages, path, title, viewers })
  return HttpRouter.use((router) =>
    Effect.gen(function*() {
      const reader = yield* CircuitReader.make
      const follower = yield* Follower.make(reader, {
        title,
        every: Setting.toMillis(every),
        circuits,
        viewers,
        messages,
        control: control !== undefined
      })
      const base = path.replace(/\/+$/, "")
      const at = (name: string): HttpRouter.PathInput => `${base}/${name}` as HttpRouter.PathInput
      const read = (answer: Handler): Effect.Effect<HttpServerResponse.HttpServerResponse, never, Asking | R> =>
        guard === undefined ? asked(answer) : guarded(guard, () => asked(answer))

      yield* router.add("GET", base === "" ? "/" : base as HttpRouter.PathInput, read(pageOrWay)).pipe(
        Effect.catchDefect((cause) => Effect.die(new Error(taken(base), { cause })))
      )
      // A router may be told to tell the two apart. All others say that they have it already.
      yield* router.add("GET", at(""), read(pageOrWay)).pipe(Effect.catchDefect(() => Effect.void))
      yield* router.add("GET", at("snapshot.json"), read(() => Effect.map(follower.page, json)))
      yield* router.add("GET", at("events"), read(events(follower)))
      if (control !== undefined) {
        const steering = yield* CircuitControl.make
        yield* router.add(
          "POST",
          at("control"),
          asked((request) => {
            const why = Order.foreign(request.headers)
            if (why !== undefined) return Effect.succeed(refused(403, why))
            return guarded(control.guard, (by) =>
              typeof by === "string" && by.trim() !== ""
                ? ordered(request, by, follower, steering)
                : Effect.succeed(notLet))
          })
        )
      }
    })
  )
}

// ---------------------------------------------------------------------------------------------------------------------

type Asking = HttpServerRequest.HttpServerRequest
type Response = HttpServerResponse.HttpServerResponse
type Handler<R = never> = (request: Asking) => Effect.Effect<Response, never, R>

const where = "Dashboard.layer"
const taken = (path: string) =>
  `${where}: the router has something at ${path || "/"} already. Give one of them another path.`

const Checked = /*#__PURE__*/ Schema.Struct({
  title: Setting.text,
  messages: Setting.flag,
  guard: /*#__PURE__*/ Schema.optional(/*#__PURE__*/ Setting.setting<Guard>("an effect", Effect.isEffect)),
  control: /*#__PURE__*/ Schema.optional(
    /*#__PURE__*/ Setting.setting<Options["control"]>(
      "{ guard }, and the guard an effect",
      (control) => Effect.isEffect(control?.guard)
    )
  ),
  circuits: Setting.count,
  viewers: Setting.count,
  every: Setting.positiveDuration,
  path: /*#__PURE__*/ Setting.setting<string>(
    "a path that begins with a slash, without parameters",
    // As a request brings it: what never comes, or is taken for something else, would never be found.
    (path) => typeof path === "string" && /^\/[^*:?#;%\\\n\r\t]*$/.test(path) && !/\/\.\.?(\/|$)/.test(path)
  )
})

const plain = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
}

const pageHeaders = {
  ...plain,
  "content-security-policy": [
    "default-src 'none'",
    `script-src 'sha256-${scriptHash}'`,
    `style-src 'sha256-${styleHash}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")
}

const streamHeaders = {
  ...plain,
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
  // A stream that ended leaves nothing behind that a server that stops would have to wait for.
  connection: "close"
}

const asked = <R>(answer: Handler<R>): Effect.Effect<Response, never, Asking | R> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, answer)

const guarded = <A, E, R, R2>(
  guard: Guard<A, E, R>,
  then: (a: A) => Effect.Effect<Response, never, R2>
): Effect.Effect<Response, never, R | R2> =>
  Effect.matchEffect(guard, {
    onSuccess: (a) => a === false ? Effect.succeed(notLet) : then(a),
    onFailure: (error): Effect.Effect<Response> =>
      HttpServerResponse.isHttpServerResponse(error)
        ? Effect.succeed(error)
        : HttpServerRespondable.isRespondable(error)
        ? HttpServerRespondable.toResponse(error)
        : Effect.succeed(notLet)
  })

const json = (body: Uint8Array | string): Response =>
  typeof body === "string"
    ? HttpServerResponse.text(body, { headers: plain, contentType: "application/json" })
    : HttpServerResponse.uint8Array(body, { headers: plain, contentType: "application/json" })

const refused = (status: number, error: string, headers?: Readonly<Record<string, string>>): Response =>
  HttpServerResponse.text(JSON.stringify({ error }), {
    status,
    headers: { ...plain, ...headers },
    contentType: "application/json"
  })

const notLet = /*#__PURE__*/ refused(403, "The guard of this page did not let the request pass.")

// The router takes both for the same, but the page's own addresses are relative to the one with the slash. The way there
// is relative too: a proxy may have put something before it.
const pageOrWay: Handler = ({ originalUrl }) => {
  const { pathname } = new URL(originalUrl, "http://localhost")
  return Effect.succeed(
    pathname.endsWith("/")
      ? HttpServerResponse.text(page, { headers: pageHeaders, contentType: "text/html; charset=utf-8" })
      : HttpServerResponse.redirect(`${pathname.slice(pathname.lastIndexOf("/") + 1)}/`, {
        status: 308,
        headers: plain
      })
  )
}

const events = ({ viewers }: Follower.Follower): Handler => (request) =>
  viewers.isFull()
    ? Effect.succeed(refused(503, "As many watch as may. Try again in a while.", { "retry-after": "10" }))
    : Effect.map(viewers.watch(request), (stream) =>
      HttpServerResponse.stream(stream, { headers: streamHeaders, contentType: "text/event-stream" }))

const ordered = (
  request: Asking,
  by: string,
  follower: Follower.Follower,
  control: CircuitControl.CircuitControl
): Effect.Effect<Response> =>
  Effect.gen(function*() {
    const body = yield* request.text.pipe(
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(Order.MOST_BYTES)),
      Effect.mapError(({ reason }) =>
        reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
          ? refused(413, `An order has at most ${Order.MOST_BYTES} bytes.`)
          : refused(400, "The order did not arrive as a whole.")
      )
    )
    const order = yield* Effect.mapError(Order.decode(body), (issue) => refused(400, issue))
    if (order.instance !== undefined && order.instance !== follower.instance) {
      return refused(409, "These circuits are those of another process, or of this one before it restarted.")
    }
    const done = yield* Order.carryOut(order, by, control)
    return done === 0 ? refused(404, "None of these circuits is there any more.") : json(JSON.stringify({ done }))
  }).pipe(Effect.catch(Effect.succeed))
