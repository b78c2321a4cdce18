import { assert, describe, it } from "@effect/vitest"
import {
  APICallError,
  extractReasoningMiddleware,
  generateText,
  jsonSchema,
  Output,
  RetryError,
  stepCountIs,
  streamText,
  tool,
  wrapLanguageModel
} from "ai"
import { convertArrayToReadableStream, convertReadableStreamToArray } from "ai/test"
import { Effect } from "effect"
import { TripPolicy } from "effect-breaker"
import {
  breakerMiddleware,
  breakerMiddlewareEffect,
  CircuitRejected,
  type Event,
  type Options,
  provenanceOf,
  rejectionOf
} from "effect-breaker/ai-sdk"
import { LlmBreaker } from "effect-breaker/llm"
import { TestClock } from "effect/testing"
import { answering, failing, finish, gpt, MockModel, opus, type Part, said, spoken, streaming, usage } from "./mocks.ts"

const request = { url: "http://127.0.0.1", requestBodyValues: {} }
const overloaded = new APICallError({ ...request, message: "Overloaded", statusCode: 529, isRetryable: true })

const first = { model: { tripPolicy: TripPolicy.consecutive(1) } }
const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "Hello" }] }]
const question = { prompt: "Hello", maxRetries: 0 }

const wrapped = (model: MockModel, options?: Options) => {
  const middleware = breakerMiddleware({ llm: first, ...options })
  return { middleware, model: wrapLanguageModel({ model, middleware }) }
}

const rejection = (promise: PromiseLike<unknown>): PromiseLike<unknown> =>
  promise.then((value) => assert.fail(`resolved with ${JSON.stringify(value)}`), (error: unknown) => error)

const states = (llm: LlmBreaker.LlmBreaker) =>
  Effect.runSync(Effect.map(llm.snapshots, (all) => Object.fromEntries(all.map(({ name, state }) => [name, state]))))

describe("the circuits of a model", () => {
  it("are those of its own ids, and the APIs of one provider are one", async () => {
    const middleware = breakerMiddleware()
    for (const provider of ["openai.chat", "openai.responses", "google.generative-ai", "anthropic.messages", "chat"]) {
      await generateText({
        ...question,
        model: wrapLanguageModel({ model: answering("Hi", { provider, modelId: "m" }), middleware })
      })
    }
    assert.sameMembers(middleware.snapshots().map(({ name }) => name), [
      "openai",
      "openai/m",
      "google.generative-ai",
      "google.generative-ai/m",
      "anthropic",
      "anthropic/m",
      "chat",
      "chat/m"
    ])
    assert.strictEqual(middleware.snapshots().find(({ name }) => name === "openai/m")?.successes, 2)
  })

  it("have the key that the program names, for all calls or at each", async () => {
    const fixed = wrapped(answering("Hi", gpt), { scopes: { key: "team-a", region: "eu" } })
    const asked = wrapped(answering("Hi", gpt), {
      scopes: ({ model, params }) => ({ key: `${model.modelId} ${String((params as { seed?: number }).seed)}` })
    })
    await generateText({ ...question, model: fixed.model })
    await generateText({ ...question, model: asked.model, seed: 7 })
    assert.includeMembers(fixed.middleware.snapshots().map(({ name }) => name), ["openai#team-a", "openai@eu/gpt-5"])
    assert.include(asked.middleware.snapshots().map(({ name }) => name), "openai#gpt-5 7")
  })

  it("go with the middleware, and apart from those of another", async () => {
    const one = wrapped(failing(overloaded, gpt))
    const other = wrapped(answering("Hi", gpt))
    await rejection(generateText({ ...question, model: one.model }))
    assert.strictEqual((await generateText({ ...question, model: other.model })).text, "Hi")
    const again = wrapLanguageModel({ model: answering("Hi", gpt), middleware: one.middleware })
    assert.instanceOf(await rejection(generateText({ ...question, model: again })), CircuitRejected)
  })

  it.effect("are the program's where it is in Effect, on its clock", () =>
    Effect.gen(function*() {
      const middleware = yield* breakerMiddlewareEffect()
      const model = wrapLanguageModel({ model: failing(overloaded, gpt), middleware })
      const ask = () => Effect.promise(() => rejection(generateText({ ...question, model })))
      assert.strictEqual(yield* ask(), overloaded)
      const llm = yield* LlmBreaker.LlmBreaker
      assert.strictEqual((yield* llm.refusal({ provider: "openai", model: "gpt-5" }))?.circuit, "openai/gpt-5")
      // Two seconds, and up to a fifth more.
      yield* TestClock.adjust("1999 millis")
      assert.instanceOf(yield* ask(), CircuitRejected)
      yield* TestClock.adjust("401 millis")
      assert.strictEqual(yield* ask(), overloaded)
    }).pipe(Effect.provide(LlmBreaker.layer(first))))
})

