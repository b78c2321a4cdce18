import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import { command, hasScript, onTerminal } from "./command.ts"

const escape = "\u001b"
const { version } = JSON.parse(fs.readFileSync(path.join(import.meta.dirname, "../../package.json"), "utf8"))

describe.concurrent("effect-breaker", () => {
  it.live("says its version", () =>
    Effect.gen(function*() {
      const run = yield* command(["--version"])
      assert.deepStrictEqual([yield* run.exitCode, run.out(), run.err()], [0, `effect-breaker v${version}\n`, ""])
    }))

  it.live("helps on the standard output where it is asked to, with examples and exit codes", () =>
    Effect.gen(function*() {
      const run = yield* command(["--help"])
      assert.deepStrictEqual([yield* run.exitCode, run.err()], [0, ""])
      assert.match(run.out(), /USAGE\n {2}effect-breaker <subcommand>/)
      assert.match(run.out(), /Exit codes: 0 it did what it was asked; 1 it could not/)
      assert.match(run.out(), /EXAMPLES\n/)
      const longest = Math.max(...run.out().split("\n").map(({ length }) => length))
      assert.isAtMost(longest, 160)
    }))

  it.live("says how it is used where it was asked for nothing, on the standard error, and that this was wrong", () =>
    Effect.gen(function*() {
      const run = yield* command([])
      assert.deepStrictEqual([yield* run.exitCode, run.out()], [2, ""])
      assert.match(run.err(), /USAGE\n {2}effect-breaker <subcommand>/)
    }))

  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, said: RegExp]> = [
    [["nope"], /^effect-breaker: Unknown subcommand "nope".*\nSee effect-breaker --help\n$/],
    [["provider", "--prot", "1"], /^effect-breaker: Unrecognized flag: --prot[\s\S]*--port\n/],
    [["provider", "--port", "many"], /^effect-breaker: .*--port.*\nSee effect-breaker provider --help\n$/s]
  ]
  for (const [args, said] of wrong) {
    it.live(`says what is wrong with ${args.join(" ")}, in a few lines, with exit code 2`, () =>
      Effect.gen(function*() {
        const run = yield* command(args)
        assert.deepStrictEqual([yield* run.exitCode, run.out()], [2, ""])
        assert.match(run.err(), said)
      }))
  }

  it.live("writes no colour to a pipe", () =>
    Effect.gen(function*() {
      const run = yield* command(["--help"], { env: { NO_COLOR: undefined } })
      yield* run.exitCode
      assert.notInclude(run.out(), escape)
    }))

  it.live.skipIf(!hasScript)(
    "writes colour to a terminal, unless NO_COLOR or TERM says no",
    () =>
      Effect.gen(function*() {
        const coloured = yield* onTerminal(["--help"], { env: { NO_COLOR: undefined, TERM: "xterm" } })
        assert.strictEqual(yield* coloured.exitCode, 0)
        assert.include(coloured.out(), `${escape}[1m`)
        for (const env of [{ NO_COLOR: "1", TERM: "xterm" }, { NO_COLOR: undefined, TERM: "dumb" }]) {
          const plain = yield* onTerminal(["--help"], { env })
          assert.strictEqual(yield* plain.exitCode, 0)
          assert.notInclude(plain.out(), escape)
        }
      })
  )

  it.live("ends in silence when its reader has had enough", () =>
    Effect.promise(() =>
      new Promise<void>((resolve, reject) => {
        const child = spawn("sh", ["-c", "node --import tsx src/cli/Main.ts provider --list | head -n 1"], {
          cwd: path.join(import.meta.dirname, "../..")
        })
        let out = ""
        let err = ""
        child.stdout.on("data", (part) => out += part)
        child.stderr.on("data", (part) => err += part)
        child.once("close", () => {
          try {
            assert.match(out, /^healthy .*\n$/)
            assert.strictEqual(err, "")
            resolve()
          } catch (error) {
            reject(error)
          }
        })
      })
    ))
})
