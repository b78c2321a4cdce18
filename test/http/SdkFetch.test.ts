import Anthropic, { InternalServerError as AnthropicServerError } from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { CircuitRejected, TripPolicy } from "effect-breaker"
import { type GuardedFetch, SdkFetch } from "effect-breaker/http"
import { LlmBreaker, LlmOutcome } from "effect-breaker/llm"
import { FakeProvider, Fault } from "effect-breaker/testing"
import OpenAI, { type APIError, InternalServerError } from "openai"
import { troubles } from "../llm/circuits.ts"
import { eventually, untilDone } from "./serving.ts"

const messages = [{ role: "user" as const, content: "How are you?" }]

/** What one client is asked. */
interface Client {
  readonly ask: (
    stream: boolean,
    options?: { readonly signal?: AbortSignal; readonly timeout?: number }
  ) => Promise<string>
}

interface ClientOptions {
  readonly fetch?: GuardedFetch.Fetch
  readonly maxRetries?: number
  readonly defaultHeaders?: Record<string, string>
}

const clients = {
  chat: (provider, given = {}): Client => {
    const client = new OpenAI({ apiKey: "sk-a", baseURL: provider.baseUrl, logLevel: "off", ...settings(given) })
    return {
      ask: async (stream, options) => {
        if (!stream) {
          const answer = await client.chat.completions.create({ model: "gpt-5", messages }, options)
          return answer.choices?.[0]?.message.content ?? ""
        }
        let text = ""
        for await (const chunk of await client.chat.completions.create({ model: "gpt-5", messages, stream }, options)) {
          text += chunk.choices?.[0]?.delta.content ?? ""
        }
        return text
      }
    }
  },
  responses: (provider, given = {}): Client => {
    const client = new OpenAI({ apiKey: "sk-a", baseURL: provider.baseUrl, logLevel: "off", ...settings(given) })
    return {
      ask: async (stream, options) => {
        if (!stream) {
          return (await client.responses.create({ model: "gpt-5", input: "How are you?" }, options)).output_text
        }
        let text = ""
        for await (const event of await client.responses.create({ model: "gpt-5", input: "x", stream }, options)) {
          if (event.type === "response.output_text.delta") text += event.delta
        }
        return text
      }
    }
  },
  messages: (provider, given = {}): Client => {
    const client = new Anthropic({ apiKey: "sk-a", baseURL: provider.url, logLevel: "off", ...settings(given) })
    const asked = { model: "claude", max_tokens: 10, messages }
    return {
      ask: async (stream, options) => {
        if (!stream) {
          const [block] = (await client.messages.create(asked, options)).content ?? []
          return block?.type === "text" ? block.text : ""
        }
        let text = ""
        for await (const event of await client.messages.create({ ...asked, stream }, options)) {
          if (event.type === "content_block_delta" && event.delta.type === "text_delta") text += event.delta.text
        }
        return text
      }
    }
  }
} satisfies Record<string, (provider: FakeProvider.FakeProvider, given?: ClientOptions) => Client>

const settings = ({ defaultHeaders, fetch, maxRetries = 0 }: ClientOptions) => ({
  maxRetries,
  ...(fetch && { fetch }),
  ...(defaultHeaders && { defaultHeaders })
})

const names = ["chat", "responses", "messages"] as const
const everywhere = names.flatMap((name) => [[name, false], [name, true]] as const)

/** A guarded client of a provider of its own, and what its circuits were told. */
const guarding = (
  name: typeof names[number],
  { fault, headers, idle, llm: policy, ...given }: ClientOptions & SdkFetch.Options & {
    fault?: Fault.Fault | undefined
  } = {}
) =>
  Effect.gen(function*() {
    const provider = yield* FakeProvider.make({ allowHeader: true })
    const services = yield* Effect.context<never>()
    const llm = yield* LlmBreaker.make(policy as LlmBreaker.Options)
    const votes: Array<LlmOutcome.LlmOutcome> = []
    const heard: LlmBreaker.LlmBreaker = Object.create(llm, {
      admit: {
        value: (scopes: LlmBreaker.Scopes) =>
          Effect.map(llm.admit(scopes), (permit): LlmBreaker.Permit => ({
            answered: permit.answered,
            quality: permit.quality,
            settleExit: permit.settleExit,
            settle: (outcome) => {
              votes.push(outcome)
              return permit.settle(outcome)
            }
          }))
      }
    })
    const fetch = SdkFetch.make({ llm: heard, services, headers, idle })
    const client = clients[name](provider, {
      ...given,
      fetch,
      defaultHeaders: fault === undefined ? {} : Fault.header(fault)
    })
    const ask = (stream = false, options?: { readonly signal?: AbortSignal; readonly timeout?: number }) =>
      Effect.promise(() => client.ask(stream, options))
    const fail = (stream = false, options?: { readonly signal?: AbortSignal; readonly timeout?: number }) =>
      Effect.promise(() => client.ask(stream, options).then((text) => assert.fail(`answered ${text}`), (e: Error) => e))
    const requests = Effect.map(provider.journal, (journal) => journal.length)
    return { provider, llm, client, votes, ask, fail, requests }
  })

