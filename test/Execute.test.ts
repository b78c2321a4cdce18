import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { firstOrLast } from "../src/Execute.ts"
import type { Execute } from "../src/Execute.ts"

/** Tells which options the guard was given, and leaves the effect as it is. */
const told: Array<unknown> = []
const execute = firstOrLast<Execute>((self, options) => {
  told.push(options)
  return self
})
const options = { classify: () => ({ _tag: "Success" as const }) }

describe("Execute", () => {
  it.effect("takes the effect first or last, with options and without", () =>
    Effect.gen(function*() {
      const answer = Effect.succeed("answer")
      told.length = 0

      assert.strictEqual(yield* execute(answer), "answer")
      assert.strictEqual(yield* execute(answer, options), "answer")
      assert.strictEqual(yield* answer.pipe(execute), "answer")
      assert.strictEqual(yield* answer.pipe(execute()), "answer")
      assert.strictEqual(yield* answer.pipe(execute(options)), "answer")

      assert.deepStrictEqual(told, [undefined, options, undefined, undefined, options])
    }))

  it.effect("takes an effect that has already ended for what it is", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.exit(execute(Exit.fail("down"))), Exit.fail("down"))
    }))
})
