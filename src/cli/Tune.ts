/**
 * `effect-breaker tune`: a better policy for a log or a scenario, with reasons.
 *
 * @since 0.1.0
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Policy from "../replay/Policy.ts"
import type * as Report from "../replay/Report.ts"
import * as Scenarios from "../replay/Scenarios.ts"
import * as Tune from "../replay/Tune.ts"
import type * as Words from "../replay/Words.ts"
import { whole } from "../replay/Words.ts"
import * as Failed from "./Failed.ts"
import * as Input from "./Input.ts"
import * as Logs from "./Logs.ts"
import * as Output from "./Output.ts"
import * as Pages from "./Pages.ts"
import * as Policies from "./Policies.ts"
import * as Progress from "./Progress.ts"
import * as ReplayFigures from "./ReplayFigures.ts"
import { Screen } from "./Screen.ts"
import * as Simulate from "./Simulate.ts"
import * as Table from "./Table.ts"
import * as Text from "./Text.ts"
import * as TuneFigures from "./TuneFigures.ts"

const parts = ["trip", "open", "probes", "ramp"] as const

const options = {
  source: Argument.String("LOG|SCENARIO").pipe(
    Argument.withDescription(
      "A log of calls, as replay takes it, - for standard input; or the name of a scenario, or its JSON file"
    )
  ),
  policy: Flag.String("policy").pipe(
    Flag.withMetavar("NAME|FILE|JSON"),
    Flag.withDescription("The policy in use: the search begins with it and is compared with it (llm, unless given)"),
    Flag.optional
  ),
  vary: Flag.Literals("vary", parts).pipe(
    Flag.withDescription(
      "A part of the policy that is searched; may come more than once (trip, open and probes; over a scenario the ramp too)"
    ),
    Flag.atLeast(0)
  ),
  by: Flag.Literals("by", ["calls", "waiting"]).pipe(
    Flag.withDescription("What is wasted: calls, or the time that was waited for them"),
    Flag.withDefault("calls" as const)
  ),
  weight: Flag.Finite("weight").pipe(
    Flag.withDescription("How many wasted calls one lost call is as bad as; with a good fallback, less than 1"),
    Flag.withDefault(1)
  ),
  budget: Flag.Int("budget").pipe(
    Flag.withDescription("How many policies are tried (240 over a log, 100 over a scenario)"),
    Flag.optional
  ),
  runs: Flag.Int("runs").pipe(
    Flag.withDescription("Over a scenario: under how many seeds each is tried, and as many are held out (2)"),
    Flag.optional
  ),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("Decides all chance in it: the same seed, the same result"),
    Flag.withDefault(1)
  ),
  out: Flag.String("out").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription(
      "Write the recommended policy as JSON; - for standard output, and everything else to the other"
    ),
    Flag.optional
  ),
  ...Logs.flags,
  report: Pages.flag,
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print the result as one JSON object, with the recommended policy as \"policy\""),
    Flag.withDefault(false)
  ),
  timelines: Flag.Boolean("timelines").pipe(
    Flag.withDescription("With --json: the timelines too"),
    Flag.withDefault(false)
  )
}

/** The command. */
export const command = Command.make("tune", options, (given) => tune(given)).pipe(
  Command.withDescription(
    Text.paragraphs(
      "Searches a better policy for your calls, and says why it is better and how sure that is.",
      "A policy wastes the calls that it lets go in vain and loses those that it refuses though they would have gone well. The"
        + " frontier are the policies of which none is better in both. Recommended is the one with the least harm, by the weight of"
        + " a lost call. A part of the data is held out from the search, to show how much of the find is chance."
    )
  ),
  Command.withShortDescription("A better policy for a log or a scenario"),
  Command.withExamples([
    {
      command: "effect-breaker tune calls.jsonl --policy mine.json --out better.json",
      description: "Compared with your own, and written as JSON that a program reads"
    },
    { command: "effect-breaker tune llm-hard-down", description: "For an outage on virtual time" },
    {
      command: "effect-breaker tune calls.csv --weight 0.2 --by waiting",
      description: "Where a refusal costs little, for there is a fallback, and waiting is what hurts"
    },
    {
      command: "effect-breaker tune calls.jsonl --out - | effect-breaker replay calls.jsonl --policy llm --policy -",
      description: "And replayed"
    }
  ])
)

