/**
 * HTML that is put together from pieces. Whatever is no piece itself is text, and escaped: names and messages come from logs.
 *
 * @since 0.1.0
 */

/** A piece of HTML. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Part = string | number | Markup | undefined | false | ReadonlyArray<Markup>

/** Makes a piece of HTML from a template. */
export const markup = (literals: TemplateStringsArray, ...parts: ReadonlyArray<Part>): Markup =>
  new Markup(literals.map((literal, i) => literal + (i < parts.length ? shown(parts[i]) : "")).join(""))

/** Takes a text for HTML as it is: one that was made by this package. */
export const trusted = (text: string): Markup => new Markup(text)

/** Data within a script element, which no text in it can end. */
export const json = (data: unknown): Markup =>
  new Markup(
    JSON.stringify(data).replaceAll("<", "\\u003c").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029")
  )

// ---------------------------------------------------------------------------------------------------------------------

const shown = (part: Part): string => {
  if (part === undefined || part === false) return ""
  if (part instanceof Markup) return part.text
  return typeof part === "object" ? part.map(({ text }) => text).join("") : escaped(String(part))
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;").replaceAll(
    "'",
    "&#39;"
  )
