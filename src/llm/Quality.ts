/**
 * The second window of a model: for answers that arrive, but are bad.
 *
 * An answer is bad that is empty though the model stopped of its own accord, that misses the schema it was asked for, whose
 * tool call is malformed, or that your own word calls bad. None of this says that the model is down, so it has a window and
 * a threshold of its own, opens a circuit of its own, and never spreads to the provider.
 *
 * @since 0.1.0
 */
import * as Schedule from "effect/Schedule"
import type * as BreakerMap from "../BreakerMap.ts"
import * as CallWindow from "../CallWindow.ts"
import type * as OpenDuration from "../OpenDuration.ts"
import type * as Outcome from "../Outcome.ts"
import type { HalfOpenOptions, RampOptions } from "../Rules.ts"
import * as TripPolicy from "../TripPolicy.ts"
import * as BadAnswer from "./BadAnswer.ts"
import type * as LlmOutcome from "./LlmOutcome.ts"

/**
 * When the circuit of a model opens for bad answers.
 *
 * **Details**
 *
 * It opens when at least `threshold` (default 0.5) of the answers in `window` (default the last 100 within five minutes)
 * were bad, once it holds `minimumCalls` (default 20). An opening lasts one minute, doubling to half an hour; four good
 * answers of five probes close it.
 *
 * `isGood` is your own word on the value that `execute` got: whether it is good, or `undefined` where it cannot tell. It
 * comes first; one that throws is passed over.
 *
 * **Example** (A search whose answers tell how many of their sources failed)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { CallWindow } from "effect-breaker"
 * import { LlmBreaker } from "effect-breaker/llm"
 *
 * interface Answer {
 *   readonly text: string
 *   readonly errorRate: number
 * }
 *
 * const program = Effect.gen(function*() {
 *   const llm = yield* LlmBreaker.make({
 *     quality: {
 *       minimumCalls: 2,
 *       window: CallWindow.lastCalls(20),
 *       isGood: (answer) => (answer as Answer).errorRate < 0.3
 *     }
 *   })
 *   const ask = (answer: Answer) => llm.execute(Effect.succeed(answer), { provider: "openai", model: "gpt-5" })
 *
 *   yield* ask({ text: "It is sunny", errorRate: 0 })
 *   yield* ask({ text: "It is", errorRate: 0.8 })
 *   return yield* Effect.flip(ask({ text: "", errorRate: 1 }))
 * })
 *
 * console.log((await Effect.runPromise(program)).circuit) // => "openai/gpt-5?quality"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly threshold?: number | undefined
  readonly minimumCalls?: number | undefined
  readonly window?: CallWindow.CallWindow | undefined
  readonly openDuration?: OpenDuration.OpenDuration | undefined
  readonly jitter?: number | undefined
  readonly halfOpen?: HalfOpenOptions | undefined
  readonly ramp?: RampOptions | undefined
  readonly isGood?: ((answer: unknown) => boolean | undefined) | undefined
}

/** @internal */
export const policy = (
  { halfOpen, jitter, minimumCalls, openDuration, ramp, threshold, window }: Options
): BreakerMap.Policy => ({
  tripPolicy: TripPolicy.failureRate({
    threshold: threshold ?? 0.5,
    minimumCalls: minimumCalls ?? 20,
    window: window ?? CallWindow.lastCalls(100, { within: "5 minutes" })
  }),
  openDuration: openDuration ?? Schedule.min([Schedule.exponential("1 minute"), Schedule.spaced("30 minutes")]),
  jitter: jitter ?? 0.2,
  halfOpen: { successes: 4, outOf: 5, lease: "2 minutes", ...halfOpen },
  ramp
})

/** @internal Reads off an outcome whether the answer was good; `undefined` where there was none to judge. */
export const ofOutcome = (outcome: LlmOutcome.LlmOutcome): boolean | undefined => {
  if (outcome.kind === "quality") return false
  return outcome._tag === "Success" ? outcome.kind !== "empty" : undefined
}

/**
 * Reads off an answer whether it is good: by the user's own word, and where that says nothing, bad if it is empty though
 * the model stopped of its own accord, or garbled; `undefined` where nothing can be told.
 *
 * @internal
 */
export const ofAnswer = (answer: unknown, isGood: Options["isGood"]): boolean | undefined => {
  try {
    return isGood?.(answer) ?? (BadAnswer.isBad(answer) ? false : undefined)
  } catch {
    return undefined
  }
}

/** @internal What a quality circuit hears. */
export const heard = (isGood: boolean | undefined, message: string | undefined): Outcome.Outcome =>
  isGood === undefined
    ? { _tag: "Ignored" }
    : isGood
    ? { _tag: "Success" }
    : { _tag: "Failure", kind: "quality", message }
