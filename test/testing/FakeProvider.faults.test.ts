import { assert, describe, it } from "@effect/vitest"
import { FakeProvider, Fault } from "effect-breaker/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { ask, at, eventsOf, type Format, formats, lastEntry, running, saidIn, send, statusOf } from "./asking.ts"

const healthyText = "This answer comes from a healthy fake provider"
const streams = [false, true]

const make = FakeProvider.make({ allowHeader: true })

/** Runs a check in every format, plain and streamed. */
const everywhere = <E, R>(check: (format: Format, stream: boolean) => Effect.Effect<void, E, R>) =>
  Effect.forEach(formats, (format) => Effect.forEach(streams, (stream) => check(format, stream)))

const ending = ({ end, fault, status, tokens }: FakeProvider.Entry) => ({ end, fault, status, tokens })

/** How a stream says that it is complete. */
const lastEvent = { chat: "[DONE]", responses: "response.completed", messages: "message_stop" }

const isComplete = (format: Format, text: string): boolean => {
  const last = eventsOf(text).at(-1)
  return lastEvent[format] === (format === "chat" ? last?.data : at(last?.data, "type"))
}

/** The error in a body, whatever the format. */
const errorIn = (text: string): unknown => at(JSON.parse(text), "error")

describe("FakeProvider's faults in every format", () => {
  it.effect("are absent from a healthy answer", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const heard = yield* ask(provider, format, { stream })

          assert.strictEqual(heard.status, 200)
          assert.strictEqual(saidIn(format, heard, stream), healthyText)
          assert.strictEqual(
            heard.headers.get("content-type"),
            stream ? "text/event-stream; charset=utf-8" : "application/json"
          )
          if (stream) assert.isTrue(isComplete(format, heard.text))
        })
      )
    }))

  describe("jsonError", () => {
    it.effect("has the shape of the format, and its words where none are given", () =>
      Effect.gen(function*() {
        const provider = yield* make
        const fault = Fault.jsonError({ status: 500, code: "boom", message: "Broken", fields: { extra: [1] } })
        const openai = { message: "Broken", type: "server_error", param: null, code: "boom", extra: [1] }

        yield* everywhere((format, stream) =>
          Effect.gen(function*() {
            const { headers, status, text } = yield* ask(provider, format, { stream, fault })

            assert.deepStrictEqual([status, headers.get("content-type")], [500, "application/json"])
            const { index } = yield* lastEntry(provider)
            assert.deepStrictEqual(
              JSON.parse(text),
              format === "messages"
                ? {
                  type: "error",
                  error: { type: "api_error", message: "Broken", extra: [1] },
                  request_id: `req_1_${index}`
                }
                : { error: openai }
            )
            assert.strictEqual(headers.get(format === "messages" ? "request-id" : "x-request-id"), `req_1_${index}`)
          })
        )
      }))

    it.effect("gives each status the type that the provider has for it", () =>
      Effect.gen(function*() {
        const provider = yield* make
        const typeOf = (format: Format, status: number) =>
          Effect.map(ask(provider, format, { fault: Fault.jsonError({ status }) }), ({ text }) =>
            at(errorIn(text), "type"))
        const statuses = [400, 401, 402, 403, 404, 413, 429, 500, 503, 504, 529]

        assert.deepStrictEqual(
          yield* Effect.forEach(statuses, (status) =>
            typeOf("messages", status)),
          [
            "invalid_request_error",
            "authentication_error",
            "billing_error",
            "permission_error",
            "not_found_error",
            "request_too_large",
            "rate_limit_error",
            "api_error",
            "api_error",
            "timeout_error",
            "overloaded_error"
          ]
        )
        assert.deepStrictEqual(yield* Effect.forEach(statuses, (status) => typeOf("responses", status)), [
          ...Array.from({ length: 6 }, () => "invalid_request_error"),
          "requests",
          "server_error",
          "service_unavailable_error",
          "server_error",
          "overloaded_error"
        ])
      }))

    it.effect("says when to come back in each way, after the wall clock where that is a time", () =>
      Effect.gen(function*() {
        const provider = yield* make
        yield* TestClock.setTime(Date.parse("2026-03-01T10:00:00.200Z"))
        const hinted = (format: Fault.HintFormat) =>
          ask(provider, "chat", { fault: Fault.rateLimited({ retryAfter: "90500 millis", hint: format }) })
        const header = (format: Fault.HintFormat, name: string) =>
          Effect.map(hinted(format), ({ headers }) => headers.get(name))
        const inBody = (format: Fault.HintFormat) => Effect.map(hinted(format), ({ text }) => errorIn(text))

        assert.strictEqual(yield* header("retry-after", "retry-after"), "90.5")
        assert.strictEqual(yield* header("retry-after-date", "retry-after"), "Sun, 01 Mar 2026 10:01:31 GMT")
        assert.strictEqual(yield* header("retry-after-ms", "retry-after-ms"), "90500")
        assert.strictEqual(yield* header("x-ms-retry-after-ms", "x-ms-retry-after-ms"), "90500")
        for (const per of ["requests", "tokens"] as const) {
          const { headers } = yield* hinted(`x-ratelimit-reset-${per}`)
          assert.deepStrictEqual(
            [headers.get(`x-ratelimit-reset-${per}`), headers.get(`x-ratelimit-remaining-${per}`)],
            ["1m30.5s", "0"]
          )
        }
        assert.deepStrictEqual(at(yield* inBody("retry-info"), "details"), [
          { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "90.5s" }
        ])
        assert.strictEqual(at(yield* inBody("retry_after"), "retry_after"), 90.5)
        assert.match(String(at(yield* inBody("message"), "message")), /Please try again in 1m30\.5s\.$/)
        assert.match(String(at(yield* inBody("message-date"), "message")), /try again at 2026-03-01T10:01:31Z\.$/)
        for (const per of ["requests", "tokens", "input-tokens", "output-tokens"] as const) {
          const fault = Fault.jsonError({
            status: 429,
            hint: { format: `anthropic-ratelimit-${per}-reset`, after: "90500 millis" }
          })
          const { headers } = yield* ask(provider, "messages", { fault })
          const left = (name: string) => headers.get(`anthropic-ratelimit-${name}`)
          assert.deepStrictEqual([left(`${per}-reset`), left(`${per}-remaining`)], ["2026-03-01T10:01:31Z", "0"])
          const other = per === "requests" ? "tokens" : "requests"
          assert.notStrictEqual(left(`${other}-remaining`), "0")
        }
      }))
  })

  it.effect("htmlError: a page of the edge, with headers of its own and none of the provider's", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          for (const status of [502, 520, 524]) {
            const fault = Fault.htmlError({ status, headers: { "Retry-After": "7" } })
            const heard = yield* ask(provider, format, { stream, fault })

            assert.strictEqual(heard.status, status)
            assert.include(heard.text, `<h1>${status} `)
            assert.deepStrictEqual(
              ["content-type", "server", "retry-after", "request-id", "x-request-id"].map((name) =>
                heard.headers.get(name)
              ),
              ["text/html; charset=UTF-8", "cloudflare", "7", null, null]
            )
          }
        })
      )
    }))

  it.effect("emptyBody: status 200 and not one byte", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const { broken, status, text } = yield* ask(provider, format, { stream, fault: Fault.emptyBody })

          assert.deepStrictEqual([status, text, broken], [200, "", undefined])
        })
      )
    }))

  it.effect("cutAfter: a good end too early, of half a JSON document or of a stream without its last events", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const heard = yield* ask(provider, format, { stream, fault: Fault.cutAfter({ tokens: 3 }) })

          assert.strictEqual(heard.broken, undefined)
          if (stream) {
            assert.strictEqual(saidIn(format, heard, stream), "This answer comes")
            assert.isFalse(isComplete(format, heard.text))
          } else {
            assert.match(heard.text, /"This answer comes$/)
          }
          assert.deepStrictEqual(ending(yield* lastEntry(provider)), {
            end: "cut",
            fault: "CutAfter",
            status: 200,
            tokens: 3
          })
        })
      )
    }))

  it.effect("reset: no byte at all", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const error = yield* Effect.promise(() =>
            send(provider, format, { stream, fault: Fault.reset }).then(
              () => assert.fail("answered"),
              (error: unknown) => error
            )
          )

          assert.strictEqual(at(error, "cause", "code"), "ECONNRESET")
          assert.deepStrictEqual(ending(yield* lastEntry(provider)), {
            end: "reset",
            fault: "Reset",
            status: undefined,
            tokens: 0
          })
        })
      )
    }))

  it.effect("hangs: before headers, before the first token, or after some, until the client leaves", () =>
    Effect.gen(function*() {
      const provider = yield* make
      const hangs = [
        { fault: Fault.hangBeforeHeaders, status: undefined, tokens: 0 },
        { fault: Fault.hangBeforeFirstToken, status: 200, tokens: 0 },
        { fault: Fault.stallAfter({ tokens: 0 }), status: 200, tokens: 0 },
        { fault: Fault.stallAfter({ tokens: 2 }), status: 200, tokens: 2 }
      ]

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          for (const { fault, status, tokens } of hangs) {
            const leave = new AbortController()
            const answer = send(provider, format, { stream, fault, signal: leave.signal }).then((r) => r.text())
            const left = answer.then(() => assert.fail("ended"), () => true)
            yield* running(
              provider,
              (entry) => entry.fault === fault._tag && entry.status === status && entry.tokens === tokens
            )
            yield* TestClock.adjust("1 day")
            assert.strictEqual(yield* provider.inFlight, 1)
            leave.abort()

            assert.isTrue(yield* Effect.promise(() => left))
            assert.deepStrictEqual(ending(yield* lastEntry(provider)), {
              end: "client-closed",
              fault: fault._tag,
              status,
              tokens
            })
          }
        })
      )
    }))

  it.effect("onlyKeepAlive: signs of life for ever, and not one token more", () =>
    Effect.gen(function*() {
      const provider = yield* make
      const sign = {
        chat: ": keep-alive\n\n",
        responses: ": keep-alive\n\n",
        messages: `event: ping\ndata: {"type":"ping"}\n\n`
      }

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          for (const after of [0, 2]) {
            const leave = new AbortController()
            const fault = Fault.onlyKeepAlive({ after, every: "10 seconds" })
            const expected = stream ? sign[format] : "\n"
            const response = yield* Effect.promise(() =>
              send(provider, format, { stream, fault, signal: leave.signal })
            )
            const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
            let text = ""
            const hears = (signs: number) =>
              Effect.gen(function*() {
                while (!text.endsWith(expected.repeat(signs))) {
                  text += (yield* Effect.promise(() => reader.read())).value ?? ""
                }
                yield* running(provider, ({ bytes }) => bytes === text.length)
              })

            yield* hears(1)
            if (after === 0) assert.strictEqual(text, expected)
            for (const signs of [2, 3, 4]) {
              yield* TestClock.adjust(9_999)
              assert.strictEqual((yield* provider.journal).at(-1)!.bytes, text.length)
              yield* TestClock.adjust(1)
              yield* hears(signs)
            }
            leave.abort()

            assert.strictEqual((yield* lastEntry(provider)).tokens, after)
            if (stream) {
              const heard = { status: 200, headers: response.headers, text, broken: undefined }
              assert.strictEqual(saidIn(format, heard, true), after === 0 ? "" : "This answer")
            }
          }
        })
      )
    }))

  it.effect("slowDrip: so many tokens a second", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const fault = Fault.slowDrip({ tokensPerSecond: 2 })
          const fiber = yield* Effect.forkChild(ask(provider, format, { stream, fault }), { startImmediately: true })
          const isLast = (check: (entry: FakeProvider.Entry) => boolean) =>
            running(provider, (entry) => entry.fault === "SlowDrip" && check(entry))
          if (stream) {
            for (let tokens = 0; tokens < 7; tokens++) {
              yield* isLast((entry) => entry.tokens === tokens && entry.bytes > 0)
              yield* TestClock.adjust(499)
              assert.strictEqual((yield* provider.journal).at(-1)!.tokens, tokens)
              yield* TestClock.adjust(1)
              yield* isLast((entry) => entry.tokens === tokens + 1)
            }
            yield* TestClock.adjust(500)
          } else {
            yield* isLast(() => true)
            yield* TestClock.adjust(3_999)
            assert.strictEqual((yield* provider.journal).at(-1)!.status, undefined)
            yield* TestClock.adjust(1)
          }

          assert.strictEqual(saidIn(format, yield* Fiber.join(fiber), stream), healthyText)
        })
      )
    }))

  it.effect("errorChunk: an error in the stream, first or after some tokens, and no end", () =>
    Effect.gen(function*() {
      const provider = yield* make
      const error = { type: "overloaded_error", message: "Overloaded" }
      const openai = { ...error, param: null, code: null }

      for (const after of [0, 2]) {
        for (const shape of ["flat", "nested"] as const) {
          for (const format of formats) {
            const fault = Fault.errorChunk({ after, shape, ...error })
            const heard = yield* ask(provider, format, { stream: true, fault })
            const events = eventsOf(heard.text)
            const failed = events.findIndex(({ data }) =>
              at(data, "error") !== undefined || at(data, "type") === "error"
            )
            const sent = events[failed]

            assert.strictEqual(saidIn(format, heard, true), after === 0 ? "" : "This answer")
            assert.strictEqual(failed === 0, after === 0)
            assert.isFalse(isComplete(format, heard.text))
            if (format === "chat") assert.deepStrictEqual(sent, { event: undefined, data: { error: openai } })
            if (format === "messages") {
              assert.deepStrictEqual(sent, { event: "error", data: { type: "error", error } })
            }
            if (format === "responses") {
              const head = { type: "error", sequence_number: failed }
              const { type, ...flat } = openai
              assert.deepStrictEqual(sent, {
                event: "error",
                data: shape === "flat" ? { ...head, ...flat } : { ...head, error: openai }
              })
              const rest = events.slice(failed + 1)
              assert.deepStrictEqual(
                rest.map(({ data, event }) => [event, at(data, "sequence_number"), at(data, "response", "status")]),
                shape === "flat" ? [] : [["response.failed", failed + 1, "failed"]]
              )
              if (shape === "nested") {
                assert.deepStrictEqual(at(rest[0]!.data, "response", "error"), {
                  code: "overloaded_error",
                  message: "Overloaded"
                })
                assert.strictEqual(type, "overloaded_error")
              }
            } else {
              assert.strictEqual(events.length, failed + 1)
            }
            assert.strictEqual((yield* lastEntry(provider)).end, "cut")
          }
        }
      }
    }))

  it.effect("errorBody: status 200 and an error in JSON, also where a stream was asked for", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const fault = Fault.errorBody({ type: "upstream", message: "No luck" })
          const { headers, status, text } = yield* ask(provider, format, { stream, fault })

          assert.deepStrictEqual([status, headers.get("content-type")], [200, "application/json"])
          assert.deepInclude(errorIn(text), { type: "upstream", message: "No luck" })
        })
      )
    }))

  it.effect("resetAfter: the connection breaks in the middle", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const heard = yield* ask(provider, format, { stream, fault: Fault.resetAfter({ tokens: 3 }) })
          assert.strictEqual(heard.broken?.message, "terminated")
          assert.include(heard.text, "comes")
          assert.notInclude(heard.text, "provider")

          // A TCP reset may overtake what was sent before it, even the headers.
          const fault = Fault.resetAfter({ tokens: 3, by: "reset" })
          const error = yield* Effect.promise(() =>
            send(provider, format, { stream, fault }).then((response) => response.text()).then(
              () => assert.fail("ended"),
              (error: unknown) => error
            )
          )
          assert.instanceOf(error, TypeError)

          for (const entry of (yield* provider.journal).slice(-2)) {
            assert.deepStrictEqual(ending(entry), { end: "reset", fault: "ResetAfter", status: 200, tokens: 3 })
          }
        })
      )
    }))

  it.effect("malformed: one piece that is no JSON, and the rest as ever", () =>
    Effect.gen(function*() {
      const provider = yield* make

      for (const format of formats) {
        for (const after of [0, 3, 99]) {
          const heard = yield* ask(provider, format, { stream: true, fault: Fault.malformed({ after }) })
          const bad = eventsOf(heard.text).map(({ data }) => typeof data === "string" && data !== "[DONE]")

          assert.strictEqual(bad.filter((isBad) => isBad).length, 1)
          assert.strictEqual(
            saidIn(format, heard, true),
            after === 3 ? "This answer comes a healthy fake provider" : healthyText
          )
          assert.strictEqual((yield* lastEntry(provider)).end, "complete")
        }
        const plain = yield* ask(provider, format, { fault: Fault.malformed() })
        assert.throws(() => JSON.parse(plain.text), SyntaxError)
        assert.include(plain.text, healthyText)
        assert.match(plain.text, /\}$/)
      }
    }))

  it.effect("duplicated: each token of a stream twice, or all of it", () =>
    Effect.gen(function*() {
      const provider = yield* make

      for (const format of formats) {
        const tokens = yield* ask(provider, format, { stream: true, fault: Fault.duplicated() })
        const answers = yield* ask(provider, format, { stream: true, fault: Fault.duplicated({ unit: "answer" }) })

        assert.strictEqual(
          saidIn(format, tokens, true),
          "ThisThis answer answer comes comes from from a a healthy healthy fake fake provider provider"
        )
        assert.isTrue(isComplete(format, tokens.text))
        assert.strictEqual(saidIn(format, answers, true), healthyText + healthyText)
        const half = answers.text.length / 2
        assert.strictEqual(answers.text.slice(0, half), answers.text.slice(half))
      }
    }))

  it.effect("duplicated: a plain answer a second time, to a client that has not asked again", () =>
    Effect.gen(function*() {
      const provider = yield* make

      for (const format of formats) {
        const raw = yield* Effect.promise(() => rawAnswers(provider, format, 2))

        const [first, second] = raw.map((answer) => JSON.parse(answer))
        assert.strictEqual(raw.length, 2)
        assert.deepStrictEqual(first, second)
        // A client that reads one answer a request gets the first, and is none the worse for the other.
        const heard = yield* ask(provider, format, { fault: Fault.duplicated() })
        assert.strictEqual(saidIn(format, heard, false), healthyText)
        assert.strictEqual(yield* statusOf(provider, format), 200)
      }
    }))

  it.effect("lateAnswer: a whole answer after a while", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const fault = Fault.lateAnswer({ after: "30 seconds" })
          const fiber = yield* Effect.forkChild(ask(provider, format, { stream, fault }), { startImmediately: true })
          yield* running(provider, (entry) => entry.fault !== undefined)
          yield* TestClock.adjust(29_999)
          assert.strictEqual((yield* provider.journal).at(-1)!.status, undefined)
          yield* TestClock.adjust(1)

          assert.strictEqual(saidIn(format, yield* Fiber.join(fiber), stream), healthyText)
          assert.strictEqual((yield* lastEntry(provider)).end, "complete")
        })
      )
    }))

  it.effect("lateAnswer: is worked out to its end when the client has left", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const leave = new AbortController()
          const fault = Fault.lateAnswer({ after: "30 seconds" })
          const left = send(provider, format, { stream, fault, signal: leave.signal }).then(
            () => assert.fail("answered"),
            () => true
          )
          yield* running(provider, (entry) => entry.fault !== undefined)
          leave.abort()
          assert.isTrue(yield* Effect.promise(() => left))
          yield* TestClock.adjust(29_999)
          assert.strictEqual(yield* provider.inFlight, 1)
          yield* TestClock.adjust(1)

          const entry = yield* lastEntry(provider)
          assert.deepStrictEqual([entry.end, entry.tokens, entry.bytes], ["unheard", 0, 0])
        })
      )
    }))

  it.effect("emptyAnswer: nothing said, and a good end", () =>
    Effect.gen(function*() {
      const provider = yield* make

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const heard = yield* ask(provider, format, { stream, fault: Fault.emptyAnswer })

          assert.deepStrictEqual(ending(yield* lastEntry(provider)), {
            end: "complete",
            fault: "EmptyAnswer",
            status: 200,
            tokens: 0
          })
          if (stream) assert.isTrue(isComplete(format, heard.text))
          if (!stream) {
            const content = {
              chat: ["choices", 0, "message", "content"],
              responses: ["output", 0, "content", 0, "text"],
              messages: ["content"]
            }[format]
            assert.deepStrictEqual(at(JSON.parse(heard.text), ...content), format === "messages" ? [] : "")
          }
        })
      )
    }))

  it.effect("endsBy: length, content filter, refusal and error, each in the format's word", () =>
    Effect.gen(function*() {
      const provider = yield* make
      const plainEnd = (format: Format, reason: Fault.EndsBy["reason"]) =>
        Effect.map(ask(provider, format, { fault: Fault.endsBy({ reason, after: 2 }) }), ({ text }) => JSON.parse(text))
      const streamEnd = (format: Format, reason: Fault.EndsBy["reason"]) =>
        Effect.map(
          ask(provider, format, { stream: true, fault: Fault.endsBy({ reason, after: 2 }) }),
          ({ text }) => eventsOf(text)
        )

      const seen: Record<string, ReadonlyArray<unknown>> = {}
      for (const reason of ["length", "content-filter", "refusal", "error"] as const) {
        const chat = yield* plainEnd("chat", reason)
        const chatStream = yield* streamEnd("chat", reason)
        assert.deepStrictEqual(
          at(chatStream.at(-2)!.data, "choices", 0, "finish_reason"),
          at(chat, "choices", 0, "finish_reason")
        )
        const response = yield* plainEnd("responses", reason)
        const responseStream = yield* streamEnd("responses", reason)
        const { id, ...rest } = response
        const { id: streamId, ...streamRest } = Object(at(responseStream.at(-1)!.data, "response"))
        assert.notStrictEqual(id, streamId)
        assert.deepStrictEqual(
          JSON.stringify(streamRest).replaceAll(/_1_\d+/g, ""),
          JSON.stringify(rest).replaceAll(/_1_\d+/g, "")
        )
        const message = yield* plainEnd("messages", reason)
        const messageStream = yield* streamEnd("messages", reason)
        assert.strictEqual(at(messageStream.at(-2)!.data, "delta", "stop_reason"), message.stop_reason)
        seen[reason] = [
          at(chat, "choices", 0, "finish_reason"),
          at(chat, "choices", 0, "message", "refusal"),
          at(response, "status"),
          at(response, "incomplete_details", "reason") ?? at(response, "error", "code"),
          at(response, "output", 0, "content", 0, "type"),
          at(message, "stop_reason")
        ]
      }

      assert.deepStrictEqual(seen, {
        length: ["length", null, "incomplete", "max_output_tokens", "output_text", "max_tokens"],
        "content-filter": ["content_filter", null, "incomplete", "content_filter", "output_text", "refusal"],
        refusal: ["stop", "This answer", "completed", undefined, "refusal", "refusal"],
        error: ["error", null, "failed", "server_error", "output_text", "error"]
      })
    }))

  it.effect("invalidJson: text that is no JSON, where a schema was asked for", () =>
    Effect.gen(function*() {
      const provider = yield* make
      const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] }
      const more = {
        chat: { response_format: { type: "json_schema", json_schema: { name: "x", schema } } },
        responses: { text: { format: { type: "json_schema", name: "x", schema } } },
        messages: { output_config: { format: { type: "json_schema", schema } } }
      }

      yield* everywhere((format, stream) =>
        Effect.gen(function*() {
          const healthy = yield* ask(provider, format, { stream, more: more[format] })
          const faulty = yield* ask(provider, format, { stream, more: more[format], fault: Fault.invalidJson })

          assert.deepStrictEqual(JSON.parse(saidIn(format, healthy, stream)), { ok: true })
          assert.match(saidIn(format, faulty, stream), /^\{ "answer"/)
          assert.throws(() => JSON.parse(saidIn(format, faulty, stream)), SyntaxError)
        })
      )
    }))

  describe("allowHeader", () => {
    it.effect("refuses a request that picks its fault where that is not allowed", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make()

        for (const format of formats) {
          const { status, text } = yield* ask(provider, format, { fault: Fault.overloaded })

          assert.strictEqual(status, 400)
          assert.include(text, "allowHeader")
        }
      }))

    it.effect("lets every ready-made fault be picked by its name", () =>
      Effect.gen(function*() {
        const provider = yield* make
        const named = (name: string) =>
          Effect.promise(async () => {
            const response = await fetch(`${provider.baseUrl}/messages`, {
              method: "POST",
              headers: { "x-fault": name },
              body: JSON.stringify({ messages: [{ role: "user", content: "x" }] })
            })
            return [response.status, at(errorIn(await response.text()), "type")]
          })

        assert.deepStrictEqual(yield* named("anthropic.billing"), [402, "billing_error"])
        assert.deepStrictEqual(yield* named("openai.slowDown"), [429, "rate_limit_error"])
        assert.deepStrictEqual(yield* named("rateLimited"), [429, "rate_limit_error"])
        assert.deepStrictEqual(yield* named("errorBody"), [200, "api_error"])
        assert.deepStrictEqual(yield* named("no such thing"), [400, "invalid_request_error"])
      }))
  })

  describe("keepAlive", () => {
    it.effect("sends headers at once and signs of life until the first token, and changes no plain answer", () =>
      Effect.gen(function*() {
        const provider = yield* FakeProvider.make({
          script: [{ for: 1, latency: "10 seconds", keepAlive: "3 seconds" }]
        })

        yield* everywhere((format, stream) =>
          Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(ask(provider, format, { stream }), { startImmediately: true })
            yield* running(provider, ({ model, status }) => model !== undefined && (!stream || status === 200))
            for (const [step, signs] of [[3_000, 1], [3_000, 2], [3_000, 3], [999, 3]] as const) {
              yield* TestClock.adjust(step)
              const size =
                (format === "messages" ? `event: ping\ndata: {"type":"ping"}\n\n` : ": keep-alive\n\n").length
              yield* provider.awaitJournal((entries) => entries.at(-1)!.bytes === (stream ? signs * size : 0))
            }
            yield* TestClock.adjust(1)
            const heard = yield* Fiber.join(fiber)

            assert.strictEqual(saidIn(format, heard, stream), healthyText)
          })
        )
      }))
  })
})

/** The bodies of so many answers that come to one request on one connection. */
const rawAnswers = async (provider: FakeProvider.FakeProvider, format: Format, count: number) => {
  const { connect } = await import("node:net")
  const path = { chat: "chat/completions", responses: "responses", messages: "messages" }[format]
  const body = JSON.stringify({ messages: [{ role: "user", content: "x" }], input: "x" })
  const { "x-fault": fault } = Fault.header(Fault.duplicated())
  const socket = connect(provider.port, "127.0.0.1")
  socket.write(
    `POST /v1/${path} HTTP/1.1\r\nhost: a\r\nx-fault: ${fault}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  )
  let text = ""
  for await (const part of socket.setEncoding("utf8")) {
    text += part
    // The second answer ends with a line break less than the first, which is sent in chunks.
    if (text.split("HTTP/1.1 200 OK").length > count && text.endsWith("}")) break
  }
  socket.destroy()
  return text.split("HTTP/1.1 200 OK").slice(1).map((answer) => {
    const body = answer.slice(answer.indexOf("\r\n\r\n"))
    return body.replaceAll(/\r\n[0-9a-f]+\r\n/g, "").trim()
  })
}
