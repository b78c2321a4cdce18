import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "effect-breaker"
import { Report, Timeline } from "effect-breaker/replay"
import { createHash } from "node:crypto"

const hostile = `</script><script>alert(1)</script><img src=x onerror=alert(2)> & "quotes' \u2028`

/** Ten seconds: two calls a second, an opening in the middle, refusals, and a load where it is told. */
const timeline = (options: { readonly load?: boolean; readonly circuit?: string } = {}): Timeline.Timeline => {
  const recorder = Timeline.make({ from: 0, every: 1000 })
  for (let at = 0; at < 10_000; at += 500) {
    recorder.asked(at)
    if (at >= 4000 && at < 6000) recorder.refused(at, at < 5000 ? "failed" : "succeeded")
    else recorder.settled(at, at === 3500 ? Outcome.failure() : Outcome.success, false)
    if (options.load === true) recorder.offered(at, at / 5000)
    const cause = { rule: "consecutive", value: 5, limit: 5, calls: 5 }
    const move = { at, generation: 1, cause, openFor: 2000 }
    if (at === 3500) recorder.moved({ ...move, from: "Closed", to: "Open" } as never, options.circuit)
    if (at === 6000) recorder.moved({ ...move, from: "Open", to: "HalfOpen" } as never, options.circuit)
    if (at === 6500) recorder.moved({ ...move, from: "HalfOpen", to: "Closed" } as never, options.circuit)
  }
  return recorder.read(10_000)
}

const page = (options: Partial<Report.Options> = {}) =>
  Report.html({
    title: "a day",
    clock: "elapsed",
    figures: [["openings", "1", "1"]],
    runs: [{ name: "default", timeline: timeline() }, { name: "llm", timeline: timeline() }],
    ...options
  })

const count = (text: string, part: string | RegExp) => [...text.matchAll(new RegExp(part, "g"))].length

describe("Report.html", () => {
  it("asks nobody for anything: no link, no image, no font, no script but its own", () => {
    const html = page({ bands: [{ name: "outage", from: 3000, until: 6000 }] })
    assert.notMatch(html, /https?:\/\/|<link|<img|@import|url\(/)
    assert.match(html, /content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-/)
    const [, script = ""] = /<script>([\s\S]*?)<\/script>\n<\/body>/.exec(html)!
    const [, hash] = /script-src 'sha256-([^']+)'/.exec(html)!
    assert.strictEqual(createHash("sha256").update(script).digest("base64"), hash)
  })

  it("escapes every text, wherever it comes from", () => {
    const html = page({
      title: hostile,
      facts: [hostile],
      figures: [[hostile, hostile, hostile]],
      runs: [{ name: hostile, timeline: timeline({ circuit: hostile }) }],
      bands: [{ name: hostile, from: 0, until: 9000 }],
      tables: [{ title: hostile, head: [hostile], rows: [[hostile]] }],
      limits: [hostile]
    })
    assert.notInclude(html, "<img")
    assert.notInclude(html, "<script>alert")
    // its data, and its one script
    assert.strictEqual(count(html, "<script"), 2)
    assert.strictEqual(count(html, "</script"), 2)
    assert.notMatch(html, /aria-label="[^"]*<|="[^"]*quotes'/)
    assert.isAtLeast(count(html, "&lt;img src=x onerror=alert\\(2\\)&gt;"), 10)
  })

  it("says in words and tables what its pictures show", () => {
    const html = page()
    assert.strictEqual(count(html, "1 opening, open 25 % of the time, half-open 5 %"), 4)
    assert.match(
      html,
      /<th scope="row">00:04<\/th><td><\/td><td>closed<\/td><td>2 s<\/td><td>consecutive 5 \(limit 5\) of 5<\/td>/
    )
    assert.match(html, /<figure role="img" aria-label="Calls a second of llm, at most 2">/)
    assert.match(html, /<caption>Side by side<\/caption>.*<th scope="col">default<\/th><th scope="col">llm<\/th>/)
  })

  it("keeps the indents by which some figures are parts of another", () => {
    const html = page({ figures: [["refused", "3"], ["  while open", "2"]] })
    assert.include(html, `<th scope="row">refused</th>`)
    assert.include(html, `<th scope="row">${"\u00a0".repeat(4)}while open</th>`)
  })

  it("draws all runs to one scale, each lane and layer that there is, and no other", () => {
    const loaded = { name: "loaded", timeline: timeline({ load: true }) }
    const html = page({ runs: [{ name: "default", timeline: timeline() }, loaded] })
    assert.strictEqual(count(html, `<span class="most">2/s</span>`), 2)
    assert.strictEqual(count(html, `<path class="open"`), 2)
    assert.strictEqual(count(html, `<path class="isolated"`), 0)
    assert.strictEqual(count(html, `<path class="lost"`), 2)
    assert.strictEqual(count(html, `<path class="unknown"`), 0)
    assert.strictEqual(count(html, `<path class="load"`), 1)
    assert.strictEqual(count(html, `<span class="most">load 2</span>`), 1)
  })

  it("tells times by the wall clock where they are of one", () => {
    const noon = Date.UTC(2026, 4, 1, 12)
    const recorder = Timeline.make({ from: noon, every: 60_000 })
    recorder.asked(noon)
    recorder.settled(noon, Outcome.success, false)
    const html = page({ clock: "wall", runs: [{ name: "default", timeline: recorder.read(noon + 3_600_000) }] })
    assert.match(html, />12:30<\/span>/)
    assert.include(html, "\"2026-05-01 12:30:00\"")
  })

  it("is no longer for a run of a year: as many columns as a screen shows", () => {
    const recorder = Timeline.make({ from: 0, every: 1000 })
    for (let at = 0; at < 2_000_000; at += 1000) {
      recorder.asked(at)
      recorder.settled(at, at % 3000 === 0 ? Outcome.failure() : Outcome.success, false)
    }
    const html = page({ runs: [{ name: "default", timeline: recorder.read(2_000_000) }] })
    assert.isBelow(html.length, 120_000)
    assert.match(html, /max="599"/)
  })

  it("makes a page of a run in which nothing happened", () => {
    const html = page({ runs: [{ name: "default", timeline: Timeline.make({ from: 0 }).read(0) }] })
    assert.include(html, "0 openings, open 0 % of the time")
    assert.notMatch(html, /NaN|Infinity|undefined/)
  })
})
