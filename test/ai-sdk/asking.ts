/**
 * The real models of the AI SDK behind the middleware, what their caller gets, and what the circuits are told.
 */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import { assert } from "@effect/vitest"
import { generateText, streamText, wrapLanguageModel } from "ai"
import { Clock, Effect, type Exit, type Fiber } from "effect"
import { breakerMiddlewareEffect, type Options } from "effect-breaker/ai-sdk"
import { LlmBreaker, LlmOutcome } from "effect-breaker/llm"
import type { FakeProvider } from "effect-breaker/testing"

export const whole = "This answer comes from a healthy fake provider"

export const models = {
  "ai openai chat": (url: string) => createOpenAI({ apiKey: "sk-a", baseURL: `${url}/v1` }).chat("gpt-test"),
  "ai openai responses": (url: string) => createOpenAI({ apiKey: "sk-a", baseURL: `${url}/v1` }).responses("gpt-test"),
  "ai anthropic": (url: string) => createAnthropic({ apiKey: "sk-a", baseURL: `${url}/v1` })("claude-haiku-4-5")
}

export type Name = keyof typeof models

export const names = Object.keys(models) as ReadonlyArray<Name>

/** An `LlmBreaker` that writes down what it is told, in the words of the contract's table. */
export const recorded = Effect.gen(function*() {
  const votes: Array<string> = []
  const clock = yield* Clock.Clock
  const note = ({ _tag, kind, scope }: LlmOutcome.LlmOutcome): void => {
    votes.push([_tag, ...(kind === undefined ? [] : [kind]), scope].join(" "))
  }
  const llm = yield* LlmBreaker.make()
  const classify = LlmOutcome.classifyWith({ now: () => clock.currentTimeMillisUnsafe() })
  const recording: LlmBreaker.LlmBreaker = {
    execute: llm.execute,
    refusal: llm.refusal,
    breaker: llm.breaker,
    snapshots: llm.snapshots,
    events: llm.events,
    admit: (scopes) =>
      Effect.map(llm.admit(scopes), (permit): LlmBreaker.Permit => ({
        answered: permit.answered,
        quality: permit.quality,
        settle: (outcome) => {
          note(outcome)
          return permit.settle(outcome)
        },
        settleExit: (exit, options) => {
          const read = options?.classify as ((exit: Exit.Exit<unknown, unknown>) => LlmOutcome.LlmOutcome) | undefined
          note((read ?? classify)(exit))
          return permit.settleExit(exit, options)
        }
      }))
  }
  return { llm: recording, votes }
})

export interface Seen {
  readonly text: string
  readonly error: unknown
  readonly finish?: string | undefined
}

export const guarded = (name: Name, url: string, options?: Options) =>
  Effect.map(
    breakerMiddlewareEffect(options),
    (middleware) => wrapLanguageModel({ model: models[name](url), middleware })
  )

type Model = ReturnType<typeof wrapLanguageModel>
type Asked = {
  readonly headers?: Readonly<Record<string, string>>
  readonly maxRetries?: number
  readonly abortSignal?: AbortSignal
}

export const plain = (model: Model, { headers = {}, ...asked }: Asked = {}): Effect.Effect<Seen> =>
  Effect.promise(() =>
    generateText({ model, prompt: "How are you?", maxRetries: 0, headers: { ...headers }, ...asked }).then(
      ({ finishReason, text }): Seen => ({ text, error: undefined, finish: finishReason }),
      (error: unknown): Seen => ({ text: "", error })
    )
  )

/** Everything that a reader of `fullStream` gets. `onText` is told of each piece. */
export const streamed = (
  model: Model,
  { headers = {}, ...asked }: Asked = {},
  onText: (text: string) => void = () => {}
): Effect.Effect<Seen> =>
  Effect.promise(async () => {
    let text = ""
    let error: unknown
    let finish: string | undefined
    const given = { prompt: "How are you?", maxRetries: 0, headers: { ...headers }, onError: () => {} }
    try {
      for await (const part of streamText({ model, ...given, ...asked }).fullStream) {
        if (part.type === "text-delta") {
          text += part.text
          onText(part.text)
        }
        if (part.type === "error") error ??= part.error
        if (part.type === "abort") finish = "abort"
        if (part.type === "finish") finish = part.finishReason
      }
    } catch (thrown) {
      error ??= thrown
    }
    return { text, error, finish }
  })

/** No call holds a place any more. */
export const quiet = (llm: LlmBreaker.LlmBreaker) =>
  Effect.map(llm.snapshots, (all) => {
    assert.isAbove(all.length, 0)
    assert.deepStrictEqual(all.filter(({ inFlight }) => inFlight > 0).map(({ name }) => name), [])
  })

/** Waits until the provider has the one request, and it is to hang. */
export const arrived = (provider: FakeProvider.FakeProvider) =>
  provider.awaitJournal((entries) => entries.length > 0 && entries.every(({ fault }) => fault !== undefined))

export const started = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, { startImmediately: true })
