// Packs the built library, installs it into an empty project beside `effect`, and looks at it as its users will:
// manifest and types, every subpath alone, what must not be importable, what the root pulls in, and the root's size.
import * as esbuild from "esbuild"
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { gzipSync } from "node:zlib"

// The root is to be under 8 KB and is not there yet (docs/decisions/0007-the-size-of-the-root.md): until then it must not
// grow. Lower `most` with every byte won.
const budget = 8192
const most = 14_000

const root = path.resolve(import.meta.dirname, "..")
const manifest = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
const project = fs.mkdtempSync(path.join(os.tmpdir(), "effect-breaker-"))
process.on("exit", () => fs.rmSync(project, { recursive: true, force: true }))

let failures = 0
const check = (what, problem) => {
  console.log(problem === undefined ? `ok    ${what}` : `FAIL  ${what}\n${problem}`)
  if (problem !== undefined) failures++
}

/** Gives what the program printed if it failed. */
const problemOf = (command, args, cwd) => {
  const run = spawnSync(command, args, { cwd, encoding: "utf8" })
  return run.status === 0 ? undefined : `${run.error ?? ""}${run.stdout}${run.stderr}`
}
const must = (command, args, cwd) => {
  const problem = problemOf(command, args, cwd)
  if (problem !== undefined) throw new Error(`${command} ${args.join(" ")}\n${problem}`)
}
const tool = (name) => path.join(root, "node_modules/.bin", name)
const importing = (specifier) =>
  problemOf("node", ["--input-type=module", "-e", `await import("${specifier}")`], project)

must("npm", ["pack", "--ignore-scripts", "--pack-destination", project], root)
const tarball = path.join(project, `${manifest.name}-${manifest.version}.tgz`)
check("publint --strict", problemOf(tool("publint"), ["run", tarball, "--strict"], project))
check("attw --profile esm-only", problemOf(tool("attw"), [tarball, "--profile", "esm-only"], project))

// the tarball, and each peer from our own node_modules: nothing comes from the network
fs.writeFileSync(path.join(project, "package.json"), `{ "name": "consumer", "private": true, "type": "module" }`)
const required = Object.keys(manifest.peerDependencies).filter((peer) => !manifest.peerDependenciesMeta[peer]?.optional)
const peers = required.map((peer) => path.join(root, "node_modules", peer))
must("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball, ...peers], project)
const installed = path.join(project, "node_modules", manifest.name)

const subpaths = Object.keys(manifest.exports).filter((key) => key !== "./package.json").map((key) =>
  manifest.name + key.slice(1)
)
for (const subpath of subpaths) check(`import "${subpath}" on Node ${process.versions.node}`, importing(subpath))

// Without the optional peer that it needs, the command says so.
const command = spawnSync(path.join(project, "node_modules/.bin/effect-breaker"), ["--version"], {
  cwd: project,
  encoding: "utf8"
})
check(
  "the command is installed, runs, and says what it lacks",
  command.status === 1 && /npm install @effect\/platform-node/.test(command.stderr)
    ? undefined
    : `${command.error ?? ""}${command.status} ${command.stdout}${command.stderr}`
)

const consumer = subpaths.map((subpath, index) => `export * as subpath${index} from "${subpath}"`).join("\n")
fs.writeFileSync(path.join(project, "consumer.ts"), consumer)
const options = ["--ignoreConfig", "--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--types", ""]
check("types of every subpath", problemOf(tool("tsc"), [...options, "consumer.ts"], project))

// of every built file: dist/X.js, X.js and X, none of which the exports map lists
const unlisted = fs.readdirSync(path.join(installed, "dist"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".js"))
  .flatMap((name) => [`dist/${name}`, name, name.replace(/\.js$/, "")])
  .map((name) => `${manifest.name}/${name.replaceAll(path.sep, "/")}`)
fs.writeFileSync(
  path.join(project, "unlisted.js"),
  `for (const specifier of ${JSON.stringify(unlisted)}) {
    const code = await import(specifier).then(() => "importable", (error) => error.code)
    if (code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") { console.log(specifier, code); process.exitCode = 1 }
  }`
)
check(`${unlisted.length} unlisted paths are not importable`, problemOf("node", ["unlisted.js"], project))

const bundled = (subpath) =>
  esbuild.build({
    entryPoints: [path.join(installed, manifest.exports[subpath].default)],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    packages: "external",
    metafile: true,
    write: false
  })
const foreignTo = ({ metafile }) =>
  Object.values(metafile.inputs).flatMap(({ imports }) => imports)
    .filter((each) => each.external && !/^effect(\/|$)/.test(each.path))
    .map((each) => each.path)
const bundle = await bundled(".")
const foreign = foreignTo(bundle)
check("the root imports nothing but effect", foreign.length === 0 ? undefined : foreign.join("\n"))
// It is for whichever major of the AI SDK its user has.
const toAiSdk = foreignTo(await bundled("./ai-sdk"))
check("ai-sdk imports nothing but effect", toAiSdk.length === 0 ? undefined : toAiSdk.join("\n"))

const modules = Object.entries(Object.values(bundle.metafile.outputs)[0].inputs)
  .map(([input, { bytesInOutput }]) => `${String(bytesInOutput).padStart(8)} ${path.basename(input)}`)
  .toSorted()
  .toReversed()
const size = gzipSync(bundle.outputFiles[0].contents, { level: 9 }).length
console.log(`${size <= budget ? "ok   " : "MISS "} the root is ${size} bytes minified and gzipped, of ${budget}`)
check(
  `the root is no larger than it was (${most} bytes)`,
  size <= most ? undefined : `${size - most} bytes too many; minified only:\n${modules.join("\n")}`
)

if (failures > 0) process.exitCode = 1
console.log(
  `package: ${subpaths.length} subpaths, ${failures === 0 ? "all checks passed" : `${failures} checks failed`}`
)
