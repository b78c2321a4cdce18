/* oxlint-disable vitest/expect-expect */
import { assert, describe, expect, it } from "@effect/vitest"
import { Cause, DateTime, Duration, Effect, Exit } from "effect"
import { Breaker, Outcome, TripPolicy } from "effect-breaker"
import { LlmOutcome } from "effect-breaker/llm"
import { AiError } from "effect/ai"
import { HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { all, type Answer, now, openAi, page } from "./answers.ts"

const seconds = (outcome: LlmOutcome.LlmOutcome): number | undefined => {
  const wait = outcome._tag === "Trip"
    ? outcome.openFor
    : outcome._tag === "Failure" || outcome._tag === "Throttled"
    ? outcome.retryAfter
    : undefined
  return wait === undefined ? undefined : Duration.toSeconds(wait)
}

const summary = (outcome: LlmOutcome.LlmOutcome) => [outcome._tag, outcome.kind, outcome.scope]

const expectAnswer = (outcome: LlmOutcome.LlmOutcome, answer: Answer) => {
  expect(summary(outcome)).toEqual(answer.outcome)
  expect(seconds(outcome)).toBe(answer.seconds)
  expect(Outcome.isOutcome(outcome)).toBe(true)
}

for (const [provider, answers] of Object.entries(all)) {
  describe(`fromHttp, told by ${provider}`, () => {
    for (const answer of answers) {
      it(`understands ${answer.says} (${answer.status})`, () => {
        expectAnswer(LlmOutcome.fromHttp(answer, { now }), answer)
      })
    }
  })
}

describe("fromHttp", () => {
  it("finds the same in a body that is data, text or bytes, and in headers of any shape", () => {
    const answer = openAi.find(({ says }) => says === "too many requests a minute")!
    const text = JSON.stringify(answer.body)
    const headers = answer.headers!
    const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]))
    for (const body of [answer.body, text, new TextEncoder().encode(text), new TextEncoder().encode(text).buffer]) {
      for (
        const shape of [headers, upper, new Headers(headers), Object.entries(headers), new Map(Object.entries(headers))]
      ) {
        expectAnswer(LlmOutcome.fromHttp({ status: 429, headers: shape, body }, { now }), answer)
      }
    }
  })

  it("calls a status of success a success, whatever the body holds but an error", () => {
    const bodies = [undefined, null, "", "ok", page("Hello"), { error: null }, { error: "" }, { choices: [] }, [], 5]
    for (const status of [100, 200, 201, 204, 304, 399]) {
      for (const body of bodies) {
        expect(LlmOutcome.fromHttp({ status, body })).toEqual({ _tag: "Success", scope: "model" })
      }
    }
  })

  it("calls a response of OpenAI that failed inside a success by its code", () => {
    const failed = { object: "response", status: "failed", error: { code: "rate_limit_exceeded", message: "Too fast" } }
    expect(summary(LlmOutcome.fromHttp({ status: 200, body: failed }))).toEqual(["Throttled", "rate-limit", "model"])
    const filtered = {
      object: "response",
      status: "incomplete",
      error: null,
      incomplete_details: { reason: "content_filter" }
    }
    expect(summary(LlmOutcome.fromHttp({ status: 200, body: filtered }))).toEqual([
      "Ignored",
      "content-policy",
      "request"
    ])
    const long = { ...filtered, incomplete_details: { reason: "max_output_tokens" } }
    expect(LlmOutcome.fromHttp({ status: 200, body: long })._tag).toBe("Success")
  })

  it("reads 4xx it does not know as the caller's mistake and 5xx as a fault", () => {
    for (const status of [400, 405, 406, 415, 418, 451]) {
      expect(summary(LlmOutcome.fromHttp({ status }))).toEqual(["Ignored", "invalid-request", "request"])
    }
    for (const status of [500, 501, 505, 599]) {
      expect(summary(LlmOutcome.fromHttp({ status }))).toEqual(["Failure", "server", "model"])
    }
    for (const status of [0, -1, 99, 600, 1000, Number.NaN, 429.5, Number.POSITIVE_INFINITY]) {
      expect(summary(LlmOutcome.fromHttp({ status }))).toEqual(["Failure", "unknown", "model"])
    }
  })

  it("takes the status written in the body over that of the gateway", () => {
    const body = { error: { code: 401, message: "Upstream refused the key" } }
    expect(summary(LlmOutcome.fromHttp({ status: 502, body }))).toEqual(["Trip", "auth", "key"])
    const odd = { error: { code: 200, message: "?" } }
    expect(summary(LlmOutcome.fromHttp({ status: 502, body: odd }))).toEqual(["Failure", "server", "model"])
  })

  it("does not take a file that is gone for a model that is gone", () => {
    const gone = (message: string) => summary(LlmOutcome.fromHttp({ status: 404, body: { error: { message } } }))
    expect(gone("No such File object: file-abc123")).toEqual(["Ignored", "invalid-request", "request"])
    expect(gone("Previous response with id 'resp_1' not found.")).toEqual(["Ignored", "invalid-request", "request"])
    expect(gone("The requested model does not exist")).toEqual(["Trip", "model-gone", "model"])
  })

  it("puts codes before sentences", () => {
    const body = (code: string | null) => ({
      error: { type: "invalid_request_error", code, message: "Your credit balance is too low" }
    })
    expect(LlmOutcome.fromHttp({ status: 400, body: body("context_length_exceeded") }).kind).toBe("context-length")
    expect(LlmOutcome.fromHttp({ status: 400, body: body(null) }).kind).toBe("billing")
  })

  it("reads no sentences where text rules are switched off", () => {
    const said = (status: number, message: string) =>
      summary(LlmOutcome.fromHttp({ status, body: { error: { message } } }, { textRules: false }))
    expect(said(400, "Your credit balance is too low")).toEqual(["Ignored", "invalid-request", "request"])
    expect(said(429, "No deployments available")).toEqual(["Throttled", "rate-limit", "model"])
    expect(said(404, "No such File object")).toEqual(["Trip", "model-gone", "model"])
    expect(summary(LlmOutcome.fromError("529 Overloaded", { textRules: false }))).toEqual([
      "Failure",
      "unknown",
      "model"
    ])
  })
})

