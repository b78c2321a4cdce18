/**
 * What a replay costs: `npm run bench:replay`, and `npm run bench:replay -- --quick --check`.
 *
 * A log of ten million calls in JSON Lines is written to a temporary file, in order of ending, as gateways write theirs: three
 * models over three days, with an outage of ten minutes every six hours. It is read alone, and replayed under one policy
 * and under three, each in a process of its own, through the built library, with progress told.
 *
 * - `--quick` takes a million calls.
 * - `--check` exits with 1 where one policy takes more than 30 seconds or 1 GB.
 */
import { Effect } from "effect"
import type * as ReplayLibrary from "effect-breaker/replay"
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { machine } from "./library.ts"
import { table, whole } from "./table.ts"

const { values: { check, child, file, quick } } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    child: { type: "string" },
    file: { type: "string" }
  }
})

const CALLS = quick ? 1_000_000 : 10_000_000
const SPAN = 3 * 86_400_000
const FROM = Date.UTC(2026, 4, 1)
const BUDGET = { seconds: 30, megabytes: 1024 }

const subjects = ["reading alone", "one policy", "three policies"] as const

interface Cost {
  readonly seconds: number
  readonly processor: number
  readonly megabytes: number
  readonly told: number
  readonly records: number
  readonly skipped: number
  readonly openings: number
}

/** The same numbers on each machine. */
const chance = () => {
  let state = 42
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
}

const writeLog = (to: string): void => {
  const random = chance()
  const out = fs.openSync(to, "w")
  let running: Array<{ readonly end: number; readonly line: string }> = []
  let at = FROM
  for (let i = 0; i < CALLS; i++) {
    at += 2 * SPAN / CALLS * random()
    const isDown = (at - FROM) % (6 * 3_600_000) < 600_000
    const failed = random() < (isDown ? 0.9 : 0.01)
    const took = Math.round(failed ? 50 + 300 * random() : 600 - 2500 * Math.log(1 - random()))
    const model = ["gpt-5", "gpt-5-mini", "claude-sonnet"][i % 3]!
    const call = {
      time: new Date(at).toISOString(),
      duration_ms: took,
      ttft_ms: failed ? undefined : Math.round(took / 4),
      status: failed ? (random() < 0.8 ? 529 : 500) : random() < 0.01 ? 429 : 200,
      model,
      input_tokens: 200 + i % 1000,
      output_tokens: failed ? 0 : 10 + i % 500
    }
    running.push({ end: at + took, line: JSON.stringify(call) })
    if (running.length >= 20_000 || i === CALLS - 1) {
      running.sort((a, b) => a.end - b.end)
      const over = i === CALLS - 1 ? running.length : running.findIndex(({ end }) => end > at)
      if (over > 0) fs.writeSync(out, running.slice(0, over).map(({ line }) => `${line}\n`).join(""))
      running = running.slice(Math.max(over, 0))
    }
  }
  fs.closeSync(out)
}

const measure = async (subject: typeof subjects[number], from: string): Promise<Cost> => {
  const library = await import(new URL("../dist/replay/index.js", import.meta.url).href) as typeof ReplayLibrary
  const { CallLog, Policy, Replay } = library
  const bytes = fs.createReadStream(from, { highWaterMark: 1 << 18 })
  let told = 0
  const log = { onProgress: () => void told++ }
  const policies = [
    Policy.builtIn.llm,
    Policy.builtIn.default,
    Policy.make("patient", { ...Policy.builtIn.llm.options, openDuration: "1 minute", ramp: undefined })
  ].slice(0, subject === "one policy" ? 1 : 3)
  const [began, before] = [performance.now(), process.cpuUsage()]
  const read = subject === "reading alone"
    ? await Effect.runPromise(CallLog.read(bytes, { ...log, onRecord: () => undefined }))
    : await Effect.runPromise(
      Effect.map(Replay.log(bytes, { policies, log }), ({ log, policies }) => ({
        ...log,
        openings: policies.map(({ openings }) => openings)
      }))
    )
  const { system, user } = process.cpuUsage(before)
  return {
    seconds: (performance.now() - began) / 1000,
    processor: (system + user) / 1e6,
    megabytes: process.resourceUsage().maxRSS / 1024,
    told,
    records: read.records,
    skipped: read.skipped,
    openings: "openings" in read ? (read.openings as ReadonlyArray<number>)[0]! : 0
  }
}

const report = (): void => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "bench-replay-"))
  try {
    const log = path.join(folder, "calls.jsonl")
    writeLog(log)
    console.log(
      `${whole(CALLS)} calls, ${whole(fs.statSync(log).size / 2 ** 20)} MB of JSON Lines; Node ${machine.node}, ` +
        `${machine.cpus} CPUs, ${machine.cpu}, load ${os.loadavg()[0]!.toFixed(1)}\n`
    )
    const costs = subjects.map((subject) =>
      JSON.parse(execFileSync(
        process.execPath,
        [...process.execArgv, fileURLToPath(import.meta.url), "--child", subject, "--file", log],
        { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }
      )) as Cost
    )
    console.log(table(
      [
        "",
        "seconds",
        "of the processor",
        "µs a call",
        "calls a second",
        "MB at most",
        "records",
        "skipped",
        "openings"
      ],
      costs.map(({ megabytes, openings, processor, records, seconds, skipped }, i) => [
        subjects[i]!,
        seconds.toFixed(1),
        processor.toFixed(1),
        (1e6 * seconds / CALLS).toFixed(2),
        whole(CALLS / seconds),
        whole(megabytes),
        whole(records),
        whole(skipped),
        whole(openings)
      ])
    ))
    const one = costs[1]!
    const isMet = one.seconds * 10_000_000 / CALLS <= BUDGET.seconds && one.megabytes <= BUDGET.megabytes
    console.log(
      `\n${isMet ? "PASS" : "MISS"}  ten million calls in ${BUDGET.seconds} seconds and ${BUDGET.megabytes} MB`
    )
    if (check && !isMet) process.exitCode = 1
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

if (child === undefined) report()
else console.log(JSON.stringify(await measure(child as typeof subjects[number], file!)))
