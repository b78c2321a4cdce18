// Takes the built library through one life of a circuit, as a program that depends on it would, and through every
// subpath. Plain JavaScript, so that any Node runs it.
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer, Logger, Metric, Stream } from "effect"
import { Breaker, BreakerMap, TripPolicy } from "effect-breaker"
import { breakerMiddleware, provenanceOf } from "effect-breaker/ai-sdk"
import { Chaos } from "effect-breaker/chaos"
import { CircuitControl, CircuitReader, Registry } from "effect-breaker/control"
import { Dashboard } from "effect-breaker/dashboard"
import { BreakerHttpClient, GuardedFetch, SdkFetch } from "effect-breaker/http"
import { LlmBreaker, LlmOutcome, LlmStream, PartReader } from "effect-breaker/llm"
import { BreakerLog, BreakerMetrics } from "effect-breaker/metrics"
import { CircuitBreaker } from "effect-breaker/persistence"
import * as promise from "effect-breaker/promise"
import { Guard, Policy, Replay, Scenarios, Simulation } from "effect-breaker/replay"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { createServer } from "node:http"

const program = Effect.gen(function*() {
  const breaker = yield* Breaker.make({
    name: "smoke",
    tripPolicy: TripPolicy.consecutive(2),
    openDuration: "1 second"
  })
  const stateIs = (expected) => Effect.map(breaker.state, (state) => assert.equal(state._tag ?? state, expected))
  const works = breaker.execute(Effect.succeed("answer"))
  const fails = breaker.execute(Effect.fail("overloaded"))

  assert.equal(yield* works, "answer")
  assert.equal(yield* Effect.flip(fails), "overloaded")
  yield* stateIs("Closed")
  assert.equal(yield* Effect.flip(fails), "overloaded")
  yield* stateIs("Open")

  let ran = false
  const refused = yield* Effect.flip(breaker.execute(Effect.sync(() => (ran = true))))
  assert.equal(ran, false)
  assert.equal(refused._tag, "CircuitRejected")
  assert.equal(refused.circuit, "smoke")
  assert.equal(refused.reason, "Open")

  yield* Effect.sleep("1100 millis")
  yield* stateIs("Open")
  assert.equal(yield* works, "answer")
  yield* stateIs("HalfOpen")
  assert.equal(yield* works, "answer")
  assert.equal(yield* works, "answer")
  yield* stateIs("Closed")
})