describe("a refusal", () => {
  it("costs no call, and the AI SDK does not retry it", async () => {
    const down = failing(overloaded, opus)
    const { model } = wrapped(down)
    await rejection(generateText({ ...question, model }))
    // With retries the AI SDK would take six seconds.
    const refused = await rejection(generateText({ model, prompt: "Hello", maxRetries: 2 }))
    assert.instanceOf(refused, CircuitRejected)
    assert.deepStrictEqual([refused.circuit, refused.reason, down.doGenerateCalls.length], [
      "anthropic/opus",
      "Open",
      1
    ])
    assert.match(refused.message, /^Circuit "anthropic\/opus" is open: 1 failure in a row \(limit 1\)\. Last failure: /)

    let error: unknown
    await streamText({ model, prompt: "Hello", maxRetries: 2, onError: (told) => void (error = told.error) })
      .consumeStream()
    assert.instanceOf(error, CircuitRejected)
    assert.lengthOf(down.doStreamCalls, 0)
  })

  it("ends a row of retries that was going on, and is found in the error", async () => {
    const headers = { "retry-after-ms": "1" }
    const busy = new APICallError({ ...request, message: "Overloaded", responseHeaders: headers, statusCode: 529 })
    const down = failing(busy, opus)
    const { model } = wrapped(down)
    const error = await rejection(generateText({ model, prompt: "Hello", maxRetries: 5 }))
    assert.isTrue(RetryError.isInstance(error))
    assert.strictEqual((error as RetryError).reason, "errorNotRetryable")
    assert.lengthOf(down.doGenerateCalls, 1)
    assert.strictEqual(rejectionOf(error)?.circuit, "anthropic/opus")
    assert.isUndefined(rejectionOf(overloaded))
    const circle: { cause?: unknown } = {}
    circle.cause = circle
    assert.isUndefined(rejectionOf(circle))
  })
})

