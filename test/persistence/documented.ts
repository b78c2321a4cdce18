/** The documented examples of a module of Effect, as they stand in its source, run with one import changed. */
import * as effect from "effect"
import * as ours from "effect-breaker/persistence"
import * as http from "effect/http"
import * as persistence from "effect/persistence"
import { transformSync } from "esbuild"
import fs from "node:fs"

export interface Documented {
  readonly title: string
  /** Runs it, and gives what it showed and what it says that it shows. */
  readonly run: () => Promise<ReadonlyArray<readonly [shown: unknown, said: unknown]>>
}

// All that the examples import. The circuit breaker is ours; the rest of the same module is Effect's.
const modules: Readonly<Record<string, object>> = {
  effect,
  "effect/http": http,
  "effect/persistence": { ...persistence, CircuitBreaker: ours.CircuitBreaker }
}

const AsyncFunction = (async () => {}).constructor as new(
  ...args: ReadonlyArray<string>
) => (modules: object, shows: (shown: unknown, said: unknown) => void) => Promise<void>

const documented = (title: string, code: string): Documented => {
  const shown = code.replaceAll(/^(await .+?) \/\/ => (.+)$/gm, "shows($1, $2)")
  const body = transformSync(shown, { loader: "ts", target: "node20" }).code
    .replaceAll(/^import (\{[^}]*\}) from "([^"]+)";$/gm, (_, names: string, from: string) => {
      if (modules[from] === undefined) throw new Error(`${title} imports ${from}`)
      return `const ${names.replaceAll(" as ", ": ")} = modules["${from}"]`
    })
  const example = new AsyncFunction("modules", "shows", body)
  return {
    title,
    run: async () => {
      const pairs: Array<readonly [unknown, unknown]> = []
      await example(modules, (shown, said) => void pairs.push([shown, said]))
      return pairs
    }
  }
}

/** Those in which a circuit breaker has a part; one that is repeated above several signatures counts once. */
export const documentedIn = (module: string): ReadonlyArray<Documented> => {
  const source = fs.readFileSync(new URL(`../../node_modules/effect/src/${module}.ts`, import.meta.url), "utf8")
  const text = source.replaceAll(/^ *\* ?/gm, "")
  const blocks = text.matchAll(
    /\*\*Example\*\* \(([^)]+)\)(?:(?!\*\*Example)[\s\S])*?```ts import\.meta\.vitest\n([\s\S]*?)```/g
  )
  const found = new Map([...blocks].map(([, title, code]) => [code!, title!]))
  return [...found].filter(([code]) => code.includes("CircuitBreaker")).map(([code, title]) => documented(title, code))
}
