/**
 * `effect-breaker simulate`: an outage on virtual time, under several policies.
 *
 * @since 0.1.0
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Guard from "../replay/Guard.ts"
import type * as Report from "../replay/Report.ts"
import * as Scenario from "../replay/Scenario.ts"
import * as Scenarios from "../replay/Scenarios.ts"
import type * as Scores from "../replay/Scores.ts"
import * as Simulation from "../replay/Simulation.ts"
import { percent, span, whole } from "../replay/Words.ts"
import * as Failed from "./Failed.ts"
import * as Input from "./Input.ts"
import * as Output from "./Output.ts"
import * as Pages from "./Pages.ts"
import * as Policies from "./Policies.ts"
import * as Progress from "./Progress.ts"
import { Screen } from "./Screen.ts"
import * as Table from "./Table.ts"
import * as Text from "./Text.ts"

const options = {
  scenario: Argument.String("SCENARIO").pipe(
    Argument.withDescription("The name of a scenario, see --list, or a JSON file with one; - for standard input"),
    Argument.optional
  ),
  policies: Policies.flag,
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("Decides all chance in it: the same seed, the same run on every machine"),
    Flag.withDefault(1)
  ),
  healthCheck: Flag.String("health-check").pipe(
    Flag.withDescription(
      "Have a check look after open circuits every so often, such as \"5 seconds\": see docs/recovery.md"
    ),
    Flag.optional
  ),
  report: Pages.flag,
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print the results as one JSON object"),
    Flag.withDefault(false)
  ),
  timelines: Flag.Boolean("timelines").pipe(
    Flag.withDescription("With --json: the timelines too"),
    Flag.withDefault(false)
  ),
  list: Flag.Boolean("list").pipe(
    Flag.withDescription("List the scenarios and end"),
    Flag.withDefault(false)
  ),
  print: Flag.Boolean("print").pipe(
    Flag.withDescription("Print the scenario as JSON and end: to begin your own from"),
    Flag.withDefault(false)
  )
}

/** The command. */
export const command = Command.make("simulate", options, (given) => simulate(given)).pipe(
  Command.withDescription(
    Text.paragraphs(
      "An outage on virtual time, under several policies and under none, side by side.",
      "Clients that wait, give up and try again call a provider with a capacity, a queue, latency and faults. All policies meet"
        + " the same calls with the same fates."
    )
  ),
  Command.withShortDescription("An outage on virtual time, under several policies"),
  Command.withExamples([
    { command: "effect-breaker simulate --list", description: "The scenarios" },
    { command: "effect-breaker simulate llm-hard-down", description: "One of them, under the policies of the library" },
    {
      command: "effect-breaker simulate slow-return --policy llm --policy mine.json --report out.html",
      description: "Your own beside the one for models, with a page"
    },
    {
      command: "effect-breaker simulate 20-percent --print > mine.json",
      description: "A scenario to begin your own from"
    }
  ])
)

// ---------------------------------------------------------------------------------------------------------------------

interface Given {
  readonly scenario: Option.Option<string>
  readonly policies: ReadonlyArray<string>
  readonly seed: number
  readonly healthCheck: Option.Option<string>
  readonly report: Option.Option<string>
  readonly json: boolean
  readonly timelines: boolean
  readonly list: boolean
  readonly print: boolean
}

/** A run under a policy, or under none. */
export interface Run extends Simulation.Result {
  readonly policy: string
}

const simulate = Effect.fnUntraced(function*(given: Given) {
  const screen = yield* Screen
  if (given.list) return yield* screen.print(listed())
  if (Option.isNone(given.scenario)) return yield* Failed.wrong("simulate: which SCENARIO? See --list")
  yield* Output.check([["--report", given.report]], [
    ["SCENARIO", given.scenario],
    ...given.policies.map((policy) => ["--policy", policy] as const)
  ])
  const scenario = yield* scenarioOf(given.scenario.value)
  if (given.print) return yield* screen.print(Text.json(scenario, { indent: 2 }))
  const policies = yield* Policies.read(given.policies)
  const checkEvery = yield* everyOf(given.healthCheck)
  const guards: ReadonlyArray<readonly [name: string, guard: Guard.Make]> = [
    ["no breaker", Guard.none],
    ...policies.map((policy) => [policy.name, Guard.policy(policy, { checkEvery })] as const)
  ]
  const results = yield* Effect.forEach(
    guards,
    ([policy, guard]) => Effect.map(run(scenario, guard, given.seed, policy), (result): Run => ({ policy, ...result }))
  )
  const runs = drawn(results)
  const { totals: { arrivals } } = results[0]!
  const facts = [
    `${scenario.name}${scenario.about === undefined ? "" : `: ${scenario.about}`}.`,
    `${whole(arrivals)} calls in ${span(scenario.duration)}, seed ${given.seed}.`
  ]
  const figures = rows(results)
  const bare = given.timelines ? results : results.map(({ timeline: _, ...rest }) => rest)
  const object = { scenario, seed: given.seed, results: bare }
  yield* screen.print(
    given.json ? Text.json(object, { replacer: finite }) : [
      ...facts.map(Text.plain),
      "",
      Table.plain(["", ...results.map(({ policy }) => policy)], figures),
      "",
      Pages.strips(runs, "elapsed", screen)
    ].join("\n")
  )
  yield* Pages.write(given.report, () => ({
    title: `Simulation of ${scenario.name}`,
    facts,
    clock: "elapsed",
    figures,
    runs,
    bands: results[0]!.phases
  }))
})

