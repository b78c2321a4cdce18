import { assert, describe, it } from "@effect/vitest"
import { APICallError, generateText, streamText, wrapLanguageModel } from "ai"
import { convertReadableStreamToArray } from "ai/test"
import { Effect } from "effect"
import { TripPolicy } from "effect-breaker"
import {
  breakerMiddleware,
  breakerMiddlewareEffect,
  CircuitRejected,
  type Fallback,
  type Options,
  provenanceOf,
  type Question
} from "effect-breaker/ai-sdk"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { TestClock } from "effect/testing"
import { guarded, models, names, plain, recorded, streamed, whole } from "./asking.ts"
import { answering, failing, gpt, MockModel, opus, spoken, streaming } from "./mocks.ts"

const failure = (statusCode: number) =>
  new APICallError({ message: `It is ${statusCode}`, url: "", requestBodyValues: {}, statusCode })

const llm = { model: { tripPolicy: TripPolicy.consecutive(1) } }
const question = { prompt: "Hello", maxRetries: 0 }
const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "Hello" }] }]

const behind = (model: MockModel, fallback: Fallback, options?: Options) =>
  wrapLanguageModel({ model, middleware: breakerMiddleware({ llm, fallback, ...options }) })

/** What a caller gets who asks both ways: the text, and where it came from. */
const both = async (model: ReturnType<typeof behind>) => {
  const whole = await generateText({ ...question, model })
  const streamed = streamText({ ...question, model, onError: () => {} })
  return [
    { text: whole.text, served: provenanceOf(whole) },
    { text: await streamed.text, served: provenanceOf({ providerMetadata: await streamed.providerMetadata }) }
  ]
}

const rejection = (promise: PromiseLike<unknown>): PromiseLike<unknown> =>
  promise.then((value) => assert.fail(`resolved with ${JSON.stringify(value)}`), (error: unknown) => error)

describe("a list of models", () => {
  it("is asked in its order, and says who answered and why the others did not", async () => {
    const model = behind(failing(failure(529), opus), [
      failing(failure(500), { ...opus, modelId: "haiku" }),
      answering("Hi", gpt)
    ])
    const [first, second] = await both(model)
    assert.deepStrictEqual(first, {
      text: "Hi",
      served: {
        from: "fallback",
        provider: "openai.responses",
        model: "gpt-5",
        passed: [
          { provider: "anthropic.messages", model: "opus", kind: "overloaded", message: "It is 529" },
          { provider: "anthropic.messages", model: "haiku", kind: "server", message: "It is 500" }
        ]
      }
    })
    assert.strictEqual(second!.text, "Hi")
    // By now their circuits are open, and say since when.
    const [{ rejected, ...passed } = assert.fail()] = second!.served!.passed
    assert.deepInclude(passed, { provider: "anthropic.messages", model: "opus", kind: "overloaded" })
    assert.match(passed.message, /^Circuit "anthropic\/opus" is open/)
    assert.deepInclude(rejected, { circuit: "anthropic/opus", reason: "Open", rule: "consecutive" })
    assert.isTrue(rejected!.retryAfter! > 0 && rejected!.since > 0)
  })

  it("leaves a healthy model alone", async () => {
    const other = answering("no", gpt)
    const asked = await both(behind(answering("Hi", opus), [other]))
    for (const { served, text } of asked) {
      assert.deepStrictEqual([text, served], [
        "Hi",
        { from: "primary", provider: "anthropic.messages", model: "opus", passed: [] }
      ])
    }
    assert.lengthOf([...other.doGenerateCalls, ...other.doStreamCalls], 0)
  })

  it("takes over a stream that broke off before its first content, and none that did after", async () => {
    const lost = { type: "error" as const, error: { type: "overloaded_error", message: "Overloaded" } }
    const early = behind(streaming({ type: "stream-start", warnings: [] }, lost), [answering("Hi", gpt)])
    const late = behind(streaming(...spoken("He").slice(0, -2), lost), [answering("Hi", gpt)])
    assert.strictEqual(await streamText({ ...question, model: early }).text, "Hi")
    const parts = await convertReadableStreamToArray((await late.doStream({ prompt })).stream)
    assert.deepStrictEqual(parts.map((part) => part.type === "text-delta" ? part.delta : part.type), [
      "stream-start",
      "text-start",
      "He",
      "error",
      "finish"
    ])
  })

  it("is not for a mistake of the caller's", async () => {
    const other = answering("no", gpt)
    const error = failure(400)
    assert.strictEqual(await rejection(generateText({ ...question, model: behind(failing(error), [other]) })), error)
    assert.lengthOf(other.doGenerateCalls, 0)
  })

  it("that answers nothing gives the first real error, and else the refusal that ends soonest", async () => {
    const [one, two] = [failure(529), failure(500)]
    const middleware = breakerMiddleware({ llm, fallback: [failing(two, gpt)] })
    const model = wrapLanguageModel({ model: failing(one, opus), middleware })
    assert.strictEqual(await rejection(generateText({ ...question, model })), one)
    const refused = await rejection(generateText({ ...question, model }))
    assert.instanceOf(refused, CircuitRejected)
    const waits = middleware.snapshots().filter(({ state }) => state === "Open")
    const soonest = waits.reduce((best, other) => other.retryAfter < best.retryAfter ? other : best)
    assert.strictEqual(refused.circuit, soonest.name)
  })

  it("has scopes of its own, those of the wrapped model are not its", async () => {
    const middleware = breakerMiddleware({
      scopes: { key: "ours", provider: "proxy" },
      fallback: [failing(failure(529), gpt), { model: answering("Hi", gpt), scopes: { key: "other", region: "eu" } }]
    })
    await generateText({ ...question, model: wrapLanguageModel({ model: failing(failure(529), opus), middleware }) })
    assert.sameMembers(middleware.snapshots().map(({ name }) => name), [
      "proxy#ours",
      "proxy/opus#ours",
      "proxy/opus",
      "proxy",
      "openai",
      "openai/gpt-5",
      "openai#other",
      "openai@eu/gpt-5#other",
      "openai@eu/gpt-5",
      "openai@eu"
    ])
  })

  it("makes the AI SDK download what one of its models does not load itself", async () => {
    const loads = (supportedUrls: Record<string, Array<RegExp>>) => new MockModel({ supportedUrls })
    const one = loads({ "image/*": [/^https:/, /^gs:/], "application/pdf": [/^https:/] })
    const two = loads({ "image/*": [/^https:/] })
    assert.deepStrictEqual(await behind(one, [{ model: two }, { text: "Later" }]).supportedUrls, {
      "image/*": [/^https:/]
    })
    assert.deepStrictEqual(await behind(one, []).supportedUrls, await one.supportedUrls)
    const slow = new MockModel({ supportedUrls: Promise.resolve({ "image/*": [/^gs:/] }) as never })
    assert.deepStrictEqual(await behind(one, [slow]).supportedUrls, { "image/*": [/^gs:/] })
  })

  it("of another major of the AI SDK is named", async () => {
    const strange = Object.assign(answering("Hi", gpt), { specificationVersion: "v9" })
    const error = await rejection(
      generateText({ ...question, model: behind(failing(failure(529), opus), [strange as never]) })
    )
    assert.instanceOf(error, TypeError)
    assert.match(error.message, /fallback gpt-5 speaks v9, and the model in front of it v[34]/)
  })
})

