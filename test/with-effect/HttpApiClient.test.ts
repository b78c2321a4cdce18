/** A breaker around the methods of an `HttpApiClient`, against a provider that fails in every way over real HTTP. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schema } from "effect"
import { Breaker, CircuitRejected, Outcome, TripPolicy } from "effect-breaker"
import { FakeProvider, Fault, OpenAiFault } from "effect-breaker/testing"
import { FetchHttpClient } from "effect/http"
import { HttpApi, HttpApiClient, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

// Whatever a 400 says, it is the caller's.
const Mistake = Schema.Struct({ error: Schema.Unknown })

const Api = HttpApi.make("OpenAi").add(
  HttpApiGroup.make("chat").add(
    HttpApiEndpoint.post("ask", "/v1/chat/completions", {
      payload: Schema.Struct({
        messages: Schema.Array(Schema.Struct({ role: Schema.String, content: Schema.String }))
      }),
      success: Schema.Struct({
        choices: Schema.Array(Schema.Struct({ message: Schema.Struct({ content: Schema.String }) }))
      }),
      error: Mistake.pipe(HttpApiSchema.status(400))
    })
  )
)

const classify = (exit: Exit.Exit<unknown, unknown>): Outcome.Outcome => {
  if (Exit.isSuccess(exit)) return Outcome.success
  return Schema.is(Mistake)(Cause.squash(exit.cause)) ? Outcome.ignored : Outcome.failure()
}

const make = (fault?: Fault.Fault) =>
  Effect.gen(function*() {
    const provider = yield* FakeProvider.make()
    if (fault !== undefined) yield* provider.setHealth({ faults: [{ fault, share: 1 }] })
    const breaker = yield* Breaker.make({ name: "openai", classify, tripPolicy: TripPolicy.consecutive(1) })
    const client = yield* HttpApiClient.make(Api, { baseUrl: provider.url })
    const ask = client.chat.ask({ payload: { messages: [{ role: "user", content: "How are you?" }] } })
    return { ask: breaker.execute(ask), breaker, provider }
  })

describe("a breaker around a method of an HttpApiClient", () => {
  it.live("counts an answer that was read to its end", () =>
    Effect.gen(function*() {
      const { ask, breaker } = yield* make()
      const { choices: [choice] } = yield* ask

      assert.strictEqual(choice?.message.content, "This answer comes from a healthy fake provider")
      assert.strictEqual((yield* breaker.snapshot).successes, 1)
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.live.each<[string, Fault.Fault]>([
    ["a status that the API does not declare", Fault.overloaded],
    ["a page of HTML", Fault.badGateway],
    ["a connection that is reset", Fault.reset],
    ["a body that is cut off after good headers", Fault.cutAfter({ tokens: 3 })],
    ["an answer that says nothing", Fault.emptyBody],
    ["an error inside a 200", Fault.errorBody()]
  ])("opens for %s", ([_, fault]) =>
    Effect.gen(function*() {
      const { ask, breaker, provider } = yield* make(fault)
      yield* Effect.flip(ask)

      assert.strictEqual((yield* breaker.state)._tag, "Open")
      assert.instanceOf(yield* Effect.flip(ask), CircuitRejected)
      assert.strictEqual((yield* provider.journal).length, 1)
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.live("lets an error pass that the API declares: the caller's", () =>
    Effect.gen(function*() {
      const { ask, breaker } = yield* make(OpenAiFault.invalidRequest)
      const error = yield* Effect.flip(ask)

      assert.isTrue(Schema.is(Mistake)(error))
      const { ignored, state } = yield* breaker.snapshot
      assert.deepStrictEqual([ignored, state], [1, "Closed"])
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.live("leaves the provider when its caller leaves, and counts nothing", () =>
    Effect.gen(function*() {
      const { ask, breaker, provider } = yield* make(Fault.hangBeforeHeaders)
      const caller = yield* Effect.forkChild(ask)
      yield* provider.awaitJournal(([entry]) => entry?.fault === "HangBeforeHeaders")
      yield* Fiber.interrupt(caller)

      const [entry] = yield* provider.awaitJournal(([entry]) => entry?.end !== "running")
      assert.strictEqual(entry?.end, "client-closed")
      const { failures, ignored, inFlight } = yield* breaker.snapshot
      assert.deepStrictEqual([inFlight, ignored, failures], [0, 1, 0])
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})
