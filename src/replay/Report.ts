/**
 * A report of runs side by side, as one page of HTML that holds all it needs: it can be mailed, archived, and opened without
 * a network.
 *
 * It says what it shows in tables and words too. Every text that comes from a log is escaped, and a policy within the page
 * lets no other script run.
 *
 * @since 0.1.0
 */
import * as Columns from "./Columns.ts"
import { json, type Markup, markup, trusted } from "./Markup.ts"
import { script, scriptHash, style } from "./Page.generated.ts"
import * as ReportChart from "./ReportChart.ts"
import type * as Timeline from "./Timeline.ts"
import * as Words from "./Words.ts"

export type { Band } from "./ReportChart.ts"
export type { Clock } from "./Words.ts"

/**
 * A table of a report: its cells are texts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Table {
  readonly title: string
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

/**
 * One run: what it is called, such as by its policy, and what happened in it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Run {
  readonly name: string
  readonly timeline: Timeline.Timeline
}

/**
 * What a report is made of.
 *
 * **Details**
 *
 * - `title`, and `facts` in one line each: what was run, and over what.
 * - `clock`: whether times are those of the wall clock, in UTC, or told from the beginning on (`elapsed`).
 * - `figures`: the runs side by side: the first cell of a row says what the others are, one for each run.
 * - `runs`: at least one, all over the same time.
 * - `bands`: stretches that are marked in every picture, such as incidents.
 * - `tables`: whatever else there is to tell.
 * - `limits`: what the report cannot tell.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly title: string
  readonly facts?: ReadonlyArray<string> | undefined
  readonly clock: Words.Clock
  readonly figures: ReadonlyArray<ReadonlyArray<string>>
  readonly runs: ReadonlyArray<Run>
  readonly bands?: ReadonlyArray<ReportChart.Band> | undefined
  readonly tables?: ReadonlyArray<Table> | undefined
  readonly limits?: ReadonlyArray<string> | undefined
}

/**
 * Makes the page.
 *
 * **Details**
 *
 * Light or dark as its reader's system is, for a wide screen and a phone. A slider goes through the time, also by keyboard;
 * without JavaScript the pictures and tables are all there.
 *
 * **Example** (A run of a second)
 *
 * ```ts
 * import { Report, Timeline } from "effect-breaker/replay"
 *
 * const recorder = Timeline.make({ from: 0 })
 * recorder.asked(100)
 * recorder.refused(100, "failed")
 *
 * const page = Report.html({
 *   title: "One call",
 *   clock: "elapsed",
 *   figures: [["refused", "1"]],
 *   runs: [{ name: "default <3", timeline: recorder.read(1000) }]
 * })
 * console.log(page.includes("default &lt;3")) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const html = (options: Options): string => {
  const drawn = options.runs.map(draw)
  const scale = {
    calls: ReportChart.roundUp(Math.max(...drawn.map(({ highest }) => highest))),
    load: ReportChart.roundUp(Math.max(1.25, ...drawn.flatMap(({ columns }) => columns.load)))
  }
  const names = options.runs.map(({ name }) => name)
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${
    trusted(scriptHash)
  }'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${options.title}</title>
<style>${trusted(style)}</style>
</head>
<body>
<header>
<h1>${options.title}</h1>
${(options.facts ?? []).map((fact) => markup`<p>${fact}</p>\n`)}</header>
<main>
${table({ title: "Side by side", head: ["", ...names], rows: options.figures })}
<div id="cursor" hidden><label for="moment">Moment</label><input id="moment" type="range" min="0" max="${
    drawn[0]!.columns.count - 1
  }" value="0"><output id="at" for="moment"></output></div>
${drawn.map((one, i) => section(one, i, options, scale))}
${(options.tables ?? []).map(table)}
${limits(options.limits ?? [])}</main>
<script type="application/json" id="data">${json(dataOf(drawn, options))}</script>
<script>${trusted(script)}</script>
</body>
</html>
`.text
}

// ---------------------------------------------------------------------------------------------------------------------

/** As many as a wide screen can show. */
const mostColumns = 600

