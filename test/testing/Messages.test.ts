import { assert, describe, it } from "@effect/vitest"
import { messages } from "../../src/testing/Messages.ts"
import type * as Speech from "../../src/testing/Speech.ts"
import { at, eventsOf } from "./asking.ts"

const identity = { id: "1", createdAt: 7, model: "own", models: ["own"] }
const speech: Speech.Speech = {
  words: [`"quoted"`, "\n", "\\", " 😵", "<0>"],
  toolCalls: [{ name: "look", id: "toolu_own", words: [`{"a":`, `"<1>"}`] }, {
    name: "go",
    id: undefined,
    words: ["{}"]
  }],
  ending: "stop",
  usage: {}
}

const bodyOf = (request: Readonly<Record<string, unknown>>, said = speech) => {
  const read = messages.read(JSON.stringify({ messages: [{}], ...request }), identity)
  return read._tag === "Accepted" ? read.body(said) : assert.fail(read.error.message)
}

describe("Messages", () => {
  it("writes a plain answer in pieces that make one JSON document, with the input of a tool as an object", () => {
    const { closing, opening, tokens } = bodyOf({ model: `a "<0>"` })

    const { content, model, stop_reason } = JSON.parse(opening + tokens.join("") + closing)

    assert.strictEqual(tokens.length, 8)
    assert.deepStrictEqual([model, stop_reason], [`a "<0>"`, "tool_use"])
    assert.deepStrictEqual(content, [
      { type: "text", text: speech.words.join("") },
      { type: "tool_use", id: "toolu_own", name: "look", input: { a: "<1>" } },
      { type: "tool_use", id: "toolu_1_1", name: "go", input: {} }
    ])
  })

  it("writes a stream in which every block is opened, filled and closed in turn", () => {
    const { closing, opening, tokens } = bodyOf({ stream: true })

    const events = eventsOf(opening + tokens.join("") + closing)

    assert.deepStrictEqual(
      events.map(({ data, event }) => [event, at(data, "index")]),
      [
        ["message_start", undefined],
        ["ping", undefined],
        ["content_block_start", 0],
        ...Array.from({ length: 5 }, () => ["content_block_delta", 0]),
        ["content_block_stop", 0],
        ["content_block_start", 1],
        ["content_block_delta", 1],
        ["content_block_delta", 1],
        ["content_block_stop", 1],
        ["content_block_start", 2],
        ["content_block_delta", 2],
        ["content_block_stop", 2],
        ["message_delta", undefined],
        ["message_stop", undefined]
      ]
    )
    assert.deepStrictEqual(events.map(({ data }) => at(data, "type")), events.map(({ event }) => event))
  })

  it("counts its tokens where the script does not", () => {
    const outputOf = (usage: Speech.Usage) => {
      const { closing } = bodyOf({ stream: true }, { ...speech, usage })
      return at(eventsOf(closing).at(-2)!.data, "usage", "output_tokens")
    }

    assert.deepStrictEqual([outputOf({}), outputOf({ output: 3 })], [8, 3])
  })

  it("refuses a body that it cannot understand", () => {
    const read = (body: string) => messages.read(body, identity)

    for (const body of ["", "{", "null", "[]", "{}", `{"messages":[]}`, `{"messages":[{}],"stream":1}`]) {
      assert.strictEqual(read(body)._tag, "Refused", body)
    }
    assert.strictEqual(read(`{"messages":[{}],"model":1}`)._tag, "Refused")
    assert.strictEqual(read(`{"messages":[{}],"stream":null}`)._tag, "Accepted")
  })
})
