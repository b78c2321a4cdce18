/**
 * One streamed answer under guard, from its first content on a `ReadableStream` like any other of the AI SDK's.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as LlmStream from "../llm/LlmStream.ts"
import * as PartReader from "../llm/PartReader.ts"
import { StreamBroken } from "../llm/StreamBroken.ts"
import { type Ask, type Guarding, ofInterrupt } from "./Guarding.ts"
import * as Sdk from "./Sdk.ts"

/** What runs the effects of a program. */
export type Run = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

type Parts = ReadonlyArray<object>

/** An answer that has begun: what the provider gave, the parts that came with the first content, and those to come. */
export interface Begun {
  readonly result: Sdk.Streamed
  readonly first: Parts
  readonly rest: Effect.Effect<Parts | undefined, unknown>
  readonly scope: Scope.Closeable
}

/**
 * Asks a model for a streamed answer, and waits for its first content. Meant for an uninterruptible fiber: only the waiting
 * can be interrupted. Whoever gets what has begun closes its scope.
 */
export const ask = ({ model, params, scopes }: Ask, { llm, stream }: Guarding): Effect.Effect<Begun, unknown> =>
  Effect.suspend(() => {
    let result: Sdk.Streamed | undefined
    const scope = Scope.makeUnsafe()
    const parts = LlmStream.fromClient(async (abortSignal) => {
      result = await model.doStream({ ...params, abortSignal } as never)
      return result.stream as never as AsyncIterable<object>
    }, (error) => error)
    const admit = Effect.map(llm.admit(scopes), (permit): LlmStream.Admission => ({
      answered: permit.answered,
      measured: (figures) => permit.measured?.(figures),
      settle: (outcome) => permit.settle(outcome.kind === "cancelled" ? ofInterrupt(params) : outcome)
    }))
    const guarded = LlmStream.guardWith(parts, admit, { ...stream, reader: PartReader.aiSdk, tools: "outside" })
    const next = (pull: Pull.Pull<Parts, unknown, unknown>): Begun["rest"] =>
      Effect.interruptible(Pull.catchDone(pull, () => Effect.succeed(undefined)))
    return Effect.interruptible(Channel.toPullScoped(guarded.channel, scope)).pipe(
      Effect.flatMap((pull) => {
        const rest = next(pull)
        return Effect.map(rest, (first): Begun => ({ result: result!, first: first ?? [], rest, scope }))
      }),
      Effect.onExit((exit) => Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))
    )
  })

/**
 * Hands an answer on that has begun, as fast as it is read and no faster. An abort by the caller ends it at once, and so does
 * a reader that leaves.
 */
export const hand = (
  { first, rest, scope }: Begun,
  run: Run,
  { abortSignal }: Sdk.Params,
  map: (part: object) => object
): ReadableStream<object> => {
  let ahead: Parts | undefined = first
  let reading: Fiber.Fiber<unknown, unknown> | undefined
  let over = false
  const end = (exit: Exit.Exit<unknown, unknown>): Promise<void> => {
    over = true
    abortSignal?.removeEventListener("abort", abort)
    const closing = run(Scope.close(scope, exit))
    reading?.interruptUnsafe()
    return new Promise((resolve) => void closing.addObserver(() => resolve()))
  }
  let fail: (reason: unknown) => void = () => {}
  const abort = (): void => {
    if (over) return
    // Interrupted first: what comes of closing it is not the provider's doing.
    reading?.interruptUnsafe()
    void end(Exit.interrupt())
    fail(abortSignal!.reason)
  }
  const pull = async (): Promise<Exit.Exit<Parts | undefined, unknown>> => {
    if (ahead !== undefined) {
      const parts = ahead
      ahead = undefined
      if (parts.length > 0) return Exit.succeed(parts)
    }
    const fiber = run(rest)
    reading = fiber
    const exit = await new Promise<Exit.Exit<Parts | undefined, unknown>>((resolve) => void fiber.addObserver(resolve))
    reading = undefined
    return exit
  }
  return new ReadableStream<object>({
    start: (controller) => {
      fail = (reason) => controller.error(reason)
      abortSignal?.addEventListener("abort", abort)
      if (abortSignal?.aborted === true) abort()
    },
    pull: async (controller) => {
      const exit = await pull()
      if (over) return
      if (Exit.isSuccess(exit) && exit.value !== undefined) {
        for (const part of exit.value) controller.enqueue(map(part))
        return
      }
      await end(exit)
      if (Exit.isSuccess(exit)) return controller.close()
      const error = Cause.squash(exit.cause)
      if (!(error instanceof StreamBroken)) return controller.error(error)
      for (const part of Sdk.endOf(error)) controller.enqueue(map(part))
      controller.close()
    },
    cancel: () => over ? undefined : end(Exit.void)
  }, { highWaterMark: 0 })
}