/** The names of all faults, as the provider lists them for one that there is not. */
const namesOfAll = (): ReadonlyArray<string> => {
  try {
    return assert.fail(Fault.fromName("none of them")._tag)
  } catch (error) {
    return /one of (.*), got/s.exec((error as Error).message)![1]!.split(", ")
  }
}

/** Every fault that is a status, by its name. */
const statuses = namesOfAll().map((name) => [name, Fault.fromName(name)] as const)
  .filter(([, { _tag }]) => _tag === "JsonError" || _tag === "HtmlError")

/** What an error says, but for the number of the request. */
const said = ({ message }: Error): string => message.replaceAll(/req_\w+/g, "req")

const short = ({ _tag, kind }: LlmOutcome.LlmOutcome): string => kind === undefined ? _tag : `${_tag} ${kind}`

describe("SdkFetch.make", () => {
  describe.each(everywhere)("%s, stream: %s", (name, stream) => {
    it.effect("answers as ever, and votes Success", () =>
      Effect.gen(function*() {
        const { ask, votes } = yield* guarding(name)

        assert.strictEqual(yield* ask(stream), "This answer comes from a healthy fake provider")
        assert.deepStrictEqual(votes.map(short), ["Success"])
      }))

    it.effect("votes on every error status as its own error is read without a guard", () =>
      Effect.gen(function*() {
        for (const [of, fault] of statuses) {
          const { fail, provider, votes } = yield* guarding(name, { fault })
          const bare = clients[name](provider, { defaultHeaders: Fault.header(fault) })
          const unguarded = yield* Effect.promise(() => bare.ask(stream).then(() => assert.fail(of), (e: Error) => e))

          const error = yield* fail(stream)

          assert.deepStrictEqual([error.constructor, said(error)], [unguarded.constructor, said(unguarded)], of)
          assert.deepStrictEqual(votes.map(short), [short(LlmOutcome.fromError(unguarded))], of)
        }
      }))

    it.effect.each(
      [
        ["reset", Fault.reset, "Failure network", "Failure network"],
        ["emptyBody", Fault.emptyBody, "Failure empty", "Failure truncated"],
        ["cutAfter", Fault.cutAfter({ tokens: 3 }), "Failure bad-response", "Failure truncated"],
        ["resetAfter", Fault.resetAfter({ tokens: 3 }), "Failure network", "Failure network"],
        ["malformed", Fault.malformed(), "Failure bad-response", "Failure bad-response"],
        ["errorBody", Fault.errorBody(), "Failure server", "Failure server"],
        ["errorChunk", Fault.errorChunk({ after: 0 }), "Failure server", "Failure server"],
        ["errorChunk later", Fault.errorChunk({ after: 3 }), "Failure server", "Failure server"],
        ["duplicated", Fault.duplicated(), "Success", "Success"],
        ["emptyAnswer", Fault.emptyAnswer, "Success empty", "Success empty"],
        ["invalidJson", Fault.invalidJson, "Success", "Success"],
        ["length", Fault.endsBy({ reason: "length" }), "Success", "Success"],
        [
          "contentFilter",
          Fault.endsBy({ reason: "content-filter" }),
          "Ignored content-policy",
          "Ignored content-policy"
        ],
        ["refusal", Fault.endsBy({ reason: "refusal" }), "Ignored content-policy", "Ignored content-policy"],
        ["finishError", Fault.endsBy({ reason: "error" }), "Failure server", "Failure server"]
      ] as const
    )("votes on %s by what the body says", ([, fault, whole, streamed]) =>
      Effect.gen(function*() {
        const { client, votes } = yield* guarding(name, { fault })

        yield* Effect.promise(() => client.ask(stream).catch(() => {}))
        yield* eventually(() => votes.map(short), [stream ? streamed : whole])
      }))

    it.effect.each(
      [
        ["hangBeforeHeaders", Fault.hangBeforeHeaders],
        ["hangBeforeFirstToken", Fault.hangBeforeFirstToken],
        ["stallAfter", Fault.stallAfter({ tokens: 3 })],
        ["slowDrip", Fault.slowDrip({ tokensPerSecond: 0.01 })],
        ["lateAnswer", Fault.lateAnswer({ after: "1 hour" })]
      ] as const
    )("votes timeout on %s once its deadline has passed", ([, fault]) =>
      Effect.gen(function*() {
        const { client, provider, votes } = yield* guarding(name, { fault, headers: "20 seconds", idle: "20 seconds" })

        const asking = yield* Effect.forkChild(Effect.promise(() => client.ask(stream).catch((error: Error) => error)))
        yield* provider.awaitJournal(([first]) => first !== undefined)
        assert.instanceOf(yield* untilDone(asking, "10 seconds"), Error)
        assert.deepStrictEqual(votes.map(short), ["Failure timeout"])
      }))

    it.effect("is slow where only pings come, and Ignored when its caller gives up", () =>
      Effect.gen(function*() {
        const { client, provider, votes } = yield* guarding(name, { fault: Fault.onlyKeepAlive() })
        const caller = new AbortController()

        const asking = client.ask(stream, { signal: caller.signal }).catch((error: Error) => error)
        yield* provider.awaitJournal(([first]) => first?.status === 200)
        caller.abort()

        assert.instanceOf(yield* Effect.promise(() => asking), Error)
        yield* eventually(() => votes.map(short), ["Ignored cancelled"])
      }))
  })

  describe.each(names)("the retries of %s", (name) => {
    it.effect("end with the attempt that opens the circuit: the client does not sleep on it to be refused", () =>
      Effect.gen(function*() {
        const { fail, requests, provider } = yield* guarding(name, {
          maxRetries: 9,
          llm: { model: { tripPolicy: TripPolicy.consecutive(2) } }
        })
        yield* provider.setHealth({ faults: [{ fault: Fault.overloaded, share: 1 }] })

        const error = yield* fail()
        const refused = yield* fail()

        assert.strictEqual((error as APIError).status, 529)
        assert.strictEqual(SdkFetch.rejectionOf(error), undefined)
        assert.strictEqual(SdkFetch.rejectionOf(refused)?.reason, "Open")
        assert.strictEqual(yield* requests, 2)
      }))

    it.effect("do not touch an open circuit: typed, readable, and the refusal itself at hand", () =>
      Effect.gen(function*() {
        const { fail, llm, provider, requests } = yield* guarding(name, { maxRetries: 9 })
        const host = new URL(provider.url).host
        yield* (yield* llm.breaker("provider", { provider: host })).isolate("moving house")

        const error = yield* fail()
        const rejected = SdkFetch.rejectionOf(error)

        assert.isTrue(error instanceof AnthropicServerError || error instanceof InternalServerError)
        assert.instanceOf(rejected, CircuitRejected)
        assert.deepStrictEqual([rejected.circuit, rejected.reason], [host, "Isolated"])
        assert.strictEqual(error.message, `503 ${rejected.message}`)
        assert.include(error.message, `Circuit "${host}" is isolated: isolated by hand (moving house).`)
        assert.strictEqual((error as APIError).type, "CircuitRejected")
        assert.strictEqual(LlmOutcome.fromError(error).kind, "gateway")
        assert.strictEqual(yield* requests, 0)
      }))

    it.live("wait out a short pause that the provider asked for, and then succeed", () =>
      Effect.gen(function*() {
        const { ask, provider, requests } = yield* guarding(name, { maxRetries: 2 })
        const busy = Fault.rateLimited({ retryAfter: "1 second" })
        yield* provider.setHealth({ faults: [{ fault: busy, share: 1 }] })

        const first = yield* Effect.forkChild(ask())
        yield* provider.awaitJournal(([entry]) => entry?.status === 429)
        yield* provider.setHealth({})
        const answers = [yield* ask(), yield* Fiber.join(first)]

        assert.deepStrictEqual(answers, answers.map(() => "This answer comes from a healthy fake provider"))
        assert.strictEqual(yield* requests, 3)
      }))

    it.effect("do not wait out a long one", () =>
      Effect.gen(function*() {
        const { client, fail, provider, requests, votes } = yield* guarding(name, { maxRetries: 2 })
        yield* provider.setHealth({ faults: [{ fault: Fault.rateLimited({ retryAfter: "30 seconds" }), share: 1 }] })
        const gone = new AbortController()
        void client.ask(false, { signal: gone.signal }).catch(() => {})
        yield* eventually(() => votes.map(short), ["Throttled rate-limit"])

        const error = yield* fail()
        gone.abort()

        assert.strictEqual((error as APIError).status, 429)
        assert.strictEqual(SdkFetch.rejectionOf(error)?.reason, "Throttled")
        assert.strictEqual((error as APIError).headers?.get("retry-after"), "30")
        assert.strictEqual(yield* requests, 1)
      }))
  })

  it.live.each(names)(
    "reads the time limit of %s off the request: passing it is a Failure",
    (name) =>
      Effect.gen(function*() {
        const { fail, votes } = yield* guarding(name, { fault: Fault.hangBeforeHeaders })

        const error = yield* fail(false, { timeout: 1000 })

        assert.include(error.message, "timed out")
        assert.deepStrictEqual(votes.map(short), ["Failure timeout"])
      })
  )

  it.effect.each(names)(
    "takes a stream of %s that its reader leaves after content for a Success",
    (name) =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()
        yield* provider.setHealth({ faults: [{ fault: Fault.stallAfter({ tokens: 3 }), share: 1 }] })
        const llm = yield* LlmBreaker.make()
        const fetch = SdkFetch.make({ llm })

        yield* Effect.promise(async () => {
          if (name === "messages") {
            const client = new Anthropic({ apiKey: "sk-a", baseURL: provider.url, fetch })
            for await (
              const event of await client.messages.create({ model: "m", max_tokens: 9, messages, stream: true })
            ) {
              if (event.type === "content_block_delta") break
            }
          } else if (name === "responses") {
            const client = new OpenAI({ apiKey: "sk-a", baseURL: provider.baseUrl, fetch })
            for await (const event of await client.responses.create({ model: "m", input: "x", stream: true })) {
              if (event.type === "response.output_text.delta") break
            }
          } else {
            const client = new OpenAI({ apiKey: "sk-a", baseURL: provider.baseUrl, fetch })
            for await (const chunk of await client.chat.completions.create({ model: "m", messages, stream: true })) {
              if (chunk.choices[0]?.delta.content) break
            }
          }
        })

        yield* eventually(
          () => Effect.runSync(llm.snapshots).map(({ inFlight, successes }) => ({ inFlight, successes })),
          Array.from({ length: 4 }, () => ({ inFlight: 0, successes: 1 }))
        )
      })
  )

  it.effect("tells key, model and provider apart, and never shows the key", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make()
      const llm = yield* LlmBreaker.make()
      const fetch = SdkFetch.make({ llm })
      const ask = (apiKey: string, model: string) =>
        Effect.promise(() =>
          new OpenAI({ apiKey, baseURL: provider.baseUrl, maxRetries: 0, logLevel: "off", fetch })
            .chat.completions.create({ model, messages }).then(() => "answered", (error: APIError) => error.status)
        )
      yield* provider.setHealth({ faults: [{ fault: Fault.insufficientQuota, share: 1, keys: ["sk-secret-a"] }] })

      const said = [
        yield* ask("sk-secret-a", "gpt-5"),
        yield* ask("sk-secret-a", "gpt-5-mini"),
        yield* ask("sk-secret-b", "gpt-5")
      ]

      assert.deepStrictEqual(said, [429, 503, "answered"])
      const [open] = yield* troubles(llm)
      assert.match(open!, /^127\.0\.0\.1:\d+#[0-9a-f]{8}: Open$/)
      assert.notInclude(JSON.stringify((yield* llm.snapshots).map(({ name }) => name)), "secret")
    }))

  it.effect("takes whom a request concerns from its own scopes where it is told them", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make()
      const llm = yield* LlmBreaker.make()
      const fetch = SdkFetch.make({ llm, scopes: () => ({ provider: "openai", key: "team-a", region: "eu" }) })
      const client = new OpenAI({ apiKey: "sk-a", baseURL: provider.baseUrl, fetch })

      yield* Effect.promise(() => client.chat.completions.create({ model: "gpt-5", messages }))

      const circuits = (yield* llm.snapshots).map(({ name }) => name).toSorted()
      assert.deepStrictEqual(circuits, [
        "openai",
        "openai#team-a",
        "openai@eu",
        "openai@eu/gpt-5",
        "openai@eu/gpt-5#team-a"
      ])
    }))

  it("throws at once for a setting that is none", () => {
    assert.throws(() => SdkFetch.make({ llm: { escalateAfter: 0 } }), RangeError, "escalateAfter must be")
    assert.throws(
      () => SdkFetch.make({ headers: "0 seconds" }),
      RangeError,
      "SdkFetch.make: headers must be"
    )
  })

  it("knows of a rejection wherever it hides, and of none elsewhere", () => {
    const none = [undefined, null, "text", {}, new Error("no"), new Response(null, { status: 503 })]
    for (const error of none) assert.isUndefined(SdkFetch.rejectionOf(error))
    const circle: { cause?: unknown } = {}
    circle.cause = circle
    assert.isUndefined(SdkFetch.rejectionOf(circle))
  })
})
