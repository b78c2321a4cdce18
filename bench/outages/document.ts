/**
 * The results as a page of the documentation, with pictures.
 */
import type { Scenario } from "effect-breaker/replay"
import { Scores } from "effect-breaker/replay"
import fs from "node:fs"
import type { Kept } from "./budgets.ts"
import type { Contender } from "./contender.ts"
import { picture } from "./picture.ts"
import type { Run } from "./run.ts"
import { promiseTable, scenarioTable } from "./table.ts"

/** Those that are drawn: pictures of twenty scenarios nobody looks at. */
const drawn = [
  "total-outage",
  "20-percent",
  "35-percent",
  "long-outage",
  "slow-return",
  "shopify-sustained",
  "llm-overload",
  "llm-recovery-ramp"
]

/** Each differs little from another of the same library. */
const undrawn = ["effect/persistence, rate of 24", "effect/persistence, consecutive", "cockatiel, consecutive"]

export interface Results {
  readonly scenarios: ReadonlyArray<Scenario.Scenario>
  readonly contenders: ReadonlyArray<Contender>
  readonly runs: ReadonlyMap<string, ReadonlyArray<Run>>
  readonly kept: ReadonlyMap<string, ReadonlyArray<Kept>>
  readonly missed: ReadonlyArray<Kept>
  readonly versions: Readonly<Record<string, string>>
  readonly seed: number
}

export const write = (root: URL, { contenders, kept, missed, runs, scenarios, seed, versions }: Results): void => {
  const pictures = new URL("docs/outages/", root)
  fs.mkdirSync(pictures, { recursive: true })
  const sections = scenarios.map(({ about, clients: { breaker, count = 1, rate }, name }) => {
    const of = runs.get(name)!
    const picturesOf = drawn.includes(name)
      ? [`![What became of the calls of each moment](outages/${name}.svg)`, ""]
      : []
    if (drawn.includes(name)) {
      const strips = of.filter(({ contender }) => !undrawn.includes(contender))
      fs.writeFileSync(new URL(`${name}.svg`, pictures), picture(about ?? name, strips))
    }
    const clients = count === 1
      ? "one client"
      : `${count} clients, ${breaker === "shared" ? "one breaker" : "each with a breaker"}`
    const calls = typeof rate === "number" ? `${Number(rate.toPrecision(2))} calls a second` : "calls at changing rates"
    return [
      `### ${name}`,
      "",
      `${capital(about ?? name)}. ${capital(calls)} from ${clients}.`,
      "",
      ...picturesOf,
      scenarioTable(of),
      ""
    ].join("\n")
  })
  const text = [
    "# In an outage",
    "",
    "What breakers do for the calls of a program when a provider fails: this library's and its peers' own code, through the same",
    "scripted providers on virtual time. This page and its pictures are made by the command; how the simulator works, and what it",
    "was checked against, is told in [simulation](simulation.md).",
    "",
    "```sh",
    "npm run bench:outages                     # all scenarios, some minutes",
    "npm run bench:outages -- --quick          # those of the promises, scaled down",
    "npm run bench:outages -- --only llm-stall # one of them",
    "npm run bench:outages -- --json           # the same as JSON, and nothing else",
    "npm run bench:outages -- --write          # and this page",
    "```",
    "",
    `It exits with 1 when a promise is missed that is not known to be. Seed ${seed}; ${
      Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")
    }.`,
    "",
    "## What was promised",
    "",
    promiseTable(kept),
    "",
    missed.length === 0
      ? "All are kept."
      : missed.map(({ known, measured, scenario, what }) =>
        `**Missed**: ${what}, in ${scenario}: ${measured}${known === undefined ? "" : `. ${capital(known)}`}.`
      ).join("\n\n"),
    "",
    "They are judged by whoever is made for such traffic: `steady` where one circuit sees a thousand calls a second, `small` where sixty",
    "clients have a circuit each, `llm, checked` (the preset of `effect-breaker/llm`, with a health check) for models.",
    "",
    "## Who is compared",
    "",
    "All meet the same calls with the same fates, time limits and retries; the retries stand outside of the breaker, so that it is asked for",
    "each attempt. The breakers are made for all scenarios alike: nobody knows beforehand which outage comes. Peers stay open for five",
    "seconds each time: under doubling openings they would be back later, under shorter ones more calls would be lost in a total outage.",
    "Where they have a window of time, it is that of `small`, which was looked for among some thirty: the shortest that 20 % errors do not trip.",
    "Where theirs is one of calls, two are shown: one that fits a thousand calls a second, one that fits the 17 of each of sixty clients.",
    "",
    ...contenders.map(({ name, settings }) => `- **${name}**: ${settings}`),
    "",
    "## How to read it",
    "",
    "- **reached it dead**: of the asks while the provider could answer next to nothing, the share that was let through.",
    "- **served**: the share of arrivals that came to a good answer; **in trouble**, of those that arrived while the provider could answer less",
    "  than nine tenths of what came; **could be**, how many of those it could have answered; **after it**, of those that arrived afterwards.",
    "- **opened after**: until the middle one of the circuits opened. **back after**: until nine tenths of the healthy share were served",
    "  for good. **false openings**: openings while most calls would have gone well.",
    `- **peak load**: the most that was offered over ${
      Scores.LOAD_OVER / 1000
    } seconds from the outage's end on, of what could be taken then. A queue takes`,
    "  up what is too much for a moment, and clients wait at least as long: too much for ten seconds does harm. Over one second chance would",
    "  be measured: of five calls a second that come by chance, the busiest second of ten minutes sees more than twice as many.",
    "",
    "## Scenario by scenario",
    "",
    ...sections
  ].join("\n")
  fs.writeFileSync(new URL("docs/outages.md", root), text)
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
