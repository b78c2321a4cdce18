/**
 * `npm run example:batch`: a batch job that must not wait, with a breaker and without one, while one of its two models hangs.
 *
 * A refusal is an answer: the document is left for the next run, and the worker goes on with one that can be done. The
 * circuit opens before the first hanging call is back, and there is one for each model, so the other is not held up.
 */
import { type Cause, Clock, Effect, Result } from "effect"
import { BreakerMap, CallWindow, CircuitRejected, TripPolicy } from "effect-breaker"
import { LlmOutcome } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import OpenAI from "openai"

interface Document {
  readonly id: number
  readonly model: "large" | "small"
}

type Ask = (document: Document) => Effect.Effect<string, Cause.UnknownError | Cause.TimeoutError | CircuitRejected>

/** The job: four workers, each document asked for once. Gives what is left for the next run. */
const run = ([first, ...others]: ReadonlyArray<Document>, ask: Ask) =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeMillis
    const left: Array<Document> = []
    let [done, refused] = [0, 0]
    const work = (document: Document) =>
      Effect.map(Effect.result(ask(document)), (answer) => {
        if (Result.isSuccess(answer)) return done++
        if (answer.failure instanceof CircuitRejected) refused++
        return left.push(document)
      })
    // The first one alone: where the circuit recovers this is the probe, and all others would be refused meanwhile.
    if (first !== undefined) yield* work(first)
    yield* Effect.forEach(others, work, { concurrency: 4, discard: true })
    return { left, done, refused, took: (yield* Clock.currentTimeMillis) - began }
  })

type Run = Effect.Success<ReturnType<typeof run>>

const report = (title: string, { done, left, refused, took }: Run) =>
  console.log(
    `${title.padEnd(28)}${String(done).padStart(4)} done ${String(left.length).padStart(4)} left for the next run`
      + ` (${left.length - refused} waited for in vain, ${refused} refused at once) in ${(took / 1000).toFixed(1)} s`
  )

// ---------------------------------------------------------------------------------------------------------------------
// The same documents, twice
// ---------------------------------------------------------------------------------------------------------------------

const window = CallWindow.lastCalls(20, { within: "10 seconds" })
const policy = {
  tripPolicy: TripPolicy.anyOf(
    TripPolicy.consecutive(3),
    TripPolicy.slowRate({ slowAfter: "300 millis", threshold: 0.8, minimumCalls: 3, window })
  ),
  openDuration: "2 seconds",
  halfOpen: { successes: 1 },
  classify: LlmOutcome.classify
} satisfies BreakerMap.Policy

const documents = Array.from({ length: 40 }, (_, id): Document => ({ id, model: id % 2 === 1 ? "large" : "small" }))
const well: FakeProvider.Health = { latency: "20 millis" }
// The large model takes requests, and says nothing.
const hanging: FakeProvider.Health = {
  latency: "20 millis",
  faults: [{ fault: Fault.hangBeforeHeaders, share: 1, models: ["large"] }]
}

const program = Effect.gen(function*() {
  const provider = yield* FakeProvider.make({ script: [{ for: "Infinity", ...hanging }] })
  const client = new OpenAI({ apiKey: "sk-any", baseURL: provider.baseUrl, maxRetries: 0, logLevel: "off" })
  const ask = ({ id, model }: Document) =>
    Effect.tryPromise((signal) =>
      client.chat.completions.create({ model, messages: [{ role: "user", content: `Sort letter ${id}` }] }, { signal })
    ).pipe(
      Effect.map(({ choices: [choice] }) => choice?.message.content ?? ""),
      // Inside the breaker, which is to hear of it.
      Effect.timeout("1 second")
    )

  report("without a breaker:", yield* run(documents, ask))

  const models = yield* BreakerMap.make(policy)
  const guarded: Ask = (document) => models.execute(ask(document), { key: document.model })
  const first = yield* run(documents, guarded)
  report("with one for each model:", first)

  yield* provider.setHealth(well)
  const large = yield* models.get("large")
  yield* Effect.sleep((yield* large.state).retryAfter)
  report("  the next run, all is well:", yield* run(first.left, guarded))
})

await Effect.runPromise(Effect.scoped(program))
