/**
 * One scenario under one policy, on the pure machine: `node --import tsx bench/outage.ts slow-return '{"name":"mine"}'`.
 *
 * - The first argument is the name of a built-in scenario, or a JSON file with one.
 * - The others are policies: the name of a built-in one, JSON text, or a JSON file. Without one, all built-in policies.
 * - `--seed 7` runs another one, `--seeds 5` runs so many and prints each; `--json` prints the whole result.
 */
import { Effect, Schema } from "effect"
import fs from "node:fs"
import { parseArgs } from "node:util"
import * as Guard from "../src/replay/Guard.ts"
import * as Policy from "../src/replay/Policy.ts"
import * as Scenario from "../src/replay/Scenario.ts"
import * as Scenarios from "../src/replay/Scenarios.ts"
import * as Simulation from "../src/replay/Simulation.ts"

const { positionals: [name, ...policies], values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "1" }
  }
})

if (name === undefined) {
  console.log(Object.values(Scenarios.all).map(({ about, name }) => `${name.padEnd(22)} ${about}`).join("\n"))
  process.exit()
}

const scenario = Scenarios.all[name] ??
  Schema.decodeUnknownSync(Scenario.Scenario)(JSON.parse(fs.readFileSync(name, "utf8")))

const builtIn: Readonly<Record<string, Policy.Policy>> = Policy.builtIn
const read = (given: string): Policy.Policy =>
  builtIn[given] ??
    Effect.runSync(Policy.fromJson(given.startsWith("{") ? given : fs.readFileSync(given, "utf8"), "given"))

const guards: ReadonlyArray<readonly [string, Guard.Make]> = [
  ["none", Guard.none],
  ...(policies.length > 0 ? policies.map(read) : Object.values(builtIn)).map((policy) =>
    [policy.name, Guard.policy(policy)] as const
  )
]

for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.seeds); seed++) {
  for (const [policy, guard] of guards) {
    const began = performance.now()
    const result = Simulation.run(scenario, { guard, seed })
    const took = (performance.now() - began) / 1000
    if (values.json) console.log(JSON.stringify({ policy, ...result }))
    else {
      const { arrivals, asked } = result.totals
      console.log(`${scenario.name}, ${policy}, seed ${seed}: ${arrivals} calls, ${asked} asks in ${took.toFixed(2)} s`)
      console.log(result.scores)
    }
  }
}
