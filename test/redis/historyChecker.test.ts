/** The checker of histories, before histories that are as they should be, and before each thing that should not be. */
import { assert, describe, it } from "@effect/vitest"
import { type Promised, violations } from "./historyChecker.ts"
import type { Line } from "./journal.ts"

type Said<L = Line> = L extends Line ? Omit<L, "at" | "by"> : never

const promised: Promised = { concurrency: 1, successes: 2, outOf: 2, lease: 1000, longestWait: 100 }

/** Lines one after the other, a millisecond apart; the wall's clock shows the same. */
const history = (...lines: ReadonlyArray<readonly [by: string, line: Said]>): ReadonlyArray<Line> =>
  lines.map(([by, line], i) => Object.assign({ by, at: i }, line))

const up = { what: "up", member: "m", pid: 1, state: "Closed", generation: 0 } as const
const asked = (call: string) => ({ what: "asked", call }) as const
const admitted = (call: string, generation: number, more: Partial<Extract<Line, { what: "admitted" }>> = {}) =>
  ({ what: "admitted", call, generation, shared: true, isSpared: false, epoch: "e", ...more }) as const
const settled = (call: string, outcome: "Success" | "Failure") => ({ what: "settled", call, outcome }) as const
const returned = (call: string, more: Partial<Extract<Line, { what: "returned" }>> = {}) =>
  ({ what: "returned", call, how: "value", ...more }) as const
const began = (call: string, lease: string, wall: number) => ({ what: "began", call, lease, wall }) as const
const ended = (call: string, wall: number) => ({ what: "ended", call, how: "answered", wall }) as const

type Name = "Closed" | "Open" | "Probing" | "Ramping"

const period = (name: Name, generation: number, since: number) => {
  const isHalf = name === "Probing" || name === "Ramping"
  return {
    tag: isHalf ? "HalfOpen" : name,
    stage: isHalf ? name : undefined,
    generation,
    since,
    until: name === "Open" ? since + 100 : undefined,
    rule: name === "Closed" ? undefined : "consecutive"
  } as const
}

const moved = (
  from: Extract<Line, { what: "transition" }>["from"],
  name: Name,
  generation: number,
  more: Partial<Extract<Line, { what: "transition" }>> = {}
): Said => {
  const of = period(name, generation, 10 * generation)
  const { stage, tag: to } = of
  return {
    what: "transition",
    from,
    to,
    stage,
    generation,
    share: undefined,
    shared: true,
    epoch: "e",
    period: of,
    ...more
  }
}

const news = (
  name: Name,
  generation: number,
  count: number,
  more: Partial<Extract<Line, { what: "news" }>> = {}
): Said => ({
  what: "news",
  ...period(name, generation, 10 * generation),
  epoch: "e",
  count,
  member: "m",
  leases: [],
  passed: 0,
  failed: 0,
  asked: 0,
  admitted: 0,
  step: undefined,
  ...more
})

const probe = (call: string, lease: string, from: number): ReadonlyArray<readonly [string, Said]> => [
  ["a", asked(call)],
  ["a", admitted(call, 2, { lease, from })],
  ["provider", began(call, lease, from + 1)],
  ["provider", ended(call, from + 2)],
  ["a", settled(call, "Success")],
  ["a", returned(call)]
]

const laws = (lines: ReadonlyArray<Line>, more: Partial<Promised> = {}) =>
  violations(lines, { ...promised, ...more }).map(({ law, why }) => `${law}: ${why}`)

const whole = history(
  ["a", up],
  ["b", up],
  ["a", asked("1")],
  ["a", admitted("1", 0)],
  ["a", settled("1", "Failure")],
  ["a", returned("1", { how: "error" })],
  ["redis", news("Open", 1, 3)],
  ["a", moved("Closed", "Open", 1)],
  ["b", moved("Closed", "Open", 1)],
  ["b", asked("2")],
  ["b", returned("2", { how: "rejected", reason: "Open", rule: "consecutive", generation: 1 })],
  ["redis", news("Probing", 2, 4, { leases: [["l1", 20]] })],
  ["a", moved("Open", "Probing", 2)],
  ...probe("3", "l1", 20),
  ["redis", news("Probing", 2, 6, { leases: [["l2", 30]] })],
  ...probe("4", "l2", 30),
  ["redis", news("Closed", 3, 8)],
  ["a", moved("HalfOpen", "Closed", 3)],
  ["b", moved("Open", "Closed", 3)],
  ["b", asked("5")],
  ["b", admitted("5", 3)],
  ["b", settled("5", "Success")],
  ["b", returned("5")],
  ["a", { what: "down" }],
  ["b", { what: "down" }]
)

