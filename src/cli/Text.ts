/**
 * Text as a terminal may have it: prose in lines, and data without anything that a terminal would obey.
 *
 * @since 0.1.0
 */

/** Paragraphs in lines of at most 100 characters, indented as a help page indents its first line. */
export const paragraphs = (...texts: ReadonlyArray<string>): string =>
  texts.map((text) => broken(text).join("\n  ")).join("\n\n  ")

/** One item of a list. */
export const item = (text: string): string => `  - ${broken(plain(text)).join("\n    ")}`

/**
 * Data in one line, with its control characters as pictures (`␛`): a name in a log must not paint, clear or type on the
 * terminal of whoever reads it.
 */
export const plain = (text: string): string => text.replaceAll(controls, picture)

/** The same of a text that has lines. */
export const lines = (text: string): string => text.split("\n").map(plain).join("\n")

/** JSON in which every control character is escaped, not only those that JSON must escape. */
export const json = (
  data: unknown,
  { indent, replacer }: { readonly indent?: number; readonly replacer?: (key: string, value: unknown) => unknown } = {}
): string =>
  JSON.stringify(data, replacer, indent).replaceAll(
    controls,
    (control) => control === "\n" ? control : `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

// ---------------------------------------------------------------------------------------------------------------------

// Those that turn the direction of what follows are as good a disguise as any.
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

const picture = (control: string): string => {
  const code = control.charCodeAt(0)
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd"
}

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
