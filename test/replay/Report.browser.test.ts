/** The page of a report in a real browser, opened as a file: `npm run test:page`. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Outcome } from "effect-breaker"
import { Report, Timeline } from "effect-breaker/replay"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { pathToFileURL } from "node:url"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { hasBrowser, launch } from "../dashboard/browser.ts"
import { axe } from "../dashboard/script.ts"

const hostile = `<img src=x onerror="document.title='owned'"> & </script>`

/** An hour with an outage of ten minutes in it, after which the circuit came back late. */
const timeline = (late: number): Timeline.Timeline => {
  const recorder = Timeline.make({ from: 0, every: 10_000 })
  const minute = 60_000
  const cause = { rule: "consecutive", value: 5, limit: 5, calls: 5 }
  const move = { generation: 1, cause, openFor: 10 * minute }
  for (let at = 0; at < 60 * minute; at += 1000) {
    const isDown = at >= 20 * minute && at < 30 * minute
    recorder.asked(at)
    recorder.offered(at, isDown ? 1.4 : 0.7)
    if (at > 20 * minute && at < (30 + late) * minute) recorder.refused(at, isDown ? "failed" : "succeeded")
    else recorder.settled(at, isDown ? Outcome.failure() : Outcome.success, false)
    if (at === 20 * minute) recorder.moved({ ...move, at, from: "Closed", to: "Open" } as never, hostile)
    if (at === (30 + late) * minute) recorder.moved({ ...move, at, from: "Open", to: "Closed" } as never, hostile)
  }
  return recorder.read(60 * minute)
}

const html = Report.html({
  title: `An hour ${hostile}`,
  facts: ["3,600 calls"],
  clock: "elapsed",
  figures: [["openings", "1", "1"], [`lost ${hostile}`, "300", "60"]],
  runs: [{ name: "slow", timeline: timeline(5) }, { name: `quick ${hostile}`, timeline: timeline(1) }],
  bands: [{ name: `outage ${hostile}`, from: 20 * 60_000, until: 30 * 60_000 }],
  tables: [{ title: "Incidents", head: ["start", "slow"], rows: [["20:00", "15 min"]] }],
  limits: ["What a caller would have done."]
})

describe.skipIf(!hasBrowser)("the page of a report", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-breaker-"))
  const file = path.join(folder, "report.html")
  let browser: Browser

  beforeAll(async () => {
    fs.writeFileSync(file, html)
    browser = await launch()
  })
  afterAll(async () => {
    await browser.close()
    fs.rmSync(folder, { recursive: true })
  })

  /** Opens the page. It may ask for nothing but itself, and complain about nothing. */
  const visit = async (options: BrowserContextOptions, look: (page: Page) => Promise<void>) => {
    const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options })
    const page = await context.newPage()
    const seen: Array<string> = []
    page.on("request", (request) => seen.push(request.url()))
    page.on("console", (message) => seen.push(message.text()))
    page.on("pageerror", (error) => seen.push(String(error)))
    await page.goto(pathToFileURL(file).href)
    await look(page)
    expect(seen).toEqual([pathToFileURL(file).href])
    await context.close()
  }

  const readouts = (page: Page) => page.locator(".readout").allTextContents()

  it("names a stretch where it lies", () =>
    visit({}, async (page) => {
      const box = async (selector: string) => (await page.locator(selector).first().boundingBox())!
      const [row, label] = [await box(".bands"), await box(".bands span")]

      // From the twentieth of sixty minutes to the thirtieth.
      expect((label.x - row.x) / row.width).toBeCloseTo(1 / 3, 1)
      expect(label.width / row.width).toBeCloseTo(1 / 6, 1)
    }))

  it("shows every text as a text, and asks for nothing", () =>
    visit({}, async (page) => {
      expect(await page.title()).toBe(`An hour ${hostile}`)
      expect(await page.locator("h1").textContent()).toBe(`An hour ${hostile}`)
      expect(await page.locator("img").count()).toBe(0)
    }))

  it("goes through the time by keyboard, and tells each run's moment", () =>
    visit({}, async (page) => {
      await page.keyboard.press("Tab")
      await page.locator("#moment").focus()
      await page.keyboard.press("End")
      expect(await page.locator("#at").textContent()).toBe("59:50")
      expect(await readouts(page)).toEqual(Array(2).fill("closed · went well 1/s · load 0.7"))
      await page.locator("#moment").fill("186")
      expect(await page.locator("#at").textContent()).toBe("31:00")
      expect(await readouts(page)).toEqual([
        "open · refused, would have gone well 1/s · load 0.7",
        "closed · went well 1/s · load 0.7"
      ])
      await page.keyboard.press("ArrowLeft")
      expect(await page.locator("#moment").getAttribute("aria-valuetext")).toBe("30:50")
    }))

  it("tells the moment that is pointed at, in all pictures", () =>
    visit({}, async (page) => {
      const box = (await page.locator(".plots").first().boundingBox())!
      await page.mouse.move(box.x + box.width * (25.05 / 60), box.y + 60)
      expect(await page.locator("#at").textContent()).toBe("25:00")
      expect((await readouts(page)).every((text) => text.startsWith("open · refused, would have failed 1/s"))).toBe(
        true
      )
      for (const line of await page.locator(".line").all()) {
        const at = (await line.boundingBox())!
        expect(Math.abs(at.x - (box.x + box.width * (150.5 / 360)))).toBeLessThan(1.5)
      }
    }))

  it("has pictures that show what the run did, where it did", () =>
    visit({}, async (page) => {
      const boxes = await page.locator("path.open").all()
      const lane = (await page.locator(".lane").first().boundingBox())!
      const opened = (await boxes[0]!.boundingBox())!
      expect((opened.x - lane.x) / lane.width).toBeCloseTo(20 / 60, 2)
      expect(opened.width / lane.width).toBeCloseTo(15 / 60, 2)
      const quick = (await boxes[1]!.boundingBox())!
      expect(quick.width / lane.width).toBeCloseTo(11 / 60, 2)
    }))

  for (
    const [name, options] of Object.entries<BrowserContextOptions>({
      "in the light": {},
      "in the dark": { colorScheme: "dark" },
      "on a phone": { viewport: { width: 375, height: 700 }, hasTouch: true },
      "on a very small phone": { viewport: { width: 320, height: 600 }, colorScheme: "dark" }
    })
  ) {
    it(`has nothing ${name} that people with disabilities would stumble over, and scrolls one way`, () =>
      visit(options, async (page) => {
        await page.locator("summary").first().click()
        await page.evaluate(axe())
        const found = await page.evaluate<ReadonlyArray<{ id: string; nodes: ReadonlyArray<{ html: string }> }>>(
          "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => ({ html })) })))"
        )
        expect(found).toEqual([])
        expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0)
      }))
  }

  it("is all there without JavaScript, but for the slider", () =>
    visit({ javaScriptEnabled: false }, async (page) => {
      expect(await page.locator("#cursor").isVisible()).toBe(false)
      expect(await page.locator("path.open").count()).toBe(2)
      expect(await page.locator("table").first().isVisible()).toBe(true)
      expect(await page.locator("section").last().textContent()).toContain("What a caller would have done.")
    }))
})
