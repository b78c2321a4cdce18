/**
 * One call of a real client under a breaker, and everything that is to be seen of it: the vote, what the caller got, and
 * what the client alone would have said.
 */
import { assert } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, Stream } from "effect"
import { Breaker, CallWindow, TripPolicy } from "effect-breaker"
import { LlmOutcome, LlmStream, PartReader } from "effect-breaker/llm"
import { TestClock } from "effect/testing"
import type { Call, Client } from "./clients.ts"

/** Text that a client has handed on, and a way to wait for more of it. */
export class Heard {
  text = ""
  private readonly watchers = new Set<() => void>()

  add(text: string): void {
    this.text += text
    for (const watcher of this.watchers) watcher()
  }

  /** Waits until there are so many words. */
  words(count: number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const look = (): void => {
        if (this.text.split(" ").filter((word) => word !== "").length < count) return
        this.watchers.delete(look)
        resume(Effect.void)
      }
      this.watchers.add(look)
      look()
      return Effect.sync(() => this.watchers.delete(look))
    })
  }
}

export interface Seen {
  /** The outcome that the breaker was told: tag, kind and scope. */
  readonly vote: string
  readonly outcome: LlmOutcome.LlmOutcome
  /** What came out of the guarded call: `answer`, or the error, with the text that came before it in quotes. */
  readonly got: string
  /** What the client itself reported: `quiet` where it took the answer for a whole one. */
  readonly client: string
  readonly slow: boolean
}

export interface Options {
  readonly plainTimeout?: Duration.Input
  readonly stream?: Omit<LlmStream.Options<object>, "reader" | "onEnd">
  readonly slowAfter?: Duration.Input
}

type Given = Omit<Call, "signal">

const named = (error: unknown): string => {
  const { _tag, constructor, deadline, kind, name, partial, status, statusCode } = Object(error)
  if (_tag === "StreamBroken") {
    return ["StreamBroken", kind, deadline, partial === true ? "partial" : undefined].filter(Boolean).join(" ")
  }
  if (!(error instanceof Error)) return "a plain object"
  const title = _tag ?? (name === "Error" ? constructor.name : name)
  return [title, status ?? statusCode].filter((word) => word !== undefined).join(" ")
}

const quoted = (text: string | null | undefined): ReadonlyArray<string> =>
  text === null || text === undefined || text === "" ? [] : [`"${text}"`]

const whole = "This answer comes from a healthy fake provider"

const told = (text: string | null | undefined, end: string): string => {
  if (text === whole && end === "") return "answer"
  return [...quoted(text), ...(end === "" ? [] : [end])].join(" then ") || "nothing"
}

const voteOf = ({ _tag, kind, scope }: LlmOutcome.LlmOutcome): string =>
  [_tag, ...(kind === undefined ? [] : [kind]), scope].join(" ")

const makeBreaker = (votes: Array<LlmOutcome.LlmOutcome>, options: Options) =>
  Effect.flatMap(Clock.Clock, (clock) =>
    Breaker.make({
      name: "contract",
      tripPolicy: options.slowAfter === undefined
        ? TripPolicy.never
        : TripPolicy.slowRate({
          slowAfter: options.slowAfter,
          threshold: 1,
          minimumCalls: 100,
          window: CallWindow.lastCalls(100)
        }),
      classify: (exit) => {
        const outcome = LlmOutcome.classifyWith({ now: () => clock.currentTimeMillisUnsafe() })(exit)
        votes.push(outcome)
        return outcome
      }
    }))

/** The one vote, which must be what the circuit counted. */
const settled = (breaker: Breaker.Breaker, votes: ReadonlyArray<LlmOutcome.LlmOutcome>) =>
  Effect.map(breaker.snapshot, ({ failures, ignored, inFlight, slow, successes, throttled }) => {
    const [outcome] = votes
    assert.lengthOf(votes, 1)
    assert.deepStrictEqual({ failures, ignored, inFlight, successes, throttled }, {
      failures: outcome!._tag === "Failure" || outcome!._tag === "Trip" ? 1 : 0,
      ignored: outcome!._tag === "Ignored" ? 1 : 0,
      inFlight: 0,
      successes: outcome!._tag === "Success" ? 1 : 0,
      throttled: outcome!._tag === "Throttled" ? 1 : 0
    })
    return { outcome: outcome!, vote: voteOf(outcome!), slow: slow === 1 }
  })

/** A plain call under `breaker.execute`, classified by `LlmOutcome.classify`. */
export const plain = (client: Client, call: Given, options: Options = {}): Effect.Effect<Seen> =>
  Effect.gen(function*() {
    const votes: Array<LlmOutcome.LlmOutcome> = []
    const breaker = yield* makeBreaker(votes, options)
    let answered = "nothing"
    const exit = yield* Effect.tryPromise({
      try: (signal) => client.plain({ ...call, signal }),
      catch: (error) => error
    }).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => answered = Exit.isSuccess(exit) ? "quiet" : named(Cause.squash(exit.cause)))
      ),
      Effect.timeout(options.plainTimeout ?? "1 day"),
      breaker.execute,
      Effect.exit
    )
    const got = Exit.isSuccess(exit)
      ? told(client.said(exit.value as never), "")
      : told("", named(Cause.squash(exit.cause)))
    return { ...yield* settled(breaker, votes), got, client: answered }
  })

/** A streamed call under `LlmStream.guard`. */
export const streamed = (
  client: Client,
  call: Given,
  options: Options = {},
  heard: Heard = new Heard()
): Effect.Effect<Seen> =>
  Effect.gen(function*() {
    const votes: Array<LlmOutcome.LlmOutcome> = []
    const breaker = yield* makeBreaker([], options)
    let ended = "nothing"
    const answer = LlmStream.fromClient(async (signal) => {
      try {
        const parts = await client.stream({ ...call, signal })
        return (async function*() {
          try {
            ended = "quiet"
            for await (const part of parts) {
              if (client.reader === PartReader.aiSdk && Object(part).type === "error") ended = "error part"
              yield part
            }
          } catch (error) {
            ended = named(error)
            throw error
          }
        })()
      } catch (error) {
        ended = named(error)
        throw error
      }
    }, (error) => error)
    const exit = yield* answer.pipe(
      LlmStream.guard({
        ...options.stream,
        reader: client.reader,
        onEnd: ({ outcome }) => Effect.sync(() => votes.push(outcome))
      }),
      Stream.runForEach((part) => Effect.sync(() => heard.add(client.saidIn(part as never) ?? ""))),
      Effect.provideService(Breaker.Breaker, breaker),
      Effect.exit
    )
    const got = told(heard.text, Exit.isSuccess(exit) ? "" : named(Cause.squash(exit.cause)))
    return { ...yield* settled(breaker, votes), got, client: ended }
  })

/** Lets time pass, and shows that the call ended with the last millisecond of it and no sooner. */
export const endsAfter = <A, E>(fiber: Fiber.Fiber<A, E>, limit: Duration.Input): Effect.Effect<A, E> =>
  Effect.gen(function*() {
    yield* TestClock.adjust(Duration.millis(Duration.toMillis(limit) - 1))
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust(1)
    return yield* Fiber.join(fiber)
  })
