import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Screen from "../../src/cli/Screen.ts"

/** A process whose outputs are one terminal, or two files. */
const terminal = (isTTY: boolean, env: Readonly<Record<string, string>> = {}) => {
  const written: Array<string> = []
  const output = (name: string) => ({
    isTTY,
    columns: 20,
    write: (text: string) => written.push(isTTY ? text : `${name}: ${text}`)
  })
  return { written, screen: Screen.make({ env, stdout: output("out"), stderr: output("err") }) }
}

const clear = "\r\u001b[2K"

describe("the screen", () => {
  it.effect("writes results and notes to their outputs, and no status line to a file", () =>
    Effect.gen(function*() {
      const { screen, written } = terminal(false)
      yield* screen.status("42 %")
      yield* screen.print("a result")
      yield* screen.note("a note")
      yield* screen.status(undefined)
      assert.deepStrictEqual(written, ["out: a result\n", "err: a note\n"])
      assert.isFalse(screen.live)
    }))

  it.effect("draws the status line over and over, below whatever is written, and takes it away", () =>
    Effect.gen(function*() {
      const { screen, written } = terminal(true)
      yield* screen.status("42 %")
      yield* screen.status("43 %")
      yield* screen.print("a result")
      yield* screen.status(undefined)
      yield* screen.print("the end")
      assert.strictEqual(written.join(""), `42 %${clear}43 %${clear}a result\n43 %${clear}the end\n`)
    }))

  it.effect("cuts a status line that is wider than the terminal, for it could not be taken away", () =>
    Effect.gen(function*() {
      const { screen, written } = terminal(true)
      yield* screen.status("x".repeat(30))
      assert.deepStrictEqual(written, ["x".repeat(19)])
    }))

  it("paints on a terminal, or where it is forced to, and never against NO_COLOR or on a dumb terminal", () => {
    const painted = (isTTY: boolean, env: Readonly<Record<string, string>>) =>
      terminal(isTTY, env).screen.paint("red", "open") !== "open"
    assert.isTrue(painted(true, {}))
    assert.isTrue(painted(true, { NO_COLOR: "" }))
    assert.isTrue(painted(false, { FORCE_COLOR: "1" }))
    assert.isFalse(painted(false, {}))
    assert.isFalse(painted(false, { FORCE_COLOR: "0" }))
    assert.isFalse(painted(true, { NO_COLOR: "1" }))
    assert.isFalse(painted(true, { NO_COLOR: "1", FORCE_COLOR: "1" }))
    assert.isFalse(painted(true, { TERM: "dumb" }))
  })
})
