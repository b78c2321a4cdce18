import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { makeHandler, outage } from "../../examples/route-handler.ts"
import { whole } from "./asking.ts"

const asking = (signal?: AbortSignal) =>
  new Request("http://localhost/api/chat", {
    method: "POST",
    body: JSON.stringify({ prompt: "How are you?" }),
    ...(signal !== undefined && { signal })
  })

describe("the route handler of the example", () => {
  it.live("tells its outage: an answer, a fallback that says so, and at last when to come back", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      yield* outage((line) => lines.push(line))
      // Events are told a moment after they happened.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      const told = lines.filter((line) => !line.startsWith("  "))
      assert.deepStrictEqual(told.slice(0, 8), [
        `200 ${whole}`,
        ...Array.from({ length: 6 }, () => `200 ${whole}\n(answered by gpt-5-mini)`),
        "the first provider was asked 6 times"
      ])
      assert.strictEqual(told[8], `503 {"error":"The models do not answer."}`)
      assert.match(told.at(-1)!, /^503 \{"error":"Circuit \\"(?:anthropic|openai)\/.* is open: .*ask again in .*"\}$/)
      assert.sameMembers(lines.filter((line) => line.startsWith("  ")), [
        "  anthropic/claude-haiku-4-5: Open",
        "  openai/gpt-5-mini: Open"
      ])
    }))

  it.live("says that an answer broke off, and gives the provider up when its user leaves", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make()
      const POST = makeHandler({ anthropic: provider.baseUrl, openai: provider.baseUrl })
      yield* provider.setHealth({ faults: [{ fault: Fault.cutAfter({ tokens: 2 }), share: 1 }] })
      const cut = yield* Effect.promise(async () => (await POST(asking())).text())
      assert.strictEqual(cut, "This answer\n(the answer broke off)")

      yield* provider.setHealth({ faults: [{ fault: Fault.stallAfter({ tokens: 2 }), share: 1 }] })
      const user = new AbortController()
      const response = yield* Effect.promise(() => POST(asking(user.signal)))
      assert.strictEqual(response.status, 200)
      user.abort()
      const entries = yield* provider.awaitJournal((entries) => entries.every(({ end }) => end !== "running"))
      assert.strictEqual(entries.at(-1)!.end, "client-closed")
    }))
})