/** The same history with something more in it, or something else. */
const planted = (after: (line: Line) => boolean, ...lines: ReadonlyArray<readonly [string, Said]>) => {
  const i = whole.findIndex(after)
  assert.isAtLeast(i, 0)
  return whole.toSpliced(i + 1, 0, ...lines.map(([by, line], k) => Object.assign({ by, at: i + (k + 1) / 100 }, line)))
}

const isOpened = (by: string) => (line: Line) => line.by === by && line.what === "transition" && line.to === "Open"

describe("historyChecker", () => {
  it("finds nothing in a fleet that keeps its promises", () => {
    assert.deepStrictEqual(laws(whole), [])
  })

  it("finds a call admitted by a process that was told of the opening, but none by one that was not", () => {
    const late = [["b", asked("6")], ["b", admitted("6", 0)], ["b", settled("6", "Success")], [
      "b",
      returned("6")
    ]] as const
    assert.deepStrictEqual(laws(planted(isOpened("a"), ...late)), [])
    assert.deepStrictEqual(laws(planted(isOpened("b"), ...late)), [
      "no call is admitted in an opening by a process that was told of it: admitted 6 of generation 0, in Open of 1"
    ])
  })

  it("finds a call that took no leave while others probed, and one that was admitted in a period long gone", () => {
    const isProbing = (line: Line) => line.by === "a" && line.what === "transition" && line.stage === "Probing"
    const own = (generation: number) =>
      [["a", asked("6")], ["a", admitted("6", generation)], ["a", settled("6", "Success")], [
        "a",
        returned("6")
      ]] as const
    const law = "no call is admitted in an opening by a process that was told of it"
    assert.deepStrictEqual(laws(planted(isProbing, ...own(2))), [
      `${law}: admitted without leave 6 of generation 2, in HalfOpen of 2`
    ])
    assert.deepStrictEqual(laws(planted((line) => line.what === "up" && line.by === "a", ...own(7))), [
      `${law}: admitted in another period 6 of generation 7, in Closed of 0`
    ])
  })

  it("finds two openings of one generation, as two processes saw them and as one did", () => {
    const other = moved("Closed", "Open", 1, { period: { ...period("Open", 1, 10), until: 999 } })
    assert.deepStrictEqual(laws(planted(isOpened("a"), ["c", up], ["c", other], ["c", { what: "down" }])), [
      "there is one opening per generation: c: opening e 1 from 10 to 999 by consecutive, but elsewhere from 10 to 110 by consecutive",
      "there is one opening per generation: b: opening e 1 from 10 to 110 by consecutive, but elsewhere from 10 to 999 by consecutive"
    ])
    assert.include(
      laws(planted(isOpened("a"), ["a", moved("Open", "Open", 1)])),
      "there is one opening per generation: a opened twice in generation 1"
    )
  })

  it("finds a probe before the opening is over", () => {
    const openings = whole.flatMap((line): ReadonlyArray<Line> =>
      line.what === "news" && line.tag === "Open"
        ? [{ ...line, until: 200 }]
        : line.what === "transition" && line.to === "Open"
        ? [{ ...line, period: { ...line.period!, until: 200 } }]
        : [line]
    )
    assert.deepStrictEqual(laws(openings), [
      "nobody probes before the opening is over: 3 came 179 ms before the end of the opening",
      "nobody probes before the opening is over: 4 came 169 ms before the end of the opening"
    ])
  })

  it("finds a process that moves by itself while it shares, but not one that was left alone", () => {
    const alone = moved("Closed", "Open", 1, { period: undefined })
    const others = [["c", up], ["c", alone], ["c", { what: "down" }]] as const
    assert.deepStrictEqual(laws(planted((line) => line.what === "up", ...others)), [
      "a circuit that is shared moves only with the fleet's: c went by itself from Closed to Open, generation 1"
    ])
    const lost = [["c", up], ["c", { what: "lost", why: "gone" }], ["c", { ...alone, shared: false } as Said], ["c", {
      what: "down"
    }]] as const
    assert.deepStrictEqual(laws(planted((line) => line.what === "up", ...lost)), [])
  })

  it("finds a generation that falls, in Redis and in a process, unless that was alone in between", () => {
    const isClosed = (by: string) => (line: Line) =>
      line.by === by && line.what === "transition" && line.to === "Closed"
    assert.deepStrictEqual(laws(planted(isClosed("a"), ["redis", news("Probing", 2, 9)])), [
      "generations only grow: 8: generation 3, then 9: 2"
    ])
    assert.deepStrictEqual(laws(planted(isClosed("a"), ["redis", news("Closed", 3, 8)])), [
      "generations only grow: 8: generation 3, then 8: 3"
    ])
    const falls = moved("Closed", "Probing", 2)
    assert.deepStrictEqual(laws(planted(isClosed("a"), ["a", falls])), [
      "generations only grow: a: generation 3, then 2"
    ])
    const lost = [["a", { what: "lost", why: "gone" }], ["a", { what: "found" }], ["a", falls]] as const
    assert.deepStrictEqual(laws(planted(isClosed("a"), ...lost)), [])
  })

  it("finds a state that is left as the machine never leaves it", () => {
    const lines = history(["a", up], ["redis", news("Open", 1, 1)], ["redis", news("Closed", 2, 2)], ["a", {
      what: "down"
    }])
    assert.deepStrictEqual(laws(lines), [
      "a state is left only as the machine leaves it: redis went from Open to Closed"
    ])
    const own = history(["a", up], ["a", moved("Closed", "Open", 1)], ["a", moved("Open", "Closed", 2)], ["a", {
      what: "down"
    }])
    assert.deepStrictEqual(laws(own), ["a state is left only as the machine leaves it: a went from Open to Closed"])
    const ordered = history(...own.map((line): [string, Line] => [line.by, line]), ["a", {
      what: "commanded",
      command: "Reset"
    }])
    assert.deepStrictEqual(laws(ordered), [])
  })

  it("finds probes over the limit: written down, or running at the provider within their lease", () => {
    const both: ReadonlyArray<readonly [string, Said]> = [
      ["a", up],
      ["a", moved("Closed", "Probing", 2)],
      ["a", asked("1")],
      ["a", asked("2")],
      ["a", admitted("1", 2, { lease: "l1", from: 0 })],
      ["a", admitted("2", 2, { lease: "l2", from: 900 })],
      ["provider", began("1", "l1", 1)],
      ["provider", began("2", "l2", 950)],
      ["provider", ended("1", 1100)],
      ["provider", ended("2", 1100)],
      ["a", settled("1", "Success")],
      ["a", settled("2", "Success")],
      ["a", returned("1")],
      ["a", returned("2")],
      ["a", { what: "down" }]
    ]
    const law = "no more probes run at once than may"
    assert.deepStrictEqual(laws(history(...both)), [`${law}: 2 probes run: 1, 2`])
    assert.deepStrictEqual(laws(history(...both), { concurrency: 2 }), [])
    assert.deepStrictEqual(laws(history(...both), { lease: 940 }), [])
    // A busy provider reads of it only after its caller has given it up, and has said when.
    const [first, second, ...rest] = both.filter(([by]) => by === "provider")
    const late = [...both.slice(0, 6), rest[0]!, first!, second!, ...both.slice(9)]
    assert.deepStrictEqual(laws(history(...late)), [])
    assert.deepStrictEqual(
      laws(planted((line) => line.what === "news" && line.count === 4, [
        "redis",
        news("Probing", 2, 5, { leases: [["l1", 1], ["l2", 2]] })
      ])),
      [`${law}: 2 leases were given`]
    )
    const twice = history(
      ...both.map(([by, line]): [string, Said] =>
        line.what === "admitted" && line.call === "2" ? [by, { ...line, lease: "l1" }] : [by, line]
      )
    )
    assert.include(laws(twice, { concurrency: 2 }), `${law}: 1 and 2 have the same leave, l1`)
  })

  it("finds a circuit that passed or failed without the probes that it takes", () => {
    const law = "probes decide, each within its lease"
    const failed = whole.map((line): Line =>
      line.what === "settled" && line.call === "4" ? { ...line, outcome: "Failure" } : line
    )
    assert.deepStrictEqual(laws(failed), [`${law}: generation 2 passed with 1 of 2 probes`])
    const late = whole.map((line): Line =>
      line.what === "settled" && line.call === "4" ? { ...line, at: line.at + 1200 } : line
    )
    assert.deepStrictEqual(laws(late), [`${law}: generation 2 passed with 1 of 2 probes`])
    const opened = whole.flatMap((line): ReadonlyArray<Line> =>
      line.what === "news" && line.count === 8
        ? [{ ...line, ...period("Open", 3, 30), rule: "probes" }]
        : line.what === "transition" && line.generation === 3
        ? [{ ...line, to: "Open", period: { ...period("Open", 3, 30), rule: "probes" } }]
        : line.what !== "up" && "call" in line && line.call === "5"
        ? []
        : [line]
    )
    assert.deepStrictEqual(laws(opened), [`${law}: generation 2 failed with 0 of 1 probes`])
    // Leave that reached nobody is a failed probe once its lease is over, and not before.
    const unclaimed = (from: number) =>
      opened.flatMap((line): ReadonlyArray<Line> =>
        line.what === "news" && line.count === 6 ? [line, { ...line, count: 7, leases: [["l3", from]] }] : [line]
      )
    assert.deepStrictEqual(laws(unclaimed(30 - 901)), [])
    assert.deepStrictEqual(laws(unclaimed(30 - 900)), [`${law}: generation 2 failed with 0 of 1 probes`])
    // Whoever begins a history in the midst of a period brings along the probes that it made alone.
    const anew = (failed: number) =>
      opened.map((line): Line =>
        line.what === "news" && line.generation > 1 ? Object.assign({}, line, { epoch: "f", failed }) : line
      )
    assert.deepStrictEqual(laws(anew(1)), [])
    assert.deepStrictEqual(laws(anew(0)), [`${law}: generation 2 failed with 0 of 1 probes`])
  })

  it("finds a ramp that admits more or less than its share", () => {
    const ramp = (admits: number, refuses: number, late = 0) =>
      history(
        ["a", up],
        ["redis", news("Ramping", 3, 1)],
        ["a", moved("Closed", "Ramping", 3)],
        ...Array.from({ length: admits }, (_, i): ReadonlyArray<readonly [string, Said]> => [
          ["a", asked(`${i}`)],
          ["a", admitted(`${i}`, 3, { step: 0 })],
          ["a", settled(`${i}`, "Success")],
          ["a", returned(`${i}`)]
        ]).flat(),
        ...Array.from({ length: refuses }, (_, i): ReadonlyArray<readonly [string, Said]> => [
          ["a", asked(`r${i}`)],
          [
            "a",
            returned(`r${i}`, { how: "rejected", reason: "HalfOpen", rule: "probes", generation: 3, isLate: i < late })
          ]
        ]).flat(),
        ["a", { what: "down" }]
      )
    assert.deepStrictEqual(laws(ramp(10, 30), { share: 0.25 }), [])
    assert.deepStrictEqual(laws(ramp(11, 29), { share: 0.25 }), [])
    const law = "a ramp admits its share of the fleet's calls"
    assert.deepStrictEqual(laws(ramp(12, 28), { share: 0.25 }), [`${law}: generation 3: 12 of 40, where 0.25 may`])
    assert.deepStrictEqual(laws(ramp(9, 31), { share: 0.25 }), [`${law}: generation 3: 9 of 40, where 0.25 may`])
    assert.deepStrictEqual(laws(ramp(9, 31, 1), { share: 0.25 }), [])
  })

  it("finds a call that never ended, unless its process was killed", () => {
    const isFirst = (line: Line) => line.what === "admitted" && line.call === "1"
    const lines = planted(isFirst, ["a", asked("6")], ["a", admitted("6", 0)])
    const law = "every call comes to an end, or its process did"
    assert.deepStrictEqual(laws(lines), [`${law}: 6 never returned`, `${law}: 6 was never settled`])
    const killed = planted(isFirst, ["a", asked("6")], ["a", admitted("6", 0)], ["test", {
      what: "did",
      deed: "SIGKILL",
      to: "a"
    }])
    assert.deepStrictEqual(laws(killed), [])
  })

  it("finds a call that failed for want of Redis, and one that waited for it, but not one whose process was stopped", () => {
    const law = "no call fails or waits because of Redis"
    const isFirst = (line: Line) => line.what === "admitted" && line.call === "1"
    const end = (more: Partial<Extract<Line, { what: "returned" }>>) =>
      laws(planted(isFirst, ["a", asked("6")], ["a", returned("6", more)]))
    assert.deepStrictEqual(end({ how: "broken", why: "ECONNRESET" }), [`${law}: 6: ECONNRESET`])
    assert.deepStrictEqual(end({ how: "rejected", reason: "Open", rule: "store" }), [
      `${law}: 6 was refused for want of Redis`
    ])
    const slow = (deeds: ReadonlyArray<readonly [number, string]>) =>
      laws([
        ...history(["a", up], ["a", asked("1")]),
        ...deeds.map(([at, deed]): Line => ({ by: "test", at, what: "did", deed, to: "a" })),
        { by: "a", at: 500, ...returned("1") },
        { by: "a", at: 501, what: "down" }
      ])
    assert.deepStrictEqual(slow([]), [`${law}: 1 waited 499 ms`])
    assert.deepStrictEqual(slow([[100, "SIGSTOP"], [450, "SIGCONT"]]), [`${law}: 1 waited 149 ms`])
    assert.deepStrictEqual(slow([[50, "SIGSTOP"], [460, "SIGCONT"]]), [])
  })
})
