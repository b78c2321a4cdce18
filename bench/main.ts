/**
 * What the library costs: `npm run bench`, and `npm run bench -- --quick --json --check`.
 *
 * - `--quick` runs few rounds: enough to see a cost that doubled.
 * - `--json` prints the results as JSON and nothing else.
 * - `--check` exits with 1 when a budget is missed.
 */
import { parseArgs } from "node:util"
import { budgets, type Results } from "./budgets.ts"
import { bundleBytes } from "./bundle.ts"
import { type CallCost, type Cost, measureCalls } from "./calls.ts"
import { measureReadings, readingTable } from "./classify.ts"
import { head, machine, measured, peers } from "./library.ts"
import { fill, weigh, type Weight } from "./memory.ts"
import { measureCircuits, measureWindows, type Size } from "./scaling.ts"
import { subjects } from "./subjects.ts"
import { budgetTable, ratio, table, whole } from "./table.ts"

const { values: { check, json, quick } } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false }
  }
})

const turns = quick
  ? { calls: 20_000, rounds: 5, warmUp: 20_000, batches: 7 }
  : { calls: 25_000, rounds: 40, warmUp: 100_000, batches: 31 }

const print = (...lines: ReadonlyArray<string>): void => {
  if (!json) console.log(lines.join("\n"))
}

const environment = { ...machine, turns }

const costTable = (costs: ReadonlyArray<CallCost>, kind: "closed" | "refused"): string =>
  table(
    [kind === "closed" ? "closed call" : "refusal", "ns", "fastest", "added ns", "middle half", "bytes", "added bytes"],
    costs.map(({ name, [kind]: cost }: CallCost & Record<typeof kind, Cost>) => [
      name,
      whole(cost.whole),
      whole(cost.fastest),
      whole(cost.added),
      `${whole(cost.from)} to ${whole(cost.to)}`,
      whole(cost.bytes),
      whole(cost.addedBytes)
    ])
  )

const ratioTable = (costs: ReadonlyArray<CallCost>): string =>
  table(
    [
      "added, ours over theirs (whole call)",
      "persistence, closed",
      "cockatiel, closed",
      "persistence, refusal",
      "cockatiel, refusal"
    ],
    costs.flatMap(({ name, ratios }) =>
      ratios === undefined ? [] : [[
        name,
        ...[ratios.persistence?.closed, ratios.cockatiel.closed, ratios.persistence?.refused, ratios.cockatiel.refused]
          .map((found) => found === undefined ? "" : `${ratio(found.added)} (${ratio(found.whole)})`)
      ]]
    )
  )

const sizeTable = (what: string, sizes: ReadonlyArray<Size>): string =>
  table(
    [what, "added ns", "over the first"],
    sizes.map(({ added, name, ratio }) => [name, whole(added), ratio.toFixed(2)])
  )

const weightTable = (weights: ReadonlyArray<Weight>): string =>
  table(
    ["idle circuits in a BreakerMap", "circuits", "bytes each", "bytes of key", "total MB"],
    weights.map(({ bytesEach, circuits, keyBytesEach, policy, totalMegabytes }) => [
      policy,
      whole(circuits),
      whole(bytesEach),
      whole(keyBytesEach),
      whole(totalMegabytes)
    ])
  )

print(
  ...head,
  `${turns.rounds} rounds of ${whole(turns.calls)} calls, all interleaved; medians over the rounds; ${machine.date}`,
  ""
)

const calls = await measureCalls(await subjects(), turns)
print(costTable(calls, "closed"), "", costTable(calls, "refused"), "", ratioTable(calls), "")

const windows = await measureWindows(turns)
print(sizeTable("window", windows.lastCalls), "", sizeTable("window", windows.lastDuration), "")

const readings = await measureReadings(turns)
print(readingTable(readings), "")

// Comes last: a large heap makes every collection dearer.
const many = quick ? 200_000 : 1_000_000
const maps = [await fill("consecutive", 1), await fill("consecutive", 1000), await fill("consecutive", many)]
const circuits = await measureCircuits(maps, turns)
print(
  sizeTable("a hundred busy circuits among", circuits.busy),
  "",
  sizeTable("all circuits equally busy", circuits.ours),
  "",
  sizeTable("for comparison", circuits.plainMap),
  ""
)

const weights = [
  weigh("consecutive", many),
  weigh("lastCalls", 50_000),
  weigh("lastDuration", 50_000)
]
print(weightTable(weights), "")

const results: Results = { calls, readings, windows, circuits, weights, bundleBytes: await bundleBytes() }
const verdicts = budgets(results)
print(budgetTable(verdicts))

if (json) console.log(JSON.stringify({ measured, peers, environment, ...results, budgets: verdicts }, undefined, 2))
if (check && verdicts.some(({ met }) => !met)) process.exitCode = 1
