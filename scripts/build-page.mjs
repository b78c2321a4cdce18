// Makes the live page one self-contained text, src/dashboard/page/* -> src/dashboard/Page.generated.ts, and what the pages of
// reports share: src/replay/page/* -> src/replay/Page.generated.ts.
import * as esbuild from "esbuild"
import { createHash } from "node:crypto"
import fs from "node:fs"
import path from "node:path"

const root = path.resolve(import.meta.dirname, "..")
const folder = path.join(root, "src/dashboard/page")
const read = (...names) => fs.readFileSync(path.join(...names), "utf8")

const options = { bundle: true, minify: true, write: false, legalComments: "none", logLevel: "warning" }
const built = async (entry, more) =>
  (await esbuild.build({ ...options, ...more, entryPoints: [path.join(root, "src", entry)] })).outputFiles[0].text
    .trim()
const targets = { script: ["es2022"], style: ["chrome111", "firefox113", "safari16.4"] }

// Inside an element the text must not end it: `<\/script` and `<\/style` mean the same to JavaScript and CSS. `<!--`
// would make the parser look for a second `</script`.
const within = (text) => text.replaceAll(/<\/(script|style)/gi, "<\\/$1").replaceAll("<!--", "<\\!--")

const script = within(
  await built("dashboard/page/Main.tsx", {
    format: "iife",
    target: targets.script,
    charset: "utf8",
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { "process.env.NODE_ENV": `"production"` }
  })
)
const style = within(await built("dashboard/page/page.css", { target: targets.style }))

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

const cursor = within(await built("replay/page/Cursor.ts", { format: "iife", target: targets.script, charset: "utf8" }))
const sheet = within(await built("replay/page/report.css", { target: targets.style }))
fs.writeFileSync(
  path.join(root, "src/replay/Page.generated.ts"),
  `// Made by scripts/build-page.mjs from src/replay/page.

/** The one script of a report's page. */
export const script: string = ${JSON.stringify(cursor)}

/** The base64 of its SHA-256, for a Content-Security-Policy. */
export const scriptHash: string = ${JSON.stringify(hash(cursor))}

/** The one style of a report's page. */
export const style: string = ${JSON.stringify(sheet)}
`
)
console.log(`reports: script ${(cursor.length / 1024).toFixed(1)} KB, style ${(sheet.length / 1024).toFixed(1)} KB`)