/** Runs it in steps, so that its progress shows and Ctrl-C ends it. */
const run = (scenario: Scenario.Scenario, guard: Guard.Make, seed: number, policy: string) =>
  Effect.suspend(() => {
    const simulation = Simulation.make(scenario, { guard, seed })
    const some = Effect.sync(() => {
      for (let i = 0; i < stepsAtOnce; i++) if (simulation.isDone || !simulation.step()) return false
      return true
    })
    const all: Effect.Effect<void> = Effect.flatMap(some, (more) =>
      more ? Effect.andThen(Effect.yieldNow, all) : Effect.void)
    const state = () => ({ done: simulation.now, of: scenario.duration })
    return Effect.map(Progress.during(all, `${scenario.name}, ${policy}`, state), () =>
      simulation.read())
  })

const stepsAtOnce = 20_000

const everyOf = (given: Option.Option<string>): Effect.Effect<number | undefined, Failed.Failed> => {
  if (Option.isNone(given)) return Effect.succeed(undefined)
  const millis = Option.map(Duration.fromInput(given.value as Duration.Input), Duration.toMillis)
  return Option.isSome(millis) && Number.isFinite(millis.value) && millis.value > 0
    ? Effect.succeed(millis.value)
    : Effect.fail(
      Failed.wrong(`--health-check: must be a duration above zero, such as "5 seconds", got ${given.value}`)
    )
}

/** The scenario of that name, or in that file. */
export const scenarioOf = Effect.fnUntraced(function*(asked: string) {
  if (Object.hasOwn(Scenarios.all, asked)) return Scenarios.all[asked]!
  const text = yield* Effect.mapError(Input.text(asked), ({ message }) =>
    /^[\w-]+$/.test(asked) && asked !== "-"
      ? Failed.wrong(`${asked}: neither a file nor a scenario. See --list`)
      : Failed.wrong(message))
  const data = yield* Input.json(text, asked)
  return yield* Effect.try({
    try: () => Scenario.make(data as Scenario.Scenario),
    catch: (error) => Failed.wrong((error as RangeError).message.replace("Scenario.make", Input.nameOf(asked)))
  })
})

/** The runs as they are drawn, the first of them without a breaker. */
export const drawn = (results: ReadonlyArray<Run>): ReadonlyArray<Report.Run> =>
  results.map(({ policy, timeline }, i) => ({
    name: policy,
    // Where there is no breaker there is no state, not even a closed one.
    timeline: i === 0 ? { ...timeline, closed: timeline.closed.map(() => 0) } : timeline
  }))

/** The runs side by side: what they are judged by, and each one's figure. */
export const rows = (results: ReadonlyArray<Run>): ReadonlyArray<ReadonlyArray<string>> => {
  const row = (says: string, figure: (scores: Scores.Scores, run: Run) => string | undefined) => {
    const cells = results.map((run) => figure(run.scores, run))
    return cells.every((cell) => cell === undefined) ? [] : [[says, ...cells.map((cell) => cell ?? "–")]]
  }
  const share = (value: number | undefined) => value === undefined ? undefined : percent(value)
  const time = (value: number | undefined) =>
    value === undefined ? undefined : value === Infinity ? "never" : span(value)
  return [
    ...row("asks that reached a dead provider", ({ reachedDead }) => share(reachedDead)),
    ...row("arrivals served", ({ served }) => share(served)),
    ...row("  in trouble", ({ servedInTrouble }) => share(servedInTrouble)),
    ...row("  what the provider could have served", ({ servableInTrouble }) => share(servableInTrouble)),
    ...row("  after it", ({ servedAfter }) => share(servedAfter)),
    ...row("time to open", ({ timeToOpen }) => time(timeToOpen)),
    ...row("time to recover", ({ timeToRecover }) => time(timeToRecover)),
    ...row("peak load after trouble", ({ peakLoad }) => peakLoad === undefined ? undefined : peakLoad.toFixed(2)),
    ...row(
      "false openings",
      ({ falseOpenings }, { policy }) => policy === "no breaker" ? undefined : whole(falseOpenings)
    ),
    ...row("users left with nothing", ({ userFailures }) => whole(userFailures)),
    ...row("waited in vain", ({ waitedInVain }) => span(waitedInVain)),
    ...row("tokens wasted", ({ wastedTokens }) => wastedTokens === 0 ? undefined : whole(wastedTokens))
  ]
}

const listed = (): string => {
  const width = Math.max(...Object.keys(Scenarios.all).map(({ length }) => length)) + 2
  return Object.values(Scenarios.all).map(({ about = "", name }) => `${name.padEnd(width)}${about}`).join("\n")
}

/** JSON has no infinity, and its `null` would be taken for what was not asked. */
export const finite = (_: string, value: unknown): unknown => value === Infinity ? "never" : value
