/* oxlint-disable vitest/expect-expect */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import Anthropic from "@anthropic-ai/sdk"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { generateText, streamText } from "ai"
import { Duration, Effect } from "effect"
import { LlmOutcome } from "effect-breaker/llm"
import http from "node:http"
import type { AddressInfo } from "node:net"
import OpenAI from "openai"
import { type Answer, anthropic, azure, gateways, now, openAi, openRouter } from "./answers.ts"

// ---------------------------------------------------------------------------------------------------------------------
// A real server on a real socket: the first segment of the path says how it behaves
// ---------------------------------------------------------------------------------------------------------------------

type Behaviour = (response: http.ServerResponse) => void

const behaviours = new Map<string, Behaviour>()
const server = http.createServer((request, response) => {
  request.resume()
  request.on("end", () => behaviours.get(request.url!.split("/")[1]!)!(response))
})
let origin = ""

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

/** The base URL of a server that behaves so. */
const serve = (behaviour: Behaviour): string => {
  const name = String(behaviours.size)
  behaviours.set(name, behaviour)
  return `${origin}/${name}`
}

const answering = ({ body, headers, status }: Pick<Answer, "body" | "headers" | "status">): Behaviour => (response) => {
  const isText = typeof body === "string"
  response.writeHead(status, { "content-type": isText ? "text/html" : "application/json", ...headers })
  response.end(isText ? body : JSON.stringify(body))
}

const streaming =
  (events: ReadonlyArray<string>, end: (response: http.ServerResponse) => void): Behaviour => (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    // what was written has to leave before the socket is cut
    response.write(events.map((event) => `${event}\n\n`).join(""), () => setImmediate(() => end(response)))
  }

const finish = (response: http.ServerResponse) => void response.end()
const reset = (response: http.ServerResponse) => void response.socket!.resetAndDestroy()
const hang: Behaviour = () => {}

// ---------------------------------------------------------------------------------------------------------------------
// The clients, each with its own retries off
// ---------------------------------------------------------------------------------------------------------------------

interface Call {
  readonly stream?: boolean
  readonly signal?: AbortSignal
  readonly timeout?: number
}

type Client = (url: string, call: Call) => Promise<unknown>

const messages = [{ role: "user" as const, content: "Hello" }]

const openAiClient: Client = async (url, { signal, stream, timeout }) => {
  const client = new OpenAI({
    apiKey: "key",
    baseURL: `${url}/v1`,
    maxRetries: 0,
    timeout: timeout ?? 5000,
    logLevel: "off"
  })
  const body = { model: "gpt-4o", messages }
  const options = signal === undefined ? {} : { signal }
  if (stream !== true) return client.chat.completions.create(body, options)
  return client.chat.completions.stream(body, options).finalChatCompletion()
}

const anthropicClient: Client = async (url, { signal, stream, timeout }) => {
  const client = new Anthropic({
    apiKey: "key",
    baseURL: url,
    maxRetries: 0,
    timeout: timeout ?? 5000,
    logLevel: "off"
  })
  const body = { model: "claude-sonnet-4-6", max_tokens: 100, messages }
  const options = signal === undefined ? {} : { signal }
  if (stream !== true) return client.messages.create(body, options)
  return client.messages.stream(body, options).finalMessage()
}

const aiSdk = (provider: "openai" | "anthropic", maxRetries = 0): Client => async (url, { signal, stream }) => {
  const model = provider === "openai"
    ? createOpenAI({ apiKey: "key", baseURL: `${url}/v1` }).chat("gpt-4o")
    : createAnthropic({ apiKey: "key", baseURL: `${url}/v1` })("claude-sonnet-4-6")
  const options = { model, prompt: "Hello", maxRetries, ...(signal === undefined ? {} : { abortSignal: signal }) }
  if (stream !== true) return generateText(options)
  for await (const part of streamText({ ...options, onError: () => {} }).fullStream) {
    if (part.type === "error") throw part.error
  }
  return undefined
}

const failing = async (client: Client, url: string, call: Call = {}): Promise<unknown> => {
  try {
    await client(url, call)
  } catch (error) {
    return error
  }
  throw new Error("The call did not fail")
}

const summary = (outcome: LlmOutcome.LlmOutcome) => [outcome._tag, outcome.kind, outcome.scope]

const expectAnswer = (outcome: LlmOutcome.LlmOutcome, answer: Answer) => {
  expect(summary(outcome)).toEqual(answer.outcome)
  const wait = outcome._tag === "Trip"
    ? outcome.openFor
    : outcome._tag === "Ignored"
    ? undefined
    : Reflect.get(outcome, "retryAfter")
  expect(wait === undefined ? undefined : Duration.toSeconds(wait as Duration.Duration)).toBe(answer.seconds)
  expect(outcome.message ?? "").not.toMatch(/sk-proj|<html|\n/)
}

