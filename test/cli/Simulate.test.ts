import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Guard, Policy, Scenarios, Simulation } from "effect-breaker/replay"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { command, hasScript, onTerminal } from "./command.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-breaker-"))

describe.concurrent("effect-breaker simulate", () => {
  it.live("shows a scenario without a breaker and under policies, side by side", () =>
    Effect.gen(function*() {
      const run = yield* command(["simulate", "llm-micro", "--policy", "llm"])
      assert.deepStrictEqual([yield* run.exitCode, run.err()], [0, ""])
      assert.match(run.out(), /^llm-micro: .*\n[\d,]+ calls in .*, seed 1\.\n/)
      assert.match(run.out(), /\n +no breaker +llm\n─+\n/)
      assert.match(run.out(), /\narrivals served +[\d.]+ % +[\d.]+ %\n/)
      assert.match(run.out(), /\nno breaker {2} +\nllm {9}[▁▂-█▒]+\n/)
    }))

  it.live("gives as JSON what the simulation gives, the same for the same seed", () =>
    Effect.gen(function*() {
      const results = (seed: string) =>
        Effect.gen(function*() {
          const run = yield* command(["simulate", "20-percent", "--policy", "default", "--json", "--seed", seed])
          assert.strictEqual(yield* run.exitCode, 0, run.err())
          return JSON.parse(run.out()).results
        })
      const [one, same, other] = yield* Effect.all([results("7"), results("7"), results("8")])
      assert.deepStrictEqual(one, same)
      assert.notDeepEqual(one, other)
      const { scores, totals } = Simulation.run(Scenarios.all["20-percent"]!, {
        guard: Guard.policy(Policy.builtIn.default),
        seed: 7
      })
      assert.deepStrictEqual(one[1].totals, totals)
      assert.strictEqual(one[1].scores.served, scores.served)
    }))

  it.live("lists its scenarios, and prints them to begin one's own from", () =>
    Effect.gen(function*() {
      const list = yield* command(["simulate", "--list"])
      assert.strictEqual(yield* list.exitCode, 0)
      for (const name of Object.keys(Scenarios.all)) assert.match(list.out(), new RegExp(`^${name} +\\S`, "m"))
      const print = yield* command(["simulate", "total-outage", "--print"])
      assert.strictEqual(yield* print.exitCode, 0)
      const short = { ...JSON.parse(print.out()), name: "short", duration: 20_000 }
      const run = yield* command(["simulate", "-", "--policy", "default"], { input: JSON.stringify(short) })
      assert.strictEqual(yield* run.exitCode, 0, run.err())
      assert.match(run.out(), /^short: /)
    }))

  it.live("writes a page, with the scenario's phases and times from its beginning on", () =>
    Effect.gen(function*() {
      const out = path.join(folder, "out.html")
      const run = yield* command(["simulate", "20-percent", "--policy", "default", "--report", out])
      assert.strictEqual(yield* run.exitCode, 0, run.err())
      const page = fs.readFileSync(out, "utf8")
      assert.match(page, /<h1>Simulation of 20-percent<\/h1>/)
      assert.match(page, /<h2 id="run-1">default<\/h2>/)
      assert.match(page, /">02:00<\/span>/)
    }))

  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, input: string, said: RegExp]> = [
    [[], "", /which SCENARIO\? See --list/],
    [["nope"], "", /nope: neither a file nor a scenario\. See --list/],
    [["./nope.json"], "", /cannot read \.\/nope\.json: there is no such file/],
    [["-"], `{"name":`, /standard input:1:9: no JSON/],
    [["-"], `{"name":"x","duration":-1}`, /standard input: /],
    [
      ["-"],
      `{"name":"x","duration":9,"provider":{"latency":1},"phases":[{"name":"a","for":9}],"clients":{"rte":1}}`,
      /standard input: clients\.rte is no field that there is\n$/
    ],
    [["20-percent", "--policy", "nope"], "", /--policy nope: neither/]
  ]
  for (const [args, input, said] of wrong) {
    it.live(`says what is wrong, with exit code 2: ${said.source}`, () =>
      Effect.gen(function*() {
        const run = yield* command(["simulate", ...args], { input })
        assert.deepStrictEqual([yield* run.exitCode, run.out()], [2, ""])
        assert.match(run.err(), said)
      }))
  }

  it.live.skipIf(!hasScript)(
    "shows its progress on a terminal, and a typed Ctrl-C ends it at once, with exit code 130",
    () =>
      Effect.gen(function*() {
        const run = yield* onTerminal(["simulate", "long-outage"], { env: { TERM: "xterm" } })
        yield* run.prints(/long-outage, no breaker {2}\[[█░]{24}\] {2}[\d.]+ %/)
        yield* run.types("\u0003")
        assert.strictEqual(yield* run.exitCode, 130, run.out())
        assert.notMatch(run.out(), /arrivals served/)
      })
  )
})
