/**
 * The one error that `LlmStream` adds: the answer broke off, or never began.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { Deadlines } from "./Deadlines.ts"
import type { LlmOutcome } from "./LlmOutcome.ts"

/**
 * A streamed answer broke off, or never began: what kind of trouble, whom it speaks for, and whether content had come.
 *
 * **Details**
 *
 * `outcome` is what the circuit was told, and `kind` and `scope` are its. `partial` is whether parts had already been
 * handed on that another model's answer could not follow: content, or the result of a tool. While it is false, nothing
 * at all was handed on, and another model can take over. `deadline` is the one that passed, if one did. `cause` is the
 * error that the provider reported, if it reported one.
 *
 * **Gotchas**
 *
 * It has no stack trace: it comes from the provider, not from a place in the program.
 *
 * **Example** (Another model takes over while nothing was shown)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Breaker } from "effect-breaker"
 * import { LlmStream, PartReader } from "effect-breaker/llm"
 *
 * const large = Stream.make({ type: "ping" }, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } })
 * const small = Stream.make({ type: "content_block_delta", delta: { type: "text_delta", text: "Hello" } })
 *
 * const answer = large.pipe(
 *   LlmStream.guard({ reader: PartReader.anthropic }),
 *   Stream.catchTag("StreamBroken", (broken) => broken.partial ? Stream.fail(broken) : small)
 * )
 *
 * const program = Effect.provide(Stream.runCollect(answer), Breaker.layer({ name: "anthropic" }))
 * console.log((await Effect.runPromise(program)).length) // => 1
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class StreamBroken extends Data.Error {
  readonly _tag = "StreamBroken"
  readonly outcome: LlmOutcome
  readonly kind: NonNullable<LlmOutcome["kind"]>
  readonly scope: LlmOutcome["scope"]
  readonly partial: boolean
  readonly deadline: keyof Deadlines | undefined
  override readonly message: string
  override readonly cause: unknown

  constructor(options: {
    readonly outcome: LlmOutcome
    readonly partial: boolean
    readonly message: string
    readonly deadline?: keyof Deadlines | undefined
    readonly cause?: unknown
  }) {
    super()
    this.outcome = options.outcome
    this.kind = options.outcome.kind ?? "unknown"
    this.scope = options.outcome.scope
    this.partial = options.partial
    this.message = options.message
    this.deadline = options.deadline
    this.cause = options.cause
  }

  override get name(): string {
    return this._tag
  }
}

/**
 * Makes the error without taking a stack trace.
 *
 * @internal
 */
export const make = (options: ConstructorParameters<typeof StreamBroken>[0]): StreamBroken => {
  const limit = Error.stackTraceLimit
  try {
    Error.stackTraceLimit = 0
    return new StreamBroken(options)
  } finally {
    Error.stackTraceLimit = limit
  }
}
