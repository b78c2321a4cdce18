/**
 * `npm run demo`: an outage of a language-model provider, with a breaker and without one, side by side.
 *
 * Two providers on this machine live through the same half minute. The official `openai` client asks both, ten times a
 * second: one through `withBreaker` and a ladder of fallbacks, the other bare. Every figure at the end comes from the
 * providers' journals and from the callers themselves. Then the same for streamed answers that break off inside a 200.
 *
 * `npm run demo -- --page` serves the live page of its circuits meanwhile, and on a terminal until Ctrl-C.
 */
import { Clock, Duration, Effect, Fiber, Schedule, Stream } from "effect"
import { Breaker, CallWindow, Fallback, TripPolicy, withBreaker } from "effect-breaker"
import { FakeProvider, Fault } from "effect-breaker/testing"
import OpenAI from "openai"
import * as Page from "./demo/page.ts"
import * as Report from "./demo/report.ts"
import * as Streams from "./demo/streams.ts"

const usage = `usage: npm run demo [-- --page]

  --page   serves the live page of its circuits meanwhile; on a terminal it stays until Ctrl-C
  --help   shows this`

const flags = process.argv.slice(2)
const unknown = flags.find((flag) => flag !== "--page" && flag !== "--help")
if (unknown !== undefined) {
  console.error(`unknown: ${unknown}\n${usage}`)
  process.exit(2)
}
if (flags.includes("--help")) {
  console.log(usage)
  process.exit(0)
}

const outage = (name: string, seconds: number, fault: Fault.Fault): FakeProvider.Phase => ({
  name,
  for: Duration.seconds(seconds),
  faults: [{ fault, share: 1, latency: "100 millis" }]
})
const healthy = (name: string, seconds: number): FakeProvider.Phase => ({
  name,
  for: Duration.seconds(seconds),
  latency: "150 millis"
})
const script = [
  healthy("healthy", 2),
  outage("529 overloaded", 6, Fault.overloaded),
  healthy("healthy again", 6),
  outage("hanging", 6, Fault.hangBeforeHeaders),
  healthy("recovered", 7)
]
const seconds = script.reduce((sum, phase) => sum + Duration.toSeconds(phase.for), 0)

// What a service would configure: half of the last calls failed, three in a row while there are few, or most of them slow.
const window = CallWindow.lastCalls(20, { within: "5 seconds" })
const OpenAiBreaker = Breaker.layer({
  name: "openai",
  tripPolicy: TripPolicy.anyOf(
    TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 6, window, belowMinimum: TripPolicy.consecutive(3) }),
    TripPolicy.slowRate({ slowAfter: "1 second", threshold: 0.5, minimumCalls: 4, window })
  ),
  openDuration: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("2 seconds")]),
  halfOpen: { successes: 2, lease: "2 seconds" },
  ramp: { shares: [0.25, 0.5], every: "1 second", minimumCalls: 2 }
})

const ask = (provider: FakeProvider.FakeProvider) => {
  const client = new OpenAI({ apiKey: "sk-demo", baseURL: provider.baseUrl, maxRetries: 0, timeout: 2_000 })
  return Effect.tryPromise((signal) =>
    client.chat.completions.create({ model: "demo", messages: [{ role: "user", content: "Hello?" }] }, { signal })
  ).pipe(Effect.map((completion) => completion.choices[0]?.message.content ?? ""))
}

// Ten calls a second until the script is over, each a fiber of its own, each telling the tally how it went.
const traffic = <R>(tally: Report.Tally, call: Effect.Effect<Fallback.Served<string>, unknown, R>) =>
  Effect.gen(function*() {
    const fibers: Array<Fiber.Fiber<void>> = []
    for (let i = 0; i < seconds * 10; i++) {
      fibers.push(yield* Effect.forkChild(Report.timed(tally, call)))
      yield* Effect.sleep("100 millis")
    }
    yield* Effect.forEach(fibers, Fiber.join)
  })

const program = Effect.gen(function*() {
  const began = yield* Clock.currentTimeMillis
  const guardedProvider = yield* FakeProvider.make({ script, seed: 1 })
  const bareProvider = yield* FakeProvider.make({ script, seed: 1 })
  const guarded = Report.tally(began)
  const bare = Report.tally(began)
  const lastGood = Fallback.cached<string>({ maxAge: "5 seconds" })

  const guardedCall = Report.primary(guarded, ask(guardedProvider)).pipe(
    withBreaker,
    Fallback.withFallback(lastGood, Fallback.value("I cannot answer right now. Please try again in a minute."))
  )
  const bareCall = Effect.map(
    Report.primary(bare, ask(bareProvider)),
    (value): Fallback.Served<string> => ({ value, from: "primary" })
  )

  const breaker = yield* Breaker.Breaker
  const screen = Report.screen(seconds)
  yield* Effect.forkScoped(Stream.runForEach(breaker.events, (event) => screen.event(guarded, event)), {
    startImmediately: true
  })
  yield* Effect.forkScoped(
    Effect.repeat(
      Effect.gen(function*() {
        screen.line(guarded, yield* breaker.snapshot, yield* guardedProvider.phase)
      }),
      Schedule.spaced("250 millis")
    )
  )

  yield* Effect.all([traffic(guarded, guardedCall), traffic(bare, bareCall)], { concurrency: "unbounded" })
  screen.end()
  console.log(Report.table(
    { tally: guarded, journal: yield* guardedProvider.journal },
    { tally: bare, journal: yield* bareProvider.journal }
  ))
})

const both = Effect.gen(function*() {
  yield* Effect.scoped(program)
  console.log("\n── streamed answers: a model that breaks off inside a 200, and another that takes over ──")
  console.log(yield* Streams.play)
})

const withPage = Effect.gen(function*() {
  const address = yield* Page.serve
  console.log(`The live page of it all: ${address}\n`)
  yield* both
  const stays = process.stdout.isTTY
  console.log(`\nThe live page of it all: ${address}${stays ? " (until Ctrl-C)" : ""}`)
  if (stays) yield* Page.interrupted
})

await Effect.runPromise((flags.includes("--page") ? withPage : both).pipe(Effect.provide(OpenAiBreaker), Effect.scoped))
