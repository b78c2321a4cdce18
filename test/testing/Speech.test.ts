import { assert, describe, it } from "@effect/vitest"
import * as Speech from "../../src/testing/Speech.ts"

describe("Speech", () => {
  describe("split", () => {
    it("makes one word of each, with the space before it, and loses nothing", () => {
      const texts = ["", " ", "one", "one two", "  one\n two  ", "😵 \u00a0x", `{"a": [1, 2]}\n`]

      for (const text of texts) assert.strictEqual(Speech.split(text).join(""), text)
      assert.deepStrictEqual(Speech.split("one two  three "), ["one", " two", "  three "])
    })
  })

  describe("say", () => {
    it("makes up so many words, or nothing", () => {
      assert.deepStrictEqual(Speech.say({ tokens: 2 }, {}).words, ["This", " answer"])
      assert.strictEqual(Speech.say({ tokens: 20 }, {}).words.length, 20)
      assert.strictEqual(Speech.length(Speech.say({ tokens: 0 }, { schema: {} })), 0)
    })

    it("gives what the request insists on, a tool before a schema", () => {
      const schema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] }
      const tool = { name: "look", schema }

      const [call] = Speech.say({ tokens: 8 }, { tool, schema }).toolCalls
      assert.deepStrictEqual([call!.name, call!.words.join("")], ["look", `{"a":0}`])
      assert.strictEqual(Speech.say({ tokens: 8 }, { schema }).words.join(""), `{"a":0}`)
    })

    it("gives a scripted answer whatever the request insists on", () => {
      const { toolCalls, usage, words } = Speech.say(
        { text: "So be it", toolCalls: [{ name: "go" }], usage: { input: 1 } },
        { schema: { type: "integer" } }
      )

      assert.deepStrictEqual(words, ["So", " be", " it"])
      assert.deepStrictEqual(toolCalls, [{ name: "go", id: undefined, words: ["{}"] }])
      assert.deepStrictEqual(usage, { input: 1 })
    })
  })

  describe("upTo", () => {
    const speech = Speech.say(
      { text: "a b", toolCalls: [{ name: "x", arguments: { long: "enough" } }, { name: "y" }] },
      {}
    )

    it("counts tokens through the text and all tool calls", () => {
      const lengths = (count: number) => {
        const { toolCalls, words } = Speech.upTo(speech, count)
        return [words.length, ...toolCalls.map((call) => call.words.length)]
      }

      assert.deepStrictEqual([0, 1, 2, 3, 4, 5, 6, Infinity].map(lengths), [
        [0],
        [1],
        [2],
        [2, 1],
        [2, 2],
        [2, 3],
        [2, 3, 1],
        [2, 3, 1]
      ])
    })
  })

  describe("check", () => {
    it("names what is wrong", () => {
      const bad: ReadonlyArray<readonly [unknown, string]> = [
        [1, "here: answers[0] must be an object, got 1"],
        [{ text: 1 }, "here: answers[0].text must be a text, got 1"],
        [{ toolCalls: {} }, "here: answers[0].toolCalls must be a list, got {}"],
        [{ toolCalls: [{}] }, "here: answers[0].toolCalls[0].name must be a text, got undefined"],
        [
          { toolCalls: [{ name: "x", arguments: [] }] },
          "here: answers[0].toolCalls[0].arguments must be an object, got []"
        ],
        [{ usage: { input: -1 } }, "here: answers[0].usage.input must be a whole number of at least 0, got -1"]
      ]

      for (const [answer, message] of bad) {
        assert.throws(() => Speech.check("here", "answers[0]", answer), RangeError, message)
      }
    })
  })
})
