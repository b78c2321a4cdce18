import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { StreamBroken } from "effect-breaker/ai-sdk"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { endsAfter, Heard } from "../llm/contract/driving.ts"
import { cell, rows } from "../llm/contract/table.ts"
import { arrived, guarded, names, plain, quiet, recorded, type Seen, started, streamed, whole } from "./asking.ts"

/** What the contract's table says that a caller gets: the text, and whether an error ends it. */
const expected = (got: string): { readonly text: string; readonly fails: boolean } => {
  if (got === "answer") return { text: whole, fails: false }
  if (got === "nothing") return { text: "", fails: false }
  const [, text = ""] = /^"(.*?)"(?: then|$)/.exec(got) ?? []
  return { text, fails: got !== `"${text}"` }
}

const got = ({ error, text }: Seen) => ({ text, fails: error !== undefined })

/**
 * Where the middleware reads a whole answer as it reads a stream, and `LlmOutcome.classify` does not: it says of an empty
 * answer that it is empty, and what ends by an error is no answer.
 */
const wholeIsStreamed = ["17 no text and a proper end", "20 a finish that says error, after two words"]

const patience = { firstContent: "20 seconds", idle: "30 seconds" } as const

for (const { fault, hangsAfter, plain: asWhole, says, stream } of rows) {
  describe(`behind the middleware, fault ${says}`, () => {
    for (const name of names) {
      if (hangsAfter === undefined) {
        it.effect(`${name}: plain, ${asWhole.vote}`, () =>
          Effect.gen(function*() {
            const { url } = yield* FakeProvider.make({ allowHeader: true })
            const { llm, votes } = yield* recorded
            const model = yield* guarded(name, url, { llm })

            const seen = yield* plain(model, { headers: Fault.header(fault) })

            const { got: given, vote } = wholeIsStreamed.includes(says) ? stream : asWhole
            const { fails, text } = expected(cell(given, name))
            assert.deepStrictEqual([votes, got(seen)], [[vote], { fails, text: fails ? "" : text }])
            yield* quiet(llm)
          }))

        it.effect(`${name}: streamed, ${stream.vote}`, () =>
          Effect.gen(function*() {
            const { url } = yield* FakeProvider.make({ allowHeader: true })
            const { llm, votes } = yield* recorded
            const model = yield* guarded(name, url, { llm })

            const seen = yield* streamed(model, { headers: Fault.header(fault) })

            assert.deepStrictEqual([votes, got(seen)], [[stream.vote], expected(cell(stream.got, name))])
            yield* quiet(llm)
          }))
      } else {
        it.effect(`${name}: plain, Failure timeout model at the deadline, and the request is given up`, () =>
          Effect.gen(function*() {
            const provider = yield* FakeProvider.make({ allowHeader: true })
            const { llm, votes } = yield* recorded
            const model = yield* guarded(name, provider.url, { llm, total: "30 seconds" })

            const fiber = yield* started(plain(model, { headers: Fault.header(fault) }))
            yield* arrived(provider)
            const { error } = yield* endsAfter(fiber, "30 seconds")
            const [entry] = yield* provider.awaitJournal(([entry]) => entry!.end !== "running")

            assert.instanceOf(error, StreamBroken)
            assert.deepStrictEqual([votes, error.deadline, entry!.end], [
              ["Failure timeout model"],
              "total",
              "client-closed"
            ])
            yield* quiet(llm)
          }))

        it.effect(`${name}: streamed, ${stream.vote} at the deadline, and the request is given up`, () =>
          Effect.gen(function*() {
            const provider = yield* FakeProvider.make({ allowHeader: true })
            const { llm, votes } = yield* recorded
            const model = yield* guarded(name, provider.url, { llm, ...patience })
            const limit = hangsAfter === 0 ? "firstContent" : "idle"

            const heard = new Heard()
            const reading = streamed(model, { headers: Fault.header(fault) }, (said) => heard.add(said))
            const fiber = yield* started(reading)
            yield* arrived(provider)
            yield* heard.words(hangsAfter)
            const { error, ...seen } = yield* endsAfter(fiber, patience[limit])
            const [entry] = yield* provider.awaitJournal(([entry]) => entry!.end !== "running")

            assert.instanceOf(error, StreamBroken)
            assert.deepStrictEqual([votes, error.deadline, error.partial, entry!.end], [
              [stream.vote],
              limit,
              hangsAfter > 0,
              "client-closed"
            ])
            assert.strictEqual(seen.text, expected(cell(stream.got, name)).text)
            yield* quiet(llm)
          }))
      }
    }
  })
}

describe("behind the middleware, no fault", () => {
  for (const name of names) {
    it.effect(`${name}: plain and streamed, Success, and every word of it`, () =>
      Effect.gen(function*() {
        const { url } = yield* FakeProvider.make()
        const { llm, votes } = yield* recorded
        const model = yield* guarded(name, url, { llm })

        const seen = [yield* plain(model), yield* streamed(model)]

        for (const { error, finish, text } of seen) {
          assert.deepStrictEqual([text, error, finish], [whole, undefined, "stop"])
        }
        assert.deepStrictEqual(votes, ["Success model", "Success model"])
        yield* quiet(llm)
      }))
  }
})