describe("the time", () => {
  const monthly = { status: 429, body: { error: { details: { error_code: "enforced_spend_limit_reached" } } } }

  it("may be a number or a function, and a function that throws tells nothing", () => {
    const month = (17 * 24 + 9) * 3600
    expect(seconds(LlmOutcome.fromHttp(monthly, { now }))).toBe(month)
    expect(seconds(LlmOutcome.fromHttp(monthly, { now: () => now }))).toBe(month)
    const broken = () => {
      throw new Error("no clock")
    }
    expect(seconds(LlmOutcome.fromHttp(monthly, { now: broken }))).toBe(undefined)
    expect(seconds(LlmOutcome.fromHttp(monthly))).toBe(undefined)
  })

  it("is the response's own date where none is told", () => {
    const headers = { date: "Fri, 14 Aug 2026 15:00:00 GMT" }
    expect(seconds(LlmOutcome.fromHttp({ ...monthly, headers }))).toBe((17 * 24 + 9) * 3600)
    const dated = { status: 503, headers: { ...headers, "retry-after": "Fri, 14 Aug 2026 15:00:30 GMT" } }
    expect(seconds(LlmOutcome.fromHttp(dated))).toBe(30)
  })

  it("is not believed where no calendar goes that far", () => {
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, 1e20, -1e300]) {
      expect(LlmOutcome.fromHttp(monthly, { now: odd })).not.toHaveProperty("openFor")
    }
  })

  it("turns with the year, and follows California into and out of summer time", () => {
    const openFor = (at: number, code: string) =>
      seconds(LlmOutcome.fromHttp({
        status: 429,
        body: {
          error: { status: "RESOURCE_EXHAUSTED", details: [{ violations: [{ quotaId: code }], error_code: code }] }
        }
      }, { now: at }))
    expect(seconds(LlmOutcome.fromHttp(monthly, { now: Date.UTC(2026, 11, 31, 23, 59) }))).toBe(60)
    expect(seconds(LlmOutcome.fromHttp(monthly, { now: Date.UTC(2027, 0, 1) }))).toBe(31 * 24 * 3600)
    // 2026-03-08 has 23 hours there, 2026-11-01 has 25
    expect(openFor(Date.UTC(2026, 2, 8, 8), "PerDay")).toBe(23 * 3600)
    expect(openFor(Date.UTC(2026, 10, 1, 7), "PerDay")).toBe(25 * 3600)
    expect(openFor(Date.UTC(2026, 7, 14, 6, 59), "PerDay")).toBe(60)
  })

  it("does not shorten a trip to the few seconds that many servers send with every error", () => {
    const broke = (retryAfter: string) =>
      seconds(LlmOutcome.fromHttp({
        status: 429,
        headers: { "retry-after": retryAfter },
        body: { error: { code: "insufficient_quota" } }
      }))
    expect(broke("59")).toBe(undefined)
    expect(broke("60")).toBe(60)
    expect(broke("86400")).toBe(86_400)
  })

  it("leaves out a wait of zero, which would open the gate that the outcome shuts", () => {
    expect(LlmOutcome.fromHttp({ status: 429, headers: { "retry-after": "0" } })).not.toHaveProperty("retryAfter")
  })
})

