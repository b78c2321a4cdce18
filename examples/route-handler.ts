/**
 * `npm run example:route`: a route handler as in Next.js (`app/api/chat/route.ts`), with the AI SDK behind circuits.
 *
 * It streams an answer, another provider takes over while the first is down, a person is told so, and when nobody can answer
 * the client is told when to come back. It runs against two providers on this machine that fail as they are told.
 */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import { streamText, wrapLanguageModel } from "ai"
import { Duration, Effect } from "effect"
import { breakerMiddleware, type Event, provenanceOf, rejectionOf } from "effect-breaker/ai-sdk"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { pathToFileURL } from "node:url"

// ---------------------------------------------------------------------------------------------------------------------
// lib/model.ts: made once, when the module is loaded
// ---------------------------------------------------------------------------------------------------------------------

interface Providers {
  readonly anthropic: string
  readonly openai: string
  readonly onEvent?: (event: Event) => void
}

const makeModel = ({ anthropic, onEvent, openai }: Providers) => {
  const claude = createAnthropic({ apiKey: "sk-ant", baseURL: anthropic })("claude-haiku-4-5")
  const gpt = createOpenAI({ apiKey: "sk-oai", baseURL: openai })("gpt-5-mini")
  const middleware = breakerMiddleware({ firstContent: "20 seconds", idle: "30 seconds", fallback: [gpt], onEvent })
  return wrapLanguageModel({ model: claude, middleware })
}

// ---------------------------------------------------------------------------------------------------------------------
// app/api/chat/route.ts
// ---------------------------------------------------------------------------------------------------------------------

/** Makes the `POST` of a route. */
export const makeHandler = (providers: Providers) => {
  const model = makeModel(providers)
  return async (request: Request): Promise<Response> => {
    const { prompt } = await request.json() as { readonly prompt: string }
    let failed: unknown
    const result = streamText({
      model,
      prompt,
      // The other provider is at hand at once: no need to wait and try this one again.
      maxRetries: 0,
      abortSignal: request.signal,
      onError: ({ error }) => {
        failed = error
      }
    })
    const words = result.textStream[Symbol.asyncIterator]()
    const first = await words.next()
    if (first.done === true && failed !== undefined) return unavailable(failed)
    const body = new ReadableStream<string>({
      start: (controller) => controller.enqueue(first.value ?? ""),
      pull: async (controller) => {
        const { done, value } = await words.next()
        if (done !== true) return controller.enqueue(value)
        if (failed === undefined) {
          const served = provenanceOf({ providerMetadata: await result.providerMetadata })
          if (served?.from === "fallback") controller.enqueue(`\n(answered by ${served.model})`)
        } else controller.enqueue("\n(the answer broke off)")
        controller.close()
      },
      cancel: () => void words.return?.()
    }, { highWaterMark: 0 })
    return new Response(body.pipeThrough(new TextEncoderStream()), { headers: { "content-type": "text/plain" } })
  }
}

const unavailable = (error: unknown): Response => {
  const refused = rejectionOf(error)
  const wait = refused === undefined ? Infinity : Duration.toSeconds(refused.retryAfter)
  const headers: Record<string, string> = Number.isFinite(wait) ? { "retry-after": String(Math.ceil(wait)) } : {}
  return Response.json({ error: refused?.message ?? "The models do not answer." }, { status: 503, headers })
}

// ---------------------------------------------------------------------------------------------------------------------
// An outage
// ---------------------------------------------------------------------------------------------------------------------

const ask = (POST: (request: Request) => Promise<Response>) =>
  Effect.promise(async () => {
    const body = JSON.stringify({ prompt: "How are you?" })
    const response = await POST(new Request("http://localhost/api/chat", { method: "POST", body }))
    return `${response.status} ${await response.text()}`
  })

/** Five minutes of a bad day, told in lines. */
export const outage = (say: (line: string) => void) =>
  Effect.scoped(Effect.gen(function*() {
    const [anthropic, openai] = [yield* FakeProvider.make(), yield* FakeProvider.make()]
    const onEvent = (event: Event): void => {
      if (event._tag === "Transitioned") say(`  ${event.circuit}: ${event.to}`)
    }
    const POST = makeHandler({ anthropic: anthropic.baseUrl, openai: openai.baseUrl, onEvent })
    const down = { faults: [{ fault: Fault.overloaded, share: 1 }] }
    say(yield* ask(POST))
    yield* anthropic.setHealth(down)
    for (let i = 0; i < 6; i++) say(yield* ask(POST))
    say(`the first provider was asked ${(yield* anthropic.journal).length} times`)
    yield* openai.setHealth(down)
    for (let i = 0; i < 7; i++) say(yield* ask(POST))
  }))

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await Effect.runPromise(outage(console.log))
