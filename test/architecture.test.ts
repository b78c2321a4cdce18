import { describe, expect, it } from "@effect/vitest"
import fs from "node:fs"
import path from "node:path"

// ---------------------------------------------------------------------------------------------------------------------
// The rules, as data
// ---------------------------------------------------------------------------------------------------------------------

/** A root module imports lower ranks only: never its own rank, never a folder. */
const ranks: ReadonlyArray<ReadonlyArray<string>> = [
  ["internal/Setting"],
  ["Outcome", "internal/Exact"],
  ["CallWindow"],
  ["TripPolicy"],
  ["Evidence"],
  ["Rules"],
  ["State"],
  ["Move", "internal/Checking"],
  ["Circuit"],
  ["CircuitRejected"],
  ["Classify", "OpenDuration", "Snapshot"],
  ["Event", "Execute", "Settings"],
  ["Registry"],
  ["Trace"],
  ["Guarded"],
  ["Breaker"],
  ["BreakerMap", "BreakerStream", "Fallback"]
]

/** What a folder may import beside its own modules and the root's. */
const folderImports: Readonly<Record<string, ReadonlyArray<string>>> = {
  "ai-sdk": ["llm"],
  cli: ["replay", "testing"],
  dashboard: ["control"],
  http: ["llm"],
  replay: ["llm"],
  testing: ["chaos"]
}

/** Folders that nobody imports: commands. */
const commands = ["cli"]

/** The machine, which is everything up to Circuit: no Effect runtime, no clock, no randomness. */
const pureModules = ranks.slice(0, ranks.findIndex((names) => names.includes("Circuit")) + 1).flat()
const pureImports = ["effect/Duration", "effect/Formatter", "effect/Schema"]

