/**
 * What holds for every stream of parts, however it is cut into chunks, ends, and is read.
 *
 * `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many streams each law is tried on.
 */
// The assertions are in the properties.
/* oxlint-disable vitest/expect-expect */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import { LlmStream, type PartReader, StreamBroken } from "effect-breaker/llm"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"

type Part = PartReader.Part

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.FC_RUNS ?? 1000)
console.info(`LlmStream.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

const reader: PartReader.Reader<Part> = { read: (part) => part }

const anyPart: fc.Arbitrary<Part> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Part>({}) },
  { weight: 4, arbitrary: fc.nat(20).map((content): Part => ({ content })) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<PartReader.FinishReason>(
      "stop",
      "length",
      "content-filter",
      "tool-calls",
      "error",
      "pause",
      "other",
      "unknown"
    ).map((finish): Part => ({ finish, usage: { outputTokens: 20 } }))
  },
  { weight: 1, arbitrary: fc.constantFrom(529, 400, 429).map((status): Part => ({ error: { status } })) },
  { weight: 1, arbitrary: fc.constantFrom("a", "b").map((toolCall): Part => ({ content: 0, toolCall })) },
  { weight: 1, arbitrary: fc.constantFrom("a", "b").map((toolResult): Part => ({ toolResult })) }
)

type Ending = "done" | "fail" | "die" | "hang"

interface Provider {
  readonly chunks: ReadonlyArray<{ readonly after: number; readonly parts: ReadonlyArray<Part> }>
  readonly ending: Ending
}

const anyProvider: fc.Arbitrary<Provider> = fc.record({
  chunks: fc.array(
    fc.record({ after: fc.constantFrom(0, 0, 1, 400, 1000), parts: fc.array(anyPart, { minLength: 1, maxLength: 4 }) }),
    { maxLength: 6 }
  ),
  ending: fc.constantFrom<Ending>("done", "done", "fail", "die", "hang")
})

interface Consumer {
  readonly take: number
  /** How long it is busy with each part. */
  readonly busy: number
  readonly failsAt: number
  readonly interruptedAfter: number
}

const anyConsumer: fc.Arbitrary<Consumer> = fc.record({
  take: fc.constantFrom(1, 2, 5, 100, 100),
  busy: fc.constantFrom(0, 0, 500),
  failsAt: fc.constantFrom(1, 3, 100, 100),
  interruptedAfter: fc.constantFrom(1, 1500, 20_000, 20_000)
})

const anyOptions: fc.Arbitrary<LlmStream.Options<Part>> = fc.record({
  headers: fc.constantFrom(undefined, 500),
  firstContent: fc.constantFrom(undefined, 1200),
  idle: fc.constantFrom(undefined, 700),
  total: fc.constantFrom(undefined, 2000),
  onPartial: fc.constantFrom(undefined, "fail" as const, "keep" as const),
  tools: fc.constantFrom(undefined, "inside" as const, "outside" as const),
  slow: fc.constantFrom(undefined, { firstContent: 300, perOutputToken: 10 })
})

const streamOf = ({ chunks, ending }: Provider): Stream.Stream<Part, string> => {
  const said = Stream.fromIterable(chunks).pipe(
    Stream.mapEffect(({ after, parts }) =>
      after === 0 ? Effect.succeed(parts) : Effect.delay(Effect.succeed(parts), after)
    ),
    Stream.flatMap((parts) => Stream.fromIterable(parts))
  )
  const endings = { done: Stream.empty, fail: Stream.fail("cut"), die: Stream.die("a bug"), hang: Stream.never }
  return Stream.concat(said, endings[ending])
}

interface History {
  readonly admitted: number
  readonly votes: ReadonlyArray<LlmStream.Report["outcome"]>
  readonly reports: number
  readonly answersBeforeVote: ReadonlyArray<boolean>
  readonly seen: ReadonlyArray<Part>
  readonly exit: Exit.Exit<void, unknown>
}

const play = (provider: Provider, consumer: Consumer, options: LlmStream.Options<Part>): Promise<History> =>
  Effect.gen(function*() {
    let admitted = 0
    let reports = 0
    const votes: Array<LlmStream.Report["outcome"]> = []
    const answersBeforeVote: Array<boolean> = []
    const seen: Array<Part> = []
    const admit = Effect.sync((): LlmStream.Admission => {
      admitted++
      return {
        settle: (outcome) => Effect.sync(() => votes.push(outcome)),
        answered: Effect.sync(() => answersBeforeVote.push(votes.length === 0))
      }
    })
    const reading = streamOf(provider).pipe(
      LlmStream.guardWith(admit, { ...options, reader, onEnd: () => Effect.sync(() => reports++) }),
      Stream.tap((part) => Effect.sync(() => seen.push(part))),
      Stream.tap(() => consumer.busy === 0 ? Effect.void : Effect.sleep(consumer.busy)),
      Stream.mapEffect((part, index) =>
        index + 1 === consumer.failsAt ? Effect.fail("disk full") : Effect.succeed(part)
      ),
      Stream.take(consumer.take),
      Stream.runDrain
    )
    const fiber = yield* Effect.forkChild(Effect.exit(reading), { startImmediately: true })
    yield* TestClock.adjust(consumer.interruptedAfter)
    const early = fiber.pollUnsafe()
    if (early === undefined) yield* Fiber.interrupt(fiber)
    const exit = early === undefined
      ? Exit.interrupt()
      : Exit.isSuccess(early)
      ? early.value
      : Exit.failCause(early.cause)
    return { admitted, votes, reports, answersBeforeVote, seen, exit }
  }).pipe(Effect.provide(TestClock.layer()), Effect.scoped, Effect.runPromise)

const always = (law: (history: History, provider: Provider, options: LlmStream.Options<Part>) => void) =>
  fc.assert(
    fc.asyncProperty(anyProvider, anyConsumer, anyOptions, async (provider, consumer, options) => {
      law(await play(provider, consumer, options), provider, options)
    }),
    { seed, numRuns: runs }
  )

const brokenOf = (exit: Exit.Exit<unknown, unknown>): StreamBroken | undefined => {
  const fail = Exit.isFailure(exit) ? exit.cause.reasons.find((reason) => reason._tag === "Fail") : undefined
  return fail?._tag === "Fail" && fail.error instanceof StreamBroken ? fail.error : undefined
}

const isContent = (part: Part) => part.content !== undefined || part.toolResult !== undefined

describe("every guarded stream", () => {
  it("is settled exactly once, and reported once", () =>
    always(({ admitted, reports, votes }) => {
      assert.deepStrictEqual([admitted, votes.length, reports], [1, 1, 1])
    }))

  it("hands on a prefix of what the provider said", () =>
    always(({ seen }, provider) => {
      const said = provider.chunks.flatMap(({ parts }) => parts)

      assert.isAtMost(seen.length, said.length)
      seen.forEach((part, index) => assert.strictEqual(part, said[index]))
    }))

  it("hands on nothing at all if it breaks before there was anything to hand on", () =>
    always(({ exit, seen }) => {
      const broken = brokenOf(exit)
      if (broken?.partial === false) assert.deepStrictEqual(seen, [])
      if (broken?.partial === true) assert.isTrue(seen.some(isContent))
    }))

  it("tells the circuit of the first content at most once, and before the vote", () =>
    always(({ answersBeforeVote, seen, votes }) => {
      assert.isAtMost(answersBeforeVote.length, 1)
      assert.notInclude(answersBeforeVote, false)
      if (answersBeforeVote.length === 0 && votes[0]?._tag === "Success") {
        assert.isFalse(seen.some((part) => part.content !== undefined))
      }
    }))

  it("votes as its error says", () =>
    always(({ exit, votes }) => {
      const broken = brokenOf(exit)
      if (broken !== undefined) assert.strictEqual(broken.outcome._tag, votes[0]?._tag)
    }))

  it("fails by itself only as asked: of a kept answer, by a deadline or not at all", () =>
    always(({ exit }, _, { onPartial }) => {
      const broken = brokenOf(exit)
      if (broken?.partial === true && onPartial === "keep") assert.isDefined(broken.deadline)
    }))

  it("never lets a deadline pass that was not set", () =>
    always(({ exit }, _, options) => {
      const deadline = brokenOf(exit)?.deadline
      if (deadline !== undefined) assert.isDefined(options[deadline])
    }))

  it("says whether it was slow exactly where it was asked and the vote counts", () =>
    always(({ votes }, _, { slow }) => {
      const counts = votes[0]?._tag === "Success" || votes[0]?._tag === "Failure"

      assert.strictEqual("slow" in votes[0]!, slow !== undefined && counts)
    }))
})
