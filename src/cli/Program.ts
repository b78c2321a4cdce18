/**
 * The command `effect-breaker` and its subcommands, one module for each.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import { isCliError } from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import fs from "node:fs"
import process from "node:process"
import * as Ending from "./Ending.ts"
import * as Failed from "./Failed.ts"
import * as Provider from "./Provider.ts"
import * as Replay from "./Replay.ts"
import { Screen } from "./Screen.ts"
import * as Simulate from "./Simulate.ts"
import * as Text from "./Text.ts"
import * as Tune from "./Tune.ts"

const effectBreaker = Command.make("effect-breaker").pipe(
  Command.withDescription(
    Text.paragraphs(
      "Tools around effect-breaker, the circuit breaker for programs that call language models.",
      "Exit codes: 0 it did what it was asked; 1 it could not, or found what it was told to fail on; 2 it was asked wrongly;"
        + " 130 it was interrupted (a provider that is ended by Ctrl-C did what it was asked)."
    )
  ),
  Command.withExamples([
    {
      command: "effect-breaker replay calls.jsonl --policy llm",
      description: "What a policy would have done with your calls"
    },
    {
      command: "effect-breaker simulate llm-hard-down",
      description: "An outage on virtual time, under several policies"
    },
    { command: "effect-breaker tune calls.jsonl --out better.json", description: "A better policy for your calls" },
    { command: "effect-breaker provider --script overload", description: "Point an application at an outage" },
    { command: "effect-breaker provider --help", description: "Everything about one command" }
  ]),
  Command.withSubcommands([Replay.command, Simulate.command, Tune.command, Provider.command])
)

/** Runs the command with the arguments of the process, and ends the process with its code. */
export const main = (): void => {
  // Whoever reads the output has had enough, as `head` does.
  for (const output of [process.stdout, process.stderr]) {
    output.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0)
      throw error
    })
  }
  NodeRuntime.runMain(
    Command.runWith(effectBreaker, { version })(process.argv.slice(2)).pipe(
      Effect.tapCause((cause) => {
        const error = Cause.squash(cause)
        if (error instanceof Failed.Failed) return complain(error.message)
        // Whoever meets a bug needs all of it to report it. What was asked wrongly has been told by then.
        return isCliError(error) || Cause.hasInterruptsOnly(cause) ? Effect.void : complain(Cause.pretty(cause))
      }),
      Effect.provide(Layer.mergeAll(
        NodeServices.layer,
        CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
        CliOutput.layerPresenter({ present })
      ))
    ),
    {
      disableErrorReporting: true,
      teardown: (exit, onExit) => onExit(Ending.codeOf(exit))
    }
  )
}

// ---------------------------------------------------------------------------------------------------------------------

const complain = (message: string): Effect.Effect<void> =>
  Effect.flatMap(Screen, (screen) => screen.note(`effect-breaker: ${message}`))

// What is wrong, and where to read on: the help as a whole would push it off the screen.
const present: CliOutput.Presenter["present"] = (event) => {
  if (event._tag === "Help" && event.reason === "Implicit") {
    return Console.error(CliOutput.defaultFormatter({ colors: false }).formatHelpDoc(event.helpDoc))
  }
  if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
  const lines = event.errors.map(({ message }) => `effect-breaker: ${message}`)
  return Console.error(Text.lines([...lines, `See ${event.commandPath.join(" ")} --help`].join("\n")))
}

const version = (JSON.parse(fs.readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}).version
