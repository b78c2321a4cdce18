/** Visits of the page, with a real browser. What the page complains about is to be nothing at the end of each. */
import { afterAll, afterEach, beforeAll, expect } from "@effect/vitest"
import type { Browser, BrowserContextOptions, ConsoleMessage, Locator, Page } from "playwright-core"
import { launch } from "./browser.ts"

export interface Visiting {
  /** What has to be ended after the test, the last one first. */
  readonly endings: Array<() => Promise<unknown>>
  /** Opens the page, and waits until it has the whole and listens. */
  readonly visit: (
    server: { readonly url: string },
    options?: BrowserContextOptions,
    more?: {
      /** What is done before the page is opened. */
      readonly prepare?: (page: Page) => Promise<unknown>
      /** What it may complain about: of a server that is away, unless told otherwise. */
      readonly mayComplain?: RegExp
    }
  ) => Promise<Page>
}

/** Starts the browser for the tests of a block, and ends what they leave. */
export const visiting = (): Visiting => {
  let browser: Browser
  const endings: Array<() => Promise<unknown>> = []

  beforeAll(async () => {
    browser = await launch()
  })
  afterEach(async () => {
    for (const end of endings.splice(0).toReversed()) await end()
  })
  afterAll(() => browser.close())

  const newPage = async (options: BrowserContextOptions): Promise<Page> =>
    (await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })).newPage()

  /** A browser takes its time over a new page: visits that ask for nothing special share one. */
  let shared: Page | undefined
  const plain = async (): Promise<Page> => shared ??= await newPage({})

  return {
    endings,
    visit: async (server, options, { prepare, mayComplain = /net::ERR_/ } = {}) => {
      const page = options === undefined ? await plain() : await newPage(options)
      const complaints: Array<string> = []
      const complain = (complaint: string) => {
        if (!mayComplain.test(complaint)) complaints.push(complaint)
      }
      const hear = (message: ConsoleMessage) => message.type() === "error" && complain(message.text())
      const hearError = (error: Error) => complain(String(error))
      page.on("console", hear)
      page.on("pageerror", hearError)
      endings.push(async () => {
        page.off("console", hear)
        page.off("pageerror", hearError)
        await page.unrouteAll()
        await page.mouse.move(0, 0)
        await (options === undefined ? page.goto("about:blank") : page.context().close())
        expect(complaints).toEqual([])
      })
      await prepare?.(page)
      await page.goto(server.url)
      await live(page)
      return page
    }
  }
}

/** The page has the whole and listens. */
export const live = async (page: Page): Promise<void> => {
  await page.locator(".connection.live").waitFor()
}

export const card = (page: Page, name: string): Locator =>
  page.locator(".card", { has: page.getByTitle(name, { exact: true }) })

export const names = (page: Page): Promise<ReadonlyArray<string>> =>
  page.locator(".cards > li:not([hidden]) h3").allTextContents()

export const text = async (locator: Locator): Promise<string> => (await locator.innerText()).replaceAll(/\s+/g, " ")