describe("the message", () => {
  const shown = (status: number, body: unknown) => LlmOutcome.fromHttp({ status, body }).message

  it("is the provider's, on one line and short", () => {
    expect(shown(400, { error: { message: "  two\r\n\tlines\u0000\u001B[31m " } })).toBe("two lines [31m")
    expect(shown(400, { error: { message: "x ".repeat(5000) } })!.length).toBeLessThanOrEqual(300)
    expect(shown(400, { message: "plain" })).toBe("plain")
    expect(shown(400, { error: "plain" })).toBe("plain")
    expect(shown(400, "plain")).toBe("plain")
    expect(shown(502, undefined)).toBe("502 Bad Gateway")
  })

  it("is never a page", () => {
    expect(shown(502, page("502 Bad Gateway"))).toBe("502 Bad Gateway (HTML)")
    expect(LlmOutcome.fromError(Object.assign(new Error(`502 ${page("x")}`), { status: 502 })).message)
      .toBe("502 Bad Gateway (HTML)")
  })

  it("is there, and clean, even where the text is too long to read or a page without a status", () => {
    const long = `Bad key sk-proj-abcdefgh1234 ${"x ".repeat(50_000)}`
    for (const error of [long, new Error(long)]) {
      expect(LlmOutcome.fromError(error).message).toMatch(/^Bad key \[redacted\] x x .*…$/)
    }
    expect(LlmOutcome.fromError(page("x")).message).toBe("(HTML)")
    expect(LlmOutcome.fromError(new Error(page("x"))).message).toBe("(HTML)")
  })

  it("carries nobody's key", () => {
    const secrets = [
      "sk-proj-********************abcd",
      "sk-ant-api03-AbCdEf0123456789",
      "AIzaSyA1234567890abcdefghij",
      "gsk_abcdefghijklmnop",
      "0123456789abcdef0123456789abcdef",
      "my********key",
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"
    ]
    for (const secret of secrets) {
      const message = shown(401, { error: { message: `Incorrect API key provided: ${secret}. See the docs.` } })!
      expect(message).not.toContain(secret)
      expect(message).not.toMatch(/abcd|AbCd|hijk|0123|key\./)
      expect(message).toMatch(/^Incorrect API key provided: \[redacted\]/)
      expect(shown(401, { error: { message: `bad ${secret} given` } })).toBe("bad [redacted] given")
    }
    expect(shown(401, { error: { message: "Authorization: Bearer abc.def-123" } })).toBe(
      "Authorization: Bearer [redacted]"
    )
  })

  it("leaves names of models and numbers of requests alone", () => {
    const message = "model: claude-3-5-sonnet-20241022-preview in req_011CSHoEeqs5C35K2UUqR7Fy, max_tokens: 4096"
    expect(shown(404, { error: { message } })).toBe(message)
  })
})

describe("rules of one's own", () => {
  const overloaded: LlmOutcome.LlmOutcome = { _tag: "Failure", kind: "overloaded", scope: "provider" }

  it("come first, and see the facts", () => {
    const outcome = LlmOutcome.fromHttp({
      status: 429,
      headers: { "X-Tenant": "a", "retry-after": "3" },
      body: JSON.stringify({ error: { type: "Tokens", code: "RATE_LIMIT_EXCEEDED", message: "Slow" } })
    }, {
      rules: [
        () => undefined,
        ({ body, code, headers, message, retryAfter, status, type }) => {
          expect({ status, code, type, message, tenant: headers["x-tenant"], retryAfter }).toEqual({
            status: 429,
            code: "rate_limit_exceeded",
            type: "tokens",
            message: "Slow",
            tenant: "a",
            retryAfter: Duration.seconds(3)
          })
          expect(body).toEqual({ error: { type: "Tokens", code: "RATE_LIMIT_EXCEEDED", message: "Slow" } })
          return overloaded
        },
        () => ({ _tag: "Success", scope: "model" })
      ]
    })
    expect(outcome).toBe(overloaded)
  })

  it("may turn a success into something else", () => {
    expect(LlmOutcome.fromHttp({ status: 200, body: "" }, { rules: [() => overloaded] })).toBe(overloaded)
  })

  it("are passed over where they throw or give back something else", () => {
    const rules: ReadonlyArray<LlmOutcome.OwnRule> = [
      () => {
        throw new Error("a bug")
      },
      (() => "Failure") as never,
      (() => ({ _tag: "Failure", scope: "everything" })) as never,
      (() => null) as never
    ]
    expect(summary(LlmOutcome.fromHttp({ status: 529 }, { rules }))).toEqual(["Failure", "overloaded", "model"])
  })
})

