/**
 * A scenario as a picture: for each contender what became of the calls of each moment, one strip above the other.
 */
import { area, stack } from "d3-shape"
import { percent } from "./budgets.ts"
import type { Run } from "./run.ts"

const WIDTH = 860
const LEFT = 210
const STRIP = 54
const GAP = 12
const TOP = 46
const POINTS = 120

const kinds = ["served", "failed", "refused"] as const
// Told apart by those who see no colours, too: they differ in brightness.
const colours = { served: "#2f9e6e", failed: "#c4314b", refused: "#c9ced6" }

type Point = Readonly<Record<(typeof kinds)[number], number>> & { readonly at: number }

const pointsOf = ({ timeline }: Run): ReadonlyArray<Point> => {
  const slices = timeline.asked.length
  const each = Math.ceil(slices / POINTS)
  return Array.from({ length: Math.ceil(slices / each) }, (_, i) => {
    const sum = (column: ReadonlyArray<number>) => {
      let sum = 0
      for (let at = i * each; at < Math.min((i + 1) * each, slices); at++) sum += column[at]!
      // Calls a second, in a last point of fewer slices too.
      return sum / (Math.min(each, slices - i * each) * timeline.every / 1000)
    }
    return {
      at: timeline.from + i * each * timeline.every,
      served: sum(timeline.succeeded),
      failed: sum(timeline.failed) + sum(timeline.ignored) + sum(timeline.throttled),
      refused: sum(timeline.refusedFailed) + sum(timeline.refusedSucceeded) + sum(timeline.refusedUnknown)
    }
  })
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const text = (x: number, y: number, size: number, colour: string, words: string, anchor = "start"): string =>
  `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}" text-anchor="${anchor}">${escaped(words)}</text>`

const clock = (millis: number): string =>
  millis % 60_000 === 0 ? `${millis / 60_000} min` : `${Math.round(millis / 1000)} s`

/** An SVG that stands alone, light or dark. */
export const picture = (title: string, runs: ReadonlyArray<Run>): string => {
  const all = runs.map((run) => ({ run, points: pointsOf(run) }))
  const until = runs[0]!.phases.at(-1)!.until
  // A storm of refused retries would press the rest flat.
  const healthy = Math.max(...all.map(({ points }) => points[1]?.served ?? 0))
  const most = 1.5 * healthy
  const x = (at: number) => LEFT + (WIDTH - LEFT - 10) * Math.min(at / until, 1)
  const strips = all.map(({ points, run }, i) => {
    const bottom = TOP + i * (STRIP + GAP) + STRIP
    const y = (value: number) => bottom - STRIP * Math.min(value / most, 1)
    const shape = area<readonly [number, number] & { readonly data: Point }>()
      .x(({ data }) => x(data.at))
      .y0(([low]) => y(low))
      .y1(([, high]) => y(high))
      .digits(1)
    const layers = stack<unknown, Point, (typeof kinds)[number]>().keys(kinds)(points as Array<Point>)
    const { served, userFailures } = run.scores
    return [
      ...layers.map((layer) => `<path fill="${colours[layer.key]}" d="${shape(layer as never)}"/>`),
      `<line x1="${LEFT}" x2="${WIDTH - 10}" y1="${bottom}" y2="${bottom}" stroke="#8a93a1" stroke-width="0.5"/>`,
      text(LEFT - 10, bottom - STRIP / 2 - 3, 12, "#1c2330", run.contender, "end"),
      text(
        LEFT - 10,
        bottom - STRIP / 2 + 12,
        10,
        "#596273",
        `${percent(served)} served, ${Math.round(userFailures).toLocaleString("en")} failures`,
        "end"
      )
    ].join("\n")
  })
  const height = TOP + runs.length * (STRIP + GAP) + 22
  const phases = runs[0]!.phases
  // Where phases are many, only the first and the last have their line.
  const marks = phases.length > 12 ? [phases[1]!, phases.at(-1)!] : phases.slice(1)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(10, 20, 14, "#1c2330", title),
    ...kinds.flatMap((kind, i) => [
      `<rect x="${LEFT + 110 * i}" y="30" width="10" height="10" fill="${colours[kind]}"/>`,
      text(LEFT + 15 + 110 * i, 39, 10, "#596273", kind)
    ]),
    ...strips,
    ...marks.map(({ from }) =>
      `<line x1="${x(from).toFixed(1)}" x2="${x(from).toFixed(1)}" y1="${TOP - 2}" y2="${
        height - 20
      }" stroke="#1c2330" stroke-width="0.7" stroke-dasharray="2 3"/>`
    ),
    ...marks.map(({ from, name }, i) => {
      if (marks.length > 4 && i > 0 && i < marks.length - 1) return ""
      const at = Number(x(from).toFixed(1))
      const near = i + 1 < marks.length && x(marks[i + 1]!.from) - at < 110
      return text(at, height - 8, 10, "#596273", `${clock(from)}: ${name}`, near || from > until / 2 ? "end" : "start")
    }),
    "</svg>",
    ""
  ].filter((line) => line !== "").join("\n") + "\n"
}
