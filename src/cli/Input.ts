/**
 * What a command reads: a file, or the standard input where the file is `-`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Failed from "./Failed.ts"

/** What reading needs. */
export type Reads = FileSystem.FileSystem | Stdio.Stdio

/** How errors call a file. */
export const nameOf = (file: string): string => file === "-" ? "standard input" : file

/** The whole text of a file. */
export const text = (file: string): Effect.Effect<string, Failed.Failed, Reads> =>
  Effect.flatMap(
    Effect.all([FileSystem.FileSystem, Stdio.Stdio]),
    ([files, { stdin }]) => file === "-" ? Stream.mkString(Stream.decodeText(stdin)) : files.readFileString(file)
  ).pipe(Effect.mapError((error) => Failed.wrong(`cannot read ${nameOf(file)}: ${reasonOf(error)}`)))

/** The bytes of a file, as they come. */
export const bytes = (
  file: string
): Stream.Stream<Uint8Array, Failed.Failed, Reads> =>
  Stream.unwrap(
    Effect.map(
      Effect.all([FileSystem.FileSystem, Stdio.Stdio]),
      ([files, { stdin }]) => file === "-" ? stdin : files.stream(file, { chunkSize: 262_144 })
    )
  ).pipe(Stream.mapError((error) => Failed.wrong(`cannot read ${nameOf(file)}: ${reasonOf(error)}`)))

/** The JSON in a text, or an error that says at which line it is none. */
export const json = (text: string, file: string): Effect.Effect<unknown, Failed.Failed> =>
  Effect.try({
    try: () => JSON.parse(text) as unknown,
    catch: (error) => {
      const said = (error as Error).message
      const told = /at position (\d+)/.exec(said)?.[1]
      const position = told === undefined ? /end of JSON/.test(said) ? text.trimEnd().length : undefined : Number(told)
      const place = position === undefined ? "" : `:${placeOf(text, position)}`
      const why = said.replace(/ in JSON at position.*$/, "").replace(/ \(line .*$/, "")
      return Failed.wrong(`${nameOf(file)}${place}: no JSON: ${why}`)
    }
  })

/** Why a file cannot be read or written, in words. */
export const reasonOf = (error: { readonly message: string; readonly reason?: unknown }): string => {
  const { _tag: tag, cause } = Object(error.reason) as { readonly _tag?: unknown; readonly cause?: unknown }
  const { code } = Object(cause) as { readonly code?: unknown }
  if (code === "EISDIR" || /EISDIR/.test(error.message)) return "it is a directory"
  if (code === "ENOTDIR") return "a part of its path is no directory"
  return tag === "NotFound"
    ? "there is no such file"
    : tag === "PermissionDenied"
    ? "permission denied"
    : error.message
}

// ---------------------------------------------------------------------------------------------------------------------

const placeOf = (text: string, position: number): string => {
  const lines = text.slice(0, position).split("\n")
  return `${lines.length}:${lines.at(-1)!.length + 1}`
}
