import { assert, describe, it } from "@effect/vitest"
import { FakeProvider, Fault } from "effect-breaker/testing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { once } from "node:events"
import { connect } from "node:net"
import OpenAI, {
  APIConnectionError,
  APIConnectionTimeoutError,
  APIError,
  AuthenticationError,
  InternalServerError,
  RateLimitError
} from "openai"

const question = { model: "gpt-test", messages: [{ role: "user" as const, content: "How are you?" }] }
const healthyText = "This answer comes from a healthy fake provider"

const sdk = (
  provider: FakeProvider.FakeProvider,
  options?: { readonly timeout?: number; readonly fault?: Fault.Fault }
) =>
  new OpenAI({
    apiKey: "sk-one",
    baseURL: provider.baseUrl,
    maxRetries: 0,
    logLevel: "off",
    timeout: options?.timeout ?? 600_000,
    defaultHeaders: options?.fault === undefined ? {} : Fault.header(options.fault)
  })

/** The error that a promise was rejected with. */
const rejection = (promise: PromiseLike<unknown>): Effect.Effect<Error> =>
  Effect.promise(() => promise.then((value) => assert.fail(`resolved with ${JSON.stringify(value)}`), (error) => error))

/** What the SDK made of a plain request. */
const plainFailure = (provider: FakeProvider.FakeProvider, fault: Fault.Fault) =>
  rejection(sdk(provider, { fault }).chat.completions.create(question))

/** The tokens and the error that the SDK's stream came to. */
const streamed = (provider: FakeProvider.FakeProvider, fault?: Fault.Fault) =>
  Effect.promise(async () => {
    const tokens: Array<string> = []
    const finishes: Array<string> = []
    try {
      const client = sdk(provider, fault === undefined ? {} : { fault })
      for await (const chunk of await client.chat.completions.create({ ...question, stream: true })) {
        const choice = chunk.choices[0]!
        if (choice.delta.content) tokens.push(choice.delta.content)
        if (choice.finish_reason !== null) finishes.push(choice.finish_reason)
      }
      return { tokens, finishes, error: undefined }
    } catch (error) {
      return { tokens, finishes, error }
    }
  })

/** A request without an SDK. */
const send = (
  provider: FakeProvider.FakeProvider,
  options?: {
    readonly path?: string
    readonly method?: string
    readonly body?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly signal?: AbortSignal
  }
) =>
  fetch(`${provider.url}${options?.path ?? "/v1/chat/completions"}`, {
    method: options?.method ?? "POST",
    ...(options?.method === "GET" ? {} : { body: options?.body ?? JSON.stringify(question) }),
    ...(options?.headers === undefined ? {} : { headers: options.headers }),
    ...(options?.signal === undefined ? {} : { signal: options.signal })
  })

interface Json {
  readonly model?: string
  readonly error: { readonly type: string; readonly param: string | null; readonly code: string | null }
}

const json = async (response: Response): Promise<Json> => JSON.parse(await response.text())

const status = (provider: FakeProvider.FakeProvider, fault?: Fault.Fault | "none") =>
  Effect.promise(async () => {
    const response = await send(provider, fault === undefined ? {} : { headers: Fault.header(fault) })
    await response.arrayBuffer()
    return response.status
  })

const ended = (entry: FakeProvider.Entry | undefined) => entry !== undefined && entry.end !== "running"

type Answer = Pick<FakeProvider.Entry, "model" | "stream" | "fault" | "status" | "tokens" | "bytes" | "end">

/** What the journal says about the answer to the last request, once all have ended. */
const lastEntry = (provider: FakeProvider.FakeProvider): Effect.Effect<Answer> =>
  Effect.map(provider.awaitJournal((entries) => entries.length > 0 && entries.every(ended)), (entries) => {
    const { bytes, end, fault, model, status, stream, tokens } = entries.at(-1)!
    return { model, stream, fault, status, tokens, bytes, end }
  })

const entry = (told: Partial<Answer>): Answer => ({
  model: "gpt-test",
  stream: false,
  fault: undefined,
  status: 200,
  tokens: 0,
  bytes: 0,
  end: "complete",
  ...told
})

