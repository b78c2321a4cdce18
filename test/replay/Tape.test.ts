import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "effect-breaker"
import { CallRecord } from "effect-breaker/replay"
import { Tape } from "../../src/replay/Tape.ts"
import { told } from "./reading.ts"

const outcomes = [Outcome.success, Outcome.failure({ kind: "timeout" }), CallRecord.refused]

const call = (i: number): CallRecord.CallRecord => ({
  at: 10 * i,
  took: i % 7,
  outcome: outcomes[i % 3]!,
  circuit: `circuit ${i % 2}`,
  ...(i % 5 === 0 && { firstContent: 0 })
})

const played = (tape: Tape, from = 0, until = Infinity) => {
  const calls: Array<CallRecord.CallRecord> = []
  tape.play(from, until, (record) => calls.push(record))
  return calls
}

describe("a tape", () => {
  it("plays the calls that were put on it, as often as it is asked to", () => {
    const calls = Array.from({ length: 100 }, (_, i) => call(i))
    const tape = new Tape()
    calls.forEach((one) => tape.add(one))

    for (const again of [played(tape), played(tape)]) {
      assert.deepStrictEqual(again.map(told), calls.map(told))
      assert.deepStrictEqual(again.map(({ outcome }) => outcome), calls.map(({ outcome }) => outcome))
    }
    assert.deepStrictEqual(played(tape, 98).map(({ at }) => at), [980, 990])
    assert.deepStrictEqual(played(tape, 1, 3).map(({ at }) => at), [10, 20])
  })

  it("has room for more than one reel", () => {
    const tape = new Tape()
    for (let i = 0; i < 65_540; i++) tape.add(call(i))
    assert.strictEqual(tape.length, 65_540)
    assert.deepStrictEqual(
      played(tape, 65_534, 65_538).map(told),
      [65_534, 65_535, 65_536, 65_537].map((i) => told(call(i)))
    )
  })

  it("leaves out what comes before the one before it in time", () => {
    const tape = new Tape()
    for (const i of [0, 5, 4, 5, 6]) tape.add(call(i))
    assert.deepStrictEqual(played(tape).map(({ at }) => at), [0, 50, 50, 60])
  })
})
