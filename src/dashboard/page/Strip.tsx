/** The last minutes of a circuit: calls as bars, failures and refusals among them, and a band of states below. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"
import uPlot from "uplot"
import { board, type Entry } from "./Board.tsx"
import * as Clock from "./Clock.tsx"
import * as Paint from "./Paint.tsx"
import { compact, duration, stripSentence, time } from "./Words.tsx"

const height = 50
const band = 6

/** `near` where the card is about to be seen: only then is there a canvas. */
export const Strip = (props: { readonly entry: Entry; readonly near: boolean }) => {
  const { entry, near } = props
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const [, redraw] = useState(0)
  const [pointed, point] = useState<number | undefined>(undefined)

  useLayoutEffect(() => {
    if (!near || host.current === null) return
    const element = host.current
    const chart = new uPlot(optionsOf(entry, element.clientWidth, point), dataOf(entry), element)
    plot.current = chart
    const resized = new ResizeObserver(() => {
      if (element.clientWidth > 0 && element.clientWidth !== chart.width) {
        chart.setSize({ width: element.clientWidth, height })
      }
    })
    resized.observe(element)
    return () => {
      resized.disconnect()
      chart.destroy()
      plot.current = undefined
    }
  }, [near, entry])

  useEffect(() => {
    if (!near) return
    return Paint.onStrip(() => {
      plot.current?.setData(dataOf(entry))
      redraw((count) => count + 1)
    })
  }, [near, entry])

  return (
    <div class="strip">
      <div class="plot" ref={host} role="img" aria-label={stripSentence(entry.strip, board.every)} />
      <p class="legend" aria-hidden="true">{captionOf(entry, pointed)}</p>
    </div>
  )
}

// ---------------------------------------------------------------------------------------------------------------------

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, each) => total + each, 0)

const captionOf = ({ strip }: Entry, pointed: number | undefined) => {
  const length = strip.states.length
  if (length === 0) return "Nothing yet"
  const at = (values: ReadonlyArray<number>) => pointed === undefined ? sum(values) : values[pointed] ?? 0
  const span = pointed === undefined
    ? duration(length * board.every)
    : time(Clock.now() - (length - 1 - pointed) * board.every)
  return (
    <>
      <span class="span">{span}</span>
      <span class="calls">{compact(at(strip.calls))} calls</span>
      <span class="failures">{compact(at(strip.failures))} failed</span>
      <span class="refused">{compact(at(strip.refused))} refused</span>
    </>
  )
}

/** Bars are laid over one another: all that asked, of these the calls, of these the failures. The newest is at zero. */
const dataOf = ({ strip }: Entry): uPlot.AlignedData => {
  const length = strip.calls.length
  return [
    strip.calls.map((_, index) => index - length + 1),
    strip.calls.map((calls, index) => calls + strip.refused[index]!),
    strip.calls.slice(),
    strip.failures.slice()
  ]
}

const light = matchMedia("(prefers-color-scheme: light)")
let palette: Record<string, string> = {}
light.addEventListener("change", () => {
  palette = {}
  Paint.request()
})

/** A colour of the style sheet: a canvas does not know them. */
const colour = (name: string): string =>
  palette[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

const bars = (name: string): uPlot.Series => ({
  fill: () => colour(name),
  width: 0,
  points: { show: false },
  paths: uPlot.paths.bars!({ size: [1, 12], gap: 0 })
})

const stateColours: Readonly<Record<string, string>> = {
  c: "band-closed",
  o: "open",
  p: "probing",
  r: "ramping",
  i: "isolated"
}

/** One rectangle for each run of equal states. */
const drawBand = (entry: Entry) => (chart: uPlot): void => {
  const { bbox, ctx } = chart
  const { states } = entry.strip
  const step = bbox.width / board.points
  const right = bbox.left + bbox.width
  const top = bbox.top + bbox.height + 2 * uPlot.pxRatio
  let start = 0
  for (let end = 1; end <= states.length; end++) {
    if (end < states.length && states[end] === states[start]) continue
    ctx.fillStyle = colour(stateColours[states[start]!] ?? "band-closed")
    ctx.fillRect(right - (states.length - start) * step, top, (end - start) * step, band * uPlot.pxRatio)
    start = end
  }
}

const optionsOf = (
  entry: Entry,
  width: number,
  point: (index: number | undefined) => void
): uPlot.Options => ({
  width: Math.max(width, 40),
  height,
  padding: [2, 0, band + 2, 0],
  legend: { show: false },
  cursor: { y: false, points: { show: false }, drag: { x: false, y: false, setScale: false } },
  scales: {
    x: { time: false, range: () => [0.5 - board.points, 0.5] },
    y: { range: (_, _min, max) => [0, Math.max(max ?? 0, 4)] }
  },
  axes: [{ show: false }, { show: false }],
  series: [{}, bars("refused"), bars("calls"), bars("failures")],
  hooks: {
    draw: [drawBand(entry)],
    setCursor: [
      (chart) =>
        point(chart.cursor.left === undefined || chart.cursor.left < 0 ? undefined : chart.cursor.idx ?? undefined)
    ]
  }
})