interface Drawn {
  readonly name: string
  readonly timeline: Timeline.Timeline
  readonly columns: Columns.Columns
  readonly rates: ReadonlyArray<ReadonlyArray<number>>
  /** The most calls a second. */
  readonly highest: number
  readonly share: Readonly<Record<"open" | "halfOpen" | "isolated", number>>
}

const draw = ({ name, timeline }: Run): Drawn => {
  const columns = Columns.of(timeline, Math.max(1, Math.min(mostColumns, timeline.asked.length)))
  const rates = ReportChart.rates(columns)
  const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / columns.count
  return {
    name,
    timeline,
    columns,
    rates,
    highest: Math.max(...columns.asked.map((_, i) => rates.reduce((sum, rate) => sum + rate[i]!, 0))),
    share: { open: mean(columns.open), halfOpen: mean(columns.halfOpen), isolated: mean(columns.isolated) }
  }
}

const section = (
  one: Drawn,
  index: number,
  { bands = [], clock }: Options,
  scale: { readonly calls: number; readonly load: number }
): Markup => {
  const { columns, name, rates, timeline } = one
  const openings = timeline.moves.filter(({ to }) => to === "Open")
  const counted = openings.length === 1 ? "1 opening" : `${Words.whole(openings.length)} openings`
  const said = `${counted}, open ${Words.percent(one.share.open)} of the time, half-open ${
    Words.percent(one.share.halfOpen)
  }${one.share.isolated > 0 ? `, isolated ${Words.percent(one.share.isolated)}` : ""}`
  const told = columns.load.some((value) => value >= 0)
  const marks = (most: number) => ReportChart.marked(bands, columns, most)
  return markup`<section aria-labelledby="run-${index}">
<h2 id="run-${index}">${name}</h2>
<p class="soft">${said}.</p>
<p class="readout" data-run="${index}"></p>
<div class="plots">
${bands.length > 0 && markup`<div class="bands" aria-hidden="true">${bandNames(bands, columns)}</div>\n`}
<figure role="img" aria-label="States of ${name}: ${said}">
${
    ReportChart.lanes.filter(([state]) => columns[state].some((share) => share > 0)).map(([state, says]) =>
      markup`<div class="lane"><span class="says">${says}</span>${ReportChart.lane(columns[state], state)}</div>`
    )
  }
</figure>
<figure role="img" aria-label="Calls a second of ${name}, at most ${figure(one.highest)}">
<span class="most">${figure(scale.calls)}/s</span><div class="calls">${
    ReportChart.calls(rates, scale.calls, marks(scale.calls))
  }</div>
</figure>
${
    told &&
    markup`<figure role="img" aria-label="Load of ${name}, at most ${
      figure(Math.max(...columns.load))
    } times what could be taken">
<span class="most">load ${figure(scale.load)}</span><div class="loads">${
      ReportChart.load(columns.load, scale.load, marks(scale.load))
    }</div>
</figure>
`
  }<div class="axis" aria-hidden="true">${axis(columns, clock)}</div>
<div class="line" hidden></div>
</div>
<p class="legend"><span>From the bottom:</span> ${
    ReportChart.layers.flatMap(([layer, says], i) =>
      rates[i]!.some((rate) => rate > 0) ? [markup`<span><i class="${layer}"></i>${says}</span> `] : []
    )
  }${told && markup`<span><i class="load"></i>load</span> <span><i class="capacity"></i>what can be taken</span>`}</p>
${openings.length > 0 && openingsOf(openings, timeline, clock)}</section>
`
}

const bandNames = (bands: ReadonlyArray<ReportChart.Band>, { count, from, length }: Columns.Columns) => {
  let free = 0
  return bands.flatMap((band) => {
    const left = place(band.from, from, length * count)
    const right = place(band.until, from, length * count)
    // Where bands lie over one another, the first of them has the word.
    if (left < free || right <= left) return []
    free = right
    return [
      markup`<span style="left:${left.toFixed(2)}%;width:${(right - left).toFixed(2)}%">${band.name}</span>`
    ]
  })
}

