import { assert, describe, it } from "@effect/vitest"
import { divide } from "../../src/replay/TuneParts.ts"

const MINUTE = 60_000

/** Incidents of a minute that begin at those minutes of a log of 300. */
const at = (...minutes: ReadonlyArray<number>) =>
  minutes.map((minute) => ({ circuit: "a", start: minute * MINUTE, end: (minute + 1) * MINUTE }))

const divided = (...minutes: ReadonlyArray<number>) => divide(at(...minutes), 0, 300 * MINUTE)
const parts = (...minutes: ReadonlyArray<number>) => {
  const { division, stretches } = divided(...minutes)
  return [division, stretches.map(({ part }) => part[0]).join("")]
}

describe("a log is divided", () => {
  it("at two thirds of its time where both sides have two troubles", () => {
    assert.deepStrictEqual(parts(10, 100, 200, 250), ["last third", "sshh"])
    assert.deepStrictEqual(parts(10, 100, 199, 250), ["every other trouble", "shsh"])
    assert.deepStrictEqual(parts(10, 210, 220, 250), ["every other trouble", "shsh"])
  })

  it("not at all where it has fewer than four troubles", () => {
    assert.deepStrictEqual(parts(10, 100, 150), ["none", "sss"])
    assert.deepStrictEqual(parts(10), ["none", "s"])
    assert.match(divided(10).why, /with 1 trouble in the log/)
  })

  it("in the last quarter of each calm, and from end to end", () => {
    const { stretches } = divided(10, 51, 200)
    assert.deepStrictEqual(stretches.map(({ from, until }) => [from / MINUTE, until / MINUTE]), [
      [-Infinity, 41],
      [41, 163],
      [163, Infinity]
    ])
  })

  it("so that incidents of up to five minutes apart, or at the same time, are one trouble", () => {
    assert.strictEqual(divided(10, 16).stretches.length, 1)
    assert.strictEqual(divided(10, 16.001).stretches.length, 2)
    const [long, short] = [{ circuit: "a", start: 0, end: 100 * MINUTE }, {
      circuit: "b",
      start: MINUTE,
      end: 2 * MINUTE
    }]
    assert.strictEqual(divide([short, long, ...at(104)], 0, 300 * MINUTE).stretches.length, 1)
  })

  it("with an incident that has no end to the end of the log", () => {
    const [open] = at(10).map(({ circuit, start }) => ({ circuit, start }))
    assert.strictEqual(divide([open!, ...at(200)], 0, 300 * MINUTE).stretches.length, 1)
  })
})
