import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Agenda } from "../../src/replay/Agenda.ts"

describe("Agenda", () => {
  it("gives the earliest first, and what is due at the same moment in the order of entry", () => {
    fc.assert(fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 200 }), (times) => {
      const agenda = new Agenda()
      const got: Array<readonly [number, number]> = []
      times.forEach((at, i) => agenda.add(at, { due: (now, version) => got.push([now, version]) }, i))

      while (agenda.step());

      const expected = times.map((at, i) => [at, i] as const).toSorted(([a, i], [b, j]) => a - b || i - j)
      expect(got).toEqual(expected)
      expect(agenda.size).toBe(0)
    }))
  })

  it("never goes back: what is entered for the past is due at once", () => {
    const agenda = new Agenda()
    const seen: Array<number> = []
    agenda.add(10, {
      due: () => agenda.add(5, { due: (now) => seen.push(now) })
    })

    while (agenda.step()) seen.push(agenda.now)

    expect(seen).toEqual([10, 10, 10])
  })

  it("says when the next is due, and that nothing is", () => {
    const agenda = new Agenda()
    expect(agenda.next).toBe(Infinity)
    expect(agenda.step()).toBe(false)
    agenda.add(3, { due: () => {} })
    expect(agenda.next).toBe(3)
  })
})
