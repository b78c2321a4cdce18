// Takes the built library through one life of a circuit, as a program that depends on it would. Plain JavaScript, so
// that any Node runs it.
import { Effect } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
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

await Effect.runPromise(Effect.scoped(program))
console.log(`smoke test passed on Node ${process.versions.node}`)