// ---------------------------------------------------------------------------------------------------------------------

interface Given extends Logs.Given {
  readonly source: string
  readonly policy: Option.Option<string>
  readonly vary: ReadonlyArray<Tune.Part>
  readonly by: "calls" | "waiting"
  readonly weight: number
  readonly budget: Option.Option<number>
  readonly runs: Option.Option<number>
  readonly seed: number
  readonly out: Option.Option<string>
  readonly report: Option.Option<string>
  readonly json: boolean
  readonly timelines: boolean
}

/** What is shown of a result, whatever it was found on. */
interface Shown {
  readonly facts: ReadonlyArray<string>
  readonly figures: ReadonlyArray<ReadonlyArray<string>>
  readonly runs: ReadonlyArray<Report.Run>
  readonly bands: Report.Options["bands"]
  readonly clock: Words.Clock
}

const tune = Effect.fnUntraced(function*(given: Given) {
  const [inUse = Policy.builtIn.llm] = Option.isNone(given.policy) ? [] : yield* Policies.read([given.policy.value])
  const toOutput = Option.contains(given.out, "-")
  if (toOutput && given.json) return yield* Failed.wrong("--out - and --json: both would go to the standard output")
  yield* Output.check([["--out", given.out], ["--report", given.report]], [
    ["LOG", given.source],
    ["--policy", given.policy],
    ...Logs.files(given)
  ])
  const state: { -readonly [K in keyof Progress.State]: Progress.State[K] } = { done: 0 }
  const common: Tune.Options = {
    inUse,
    vary: given.vary.length === 0 ? undefined : given.vary,
    by: given.by,
    weight: given.weight,
    budget: Option.getOrUndefined(given.budget),
    seed: given.seed,
    onProgress: ({ done, of }) => Object.assign(state, { done, of, count: ["policies", done] })
  }
  const name = Input.nameOf(given.source)
  const [result, shown] = (yield* isScenario(given.source))
    ? yield* overScenario(given, common, state)
    : yield* overLog(given, common, state)
  const screen = yield* Screen
  yield* given.json
    ? screen.print(Text.json(TuneFigures.json(result, given.timelines), { replacer: Simulate.finite }))
    : (toOutput ? screen.note : screen.print)(told(result, shown, screen))
  // Last: where it cannot be written, what was found is not gone.
  const written = yield* Effect.exit(writePolicy(given.out, result.recommended.policy))
  yield* Pages.write(given.report, () => ({
    title: `Tuning for ${name}`,
    facts: [...shown.facts, ...result.reasons, ...result.doubts],
    clock: shown.clock,
    figures: shown.figures,
    runs: shown.runs,
    bands: shown.bands,
    tables: [
      TuneFigures.frontier(result),
      { title: "The policies", head: ["", "what it does"], rows: TuneFigures.policies(result) }
    ],
    limits: result.limits
  }))
  yield* written
})

const told = (result: Tune.Result, shown: Shown, screen: Screen): string => {
  const { head, rows } = TuneFigures.frontier(result)
  return [
    ...shown.facts.map(Text.plain),
    "",
    Table.plain(head, rows),
    "",
    `Recommended: ${result.recommended.policy.name}`,
    Text.item(`It ${result.recommended.says}.`),
    ...result.reasons.map((reason) => Text.item(reason)),
    "",
    "How sure that is:",
    ...result.doubts.map((doubt) => Text.item(doubt)),
    "",
    "What it does in the data:",
    "",
    Table.plain(["", ...shown.runs.map(({ name }) => name)], shown.figures),
    "",
    Pages.strips(shown.runs, shown.clock, screen),
    "",
    "The policies of the frontier:",
    ...TuneFigures.policies(result).map(([name, says]) => Text.item(`${name} ${says}.`)),
    "",
    "What this cannot tell:",
    ...result.limits.map((limit) => Text.item(limit))
  ].join("\n")
}

