/**
 * The part that touches sockets: a server that listens, reads bodies and plays replies.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type * as Reply from "./Reply.ts"

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
export const listen = (server: Server, host: string, port: number): Effect.Effect<number, Error> =>
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

/** Waits until the client is gone before the answer has ended. */
export const clientGone = (response: ServerResponse): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const onClose = (): void => {
      if (!response.writableFinished) resume(Effect.void)
    }
    if (response.closed) return onClose()
    response.once("close", onClose)
    return Effect.sync(() => response.off("close", onClose))
  })

/** What is told of an answer while it is sent. */
export interface Sent {
  readonly head: (status: number) => void
  readonly body: (bytes: number, tokens: number) => void
}

/**
 * Does the steps one after the other, and tells what was sent. What is written to a client that is gone is lost, and
 * holds the steps up, unless `deaf`.
 */
export const play = (
  response: ServerResponse,
  steps: ReadonlyArray<Reply.Step>,
  sent: Sent,
  deaf: boolean
): Effect.Effect<Reply.Ending> =>
  Effect.gen(function*() {
    const { socket } = response.req
    let ending: Reply.Ending = "complete"
    const write = (text: string, tokens: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (deaf && response.destroyed) return Effect.void
        return Effect.map(written((done) => response.write(text, done), deaf), (arrived) => {
          if (arrived) sent.body(Buffer.byteLength(text), tokens)
        })
      })
    const pause = (millis: number, alive: Reply.Alive | undefined): Effect.Effect<void> =>
      Effect.gen(function*() {
        let left = millis
        if (alive !== undefined) {
          for (; left > alive.every; left -= alive.every) {
            yield* Effect.sleep(alive.every)
            yield* write(alive.text, 0)
          }
        }
        yield* left === Infinity ? Effect.never : Effect.sleep(left)
      })
    for (const step of steps) {
      switch (step._tag) {
        case "Wait":
          yield* pause(step.millis, step.alive)
          break
        case "Hang":
          yield* pause(Infinity, step.alive)
          break
        case "Head":
          if (deaf && response.destroyed) break
          response.writeHead(step.status, step.headers)
          response.flushHeaders()
          sent.head(step.status)
          break
        case "Write":
          yield* write(step.text, step.tokens)
          break
        case "Finish":
          if (!deaf || !response.destroyed) yield* written((done) => response.end(done), deaf)
          ending = step.ending
          break
        case "Again":
          if (socket.destroyed) break
          socket.write(step.response)
          sent.body(Buffer.byteLength(step.response), step.tokens)
          break
        case "Break":
          if (step.by === "reset") socket.resetAndDestroy()
          else response.destroy()
          return "reset"
      }
    }
    return ending
  })

const written = (
  write: (done: (error?: Error | null) => void) => void,
  deaf: boolean
): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    // A write that fails has lost its client: `clientGone` tells, so nothing is left to do here.
    write((error) => !error || deaf ? resume(Effect.succeed(!error)) : undefined)
  })
