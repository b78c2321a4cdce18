import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { named, names } from "./clients.ts"
import { endsAfter, Heard, plain, streamed } from "./driving.ts"
import { cell, rows } from "./table.ts"

const patience = { plainTimeout: "30 seconds", stream: { firstContent: "20 seconds", idle: "30 seconds" } } as const

for (const { fault, hangsAfter, plain: whole, says, stream } of rows) {
  describe(`fault ${says}`, () => {
    for (const name of names) {
      const client = named(name)

      if (hangsAfter === undefined) {
        it.effect(`${name}: plain, ${whole.vote}`, () =>
          Effect.gen(function*() {
            const { url } = yield* FakeProvider.make({ allowHeader: true })

            const { client: said, got, vote } = yield* plain(client, { url, headers: Fault.header(fault) })

            assert.deepStrictEqual({ client: said, got, vote }, {
              vote: whole.vote,
              got: cell(whole.got, name),
              client: cell(whole.client, name)
            })
          }))

        it.effect(`${name}: streamed, ${stream.vote}`, () =>
          Effect.gen(function*() {
            const { url } = yield* FakeProvider.make({ allowHeader: true })

            const { client: said, got, vote } = yield* streamed(client, { url, headers: Fault.header(fault) })

            assert.deepStrictEqual({ client: said, got, vote }, {
              vote: stream.vote,
              got: cell(stream.got, name),
              client: cell(stream.client, name)
            })
          }))
      } else {
        it.effect(`${name}: plain, ${whole.vote} when the caller's patience ends, and the request is given up`, () =>
          Effect.gen(function*() {
            const provider = yield* FakeProvider.make({ allowHeader: true })
            const call = plain(client, { url: provider.url, headers: Fault.header(fault) }, patience)

            const fiber = yield* Effect.forkChild(call, { startImmediately: true })
            yield* provider.awaitJournal(([entry]) => entry?.fault !== undefined)
            const { got, vote } = yield* endsAfter(fiber, "30 seconds")
            const [entry] = yield* provider.awaitJournal(([entry]) => entry!.end !== "running")

            assert.deepStrictEqual({ got, vote, end: entry!.end }, {
              vote: whole.vote,
              got: cell(whole.got, name),
              end: "client-closed"
            })
          }))

        it.effect(`${name}: streamed, ${stream.vote} at the deadline, and the request is given up`, () =>
          Effect.gen(function*() {
            const provider = yield* FakeProvider.make({ allowHeader: true })
            const heard = new Heard()
            const call = streamed(client, { url: provider.url, headers: Fault.header(fault) }, patience, heard)

            const fiber = yield* Effect.forkChild(call, { startImmediately: true })
            yield* provider.awaitJournal(([entry]) => entry?.fault !== undefined)
            yield* heard.words(hangsAfter)
            const { got, vote } = yield* endsAfter(fiber, hangsAfter === 0 ? "20 seconds" : "30 seconds")
            const [entry] = yield* provider.awaitJournal(([entry]) => entry!.end !== "running")

            assert.deepStrictEqual({ got, vote, end: entry!.end }, {
              vote: stream.vote,
              got: cell(stream.got, name),
              end: "client-closed"
            })
          }))
      }
    }
  })
}

describe("no fault", () => {
  for (const name of names) {
    it.effect(`${name}: plain and streamed, Success`, () =>
      Effect.gen(function*() {
        const { url } = yield* FakeProvider.make()

        const whole = yield* plain(named(name), { url })
        const stream = yield* streamed(named(name), { url })

        for (const { client, got, vote } of [whole, stream]) {
          assert.deepStrictEqual([vote, got, client], ["Success model", "answer", "quiet"])
        }
      }))
  }
})
