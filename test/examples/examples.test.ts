/** The examples, as a person runs them: each against providers of its own, over real HTTP. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import fs from "node:fs"
import path from "node:path"
import { run } from "../running.ts"

const root = path.join(import.meta.dirname, "../..")

const outputOf = (example: string) =>
  Effect.gen(function*() {
    const program = yield* run("node", ["--import", "tsx", `examples/${example}.ts`])
    assert.strictEqual(yield* program.exitCode, 0, program.err())
    assert.strictEqual(program.err(), "")
    return program.out()
  }).pipe(Effect.scoped)

const scripts: Record<string, string> = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")).scripts

describe.concurrent("the examples", () => {
  it("are of fewer than 120 lines each, and each has a command", () => {
    for (const file of fs.readdirSync(path.join(root, "examples")).filter((name) => name.endsWith(".ts"))) {
      if (file === "demo.ts") continue
      const text = fs.readFileSync(path.join(root, "examples", file), "utf8")
      const [, command = ""] = /^ \* `(?:\S+=\S+ )?npm run (example:\w+)`: /m.exec(text) ?? []
      assert.strictEqual(scripts[command], `tsx examples/${file}`)
      assert.isBelow(text.split("\n").length - 1, 120, file)
    }
  })

  it.live("agent: goes on with the other model in the middle of a question, and sends no letter twice", () =>
    Effect.gen(function*() {
      const out = yield* outputOf("agent")

      assert.match(out, /anthropic\/claude fails \(overloaded\), openai\/gpt answers: I have written to Ada\./)
      assert.match(out, /anthropic\/claude is not asked, openai\/gpt answers: calls SendLetter/)
      assert.match(out, /Claude is back.*\n(  anthropic\/claude answers: .*\n){3}/)
      assert.match(out, /5 questions, 5 letters, 2 calls that failed\n$/)
    }))

  it.live("chat: shows each visitor a whole answer, a broken one that says so, or when to come back", () =>
    Effect.gen(function*() {
      const out = yield* outputOf("chat-server")

      const [well, leaves, error, cut, hangs, , , nobody] = out.split(/\n(?=\S)/)
      assert.match(well!, /sees   I am well, thank you\.\n  asked  large \(200, complete\)/)
      assert.match(leaves!, /\(leaves\)\n  asked  large \(200, client-closed\)/)
      assert.match(error!, /sees   I am well, thank you\.\n  asked  large \(200, cut\), small \(200, complete\)/)
      assert.match(cut!, /sees   I am well, … broken: The answer ends without a finish/)
      assert.match(hangs!, /sees   I am well, thank you\.\n  asked  small \(200, complete\)/)
      assert.match(nobody!, /sees   503, come back in \d+ s\n  asked  nobody/)
      assert.match(out, /openai\/large: 1 success, 2 failures, 1 ignored\n$/)
    }))

  it.live("batch: leaves what cannot be done for the next run, and does not wait for it", () =>
    Effect.gen(function*() {
      const out = yield* outputOf("batch")
      const runs = Array.from(
        out.matchAll(/(\d+) done +(\d+) left for the next run \((\d+) waited for in vain, (\d+) refused at once\)/g),
        ([, ...figures]) => figures.map(Number)
      )

      const [without, guarded, next] = runs as [Array<number>, Array<number>, Array<number>]
      assert.deepStrictEqual(without, [20, 20, 20, 0])
      assert.deepStrictEqual(guarded.slice(0, 2), [20, 20])
      assert.isBelow(guarded[2]!, 10)
      assert.deepStrictEqual(next, [20, 0, 0, 0])
    }))
})