describe("fromError, in a stream", () => {
  const cases: ReadonlyArray<readonly [string, unknown, ReadonlyArray<string>]> = [
    [
      "OpenAI's chat",
      { error: { message: "The server had an error", type: "server_error", param: null, code: null } },
      ["Failure", "server", "model"]
    ],
    ["the same without its envelope", { message: "The server had an error", type: "server_error", code: null }, [
      "Failure",
      "server",
      "model"
    ]],
    ["OpenAI's responses, flat", {
      type: "error",
      code: "rate_limit_exceeded",
      message: "Too fast",
      param: null,
      sequence_number: 2
    }, ["Throttled", "rate-limit", "model"]],
    ["OpenAI's responses, nested", {
      type: "error",
      sequence_number: 2,
      error: { type: "insufficient_quota", code: "insufficient_quota", message: "Check your plan", param: null }
    }, ["Trip", "quota", "key"]],
    ["OpenAI's responses, failed", {
      type: "response.failed",
      response: { status: "failed", error: { code: "server_error", message: "Sorry" }, usage: null }
    }, ["Failure", "server", "model"]],
    ["OpenAI's responses, invalid prompt", {
      type: "response.failed",
      response: { status: "failed", error: { code: "invalid_prompt", message: "No" } }
    }, ["Ignored", "invalid-request", "request"]],
    ["OpenAI's responses, policy", {
      type: "response.failed",
      response: { status: "failed", error: { code: "bio_policy", message: "No" } }
    }, ["Ignored", "content-policy", "request"]],
    ["OpenAI's responses, vector store", { code: "vector_store_timeout", message: "Late" }, [
      "Failure",
      "timeout",
      "model"
    ]],
    ["Anthropic", { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, [
      "Failure",
      "overloaded",
      "model"
    ]],
    ["Anthropic, as text", `{"type":"error","error":{"type":"api_error","message":"Internal server error"}}`, [
      "Failure",
      "server",
      "model"
    ]],
    ["Gemini", [{ error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } }], [
      "Failure",
      "overloaded",
      "model"
    ]],
    ["OpenRouter", { id: "gen-1", error: { code: 429, message: "Rate limited" }, choices: [] }, [
      "Throttled",
      "rate-limit",
      "model"
    ]],
    ["Bedrock, fault", { internalServerException: { message: "Sorry" } }, ["Failure", "server", "model"]],
    ["Bedrock, stream", { modelStreamErrorException: { message: "Sorry", originalStatusCode: 500 } }, [
      "Failure",
      "server",
      "model"
    ]],
    ["Bedrock, timeout", { modelTimeoutException: { message: "Late" } }, ["Failure", "timeout", "model"]],
    ["Bedrock, capacity", { serviceUnavailableException: { message: "Full" } }, ["Failure", "overloaded", "model"]],
    ["Bedrock, throttled", { throttlingException: { message: "Slow" } }, ["Throttled", "rate-limit", "model"]],
    ["Bedrock, validation", { validationException: { message: "Bad" } }, ["Ignored", "invalid-request", "request"]]
  ]
  for (const [says, event, outcome] of cases) {
    it(`understands the error event of ${says}`, () => {
      expect(summary(LlmOutcome.fromError(event))).toEqual(outcome)
      expect(LlmOutcome.fromError(event).message).toBeTypeOf("string")
      expect(summary(LlmOutcome.fromError(new Error("wrapped", { cause: event })))).toEqual(outcome)
    })
  }
})

