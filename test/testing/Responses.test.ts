import { assert, describe, it } from "@effect/vitest"
import { responses } from "../../src/testing/Responses.ts"
import type * as Speech from "../../src/testing/Speech.ts"
import { at, eventsOf } from "./asking.ts"

const identity = { id: "1", createdAt: 7, model: "own", models: ["own"] }
const speech: Speech.Speech = {
  words: [`"quoted"`, "\n", "\\", " 😵", "<0>"],
  toolCalls: [{ name: "look", id: undefined, words: [`{"a":`, `"<1>"}`] }],
  ending: "stop",
  usage: { output: 99 }
}

const bodyOf = (request: Readonly<Record<string, unknown>>, said = speech) => {
  const read = responses.read(JSON.stringify({ input: "x", ...request }), identity)
  return read._tag === "Accepted" ? read.body(said) : assert.fail(read.error.message)
}

describe("Responses", () => {
  it("writes a plain answer in pieces that make one JSON document, whatever the words", () => {
    const { closing, opening, tokens } = bodyOf({ model: `a "<0>"` })

    const { model, output, usage } = JSON.parse(opening + tokens.join("") + closing)

    assert.strictEqual(tokens.length, 7)
    assert.strictEqual(model, `a "<0>"`)
    assert.strictEqual(output[0].content[0].text, speech.words.join(""))
    assert.deepStrictEqual([output[1].name, output[1].arguments], ["look", `{"a":"<1>"}`])
    assert.deepStrictEqual(usage.output_tokens, 99)
  })

  it("writes a stream whose deltas are its tokens and whose last event is the plain answer", () => {
    const stream = bodyOf({ stream: true })
    const plain = bodyOf({})

    const last = eventsOf(stream.closing).at(-1)!
    assert.deepStrictEqual(
      at(last.data, "response"),
      JSON.parse(plain.opening + plain.tokens.join("") + plain.closing)
    )
    assert.deepStrictEqual(stream.tokens.map((token) => at(eventsOf(token).at(-1)!.data, "delta")), [
      ...speech.words,
      ...speech.toolCalls[0]!.words
    ])
  })

  it("numbers an error by what came before it", () => {
    const body = bodyOf({ stream: true })
    const numbered = (after: number) => {
      const sent = after === 0 ? "" : body.opening + body.tokens.slice(0, after).join("")
      const [failed] = eventsOf(body.failing({ message: "x" }, after, "flat"))
      return [at(failed!.data, "sequence_number"), eventsOf(sent).length]
    }

    for (const after of [0, 1, 5, 6, 7, 8]) {
      const [number, count] = numbered(after)
      assert.strictEqual(number, count, String(after))
    }
  })

  it("writes a tool call alone where nothing is said", () => {
    const { closing, opening, tokens } = bodyOf({}, { ...speech, words: [] })

    const { output } = JSON.parse(opening + tokens.join("") + closing)

    assert.deepStrictEqual(output.map(({ type }: { readonly type: string }) => type), ["function_call"])
  })

  it("takes text or a list as its input, and nothing else", () => {
    const read = (body: string) => responses.read(body, identity)

    for (const body of ["", "{", "null", "[]", "{}", `{"input":[]}`, `{"input":1}`, `{"input":"x","model":1}`]) {
      assert.strictEqual(read(body)._tag, "Refused", body)
    }
    for (const body of [`{"input":"x"}`, `{"input":[{}],"stream":null}`]) {
      assert.strictEqual(read(body)._tag, "Accepted")
    }
  })
})
