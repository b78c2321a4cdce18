// What the files that doc-examples.mjs writes run in.
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
    const unreached = new Set(claims)
    await run((line, actual, expected) => {
      unreached.delete(line)
      expect.soft(actual, `line ${line}`).toEqual(expected)
    })
    expect([...unreached], "lines that were never reached (a missing await?)").toEqual([])
  })
}
