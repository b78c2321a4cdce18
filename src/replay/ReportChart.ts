/**
 * The pictures of a report, as SVG: lanes of states, calls over one another, and the load.
 *
 * A picture is stretched to the width of its page, and holds no text: what is written stands beside it, at its own size.
 *
 * @since 0.1.0
 */
import type * as Columns from "./Columns.ts"
import { type Markup, markup } from "./Markup.ts"

/** A stretch that is marked in every picture: an incident, or a phase of a scenario. */
export interface Band {
  readonly name: string
  readonly from: number
  readonly until: number
}

/** The lanes, from the top: which state, and what it is called. */
export const lanes = [
  ["isolated", "isolated"],
  ["open", "open"],
  ["halfOpen", "half-open"],
  ["closed", "closed"]
] as const

/** What calls lie over one another, from the bottom: their class, what they are called, and how they are counted. */
export const layers: ReadonlyArray<
  readonly [name: string, says: string, count: (columns: Columns.Columns, i: number) => number]
> = [
  ["succeeded", "went well", ({ succeeded }, i) => succeeded[i]!],
  ["failed", "failed", ({ failed }, i) => failed[i]!],
  ["other", "throttled or ignored", ({ ignored, throttled }, i) => ignored[i]! + throttled[i]!],
  ["saved", "refused, would have failed", ({ refusedFailed }, i) => refusedFailed[i]!],
  ["unknown", "refused, nobody knows", ({ refusedUnknown }, i) => refusedUnknown[i]!],
  ["lost", "refused, would have gone well", ({ refusedSucceeded }, i) => refusedSucceeded[i]!]
]

/** Calls a second of each layer, column by column. */
export const rates = (columns: Columns.Columns): ReadonlyArray<ReadonlyArray<number>> =>
  layers.map(([, , count]) =>
    Array.from(
      { length: columns.count },
      (_, i) => columns.length > 0 ? (1000 * count(columns, i)) / columns.length : 0
    )
  )

/** One lane: the more of a column was spent in the state, the higher it is there, and never too low to be seen. */
export const lane = (shares: ReadonlyArray<number>, name: string): Markup => {
  const heights = shares.map((share) => share === 0 ? 0 : Math.max(0.15, share))
  return markup`<svg viewBox="0 0 ${shares.length} 1" preserveAspectRatio="none" aria-hidden="true"><path class="${name}" d="${
    steps(heights.map(() => 0), heights, 1)
  }"/></svg>`
}

/** Calls a second over one another, up to `most` of them. */
export const calls = (
  rates: ReadonlyArray<ReadonlyArray<number>>,
  most: number,
  bands: ReadonlyArray<Markup>
): Markup => {
  const count = rates[0]!.length
  let below: ReadonlyArray<number> = Array.from({ length: count }, () => 0)
  const paths = rates.flatMap((rate, layer) => {
    const base = below
    below = base.map((value, i) => value + rate[i]!)
    return rate.every((value) => value === 0)
      ? []
      : [markup`<path class="${layers[layer]![0]}" d="${steps(base, below, most)}"/>`]
  })
  return markup`<svg viewBox="0 0 ${count} ${most}" preserveAspectRatio="none" aria-hidden="true">${bands}${paths}</svg>`
}

/** The load as a line, and what can be taken as another. Where nobody told the load there is none. */
export const load = (values: ReadonlyArray<number>, most: number, bands: ReadonlyArray<Markup>): Markup => {
  const line = values.map((value, i) => {
    if (value < 0) return ""
    const from = i > 0 && values[i - 1]! >= 0 ? "V" : `M${i} `
    return `${from}${number(most - Math.min(value, most))}H${i + 1}`
  }).join("")
  return markup`<svg viewBox="0 0 ${values.length} ${most}" preserveAspectRatio="none" aria-hidden="true">${bands}<path class="capacity" d="M0 ${
    number(most - 1)
  }H${values.length}"/><path class="load" d="${line}"/></svg>`
}

/** Marked stretches within a picture of so many columns and such a height. */
export const marked = (bands: ReadonlyArray<Band>, { count, from, length }: Columns.Columns, most: number) =>
  bands.map((band) => {
    const begins = clamp((band.from - from) / length, count)
    const ends = clamp((band.until - from) / length, count)
    return markup`<path class="band" d="M${number(begins)} 0H${number(ends)}V${most}H${number(begins)}Z"/>`
  })

/** A round number that is no lower. */
export const roundUp = (value: number): number => {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 1.5, 2, 3, 5, 7.5, 10].find((factor) => factor * power >= value * (1 - 1e-9))! * power
}

// ---------------------------------------------------------------------------------------------------------------------

const clamp = (value: number, most: number): number => Math.min(most, Math.max(0, value))

// Enough for a screen, and no more digits than that.
const number = (value: number): string => String(+value.toFixed(3))

/** The area between two lines of steps, in a picture of such a height. */
const steps = (below: ReadonlyArray<number>, above: ReadonlyArray<number>, most: number): string => {
  let path = ""
  for (let i = 0; i < above.length;) {
    // Columns alike are one step.
    let end = i + 1
    while (end < above.length && above[end] === above[i] && below[end] === below[i]) end++
    if (above[i]! > below[i]!) {
      path += `M${i} ${number(most - below[i]!)}V${number(most - above[i]!)}H${end}V${number(most - below[i]!)}Z`
    }
    i = end
  }
  return path
}
