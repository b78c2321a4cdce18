/**
 * The size of the root: everything it pulls in, `effect` left out, minified and gzipped.
 */
import * as esbuild from "esbuild"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { entry } from "./library.ts"

export const bundleBytes = async (): Promise<number> => {
  const { outputFiles } = await esbuild.build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    packages: "external",
    write: false
  })
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length
}