const suites: ReadonlyArray<readonly [name: string, client: Client, answers: ReadonlyArray<Answer>]> = [
  ["openai", openAiClient, [...openAi, ...azure, ...openRouter, ...gateways]],
  ["@anthropic-ai/sdk", anthropicClient, anthropic],
  ["ai with @ai-sdk/openai", aiSdk("openai"), [...openAi, ...azure, ...openRouter, ...gateways]],
  ["ai with @ai-sdk/anthropic", aiSdk("anthropic"), anthropic]
]

for (const [name, client, answers] of suites) {
  describe(`an error of ${name}`, () => {
    for (const answer of answers.filter(({ status }) => status >= 400)) {
      it(`is understood where the provider tells ${answer.says} (${answer.status})`, async () => {
        const error = await failing(client, serve(answering(answer)))
        expectAnswer(LlmOutcome.fromError(error, { now }), answer)
        const wrapped = await Effect.runPromise(Effect.flip(Effect.tryPromise(() => Promise.reject(error))))
        expectAnswer(LlmOutcome.fromError(wrapped, { now }), answer)
      })
    }

    it("is understood where the connection is cut before an answer", async () => {
      const error = await failing(client, serve(reset))
      expect(summary(LlmOutcome.fromError(error))).toEqual(["Failure", "network", "provider"])
    })

    it("is understood where nobody listens", async () => {
      // a port that was free a moment ago, and one that fetch refuses to use
      const other = http.createServer()
      await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))
      const { port } = other.address() as AddressInfo
      await new Promise((resolve) => other.close(resolve))
      for (const url of [`http://127.0.0.1:${port}`, "http://127.0.0.1:1"]) {
        const outcome = LlmOutcome.fromError(await failing(client, url))
        expect(summary(outcome)).toEqual(["Failure", "network", "provider"])
      }
    })

    it("is understood where the caller gives up", async () => {
      const controller = new AbortController()
      const url = serve(() => controller.abort())
      const error = await failing(client, url, { signal: controller.signal })
      expect(summary(LlmOutcome.fromError(error))).toEqual(["Ignored", "cancelled", "request"])
    })

    it("is understood where the answer is cut short or empty", async () => {
      for (const body of [`{"id":"1","choices":[{"mess`, ""]) {
        const url = serve((response) => {
          response.writeHead(200, { "content-type": "application/json" })
          response.end(body)
        })
        const { _tag, kind, scope } = LlmOutcome.fromError(await failing(client, url))
        expect([_tag, scope]).toEqual(["Failure", "model"])
        expect(["bad-response", "empty"]).toContain(kind)
      }
    })
  })
}

describe("a deadline", () => {
  it("of openai and of @anthropic-ai/sdk is a timeout", async () => {
    for (const client of [openAiClient, anthropicClient]) {
      const error = await failing(client, serve(hang), { timeout: 50 })
      expect(summary(LlmOutcome.fromError(error))).toEqual(["Failure", "timeout", "model"])
    }
  })

  it("of the caller's signal is a timeout for the AI SDK", async () => {
    for (const provider of ["openai", "anthropic"] as const) {
      const error = await failing(aiSdk(provider), serve(hang), { signal: AbortSignal.timeout(50) })
      expect(summary(LlmOutcome.fromError(error))).toEqual(["Failure", "timeout", "model"])
    }
  })
})

describe("retries of the AI SDK", () => {
  it("are judged by the last of them", async () => {
    let calls = 0
    const url = serve((response) => {
      calls++
      answering({ status: calls === 1 ? 529 : 429, headers: { "retry-after-ms": "1" }, body: anthropic.at(-1)!.body })(
        response
      )
    })
    const error = await failing(aiSdk("openai", 1), url)
    expect(calls).toBe(2)
    expect(LlmOutcome.fromError(error).kind).toBe("overloaded")

    const quota = openAi.find(({ says }) => says.includes("insufficient_quota"))!
    const retried = await failing(
      aiSdk("openai", 1),
      serve(answering({ ...quota, headers: { "retry-after-ms": "1" } }))
    )
    expect(summary(LlmOutcome.fromError(retried))).toEqual(["Trip", "quota", "key"])
  })
})