const overLog = Effect.fnUntraced(function*(given: Given, common: Tune.Options, state: Progress.State) {
  const { runs, source } = given
  const name = Input.nameOf(source)
  if (Option.isSome(runs)) return yield* Failed.wrong("--runs is for a scenario: a log is what it is")
  const { incidents, options: log, progress } = yield* Logs.read(source, given)
  const bytes = Input.bytes(source)
  const started = yield* checked(() =>
    // What comes from the standard input comes once.
    Tune.log(source === "-" ? bytes : () => bytes, { ...common, incidents, log })
  )
  const result = yield* Progress.during(started, name, () => state.done > 0 ? state : progress).pipe(
    Effect.catchTags({
      ...Logs.complaints(source),
      CannotTune: ({ log, message }) =>
        Effect.fail(
          Failed.failed(
            `${name}: ${message}${
              log === undefined ? "" : `${Logs.skipped(log)}${log.records === 0 ? Logs.hint(log) : ""}`
            }`
          )
        )
    })
  )
  const { log: reading, ...found } = result
  const screen = yield* Screen
  if (Logs.isMostlyUnread(reading)) yield* screen.note(`effect-breaker: ${Logs.skips(reading)[0]}`)
  const { replay } = found
  const shown: Shown = {
    facts: [...ReplayFigures.facts(replay), ...Logs.skips(reading), result.heldOut, tried(result)],
    figures: ReplayFigures.rows(replay),
    runs: replay.policies.map(({ policy, timeline }) => ({ name: policy, timeline })),
    bands: replay.incidents.map(({ circuit, end, start }) => ({
      name: circuit,
      from: start,
      until: end ?? replay.until
    })),
    clock: "wall"
  }
  return [result, shown] as const
})

const overScenario = Effect.fnUntraced(function*(given: Given, common: Tune.Options, state: Progress.State) {
  const scenario = yield* Simulate.scenarioOf(given.source)
  const started = yield* checked(() => Tune.scenario(scenario, { ...common, runs: Option.getOrUndefined(given.runs) }))
  const result = yield* Progress.during(started, scenario.name, () => state).pipe(
    Effect.catchTag("CannotTune", ({ message }) => Effect.fail(Failed.failed(message)))
  )
  const { simulations } = result
  const shown: Shown = {
    facts: [
      `${scenario.name}${scenario.about === undefined ? "" : `: ${scenario.about}`}.`,
      result.heldOut,
      tried(result),
      `What is shown of single runs is that of seed ${simulations[0]!.seed}.`
    ],
    figures: Simulate.rows(simulations),
    runs: Simulate.drawn(simulations),
    bands: simulations[0]!.phases,
    clock: "elapsed"
  }
  return [result, shown] as const
})

const tried = ({ frontierSize, seed, tried }: Tune.Result): string =>
  `${whole(tried)} policies tried, seed ${seed}; ${whole(frontierSize)} of them are on the frontier.`

/** A bad option is the asker's mistake. */
const checked = <A>(make: () => A): Effect.Effect<A, Failed.Failed> =>
  Effect.try({ try: make, catch: (error) => Failed.wrong((error as RangeError).message) })

const writePolicy = Effect.fnUntraced(function*(out: Option.Option<string>, policy: Policy.Policy) {
  if (Option.isNone(out)) return
  const screen = yield* Screen
  const text = Text.json(TuneFigures.written(policy), { indent: 2 })
  if (out.value === "-") return yield* screen.print(text)
  yield* Output.write(out.value, `${text}\n`, "The policy")
})

/** A name of one, or a small JSON file with phases. Everything else is a log, or complains as one. */
const isScenario = Effect.fnUntraced(function*(source: string) {
  if (Object.hasOwn(Scenarios.all, source)) return true
  if (/^[\w-]+$/.test(source) && source !== "-") {
    const files = yield* FileSystem.FileSystem
    const isFile = yield* Effect.orElseSucceed(files.exists(source), () => false)
    if (!isFile) return yield* Failed.wrong(`${source}: neither a file nor a scenario. See simulate --list`)
  }
  if (!/\.json$/i.test(source)) return false
  const size = yield* Logs.sizeOf(source)
  if (size === undefined || size > MOST_OF_A_SCENARIO) return false
  const text = yield* Input.text(source)
  try {
    return "phases" in Object(JSON.parse(text))
  } catch {
    return false
  }
})

const MOST_OF_A_SCENARIO = 1 << 20
