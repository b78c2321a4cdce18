// Runs the tests of the middleware for Vercel's `ai` against the newest major of it, in a project of its own, under the
// newest line of Node that we support: the newest majors do not run on Node 20.
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"

const root = path.resolve(import.meta.dirname, "..")
const node = process.env.NODE_LINE ?? "26"
const packages = ["ai", "@ai-sdk/openai", "@ai-sdk/anthropic"]

const project = fs.mkdtempSync(path.join(os.tmpdir(), "effect-breaker-ai-sdk-"))
process.on("exit", () => fs.rmSync(project, { recursive: true, force: true }))

const must = (command, args, options) => {
  const run = spawnSync(command, args, { stdio: "inherit", shell: process.platform === "win32", ...options })
  if (run.status !== 0) process.exit(run.status ?? 1)
}

const onNode = (args, options) => must("npx", ["--yes", "--package", `node@${node}`, "node", ...args], options)

fs.writeFileSync(path.join(project, "package.json"), `{ "name": "newest", "private": true, "type": "module" }`)
// The package itself, and what it is built with, as they are here.
const latest = packages.map((name) => `${name}@latest`)
must("npm", ["install", "--no-audit", "--no-fund", "--no-save", "--loglevel=error", ...latest], { cwd: project })
const versionOf = (name, from) =>
  JSON.parse(fs.readFileSync(path.join(from, "node_modules", name, "package.json"), "utf8")).version
const [ours, newest] = [root, project].map((from) => versionOf("ai", from))
const isSame = ours.split(".")[0] === newest.split(".")[0]
console.log(`ai ${newest} is the newest; the tests of this package run on ${ours}${isSame ? ", the same major" : ""}`)

// Its types: the middleware fits `wrapLanguageModel`, and its models are candidates for a fallback.
const modules = path.join(project, "node_modules")
for (const name of ["effect-breaker", "effect"]) {
  const target = name === "effect-breaker" ? root : path.join(root, "node_modules", name)
  fs.symlinkSync(target, path.join(modules, name), "junction")
}
fs.writeFileSync(
  path.join(project, "fits.ts"),
  `import { openai } from "@ai-sdk/openai"
import { generateText, wrapLanguageModel } from "ai"
import { breakerMiddleware, provenanceOf } from "effect-breaker/ai-sdk"

const middleware = breakerMiddleware({ fallback: [openai("gpt-5"), { model: openai.chat("gpt-5"), scopes: { key: "a" } }] })
export const model = wrapLanguageModel({ model: openai("gpt-5-mini"), middleware: [middleware] })
export const from = async () => provenanceOf(await generateText({ model, prompt: "Hello" }))?.from
`
)
const strict = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022", "--types", ""]
onNode([path.join(root, "node_modules/@typescript/native/bin/tsc"), "--ignoreConfig", ...strict, "fits.ts"], {
  cwd: project
})

onNode(["node_modules/vitest/vitest.mjs", "run", "test/ai-sdk"], {
  cwd: root,
  env: { ...process.env, AI_SDK: project }
})