describe("what passes unchanged", () => {
  const look = tool({
    inputSchema: jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } } }),
    execute: async ({ city }) => `sunny in ${city}`
  })
  const call = { type: "tool-call" as const, toolCallId: "a", toolName: "look", input: `{"city":"Ulm"}` }
  const calls = { unified: "tool-calls", raw: "tool_calls" } as const

  it("is a whole answer, but for where it came from", async () => {
    const answer = said("Hi", {
      content: [
        { type: "reasoning", text: "Hm", providerMetadata: { openai: { id: "r" } } },
        { type: "text", text: "Hi" },
        { type: "source", sourceType: "url", id: "s", url: "https://example.com" },
        call
      ],
      providerMetadata: { openai: { logprobs: [1] } },
      response: { id: "1", modelId: "gpt-5-2026", headers: { "x-request-id": "7" } },
      request: { body: "{}" }
    })
    const { middleware } = wrapped(answering("", gpt))
    const model = new MockModel({ ...gpt, doGenerate: answer })
    const result = await wrapLanguageModel({ model, middleware }).doGenerate({ prompt })
    const { providerMetadata, ...rest } = result
    const { providerMetadata: given, ...theirs } = answer
    assert.deepStrictEqual(rest, theirs)
    assert.deepStrictEqual(providerMetadata, {
      ...given,
      "effect-breaker": { from: "primary", provider: "openai.responses", model: "gpt-5", passed: [] }
    })
  })

  it("is a streamed answer, part for part, and what came with it", async () => {
    const end = { type: "finish" as const, finishReason: calls, usage, providerMetadata: { openai: { logprobs: [1] } } }
    const parts: Array<Part> = [
      { type: "stream-start" as const, warnings: [{ type: "other" as const, message: "careful" }] },
      { type: "response-metadata" as const, id: "1", modelId: "gpt-5-2026" },
      { type: "raw" as const, rawValue: { a: 1 } },
      { type: "tool-input-start" as const, id: "a", toolName: "look" },
      { type: "tool-input-delta" as const, id: "a", delta: `{"city":` },
      { type: "tool-input-delta" as const, id: "a", delta: `"Ulm"}` },
      { type: "tool-input-end" as const, id: "a" },
      call,
      end
    ]
    const stream = convertArrayToReadableStream<Part>(parts)
    const beside = { request: { body: "{}" }, response: { headers: { "x-request-id": "7" } } }
    const model = new MockModel({ ...gpt, doStream: async () => ({ stream, ...beside }) })
    const result = await wrapLanguageModel({ model, middleware: breakerMiddleware() }).doStream({ prompt })
    assert.deepStrictEqual([result.request, result.response], [{ body: "{}" }, { headers: { "x-request-id": "7" } }])
    const got = await convertReadableStreamToArray(result.stream)
    assert.deepStrictEqual<unknown>(got.slice(0, -1), parts.slice(0, -1))
    assert.deepStrictEqual<unknown>(got.at(-1), {
      ...end,
      providerMetadata: {
        openai: { logprobs: [1] },
        "effect-breaker": { from: "primary", provider: "openai.responses", model: "gpt-5", passed: [] }
      }
    })
  })

  it("are the parameters, but for a signal of its own", async () => {
    const inner = answering("Hi", gpt)
    const { model } = wrapped(inner)
    await generateText({ ...question, model, temperature: 0.3, providerOptions: { openai: { user: "u" } } })
    const [got] = inner.doGenerateCalls
    assert.deepInclude(got, { temperature: 0.3, providerOptions: { openai: { user: "u" } } })
    assert.isFalse(got!.abortSignal!.aborted)
  })

  it("are tools, over several steps, plain and streamed", async () => {
    const steps = [said("", { content: [call], finishReason: calls }), said("It is sunny in Ulm.")]
    const model = new MockModel({ ...gpt, doGenerate: steps })
    const { middleware } = wrapped(model)
    const options = { prompt: "Hello", tools: { look }, stopWhen: stepCountIs(3) }
    const result = await generateText({ ...options, model: wrapLanguageModel({ model, middleware }) })
    assert.strictEqual(result.text, "It is sunny in Ulm.")
    assert.deepStrictEqual(result.steps[0]?.toolResults.map(({ output }) => output), ["sunny in Ulm"])

    const parts: Array<Array<Part>> = [[call, { ...finish, finishReason: calls } as Part], spoken("Sunny")]
    const talking = new MockModel(gpt)
    talking.doStream = async () => streaming(...parts.shift()!).doStream({ prompt })
    const streamed = streamText({ ...options, model: wrapLanguageModel({ model: talking, middleware }) })
    assert.strictEqual(await streamed.text, "Sunny")
    assert.strictEqual(middleware.snapshots().find(({ name }) => name === "openai/gpt-5")?.successes, 4)
  })

  it("is structured output", async () => {
    const schema = jsonSchema<{ name: string }>({ type: "object", properties: { name: { type: "string" } } })
    const inner = answering(`{"name":"Ada"}`, gpt)
    const { model } = wrapped(inner)
    const { output } = await generateText({ ...question, model, output: Output.object({ schema }) })
    assert.deepStrictEqual(output, { name: "Ada" })
    assert.strictEqual(inner.doGenerateCalls[0]?.responseFormat?.type, "json")
    const streamed = streamText({ ...question, model, output: Output.object({ schema }) })
    assert.deepStrictEqual(await streamed.output, { name: "Ada" })
  })

  it("is a provider's error, and a mistake of the caller's opens nothing", async () => {
    const { middleware, model } = wrapped(failing(overloaded, gpt))
    assert.strictEqual(await rejection(generateText({ ...question, model })), overloaded)
    const mistake = new APICallError({ ...request, message: "Bad", statusCode: 400, isRetryable: false })
    const careless = wrapLanguageModel({ model: failing(mistake, opus), middleware })
    for (let i = 0; i < 3; i++) {
      assert.strictEqual(await rejection(generateText({ ...question, model: careless })), mistake)
    }
    assert.strictEqual(states(middleware.llm)["anthropic/opus"], "Closed")
  })

  it("are other middlewares, on either side", async () => {
    const thinking = answering("<think>Hm</think>Hi", gpt)
    const reads = extractReasoningMiddleware({ tagName: "think" })
    for (const middleware of [[reads, breakerMiddleware()], [breakerMiddleware(), reads]]) {
      const model = wrapLanguageModel({ model: thinking, middleware })
      const whole = await generateText({ ...question, model })
      assert.deepStrictEqual([whole.reasoningText, whole.text], ["Hm", "Hi"])
      const streamed = streamText({ ...question, model })
      assert.deepStrictEqual([await streamed.reasoningText, await streamed.text], ["Hm", "Hi"])
      assert.strictEqual(provenanceOf({ providerMetadata: await streamed.providerMetadata })?.from, "primary")
    }
  })
})

