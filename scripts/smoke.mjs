// Takes the built library through one life of a circuit, as a program that depends on it would. Plain JavaScript, so
// that any Node runs it.
import { Effect, Stream } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { LlmBreaker, LlmOutcome, LlmStream, PartReader } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import assert from "node:assert/strict"

const program = Effect.gen(function*() {
  const breaker = yield* Breaker.make({
    name: "smoke",
    tripPolicy: TripPolicy.consecutive(2),
    openDuration: "1 second"
  })
  const stateIs = (expected) => Effect.map(breaker.state, (state) => assert.equal(state._tag ?? state, expected))
  const works = breaker.execute(Effect.succeed("answer"))
  const fails = breaker.execute(Effect.fail("overloaded"))

  assert.equal(yield* works, "answer")
  assert.equal(yield* Effect.flip(fails), "overloaded")
  yield* stateIs("Closed")
  assert.equal(yield* Effect.flip(fails), "overloaded")
  yield* stateIs("Open")

  let ran = false
  const refused = yield* Effect.flip(breaker.execute(Effect.sync(() => (ran = true))))
  assert.equal(ran, false)
  assert.equal(refused._tag, "CircuitRejected")
  assert.equal(refused.circuit, "smoke")
  assert.equal(refused.reason, "Open")

  yield* Effect.sleep("1100 millis")
  yield* stateIs("Open")
  assert.equal(yield* works, "answer")
  yield* stateIs("HalfOpen")
  assert.equal(yield* works, "answer")
  assert.equal(yield* works, "answer")
  yield* stateIs("Closed")
})

// And through an error inside a 200 over a real socket, seen by the circuit of its model.
const streamed = Effect.gen(function*() {
  const provider = yield* FakeProvider.make({
    script: [{ for: "1 hour", faults: [{ fault: Fault.cutAfter({ tokens: 2 }), share: 1 }] }]
  })
  const llm = yield* LlmBreaker.make()
  const body = JSON.stringify({ model: "any", stream: true, messages: [{ role: "user", content: "Hello?" }] })
  const events = LlmStream.fromClient(async () => {
    const response = await fetch(`${provider.baseUrl}/chat/completions`, { method: "POST", body })
    const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: {"))
    return (async function*() {
      for (const line of lines) yield JSON.parse(line.slice(6))
    })()
  })
  const guarded = LlmStream.guardWith(events, llm.admit({ provider: "fake", model: "any" }), {
    reader: PartReader.openAiChat
  })
  const broken = yield* Effect.flip(Stream.runDrain(guarded))
  assert.equal(broken._tag, "StreamBroken")
  assert.equal(broken.kind, "truncated")
  const snapshots = yield* llm.snapshots
  assert.equal(snapshots.find(({ name }) => name === "fake/any").failures, 1)
  assert.ok(snapshots.every(({ inFlight }) => inFlight === 0))
  assert.equal(LlmOutcome.fromHttp({ status: 529 }).kind, "overloaded")
})

await Effect.runPromise(Effect.scoped(program))
await Effect.runPromise(Effect.scoped(streamed))
console.log(`smoke test passed on Node ${process.versions.node}`)
