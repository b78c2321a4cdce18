import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, References, Stream } from "effect"
import { BreakerMap, TripPolicy } from "effect-breaker"
import { BreakerHttpClient } from "effect-breaker/http"
import { HttpClient, HttpClientResponse } from "effect/http"

/** Answers from memory, with a status of the request's own choice, in pieces. */
const answering = (status: number) =>
  HttpClient.make((request) =>
    Effect.sync(() => {
      let left = 3
      const body = new ReadableStream({
        pull: (controller) => left-- > 0 ? controller.enqueue(new TextEncoder().encode("piece ")) : controller.close()
      })
      return HttpClientResponse.fromWeb(request, new Response(body, { status }))
    })
  )

const nextTurn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

describe("BreakerHttpClient.withBreaker, interrupted at any step", () => {
  it.effect.each([200, 500])(
    "leaves no call of status %s in flight, and counts none twice",
    (status) =>
      Effect.gen(function*() {
        for (const how of ["nothing", "text", "stream"]) {
          for (let budget = 2; budget < 60; budget++) {
            const map = yield* BreakerMap.make({ tripPolicy: TripPolicy.never })
            const client = BreakerHttpClient.withBreaker(answering(status), { breakers: map })
            const asking = Effect.flatMap(
              client.get("http://host/"),
              (response) =>
                how === "text" ? response.text : how === "stream" ? Stream.runDrain(response.stream) : Effect.void
            )

            const fiber = yield* Effect.forkChild(
              Effect.provideService(Effect.ignore(asking), References.MaxOpsBeforeYield, budget),
              { startImmediately: true }
            )
            yield* Fiber.interrupt(fiber)
            for (let i = 0; i < 3; i++) yield* nextTurn

            const [snapshot] = yield* map.snapshots
            if (snapshot === undefined) continue
            const { failures, ignored, inFlight, successes } = snapshot
            assert.deepStrictEqual([inFlight, failures + ignored + successes], [0, 1], `${how}, ${budget}`)
          }
        }
      })
  )
})