describe("a stream that breaks off", () => {
  const lost = { type: "error" as const, error: { type: "overloaded_error", message: "Overloaded" } }
  const begin = spoken("Hello").slice(0, -2)

  it("before its first content rejects, and hands on nothing", async () => {
    const { middleware, model } = wrapped(streaming(begin[0]!, lost))
    const error = await rejection(model.doStream({ prompt }))
    assert.deepInclude(error, { _tag: "StreamBroken", kind: "overloaded", partial: false, cause: lost.error })
    assert.strictEqual(states(middleware.llm)["mock-provider/mock-model-id"], "Open")
  })

  it("after it ends with an error part and a finish that says so", async () => {
    const { model } = wrapped(streaming(...begin, lost))
    const parts = await convertReadableStreamToArray((await model.doStream({ prompt })).stream)
    assert.deepStrictEqual(parts.map(({ type }) => type), [
      "stream-start",
      "text-start",
      "text-delta",
      "error",
      "finish"
    ])
    assert.deepInclude((parts[3] as { error: object }).error, {
      _tag: "StreamBroken",
      kind: "overloaded",
      partial: true
    })
    assert.deepInclude(parts[4], { finishReason: { unified: "error", raw: undefined } })
  })

  it("after it goes on as the provider did, where the program keeps what there is", async () => {
    const { middleware, model } = wrapped(streaming(...begin, lost, finish), { onPartial: "keep" })
    const parts = await convertReadableStreamToArray((await model.doStream({ prompt })).stream)
    assert.deepStrictEqual<unknown>(parts.slice(0, -1), [...begin, lost])
    assert.strictEqual(states(middleware.llm)["mock-provider/mock-model-id"], "Open")
  })

  it("by an error of the client passes it on unchanged", async () => {
    const terminated = new TypeError("terminated")
    const model = new MockModel({
      doStream: async () => ({
        stream: new ReadableStream({
          start: (controller) => {
            for (const part of begin) controller.enqueue(part)
          },
          pull: (controller) => controller.error(terminated)
        }, { highWaterMark: 0 })
      })
    })
    const { middleware, model: guarded } = wrapped(model)
    const reader = (await guarded.doStream({ prompt })).stream.getReader()
    for (const _ of begin) await reader.read()
    assert.strictEqual(await rejection(reader.read()), terminated)
    // A connection that breaks speaks for the provider.
    const [, provider] = middleware.snapshots()
    assert.deepInclude(provider, { name: "mock-provider", failures: 1, inFlight: 0 })
  })
})

