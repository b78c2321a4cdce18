import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Queue, Schedule, Stream } from "effect"
import { Breaker, CallWindow, CircuitRejected, Fallback, Outcome, TripPolicy } from "effect-breaker"
import { LlmStream, type PartReader, StreamBroken } from "effect-breaker/llm"
import { TestClock } from "effect/testing"

type Part = PartReader.Part

// Parts that say of themselves what they are.
const reader: PartReader.Reader<Part> = { read: (part) => part }
const ping: Part = {}
const say = (text: string): Part => ({ content: text.length })
const finish = (reason: PartReader.FinishReason, usage?: PartReader.Usage): Part => ({ finish: reason, usage })
const stop = finish("stop")
const overloaded = { status: 529, message: "Overloaded" }
const error = (error: unknown = overloaded): Part => ({ error })

type Options = Omit<LlmStream.Options<Part>, "reader">

interface Told {
  readonly votes: ReadonlyArray<LlmStream.Report["outcome"]>
  readonly answers: number
}

/** An admission that notes what it is told. */
const witness = () => {
  const votes: Array<LlmStream.Report["outcome"]> = []
  let answers = 0
  const admission: LlmStream.Admission = {
    settle: (outcome) => Effect.sync(() => votes.push(outcome)),
    answered: Effect.sync(() => answers++)
  }
  return { admission, told: (): Told => ({ votes: [...votes], answers }) }
}

/** Runs a guarded stream to its end: what was handed on, how it ended, and what the circuit was told. */
const watch = <E>(stream: Stream.Stream<Part, E>, options?: Options) =>
  Effect.gen(function*() {
    const { admission, told } = witness()
    const seen: Array<Part> = []
    const exit = yield* stream.pipe(
      LlmStream.guardWith(Effect.succeed(admission), { reader, ...options }),
      Stream.runForEach((part) => Effect.sync(() => seen.push(part))),
      Effect.exit
    )
    const { answers, votes } = told()
    assert.lengthOf(votes, 1)
    return { answers, exit, seen, vote: votes[0]!, broken: brokenOf(exit) }
  })

const brokenOf = (exit: Exit.Exit<unknown, unknown>): StreamBroken | undefined => {
  const squashed = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return squashed instanceof StreamBroken ? squashed : undefined
}

const parts = (...parts: ReadonlyArray<Part>) => Stream.fromIterable(parts).pipe(Stream.rechunk(1))
const atOnce = (...parts: ReadonlyArray<Part>) => Stream.fromIterable(parts)

type Script = ReadonlyArray<readonly [Duration.Input, Part?]>

/** Parts that each come so long after they are pulled for; a stream that ends with a wait hangs for ever. */
const timed = (...script: Script) =>
  Stream.fromIterable(script).pipe(
    Stream.rechunk(1),
    Stream.mapEffect(([wait, part]) => Effect.andThen(Effect.sleep(wait), part ? Effect.succeed(part) : Effect.never))
  )

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** Watches a stream while time passes, as long as it takes. */
const watchTime = <E>(stream: Stream.Stream<Part, E>, options?: Options) =>
  Effect.gen(function*() {
    const watching = yield* fork(watch(stream, options))
    for (let i = 0; i < 200 && watching.pollUnsafe() === undefined; i++) yield* TestClock.adjust(500)
    return yield* Fiber.join(watching)
  })

