import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Outcome } from "../../src/index.ts"
import { Call } from "../../src/replay/LogCall.ts"
import { Queue } from "../../src/replay/LogQueue.ts"

const anyCall = fc.tuple(
  fc.double({ min: 0, max: 8e15, noNaN: true }),
  fc.nat(),
  fc.constantFrom(Outcome.success, Outcome.failure()),
  fc.constantFrom("a", "b"),
  fc.option(fc.nat(), { nil: undefined }),
  fc.option(fc.nat(), { nil: undefined }),
  fc.oneof(fc.string(), fc.nat())
).map(([at, took, outcome, circuit, firstContent, tokens, id]) =>
  Object.assign(new Call(at, took, outcome, circuit, firstContent, tokens, tokens), { id, line: took })
)

describe("a queue", () => {
  it("gives back what it was given, first come first gone, however much waits", () => {
    // Few are taken at first, so that it grows past its first size more than once; and all of it goes round and round.
    const anyTurns = fc.array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: 900 })), {
      maxLength: 12
    })
    fc.assert(
      fc.property(fc.array(anyCall, { minLength: 1, maxLength: 20 }), anyTurns, (calls, turns) => {
        const queue = new Queue()
        const waiting: Array<Call> = []
        let next = 0
        for (const [puts, takes] of turns) {
          for (let i = 0; i < puts; i++) {
            const call = calls[next++ % calls.length]!
            queue.add(call)
            waiting.push(call)
          }
          assert.strictEqual(queue.lastAt, waiting.at(-1)?.at ?? -Infinity)
          for (const call of waiting.splice(0, takes)) {
            assert.deepStrictEqual([queue.firstAt, queue.firstLine], [call.at, call.line])
            assert.deepStrictEqual(queue.take(), call)
          }
          assert.strictEqual(queue.length, waiting.length)
          assert.strictEqual(queue.firstAt, waiting[0]?.at ?? Infinity)
        }
      }),
      { numRuns: 30 }
    )
  })
})
