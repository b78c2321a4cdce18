import fs from "node:fs"

for (const folder of process.argv.slice(2)) fs.rmSync(folder, { recursive: true, force: true })
