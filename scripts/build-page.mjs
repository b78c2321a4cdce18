// Makes the live page one self-contained text: src/dashboard/page/* -> src/dashboard/Page.generated.ts.
import * as esbuild from "esbuild"
import { createHash } from "node:crypto"
import fs from "node:fs"
import path from "node:path"

const root = path.resolve(import.meta.dirname, "..")
const folder = path.join(root, "src/dashboard/page")
const read = (...names) => fs.readFileSync(path.join(...names), "utf8")

const options = { bundle: true, minify: true, write: false, legalComments: "none", logLevel: "warning" }
const built = async (entry, more) =>
  (await esbuild.build({ ...options, ...more, entryPoints: [path.join(folder, entry)] })).outputFiles[0].text.trim()

// Inside an element the text must not end it: `<\/script` and `<\/style` mean the same to JavaScript and CSS. `<!--`
// would make the parser look for a second `</script`.
const within = (text) => text.replaceAll(/<\/(script|style)/gi, "<\\/$1").replaceAll("<!--", "<\\!--")

const script = within(
  await built("Main.tsx", {
    format: "iife",
    target: ["es2022"],
    charset: "utf8",
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { "process.env.NODE_ENV": `"production"` }
  })
)
const style = within(await built("page.css", { target: ["chrome111", "firefox113", "safari16.4"] }))

const licences = ["preact"].map((name) =>
  `${name} ${JSON.parse(read(root, "node_modules", name, "package.json")).version}\n\n${
    read(root, "node_modules", name, "LICENSE").trim()
  }`
)
if (licences.some((text) => text.includes("--"))) throw new Error("a licence text would end the comment that holds it")

const marks = { LICENCES: licences.join("\n\n"), STYLE: style, SCRIPT: script }
const page = read(folder, "page.html").replaceAll(/\{\{(\w+)\}\}/g, (_, name) => marks[name])
const hash = (text) => createHash("sha256").update(text).digest("base64")

const generated = `// Made by scripts/build-page.mjs from src/dashboard/page.

/** The live page, with all that it needs in it. */
export const page: string = ${JSON.stringify(page)}

/** The base64 of the SHA-256 of the page's one inline script, for a Content-Security-Policy. */
export const scriptHash: string = ${JSON.stringify(hash(script))}

/** The base64 of the SHA-256 of the page's one inline style, for a Content-Security-Policy. */
export const styleHash: string = ${JSON.stringify(hash(style))}
`
fs.writeFileSync(path.join(root, "src/dashboard/Page.generated.ts"), generated)
console.log(`page: ${(page.length / 1024).toFixed(0)} KB, script ${(script.length / 1024).toFixed(0)} KB`)
