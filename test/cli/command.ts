/** The command as a person runs it: a process of its own. */
import type { Effect, Scope } from "effect"
import fs from "node:fs"
import path from "node:path"
import { hasScript, type Run, run, type RunOptions } from "../running.ts"

export { hasScript, type Run }

if (!hasScript) console.warn("SKIPPED: /usr/bin/script is missing: nothing gives the command a terminal")

const root = path.join(import.meta.dirname, "../..")
const newest = Math.max(
  ...fs.readdirSync(path.join(root, "src"), { encoding: "utf8", recursive: true })
    .map((name) => fs.statSync(path.join(root, "src", name)).mtimeMs)
)
const built = path.join(root, "dist/cli/Main.js")

// The built command starts in a quarter of the time; where it is older than its source, the source runs.
const node = fs.existsSync(built) && fs.statSync(built).mtimeMs >= newest
  ? ["dist/cli/Main.js"]
  : ["--import", "tsx", "src/cli/Main.ts"]

/** Runs the command over pipes. */
export const command = (args: ReadonlyArray<string>, options?: RunOptions): Effect.Effect<Run, never, Scope.Scope> =>
  run("node", [...node, ...args], options)

/** Runs the command on a terminal, where both outputs come as one. */
export const onTerminal = (args: ReadonlyArray<string>, options?: RunOptions): Effect.Effect<Run, never, Scope.Scope> =>
  run("script", ["-qec", `stty cols 120; exec node ${[...node, ...args].join(" ")}`, "/dev/null"], options)

/** The objects of a run's output, one a line. */
export const events = (text: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  text.trim().split("\n").map((line) => JSON.parse(line))
