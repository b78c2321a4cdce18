import { describe, expect, it } from "@effect/vitest"
import type { BrowserContextOptions, Page } from "playwright-core"
import { hasBrowser } from "./browser.ts"
import { axe, type Circuit, circuit, isolated, open, type Script, script } from "./script.ts"
import { card, live, names, text, visiting } from "./visiting.ts"

describe.skipIf(!hasBrowser)("the live page", () => {
  const { endings, visit } = visiting()

  const serve = async (circuits: ReadonlyArray<Circuit>): Promise<Script> => {
    const server = await script(circuits)
    endings.push(server.stop)
    return server
  }

  const listening = async (server: Script) => {
    await expect.poll(() => server.streams).toBeGreaterThan(0)
  }

  const focused = (page: Page) =>
    page.evaluate<string>("document.activeElement.ariaLabel ?? document.activeElement.tagName")
  const cards = async (page: Page, count: number) => {
    await expect.poll(() => page.locator(".card").count()).toBe(count)
  }

  describe("a circuit", () => {
    it("is told in words: state, cause, what happens next, figures", async () => {
      const at = Date.now()
      const failure = { at: at - 65_500, kind: "Overloaded", message: "try again later" }
      const server = await serve([
        open("openai", {
          calls: 48,
          failureRate: 0.625,
          slowRate: 0.002,
          refused: 1204,
          inFlight: 3,
          uptimePercentage: 99.9996,
          opened: [at - 3 * 86_400_000, at, at],
          cause: { ...open("").cause!, failure }
        }),
        isolated("mistral", {
          cause: { ...isolated("").cause!, note: "maintenance", by: "ann" }
        }),
        circuit("google", { state: "HalfOpen", stage: "Ramping", share: 0.25 }),
        circuit("cohere", { state: "HalfOpen", stage: "Probing", retryAfter: 1000 }),
        circuit("groq", { mode: "observe", wouldRefuse: 57 }),
        circuit("ocr", { opened: Array.from({ length: 100 }, () => at) })
      ])
      const page = await visit(server)

      const openai = await text(card(page, "openai"))
      for (
        const words of [
          "Open",
          "5 of the last 8 calls failed (63 %), the limit is 50 %",
          "Last failure: Overloaded, 1 min ",
          "try again later",
          "Failed 63 % of 48 calls",
          "Slow 0.2 %",
          "Refused 1,204",
          "In flight 3",
          "Opened today 2",
          "Uptime 99.999 %"
        ]
      ) expect(openai).toContain(words)
      expect(openai).toMatch(/Next probe in 1[12] s/)
      const mistral = await text(card(page, "mistral"))
      expect(mistral).toContain("Isolated")
      expect(mistral).toContain("Every call is refused until it is released")
      expect(mistral).toContain("maintenance by ann")
      expect(await text(card(page, "google"))).toContain("Ramping 25 %")
      expect(await text(card(page, "cohere"))).toContain("Probing")
      expect(await text(card(page, "groq"))).toMatch(/Closed for .* Observing.*Would refuse 57/)
      expect(await text(card(page, "ocr"))).toContain("Opened today 100+")
      expect((await page.locator(".segments").innerText()).replaceAll(/\s+/g, " "))
        .toBe("1 Open 1 Isolated 2 Half-open 2 Closed")
    })

    it("tells its last minutes to those who cannot see the strip", async () => {
      const server = await serve([
        circuit("openai", {}, {
          states: "c".repeat(50) + "o".repeat(10),
          calls: [...Array.from({ length: 50 }, () => 4), ...Array.from({ length: 10 }, () => 0)],
          failures: Array.from({ length: 60 }, (_, index) => index === 49 ? 3 : 0),
          slow: Array.from({ length: 60 }, () => 0),
          refused: Array.from({ length: 60 }, (_, index) => index < 50 ? 0 : 2)
        })
      ])
      const page = await visit(server)
      await page.waitForSelector(".plot path")
      const label = async () => (await page.locator(".plot").getAttribute("aria-label"))!.replaceAll("\u00a0", " ")
      expect(await label()).toBe("Last 1 min: open for 10 s; 200 calls, 3 failed, 0 slow, 20 refused.")

      await listening(server)
      server.beat({})

      await expect.poll(label).toBe("Last 1 min 1 s: open for 11 s; 200 calls, 3 failed, 0 slow, 20 refused.")
    })

    it("counts down by the server's clock, whatever the viewer's says", async () => {
      const start = Date.parse("2026-03-01T12:00:00Z")
      const server = await serve([circuit("openai")])
      server.now = () => start + 3_600_000
      // nothing is heard for a while, and the page is not to wonder
      server.every = 60_000
      const page = await visit(server, {}, { prepare: (page) => page.clock.install({ time: start }) })
      await listening(server)
      await page.clock.pauseAt(await page.evaluate<number>("Date.now() + 1000"))
      const next = async () => {
        await page.clock.runFor(20)
        return text(card(page, "openai").locator(".next"))
      }

      server.now = () => start + 7_200_000
      server.beat({ circuits: [open("openai", { since: start + 7_140_000, retryAfter: 12_000 })] })
      await expect.poll(next).toBe("Next probe in 12 s")
      const told = [await next()]
      for (let seconds = 0; seconds < 14; seconds++) {
        await page.clock.runFor(1000)
        told.push(await next())
      }

      expect([...new Set(told)]).toEqual([
        ...Array.from({ length: 12 }, (_, index) => `Next probe in ${12 - index} s`),
        "The next call is a probe"
      ])
      expect(await text(card(page, "openai").locator(".since"))).toMatch(/^for 1 min 1[45] s$/)
    })

    it("is shown by its name, and nothing in a name runs", async () => {
      const name = "<img src=x onerror=\"globalThis.ran=true\"><script>globalThis.ran=true</script>"
      const server = await serve([
        open(name, { id: "1", cause: { ...open("").cause!, text: name, note: name, by: name } })
      ])
      server.happenings = [{ at: Date.now(), id: "1", name, kind: "Transitioned", state: "Open", text: name, by: name }]
      server.control = true
      const page = await visit(server)

      expect(await names(page)).toEqual([name])
      await page.getByRole("button", { name: `Isolate ${name}` }).click()
      expect(await page.locator("dialog h2").innerText()).toBe(`Isolate ${name}?`)
      expect(await page.locator("img").count()).toBe(0)
      expect(await page.evaluate("'ran' in globalThis")).toBe(false)
    })
  })

  describe("the order", () => {
    it("puts trouble first, and names in their order within", async () => {
      const server = await serve([
        circuit("b10"),
        circuit("b9"),
        circuit("throttled", { retryAfter: 5000 }),
        circuit("shaky", { calls: 10, failureRate: 0.1 }),
        circuit("ramping", { state: "HalfOpen", stage: "Ramping", share: 0.1 }),
        circuit("probing", { state: "HalfOpen", stage: "Probing" }),
        isolated("isolated"),
        open("z"),
        open("a")
      ])
      const page = await visit(server)
      expect((await names(page)).join(" ")).toBe("a z isolated probing ramping shaky throttled b9 b10")

      await listening(server)
      server.beat({ circuits: [open("b10")] })

      await expect.poll(async () => (await names(page)).join(" "))
        .toBe("a b10 z isolated probing ramping shaky throttled b9")
    })

    it("comes about in several steps where many circuits move, from the top", async () => {
      const all = Array.from({ length: 200 }, (_, index) => circuit(`c${String(index).padStart(3, "0")}`))
      const server = await serve(all)
      const page = await visit(server)
      await listening(server)
      await cards(page, 200)
      await page.evaluate(`
        globalThis.moved = []
        new MutationObserver((records) => moved.push(records.reduce((sum, { addedNodes }) => sum + addedNodes.length, 0)))
          .observe(document.querySelector(".cards"), { childList: true })
      `)
      const troubled = all.filter((_, index) => index % 2 === 1).map(({ name }) => name)

      server.beat({ circuits: troubled.map((name) => open(name)) })

      await expect.poll(async () => (await names(page)).slice(0, troubled.length)).toEqual(troubled)
      const moved = await page.evaluate<ReadonlyArray<number>>("moved")
      expect(Math.max(...moved)).toBe(24)
      expect(moved.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(2 * troubled.length)
    })

    it("is on hold while the viewer is at work in a card, and focus stays", async () => {
      const server = await serve([circuit("a"), circuit("b"), circuit("c")])
      server.control = true
      const page = await visit(server)
      await listening(server)
      const button = page.getByRole("button", { name: "Reset b", exact: true })
      await button.focus()

      server.beat({ circuits: [open("c"), circuit("d")], gone: ["a"] })

      await page.getByText("Order on hold").waitFor()
      expect(await names(page)).toEqual(["a", "b", "c", "d"])
      expect(await text(card(page, "a"))).toContain("Gone")
      expect(await text(card(page, "c"))).toContain("Open")
      expect(await focused(page)).toBe("Reset b")

      await page.getByRole("button", { name: "Sort now" }).click()

      await expect.poll(() => names(page)).toEqual(["c", "b", "d"])
      expect(await page.locator(".hold").count()).toBe(0)
      expect(await focused(page)).toBe("H2")
    })

    it("is on hold while the pointer is over the cards, and no longer", async () => {
      const server = await serve([circuit("a"), circuit("b")])
      const page = await visit(server)
      await listening(server)
      await card(page, "a").hover()

      server.beat({ circuits: [open("b")] })

      await page.getByText("Order on hold").waitFor()
      expect(await names(page)).toEqual(["a", "b"])
      await page.mouse.move(5, 5)
      await expect.poll(() => names(page)).toEqual(["b", "a"])
    })

    it("does not move the viewer, who scrolled down", async () => {
      const server = await serve(Array.from({ length: 60 }, (_, index) => circuit(`c${index}`)))
      const page = await visit(server)
      await listening(server)
      await cards(page, 60)
      await page.evaluate("scrollTo(0, 2000)")
      await page.waitForSelector("[data-id=c24] .plot svg")

      server.beat({ circuits: [open("c59")] })

      await page.getByText("1 Open").waitFor()
      expect(await page.evaluate("scrollY")).toBe(2000)
      await expect.poll(async () => (await names(page))[0]).toBe("c59")
      expect(await page.evaluate("scrollY")).toBe(2000)
    })
  })

  describe("the filter", () => {
    it("keeps what matches by name and by state", async () => {
      const server = await serve([open("openai/gpt"), open("mistral"), circuit("openai/embed"), isolated("OpenAI/tts")])
      const page = await visit(server)
      await page.getByRole("searchbox").fill("openai")
      expect(await names(page)).toEqual(["openai/gpt", "OpenAI/tts", "openai/embed"])
      expect(await page.locator("main h2").innerText()).toBe("3 of 4 circuits")

      await page.getByRole("button", { name: /Open$/ }).click()
      expect(await names(page)).toEqual(["openai/gpt"])
      await page.getByRole("button", { name: /Isolated$/ }).click()
      expect(await names(page)).toEqual(["openai/gpt", "OpenAI/tts"])

      await page.getByRole("searchbox").fill("nothing like it")
      expect(await page.locator(".nothing").innerText()).toBe("No circuit matches the filter.")
    })
  })

  describe("the connection", () => {
    it("comes back by itself to a server that restarted, and says so", async () => {
      const server = await serve([open("old")])
      server.happenings = [{ at: 1, id: "old", name: "old", kind: "Transitioned", state: "Open", text: "opened" }]
      const page = await visit(server)
      await listening(server)

      await server.stop()
      await page.getByText(/^reconnecting since \d\d:\d\d:\d\d/).waitFor()
      expect(await names(page)).toEqual(["old"])
      server.circuits = [circuit("new")]
      server.happenings = []
      await server.start("second")

      await live(page)
      expect(await names(page)).toEqual(["new"])
      expect(await text(page.locator(".connection"))).toMatch(/^live ?server restarted at \d\d:\d\d:\d\d$/)
      expect(await page.locator(".happenings li").count()).toBe(0)
      await listening(server)
      server.beat({ circuits: [open("new")] })
      await expect.poll(() => text(card(page, "new"))).toContain("Open")
    })

    it("says that the viewer is no longer let in, where a login answers in its place", async () => {
      const server = await serve([circuit("openai")])
      const page = await visit(server)
      await listening(server)
      await page.route(
        "**/snapshot.json",
        (route) =>
          route.fulfill({ status: 200, contentType: "text/html; charset=utf-8", body: "<!doctype html>Sign in" })
      )

      await server.stop()
      await server.start("first")
      await page.getByText("another page came in its place, perhaps a login: load this one anew").waitFor()
      expect(await text(page.locator(".connection"))).toMatch(/^reconnecting since/)
      expect(await names(page)).toEqual(["openai"])
    })

    it("is found out to be dead where it is still open but nothing comes, and is made anew", async () => {
      const server = await serve([circuit("openai")])
      const page = await visit(server, {}, { prepare: (page) => page.clock.install() })
      await listening(server)
      await page.clock.pauseAt(await page.evaluate<number>("Date.now() + 1000"))
      const connection = async () => {
        await page.clock.runFor(250)
        return text(page.locator(".connection"))
      }
      server.circuits = [open("openai")]

      await expect.poll(connection).toMatch(/^reconnecting since .*the server went silent; what is shown may be old$/)
      await expect.poll(connection).toBe("live")
      expect(await text(card(page, "openai"))).toContain("Open")
      expect(server.snapshots).toBe(2)
    })

    it("fetches the whole again where beats are missing, and only there", async () => {
      const server = await serve([circuit("a"), circuit("b")])
      const page = await visit(server)
      await listening(server)
      expect(server.snapshots).toBe(1)
      server.beat({ circuits: [open("a")] })
      await expect.poll(() => text(card(page, "a"))).toContain("Open")
      expect(server.snapshots).toBe(1)

      server.beat({ circuits: [isolated("b")] }, "lost")
      server.beat({})

      await expect.poll(() => text(card(page, "b"))).toContain("Isolated")
      expect(server.snapshots).toBe(2)
    })
  })

  describe("what happened", () => {
    it("is listed newest first, with who gave an order, and never more than 200", async () => {
      const server = await serve([circuit("a")])
      const at = Date.now()
      server.happenings = [
        { at, id: "a", name: "a", kind: "Commanded", state: "Closed", text: "released", by: "ann" },
        { at: at - 1000, id: "a", name: "a", kind: "Transitioned", state: "Open", text: "opened" }
      ]
      const page = await visit(server)
      const items = async () =>
        (await page.locator(".happenings li p").allInnerTexts()).map((each) => each.replaceAll(/\s+/g, " "))
      expect(await items()).toEqual(["a released by ann", "a opened"])

      await listening(server)
      server.beat({
        happenings: Array.from({ length: 250 }, (_, index) => ({
          at: at + index,
          id: "a",
          name: "a",
          kind: "Transitioned" as const,
          state: "Open",
          text: `opened ${index}`
        }))
      })

      await expect.poll(async () => (await items())[0]).toBe("a opened 249")
      expect(await page.locator(".happenings li").count()).toBe(200)
    })

    it("is told in the title even while the page is in the background, where no frame is drawn", async () => {
      const server = await serve([circuit("openai")])
      const page = await visit(server, {}, {
        prepare: (page) =>
          page.addInitScript(`
            // The page goes into the background just after it asked for a frame.
            let state = "visible"
            Object.defineProperty(document, "visibilityState", { get: () => state })
            const frame = requestAnimationFrame
            globalThis.requestAnimationFrame = (draw) => {
              if (state === "visible") return frame(draw)
              if (state === "hiding") queueMicrotask(() => document.dispatchEvent(new Event("visibilitychange")))
              state = "hidden"
              return 0
            }
            globalThis.hide = () => {
              state = "hiding"
            }
          `)
      })
      await listening(server)
      expect(await page.title()).toBe("Model gateway")
      await page.evaluate("hide()")

      server.beat({ circuits: [open("openai")] })

      await expect.poll(() => page.title()).toBe("(1) Model gateway")
    })

    it("tells of trouble beyond what the page shows, in plain sight and aloud, for as long as there is some", async () => {
      const server = await serve([open("openai"), open("mistral")])
      server.hidden = 40
      server.every = 60_000
      const page = await visit(server, {}, { prepare: (page) => page.clock.install() })
      await listening(server)
      await page.clock.pauseAt(await page.evaluate<number>("Date.now() + 1000"))
      const soon = async <A>(look: () => Promise<A>) => {
        await page.clock.runFor(200)
        return look()
      }
      const said = () => soon(() => page.locator("#announcements").innerText())
      const shown = page.locator(".bar .beyond")
      expect(await shown.count()).toBe(0)
      expect(await page.locator("p.hidden").innerText())
        .toBe("And 40 circuits more than this page follows, all of them closed.")

      server.hiddenTrouble = 12
      server.beat({})
      await expect.poll(() => soon(() => shown.count())).toBe(1)
      expect(await text(shown))
        .toBe("12 more circuits are in trouble and not shown. This page follows no more than 2 circuits.")
      expect((await shown.boundingBox())!.y).toBeLessThan(200)
      expect(await page.locator("p.hidden").innerText())
        .toBe("And 40 circuits more than this page follows, 12 of them in trouble.")
      expect(await page.title()).toBe("(14) Model gateway")
      await expect.poll(said).toBe("12 more circuits are in trouble and not shown.")

      server.hiddenTrouble = 1
      server.beat({})
      await expect.poll(() => soon(() => text(shown))).toContain("1 more circuit is in trouble and not shown.")
      server.hiddenTrouble = undefined
      server.beat({})
      await expect.poll(() => soon(() => shown.count())).toBe(0)
      await expect.poll(said).toBe("No circuit in trouble is left out any more.")
    })

    it("is said aloud, and a storm is summed up", async () => {
      const all = Array.from({ length: 12 }, (_, index) => circuit(`c${index}`))
      const server = await serve(all)
      const page = await visit(server)
      await listening(server)
      const said = () => page.locator("#announcements").innerText()
      expect(await said()).toBe("")

      server.beat({ circuits: all.map(({ name }) => open(name)) })
      await expect.poll(said).toBe("12 circuits opened: c0, c1, c2 and 9 more.")
    })
  })

  describe("five hundred circuits", () => {
    const strip = {
      states: "c".repeat(120),
      calls: Array.from({ length: 120 }, (_, index) => index % 9),
      failures: Array.from({ length: 120 }, () => 0),
      slow: Array.from({ length: 120 }, () => 0),
      refused: Array.from({ length: 120 }, () => 0)
    }
    const round = (number: number) =>
      Array.from(
        { length: 500 },
        (_, index) =>
          circuit(`tenant-${index}`, { inFlight: number, calls: 40, failureRate: ((index + number) % 7) / 10 }, strip)
      )
    const figures = (page: Page) =>
      page.evaluate<ReadonlyArray<string>>(`
        [...new Set([...document.querySelectorAll(".figures div:nth-child(3) dd")].map((each) => each.textContent))]
      `)

    interface Drawn {
      readonly cards: number
      readonly near: number
      readonly far: number
      readonly shown: number
    }

    it("are all right after each beat, drawn a few at a time, each once, and pictures only where they are seen", async () => {
      const server = await serve(round(0))
      const page = await visit(server, {}, {
        prepare: (page) =>
          page.addInitScript(`
            globalThis.tasks = []
            new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)))
              .observe({ type: "longtask", buffered: true })
          `)
      })
      await cards(page, 500)
      await listening(server)
      // What is drawn at once comes to an observer at once.
      await page.evaluate(`
        globalThis.loading = tasks.splice(0)
        globalThis.drawn = []
        globalThis.times = new Map()
        const isNear = (card) => {
          const { bottom, top } = card.getBoundingClientRect()
          return bottom > -301 && top < innerHeight + 301
        }
        new MutationObserver((records) => {
          const cards = new Set()
          const pictures = new Set()
          for (const { target } of records) {
            const card = (target.closest ? target : target.parentElement)?.closest(".card")
            if (card == null) continue
            cards.add(card)
            if (target.closest?.("svg")) pictures.add(card)
          }
          for (const card of cards) if (!isNear(card)) times.set(card, (times.get(card) ?? 0) + 1)
          drawn.push({
            cards: cards.size,
            near: [...cards].filter(isNear).length,
            far: [...pictures].filter((card) => !isNear(card)).length,
            shown: new Set(
              records.map(({ target }) => target).filter((target) => target.localName === "li" && !target.hidden)
            ).size
          })
        }).observe(document.querySelector(".cards"), {
          subtree: true, childList: true, characterData: true, attributes: true
        })
      `)
      const drawn = () => page.evaluate<ReadonlyArray<Drawn>>("drawn")

      server.beat({ circuits: round(1) })
      await expect.poll(() => figures(page)).toEqual(["1"])
      const beat = await drawn()
      expect(Math.max(...beat.map(({ near }) => near))).toBeLessThanOrEqual(6)
      expect(Math.max(...beat.map(({ cards }) => cards))).toBeLessThanOrEqual(24)
      expect(beat.some(({ far }) => far > 0)).toBe(false)
      expect(await page.evaluate("Math.max(...times.values())")).toBe(1)
      expect(await page.evaluate("times.size")).toBeGreaterThan(450)

      server.beat({ circuits: round(2) })
      await page.mouse.move(400, 500)
      await page.mouse.wheel(0, 20_000)
      await expect.poll(() =>
        page.evaluate(`
          scrollY > 19_000 && document.elementFromPoint(400, 500)?.closest(".card")?.querySelector("path") != null
        `)
      ).toBe(true)
      await page.getByRole("searchbox").pressSequentially("tenant-49")
      await expect.poll(() => figures(page)).toEqual(["2"])
      expect(Math.max(...(await drawn()).map(({ cards }) => cards))).toBeLessThanOrEqual(24)
      const count = () => page.locator(".cards > li:not([hidden])").count()
      await expect.poll(count).toBe(11)
      await page.getByRole("searchbox").fill("")
      await expect.poll(count).toBe(500)
      expect(Math.max(...(await drawn()).map(({ shown }) => shown))).toBeLessThanOrEqual(11 + 48)
      const [loading, beats] = await page.evaluate<ReadonlyArray<ReadonlyArray<number>>>("[loading, tasks]")
      console.log(`long tasks (ms): loading ${loading!.join(", ") || "none"}; two beats ${beats!.join(", ") || "none"}`)
    })

    it("are all there for who searches the page, or has it read aloud", async () => {
      const server = await serve(round(0))
      const page = await visit(server)
      await cards(page, 500)

      expect(await page.evaluate("find('tenant-321')")).toBe(true)
      await expect.poll(() => page.evaluate("scrollY")).toBeGreaterThan(10_000)
      expect(
        await page.evaluate(`
        const { bottom, top } = document.querySelector("[data-id=tenant-321]").getBoundingClientRect()
        top < innerHeight && bottom > 0
      `)
      ).toBe(true)
      const session = await page.context().newCDPSession(page)
      const { nodes } = await session.send("Accessibility.getFullAXTree")
      const read = (role: string) => nodes.filter((node) => node.role?.value === role).map(({ name }) => name?.value)
      const all = new Set(round(0).map(({ name }) => name))
      expect(new Set(read("article"))).toEqual(all)
      expect(read("heading").filter((name) => all.has(name as string)).length).toBe(500)
      expect(read("StaticText").filter((text) => text === "Closed").length).toBeGreaterThanOrEqual(500)
      expect(read("StaticText").filter((text) => text === "No failure so far").length).toBe(500)
    })

    it("have their place from the start: nothing moves when they come into sight", async () => {
      const server = await serve(round(0).slice(0, 120))
      server.control = true
      for (const options of [{}, { viewport: { width: 390, height: 800 }, isMobile: true, hasTouch: true }]) {
        const page = await visit(server, options)
        await cards(page, 120)
        const height = () => page.evaluate<number>("document.documentElement.scrollHeight")
        const before = await height()
        const last = page.locator("[data-id=tenant-119]")
        await last.scrollIntoViewIfNeeded()
        await last.locator(".plot path").first().waitFor({ state: "attached" })
        await page.locator("[data-id=tenant-60]").scrollIntoViewIfNeeded()
        await page.locator("[data-id=tenant-60] .plot path").first().waitFor({ state: "attached" })

        expect(before).toBeGreaterThan(8000)
        // not by a pixel in a row of cards
        expect(Math.abs(await height() - before) / (await page.locator(".card").count())).toBeLessThan(0.5)
      }
    })
  })

  describe("control", () => {
    it("is not offered where it is not allowed", async () => {
      const server = await serve([open("openai"), isolated("mistral")])
      const page = await visit(server)
      expect(await page.locator("main button").count()).toBe(0)
    })

    it("asks before it isolates, and sends just that", async () => {
      const server = await serve([open("openai"), circuit("mistral")])
      server.control = true
      const page = await visit(server)
      const button = page.getByRole("button", { name: "Isolate openai", exact: true })
      await button.click()
      const dialog = page.getByRole("dialog", { name: "Isolate openai?" })
      expect(await text(dialog.locator(".effect"))).toMatch(/^Every call to openai will be refused until \d\d:\d\d\.$/)
      await dialog.getByLabel("When released").check()
      expect(await text(dialog.locator(".effect"))).toBe("Every call to openai will be refused until it is released.")
      expect(server.orders).toEqual([])

      await page.keyboard.press("Escape")
      await expect.poll(() => page.locator("dialog").count()).toBe(0)
      expect(await focused(page)).toBe("Isolate openai")
      expect(server.orders).toEqual([])

      await page.keyboard.press("Enter")
      await dialog.getByLabel("In 1 h").check()
      await dialog.getByLabel("Note").fill("  maintenance ")
      await page.keyboard.press("Enter")

      await page.getByText(/^Isolated openai until \d\d:\d\d\.$/).waitFor()
      expect(server.orders.map(({ order }) => order)).toEqual([
        { instance: "first", ids: ["openai"], order: "isolate", for: 3_600_000, note: "maintenance" }
      ])
      expect(server.orders[0]!.headers["x-effect-breaker"]).toBe("control")
      expect(server.orders[0]!.headers["content-type"]).toBe("application/json")
      expect(await focused(page)).toBe("Isolate openai")
    })

    it("releases, resets, observes and enforces", async () => {
      const server = await serve([isolated("mistral"), circuit("groq", { mode: "observe" })])
      server.control = true
      const page = await visit(server)
      for (
        const [button, result] of [
          ["Release mistral", "Released mistral."],
          ["Reset mistral", "Reset mistral."],
          ["Observe mistral", "mistral: observing, no call is refused."],
          ["Enforce groq", "groq: enforcing."]
        ] as const
      ) {
        await page.getByRole("button", { name: button, exact: true }).click()
        await page.locator("dialog .act").click()
        await page.getByText(result, { exact: true }).waitFor()
      }
      expect(server.orders.map(({ order }) => order)).toEqual([
        { instance: "first", ids: ["mistral"], order: "release" },
        { instance: "first", ids: ["mistral"], order: "reset" },
        { instance: "first", ids: ["mistral"], order: "mode", mode: "observe" },
        { instance: "first", ids: ["groq"], order: "mode", mode: "enforce" }
      ])
      expect(await page.getByRole("button", { name: "Isolate mistral" }).count()).toBe(0)
    })

    it("reaches all that match the filter, and names the first of them", async () => {
      const server = await serve(
        Array.from({ length: 9 }, (_, index) => circuit(index < 8 ? `gpt-${index}` : "mistral"))
      )
      server.control = true
      const page = await visit(server)
      await page.getByRole("searchbox").fill("gpt")
      await page.getByRole("button", { name: "Control these…" }).click()
      const dialog = page.getByRole("dialog", { name: "Control 8 circuits" })
      expect(await text(dialog.locator(".names"))).toBe("gpt-0, gpt-1, gpt-2, gpt-3, gpt-4 and 3 more")
      await dialog.getByLabel("Observe").check()
      expect(await text(dialog.locator(".effect"))).toContain("No call to 8 circuits will be refused any more.")
      await dialog.getByRole("button", { name: "Observe 8 circuits" }).click()

      await page.getByText("8 circuits: observing, no call is refused.").waitFor()
      expect(server.orders.map(({ order }) => order)).toEqual([
        {
          instance: "first",
          ids: Array.from({ length: 8 }, (_, index) => `gpt-${index}`),
          order: "mode",
          mode: "observe"
        }
      ])
    })

    it("tells why nothing was done, and lets the viewer try again", async () => {
      const server = await serve([circuit("openai")])
      server.control = true
      server.answer = () => [200, { done: 1 }]
      const page = await visit(server)
      server.answer = () => [404, { error: "no circuit has the id openai" }]
      await page.route("**/control", async (route) => {
        const answer = await route.fetch()
        await route.fulfill({ response: answer, status: 200 })
      })
      await page.getByRole("button", { name: "Reset openai" }).click()
      await page.locator("dialog .act").click()
      await page.getByText("Not done: no circuit has the id openai").waitFor()
      expect(await page.locator("dialog").count()).toBe(1)

      server.answer = () => [200, { done: 1 }]
      await page.locator("dialog .act").click()
      await page.getByText("Reset openai.", { exact: true }).waitFor()
    })

    it("takes a login that answers an order for what it is: nothing was done", async () => {
      const server = await serve([circuit("openai")])
      server.control = true
      const page = await visit(server)
      await page.route(
        "**/control",
        (route) =>
          route.fulfill({ status: 200, contentType: "text/html; charset=utf-8", body: "<!doctype html>Sign in" })
      )

      await page.getByRole("button", { name: "Reset openai" }).click()
      await page.locator("dialog .act").click()
      await page.getByText("Not done: another page came in its place, perhaps a login").waitFor()
      expect(await page.locator("dialog").count()).toBe(1)
      expect(server.orders).toEqual([])
    })

    it("never reaches another server's circuits with a question asked before it restarted", async () => {
      const server = await serve([open("openai", { id: "1" })])
      server.control = true
      const page = await visit(server)
      await listening(server)
      await page.getByRole("button", { name: "Reset openai" }).click()
      await server.stop()
      server.circuits = [open("mistral", { id: "1" })]
      await server.start("second")

      await page.locator(".effect", { hasText: "nothing would happen" }).waitFor()
      await page.locator("dialog .act").click({ force: true })
      await page.keyboard.press("Escape")
      await expect.poll(() => page.locator("dialog").count()).toBe(0)
      expect(server.orders).toEqual([])
    })
  })

  describe("is for everyone", () => {
    const views: Readonly<Record<string, BrowserContextOptions>> = {
      light: { colorScheme: "light" },
      dark: { colorScheme: "dark" },
      "a phone": { viewport: { width: 360, height: 760 }, isMobile: true, hasTouch: true }
    }

    it.each(Object.keys(views))("in %s, with and without a question", async (view) => {
      const at = Date.now()
      const server = await serve([
        open("openai", { calls: 9, failureRate: 0.6, cause: { ...open("").cause!, failure: { at, kind: "Timeout" } } }),
        isolated("mistral", { cause: { ...isolated("").cause!, note: "maintenance", by: "ann" } }),
        circuit("google", { state: "HalfOpen", stage: "Ramping", share: 0.25 }),
        circuit("cohere", { state: "HalfOpen", stage: "Probing" }),
        circuit("a-very-long-name-without-any-place-to-break-it-".repeat(5), { mode: "observe" })
      ])
      server.control = true
      server.happenings = [{ at, id: "openai", name: "openai", kind: "Transitioned", state: "Open", text: "opened" }]
      const page = await visit(server, { ...views[view]!, reducedMotion: "reduce", bypassCSP: true })
      await page.addScriptTag({ content: axe() })
      const violations = () =>
        page.evaluate(`axe.run().then(({ violations }) =>
          violations.map(({ id, nodes }) => [id, ...nodes.map((node) => node.failureSummary + node.html)])
        )`)

      expect(await violations()).toEqual([])
      expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0)
      await page.getByRole("button", { name: "Isolate openai" }).click()
      expect(await violations()).toEqual([])
    })

    it("on a phone, whose buttons are as large as fingers", async () => {
      const server = await serve([open("openai"), isolated("mistral")])
      server.control = true
      const page = await visit(server, views["a phone"])
      const small = () =>
        page.evaluate(`
          [...document.querySelectorAll("button, input:not([type=radio]), .jump, dialog label")]
            .filter((each) => each.getBoundingClientRect().height < 44 || each.getBoundingClientRect().width < 44)
            .map((each) => each.outerHTML)
        `)
      expect(await small()).toEqual([])
      await page.getByRole("button", { name: "Isolate openai" }).click()
      expect(await small()).toEqual([])
    })
  })
})
