import { assert, describe, it } from "@effect/vitest"
import { chatCompletions } from "../../src/testing/ChatCompletions.ts"

const identity = { id: "1", createdAt: 7, model: "own", models: ["own"] }
const words = [`"quoted"`, "\n", "\\", " 😵"]

const bodyOf = (request: Readonly<Record<string, unknown>>) => {
  const read = chatCompletions.read(JSON.stringify({ messages: [{}], ...request }), identity)
  return read._tag === "Accepted"
    ? read.body({ words, toolCalls: [], ending: "stop", usage: {} })
    : assert.fail(read.error.message)
}

describe("ChatCompletions", () => {
  it("writes a plain answer in pieces that make one JSON document, whatever the words", () => {
    const { closing, opening, tokens } = bodyOf({ model: `a "model"` })

    const { choices, model } = JSON.parse(opening + tokens.join("") + closing)

    assert.strictEqual(model, `a "model"`)
    assert.strictEqual(choices[0].message.content, words.join(""))
  })

  it("writes a stream with one event per word, whatever the words", () => {
    const { tokens } = bodyOf({ stream: true })

    const contents = tokens.map((event) => JSON.parse(event.slice("data: ".length)).choices[0].delta.content)

    assert.deepStrictEqual(contents, words)
  })

  it("takes a stream of null for none", () => {
    assert.include(bodyOf({ stream: null }).closing, `"finish_reason":"stop"`)
    assert.notInclude(bodyOf({ stream: null }).closing, "[DONE]")
  })
})
