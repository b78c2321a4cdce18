/**
 * `effect-breaker replay`: what policies would have done with the calls of a log.
 *
 * @since 0.1.0
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "../replay/Random.ts"
import * as Replay from "../replay/Replay.ts"
import * as Words from "../replay/Words.ts"
import * as Failed from "./Failed.ts"
import * as Input from "./Input.ts"
import * as Logs from "./Logs.ts"
import * as Output from "./Output.ts"
import * as Pages from "./Pages.ts"
import * as Policies from "./Policies.ts"
import * as Progress from "./Progress.ts"
import * as ReplayFigures from "./ReplayFigures.ts"
import { Screen } from "./Screen.ts"
import * as Table from "./Table.ts"
import * as Text from "./Text.ts"

const options = {
  log: Argument.String("LOG").pipe(Argument.withDescription(Logs.described)),
  policies: Policies.flag,
  ...Logs.flags,
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("Draw the jitter of openings from this seed; without it, there is no jitter"),
    Flag.optional
  ),
  report: Pages.flag,
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print the result as one JSON object"),
    Flag.withDefault(false)
  ),
  timelines: Flag.Boolean("timelines").pipe(
    Flag.withDescription("With --json: the timelines too"),
    Flag.withDefault(false)
  )
}

/** The command. */
export const command = Command.make("replay", options, (given) => replay(given)).pipe(
  Command.withDescription(
    Text.paragraphs(
      "What policies would have done with the calls of a log, side by side.",
      "Each policy reads the log with circuits of its own: which calls it would have refused that failed (saved) and that"
        + " went well (lost), how long callers would not have waited, when it opened and how soon after an incident it was"
        + " closed again. What the log never saw is not made up.",
      "A line has at least a time, a duration, and a status or an outcome. Lines that cannot be read are skipped and counted."
    )
  ),
  Command.withShortDescription("What policies would have done with the calls of a log"),
  Command.withExamples([
    { command: "effect-breaker replay calls.jsonl", description: "The policies that come with the library" },
    {
      command: "effect-breaker replay calls.csv --policy llm --policy mine.json --report out.html",
      description: "Your own beside the one for models, with a page"
    },
    {
      command:
        `zcat calls.jsonl.gz | effect-breaker replay - --policy '{"tripPolicy":{"_tag":"Consecutive","failures":3}}'`,
      description: "From standard input, with a policy on the command line"
    },
    {
      command:
        `effect-breaker replay gateway.csv --columns '{"time":"started","took":{"column":"secs","unit":"seconds"}}'`,
      description: "A log with names of its own"
    }
  ])
)

// ---------------------------------------------------------------------------------------------------------------------

interface Given extends Logs.Given {
  readonly log: string
  readonly policies: ReadonlyArray<string>
  readonly seed: Option.Option<number>
  readonly report: Option.Option<string>
  readonly json: boolean
  readonly timelines: boolean
}

const replay = Effect.fnUntraced(function*(given: Given) {
  const screen = yield* Screen
  const { log } = given
  yield* Output.check([["--report", given.report]], [
    ["LOG", log],
    ...given.policies.map((policy) => ["--policy", policy] as const),
    ...Logs.files(given)
  ])
  const policies = yield* Policies.read(given.policies)
  const { incidents, options, progress } = yield* Logs.read(log, given)
  const seed = Option.getOrUndefined(given.seed)
  const started = yield* Effect.try({
    try: () =>
      Replay.log(Input.bytes(log), {
        policies,
        incidents,
        random: seed === undefined ? undefined : (policy) => {
          const random = Random.make(seed).fork(policy)
          return () => random.next()
        },
        log: options
      }),
    catch: (error) => Failed.wrong((error as RangeError).message)
  })
  const result = yield* Progress.during(started, Input.nameOf(log), () => progress).pipe(
    Effect.catchTags(Logs.complaints(log))
  )
  if (Object.values(result.calls).every((count) => count === 0)) {
    return yield* Failed.failed(
      `${Input.nameOf(log)}: there is no call in it (lines: ${Words.whole(result.log.lines)})${
        Logs.skipped(result.log)
      }${Logs.hint(result.log)}`
    )
  }
  if (Logs.isMostlyUnread(result.log)) yield* screen.note(`effect-breaker: ${Logs.skips(result.log)[0]}`)
  const runs = result.policies.map(({ policy, timeline }) => ({ name: policy, timeline }))
  const figures = ReplayFigures.rows(result)
  const facts = ReplayFigures.facts(result)
  const bare = given.timelines ? result.policies : result.policies.map(({ timeline: _, ...rest }) => rest)
  const names = result.policies.map(({ policy }) => policy)
  yield* screen.print(
    given.json ? Text.json({ ...result, policies: bare }) : [
      ...facts.concat(Logs.skips(result.log)).map(Text.plain),
      "",
      Table.plain(["", ...names], figures),
      "",
      Pages.strips(runs, "wall", screen),
      ...ReplayFigures.incidents(result).flatMap(({ head, rows, title }) => ["", title, "", Table.plain(head, rows)]),
      "",
      "What this cannot tell:",
      ...result.limits.map((limit) => Text.item(limit))
    ].join("\n")
  )
  yield* Pages.write(given.report, () => ({
    title: `Replay of ${Input.nameOf(log)}`,
    facts: [...facts, ...Logs.skips(result.log)],
    clock: "wall",
    figures,
    runs,
    bands: result.incidents.map(({ circuit, end, start }) => ({
      name: circuit,
      from: start,
      until: end ?? result.until
    })),
    tables: ReplayFigures.incidents(result),
    limits: result.limits
  }))
})