describe("fromError, thrown by Node and clients", () => {
  const failed = (message: string, code: string) =>
    new TypeError(message, { cause: Object.assign(new Error(`read ${code}`), { code }) })
  const named = (name: string, message = "?", rest?: object) => Object.assign(new Error(message), { name }, rest)
  const cases: ReadonlyArray<readonly [string, unknown, ReadonlyArray<string>]> = [
    ["a stream that was reset", failed("terminated", "UND_ERR_SOCKET"), ["Failure", "network", "provider"]],
    ["the same without its cause", new TypeError("terminated"), ["Failure", "network", "provider"]],
    ["a host that refuses", failed("fetch failed", "ECONNREFUSED"), ["Failure", "network", "provider"]],
    ["the same without its cause", new TypeError("fetch failed"), ["Failure", "network", "provider"]],
    ["a reset", Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }), [
      "Failure",
      "network",
      "provider"
    ]],
    ["a name that is not found", failed("fetch failed", "ENOTFOUND"), ["Failure", "network", "provider"]],
    ["a bad certificate", failed("fetch failed", "CERT_HAS_EXPIRED"), ["Failure", "network", "provider"]],
    ["headers that did not come", failed("fetch failed", "UND_ERR_HEADERS_TIMEOUT"), ["Failure", "timeout", "model"]],
    ["a connection that took too long", failed("fetch failed", "UND_ERR_CONNECT_TIMEOUT"), [
      "Failure",
      "timeout",
      "model"
    ]],
    ["a URL that is none", failed("Failed to parse URL", "ERR_INVALID_URL"), ["Ignored", "invalid-request", "request"]],
    ["a body that is no JSON", new SyntaxError("Unexpected end of JSON input"), ["Failure", "bad-response", "model"]],
    ["an abort", new DOMException("This operation was aborted", "AbortError"), ["Ignored", "cancelled", "request"]],
    ["a deadline", new DOMException("The operation timed out", "TimeoutError"), ["Failure", "timeout", "model"]],
    ["an abort because of a deadline", named("AbortError", "?", { cause: new DOMException("Late", "TimeoutError") }), [
      "Failure",
      "timeout",
      "model"
    ]],
    ["openai's abort", new Error("Request was aborted."), ["Ignored", "cancelled", "request"]],
    ["openai's deadline", new Error("Request timed out."), ["Failure", "timeout", "model"]],
    ["openai's connection", new Error("Connection error."), ["Failure", "network", "provider"]],
    ["openai's cut stream", new Error("missing finish_reason for choice 0"), ["Failure", "truncated", "model"]],
    [
      "openai's filter",
      new Error("Could not parse response content as the request was rejected by the content filter"),
      ["Ignored", "content-policy", "request"]
    ],
    ["openai's limit of length", new Error("Could not parse response content as the length limit was reached"), [
      "Ignored",
      "quality",
      "model"
    ]],
    [
      "Anthropic's cut stream",
      named("AnthropicError", "stream ended without producing a Message with role=assistant"),
      ["Failure", "truncated", "model"]
    ],
    ["Anthropic's empty stream", named("AnthropicError", "request ended without sending any chunks"), [
      "Failure",
      "empty",
      "model"
    ]],
    ["Anthropic's abort", named("APIUserAbortError"), ["Ignored", "cancelled", "request"]],
    ["Anthropic's deadline", named("APIConnectionTimeoutError"), ["Failure", "timeout", "model"]],
    ["an answer of the AI SDK without a body", named("AI_EmptyResponseBodyError"), ["Failure", "empty", "model"]],
    ["an answer of the AI SDK without content", named("AI_NoContentGeneratedError"), ["Failure", "empty", "model"]],
    [
      "a stream of the AI SDK without an end",
      named("AI_NoOutputGeneratedError", "No output generated. The model stream ended without a finish chunk."),
      ["Failure", "truncated", "model"]
    ],
    [
      "an error that the AI SDK takes for an answer of the wrong shape",
      named("AI_TypeValidationError", "Type validation failed", {
        statusCode: 200,
        responseBody: `{"error":{"type":"invalid_request_error","message":"No"}}`
      }),
      ["Ignored", "invalid-request", "request"]
    ],
    [
      "an answer of the AI SDK that is no JSON",
      named("AI_APICallError", "Invalid JSON response", {
        statusCode: 200,
        responseBody: "",
        cause: named("AI_JSONParseError")
      }),
      ["Failure", "bad-response", "model"]
    ],
    [
      "an object that the model did not make",
      named("AI_NoObjectGeneratedError", "No object generated", {
        cause: named("AI_JSONParseError", "?", { cause: new SyntaxError("?") })
      }),
      ["Ignored", "quality", "model"]
    ],
    ["a key that is not set", named("AI_LoadAPIKeyError"), ["Trip", "auth", "key"]],
    ["a model that the AI SDK does not have", named("AI_NoSuchModelError"), ["Trip", "model-gone", "model"]],
    ["a prompt that the AI SDK refuses", named("AI_InvalidPromptError"), ["Ignored", "invalid-request", "request"]],
    [
      "Gemini's client, with the body for its message",
      named(
        "ApiError",
        JSON.stringify({
          error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "Slow", details: [{ retryDelay: "7s" }] }
        }),
        { status: 429 }
      ),
      ["Throttled", "rate-limit", "model"]
    ],
    [
      "Amazon's client",
      named("ThrottlingException", "Slow", { $fault: "client", $metadata: { httpStatusCode: 429 } }),
      ["Throttled", "rate-limit", "model"]
    ],
    [
      "axios",
      named("AxiosError", "Request failed with status code 529", {
        code: "ERR_BAD_RESPONSE",
        response: { status: 529, headers: {}, data: {} }
      }),
      ["Failure", "overloaded", "model"]
    ],
    ["cockatiel's open breaker", Object.assign(new Error("Execution prevented"), { isBrokenCircuitError: true }), [
      "Throttled",
      "gateway",
      "model"
    ]],
    ["opossum's open breaker", Object.assign(new Error("Breaker is open"), { code: "EOPENBREAKER" }), [
      "Throttled",
      "gateway",
      "model"
    ]],
    ["a text with a status", "529 Overloaded", ["Failure", "overloaded", "model"]],
    ["a text with a status of the caller", "400 Bad Request", ["Ignored", "invalid-request", "request"]],
    ["an error with a status in its text", new Error("Request failed with status code 429"), [
      "Throttled",
      "rate-limit",
      "model"
    ]],
    ["a text that is no status", "5000 tokens", ["Failure", "unknown", "model"]],
    ["a bug", new TypeError("Cannot read properties of undefined (reading 'message')"), [
      "Failure",
      "unknown",
      "model"
    ]],
    ["nothing", undefined, ["Failure", "unknown", "model"]]
  ]
  for (const [says, error, outcome] of cases) {
    it(`understands ${says}`, () => {
      expect(summary(LlmOutcome.fromError(error))).toEqual(outcome)
    })
  }

  it("names the code of the socket in the message", () => {
    expect(LlmOutcome.fromError(failed("fetch failed", "ECONNREFUSED")).message).toBe("fetch failed (ECONNREFUSED)")
    expect(LlmOutcome.fromError(failed("read ECONNRESET", "ECONNRESET")).message).toBe("read ECONNRESET")
  })

  it("looks at the last error of many retries", () => {
    const error = (statusCode: number) =>
      named("AI_APICallError", "?", { statusCode, responseHeaders: { "retry-after": "9" } })
    const retried = named("AI_RetryError", "Failed after 2 attempts. Last error: ?", {
      reason: "maxRetriesExceeded",
      lastError: error(429),
      errors: [error(529), error(429)]
    })
    expect(summary(LlmOutcome.fromError(retried))).toEqual(["Throttled", "rate-limit", "model"])
    expect(seconds(LlmOutcome.fromError(retried))).toBe(9)
  })
})

