// Runs the smoke test of the built library under each supported line of Node, fetched through npx.
import { spawnSync } from "node:child_process"

const failed = [20, 22, 24, 26].filter((version) => {
  const run = spawnSync("npx", ["--yes", "--package", `node@${version}`, "node", "scripts/smoke.mjs"], {
    encoding: "utf8",
    shell: process.platform === "win32"
  })
  const passed = run.status === 0
  console.log(passed ? run.stdout.trim() : `smoke test FAILED on Node ${version}\n${run.stdout}${run.stderr}`)
  return !passed
})
if (failed.length > 0) process.exitCode = 1
