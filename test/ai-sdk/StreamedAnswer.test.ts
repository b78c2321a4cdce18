import { assert, describe, it, vi } from "@effect/vitest"
import { generateText, streamText, wrapLanguageModel } from "ai"
import { convertReadableStreamToArray, simulateReadableStream } from "ai/test"
import { Effect, Fiber } from "effect"
import { breakerMiddleware } from "effect-breaker/ai-sdk"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { Heard } from "../llm/contract/driving.ts"
import { arrived, guarded, names, plain, quiet, recorded, started, streamed } from "./asking.ts"
import { MockModel, type Part, spoken } from "./mocks.ts"

const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "Hello" }] }]

const rejection = (promise: PromiseLike<unknown>): PromiseLike<unknown> =>
  promise.then((value) => assert.fail(`resolved with ${JSON.stringify(value)}`), (error: unknown) => error)

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A model whose stream is driven by hand, and that says what became of the request. */
const byHand = () => {
  let push!: ReadableStreamDefaultController<Part>
  const seen = { signal: undefined as AbortSignal | undefined, pulls: 0, cancelled: false }
  const model = new MockModel({
    doStream: async ({ abortSignal }) => {
      seen.signal = abortSignal
      const stream = new ReadableStream<Part>({
        start: (controller) => {
          push = controller
        },
        pull: () => void seen.pulls++,
        cancel: () => {
          seen.cancelled = true
        }
      }, { highWaterMark: 0 })
      return { stream }
    }
  })
  const middleware = breakerMiddleware()
  const votes = () => {
    const { failures, ignored, inFlight, successes } = middleware.snapshots()[0]!
    return { failures, ignored, inFlight, successes }
  }
  const guarded = wrapLanguageModel({ model, middleware })
  return { guarded, push: (...parts: ReadonlyArray<Part>) => parts.forEach((part) => push.enqueue(part)), seen, votes }
}

const nothing = { failures: 0, ignored: 0, inFlight: 0, successes: 0 }
const hello = spoken("Hello").slice(0, 3)

describe("an abort by the caller", () => {
  const reason = new Error("The user left")

  it("before the call asks nobody", async () => {
    const { guarded, seen } = byHand()
    assert.strictEqual(
      await rejection(guarded.doStream({ prompt, abortSignal: AbortSignal.abort(reason) }) as never),
      reason
    )
    assert.strictEqual(
      await rejection(guarded.doGenerate({ prompt, abortSignal: AbortSignal.abort(reason) }) as never),
      reason
    )
    assert.isUndefined(seen.signal)
  })

  it("before the first content rejects with its reason, is Ignored, and gives the request up", async () => {
    const { guarded, push, seen, votes } = byHand()
    const caller = new AbortController()
    const opening = rejection(guarded.doStream({ prompt, abortSignal: caller.signal }))
    await turn()
    push(hello[0]!)
    await turn()
    assert.deepStrictEqual(votes(), { ...nothing, inFlight: 1 })
    caller.abort(reason)
    assert.strictEqual(await opening, reason)
    assert.deepStrictEqual(votes(), { ...nothing, ignored: 1 })
    assert.isTrue(seen.signal!.aborted)
  })

  it("while a read waits, and between two reads, ends the stream with its reason and is Ignored", async () => {
    for (const waiting of [true, false]) {
      const { guarded, push, seen, votes } = byHand()
      const caller = new AbortController()
      const opening = guarded.doStream({ prompt, abortSignal: caller.signal })
      await turn()
      push(...hello)
      const reader = (await opening).stream.getReader()
      for (const part of hello) assert.deepStrictEqual((await reader.read()).value, part)
      assert.deepStrictEqual(votes(), { ...nothing, inFlight: 1 })
      const read = waiting ? rejection(reader.read()) : undefined
      await turn()
      caller.abort(reason)
      assert.strictEqual(await (read ?? rejection(reader.read())), reason)
      await turn()
      assert.deepStrictEqual(votes(), { ...nothing, ignored: 1 })
      assert.isTrue(seen.signal!.aborted)
    }
  })

  it("in the moment in which the answer begins loses nothing, whichever comes first", async () => {
    for (let turns = 0; turns < 12; turns++) {
      const { guarded, push, seen, votes } = byHand()
      const caller = new AbortController()
      const opening = Promise.resolve(guarded.doStream({ prompt, abortSignal: caller.signal })).then(
        ({ stream }) => convertReadableStreamToArray(stream)
      )
      const ended = rejection(opening)
      await turn()
      push(...hello)
      for (let i = 0; i < turns; i++) await Promise.resolve()
      caller.abort(reason)
      assert.strictEqual(await ended, reason)
      await turn()
      assert.deepStrictEqual(votes(), { ...nothing, ignored: 1 }, `after ${turns} turns`)
      assert.isTrue(seen.signal!.aborted)
    }
  })

  it("after the end changes nothing", async () => {
    const { guarded, push, votes } = byHand()
    const caller = new AbortController()
    const opening = guarded.doStream({ prompt, abortSignal: caller.signal })
    await turn()
    push(...spoken("Hello"))
    const reader = (await opening).stream.getReader()
    for (const _ of spoken("Hello")) await reader.read()
    const last = reader.read()
    await turn()
    caller.abort(reason)
    await rejection(last)
    assert.deepInclude(votes(), { failures: 0, inFlight: 0 })
  })

  it("because its time is over is a failure: the provider did not answer in it", async () => {
    const late = new DOMException("The operation was aborted due to timeout", "TimeoutError")
    const { guarded, votes } = byHand()
    const caller = new AbortController()
    const opening = rejection(guarded.doStream({ prompt, abortSignal: caller.signal }))
    await turn()
    caller.abort(late)
    assert.strictEqual(await opening, late)
    assert.deepStrictEqual(votes(), { ...nothing, failures: 1 })
  })

  for (const name of names) {
    it.effect(`${name}: over HTTP closes the connection, is Ignored, and frees the place; plain, and at two moments of a stream`, () =>
      Effect.gen(function*() {
        for (const moment of ["plain", "before", "within"] as const) {
          const provider = yield* FakeProvider.make()
          yield* provider.setHealth({
            faults: [{ fault: Fault.stallAfter({ tokens: moment === "within" ? 2 : 0 }), share: 1 }]
          })
          const { llm, votes } = yield* recorded
          const model = yield* guarded(name, provider.url, { llm })
          const caller = new AbortController()
          const heard = new Heard()
          const asked = { abortSignal: caller.signal }
          const ask = moment === "plain" ? plain(model, asked) : streamed(model, asked, (said) => heard.add(said))
          const fiber = yield* started(ask)
          yield* arrived(provider)
          yield* heard.words(moment === "within" ? 2 : 0)
          caller.abort()
          const seen = yield* Fiber.join(fiber)
          const [entry] = yield* provider.awaitJournal(([entry]) => entry!.end !== "running")
          assert.strictEqual(entry!.end, "client-closed")
          assert.deepStrictEqual(votes, ["Ignored cancelled request"])
          if (moment === "plain") assert.deepInclude(seen.error, { name: "AbortError" })
          else assert.strictEqual(seen.finish, "abort")
          yield* quiet(llm)
        }
      }))
  }
})

