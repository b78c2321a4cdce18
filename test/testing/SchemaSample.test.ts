import { assert, describe, it } from "@effect/vitest"
import * as SchemaSample from "../../src/testing/SchemaSample.ts"

describe("SchemaSample", () => {
  it("has a value for each type", () => {
    const types = ["string", "integer", "number", "boolean", "array", "object", "null"]

    assert.deepStrictEqual(types.map((type) => SchemaSample.make({ type })), ["text", 0, 0, true, [], {}, null])
    assert.deepStrictEqual([{}, true, undefined, { type: ["string", "null"] }].map(SchemaSample.make), [
      null,
      null,
      null,
      "text"
    ])
  })

  it("fills in what is required, and nothing else", () => {
    const schema = {
      properties: {
        name: { type: "string", minLength: 6 },
        size: { type: "integer", minimum: 3 },
        loss: { type: "number", exclusiveMaximum: 0 },
        gain: { type: "number", exclusiveMinimum: 0 },
        tags: { type: "array", minItems: 2, items: { enum: ["red", "blue"] } },
        kind: { const: "fish" },
        either: { anyOf: [{ type: "boolean" }, { type: "string" }] },
        both: { allOf: [{ properties: { a: { type: "string", maxLength: 2 } } }, { required: ["a"] }] },
        extra: { type: "string" }
      },
      required: ["name", "size", "loss", "gain", "tags", "kind", "either", "both"]
    }

    assert.deepStrictEqual(SchemaSample.make(schema), {
      name: "textxx",
      size: 3,
      loss: -1,
      gain: 1,
      tags: ["red", "red"],
      kind: "fish",
      either: true,
      both: { a: "te" }
    })
  })

  it("follows references, and gives up on a schema that contains itself", () => {
    const $defs = { "a/b": { type: "integer" }, loop: { type: "array", minItems: 1, items: { $ref: "#/$defs/loop" } } }

    assert.strictEqual(SchemaSample.make({ $ref: "#/$defs/a~1b", $defs }), 0)
    assert.include(JSON.stringify(SchemaSample.make({ $ref: "#/$defs/loop", $defs })), "[[null]]")
    assert.strictEqual(SchemaSample.make({ $ref: "#/nowhere" }), null)
  })
})
