/**
 * Those who watch: each has its own small queue of frames, so that one who reads slowly, or not at all, holds up nobody.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** How many frames wait for one viewer. Of more the oldest is dropped, and the page sees the gap. */
const WAITING = 4

/** For how long, in milliseconds, a viewer whose queue is full may take nothing, before its place is given to another. */
const PATIENCE = 60_000

interface Viewer {
  readonly queue: Queue.Queue<Uint8Array, Cause.Done>
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly request: HttpServerRequest.HttpServerRequest
  takenAt: number
}

/** Those who watch. */
export interface Viewers {
  /** How many there are. */
  readonly size: () => number
  /** Whether one more would be too many. */
  readonly isFull: () => boolean
  /**
   * The frames from now on, for the request that is being answered: a place is taken when the stream begins, and is free
   * again when it ends, however it ends.
   */
  readonly watch: (
    request: HttpServerRequest.HttpServerRequest
  ) => Effect.Effect<Stream.Stream<Uint8Array>>
  /** Gives a frame to everybody, and waits for nobody. */
  readonly send: (frame: Uint8Array) => Effect.Effect<void>
}

/** Nobody yet, and at most so many. The scope's end ends their streams. */
export const make = (most: number): Effect.Effect<Viewers, never, Scope.Scope> => {
  const viewers = new Set<Viewer>()

  const join = (request: HttpServerRequest.HttpServerRequest, fiber: Fiber.Fiber<unknown, unknown>) =>
    Effect.gen(function*() {
      const queue = yield* Queue.sliding<Uint8Array, Cause.Done>(WAITING)
      const viewer: Viewer = { queue, fiber, request, takenAt: yield* Clock.currentTimeMillis }
      // Asked again: others may have come since the answer began.
      if (viewers.size >= most) Queue.endUnsafe(queue)
      else viewers.add(viewer)
      return viewer
    })

  const leave = (viewer: Viewer): void => {
    viewers.delete(viewer)
    Queue.endUnsafe(viewer.queue)
  }

  const drop = (viewer: Viewer): void => {
    // It waits for its client to take what was written: that may never be.
    if (Queue.isFullUnsafe(viewer.queue)) viewer.fiber.interruptUnsafe()
    leave(viewer)
  }

  return Effect.acquireRelease(
    Effect.succeed<Viewers>({
      size: () => viewers.size,
      isFull: () => viewers.size >= most,
      watch: (request) =>
        Effect.withFiberSucceed((fiber) =>
          Stream.unwrap(
            Effect.map(
              Effect.acquireRelease(join(request, fiber), (viewer) => Effect.sync(() => leave(viewer))),
              (viewer) => Stream.concat(Stream.succeed(hello), frames(viewer))
            )
          )
        ),
      send: (frame) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          for (const viewer of viewers) {
            const isStuck = Queue.isFullUnsafe(viewer.queue) && now - viewer.takenAt >= PATIENCE
            if (isStuck || isServerStopping(viewer.request)) drop(viewer)
            else Queue.offerUnsafe(viewer.queue, frame)
          }
        })
    }),
    () => Effect.sync(() => viewers.forEach(drop))
  )
}

/** An event of the stream. */
export const frame = (event: string, json: string): Uint8Array => encoder.encode(`event: ${event}\ndata: ${json}\n\n`)

/** A line that tells nothing but that the server is there. */
export const heartbeat: Uint8Array = /*#__PURE__*/ new TextEncoder().encode(":\n\n")

// ---------------------------------------------------------------------------------------------------------------------

const encoder = /*#__PURE__*/ new TextEncoder()

// Sent at once: until the first bytes come, a browser does not know that it is connected.
const hello = /*#__PURE__*/ encoder.encode("retry: 2000\n\n")

// One by one: a server would put those that wait together into one more copy, for each viewer anew.
const frames = (viewer: Viewer): Stream.Stream<Uint8Array> =>
  Stream.fromPull(Effect.succeed(
    Queue.take(viewer.queue).pipe(
      Effect.flatMap((frame) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          viewer.takenAt = now
          return [frame] as const
        })
      )
    )
  ))

// A server of Node that stops waits for open answers before it ends the layers that give them: its streams would keep it
// for as long as it has patience.
const isServerStopping = ({ source }: HttpServerRequest.HttpServerRequest): boolean =>
  (source as { readonly socket?: { readonly server?: { readonly listening?: boolean } } }).socket?.server
    ?.listening === false