describe("fromError, failed by Effect", () => {
  const response = (status: number, headers: Record<string, string> = {}) => ({
    request: { method: "POST" as const, url: "https://api.example.com", urlParams: [], hash: undefined, headers: {} },
    response: { status, headers }
  })
  const fromStatus = (status: number, body?: unknown, headers?: Record<string, string>) => {
    const http = { response: response(status, headers).response, body: JSON.stringify(body) }
    const reason = AiError.reasonFromHttpStatus({ status, http })
    return LlmOutcome.fromError(AiError.make({ module: "M", method: "generateText", reason }), { now })
  }
  const hand = (reason: AiError.AiErrorReason) =>
    LlmOutcome.fromError(AiError.make({ module: "M", method: "generateText", reason }), { now })

  for (const [provider, answers] of Object.entries(all)) {
    for (const answer of answers.filter(({ status }) => status >= 400)) {
      it(`looks past the tag of an AiError: ${provider} telling ${answer.says} (${answer.status})`, () => {
        expectAnswer(fromStatus(answer.status, answer.body, answer.headers), answer)
      })
    }
  }

  it("goes by the status where the body says nothing", () => {
    const expected: ReadonlyArray<readonly [number, string, LlmOutcome.Kind]> = [
      [400, "Ignored", "invalid-request"],
      [401, "Trip", "auth"],
      [402, "Trip", "billing"],
      [403, "Trip", "permission"],
      [404, "Trip", "model-gone"],
      [408, "Failure", "timeout"],
      [409, "Ignored", "conflict"],
      [413, "Ignored", "too-large"],
      [422, "Ignored", "invalid-request"],
      [429, "Throttled", "rate-limit"],
      [499, "Ignored", "cancelled"],
      [500, "Failure", "server"],
      [503, "Failure", "overloaded"],
      [524, "Failure", "timeout"],
      [529, "Failure", "overloaded"]
    ]
    for (const [status, tag, kind] of expected) {
      expect([status, ...summary(fromStatus(status)).slice(0, 2)]).toEqual([status, tag, kind])
    }
  })

  it("takes the codes of the provider's package from the metadata", () => {
    const openai = (errorCode: string) =>
      hand(
        new AiError.RateLimitError({
          metadata: { openai: { errorCode, errorType: "requests", requestId: null } }
        })
      )
    expect(summary(openai("project_spend_limit_exceeded"))).toEqual(["Trip", "quota", "key"])
    expect(summary(openai("rate_limit_exceeded"))).toEqual(["Throttled", "rate-limit", "model"])
    const anthropic = new AiError.UnknownError({ metadata: { anthropic: { errorType: "billing_error" } } })
    expect(summary(hand(anthropic))).toEqual(["Trip", "billing", "key"])
  })

  it("knows each reason that carries no response", () => {
    const network = (reason: "TransportError" | "EncodeError" | "InvalidUrlError") =>
      new AiError.NetworkError({ reason, method: "POST", url: "https://api.example.com" })
    const cases: ReadonlyArray<readonly [AiError.AiErrorReason, ReadonlyArray<string>]> = [
      [new AiError.InternalProviderError({ description: "?" }), ["Failure", "server", "model"]],
      [network("TransportError"), ["Failure", "network", "provider"]],
      [network("EncodeError"), ["Ignored", "invalid-request", "request"]],
      [network("InvalidUrlError"), ["Ignored", "invalid-request", "request"]],
      [new AiError.InvalidResponseError({ description: "?" }), ["Failure", "bad-response", "model"]],
      [new AiError.RateLimitError({}), ["Throttled", "rate-limit", "model"]],
      [new AiError.QuotaExhaustedError({}), ["Trip", "quota", "key"]],
      [new AiError.AuthenticationError({ kind: "InvalidKey" }), ["Trip", "auth", "key"]],
      [new AiError.AuthenticationError({ kind: "ExpiredKey" }), ["Trip", "auth", "key"]],
      [new AiError.AuthenticationError({ kind: "MissingKey" }), ["Trip", "auth", "key"]],
      [new AiError.AuthenticationError({ kind: "Unknown" }), ["Trip", "auth", "key"]],
      [new AiError.AuthenticationError({ kind: "InsufficientPermissions" }), ["Trip", "permission", "key"]],
      [new AiError.UnknownError({ description: "?" }), ["Failure", "unknown", "model"]],
      [new AiError.InvalidRequestError({ description: "?" }), ["Ignored", "invalid-request", "request"]],
      [new AiError.ContentPolicyError({ description: "?" }), ["Ignored", "content-policy", "request"]],
      [new AiError.InvalidUserInputError({ description: "?" }), ["Ignored", "invalid-request", "request"]],
      [new AiError.UnsupportedSchemaError({ description: "?" }), ["Ignored", "invalid-request", "request"]],
      [new AiError.ToolNotFoundError({ toolName: "a", availableTools: [] }), ["Ignored", "quality", "model"]],
      [new AiError.InvalidOutputError({ description: "?" }), ["Ignored", "quality", "model"]],
      [new AiError.StructuredOutputError({ description: "?", responseText: "{" }), ["Ignored", "quality", "model"]]
    ]
    for (const [reason, outcome] of cases) {
      expect([reason._tag, ...summary(hand(reason))]).toEqual([reason._tag, ...outcome])
    }
  })

  it("takes the hints that Effect has decoded", () => {
    expect(seconds(hand(new AiError.RateLimitError({ retryAfter: Duration.seconds(11) })))).toBe(11)
    const resetAt = DateTime.makeUnsafe(now + 7_200_000)
    expect(seconds(hand(new AiError.QuotaExhaustedError({ resetAt })))).toBe(7200)
    expect(seconds(hand(new AiError.RateLimitError({ retryAfter: Duration.infinity })))).toBe(undefined)
  })

  it.effect("reads the errors of HttpClient and of timeouts", () =>
    Effect.gen(function*() {
      const request = HttpClientRequest.post("https://api.example.com/v1/messages")
      const client = HttpClient.make((request) =>
        Effect.succeed(
          HttpClientResponse.fromWeb(request, new Response("", { status: 529, headers: { "retry-after": "4" } }))
        )
      )
      const status = yield* client.execute(request).pipe(Effect.flatMap(HttpClientResponse.filterStatusOk), Effect.flip)
      assert.deepStrictEqual(summary(LlmOutcome.fromError(status)), ["Failure", "overloaded", "model"])
      assert.strictEqual(seconds(LlmOutcome.fromError(status)), 4)

      const cut = new HttpClientError.TransportError({ request, cause: new TypeError("fetch failed") })
      assert.deepStrictEqual(summary(LlmOutcome.fromError(new HttpClientError.HttpClientError({ reason: cut }))), [
        "Failure",
        "network",
        "provider"
      ])
      const aborted = new HttpClientError.TransportError({ request, cause: new DOMException("Aborted", "AbortError") })
      assert.deepStrictEqual(summary(LlmOutcome.fromError(new HttpClientError.HttpClientError({ reason: aborted }))), [
        "Ignored",
        "cancelled",
        "request"
      ])

      const late = yield* Effect.never.pipe(Effect.timeout(0), Effect.flip)
      assert.deepStrictEqual(summary(LlmOutcome.fromError(late)), ["Failure", "timeout", "model"])
    }))

  it.effect("looks into what Effect.tryPromise wraps", () =>
    Effect.gen(function*() {
      const thrown = Object.assign(new Error("529 Overloaded"), { status: 529 })
      const error = yield* Effect.flip(Effect.tryPromise(() => Promise.reject(thrown)))
      assert.deepStrictEqual(LlmOutcome.fromError(error), {
        _tag: "Failure",
        kind: "overloaded",
        scope: "model",
        message: "529 Overloaded"
      })
    }))

  it.effect("takes the refusal of a nested breaker for a pause, never for a failure", () =>
    Effect.gen(function*() {
      const inner = yield* Breaker.make({ name: "inner", tripPolicy: TripPolicy.consecutive(1) })
      yield* Effect.ignore(inner.execute(Effect.fail("529 Overloaded")))
      const refused = yield* Effect.flip(inner.execute(Effect.void))
      for (const error of [refused, new Error("wrapped", { cause: refused })]) {
        assert.deepStrictEqual(summary(LlmOutcome.fromError(error)), ["Throttled", "gateway", "model"])
        assert.strictEqual(seconds(LlmOutcome.fromError(error)), 60)
      }
      yield* inner.isolate("maintenance")
      const isolated = LlmOutcome.fromError(yield* Effect.flip(inner.execute(Effect.void)))
      assert.deepStrictEqual(summary(isolated), ["Throttled", "gateway", "model"])
      assert.strictEqual(seconds(isolated), undefined)
    }))
})

