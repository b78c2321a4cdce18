/** A program that shares ends by itself, whatever Redis does. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import path from "node:path"
import { eventually, fail, goOn, memberOf, stop, until } from "./members.ts"
import { makeServer, type Server, withTime } from "./server.ts"

/** Starts the program. It has ended where its output and its code are there. */
const started = ({ url }: Server) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const program = path.join(import.meta.dirname, "brief.ts")
      const child = spawn(process.execPath, ["--import", "tsx", program, url], { stdio: ["pipe", "pipe", "inherit"] })
      const said: Array<string> = []
      child.stdout.setEncoding("utf8").on("data", (text: string) => said.push(...text.trim().split("\n")))
      return { child, said }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(Effect.map(({ child, said }) => ({
    firstSaid: eventually(Effect.sync(() => said), ({ length }) => length > 0),
    goOn: Effect.gen(function*() {
      child.stdin.write("go on\n")
      yield* eventually(Effect.sync(() => child.exitCode), (code) => code !== null)
      return [...said, child.exitCode]
    })
  })))

const nobody: (server: Server) => Effect.Effect<unknown> = () => Effect.void

const days: Record<string, readonly [before: typeof nobody, between: typeof nobody]> = {
  "while all is well": [nobody, nobody],
  "where Redis is down": [({ kill }) => kill, nobody],
  "where Redis hangs": [stop, nobody],
  "where Redis is killed under way": [nobody, ({ kill }) => kill],
  "where Redis hangs under way": [nobody, stop],
  "where Redis comes under way": [({ kill }) => kill, ({ start }) => start]
}

describe.runIf(withTime)("a brief program", () => {
  for (const [when, [before, between]] of Object.entries(days)) {
    it.live(`ends by itself ${when}`, () =>
      Effect.gen(function*() {
        const server = yield* makeServer()
        yield* before(server)
        const program = yield* started(server)
        yield* program.firstSaid
        yield* between(server)
        assert.deepStrictEqual(yield* program.goOn, ["an answer", "an answer", 0])
        yield* goOn(server)
      }).pipe(Effect.scoped))
  }

  it.live("is refused by what others found out", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* memberOf(server)
      yield* fail(member, 3)
      yield* until(member, "Open")
      const program = yield* started(server)
      yield* program.firstSaid
      assert.deepStrictEqual(yield* program.goOn, ["consecutive", "consecutive", 0])
    }).pipe(Effect.scoped))
})
