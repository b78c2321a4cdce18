/** Goes through the time of a report: by the slider, which the keyboard moves too, or by pointing at a picture. */

interface Data {
  readonly moments: ReadonlyArray<string>
  readonly runs: ReadonlyArray<{
    readonly states: ReadonlyArray<readonly [says: string, percent: ReadonlyArray<number>]>
    readonly rates: ReadonlyArray<readonly [says: string, rate: ReadonlyArray<number>]>
    readonly load?: ReadonlyArray<number>
  }>
}

const data = JSON.parse(document.getElementById("data")!.textContent) as Data
const cursor = document.getElementById("cursor")!
const slider = document.getElementById("moment") as HTMLInputElement
const at = document.getElementById("at")!
const readouts = document.querySelectorAll<HTMLElement>(".readout")
const plots = document.querySelectorAll<HTMLElement>(".plots")
const count = data.moments.length

const show = (column: number): void => {
  slider.value = String(column)
  at.textContent = data.moments[column]!
  slider.setAttribute("aria-valuetext", data.moments[column]!)
  readouts.forEach((readout) => {
    readout.textContent = told(data.runs[Number(readout.dataset["run"])]!, column)
  })
  for (const plot of plots) {
    const line = plot.querySelector<HTMLElement>(".line")!
    line.hidden = false
    line.style.left = `${((column + 0.5) / count) * 100}%`
  }
}

const told = ({ load, rates, states }: Data["runs"][number], column: number): string =>
  [
    ...states.filter(([, percent]) => percent[column]! > 0).map(([says, percent]) =>
      percent[column] === 100 ? says : `${says} ${percent[column]} %`
    ),
    ...rates.filter(([, rate]) => rate[column]! > 0).map(([says, rate]) => `${says} ${rate[column]}/s`),
    ...(load !== undefined && load[column]! >= 0 ? [`load ${load[column]}`] : [])
  ].join(" · ") || "nothing"

cursor.hidden = false
slider.addEventListener("input", () => show(Number(slider.value)))
for (const plot of plots) {
  const point = (event: PointerEvent): void => {
    const { left, width } = plot.getBoundingClientRect()
    show(Math.min(count - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * count))))
  }
  plot.addEventListener("pointermove", point)
  plot.addEventListener("pointerdown", point)
}
show(0)