describe("classify", () => {
  it("calls an interruption cancelled, and looks into failures and defects", () => {
    expect(LlmOutcome.classify(Exit.interrupt())).toEqual({ _tag: "Ignored", kind: "cancelled", scope: "request" })
    expect(LlmOutcome.classify(Exit.fail({ status: 529 })).kind).toBe("overloaded")
    expect(LlmOutcome.classify(Exit.die({ status: 529 })).kind).toBe("overloaded")
    const both = Cause.combine(Cause.interrupt(), Cause.fail({ status: 429 }))
    expect(LlmOutcome.classify(Exit.failCause(both)).kind).toBe("rate-limit")
    expect(LlmOutcome.fromError(both).kind).toBe("rate-limit")
    expect(LlmOutcome.fromError(Cause.interrupt()).kind).toBe("cancelled")
  })

  it("calls a value a success, unless it is a response that failed or an answer with an error in it", () => {
    const values = [undefined, 1, "text", [], { text: "hello" }, { status: 200, headers: {} }, { status: 500 }, {
      error: undefined
    }]
    for (const value of values) {
      expect(LlmOutcome.classify(Exit.succeed(value))).toEqual({ _tag: "Success", scope: "model" })
    }
    expect(LlmOutcome.classify(Exit.succeed(new Response("ok"))).kind).toBe(undefined)
    expect(LlmOutcome.classify(Exit.succeed(new Response("", { status: 529 }))).kind).toBe("overloaded")
    expect(LlmOutcome.classify(Exit.succeed({ error: { code: 502, message: "Down" } })).kind).toBe("server")
    expect(LlmOutcome.classify(Exit.succeed({ type: "error", error: { type: "overloaded_error" } })).kind).toBe(
      "overloaded"
    )
  })

  it("does not touch what an answer may do when looked at", () => {
    const touched: Array<string> = []
    const answer = Object.defineProperties(
      {},
      Object.fromEntries(
        ["text", "content", "response", "usage", "finishReason"].map((key) => [key, { get: () => touched.push(key) }])
      )
    )
    expect(LlmOutcome.classify(Exit.succeed(answer))._tag).toBe("Success")
    expect(touched).toEqual([])
  })

  it.effect("is the classify of a breaker", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({
        name: "llm",
        classify: LlmOutcome.classifyWith({ now }),
        tripPolicy: TripPolicy.consecutive(2)
      })
      const answer = (status: number) => Effect.ignore(breaker.execute(Effect.fail({ status })))
      for (const status of [400, 404.5, 413, 422, 400, 400]) yield* answer(status)
      assert.strictEqual((yield* breaker.state)._tag, "Closed")
      yield* answer(529)
      yield* answer(400)
      yield* answer(529)
      assert.strictEqual((yield* breaker.state)._tag, "Open")
      assert.strictEqual((yield* breaker.snapshot).lastFailure?.kind, "overloaded")
    }))
})

