/**
 * The library as it is published: `dist`, not `src`. Under tsx the package's own name stands for `src` (the `paths` of
 * tsconfig.json), compiled by esbuild with extra calls in it, so the built entry is loaded by its address. The types
 * are the same either way.
 */
import type * as Library from "effect-breaker"
import type * as ControlLibrary from "effect-breaker/control"
import type * as LlmLibrary from "effect-breaker/llm"
import type * as MetricsLibrary from "effect-breaker/metrics"
import type * as PromiseLibrary from "effect-breaker/promise"
import type * as RedisLibrary from "effect-breaker/redis"
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import os from "node:os"

export type { Breaker as Breakers, BreakerMap as BreakerMaps, TripPolicy as TripPolicies } from "effect-breaker"
export type { LlmOutcome as LlmOutcomes } from "effect-breaker/llm"

const root = new URL("../", import.meta.url)
const read = (file: string): string => fs.readFileSync(new URL(file, root), "utf8")
const manifest = JSON.parse(read("package.json")) as {
  readonly version: string
  readonly exports: Readonly<
    Record<"." | "./control" | "./llm" | "./metrics" | "./promise" | "./redis", { readonly default: string }>
  >
}

/** The built entry of the package. */
export const entry = new URL(manifest.exports["."].default, root)

const library = await import(entry.href) as typeof Library
export const { Breaker, BreakerMap, CallWindow, Circuit, Outcome, TripPolicy, withBreaker } = library

const subpath = (name: Exclude<keyof typeof manifest.exports, ".">): Promise<unknown> =>
  import(new URL(manifest.exports[name].default, root).href)
export const { LlmOutcome } = await subpath("./llm") as typeof LlmLibrary
export const { Registry } = await subpath("./control") as typeof ControlLibrary
export const { BreakerMetrics } = await subpath("./metrics") as typeof MetricsLibrary
export const { Breaker: PromiseBreaker, BreakerMap: PromiseBreakerMap } = await subpath(
  "./promise"
) as typeof PromiseLibrary
export const { SharedBreaker } = await subpath("./redis") as typeof RedisLibrary

/** Fails unless the code that runs is, to the letter, the text of the files in `dist`. */
const prove = (): number => {
  const functions: ReadonlyArray<readonly [string, (...args: never) => unknown]> = [
    ["Breaker", Breaker.make],
    ["BreakerMap", BreakerMap.make],
    ["CallWindow", CallWindow.lastDuration],
    ["Circuit", Circuit.admit],
    ["Circuit", Circuit.settle],
    ["TripPolicy", TripPolicy.failureRate],
    ["llm/LlmOutcome", LlmOutcome.fromError],
    ["metrics/BreakerMetrics", BreakerMetrics.layer],
    ["promise/Breaker", PromiseBreaker.make],
    ["redis/SharedBreaker", SharedBreaker.make]
  ]
  for (const [module, value] of functions) {
    if (!fs.readFileSync(new URL(`${module}.js`, entry), "utf8").includes(String(value))) {
      throw new Error(`what was loaded of ${module} is not the text of ${new URL(`${module}.js`, entry).pathname}`)
    }
  }
  return functions.length
}

const newest = (folder: URL, suffix: RegExp): number =>
  Math.max(
    ...fs.readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => suffix.test(name))
      .map((name) => fs.statSync(new URL(name, folder)).mtimeMs)
  )

const git = (...args: ReadonlyArray<string>): string => {
  try {
    return execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
  } catch {
    return ""
  }
}

const proven = prove()

/** What was measured, for the head of the report. */
export const measured = {
  entry: manifest.exports["."].default,
  version: manifest.version,
  commit: git("rev-parse", "--short", "HEAD") || "unknown",
  changed: git("status", "--porcelain", "--", "src") !== "",
  stale: newest(new URL("src/", root), /\.ts$/) > newest(new URL("./", entry), /\.js$/),
  proof: `${proven} loaded functions are the text of the files in dist`
}

const versionOf = (name: string): string =>
  (JSON.parse(read(`node_modules/${name}/package.json`)) as { readonly version: string }).version

export const peers = Object.fromEntries(["effect", "cockatiel", "opossum"].map((name) => [name, versionOf(name)]))

const cpus = os.cpus()

/** What it runs on. */
export const machine = {
  node: process.version,
  v8: process.versions.v8,
  cpus: cpus.length,
  cpu: cpus[0]?.model.trim() ?? "unknown",
  date: new Date().toISOString()
}

/** The first lines of a report: what was measured, against whom, on what. */
export const head: ReadonlyArray<string> = [
  `effect-breaker ${measured.version}, ${measured.entry}`,
  `  commit ${measured.commit}${measured.changed ? ", src changed since" : ""}${
    measured.stale ? "; OLDER THAN src: run npm run build" : ""
  }; ${measured.proof}`,
  `against ${Object.entries(peers).map(([name, version]) => `${name} ${version}`).join(", ")}`,
  `Node ${machine.node} (V8 ${machine.v8}), ${machine.cpus} CPUs, ${machine.cpu}`
]
