/**
 * A response whose body is read along: everything of it is the original's, but for the body.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { givenUp } from "../llm/StreamEnd.ts"
import type { WatchedBody } from "./WatchedBody.ts"

type Response = HttpClientResponse.HttpClientResponse
type BodyError = HttpClientError.HttpClientError

/** Puts a body that is read along in the place of the response's own. */
export const make = (original: Response, body: WatchedBody): Response => {
  const { headers, request, status } = original

  // Whoever stops reading tells why, below.
  const stream = body.toStream(() => {})
  const inner = HttpClientResponse.fromWeb(request, new globalThis.Response(stream, { status, headers }))

  const guarded = Object.create(original) as Response
  const own = (error: BodyError): BodyError => {
    const { reason } = error
    if (HttpClientError.isHttpClientError(error.cause)) return error.cause
    return reason._tag === "DecodeError"
      ? new HttpClientError.HttpClientError({
        reason: new HttpClientError.DecodeError({ request, response: guarded, cause: reason.cause })
      })
      : error
  }
  const whole = <A>(read: () => Effect.Effect<A, BodyError>): Effect.Effect<A, BodyError> =>
    Effect.suspend(read).pipe(
      Effect.mapError(own),
      Effect.onInterrupt(() => Effect.sync(() => body.leave(givenUp)))
    )
  const pieces = Stream.unwrap(Effect.as(
    Effect.acquireRelease(
      Effect.void,
      (_, exit) => Effect.sync(() => body.leave(isInterrupted(exit) ? givenUp : undefined))
    ),
    Stream.mapError(Stream.suspend(() => inner.stream), own)
  ))
  return Object.defineProperties(guarded, {
    text: { get: () => whole(() => inner.text) },
    json: { get: () => whole(() => inner.json) },
    urlParamsBody: { get: () => whole(() => inner.urlParamsBody) },
    arrayBuffer: { get: () => whole(() => inner.arrayBuffer) },
    formData: { get: () => whole(() => inner.formData) },
    stream: { get: () => pieces },
    // Where `HttpClientResponse.toWeb` looks.
    ["~effect/http/HttpClientResponse/WebSource"]: {
      value: () => {
        const source = Option.getOrUndefined(HttpClientResponse.toWeb(original))
        return source && body.toResponse(source)
      }
    }
  })
}

const isInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