describe("a reader that leaves", () => {
  it("after content has its answer, and the request is given up", async () => {
    for (const waiting of [true, false]) {
      const { guarded, push, seen, votes } = byHand()
      const opening = guarded.doStream({ prompt })
      await turn()
      push(...hello)
      const reader = (await opening).stream.getReader()
      for (const _ of hello) await reader.read()
      if (waiting) void reader.read()
      await turn()
      await reader.cancel()
      assert.deepStrictEqual(votes(), { ...nothing, successes: 1 })
      assert.isTrue(seen.signal!.aborted)
    }
  })

  it("is not hurried, and nothing is read ahead of it", async () => {
    const { guarded, push, seen } = byHand()
    const opening = guarded.doStream({ prompt })
    await turn()
    push(...hello)
    const { stream } = await opening
    await turn()
    const { pulls } = seen
    await turn()
    assert.strictEqual(seen.pulls, pulls)
    await stream.cancel()
  })
})

describe("the AI SDK's own streams", () => {
  it("come through simulateReadableStream as they are, text by text", async () => {
    const chunks = spoken("Hel", "lo", " there")
    const model = wrapLanguageModel({
      model: new MockModel({
        doStream: async () => ({
          stream: simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null })
        })
      }),
      middleware: breakerMiddleware()
    })
    const texts: Array<string> = []
    for await (const text of streamText({ model, prompt: "Hello" }).textStream) texts.push(text)
    assert.deepStrictEqual(texts, ["Hel", "lo", " there"])
  })

  it("leave nothing behind: no listener on the caller's signal, and no place", async () => {
    const caller = new AbortController()
    const add = vi.spyOn(caller.signal, "addEventListener")
    const remove = vi.spyOn(caller.signal, "removeEventListener")
    const middleware = breakerMiddleware()
    const chunks = spoken("Hello")
    const model = wrapLanguageModel({
      model: new MockModel({
        doStream: async () => ({
          stream: simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null })
        }),
        doGenerate: () => Promise.reject(new Error("529 Overloaded"))
      }),
      middleware
    })
    for (let i = 0; i < 20; i++) {
      await convertReadableStreamToArray((await model.doStream({ prompt, abortSignal: caller.signal })).stream)
      const { stream } = await model.doStream({ prompt, abortSignal: caller.signal })
      await stream.cancel()
    }
    await rejection(model.doGenerate({ prompt, abortSignal: caller.signal }))
    // The AI SDK's tools for tests know nothing of the signal: all that listen are ours.
    const listeners = new Set(add.mock.calls.map(([, listener]) => listener))
    for (const [, listener] of remove.mock.calls) listeners.delete(listener)
    assert.deepStrictEqual([add.mock.calls.length > 0, listeners.size], [true, 0])
    for (const { inFlight } of middleware.snapshots()) assert.strictEqual(inFlight, 0)
    await rejection(generateText({ model, prompt: "Hello", maxRetries: 0 }))
  })
})
