import { assert, describe, it } from "@effect/vitest"
import { Fault, Limit } from "effect-breaker/testing"
import * as Speech from "../../src/testing/Speech.ts"
import * as Timeline from "../../src/testing/Timeline.ts"

const play = (script: ReadonlyArray<Timeline.Phase>, seed = 1) =>
  Timeline.make(Timeline.checkScript("test", script), seed)

const asked = (at: number): Timeline.Asked => ({
  key: undefined,
  model: undefined,
  format: "chat",
  at,
  wallClock: at
})

const fates = (timeline: Timeline.Timeline, at: number, count: number) =>
  Array.from({ length: count }, () => timeline.at(at).next(asked(at)).fault?._tag)

const halfBroken = [{ for: 10, faults: [{ fault: Fault.reset, share: 0.3 }, { fault: Fault.overloaded, share: 0.2 }] }]

describe("Timeline", () => {
  describe("at", () => {
    it("changes phase exactly when the time of the one before is over", () => {
      const timeline = play([{ for: 10, name: "first" }, { for: 5 }, { for: 1, name: "last" }])

      assert.deepStrictEqual(
        [0, 9.999, 10, 14.999, 15, 16, 1e9].map((at) => timeline.at(at).name),
        ["first", "first", "phase 2", "phase 2", "last", "last", "last"]
      )
    })

    it("is healthy for ever without a script", () => {
      assert.strictEqual(play([]).at(1e12).name, "healthy")
      assert.deepStrictEqual(fates(play([]), 0, 3), [undefined, undefined, undefined])
    })
  })

  describe("next", () => {
    it("gives the same fates for the same seed, and others for another", () => {
      const one = fates(play(halfBroken, 7), 0, 200)

      assert.deepStrictEqual(fates(play(halfBroken, 7), 0, 200), one)
      assert.notDeepEqual(fates(play(halfBroken, 8), 0, 200), one)
      assert.notDeepEqual(fates(play(halfBroken, 7 + 2 ** 32), 0, 200), one)
    })

    it("gives each phase fates of its own, whatever was asked in the phases before", () => {
      const script = [...halfBroken, ...halfBroken]
      const busy = play(script)
      fates(busy, 0, 37)
      const idle = play(script)

      assert.deepStrictEqual(fates(busy, 10, 50), fates(idle, 10, 50))
      assert.notDeepEqual(fates(play(script), 0, 50), fates(play(script), 10, 50))
    })

    it("hits each fault as often as its share says", () => {
      const drawn = fates(play(halfBroken), 0, 10_000)
      const count = (tag: string | undefined) => drawn.filter((fate) => fate === tag).length

      assert.approximately(count("Reset"), 3000, 140)
      assert.approximately(count("JsonError"), 2000, 120)
      assert.approximately(count(undefined), 5000, 150)
    })

    it("spares nobody when the shares add up to one, and nothing hits at a share of zero", () => {
      const shares = [0.2, 0.4, 0.3, 0.1].map((share) => ({ fault: Fault.reset, share }))
      const timeline = play([{ for: 1, faults: [{ fault: Fault.overloaded, share: 0 }, ...shares] }])

      assert.deepStrictEqual(
        new Set<string | undefined>(fates(timeline, 0, 5000)),
        new Set<string | undefined>(["Reset"])
      )
    })

    it("takes a fault's own latency before the phase's", () => {
      const timeline = play([{
        for: 1,
        latency: "2 seconds",
        tokens: 3,
        tokenEvery: "10 millis",
        faults: [{ fault: Fault.reset, share: 1, latency: "300 millis" }]
      }])

      const { release, ...draw } = timeline.at(0).next(asked(0))
      release()

      assert.deepStrictEqual(draw, {
        fault: Fault.reset,
        limit: undefined,
        pace: { latency: 300, tokenEvery: 10, keepAlive: undefined },
        given: { tokens: 3 }
      })
      assert.deepStrictEqual(timeline.at(0).choose(undefined).pace, {
        latency: 2000,
        tokenEvery: 10,
        keepAlive: undefined
      })
    })
  })

  describe("keys, models and formats", () => {
    const fault = (faults: ReadonlyArray<Timeline.FaultShare>, meant: Partial<Timeline.Asked>) =>
      play([{ for: 1, faults }]).at(0).next({ ...asked(0), ...meant }).fault

    it("narrow a fault down", () => {
      const faults = [
        {
          fault: Fault.reset,
          share: 1,
          keys: ["sk-a", "sk-b"],
          models: ["big"],
          formats: ["chat", "messages"] as const
        }
      ]
      const meant = { key: "sk-b", model: "big", format: "messages" } as const

      assert.deepStrictEqual(fault(faults, meant), Fault.reset)
      for (const other of [{ key: "sk-c" }, { key: undefined }, { model: undefined }, { format: "models" } as const]) {
        assert.strictEqual(fault(faults, { ...meant, ...other }), undefined)
      }
    })

    it("let shares add up for each kind of request on its own", () => {
      const a = { fault: Fault.reset, share: 1, keys: ["sk-a"] }
      const b = { fault: Fault.overloaded, share: 1, keys: ["sk-b"] }

      assert.deepStrictEqual(fault([a, b], { key: "sk-b" }), Fault.overloaded)
      assert.throws(
        () => play([{ for: 1, faults: [a, { fault: Fault.overloaded, share: 0.5, models: ["big"] }] }]),
        RangeError,
        "the sum of all shares must be at most 1, got 1.5"
      )
    })

    it("shift no fate of other requests", () => {
      const [reset, overloaded] = halfBroken[0]!.faults
      const keys = ["sk-a"]
      const narrow = [{ for: 10, faults: [{ ...reset!, keys }, { ...overloaded!, keys }] }]
      const drawn = (timeline: Timeline.Timeline) =>
        Array.from(
          { length: 100 },
          (_, index) => timeline.at(0).next({ ...asked(0), key: index % 2 === 0 ? "sk-a" : "sk-b" }).fault?._tag
        )

      const every = fates(play(halfBroken), 0, 100)

      assert.deepStrictEqual(drawn(play(narrow)), every.map((fate, index) => index % 2 === 0 ? fate : undefined))
    })
  })

  describe("answers", () => {
    it("are given in turn to requests without a fault, and the last stays", () => {
      const answers = [{ text: "one" }, { text: "two" }]
      const timeline = play([{ for: 1, answers, faults: [{ fault: Fault.reset, share: 1, keys: ["sk-a"] }] }])
      const given = (key?: string) => Speech.say(timeline.at(0).next({ ...asked(0), key }).given, {}).words.join("")

      assert.deepStrictEqual([given("sk-a"), given(), given("sk-a"), given(), given()], [
        "one",
        "one",
        "two",
        "two",
        "two"
      ])
    })

    it("exclude a length, and are never none", () => {
      assert.throws(() => play([{ for: 1, tokens: 3, answers: [{}] }]), RangeError, "tokens must be left out")
      assert.throws(() => play([{ for: 1, answers: [] }]), RangeError, "answers must be a list of at least one answer")
    })
  })

  describe("limits", () => {
    it("come before faults, and the first that refuses gives its own", () => {
      const limits = [
        Limit.concurrency({ atOnce: 1 }),
        Limit.concurrency({ atOnce: 0, fault: Fault.overloaded, models: ["big"] })
      ]
      const timeline = play([{ for: 1, limits, faults: [{ fault: Fault.reset, share: 1 }] }])
      const draw = (model?: string) => {
        const { fault, limit, release } = timeline.at(0).next({ ...asked(0), model })
        return { drawn: [limit, fault?._tag === "JsonError" ? fault.status : fault?._tag], release }
      }

      assert.deepStrictEqual(draw("big").drawn, ["Concurrency", 529])
      const first = draw()
      assert.deepStrictEqual(first.drawn, [undefined, "Reset"])
      assert.deepStrictEqual([draw().drawn, draw("big").drawn], [["Concurrency", 429], ["Concurrency", 429]])
      first.release()
      assert.deepStrictEqual(draw().drawn, [undefined, "Reset"])
    })

    it("begin anew with each phase, and with a health set by hand", () => {
      const limits = [Limit.storm({ below: 1, over: 100 })]
      const timeline = play([{ for: 1_000, limits }, { for: 1_000, limits }])
      const limitAt = (at: number) => timeline.at(at).next(asked(at)).limit

      assert.deepStrictEqual([limitAt(99), limitAt(1_000), limitAt(1_099)], ["Storm", "Storm", "Storm"])
      timeline.setHealth(Timeline.checkHealth("test", { limits: [Limit.storm({ below: 11, over: 100 })] }), 1_200)
      assert.deepStrictEqual([limitAt(1_299), limitAt(1_400)], ["Storm", undefined])
    })
  })

  describe("choose", () => {
    it("uses up no request number", () => {
      const timeline = play(halfBroken)
      const drawn = Array.from({ length: 100 }, () => {
        timeline.at(0).choose(Fault.overloaded)
        return timeline.at(0).next(asked(0)).fault?._tag
      })

      assert.deepStrictEqual(drawn, fates(play(halfBroken), 0, 100))
    })
  })

  describe("setHealth", () => {
    it("holds until the script is followed again, which went on meanwhile", () => {
      const timeline = play([{ for: 10, name: "first" }, { for: 10, name: "second" }])

      timeline.setHealth(Timeline.checkHealth("test", { faults: [{ fault: Fault.reset, share: 1 }] }), 5)
      assert.strictEqual(timeline.at(5).name, "by hand")
      assert.deepStrictEqual(fates(timeline, 5, 1), ["Reset"])
      timeline.setHealth(Timeline.checkHealth("test", { name: "mended" }), 15)
      assert.strictEqual(timeline.at(15).name, "mended")
      timeline.followScript()
      assert.strictEqual(timeline.at(15).name, "second")
    })
  })

  describe("checkScript", () => {
    it("names the phase, the option, the rule and the value of a bad number", () => {
      const reset = (share: number) => ({ fault: Fault.reset, share })
      const bad: ReadonlyArray<readonly [Timeline.Phase, string]> = [
        [{ for: 0 }, "test: script[0]: for must be a duration above zero, got 0"],
        [{ for: Number.NaN }, "test: script[0]: for must be a duration above zero, got NaN"],
        [{ for: 1, latency: -1 }, "test: script[0]: latency must be a finite duration of zero or more, got -1"],
        [
          { for: 1, latency: "Infinity" },
          `test: script[0]: latency must be a finite duration of zero or more, got "Infinity"`
        ],
        [{ for: 1, tokenEvery: -1 }, "test: script[0]: tokenEvery must be a finite duration of zero or more, got -1"],
        [{ for: 1, tokens: 1.5 }, "test: script[0]: tokens must be a whole number from 0 to 1000000, got 1.5"],
        [{ for: 1, faults: [reset(1.5)] }, "test: script[0]: faults[0].share must be a number from 0 to 1, got 1.5"],
        [
          { for: 1, faults: [reset(0.75), reset(0.5)] },
          "test: script[0]: the sum of all shares must be at most 1, got 1.25"
        ]
      ]

      for (const [phase, message] of bad) {
        assert.throws(() => Timeline.checkScript("test", [phase]), RangeError, message)
      }
    })
  })
})
