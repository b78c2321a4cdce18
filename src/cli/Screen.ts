/**
 * What a command writes to: results to the standard output, everything else to the standard error, and on a terminal one
 * line there that is drawn over and over. No control character reaches them but line ends and the colours painted here.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import process from "node:process"
import * as Text from "./Text.ts"

/** The colours there are. None of them says anything that the text does not. */
export type Colour = "red" | "green" | "yellow" | "magenta" | "bold" | "dim"

/**
 * The two outputs of a command.
 *
 * @category models
 * @since 0.1.0
 */
export interface Screen {
  /** How many columns a line may have. */
  readonly columns: number
  /** Whether the status line shows. */
  readonly live: boolean
  readonly paint: (colour: Colour, text: string) => string
  /** A line of the result. */
  readonly print: (text: string) => Effect.Effect<void>
  /** A line for whoever watches. */
  readonly note: (text: string) => Effect.Effect<void>
  /** Draws the status line anew, or takes it away. It never reaches a file or a pipe. */
  readonly status: (text: string | undefined) => Effect.Effect<void>
}

/**
 * The screen in context: that of the process, unless another is provided.
 *
 * @category services
 * @since 0.1.0
 */
export const Screen: Context.Reference<Screen> = /*#__PURE__*/ Context.Reference<Screen>("effect-breaker/cli/Screen", {
  defaultValue: () => make(process)
})

/** What a screen needs to know of a process. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: Output
  readonly stderr: Output
}

interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly write: (text: string) => unknown
}

/** The screen of a process. */
export const make = ({ env, stderr, stdout }: Terminal): Screen => {
  const dumb = env["TERM"] === "dumb"
  const forced = isSet(env["FORCE_COLOR"]) && !/^(?:0|false)$/i.test(env["FORCE_COLOR"]!)
  const coloured = !dumb && !isSet(env["NO_COLOR"]) && (forced || stdout.isTTY === true)
  const live = !dumb && stderr.isTTY === true
  let shown = ""
  // The status line may stand on the same terminal as a result: it is taken away first, and drawn again below.
  const line = (output: Output, text: string): Effect.Effect<void> =>
    Effect.sync(() => {
      if (shown !== "") stderr.write(clear)
      output.write(`${coloured ? paintedLines(text) : Text.lines(text)}\n`)
      if (shown !== "") stderr.write(shown)
    })
  // Some terminals say that they have none.
  const columns = stdout.columns || 100
  return {
    columns,
    live,
    paint: (colour, text) => coloured ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text,
    print: (text) => line(stdout, text),
    note: (text) => line(stderr, text),
    status: (text = "") =>
      Effect.sync(() => {
        if (!live) return
        if (shown !== "") stderr.write(clear)
        // A line that is wider than the terminal would not be taken away as a whole.
        shown = Array.from(Text.plain(text)).slice(0, (stderr.columns || 80) - 1).join("")
        if (shown !== "") stderr.write(shown)
      })
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const clear = "\r\u001b[2K"

const codes: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, magenta: 35, bold: 1, dim: 2 }

// Only what `paint` writes. What data looks like that, has been made plain where it was put into a line.
// oxlint-disable-next-line no-control-regex
const paints = /(\u001b\[(?:3[1235]|[012])m)/

const paintedLines = (text: string): string =>
  text.split(paints).map((part, i) => i % 2 === 1 ? part : Text.lines(part)).join("")

const isSet = (value: string | undefined): boolean => value !== undefined && value !== ""
