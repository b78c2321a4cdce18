/**
 * What breakers do in an outage: `npm run bench:outages`.
 *
 * - `--quick` runs the scenarios of the promises with a quarter of the calls, and one of each library.
 * - `--only NAME` runs one scenario, and may be given more than once. `--seed 7` has other chances.
 * - `--json` prints the results as JSON and nothing else. `--write` writes `docs/outages.md` with its pictures.
 *
 * It exits with 1 when a promise is missed that is not known to be, and says which.
 */
import { type Scenario, Scenarios } from "effect-breaker/replay"
import fs from "node:fs"
import { parseArgs } from "node:util"
import { keeping, type Kept, promised } from "./outages/budgets.ts"
import { contenders, few, judgedIn } from "./outages/contenders.ts"
import { write } from "./outages/document.ts"
import { play, type Run } from "./outages/run.ts"
import { smaller } from "./outages/smaller.ts"
import { promiseTable, scenarioTable } from "./outages/table.ts"

const { values: { json, only, quick, seed, write: writes } } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    only: { type: "string", multiple: true },
    quick: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    write: { type: "boolean", default: false }
  }
})

const promisedIn = new Set(promised.flatMap(({ scenarios }) => scenarios))
const all = Object.values(Scenarios.all)
const scenarios: ReadonlyArray<Scenario.Scenario> = only !== undefined
  ? only.map((name) => Scenarios.all[name] ?? fail(`There is no ${name}: ${Object.keys(Scenarios.all).join(", ")}`))
  : quick
  ? all.filter(({ name }) => promisedIn.has(name)).map((scenario) => smaller(scenario, 4))
  : all
const taking = quick ? few : contenders

const root = new URL("../", import.meta.url)
const versionOf = (name: string): string =>
  (JSON.parse(fs.readFileSync(new URL(`node_modules/${name}/package.json`, root), "utf8")) as { version: string })
    .version
const versions = Object.fromEntries(["effect", "cockatiel", "opossum"].map((name) => [name, versionOf(name)]))

const print = (...lines: ReadonlyArray<string>): void => {
  if (!json) console.log(lines.join("\n"))
}

print(...taking.map(({ name, settings }) => `${name}: ${settings}`), "")

const runs = new Map<string, Array<Run>>()
for (const scenario of scenarios) {
  const began = performance.now()
  const of: Array<Run> = []
  for (const contender of taking) of.push(await play(scenario, contender, Number(seed)))
  runs.set(scenario.name, of)
  const took = ((performance.now() - began) / 1000).toFixed(0)
  print(`${scenario.name}: ${scenario.about} (${took} s)`, "", scenarioTable(of), "")
}

const kept = new Map<string, ReadonlyArray<Kept>>(taking.map(({ name }) => [
  name,
  keeping(new Map([...runs].map(([scenario, of]) => [scenario, of.find(({ contender }) => contender === name)!])))
]))
const judged = [...kept].flatMap(([name, all]) => all.filter(({ scenario }) => judgedIn(scenario) === name))
if (judged.length > 0) print(promiseTable(kept), "")

const missed = judged.filter(({ met }) => !met)
for (const { known, limit, measured, scenario, what } of missed) {
  const why = known === undefined ? "" : ` (known: ${known})`
  print(`MISSED by ${judgedIn(scenario)}: ${what}, ${scenario}: ${measured}, promised ${limit}${why}`)
}

if (json) {
  console.log(JSON.stringify(
    {
      seed: Number(seed),
      versions,
      contenders: taking.map(({ name, settings }) => ({ name, settings })),
      scenarios: Object.fromEntries(
        [...runs].map((
          [name, of]
        ) => [name, of.map(({ contender, scores, totals, work }) => ({ contender, scores, totals, work }))])
      ),
      promises: Object.fromEntries(kept)
    },
    undefined,
    2
  ))
}
if (writes) write(root, { scenarios, contenders: taking, runs, kept, missed, versions, seed: Number(seed) })
if (missed.some(({ known }) => known === undefined)) process.exitCode = 1

function fail(message: string): never {
  throw new Error(message)
}