describe("LlmStream", () => {
  describe("a whole answer", () => {
    it.effect("is handed on part by part, and votes Success when it ends", () =>
      Effect.gen(function*() {
        const answer = [ping, say("Once"), ping, say("upon"), stop, ping]
        const { answers, exit, seen, vote } = yield* watch(parts(...answer))

        assert.deepStrictEqual<unknown>(exit, Exit.void)
        assert.deepStrictEqual(seen, answer)
        assert.deepStrictEqual(vote, { _tag: "Success", scope: "model" })
        assert.strictEqual(answers, 1)
      }))

    it.effect("is the same whether its parts come one by one or all at once", () =>
      Effect.gen(function*() {
        const answer = [ping, say("Once"), ping, stop]
        const { exit, seen, vote } = yield* watch(atOnce(...answer))

        assert.deepStrictEqual<unknown>(exit, Exit.void)
        assert.deepStrictEqual(seen, answer)
        assert.strictEqual(vote._tag, "Success")
      }))

    it.effect("is handed on as it comes: one part does not wait for the next", () =>
      Effect.gen(function*() {
        const seen = yield* Deferred.make<Part>()
        const { admission } = witness()
        const reading = yield* Stream.concat(parts(ping, say("Once")), Stream.never).pipe(
          LlmStream.guardWith(Effect.succeed(admission), { reader }),
          Stream.filter((part) => part.content !== undefined),
          Stream.runForEach((part) => Deferred.succeed(seen, part)),
          fork
        )

        assert.deepStrictEqual(yield* Deferred.await(seen), say("Once"))
        yield* Fiber.interrupt(reading)
      }))

    it.effect("may be empty where the model stopped of its own accord: that is a matter of quality", () =>
      Effect.gen(function*() {
        for (const reason of ["stop", "tool-calls", "pause"] as const) {
          const { answers, exit, seen, vote } = yield* watch(parts(ping, finish(reason)))

          assert.deepStrictEqual<unknown>(exit, Exit.void)
          assert.deepStrictEqual(seen, [ping, finish(reason)])
          assert.strictEqual(vote._tag, "Success")
          assert.strictEqual(vote.kind, reason === "pause" ? undefined : "empty")
          assert.strictEqual(answers, 0)
        }
      }))

    it.effect("counts as Success with content, whatever word it finished with", () =>
      Effect.gen(function*() {
        for (const reason of ["stop", "length", "tool-calls", "pause", "other", "unknown"] as const) {
          const { exit, vote } = yield* watch(parts(say("Once"), finish(reason)))

          assert.deepStrictEqual<unknown>(exit, Exit.void)
          assert.strictEqual(vote._tag, "Success")
        }
      }))

    it.effect("is Ignored when a filter stopped it, or the caller's limit left no room, and ends as it did", () =>
      Effect.gen(function*() {
        const filtered = yield* watch(parts(say("Once"), finish("content-filter")))
        const refused = yield* watch(parts(finish("content-filter")))
        const noRoom = yield* watch(parts(finish("length")))
        const word = yield* watch(parts(finish("other")))

        for (const { exit, vote } of [filtered, refused, noRoom, word]) {
          assert.deepStrictEqual<unknown>(exit, Exit.void)
          assert.strictEqual(vote._tag, "Ignored")
        }
        assert.deepStrictEqual([filtered, refused, noRoom, word].map(({ vote }) => vote.kind), [
          "content-policy",
          "content-policy",
          "context-length",
          "unknown"
        ])
      }))

    it.effect("is Ignored when it is a refusal, which its provider ends as any answer", () =>
      Effect.gen(function*() {
        const no = { ...say("No"), refused: true }
        const refused = yield* watch(parts(no, say(", sorry"), finish("stop")))
        const cut = yield* watch(parts(no))

        assert.deepStrictEqual<unknown>(refused.exit, Exit.void)
        assert.deepStrictEqual([refused.vote._tag, refused.vote.kind], ["Ignored", "content-policy"])
        assert.deepStrictEqual([cut.vote._tag, cut.vote.kind], ["Failure", "truncated"])
      }))

    it.effect("ends where the stream ends, for a reader that says so", () =>
      Effect.gen(function*() {
        const text: PartReader.Reader<Part> = { ...reader, wholeAt: "end" }
        const { admission, told } = witness()
        const run = (stream: Stream.Stream<Part>) =>
          Effect.exit(
            Stream.runCollect(LlmStream.guardWith(stream, Effect.succeed(admission), { reader: text }))
          )
        const whole = yield* run(parts(say("Once")))
        const empty = yield* run(parts(ping))

        assert.deepStrictEqual<unknown>(whole, Exit.succeed([say("Once")]))
        assert.strictEqual(brokenOf(empty)?.kind, "empty")
        assert.deepStrictEqual(told().votes.map(({ _tag }) => _tag), ["Success", "Failure"])
      }))
  })

  describe("an answer that breaks off", () => {
    const before = {
      "an error part": { stream: [ping, error()], kind: "overloaded", cause: overloaded },
      "a cut": { stream: [ping, ping], kind: "truncated", cause: undefined },
      "no part at all": { stream: [], kind: "truncated", cause: undefined },
      "a finish that says error": { stream: [ping, finish("error")], kind: "empty", cause: undefined },
      "a finish that says nothing": { stream: [ping, finish("unknown")], kind: "empty", cause: undefined }
    }

    for (const [name, { cause, kind, stream }] of Object.entries(before)) {
      for (const onPartial of ["fail", "keep"] as const) {
        it.effect(`by ${name} before any content hands on nothing and fails typed (${onPartial})`, () =>
          Effect.gen(function*() {
            for (const source of [parts(...stream), atOnce(...stream)]) {
              const { answers, broken, seen, vote } = yield* watch(source, { onPartial })

              assert.deepStrictEqual(seen, [])
              assert.strictEqual(vote._tag, "Failure")
              assert.strictEqual(vote.kind, kind)
              assert.deepStrictEqual(
                [broken?.kind, broken?.scope, broken?.partial, broken?.deadline, broken?.cause, broken?.outcome],
                [kind, "model", false, undefined, cause, vote]
              )
              assert.strictEqual(answers, 0)
            }
          }))
      }
    }

    const after = {
      "an error part": { rest: [error(), finish("error")], kind: "overloaded", handedOn: [] },
      "a cut": { rest: [ping], kind: "truncated", handedOn: [ping] },
      "a finish that says error": { rest: [finish("error")], kind: "server", handedOn: [finish("error")] }
    }

    for (const [name, { handedOn, kind, rest }] of Object.entries(after)) {
      const begun = [ping, say("Once"), say("upon")]

      it.effect(`by ${name} after content fails typed, after what came before it`, () =>
        Effect.gen(function*() {
          for (const source of [parts(...begun, ...rest), atOnce(...begun, ...rest)]) {
            const { broken, seen, vote } = yield* watch(source)

            assert.deepStrictEqual(seen, [...begun, ...handedOn])
            assert.deepStrictEqual([broken?.kind, broken?.partial, broken?.outcome], [kind, true, vote])
            assert.strictEqual(vote._tag, "Failure")
          }
        }))

      it.effect(`by ${name} after content ends as the provider ended it where partial answers are kept`, () =>
        Effect.gen(function*() {
          for (const source of [parts(...begun, ...rest), atOnce(...begun, ...rest)]) {
            const { exit, seen, vote } = yield* watch(source, { onPartial: "keep" })

            assert.deepStrictEqual<unknown>(exit, Exit.void)
            assert.deepStrictEqual(seen, [...begun, ...rest])
            assert.deepStrictEqual([vote._tag, vote.kind], ["Failure", kind])
          }
        }))
    }

    it.effect("by an error before content is over, though content would follow and partial answers are kept", () =>
      Effect.gen(function*() {
        for (const onPartial of ["fail", "keep"] as const) {
          const { broken, seen } = yield* watch(parts(error(), say("Once"), stop), { onPartial })

          assert.deepStrictEqual(seen, [])
          assert.isFalse(broken?.partial)
        }
      }))

    it.effect("votes by what the error part says, not every error being the provider's failure", () =>
      Effect.gen(function*() {
        const badPrompt = yield* watch(parts(error({ status: 400, message: "bad prompt" })))
        const busy = yield* watch(parts(error({ status: 429, message: "slow down" })))

        assert.deepStrictEqual([badPrompt.vote._tag, badPrompt.broken?.kind, badPrompt.broken?.scope], [
          "Ignored",
          "invalid-request",
          "request"
        ])
        assert.strictEqual(busy.vote._tag, "Throttled")
        assert.strictEqual(busy.broken?.kind, "rate-limit")
      }))

    it.effect("votes by the first of several errors", () =>
      Effect.gen(function*() {
        const { vote } = yield* watch(parts(say("Once"), error(), error({ status: 400 })), { onPartial: "keep" })

        assert.strictEqual(vote.kind, "overloaded")
      }))

    it.effect("votes at the error, though the reader takes its time over what came before", () =>
      Effect.gen(function*() {
        const { admission, told } = witness()
        const reading = yield* atOnce(say("Once"), error()).pipe(
          LlmStream.guardWith(Effect.succeed(admission), { reader }),
          Stream.runForEach(() => Effect.never),
          fork
        )

        assert.deepStrictEqual(told().votes.map(({ kind }) => kind), ["overloaded"])
        yield* Fiber.interrupt(reading)
        assert.lengthOf(told().votes, 1)
      }))

    it.effect("says in words what happened", () =>
      Effect.gen(function*() {
        const message = (...all: ReadonlyArray<Part>) =>
          Effect.map(watch(parts(...all)), ({ broken }) => broken?.message)

        assert.strictEqual(yield* message(say("Once")), "The answer ends without a finish, after 4 characters")
        assert.strictEqual(yield* message(finish("unknown")), "The answer is empty, and its finish is \"unknown\"")
        assert.match(String(yield* message(error())), /^The provider reported an error/)
      }))

    it.effect("after a tool of the program ran is partial: another model must not run it again", () =>
      Effect.gen(function*() {
        const { broken, seen } = yield* watch(parts(ping, { toolResult: "call_1" }, error()))

        assert.deepStrictEqual(seen, [ping, { toolResult: "call_1" }])
        assert.isTrue(broken?.partial)
      }))
  })

  describe("a stream that fails by itself", () => {
    const fails = (...before: ReadonlyArray<Part>) =>
      Stream.concat(parts(...before), Stream.fail({ status: 503, message: "no capacity" }))

    for (const onPartial of ["fail", "keep"] as const) {
      it.effect(`passes its error on unchanged, and votes by it (${onPartial})`, () =>
        Effect.gen(function*() {
          const early = yield* watch(fails(ping), { onPartial })
          const late = yield* watch(fails(ping, say("Once")), { onPartial })

          for (const { exit, vote } of [early, late]) {
            assert.deepStrictEqual<unknown>(exit, Exit.fail({ status: 503, message: "no capacity" }))
            assert.strictEqual(vote._tag, "Failure")
            assert.strictEqual(vote.kind, "overloaded")
          }
          assert.deepStrictEqual([early.seen, late.seen], [[], [ping, say("Once")]])
        }))
    }

    it.effect("passes a defect on unchanged, and votes by it as by an error", () =>
      Effect.gen(function*() {
        const bug = new Error("a bug")
        const { exit, vote } = yield* watch(Stream.concat(parts(say("Once")), Stream.die(bug)))

        assert.deepStrictEqual<unknown>(exit, Exit.die(bug))
        assert.strictEqual(vote._tag, "Failure")
      }))

    it.effect("is Ignored when the caller's own abort is the error", () =>
      Effect.gen(function*() {
        const { vote } = yield* watch(
          Stream.concat(parts(say("Once")), Stream.fail(new DOMException("aborted", "AbortError")))
        )

        assert.strictEqual(vote._tag, "Ignored")
      }))

    it.effect("is Ignored when it is the reader of its parts that throws", () =>
      Effect.gen(function*() {
        const { admission, told } = witness()
        const bug = new TypeError("no such field")
        const throwing: PartReader.Reader<Part> = {
          read: () => {
            throw bug
          }
        }
        const exit = yield* Effect.exit(
          Stream.runDrain(LlmStream.guardWith(parts(ping), Effect.succeed(admission), { reader: throwing }))
        )

        assert.deepStrictEqual<unknown>(exit, Exit.die(bug))
        assert.deepStrictEqual(told().votes.map(({ _tag }) => _tag), ["Ignored"])
      }))

    it.effect("keeps the vote of a guard further inside", () =>
      Effect.gen(function*() {
        const inner = LlmStream.guardWith(parts(say("Once")), Effect.succeed(witness().admission), { reader })
        const { broken, vote } = yield* watch(inner)

        assert.deepStrictEqual([vote._tag, vote.kind], ["Failure", "truncated"])
        assert.strictEqual(broken?.outcome, vote)
      }))
  })

  describe("a reader that stops early", () => {
    const stopping = (stream: Stream.Stream<Part>, take: number, options?: Options) =>
      Effect.gen(function*() {
        const { admission, told } = witness()
        yield* stream.pipe(
          LlmStream.guardWith(Effect.succeed(admission), { reader, ...options }),
          Stream.take(take),
          Stream.runDrain
        )
        return told().votes
      })

    it.effect("votes Success once there was content", () =>
      Effect.gen(function*() {
        const votes = yield* stopping(parts(say("Once"), say("upon"), stop), 1)

        assert.deepStrictEqual(votes, [{ _tag: "Success", scope: "model" }])
      }))

    it.effect("votes by the end of the answer where it had seen it", () =>
      Effect.gen(function*() {
        const filtered = yield* stopping(parts(say("Once"), finish("content-filter"), ping), 2)
        const failed = yield* stopping(parts(say("Once"), error(), ping), 2, { onPartial: "keep" })

        assert.deepStrictEqual([...filtered, ...failed].map(({ _tag }) => _tag), ["Ignored", "Failure"])
      }))

    it.effect("is Ignored where a tool ran and the model said nothing", () =>
      Effect.gen(function*() {
        const votes = yield* stopping(parts({ toolResult: "call_1" }, say("Once"), stop), 1)

        assert.deepStrictEqual(votes.map(({ _tag }) => _tag), ["Ignored"])
      }))

    it.effect("and fails by itself votes as one that stops", () =>
      Effect.gen(function*() {
        const { admission, told } = witness()
        const exit = yield* parts(say("Once"), say("upon"), stop).pipe(
          LlmStream.guardWith(Effect.succeed(admission), { reader }),
          Stream.mapEffect(() => Effect.fail("disk full")),
          Stream.runDrain,
          Effect.exit
        )

        assert.deepStrictEqual<unknown>(exit, Exit.fail("disk full"))
        assert.deepStrictEqual(told().votes, [{ _tag: "Success", scope: "model" }])
      }))

    it.effect("because it was interrupted is Ignored, with content and without, waiting and busy", () =>
      Effect.gen(function*() {
        const { admission, told } = witness()
        const guarded = LlmStream.guardWith(Effect.succeed(admission), { reader })
        const hanging = (...begun: ReadonlyArray<Part>) => guarded(Stream.concat(parts(...begun), Stream.never))
        const readers = [
          Stream.runDrain(hanging()),
          Stream.runDrain(hanging(ping)),
          Stream.runDrain(hanging(say("Once"))),
          Stream.runForEach(hanging(say("Once")), () => Effect.never)
        ]
        for (const reading of readers) yield* Effect.flatMap(fork(reading), Fiber.interrupt)

        assert.lengthOf(told().votes, readers.length)
        for (const { _tag, kind } of told().votes) assert.deepStrictEqual([_tag, kind], ["Ignored", "cancelled"])
      }))
  })

  describe("deadlines", () => {
    const expectLate = (
      { broken, vote }: { readonly broken: StreamBroken | undefined; readonly vote: LlmStream.Report["outcome"] },
      deadline: StreamBroken["deadline"],
      partial: boolean
    ) => {
      assert.deepStrictEqual([vote._tag, vote.kind, vote.scope], ["Failure", "timeout", "model"])
      assert.deepStrictEqual([broken?.kind, broken?.deadline, broken?.partial], ["timeout", deadline, partial])
    }

    it.effect("end a silent stream at the limit, and not before", () =>
      Effect.gen(function*() {
        for (const deadline of ["headers", "firstContent", "total"] as const) {
          const watching = yield* fork(watch(Stream.never, { [deadline]: "10 seconds" }))
          yield* TestClock.adjust(9999)
          const still = watching.pollUnsafe()
          yield* TestClock.adjust(1)

          assert.isUndefined(still)
          expectLate(yield* Fiber.join(watching), deadline, false)
        }
        const idle = yield* fork(watch(Stream.concat(parts(say("Once")), Stream.never), { idle: "10 seconds" }))
        yield* TestClock.adjust(9999)
        const still = idle.pollUnsafe()
        yield* TestClock.adjust(1)

        assert.isUndefined(still)
        expectLate(yield* Fiber.join(idle), "idle", true)
      }))

    it.effect("headers: the first part of any kind", () =>
      Effect.gen(function*() {
        const options = { headers: "10 seconds" } as const
        const inTime = yield* watchTime(timed([9999, ping], ["1 minute", say("Once")], [0, stop]), options)
        const tooLate = yield* watchTime(timed([10_001, ping]), options)
        const never = yield* watchTime(Stream.never, options)

        assert.strictEqual(inTime.vote._tag, "Success")
        for (const end of [tooLate, never]) expectLate(end, "headers", false)
        assert.strictEqual(never.broken?.message, "No sign of life within 10s (headers)")
      }))

    it.effect("headers: opening the stream is what it waits for", () =>
      Effect.gen(function*() {
        const opening = (wait: number) => Stream.unwrap(Effect.as(Effect.sleep(wait), parts(say("Once"), stop)))
        const inTime = yield* watchTime(opening(9999), { headers: "10 seconds" })
        const tooLate = yield* watchTime(opening(10_001), { headers: "10 seconds" })

        assert.strictEqual(inTime.vote._tag, "Success")
        expectLate(tooLate, "headers", false)
      }))

    it.effect("firstContent: pings and metadata do not count", () =>
      Effect.gen(function*() {
        const options = { firstContent: "10 seconds" } as const
        const pings = [[4000, ping], [4000, ping]] as const
        const inTime = yield* watchTime(timed(...pings, [1999, say("Once")], ["1 minute", stop]), options)
        const tooLate = yield* watchTime(timed(...pings, [2001, say("Once")]), options)
        const never = yield* watchTime(Stream.repeat(timed([3000, ping]), Schedule.forever), options)

        assert.strictEqual(inTime.vote._tag, "Success")
        for (const end of [tooLate, never]) {
          expectLate(end, "firstContent", false)
          assert.deepStrictEqual(end.seen, [])
        }
      }))

    it.effect("idle: from one content to the next, whatever comes between", () =>
      Effect.gen(function*() {
        const options = { idle: "10 seconds" } as const
        const begun = [["1 minute", say("Once")], [9999, say("upon")], [5000, ping]] as const
        const inTime = yield* watchTime(timed(...begun, [4999, say("a")], [0, stop]), options)
        const tooLate = yield* watchTime(timed(...begun, [5001, say("a")]), options)

        assert.strictEqual(inTime.vote._tag, "Success")
        expectLate(tooLate, "idle", true)
        assert.deepStrictEqual(tooLate.seen, begun.map(([, part]) => part))
      }))

    it.effect("idle: the finish is a sign of life too", () =>
      Effect.gen(function*() {
        const options = { idle: "10 seconds" } as const
        const inTime = yield* watchTime(timed([0, say("Once")], [9999, stop], [9999, ping]), options)
        const tooLate = yield* watchTime(timed([0, say("Once")], [9999, stop], [10_001, ping]), options)

        assert.strictEqual(inTime.vote._tag, "Success")
        expectLate(tooLate, "idle", true)
      }))

    it.effect("total: for all of it together", () =>
      Effect.gen(function*() {
        const options = { total: "10 seconds" } as const
        const begun = [[3000, ping], [3000, say("Once")]] as const
        const inTime = yield* watchTime(timed(...begun, [3999, stop]), options)
        const tooLate = yield* watchTime(timed(...begun, [4001, stop]), options)
        const silent = yield* watchTime(Stream.never, options)

        assert.strictEqual(inTime.vote._tag, "Success")
        expectLate(tooLate, "total", true)
        expectLate(silent, "total", false)
      }))

    it.effect("let the earliest of them decide, and fail where partial answers are kept", () =>
      Effect.gen(function*() {
        const options = { headers: 3000, firstContent: 5000, idle: 2000, total: 6000, onPartial: "keep" } as const
        const ends = [
          yield* watchTime(timed([3001, ping]), options),
          yield* watchTime(timed([1000, ping], [4001, say("Once")]), options),
          yield* watchTime(timed([1000, say("Once")], [2001, say("upon")]), options),
          yield* watchTime(timed([2999, say("Once")], [1500, say("upon")], [1502, stop]), options)
        ]

        assert.deepStrictEqual(ends.map(({ broken }) => broken?.deadline), ["headers", "firstContent", "idle", "total"])
      }))

    it.effect("are not held against the provider while the reader does not pull", () =>
      Effect.gen(function*() {
        const { admission, told } = witness()
        const reading = yield* timed([900, say("Once")], [900, say("upon")], [900, stop]).pipe(
          LlmStream.guardWith(Effect.succeed(admission), { reader, firstContent: 1000, idle: 1000, total: 3000 }),
          Stream.runForEach(() => Effect.sleep("1 hour")),
          fork
        )
        for (let i = 0; i < 4; i++) yield* TestClock.adjust("1 hour")
        yield* Fiber.join(reading)

        assert.deepStrictEqual(told().votes, [{ _tag: "Success", scope: "model" }])
      }))

    it.effect("are not held against the provider while a tool of the program runs", () =>
      Effect.gen(function*() {
        const answer = [
          [500, { content: 0, toolCall: "call_1" }],
          [0, { content: 0, toolCall: "call_2" }],
          ["1 hour", { toolResult: "call_2" }],
          ["1 hour", { toolResult: "call_1" }],
          [900, stop]
        ] as const
        const patient = yield* watchTime(
          timed(...answer).pipe(Stream.tap(() => Effect.void)),
          { idle: 1000, total: 2000 }
        ).pipe(fork)
        for (let i = 0; i < 4; i++) yield* TestClock.adjust("1 hour")
        const { vote } = yield* Fiber.join(patient)

        assert.strictEqual(vote._tag, "Success")
      }))

    it.effect("hold again once the tools are done, and all along where tools run outside", () =>
      Effect.gen(function*() {
        const call = { content: 0, toolCall: "call_1" }
        const afterTool = yield* watchTime(timed([0, call], [5000, { toolResult: "call_1" }], [1001, stop]), {
          idle: 1000
        })
        const outside = yield* watchTime(timed([0, call], [1001, stop]), { idle: 1000, tools: "outside" })

        expectLate(afterTool, "idle", true)
        expectLate(outside, "idle", true)
      }))

    it.effect("hold again after the finish, though a tool never came to a result", () =>
      Effect.gen(function*() {
        const call = { content: 0, toolCall: "call_1" }
        const end = yield* watchTime(timed([0, call], [0, finish("tool-calls")], [1001, ping]), { idle: 1000 })

        expectLate(end, "idle", true)
      }))

    it.effect("interrupt the stream that is late, and run what it has to release", () =>
      Effect.gen(function*() {
        let released = 0
        const hanging = Stream.fromEffect(Effect.onInterrupt(Effect.never, () => Effect.sync(() => released++)))
        yield* watchTime(hanging, { firstContent: "1 second" })

        assert.strictEqual(released, 1)
      }))

    it.effect("hold though the wall clock steps back", () =>
      Effect.gen(function*() {
        yield* TestClock.adjust("10 days")
        const queue = yield* Queue.unbounded<Part>()
        const watching = yield* fork(watch(Stream.fromQueue(queue), { headers: "1 day", total: 10_000 }))
        yield* TestClock.adjust(4000)
        yield* TestClock.setTime(0)
        yield* Queue.offer(queue, ping)
        yield* TestClock.adjust(0)
        yield* TestClock.adjust(5999)
        const still = watching.pollUnsafe()
        yield* TestClock.adjust(1)

        assert.isUndefined(still)
        expectLate(yield* Fiber.join(watching), "total", false)
      }))
  })

  describe("slow", () => {
    const slow = (options: LlmStream.Options["slow"], ...script: Script) =>
      Effect.map(
        watchTime(timed(...script), { slow: options, onPartial: "keep" }),
        ({ vote }) => (vote as { readonly slow?: boolean }).slow
      )

    it.effect("is first content that took longer than it may: exactly so long is not slow", () =>
      Effect.gen(function*() {
        const rule = { firstContent: "2 seconds" } as const

        assert.isFalse(yield* slow(rule, [2000, say("Once")], ["1 minute", stop]))
        assert.isTrue(yield* slow(rule, [2001, say("Once")], [0, stop]))
        assert.isTrue(yield* slow(rule, [1000, ping], [1001, say("Once")], [0, stop]))
      }))

    it.effect("allows a longer prompt more time, and does not judge a prompt of unknown size", () =>
      Effect.gen(function*() {
        const firstContent = { base: "2 seconds", perThousandInputTokens: "1 second" } as const
        const prompt = { usage: { inputTokens: 3000 } }

        assert.isFalse(yield* slow({ firstContent }, [0, prompt], [5000, say("Once")], [0, stop]))
        assert.isTrue(yield* slow({ firstContent }, [0, prompt], [5001, say("Once")], [0, stop]))
        assert.isTrue(yield* slow({ firstContent, inputTokens: 3000 }, [5001, say("Once")], [0, stop]))
        assert.isFalse(yield* slow({ firstContent }, ["1 minute", say("Once")], [0, stop]))
      }))

    it.effect("is a token that took longer than it may, on average after the first", () =>
      Effect.gen(function*() {
        const rule = { perOutputToken: 50 } as const
        const usage = { outputTokens: 101 }

        assert.isFalse(yield* slow(rule, ["1 minute", say("O")], [5000, say("K")], [0, finish("stop", usage)]))
        assert.isTrue(yield* slow(rule, [0, say("O")], [5001, say("K")], [0, finish("stop", usage)]))
      }))

    it.effect("does not judge the tokens of a short answer", () =>
      Effect.gen(function*() {
        const answer = (outputTokens: number) =>
          [[0, say("O")], ["1 minute", say("K")], [0, finish("stop", { outputTokens })]] as const

        assert.isFalse(yield* slow({ perOutputToken: 50 }, ...answer(15)))
        assert.isTrue(yield* slow({ perOutputToken: 50 }, ...answer(16)))
        assert.isTrue(yield* slow({ perOutputToken: 50, minimumTokens: 8 }, ...answer(8)))
        assert.isFalse(yield* slow({ perOutputToken: 50, minimumTokens: 8 }, ...answer(7)))
      }))

    it.effect("takes a quarter of the characters for tokens where the provider does not count", () =>
      Effect.gen(function*() {
        const rule = { perOutputToken: 50 } as const
        const text = say("x".repeat(40))

        assert.isFalse(yield* slow(rule, [0, text], [950, text], [0, stop]))
        assert.isTrue(yield* slow(rule, [0, text], [951, text], [0, stop]))
      }))

    it.effect("leaves out reasoning that the provider counted and kept to itself", () =>
      Effect.gen(function*() {
        const usage = { outputTokens: 1021, reasoningTokens: 1000 }
        const answer = (reasoning: boolean) =>
          [[0, { content: 4, reasoning }], [2000, say("K")], [0, finish("stop", usage)]] as const

        assert.isTrue(yield* slow({ perOutputToken: 50 }, ...answer(false)))
        assert.isFalse(yield* slow({ perOutputToken: 50 }, ...answer(true)))
      }))

    it.effect("is also said of a failure, and of one before any content by the time it took", () =>
      Effect.gen(function*() {
        const rule = { firstContent: "2 seconds" } as const

        assert.isTrue(yield* slow(rule, [2001, say("Once")]))
        assert.isFalse(yield* slow(rule, [2000, error()]))
        assert.isTrue(yield* slow(rule, [2001, error()]))
      }))

    it.effect("is not said where nothing was asked, nor of what does not count", () =>
      Effect.gen(function*() {
        const plain = yield* watch(parts(say("Once"), stop))
        const filtered = yield* watch(parts(finish("content-filter")), { slow: { firstContent: 1 } })

        assert.notProperty(plain.vote, "slow")
        assert.notProperty(filtered.vote, "slow")
      }))

    it.effect("does not count the time in which the reader did not pull", () =>
      Effect.gen(function*() {
        const { admission, told } = witness()
        const reading = yield* timed([0, say("x".repeat(80))], [100, say("x".repeat(80))], [0, stop]).pipe(
          LlmStream.guardWith(Effect.succeed(admission), { reader, slow: { perOutputToken: 50 } }),
          Stream.runForEach(() => Effect.sleep("1 hour")),
          fork
        )
        for (let i = 0; i < 4; i++) yield* TestClock.adjust("1 hour")
        yield* Fiber.join(reading)

        assert.deepStrictEqual<unknown>(told().votes, [{ _tag: "Success", scope: "model", slow: false }])
      }))
  })

  describe("the report", () => {
    it.effect("tells what was observed, once, after the vote", () =>
      Effect.gen(function*() {
        const reports: Array<LlmStream.Report> = []
        const { vote } = yield* watchTime(
          timed(
            [100, { usage: { inputTokens: 2000 } }],
            [400, say("Once ")],
            [2000, say("upon a time")],
            [50, finish("stop", { outputTokens: 21 })]
          ),
          { onEnd: (report) => Effect.sync(() => reports.push(report)) }
        )

        assert.deepStrictEqual(reports, [{
          outcome: vote,
          duration: Duration.millis(2550),
          headers: Duration.millis(100),
          firstContent: Duration.millis(500),
          perOutputToken: Duration.millis(100),
          inputTokens: 2000,
          outputTokens: 21,
          estimated: false,
          characters: 16,
          finishReason: "stop"
        }])
      }))

    it.effect("says what it does not know", () =>
      Effect.gen(function*() {
        const reports: Array<LlmStream.Report> = []
        yield* watch(parts(), { onEnd: (report) => Effect.sync(() => reports.push(report)) })

        assert.deepInclude(reports[0], {
          headers: undefined,
          firstContent: undefined,
          perOutputToken: undefined,
          inputTokens: undefined,
          outputTokens: 0,
          estimated: true,
          finishReason: undefined
        })
      }))

    it.effect("comes also for a reader that stops, and one that is interrupted", () =>
      Effect.gen(function*() {
        const outcomes: Array<string> = []
        const onEnd = (report: LlmStream.Report) => Effect.sync(() => outcomes.push(report.outcome._tag))
        const guarded = Stream.concat(parts(say("Once")), Stream.never).pipe(
          LlmStream.guardWith(Effect.succeed(witness().admission), { reader, onEnd })
        )
        yield* Stream.runDrain(Stream.take(guarded, 1))
        yield* Effect.flatMap(fork(Stream.runDrain(guarded)), Fiber.interrupt)

        assert.deepStrictEqual(outcomes, ["Success", "Ignored"])
      }))

    it.effect("that fails changes nothing for the reader or the vote", () =>
      Effect.gen(function*() {
        const dies = yield* watch(parts(say("Once"), stop), { onEnd: () => Effect.die("a bug") })
        const throws = yield* watch(parts(say("Once"), stop), {
          onEnd: () => {
            throw new Error("a bug")
          }
        })

        for (const { exit, vote } of [dies, throws]) {
          assert.deepStrictEqual<unknown>(exit, Exit.void)
          assert.strictEqual(vote._tag, "Success")
        }
      }))
  })

  describe("the first content", () => {
    it.effect("is told to the circuit at once, and once", () =>
      Effect.gen(function*() {
        const queue = yield* Queue.unbounded<Part>()
        const { admission, told } = witness()
        const reading = yield* Stream.fromQueue(queue).pipe(
          LlmStream.guardWith(Effect.succeed(admission), { reader }),
          Stream.runDrain,
          fork
        )
        const answersAfter = (part: Part) =>
          Effect.gen(function*() {
            yield* Queue.offer(queue, part)
            yield* TestClock.adjust(1)
            return told().answers
          })

        assert.deepStrictEqual(
          [
            yield* answersAfter(ping),
            yield* answersAfter({ toolResult: "call_1" }),
            yield* answersAfter(say("Once")),
            yield* answersAfter(say("upon"))
          ],
          [0, 0, 1, 1]
        )
        yield* Fiber.interrupt(reading)
      }))

    it.effect("needs no circuit that listens for it", () =>
      Effect.gen(function*() {
        const admission = { settle: () => Effect.void }
        const seen = yield* Stream.runCollect(
          LlmStream.guardWith(parts(say("Once"), stop), Effect.succeed(admission), { reader })
        )

        assert.deepStrictEqual(seen, [say("Once"), stop])
      }))
  })

  describe("under the breaker in context", () => {
    const guarded = <A, E>(
      test: (breaker: Breaker.Breaker) => Effect.Effect<A, E, Breaker.Breaker>,
      options?: Omit<Breaker.Options, "name">
    ) =>
      Effect.gen(function*() {
        const breaker = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.never, ...options })
        return yield* Effect.provideService(test(breaker), Breaker.Breaker, breaker)
      })
    const run = <A, E, R>(stream: Stream.Stream<A, E, R>) => Effect.exit(Stream.runCollect(stream))

    it.effect("is in flight until it ends, and each run of it is a call", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const stream = LlmStream.guard(timed([1000, say("Once")], [1000, stop]), { reader })
          const reading = yield* fork(Effect.all([run(stream), run(stream)], { concurrency: 2 }))
          yield* TestClock.adjust(1999)
          const during = yield* breaker.snapshot
          yield* TestClock.adjust(1)
          yield* Fiber.join(reading)
          const { inFlight, successes } = yield* breaker.snapshot

          assert.deepStrictEqual([during.inFlight, during.successes], [2, 0])
          assert.deepStrictEqual([inFlight, successes], [0, 2])
        })
      ))

    it.effect("opens the circuit by what the parts said, and then does not even start", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          let started = 0
          const stream = parts(error()).pipe(
            Stream.onStart(Effect.sync(() => started++)),
            LlmStream.guard({ reader })
          )
          const first = yield* run(stream)
          const second = yield* run(stream)

          assert.instanceOf(brokenOf(first), StreamBroken)
          assert.instanceOf(Exit.isFailure(second) && Cause.squash(second.cause), CircuitRejected)
          assert.strictEqual(started, 1)
          assert.strictEqual((yield* breaker.snapshot).lastFailure?.kind, "overloaded")
        }), { tripPolicy: TripPolicy.consecutive(1) }))

    const slowRate = TripPolicy.slowRate({
      slowAfter: "10 seconds",
      threshold: 1,
      minimumCalls: 2,
      window: CallWindow.lastCalls(10)
    })
    const slowly = (...script: Script) => (options?: Options) =>
      Effect.gen(function*() {
        const fiber = yield* fork(Stream.runDrain(LlmStream.guard(timed(...script), { reader, ...options })))
        yield* TestClock.adjust("1 hour")
        yield* Fiber.join(fiber)
      })
    const long = slowly([9000, say("Once")], ["1 minute", say("upon")], [0, stop])
    const late = slowly([10_001, say("Once")], [0, stop])

    it.effect("is slow for the circuit by its first content, however long it is", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          yield* long()
          const afterLong = yield* breaker.snapshot
          yield* late()
          const afterLate = yield* breaker.snapshot

          assert.deepStrictEqual([afterLong.slow, afterLate.slow], [0, 1])
        }), { tripPolicy: slowRate }))

    it.effect("is slow for the circuit by its own rule where it has one", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          yield* late({ slow: { firstContent: "20 seconds" } })
          const patient = yield* breaker.snapshot
          yield* long({ slow: { firstContent: "5 seconds" } })
          const strict = yield* breaker.snapshot

          assert.deepStrictEqual([patient.slow, strict.slow], [0, 1])
        }), { tripPolicy: slowRate }))

    it.effect("is not taken for one that hangs once it has begun to answer", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const hanging = (begun: ReadonlyArray<Part>) =>
            fork(Stream.runDrain(LlmStream.guard(Stream.concat(parts(...begun), Stream.never), { reader })))
          const readers = [yield* hanging([say("Once")]), yield* hanging([say("Once")])]
          yield* TestClock.adjust("1 hour")
          yield* Effect.ignore(Effect.flatMap(breaker.admit, (permit) => permit.settle(Outcome.ignored)))
          const answering = (yield* breaker.state)._tag
          const silent = [yield* hanging([ping]), yield* hanging([])]
          for (const reading of readers) yield* Fiber.interrupt(reading)
          yield* TestClock.adjust("1 hour")
          yield* Effect.ignore(Effect.flatMap(breaker.admit, (permit) => permit.settle(Outcome.ignored)))

          assert.deepStrictEqual([answering, (yield* breaker.state)._tag], ["Closed", "Open"])
          for (const reading of silent) yield* Fiber.interrupt(reading)
        }), { tripPolicy: slowRate }))

    it.effect("is the same in all forms", () =>
      guarded((breaker) =>
        Effect.gen(function*() {
          const answer = [say("Once"), stop]
          const { admission, told } = witness()
          const admit = Effect.succeed(admission)
          const forms = [
            LlmStream.guard(parts(...answer), { reader }),
            parts(...answer).pipe(LlmStream.guard({ reader })),
            LlmStream.guardWith(parts(...answer), admit, { reader }),
            parts(...answer).pipe(LlmStream.guardWith(admit, { reader }))
          ]

          for (const form of forms) assert.deepStrictEqual<unknown>(yield* run(form), Exit.succeed(answer))
          assert.strictEqual((yield* breaker.snapshot).successes, 2)
          assert.lengthOf(told().votes, 2)
        })
      ))

    it.effect("tells a ladder of fallbacks what it heard", () =>
      guarded(() =>
        Effect.gen(function*() {
          const ask = (...all: ReadonlyArray<Part>) =>
            Stream.runCollect(LlmStream.guard(parts(...all), { reader })).pipe(
              Effect.map((seen) => seen.length),
              Fallback.withFallback(Fallback.value("sorry")),
              Effect.exit
            )
          const failed = yield* ask(error())
          const mistake = yield* ask(error({ status: 400 }))

          assert.deepInclude(Exit.isSuccess(failed) && failed.value, { value: "sorry", from: "default" })
          assert.strictEqual(brokenOf(mistake)?.kind, "invalid-request")
        })
      ))
  })

  describe("with an admission of its own", () => {
    it.effect("passes the refusal on, and starts nothing", () =>
      Effect.gen(function*() {
        let started = 0
        const exit = yield* parts(say("Once")).pipe(
          Stream.onStart(Effect.sync(() => started++)),
          LlmStream.guardWith(Effect.fail("full"), { reader }),
          Stream.runDrain,
          Effect.exit
        )

        assert.deepStrictEqual<unknown>(exit, Exit.fail("full"))
        assert.strictEqual(started, 0)
      }))

    it.effect("does not count the time it takes", () =>
      Effect.gen(function*() {
        const { admission, told } = witness()
        const reading = yield* timed([900, say("Once")], [0, stop]).pipe(
          LlmStream.guardWith(Effect.delay(Effect.succeed(admission), "1 hour"), {
            reader,
            headers: 1000,
            total: 1000
          }),
          Stream.runDrain,
          fork
        )
        yield* TestClock.adjust("2 hours")
        yield* Fiber.join(reading)

        assert.deepStrictEqual(told().votes.map(({ _tag }) => _tag), ["Success"])
      }))
  })

  describe("orElse", () => {
    const guarded = (...all: ReadonlyArray<Part>) =>
      LlmStream.guardWith(parts(...all), Effect.succeed(witness().admission), { reader })
    const second = parts(say("from the second model"), stop)

    it.effect("goes on with another model while nothing was handed on", () =>
      Effect.gen(function*() {
        const errors: Array<unknown> = []
        const answer = guarded(ping, error()).pipe(LlmStream.orElse((error) => {
          errors.push(error)
          return second
        }))

        assert.deepStrictEqual(yield* Stream.runCollect(answer), [say("from the second model"), stop])
        assert.deepStrictEqual(errors.map((error) => error instanceof StreamBroken && error.kind), ["overloaded"])
      }))

    it.effect("never mixes two answers", () =>
      Effect.gen(function*() {
        const { broken, seen } = yield* watch(LlmStream.orElse(guarded(say("Once")), () => second))

        assert.deepStrictEqual(seen, [say("Once")])
        assert.strictEqual(broken?.kind, "truncated")
      }))

    it.effect("leaves an answer that is whole alone, at each run of it", () =>
      Effect.gen(function*() {
        const whole = LlmStream.orElse(guarded(say("Once"), stop), () => second)
        const failing = LlmStream.orElse(guarded(error()), () => second)

        assert.deepStrictEqual(yield* Stream.runCollect(whole), [say("Once"), stop])
        for (let run = 0; run < 2; run++) assert.lengthOf(yield* Stream.runCollect(failing), 2)
      }))
  })

  describe("a bad option", () => {
    it("throws a RangeError that names it", () => {
      const guard = (options: Options) => () => LlmStream.guard({ reader, ...options })

      assert.throws(
        guard({ headers: 0 }),
        RangeError,
        "LlmStream.guard: headers must be a finite duration above zero, got 0"
      )
      assert.throws(guard({ firstContent: -1 }), RangeError, "firstContent")
      assert.throws(guard({ idle: Infinity }), RangeError, "idle")
      assert.throws(guard({ total: NaN }), RangeError, "total")
      assert.throws(guard({ slow: { firstContent: 0 } }), RangeError, "slow.firstContent")
      assert.throws(guard({ slow: { perOutputToken: 0 } }), RangeError, "slow.perOutputToken")
      assert.throws(guard({ slow: { minimumTokens: 0 } }), RangeError, "slow.minimumTokens")
      assert.throws(guard({ slow: { inputTokens: -1 } }), RangeError, "slow.inputTokens")
      assert.throws(guard({ onPartial: "ignore" as never }), RangeError, "onPartial")
      assert.throws(guard({ tools: "both" as never }), RangeError, "tools")
      assert.throws(
        () => LlmStream.guardWith(Effect.succeed(witness().admission), { reader, idle: 0 }),
        RangeError,
        "LlmStream.guardWith: idle"
      )
    })
  })

  describe("fromClient", () => {
    it.effect("says what is missing where the client gave a whole answer, and not what the answer was", () =>
      Effect.gen(function*() {
        const whole = async () => ({ choices: [{ message: { content: "a secret" } }] }) as never
        const exit = yield* Effect.exit(Stream.runDrain(LlmStream.fromClient(whole)))

        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.instanceOf(defect, TypeError)
        assert.include(defect.message, "LlmStream.fromClient: the client gave no stream (is \"stream: true\" missing?)")
        assert.notInclude(defect.message, "secret")
      }))
  })
})
