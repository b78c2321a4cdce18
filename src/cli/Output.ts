/**
 * The files that a command writes: never one that it reads.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Failed from "./Failed.ts"
import * as Input from "./Input.ts"
import { Screen } from "./Screen.ts"

/** A file, and the option that names it. */
export type Named = readonly [option: string, file: string | Option.Option<string> | undefined]

/** Fails where a file that is to be written is one of those that are read, or is written twice, by whatever name. */
export const check = Effect.fnUntraced(function*(writes: ReadonlyArray<Named>, reads: ReadonlyArray<Named>) {
  const seen: Array<readonly [what: string, ids: ReadonlyArray<string>]> = []
  for (const [i, [option, given]] of [...reads, ...writes].entries()) {
    const file = fileOf(given)
    if (file === undefined) continue
    const isWritten = i >= reads.length
    const ids = yield* idsOf(file)
    // Of what is read, it may be a name that is no file's.
    if (ids === undefined && !isWritten) continue
    const other = isWritten ? seen.find(([, known]) => known.some((id) => (ids ?? [file]).includes(id))) : undefined
    if (other !== undefined) {
      return yield* Failed.wrong(`${option} ${file}: that is the file of ${other[0]}, and it would be overwritten`)
    }
    seen.push([option, ids ?? [file]])
  }
})

/** Writes a file, and says so. */
export const write = Effect.fnUntraced(function*(file: string, text: string, what: string) {
  const files = yield* FileSystem.FileSystem
  yield* Effect.mapError(
    files.writeFileString(file, text),
    (error) => Failed.failed(`cannot write ${file}: ${Input.reasonOf(error).replace("such file", "such folder")}`)
  )
  const screen = yield* Screen
  yield* screen.note(`${what} is in ${file}.`)
})

// ---------------------------------------------------------------------------------------------------------------------

// The standard input and output are no files, and neither is JSON on the command line.
const fileOf = (given: Named[1]): string | undefined => {
  const file = Option.isOption(given) ? Option.getOrUndefined(given) : given
  return file === undefined || file === "-" || file.trimStart().startsWith("{") ? undefined : file
}

/** The path that a file really has, and its number on the disk, where there is such a file yet. */
const idsOf = Effect.fnUntraced(function*(file: string) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Effect.orElseSucceed(files.realPath(file), () => undefined)
  const info = yield* Effect.orElseSucceed(files.stat(file), () => undefined)
  const inode = info?.type === "File" ? Option.getOrUndefined(info.ino) : undefined
  return path === undefined
    ? undefined
    : [path, ...(inode === undefined || inode === 0n ? [] : [`${info!.dev}:${inode}`])]
})