describe("a stream", () => {
  const chunk = (content: string, finish_reason: string | null = null) =>
    `data: ${
      JSON.stringify({
        id: "chatcmpl-1",
        object: "chat.completion.chunk",
        created: 1,
        model: "gpt-4o",
        choices: [{ index: 0, delta: { role: "assistant", content }, finish_reason }]
      })
    }`
  const event = (data: { readonly type: string }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}`
  const start = event(
    {
      type: "message_start",
      message: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "claude-sonnet-4-6",
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 1, output_tokens: 1 }
      }
    } as { readonly type: string }
  )
  const block = [
    event(
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } } as { readonly type: string }
    ),
    event(
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hel" } } as { readonly type: string }
    )
  ]
  const overloaded = event(
    { type: "error", error: { type: "overloaded_error", message: "Overloaded" } } as { readonly type: string }
  )
  const fault = `data: ${
    JSON.stringify({ error: { message: "Sorry", type: "server_error", param: null, code: null } })
  }`

  const openAiClients = [openAiClient, aiSdk("openai")]
  const anthropicClients = [anthropicClient, aiSdk("anthropic")]

  const outcomes = (clients: ReadonlyArray<Client>, behaviour: Behaviour) =>
    Promise.all(
      clients.map(async (client) =>
        summary(LlmOutcome.fromError(await failing(client, serve(behaviour), { stream: true })))
      )
    )

  it("with an error for its first event or a later one is that error", async () => {
    const both = (outcome: ReadonlyArray<string>) => [outcome, outcome]
    for (const before of [[], [chunk("Hel")]]) {
      expect(await outcomes(openAiClients, streaming([...before, fault], finish))).toEqual(
        both(["Failure", "server", "model"])
      )
    }
    for (const before of [[], [start, ...block]]) {
      expect(await outcomes(anthropicClients, streaming([...before, overloaded], finish)))
        .toEqual(both(["Failure", "overloaded", "model"]))
    }
  })

  it("that is reset half-way is a failure of the network", async () => {
    const network = ["Failure", "network", "provider"]
    expect(await outcomes(openAiClients, streaming([chunk("Hel")], reset))).toEqual([network, network])
    expect(await outcomes(anthropicClients, streaming([start, ...block], reset))).toEqual([network, network])
  })

  it("that just ends is cut short, where the client says so", async () => {
    const truncated = ["Failure", "truncated", "model"]
    expect(await outcomes([openAiClient], streaming([chunk("Hel")], finish))).toEqual([truncated])
    expect(await outcomes([anthropicClient], streaming([start, ...block], finish))).toEqual([truncated])
  })

  it("without any event is empty, where the client says so", async () => {
    expect(await outcomes([openAiClient], streaming([": ping"], finish))).toEqual([["Failure", "empty", "model"]])
  })

  it("with an event that is no JSON is a bad answer", async () => {
    expect(await outcomes([openAiClient], streaming([`data: {"id":"x","cho`], finish)))
      .toEqual([["Failure", "bad-response", "model"]])
    expect(
      await outcomes([anthropicClient], streaming([start, `event: content_block_delta\ndata: {"type":"con`], finish))
    )
      .toEqual([["Failure", "bad-response", "model"]])
  })
})

describe("an answer with a status of success and an error in it", () => {
  it("is an error to classify, although openai resolves with it", async () => {
    const body = { error: { code: 429, message: "Rate limited upstream" } }
    const call = Effect.promise(() => openAiClient(serve(answering({ status: 200, body })), {}))
    const exit = await Effect.runPromiseExit(call)
    expect(exit._tag).toBe("Success")
    expect(summary(LlmOutcome.classify(exit))).toEqual(["Throttled", "rate-limit", "model"])
  })

  it("is a failed response of OpenAI's, although openai resolves with it", async () => {
    const body = {
      id: "resp_1",
      object: "response",
      status: "failed",
      error: { code: "server_error", message: "Sorry" },
      output: []
    }
    const url = serve(answering({ status: 200, body }))
    const client = new OpenAI({ apiKey: "key", baseURL: `${url}/v1`, maxRetries: 0 })
    const exit = await Effect.runPromiseExit(
      Effect.promise(() => client.responses.create({ model: "gpt-4o", input: "Hello" }))
    )
    expect(exit._tag).toBe("Success")
    expect(summary(LlmOutcome.classify(exit))).toEqual(["Failure", "server", "model"])
  })

  it("is a success to classify where there is no error in it", async () => {
    const body = {
      id: "chatcmpl-1",
      object: "chat.completion",
      created: 1,
      model: "gpt-4o",
      choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
    }
    for (const client of [openAiClient, aiSdk("openai")]) {
      const exit = await Effect.runPromiseExit(
        Effect.promise(() => client(serve(answering({ status: 200, body })), {}))
      )
      expect(summary(LlmOutcome.classify(exit))).toEqual(["Success", undefined, "model"])
    }
  })
})