// And through an error inside a 200 over a real socket, seen by the circuit of its model.
const streamed = Effect.gen(function*() {
  const provider = yield* FakeProvider.make({
    script: [{ for: "1 hour", faults: [{ fault: Fault.cutAfter({ tokens: 2 }), share: 1 }] }]
  })
  const llm = yield* LlmBreaker.make()
  const body = JSON.stringify({ model: "any", stream: true, messages: [{ role: "user", content: "Hello?" }] })
  const events = LlmStream.fromClient(async () => {
    const response = await fetch(`${provider.baseUrl}/chat/completions`, { method: "POST", body })
    const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: {"))
    return (async function*() {
      for (const line of lines) yield JSON.parse(line.slice(6))
    })()
  })
  const guarded = LlmStream.guardWith(events, llm.admit({ provider: "fake", model: "any" }), {
    reader: PartReader.openAiChat
  })
  const broken = yield* Effect.flip(Stream.runDrain(guarded))
  assert.equal(broken._tag, "StreamBroken")
  assert.equal(broken.kind, "truncated")
  const snapshots = yield* llm.snapshots
  assert.equal(snapshots.find(({ name }) => name === "fake/any").failures, 1)
  assert.ok(snapshots.every(({ inFlight }) => inFlight === 0))
  assert.equal(LlmOutcome.fromHttp({ status: 529 }).kind, "overloaded")
})

// Through both HTTP clients, against a provider that is overloaded.
const overHttp = Effect.gen(function*() {
  const provider = yield* FakeProvider.make({
    script: [{ for: "1 hour", faults: [{ fault: Fault.overloaded, share: 1 }] }]
  })
  const url = `${provider.baseUrl}/models`
  const breakers = yield* BreakerMap.make({ tripPolicy: TripPolicy.consecutive(1) })
  const client = BreakerHttpClient.withBreaker(yield* HttpClient.HttpClient, { breakers })
  const missing = yield* client.get(`${provider.baseUrl}/nowhere`)
  assert.equal(missing.status, 404)
  const asked = HttpClientRequest.post(`${provider.baseUrl}/chat/completions`).pipe(
    HttpClientRequest.bodyJsonUnsafe({ model: "any", messages: [{ role: "user", content: "Hello?" }] })
  )
  assert.equal((yield* client.execute(asked)).status, 529)
  assert.equal((yield* Effect.flip(client.execute(asked)))._tag, "CircuitRejected")

  const guarded = GuardedFetch.make({ breakers })
  const rejected = yield* Effect.promise(() => guarded(url).then(() => "answered", ({ name }) => name))
  assert.equal(rejected, "CircuitRejected")
  const sdk = SdkFetch.make({ llm: { model: { tripPolicy: TripPolicy.consecutive(1) } } })
  const ask = Effect.promise(() =>
    sdk(`${provider.baseUrl}/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "any", messages: [{ role: "user", content: "Hello?" }] })
    })
  )
  assert.equal((yield* ask).headers.get("x-should-retry"), "false")
  const refused = yield* ask
  assert.deepEqual([refused.status, SdkFetch.rejectionOf(refused)?.reason], [503, "Open"])
  assert.equal((yield* provider.journal).length, 3)
}).pipe(Effect.provide(FetchHttpClient.layer))

// Through being steered: held open by an operator, let go, and put under other settings.
const steered = Effect.gen(function*() {
  const breaker = yield* Breaker.make({ name: "steered" })
  const works = breaker.execute(Effect.succeed("answer"))
  const control = yield* CircuitControl.make
  const reader = yield* CircuitReader.make
  const which = { names: ["steered"] }

  assert.equal(yield* control.isolate(which, { for: "1 hour", note: "bad deploy", by: "ada" }), 1)
  const refused = yield* Effect.flip(works)
  assert.deepEqual([refused.reason, refused.cause.note, refused.cause.by], ["Isolated", "bad deploy", "ada"])
  assert.deepEqual((yield* reader.circuits).map(({ name, state }) => [name, state]), [["steered", "Isolated"]])
  assert.equal(yield* control.release(which), 1)
  assert.equal(yield* works, "answer")

  assert.equal(yield* control.configure({ all: true }, { tripPolicy: TripPolicy.consecutive(1) }), 1)
  yield* Effect.ignore(breaker.execute(Effect.fail("overloaded")))
  assert.equal((yield* reader.snapshots)[0].state, "Open")
})

// Through promise code: a value, a stream, a ladder, an abort and a refusal.
const promised = Effect.promise(async () => {
  const breaker = promise.Breaker.make({ name: "promised", tripPolicy: promise.TripPolicy.consecutive(1) })
  assert.equal(await breaker.execute(async () => "answer"), "answer")
  const words = []
  for await (
    const word of breaker.iterate(async function*() {
      yield "Once"
      yield "upon"
    })
  ) words.push(word)
  assert.deepEqual(words, ["Once", "upon"])
  const caller = new AbortController()
  const hangs = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
  const call = breaker.execute(hangs, { signal: caller.signal })
  caller.abort()
  await assert.rejects(call, { name: "AbortError" })
  const fails = () => Promise.reject(new Error("overloaded"))
  const served = await breaker.serve(fails, { fallback: [promise.Fallback.value("default")] })
  assert.deepEqual([served.from, served.value, served.cause.message], ["default", "default", "overloaded"])
  await assert.rejects(breaker.execute(fails), promise.CircuitRejected)
  const { failures, ignored, state, successes } = breaker.snapshot()
  assert.deepEqual([state, successes, failures, ignored], ["Open", 2, 1, 1])
})

// Through the tag of Effect's own breaker.
const migrated = Effect.gen(function*() {
  const breaker = yield* CircuitBreaker.CircuitBreaker
  const fails = Effect.fail("overloaded").pipe(breaker.execute({ key: "migrated" }))
  assert.equal(yield* Effect.flip(fails), "overloaded")
  assert.equal((yield* Effect.flip(fails)).reason._tag, "CircuitOpen")
  assert.equal((yield* breaker.state("migrated"))._tag, "Open")
}).pipe(
  Effect.provide(CircuitBreaker.layer({ tripPolicy: CircuitBreaker.consecutive(1), openDuration: "1 minute" }))
)

// Through being counted and logged.
const counted = Effect.gen(function*() {
  const lines = []
  const loggers = Logger.layer([Logger.make(({ message }) => lines.push(String(message)))])
  yield* Effect.scoped(Effect.gen(function*() {
    yield* Layer.build(Layer.merge(BreakerMetrics.layer(), Layer.provide(BreakerLog.layer(), loggers)))
    const breaker = yield* Breaker.make({ name: "counted", tripPolicy: TripPolicy.consecutive(1) })
    yield* breaker.execute(Effect.succeed("answer"))
    for (let i = 0; i < 3; i++) yield* Effect.ignore(breaker.execute(Effect.fail("overloaded")))
    const series = (yield* PrometheusMetrics.format()).split("\n")
    for (
      const line of [
        `effect_breaker_state{circuit="counted"} 2`,
        `effect_breaker_calls_total{circuit="counted",outcome="success"} 1`,
        `effect_breaker_calls_total{circuit="counted",outcome="failure"} 1`,
        `effect_breaker_refusals_total{circuit="counted",reason="open"} 2`,
        `effect_breaker_call_duration_seconds_count{circuit="counted"} 2`
      ]
    ) assert.ok(series.includes(line), `${line} is not in\n${series.join("\n")}`)
  }))
  assert.deepEqual(lines, [`Circuit "counted" opened for 1 minute: 1 failure in a row (limit 1).`])
})

// Through being watched, and steered, over a real socket.
const watched = Effect.gen(function*() {
  const breaker = yield* Breaker.make({ name: "watched", tripPolicy: TripPolicy.consecutive(1) })
  yield* Effect.ignore(breaker.execute(Effect.fail("overloaded")))
  const routes = Dashboard.layer({ title: "smoke", control: { guard: Effect.succeed("ada") } })
  const context = yield* Layer.build(
    HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
    )
  )
  const url = `${HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)}/breakers`
  // No connection is kept: the server would wait for it when it stops.
  const headers = { connection: "close" }
  const ask = (path, options) => Effect.promise(() => fetch(url + path, { headers, ...options }))

  const page = yield* ask("/")
  assert.equal(page.status, 200)
  assert.match(yield* Effect.promise(() => page.text()), /<div id="page">.*<script>/s)
  const snapshot = yield* Effect.flatMap(ask("/snapshot.json"), (response) => Effect.promise(() => response.json()))
  assert.deepEqual(
    [snapshot.title, snapshot.circuits.map(({ name, state }) => [name, state])],
    ["smoke", [["watched", "Open"]]]
  )
  const events = yield* ask("/events")
  assert.equal(events.headers.get("content-type"), "text/event-stream")
  yield* Effect.promise(() => events.body.cancel())

  const order = (more) =>
    ask("/control", {
      method: "POST",
      headers: { ...headers, "content-type": "application/json", ...more },
      body: JSON.stringify({ ids: [snapshot.circuits[0].id], order: "reset" })
    })
  assert.equal((yield* order()).status, 403)
  assert.equal((yield* order({ "x-effect-breaker": "control" })).status, 200)
  assert.equal(yield* breaker.execute(Effect.succeed("answer")), "answer")
})

// Through an outage that is only rehearsed.
const rehearsed = Effect.gen(function*() {
  const breaker = yield* Breaker.make({ name: "rehearsed", tripPolicy: TripPolicy.consecutive(2) })
  const asks = breaker.execute(Effect.succeed("answer").pipe(Chaos.inject("openai")))
  assert.equal(yield* asks, "answer")
  const outage = Chaos.layer({ faults: [{ fault: "overloaded", share: 1, at: ["openai"] }] })
  yield* Effect.gen(function*() {
    const injected = yield* Effect.flip(asks)
    assert.deepEqual([injected._tag, injected.status], ["ChaosError", 529])
    yield* Effect.flip(asks)
    assert.equal((yield* Effect.flip(asks))._tag, "CircuitRejected")
    assert.deepEqual((yield* Chaos.status).points, [{ point: "openai", calls: 2, faults: { overloaded: 2 } }])
  }).pipe(Effect.provide(outage), Effect.provide(Logger.layer([])))
})

// Through being replayed: a log under a policy that was read from JSON.
const replayed = Effect.gen(function*() {
  const policy = yield* Policy.fromJson(`{ "name": "smoke", "tripPolicy": { "_tag": "Consecutive", "failures": 1 } }`)
  const log = "at,took,status\n0,100,529\n50,100,200\n200,800,500\n"
  const result = yield* Replay.log([new TextEncoder().encode(log)], { policies: [policy] })
  const { opened, saved, timeline } = result.policies[0]
  assert.deepEqual(opened.map(({ at, rule }) => [at, rule]), [[100, "consecutive"]])
  assert.deepEqual([saved.calls, timeline.asked, timeline.open], [1, [3], [0.9]])
})

// Through a simulated outage: to the bit the same as in the tests, whatever Node.
const simulated = Effect.sync(() => {
  const guard = Guard.policy(Policy.make("plain", { openDuration: "5 seconds", jitter: 0.2 }))
  const { timeline, totals, work } = Simulation.run(Scenarios.all["llm-micro"], { seed: 1, guard })
  const hash = createHash("sha256").update(JSON.stringify({ timeline, totals, work })).digest("hex")
  assert.equal(hash, "c140167bbdf546bf2fc73c86f5b7aee7f5fe8ea1afd845aa043a286e727a936b")
})

// Through a model of the AI SDK, as `wrapLanguageModel` drives a middleware: an error inside a stream, and who answered.
const wrapped = Effect.promise(async () => {
  const modelOf = (modelId, ...parts) => ({
    specificationVersion: "v3",
    provider: "fake.chat",
    modelId,
    supportedUrls: {},
    doGenerate: () => Promise.reject(new Error("529 Overloaded")),
    doStream: async () => ({
      stream: new ReadableStream({
        start: (controller) => {
          for (const part of parts) controller.enqueue(part)
          controller.close()
        }
      })
    })
  })
  const finish = { type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage: {} }
  const model = modelOf("large", { type: "error", error: "529 Overloaded" })
  const small = modelOf("small", { type: "text-delta", id: "1", delta: "Hello" }, finish)
  const middleware = breakerMiddleware({
    llm: { model: { tripPolicy: TripPolicy.consecutive(1) } },
    fallback: [small]
  })
  const { stream } = await middleware.wrapStream({ model, params: {} })
  const parts = []
  for await (const part of stream) parts.push(part)
  assert.equal(parts[0].delta, "Hello")
  const served = provenanceOf(parts[1])
  assert.deepEqual([served.from, served.model, served.passed[0].kind], ["fallback", "small", "overloaded"])
  const error = await middleware.wrapGenerate({ model, params: {} }).catch((error) => error)
  assert.equal(error.message, "529 Overloaded")
  assert.equal(middleware.snapshots().find(({ name }) => name === "fake/large").state, "Open")
})

// Each with circuits and series of its own.
const alone = (self) =>
  Effect.runPromise(
    Effect.scoped(self).pipe(
      Effect.provideService(Registry.Current, new Registry.Registry()),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

for (
  const each of [
    program,
    streamed,
    overHttp,
    steered,
    counted,
    watched,
    rehearsed,
    replayed,
    simulated,
    promised,
    migrated,
    wrapped
  ]
) {
  await alone(each)
}
console.log(`smoke test passed on Node ${process.versions.node}`)
