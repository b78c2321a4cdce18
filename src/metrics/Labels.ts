/**
 * The names of circuits, as labels: so many and no more.
 *
 * @since 0.1.0
 */

/** @internal The label of all circuits beyond the limit. */
export const OTHER = "other"

const MOST_CHARACTERS = 200

/**
 * The label of a name: a circuit that is really named as the rest is told from it, and what no exporter could write is
 * replaced. Quotes, backslashes and line breaks are the exporters' to escape.
 *
 * @internal
 */
export const labelOf = (name: string): string => {
  if (name === OTHER) return `${OTHER} (circuit)`
  const short = name.length > MOST_CHARACTERS ? `${name.slice(0, MOST_CHARACTERS - 1)}…` : name
  // Halves of a character would all be written as the same one, and two series be one.
  return short.replaceAll(/\p{Surrogate}/gu, "\ufffd")
}
