import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { gzipSync } from "node:zlib"
import { command, hasScript, onTerminal } from "./command.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-breaker-"))
const place = (name: string, text?: string): string => {
  const file = path.join(folder, name)
  if (text !== undefined) fs.writeFileSync(file, text)
  return file
}

/** A call a second for twenty minutes, with an outage from the sixth to the tenth. */
const lines = Array.from({ length: 1200 }, (_, second) => {
  const isDown = second >= 300 && second < 600
  return JSON.stringify({
    time: new Date(Date.UTC(2026, 4, 1, 12) + second * 1000).toISOString(),
    latency_ms: isDown ? 300 : 900,
    status: isDown ? 529 : 200,
    model: "gpt-5"
  })
})
const log = place("day.jsonl", `${lines.join("\n")}\n`)
const consecutive = (failures: number, more: object = {}) =>
  JSON.stringify({ tripPolicy: { _tag: "Consecutive", failures }, openDuration: "20 seconds", ...more })

const json = (args: ReadonlyArray<string>, input?: string) =>
  Effect.gen(function*() {
    const run = yield* command(["replay", ...args, "--json"], input === undefined ? {} : { input })
    assert.strictEqual(yield* run.exitCode, 0, run.err())
    return JSON.parse(run.out())
  })

describe.concurrent("effect-breaker replay", () => {
  it.live("shows policies side by side: figures, states over time, incidents, and what it cannot tell", () =>
    Effect.gen(function*() {
      const mine = place("mine.json", consecutive(3))
      const run = yield* command(["replay", log, "--policy", "default", "--policy", mine])
      assert.deepStrictEqual([yield* run.exitCode, run.err()], [0, ""])
      const out = run.out()
      assert.match(
        out,
        /^1,200 calls of 1 circuit, 2026-05-01 12:00:00 to .* UTC \(20 min\): 900 went well, 300 failed\.\n1 incident\.\n/
      )
      assert.match(out, /\n +default +mine\n─+\nopenings +5 \(4 again\) +15 \(14 again\)\n/)
      assert.match(
        out,
        /\n {2}while open +\d+ +\d+\n(?: {2}while recovering .*\n)?saved: would have failed +29\d +28\d\n/
      )
      assert.match(out, /\ndefault {2}▁+[▂-▇]?█+[▂-▇]?[▁▒█▂-▇]*▁+\nmine {5}▁+/)
      assert.match(out, /▁ closed .* █ open {2}▒ half-open/)
      assert.match(out, /\n2026-05-01 12:05:00 +gpt-5 +5 min +300 of 300 +4\.3 s, .* +2\.3 s, /)
      assert.match(out, /What this cannot tell:\n {2}- What a caller would have done/)
      assert.notInclude(out, "\u001b")
    }))

  it.live("gives the same as JSON, without timelines unless they are asked for", () =>
    Effect.gen(function*() {
      const result = yield* json([log, "--policy", "default"])
      assert.deepStrictEqual(result.calls, { succeeded: 900, failed: 300, throttled: 0, ignored: 0, refused: 0 })
      assert.deepStrictEqual(result.policies.map(({ policy }: { policy: string }) => policy), ["default"])
      assert.notProperty(result.policies[0], "timeline")
      const whole = yield* json([log, "--policy", "default", "--timelines"])
      assert.strictEqual(whole.policies[0].timeline.asked.reduce((sum: number, one: number) => sum + one, 0), 1200)
      assert.deepStrictEqual(whole.policies[0].saved, result.policies[0].saved)
    }))

  it.live("replays under the policies of the library where none is given, from standard input and other forms", () =>
    Effect.gen(function*() {
      const { policies } = yield* json(["-"], lines.join("\n"))
      assert.deepStrictEqual(policies.map(({ policy }: { policy: string }) => policy), ["default", "llm"])
      const csv = [
        "started,secs,code",
        ...lines.map((line) => {
          const { latency_ms, status, time } = JSON.parse(line)
          return `${time},${latency_ms / 1000},${status}`
        })
      ].join("\n")
      const columns = JSON.stringify({ time: "started", took: { column: "secs", unit: "seconds" }, status: "code" })
      const read = yield* json(["-", "--policy", "default", "--format", "csv", "--columns", columns], csv)
      assert.deepStrictEqual(read.calls, { succeeded: 900, failed: 300, throttled: 0, ignored: 0, refused: 0 })
      const fromFile = yield* json(["-", "--policy", "default", "--columns", place("columns.json", columns)], csv)
      assert.deepStrictEqual(fromFile.policies, read.policies)
    }))

  it.live("writes no control character that a log has: in tables, strips, sentences, JSON and errors", () =>
    Effect.gen(function*() {
      const evil = "\u001b[31mred\u0007\u001b]0;pwn\u0007\u009b2J\r\n"
      const names = lines.map((line) => JSON.stringify({ ...JSON.parse(line), circuit: evil }))
      const file = place("evil.jsonl", [...names, JSON.stringify({ time: evil, took: 1, ok: true })].join("\n"))
      const policy = consecutive(3, { name: evil })
      const runs = [[file, "--policy", policy], [file, "--policy", policy, "--json"], [file, "--strict"]]
      for (const args of runs) {
        const run = yield* command(["replay", ...args], { env: { FORCE_COLOR: "1" } })
        yield* run.exitCode
        // oxlint-disable-next-line no-control-regex
        const text = (run.out() + run.err()).replaceAll(/\u001b\[(?:3[1235]|[012])m(?=[▁-█▒X]|\n|$| {2}|▁ closed)/g, "")
        assert.include(text.replaceAll("\\u001b", "␛"), "␛[31mred")
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
      }
    }))

  it.live("measures by the incidents that it is given", () =>
    Effect.gen(function*() {
      const file = place(
        "incidents.json",
        JSON.stringify([{ start: "2026-05-01T12:04:50Z", end: "2026-05-01T12:10:00Z", circuit: "gpt-5" }])
      )
      const { incidents, policies } = yield* json([log, "--policy", "default", "--incidents", file])
      assert.deepStrictEqual(incidents, [
        { start: Date.UTC(2026, 4, 1, 12, 4, 50), end: Date.UTC(2026, 4, 1, 12, 10), circuit: "gpt-5" }
      ])
      assert.strictEqual(policies[0].incidents[0].openAfter, 14_300)
    }))

  it.live("says where an incident is of a circuit that the log does not have, and which it has", () =>
    Effect.gen(function*() {
      const file = place(
        "stranger.json",
        `[{ "start": "2026-05-01T12:05:00Z", "end": "2026-05-01T12:10:00Z", "circuit": "gpt" }]`
      )
      const run = yield* command(["replay", log, "--policy", "default", "--incidents", file])
      assert.strictEqual(yield* run.exitCode, 0, run.err())
      assert.match(run.out(), /\n1 incident\.\nOf these, those of gpt are of no circuit in this log/)
      assert.match(run.out(), /The log has no circuit gpt: [^.]*\. It has\s+gpt-5\./)
      assert.notMatch(run.out(), /opened in incidents/)
    }))

  it.live("shows no time to close for a policy that never opened", () =>
    Effect.gen(function*() {
      const never = consecutive(1000, { name: "never" })
      const run = yield* command(["replay", log, "--policy", never, "--policy", consecutive(3)])
      assert.strictEqual(yield* run.exitCode, 0, run.err())
      assert.match(run.out(), /\n {2}median time to close +– +\d/)
      assert.match(run.out(), /\n2026-05-01 12:05:00 +gpt-5 +5 min +300 of 300 +never, – +2\.3 s, /)
    }))

  it.live("shows pauses of throttled calls apart, and failed calls alike whether they were let go or refused", () =>
    Effect.gen(function*() {
      const throttled = lines.map((line) => line.replace("529", "429"))
      const run = yield* command(["replay", place("throttled.jsonl", throttled.join("\n")), "--policy", "default"])
      assert.strictEqual(yield* run.exitCode, 0, run.err())
      const [, paused] = /\ncalls refused +(\d+) \(.*\n {2}paused, as a 429 asks +\1\n/.exec(run.out())!
      assert.isAbove(Number(paused), 200)
      assert.match(run.out(), /\nsaved: would have failed +0\nsaved: would have been throttled +\d+\n/)
      assert.match(run.out(), /\ncalls let go that failed +0\ncalls let go that were throttled +\d+\n/)
    }))

  it.live("overwrites nothing that it reads, by whatever name", () =>
    Effect.gen(function*() {
      const own = place("own.jsonl", `${lines.join("\n")}\n`)
      const link = path.join(folder, "link.jsonl")
      const hard = path.join(folder, "hard.jsonl")
      fs.symlinkSync(own, link)
      fs.linkSync(own, hard)
      const policy = place("own-policy.json", consecutive(3))
      const cases = [
        [own, "--report", own],
        [own, "--report", link],
        [link, "--report", own],
        [own, "--report", hard],
        [own, "--report", path.join(folder, "..", path.basename(folder), "own.jsonl")],
        [own, "--policy", policy, "--report", policy]
      ]
      for (const args of cases) {
        const run = yield* command(["replay", ...args])
        assert.deepStrictEqual([yield* run.exitCode, run.out()], [2, ""], args.join(" "))
        assert.match(run.err(), /--report .*: that is the file of (?:LOG|--policy), and it would be overwritten\n$/)
      }
      assert.strictEqual(fs.readFileSync(own, "utf8"), `${lines.join("\n")}\n`)
      assert.strictEqual(fs.readFileSync(policy, "utf8"), consecutive(3))
    }))

  it.live("draws the jitter of openings from a seed, and has none without", () =>
    Effect.gen(function*() {
      const policy = consecutive(3, { jitter: 0.5 })
      const openFor = (args: ReadonlyArray<string>) =>
        Effect.map(
          json([log, "--policy", policy, ...args]),
          ({ policies }): ReadonlyArray<number> => policies[0].opened.map(({ openFor }: { openFor: number }) => openFor)
        )
      const [none, one, same, other] = yield* Effect.all([
        openFor([]),
        openFor(["--seed", "1"]),
        openFor(["--seed", "1"]),
        openFor(["--seed", "2"])
      ], { concurrency: 2 })
      assert.deepStrictEqual(new Set(none), new Set([20_000]))
      assert.isTrue(one.every((length) => length >= 20_000 && length <= 30_000))
      assert.deepStrictEqual(one, same)
      assert.notDeepEqual(one, other)
    }))

  it.live("counts lines that it cannot read, and with --strict fails at the first of them, with exit code 1", () =>
    Effect.gen(function*() {
      const broken = place("broken.jsonl", [...lines.slice(0, 10), "what is this?", ...lines.slice(10)].join("\n"))
      const run = yield* command(["replay", broken, "--policy", "default"])
      assert.strictEqual(yield* run.exitCode, 0)
      assert.match(run.out(), /\nSkipped 1 as malformed: line 11 \(/)
      const strict = yield* command(["replay", broken, "--policy", "default", "--strict"])
      assert.deepStrictEqual([yield* strict.exitCode, strict.out()], [1, ""])
      assert.match(strict.err(), /^effect-breaker: .*broken\.jsonl:11: it is no JSON/)
      const empty = yield* command(["replay", place("empty.jsonl", "{}\n")])
      assert.deepStrictEqual([yield* empty.exitCode, empty.out()], [1, ""])
      assert.match(empty.err(), /empty\.jsonl: there is no call in it \(lines: 1\)\. Skipped 1 as /)
    }))

  it.live("says loudly where most of a log was not read, and what to do where its newest calls come first", () =>
    Effect.gen(function*() {
      const run = yield* command([
        "replay",
        place("newest.jsonl", lines.toReversed().join("\n")),
        "--policy",
        "default"
      ])
      assert.strictEqual(yield* run.exitCode, 0, run.err())
      const loud = /MOST OF THE LOG WAS NOT READ: \d+ of 1,200 lines were skipped/
      assert.match(run.out(), loud)
      assert.match(run.err(), loud)
      assert.match(run.out(), /\nA log has to be in order of time\. .* tac LOG \| effect-breaker replay -\./)
      const well = yield* command(["replay", log, "--policy", "default"])
      assert.strictEqual(yield* well.exitCode, 0)
      assert.notMatch(well.out(), /MOST/)
    }))

  it.live("hints at --list where a document has its list inside, and at zcat where it is packed", () =>
    Effect.gen(function*() {
      const calls = lines.map((line) => JSON.parse(line))
      const packed = place("packed.jsonl.gz")
      fs.writeFileSync(packed, gzipSync(lines.join("\n")))
      const zipped = yield* command(["replay", packed])
      assert.deepStrictEqual([yield* zipped.exitCode, zipped.out()], [1, ""])
      assert.match(zipped.err(), /packed by gzip: unpack it first, as zcat does\)\n$/)
      for (const text of [JSON.stringify({ calls }), JSON.stringify({ calls }, null, 2)]) {
        const run = yield* command(["replay", "-", "--policy", "default"], { input: text })
        assert.strictEqual(yield* run.exitCode, 1)
        assert.match(run.err(), /no call in it.*Where it is one JSON document .* name the list: --list calls\n$/)
        const { calls: read } = yield* json(["-", "--policy", "default", "--list", "calls"], text)
        assert.strictEqual(read.succeeded, 900)
      }
    }))

  it.live("writes a page that shows the same, and says where it is", () =>
    Effect.gen(function*() {
      const out = place("out.html")
      const run = yield* command(["replay", log, "--policy", "llm", "--report", out, "--json"])
      assert.strictEqual(yield* run.exitCode, 0)
      assert.match(run.err(), /^The report is in .*out\.html\.\n$/)
      JSON.parse(run.out())
      const page = fs.readFileSync(out, "utf8")
      assert.match(page, /<h1>Replay of .*day\.jsonl<\/h1>/)
      assert.match(page, /<h2 id="run-0">llm<\/h2>/)
      const away = yield* command(["replay", log, "--report", path.join(folder, "no/such/folder.html")])
      assert.strictEqual(yield* away.exitCode, 1)
      assert.match(away.err(), /^effect-breaker: cannot write .*folder\.html: there is no such folder\n$/)
      assert.match(away.out(), /^1,200 calls of 1 circuit/)
      const onto = yield* command(["replay", log, "--report", folder])
      assert.strictEqual(yield* onto.exitCode, 1)
      assert.match(onto.err(), /: it is a directory\n$/)
      assert.match(onto.out(), /^1,200 calls of 1 circuit/)
    }))

  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, said: RegExp]> = [
    [[], /Missing required argument: LOG/],
    [["./nope.jsonl"], /cannot read \.\/nope\.jsonl: there is no such file/],
    [[folder], /cannot read .*: it is a directory\n$/],
    [[log, "--policy", "nope"], /--policy nope: neither a file nor one of default, llm/],
    [[log, "--policy", "{"], /--policy:1:2: no JSON/],
    [[log, "--policy", `{"ramp":{"shares":[2],"every":1}}`], /--policy: ramp\.shares must be .*, got \[2\]/],
    [[log, "--policy", `{"openDurations":1}`], /--policy: .*openDurations/],
    [[log, "--policy", "llm", "--policy", "llm"], /--policy: there are two named "llm"/],
    [[log, "--columns", `{"nope":"x"}`], /--columns: columns\.nope is no column: there are time, /],
    [[log, "--format", "xml"], /--format/],
    [
      [log, "--incidents", place("bad.json", `[{"start":"someday"}]`)],
      /bad\.json: incident 1 must have a start .*"someday"/
    ]
  ]
  for (const [args, said] of wrong) {
    it.live(`says what is wrong, with exit code 2: ${said.source}`, () =>
      Effect.gen(function*() {
        const run = yield* command(["replay", ...args])
        assert.deepStrictEqual([yield* run.exitCode, run.out()], [2, ""])
        assert.match(run.err(), said)
      }))
  }

  it.live.skipIf(!hasScript)("shows its progress on a terminal, and takes it away", () =>
    Effect.gen(function*() {
      const big = place("big.jsonl", `${lines.join("\n")}\n`.repeat(40))
      const run = yield* onTerminal(["replay", big, "--policy", "default"], { env: { TERM: "xterm" } })
      assert.strictEqual(yield* run.exitCode, 0, run.out())
      assert.match(run.out(), /big\.jsonl {2}\[[█░]{24}\] {2}[\d.]+ % {2}[\d,]+ lines/)
      const left = run.out().split("\u001b[2K").at(-1)!
      // Forty times the same day is no log in order.
      assert.match(left, /^effect-breaker: MOST OF THE LOG WAS NOT READ: .*\r?\n[\d,]+ calls of 1 circuit/)
    }))

  it.live.skipIf(!hasScript)(
    "is interrupted by a typed Ctrl-C while it waits for its input, with exit code 130",
    () =>
      Effect.gen(function*() {
        const run = yield* onTerminal(["replay", "-", "--policy", "default"], { env: { TERM: "xterm" } })
        yield* run.prints(/standard input {2}0 lines/)
        yield* run.types("\u0003")
        assert.strictEqual(yield* run.exitCode, 130, run.out())
        assert.notMatch(run.out(), /calls of/)
      })
  )
})