describe("an answer that came in one piece", () => {
  const choice = (finish_reason: string, message: object = { content: "Once" }) => ({
    choices: [{ index: 0, message, finish_reason }]
  })
  const steps = (finishReason: string, rawFinishReason?: string) => ({ steps: [{ finishReason, rawFinishReason }] })
  const part = (type: string) => ({ output: [{ type: "message", content: [{ type }] }] })

  const rows: ReadonlyArray<readonly [outcome: string, ...answers: ReadonlyArray<object>]> = [
    ["Success,,model", choice("stop", { content: "Once", refusal: null }), choice("length"), {
      stop_reason: "end_turn"
    }],
    ["Success,,model", steps("stop", "stop"), steps("other"), steps("unknown"), part("output_text"), { choices: [] }],
    ["Ignored,content-policy,request", choice("content_filter"), choice("stop", { content: null, refusal: "No" })],
    ["Ignored,content-policy,request", { stop_reason: "refusal" }, part("refusal"), steps("content-filter")],
    ["Failure,server,model", choice("error"), steps("error"), steps("other", "error")]
  ]

  it("is judged by how it ended, in the shape of every client", () => {
    for (const [outcome, ...answers] of rows) {
      for (const answer of answers) {
        expect(String(summary(LlmOutcome.classify(Exit.succeed(answer))))).toBe(outcome)
        expect(String(summary(LlmOutcome.fromHttp({ status: 200, body: JSON.stringify(answer) })))).toBe(outcome)
      }
    }
  })

  it("is judged by its last step alone", () => {
    const answer = { steps: [{ finishReason: "content-filter" }, { finishReason: "stop" }] }
    expect(LlmOutcome.classify(Exit.succeed(answer))._tag).toBe("Success")
  })

  it("is not asked through getters, which may start to read a stream", () => {
    let asked = false
    const answer = {
      get steps() {
        asked = true
        return []
      }
    }
    expect(LlmOutcome.classify(Exit.succeed(answer))._tag).toBe("Success")
    expect(asked).toBe(false)
  })
})

describe("fromFinishReason", () => {
  const outcomes = (
    reasons: string
  ) => [...new Set(reasons.split(" ").map((reason) => String(summary(LlmOutcome.fromFinishReason(reason)))))]

  it("calls stopping a success, in every provider's words", () => {
    expect(outcomes("stop length tool_calls tool-calls function_call STOP MAX_TOKENS other")).toEqual([
      "Success,,model"
    ])
    expect(outcomes("end_turn max_tokens stop_sequence tool_use pause_turn")).toEqual(["Success,,model"])
    expect(outcomes("model_context_window_exceeded max_output_tokens")).toEqual(["Success,,model"])
  })

  it("ignores filters and refusals", () => {
    const filtered = ["Ignored,content-policy,request"]
    expect(outcomes("content_filter content-filter refusal SAFETY RECITATION BLOCKLIST")).toEqual(filtered)
    expect(outcomes("PROHIBITED_CONTENT SPII LANGUAGE IMAGE_SAFETY IMAGE_RECITATION MODEL_ARMOR JAILBREAK")).toEqual(
      filtered
    )
  })

  it("takes garbled tool calls for a matter of quality", () => {
    expect(outcomes("MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS")).toEqual([
      "Ignored,quality,model"
    ])
  })

  it("fails where the provider failed, or nobody said that it was over", () => {
    expect(outcomes("error")).toEqual(["Failure,server,model"])
    for (const none of [undefined, null, "", "unknown"]) {
      expect(summary(LlmOutcome.fromFinishReason(none))).toEqual(["Failure", "truncated", "model"])
    }
  })
})
