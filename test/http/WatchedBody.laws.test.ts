import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Answer } from "../../src/http/Answer.ts"
import { ahead, WatchedBody } from "../../src/http/WatchedBody.ts"

const head = { status: 200, headers: { "content-type": "text/plain" } }

/** A body in memory: its pieces, and whether it breaks off after them; asked one piece at a time. */
interface Body {
  readonly sizes: ReadonlyArray<number>
  readonly breaks: boolean
}

const anyBody: fc.Arbitrary<Body> = fc.record({
  sizes: fc.array(fc.integer({ min: 1, max: ahead }), { maxLength: 12 }),
  breaks: fc.boolean()
})

const watching = ({ breaks, sizes }: Body) => {
  const pieces = sizes.map((size, index) => new Uint8Array(size).fill(index))
  const told = { votes: [] as Array<string>, answered: 0, cancelled: 0, asked: 0 }
  const body = new WatchedBody({
    read: async () => {
      const piece = pieces[told.asked++]
      if (piece === undefined && breaks) throw new Error("broken off")
      return piece
    },
    cancel: () => told.cancelled++
  }, {
    answer: new Answer(head, { isModel: false, errors: {} }, () => 0),
    answered: () => told.answered++,
    vote: ({ _tag }) => told.votes.push(_tag)
  })
  return { body, pieces, told }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 40; i++) await Promise.resolve()
}

describe("a body that is read along", () => {
  it("hands on every piece in order and its end, votes once, and reads no further ahead than it says", async () => {
    await fc.assert(
      fc.asyncProperty(anyBody, fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }), async (given, pauses) => {
        const { body, pieces, told } = watching(given)
        const got: Array<Uint8Array> = []
        let failed = false
        for (const pause of pauses) {
          if (pause) await turns()
          const unread = pieces.slice(got.length, told.asked).reduce((sum, { byteLength }) => sum + byteLength, 0)
          assert.isBelow(unread, 3 * ahead)
          try {
            const piece = await body.read()
            if (piece === undefined) break
            got.push(piece)
          } catch {
            failed = true
            break
          }
        }

        assert.deepStrictEqual(got, pieces)
        assert.strictEqual(failed, given.breaks)
        assert.deepStrictEqual([told.answered, told.votes.length, told.cancelled], [1, 1, 0])
        const early = pieces.length > 0 && told.votes[0] === "Success" && given.breaks
        if (!early) assert.deepStrictEqual(told.votes, [given.breaks ? "Failure" : "Success"])
      })
    )
  })

  it("votes once however early it is left, and gives up a source that has more", async () => {
    await fc.assert(fc.asyncProperty(anyBody, fc.nat(14), fc.boolean(), async (given, reads, pause) => {
      const { body, pieces, told } = watching(given)
      for (let i = 0; i < Math.min(reads, pieces.length); i++) await body.read()
      if (pause) await turns()
      const ended = told.asked > pieces.length
      body.leave()
      body.leave()
      await turns()

      assert.strictEqual(told.votes.length, 1)
      assert.isAtMost(told.cancelled, 1)
      if (!ended) assert.strictEqual(told.cancelled, 1)
      assert.isUndefined(await body.read().catch(() => undefined))
    }))
  })

  it("votes without a reader as soon as it has ended, or enough of it has come", async () => {
    await fc.assert(fc.asyncProperty(anyBody, async (given) => {
      const { told } = watching(given)
      await turns()

      const whole = given.sizes.reduce((sum, size) => sum + size, 0) < ahead
      assert.deepStrictEqual(told.votes, [whole && given.breaks ? "Failure" : "Success"])
    }))
  })
})
