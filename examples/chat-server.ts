/**
 * `npm run example:chat`: a chat server that streams, through a bad day of its model, as its visitors see it.
 *
 * The first word decides. Until it is there another model may take over, and the server may still say 503 and when to come
 * back. After it an answer that breaks off is reported as broken, never ended as if it were whole; and whoever leaves
 * takes the call along, which counts for nothing.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { Cause, Context, Duration, Effect, Layer, Option, Sink, Stream } from "effect"
import { CircuitRejected, TripPolicy } from "effect-breaker"
import { LlmBreaker, LlmStream, PartReader } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import OpenAI from "openai"

// ---------------------------------------------------------------------------------------------------------------------
// The server
// ---------------------------------------------------------------------------------------------------------------------

const answer = (client: OpenAI, model: string, content: string) =>
  LlmStream.fromClient((signal) =>
    client.chat.completions.create({ model, messages: [{ role: "user", content }], stream: true }, { signal })
  ).pipe(
    LlmStream.guardWith(
      Effect.flatMap(LlmBreaker.LlmBreaker, (llm) => llm.admit({ provider: "openai", model })),
      { reader: PartReader.openAiChat, firstContent: "2 seconds", idle: "2 seconds" }
    )
  )

const event = (name: string, data: string) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

const chat = (client: OpenAI) =>
  Effect.gen(function*() {
    const question = yield* (yield* HttpServerRequest.HttpServerRequest).text
    const events = answer(client, "large", question).pipe(
      LlmStream.orElse(() => answer(client, "small", question)),
      Stream.map((chunk) => chunk.choices[0]?.delta.content ?? ""),
      Stream.filter((word) => word !== ""),
      Stream.map((word) => event("word", word))
    )
    const [first, rest] = yield* Stream.peel(events, Sink.head())
    const body = Stream.fromIterable(Option.toArray(first)).pipe(
      Stream.concat(rest),
      Stream.concat(Stream.make(event("end", ""))),
      Stream.catchCause((cause) => Stream.make(event("broken", String(Object(Cause.squash(cause)).message))))
    )
    return HttpServerResponse.stream(Stream.encodeText(body), { contentType: "text/event-stream" })
  }).pipe(Effect.catch((error) => {
    const seconds = error instanceof CircuitRejected ? Math.ceil(Duration.toSeconds(error.retryAfter)) : 1
    return Effect.succeed(HttpServerResponse.empty({ status: 503, headers: { "retry-after": String(seconds) } }))
  }))

// ---------------------------------------------------------------------------------------------------------------------
// The visitors
// ---------------------------------------------------------------------------------------------------------------------

const visit = async (url: string, leavesAfter = Infinity) => {
  const left = new AbortController()
  const response = await fetch(url, { method: "POST", body: "How are you?", signal: left.signal })
  if (response.status !== 200) return `${response.status}, come back in ${response.headers.get("retry-after")} s`
  let [said, words, rest] = ["", 0, ""]
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = (rest + part).split("\n\n")
    rest = events.pop() ?? ""
    for (const [name, data] of events.map((text) => text.split(/^\w+: |\n\w+: /).slice(1))) {
      said += name === "word" ? JSON.parse(data!) : name === "broken" ? ` … broken: ${JSON.parse(data!)}` : ""
      if (name === "word" && ++words === leavesAfter) {
        left.abort()
        return `${said} … (leaves)`
      }
    }
  }
  return said
}

const day = Effect.gen(function*() {
  const provider = yield* FakeProvider.make()
  const client = new OpenAI({ apiKey: "sk-any", baseURL: provider.baseUrl, maxRetries: 0, logLevel: "off" })
  const Server = HttpRouter.serve(HttpRouter.add("POST", "/chat", chat(client)), {
    disableLogger: true,
    disableListenLog: true
  }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: 0 })),
    Layer.provideMerge(LlmBreaker.layer({ model: { tripPolicy: TripPolicy.consecutive(2), openDuration: "1 minute" } }))
  )
  const services = yield* Layer.build(Server)
  const { address } = Context.get(services, HttpServer.HttpServer)
  const arrives = (what: string, health: FakeProvider.Health, leavesAfter?: number) =>
    Effect.gen(function*() {
      const before = (yield* provider.journal).length
      yield* provider.setHealth({ tokenEvery: "20 millis", answers: [{ text: "I am well, thank you." }], ...health })
      const seen = yield* Effect.promise(() => visit(`${HttpServer.formatAddress(address)}/chat`, leavesAfter))
      const journal = yield* provider.awaitJournal((entries) => entries.every(({ end }) => end !== "running"))
      const asked = journal.slice(before).map(({ end, model, status }) => `${model} (${status}, ${end})`)
      console.log(`${what}\n  sees   ${seen}\n  asked  ${asked.join(", ") || "nobody"}`)
    })
  const large = (fault: Fault.Fault) => ({ faults: [{ fault, share: 1, models: ["large"] }] })

  yield* arrives("The model is well", {})
  yield* arrives("A visitor leaves", {}, 3)
  yield* arrives(
    "An error inside a 200, before the first word",
    large(Fault.errorChunk({ after: 0, type: "server_error", message: "Overloaded" }))
  )
  yield* arrives("An answer that is cut off", large(Fault.cutAfter({ tokens: 3 })))
  yield* arrives("The model hangs, but after two failures it is not asked any more", large(Fault.hangBeforeHeaders))
  for (
    const what of ["The other model is down, too", "So it is for the next visitor", "Two failures: nobody is asked"]
  ) {
    yield* arrives(what, { faults: [{ fault: Fault.overloaded, share: 1 }] })
  }
  for (const { failures, ignored, name, successes } of yield* Context.get(services, LlmBreaker.LlmBreaker).snapshots) {
    if (name === "openai/large") console.log(`${name}: ${successes} success, ${failures} failures, ${ignored} ignored`)
  }
})

await Effect.runPromise(Effect.scoped(day))
