/**
 * What sharing a circuit costs: `npm run bench:shared`, and `npm run bench:shared -- --quick --json --check`.
 *
 * `SharedBreaker` beside the breaker of `effect/persistence` with its Redis store, on the same real `redis-server`: closed
 * calls, and how long it takes until every process of a fleet refuses.
 *
 * - `--quick` runs few rounds and openings.
 * - `--json` prints the results as JSON and nothing else.
 * - `--check` exits with 1 when a budget is missed.
 */
import { parseArgs } from "node:util"
import type { Budget } from "./budgets.ts"
import { head, machine, measured, peers } from "./library.ts"
import { redisVersion, startRedis } from "./redisServer.ts"
import { type Closed, measureClosed, measureOpenings, type Opening, type Shape, startFleet } from "./sharedFleet.ts"
import { PERSISTENCE, policyNames, SHARED, subjectNames } from "./sharedSubjects.ts"
import { budgetTable, table, whole } from "./table.ts"

const { values: { check, json, quick } } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false }
  }
})

const print = (...lines: ReadonlyArray<string>): void => {
  if (!json) console.log(lines.join("\n"))
}

if (redisVersion === undefined) {
  const skipped = "redis-server is missing (apt-get install redis-server): nothing is shared, and nothing measured"
  console.warn(`SKIPPED: ${skipped}`)
  if (json) console.log(JSON.stringify({ skipped }))
  process.exit()
}

const SIZE = 8
const turns = quick ? { millis: 60, rounds: 1, openings: 10 } : { millis: 300, rounds: 7, openings: 300 }

const ways = [
  { concurrency: 1, givesWay: false },
  { concurrency: 100, givesWay: false },
  { concurrency: 100, givesWay: true }
]
const shapes = [1, SIZE].flatMap((processes) =>
  ways.filter(({ givesWay }) => !(quick && givesWay)).flatMap((way) =>
    policyNames.slice(0, quick ? 1 : undefined).flatMap((policy) =>
      subjectNames.map((subject): Shape => Object.assign({ subject, policy, processes }, way))
    )
  )
)

const closedTable = (all: ReadonlyArray<Closed>): string =>
  table(
    [
      "closed calls",
      "processes",
      "at once in each",
      "calls per second",
      "middle half",
      "over persistence",
      "CPU ns per call",
      "commands per call",
      "with those of scripts"
    ],
    all.map((one) => [
      `${one.subject}, ${one.policy}`,
      whole(one.processes),
      `${whole(one.concurrency)}${one.givesWay ? ", giving way" : ""}`,
      whole(one.perSecond),
      `${whole(one.from)} to ${whole(one.to)}`,
      one.overPersistence === undefined ? "" : whole(one.overPersistence),
      whole(one.cpuPerCall),
      perCall(one.sentPerCall),
      perCall(one.carriedOutPerCall)
    ])
  )

const perCall = (commands: number): string =>
  commands === 0 ? "0" : commands < 0.1 ? commands.toFixed(6) : commands.toFixed(2)

const millis = (value: number): string => `${value.toFixed(1)} ms`

const openingTable = (all: ReadonlyArray<Opening>): string =>
  table(
    [`from the tripping call until all ${SIZE} refuse`, "failures", "openings", "p50", "p99", "longest"],
    all.map(({ most, openings, outage, p50, p99, subject }) => [
      subject,
      outage,
      whole(openings),
      millis(p50),
      millis(p99),
      millis(most)
    ])
  )

const mostSent = (all: ReadonlyArray<Closed>): number =>
  Math.max(...all.filter(({ subject }) => subject === SHARED).map(({ sentPerCall }) => sentPerCall))

const budgets = (closed: ReadonlyArray<Closed>, openings: ReadonlyArray<Opening>): ReadonlyArray<Budget> => [
  ...closed.filter(({ givesWay, subject }) => subject === SHARED && !givesWay).map(
    ({ concurrency, overPersistence, policy, processes }): Budget => ({
      what: `closed calls per second: ${policy}, ${processes} x ${concurrency}`,
      budget: `at least 50 times ${PERSISTENCE}`,
      measured: whole(overPersistence!),
      met: overPersistence! >= 50
    })
  ),
  {
    what: "Redis commands of a closed call, at most",
    budget: "less than one in a hundred calls",
    measured: perCall(mostSent(closed)),
    met: mostSent(closed) < 0.01
  },
  ...openings.filter(({ subject }) => subject === SHARED).map(
    ({ outage, p99 }): Budget => ({
      what: `a fleet of ${SIZE} refuses after a trip, p99: failures ${outage}`,
      budget: "at most 100 ms",
      measured: millis(p99),
      met: p99 <= 100
    })
  )
]

print(
  ...head,
  `redis-server ${redisVersion} on the same machine, its clients those of @effect/platform-node`,
  `${turns.rounds} round${
    turns.rounds === 1 ? "" : "s"
  } of ${turns.millis} ms a turn, all interleaved; medians over the rounds; ${machine.date}`,
  ""
)

const server = await startRedis()
const fleet = await startFleet(SIZE)
try {
  const closed = await measureClosed(server, fleet, shapes, turns)
  print(closedTable(closed), "")
  const openings = await measureOpenings(server, fleet, turns.openings)
  print(openingTable(openings), "")
  const verdicts = budgets(closed, openings)
  print(budgetTable(verdicts))
  if (json) {
    const environment = { ...machine, redis: redisVersion, turns }
    console.log(JSON.stringify({ measured, peers, environment, closed, openings, budgets: verdicts }, undefined, 2))
  }
  if (check && verdicts.some(({ met }) => !met)) process.exitCode = 1
} finally {
  fleet.stop()
  await server.stop()
}
