import { createRequire } from "node:module"
import { defineConfig } from "vitest/config"

const source = (path: string) => new URL(path, import.meta.url).pathname

// A real browser, a hundred viewers, the demo, and commands and examples as programs of their own take their time: they have
// commands of their own, `npm run test:page`, `npm run test:demo` and `npm run test:command`.
const apart = [
  ...(process.env.TEST_BROWSER === "1" ? [] : ["test/**/*.browser.test.ts", "test/dashboard/Dashboard.test.ts"]),
  ...(process.env.TEST_DEMO === "1" ? [] : ["test/demo.test.ts"]),
  ...(process.env.TEST_COMMAND === "1" ? [] : [
    "test/cli/**",
    "test/examples/**",
    "test/replay/Tune*.test.ts",
    "test/replay/Simulation*.test.ts",
    "test/replay/*.laws.test.ts",
    "test/ai-sdk/BreakerMiddleware.faults.test.ts",
    "test/http/SdkFetch.test.ts"
  ]),
  // They run with all that needs a Redis and time: `npm run test:fleet`.
  ...(process.env.TEST_FLEET === "1" ? [] : [
    "test/redis/{Fleet.many,FleetShare,Stored}.laws.test.ts",
    "test/redis/{SharedCircuit,Patience}.test.ts"
  ])
]

const sweeps = [
  "test/**/*.interruption.test.ts",
  "test/*.laws.test.ts",
  // Half a minute of loads: `npm run laws`.
  ...(process.env.TEST_LAWS === "1" ? ["test/FairShare.test.ts"] : [])
]

// Another major of the AI SDK, of a project elsewhere: `npm run test:ai-sdk`.
const aiSdk = process.env.AI_SDK
const otherAiSdk = aiSdk === undefined
  ? []
  : ["ai/test", "ai", "@ai-sdk/openai", "@ai-sdk/anthropic"].map((name) => ({
    find: new RegExp(`^${name}$`),
    replacement: createRequire(`${aiSdk}/package.json`).resolve(name)
  }))

export default defineConfig({
  resolve: {
    alias: [
      ...otherAiSdk,
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
          exclude: [...sweeps, "test/FairShare.test.ts", ...apart]
        }
      }
    ],
    // what a browser does is waited for, on however busy a machine
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000
  }
})
