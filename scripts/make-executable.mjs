// What the compiler writes cannot be run as a command.
import fs from "node:fs"
import path from "node:path"

const root = path.resolve(import.meta.dirname, "..")
const { bin } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
for (const file of Object.values(bin)) fs.chmodSync(path.join(root, file), 0o755)
