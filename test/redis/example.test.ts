/** `npm run example:fleet`, as a person runs it, on a real Redis. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import path from "node:path"
import { freePort, makeServer, withTime } from "./server.ts"

const root = path.join(import.meta.dirname, "../..")

const run = (url: string) =>
  Effect.callback<string>((resume) => {
    const program = ["--import", "tsx", "examples/fleet.ts"]
    const options = { cwd: root, env: { ...process.env, REDIS_URL: url } }
    const child = execFile(process.execPath, program, options, (error, out, complaint) => {
      resume(error === null ? Effect.succeed(out) : Effect.die(new Error(`code ${error.code}\n${out}\n${complaint}`)))
    })
    return Effect.sync(() => child.kill())
  })

describe("the example of a fleet, where there is no Redis", () => {
  it.live("says so and what to do, and ends with 1", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      const why = yield* Effect.flip(Effect.catchDefect(run(`redis://127.0.0.1:${port}`), Effect.fail))
      assert.include(String(why), `There is no Redis at redis://127.0.0.1:${port}.`)
      assert.include(String(why), "REDIS_URL=")
      assert.include(String(why), "code 1")
      assert.notInclude(String(why), "opening")
    }), 60_000)
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
