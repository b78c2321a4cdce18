import { defineConfig } from "vitest/config"

const source = (path: string) => new URL(path, import.meta.url).pathname

// A real browser and a hundred viewers take their time: they have a command of their own, `npm run test:page`.
const browser = process.env.TEST_BROWSER === "1"
  ? []
  : ["test/**/*.browser.test.ts", "test/dashboard/Dashboard.test.ts"]

const sweeps = ["test/**/*.interruption.test.ts", "test/*.laws.test.ts", "test/FairShare.test.ts"]

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-breaker$/, replacement: source("./src/index.ts") },
      { find: /^effect-breaker\/(.*)$/, replacement: `${source("./src")}/$1/index.ts` }
    ]
  },
  test: {
    globalSetup: ["./test/provider.setup.ts"],
    // Loading modules anew for each of a hundred files would take as long as half of the tests. But some clients of
    // providers make every step of a fiber dear once they are loaded: the sweeps over steps keep away from them.
    isolate: false,
    projects: [
      { extends: true, test: { name: "sweeps", include: sweeps } },
      {
        extends: true,
        test: {
          name: "tests",
          include: ["test/**/*.test.ts", ".doc-examples/**/*.test.ts"],
          exclude: [...sweeps, ...browser]
        }
      }
    ],
    // what a browser does is waited for, on however busy a machine
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000
  }
})
