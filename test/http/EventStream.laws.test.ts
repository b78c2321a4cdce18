import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { EventStream } from "../../src/http/EventStream.ts"

const chat = (delta: object, finish_reason: string | null = null) => ({ choices: [{ delta, finish_reason }] })
const streams: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  chat: [chat({ role: "assistant" }), chat({ content: "wörld 🌍" }), chat({}, "stop"), "[DONE]"],
  cut: [chat({ content: "half" })],
  failed: [chat({ content: "half" }), { error: { type: "server_error", message: "Broken" } }],
  responses: [
    { type: "response.created" },
    { type: "response.output_text.delta", delta: "hi" },
    { type: "response.completed", response: { output: [] } }
  ],
  messages: [
    { type: "message_start", message: {} },
    { type: "content_block_delta", delta: { text: "hi" } },
    { type: "message_delta", delta: { stop_reason: "end_turn" } },
    { type: "message_stop" }
  ],
  overloaded: [{ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }],
  malformed: [chat({ content: "half" }), "{"],
  own: [{ tick: 1 }, "text"],
  none: []
}

const expected: Readonly<Record<string, readonly [begun: boolean, end: string | undefined]>> = {
  chat: [true, "Success undefined"],
  cut: [true, "Failure truncated"],
  failed: [true, "Failure server"],
  responses: [true, "Success undefined"],
  messages: [true, "Success undefined"],
  overloaded: [false, "Failure overloaded"],
  malformed: [true, "Failure bad-response"],
  own: [true, undefined],
  none: [false, undefined]
}

const written = (name: string, end: string): Uint8Array =>
  new TextEncoder().encode(
    `: hello${end}${
      streams[name]!.map((event) => {
        const data = typeof event === "string" ? event : JSON.stringify(event)
        return `event: any${end}data: ${data}${end}${end}`
      }).join("")
    }`
  )

describe("a stream of events", () => {
  it("says the same however its bytes are cut, and however its lines end", () => {
    fc.assert(fc.property(
      fc.constantFrom(...Object.keys(streams)),
      fc.constantFrom("\n", "\r\n", "\r"),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (name, lineEnd, sizes) => {
        const bytes = written(name, lineEnd)
        const events = new EventStream(false, {})
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length]!
          events.take(bytes.slice(at, at + size))
          at += size
        }
        // A line that ends with "\r" is known to have ended only by what follows.
        events.take(new TextEncoder().encode(lineEnd))

        const outcome = events.ended()
        assert.deepStrictEqual([events.hasBegun, outcome && `${outcome._tag} ${outcome.kind}`], expected[name])
      }
    ))
  })
})
