/** Programs of this repository as real processes, over pipes, and on a terminal where `script` gives them one. */
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import fs from "node:fs"
import path from "node:path"

const root = path.join(import.meta.dirname, "..")

/** Whether there is something that gives a program a terminal. */
export const hasScript = process.platform === "linux" && fs.existsSync("/usr/bin/script")

export interface Run {
  /** What it has printed so far. */
  readonly out: () => string
  readonly err: () => string
  /** Waits until it has printed this. */
  readonly prints: (text: RegExp) => Effect.Effect<string>
  readonly types: (text: string) => Effect.Effect<void>
  readonly signals: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly exitCode: Effect.Effect<number | null>
}

export interface RunOptions {
  /** What is there on its standard input, which then ends. Without it, the input stays open. */
  readonly input?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** Starts a program of this repository. The scope's end ends it. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  { env, input }: RunOptions = {}
): Effect.Effect<Run, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        // A group of its own: `npm` and `script` start others, which must end with them.
        const child = spawn(command, args, {
          cwd: root,
          detached: true,
          env: { ...process.env, NO_COLOR: "1", ...env }
        })
        if (input !== undefined) child.stdin.end(input)
        const said = { out: "", err: "" }
        let wake = () => {}
        child.stdout.setEncoding("utf8").on("data", (part: string) => {
          said.out += part
          wake()
        })
        child.stderr.setEncoding("utf8").on("data", (part: string) => said.err += part)
        const closed = new Promise<number | null>((resolve) => child.once("close", resolve))
        return { child, closed, said, waiting: (wakes: () => void) => wake = wakes }
      }),
      ({ child, closed }) =>
        Effect.promise(() => {
          if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, "SIGKILL")
          return closed
        })
    ),
    ({ child, closed, said, waiting }) => ({
      out: () => said.out,
      err: () => said.err,
      exitCode: Effect.promise(() => closed),
      signals: (signal) => Effect.sync(() => process.kill(child.pid!, signal)),
      types: (text) => Effect.sync(() => child.stdin.write(text)),
      prints: (text) =>
        Effect.callback<string>((resume) => {
          const look = () => {
            const found = text.exec(said.out)?.[0]
            if (found !== undefined) resume(Effect.succeed(found))
          }
          waiting(look)
          look()
          child.once("close", () => resume(Effect.die(new Error(`never printed ${text}:\n${said.out}\n${said.err}`))))
        })
    })
  )
