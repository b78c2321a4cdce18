import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Script } from "effect-breaker/testing"
import fs from "node:fs"
import net, { type AddressInfo } from "node:net"
import os from "node:os"
import path from "node:path"
import OpenAI, { APIError } from "openai"
import { command, events, hasScript, onTerminal, type Run } from "./command.ts"

const forever = (...faults: ReadonlyArray<object>) => JSON.stringify([{ name: "outage", for: "Infinity", faults }])

const ask = (baseUrl: string, headers: Record<string, string> = {}) =>
  Effect.promise(async () => {
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: "POST",
      headers,
      body: JSON.stringify({ messages: [{ role: "user", content: "Hello?" }] })
    })
    return { status: response.status, text: await response.text() }
  })

const baseUrl = (run: Run) => Effect.map(run.prints(/http:\/\/127\.0\.0\.1:\d+\/v1/), (url) => url)

describe.concurrent("effect-breaker provider", () => {
  it.live("serves a script over a pipe, and real clients meet its faults; Ctrl-C ends it with a summary", () =>
    Effect.gen(function*() {
      const run = yield* command(["provider", "--script", "-"], { input: forever({ fault: "overloaded", share: 1 }) })
      const url = yield* baseUrl(run)
      yield* run.prints(/00:00 {2}outage \(for ever\): 529 overloaded_error 100 %/)
      const client = new OpenAI({ apiKey: "sk-any", baseURL: url, maxRetries: 0 })
      const error = yield* Effect.promise(() =>
        client.chat.completions.create({ model: "gpt-any", messages: [{ role: "user", content: "Hello?" }] }).then(
          () => undefined,
          (error: unknown) => error
        )
      )
      assert.instanceOf(error, APIError)
      assert.strictEqual(error.status, 529)
      yield* run.signals("SIGINT")
      assert.strictEqual(yield* run.exitCode, 0, run.err())
      assert.match(run.out(), /phase +requests +healthy +faulty/)
      assert.match(run.out(), /\noutage +1 +0 +1 +0 +0 +0 +529 1 +JsonError 1\n$/)
      assert.strictEqual(run.err(), "")
    }))

  it.live("prints one object a line with --json: where it listens, its phases, requests, and a summary", () =>
    Effect.gen(function*() {
      const script = JSON.stringify([
        { for: "1500 millis", faults: [{ fault: "cut", share: 1 }] },
        { name: "after", for: "500 millis" }
      ])
      const run = yield* command(["provider", "--script", "-", "--once", "--json", "--requests", "--seed", "7"], {
        input: script
      })
      assert.strictEqual((yield* ask(yield* baseUrl(run))).status, 200)
      assert.strictEqual(yield* run.exitCode, 0, run.err())
      const seen = events(run.out())
      assert.deepStrictEqual(seen.map(({ event }) => event), ["listening", "phase", "request", "phase", "summary"])
      const [listening, first, request, second, summary] = seen
      assert.strictEqual(listening!["seed"], 7)
      assert.deepStrictEqual([first!["name"], first!["forMs"], second!["name"], second!["forMs"]], [
        "phase 1",
        1500,
        "after",
        500
      ])
      assert.deepStrictEqual([request!["fault"], request!["ending"], request!["phase"]], ["CutAfter", "cut", "phase 1"])
      // What replay makes of it: a call with that time and that duration, and all else is none.
      const replayed = yield* command(["replay", "-", "--json"], { input: run.out() })
      assert.strictEqual(yield* replayed.exitCode, 0, replayed.err())
      const { calls, from, log, until } = JSON.parse(replayed.out())
      assert.deepStrictEqual([calls.succeeded, log.records, log.skipped], [1, 1, 4])
      assert.strictEqual(new Date(from).toISOString(), request!["time"])
      assert.approximately(until - from, request!["tookMs"] as number, 0.001)
      assert.isBelow(until - from, 2000)
      assert.deepStrictEqual([summary!["requests"], (summary!["phases"] as ReadonlyArray<object>).length], [1, 1])
    }))

  it.live("ends by SIGTERM as by Ctrl-C, and counts the answers that it broke off", () =>
    Effect.gen(function*() {
      const run = yield* command(["provider", "--script", "-", "--json"], {
        input: forever({ fault: "hangBeforeHeaders", share: 1 })
      })
      const url = yield* baseUrl(run)
      const gone = fetch(`${url}/chat/completions`, {
        method: "POST",
        body: JSON.stringify({ messages: [{ role: "user", content: "Hello?" }] })
      }).then(() => "answered", () => "broken")
      // What hangs was sent before these were answered.
      for (let i = 0; i < 2; i++) yield* Effect.promise(() => fetch(`${url}/nope`).then((response) => response.text()))
      yield* run.signals("SIGTERM")
      assert.strictEqual(yield* Effect.promise(() => gone), "broken")
      assert.strictEqual(yield* run.exitCode, 0, run.err())
      const [phase] = events(run.out()).at(-1)!["phases"] as ReadonlyArray<Record<string, unknown>>
      assert.deepStrictEqual([phase!["requests"], phase!["refused"], phase!["faults"]], [3, 2, {
        HangBeforeHeaders: 1
      }])
    }))

  it.live("knows ready-made scripts, lists them, and prints them to begin one's own from", () =>
    Effect.gen(function*() {
      const list = yield* command(["provider", "--list"])
      assert.strictEqual(yield* list.exitCode, 0)
      for (const name of Object.keys(Script.readyMade)) assert.match(list.out(), new RegExp(`^${name} +\\w`, "m"))

      const print = yield* command(["provider", "--script", "flap", "--print"])
      assert.strictEqual(yield* print.exitCode, 0)
      assert.deepStrictEqual(Script.fromJson(JSON.parse(print.out())), Script.readyMade.flap.script)

      const again = yield* command(["provider", "--script", "-", "--json"], { input: print.out() })
      yield* again.prints(/"event":"phase".*"calm"/)
      yield* again.signals("SIGINT")
      assert.strictEqual(yield* again.exitCode, 0)
    }))

  it.live("lets a request choose its own fault with --fault-header, and not without", () =>
    Effect.gen(function*() {
      const open = yield* command(["provider", "--fault-header"])
      assert.strictEqual((yield* ask(yield* baseUrl(open), { "x-fault": "openai.slowDown" })).status, 429)
      const shut = yield* command(["provider"])
      assert.strictEqual((yield* ask(yield* baseUrl(shut), { "x-fault": "openai.slowDown" })).status, 400)
    }))

  it.live("gives the same requests the same faults for the same seed", () =>
    Effect.gen(function*() {
      const day = forever({ fault: "overloaded", share: 0.5 })
      const statuses = (seed: string) =>
        Effect.gen(function*() {
          const run = yield* command(["provider", "--script", "-", "--seed", seed], { input: day })
          const url = yield* baseUrl(run)
          const seen: Array<number> = []
          for (let i = 0; i < 24; i++) seen.push((yield* ask(url)).status)
          return seen
        })
      const [one, same, other] = yield* Effect.all([statuses("1"), statuses("1"), statuses("2")], { concurrency: 3 })
      assert.deepStrictEqual(one, same)
      assert.notDeepEqual(one, other)
    }))

  it.live("listens on 127.0.0.1 alone, unless told otherwise, and then says so", () =>
    Effect.gen(function*() {
      const run = yield* command(["provider", "--host", "0.0.0.0"])
      yield* run.prints(/http:\/\/0\.0\.0\.0:\d+/)
      yield* run.signals("SIGINT")
      assert.strictEqual(yield* run.exitCode, 0)
      assert.match(run.err(), /Whoever can reach 0\.0\.0\.0 can use it/)
    }))

  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "effect-breaker-")), "day.json")
  fs.writeFileSync(file, `[\n  { "for": "1 second" },\n  { "for": 1 second }\n]`)
  const wrong: ReadonlyArray<readonly [what: string, args: ReadonlyArray<string>, input: string, said: RegExp]> = [
    ["JSON that is none", ["--script", file], "", /day\.json:3:14: no JSON: /],
    [
      "a share above one",
      ["--script", "-"],
      forever({ fault: "cut", share: 2 }),
      /standard input: script\[0\]: faults\[0\]\.share must be a number from 0 to 1, got 2\n/
    ],
    [
      "a fault that there is not",
      ["--script", "-"],
      forever({ fault: "overlaoded", share: 1 }),
      /script\[0\]: faults\[0\]: a fault must be one of .*overloaded.*, got "overlaoded"\n/
    ],
    [
      "a field that no phase has",
      ["--script", "-"],
      `[{ "for": 1, "latancy": 1 }]`,
      /script\[0\]: a field must be one of name, for, .*, got "latancy"\n/
    ],
    [
      "a file that is not there",
      ["--script", "./nope.json"],
      "",
      /cannot read \.\/nope\.json: there is no such file\n/
    ],
    [
      "a name that there is not",
      ["--script", "nope"],
      "",
      /--script nope: neither a file nor a ready-made script \(healthy, /
    ],
    ["a port beyond all ports", ["--port", "65536"], "", /--port must be a whole number from 0 to 65535, got 65536\n/]
  ]
  for (const [what, args, input, said] of wrong) {
    it.live(`says where ${what} is, with exit code 2`, () =>
      Effect.gen(function*() {
        const run = yield* command(["provider", ...args], { input })
        assert.deepStrictEqual([yield* run.exitCode, run.out()], [2, ""])
        assert.match(run.err(), said)
        assert.strictEqual(run.err().trim().split("\n").length, 1, run.err())
      }))
  }

  it.live("says that its port is taken, with exit code 1", () =>
    Effect.gen(function*() {
      const server = yield* Effect.acquireRelease(
        Effect.promise(() =>
          new Promise<net.Server>((resolve) => {
            const server = net.createServer().listen(0, "127.0.0.1", () => resolve(server))
          })
        ),
        (server) => Effect.sync(() => server.close())
      )
      const { port } = server.address() as AddressInfo
      const run = yield* command(["provider", "--port", String(port)])
      assert.deepStrictEqual([yield* run.exitCode, run.out()], [1, ""])
      assert.match(run.err(), new RegExp(`^effect-breaker: cannot listen on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE`))
    }))

  it.live.skipIf(!hasScript)(
    "draws a status line on a terminal, takes it away, and ends by a typed Ctrl-C",
    () =>
      Effect.gen(function*() {
        const run = yield* onTerminal(["provider", "--script", "overload"], { env: { TERM: "xterm" } })
        const url = yield* baseUrl(run)
        yield* run.prints(/calm {2}\d.* of 30 s {2}0 requests ended {2}0 running/)
        assert.strictEqual((yield* ask(url)).status, 200)
        yield* run.prints(/1 requests ended/)
        yield* run.types("\u0003")
        assert.strictEqual(yield* run.exitCode, 0, run.out())
        // Each drawing is taken away before anything else is written: what stays on the terminal has none of it.
        const left = run.out().split("\r\u001b[2K").map((part, i, all) =>
          i === all.length - 1 ? part : part.replace(/[^\n]*$/, "")
        ).join("")
        assert.match(left, /calm +1 +1 +0/)
        assert.notMatch(left, /requests ended/)
      })
  )
})
