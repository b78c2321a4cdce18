/** The browser of the page's tests: Debian's Chromium, or the one that CHROMIUM_PATH names. */
import fs from "node:fs"
import { type Browser, chromium } from "playwright-core"

const path = process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium"

export const hasBrowser: boolean = fs.existsSync(path)

if (!hasBrowser) {
  console.warn(
    `SKIPPED: the tests of the live page need a browser, and there is none at ${path}. Install it`
      + ` (apt-get install chromium), or set CHROMIUM_PATH to a Chromium or Chrome.`
  )
}

/** Starts the browser, with a profile of its own that goes away with it. */
export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: path,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync"
    ]
  })