describe("a text", () => {
  it.effect("that is ready or was kept is the last answer, with its age", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const cases = [
        [{ text: "Ask me later." }, { from: "default" }],
        [{ text: "As I said.", at: 3_000_000 }, { from: "cached", age: 600_000 }],
        [{ text: "As I said.", at: new Date(3_599_000) }, { from: "cached", age: 1000 }],
        [{ text: "From tomorrow", at: 9_000_000 }, { from: "cached", age: 0 }]
      ] as const
      for (const [text, expected] of cases) {
        const middleware = yield* breakerMiddlewareEffect({ fallback: [text] })
        const model = wrapLanguageModel({ model: failing(failure(529), opus), middleware })
        for (const got of yield* Effect.promise(() => both(model))) {
          const { passed, ...served } = got.served!
          assert.deepStrictEqual([got.text, served, passed.length], [text.text, expected, 1])
        }
      }
    }))
})

describe("a function", () => {
  it("is told the call and what happened, and asked until it names nobody new", async () => {
    const questions: Array<Question> = []
    const next = failing(failure(500), gpt)
    const model = behind(failing(failure(529), opus), async (question) => {
      questions.push(question)
      return next
    })
    await rejection(generateText({ ...question, model, temperature: 0.3 }))
    assert.deepStrictEqual(questions.map(({ passed }) => passed.map(({ kind, model }) => [model, kind])), [
      [["opus", "overloaded"]],
      [["opus", "overloaded"], ["gpt-5", "server"]]
    ])
    assert.deepInclude(questions[0]!.params as object, { temperature: 0.3 })
    assert.deepInclude(questions[1]!.error, { statusCode: 500 })
    assert.lengthOf(next.doGenerateCalls, 1)
  })

  it("may choose by what went wrong, or leave it", async () => {
    const choose: Fallback = ({ passed }) => passed[0]?.kind === "overloaded" ? { text: "Later" } : undefined
    const served = await generateText({ ...question, model: behind(failing(failure(529), opus), choose) })
    assert.strictEqual(served.text, "Later")
    const error = failure(500)
    assert.strictEqual(
      await rejection(generateText({ ...question, model: behind(failing(error, opus), choose) })),
      error
    )
  })

  it("that throws, or names what is none, rejects the call with that", async () => {
    const bug = new Error("a bug")
    const ask = (fallback: unknown) =>
      rejection(generateText({ ...question, model: behind(failing(failure(529), opus), fallback as Fallback) }))
    assert.strictEqual(
      await ask(() => {
        throw bug
      }),
      bug
    )
    assert.instanceOf(await ask(() => "gpt-5"), RangeError)
  })
})

describe("over HTTP", () => {
  for (const name of names) {
    it.effect(`${name}: another provider answers, plain and streamed, for a refusal and every kind of failure`, () =>
      Effect.gen(function*() {
        const broken = yield* FakeProvider.make()
        const healthy = yield* FakeProvider.make()
        const { llm } = yield* recorded
        const fallback = [models["ai openai chat"](healthy.url)]
        const model = yield* guarded(name, broken.url, { llm, fallback })
        const faults = [
          Fault.overloaded,
          Fault.badGateway,
          Fault.reset,
          Fault.errorChunk({ after: 0 }),
          Fault.cutAfter({ tokens: 0 })
        ]
        for (const fault of faults) {
          yield* broken.setHealth({ faults: [{ fault, share: 1 }] })
          for (const ask of [plain(model), streamed(model)]) {
            assert.deepStrictEqual(yield* ask, { text: whole, error: undefined, finish: "stop" })
          }
        }
        assert.lengthOf(yield* healthy.journal, 2 * faults.length)
      }))
  }
})
