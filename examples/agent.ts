/**
 * `npm run example:agent`: an agent with tools and two providers, one of which goes down in the middle of a question.
 *
 * Each step of the agent is asked of the first model whose circuit admits it. So an outage costs two failed calls, and then
 * nothing until the model is back; the conversation goes on with the other one, and a letter that was sent is not sent again.
 */
import { Effect, Layer, Schema } from "effect"
import { TripPolicy } from "effect-breaker"
import { LlmBreaker, ModelFallback } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { Chat, Tool, Toolkit } from "effect/ai"
import { claude } from "./agent/claude.ts"
import { gpt } from "./agent/gpt.ts"

const Tools = Toolkit.make(
  Tool.make("FindAddress", { parameters: Schema.Struct({ of: Schema.String }), success: Schema.String })
    .annotate(Tool.Readonly, true),
  Tool.make("SendLetter", { parameters: Schema.Struct({ to: Schema.String }), success: Schema.String })
)

/** The agent: asks, runs the tools that it is told to run, and asks again, until there is an answer. */
const agent = (question: string) =>
  Effect.gen(function*() {
    const chat = yield* Chat.fromPrompt(question)
    const step = ModelFallback.withReports(chat.generateText({ prompt: [], toolkit: Tools }))
    while (true) {
      const { reports, value: { text, toolCalls } } = yield* step
      console.log(`  ${told(reports)}: ${text}${toolCalls.map(({ name }) => `calls ${name}`).join()}`)
      if (toolCalls.length === 0) return text
    }
  })

const told = (reports: ReadonlyArray<ModelFallback.Report>) =>
  reports.map(({ model, passed }) =>
    [
      ...passed.map(({ model, outcome, rejected }) =>
        `${model} ${rejected === undefined ? `fails (${outcome.kind})` : "is not asked"}`
      ),
      `${model} answers`
    ].join(", ")
  ).join()

// ---------------------------------------------------------------------------------------------------------------------
// A bad day
// ---------------------------------------------------------------------------------------------------------------------

const down: FakeProvider.Health = { faults: [{ fault: Fault.overloaded, share: 1 }] }
const find = { toolCalls: [{ name: "FindAddress", arguments: { of: "Ada" } }] }
const letter = { toolCalls: [{ name: "SendLetter", arguments: { to: "12 St James's Square" } }] }
const done = { text: "I have written to Ada." }

const program = Effect.gen(function*() {
  const anthropic = yield* FakeProvider.make()
  const openai = yield* FakeProvider.make()
  let [questions, letters] = [0, 0]
  let duringTool: Effect.Effect<void> = Effect.void

  const Handlers = Tools.toLayer({
    FindAddress: () => Effect.succeed("12 St James's Square"),
    SendLetter: ({ to }) =>
      Effect.gen(function*() {
        letters++
        yield* duringTool
        return `It is on its way to ${to}`
      })
  })
  // In the order in which they are asked.
  const Models = ModelFallback.layer([claude(anthropic.url), gpt(openai.baseUrl)], { total: "10 seconds" })
  const Circuits = LlmBreaker.layer({
    model: {
      tripPolicy: TripPolicy.consecutive(2),
      openDuration: "4 seconds",
      jitter: 0,
      halfOpen: { successes: 1 },
      ramp: undefined
    }
  })

  const ask = (what: string) =>
    Effect.gen(function*() {
      questions++
      console.log(what)
      yield* agent("Please write to Ada.")
    })
  const answers = (provider: FakeProvider.FakeProvider, ...answers: ReadonlyArray<FakeProvider.Answer>) =>
    provider.setHealth({ answers })

  const day = Effect.gen(function*() {
    const llm = yield* LlmBreaker.LlmBreaker
    yield* answers(anthropic, find, letter, done)
    yield* ask("Both are well:")

    yield* answers(anthropic, find, letter)
    yield* answers(openai, done)
    duringTool = anthropic.setHealth(down)
    yield* ask("Claude goes down while the letter is sent:")
    duringTool = Effect.void

    for (const what of ["Claude is still down:", "And is not asked any more:"]) {
      yield* answers(openai, find, letter, done)
      yield* ask(what)
    }

    yield* answers(anthropic, find, letter, done)
    const model = yield* llm.breaker("model", { provider: "anthropic", model: "claude" })
    yield* Effect.sleep((yield* model.state).retryAfter)
    yield* ask("Claude is back, and its circuit lets a call through to see:")
  })
  yield* day.pipe(Effect.provide(Layer.mergeAll(Models, Handlers).pipe(Layer.provideMerge(Circuits))))

  const failed = (yield* anthropic.journal).filter(({ status }) => status !== 200).length
  console.log(`${questions} questions, ${letters} letters, ${failed} calls that failed`)
})

await Effect.runPromise(Effect.scoped(program))
