/** `npm run example:fleet`, as a person runs it, on a real Redis. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import path from "node:path"
import { makeServer, withTime } from "./server.ts"

const root = path.join(import.meta.dirname, "../..")

const run = (url: string) =>
  Effect.callback<string>((resume) => {
    const program = ["--import", "tsx", "examples/fleet.ts"]
    const options = { cwd: root, env: { ...process.env, REDIS_URL: url } }
    const child = execFile(process.execPath, program, options, (error, out, complaint) => {
      resume(error === null ? Effect.succeed(out) : Effect.die(new Error(`${out}\n${complaint}`)))
    })
    return Effect.sync(() => child.kill())
  })

describe.runIf(withTime)("the example of a fleet", () => {
  it.live("shows one opening for three processes, and how all of them close", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const out = yield* run(server.url)
      assert.match(out, /opening.*, of generation 1, in 3 of 3 processes/)
      for (const number of [1, 2, 3]) {
        assert.match(out, new RegExp(`process ${number}: Open, generation 1  consecutive, 5 of 5`))
        assert.match(out, new RegExp(`process ${number}: Closed, generation [1-9]`))
      }
    }).pipe(Effect.scoped), 120_000)
})
