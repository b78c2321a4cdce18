/**
 * What it costs to read an outcome off an error: each kind of error as its client makes it, a success, and a page of ten
 * megabytes. `node --expose-gc --import tsx bench/classify.ts` runs this part alone.
 */
import { APIError as AnthropicError } from "@anthropic-ai/sdk"
import { Exit } from "effect"
import { AiError } from "effect/ai"
import { fileURLToPath } from "node:url"
import { APIError as OpenAiError } from "openai"
import { LlmOutcome, type LlmOutcomes } from "./library.ts"
import { garbage, type Loop, median, time } from "./rounds.ts"
import { table, whole } from "./table.ts"

/** What one classification takes. Nanoseconds and bytes. */
export interface Reading {
  readonly name: string
  readonly whole: number
  readonly fastest: number
  readonly bytes: number
}

/** Of a page no more than the beginning is looked at: these two should cost the same. */
export const SMALL_PAGE = "502, page of 2 KB"
export const LARGE_PAGE = "502, page of 10 MB"

const openAi = (status: number, type: string, code: string | null, message: string, headers: Record<string, string>) =>
  OpenAiError.generate(status, { error: { message, type, param: null, code } }, undefined, new Headers(headers))

const openAiHeaders = {
  "content-type": "application/json",
  date: "Fri, 14 Aug 2026 15:00:00 GMT",
  "openai-processing-ms": "14",
  "x-ratelimit-limit-requests": "500",
  "x-ratelimit-limit-tokens": "30000",
  "x-ratelimit-remaining-requests": "499",
  "x-ratelimit-remaining-tokens": "0",
  "x-ratelimit-reset-requests": "120ms",
  "x-ratelimit-reset-tokens": "6.5s",
  "x-request-id": "req_011CabcDEF"
}

const overloaded = {
  type: "error",
  error: { details: null, type: "overloaded_error", message: "Overloaded" },
  request_id: "req_011CabcDEF"
}

const page = (bytes: number): string => {
  const head = "<!DOCTYPE html>\r\n<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1>"
  return head + "<p>cloudflare retry in 5 seconds { error }</p>\r\n".repeat(bytes / 48)
}

const reset = new TypeError("fetch failed", {
  cause: Object.assign(new Error("read ECONNRESET"), { errno: -104, code: "ECONNRESET", syscall: "read" })
})

const aiError = AiError.make({
  module: "OpenAiLanguageModel",
  method: "generateText",
  reason: AiError.reasonFromHttpStatus({
    status: 429,
    http: {
      response: { status: 429, headers: openAiHeaders },
      body: JSON.stringify({
        error: { type: "tokens", code: "rate_limit_exceeded", message: "Rate limit reached. Please try again in 6.5s." }
      })
    }
  })
})

const now = Date.UTC(2026, 7, 14, 15)

interface Case {
  readonly name: string
  readonly is: readonly [tag: string, kind: string | undefined]
  readonly read: () => LlmOutcomes.LlmOutcome
}

const error = (name: string, error: unknown, ...is: Case["is"]): Case => ({
  name,
  is,
  read: () => LlmOutcome.fromError(error, { now })
})

const http = (name: string, response: Parameters<typeof LlmOutcome.fromHttp>[0], ...is: Case["is"]): Case => ({
  name,
  is,
  read: () => LlmOutcome.fromHttp(response, { now })
})

const succeeded = Exit.succeed({
  id: "chatcmpl-1",
  object: "chat.completion",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Lima" } }]
})

const limited =
  "Rate limit reached for gpt-5 in organization org-abc on tokens per min (TPM): Limit 30000, Used 29000, " +
  "Requested 4000. Please try again in 6.5s. Visit https://platform.openai.com/account/rate-limits to learn more."
const noMoney =
  "You exceeded your current quota, please check your plan and billing details. For more information on " +
  "this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."

const cases: ReadonlyArray<Case> = [
  { name: "a success", is: ["Success", undefined], read: () => LlmOutcome.classify(succeeded) },
  error(
    "openai, 429 rate limit",
    openAi(429, "tokens", "rate_limit_exceeded", limited, openAiHeaders),
    "Throttled",
    "rate-limit"
  ),
  error(
    "openai, 429 quota",
    openAi(429, "insufficient_quota", "insufficient_quota", noMoney, openAiHeaders),
    "Trip",
    "quota"
  ),
  error(
    "openai, 529",
    openAi(529, "service_unavailable_error", "server_is_overloaded", "The server is overloaded", openAiHeaders),
    "Failure",
    "overloaded"
  ),
  error("openai, 502 page", OpenAiError.generate(502, undefined, page(2048), new Headers()), "Failure", "server"),
  error(
    "@anthropic-ai/sdk, 529",
    AnthropicError.generate(529, overloaded, undefined, new Headers({ "request-id": "req_011CabcDEF" })),
    "Failure",
    "overloaded"
  ),
  http("529, parsed body", { status: 529, headers: {}, body: overloaded }, "Failure", "overloaded"),
  http("529, body as text", { status: 529, headers: {}, body: JSON.stringify(overloaded) }, "Failure", "overloaded"),
  http(SMALL_PAGE, { status: 502, headers: {}, body: page(2048) }, "Failure", "server"),
  http(LARGE_PAGE, { status: 502, headers: {}, body: page(10 * 2 ** 20) }, "Failure", "server"),
  error("fetch, ECONNRESET", reset, "Failure", "network"),
  error("effect/ai, 429 rate limit", aiError, "Throttled", "rate-limit"),
  error("text, no page and no JSON", "529 Overloaded", "Failure", "overloaded")
]

const loopOf = ({ is: [tag, kind], name, read }: Case): Loop => ({
  name,
  share: 1 / 10,
  runsBody: 0,
  run: async (n) => {
    let right = 0
    for (let i = 0; i < n; i++) {
      const outcome = read()
      if (outcome._tag === tag && outcome.kind === kind) right++
    }
    return right
  }
})

export const measureReadings = async (
  options: { readonly calls: number; readonly rounds: number; readonly warmUp: number; readonly batches: number }
): Promise<ReadonlyArray<Reading>> => {
  const loops = cases.map(loopOf)
  const took = await time(loops, options)
  const readings: Array<Reading> = []
  for (const loop of loops) {
    const rounds = took(loop.name)
    const bytes = await garbage(loop, options.batches)
    readings.push({ name: loop.name, whole: median(rounds), fastest: Math.min(...rounds), bytes })
  }
  return readings
}

export const readingTable = (readings: ReadonlyArray<Reading>): string =>
  table(
    ["reading an outcome", "ns", "fastest", "bytes"],
    readings.map(({ bytes, fastest, name, whole: ns }) => [name, whole(ns), whole(fastest), whole(bytes)])
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(readingTable(await measureReadings({ calls: 25_000, rounds: 20, warmUp: 100_000, batches: 7 })))
}
