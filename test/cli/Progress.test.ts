import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Progress from "../../src/cli/Progress.ts"
import * as Screen from "../../src/cli/Screen.ts"

describe("the line of long work", () => {
  it("has a bar and what is left where the whole is known, and counts where it is not", () => {
    assert.strictEqual(
      Progress.line("day.jsonl", { done: 250, of: 1000, count: ["lines", 5000] }, 2000),
      `day.jsonl  [${"█".repeat(6)}${"░".repeat(18)}]  25 %  5,000 lines  2,500/s  6 s left`
    )
    assert.strictEqual(
      Progress.line("standard input", { done: 250, count: ["lines", 5000] }, 2000),
      "standard input  5,000 lines  2,500/s"
    )
  })

  it("says no rate and no time left before there is one to say", () => {
    assert.strictEqual(
      Progress.line("x", { done: 0, of: 10, count: ["lines", 0] }, 0),
      `x  [${"░".repeat(24)}]  0 %  0 lines`
    )
  })

  it("never goes beyond the whole", () => {
    assert.strictEqual(Progress.line("x", { done: 20, of: 10 }, 5000), `x  [${"█".repeat(24)}]  100 %`)
  })
})

describe("work that shows how far it is", () => {
  const shown = (isTTY: boolean) => {
    const written: Array<string> = []
    const output = { isTTY, columns: 200, write: (text: string) => written.push(text) }
    return { written, screen: Screen.make({ env: {}, stdout: output, stderr: output }) }
  }

  it.effect("shows it five times a second on a terminal, gives its result, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const { screen, written } = shown(true)
      let done = 0
      const work = Effect.as(Effect.sleep(1000), "result")
      const fiber = yield* Effect.forkChild(
        Progress.during(work, "work", () => ({ done: done++, of: 10 })).pipe(
          Effect.provideService(Screen.Screen, screen)
        )
      )
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(fiber), "result")
      assert.isAtLeast(written.filter((text) => text.startsWith("work")).length, 5)
      assert.strictEqual(written.at(-1), "\r\u001b[2K")
    }))

  it.effect("shows nothing in a file", () =>
    Effect.gen(function*() {
      const { screen, written } = shown(false)
      yield* Progress.during(Effect.succeed(1), "work", () => ({ done: 0 })).pipe(
        Effect.provideService(Screen.Screen, screen)
      )
      assert.deepStrictEqual(written, [])
    }))

  it.effect("fails as the work fails, with its line taken away", () =>
    Effect.gen(function*() {
      const { screen, written } = shown(true)
      const work = Effect.andThen(Effect.sleep(500), Effect.fail("broken"))
      const fiber = yield* Effect.forkChild(
        Effect.flip(Progress.during(work, "work", () => ({ done: 1 }))).pipe(
          Effect.provideService(Screen.Screen, screen)
        )
      )
      yield* TestClock.adjust(500)
      assert.strictEqual(yield* Fiber.join(fiber), "broken")
      assert.strictEqual(written.at(-1), "\r\u001b[2K")
    }))
})
