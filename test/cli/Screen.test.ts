import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Screen from "../../src/cli/Screen.ts"
import * as Text from "../../src/cli/Text.ts"

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

  it.effect("lets no control character through but line ends and its own colours, on a terminal or not", () =>
    Effect.gen(function*() {
      const evil = "a\u001b[31mb\u001b]0;title\u0007c\u009b2Jd\re\u007f\u202e"
      for (const isTTY of [true, false]) {
        const { screen, written } = terminal(isTTY)
        yield* screen.print(`${screen.paint("green", "fine")}\n${Text.plain(evil)}`)
        yield* screen.print("\u001b]0;title\u0007")
        yield* screen.note("\u001b[2J")
        yield* screen.status("\u001b[2J\n")
        yield* screen.status(undefined)
        const all = written.join("").replaceAll(clear, "").replaceAll("\u001b[32mfine\u001b[0m", "fine")
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(all, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
        assert.include(all, "fine\na␛[31mb␛]0;title␇c\ufffd2Jd␍e␡\ufffd\n")
      }
    }))

  it("escapes in JSON what JSON lets through, and it is read as what it was", () => {
    const data = { name: "\u009b2J\u007f\u202e\u001b", list: ["a\nb"] }
    for (const indent of [0, 2]) {
      const text = Text.json(data, { indent })
      // oxlint-disable-next-line no-control-regex
      assert.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
      assert.deepStrictEqual(JSON.parse(text), data)
    }
  })

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
