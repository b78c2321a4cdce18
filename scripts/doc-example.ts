// What the files that doc-examples.mjs writes run in.
import { Effect } from "effect"
import { Registry } from "effect-breaker/control"
import { expect, test, vi } from "vitest"

/**
 * One example of the documentation as a test. Its output is swallowed; each line in `claims` has to be reached and to
 * show what the example says it shows, also where the example itself would catch the failure.
 */
export const example = (
  title: string,
  claims: ReadonlyArray<number>,
  run: (shows: (line: number, actual: unknown, expected: unknown) => void) => Promise<void>
): void => {
  test(title, async () => {
    vi.spyOn(console, "log").mockImplementation(() => {})
    // An example is a program of its own: it knows nothing of the circuits that others left in this process.
    const registry = Effect.runSync(Effect.gen(function*() {
      return yield* Registry.Current
    }))
    for (const source of registry.sources()) registry.remove(source)
    const unreached = new Set(claims)
    await run((line, actual, expected) => {
      unreached.delete(line)
      expect.soft(actual, `line ${line}`).toEqual(expected)
    })
    expect([...unreached], "lines that were never reached (a missing await?)").toEqual([])
  })
}
