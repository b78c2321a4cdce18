/**
 * Prose of a help page, broken into lines.
 *
 * @since 0.1.0
 */

/** Paragraphs in lines of at most 100 characters, indented as a help page indents its first line. */
export const paragraphs = (...texts: ReadonlyArray<string>): string =>
  texts.map((text) => broken(text).join("\n  ")).join("\n\n  ")

/** One item of a list. */
export const item = (text: string): string => `  - ${broken(text).join("\n    ")}`

const broken = (text: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`
    if (lines.length > 0 && longer.length <= most) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

const most = 98
