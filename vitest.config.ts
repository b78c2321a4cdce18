import { defineConfig } from "vitest/config"

const source = (path: string) => new URL(path, import.meta.url).pathname

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-breaker$/, replacement: source("./src/index.ts") },
      { find: /^effect-breaker\/(.*)$/, replacement: `${source("./src")}/$1/index.ts` }
    ]
  },
  test: {
    globalSetup: ["./test/provider.setup.ts"],
    include: ["test/**/*.test.ts", ".doc-examples/**/*.test.ts"],
    // Loading modules anew for each of a hundred files would take as long as half of the tests.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000
  }
})
