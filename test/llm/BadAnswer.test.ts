import { assert, describe, it } from "@effect/vitest"
import * as BadAnswer from "../../src/llm/BadAnswer.ts"

const chat = (message: object, finish_reason: string | null = "stop") => ({ choices: [{ message, finish_reason }] })
const anthropic = (content: ReadonlyArray<unknown>, stop_reason = "end_turn") => ({
  type: "message",
  content,
  stop_reason
})
const gemini = (parts: ReadonlyArray<unknown> | undefined, finishReason = "STOP") => ({
  candidates: [{ content: { parts }, finishReason }]
})
const responses = (output: ReadonlyArray<unknown>, status = "completed") => ({ object: "response", output, status })
const effect = (content: ReadonlyArray<unknown>, reason = "stop") => ({
  content: [...content, { type: "finish", reason }]
})
const aiSdk = (content: ReadonlyArray<unknown>, finishReason = "stop") => ({ steps: [{ content, finishReason }] })

const text = { type: "text", text: "Hello" }
const blank = { type: "text", text: " \n" }
const thought = { type: "thinking", thinking: "Let me see" }
const call = { type: "tool_use", id: "1", name: "search", input: {} }

const bad: Record<string, unknown> = {
  "a chat completion without content": chat({ content: null }),
  "a chat completion of blanks": chat({ content: " " }),
  "a chat completion with tool_calls for its reason, and none": chat({ content: null, tool_calls: [] }, "tool_calls"),
  "a message without content": anthropic([]),
  "a message that only thinks": anthropic([thought, blank]),
  "a candidate without parts": gemini(undefined),
  "a candidate of blanks": gemini([{ text: "" }]),
  "a candidate with a malformed call": gemini([text], "MALFORMED_FUNCTION_CALL"),
  "a response without output": responses([]),
  "a response whose message is blank": responses([
    { type: "reasoning", summary: [] },
    { type: "message", content: [{ type: "output_text", text: "" }] }
  ]),
  "parts of Effect without a word": effect([{ type: "reasoning", text: "Let me see" }, blank]),
  "a last step of the AI SDK without a word": aiSdk([])
}

const fine: Record<string, unknown> = {
  "a chat completion with content": chat({ content: "Hello" }),
  "a chat completion with a call": chat({ content: null, tool_calls: [{ id: "1" }] }, "tool_calls"),
  "a refusal": chat({ content: null, refusal: "I cannot help with that" }),
  "speech": chat({ content: null, audio: { data: "" } }),
  "an answer that ran out of tokens": chat({ content: "" }, "length"),
  "an answer that a filter stopped": chat({ content: "" }, "content_filter"),
  "an answer without a reason": chat({ content: "" }, null),
  "a message with text": anthropic([thought, text]),
  "a message with a call": anthropic([call], "tool_use"),
  "a candidate with text": gemini([{ text: "Hello" }]),
  "a candidate with a call": gemini([{ functionCall: { name: "search" } }]),
  "a response with text": responses([{ type: "message", content: [{ type: "output_text", text: "Hello" }] }]),
  "a response with a call": responses([{ type: "function_call", name: "search" }]),
  "a response that is not complete": responses([], "incomplete"),
  "parts of Effect with text": effect([text]),
  "parts of Effect with a file": effect([{ type: "file", data: "" }]),
  "a last step of the AI SDK with text": aiSdk([text]),
  "something else": { answer: "" },
  "an empty text": "",
  "nothing": undefined,
  "null": null,
  "a number": 42,
  "choices of nothing": { choices: [] },
  "choices of nulls": { choices: [null] }
}

describe("BadAnswer", () => {
  for (const [what, answer] of Object.entries(bad)) {
    it(`is bad: ${what}`, () => assert.isTrue(BadAnswer.isBad(answer)))
  }
  for (const [what, answer] of Object.entries(fine)) {
    it(`is not bad: ${what}`, () => assert.isFalse(BadAnswer.isBad(answer)))
  }

  it("never reads a getter: that of a stream may start it", () => {
    let read = 0
    const lazy = (key: string) => Object.defineProperty({}, key, { enumerable: true, get: () => ++read })

    for (const key of ["choices", "candidates", "output", "steps", "content"]) BadAnswer.isBad(lazy(key))
    BadAnswer.isBad({ choices: [lazy("message")] })
    BadAnswer.isBad(chat(lazy("content")))
    BadAnswer.isBad({ content: [lazy("type")] })

    assert.strictEqual(read, 0)
  })
})
