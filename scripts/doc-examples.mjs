// Turns every ```ts block of the documentation into a file under .doc-examples/, for tsc to check and vitest to run.
//
//   ```ts            checked and run; each `console.log(x) // => value` asserts that x deep-equals value
//   ```ts no-run     checked only
//   ```ts no-check   left alone; not allowed in the README
//
// An example keeps its line numbers: line 47 of .doc-examples/README.md.42.test.ts is line 47 of README.md.
import fs from "node:fs"
import path from "node:path"

const out = ".doc-examples"
const problems = []

const filesIn = (folder, extension) =>
  fs.existsSync(folder)
    ? fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(extension))
      .toSorted()
      .map((name) => path.join(folder, name))
    : []

/** The Markdown lines of a file: of a source file only its JSDoc comments, everything else left blank. */
const markdown = (file) => {
  const lines = fs.readFileSync(file, "utf8").split("\n")
  if (file.endsWith(".md")) return lines
  let inComment = false
  return lines.map((line) => {
    if (/^\s*\/\*\*/.test(line)) inComment = true
    const text = inComment ? line.replace(/^\s*(\/\*\*|\*(?!\/)) ?/, "").replace(/\s*\*\/.*$/, "") : ""
    if (line.includes("*/")) inComment = false
    return text
  })
}

/** The fenced blocks of a file, with the line of the opening fence counted from one. */
const blocks = (file) => {
  const found = []
  let open
  for (const [index, line] of markdown(file).entries()) {
    const fence = /^(\s*)(`{3,})\s*(.*?)\s*$/.exec(line)
    if (open === undefined) {
      if (fence) open = { file, line: index + 1, indent: fence[1].length, ticks: fence[2], info: fence[3], code: [] }
    } else if (fence && fence[3] === "" && fence[2].length >= open.ticks.length) {
      found.push(open)
      open = undefined
    } else {
      open.code.push(line.slice(0, open.indent).trim() === "" ? line.slice(open.indent) : line)
    }
  }
  if (open) problems.push(`${file}:${open.line} is never closed`)
  return found
}

/**
 * Replaces each `console.log(x) // => value` with a claim, and lists the lines that claim something. The `// => value`
 * may stand on a line of its own below the call.
 */
const withClaims = (block) => {
  const code = [...block.code]
  const claims = []
  for (const [index, text] of block.code.entries()) {
    if (!/\/\/\s*=>/.test(text)) continue
    const line = block.line + 1 + index
    const last = /^\s*\/\/ => /.test(text) ? index - 1 : index
    const value = /\/\/ => (.+)$/.exec(text)?.[1]
    const call = /^(.*)\)\s*$/.exec((block.code[last] ?? "").replace(/\/\/ => .+$/, ""))?.[1]
    // a call over several lines closes at the indentation it opened at
    const indent = /^\s*/.exec(text)[0]
    const opens = (candidate, at) => at <= last && candidate.startsWith(`${indent}console.log(`)
    const first = call?.trim() === "" ? block.code.findLastIndex(opens) : last
    if (value === undefined || call === undefined || first < 0 || !opens(block.code[first], first)) {
      problems.push(`${block.file}:${line} does not follow a console.log(...): ${text.trim()}`)
      continue
    }
    claims.push(line)
    if (last < index) code[index] = ""
    code[last] = `${call}, ${value})`
    code[first] = code[first].replace("console.log(", `__shows(${line}, `)
  }
  return { code: code.join("\n"), claims }
}

const importStatement = /^import\s(?:[^"']*?\sfrom\s)?["'][^"']+["'];?[^\S\n]*$/gm

/** A test whose body is the example: imports move to the line of the fence, above the body; exports become plain. */
const testFile = (block) => {
  const { claims, code } = withClaims(block)
  const imports = []
  const body = code.replace(importStatement, (statement) => {
    imports.push(statement.replaceAll(/\/\/.*$/gm, "").replaceAll(/\s+/g, " ").replace(/;?\s*$/, ";"))
    return statement.replaceAll(/[^\n]/g, "")
  }).replaceAll(/^export (?=(?:abstract |async )?(?:class|const|function|interface|let|type)\b)/gm, "")
  const title = JSON.stringify(`${block.file}:${block.line}`)
  const harness = JSON.stringify(path.relative(path.dirname(path.join(out, block.file)), "scripts/doc-example.ts"))
  return "\n".repeat(block.line - 1)
    + `import { example as __example } from ${harness}; ${imports.join(" ")} `
    + `__example(${title}, ${JSON.stringify(claims)}, async (__shows) => {\n${body}\n})\n`
}

/** The example as it stands: a module that is checked, never run. */
const moduleFile = (block) => {
  for (const [index, text] of block.code.entries()) {
    if (/\/\/\s*=>/.test(text)) problems.push(`${block.file}:${block.line + 1 + index} claims a result, but never runs`)
  }
  return `${"\n".repeat(block.line)}${block.code.join("\n")}\n`
}

const write = (block, extension, text) => {
  const file = path.join(out, `${block.file}.${block.line}${extension}`)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, text)
}

const count = { run: 0, checked: 0, skipped: 0 }
fs.rmSync(out, { recursive: true, force: true })
fs.mkdirSync(out)
const readme = fs.existsSync("README.md") ? ["README.md"] : []
const sources = [...readme, ...filesIn("docs", ".md"), ...filesIn("src", ".ts")]
for (const block of sources.flatMap(blocks)) {
  if (block.info === "ts") {
    write(block, ".test.ts", testFile(block))
    count.run++
  } else if (block.info === "ts no-run") {
    write(block, ".ts", moduleFile(block))
    count.checked++
  } else if (block.info === "ts no-check" && block.file !== "README.md") {
    count.skipped++
  } else if (/^(ts|tsx|mts|typescript|js|jsx|mjs|javascript)\b/.test(block.info)) {
    problems.push(
      `${block.file}:${block.line} is marked \`${block.info}\`: use ts, ts no-run or (outside the README) ts no-check`
    )
  }
}
for (const problem of problems) console.error(problem)
console.log(`documentation examples: ${count.run} to run, ${count.checked} to check only, ${count.skipped} left alone`)
if (problems.length > 0) process.exitCode = 1