const forbiddenCalls: ReadonlyArray<RegExp> = [
  /\bDate\.now\b/,
  /\bnew Date\(\)/,
  /\bset(?:Timeout|Interval|Immediate)\s*\(/,
  /\bMath\.random\b/,
  /\bperformance\.now\b/,
  /\bprocess\.hrtime\b/
]

const forbiddenNames = ["utils", "util", "helpers", "helper", "types", "common", "misc"]
const maximumLinesOfCode = 300

// ---------------------------------------------------------------------------------------------------------------------
// Reading modules
// ---------------------------------------------------------------------------------------------------------------------

/** Paths relative to src, with slashes, and what the files hold. */
type Files = Readonly<Record<string, string>>

/** The source without its comments, line for line. */
const withoutComments = (source: string): string =>
  source.replaceAll(
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/.*|\/\*[\s\S]*?\*\//g,
    (token) => token.startsWith("/") ? token.replaceAll(/[^\n]/g, "") : token
  )

interface Import {
  readonly clause: string
  readonly specifier: string
}

/** Every import and re-export, type-only and dynamic ones too. */
const importsOf = (source: string): ReadonlyArray<Import> => {
  const code = withoutComments(source)
  const statements = code.matchAll(/^\s*(?:import|export)\b(?:([\w\s*{},$]*?)\bfrom)?\s*["']([^"'\n]+)["']/gm)
  const calls = code.matchAll(/\bimport\s*\(\s*()["'`]([^"'`\n]+)["'`]/g)
  return [...statements, ...calls].map((match) => ({ clause: match[1] ?? "", specifier: match[2]! }))
}

const isOurs = (specifier: string): boolean => specifier.startsWith(".") || /^effect-breaker(?:\/|$)/.test(specifier)

const localImports = (files: Files, file: string): ReadonlyArray<string> => {
  const specifiers = importsOf(files[file]!).map(({ specifier }) => specifier).filter(isOurs)
  return [...new Set(specifiers)].map((specifier) =>
    specifier.startsWith(".") ? path.posix.join(path.posix.dirname(file), specifier) : specifier
  )
}

const externalImports = (files: Files, file: string): ReadonlyArray<Import> =>
  importsOf(files[file]!).filter(({ specifier }) => !isOurs(specifier))

const moduleName = (file: string): string => file.replace(/\.ts$/, "")

/** The subpath folder a file lives in; root modules and those of internal/ live in none. */
const folderOf = (file: string): string | undefined => {
  const folder = file.includes("/") ? file.slice(0, file.indexOf("/")) : undefined
  return folder === "internal" ? undefined : folder
}

const rootModules = (files: Files): ReadonlyArray<string> =>
  Object.keys(files).filter((file) => folderOf(file) === undefined)

// ---------------------------------------------------------------------------------------------------------------------
// The checks: each gives one sentence per violation
// ---------------------------------------------------------------------------------------------------------------------

const directionViolation = (file: string, target: string): string | undefined => {
  const [from, to] = [folderOf(file), folderOf(target)]
  if (from === undefined) {
    if (to !== undefined) return "which lives in a folder"
    const rankOf = (of: string) => ranks.findIndex((names) => names.includes(moduleName(of)))
    if (file === "index.ts") return rankOf(target) < 0 || target.includes("/") ? "which is not public" : undefined
    return rankOf(target) < rankOf(file) ? undefined : "which does not rank lower"
  }
  const allowed = to === undefined || to === from || folderImports[from]?.includes(to) === true
  return allowed ? undefined : "which lives in a folder it may not import"
}

const checkDirection = (files: Files): ReadonlyArray<string> => {
  const ranked = new Set(ranks.flat())
  const strangers = rootModules(files).filter((file) => file !== "index.ts" && !ranked.has(moduleName(file)))
  return [
    ...strangers.map((file) => `${file} has no rank`),
    ...Object.keys(files).flatMap((file) =>
      localImports(files, file).flatMap((target) => {
        const why = path.posix.basename(target) === "index.ts" || target.startsWith("effect-breaker")
          ? "which is a barrel"
          // What the build makes is not among the sources.
          : files[target] === undefined && !target.endsWith(".generated.ts")
          ? "which does not exist"
          : directionViolation(file, target)
        return why === undefined ? [] : [`${file} imports ${target}, ${why}`]
      })
    )
  ]
}

const checkCycles = (files: Files): ReadonlyArray<string> => {
  const done = new Set<string>()
  const visit = (file: string, trail: ReadonlyArray<string>): ReadonlyArray<string> => {
    if (trail.includes(file)) return [[...trail.slice(trail.indexOf(file)), file].join(" -> ")]
    if (done.has(file) || files[file] === undefined) return []
    const found = localImports(files, file).flatMap((target) => visit(target, [...trail, file]))
    done.add(file)
    return found
  }
  return Object.keys(files).flatMap((file) => visit(file, []))
}

const checkPure = (files: Files): ReadonlyArray<string> =>
  Object.keys(files).filter((file) => pureModules.includes(moduleName(file))).flatMap((file) =>
    externalImports(files, file).filter(({ specifier }) => !pureImports.includes(specifier)).map(({ specifier }) =>
      `${file} imports ${specifier}, and the core is pure`
    )
  )

/** The stability tags of a module's exports, by name. A name can carry several, as a type and as a value. */
const stabilityOf = (source: string): ReadonlyMap<string, ReadonlyArray<string>> => {
  const declarations = source.matchAll(
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export (?:declare |abstract )*(?:const|let|function|class|interface|type|namespace) (\w+)/g
  )
  const tags = new Map<string, ReadonlyArray<string>>()
  for (const [, comment, name] of declarations) {
    const tag = /@stability (\w+)/.exec(comment!)?.[1]
    if (tag !== undefined) tags.set(name!, [...tags.get(name!) ?? [], tag])
  }
  return tags
}

/** What a module takes from an import: the members of a namespace it touches, or the names it lists. */
const namesUsed = (source: string, { clause }: Import): ReadonlyArray<string> => {
  const namespace = /\*\s+as\s+(\w+)/.exec(clause)?.[1]
  return namespace === undefined
    ? [...clause.replace(/^\s*type\b/, "").matchAll(/(?:type\s+)?(\w+)(?:\s+as\s+\w+)?/g)].map((match) => match[1]!)
    : [...withoutComments(source).matchAll(new RegExp(`\\b${namespace}\\.(\\w+)`, "g"))].map((match) => match[1]!)
}

const checkStability = (
  files: Files,
  effectModule: (name: string) => string | undefined
): ReadonlyArray<string> =>
  rootModules(files).flatMap((file) =>
    externalImports(files, file).flatMap((imported) => {
      const { specifier } = imported
      const name = /^effect\/(\w+)$/.exec(specifier)?.[1]
      if (name === undefined) return [`${file} imports ${specifier}, which is not a top-level module of Effect`]
      const source = effectModule(name)
      if (source === undefined) return [`${file} imports ${specifier}, which Effect does not have`]
      if (!source.includes("@stability stable")) return [`${file} imports ${specifier}, which is not stable`]
      const stability = stabilityOf(source)
      return [...new Set(namesUsed(files[file]!, imported))].flatMap((member) => {
        const tags = stability.get(member)
        return tags === undefined || tags.includes("stable")
          ? []
          : [`${file} uses ${specifier} ${member}, which is ${tags[0]}`]
      })
    })
  )

const checkCalls = (files: Files): ReadonlyArray<string> =>
  Object.entries(files).flatMap(([file, source]) =>
    withoutComments(source).split("\n").flatMap((line, index) =>
      forbiddenCalls.filter((call) => call.test(line)).map((call) =>
        `${file}:${index + 1} says ${call.exec(line)![0]}, and time and randomness come from Effect`
      )
    )
  )

const checkSizes = (files: Files): ReadonlyArray<string> =>
  Object.entries(files).flatMap(([file, source]) => {
    const lines = withoutComments(source).split("\n").filter((line) => line.trim() !== "").length
    return lines > maximumLinesOfCode ? [`${file} has ${lines} lines of code, more than ${maximumLinesOfCode}`] : []
  })

const checkNames = (files: Files): ReadonlyArray<string> =>
  Object.keys(files).filter((file) =>
    moduleName(file).toLowerCase().split("/").some((segment) => forbiddenNames.includes(segment))
  ).map((file) => `${file} has a name that says nothing`)

const checkExports = (files: Files, exports: Readonly<Record<string, unknown>>): ReadonlyArray<string> => {
  const barrels = Object.keys(files).filter((file) => /^(?:[^/]+\/)?index\.ts$/.test(file))
  const expected: Record<string, unknown> = { "./package.json": "./package.json" }
  for (const barrel of barrels) {
    const folder = path.posix.dirname(barrel)
    const built = `./dist/${moduleName(barrel)}`
    expected[folder === "." ? "." : `./${folder}`] = { types: `${built}.d.ts`, default: `${built}.js` }
  }
  const folders = new Set(Object.keys(files).map(folderOf).filter((folder) => folder !== undefined))
  return [
    ...[...folders].filter((folder) => !commands.includes(folder) && !barrels.includes(`${folder}/index.ts`)).map((
      folder
    ) => `${folder}/ has no index.ts`),
    ...barrels.filter((barrel) => commands.includes(folderOf(barrel) ?? "")).map((barrel) =>
      `${barrel} makes a command importable`
    ),
    ...barrels.filter((barrel) => barrel.startsWith("internal/")).map((barrel) => `${barrel} makes internals public`),
    ...Object.keys(expected).filter((key) => !(key in exports)).map((key) => `${key} is not exported`),
    ...Object.keys(exports).filter((key) => !(key in expected)).map((key) => `${key} is exported but not in src`),
    ...Object.keys(exports).filter((key) =>
      key in expected && JSON.stringify(exports[key]) !== JSON.stringify(expected[key])
    ).map((key) => `${key} should be ${JSON.stringify(expected[key])}`)
  ]
}

// ---------------------------------------------------------------------------------------------------------------------

const root = path.join(import.meta.dirname, "..")

const files: Files = Object.fromEntries(
  fs.readdirSync(path.join(root, "src"), { encoding: "utf8", recursive: true })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".generated.ts"))
    .map((name) => [name.replaceAll(path.sep, "/"), fs.readFileSync(path.join(root, "src", name), "utf8")])
)

const effectModule = (name: string): string | undefined => {
  const file = path.join(root, "node_modules/effect/src", `${name}.ts`)
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined
}

describe("src", () => {
  it("imports downwards only", () => expect(checkDirection(files)).toEqual([]))

  it("has no cycles", () => expect(checkCycles(files)).toEqual([]))

  it("keeps the core pure", () => expect(checkPure(files)).toEqual([]))

  it("leans on nothing unstable in the root", () => expect(checkStability(files, effectModule)).toEqual([]))

  it("takes time and randomness from Effect", () => expect(checkCalls(files)).toEqual([]))

  it("keeps modules short", () => expect(checkSizes(files)).toEqual([]))

  it("gives names that say something", () => expect(checkNames(files)).toEqual([]))

  it("exports what it holds, and nothing else", () => {
    const { exports } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
    expect(checkExports(files, exports)).toEqual([])
  })
})

describe("the checks themselves", () => {
  it("read every kind of import, and no comment or string", () => {
    const source = [
      "import \"./SideEffect.ts\"",
      "import Default, { a as b } from './Default.ts'",
      "import type {",
      "  A,",
      "  B",
      "} from \"./Types.ts\"",
      "export * as Outcome from \"./Outcome.ts\"",
      "export type { C } from \"./C.ts\"",
      "const lazy = () => import(\"./Lazy.ts\")",
      "// import \"./Comment.ts\"",
      "/* import \"./Block.ts\" */ const url = \"https://example.com\" // import('./Trailing.ts')",
      "export const from = \"./Value.ts\""
    ].join("\n")
    expect(importsOf(source).map(({ specifier }) => specifier)).toEqual([
      "./SideEffect.ts",
      "./Default.ts",
      "./Types.ts",
      "./Outcome.ts",
      "./C.ts",
      "./Lazy.ts"
    ])
  })

  it("find imports that do not go down", () => {
    const importing = (...targets: ReadonlyArray<string>) => targets.map((target) => `import "${target}"`).join("\n")
    expect(checkDirection({
      "Outcome.ts": importing("./TripPolicy.ts"),
      "TripPolicy.ts": importing("./Outcome.ts", "./CallWindow.ts"),
      "Circuit.ts": "import type * as llm from \"./llm/Preset.ts\"",
      "Breaker.ts": importing("./index.ts", "effect-breaker/llm"),
      "BreakerMap.ts": importing("./Breaker.ts", "./BreakerStream.ts"),
      "BreakerStream.ts": importing("./CircuitRejected.ts"),
      "CircuitRejected.ts": importing("./Circuit.ts"),
      "Stranger.ts": "",
      "internal/Setting.ts": "",
      "index.ts": importing("./Breaker.ts", "./internal/Setting.ts", "./llm/Preset.ts"),
      "llm/Preset.ts": importing("../Breaker.ts", "../chaos/Chaos.ts"),
      "http/Client.ts": importing("../llm/Preset.ts", "../internal/Setting.ts"),
      "chaos/Chaos.ts": "",
      "testing/Provider.ts": importing("../chaos/Chaos.ts", "../llm/Preset.ts"),
      "testing/index.ts": importing("./Provider.ts")
    })).toEqual([
      "Stranger.ts has no rank",
      "Outcome.ts imports TripPolicy.ts, which does not rank lower",
      "TripPolicy.ts imports CallWindow.ts, which does not exist",
      "Circuit.ts imports llm/Preset.ts, which lives in a folder",
      "Breaker.ts imports index.ts, which is a barrel",
      "Breaker.ts imports effect-breaker/llm, which is a barrel",
      "BreakerMap.ts imports BreakerStream.ts, which does not rank lower",
      "index.ts imports internal/Setting.ts, which is not public",
      "index.ts imports llm/Preset.ts, which lives in a folder",
      "llm/Preset.ts imports chaos/Chaos.ts, which lives in a folder it may not import",
      "testing/Provider.ts imports llm/Preset.ts, which lives in a folder it may not import"
    ])
  })

  it("find cycles", () => {
    expect(checkCycles({
      "llm/A.ts": "import \"./B.ts\"",
      "llm/B.ts": "import type { C } from \"./C.ts\"",
      "llm/C.ts": "export * from \"./B.ts\"",
      "llm/D.ts": "import \"./A.ts\""
    })).toEqual(["llm/B.ts -> llm/C.ts -> llm/B.ts"])
  })

  it("find the runtime in the core", () => {
    expect(checkPure({
      "Circuit.ts": "import * as Duration from \"effect/Duration\"\nimport type * as Clock from \"effect/Clock\"",
      "Outcome.ts": "import { Schema } from \"effect\"",
      "Breaker.ts": "import * as Effect from \"effect/Effect\""
    })).toEqual([
      "Circuit.ts imports effect/Clock, and the core is pure",
      "Outcome.ts imports effect, and the core is pure"
    ])
  })

  it("find what is not stable in the root", () => {
    expect(checkStability({
      "Breaker.ts": [
        "import { Effect } from \"effect\"",
        "import * as HttpClient from \"effect/http/HttpClient\"",
        "import * as LayerMap from \"effect/LayerMap\"",
        "import type * as Nothing from \"effect/Nothing\"",
        "import { readFileSync } from \"node:fs\"",
        "import * as Stream from \"effect/Stream\"",
        "import { counter, type Registration } from \"effect/Metric\"",
        "export const plan = Stream.withExecutionPlan(Stream.empty) // Stream.limitBytes"
      ].join("\n"),
      "http/Client.ts": "import * as HttpClient from \"effect/http/HttpClient\""
    }, effectModule)).toEqual([
      "Breaker.ts imports effect, which is not a top-level module of Effect",
      "Breaker.ts imports effect/http/HttpClient, which is not a top-level module of Effect",
      "Breaker.ts imports effect/LayerMap, which is not stable",
      "Breaker.ts imports effect/Nothing, which Effect does not have",
      "Breaker.ts imports node:fs, which is not a top-level module of Effect",
      "Breaker.ts uses effect/Stream withExecutionPlan, which is unstable",
      "Breaker.ts uses effect/Metric Registration, which is unstable"
    ])
  })

  it("find clocks and dice, outside comments only", () => {
    const says = (call: string) => `says ${call}, and time and randomness come from Effect`
    expect(checkCalls({
      "A.ts": "// Date.now()\nconst a = Date.now()\n/* Math.random() */ const b = `${Math.random()}`",
      "llm/B.ts":
        "setTimeout(() => {}, 1)\nglobalThis.setInterval(f)\nperformance.now()\nprocess.hrtime.bigint()\nnew Date()",
      "C.ts": "new Date(0)\nconst Math = { randomize: 1 }"
    })).toEqual([
      `A.ts:2 ${says("Date.now")}`,
      `A.ts:3 ${says("Math.random")}`,
      `llm/B.ts:1 ${says("setTimeout(")}`,
      `llm/B.ts:2 ${says("setInterval(")}`,
      `llm/B.ts:3 ${says("performance.now")}`,
      `llm/B.ts:4 ${says("process.hrtime")}`,
      `llm/B.ts:5 ${says("new Date()")}`
    ])
  })

  it("find modules that are too long, and count code only", () => {
    expect(checkSizes({
      "Long.ts": "f()\n".repeat(maximumLinesOfCode + 1),
      "Documented.ts": "f()\n".repeat(maximumLinesOfCode) + "\n// comment\n/**\n * more\n */\n"
    })).toEqual([`Long.ts has ${maximumLinesOfCode + 1} lines of code, more than ${maximumLinesOfCode}`])
  })

  it("find names that say nothing", () => {
    expect(checkNames({ "utils.ts": "", "llm/Helpers.ts": "", "common/A.ts": "", "llm/CommonPrefix.ts": "" })).toEqual([
      "utils.ts has a name that says nothing",
      "llm/Helpers.ts has a name that says nothing",
      "common/A.ts has a name that says nothing"
    ])
  })

  it("find exports and folders without each other", () => {
    const sources: Files = {
      "index.ts": "",
      "internal/index.ts": "",
      "llm/index.ts": "",
      "chaos/Chaos.ts": "",
      "cli/Main.ts": "",
      "http/index.ts": ""
    }
    expect(checkExports(sources, {
      ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
      "./package.json": "./package.json",
      "./http": "./dist/http/index.js",
      "./internal": { types: "./dist/internal/index.d.ts", default: "./dist/internal/index.js" },
      "./Circuit": "./dist/Circuit.js"
    })).toEqual([
      "chaos/ has no index.ts",
      "internal/index.ts makes internals public",
      "./llm is not exported",
      "./Circuit is exported but not in src",
      "./http should be {\"types\":\"./dist/http/index.d.ts\",\"default\":\"./dist/http/index.js\"}"
    ])
  })
})