describe("FakeProvider", () => {
  describe("a healthy provider", () => {
    it.effect("answers a plain request in OpenAI's shape", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ seed: 3 })

        const answer = yield* Effect.promise(() => sdk(provider).chat.completions.create(question))

        assert.deepStrictEqual(JSON.parse(JSON.stringify(answer)), {
          id: "chatcmpl-3_0",
          object: "chat.completion",
          created: 0,
          model: "gpt-test",
          choices: [{
            index: 0,
            message: { role: "assistant", content: healthyText, refusal: null },
            logprobs: null,
            finish_reason: "stop"
          }],
          usage: { prompt_tokens: 11, completion_tokens: 8, total_tokens: 19 }
        })
        assert.strictEqual(answer._request_id, "req_3_0")
      }))

    it.effect("answers a streamed request token by token", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const { error, finishes, tokens } = yield* streamed(provider)

        assert.strictEqual(error, undefined)
        assert.deepStrictEqual(finishes, ["stop"])
        assert.strictEqual(tokens.length, 8)
        assert.strictEqual(tokens.join(""), healthyText)
      }))

    it.effect("ends a stream with [DONE], after its usage where that was asked for", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const body = JSON.stringify({ ...question, stream: true, stream_options: { include_usage: true } })

        const response = yield* Effect.promise(() => send(provider, { body }))
        const lines = (yield* Effect.promise(() => response.text())).trimEnd().split("\n\n")

        assert.strictEqual(response.headers.get("content-type"), "text/event-stream; charset=utf-8")
        assert.strictEqual(lines.at(-1), "data: [DONE]")
        assert.deepStrictEqual(JSON.parse(lines.at(-2)!.slice(6)).usage, {
          prompt_tokens: 11,
          completion_tokens: 8,
          total_tokens: 19
        })
      }))

    it.effect("satisfies the SDK's stream helper, which insists on a finish reason", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const answer = yield* Effect.promise(() =>
          sdk(provider).chat.completions.stream(question).finalChatCompletion()
        )

        assert.strictEqual(answer.choices[0]!.message.content, healthyText)
      }))

    it.effect("answers under the model that was asked for, or its own where none was", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ model: "own" })
        const ask = (body: unknown) =>
          Effect.promise(async () => (await json(await send(provider, { body: JSON.stringify(body) }))).model)

        assert.strictEqual(yield* ask({ ...question, model: `"quoted"` }), `"quoted"`)
        assert.strictEqual(yield* ask({ messages: question.messages }), "own")
      }))

    it.effect("lists its model", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ model: "own" })

        const { data } = yield* Effect.promise(() => sdk(provider).models.list())

        assert.deepStrictEqual(data, [{ id: "own", object: "model", created: 0, owned_by: "effect-breaker" }])
      }))

    it.effect("sends the headers of every OpenAI answer", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const { headers } = yield* Effect.promise(() => send(provider))

        assert.strictEqual(headers.get("x-request-id"), "req_1_0")
        assert.strictEqual(headers.get("openai-processing-ms"), "0")
        assert.strictEqual(headers.get("x-ratelimit-reset-requests"), "6ms")
      }))

    it.effect("answers with no tokens where a phase has none", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ script: [{ for: 1, tokens: 0 }] })

        const plain = yield* Effect.promise(() => sdk(provider).chat.completions.create(question))
        const stream = yield* streamed(provider)

        assert.strictEqual(plain.choices[0]!.message.content, "")
        assert.deepStrictEqual(stream, { tokens: [], finishes: ["stop"], error: undefined })
      }))
  })

  describe("latency", () => {
    it.effect("holds back a whole plain answer for the latency and all of its tokens", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          script: [{ for: 1, latency: "2 seconds", tokenEvery: "1 second" }]
        })

        const fiber = yield* Effect.forkChild(Effect.promise(() => send(provider)), { startImmediately: true })
        yield* provider.awaitJournal(([first]) => first?.model !== undefined)
        yield* TestClock.adjust(9_999)
        const [before] = yield* provider.journal
        yield* TestClock.adjust(1)
        const response = yield* Fiber.join(fiber)

        assert.strictEqual(before!.status, undefined)
        assert.strictEqual(response.headers.get("openai-processing-ms"), "10000")
        const [after] = yield* provider.awaitJournal(([first]) => ended(first))
        assert.deepStrictEqual([after!.at, after!.endedAt], [0, 10_000])
      }))

    it.effect("sends each token of a stream when it is due", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          script: [{ for: 1, latency: "2 seconds", tokens: 3, tokenEvery: "1 second" }]
        })

        const fiber = yield* Effect.forkChild(streamed(provider), { startImmediately: true })
        yield* provider.awaitJournal(([first]) => first?.model !== undefined)
        yield* TestClock.adjust(2_000)
        yield* provider.awaitJournal(([first]) => first?.status === 200)
        for (const tokens of [1, 2, 3]) {
          assert.strictEqual((yield* provider.journal)[0]!.tokens, tokens - 1)
          // The opening goes out through the socket before the next wait begins.
          yield* provider.awaitJournal(([first]) => first!.bytes > 0)
          yield* TestClock.adjust(1_000)
          yield* provider.awaitJournal(([first]) => first!.tokens === tokens)
        }

        assert.strictEqual((yield* Fiber.join(fiber)).tokens.length, 3)
      }))

    it.effect("lets a fault show after a latency of its own", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          script: [{ for: 1, latency: "20 seconds", faults: [{ fault: Fault.overloaded, share: 1, latency: 300 }] }]
        })

        const fiber = yield* Effect.forkChild(status(provider), { startImmediately: true })
        yield* provider.awaitJournal(([first]) => first?.fault !== undefined)
        yield* TestClock.adjust(300)

        assert.strictEqual(yield* Fiber.join(fiber), 529)
      }))
  })

  describe("jsonError", () => {
    it.effect("answers with status, type, code, message and headers, streamed or not", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const fault = Fault.jsonError({
          status: 429,
          type: "tokens",
          code: "rate_limit_exceeded",
          message: "Slow down",
          headers: { "Retry-After-Ms": "250", "x-ratelimit-reset-tokens": "6m0s" }
        })

        const plain = yield* plainFailure(provider, fault)
        assert.deepStrictEqual(yield* lastEntry(provider), entry({ fault: "JsonError", status: 429, bytes: 91 }))
        const { error: stream } = yield* streamed(provider, fault)

        for (const error of [plain, stream]) {
          assert.instanceOf(error, RateLimitError)
          assert.deepStrictEqual(
            [error.status, error.type, error.code, error.message, error.headers.get("retry-after-ms")],
            [429, "tokens", "rate_limit_exceeded", "429 Slow down", "250"]
          )
          assert.strictEqual(error.headers.get("x-ratelimit-reset-tokens"), "6m0s")
        }
      }))

    it.effect("has the figures of real providers ready", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const figures = (fault: Fault.Fault) =>
          Effect.map(plainFailure(provider, fault), (error) => {
            assert.instanceOf(error, APIError)
            return [error.constructor, error.status, error.type, error.code, error.headers?.get("retry-after")]
          })

        assert.deepStrictEqual(yield* figures(Fault.overloaded), [
          InternalServerError,
          529,
          "overloaded_error",
          null,
          null
        ])
        assert.deepStrictEqual(
          yield* figures(Fault.serverIsOverloaded),
          [InternalServerError, 503, "service_unavailable_error", "server_is_overloaded", null]
        )
        assert.deepStrictEqual(yield* figures(Fault.serverError), [
          InternalServerError,
          500,
          "server_error",
          null,
          null
        ])
        assert.deepStrictEqual(
          yield* figures(Fault.rateLimited({ retryAfter: "20 seconds" })),
          [RateLimitError, 429, "requests", "rate_limit_exceeded", "20"]
        )
        assert.deepStrictEqual(
          yield* figures(Fault.insufficientQuota),
          [RateLimitError, 429, "insufficient_quota", "insufficient_quota", null]
        )
        assert.deepStrictEqual(
          yield* figures(Fault.invalidApiKey),
          [AuthenticationError, 401, "invalid_request_error", "invalid_api_key", null]
        )
      }))
  })

  describe("jsonError's headers", () => {
    it.effect("win over the provider's own", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const fault = Fault.jsonError({
          status: 500,
          headers: { "X-Request-Id": "mine", "Content-Type": "text/plain" }
        })

        const { headers } = yield* Effect.promise(() => send(provider, { headers: Fault.header(fault) }))

        assert.deepStrictEqual([headers.get("x-request-id"), headers.get("content-type")], ["mine", "text/plain"])
      }))

    it.effect("break the connection when they contradict each other, and leave the server running", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const fault = Fault.jsonError({ status: 500, headers: { trailer: "x-sum", "content-length": "2" } })

        const error = yield* rejection(send(provider, { headers: Fault.header(fault) }))

        assert.instanceOf(error, TypeError)
        assert.strictEqual((yield* lastEntry(provider)).end, "reset")
        assert.strictEqual(yield* status(provider), 200)
      }))
  })

  describe("htmlError", () => {
    it.effect("answers with a page that has no code and none of the provider's headers, streamed or not", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const plain = yield* plainFailure(provider, Fault.badGateway)
        const { error: stream } = yield* streamed(provider, Fault.htmlError({ status: 522 }))

        for (const [error, title] of [[plain, "502 Bad Gateway"], [stream, "522 Connection timed out"]] as const) {
          assert.instanceOf(error, InternalServerError)
          assert.strictEqual(error.code, undefined)
          assert.include(error.message, `<title>${title}</title>`)
          assert.strictEqual(error.requestID, null)
        }
        assert.strictEqual((yield* lastEntry(provider)).status, 522)
      }))
  })

  describe("reset", () => {
    it.effect("breaks the connection before anything is sent, streamed or not", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const plain = yield* plainFailure(provider, Fault.reset)
        const { error: stream } = yield* streamed(provider, Fault.reset)

        for (const error of [plain, stream]) {
          assert.instanceOf(error, APIConnectionError)
          assert.strictEqual(Object(Object(error.cause).cause).code, "ECONNRESET")
          assert.notInstanceOf(error, APIConnectionTimeoutError)
        }
        assert.deepStrictEqual(
          yield* lastEntry(provider),
          entry({ stream: true, fault: "Reset", status: undefined, end: "reset" })
        )
      }))
  })

  describe("hangBeforeHeaders", () => {
    it.effect("answers a hang with nothing until the client leaves", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const client = sdk(provider, { fault: Fault.hangBeforeHeaders, timeout: 100 })

        for (const stream of [false, true]) {
          const error = yield* rejection(client.chat.completions.create({ ...question, stream }))

          assert.instanceOf(error, APIConnectionTimeoutError)
          assert.deepStrictEqual(
            yield* lastEntry(provider),
            entry({ stream, fault: "HangBeforeHeaders", status: undefined, end: "client-closed" })
          )
        }
      }))
  })

  describe("hangBeforeFirstToken", () => {
    it.effect("sends the headers at once and no body, streamed or not", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        for (const stream of [false, true]) {
          const leave = new AbortController()
          const response = yield* Effect.promise(() =>
            send(provider, {
              body: JSON.stringify({ ...question, stream }),
              headers: Fault.header(Fault.hangBeforeFirstToken),
              signal: leave.signal
            })
          )
          assert.strictEqual(response.status, 200)
          assert.strictEqual(yield* provider.inFlight, 1)
          leave.abort()

          assert.strictEqual((yield* rejection(response.text())).name, "AbortError")
          assert.deepStrictEqual(
            yield* lastEntry(provider),
            entry({ stream, fault: "HangBeforeFirstToken", end: "client-closed" })
          )
          assert.strictEqual(yield* provider.inFlight, 0)
        }
      }))
  })

  describe("stallAfter", () => {
    it.effect("stops a stream after its tokens and stays connected until the client leaves", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const fault = Fault.stallAfter({ tokens: 3 })

        const stream = yield* Effect.promise(() =>
          sdk(provider, { fault }).chat.completions.create({ ...question, stream: true })
        )
        const chunks = stream[Symbol.asyncIterator]()
        const deltas: Array<string | null | undefined> = []
        for (let count = 0; count < 4; count++) {
          const chunk = yield* Effect.promise(() => chunks.next())
          deltas.push(chunk.value?.choices[0]!.delta.content)
        }
        const [running] = yield* provider.journal
        stream.controller.abort()

        assert.deepStrictEqual(deltas, ["", "This", " answer", " comes"])
        assert.deepStrictEqual([running!.end, running!.tokens], ["running", 3])
        const { bytes, ...rest } = yield* lastEntry(provider)
        const { bytes: _, ...expected } = entry({ stream: true, fault: "StallAfter", tokens: 3, end: "client-closed" })
        assert.deepStrictEqual(rest, expected)
        assert.strictEqual(bytes, running!.bytes)
      }))

    it.effect("stops a plain answer in the middle of its JSON", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const leave = new AbortController()
        const response = yield* Effect.promise(() =>
          send(provider, { headers: Fault.header(Fault.stallAfter({ tokens: 3 })), signal: leave.signal })
        )

        const reader = response.body!.getReader()
        const { value } = yield* Effect.promise(() => reader.read())
        leave.abort()

        assert.match(new TextDecoder().decode(value), /"content":"This answer comes$/)
        assert.strictEqual((yield* lastEntry(provider)).end, "client-closed")
      }))
  })

  describe("errorChunk", () => {
    const fault = Fault.errorChunk({ after: 2, type: "server_error", code: "boom", message: "Broken inside" })

    it.effect("breaks a stream with an error object after its tokens", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const { error, finishes, tokens } = yield* streamed(provider, fault)

        assert.deepStrictEqual([tokens, finishes], [["This", " answer"], []])
        assert.instanceOf(error, APIError)
        assert.deepStrictEqual([error.status, error.type, error.code], [undefined, "server_error", "boom"])
        const { end, status, tokens: count } = yield* lastEntry(provider)
        assert.deepStrictEqual([end, status, count], ["cut", 200, 2])
      }))

    it.effect("is the first event of a stream after zero tokens, and the last in any case", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const text = yield* Effect.promise(async () =>
          (await send(provider, {
            body: JSON.stringify({ ...question, stream: true }),
            headers: Fault.header(Fault.errorChunk({ after: 0 }))
          })).text()
        )

        assert.strictEqual(
          text,
          `data: {"error":{"message":"The server had an error while processing your request.","type":"server_error","param":null,"code":null}}\n\n`
        )
      }))

    it.effect("is the whole body of a plain answer with status 200", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const answer = yield* Effect.promise(() => sdk(provider, { fault }).chat.completions.create(question))

        assert.deepStrictEqual(JSON.parse(JSON.stringify(answer)), {
          error: { message: "Broken inside", type: "server_error", param: null, code: "boom" }
        })
        assert.strictEqual((yield* lastEntry(provider)).end, "complete")
      }))
  })

  describe("cutAfter", () => {
    it.effect("ends a stream silently, which the SDK takes for a complete one", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const stream = yield* streamed(provider, Fault.cutAfter({ tokens: 3 }))

        assert.deepStrictEqual(stream, { tokens: ["This", " answer", " comes"], finishes: [], error: undefined })
        const { end, tokens } = yield* lastEntry(provider)
        assert.deepStrictEqual([end, tokens], ["cut", 3])
      }))

    it.effect("announces the end of the connection", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const fault = Fault.header(Fault.cutAfter({ tokens: 1 }))

        const { headers } = yield* Effect.promise(() => send(provider, { headers: fault }))

        assert.strictEqual(headers.get("connection"), "close")
      }))

    it.effect("sends no finish reason even after the last token", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const { error, finishes, tokens } = yield* streamed(provider, Fault.cutAfter({ tokens: 99 }))

        assert.deepStrictEqual([tokens.length, finishes, error], [8, [], undefined])
      }))

    it.effect("leaves half a JSON document, or an empty body, of a plain answer", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        assert.instanceOf(yield* plainFailure(provider, Fault.cutAfter({ tokens: 3 })), SyntaxError)
        assert.instanceOf(yield* plainFailure(provider, Fault.cutAfter({ tokens: 0 })), SyntaxError)
        assert.deepStrictEqual(yield* lastEntry(provider), entry({ fault: "CutAfter", end: "cut" }))
      }))
  })

  describe("resetAfter", () => {
    it.effect("breaks the connection after the tokens of a stream have arrived", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const { error, finishes, tokens } = yield* streamed(provider, Fault.resetAfter({ tokens: 3 }))

        assert.deepStrictEqual([tokens, finishes], [["This", " answer", " comes"], []])
        assert.instanceOf(error, TypeError)
        assert.strictEqual(error.message, "terminated")
        assert.strictEqual(Object(error.cause).code, "UND_ERR_SOCKET")
        const { end, tokens: count } = yield* lastEntry(provider)
        assert.deepStrictEqual([end, count], ["reset", 3])
      }))

    it.effect("breaks the connection in the middle of a plain answer", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const error = yield* plainFailure(provider, Fault.resetAfter({ tokens: 3 }))

        assert.instanceOf(error, TypeError)
        assert.strictEqual(error.message, "terminated")
        assert.strictEqual((yield* lastEntry(provider)).end, "reset")
      }))
  })

  describe("x-fault", () => {
    it.effect("picks the fault of one request by name or as JSON, whatever the script says", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          allowHeader: true,
          script: [{ for: 1, faults: [{ fault: Fault.overloaded, share: 1 }] }]
        })
        const named = (name: string) =>
          Effect.promise(async () => (await send(provider, { headers: { "x-fault": name } })).status)

        assert.strictEqual(yield* status(provider), 529)
        assert.strictEqual(yield* status(provider, "none"), 200)
        assert.strictEqual(yield* status(provider, Fault.jsonError({ status: 418 })), 418)
        assert.strictEqual(yield* named("serverError"), 500)
      }))

    it.effect("is refused when it names no fault", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        for (const header of ["no such thing", "{}", `{"_tag":"StallAfter","tokens":-1}`, "__proto__", "constructor"]) {
          const response = yield* Effect.promise(() => send(provider, { headers: { "x-fault": header } }))
          const { error } = yield* Effect.promise(() => json(response))

          assert.deepStrictEqual([response.status, error.param, error.code], [400, "x-fault", "invalid_fault"])
        }
      }))
  })

  describe("a script", () => {
    const script = [
      { name: "calm", for: "10 seconds" },
      { name: "outage", for: "30 seconds", faults: [{ fault: Fault.overloaded, share: 1 }] },
      { name: "recovered", for: "1 second" }
    ] as const

    it.effect("moves through its phases with the clock and stays in the last", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ script })
        const seen: Array<readonly [string, number]> = []
        for (const step of [0, 9_999, 1, 29_999, 1, 1e9]) {
          yield* TestClock.adjust(step)
          seen.push([yield* provider.phase, yield* status(provider)])
        }

        assert.deepStrictEqual(seen, [
          ["calm", 200],
          ["calm", 200],
          ["outage", 529],
          ["outage", 529],
          ["recovered", 200],
          ["recovered", 200]
        ])
        assert.deepStrictEqual((yield* provider.journal).map(({ phase }) => phase), seen.map(([phase]) => phase))
      }))

    it.live("moves through its phases in real time too", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          script: [{ for: "20 millis", name: "short" }, { for: 1, faults: [{ fault: Fault.overloaded, share: 1 }] }]
        })

        let last = 200
        while (last === 200) last = yield* status(provider)

        assert.strictEqual(last, 529)
        assert.isAtLeast((yield* provider.journal).at(-1)!.at, 20)
      }))

    it.effect("yields to health set by hand until it is followed again", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ script })

        yield* provider.setHealth({ faults: [{ fault: Fault.serverError, share: 1 }] })
        assert.deepStrictEqual([yield* provider.phase, yield* status(provider)], ["by hand", 500])
        yield* provider.setHealth({ name: "mended" })
        assert.deepStrictEqual([yield* provider.phase, yield* status(provider)], ["mended", 200])
        yield* TestClock.adjust("10 seconds")
        yield* provider.followScript
        assert.deepStrictEqual([yield* provider.phase, yield* status(provider)], ["outage", 529])
      }))

    it.effect("gives the same requests the same fates under the same seed", () =>
      Effect.gen(function*() {
        const fates = (seed: number) =>
          Effect.gen(function*() {
            const provider = yield* FakeProvider.make({
              allowHeader: true,
              seed,
              script: [{ for: 1, faults: [{ fault: Fault.overloaded, share: 0.5 }] }]
            })
            const statuses: Array<number> = []
            for (let count = 0; count < 40; count++) {
              // Neither a request that picks its own fault nor a broken one shifts the fates of the others.
              if (count % 10 === 0) yield* status(provider, Fault.serverError)
              if (count % 10 === 5) yield* Effect.promise(() => send(provider, { body: "{" }))
              statuses.push(yield* status(provider))
            }
            return statuses
          })

        const one = yield* fates(1)

        assert.deepStrictEqual(new Set(one), new Set([200, 529]))
        assert.deepStrictEqual(yield* fates(1), one)
        assert.notDeepEqual(yield* fates(2), one)
      }))
  })

  describe("journal", () => {
    it.effect("keeps as many entries as it is told, forgets the oldest that have ended, and none that runs", () =>
      Effect.gen(function*() {
        const ended: Array<number> = []
        const provider = yield* FakeProvider.make({
          allowHeader: true,
          journalSize: 2,
          onEnd: ({ end, index }) => ended.push(end === "complete" ? index : -1)
        })
        const hanging = yield* Effect.forkChild(plainFailure(provider, Fault.hangBeforeHeaders), {
          startImmediately: true
        })
        yield* provider.awaitJournal(([first]) => first?.fault === "HangBeforeHeaders")
        for (let i = 0; i < 4; i++) yield* Effect.promise(() => sdk(provider).chat.completions.create(question))
        const kept = yield* provider.awaitJournal((entries) => entries.at(-1)?.end === "complete")
        assert.deepStrictEqual(kept.map(({ end, index }) => [index, end]), [[0, "running"], [4, "complete"]])
        assert.strictEqual(yield* provider.inFlight, 1)
        assert.deepStrictEqual(ended, [1, 2, 3, 4])
        yield* Fiber.interrupt(hanging)
      }))

    it.effect("keeps nothing at a size of zero, and tells each end all the same, the scope's too", () =>
      Effect.gen(function*() {
        const ends: Array<string> = []
        const scope = yield* Scope.make()
        const provider = yield* Scope.provide(
          FakeProvider.make({ allowHeader: true, journalSize: 0, onEnd: ({ end }) => ends.push(end) }),
          scope
        )
        yield* Effect.promise(() => sdk(provider).chat.completions.create(question))
        const hanging = yield* Effect.forkChild(plainFailure(provider, Fault.hangBeforeHeaders), {
          startImmediately: true
        })
        yield* provider.awaitJournal((entries) => entries.some(({ fault }) => fault === "HangBeforeHeaders"))
        yield* Scope.close(scope, Exit.void)
        yield* Fiber.join(hanging)
        assert.deepStrictEqual(ends, ["complete", "stopped"])
        assert.strictEqual(yield* provider.inFlight, 0)
      }))

    it.effect("listens where it is told", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ host: "127.0.0.2" })
        assert.match(provider.url, /^http:\/\/127\.0\.0\.2:\d+$/)
        assert.strictEqual((yield* Effect.promise(() => fetch(`${provider.baseUrl}/models`))).status, 200)
        const error = yield* Effect.flip(FakeProvider.make({ host: "192.0.2.1", port: 1 }))
        assert.match(error.message, /^cannot listen on 192\.0\.2\.1:1: /)
      }))

    it.effect("keeps one whole entry per request, in order of arrival", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ script: [{ for: 1, name: "only" }] })

        yield* TestClock.adjust(250)
        yield* Effect.promise(() => sdk(provider).chat.completions.create(question))
        yield* Effect.promise(() => send(provider, { path: "/v1/models?limit=2", method: "GET" }))
        const entries = yield* provider.awaitJournal((entries) => entries.length === 2 && entries.every(ended))

        assert.deepStrictEqual(entries, [
          {
            index: 0,
            at: 250,
            phase: "only",
            method: "POST",
            path: "/v1/chat/completions",
            format: "chat",
            key: "sk-one",
            model: "gpt-test",
            stream: false,
            limit: undefined,
            fault: undefined,
            status: 200,
            tokens: 8,
            bytes: entries[0]!.bytes,
            end: "complete",
            endedAt: 250
          },
          {
            index: 1,
            at: 250,
            phase: "only",
            method: "GET",
            path: "/v1/models",
            format: "models",
            key: undefined,
            model: undefined,
            stream: false,
            limit: undefined,
            fault: undefined,
            status: 200,
            tokens: 0,
            bytes: entries[1]!.bytes,
            end: "complete",
            endedAt: 250
          }
        ])
      }))

    it.effect("counts the bytes of the body", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const body = yield* Effect.promise(async () => (await send(provider)).arrayBuffer())

        assert.strictEqual((yield* lastEntry(provider)).bytes, body.byteLength)
      }))

    it.effect("keeps apart requests that run at the same time", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ script: [{ for: 1, latency: "1 second" }] })

        const fibers = yield* Effect.forEach(
          Array.from({ length: 20 }),
          () => Effect.forkChild(status(provider), { startImmediately: true })
        )
        yield* provider.awaitJournal((entries) => entries.filter(({ model }) => model !== undefined).length === 20)
        assert.strictEqual(yield* provider.inFlight, 20)
        yield* TestClock.adjust("1 second")
        yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))

        yield* provider.awaitJournal((entries) => entries.every(({ end }) => end === "complete"))
        assert.strictEqual(yield* provider.inFlight, 0)
      }))
  })

  describe("bad input", () => {
    const refusal = (provider: FakeProvider.FakeProvider, request: Parameters<typeof send>[1]) =>
      Effect.promise(async () => {
        const response = await send(provider, request)
        const { error } = await json(response)
        assert.deepStrictEqual(Object.keys(error), ["message", "type", "param", "code"])
        return [response.status, error.type, error.param, error.code]
      })
    const invalid = "invalid_request_error"

    it.effect("is answered with an error in OpenAI's shape", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })
        const chat = (body: unknown) =>
          refusal(provider, { body: typeof body === "string" ? body : JSON.stringify(body) })

        for (const body of ["", "{", "null", "[1]", "7", `"text"`, "\u0000"]) {
          assert.deepStrictEqual(yield* chat(body), [400, invalid, null, null], body)
        }
        assert.deepStrictEqual(yield* chat({ model: "m" }), [400, invalid, "messages", null])
        assert.deepStrictEqual(yield* chat({ ...question, messages: [] }), [400, invalid, "messages", null])
        assert.deepStrictEqual(yield* chat({ ...question, model: 1 }), [400, invalid, "model", null])
        assert.deepStrictEqual(yield* chat({ ...question, stream: "yes" }), [400, invalid, "stream", null])
        assert.deepStrictEqual(yield* refusal(provider, { path: "/v2" }), [404, invalid, null, "unknown_url"])
        assert.deepStrictEqual(
          yield* refusal(provider, { method: "GET" }),
          [405, invalid, null, "method_not_supported"]
        )
        assert.strictEqual(yield* status(provider), 200)
      }))

    it.effect("is refused when it is too large", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const answer = yield* refusal(provider, { body: "x".repeat(5 * 1024 * 1024) })

        assert.deepStrictEqual(answer, [413, invalid, null, "request_too_large"])
        assert.strictEqual(yield* status(provider), 200)
      }))

    it.effect("that is no HTTP at all leaves the server running", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const socket = connect(provider.port, "127.0.0.1")
        socket.write("this is no request\r\n\r\n")
        const [answer] = yield* Effect.promise(() => once(socket, "data"))
        socket.destroy()

        assert.match(String(answer), /^HTTP\/1\.1 400 /)
        assert.strictEqual(yield* status(provider), 200)
      }))

    it.effect("that stops in the middle of its body ends as the client's leaving", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const socket = connect(provider.port, "127.0.0.1")
        socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
        yield* provider.awaitJournal((entries) => entries.length === 1)
        socket.destroy()

        assert.deepStrictEqual(
          yield* lastEntry(provider),
          entry({ model: undefined, status: undefined, end: "client-closed" })
        )
      }))
  })

  describe("options", () => {
    it("throw a RangeError at once when a number breaks its rule", () => {
      assert.throws(() => FakeProvider.make({ port: 70_000 }), RangeError, "FakeProvider.make: port must be")
      assert.throws(() => FakeProvider.make({ seed: 0.5 }), RangeError, "seed must be a whole number")
      assert.throws(() => FakeProvider.layer({ script: [{ for: -1 }] }), RangeError, "script[0]: for must be")
    })

    it.effect("keep a health with a bad number from being set", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        assert.throws(() => provider.setHealth({ tokens: -1 }), RangeError, "setHealth: tokens must be")
      }))
  })

  describe("scope", () => {
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length

    const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

    it.effect("ends every answer under way and leaves nothing open when it closes", () =>
      Effect.gen(function*() {
        while (sockets() > 0) yield* turn
        const scope = yield* Scope.make()
        const provider = yield* Scope.provide(
          FakeProvider.make({ allowHeader: true, script: [{ for: 1, latency: "1 hour" }] }),
          scope
        )
        const idle = connect(provider.port, "127.0.0.1")
        yield* Effect.promise(() => once(idle, "connect"))
        const hangs = [
          Fault.hangBeforeHeaders,
          Fault.hangBeforeFirstToken,
          Fault.stallAfter({ tokens: 2 }),
          Fault.onlyKeepAlive(),
          Fault.slowDrip({ tokensPerSecond: 0.001 }),
          Fault.lateAnswer({ after: "1 hour" }),
          Fault.overloaded
        ].map((fault) =>
          rejection(send(provider, { headers: Fault.header(fault) }).then((response) => response.text()))
        )
        const fibers = yield* Effect.forEach(hangs, (hang) => Effect.forkChild(hang, { startImmediately: true }))
        yield* provider.awaitJournal((entries) => entries.filter(({ fault }) => fault !== undefined).length === 7)

        yield* Scope.close(scope, Exit.void)

        const errors = yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
        assert.deepStrictEqual(errors.map((error) => error.name), Array(7).fill("TypeError"))
        assert.deepStrictEqual((yield* provider.journal).map(({ end }) => end), Array(7).fill("stopped"))
        assert.strictEqual(yield* provider.inFlight, 0)
        assert.instanceOf(yield* rejection(send(provider)), TypeError)
        if (!idle.closed) yield* Effect.promise(() => once(idle, "close"))
        while (sockets() > 0) yield* turn
      }))

    it.effect("frees the port for the next provider", () =>
      Effect.gen(function*() {
        const first = yield* Effect.scoped(
          Effect.flatMap(FakeProvider.make({ allowHeader: true }), (provider) => Effect.as(status(provider), provider))
        )

        const second = yield* FakeProvider.make({ port: first.port })

        assert.strictEqual(second.url, `http://127.0.0.1:${first.port}`)
        assert.strictEqual(yield* status(second), 200)
      }))

    it.effect("fails to open on a port that is taken", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({ allowHeader: true })

        const error = yield* Effect.flip(FakeProvider.make({ port: provider.port }))

        assert.strictEqual(error._tag, "FakeProviderError")
        assert.include(error.message, `cannot listen on 127.0.0.1:${provider.port}`)
      }))
  })

  describe("layer", () => {
    it.effect("serves one provider to a program and stops it afterwards", () =>
      Effect.gen(function*() {
        const provider = yield* Effect.gen(function*() {
          const provider = yield* FakeProvider.FakeProvider
          assert.strictEqual(yield* status(provider), 200)
          return provider
        }).pipe(Effect.provide(FakeProvider.layer()))

        assert.instanceOf(yield* rejection(send(provider)), TypeError)
      }))
  })
})
