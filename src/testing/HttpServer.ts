/**
 * The part that touches sockets: a server that listens on this machine only, reads bodies and plays replies.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type * as Reply from "./Reply.ts"

/** The only address the server listens on. */
export const host = "127.0.0.1"

/** A server that does not listen yet; the scope's end closes it and every connection it has. */
export const make: Effect.Effect<Server, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    // Closing idle connections would race with a client that is about to use one again.
    const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })
    // Without a listener, a failing `accept` (no file descriptors left) would end the process.
    server.on("error", () => {})
    return server
  }),
  (server) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    })
)

/** Starts to listen, on a free port where `port` is zero, and says which port it got. */
export const listen = (server: Server, port: number): Effect.Effect<number, Error> =>
  Effect.callback((resume) => {
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen({ host, port }, () => {
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
    })
  })

/** The whole body of a request, or `undefined` once it has more than `limit` bytes. Node drops what is left unread. */
export const readBody = (request: IncomingMessage, limit: number): Effect.Effect<string | undefined> =>
  Effect.callback((resume) => {
    const parts: Array<Buffer> = []
    let size = 0
    const onData = (part: Buffer): void => {
      parts.push(part)
      size += part.length
      if (size > limit) done(undefined)
    }
    const onEnd = (): void => done(Buffer.concat(parts).toString("utf8"))
    const done = (body: string | undefined): void => {
      stop()
      resume(Effect.succeed(body))
    }
    const stop = (): void => {
      request.off("data", onData).off("end", onEnd)
    }
    request.on("data", onData).on("end", onEnd)
    return Effect.sync(stop)
  })

/** Waits until the client is gone. */
export const clientGone = (response: ServerResponse): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const onClose = (): void => resume(Effect.void)
    if (response.closed) return onClose()
    response.once("close", onClose)
    return Effect.sync(() => response.off("close", onClose))
  })

/** Does the steps one after the other, and tells what was sent. */
export const play = (
  response: ServerResponse,
  steps: ReadonlyArray<Reply.Step>,
  sent: { readonly head: (status: number) => void; readonly body: (bytes: number, tokens: number) => void }
): Effect.Effect<Reply.Ending> =>
  Effect.gen(function*() {
    for (const step of steps) {
      switch (step._tag) {
        case "Wait":
          yield* Effect.sleep(step.millis)
          break
        case "Head":
          response.writeHead(step.status, step.headers)
          response.flushHeaders()
          sent.head(step.status)
          break
        case "Write":
          yield* written((done) => response.write(step.text, done))
          sent.body(Buffer.byteLength(step.text), step.tokens)
          break
        case "Finish":
          yield* written((done) => response.end(done))
          return step.ending
        case "Break":
          if (step.by === "reset") response.req.socket.resetAndDestroy()
          else response.destroy()
          return "reset"
        case "Hang":
          return yield* Effect.never
      }
    }
    return "complete"
  })

const written = (write: (done: (error?: Error | null) => void) => void): Effect.Effect<void> =>
  Effect.callback((resume) => {
    // A write that fails has lost its client: `clientGone` tells, so nothing is left to do here.
    write((error) => error ? undefined : resume(Effect.void))
  })