const axis = ({ count, from, length }: Columns.Columns, clock: Words.Clock): ReadonlyArray<Markup> => {
  const moments = Words.ticks(from, from + length * count, 8, clock)
  return moments.map((at) =>
    markup`<span style="left:${place(at, from, length * count).toFixed(2)}%">${
      Words.moment(at, from, clock, Words.apart(moments))
    }</span>`
  )
}

const place = (at: number, from: number, length: number): number =>
  length === 0 ? 0 : Math.min(100, Math.max(0, (100 * (at - from)) / length))

/** A page with more rows than this is none that anybody reads. */
const mostRows = 200

const openingsOf = (
  openings: ReadonlyArray<Timeline.Move>,
  { from, movesLeftOut }: Timeline.Timeline,
  clock: Words.Clock
): Markup => {
  const rows = openings.slice(0, mostRows).map(({ at, calls, circuit, from: before, limit, openFor, rule, value }) => [
    Words.instant(at, from, clock),
    circuit,
    before === "Closed" ? "closed" : "half-open",
    openFor === undefined ? "" : Words.span(openFor),
    `${rule ?? ""}${value === undefined ? "" : ` ${share(rule, value)}`}${
      limit === undefined || limit === 0 ? "" : ` (limit ${share(rule, limit)})`
    }${calls === undefined ? "" : ` of ${Words.whole(calls)}`}`
  ])
  const more = openings.length - rows.length
  const rest = movesLeftOut > 0
    ? "More of them were not kept."
    : more > 0
    ? `And ${Words.whole(more)} more.`
    : undefined
  return markup`<details><summary>Openings, one by one</summary>${
    table({ title: "", head: ["at", "circuit", "from", "for", "because"], rows })
  }${rest !== undefined && markup`<p class="soft">${rest}</p>`}</details>
`
}

const share = (rule: string | undefined, value: number): string =>
  rule === "failureRate" || rule === "slowRate" ? Words.percent(value) : figure(value)

const table = ({ head, rows, title }: Table): Markup =>
  markup`<div class="scroll" role="region" tabindex="0" aria-label="${title || head.join(", ")}"><table>${
    title !== "" && markup`<caption>${title}</caption>`
  }<thead><tr>${
    head.map((cell) => cell === "" ? markup`<td></td>` : markup`<th scope="col">${cell}</th>`)
  }</tr></thead><tbody>
${
    rows.map(([first = "", ...rest]) =>
      markup`<tr><th scope="row">${first.replace(/^ +/, (indent) => "\u00a0".repeat(2 * indent.length))}</th>${
        rest.map((cell) => markup`<td>${cell}</td>`)
      }</tr>\n`
    )
  }</tbody></table></div>
`

const limits = (texts: ReadonlyArray<string>): Markup | false =>
  texts.length > 0 &&
  markup`<section aria-labelledby="limits"><h2 id="limits">What this cannot tell</h2><ul>${
    texts.map((text) => markup`<li>${text}</li>`)
  }</ul></section>
`

const figure = (value: number): string => value >= 100 ? Words.whole(value) : String(+value.toPrecision(2))

/** What the slider tells: for each run, series with a name, a unit and their values. */
const dataOf = (drawn: ReadonlyArray<Drawn>, { clock }: Options) => {
  const { count, from, length } = drawn[0]!.columns
  const apart = length >= 60_000 ? 60_000 : length >= 1000 ? 1000 : 1
  return {
    moments: Array.from({ length: count }, (_, i) => {
      const at = from + i * length
      return clock === "wall" ? Words.instant(at - at % apart, from, clock) : Words.moment(at, from, clock, apart)
    }),
    runs: drawn.map(({ columns, rates }) => ({
      states: ReportChart.lanes.map(([state, says]) => [says, columns[state].map((share) => Math.round(share * 100))]),
      rates: ReportChart.layers.flatMap(([, says], i) =>
        rates[i]!.some((rate) => rate > 0) ? [[says, rates[i]!.map((rate) => +rate.toPrecision(3))]] : []
      ),
      load: columns.load.some((value) => value >= 0) ? columns.load.map((value) => +value.toFixed(2)) : undefined
    }))
  }
}
