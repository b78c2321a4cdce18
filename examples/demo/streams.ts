/** The second act: streamed answers that begin with a 200 and then break off, seen by the breaker, answered by another model. */
import { Effect, Fiber, Layer, Stream } from "effect"
import { Breaker, TripPolicy } from "effect-breaker"
import { LlmStream, PartReader } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import OpenAI from "openai"
import { columns } from "./report.ts"

const answer = "Here is all of the answer."
const words = { answers: [{ text: answer }], latency: "50 millis", tokenEvery: "20 millis" } as const
const broken = [
  { fault: Fault.errorChunk({ after: 0, type: "server_error", message: "Overloaded" }), share: 0.5 },
  { fault: Fault.cutAfter({ tokens: 3 }), share: 0.5 }
]
const script: ReadonlyArray<FakeProvider.Phase> = [
  { name: "healthy", for: "800 millis", ...words },
  { name: "breaking off inside a 200", for: "1500 millis", ...words, faults: broken },
  { name: "healthy again", for: "Infinity", ...words }
]
const asks = 80

const chunks = (provider: FakeProvider.FakeProvider, model: string) => {
  const client = new OpenAI({ apiKey: "sk-demo", baseURL: provider.baseUrl, maxRetries: 0 })
  return LlmStream.fromClient((signal) =>
    client.chat.completions.create(
      { model, messages: [{ role: "user", content: "Hello?" }], stream: true },
      { signal }
    )
  )
}

const textOf = <E, R>(stream: Stream.Stream<OpenAI.ChatCompletionChunk, E, R>) =>
  Stream.mkString(Stream.map(stream, (chunk) => chunk.choices[0]?.delta.content ?? ""))

// What came of an answer: whole, and whose; broken off and known to be; or broken off, and taken for a whole one.
const fate = <E, R>(text: Effect.Effect<string, E, R>, whose: () => "large" | "small") =>
  Effect.match(text, {
    onSuccess: (text) => text === answer ? whose() : "unseen",
    onFailure: () => "error" as const
  })

const traffic = <A, R>(ask: Effect.Effect<A, never, R>) =>
  Effect.gen(function*() {
    const fibers: Array<Fiber.Fiber<A>> = []
    for (let i = 0; i < asks; i++) {
      fibers.push(yield* Effect.forkChild(ask))
      yield* Effect.sleep("40 millis")
    }
    return yield* Effect.forEach(fibers, Fiber.join)
  })

const guarded = (large: FakeProvider.FakeProvider, small: FakeProvider.FakeProvider) =>
  Effect.suspend(() => {
    let whose: "large" | "small" = "large"
    const stream = chunks(large, "large").pipe(
      LlmStream.guard({ reader: PartReader.openAiChat, firstContent: "1 second", idle: "1 second" }),
      LlmStream.orElse(() => {
        whose = "small"
        return chunks(small, "small")
      })
    )
    return fate(textOf(stream), () => whose)
  })

const sides = Effect.gen(function*() {
  const small = yield* FakeProvider.make({ script: [{ for: "Infinity", ...words }] })
  const providers = yield* Effect.all([FakeProvider.make({ script, seed: 2 }), FakeProvider.make({ script, seed: 2 })])
  const [withBreaker, without] = yield* Effect.all([
    traffic(guarded(providers[0], small)),
    traffic(fate(textOf(chunks(providers[1], "large")), () => "large"))
  ], { concurrency: "unbounded" })
  const count = (fates: ReadonlyArray<string>, one: string) => String(fates.filter((fate) => fate === one).length)
  const reached = (journal: ReadonlyArray<FakeProvider.Entry>) =>
    String(journal.filter(({ phase }) => phase === script[1]!.name).length)
  return columns([
    ["streamed answers", "with effect-breaker", "without"],
    ["asked", String(asks), String(asks)],
    [
      "  that reached the model while it broke off",
      reached(yield* providers[0].journal),
      reached(yield* providers[1].journal)
    ],
    ["whole answers from the model", count(withBreaker, "large"), count(without, "large")],
    ["whole answers from the other model", count(withBreaker, "small"), count(without, "small")],
    ["broken off, and the caller knows", count(withBreaker, "error"), count(without, "error")],
    ["broken off, and taken for a whole answer", count(withBreaker, "unseen"), count(without, "unseen")]
  ])
}).pipe(Effect.scoped)
const LargeBreaker = Breaker.layer({
  name: "large",
  tripPolicy: TripPolicy.consecutive(3),
  openDuration: "500 millis",
  halfOpen: { successes: 2 }
})

/** Plays it, with a breaker and without, and gives the table. Its circuit is there until the scope ends. */
export const play = Effect.flatMap(Layer.build(LargeBreaker), (breaker) => Effect.provide(sides, breaker))
