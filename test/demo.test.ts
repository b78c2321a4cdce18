/** `npm run demo`, as a person runs it. A run takes half a minute, so they run side by side: `npm run test:demo`. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ask, order, watch, whole } from "./dashboard/serving.ts"
import { hasScript, run } from "./running.ts"

const node = ["--import", "tsx", "examples/demo.ts"]
const tables = [/calls that reached the provider +\d+ +270\n/, /broken off, and taken for a whole answer +0 +\d+\n/]
const page = /http:\/\/127\.0\.0\.1:\d+\/breakers\//g

if (!hasScript) console.warn("SKIPPED: /usr/bin/script is missing: nothing gives the demo a terminal")

describe("npm run demo, which takes flags", () => {
  it.live("says how it is used", () =>
    Effect.gen(function*() {
      const demo = yield* run("npm", ["run", "-s", "demo", "--", "--help"])

      assert.strictEqual(yield* demo.exitCode, 0, demo.err())
      assert.match(demo.out(), /usage: npm run demo \[-- --page\]/)
      assert.notMatch(demo.out(), page)
    }))

  it.live("runs nothing when it does not know a flag, and says how it is used", () =>
    Effect.gen(function*() {
      for (const wrong of [["--pages"], ["--page", "now"], ["--page=yes"], ["--help", "-x"]]) {
        const demo = yield* run("node", [...node, ...wrong])

        assert.strictEqual(yield* demo.exitCode, 2)
        assert.strictEqual(demo.out(), "")
        assert.match(demo.err(), new RegExp(`^unknown: ${wrong.at(-1)}\nusage: npm run demo \\[-- --page\\]\n`))
      }
    }))
})

describe.concurrent("npm run demo", () => {
  it.live("plays both outages and ends, with no page", () =>
    Effect.gen(function*() {
      const demo = yield* run("node", node)

      assert.strictEqual(yield* demo.exitCode, 0, demo.err())
      for (const table of tables) assert.match(demo.out(), table)
      assert.notMatch(demo.out(), page)
    }), 120_000)

  it.live("serves the page meanwhile where it is asked to, and still ends by itself", () =>
    Effect.gen(function*() {
      const demo = yield* run("node", [...node, "--page"])
      const address = yield* demo.prints(page)
      const url = address.slice(0, -1)
      const { beat, ended } = yield* watch(url)

      const shown = yield* ask(address)
      assert.deepStrictEqual([shown.status, shown.headers["content-type"]], [200, "text/html; charset=utf-8"])
      const opened = yield* beat(({ circuits }) => circuits.some(({ state }) => state === "Open"))
      const { circuits, control, happenings, title } = yield* whole(url)
      assert.deepStrictEqual([title, control, circuits.map(({ name }) => name)], ["npm run demo", true, ["openai"]])
      assert.isAbove(circuits[0]!.openings, 0)
      assert.match(happenings.map(({ text }) => text).join("\n"), /^opened for /m)

      const release = { ids: [opened.circuits[0]!.id], order: "release" }
      assert.strictEqual((yield* order(url, release, { host: "rebound.example" })).status, 403)
      assert.strictEqual((yield* ask(`${url}/snapshot.json`, { headers: { host: "rebound.example" } })).status, 403)
      assert.strictEqual((yield* order(url, release)).text, `{"done":1}`)
      const ordered = yield* beat(({ happenings }) => happenings.some(({ kind }) => kind === "Commanded"))
      assert.deepStrictEqual(ordered.happenings.filter(({ by }) => by !== undefined).map(({ by }) => by), ["you"])

      // Whoever still watches does not keep it.
      yield* ended
      assert.strictEqual(yield* demo.exitCode, 0, demo.err())
      for (const table of tables) assert.match(demo.out(), table)
      assert.deepStrictEqual(demo.out().match(page), [address, address])
      assert.isBelow(demo.out().search(page), demo.out().search("the provider is healthy"))
      assert.isAbove(demo.out().lastIndexOf(address), demo.out().search(tables[1]!))
    }), 120_000)

  it.live.skipIf(!hasScript)("keeps the page on a terminal until Ctrl-C", () =>
    Effect.gen(function*() {
      // A shell that waits for the demo would get the Ctrl-C too, and its exit code is 130 (dash).
      const demo = yield* run("script", ["-qec", `exec node ${node.join(" ")} --page`, "/dev/null"])
      yield* demo.prints(/\(until Ctrl-C\)/)
      const url = (yield* demo.prints(page)).slice(0, -1)

      const { circuits } = yield* whole(url)
      assert.sameMembers(circuits.map(({ name }) => name), ["openai", "large"])
      yield* demo.types("\u0003")
      assert.strictEqual(yield* demo.exitCode, 0, demo.out())
    }), 120_000)
})