describe("watching", () => {
  it("tells what happens in plain data, until it is told to stop, whatever the listener throws", async () => {
    const events: Array<Event> = []
    const { middleware, model } = wrapped(failing(overloaded, gpt), {
      onEvent: (event) => {
        events.push(event)
        throw new Error("a bug of the listener")
      }
    })
    const told: Array<string> = []
    const stop = middleware.onEvent(({ _tag }) => told.push(_tag))
    await rejection(generateText({ ...question, model }))
    await rejection(generateText({ ...question, model }))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepStrictEqual(events.map(({ _tag, circuit }) => [_tag, circuit]), [
      ["Transitioned", "openai/gpt-5"],
      ["Rejected", "openai/gpt-5"]
    ])
    const [opened] = events
    assert.isTrue(opened?._tag === "Transitioned" && opened.openFor! >= 2000 && opened.openFor! <= 2400)
    stop()
    await rejection(generateText({ ...question, model }))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepStrictEqual(told, ["Transitioned", "Rejected"])
    const snapshot = middleware.snapshots().find(({ state }) => state === "Open")
    assert.deepInclude(JSON.parse(JSON.stringify(snapshot)), { name: "openai/gpt-5", rejected: 2, inFlight: 0 })
    assert.isAbove(snapshot!.retryAfter, 0)
  })
})

describe("an option that is wrong", () => {
  const wrong: ReadonlyArray<readonly [options: object, message: RegExp]> = [
    [{ total: -1 }, /breakerMiddleware: total must be a finite duration above zero, got -1/],
    [{ firstContent: "soon" }, /firstContent/],
    [{ onPartial: "drop" }, /onPartial/],
    [{ slow: { perOutputToken: 0 } }, /perOutputToken/],
    [{ errors: { rules: "none" } }, /rules must be a list of functions/],
    [{ fallback: [{}] }, /fallback must be a function, or a list of models/],
    [{ fallback: "gpt-5" }, /fallback/],
    [{ llm: { model: { tripPolicy: 5 } } }, /tripPolicy/]
  ]

  it("throws at once, and is named", () => {
    for (const [options, message] of wrong) assert.throws(() => breakerMiddleware(options), RangeError, message)
  })

  it("rejects the call where it is named only then", async () => {
    const { middleware, model } = wrapped(answering("Hi"), { scopes: () => ({ provider: "" }) })
    assert.instanceOf(await rejection(generateText({ ...question, model })), RangeError)
    assert.deepStrictEqual(middleware.snapshots(), [])
  })
})

describe("rules of the program", () => {
  it("read the errors of whole answers and of streams, given to the circuits or to the guard", async () => {
    const rules = [() => ({ _tag: "Ignored", kind: "unknown", scope: "request" } as const)]
    for (const options of [{ llm: { ...first, rules } }, { errors: { rules } }]) {
      const { middleware, model } = wrapped(failing(overloaded, gpt), options)
      const broken = wrapLanguageModel({ model: streaming({ type: "error", error: "529 Overloaded" }), middleware })
      await rejection(generateText({ ...question, model }))
      await rejection(broken.doStream({ prompt }))
      for (const { failures, ignored } of middleware.snapshots()) assert.deepStrictEqual([failures, ignored], [0, 1])
    }
  })
})
