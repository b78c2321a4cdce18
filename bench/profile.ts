/**
 * Where the time of a closed call goes: `node --import tsx bench/profile.ts [part of a name]`, after `npm run build`.
 *
 * Runs one subject alone (the first whose name holds the argument, `--refused` for its refusals) for some seconds under
 * the CPU profiler, and prints the functions with the most self time.
 */
import inspector from "node:inspector/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { entry } from "./library.ts"
import { subjects } from "./subjects.ts"
import { table } from "./table.ts"

const { positionals: [part = ""], values: { refused, seconds } } = parseArgs({
  allowPositionals: true,
  options: { refused: { type: "boolean", default: false }, seconds: { type: "string", default: "4" } }
})

const subject = (await subjects()).find(({ kind, name }) => (kind === "effect" || part !== "") && name.includes(part))
if (subject === undefined) throw new Error(`no subject is named like ${part}`)
const loop = refused ? subject.refused : subject.closed
const callsFor = async (seconds: number): Promise<number> => {
  let calls = 0
  for (const end = performance.now() + seconds * 1000; performance.now() < end; calls += 10_000) await loop.run(10_000)
  return calls
}
await callsFor(1)

const session = new inspector.Session()
session.connect()
await session.post("Profiler.enable")
await session.post("Profiler.setSamplingInterval", { interval: 100 })
await session.post("Profiler.start")
const calls = await callsFor(Number(seconds))
const { profile } = await session.post("Profiler.stop")
session.disconnect()

const root = fileURLToPath(new URL("../", entry))
const self = new Map<string, number>()
const byFile = new Map<string, number>()
const deltas = profile.timeDeltas ?? []
const frames = new Map(profile.nodes.map(({ callFrame, id }) => [id, callFrame]))
profile.samples?.forEach((id, i) => {
  const { functionName, lineNumber, url } = frames.get(id)!
  const path = url.startsWith("file:") ? fileURLToPath(url) : url
  const file = path.replace(/^.*\/node_modules\//, "").replace(root, "")
  const where = `${functionName || "(anonymous)"}${file === "" ? "" : `  ${file}:${lineNumber + 1}`}`
  self.set(where, (self.get(where) ?? 0) + deltas[i]!)
  byFile.set(file || "(V8)", (byFile.get(file || "(V8)") ?? 0) + deltas[i]!)
})
const total = deltas.reduce((sum, delta) => sum + delta, 0)
console.log(
  `${subject.name}, ${refused ? "refused" : "closed"}: ${Math.round(total * 1000 / calls)} ns per call, alone`
)
const most = (title: string, times: ReadonlyMap<string, number>, rows: number): string =>
  table(
    [title, "self", "ns per call"],
    [...times].toSorted(([, a], [, b]) => b - a).slice(0, rows).map(([where, time]) => [
      where,
      `${(100 * time / total).toFixed(1)} %`,
      (time * 1000 / calls).toFixed(0)
    ])
  )
console.log(most("file", byFile, 10))
console.log(most("function", self, 16))
process.exit()
