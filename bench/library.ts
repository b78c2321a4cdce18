/**
 * The library as it is published: `dist`, not `src`. Under tsx the package's own name stands for `src` (the `paths` of
 * tsconfig.json), compiled by esbuild with extra calls in it, so the built entry is loaded by its address. The types
 * are the same either way.
 */
import type * as Library from "effect-breaker"
import type * as LlmLibrary from "effect-breaker/llm"
import { execFileSync } from "node:child_process"
import fs from "node:fs"

export type { Breaker as Breakers, BreakerMap as BreakerMaps, TripPolicy as TripPolicies } from "effect-breaker"
export type { LlmOutcome as LlmOutcomes } from "effect-breaker/llm"

const root = new URL("../", import.meta.url)
const read = (file: string): string => fs.readFileSync(new URL(file, root), "utf8")
const manifest = JSON.parse(read("package.json")) as {
  readonly version: string
  readonly exports: Readonly<Record<"." | "./llm", { readonly default: string }>>
}

/** The built entry of the package. */
export const entry = new URL(manifest.exports["."].default, root)

const library = await import(entry.href) as typeof Library
export const { Breaker, BreakerMap, CallWindow, Circuit, TripPolicy, withBreaker } = library

const llm = await import(new URL(manifest.exports["./llm"].default, root).href) as typeof LlmLibrary
export const { LlmOutcome } = llm

/** Fails unless the code that runs is, to the letter, the text of the files in `dist`. */
const prove = (): number => {
  const functions: ReadonlyArray<readonly [string, (...args: never) => unknown]> = [
    ["Breaker", Breaker.make],
    ["BreakerMap", BreakerMap.make],
    ["CallWindow", CallWindow.lastDuration],
    ["Circuit", Circuit.admit],
    ["Circuit", Circuit.settle],
    ["TripPolicy", TripPolicy.failureRate],
    ["llm/LlmOutcome", LlmOutcome.fromError]
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
