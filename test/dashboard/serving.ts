/** The page served to tests: by a server on this machine, or without one, in the time of the test. */
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer, type Scope } from "effect"
import { Registry } from "effect-breaker/control"
import type { Dashboard } from "effect-breaker/dashboard"
import { HttpEffect, HttpRouter, HttpServer, type HttpServerRequest } from "effect/http"
import http from "node:http"

export type Routes = Layer.Layer<never, never, HttpRouter.HttpRouter>

/** What a client sees. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
}

/** A registry of the test's own: other tests' circuits are not in it. */
export const alone = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.provideService(self, Registry.Current, new Registry.Registry()))

/** A server on this machine, on a free port unless told which. The scope's end stops it. */
export const serve = (
  routes: Routes,
  port = 0,
  create = http.createServer
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(create, { host: "127.0.0.1", port }))
      )
    )
    return yield* HttpServer.addressFormattedWith(Effect.succeed).pipe(Effect.provide(context))
  }).pipe(Effect.orDie)

/** One request, with the headers that are given and no others. */
export const ask = (
  url: string,
  options: { readonly method?: string; readonly headers?: http.OutgoingHttpHeaders; readonly body?: string } = {}
): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const request = http.request(url, { agent: false, method: options.method ?? "GET", headers: options.headers ?? {} })
    request.on("response", (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part: string) => text += part).on("end", () => {
        resume(Effect.succeed({ status: response.statusCode!, headers: response.headers, text }))
      })
    }).on("error", (error) => resume(Effect.die(error)))
    request.end(options.body)
    return Effect.sync(() => request.destroy())
  })

export const whole = (url: string): Effect.Effect<Dashboard.PageView> =>
  Effect.map(ask(`${url}/snapshot.json`), ({ text }) => JSON.parse(text))

export const orderHeaders = { "content-type": "application/json", "x-effect-breaker": "control" }

export const order = (url: string, body: unknown, headers: http.OutgoingHttpHeaders = {}): Effect.Effect<Answer> =>
  ask(`${url}/control`, {
    method: "POST",
    headers: { ...orderHeaders, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })

/** One who watches. */
export interface Watching {
  readonly status: number
  readonly headers: Answer["headers"]
  /** The next beat that is like this. Those before it are passed over. */
  readonly beat: (is: (beat: Dashboard.BeatView) => boolean) => Effect.Effect<Dashboard.BeatView>
  /** All that came so far, as text. */
  readonly received: () => string
  readonly ended: Effect.Effect<void>
  readonly leave: Effect.Effect<void>
}

/** Watches the stream of events until the scope ends. */
export const watch = (url: string): Effect.Effect<Watching, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Watching & { readonly request: http.ClientRequest }>((resume) => {
      const request = http.get(`${url}/events`, { agent: false })
      let end = () => {}
      const ended = new Promise<void>((resolve) => end = resolve)
      request.on("error", () => end()).on("response", (response) => {
        let received = ""
        let rest = ""
        const beats: Array<Dashboard.BeatView> = []
        let wake = () => {}
        response.setEncoding("utf8").on("data", (part: string) => {
          received += part
          const frames = (rest + part).split("\n\n")
          rest = frames.pop()!
          for (const frame of frames) {
            const data = /^event: beat\ndata: (.*)$/.exec(frame)?.[1]
            if (data !== undefined) beats.push(JSON.parse(data))
          }
          wake()
        }).on("error", () => {}).on("close", () => end())
        resume(Effect.succeed({
          request,
          status: response.statusCode!,
          headers: response.headers,
          received: () => received,
          ended: Effect.promise(() => ended),
          leave: Effect.sync(() => request.destroy()),
          beat: (is) =>
            Effect.callback((resume) => {
              wake = () => {
                for (let beat = beats.shift(); beat !== undefined; beat = beats.shift()) {
                  if (!is(beat)) continue
                  wake = () => {}
                  return resume(Effect.succeed(beat))
                }
              }
              wake()
            })
        }))
      })
    }),
    ({ request }) => Effect.sync(() => request.destroy())
  )

/** The page without a server, in the time of the test. */
export const handle = (
  routes: Routes
): Effect.Effect<(path: string, init?: RequestInit) => Effect.Effect<Response>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const services = yield* Effect.context<Scope.Scope>()
    const context = yield* Layer.build(Layer.provideMerge(routes, HttpRouter.layer))
    const router = Context.get(context, HttpRouter.HttpRouter)
    const handler = HttpEffect.toWebHandlerWith<never, HttpServerRequest.HttpServerRequest | Scope.Scope>(
      Context.merge(services, context) as never
    )(router.asHttpEffect())
    return (path, init) => Effect.promise(() => handler(new Request(`http://localhost${path}`, init)))
  })

/** The frames of a stream, one for each call. */
export const framesOf = (response: Response): Effect.Effect<string> => {
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  return Effect.promise(async () => decoder.decode((await reader.read()).value))
}
