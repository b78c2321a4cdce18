import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Schema } from "effect"
import { Breaker } from "effect-breaker"
import { Policy } from "effect-breaker/replay"
import { TestClock } from "effect/testing"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { command, hasScript, onTerminal } from "./command.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-breaker-"))
const place = (name: string, text?: string): string => {
  const file = path.join(folder, name)
  if (text !== undefined) fs.writeFileSync(file, text)
  return file
}

/** A call every four seconds for nine hours; of each the provider is down for two minutes from its half on. */
const line = (i: number, failing: (second: number) => boolean) => {
  const isDown = failing((4 * i) % 3600)
  return JSON.stringify({
    time: new Date(Date.UTC(2026, 4, 1) + 4000 * i).toISOString(),
    latency_ms: isDown ? 3000 : 900,
    status: isDown ? 529 : 200,
    model: "gpt-5"
  })
}
const lines = (count: number, failing: (second: number) => boolean) =>
  Array.from({ length: count }, (_, i) => line(i, failing)).join("\n")

const outages = (second: number) => second >= 1800 && second < 1920
const text = lines(9 * 900, outages)
const log = place("nine-hours.jsonl", text)
const mine = place(
  "mine.json",
  JSON.stringify({ tripPolicy: { _tag: "Consecutive", failures: 15 }, openDuration: "10 minutes" })
)

const scenario = place(
  "dead.json",
  JSON.stringify({
    name: "dead",
    duration: 120_000,
    provider: { servers: 100, latency: 200 },
    phases: [
      { name: "healthy", for: 20_000 },
      { name: "dead", for: 40_000, faults: [{ fault: { _tag: "Reset" }, share: 1 }] },
      { name: "healthy again", for: 60_000 }
    ],
    clients: { rate: 5 }
  })
)

const ok = (args: ReadonlyArray<string>, input?: string) =>
  Effect.gen(function*() {
    const run = yield* command(["tune", ...args], input === undefined ? {} : { input })
    assert.strictEqual(yield* run.exitCode, 0, run.err())
    return { out: run.out(), err: run.err() }
  })

describe.concurrent("effect-breaker tune", () => {
  it.live("shows the frontier with figures in and out of sample, recommends a policy and says why and how sure", () =>
    Effect.gen(function*() {
      const { err, out } = yield* ok([log, "--policy", mine, "--budget", "48"])
      assert.strictEqual(err, "")
      assert.match(
        out,
        /^8,100 calls of 1 circuit, .*\n9 incidents\.\nThe last third of the time is held out, with 3 of 9/
      )
      assert.match(out, /\n48 policies tried, seed 1; \d+ of them are on the frontier\.\n/)
      assert.match(
        out,
        /\n +wasted +waited in vain +lost +harm left: search +held out\n─+\n {2}no breaker +180 +9 min +0 +100 % +100 %\n {2}mine /
      )
      assert.match(out, /\n→ tuned( +[\d.,]+)+ s? /)
      assert.match(
        out,
        /\nRecommended: tuned\n {2}- It opens at .*;[^]*\n {2}- Of 48 policies tried it does the least harm: /
      )
      assert.match(out, /\n {2}- On the (?:one|other) side \(point \d+\) /)
      assert.match(out, /\n {2}- mine leaves [\d.]+ %: [\d.]+ times as much\. Different: /)
      assert.match(
        out,
        /\nHow sure that is:\n[^]* It leaves [\d.]+ % of the harm where it was searched, and [\d.]+ % on what was held/
      )
      assert.match(out, /\nWhat it does in the data:\n\n +mine +tuned\n─+\nopenings /)
      assert.match(out, /\nmine {3}▁+[^\n]*\ntuned {2}▁+/)
      assert.match(out, /\nThe policies of the frontier:\n {2}- mine opens at 15 failed in a row; for 10 min;/)
      assert.match(out, /\nWhat this cannot tell:\n[^]*The ramp is as it was/)
      assert.notInclude(out, "\u001b")
    }))

  it.live("writes a policy that a breaker reads from its configuration, and runs under", () =>
    Effect.gen(function*() {
      const file = place("better.json")
      const { err } = yield* ok([log, "--policy", mine, "--budget", "24", "--out", file])
      assert.strictEqual(err, `The policy is in ${file}.\n`)

      const FromConfig = Breaker.layerConfig(
        Config.schema(Schema.fromJsonString(Policy.Policy), "BREAKER_POLICY").pipe(
          Config.map((policy) => Object.assign(Policy.settings(policy), { name: "openai" }))
        )
      )
      const env = ConfigProvider.layer(ConfigProvider.fromUnknown({ BREAKER_POLICY: fs.readFileSync(file, "utf8") }))
      const policy = yield* Policy.fromJson(fs.readFileSync(file, "utf8"))
      const state = yield* Effect.gen(function*() {
        const breaker = yield* Breaker.Breaker
        for (let i = 0; i < 500; i++) yield* Effect.ignore(breaker.execute(Effect.fail("down")))
        return yield* breaker.state
      }).pipe(Effect.provide(FromConfig), Effect.provide(env), Effect.provide(TestClock.layer()))

      assert.strictEqual(policy.name, "tuned")
      assert.strictEqual(state._tag, "Open")
      assert.strictEqual(Duration.toMillis(state.retryAfter), Policy.rules(policy).openDuration(1))
    }))

  it.live("overwrites neither its log nor the policy in use", () =>
    Effect.gen(function*() {
      const own = place("own.jsonl", fs.readFileSync(log, "utf8"))
      for (
        const args of [["--out", own], ["--report", own], ["--policy", mine, "--out", mine], [
          "--out",
          "x",
          "--report",
          "x"
        ]]
      ) {
        const run = yield* command(["tune", own, "--budget", "24", ...args])
        assert.deepStrictEqual([yield* run.exitCode, run.out()], [2, ""], args.join(" "))
        assert.match(run.err(), /: that is the file of (?:LOG|--policy|--out), and it would be overwritten\n$/)
      }
      assert.strictEqual(fs.readFileSync(own, "utf8"), fs.readFileSync(log, "utf8"))
    }))

  it.live("prints the policy alone to the standard output, for replay to read", () =>
    Effect.gen(function*() {
      const { err, out } = yield* ok([log, "--policy", mine, "--budget", "24", "--out", "-"])
      assert.match(err, /\nRecommended: tuned\n/)
      const run = yield* command(["replay", log, "--policy", mine, "--policy", "-"], { input: out })
      assert.strictEqual(yield* run.exitCode, 0, run.err())
      assert.match(run.out(), /\n +mine +tuned\n/)
    }))

  it.live("gives the same as one JSON object, the same for the same seed, from standard input too", () =>
    Effect.gen(function*() {
      const args = ["--policy", mine, "--budget", "24", "--json"]
      const [one, two, other] = yield* Effect.all([
        ok([log, ...args]),
        ok(["-", ...args], text),
        ok([log, ...args, "--seed", "2"])
      ], { concurrency: 2 })
      const result = JSON.parse(one.out)
      assert.deepStrictEqual(JSON.parse(two.out), result)
      assert.notDeepEqual(JSON.parse(other.out).frontier, result.frontier)
      assert.deepStrictEqual(result.policy, result.recommended.policy)
      assert.isTrue(
        result.frontier.some((point: unknown) => JSON.stringify(point) === JSON.stringify(result.recommended))
      )
      assert.deepStrictEqual(result.inUse.policy.name, "mine")
      assert.notProperty(result.replay.policies[0], "timeline")
      yield* Policy.fromUnknown(result.policy)
    }))

  it.live("searches for a scenario by its file or its name, and holds out seeds", () =>
    Effect.gen(function*() {
      const page = place("out.html")
      const { err, out } = yield* ok([scenario, "--budget", "12", "--runs", "1", "--seed", "4", "--report", page])
      assert.strictEqual(err, `The report is in ${page}.\n`)
      assert.match(out, /^dead\.\nSearched under seeds 4, and held out: seeds 5, /)
      assert.match(out, /\nWhat it does in the data:\n\n +no breaker +llm( +tuned)?\n/)
      assert.match(out, /\nasks that reached a dead provider +100 % /)
      assert.match(fs.readFileSync(page, "utf8"), /<h1>Tuning for .*dead\.json<\/h1>[^]*The frontier/)
      const named = yield* ok(["llm-micro", "--budget", "12", "--runs", "1", "--json"])
      assert.deepStrictEqual(JSON.parse(named.out).seeds, { search: [1], heldOut: [2] })
    }))

  it.live("says what a log lacks that is nothing to choose by, with exit code 1", () =>
    Effect.gen(function*() {
      const lacks: ReadonlyArray<readonly [text: string, said: RegExp]> = [
        [
          lines(50, outages),
          /standard input: 50 calls that went well or failed are too few to choose by: it takes 100\n/
        ],
        ["{}\n", /: 0 calls that .* too few to choose by: it takes 100\. Skipped 1 as /],
        [lines(900, () => false), /: none of 900 calls failed: no policy can be told from another\n/],
        [lines(900, (second) => second % 12 === 0), /: 300 of 900 calls failed, but nowhere so many together /]
      ]
      for (const [input, said] of lacks) {
        const run = yield* command(["tune", "-"], { input })
        assert.deepStrictEqual([yield* run.exitCode, run.out()], [1, ""])
        assert.match(run.err(), said)
      }
      const one = yield* ok(["-", "--budget", "12"], lines(900, outages))
      assert.match(one.out, /\nNothing is held out: with 1 trouble in the log, a part of it would prove nothing\./)
      assert.notMatch(one.out, /held out\n─/)
    }))

  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, said: RegExp]> = [
    [[], /Missing required argument/],
    [["nope"], /nope: neither a file nor a scenario/],
    [["./nope.jsonl"], /cannot read \.\/nope\.jsonl: there is no such file/],
    [[log, "--policy", "nope"], /--policy nope: neither a file nor one of default, llm/],
    [[log, "--vary", "doors"], /--vary/],
    [[log, "--budget", "3"], /budget must be a whole number from 12 to 100000, got 3/],
    [[log, "--weight", "0"], /weight must be a finite number above zero, got 0/],
    [[log, "--runs", "2"], /--runs is for a scenario/],
    [[log, "--out", "-", "--json"], /--out - and --json: both would go to the standard output/]
  ]
  for (const [args, said] of wrong) {
    it.live(`says what is wrong, with exit code 2: ${said.source}`, () =>
      Effect.gen(function*() {
        const run = yield* command(["tune", ...args])
        assert.deepStrictEqual([yield* run.exitCode, run.out()], [2, ""])
        assert.match(run.err(), said)
      }))
  }

  it.live.skipIf(!hasScript)(
    "shows on a terminal how many policies were tried, and is interrupted by Ctrl-C",
    () =>
      Effect.gen(function*() {
        const run = yield* onTerminal(["tune", log, "--budget", "5000"], { env: { TERM: "xterm" } })
        yield* run.prints(/nine-hours\.jsonl {2}\[[█░]{24}\] {2}[\d.]+ % {2}\d+ policies/)
        yield* run.types("\u0003")
        assert.strictEqual(yield* run.exitCode, 130, run.out())
      })
  )
})
